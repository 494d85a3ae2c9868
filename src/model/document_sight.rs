//! What a look at a file that came by fax found.

use serde::{Deserialize, Serialize};

/// Pages of which a sentence says by their number that they are damaged. Of more it says how many.
pub const DAMAGED_NAMED_MAX: usize = 20;

/// Pages that are looked at in one file. The longest fax that a gateway is known to take in has a few
/// hundred (FAX-14).
pub const SEEN_PAGES_MAX: usize = 500;

/// What a file is by its first bytes; neither its name nor its declared type counts (FAX-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DocumentForm {
    Pdf,
    Tiff,
    PostScript,
    /// A picture of another form, such as the small one that some gateways put into the mail.
    Image,
    /// Something that no fax machine makes: a document of an office program, an archive, a web page, a
    /// program (FAX-12).
    Foreign,
    Other,
}

/// What a look at a file found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSight {
    pub form: DocumentForm,
    /// The pages that are there; 0 where there are none to look at.
    pub pages: u32,
    /// The numbers of the pages that are not whole, in their order (FAX-18).
    pub damaged: Vec<u32>,
    /// The end of the file is missing, and pages may be with it.
    pub is_cut: bool,
    /// Why no page can be shown.
    pub trouble: Option<PageTrouble>,
    /// What the document says of the call that brought it.
    pub says: Option<DocumentWords>,
}

impl DocumentSight {
    /// Of a file of which no page is shown.
    pub fn without_pages(form: DocumentForm, trouble: Option<PageTrouble>) -> Self {
        Self { form, pages: 0, damaged: Vec::new(), is_cut: false, trouble, says: None }
    }

    /// Nothing if it contradicts itself, or says more than a look can find: who made it may have been
    /// what the document made of it.
    pub fn checked(self) -> Option<Self> {
        let is_shown =
            matches!(self.form, DocumentForm::Pdf | DocumentForm::Tiff) && self.trouble.is_none();
        let is_sane = (self.pages > 0) == is_shown
            && usize::try_from(self.pages).is_ok_and(|pages| pages <= SEEN_PAGES_MAX)
            // Each once.
            && self.damaged.is_sorted_by(|page, next| page < next)
            && self.damaged.iter().all(|page| (1..=self.pages).contains(page))
            && self.says.as_ref().is_none_or(DocumentWords::is_sane);
        is_sane.then_some(self)
    }
}

/// What a document says of the call that brought it: HylaFAX writes four lines into tag 270 of a TIFF
/// (`ImageDescription`) and into the subject of a PDF (FAX-10). What is not known is empty.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentWords {
    /// The id of the sending machine (TSI), as its owner typed it.
    pub station: String,
    /// The number that called, as the telephone network says.
    pub caller: String,
    pub name: String,
    /// The number that was called (DNIS).
    pub line: String,
}

impl DocumentWords {
    /// The longest of the four, in characters: a station id has twenty, names are longer.
    const CHARS_MAX: usize = 64;

    /// Nothing if it is not four lines: then it is something else, which many programs write there.
    pub fn of_lines(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('\0');
        let lines: Vec<String> = text
            .split('\n')
            .map(|line| line.trim().chars().filter(|c| !c.is_control()).collect())
            .collect();
        let [station, caller, name, line] = <[String; 4]>::try_from(lines).ok()?;
        let words = Self { station, caller, name, line };
        words.is_sane().then_some(words)
    }

    /// The number that was called, if it is one.
    pub fn called(&self) -> Option<&str> {
        let is_number = (2..=20).contains(&self.line.len())
            && self.line.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
        is_number.then_some(self.line.as_str())
    }

    fn is_sane(&self) -> bool {
        [&self.station, &self.caller, &self.name, &self.line].into_iter().all(|text| {
            text.chars().count() <= Self::CHARS_MAX && !text.chars().any(char::is_control)
        })
    }
}

impl std::fmt::Debug for DocumentWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DocumentWords")
    }
}

/// Why pages cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageTrouble {
    /// A password protects it (FAX-21).
    Encrypted,
    /// It is in colour, or in shades of grey (FAX-21).
    Colour,
    /// It is coded as no fax machine does, or in a way that is rare: JBIG (FAX-21).
    Coding,
    /// It has more pages than are looked at (FAX-14).
    TooManyPages,
    /// A page has more pixels than any fax (FAX-14).
    TooLarge,
    Unreadable,
}

impl PageTrouble {
    /// Every trouble.
    pub const ALL: [Self; 6] = [
        Self::Encrypted,
        Self::Colour,
        Self::Coding,
        Self::TooManyPages,
        Self::TooLarge,
        Self::Unreadable,
    ];

    /// The word for it in the sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Colour => "colour",
            Self::Coding => "coding",
            Self::TooManyPages => "too-many-pages",
            Self::TooLarge => "too-large",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What is made of a file of a fax for people to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MadeFile {
    /// One PDF of all pages of a TIFF.
    AllPages,
    /// A picture of a page, counted from 1.
    Page(u32),
}

impl MadeFile {
    /// The number for it in SQL and in the names of posts: that of the page, or 0.
    pub fn number(self) -> i32 {
        match self {
            Self::AllPages => 0,
            Self::Page(page) => i32::try_from(page).unwrap_or(i32::MAX),
        }
    }

    /// The inverse of [`MadeFile::number`].
    pub fn from_number(number: i32) -> Option<Self> {
        match u32::try_from(number).ok()? {
            0 => Some(Self::AllPages),
            page => Some(Self::Page(page)),
        }
    }
}

/// Which pages of a fax are shown as pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FaxPictures {
    #[default]
    First,
    All,
    None,
}

impl FaxPictures {
    /// Each with its word in the settings.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::First, "first"), (Self::All, "all"), (Self::None, "none")];
}

/// How the pages of faxes are shown on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaxShowing {
    pub pictures: FaxPictures,
    /// The long edge of a picture, in pixels.
    pub edge: u32,
    /// Whether a machine reads them as well.
    pub is_read: bool,
}

impl Default for FaxShowing {
    /// 150 pixels per inch of an A4 page: text of 10 points can be read, and a picture has about 100 KB.
    fn default() -> Self {
        Self { pictures: FaxPictures::default(), edge: 1754, is_read: false }
    }
}
