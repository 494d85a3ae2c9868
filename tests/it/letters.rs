//! Letters by quirk: each file in `tests/letters` against what is read from it, in `tests/golden`.
//!
//! `UMSTIEG_GOLDEN=write` writes the golden files again; a person then reads the difference.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use umstieg::{
    mail,
    model::{Defect, Letter, NamedAddress},
};

use crate::golden::as_golden_files_say;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Names without ending of all files with this one.
fn names(folder_name: &str, ending: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder(folder_name)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let raw = fs::read(folder("letters").join(format!("{name}.eml"))).unwrap();
        (name, raw)
    };
    names("letters", ".eml").into_iter().map(read).collect()
}

#[test]
fn kim_18_fax_1_every_letter_is_read_as_the_golden_file_says() {
    let letters = corpus();
    assert!(letters.len() >= 30, "only {} letters", letters.len());
    as_golden_files_say(letters.iter().map(|(name, raw)| {
        let path = folder("golden").join(format!("letter_{name}.txt"));
        (name.clone(), path, shown(raw, &mail::parse(raw)))
    }));
    let orphans: Vec<_> = names("golden", ".txt")
        .into_iter()
        .filter_map(|name| name.strip_prefix("letter_").map(str::to_owned))
        .filter(|name| !letters.iter().any(|(letter, _)| letter == name))
        .collect();
    assert!(orphans.is_empty(), "golden files without a letter: {orphans:?}");
}

/// Also where nearly everything is left out that can be.
#[test]
fn kim_18_files_stand_where_they_stood_when_a_letter_is_read_in_pieces() {
    let keep = mail::Keep { text_bytes: 2_000, enough_bytes: 4_000, file_bytes: 50, cut_bytes: 80 };
    let mut left_out = 0;
    for (name, raw) in &corpus() {
        let mut scanner = mail::Scanner::new(keep);
        raw.chunks(700).for_each(|piece| scanner.take(piece));
        left_out += raw.len() - scanner.kept_bytes();
        let skeleton = scanner.finish();
        let mut letter = mail::parse_skeleton(&skeleton);
        let whole = mail::parse(raw);
        assert_eq!(letter.attachments, whole.attachments, "{name}");
        if !whole.defects.contains(&Defect::BodyCut) {
            letter.defects.retain(|defect| *defect != Defect::BodyCut);
        }
        assert_eq!(letter.defects, whole.defects, "{name}");
        let hash = mail::Fingerprinting::begin(&skeleton, &letter).map(|mut hash| {
            raw.chunks(300).for_each(|piece| hash.take(piece));
            hash.finish()
        });
        assert_eq!(hash, mail::fingerprint(raw, &whole), "{name}");
    }
    assert!(left_out > 0, "no letter of the corpus has a file long enough");
}

/// A letter as a person reads it.
fn shown(raw: &[u8], letter: &Letter) -> String {
    let mailboxes = |list: &[NamedAddress]| {
        let one = |mailbox: &NamedAddress| match &mailbox.name {
            Some(name) => format!("{name:?} {}", mailbox.address.as_str()),
            None => mailbox.address.as_str().to_owned(),
        };
        list.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let ids = |ids: &[umstieg::model::MessageId]| {
        ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let date = letter.date.map(|date| date.to_string()).unwrap_or_default();
    let defects: Vec<_> = letter.defects.iter().map(|defect| format!("{defect:?}")).collect();
    let mut out = String::new();
    let fields = [
        ("from", mailboxes(&letter.from)),
        ("reply to", mailboxes(&letter.reply_to)),
        ("to", mailboxes(&letter.to)),
        ("cc", mailboxes(&letter.cc)),
        ("subject", letter.subject.clone()),
        ("date", date),
        ("message id", letter.message_id.iter().map(|id| id.as_str()).collect()),
        ("in reply to", ids(&letter.in_reply_to)),
        ("references", ids(&letter.references)),
        ("automatic", if letter.automatic { "yes".to_owned() } else { String::new() }),
        ("reports on", letter.report.as_ref().map(|report| ids(&report.about)).unwrap_or_default()),
        ("defects", defects.join(" ")),
    ];
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name}: {value}").unwrap();
    }
    for attachment in &letter.attachments {
        let (name, media) = (&attachment.file_name, &attachment.media_type);
        let hash: String = Sha256::digest(mail::content(raw, attachment))
            .iter()
            .take(4)
            .map(|b| format!("{b:02x}"))
            .collect();
        writeln!(out, "attachment: {name:?} {media} {} {hash}", attachment.bytes).unwrap();
    }
    let can_repeat = mail::fingerprint(raw, letter).is_some();
    writeln!(out, "fingerprint: {}", if can_repeat { "yes" } else { "none" }).unwrap();
    writeln!(out, "text:\n{}", letter.body.text).unwrap();
    if let Some(html) = &letter.body.html {
        writeln!(out, "html:\n{html}").unwrap();
    }
    out
}

const HEAD: &str = "From: a@x.kim.telematik\r\nTo: b@y.kim.telematik\r\nMessage-ID: <1@x>\r\n";

/// Parses, holds the letter against every limit, and fails when that took unreasonably long for a
/// build without optimisation.
fn bounded(raw: &[u8]) -> Letter {
    let start = Instant::now();
    let letter = mail::parse(raw);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?} for {} bytes", raw.len());
    check_limits(raw, &letter);
    letter
}

fn check_limits(raw: &[u8], letter: &Letter) {
    let is_line = |text: &str| !text.chars().any(char::is_control);
    assert!(is_line(&letter.subject));
    assert!(letter.subject.chars().count() <= mail::SUBJECT_CHARS_MAX);
    for mailbox in letter.from.iter().chain(&letter.to).chain(&letter.cc).chain(&letter.reply_to) {
        let name = mailbox.name.as_deref().unwrap_or_default();
        assert!(is_line(name) && name.chars().count() <= mail::NAME_CHARS_MAX);
    }
    for list in [&letter.from, &letter.to, &letter.cc, &letter.reply_to] {
        assert!(list.len() <= mail::MAILBOXES_MAX);
    }
    assert!(letter.references.len() <= mail::REFERENCES_MAX);
    let text = &letter.body.text;
    assert!(text.chars().count() <= mail::TEXT_CHARS_MAX);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    assert!(serde_json::to_string(text).unwrap().len() <= mail::TEXT_BYTES_MAX + 2);
    if let Some(html) = &letter.body.html {
        assert!(serde_json::to_string(html).unwrap().len() <= mail::HTML_BYTES_MAX + 2);
    }
    assert!(letter.attachments.len() <= mail::ATTACHMENTS_MAX);
    let total: usize = letter.attachments.iter().map(|a| mail::content(raw, a).len()).sum();
    // The content of a signature counts twice: the signature is a file, too.
    let opened = letter.defects.contains(&Defect::SignatureUnchecked);
    assert!(total <= raw.len() * if opened { 2 } else { 1 });
    assert_eq!(total as u64, letter.attachments.iter().map(|a| a.bytes).sum::<u64>());
    for attachment in &letter.attachments {
        let name = &attachment.file_name;
        assert!(!name.is_empty() && is_line(name) && !name.contains(['/', '\\']), "{name:?}");
        assert!(attachment.media_type.contains('/') && is_line(&attachment.media_type));
    }
    assert!(letter.defects.is_sorted());
}

#[test]
fn a_50_mb_attachment_is_taken_out_byte_for_byte() {
    let file: Vec<u8> = (0..50_000_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let lines: Vec<String> = file
        .chunks(57)
        .map(|line| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, line))
        .collect();
    let raw = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nAnbei.\r\n--b\r\n\
         Content-Type: application/pdf; name=gross.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         {}\r\n--b--\r\n",
        lines.join("\r\n")
    );
    let letter = bounded(raw.as_bytes());
    assert_eq!(letter.body.text, "Anbei.");
    assert_eq!(letter.attachments.len(), 1);
    assert!(mail::content(raw.as_bytes(), &letter.attachments[0]) == file);
    assert_eq!(letter.defects, []);
}

#[test]
fn of_10_000_headers_the_first_are_read() {
    let raw = format!("{HEAD}{}\r\nText", "X-Spam: yes\r\n".repeat(10_000));
    let letter = bounded(raw.as_bytes());
    assert_eq!(letter.defects, [Defect::TooManyHeaders]);
    assert_eq!((letter.from.len(), letter.body.text.as_str()), (1, "Text"));
}

#[test]
fn a_1_mb_subject_is_cut() {
    for subject in
        ["x".repeat(1_000_000), "=?uu?q?a".repeat(125_000), "=?utf-8?b?w7w=?= ".repeat(60_000)]
    {
        let letter = bounded(format!("{HEAD}Subject: {subject}\r\n\r\nText").as_bytes());
        assert_eq!(letter.defects, [Defect::HeaderCut]);
        assert!(letter.subject.ends_with('…'), "{}", letter.subject);
        assert_eq!(letter.body.text, "Text");
    }
}

#[test]
fn a_long_body_shows_its_beginning() {
    let letter = bounded(format!("{HEAD}\r\n{}", "Zeile für Zeile\r\n".repeat(200_000)).as_bytes());
    assert_eq!(letter.defects, [Defect::BodyCut]);
    assert!(letter.body.text.starts_with("Zeile für Zeile\nZeile"));
}

#[test]
fn nested_multiparts_end_at_the_limit() {
    let mut raw = HEAD.to_owned();
    for depth in 0..20_000 {
        raw.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n"
        ));
    }
    raw.push_str("\r\nganz innen");
    let letter = bounded(raw.as_bytes());
    assert!(letter.defects.contains(&Defect::TooManyParts));
    assert_eq!(letter.attachments.len(), 1);
}

#[test]
fn nested_mails_are_not_opened() {
    let raw = format!("{HEAD}{}", "Content-Type: message/rfc822\r\n\r\n".repeat(200_000));
    let letter = bounded(raw.as_bytes());
    assert_eq!(letter.attachments.len(), 1);
    assert_eq!(letter.attachments[0].file_name, "attachment-1.eml");
}

#[test]
fn of_too_many_parts_the_first_are_read() {
    let part = "--b\r\nContent-Type: text/plain; name=x.txt\r\n\r\nx\r\n";
    let raw =
        format!("{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", part.repeat(100_000));
    let letter = bounded(raw.as_bytes());
    assert_eq!(letter.defects, [Defect::TooManyParts]);
    assert_eq!(letter.attachments.len(), mail::ATTACHMENTS_MAX);
}

#[test]
fn multiparts_whose_boundary_never_comes_take_no_longer_than_others() {
    let part = "--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\nx\r\n";
    let raw =
        format!("{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", part.repeat(100_000));
    let letter = bounded(raw.as_bytes());
    assert_eq!(letter.defects, [Defect::TooManyParts, Defect::Structure]);
}

#[test]
fn headers_made_to_be_slow_are_read_in_time() {
    for value in
        ["=?uu?q?a", "a,", "<a@b>,", "\"\\", "((((", "a*0*=%41;", "name=\"=?u8?b?", "<a@b> "]
    {
        let many = value.repeat(15_000 / value.len());
        let line = |name: &str| format!("{name}: text/plain; {many}\r\n").repeat(20);
        let names =
            ["From", "To", "Cc", "References", "Content-Type", "Content-Disposition", "Date"];
        let raw: String = names.iter().map(|name| line(name)).collect();
        bounded(format!("{raw}\r\nText").as_bytes());
    }
}

#[test]
fn nothing_at_all_is_one_opaque_attachment() {
    for raw in ["", "\r\n\r\n", "hello", "a: b\r\n\r\nc"] {
        let letter = bounded(raw.as_bytes());
        assert_eq!(letter.defects, [Defect::NotAMail]);
        assert_eq!(mail::content(raw.as_bytes(), &letter.attachments[0]), raw.as_bytes());
    }
}

#[test]
fn kim_21_machines_are_recognised() {
    let check = |header: &str, expected: bool| {
        let letter = mail::parse(format!("{HEAD}{header}\r\n\r\nText").as_bytes());
        assert_eq!(letter.automatic, expected, "{header}");
    };
    for automatic in [
        "Auto-Submitted: auto-replied",
        "auto-submitted: Auto-Generated; owner-email=x@y.de",
        "Return-Path: <>",
        "Precedence: Bulk",
        "Precedence: junk",
        "Precedence: list",
        "X-KIM-Fehlermeldung: 4001",
        "X-KIM-Dienstkennung: Arztbrief;Eingangsbestaetigung;V1.2",
        "X-KIM-Dienstkennung: kim-mail; Abwesend; V1.0",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
    ] {
        check(automatic, true);
    }
    for person in [
        "Auto-Submitted: no",
        "Auto-Submitted: No (a person)",
        "Return-Path: <a@x.de>",
        "Precedence: first-class",
        "X-KIM-Dienstkennung: KIM-Mail;Default;V1.0",
        "X-KIM-Dienstkennung: Anderes;Abwesend;V1.0",
        "Subject: Auto-Submitted: auto-replied",
    ] {
        check(person, false);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_within_the_limits(raw in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let letter = mail::parse(&raw);
        check_limits(&raw, &letter);
        mail::fingerprint(&raw, &letter);
        mail::header(&raw, "Subject");
    }

    #[test]
    fn any_lines_are_read_within_the_limits(
        lines in prop::collection::vec(
            prop_oneof![
                r"(From|To|Subject|Date|References|Content-Type|Content-Disposition): \PC{0,60}",
                r#"Content-Type: (text/(plain|html)|multipart/(mixed|alternative|digest)); (boundary|name|charset)="?[ab]"?"#,
                "Content-Transfer-Encoding: (base64|quoted-printable|x)",
                "--[ab](--)?",
                "[ -~]{0,80}",
                "",
            ],
            0..60,
        ),
    ) {
        let raw = lines.join("\n");
        let letter = mail::parse(raw.as_bytes());
        check_limits(raw.as_bytes(), &letter);
    }

    #[test]
    fn damaged_letters_are_read_within_the_limits(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
        doubled in any::<bool>(),
    ) {
        let corpus = corpus();
        let mut raw = which.get(&corpus).1.clone();
        for (at, byte) in changes {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        let cut = cut.index(raw.len());
        if doubled {
            raw.extend_from_within(cut..);
        } else {
            raw.truncate(cut);
        }
        let letter = mail::parse(&raw);
        check_limits(&raw, &letter);
        mail::fingerprint(&raw, &letter);
    }
}

/// A page with a footer of the mail server behind it is shown as a text alone. There, a value stands
/// beside its own name.
#[test]
fn l137_values_of_a_table_stand_beside_their_own_names_where_the_text_alone_is_shown() {
    let raw = "From: Labor <labor@mvz.kim.telematik>\r\nSubject: Laborwerte\r\nMessage-ID: <1@x>\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
        <table><tr><th>Wert</th><th>heute</th></tr>\
        <tr><td>Kalium<br>Natrium</td><td>6,9 mmol/l<br>140 mmol/l</td></tr></table>\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nDiese Nachricht wurde auf Viren geprueft.\r\n--b--\r\n";
    let letter = mail::parse(raw.as_bytes());
    assert_eq!(letter.body.html, None, "the text alone is shown");
    let text = &letter.body.text;
    assert!(text.contains("Kalium\t6,9 mmol/l\nNatrium\t140 mmol/l"), "{text}");
}

/// What stands in an embedding or isolate of the other direction is shown the other way round by a
/// mail program: `5 - 10`. The room shows that there was something.
#[test]
fn l143b_a_range_in_the_other_direction_is_noted() {
    for mark in ['\u{202B}', '\u{2067}'] {
        let raw = format!(
            "From: Labor <labor@mvz.kim.telematik>\r\nMessage-ID: <1@x>\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nDosis {mark}10 - 5 mg\r\n"
        );
        let letter = mail::parse(raw.as_bytes());
        assert_eq!(letter.body.text, "Dosis \u{FFFD}10 - 5 mg", "{mark:?}");
    }
}

/// What a fax machine calls itself stands above the caller's number, in the same cell. It is not taken
/// for the caller's: an answer would go to whatever number somebody typed into a machine.
#[test]
fn l137_a_station_id_in_a_table_with_lines_does_not_pass_for_the_caller() {
    use umstieg::{
        channel::FaxForm,
        model::{Correspondent, FaxNumber},
    };
    let fax = crate::faxes_read::channel(FaxForm::named("generic").unwrap());
    let raw = "From: Fax <fax@gateway.example>\r\nSubject: Neues Fax\r\nMessage-ID: <1@x>\r\n\
        Content-Type: text/html; charset=utf-8\r\n\r\n\
        <table><tr><td>Kennung<br>Anrufer</td><td>030 5550999<br>030 5550123</td></tr></table>\r\n";
    let letter = mail::parse(raw.as_bytes());
    let read = fax.correspondent_of(&letter).unwrap();
    let caller = Correspondent::Fax(FaxNumber::new("+49305550123").unwrap());
    assert_eq!(read, caller, "{}", letter.body.text);
}
