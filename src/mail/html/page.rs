//! The HTML that a room gets: written from scratch, every text and link in it escaped.
//!
//! Blocks are tags that are opened and closed. Formatting within a line (bold, struck, raised, a
//! link) is given for each run of text and closed before the next tag, so that each word keeps its
//! formatting, whatever a letter nests wrongly.

use super::{
    HTML_BYTES_MAX,
    layout::Level,
    style::{Shift, Space},
};
use crate::mail::text::json_len;

/// The formatting of a run of text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextRun {
    pub(super) marks: Emphasis,
    pub(super) is_struck: bool,
    pub(super) level: Level,
    pub(super) in_link: bool,
}

/// Emphasis, as bits: the place of its tag in [`MARKS`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Emphasis(u8);

const MARKS: [&str; 6] = ["b", "strong", "i", "em", "u", "code"];

impl Emphasis {
    pub(super) fn of(tag: &str) -> Self {
        let at = MARKS.iter().position(|mark| *mark == tag);
        Self(at.map_or(0, |at| 1 << at))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn tags(self) -> impl DoubleEndedIterator<Item = &'static str> {
        MARKS.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, tag)| *tag)
    }
}

#[derive(Debug)]
pub(super) struct HtmlPage {
    out: String,
    is_full: bool,
    run: TextRun,
    /// A block's tag was written last, or nothing was: a blank has no width here.
    is_at_edge: bool,
    has_gap: bool,
    /// A line ends here, unless a block does.
    has_line: bool,
    /// The last character of the text, when no tag of a block came after it.
    last: Option<char>,
}

impl Default for HtmlPage {
    fn default() -> Self {
        Self {
            out: String::new(),
            is_full: false,
            run: TextRun::default(),
            is_at_edge: true,
            has_gap: false,
            has_line: false,
            last: None,
        }
    }
}

impl HtmlPage {
    /// Text with the formatting `run`; `target` is where its link leads.
    pub(super) fn text(
        &mut self,
        text: &str,
        space: Space,
        in_pre: bool,
        run: TextRun,
        target: &str,
    ) {
        if self.is_full {
            return;
        }
        if in_pre {
            return self.piece(&escape(text), text, run, target);
        }
        if space == Space::Collapsed {
            return self.collapsed(text, run, target);
        }
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.block("<br>");
            }
            if space == Space::Kept {
                let fixed = fixed(line);
                self.piece(&escape(&fixed), &fixed, run, target);
            } else {
                self.collapsed(line, run, target);
            }
        }
    }

    fn collapsed(&mut self, line: &str, run: TextRun, target: &str) {
        let mut collapsed = String::with_capacity(line.len());
        for c in line.chars() {
            let c = if c.is_whitespace() { ' ' } else { c };
            let before = collapsed.chars().next_back().or(self.last);
            // A line end that is due comes before it.
            let is_edge = collapsed.is_empty() && (self.is_at_edge || self.has_line);
            if c != ' ' || !(before == Some(' ') || is_edge) {
                collapsed.push(c);
            }
        }
        self.piece(&escape(&collapsed), &collapsed, run, target);
    }

    fn piece(&mut self, escaped: &str, text: &str, run: TextRun, target: &str) {
        let Some(first) = text.chars().next() else { return };
        if self.has_line && text.trim().is_empty() {
            return;
        }
        if std::mem::take(&mut self.has_line) && !self.is_at_edge {
            self.block("<br>");
        }
        let is_touching = |last: char| last.is_alphanumeric() && first.is_alphanumeric();
        if std::mem::take(&mut self.has_gap) && self.last.is_some_and(is_touching) {
            self.write(" ");
        }
        if self.run != run {
            self.end_run();
            self.begin_run(run, target);
        }
        self.write(escaped);
        self.last = text.chars().next_back();
        self.is_at_edge = false;
    }

    /// What follows does not touch what precedes.
    pub(super) fn gap(&mut self) {
        self.has_gap = true;
    }

    /// A tag of a block, or a line's end.
    pub(super) fn block(&mut self, tag: &str) {
        self.end_run();
        self.write(tag);
        self.is_at_edge = true;
        self.last = None;
        self.has_gap = false;
        self.has_line = false;
    }

    /// Empty cells.
    pub(super) fn fillers(&mut self, count: usize) {
        for _ in 0..count {
            if self.is_full {
                return;
            }
            self.block("<td></td>");
        }
    }

    /// A line's end where no block begins or ends.
    pub(super) fn line(&mut self) {
        self.has_line = true;
    }

    /// Where the next piece will be, for [`Self::patch`].
    pub(super) fn place(&self) -> usize {
        self.out.len()
    }

    /// Changes `from`, which was written behind `place`, into `to` of the same length.
    pub(super) fn patch(&mut self, place: usize, from: &str, to: &str) {
        if let Some(at) = self.out.get(place..).and_then(|out| out.find(from)) {
            self.out.replace_range(place + at..place + at + from.len(), to);
        }
    }

    fn begin_run(&mut self, run: TextRun, target: &str) {
        if run.in_link {
            self.write(&format!("<a href=\"{}\">", escape(target)));
        }
        for tag in run.marks.tags() {
            self.write(&format!("<{tag}>"));
        }
        if run.is_struck {
            self.write("<del>");
        }
        for _ in 0..run.level.depth {
            self.write(if run.level.shift == Shift::Up { "<sup>" } else { "<sub>" });
        }
        self.run = run;
    }

    pub(super) fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        for _ in 0..run.level.depth {
            self.write(if run.level.shift == Shift::Up { "</sup>" } else { "</sub>" });
        }
        if run.is_struck {
            self.write("</del>");
        }
        for tag in run.marks.tags().rev() {
            self.write(&format!("</{tag}>"));
        }
        if run.in_link {
            self.write("</a>");
        }
    }

    fn write(&mut self, piece: &str) {
        self.is_full |= self.out.len() + piece.len() > HTML_BYTES_MAX;
        if !self.is_full {
            self.out.push_str(piece);
        }
    }

    /// `None` if it became longer than a room accepts.
    pub(super) fn finish(mut self) -> Option<String> {
        self.end_run();
        let fits = !self.is_full && json_len(&self.out) <= HTML_BYTES_MAX;
        fits.then(|| self.out.trim().to_owned())
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Blanks that a client does not collapse.
fn fixed(line: &str) -> String {
    let mut fixed = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => fixed.push_str("\u{A0}\u{A0}\u{A0} "),
            ' ' if fixed.is_empty() || fixed.ends_with(' ') => fixed.push('\u{A0}'),
            c => fixed.push(c),
        }
    }
    fixed
}
