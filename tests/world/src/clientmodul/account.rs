//! Who may log in, with which card, and whom the directory knows.

use serde::{Deserialize, Serialize};

use super::user_name::{KimProtocol, KimUserName, NameGrammar};

/// A mailbox at the Fachdienst and the card that reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KimAccount {
    pub address: String,
    pub password: String,
    #[serde(default = "mandant")]
    pub mandant_id: String,
    #[serde(default = "client_system")]
    pub client_system_id: String,
    #[serde(default = "workplace")]
    pub workplace_id: String,
    /// The doctor's own card (HBA) reads this mailbox: POP3 has to name this user, and so does SMTP
    /// where its names have a place for it. `None`: the card
    /// of the practice (SMC-B) does, whoever is named.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The practice has several Konnektors, and each login has to name this one.
    #[serde(default)]
    pub konnektor_id: Option<String>,
    #[serde(default)]
    pub card: CardState,
    #[serde(default)]
    pub konnektor: KonnektorState,
    /// As the directory and the Konnektor know the address when others write to it.
    #[serde(default)]
    pub recipient: RecipientState,
    /// Who writes to it gets this absence note.
    #[serde(default)]
    pub absence: Option<String>,
}

/// The card with the key of a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardState {
    #[default]
    Unlocked,
    /// Pulled, or its PIN is not entered. Logging in works; reading fails with 4009, sending with 451.
    Locked,
}

/// The Konnektor of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KonnektorState {
    #[default]
    Reachable,
    /// Not even logging in works; sessions that are open read with 4011 and send with 451.
    Away,
    /// Logging in works, from what the Clientmodul remembers; reading and sending fail as above.
    AwayForCards,
}

/// What the Clientmodul finds when somebody writes to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientState {
    /// Everything is there; `+` in its kimData, so more than 15 MiB may come.
    #[default]
    Usable,
    /// The same without `+`: a large mail is not sent to it (4001).
    UsableSmallOnly,
    /// Its KIM version cannot read the mail (4001).
    OldVersion,
    /// No entry with one certificate for encryption (4003). An address nobody told of is this one.
    NoCertificate,
    /// There is a certificate, and encrypting fails (4004).
    NotEncryptable,
    /// Several Telematik-IDs under one address (4005).
    SeveralTelematikIds,
    /// The mail leaves, and the Fachdienst of the recipient reports that the mailbox is full.
    MailboxFull,
}

impl RecipientState {
    /// The code of X-KIM-Fehlermeldung when no mail of this size reaches it; `None`: it does.
    pub(super) fn refusal(self, is_large: bool) -> Option<&'static str> {
        match self {
            Self::UsableSmallOnly if is_large => Some("4001"),
            Self::Usable | Self::UsableSmallOnly | Self::MailboxFull => None,
            Self::OldVersion => Some("4001"),
            Self::NoCertificate => Some("4003"),
            Self::NotEncryptable => Some("4004"),
            Self::SeveralTelematikIds => Some("4005"),
        }
    }
}

impl KimAccount {
    /// An account of a practice with one Konnektor, its card unlocked.
    pub fn new(address: &str, password: &str) -> Self {
        Self {
            address: address.to_owned(),
            password: password.to_owned(),
            mandant_id: mandant(),
            client_system_id: client_system(),
            workplace_id: workplace(),
            user_id: None,
            konnektor_id: None,
            card: CardState::default(),
            konnektor: KonnektorState::default(),
            recipient: RecipientState::default(),
            absence: None,
        }
    }

    /// Its complete user name for a protocol, by this grammar.
    pub fn user_name(&self, protocol: KimProtocol, grammar: &NameGrammar) -> String {
        let (with_user, port) = match protocol {
            KimProtocol::Smtp => (grammar.user_id_in_smtp, 465),
            KimProtocol::Pop3 => (true, 995),
        };
        let domain = self.address.rsplit('@').next().unwrap_or_default();
        let mut name = format!(
            "{}#mail.{domain}{}{port}#{}#{}#{}",
            self.address,
            grammar.port_delimiter,
            self.mandant_id,
            self.client_system_id,
            self.workplace_id
        );
        let user = self.user_id.as_deref().filter(|_| with_user);
        for part in match (user, self.konnektor_id.as_deref()) {
            (None, None) => vec![],
            (Some(user), None) => vec![user],
            (None, Some(konnektor)) if with_user => vec!["*", konnektor],
            (None, Some(konnektor)) => vec![konnektor],
            (Some(user), Some(konnektor)) => vec![user, konnektor],
        } {
            name = format!("{name}#{part}");
        }
        name
    }

    /// Whether the Konnektor finds the card that this login asks for.
    pub(super) fn knows(&self, name: &KimUserName) -> bool {
        let asks_for_card = name.has_user_place && name.context.is_some();
        name.fits(self)
            && (!asks_for_card || self.user_id.is_none() || self.user_id == name.user_id)
    }
}

fn mandant() -> String {
    "1".to_owned()
}

fn client_system() -> String {
    "KOM_LE".to_owned()
}

fn workplace() -> String {
    "7".to_owned()
}
