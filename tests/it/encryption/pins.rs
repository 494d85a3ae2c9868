//! R04: a member's identity is pinned. An attacker who makes another one with the password reads
//! nothing and speaks for nobody until a person who knows has confirmed it.

use umstieg::phrases::Phrase;
use umstieg_world::{
    JsClient, JsOptions,
    client::{ClientTrust, SeenEvent, SeenTimeline},
};

use super::{anna_name, sees, strict_anna};
use crate::{
    phrases::{hears, saying, told},
    stage::{Stage, kim_mail},
};

/// An attacker with a member's password, and nothing else, makes another identity for it.
async fn with_the_password_of(stage: &Stage, name: &str) -> JsClient {
    let options = JsOptions { cross_signed: true, trust: ClientTrust::AnyDevice };
    JsClient::login(&stage.world.homeserver, name, "geheim", options).await.unwrap()
}

/// A colleague of Anna's with a signed device, in the team.
async fn signed_bert(stage: &Stage) -> JsClient {
    let name = format!("bert-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    let bert = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {:?}]", stage.anna_id, bert.user_id),
    )]);
    bert
}

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <p1@x>\nReferences: <p1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

/// Waits until a client has an event and cannot read it.
async fn cannot_read(client: &JsClient, event: &SeenEvent) {
    let hidden = |seen: &SeenTimeline| {
        seen.undecipherable().find(|hidden| hidden.event_id() == event.event_id()).map(|_| ())
    };
    client.wait_for("an event without its key", hidden).await.unwrap();
}

#[tokio::test]
async fn r04_who_stole_a_password_neither_reads_nor_speaks_until_another_speaker_confirms_it() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let bert = signed_bert(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "p1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    sees(&bert, "Guten Tag").await;
    anna.send_text(&room, "Von Anna").await.unwrap();
    stage.mails(&erik, 1).await;

    let thief = with_the_password_of(&stage, &anna_name(&stage)).await;
    let said = thief.send_text(&room, "Vom Dieb").await.unwrap();
    told(&bert, &said, &Phrase::MessageOfOtherIdentity).await;
    let reset = Phrase::IdentityChanged { user_id: stage.anna_id.clone() };
    hears(&bert, &reset).await;
    // The gateway's own words still reach it: it can be told what to do.
    told(&thief, &said, &Phrase::MessageOfOtherIdentity).await;
    next_letter(&stage, &erik, "p2@x", "Vertraulich").await;
    let secret = sees(&bert, "Vertraulich").await;
    cannot_read(&thief, &secret).await;
    // Members cannot confirm themselves.
    let own = thief.send_text(&room, &format!("!vertrauen {}", stage.anna_id)).await.unwrap();
    told(&bert, &own, &Phrase::MessageOfOtherIdentity).await;
    assert_eq!(stage.texts_of_dispatches().await, ["Von Anna"]);

    // A second letter and a restart are no news.
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "p3@x", "Noch vertraulicher").await;
    let secret = sees(&bert, "Noch vertraulicher").await;
    cannot_read(&thief, &secret).await;

    let wrong = bert.send_text(&room, "!vertrauen @niemand:example.org").await.unwrap();
    told(&bert, &wrong, &Phrase::TrustNothing { user_id: "@niemand:example.org".to_owned() }).await;
    let own = bert.send_text(&room, &format!("!vertrauen {}", bert.user_id)).await.unwrap();
    told(&bert, &own, &Phrase::TrustNotYourself).await;
    let asked = bert.send_text(&room, &format!("!vertrauen {}", stage.anna_id)).await.unwrap();
    told(&bert, &asked, &Phrase::TrustConfirmed { user_id: stage.anna_id.clone() }).await;
    next_letter(&stage, &erik, "p4@x", "Wieder für alle").await;
    sees(&thief, "Wieder für alle").await;
    thief.send_text(&room, "Vom neuen Handy").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Vom neuen Handy"), "{}", mails[1]);
    assert_eq!(saying(&bert.seen(), &reset).count(), 1, "{}", bert.seen());
}

/// With one person alone no one else can confirm it; the letters wait for the admin's word.
#[tokio::test]
async fn r04_the_admin_confirms_and_what_nobody_could_read_is_said_again() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "p1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let identities = async |args: &[&str]| {
        let args: Vec<&str> = ["identities"].into_iter().chain(args.iter().copied()).collect();
        let output = stage.gateway.command(&args).await.unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, list) = identities(&["list"]).await;
    assert!(list.contains("who they were"), "{list}");

    let anew = with_the_password_of(&stage, &anna_name(&stage)).await;
    let said = anew.send_text(&room, "Mein neues Handy").await.unwrap();
    told(&anew, &said, &Phrase::MessageOfOtherIdentity).await;
    next_letter(&stage, &erik, "p2@x", "Vertraulich").await;
    stage.database_says("select count(*) from posts where unshown", "1").await;
    let (_, list) = identities(&["list"]).await;
    assert!(list.contains(&stage.anna_id), "{list}");
    assert!(!identities(&["confirm", "@niemand:example.org"]).await.0);
    let (confirmed, said) = identities(&["confirm", &stage.anna_id]).await;
    assert!(confirmed, "{said}");
    let again = sees(&anew, "Vertraulich").await;
    assert_eq!(again.room_id, room);
    hears(&anew, &Phrase::LettersAgain).await;
}
