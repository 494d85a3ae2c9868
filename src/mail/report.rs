//! What a machine says about a mail of ours (RFC 3464, RFC 8098; KIM-21, KIM-29 to KIM-31).
//!
//! A report comes from a mail server, from the mail program that showed the mail, or from the
//! telematics infrastructure. It names the mail in several places, and in each of them only some do.
//! What happened is read from fields and codes alone, never from words: they are in any language,
//! and quote whatever the mail said.

mod codes;
mod kim_fault;
mod machine;
mod plain;

use super::{
    automatic::keyword,
    decode,
    header::{HeaderBlock, text, unfold},
    media_type::media_type,
    multipart,
};
use crate::model::{Fate, FateEnd, MailAddress, MessageId, Report, ReportSource};

use kim_fault::KimCodes;

/// How many parts of a report are read: it has three.
const PARTS_MAX: usize = 10;

/// Message-IDs of one report. One is the rule.
const REPORTED_MAX: usize = 10;

/// Recipients of one report. A dispatch has one or a few; a list's report may have thousands.
pub const FATES_MAX: usize = 100;

/// Characters of a field of the head that is a word or a code.
const WORD_CHARS_MAX: usize = 200;

/// Where mails of a mail server come from (RFC 5321 §4.5.1, and habit). Only beside other marks.
const DAEMONS: [&str; 5] = ["mailer-daemon", "postmaster", "mail-daemon", "maildaemon", "mds"];

/// Fields of the bounces of Exim and Gmail, and of Exchange.
const OF_SERVERS: [&str; 2] = ["X-Failed-Recipients", "X-MS-Exchange-Message-Is-Ndr"];

/// Fields that the systems of people add, or a Clientmodul to what it decrypted. No mail server
/// encrypts its reports (KIM-14: inferred).
const OF_PEOPLE: [&str; 5] = [
    "X-KIM-DecryptionResult",
    "X-KIM-IntegrityCheckResult",
    "X-KIM-Sendersystem",
    "X-TI-User-Agent",
    "User-Agent",
];

/// A report, and whether there was more of it than is read.
#[derive(Debug)]
pub(super) struct ReportRead {
    pub(super) report: Report,
    pub(super) is_cut: bool,
}

/// What was found in the parts of a mail.
#[derive(Debug, Default)]
struct ReportParts {
    /// Set by the first part that only machines write.
    source: Option<ReportSource>,
    /// The ids that such a part names, and those of the mail that came back.
    said: Vec<MessageId>,
    returned: Vec<MessageId>,
    fates: Vec<Fate>,
    is_cut: bool,
}

/// The report in a mail; nothing for a person's mail, also one that answers, forwards, quotes or
/// imitates a report.
///
/// | source | what makes it one |
/// |---|---|
/// | `Delivery` | a `message/delivery-status` part; qmail's bounce; Exim's, which lists recipients in its head |
/// | `Disposition` | a `message/disposition-notification` part |
/// | `KimFault` | `X-KIM-Fehlermeldung` 4001 to 4005 in a mail that came unencrypted |
/// | `Absence` | the Dienstkennung of absence notes; an automatic answer (RFC 3834) to a mail |
///
/// Of the places that name the mail, the first one that names any decides: what the machine part
/// says, the mail that came back, what the report replies to.
///
/// At most [`FATES_MAX`] fates and ten ids; time and memory are linear in the size of the mail.
pub(super) fn read(block: &HeaderBlock<'_>, content: &[u8]) -> Option<ReportRead> {
    let codes = KimCodes::of(block);
    if codes.are_about_a_mail_to_us() {
        return None;
    }
    let is_fault = codes.are_about_a_mail_of_ours() && !is_of_a_person(block);
    let mut parts = ReportParts::default();
    parts.read(block, content, says_a_machine(block) || is_fault);
    // A receipt is its reader's, whatever its head says.
    if is_fault && parts.source != Some(ReportSource::Disposition) {
        parts.source = Some(ReportSource::KimFault);
        let named = mail_named(block, &parts);
        kim_fault::complete(&codes, block, content, &named, &mut parts);
    }
    if parts.source.is_none() && says_a_machine(block) && !is_of_a_person(block) {
        plain::read(block, content, &mut parts);
    }
    if parts.source.is_none() && is_absence(block) {
        parts.source = Some(ReportSource::Absence);
        parts.returned.clear();
        parts.fates.push(Fate {
            recipient: only_author(block),
            end: FateEnd::Absent,
            status: None,
            why: None,
        });
    }
    let source = parts.source?;
    let about = mail_named(block, &parts);
    // It brings another mail than the one it names: a letter for people, which no report may hide.
    if !parts.returned.is_empty() && !parts.returned.iter().any(|id| about.contains(id)) {
        parts.fates.clear();
    }
    let is_cut = parts.is_cut || about.len() > REPORTED_MAX;
    let about = about.into_iter().take(REPORTED_MAX).collect();
    Some(ReportRead { report: Report { about, source, fates: parts.fates }, is_cut })
}

/// The ids of the first place that names any: the mail that the report is about.
fn mail_named(block: &HeaderBlock<'_>, parts: &ReportParts) -> Vec<MessageId> {
    let last = block.message_ids("References").pop().into_iter().collect();
    let places = [
        parts.said.clone(),
        parts.returned.clone(),
        block.message_ids("Original-Message-ID"),
        block.message_ids("In-Reply-To"),
        last,
    ];
    places.into_iter().find(|ids| !ids.is_empty()).unwrap_or_default()
}

impl ReportParts {
    /// Reads the parts of a report, and of what some servers and scanners put around one.
    /// `is_of_a_machine`: the head says that no person wrote it, so its form needs not be exact.
    fn read(&mut self, block: &HeaderBlock<'_>, content: &[u8], is_of_a_machine: bool) {
        let Some(content_type) = block.parameters("Content-Type") else { return };
        let media = media_type(&content_type);
        if machine::is_machine_part(&media) {
            self.read_part(block, content, &media);
            return;
        }
        let is_report = media == "multipart/report";
        let is_around = matches!(media.as_str(), "multipart/mixed" | "multipart/signed");
        if !(is_report || is_around && is_of_a_machine) {
            return;
        }
        let boundaries = content_type.all("boundary");
        let split = multipart::split_by_any(content, boundaries, PARTS_MAX);
        for part in split.iter().flat_map(|split| &split.parts) {
            let (inner, content) = HeaderBlock::split_part(part);
            let content_type = inner.parameters("Content-Type");
            let media = content_type.as_ref().map(media_type).unwrap_or_default();
            // One level: a report within a report is what came back.
            if is_around && media == "multipart/report" {
                self.read(&inner, content, false);
            } else {
                self.read_part(&inner, content, &media);
            }
        }
    }

    fn read_part(&mut self, block: &HeaderBlock<'_>, content: &[u8], media: &str) {
        let is_mail = matches!(
            media,
            "message/rfc822" | "message/global" | "text/rfc822-headers" | "message/global-headers"
        );
        let is_machine_part = machine::is_machine_part(media);
        if !is_mail && !is_machine_part {
            return;
        }
        let written = block.first("Content-Transfer-Encoding").map(unfold).unwrap_or_default();
        let (bytes, _) = decode::transfer(content, decode::encoding(&written).0);
        if is_mail {
            self.returned.extend(HeaderBlock::split(&bytes).0.message_ids("Message-ID"));
        } else if media.ends_with("delivery-status") {
            self.source.get_or_insert(ReportSource::Delivery);
            machine::read_delivery(&bytes, self);
        } else {
            self.source.get_or_insert(ReportSource::Disposition);
            machine::read_disposition(&bytes, self);
        }
    }

    /// Takes what is said of one more recipient, if there is room.
    fn push(&mut self, fate: Fate) {
        if self.fates.len() < FATES_MAX {
            self.fates.push(fate);
        } else {
            self.is_cut = true;
        }
    }
}

/// Whether the head alone says that a mail server or another machine wrote it.
fn says_a_machine(block: &HeaderBlock<'_>) -> bool {
    let is_null = |path: String| path.replace([' ', '\t'], "") == "<>";
    let has_no_return = block.first("Return-Path").map(unfold).is_some_and(is_null);
    let answers = auto_submitted(block);
    has_no_return || answers.is_some_and(|word| word != "no") || is_of_a_mail_server(block)
}

fn is_from_a_daemon(block: &HeaderBlock<'_>) -> bool {
    only_author(block).is_some_and(|address| {
        let local = address.local();
        DAEMONS.contains(&local) || local.starts_with("microsoftexchange")
    })
}

/// Whether a person's system wrote it.
fn is_of_a_person(block: &HeaderBlock<'_>) -> bool {
    OF_PEOPLE.iter().any(|name| block.has(name))
}

/// Whether it is an absence note, or another answer that a machine gave for its recipient (KIM-21).
///
/// How the provider writes an absence note is not published; the Dienstkennung is. Servers outside
/// write `auto-replied`, with the mail that they answer (RFC 3834 §3.1.5 and §5).
fn is_absence(block: &HeaderBlock<'_>) -> bool {
    let identifiers = block.first("X-KIM-Dienstkennung");
    let identifier = identifiers.map(|value| word(value).replace(' ', "")).unwrap_or_default();
    let mut words = identifier.split(';');
    if (words.next(), words.next()) == (Some("kim-mail"), Some("abwesend")) {
        return true;
    }
    auto_submitted(block).is_some_and(|word| word == "auto-replied")
        && !block.message_ids("In-Reply-To").is_empty()
        && !is_of_a_mail_server(block)
        && !claims_to_report(block)
}

/// Whether a mail server wrote it, in whatever form. Exchange calls its bounces automatic answers,
/// too, and a bounce must not be taken for an absence note.
fn is_of_a_mail_server(block: &HeaderBlock<'_>) -> bool {
    OF_SERVERS.iter().any(|name| block.has(name)) || is_from_a_daemon(block)
}

fn claims_to_report(block: &HeaderBlock<'_>) -> bool {
    let content_type = block.parameters("Content-Type");
    content_type.is_some_and(|content_type| media_type(&content_type) == "multipart/report")
}

fn auto_submitted(block: &HeaderBlock<'_>) -> Option<String> {
    Some(keyword(&word(block.first("Auto-Submitted")?)))
}

fn only_author(block: &HeaderBlock<'_>) -> Option<MailAddress> {
    let from = block.named("From").mailboxes;
    match from.read.as_slice() {
        [only] if from.unreadable == 0 => Some(only.address.clone()),
        _ => None,
    }
}

/// A field of one word or code, in lower case.
fn word(value: &[u8]) -> String {
    text(value, WORD_CHARS_MAX).text.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
