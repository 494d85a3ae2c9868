//! What a room should know about a letter besides its words.

use time::OffsetDateTime;

use crate::{
    channel::{AnswersTo, CallerDoubt, Channel, Dialect, ServiceClass},
    model::{
        ChannelKind, Correspondent, Defect, KimFields, Letter, NamedAddress, ReportSource,
        SaidService,
    },
    phrases::{Phrase, Phrases},
    rules::{
        receipts::{self, ReceiptFacts, ReceiptOffer},
        service::{self, ServiceNote},
        threading::Placement,
    },
};

/// How many other recipients of a letter are named.
const ALSO_TO_MAX: usize = 10;

/// All hints, in the order in which the room is told.
pub(super) fn hints(
    channel: &Channel,
    letter: &Letter,
    placement: Placement,
    correspondent: &Correspondent,
    answers_to: &AnswersTo,
    doubt: Option<&CallerDoubt>,
) -> Vec<Phrase> {
    let mut hints = Vec::new();
    // A report says itself that it fits nothing here.
    if placement == Placement::OpenDespiteClaim && !is_report(letter) {
        hints.push(Phrase::UnknownThread);
    }
    hints.extend(defects_hints(letter));
    hints.extend(own_hint(channel, letter));
    hints.extend(sent_by_hint(channel, letter));
    hints.extend(answers_hint(correspondent, answers_to));
    hints.extend(doubt.map(doubt_hint));
    hints
}

/// What a KIM mail is for; nothing when it does not say.
pub(super) fn class_of(channel: &Channel, said: &SaidService) -> Option<ServiceClass> {
    match &channel.dialect {
        Dialect::Kim(profile) => profile.classes.class_of(said),
        Dialect::Fax(_) => None,
    }
}

/// What a KIM mail is for, when that is nothing that people read (KIM-9, KIM-22).
pub(super) fn service_hint(
    channel: &Channel,
    outer: &SaidService,
    inner: &SaidService,
) -> Option<Phrase> {
    let Dialect::Kim(profile) = &channel.dialect else { return None };
    Some(match service::note(&profile.classes, outer, inner)? {
        ServiceNote::Machine(service) => Phrase::LetterForMachines {
            application: service.application(),
            service: service.as_str().to_owned(),
        },
        ServiceNote::Unknown(service) => Phrase::LetterServiceUnknown {
            service: service.map(|service| service.as_str().to_owned()),
        },
    })
}

/// Whether a person may send the receipt that a KIM letter asks for (KIM-31).
pub(super) fn receipt_offer(
    channel: &Channel,
    letter: &Letter,
    service: (&SaidService, &SaidService),
    (is_checked, is_whole): (bool, bool),
) -> ReceiptOffer {
    let Dialect::Kim(profile) = &channel.dialect else { return ReceiptOffer::Nothing };
    let (outer, inner) = service;
    let (classes, own) = (&profile.classes, &channel.address);
    let facts = ReceiptFacts { classes, own, outer, inner, is_checked, is_whole };
    receipts::offer(letter, facts)
}

/// A quiet line with the fields of KIM that nobody knows (KIM-19). On a fax line they mean nothing.
pub(super) fn unknown_fields(channel: &Channel, fields: KimFields) -> Option<Phrase> {
    let is_some = channel.kind() == ChannelKind::Kim && !fields.shown.is_empty();
    is_some.then_some(Phrase::LetterUnknownFields { fields: fields.shown, more: fields.more })
}

/// What is wrong with a letter, and that a machine wrote it.
fn defects_hints(letter: &Letter) -> Vec<Phrase> {
    let mut hints = Vec::new();
    for defect in &letter.defects {
        let hint = match defect {
            // Said where the letter was placed, and together with where its answers go.
            Defect::AncestorsUnreadable | Defect::ReplyToUnreadable | Defect::SenderUnreadable => {
                continue;
            }
            Defect::NoSender => Phrase::NoSender,
            Defect::SeveralSenders => Phrase::SeveralSenders,
            Defect::BodyCut => Phrase::LetterCut,
            Defect::Markup => Phrase::LetterMarkup,
            Defect::NotAMail => Phrase::LetterNotAMail,
            Defect::TooManyHeaders | Defect::HeaderCut => Phrase::LetterHeadCut,
            Defect::TooManyParts => Phrase::LetterPartsLeftOut,
            Defect::Encoding => Phrase::LetterDefects,
            Defect::Structure => Phrase::LetterStructure,
            Defect::Renderings => Phrase::LetterRenderings,
            Defect::SignatureUnchecked => Phrase::LetterSignatureUnchecked,
            Defect::Encrypted => Phrase::LetterEncrypted,
            Defect::Unopened => Phrase::LetterUnopened,
            Defect::Partial => Phrase::LetterPartial,
            Defect::Elsewhere => Phrase::LetterElsewhere,
        };
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    if letter.automatic {
        hints.push(Phrase::AutomaticLetter { is_report: is_report(letter) });
    }
    hints
}

/// Whether a machine tells in it what became of a mail.
fn is_report(letter: &Letter) -> bool {
    letter.automatic && letter.report.as_ref().is_some_and(|it| it.source != ReportSource::Absence)
}

/// Says that a letter is from the channel's own address: a mail of ours came back, or another program
/// uses the address. Whoever answers it writes to themselves (KIM-21).
fn own_hint(channel: &Channel, letter: &Letter) -> Option<Phrase> {
    let is_own = letter.from.iter().any(|from| from.address == channel.address);
    (is_own && channel.kind() == ChannelKind::Kim).then_some(Phrase::LetterOwn)
}

/// Says that another account sent the letter than its author's. For a fax this is its gateway's
/// business.
fn sent_by_hint(channel: &Channel, letter: &Letter) -> Option<Phrase> {
    if channel.kind() != ChannelKind::Kim {
        return None;
    }
    let is_author =
        |sender: &NamedAddress| letter.from.iter().any(|from| from.address == sender.address);
    match letter.sender.iter().find(|sender| !is_author(sender)) {
        Some(sender) => {
            Some(Phrase::LetterSentBy { address: Some(sender.address.as_str().to_owned()) })
        }
        None if letter.defects.contains(&Defect::SenderUnreadable) => {
            Some(Phrase::LetterSentBy { address: None })
        }
        None => None,
    }
}

/// What the room should know before anybody answers.
fn answers_hint(correspondent: &Correspondent, answers_to: &AnswersTo) -> Option<Phrase> {
    if correspondent.is_unknown() {
        return None;
    }
    match answers_to {
        AnswersTo::Sender => None,
        AnswersTo::Elsewhere { to, has_more } => Some(Phrase::AnswersGoElsewhere {
            address: to.as_str().to_owned(),
            has_more: *has_more,
        }),
        AnswersTo::OutOfReach { wanted } => {
            let address = wanted.as_ref().map(|wanted| wanted.as_str().to_owned());
            Some(Phrase::AnswersWantedElsewhere { address })
        }
        AnswersTo::Nobody => Some(Phrase::SenderReadsNoAnswers),
    }
}

fn doubt_hint(doubt: &CallerDoubt) -> Phrase {
    match doubt {
        CallerDoubt::Claimed(number) => {
            Phrase::FaxNumberClaimed { number: number.as_str().to_owned() }
        }
        CallerDoubt::Differs { caller, station } => Phrase::FaxNumbersDiffer {
            number: caller.as_str().to_owned(),
            station: station.clone(),
        },
    }
}

/// What comes between a letter's subject and its words: that it is urgent, when it was written if
/// not today, to whom else it went, and that its sender asks for a receipt.
pub(super) fn head(
    channel: &Channel,
    letter: &Letter,
    receipt: &ReceiptOffer,
    now: OffsetDateTime,
) -> Vec<Phrase> {
    let mut head = Vec::new();
    if letter.urgent {
        head.push(Phrase::LetterUrgent);
    }
    if let Some(at) = letter.date.filter(|at| Phrases::day_of(*at) != Phrases::day_of(now)) {
        head.push(Phrase::LetterWritten { at });
    }
    // The recipients a fax gateway writes to are its own business.
    if channel.kind() == ChannelKind::Kim {
        let mut others: Vec<&NamedAddress> = Vec::new();
        for mailbox in letter.to.iter().chain(&letter.cc) {
            let is_known = others.iter().any(|other| other.address == mailbox.address);
            if mailbox.address != channel.address && !is_known {
                others.push(mailbox);
            }
        }
        if !others.is_empty() {
            let shown = others.iter().take(ALSO_TO_MAX).map(|mailbox| match &mailbox.name {
                Some(name) => format!("{name} <{}>", mailbox.address.as_str()),
                None => mailbox.address.as_str().to_owned(),
            });
            let more = others.len().saturating_sub(ALSO_TO_MAX);
            head.push(Phrase::LetterAlsoTo { who: shown.collect(), more: more as u64 });
        }
    }
    match receipt {
        ReceiptOffer::Nothing => {}
        ReceiptOffer::CannotSend => head.push(Phrase::LetterAsksReceipt { can_send: false }),
        ReceiptOffer::MaySend(_) => head.push(Phrase::LetterAsksReceipt { can_send: true }),
    }
    head
}
