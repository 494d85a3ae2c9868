//! Line ends and dots of a mail on its way (RFC 5321 §4.5.2).

use memchr::memchr2;

use super::PIECE;

/// Brings every line end to CRLF and doubles the dots at line starts (RFC 5321 §4.5.2), across any
/// split of the bytes.
#[derive(Debug)]
pub(super) struct Dotting {
    pub(super) is_line_start: bool,
    pub(super) has_cr: bool,
    /// Bytes so far without the doubled dots: what SIZE counts (RFC 1870 §3).
    pub(super) size: usize,
}

impl Default for Dotting {
    fn default() -> Self {
        Self { is_line_start: true, has_cr: false, size: 0 }
    }
}

impl Dotting {
    pub(super) fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            match byte {
                b'\n' => self.end_line(out),
                _ if self.has_cr => {
                    self.end_line(out);
                    continue;
                }
                b'\r' => self.has_cr = true,
                _ => {
                    if self.is_line_start && byte == b'.' {
                        out.push(b'.');
                    }
                    let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (text, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
                    out.extend_from_slice(text);
                    self.size += text.len();
                    self.is_line_start = false;
                    rest = after;
                    continue;
                }
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.has_cr || !self.is_line_start {
            self.end_line(out);
        }
    }

    pub(super) fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend(b"\r\n");
        self.size += 2;
        self.is_line_start = true;
        self.has_cr = false;
    }
}

pub(super) fn transmitted_size(mail: &[u8]) -> usize {
    let mut dotting = Dotting::default();
    let mut out = Vec::with_capacity(2 * PIECE);
    for piece in mail.chunks(PIECE) {
        out.clear();
        dotting.feed(piece, &mut out);
    }
    dotting.finish(&mut out);
    dotting.size
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dot(mail: &[u8], piece: usize) -> (Vec<u8>, usize) {
        let (mut dotting, mut out) = (Dotting::default(), Vec::new());
        for piece in mail.chunks(piece) {
            dotting.feed(piece, &mut out);
        }
        dotting.finish(&mut out);
        (out, dotting.size)
    }

    fn check(mail: &str, expected: &str) {
        for piece in 1..10 {
            assert_eq!(String::from_utf8(dot(mail.as_bytes(), piece).0).unwrap(), expected);
        }
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        check(".", "..\r\n");
        check("a\r\n.\r\nb.\r\n", "a\r\n..\r\nb.\r\n");
        check("..a\r\n", "...a\r\n");
        check("", "");
    }

    #[test]
    fn a_bare_line_end_cannot_smuggle_the_end_of_the_mail() {
        check("a\n.\nb", "a\r\n..\r\nb\r\n");
        check("a\r.\rb\r", "a\r\n..\r\nb\r\n");
        check("a\r\r\n", "a\r\n\r\n");
    }

    proptest! {
        #[test]
        fn the_end_of_the_mail_never_stands_within_it(mail in "[.a\r\n]{0,40}", piece in 1_usize..9) {
            let (out, size) = dot(mail.as_bytes(), piece);
            let text = String::from_utf8(out).unwrap();
            let whole = ["\r\n", &text].concat();
            prop_assert!(!whole.contains("\r\n.\r\n"));
            prop_assert!(text.is_empty() || text.ends_with("\r\n"));
            prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
            let doubled = text.split("\r\n").filter(|line| line.starts_with('.')).count();
            prop_assert_eq!(size, text.len() - doubled);
            prop_assert_eq!(transmitted_size(mail.as_bytes()), size);
        }
    }
}
