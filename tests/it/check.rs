//! `umstieg check`, as an admin runs it: before the first start, and beside a running gateway.

use std::path::{Path, PathBuf};

use crate::stage::Stage;

/// Exit code and table.
async fn check(stage: &Stage) -> (Option<i32>, String) {
    let output = stage.gateway.command(&["check"]).await.unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), table)
}

#[tokio::test]
async fn check_says_what_is_missing_and_then_that_all_is_well_before_the_first_start() {
    let mut stage = Stage::before_start(|channels| channels).await;
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
    assert!(failed.contains("FEHLER"), "{row}:\n{table}");
    let below = lines.next().unwrap_or_default();
    assert!(below.contains("Abhilfe:") && below.contains(advice), "{row}:\n{table}");
}

#[tokio::test]
async fn check_says_of_each_thing_that_is_wrong_what_to_do() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
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
            "trust the server's certificate",
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

/// The certificate of an authority nobody here knows.
fn rcgen_ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(vec!["other.test".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem()
}
