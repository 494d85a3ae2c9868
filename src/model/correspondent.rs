//! The other party on a channel, and the name of the ghost that stands for it.

use std::borrow::Cow;

use super::{AddressError, FaxNumber, MailAddress};

/// Precedes a number that a fax machine only claims.
const CLAIMED: &str = "claimed-";

/// What a channel speaks. The rest of what makes a channel is data in `crate::channel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Secure medical mail behind a Clientmodul.
    Kim,
    /// A fax-to-email gateway.
    Fax,
}

impl ChannelKind {
    /// The word for it in ids, SQL and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kim => "kim",
            Self::Fax => "fax",
        }
    }

    /// The inverse of [`ChannelKind::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Kim, Self::Fax].into_iter().find(|kind| kind.word() == word)
    }
}

/// The other party on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Correspondent {
    Mail(MailAddress),
    Fax(FaxNumber),
    /// A fax machine that gives this number as its own, which the gateway does not confirm. It is
    /// not taken for the one at that number: any machine may give any number.
    ClaimedFax(FaxNumber),
    /// A fax that came without a caller's number: it can be read, not answered.
    UnknownFax,
    /// A mail that names no sender, or several: it can be read, not answered.
    UnknownSender,
}

impl Correspondent {
    /// One line that identifies the correspondent within its channel, as Postgres stores it.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Mail(address) => address.as_str().into(),
            Self::Fax(number) => number.as_str().into(),
            Self::ClaimedFax(number) => format!("{CLAIMED}{}", number.as_str()).into(),
            Self::UnknownFax | Self::UnknownSender => "unknown".into(),
        }
    }

    /// The number a fax is sent to.
    pub fn number(&self) -> Option<&FaxNumber> {
        match self {
            Self::Fax(number) | Self::ClaimedFax(number) => Some(number),
            Self::Mail(_) | Self::UnknownFax | Self::UnknownSender => None,
        }
    }

    /// Whether two letters of this correspondent may be from two people.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownFax | Self::UnknownSender)
    }

    /// Whether each letter has a room of its own, because two may be from two people. Faxes without a number
    /// share one: what they have in common is the line, and nobody can answer them.
    pub fn has_a_room_each(&self) -> bool {
        matches!(self, Self::UnknownSender)
    }

    /// The inverse of [`Correspondent::key`] for a channel of this kind.
    pub fn from_key(kind: ChannelKind, key: &str) -> Result<Self, AddressError> {
        match (kind, key) {
            (ChannelKind::Kim, "unknown") => Ok(Self::UnknownSender),
            (ChannelKind::Kim, key) => MailAddress::new(key).map(Self::Mail),
            (ChannelKind::Fax, "unknown") => Ok(Self::UnknownFax),
            (ChannelKind::Fax, key) => match key.strip_prefix(CLAIMED) {
                Some(number) => FaxNumber::new(number).map(Self::ClaimedFax),
                None => FaxNumber::new(key).map(Self::Fax),
            },
        }
    }

    /// The kinds of channel on which correspondents can be met.
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::Mail(_) | Self::UnknownSender => ChannelKind::Kim,
            Self::Fax(_) | Self::ClaimedFax(_) | Self::UnknownFax => ChannelKind::Fax,
        }
    }
}

/// The local part of a ghost's Matrix user id, without the namespace's prefix.
///
/// `kim_praxis=40mueller.kim.telematik`, `fax_49301234567`, `kim_unknown`: the kind, `_`, then
/// the correspondent with every byte outside `a-z 0-9 . _ -` written as `=` and two hex digits,
/// as the Matrix specification maps foreign names (appendices, "Mapping from other character
/// sets"). Injective and reversible, because `=` itself is escaped too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GhostName(String);

/// Why a correspondent cannot have a ghost, or a local part is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GhostNameError {
    #[error("the correspondent's address is too long for a Matrix user id of 255 bytes")]
    TooLong,
    #[error("this is not the name of a ghost")]
    NotAGhost,
}

impl GhostName {
    /// `room_for_name`: bytes left for it in a user id, after `@`, the prefix, `:` and the server.
    pub fn of(correspondent: &Correspondent, room_for_name: usize) -> Result<Self, GhostNameError> {
        let mut name = format!("{}_", correspondent.kind().word());
        let key = match correspondent {
            Correspondent::Fax(number) => number.digits().into(),
            Correspondent::ClaimedFax(number) => format!("{CLAIMED}{}", number.digits()).into(),
            other => other.key(),
        };
        for byte in key.bytes() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(byte)),
                other => name.push_str(&format!("={other:02x}")),
            }
        }
        if name.len() > room_for_name { Err(GhostNameError::TooLong) } else { Ok(Self(name)) }
    }

    /// The correspondent that the ghost of this name stands for.
    pub fn correspondent(name: &str) -> Result<Correspondent, GhostNameError> {
        let (kind, escaped) = name.split_once('_').ok_or(GhostNameError::NotAGhost)?;
        let key = unescape(escaped).ok_or(GhostNameError::NotAGhost)?;
        let correspondent = match kind {
            "kim" => Correspondent::from_key(ChannelKind::Kim, &key),
            "fax" if key == "unknown" => Ok(Correspondent::UnknownFax),
            "fax" => match key.strip_prefix(CLAIMED) {
                Some(digits) => {
                    FaxNumber::new(&format!("+{digits}")).map(Correspondent::ClaimedFax)
                }
                None => Correspondent::from_key(ChannelKind::Fax, &format!("+{key}")),
            },
            _ => return Err(GhostNameError::NotAGhost),
        }
        .map_err(|_| GhostNameError::NotAGhost)?;
        // A name has only one spelling: `=61` for `a` would be a second ghost for one person.
        let spelled_as_we_do = Self::of(&correspondent, usize::MAX).is_ok_and(|own| own.0 == name);
        if spelled_as_we_do { Ok(correspondent) } else { Err(GhostNameError::NotAGhost) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_correspondent() -> impl Strategy<Value = Correspondent> {
        let mail = r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9._-]{1,100}"
            .prop_map(|text| Correspondent::Mail(MailAddress::new(&text).unwrap()));
        let fax = r"\+[1-9][0-9]{6,14}"
            .prop_map(|text| Correspondent::Fax(FaxNumber::new(&text).unwrap()));
        let claimed = r"\+[1-9][0-9]{6,14}"
            .prop_map(|text| Correspondent::ClaimedFax(FaxNumber::new(&text).unwrap()));
        prop_oneof![
            mail,
            fax,
            claimed,
            Just(Correspondent::UnknownFax),
            Just(Correspondent::UnknownSender)
        ]
    }

    proptest! {
        #[test]
        fn a_ghost_name_is_legal_and_leads_back_to_its_correspondent(correspondent in any_correspondent()) {
            let name = GhostName::of(&correspondent, usize::MAX).unwrap();
            let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._=-/+".contains(c);
            prop_assert!(name.as_str().chars().all(is_legal));
            prop_assert_eq!(GhostName::correspondent(name.as_str()), Ok(correspondent.clone()));
            let kind = correspondent.kind();
            prop_assert_eq!(Correspondent::from_key(kind, &correspondent.key()), Ok(correspondent));
        }

        #[test]
        fn different_correspondents_have_different_ghosts(a in any_correspondent(), b in any_correspondent()) {
            let same_name = GhostName::of(&a, usize::MAX) == GhostName::of(&b, usize::MAX);
            prop_assert_eq!(same_name, a == b);
        }

        #[test]
        fn no_text_is_a_second_spelling_of_a_ghost(text in "(kim|fax)_[a-z0-9=._-]{1,30}") {
            if let Ok(correspondent) = GhostName::correspondent(&text) {
                let name = GhostName::of(&correspondent, usize::MAX).unwrap();
                prop_assert_eq!(name.as_str(), text);
            }
        }
    }

    #[test]
    fn an_address_that_does_not_fit_into_a_user_id_is_refused() {
        let long = format!("{}@{}", "+".repeat(64), "d".repeat(200));
        let correspondent = Correspondent::Mail(MailAddress::new(&long).unwrap());
        assert_eq!(GhostName::of(&correspondent, 230), Err(GhostNameError::TooLong));
    }
}
