//! The fuzz targets over their corpus and seeded mutations of it. `make fuzz` runs them for long.
//!
//! `UMSTIEG_FUZZ_SECONDS` sets how long each target is fed; `UMSTIEG_FUZZ_SEED` the first seed.

#[path = "../../fuzz/entries.rs"]
#[expect(dead_code, reason = "documents are opened in the sandbox here")]
mod entries;
mod mutate;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use umstieg::{
    document::{self, SOURCE_BYTES_MAX},
    model::DocumentForm,
    sandbox::{Sandbox, SandboxError},
};

use mutate::Mutator;

/// Mutations in an ordinary run.
const MUTATIONS: u64 = 300;

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a whole number"))
}

/// Corpus first, then what mutations make of it.
#[expect(clippy::print_stdout, reason = "which input it was, and how many there were")]
fn feed(target: &str, more: Option<&str>, mutations: u64, entry: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("fuzz/corpus").join(target)];
    folders.extend(more.map(|more| root.join(more)));
    let mut corpus = Vec::new();
    for folder in folders {
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            if file.is_dir() {
                continue;
            }
            corpus.push(fs::read(&file).unwrap());
            entry(corpus.last().unwrap());
        }
    }
    assert!(corpus.len() > 1, "{target} has no corpus");
    corpus.sort();
    let seed = number_of("UMSTIEG_FUZZ_SEED").unwrap_or(1);
    let time = number_of("UMSTIEG_FUZZ_SECONDS").map(Duration::from_secs);
    let begun = Instant::now();
    let mut fed = 0;
    while time.map_or(fed < mutations, |time| begun.elapsed() < time) {
        let seed = seed + fed;
        let input = Mutator::new(seed).next(&corpus);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| entry(&input))) {
            let hex: String = input.iter().take(4_096).map(|byte| format!("{byte:02x}")).collect();
            println!("{target}, seed {seed}, {} bytes, beginning with {hex}", input.len());
            std::panic::resume_unwind(panic);
        }
        fed += 1;
    }
    println!("{target}: {} of the corpus and {fed} mutations from seed {seed}", corpus.len());
}

#[test]
fn mails() {
    feed("mail", Some("tests/letters"), MUTATIONS, entries::mail);
}

#[test]
fn reports() {
    feed("report", Some("tests/reports"), MUTATIONS, entries::report);
}

#[test]
fn faxes() {
    feed("fax", Some("tests/faxes"), MUTATIONS / 3, entries::fax);
}

#[test]
fn html() {
    feed("html", None, MUTATIONS, entries::html);
}

#[test]
fn events() {
    feed("event", None, 10 * MUTATIONS, entries::event);
}

/// In the child, as in the gateway: what breaks it breaks nothing else, and the next one is opened.
#[test]
fn documents() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::of(env!("CARGO_BIN_EXE_umstieg"));
    feed("document", Some("tests/documents"), MUTATIONS, |data| {
        let files = [data.to_vec().into()];
        let made = runtime.block_on(sandbox.fax(None, &files, 50, SOURCE_BYTES_MAX));
        assert!(!matches!(made, Err(SandboxError::Unavailable(_))), "{made:?}");
    });
}

/// FAX-14, FAX-16: in this process, where a panic fails the test, for TIFFs; each through the child as well.
#[test]
fn pages_of_faxes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::of(env!("CARGO_BIN_EXE_umstieg"));
    feed("page", Some("tests/faxes"), MUTATIONS / 3, |data| {
        if document::form_of(data) == DocumentForm::Tiff {
            entries::page(data);
        }
        let file = data.to_vec().into();
        let seen = runtime.block_on(sandbox.look(&file));
        assert!(!matches!(seen, Err(SandboxError::Unavailable(_))), "{seen:?}");
        if seen.is_ok_and(|sight| sight.pages > 0) {
            let picture = runtime.block_on(sandbox.picture(&file, 1, 600));
            assert!(!matches!(picture, Err(SandboxError::Unavailable(_))), "{picture:?}");
        }
    });
}

#[test]
fn pop3_servers() {
    feed("pop3", None, MUTATIONS / 5, entries::pop3);
}

#[test]
fn imap_servers() {
    feed("imap", None, MUTATIONS / 5, entries::imap);
}
