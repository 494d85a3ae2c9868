//! What a mailbox calls its mails: used again, given twice, odd, or changed.

use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{DELETES, MailboxChannel, MailboxPractice, Manner, letter};

async fn start(
    practice: &MailboxPractice,
    mails: &[(&str, &[u8])],
    manner: Manner,
) -> (Misbehaving, MailboxChannel) {
    let server = Misbehaving::start(Protocol::Pop3, mails).await.unwrap();
    let mut channel = MailboxChannel::of(practice, &server, Protocol::Pop3, manner);
    channel.start();
    (server, channel)
}

/// `R01`: RFC 1939 §7 lets a server use a name again once its mail was deleted.
#[tokio::test]
async fn r01_a_name_that_is_used_again_after_a_deletion_is_a_new_mail() {
    let practice = MailboxPractice::new().await;
    let (old, new) = (letter("a", "Erster"), letter("b", "Zweiter"));
    let (server, channel) = start(&practice, &[("1", &old)], DELETES).await;
    channel.until(|| async { server.deleted().len() == 1 }).await.unwrap();
    server.add("1", &new);
    channel.until(|| async { server.deleted().len() == 2 }).await.unwrap();
    assert!(channel.has_all(&[&old, &new]).await);
}

/// `R01`: the same where another program removed it.
#[tokio::test]
async fn r01_a_name_that_had_left_and_is_there_again_is_a_new_mail() {
    let practice = MailboxPractice::new().await;
    let (old, new) = (letter("a", "Erster"), letter("b", "Zweiter"));
    let (server, channel) = start(&practice, &[("1", &old)], Manner::default()).await;
    channel.until(|| async { channel.has_all(&[&old]).await }).await.unwrap();
    server.holds(&[]);
    channel.until(|| async { channel.count("left_at is not null").await == 1 }).await.unwrap();
    server.holds(&[("1", &new)]);
    channel.until(|| async { channel.has_all(&[&old, &new]).await }).await.unwrap();
    // A list that was incomplete: it is the same mail.
    server.holds(&[]);
    channel.until(|| async { channel.count("left_at is null").await == 0 }).await.unwrap();
    server.holds(&[("1", &new)]);
    channel.until(|| async { channel.count("left_at is null").await == 1 }).await.unwrap();
    assert_eq!(channel.count("true").await, 2);
}

/// `R01`: another server took the place of the earlier one, while nobody looked.
#[tokio::test]
async fn r01_a_counter_that_began_anew_while_nobody_looked_is_seen_by_the_sizes() {
    let practice = MailboxPractice::new().await;
    let (old, new) = (letter("a", "Erster"), letter("b", "Ein anderer, der länger ist"));
    let (server, mut channel) = start(&practice, &[("1", &old)], Manner::default()).await;
    channel.until(|| async { channel.has_all(&[&old]).await }).await.unwrap();
    channel.stop().await;
    server.holds(&[("1", &new)]);
    let mut deletes =
        MailboxChannel::named(&practice, &channel.name, &server, Protocol::Pop3, DELETES);
    deletes.start();
    deletes.until(|| async { server.deleted().len() == 1 }).await.unwrap();
    assert!(deletes.has_all(&[&old, &new]).await);
}

/// `B33`: each of several mails under one name comes, and none is deleted by a name that may mean
/// another one.
#[tokio::test]
async fn b33_mails_under_one_name_all_come_and_stay() {
    let practice = MailboxPractice::new().await;
    let mails = ["a", "b", "c", "d"].map(|id| letter(id, id));
    let listed: [(&str, &[u8]); 4] =
        [("same", &mails[0]), ("same", &mails[1]), ("u3", &mails[2]), ("same", &mails[3])];
    let (server, channel) = start(&practice, &listed, DELETES).await;
    let all: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
    channel.until(|| async { channel.has_all(&all).await }).await.unwrap();
    channel.until(|| async { server.deleted().len() == 1 }).await.unwrap();
    assert_eq!(server.names(), ["same"; 3]);
    // Real copies are recognised by their content.
    server.add("same", &mails[0]);
    channel.until(|| async { channel.count("state = 'duplicate'").await == 1 }).await.unwrap();
    assert!(channel.has_all(&all).await);
    assert_eq!(channel.parked().await, 0);
}

/// `B33b`: names outside of what the protocol allows name a mail all the same.
#[tokio::test]
async fn b33b_odd_names_are_names_and_no_name_is_told_of_once() {
    let practice = MailboxPractice::new().await;
    let mails = ["a", "b", "c", "d"].map(|id| letter(id, id));
    let long = "x".repeat(200);
    let listed: [(&str, &[u8]); 4] =
        [(&long, &mails[0]), ("mit Leer stelle", &mails[1]), ("ü", &mails[2]), ("", &mails[3])];
    let (server, channel) = start(&practice, &listed, Manner::default()).await;
    let named: Vec<&[u8]> = mails[..3].iter().map(Vec::as_slice).collect();
    channel.until(|| async { channel.has_all(&named).await }).await.unwrap();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 5 }).await.unwrap();
    assert_eq!((channel.count("true").await, channel.parked().await), (4, 1));
}

/// `B33c`: a server that renames its mails at every look neither doubles them nor fills the
/// database.
#[tokio::test]
async fn b33c_names_that_change_at_every_look_double_nothing() {
    let practice = MailboxPractice::new().await;
    // One that can be recognised by its head, and one by its bytes alone.
    let bare = b"From: <erik@charite.kim.telematik>\r\nSubject: x\r\n\r\nOhne Datum\r\n".to_vec();
    let mails = [letter("a", "eins"), bare];
    let listed: [(&str, &[u8]); 2] = [("1", &mails[0]), ("2", &mails[1])];
    let (server, channel) = start(&practice, &listed, Manner::default()).await;
    server.names_anew();
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 8 }).await.unwrap();
    let all: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
    channel.until(|| async { channel.has_all(&all).await }).await.unwrap();
    assert_eq!(channel.count("true").await, 2);
}

/// `R01b`: a server that calls a deletion done and keeps the mail is not asked for ever.
#[tokio::test]
async fn r01b_a_deletion_without_effect_doubles_nothing_and_ends() {
    let practice = MailboxPractice::new().await;
    let mail = letter("a", "bleibt");
    let (server, channel) = start(&practice, &[("1", &mail)], DELETES).await;
    server.keeps_deleted();
    channel.until(|| async { channel.count("deletions = 3").await == 1 }).await.unwrap();
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 5 }).await.unwrap();
    assert_eq!((server.was_asked("DELE", None), channel.count("true").await), (3, 1));
}

/// `R01c`: two mails without an id and a date may be alike to the last byte.
#[tokio::test]
async fn r01c_mails_that_nothing_tells_apart_are_all_shown() {
    let practice = MailboxPractice::new().await;
    let bare = b"From: <erik@charite.kim.telematik>\r\nSubject: x\r\n\r\nOhne Datum\r\n".to_vec();
    let (server, channel) = start(&practice, &[("1", &bare), ("2", &bare)], DELETES).await;
    channel.until(|| async { server.deleted().len() == 2 }).await.unwrap();
    channel.until(|| async { channel.count("left_at is not null").await == 2 }).await.unwrap();
    server.add("1", &bare);
    channel.until(|| async { server.deleted().len() == 3 }).await.unwrap();
    assert_eq!(channel.letters_of(&bare).await, 3);
}

/// `R14`: what the Clientmodul could not decrypt stays, and so does each copy of it.
#[tokio::test]
async fn r14_what_could_not_be_decrypted_is_never_deleted() {
    let practice = MailboxPractice::new().await;
    let undecrypted = include_bytes!("../../letters/kim_could_not_decrypt.eml");
    let other = letter("a", "Danach");
    let copy = [b"Received: by x; now\r\n".as_slice(), undecrypted].concat();
    let listed: [(&str, &[u8]); 3] = [("1", undecrypted), ("2", &other), ("3", &copy)];
    let (server, channel) = start(&practice, &listed, DELETES).await;
    channel.until(|| async { server.deleted().len() == 1 }).await.unwrap();
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 5 }).await.unwrap();
    assert_eq!(server.names(), ["1", "3"]);
}

/// `R06b`: a mail over which the gateway dies each time is given up as well.
#[tokio::test]
async fn r06b_a_try_that_was_interrupted_counts() {
    let practice = MailboxPractice::new().await;
    let (bad, good) = (letter("a", "toedlich"), letter("b", "danach"));
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &bad), ("2", &good)]).await.unwrap();
    server.does("RETR", Some("1"), Misdeed::Trickle);
    let patient = Manner { patient: true, ..Manner::default() };
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, patient);
    for time in 1..=3 {
        channel.start();
        let asked = || async { server.was_asked("RETR", Some("1")) >= time };
        channel.until(asked).await.unwrap();
        channel.stop().await;
    }
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    channel.until(|| async { channel.has_all(&[&good]).await }).await.unwrap();
    assert_eq!(channel.count("out_of_reach").await, 1);
}

/// `F4`: of a mailbox that was full before, what is older than `since` stays there.
#[tokio::test]
async fn f4_since_leaves_what_was_there_before() {
    let practice = MailboxPractice::new().await;
    let dated = |id: &str, date: &str| {
        let mail = String::from_utf8(letter(id, id)).unwrap();
        mail.replace("Mon, 23 Nov 2026", date).into_bytes()
    };
    let old = dated("alt", "Sat, 31 Oct 2026");
    let new = dated("neu", "Sun, 1 Nov 2026");
    let late = dated("spaet", "Thu, 1 Jan 2026");
    let manner = Manner { since: Some("2026-11-01"), ..Manner::default() };
    let (server, channel) = start(&practice, &[("1", &old), ("2", &new)], manner).await;
    channel.until(|| async { channel.has_all(&[&new]).await }).await.unwrap();
    let looked = "select count(*) from mailboxes where looked_at is not null";
    channel.until(|| async { practice.query(looked).await == "1" }).await.unwrap();
    // What comes later counts, whatever its date.
    server.add("3", &late);
    channel.until(|| async { channel.has_all(&[&late]).await }).await.unwrap();
    assert_eq!(channel.letters_of(&old).await, 0);
    assert_eq!(server.was_asked("RETR", Some("1")), 0);
}
