//! What a mail of a fax gateway is: a fax, a call that brought none, a report, or something else
//! (FAX-1, FAX-4 to FAX-7, FAX-28 to FAX-32).

use super::{
    super::{AreaCode, Country, number},
    caller::{self, Caller, fields, in_subject, labelled, undecorated},
    form::{FaxForm, FaxReportSays, FaxReports},
    pages,
    template::{Blank, Filled, TAG_DIGITS},
};
use crate::model::{Attachment, FateWhy, FaxNumber, Letter, MailAddress, MessageId};

/// How many lines of a mail's text are read for what it is. A transcript of the session follows them.
const LINES_MAX: usize = 60;

/// How many lines of it are compared with each template of a report, at most.
const REPORT_LINES_MAX: usize = 40;

/// The longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 120;

/// The domain of the Message-IDs of our faxes. They have a UUID before it.
pub const FAX_ID_DOMAIN: &str = "fax.local";

/// A mail of a fax gateway, as its profile reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaxMail {
    Fax(FaxArrived),
    /// Somebody called, and no page came (FAX-5).
    Missed(FaxMissedCall),
    /// What became of a fax of ours.
    Report(FaxSaid),
    /// Nothing that the profile knows. It may be a fax all the same.
    Other,
}

/// A fax that came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaxArrived {
    /// The pages that the gateway names (FAX-6).
    pub pages: Option<u32>,
    /// Only a part of it came (FAX-4). The gateway's own words, without what a session's transcript says.
    pub incomplete: Option<String>,
    /// The name beside the number: what somebody typed into a machine or an address book.
    pub name: Option<String>,
    /// The mail's words are for machines: all that people need of them is here.
    pub is_technical: bool,
}

/// A call that brought no fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxMissedCall {
    /// The gateway's own words.
    pub reason: Option<String>,
}

/// What a gateway says of a fax of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxSaid {
    pub says: FaxReportSays,
    /// The Message-ID that our tag stands for (FAX-27).
    pub about: Option<MessageId>,
    /// The number that it names, in E.164.
    pub to: Option<FaxNumber>,
    /// The digits of the number that it names, as they were dialled.
    pub to_digits: Option<String>,
    /// The pages that were sent.
    pub pages: Option<u32>,
    pub why: FateWhy,
    /// The gateway's own words for why it failed, one line, without numbers.
    pub reason: Option<String>,
}

impl FaxForm {
    /// Reads a mail. It has to be from the gateway; that is not asked here.
    pub fn read_mail(&self, letter: &Letter, country: Country) -> FaxMail {
        let subject = undecorated(&letter.subject);
        let missed = &self.missed;
        let missed_line = line_beginning(letter, &missed.lines);
        let is_missed = missed.subjects.iter().any(|form| form.fits(&subject).is_some())
            || missed_line.is_some();
        // A call that brought a document brought a fax, whatever is said beside it; and a stranger may
        // have said it.
        if is_missed && !has_document(letter) {
            let reason = missed_line.and_then(|at| reason_at(letter, at, &missed.lines));
            return FaxMail::Missed(FaxMissedCall { reason });
        }
        if let Some(said) = self.reports.read(letter, &subject, country) {
            return FaxMail::Report(said);
        }
        let received = &self.received;
        let in_subject = in_subject(&letter.subject, &received.subjects);
        let is_known = received.subjects.iter().any(|form| form.fits(&subject).is_some())
            || [&received.caller_lines, &received.station_lines]
                .iter()
                .any(|labels| labelled(&letter.body.text, labels).next().is_some());
        if !is_known && !received.any {
            return FaxMail::Other;
        }
        // What a machine says of itself is nothing that the gateway counts.
        let station = in_subject.iter().find(|(blank, _)| *blank == Blank::Station);
        let without_station =
            station.map_or(subject.clone(), |(_, name)| subject.replace(name, ""));
        let of_subject = |blank| in_subject.iter().find(|(other, _)| *other == blank);
        let pages = of_subject(Blank::Pages)
            .and_then(|(_, pages)| pages.parse().ok())
            .or_else(|| counted(fields(letter, &received.page_fields)))
            .or_else(|| counted(labelled(&letter.body.text, &received.page_lines)))
            // Of a gateway whose subjects are not known, what any of them writes.
            .or_else(|| pages::of_subject(&without_station).filter(|_| received.any));
        let name = of_subject(Blank::Name).map(|(_, name)| name.clone());
        let is_cut = received.incomplete_subjects.iter().any(|form| form.fits(&subject).is_some());
        let incomplete = line_beginning(letter, &received.incomplete)
            .map(|at| reason_at(letter, at, &received.incomplete).unwrap_or_default())
            .or_else(|| is_cut.then(String::new))
            // What a gateway's own words call no fax and is one came in part.
            .or_else(|| {
                let at = missed_line.filter(|_| received.technical)?;
                Some(reason_at(letter, at, &missed.lines).unwrap_or_default())
            });
        let is_technical = received.technical;
        FaxMail::Fax(FaxArrived { pages, incomplete, name, is_technical })
    }

    /// Whether a subject or a line of the mail is one that the profile knows; one that takes every mail for
    /// a fax need not know any.
    pub fn knows(&self, letter: &Letter) -> bool {
        let subject = undecorated(&letter.subject);
        let text = &letter.body.text;
        let received = &self.received;
        let lines = [
            &received.caller_lines,
            &received.station_lines,
            &received.number_lines,
            &received.page_lines,
        ];
        received.subjects.iter().any(|form| form.fits(&subject).is_some())
            || lines.iter().any(|labels| labelled(text, labels).next().is_some())
            || self
                .reports
                .forms
                .iter()
                .any(|form| form.subject.as_ref().is_some_and(|form| form.fits(&subject).is_some()))
    }

    /// The number that a mail is from, and whose word that is: the gateway's, or the sending machine's.
    pub fn number_of(&self, letter: &Letter, country: Country) -> Option<(FaxNumber, Blank)> {
        match caller::read(letter, &self.received, (country, None), None) {
            Caller::Sure(number) | Caller::Differs { caller: number, .. } => {
                Some((number, Blank::Caller))
            }
            Caller::Claimed(number) => Some((number, Blank::Station)),
            Caller::Unknown => None,
        }
    }

    pub(super) fn caller(
        &self,
        letter: &Letter,
        home: (Country, Option<&AreaCode>),
        own: &FaxNumber,
    ) -> Caller {
        caller::read(letter, &self.received, home, Some(own))
    }
}

/// Whether the mail brings a file that is no words of the gateway's.
fn has_document(letter: &Letter) -> bool {
    let is_document = |file: &Attachment| {
        !["text/", "message/"].iter().any(|kind| file.media_type.starts_with(kind))
    };
    letter.attachments.iter().any(is_document)
}

/// The first number of pages.
fn counted<'t>(mut values: impl Iterator<Item = &'t str>) -> Option<u32> {
    values.find_map(|value| pages::number(value.trim()))
}

/// The line that begins with one of these.
fn line_beginning(letter: &Letter, beginnings: &[String]) -> Option<usize> {
    letter.body.text.lines().take(LINES_MAX).position(|line| begins(line, beginnings).is_some())
}

/// What follows one of these beginnings.
fn begins<'l>(line: &'l str, beginnings: &[String]) -> Option<&'l str> {
    let line = line.trim_start();
    beginnings.iter().find_map(|beginning| {
        let head = line.get(..beginning.len())?;
        let rest = line.get(beginning.len()..)?;
        let is_word = rest.chars().next().is_none_or(|c| !c.is_alphanumeric());
        (is_word && head.eq_ignore_ascii_case(beginning)).then_some(rest)
    })
}

/// The reason on that line behind its beginning, or on the next line that has words.
fn reason_at(letter: &Letter, at: usize, beginnings: &[String]) -> Option<String> {
    let mut lines = letter.body.text.lines().skip(at);
    let rest = begins(lines.next()?, beginnings)?;
    let own = rest.trim().trim_start_matches([':', '.']).trim();
    // `… an ttyF1 schlug fehl da:` names a device, and ends where the reason begins.
    let own = (!own.is_empty() && !own.ends_with(':')).then_some(own);
    let words = own.or_else(|| lines.take(3).map(str::trim).find(|line| !line.is_empty()))?;
    as_reason(words)
}

/// A reason as it may be shown: no transcript of a session, no numbers of people.
fn as_reason(words: &str) -> Option<String> {
    let is_transcript = words.contains("SESSION BEGIN") || words.contains("---");
    let digits = words.chars().filter(char::is_ascii_digit).count();
    if is_transcript || digits > 6 {
        return None;
    }
    let shown = |c: &char| !c.is_control();
    Some(words.chars().filter(shown).take(REASON_CHARS_MAX).collect())
}

impl FaxReports {
    fn read(&self, letter: &Letter, subject: &str, country: Country) -> Option<FaxSaid> {
        let lines: Vec<&str> = letter.body.text.lines().take(REPORT_LINES_MAX).collect();
        let (says, found) = self.forms.iter().find_map(|form| {
            let mut found = Vec::new();
            if let Some(template) = &form.subject {
                found.push(template.fits(subject)?);
            }
            for template in &form.lines {
                found.push(lines.iter().find_map(|line| template.fits(line))?);
            }
            Some((form.says, found))
        })?;
        let first = |blank| found.iter().find_map(|filled: &Filled<'_>| filled.get(blank));
        let text = &letter.body.text;
        let dialled = first(Blank::To)
            .or_else(|| labelled(text, &self.to_lines).find(|value| !value.is_empty()))
            .map(dialled);
        let to = dialled.and_then(|raw| number::to_e164(raw, country));
        let (reason, why) = self.why(letter, subject);
        let counted = first(Blank::Pages)
            .or_else(|| labelled(text, &self.page_lines).find(|value| !value.is_empty()));
        let pages = counted.and_then(pages::sent);
        // It names a number of pages that nobody can read: then it does not say that all were sent.
        let says = match says {
            FaxReportSays::Sent if counted.is_some() && pages.is_none() => FaxReportSays::Unclear,
            says => says,
        };
        Some(FaxSaid {
            says,
            about: first(Blank::Tag).and_then(id_of_tag).or_else(|| tag_in(letter)),
            to_digits: dialled
                .map(|raw| raw.chars().filter(char::is_ascii_digit).collect::<String>())
                .filter(|digits| !digits.is_empty()),
            to,
            pages,
            why,
            reason,
        })
    }

    /// The first reason whose words are in the subject or in the lines before a session's transcript.
    fn why(&self, letter: &Letter, subject: &str) -> (Option<String>, FateWhy) {
        let lines = letter.body.text.lines().take(REPORT_LINES_MAX);
        let lines = lines.take_while(|line| !line.contains("SESSION BEGIN"));
        let lines: Vec<&str> = std::iter::once(subject).chain(lines).collect();
        let holds = |line: &str, words: &str| line.to_lowercase().contains(&words.to_lowercase());
        for reason in &self.reasons {
            if let Some(line) = lines.iter().find(|line| holds(line, &reason.words)) {
                return (as_reason(line.trim()).filter(|_| *line != subject), reason.why);
            }
        }
        (None, FateWhy::Unknown)
    }
}

/// The number in `Praxis Dr. Müller (030222222)`.
fn dialled(raw: &str) -> &str {
    let inner = raw.strip_suffix(')').and_then(|raw| raw.rsplit_once('(')).map(|(_, inner)| inner);
    inner.unwrap_or(raw).trim()
}

/// The tag of a Message-ID of ours; nothing for another one's.
pub fn tag_of(id: &MessageId) -> Option<String> {
    let (uuid, domain) = id.as_str().split_once('@')?;
    let digits: String = uuid.chars().filter(|c| *c != '-').collect();
    let is_tag = domain == FAX_ID_DOMAIN
        && digits.len() == TAG_DIGITS
        && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_tag.then(|| format!("u{digits}"))
}

/// The inverse.
fn id_of_tag(tag: &str) -> Option<MessageId> {
    let digits = tag.strip_prefix(['u', 'U'])?.to_ascii_lowercase();
    if digits.len() != TAG_DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut uuid = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    MessageId::new(&format!("{uuid}@{FAX_ID_DOMAIN}")).ok()
}

/// Our tag in the address that the report went to (FAX-28: the most certain place), in its subject, or
/// in its first lines.
fn tag_in(letter: &Letter) -> Option<MessageId> {
    let plus = |address: &MailAddress| id_of_tag(address.local().rsplit_once('+')?.1);
    let to = letter.to.iter().chain(&letter.cc).find_map(|to| plus(&to.address));
    let words = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).find_map(id_of_tag);
    to.or_else(|| words(&letter.subject))
        .or_else(|| letter.body.text.lines().take(REPORT_LINES_MAX).find_map(words))
}
