//! Letters read, beside mail-parser alone: what our own structure, text and HTML cost.

use std::{hint::black_box, path::Path, time::Instant};

use umstieg::{mail, rules::posts};

use crate::{
    letters::letter,
    measure::{as_float, median},
    report::BenchReport,
};

/// Mails of the corpus and as many ordinary ones, so often per round.
const PASSES: usize = 200;

/// One row: mails per second through parser and renderer, against `mail-parser` alone, which makes
/// no text of HTML, no posts and no decisions. Rounds take turns.
pub(crate) fn beside_the_library(rounds: usize, report: &mut BenchReport) {
    let mails = corpus();
    let ours = || {
        for mail in &mails {
            let letter = mail::parse(black_box(mail));
            black_box(posts::render("name", &letter, &[], &[]));
        }
    };
    let library = || {
        for mail in &mails {
            black_box(mail_parser::MessageParser::default().parse(black_box(mail)));
        }
    };
    let per_second = |work: &dyn Fn()| {
        let begun = Instant::now();
        (0..PASSES).for_each(|_| work());
        as_float(PASSES * mails.len()) / begun.elapsed().as_secs_f64()
    };
    let pairs: Vec<(f64, f64)> =
        (0..rounds).map(|_| (per_second(&library), per_second(&ours))).collect();
    report.beside(
        "letters read and rendered, beside mail-parser alone",
        median(pairs.iter().map(|(_, ours)| *ours)),
        median(pairs.iter().map(|(library, _)| *library)),
        median(pairs.iter().map(|(library, ours)| ours / library)),
        "letters/s",
    );
}

/// The mails of `tests/letters`, and the benchmark's own letter as often.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/letters");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut mails: Vec<Vec<u8>> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "eml"))
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let letter = letter("a@b.kim.telematik", "c@d.kim.telematik", "id@x", Some("e@x")).into_bytes();
    mails.extend(std::iter::repeat_n(letter, mails.len()));
    mails
}
