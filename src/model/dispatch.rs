//! What we hand to a channel.

use time::OffsetDateTime;

use super::{Correspondent, MailAddress, MessageId};

/// One answer, with everything that is visible outside already fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub to: Correspondent,
    /// Saved before the first try, so that a repeat is recognised.
    pub message_id: MessageId,
    pub date: OffsetDateTime,
    pub subject: String,
    pub in_reply_to: Option<MessageId>,
    /// Oldest first.
    pub references: Vec<MessageId>,
    /// In the order they were said.
    pub parts: Vec<DispatchPart>,
}

/// One room message within a dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispatchPart {
    Text(String),
    File(DispatchFile),
}

/// A file that leaves. Its bytes are elsewhere and are read while it leaves.
#[derive(Clone, PartialEq, Eq)]
pub struct DispatchFile {
    pub file_name: String,
    /// A MIME type such as `application/pdf`, without parameters.
    pub media_type: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl std::fmt::Debug for DispatchFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DispatchFile({}, {} bytes)", self.media_type, self.bytes)
    }
}

/// The parties that the SMTP dialogue names (RFC 5321 §2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub from: MailAddress,
    pub to: MailAddress,
}
