//! How far a dispatch got, and what is known of it.

/// What one attempt to hand a dispatch over came to.
///
/// Decided by *where* in the SMTP dialogue it happened, not by searching texts: up to the final
/// dot nothing was accepted and a repeat is harmless; after it only the server knows (KIM-28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx to the end of DATA: handed over, which is not yet delivered.
    Accepted { reply: String },
    /// A 5xx: the same mail would be refused again.
    Refused { at: Reached, reply: String },
    /// A 4xx, or the connection failed before the final dot.
    TryLater { at: Reached, reply: String },
    /// The connection failed after the final dot and before the reply.
    Unclear { reply: String },
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

    /// What the server said, without addresses.
    pub fn reply(&self) -> &str {
        match self {
            Self::Accepted { reply }
            | Self::Refused { reply, .. }
            | Self::TryLater { reply, .. }
            | Self::Unclear { reply } => reply,
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

/// The state of a dispatch, as Postgres stores it and the room shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Room messages are still being gathered into it.
    Collecting,
    /// Complete, and waiting for its (next) attempt.
    Waiting,
    /// An attempt is under way; nothing of the body has left yet.
    HandingOver,
    /// An attempt is under way and the body may have left: after a crash here only the server
    /// knows.
    SendingBody,
    /// The channel took it over. Not yet delivered.
    Accepted,
    /// The channel refused it for good, or the attempts are used up.
    Failed,
    /// Nobody knows whether the channel took it; a person decides.
    Unclear,
    /// Withdrawn by its author before it left.
    Withdrawn,
}

impl DeliveryState {
    /// Every state, in the order of a dispatch's life.
    pub const ALL: [Self; 8] = [
        Self::Collecting,
        Self::Waiting,
        Self::HandingOver,
        Self::SendingBody,
        Self::Accepted,
        Self::Failed,
        Self::Unclear,
        Self::Withdrawn,
    ];

    /// The word for it in SQL, metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Waiting => "waiting",
            Self::HandingOver => "handing_over",
            Self::SendingBody => "sending_body",
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The inverse of [`DeliveryState::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}
