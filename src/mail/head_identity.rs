//! Whether two heads are those of one mail.

use sha2::{Digest as _, Sha256};

use super::{parse::parse_skeleton, skeleton::Skeleton};
use crate::model::Defect;

/// A longer head was cut, and says nothing about a whole one.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Fields that servers and mail programs add to the mails they keep, and change.
const CHANGING: [&[u8]; 7] =
    [b"status", b"x-status", b"x-keywords", b"x-uidl", b"x-imapbase", b"content-length", b"lines"];

/// A hash of what identifies a mail, from its head or from all of it: two mails with the same hash are
/// one. Nothing if there is no head.
///
/// Message-ID, date and author: a Clientmodul shows another head before it has decrypted a mail than
/// after, but with the same values here (KIM-9). A mail without a Message-ID is identified by its whole
/// head.
pub fn head_identity(mail: &[u8]) -> Option<[u8; 32]> {
    let head = head_of(mail);
    if head.is_empty() || head.len() >= HEAD_BYTES_MAX {
        return None;
    }
    let letter = parse_skeleton(&Skeleton::whole(head));
    if letter.defects.contains(&Defect::NotAMail) {
        return None;
    }
    let mut hash = Sha256::new();
    if let Some(id) = &letter.message_id {
        hash.update(id.as_str());
        hash.update([0]);
        let date = letter.date.map(|date| date.unix_timestamp()).unwrap_or_default();
        hash.update(date.to_be_bytes());
        for from in &letter.from {
            hash.update(from.address.as_str());
            hash.update([0]);
        }
        return Some(hash.finalize().into());
    }
    let mut is_changing = false;
    for line in head.split(|byte| *byte == b'\n') {
        let is_folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if !is_folded {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
            is_changing = CHANGING.iter().any(|changing| name.eq_ignore_ascii_case(changing));
        }
        let line = line.trim_ascii_end();
        if !is_changing && !line.is_empty() {
            hash.update(line);
            hash.update(b"\n");
        }
    }
    Some(hash.finalize().into())
}

/// Everything before the first empty line.
fn head_of(mail: &[u8]) -> &[u8] {
    let end = [b"\n\n".as_slice(), b"\n\r\n"]
        .iter()
        .filter_map(|line| memchr::memmem::find(mail, line))
        .min();
    mail.get(..end.map_or(mail.len(), |end| end + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(a: &str, b: &str) -> bool {
        let identity = |mail: &str| head_identity(mail.as_bytes()).unwrap();
        identity(a) == identity(b)
    }

    const OUTER: &str = "Received: by fd; x\r\nFrom: Erik <erik@x.kim.telematik>\r\n\
        Date: Mon, 23 Nov 2026 08:00:00 +0100\r\nSubject: KOM-LE-Nachricht\r\nMessage-ID: <a@x>\r\n\r\n";

    /// KIM-9: TOP shows the encrypted mail's head.
    #[test]
    fn a_clientmodul_shows_two_heads_of_one_mail() {
        let inner =
            OUTER.replace("KOM-LE-Nachricht", "Befund").replace("Received: by fd; x\r\n", "");
        assert!(is_one(OUTER, &format!("{inner}Worte\r\n")));
        assert!(!is_one(OUTER, &inner.replace("a@x", "b@x")));
        assert!(!is_one(OUTER, &inner.replace("08:00:00", "08:00:01")));
        assert!(!is_one(OUTER, &inner.replace("erik@", "anna@")));
    }

    #[test]
    fn a_mail_without_an_id_is_told_by_its_whole_head() {
        let bare = OUTER.replace("Message-ID: <a@x>\r\n", "");
        assert!(is_one(&bare, &bare.replace("\r\n", "\n")));
        assert!(is_one(&bare, &format!("Status: RO\r\nX-UIDL: 1\r\n 2\r\n{bare}Worte")));
        assert!(is_one(&bare, bare.trim_end()));
        assert!(!is_one(&bare, &bare.replace("KOM-LE-Nachricht", "KOM-LE-Nachricht 2")));
        assert!(!is_one(&bare, OUTER));
    }

    #[test]
    fn what_is_no_head_says_nothing() {
        assert_eq!(head_identity(b""), None);
        assert_eq!(head_identity(b"\r\n\r\nx"), None);
        assert_eq!(head_identity(b"was auch immer\r\n"), None);
        let endless = format!("From: a@x.example\r\n{}", "1 x\r\n".repeat(300_000));
        assert_eq!(head_identity(endless.as_bytes()), None);
    }
}
