//! What README and docs promise is there: metrics, commands, make targets, links.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::layers::sources;

const DOCUMENTS: [&str; 4] =
    ["README.md", "docs/architecture.md", "docs/configuration.md", "docs/operations.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// The names of metrics in a text: `umstieg_` and what follows of lower-case letters and `_`.
fn metrics(text: &str) -> BTreeSet<String> {
    let pieces: Vec<&str> = text.split("umstieg_").collect();
    pieces
        .windows(2)
        .filter(|pair| !pair[0].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .map(|pair| {
            let rest = pair[1].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_');
            format!("umstieg_{}", rest.collect::<String>())
        })
        .collect()
}

/// The metrics the code counts: those that stand as a text right behind a macro's parenthesis.
fn counted() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut counted = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let code = fs::read_to_string(file).unwrap();
        for kind in ["counter!(", "gauge!(", "histogram!("] {
            for call in code.split(kind).skip(1) {
                let name = call.trim_start().strip_prefix('"').and_then(|n| n.split('"').next());
                counted.insert(name.expect("a metric has a plain name").to_owned());
            }
        }
    }
    counted
}

/// The lines of code in a document: fenced blocks, and what stands between backticks.
fn code_lines(document: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_fenced = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            lines.push(line.to_owned());
        } else {
            lines.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    lines
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// The commands of the program named in a line: `umstieg --settings FILE parked list`.
fn commands(line: &str) -> Vec<Vec<String>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut commands = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if *word != "umstieg" && !word.ends_with("/bin/umstieg") {
            continue;
        }
        let mut rest = words.get(at + 1..).unwrap_or_default();
        if let ["--settings", _, more @ ..] = rest {
            rest = more;
        }
        match rest {
            ["umstieg", ..] => {}
            ["parked", action, ..] => {
                commands.push(vec!["parked".to_owned(), (*action).to_owned()]);
            }
            [command, ..] if is_plain(command) && !command.starts_with("-") => {
                commands.push(vec![(*command).to_owned()]);
            }
            _ => {}
        }
    }
    commands
}

#[test]
fn every_metric_is_explained_and_every_explained_metric_exists() {
    let counted = counted();
    assert!(counted.len() > 10, "the scan sees too little: {counted:?}");
    assert_eq!(metrics(&read("docs/operations.md")), counted);
}

#[test]
fn every_command_that_is_named_exists() {
    let mut named = BTreeSet::new();
    for document in DOCUMENTS {
        named.extend(code_lines(&read(document)).iter().flat_map(|line| commands(line)));
    }
    assert!(named.len() >= 7, "the scan sees too little: {named:?}");
    for command in named {
        let output = Command::new(env!("CARGO_BIN_EXE_umstieg"))
            .args(&command)
            .arg("--help")
            .output()
            .unwrap();
        assert!(output.status.success(), "umstieg {}", command.join(" "));
    }
}

#[test]
fn every_make_target_that_is_named_exists() {
    let makefile = format!("\n{}", read("Makefile"));
    let mut named = BTreeSet::new();
    for document in DOCUMENTS {
        for line in code_lines(&read(document)) {
            if let ["make", target, ..] = line.split_whitespace().collect::<Vec<_>>().as_slice() {
                named.insert((*target).to_owned());
            }
        }
    }
    assert!(named.contains("demo") && named.contains("test"), "{named:?}");
    for target in named {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for document in DOCUMENTS {
        let text = read(document);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => root().join(document),
                path => root().join(document).parent().unwrap().join(path),
            };
            assert!(target.exists(), "{document}: {link}");
            if !wanted.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let mut headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == wanted), "{document}: {link}");
            }
        }
    }
    assert!(seen > 10, "the scan sees too little");
}

#[test]
fn the_scans_see_what_they_should() {
    assert_eq!(commands("sudo -u umstieg umstieg --settings /x.toml check"), [["check"]]);
    assert_eq!(commands("umstieg parked retry 1"), [["parked", "retry"]]);
    assert!(commands("sudo -u postgres createuser --pwprompt umstieg").is_empty());
    assert!(commands("install -g umstieg umstieg.example.toml /etc/umstieg").is_empty());
    assert_eq!(metrics("`umstieg_a_b{c}`, _umstieg_bot"), ["umstieg_a_b".to_owned()].into());
    assert_eq!(anchor("## What works, and what does not yet"), "what-works-and-what-does-not-yet");
}

/// `docs/tried.md`: every case there is kept by a test that exists, and no case is missing.
#[test]
fn every_case_that_was_tried_has_its_test() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "cipher"] {
        sources(&root().join(folder), &mut files);
    }
    let code: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let place = file.strip_prefix(root()).unwrap().with_extension("");
            (place.to_string_lossy().replace('/', "::"), fs::read_to_string(file).unwrap())
        })
        .collect();
    let is_there = |test: &str| {
        let (room, name) = test.rsplit_once("::").unwrap_or(("", test));
        let room = room.trim_end_matches("::tests");
        let name = format!("fn {name}(");
        code.iter().any(|(place, code)| {
            let is_its_place = format!("::{place}::").contains(&format!("::{room}::"));
            (room.is_empty() || is_its_place) && code.contains(&name)
        })
    };
    let document = read("docs/tried.md");
    let mut cases = BTreeSet::new();
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let fields: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [case, what, right, tests] = fields.as_slice() else { panic!("{row}") };
        if *case == "case" || case.starts_with('-') {
            continue;
        }
        assert!(cases.insert((*case).to_owned()), "{case} stands there twice");
        assert!(!what.is_empty() && !right.is_empty(), "{row}");
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{case} has no test");
        for test in tests {
            assert!(is_there(test), "{case}: there is no test {test}");
        }
    }
    let findings = (1..=24).map(|number| format!("R{number:02}"));
    // Numbers that were never given are left out.
    let reports = (1..=68)
        .filter(|n| {
            ![4, 5, 6, 7, 8, 11, 15, 17, 19, 25, 26, 29, 31, 34, 36, 39, 42, 45, 59].contains(n)
        })
        .map(|number| format!("B{number:02}"));
    let admin = [1, 2, 4, 5, 10, 11].map(|number| format!("F{number}"));
    for case in findings.chain(reports).chain(admin) {
        let is_kept = cases.iter().any(|kept| {
            kept.strip_prefix(&case)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        assert!(is_kept, "{case} is missing");
    }
}
