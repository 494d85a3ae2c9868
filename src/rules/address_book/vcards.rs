//! vCards 2.1, 3.0 and 4.0 (RFC 2426, RFC 6350), several in one file. Only what tells names and numbers is
//! read; the rest of a card, and what is none, is passed over.

use encoding_rs::Encoding;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::BookReader;
use crate::model::WhyNoEntry;

/// How a card begins.
pub(super) const BEGIN: &str = "BEGIN:VCARD";

/// Longest property that is looked at, in bytes; pictures are longer.
const PROPERTY_BYTES_MAX: usize = 2_000;

/// Most numbers of one card.
const NUMBERS_MAX: usize = 20;

/// A card so far.
#[derive(Default)]
struct Card {
    /// `FN`, what is shown.
    shown: String,
    /// `ORG`, the house.
    house: String,
    /// `N`, given name and family name.
    person: String,
    numbers: Vec<(u64, CardNumber)>,
}

struct CardNumber {
    raw: String,
    is_fax: bool,
    has_type: bool,
}

/// A property on one line: its name, its parameters, what it says.
struct Property<'t> {
    name: String,
    parameters: Vec<String>,
    value: &'t str,
}

pub(super) fn read(text: &str, into: &mut BookReader<'_>) {
    let mut card = None;
    for (line, property) in unfolded(text) {
        let Some(property) = property_of(&property) else { continue };
        match (property.name.as_str(), card.as_mut()) {
            ("BEGIN", _) => card = Some(Card::default()),
            ("END", Some(_)) => {
                if let Some(whole) = card.take() {
                    add(whole, line, into);
                }
            }
            (_, Some(card)) => note(card, line, &property),
            (_, None) => {}
        }
    }
    // A file that breaks off.
    if let Some(card) = card {
        add(card, 0, into);
    }
}

/// The properties with the numbers of their lines: a line that begins with a blank goes on with the one
/// before, and so does one behind a soft line break of quoted-printable.
fn unfolded(text: &str) -> Vec<(u64, String)> {
    let mut properties: Vec<(u64, String)> = Vec::new();
    let mut is_soft = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end_matches('\r');
        let folded = line.strip_prefix([' ', '\t']);
        match (properties.last_mut(), folded) {
            (Some((_, last)), _) if is_soft => {
                last.pop();
                push(last, line);
            }
            (Some((_, last)), Some(rest)) => push(last, rest),
            _ => {
                properties.push((number, String::new()));
                if let Some((_, last)) = properties.last_mut() {
                    push(last, line);
                }
            }
        }
        is_soft = properties.last().is_some_and(|(_, last)| {
            last.ends_with('=') && last.to_ascii_uppercase().contains("QUOTED-PRINTABLE")
        });
    }
    properties
}

/// A property that is too long keeps its beginning, which is enough to pass it over.
fn push(last: &mut String, rest: &str) {
    if last.len() <= PROPERTY_BYTES_MAX {
        last.push_str(rest);
    }
}

fn property_of(line: &str) -> Option<Property<'_>> {
    let mut is_quoted = false;
    let colon = line.find(|c| {
        is_quoted ^= c == '"';
        c == ':' && !is_quoted
    })?;
    let (head, value) = line.split_at_checked(colon)?;
    let mut parts = head.split(';').map(|part| part.trim().to_ascii_uppercase());
    let name = parts.next()?;
    // `item1.TEL`: a group.
    let name = name.rsplit('.').next().unwrap_or_default().to_owned();
    let is_whole = line.len() <= PROPERTY_BYTES_MAX;
    let value = value.strip_prefix(':').filter(|_| is_whole).unwrap_or_default();
    Some(Property { name, parameters: parts.collect(), value })
}

fn note(card: &mut Card, line: u64, property: &Property<'_>) {
    match property.name.as_str() {
        "FN" => card.shown = text_of(property),
        "ORG" => {
            let value = text_of(property);
            card.house = value.split(';').next().unwrap_or_default().to_owned();
        }
        "N" => {
            let value = text_of(property);
            let mut parts = value.split(';');
            let (family, given) = (parts.next().unwrap_or_default(), parts.next());
            card.person = format!("{} {family}", given.unwrap_or_default());
        }
        "TEL" if card.numbers.len() < NUMBERS_MAX => {
            let types: Vec<&str> = property
                .parameters
                .iter()
                .map(|parameter| parameter.strip_prefix("TYPE=").unwrap_or(parameter))
                .filter(|parameter| !parameter.contains('='))
                .flat_map(|types| types.split(','))
                .map(|word| word.trim_matches(['"', ' ']))
                .filter(|word| !matches!(*word, "PREF" | "QUOTED-PRINTABLE" | ""))
                .collect();
            let value = text_of(property);
            // `tel:+49-30-1234567;ext=5`: what is dialled behind a number is not in it.
            let raw = match value.get(..4) {
                Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => value
                    .get(4..)
                    .filter(|rest| !rest.contains(";ext="))
                    .map(|rest| rest.split(';').next().unwrap_or_default().to_owned())
                    .unwrap_or_default(),
                _ => value,
            };
            let is_fax = types.contains(&"FAX");
            let has_type = !types.is_empty();
            card.numbers.push((line, CardNumber { raw, is_fax, has_type }));
        }
        _ => {}
    }
}

/// What a property says, without its coding.
fn text_of(property: &Property<'_>) -> String {
    let has = |word: &str| property.parameters.iter().any(|parameter| parameter.ends_with(word));
    let value = if has("QUOTED-PRINTABLE") {
        let bytes = quoted_printable_decode(property.value.as_bytes()).unwrap_or_default();
        let charset = property.parameters.iter().find_map(|one| one.strip_prefix("CHARSET="));
        let charset = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
        match charset {
            Some(charset) => charset.decode_without_bom_handling(&bytes).0.into_owned(),
            None => super::text_of(&bytes).into_owned(),
        }
    } else {
        property.value.to_owned()
    };
    unescaped(&value)
}

/// Without the backslashes before commas and the like.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n' | 'N') | None => text.push(' '),
                Some(other) => text.push(other),
            },
            c => text.push(c),
        }
    }
    text
}

/// Of several numbers each counts that is said to be a fax; where none is, those of which nothing is said.
fn add(card: Card, end: u64, into: &mut BookReader<'_>) {
    let Card { shown, house, person, numbers } = card;
    let name = [shown, house, person].into_iter().find(|name| !name.trim().is_empty());
    let has_fax = numbers.iter().any(|(_, number)| number.is_fax);
    for (line, number) in numbers {
        if if has_fax { number.is_fax } else { !number.has_type } {
            let line = if line == 0 { end } else { line };
            match into.number(&number.raw) {
                Some(number) => into.add(line, number, name.as_deref().unwrap_or_default()),
                None => into.fault(line, WhyNoEntry::NoNumber),
            }
        }
    }
}
