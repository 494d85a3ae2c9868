//! Threads put right by people: a letter that belongs into another room, one that gets its own, and a
//! conversation that goes on elsewhere.

use ruma::{RoomId, ServerName};
use umstieg::{
    model::RoomLink,
    phrases::{MovePhrase, Phrase},
};
use umstieg_world::{Client, client::SeenEvent};

use crate::{
    encryption::{letter_with_file, sees, strict_anna},
    phrases::told,
    stage::{Stage, kim_mail, message_id},
};

/// As a client copies it.
pub(crate) fn link(stage: &Stage, room: &str) -> RoomLink {
    let server = ServerName::parse(stage.anna_id.split_once(':').unwrap().1).unwrap();
    RoomLink::to(&RoomId::parse(room).unwrap(), &server)
}

/// A letter of Erik's comes; `more`: further lines of its head.
async fn comes(stage: &Stage, erik: &str, id: &str, more: &str, words: &str) {
    stage.receive(&kim_mail(erik, &stage.practice, id, "Befund", more, words)).await;
}

fn answering(id: &str) -> String {
    format!("In-Reply-To: <{id}>\nReferences: <{id}>\n")
}

/// Anna answers a letter with a command, and is told this.
async fn commands(anna: &Client, letter: &SeenEvent, command: &str, said: MovePhrase) {
    let asked = anna.reply(&letter.room_id, letter.event_id(), command).await.unwrap();
    told(anna, &asked, &Phrase::OfMove(said)).await;
}

/// Erik answered in the thread of the wrong patient.
#[tokio::test]
async fn a_letter_in_the_wrong_room_is_moved_and_what_follows_comes_there() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    comes(&stage, &erik, "a@x", "", "Zu Patient A").await;
    let a = stage.anna_sees("Zu Patient A").await.room_id;
    comes(&stage, &erik, "b@x", "", "Zu Patient B").await;
    let b = stage.anna_sees("Zu Patient B").await.room_id;
    comes(&stage, &erik, "c@x", &answering("a@x"), "Nachtrag zu B").await;
    let wrong = stage.anna_sees("Nachtrag zu B").await;
    assert_eq!(wrong.room_id, a);
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;

    let to_b = link(&stage, &b);
    let command = format!("!verschieben {}", to_b.as_str());
    commands(&stage.anna, &wrong, &command, MovePhrase::Moved { link: to_b.clone() }).await;
    let moved = stage.anna_sees_elsewhere("Nachtrag zu B", &a).await;
    assert_eq!(moved.room_id, b);
    let from = Phrase::OfMove(MovePhrase::MovedHere { link: link(&stage, &a) });
    assert_eq!(stage.anna_is_told(&from).await.room_id, b);

    // What was said in answer to it there does not leave from here.
    commands(&stage.anna, &wrong, "Danke", MovePhrase::AnswerThere { link: to_b.clone() }).await;
    stage.anna.reply(&b, moved.event_id(), "Danke für den Nachtrag").await.unwrap();
    let mail = &stage.mails(&erik, 1).await[0];
    assert!(mail.contains("In-Reply-To: <c@x>"), "{mail}");
    let ours = message_id(mail);

    // Erik answers us, and the letter itself; and goes on about patient A.
    let more = format!("In-Reply-To: <{ours}>\nReferences: <a@x> <c@x> <{ours}>\n");
    comes(&stage, &erik, "d@x", &more, "Gern geschehen").await;
    assert_eq!(stage.anna_sees("Gern geschehen").await.room_id, b);
    let more = "In-Reply-To: <c@x>\nReferences: <a@x> <c@x>\n";
    comes(&stage, &erik, "e@x", more, "Noch etwas dazu").await;
    assert_eq!(stage.anna_sees("Noch etwas dazu").await.room_id, b);
    comes(&stage, &erik, "f@x", &answering("a@x"), "Wieder zu A").await;
    assert_eq!(stage.anna_sees("Wieder zu A").await.room_id, a);

    // It is moved already.
    commands(&stage.anna, &wrong, &command, MovePhrase::Gone).await;
    assert_eq!(stage.mails(&erik, 1).await.len(), 1);
    assert_eq!(stage.query("select count(*) from moves").await, "1");
    assert_eq!(stage.anna_saw("Nachtrag zu B"), 2);
}

/// The first letter of a room, which gave it its alias, gets another room.
#[tokio::test]
async fn a_letter_gets_a_room_of_its_own() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    comes(&stage, &erik, "a@x", "", "Erster Brief").await;
    let first = stage.anna_sees("Erster Brief").await;
    comes(&stage, &erik, "b@x", &answering("a@x"), "Zweiter Brief").await;
    let second = stage.anna_sees("Zweiter Brief").await;
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;

    commands(&stage.anna, &first, "!abtrennen", MovePhrase::Split).await;
    let own = stage.anna_sees_elsewhere("Erster Brief", &first.room_id).await;
    comes(&stage, &erik, "c@x", &answering("a@x"), "Zum ersten").await;
    assert_eq!(stage.anna_sees("Zum ersten").await.room_id, own.room_id);
    let more = "In-Reply-To: <b@x>\nReferences: <a@x> <b@x>\n";
    comes(&stage, &erik, "d@x", more, "Zum zweiten").await;
    assert_eq!(stage.anna_sees("Zum zweiten").await.room_id, second.room_id);

    // And back again: it is said a third time, and nothing else is.
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;
    let back = link(&stage, &second.room_id);
    let command = format!("!move {}", back.as_str());
    commands(&stage.anna, &own, &command, MovePhrase::Moved { link: back }).await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    assert_eq!(stage.anna_saw("Erster Brief"), 3);
    assert_eq!(stage.anna_saw("Zum ersten"), 1);
}

#[tokio::test]
async fn a_conversation_goes_on_in_another_room() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    comes(&stage, &erik, "a@x", "", "Befund A").await;
    let a = stage.anna_sees("Befund A").await;
    comes(&stage, &erik, "b@x", "", "Befund B").await;
    let b = stage.anna_sees("Befund B").await;
    let (to_a, to_b) = (link(&stage, &a.room_id), link(&stage, &b.room_id));
    let command = format!("!verbinden {}", to_b.as_str());
    commands(&stage.anna, &a, &command, MovePhrase::Joined { link: to_b.clone() }).await;
    let here = Phrase::OfMove(MovePhrase::JoinedHere { link: to_a.clone() });
    assert_eq!(stage.anna_is_told(&here).await.room_id, b.room_id);

    comes(&stage, &erik, "c@x", &answering("a@x"), "Mehr zu A").await;
    assert_eq!(stage.anna_sees("Mehr zu A").await.room_id, b.room_id);
    // What is still said in the old room leaves, and the answer to it comes into the new one.
    stage.anna.reply(&a.room_id, a.event_id(), "Aus dem alten Raum").await.unwrap();
    let ours = message_id(&stage.mails(&erik, 1).await[0]);
    comes(&stage, &erik, "d@x", &answering(&ours), "Antwort darauf").await;
    assert_eq!(stage.anna_sees("Antwort darauf").await.room_id, b.room_id);

    commands(&stage.anna, &a, &command, MovePhrase::JoinedBefore).await;
    let back = format!("!verbinden {}", to_a.as_str());
    commands(&stage.anna, &b, &back, MovePhrase::SameRoom).await;
}

#[tokio::test]
async fn what_cannot_be_moved_stays_and_its_room_is_told_why() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    let (_, other) = stage.letter_from("otto").await;
    let bert = stage.colleague("bert").await;
    let let_in = format!("!einlassen {}", bert.user_id);
    let asked = stage.anna.send_text(&letter.room_id, &let_in).await.unwrap();
    let admitted = Phrase::MemberAdmitted { user_id: bert.user_id.clone() };
    told(&stage.anna, &asked, &admitted).await;
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;

    let to = |room: &str| format!("!verschieben {}", link(&stage, room).as_str());
    for (command, said) in [
        ("!verschieben".to_owned(), MovePhrase::WhichRoom),
        ("!verschieben #befund:x.example".to_owned(), MovePhrase::WhichRoom),
        (to("!nirgends:x.example"), MovePhrase::WhichRoom),
        (to(&letter.room_id), MovePhrase::SameRoom),
        (to(&other.room_id), MovePhrase::OtherCorrespondent),
        (format!("!verbinden {}", other.room_id), MovePhrase::OtherCorrespondent),
    ] {
        commands(&stage.anna, &letter, &command, said).await;
    }
    // Without an answer, it is not clear which letter is meant.
    let asked = stage.anna.send_text(&letter.room_id, "!abtrennen").await.unwrap();
    told(&stage.anna, &asked, &Phrase::OfMove(MovePhrase::WhichLetter)).await;
    // Whoever does not speak for the practice puts nothing right.
    bert.wait_for("the room", |seen| seen.messages_in(&letter.room_id).next().map(|_| ()))
        .await
        .unwrap();
    let asked = bert.reply(&letter.room_id, letter.event_id(), "!abtrennen").await.unwrap();
    told(&bert, &asked, &Phrase::NotASpeaker).await;
    stage.all_events_are_read().await;
    assert_eq!(stage.query("select count(*) from moves").await, "0");
    assert_eq!(stage.query("select count(*) from conversations").await, "2");
}

/// Files and all, read by a client that trusts signed devices only; the gateway dies after the order.
#[tokio::test]
async fn an_encrypted_letter_is_moved_with_its_files_though_the_gateway_dies() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let pdf = ("befund.pdf", b"%PDF-1.4 Befund".as_slice());
    stage.receive(&kim_mail(&erik, &stage.practice, "a@x", "Befund", "", "Zu Patient A")).await;
    let a = sees(&anna, "Zu Patient A").await;
    stage
        .receive(&letter_with_file(&erik, &stage.practice, "b@x", "Befund", "Zu Patient B", pdf))
        .await;
    let b = sees(&anna, "Zu Patient B").await;
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;
    let command = format!("!verschieben {}", link(&stage, &a.room_id).as_str());
    anna.reply(&b.room_id, b.event_id(), &command).await.unwrap();
    stage.database_says("select count(*) from moves", "1").await;
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    let file = anna
        .wait_for("the file in the other room", |seen| {
            seen.messages_in(&a.room_id).find(|said| said.has_file()).cloned()
        })
        .await
        .unwrap();
    assert!(file.encrypted, "{file:?}");
    assert_eq!(anna.download(&file).await.unwrap(), pdf.1);
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    let seen = anna.seen();
    assert_eq!(seen.messages_in(&a.room_id).filter(|said| said.has_file()).count(), 1);
    assert_eq!(
        seen.messages_in(&a.room_id).filter(|m| m.body().contains("Zu Patient B")).count(),
        1
    );
}
