//! Which devices we believe.

/// Whose devices a channel believes, and gives its keys to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Only devices that their owner signed (MSC4153): what clients will demand of each other.
    #[default]
    CrossSigned,
    /// Every device of a member of the room.
    AnyDevice,
}

impl Trust {
    /// The word for it in the settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::CrossSigned => "cross-signed",
            Self::AnyDevice => "any-device",
        }
    }

    /// The inverse of [`Trust::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::CrossSigned, Self::AnyDevice].into_iter().find(|trust| trust.word() == word)
    }
}
