//! What we hand to a channel.

use time::OffsetDateTime;

use super::{Attachment, Correspondent, MailAddress, MessageId};

/// One answer, with everything the outside will see already fixed.
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
    File(Attachment),
}

/// Who the SMTP dialogue names (RFC 5321 §2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub from: MailAddress,
    pub to: MailAddress,
}
