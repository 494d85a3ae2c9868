//! The faults that break the nearest mail bridges, each against ours on real servers.
//!
//! P1 to P11 are faults seen in other gateways when they were run: mail in the wrong room, a crash
//! at the first 4xx, "sent" for what was refused, mail bounced while the homeserver is away or
//! slows us down, the same mail twice, answers that overwrite each other, partial failures, lost
//! first words, storage and traffic that grow with every mail. P7 (files unencrypted in an
//! encrypted room) is tested with the encryption.

use std::time::Duration;

use umstieg::phrases::Phrase;
use umstieg_world::{
    AddressTrouble, Client, PracticeChannel, World, WorldOptions, gateway::PASSWORD, mail::Mail,
};

use crate::{
    phrases::{HANDED_TO_KIM, of_trouble, saying, says, sentence},
    proxy::{Passed, Proxy, RETRY_AFTER},
    stage::{Stage, kim_mail},
};

/// A second KIM account beside the first, for another team.
fn second_account(channels: &[PracticeChannel], team: &str) -> PracticeChannel {
    PracticeChannel::kim("zweitpraxis", &channels[0].address.replace("praxis-", "zweit-"), &[team])
}

/// A stage with a second KIM account, whose team is Bert alone.
async fn with_second_account() -> (Stage, String, Client) {
    let mut second = String::new();
    let mut stage = Stage::before_start(|mut channels| {
        let bert = channels[0].team[0].replace("anna-", "bert-");
        let channel = second_account(&channels, &bert);
        second.clone_from(&channel.address);
        channels.push(channel);
        channels
    })
    .await;
    let bert = stage.colleague("bert").await;
    stage.world.mail.add_mailbox(&second, PASSWORD).await.unwrap();
    stage.gateway.start().await.unwrap();
    (stage, second, bert)
}

#[tokio::test]
async fn p1_two_mails_for_two_mailboxes_reach_their_own_rooms() {
    let (stage, second, bert) = with_second_account().await;
    let erik = stage.correspondent("erik").await;
    let for_anna = kim_mail(&erik, &stage.practice, "p1a@x", "Befund", "", "Nur für Anna");
    let for_bert = kim_mail(&erik, &second, "p1b@x", "Befund", "", "Nur für Bert");
    let mails: Vec<(&[u8], &str)> =
        vec![(for_anna.as_bytes(), &stage.practice), (for_bert.as_bytes(), &second)];
    stage.world.mail.deliver_all(&mails).await.unwrap();

    let annas = stage.anna_sees("Nur für Anna").await;
    let berts =
        bert.wait_for("his letter", |seen| seen.message_with("Nur für Bert").cloned()).await;
    assert_ne!(annas.room_id, berts.unwrap().room_id);
    // Both are in their rooms for good: nothing more is to come.
    stage.database_says("select count(*) from letters where state = 'posted'", "2").await;
    assert_eq!(stage.query("select count(*) from posts").await, "2");
    assert_eq!(stage.anna_saw("Nur für Bert"), 0);
    assert!(bert.seen().message_with("Nur für Anna").is_none());
}

/// KIM-28. From the first 4xx on the room hears the truth, in one notice that changes.
#[tokio::test]
async fn p2_a_4xx_puts_off_and_the_same_notice_tells_of_the_success() {
    let stage = Stage::new().await;
    let mut cases = Vec::new();
    for (name, trouble) in
        [("rolf", AddressTrouble::TryLater), ("dora", AddressTrouble::TryLaterAfterData)]
    {
        let (address, letter) = stage.letter_from(name).await;
        stage.world.mail.set_trouble(&address, Some(trouble)).unwrap();
        let words = format!("Antwort an {name}");
        let answer = stage.anna.send_text(&letter.room_id, &words).await.unwrap();
        cases.push((address, letter.room_id, words, answer));
    }
    let mut notices = Vec::new();
    for (address, _, _, answer) in &cases {
        let notice = stage
            .anna
            .wait_for("a notice", |seen| {
                seen.messages().find(|m| m.reply_to() == Some(answer)).cloned()
            })
            .await
            .unwrap();
        let waits = of_trouble(AddressTrouble::TryLater);
        assert!(says(notice.body(), &waits), "{}", notice.body());
        assert_eq!(stage.world.mail.mails(address).unwrap().len(), 0);
        stage.world.mail.set_trouble(address, None).unwrap();
        notices.push(notice.event_id().to_owned());
    }
    for ((address, room, words, _), notice) in cases.iter().zip(&notices) {
        stage.anna_is_shown(notice, &HANDED_TO_KIM).await;
        let mails = stage.mails(address, 1).await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains(words), "{}", mails[0]);
        let seen = stage.anna.seen();
        let notices = seen.messages_in(room).filter(|m| m.msgtype() == "m.notice");
        assert_eq!(notices.filter(|m| m.edit_of().is_none()).count(), 1, "{seen}");
    }
}

/// KIM-28: KIM's client module checks recipients and certificates only after the data.
#[tokio::test]
async fn p3_a_554_after_the_data_is_never_called_handed_over() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let refuse =
        || stage.world.mail.set_trouble(&erik, Some(AddressTrouble::RefuseAfterData)).unwrap();
    let accept = || stage.world.mail.set_trouble(&erik, None).unwrap();

    refuse();
    stage.anna.send_text(&letter.room_id, "Erste Antwort").await.unwrap();
    let refused = of_trouble(AddressTrouble::RefuseAfterData);
    let failed = stage.anna_is_told(&refused).await;
    assert_eq!(stage.anna_was_told(&HANDED_TO_KIM), 0);
    let list = stage.parked(&["list"]).await;
    let row =
        list.lines().find(|line| line.contains("dispatch")).unwrap_or_else(|| panic!("{list}"));
    assert!(row.contains("refused") && row.contains("kim"), "{list}");
    stage.database_says("select state from dispatches", "failed").await;

    // The person in the room has it tried again …
    accept();
    stage.anna.send_text(&letter.room_id, "!erneut").await.unwrap();
    stage.anna_is_shown(failed.event_id(), &HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Erste Antwort") && !mails[0].contains("!erneut"), "{}", mails[0]);
    assert_eq!(stage.parked(&["list"]).await, "Nothing is parked.\n");

    // … or the administrator does.
    refuse();
    let second = stage.anna.send_text(&letter.room_id, "Zweite Antwort").await.unwrap();
    let failed = stage
        .anna
        .wait_for("the second failure", |seen| {
            seen.messages().find(|m| m.reply_to() == Some(&second)).cloned()
        })
        .await
        .unwrap();
    assert_eq!(failed.body(), sentence(&refused));
    accept();
    let list = stage.parked(&["list"]).await;
    let row = list.lines().find(|line| line.contains("dispatch")).unwrap();
    stage.parked(&["retry", row.split_whitespace().next().unwrap()]).await;
    stage.anna_is_shown(failed.event_id(), &HANDED_TO_KIM).await;
    assert_eq!(stage.mails(&erik, 2).await.len(), 2);
}

#[tokio::test]
async fn p4_mail_that_comes_while_the_homeserver_is_down_is_saved_and_posted_when_it_is_back() {
    let mut world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let around = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::in_world(around, |channels| channels).await;
    stage.gateway.start().await.unwrap();
    let (erik, first) = stage.letter_from("erik").await;

    world.synapse.stop();
    let more = format!("In-Reply-To: <erster-{erik}>\n");
    stage.receive(&kim_mail(&erik, &stage.practice, "p4@x", "AW", &more, "In der Nacht")).await;
    stage.database_says("select count(*) from letters where state = 'placed'", "1").await;
    // Also by a gateway that starts meanwhile.
    stage.gateway.stop();
    stage.gateway.launch().await.unwrap();
    let other = stage.correspondent("nora").await;
    stage.receive(&kim_mail(&other, &stage.practice, "p4b@x", "Neu", "", "Neue Sache")).await;
    stage.database_says("select count(*) from letters where state <> 'posted'", "2").await;
    assert_eq!(stage.query("select count(*) from parked").await, "0");

    world.synapse.start_again().await.unwrap();
    assert_eq!(stage.anna_sees("In der Nacht").await.room_id, first.room_id);
    stage.anna_sees("Neue Sache").await;
    stage.database_says("select count(*) from letters where state = 'posted'", "3").await;
    assert_eq!((stage.anna_saw("In der Nacht"), stage.anna_saw("Neue Sache")), (1, 1));
}

/// The homeserver's limits are obeyed, and however long they last, nothing is given up for them.
#[tokio::test]
async fn p5_a_rate_limit_is_obeyed_and_loses_and_doubles_nothing() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let url = format!("url = {:?}", stage.world.homeserver.url);
    stage.edit_settings(&[
        (&url, &format!("url = {:?}", proxy.url)),
        ("[worker]\n", "[worker]\nattempts_max = 3\n"),
    ]);
    stage.gateway.start().await.unwrap();
    let (erik, first) = stage.letter_from("erik").await;

    // Far more refusals in a row than a post has attempts.
    proxy.limit_next(8);
    let more = format!("In-Reply-To: <erster-{erik}>\n");
    for number in 1..=3 {
        let (id, words) = (format!("p5-{number}@x"), format!("Gebremst {number}."));
        stage.receive(&kim_mail(&erik, &stage.practice, &id, "AW", &more, &words)).await;
    }
    for number in 1..=3 {
        let seen = stage.anna_sees(&format!("Gebremst {number}.")).await;
        assert_eq!(seen.room_id, first.room_id);
    }
    // A new portal takes several requests, each of which may be refused.
    proxy.limit_next(8);
    stage.letter_from("nora").await;
    stage.database_says("select count(*) from letters where state = 'posted'", "5").await;
    assert_eq!(stage.query("select count(*) from parked").await, "0");
    for number in 1..=3 {
        assert_eq!(stage.anna_saw(&format!("Gebremst {number}.")), 1);
    }

    let is_asked_again = |passed: &[Passed]| {
        let mut limited = passed.iter().enumerate().filter(|(_, passed)| passed.status == 429);
        limited.all(|(index, refused)| {
            passed[index + 1..].iter().any(|later| later.what == refused.what)
        })
    };
    stage.until("what was refused is asked again", async || is_asked_again(&proxy.passed())).await;
    let passed = proxy.passed();
    let limited = passed.iter().enumerate().filter(|(_, passed)| passed.status == 429);
    let mut count = 0;
    for (index, refused) in limited {
        count += 1;
        let again = passed[index + 1..].iter().find(|later| later.what == refused.what).unwrap();
        // A hair less: the wait began at the gateway, the clock of this test at the proxy.
        let waited = again.at - refused.at + Duration::from_millis(20);
        assert!(waited >= RETRY_AFTER, "asked again after {waited:?}: {}", refused.what);
    }
    assert_eq!(count, 16, "the limits were reached");

    // A proxy whose homeserver is down is no reason to give up either.
    proxy.is_away(true);
    stage.receive(&kim_mail(&erik, &stage.practice, "p5-502@x", "AW", &more, "Nach 502")).await;
    let log = "waits 5 s";
    let begun = std::time::Instant::now();
    while !stage.gateway.log().contains(log) && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.is_away(false);
    stage.anna_sees("Nach 502").await;
    assert_eq!(stage.anna_saw("Nach 502"), 1);
}

#[tokio::test]
async fn p6_a_mail_delivered_twice_is_one_post() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let mail = kim_mail(&erik, &stage.practice, "p6@x", "Befund", "", "Nur einmal");
    for relay in ["eins", "zwei"] {
        let received =
            format!("Received: from {relay}.kim.telematik; Mon, 23 Nov 2026 08:00:00 +0100\n");
        stage.receive(&format!("{received}{mail}")).await;
    }
    stage.anna_sees("Nur einmal").await;
    let states = "select string_agg(state, ' ' order by id) from letters";
    stage.database_says(states, "posted duplicate").await;
    stage.lives_on().await;
    assert_eq!(stage.anna_saw("Nur einmal"), 1);
}

// P7 is about encryption: files of an encrypted room must not lie unencrypted in the media store.

#[tokio::test]
async fn p8_put_off_answers_keep_their_order_and_all_arrive() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    for (number, words) in ["Erstens", "Zweitens", "Drittens"].iter().enumerate() {
        stage.anna.send_text(&letter.room_id, words).await.unwrap();
        // Closed: the next words are another answer.
        let closed = "select count(*) from dispatches where closes_at <= now()";
        stage.database_says(closed, &(number + 1).to_string()).await;
    }
    let begun = std::time::Instant::now();
    let waits = |seconds: u32| format!("waits {seconds} s for its next attempt");
    while !stage.gateway.log().contains(&waits(10)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", stage.gateway.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(stage.gateway.log().contains(&waits(5)), "the back-off grows");
    stage.world.mail.set_trouble(&erik, None).unwrap();
    let mut mails = stage.mails(&erik, 3).await;
    // Exim may lay them into the mailbox at one moment; its name of a mail says when it took it over.
    mails.sort_by_key(|mail| {
        let name = Mail::taken_over_as(mail.as_bytes()).unwrap();
        let mut parts = name.split('-').map(str::to_owned);
        (parts.next(), parts.nth(1))
    });
    for (mail, words) in mails.iter().zip(["Erstens", "Zweitens", "Drittens"]) {
        assert!(mail.contains(words), "{mail}");
    }
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "3").await;
    assert_eq!(stage.mails(&erik, 3).await.len(), 3);
}

/// TIM-7: an invitation that is refused is final for that person, and no reason to keep the
/// letter from the others.
#[tokio::test]
async fn p9_a_team_member_who_cannot_be_invited_keeps_the_letter_from_nobody() {
    let stage = Stage::with(|mut channels| {
        // On a homeserver that ours does not federate with: Synapse answers 403.
        channels[0].team.insert(0, "@bert:anderswo.test".to_owned());
        channels
    })
    .await;
    let (erik, first) = stage.letter_from("erik").await;
    assert!(stage.gateway.metric("umstieg_invites_failed_total").await >= 1.0);
    let more = format!("In-Reply-To: <erster-{erik}>\n");
    stage.receive(&kim_mail(&erik, &stage.practice, "p9@x", "AW", &more, "Noch ein Brief")).await;
    assert_eq!(stage.anna_sees("Noch ein Brief").await.room_id, first.room_id);
    assert_eq!(stage.anna_saw("Erster Brief"), 1);
    stage.database_says("select count(*) from letters where state = 'posted'", "2").await;
}

#[tokio::test]
async fn p10_an_unknown_command_never_leaves_as_a_letter() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let mistyped = stage.anna.send_text(&letter.room_id, "!orginal bitte").await.unwrap();
    let refusal =
        stage.anna_is_told(&Phrase::UnknownCommand { command: "orginal".to_owned() }).await;
    assert_eq!(refusal.reply_to(), Some(mistyped.as_str()));
    stage.anna.send_text(&letter.room_id, "!hilfe").await.unwrap();
    stage.anna_is_told(&Phrase::CommandsHelp).await;

    stage.anna.send_text(&letter.room_id, "Eine richtige Antwort").await.unwrap();
    stage.anna_is_told(&HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Eine richtige Antwort"), "{}", mails[0]);
    assert!(!mails[0].contains("orginal") && !mails[0].contains("hilfe"), "{}", mails[0]);
}

/// Rows of every table, without the names of transactions: how many events the homeserver puts
/// into one is its own affair.
const ROWS: &str = "select sum((xpath('/row/n/text()', query_to_xml(format(
        'select count(*) as n from %I', table_name), false, true, '')))[1]::text::bigint)
    from information_schema.tables
    where table_schema = 'public'
      and table_type = 'BASE TABLE'
      and table_name <> 'matrix_transactions'";

#[tokio::test]
async fn p11_a_letter_into_an_open_portal_costs_about_one_request_and_a_few_rows() {
    // A separate world: in the shared one the bot also hears of, and asks after, the rooms of an
    // earlier stage.
    let world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let around = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::in_world(around, |channels| channels).await;
    stage.gateway.start().await.unwrap();
    let (erik, first) = stage.letter_from("erik").await;
    // Requests for letters, and those that follow `/sync`: these cost by time, not by letter.
    let requests = async || {
        let requests = stage.gateway.requests().await;
        let (all, syncs) = (requests.values().sum::<f64>(), requests["sync"]);
        (all - syncs, syncs)
    };
    let echoed = async |posts: u32| {
        let sql = "select count(*) from posts where echoed_at is not null";
        stage.database_says(sql, &posts.to_string()).await;
        stage.all_events_are_read().await;
        stage.query(ROWS).await.parse::<i64>().unwrap()
    };
    let more = format!("In-Reply-To: <erster-{erik}>\n");
    let mails: Vec<String> = (1..=30)
        .map(|number| {
            let (id, words) = (format!("p11-{number}@x"), format!("Brief Nummer {number}."));
            kim_mail(&erik, &stage.practice, &id, "AW: Befund", &more, &words)
        })
        .collect();
    let deliver = async |range: std::ops::Range<usize>| {
        let batch: Vec<(&[u8], &str)> =
            mails[range].iter().map(|mail| (mail.as_bytes(), stage.practice.as_str())).collect();
        stage.world.mail.deliver_all(&batch).await.unwrap();
    };

    // Anna's own joining is in the tables before counting begins.
    let joined = "select count(*) from room_members where membership = 'join'";
    stage.database_says(joined, "3").await;
    // So is what the first `/sync` tells.
    stage.database_says("select count(*) from sync_positions", "1").await;
    echoed(1).await;
    let (requests_before, syncs_before) = requests().await;
    let begun = std::time::Instant::now();
    // What is left of the portal's opening comes in beside the first ten.
    deliver(0..10).await;
    let rows_at_10 = echoed(11).await;
    deliver(10..20).await;
    let rows_at_20 = echoed(21).await;
    deliver(20..30).await;
    let rows_at_30 = echoed(31).await;
    let (requests, syncs) = requests().await;
    let per_letter = (requests - requests_before) / 30.0;
    println!("{per_letter:.2} requests per letter");
    assert!(per_letter <= 1.2, "{per_letter} requests per letter");
    let followed = syncs - syncs_before;
    let most = begun.elapsed().as_secs_f64() / 3.0 + 2.0;
    assert!(followed <= most, "{followed} syncs in {:?}", begun.elapsed());

    // The letter, its outer head, its post, its echo, its Message-ID, and that it waits: six rows each, and no
    // more as they grow.
    assert_eq!((rows_at_20 - rows_at_10, rows_at_30 - rows_at_20), (60, 60));
    // One room, in order.
    let seen = stage.anna.wait_for("all letters", |seen| {
        let bodies: Vec<String> = seen
            .messages_in(&first.room_id)
            .filter_map(|m| Some(m.body().split_once("Nummer ")?.1.to_owned()))
            .collect();
        (bodies.len() == 30).then_some(bodies)
    });
    let expected: Vec<String> = (1..=30).map(|number| format!("{number}.")).collect();
    assert_eq!(seen.await.unwrap(), expected);
}

// What else was seen to fail elsewhere, under the heads of the rooms it harmed.

/// KIM-32: two letters without a parent were once merged because both had none.
#[tokio::test]
async fn an_empty_in_reply_to_matches_nothing() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    for (number, header) in
        ["", "In-Reply-To: \n", "In-Reply-To: <>\nReferences: \n", "References: <\n"]
            .iter()
            .enumerate()
    {
        let (id, words) = (format!("leer-{number}@x"), format!("Sache Nummer {number}."));
        stage.receive(&kim_mail(&erik, &stage.practice, &id, "Befund", header, &words)).await;
    }
    let mut rooms = std::collections::BTreeSet::new();
    for number in 0..4 {
        rooms.insert(stage.anna_sees(&format!("Sache Nummer {number}.")).await.room_id);
    }
    assert_eq!(rooms.len(), 4, "{rooms:?}");
    stage.database_says("select count(*) from posts where state = 'sent'", "4").await;
    assert_eq!(stage.anna_was_told(&Phrase::UnknownThread), 0, "nothing was claimed");
}

/// KIM-32, the wrong-room guard: our Message-ID opens a room only to its recipient, and only on the
/// channel it was sent through.
#[tokio::test]
async fn our_message_id_in_another_mouth_or_on_another_channel_opens_a_new_room_with_a_hint() {
    let (stage, second, bert) = with_second_account().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.anna.send_text(&letter.room_id, "Vertrauliche Antwort").await.unwrap();
    stage.anna_is_told(&HANDED_TO_KIM).await;
    let mail = stage.mails(&erik, 1).await.remove(0);
    let ours = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim();
    let quoting = format!("In-Reply-To: {ours}\nReferences: <erster-{erik}> {ours}\n");

    let mallory = stage.correspondent("mallory").await;
    stage
        .receive(&kim_mail(
            &mallory,
            &stage.practice,
            "m@x",
            "AW: Befund",
            &quoting,
            "Untergeschoben",
        ))
        .await;
    let smuggled = stage.anna_sees("Untergeschoben").await;
    assert_ne!(smuggled.room_id, letter.room_id);
    let hint = stage.anna_is_told(&Phrase::UnknownThread).await;
    assert_eq!(hint.room_id, smuggled.room_id);

    let on_second = kim_mail(&erik, &second, "e2@x", "AW: Befund", &quoting, "Anderer Kanal");
    stage.world.mail.deliver(on_second.as_bytes(), &second).await.unwrap();
    let room = bert
        .wait_for("the letter and its hint", |seen| {
            let letter = seen.message_with("Anderer Kanal")?;
            let hint = saying(seen, &Phrase::UnknownThread).next()?;
            (letter.room_id == hint.room_id).then(|| letter.room_id.clone())
        })
        .await
        .unwrap();
    assert_ne!(room, letter.room_id);

    // Its recipient still finds the room, even if the address is written in another way.
    let erik_loud = erik.replace("erik", "Erik");
    stage
        .receive(&kim_mail(&erik_loud, &stage.practice, "e3@x", "AW", &quoting, "Der Richtige"))
        .await;
    assert_eq!(stage.anna_sees("Der Richtige").await.room_id, letter.room_id);
}

/// KIM-21: two machines that answer each other do so for ever.
#[tokio::test]
async fn automatic_letters_are_shown_with_a_hint_and_never_answered() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let storm = [
        "Auto-Submitted: auto-replied\n",
        "Precedence: bulk\n",
        "List-Id: <alle.kim.telematik>\n",
        "X-KIM-Dienstkennung: KIM-Mail;Abwesend;V1.0\n",
    ];
    for (number, header) in storm.iter().enumerate() {
        let (id, words) = (format!("sturm-{number}@x"), format!("Sturm Nummer {number}."));
        stage.receive(&kim_mail(&erik, &stage.practice, &id, "Abwesend", header, &words)).await;
    }
    for number in 0..storm.len() {
        let letter = stage.anna_sees(&format!("Sturm Nummer {number}.")).await;
        stage
            .anna
            .wait_for("its hint", |seen| {
                let mut messages = seen.messages_in(&letter.room_id);
                messages
                    .find(|m| says(m.body(), &Phrase::AutomaticLetter { is_report: false }))
                    .cloned()
            })
            .await
            .unwrap();
    }
    stage.database_says("select count(*) from letters where state = 'posted'", "4").await;
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
    assert_eq!(stage.world.mail.mails(&erik).unwrap().len(), 0);
}

/// An answer that overtakes what it answers: nothing is lost, and as the thread cannot be known
/// yet, it says so. A later letter finds the room of the nearest letter it names.
#[tokio::test]
async fn a_letter_that_overtakes_its_parent_is_shown_with_a_hint() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let answers = |parent: &str| format!("In-Reply-To: <{parent}>\n");
    let mail = |id: &str, more: &str, words: &str| {
        kim_mail(&erik, &stage.practice, id, "Befund", more, words)
    };
    stage.receive(&mail("zwei@x", &answers("eins@x"), "Der zweite zuerst")).await;
    let second = stage.anna_sees("Der zweite zuerst").await;
    let hint = stage.anna_is_told(&Phrase::UnknownThread).await;
    assert_eq!(hint.room_id, second.room_id);
    stage.receive(&mail("eins@x", "", "Der erste danach")).await;
    stage.anna_sees("Der erste danach").await;
    stage.receive(&mail("drei@x", &answers("zwei@x"), "Der dritte")).await;
    assert_eq!(stage.anna_sees("Der dritte").await.room_id, second.room_id);
}

/// Another bridge once took over foreign rooms and wrote to strangers from them.
#[tokio::test]
async fn a_room_that_is_no_portal_is_declined_and_nothing_said_there_leaves() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let bot = stage.bot_id();

    // The bot and the ghost decline to be anywhere else than in a portal.
    for ours in [&bot, &letter.sender] {
        let foreign = stage.anna.create_room(&[ours.as_str()], false).await.unwrap();
        stage
            .anna
            .wait_for("a refusal of the invitation", |seen| {
                seen.events
                    .iter()
                    .find(|event| {
                        event.room_id == foreign
                            && event.state_key.as_deref() == Some(ours)
                            && event.content["membership"] == "leave"
                    })
                    .cloned()
            })
            .await
            .unwrap();
        stage.anna.send_text(&foreign, "Niemand hört das").await.unwrap();
    }

    stage.anna.send_text(&letter.room_id, "Das geht hinaus").await.unwrap();
    stage.anna_is_told(&HANDED_TO_KIM).await;
    assert_eq!(stage.query("select count(*) from dispatches").await, "1");
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Das geht hinaus"), "{}", mails[0]);
}
