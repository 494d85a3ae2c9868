//! Why a line of an address book is no entry.

/// Why a line is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNoEntry {
    /// No number can be read for certain.
    NoNumber,
    NoName,
    /// The name could pass for a number or an address, or has unseen characters.
    NotShown,
    /// The number has another name in this line already, which stays.
    Twice {
        line: u64,
    },
    /// There are too many numbers; this one and those behind it are left out.
    TooMany,
    /// A quotation mark is opened and not closed, or the like.
    Broken,
}

impl WhyNoEntry {
    /// One of each.
    pub const ALL: [Self; 6] = [
        Self::NoNumber,
        Self::NoName,
        Self::NotShown,
        Self::Twice { line: 1 },
        Self::TooMany,
        Self::Broken,
    ];

    /// The word for it in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoNumber => "number",
            Self::NoName => "name",
            Self::NotShown => "shown",
            Self::Twice { .. } => "twice",
            Self::TooMany => "many",
            Self::Broken => "broken",
        }
    }
}
