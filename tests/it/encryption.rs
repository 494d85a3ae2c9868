//! Encrypted portals, seen with clients that nobody here wrote: matrix-js-sdk, which refuses devices
//! that their owner did not sign, and matrix-nio.

use umstieg_world::{
    Client, JsClient, JsOptions,
    client::{SeenEvent, Trust},
};

use crate::stage::{Stage, kim_mail, message_id};

/// Anna with matrix-js-sdk: a signed device that believes signed devices only.
async fn strict_anna(stage: &Stage) -> JsClient {
    let options = JsOptions { cross_signed: true, trust: Trust::OnlySigned };
    let name = anna_name(stage);
    JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap()
}

/// Anna's name at the homeserver.
fn anna_name(stage: &Stage) -> String {
    stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned()
}

async fn sees(client: &Client, words: &str) -> SeenEvent {
    client
        .wait_for(&format!("a message with {words:?}"), |seen| seen.message_with(words).cloned())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_strict_client_reads_every_post_and_its_answers_leave() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "e1@x", "Befund", "", "Guten Tag")).await;

    let letter = sees(&anna, "Guten Tag").await;
    assert!(letter.encrypted, "{letter:?}");
    let question = anna.reply(&letter.room_id, letter.event_id(), "Danke sehr").await.unwrap();
    let pdf = b"%PDF-1.4 verschluesselt";
    anna.send_file(&letter.room_id, "Brief.pdf", "application/pdf", pdf).await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    let mail = &mails[0];
    assert!(mail.contains("Danke sehr"), "{mail}");
    assert!(mail.contains("Brief.pdf"), "{mail}");
    let notice = sees(&anna, "An KIM übergeben").await;
    assert_eq!(notice.reply_to(), Some(question.as_str()));

    let answered = message_id(mail);
    let more = format!("In-Reply-To: <{answered}>\nReferences: <e1@x> <{answered}>\n");
    stage
        .receive(&kim_mail(&erik, &stage.practice, "e2@x", "AW: Befund", &more, "Noch etwas"))
        .await;
    let next = sees(&anna, "Noch etwas").await;
    assert_eq!(next.room_id, letter.room_id);
    anna.wait_for("nothing doubtful", |seen| {
        let is_clear = seen.undecipherable().next().is_none() && seen.shielded().next().is_none();
        is_clear.then_some(())
    })
    .await
    .unwrap();
}
