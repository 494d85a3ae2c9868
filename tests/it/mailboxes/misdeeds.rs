//! Every fault at every command: the other mails come, nothing is lost, doubled or deleted unread,
//! and a person is told of the one that cannot be fetched.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{DELETES, MailboxChannel, MailboxPractice, inbox_of, letter};

/// Channels at work at the same time.
const AT_ONCE: usize = 12;

/// A channel that does not wait long for a silent server.
fn hasty(practice: &MailboxPractice, server: &Misbehaving, protocol: Protocol) -> MailboxChannel {
    let mut channel = MailboxChannel::of(practice, server, protocol, DELETES);
    let ctx = Arc::get_mut(&mut channel.ctx).unwrap();
    inbox_of(ctx).server.timeouts.silence = Duration::from_millis(600);
    channel
}

fn misdeeds() -> Vec<Misdeed> {
    vec![
        Misdeed::HangUp,
        Misdeed::BreakOff,
        Misdeed::Silence,
        Misdeed::Stall,
        Misdeed::Refuse,
        Misdeed::Nothing,
        Misdeed::BareLineFeeds,
        Misdeed::Garbage,
        Misdeed::Bye,
        Misdeed::Endless,
        Misdeed::Trickle,
        Misdeed::Say(b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n+OK\r\n".to_vec()),
        Misdeed::Say(b"+OK\r\n".repeat(50)),
    ]
}

/// What is asked about one mail, and what then has to fail too for it to matter.
const OF_ONE_MAIL: [(Protocol, &str, Option<&str>); 6] = [
    (Protocol::Pop3, "RETR", None),
    (Protocol::Pop3, "TOP", Some("RETR")),
    (Protocol::Pop3, "DELE", None),
    (Protocol::Imap, "UID FETCH SIZE", None),
    (Protocol::Imap, "UID FETCH BODY", None),
    (Protocol::Imap, "UID FETCH HEADER", Some("UID FETCH BODY")),
];

/// What is asked about the whole mailbox.
const OF_ALL: [(Protocol, &str); 15] = [
    (Protocol::Pop3, "GREETING"),
    (Protocol::Pop3, "CAPA"),
    (Protocol::Pop3, "USER"),
    (Protocol::Pop3, "PASS"),
    (Protocol::Pop3, "UIDL"),
    (Protocol::Pop3, "LIST"),
    (Protocol::Pop3, "QUIT"),
    (Protocol::Imap, "GREETING"),
    (Protocol::Imap, "CAPABILITY"),
    (Protocol::Imap, "LOGIN"),
    (Protocol::Imap, "SELECT"),
    (Protocol::Imap, "UID SEARCH"),
    (Protocol::Imap, "UID STORE"),
    (Protocol::Imap, "UID EXPUNGE"),
    (Protocol::Imap, "LOGOUT"),
];

/// `R06`, `B30`, `B32`, `B35`: one mail of four is bad, at each look.
#[tokio::test]
async fn r06_b30_b32_b35_one_bad_mail_is_told_of_and_all_others_come() {
    let practice = MailboxPractice::new().await;
    let mut cases = Vec::new();
    for (protocol, command, also) in OF_ONE_MAIL {
        for misdeed in misdeeds() {
            cases.push((protocol, command, also, misdeed));
        }
    }
    run(cases, move |(protocol, command, also, misdeed)| {
        let practice = practice.clone();
        async move { one_bad_mail(&practice, protocol, command, also, misdeed).await }
    })
    .await;
}

async fn one_bad_mail(
    practice: &MailboxPractice,
    protocol: Protocol,
    command: &str,
    also: Option<&str>,
    misdeed: Misdeed,
) -> Result<(), String> {
    let id = rand::random::<u64>();
    let [first, bad, third, late] =
        ["eins", "kaputt", "drei", "spaeter"].map(|words| letter(&format!("{words}{id}"), words));
    let mails: [(&str, &[u8]); 3] = [("1", &first), ("2", &bad), ("3", &third)];
    let server = Misbehaving::start(protocol, &mails).await.unwrap();
    server.does(command, Some("2"), misdeed.clone());
    if let Some(also) = also {
        server.does(also, Some("2"), Misdeed::Refuse);
    }
    let mut channel = hasty(practice, &server, protocol);
    channel.start();
    let others: [&[u8]; 2] = [&first, &third];
    let told = || async {
        channel.count("head_only").await + channel.letters_of(&bad).await > 0
            && channel.has_all(&others).await
    };
    channel.until(told).await.map_err(|()| "the others do not come, or it is not told of")?;
    server.add("4", &late);
    let late_is_there = || async { channel.letters_of(&late).await == 1 };
    channel.until(late_is_there).await.map_err(|()| "later mails do not come")?;
    let is_had = channel.letters_of(&bad).await == 1;
    // It lies in the mailbox, and a person knows, by a row or by what the room says about its
    // length.
    let is_told = channel.parked().await == 1 || channel.count("too_large").await == 1;
    if is_had == is_told {
        return Err(format!("had {is_had}, told {is_told}"));
    }
    let gone = || async { server.names().iter().all(|name| name == "2") };
    channel.until(gone).await.map_err(|()| "the others are not deleted")?;
    check_deleted(&channel, &server).await?;
    if channel.count("head_only and out_of_reach").await > 1 {
        return Err("told of twice".to_owned());
    }
    // The server is repaired: the mail that was put aside comes when a person wants it tried.
    server.behaves();
    let tried = format!(
        "update unfetched_mails set next_try_at = now()
         where state = 'aside'
           and mailbox_id in (select id from mailboxes where channel = '{}')",
        channel.name
    );
    let came = || async {
        // Each time: a look that was under way writes its own time when it ends.
        practice.run(&tried).await;
        channel.letters_of(&bad).await == 1 && channel.parked().await == 0
            || channel.count("too_large").await == 1
    };
    channel.until(came).await.map_err(|()| "it does not come although it could be had")?;
    for mail in [&first, &bad, &third, &late] {
        if channel.letters_of(mail).await > 1 {
            return Err("a letter is doubled".to_owned());
        }
    }
    Ok(())
}

/// Whatever fails about the whole mailbox for a while, each mail comes once.
#[tokio::test]
async fn a_mailbox_that_fails_as_a_whole_for_a_while_loses_and_doubles_nothing() {
    let practice = MailboxPractice::new().await;
    let mut cases = Vec::new();
    for (protocol, command) in OF_ALL {
        for misdeed in misdeeds() {
            // A refused login is not tried again for half a minute, whatever task wants it.
            let is_login = ["USER", "PASS", "LOGIN"].contains(&command);
            if !(is_login && matches!(misdeed, Misdeed::Refuse | Misdeed::Bye)) {
                cases.push((protocol, command, misdeed));
            }
        }
    }
    run(cases, move |(protocol, command, misdeed)| {
        let practice = practice.clone();
        async move { for_a_while(&practice, protocol, command, misdeed).await }
    })
    .await;
}

async fn for_a_while(
    practice: &MailboxPractice,
    protocol: Protocol,
    command: &str,
    misdeed: Misdeed,
) -> Result<(), String> {
    let id = rand::random::<u64>();
    let [first, second] = ["eins", "zwei"].map(|words| letter(&format!("{words}{id}"), words));
    let server = Misbehaving::start(protocol, &[("1", &first), ("2", &second)]).await.unwrap();
    server.does_times(3, command, None, misdeed);
    let mut channel = hasty(practice, &server, protocol);
    channel.start();
    let all: [&[u8]; 2] = [&first, &second];
    let there = || async { channel.has_all(&all).await };
    channel.until(there).await.map_err(|()| "they do not come")?;
    let gone = || async { server.names().is_empty() };
    channel.until(gone).await.map_err(|()| "they are not deleted")?;
    check_deleted(&channel, &server).await?;
    match (channel.count("true").await, channel.parked().await) {
        (2, 0) => Ok(()),
        (letters, parked) => Err(format!("{letters} letters, {parked} parked")),
    }
}

/// Everything that was deleted was fetched whole, kept and shown.
async fn check_deleted(channel: &MailboxChannel, server: &Misbehaving) -> Result<(), String> {
    for (name, mail) in server.deleted() {
        if channel.letters_of(&mail).await != 1 {
            return Err(format!("mail {name} was deleted unread"));
        }
    }
    Ok(())
}

/// Runs all cases, some at once, and names those that fail.
#[expect(clippy::print_stdout, reason = "how many pairs there are is worth knowing")]
async fn run<C, F>(cases: Vec<C>, check: impl Fn(C) -> F)
where
    C: std::fmt::Debug + Clone + Send + 'static,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let begun = std::time::Instant::now();
    let count = cases.len();
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    let mut cases = cases.into_iter();
    loop {
        while running.len() < AT_ONCE
            && let Some(case) = cases.next()
        {
            let checked = check(case.clone());
            running.spawn(async move { (case, checked.await) });
        }
        match running.join_next().await {
            Some(Ok((_, Ok(())))) => {}
            Some(Ok((case, Err(why)))) => failed.push(format!("{case:?}: {why}")),
            Some(Err(panic)) => failed.push(panic.to_string()),
            None => break,
        }
    }
    println!("{count} pairs in {} s", begun.elapsed().as_secs());
    assert!(failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}
