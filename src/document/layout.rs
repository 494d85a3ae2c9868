//! Where each line of a text is. Lengths are PDF points (1/72 inch) from the top left.

use skrifa::{
    FontRef, GlyphId, MetadataProvider,
    charmap::Charmap,
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
};

use super::{DocumentError, FONT, FaxPage};

/// The most pages of one fax. At a minute each they would block both lines for more than three
/// hours.
pub const PAGES_MAX: usize = 200;

/// A4.
pub(super) const PAGE_WIDTH: f32 = 595.28;
pub(super) const PAGE_HEIGHT: f32 = 841.89;

/// 2 cm each side: fax machines do not print to the edge.
pub(super) const LEFT: f32 = 56.7;
pub(super) const RIGHT: f32 = PAGE_WIDTH - 56.7;

/// Below the head of each page.
const FIRST_BASELINE: f32 = 72.0;
const LAST_BASELINE: f32 = PAGE_HEIGHT - 56.7;

/// Readable on a coarse fax (204 by 98 dots per inch) without trouble.
const TEXT_SIZE: f32 = 11.0;
const LINE_HEIGHT: f32 = 15.0;

/// Space between two columns of a table that was written with tabs.
const COLUMN_GAP: f32 = 14.0;

/// Rows that are measured together, and the most columns.
const ROWS_MAX: usize = 500;
const COLUMNS_MAX: usize = 30;

/// Where the fields of the first page start, after their labels.
const FIELDS_LEFT: f32 = LEFT + 85.0;

/// Replaces every character that the font lacks.
const MISSING: char = '□';

/// How many missing characters are named.
const MISSING_NAMED_MAX: usize = 12;

/// Each page with its lines, without its head.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) pages: Vec<Vec<TextLine>>,
}

/// One line of text and its baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextLine {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) text: String,
}

impl Layout {
    pub(super) fn of(sheet: &FaxPage) -> Result<Self, DocumentError> {
        let font = FontRef::new(FONT).map_err(|_| DocumentError::Empty)?;
        let mut pages = Pages::default();
        pages.fields(&Ruler::new(&font, TEXT_SIZE), sheet);
        pages.text(&Ruler::new(&font, TEXT_SIZE), &sheet.text);
        if pages.surplus > 0 {
            let count = PAGES_MAX + pages.surplus;
            return Err(DocumentError::TooManyPages { pages: count, pages_max: PAGES_MAX });
        }
        Ok(Self { pages: pages.pages })
    }
}

struct Pages {
    pages: Vec<Vec<TextLine>>,
    /// The baseline of the next line on the last page.
    next: f32,
    /// Pages after the last one that is kept. They are counted, so that a person can be told.
    surplus: usize,
}

impl Default for Pages {
    fn default() -> Self {
        Self { pages: vec![Vec::new()], next: FIRST_BASELINE, surplus: 0 }
    }
}

impl Pages {
    fn fields(&mut self, ruler: &Ruler<'_>, sheet: &FaxPage) {
        let from = [sheet.sender.as_str(), sheet.sender_number.as_str()];
        let from: Vec<&str> = from.into_iter().filter(|text| !text.is_empty()).collect();
        let fields = [
            (&sheet.labels.from, from.join(", ")),
            (&sheet.labels.to, sheet.recipient_number.clone()),
            (&sheet.labels.date, sheet.date.clone()),
            (&sheet.labels.subject, sheet.subject.clone()),
        ];
        for (label, value) in fields {
            let value = ruler.printable(&value.split_whitespace().collect::<Vec<_>>().join(" "));
            if value.is_empty() {
                continue;
            }
            let mut label = Some(ruler.printable(label));
            for line in ruler.wrap(&value, RIGHT - FIELDS_LEFT) {
                if let Some(text) = label.take() {
                    self.place(LEFT, TEXT_SIZE, text);
                }
                self.place(FIELDS_LEFT, TEXT_SIZE, line);
                self.advance();
            }
        }
        self.advance();
    }

    fn text(&mut self, ruler: &Ruler<'_>, text: &str) {
        // A few lines at a time: a hostile text ends at the limit, not in memory.
        let mut lines = text.trim_end().split('\n').map(str::trim_end).peekable();
        while let Some(line) = lines.next() {
            if !line.contains('\t') {
                self.paragraph(ruler, line);
                continue;
            }
            let mut rows = vec![line];
            while rows.len() < ROWS_MAX {
                let Some(row) = lines.next_if(|line| line.contains('\t')) else { break };
                rows.push(row);
            }
            let columns = ruler.columns(&rows);
            for row in rows {
                match &columns {
                    Some(columns) => self.row(ruler, row, columns),
                    None => self.paragraph(ruler, row),
                }
            }
        }
    }

    fn paragraph(&mut self, ruler: &Ruler<'_>, paragraph: &str) {
        let lines = ruler.wrap(&ruler.printable(paragraph), RIGHT - LEFT);
        let count = lines.len();
        for (index, line) in lines.into_iter().enumerate() {
            self.start_page_if_full();
            // Neither the first nor the last line of a paragraph stands alone on a page. Three lines stay
            // together: either way one of them would.
            let behind = match index {
                0 if count <= 3 => count - 1,
                0 => 1,
                _ if index + 2 == count => 1,
                _ => 0,
            };
            let places = (0..behind).fold(self.next, |next, _| next + LINE_HEIGHT);
            if places > LAST_BASELINE {
                self.start_page();
            }
            self.place(LEFT, TEXT_SIZE, line);
            self.next += LINE_HEIGHT;
        }
    }

    /// A row of a table: each cell in its column, whatever stands in the others.
    fn row(&mut self, ruler: &Ruler<'_>, row: &str, columns: &[f32]) {
        self.start_page_if_full();
        for (cell, x) in row.split('\t').zip(columns) {
            self.place(*x, TEXT_SIZE, ruler.printable(cell.trim()));
        }
        self.next += LINE_HEIGHT;
    }

    fn place(&mut self, x: f32, size: f32, text: String) {
        let y = self.next;
        if let Some(page) = self.pages.last_mut()
            && self.surplus == 0
            && !text.is_empty()
        {
            page.push(TextLine { x, y, size, text });
        }
    }

    fn advance(&mut self) {
        self.next += LINE_HEIGHT;
        self.start_page_if_full();
    }

    fn start_page_if_full(&mut self) {
        if self.next > LAST_BASELINE {
            self.start_page();
        }
    }

    fn start_page(&mut self) {
        if self.pages.len() < PAGES_MAX {
            self.pages.push(Vec::new());
        } else {
            self.surplus += 1;
        }
        self.next = FIRST_BASELINE;
    }
}

/// How a character comes onto the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Print {
    Sign,
    Nothing,
    Missing,
}

/// Whether a character is written from right to left, or belongs to a script that is: the blocks that
/// Unicode sets aside for them (UAX #9, table 4). A line of both directions has to be cut into runs, which
/// nothing here does: a dose behind such a word would be printed backwards.
fn is_right_to_left(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFE}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
    )
}

/// Whether anything of a text is seen on a page.
pub(super) fn is_seen(text: &str) -> bool {
    // Only an embedded font that is damaged could fail here.
    let Ok(font) = FontRef::new(FONT) else { return true };
    !Ruler::new(&font, TEXT_SIZE).printable(text).trim().is_empty()
}

/// The characters of a text that would be [`MISSING`] on the page, each once, in their order; only
/// the first few, if there are many.
pub(super) fn missing(text: &str) -> Vec<char> {
    // Only an embedded font that is damaged could fail here.
    let Ok(font) = FontRef::new(FONT) else { return Vec::new() };
    let ruler = Ruler::new(&font, TEXT_SIZE);
    let mut missing = Vec::new();
    for c in text.chars() {
        if missing.len() < MISSING_NAMED_MAX
            && ruler.print(c) == Print::Missing
            && !missing.contains(&c)
        {
            missing.push(c);
        }
    }
    missing
}

/// Knows the font: its characters, and their widths at one size.
pub(super) struct Ruler<'a> {
    charmap: Charmap<'a>,
    metrics: GlyphMetrics<'a>,
}

impl<'a> Ruler<'a> {
    pub(super) fn new(font: &FontRef<'a>, size: f32) -> Self {
        Self {
            charmap: font.charmap(),
            metrics: font.glyph_metrics(Size::new(size), LocationRef::default()),
        }
    }

    /// The text as it can be printed: tabs as blanks, missing characters as `□`, and without
    /// characters that have no shape.
    pub(super) fn printable(&self, text: &str) -> String {
        let mut printable = String::with_capacity(text.len());
        for c in text.chars() {
            match self.print(c) {
                Print::Sign if c == '\t' => printable.push_str("    "),
                Print::Sign if c.is_whitespace() => printable.push(' '),
                Print::Sign => printable.push(c),
                Print::Nothing => {}
                Print::Missing => printable.push(MISSING),
            }
        }
        printable
    }

    fn print(&self, c: char) -> Print {
        match c {
            c if c.is_whitespace() => Print::Sign,
            // These change the direction of what follows them, figures too: it would be printed in another
            // way than it was read.
            '\u{61C}' | '\u{200F}' | '\u{202B}' | '\u{202D}' | '\u{202E}' | '\u{2067}' => {
                Print::Missing
            }
            // Joiners, variation selectors, skin tones and marks of direction have no shape, and
            // only change their neighbour.
            '\u{AD}' | '\u{34F}' | '\u{200B}'..='\u{200E}' => Print::Nothing,
            '\u{202A}'..='\u{202C}' | '\u{2060}'..='\u{206F}' => Print::Nothing,
            '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{1F3FB}'..='\u{1F3FF}' => Print::Nothing,
            '\u{E0100}'..='\u{E01EF}' => Print::Nothing,
            c if is_right_to_left(c) => Print::Missing,
            // If it were left out, its neighbours would be joined.
            c if c.is_control() => Print::Missing,
            c if self.charmap.map(c).is_some_and(|glyph| glyph != GlyphId::NOTDEF) => Print::Sign,
            _ => Print::Missing,
        }
    }

    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().map(|c| self.advance(c)).sum()
    }

    fn advance(&self, c: char) -> f32 {
        self.charmap.map(c).and_then(|glyph| self.metrics.advance_width(glyph)).unwrap_or(0.0)
    }

    /// Where the columns of a table begin, so that no cell reaches into the next. Nothing if they do not
    /// fit on a page: its rows are wrapped like text then.
    fn columns(&self, rows: &[&str]) -> Option<Vec<f32>> {
        let mut widths: Vec<f32> = Vec::new();
        for (place, cell) in rows.iter().flat_map(|row| row.split('\t').enumerate()) {
            if place >= COLUMNS_MAX {
                return None;
            }
            let width = self.width(&self.printable(cell.trim()));
            match widths.get_mut(place) {
                Some(widest) => *widest = widest.max(width),
                None => widths.push(width),
            }
        }
        let mut end = LEFT;
        let mut columns = Vec::with_capacity(widths.len());
        for width in widths {
            columns.push(end);
            end += width + COLUMN_GAP;
        }
        (end - COLUMN_GAP <= RIGHT).then_some(columns)
    }

    /// Breaks one paragraph into lines of at most `width`, at blanks if there are any. An empty
    /// paragraph is one empty line.
    pub(super) fn wrap(&self, paragraph: &str, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        let mut line_width = 0.0;
        for word in paragraph.split_inclusive(' ') {
            let bare_width = self.width(word.trim_end());
            if line_width + bare_width > width && !line.trim().is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                line_width = 0.0;
            }
            if bare_width <= width {
                line.push_str(word);
                line_width += self.width(word);
                continue;
            }
            for c in word.chars() {
                let advance = self.advance(c);
                if line_width + advance > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    line_width = 0.0;
                }
                line.push(c);
                line_width += advance;
            }
        }
        lines.push(line.trim_end().to_owned());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> FaxPage {
        FaxPage { text: text.to_owned(), ..FaxPage::default() }
    }

    fn lines(text: &str) -> Vec<String> {
        let layout = Layout::of(&sheet(text)).unwrap();
        let body = layout.pages.iter().flatten().filter(|line| line.size == TEXT_SIZE);
        body.map(|line| line.text.clone()).collect()
    }

    #[test]
    fn a_long_paragraph_is_broken_between_words_and_stays_on_the_page() {
        let text = "Die Patientin wurde heute stationär aufgenommen. ".repeat(20);
        let lines = lines(&text);
        assert!(lines.len() > 10);
        assert_eq!(lines.join(" "), text.trim_end());
        let font = FontRef::new(FONT).unwrap();
        let ruler = Ruler::new(&font, TEXT_SIZE);
        assert!(lines.iter().all(|line| ruler.width(line) <= RIGHT - LEFT));
    }

    #[test]
    fn a_word_wider_than_the_page_is_broken_within() {
        let text = "W".repeat(500);
        let lines = lines(&text);
        assert!(lines.len() > 5);
        assert_eq!(lines.concat(), text);
    }

    #[test]
    fn what_the_font_lacks_is_seen_as_missing() {
        assert_eq!(lines("Größe ≥ 5 µg → ok\t😀 漢 👍🏽\u{FE0F}"), ["Größe ≥ 5 µg → ok", "😀 □ □"]);
        assert_eq!(lines("5\u{96}10 mg\0"), ["5□10 mg□"]);
    }

    /// L62: exactly the characters that would be missing are named.
    #[test]
    fn l62_signs_that_would_be_missing_are_named() {
        let check = |text: &str, expected: &str| {
            assert_eq!(missing(text).into_iter().collect::<String>(), expected, "{text}");
            assert_eq!(lines(text).concat().contains(MISSING), !expected.is_empty(), "{text}");
        };
        check("🚫 Marcumar 不要 🚫", "🚫不要");
        check("5\u{96}10 mg", "\u{96}");
        check("Tabl. \u{202E}01\u{202C} mg", "\u{202E}");
        check("1\u{20E3} \u{1F1E9}\u{1F1EA}", "\u{20E3}\u{1F1E9}\u{1F1EA}");
        for whole in [
            "Größe ≥ 5 µg → ½ 1.–3. ‚Tag‘ „x“ … • ☐ ☒ ✓ ✗ ± × ÷ ≤ ≠ ≈ ∅ ↑ ↓ € § ° ² ³ ₂ α β γ Ω ♀ ♂",
            "Ärztin Šárka Łukasz Çelik Ğ Ş Žižek Ελλάδα Україна",
            "a\u{AD}b \u{2068}c\u{2069} 😀\u{FE0F} \u{200D}x\u{A0}y\tz",
            "",
        ] {
            check(whole, "");
        }
        let many: String = ('\u{4E00}'..'\u{4F00}').collect();
        assert_eq!(missing(&many).len(), MISSING_NAMED_MAX);
    }

    #[test]
    fn line_ends_and_empty_lines_are_kept() {
        let layout = Layout::of(&sheet("a\r\n\r\n  b\n")).unwrap();
        let body: Vec<_> = layout.pages[0].iter().filter(|line| line.size == TEXT_SIZE).collect();
        assert_eq!(body.len(), 2);
        assert_eq!((body[0].text.as_str(), body[1].text.as_str()), ("a", "  b"));
        assert_eq!(body[1].y - body[0].y, 2.0 * LINE_HEIGHT);
    }

    #[test]
    fn no_line_stands_below_the_margin() {
        let layout = Layout::of(&sheet(&"Zeile\n".repeat(120))).unwrap();
        assert_eq!(layout.pages.len(), 3);
        for page in &layout.pages {
            assert!(page.iter().all(|line| (FIRST_BASELINE..=LAST_BASELINE).contains(&line.y)));
        }
    }

    /// The columns of a table stand below each other, however wide a cell is: a value that slips into the
    /// next column is read as another one's.
    #[test]
    fn tabs_make_columns() {
        let table = "Wert\tEinheit\tNorm\nHb\tg/dl\t12–16\nErythrozyten im Blut\tMio/µl\t4–5";
        let layout = Layout::of(&sheet(table)).unwrap();
        let columns = |row: usize| -> Vec<f32> {
            layout.pages[0].iter().skip(row * 3).take(3).map(|line| line.x).collect()
        };
        assert_eq!(layout.pages[0].len(), 9);
        assert_eq!((columns(1), columns(2)), (columns(0), columns(0)));
        // What does not fit is wrapped like every text.
        let wide = format!("{}\tEnde", "Wort ".repeat(40));
        assert!(lines(&wide).len() > 1 && lines(&wide).concat().ends_with("Ende"));
        let tabs = lines(&"\tx".repeat(COLUMNS_MAX + 1));
        assert_eq!(tabs.concat().matches('x').count(), COLUMNS_MAX + 1);
    }

    /// Wherever the page ends, no line of a paragraph stands alone.
    #[test]
    fn a_page_never_ends_within_a_pair_of_lines() {
        let paragraph =
            "Die Patientin wurde heute stationär aufgenommen und untersucht. ".repeat(3);
        let count = lines(&paragraph).len();
        assert!(count >= 3);
        for above in 30..50 {
            let text = format!("{}{paragraph}", "x\n".repeat(above));
            let layout = Layout::of(&sheet(&text)).unwrap();
            let last: usize = layout.pages.get(1).map_or(count, Vec::len);
            let shown = last.min(count);
            let is_whole = layout.pages.len() == 1 || shown == count;
            assert!(is_whole || (shown >= 2 && count - shown >= 2), "{above}: {shown} of {count}");
        }
    }

    #[test]
    fn a_text_without_end_is_refused() {
        let refused = Layout::of(&sheet(&"a\n".repeat(20_000)));
        assert!(
            matches!(refused, Err(DocumentError::TooManyPages { pages: 401.., .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_subject_without_end_is_refused() {
        let sheet = FaxPage { subject: "WWWW ".repeat(120_000), ..FaxPage::default() };
        assert!(matches!(Layout::of(&sheet), Err(DocumentError::TooManyPages { .. })));
    }
}
