//! Fax numbers in every notation gateways and people use, brought to E.164 (FAX-8, FAX-25).

use std::fmt;

use phonenumber::{Mode, PhoneNumber, Type, country, metadata::DATABASE};

use super::{WhyNot, refused};
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

    /// A number as people of that country write it, if it is certain which one is meant.
    pub fn number(self, written: &str) -> Option<FaxNumber> {
        to_e164(written, self)
    }

    /// The code that is dialled for it after the `+`, for example `49`.
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

/// The area of a fax line, by the digits that are dialled before a number within its country, without the
/// zero: `30` for Berlin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaCode(String);

/// A text is no area code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an area code in digits, for example 030")]
pub struct AreaCodeError;

impl AreaCode {
    /// With or without the zero that is dialled first. The longest have five digits (`033232`).
    pub fn new(text: &str) -> Result<Self, AreaCodeError> {
        let digits = text.strip_prefix('0').unwrap_or(text);
        let is_one = (1..=5).contains(&digits.len())
            && digits.chars().all(|c| c.is_ascii_digit())
            && !digits.starts_with('0');
        if is_one { Ok(Self(digits.to_owned())) } else { Err(AreaCodeError) }
    }
}

/// Where a fax line is: what completes numbers that people write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub country: Country,
    pub area: Option<AreaCode>,
}

impl Home {
    /// A number as people write it (FAX-8); `None` if that is not certain.
    pub fn number(&self, raw: &str) -> Option<FaxNumber> {
        let local = || local_to_e164(raw, self.country, self.area.as_ref()?);
        to_e164(raw, self.country).or_else(local)
    }
}

/// How many digits a number has within its area. Fewer are an extension of the house or a short
/// number; more are a whole number that lost its zero on the way.
const LOCAL_DIGITS: std::ops::RangeInclusive<usize> = 5..=8;

/// Completes a number that a gateway gave as it is dialled within the line's own area (FAX-8); `None` if
/// that is not certain.
///
/// Digits alone: groups may be a date or a count. No number within an area begins with 0, and those with
/// 1 are services (`116117`, `19222`). Digits that begin with the area code or with the country's code may
/// be the whole number without what is dialled before it. No number is better than a wrong one.
pub(super) fn local_to_e164(raw: &str, country: Country, area: &AreaCode) -> Option<FaxNumber> {
    let digits = raw.trim();
    let is_local = LOCAL_DIGITS.contains(&digits.len())
        && digits.chars().all(|c| c.is_ascii_digit())
        && !digits.starts_with(['0', '1'])
        && !digits.starts_with(&area.0)
        && !digits.starts_with(&country.calling_code()?);
    is_local.then(|| to_e164(&format!("0{}{digits}", area.0), country))?
}

/// `00`, a bracketed `0` and the 15 digits of E.164 fit; a subject made of digits does not.
const DIGITS_MAX: usize = 20;

/// Converts a number as a gateway wrote it to E.164; `None` if that is not certain.
///
/// `030…` is completed with the line's country. Digits without `+`, `00` or `0` count as an
/// international number only if they begin with that country's own code: reading any other row of
/// digits as a foreign number would put an answer into a stranger's fax tray.
pub(super) fn to_e164(raw: &str, country: Country) -> Option<FaxNumber> {
    let raw = raw.trim();
    let is_notation = |c: char| c.is_ascii_digit() || " -/.()".contains(c);
    let unsigned = raw.strip_prefix('+').unwrap_or(raw);
    if !unsigned.chars().all(is_notation) || !is_grouped_as_one(unsigned, raw != unsigned) {
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
    let is_one = unsigned.chars().all(|c| c.is_ascii_digit()) || is_of_its_length(&number);
    let is_usable = is_one && is_in_plan(&number) && !is_short(&number);
    is_usable.then(|| FaxNumber::new(&number.format().mode(Mode::E164).to_string()).ok())?
}

/// Whether digits alone are two numbers: one of the country with its code, and one within it that lost its
/// zero. 04921 223456 (Emden) and +49 212 23456 (Solingen) are both written 4921223456.
pub(super) fn may_be_two(raw: &str, country: Country) -> bool {
    let digits = raw.trim();
    let is_bare = digits.chars().all(|c| c.is_ascii_digit()) && !digits.starts_with('0');
    if !is_bare || to_e164(digits, country).is_none() {
        return false;
    }
    if country.calling_code().as_deref() == Some("49") {
        // The longest number of these places has seven digits, and none begins with 0 or 1: those are services.
        let local = GERMAN_AREAS_IN_49.iter().find_map(|area| digits.strip_prefix(area));
        return local
            .is_some_and(|local| (3..=7).contains(&local.len()) && !local.starts_with(['0', '1']));
    }
    to_e164(&format!("0{digits}"), country).is_some()
}

/// The German area codes that begin like the country's code. Source: directory of area codes of the
/// Bundesnetzagentur.
const GERMAN_AREAS_IN_49: [&str; 52] = [
    "4920", "4921", "4922", "4923", "4924", "4925", "4926", "4927", "4928", "4929", "4931", "4932",
    "4933", "4934", "4935", "4936", "4938", "4939", "4941", "4942", "4943", "4944", "4945", "4946",
    "4947", "4948", "4950", "4951", "4952", "4953", "4954", "4955", "4956", "4957", "4958", "4959",
    "4961", "4962", "4963", "4964", "4965", "4966", "4967", "4968", "4971", "4972", "4973", "4974",
    "4975", "4976", "4977", "491",
];

/// The most digits of a German number after its country code, as they are assigned.
const GERMAN_DIGITS_MAX: usize = 11;

/// Whether a number written in groups is no longer than a number can be: otherwise something
/// follows it.
fn is_of_its_length(number: &PhoneNumber) -> bool {
    number.country().code() != 49 || number.national().to_string().len() <= GERMAN_DIGITS_MAX
}

/// What separates two groups of digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Blank,
    Dot,
    Hyphen,
    /// What people write after an area code: `/`, and a hyphen between blanks.
    BehindArea,
    Opens,
    Closes,
}

impl Sign {
    fn of(text: &str) -> Option<Self> {
        let has_blank = text.contains(' ');
        Some(match text.replace(' ', "").as_str() {
            "" => Self::Blank,
            "." if !has_blank => Self::Dot,
            "-" if !has_blank => Self::Hyphen,
            "-" | "/" => Self::BehindArea,
            "(" => Self::Opens,
            ")" | ")-" | ")/" => Self::Closes,
            _ => return None,
        })
    }
}

/// Whether digits are divided as people divide one number, and nothing else follows it: a count of
/// pages `(2)`, `- 2` or `1/2`, a date, the number of a copy. Read as its last digits, it would
/// make the number a stranger's.
fn is_grouped_as_one(unsigned: &str, has_plus: bool) -> bool {
    divided(unsigned).is_some_and(|(groups, signs)| are_one(&groups, &signs, has_plus))
}

/// Groups of digits, and the sign before each. A number ends in a digit.
fn divided(text: &str) -> Option<(Vec<&str>, Vec<Option<Sign>>)> {
    let (mut groups, mut signs) = (Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit())?;
        let (sign, behind) = rest.split_at_checked(digits)?;
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (group, after) = behind.split_at_checked(end)?;
        signs.push(if sign.is_empty() { None } else { Some(Sign::of(sign)?) });
        groups.push(group);
        rest = after;
    }
    Some((groups, signs))
}

fn are_one(groups: &[&str], signs: &[Option<Sign>], has_plus: bool) -> bool {
    let Some(first) = groups.first() else { return false };
    let is_national = !has_plus && first.starts_with('0') && !first.starts_with("00");
    let has_dots = signs.contains(&Some(Sign::Dot));
    let opened = signs.iter().position(|sign| *sign == Some(Sign::Opens));
    let is_zero_aside = opened == Some(1) && groups.get(1) == Some(&"0");
    // `(030) 555`, `+49 (0)30 555`, and no brackets after that.
    let are_brackets_fit = match opened {
        None => true,
        Some(0) => is_national,
        Some(1) => !is_national,
        Some(_) => false,
    };
    // `02.11.2026` is a date: no area code has one digit.
    if !are_brackets_fit || (is_national && first.len() == 2) {
        return false;
    }
    // Where the area code is, after a country's code or a zero that is divided from it.
    let area = match first {
        _ if is_zero_aside => 2,
        &"0" => 1,
        _ if is_national => 0,
        _ => 1,
    };
    // The longest group with an area code in it; the longest area codes have five digits.
    let head_max = match first {
        _ if is_national => 6,
        _ if first.starts_with("00") => 9,
        _ => 7,
    };
    let mut before = "";
    let mut is_open = false;
    for (place, (sign, group)) in signs.iter().zip(groups).enumerate() {
        let before_max = if place == 1 { head_max } else { 5 };
        let is_fit = match sign {
            None => place == 0,
            Some(Sign::Opens) => before.len() <= 4,
            Some(Sign::Closes) => is_open,
            Some(_) if is_open || place == 0 => false,
            Some(Sign::BehindArea) => place <= area + 1 && before.len() <= before_max,
            Some(Sign::Blank) => !has_dots && before.len() <= before_max,
            Some(Sign::Dot) => before.len() <= before_max,
            Some(Sign::Hyphen) => before.len() <= before_max.max(6),
        };
        // One digit at the end is more likely a count than a part of the number, unless it is the
        // zero of an exchange; the same holds for two after four.
        let is_end = match group.len() {
            _ if place == 0 || place + 1 < groups.len() => true,
            1 => *group == "0",
            2 => *sign == Some(Sign::Hyphen) || before.len() <= 3,
            _ => true,
        };
        if !is_fit || !is_end {
            return false;
        }
        is_open = *sign == Some(Sign::Opens);
        before = group;
    }
    !is_open
}

/// Whether a fax may be sent there.
pub(super) fn check_dialable(number: &FaxNumber, countries: &[Country]) -> Result<(), WhyNot> {
    // First the rows, which need no plan: an exchange may ring before all digits are dialled.
    if let Some(why) = refused::why(number) {
        return Err(why);
    }
    let number = phonenumber::parse(None, number.as_str()).map_err(|_| WhyNot::NoSuchNumber)?;
    if is_emergency(&number) {
        return Err(WhyNot::EmergencyNumber);
    }
    if !is_in_plan(&number) {
        return Err(WhyNot::NoSuchNumber);
    }
    if matches!(number.number_type(&DATABASE), Type::PremiumRate | Type::SharedCost) {
        return Err(WhyNot::PremiumNumber);
    }
    let is_allowed = countries.iter().any(|country| is_of(&number, *country));
    if is_allowed { Ok(()) } else { Err(WhyNot::OtherCountry) }
}

/// Whether a number is one of that country. Italy and the Vatican share a code and a network, and the plan does
/// not tell which of them a number is of.
fn is_of(number: &PhoneNumber, country: Country) -> bool {
    let code = country.calling_code();
    match number.country().id() {
        Some(id) => id == country.0,
        None => number.country().code() == 39 && code.as_deref() == Some("39"),
    }
}

/// As dialled within `country`; in the `00` form if the number is abroad.
///
/// The trunk prefix is added by hand: the crate's national notation leaves it out for numbers it
/// has no pattern of groups for, and the gateway would dial another number.
pub(super) fn national(number: &FaxNumber, country: Country) -> String {
    let parsed = phonenumber::parse(None, number.as_str());
    let home = parsed.ok().filter(|parsed| is_of(parsed, country));
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
/// A leading 0 that is dialled within a country is not part of the number: `+49 0164 00` is what is
/// left of something shorter, although the metadata's patterns let it pass.
fn is_in_plan(number: &PhoneNumber) -> bool {
    let dials_zero = number
        .metadata(&DATABASE)
        .is_some_and(|metadata| metadata.national_prefix().is_some_and(|p| p.starts_with('0')));
    number.is_valid() && !(dials_zero && number.national().zeros() > 0)
}

/// Whether it is no number of a fax, but a short one: some exchanges accept those even after a country
/// code.
fn is_short(number: &PhoneNumber) -> bool {
    let e164 = FaxNumber::new(&number.format().mode(Mode::E164).to_string());
    let row = e164.ok().and_then(|number| refused::why(&number));
    is_emergency(number)
        || matches!(row, Some(WhyNot::EmergencyNumber | WhyNot::ShortNumber))
        // No German area code begins with 11.
        || (number.country().code() == 49 && number.national().to_string().starts_with("11"))
}

/// The emergency calls of most of the world, whatever the country.
fn is_emergency(number: &PhoneNumber) -> bool {
    const EMERGENCY: [&str; 5] = ["110", "112", "911", "999", "000"];
    EMERGENCY.contains(&number.national().to_string().as_str())
}

/// A number as people group it, with its country: `+49 30 23125999 (DE)`.
pub(super) fn shown(number: &FaxNumber) -> String {
    let Ok(parsed) = phonenumber::parse(None, number.as_str()) else {
        return number.as_str().to_owned();
    };
    let grouped = parsed.format().mode(Mode::International).to_string();
    match parsed.country().id() {
        Some(country) => format!("{grouped} ({})", country.as_ref()),
        None => grouped,
    }
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

    /// L66: in all notations that people use, and without a count, date or other number after it.
    #[test]
    fn l66_what_stands_behind_a_number_is_not_its_end() {
        let germany = Country::new("DE").unwrap();
        for one in [
            "0305550123",
            "+49305550123",
            "0049305550123",
            "49305550123",
            "030 5550123",
            "030/5550123",
            "030 / 555 01 23",
            "030 - 5550123",
            "030-5550123",
            "030-555-0123",
            "030.555.0123",
            "(030) 5550123",
            "(030)5550123",
            "(030) / 5550123",
            "(0)30 5550123",
            "0 30 / 5 55 01 23",
            "030 555 0123",
            "+49 30 5550123",
            "+49 (0)30 5550123",
            "+49(0)30/5550123",
            "+49 (30) 555-0123",
            "+49/30/5550123",
            "+49-30-5550123",
            "+4930 5550123",
            "+49 30 - 5550123",
            "0049 30 5550123",
            "004930 5550123",
            "49 30 5550123",
            "030 5550-123",
            "030 55501-23",
        ] {
            let read = to_e164(one, germany);
            assert_eq!(read.as_ref().map(FaxNumber::as_str), Some("+49305550123"), "{one}");
        }
        for other in
            ["033232 12345", "089 123456-78", "0151 12345678", "+43 1 5010 0", "030 55501-0"]
        {
            assert!(to_e164(other, germany).is_some(), "{other}");
        }
        let numbers = [
            "030 5550123",
            "0305550123",
            "+49 30 5550123",
            "+49305550123",
            "49305550123",
            "(030) 5550123",
            "030/5550123",
            "030 555 0123",
            "030 555-0123",
        ];
        let tails = [
            " (2)",
            "(2)",
            " - 2",
            "-2",
            " 2",
            ".2",
            "/2",
            " / 2",
            " 1/2",
            " (1/2)",
            " 23.11.",
            " 23.11",
            " 23.11.26",
            " 23.11.2026",
            " 2026",
            ".",
            " -",
            " (",
            ")",
            "-",
            "/",
            " - 12",
            " (12)",
            " 12",
            " 1-2",
            " - 1 - 2",
            " 030 5550124",
            " / 030 5550124",
            " (030) 5550124",
        ];
        for number in numbers {
            for tail in tails {
                let text = format!("{number}{tail}");
                assert_eq!(to_e164(&text, germany), None, "{text}");
            }
        }
        for other in
            ["02.11.2026", "02 11 2026", "(2) 030 5550123", "1. 0305550123", "()0305550123"]
        {
            assert_eq!(to_e164(other, germany), None, "{other}");
        }
    }

    #[test]
    fn fax_8_an_area_code_completes_what_is_certain_and_nothing_else() {
        let germany = Country::new("DE").unwrap();
        let berlin = AreaCode::new("030").unwrap();
        assert_eq!(AreaCode::new("30"), Ok(berlin.clone()));
        for wrong in ["", "0", "00", "0030", "+30", "3 0", "123456", "Berlin"] {
            assert_eq!(AreaCode::new(wrong), Err(AreaCodeError), "{wrong}");
        }
        let check = |raw: &str, expected: Option<&str>| {
            let read = local_to_e164(raw, germany, &berlin);
            assert_eq!(read.as_ref().map(FaxNumber::as_str), expected, "{raw}");
        };
        check("5550123", Some("+49305550123"));
        check(" 55501234 ", Some("+493055501234"));
        check("55501", Some("+493055501"));
        for other in [
            // Extensions of the house.
            "47",
            "471",
            "4711",
            // Emergency calls and services, whole or with digits behind them.
            "110",
            "112",
            "11012345",
            "116117",
            "19222",
            "118338",
            // The whole number without its zero, or without its plus.
            "305550123",
            "30555012",
            "4930555",
            "895550123",
            // A date, a count, a name, nothing.
            "2026-11",
            "23.11.2026",
            "555 0123",
            "5550123 2",
            "(5550123)",
            "anonymous",
            "",
            "+5550123",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn fax_8_a_country_that_shares_its_code_dials_its_own_numbers() {
        for (country, number, dialled) in [
            ("IT", "+390612345678", "0612345678"),
            ("IT", "+390236714000", "0236714000"),
            ("VA", "+390669812345", "0669812345"),
            ("US", "+12125550123", "12125550123"),
            ("CA", "+14165550123", "14165550123"),
            ("KZ", "+77172701234", "87172701234"),
        ] {
            let (country, number) =
                (Country::new(country).unwrap(), FaxNumber::new(number).unwrap());
            let parsed = phonenumber::parse(None, number.as_str()).unwrap();
            let seen = (check_dialable(&number, &[country]), national(&number, country));
            assert_eq!(
                seen,
                (Ok(()), dialled.to_owned()),
                "{country:?} {number:?} {:?}",
                parsed.country().id()
            );
        }
    }

    #[test]
    fn a_subject_full_of_digits_is_no_number() {
        let germany = Country::new("DE").unwrap();
        assert_eq!(to_e164(&"0".repeat(1_000_000), germany), None);
        assert_eq!(to_e164(&format!("+49{}", "3".repeat(1_000_000)), germany), None);
    }
}
