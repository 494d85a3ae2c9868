//! Texts from mails, made fit to be shown: no control characters, bounded.

/// How many characters of a subject are kept. A room shows one line; the longest subject that a
/// person writes and another wants to read is far shorter.
pub const SUBJECT_CHARS_MAX: usize = 256;

/// How many characters of a display name are kept, for the same reason.
pub const NAME_CHARS_MAX: usize = 128;

/// How many characters of a body's text are kept.
pub const TEXT_CHARS_MAX: usize = 20_000;

/// Bytes of a body's text as a JSON string.
///
/// A Matrix event has at most 65,536 bytes (client-server API, "Size limits"), and encryption puts
/// its content into base64: 48 KiB are left. Text and HTML ([`super::HTML_BYTES_MAX`]) share 42 KB
/// of them; the rest is for the event's other fields.
pub const TEXT_BYTES_MAX: usize = 24_000;

/// Replaces a character that cannot be shown, so that a person sees that there was one.
pub(super) const ODD: char = '\u{FFFD}';

/// Text on one line: control characters and line ends become spaces, and runs of white space one
/// space. What is hidden in it is treated as [`Cleaner`] says. A text longer than `chars_max` is
/// cut and ends in `…`. The flag says whether it was cut.
pub(super) fn one_line(text: &str, chars_max: usize) -> (String, bool) {
    let spaced: String = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
    let mut line = String::new();
    let mut chars = 0;
    for word in cleaned(&spaced).split_whitespace() {
        let blank = if line.is_empty() { "" } else { " " };
        for c in blank.chars().chain(word.chars()) {
            if chars + 1 >= chars_max {
                line.truncate(line.trim_end().len());
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
    cleaned(text)
}

fn cleaned(text: &str) -> String {
    let mut cleaner = Cleaner::default();
    let mut out = String::with_capacity(text.len());
    cleaner.push(text, &mut out);
    cleaner.finish(&mut out);
    out
}

/// Removes invisible characters from a text, and never joins two things in doing so: "5–10 mg"
/// whose dash is a control character must not be read as "510 mg".
///
/// * U+0080 to U+009F are the Windows set's characters, for which they are nearly always meant
///   (Windows text once taken for Latin-1).
/// * Form feed, vertical tab and Unicode's separators end a line, as they do on paper.
/// * Other control characters, and those that turn the direction of what follows, leave [`ODD`]:
///   with them a mail program shows "10 mg" where "01 mg" is written. So do marks, embeddings and
///   isolates that lead to the left, unless they are beside Hebrew, Arabic or the like: with them a
///   mail program shows "5 - 10" where "10 - 5" is written.
/// * Characters without a width are dropped; between two digits they leave a blank. The soft hyphen
///   is dropped within a word and next to no word; everywhere else it is a hyphen.
///
/// Takes its text in pieces, since relevant characters may be on both sides of a tag.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    before: Option<char>,
    held: HeldCharacter,
}

/// What was between the last character and the next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HeldCharacter {
    #[default]
    Nothing,
    /// Some scripts and emoji need it.
    Joiner(char),
    Invisible,
    SoftHyphen,
}

impl Cleaner {
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' if rest.peek() == Some(&'\n') => {}
                '\r' | '\u{B}' | '\u{C}' | '\u{2028}' | '\u{2029}' => self.seen('\n', out),
                '\n' | '\t' => self.seen(c, out),
                '\u{80}'..='\u{9F}' => self.seen(of_windows_1252(c), out),
                '\u{AD}' => self.held = HeldCharacter::SoftHyphen,
                '\u{200C}' | '\u{200D}' => self.held = self.held.max(HeldCharacter::Joiner(c)),
                c if turns(c) || is_no_character(c) => self.seen(ODD, out),
                c if leads_left(c) && !self.is_among_letters_of(c, rest.clone()) => {
                    self.seen(ODD, out);
                }
                c if is_invisible(c) => self.held = self.held.max(HeldCharacter::Invisible),
                c => self.seen(of_symbol_fonts(c), out),
            }
        }
    }

    /// Whether a mark that leads to the left is beside letters that are written this way.
    fn is_among_letters_of(&self, mark: char, rest: impl Iterator<Item = char>) -> bool {
        let next = rest.take(LEFT_CHARS_MAX).find(|c| c.is_alphanumeric());
        let is_single = matches!(mark, '\u{61C}' | '\u{200F}');
        next.is_some_and(is_leftward) || (is_single && self.before.is_some_and(is_leftward))
    }

    fn seen(&mut self, c: char, out: &mut String) {
        let is_either = |is: fn(char) -> bool| self.before.is_some_and(is) && is(c);
        match self.held {
            HeldCharacter::Nothing => {}
            HeldCharacter::Invisible | HeldCharacter::Joiner(_) if is_either(char::is_numeric) => {
                out.push(' ')
            }
            HeldCharacter::Joiner(joiner) => out.push(joiner),
            HeldCharacter::Invisible => {}
            HeldCharacter::SoftHyphen
                if is_either(char::is_alphabetic) || self.before == Some('-') => {}
            // There is no word for it to divide.
            HeldCharacter::SoftHyphen if self.before.is_none_or(char::is_whitespace) => {}
            HeldCharacter::SoftHyphen => out.push('-'),
        }
        self.held = HeldCharacter::Nothing;
        self.before = Some(c);
        out.push(c);
    }

    /// What follows is independent of what precedes.
    pub(super) fn edge(&mut self) {
        *self = Self::default();
    }

    pub(super) fn edge_if(&mut self, is_edge: bool) {
        if is_edge {
            self.edge();
        }
    }

    fn finish(&mut self, out: &mut String) {
        if self.held == HeldCharacter::SoftHyphen {
            out.push('-');
        }
        self.edge();
    }
}

/// The character that a byte of this value is in Windows-1252.
fn of_windows_1252(c: char) -> char {
    const KNOWN: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ";
    let at = usize::try_from(u32::from(c).saturating_sub(0x80)).unwrap_or(usize::MAX);
    KNOWN.chars().nth(at).filter(|c| !c.is_control()).unwrap_or(ODD)
}

/// Characters that word processors write with special fonts, as far as they are clear without the
/// font. The others stay: they are seen as a box.
fn of_symbol_fonts(c: char) -> char {
    match c {
        '\u{F0B7}' => '•',
        '\u{F0A7}' => '▪',
        '\u{F0D8}' => '➢',
        '\u{F0FC}' => '✓',
        '\u{F0E0}' => '→',
        '\u{F04A}' => '☺',
        c => c,
    }
}

/// Overrides of the writing direction (Unicode TR 36 §2.5.2): what follows is shown backwards.
pub(super) fn turns(c: char) -> bool {
    matches!(c, '\u{202D}' | '\u{202E}')
}

/// How far it is to the first letter or figure behind a mark of direction.
const LEFT_CHARS_MAX: usize = 16;

/// Marks with which what follows goes from right to left, as far as it has no direction of its own.
fn leads_left(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200F}' | '\u{202B}' | '\u{2067}')
}

/// Letters that are written from right to left.
fn is_leftward(c: char) -> bool {
    c.is_alphabetic()
        && matches!(c,
            '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}'
            | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// Whether a text that was not written for it is shown in another order from right to left: `10 - 5
/// mg` as `mg 5 - 10`.
pub(super) fn is_moved_from_right_to_left(text: &str) -> bool {
    let text = text.trim();
    text.contains(char::is_alphanumeric)
        && text.contains(|c: char| !c.is_alphanumeric())
        && !text.contains(is_leftward)
}

/// Control characters, and code points that are no characters.
fn is_no_character(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FDD0}'..='\u{FDEF}') || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Invisible characters that make others look like something else: marks, embeddings and isolates
/// of the writing direction, characters without a width, annotations, language tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{34F}' | '\u{61C}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}' | '\u{200B}' | '\u{200E}'
        | '\u{200F}' | '\u{202A}'..='\u{202C}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E007F}')
}

/// Joins the soft line breaks of `format=flowed` (RFC 3676 §4), so that a paragraph is one line.
///
/// A paragraph ends where the depth of quotation changes and before a signature's mark, also when
/// its last line says that more follows (§4.3, §4.5).
pub(super) fn unflow(text: &str, del_sp: bool) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut joined = String::with_capacity(text.len());
    let mut waits_at: Option<usize> = None;
    for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
        let words = line.trim_start_matches('>');
        let depth = line.len() - words.len();
        let words = words.strip_prefix(' ').unwrap_or(words);
        let is_signature = words == "-- ";
        let is_more = waits_at == Some(depth) && !is_signature && !words.is_empty();
        if !is_more {
            if waits_at.is_some() {
                joined.push('\n');
            }
            joined.extend(std::iter::repeat_n('>', depth));
            if depth > 0 && !words.is_empty() {
                joined.push(' ');
            }
        }
        let is_soft = words.ends_with(' ') && !is_signature;
        let words =
            if is_soft && del_sp { words.strip_suffix(' ').unwrap_or(words) } else { words };
        joined.push_str(words);
        if is_soft {
            waits_at = Some(depth);
        } else {
            waits_at = None;
            joined.push('\n');
        }
    }
    if waits_at.is_some() {
        joined.push('\n');
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_line_ends_and_no_hidden_characters() {
        let (line, cut) = one_line(" a\r\n\tb\0c \u{202E}fdp.exe\u{200B} ", 100);
        assert_eq!((line.as_str(), cut), ("a b c \u{FFFD}fdp.exe", false));
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
            "Sehr geehrte Kollegin,\n\n> zitiert \ngestopft\n-- \nName\n"
        );
        assert_eq!(unflow("lang \nes Wort", true), "langes Wort\n");
    }

    /// B18: another depth of quotation, or the signature's mark, ends a paragraph.
    #[test]
    fn b18_a_flowed_paragraph_ends_at_a_quotation_and_at_the_signature() {
        for (text, del_sp, expected) in [
            ("schrieb: \n> Bitte Kalium\n", false, "schrieb: \n> Bitte Kalium\n"),
            ("Wir melden uns \n-- \nStation 4", false, "Wir melden uns \n-- \nStation 4\n"),
            (">> a \n>> b \n> c \nd", false, ">> a b \n> c \nd\n"),
            ("> a \n> -- \n> b", false, "> a \n> -- \n> b\n"),
            (" > kein Zitat \n  From", false, "> kein Zitat  From\n"),
            ("a \n\nb", false, "a \n\nb\n"),
            ("5 \n 10 mg", false, "5 10 mg\n"),
            ("a \rb", false, "a b\n"),
            ("> a  \n> b\n>\n> c", true, "> a b\n>\n> c\n"),
            ("Marcumar \n--\nabsetzen", false, "Marcumar --\nabsetzen\n"),
        ] {
            assert_eq!(unflow(text, del_sp), expected, "{text:?}");
        }
    }

    /// B01: no character that is taken out joins what it kept apart.
    #[test]
    fn b01_hidden_characters_leave_a_character_or_a_mark() {
        for (text, expected) in [
            ("5\u{96}10 mg", "5–10 mg"),
            ("\u{84}nüchtern\u{93} \u{80} \u{85}", "„nüchtern“ € …"),
            ("5\u{81}10 5\u{8D}10 5\u{9D}10", "5\u{FFFD}10 5\u{FFFD}10 5\u{FFFD}10"),
            (
                "5\u{1}10 5\u{0}10 5\u{7F}10 5\u{8}10",
                "5\u{FFFD}10 5\u{FFFD}10 5\u{FFFD}10 5\u{FFFD}10",
            ),
            ("5\u{C}10\u{B}20\u{2028}30\u{2029}40\r50", "5\n10\n20\n30\n40\n50"),
            (
                "5\u{AD}10 Rami\u{AD}pril B\u{AD}12 Rami\u{AD}\npril",
                "5-10 Ramipril B-12 Rami-\npril",
            ),
            (
                "5\u{200B}10 5\u{200D}10 5\u{2060}10 5\u{200E}10 5\u{FEFF}10",
                "5 10 5 10 5 10 5 10 5 10",
            ),
            ("5 \u{AD}10 \u{AD} mg", "5 10  mg"),
            ("Rami\u{200B}pril 👩\u{200D}⚕️", "Ramipril 👩\u{200D}⚕️"),
            ("\u{202E}gm 01\u{202C}", "\u{FFFD}gm 01"),
            ("5\u{2066}10\u{2069}", "5 10"),
            ("\u{F0B7} a \u{F0E0} b \u{F06D}", "• a → b \u{F06D}"),
            ("5\u{A0}10\u{202F}mg", "5\u{A0}10\u{202F}mg"),
            ("5\u{FFFE}10", "5\u{FFFD}10"),
        ] {
            assert_eq!(plain_lines(text), expected, "{text:?}");
        }
        assert_eq!(one_line("Ramipril 5\u{96}10\u{C}mg\u{1}x", 99).0, "Ramipril 5–10 mg x");
        assert_eq!(one_line("5\u{AD}10 5\u{2028}10 5\u{200B}10", 99).0, "5-10 5 10 5 10");
    }

    /// What has no direction of its own is shown as `5 - 10` behind such a mark.
    #[test]
    fn l143b_marks_that_lead_to_the_left_stay_visible_unless_letters_do_too() {
        for mark in ['\u{202B}', '\u{2067}', '\u{200F}', '\u{61C}'] {
            for text in ["10 - 5 mg", "", "mg", "                  \u{5E9}"] {
                assert_eq!(plain_lines(&format!("a {mark}{text}")), format!("a \u{FFFD}{text}"));
            }
            let name = " (\u{5E9}\u{5DC}) 5";
            assert_eq!(plain_lines(&format!("a{mark}{name}")), format!("a{name}"));
        }
        assert_eq!(plain_lines("\u{645}\u{200F} 5"), "\u{645} 5");
        assert_eq!(plain_lines("\u{645}\u{202B} 5"), "\u{645}\u{FFFD} 5");
        assert_eq!(plain_lines("\u{202A}10 - 5\u{202C} \u{2068}7\u{2069}"), "10 - 5 7");
    }
}
