//! What a Clientmodul says about its own work, in the head of what it delivers.

use super::{header::header, skeleton::Skeleton};

/// The value of a mail that was decrypted (gemSpec_CM_KOMLE, Tab_Fehlertext_Entschl).
const DECRYPTED: &str = "00";

/// Whether the Clientmodul could not do its work on a mail: a later fetch may succeed, once the card
/// is there or the Konnektor is up, so the mail must stay in its mailbox.
///
/// Presence counts, not the code: vendors have their own codes (KIM-15). A mail without these fields
/// was not encrypted, or was decrypted without a word.
pub fn is_undecrypted(mail: &Skeleton<'_>) -> bool {
    let raw = mail.bytes();
    !header(raw, "X-KIM-Fehlermeldung").is_empty()
        || header(raw, "X-KIM-DecryptionResult").iter().any(|result| result.trim() != DECRYPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `R14`.
    #[test]
    fn only_what_was_decrypted_may_go() {
        let check = |head: &str, expected: bool| {
            let mail = format!("From: a@x.kim.telematik\r\n{head}\r\nText\r\n");
            let is_undecrypted = is_undecrypted(&Skeleton::whole(mail.as_bytes()));
            assert_eq!(is_undecrypted, expected, "{head:?}");
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
        assert!(is_undecrypted(&Skeleton::whole(real)));
    }
}
