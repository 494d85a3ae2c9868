//! What is read of the mails of a corpus, against the golden files that say what it should be.

use std::{fs, path::PathBuf};

/// Compares each with its file. With `UMSTIEG_GOLDEN=write` the files are written first: a person then
/// looks at what changed.
pub(crate) fn as_golden_files_say(read: impl IntoIterator<Item = (String, PathBuf, String)>) {
    let is_writing = std::env::var("UMSTIEG_GOLDEN").is_ok_and(|mode| mode == "write");
    let mut wrong = Vec::new();
    for (name, path, actual) in read {
        if is_writing {
            fs::write(&path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if actual != expected {
            wrong.push(difference(&name, &expected, &actual));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lines from the first to the last that differ.
fn difference(name: &str, expected: &str, actual: &str) -> String {
    let (expected, actual) = (expected.split('\n'), actual.split('\n'));
    let (mut expected, mut actual): (Vec<_>, Vec<_>) = (expected.collect(), actual.collect());
    while expected.last().is_some_and(|line| actual.last() == Some(line)) {
        expected.pop();
        actual.pop();
    }
    let same = expected.iter().zip(&actual).take_while(|(one, other)| one == other).count();
    let (expected, actual) = (expected[same..].join("\n"), actual[same..].join("\n"));
    format!("── {name}, line {}: expected\n{expected}\n── but read\n{actual}", same + 1)
}
