//! What a KIM mail says it is for: its Dienstkennung, and the head that the mail services see.

use std::fmt;

use time::OffsetDateTime;

/// A Dienstkennung: `Anwendung;Typ;Version` (KIM-9), such as `KIM-Mail;Default;V1.0`.
///
/// The sender writes it and nobody checks it, so it is kept only in its form: two or three words of
/// ASCII letters, digits, `.`, `_` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    text: String,
}

impl ServiceId {
    /// Longest word of one, in bytes. The longest known one has 22 (`eDokumentation-QSHGVK`).
    pub const WORD_BYTES_MAX: usize = 40;

    /// `None`: it has not the form of a Dienstkennung. Blanks around its words do not count.
    pub fn new(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(';').map(str::trim).collect();
        let is_whole = (2..=3).contains(&words.len()) && words.iter().all(|word| is_word(word));
        is_whole.then(|| Self { text: words.join(";") })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it is for, in lower case: `kim-mail`.
    pub fn application(&self) -> String {
        self.word(0)
    }

    /// Which of the application's mails it is, in lower case: `default`.
    pub fn kind(&self) -> String {
        self.word(1)
    }

    fn word(&self, place: usize) -> String {
        self.text.split(';').nth(place).unwrap_or_default().to_ascii_lowercase()
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceId")
    }
}

/// Whether this may be one word of a Dienstkennung.
pub(crate) fn is_word(word: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=ServiceId::WORD_BYTES_MAX).contains(&word.len()) && word.chars().all(is_legal)
}

/// What a head says of its Dienstkennung.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SaidService {
    /// Nothing, as reports and error mails do.
    #[default]
    Nothing,
    Is(ServiceId),
    /// Something that has not its form, or several different ones.
    Unreadable,
}

impl SaidService {
    /// In one column: nothing, the text, or an empty text.
    pub fn stored(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Is(service) => Some(service.as_str()),
            Self::Unreadable => Some(""),
        }
    }

    pub fn from_stored(text: Option<&str>) -> Self {
        match text {
            None => Self::Nothing,
            Some(text) => ServiceId::new(text).map_or(Self::Unreadable, Self::Is),
        }
    }
}

/// What the outer head of a KIM mail says: the head that TOP shows, which the mail services wrote and
/// saw. RETR brings another one (KIM-9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OuterHead {
    pub service: SaidService,
    /// It bears X-KOM-LE-Version: the Clientmodul has to decrypt it.
    pub is_encrypted: bool,
    /// It bears X-KIM-Fehlermeldung.
    pub has_error: bool,
    /// Its Date.
    pub written: Option<OffsetDateTime>,
    /// When its mail service deletes it, as it says itself.
    pub expires: Option<OffsetDateTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kim_9_a_dienstkennung_has_a_form() {
        for (text, expected) in [
            ("KIM-Mail;Default;V1.0", Some("KIM-Mail;Default;V1.0")),
            (" eAU ; Lieferung ; V1.0 ", Some("eAU;Lieferung;V1.0")),
            ("PFL;ABR-01", Some("PFL;ABR-01")),
            ("KIM-Mail", None),
            ("", None),
            (";;", None),
            ("a;b;c;d", None),
            ("Frau Müller;Befund;V1", None),
            ("eAU;Anna Beispiel;V1", None),
        ] {
            let read = ServiceId::new(text);
            assert_eq!(read.as_ref().map(ServiceId::as_str), expected, "{text:?}");
            let said = read.map_or(SaidService::Unreadable, SaidService::Is);
            assert_eq!(SaidService::from_stored(said.stored()), said);
        }
        assert!(ServiceId::new(&format!("{};b", "a".repeat(41))).is_none());
        assert_eq!(SaidService::from_stored(None), SaidService::Nothing);
    }
}
