//! A mail without the middle of its large files: what is needed to read it, and little more.
//!
//! Nearly all of a large mail is base64: lines of one alphabet, which has neither the colon of a
//! header field nor the hyphens of a boundary. So the inner lines of a long run of them mean
//! nothing for the mail's structure, whatever the sender intended. They are counted and left out;
//! the position of a file in the mail is still known to the byte, and the file is read from there.

use std::{borrow::Cow, ops::Range};

use memchr::memchr;

use crate::model::TransferEncoding;

/// How much is kept of the beginning and of the rest of a run.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// How many bytes of the beginning of a run are kept: a possible text is read this far
    /// ([`super::HTML_SOURCE_BYTES_MAX`], in base64).
    pub text_bytes: usize,
    /// The same, once this much was kept ...
    pub enough_bytes: usize,
    /// ... is only this much: a file is known by its beginning.
    pub file_bytes: usize,
    /// Bytes left out at once.
    pub cut_bytes: usize,
}

impl Keep {
    /// Of an ordinary large mail about 3 MiB are kept, of one with 250 large files about 30.
    pub const USUAL: Self = Self {
        text_bytes: 3 * 1024 * 1024,
        enough_bytes: 8 * 1024 * 1024,
        file_bytes: 8 * 1024,
        cut_bytes: 64 * 1024,
    };
}

/// Lines that were left out.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Before which byte of the skeleton.
    at: usize,
    bytes: u64,
    /// Those of them that are base64; a multiple of four, so that what follows decodes as before.
    digits: u64,
}

/// A mail, or what is left of it.
#[derive(Debug)]
pub struct Skeleton<'a> {
    bytes: Cow<'a, [u8]>,
    cuts: Vec<Cut>,
    mail_bytes: u64,
}

impl<'a> Skeleton<'a> {
    /// A mail as a whole.
    pub fn whole(mail: &'a [u8]) -> Self {
        Self { bytes: mail.into(), cuts: Vec::new(), mail_bytes: mail.len() as u64 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The length of the mail itself.
    pub fn mail_bytes(&self) -> u64 {
        self.mail_bytes
    }

    /// Where a part of the skeleton is in the mail.
    pub(super) fn place(&self, part: &[u8]) -> Range<u64> {
        let range = self.range(part);
        self.in_mail(range.start)..self.in_mail(range.end)
    }

    /// What is missing in a part of the skeleton, in bytes without their transfer encoding.
    pub(super) fn missing(&self, part: &[u8], encoding: TransferEncoding) -> u64 {
        let decoded = |cut: &Cut| match encoding {
            TransferEncoding::Base64 => cut.digits / 4 * 3,
            // Such lines stand for themselves.
            TransferEncoding::QuotedPrintable | TransferEncoding::Identity => cut.bytes,
            // They are not such lines.
            TransferEncoding::Uuencode | TransferEncoding::Signed => 0,
        };
        self.cuts_in(part).map(decoded).sum()
    }

    /// A part of the skeleton up to where something is missing in it.
    pub(super) fn unbroken<'p>(&self, part: &'p [u8]) -> Option<&'p [u8]> {
        let first = self.cuts_in(part).next()?;
        part.get(..first.at - self.range(part).start)
    }

    fn cuts_in(&self, part: &[u8]) -> impl Iterator<Item = &Cut> {
        let Range { start, end } = self.range(part);
        self.cuts.iter().filter(move |cut| start < cut.at && cut.at < end)
    }

    fn range(&self, part: &[u8]) -> Range<usize> {
        let start = part.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr());
        match start {
            Some(start) if !part.is_empty() && start + part.len() <= self.bytes.len() => {
                start..start + part.len()
            }
            // An empty part is nowhere.
            _ => 0..0,
        }
    }

    fn in_mail(&self, at: usize) -> u64 {
        let before = self.cuts.iter().take_while(|cut| cut.at < at);
        at as u64 + before.map(|cut| cut.bytes).sum::<u64>()
    }
}

/// Makes a skeleton of a mail that comes in pieces.
#[derive(Debug)]
pub struct Scanner {
    keep: Keep,
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
    mail_bytes: u64,
    /// Where the line begins that has not ended yet.
    line: usize,
    run: Option<Base64Run>,
}

/// Lines of base64, one after the other.
#[derive(Debug)]
struct Base64Run {
    start: usize,
    /// After the kept part of its beginning, once there is that much; and how many digits have come
    /// since.
    cut: Option<(usize, u64)>,
    kept: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(Keep::USUAL)
    }
}

impl Scanner {
    pub fn new(keep: Keep) -> Self {
        Self { keep, bytes: Vec::new(), cuts: Vec::new(), mail_bytes: 0, line: 0, run: None }
    }

    /// The next piece of the mail.
    pub fn take(&mut self, piece: &[u8]) {
        self.mail_bytes += piece.len() as u64;
        let mut rest = piece;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).map(|at| at + 1);
            let (line, after) =
                rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, b""));
            self.bytes.extend_from_slice(line);
            if end.is_some() {
                self.end_line();
            }
            rest = after;
        }
    }

    /// How much is kept up to now.
    pub fn kept_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn finish(self) -> Skeleton<'static> {
        Skeleton { bytes: self.bytes.into(), cuts: self.cuts, mail_bytes: self.mail_bytes }
    }

    fn end_line(&mut self) {
        let start = std::mem::replace(&mut self.line, self.bytes.len());
        let line = self.bytes.get(start..).unwrap_or_default();
        let Some(digits) = digits(line) else {
            self.run = None;
            return;
        };
        let is_enough = self.bytes.len() > self.keep.enough_bytes;
        let kept = if is_enough { self.keep.file_bytes } else { self.keep.text_bytes };
        let run = self.run.get_or_insert(Base64Run { start, cut: None, kept });
        match &mut run.cut {
            // The last line of a run always stays: what follows it may be cut off with its end.
            Some((from, count)) => {
                if start - *from >= self.keep.cut_bytes {
                    let bytes = (start - *from) as u64;
                    self.cuts.push(Cut { at: *from, bytes, digits: *count });
                    self.bytes.drain(*from..start);
                    self.line = self.bytes.len();
                    *count = 0;
                }
                *count += digits;
            }
            None if start - run.start >= run.kept => run.cut = Some((start, digits)),
            None => {}
        }
    }
}

/// How many digits of base64 a line has, if it is made of nothing else and they are a multiple of
/// four.
fn digits(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() || !line.len().is_multiple_of(4) {
        return None;
    }
    for byte in line {
        if !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/') {
            return None;
        }
    }
    Some(line.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        mail::{content, parse, parse_skeleton},
        model::Defect,
    };

    const SMALL: Keep = Keep { text_bytes: 40, enough_bytes: 200, file_bytes: 20, cut_bytes: 30 };

    fn skeleton(mail: &[u8], keep: Keep, piece: usize) -> Skeleton<'static> {
        let mut scanner = Scanner::new(keep);
        mail.chunks(piece).for_each(|piece| scanner.take(piece));
        scanner.finish()
    }

    /// A part that was cut out is found again in its place.
    fn check(mail: &[u8], piece: usize) -> usize {
        let cut = skeleton(mail, SMALL, piece);
        let (whole, read) = (parse(mail), parse_skeleton(&cut));
        assert_eq!(whole.attachments, read.attachments);
        for (one, other) in whole.attachments.iter().zip(&read.attachments) {
            assert_eq!(content(mail, one), content(mail, other));
            assert_eq!(content(mail, one).len() as u64, other.bytes);
        }
        // It is unknown how a cut text ended, and the letter says that it was cut.
        let is_cut = read.defects.contains(&Defect::BodyCut);
        let lasting = |letter: &crate::model::Letter| {
            let lasts = |defect: &Defect| match defect {
                Defect::BodyCut => false,
                Defect::Encoding => !is_cut,
                _ => true,
            };
            letter.defects.iter().copied().filter(lasts).collect::<Vec<_>>()
        };
        assert_eq!(lasting(&whole), lasting(&read));
        assert_eq!((&whole.from, &whole.subject), (&read.from, &read.subject));
        cut.cuts.len()
    }

    fn mail(encoding: &str, body: &str) -> String {
        format!(
            "From: a@x.de\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\n\r\nText\r\n--b\r\nContent-Type: application/pdf\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--b--\r\n"
        )
    }

    #[test]
    fn a_long_file_is_cut_and_stands_where_it_stood() {
        let lines = "QUJDREVGR0g=\r\n".replace('=', "h").repeat(40) + "QUI=";
        for encoding in ["base64", "quoted-printable", "8bit", "x-unknown"] {
            for piece in [1, 7, 1000, 100_000] {
                assert!(check(mail(encoding, &lines).as_bytes(), piece) > 0);
            }
        }
        // The bytes of something that is no mail.
        assert!(check(lines.as_bytes(), 13) > 0);
        // In the middle of a group of four.
        let odd = format!("QUJ\r\n{lines}");
        assert!(check(mail("base64", &odd).as_bytes(), 50) > 0);
        let broken = format!("QU!J\r\n{lines}");
        assert!(check(mail("base64", &broken).as_bytes(), 50) > 0);
    }

    #[test]
    fn little_is_kept_of_a_large_mail() {
        let lines = format!("{}\r\n", "A".repeat(76)).repeat(200_000);
        let cut = skeleton(mail("base64", &lines).as_bytes(), Keep::USUAL, 1 << 20);
        assert!(cut.bytes().len() < 4 << 20, "{}", cut.bytes().len());
        let letter = parse_skeleton(&cut);
        assert_eq!(letter.attachments[0].bytes, 200_000 * 57);
    }

    #[test]
    fn a_text_of_base64_is_shown_to_where_it_was_cut() {
        let lines = format!("{}\r\n", "QUJD".repeat(19)).repeat(200_000);
        let text = format!("From: a@x.de\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}");
        let cut = skeleton(text.as_bytes(), Keep::USUAL, 1 << 20);
        assert!(!cut.cuts.is_empty());
        assert_eq!(parse(text.as_bytes()), parse_skeleton(&cut));
    }

    proptest! {
        #[test]
        fn whatever_is_cut_the_files_stay(
            lines in prop::collection::vec(
                prop_oneof![
                    6 => Just("QUJDREVGR0hJSktM".to_owned()),
                    2 => Just("QUJDREVG".to_owned()),
                    1 => "[A-Za-z0-9+/=]{0,9}",
                    1 => Just("--b".to_owned()),
                    1 => Just("--b--".to_owned()),
                    1 => Just(String::new()),
                    1 => Just("Content-Type: text/plain".to_owned()),
                    1 => Just("Content-Type: application/pdf; name=x.pdf".to_owned()),
                    1 => Just("Content-Transfer-Encoding: base64".to_owned()),
                    1 => Just("Content-Transfer-Encoding: quoted-printable".to_owned()),
                    1 => Just(" =41 = -".to_owned()),
                ],
                0..120,
            ),
            end in prop_oneof![Just("\r\n"), Just("\n")],
            piece in 1_usize..200,
        ) {
            let body = lines.join(end);
            check(body.as_bytes(), piece);
            check(mail("base64", &body).as_bytes(), piece);
            check(mail("8bit", &body).as_bytes(), piece);
        }
    }
}
