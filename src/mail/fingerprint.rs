//! Recognising a mail that was delivered twice.

use memchr::memchr;
use sha2::{Digest, Sha256};

use super::{
    header::{HeaderBlock, unfold},
    skeleton::Skeleton,
};
use crate::model::Letter;

/// The fields that belong to a mail's content: who speaks to whom, what it answers, where its own
/// answers go, and how its bytes are to be read. Trace fields (Received, Return-Path, Delivered-To,
/// X-…) differ between two deliveries of one mail and are left out.
const FIELDS: [&str; 13] = [
    "From",
    "To",
    "Cc",
    "Date",
    "Message-ID",
    "Subject",
    "Sender",
    "Reply-To",
    "In-Reply-To",
    "References",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
];

/// Identifies the content of a mail, so that a second delivery of the same mail is recognised.
///
/// A Message-ID alone is not enough: some gateways write none, some reuse one (KIM-8, FAX-2).
/// `None` if the letter has neither Message-ID nor date: two such mails cannot be told from a
/// repeat, and showing one twice is better than losing one.
pub fn fingerprint(raw: &[u8], letter: &Letter) -> Option<[u8; 32]> {
    let mut hash = Fingerprinting::begin(&Skeleton::whole(raw), letter)?;
    hash.take(raw);
    Some(hash.finish())
}

/// A fingerprint of a mail that comes in pieces.
#[derive(Debug)]
pub struct Fingerprinting {
    /// Everything up to the last byte that is not blank: blanks at the end do not count.
    settled: Sha256,
    /// The same with the blanks that came since.
    ahead: Sha256,
    /// A CR waits for its LF.
    has_cr: bool,
    /// Bytes of the mail before its body that have not come yet.
    head: u64,
}

impl Fingerprinting {
    /// Begins with what was read already; [`Self::take`] then needs the whole mail.
    pub fn begin(skeleton: &Skeleton<'_>, letter: &Letter) -> Option<Self> {
        if letter.message_id.is_none() && letter.date.is_none() {
            return None;
        }
        let (block, body) = HeaderBlock::split(skeleton.bytes());
        let mut hash = Sha256::new();
        for name in FIELDS {
            for value in block.values(name) {
                // Folding is each relay's own business.
                let words = unfold(value).split_whitespace().collect::<Vec<_>>().join(" ");
                hash.update(format!("{name}:{}:{words}\n", words.len()));
            }
        }
        let head = if body.is_empty() { skeleton.mail_bytes() } else { skeleton.place(body).start };
        Some(Self { settled: hash.clone(), ahead: hash, has_cr: false, head })
    }

    /// A further piece of the mail.
    pub fn take(&mut self, piece: &[u8]) {
        let skipped = usize::try_from(self.head).unwrap_or(usize::MAX).min(piece.len());
        self.head -= skipped as u64;
        let piece = piece.get(skipped..).unwrap_or_default();
        let (text, blanks) =
            piece.split_at_checked(piece.trim_ascii_end().len()).unwrap_or((piece, b""));
        if !text.is_empty() {
            self.go_ahead(text);
            self.settled = self.ahead.clone();
        }
        self.go_ahead(blanks);
    }

    /// Line ends are each relay's own business, too.
    fn go_ahead(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.has_cr) && first != b'\n' {
                self.ahead.update(b"\r");
            }
            let end = memchr(b'\r', rest).unwrap_or(rest.len());
            let (plain, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            self.ahead.update(plain);
            self.has_cr = !after.is_empty();
            rest = after.get(1..).unwrap_or_default();
        }
    }

    pub fn finish(mut self) -> [u8; 32] {
        self.settled.update(b"\n");
        self.settled.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::parse;

    const MAIL: &str = "From: a@x.de\nTo: b@y.de\nDate: Mon, 23 Nov 2026 13:13:04 +0000\n\
        Message-ID: <1@x>\nSubject: Befund\n\nText\n";

    fn of(mail: &str) -> Option<[u8; 32]> {
        fingerprint(mail.as_bytes(), &parse(mail.as_bytes()))
    }

    #[test]
    fn p6_fax_2_a_second_delivery_has_the_same_fingerprint() {
        let again = format!(
            "Return-Path: <a@x.de>\r\nDelivered-To: c@y.de\r\nReceived: by y.de; now\r\nX-Spam: no\r\n{}\r\n",
            MAIL.replace("Subject: ", "Subject:\n  ").replace('\n', "\r\n")
        );
        assert!(of(MAIL).is_some());
        assert_eq!(of(MAIL), of(&again));
    }

    /// The same, said line by line.
    fn of_lines(raw: &[u8]) -> [u8; 32] {
        let (block, body) = HeaderBlock::split(raw);
        let mut hash = Sha256::new();
        for name in FIELDS {
            for value in block.values(name) {
                let words = unfold(value).split_whitespace().collect::<Vec<_>>().join(" ");
                hash.update(format!("{name}:{}:{words}\n", words.len()));
            }
        }
        for line in body.trim_ascii_end().split(|b| *b == b'\n') {
            hash.update(line.strip_suffix(b"\r").unwrap_or(line));
            hash.update(b"\n");
        }
        hash.finalize().into()
    }

    proptest! {
        #[test]
        fn pieces_have_the_fingerprint_of_the_whole(
            body in "[a \\t\\r\\n\\x0c]{0,40}",
            piece in 1_usize..50,
        ) {
            let mail = format!("Message-ID: <1@x>\nSubject: x\n\n{body}");
            let raw = mail.as_bytes();
            let mut hash = Fingerprinting::begin(&Skeleton::whole(raw), &parse(raw)).unwrap();
            raw.chunks(piece).for_each(|piece| hash.take(piece));
            prop_assert_eq!(hash.finish(), of_lines(raw));
        }
    }

    #[test]
    fn another_mail_has_another_fingerprint() {
        for (from, to) in [
            ("a@x.de", "c@x.de"),
            ("To: b@y.de", "To: b@z.de"),
            ("13:13:04", "13:13:05"),
            ("<1@x>", "<2@x>"),
            ("Befund", "Befunde"),
            ("Text", "Text."),
            ("To: b@y.de\n", "To: b@y.de\nCc: d@y.de\n"),
        ] {
            assert_ne!(of(MAIL), of(&MAIL.replace(from, to)), "{from}");
        }
    }

    /// A sender that corrects just that and sends the mail again says something else.
    #[test]
    fn a_mail_whose_bytes_mean_something_else_is_no_repeat() {
        for (first, second) in [
            ("Content-Transfer-Encoding: quoted-printable", "Content-Transfer-Encoding: 8bit"),
            ("Content-Type: text/plain; charset=utf-8", "Content-Type: text/plain; charset=cp850"),
            ("Content-Type: text/plain", "Content-Type: text/html"),
            ("Content-Type: text/plain", "X-Mailer: x"),
            ("Content-Disposition: attachment", "Content-Disposition: inline"),
        ] {
            let of = |field: &str| of(&format!("{field}\n{}", MAIL.replace("Text", "TSH=31")));
            assert_ne!(of(first), of(second), "{first}");
            assert_eq!(of(first), of(&first.replace(": ", ":\n\t")), "{first}");
        }
    }

    #[test]
    fn a_mail_that_wants_its_answers_elsewhere_is_no_repeat() {
        for name in ["Reply-To", "Sender", "In-Reply-To", "References"] {
            let of = |who: &str| of(&format!("{name}: <{who}@x.de>\n{MAIL}"));
            assert_ne!(of("falsch"), of("richtig"), "{name}");
        }
    }

    #[test]
    fn kim_8_one_message_id_on_two_mails_is_not_a_repeat() {
        assert_ne!(of(MAIL), of(&MAIL.replace("Text", "Ein anderer Text")));
    }

    #[test]
    fn fax_2_without_message_id_and_date_nothing_is_a_repeat() {
        let bare = "From: a@x.de\nSubject: Fax received from \"\"\n\nPages: 1\n";
        assert_eq!(of(bare), None);
        assert!(of(&format!("Date: Mon, 23 Nov 2026 13:13:04 +0000\n{bare}")).is_some());
        assert!(of(&format!("Message-ID: <1@x>\n{bare}")).is_some());
    }
}
