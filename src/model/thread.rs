//! What a Message-ID leads back to.

use super::ConversationId;

/// Where a Message-ID was seen, of those of one correspondent on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// In this conversation only, and as the name of one mail at the most.
    In(ConversationId),
    /// In several conversations, or as the name of several mails: which of them is meant, nobody
    /// can say (KIM-8).
    Ambiguous,
}
