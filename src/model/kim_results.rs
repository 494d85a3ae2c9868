//! What a Clientmodul says of its work on a mail, in fields of its head.

use std::ops::RangeInclusive;

/// The value of a mail that was decrypted (gemSpec_CM_KOMLE, Tab_Fehlertext_Entschl).
const DECRYPTED: &str = "00";

/// The codes of `X-KIM-Fehlermeldung` about a mail of ours that was not sent to everybody; all others
/// are about a mail to us (gemSpec_CM_KOMLE, Tab_Fehlercodes).
pub const KIM_SENDING_FAULTS: RangeInclusive<u16> = 4001..=4005;

/// The fields as they stand, each with all its values, blanks at their ends removed.
///
/// Anybody may write them into a mail. They mean something only in a mail that the Clientmodul had to
/// decrypt, which its outer head shows (KIM-14).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KimResults {
    /// X-KIM-DecryptionResult.
    pub decryption: Vec<String>,
    /// X-KIM-IntegrityCheckResult.
    pub integrity: Vec<String>,
    /// X-KIM-Fehlermeldung.
    pub errors: Vec<String>,
    /// The mail is still the sealed one, as the mail services keep it: an outer head around a content that
    /// only the Clientmodul can open.
    pub is_sealed: bool,
    /// There are more of them, or more fields at all, than are read: what the Clientmodul said may be
    /// among the rest.
    pub is_cut: bool,
}

/// Fields of KIM in a head that nobody knows, as they are shown: never interpreted (KIM-19).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KimFields {
    /// Name and value of the first of them, cut and on one line.
    pub shown: Vec<(String, String)>,
    /// How many others there are.
    pub more: u64,
}

impl KimResults {
    /// None of the fields is there.
    pub fn are_absent(&self) -> bool {
        self.decryption.is_empty() && self.integrity.is_empty() && self.errors.is_empty()
    }

    /// Whether a field says that the Clientmodul could not do its work.
    ///
    /// Presence counts, not the code: vendors have their own codes (KIM-15).
    pub fn say_undecrypted(&self) -> bool {
        !self.errors.is_empty() || self.decryption.iter().any(|result| result != DECRYPTED)
    }

    /// Whether the mail was decrypted, as far as these fields say.
    pub fn say_decrypted(&self) -> bool {
        !self.decryption.is_empty() && self.decryption.iter().all(|result| result == DECRYPTED)
    }
}
