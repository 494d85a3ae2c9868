use std::{convert::Infallible, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::scripted::{PLAIN, ScriptedServer, account, chain};
use crate::{
    model::{AccountTrouble, Envelope, MailAddress, Outcome, Reached},
    rules::accounts::{AccountSight, sight_of},
    transport::{
        ClientCertificate, Distrust, Fingerprint, MailServer, MailServerError, MailServerErrorKind,
        Mailbox, MailboxProtocol, ServerSettingsError, ServerTrust, TlsMode, certificates,
        private_key, probe_login,
        smtp::{probe_login_over, submit_over},
        submit,
        wire::BoxedIo,
    },
};

type IssuingAuthority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> IssuingAuthority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "practice authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate, the key to it, and both as PEM.
struct CertificateWithKey {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    pem: String,
}

fn identity(authority: &IssuingAuthority, name: &str, last_year: i32) -> CertificateWithKey {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    CertificateWithKey { certificate: certificate.der().clone(), pem: certificate.pem(), key }
}

impl CertificateWithKey {
    fn pin(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_for(&[&TLS12, &TLS13], None)
    }

    fn acceptor_for(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&IssuingAuthority>,
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = builder.with_single_cert(vec![self.certificate.clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn trusting(trust: ServerTrust, tls: TlsMode) -> MailServer {
    MailServer { host: "mail.praxis.example".to_owned(), tls, trust, ..account() }
}

fn client_certificate(own: &CertificateWithKey) -> ClientCertificate {
    let key = private_key(own.key.serialize_pem().as_bytes()).unwrap();
    ClientCertificate::new(certificates(own.pem.as_bytes()).unwrap(), key)
}

fn only(authority: &IssuingAuthority) -> ServerTrust {
    ServerTrust::Authorities(certificates(authority.pem().as_bytes()).unwrap())
}

fn pop3_login() -> ScriptedServer {
    ScriptedServer::new()
        .on("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n")
        .on("AUTH PLAIN", "+ \r\n")
        .on(PLAIN, "+OK\r\n")
}

/// Logs in to a POP3 server behind `acceptor`.
async fn log_in(acceptor: &TlsAcceptor, account: &MailServer) -> Result<(), MailServerError> {
    let server = ScriptedServer::new().encrypt(acceptor).say("+OK\r\n").and(pop3_login());
    server
        .play(async |io| Mailbox::open_over(io, MailboxProtocol::Pop3, account).await.map(|_| ()))
        .await
}

async fn is_untrusted(acceptor: &TlsAcceptor, account: &MailServer) -> bool {
    let ended = log_in(acceptor, account).await;
    let error = ended.expect_err("it was trusted");
    chain(&error);
    error.kind() == MailServerErrorKind::Tls
}

#[tokio::test]
async fn a_server_is_trusted_by_authority_and_name() {
    let (ours, foreign) = (authority(), authority());
    let right = identity(&ours, "mail.praxis.example", 2999).acceptor();
    let other_name = identity(&ours, "kim.fachdienst.example", 2999).acceptor();
    let expired = identity(&ours, "mail.praxis.example", 2021).acceptor();
    let account = trusting(only(&ours), TlsMode::Implicit);
    log_in(&right, &account).await.unwrap();
    assert!(is_untrusted(&other_name, &account).await);
    assert!(is_untrusted(&expired, &account).await);
    assert!(is_untrusted(&right, &trusting(only(&foreign), TlsMode::Implicit)).await);
    assert!(is_untrusted(&right, &trusting(ServerTrust::Platform, TlsMode::Implicit)).await);
}

#[tokio::test]
async fn kim_3_a_pin_takes_the_place_of_name_date_and_authority_and_of_nothing_else() {
    let ours = authority();
    let today = identity(&ours, "clientmodul", 2021);
    let tomorrow = identity(&ours, "clientmodul", 2999);
    let pinned =
        |pins: &[Fingerprint]| trusting(ServerTrust::Pins(pins.to_vec()), TlsMode::Implicit);

    log_in(&today.acceptor(), &pinned(&[today.pin()])).await.unwrap();
    log_in(&today.acceptor_for(&[&TLS12], None), &pinned(&[today.pin()])).await.unwrap();
    // Rollover: both are known before the server changes.
    let both = pinned(&[today.pin(), tomorrow.pin()]);
    log_in(&today.acceptor(), &both).await.unwrap();
    log_in(&tomorrow.acceptor(), &both).await.unwrap();
    // A pin is all the trust there is: the authority's word no longer counts.
    assert!(is_untrusted(&tomorrow.acceptor(), &pinned(&[today.pin()])).await);

    let error = log_in(&tomorrow.acceptor(), &pinned(&[today.pin()])).await.unwrap_err();
    assert!(chain(&error).contains(&tomorrow.pin().to_string()), "{}", chain(&error));
}

/// The admin compares it with what the Clientmodul displays, and pins it; whatever was trusted so far.
#[tokio::test]
async fn kim_3_a_certificate_that_is_not_trusted_is_named_by_its_fingerprint() {
    let (ours, foreign) = (authority(), authority());
    let right = identity(&ours, "mail.praxis.example", 2999);
    let other_name = identity(&ours, "kim.fachdienst.example", 2999);
    let expired = identity(&ours, "mail.praxis.example", 2021);
    let cases = [
        (Distrust::NoAuthority, &right, only(&foreign)),
        (Distrust::NoAuthority, &right, ServerTrust::Platform),
        (Distrust::OtherName, &other_name, only(&ours)),
        (Distrust::OutOfDate, &expired, only(&ours)),
        (Distrust::NotPinned, &right, ServerTrust::Pins(vec![expired.pin()])),
    ];
    for (why, shown, trust) in cases {
        let account = trusting(trust, TlsMode::Implicit);
        let error = log_in(&shown.acceptor(), &account).await.unwrap_err();
        let untrusted = error.untrusted().unwrap();
        assert_eq!((&untrusted.why, untrusted.seen), (&why, shown.pin()));
        assert!(chain(&error).contains(&shown.pin().to_string()), "{}", chain(&error));
        // What it names is what opens the door.
        let pinned = trusting(ServerTrust::Pins(vec![shown.pin()]), TlsMode::Implicit);
        log_in(&shown.acceptor(), &pinned).await.unwrap();
    }
    let plain = ScriptedServer::new().say("+OK no TLS here\r\n");
    let account = trusting(only(&ours), TlsMode::Implicit);
    let open = async |io| Mailbox::open_over(io, MailboxProtocol::Pop3, &account).await.map(|_| ());
    assert!(plain.play(open).await.unwrap_err().untrusted().is_none());
}

#[tokio::test]
async fn kim_3_the_pinned_certificate_without_its_key_is_worth_nothing() {
    let ours = authority();
    let real = identity(&ours, "clientmodul", 2999);
    let thief =
        CertificateWithKey { key: KeyPair::generate().unwrap(), ..identity(&ours, "x", 2999) };
    let pinned = trusting(ServerTrust::Pins(vec![real.pin()]), TlsMode::Implicit);
    // The real certificate over a foreign key: rustls refuses to serve such a pair, so a resolver
    // hands it out.
    for version in [&TLS12, &TLS13] {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(thief.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signer = provider.key_provider.load_private_key(key).unwrap();
        let pair = rustls::sign::CertifiedKey::new(vec![real.certificate.clone()], signer);
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)));
        assert!(is_untrusted(&TlsAcceptor::from(Arc::new(config)), &pinned).await);
    }
}

#[tokio::test]
async fn kim_3_a_server_that_wants_a_certificate_gets_ours_and_nobody_else_s() {
    let (ours, foreign) = (authority(), authority());
    let server = identity(&ours, "mail.praxis.example", 2999);
    let client = |authority: &IssuingAuthority| {
        let own = identity(authority, "gateway", 2999);
        client_certificate(&own)
    };
    for version in [&TLS12, &TLS13] {
        let acceptor = server.acceptor_for(&[version], Some(&ours));
        let with = |certificate| MailServer {
            client_certificate: certificate,
            ..trusting(only(&ours), TlsMode::Implicit)
        };
        log_in(&acceptor, &with(Some(client(&ours)))).await.unwrap();
        assert!(is_untrusted(&acceptor, &with(Some(client(&foreign)))).await);
        assert!(is_untrusted(&acceptor, &with(None)).await);
    }
}

/// The team is told what to look at: the server's certificate, or ours.
#[tokio::test]
async fn kim_3_6_a_changed_certificate_is_told_from_one_of_ours_that_is_refused() {
    let (ours, foreign) = (authority(), authority());
    let today = identity(&ours, "mail.praxis.example", 2999);
    let tomorrow = identity(&ours, "mail.praxis.example", 2999);
    let pinned = || trusting(ServerTrust::Pins(vec![today.pin()]), TlsMode::Implicit);
    let trouble = async |acceptor: &TlsAcceptor, account: &MailServer| {
        log_in(acceptor, account).await.unwrap_err().trouble()
    };
    let rotated = trouble(&tomorrow.acceptor(), &pinned()).await;
    assert_eq!(rotated, Some(AccountTrouble::Certificate));
    let stranger = client_certificate(&identity(&foreign, "gateway", 2999));
    for version in [&TLS12, &TLS13] {
        let acceptor = today.acceptor_for(&[version], Some(&ours));
        for own in [None, Some(stranger.clone())] {
            let account = MailServer { client_certificate: own, ..pinned() };
            let refused = trouble(&acceptor, &account).await;
            assert_eq!(refused, Some(AccountTrouble::OwnCertificate), "{version:?}");
            let smtp = ScriptedServer::new().encrypt(&acceptor).say("220 x\r\n");
            let outcome = smtp.play(async |io| submitted(io, &account).await).await;
            let sight = AccountSight::Trouble(AccountTrouble::OwnCertificate);
            assert_eq!(sight_of(&outcome), Some(sight), "{outcome:?}");
        }
    }
    let smtp = ScriptedServer::new().encrypt(&tomorrow.acceptor());
    let outcome = smtp.play(async |io| submitted(io, &pinned()).await).await;
    let sight = AccountSight::Trouble(AccountTrouble::Certificate);
    assert_eq!(sight_of(&outcome), Some(sight), "{outcome:?}");
}

async fn submitted(io: BoxedIo, account: &MailServer) -> Outcome {
    let address = |text| MailAddress::new(text).unwrap();
    let envelope = Envelope::new(address("a@b.example"), address("c@d.example"));
    submit_over(io, account, &envelope, &b"A: b\n\nc\n"[..], async || Ok::<_, Infallible>(())).await
}

#[tokio::test]
async fn a_server_without_tls_where_tls_is_expected_hears_no_word() {
    let account = trusting(ServerTrust::Platform, TlsMode::Implicit);
    let server = ScriptedServer::new().say("+OK POP3 in the clear\r\n");
    let ended = server
        .play(async |io| Mailbox::open_over(io, MailboxProtocol::Pop3, &account).await.map(|_| ()))
        .await;
    assert_eq!(ended.unwrap_err().kind(), MailServerErrorKind::Tls);
}

#[tokio::test]
async fn all_three_protocols_change_over_to_tls_before_anything_else() {
    let ours = authority();
    let acceptor = identity(&ours, "mail.praxis.example", 2999).acceptor();
    let account = trusting(only(&ours), TlsMode::StartTls);

    let pop3 = ScriptedServer::new()
        .say("+OK\r\n")
        .on("STLS", "+OK go\r\n")
        .encrypt(&acceptor)
        .and(pop3_login());
    pop3.play(async |io| Mailbox::open_over(io, MailboxProtocol::Pop3, &account).await.map(|_| ()))
        .await
        .unwrap();

    let imap = ScriptedServer::new()
        .say("* OK\r\n")
        .on("u1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nu1 OK\r\n")
        .on("u2 STARTTLS", "u2 OK go\r\n")
        .encrypt(&acceptor)
        .on("u3 CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nu3 OK\r\n")
        .on("u4 AUTHENTICATE PLAIN", "+ \r\n")
        .on(PLAIN, "u4 OK\r\n")
        .on("u5 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nu5 OK\r\n")
        .on("u6 SELECT INBOX", "* OK [UIDVALIDITY 1] x\r\nu6 OK\r\n");
    imap.play(async |io| Mailbox::open_over(io, MailboxProtocol::Imap, &account).await.map(|_| ()))
        .await
        .unwrap();

    let ehlo = "EHLO [127.0.0.1]";
    let smtp = ScriptedServer::new()
        .say("220 x\r\n")
        .on(ehlo, "250-x\r\n250 STARTTLS\r\n")
        .on("STARTTLS", "220 go\r\n")
        .encrypt(&acceptor)
        .on(ehlo, "250-x\r\n250-DSN\r\n250 AUTH PLAIN\r\n")
        .on(&format!("AUTH PLAIN {PLAIN}"), "235 ok\r\n")
        .on("QUIT", "221 bye\r\n");
    let facts = smtp.play(async |io| probe_login_over(io, &account).await).await.unwrap();
    assert!(facts.reports);
}

#[tokio::test]
async fn kim_3_nothing_falls_back_to_plaintext() {
    let account = trusting(ServerTrust::Platform, TlsMode::StartTls);
    let ehlo = "EHLO [127.0.0.1]";
    let capability = "u1 CAPABILITY";
    let pop3 = || ScriptedServer::new().say("+OK\r\n");
    let imap = || ScriptedServer::new().say("* OK\r\n");
    let smtp = || ScriptedServer::new().say("220 x\r\n");
    // It does not offer TLS, does not agree to it, or slips something in before it.
    for (protocol, server) in [
        (MailboxProtocol::Pop3, pop3().on("STLS", "-ERR no\r\n")),
        (MailboxProtocol::Imap, imap().on(capability, "* CAPABILITY AUTH=PLAIN\r\nu1 OK\r\n")),
        (
            MailboxProtocol::Imap,
            imap()
                .on(capability, "* CAPABILITY STARTTLS\r\nu1 OK\r\n")
                .on("u2 STARTTLS", "u2 NO\r\n"),
        ),
    ] {
        let ended = server
            .hear_nothing_more()
            .play(async |io| Mailbox::open_over(io, protocol, &account).await.map(|_| ()))
            .await;
        assert_eq!(ended.unwrap_err().kind(), MailServerErrorKind::Tls);
    }
    for (protocol, server) in [
        (MailboxProtocol::Pop3, pop3().on("STLS", "+OK\r\n+OK injected\r\n")),
        (
            MailboxProtocol::Imap,
            imap()
                .on(capability, "* CAPABILITY STARTTLS\r\nu1 OK\r\n")
                .on("u2 STARTTLS", "u2 OK\r\n* CAPABILITY AUTH=PLAIN\r\n"),
        ),
    ] {
        let ended = server
            .hear_nothing_more()
            .play(async |io| Mailbox::open_over(io, protocol, &account).await.map(|_| ()))
            .await;
        assert_eq!(ended.unwrap_err().kind(), MailServerErrorKind::Broken);
    }
    for server in [
        smtp().on(ehlo, "250-x\r\n250 AUTH PLAIN\r\n"),
        smtp().on(ehlo, "250-x\r\n250 STARTTLS\r\n").on("STARTTLS", "220 go\r\n250 injected\r\n"),
    ] {
        let ended = server
            .hear_nothing_more()
            .play(async |io| probe_login_over(io, &account).await.map(|_| ()))
            .await;
        assert_eq!(ended.unwrap_err().kind(), MailServerErrorKind::Tls);
    }
}

#[test]
fn settings_that_would_give_the_password_away_are_refused() {
    let plaintext = |host: &str| MailServer { host: host.to_owned(), ..account() };
    for near in ["localhost", "127.0.0.1", "127.8.8.8", "::1"] {
        assert_eq!(plaintext(near).check(), Ok(()), "{near}");
    }
    for far in ["192.168.1.2", "localhost.example", "0.0.0.0", "fd00::1"] {
        assert!(
            matches!(plaintext(far).check(), Err(ServerSettingsError::PlaintextAbroad { .. })),
            "{far}"
        );
    }
    for cut in ["a\r\nDELE 1", "a\nb", "a\0b"] {
        let mut account = account();
        account.login.password = cut.into();
        assert_eq!(account.check(), Err(ServerSettingsError::LoginCharacter));
    }
    let nobody = trusting(ServerTrust::Pins(vec![]), TlsMode::Implicit);
    assert_eq!(nobody.check(), Err(ServerSettingsError::NobodyTrusted));
    let nowhere =
        MailServer { host: "a b".to_owned(), ..trusting(ServerTrust::Platform, TlsMode::Implicit) };
    assert!(matches!(nowhere.check(), Err(ServerSettingsError::HostName { .. })));
}

#[test]
fn kim_36_settings_print_neither_user_nor_password_nor_key() {
    let own = identity(&authority(), "gateway", 2999);
    let account = MailServer { client_certificate: Some(client_certificate(&own)), ..account() };
    let printed = format!("{account:?}");
    assert!(!printed.contains("erik") && !printed.contains("geheim"), "{printed}");
    assert!(!printed.contains(&format!("{:?}", own.key.serialize_der())), "{printed}");
}

#[test]
fn fingerprints_are_read_as_openssl_prints_them() {
    let pin = identity(&authority(), "x", 2999).pin();
    let printed = pin.to_string();
    assert_eq!(printed.len(), 95);
    assert_eq!(printed.parse::<Fingerprint>().unwrap(), pin);
    assert_eq!(printed.replace(':', "").to_lowercase().parse::<Fingerprint>().unwrap(), pin);
    for wrong in ["", "ab", "sha256", &printed.replace(':', " "), &"g".repeat(64), &"a".repeat(63)]
    {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
    assert!(certificates(b"no pem").is_err());
    assert!(private_key(b"no pem").is_err());
}

/// Over the loopback interface, with a socket of the operating system.
#[tokio::test]
async fn a_dispatch_and_a_mailbox_over_tcp() {
    let ours = authority();
    let acceptor = identity(&ours, "127.0.0.1", 2999).acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let account = MailServer {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        ..trusting(only(&ours), TlsMode::Implicit)
    };
    let serve = async |script: ScriptedServer| {
        let (connection, _) = listener.accept().await.unwrap();
        ScriptedServer::new().encrypt(&acceptor).and(script).act(Box::new(connection)).await;
    };

    let address = |text| MailAddress::new(text).unwrap();
    let envelope = Envelope::new(address("a@b.example"), address("c@d.example"));
    let (outcome, ()) = tokio::join!(
        submit(&account, &envelope, &b"A: b\n\nc\n"[..], async || Ok::<_, Infallible>(())),
        serve(
            ScriptedServer::new()
                .say("220 x\r\n")
                .on("EHLO [127.0.0.1]", "250-x\r\n250 AUTH PLAIN\r\n")
                .on(&format!("AUTH PLAIN {PLAIN}"), "235 ok\r\n")
                .on("MAIL FROM:<a@b.example>", "250 ok\r\n")
                .on("RCPT TO:<c@d.example>", "250 ok\r\n")
                .on("DATA", "354 go\r\n")
                .hear_body("A: b\r\n\r\nc\r\n.\r\n")
                .say("250 ok\r\n")
                .on("QUIT", "221 bye\r\n")
        )
    );
    assert_eq!(outcome.reply(), "250 ok");
    assert!(matches!(outcome, Outcome::Accepted { .. }));

    let (closed, ()) = tokio::join!(
        async {
            let mut mailbox = Mailbox::open(MailboxProtocol::Pop3, &account).await.unwrap();
            assert!(mailbox.keys().await.unwrap().keys.is_empty());
            mailbox.close().await
        },
        serve(
            ScriptedServer::new()
                .say("+OK\r\n")
                .and(pop3_login())
                .on("UIDL", "+OK\r\n.\r\n")
                .on("QUIT", "+OK\r\n")
        )
    );
    closed.unwrap();

    drop(listener);
    let outcome = submit(&account, &envelope, &b""[..], async || Ok::<_, Infallible>(())).await;
    assert!(matches!(outcome, Outcome::TryLater { at: Reached::Connect, .. }), "{outcome:?}");
    let error = probe_login(&account).await.unwrap_err();
    assert_eq!(error.kind(), MailServerErrorKind::Unreachable);
    let abroad = MailServer { tls: TlsMode::None, host: "192.0.2.1".to_owned(), ..account };
    let error = probe_login(&abroad).await.unwrap_err();
    assert_eq!(error.kind(), MailServerErrorKind::Settings);
}
