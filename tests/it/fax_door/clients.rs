//! Real clients at the door: lettre, msmtp as HylaFAX uses it, and Python's LMTP.

use std::{io::Write as _, process::Stdio};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use umstieg_world::{gateway::PASSWORD, tls::Authority};

use super::{AtTheDoor, RECIPIENTS};

/// A door with TLS; the authority behind its certificate.
async fn with_tls(tls: &str, inbox: &str) -> (AtTheDoor, String) {
    let lines = format!("tls = {tls:?}\ncert_file = \"door.crt\"\nkey_file = \"door.key\"");
    let mut door = AtTheDoor::before_start(&lines, inbox).await;
    let authority = Authority::new().unwrap();
    let issued = authority.issue(&["127.0.0.1"]).unwrap();
    let folder = door.stage.gateway.settings_file();
    let folder = folder.parent().unwrap();
    std::fs::write(folder.join("door.crt"), issued.certificate).unwrap();
    std::fs::write(folder.join("door.key"), issued.key).unwrap();
    door.stage.gateway.start().await.unwrap();
    (door, authority.pem().to_owned())
}

fn client(
    door: &AtTheDoor,
    pem: &str,
    is_implicit: bool,
    password: &str,
) -> AsyncSmtpTransport<Tokio1Executor> {
    let authority = Certificate::from_pem(pem.as_bytes()).unwrap();
    let parameters = TlsParameters::builder("127.0.0.1".to_owned())
        .add_root_certificate(authority)
        .build_rustls()
        .unwrap();
    let tls = if is_implicit { Tls::Wrapper(parameters) } else { Tls::Required(parameters) };
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(door.port)
        .tls(tls)
        .credentials(Credentials::new("hylafax".to_owned(), password.to_owned()))
        .build()
}

fn envelope(to: &str) -> Envelope {
    let from = "hylafax@fax.example".parse().unwrap();
    Envelope::new(Some(from), vec![to.parse().unwrap()]).unwrap()
}

#[tokio::test]
async fn fax_12_a_login_through_tls_delivers_and_a_wrong_one_does_not() {
    for (tls, is_implicit) in [("starttls", false), ("implicit", true)] {
        let inbox = "user = \"hylafax\"\npassword = \"geheim #2\"";
        let (door, pem) = with_tls(tls, inbox).await;
        let fax = door.fax("1").replace('\n', "\r\n");
        let wrong = client(&door, &pem, is_implicit, "geheim #3");
        let refused = wrong.send_raw(&envelope(RECIPIENTS[0]), fax.as_bytes()).await.unwrap_err();
        assert!(refused.to_string().contains("535"), "{refused}");
        let right = client(&door, &pem, is_implicit, "geheim #2");
        let unknown = envelope("unbekannt@umstieg.internal");
        let refused = right.send_raw(&unknown, fax.as_bytes()).await.unwrap_err();
        assert!(refused.is_permanent() && refused.to_string().contains("550"), "{refused}");
        right.send_raw(&envelope(RECIPIENTS[0]), fax.as_bytes()).await.unwrap();
        assert_eq!(door.letters().await, "1");
        let proof = "select let_in_by from letters where channel = 'fax'";
        assert_eq!(door.stage.query(proof).await, "login");
        assert!(!door.stage.gateway.log().contains("geheim"), "a password is in the log");
    }
}

/// What comes before the handshake does not count as coming after it (CVE-2011-0411).
#[tokio::test]
async fn fax_12_commands_that_come_before_tls_are_dropped() {
    use std::sync::Arc;

    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let (door, pem) = with_tls("starttls", "peers = [\"127.0.0.1\"]").await;
    let mut server = door.connect().await;
    server.say("EHLO a").await;
    let heard = server.say("STARTTLS\r\nEHLO boese\r\nMAIL FROM:<boese@fax.example>").await;
    assert!(heard.starts_with("220 "), "{heard}");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "127.0.0.1".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let secured = connector.connect(name, server.io.into_inner()).await.unwrap();
    let mut secured = BufReader::new(secured);
    // Nothing was greeted, and no mail begun.
    secured.get_mut().write_all(b"RCPT TO:<fax-praxis@umstieg.internal>\r\n").await.unwrap();
    let mut line = String::new();
    secured.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("503 "), "{line}");
}

#[tokio::test]
async fn fax_11_hylafax_s_sendmail_delivers_what_it_is_piped() {
    let door = AtTheDoor::open().await;
    let port = format!("--port={}", door.port);
    let fax = door.fax("1");
    let to = RECIPIENTS[0];
    let sent = tokio::task::spawn_blocking(move || {
        let mut msmtp = std::process::Command::new("msmtp")
            .args(["--file=/dev/null", "--host=127.0.0.1", &port, "--tls=off", "--auth=off"])
            .args(["--set-date-header=off", "--from=hylafax@fax.example", to])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        msmtp.stdin.take().unwrap().write_all(fax.as_bytes()).unwrap();
        msmtp.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    assert_eq!(door.letters().await, "1");
    door.stage.anna_sees("fax000000001.pdf").await;
}

/// A real mail server in between, which keeps the fax while the gateway is away.
#[tokio::test]
async fn fax_15_exim_keeps_the_fax_until_the_gateway_is_there() {
    let lines = "tls = \"none\"\nprotocol = \"lmtp\"";
    let mut door = AtTheDoor::before_start(lines, "peers = [\"127.0.0.1\"]").await;
    let (mail, domain) = (&door.stage.world.mail, format!("door-{}.test", door.stage.tag));
    let recipient = format!("fax-praxis@{domain}");
    door.stage.edit_settings(&[(RECIPIENTS[1], &recipient)]);
    mail.add_door(&domain, door.port).unwrap();
    let authority = Certificate::from_pem(mail.ca_pem().unwrap().as_bytes()).unwrap();
    let parameters = TlsParameters::builder("127.0.0.1".to_owned())
        .add_root_certificate(authority)
        .build_rustls()
        .unwrap();
    let exim = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(mail.ports.smtps)
        .tls(Tls::Wrapper(parameters))
        .credentials(Credentials::new(door.stage.fax_line.clone(), PASSWORD.to_owned()))
        .build();
    let from = door.stage.fax_line.parse().unwrap();
    let to = ["did-12", "did-13"].map(|did| format!("fax-praxis+{did}@{domain}").parse().unwrap());
    let envelope = Envelope::new(Some(from), to.to_vec()).unwrap();
    let fax = door.fax("1").replace('\n', "\r\n");
    exim.send_raw(&envelope, fax.as_bytes()).await.unwrap();
    door.stage.until("Exim has it", async || mail.is_underway().unwrap()).await;
    door.stage.gateway.start().await.unwrap();
    door.stage.anna_sees("fax000000001.pdf").await;
    let of_fax = "select count(*) from letters where channel = 'fax' and state <> 'duplicate'";
    door.stage.database_says(of_fax, "1").await;
}

/// Prints whom a mail was refused for. Python reads one answer after the mail, so one recipient is right.
const LMTP: &str = "
import smtplib, sys
with smtplib.LMTP('127.0.0.1', int(sys.argv[1])) as door:
    refused = door.sendmail('hylafax@fax.example', sys.argv[3:], open(sys.argv[2], 'rb').read())
    print(sorted((who, answer[0]) for who, answer in refused.items()))
";

#[tokio::test]
async fn fax_15_lmtp_answers_for_each_recipient() {
    let lines = "tls = \"none\"\nprotocol = \"lmtp\"";
    let mut door = AtTheDoor::before_start(lines, "peers = [\"127.0.0.1\"]").await;
    door.stage.gateway.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("fax.eml");
    std::fs::write(&mail, door.fax("1")).unwrap();
    let output = tokio::process::Command::new("python3")
        .args(["-c", LMTP, &door.port.to_string(), &mail.display().to_string()])
        .args([RECIPIENTS[0], "unbekannt@umstieg.internal"])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let refused = String::from_utf8(output.stdout).unwrap();
    assert_eq!(refused, "[('unbekannt@umstieg.internal', 550)]\n");
    assert_eq!(door.letters().await, "1");
    // Two recipients of one channel: an answer for each, and one letter that knows both.
    let mut server = door.connect().await;
    assert!(server.say("EHLO a").await.starts_with("502 "));
    server.say("LHLO a").await;
    server.say("MAIL FROM:<hylafax@fax.example>").await;
    for to in [RECIPIENTS[0], "unbekannt@umstieg.internal", "fax-praxis+2@umstieg.internal"] {
        server.say(&format!("RCPT TO:<{to}>")).await;
    }
    server.say("DATA").await;
    server.send_mail(&door.fax("2")).await;
    assert_eq!(server.heard().await, "250 2.0.0 Saved");
    assert_eq!(server.heard().await, "250 2.0.0 Saved");
    assert!(server.say("NOOP").await.starts_with("250 2.0.0 OK"));
    assert_eq!(door.letters().await, "2");
    let store = door.stage.store().await;
    let id = door.stage.query("select max(id) from letters where channel = 'fax'").await;
    let letter = umstieg::model::LetterId(id.parse().unwrap());
    let (envelope, _) = store.letter_envelope(letter).await.unwrap().unwrap();
    assert_eq!(envelope.recipients, [RECIPIENTS[0], "fax-praxis+2@umstieg.internal"]);
}
