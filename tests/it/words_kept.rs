//! No word of a mail vanishes without a trace: it is in what the room shows, or a defect is noted.
//!
//! A separate reader finds the words here. It is as crude as it can be: it knows nothing of the
//! tested one.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use umstieg::{mail, model::Letter};

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/letters");
    let mut letters: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .map(|path| {
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    letters.sort();
    letters
}

/// Everything a room shows of a letter.
fn shown(letter: &Letter) -> String {
    let posts = umstieg::rules::posts::render("x", letter, &[], &[]);
    let mut shown = String::new();
    for post in posts {
        for key in ["body", "formatted_body"] {
            shown.push_str(post.content[key].as_str().unwrap_or_default());
            shown.push('\n');
        }
    }
    shown
}

/// Words of at least four ASCII letters or digits: independent of any character set.
fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() >= 4)
        .map(str::to_ascii_lowercase)
        .collect()
}

/// The words of all texts that are not attached, at any depth.
fn words_of(raw: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(raw).replace("\r\r\n", "\n").replace("\r\n", "\n");
    let text = if text.contains('\n') { text } else { text.replace('\r', "\n") };
    let mut found = BTreeSet::new();
    entity(&text, &mut found, true);
    found
}

fn entity(text: &str, found: &mut BTreeSet<String>, is_root: bool) {
    let (head, body) = match text.strip_prefix('\n') {
        Some(body) => ("", body),
        None => text.split_once("\n\n").unwrap_or((text, "")),
    };
    let head = head.to_ascii_lowercase().replace("\n ", " ").replace("\n\t", " ");
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    let kind = field("content-type:");
    if kind.starts_with("multipart/") {
        let Some((_, boundary)) = kind.split_once("boundary=") else { return };
        let boundary =
            boundary.trim_start_matches('"').split(['"', ';']).next().unwrap_or_default();
        // Its case is lost in the head; it is found in the body whatever its case.
        let mark = format!("--{}", boundary.trim());
        let mut part: Option<String> = None;
        for line in body.lines() {
            let line_mark = line.trim_end().to_ascii_lowercase();
            if line_mark == mark || line_mark == format!("{mark}--") {
                if let Some(part) = part.take() {
                    entity(&part, found, false);
                }
                part = (line_mark == mark).then(String::new);
            } else if let Some(part) = &mut part {
                part.push_str(line);
                part.push('\n');
            }
        }
        if let Some(part) = part {
            entity(&part, found, false);
        }
        return;
    }
    let is_text =
        kind.is_empty() || kind.starts_with("text/plain") || kind.starts_with("text/html");
    let is_file = field("content-disposition:").starts_with("attachment")
        || (!is_root && (kind.contains("name") || field("content-disposition:").contains("name")));
    if !is_text || is_file || kind.contains("utf-16") || kind.contains("utf-7") {
        return;
    }
    let body = match field("content-transfer-encoding:").as_str() {
        "base64" => {
            let digits: String = body.split_whitespace().collect();
            String::from_utf8_lossy(&BASE64_STANDARD.decode(digits).unwrap_or_default())
                .into_owned()
        }
        "quoted-printable" => {
            let joined = body.replace("=\n", "");
            let mut out = String::new();
            let mut rest = joined.as_str();
            while let Some((before, after)) = rest.split_once('=') {
                out.push_str(before);
                let hex = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                out.extend(hex.map(char::from));
                rest = if hex.is_some() { after.get(2..).unwrap() } else { after };
            }
            out + rest
        }
        _ => body.to_owned(),
    };
    if kind.starts_with("text/html") {
        let mut rest = body.as_str();
        for tag in ["style", "script", "title"] {
            if body.to_ascii_lowercase().contains(&format!("<{tag}")) {
                // Their content is no text.
                rest = "";
            }
        }
        while let Some((before, after)) = rest.split_once('<') {
            found.extend(words(before));
            rest = after.split_once('>').map_or("", |(_, after)| after);
        }
        found.extend(words(rest));
    } else {
        // A file is no text.
        let mut is_file = false;
        for line in body.lines() {
            is_file = (is_file || line.starts_with("begin 6")) && line != "end";
            if !is_file && line != "end" {
                found.extend(words(line));
            }
        }
    }
}

#[test]
fn b09_every_word_of_the_corpus_is_shown_or_a_defect_is_noted() {
    let mut checked = 0;
    for (name, raw) in corpus() {
        let letter = mail::parse(&raw);
        let shown = words(&shown(&letter));
        let expected = words_of(&raw);
        checked += expected.len();
        let lost: Vec<_> = expected.difference(&shown).collect();
        assert!(lost.is_empty() || !letter.defects.is_empty(), "{name}: {lost:?}");
    }
    assert!(checked > 200, "only {checked} words");
}

/// A piece of a mail with words that are in no other one: `Wort17x`.
fn mail_of(kinds: &[u8]) -> Vec<String> {
    let mut number = 0;
    let mut words = |form: &str| {
        number += 1;
        form.replace('#', &format!("Wort{number}x"))
    };
    let mut lines: Vec<String> = vec![
        "From: a@x.de".to_owned(),
        "Subject: Befund".to_owned(),
        "Message-ID: <1@x.de>".to_owned(),
        "Content-Type: multipart/mixed; boundary=b0".to_owned(),
        String::new(),
    ];
    for (part, kind) in kinds.iter().enumerate() {
        lines.push("--b0".to_owned());
        let mut part = match kind % 6 {
            0 => vec![String::new(), words("# und mehr"), words("Marcumar: #")],
            1 => vec![
                "Content-Type: text/plain; charset=utf-8".to_owned(),
                "Content-Transfer-Encoding: quoted-printable".to_owned(),
                String::new(),
                words("# =3D mehr"),
            ],
            2 => vec![
                "Content-Type: application/pdf; name=a.pdf".to_owned(),
                "Content-Transfer-Encoding: base64".to_owned(),
                String::new(),
                "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZz4+ZW5kb2JqCnRyYWlsZXI8PC9Sb290IDEg"
                    .to_owned(),
                "MCBSPj4KJSVFT0YK".to_owned(),
            ],
            3 => vec!["Content-Type: text/html".to_owned(), String::new(), words("<p>#</p>")],
            4 => {
                let inner = format!("b1{part}");
                let word = words("#");
                let other = words("#");
                vec![
                    format!("Content-Type: multipart/alternative; boundary={inner}"),
                    String::new(),
                    format!("--{inner}"),
                    String::new(),
                    word.clone(),
                    format!("--{inner}"),
                    "Content-Type: text/html".to_owned(),
                    String::new(),
                    format!("<b>{word}</b> {other}"),
                    format!("--{inner}--"),
                ]
            }
            _ => vec![
                "Content-Type: text/plain".to_owned(),
                String::new(),
                words("Fax anbei #"),
                "begin 644 fax.pdf".to_owned(),
                "*)5!$1BTQ+C0*\"@".to_owned(),
                "`".to_owned(),
                "end".to_owned(),
                words("# Ende"),
            ],
        };
        lines.append(&mut part);
    }
    lines.push("--b0--".to_owned());
    lines
}

#[derive(Debug, Clone)]
enum Change {
    Delete(prop::sample::Index),
    Double(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let line = prop::sample::select(vec![
        "",
        " ",
        "--b0",
        "--b0--",
        "--b10",
        "Kalium: 6,8",
        "Nur so dahin.",
        "Content-Type: text/plain",
        "Content-Type: text/html",
        "Content-Type: multipart/alternative; boundary=b0",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Disposition: attachment",
        "end",
        "begin 644 x",
        "\r",
        "=",
        "(",
        "\"",
    ]);
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Change::Delete),
        any::<prop::sample::Index>().prop_map(Change::Double),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(one, other)| Change::Swap(one, other)),
        (any::<prop::sample::Index>(), line).prop_map(|(at, line)| Change::Insert(at, line)),
    ]
}

proptest! {
    /// Lines deleted, doubled, swapped and put in anywhere.
    #[test]
    fn b02_words_of_a_damaged_mail_are_shown_or_a_defect_is_noted(
        kinds in prop::collection::vec(any::<u8>(), 1..6),
        changes in prop::collection::vec(change(), 0..6),
        end in prop::sample::select(vec!["\n", "\r\n", "\r\r\n", "\r"]),
    ) {
        let mut lines = mail_of(&kinds);
        for change in &changes {
            match change {
                Change::Delete(at) => drop(lines.remove(at.index(lines.len()))),
                Change::Double(at) => {
                    let at = at.index(lines.len());
                    lines.insert(at, lines[at].clone());
                }
                Change::Swap(one, other) => {
                    let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                    lines.swap(one, other);
                }
                Change::Insert(at, line) => lines.insert(at.index(lines.len()), (*line).to_owned()),
            }
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        let raw = lines.join(end);
        let began = Instant::now();
        let letter = mail::parse(raw.as_bytes());
        prop_assert!(began.elapsed().as_secs() < 5);
        let mut seen = shown(&letter);
        for file in &letter.attachments {
            seen.push_str(&String::from_utf8_lossy(&mail::content(raw.as_bytes(), file)));
        }
        if letter.defects.is_empty() {
            for line in &lines {
                for word in line.split(|c: char| !c.is_alphanumeric()) {
                    if word.starts_with("Wort") {
                        prop_assert!(seen.contains(word), "{word} of\n{raw}\nin {seen}");
                    }
                }
            }
        }
    }
}

/// B02: any two lines of a mail changed places, with every line end.
#[test]
fn b02_words_outside_the_parts_are_shown_or_a_defect_is_noted() {
    let lines = mail_of(&[4]);
    for end in ["\n", "\r\n", "\r"] {
        for (one, other) in (0..lines.len()).flat_map(|one| (0..one).map(move |n| (one, n))) {
            let mut lines = lines.clone();
            lines.swap(one, other);
            let raw = lines.join(end);
            let letter = mail::parse(raw.as_bytes());
            let seen = shown(&letter);
            let is_shown = ["Wort1x", "Wort2x"].iter().all(|word| seen.contains(word));
            assert!(is_shown || !letter.defects.is_empty(), "{raw:?} in {seen}");
        }
    }
}

/// B91, B92: texts between the files of a mail, and text that only one of two versions has.
#[test]
fn b91_b92_no_text_between_files_is_lost() {
    let head = "From: a@x.de\nSubject: x\n";
    let text = |kind: &str, words: &str| format!("--b\nContent-Type: text/{kind}\n\n{words}\n");
    let file = |name: &str| {
        format!(
            "--b\nContent-Type: image/jpeg\nContent-Disposition: inline; filename={name}\n\nx\n"
        )
    };
    let mixed = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}{}{}{}{}--b--\n",
        text("html", "<p>Eins</p>"),
        file("i.jpg"),
        text("html", "<p>Zwei</p>"),
        file("k.jpg"),
        text("plain", "Drei"),
    );
    let versions = format!(
        "Content-Type: multipart/alternative; boundary=a\n\n\
         --a\nContent-Type: text/plain\n\nEins\n\
         --a\nContent-Type: multipart/mixed; boundary=b\n\n{}{}{}--b--\n--a--\n",
        text("html", "<p>Eins</p>"),
        file("i.jpg"),
        text("html", "<p>Zwei</p>"),
    );
    for (mail, words, names) in [
        (mixed, "Eins\n\nZwei\n\nDrei", &["i.jpg", "k.jpg"][..]),
        (versions, "Eins\n\nZwei", &["i.jpg"][..]),
    ] {
        let letter = mail::parse(format!("{head}{mail}").as_bytes());
        let found: Vec<_> = letter.attachments.iter().map(|a| a.file_name.as_str()).collect();
        assert_eq!((letter.body.text.as_str(), found.as_slice()), (words, names), "{mail:?}");
        assert_eq!(letter.defects, [], "{mail:?}");
    }
}
