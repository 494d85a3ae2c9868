mod kim;
mod kim_services;
mod listener;
mod mistakes;
mod registration;
mod tray;
mod virus_scanner;

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use rand::{SeedableRng, rngs::StdRng};
use secrecy::ExposeSecret;
use toml::de::DeTable;

use super::*;
use crate::{
    channel::{Dialect, FaxSend, ThreadBy},
    model::{ChannelKind, Language, Trust},
    phrases::{AdminPhrase, Tells as _},
    transport::{MailboxProtocol, ServerTrust, Timeouts, TlsMode},
};

const EXAMPLE: &str = include_str!("../../umstieg.example.toml");

fn nothing(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Result<LoadedSettings, SettingsError> {
    parse(text, Path::new("umstieg.toml"), &nothing)
}

fn said(warnings: &[AdminPhrase]) -> Vec<String> {
    warnings.iter().map(|warning| warning.said(Language::English)).collect()
}

fn example() -> Settings {
    read(EXAMPLE).unwrap().settings
}

// Correct settings.

#[test]
fn the_example_is_read_with_its_defaults() {
    let loaded = read(EXAMPLE).unwrap();
    assert_eq!(said(&loaded.warnings), Vec::<String>::new());
    let settings = loaded.settings;
    assert_eq!(settings.language, Language::German);
    assert_eq!(settings.appservice.bot, "_umstieg_bot");
    assert_eq!(settings.appservice.bot_name, "Umstieg (Chatbot)");
    assert_eq!(settings.worker.attempts_max, WorkerSettings::ATTEMPTS_DEFAULT);
    assert!(settings.encryption.required);
    assert_eq!(settings.encryption.key_wait, EncryptionSettings::KEY_WAIT_DEFAULT);
    assert_eq!(settings.monitoring.unwrap().listen.port(), 9801);
    let [kim, fax] = settings.channels.as_slice() else { panic!("two channels") };
    assert_eq!(kim.channel.kind(), ChannelKind::Kim);
    assert_eq!(kim.channel.thread_by, ThreadBy::Thread);
    assert_eq!(kim.channel.speakers, kim.channel.team);
    assert_eq!(kim.channel.collect, Duration::from_secs(20));
    assert_eq!(kim.channel.trust, Trust::CrossSigned);
    assert!(!kim.channel.tells_clients, "clients of TI-M Pro show what they do not know");
    assert_eq!(kim.intake.inbox().unwrap().protocol, MailboxProtocol::Pop3);
    assert_eq!(kim.intake.inbox().unwrap().server.tls, TlsMode::Implicit);
    assert_eq!(kim.intake.inbox().unwrap().after_relay, AfterRelay::Keep, "KIM-11");
    assert_eq!(kim.channel.mail_bytes_max(), 15 * 1024 * 1024);
    assert_eq!(fax.channel.kind(), ChannelKind::Fax);
    assert_eq!(fax.channel.thread_by, ThreadBy::Correspondent);
    assert_eq!(fax.outbox.tls, TlsMode::StartTls);
    let Dialect::Fax(profile) = &fax.channel.dialect else { panic!("a fax profile") };
    assert_eq!(profile.countries, [profile.country]);
    assert_eq!(profile.send, FaxSend::Confirm);
    assert_eq!(FaxSend::default(), FaxSend::Off, "FAX-25");
}

fn is_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `channel.inbox.port` for every key of the example, including those behind a `#`.
fn keys_of_the_example() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_matches(['[', ']']));
            keys.insert(section.trim_end_matches('.').to_owned());
        } else if let Some((key, _)) = line.split_once(" = ")
            && is_key(key)
        {
            keys.insert(format!("{section}{key}"));
        }
    }
    keys
}

fn known_keys() -> BTreeSet<String> {
    let table = DeTable::parse(EXAMPLE).unwrap();
    let reader = reader::SettingsReader::new(EXAMPLE);
    let around = surroundings::SettingsSurroundings::new(Path::new("umstieg.toml"), &nothing);
    read::settings(&reader::Section::top(&reader, table.get_ref()), &around).unwrap();
    reader.known_keys()
}

#[test]
fn the_example_shows_every_key_and_no_other() {
    assert_eq!(keys_of_the_example(), known_keys());
}

#[test]
fn the_example_shows_the_defaults() {
    // With every line that shows a default, nothing changes.
    let is_default = |line: &&str| {
        line.starts_with("# ") && line.contains(" = ") && !line.contains("for example")
    };
    let is_other = [
        "pin_sha256",
        "client_key_file",
        "ca_file",
        "code",
        "address =",
        "authserv_id",
        "keep_days",
        "address_book",
    ];
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let shown = Some(line)
            .filter(is_default)
            .filter(|line| !is_other.iter().any(|key| line.contains(key)))
            .and_then(|line| line.strip_prefix("# "))
            .filter(|line| line.split_once(" = ").is_some_and(|(key, _)| is_key(key)));
        text.push_str(shown.unwrap_or(line));
        text.push('\n');
    }
    assert!(text.contains("\ncollect_seconds = 20\n") && text.contains("\nconcurrency = 4\n"));
    assert!(text.contains("\nmail_bytes_max = 15728640\n"), "{text}");
    let (spelled_out, silent) = (read(&text).unwrap().settings, example());
    assert_eq!(format!("{spelled_out:?}"), format!("{silent:?}"));
    for (a, b) in spelled_out.channels.iter().zip(&silent.channels) {
        assert!(a.channel == b.channel);
    }
}

#[test]
fn the_documentation_explains_every_key() {
    let page = include_str!("../../docs/configuration.md");
    let (mut section, mut explained) = (String::new(), BTreeSet::new());
    for line in page.lines() {
        // A heading names the sections in the backticks it holds, a table row its key.
        if line.starts_with("## ") {
            section.clear();
        }
        if line.starts_with('#') {
            if let Some(name) = line.split('`').nth(1) {
                section = format!("{}.", name.trim_matches(['[', ']']));
                explained.insert(section.trim_end_matches('.').to_owned());
            }
        } else if let Some(key) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) {
            explained.insert(format!("{section}{key}"));
        }
    }
    assert_eq!(explained, known_keys());
}

// Wrong settings.

/// The settings the wrong ones are made from, one key to a line.
const GOOD: &str = r#"language = "de"
[database]
url = "postgres://umstieg@127.0.0.1/umstieg"
[homeserver]
url = "http://127.0.0.1:8008"
server_name = "praxis.example"
[appservice]
listen = "127.0.0.1:9800"
url = "http://127.0.0.1:9800"
[[channel]]
name = "kim"
kind = "kim"
label = "KIM"
address = "praxis@mueller.kim.telematik"
team = ["@anna:praxis.example"]
[channel.inbox]
protocol = "pop3"
host = "127.0.0.1"
port = 995
user = "kim-in"
password = "geheim-1"
[channel.outbox]
host = "127.0.0.1"
port = 465
user = "kim-out"
password = "geheim-2"
[[channel]]
name = "fax"
kind = "fax"
label = "Fax"
address = "praxis@gateway.example"
team = ["@anna:praxis.example"]
[channel.inbox]
protocol = "imap"
host = "127.0.0.1"
port = 993
user = "fax-in"
password = "geheim-3"
[channel.outbox]
host = "127.0.0.1"
port = 587
user = "fax-out"
password = "geheim-4"
[channel.fax]
profile = "generic"
domain = "gateway.example"
number = "+493023125000"
country = "DE"
senders = ["fax@gateway.example"]
[sealing]
key = "dW1zdGllZy10ZXN0LWtleS0wMTIzNDU2Nzg5YWJjZGU="
"#;

fn mistakes(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(SettingsError::Mistakes { mistakes, .. }) => {
            mistakes.iter().map(ToString::to_string).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// Replaces the first line `old` of [`GOOD`] with `new` and expects one mistake.
#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    let (before, after) = GOOD.split_once(&format!("{old}\n")).unwrap();
    let new = if new.is_empty() { String::new() } else { format!("{new}\n") };
    assert_eq!(mistakes(&format!("{before}{new}{after}")), [expected], "{new}");
}

#[test]
fn good_settings_have_no_mistake() {
    assert_eq!(mistakes(GOOD), Vec::<String>::new());
}

#[test]
fn a_channel_believes_signed_devices_or_all_of_them() {
    let trust = |text: &str| {
        let settings = GOOD.replace("label = \"KIM\"", &format!("label = \"KIM\"\n{text}"));
        read(&settings).unwrap().settings.channels.first().unwrap().channel.trust
    };
    assert_eq!(trust(""), Trust::CrossSigned);
    assert_eq!(trust("trust = \"cross-signed\""), Trust::CrossSigned);
    assert_eq!(trust("trust = \"any-device\""), Trust::AnyDevice);
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\ntrust = \"everybody\"",
        "line 14, channel.trust: allowed are \"cross-signed\" and \"any-device\"",
    );
}

#[test]
fn a_secret_stands_in_one_place() {
    check(
        "password = \"geheim-1\"",
        r#"password = "geheim\r\nQUIT""#,
        "line 21, channel.inbox.password: must not contain line ends or NUL",
    );
    check(
        "password = \"geheim-1\"",
        "password = \"a\"\npassword_file = \"b\"",
        "line 22, channel.inbox.password_file: give only one of password, password_file",
    );
    check(
        "password = \"geheim-1\"",
        "password_env = \"KIM_PW\"",
        "line 21, channel.inbox.password_env: the environment variable KIM_PW is not set",
    );
    check(
        "password = \"geheim-1\"",
        "password_file = \"/no/such/file\"",
        "line 21, channel.inbox.password_file: the file /no/such/file cannot be read: No such file or directory (os error 2)",
    );
    check(
        "password = \"geheim-1\"",
        "password = \"\"",
        "line 21, channel.inbox.password: must not be empty",
    );
}

#[test]
fn certificates_are_looked_at_when_the_gateway_starts() {
    check(
        "port = 995",
        "port = 995\nca_file = \"/no/such/file\"",
        "line 20, channel.inbox.ca_file: the file /no/such/file cannot be read: No such file or directory (os error 2)",
    );
    check(
        "port = 995",
        "port = 995\nca_file = \"/dev/null\"",
        "line 20, channel.inbox.ca_file: the file /dev/null contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
    );
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("client.key");
    fs::write(&key, "kein Schlüssel").unwrap();
    let line = format!("port = 995\nclient_key_file = \"{}\"", key.display());
    let (before, after) = GOOD.split_once("port = 995\n").unwrap();
    assert_eq!(
        mistakes(&format!("{before}{line}\n{after}")),
        [
            "line 20, channel.inbox.client_key_file: needs client_cert_file beside it".to_owned(),
            format!(
                "line 20, channel.inbox.client_key_file: the file {} contains no private key in PEM \
                 form (-----BEGIN PRIVATE KEY-----)",
                key.display()
            ),
        ]
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = load(Path::new("/no/such/umstieg.toml"), &nothing).unwrap_err();
    assert_eq!(error.to_string(), "the settings file /no/such/umstieg.toml cannot be read");
}

// Secrets.

#[test]
fn secrets_come_from_files_and_from_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kim"), "aus der Datei\n").unwrap();
    fs::set_permissions(directory.path().join("kim"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = GOOD
        .replace("password = \"geheim-1\"", "password_file = \"kim\"")
        .replace("password = \"geheim-2\"", "password_env = \"KIM_PW\"");
    let environment = |name: &str| match name {
        "KIM_PW" => Some("aus der Umgebung".to_owned()),
        "UMSTIEG_DATABASE_URL" => Some("postgres://anders/umstieg".to_owned()),
        _ => None,
    };
    let loaded = parse(&text, &directory.path().join("umstieg.toml"), &environment).unwrap();
    let kim = loaded.settings.channels.first().unwrap();
    assert_eq!(kim.intake.inbox().unwrap().server.login.password.expose_secret(), "aus der Datei");
    assert_eq!(kim.outbox.login.password.expose_secret(), "aus der Umgebung");
    assert_eq!(loaded.settings.database.url.expose_secret(), "postgres://anders/umstieg");
    assert_eq!(said(&loaded.warnings), Vec::<String>::new());
}

/// The line of [`GOOD`] with the sealing key.
const KEY: &str = "key = \"dW1zdGllZy10ZXN0LWtleS0wMTIzNDU2Nzg5YWJjZGU=\"";

#[test]
fn a_sealing_key_is_32_bytes_in_base64() {
    let make = "; expected 32 random bytes in base64; make them with: umstieg sealing-key";
    let wrong = |what: &str| format!("line 51, sealing.key: {what}{make}");
    check(KEY, "key = \"geheim!\"", &wrong("is not base64"));
    check(KEY, "key = \"Z2VoZWlt\"", &wrong("is 6 bytes long in base64, not 32"));
    let zeros = format!("key = \"{}=\"", "A".repeat(43));
    check(KEY, &zeros, &wrong("is 32 times the same byte, which is not a secret"));
    check(
        KEY,
        "",
        "line 50, sealing.key: is missing: the key that seals the contents of the database; make \
         one with: umstieg sealing-key; or key_file or key_env",
    );
}

#[test]
fn a_sealing_key_comes_from_a_file_or_from_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let settings = directory.path().join("umstieg.toml");
    let file = directory.path().join("sealing");
    let in_settings = read(GOOD).unwrap().settings.sealing.key().unwrap().mark().to_owned();
    let (_, key) = KEY.split_once(" = ").unwrap();
    let key = key.trim_matches('"').to_owned();
    write_new_secret(&file, &format!("{key}\n")).unwrap();
    let environment = |name: &str| (name == "SEALING").then(|| key.clone());
    for line in ["key_file = \"sealing\"", "key_env = \"SEALING\""] {
        let loaded = parse(&GOOD.replace(KEY, line), &settings, &environment).unwrap();
        assert_eq!(said(&loaded.warnings), Vec::<String>::new());
        assert_eq!(loaded.settings.sealing.key().unwrap().mark(), in_settings);
    }
    // The mistake is named where the person has to look.
    fs::write(&file, "geheim!").unwrap();
    let text = GOOD.replace(KEY, "key_file = \"sealing\"");
    let error = parse(&text, &settings, &nothing).unwrap_err().to_string();
    assert!(error.contains("line 51, sealing.key_file: is not base64"), "{error}");
    assert!(!error.contains("geheim!"), "{error}");
}

#[test]
fn the_sealing_key_of_the_example_is_none() {
    let error = example().sealing.key().unwrap_err().to_string();
    assert!(error.starts_with("umstieg.toml, line "), "{error}");
    let said =
        "sealing.key: is the placeholder of the example; make a key with: umstieg sealing-key";
    assert!(error.ends_with(said), "{error}");
}

#[test]
fn an_existing_secret_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sealing");
    write_new_secret(&file, "eins").unwrap();
    assert!(write_new_secret(&file, "zwei").is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "eins");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_database_url_of_the_environment_needs_no_section() {
    let text = GOOD.replace("[database]\nurl = \"postgres://umstieg@127.0.0.1/umstieg\"\n", "");
    let environment = |name: &str| {
        (name == "UMSTIEG_DATABASE_URL").then(|| "postgres://anders/umstieg".to_owned())
    };
    assert!(parse(&text, Path::new("umstieg.toml"), &environment).is_ok());
}

#[test]
fn a_secret_everybody_can_read_is_worth_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("umstieg.toml");
    fs::write(&file, GOOD).unwrap();
    let warnings = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        said(&load(&file, &nothing).unwrap().warnings)
    };
    let shown = file.display();
    assert_eq!(
        warnings(0o644),
        [format!(
            "{shown} contains a secret and everybody on this machine can read it; run: chmod o= {shown}"
        )]
    );
    assert_eq!(warnings(0o640), Vec::<String>::new());
}

#[test]
fn what_is_right_only_sometimes_is_worth_a_warning() {
    let text = GOOD
        .replace("http://127.0.0.1:8008", "http://matrix.example")
        .replace("\"@anna:praxis.example\"", "\"@anna:klinik.example\"");
    assert_eq!(
        said(&read(&text).unwrap().warnings),
        [
            "homeserver.url is not protected (http to another machine): the gateway's token crosses \
             the network unencrypted; use https",
            "channel kim: team names a user on klinik.example, not on praxis.example; that is \
             right only when the two servers federate",
            "channel fax: team names a user on klinik.example, not on praxis.example; that is \
             right only when the two servers federate",
        ]
    );
}

#[test]
fn settings_and_mistakes_show_no_secret_and_nobody() {
    let settings = read(GOOD).unwrap().settings;
    let mut shown = format!("{settings:?} {settings:#?}");
    for wrong in ["port = 995", "host = \"127.0.0.1\"", "password = \"geheim-1\""] {
        let text = GOOD.replacen(wrong, &format!("{wrong}\npassword_file = \"/no\""), 1);
        shown.push_str(&read(&text).unwrap_err().to_string());
    }
    shown.push_str(&read(&GOOD.replace("\"geheim-1\"", "\"geheim-1")).unwrap_err().to_string());
    shown.push_str(&format!("{:?}", Tokens::random(&settings, &mut StdRng::seed_from_u64(7))));
    for secret in ["geheim", "praxis@", "kim-in", "dW1zdG", "@anna", "23125000", "postgres://"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

// The registration.
