//! Bytes to pages and back: the one PDF a fax gateway wants, and pages of received faxes to look at. Pure.

mod codes;
mod eols;
mod fax_pdf;
mod head;
mod image_turn;
mod join;
mod layers;
mod layout;
mod on_top;
mod opaque;
#[cfg(test)]
mod page_tests;
mod pdf_page;
mod pdf_sound;
mod pixels;
mod raster;
mod seen;
mod strips;
mod tiff;
mod words;

use bytes::Bytes;
use krilla::{
    SerializeSettings,
    configure::{ConfigurationBuilder, PdfVersion},
    page::PageSettings,
};

use serde::{Deserialize, Serialize};

use head::PageHead;
use layout::{Layout, PAGE_HEIGHT, PAGE_WIDTH};

pub use codes::codes;
pub use join::{IMAGE_PIXELS_MAX, SOURCE_BYTES_MAX};
pub use layout::PAGES_MAX;
pub use seen::{FORM_BYTES, all_pages, form_of, glance, look, picture, scan};
pub use words::words;

/// The sheet a text is faxed on. All of it is printed as given here; labels come from
/// `crate::phrases`, in the practice's language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaxPage {
    /// The sender, as the recipient knows it.
    pub sender: String,
    /// The sender's own fax number: gateways often add no line of their own (FAX-36).
    pub sender_number: String,
    pub recipient_number: String,
    /// Date and time, written for the recipient.
    pub date: String,
    pub subject: String,
    pub text: String,
    pub labels: FaxLabels,
}

/// A document that is ready to be faxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxPdf {
    pub bytes: Vec<u8>,
    pub pages: u32,
}

/// The label before each field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaxLabels {
    pub from: String,
    pub to: String,
    pub date: String,
    pub subject: String,
    pub page: String,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DocumentError {
    #[error("the fax would have {pages} pages, and at most {pages_max} are allowed")]
    TooManyPages { pages: usize, pages_max: usize },
    #[error("the files of the fax have more than {SOURCE_BYTES_MAX} bytes together")]
    TooLarge,
    #[error("there is nothing to fax")]
    Empty,
    /// `index`: which of the given files, from 0.
    #[error("file {index} is neither PDF nor PNG nor JPEG and cannot be faxed")]
    FileType { index: usize },
    #[error("file {index} cannot be read")]
    Unreadable { index: usize },
    #[error("file {index} is protected by a password")]
    Encrypted { index: usize },
    #[error("image {index} has more than {IMAGE_PIXELS_MAX} pixels")]
    ImageTooLarge { index: usize },
    /// It is not certain how what lies on top of its pages is printed, and joining would lose it.
    #[error(
        "file {index} has form fields or notes of which it is not certain how they are printed"
    )]
    Annotated { index: usize },
    /// Joining copies what is printed on the pages, and would show what the file hides.
    #[error("file {index} has layers that are not shown, and would show them")]
    HiddenLayers { index: usize },
    #[error("the document could not be written")]
    NotWritten,
}

impl DocumentError {
    /// Nothing if it names none of so many files: whoever opened them is not believed.
    pub fn checked(self, files: usize) -> Option<Self> {
        let index = match &self {
            Self::TooManyPages { .. } | Self::TooLarge | Self::Empty | Self::NotWritten => None,
            Self::FileType { index }
            | Self::Unreadable { index }
            | Self::Encrypted { index }
            | Self::ImageTooLarge { index }
            | Self::Annotated { index }
            | Self::HiddenLayers { index } => Some(*index),
        };
        index.is_none_or(|index| index < files).then_some(self)
    }
}

/// DejaVu Sans: Latin, Greek, Cyrillic and many other characters, wide enough to survive 98 lines
/// per inch.
static FONT: &[u8] = include_bytes!("../assets/fonts/DejaVuSans.ttf");

/// The one PDF a fax gateway wants (FAX-23): pages with the text of the sheet, if it has any, then files,
/// in their order, of at most `pages_max` pages (and never more than [`PAGES_MAX`]).
///
/// Each page has the head of the sheet (FAX-36). Pages of a PDF are made a little smaller for it and fitted
/// on A4; broad ones lie on their side; PNG and JPEG each get a page, turned as the camera was held. Filled
/// form fields, stamps and notes are printed where they lie; a PDF of which that is not certain is refused. Without
/// a sheet one PDF stays as it is, byte for byte. A file's first bytes say what it is, not its name. Errors name
/// the file by its index.
///
/// Files are foreign, and may take any memory and time: this runs in `crate::sandbox`. `opening` is
/// told which file comes next.
pub fn fax(
    sheet: Option<&FaxPage>,
    files: &[Bytes],
    pages_max: usize,
    opening: &mut dyn FnMut(usize),
) -> Result<FaxPdf, DocumentError> {
    let head = sheet.map(PageHead::of);
    let written = sheet.filter(|sheet| layout::is_seen(&sheet.text));
    let text = written.map(Layout::of).transpose()?;
    join::join((head.as_ref(), text), files, pages_max.min(PAGES_MAX), opening)
}

/// The characters of a text that our faxes cannot show, each once: the font has Latin, Greek,
/// Cyrillic and many others, but not all, and nothing is written from right to left. At most twelve are
/// named.
pub fn missing_signs(text: &str) -> Vec<char> {
    layout::missing(text)
}

/// Writes a text onto A4 pages: the head on each; sender, number, date and subject on the first.
/// Characters that the font lacks are shown as `□`.
///
/// The same sheet gives the same bytes. Errors: [`DocumentError::TooManyPages`] and
/// [`DocumentError::NotWritten`].
pub fn letter_pdf(sheet: &FaxPage) -> Result<Vec<u8>, DocumentError> {
    let (head, text) = (PageHead::of(sheet), Layout::of(sheet)?);
    let made = join::join((Some(&head), Some(text)), &[], PAGES_MAX, &mut |_| {});
    made.map(|made| made.bytes)
}

fn settings(version: PdfVersion) -> SerializeSettings {
    // Without a validator every version is a configuration.
    let configuration =
        ConfigurationBuilder::new().with_version(version).finish().unwrap_or_default();
    // A fax tells nothing but what is printed (FAX-26): no program, no time, no identifiers.
    SerializeSettings { configuration, xmp_metadata: false, ..SerializeSettings::default() }
}

fn a4() -> PageSettings {
    PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use hayro_syntax::{
        Pdf,
        content::ops::TypedInstruction,
        object::{Dict, Object, Stream, String as PdfString},
        page::Page,
    };

    use super::*;

    fn join(cover: Option<&FaxPage>, files: &[Bytes]) -> Result<Vec<u8>, DocumentError> {
        fax(cover, files, PAGES_MAX, &mut |_| {}).map(|made| made.bytes)
    }

    fn sheet() -> FaxPage {
        let text = "Größe ≥ 5 µg €\n".repeat(100);
        FaxPage {
            sender: "Praxis Dr. Müller".to_owned(),
            sender_number: "+49301234567".to_owned(),
            recipient_number: "+49897654321".to_owned(),
            date: "23.11.2026, 17:10".to_owned(),
            subject: "Befund".to_owned(),
            text,
            labels: FaxLabels {
                from: "Von".to_owned(),
                to: "An".to_owned(),
                date: "Datum".to_owned(),
                subject: "Betreff".to_owned(),
                page: "Seite".to_owned(),
            },
        }
    }

    /// The text that a reader copies from each page.
    fn texts(pdf: &[u8]) -> Vec<String> {
        let pdf = Pdf::new(pdf.to_vec()).ok().unwrap();
        pdf.pages().iter().map(page_text).collect()
    }

    fn page_text(page: &Page<'_>) -> String {
        let mut characters = HashMap::new();
        let fonts = &page.resources().fonts;
        for name in fonts.keys() {
            let font: Dict<'_> = fonts.get(&name).unwrap();
            let map: Stream<'_> = font.get(b"ToUnicode".as_slice()).unwrap();
            let map = String::from_utf8(map.decoded().unwrap().into_owned()).unwrap();
            for line in map.lines().filter(|line| line.starts_with('<') && line.contains("> <")) {
                let (glyph, text) = line.split_once(' ').unwrap();
                let number = |hex: &str| u16::from_str_radix(hex, 16).unwrap();
                let hex: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
                let units: Vec<u16> =
                    hex.chunks(4).map(|unit| number(&unit.iter().collect::<String>())).collect();
                let glyph = number(glyph.trim_matches(['<', '>']));
                characters.insert(glyph, String::from_utf16(&units).unwrap());
            }
        }
        let mut text = String::new();
        let mut say = |shown: &PdfString<'_>| {
            for glyph in shown.as_bytes().chunks(2) {
                let glyph = u16::from_be_bytes([glyph[0], glyph[1]]);
                text.push_str(characters.get(&glyph).map_or("?", String::as_str));
            }
        };
        let mut operations = page.typed_operations();
        while let Some(operation) = operations.next() {
            match operation {
                TypedInstruction::ShowText(shown) => say(shown.0),
                TypedInstruction::ShowTexts(shown) => {
                    for shown in shown.0.iter::<Object<'_>>() {
                        if let Object::String(shown) = shown {
                            say(&shown);
                        }
                    }
                }
                _ => {}
            }
        }
        text
    }

    const BROAD_PNG: Bytes = Bytes::from_static(include_bytes!("../tests/documents/broad.png"));
    const UPRIGHT_JPEG: Bytes =
        Bytes::from_static(include_bytes!("../tests/documents/upright.jpg"));

    /// A PDF of one page, as sloppy as some gateways write it: without a cross-reference table.
    fn sloppy_pdf(page: &str, trailer: &str) -> Bytes {
        let pdf = format!(
            "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n\
             2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n\
             3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 200 300]{page}>> endobj\n\
             4 0 obj <</Type/Annot/Subtype/Widget/Rect[0 0 9 9]>> endobj\n\
             5 0 obj <</Type/Annot/Subtype/Link/Rect[0 0 9 9]>> endobj\n\
             trailer <</Root 1 0 R{trailer}>>\n%%EOF\n"
        );
        pdf.into()
    }

    /// A PDF that says it is encrypted, in a way that cannot be opened.
    fn locked_pdf() -> Bytes {
        let mut pdf = "%PDF-1.4\n".to_owned();
        let mut table = "xref\n0 3\n0000000000 65535 f \n".to_owned();
        for object in ["1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n", "2 0 obj <<>> endobj\n"] {
            table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
            pdf.push_str(object);
        }
        let start = pdf.len();
        let trailer = "trailer <</Size 3/Root 1 0 R/ID[<00><00>]/Encrypt<</Filter/Unknown/V 9>>>>";
        format!("{pdf}{table}{trailer}\nstartxref\n{start}\n%%EOF\n").into()
    }

    #[test]
    fn fax_36_the_first_page_says_who_to_whom_when_and_what() {
        let pdf = letter_pdf(&sheet()).unwrap();
        let texts = texts(&pdf);
        assert_eq!(texts.len(), 3);
        for part in [
            "Praxis Dr. Müller, +49301234567",
            "+49897654321",
            "23.11.2026, 17:10",
            "Befund",
            "Größe ≥ 5 µg €",
            "Seite 1/3",
        ] {
            assert!(texts[0].contains(part), "{part} in {}", texts[0]);
        }
        assert!(texts[2].contains("Seite 3/3") && texts[2].contains("Praxis Dr. Müller"));
        assert_eq!(texts.concat().matches("Größe ≥ 5 µg €").count(), 100);
    }

    /// FAX-26: neither what wrote the document nor what an attached file says about itself goes along.
    #[test]
    fn fax_26_a_document_has_nothing_that_is_not_printed() {
        let talkative = sloppy_pdf("", "/Info<</Author(Geheim)/Producer(Geheim)/Title(Geheim)>>");
        let made = join(Some(&sheet()), &[talkative]).unwrap();
        let made = String::from_utf8_lossy(&made);
        for word in ["Geheim", "/Producer", "/Creator", "/Author", "/Title", "Date", "xmpmeta"] {
            assert!(!made.contains(word), "{word}");
        }
    }

    #[test]
    fn fax_36_pages_of_other_sizes_are_fitted_on_a4_below_the_head() {
        let broad = sloppy_pdf("", "");
        let without_text = FaxPage { text: String::new(), ..sheet() };
        let made = join(Some(&without_text), &[broad, BROAD_PNG]).unwrap();
        let pdf = Pdf::new(made.clone()).ok().unwrap();
        for page in pdf.pages().iter() {
            let (width, height) = page.render_dimensions();
            assert_eq!((width.round(), height.round()), (595.0, 842.0));
        }
        let texts = texts(&made);
        assert!(texts[0].contains("Seite 1/2") && texts[1].contains("Seite 2/2"), "{texts:?}");
    }

    #[test]
    fn the_same_sheet_gives_the_same_bytes() {
        assert_eq!(letter_pdf(&sheet()).unwrap(), letter_pdf(&sheet()).unwrap());
    }

    #[test]
    fn fax_23_a_text_and_files_leave_as_one_document_in_their_order() {
        let other = letter_pdf(&FaxPage { text: "Anlage".to_owned(), ..FaxPage::default() });
        let files = [BROAD_PNG, other.unwrap().into(), UPRIGHT_JPEG];
        let joined = join(Some(&sheet()), &files).unwrap();
        let texts = texts(&joined);
        assert_eq!(texts.len(), 6);
        assert!(texts[0].contains("Befund"));
        for (number, text) in texts.iter().enumerate() {
            assert!(text.contains(&format!("Seite {}/6", number + 1)), "{text}");
            assert!(text.contains("Praxis Dr. Müller, +49301234567"), "{text}");
            assert!(text.contains("An +49897654321"), "{text}");
        }
    }

    #[test]
    fn a_single_pdf_leaves_byte_for_byte() {
        let pdf = sloppy_pdf("/Annots[4 0 R]", "");
        let alone = std::slice::from_ref(&pdf);
        assert_eq!(join(None, alone), Ok(pdf.to_vec()));
        // With one, what was filled in could be lost.
        let without_text = FaxPage { text: String::new(), ..sheet() };
        let refused = DocumentError::Annotated { index: 0 };
        assert_eq!(join(Some(&without_text), alone), Err(refused));
    }

    #[test]
    fn links_may_be_lost_and_filled_forms_may_not() {
        let sheet = sheet();
        let cover = || Some(&sheet);
        let form = join(cover(), &[sloppy_pdf("/Annots[5 0 R 4 0 R]", "")]);
        assert_eq!(form, Err(DocumentError::Annotated { index: 0 }));
        assert!(join(cover(), &[sloppy_pdf("/Annots[5 0 R]", "")]).is_ok());
    }

    #[test]
    fn what_cannot_be_faxed_is_named() {
        let check = |files: &[Bytes], expected: DocumentError| {
            assert_eq!(join(None, files), Err(expected));
        };
        let good = UPRIGHT_JPEG;
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        check(&[], DocumentError::Empty);
        check(&[good.clone(), text("PK\x03\x04 docx")], DocumentError::FileType { index: 1 });
        check(&[text("")], DocumentError::FileType { index: 0 });
        check(&[text("%PDF-1.4\nnothing else")], DocumentError::Unreadable { index: 0 });
        check(&[good.slice(..40)], DocumentError::Unreadable { index: 0 });
        check(&[BROAD_PNG.slice(..30)], DocumentError::Unreadable { index: 0 });
        check(&[locked_pdf()], DocumentError::Encrypted { index: 0 });
        let huge = [
            b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR".as_slice(),
            &60_000_u32.to_be_bytes(),
            &60_000_u32.to_be_bytes(),
        ];
        check(&[huge.concat().into()], DocumentError::ImageTooLarge { index: 0 });
        check(&[vec![0; SOURCE_BYTES_MAX + 1].into()], DocumentError::TooLarge);
        let pages = PAGES_MAX + 1;
        check(&vec![good; pages], DocumentError::TooManyPages { pages, pages_max: PAGES_MAX });
    }

    /// R16: `pages_max` holds for texts and files alike, alone and together.
    #[test]
    fn a_fax_has_at_most_as_many_pages_as_the_channel_allows() {
        let texts = sheet();
        let one = [UPRIGHT_JPEG];
        let pdf = [Bytes::from(letter_pdf(&texts).unwrap())];
        let mut opened = Vec::new();
        let mut check = |sheet, files: &[Bytes], pages, pages_max: usize| {
            let made = fax(sheet, files, pages_max, &mut |index| opened.push(index));
            match made {
                Ok(_) => assert!(pages <= pages_max),
                Err(error) => {
                    assert_eq!(error, DocumentError::TooManyPages { pages, pages_max });
                    assert!(pages > pages_max);
                }
            }
        };
        for pages_max in 1..5 {
            check(Some(&texts), &[], 3, pages_max);
            check(Some(&texts), &one, 4, pages_max);
            check(None, &one, 1, pages_max);
            check(None, &pdf, 3, pages_max);
        }
        assert!(opened.contains(&0));
    }

    #[test]
    fn damaged_images_and_pdfs_are_errors_and_no_panics() {
        let pdf = letter_pdf(&FaxPage::default()).unwrap();
        let cover = FaxPage { text: "x".to_owned(), ..FaxPage::default() };
        for original in [BROAD_PNG, UPRIGHT_JPEG, pdf.into()] {
            for at in (0..original.len()).step_by(31) {
                let mut damaged = original.to_vec();
                damaged[at] ^= 0x55;
                _ = join(Some(&cover), &[damaged.into(), original.slice(..at)]);
                _ = join(Some(&cover), &[original.slice(..at)]);
            }
        }
    }
}
