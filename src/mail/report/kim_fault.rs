//! What the Clientmodul says about a mail that it could not send (KIM-29).

use super::{ReportParts, plain, word};
use crate::{
    mail::header::HeaderBlock,
    model::{Fate, FateEnd, FateWhy, KIM_SENDING_FAULTS, MailAddress, MessageId},
};

/// The domains of KIM addresses (kim.md §4): no other recipient is possible in KIM.
const DOMAINS: [&str; 2] = [".kim.telematik", ".kim.telematik-test"];

/// The codes of `X-KIM-Fehlermeldung` in a mail's head (gemSpec_CM_KOMLE, Tab_Fehlercodes).
#[derive(Debug)]
pub(super) struct KimCodes(Vec<u16>);

impl KimCodes {
    /// Vendors have codes of their own (`X17`, `cmgerr_4`); nobody can tell which way those mails
    /// went, so they are no report of ours by their code.
    pub(super) fn of(block: &HeaderBlock<'_>) -> Self {
        let mut codes = Vec::new();
        for value in block.values("X-KIM-Fehlermeldung") {
            let value = word(value);
            let words = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let numbers = words.filter_map(|word| word.parse::<u16>().ok());
            codes.extend(numbers.filter(|code| (4000..5000).contains(code)));
        }
        codes.dedup();
        Self(codes)
    }

    /// 4001 to 4005: it was not sent, to all or to some.
    pub(super) fn are_about_a_mail_of_ours(&self) -> bool {
        self.0.iter().any(is_of_sending)
    }

    /// All others of the table are about a mail to us that could not be decrypted or fetched.
    pub(super) fn are_about_a_mail_to_us(&self) -> bool {
        !self.0.is_empty() && !self.are_about_a_mail_of_ours()
    }

    /// The reason that holds for each of `recipients`. A mail has all its codes in its head and does
    /// not say which is whose, so different ones say nothing about several recipients. 4004 sums up
    /// what the other codes say (inferred from its sentence).
    fn why(&self, recipients: usize) -> FateWhy {
        let mut codes: Vec<u16> = self.0.iter().copied().filter(is_of_sending).collect();
        if recipients <= 1 && codes.iter().any(|code| *code != 4004) {
            codes.retain(|code| *code != 4004);
        }
        let mut reasons: Vec<FateWhy> = codes.into_iter().map(why).collect();
        reasons.dedup();
        match reasons.as_slice() {
            [only] => *only,
            _ => FateWhy::Unknown,
        }
    }
}

fn is_of_sending(code: &u16) -> bool {
    KIM_SENDING_FAULTS.contains(code)
}

fn why(code: u16) -> FateWhy {
    match code {
        4001 => FateWhy::RecipientCannotRead,
        4002 => FateWhy::AttachmentService,
        4003..=4005 => FateWhy::NoCertificate,
        _ => FateWhy::Unknown,
    }
}

/// Completes what the parts say: the recipients that only the text names, and the codes' reasons.
///
/// The text lists those to whom the mail was not sent (gemSpec_CM_KOMLE A_2024-01). Its words are
/// not read, only the KIM addresses in it: not ours, not its author's, and no Message-ID. That it
/// names no other recipients is inferred; where it does, a mail counts as failed that may have
/// arrived, and never the other way round.
pub(super) fn complete(
    codes: &KimCodes,
    block: &HeaderBlock<'_>,
    content: &[u8],
    about: &[MessageId],
    parts: &mut ReportParts,
) {
    let mut known: Vec<MailAddress> = Vec::new();
    for name in ["From", "To", "Sender", "Reply-To"] {
        known.extend(block.named(name).mailboxes.read.into_iter().map(|named| named.address));
    }
    let ids = about.iter().chain(&parts.returned);
    known.extend(ids.filter_map(|id| MailAddress::new(id.as_str()).ok()));
    known.extend(parts.fates.iter().filter_map(|fate| fate.recipient.clone()));
    let text = plain::first_text(block, content).unwrap_or_default();
    for address in plain::addresses(&text) {
        let is_kim = DOMAINS.iter().any(|domain| address.domain().ends_with(domain));
        if is_kim && !known.contains(&address) {
            known.push(address.clone());
            parts.push(failed(Some(address)));
            if parts.is_cut {
                break;
            }
        }
    }
    if parts.fates.is_empty() {
        parts.fates.push(failed(None));
    }
    let why = codes.why(parts.fates.len());
    for fate in &mut parts.fates {
        fate.why = matches!(fate.end, FateEnd::Failed | FateEnd::Delayed).then_some(why);
    }
}

fn failed(recipient: Option<MailAddress>) -> Fate {
    Fate { recipient, end: FateEnd::Failed, status: None, why: None }
}
