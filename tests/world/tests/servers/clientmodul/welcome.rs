//! (a) user names, (b) mechanisms, (c) before AUTH, (d) EHLO, (e) TLS, (l) lock-out.

use tokio_rustls::rustls::version::{TLS12, TLS13};
use umstieg_world::clientmodul::{
    AuthMechanism, CmStep, KimAccount, KimProtocol, KonnektorState, Mishap, MishapRule,
};

use super::plain_client::{
    CLINIC, PASSWORD, PRACTICE, PlainClient, PlainTls, encoded, plain, practice_and_clinic,
};

const HEAD: &str = "praxis@mueller.kim.telematik#mail.mueller.kim.telematik";

#[tokio::test]
async fn kim_38_a_user_names_have_a_grammar_by_protocol() {
    let module = practice_and_clinic().await;
    let account = |change: fn(&mut KimAccount)| {
        let mut account = KimAccount::new(PRACTICE, PASSWORD);
        change(&mut account);
        account
    };
    let simple = account(|_| {});
    let with_konnektor = account(|it| it.konnektor_id = Some("Konn_1".to_owned()));
    let with_user = account(|it| it.user_id = Some("13".to_owned()));
    let (ok, malformed, unknown) = ("235", "501 5.5.4", "501 Context");
    for (account, tail, smtp, pop3) in [
        (&simple, "#1#KOM_LE#7", ok, true),
        (&simple, "#1#KOM_LE", malformed, false),
        (&simple, "#2#KOM_LE#7", unknown, false),
        (&simple, "#1#kom_le#7", unknown, false),
        (&simple, "#1#KOM_LE#8", unknown, false),
        (&simple, "", malformed, false),
        (&with_konnektor, "#1#KOM_LE#7#Konn_1", ok, false),
        (&with_konnektor, "#1#KOM_LE#7#*#Konn_1", malformed, true),
        (&with_konnektor, "#1#KOM_LE#7", unknown, false),
        (&with_user, "#1#KOM_LE#7#13", unknown, true),
        (&with_user, "#1#KOM_LE#7", ok, false),
    ] {
        module.add_account(account.clone());
        let mut client = PlainClient::open(&module, KimProtocol::Smtp).await;
        let name = format!("{HEAD}:465{tail}");
        let answer = client.say(&format!("AUTH PLAIN {}", plain(&name, PASSWORD))).await;
        assert!(answer.starts_with(smtp), "{tail}: {answer}");
        if smtp == malformed {
            assert_eq!(client.line().await, "", "the connection has ended");
        }
        let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
        let answer = client.log_in(&format!("{HEAD}:995{tail}"), PASSWORD).await;
        assert_eq!(answer, if pop3 { "+OK" } else { "-ERR" }, "{tail}");
        client.say("QUIT").await;
    }
}

#[tokio::test]
async fn kim_38_b_no_other_mechanism_gets_in() {
    let module = practice_and_clinic().await;
    let name = module.user_name(KimProtocol::Smtp, PRACTICE).unwrap();
    let mut client = PlainClient::open(&module, KimProtocol::Smtp).await;
    assert!(client.say("AUTH CRAM-MD5").await.starts_with("504 5.7.4"));
    assert_eq!(client.say("AUTH PLAIN").await, "334 ");
    assert!(client.say(&plain(&name, "wrong")).await.starts_with("535 5.7.8"));
    module.switch(|it| it.mechanisms = vec![AuthMechanism::Login]);
    assert!(client.say("AUTH PLAIN").await.starts_with("504 5.7.4"));
    assert_eq!(client.say("AUTH LOGIN").await, "334 VXNlcm5hbWU6");
    assert_eq!(client.say(&encoded(&name)).await, "334 UGFzc3dvcmQ6");
    assert!(client.say(&encoded(PASSWORD)).await.starts_with("235 2.7.0"));

    let name = module.user_name(KimProtocol::Pop3, PRACTICE).unwrap();
    let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
    assert_eq!(client.say("APOP x y").await, "-ERR");
    assert_eq!(client.say("AUTH LOGIN").await, "-ERR");
    assert_eq!(client.say("USER whoever").await, "+OK");
    assert_eq!(client.say("PASS wrong").await, "-ERR");
    assert_eq!(client.say("AUTH PLAIN").await, "+ ");
    assert_eq!(client.say(&plain(&name, PASSWORD)).await, "+OK");
    let answers: Vec<String> = module.journal().logins.into_iter().map(|it| it.answer).collect();
    assert_eq!(answers, ["535", "235", "-ERR", "+OK"]);
}

#[tokio::test]
async fn kim_38_c_nothing_is_sent_before_a_login() {
    let module = practice_and_clinic().await;
    let mut client = PlainClient::open(&module, KimProtocol::Smtp).await;
    for (says, expected) in [
        ("HELO x", "250"),
        ("NOOP", "250"),
        ("RSET", "250"),
        ("MAIL FROM:<praxis@mueller.kim.telematik>", "530 5.7.0"),
        ("RCPT TO:<praxis@mueller.kim.telematik>", "530 5.7.0"),
        ("DATA", "530 5.7.0"),
        ("VRFY x", "502 5.5.1"),
        ("QUIT", "221"),
    ] {
        let answer = client.say(says).await;
        assert!(answer.starts_with(expected), "{says}: {answer}");
    }
    let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
    for says in ["STAT", "UIDL", "RETR 1", "PASS x"] {
        assert_eq!(client.say(says).await, "-ERR", "{says}");
    }
}

#[tokio::test]
async fn kim_38_d_ehlo_lists_what_kim_has_and_nothing_else() {
    let module = practice_and_clinic().await;
    let mut client = PlainTls::to(&module).connect(module.ports().smtps).await.unwrap();
    assert_eq!(client.line().await, "220 KOM-LE-Clientmodul ESMTP");
    let mut said = Vec::new();
    client.tells("EHLO praxis").await;
    while said.last().is_none_or(|line: &String| line.starts_with("250-")) {
        said.push(client.line().await);
    }
    let expected =
        ["SIZE 734003200", "AUTH LOGIN PLAIN", "8BITMIME", "ENCHANCEDSTATUSCODES", "DSN"];
    assert_eq!(said.iter().skip(1).map(|line| line.split_at(4).1).collect::<Vec<_>>(), expected);

    module.switch(|it| it.dsn_offered = false);
    assert_eq!(client.say("EHLO praxis").await, "250 ENCHANCEDSTATUSCODES");
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    for (code, words) in [(555, "RET=HDRS"), (504, "ENVID=x")] {
        module.switch(|it| it.parameter_refusal = code);
        let answer = client.say(&format!("MAIL FROM:<{PRACTICE}> {words}")).await;
        assert!(answer.starts_with(&code.to_string()), "{answer}");
    }
    assert!(
        client
            .say(&format!("MAIL FROM:<{PRACTICE}> SIZE=10 BODY=8BITMIME"))
            .await
            .starts_with("250")
    );
    let answer = client.say(&format!("RCPT TO:<{CLINIC}> NOTIFY=SUCCESS")).await;
    assert!(answer.starts_with("504 "), "{answer}");

    client.write(b"NOOP\r\nNOOP\r\n").await;
    assert!(client.line().await.starts_with("503 5.5.1"), "no pipelining");
}

#[tokio::test]
async fn kim_38_e_the_certificate_is_known_by_its_fingerprint_only_and_changes() {
    let module = practice_and_clinic().await;
    let port = module.ports().pop3s;
    let old = PlainTls::to(&module);
    assert!(old.connect(port).await.is_some());
    module.rotate_certificate().unwrap();
    assert!(old.connect(port).await.is_none());
    let mut new = PlainTls::to(&module);
    assert_ne!(old.pin, new.pin);

    module.switch(|it| it.tls12_only = true);
    new.versions = vec![&TLS13];
    assert!(new.connect(port).await.is_none());
    new.versions = vec![&TLS12];
    assert!(new.connect(port).await.is_some());

    module.switch(|it| it.client_certificate_required = true);
    assert!(new.connect(port).await.is_none());
    new.certificate = Some(module.client_certificate().unwrap());
    assert_eq!(new.connect(port).await.unwrap().line().await, "+OK KOM-LE Clientmodul POP3");
}

#[tokio::test]
async fn kim_38_e_starttls_and_stls_come_before_any_login() {
    let module = practice_and_clinic().await;
    let mut smtp = PlainClient::unencrypted(module.ports().smtp_starttls).await;
    smtp.line().await;
    assert!(smtp.say("AUTH PLAIN").await.starts_with("530 5.7.0"));
    assert!(smtp.say("STARTTLS").await.starts_with("220 "));
    let mut smtp = smtp.encrypted(&module).await;
    let name = module.user_name(KimProtocol::Smtp, PRACTICE).unwrap();
    assert!(smtp.say(&format!("AUTH PLAIN {}", plain(&name, PASSWORD))).await.starts_with("235"));

    let mut pop3 = PlainClient::unencrypted(module.ports().pop3_stls).await;
    pop3.line().await;
    assert_eq!(pop3.ask("CAPA").await, "TOP\r\nUIDL\r\nSTLS");
    assert_eq!(pop3.say("USER x").await, "-ERR");
    assert!(pop3.say("STLS").await.starts_with("+OK"));
    let mut pop3 = pop3.encrypted(&module).await;
    let name = module.user_name(KimProtocol::Pop3, PRACTICE).unwrap();
    assert_eq!(pop3.log_in(&name, PASSWORD).await, "+OK");
    assert_eq!(pop3.ask("CAPA").await, "TOP\r\nUIDL\r\nUSER\r\nSASL PLAIN");
}

#[tokio::test]
async fn kim_38_g_who_cannot_be_asked_is_away() {
    let module = practice_and_clinic().await;
    let smtp_login = async || {
        let mut client = PlainClient::open(&module, KimProtocol::Smtp).await;
        let name = module.user_name(KimProtocol::Smtp, PRACTICE).unwrap();
        client.say(&format!("AUTH PLAIN {}", plain(&name, PASSWORD))).await
    };
    let pop3_login = async || {
        let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
        let name = module.user_name(KimProtocol::Pop3, PRACTICE).unwrap();
        client.log_in(&name, PASSWORD).await
    };
    module.switch(|it| it.fachdienst_away = true);
    assert!(smtp_login().await.starts_with("454 4.7.0"));
    assert_eq!(pop3_login().await, "-ERR");
    module.switch(|it| it.fachdienst_away = false);
    module.set_konnektor(PRACTICE, KonnektorState::Away).unwrap();
    assert!(smtp_login().await.starts_with("454 4.7.0"));
    assert_eq!(pop3_login().await, "-ERR");
    module.set_konnektor(PRACTICE, KonnektorState::AwayForCards).unwrap();
    assert!(smtp_login().await.starts_with("235"));
    assert_eq!(pop3_login().await, "+OK");
    module.goes_wrong(MishapRule::once(CmStep::Pop3Login, Mishap::pop3_timeout()));
    assert_eq!(pop3_login().await, "-ERR timeout");
}

#[tokio::test]
async fn kim_38_l_too_many_wrong_passwords_lock_the_account() {
    let module = practice_and_clinic().await;
    module.switch(|it| it.lockout_after = Some(2));
    let log_in = async |address: &str, password: &str| {
        let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
        let name = module.user_name(KimProtocol::Pop3, address).unwrap();
        let answer = client.log_in(&name, password).await;
        client.say("QUIT").await;
        answer
    };
    assert_eq!(log_in(PRACTICE, "wrong").await, "-ERR");
    assert_eq!(log_in(PRACTICE, PASSWORD).await, "+OK", "a right one starts again");
    assert_eq!(log_in(PRACTICE, "wrong").await, "-ERR");
    assert_eq!(log_in(PRACTICE, "wrong").await, "-ERR");
    assert_eq!(log_in(PRACTICE, PASSWORD).await, "-ERR", "locked");
    assert_eq!(log_in(CLINIC, PASSWORD).await, "+OK", "others are not");
    let mut smtp = PlainClient::open(&module, KimProtocol::Smtp).await;
    let name = module.user_name(KimProtocol::Smtp, PRACTICE).unwrap();
    let answer = smtp.say(&format!("AUTH PLAIN {}", plain(&name, PASSWORD))).await;
    assert!(answer.starts_with("535 5.7.8"), "{answer}");
    module.unlock_login(PRACTICE).unwrap();
    assert_eq!(log_in(PRACTICE, PASSWORD).await, "+OK");
}
