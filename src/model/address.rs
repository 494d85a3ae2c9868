//! Mail addresses and fax numbers, checked at the door and silent in logs.

use std::{fmt, str::FromStr};

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address needs exactly one @ with text on both sides")]
    NoSingleAt,
    #[error("an address has at most 64 characters before and 255 after the @ (RFC 5321 §4.5.3.1)")]
    TooLong,
    #[error(
        "an address must not contain white space, control characters, quotes, brackets or letters outside ASCII"
    )]
    Character,
    #[error("a fax number is written in international form: + and 7 to 15 digits (E.164)")]
    NotE164,
}

/// A mail address in lower case, for example `praxis@mueller.kim.telematik`.
///
/// Only the dot-atom form of RFC 5321 is accepted: KIM allows no other (kim.md §4), and quoted
/// local parts invite smuggling. KIM addresses compare without regard to case, so the lower-case
/// form is the identity. `Debug` shows the domain only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailAddress(String);

impl MailAddress {
    /// Longest local part, in bytes (RFC 5321 §4.5.3.1.1).
    pub const LOCAL_MAX: usize = 64;
    /// Longest domain, in bytes (RFC 5321 §4.5.3.1.2).
    pub const DOMAIN_MAX: usize = 255;

    /// Checks and lower-cases `text`.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.split_once('@').ok_or(AddressError::NoSingleAt)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(AddressError::NoSingleAt);
        }
        if local.len() > Self::LOCAL_MAX || domain.len() > Self::DOMAIN_MAX {
            return Err(AddressError::TooLong);
        }
        let is_atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
        let is_domain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !local.chars().all(is_atext) || !domain.chars().all(is_domain) {
            return Err(AddressError::Character);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain())
    }
}

impl FromStr for MailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> serde::Deserialize<'de> for MailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A fax number in E.164 form, for example `+49301234567`. `Debug` shows the country only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaxNumber(String);

impl FaxNumber {
    /// Takes a number that is already in E.164 form; `channel` converts other notations.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix('+').ok_or(AddressError::NotE164)?;
        let fits = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if fits { Ok(Self(text.to_owned())) } else { Err(AddressError::NotE164) }
    }

    /// With the leading `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the leading `+`.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }
}

impl fmt::Debug for FaxNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}…", self.digits().chars().take(2).collect::<String>())
    }
}

impl FromStr for FaxNumber {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> serde::Deserialize<'de> for FaxNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_mail(text: &str, expected: Result<&str, AddressError>) {
        let actual = MailAddress::new(text);
        assert_eq!(actual.as_ref().map(MailAddress::as_str), expected.as_ref().map(|s| *s));
    }

    #[test]
    fn addresses_are_compared_in_lower_case() {
        check_mail("Praxis@Mueller.KIM.telematik", Ok("praxis@mueller.kim.telematik"));
    }

    #[test]
    fn an_underscore_in_the_domain_is_legal_in_kim() {
        check_mail("erik@hrst_domain.kim.telematik", Ok("erik@hrst_domain.kim.telematik"));
    }

    #[test]
    fn what_could_smuggle_a_header_or_a_second_recipient_is_refused() {
        check_mail("a@b\r\nBcc: c@d", Err(AddressError::NoSingleAt));
        check_mail("a@b\r\nBcc: c", Err(AddressError::Character));
        check_mail("a@b@c", Err(AddressError::NoSingleAt));
        check_mail("a b@c", Err(AddressError::Character));
        check_mail("<a@b>", Err(AddressError::Character));
        check_mail("mü@b", Err(AddressError::Character));
        check_mail(&format!("{}@b", "a".repeat(65)), Err(AddressError::TooLong));
    }

    #[test]
    fn addresses_and_numbers_do_not_print() {
        let mail = MailAddress::new("geheim@mueller.kim.telematik").unwrap();
        assert_eq!(format!("{mail:?}"), "…@mueller.kim.telematik");
        let fax = FaxNumber::new("+49301234567").unwrap();
        assert_eq!(format!("{fax:?}"), "+49…");
    }

    #[test]
    fn a_fax_number_is_e164() {
        assert!(FaxNumber::new("+49301234567").is_ok());
        for wrong in ["0301234567", "+0301234567", "+49 30 1234567", "+491", "+4930123456789012"] {
            assert_eq!(FaxNumber::new(wrong), Err(AddressError::NotE164), "{wrong}");
        }
    }
}
