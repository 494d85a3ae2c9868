//! A card stays locked while the mailbox changes: what could not be decrypted is still fetched once it can
//! be (KIM-15).

use std::{sync::Arc, time::Duration};

use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{MailboxChannel, MailboxPractice, Manner, inbox_of, kim::outer, letter};

/// What a Clientmodul says of a mail while its card is locked, and the mail itself.
fn locked_and_read() -> (Vec<u8>, Vec<u8>) {
    let with = |mail: Vec<u8>, results: &str| {
        let mail = String::from_utf8(mail).unwrap();
        mail.replacen("Subject:", &format!("{results}Subject:"), 1).into_bytes()
    };
    let locked = with(
        letter("klar", "Der Schlüssel wurde nicht gefunden"),
        "X-KIM-DecryptionResult: 01\r\nX-KIM-Fehlermeldung: 4009\r\n",
    );
    let read = with(
        letter("klar", "Der Befund"),
        "X-KIM-DecryptionResult: 00\r\nX-KIM-IntegrityCheckResult: 01\r\n",
    );
    (locked, read)
}

/// A server with that one mail, whose list says the length of what lies there: it stays the same.
async fn server_of(name: &str, mail: &[u8]) -> Misbehaving {
    let server = Misbehaving::start(Protocol::Pop3, &[(name, mail)]).await.unwrap();
    server.does("TOP", None, outer("klar", "KIM-Mail;Default;V1.0"));
    server.does("LIST", None, Misdeed::Say(b"+OK\r\n1 900\r\n.\r\n".to_vec()));
    server
}

fn hasty(channel: &mut MailboxChannel) {
    let ctx = Arc::get_mut(&mut channel.ctx).unwrap();
    let patience = &mut inbox_of(ctx).patience;
    patience.undecrypted_first = Duration::from_millis(300);
}

/// A channel that was told of the mail while the card is locked.
async fn told_of(practice: &MailboxPractice, server: &Misbehaving) -> MailboxChannel {
    let mut channel = MailboxChannel::of(practice, server, Protocol::Pop3, Manner::default());
    hasty(&mut channel);
    channel.start();
    let is_told = || async { channel.count("kept_back = 'undecrypted'").await == 1 };
    channel.until(is_told).await.unwrap();
    channel
}

/// The server's list lacked the mail once.
#[tokio::test]
async fn kim_15_a_list_that_was_incomplete_does_not_end_the_wait_for_the_card() {
    let practice = MailboxPractice::new().await;
    let (locked, read) = locked_and_read();
    let server = server_of("1", &locked).await;
    let channel = told_of(&practice, &server).await;
    server.holds(&[]);
    channel.until(|| async { channel.count("left_at is not null").await == 1 }).await.unwrap();
    let asked = server.was_asked("RETR", None);
    server.holds(&[("1", &locked)]);
    channel.until(|| async { server.was_asked("RETR", None) > asked }).await.unwrap();
    // The card is unlocked.
    server.holds(&[("1", &read)]);
    let has_come = channel.until(|| async { channel.has_all(&[&read]).await }).await;
    assert_eq!(has_come, Ok(()), "the mail is never fetched again");
}

/// The server gave the mail another name.
#[tokio::test]
async fn kim_15_another_name_of_the_mail_does_not_end_the_wait_for_the_card() {
    let practice = MailboxPractice::new().await;
    let (locked, read) = locked_and_read();
    let server = server_of("1", &locked).await;
    let channel = told_of(&practice, &server).await;
    let asked = server.was_asked("RETR", None);
    server.holds(&[("2", &locked)]);
    channel.until(|| async { server.was_asked("RETR", Some("2")) > 0 }).await.unwrap();
    assert!(server.was_asked("RETR", None) > asked);
    server.holds(&[("2", &read)]);
    let has_come = channel.until(|| async { channel.has_all(&[&read]).await }).await;
    assert_eq!(has_come, Ok(()), "the mail is never fetched again");
}

/// The practice's mailbox moved to another server while the card was locked.
#[tokio::test]
async fn kim_15_another_mailbox_does_not_end_the_wait_for_the_card() {
    let practice = MailboxPractice::new().await;
    let (locked, read) = locked_and_read();
    let server = server_of("1", &locked).await;
    let mut channel = told_of(&practice, &server).await;
    channel.stop().await;
    let other = server_of("a", &locked).await;
    let mut moved =
        MailboxChannel::named(&practice, &channel.name, &other, Protocol::Pop3, Manner::default());
    hasty(&mut moved);
    moved.start();
    moved.until(|| async { moved.count("state <> 'stored'").await == 2 }).await.unwrap();
    other.holds(&[("a", &read)]);
    let has_come = moved.until(|| async { moved.has_all(&[&read]).await }).await;
    assert_eq!(has_come, Ok(()), "the mail is never fetched again");
}

/// The same mail lies there twice, as a sender's server may deliver it. One copy came while the card was
/// locked. Once that one is read, nobody is told any more that it could not be.
#[tokio::test]
async fn l196_the_notice_of_a_second_copy_is_replaced_once_it_is_read() {
    let practice = MailboxPractice::new().await;
    let (locked, read) = locked_and_read();
    let server = server_of("1", &locked).await;
    server.does("LIST", None, Misdeed::Say(b"+OK\r\n1 900\r\n2 900\r\n.\r\n".to_vec()));
    let channel = told_of(&practice, &server).await;
    server.holds(&[("1", &locked), ("2", &read)]);
    channel.until(|| async { channel.has_all(&[&read]).await }).await.unwrap();
    server.holds(&[("1", &read), ("2", &read)]);
    let is_kept = || async { channel.count("state = 'duplicate'").await == 1 };
    channel.until(is_kept).await.unwrap();
    let replaced = "select count(*) from posts as newer join posts as notice
                    on notice.id = newer.replaces and notice.speaker = 'bot'";
    assert_eq!(practice.query(replaced).await, "1");
}
