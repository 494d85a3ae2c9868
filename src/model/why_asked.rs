//! Why a fax is shown to a person before it leaves.

/// Why a person is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyAsked {
    /// The settings say so of every fax.
    Always,
    /// Only a fax machine says that this is its number.
    Claimed,
    /// The gateway and the fax machine name different numbers.
    Differs,
    /// No confirmed fax went there.
    NewNumber,
    /// Somebody had confirmed it and took that back.
    TakenBack,
}

impl WhyAsked {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Always, Self::Claimed, Self::Differs, Self::NewNumber, Self::TakenBack];

    /// The word for it in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Claimed => "claimed",
            Self::Differs => "differs",
            Self::NewNumber => "new",
            Self::TakenBack => "back",
        }
    }
}
