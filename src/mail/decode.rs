//! Transfer encodings and character sets, read leniently.

use std::borrow::Cow;

use mail_parser::decoders::{base64::base64_decode, charsets::map::charset_decoder};
use memchr::memrchr;

use crate::model::{Attachment, TransferEncoding};

/// The transfer encoding of this name, and whether it is known. What is not is left as it is.
pub(super) fn encoding(name: &str) -> (TransferEncoding, bool) {
    match name.trim().to_ascii_lowercase().as_str() {
        "base64" => (TransferEncoding::Base64, true),
        "quoted-printable" => (TransferEncoding::QuotedPrintable, true),
        "" | "7bit" | "8bit" | "binary" => (TransferEncoding::Identity, true),
        _ => (TransferEncoding::Identity, false),
    }
}

/// The bytes of a part without their Content-Transfer-Encoding, and whether that was broken.
///
/// Broken base64 and quoted-printable give what can be read of them: a fax with a stray character
/// in line 300 is better half shown, with a hint, than not at all.
pub(super) fn transfer(bytes: &[u8], encoding: TransferEncoding) -> (Cow<'_, [u8]>, bool) {
    match encoding {
        TransferEncoding::Base64 => match base64_decode(bytes) {
            Some(decoded) => (Cow::Owned(decoded), false),
            None => {
                let known = digits(bytes);
                (Cow::Owned(base64_decode(&known).unwrap_or_default()), true)
            }
        },
        TransferEncoding::QuotedPrintable => {
            let (decoded, broken) = quoted_printable(bytes);
            (Cow::Owned(decoded), broken)
        }
        TransferEncoding::Identity => (Cow::Borrowed(bytes), false),
    }
}

/// RFC 2045 §6.8: what is not in the alphabet is to be ignored.
fn digits(bytes: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=') {
            digits.push(byte);
        }
    }
    digits
}

/// Takes the transfer encoding off a file that comes in pieces, as leniently as the whole is read.
#[derive(Debug)]
pub struct Decoder {
    encoding: TransferEncoding,
    /// What waits for its rest: a group of base64, or a line of quoted-printable.
    held: Vec<u8>,
}

impl Decoder {
    pub fn new(encoding: TransferEncoding) -> Self {
        Self { encoding, held: Vec::new() }
    }

    /// What a further piece comes to.
    pub fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        match self.encoding {
            TransferEncoding::Identity => return piece.to_vec(),
            TransferEncoding::Base64 => self.held.extend_from_slice(&digits(piece)),
            TransferEncoding::QuotedPrintable => self.held.extend_from_slice(piece),
        }
        let whole = match self.encoding {
            // A group ends with its fourth digit, or with padding wherever it stands.
            TransferEncoding::Base64 => {
                let group = memrchr(b'=', &self.held).map_or(0, |at| at + 1);
                self.held.len() - (self.held.len() - group) % 4
            }
            _ => memrchr(b'\n', &self.held).map_or(0, |at| at + 1),
        };
        let rest = self.held.split_off(whole);
        let whole = std::mem::replace(&mut self.held, rest);
        transfer(&whole, self.encoding).0.into_owned()
    }

    /// What the last piece left.
    pub fn finish(self) -> Vec<u8> {
        transfer(&self.held, self.encoding).0.into_owned()
    }
}

/// The bytes of a file, out of its mail.
pub fn content(mail: &[u8], file: &Attachment) -> Vec<u8> {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    let place = at(file.place.start)..at(file.place.end);
    transfer(mail.get(place).unwrap_or_default(), file.encoding).0.into_owned()
}

/// The text that `bytes` are in `charset`, and whether they were not what that claims.
///
/// `prefix`: the bytes are the beginning of something longer and may end within a character.
pub(super) fn text(bytes: &[u8], charset: Option<&str>, prefix: bool) -> (String, bool) {
    let charset = charset.unwrap_or_default().trim().to_ascii_lowercase();
    let utf8 = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if prefix && error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    let is_ascii = bytes.is_ascii();
    match (charset.as_str(), utf8) {
        ("" | "utf-8" | "utf8" | "us-ascii" | "ascii", Some(text)) => {
            (text.to_owned(), !is_ascii && charset.ends_with("ascii"))
        }
        // Not what it claims: in this country most likely the Windows set.
        ("" | "utf-8" | "utf8" | "us-ascii" | "ascii", None) => (windows_1252(bytes), true),
        // `Ã¤` is hardly ever meant: UTF-8 that calls itself Latin.
        ("iso-8859-1" | "iso-8859-15" | "latin1" | "windows-1252" | "cp1252", Some(text))
            if !is_ascii =>
        {
            (text.to_owned(), true)
        }
        (known, _) => match charset_decoder(known.as_bytes()) {
            Some(decode) => (decode(bytes), false),
            None => (utf8.map_or_else(|| windows_1252(bytes), str::to_owned), true),
        },
    }
}

/// Every byte has a meaning here, so this cannot fail.
pub(super) fn windows_1252(bytes: &[u8]) -> String {
    match charset_decoder(b"windows-1252") {
        Some(decode) => decode(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// RFC 2045 §6.7. A `=` without two hexadecimal digits stays as it is.
fn quoted_printable(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut broken = false;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let bare = line.trim_ascii_end();
        let line_end: &[u8] = if line.ends_with(b"\r\n") {
            b"\r\n"
        } else if line.ends_with(b"\n") {
            b"\n"
        } else {
            b""
        };
        let (bare, line_end) = match bare.strip_suffix(b"=") {
            Some(soft) => (soft, b"".as_slice()),
            None => (bare, line_end),
        };
        let mut rest = bare.iter().copied();
        while let Some(byte) = rest.next() {
            if byte != b'=' {
                decoded.push(byte);
                continue;
            }
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
        decoded.extend_from_slice(line_end);
    }
    (decoded, broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        check_transfer(b"f=FCr=\r\n dich \r\nx=\n", "Quoted-Printable", b"f\xFCr dich\r\nx", false);
        check_transfer(b"100=% =3D", "quoted-printable", b"100=% =", true);
        check_transfer(b"plain\0\xFF", "8bit", b"plain\0\xFF", false);
        check_transfer(b"begin 644", "x-uuencode", b"begin 644", true);
    }

    proptest! {
        #[test]
        fn pieces_decode_as_the_whole_does(
            bytes in prop_oneof![
                "[A-Za-z0-9+/= \\r\\n!-]{0,200}".prop_map(String::into_bytes),
                "([a-z =\\t]|=[0-9A-F]{2}|\\r\\n|\\n){0,60}".prop_map(String::into_bytes),
            ],
            piece in 1_usize..30,
        ) {
            for encoding in [
                TransferEncoding::Base64,
                TransferEncoding::QuotedPrintable,
                TransferEncoding::Identity,
            ] {
                let mut decoder = Decoder::new(encoding);
                let mut pieces: Vec<u8> =
                    bytes.chunks(piece).flat_map(|piece| decoder.take(piece)).collect();
                pieces.extend(decoder.finish());
                let (whole, _) = transfer(&bytes, encoding);
                prop_assert_eq!(&pieces, whole.as_ref());
            }
        }
    }

    fn check_text(bytes: &[u8], charset: Option<&str>, expected: &str, lied: bool) {
        assert_eq!(text(bytes, charset, false), (expected.to_owned(), lied), "{charset:?}");
    }

    #[test]
    fn character_sets_are_read_also_when_they_lie() {
        check_text("grün".as_bytes(), Some("UTF-8"), "grün", false);
        check_text("grün".as_bytes(), None, "grün", false);
        check_text(b"gr\xFCn \x80", Some("iso-8859-1"), "grün €", false);
        check_text(b"gr\xFCn \xA4", Some("ISO-8859-15"), "grün €", false);
        check_text(b"gr\xFCn \x80", Some("windows-1252"), "grün €", false);
        check_text(b"gr\xFCn", Some("utf-8"), "grün", true);
        check_text(b"gr\xFCn", Some("us-ascii"), "grün", true);
        check_text("grün".as_bytes(), Some("iso-8859-1"), "grün", true);
        check_text(b"gr\xFCn", Some("x-unknown"), "grün", true);
        check_text("grün".as_bytes(), Some("x-unknown"), "grün", true);
    }

    #[test]
    fn a_text_that_was_cut_within_a_character_is_no_lie() {
        assert_eq!(text(&"ü".as_bytes()[..1], Some("utf-8"), true), (String::new(), false));
    }
}
