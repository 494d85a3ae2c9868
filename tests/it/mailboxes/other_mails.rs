//! Other mails under names that were another's: while nobody looked, or where the list tells nothing.

use std::{sync::Arc, time::Duration};

use umstieg::store::Resolution;
use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{
    Clock, DELETES, MailboxChannel, MailboxPractice, Manner, inbox_of, kim::outer, letter,
};

const SINCE: Manner =
    Manner { deletes: false, since: Some("2026-11-24"), patient: false, owned: false };

fn of_day(id: &str, words: &str, day: u32) -> Vec<u8> {
    let mail = String::from_utf8(letter(id, words)).unwrap();
    mail.replace("Mon, 23 Nov", &format!("{day} Nov")).into_bytes()
}

async fn looks(server: &Misbehaving, channel: &MailboxChannel, times: u32) {
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + times }).await.unwrap();
}

/// `L42`: the listed length of a mail that was left alone, as older than `since`, is kept: another mail
/// under its name is fetched.
#[tokio::test]
async fn a_new_mail_under_the_name_of_one_older_than_since_is_fetched() {
    let practice = MailboxPractice::new().await;
    let (old, new) = (letter("alt", "Erster"), of_day("neu", "Ein anderer, der länger ist", 25));
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &old)]).await.unwrap();
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, SINCE);
    channel.start();
    let skipped = "select count(*) from unfetched_mails where state = 'skipped'";
    channel.until(|| async { practice.query(skipped).await == "1" }).await.unwrap();
    looks(&server, &channel, 3).await;
    channel.stop().await;
    server.holds(&[("1", &new)]);
    channel.start();
    channel.until(|| async { channel.has_all(&[&new]).await }).await.unwrap();
}

/// `L42a`: the same with a mail of which a person was told that it is too large.
#[tokio::test]
async fn a_new_mail_under_the_name_of_one_too_large_is_fetched() {
    let practice = MailboxPractice::new().await;
    let large = letter("gross", &"sehr viele Worte\r\n".repeat(10_000));
    let new = letter("neu", "Ein anderer");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &large)]).await.unwrap();
    server.does("TOP", None, Misdeed::Refuse);
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    channel.stop().await;
    server.holds(&[("1", &new)]);
    server.behaves();
    channel.start();
    channel.until(|| async { channel.has_all(&[&new]).await }).await.unwrap();
}

/// `L42b`: the same with one that a person gave up.
#[tokio::test]
async fn a_new_mail_under_the_name_of_one_that_was_given_up_is_fetched() {
    let practice = MailboxPractice::new().await;
    let (old, new) = (letter("alt", "Erster"), letter("neu", "Ein anderer, der länger ist"));
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &old)]).await.unwrap();
    server.does("RETR", Some("1"), Misdeed::Refuse);
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    drop_it(&practice).await;
    looks(&server, &channel, 2).await;
    channel.stop().await;
    server.holds(&[("1", &new)]);
    server.behaves();
    channel.start();
    channel.until(|| async { channel.has_all(&[&new]).await }).await.unwrap();
}

async fn drop_it(practice: &MailboxPractice) {
    let row = "select id from parked where kind = 'mail' and resolved_at is null";
    let row = practice.query(row).await.parse().unwrap();
    let now = Clock::of_the_machine().now();
    assert!(practice.store.resolve_parked(row, Resolution::Drop, now).await.unwrap());
}

/// `L40`: the head of a mail that could not be fetched is in its room, and its name is used again,
/// while nobody looks, for a mail of the same doctor about another patient. That mail has its own room,
/// and the row of the first stays.
#[tokio::test]
async fn another_mail_under_the_name_of_one_put_aside_does_not_come_into_its_room() {
    let second = letter("patient-b", "Patient B, viel länger als der erste");
    has_a_room_of_its_own(&second).await;
}

/// `L40c`: the same with one that is as long.
#[tokio::test]
async fn another_mail_as_long_as_one_put_aside_does_not_come_into_its_room() {
    has_a_room_of_its_own(&letter("patient-b", "Patient B")).await;
}

async fn has_a_room_of_its_own(second: &[u8]) {
    let practice = MailboxPractice::new().await;
    let first = letter("patient-a", "Patient A");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &first)]).await.unwrap();
    server.does("RETR", Some("1"), Misdeed::Refuse);
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    let ctx = Arc::get_mut(&mut channel.ctx).unwrap();
    inbox_of(ctx).patience.aside_first = Duration::from_secs(3);
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    channel.until(|| async { channel.count("state = 'posted'").await == 1 }).await.unwrap();
    channel.stop().await;
    server.behaves();
    server.holds(&[("1", second)]);
    channel.start();
    channel.until(|| async { channel.has_all(&[second]).await }).await.unwrap();
    channel.until(|| async { channel.count("state = 'posted'").await == 2 }).await.unwrap();
    looks(&server, &channel, 3).await;
    let rooms = "select count(distinct conversation_id) from letters";
    assert_eq!((practice.query(rooms).await.as_str(), channel.parked().await), ("2", 1));
}

/// `L44`: mails without a name are counted, so a person who settled the first is told of a later one.
#[tokio::test]
async fn another_mail_without_a_name_is_told_of_after_the_first_was_dropped() {
    let practice = MailboxPractice::new().await;
    let mails = ["a", "b"].map(|id| letter(id, id));
    let server = Misbehaving::start(Protocol::Pop3, &[("", &mails[0])]).await.unwrap();
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    drop_it(&practice).await;
    looks(&server, &channel, 3).await;
    server.add("", &mails[1]);
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
}

/// `L43`: `since` is for what was there at the first look, however long that takes.
#[tokio::test]
async fn a_mail_that_comes_while_another_one_fails_is_not_older_than_since() {
    let practice = MailboxPractice::new().await;
    let (bad, late) = (of_day("schlecht", "kommt nicht", 25), of_day("spaet", "gestern", 23));
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &bad)]).await.unwrap();
    server.does("RETR", Some("1"), Misdeed::Refuse);
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, SINCE);
    let ctx = Arc::get_mut(&mut channel.ctx).unwrap();
    // As in real life, where the first wait is ten seconds.
    inbox_of(ctx).patience.first = Duration::from_secs(10);
    channel.start();
    let tried = "select count(*) from unfetched_mails where state = 'trying'";
    channel.until(|| async { practice.query(tried).await == "1" }).await.unwrap();
    server.add("2", &late);
    channel.until(|| async { channel.has_all(&[&late]).await }).await.unwrap();
}

/// A mail that was relayed, and another one in its place under its name while nobody looks; then a
/// gateway that deletes. Returns what the mailbox was asked to delete although nobody had it.
async fn deleted_unread(old: &[u8], new: &[u8], has_list: bool) -> bool {
    let practice = MailboxPractice::new().await;
    let server = Misbehaving::start(Protocol::Pop3, &[("1", old)]).await.unwrap();
    if !has_list {
        server.does("LIST", None, Misdeed::Refuse);
    }
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.has_all(&[old]).await }).await.unwrap();
    channel.until(|| async { channel.count("state = 'posted'").await == 1 }).await.unwrap();
    channel.stop().await;
    server.holds(&[("1", new)]);
    let mut deletes =
        MailboxChannel::named(&practice, &channel.name, &server, Protocol::Pop3, DELETES);
    deletes.start();
    let is_over = async || !server.deleted().is_empty() || deletes.has_all(&[new]).await;
    let _ = deletes.until(is_over).await;
    !server.deleted().is_empty() && !deletes.has_all(&[new]).await
}

/// `L41`: a server that refuses LIST and begins its counter again.
#[tokio::test]
async fn a_mail_is_not_deleted_unread_where_the_server_tells_no_sizes() {
    let (old, new) = (letter("alt", "Erster"), letter("neu", "Ein anderer, der länger ist"));
    assert!(!deleted_unread(&old, &new, false).await, "deleted, and never read");
}

/// `L41a`: the new mail is as long as the old one, as the notices of one machine are.
#[tokio::test]
async fn a_mail_is_not_deleted_unread_because_it_is_as_long_as_another() {
    let (old, new) = (letter("alt", "Marcumar 5 mg"), letter("neu", "Marcumar 3 mg"));
    assert_eq!(old.len(), new.len());
    assert!(!deleted_unread(&old, &new, true).await, "deleted, and never read");
}

/// `L45`: what the Clientmodul could not decrypt is fetched again, though name and size stay the same.
#[tokio::test]
async fn what_could_not_be_decrypted_comes_once_it_can_be() {
    let practice = MailboxPractice::new().await;
    let undecrypted = include_bytes!("../../letters/kim_could_not_decrypt.eml").to_vec();
    let mut decrypted = letter("klar", "Der Befund");
    while decrypted.len() < undecrypted.len() {
        decrypted.push(b' ');
    }
    let mut sealed = undecrypted.clone();
    while sealed.len() < decrypted.len() {
        sealed.push(b' ');
    }
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &sealed)]).await.unwrap();
    server.does("TOP", None, outer("klar", "KIM-Mail;Default;V1.0"));
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    let ctx = Arc::get_mut(&mut channel.ctx).unwrap();
    inbox_of(ctx).patience.undecrypted_first = Duration::from_secs(2);
    channel.start();
    channel.until(|| async { channel.count("state = 'posted'").await == 1 }).await.unwrap();
    server.holds(&[("1", &decrypted)]);
    let is_told = async || channel.parked().await > 0;
    let has_come = async || channel.count("state = 'posted'").await == 2;
    let so = async || is_told().await || has_come().await;
    channel.until(so).await.unwrap();
}

/// `L46`: a server does not double the dot of a line of a single one, so the mail seems to end there.
#[tokio::test]
async fn a_mail_behind_whose_end_more_comes_is_not_whole() {
    let practice = MailboxPractice::new().await;
    let whole = letter("punkt", "Marcumar 5 mg geben.\r\n.\r\nStimmt nicht mehr: absetzen!");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &whole)]).await.unwrap();
    let raw = [b"+OK\r\n".as_slice(), &whole, b".\r\n"].concat();
    server.does("RETR", Some("1"), Misdeed::Say(raw));
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, DELETES);
    channel.start();
    let is_over = async || !server.deleted().is_empty() || channel.parked().await > 0;
    channel.until(is_over).await.unwrap();
    let is_deleted = !server.deleted().is_empty();
    assert!(!is_deleted || channel.has_all(&[&whole]).await, "deleted, and never read to its end");
}
