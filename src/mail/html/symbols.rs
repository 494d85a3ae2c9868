//! Fonts whose letters show other characters: "5 mg" with an m of the font Symbol is 5 µg.

use super::style::Font;
use crate::mail::text::ODD;

/// Symbol, from U+0021 on.
const SYMBOL_LOW: &str = "!∀#∃%&∍()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλµνοπθρστυϖωξψζ{|}∼";

/// Symbol, from U+00A1 on.
const SYMBOL_HIGH: &str = "ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑";

/// Wingdings, as far as letters use it: bullets, ticks, boxes, arrows, faces.
const WINGDINGS: [(char, char); 33] = [
    ('J', '☺'),
    ('K', '😐'),
    ('L', '☹'),
    ('(', '☎'),
    (')', '✆'),
    ('*', '✉'),
    ('!', '✏'),
    ('l', '●'),
    ('m', '○'),
    ('n', '■'),
    ('o', '☐'),
    ('q', '❑'),
    ('r', '❒'),
    ('s', '⬧'),
    ('t', '⧫'),
    ('u', '◆'),
    ('v', '❖'),
    ('w', '⬥'),
    ('x', '☒'),
    ('\u{A1}', '○'),
    ('\u{A7}', '▪'),
    ('\u{A8}', '◻'),
    ('\u{D8}', '➢'),
    ('\u{DF}', '←'),
    ('\u{E0}', '→'),
    ('\u{E1}', '↑'),
    ('\u{E2}', '↓'),
    ('\u{E8}', '➔'),
    ('\u{F0}', '⇨'),
    ('\u{FB}', '✗'),
    ('\u{FC}', '✓'),
    ('\u{FD}', '☒'),
    ('\u{FE}', '☑'),
];

/// The visible text when `text` is written in `font`, and whether a character was unknown.
pub(super) fn seen(text: &str, font: Font) -> (String, bool) {
    let mut is_unsure = false;
    let sign = |c: char| {
        // Word processors also write such letters in a private range.
        let code = match u32::from(c) {
            code @ 0xF020..=0xF0FF => code - 0xF000,
            code => code,
        };
        let letter = char::from_u32(code).unwrap_or(c);
        let nth = |signs: &str, first: u32| {
            usize::try_from(code - first).ok().and_then(|at| signs.chars().nth(at))
        };
        let found = match (font, code) {
            (Font::Plain, _) | (_, 0..=0x20 | 0xA0 | 0x7F..=0x9F | 0x100..) => return c,
            (Font::Symbol, 0x21..=0x7E) => nth(SYMBOL_LOW, 0x21),
            (Font::Symbol, _) => nth(SYMBOL_HIGH, 0xA1),
            (Font::Wingdings, _) => WINGDINGS.iter().find(|(l, _)| *l == letter).map(|(_, s)| *s),
            (Font::Unknown, _) => None,
        };
        is_unsure |= found.is_none();
        found.unwrap_or(ODD)
    };
    let text = text.chars().map(sign).collect();
    (text, is_unsure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_such_fonts_are_the_signs_they_show() {
        assert_eq!(seen("5 mg", Font::Plain), ("5 mg".to_owned(), false));
        assert_eq!(seen("m", Font::Symbol), ("µ".to_owned(), false));
        assert_eq!(seen("\u{F06D}", Font::Symbol), ("µ".to_owned(), false));
        assert_eq!(seen("a~Zz£³·ß\u{A0}", Font::Symbol), ("α∼Ζζ≤≥•⇓\u{A0}".to_owned(), false));
        assert_eq!(seen("Jü\u{F0E0}", Font::Wingdings), ("☺✓→".to_owned(), false));
        assert_eq!(seen("Z", Font::Wingdings), ("\u{FFFD}".to_owned(), true));
        assert_eq!(seen("– x", Font::Unknown), ("– \u{FFFD}".to_owned(), true));
    }
}
