//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5, RFC 2183, RFC 2231).

use super::{charset, words};

/// How many parameters of one value are read; real ones have a handful.
const PARAMETERS_MAX: usize = 200;

/// A value such as `text/plain; charset=utf-8`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// The part before the parameters, in lower case: `text/plain`, `attachment`.
    pub(super) value: String,
    parameters: Vec<(String, String)>,
    /// Something in it could not be read as it is.
    pub(super) broken: bool,
}

impl Parameters {
    /// Reads an unfolded value. Never fails; what has no form is skipped.
    pub(super) fn read(line: &str) -> Self {
        let (value, mut rest) = split_at_any(line, |c| c == ';');
        let value = without_comments(value);
        // The semicolon is often forgotten: `text/plain charset=utf-8`.
        let mut words = value.split_whitespace();
        let front: String = words.by_ref().take_while(|word| !word.contains('=')).collect();
        let front = front.trim_matches('"').to_ascii_lowercase();
        let mut read = Self { value: front, ..Self::default() };
        let forgotten = value.find('=').and_then(|at| {
            let start = value.get(..at)?.trim_end().rfind(char::is_whitespace)?;
            value.get(start..)
        });
        let mut raw = Vec::new();
        if let Some(mut forgotten) = forgotten {
            raw.extend(parameter(&mut forgotten, &mut read.broken));
        }
        while raw.len() < PARAMETERS_MAX {
            rest = rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
            if rest.is_empty() {
                break;
            }
            raw.extend(parameter(&mut rest, &mut read.broken));
        }
        read.settle(raw);
        read
    }

    /// The first parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All of them: a boundary may be named twice.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Puts pieces together, and names each parameter once.
    ///
    /// The form of RFC 2231 takes precedence over the form for older readers: it is the same name,
    /// with fewer letters lost.
    fn settle(&mut self, raw: Vec<Raw>) {
        let mut pieces: Vec<(usize, Raw)> = Vec::new();
        let mut plain = Vec::new();
        let mut extended: Vec<(String, String)> = Vec::new();
        for parameter in raw {
            match parameter.part {
                None if parameter.is_extended => {
                    let (value, broken) = assembled(std::slice::from_ref(&parameter));
                    self.broken |= broken;
                    extended.push((parameter.name, value));
                }
                None => {
                    let (value, broken) = unencoded(&parameter.value);
                    self.broken |= broken;
                    plain.push((parameter.name, value));
                }
                Some(part) => pieces.push((part, parameter)),
            }
        }
        pieces.sort_by(|(one, a), (other, b)| (&a.name, one).cmp(&(&b.name, other)));
        for name in pieces.chunk_by(|(_, a), (_, b)| a.name == b.name) {
            let Some((first, _)) = name.first() else { continue };
            let mut expected = *first;
            // One that is missing in the middle, or there twice.
            self.broken |= *first != 0;
            let mut parts = Vec::new();
            for (part, parameter) in name {
                self.broken |= *part != expected;
                if parts.is_empty() || *part >= expected {
                    parts.push(parameter.clone());
                    expected = part.saturating_add(1);
                }
            }
            let (value, broken) = assembled(&parts);
            self.broken |= broken;
            if let Some(parameter) = parts.first() {
                extended.push((parameter.name.clone(), value));
            }
        }
        self.parameters = extended;
        self.parameters.append(&mut plain);
    }
}

/// A parameter as it is written.
#[derive(Debug, Clone)]
struct Raw {
    name: String,
    /// `*1` of `name*1*`.
    part: Option<usize>,
    /// The `*` at its end: with a character set and percent escapes.
    is_extended: bool,
    value: String,
}

/// Reads one parameter off `rest`.
fn parameter(rest: &mut &str, broken: &mut bool) -> Option<Raw> {
    let (name, after) = split_at_any(rest, |c| c == '=' || c == ';');
    let Some(value) = after.strip_prefix('=') else {
        // A separate word, or what a quote left behind.
        *rest = after;
        return None;
    };
    let name = without_comments(name).trim().to_ascii_lowercase();
    let value = value.trim_start();
    let is_file_name = name.starts_with("name") || name.starts_with("filename");
    let value = if let Some(quoted) = value.strip_prefix('"') {
        let (text, after) = unquoted(quoted, broken);
        // Only a comment may come between a quote and the next semicolon.
        *rest = split_at_any(after, |c| c == ';').1;
        text
    } else {
        let (text, after) = split_at_any(value, |c| c == ';');
        *rest = after;
        // A name may contain parentheses: `Befund (2).pdf`.
        if is_file_name { text.trim().to_owned() } else { without_comments(text).trim().to_owned() }
    };
    let (name, is_extended) = match name.strip_suffix('*') {
        Some(name) => (name.to_owned(), true),
        None => (name, false),
    };
    let (name, part) = match name.split_once('*') {
        Some((own, part)) => match part.parse() {
            Ok(part) => (own.to_owned(), Some(part)),
            Err(_) => {
                *broken = true;
                (own.to_owned(), None)
            }
        },
        None => (name, None),
    };
    Some(Raw { name, part, is_extended, value })
}

/// A quoted text and what follows its quote. A backslash before anything but a quote or another
/// backslash is literal: some senders write Windows paths.
fn unquoted<'a>(text: &'a str, broken: &mut bool) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.peek() {
                Some((_, next)) if matches!(next, '"' | '\\') => {
                    value.push(*next);
                    chars.next();
                }
                _ => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    *broken = true;
    (value, "")
}

/// The text of pieces, percent escapes undone before the character set is.
fn assembled(parts: &[Raw]) -> (String, bool) {
    let mut charset = None;
    let mut bytes = Vec::new();
    let mut plain = String::new();
    let mut broken = false;
    for (place, part) in parts.iter().enumerate() {
        let mut value = part.value.as_str();
        if part.is_extended
            && place == 0
            && let Some((name, rest)) = value.split_once('\'')
        {
            charset = Some(name);
            value = rest.split_once('\'').map_or(rest, |(_, text)| text);
        }
        if part.is_extended {
            broken |= flush(&mut plain, &mut bytes);
            broken |= percent(value, &mut bytes);
        } else {
            plain.push_str(value);
        }
    }
    broken |= flush(&mut plain, &mut bytes);
    let is_utf8 = std::str::from_utf8(&bytes).is_ok_and(|text| !text.is_ascii());
    let charset = if is_utf8 { None } else { charset };
    let (text, lied) = charset::text(&bytes, charset, false);
    (text, broken || lied)
}

/// Appends pieces without escapes. Some senders put encoded words into them, where no standard
/// allows them.
fn flush(plain: &mut String, bytes: &mut Vec<u8>) -> bool {
    let (text, broken) = words::decoded(plain);
    plain.clear();
    bytes.extend_from_slice(text.as_bytes());
    broken
}

/// A value written in none of these ways, or in one for which it lacks the star.
fn unencoded(value: &str) -> (String, bool) {
    if value.contains("=?") {
        return words::decoded(value);
    }
    if !value.contains('%') {
        return (value.to_owned(), false);
    }
    let marked = value.split_once('\'').and_then(|(charset, rest)| {
        let (_language, text) = rest.split_once('\'')?;
        (is_charset_name(charset) && !text.is_empty()).then_some((charset, text))
    });
    let mut bytes = Vec::new();
    if let Some((charset, text)) = marked
        && !percent(text, &mut bytes)
    {
        return charset::text(&bytes, Some(charset), false);
    }
    bytes.clear();
    // Escapes that make UTF-8 letters were meant as escapes; `100%25.pdf` may be a name.
    match (percent(value, &mut bytes), String::from_utf8(bytes)) {
        (false, Ok(text)) if !text.is_ascii() && value.is_ascii() => (text, false),
        _ => (value.to_owned(), false),
    }
}

/// Whether this is the name of a known set and nothing beside it: sets are recognised by a few
/// letters, so that a file's name with `utf-8` in it would do as well.
fn is_charset_name(text: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_legal)
        && charset::is_known(text)
}

/// Appends the bytes of a text with percent escapes; returns whether one was invalid, which stays
/// as it is.
fn percent(text: &str, bytes: &mut Vec<u8>) -> bool {
    let mut broken = false;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut ahead = rest.clone();
        let hex = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16));
        match (hex(ahead.next()), hex(ahead.next())) {
            (Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = ahead;
            }
            _ => {
                broken = true;
                bytes.push(b'%');
            }
        }
    }
    broken
}

fn split_at_any(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    let at = text.find(is_end).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// RFC 5322 §3.2.2. An unclosed one does not count.
pub(super) fn without_comments(text: &str) -> String {
    if !text.contains('(') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    if depth > 0 { text.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, name: &str, expected: Option<&str>, broken: bool) {
        let read = Parameters::read(line);
        assert_eq!((read.get(name), read.broken), (expected, broken), "{line}");
    }

    fn file_name(line: &str, expected: &str) {
        check(line, "filename", Some(expected), false);
    }

    #[test]
    fn values_and_parameters_are_found() {
        for (line, value, charset) in [
            ("text/plain; charset=utf-8", "text/plain", Some("utf-8")),
            ("Text/Plain;CHARSET=\"utf-8\";", "text/plain", Some("utf-8")),
            ("text/plain (alt) ; charset = utf-8 (neu)", "text/plain", Some("utf-8")),
            ("text/plain charset=utf-8", "text/plain", Some("utf-8")),
            ("text / html ; x; ; charset=\"a\\\"b\"", "text/html", Some("a\"b")),
            ("\"Text/plain\"", "text/plain", None),
            ("attachment", "attachment", None),
            ("", "", None),
        ] {
            let read = Parameters::read(line);
            assert_eq!((read.value.as_str(), read.get("charset")), (value, charset), "{line}");
        }
    }

    /// B64: `=` and quotes within a boundary, comments within a type.
    #[test]
    fn b64_a_boundary_may_have_signs_in_it() {
        check("multipart/mixed; boundary=\"=_a=b;c\"", "boundary", Some("=_a=b;c"), false);
        check("multipart/mixed; boundary==_a=b", "boundary", Some("=_a=b"), false);
        check("multipart/mixed; boundary=\"\"", "boundary", Some(""), false);
        let twice = Parameters::read("multipart/mixed; boundary=a; boundary=b");
        assert_eq!(twice.all("boundary").collect::<Vec<_>>(), ["a", "b"]);
    }

    /// B16: pieces are put together before they are read.
    #[test]
    fn b16_file_names_in_pieces() {
        file_name(
            "a; filename*0*=UTF-8''Arztbrief%20Gr%C3; filename*1*=%B6nlund; filename*2=\".pdf\"",
            "Arztbrief Grönlund.pdf",
        );
        file_name("a; filename*1*=hler.pdf; filename*0*=iso-8859-1''Schl%E4", "Schlähler.pdf");
        file_name(
            "a; filename=\"=?utf-8?B?TGFib3IgSMO8YmVy?= =?utf-8?B?bGUucGRm?=\"",
            "Labor Hüberle.pdf",
        );
        file_name("a; filename=\"=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BCn.pdf?=\"", "Grün.pdf");
        file_name("a; filename==?utf-8?Q?Gr=C3=BCn.pdf?=", "Grün.pdf");
        file_name("a; filename=\"alt.pdf\"; filename*=utf-8''f%C3%BCr%20Sie.pdf", "für Sie.pdf");
        file_name("a; filename*=utf-8''f%C3%BCr%20Sie.pdf; filename=alt.pdf", "für Sie.pdf");
        file_name("a; filename*=f%C3%BCr.pdf", "für.pdf");
        file_name("a; filename*=\"UTF-8'de'f%C3%BCr.pdf\"", "für.pdf");
        file_name("a; filename=utf-8''f%C3%BCr.pdf", "für.pdf");
        file_name("a; filename=\"f%C3%BCr.pdf\"", "für.pdf");
        file_name("a; filename=\"100%25.pdf\"", "100%25.pdf");
        // There is no set of this name: this is the file's name.
        file_name("a; filename=\"Aa0''%aA.pdf\"", "Aa0''%aA.pdf");
        file_name("a; filename=\"Frau''s 5%ab.pdf\"", "Frau''s 5%ab.pdf");
        // Nor does a set's name within a name, or before nothing, say how the rest is written.
        file_name("a; filename=\"=_utf-8_q_=0D%''x%C3%BC\"", "=_utf-8_q_=0D%''x%C3%BC");
        file_name("a; filename=\"utf-8%''\"", "utf-8%''");
        file_name("a; filename=\"utf-8''\"; name=\"5%\"", "utf-8''");
        file_name("a; filename=Befund Frau Roth (2).pdf", "Befund Frau Roth (2).pdf");
        file_name("a; filename=\"C:\\Users\\x.pdf\"", "C:\\Users\\x.pdf");
        file_name(
            "a; filename*0=\"=?utf-8?Q?Gr=C3=BC\"; filename*1=\"n?=.pdf\"; filename=n.pdf",
            "Grün.pdf",
        );
    }

    /// B89: each piece says for itself whether it is encoded, and a quote or a percent sign of the name
    /// stays what it is.
    #[test]
    fn b89_each_piece_of_a_name_is_read_as_it_is_marked() {
        file_name("a; filename*0*=utf-8''Lea's%20Befund%2525.pdf", "Lea's Befund%25.pdf");
        file_name(
            "a; filename*0*=\"''Befund%2E\"; filename*1*=\"%70\"; filename*2=df",
            "Befund.pdf",
        );
        file_name("a; filename*0*=utf-8''5%20; filename*1=\"mg%20.pdf\"", "5 mg%20.pdf");
        file_name("a; filename*0*=UTF-8''%C3%A4; filename*1*=%C3%A4.pdf", "ää.pdf");
        file_name("a; filename*0=\"50%20mg\"; filename*1=\".pdf\"", "50%20mg.pdf");
        file_name("a; filename*1=\".pdf\"; filename*0*=iso-8859-1'de'Gr%FCn", "Grün.pdf");
        file_name(
            "a; filename*0=\"=?UTF-8?Q?*_=C3=A4=C3=A4=C3?=\"; filename*1=\"=?UTF-8?Q?=A4.pdf?=\"",
            "* äää.pdf",
        );
        check("a; filename*=UTF-8''Befund%3", "filename", Some("Befund%3"), true);
        check("a; filename*=utf-8''%3\u{8a35}.pdf", "filename", Some("%3\u{8a35}.pdf"), true);
    }

    #[test]
    fn b16_what_is_broken_in_a_name_is_noted() {
        check("a; filename*=utf-8''f%C3%B.pdf", "filename", Some("fÃ%B.pdf"), true);
        check("a; filename*0*=utf-8''a; filename*2*=c.pdf", "filename", Some("ac.pdf"), true);
        check("a; filename*0*=utf-8''a; filename*0*=b; filename*1=c", "filename", Some("ac"), true);
        check("a; filename=\"Befund.pdf", "filename", Some("Befund.pdf"), true);
        check("a; filename=\"=?utf-8?Q?Befund.pdf\"", "filename", Some("Befund.pdf"), true);
        check("a; filename=", "filename", Some(""), false);
    }
}
