//! Changes bytes as senders, servers and attackers do. The same seed gives the same bytes.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// The largest size of a mutated input, in bytes.
const BYTES_MAX: usize = 256 * 1024;

/// Words that mean something to one of the doors.
const WORDS: [&[u8]; 44] = [
    b"\r\n",
    b"\n\n",
    b"\r\r\n",
    b"\0",
    b"\xFF\xFE",
    b"\xEF\xBB\xBF",
    b"\xE2\x80\xAE",
    b"&#150;",
    b"&#x110000;",
    b"&#0;",
    b"&amp",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"<noscript>",
    b"<noframes>",
    b"</plaintext>",
    b"<plaintext>",
    b"<s>",
    b"<del style=\"text-decoration:line-through\">",
    b"<table><tr><td>",
    b"=?utf-8?q?=C3?=",
    b"=?utf-8?b?w7w=?=",
    b"=?",
    b"--b",
    b"--",
    b"Content-Type: ",
    b"multipart/mixed; boundary=b",
    b"multipart/alternative",
    b"message/rfc822",
    b"base64",
    b"=3D=",
    b"begin 644 x.pdf",
    b"`\nend\n",
    b"filename*0*=utf-8''%C3",
    b"+OK ",
    b"-ERR ",
    b"\r\n.\r\n",
    b"* ",
    b"{4294967295}",
    b"{0}",
    b"A2 OK ",
    b"* BYE ",
    b"\"m.relates_to\":{\"rel_type\":\"m.replace\"}",
];

const NUMBERS: [&[u8]; 9] = [
    b"0",
    b"-1",
    b"1",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"18446744073709551616",
    b"1e999",
    b"99999999999999999999999999",
];

pub(crate) struct Mutator {
    rng: StdRng,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed) }
    }

    /// A corpus entry with some changes.
    pub(crate) fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus.choose(&mut self.rng).cloned().unwrap_or_default();
        for _ in 0..self.rng.random_range(1..=6) {
            self.change(&mut bytes, corpus);
            bytes.truncate(BYTES_MAX);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.rng.random_range(0..=bytes.len());
        let end = (at + self.rng.random_range(0..64)).min(bytes.len());
        match self.rng.random_range(0..11) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.rng.random_range(0..8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.rng.random();
                }
            }
            2 => _ = bytes.drain(at..end),
            3 => {
                let word = WORDS.choose(&mut self.rng).copied().unwrap_or_default();
                bytes.splice(at..at, word.iter().copied());
            }
            4 => {
                let word = WORDS.choose(&mut self.rng).copied().unwrap_or_default();
                bytes.splice(at..end, word.iter().copied());
            }
            5 => {
                let piece = bytes[at..end].to_vec();
                let times = self.rng.random_range(1..200);
                bytes.splice(at..at, piece.repeat(times));
            }
            6 => bytes.truncate(at),
            7 => {
                let other = corpus.choose(&mut self.rng).map_or(&[][..], Vec::as_slice);
                let from = self.rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            8 => self.lie(bytes, at),
            9 => self.swap_lines(bytes),
            _ => {
                let word = WORDS.choose(&mut self.rng).copied().unwrap_or_default();
                let times = self.rng.random_range(1..3_000);
                bytes.splice(at..at, word.repeat(times));
            }
        }
    }

    /// Another number in the place of the next one.
    fn lie(&mut self, bytes: &mut Vec<u8>, from: usize) {
        let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit) else { return };
        let start = from + start;
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = NUMBERS.choose(&mut self.rng).copied().unwrap_or_default();
        bytes.splice(start..start + length, number.iter().copied());
    }

    fn swap_lines(&mut self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        if lines.len() > 1 {
            let (a, b) =
                (self.rng.random_range(0..lines.len()), self.rng.random_range(0..lines.len()));
            lines.swap(a, b);
        }
        *bytes = lines.concat();
    }
}
