//! What a tray is told of a letter.

/// Why a tray is told of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayNews {
    /// It opened a conversation.
    New,
    /// Nothing was left to do in its conversation, and now there is.
    Again,
}

impl TrayNews {
    /// The word for it in SQL and in the sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Again => "again",
        }
    }

    /// The inverse of `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::New, Self::Again].into_iter().find(|news| news.word() == word)
    }
}
