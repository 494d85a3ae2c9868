//! Who may have sent a page, what it may be about, and the numbers on it.

use super::{MARK, UNSURE, as_words, is_figure};
use crate::model::{FaxNumber, HintKind, PageHint, PageWord, PracticeNumber};

/// The longest sender or subject, in characters.
const GUESS_CHARS_MAX: usize = 100;

/// Lines in which a letterhead stands.
const LETTERHEAD_LINES: usize = 12;

/// Lines in which a subject stands: below letterhead and address.
const SUBJECT_LINES: usize = 30;

/// Words for who writes, in lower case; a line of the letterhead that has one names the sender.
const HOUSES: [&str; 26] = [
    "praxis",
    "hausarzt",
    "facharzt",
    "gemeinschaftspraxis",
    "klinik",
    "klinikum",
    "krankenhaus",
    "hospital",
    "universitätsmedizin",
    "apotheke",
    "mvz",
    "labor",
    "ambulanz",
    "ambulanter",
    "pflegedienst",
    "pflegeheim",
    "seniorenheim",
    "sanitätshaus",
    "krankenkasse",
    "charité",
    "rehabilitation",
    "radiologie",
    "gesundheitsamt",
    "hospiz",
    "dr",
    "med",
];

/// What a letter without a labelled subject begins with, in lower case.
const KINDS: [&str; 18] = [
    "arztbrief",
    "befund",
    "befundbericht",
    "laborbefund",
    "entlassbrief",
    "entlassungsbericht",
    "überweisung",
    "einweisung",
    "verordnung",
    "medikationsplan",
    "rezeptanforderung",
    "rezeptbestellung",
    "anforderung",
    "op-bericht",
    "röntgenbefund",
    "histologie",
    "arztbericht",
    "kurzbrief",
];

/// A sender that the page names: behind a label, or in its letterhead.
pub(super) fn sender(lines: &[&[PageWord]]) -> Option<String> {
    let labelled = lines.iter().take(SUBJECT_LINES).find_map(|line| {
        let (label, rest) = labelled(line)?;
        ["von", "absender", "from", "sender"].contains(&label.as_str()).then(|| shown(rest))?
    });
    labelled.or_else(|| {
        let is_house = |line: &&&[PageWord]| {
            line.iter().any(|word| HOUSES.iter().any(|house| is_house(&word.text, house)))
        };
        let head = lines.iter().take(LETTERHEAD_LINES).filter(|line| !is_of_machine(line));
        head.filter(is_house).find_map(|line| shown(line))
    })
}

/// Short words have to be the whole word; in German the others may be a part of one.
fn is_house(word: &str, house: &str) -> bool {
    let word = word.to_lowercase();
    match house.len() {
        ..=3 => word.trim_end_matches(['.', ',']) == house,
        _ => word.contains(house),
    }
}

/// Whether a line is the one that a fax machine prints above a page: moment, number and page.
fn is_of_machine(line: &[PageWord]) -> bool {
    let has = |is: &dyn Fn(&str) -> bool| line.iter().any(|word| is(&word.text));
    let is_time = |word: &str| {
        let clock: Vec<&str> = word.split(':').collect();
        clock.len() >= 2
            && clock.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    has(&is_time) && line.iter().filter(|word| word.text.chars().any(char::is_numeric)).count() >= 3
}

/// What the page says it is about: behind a label, or a line that begins as letters of that kind do.
pub(super) fn subject(lines: &[&[PageWord]]) -> Option<String> {
    let head = lines.get(..lines.len().min(SUBJECT_LINES))?;
    let behind = head.iter().enumerate().find_map(|(place, line)| {
        let (label, rest) = labelled(line)?;
        let is_subject =
            ["betreff", "betr.", "betr", "betrifft", "subject"].contains(&label.as_str());
        // The label may stand above its text.
        let below = || lines.get(place + 1).copied().unwrap_or_default();
        is_subject.then(|| shown(if rest.is_empty() { below() } else { rest }))?
    });
    behind.or_else(|| {
        let of_kind = head.iter().find(|line| {
            let first = line.first().map(|word| word.text.to_lowercase()).unwrap_or_default();
            KINDS.contains(&first.trim_end_matches([':', ',', '.']))
        });
        of_kind.and_then(|line| shown(line))
    })
}

/// The label at the beginning of a line, in lower case, and the words behind its colon.
fn labelled(line: &[PageWord]) -> Option<(String, &[PageWord])> {
    let (first, rest) = line.split_first()?;
    if let Some(label) = first.text.strip_suffix(':') {
        return Some((label.to_lowercase(), rest));
    }
    match rest.split_first() {
        Some((colon, rest)) if colon.text == ":" => Some((first.text.to_lowercase(), rest)),
        _ => None,
    }
}

/// A line as a guess is shown; nothing if too little of it could be read.
fn shown(line: &[PageWord]) -> Option<String> {
    let read: Vec<&PageWord> = line.iter().filter(|word| word.sure >= UNSURE).collect();
    let has_letters =
        read.iter().any(|word| word.text.chars().filter(|c| c.is_alphabetic()).count() > 1);
    if read.len() * 2 <= line.len() || !has_letters {
        return None;
    }
    let words: Vec<String> = read
        .iter()
        .enumerate()
        .map(|(place, word)| {
            let mark = if is_figure(&word.text, read.get(place + 1).copied()) { MARK } else { "" };
            format!("{}{mark}", as_words(&word.text))
        })
        .collect();
    let text = words.join(" ");
    Some(match text.char_indices().nth(GUESS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text,
    })
}

/// Words before a number that say what it is, in lower case.
const LABELS: [(&str, HintKind); 16] = [
    ("tel", HintKind::Phone),
    ("telefon", HintKind::Phone),
    ("fon", HintKind::Phone),
    ("phone", HintKind::Phone),
    ("fax", HintKind::Fax),
    ("telefax", HintKind::Fax),
    ("fax-nr", HintKind::Fax),
    ("bsnr", HintKind::Bsnr),
    ("betriebsstätten-nr", HintKind::Bsnr),
    ("betriebsstättennr", HintKind::Bsnr),
    ("betriebsstättennummer", HintKind::Bsnr),
    ("lanr", HintKind::Lanr),
    ("arzt-nr", HintKind::Lanr),
    ("arztnr", HintKind::Lanr),
    ("arztnummer", HintKind::Lanr),
    ("tel-nr", HintKind::Phone),
];

/// Numbers behind a word that says what they are. A number without one may be anything.
///
/// On forms the label stands above its number: so a label that ends its line is for the numbers of the next.
pub(super) fn numbers(
    lines: &[&[PageWord]],
    telephone: &dyn Fn(&str) -> Option<FaxNumber>,
) -> Vec<PageHint> {
    let mut hints = Vec::new();
    for line in lines {
        for (place, word) in line.iter().enumerate() {
            let text = word.text.to_lowercase();
            let label = text.trim_end_matches([':', '.', ',']);
            let Some((_, kind)) = LABELS.iter().find(|(known, _)| *known == label) else {
                continue;
            };
            let behind = line.get(place + 1..).unwrap_or_default();
            let behind = behind
                .iter()
                .skip_while(|word| [":", "Nr.", "Nr", ".:"].contains(&word.text.as_str()));
            let words: Vec<&str> = behind.map(|word| word.text.as_str()).collect();
            hints.extend(number(*kind, &words, telephone));
        }
    }
    hints
}

/// The number that words begin with, of this kind.
fn number(
    kind: HintKind,
    words: &[&str],
    telephone: &dyn Fn(&str) -> Option<FaxNumber>,
) -> Option<PageHint> {
    match kind {
        HintKind::Phone | HintKind::Fax => {
            let is_part =
                |word: &&&str| word.chars().all(|c| c.is_ascii_digit() || "+-–/()".contains(c));
            let parts: Vec<&str> = words.iter().take_while(is_part).take(8).copied().collect();
            // The longest beginning that is a number: what follows may be another one.
            (1..=parts.len()).rev().find_map(|count| {
                let written = parts.get(..count)?.join(" ").replace('–', "-");
                telephone(&written).map(|number| PageHint::telephone(kind, &number, false))
            })
        }
        HintKind::Bsnr | HintKind::Lanr => {
            let first = words.first()?.trim_end_matches([',', ';', '.']);
            let number = match kind {
                HintKind::Lanr => PracticeNumber::lanr(first),
                _ => PracticeNumber::bsnr(first),
            };
            number.map(|number| PageHint::practice(kind, &number, false))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{lines, tests::words},
        *,
    };
    use crate::channel::Country;

    #[track_caller]
    fn check(page: &str, expected: (Option<&str>, Option<&str>)) {
        let words = words(page);
        let lines = lines(&words);
        assert_eq!((sender(&lines).as_deref(), subject(&lines).as_deref()), expected);
    }

    #[test]
    fn fax_10_sender_and_subject_are_guessed_from_labels_and_letterhead() {
        check(
            "Von +49 30 111111 Mon Nov 23 12:57:54 2026\nHausarztpraxis Testmann\nWeg 1\n\nBetreff: Befund Frau Muster\nGuten Tag",
            (Some("Hausarztpraxis Testmann"), Some("Befund Frau Muster")),
        );
        check(
            "An: Praxis Müller\nVon: Klinikum Nord, Station 3\nBetr. : Entlassung",
            (Some("Klinikum Nord, Station 3(?)"), Some("Entlassung")),
        );
        check(
            "Dr. med. Anna Beispiel\nBefundbericht vom 3.11.",
            (Some("Dr. med. Anna Beispiel"), Some("Befundbericht vom 3.11.(?)")),
        );
        check("Betreff:\nRezept\nGuten Tag", (None, Some("Rezept")));
    }

    #[test]
    fn fax_10_what_names_nobody_is_no_sender() {
        for page in [
            "",
            "Guten Tag\nanbei wie besprochen",
            "23.11.2026 12:57 030111111 Praxis Seite 1",
            "~~Praxis ~~Dr. Beispiel",
            "Absender: 12345\nBetreff: -",
        ] {
            check(page, (None, None));
        }
    }

    #[test]
    fn fax_10_a_number_counts_only_behind_its_label_and_with_its_check() {
        let germany = Country::new("DE").unwrap();
        let read = |page: &str| -> Vec<(HintKind, String)> {
            let words = words(page);
            let hints = numbers(&lines(&words), &|text| germany.number(text));
            hints.into_iter().map(|hint| (hint.kind, hint.number)).collect()
        };
        let one = |kind, number: &str| vec![(kind, number.to_owned())];
        for (page, expected) in [
            ("LANR: 123456601", one(HintKind::Lanr, "123456601")),
            ("Arzt-Nr. 123456601 ", one(HintKind::Lanr, "123456601")),
            ("LANR 123456701", vec![]),
            ("BSNR : 721111100", one(HintKind::Bsnr, "721111100")),
            ("721111100", vec![]),
            ("Telefon 030 / 123 45 67", one(HintKind::Phone, "+49301234567")),
            ("Fax: (030) 1234567 12345", one(HintKind::Fax, "+49301234567")),
            ("Tel.: keins", vec![]),
            ("Fax folgt", vec![]),
        ] {
            assert_eq!(read(page), expected, "{page}");
        }
        let both = read("Tel 030 1234567 Fax 030 1234568");
        assert_eq!(
            both,
            [one(HintKind::Phone, "+49301234567"), one(HintKind::Fax, "+49301234568")].concat()
        );
    }
}
