//! Reads a TOML table key by key and remembers every mistake with its line.
//!
//! Serde stops at the first mistake, and a person who sets up a mailbox makes several; so the
//! table is read by hand. A key nobody asked for is a mistake too. Values of keys are never
//! repeated in a message: they may be secret.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt, io,
    ops::{Range, RangeInclusive},
    path::PathBuf,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the settings file {} cannot be read", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}", Mistakes(file, mistakes))]
    Mistakes { file: String, mistakes: Vec<Mistake> },
}

/// One thing that is wrong in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// For example `channel.inbox.port`; empty for a file that is no TOML.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

struct Mistakes<'a>(&'a str, &'a [Mistake]);

impl fmt::Display for Mistakes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(file, mistakes) = self;
        match mistakes {
            [only] => write!(f, "{file}, {only}"),
            several => {
                write!(f, "{file} has {} mistakes:", several.len())?;
                several.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

/// What is collected while a file is read.
pub(super) struct SettingsReader<'t> {
    text: &'t str,
    mistakes: RefCell<Vec<Mistake>>,
    /// Every key that was asked for: the list of all keys there are.
    known: RefCell<BTreeSet<String>>,
}

impl<'t> SettingsReader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, mistakes: RefCell::default(), known: RefCell::default() }
    }

    /// In the order of the file, each once.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort();
        mistakes.dedup();
        mistakes
    }

    #[cfg(test)]
    pub(super) fn known_keys(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }

    pub(super) fn wrong(&self, line: usize, key: &str, what: impl Into<String>) {
        let mistake = Mistake { line, key: key.to_owned(), what: what.into() };
        self.mistakes.borrow_mut().push(mistake);
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
                        let what = format!("expected a section, found {}", name_of(other));
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
        let expected = format!("expected one or more sections [[{key}]]");
        let DeValue::Array(items) = value.get_ref() else {
            let what = format!("{expected}, found {}", name_of(value.get_ref()));
            self.reader.wrong(line, &self.full(key), what);
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
                    let what = format!("{expected}, found {}", name_of(other));
                    self.reader.wrong(line, &self.full(key), what);
                }
            }
        }
        sections
    }

    /// A text, turned into what it means; `None` when it is missing or wrong.
    pub(super) fn text<T, E: fmt::Display>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (line, value) = self.find(key)?;
        let read = match value.get_ref() {
            DeValue::String(text) => read(text).map_err(|error| error.to_string()),
            other => Err(format!("expected a text in quotes, found {}", name_of(other))),
        };
        read.map_err(|what| self.reader.wrong(line, &self.full(key), what)).ok()
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let (line, value) = self.find(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => {
                u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "another one")
            }
            other => Err(name_of(other)),
        };
        let (least, most) = (bounds.start(), bounds.end());
        match number {
            Ok(number) if bounds.contains(&number) => Some(number),
            other => {
                let found = other.err().unwrap_or("another one");
                let what = format!("expected a whole number from {least} to {most}, found {found}");
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
                let what = format!("expected true or false, found {}", name_of(other));
                self.reader.wrong(line, &self.full(key), what);
                None
            }
        }
    }

    /// A list of texts; each is turned into what it means, and what is wrong has its own line.
    pub(super) fn texts<T, E: fmt::Display>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let (line, value) = self.find(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let found = name_of(value.get_ref());
            let what = format!("expected a list of texts [\"…\", \"…\"], found {found}");
            self.reader.wrong(line, &self.full(key), what);
            return None;
        };
        let mut texts = Some(Vec::new());
        for item in items.iter() {
            let text = match item.get_ref() {
                DeValue::String(text) => read(text).map_err(|error| error.to_string()),
                other => Err(format!("expected a text in quotes, found {}", name_of(other))),
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
        what_it_is: &str,
        value: Option<T>,
    ) -> Option<T> {
        if value.is_none() && self.find(key).is_none() {
            self.reader.wrong(self.line, &self.full(key), format!("is missing: {what_it_is}"));
        }
        value
    }

    /// Notes a mistake at this key, or at the head of its section when the key is not there.
    pub(super) fn wrong(&self, key: &'static str, what: impl Into<String>) {
        let line = self.find(key).map_or(self.line, |(line, _)| line);
        self.reader.wrong(line, &self.full(key), what);
    }

    /// A mistake at this key that is not noted as one, because not every command minds it.
    pub(super) fn mistake(&self, key: &'static str, what: impl Into<String>) -> Mistake {
        let line = self.find(key).map_or(self.line, |(line, _)| line);
        Mistake { line, key: self.full(key), what: what.into() }
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// To be called when every key was asked for: what is left over is a mistake.
    pub(super) fn close(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if asked.contains(key.get_ref().as_ref()) {
                continue;
            }
            let line = self.reader.line_of(&key.span());
            let allowed: Vec<&str> = asked.iter().copied().collect();
            let what = format!("there is no such key; here are allowed: {}", allowed.join(", "));
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

fn name_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
