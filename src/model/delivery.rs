//! The outcome of one attempt to hand a dispatch over.

use super::{AccountTrouble, Reply};

/// The outcome of one attempt to hand a dispatch over.
///
/// Decided by *where* in the SMTP dialogue it happened, not by searching texts: up to the final dot
/// nothing was accepted and a repeat is harmless; after it only the server knows (KIM-28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx to the end of DATA: handed over, which is not yet delivered. `reports_requested`: the
    /// server agreed to report what becomes of the mail (KIM-30).
    Accepted { reply: Reply, reports_requested: bool },
    /// A 5xx: the same mail would be refused again.
    Refused { at: Reached, why: Why },
    /// A 4xx, or the connection failed before the final dot.
    TryLater { at: Reached, why: Why },
    /// The connection failed after the final dot and before the reply.
    Unclear { why: Why },
}

/// Why an attempt ended where it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The server said so.
    Reply(Reply),
    /// The mail is larger than the server's announced limit. One sentence.
    TooLarge(String),
    /// There was no session with the server. One sentence, without addresses.
    NoSession(AccountTrouble, String),
    /// The connection failed, or something on our own side: one sentence, without addresses.
    Fault(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reply(reply) => reply.fmt(f),
            Self::TooLarge(sentence) | Self::NoSession(_, sentence) | Self::Fault(sentence) => {
                f.write_str(sentence)
            }
        }
    }
}

impl Outcome {
    /// The word for it in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::TryLater { .. } => "try_later",
            Self::Unclear { .. } => "unclear",
        }
    }

    /// What the server said, or what happened, without addresses.
    pub fn reply(&self) -> String {
        match self {
            Self::Accepted { reply, .. } => reply.to_string(),
            Self::Refused { why, .. } | Self::TryLater { why, .. } | Self::Unclear { why } => {
                why.to_string()
            }
        }
    }

    /// The word for how far the dialogue came.
    pub fn reached(&self) -> &'static str {
        match self {
            Self::Refused { at, .. } | Self::TryLater { at, .. } => at.word(),
            Self::Accepted { .. } | Self::Unclear { .. } => Reached::Body.word(),
        }
    }
}

/// The step of the dialogue at which an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    Connect,
    Login,
    Sender,
    Recipient,
    Body,
}

impl Reached {
    /// The word for it in SQL and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Body => "body",
        }
    }
}

/// What kept a dispatch from being handed over, in the terms that a person needs to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    RecipientRefused,
    SenderRefused,
    TooLarge,
    /// The recipient's own mailbox has no room.
    MailboxFull,
    /// The store for large KIM mails (KAS) has no room for this account.
    QuotaUsedUp,
    ContentRefused,
    Login,
    Unreachable,
    /// The server took the connection and then asked for patience.
    Busy,
    /// Its files are not available from the homeserver; no server was asked to take anything.
    Media,
    /// Its files cannot be kept: the folder for temporary files is full.
    Disk,
    /// Its files cannot be opened: the process that opens them does not start.
    Documents,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Self; 12] = [
        Self::RecipientRefused,
        Self::SenderRefused,
        Self::TooLarge,
        Self::MailboxFull,
        Self::QuotaUsedUp,
        Self::ContentRefused,
        Self::Login,
        Self::Unreachable,
        Self::Busy,
        Self::Media,
        Self::Disk,
        Self::Documents,
    ];

    /// The word for it in logs and in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::RecipientRefused => "recipient",
            Self::SenderRefused => "sender",
            Self::TooLarge => "size",
            Self::MailboxFull => "mailbox",
            Self::QuotaUsedUp => "quota",
            Self::ContentRefused => "content",
            Self::Login => "login",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Media => "media",
            Self::Disk => "disk",
            Self::Documents => "documents",
        }
    }
}
