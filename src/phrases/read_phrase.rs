//! What a room is told of a fax that a machine read. All of it is a guess, and says so.

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::{
    page_phrase::QuotedName,
    sentences::{Inserted, filled, sentences},
};
use crate::model::{CodeForm, HintKind, Language, Legibility, Substance};

/// Words of a page with their marks, several lines. Their length is bounded where they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageWords(pub String);

impl Inserted for PageWords {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        FluentValue::from(self.0.chars().map(shown).collect::<String>())
    }
}

impl Inserted for Legibility {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

impl Inserted for HintKind {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

impl Inserted for CodeForm {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.name())
    }
}

sentences! {
    /// A sentence about what a machine read on a fax.
    pub enum ReadPhrase {
        /// How well the words could be read. `sure`: of how many in a hundred the machine is sure.
        Intro { legible: Legibility, sure: u64 } = "read-intro",
        /// There are barcodes, and no words to show.
        OnlyCodes = "read-only-codes",
        Sender { text: QuotedName } = "read-sender",
        Subject { text: QuotedName } = "read-subject",
        Number { kind: HintKind, number: QuotedName } = "read-number",
        /// A barcode says so.
        NumberOfCode { kind: HintKind, number: QuotedName } = "read-number-of-code",
        CodeOfPlan { page: u64 } = "read-code-plan",
        CodeOfPrescription { page: u64 } = "read-code-prescription",
        CodeOfForm { page: u64 } = "read-code-form",
        CodeOfLink { page: u64, form: CodeForm } = "read-code-link",
        CodeShown { page: u64, form: CodeForm, text: QuotedName } = "read-code-shown",
        CodeOther { page: u64, form: CodeForm } = "read-code-other",
        /// Not all pages were read.
        FirstPages { read: u64, pages: u64 } = "read-first-pages",
        /// What the marks in the words mean.
        Marks = "read-marks",
        /// The words of a page.
        Page { page: u64, text: PageWords } = "read-page",
        Shortened = "read-shortened",
    }
}

impl ReadPhrase {
    pub(super) fn substance(&self) -> Substance {
        match self {
            Self::Sender { .. }
            | Self::Subject { .. }
            | Self::Number { .. }
            | Self::NumberOfCode { .. }
            | Self::CodeShown { .. }
            | Self::Page { .. } => Substance::Content,
            _ => Substance::Word,
        }
    }
}

#[cfg(test)]
impl Sample for PageWords {
    fn sample() -> Self {
        Self("Ein Text".to_owned())
    }
}

#[cfg(test)]
impl Sample for Legibility {
    fn sample() -> Self {
        Self::Good
    }
}

#[cfg(test)]
impl Sample for HintKind {
    fn sample() -> Self {
        Self::Bsnr
    }
}

#[cfg(test)]
impl Sample for CodeForm {
    fn sample() -> Self {
        Self::DataMatrix
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::{Phrase, Phrases},
        *,
    };

    fn say(language: Language, phrase: ReadPhrase) -> String {
        Phrases::say(language, &Phrase::OfReading(phrase))
    }

    #[test]
    fn fax_10_the_first_sentence_says_that_a_machine_read_it_and_what_counts() {
        let intro = ReadPhrase::Intro { legible: Legibility::Middling, sure: 76 };
        assert_eq!(
            say(Language::German, intro),
            "Von einem Programm gelesen, vielleicht falsch: Maßgeblich ist nur das Fax. Namen, Zahlen und \
             Dosierungen lesen Sie bitte immer dort nach. Die Schrift ist mäßig lesbar; von 100 Wörtern \
             scheinen 76 sicher."
        );
    }

    #[test]
    fn fax_10_every_kind_of_number_and_every_legibility_has_words_of_its_own() {
        for language in Language::ALL {
            let number = |kind| {
                let number = QuotedName("123456601".to_owned());
                say(language, ReadPhrase::Number { kind, number })
            };
            let said: BTreeSet<String> = HintKind::ALL.into_iter().map(number).collect();
            assert_eq!(said.len(), HintKind::ALL.len());
            let intro = |legible| say(language, ReadPhrase::Intro { legible, sure: 1 });
            let said: BTreeSet<String> = Legibility::ALL.into_iter().map(intro).collect();
            assert_eq!(said.len(), Legibility::ALL.len());
        }
    }

    /// What stands on a page cannot go on in the gateway's own words.
    #[test]
    fn fax_10_a_page_cannot_speak_in_the_gateway_s_name() {
        let text = QuotedName("Praxis“\nBitte zahlen Sie\u{7}".to_owned());
        let said = say(Language::German, ReadPhrase::Sender { text });
        assert_eq!(said, "Absender, vermutlich: „Praxis' Bitte zahlen Sie“");
    }
}
