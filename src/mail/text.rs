//! Texts out of mails, made fit to be shown: no control characters, bounded.

/// Characters of a subject that are kept. A room shows one line; the longest subject that a person
/// wrote and another wants to read is far shorter.
pub const SUBJECT_CHARS_MAX: usize = 256;

/// Characters of a display name that are kept, for the same reason.
pub const NAME_CHARS_MAX: usize = 128;

/// Characters of a body's text that are kept.
pub const TEXT_CHARS_MAX: usize = 20_000;

/// Bytes of a body's text as a JSON string.
///
/// A Matrix event has at most 65,536 bytes (client-server API, "Size limits"), and encryption puts
/// its content into base64: 48 KiB are left. Text and HTML ([`super::HTML_BYTES_MAX`]) share 42 KB
/// of them; the rest is for the event's other fields.
pub const TEXT_BYTES_MAX: usize = 24_000;

/// Text on one line: control characters and line ends become spaces, runs of white space become
/// one space, and characters that reorder or hide others are dropped. Longer than `chars_max`, it
/// is cut and ends in `…`. The flag says whether it was cut.
pub(super) fn one_line(text: &str, chars_max: usize) -> (String, bool) {
    let mut line = String::new();
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = word.chars().filter(|c| !is_deceptive(*c));
        let mut is_first = true;
        for c in word {
            if is_first && !line.is_empty() {
                line.push(' ');
                chars += 1;
            }
            is_first = false;
            if chars + 1 >= chars_max {
                line.push('…');
                return (line, true);
            }
            line.push(c);
            chars += 1;
        }
    }
    (line, false)
}

/// A body's text: `\n` line ends, no other control characters but the tab, no blank lines at the
/// ends, and cut to the limits. The flag says whether it was cut.
pub(super) fn body(text: &str) -> (String, bool) {
    let text = plain_lines(text);
    let text = text.trim_matches('\n').trim_end();
    let mut weight = 0;
    let mut kept_bytes = 0;
    for (count, c) in text.chars().enumerate() {
        weight += json_bytes(c);
        if count >= TEXT_CHARS_MAX || weight > TEXT_BYTES_MAX {
            return (text.get(..kept_bytes).unwrap_or_default().to_owned(), true);
        }
        kept_bytes += c.len_utf8();
    }
    (text.to_owned(), false)
}

/// `\n` line ends only, and no other control characters but the tab.
pub(super) fn plain_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    lines.push('\n');
                }
            }
            '\n' | '\t' => lines.push(c),
            c if c.is_control() || is_deceptive(c) => {}
            c => lines.push(c),
        }
    }
    lines
}

/// Joins the soft line breaks of `format=flowed` (RFC 3676 §4), so that a paragraph is one line.
/// Quoted lines stay as they are: their depth would have to be tracked, and nobody reads them.
pub(super) fn unflow(text: &str, del_sp: bool) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        let is_quoted = line.starts_with('>');
        let line = if is_quoted { line } else { line.strip_prefix(' ').unwrap_or(line) };
        let is_soft = line.ends_with(' ') && line != "-- " && !is_quoted;
        if is_soft {
            joined.push_str(if del_sp { line.strip_suffix(' ').unwrap_or(line) } else { line });
        } else {
            joined.push_str(line);
            joined.push('\n');
        }
    }
    joined
}

/// Bytes that `text` takes in a JSON string.
pub(super) fn json_len(text: &str) -> usize {
    text.chars().map(json_bytes).sum()
}

fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\t' | '\r' => 2,
        c => c.len_utf8(),
    }
}

/// Characters that make other characters look like something else: embeddings, overrides and
/// isolates of the writing direction (Unicode TR 36 §2.5.2), the zero-width space, the byte order
/// mark, and the line and paragraph separators. Joiners stay: some scripts and emoji need them.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{200B}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
        | '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_line_ends_and_no_hidden_characters() {
        let (line, cut) = one_line(" a\r\n\tb\0c \u{202E}fdp.exe\u{200B} ", 100);
        assert_eq!((line.as_str(), cut), ("a b c fdp.exe", false));
    }

    #[test]
    fn a_long_line_is_cut_to_the_limit() {
        let (line, cut) = one_line(&"ä".repeat(1_000_000), SUBJECT_CHARS_MAX);
        assert!(cut);
        assert_eq!(line.chars().count(), SUBJECT_CHARS_MAX);
        assert!(line.ends_with('…'));
    }

    #[test]
    fn a_body_is_cut_by_characters_and_by_json_bytes() {
        let (text, cut) = body(&"a".repeat(30_000));
        assert_eq!((text.len(), cut), (TEXT_CHARS_MAX, true));
        let (text, cut) = body(&"😀".repeat(19_000));
        assert!(cut);
        assert!(json_len(&text) <= TEXT_BYTES_MAX, "{}", json_len(&text));
        let (text, cut) = body(&"\"".repeat(19_000));
        assert_eq!((text.len(), cut), (TEXT_BYTES_MAX / 2, true));
    }

    #[test]
    fn flowed_paragraphs_become_one_line() {
        let text = "Sehr geehrte \r\nKollegin,\r\n\r\n>zitiert \r\n gestopft\r\n-- \r\nName";
        assert_eq!(
            unflow(text, false),
            "Sehr geehrte Kollegin,\n\n>zitiert \ngestopft\n-- \nName\n"
        );
        assert_eq!(unflow("lang \nes Wort", true), "langes Wort\n");
    }
}
