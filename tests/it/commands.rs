//! What a person asks the gateway for in a portal: it is done once, and the room is told what was
//! done.

use serde_json::json;
use umstieg::phrases::Phrase;

use crate::{
    phrases::told,
    stage::{Stage, kim_mail},
};

/// An answer in a thread answers the letter its thread is about; so it is with the original.
#[tokio::test]
async fn the_original_asked_for_in_a_thread_is_that_of_the_thread_s_letter() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "o1@x", "Befund Schmidt", "", "Erstens")).await;
    let first = stage.anna_sees("Erstens").await;
    let more = "In-Reply-To: <o1@x>\nReferences: <o1@x>\n";
    let next = kim_mail(&erik, &stage.practice, "o2@x", "Befund Lehmann", more, "Zweitens");
    stage.receive(&next).await;
    assert_eq!(stage.anna_sees("Zweitens").await.room_id, first.room_id);
    stage.all_events_are_read().await;
    let content = json!({
        "msgtype": "m.text", "body": "!original",
        "m.relates_to": {
            "rel_type": "m.thread", "event_id": first.event_id(), "is_falling_back": true,
            "m.in_reply_to": { "event_id": first.event_id() },
        },
    });
    stage.anna.send(&first.room_id, content).await.unwrap();
    let original = "select count(*) from posts where txn_id like 'e$%'";
    stage.database_says(original, "1").await;
    let letter = stage.query("select letter_id from posts where txn_id like 'e$%'").await;
    assert_eq!(letter, stage.query("select min(id) from letters").await);
}

/// Postgres fails between what `!ausladen` does and the note that its event was acted upon.
#[tokio::test]
async fn a_command_that_was_interrupted_is_answered_by_what_it_did() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    let bert = stage.colleague("bert").await;
    let room = &letter.room_id;
    let let_in = stage.anna.send_text(room, &format!("!einlassen {}", bert.user_id)).await.unwrap();
    told(&stage.anna, &let_in, &Phrase::MemberAdmitted { user_id: bert.user_id.clone() }).await;
    stage
        .query(&format!(
            "create sequence breaks_counted;
             create function breaks() returns trigger language plpgsql as
             $$ begin perform nextval('breaks_counted'); raise exception 'away'; end $$;
             create trigger breaks before update on room_events
             for each row when (new.acted_at is not null and new.sender = '{}')
             execute function breaks()",
            stage.anna_id
        ))
        .await;
    let sent = stage.anna.send_text(room, &format!("!ausladen {}", bert.user_id)).await.unwrap();
    stage.database_says("select is_called from breaks_counted", "t").await;
    assert_eq!(stage.query("select string_agg(state, ' ') from admitted").await, "in");
    stage.query("drop trigger breaks on room_events").await;
    told(&stage.anna, &sent, &Phrase::MemberDismissed { user_id: bert.user_id.clone() }).await;
    assert_eq!(stage.query("select string_agg(state, ' ') from admitted").await, "out");
}

/// The room was told that a user reads from now on, but the user cannot be invited: that is taken
/// back.
#[tokio::test]
async fn who_cannot_be_invited_is_named_to_the_room() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    let bert = stage.colleague("bert").await;
    let room = &letter.room_id;
    let path = format!("/_matrix/client/v3/rooms/{room}/ban");
    stage.as_bot("POST", &path, &json!({ "user_id": bert.user_id })).await;
    stage.anna.send_text(room, &format!("!einlassen {}", bert.user_id)).await.unwrap();
    stage.anna_is_told(&Phrase::MemberNotInvited { user_id: bert.user_id.clone() }).await;
    assert_eq!(stage.members(room).await[&bert.user_id], "ban");
}

/// A user who left voluntarily is invited once more by the same command.
#[tokio::test]
async fn who_left_and_is_let_in_again_is_invited_again() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    let bert = stage.colleague("bert").await;
    let room = &letter.room_id;
    let command = format!("!einlassen {}", bert.user_id);
    let membership = format!(
        "select membership from room_members where user_id = '{}' and room_id = '{room}'",
        bert.user_id
    );
    let asked = stage.anna.send_text(room, &command).await.unwrap();
    told(&stage.anna, &asked, &Phrase::MemberAdmitted { user_id: bert.user_id.clone() }).await;
    stage.database_says(&membership, "join").await;
    let asked = stage.anna.send_text(room, &command).await.unwrap();
    told(&stage.anna, &asked, &Phrase::MemberHereAlready { user_id: bert.user_id.clone() }).await;
    bert.leave(room).await.unwrap();
    stage.database_says(&membership, "leave").await;
    let asked = stage.anna.send_text(room, &command).await.unwrap();
    told(&stage.anna, &asked, &Phrase::MemberAdmitted { user_id: bert.user_id.clone() }).await;
    stage.database_says(&membership, "join").await;
}
