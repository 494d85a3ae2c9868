//! What keeps the gateway out of an account at a mail server.

/// What a channel needs to work: its account from two sides, and the virus scanner if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountSide {
    Inbox,
    Outbox,
    /// It is the same for all channels (KIM-20).
    Scanner,
}

impl AccountSide {
    /// The word for it in SQL, metrics and sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Scanner => "scanner",
        }
    }
}

/// What keeps the gateway out of an account, in the terms that a person needs to act (KIM-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountTrouble {
    /// The login is refused: the password, or the card, which a Clientmodul does not tell apart.
    Login,
    /// The user name is incomplete, or its call context is unknown: the settings are wrong.
    Settings,
    /// No encrypted connection that can be trusted: mostly another certificate than the pinned one.
    Certificate,
    /// The server wants a certificate of ours, or refuses the one we show.
    OwnCertificate,
    /// Nothing answers, or what answers says that its provider is away.
    Away,
}

impl AccountTrouble {
    /// Every trouble.
    pub const ALL: [Self; 5] =
        [Self::Login, Self::Settings, Self::Certificate, Self::OwnCertificate, Self::Away];

    /// The word for it in SQL, metrics and sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Settings => "settings",
            Self::Certificate => "certificate",
            Self::OwnCertificate => "own_certificate",
            Self::Away => "away",
        }
    }

    /// The inverse of `word`; every other word is damage.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.word() == word)
    }
}
