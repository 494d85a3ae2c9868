//! What the documents name exists: metrics, commands, make targets, settings, files, links.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use umstieg::{
    channel::FaxForm,
    model::{COMMAND_PREFIX, COMMANDS, Language},
};

use crate::layers::sources;

/// What holds documents, beside the root itself.
const FOLDERS: [&str; 7] = ["docs", "fuzz", "migrations", "tests", "demo", "benches", "scripts"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// Every document of the tree, by its path from the root.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| root().join(folder)).into();
    let is_document = |path: &Path| path.extension().is_some_and(|ending| ending == "md");
    let paths = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    found.extend(paths(root()).into_iter().filter(|path| is_document(path)));
    while let Some(folder) = folders.pop() {
        for path in paths(&folder) {
            // Other projects' programs bring their own documents.
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if is_document(&path) {
                found.push(path);
            }
        }
    }
    let name = |path: PathBuf| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = found.into_iter().map(name).collect();
    names.sort();
    names
}

/// Each line of code of each document, with the document's name.
fn all_code_lines() -> Vec<(String, String)> {
    let lines = |document: String| {
        let lines = code_lines(&read(&document));
        lines.into_iter().map(move |line| (document.clone(), line))
    };
    documents().into_iter().flat_map(lines).collect()
}

#[test]
fn the_documents_are_found() {
    let found = documents();
    for document in [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "README.md",
        "docs/configuration.md",
        "docs/decisions/0001-what-binds-a-thread.md",
        "docs/decisions/README.md",
        "fuzz/README.md",
    ] {
        assert!(found.iter().any(|there| there == document), "{document}: {found:?}");
    }
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

/// The lines of code in a document: fenced blocks, and text between backticks.
fn code_lines(document: &str) -> Vec<String> {
    let (mut lines, fenced) = split(document);
    lines.extend(fenced);
    lines
}

/// The text between backticks.
fn inline_code(document: &str) -> Vec<String> {
    split(document).0
}

/// The text between backticks, and the lines of fenced blocks.
fn split(document: &str) -> (Vec<String>, Vec<String>) {
    let (mut inline, mut fenced) = (Vec::new(), Vec::new());
    let mut is_fenced = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            fenced.push(line.to_owned());
        } else {
            inline.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    (inline, fenced)
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
    for (document, line) in all_code_lines() {
        let other: Vec<String> = metrics(&line).difference(&counted).cloned().collect();
        assert!(other.is_empty(), "{document}: {other:?}");
    }
}

#[test]
fn every_command_that_is_named_exists() {
    let named: BTreeSet<Vec<String>> =
        all_code_lines().iter().flat_map(|(_, line)| commands(line)).collect();
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
    for (document, line) in all_code_lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let behind = words.iter().position(|word| *word == "make").map(|at| at + 1);
        if let Some(target) = behind.and_then(|at| words.get(at)).filter(|word| is_plain(word)) {
            assert!(makefile.contains(&format!("\n{target}:")), "{document}: make {target}");
            named.insert((*target).to_owned());
        }
    }
    assert!(named.contains("demo") && named.contains("test"), "{named:?}");
}

/// The settings of the example, which shows all there are: `worker`, `worker.attempts_max`.
fn settings() -> BTreeSet<String> {
    let (mut section, mut settings) = (String::new(), BTreeSet::new());
    for line in read("umstieg.example.toml").lines() {
        // An optional section is shown behind a `#`, too.
        let heading = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = heading.strip_prefix('[').filter(|name| name.ends_with(']')) {
            name.trim_matches(['[', ']']).clone_into(&mut section);
            settings.insert(section.clone());
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && is_key(key)
        {
            let dot = if section.is_empty() { "" } else { "." };
            settings.insert(format!("{section}{dot}{key}"));
        }
    }
    settings
}

fn is_key(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || "_2568".contains(c))
}

/// The settings that a piece of code names: `worker.attempts_max`, `[log]`, `key_file = "…"`.
fn named_settings(code: &str, settings: &BTreeSet<String>) -> Vec<String> {
    let mut named = Vec::new();
    for word in code.split_whitespace() {
        let path = word.trim_matches(['[', ']', ',', ';', ':']);
        let is_section = word.starts_with('[') && word.ends_with(']');
        let is_within = path.split_once('.').is_some_and(|(first, _)| settings.contains(first));
        let is_file = [".yaml", ".toml", ".rs"].iter().any(|ending| path.ends_with(ending));
        if (is_section || is_within) && path.split('.').all(is_key) && !is_file {
            named.push(path.to_owned());
        }
    }
    if let Some((key, value)) = code.split_once(" = ")
        && let Some(key) = key.split_whitespace().next_back()
        && (value.starts_with(['"', '[']) || value.starts_with("true") || value == "false")
        && is_key(key)
    {
        named.push(key.to_owned());
    }
    named
}

#[test]
fn every_setting_that_is_named_exists() {
    let settings = settings();
    let mut seen = BTreeSet::new();
    for document in documents() {
        for code in inline_code(&read(&document)) {
            for setting in named_settings(&code, &settings) {
                let is_there = settings
                    .iter()
                    .any(|there| *there == setting || there.ends_with(&format!(".{setting}")));
                assert!(is_there, "{document}: there is no setting {setting} (`{code}`)");
                seen.insert(setting);
            }
        }
    }
    assert!(seen.contains("worker.attempts_max") && seen.contains("trust"), "{seen:?}");
}

#[test]
fn every_environment_variable_that_is_named_is_read_somewhere() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "demo", "benches"] {
        sources(&root().join(folder), &mut files);
    }
    let mut code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    // The admin chooses these names: `password_env = "…"`.
    code.push_str(&read("umstieg.example.toml"));
    for (document, line) in all_code_lines() {
        for rest in line.split("UMSTIEG_").skip(1) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            assert!(code.contains(&format!("UMSTIEG_{name}")), "{document}: UMSTIEG_{name}");
        }
    }
}

/// Files and folders that are named as code, if they belong to the tree: `src/channel/fax.rs`.
#[test]
fn every_file_that_is_named_is_there() {
    let mut seen = 0;
    for document in documents() {
        for code in inline_code(&read(&document)) {
            let path = code.trim_start_matches("./");
            let is_path = path.split_once('/').is_some_and(|(first, _)| TREE.contains(&first));
            if is_path && !path.contains(|c: char| c.is_whitespace() || "<*…{".contains(c)) {
                seen += 1;
                assert!(root().join(path).exists(), "{document}: `{path}`");
            }
        }
    }
    assert!(seen > 20, "the scan sees too little");
}

/// The folders of the tree.
const TREE: [&str; 12] = [
    ".ci",
    ".config",
    "assets",
    "benches",
    "cipher",
    "demo",
    "docs",
    "fuzz",
    "migrations",
    "scripts",
    "src",
    "tests",
];

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
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => root().join(&document),
                path => root().join(&document).parent().unwrap().join(path),
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
    let settings = BTreeSet::from(["worker", "worker.attempts_max", "log"].map(str::to_owned));
    let named = |code: &str| named_settings(code, &settings).join(" ");
    assert_eq!(named("worker.attempts_max"), "worker.attempts_max");
    assert_eq!(named("worker.tries"), "worker.tries");
    assert_eq!(named("worker.yaml"), "");
    assert_eq!(named("[log] format = \"json\""), "log format");
    assert_eq!(named("select id = 'x' from letters.raw"), "");
}

/// What has a row in the code has words in the documents: profiles and languages.
#[test]
fn every_fax_form_and_every_language_is_explained() {
    let profiles = read("docs/fax.md");
    for form in FaxForm::shipped() {
        let row = format!("| `{}` | {} |", form.name, form.about.product);
        assert!(profiles.contains(&row), "what {} is: {row}", form.name);
    }
    let page = read("docs/configuration.md");
    let rows = |key: &str| -> Vec<&str> {
        let begin = format!("| `{key}` |");
        page.lines().filter(|line| line.starts_with(&begin)).collect()
    };
    assert_eq!(rows("language").len(), 2);
    for row in rows("language") {
        for language in Language::ALL {
            assert!(row.contains(&format!("`\"{}\"`", language.word())), "{language:?}: {row}");
        }
    }
}

/// `docs/benutzer.md` names every command as the help does, and no other.
#[test]
fn the_page_for_the_front_desk_names_every_command_and_no_other() {
    let page = read("docs/benutzer.md");
    let code = page.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = code
        .filter_map(|code| code.strip_prefix(COMMAND_PREFIX)?.split_whitespace().next())
        .collect();
    let first = |row: &umstieg::model::CommandRow| row.names(Language::German)[0];
    let known: BTreeSet<&str> = COMMANDS.iter().map(first).collect();
    assert_eq!(named, known);
}

/// `docs/decisions/README.md` lists every decision in its order, each with one sentence.
#[test]
fn every_decision_is_listed_with_one_sentence() {
    let files = fs::read_dir(root().join("docs/decisions")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut decisions: Vec<String> = names.filter(|name| name != "README.md").collect();
    decisions.sort();
    let list = read("docs/decisions/README.md");
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| [")).collect();
    for (at, decision) in decisions.iter().enumerate() {
        let number = at + 1;
        assert!(decision.starts_with(&format!("{number:04}-")), "{decision} is number {number}");
        let text = read(&format!("docs/decisions/{decision}"));
        assert!(text.starts_with(&format!("# {number}. ")), "the heading of {decision}");
        let begin = format!("| [{number}]({decision}) | ");
        let sentence = rows.get(at).and_then(|row| row.strip_prefix(&begin)).unwrap_or_default();
        let sentence = sentence.trim_end_matches(" |");
        assert!(sentence.ends_with('.') && !sentence.contains(". "), "{begin}{sentence}");
    }
    assert_eq!(rows.len(), decisions.len(), "a row without a decision");
}

#[test]
fn the_changelog_begins_with_what_is_not_released_yet() {
    let changelog = read("CHANGELOG.md");
    let first = changelog.lines().find(|line| line.starts_with("## ")).unwrap_or_default();
    assert_eq!(first, format!("## Unreleased ({})", env!("CARGO_PKG_VERSION")));
}

/// `CONTRIBUTING.md` leads to modules, functions and tests that are there: `phrases::tests::…`.
#[test]
fn every_place_that_contributing_names_is_there() {
    let code = code_by_place();
    let mut seen = 0;
    for place in inline_code(&read("CONTRIBUTING.md")) {
        let is_lower = |part: &str| {
            part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if place.contains("::") && place.split("::").all(is_lower) {
            seen += 1;
            let is_module = || {
                let path = root().join("src").join(place.replace("::", "/"));
                path.is_dir() || path.with_extension("rs").is_file()
            };
            assert!(has_function(&code, &place) || is_module(), "there is no {place}");
        }
    }
    assert!(seen >= 5, "the scan sees too little");
}

/// The sources, each with its place: `::src::rules::retry`.
fn code_by_place() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "cipher"] {
        sources(&root().join(folder), &mut files);
    }
    let place = |file: &PathBuf| {
        let place = file.strip_prefix(root()).unwrap().with_extension("");
        (place.to_string_lossy().replace('/', "::"), fs::read_to_string(file).unwrap())
    };
    files.iter().map(place).collect()
}

/// Whether a function is there whose place ends so: `retry::tests::waits_double`. A test that is named
/// so is the one that `cargo test` runs by that name.
fn has_function(code: &[(String, String)], named: &str) -> bool {
    let (room, name) = named.rsplit_once("::").unwrap_or(("", named));
    let is_function = |line: &str| {
        let line = line.trim_start();
        let line =
            line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) ")).unwrap_or(line);
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|line| line.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    code.iter().any(|(place, code)| {
        let (before, tests) = code.split_once("\nmod tests {\n").unwrap_or((code, ""));
        let within = |place: &str, code: &str| {
            format!("::{place}").ends_with(&format!("::{room}")) && code.lines().any(is_function)
        };
        if room.is_empty() {
            return code.lines().any(is_function);
        }
        within(place, before) || within(&format!("{place}::tests"), tests)
    })
}

/// `docs/kim.md`: every requirement has one row, and what is met has tests that exist.
#[test]
fn every_kim_requirement_has_its_state_and_its_tests() {
    every_requirement_has_its_state_and_its_tests("docs/kim.md", "KIM", 38);
}

/// `docs/fax.md`: the same.
#[test]
fn every_fax_requirement_has_its_state_and_its_tests() {
    every_requirement_has_its_state_and_its_tests("docs/fax.md", "FAX", 42);
}

/// `docs/ti-messenger.md`: the same.
#[test]
fn every_requirement_of_ti_messenger_has_its_state_and_its_tests() {
    every_requirement_has_its_state_and_its_tests("docs/ti-messenger.md", "TIM", 29);
}

fn every_requirement_has_its_state_and_its_tests(file: &str, word: &str, last: u32) {
    let code = code_by_place();
    let document = read(file);
    let mut numbers = Vec::new();
    for row in document.lines().filter(|line| line.starts_with(&format!("| {word}-"))) {
        let fields: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, what, state, tests] = fields.as_slice() else { panic!("{row}") };
        numbers.push((*number).to_owned());
        assert!(!what.is_empty(), "{row}");
        let has_state = ["met", "in part: ", "open"].iter().any(|begin| state.starts_with(begin));
        assert!(has_state, "{number}: {state}");
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(state.starts_with("open") || !tests.is_empty(), "{number} has no test");
        for test in tests {
            assert!(has_function(&code, test), "{number}: there is no test {test}");
        }
    }
    let all: Vec<String> = (1..=last).map(|number| format!("{word}-{number}")).collect();
    assert_eq!(numbers, all);
}

/// `docs/tried.md`: every case there is kept by a test that exists, and no case is missing.
#[test]
fn every_case_that_was_tried_has_its_test() {
    let code = code_by_place();
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
            assert!(has_function(&code, test), "{case}: there is no test {test}");
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
