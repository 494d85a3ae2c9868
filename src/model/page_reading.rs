//! What a machine reads on a page of a fax: words and barcodes. All of it may be wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Barcodes that are looked at on one page. A form has one or two.
pub const CODES_MAX: usize = 8;

/// The longest text of one barcode, in bytes: the fullest PDF417 and Data Matrix codes hold less than 3000
/// characters.
pub const CODE_BYTES_MAX: usize = 4096;

/// Words that are read on one page. A page full of small print has about a thousand.
pub const WORDS_MAX: usize = 2_000;

/// The longest word, in characters; the rest of it is left out.
pub const WORD_CHARS_MAX: usize = 60;

/// A word that a machine read.
#[derive(Clone, PartialEq, Eq)]
pub struct PageWord {
    /// Of no control characters, on one line, of at most [`WORD_CHARS_MAX`] characters.
    pub text: String,
    /// Words of one line have one number; it grows down the page.
    pub line: u32,
    /// Whether a gap is above its line: a new paragraph, or another column.
    pub is_apart: bool,
    /// How sure the machine is, from 0 to 100. It may be sure and wrong.
    pub sure: u8,
}

impl fmt::Debug for PageWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageWord(line {}, sure {})", self.line, self.sure)
    }
}

/// A kind of barcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeForm {
    DataMatrix,
    Qr,
    Aztec,
    Pdf417,
    Code128,
    Code39,
}

impl CodeForm {
    /// Its name, as it is written on boxes and in manuals.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataMatrix => "Data Matrix",
            Self::Qr => "QR-Code",
            Self::Aztec => "Aztec",
            Self::Pdf417 => "PDF417",
            Self::Code128 => "Code 128",
            Self::Code39 => "Code 39",
        }
    }
}

/// A barcode of a page, and what it says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCode {
    pub form: CodeForm,
    pub text: String,
}

impl PageCode {
    /// Whether it is no longer than a barcode can be: who made it may have been what the page made of it.
    pub fn is_sane(&self) -> bool {
        !self.text.is_empty() && self.text.len() <= CODE_BYTES_MAX
    }
}

impl fmt::Debug for PageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageCode({:?})", self.form)
    }
}

/// How well the words of a page could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legibility {
    Good,
    Middling,
    Poor,
}

impl Legibility {
    pub const ALL: [Self; 3] = [Self::Good, Self::Middling, Self::Poor];

    /// The word for it in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Middling => "middling",
            Self::Poor => "poor",
        }
    }
}

/// A page as a machine that reads wants it: shades of grey, one byte each, 255 is white.
#[derive(Clone, PartialEq, Eq)]
pub struct GreyPage {
    /// A PGM (Netpbm, "P5", one byte for each shade).
    pub pgm: Vec<u8>,
}

impl GreyPage {
    /// Nothing if the bytes are not what their head says: who made them may have been what a document made
    /// of it.
    pub fn checked(pgm: Vec<u8>) -> Option<Self> {
        let head = pgm.get(..pgm.len().min(32))?;
        let mut lines = head.split(|byte| *byte == b'\n');
        let (magic, size, most) = (lines.next()?, lines.next()?, lines.next()?);
        let begin = magic.len() + size.len() + most.len() + 3;
        let size = str::from_utf8(size).ok()?;
        let (width, height) = size.split_once(' ')?;
        let number = |digits: &str| {
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<usize>().ok())?
        };
        let pixels = number(width)?.checked_mul(number(height)?)?;
        let is_whole = magic == b"P5" && most == b"255" && pixels > 0;
        (is_whole && pgm.len() == begin.checked_add(pixels)?).then_some(Self { pgm })
    }
}

impl fmt::Debug for GreyPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GreyPage({} bytes)", self.pgm.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fax_10_a_picture_that_lies_about_its_size_is_none() {
        let is_page = |pgm: &[u8]| GreyPage::checked(pgm.to_vec()).is_some();
        assert!(is_page(b"P5\n2 2\n255\nabcd"));
        for wrong in [
            b"".as_slice(),
            b"P5\n2 2\n255\nabc",
            b"P5\n2 2\n255\nabcde",
            b"P5\n0 2\n255\n",
            b"P6\n2 2\n255\nabcd",
            b"P5\n+2 2\n255\nabcd",
            b"P5\n2 2\n65535\nabcd",
            b"P5\n99999999999999999999 2\n255\nabcd",
            b"P5\n4294967296 4294967296\n255\nabcd",
            b"P5 2 2 255 abcd",
        ] {
            assert!(!is_page(wrong));
        }
    }
}
