//! The two roads through a simulated Clientmodul, which does what no stock server does.

use umstieg_world::{
    Clientmodul,
    clientmodul::{CmJournal, KimDelivery, KimProtocol, RecipientState, ready_made},
};

use crate::{
    phrases::HANDED_TO_KIM,
    stage::{Stage, kim_behind},
};

const CLINIC: &str = "klinik@nord_haus.kim.telematik";

/// A practice whose KIM account is behind this Clientmodul.
async fn stage_behind(module: &Clientmodul) -> Stage {
    module.set_recipient(CLINIC, RecipientState::Usable);
    Stage::with(kim_behind(module)).await
}

#[tokio::test]
async fn kim_38_both_roads_lead_through_a_clientmodul() {
    let module = Clientmodul::start().await.unwrap();
    let stage = stage_behind(&module).await;
    let practice = &stage.practice;
    let mail = ready_made::chat(CLINIC, practice, "Befund", "a1@kim.local", "Guten Tag");
    let uidl = module.deliver(practice, KimDelivery::sealed(&mail)).unwrap();

    let letter = stage.anna_sees("Guten Tag").await;
    assert!(letter.body().starts_with("Befund"), "{}", letter.body());
    stage.anna.reply(&letter.room_id, letter.event_id(), "Danke").await.unwrap();
    stage.anna_is_told(&HANDED_TO_KIM).await;

    let journal = module.until("the answer", |it| it.accepted().count() == 1).await.unwrap();
    let sent = journal.accepted().next().unwrap();
    assert_eq!(
        (sent.account.as_str(), sent.mail_from.as_str()),
        (practice.as_str(), practice.as_str())
    );
    assert_eq!(sent.recipients[0].address, CLINIC);
    let answer = String::from_utf8(sent.bytes.to_vec()).unwrap();
    assert!(answer.contains("In-Reply-To: <a1@kim.local>") && answer.contains("Danke"), "{answer}");

    let looks = module.journal().count(KimProtocol::Pop3, "UIDL");
    let looked_again = |it: &CmJournal| it.count(KimProtocol::Pop3, "UIDL") > looks;
    let journal = module.until("the next look", looked_again).await.unwrap();
    assert_eq!(journal.mail(practice, &uidl).retr, 1, "a letter is brought once");
}
