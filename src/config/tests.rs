use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use rand::{SeedableRng, rngs::StdRng};
use secrecy::ExposeSecret;
use toml::de::DeTable;

use super::*;
use crate::{
    channel::{Dialect, ThreadBy},
    model::{ChannelKind, Language, Trust},
};

const EXAMPLE: &str = include_str!("../../umstieg.example.toml");

fn nothing(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Result<Loaded, SettingsError> {
    parse(text, Path::new("umstieg.toml"), &nothing)
}

fn example() -> Settings {
    read(EXAMPLE).unwrap().settings
}

// What is right.

#[test]
fn the_example_is_read_with_its_defaults() {
    let loaded = read(EXAMPLE).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
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
    assert_eq!(kim.inbox.protocol, InboxProtocol::Pop3);
    assert_eq!(kim.inbox.server.tls, Tls::Implicit);
    assert_eq!(kim.inbox.after_relay, AfterRelay::Keep, "KIM-11");
    assert_eq!(kim.channel.mail_bytes_max(), 15 * 1024 * 1024);
    assert_eq!(fax.channel.kind(), ChannelKind::Fax);
    assert_eq!(fax.channel.thread_by, ThreadBy::Correspondent);
    assert_eq!(fax.outbox.server.tls, Tls::StartTls);
    let Dialect::Fax(profile) = &fax.channel.dialect else { panic!("a fax profile") };
    assert_eq!(profile.countries, [profile.country]);
}

fn is_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `channel.inbox.port` for every key of the example, also those behind a `#`.
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
    let reader = reader::Reader::new(EXAMPLE);
    let around = surroundings::Surroundings::new(Path::new("umstieg.toml"), &nothing);
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
    let is_other = ["pin_sha256", "client_key_file", "ca_file"];
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

// What is wrong.

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
profile = "number_at_domain"
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
fn a_file_that_is_no_toml() {
    check(
        "language = \"de\"",
        "language = \"de",
        "line 1: this is not TOML: invalid basic string, expected `\"`",
    );
    check("[homeserver]", "[homeserver", "line 4: this is not TOML: unclosed table, expected `]`");
    check(
        "language = \"de\"",
        "language = \"de\"\nlanguage = \"en\"",
        "line 2: this is not TOML: duplicate key",
    );
}

#[test]
fn encryption_is_left_out_only_in_so_many_words() {
    let off = read(&GOOD.replace("[homeserver]", "[encryption]\nrequired = false\n[homeserver]"));
    assert!(!off.unwrap().settings.encryption.required);
    check(
        "[homeserver]",
        "[encryption]\nrequired = \"no\"\n[homeserver]",
        "line 5, encryption.required: expected true or false, found a text",
    );
    check(
        "[homeserver]",
        "[encryption]\nenabled = false\n[homeserver]",
        "line 5, encryption.enabled: there is no such key; here are allowed: key_wait_seconds, \
         required",
    );
    for seconds in ["0", "86401"] {
        check(
            "[homeserver]",
            &format!("[encryption]\nkey_wait_seconds = {seconds}\n[homeserver]"),
            "line 5, encryption.key_wait_seconds: expected a whole number from 1 to 86400, found \
             another one",
        );
    }
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
fn a_key_that_does_not_exist() {
    check(
        "[database]",
        "[database]\nurrl = 1",
        "line 3, database.urrl: there is no such key; here are allowed: connections_max, url, \
         url_env, url_file",
    );
    check(
        "language = \"de\"",
        "colour = 1",
        "line 1, colour: there is no such key; here are allowed: appservice, channel, database, \
         encryption, homeserver, language, log, monitoring, sealing, worker",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\nfax = { profile = \"x\" }",
        "line 14, channel.fax: belongs to a channel of kind \"fax\" only",
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    check(
        "port = 995",
        "port = \"995\"",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found a text",
    );
    check(
        "port = 995",
        "port = 99.5",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found a number with a point",
    );
    check(
        "label = \"KIM\"",
        "label = true",
        "line 13, channel.label: expected a text in quotes, found true or false",
    );
    check(
        "label = \"KIM\"",
        "label = 2026-01-01",
        "line 13, channel.label: expected a text in quotes, found a date",
    );
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = \"@anna:praxis.example\"",
        "line 15, channel.team: expected a list of texts [\"…\", \"…\"], found a text",
    );
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = [\n\"@anna:praxis.example\",\n7]",
        "line 17, channel.team: expected a text in quotes, found a number",
    );
    check("language = \"de\"", "log = 3", "line 1, log: expected a section, found a number");
}

#[test]
fn a_number_out_of_bounds() {
    check(
        "port = 995",
        "port = 0",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found another one",
    );
    check(
        "port = 995",
        "port = 99500",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found another one",
    );
    check(
        "port = 995",
        "port = -1",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found another one",
    );
    check(
        "port = 995",
        "port = 995\npoll_seconds = 0",
        "line 20, channel.inbox.poll_seconds: expected a whole number from 1 to 86400, found another one",
    );
    check(
        "[database]",
        "[database]\nconnections_max = 1",
        "line 3, database.connections_max: expected a whole number from 2 to 200, found another one",
    );
    check(
        "[homeserver]",
        "[worker]\nconcurrency = 0\n[homeserver]",
        "line 5, worker.concurrency: expected a whole number from 1 to 64, found another one",
    );
    check(
        "[homeserver]",
        "[worker]\nattempts_max = 1000\n[homeserver]",
        "line 5, worker.attempts_max: expected a whole number from 1 to 100, found another one",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\ncollect_seconds = 601",
        "line 14, channel.collect_seconds: expected a whole number from 0 to 600, found another one",
    );
}

#[test]
fn a_word_that_is_none_of_the_allowed() {
    check(
        "language = \"de\"",
        "language = \"fr\"",
        "line 1, language: allowed are \"de\" and \"en\"",
    );
    check(
        "protocol = \"pop3\"",
        "protocol = \"POP\"",
        "line 17, channel.inbox.protocol: allowed are \"pop3\" and \"imap\"",
    );
    check(
        "port = 995",
        "port = 995\ntls = \"ssl\"",
        "line 20, channel.inbox.tls: allowed are \"implicit\", \"starttls\" and, on loopback, \"none\"",
    );
    check(
        "port = 995",
        "port = 995\nafter_relay = \"move\"",
        "line 20, channel.inbox.after_relay: allowed are \"keep\" and \"delete\"",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\nthread_by = \"mail\"",
        "line 14, channel.thread_by: allowed are \"thread\" and \"correspondent\"",
    );
    check(
        "profile = \"number_at_domain\"",
        "profile = \"efax\"",
        "line 45, channel.fax.profile: allowed is number_at_domain",
    );
    check(
        "[homeserver]",
        "[log]\nformat = \"xml\"\n[homeserver]",
        "line 5, log.format: allowed are \"text\" and \"json\"",
    );
    check(
        "[homeserver]",
        "[log]\nfilter = \"a=b=c\"\n[homeserver]",
        "line 5, log.filter: expected error, warn, info, debug, trace, or a list such as info,umstieg=debug",
    );
}

#[test]
fn something_that_is_missing() {
    check(
        "server_name = \"praxis.example\"",
        "",
        "line 4, homeserver.server_name: is missing: the right side of the homeserver's user ids, for example praxis.example",
    );
    check(
        "port = 995",
        "",
        "line 16, channel.inbox.port: is missing: the mail server's port, for example 995",
    );
    check(
        "password = \"geheim-1\"",
        "",
        "line 16, channel.inbox.password: is missing: the password to log in with; or password_file or password_env",
    );
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = []",
        "line 15, channel.team: must not be empty: nobody would see what arrives",
    );
    check(
        "senders = [\"fax@gateway.example\"]",
        "senders = []",
        "line 49, channel.fax.senders: must not be empty: no fax would be accepted",
    );
    check(
        "[homeserver]",
        "[monitoring]\n[homeserver]",
        "line 4, monitoring.listen: is missing: where metrics and health are served, for example 127.0.0.1:9801",
    );
    let keys: Vec<String> =
        mistakes("").iter().map(|m| m.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        keys,
        [
            "line 1, appservice.listen",
            "line 1, appservice.url",
            "line 1, channel",
            "line 1, database.url",
            "line 1, homeserver.server_name",
            "line 1, homeserver.url",
            "line 1, sealing.key",
        ]
    );
}

#[test]
fn an_address_that_is_none() {
    check(
        "url = \"http://127.0.0.1:8008\"",
        "url = \"127.0.0.1:8008\"",
        "line 5, homeserver.url: expected a URL with scheme, for example http://127.0.0.1:8008",
    );
    check(
        "url = \"http://127.0.0.1:8008\"",
        "url = \"http://u:p@127.0.0.1\"",
        "line 5, homeserver.url: expected a URL with scheme, for example http://127.0.0.1:8008",
    );
    check(
        "url = \"postgres://umstieg@127.0.0.1/umstieg\"",
        "url = \"mysql://x\"",
        "line 3, database.url: expected a URL postgres://user:password@host:port/database; within \
         the password # is written %23, / %2F, ? %3F, @ %40 and % %25",
    );
    check(
        "server_name = \"praxis.example\"",
        "server_name = \"https://praxis.example\"",
        "line 6, homeserver.server_name: expected a Matrix server name without scheme and @, for example praxis.example",
    );
    check(
        "listen = \"127.0.0.1:9800\"",
        "listen = \"9800\"",
        "line 8, appservice.listen: expected an IP address and a port, for example 127.0.0.1:9800",
    );
    check(
        "host = \"127.0.0.1\"",
        "host = \"pop3s://mail\"",
        "line 18, channel.inbox.host: expected a host name or an IP address without scheme, port and path",
    );
    check(
        "address = \"praxis@mueller.kim.telematik\"",
        "address = \"praxis@mueller.example\"",
        "line 14, channel.address: expected a KIM address, ending with .kim.telematik or .kim.telematik-test, with letters, digits, . _ and - before the @",
    );
    check(
        "address = \"praxis@mueller.kim.telematik\"",
        "address = \"praxis\"",
        "line 14, channel.address: an address needs exactly one @ with text on both sides",
    );
    check(
        "number = \"+493023125000\"",
        "number = \"030 23125000\"",
        "line 47, channel.fax.number: a fax number is written in international form: + and 7 to 15 digits (E.164)",
    );
    check(
        "country = \"DE\"",
        "country = \"Germany\"",
        "line 48, channel.fax.country: write a country as two capital letters, for example DE, AT or CH (ISO 3166-1)",
    );
    check(
        "senders = [\"fax@gateway.example\"]",
        "senders = [\"gateway.example\"]",
        "line 49, channel.fax.senders: write an address (fax@gateway.example) or a domain (@gateway.example)",
    );
}

#[test]
fn a_user_who_is_none() {
    const EXPECTED: &str =
        "line 15, channel.team: expected a Matrix user id, for example @anna:praxis.example";
    for wrong in [
        "anna",
        "@anna",
        "anna@praxis.example",
        "@anna:",
        "@Anna:praxis.example",
        "@anna:praxis..:x",
    ] {
        check("team = [\"@anna:praxis.example\"]", &format!("team = [\"{wrong}\"]"), EXPECTED);
    }
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = [\"@_umstieg_bot:praxis.example\"]",
        "line 15, channel.team: names one of the gateway's own users (_umstieg_…)",
    );
}

#[test]
fn a_name_that_is_illegal_or_taken() {
    check(
        "name = \"kim\"",
        "name = \"KIM Praxis\"",
        "line 11, channel.name: a channel's name has 1 to 32 characters out of a-z, 0-9 and -",
    );
    check(
        "name = \"fax\"",
        "name = \"kim\"",
        "line 28, channel.name: there is another channel kim; each needs a name of its own",
    );
    check(
        "[appservice]",
        "[appservice]\nuser_prefix = \"Umstieg_\"",
        "line 8, appservice.user_prefix: expected 2 to 32 characters out of a-z, 0-9, . _ and -, ending with _, for example _umstieg_",
    );
    check(
        "[appservice]",
        "[appservice]\nuser_prefix = \"\"",
        "line 8, appservice.user_prefix: expected 2 to 32 characters out of a-z, 0-9, . _ and -, ending with _, for example _umstieg_",
    );
    check(
        "[appservice]",
        "[appservice]\nbot = \"umstieg\"",
        "line 8, appservice.bot: has to begin with user_prefix (_umstieg_), for example _umstieg_bot",
    );
    check(
        "[appservice]",
        "[appservice]\nbot = \"_umstieg_fax_1\"",
        "line 8, appservice.bot: _umstieg_kim_…, _umstieg_fax_… and _umstieg_sender_… are taken",
    );
    check(
        "[appservice]",
        "[appservice]\nbot = \"_umstieg_\"",
        "line 8, appservice.bot: expected _umstieg_ and a short name out of a-z, 0-9, . _ and -",
    );
    check(
        "[appservice]",
        "[appservice]\nid = \"um stieg\"",
        "line 8, appservice.id: expected 1 to 64 characters out of letters, digits, . _ and -",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\\nPraxis\"",
        "line 13, channel.label: expected a label: not empty, on one line",
    );
}

#[test]
fn two_doors_in_one_place() {
    check(
        "[homeserver]",
        "[monitoring]\nlisten = \"127.0.0.1:9800\"\n[homeserver]",
        "line 5, monitoring.listen: is the same as appservice.listen; choose another port",
    );
}

#[test]
fn two_channels_on_one_mailbox() {
    let text = GOOD.replace("port = 993", "port = 995").replace("fax-in", "kim-in");
    assert_eq!(
        mistakes(&text),
        ["line 37, channel.inbox.user: another channel reads the same mailbox; every mail would \
          arrive twice"]
    );
}

#[test]
fn plain_text_is_for_loopback_only() {
    check(
        "host = \"127.0.0.1\"",
        "tls = \"none\"\nhost = \"mail.example\"",
        "line 18, channel.inbox.tls: \"none\" is allowed on loopback only; use \"implicit\" or \
         \"starttls\"",
    );
    let text = GOOD.replace("port = 995", "port = 995\ntls = \"none\"");
    assert_eq!(mistakes(&text), Vec::<String>::new());
}

#[test]
fn a_pin_is_a_sha_256_fingerprint() {
    const WRONG: &str = "line 20, channel.inbox.pin_sha256: expected a SHA-256 fingerprint: 64 \
                         hexadecimal digits, colons allowed";
    for wrong in ["", "00:11", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
        check("port = 995", &format!("port = 995\npin_sha256 = [\"{wrong}\"]"), WRONG);
    }
    let pin = format!("0a:{}", "FF".repeat(31));
    let text = GOOD.replace("port = 995", &format!("port = 995\npin_sha256 = [\"{pin}\"]"));
    let mut expected = [0xff; 32];
    expected[0] = 0x0a;
    let settings = read(&text).unwrap().settings;
    assert_eq!(settings.channels.first().unwrap().inbox.server.pins, [expected]);
}

#[test]
fn a_server_is_known_in_one_way() {
    check(
        "port = 995",
        "port = 995\npin_sha256 = []",
        "line 20, channel.inbox.pin_sha256: must not be empty: no certificate would be trusted",
    );
    let pin = "00".repeat(32);
    let text = GOOD
        .replace("port = 995", &format!("port = 995\npin_sha256 = [\"{pin}\"]\nca_file = \"/no\""));
    let shown = mistakes(&text).join("\n");
    assert!(shown.contains("line 20, channel.inbox.pin_sha256: give either ca_file or"), "{shown}");
    check(
        "port = 995",
        "port = 995\ntimeout_seconds = 5",
        "line 20, channel.inbox.timeout_seconds: expected a whole number from 10 to 3600, found another one",
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
        "line 20, channel.inbox.ca_file: the file /dev/null holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
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
                "line 20, channel.inbox.client_key_file: the file {} holds no private key in PEM \
                 form (-----BEGIN PRIVATE KEY-----)",
                key.display()
            ),
        ]
    );
}

#[test]
fn all_mistakes_are_named_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("language = \"de\"", "language = \"fr\"")
        .replace("server_name = \"praxis.example\"\n", "")
        .replace("port = 995", "port = \"995\"\ncolour = \"red\"");
    let error = read(&text).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "umstieg.toml has 4 mistakes:",
            "  line 1, language",
            "  line 4, homeserver.server_name",
            "  line 18, channel.inbox.port",
            "  line 19, channel.inbox.colour",
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
    assert_eq!(kim.inbox.server.password.expose_secret(), "aus der Datei");
    assert_eq!(kim.outbox.server.password.expose_secret(), "aus der Umgebung");
    assert_eq!(loaded.settings.database.url.expose_secret(), "postgres://anders/umstieg");
    assert_eq!(loaded.warnings, Vec::<String>::new());
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
    check(KEY, &zeros, &wrong("is 32 times the same byte, which is no secret"));
    check(
        KEY,
        "",
        "line 50, sealing.key: is missing: the key that seals what lies in the database; make \
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
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert_eq!(loaded.settings.sealing.key().unwrap().mark(), in_settings);
    }
    // The mistake is where the person has to look.
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
        load(&file, &nothing).unwrap().warnings
    };
    let shown = file.display();
    assert_eq!(
        warnings(0o644),
        [format!(
            "{shown} holds a secret and everybody on this machine can read it; run: chmod o= {shown}"
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
        read(&text).unwrap().warnings,
        [
            "homeserver.url is not protected (http to another machine): our token crosses the \
             network in clear; use https",
            "channel kim: team names somebody on klinik.example, not on praxis.example; that is \
             right only when the two servers federate",
            "channel fax: team names somebody on klinik.example, not on praxis.example; that is \
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

#[test]
fn the_committed_registration_is_that_of_the_example() {
    let settings = example();
    let expected = registration_yaml(&settings, &Tokens::example(&settings));
    assert_eq!(
        include_str!("../../registration.yaml"),
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
    assert_eq!(registration.warnings, Vec::<String>::new());
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
        "id is other, but the settings say appservice.id is umstieg; correct one of the two",
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
    assert!(missing.contains("cannot be read; where there is none, write one"), "{missing}");
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
