//! What a report does to the dispatch it is about (KIM-29, RFC 3464, RFC 8098).
//!
//! A report proves little: whoever knows the Message-ID and the recipient can write one, and reports
//! are lost, doubled and overtake each other. So a state moves forwards only, and where two reports
//! contradict each other a person asks the other side.

use crate::{
    channel::{FaxReportSays, FaxSaid},
    model::{DeliveryState, Fate, FateEnd, FateWhy, FaxNumber, MailAddress, Report, ReportSource},
};

/// What a report says of one recipient, as a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportSays {
    pub state: DeliveryState,
    /// Only of what did not arrive, or not yet.
    pub why: Option<FateWhy>,
}

/// What a report says of the recipient of a dispatch. Nothing when it does not speak of them: without
/// the recipient it does not show that its author knows more than a Message-ID, which stands in
/// every answer and every forwarded copy.
pub fn said_of(report: &Report, recipient: &MailAddress) -> Option<ReportSays> {
    // An absence note moves nothing: it has words for people (`rules::absence`).
    if report.source == ReportSource::Absence {
        return None;
    }
    let fates = report.fates.iter().filter(|fate| fate.recipient.as_ref() == Some(recipient));
    // A report may speak of one recipient several times: their address leads to several mailboxes, and
    // one of them may have it while another one does not.
    let said: Vec<ReportSays> = fates.filter_map(state_of).collect();
    let is_lost = said.iter().any(|said| said.state == DeliveryState::Undelivered);
    if is_lost && said.iter().any(|said| arrived(said.state)) {
        return Some(ReportSays { state: DeliveryState::Contradicted, why: None });
    }
    said.into_iter().max_by_key(|said| weight(said.state))
}

fn state_of(fate: &Fate) -> Option<ReportSays> {
    let state = match fate.end {
        FateEnd::Delivered | FateEnd::Processed | FateEnd::Denied => DeliveryState::Delivered,
        FateEnd::Relayed => DeliveryState::Relayed,
        FateEnd::Delayed => DeliveryState::Delayed,
        FateEnd::Failed => DeliveryState::Undelivered,
        FateEnd::Read => DeliveryState::Read,
        FateEnd::Discarded => DeliveryState::Discarded,
        FateEnd::Absent => return None,
    };
    Some(ReportSays { state, why: fate.why })
}

/// Bad news first, then what says most.
fn weight(state: DeliveryState) -> u8 {
    match state {
        DeliveryState::Undelivered => 5,
        DeliveryState::Read => 4,
        DeliveryState::Discarded => 3,
        DeliveryState::Delivered => 2,
        DeliveryState::Relayed => 1,
        _ => 0,
    }
}

/// What a mail server's report says of a fax: that the gateway has the mail, or does not (FAX-30). A
/// gateway that cannot be reached will not fax.
pub fn of_the_mail_to_a_gateway(said: ReportSays) -> ReportSays {
    match said.state {
        DeliveryState::Undelivered => {
            ReportSays { state: DeliveryState::Undelivered, why: Some(FateWhy::MailServer) }
        }
        DeliveryState::Delayed => {
            ReportSays { state: DeliveryState::Delayed, why: Some(FateWhy::MailServer) }
        }
        _ => TAKEN_BY_THE_GATEWAY,
    }
}

/// The gateway has the fax. That is known since its mail server took it.
pub const TAKEN_BY_THE_GATEWAY: ReportSays =
    ReportSays { state: DeliveryState::Accepted, why: None };

/// What a fax gateway's own report says (FAX-29 to FAX-32). `pages`: how many the fax had. Nothing of one
/// that says nothing definite.
pub fn said_by_gateway(said: &FaxSaid, pages: Option<u32>, pages_added: u32) -> Option<ReportSays> {
    let state = match said.says {
        FaxReportSays::Unclear => return None,
        FaxReportSays::Taken => return Some(TAKEN_BY_THE_GATEWAY),
        FaxReportSays::Again => DeliveryState::Delayed,
        FaxReportSays::Failed => DeliveryState::Undelivered,
        FaxReportSays::Sent => match (said.pages, pages) {
            // Fewer, or more than the gateway adds: not what was to be sent. A page that it adds is none of ours.
            (Some(sent), Some(pages)) if sent != pages.saturating_add(pages_added) => {
                return Some(ReportSays {
                    state: DeliveryState::Undelivered,
                    why: Some(FateWhy::Transmission),
                });
            }
            _ => return Some(ReportSays { state: DeliveryState::Delivered, why: None }),
        },
    };
    Some(ReportSays { state, why: Some(said.why) })
}

/// Whether a gateway's report can be about a fax to this number: it names the number, as it is or as it was
/// dialled, or none.
pub fn is_of_number(said: &FaxSaid, number: &FaxNumber) -> bool {
    // Behind an exchange a zero was dialled first: what looks like a number abroad may be one at home.
    let ends_alike = |dialled: &String| {
        let dialled = dialled.trim_start_matches('0');
        dialled.len() >= DIALLED_DIGITS_MIN && number.digits().ends_with(dialled)
    };
    match (&said.to, &said.to_digits) {
        (None, None) => true,
        (Some(to), _) if to == number => true,
        (_, dialled) => dialled.as_ref().is_some_and(ends_alike),
    }
}

/// From so many digits on, the end of a number is told from others.
const DIALLED_DIGITS_MIN: usize = 5;

/// What follows from a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// The dispatch gets this state, and its room is told.
    Becomes(DeliveryState),
    /// The room knows it, or knows more.
    IsKnown,
    /// It is kept until the attempt that is under way has ended.
    Waits,
    /// No report can be about this dispatch: nothing of it left under this Message-ID, or it was
    /// withdrawn. The report is somebody's letter.
    Impossible,
}

/// Judges a report about a dispatch in this state. `has_left`: a body began to leave under the
/// Message-ID that the report names.
pub fn follows(state: DeliveryState, has_left: bool, said: DeliveryState) -> Follows {
    if !has_left {
        return Follows::Impossible;
    }
    match state {
        DeliveryState::Collecting | DeliveryState::Withdrawn => Follows::Impossible,
        DeliveryState::SendingBody => Follows::Waits,
        // That a gateway has the fax says nothing new.
        _ if said == DeliveryState::Accepted => Follows::IsKnown,
        _ if state.next().contains(&said) => Follows::Becomes(said),
        // Another attempt comes: that the first one failed or is under way is past.
        DeliveryState::Waiting | DeliveryState::HandingOver | DeliveryState::Previewed => {
            Follows::IsKnown
        }
        _ if contradict(state, said) => Follows::Becomes(DeliveryState::Contradicted),
        _ => Follows::IsKnown,
    }
}

/// The same for a report that came while an attempt was under way, which has ended by now.
/// `is_overtaken`: another attempt began since; what failed before it says nothing of it.
pub fn follows_late(
    state: DeliveryState,
    has_left: bool,
    said: DeliveryState,
    is_overtaken: bool,
) -> Follows {
    let is_of_before = matches!(
        said,
        DeliveryState::Undelivered | DeliveryState::Delayed | DeliveryState::Relayed
    );
    match follows(state, has_left, said) {
        Follows::Becomes(_) if is_overtaken && is_of_before => Follows::IsKnown,
        follows => follows,
    }
}

/// Whether one says that it arrived, and the other that it did not. That a mail bounced which was read
/// is no contradiction: a copy was forwarded.
fn contradict(state: DeliveryState, said: DeliveryState) -> bool {
    match state {
        DeliveryState::Delivered => said == DeliveryState::Undelivered,
        DeliveryState::Undelivered | DeliveryState::Failed => arrived(said),
        _ => false,
    }
}

fn arrived(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Discarded)
}

/// Whether the room hears of it by a new message, and not only by a change of the earlier one: a
/// person has to act.
pub fn is_news(state: DeliveryState) -> bool {
    matches!(
        state,
        DeliveryState::Undelivered | DeliveryState::Contradicted | DeliveryState::Discarded
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(source: ReportSource, fates: &[(Option<&str>, FateEnd)]) -> Report {
        let fates = fates.iter().map(|(to, end)| Fate {
            recipient: to.map(|to| MailAddress::new(to).unwrap()),
            end: *end,
            status: None,
            why: None,
        });
        Report { about: Vec::new(), source, fates: fates.collect() }
    }

    #[test]
    fn kim_29_only_what_is_said_of_the_recipient_counts() {
        let erik = "erik@charite.kim.telematik";
        let frieda = "frieda@charite.kim.telematik";
        let delivery = ReportSource::Delivery;
        for (source, fates, expected) in [
            (delivery, &[(Some(erik), FateEnd::Delivered)][..], Some(DeliveryState::Delivered)),
            (
                delivery,
                &[(Some("ERIK@Charite.kim.telematik"), FateEnd::Failed)],
                Some(DeliveryState::Undelivered),
            ),
            // KIM-29: of several recipients ours failed, or another one.
            (
                delivery,
                &[(Some(frieda), FateEnd::Delivered), (Some(erik), FateEnd::Failed)],
                Some(DeliveryState::Undelivered),
            ),
            (delivery, &[(Some(frieda), FateEnd::Failed)], None),
            // Who does not name the recipient shows no knowledge of the dispatch.
            (delivery, &[(None, FateEnd::Failed)], None),
            (delivery, &[], None),
            // Their address leads to two mailboxes: one has it, the other one does not.
            (
                delivery,
                &[(Some(erik), FateEnd::Delivered), (Some(erik), FateEnd::Failed)],
                Some(DeliveryState::Contradicted),
            ),
            (ReportSource::Disposition, &[(Some(erik), FateEnd::Read)], Some(DeliveryState::Read)),
            // Who does not want to say whether they read it has it.
            (
                ReportSource::Disposition,
                &[(Some(erik), FateEnd::Denied)],
                Some(DeliveryState::Delivered),
            ),
            (ReportSource::Absence, &[(Some(erik), FateEnd::Absent)], None),
        ] {
            let report = report(source, fates);
            let said = said_of(&report, &MailAddress::new(erik).unwrap());
            assert_eq!(said.map(|said| said.state), expected, "{report:?}");
        }
    }

    fn gateway_says(says: FaxReportSays, to: Option<&str>, pages: Option<u32>) -> FaxSaid {
        FaxSaid {
            says,
            about: None,
            to: to.map(|to| FaxNumber::new(to).unwrap()),
            to_digits: None,
            pages,
            why: FateWhy::Busy,
            reason: None,
        }
    }

    #[test]
    fn fax_28_a_report_of_another_number_is_not_about_a_fax() {
        let number = FaxNumber::new("+49301234567").unwrap();
        let sent = |to| gateway_says(FaxReportSays::Sent, to, None);
        assert!(is_of_number(&sent(Some("+49301234567")), &number));
        assert!(is_of_number(&sent(None), &number));
        assert!(!is_of_number(&sent(Some("+49301234568")), &number));
        for (dialled, is_it) in [
            ("0301234567", true),
            ("00301234567", true),
            ("1234567", true),
            ("1234568", false),
            ("4567", false),
            ("0", false),
        ] {
            let said = FaxSaid { to_digits: Some(dialled.to_owned()), ..sent(None) };
            assert_eq!(is_of_number(&said, &number), is_it, "{dialled}");
        }
    }

    /// FAX-29, FAX-30, FAX-33: requeued and taken are not final; that the mail arrived says nothing of the
    /// paper; what the gateway could not get is not sent.
    #[test]
    fn fax_30_only_the_gateways_own_report_says_sent() {
        use FaxReportSays::{Again, Failed, Sent, Taken, Unclear};
        for (says, expected) in [
            (Taken, Some(DeliveryState::Accepted)),
            (Again, Some(DeliveryState::Delayed)),
            (Sent, Some(DeliveryState::Delivered)),
            (Failed, Some(DeliveryState::Undelivered)),
            (Unclear, None),
        ] {
            let said = said_by_gateway(&gateway_says(says, None, None), Some(2), 0);
            assert_eq!(said.map(|said| said.state), expected, "{says:?}");
        }
        for state in DeliveryState::ALL {
            let said = of_the_mail_to_a_gateway(ReportSays { state, why: None }).state;
            let moves = [DeliveryState::Delayed, DeliveryState::Undelivered].contains(&state);
            assert_eq!(said, if moves { state } else { DeliveryState::Accepted }, "{state:?}");
            if !matches!(state, DeliveryState::Collecting | DeliveryState::Withdrawn) {
                let follows = follows(state, true, DeliveryState::Accepted);
                assert!(matches!(follows, Follows::IsKnown | Follows::Waits), "{state:?}");
            }
        }
    }

    #[test]
    fn fax_31_fewer_pages_are_not_sent() {
        for (sent, pages, added, expected) in [
            (Some(2), Some(2), 0, DeliveryState::Delivered),
            (Some(1), Some(2), 0, DeliveryState::Undelivered),
            (Some(3), Some(2), 0, DeliveryState::Undelivered),
            (Some(3), Some(2), 1, DeliveryState::Delivered),
            (Some(1), Some(2), 1, DeliveryState::Undelivered),
            (None, Some(2), 0, DeliveryState::Delivered),
            (Some(2), None, 0, DeliveryState::Delivered),
        ] {
            let said = gateway_says(FaxReportSays::Sent, None, sent);
            let said = said_by_gateway(&said, pages, added).unwrap();
            assert_eq!(said.state, expected, "{sent:?} of {pages:?}");
            let why = (expected == DeliveryState::Undelivered).then_some(FateWhy::Transmission);
            assert_eq!(said.why, why);
        }
    }

    /// All cases, to be read by a person: what a report makes of a state.
    #[test]
    fn kim_29_what_each_report_makes_of_each_state() {
        let said = [
            DeliveryState::Delayed,
            DeliveryState::Relayed,
            DeliveryState::Delivered,
            DeliveryState::Read,
            DeliveryState::Discarded,
            DeliveryState::Undelivered,
        ];
        let line = |state: DeliveryState| {
            let words = said.map(|said| match follows(state, true, said) {
                Follows::Becomes(state) => state.word(),
                Follows::IsKnown => "-",
                Follows::Waits => "later",
                Follows::Impossible => "letter",
            });
            format!("{}: {}", state.word(), words.join(" "))
        };
        assert_eq!(
            DeliveryState::ALL.map(line).join("\n"),
            "collecting: letter letter letter letter letter letter\n\
             waiting: - - delivered read discarded -\n\
             handing_over: - - delivered read discarded -\n\
             previewed: - - delivered read discarded -\n\
             sending_body: later later later later later later\n\
             accepted: delayed relayed delivered read discarded undelivered\n\
             delayed: - relayed delivered read discarded undelivered\n\
             relayed: - - delivered read discarded undelivered\n\
             delivered: - - - read discarded contradicted\n\
             read: - - - - - -\n\
             discarded: - - - read - -\n\
             undelivered: - - contradicted contradicted contradicted -\n\
             contradicted: - - - - - -\n\
             failed: - - contradicted contradicted contradicted -\n\
             unclear: delayed relayed delivered read discarded undelivered\n\
             withdrawn: letter letter letter letter letter letter"
        );
        for state in DeliveryState::ALL {
            for said in said {
                assert_eq!(follows(state, false, said), Follows::Impossible);
            }
        }
    }

    proptest! {
        /// KIM-29: whatever reports come, in whatever order and however often: each step is one that
        /// the states allow, a report that comes again changes nothing, and what is undelivered,
        /// contradicted or read is not called delivered afterwards.
        #[test]
        fn kim_29_reports_in_any_order_lead_forwards(
            begins in prop::sample::select(DeliveryState::ALL.to_vec()),
            said in prop::collection::vec(prop::sample::select(DeliveryState::ALL.to_vec()), 0..12),
        ) {
            let mut state = begins;
            for said in said.into_iter().filter(|said| said.is_reported() && *said != DeliveryState::Contradicted) {
                let Follows::Becomes(next) = follows(state, true, said) else { continue };
                prop_assert!(state.to(next).is_ok());
                prop_assert!(!matches!(follows(next, true, said), Follows::Becomes(_)));
                if next == DeliveryState::Delivered {
                    let untrue = [DeliveryState::Undelivered, DeliveryState::Contradicted, DeliveryState::Read];
                    prop_assert!(!untrue.contains(&state));
                }
                state = next;
            }
        }
    }
}
