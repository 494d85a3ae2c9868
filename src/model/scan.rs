//! What a virus scanner says of a letter and its files (KIM-20).

use std::fmt;

/// What a scanner calls a virus. The scanner's signatures are the work of others, so the name is made
/// safe: letters, digits and a few signs of ASCII, at most [`VirusName::CHARS_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub struct VirusName(String);

impl VirusName {
    /// The longest known names have about 60 characters.
    pub const CHARS_MAX: usize = 100;

    /// Makes a name safe; never fails.
    pub fn new(text: &str) -> Self {
        let safe =
            |c: char| if c.is_ascii_alphanumeric() || "._-:/+".contains(c) { c } else { '_' };
        let name: String = text.trim().chars().take(Self::CHARS_MAX).map(safe).collect();
        Self(if name.is_empty() { "unknown".to_owned() } else { name })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VirusName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a scanner says of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanResult {
    /// It finds nothing. That is no proof.
    Clean,
    Infected(VirusName),
    /// More bytes than it scans.
    TooLarge,
}

impl ScanResult {
    /// The word for it in SQL and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Infected(_) => "infected",
            Self::TooLarge => "too_large",
        }
    }

    /// The inverse of [`ScanResult::word`]; every other word is damage.
    pub fn from_word(word: &str, virus: Option<&str>) -> Option<Self> {
        Some(match (word, virus) {
            ("clean", None) => Self::Clean,
            ("infected", Some(virus)) => Self::Infected(VirusName::new(virus)),
            ("too_large", None) => Self::TooLarge,
            _ => return None,
        })
    }

    /// What was found, if something was.
    pub fn virus(&self) -> Option<&VirusName> {
        match self {
            Self::Infected(virus) => Some(virus),
            Self::Clean | Self::TooLarge => None,
        }
    }
}

/// What a scanner says of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterScan {
    /// Of the mail as it came. What is found in a file is found in the mail.
    mail: ScanResult,
    /// Of each file, in the letter's order.
    files: Vec<ScanResult>,
}

impl LetterScan {
    /// A scanner may take a mail apart in another way than we do, and overlook a file in it.
    pub fn new(mail: ScanResult, files: Vec<ScanResult>) -> Self {
        let of_file = files.iter().find(|file| file.virus().is_some());
        let mail = match (&mail, of_file) {
            (ScanResult::Clean | ScanResult::TooLarge, Some(infected)) => infected.clone(),
            _ => mail,
        };
        Self { mail, files }
    }

    pub fn mail(&self) -> &ScanResult {
        &self.mail
    }

    pub fn files(&self) -> &[ScanResult] {
        &self.files
    }
}

/// What becomes of a file that is larger than the scanner's limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LargeFiles {
    /// It is not shown.
    #[default]
    Withhold,
    /// It is shown, and the room is told.
    Pass,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kim_20_the_name_of_a_virus_is_safe_whatever_the_scanner_says() {
        for (text, expected) in [
            ("Eicar-Test-Signature", "Eicar-Test-Signature"),
            ("Win.Trojan.Agent-1/2:3+4", "Win.Trojan.Agent-1/2:3+4"),
            ("", "unknown"),
            (" \n", "unknown"),
            ("<b>@all</b> \u{202e}", "_b__all_/b__"),
        ] {
            let name = VirusName::new(text);
            assert!(name.as_str().is_ascii());
            assert_eq!(name.as_str().trim_end_matches('_'), expected.trim_end_matches('_'));
        }
        assert_eq!(VirusName::new(&"ä".repeat(1000)).as_str().len(), VirusName::CHARS_MAX);
    }

    #[test]
    fn kim_20_a_mail_is_not_clean_whose_file_is_infected() {
        let virus = || ScanResult::Infected(VirusName::new("x"));
        for mail in [ScanResult::Clean, ScanResult::TooLarge, virus()] {
            let scan = LetterScan::new(mail, vec![ScanResult::Clean, virus()]);
            assert_eq!(*scan.mail(), virus());
        }
        let scan = LetterScan::new(ScanResult::TooLarge, vec![ScanResult::Clean]);
        assert_eq!(*scan.mail(), ScanResult::TooLarge);
    }

    #[test]
    fn every_result_has_a_word_of_its_own() {
        for result in
            [ScanResult::Clean, ScanResult::TooLarge, ScanResult::Infected(VirusName::new("Eicar"))]
        {
            let virus = result.virus().map(VirusName::as_str);
            assert_eq!(ScanResult::from_word(result.word(), virus), Some(result.clone()));
        }
        for (word, virus) in [("clean", Some("x")), ("infected", None), ("gut", None)] {
            assert_eq!(ScanResult::from_word(word, virus), None, "{word}");
        }
    }
}
