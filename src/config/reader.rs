//! Reads a TOML table key by key and remembers every mistake with its line.
//!
//! Serde stops at the first mistake, and a person who sets up a mailbox makes several; so the table
//! is read by hand. An unknown key is a mistake too. A message never repeats the value of a key: it
//! may be secret.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    error::Error,
    fmt, io,
    ops::{Range, RangeInclusive},
    path::PathBuf,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    model::Language,
    phrases::{AdminPhrase, Telling, Tells},
};

/// Why the settings cannot be used.
#[derive(Debug)]
pub enum SettingsError {
    Unreadable { file: PathBuf, cause: io::Error },
    Mistakes { file: String, mistakes: Vec<Mistake> },
}

impl SettingsError {
    fn sentence(&self) -> AdminPhrase {
        match self {
            Self::Unreadable { file, .. } => {
                AdminPhrase::SettingsUnreadable { file: file.display().to_string() }
            }
            Self::Mistakes { file, mistakes } => match mistakes.as_slice() {
                [only] => AdminPhrase::MistakeIn {
                    file: file.clone(),
                    mistake: Box::new(only.sentence()),
                },
                several => {
                    let several = several.iter().map(Mistake::sentence).collect();
                    AdminPhrase::mistakes(file.clone(), several)
                }
            },
        }
    }
}

impl Tells for SettingsError {
    fn telling(&self) -> Telling {
        let sentence = self.sentence();
        let Self::Unreadable { cause, .. } = self else { return sentence.into() };
        let what_to_do = match cause.kind() {
            io::ErrorKind::NotFound => Some(AdminPhrase::NoSettings),
            io::ErrorKind::PermissionDenied => Some(AdminPhrase::SettingsForbidden),
            _ => None,
        };
        let told: Telling = what_to_do.into_iter().chain([sentence]).collect();
        told.because_of(cause)
    }
}

/// In English, as the log is.
impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence().said(Language::English))
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { cause, .. } => Some(cause),
            Self::Mistakes { .. } => None,
        }
    }
}

/// One thing that is wrong in the settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// For example `channel.inbox.port`; empty for a file that is no TOML.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub what: AdminPhrase,
}

impl Mistake {
    /// Where it is, and what is wrong.
    pub fn sentence(&self) -> AdminPhrase {
        let line = u64::try_from(self.line).unwrap_or(u64::MAX);
        let (key, what) = (self.key.clone(), Box::new(self.what.clone()));
        if key.is_empty() {
            AdminPhrase::MistakeOnLine { line, what }
        } else {
            AdminPhrase::MistakeAt { line, key, what }
        }
    }
}

/// In English, as the log is.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence().said(Language::English))
    }
}

/// What is collected while a file is read.
pub(super) struct SettingsReader<'t> {
    text: &'t str,
    mistakes: RefCell<Vec<Mistake>>,
    /// Every key that was asked for: the list of all keys.
    known: RefCell<BTreeSet<String>>,
}

impl<'t> SettingsReader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, mistakes: RefCell::default(), known: RefCell::default() }
    }

    /// In the order of the file, each once.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        // The mistakes of one key in an order that does not depend on how they were found.
        let place = |mistake: &Mistake| (mistake.line, mistake.key.clone(), mistake.to_string());
        mistakes.sort_by_cached_key(place);
        mistakes.dedup();
        mistakes
    }

    #[cfg(test)]
    pub(super) fn known_keys(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }

    pub(super) fn wrong(&self, line: usize, key: &str, what: AdminPhrase) {
        self.mistakes.borrow_mut().push(Mistake { line, key: key.to_owned(), what });
    }

    fn line_of(&self, span: &Range<usize>) -> usize {
        line_at(self.text, span.start)
    }
}

/// The line, from 1, on which a byte of the text stands.
pub(super) fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// One table of the file. A table that is not there reads as an empty one.
pub(super) struct Section<'r, 't> {
    pub(super) reader: &'r SettingsReader<'t>,
    /// For example `channel.inbox.`; empty at the top.
    prefix: String,
    line: usize,
    table: Option<&'r DeTable<'t>>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'r, 't> Section<'r, 't> {
    pub(super) fn top(reader: &'r SettingsReader<'t>, table: &'r DeTable<'t>) -> Self {
        Self::new(reader, String::new(), 1, Some(table))
    }

    fn new(
        reader: &'r SettingsReader<'t>,
        prefix: String,
        line: usize,
        table: Option<&'r DeTable<'t>>,
    ) -> Self {
        Self { reader, prefix, line, table, asked: RefCell::default() }
    }

    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// The table under this key.
    pub(super) fn section(&self, key: &'static str) -> Section<'r, 't> {
        let prefix = format!("{}{key}.", self.prefix);
        match self.find(key) {
            None => Section::new(self.reader, prefix, self.line, None),
            Some((line, value)) => {
                let table = match value.get_ref() {
                    DeValue::Table(table) => Some(table),
                    other => {
                        let what = AdminPhrase::NotASection { found: found(other) };
                        self.reader.wrong(line, &self.full(key), what);
                        None
                    }
                };
                Section::new(self.reader, prefix, line, table)
            }
        }
    }

    /// The tables under `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'r, 't>> {
        let Some((line, value)) = self.find(key) else { return Vec::new() };
        let not_sections = |value: &DeValue<'_>| AdminPhrase::NotSections {
            key: key.to_owned(),
            found: found(value),
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.reader.wrong(line, &self.full(key), not_sections(value.get_ref()));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            let line = self.reader.line_of(&item.span());
            match item.get_ref() {
                DeValue::Table(table) => {
                    let prefix = format!("{}{key}.", self.prefix);
                    sections.push(Section::new(self.reader, prefix, line, Some(table)));
                }
                other => {
                    self.reader.wrong(line, &self.full(key), not_sections(other));
                }
            }
        }
        sections
    }

    /// A text, turned into its meaning; `None` if it is missing or wrong.
    pub(super) fn text<T, E: Into<AdminPhrase>>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (line, value) = self.find(key)?;
        let read = match value.get_ref() {
            DeValue::String(text) => read(text).map_err(Into::into),
            other => Err(AdminPhrase::NotAText { found: found(other) }),
        };
        read.map_err(|what| self.reader.wrong(line, &self.full(key), what)).ok()
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let (line, value) = self.find(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => {
                u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| None)
            }
            other => Err(Some(found(other))),
        };
        let (least, most) = (*bounds.start(), *bounds.end());
        match number {
            Ok(number) if bounds.contains(&number) => Some(number),
            other => {
                let another = || Box::new(AdminPhrase::FoundOther);
                let found = other.err().flatten().unwrap_or_else(another);
                let what = AdminPhrase::NotWhole { least, most, found };
                self.reader.wrong(line, &self.full(key), what);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let (line, value) = self.find(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                let what = AdminPhrase::NotAFlag { found: found(other) };
                self.reader.wrong(line, &self.full(key), what);
                None
            }
        }
    }

    /// A list of texts; each is turned into its meaning, and each wrong one gets its own line.
    pub(super) fn texts<T, E: Into<AdminPhrase>>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let (line, value) = self.find(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let what = AdminPhrase::NotAList { found: found(value.get_ref()) };
            self.reader.wrong(line, &self.full(key), what);
            return None;
        };
        let mut texts = Some(Vec::new());
        for item in items.iter() {
            let text = match item.get_ref() {
                DeValue::String(text) => read(text).map_err(Into::into),
                other => Err(AdminPhrase::NotAText { found: found(other) }),
            };
            match text {
                Ok(text) => {
                    if let Some(texts) = &mut texts {
                        texts.push(text);
                    }
                }
                Err(what) => {
                    let line = self.reader.line_of(&item.span());
                    self.reader.wrong(line, &self.full(key), what);
                    texts = None;
                }
            }
        }
        texts
    }

    /// Notes a missing key as a mistake; `what_it_is` completes the sentence "it is missing: …".
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        what_it_is: AdminPhrase,
        value: Option<T>,
    ) -> Option<T> {
        if value.is_none() && self.find(key).is_none() {
            self.missing(key, AdminPhrase::Missing { what: Box::new(what_it_is) });
        }
        value
    }

    /// Notes a mistake at the head of the section, for a key that is not there.
    pub(super) fn missing(&self, key: &'static str, what: AdminPhrase) {
        self.reader.wrong(self.line, &self.full(key), what);
    }

    /// Notes a mistake at this key, or at the head of its section if the key is not there.
    pub(super) fn wrong(&self, key: &'static str, what: AdminPhrase) {
        let line = self.find(key).map_or(self.line, |(line, _)| line);
        self.reader.wrong(line, &self.full(key), what);
    }

    /// A mistake at this key that is not noted as one, because it does not matter to every command.
    pub(super) fn mistake(&self, key: &'static str, what: AdminPhrase) -> Mistake {
        let line = self.find(key).map_or(self.line, |(line, _)| line);
        Mistake { line, key: self.full(key), what }
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// To be called when every key was asked for: any key that is left over is a mistake.
    pub(super) fn close(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if asked.contains(key.get_ref().as_ref()) {
                continue;
            }
            let line = self.reader.line_of(&key.span());
            let allowed: Vec<&str> = asked.iter().copied().collect();
            let what = AdminPhrase::NoSuchKey { allowed: allowed.join(", ") };
            self.reader.wrong(line, &self.full(key.get_ref()), what);
        }
    }

    fn find(&self, key: &'static str) -> Option<(usize, &'r Spanned<DeValue<'t>>)> {
        if self.asked.borrow_mut().insert(key) {
            self.reader.known.borrow_mut().insert(self.full(key));
        }
        let (name, value) = self.table?.get_key_value(key)?;
        Some((self.reader.line_of(&name.span()), value))
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

fn found(value: &DeValue<'_>) -> Box<AdminPhrase> {
    Box::new(match value {
        DeValue::String(_) => AdminPhrase::FoundText,
        DeValue::Integer(_) => AdminPhrase::FoundNumber,
        DeValue::Float(_) => AdminPhrase::FoundPoint,
        DeValue::Boolean(_) => AdminPhrase::FoundFlag,
        DeValue::Datetime(_) => AdminPhrase::FoundDate,
        DeValue::Array(_) => AdminPhrase::FoundList,
        DeValue::Table(_) => AdminPhrase::FoundSection,
    })
}
