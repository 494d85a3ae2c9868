//! The text version: words put together as a browser lays them out, with marks for what a text
//! cannot show.
//!
//! White space is one space, blocks are lines, cells are tabs. `~~` surrounds struck words, on each
//! of their lines; `^` and `_` precede raised and lowered ones; `> ` precedes quotations.

use super::{
    rows::TextRow,
    style::{Shift, Space},
};

/// Bytes of text that are kept; far more than the longest body that is shown.
const OUT_BYTES_MAX: usize = 4 * super::super::text::TEXT_BYTES_MAX;

/// Levels of quotation and indentation that are written.
const PREFIXES_MAX: usize = 20;

/// How many empty lines in a row are written where they are kept.
const LINES_MAX: usize = 20;

const STROKE: &str = "~~";

/// Raised or lowered, and how often.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) shift: Shift,
    pub(super) depth: u8,
}

impl Level {
    pub(super) fn moved(self, shift: Shift) -> Self {
        match shift {
            Shift::Base => Self::default(),
            shift => Self { shift, depth: self.depth.saturating_add(1).min(3) },
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct TextLayout {
    pub(super) out: String,
    pub(super) is_cut: bool,
    due: Due,
    /// Comes before each line.
    prefix: Vec<&'static str>,
    /// A cell or item has begun: it needs no separate line.
    is_begun: bool,
    /// The open rows of tables.
    rows: Vec<TextRow>,
    /// Places in the text that may be changed later, see [`Self::place`].
    places: Vec<usize>,
    /// How many of the prefixes the last line has.
    last_depth: usize,
    is_struck: bool,
    level: Level,
    /// Where the raised or lowered words begin, after their mark.
    level_start: usize,
}

/// What is to be written before the next word.
#[derive(Debug, Default)]
struct Due {
    lines: usize,
    has_space: bool,
    /// A blank, if two words would touch.
    has_gap: bool,
    item: Option<DueItem>,
}

/// The mark of an item.
#[derive(Debug)]
struct DueItem {
    mark: String,
    /// How many of the prefixes precede it.
    depth: usize,
    /// How many of the open rows it is in.
    rows: usize,
    /// Line ends before it.
    lines: usize,
}

/// What was written of what is due.
#[derive(Debug)]
struct DueDone {
    /// Nothing was written before.
    is_fresh: bool,
    lines: usize,
    /// How many prefixes the line has. `None`: it is the line of the words before.
    depth: Option<usize>,
}

impl TextLayout {
    pub(super) fn push(&mut self, text: &str, space: Space, is_struck: bool, level: Level) {
        if space == Space::Collapsed {
            self.words(text, is_struck, level);
            return;
        }
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.is_begun = false;
                self.due.lines = (self.due.lines + 1).min(LINES_MAX);
                self.due.has_space = false;
            }
            if space == Space::Lines {
                self.words(line, is_struck, level);
            } else if !line.is_empty() {
                self.word(line, is_struck, level);
            }
        }
    }

    fn words(&mut self, text: &str, is_struck: bool, level: Level) {
        self.due.has_space |= text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            self.word(word, is_struck, level);
            self.due.has_space = true;
        }
        if !text.is_empty() {
            self.due.has_space = text.ends_with(char::is_whitespace);
        }
    }

    /// A block begins or ends.
    pub(super) fn line(&mut self) {
        if !self.is_begun {
            self.due.lines = self.due.lines.max(1);
        }
    }

    pub(super) fn paragraph(&mut self) {
        if !self.is_begun {
            self.due.lines = self.due.lines.max(2);
        }
    }

    /// A second one in a row makes an empty line; more are not worth the space.
    pub(super) fn line_break(&mut self) {
        self.is_begun = false;
        let of_row = self.rows.last().map_or(0, |row| row.lines);
        self.due.lines += 1;
        if self.due.lines > of_row + 2 {
            self.due.lines = of_row + 2;
            self.rows.last_mut().into_iter().for_each(TextRow::lose_lines);
        }
    }

    pub(super) fn gap(&mut self) {
        self.due.has_gap = true;
    }

    pub(super) fn row(&mut self) {
        self.line();
        self.rows.push(TextRow::new(self.prefix.len(), self.places.len()));
    }

    /// A row ends: its cells have as many lines as they will have.
    pub(super) fn row_end(&mut self) {
        let Some(row) = self.rows.pop().filter(TextRow::has_words) else { return };
        if row.has_lost_lines {
            self.rows.last_mut().into_iter().for_each(TextRow::lose_lines);
        }
        self.end_marks();
        let prefix = self.prefix(row.depth);
        let Some(mut moved) = row.arrange(&mut self.out, &prefix, OUT_BYTES_MAX) else { return };
        moved.sort_by_key(|line| line.from.start);
        for place in self.places.iter_mut().skip(row.places_from) {
            let after = moved.partition_point(|line| line.from.end <= *place);
            *place = moved
                .get(after)
                .map_or(usize::MAX, |line| line.to + place.saturating_sub(line.from.start));
        }
    }

    /// A cell in this column.
    pub(super) fn cell(&mut self, column: usize) {
        if let Some(row) = self.rows.last_mut() {
            // Only the line ends before the row's first word are more than the cell's own.
            self.due.lines = row.cell(column, self.due.lines);
        }
        self.due.has_gap = true;
        self.is_begun = true;
    }

    pub(super) fn cell_end(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.is_waiting = false;
        }
        self.is_begun = false;
        self.due.lines = self.due.lines.min(1);
        self.due.has_space = false;
        self.due.has_gap = true;
    }

    /// The place where the next word will be, for [`Self::patch`].
    pub(super) fn place(&mut self) -> usize {
        self.places.push(self.out.len());
        self.places.len() - 1
    }

    /// Changes the first `from` behind a place into `to` of the same length.
    pub(super) fn patch(&mut self, place: usize, from: &str, to: &str) {
        let Some(&place) = self.places.get(place) else { return };
        if let Some(at) = self.out.get(place..).and_then(|out| out.find(from)) {
            self.out.replace_range(place + at..place + at + from.len(), to);
        }
    }

    pub(super) fn item(&mut self, mark: &str) {
        self.line();
        let item = self.due.item.get_or_insert_with(|| DueItem {
            mark: String::new(),
            depth: self.prefix.len(),
            rows: self.rows.len(),
            lines: self.due.lines,
        });
        item.mark.push_str(mark);
        self.is_begun = true;
        self.prefix.push("  ");
    }

    pub(super) fn item_end(&mut self) {
        self.prefix.pop();
        self.due.item = None;
        self.is_begun = false;
        self.line();
    }

    pub(super) fn quote(&mut self) {
        self.paragraph();
        self.is_begun = false;
        self.prefix.push("> ");
    }

    pub(super) fn quote_end(&mut self) {
        self.is_begun = false;
        self.paragraph();
        self.prefix.pop();
    }

    fn word(&mut self, word: &str, is_struck: bool, level: Level) {
        let tabs: usize = self.waiting().map(TextRow::tabs).sum();
        if self.out.len() + tabs + word.len() > OUT_BYTES_MAX {
            self.is_cut = true;
        }
        if self.is_cut {
            return;
        }
        self.settle(word.chars().next(), tabs, is_struck, level);
        self.out.push_str(word);
    }

    /// The rows, innermost first, whose open cells have no word yet.
    fn waiting(&self) -> impl Iterator<Item = &TextRow> {
        self.rows.iter().rev().take_while(|row| row.is_waiting)
    }

    /// Writes what is due before a word that begins with `next`.
    fn settle(&mut self, next: Option<char>, tabs: usize, is_struck: bool, level: Level) {
        let due = std::mem::take(&mut self.due);
        self.is_begun = false;
        let breaks = due.lines > 0 || tabs > 0 || due.item.is_some();
        let touches = |out: &str| {
            let is_word = |c: char| c.is_alphanumeric();
            out.ends_with(is_word) && next.is_some_and(is_word)
        };
        let has_space = due.has_space || (due.has_gap && touches(&self.out));
        if self.level != level || self.is_struck != is_struck || breaks {
            let is_base = level.depth == 0 && self.is_struck == is_struck;
            self.end_level(next.filter(|_| is_base && !has_space && !breaks));
        }
        if self.is_struck && (!is_struck || breaks) {
            self.out.push_str(STROKE);
            self.is_struck = false;
        }
        let is_in_line = !self.out.is_empty() && !breaks;
        self.begin_line(&due);
        if is_in_line && has_space && !self.out.ends_with(char::is_whitespace) {
            self.out.push(' ');
        }
        if is_struck && !self.is_struck {
            self.out.push_str(STROKE);
            self.is_struck = true;
        }
        if self.level != level {
            let mark = if level.shift == Shift::Up { '^' } else { '_' };
            self.out.extend(std::iter::repeat_n(mark, usize::from(level.depth)));
            self.level = level;
            self.level_start = self.out.len();
        }
    }

    /// The line ends, prefixes, tabs and marks before a word, from the outside to the inside: what
    /// is due in a cell comes after the cell's tabs.
    fn begin_line(&mut self, due: &Due) {
        let open = self.rows.len();
        let first = open - self.waiting().count();
        let mut done = DueDone { is_fresh: self.out.is_empty(), lines: 0, depth: None };
        let mut item = due.item.as_ref();
        for at in first..=open {
            if let Some(item) = item.take_if(|item| item.rows <= at || at == open) {
                let lines = if at == open { due.lines } else { item.lines };
                self.reach(&mut done, lines.max(usize::from(at == first)), item.depth);
                self.out.push_str(&item.mark);
                done.depth = Some(self.prefix.len());
            }
            let Some((lines, depth)) = self.rows.get(at).map(|row| (row.lines, row.depth)) else {
                continue;
            };
            self.reach(&mut done, lines, depth);
            let tabs_start = self.out.len();
            if let Some(row) = self.rows.get_mut(at) {
                self.out.extend(std::iter::repeat_n('\t', row.tabs()));
                row.begin(tabs_start, self.out.len());
            }
            done.depth = done.depth.max(Some(depth));
            // Line ends in a cell count, also in the first one of all.
            done.is_fresh = false;
        }
        self.reach(&mut done, due.lines, self.prefix.len());
        if let Some(depth) = done.depth {
            self.last_depth = due.item.as_ref().map_or(depth, |item| item.depth);
        }
    }

    /// Goes on to the line that begins after so many line ends, behind so many prefixes.
    fn reach(&mut self, done: &mut DueDone, lines: usize, depth: usize) {
        let more = lines.saturating_sub(done.lines);
        done.lines += more;
        if more > 0 && !done.is_fresh {
            let blank = self.prefix(depth.min(self.last_depth));
            for _ in 1..more {
                self.out.push('\n');
                self.out.push_str(blank.trim_end());
            }
            self.out.push('\n');
            self.out.push_str(&self.prefix(depth));
            done.depth = Some(depth);
        } else if done.is_fresh && done.depth.is_none() {
            self.out.push_str(&self.prefix(depth));
            done.depth = Some(depth);
        } else if let Some(before) = done.depth.filter(|before| *before < depth) {
            let inner = self.prefix.iter().take(depth.min(PREFIXES_MAX)).skip(before);
            self.out.extend(inner.copied());
            done.depth = Some(depth);
        }
    }

    fn prefix(&self, depth: usize) -> String {
        self.prefix.iter().take(depth.min(PREFIXES_MAX)).copied().collect()
    }

    /// Ends what is raised or lowered, in brackets where it would run into what follows.
    fn end_level(&mut self, next: Option<char>) {
        if self.level.depth == 0 {
            return;
        }
        self.level = Level::default();
        let moved = self.out.get(self.level_start..).unwrap_or_default();
        let is_whole = !moved.contains(char::is_whitespace);
        let kinds: [fn(char) -> bool; 2] = [char::is_numeric, char::is_alphabetic];
        let runs_on =
            next.is_some_and(|next| kinds.iter().any(|is| is(next) && moved.ends_with(is)));
        if runs_on || !is_whole {
            self.out.insert(self.level_start, '(');
            self.out.push(')');
        }
    }

    pub(super) fn finish(&mut self) {
        self.end_marks();
    }

    fn end_marks(&mut self) {
        self.end_level(None);
        if self.is_struck {
            self.out.push_str(STROKE);
            self.is_struck = false;
        }
    }
}
