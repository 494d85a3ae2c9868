//! The program as a person starts it: exit codes, and words that help.
#![expect(clippy::unwrap_used, reason = "a helper of tests may fail loudly")]

pub(crate) mod german;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const EXAMPLE: &str = include_str!("../../umstieg.example.toml");

/// The example, with its own key.
fn settings_with_key() -> String {
    let key = String::from_utf8(umstieg(Path::new("."), &["sealing-key"]).stdout).unwrap();
    EXAMPLE.replacen("key = \"change-me\"", &format!("key = {:?}", key.trim()), 1)
}

fn umstieg(directory: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_umstieg"))
        .args(words)
        .current_dir(directory)
        .env_remove("UMSTIEG_SETTINGS")
        .env_remove("UMSTIEG_DATABASE_URL")
        .env("LC_ALL", "C")
        .output()
        .unwrap()
}

/// Exit code, standard output and standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn with_settings(text: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("umstieg.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    directory
}

#[test]
fn the_help_teaches_the_first_steps_in_their_order() {
    let (code, help, _) = told(&umstieg(Path::new("."), &["--help"]));
    assert_eq!(code, Some(0));
    let steps = [
        "umstieg.example.toml to",
        "umstieg sealing-key ",
        "umstieg registration ",
        "umstieg migrate ",
        "umstieg check ",
        "umstieg run ",
    ];
    let places: Vec<usize> = steps.iter().map(|step| help.find(step).unwrap()).collect();
    assert!(places.is_sorted(), "{help}");
    assert!(help.contains("Exit codes:"), "{help}");
    assert!(!help.contains("--example"), "{help}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for words in [&[][..], &["fly"], &["parked"], &["parked", "retry", "one"], &["run", "--fast"]] {
        assert_eq!(told(&umstieg(Path::new("."), words)).0, Some(2), "{words:?}");
    }
}

#[test]
fn missing_settings_end_with_2_and_say_how_to_begin() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _, error) = told(&umstieg(directory.path(), &["check"]));
    assert_eq!(code, Some(2));
    assert!(error.contains("copy umstieg.example.toml to umstieg.toml"), "{error}");
    assert!(error.contains("because: the settings file umstieg.toml cannot be read"), "{error}");
}

#[test]
fn wrong_settings_end_with_2_and_name_every_line() {
    let text =
        EXAMPLE.replace("port = 995", "port = \"995\"").replace("kind = \"fax\"", "kind = \"fox\"");
    let directory = with_settings(&text);
    for command in [&["run"][..], &["check"], &["migrate"], &["registration"], &["parked", "list"]]
    {
        let (code, _, error) = told(&umstieg(directory.path(), command));
        assert_eq!(code, Some(2), "{command:?}");
        assert!(error.starts_with("umstieg: umstieg.toml has 2 mistakes:\n  line "), "{error}");
        assert!(
            error.contains("channel.inbox.port: expected a whole number from 1 to 65535"),
            "{error}"
        );
        assert!(error.contains("channel.kind: allowed are \"kim\" and \"fax\""), "{error}");
    }
}

#[test]
fn the_registration_is_written_once_and_replaced_by_force_only() {
    let directory = with_settings(EXAMPLE);
    let file = directory.path().join("registration.yaml");
    let (code, said, _) = told(&umstieg(directory.path(), &["registration"]));
    assert_eq!(code, Some(0));
    assert!(said.contains("app_service_config_files:\n  - ("), "{said}");
    let first = fs::read_to_string(&file).unwrap();
    let (code, _, error) = told(&umstieg(directory.path(), &["registration"]));
    assert_eq!(code, Some(1));
    assert!(error.contains("--force replaces it"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    assert_eq!(told(&umstieg(directory.path(), &["registration", "--force"])).0, Some(0));
    let second = fs::read_to_string(&file).unwrap();
    assert_ne!(first, second, "the tokens are random");
}

#[test]
fn the_gateway_does_not_start_with_the_tokens_of_the_example() {
    let directory = with_settings(&settings_with_key());
    assert_eq!(told(&umstieg(directory.path(), &["registration", "--example"])).0, Some(0));
    for command in ["run", "check"] {
        let (code, _, error) = told(&umstieg(directory.path(), &[command]));
        assert_eq!(code, Some(2));
        assert!(error.contains("as_token is a placeholder of the example"), "{error}");
    }
}

#[test]
fn a_missing_registration_ends_with_2_and_says_how_to_write_one() {
    let directory = with_settings(&settings_with_key());
    let (code, _, error) = told(&umstieg(directory.path(), &["run"]));
    assert_eq!(code, Some(2));
    assert!(error.contains("write one with: umstieg registration"), "{error}");
}

#[test]
fn the_sealing_key_of_the_example_opens_nothing() {
    let directory = with_settings(EXAMPLE);
    for command in [&["run"][..], &["check"], &["migrate"], &["rekey"], &["parked", "list"]] {
        let (code, _, error) = told(&umstieg(directory.path(), command));
        assert_eq!(code, Some(2), "{command:?}");
        assert!(error.starts_with("umstieg: umstieg.toml, line "), "{error}");
        assert!(error.contains("sealing.key: is the placeholder of the example"), "{error}");
        assert!(error.contains("umstieg sealing-key"), "{error}");
    }
}

#[test]
fn a_sealing_key_is_random_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (code, key, note) = told(&umstieg(directory.path(), &["sealing-key"]));
    assert_eq!(code, Some(0));
    assert_eq!(key.trim().len(), 44, "32 bytes in base64: {key}");
    assert!(note.contains("keep a copy of it") && !note.contains(key.trim()), "{note}");
    let (_, other, _) = told(&umstieg(directory.path(), &["sealing-key"]));
    assert_ne!(key, other);

    let to_file = ["sealing-key", "--output", "sealing"];
    let (code, printed, _) = told(&umstieg(directory.path(), &to_file));
    assert_eq!((code, printed.as_str()), (Some(0), ""));
    let file = directory.path().join("sealing");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&file).unwrap();
    let (code, _, error) = told(&umstieg(directory.path(), &to_file));
    assert_eq!(code, Some(1));
    assert!(error.contains("an existing key is never replaced"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn rekey_says_what_is_wrong_with_the_old_key() {
    let directory = with_settings(&settings_with_key());
    let rekey = ["rekey", "--old-key-file", "old"];
    let (code, _, error) = told(&umstieg(directory.path(), &rekey));
    assert_eq!(code, Some(2));
    assert!(error.contains("the file old cannot be read"), "{error}");
    fs::write(directory.path().join("old"), "geheim!\n").unwrap();
    let (code, _, error) = told(&umstieg(directory.path(), &rekey));
    assert_eq!(code, Some(2));
    assert!(
        error.contains("what old holds is not base64") && !error.contains("geheim!"),
        "{error}"
    );
    let by_environment = Command::new(env!("CARGO_BIN_EXE_umstieg"))
        .arg("rekey")
        .current_dir(directory.path())
        .env_remove("UMSTIEG_SETTINGS")
        .env("UMSTIEG_OLD_SEALING_KEY", "geheim!")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let (code, _, error) = told(&by_environment);
    assert_eq!(code, Some(2));
    assert!(error.contains("what UMSTIEG_OLD_SEALING_KEY holds is not base64"), "{error}");
}
