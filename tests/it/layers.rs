//! The arrows of `docs/architecture.md`: which room may know which. Scans the sources for
//! `crate::…`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms of the house, from the top. A room may use those of lower rows, and of its own row
/// only where `BESIDE` says so: no shell knows another shell.
const ROWS: [&[&str]; 6] = [
    &["app", "main"],
    &["http", "worker", "smtp_door", "config"],
    &["relay"],
    &["store", "matrix", "transport", "directory", "sandbox"],
    &["rules", "mail", "document", "phrases", "channel"],
    &["model"],
];

/// Pure rooms that use another pure room of their row.
const BESIDE: [(&str, &str); 1] = [("rules", "channel")];

/// Rooms without input, output or a clock.
const PURE: [&str; 6] = ["model", "rules", "mail", "document", "phrases", "channel"];

/// What a pure room must not name.
const IMPURE: [&str; 10] = [
    "async ",
    ".await",
    "tokio::",
    "sqlx::",
    "reqwest::",
    "std::fs",
    "std::net",
    "std::env::",
    "SystemTime",
    "now_utc",
];

/// What a pure room may name all the same: the place where such an argument is made.
const NAMED: [(&str, &str); 1] = [("model/clock.rs", "now_utc")];

/// Every Rust file below a folder.
pub(crate) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The code of each room, without comments and without anything after `#[cfg(test)]`.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut rooms: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for file in files {
        let within = file.strip_prefix(&src).unwrap();
        let first = within.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs").to_owned();
        if room == "lib" || within.to_string_lossy().contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code: String = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect();
        rooms.entry(room).or_default().push((within.to_owned(), code));
    }
    rooms
}

/// The rooms that a piece of code names: `crate::room`, also within `use crate::{room, …}`.
fn named_rooms(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            named.extend(top_level_names(list));
        } else {
            named.insert(word(rest));
        }
    }
    named
}

/// The first word of every entry of a braced list, up to its closing brace.
fn top_level_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut entry) = (0, String::new());
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(std::mem::take(&mut entry).trim())),
            other if depth == 0 => entry.push(other),
            _ => {}
        }
    }
    names.push(word(entry.trim()));
    names.retain(|name| !name.is_empty());
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn row(room: &str) -> usize {
    ROWS.iter().position(|row| row.contains(&room)).unwrap_or_else(|| {
        panic!("{room} has no row; give it one here and in docs/architecture.md")
    })
}

#[test]
fn every_arrow_points_down() {
    let mut wrong = Vec::new();
    for (room, files) in rooms() {
        for (file, code) in files {
            for named in named_rooms(&code) {
                let is_beside = BESIDE.contains(&(room.as_str(), named.as_str()));
                if named != room && row(&named) <= row(&room) && !is_beside {
                    wrong.push(format!("{}: {room} must not know {named}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An exception that is no longer needed would let the next circle in.
#[test]
fn every_exception_is_used() {
    let rooms = rooms();
    let is_named = |room: &str, other: &str| {
        rooms[room].iter().any(|(_, code)| named_rooms(code).contains(other))
    };
    for (room, other) in BESIDE {
        assert!(is_named(room, other), "{room} does not use {other}: take it out of BESIDE");
    }
    for (file, name) in NAMED {
        let mut files = rooms.values().flatten();
        let is_used = files.any(|(place, code)| place == Path::new(file) && code.contains(name));
        assert!(is_used, "{file} does not name {name}: take it out of NAMED");
    }
    for room in ROWS.into_iter().flatten().filter(|room| **room != "main") {
        assert!(rooms.contains_key(*room), "there is no {room}: take it out of ROWS");
    }
}

#[test]
fn pure_rooms_name_nothing_impure() {
    let mut wrong = Vec::new();
    for (room, files) in rooms() {
        if !PURE.contains(&room.as_str()) {
            continue;
        }
        for (file, code) in files {
            for name in IMPURE {
                let is_allowed =
                    NAMED.iter().any(|(place, what)| file == Path::new(place) && *what == name);
                if code.contains(name) && !is_allowed {
                    wrong.push(format!("{}: {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_scan_sees_what_it_should() {
    let code = "use crate::{\n    model::{A, B},\n    rules::retry::{c, d},\n};\ncrate::mail::x();";
    let expected = BTreeSet::from(["mail", "model", "rules"].map(str::to_owned));
    assert_eq!(named_rooms(code), expected);
}
