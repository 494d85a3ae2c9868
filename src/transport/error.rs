//! What can be wrong with a mail server.

use std::time::Duration;

use super::{trust::Untrusted, wire::Fault};
use crate::model::AccountTrouble;

/// Settings of a server that we refuse to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerSettingsError {
    #[error(
        "a connection without TLS is allowed to this machine only (127.0.0.0/8, ::1, localhost), and {host} is another machine"
    )]
    PlaintextAbroad { host: String },
    /// It would end the command and begin another, or cut SASL PLAIN in two.
    #[error("a user name or password must not contain line ends or NUL")]
    LoginCharacter,
    #[error("{host} is neither a DNS name nor an IP address")]
    HostName { host: String },
    #[error("a pin list, or a list of authorities, must not be empty")]
    NobodyTrusted,
}

/// Why there was no session with a mail server, or why it ended.
///
/// Names the host and, where the server said something, its words without addresses and numbers.
#[derive(Debug, thiserror::Error)]
pub enum MailServerError {
    #[error("the settings of this mail server cannot be used")]
    Settings { source: ServerSettingsError },
    #[error("the mail server {host} cannot be reached")]
    Unreachable { host: String, source: Fault },
    /// Never answered by trying without TLS: an operator must look (KIM-3).
    #[error("the mail server {host} offers no TLS connection that can be trusted")]
    Tls { host: String, source: Fault },
    /// A Clientmodul says the same for a locked card or a wrong call context: back off, try a few
    /// times an hour at most, and tell an operator (KIM-6).
    #[error("the mail server {host} refuses the login")]
    Credentials { host: String, source: Fault },
    /// The user name is incomplete, or its call context is unknown (501): the settings are wrong,
    /// and no repeat gets further (KIM-6).
    #[error("the mail server {host} does not understand the user name")]
    UserName { host: String, source: Fault },
    /// A login was refused a moment ago, here or elsewhere, and nothing was tried.
    #[error("the account on {host} was refused, and is not tried again for {} s", wait.as_secs())]
    Waits { host: String, wait: Duration },
    /// Another session holds the mailbox, or the server asks for patience (KIM-7).
    #[error("the mail server {host} is busy")]
    Busy { host: String, source: Fault },
    /// Everything else, in the middle of a dialogue: begin a new session later.
    #[error("the dialogue with the mail server {host} broke off")]
    Broken { host: String, source: Fault },
}

/// What the caller should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailServerErrorKind {
    Settings,
    Unreachable,
    Tls,
    Credentials,
    UserName,
    Busy,
    Broken,
}

impl MailServerErrorKind {
    /// The word for it in metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::UserName => "user_name",
            Self::Busy => "busy",
            Self::Broken => "broken",
        }
    }
}

impl MailServerError {
    pub fn kind(&self) -> MailServerErrorKind {
        match self {
            Self::Settings { .. } => MailServerErrorKind::Settings,
            Self::Unreachable { .. } => MailServerErrorKind::Unreachable,
            Self::Tls { .. } => MailServerErrorKind::Tls,
            Self::Credentials { .. } | Self::Waits { .. } => MailServerErrorKind::Credentials,
            Self::UserName { .. } => MailServerErrorKind::UserName,
            Self::Busy { .. } => MailServerErrorKind::Busy,
            Self::Broken { .. } => MailServerErrorKind::Broken,
        }
    }

    /// The certificate that the server showed, if it is not trusted.
    pub fn untrusted(&self) -> Option<&Untrusted> {
        match self {
            Self::Tls { source, .. } => source.untrusted(),
            _ => None,
        }
    }

    /// What keeps us out of the account; nothing if no login was tried.
    pub fn trouble(&self) -> Option<AccountTrouble> {
        match self {
            Self::Waits { .. } => None,
            Self::Settings { .. } | Self::UserName { .. } => Some(AccountTrouble::Settings),
            Self::Credentials { .. } => Some(AccountTrouble::Login),
            Self::Tls { source, .. } => {
                Some(trouble_with_tls(source).unwrap_or(AccountTrouble::Certificate))
            }
            Self::Unreachable { .. } | Self::Busy { .. } | Self::Broken { .. } => {
                Some(AccountTrouble::Away)
            }
        }
    }

    /// A fault before the server said its first word.
    pub(super) fn at_greeting(host: &str, source: Fault) -> Self {
        let host = host.to_owned();
        match source {
            Fault::Tls { .. } => Self::Tls { host, source },
            Fault::Refused { .. } => Self::Busy { host, source },
            _ => Self::Unreachable { host, source },
        }
    }

    /// A fault in the middle of a dialogue.
    pub(super) fn midway(host: &str, source: Fault) -> Self {
        let host = host.to_owned();
        // With TLS 1.3 a server refuses our certificate, or the lack of one, after the handshake.
        if matches!(source, Fault::Tls { .. }) {
            Self::Tls { host, source }
        } else {
            Self::Broken { host, source }
        }
    }
}

/// What a fault says about the certificates; nothing if it is about something else.
pub(super) fn trouble_with_tls(fault: &Fault) -> Option<AccountTrouble> {
    match fault {
        // A server refuses our certificate, or the lack of one, by an alert. With TLS 1.3 it does so
        // after the handshake.
        Fault::Tls { source: rustls::Error::AlertReceived(_) } => {
            Some(AccountTrouble::OwnCertificate)
        }
        Fault::Tls { .. } => Some(AccountTrouble::Certificate),
        _ => None,
    }
}
