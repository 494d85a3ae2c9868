//! The content of an S/MIME signature (RFC 5652 §5): a letter that can be read without any key.
//!
//! The signature itself is not checked. The value is read as a stream, because the content may be
//! large, and as BER: Thunderbird and every program that streams write lengths they do not know yet
//! (X.690 §8.1.3.6) and cut the content into pieces. Readers of DER, as the maintained crates are,
//! accept neither.

/// Octets of a tag and its length that are read; no length has more than eight.
const HEAD_BYTES_MAX: usize = 10;

/// What an ASN.1 value claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CmsKind {
    /// Signed, perhaps with its content.
    Signed,
    /// Encrypted.
    Enveloped,
    /// Compressed, or of a kind that no one sends as a letter.
    Other,
}

/// `1.2.840.113549.1`, the prefix of all of these.
const PKCS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01];

/// The kind of a CMS value (RFC 5652 §3), if the bytes are the beginning of one.
pub(super) fn kind(bytes: &[u8]) -> Option<CmsKind> {
    let (0x30, _, rest) = head(bytes)? else { return None };
    let (0x06, Some(length), rest) = head(rest)? else { return None };
    let kind = rest.get(..usize::try_from(length).ok()?)?.strip_prefix(PKCS)?;
    match kind {
        [7, 2] => Some(CmsKind::Signed),
        // Enveloped, signed and enveloped, encrypted; authenticated and enveloped (RFC 5083).
        [7, 3 | 4 | 6] | [9, 16, 1, 23] => Some(CmsKind::Enveloped),
        [7, _] | [9, 16, 1, _] => Some(CmsKind::Other),
        _ => None,
    }
}

/// A tag, a length if it is known, and what follows; nothing if the bytes do not suffice.
fn head(bytes: &[u8]) -> Option<(u8, Option<u64>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let count = usize::from(first & 0x7F);
    match first {
        0x80 => Some((*tag, None, rest)),
        first if *first < 0x80 => Some((*tag, Some(u64::from(*first)), rest)),
        _ => {
            let octets = rest.get(..count)?;
            let length = octets.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
            Some((*tag, Some(length), rest.get(count..)?))
        }
    }
}

/// The reader's position in the value: what comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Outer,
    OuterKind,
    OuterContent,
    SignedData,
    Version,
    Digests,
    Enclosed,
    EnclosedKind,
    EnclosedContent,
    Octets,
    /// One of several pieces of it, or their end.
    Piece,
    Whole,
    /// It has no content, or is something else.
    Nothing,
}

/// Takes the enclosed content out of a signed value that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct SignedContent {
    next: Next,
    head: Vec<u8>,
    /// Octets of the value at hand that are still to come, and whether they are content.
    left: u64,
    is_content: bool,
    /// Open values of unknown length that are skipped.
    depth: u32,
    /// Open pieces of unknown length.
    open: u32,
}

impl SignedContent {
    /// The content in a further piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        let mut rest = piece;
        while let Some((&octet, after)) = rest.split_first() {
            if self.left > 0 {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                let (value, after) = rest.split_at_checked(count).unwrap_or((rest, b""));
                if self.is_content {
                    content.extend_from_slice(value);
                }
                self.left -= count as u64;
                rest = after;
                continue;
            }
            if matches!(self.next, Next::Whole | Next::Nothing) {
                break;
            }
            self.head.push(octet);
            rest = after;
            if let Some((tag, length, _)) = head(&self.head) {
                self.head.clear();
                self.step(tag, length);
            } else if self.head.len() >= HEAD_BYTES_MAX {
                self.next = Next::Nothing;
            }
        }
        content
    }

    /// Whether all of the content has come.
    pub(super) fn is_whole(&self) -> bool {
        self.next == Next::Whole && self.left == 0
    }

    fn step(&mut self, tag: u8, length: Option<u64>) {
        self.is_content = false;
        if self.depth > 0 {
            match (tag, length) {
                (0, Some(0)) => self.depth -= 1,
                (_, Some(length)) => self.left = length,
                (_, None) => self.depth = self.depth.saturating_add(1),
            }
            return;
        }
        self.next = match (self.next, tag) {
            (Next::Outer, 0x30) => Next::OuterKind,
            (Next::OuterKind, 0x06) => self.pass(length, Next::OuterContent),
            (Next::OuterContent, 0xA0) => Next::SignedData,
            (Next::SignedData, 0x30) => Next::Version,
            (Next::Version, 0x02) => self.pass(length, Next::Digests),
            (Next::Digests, 0x31) => self.pass(length, Next::Enclosed),
            (Next::Enclosed, 0x30) => Next::EnclosedKind,
            (Next::EnclosedKind, 0x06) => self.pass(length, Next::EnclosedContent),
            (Next::EnclosedContent, 0xA0) => Next::Octets,
            (Next::Octets | Next::Piece, 0x24) => {
                self.open = self.open.saturating_add(u32::from(length.is_none()));
                Next::Piece
            }
            (Next::Octets, 0x04) => self.emit(length, Next::Whole),
            (Next::Piece, 0x04) => self.emit(length, Next::Piece),
            (Next::Piece, 0) if self.open > 1 => {
                self.open -= 1;
                Next::Piece
            }
            (Next::Piece, _) => Next::Whole,
            _ => Next::Nothing,
        };
    }

    fn pass(&mut self, length: Option<u64>, next: Next) -> Next {
        match length {
            Some(length) => self.left = length,
            None => self.depth = 1,
        }
        next
    }

    fn emit(&mut self, length: Option<u64>, next: Next) -> Next {
        let Some(length) = length else { return Next::Nothing };
        self.left = length;
        self.is_content = true;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = vec![tag];
        match length {
            0..128 => bytes.push(length as u8),
            _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        bytes.extend_from_slice(content);
        bytes
    }

    fn open(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x80], content, &[0, 0]].concat()
    }

    type Build = fn(u8, &[u8]) -> Vec<u8>;

    fn signed(build: Build, octets: &[u8]) -> Vec<u8> {
        let kind = |last: u8| value(6, &[PKCS, &[7, last]].concat());
        let digests = build(0x31, &build(0x30, &value(6, &[0x55])));
        let enclosed = build(0x30, &[kind(1), build(0xA0, octets)].concat());
        let data = [value(2, &[1]), digests, enclosed, value(0xA0, &[1; 300])].concat();
        build(0x30, &[kind(2), build(0xA0, &build(0x30, &data))].concat())
    }

    /// B14: in both forms, whole and in pieces of any length.
    #[test]
    fn b14_signed_content_is_read_in_der_and_ber() {
        let text = "Kalium 6,8 ".repeat(30);
        let pieces = [value(4, b"Kal"), value(0x24, &value(4, b"ium")), value(4, b" 6,8")].concat();
        for (bytes, expected) in [
            (signed(value, &value(4, text.as_bytes())), text.as_str()),
            (signed(open, &value(4, text.as_bytes())), text.as_str()),
            (signed(open, &open(0x24, &pieces)), "Kalium 6,8"),
            (signed(value, &value(0x24, &pieces)), "Kalium 6,8"),
        ] {
            assert_eq!(kind(&bytes), Some(CmsKind::Signed));
            for piece in [1, 2, 7, 10_000] {
                let mut content = SignedContent::default();
                let read: Vec<u8> = bytes.chunks(piece).flat_map(|p| content.take(p)).collect();
                assert_eq!(
                    (String::from_utf8_lossy(&read).as_ref(), content.is_whole()),
                    (expected, true)
                );
            }
            let mut content = SignedContent::default();
            content.take(&bytes[..20]);
            assert!(!content.is_whole());
        }
    }

    #[test]
    fn b14_what_is_not_signed_or_has_no_content_gives_nothing() {
        let kind_of = |pkcs: &[u8]| kind(&value(0x30, &value(6, &[PKCS, pkcs].concat())));
        assert_eq!(kind_of(&[7, 3]), Some(CmsKind::Enveloped));
        assert_eq!(kind_of(&[9, 16, 1, 23]), Some(CmsKind::Enveloped));
        assert_eq!(kind_of(&[9, 16, 1, 9]), Some(CmsKind::Other));
        assert_eq!(kind_of(&[1, 1]), None);
        for bytes in [&b""[..], b"%PDF-1.4", b"\x30\x80", &[0x30; 50], &[0xFF; 50], &[0x30, 0x88]] {
            assert_eq!(kind(bytes), None);
            let mut content = SignedContent::default();
            assert!(content.take(bytes).is_empty() && !content.is_whole());
        }
        // A detached signature, beside what it signs.
        let mut content = SignedContent::default();
        assert!(content.take(&signed(value, b"")).is_empty());
        assert!(!content.is_whole());
    }
}
