//! What an admin is told about an error: what happened, then what it came from.

use std::{error::Error, fmt};

use super::AdminPhrase;
use crate::model::Language;

/// Sentences about one thing, each the cause of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telling {
    sentences: Vec<AdminPhrase>,
}

/// An error that an admin reads.
pub trait Tells {
    /// What happened and what to do, and then its causes.
    fn telling(&self) -> Telling;
}

impl Telling {
    /// Foreign words: those of the operating system, of a library or of a server, with their
    /// causes.
    pub fn of_others(error: &dyn Error) -> Self {
        let mut words = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries say their cause themselves.
            if !words.iter().any(|said| said.ends_with(&text)) {
                words.push(text);
            }
            cause = error.source();
        }
        let sentences = words.into_iter().map(|text| AdminPhrase::OfOthers { text }).collect();
        Self { sentences }
    }

    /// The same, and what it came from.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Self>) -> Self {
        self.sentences.extend(cause.into().sentences);
        self
    }

    /// The same, with foreign words for what it came from.
    #[must_use]
    pub fn because_of(self, cause: &dyn Error) -> Self {
        self.because(Self::of_others(cause))
    }

    pub fn is_empty(&self) -> bool {
        self.sentences.is_empty()
    }

    /// What happened, followed by its causes.
    pub fn in_one_line(&self, language: Language) -> String {
        let said = self.sentences.iter().map(|sentence| sentence.said(language));
        said.collect::<Vec<_>>().join(": ")
    }

    /// What happened, then its causes, each on a line of its own.
    pub fn in_lines(&self, language: Language) -> String {
        let mut sentences = self.sentences.iter();
        let mut lines = sentences.next().map(|first| first.said(language)).unwrap_or_default();
        for cause in sentences {
            let cause = AdminPhrase::Because { cause: Box::new(cause.clone()) };
            lines.push_str("\n  ");
            lines.push_str(&cause.said(language));
        }
        lines
    }
}

impl From<AdminPhrase> for Telling {
    fn from(sentence: AdminPhrase) -> Self {
        Self { sentences: vec![sentence] }
    }
}

impl FromIterator<AdminPhrase> for Telling {
    fn from_iter<I: IntoIterator<Item = AdminPhrase>>(sentences: I) -> Self {
        Self { sentences: sentences.into_iter().collect() }
    }
}

/// In English, as the log is.
impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_one_line(Language::English))
    }
}
