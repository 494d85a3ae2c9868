//! The two roads through a simulated Clientmodul, which does what no stock server does.

use umstieg::phrases::Phrase;
use umstieg_world::{
    Clientmodul,
    clientmodul::{
        CmJournal, CmStep, DsnFacts, DsnForm, KimDelivery, KimProtocol, Mishap, MishapRule,
        RecipientState, ready_made, reports,
    },
};

use crate::{
    phrases::{HANDED_TO_KIM, SOME_TIME},
    stage::{Stage, kim_behind},
};

const CLINIC: &str = "klinik@nord_haus.kim.telematik";

const DELIVERED: Phrase = Phrase::DispatchDelivered { at: SOME_TIME };

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

/// The report comes while the mail server has not said yet that it took the mail. It is not lost, and the
/// answer is not called delivered before it is known to be handed over.
#[tokio::test]
async fn b99_a_report_that_overtakes_the_server_s_answer_is_not_lost() {
    let module = Clientmodul::start().await.unwrap();
    module.switch(|it| it.dsn_form = DsnForm::Never);
    let stage = stage_behind(&module).await;
    let practice = &stage.practice;
    let mail = ready_made::chat(CLINIC, practice, "Befund", "a2@kim.local", "Guten Morgen");
    module.deliver(practice, KimDelivery::sealed(&mail)).unwrap();
    let letter = stage.anna_sees("Guten Morgen").await;
    module.goes_wrong(MishapRule::once(CmStep::EndOfData, Mishap::Hold));
    stage.anna.reply(&letter.room_id, letter.event_id(), "Danke").await.unwrap();
    stage.until("all of it was handed over", async || !module.is_armed(CmStep::EndOfData)).await;

    let id = stage.query("select message_id from dispatches").await;
    let facts = DsnFacts {
        to: practice,
        recipient: CLINIC,
        message_id: &format!("<{id}>"),
        time: 1_793_600_000,
        number: 1,
        ..DsnFacts::default()
    };
    let report = KimDelivery::plain(&reports::dsn(&facts, DsnForm::Clean));
    let uidl = module.deliver(practice, report).unwrap();
    let is_read = format!("select state <> 'stored' from letters where mail_key = '{uidl}'");
    stage.database_says(&is_read, "t").await;
    assert_eq!(stage.query("select state from dispatches").await, "sending_body");
    assert_eq!(stage.anna_was_told(&DELIVERED), 0);

    module.release();
    stage.anna_is_told(&DELIVERED).await;
    stage.database_says("select state from dispatches", "delivered").await;
    assert_eq!(module.journal().accepted().count(), 1);
}
