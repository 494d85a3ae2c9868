//! Which letters are told as absence notes, and how often (KIM-21).
//!
//! Anybody can write the marks of an absence note into a head. So a mark alone hides nothing: what is
//! taken for a note is said with all its words, and the only thing that is not said again is what the
//! same sender said in the same thread in the same words within the last day.

use time::{Duration, OffsetDateTime};

use crate::{
    channel::{AnswersTo, ServiceClass},
    model::{Letter, MailAddress, MessageId, ReportSource},
};

/// The same words are told at most once in this time.
const TOLD_ONCE_IN: Duration = Duration::hours(24);

/// A note that names no mail is about what left for its sender last, at most so long ago.
pub const ABOUT_LAST_WITHIN: Duration = Duration::hours(24);

/// Which mail of ours an absence note answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteAbout {
    /// It bore one of these ids.
    Named(Vec<MessageId>),
    /// It names none. Whether a KIM provider's notes do is not published (assumed: not always), and they
    /// come as soon as a mail arrives: it is the last one for the note's sender.
    Last,
}

/// What an absence note answers; nothing when the letter is none by its marks.
///
/// `class`: what its Dienstkennung says. A practice's own table of classes may call others than
/// `KIM-Mail;Abwesend` absence notes.
pub fn answered_by(letter: &Letter, class: Option<ServiceClass>) -> Option<NoteAbout> {
    let is_of_class = class == Some(ServiceClass::Absence);
    let ids = match &letter.report {
        Some(report) if report.source == ReportSource::Absence => report.about.clone(),
        None if is_of_class => letter.in_reply_to.clone(),
        _ => return None,
    };
    if !ids.is_empty() {
        return Some(NoteAbout::Named(ids));
    }
    let names_none = letter.in_reply_to.is_empty() && letter.references.is_empty();
    (is_of_class && names_none).then_some(NoteAbout::Last)
}

/// Whether a letter may be told as a note: it is words alone, of one author, all of which can be read
/// and shown, and nothing about it wants a person's eye. Everything else stays a letter.
pub fn is_words_alone(letter: &Letter, files: usize, answers_to: &AnswersTo) -> bool {
    let is_author = |address: &MailAddress| letter.from.iter().all(|from| from.address == *address);
    files == 0
        && letter.from.len() == 1
        && letter.sender.iter().all(|sender| is_author(&sender.address))
        && letter.defects.is_empty()
        && matches!(answers_to, AnswersTo::Sender | AnswersTo::Nobody)
        && !letter.body.text.trim().is_empty()
}

/// Whether a note is told, when the same words were told last at `told_at`.
///
/// A time to come is a clock that was set back since: then it is told once more, and nothing is lost.
pub fn is_told(told_at: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    told_at.is_none_or(|told| told > now || now - told >= TOLD_ONCE_IN)
}

/// The words of a note, as two of them are compared: blanks and line ends do not count.
pub fn words(letter: &Letter) -> String {
    let of = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{}\n{}", of(&letter.subject), of(&letter.body.text))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::model::{Body, Defect, NamedAddress, Report};

    fn note(text: &str) -> Letter {
        let address = MailAddress::new("erik@charite.kim.telematik").unwrap();
        Letter {
            from: vec![NamedAddress { name: None, address }],
            body: Body { text: text.to_owned(), html: None },
            ..Letter::default()
        }
    }

    #[test]
    fn kim_21_a_note_is_told_once_a_day() {
        let now = datetime!(2026-11-27 08:00 UTC);
        for (told_at, expected) in [
            (None, true),
            (Some(datetime!(2026-11-27 08:00 UTC)), false),
            (Some(datetime!(2026-11-27 07:59 UTC)), false),
            (Some(datetime!(2026-11-26 08:01 UTC)), false),
            (Some(datetime!(2026-11-26 08:00 UTC)), true),
            (Some(datetime!(2026-01-01 08:00 UTC)), true),
            // The clock was set back.
            (Some(datetime!(2026-11-27 08:01 UTC)), true),
        ] {
            assert_eq!(is_told(told_at, now), expected, "{told_at:?}");
        }
    }

    #[test]
    fn kim_21_blanks_make_no_other_note_and_words_do() {
        let of = |text: &str| words(&note(text));
        assert_eq!(of("Bis Montag\nabwesend\n"), of(" Bis  Montag abwesend"));
        assert_ne!(of("Bis Montag abwesend"), of("Bis Dienstag abwesend"));
        let other = Letter { subject: "Abwesend".to_owned(), ..note("Bis Montag abwesend") };
        assert_ne!(words(&other), of("Bis Montag abwesend"));
    }

    #[test]
    fn kim_21_only_marked_answers_to_something_are_notes() {
        let id = |text: &str| MessageId::new(text).unwrap();
        let report = |source, about: &[MessageId]| {
            Some(Report { about: about.to_vec(), source, fates: Vec::new() })
        };
        let answer = Letter { in_reply_to: vec![id("1@kim.local")], ..note("Bin weg") };
        let with = |report| Letter { report, ..answer.clone() };
        let ids = vec![id("1@kim.local")];
        let own = NoteAbout::Named(ids.clone());
        let elsewhere = Letter { references: ids.clone(), ..note("Bin weg") };
        for (letter, class, expected) in [
            (with(report(ReportSource::Absence, &ids)), None, Some(own.clone())),
            // It names a mail, which is not read as one.
            (with(report(ReportSource::Absence, &[])), Some(ServiceClass::Absence), None),
            (
                Letter { report: report(ReportSource::Absence, &[]), ..note("Bin weg") },
                Some(ServiceClass::Absence),
                Some(NoteAbout::Last),
            ),
            (with(report(ReportSource::Delivery, &ids)), Some(ServiceClass::Absence), None),
            (answer.clone(), Some(ServiceClass::Absence), Some(own.clone())),
            (answer.clone(), Some(ServiceClass::Chat), None),
            (answer.clone(), None, None),
            (note("Bin weg"), Some(ServiceClass::Absence), Some(NoteAbout::Last)),
            (note("Bin weg"), None, None),
            (elsewhere, Some(ServiceClass::Absence), None),
        ] {
            assert_eq!(answered_by(&letter, class), expected, "{class:?} {:?}", letter.report);
        }
    }

    #[test]
    fn kim_21_what_is_more_than_words_stays_a_letter() {
        let sender = &AnswersTo::Sender;
        assert!(is_words_alone(&note("Bin weg"), 0, sender));
        assert!(is_words_alone(&note("Bin weg"), 0, &AnswersTo::Nobody));
        assert!(!is_words_alone(&note("Bin weg"), 1, sender));
        assert!(!is_words_alone(&note(" \n"), 0, sender));
        let wanted = None;
        assert!(!is_words_alone(&note("Bin weg"), 0, &AnswersTo::OutOfReach { wanted }));
        for defect in [Defect::BodyCut, Defect::Encrypted, Defect::Unopened, Defect::Renderings] {
            let letter = Letter { defects: vec![defect], ..note("Bin weg") };
            assert!(!is_words_alone(&letter, 0, sender), "{defect:?}");
        }
        let office = MailAddress::new("office@charite.kim.telematik").unwrap();
        let sent_by = vec![NamedAddress { name: None, address: office }];
        let letter = Letter { sender: sent_by.clone(), ..note("Bin weg") };
        assert!(!is_words_alone(&letter, 0, sender));
        let two = Letter { from: [note("").from, sent_by].concat(), ..note("Bin weg") };
        assert!(!is_words_alone(&two, 0, sender));
    }
}
