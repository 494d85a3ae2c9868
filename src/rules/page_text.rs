//! What is said of a fax that a machine read: guesses, and each marked as one (FAX-10, decision 26).
//!
//! A word that a machine misread is dangerous where it looks certain: "510 mg" for "5–10 mg". So no figure
//! and no dose is ever shown without a mark, however sure the machine is, and what it is not sure of is
//! marked or left out.

mod code;
mod guesses;

use crate::model::{FaxNumber, Legibility, PageCode, PageHint, PageWord};

pub use code::{CodeSays, code_says};

/// From so sure on a word is shown as it is.
const SURE: u8 = 80;

/// Below that a word is not shown.
const UNSURE: u8 = 50;

/// Behind a word that may be wrong.
const MARK: &str = "(?)";

/// In the place of words that could not be read.
const GAP: &str = "[…]";

/// Characters of one page, and of all pages together, that are shown: enough to see what a fax is about.
/// The fax itself stands beside it.
const PAGE_CHARS_MAX: usize = 1_500;
const CHARS_MAX: usize = 4_000;

/// Fewer words than that on all pages together are mostly dirt, a stamp or a signature.
const WORDS_MIN: usize = 4;

/// If fewer words in a hundred are sure, the page is written by hand, or no text at all.
const LEGIBLE_MIN: usize = 40;

/// Numbers that are kept of one fax. A letterhead has a few; a list of addresses is none.
const HINTS_MAX: usize = 12;

/// What was read on one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadPage {
    /// Its number in the fax.
    pub number: u32,
    pub words: Vec<PageWord>,
    pub codes: Vec<PageCode>,
}

/// What is said of a fax that was read. All of it is a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageTextView {
    /// How many of a hundred words the machine is sure of; nothing where there are no words to show.
    pub sure: Option<u8>,
    pub sender: Option<String>,
    pub subject: Option<String>,
    pub hints: Vec<PageHint>,
    /// What each barcode says, with the number of its page.
    pub codes: Vec<(u32, CodeSays)>,
    /// The words of a page, with its number.
    pub texts: Vec<(u32, String)>,
    /// More was read than is shown.
    pub is_shortened: bool,
}

impl PageTextView {
    /// Whether there is nothing that anybody would want to be told.
    pub fn is_empty(&self) -> bool {
        self.sure.is_none() && self.codes.is_empty()
    }

    pub fn legibility(&self) -> Legibility {
        match self.sure.unwrap_or_default() {
            90.. => Legibility::Good,
            70.. => Legibility::Middling,
            _ => Legibility::Poor,
        }
    }
}

/// What is said of the pages that were read.
///
/// `own`: the number of our line, which leads to nobody else. `telephone`: a number as people write it.
pub fn view(
    pages: &[ReadPage],
    own: &FaxNumber,
    telephone: &dyn Fn(&str) -> Option<FaxNumber>,
) -> PageTextView {
    let mut view = PageTextView::default();
    for page in pages {
        for says in page.codes.iter().map(code_says) {
            if !view.codes.iter().any(|(_, known)| *known == says) {
                view.codes.push((page.number, says));
            }
        }
    }
    for (_, says) in &view.codes {
        view.hints.extend(says.hints(telephone));
        view.sender = view.sender.take().or_else(|| says.author().map(str::to_owned));
    }
    let all: usize = pages.iter().map(|page| page.words.len()).sum();
    let is_sure = |word: &&PageWord| word.sure >= SURE;
    let sure = pages.iter().flat_map(|page| &page.words).filter(is_sure).count();
    let percent = (sure * 100).checked_div(all).unwrap_or_default();
    if all >= WORDS_MIN && percent >= LEGIBLE_MIN {
        view.sure = u8::try_from(percent).ok();
        if let Some(first) = pages.first() {
            let lines = lines(&first.words);
            view.sender = view.sender.take().or_else(|| guesses::sender(&lines));
            view.subject = guesses::subject(&lines);
        }
        for page in pages {
            view.hints.extend(guesses::numbers(&lines(&page.words), telephone));
        }
        view.show(pages);
    }
    view.hints.retain(|hint| hint.number != own.as_str());
    let mut kept: Vec<PageHint> = Vec::new();
    for hint in std::mem::take(&mut view.hints) {
        // What a barcode says comes first, and stands for the same number in the words.
        let is_known =
            kept.iter().any(|known| known.kind == hint.kind && known.number == hint.number);
        if !is_known && kept.len() < HINTS_MAX {
            kept.push(hint);
        }
    }
    view.hints = kept;
    view
}

impl PageTextView {
    fn show(&mut self, pages: &[ReadPage]) {
        let mut left = CHARS_MAX;
        for page in pages.iter().filter(|page| !page.words.is_empty()) {
            let most = left.min(PAGE_CHARS_MAX);
            let (text, is_whole) = text_of(&page.words, most);
            self.is_shortened |= !is_whole;
            left = left.saturating_sub(text.chars().count());
            if !text.is_empty() {
                self.texts.push((page.number, text));
            }
        }
    }
}

/// The words of each line.
fn lines(words: &[PageWord]) -> Vec<&[PageWord]> {
    words.chunk_by(|one, next| one.line == next.line).collect()
}

/// The words of a page with their marks, of at most so many characters; and whether that is all.
fn text_of(words: &[PageWord], chars_max: usize) -> (String, bool) {
    let mut text = String::new();
    for line in lines(words) {
        let marked = marked(line);
        let is_apart = line.first().is_some_and(|word| word.is_apart);
        let between = if text.is_empty() {
            ""
        } else if is_apart {
            "\n\n"
        } else {
            "\n"
        };
        let chars = text.chars().count() + between.len() + marked.chars().count();
        if chars > chars_max {
            return (text, false);
        }
        text.push_str(between);
        text.push_str(&marked);
    }
    (text, true)
}

/// The words of a line with their marks.
fn marked(line: &[PageWord]) -> String {
    let mut shown: Vec<String> = Vec::with_capacity(line.len());
    for (place, word) in line.iter().enumerate() {
        let next = line.get(place + 1);
        if word.sure < UNSURE {
            if shown.last().is_none_or(|last| last != GAP) {
                shown.push(GAP.to_owned());
            }
        } else if word.sure < SURE || is_figure(&word.text, next) {
            shown.push(format!("{}{MARK}", as_words(&word.text)));
        } else {
            shown.push(as_words(&word.text));
        }
    }
    shown.join(" ")
}

/// Whether a word is a number, a part of one, or may have been one: letters that look like digits before a
/// unit.
fn is_figure(word: &str, next: Option<&PageWord>) -> bool {
    let looks_like_one = |c: char| "OoQDIl|!SsBZzgq.,-–/x".contains(c);
    word.chars().any(char::is_numeric)
        || word.chars().all(looks_like_one) && next.is_some_and(|next| is_unit(&next.text))
}

/// Units of doses and findings.
fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 24] = [
        "mg", "g", "kg", "µg", "ug", "mcg", "ml", "l", "dl", "ie", "i.e", "mval", "mmol", "mmol/l",
        "mg/dl", "g/dl", "mmhg", "hub", "hübe", "tropfen", "trpf", "tbl", "tabl", "%",
    ];
    let word = word.trim_end_matches(['.', ',', ';', ':', ')']).to_lowercase();
    UNITS.contains(&word.as_str())
}

/// A word that no program makes a link of, and that calls nobody.
fn as_words(word: &str) -> String {
    let apart = word.replace("://", ": //").replace("www.", "www .").replace("WWW.", "WWW .");
    match apart.strip_prefix(['@', '!', '#']) {
        // A name of a user or a room, or a command of the gateway.
        Some(rest) if !rest.is_empty() => {
            format!("{} {rest}", apart.chars().next().unwrap_or_default())
        }
        _ => apart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::Country, model::HintKind};

    /// Words of lines; `~` before a word: the machine is unsure, `~~`: it could not read it. An empty line is
    /// a gap.
    pub(super) fn words(text: &str) -> Vec<PageWord> {
        let mut words = Vec::new();
        let (mut number, mut is_apart) = (0, false);
        for line in text.lines() {
            if line.trim().is_empty() {
                is_apart = true;
                continue;
            }
            number += 1;
            for word in line.split_whitespace() {
                let (sure, word) = match word.strip_prefix("~~") {
                    Some(word) => (20, word),
                    None => word.strip_prefix('~').map_or((95, word), |word| (65, word)),
                };
                words.push(PageWord { text: word.to_owned(), line: number, is_apart, sure });
            }
            is_apart = false;
        }
        words
    }

    fn page(number: u32, text: &str) -> ReadPage {
        ReadPage { number, words: words(text), codes: Vec::new() }
    }

    fn seen(pages: &[ReadPage]) -> PageTextView {
        let germany = Country::new("DE").unwrap();
        let own = FaxNumber::new("+493023125000").unwrap();
        view(pages, &own, &|text| germany.number(text))
    }

    fn text(text: &str) -> String {
        seen(&[page(1, text)]).texts.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn fax_10_no_figure_and_no_dose_looks_certain() {
        for (read, shown) in [
            ("Ramipril 510 mg morgens eine", "Ramipril 510(?) mg morgens eine"),
            ("Bitte S mg und Ol ml geben", "Bitte S(?) mg und Ol(?) ml geben"),
            ("Befund vom 3.11.2026 liegt bei", "Befund vom 3.11.2026(?) liegt bei"),
            ("Dosis ½ Tablette am Abend", "Dosis ½(?) Tablette am Abend"),
            ("Kalium ~hoch und stabil geblieben", "Kalium hoch(?) und stabil geblieben"),
            ("Herr ~~xy ~~zz wird morgen entlassen", "Herr […] wird morgen entlassen"),
        ] {
            assert_eq!(text(read), shown);
        }
    }

    #[test]
    fn fax_10_what_stands_on_a_page_is_no_link_and_calls_nobody() {
        assert_eq!(
            text("Siehe https://boese.example und www.boese.example @room !faxen <b>jetzt</b>"),
            "Siehe https: //boese.example und www .boese.example @ room ! faxen <b>jetzt</b>"
        );
    }

    #[test]
    fn fax_10_lines_and_paragraphs_stay_and_long_pages_are_shortened() {
        assert_eq!(
            text("Erste Zeile\nZweite Zeile\n\nNeuer Absatz"),
            "Erste Zeile\nZweite Zeile\n\nNeuer Absatz"
        );
        let long = page(1, &"Wörter und Wörter und Wörter\n".repeat(100));
        let view = seen(&[
            long.clone(),
            ReadPage { number: 2, ..long.clone() },
            ReadPage { number: 3, ..long },
        ]);
        assert!(view.is_shortened);
        let chars: Vec<usize> = view.texts.iter().map(|(_, text)| text.chars().count()).collect();
        assert!(chars.iter().all(|chars| *chars <= PAGE_CHARS_MAX), "{chars:?}");
        assert!(chars.iter().sum::<usize>() <= CHARS_MAX, "{chars:?}");
    }

    #[test]
    fn fax_10_a_page_that_cannot_be_read_says_nothing() {
        for unread in ["", "Stempel", "~~a ~~b ~~c ~~d ~~e ~f"] {
            assert!(seen(&[page(1, unread)]).is_empty(), "{unread}");
        }
        assert!(seen(&[]).is_empty());
        let middling = seen(&[page(1, "Das ist ein Brief ~mit ~Flecken")]);
        assert_eq!((middling.sure, middling.legibility()), (Some(66), Legibility::Poor));
    }

    #[test]
    fn fax_10_a_barcode_is_told_of_where_no_word_can_be_read() {
        let codes = vec![PageCode { form: crate::model::CodeForm::Qr, text: "abc".to_owned() }];
        let view = seen(&[ReadPage { number: 2, words: Vec::new(), codes }]);
        assert!(!view.is_empty() && view.sure.is_none() && view.texts.is_empty());
        assert_eq!(view.codes[0].0, 2);
    }

    #[test]
    fn fax_10_numbers_of_several_pages_are_told_once_and_our_own_never() {
        let page = |number| {
            page(
                number,
                "Praxis Dr. Beispiel Berlin\nTel. 030 1234567 Fax: 030/23125000\nBSNR: 721111100",
            )
        };
        let hints: Vec<(HintKind, String)> = seen(&[page(1), page(2)])
            .hints
            .into_iter()
            .map(|hint| (hint.kind, hint.number))
            .collect();
        assert_eq!(
            hints,
            [
                (HintKind::Phone, "+49301234567".to_owned()),
                (HintKind::Bsnr, "721111100".to_owned())
            ]
        );
    }
}
