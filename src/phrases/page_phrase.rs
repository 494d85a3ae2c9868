//! What a room is told of the pages of a fax.

use fluent_bundle::{FluentArgs, FluentValue};
use time::OffsetDateTime;

#[cfg(test)]
use super::sentences::Sample;
use super::{
    Phrase, Phrases,
    sentences::{Inserted, filled, sentences},
    values::quoted,
};
use crate::model::{Language, PageTrouble, Substance};

/// The name of a file, as its sender chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedName(pub String);

impl Inserted for QuotedName {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(quoted(&self.0))
    }
}

/// When a fax came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameAt(pub OffsetDateTime);

impl Inserted for CameAt {
    fn inserted(&self, language: Language) -> FluentValue<'static> {
        FluentValue::from(Phrases::say(language, &Phrase::FaxMoment { at: self.0 }))
    }
}

impl Inserted for PageTrouble {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

/// Numbers of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageNumbers(pub Vec<u32>);

impl Inserted for PageNumbers {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        FluentValue::from(numbers.join(", "))
    }
}

sentences! {
    /// A sentence about the pages of a fax.
    pub enum PagePhrase {
        Seen { pages: u64, at: CameAt } = "fax-seen",
        /// Some pages are not whole (FAX-18).
        Damaged { pages: PageNumbers } = "fax-damaged",
        /// So many more than are named.
        DamagedMany { pages: PageNumbers, more: u64 } = "fax-damaged-many",
        /// The end of the file is missing.
        Cut = "fax-cut",
        /// The gateway names another number of pages than came (FAX-6).
        PagesDiffer { declared: u64, pages: u64 } = "fax-pages-differ",
        /// Which of our numbers was called, as the document says (FAX-10).
        Called { line: QuotedName } = "fax-called",
        /// The fax came as a PDF and as a TIFF, with other pages (FAX-3).
        FormsDiffer { pdf: u64, tiff: u64 } = "fax-forms-differ",
        /// There are fewer pictures than pages.
        SomePictures { shown: u64, pages: u64 } = "fax-some-pictures",
        /// These pages are only in the file.
        NoPicture { pages: PageNumbers } = "fax-no-picture",
        /// The pages of a file cannot be shown, and why (FAX-14, FAX-21).
        NotShown { file: QuotedName, trouble: PageTrouble } = "fax-not-shown",
        /// Opening it took more memory or time than a document may have (FAX-14).
        Broken { file: QuotedName } = "fax-broken",
        /// What came before it took all of the time, or was too much (FAX-14).
        Skipped { file: QuotedName } = "fax-skipped",
        /// More bytes than are opened (FAX-14).
        TooLarge { file: QuotedName } = "fax-too-large",
        PostScript { file: QuotedName } = "fax-postscript",
        /// Neither PDF nor TIFF.
        Unknown { file: QuotedName } = "fax-unknown-file",
        /// No fax machine makes it (FAX-12).
        Foreign { file: QuotedName } = "fax-foreign-file",
        /// The process that opens documents could not be started.
        Unopened = "fax-unopened",
        /// The name of a picture. It names nobody.
        PictureName { page: u64, pages: u64 } = "fax-picture-name",
        /// The name of the PDF that is made of a TIFF.
        PdfName = "fax-pdf-name",
        PdfNameOf { number: u64 } = "fax-pdf-name-of",
    }
}

impl PagePhrase {
    pub(super) fn substance(&self) -> Substance {
        match self {
            Self::Called { .. }
            | Self::NotShown { .. }
            | Self::Broken { .. }
            | Self::Skipped { .. }
            | Self::TooLarge { .. }
            | Self::PostScript { .. }
            | Self::Unknown { .. }
            | Self::Foreign { .. } => Substance::Content,
            _ => Substance::Word,
        }
    }
}

#[cfg(test)]
impl Sample for QuotedName {
    fn sample() -> Self {
        Self("Ein Text".to_owned())
    }
}

#[cfg(test)]
impl Sample for CameAt {
    fn sample() -> Self {
        Self(time::macros::datetime!(2026-11-23 13:05:59 UTC))
    }
}

#[cfg(test)]
impl Sample for PageTrouble {
    fn sample() -> Self {
        Self::Unreadable
    }
}

#[cfg(test)]
impl Sample for PageNumbers {
    fn sample() -> Self {
        Self(vec![2, 3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(phrase: PagePhrase, german: &str) {
        assert_eq!(Phrases::say(Language::German, &Phrase::OfPages(phrase)), german);
    }

    #[test]
    fn fax_6_fax_18_a_fax_that_is_not_whole_says_so_and_what_to_do() {
        check(
            PagePhrase::PagesDiffer { declared: 3, pages: 1 },
            "⚠ Dieses Fax ist vielleicht unvollständig: Der Fax-Dienst nennt 3 Seiten, hier ist eine. \
             Bitte fragen Sie beim Absender nach.",
        );
        check(
            PagePhrase::Damaged { pages: PageNumbers(vec![2, 5]) },
            "⚠ Dieses Fax ist beschädigt angekommen: Seite 2, 5 ist nicht ganz lesbar. Bitte verlassen \
             Sie sich nicht darauf, und bitten Sie den Absender, es noch einmal zu senden.",
        );
        check(PagePhrase::PictureName { page: 1, pages: 3 }, "Fax-Seite-1-von-3.png");
    }

    #[test]
    fn fax_14_fax_21_every_reason_for_no_picture_has_words_of_its_own() {
        for language in Language::ALL {
            let say = |trouble| {
                let file = QuotedName("a.tif".to_owned());
                Phrases::say(language, &Phrase::OfPages(PagePhrase::NotShown { file, trouble }))
            };
            let said: std::collections::BTreeSet<String> =
                PageTrouble::ALL.into_iter().map(say).collect();
            assert_eq!(said.len(), PageTrouble::ALL.len());
        }
    }
}
