//! Receipts that a letter asks for (KIM-31): whether a person may send one. Nothing sends one by itself.

use crate::{
    channel::{KimProfile, ServiceClass},
    model::{Defect, Letter, MailAddress, ReceiptWish, SaidService, ServiceId},
};

/// What a letter's wish for a receipt comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptOffer {
    /// It has none that a person need know of.
    Nothing,
    /// It has one that cannot be fulfilled from here.
    CannotSend,
    /// A person may send one, under this Dienstkennung.
    MaySend(ServiceId),
}

/// What decides about it besides the letter.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptFacts<'a> {
    pub classes: &'a crate::channel::ServiceClasses,
    /// Our own address: nobody asks oneself.
    pub own: &'a MailAddress,
    /// What the outer head says the mail is for, which decided at the gate, and what the inner one says.
    pub outer: &'a SaidService,
    pub inner: &'a SaidService,
    /// The Clientmodul vouches for the letter (KIM-13).
    pub is_checked: bool,
    /// All of it could be fetched, and none of its files is held back.
    pub is_whole: bool,
}

/// Decides it.
///
/// Machines that read KIM mails answer by rules of their own, so a wish in a mail for one of them is
/// nothing (KIM-31), and no report, absence note or list is answered (KIM-21).
///
/// A receipt says that a person was shown a mail, and to whom it says so must be certain. So it goes to
/// the author's own address and to no other (RFC 8098 §2.1 asks for a person's consent there; here it is
/// refused), for a letter that the Clientmodul vouches for, and that can be named by its Message-ID.
pub fn offer(letter: &Letter, facts: ReceiptFacts<'_>) -> ReceiptOffer {
    let is_for_people = facts.classes.class_of(facts.inner) == Some(ServiceClass::Chat);
    let is_ours = letter
        .from
        .iter()
        .any(|from| from.address.as_str().eq_ignore_ascii_case(facts.own.as_str()));
    let is_of_a_person = !letter.automatic && letter.report.is_none() && !is_ours;
    if letter.receipt == ReceiptWish::Nothing || !is_for_people || !is_of_a_person {
        return ReceiptOffer::Nothing;
    }
    let service = match facts.inner {
        SaidService::Is(service) => KimProfile::receipt_for(service),
        SaidService::Nothing | SaidService::Unreadable => None,
    };
    // Where another mail server stands before the gateway, there is no outer head.
    let agrees = match (facts.outer, facts.inner) {
        (SaidService::Nothing, _) => true,
        (SaidService::Is(outer), SaidService::Is(inner)) => {
            (outer.application(), outer.kind()) == (inner.application(), inner.kind())
        }
        _ => false,
    };
    let is_to_its_author = match (&letter.receipt, letter.from.as_slice()) {
        // KIM addresses are the same in capitals.
        (ReceiptWish::To(wanted), [author]) => {
            wanted.as_str().eq_ignore_ascii_case(author.address.as_str())
        }
        _ => false,
    };
    let is_shown = !letter.defects.iter().any(hides_some_of_it);
    let can = agrees
        && is_shown
        && is_to_its_author
        && facts.is_checked
        && facts.is_whole
        && letter.message_id.is_some();
    match service.filter(|_| can) {
        Some(service) => ReceiptOffer::MaySend(service),
        None => ReceiptOffer::CannotSend,
    }
}

/// Whether a defect says that the room shows less of a letter than its author sent: nobody has to have read
/// the rest.
fn hides_some_of_it(defect: &Defect) -> bool {
    match defect {
        Defect::NotAMail
        | Defect::BodyCut
        | Defect::TooManyParts
        | Defect::Encrypted
        | Defect::Unopened
        | Defect::Partial
        | Defect::Elsewhere => true,
        Defect::NoSender
        | Defect::SeveralSenders
        | Defect::TooManyHeaders
        | Defect::HeaderCut
        | Defect::ReplyToUnreadable
        | Defect::SenderUnreadable
        | Defect::AncestorsUnreadable
        | Defect::Encoding
        | Defect::Markup
        | Defect::Structure
        | Defect::Renderings
        | Defect::SignatureUnchecked => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::ServiceClasses,
        model::{MailAddress, MessageId, NamedAddress},
    };

    const ERIK: &str = "erik@charite.kim.telematik";
    const OWN: &str = "praxis@mueller.kim.telematik";

    fn address(text: &str) -> MailAddress {
        MailAddress::new(text).unwrap()
    }

    fn asking() -> Letter {
        Letter {
            from: vec![NamedAddress { name: None, address: address(ERIK) }],
            message_id: MessageId::new("1@x").ok(),
            receipt: ReceiptWish::To(address(ERIK)),
            ..Letter::default()
        }
    }

    fn said(service: &str) -> SaidService {
        ServiceId::new(service).map_or(SaidService::Nothing, SaidService::Is)
    }

    struct Case<'a> {
        outer: &'a str,
        inner: &'a str,
        is_checked: bool,
        is_whole: bool,
    }

    const CHAT: Case<'static> = Case {
        outer: "KIM-Mail;Default;V1.0",
        inner: "KIM-Mail;Default;V1.0",
        is_checked: true,
        is_whole: true,
    };

    #[track_caller]
    fn check(letter: &Letter, case: &Case<'_>, expected: &str) {
        let (outer, inner) = (said(case.outer), said(case.inner));
        let classes = ServiceClasses::default();
        let (is_checked, is_whole) = (case.is_checked, case.is_whole);
        let (classes, own, outer, inner) = (&classes, &address(OWN), &outer, &inner);
        let facts = ReceiptFacts { classes, own, outer, inner, is_checked, is_whole };
        let offer = match offer(letter, facts) {
            ReceiptOffer::Nothing => "nothing".to_owned(),
            ReceiptOffer::CannotSend => "cannot".to_owned(),
            ReceiptOffer::MaySend(service) => service.as_str().to_owned(),
        };
        assert_eq!(offer, expected);
    }

    /// B93: what was sent to oneself asks for a receipt, and the second device of the practice sends one.
    #[test]
    fn b93_nobody_sends_a_receipt_to_oneself() {
        let own = address("Praxis@mueller.kim.telematik");
        let to_oneself = Letter {
            from: vec![NamedAddress { name: None, address: own.clone() }],
            receipt: ReceiptWish::To(own),
            ..asking()
        };
        check(&to_oneself, &CHAT, "nothing");
    }

    #[test]
    fn kim_31_a_person_may_send_a_receipt_to_the_author_of_a_checked_letter() {
        check(&asking(), &CHAT, "KIM-Mail;Default;V1.0");
        check(&asking(), &Case { outer: "", ..CHAT }, "KIM-Mail;Default;V1.0");
        let newer = Case { inner: "kim-mail; default ;V1.5", ..CHAT };
        check(&asking(), &newer, "KIM-Mail;Default;V1.0");
        let message = "eNachricht;Lieferung;V2.1";
        let of_kv = Case { outer: message, inner: message, ..CHAT };
        check(&asking(), &of_kv, "eNachricht;Eingangsbestaetigung;V2.1");
        let in_capitals =
            Letter { receipt: ReceiptWish::To(address("ERIK@Charite.KIM.telematik")), ..asking() };
        check(&in_capitals, &CHAT, "KIM-Mail;Default;V1.0");
    }

    #[test]
    fn kim_31_what_cannot_be_sent_for_certain_is_not_offered() {
        let eve = ReceiptWish::To(address("eve@x.kim.telematik"));
        for receipt in [eve, ReceiptWish::Unanswerable] {
            check(&Letter { receipt, ..asking() }, &CHAT, "cannot");
        }
        check(&Letter { message_id: None, ..asking() }, &CHAT, "cannot");
        check(&Letter { from: Vec::new(), ..asking() }, &CHAT, "cannot");
        check(&asking(), &Case { is_checked: false, ..CHAT }, "cannot");
        check(&asking(), &Case { is_whole: false, ..CHAT }, "cannot");
        // Outside it is a mail for machines: whoever wrote that did not sign it.
        check(&asking(), &Case { outer: "eEB;Anfrage;V1.1", ..CHAT }, "cannot");
        let letter = "Arztbrief;VHitG-Versand;V1.2";
        check(&asking(), &Case { outer: letter, inner: letter, ..CHAT }, "cannot");
    }

    /// Promise 4: a receipt says that the mail was shown. Of these, nobody was shown all of it.
    #[test]
    fn l193_what_was_not_shown_as_a_whole_is_not_called_displayed() {
        use crate::model::Defect::{
            BodyCut, Elsewhere, Encrypted, NotAMail, Partial, TooManyParts,
        };
        for defect in [BodyCut, Elsewhere, Encrypted, NotAMail, Partial, TooManyParts] {
            check(&Letter { defects: vec![defect], ..asking() }, &CHAT, "cannot");
        }
    }

    #[test]
    fn kim_21_kim_31_no_machine_is_answered() {
        check(&Letter { receipt: ReceiptWish::Nothing, ..asking() }, &CHAT, "nothing");
        check(&Letter { automatic: true, ..asking() }, &CHAT, "nothing");
        for service in [
            "eEB;Anfrage;V1.1",
            "1ClickAbrechnung;Lieferung;V2.0",
            "KIM-Mail;Abwesend;V1.0",
            "eNachricht;Eingangsbestaetigung;V2.1",
            "Neues;Ding;V9",
            "",
        ] {
            check(&asking(), &Case { outer: service, inner: service, ..CHAT }, "nothing");
        }
    }
}
