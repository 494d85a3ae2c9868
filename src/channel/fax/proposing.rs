//! A profile for a gateway that nobody knows, from mails of it: what varies in its subjects and lines is
//! told from what does not. An admin reads it before it is used.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    super::{Country, number},
    caller::undecorated,
};
use crate::model::Letter;

/// Lines of a mail that are looked at.
const LINES_MAX: usize = 40;

/// Lines whose words before the colon speak of pages, in lower case.
const PAGE_WORDS: [&str; 3] = ["seite", "page", "blatt"];

/// A profile's file for these mails. It fits them; whether a number is the caller's or the machine's own
/// is not in them, so it says `number_lines` and `{station}`, which is the careful guess.
pub fn proposed_profile(letters: &[Letter], country: Country) -> String {
    let mut subjects = BTreeSet::new();
    let (mut numbers, mut pages) = (BTreeSet::new(), BTreeSet::new());
    for letter in letters {
        subjects.insert(template_of(&undecorated(&letter.subject), country));
        for line in letter.body.text.lines().take(LINES_MAX) {
            let Some((label, value)) = line.split_once(':') else { continue };
            let label = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            if label.is_empty() || label.len() > 40 {
                continue;
            }
            let value = value.trim();
            if PAGE_WORDS.iter().any(|word| label.contains(word)) && starts_with_count(value) {
                pages.insert(label);
            } else if number::to_e164(value, country).is_some() {
                numbers.insert(label);
            }
        }
    }
    let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
    let list = |texts: BTreeSet<String>| {
        let texts: Vec<String> =
            texts.iter().map(|text| format!("  {},\n", quoted(text))).collect();
        format!("[\n{}]", texts.concat())
    };
    let mut profile =
        String::from("product = \"my gateway\"\nknown_from = \"mails\"\n\n[received]\n");
    let subjects: BTreeSet<String> = subjects.into_iter().flatten().collect();
    if subjects.is_empty() {
        profile.push_str("# No subject says what it is: every mail of the gateway counts as a fax.\nany = true\n");
    } else {
        profile.push_str(
            "# {station}: what the sending machine says of itself. Where the gateway writes the number that\n\
             # called, make it {caller}.\n",
        );
        let _ = writeln!(profile, "subjects = {}", list(subjects));
    }
    if !numbers.is_empty() {
        profile.push_str(
            "# Move each to caller_lines (the number that called) or station_lines (what the machine says), if\n\
             # you know which it is; take out what is your own number.\n",
        );
        let _ = writeln!(profile, "number_lines = {}", list(numbers));
    }
    if !pages.is_empty() {
        let _ = writeln!(profile, "page_lines = {}", list(pages));
    }
    profile
}

fn starts_with_count(value: &str) -> bool {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    (1..=4).contains(&digits)
}

/// The subject with places for what varies. Nothing of one without words of its own.
fn template_of(subject: &str, country: Country) -> Option<String> {
    let words: Vec<&str> = subject.split(' ').collect();
    let mut template: Vec<String> = Vec::new();
    let mut place = 0;
    let (mut has_number, mut has_pages) = (false, false);
    while let Some(word) = words.get(place) {
        // The longest run of words that is one number.
        let number = (place + 1..=words.len().min(place + 6)).rev().find(|end| {
            let run = words.get(place..*end).unwrap_or_default().join(" ");
            let bare = run.trim_matches(['"', '(', ')', '<', '>', ',', '.', ':']);
            number::to_e164(bare, country).is_some()
        });
        let next_is_pages = words.get(place + 1).is_some_and(|next| {
            let next = next.to_lowercase();
            PAGE_WORDS.iter().any(|word| next.trim_start_matches('(').starts_with(word))
        });
        let count = word.trim_start_matches('(');
        if let Some(end) = number.filter(|_| !has_number) {
            let run = words.get(place..end).unwrap_or_default().join(" ");
            let bare = run.trim_matches(['"', '(', ')', '<', '>', ',', '.', ':']);
            template.push(run.replace(bare, "{station}"));
            has_number = true;
            place = end;
            continue;
        }
        if next_is_pages
            && !has_pages
            && count.bytes().all(|b| b.is_ascii_digit())
            && !count.is_empty()
        {
            template.push(word.replace(count, "{pages}"));
            has_pages = true;
        } else if word.contains(|c: char| c.is_ascii_digit() || c == '{' || c == '}') {
            // A date, a time, a number of another kind.
            template.push("{any}".to_owned());
        } else {
            template.push((*word).to_owned());
        }
        place += 1;
    }
    let template = template.join(" ");
    super::template::Template::new(&template).is_ok().then_some(template)
}

#[cfg(test)]
mod tests {
    use super::{super::FaxForm, *};
    use crate::model::{Body, FaxNumber};

    fn letter(subject: &str, text: &str) -> Letter {
        let body = Body { text: text.to_owned(), html: None };
        Letter { subject: subject.to_owned(), body, ..Letter::default() }
    }

    #[test]
    fn fax_22_a_proposed_profile_can_be_read_and_fits_its_mails() {
        let germany = Country::new("DE").unwrap();
        let letters = [
            letter(
                "Faxdienst: Sendung von 030 5550123 (3 Seiten) am 23.11.2026",
                "Rufnummer:  030 5550123\nSeitenzahl: 3\nUhrzeit: 12:03\nAn: 030 222222\n",
            ),
            letter(
                "Faxdienst: Sendung von 089 555012 (1 Seite) am 24.11.2026",
                "Rufnummer: 089 555012\nSeitenzahl: 1\n",
            ),
            letter("Scan \"{x}\"", "Hallo"),
            letter("", ""),
        ];
        let text = proposed_profile(&letters, germany);
        let form = FaxForm::read("own", &text).unwrap();
        let read = form.number_of(&letters[0], germany).unwrap();
        assert_eq!(read.0, FaxNumber::new("+49305550123").unwrap(), "{text}");
        assert!(form.knows(&letters[0]) && form.knows(&letters[1]), "{text}");
        assert!(
            text.contains("Faxdienst: Sendung von {station} ({pages} Seiten) am {any}"),
            "{text}"
        );
        assert!(text.contains("\"seitenzahl\""), "{text}");
        // Nothing of the mails' numbers is in it.
        assert!(!text.contains("555"), "{text}");
    }
}
