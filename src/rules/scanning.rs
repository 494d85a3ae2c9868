//! What is shown of a letter, by what a virus scanner says of it (KIM-20).

use crate::model::{LargeFiles, LetterScan, ScanResult, VirusName};

/// What a room is told of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSight {
    /// It is not shown, because of this.
    Infected(VirusName),
    /// It is not shown, because it could not be scanned.
    Unscanned,
    /// It is shown although it could not be scanned.
    Passed,
}

/// What follows from what a scanner says of a letter. Without a scanner, nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanVerdict {
    /// Found in the mail and in none of its files: in its text, or in a part that is none of the files.
    /// None of them is shown then, since nobody knows where it is.
    pub mail: Option<VirusName>,
    /// The files of which there is something to say, by their place.
    pub files: Vec<(usize, FileSight)>,
    /// The places of the files that are not shown, in their order.
    pub held: Vec<usize>,
    /// Whether the scanner found something, or did not scan all of its files.
    pub is_suspicious: bool,
}

/// Judges a letter.
pub fn verdict(scan: &LetterScan, large: LargeFiles) -> ScanVerdict {
    let sight = |result: &ScanResult| match (result, large) {
        (ScanResult::Clean, _) => None,
        (ScanResult::Infected(virus), _) => Some(FileSight::Infected(virus.clone())),
        (ScanResult::TooLarge, LargeFiles::Withhold) => Some(FileSight::Unscanned),
        (ScanResult::TooLarge, LargeFiles::Pass) => Some(FileSight::Passed),
    };
    let in_a_file = scan.files().iter().any(|file| file.virus().is_some());
    let mail = scan.mail().virus().filter(|_| !in_a_file).cloned();
    let seen = scan.files().iter().enumerate();
    let files: Vec<(usize, FileSight)> =
        seen.filter_map(|(place, result)| Some((place, sight(result)?))).collect();
    let held = if mail.is_some() {
        (0..scan.files().len()).collect()
    } else {
        let held = files.iter().filter(|(_, sight)| *sight != FileSight::Passed);
        held.map(|(place, _)| *place).collect()
    };
    let is_suspicious = mail.is_some() || !files.is_empty();
    ScanVerdict {
        files: if mail.is_some() { Vec::new() } else { files },
        mail,
        held,
        is_suspicious,
    }
}

/// Why the mail itself, as it came, is not handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginalStays {
    Infected(VirusName),
    Unscanned,
}

/// Whether a mail is handed out as it came. Nothing: it is.
pub fn original_stays(mail: &ScanResult, large: LargeFiles) -> Option<OriginalStays> {
    match (mail, large) {
        (ScanResult::Infected(virus), _) => Some(OriginalStays::Infected(virus.clone())),
        (ScanResult::TooLarge, LargeFiles::Withhold) => Some(OriginalStays::Unscanned),
        (ScanResult::TooLarge, LargeFiles::Pass) | (ScanResult::Clean, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(word: &str) -> ScanResult {
        ScanResult::from_word(word, (word == "infected").then_some("Eicar")).unwrap()
    }

    /// One word a file: what is said of it. The files that are not shown. Whether the mail itself is the
    /// trouble.
    #[track_caller]
    fn check(
        mail: &str,
        files: &[&str],
        large: LargeFiles,
        said: &[&str],
        held: &[usize],
        in_mail: bool,
    ) {
        let scan = LetterScan::new(result(mail), files.iter().map(|file| result(file)).collect());
        let verdict = verdict(&scan, large);
        let words: Vec<String> = verdict
            .files
            .iter()
            .map(|(place, sight)| match sight {
                FileSight::Infected(virus) => format!("{place} {}", virus.as_str()),
                FileSight::Unscanned => format!("{place} unscanned"),
                FileSight::Passed => format!("{place} passed"),
            })
            .collect();
        assert_eq!(words, said);
        assert_eq!(verdict.held, held);
        assert_eq!(verdict.mail.is_some(), in_mail);
        assert_eq!(verdict.is_suspicious, in_mail || !said.is_empty());
    }

    #[test]
    fn kim_20_what_is_infected_is_not_shown_and_what_is_too_large_by_setting() {
        use LargeFiles::{Pass, Withhold};
        check("clean", &[], Withhold, &[], &[], false);
        check("clean", &["clean", "clean"], Withhold, &[], &[], false);
        check("infected", &["clean", "infected"], Withhold, &["1 Eicar"], &[1], false);
        check("clean", &["infected"], Pass, &["0 Eicar"], &[0], false);
        // In the text, or in a part that we do not take for a file.
        check("infected", &["clean", "clean"], Withhold, &[], &[0, 1], true);
        check("infected", &["clean", "too_large"], Pass, &[], &[0, 1], true);
        check("infected", &[], Withhold, &[], &[], true);
        check("too_large", &["clean", "too_large"], Withhold, &["1 unscanned"], &[1], false);
        check("too_large", &["clean", "too_large"], Pass, &["1 passed"], &[], false);
        check("too_large", &["clean"], Withhold, &[], &[], false);
    }

    #[test]
    fn kim_20_no_mail_is_handed_out_that_is_infected() {
        for large in [LargeFiles::Withhold, LargeFiles::Pass] {
            assert_eq!(original_stays(&result("clean"), large), None);
            let infected = original_stays(&result("infected"), large);
            assert!(matches!(infected, Some(OriginalStays::Infected(_))));
        }
        let of_large = |large| original_stays(&result("too_large"), large);
        assert_eq!(of_large(LargeFiles::Withhold), Some(OriginalStays::Unscanned));
        assert_eq!(of_large(LargeFiles::Pass), None);
    }
}
