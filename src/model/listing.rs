//! What the directory of KIM addresses (VZD) says about one of them.

use std::fmt;

/// What a directory says about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    Listed(KimEntry),
    /// The directory answered, and no entry of it names the address.
    NotListed,
}

/// What the entries that name an address say about it.
#[derive(Clone, PartialEq, Eq)]
pub struct KimEntry {
    /// Nothing where it cannot be read, or where two places contradict each other.
    pub version: Option<KimVersion>,
    /// Whether mails over 15 MiB are taken (KIM-27). Where places contradict each other, they are not.
    pub takes_large: bool,
    /// Whose address it is. Nothing where several entries with different ids name it.
    pub telematik_id: Option<String>,
    /// The name of the entry; nothing where several entries name the address.
    pub display_name: Option<String>,
}

/// An entry names a person: neither its id nor its name prints.
impl fmt::Debug for KimEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KimEntry({:?}, large mails: {})", self.version, self.takes_large)
    }
}

/// The version of KIM behind an address, for example `1.5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KimVersion(String);

impl KimVersion {
    /// Longest version, in bytes: the longest that is known has five.
    const BYTES_MAX: usize = 16;

    /// Numbers with dots between. Nothing for any other text.
    pub fn new(text: &str) -> Option<Self> {
        let is_number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_version = text.len() <= Self::BYTES_MAX && text.split('.').all(is_number);
        is_version.then(|| Self(text.to_owned()))
    }

    /// The version of an address of which the directory names none (gematik, LDAP attributes of the VZD:
    /// without `komLeData` it is 1.0).
    pub fn first() -> Self {
        Self("1.0".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the gateway knows of an address when an answer is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressStanding {
    /// The channel has no directory.
    Unasked,
    /// The directory could not be asked.
    Away,
    /// No entry names it. `vanished`: one did, at an earlier look.
    Unlisted {
        vanished: bool,
    },
    Listed {
        takes_large: bool,
    },
}

/// Why a large mail does not leave (KIM-27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNotLarge {
    /// The entry does not say that large mails are taken.
    NotTaken,
    /// No entry names the address.
    NotListed,
    /// The directory could not be asked.
    NotKnown,
}

impl WhyNotLarge {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::NotTaken, Self::NotListed, Self::NotKnown];

    /// The word for it in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotTaken => "not-taken",
            Self::NotListed => "not-listed",
            Self::NotKnown => "not-known",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kim_35_a_version_is_numbers_with_dots() {
        for version in ["1.0", "1.5", "2", "1.5.3", "10.20.30"] {
            assert_eq!(KimVersion::new(version).unwrap().as_str(), version);
        }
        for other in ["", ".", "1.", ".5", "1.5+", "1,5", "v1.5", "1 .5", "1.5.3.4.5.6.7.8.9"] {
            assert_eq!(KimVersion::new(other), None, "{other}");
        }
    }

    #[test]
    fn kim_36_an_entry_does_not_print_whom_it_names() {
        let entry = KimEntry {
            version: KimVersion::new("1.5"),
            takes_large: true,
            telematik_id: Some("5-1234".to_owned()),
            display_name: Some("Praxis Muster".to_owned()),
        };
        let printed = format!("{:?}", Listing::Listed(entry));
        assert!(!printed.contains("1234") && !printed.contains("Muster"), "{printed}");
    }
}
