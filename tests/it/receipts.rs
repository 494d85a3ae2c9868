//! Receipts that letters ask for: shown in one line, sent by a person alone, once (KIM-31).

use umstieg::phrases::{Phrase, ReceiptStanding};
use umstieg_world::{
    Clientmodul, JsClient,
    clientmodul::{
        CmJournal, CmStep, KimDelivery, Mishap, MishapRule, RecipientState, Submission, ready_made,
    },
};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, SOME_TIME, told},
    stage::{Stage, kim_behind},
};

const CLINIC: &str = "klinik@nord_haus.kim.telematik";

const CAN_SEND: Phrase = Phrase::LetterAsksReceipt { can_send: true };
const CANNOT_SEND: Phrase = Phrase::LetterAsksReceipt { can_send: false };

/// What is said of a receipt.
fn of_receipt(said: Phrase) -> Phrase {
    Phrase::DispatchOfReceipt { said: Box::new(said) }
}

fn asked_by(stage: &Stage) -> Phrase {
    Phrase::ReceiptAsked { user_id: stage.anna_id.clone() }
}

fn before(stage: &Stage, standing: ReceiptStanding) -> Phrase {
    Phrase::ReceiptBefore { user_id: stage.anna_id.clone(), standing }
}

/// A letter of the clinic that asks for a receipt to an address.
fn asking(practice: &str, id: &str, text: &str, wanted: &str) -> Vec<u8> {
    let mail = ready_made::chat(CLINIC, practice, "Befund", id, text);
    let mail = String::from_utf8(mail).unwrap();
    format!("Disposition-Notification-To: <{wanted}>\r\n{mail}").into_bytes()
}

/// A practice with encrypted rooms, its KIM account behind this Clientmodul, and Anna's client there.
async fn stage_behind(module: &Clientmodul) -> (Stage, JsClient) {
    module.set_recipient(CLINIC, RecipientState::Usable);
    let mut stage = Stage::encrypted_with("cross-signed", kim_behind(module)).await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    (stage, anna)
}

fn text_of(sent: &Submission) -> String {
    String::from_utf8(sent.bytes.to_vec()).unwrap()
}

/// KIM-31: the letter shows one quiet line. Nothing is answered until Anna says so; then one receipt
/// leaves to the author, names the letter, and is shown like every dispatch. A second command says so,
/// also after a kill.
#[tokio::test]
async fn kim_31_a_person_sends_the_receipt_once_and_the_room_says_who() {
    let module = Clientmodul::start().await.unwrap();
    let (mut stage, anna) = stage_behind(&module).await;
    let practice = stage.practice.clone();
    let letter = asking(&practice, "q1@kim.local", "Guten Tag", CLINIC);
    module.deliver(&practice, KimDelivery::sealed(&letter)).unwrap();
    let letter = sees(&anna, "Guten Tag").await;
    assert!(letter.body().contains(&crate::phrases::sentence(&CAN_SEND)), "{}", letter.body());
    stage.all_events_are_read().await;
    assert_eq!(module.journal().accepted().count(), 0, "nothing is answered by itself");

    let asked = anna.reply(&letter.room_id, letter.event_id(), "!quittung").await.unwrap();
    told(&anna, &asked, &asked_by(&stage)).await;
    told(&anna, &asked, &of_receipt(HANDED_TO_KIM)).await;
    let journal = module.until("the receipt", |it| it.accepted().count() == 1).await.unwrap();
    let sent = journal.accepted().next().unwrap();
    assert_eq!((sent.mail_from.as_str(), sent.recipients.len()), (practice.as_str(), 1));
    assert_eq!(sent.recipients[0].address, CLINIC);
    let receipt = text_of(sent);
    for line in [
        "X-KIM-Dienstkennung: KIM-Mail;Default;V1.0".to_owned(),
        "In-Reply-To: <q1@kim.local>".to_owned(),
        "Original-Message-ID: <q1@kim.local>".to_owned(),
        format!("Final-Recipient: rfc822; {practice}"),
        "Disposition: manual-action/MDN-sent-manually; displayed".to_owned(),
    ] {
        assert!(receipt.lines().any(|written| written == line), "{line}\n{receipt}");
    }
    assert!(
        receipt.contains("multipart/report; report-type=disposition-notification"),
        "{receipt}"
    );
    assert!(!receipt.contains("Disposition-Notification-To"), "{receipt}");

    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    let again = anna.reply(&letter.room_id, letter.event_id(), "!quittung").await.unwrap();
    told(&anna, &again, &before(&stage, ReceiptStanding::Sent)).await;
    let answer = anna.reply(&letter.room_id, letter.event_id(), "Danke").await.unwrap();
    told(&anna, &answer, &HANDED_TO_KIM).await;
    let journal = module.until("the answer", |it| it.accepted().count() == 2).await.unwrap();
    let words = text_of(journal.accepted().last().unwrap());
    assert!(words.contains("Danke") && !words.contains("multipart/report"), "{words}");
}

/// A receipt that a Clientmodul refuses failed, the room says so, and `!erneut` sends it; one whose
/// connection broke after its last byte is unclear, and is not sent again by itself.
#[tokio::test]
async fn kim_31_a_receipt_that_fails_or_is_unclear_is_called_so() {
    let module = Clientmodul::start().await.unwrap();
    let (stage, anna) = stage_behind(&module).await;
    let practice = stage.practice.clone();
    for (id, text) in [("q2@kim.local", "Erstens"), ("q3@kim.local", "Zweitens")] {
        let letter = asking(&practice, id, text, CLINIC);
        module.deliver(&practice, KimDelivery::sealed(&letter)).unwrap();
    }
    let (first, second) = (sees(&anna, "Erstens").await, sees(&anna, "Zweitens").await);

    module.goes_wrong(MishapRule::once(CmStep::EndOfData, Mishap::no_sender_certificate()));
    let asked = anna.reply(&first.room_id, first.event_id(), "!quittung").await.unwrap();
    told(&anna, &asked, &asked_by(&stage)).await;
    stage.database_says("select string_agg(state, ' ') from dispatches", "failed").await;
    let again = anna.reply(&first.room_id, first.event_id(), "!quittung").await.unwrap();
    told(&anna, &again, &before(&stage, ReceiptStanding::Failed)).await;
    anna.reply(&first.room_id, first.event_id(), "!erneut").await.unwrap();
    stage.database_says("select string_agg(state, ' ') from dispatches", "accepted").await;

    module.goes_wrong(MishapRule::once(CmStep::EndOfData, Mishap::HangUpUnanswered));
    let asked = anna.reply(&second.room_id, second.event_id(), "!quittung").await.unwrap();
    told(&anna, &asked, &of_receipt(Phrase::DispatchUnclear { at: SOME_TIME })).await;
    let again = anna.reply(&second.room_id, second.event_id(), "!quittung").await.unwrap();
    told(&anna, &again, &before(&stage, ReceiptStanding::Unclear)).await;
    let states = "select string_agg(state, ' ' order by id) from dispatches";
    assert_eq!(stage.query(states).await, "accepted unclear");
}

/// Whoever deletes the command takes the receipt back while it waits, and may ask again. After it has
/// left, the room says that it is too late.
#[tokio::test]
async fn kim_31_a_receipt_whose_command_is_deleted_does_not_leave() {
    let module = Clientmodul::start().await.unwrap();
    let (stage, anna) = stage_behind(&module).await;
    let practice = stage.practice.clone();
    let letter = asking(&practice, "q4@kim.local", "Guten Abend", CLINIC);
    module.deliver(&practice, KimDelivery::sealed(&letter)).unwrap();
    let letter = sees(&anna, "Guten Abend").await;

    let busy = Mishap::Say("451 4.3.0 Bitte spaeter".to_owned());
    module.goes_wrong(MishapRule::always(CmStep::EndOfData, busy));
    let asked = anna.reply(&letter.room_id, letter.event_id(), "!quittung").await.unwrap();
    told(&anna, &asked, &asked_by(&stage)).await;
    let tried = "select string_agg(state, ' ') from dispatches where attempts > 0";
    stage.database_says(tried, "waiting").await;
    anna.redact(&letter.room_id, &asked).await.unwrap();
    stage.database_says(tried, "withdrawn").await;
    module.behaves();

    let again = anna.reply(&letter.room_id, letter.event_id(), "!quittung").await.unwrap();
    told(&anna, &again, &of_receipt(HANDED_TO_KIM)).await;
    anna.redact(&letter.room_id, &again).await.unwrap();
    let too_late = of_receipt(Phrase::WithdrawalTooLate);
    told(&anna, &again, &too_late).await;
    assert_eq!(module.journal().accepted().count(), 1);
}

/// A request for somebody else's address, or in a mail for machines, is never answered.
#[tokio::test]
async fn kim_31_no_receipt_goes_to_anybody_but_the_author_of_a_mail_for_people() {
    let module = Clientmodul::start().await.unwrap();
    let (stage, anna) = stage_behind(&module).await;
    let practice = stage.practice.clone();
    let eve = asking(&practice, "q4@kim.local", "Fremde", "eve@x.kim.telematik");
    module.deliver(&practice, KimDelivery::sealed(&eve)).unwrap();
    let letter = sees(&anna, "Fremde").await;
    assert!(letter.body().contains(&crate::phrases::sentence(&CANNOT_SEND)), "{}", letter.body());
    // Unencrypted, so that nobody vouches for its author.
    let clear = asking(&practice, "q5@kim.local", "Offen", CLINIC);
    module.deliver(&practice, KimDelivery::plain(&clear)).unwrap();
    let open = sees(&anna, "Offen").await;
    let plain = ready_made::chat(CLINIC, &practice, "Befund", "q6@kim.local", "Ohne");
    module.deliver(&practice, KimDelivery::sealed(&plain)).unwrap();
    let quiet = sees(&anna, "Ohne").await;
    for letter in [&letter, &open, &quiet] {
        let asked = anna.reply(&letter.room_id, letter.event_id(), "!quittung").await.unwrap();
        told(&anna, &asked, &Phrase::ReceiptNotAsked).await;
    }
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
    assert_eq!(module.journal().accepted().count(), 0);
}

/// The letter is deleted from the mailbox as soon as it is in its room; the receipt needs it no more.
#[tokio::test]
async fn b98_a_receipt_leaves_after_its_letter_was_deleted_from_the_mailbox() {
    let module = Clientmodul::start().await.unwrap();
    module.set_recipient(CLINIC, RecipientState::Usable);
    let stage = Stage::with(|channels| {
        let mut kim = channels.into_iter().next().unwrap();
        kim.more_inbox = "after_relay = \"delete\"\n".to_owned();
        kim.more_kim.push_str("mailbox = \"owned\"\n");
        vec![kim.behind(&module).unwrap()]
    })
    .await;
    let practice = &stage.practice;
    let letter = asking(practice, "q7@kim.local", "Zum Löschen", CLINIC);
    let uidl = module.deliver(practice, KimDelivery::sealed(&letter)).unwrap();
    let letter = stage.anna_sees("Zum Löschen").await;
    let is_gone = |journal: &CmJournal| journal.mail(practice, &uidl).deleted;
    module.until("the letter is deleted", is_gone).await.unwrap();
    stage.anna.reply(&letter.room_id, letter.event_id(), "!quittung").await.unwrap();
    stage.anna_is_told(&of_receipt(HANDED_TO_KIM)).await;
    let journal = module.until("the receipt", |it| it.accepted().count() == 1).await.unwrap();
    let receipt = text_of(journal.accepted().next().unwrap());
    assert!(receipt.contains("Original-Message-ID: <q7@kim.local>"), "{receipt}");
}
