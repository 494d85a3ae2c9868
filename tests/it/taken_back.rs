//! What was taken back stays, what was corrected leaves corrected, and the room is told what became
//! of it: on real servers.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use umstieg::phrases::{EditTrouble, ParkedWhat, Phrase};
use umstieg_world::AddressTrouble;

use crate::{
    accounts::CountingServer,
    clocks::{Set, parts_before},
    encryption::{sees, strict_anna},
    phrases::{hears, is_shown, saying, sentence},
    stage::{Stage, conversations, kim_mail},
};

/// How many of Anna's events were read and acted on.
async fn read_of_anna(stage: &Stage) -> usize {
    let sql = format!(
        "select count(*) from room_events where sender = '{}' and state = 'done'",
        stage.anna_id
    );
    stage.query(&sql).await.parse().unwrap()
}

/// Waits until more of Anna's events were read than `before`.
async fn more_is_read(stage: &Stage, before: usize) {
    stage.until("Anna's event was read", async || read_of_anna(stage).await > before).await;
}

/// Puts Anna's next message aside, as a message of a session whose key has not come.
async fn wait_for_keys(stage: &Stage, session: &str) {
    stage
        .query(&format!(
            "create function waits() returns trigger language plpgsql as
             $$ begin new.state := 'waiting'; new.session_id := '{session}'; return new; end $$;
             create trigger waits before insert on room_events
             for each row when (new.sender = '{}') execute function waits()",
            stage.anna_id
        ))
        .await;
}

async fn keys_are_there_again(stage: &Stage) {
    stage.query("drop trigger waits on room_events; drop function waits()").await;
}

const WAITING: &str = "select count(*) from room_events where state = 'waiting'";
const OPEN: &str = "select count(*) from dispatches
    where state in ('collecting', 'waiting', 'handing_over', 'sending_body')";

/// R02, R03, B48: Anna's messages wait for their keys. One she deletes, one she corrects. The keys
/// come: the first does not leave, the second leaves corrected.
#[tokio::test]
async fn what_is_deleted_or_corrected_while_its_key_is_missing_leaves_so() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "r1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    anna.send_text(&room, "Zuerst").await.unwrap();
    stage.mails(&erik, 1).await;

    wait_for_keys(&stage, "spaeter").await;
    let wrong = anna.send_text(&room, "Fuer einen anderen Patienten").await.unwrap();
    let dose = anna.send_text(&room, "Bitte 50 mg geben").await.unwrap();
    stage.database_says(WAITING, "2").await;
    keys_are_there_again(&stage).await;
    let before = read_of_anna(&stage).await;
    anna.redact(&room, &wrong).await.unwrap();
    anna.edit(&room, &dose, "Bitte 5 mg geben").await.unwrap();
    more_is_read(&stage, before + 1).await;

    // The keys come: what waited is read again, as after every start.
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    anna.send_text(&room, "Danach").await.unwrap();
    stage
        .until("what was said last has left", async || {
            let mails = stage.world.mail.mails(&erik).unwrap();
            mails.iter().any(|mail| String::from_utf8_lossy(mail).contains("Danach"))
        })
        .await;
    stage.database_says(OPEN, "0").await;
    let mails = stage.mails(&erik, 2).await.join("\n");
    assert!(!mails.contains("anderen Patienten"), "a deleted message left:\n{mails}");
    assert!(mails.contains("5 mg geben") && !mails.contains("50 mg"), "{mails}");
}

/// B48c: the key of the correction is late. What it corrects does not leave, its author is told, and
/// with the key it leaves corrected.
#[tokio::test]
async fn what_is_corrected_waits_for_the_key_of_the_correction() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "k1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    anna.send_text(&room, "Zuerst").await.unwrap();
    stage.mails(&erik, 1).await;

    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    let dose = anna.send_text(&room, "Bitte 50 mg geben").await.unwrap();
    stage.database_says("select count(*) from dispatches", "2").await;
    wait_for_keys(&stage, "spaeter").await;
    anna.edit(&room, &dose, "Bitte 5 mg geben").await.unwrap();
    stage.database_says(WAITING, "1").await;
    keys_are_there_again(&stage).await;
    stage.world.mail.set_trouble(&erik, None).unwrap();
    let told = hears(&anna, &Phrase::EditWithoutKey).await;
    assert_eq!(told.reply_to(), Some(dose.as_str()));
    anna.send_text(&room, "Danach").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Danach"), "what was said later passes: {}", mails[1]);

    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    let mails = stage.mails(&erik, 3).await;
    assert!(mails[2].contains("Bitte 5 mg geben"), "{}", mails[2]);
    assert!(!mails.concat().contains("50 mg"), "{}", mails.concat());
    is_shown(&anna, told.event_id(), &Phrase::EditReadableNow).await;
}

/// R02b: the server refuses an answer; its author deletes it. It must not be sent any more.
#[tokio::test]
async fn an_answer_deleted_after_it_failed_does_not_leave_with_the_next_erneut() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = &letter.room_id;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::Refuse)).unwrap();
    let wrong = stage.anna.send_text(room, "Fuer einen anderen Patienten").await.unwrap();
    stage.database_says("select state from dispatches", "failed").await;
    stage.anna.redact(room, &wrong).await.unwrap();
    stage.database_says("select state from dispatches", "withdrawn").await;
    let parked = "select count(*) from parked where resolved_at is null";
    stage.database_says(parked, "0").await;
    stage.world.mail.set_trouble(&erik, None).unwrap();
    let notice = stage
        .anna
        .wait_for("the notice at the answer", |seen| {
            seen.messages()
                .find(|m| m.edit_of().is_none() && m.reply_to() == Some(wrong.as_str()))
                .cloned()
        })
        .await
        .unwrap();
    stage.anna_is_shown(notice.event_id(), &Phrase::DispatchWithdrawn).await;
    stage.anna.send_text(room, "Richtige Antwort").await.unwrap();
    stage.mails(&erik, 1).await;
    let again = stage.anna.send_text(room, "!erneut").await.unwrap();
    let said = stage
        .anna
        .wait_for("the answer to the command", |seen| {
            seen.messages().find(|m| m.reply_to() == Some(again.as_str())).cloned()
        })
        .await
        .unwrap();
    assert_eq!(said.body(), sentence(&Phrase::RetryNothing));
    stage.database_says(OPEN, "0").await;
    let mails = stage.mails(&erik, 1).await.join("\n");
    assert!(!mails.contains("anderen Patienten"), "a deleted answer left:\n{mails}");
}

/// R02c: of two messages of a failed answer one is deleted, the other corrected. With `!erneut` the
/// second leaves as it is shown.
#[tokio::test]
async fn what_is_changed_after_a_failure_is_said_and_leaves_changed() {
    let stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 8;
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = &letter.room_id;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::Refuse)).unwrap();
    let wrong = stage.anna.send_text(room, "Fuer einen anderen Patienten").await.unwrap();
    let dose = stage.anna.send_text(room, "Bitte 50 mg geben").await.unwrap();
    stage.database_says("select string_agg(state, ' ') from dispatches", "failed").await;
    stage.anna.redact(room, &wrong).await.unwrap();
    stage.anna_is_told(&Phrase::WithdrawalAfterFailure).await;
    stage.anna.edit(room, &dose, "Bitte 5 mg geben").await.unwrap();
    stage.anna_is_told(&Phrase::EditAfterFailure).await;
    stage.world.mail.set_trouble(&erik, None).unwrap();
    stage.anna.send_text(room, "!erneut").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Bitte 5 mg geben"), "{}", mails[0]);
    assert!(!mails[0].contains("50 mg") && !mails[0].contains("Patienten"), "{}", mails[0]);
}

/// B40, B43, B49: edits of every kind before the hand-over, each in a separate dispatch.
#[tokio::test]
async fn what_an_edit_makes_of_a_message_leaves_or_keeps_it_here() {
    let stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 8;
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let (anna, room) = (&stage.anna, &letter.room_id);
    // What begins like a command.
    let first = anna.send_text(room, "Bitte morgen anrufen").await.unwrap();
    anna.edit(room, &first, "!wichtig heute noch anrufen").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("!wichtig heute noch anrufen"), "{}", mails[0]);
    assert!(!mails[0].contains("morgen"), "{}", mails[0]);

    // A notice, nothing, and a file that cannot be fetched: the message stays, and the room is
    // told.
    let newer = [
        (json!({ "msgtype": "m.notice", "body": "5 mg" }), EditTrouble::Kind),
        (json!({ "msgtype": "m.text", "body": " " }), EditTrouble::Empty),
        (json!({ "msgtype": "m.image", "body": "bild.png" }), EditTrouble::Kind),
    ];
    for (content, trouble) in newer {
        let said = anna.send_text(room, "Bitte 10 mg geben").await.unwrap();
        anna.send(room, edit(&said, &content)).await.unwrap();
        anna.wait_for("what is said about the edit", |seen| {
            let mut notices = saying(seen, &Phrase::EditStays { trouble });
            notices.find(|m| m.reply_to() == Some(said.as_str())).cloned()
        })
        .await
        .unwrap();
        stage.database_says(OPEN, "0").await;
    }
    // A caption that is corrected, and one that is added later.
    let bytes = b"\x89PNG\r\n\x1a\nx";
    let picture = anna.send_file(room, "wunde.png", "image/png", bytes).await.unwrap();
    let uri = picture_of(&stage, &picture).await;
    let captioned = |caption: &str| {
        json!({ "msgtype": "m.image", "body": caption, "filename": "wunde.png", "url": uri,
                "info": { "mimetype": "image/png", "size": bytes.len() } })
    };
    anna.send(room, edit(&picture, &captioned("Wunde LINKS"))).await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Wunde LINKS") && mails[1].contains("wunde.png"), "{}", mails[1]);
    let second = anna.send(room, captioned("Wunde RECHTS")).await.unwrap();
    anna.send(room, edit(&second, &captioned("Wunde LINKS"))).await.unwrap();
    let mails = stage.mails(&erik, 3).await;
    assert!(mails[2].contains("Wunde LINKS") && !mails[2].contains("RECHTS"), "{}", mails[2]);
    assert!(!mails.concat().contains("10 mg"), "{}", mails.concat());

    // What stayed in the room does not leave by being edited.
    let command = anna.send_text(room, "!hilfe").await.unwrap();
    anna.edit(room, &command, "Bitte Hilfe schicken").await.unwrap();
    stage.anna_is_told(&Phrase::EditOfWhatStayed).await;
    assert_eq!(stage.mails(&erik, 3).await.len(), 3);
}

fn edit(target: &str, newer: &Value) -> Value {
    let mut content = newer.clone();
    content["m.new_content"] = newer.clone();
    content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": target });
    content
}

/// Where a picture lies, as its event says.
async fn picture_of(stage: &Stage, event_id: &str) -> String {
    let event = stage
        .anna
        .wait_for("the picture", |seen| {
            seen.events.iter().find(|e| e.event_id.as_deref() == Some(event_id)).cloned()
        })
        .await
        .unwrap();
    event.content["url"].as_str().unwrap().to_owned()
}

/// B41, B46: a gallery leaves with all its pictures, and who does something is said.
#[tokio::test]
async fn a_gallery_leaves_whole_and_an_emote_with_its_subject() {
    let stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 8;
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let (anna, room) = (&stage.anna, &letter.room_id);
    let bytes = b"\x89PNG\r\n\x1a\nx";
    let first = anna.send_file(room, "eins.png", "image/png", bytes).await.unwrap();
    let uri = picture_of(&stage, &first).await;
    let item = |name: &str| {
        json!({ "itemtype": "m.image", "body": name, "filename": name, "url": uri,
                "info": { "mimetype": "image/png", "size": bytes.len() } })
    };
    let gallery = json!({
        "msgtype": "dm.filament.gallery", "body": "Zwei Bilder der Wunde",
        "itemtypes": [item("zwei.png"), item("drei.png")],
    });
    anna.send(room, gallery).await.unwrap();
    anna.send(room, json!({ "msgtype": "m.emote", "body": "ruft Sie morgen an" })).await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    for words in ["eins.png", "zwei.png", "drei.png", "Zwei Bilder der Wunde"] {
        assert!(mails[0].contains(words), "{words}: {}", mails[0]);
    }
    let name = stage.anna_id.trim_start_matches('@').split(':').next().unwrap();
    assert!(mails[0].contains(&format!("{name} ruft Sie morgen an")), "{}", mails[0]);
    // One picture that cannot be fetched keeps all of it here.
    let broken = json!({
        "msgtype": "dm.filament.gallery", "body": "Zwei Bilder",
        "itemtypes": [item("zwei.png"), { "itemtype": "m.image", "body": "x" }],
    });
    let refused = anna.send(room, broken).await.unwrap();
    let told = stage.anna_is_told(&Phrase::MessageNotTransferable).await;
    assert_eq!(told.reply_to(), Some(refused.as_str()));
}

/// R03: a transaction is lost. What it brought is read in its place in `/sync`, not after what came
/// by the next one.
#[tokio::test]
async fn what_a_lost_transaction_brought_is_read_in_its_place() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let store = stage.store().await;
    let room = "!r:x";
    open_portal(&stage, room).await;
    let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    // The first door brings only what was said last; it is not read yet.
    store.receive_transaction("1", &[event("$doch-nicht")], now).await.unwrap();
    assert!(store.new_events(room, 10).await.unwrap().is_empty());
    let all = [event("$5-mg"), event("$doch-nicht"), event("$danach")];
    store.receive_sync("@bot:x", "s2", &[], &all, now).await.unwrap();
    let ids = async || -> Vec<String> {
        let events = store.new_events(room, 10).await.unwrap();
        events.into_iter().map(|event| event.event_id).collect()
    };
    assert_eq!(ids().await, ["$5-mg", "$doch-nicht", "$danach"]);
    // A gap that was filled from its end goes before the timeline after it.
    for page in [[event("$l4"), event("$l3")], [event("$l2"), event("$l1")]] {
        store.fetch_missing(&page, now).await.unwrap();
    }
    assert_eq!(ids().await.len(), 3, "not before all of it is here");
    let missing = ["$l1", "$l2", "$l3", "$l4"].map(str::to_owned);
    store.receive_sync("@bot:x", "s3", &missing, &[event("$l5")], now).await.unwrap();
    let expected = ["$5-mg", "$doch-nicht", "$danach", "$l1", "$l2", "$l3", "$l4", "$l5"];
    assert_eq!(ids().await, expected);
}

fn event(id: &str) -> umstieg::store::IncomingEvent {
    umstieg::store::IncomingEvent {
        event_id: id.to_owned(),
        room_id: "!r:x".to_owned(),
        sender: "@anna:x".to_owned(),
        event: json!({ "event_id": id, "room_id": "!r:x", "sender": "@anna:x" }),
    }
}

async fn open_portal(stage: &Stage, room: &str) {
    stage
        .query(&format!(
            "{};
             insert into rooms (conversation_id, alias_token, room_id, state, created_at)
             values (1, gen_random_uuid(), '{room}', 'open', now())",
            conversations("kim", &["erik@charite.kim.telematik"]),
        ))
        .await;
}

/// R20: a restored homeserver counts its transactions again. What it brings under a name that was
/// used before is kept.
#[tokio::test]
async fn events_under_a_transaction_name_that_was_used_before_are_kept() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let store = stage.store().await;
    let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    store.receive_transaction("17", &[event("$before")], now).await.unwrap();
    store.receive_transaction("17", &[event("$after")], now).await.unwrap();
    store.receive_transaction("17", &[event("$after")], now).await.unwrap();
    assert_eq!(stage.query("select count(*) from room_events").await, "2");
}

/// The room is told of a gap too large to be filled, and nothing that was said before it leaves by
/// itself.
#[tokio::test]
async fn before_a_gap_nothing_leaves_by_itself() {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let store = stage.store().await;
    open_portal(&stage, "!r:x").await;
    let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    store.receive_sync("@bot:x", "s1", &[], &[event("$ungelesen")], now).await.unwrap();
    let conversation = umstieg::model::ConversationId(1);
    store
        .collect(umstieg::store::NewPart {
            conversation,
            author: "@anna:x",
            event_id: "$gesagt",
            part: &umstieg::store::StoredPart::Text("Antwort".to_owned()),
            answers: None,
            collect: Duration::ZERO,
            collect_at_most: Duration::ZERO,
            message_id: &umstieg::model::MessageId::new("1@kim.local").unwrap(),
            at: now,
        })
        .await
        .unwrap();
    let notice = umstieg::model::Notice {
        substance: umstieg::model::Substance::Word,
        content: json!({ "body": "x" }),
    };
    for _ in 0..2 {
        let told = ("gluecke", &notice);
        store
            .history_lost(conversation, "!r:x", "kim", told, |_| notice.clone(), now)
            .await
            .unwrap();
    }
    assert_eq!(stage.query("select state from dispatches").await, "failed");
    assert!(store.new_events("!r:x", 10).await.unwrap().is_empty());
    let parked = "select string_agg(kind, ' ' order by id) from parked where resolved_at is null";
    assert_eq!(stage.query(parked).await, "gap dispatch");
    // A person looked: it goes on.
    for item in store.parked().await.unwrap() {
        let retry = umstieg::store::Resolution::Retry;
        assert!(store.resolve_parked(item.id, retry, now).await.unwrap());
    }
    assert_eq!(store.new_events("!r:x", 10).await.unwrap().len(), 1);
    assert_eq!(stage.query("select state from dispatches").await, "waiting");
}

/// R19, decision 7: a value that does not open is no reason to stop. It is parked, said, and read
/// once it is whole.
#[tokio::test]
async fn a_damaged_event_holds_up_no_other() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage
        .query(&format!(
            "create function damages() returns trigger language plpgsql as
             $$ begin new.event := '\\x0102'; return new; end $$;
             create trigger damages before insert on room_events
             for each row when (new.sender = '{}') execute function damages()",
            stage.anna_id
        ))
        .await;
    let damaged = stage.anna.send_text(&letter.room_id, "Beschaedigt").await.unwrap();
    stage.database_says("select count(*) from room_events where event = '\\x0102'", "1").await;
    stage.query("drop trigger damages on room_events").await;
    stage.anna.send_text(&letter.room_id, "Unversehrt").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Unversehrt"), "{}", mails[0]);
    let told = stage.anna_is_told(&Phrase::Parked { what: ParkedWhat::Event }).await;
    assert_eq!(told.reply_to(), Some(damaged.as_str()));
    let parked = stage.parked(&["list"]).await;
    assert!(parked.contains("event") && parked.contains("damaged"), "{parked}");
    let id = stage.query("select id from parked where kind = 'event'").await;
    stage.parked(&["drop", &id]).await;
    assert_eq!(stage.query("select count(*) from room_events where state = 'parked'").await, "0");
}

/// R18: whatever may be interrupted may run twice, also a command.
#[tokio::test]
async fn a_command_that_is_read_twice_sends_nothing_twice() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::RefuseAfterData)).unwrap();
    stage.anna.send_text(&letter.room_id, "Antwort").await.unwrap();
    stage.database_says("select state from dispatches", "failed").await;
    let attempts = async || stage.gateway.metric("umstieg_hand_over_total").await;
    let before = attempts().await;
    // The database goes away between what the command does and the note that it was read; each
    // failure is counted where the failed transaction does not take it back.
    stage
        .query(&format!(
            "create sequence breaks_counted;
             create function breaks() returns trigger language plpgsql as
             $$ begin perform nextval('breaks_counted'); raise exception 'away'; end $$;
             create trigger breaks before update on room_events
             for each row when (new.state = 'done' and new.sender = '{}')
             execute function breaks()",
            stage.anna_id
        ))
        .await;
    stage.anna.send_text(&letter.room_id, "!erneut").await.unwrap();
    stage.until("it was tried once more", async || attempts().await > before).await;
    let failures = "select last_value >= 3 from breaks_counted";
    stage.database_says(failures, "t").await;
    stage.query("drop trigger breaks on room_events").await;
    stage.all_events_are_read().await;
    stage.database_says(OPEN, "0").await;
    let tried = attempts().await - before;
    assert!(tried < 1.5, "one command had the answer handed over {tried} times");
}

/// B84: a person who deletes a command, or what stayed in the room, is told nothing.
#[tokio::test]
async fn b84_a_command_that_is_deleted_is_no_news() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("befehl").await;
    let room = &letter.room_id;
    let (mut said, posts) = (Vec::new(), "select count(*) from posts");
    for words in ["!hilfe", "!unsinn"] {
        let before: usize = stage.query(posts).await.parse().unwrap();
        said.push(stage.anna.send_text(room, words).await.unwrap());
        stage.database_says(posts, &(before + 1).to_string()).await;
    }
    let before = (stage.query(posts).await, read_of_anna(&stage).await);
    for event in &said {
        stage.anna.redact(room, event).await.unwrap();
    }
    more_is_read(&stage, before.1 + 1).await;
    assert_eq!(stage.query(posts).await, before.0);
    stage.anna.send_text(room, "Danach").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Danach"), "{}", mails[0]);
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// It is unknown whether an answer arrived, and it is tried once more. Unchanged, it has the same
/// Message-ID, so that the recipient's server recognises a double; changed, it is another mail, which
/// must not be taken for one.
#[tokio::test]
async fn what_is_tried_again_bears_a_new_name_exactly_when_it_says_something_else() {
    let server = CountingServer::start().await;
    server.take_all();
    let stage = parts_before(&server).await;
    stage.query(&conversations("kim", &["erik@charite.kim.telematik"])).await;
    let (set, conversation) = (Set::new(&stage).await, umstieg::model::ConversationId(1));
    let events = ["$1", "$22"];
    for event in events {
        set.said(conversation, event).await;
        stage
            .query(&format!(
                "insert into room_events (event_id, room_id, sender, door, received_at, state)
                 values ('{event}', '!r:x', '@anna:example.org', 'sync', now(), 'done')"
            ))
            .await;
    }
    // Once unchanged, once without its second message, and once more like that.
    let redacts = "insert into room_acts (event_id, room_id, author, target, kind, received_at)
                   values ('$r', '!r:x', '@anna:example.org', '$22', 'redaction', now())";
    for (number, change) in [None, None, Some(redacts), None].into_iter().enumerate() {
        if let Some(change) = change {
            stage.query(change).await;
        }
        set.forward(Duration::from_secs(600));
        set.hand_over(conversation).await;
        assert_eq!(stage.query("select state from dispatches").await, "accepted");
        assert_eq!(server.mails(), number + 1);
        // As if its answer had been lost.
        stage
            .query(
                "update dispatches set state = 'unclear';
                 insert into parked (kind, item_id, channel, reason, parked_at)
                 values ('dispatch', 1, 'kim', 'unclear', now())",
            )
            .await;
        for item in set.ctx.store.parked().await.unwrap() {
            let retry = umstieg::store::Resolution::Retry;
            let now = set.ctx.clock.now();
            assert!(set.ctx.store.resolve_parked(item.id, retry, now).await.unwrap());
        }
    }
    let ids = server.message_ids();
    assert_eq!(ids[0], ids[1], "as it was");
    assert_ne!(ids[1], ids[2], "another text");
    assert_eq!(ids[2], ids[3], "that text once more");
    // Whichever of them arrived, an answer to it leads back here.
    let known = "select string_agg('<' || message_id || '>', ' ' order by seen_at, bearer)
                 from thread_ids where conversation_id = 1 and not is_ambiguous";
    let known = stage.query(known).await;
    assert!(known.contains(&ids[0]) && known.contains(&ids[2]), "{known}");
}
