//! `umstieg check`, as an admin runs it: before the first start, and beside a running gateway.

use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use umstieg_world::ports::Port;

use crate::{
    cli::german::is_translated,
    proxy::{Proxy, ProxyRefusal},
    stage::Stage,
};

/// Exit code and table.
async fn check(stage: &Stage) -> (Option<i32>, String) {
    let output = stage.gateway.command(&["check"]).await.unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), table)
}

/// The table in German; the English one beside it has the same rows, and none of its sentences is left.
async fn german(stage: &Stage, more: &[&str]) -> String {
    let words = |language: &'static str| [more, &["--lang", language, "check"]].concat();
    let output = stage.gateway.command(&words("de")).await.unwrap();
    let german = String::from_utf8(output.stdout).unwrap();
    let output = stage.gateway.command(&words("en")).await.unwrap();
    let english = String::from_utf8(output.stdout).unwrap();
    assert_eq!(german.lines().count(), english.lines().count(), "{german}\n{english}");
    is_translated(&english, &german);
    german
}

#[tokio::test]
async fn check_speaks_the_language_of_who_runs_it() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.without_tables().await;
    let table = german(&stage, &[]).await;
    assert!(
        table.contains("FEHLER") && table.contains("Rufen Sie auf: umstieg migrate"),
        "{table}"
    );
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let table = german(&stage, &[]).await;
    for row in ["Versiegelung", "as_token", "ping", "Posteingang kim", "Postausgang fax"] {
        assert!(table.contains(row), "{row} is missing in\n{table}");
    }
    stage.gateway.start().await.unwrap();
    german(&stage, &[]).await;

    // Servers that are not there, and one that refuses.
    let file = settings_with(&stage, "nowhere", |settings| {
        settings.replacen("password = \"geheim #1\"", "password = \"falsch\"", 1)
    });
    let table = german(&stage, &["--settings", &file.display().to_string()]).await;
    assert!(table.contains("lehnt die Anmeldung ab: Der Server antwortet „"), "{table}");
    let ports = stage.world.mail.ports;
    let file = settings_with(&stage, "no-server", |settings| {
        settings.replacen(&format!("port = {}", ports.smtps), "port = 1", 1).replacen(
            &stage.world.homeserver.url,
            "http://127.0.0.1:1",
            1,
        )
    });
    let table = german(&stage, &["--settings", &file.display().to_string()]).await;
    assert!(table.contains("ist nicht erreichbar: Die Verbindung kam nicht zustande"), "{table}");
    assert!(table.contains("Der Homeserver war nicht zu erreichen"), "{table}");
}

#[tokio::test]
async fn the_other_commands_speak_the_language_of_who_runs_them() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let say = async |stage: &Stage, language: &'static str, words: &[&str]| {
        let words = [&["--lang", language], words].concat();
        let output = stage.gateway.command(&words).await.unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        // The log is English.
        let is_log = |line: &&str| [" INFO ", " WARN "].iter().any(|level| line.contains(level));
        let lines = said.iter().flat_map(|text| text.lines()).filter(|line| !is_log(line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let both = async |stage: &Stage, words: &[&str], expected: &str| {
        let english = say(stage, "en", words).await;
        let german = say(stage, "de", words).await;
        is_translated(&english, &german);
        assert!(german.contains(expected), "{expected:?} is missing in\n{german}");
    };
    let list = ["parked", "list"];
    both(&stage, &list, "Die Datenbank ist nicht auf dem Stand dieser Version.").await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    both(&stage, &list, "Nichts ist zurückgestellt.\n").await;
    both(&stage, &["parked", "drop", "7"], "Unter der Nummer 7 ist nichts").await;
    both(&stage, &["identities", "list"], "nichts wartet auf Bestätigung.\n").await;
    both(&stage, &["identities", "confirm", "@a:b"], "Von diesem Benutzer wartet nichts").await;
    both(&stage, &["rekey"], "es wurde nichts geändert.\n").await;
    stage
        .query(
            "insert into parked (kind, item_id, channel, reason, parked_at)
             values ('letter', 7, 'kim', 'unreadable', now())",
        )
        .await;
    both(&stage, &list, "unreadable (die Mail ist nicht zu lesen)").await;
    let german = say(&stage, "de", &list).await;
    assert!(german.contains("seit (UTC)") && german.contains("  Brief  "), "{german}");

    let right = stage.sealing_key();
    stage.set_sealing_key(&umstieg_world::gateway::sealing_key());
    for command in [&["migrate"][..], &["run"], &list, &["identities", "list"]] {
        both(&stage, command, "umstieg: Die Datenbank ist mit dem Schlüssel").await;
    }
    both(&stage, &["rekey"], "Bitte nennen Sie den alten Schlüssel mit --old-key-file").await;
    stage.set_sealing_key(&right);
    let taken = std::net::TcpListener::bind(("127.0.0.1", stage.gateway.slot().port)).unwrap();
    both(&stage, &["run"], "lässt sich nicht horchen. Bitte wählen Sie eine andere Adresse").await;
    drop(taken);
    stage.gateway.start().await.unwrap();
    for command in ["run", "rekey"] {
        both(&stage, &[command], "umstieg: Ein anderes Gateway läuft auf dieser Datenbank.").await;
    }
}

/// KIM-23: a warning, because KIM takes the mails all the same.
#[tokio::test]
async fn kim_23_check_names_the_mandatory_headers_that_the_settings_leave_out() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "{table}");
    let row = |table: &str| {
        let lines = table.lines().skip_while(|line| !line.contains("KIM headers kim"));
        lines.take(2).collect::<Vec<_>>().join("\n")
    };
    assert!(row(&table).contains("complete"), "{table}");
    let file = settings_with(&stage, "headers", |settings| {
        let is_given = |line: &&str| !line.starts_with("support = ");
        settings.lines().filter(is_given).collect::<Vec<_>>().join("\n")
    });
    let (code, table) = check_with(&stage, &file).await;
    assert_eq!(code, Some(0), "{table}");
    let said = row(&table);
    assert!(said.contains("X-KIM-Support") && said.contains("set in [channel.kim]: support;"));
    assert!(!said.contains("X-TI-User-Agent"), "{said}");
    let table = german(&stage, &["--settings", &file.display().to_string()]).await;
    assert!(table.contains("Tragen Sie in [channel.kim] ein: support."), "{table}");
}

#[tokio::test]
async fn check_says_what_is_missing_and_then_that_all_is_well_before_the_first_start() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.without_tables().await;
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(1), "{table}");
    assert!(table.contains("umstieg migrate"), "{table}");

    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "{table}");
    for row in ["sealing", "as_token", "ping", "inbox kim", "outbox kim", "inbox fax", "outbox fax"]
    {
        assert!(table.contains(row), "{row} is missing in\n{table}");
    }

    stage.gateway.start().await.unwrap();
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "beside a running gateway: {table}");
}

/// A copy of the stage's settings with one thing changed.
fn settings_with(stage: &Stage, name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let file = stage.gateway.settings_file().with_file_name(format!("{name}.toml"));
    let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
    let changed = change(settings.clone());
    assert_ne!(changed, settings, "{name} changes nothing");
    std::fs::write(&file, changed).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

async fn check_with(stage: &Stage, settings: &Path) -> (Option<i32>, String) {
    let settings = settings.display().to_string();
    let output = stage.gateway.command(&["--settings", &settings, "check"]).await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Checks that a row has failed and says in the line below it what to do.
fn says(table: &str, row: &str, advice: &str) {
    let mut lines = table.lines().skip_while(|line| !line.trim_start().starts_with(row));
    let failed = lines.next().unwrap_or_else(|| panic!("no row {row:?}:\n{table}"));
    assert!(failed.contains("FAILED"), "{row}:\n{table}");
    let below = lines.next().unwrap_or_default();
    assert!(below.contains("What to do:") && below.contains(advice), "{row}:\n{table}");
}

#[tokio::test]
async fn check_says_of_each_thing_that_is_wrong_what_to_do() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let held = Port::reserve().unwrap();
    let nowhere = held.number();
    let world = stage.world;
    let set = |name: &str, from: String, to: String| {
        settings_with(&stage, name, |settings| settings.replacen(&from, &to, 1))
    };
    let postgres = format!("127.0.0.1:{}/", world.postgres.port);
    let ports = world.mail.ports;
    let quoted = |text: &str| format!("{text:?}");
    let other_ca = stage.gateway.settings_file().with_file_name("other-ca.pem");
    let authority = rcgen_ca();
    std::fs::write(&other_ca, authority).unwrap();
    let ca = quoted(&world.mail.ca_file.display().to_string());

    for (name, from, to, row, advice) in [
        (
            "database-port",
            postgres,
            format!("127.0.0.1:{nowhere}/"),
            "database",
            "check database.url",
        ),
        (
            "database-name",
            format!("/{}", stage.database),
            "/no_such_database".to_owned(),
            "database",
            "check database.url",
        ),
        (
            "homeserver",
            quoted(&world.homeserver.url),
            quoted(&format!("http://127.0.0.1:{nowhere}")),
            "homeserver",
            "start the homeserver",
        ),
        (
            "door",
            format!("listen = \"127.0.0.1:{}\"", stage.gateway.slot().port),
            format!("listen = \"127.0.0.1:{nowhere}\""),
            "ping",
            "the homeserver must reach",
        ),
        (
            "inbox-password",
            "password = \"geheim #1\"".to_owned(),
            "password = \"falsch\"".to_owned(),
            "inbox kim",
            "check user and password",
        ),
        (
            "inbox-port",
            format!("port = {}", ports.pop3s),
            format!("port = {nowhere}"),
            "inbox kim",
            "check host, port and tls",
        ),
        (
            "inbox-ca",
            format!("ca_file = {ca}"),
            format!("ca_file = {}", quoted(&other_ca.display().to_string())),
            "inbox kim",
            "pin_sha256 = [\"",
        ),
        (
            "outbox-port",
            format!("port = {}", ports.smtps),
            format!("port = {nowhere}"),
            "outbox kim",
            "check host, port and tls",
        ),
    ] {
        let (code, table) = check_with(&stage, &set(name, from, to)).await;
        assert_eq!(code, Some(1), "{name}\n{table}");
        says(&table, row, advice);
    }

    // The second password of the channel is the one for sending.
    let file = settings_with(&stage, "outbox-password", |settings| {
        let (inbox, outbox) = settings.split_once("[channel.outbox]").unwrap();
        format!("{inbox}[channel.outbox]{}", outbox.replacen("geheim #1", "falsch", 1))
    });
    let (_, table) = check_with(&stage, &file).await;
    says(&table, "outbox kim", "check user and password");

    let registration = stage.gateway.settings_file().with_file_name("registration.yaml");
    let right = std::fs::read_to_string(&registration).unwrap();
    let slot = stage.gateway.slot();
    std::fs::write(&registration, right.replace(&slot.as_token, &"0".repeat(32))).unwrap();
    let (_, table) = check_with(&stage, &stage.gateway.settings_file()).await;
    says(&table, "as_token", "app_service_config_files");
    std::fs::write(&registration, right.replace(&slot.hs_token, &"0".repeat(32))).unwrap();
    let (_, table) = check_with(&stage, &stage.gateway.settings_file()).await;
    says(&table, "ping", "send this hs_token");
}

/// What the homeserver has of the bot: devices, keys of devices, and keys that sign them.
async fn left_at_homeserver(stage: &Stage) -> String {
    let bot = stage.bot_id();
    let sql = format!(
        "select (select count(*) from devices where user_id = '{bot}' and not hidden),
                (select count(*) from e2e_device_keys_json where user_id = '{bot}'),
                (select count(*) from e2e_cross_signing_keys where user_id = '{bot}')"
    );
    let postgres = &stage.world.postgres;
    postgres.query(&stage.world.homeserver.database, &sql).await.unwrap().trim().to_owned()
}

#[tokio::test]
async fn check_finds_out_that_encryption_works_and_leaves_nothing_behind() {
    let mut stage = Stage::encrypted("cross-signed").await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let before = left_at_homeserver(&stage).await;
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "{table}");
    let row = table.lines().find(|line| line.trim_start().starts_with("encryption")).unwrap();
    assert!(row.contains("OK"), "{table}");
    assert_eq!(left_at_homeserver(&stage).await, before, "devices, their keys, signing keys");

    stage.gateway.start().await.unwrap();
    // Our one device, its keys, and the three keys of the bot's identity: beside those of a stage
    // that had this bot before, for Synapse keeps them all.
    let earlier: u32 = before.rsplit('|').next().unwrap().parse().unwrap();
    let running = left_at_homeserver(&stage).await;
    assert_eq!(running, format!("1|1|{}", earlier + 3));
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "beside a running gateway: {table}");
    assert_eq!(left_at_homeserver(&stage).await, running);
    assert!(!stage.gateway.log().contains("NOT encrypted"), "{}", stage.gateway.log());
}

#[tokio::test]
async fn check_names_what_a_homeserver_lacks_for_encryption() {
    let stage = Stage::encrypted("cross-signed").await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let file = settings_with(&stage, "proxy", |settings| {
        settings.replacen(&stage.world.homeserver.url, &proxy.url, 1)
    });
    let before = left_at_homeserver(&stage).await;
    let password = r#"{"flows":[{"stages":["m.login.password"]}],"params":{},"session":"x"}"#;
    let missing = r#"{"errcode":"M_MISSING_PARAM","error":"you must pass device_id"}"#;
    let (unauthorized, not_found) = (StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND);
    for (what, status, body, detail, advice) in [
        (
            "PUT /_matrix/client/v3/devices/",
            not_found,
            r#"{"errcode":"M_NOT_FOUND","error":"No device found"}"#,
            "gets no device without a password",
            "io.element.msc4190: true",
        ),
        (
            "POST /_matrix/client/v3/keys/upload",
            StatusCode::BAD_REQUEST,
            missing,
            "cannot upload keys",
            "Synapse 1.141 or newer",
        ),
        (
            "GET /_matrix/client/v3/sync",
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#,
            "cannot follow /sync",
            "/_matrix/client/v3/sync",
        ),
        (
            "POST /_matrix/client/v3/keys/device_signing/upload",
            unauthorized,
            password,
            "not taken without a password",
            "Synapse 1.141 or newer",
        ),
        (
            "POST /_matrix/client/v3/keys/device_signing/upload",
            not_found,
            r#"{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}"#,
            "not taken without a password",
            "Synapse 1.141 or newer",
        ),
    ] {
        proxy.refuse(ProxyRefusal { what, status, body });
        let (code, table) = check_with(&stage, &file).await;
        assert_eq!(code, Some(1), "{what}\n{table}");
        says(&table, "encryption", advice);
        assert!(table.contains(detail), "{what}\n{table}");
        assert_eq!(left_at_homeserver(&stage).await, before, "{what}");
    }
    proxy.refuse(ProxyRefusal {
        what: "DELETE /_matrix/client/v3/devices/",
        status: unauthorized,
        body: password,
    });
    let (code, table) = check_with(&stage, &file).await;
    assert_eq!(code, Some(1), "{table}");
    says(&table, "encryption", "io.element.msc4190: true");
}

/// Synapse stumbles over connections that it kept to the doors of earlier checks, one after the other.
#[tokio::test]
async fn a_ping_whose_connection_failed_is_tried_a_few_times() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let file = settings_with(&stage, "proxy", |settings| {
        settings.replacen(&stage.world.homeserver.url, &proxy.url, 1)
    });
    proxy.refuse(ProxyRefusal {
        what: "POST /_matrix/client/v1/appservice/*/ping",
        status: StatusCode::BAD_GATEWAY,
        body: r#"{"errcode":"M_CONNECTION_FAILED","error":"AlreadyCancelled"}"#,
    });
    let (code, table) = check_with(&stage, &file).await;
    assert_eq!(code, Some(1), "{table}");
    assert!(table.contains("refused ping: 502 M_CONNECTION_FAILED"), "{table}");
    let pings = proxy.passed().iter().filter(|passed| passed.what.ends_with("/ping")).count();
    assert_eq!(pings, 5);
}

#[tokio::test]
async fn rooms_without_encryption_are_warned_of_by_every_check_and_every_start() {
    let mut stage = Stage::new().await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    let log = stage.gateway.log();
    let warnings =
        log.lines().filter(|line| line.contains("WARN") && line.contains("NOT encrypted"));
    assert_eq!(warnings.count(), 2, "one for each start:\n{log}");

    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "{table}");
    let mut lines = table.lines().skip_while(|line| !line.trim_start().starts_with("encryption"));
    let row = lines.next().unwrap();
    assert!(row.contains("note") && row.contains("NOT encrypted"), "{table}");
    assert!(lines.next().unwrap().contains("encryption.required"), "{table}");
}

/// The certificate of an unknown authority.
fn rcgen_ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(vec!["other.test".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem()
}
