//! The address book that an admin gives to a fax channel: which name a number has. A file of comma-separated
//! values or vCards, as whatever program wrote it.
//!
//! A line that cannot be used costs its own entry and is told; the others count.

mod columns;
mod vcards;

use std::{borrow::Cow, collections::BTreeMap};

use encoding_rs::{Encoding, WINDOWS_1252};

use super::names;
use crate::{
    channel::Home,
    model::{FaxNumber, WhyNoEntry},
};

/// Longest file, in bytes: a hundred for each entry, and some pictures in vCards.
pub const BOOK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most numbers with a name.
pub const BOOK_NUMBERS_MAX: usize = 20_000;

/// Faults that are told one by one; of any more, how many there are.
pub const BOOK_FAULTS_TOLD: usize = 10;

/// Which name a number has.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AddressBook {
    names: BTreeMap<FaxNumber, String>,
}

// A name and its number are somebody's.
impl std::fmt::Debug for AddressBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AddressBook({} numbers)", self.names.len())
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookRead {
    pub book: AddressBook,
    /// The first of them, at most [`BOOK_FAULTS_TOLD`].
    pub faults: Vec<BookFault>,
    pub faults_in_all: u64,
}

/// A line that cannot be used, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookFault {
    pub line: u64,
    pub why: WhyNoEntry,
}

impl AddressBook {
    /// Reads a file. Never fails: what cannot be used is among the faults. What is longer than
    /// [`BOOK_BYTES_MAX`] is not handed in.
    pub fn read(file: &[u8], home: &Home) -> BookRead {
        let text = text_of(file);
        let mut reader = BookReader { home, lines: BTreeMap::new(), read: BookRead::default() };
        let begin = text.trim_start().get(..vcards::BEGIN.len()).unwrap_or_default();
        if begin.eq_ignore_ascii_case(vcards::BEGIN) {
            vcards::read(&text, &mut reader);
        } else {
            columns::read(&text, &mut reader);
        }
        reader.read
    }

    /// The name of a number, as it may be shown beside it.
    pub fn name_of(&self, number: &FaxNumber) -> Option<&str> {
        self.names.get(number).map(String::as_str)
    }

    /// How many numbers have a name.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// What was read so far.
struct BookReader<'h> {
    home: &'h Home,
    /// The line that named a number.
    lines: BTreeMap<FaxNumber, u64>,
    read: BookRead,
}

impl BookReader<'_> {
    /// A number, as people write it; completed with the line's country and area.
    fn number(&self, raw: &str) -> Option<FaxNumber> {
        self.home.number(raw)
    }

    fn add(&mut self, line: u64, number: FaxNumber, name: &str) {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return self.fault(line, WhyNoEntry::NoName);
        }
        let Some(shown) = names::of_number(&name) else {
            return self.fault(line, WhyNoEntry::NotShown);
        };
        if let Some(known) = self.read.book.name_of(&number) {
            let first = self.lines.get(&number).copied().unwrap_or_default();
            if known != shown {
                self.fault(line, WhyNoEntry::Twice { line: first });
            }
            return;
        }
        if self.read.book.names.len() >= BOOK_NUMBERS_MAX {
            return self.fault(line, WhyNoEntry::TooMany);
        }
        self.lines.insert(number.clone(), line);
        self.read.book.names.insert(number, shown);
    }

    fn fault(&mut self, line: u64, why: WhyNoEntry) {
        self.read.faults_in_all += 1;
        if self.read.faults.len() < BOOK_FAULTS_TOLD {
            self.read.faults.push(BookFault { line, why });
        }
    }
}

/// UTF-8 with or without a mark, UTF-16 with one, else Windows-1252, as German spreadsheets write it.
fn text_of(file: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(file) {
        let behind = file.get(mark..).unwrap_or_default();
        return encoding.decode_without_bom_handling(behind).0;
    }
    match std::str::from_utf8(file) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(file).0,
    }
}

#[cfg(test)]
mod tests;
