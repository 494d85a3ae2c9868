//! What a channel says about an earlier dispatch.

use super::{EnhancedCode, MailAddress, MessageId};

/// What a channel says about an earlier dispatch.
///
/// Whoever knows a Message-ID can write one. It is looked up by channel and Message-ID, never by its
/// author; one about nothing of ours simply names other ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The ids of the mail it is about: those of the most certain place that names any. Empty when
    /// it names none.
    pub about: Vec<MessageId>,
    pub source: ReportSource,
    /// One entry for each recipient it speaks of. Empty when it says of nobody what happened.
    pub fates: Vec<Fate>,
}

/// Who says it, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportSource {
    /// A mail server on the way (RFC 3464, and the older forms of some servers).
    Delivery,
    /// The recipient's mail program or mailbox (RFC 8098).
    Disposition,
    /// Our own Clientmodul or its provider, about a mail of ours (`X-KIM-Fehlermeldung` 4001 to
    /// 4005, KIM-29).
    KimFault,
    /// The recipient's absence note, or another answer that a machine gave for them.
    Absence,
}

impl ReportSource {
    /// The word for it in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Disposition => "disposition",
            Self::KimFault => "kim_fault",
            Self::Absence => "absence",
        }
    }
}

/// What a report says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The recipient as the mail was addressed, or as the mail server knows them if nothing says
    /// that. Nothing when the report names none, or in a form that is no address of ours: if the
    /// mail had one recipient, it speaks of that one, otherwise nobody can tell of whom.
    pub recipient: Option<MailAddress>,
    pub end: FateEnd,
    /// The code it gives; what happened is `end`, whatever the code's class.
    pub status: Option<EnhancedCode>,
    /// Only where the mail did not arrive, or not yet.
    pub why: Option<FateWhy>,
}

/// What became of the mail for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FateEnd {
    /// It lies in the recipient's mailbox.
    Delivered,
    /// It went on to a system that reports no more.
    Relayed,
    /// Not yet; the server keeps trying.
    Delayed,
    Failed,
    /// It was shown to somebody. Nobody has to have read it.
    Read,
    /// It was deleted unread.
    Discarded,
    /// The recipient does not want to say.
    Denied,
    /// A program dealt with it; nobody has to have seen it.
    Processed,
    /// A machine answered in the recipient's place, as when they are away. It says nothing else, not
    /// even that the mail arrived.
    Absent,
}

impl FateEnd {
    /// The word for it in logs and in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
            Self::Read => "read",
            Self::Discarded => "discarded",
            Self::Denied => "denied",
            Self::Processed => "processed",
            Self::Absent => "absent",
        }
    }
}

/// Why a mail or fax did not arrive, in the terms that a front desk needs to act. Of mails it is read from
/// codes, never from words; fax gateways write words alone, and their profiles name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FateWhy {
    /// The mailbox does not exist, is closed, or has moved.
    NoSuchRecipient,
    MailboxFull,
    TooLarge,
    /// Something in the mail was not taken: a kind of file, a virus.
    ContentRefused,
    /// The recipient's KIM is too old for this mail, or takes no large ones (4001).
    RecipientCannotRead,
    /// The mail cannot be encrypted for the recipient: no certificate, or not one that is theirs
    /// for certain (4003, 4004, 4005).
    NoCertificate,
    /// The service for large KIM mails did not take it (4002).
    AttachmentService,
    /// No way to the recipient's server, or none in time.
    Unreachable,
    /// The recipient, or their server, does not take mail of ours.
    Blocked,
    /// Faxes from here on (FAX-32). The line is busy.
    Busy,
    NoAnswer,
    /// Something else than a fax machine answered.
    NoFax,
    /// The gateway has no line to dial on.
    Line,
    /// The connection broke off, or pages got lost on the way.
    Transmission,
    /// The gateway could not make a fax of the document.
    Conversion,
    /// The gateway does not take the order, or does not know us.
    Gateway,
    /// The mail with the order does not reach the gateway: a mail server says so.
    MailServer,
    /// The gateway tried until its time was over.
    Expired,
    /// Somebody took it out of the gateway's queue.
    Cancelled,
    /// No code says it.
    Unknown,
}

impl FateWhy {
    /// The reasons why a mail did not arrive.
    pub const MAIL: [Self; 10] = [
        Self::NoSuchRecipient,
        Self::MailboxFull,
        Self::TooLarge,
        Self::ContentRefused,
        Self::RecipientCannotRead,
        Self::NoCertificate,
        Self::AttachmentService,
        Self::Unreachable,
        Self::Blocked,
        Self::Unknown,
    ];

    /// The reasons why a fax was not sent.
    pub const FAX: [Self; 11] = [
        Self::NoSuchRecipient,
        Self::Busy,
        Self::NoAnswer,
        Self::NoFax,
        Self::Line,
        Self::Transmission,
        Self::Conversion,
        Self::Gateway,
        Self::Expired,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The inverse of `word`; of another word, the reason is unknown.
    pub fn from_word(word: &str) -> Self {
        Self::MAIL
            .into_iter()
            .chain(Self::FAX)
            .chain([Self::MailServer])
            .find(|why| why.word() == word)
            .unwrap_or(Self::Unknown)
    }

    /// The word for it in SQL, logs and in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSuchRecipient => "recipient",
            Self::MailboxFull => "mailbox",
            Self::TooLarge => "size",
            Self::ContentRefused => "content",
            Self::RecipientCannotRead => "kim_version",
            Self::NoCertificate => "certificate",
            Self::AttachmentService => "attachments",
            Self::Unreachable => "unreachable",
            Self::Blocked => "blocked",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::NoFax => "no_fax",
            Self::Line => "line",
            Self::Transmission => "transmission",
            Self::Conversion => "conversion",
            Self::Gateway => "gateway",
            Self::MailServer => "mail_server",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let all = || FateWhy::MAIL.into_iter().chain(FateWhy::FAX);
        let words: BTreeSet<_> = all().map(FateWhy::word).collect();
        // Both lists have "recipient" and "unknown".
        assert_eq!(words.len(), all().count() - 2);
        assert!(all().all(|why| FateWhy::from_word(why.word()) == why));
    }
}
