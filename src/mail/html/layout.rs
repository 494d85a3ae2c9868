//! The text version: words put together as a browser lays them out, with marks for what a text
//! cannot show.
//!
//! White space is one space, blocks are lines, cells are tabs. `~~` surrounds struck words, on each
//! of their lines; `^` and `_` precede raised and lowered ones; `> ` precedes quotations.

use super::style::{Shift, Space};

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
    /// Line ends that are due before the row, as long as it has no word.
    row_lines: usize,
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
    tabs: usize,
    has_space: bool,
    /// A blank, if two words would touch.
    has_gap: bool,
    /// The mark of an item, and how many of the prefixes precede it.
    item: Option<(String, usize)>,
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
        self.due.lines = (self.due.lines + 1).min(2);
    }

    pub(super) fn gap(&mut self) {
        self.due.has_gap = true;
    }

    pub(super) fn row(&mut self) {
        if !self.is_begun {
            self.due.tabs = 0;
            self.line();
        }
    }

    /// A cell, this many columns after the one before it.
    pub(super) fn cell(&mut self, is_first: bool, columns: usize) {
        if is_first {
            self.row_lines = self.due.lines;
        } else {
            // Only the line ends before the row's first word are more than the cell's own.
            self.due.lines = self.row_lines;
        }
        self.due.tabs += columns;
        self.due.has_gap = true;
        self.is_begun = true;
    }

    pub(super) fn cell_end(&mut self) {
        self.is_begun = false;
        self.due.lines = self.due.lines.min(1);
        self.due.has_space = false;
        self.due.has_gap = true;
    }

    pub(super) fn item(&mut self, mark: &str) {
        self.line();
        let (mut marks, depth) =
            self.due.item.take().unwrap_or_else(|| (String::new(), self.prefix.len()));
        marks.push_str(mark);
        self.due.item = Some((marks, depth));
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
        self.is_begun = false;
        self.paragraph();
        self.prefix.push("> ");
    }

    pub(super) fn quote_end(&mut self) {
        self.is_begun = false;
        self.paragraph();
        self.prefix.pop();
    }

    fn word(&mut self, word: &str, is_struck: bool, level: Level) {
        if self.out.len() + word.len() > OUT_BYTES_MAX {
            self.is_cut = true;
        }
        if self.is_cut {
            return;
        }
        self.settle(word.chars().next(), is_struck, level);
        self.out.push_str(word);
    }

    /// Writes what is due before a word that begins with `next`.
    fn settle(&mut self, next: Option<char>, is_struck: bool, level: Level) {
        let due = std::mem::take(&mut self.due);
        self.is_begun = false;
        self.row_lines = 0;
        let is_fresh = self.out.is_empty();
        let breaks = due.lines > 0 || due.tabs > 0 || due.item.is_some();
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
        let item = due.item.as_ref();
        let depth = item.map_or(self.prefix.len(), |(_, depth)| *depth).min(PREFIXES_MAX);
        let prefix: String = self.prefix.iter().take(depth).copied().collect();
        let between: String =
            self.prefix.iter().take(depth.min(self.last_depth)).copied().collect();
        self.last_depth = if is_fresh || breaks { depth } else { self.last_depth };
        if is_fresh {
            self.out.push_str(&prefix);
        } else {
            let lines = if item.is_some() { due.lines.max(1) } else { due.lines };
            for line in 0..lines {
                self.out.push('\n');
                self.out.push_str(if line + 1 < lines { between.trim_end() } else { &prefix });
            }
            if !breaks && has_space && !self.out.ends_with(char::is_whitespace) {
                self.out.push(' ');
            }
        }
        if let Some((mark, _)) = item {
            self.out.push_str(mark);
        }
        self.out.extend(std::iter::repeat_n('\t', due.tabs));
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
        self.end_level(None);
        if self.is_struck {
            self.out.push_str(STROKE);
            self.is_struck = false;
        }
    }
}
