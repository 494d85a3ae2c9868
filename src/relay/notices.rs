//! What the gateway says in a portal: a sentence in the channel's language, and what it holds.

use super::Line;
use crate::{
    channel::WhyNot,
    model::Notice,
    phrases::{FaxPhrase, Phrase, Phrases, SendingPhrase},
    rules::posts,
};

/// What is said about a dispatch that may have arrived at an earlier attempt: no later attempt
/// turns an unknown outcome into "not handed over".
pub(super) fn said_of(phrase: Phrase, may_have_arrived: bool) -> Phrase {
    if may_have_arrived { after_unclear(phrase) } else { phrase }
}

/// The same of a dispatch that is a receipt for a letter, if it is one.
pub(super) fn said_of_kind(phrase: Phrase, may_have_arrived: bool, is_receipt: bool) -> Phrase {
    match said_of(phrase, may_have_arrived) {
        said if is_receipt => Phrase::DispatchOfReceipt { said: Box::new(said) },
        said => said,
    }
}

pub(super) fn after_unclear(phrase: Phrase) -> Phrase {
    match phrase {
        Phrase::DispatchWithdrawn => Phrase::WithdrawalUnclear,
        Phrase::EditWithoutKey => Phrase::EditWithoutKeyUnclear,
        Phrase::DispatchAcceptedKim { .. }
        | Phrase::DispatchAcceptedElsewhere { .. }
        | Phrase::DispatchAcceptedFax { .. }
        | Phrase::OfFax(FaxPhrase::HandedOver { .. })
        | Phrase::DispatchUnreported { .. }
        | Phrase::DispatchRelayed { .. }
        | Phrase::DispatchDelayed { .. } => {
            Phrase::DispatchAcceptedAgain { said: Box::new(phrase) }
        }
        // Which of the attempts arrived makes no difference.
        Phrase::DispatchDelivered { .. }
        | Phrase::DispatchRead { .. }
        | Phrase::DispatchDiscarded { .. }
        | Phrase::DispatchContradicted
        | Phrase::DispatchUnclear { .. }
        | Phrase::DispatchUnclearInterrupted
        | Phrase::DispatchUnclearDamaged => phrase,
        _ => Phrase::DispatchAfterUnclear { said: Box::new(phrase) },
    }
}

/// Why nothing goes to a correspondent: each reason has its own sentence.
pub(super) fn unreachable_phrase(why: WhyNot) -> Phrase {
    match why {
        WhyNot::NotKim => Phrase::NotAKimAddress,
        WhyNot::OtherEnvironment => Phrase::OtherKimEnvironment,
        WhyNot::UnknownNumber => Phrase::UnknownFaxNotAnswerable,
        WhyNot::EmergencyNumber => Phrase::OfSending(SendingPhrase::EmergencyNumber),
        WhyNot::ShortNumber => Phrase::OfSending(SendingPhrase::ShortNumber),
        WhyNot::PremiumNumber => Phrase::OfSending(SendingPhrase::PremiumNumber),
        WhyNot::SatelliteNumber => Phrase::OfSending(SendingPhrase::SatelliteNumber),
        WhyNot::OwnNumber => Phrase::OfSending(SendingPhrase::OwnNumber),
        WhyNot::OtherCountry => Phrase::OfSending(SendingPhrase::OtherCountry),
        WhyNot::NoSuchNumber => Phrase::OfSending(SendingPhrase::NoSuchNumber),
        WhyNot::NoSender
        | WhyNot::SeveralSenders
        | WhyNot::SenderNotAllowed
        | WhyNot::SenderNotProven
        | WhyNot::OtherKind
        | WhyNot::Address(_) => Phrase::NoCorrespondentAddress,
        WhyNot::GatewayOnlyReceives => Phrase::OfFax(FaxPhrase::OnlyReceives),
    }
}

/// A sentence to everybody.
pub(super) fn notice(line: &Line, phrase: &Phrase) -> Notice {
    let sentence = Phrases::say(line.channel.language, phrase);
    Notice { substance: phrase.substance(), content: posts::notice(&sentence) }
}

/// A sentence that answers a room message.
pub(super) fn notice_to(line: &Line, phrase: &Phrase, event_id: &str) -> Notice {
    let sentence = Phrases::say(line.channel.language, phrase);
    Notice { substance: phrase.substance(), content: posts::notice_to(&sentence, event_id) }
}

/// A sentence about a dispatch: it answers the first room message that is still in it, if one is.
pub(super) fn notice_about(line: &Line, phrase: &Phrase, first_event: Option<&str>) -> Notice {
    match first_event {
        Some(event_id) => notice_to(line, phrase, event_id),
        None => notice(line, phrase),
    }
}

/// A sentence for one member.
pub(super) fn notice_for(line: &Line, phrase: &Phrase, user_id: &str) -> Notice {
    let sentence = Phrases::say(line.channel.language, phrase);
    Notice { substance: phrase.substance(), content: posts::notice_for(&sentence, user_id) }
}
