//! Recognising a mail that was delivered twice.

use sha2::{Digest, Sha256};

use super::header::{Block, unfold};
use crate::model::Letter;

/// The fields that belong to a mail's content. Trace fields (Received, Return-Path, Delivered-To,
/// X-…) differ between two deliveries of one mail and are left out.
const FIELDS: [&str; 6] = ["From", "To", "Cc", "Date", "Message-ID", "Subject"];

/// Identifies the content of a mail, so that a second delivery of the same mail is recognised.
///
/// A Message-ID alone does not: some gateways write none, some reuse one (KIM-8, FAX-2). `None`
/// when the letter has neither Message-ID nor date: two such mails cannot be told from a repeat,
/// and showing one twice is better than losing one.
pub fn fingerprint(raw: &[u8], letter: &Letter) -> Option<[u8; 32]> {
    if letter.message_id.is_none() && letter.date.is_none() {
        return None;
    }
    let (block, body) = Block::split(raw);
    let mut hash = Sha256::new();
    for name in FIELDS {
        for value in block.values(name) {
            // Folding is the business of each relay.
            let words = unfold(value).split_whitespace().collect::<Vec<_>>().join(" ");
            hash.update(format!("{name}:{}:{words}\n", words.len()));
        }
    }
    // So are line ends, and empty lines at the end.
    for line in body.trim_ascii_end().split(|b| *b == b'\n') {
        hash.update(line.strip_suffix(b"\r").unwrap_or(line));
        hash.update(b"\n");
    }
    Some(hash.finalize().into())
}

#[cfg(test)]
mod tests {
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
