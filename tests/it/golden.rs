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
            wrong.push(format!("── {name}: expected\n{expected}── but read\n{actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
