//! A line as a gateway writes it, with places for what varies: `Fax received from "{station}"`.
//!
//! Templates come from profiles, which an admin may write. They become regular expressions that run in
//! linear time, whatever a mail says.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// The form of the tags by which reports name a dispatch (FAX-27): `u` and the digits of its
/// Message-ID's UUID.
pub(super) const TAG_DIGITS: usize = 32;

/// The most memory that one template may take when it is compiled, in bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// Longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 300;

/// Longest line that is compared, in bytes. Subjects and the lines of gateways are shorter.
const LINE_BYTES_MAX: usize = 1_000;

/// What varies in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// The number that called, as the gateway knows it from the telephone network.
    Caller,
    /// What the sending machine says of itself (TSI, CSID).
    Station,
    Name,
    /// Pages that came, or that were sent.
    Pages,
    /// The gateway's own number for a fax.
    Job,
    /// Our tag.
    Tag,
    /// The number that was dialled.
    To,
    /// Anything. The only one that may stand in a template more than once.
    Any,
}

impl Blank {
    const ALL: [Self; 8] = [
        Self::Caller,
        Self::Station,
        Self::Name,
        Self::Pages,
        Self::Job,
        Self::Tag,
        Self::To,
        Self::Any,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Station => "station",
            Self::Name => "name",
            Self::Pages => "pages",
            Self::Job => "job",
            Self::Tag => "tag",
            Self::To => "to",
            Self::Any => "any",
        }
    }

    fn expression(self) -> String {
        let inner = match self {
            Self::Pages => "[0-9]{1,4}".to_owned(),
            Self::Job => "[0-9A-Za-z_-]{1,40}".to_owned(),
            Self::Tag => format!("u[0-9a-f]{{{TAG_DIGITS}}}"),
            Self::Any => return ".*?".to_owned(),
            Self::Caller | Self::Station | Self::Name | Self::To => ".*?".to_owned(),
        };
        format!("(?P<{}>{inner})", self.word())
    }
}

/// Why a text is no template. Says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error(
        "there is no place {{{0}}}; the places are {{caller}}, {{station}}, {{name}}, {{pages}}, {{job}}, {{tag}}, {{to}} and {{any}}"
    )]
    UnknownBlank(String),
    #[error("a bracket {{ has no }}")]
    Unclosed,
    #[error("the place {{{0}}} stands there twice")]
    Twice(&'static str),
    #[error("it has no words of its own, so that every line would fit")]
    FitsAll,
    #[error("it has more than {TEMPLATE_BYTES_MAX} bytes")]
    TooLong,
}

/// A compiled template. It fits a whole line, without regard to case; where it has a blank, a line may
/// have several, and a colon before them. A colon of the template has to be there.
#[derive(Clone)]
pub struct Template {
    text: String,
    regex: Regex,
}

impl Template {
    /// Errors: [`TemplateError`].
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        let mut expression = String::from("^");
        let (mut seen, mut has_words) = (Vec::new(), false);
        let mut rest = text.trim();
        while let Some((words, behind)) = rest.split_once('{') {
            has_words |= push_words(&mut expression, words);
            let (word, behind) = behind.split_once('}').ok_or(TemplateError::Unclosed)?;
            let blank = Blank::ALL
                .into_iter()
                .find(|blank| blank.word() == word)
                .ok_or_else(|| TemplateError::UnknownBlank(word.to_owned()))?;
            if blank != Blank::Any && seen.contains(&blank) {
                return Err(TemplateError::Twice(blank.word()));
            }
            seen.push(blank);
            expression.push_str(&blank.expression());
            rest = behind;
        }
        has_words |= push_words(&mut expression, rest);
        // A tag is of our own making: it fits nothing else.
        if !has_words && !seen.contains(&Blank::Tag) {
            return Err(TemplateError::FitsAll);
        }
        expression.push('$');
        let regex = RegexBuilder::new(&expression)
            .case_insensitive(true)
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|_| TemplateError::TooLong)?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// What stands in its places, if the line fits.
    pub(super) fn fits<'l>(&self, line: &'l str) -> Option<Filled<'l>> {
        let line = line.trim();
        if line.len() > LINE_BYTES_MAX {
            return None;
        }
        let captures = self.regex.captures(line)?;
        let filled = Blank::ALL.into_iter().filter(|blank| *blank != Blank::Any);
        let filled =
            filled.filter_map(|blank| Some((blank, captures.name(blank.word())?.as_str().trim())));
        Some(Filled(filled.collect()))
    }
}

/// Adds the words between two places. Tells whether there are any letters.
fn push_words(expression: &mut String, words: &str) -> bool {
    // A colon of the template has to be there; where it has none, a line may.
    let mut colon = "";
    for (place, word) in words.split(char::is_whitespace).enumerate() {
        if place > 0 {
            expression.push_str(if colon.is_empty() { r"\s*:?\s+" } else { r"\s*:\s+" });
        }
        let bare = word.strip_suffix(':').unwrap_or(word);
        colon = if bare.len() < word.len() { ":" } else { "" };
        expression.push_str(&regex::escape(bare));
    }
    if !colon.is_empty() {
        expression.push_str(r"\s*:\s*");
    }
    words.chars().any(char::is_alphabetic)
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(input)?;
        Self::new(&text)
            .map_err(|error| serde::de::Error::custom(format!("the line {text:?}: {error}")))
    }
}

/// What stands in the places of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filled<'l>(Vec<(Blank, &'l str)>);

impl<'l> Filled<'l> {
    pub(super) fn get(&self, blank: Blank) -> Option<&'l str> {
        self.0.iter().find(|(other, _)| *other == blank).map(|(_, text)| *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, line: &str) -> Option<Vec<(Blank, String)>> {
        let template = Template::new(template).unwrap();
        let filled = template.fits(line)?;
        Some(filled.0.into_iter().map(|(blank, text)| (blank, text.to_owned())).collect())
    }

    #[test]
    fn fax_22_a_template_fits_whole_lines_only() {
        let caller = |text: &str| Some(vec![(Blank::Caller, text.to_owned())]);
        for (template, line, expected) in [
            ("Fax from {caller}", "fax FROM  030 1 ", caller("030 1")),
            ("Fax from {caller}", "Fax from: 030 1", caller("030 1")),
            ("Fax from: {caller}", "Fax from 030 1", None),
            ("Fax from: {caller}", "Fax from:030 1", None),
            ("Fax from:{caller}", "Fax from: 030 1", caller("030 1")),
            ("Fax from \"{caller}\"", "Fax from \"030\"", caller("030")),
            ("Fax from \"{caller}\"", "Fax from \"", None),
            ("Fax from {caller}", "Re: Fax from 030", None),
            ("Fax from {caller}", "Fäx from 030", None),
            ("Fax für {any} von {caller}", "FAX FÜR Praxis von 1", caller("1")),
            ("Fax {caller} end", "Fax end", None),
            ("Fax {caller}", "ü", None),
            ("Received from: {caller}", "Received from : 49", caller("49")),
        ] {
            assert_eq!(filled(template, line), expected, "{template} | {line}");
        }
        let long = format!("Fax from {}", "1".repeat(LINE_BYTES_MAX));
        assert_eq!(filled("Fax from {caller}", &long), None);
    }

    #[test]
    fn fax_22_a_template_has_several_places() {
        let tag = format!("u{}", "0f".repeat(16));
        assert_eq!(
            filled(
                "facsimile job {tag} ({job}) to {to} completed",
                &format!("facsimile job {tag} (12) to 030222222 completed")
            ),
            Some(vec![
                (Blank::Job, "12".to_owned()),
                (Blank::Tag, tag.clone()),
                (Blank::To, "030222222".to_owned()),
            ])
        );
        assert_eq!(filled("job {tag} done", "job u12 done"), None);
        assert_eq!(
            filled("{any},{any},{pages},0,{tag},{to},{any}", &format!("1,X,2,0,{tag},0049,5,")),
            Some(vec![
                (Blank::Pages, "2".to_owned()),
                (Blank::Tag, tag),
                (Blank::To, "0049".to_owned())
            ])
        );
    }

    #[test]
    fn fax_22_a_template_that_is_none_says_why() {
        for (template, why) in [
            ("Fax {from}", TemplateError::UnknownBlank("from".to_owned())),
            ("Fax {caller", TemplateError::Unclosed),
            ("Fax {caller} {caller}", TemplateError::Twice("caller")),
            ("{caller}", TemplateError::FitsAll),
            ("{caller} ({any})", TemplateError::FitsAll),
            ("", TemplateError::FitsAll),
            (&"x".repeat(301), TemplateError::TooLong),
        ] {
            assert_eq!(Template::new(template).unwrap_err(), why, "{template}");
        }
    }
}
