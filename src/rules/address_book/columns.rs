//! Comma-separated values: with `;`, `,` or tabs, with or without a first line that names the columns.

use csv::{ReaderBuilder, StringRecord};

use super::BookReader;
use crate::model::WhyNoEntry;

/// Longest cell that is looked at, in bytes. A longer one is a quotation that nothing closes.
const CELL_BYTES_MAX: usize = 1_000;

/// What separates columns.
const SIGNS: [u8; 3] = [b';', b',', b'\t'];

/// Words in the heading of a column with fax numbers.
const FAX: [&str; 1] = ["fax"];

/// The same of a column with numbers, where no column is for faxes.
const NUMBER: [&str; 6] = ["nummer", "number", "telefon", "phone", "tel", "rufnr"];

/// Headings of columns with a whole name, the best first.
const NAME: [&str; 12] = [
    "name",
    "anzeigename",
    "display name",
    "displayname",
    "bezeichnung",
    "praxis",
    "firma",
    "company",
    "organisation",
    "organization",
    "unternehmen",
    "kontakt",
];

const GIVEN: [&str; 3] = ["vorname", "first name", "given name"];
const FAMILY: [&str; 4] = ["nachname", "last name", "family name", "familienname"];

/// Which columns hold what.
struct Columns {
    numbers: Vec<usize>,
    names: Vec<usize>,
    /// Given and family name.
    person: [Option<usize>; 2],
}

pub(super) fn read(text: &str, into: &mut BookReader<'_>) {
    let mut rows = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(sign_of(text))
        .from_reader(text.as_bytes());
    let mut columns = None;
    let mut is_first = true;
    let mut row = StringRecord::new();
    loop {
        match rows.read_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // The text is UTF-8 and rows may have any length: nothing else goes wrong.
                let line = error.position().map_or(0, csv::Position::line);
                return into.fault(line, WhyNoEntry::Broken);
            }
        }
        let line = row.position().map_or(0, csv::Position::line);
        if row.iter().any(|cell| cell.len() > CELL_BYTES_MAX) {
            into.fault(line, WhyNoEntry::Broken);
        } else if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        } else if is_first && let Some(named) = headings(&row, into) {
            columns = Some(named);
        } else {
            match &columns {
                Some(columns) => named_row(line, &row, columns, into),
                None => bare_row(line, &row, into),
            }
        }
        is_first = false;
    }
}

/// The sign that stands most often in the first line; names in it are rarely with a comma.
fn sign_of(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |sign: u8| first.bytes().filter(|byte| *byte == sign).count();
    SIGNS.into_iter().rev().max_by_key(|sign| count(*sign)).unwrap_or(b';')
}

/// What the first line says of the columns; nothing if it is an entry like any other.
fn headings(row: &StringRecord, reader: &BookReader<'_>) -> Option<Columns> {
    if row.iter().any(|cell| reader.number(cell).is_some()) {
        return None;
    }
    let headings: Vec<String> = row.iter().map(|cell| cell.trim().to_lowercase()).collect();
    let with = |words: &[&str]| -> Vec<usize> {
        let has = |heading: &String| words.iter().any(|word| heading.contains(word));
        (0..).zip(&headings).filter(|(_, heading)| has(heading)).map(|(at, _)| at).collect()
    };
    let at = |word: &str| headings.iter().position(|heading| heading == word);
    let fax = with(&FAX);
    let numbers = if fax.is_empty() { with(&NUMBER) } else { fax };
    let mut names: Vec<usize> = NAME.iter().filter_map(|word| at(word)).collect();
    names.retain(|name| !numbers.contains(name));
    let person = [&GIVEN[..], &FAMILY[..]].map(|words| words.iter().find_map(|word| at(word)));
    let is_heading =
        !numbers.is_empty() && (!names.is_empty() || person.iter().any(Option::is_some));
    is_heading.then_some(Columns { numbers, names, person })
}

fn cell(row: &StringRecord, at: usize) -> &str {
    row.get(at).unwrap_or_default().trim()
}

fn named_row(line: u64, row: &StringRecord, columns: &Columns, into: &mut BookReader<'_>) {
    let whole = columns.names.iter().map(|at| cell(row, *at)).find(|name| !name.is_empty());
    let name = whole.map(str::to_owned).unwrap_or_else(|| {
        columns.person.iter().flatten().map(|at| cell(row, *at)).collect::<Vec<_>>().join(" ")
    });
    // Of many people in a book of contacts no fax is known.
    for raw in columns.numbers.iter().map(|at| cell(row, *at)).filter(|raw| !raw.is_empty()) {
        match into.number(raw) {
            Some(number) => into.add(line, number, &name),
            None => into.fault(line, WhyNoEntry::NoNumber),
        }
    }
}

/// Without headings: the numbers in a row are those of its first cell with letters.
fn bare_row(line: u64, row: &StringRecord, into: &mut BookReader<'_>) {
    let numbers: Vec<_> = row.iter().filter_map(|cell| into.number(cell)).collect();
    if numbers.is_empty() {
        return into.fault(line, WhyNoEntry::NoNumber);
    }
    let name = row.iter().find(|cell| cell.contains(char::is_alphabetic)).unwrap_or_default();
    for number in numbers {
        into.add(line, number, name);
    }
}
