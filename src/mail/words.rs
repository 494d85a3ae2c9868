//! Encoded words of header fields (RFC 2047).
//!
//! Neighbours of one character set are put together before they are read: many senders cut words
//! by their length and hit the middle of a character.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_parser::decoders::base64::base64_decode;

use super::charset;

/// Longest name of a character set with its language.
const CHARSET_BYTES_MAX: usize = 60;

/// An encoded word, its bytes decoded and their character set not.
struct Word<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
    broken: bool,
}

/// A value without its encoded words, and whether one of them was broken or lied.
///
/// Words are also seen where they must not stand: within quotes, and touching other text.
pub(super) fn decoded(line: &str) -> (String, bool) {
    let mut out = String::with_capacity(line.len());
    let mut broken = false;
    let mut run: Option<(String, Vec<u8>)> = None;
    let mut rest = line;
    while let Some(at) = rest.find("=?") {
        let (before, word) = rest.split_at_checked(at).unwrap_or((rest, ""));
        // Blanks between neighbours mean nothing (§6.2).
        let is_apart = !before.trim().is_empty();
        let read = Word::read(word);
        if is_apart || read.is_none() {
            broken |= flush(&mut run, &mut out);
        }
        if run.is_none() || is_apart {
            out.push_str(before);
        }
        let Some((word, after)) = read else {
            broken |= looks_encoded(word);
            out.push_str("=?");
            rest = word_rest(word);
            continue;
        };
        broken |= word.broken;
        match &mut run {
            Some((charset, bytes))
                if charset.eq_ignore_ascii_case(word.charset) && !has_shifts(charset) =>
            {
                bytes.extend_from_slice(&word.bytes);
            }
            _ => {
                broken |= flush(&mut run, &mut out);
                run = Some((word.charset.to_owned(), word.bytes));
            }
        }
        rest = after;
    }
    broken |= flush(&mut run, &mut out);
    out.push_str(rest);
    (out, broken)
}

/// What follows the encoded word at the beginning of `text`, if there is a whole one.
pub(super) fn skip(text: &str) -> Option<&str> {
    let (_, after) = Word::read(text)?;
    text.strip_suffix(after)?.ends_with("?=").then_some(after)
}

fn flush(run: &mut Option<(String, Vec<u8>)>, out: &mut String) -> bool {
    let Some((name, bytes)) = run.take() else { return false };
    let (text, lied) = charset::text(&bytes, Some(&name), false);
    out.push_str(&text);
    lied
}

/// Whether a set has states. Each word begins and ends in the first of them (§3), so that nothing is
/// split, and put together they would be none.
fn has_shifts(charset: &str) -> bool {
    let charset = charset.to_ascii_lowercase();
    ["2022", "utf-7", "utf-16"].iter().any(|piece| charset.contains(piece))
}

fn word_rest(word: &str) -> &str {
    word.strip_prefix("=?").unwrap_or_default()
}

/// Whether it begins as an encoded word does.
fn looks_encoded(text: &str) -> bool {
    Word::head(text).is_some()
}

impl<'a> Word<'a> {
    /// Character set, encoding, and what follows.
    fn head(text: &'a str) -> Option<(&'a str, u8, &'a str)> {
        let inner = text.strip_prefix("=?")?;
        let end = inner.bytes().take(CHARSET_BYTES_MAX).position(|b| b == b'?')?;
        let (charset, rest) = inner.split_at_checked(end)?;
        let is_name = charset.bytes().all(|b| b.is_ascii_graphic() && b != b'=' && b != b'"');
        let mut bytes = rest.bytes().skip(1);
        let encoding = bytes.next()?.to_ascii_lowercase();
        let is_encoded = matches!(encoding, b'q' | b'b') && bytes.next() == Some(b'?');
        (is_name && !charset.is_empty() && is_encoded).then_some(())?;
        Some((charset.split('*').next().unwrap_or_default(), encoding, rest.get(3..)?))
    }

    /// The word at the beginning of `text`, and what follows it. One without its end is read to the
    /// end of the text.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let (charset, encoding, rest) = Self::head(text)?;
        let mut before = b' ';
        let mut marks = rest.bytes().enumerate().filter_map(|(at, byte)| {
            let previous = std::mem::replace(&mut before, byte);
            (byte == b'?').then_some((at, previous))
        });
        let end = loop {
            let Some((at, previous)) = marks.next() else { break None };
            if rest.as_bytes().get(at + 1) == Some(&b'=') {
                break Some(at);
            }
            // Another one begins before this one ends.
            if previous == b'=' {
                return None;
            }
        };
        let (text, after) = match end {
            Some(at) => (rest.get(..at)?, rest.get(at + 2..)?),
            None => (rest, ""),
        };
        let (bytes, broken) = if encoding == b'q' { quoted(text) } else { digits(text) };
        Some((Self { charset, bytes, broken: broken || end.is_none() }, after))
    }
}

/// §4.2; blanks are kept, since words are often folded inside.
fn quoted(text: &str) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(text.len());
    let mut broken = false;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => decoded.push(b' '),
            b'=' => {
                let mut ahead = rest.clone();
                let hex = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16));
                match (hex(ahead.next()), hex(ahead.next())) {
                    (Some(high), Some(low)) => {
                        decoded.extend(u8::try_from(high * 16 + low));
                        rest = ahead;
                    }
                    _ => {
                        broken = true;
                        decoded.push(b'=');
                    }
                }
            }
            byte => decoded.push(byte),
        }
    }
    (decoded, broken)
}

/// §4.1; characters that are no digits are skipped.
fn digits(text: &str) -> (Vec<u8>, bool) {
    if let Some(decoded) = base64_decode(text.as_bytes()) {
        return (decoded, false);
    }
    let known: Vec<u8> = text
        .bytes()
        .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        .collect();
    (base64_decode(&known).unwrap_or_default(), true)
}

/// A text in encoded words, each on its own line.
pub(super) fn encoded_words(text: &str) -> String {
    /// An encoded word has at most 75 characters, of which `=?utf-8?B?` and `?=` take 12.
    const WORD_BYTES_MAX: usize = 45;
    let mut words = vec![String::new()];
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= WORD_BYTES_MAX => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str, broken: bool) {
        assert_eq!(decoded(line), (expected.to_owned(), broken), "{line}");
    }

    /// B16: a character may be split over two words, also of different encodings.
    #[test]
    fn b16_neighbours_are_put_together_before_they_are_read() {
        check("Frau =?UTF-8?Q?Gr=C3?= =?utf-8?Q?=B6nlund?=", "Frau Grönlund", false);
        check(
            "=?utf-8?B?UsO8Y2tmcmFnZSB6dSBHcsM=?= =?utf-8?B?tm5sdW5k?=",
            "Rückfrage zu Grönlund",
            false,
        );
        check("=?utf-8?Q?Gr=C3?= =?utf-8*de?B?tm5sdW5k?=", "Grönlund", false);
        check("=?utf-8?q?J=C3?==?utf-8?q?=B6rg?= W.", "Jörg W.", false);
        check("\"=?utf-8?q?J=C3?= =?utf-8?q?=B6rg?=\"", "\"Jörg\"", false);
        check("=?utf-8?Q?a?= =?iso-8859-1?Q?=FC?= =?utf-8?Q?b?=", "aüb", false);
        check("=?utf-8?Q?a?= und =?utf-8?Q?b?=", "a und b", false);
    }

    /// B60, B61.
    #[test]
    fn b60_words_as_senders_write_them() {
        check(
            "=?utf-8?Q?Befund Frau M=C3=BCller vom 3. Mai?=",
            "Befund Frau Müller vom 3. Mai",
            false,
        );
        check("=?iso-8859-1*de?Q?Befund_f=FCr_Sie?=", "Befund für Sie", false);
        check("=?utf-8?Q?Befund_?==?utf-8?Q?f=C3=BCr?==?utf-8?Q?_Sie?=", "Befund für Sie", false);
        check("=?utf-8?Q?Wie_geht_es??=", "Wie geht es?", false);
        check("=?utf-8?Q?a=3D?=", "a=", false);
        check("=?cp437?Q?M=81ller?=", "Müller", false);
        check(
            "=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?= =?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=",
            "テストテスト",
            false,
        );
        check("1 =? 2 ?= 3", "1 =? 2 ?= 3", false);
        check("=?a?b?c", "", true);
    }

    #[test]
    fn b16_broken_words_are_shown_and_noted() {
        check("=?utf-8?Q?Gr=C3=BC=C3=9Fe", "Grüße", true);
        check("=?utf-8?Q?100=ZZ?=", "100=ZZ", true);
        check("=?utf-8?Q?=FC?=", "ü", true);
        check("=?utf-8?B?SGF!sbG8=?=", "Hallo", true);
        check("=?x-none?Q?Text?=", "Text", true);
        check("=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b", true);
        check("=?utf-8?X?a?=", "=?utf-8?X?a?=", false);
    }
}
