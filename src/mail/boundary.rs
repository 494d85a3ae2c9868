//! What separates the parts of a mail that we write.

use sha2::{Digest, Sha256};

use crate::model::MessageId;

/// Derived from the Message-ID, so that it is the same on every attempt; `=_` occurs in neither
/// base64 nor quoted-printable (RFC 2045 §6.7), and a plain text is searched for it.
pub(super) fn boundary(message_id: &MessageId, text: &str) -> String {
    let mut seed = message_id.as_str().to_owned();
    loop {
        let digest = Sha256::digest(seed.as_bytes());
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let boundary = format!("=_{hex}");
        if !text.contains(&boundary) {
            return boundary;
        }
        seed = boundary;
    }
}
