//! What the reading program prints of a page, as words. Pure.
//!
//! The program read a foreign page, and may have been what the page made of it: nothing is believed of its
//! output but that it is text.

use crate::model::{PageWord, WORD_CHARS_MAX, WORDS_MAX};

/// The words in a table of tesseract (`tsv`): a row for each word, with tabulators between twelve columns, of
/// which the first says that it is a word (5), the third to fifth in which line it stands, the eleventh how
/// sure it is, and the last what it says. At most [`WORDS_MAX`]; a row that is none is passed over.
pub fn words(table: &[u8]) -> Vec<PageWord> {
    let table = String::from_utf8_lossy(table);
    let mut words = Vec::new();
    let mut places: Vec<(&str, &str, &str)> = Vec::new();
    for row in table.lines() {
        let columns: Vec<&str> = row.splitn(12, '\t').collect();
        let ["5", _, block, paragraph, line, .., sure, text] = columns.as_slice() else { continue };
        let Some(sure) = sure.parse::<f32>().ok().and_then(percent) else { continue };
        let text = plain(text);
        if text.is_empty() {
            continue;
        }
        let place = (*block, *paragraph, *line);
        let above = places.last().copied();
        if above != Some(place) {
            places.push(place);
        }
        let is_apart = above.is_some_and(|above| (above.0, above.1) != (place.0, place.1));
        let line = u32::try_from(places.len()).unwrap_or(u32::MAX);
        words.push(PageWord { text, line, is_apart, sure });
        if words.len() == WORDS_MAX {
            break;
        }
    }
    words
}

/// Without what is not seen, or turns the direction of what stands behind it.
fn plain(text: &str) -> String {
    let is_seen = |c: &char| {
        !c.is_control()
            && !c.is_whitespace()
            && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFFD}')
    };
    text.chars().filter(is_seen).take(WORD_CHARS_MAX).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(sure: f32) -> Option<u8> {
    (0.0..=100.0).contains(&sure).then(|| sure.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(place: &str, sure: &str, text: &str) -> String {
        format!("5\t1\t{place}\t1\t10\t10\t20\t20\t{sure}\t{text}\n")
    }

    fn read(table: &str) -> Vec<(String, u32, bool, u8)> {
        let words = words(table.as_bytes()).into_iter();
        words.map(|word| (word.text, word.line, word.is_apart, word.sure)).collect()
    }

    #[test]
    fn fax_10_a_table_becomes_words_in_lines() {
        let table = [
            "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n",
            "4\t1\t1\t1\t1\t0\t160\t8\t883\t21\t-1\t\n",
            &row("1\t1\t1", "96.706284", "Praxis"),
            &row("1\t1\t1", "95", "Testmann"),
            &row("1\t1\t2", "12.4", "Weg"),
            &row("2\t1\t1", "0", "Befund"),
        ];
        let word = |text: &str, line, is_apart, sure| (text.to_owned(), line, is_apart, sure);
        let expected = [
            word("Praxis", 1, false, 97),
            word("Testmann", 1, false, 95),
            word("Weg", 2, false, 12),
            word("Befund", 3, true, 0),
        ];
        assert_eq!(read(&table.concat()), expected);
    }

    #[test]
    fn fax_10_what_is_no_row_of_words_is_passed_over() {
        for wrong in [
            "",
            "5",
            "5\t1\t1",
            &row("1\t1\t1", "-1", "Praxis"),
            &row("1\t1\t1", "NaN", "Praxis"),
            &row("1\t1\t1", "101", "Praxis"),
            &row("1\t1\t1", "viel", "Praxis"),
            &row("1\t1\t1", "50", " \u{202E}\u{7}"),
        ] {
            assert_eq!(read(wrong), [], "{wrong:?}");
        }
        let unseen = row("1\t1\t1", "50", "Pra\u{202E}xis\u{1B}[2J\tx");
        assert_eq!(read(&unseen)[0].0, "Praxis[2Jx");
        assert_eq!(words(b"5\t1\t1\t1\t1\t1\t1\t1\t1\t1\t9\t\xFFx\n")[0].text, "x");
    }

    #[test]
    fn fax_10_an_endless_table_ends_at_the_limit() {
        let table = row("1\t1\t1", "50", &"x".repeat(10_000)).repeat(WORDS_MAX + 1);
        let words = words(table.as_bytes());
        assert_eq!(words.len(), WORDS_MAX);
        assert!(words.iter().all(|word| word.text.chars().count() == WORD_CHARS_MAX));
    }
}
