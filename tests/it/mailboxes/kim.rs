//! KIM mailboxes that other programs use, too: the outer head decides what is fetched.

use umstieg::phrases::Phrase;
use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{MailboxChannel, MailboxPractice, Manner, letter, through_the_gateway::with_mailbox};
use crate::stage::{Stage, kim_mail};

const SHARED: Manner = Manner { deletes: false, since: None, patient: false, owned: false };
const OWNED: Manner = Manner { owned: true, ..SHARED };

/// A mail whose head says what it is for.
fn of_service(id: &str, service: &str, words: &str) -> Vec<u8> {
    let mail = String::from_utf8(letter(id, words)).unwrap();
    mail.replacen("Subject:", &format!("X-KIM-Dienstkennung: {service}\r\nSubject:"), 1)
        .into_bytes()
}

/// What TOP says of a mail that the Clientmodul has to decrypt.
pub(super) fn outer(id: &str, service: &str) -> Misdeed {
    Misdeed::Say(
        format!(
            "+OK\r\nFrom: <erik@charite.kim.telematik>\r\nTo: <praxis@mueller.kim.telematik>\r\n\
             Subject: KOM-LE-Nachricht\r\nMessage-ID: <{id}@x>\r\n\
             Date: Mon, 23 Nov 2026 08:00:00 +0100\r\nX-KIM-Dienstkennung: {service}\r\n\
             X-KOM-LE-Version: 1.5\r\nContent-Type: application/pkcs7-mime\r\n\r\n.\r\n"
        )
        .into_bytes(),
    )
}

fn start(practice: &MailboxPractice, server: &Misbehaving, manner: Manner) -> MailboxChannel {
    let mut channel = MailboxChannel::of(practice, server, Protocol::Pop3, manner);
    channel.start();
    channel
}

async fn again(channel: &mut MailboxChannel, server: &Misbehaving, manner: Manner) {
    channel.stop().await;
    *channel = MailboxChannel::named(
        &channel.practice,
        &channel.name.clone(),
        server,
        Protocol::Pop3,
        manner,
    );
    channel.start();
    some_looks(channel, server).await;
}

async fn some_looks(channel: &MailboxChannel, server: &Misbehaving) {
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 4 }).await.unwrap();
}

async fn left_alone(channel: &MailboxChannel) -> String {
    let sql = "select string_agg(mail_key, ' ' order by mail_key) from unfetched_mails
               where state = 'skipped' and reason = 'left_alone'";
    channel.practice.query(sql).await
}

fn asked(server: &Misbehaving, command: &str, keys: [&str; 4]) -> [usize; 4] {
    keys.map(|key| server.was_asked(command, Some(key)))
}

const KEYS: [&str; 4] = ["1", "2", "3", "4"];

#[tokio::test]
async fn kim_9_machine_mail_in_a_shared_mailbox_is_never_touched() {
    let practice = MailboxPractice::new().await;
    let chat = of_service("c", "kim-mail;default;V2", "Guten Tag");
    let machine = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
    let unknown = of_service("u", "Neues;Ding;V1", "Was auch immer");
    let none = letter("n", "Zustellbestätigung");
    let mails: [(&str, &[u8]); 4] = [("1", &chat), ("2", &machine), ("3", &unknown), ("4", &none)];
    let server = Misbehaving::start(Protocol::Pop3, &mails).await.unwrap();
    let mut channel = start(&practice, &server, SHARED);
    channel.until(|| async { channel.has_all(&[&chat, &unknown, &none]).await }).await.unwrap();
    some_looks(&channel, &server).await;
    again(&mut channel, &server, SHARED).await;
    assert_eq!(asked(&server, "RETR", KEYS), [1, 0, 1, 1]);
    assert_eq!(asked(&server, "TOP", KEYS), [1, 1, 1, 1], "a head is asked for once");
    assert_eq!(server.was_asked("DELE", None), 0);
    assert_eq!((left_alone(&channel).await.as_str(), channel.parked().await), ("2", 0));
    // The other program has fetched it: nothing is left of it.
    server.holds(&[("1", &chat), ("3", &unknown), ("4", &none)]);
    channel.until(|| async { left_alone(&channel).await.is_empty() }).await.unwrap();
    let heads = "select string_agg(mail_key, ' ' order by mail_key) from outer_heads";
    let are_known = async || practice.query(heads).await == "1 3 4";
    channel.until(are_known).await.unwrap();
    // And now the name is another mail's.
    let other = of_service("o", "KIM-Mail;Default;V1.0", "Ein anderer");
    server.add("2", &other);
    channel.until(|| async { channel.has_all(&[&other]).await }).await.unwrap();
}

/// The name of a mail that is left alone passes to another mail while nobody looks.
#[tokio::test]
async fn kim_9_another_mail_under_the_name_of_one_left_alone_is_looked_at() {
    let practice = MailboxPractice::new().await;
    let machine = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &machine)]).await.unwrap();
    let mut channel = start(&practice, &server, SHARED);
    channel.until(|| async { left_alone(&channel).await == "1" }).await.unwrap();
    channel.stop().await;
    let chat = of_service("c", "KIM-Mail;Default;V1.0", "Ein Brief, der länger ist");
    server.holds(&[("1", &chat)]);
    again(&mut channel, &server, SHARED).await;
    channel.until(|| async { channel.has_all(&[&chat]).await }).await.unwrap();
    assert_eq!(server.was_asked("TOP", Some("1")), 2, "once for each mail");
}

/// What the sender writes outside decides whether it is fetched, whatever is inside.
#[tokio::test]
async fn kim_9_the_outer_head_decides_and_not_the_inner_one() {
    let practice = MailboxPractice::new().await;
    let inner = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
    let other = of_service("c", "KIM-Mail;Default;V1.0", "Guten Tag");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &inner), ("2", &other)]).await.unwrap();
    server.does("TOP", Some("1"), outer("m", "KIM-Mail;Default;V1.0"));
    server.does("TOP", Some("2"), outer("c", "eAU;Lieferung;V1.0"));
    let channel = start(&practice, &server, SHARED);
    channel.until(|| async { channel.has_all(&[&inner]).await }).await.unwrap();
    channel.until(|| async { left_alone(&channel).await == "2" }).await.unwrap();
    assert_eq!(server.was_asked("RETR", Some("2")), 0);
    let outside = "select outer_encrypted::text || ' ' || outer_service from letters";
    assert_eq!(practice.query(outside).await, "true KIM-Mail;Default;V1.0");
}

#[tokio::test]
async fn kim_9_a_head_that_is_withheld_is_asked_for_again_before_anything_is_fetched() {
    let practice = MailboxPractice::new().await;
    let machine = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
    for misdeed in [Misdeed::Refuse, Misdeed::Nothing, Misdeed::BreakOff, Misdeed::Garbage] {
        let server = Misbehaving::start(Protocol::Pop3, &[("1", &machine)]).await.unwrap();
        server.does_times(1, "TOP", Some("1"), misdeed.clone());
        let channel = start(&practice, &server, SHARED);
        channel.until(|| async { server.was_asked("TOP", Some("1")) > 1 }).await.unwrap();
        some_looks(&channel, &server).await;
        assert_eq!(server.was_asked("RETR", None), 0, "{misdeed:?}");
        assert_eq!(channel.parked().await, 0, "{misdeed:?}");
    }
}

/// A server without TOP: nothing is lost.
#[tokio::test]
async fn kim_9_where_no_head_is_shown_the_mail_comes_all_the_same() {
    let practice = MailboxPractice::new().await;
    for manner in [SHARED, OWNED] {
        let mail = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
        let server = Misbehaving::start(Protocol::Pop3, &[("1", &mail)]).await.unwrap();
        server.does("TOP", None, Misdeed::Refuse);
        let channel = start(&practice, &server, manner);
        channel.until(|| async { channel.has_all(&[&mail]).await }).await.unwrap();
        let outside = format!(
            "select coalesce(outer_encrypted::text, 'unknown') from letters where channel = '{}'",
            channel.name
        );
        assert_eq!(practice.query(&outside).await, "unknown");
    }
}

#[tokio::test]
async fn kim_22_a_mailbox_that_is_owned_from_now_on_brings_what_was_left_alone() {
    let practice = MailboxPractice::new().await;
    let machine = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &machine)]).await.unwrap();
    let mut channel = start(&practice, &server, SHARED);
    channel.until(|| async { left_alone(&channel).await == "1" }).await.unwrap();
    again(&mut channel, &server, OWNED).await;
    channel.until(|| async { channel.has_all(&[&machine]).await }).await.unwrap();
    assert_eq!(left_alone(&channel).await, "");
    assert_eq!(server.was_asked("TOP", Some("1")), 1);
    // And back: what was fetched is not fetched again.
    again(&mut channel, &server, SHARED).await;
    assert_eq!(server.was_asked("RETR", None), 1);
}

/// A gateway that knew nothing of outer heads has fetched everything.
#[tokio::test]
async fn kim_9_an_update_asks_for_nothing_that_is_known() {
    let practice = MailboxPractice::new().await;
    let chat = of_service("c", "KIM-Mail;Default;V1.0", "Guten Tag");
    let machine = of_service("m", "eAU;Lieferung;V1.0", "FHIR");
    let server =
        Misbehaving::start(Protocol::Pop3, &[("1", &chat), ("2", &machine)]).await.unwrap();
    let mut channel = start(&practice, &server, OWNED);
    channel.until(|| async { channel.has_all(&[&chat, &machine]).await }).await.unwrap();
    channel.until(|| async { channel.count("state = 'posted'").await == 2 }).await.unwrap();
    channel.stop().await;
    practice
        .run(
            "delete from outer_heads;
             update letters set outer_encrypted = null, outer_service = null",
        )
        .await;
    let before = [server.was_asked("TOP", None), server.was_asked("RETR", None)];
    again(&mut channel, &server, SHARED).await;
    assert_eq!([server.was_asked("TOP", None), server.was_asked("RETR", None)], before);
    assert_eq!(channel.count("true").await, 2);
}

/// `since` and the gate look at the same head.
#[tokio::test]
async fn kim_9_an_old_mail_costs_one_head() {
    let practice = MailboxPractice::new().await;
    let old = of_service("a", "KIM-Mail;Default;V1.0", "Alt");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &old)]).await.unwrap();
    let manner = Manner { since: Some("2026-11-24"), ..SHARED };
    let channel = start(&practice, &server, manner);
    let skipped = "select reason from unfetched_mails where state = 'skipped'";
    let is_skipped = async || practice.query(skipped).await == "older_than_since";
    channel.until(is_skipped).await.unwrap();
    some_looks(&channel, &server).await;
    assert_eq!((server.was_asked("TOP", None), server.was_asked("RETR", None)), (1, 0));
}

/// Through the whole gateway: what the room is told, and what the admin is.
#[tokio::test]
async fn kim_22_a_person_learns_what_a_mail_is_and_an_admin_what_was_left_alone() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let from = format!("dienst-{}@charite.kim.telematik", stage.tag);
    let mail = |id: &str, service: &str, words: &str| {
        let mail = kim_mail(&from, &stage.practice, id, "x", "", words);
        mail.replace("KIM-Mail;Default;V1.0", service).replace('\n', "\r\n").into_bytes()
    };
    let machine = mail("m1", "eAU;Lieferung;V1.0", "Nur für Programme");
    let unknown = mail("u1", "Neues;Ding;V1", "Etwas Neues");
    let server =
        Misbehaving::start(Protocol::Pop3, &[("1", &machine), ("2", &unknown)]).await.unwrap();
    stage.restart_with(|settings| with_mailbox(&settings, &server, "")).await;
    stage.anna_sees("Etwas Neues").await;
    let service = Some("Neues;Ding;V1".to_owned());
    stage.anna_is_told(&Phrase::LetterServiceUnknown { service }).await;
    let classes = async |stage: &Stage, language: &str| {
        let output = stage.gateway.command(&["--lang", language, "kim", "classes"]).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = classes(&stage, "en").await;
    let row = table.lines().find(|line| line.contains("eAU;Lieferung;V1.0")).unwrap();
    assert!(row.starts_with("kim ") && row.contains("  1  "), "{table}");
    assert!(!table.contains("Neues;Ding"), "{table}");
    let german = classes(&stage, "de").await;
    assert!(german.contains("eAU;Lieferung;V1.0") && german.contains("Postfach"), "{german}");
    assert_eq!(stage.anna_saw("Nur für Programme"), 0);
    // From now on the gateway alone reads the mailbox.
    let owned = |settings: String| {
        settings.replacen("[channel.kim]\n", "[channel.kim]\nmailbox = \"owned\"\n", 1)
    };
    stage.restart_with(owned).await;
    stage.anna_sees("Nur für Programme").await;
    let (service, application) = ("eAU;Lieferung;V1.0".to_owned(), "eau".to_owned());
    stage.anna_is_told(&Phrase::LetterForMachines { service, application }).await;
    assert!(!classes(&stage, "en").await.contains("eAU"));
}
