//! The registration: as the settings say, and read back.

use super::*;

#[test]
fn the_committed_registration_is_that_of_the_example() {
    let settings = example();
    let expected = registration_yaml(&settings, &Tokens::example(&settings));
    assert_eq!(
        include_str!("../../../registration.yaml"),
        expected,
        "write it anew: umstieg --settings umstieg.example.toml registration --example --output \
         registration.yaml --force"
    );
}

/// Settings whose registration file lies in `directory`, and random tokens.
fn with_registration(directory: &Path) -> (Settings, Tokens) {
    let mut settings = example();
    settings.appservice.registration = directory.join("registration.yaml");
    let tokens = Tokens::random(&settings, &mut StdRng::seed_from_u64(7));
    (settings, tokens)
}

#[test]
fn a_registration_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let (settings, tokens) = with_registration(directory.path());
    let file = &settings.appservice.registration;
    write_registration(file, &registration_yaml(&settings, &tokens), false).unwrap();
    let registration = read_registration(&settings).unwrap();
    let read = registration.tokens;
    assert_eq!(read.as_token.expose_secret(), tokens.as_token.expose_secret());
    assert_eq!(read.hs_token.expose_secret(), tokens.hs_token.expose_secret());
    assert_eq!(read.sender_localpart, tokens.sender_localpart);
    assert_eq!(said(&registration.warnings), Vec::<String>::new());
    assert_eq!(tokens.as_token.expose_secret().len(), 64);
    assert_ne!(tokens.as_token.expose_secret(), tokens.hs_token.expose_secret());
    assert_ne!(read.sender_localpart, settings.appservice.bot);
}

#[test]
fn a_registration_is_for_its_owner_and_not_replaced_by_accident() {
    let directory = tempfile::tempdir().unwrap();
    let (settings, _) = with_registration(directory.path());
    let file = &settings.appservice.registration;
    fs::write(file, "alt").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = write_registration(file, "neu", false).unwrap_err().to_string();
    assert!(refused.ends_with("--force replaces it"), "{refused}");
    assert_eq!(fs::read_to_string(file).unwrap(), "alt");
    write_registration(file, "neu", true).unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "neu");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    let nowhere = directory.path().join("no/such/registration.yaml");
    assert!(matches!(
        write_registration(&nowhere, "neu", false),
        Err(WriteError::Unwritable { .. })
    ));
}

#[test]
fn the_namespaces_hold_our_users_on_our_server_only() {
    let mut settings = example();
    settings.appservice.user_prefix = "a.b_".to_owned();
    settings.homeserver.server_name = "[::1]:8448".to_owned();
    let yaml = registration_yaml(&settings, &Tokens::example(&settings));
    assert!(yaml.contains(r"regex: '^@a\.b_.*:\[::1\]:8448$'"), "{yaml}");
    assert!(yaml.contains(r"regex: '^#a\.b_.*:\[::1\]:8448$'"), "{yaml}");
}

/// Changes a good registration and expects it to be refused with these words.
#[track_caller]
fn check_registration(change: impl FnOnce(String) -> String, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (settings, tokens) = with_registration(directory.path());
    let file = &settings.appservice.registration;
    fs::write(file, change(registration_yaml(&settings, &tokens))).unwrap();
    let error = read_registration(&settings).unwrap_err();
    let mut shown = error.to_string();
    assert!(shown.contains(expected), "{shown}");
    shown.push_str(&format!("{error:?}"));
    assert!(!shown.contains(tokens.as_token.expose_secret()), "{shown}");
    assert!(!shown.contains(tokens.hs_token.expose_secret()), "{shown}");
}

/// The value of one top-level key replaced.
fn with_line(yaml: &str, key: &str, value: &str) -> String {
    let line = |line: &str| match line.starts_with(key) {
        true => format!("{key}{value}\n"),
        false => format!("{line}\n"),
    };
    yaml.lines().map(line).collect()
}

#[test]
fn a_registration_that_does_not_fit_the_settings_is_refused() {
    let without = |key: &'static str| {
        move |yaml: String| {
            yaml.lines().filter(|line| !line.starts_with(key)).map(|l| format!("{l}\n")).collect()
        }
    };
    check_registration(without("id:"), "id is missing; add it");
    check_registration(without("url:"), "url is missing; add it");
    check_registration(without("as_token:"), "as_token is missing; add it");
    check_registration(without("hs_token:"), "hs_token is missing; add it");
    check_registration(without("sender_localpart:"), "sender_localpart is missing; add it");
    check_registration(
        |yaml| yaml.replace("id: 'umstieg'", "id: 'other'"),
        "id is other, but the settings say appservice.id is umstieg; correct the settings",
    );
    check_registration(
        |yaml| yaml.replace(":9800", ":9900"),
        "url is http://127.0.0.1:9900, but the settings say appservice.url is http://127.0.0.1:9800",
    );
    check_registration(
        |yaml| yaml.replace("@_umstieg_", "@_other_"),
        r"namespaces.users is ^@_other_.*:praxis\.example$, but the settings say appservice.user_prefix with homeserver.server_name is ^@_umstieg_.*:praxis\.example$",
    );
    check_registration(
        |yaml| yaml.replace("exclusive: true", "exclusive: false"),
        "namespaces.users is without an exclusive regex",
    );
    check_registration(
        |yaml| with_line(&yaml, "sender_localpart: ", "_umstieg_bot"),
        "sender_localpart is the bot (_umstieg_bot)",
    );
    check_registration(
        |yaml| with_line(&with_line(&yaml, "as_token: ", "same"), "hs_token: ", "same"),
        "as_token and hs_token are the same",
    );
}

#[test]
fn a_registration_nobody_should_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (settings, _) = with_registration(directory.path());
    let file = &settings.appservice.registration;
    let missing = read_registration(&settings).unwrap_err().to_string();
    assert!(missing.contains("cannot be read; if there is none, write one"), "{missing}");
    fs::write(file, registration_yaml(&settings, &Tokens::example(&settings))).unwrap();
    let error = read_registration(&settings).unwrap_err().to_string();
    assert!(error.contains("as_token is a placeholder of the example"), "{error}");
}

#[test]
fn a_file_that_is_no_registration_is_refused_with_its_line() {
    check_registration(|yaml| yaml.replace("as_token: ", "as_token: ["), ", line 5: this is not");
    check_registration(|yaml| yaml.replace("namespaces:\n", "namespaces: 3\n"), ": this is not");
    check_registration(|yaml| yaml.replace("hs_token:", "as_token:"), ": this is not");
    check_registration(|_| "- nur eine Liste\n".to_owned(), ", line 1: this is not");
}

#[test]
fn a_registration_written_by_hand_is_read_too() {
    let directory = tempfile::tempdir().unwrap();
    let (settings, _) = with_registration(directory.path());
    let yaml = r#"
id: umstieg
url: "http://127.0.0.1:9800/"   # with a slash
as_token: one
hs_token: "two"
sender_localpart: nobody
org.matrix.msc3202: true
namespaces: {users: [{exclusive: true, regex: '^@_umstieg_.*:praxis\.example$'}], aliases: [{exclusive: true, regex: '^#_umstieg_.*:praxis\.example$'}], rooms: []}
"#;
    fs::write(&settings.appservice.registration, yaml).unwrap();
    let registration = read_registration(&settings).unwrap();
    assert_eq!(registration.tokens.hs_token.expose_secret(), "two");
}
