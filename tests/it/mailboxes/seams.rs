//! Where the words of a mailbox, the notes about them, and a person's decision meet.

use umstieg::{
    model::{ConversationId, MailboxId, Notice, PostId, Substance},
    phrases::Phrase,
    store::Resolution,
};
use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{Clock, MailboxChannel, MailboxPractice, Manner, letter};
use crate::phrases::{says, sentence};

/// More than `mail_bytes_max` of these channels.
fn large() -> Vec<u8> {
    letter("gross", &"sehr viele Worte\r\n".repeat(10_000))
}

/// A mail that could not be fetched, put aside; the card is unlocked and a person says so.
async fn tried_again(practice: &MailboxPractice, mail: &[u8]) -> (Misbehaving, MailboxChannel) {
    let server = Misbehaving::start(Protocol::Pop3, &[("1", mail)]).await.unwrap();
    server.does("RETR", Some("1"), Misdeed::Refuse);
    let mut channel = MailboxChannel::of(practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    channel.relay().await;
    server.behaves();
    let row = practice.query("select id from parked where kind = 'mail'").await.parse().unwrap();
    let now = Clock::of_the_machine().now();
    assert!(practice.store.resolve_parked(row, Resolution::Retry, now).await.unwrap());
    let asked = server.was_asked("RETR", None);
    channel.until(|| async { server.was_asked("RETR", None) > asked }).await.unwrap();
    (server, channel)
}

/// `R06`: the connection breaks once at LIST, while a mail without a head is put aside. Sizes are
/// all that tells that mail from another of its name, so they are asked for again.
#[tokio::test]
async fn r06_a_session_that_broke_once_at_list_leaves_a_mail_put_aside_recognizable() {
    let practice = MailboxPractice::new().await;
    let mail = letter("1", "Befund");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &mail)]).await.unwrap();
    for command in ["RETR", "TOP"] {
        server.does(command, Some("1"), Misdeed::Refuse);
    }
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    server.behaves();
    server.does_times(1, "LIST", None, Misdeed::HangUp);
    looks(&server, &channel, 2).await;
    practice.run("update unfetched_mails set next_try_at = now()").await;
    channel.until(|| async { channel.letters_of(&mail).await == 1 }).await.unwrap();
    channel.until(|| async { channel.parked().await == 0 }).await.unwrap();
}

async fn looks(server: &Misbehaving, channel: &MailboxChannel, times: u32) {
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + times }).await.unwrap();
}

/// `R06d`: its head is in the room already. A person has to know that it is too large, and it is not
/// fetched at every look, up to the limit, for ever.
#[tokio::test]
async fn r06d_a_mail_put_aside_that_proves_too_large_stays_told_of_and_is_left_alone() {
    let practice = MailboxPractice::new().await;
    let (server, channel) = tried_again(&practice, &large()).await;
    looks(&server, &channel, 4).await;
    let asked = server.was_asked("RETR", None);
    looks(&server, &channel, 8).await;
    assert_eq!(server.was_asked("RETR", None), asked, "fetched again and again");
    assert_eq!((channel.parked().await, channel.count("true").await), (1, 1));
}

/// `R06e`: of a mail without a body the head is all.
#[tokio::test]
async fn r06e_a_mail_put_aside_that_has_no_body_is_had_once_it_comes() {
    let practice = MailboxPractice::new().await;
    let whole = letter("leer", "");
    let bare = whole.strip_suffix(b"\r\n").unwrap();
    let (server, channel) = tried_again(&practice, bare).await;
    looks(&server, &channel, 4).await;
    let asked = server.was_asked("RETR", None);
    looks(&server, &channel, 8).await;
    assert_eq!(server.was_asked("RETR", None), asked, "fetched again and again");
    let whole = channel.count("not out_of_reach and not head_only").await;
    assert_eq!((channel.parked().await, whole), (0, 1));
}

/// A channel whose mail has the name of a letter that was kept, with another size.
async fn named_again(
    practice: &MailboxPractice,
    mail: &[u8],
    manner: Manner,
) -> (Misbehaving, MailboxChannel) {
    let old = letter("alt", "Erster");
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &old)]).await.unwrap();
    let mut channel = MailboxChannel::of(practice, &server, Protocol::Pop3, manner);
    channel.start();
    channel.until(|| async { channel.has_all(&[&old]).await }).await.unwrap();
    // Else the end of this look counts as an end in the middle of the next mail of that name.
    let fetching = "select count(*) from mailboxes where fetching is not null";
    channel.until(|| async { practice.query(fetching).await == "0" }).await.unwrap();
    channel.stop().await;
    server.holds(&[("1", mail)]);
    (server, channel)
}

/// `R01g`: a name that is used again, for a mail that is too large and has no head.
#[tokio::test]
async fn r01g_a_name_used_again_for_a_mail_too_large_is_told_of_once() {
    let practice = MailboxPractice::new().await;
    let (server, mut channel) = named_again(&practice, &large(), Manner::default()).await;
    server.does("TOP", None, Misdeed::Refuse);
    channel.start();
    let rows = "select count(*) from parked where kind = 'mail'";
    channel.until(|| async { practice.query(rows).await != "0" }).await.unwrap();
    looks(&server, &channel, 8).await;
    assert_eq!((practice.query(rows).await.as_str(), channel.parked().await), ("1", 1));
    assert_eq!(channel.count("out_of_reach and too_large").await, 1);
}

/// `R01h`: a name that is used again, for a mail at which the gateway dies each time.
#[tokio::test]
async fn r01h_a_name_used_again_for_a_deadly_mail_is_counted() {
    let practice = MailboxPractice::new().await;
    let patient = Manner { patient: true, ..Manner::default() };
    let mail = letter("b", "toedlich für das Gateway");
    let (server, mut channel) = named_again(&practice, &mail, patient).await;
    server.does("RETR", Some("1"), Misdeed::Trickle);
    let before = server.was_asked("RETR", Some("1"));
    for time in 1..=3 {
        channel.start();
        let asked = || async { server.was_asked("RETR", Some("1")) >= before + time };
        channel.until(asked).await.unwrap();
        channel.stop().await;
    }
    let tries = "select max(tries) from unfetched_mails";
    assert_eq!(practice.query(tries).await, "2", "the third is counted at the next start");
}

/// `R06f`: heads that are no heads are worth nothing: one room tells of all of them.
#[tokio::test]
async fn r06f_mails_whose_heads_are_garbage_are_told_of_in_one_room() {
    let practice = MailboxPractice::new().await;
    let mails = ["a", "b", "c", "d"].map(|id| letter(id, id));
    let listed: [(&str, &[u8]); 4] =
        [("1", &mails[0]), ("2", &mails[1]), ("3", &mails[2]), ("4", &mails[3])];
    let server = Misbehaving::start(Protocol::Pop3, &listed).await.unwrap();
    server.does("RETR", None, Misdeed::Refuse);
    server.does("TOP", None, Misdeed::Say(b"+OK\r\nwas auch immer\r\n.\r\n".to_vec()));
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 4 }).await.unwrap();
    channel.until(|| async { channel.count("state = 'posted'").await == 4 }).await.unwrap();
    let rooms = "select count(distinct conversation_id) from letters";
    assert_eq!(practice.query(rooms).await, "1");
}

/// A letter of words and a file, placed, with the numbers of its posts.
async fn two_posts(practice: &MailboxPractice) -> (Misbehaving, MailboxChannel, [PostId; 2]) {
    let mail = "From: <erik@charite.kim.telematik>\r\nTo: <praxis@mueller.kim.telematik>\r\n\
        Subject: Befund\r\nMessage-ID: <zwei@x>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0100\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nWorte\r\n\
        --b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\
        \r\n%PDF-1.4\r\n--b--\r\n";
    let server = Misbehaving::start(Protocol::Pop3, &[("1", mail.as_bytes())]).await.unwrap();
    let mut channel = MailboxChannel::of(practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.count("true").await == 1 }).await.unwrap();
    channel.stop().await;
    channel.relay().await;
    let ids = "select string_agg(id::text, ' ' order by id) from posts where speaker = 'ghost'";
    let posts = practice.query(ids).await;
    let posts: Vec<i64> = posts.split(' ').map(|id| id.parse().unwrap()).collect();
    (server, channel, [PostId(posts[0]), PostId(posts[1])])
}

/// `R14b`: what a person gave up is in no room, and the mailbox holds the only copy, even if the
/// rest of the letter is said later.
#[tokio::test]
async fn r14b_a_letter_of_which_a_part_was_given_up_stays_in_the_mailbox() {
    let practice = MailboxPractice::new().await;
    let (_server, channel, [words, file]) = two_posts(&practice).await;
    let (store, now) = (&practice.store, Clock::of_the_machine().now());
    practice.run("update letters set state = 'placed'").await;
    practice.run("update posts set state = 'pending' where speaker = 'ghost'").await;
    assert!(store.park_post(words, &channel.name, "send", now).await.unwrap());
    assert!(store.park_post(file, &channel.name, "upload", now).await.unwrap());
    let parked = store.parked().await.unwrap();
    assert_eq!(parked.len(), 2);
    assert!(store.resolve_parked(parked[0].id, Resolution::Drop, now).await.unwrap());
    assert!(store.resolve_parked(parked[1].id, Resolution::Retry, now).await.unwrap());
    store.post_sent(file, "$datei", now).await.unwrap();
    let mailbox = practice.query("select mailbox_id from letters").await.parse().unwrap();
    let deletable = store.deletable_mails(MailboxId(mailbox)).await.unwrap();
    assert_eq!(deletable, [], "its words are nowhere else");
}

/// `R10b`: a restored database finds in the room what was said once more after it was copied.
#[tokio::test]
async fn r10b_what_was_said_once_more_before_a_restore_is_not_said_a_third_time() {
    let practice = MailboxPractice::new().await;
    let (_server, _channel, _) = two_posts(&practice).await;
    let (store, now) = (&practice.store, Clock::of_the_machine().now());
    practice
        .run(
            "update posts set state = 'sent', sent_at = now(), unshown = letter_id is not null,
                 event_id = '$' || id",
        )
        .await;
    let names = practice
        .query("select string_agg(txn_id, ' ' order by id) from posts where letter_id is not null")
        .await;
    let found: Vec<(String, String)> =
        names.split(' ').map(|name| (format!("{name}r"), format!("$again-{name}"))).collect();
    store.posts_found(&found, now).await.unwrap();
    let conversation = practice.query("select id from conversations").await.parse().unwrap();
    let conversation = ConversationId(conversation);
    let content = serde_json::json!({ "body": "noch einmal" });
    let notice = Notice { substance: Substance::Word, content };
    store.repeat_unshown(conversation, None, &notice).await.unwrap();
    let pending = store.pending_posts(conversation, 20).await.unwrap();
    let again: Vec<&str> = pending
        .iter()
        .filter(|post| post.letter.is_some())
        .map(|post| post.txn_id.as_str())
        .collect();
    assert_eq!(again, Vec::<&str>::new(), "these stand in the room");
}

/// What the rooms are told of the letters of a channel: what is said there beside the letters.
async fn notices(practice: &MailboxPractice) -> Vec<String> {
    let mut notices = Vec::new();
    let ids =
        practice.query("select string_agg(id::text, ' ' order by id) from conversations").await;
    for id in ids.split_whitespace() {
        let conversation = ConversationId(id.parse().unwrap());
        for post in practice.store.pending_posts(conversation, 50).await.unwrap() {
            if post.content["msgtype"] == "m.notice" {
                notices.push(post.content["body"].as_str().unwrap().to_owned());
            }
        }
    }
    notices
}

/// `R06g`: what a server shows of a head may differ from time to time: the room is still told, once,
/// that the mail is too large.
#[tokio::test]
async fn r06g_a_mail_too_large_is_told_of_whatever_its_head_says_then() {
    let too_large =
        [Phrase::LetterTooLarge { limit_mib: 0 }, Phrase::MailTooLarge { limit_mib: 0 }];
    let heads = [
        ("a trace", "Received: from elsewhere by here; Mon, 23 Nov 2026 08:00:01 +0100\r\n"),
        ("another subject", "Subject: Befund, zweite Fassung\r\n"),
        ("another id", "Message-ID: <anders@x>\r\n"),
    ];
    for (what, field) in heads {
        let practice = MailboxPractice::new().await;
        let mail = large();
        let server = Misbehaving::start(Protocol::Pop3, &[("1", &mail)]).await.unwrap();
        server.does("RETR", Some("1"), Misdeed::Refuse);
        let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
        channel.start();
        channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
        channel.relay().await;
        let text = String::from_utf8(mail).unwrap();
        let (name, _) = field.split_once(':').unwrap();
        let rest: Vec<&str> =
            text.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect();
        let changed = format!("{field}{}", rest.concat());
        channel.stop().await;
        server.holds(&[("1", changed.as_bytes())]);
        server.behaves();
        let row = practice.query("select id from parked where kind = 'mail'").await;
        let now = Clock::of_the_machine().now();
        let retry = Resolution::Retry;
        let row = row.parse().unwrap();
        assert!(practice.store.resolve_parked(row, retry, now).await.unwrap());
        let asked = server.was_asked("RETR", None);
        channel.start();
        channel.until(|| async { server.was_asked("RETR", None) > asked }).await.unwrap();
        looks(&server, &channel, 4).await;
        let asked = server.was_asked("RETR", None);
        looks(&server, &channel, 6).await;
        assert_eq!(server.was_asked("RETR", None), asked, "{what}: fetched again and again");
        channel.stop().await;
        practice.run("update posts set state = 'pending'").await;
        let notices = notices(&practice).await;
        let is_told = notices.iter().any(|said| too_large.iter().any(|phrase| says(said, phrase)));
        assert!(
            is_told || channel.parked().await >= 1,
            "{what}: nobody knows that it is too large: {notices:?}"
        );
    }
}

/// A secretary writes for a doctor, or a list passes on: who really sent it is not what `From:` says.
#[tokio::test]
async fn who_sent_a_letter_for_another_is_told() {
    let sent = |id: &str, sender: &str| {
        let letter = String::from_utf8(letter(id, "Worte")).unwrap();
        format!("{sender}{letter}").into_bytes()
    };
    let mails = [
        sent("a", "Sender: Praxisteam <team@charite.kim.telematik>\r\n"),
        sent("b", "Sender: <ERIK@Charite.kim.telematik>\r\n"),
        sent("c", ""),
        sent("d", "Sender: nobody can read this\r\n"),
    ];
    let practice = MailboxPractice::new().await;
    let listed: [(&str, &[u8]); 4] =
        [("1", &mails[0]), ("2", &mails[1]), ("3", &mails[2]), ("4", &mails[3])];
    let server = Misbehaving::start(Protocol::Pop3, &listed).await.unwrap();
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.count("state = 'posted'").await == 4 }).await.unwrap();
    channel.stop().await;
    practice.run("update posts set state = 'pending'").await;
    let sent_by = |address: Option<&str>| {
        sentence(&Phrase::LetterSentBy { address: address.map(str::to_owned) })
    };
    // What cannot be read is still there.
    let expected = [sent_by(Some("team@charite.kim.telematik")), sent_by(None)];
    let mut told: Vec<String> = notices(&practice).await;
    // These mails came unencrypted.
    told.retain(|said| *said != sentence(&Phrase::LetterUnconfirmed));
    assert_eq!(told, expected);
}
