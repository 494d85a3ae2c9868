//! Rows of a table in the text: which lines of its cells stand beside each other.
//!
//! A browser centres the cells of a row. In two cells with equally many lines, each line stands
//! beside its own one; in others nobody can tell, so they are put below each other, each in its
//! column.

use std::ops::Range;

/// Longer lines may be wrapped on the screen of whoever wrote them: then others stand beside each
/// other there.
const PAIRED_CHARS_MAX: usize = 60;

/// A row that is open.
#[derive(Debug, Default)]
pub(super) struct TextRow {
    /// Line ends that are due before it, as long as it has no word.
    pub(super) lines: usize,
    /// How many prefixes its lines have.
    pub(super) depth: usize,
    /// The first place in the text that may be in it, see [`super::layout::TextLayout::place`].
    pub(super) places_from: usize,
    /// Its open cell has no word yet.
    pub(super) is_waiting: bool,
    /// Its cells have more empty lines than are written.
    pub(super) has_lost_lines: bool,
    has_cell: bool,
    column: usize,
    cells: Vec<TextCell>,
}

/// A cell that has words: up to where the next one begins.
#[derive(Debug)]
struct TextCell {
    column: usize,
    /// Where the tabs before it are.
    tabs_start: usize,
    start: usize,
}

/// A line of a cell: where it is, and where it goes.
#[derive(Debug)]
pub(super) struct MovedLine {
    pub(super) from: Range<usize>,
    pub(super) to: usize,
}

impl TextRow {
    pub(super) fn new(depth: usize, places_from: usize) -> Self {
        Self { depth, places_from, ..Self::default() }
    }

    /// Begins the cell in this column. Returns how many line ends are due before it.
    pub(super) fn cell(&mut self, column: usize, due: usize) -> usize {
        if !std::mem::replace(&mut self.has_cell, true) {
            self.lines = due;
        }
        self.column = column;
        self.is_waiting = true;
        self.lines
    }

    /// The tabs before the open cell.
    pub(super) fn tabs(&self) -> usize {
        self.column.saturating_sub(self.cells.last().map_or(0, |cell| cell.column))
    }

    /// The open cell has its first word, here in the text behind its tabs.
    pub(super) fn begin(&mut self, tabs_start: usize, start: usize) {
        self.cells.push(TextCell { column: self.column, tabs_start, start });
        self.is_waiting = false;
        self.lines = 0;
    }

    pub(super) fn lose_lines(&mut self) {
        self.has_lost_lines = true;
    }

    pub(super) fn has_words(&self) -> bool {
        !self.cells.is_empty()
    }

    /// Puts the lines of its cells, which `out` ends with, beside and below each other, as long as
    /// `out` has no more than `bytes_max`. Returns where they went; `None` if all stays.
    pub(super) fn arrange(
        &self,
        out: &mut String,
        prefix: &str,
        bytes_max: usize,
    ) -> Option<Vec<MovedLine>> {
        let first = self.cells.first()?;
        let is_alone = self.cells.len() == 1 && first.column == 0;
        let has_lines = out.get(first.start..).is_some_and(|text| text.contains('\n'));
        if is_alone || !has_lines {
            return None;
        }
        let begun = first.tabs_start;
        let source = out.split_off(begun);
        let mut moved = Vec::new();
        let mut is_first = true;
        for block in self.blocks(&source, prefix) {
            let height = block.iter().map(|(_, lines)| lines.len()).max().unwrap_or_default();
            let mut is_begun = false;
            for at in 0..height {
                let line_at = |(column, lines): &(usize, Vec<Range<usize>>)| {
                    let line = lines.get(at)?;
                    let text = source.get(line.clone())?;
                    (!text.trim().is_empty()).then(|| (*column, line.clone()))
                };
                let pieces: Vec<_> = block.iter().filter_map(line_at).collect();
                if pieces.is_empty() && !is_begun {
                    continue;
                }
                is_begun = true;
                if !std::mem::take(&mut is_first) {
                    out.push('\n');
                    out.push_str(if pieces.is_empty() { prefix.trim_end() } else { prefix });
                }
                let mut before = 0;
                for (column, line) in pieces {
                    let tabs = column - before;
                    if out.len() + tabs + line.len() > bytes_max {
                        return Some(moved);
                    }
                    out.extend(std::iter::repeat_n('\t', tabs));
                    before = column;
                    let from = begun + line.start..begun + line.end;
                    moved.push(MovedLine { from, to: out.len() });
                    out.push_str(source.get(line).unwrap_or_default());
                }
            }
        }
        Some(moved)
    }

    /// The cells that stand beside each other: their columns and lines.
    fn blocks(&self, source: &str, prefix: &str) -> Vec<Vec<(usize, Vec<Range<usize>>)>> {
        let mut blocks: Vec<Vec<(usize, Vec<Range<usize>>)>> = Vec::new();
        let (mut height, mut is_narrow) = (0, true);
        let begun = self.cells.first().map_or(0, |cell| cell.tabs_start);
        for (at, cell) in self.cells.iter().enumerate() {
            let next = self.cells.get(at + 1);
            let end = next.map_or(source.len(), |next| next.tabs_start - begun);
            let lines = lines(source, cell.start - begun..end, prefix);
            let count = lines.len();
            let fits = |line: &Range<usize>| {
                source.get(line.clone()).is_none_or(|line| line.chars().count() <= PAIRED_CHARS_MAX)
            };
            let is_cell_narrow = lines.iter().all(fits);
            // One line alone is what all lines of the others belong to, if it comes before them.
            let is_level = height == count && !self.has_lost_lines;
            let is_pair = height == 1 || (is_level && is_narrow && is_cell_narrow);
            match blocks.last_mut().filter(|_| is_pair) {
                Some(block) => {
                    (height, is_narrow) = (height.max(count), is_cell_narrow);
                    block.push((cell.column, lines));
                }
                None => {
                    (height, is_narrow) = (count, is_cell_narrow);
                    blocks.push(vec![(cell.column, lines)]);
                }
            }
        }
        blocks
    }
}

/// The lines of a cell, without the prefix that all lines of the row have.
fn lines(source: &str, cell: Range<usize>, prefix: &str) -> Vec<Range<usize>> {
    let mut at = cell.start;
    let mut lines = Vec::new();
    for line in source.get(cell).unwrap_or_default().split('\n') {
        let bare = line
            .strip_prefix(prefix)
            .or_else(|| line.strip_prefix(prefix.trim_end()))
            .filter(|_| !lines.is_empty())
            .unwrap_or(line);
        let end = at + line.len();
        lines.push(end - bare.len()..end);
        at = end + 1;
    }
    lines
}
