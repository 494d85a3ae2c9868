//! Whether a fax is shown to a person before it leaves. A fax at a wrong number is a breach of
//! confidence, and paper cannot be called back.

use crate::{channel::FaxSend, model::WhyAsked};

/// What is known of a fax that is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaxFacts {
    pub send: FaxSend,
    /// Only the sending machine of a fax named the number.
    pub is_claimed: bool,
    /// The machine that sent the answered fax contradicted the gateway, whoever settled that since.
    pub is_differing: bool,
    /// It answers a fax of this number.
    pub answers_fax: bool,
    /// A fax that a person had confirmed was handed over for this number before, on this channel.
    pub was_accepted: bool,
    /// This fax was confirmed, and somebody took that back.
    pub is_taken_back: bool,
}

/// Why a person is asked before a fax leaves; nothing if none is. Where no fax leaves at all, nothing
/// comes here; if it did, a person would be asked.
pub fn why_asked(facts: FaxFacts) -> Option<WhyAsked> {
    match facts.send {
        _ if facts.is_taken_back => Some(WhyAsked::TakenBack),
        FaxSend::Off | FaxSend::Confirm => Some(WhyAsked::Always),
        FaxSend::On if facts.was_accepted => None,
        FaxSend::On if facts.is_claimed => Some(WhyAsked::Claimed),
        FaxSend::On if facts.is_differing => Some(WhyAsked::Differs),
        FaxSend::On if facts.answers_fax => None,
        FaxSend::On => Some(WhyAsked::NewNumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of the table: who is asked, and why.
    #[test]
    fn fax_25_a_number_that_is_new_or_uncertain_is_confirmed_first() {
        let sure = FaxFacts {
            send: FaxSend::On,
            is_claimed: false,
            is_differing: false,
            answers_fax: true,
            was_accepted: false,
            is_taken_back: false,
        };
        let check = |facts: FaxFacts, expected: Option<WhyAsked>| {
            assert_eq!(why_asked(facts), expected, "{facts:?}");
        };
        check(sure, None);
        check(FaxFacts { answers_fax: false, ..sure }, Some(WhyAsked::NewNumber));
        check(FaxFacts { is_claimed: true, ..sure }, Some(WhyAsked::Claimed));
        check(FaxFacts { is_differing: true, ..sure }, Some(WhyAsked::Differs));
        let known = FaxFacts { was_accepted: true, is_claimed: true, is_differing: true, ..sure };
        check(known, None);
        for send in FaxSend::ALL {
            check(FaxFacts { send, is_taken_back: true, ..known }, Some(WhyAsked::TakenBack));
        }
        for send in [FaxSend::Confirm, FaxSend::Off] {
            check(FaxFacts { send, ..known }, Some(WhyAsked::Always));
            check(FaxFacts { send, ..sure }, Some(WhyAsked::Always));
        }
    }
}
