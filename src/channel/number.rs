//! Fax numbers in every notation gateways and people use, brought to E.164 (FAX-8, FAX-25).

use std::fmt;

use phonenumber::{Mode, PhoneNumber, Type, country, metadata::DATABASE};

use super::WhyNot;
use crate::model::FaxNumber;

/// A country of the telephone world, by its two letters (ISO 3166-1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(country::Id);

/// A text is no country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a country as two capital letters, for example DE, AT or CH (ISO 3166-1)")]
pub struct CountryError;

impl Country {
    pub fn new(letters: &str) -> Result<Self, CountryError> {
        letters.parse().map(Self).map_err(|_| CountryError)
    }

    /// What is dialled for it after the `+`, for example `49`.
    fn calling_code(self) -> Option<String> {
        let metadata = DATABASE.by_id(self.0.as_ref())?;
        Some(metadata.country_code().to_string())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

/// `00`, a bracketed `0` and the 15 digits of E.164 fit; a subject made of digits does not.
const DIGITS_MAX: usize = 20;

/// Brings a number as a gateway wrote it to E.164; `None` when it is not surely one.
///
/// `030…` is completed with the line's country. Digits without `+`, `00` or `0` are taken for an
/// international number only when they begin with that country's own code: reading any other row
/// of digits as a foreign number would put an answer into a stranger's fax tray.
pub(super) fn to_e164(raw: &str, country: Country) -> Option<FaxNumber> {
    let raw = raw.trim();
    let is_notation = |c: char| c.is_ascii_digit() || " -/.()".contains(c);
    let unsigned = raw.strip_prefix('+').unwrap_or(raw);
    if !unsigned.chars().all(is_notation) {
        return None;
    }
    let digits: String = unsigned.chars().filter(char::is_ascii_digit).collect();
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let dialled = if raw.starts_with('+') {
        format!("+{digits}")
    } else if let Some(rest) = digits.strip_prefix("00") {
        format!("+{rest}")
    } else if digits.starts_with('0') {
        digits
    } else if digits.starts_with(&country.calling_code()?) {
        format!("+{digits}")
    } else {
        return None;
    };
    let number = phonenumber::parse(Some(country.0), dialled).ok()?;
    let is_usable = is_in_plan(&number) && !is_short(&number);
    is_usable.then(|| FaxNumber::new(&number.format().mode(Mode::E164).to_string()).ok())?
}

/// Whether a fax may be sent there.
pub(super) fn check_dialable(number: &FaxNumber, countries: &[Country]) -> Result<(), WhyNot> {
    let number = phonenumber::parse(None, number.as_str()).map_err(|_| WhyNot::NoSuchNumber)?;
    if is_short(&number) {
        return Err(WhyNot::ShortNumber);
    }
    if !is_in_plan(&number) {
        return Err(WhyNot::NoSuchNumber);
    }
    if number.number_type(&DATABASE) == Type::PremiumRate {
        return Err(WhyNot::PremiumNumber);
    }
    let is_allowed = countries.iter().any(|country| number.country().id() == Some(country.0));
    if is_allowed { Ok(()) } else { Err(WhyNot::OtherCountry) }
}

/// As dialled within `country`; in the `00` form when the number is abroad.
///
/// The trunk prefix is put in front by hand: the crate's national notation leaves it out for
/// numbers it has no pattern of groups for, and the gateway would dial another number.
pub(super) fn national(number: &FaxNumber, country: Country) -> String {
    let parsed = phonenumber::parse(None, number.as_str());
    let home = parsed.ok().filter(|parsed| parsed.country().id() == Some(country.0));
    match home {
        Some(home) => {
            let prefix = home.metadata(&DATABASE).and_then(|metadata| metadata.national_prefix());
            format!("{}{}", prefix.unwrap_or_default(), home.national())
        }
        None => format!("00{}", number.digits()),
    }
}

/// The number as it is known within its country, without the zero that is dialled before it.
pub(super) fn national_digits(number: &FaxNumber) -> String {
    let parsed = phonenumber::parse(None, number.as_str());
    parsed.map(|parsed| parsed.national().to_string()).unwrap_or_default()
}

/// Whether the numbering plan knows such a number.
///
/// Where a leading 0 is dialled within a country it is no part of the number: `+49 0164 00` is
/// what is left of something shorter, although the metadata's patterns let it pass.
fn is_in_plan(number: &PhoneNumber) -> bool {
    let dials_zero = number
        .metadata(&DATABASE)
        .is_some_and(|metadata| metadata.national_prefix().is_some_and(|p| p.starts_with('0')));
    number.is_valid() && !(dials_zero && number.national().zeros() > 0)
}

/// 110, 112, 115, 116 117 and the other short numbers, which some exchanges take even behind a
/// country code. No German area code begins with 11, and 911 and 999 are emergency calls abroad.
fn is_short(number: &PhoneNumber) -> bool {
    const EMERGENCY: [&str; 5] = ["110", "112", "911", "999", "000"];
    let national = number.national().to_string();
    let is_german = number.country().code() == 49;
    EMERGENCY.contains(&national.as_str()) || (is_german && national.starts_with("11"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fax_8_one_number_has_one_form(raw in r"[+]?[0-9 ()/.-]{0,40}") {
            let germany = Country::new("DE").unwrap();
            if let Some(number) = to_e164(&raw, germany) {
                let abroad = format!("00{}", number.digits());
                let home = national(&number, germany);
                for notation in [number.as_str(), &abroad, &home] {
                    prop_assert_eq!(to_e164(notation, germany), Some(number.clone()));
                }
            }
        }

        #[test]
        fn no_text_and_no_number_makes_it_panic(raw in ".{0,60}", digits in "[1-9][0-9]{6,14}") {
            let germany = Country::new("DE").unwrap();
            to_e164(&raw, germany);
            let number = FaxNumber::new(&format!("+{digits}")).unwrap();
            if check_dialable(&number, &[germany]).is_ok() {
                prop_assert!(national(&number, germany).starts_with('0'));
            }
        }
    }

    #[test]
    fn a_subject_full_of_digits_is_no_number() {
        let germany = Country::new("DE").unwrap();
        assert_eq!(to_e164(&"0".repeat(1_000_000), germany), None);
        assert_eq!(to_e164(&format!("+49{}", "3".repeat(1_000_000)), germany), None);
    }
}
