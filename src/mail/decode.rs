//! Transfer encodings, read leniently.

use std::{borrow::Cow, ops::Range};

use mail_parser::decoders::base64::base64_decode;
use memchr::{memchr, memrchr};

use super::{header::LineEnds, signed::SignedContent, uuencode};
use crate::model::{Attachment, TransferEncoding};

/// The transfer encoding of this name, and whether it is known. An unknown one leaves the bytes as
/// they are.
pub(super) fn encoding(name: &str) -> (TransferEncoding, bool) {
    let is_end = |c: char| c.is_whitespace() || matches!(c, ';' | '(' | ',');
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == ';');
    let name = name.split(is_end).next().unwrap_or_default().to_ascii_lowercase();
    match name.replace(['-', '_'], "").as_str() {
        "base64" | "b64" => (TransferEncoding::Base64, true),
        "quotedprintable" | "qp" => (TransferEncoding::QuotedPrintable, true),
        "xuuencode" | "uuencode" | "xuue" | "uue" | "xuu" => (TransferEncoding::Uuencode, true),
        "" | "7bit" | "8bit" | "binary" | "none" | "identity" | "plain" => {
            (TransferEncoding::Identity, true)
        }
        _ => (TransferEncoding::Identity, false),
    }
}

/// The bytes of a part without their Content-Transfer-Encoding, and whether that was broken.
///
/// From broken base64 and quoted-printable, everything readable is returned: a fax with a stray
/// character in line 300 is better half shown, with a hint, than not at all.
pub(super) fn transfer(bytes: &[u8], encoding: TransferEncoding) -> (Cow<'_, [u8]>, bool) {
    match encoding {
        // The library stops at such a byte as if the data ended there.
        TransferEncoding::Base64 => match base64_decode(bytes) {
            Some(decoded) if memchr(0xFF, bytes).is_none() => (Cow::Owned(decoded), false),
            _ => (Cow::Owned(whole_groups(&digits(bytes))), true),
        },
        TransferEncoding::QuotedPrintable => {
            let (decoded, broken) = quoted_printable(bytes);
            (Cow::Owned(decoded), broken)
        }
        TransferEncoding::Uuencode => (Cow::Owned(uuencode::decoded(bytes)), false),
        TransferEncoding::Signed => {
            let mut content = SignedContent::default();
            (Cow::Owned(content.take(bytes)), !content.is_whole())
        }
        TransferEncoding::Identity => (Cow::Borrowed(bytes), false),
    }
}

/// The groups of digits, up to each padding. A single digit is less than a byte, and no reason to
/// lose the others.
fn whole_groups(digits: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for run in digits.split(|b| *b == b'=') {
        let whole = if run.len() % 4 == 1 { run.len() - 1 } else { run.len() };
        let decoded = run.get(..whole).and_then(base64_decode);
        bytes.extend(decoded.unwrap_or_default());
    }
    bytes
}

/// RFC 2045 §6.8: characters outside the alphabet are to be ignored.
fn digits(bytes: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if is_digit(byte) {
            digits.push(byte);
        }
    }
    digits
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=')
}

/// Where the base64 of a part is. The lines before and after it are something else: a notice that a
/// relay or a scanner put there in plain text, which would become rubbish when decoded.
///
/// After padding, and after a short line and an empty one, only whole lines of base64 continue it;
/// a line of words never does.
pub(super) fn base64_lines(content: &[u8]) -> Range<usize> {
    let lines = LineEnds::of(content);
    let (mut start, mut end) = (None, 0);
    // The length of a full line, and whether the last one may have ended the data.
    let mut full = 0;
    let mut may_be_over = false;
    let mut has_gap = false;
    let mut rest = content;
    while !rest.is_empty() {
        let at = content.len() - rest.len();
        let (line, after) = lines.next(rest);
        let digits = line.trim_ascii();
        rest = after;
        if digits.is_empty() {
            has_gap = true;
            continue;
        }
        let is_data = is_data(digits);
        if start.is_none() {
            if !is_data {
                continue;
            }
            start = Some(at);
        } else if !is_data || (may_be_over && !goes_on(digits, full, has_gap)) {
            break;
        }
        full = full.max(digits.len());
        may_be_over = digits.ends_with(b"=") || digits.len() < full;
        has_gap = false;
        end = content.len() - after.len();
    }
    start.unwrap_or(content.len())..end.max(start.unwrap_or(content.len()))
}

/// Whether a line may be base64, with a stray character or two.
fn is_data(line: &[u8]) -> bool {
    let strays = line.iter().filter(|b| !is_digit(**b)).count();
    if strays == 0 {
        return true;
    }
    // Blanks between words: no encoder puts them into base64.
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    words <= 1 && strays * 8 < line.len() && !line.starts_with(b"--")
}

/// Whether a line looks like one of many such lines, and not like a word.
pub(super) fn is_line_of_data(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.len() >= 40 && line.iter().all(|b| is_digit(*b))
}

/// Whether a line continues data that may have ended: another run of it.
fn goes_on(line: &[u8], full: usize, has_gap: bool) -> bool {
    let is_clean = line.iter().all(|b| is_digit(*b)) && line.len().is_multiple_of(4);
    is_clean && (!has_gap || line.len() == full)
}

/// Removes the transfer encoding from a file that comes in pieces, as leniently as for the whole.
#[derive(Debug)]
pub struct Decoder {
    steps: Vec<DecodingStep>,
}

/// One layer of a file's encoding: which bytes of the layer around it are read, and how.
#[derive(Debug)]
struct DecodingStep {
    skip: u64,
    left: u64,
    codec: Codec,
}

#[derive(Debug)]
enum Codec {
    Identity,
    /// With the bytes that wait for the rest of their group (here of base64) or of their line.
    Groups(Vec<u8>),
    Lines(Vec<u8>, TransferEncoding),
    Signed(SignedContent),
}

impl Decoder {
    /// Wants the bytes of the mail that contains the file.
    pub fn of(file: &Attachment) -> Self {
        let outer = DecodingStep { skip: 0, left: u64::MAX, codec: Codec::of(file.encoding) };
        let inner = file.within.iter().map(|layer| DecodingStep {
            skip: layer.place.start,
            left: layer.place.end.saturating_sub(layer.place.start),
            codec: Codec::of(layer.encoding),
        });
        Self { steps: std::iter::once(outer).chain(inner).collect() }
    }

    /// The result of a further piece.
    pub fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        through(&mut self.steps, piece.into())
    }

    /// The rest that the last piece left.
    pub fn finish(mut self) -> Vec<u8> {
        let mut last = Vec::new();
        let mut steps = self.steps.as_mut_slice();
        while let Some((step, inner)) = steps.split_first_mut() {
            last.extend(through(inner, step.codec.finish().into()));
            steps = inner;
        }
        last
    }
}

fn through(steps: &mut [DecodingStep], piece: Cow<'_, [u8]>) -> Vec<u8> {
    let mut bytes = piece;
    for step in steps {
        bytes = step.codec.take(take_of(&bytes, &mut step.skip, &mut step.left)).into();
    }
    bytes.into_owned()
}

/// The bytes of a piece that belong to a layer.
fn take_of<'a>(bytes: &'a [u8], skip: &mut u64, left: &mut u64) -> &'a [u8] {
    let at = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    let start = at(*skip);
    *skip -= start as u64;
    let bytes = bytes.get(start..).unwrap_or_default();
    let end = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= end as u64;
    bytes.get(..end).unwrap_or_default()
}

impl Codec {
    fn of(encoding: TransferEncoding) -> Self {
        match encoding {
            TransferEncoding::Identity => Self::Identity,
            TransferEncoding::Base64 => Self::Groups(Vec::new()),
            TransferEncoding::QuotedPrintable | TransferEncoding::Uuencode => {
                Self::Lines(Vec::new(), encoding)
            }
            TransferEncoding::Signed => Self::Signed(SignedContent::default()),
        }
    }

    fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Identity => piece.to_vec(),
            Self::Signed(content) => content.take(piece),
            Self::Groups(held) => {
                held.extend_from_slice(&digits(piece));
                // A group ends with its fourth digit, or with padding anywhere.
                let group = memrchr(b'=', held).map_or(0, |at| at + 1);
                let whole = held.len() - (held.len() - group) % 4;
                decoded(held, whole, TransferEncoding::Base64)
            }
            Self::Lines(held, encoding) => {
                held.extend_from_slice(piece);
                let whole = memrchr(b'\n', held).map_or(0, |at| at + 1);
                decoded(held, whole, *encoding)
            }
        }
    }

    fn finish(&mut self) -> Vec<u8> {
        match self {
            Self::Identity | Self::Signed(_) => Vec::new(),
            Self::Groups(held) => {
                let whole = held.len();
                decoded(held, whole, TransferEncoding::Base64)
            }
            Self::Lines(held, encoding) => {
                let whole = held.len();
                decoded(held, whole, *encoding)
            }
        }
    }
}

/// The result of decoding the first of the bytes that are held.
fn decoded(held: &mut Vec<u8>, whole: usize, encoding: TransferEncoding) -> Vec<u8> {
    let rest = held.split_off(whole);
    let whole = std::mem::replace(held, rest);
    transfer(&whole, encoding).0.into_owned()
}

/// The bytes of a file, from its mail.
pub fn content(mail: &[u8], file: &Attachment) -> Vec<u8> {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    let place = at(file.place.start)..at(file.place.end);
    let mut decoder = Decoder::of(file);
    let mut bytes = decoder.take(mail.get(place).unwrap_or_default());
    bytes.extend(decoder.finish());
    bytes
}

/// RFC 2045 §6.7. A `=` without two hexadecimal digits stays as it is.
fn quoted_printable(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut broken = false;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (line, after) = LineEnds::ANY.next(rest);
        let whole = rest.get(..rest.len() - after.len()).unwrap_or_default();
        rest = after;
        let bare = line.trim_ascii_end();
        let line_end: &[u8] = if whole.ends_with(b"\r\n") {
            b"\r\n"
        } else if whole.ends_with(b"\n") {
            b"\n"
        } else if whole.ends_with(b"\r") {
            b"\r"
        } else {
            b""
        };
        let (bare, line_end) = match bare.strip_suffix(b"=") {
            Some(soft) => (soft, b"".as_slice()),
            None => (bare, line_end),
        };
        let mut digits = bare.iter().copied();
        while let Some(byte) = digits.next() {
            if byte != b'=' {
                decoded.push(byte);
                continue;
            }
            let mut ahead = digits.clone();
            let hex = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16));
            match (hex(ahead.next()), hex(ahead.next())) {
                (Some(high), Some(low)) => {
                    decoded.extend(u8::try_from(high * 16 + low));
                    digits = ahead;
                }
                _ => {
                    broken = true;
                    decoded.push(b'=');
                }
            }
        }
        decoded.extend_from_slice(line_end);
    }
    (decoded, broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Layer;

    fn check_transfer(bytes: &[u8], name: &str, expected: &[u8], broken: bool) {
        let (encoding, is_known) = encoding(name);
        let (actual, was_broken) = transfer(bytes, encoding);
        let was_broken = was_broken || !is_known;
        assert_eq!(
            (String::from_utf8_lossy(&actual), was_broken),
            (String::from_utf8_lossy(expected), broken)
        );
    }

    #[test]
    fn transfer_encodings_are_read_as_far_as_they_go() {
        check_transfer(b"SGFs\r\nbG8=\r\n", "BASE64", b"Hallo", false);
        check_transfer(b"SGF!s\r\nbG8=", " base64 ", b"Hallo", true);
        check_transfer(b"SGFsbG8=", "\"base64\";", b"Hallo", false);
        check_transfer(b"SGFs!bG8=SGFsb", "base64", b"HalloHal", true);
        check_transfer(b"SGFs\xFFbG8=", "base64", b"Hallo", true);
        check_transfer(b"SGFsbG8=", "base-64 (RFC 2045)", b"Hallo", false);
        check_transfer(b"f=FCr=\r\n dich \r\nx=\n", "Quoted-Printable", b"f\xFCr dich\r\nx", false);
        check_transfer(b"f=FCr=\r dich \rx=\r", "Quoted-Printable", b"f\xFCr dich\rx", false);
        check_transfer(b"100=% =3D", "quoted-printable", b"100=% =", true);
        check_transfer(b"plain\0\xFF", "8bit", b"plain\0\xFF", false);
        check_transfer(b"=ybegin", "x-yenc", b"=ybegin", true);
        for name in ["x-uuencode", "uuencode", "X-UUE", "uue"] {
            check_transfer(b"%2&%L;&\\", name, b"Hallo", false);
        }
    }

    /// B10, B62: base64 ends where something else begins, and not before.
    #[test]
    fn b10_base64_ends_where_something_else_begins() {
        let check = |content: &str, expected: &str| {
            let lines = base64_lines(content.as_bytes());
            assert_eq!(content.get(lines), Some(expected), "{content:?}");
        };
        check("SGFs\nbG8=\n", "SGFs\nbG8=\n");
        check("SGFs\nbG8=\n\n-- \nGeprüft.\n", "SGFs\nbG8=\n");
        check("SGFs\nbG8=\nGeprueft\n", "SGFs\nbG8=\nGeprueft\n");
        check("SGFs\nbG8=\n\nGeprueft\n", "SGFs\nbG8=\n");
        check("SGFsSGFs\nSGFs\n\nDiese Nachricht wurde geprueft\n", "SGFsSGFs\nSGFs\n");
        check("SGFsSGFs\nDiese Nachricht\nSGFs\n", "SGFsSGFs\n");
        check("Warnung: von aussen\n\nSGFs\nbG8=\n", "SGFs\nbG8=\n");
        // Two runs (B62), and each line doubled.
        check("SGFsIA==\nbG8gZGE=\n", "SGFsIA==\nbG8gZGE=\n");
        check("SGFs\n\nSGFs\n\nbG8=\n", "SGFs\n\nSGFs\n\nbG8=\n");
        // A stray character does not end it.
        check("SGFsSGFs!\nSGFsSGFs\nbG8=\n", "SGFsSGFs!\nSGFsSGFs\nbG8=\n");
        check("Kein Base64 hier.\n", "");
        check("", "");
    }

    proptest! {
        #[test]
        fn pieces_decode_as_the_whole_does(
            bytes in prop_oneof![
                "[A-Za-z0-9+/= \\r\\n!-]{0,200}".prop_map(String::into_bytes),
                "([a-z =\\t]|=[0-9A-F]{2}|\\r\\n|\\n){0,60}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..60),
            ],
            piece in 1_usize..30,
            inner in prop::collection::vec((0_u64..40, 0_u64..90, 0_usize..5), 0..3),
        ) {
            let encodings = [
                TransferEncoding::Base64,
                TransferEncoding::QuotedPrintable,
                TransferEncoding::Identity,
                TransferEncoding::Uuencode,
                TransferEncoding::Signed,
            ];
            for encoding in encodings {
                let within = inner.iter().map(|(start, length, which)| Layer {
                    place: *start..start + length,
                    encoding: encodings[*which],
                });
                let file = Attachment {
                    file_name: String::new(),
                    media_type: String::new(),
                    bytes: 0,
                    place: 0..bytes.len() as u64,
                    encoding,
                    within: within.collect(),
                };
                let mut decoder = Decoder::of(&file);
                let mut pieces: Vec<u8> =
                    bytes.chunks(piece).flat_map(|piece| decoder.take(piece)).collect();
                pieces.extend(decoder.finish());
                let mut whole = transfer(&bytes, encoding).0.into_owned();
                for layer in &file.within {
                    let start = usize::try_from(layer.place.start).unwrap().min(whole.len());
                    let end = usize::try_from(layer.place.end).unwrap().min(whole.len());
                    whole = transfer(&whole[start..end], layer.encoding).0.into_owned();
                }
                prop_assert_eq!(pieces, whole);
            }
        }
    }
}
