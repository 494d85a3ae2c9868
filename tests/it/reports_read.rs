//! Reports by the system that wrote them: each file in `tests/reports` against what is read from it,
//! in `tests/reports/golden`. Their structure is that of the system, their words are ours.
//!
//! `UMSTIEG_GOLDEN=write` writes the golden files again; a person then reads the difference.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use umstieg::{
    mail,
    model::{Fate, Letter, ReportSource},
};

use crate::golden::as_golden_files_say;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reports")
}

/// Names without ending of all files with this one.
fn names(folder: PathBuf, ending: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

fn corpus() -> BTreeMap<String, Letter> {
    let read = |name: String| {
        let raw = fs::read(folder().join(format!("{name}.eml"))).unwrap();
        (name, mail::parse(&raw))
    };
    names(folder(), ".eml").into_iter().map(read).collect()
}

#[test]
fn kim_29_kim_30_kim_31_every_report_is_read_as_the_golden_file_says() {
    let letters = corpus();
    assert!(letters.len() >= 30, "only {} reports", letters.len());
    as_golden_files_say(letters.iter().map(|(name, letter)| {
        (name.clone(), folder().join("golden").join(format!("{name}.txt")), shown(letter))
    }));
    let golden = names(folder().join("golden"), ".txt");
    assert_eq!(golden, letters.into_keys().collect(), "golden files and reports");
}

/// What a report says, as a person reads it.
fn shown(letter: &Letter) -> String {
    let mut out = String::new();
    match &letter.report {
        None => writeln!(out, "no report").unwrap(),
        Some(report) => {
            writeln!(out, "source: {}", report.source.word()).unwrap();
            let about: Vec<&str> = report.about.iter().map(|id| id.as_str()).collect();
            writeln!(out, "about: {}", about.join(" ")).unwrap();
            for fate in &report.fates {
                writeln!(out, "fate: {}", shown_fate(fate)).unwrap();
            }
        }
    }
    if letter.automatic {
        writeln!(out, "automatic: yes").unwrap();
    }
    if !letter.defects.is_empty() {
        writeln!(out, "defects: {:?}", letter.defects).unwrap();
    }
    out
}

fn shown_fate(fate: &Fate) -> String {
    let recipient = fate.recipient.as_ref().map_or("(unnamed)", |address| address.as_str());
    let mut shown = format!("{recipient} {}", fate.end.word());
    if let Some(status) = fate.status {
        write!(shown, ", {status}").unwrap();
    }
    if let Some(why) = fate.why {
        write!(shown, ", because of: {}", why.word()).unwrap();
    }
    shown
}

/// KIM-21: nobody answers a machine, and a person's letter is never a report.
#[test]
fn kim_21_reports_are_automatic_and_what_only_looks_like_one_is_none() {
    for (name, letter) in corpus() {
        let is_none = name.starts_with("not_") || name == "exchange_bounce_without_machine_part";
        assert_eq!(letter.report.is_none(), is_none, "{name}");
        assert!(letter.automatic || is_none, "{name}");
    }
}

/// Each source has examples, so that the golden files say something about it.
#[test]
fn every_source_of_reports_is_in_the_corpus() {
    use ReportSource::{Absence, Delivery, Disposition, KimFault};
    let letters = corpus();
    for source in [Absence, Delivery, Disposition, KimFault] {
        let of = |letter: &&Letter| letter.report.as_ref().is_some_and(|r| r.source == source);
        assert!(letters.values().filter(of).count() >= 3, "{source:?}");
    }
}

/// `docs/reports.md` has a row for each file, and no other.
#[test]
fn every_report_is_in_the_table_and_every_row_has_its_report() {
    let page = fs::read_to_string(folder().join("../../docs/reports.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let named: Vec<String> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|code| code.strip_suffix(".eml").map(str::to_owned))
        .collect();
    let listed: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(listed.len(), named.len(), "a report is listed twice");
    assert_eq!(listed, names(folder(), ".eml"));
}
