//! The conversation that a Message-ID leads back to.

use super::ConversationId;

/// Where a Message-ID was seen, among those of one correspondent on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// In this conversation only, and as the name of at most one mail.
    In(ConversationId),
    /// In several conversations, or as the name of several mails: it is unknown which of them is
    /// meant (KIM-8).
    Ambiguous,
}
