//! What the gateway itself says is for every device of the members; what people wrote is not.

use serde_json::json;
use umstieg::phrases::Phrase;
use umstieg_world::{
    Client, JsClient, JsOptions,
    client::{ClientTrust, SeenTimeline},
};

use super::{sees, strict_anna, unsigned_anna};
use crate::{
    phrases::{hears, saying, told},
    stage::{Stage, kim_mail},
};

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <w1@x>\nReferences: <w1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

/// Waits until a client has an event, and fails when it can read it.
async fn cannot_read(client: &Client, event_id: &str) {
    let hidden = |seen: &SeenTimeline| {
        seen.undecipherable().find(|event| event.event_id() == event_id).cloned()
    };
    client.wait_for("an event without its key", hidden).await.unwrap();
    assert!(client.seen().messages().all(|event| event.event_id() != event_id));
}

#[tokio::test]
async fn an_unsigned_device_reads_what_concerns_it_and_nothing_that_was_written() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let unsigned = unsigned_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "w1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    let room = &letter.room_id;
    cannot_read(&unsigned, letter.event_id()).await;
    let kept = unsigned.send_text(room, "Vom alten Handy").await.unwrap();
    told(&unsigned, &kept, &Phrase::MessageNotBelieved).await;
    // The bot's words are for it, the letter that the bot brings is not.
    let content = json!({
        "msgtype": "m.text", "body": "!original",
        "m.relates_to": { "m.in_reply_to": { "event_id": letter.event_id() } },
    });
    let asked = anna.send(room, content).await.unwrap();
    told(&unsigned, &asked, &Phrase::OriginalFollows).await;
    let original = sees(&anna, "original-").await;
    cannot_read(&unsigned, original.event_id()).await;
    // A session that everybody had is not used for what is written next.
    next_letter(&stage, &erik, "w2@x", "Nachtrag").await;
    let next = sees(&anna, "Nachtrag").await;
    cannot_read(&unsigned, next.event_id()).await;
    // She has a signed device: no one is locked out.
    let locked_out = Phrase::MemberLockedOut { user_id: stage.anna_id.clone() };
    assert_eq!(saying(&anna.seen(), &locked_out).count(), 0, "{}", anna.seen());
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
}

#[tokio::test]
async fn who_has_no_signed_device_is_told_once_and_reads_on_once_it_is_signed() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let name = format!("clara-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let options = JsOptions { cross_signed: false, trust: ClientTrust::AnyDevice };
    let clara = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    let anna = strict_anna(&stage).await;
    let team = |team: &[&str]| format!("team = {team:?}");
    let (old, new) = (team(&[&stage.anna_id]), team(&[&stage.anna_id, &clara.user_id]));
    stage.edit_settings(&[(&old, &new)]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "w1@x", "Befund", "", "Erstens")).await;
    let first = sees(&anna, "Erstens").await;
    cannot_read(&clara, first.event_id()).await;
    let locked_out = Phrase::MemberLockedOut { user_id: clara.user_id.clone() };
    let notice = hears(&clara, &locked_out).await;
    assert!(notice.encrypted, "{notice}");
    assert_eq!(notice.sender, stage.bot_id());

    // No news with the next letter, nor after a restart.
    next_letter(&stage, &erik, "w2@x", "Zweitens").await;
    let second = sees(&anna, "Zweitens").await;
    cannot_read(&clara, second.event_id()).await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "w3@x", "Drittens").await;
    let third = sees(&anna, "Drittens").await;
    cannot_read(&clara, third.event_id()).await;

    clara.sign(&name, "geheim").await.unwrap();
    let changed = format!(
        "select dirty::text from crypto_tracked_users as tracked
         join devices on devices.id = tracked.device
         where tracked.user_id = '{}' and devices.user_id = '{}'",
        clara.user_id, third.sender
    );
    stage.database_says(&changed, "true").await;
    next_letter(&stage, &erik, "w4@x", "Viertens").await;
    sees(&clara, "Viertens").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    assert_eq!(saying(&clara.seen(), &locked_out).count(), 1, "{}", clara.seen());
    stage.database_says("select count(*) from locked_out_members", "0").await;
}
