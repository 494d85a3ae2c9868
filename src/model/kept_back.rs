//! Letters whose words are not said in a room, and why.

/// What is kept back of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptBack {
    /// The Clientmodul could not decrypt it: nothing of it is there.
    Undecrypted,
    /// The Clientmodul does not vouch for it: it is said once a speaker releases it.
    Withheld,
}

impl KeptBack {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Undecrypted => "undecrypted",
            Self::Withheld => "withheld",
        }
    }
}

/// Why a Clientmodul could not give a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KimTrouble {
    /// The card with the key is locked or not there.
    Key,
    /// The Konnektor does not answer.
    Konnektor,
    /// The service that keeps large mails does not give it, or not whole.
    Attachments,
    /// It was written for a newer KIM than the Clientmodul's.
    Version,
    /// Large mails are not switched on for this address.
    LargeMails,
    /// It is no encrypted mail as it should be.
    Form,
    /// A reason of its vendor's, or none.
    Other,
}

impl KimTrouble {
    /// Every trouble.
    pub const ALL: [Self; 7] = [
        Self::Key,
        Self::Konnektor,
        Self::Attachments,
        Self::Version,
        Self::LargeMails,
        Self::Form,
        Self::Other,
    ];

    /// The word for it in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Konnektor => "konnektor",
            Self::Attachments => "attachments",
            Self::Version => "version",
            Self::LargeMails => "large-mails",
            Self::Form => "form",
            Self::Other => "other",
        }
    }
}

/// Why a Clientmodul does not vouch for a mail that it decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KimDoubt {
    /// What came is not what was signed, or not from or for whom it says.
    Altered,
    /// It bears no signature.
    Unsigned,
    /// The certificate of the signature could not be checked, or is not valid.
    Certificate,
    /// The check itself failed, or its result is unknown.
    Unclear,
    /// It says nothing, or contradicts itself.
    Silent,
}

impl KimDoubt {
    /// Every doubt.
    pub const ALL: [Self; 5] =
        [Self::Altered, Self::Unsigned, Self::Certificate, Self::Unclear, Self::Silent];

    /// The word for it in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Unsigned => "unsigned",
            Self::Certificate => "certificate",
            Self::Unclear => "unclear",
            Self::Silent => "silent",
        }
    }
}
