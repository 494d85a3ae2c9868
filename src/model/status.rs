//! What a client wants to know of a message that it sent.

/// The form in which a client is told what became of a room message, besides the words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusForm {
    /// `de.gematik.response.status`: an answer to a client that asked (TIM-15, MSC4300).
    Gematik,
    /// `com.beeper.message_send_status`: told without being asked, where the settings say so.
    Beeper,
}

impl StatusForm {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gematik => "gematik",
            Self::Beeper => "beeper",
        }
    }

    /// The inverse of [`StatusForm::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Gematik, Self::Beeper].into_iter().find(|form| form.word() == word)
    }
}

/// A client asks whether its message was processed (`de.gematik.request.status`). The device that asks
/// is not kept: the answer goes to the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRequest {
    /// The only device that shall answer; nothing where each member's may.
    pub to_device: Option<String>,
    /// How long the client waits for an answer, in milliseconds from when it sent the message.
    pub lifetime_ms: Option<i64>,
    /// When it sent the message, as its homeserver says.
    pub sent_at_ms: i64,
}
