//! What a Clientmodul says about its own work, in the head of what it delivers.

use super::{
    header::{HEADER_BYTES_MAX, HeaderBlock, text},
    skeleton::Skeleton,
};
use crate::model::KimResults;

/// Reads these fields, each with all its values, blanks at their ends removed.
pub fn kim_results(mail: &Skeleton<'_>) -> KimResults {
    let (block, _) = HeaderBlock::split(mail.bytes());
    let mut is_cut = block.too_many;
    let mut read = |name: &str| -> Vec<String> {
        let values = block.values(name).map(|value| text(value, HEADER_BYTES_MAX).text);
        let values: Vec<String> = values.map(|value| value.trim().to_owned()).collect();
        is_cut |= values.len() < block.count(name);
        values
    };
    let decryption = read("X-KIM-DecryptionResult");
    let integrity = read("X-KIM-IntegrityCheckResult");
    let errors = read("X-KIM-Fehlermeldung");
    let is_sealed = is_sealed(&block);
    KimResults { decryption, integrity, errors, is_sealed, is_cut }
}

/// Whether a head is that of a sealed mail (gemSMIME_KOMLE: `X-KOM-LE-Version` and the type of CMS).
///
/// The version alone proves nothing (KIM-14): whoever sends in the clear can write it, and what the
/// Clientmodul would say beside it. Nor do two types, of which a program may read either.
pub(super) fn is_sealed(block: &HeaderBlock<'_>) -> bool {
    let is_cms =
        |media: &str| matches!(media, "application/pkcs7-mime" | "application/x-pkcs7-mime");
    // What only bears a signature can be read by anybody (RFC 8551 §3.2.2).
    let is_closed = |kind: Option<&str>| {
        kind.is_none_or(|kind| kind.to_ascii_lowercase().ends_with("enveloped-data"))
    };
    block.first("X-KOM-LE-Version").is_some()
        && block.count("Content-Type") == 1
        && block.parameters("Content-Type").is_some_and(|it| {
            is_cms(&it.value.to_ascii_lowercase()) && is_closed(it.get("smime-type"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(head: &str) -> KimResults {
        let mail = format!("From: a@x.kim.telematik\r\n{head}\r\nText\r\n");
        kim_results(&Skeleton::whole(mail.as_bytes()))
    }

    /// `R14`.
    #[test]
    fn only_what_was_decrypted_may_go() {
        let check = |head: &str, expected: bool| {
            assert_eq!(results(head).say_undecrypted(), expected, "{head:?}");
        };
        check("", false);
        check("X-KIM-DecryptionResult: 00\r\n", false);
        check("x-kim-decryptionresult:00\r\nX-KIM-IntegrityCheckResult: 01\r\n", false);
        for result in ["01", "02", "03", "X17", "", "00, 01", "0"] {
            check(&format!("X-KIM-DecryptionResult: {result}\r\n"), true);
        }
        check("X-KIM-DecryptionResult: 00\r\nX-KIM-DecryptionResult: 01\r\n", true);
        for code in ["4009", "cmgerr_4", "X1", "", "=?utf-8?q?4001?="] {
            check(&format!("X-KIM-Fehlermeldung: {code}\r\n"), true);
        }
        // What is in the body does not count.
        check("\r\nX-KIM-Fehlermeldung: 4009\r\n", false);
        let real = include_bytes!("../../tests/letters/kim_could_not_decrypt.eml");
        assert!(kim_results(&Skeleton::whole(real)).say_undecrypted());
    }

    #[test]
    fn kim_15_a_mail_that_is_still_sealed_is_known_by_its_head() {
        let version = "X-KOM-LE-Version: 1.5\r\n";
        for (head, expected) in [
            ("Content-Type: application/pkcs7-mime; name=smime.p7m\r\n", true),
            ("content-type: Application/X-PKCS7-MIME\r\n", true),
            ("Content-Type: text/plain\r\n", false),
            ("", false),
        ] {
            assert_eq!(results(&format!("{version}{head}")).is_sealed, expected, "{head:?}");
            // Anybody may send a file of that type.
            assert!(!results(head).is_sealed, "{head:?}");
        }
    }

    #[test]
    fn kim_13_every_value_is_read_folded_or_repeated() {
        let read = results(
            "X-KIM-IntegrityCheckResult:\r\n 01\r\nx-kim-integritycheckresult: X9 \r\n\
             X-KIM-DecryptionResult: 00\r\n",
        );
        assert_eq!(read.integrity, ["01", "X9"]);
        assert!(read.say_decrypted() && !read.is_cut && !read.are_absent());
        assert!(results("").are_absent() && !results("").say_decrypted());
    }

    /// What the Clientmodul says must not drown in what the sender wrote before it.
    #[test]
    fn kim_13_more_values_than_are_read_are_told_of() {
        let many = "X-KIM-IntegrityCheckResult: 01\r\n".repeat(100);
        assert!(results(&format!("{many}X-KIM-IntegrityCheckResult: 02\r\n")).is_cut);
        assert!(results(&"X-A: b\r\n".repeat(2_000)).is_cut);
        assert!(!results("X-KIM-IntegrityCheckResult: 01\r\n").is_cut);
    }
}
