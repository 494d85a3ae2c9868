//! What has come, judged before its author is asked.

use crate::{
    channel::{Channel, FaxMail, FaxMissedCall, FaxSaid, WhyNot},
    model::{ChannelKind, Correspondent, Defect, Fate, FateEnd, Letter, Report, ReportSource},
};

/// What a mail is to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A letter of this correspondent.
    Letter(Correspondent),
    /// A report about a dispatch that bore one of the Message-IDs it names (`Report::about`), and whose
    /// letter it is. The dispatch is found by channel and Message-ID, never by the author:
    /// whoever it is from, the dispatch's room is told of it.
    Report(Correspondent),
    /// A report of a mail server, on a channel whose letters come from others: a mail of ours did not reach
    /// the fax gateway, or did. Only who had that mail knows the Message-ID that it names. One that moves
    /// no dispatch is parked; the word says why.
    ServerReport(&'static str),
    /// A mail of which not even the head could be fetched. The team is told of it, in one room of
    /// the channel, because its author is unknown.
    Missing(Correspondent),
    /// A call that brought no fax (FAX-5). The team is told of it in the same room.
    MissedFax(Correspondent, FaxMissedCall),
    /// What the fax gateway says of a fax of ours (FAX-28).
    FaxReport(FaxSaid),
    /// Nothing that belongs into a room. A person has to look; the word says why.
    Parked(&'static str),
}

/// Judges a mail. `out_of_reach`: its server does not hand it out.
pub fn judge(channel: &Channel, letter: &Letter, out_of_reach: bool) -> Arrival {
    if out_of_reach && letter.defects.contains(&Defect::NotAMail) {
        return Arrival::Missing(match channel.kind() {
            ChannelKind::Kim => Correspondent::UnknownSender,
            ChannelKind::Fax => Correspondent::UnknownFax,
        });
    }
    match channel.correspondent_of(letter) {
        Ok(correspondent) => match channel.fax_mail(letter) {
            // A report of mail servers is one whatever its words are.
            _ if told_of(letter).is_some() => Arrival::Report(correspondent),
            Some(FaxMail::Missed(call)) => Arrival::MissedFax(correspondent, call),
            Some(FaxMail::Report(said)) => Arrival::FaxReport(said),
            Some(FaxMail::Fax(_) | FaxMail::Other) | None => Arrival::Letter(correspondent),
        },
        // It names no sender, so it cannot be answered; but a person can read it. A fax without its
        // gateway's name is another matter: anybody may have brought it (FAX-12).
        Err(WhyNot::NoSender | WhyNot::SeveralSenders) if channel.kind() == ChannelKind::Kim => {
            of(letter, Correspondent::UnknownSender)
        }
        Err(WhyNot::NoSender | WhyNot::SenderNotAllowed | WhyNot::SenderNotProven)
            if told_of(letter).is_some_and(is_bad_news) =>
        {
            Arrival::ServerReport(WhyNot::SenderNotAllowed.word())
        }
        Err(why) => Arrival::Parked(why.word()),
    }
}

/// Whether it says of its mail that it did not arrive, or not yet. Good news of a stranger hides a fault.
fn is_bad_news(report: &Report) -> bool {
    let is_bad = |fate: &Fate| matches!(fate.end, FateEnd::Failed | FateEnd::Delayed);
    !report.fates.is_empty() && report.fates.iter().all(is_bad)
}

fn of(letter: &Letter, author: Correspondent) -> Arrival {
    if told_of(letter).is_some() { Arrival::Report(author) } else { Arrival::Letter(author) }
}

/// The report in a letter of which the room of a dispatch is told. An absence note is
/// none: it is told in the thread itself (`rules::absence`), or is a letter like a report that names no mail.
pub fn told_of(letter: &Letter) -> Option<&Report> {
    let is_told =
        |report: &&Report| report.source != ReportSource::Absence && !report.about.is_empty();
    letter.report.as_ref().filter(is_told)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        channel::{Dialect, KimEnvironment, KimProfile, Rights, ThreadBy},
        model::{ChannelName, Language, MailAddress, MessageId, NamedAddress, Trust},
    };

    fn mailbox(address: &str) -> NamedAddress {
        NamedAddress { name: None, address: MailAddress::new(address).unwrap() }
    }

    fn report(source: ReportSource, about: &[&str]) -> Report {
        let about = about.iter().map(|id| MessageId::new(id).unwrap()).collect();
        Report { about, source, fates: Vec::new() }
    }

    fn kim() -> Channel {
        Channel {
            name: ChannelName::new("kim").unwrap(),
            label: "Praxis".to_owned(),
            address: MailAddress::new("praxis@mueller.kim.telematik").unwrap(),
            team: Vec::new(),
            speakers: Vec::new(),
            rights: Rights::default(),
            thread_by: ThreadBy::Thread,
            collect: Duration::from_secs(20),
            language: Language::German,
            trust: Trust::CrossSigned,
            tells_clients: false,
            insured_persons: false,
            alarm: Duration::from_secs(60),
            has_team_room: true,
            tray: Default::default(),
            dialect: Dialect::Kim(KimProfile::new(KimEnvironment::Production)),
        }
    }

    #[test]
    fn a_mail_is_judged_by_what_it_is_and_then_by_whom_it_is_from() {
        let erik = "erik@charite.kim.telematik";
        let of = |from: &[&str], defects: &[Defect]| Letter {
            from: from.iter().map(|address| mailbox(address)).collect(),
            defects: defects.to_vec(),
            ..Letter::default()
        };
        let unknown = || Correspondent::UnknownSender;
        for (letter, out_of_reach, expected) in [
            (of(&[erik], &[]), false, Arrival::Letter(Correspondent::Mail(mailbox(erik).address))),
            (of(&[erik], &[]), true, Arrival::Letter(Correspondent::Mail(mailbox(erik).address))),
            (of(&[], &[]), false, Arrival::Letter(unknown())),
            (of(&[erik, "anna@charite.kim.telematik"], &[]), false, Arrival::Letter(unknown())),
            (of(&[], &[Defect::NotAMail]), false, Arrival::Letter(unknown())),
            (of(&[], &[Defect::NotAMail]), true, Arrival::Missing(unknown())),
            // Whatever it claims: of a mail that cannot be fetched, that is no more than a head.
            (of(&[erik], &[Defect::NotAMail]), true, Arrival::Missing(unknown())),
        ] {
            assert_eq!(judge(&kim(), &letter, out_of_reach), expected, "{letter:?}");
        }
    }

    /// KIM-29: a report is one whoever it is from; but what its channel does not take from its author
    /// is no report either (FAX-12).
    #[test]
    fn kim_29_a_report_is_a_report_whoever_it_is_from() {
        let erik = "erik@charite.kim.telematik";
        for (from, author) in [
            (&[erik][..], Correspondent::Mail(mailbox(erik).address)),
            (&[], Correspondent::UnknownSender),
            (&[erik, "anna@charite.kim.telematik"], Correspondent::UnknownSender),
        ] {
            let letter = Letter {
                from: from.iter().map(|address| mailbox(address)).collect(),
                report: Some(report(ReportSource::Delivery, &["1@kim.local"])),
                ..Letter::default()
            };
            assert_eq!(judge(&kim(), &letter, false), Arrival::Report(author));
        }
    }

    /// KIM-21: an absence note is no report that its room is told of, and neither is one about nothing.
    #[test]
    fn kim_21_the_room_of_an_answer_is_told_of_what_names_it_and_is_no_absence_note() {
        use ReportSource::{Absence, Delivery, Disposition, KimFault};
        for (source, about, expected) in [
            (Delivery, &["1@kim.local"][..], true),
            (Disposition, &["1@kim.local"], true),
            (KimFault, &["1@kim.local"], true),
            (Absence, &["1@kim.local"], false),
            (Delivery, &[], false),
        ] {
            let letter = Letter { report: Some(report(source, about)), ..Letter::default() };
            assert_eq!(told_of(&letter).is_some(), expected, "{source:?} {about:?}");
        }
        assert_eq!(told_of(&Letter::default()), None);
    }
}
