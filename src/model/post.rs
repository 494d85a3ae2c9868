//! What we say in a portal.

use serde_json::Value;

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The correspondent's ghost: the words of the letter.
    Ghost,
    /// The gateway's bot: what happened, and what to do.
    Bot,
}

impl Speaker {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::Bot => "bot",
        }
    }
}

/// A post of a letter, before it has a row.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPost {
    pub speaker: Speaker,
    /// Unique for all time; derived from the letter and the place of the post in it.
    pub txn_id: String,
    /// Content of an `m.room.message`, without what is only known when it is sent.
    pub content: Value,
    /// For a file: which attachment of the letter, or [`NewPost::ORIGINAL`].
    pub file_index: Option<i32>,
}

impl NewPost {
    /// The file is the letter itself, as it came.
    pub const ORIGINAL: i32 = -1;
}
