//! How many pages a gateway says a fax has (FAX-6).
//!
//! Reading too little here costs nothing; a number that is misread marks a whole fax as incomplete. So only
//! forms that gateways are known to write are read, and a line that says more than a number is none.

/// What stands behind the number in a subject, in lower case: `eFax from … - 2 page(s)`, `Fax (2 pages)`.
const PAGE_WORDS: [&str; 6] = ["page(s)", "pages", "page", "seite(n)", "seiten", "seite"];

/// The longest fax has a few hundred pages.
const PAGES_MAX: u32 = 9_999;

/// The number of pages that a subject names.
pub(super) fn of_subject(subject: &str) -> Option<u32> {
    let subject = subject.to_lowercase();
    let words: Vec<&str> = subject.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let [count, word] = pair else { return None };
        let word = word.trim_matches([',', ';', '.', ']']);
        let word = if word.matches('(').count() < word.matches(')').count() {
            word.trim_end_matches(')')
        } else {
            word
        };
        PAGE_WORDS.contains(&word).then(|| number(count.trim_start_matches(['(', '[', '-'])))?
    })
}

/// A text that is a number of pages and nothing else.
pub(super) fn number(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|pages| is_number && (1..=PAGES_MAX).contains(pages))
}

/// How many pages were sent, by what a report says: `2`, `1 of 2`, `1/2`, `0`. Nothing for a text that begins
/// with no number.
pub(super) fn sent(text: &str) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    // `2.5` and `2-3` are no number of pages.
    let is_whole = rest.chars().next().is_none_or(|c| c.is_whitespace() || c == '/' || c == '(');
    digits.parse().ok().filter(|pages| is_whole && *pages <= PAGES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fax_6_the_subject_may_name_the_number_of_pages() {
        let check =
            |subject: &str, expected| assert_eq!(of_subject(subject), expected, "{subject:?}");
        check("eFax from 030 - 2 page(s), Caller-ID: 030 1", Some(2));
        check("Fax (2 pages)", Some(2));
        check("Fax von 030 1234567 (1 Seite)", Some(1));
        for subject in
            ["", "Fax von 030 1234567", "2", "Die Seiten 2 und 3", "Fax pages", "99999 pages"]
        {
            check(subject, None);
        }
    }

    #[test]
    fn fax_31_a_report_names_what_was_sent_of_all() {
        for (text, expected) in [
            ("2", Some(2)),
            (" 02 ", Some(2)),
            ("0", Some(0)),
            ("1 of 2", Some(1)),
            ("1/2", Some(1)),
            ("1 (of 2)", Some(1)),
            ("", None),
            ("all", None),
            ("1-2", None),
            ("99999", None),
        ] {
            assert_eq!(sent(text), expected, "{text:?}");
        }
    }

    #[test]
    fn fax_6_a_line_names_a_number_of_pages_and_nothing_else() {
        for (text, expected) in [
            ("2", Some(2)),
            ("12", Some(12)),
            ("1/3", None),
            ("", None),
            ("99999", None),
            ("0", None),
            ("-2", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}
