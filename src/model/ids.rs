//! Names and numbers of things. All are opaque: none carries a person, an address or a subject.

use std::fmt;

use sha2::{Digest as _, Sha256};

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id!(
    /// A letter's row.
    LetterId
);
row_id!(
    /// The row of a mailbox generation.
    MailboxId
);
row_id!(
    /// A conversation's row.
    ConversationId
);
row_id!(
    /// A post's row.
    PostId
);
row_id!(
    /// A dispatch's row.
    DispatchId
);

/// The name of a channel in settings, logs and metrics: `a-z 0-9 -`, 1 to 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ChannelName(String);

/// A channel's name breaks its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel's name has 1 to 32 characters of a-z, 0-9 and -")]
pub struct ChannelNameError;

impl ChannelName {
    pub fn new(text: &str) -> Result<Self, ChannelNameError> {
        let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=32).contains(&text.len()) && text.chars().all(is_legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ChannelNameError)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ChannelName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The mailbox's name for one of its mails: the POP3 UIDL, or IMAP `UIDVALIDITY.UID`.
///
/// Never the Message-ID: two mails may share one, and some mails have none (KIM-8, FAX-2). It is
/// valid within one mailbox only, and only while the mail is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailKey(String);

/// A mailbox named a mail in a way the protocol does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mail's key has 1 to 70 visible ASCII characters (RFC 1939 §7)")]
pub struct MailKeyError;

impl MailKey {
    pub fn new(text: &str) -> Result<Self, MailKeyError> {
        let fits = (1..=70).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(MailKeyError) }
    }

    /// For a mail whose server names it in a way the protocol does not allow: too long, or not of
    /// visible ASCII. Contains a blank, which no server's key does.
    pub fn of_odd_name(name: &[u8]) -> Self {
        let hash = Sha256::digest(name);
        let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("odd {digits}"))
    }

    /// For the second, third … mail of a list that gives several mails the same name.
    pub fn again(&self, time: usize) -> Self {
        Self(format!("{} {time}", self.0))
    }

    /// As it was saved.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A Message-ID without its angle brackets (RFC 5322 §3.6.4), compared byte by byte.
///
/// Read leniently, because gateways write sloppy ones: any visible ASCII without angle brackets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

/// A text is not a Message-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Message-ID has 1 to 900 visible ASCII characters and no angle brackets inside")]
pub struct MessageIdError;

impl MessageId {
    /// Longest id, in bytes: what fits on one header line (RFC 5322 §2.1.1) with its name.
    pub const BYTES_MAX: usize = 900;

    /// Takes an id with or without its angle brackets.
    pub fn new(text: &str) -> Result<Self, MessageIdError> {
        let text = text.trim();
        let bare = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
        let is_legal = |b: u8| b.is_ascii_graphic() && b != b'<' && b != b'>';
        if (1..=Self::BYTES_MAX).contains(&bare.len()) && bare.bytes().all(is_legal) {
            Ok(Self(bare.to_owned()))
        } else {
            Err(MessageIdError)
        }
    }

    /// Without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<…>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_loses_its_brackets_and_keeps_its_case() {
        assert_eq!(MessageId::new(" <Ab.c@D> ").unwrap().as_str(), "Ab.c@D");
        assert_eq!(MessageId::new("ohne-klammern").unwrap().as_str(), "ohne-klammern");
    }

    #[test]
    fn empty_or_broken_ids_are_none() {
        for wrong in ["", "<>", "  ", "a b", "a\r\nb", "<a><b>", "ä@b"] {
            assert_eq!(MessageId::new(wrong), Err(MessageIdError), "{wrong:?}");
        }
    }
}
