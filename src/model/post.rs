//! What we say in a portal.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MadeFile;

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

    /// The inverse of [`Speaker::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ghost, Self::Bot].into_iter().find(|speaker| speaker.word() == word)
    }
}

/// What a post holds. Whose devices get its key follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Substance {
    /// Something that people wrote or named: for devices the channel trusts.
    Content,
    /// A word of the gateway, with nothing of a letter: for every device of the members, since it
    /// may say why one of them cannot read or write.
    Word,
}

impl Substance {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Word => "word",
        }
    }

    /// The inverse of [`Substance::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Content, Self::Word].into_iter().find(|substance| substance.word() == word)
    }
}

/// What the gateway says in a portal: content of an `m.room.message`, and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub substance: Substance,
    pub content: Value,
}

/// Where a file lies in the media repository. `Debug` shows no key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Its address (`mxc:`).
    Plain(String),
    /// An `EncryptedFile`: its address and its key (Matrix 1.11, "Sending encrypted attachments").
    Encrypted(Value),
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Encrypted(_) => "Encrypted",
        })
    }
}

/// A post of a letter, before it has a row.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPost {
    pub speaker: Speaker,
    pub substance: Substance,
    /// Unique for all time; derived from the letter and the place of the post in it.
    pub txn_id: String,
    /// Content of an `m.room.message`, without the parts that are known only when it is sent.
    pub content: Value,
    /// For a file: which attachment of the letter, or [`NewPost::ORIGINAL`].
    pub file_index: Option<i32>,
    /// What is made of that file, if it is not the file itself.
    pub made: Option<MadeFile>,
}

impl NewPost {
    /// The file is the letter itself, as it came.
    pub const ORIGINAL: i32 = -1;
}
