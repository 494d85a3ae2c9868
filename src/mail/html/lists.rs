//! How items of a list are counted, and where the cells of a table are.

use super::{
    reader::{Tag, counts_backwards},
    style::{Marker, marker},
};

/// No real list has larger numbers.
const NUMBER_MAX: i64 = 1_000_000;

/// How many columns have a known position, and how many one cell may span. Whoever spans more means
/// the whole row.
const COLUMNS_MAX: usize = 50;

#[derive(Debug)]
pub(super) struct List {
    marker: Marker,
    next: i64,
    step: i64,
    /// Its numbers are not those a client would write: they are part of the text.
    pub(super) has_labels: bool,
}

impl List {
    pub(super) fn of(tag: &Tag, styled: Option<Marker>, counted: i64) -> Self {
        let own = tag.get("type").and_then(|kind| marker(kind.trim()));
        let default = if tag.name == "ol" { Marker::Decimal } else { Marker::Bullet };
        let marker = styled.or(own).unwrap_or(default);
        let is_reversed = counts_backwards(tag);
        let first = if is_reversed { counted } else { 1 };
        let next = tag.number("start").filter(|_| tag.name == "ol").unwrap_or(first);
        let has_labels = is_reversed || !matches!(marker, Marker::Decimal | Marker::Bullet);
        Self {
            marker,
            next: next.clamp(-NUMBER_MAX, NUMBER_MAX),
            step: if is_reversed { -1 } else { 1 },
            has_labels,
        }
    }

    /// The tag that a room gets for it.
    pub(super) fn tag(&self) -> &'static str {
        if self.marker == Marker::Decimal && !self.has_labels { "ol" } else { "ul" }
    }

    pub(super) fn opening(&self) -> String {
        match (self.tag(), self.next) {
            ("ol", 1) => "<ol>".to_owned(),
            ("ol", next) => format!("<ol start=\"{next}\">"),
            (tag, _) => format!("<{tag}>"),
        }
    }

    /// Takes over what an item says about itself; `true` if a client would now count in another
    /// way.
    pub(super) fn adapt(&mut self, tag: &Tag, styled: Option<Marker>) -> bool {
        let before = self.tag();
        if let Some(own) = styled.or_else(|| tag.get("type").and_then(|kind| marker(kind.trim()))) {
            self.marker = own;
            self.has_labels |= !matches!(own, Marker::Decimal | Marker::Bullet);
        }
        let value = tag.number("value").map(|value| value.clamp(-NUMBER_MAX, NUMBER_MAX));
        let jumps = value.is_some_and(|value| value != self.next);
        self.next = value.unwrap_or(self.next);
        before != self.tag() || (jumps && self.tag() == "ol")
    }

    /// The mark of the next item.
    pub(super) fn label(&mut self) -> String {
        let number = self.next;
        self.next = (number + self.step).clamp(-NUMBER_MAX, NUMBER_MAX);
        match self.marker {
            Marker::None => String::new(),
            Marker::Bullet => "- ".to_owned(),
            Marker::Decimal => format!("{number}. "),
            Marker::LowerAlpha => format!("{}. ", letters(number)),
            Marker::UpperAlpha => format!("{}. ", letters(number).to_ascii_uppercase()),
            Marker::LowerRoman => format!("{}. ", roman(number)),
            Marker::UpperRoman => format!("{}. ", roman(number).to_ascii_uppercase()),
        }
    }
}

/// a, b, …, z, aa, ab, …
fn letters(number: i64) -> String {
    let mut rest = number;
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.extend(u8::try_from(rest % 26).map(|at| char::from(b'a' + at)));
        rest /= 26;
    }
    if letters.is_empty() { number.to_string() } else { letters.iter().rev().collect() }
}

fn roman(number: i64) -> String {
    const SIGNS: [(i64, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if !(1..4_000).contains(&number) {
        return number.to_string();
    }
    let mut rest = number;
    let mut roman = String::new();
    for (value, sign) in SIGNS {
        while rest >= value {
            roman.push_str(sign);
            rest -= value;
        }
    }
    roman
}

/// The position of a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CellPlace {
    pub(super) column: usize,
    /// Columns before it that are occupied by cells of rows above.
    pub(super) covered: usize,
    /// Further columns it spans itself.
    pub(super) wider: usize,
    /// Its column is not known.
    pub(super) is_unsure: bool,
}

#[derive(Debug, Default)]
pub(super) struct HtmlTable {
    pub(super) is_written: bool,
    column: usize,
    /// A cell of this row spans more columns than are read.
    is_clamped: bool,
    /// Rows that the cell in each column still reaches into.
    below: Vec<u32>,
}

impl HtmlTable {
    pub(super) fn new(is_written: bool) -> Self {
        Self { is_written, ..Self::default() }
    }

    /// A group of rows begins or ends. No cell reaches into another one (HTML, "ending a row
    /// group").
    pub(super) fn group(&mut self) {
        self.below.clear();
    }

    pub(super) fn row(&mut self) {
        for rows in self.below.iter_mut().skip(self.column) {
            *rows = rows.saturating_sub(1);
        }
        self.column = 0;
        self.is_clamped = false;
    }

    pub(super) fn cell(&mut self, tag: &Tag) -> CellPlace {
        let before = self.column;
        while let Some(rows) = self.below.get_mut(self.column).filter(|rows| **rows > 0) {
            *rows -= 1;
            self.column += 1;
        }
        let span = |name| tag.number(name).filter(|span| *span >= 0);
        let rows = match span("rowspan").map(u32::try_from) {
            None => 1,
            Some(Ok(0) | Err(_)) => u32::MAX,
            Some(Ok(rows)) => rows,
        };
        let columns = usize::try_from(span("colspan").unwrap_or(1)).unwrap_or(usize::MAX);
        let wider = columns.clamp(1, COLUMNS_MAX) - 1;
        let place = CellPlace {
            column: self.column,
            covered: self.column - before,
            wider,
            is_unsure: self.is_clamped || (rows > 1 && self.column + wider >= COLUMNS_MAX),
        };
        self.is_clamped |= columns > COLUMNS_MAX;
        for column in self.column..(self.column + wider + 1).min(COLUMNS_MAX) {
            if self.below.len() <= column {
                self.below.resize(column + 1, 0);
            }
            if let Some(below) = self.below.get_mut(column) {
                *below = rows - 1;
            }
        }
        self.column += wider + 1;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_roman_numbers_are_counted() {
        for (number, expected) in
            [(1, "a"), (26, "z"), (27, "aa"), (703, "aaa"), (0, "0"), (-3, "-3")]
        {
            assert_eq!(letters(number), expected);
        }
        for (number, expected) in [(4, "iv"), (1999, "mcmxcix"), (0, "0"), (4_000, "4000")] {
            assert_eq!(roman(number), expected);
        }
    }
}
