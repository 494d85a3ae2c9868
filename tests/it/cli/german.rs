//! The program in the language of who runs it: `--lang`, else the environment; German from the first word
//! to the last, or English.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use super::{EXAMPLE, settings_with_key, told, with_settings};

/// Runs the program with this in its environment, and nothing else that has to do with languages.
fn run(directory: &Path, environment: &[(&str, &str)], words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_umstieg"));
    for name in ["LC_ALL", "LC_MESSAGES", "LANG", "UMSTIEG_SETTINGS", "UMSTIEG_DATABASE_URL"] {
        command.env_remove(name);
    }
    let environment = environment.iter().copied();
    command.args(words).current_dir(directory).envs(environment).output().unwrap()
}

fn all_words(output: &Output) -> String {
    let (_, out, error) = told(output);
    out + &error
}

/// Text in German quotation marks is foreign.
fn without_quotations(text: &str) -> String {
    let mut pieces = text.split('„');
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        rest.push_str(piece.split_once('“').map_or("", |(_, behind)| behind));
    }
    rest
}

/// The sentences of a text; commands and lists of names are not sentences.
fn sentences(text: &str) -> Vec<&str> {
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    let is_sentence = |piece: &&str| {
        !piece.starts_with("umstieg ") && piece.split(' ').filter(is_word).count() >= 3
    };
    let lines = text.lines().flat_map(|line| line.split("  "));
    let pieces = lines.flat_map(|line| line.split(": ")).flat_map(|piece| piece.split("; "));
    pieces.map(str::trim).filter(is_sentence).collect()
}

/// Checks that nothing the program says in English is left in what it says in German.
#[track_caller]
pub(crate) fn is_translated(english: &str, german: &str) {
    let ours = without_quotations(german);
    for sentence in sentences(english) {
        assert!(!ours.contains(sentence), "{sentence:?} is left in\n{german}\nEnglish:\n{english}");
    }
    let is_german = |text: &str| {
        let words = ["ist", "die", "der", "nicht", "nichts", "Sie", "mit", "auf", "erreicht"];
        text.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word))
    };
    assert!(is_german(&ours), "no word of German in\n{german}");
    assert!(!is_german(english), "German in\n{english}");
}

/// Runs a command in English and, in each way to ask for it, in German.
#[track_caller]
fn both(directory: &Path, words: &[&str], prepare: impl Fn()) -> String {
    prepare();
    let english = run(directory, &[("LANG", "C.UTF-8")], words);
    prepare();
    let german = run(directory, &[], &[&["--lang", "de"], words].concat());
    prepare();
    let by_environment = run(directory, &[("LANG", "de_DE.UTF-8")], words);
    assert_eq!(english.status.code(), german.status.code(), "{words:?}");
    assert_eq!(english.status.code(), by_environment.status.code(), "{words:?}");
    is_translated(&all_words(&english), &all_words(&german));
    is_translated(&all_words(&english), &all_words(&by_environment));
    all_words(&german)
}

const COMMANDS: [&[&str]; 9] = [
    &["run"],
    &["check"],
    &["migrate"],
    &["rekey"],
    &["parked", "list"],
    &["parked", "retry", "1"],
    &["parked", "drop", "1"],
    &["identities", "list"],
    &["identities", "confirm", "@anna:praxis.example"],
];

#[test]
fn every_command_says_in_german_that_there_are_no_settings() {
    let directory = tempfile::tempdir().unwrap();
    for command in COMMANDS.into_iter().chain([&["registration"][..]]) {
        let said = both(directory.path(), command, || {});
        assert!(said.starts_with("umstieg: Es gibt keine Einstellungen."), "{said}");
        assert!(said.contains("\n  Ursache: Die Datei umstieg.toml"), "{said}");
    }
}

#[test]
fn every_command_names_the_mistakes_in_the_settings_in_german() {
    let wrong = EXAMPLE
        .replace("port = 995", "port = \"995\"")
        .replace("kind = \"fax\"", "kind = \"fox\"")
        .replace("[homeserver]", "[homeserver]\ncolour = 1");
    let directory = with_settings(&wrong);
    for command in COMMANDS.into_iter().chain([&["registration"][..]]) {
        let said = both(directory.path(), command, || {});
        assert!(said.starts_with("umstieg: umstieg.toml enthält 3 Fehler:\n  Zeile "), "{said}");
        assert!(said.contains("channel.kind: Erlaubt sind \"kim\" und \"fax\""), "{said}");
    }
    // The key of the example.
    let directory = with_settings(EXAMPLE);
    for command in COMMANDS {
        let said = both(directory.path(), command, || {});
        assert!(said.contains("sealing.key: Das ist der Platzhalter"), "{said}");
    }
}

#[test]
fn every_command_says_in_german_that_the_database_cannot_be_used() {
    let url = "postgres://umstieg@127.0.0.1/umstieg?sslmode=nonsense";
    let settings = settings_with_key();
    let (before, rest) = settings.split_once("\nurl = ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    let directory = with_settings(&format!("{before}\nurl = \"{url}\"\n{after}"));
    let made = run(directory.path(), &[], &["registration"]);
    assert!(made.status.success(), "{made:?}");
    for command in COMMANDS.into_iter().filter(|command| *command != ["check"]) {
        let said = both(directory.path(), command, || {});
        assert!(said.contains("umstieg: Die Datenbank ist nicht zu benutzen."), "{said}");
    }
}

#[test]
fn the_registration_is_written_refused_and_held_against_the_settings_in_german() {
    let directory = with_settings(&settings_with_key());
    let (path, file) = (directory.path(), directory.path().join("registration.yaml"));
    let none = || drop(fs::remove_file(&file));
    let said = both(path, &["run"], none);
    assert!(said.contains("Gibt es keine, schreiben Sie eine mit: umstieg registration"), "{said}");
    let said = both(path, &["registration"], none);
    assert!(said.contains("registration.yaml ist geschrieben.\n"), "{said}");
    assert!(said.contains("\n\napp_service_config_files:\n  - ("), "{said}");
    let said = both(path, &["registration"], || {});
    assert!(said.contains("Mit --force wird sie ersetzt"), "{said}");
    let said = both(path, &["registration", "--output", "no/such/file"], || {});
    assert!(said.contains("lässt sich nicht schreiben"), "{said}");

    let right = fs::read_to_string(&file).unwrap();
    for (from, to, expected) in [
        ("id: 'umstieg'", "id: 'other'", "id ist other, aber in den Einstellungen"),
        ("exclusive: true", "exclusive: false", "ohne ein regex mit exclusive"),
        ("namespaces:\n", "namespaces: 3\n", "So schreibt es `umstieg registration` nicht"),
        ("hs_token: ", "hs_tokens: ", "hs_token fehlt. Bitte ergänzen Sie es"),
        ("hs_token: '", "hs_token: 'REPLACE_ME", "hs_token ist ein Platzhalter"),
    ] {
        fs::write(&file, right.replace(from, to)).unwrap();
        for command in ["run", "check"] {
            let said = both(path, &[command], || {});
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}

#[test]
fn a_key_is_made_and_an_old_one_refused_in_german() {
    let directory = with_settings(&settings_with_key());
    let said = both(directory.path(), &["sealing-key"], || {});
    assert!(said.contains("umstieg: Hinweis: Das ist der Schlüssel"), "{said}");
    fs::write(directory.path().join("old"), "geheim!\n").unwrap();
    let said = both(directory.path(), &["sealing-key", "--output", "old"], || {});
    assert!(said.contains("Ein vorhandener Schlüssel wird nie ersetzt"), "{said}");
    let said = both(directory.path(), &["rekey", "--old-key-file", "none"], || {});
    assert!(said.contains("Die Datei none ist nicht lesbar"), "{said}");
    let said = both(directory.path(), &["rekey", "--old-key-file", "old"], || {});
    assert!(said.contains("Was in old steht, ist kein Base64"), "{said}");
}

#[test]
fn warnings_are_german_too() {
    let directory = with_settings(&settings_with_key());
    let file = directory.path().join("umstieg.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let said = both(directory.path(), &["run"], || {});
    assert!(said.starts_with("umstieg: Hinweis: umstieg.toml enthält ein Geheimnis"), "{said}");
}

#[test]
fn the_help_is_german_too() {
    let directory = tempfile::tempdir().unwrap();
    let commands = COMMANDS.map(|command| &command[..command.len().min(2)]);
    let more: [&[&str]; 5] =
        [&[], &["registration"], &["sealing-key"], &["parked"], &["identities"]];
    for command in commands.into_iter().chain(more) {
        for flag in ["--help", "-h"] {
            let said = both(directory.path(), &[command, &[flag]].concat(), || {});
            assert!(said.contains("Aufruf: umstieg"), "{said}");
            for english in ["Usage:", "Options:", "Commands:", "Print ", "[default", "[env", "FILE"]
            {
                assert!(!said.contains(english), "{english} in {said}");
            }
        }
    }
    let said = both(directory.path(), &["--help"], || {});
    assert!(said.contains("Rückgabewerte:") && !said.contains("sandbox"), "{said}");
    let by_command = run(directory.path(), &[("LANG", "de")], &["help", "parked", "retry"]);
    assert!(all_words(&by_command).contains("Versucht eines noch einmal"), "{by_command:?}");
    let version = run(directory.path(), &[("LANG", "de")], &["--version"]);
    assert!(all_words(&version).starts_with("umstieg "), "{version:?}");
}

#[test]
fn a_wrong_command_line_is_named_in_german() {
    let directory = tempfile::tempdir().unwrap();
    for (words, expected) in [
        (&["fly"][..], "Den Befehl „fly“ gibt es nicht."),
        (&["chek"], "Meinten Sie „check“?"),
        (&["run", "--fast"], "„--fast“ gibt es hier nicht."),
        (&["parked", "retry", "one"], "„one“ ist kein Wert für <ID>"),
        (&["parked", "retry"], "Es fehlt: <ID>"),
        (&["check", "--settings"], "fehlt der Wert."),
        (&[], "Die ersten Schritte:"),
        (&["parked"], "Befehle:"),
    ] {
        let output = run(directory.path(), &[("LANG", "de_DE.UTF-8")], words);
        let (code, _, said) = told(&output);
        assert_eq!(code, Some(2), "{words:?}");
        let is_short_help = words.is_empty() && said.contains("Befehle:");
        assert!(said.contains(expected) || is_short_help, "{expected}: {said}");
    }
    // Where the environment names the settings, as for whoever runs several commands.
    let environment = [("LANG", "de"), ("UMSTIEG_SETTINGS", "umstieg.toml")];
    let (code, _, said) = told(&run(directory.path(), &environment, &["kim"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("„umstieg kim“ fehlt ein Befehl"), "{said}");
    assert!(said.contains("Hilfe: umstieg kim --help"), "{said}");
    // A language there is not: clear in either.
    let output = run(directory.path(), &[], &["--lang", "fr", "check"]);
    let (code, _, said) = told(&output);
    assert_eq!(code, Some(2));
    assert!(said.contains("invalid value 'fr'") && said.contains("de, en"), "{said}");
    let output = run(directory.path(), &[("LANG", "de")], &["--lang", "fr", "check"]);
    let (code, _, said) = told(&output);
    assert_eq!(code, Some(2));
    assert!(said.contains("„fr“ ist kein Wert für --lang") && said.contains("de, en"), "{said}");
}

#[test]
fn the_language_is_the_one_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let is_german = |environment: &[(&str, &str)], words: &[&str]| {
        let said = all_words(&run(directory.path(), environment, words));
        assert_ne!(said.contains("Es gibt keine"), said.contains("there are no"), "{said}");
        said.contains("Es gibt keine")
    };
    let (german, english) = (("LANG", "de_DE.UTF-8"), ("LANG", "en_GB.UTF-8"));
    assert!(is_german(&[german], &["check"]));
    assert!(!is_german(&[english], &["check"]));
    assert!(!is_german(&[], &["check"]));
    // In the order of POSIX, and what is empty does not count.
    assert!(is_german(&[english, ("LC_MESSAGES", "de_AT.UTF-8")], &["check"]));
    assert!(!is_german(&[german, ("LC_MESSAGES", "fr_FR.UTF-8")], &["check"]));
    assert!(!is_german(&[german, ("LC_ALL", "C")], &["check"]));
    assert!(is_german(&[english, ("LC_MESSAGES", "C"), ("LC_ALL", "de_DE")], &["check"]));
    assert!(is_german(&[german, ("LC_MESSAGES", ""), ("LC_ALL", "")], &["check"]));
    // `--lang` takes precedence over all of them, wherever it is.
    assert!(!is_german(&[german], &["--lang", "en", "check"]));
    assert!(!is_german(&[german, ("LC_ALL", "de_DE")], &["check", "--lang=en"]));
    assert!(is_german(&[english, ("LC_ALL", "C")], &["check", "--lang", "de"]));
}
