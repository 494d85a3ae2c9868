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
    /// The author, as the mail's own head says.
    pub from: MailAddress,
    /// To whom reports go: the author, or an address of theirs that names the mail.
    pub sender: MailAddress,
    pub to: MailAddress,
    /// By what name reports shall know the mail (RFC 3461 §4.4), where the server can be told.
    pub id: Option<MessageId>,
    /// Whether the server shall also report that the mail arrived, and not only that it did not.
    pub wants_success: bool,
}

impl Envelope {
    /// The envelope of a mail that only its author is named in.
    pub fn new(from: MailAddress, to: MailAddress) -> Self {
        Self { sender: from.clone(), from, to, id: None, wants_success: true }
    }
}
