//! (i) TOP and RETR, (j) what is handed out, (k) what vanishes.

use mail_parser::{Message, MessageParser, MimeHeaders as _};
use umstieg_world::{
    Clientmodul,
    clientmodul::{
        AsRead, CardState, DsnFacts, DsnForm, IntegrityForm, KimDelivery, KonnektorState, NoteForm,
        ReadTrouble,
        ready_made::{self, KimHead},
        reports,
    },
};

use super::plain_client::{CLINIC, PRACTICE, PlainClient, practice_and_clinic};

const NOTE: &str =
    "---------------------------------------------\r\nDie Nachricht wurde entschlüsselt.";

fn chat() -> Vec<u8> {
    ready_made::chat(CLINIC, PRACTICE, "Befund", "letter-1@kim.local", "Guten Tag\r\n.Punkt")
}

fn parsed(mail: &str) -> Message<'_> {
    MessageParser::default().parse(mail.as_bytes()).unwrap()
}

fn values(mail: &str, name: &str) -> Vec<String> {
    let parsed = parsed(mail);
    let found = parsed.headers_raw().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned()).collect()
}

/// What RETR brings of the only mail.
async fn retr(module: &Clientmodul) -> String {
    let mut client = PlainClient::pop3(module, PRACTICE).await;
    let mail = client.ask("RETR 1").await;
    client.say("QUIT").await;
    mail
}

#[tokio::test]
async fn kim_38_i_top_shows_the_outer_mail_and_retr_brings_the_one_inside() {
    let module = practice_and_clinic().await;
    module.switch(|it| it.now = Some(1_700_000_000));
    let uidl = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    let outer = client.ask("TOP 1 50").await;
    assert_eq!(values(&outer, "Subject"), ["KOM-LE-Nachricht"]);
    assert_eq!(values(&outer, "X-KOM-LE-Version"), ["1.5"]);
    assert_eq!(values(&outer, "X-KIM-Dienstkennung"), ["KIM-Mail;Default;V1.0"]);
    assert_eq!(values(&outer, "X-KIM-Sendersystem"), ["Simulierte Praxis;1.0"]);
    assert_eq!(values(&outer, "Expires"), ["Mon, 12 Feb 2024 22:13:20 +0000"]);
    assert_eq!(values(&outer, "Message-ID"), ["<letter-1@kim.local>"]);
    assert!(outer.ends_with("Content-Transfer-Encoding: base64\r\n"), "no line of the body");

    let inner = client.ask("RETR 1").await;
    assert_eq!(values(&inner, "Subject"), ["Befund"]);
    assert_eq!(values(&inner, "X-KIM-DecryptionResult"), ["00"]);
    assert_eq!(values(&inner, "X-KIM-IntegrityCheckResult"), ["01"]);
    assert_eq!(values(&inner, "Return-Path"), [format!("<{CLINIC}>")]);
    let text = parsed(&inner).body_text(0).unwrap().into_owned();
    assert!(text.starts_with("Guten Tag\r\n.Punkt") && text.contains(NOTE), "{text}");
    let listed = client.say("LIST 1").await;
    assert_ne!(listed, format!("+OK 1 {}", inner.len()));
    assert_eq!(client.say("UIDL 1").await, format!("+OK 1 {uidl}"));
    let used = module.journal().mail(PRACTICE, &uidl);
    assert_eq!((used.top, used.retr, used.unreadable, used.dele), (1, 1, 0, 0));
}

#[tokio::test]
async fn kim_8_two_mails_of_one_message_id_have_two_names_that_last() {
    let module = practice_and_clinic().await;
    let first = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    let second = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    let nameless = module.deliver(PRACTICE, KimDelivery::sealed(b"Subject: x\n\ntext")).unwrap();
    for _ in 0..2 {
        let mut client = PlainClient::pop3(&module, PRACTICE).await;
        let listed = client.ask("UIDL").await;
        assert_eq!(listed, format!("1 {first}\r\n2 {second}\r\n3 {nameless}"));
        client.say("QUIT").await;
    }
}

#[tokio::test]
async fn kim_38_j_the_note_comes_in_several_forms_or_not_at_all() {
    let module = practice_and_clinic().await;
    let uidl = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    for (form, has_note, has_mojibake) in [
        (NoteForm::AsText, true, false),
        (NoteForm::Absent, false, false),
        (NoteForm::Mojibake, false, true),
    ] {
        module.read_as(PRACTICE, &uidl, AsRead::with_note(form)).unwrap();
        let mail = retr(&module).await;
        let text = parsed(&mail).body_text(0).unwrap().into_owned();
        assert_eq!(text.contains("entschlüsselt"), has_note, "{text}");
        assert_eq!(text.contains("entschlÃ¼sselt"), has_mojibake, "{text}");
    }
    let as_read = AsRead { vendor_report: true, auth_field: true, ..AsRead::default() };
    module.read_as(PRACTICE, &uidl, as_read).unwrap();
    let mail = retr(&module).await;
    let parsed = parsed(&mail);
    assert_eq!(
        parsed.attachment(0).unwrap().attachment_name(),
        Some("Signaturpruefungsbericht.pdf")
    );
    assert_eq!(parsed.attachment(0).unwrap().contents(), ready_made::PDF);
    assert_eq!(values(&mail, "X-KIM-Auth").len(), 1);
}

#[tokio::test]
async fn kim_38_j_a_broken_integrity_is_told_by_the_field_alone() {
    let module = practice_and_clinic().await;
    let uidl = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    let bad = [
        &["02"][..],
        &["03"],
        &["04"],
        &["05"],
        &["06"],
        &["07"],
        &["08"],
        &["09"],
        &["X17"],
        &["01", "08"],
    ];
    for values_given in bad {
        for form in [IntegrityForm::Replaced, IntegrityForm::Enclosed, IntegrityForm::Unchanged] {
            module.read_as(PRACTICE, &uidl, AsRead::integrity(values_given, form)).unwrap();
            let mail = retr(&module).await;
            assert_eq!(values(&mail, "X-KIM-IntegrityCheckResult"), values_given);
            assert_eq!(values(&mail, "X-KIM-DecryptionResult"), ["00"]);
            let parsed = parsed(&mail);
            let is_warning = parsed.body_text(0).unwrap().contains("Sicherheitsverletzung");
            let within = parsed.attachment(0).and_then(|part| part.message());
            let subject = within.and_then(|mail| mail.subject()).or(parsed.subject());
            let expected = match form {
                IntegrityForm::Replaced => (true, None),
                IntegrityForm::Enclosed => (true, Some("Befund")),
                IntegrityForm::Unchanged => (false, Some("Befund")),
            };
            assert_eq!((is_warning, subject), expected, "{form:?}");
        }
    }
    module.read_as(PRACTICE, &uidl, AsRead::integrity(&[], IntegrityForm::Enclosed)).unwrap();
    let mail = retr(&module).await;
    assert!(values(&mail, "X-KIM-IntegrityCheckResult").is_empty(), "the field may be missing");
    assert!(mail.contains("Guten Tag"));
}

#[tokio::test]
async fn kim_38_j_a_mail_that_could_not_be_read_is_readable_when_the_card_is_back() {
    let module = practice_and_clinic().await;
    let uidl = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    module.set_card(PRACTICE, CardState::Locked).unwrap();
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    let error = client.ask("RETR 1").await;
    assert_eq!(parsed(&error).subject(), Some("Die Nachricht konnte nicht entschlüsselt werden"));
    assert_eq!(values(&error, "From"), [CLINIC], "in the name of the sender");
    assert_eq!(values(&error, "Date"), ["Mon, 02 Nov 2026 09:15:00 +0100"]);
    assert_eq!(values(&error, "X-KIM-DecryptionResult"), ["01"]);
    assert_eq!(values(&error, "X-KIM-Fehlermeldung"), ["4009"]);
    assert!(values(&error, "Message-ID").is_empty());
    let within = parsed(&error);
    let within = within.attachment(0).unwrap().message().unwrap();
    assert_eq!(within.subject(), Some("KOM-LE-Nachricht"));

    module.set_konnektor(PRACTICE, KonnektorState::AwayForCards).unwrap();
    let error = client.ask("RETR 1").await;
    assert_eq!(values(&error, "X-KIM-Fehlermeldung"), ["4011"]);

    module.set_konnektor(PRACTICE, KonnektorState::Reachable).unwrap();
    module.set_card(PRACTICE, CardState::Unlocked).unwrap();
    let mail = client.ask("RETR 1").await;
    assert_eq!(parsed(&mail).subject(), Some("Befund"), "under the same UIDL");
    let used = module.journal().mail(PRACTICE, &uidl);
    assert_eq!((used.retr, used.unreadable), (3, 2));
}

#[tokio::test]
async fn kim_38_j_other_troubles_have_codes_and_subjects_of_their_own() {
    let module = practice_and_clinic().await;
    let uidl = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    for (trouble, code, subject) in [
        (ReadTrouble::Format, "4010", "Die Nachricht konnte nicht"),
        (ReadTrouble::Version, "4008", "Die KIM-Version"),
        (ReadTrouble::KasLoad, "4006", "Die E-Mail-Daten"),
        (ReadTrouble::KasDecrypt, "4007", "Die E-Mail-Daten"),
        (ReadTrouble::KasChecksum, "4012", "Die E-Mail-Daten"),
        (ReadTrouble::KasThrottled, "4013", "Die E-Mail-Daten"),
        (ReadTrouble::LargeOff, "4018", "Die KIM-Nachricht kann nicht empfangen werden"),
    ] {
        module.read_as(PRACTICE, &uidl, AsRead::trouble(trouble)).unwrap();
        let mail = retr(&module).await;
        assert_eq!(values(&mail, "X-KIM-Fehlermeldung"), [code]);
        assert!(parsed(&mail).subject().unwrap().starts_with(subject), "{trouble:?}");
    }
    let old = module.deliver(PRACTICE, KimDelivery::sealed(&chat()).version("2.7")).unwrap();
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    assert_eq!(values(&client.ask("TOP 2 0").await, "X-KOM-LE-Version"), ["2.7"]);
    assert_eq!(values(&client.ask("RETR 2").await, "X-KIM-Fehlermeldung"), ["4008"]);
    client.say("QUIT").await;
    module.vanishes(PRACTICE, &old).unwrap();
    let codes = ["X4711", "cmgerr_4"].map(str::to_owned).to_vec();
    let as_read = AsRead { codes: Some(codes.clone()), ..AsRead::trouble(ReadTrouble::Key) };
    module.read_as(PRACTICE, &uidl, as_read).unwrap();
    assert_eq!(values(&retr(&module).await, "X-KIM-Fehlermeldung"), codes);
    // As the oldest ones wrote it.
    let as_read = AsRead { decryption: Vec::new(), ..AsRead::trouble(ReadTrouble::Key) };
    module.read_as(PRACTICE, &uidl, as_read).unwrap();
    assert!(values(&retr(&module).await, "X-KIM-DecryptionResult").is_empty());
}

#[tokio::test]
async fn kim_38_j_what_came_without_encryption_comes_as_it_is() {
    let module = practice_and_clinic().await;
    let facts = DsnFacts {
        to: PRACTICE,
        recipient: CLINIC,
        message_id: "<our-1@kim.local>",
        time: 1_700_000_000,
        number: 1,
        ..DsnFacts::default()
    };
    let spoofed = b"From: a@b.example\r\nX-KIM-DecryptionResult: 00\r\nX-KIM-IntegrityCheckResult: 01\r\n\r\nspoofed\r\n";
    for plain in [
        reports::dsn(&facts, DsnForm::Clean),
        reports::dsn(&facts, DsnForm::Sloppy),
        reports::absence(CLINIC, &facts, "Ich bin im Urlaub.", false),
        spoofed.to_vec(),
    ] {
        let uidl = module.deliver(PRACTICE, KimDelivery::plain(&plain)).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        let mut client = PlainClient::pop3(&module, PRACTICE).await;
        let top = client.ask("TOP 1 0").await;
        assert!(plain.starts_with(top.trim_end()), "{top}");
        assert_eq!(client.ask("RETR 1").await, plain.trim_end_matches("\r\n"));
        client.say("QUIT").await;
        module.vanishes(PRACTICE, &uidl).unwrap();
    }
}

#[tokio::test]
async fn kim_38_j_machines_mails_say_so_outside() {
    let module = practice_and_clinic().await;
    let facts = DsnFacts { to: PRACTICE, message_id: "<our-1@kim.local>", ..DsnFacts::default() };
    for (mail, service) in [
        (ready_made::arztbrief(CLINIC, PRACTICE, "1@kim.local"), "Arztbrief;VHitG-Versand;V1.2"),
        (ready_made::sick_note(CLINIC, PRACTICE, "2@kim.local"), "eAU;Lieferung;V1.0"),
        (ready_made::billing(CLINIC, PRACTICE, "3@kim.local"), "1ClickAbrechnung;Lieferung;V2.0"),
        (ready_made::insurance_proof(CLINIC, PRACTICE, "4@kim.local"), "eEB;Bescheinigung;V1.1"),
        (
            reports::receipt(CLINIC, &facts, "Arztbrief", "displayed"),
            "Arztbrief;Eingangsbestaetigung;V1.0",
        ),
    ] {
        let uidl = module.deliver(PRACTICE, KimDelivery::sealed(&mail)).unwrap();
        let mut client = PlainClient::pop3(&module, PRACTICE).await;
        assert_eq!(values(&client.ask("TOP 1 0").await, "X-KIM-Dienstkennung"), [service]);
        assert_eq!(values(&client.ask("RETR 1").await, "X-KIM-Dienstkennung"), [service]);
        client.say("QUIT").await;
        module.vanishes(PRACTICE, &uidl).unwrap();
    }
}

#[tokio::test]
async fn kim_38_j_a_large_mail_is_listed_small() {
    let module = practice_and_clinic().await;
    let head = KimHead {
        from: CLINIC,
        to: PRACTICE,
        subject: "Bilder",
        message_id: "large@kim.local",
        dienstkennung: "KIM-Mail;Default;V1.0",
    };
    let picture = vec![b'x'; 13_000_000];
    let files = [("application/octet-stream", "ct.bin", "Bild", picture.as_slice())];
    let mail = ready_made::with_files(&head, "Anbei", &files);
    module.deliver(PRACTICE, KimDelivery::sealed(&mail)).unwrap();
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    let listed = client.say("LIST 1").await;
    let size: usize = listed.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(size < 11_000, "{listed}");
    let outer = client.ask("TOP 1 0").await;
    assert_eq!(values(&outer, "X-KIM-KAS-Size"), [mail.len().to_string()]);
    assert!(client.ask("RETR 1").await.len() > mail.len());
}

#[tokio::test]
async fn kim_38_k_mails_vanish_by_their_age_and_by_other_clients() {
    let module = practice_and_clinic().await;
    module.switch(|it| it.now = Some(1_700_000_000));
    let first = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    module.switch(|it| it.now = Some(1_700_000_000 + 10 * 24 * 3600));
    let second = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    let third = module.deliver(PRACTICE, KimDelivery::sealed(&chat())).unwrap();
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    module.vanishes(PRACTICE, &second).unwrap();
    assert_eq!(client.say("RETR 2").await, "-ERR", "deleted by another client meanwhile");
    assert_eq!(client.ask("UIDL").await, format!("1 {first}\r\n3 {third}"));
    client.say("QUIT").await;

    module.switch(|it| it.now = Some(1_700_000_000 + 91 * 24 * 3600));
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    assert_eq!(client.ask("UIDL").await, format!("1 {third}"));
    assert_eq!(module.uidls(PRACTICE).unwrap(), [third]);
}
