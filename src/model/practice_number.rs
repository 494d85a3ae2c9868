//! Numbers by which a practice may be found: its own in statutory health care, and those it is called by.

use std::fmt;

use super::FaxNumber;

/// A number of nine digits in statutory health care: of a doctor (LANR) or of a place of work (BSNR).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PracticeNumber(String);

impl PracticeNumber {
    /// A doctor's number. Its seventh digit is a check of the six before: they are multiplied by 4 and 9 in
    /// turn, and the sum is filled up to tens (KBV, Richtlinie nach § 75 Abs. 7 SGB V, Arztnummer).
    pub fn lanr(text: &str) -> Option<Self> {
        let digits = nine_digits(text)?;
        let weights = [4, 9, 4, 9, 4, 9];
        let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        let check = (10 - sum % 10) % 10;
        // Doctors without a number are given nines, or zeros.
        let is_somebody = digits.iter().take(6).any(|digit| *digit != 9 && *digit != 0);
        (is_somebody && digits.get(6) == Some(&check)).then(|| Self(text.to_owned()))
    }

    /// A number of a place of work. It has no check; it begins with the two digits of a region, which are
    /// never 00.
    pub fn bsnr(text: &str) -> Option<Self> {
        nine_digits(text)?;
        (!text.starts_with("00") && !text.starts_with("999")).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn nine_digits(text: &str) -> Option<Vec<u32>> {
    let digits: Vec<u32> = text.chars().map_while(|c| c.to_digit(10)).collect();
    (digits.len() == 9 && text.len() == 9).then_some(digits)
}

impl fmt::Debug for PracticeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PracticeNumber")
    }
}

/// What a number of a page is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HintKind {
    Phone,
    Fax,
    Bsnr,
    Lanr,
}

impl HintKind {
    pub const ALL: [Self; 4] = [Self::Phone, Self::Fax, Self::Bsnr, Self::Lanr];

    /// The word for it in SQL and in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Fax => "fax",
            Self::Bsnr => "bsnr",
            Self::Lanr => "lanr",
        }
    }
}

/// A number that stands on a page and may lead to who sent it. A guess: a machine read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageHint {
    pub kind: HintKind,
    /// Nine digits, or a number of the telephone network (E.164).
    pub number: String,
    /// A barcode says so: its own check makes a misread digit unlikely. Whether it is true nobody knows.
    pub is_of_code: bool,
}

impl PageHint {
    pub fn practice(kind: HintKind, number: &PracticeNumber, is_of_code: bool) -> Self {
        Self { kind, number: number.0.clone(), is_of_code }
    }

    pub fn telephone(kind: HintKind, number: &FaxNumber, is_of_code: bool) -> Self {
        Self { kind, number: number.as_str().to_owned(), is_of_code }
    }
}

impl fmt::Debug for PageHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageHint({:?})", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fax_10_a_doctor_s_number_has_a_check_digit() {
        // 1·4 + 2·9 + 3·4 + 4·9 + 5·4 + 6·9 = 144, so that the check is 6.
        assert!(PracticeNumber::lanr("123456601").is_some());
        for wrong in
            ["123456701", "12345660", "1234566010", "12345660a", "999999900", "000000000", ""]
        {
            assert!(PracticeNumber::lanr(wrong).is_none(), "{wrong}");
        }
        assert!(PracticeNumber::bsnr("721111100").is_some());
        for wrong in ["001111100", "72111110", "7211111000", "72111110O", "999123456"] {
            assert!(PracticeNumber::bsnr(wrong).is_none(), "{wrong}");
        }
    }
}
