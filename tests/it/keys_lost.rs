//! Messages whose key never comes.

use umstieg::phrases::Phrase;

use crate::{
    encryption::{sees, strict_anna},
    phrases::told,
    stage::{Stage, kim_mail},
};

/// L130: a message whose key is lost was sent again: nothing waits for it any more.
#[tokio::test]
async fn a_figure_of_missing_keys_falls_once_its_message_was_sent_again() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "w1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    // As of a device that was lost before its key came.
    stage
        .query(&format!(
            "create function waits() returns trigger language plpgsql as
             $$ begin new.state := 'waiting'; new.session_id := 'verloren'; return new; end $$;
             create trigger waits before insert on room_events
             for each row when (new.sender = '{}') execute function waits()",
            stage.anna_id
        ))
        .await;
    let waits = anna.send_text(&room, "Bitte 5 mg geben").await.unwrap();
    told(&anna, &waits, &Phrase::MessageWithoutKey).await;
    stage.query("drop trigger waits on room_events").await;
    anna.send_text(&room, "Noch einmal").await.unwrap();
    stage.mails(&erik, 1).await;
    stage
        .until("the figure falls", async || {
            stage.gateway.metric("umstieg_events_waiting_for_keys").await < 0.5
        })
        .await;
}
