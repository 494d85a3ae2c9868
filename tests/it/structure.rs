//! The structure of real mails: what is shown of them, and what is said about them.
//!
//! Inputs are built here; `tests/letters` has whole mails by quirk.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use umstieg::{
    mail,
    model::{Defect, Letter},
};

const HEAD: &str = "From: Dr. Vera Tannhof <tannhof@klinik-ost.kim.telematik>\n\
    To: praxis@mueller.kim.telematik\nSubject: Medikation\n\
    Date: Mon, 23 Nov 2026 09:15:00 +0100\nMessage-ID: <s1@klinik-ost.kim.telematik>\n\
    MIME-Version: 1.0\n";

fn read(rest: &str) -> Letter {
    mail::parse(format!("{HEAD}{rest}").as_bytes())
}

/// The text of a mail, and whether anything is said about it.
fn check(rest: &str, text: &str, has_defect: bool) {
    let letter = read(rest);
    assert_eq!(
        (letter.body.text.as_str(), !letter.defects.is_empty()),
        (text, has_defect),
        "{rest:?} {:?}",
        letter.defects
    );
    assert_eq!(letter.from.len(), 1, "{rest:?}");
}

fn files(raw: &[u8], letter: &Letter) -> Vec<(String, String)> {
    let file = |file: &umstieg::model::Attachment| {
        let content = mail::content(raw, file);
        assert_eq!(content.len() as u64, file.bytes);
        (file.file_name.clone(), String::from_utf8_lossy(&content).into_owned())
    };
    letter.attachments.iter().map(file).collect()
}

const LINES: &str = "Marcumar: ab heute absetzen\nASS: weiter 100 mg\n\nGruss";

/// B02: whatever ends the lines, all of them are shown, in a mail and in its parts.
#[test]
fn b02_all_lines_are_shown_whatever_ends_them() {
    let part = "--b\nContent-Type: text/plain\n\n";
    let file = "--b\nContent-Type: application/pdf; name=a.pdf\n\
        Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--b--\n";
    for (rest, count) in [
        (format!("Content-Type: text/plain\n\n{LINES}\n"), 0),
        (
            format!(
                "Content-Transfer-Encoding: quoted-printable\n\n{}\n",
                LINES.replace("ASS", "AS=\nS")
            ),
            0,
        ),
        (format!("Content-Type: multipart/mixed; boundary=b\n\n{part}{LINES}\n{file}"), 1),
    ] {
        let mail = format!("{HEAD}{rest}");
        for end in ["\n", "\r\n", "\r", "\r\r\n"] {
            let raw = mail.replace('\n', end);
            for raw in
                [raw.clone(), format!("\u{FEFF}{raw}"), format!("From a@b Mon Nov 23{end}{raw}")]
            {
                let letter = mail::parse(raw.as_bytes());
                assert_eq!(letter.body.text, LINES, "{raw:?}");
                assert_eq!(letter.from.len(), 1, "{raw:?}");
                assert_eq!(letter.defects, [], "{raw:?}");
                let files = files(raw.as_bytes(), &letter);
                assert_eq!(files.len(), count, "{raw:?}");
                assert!(files.iter().all(|(name, bytes)| name == "a.pdf" && bytes == "%PDF-1.4\n"));
            }
        }
    }
}

/// B02: where the empty line is missing, or has blanks in it, no line of the text is taken for a
/// field.
#[test]
fn b02_no_line_of_the_text_is_taken_for_a_field() {
    let lines = format!("{LINES}\n");
    // The empty line is missing: before a field that is none, and before a line that is none.
    check(&format!("Content-Type: text/plain\n{lines}"), LINES, true);
    check(&lines, LINES, true);
    check(
        "Marcumar absetzen\nASS: weiter\n\nGruss\n",
        "Marcumar absetzen\nASS: weiter\n\nGruss",
        true,
    );
    check("Marcumar: absetzen", "Marcumar: absetzen", true);
    check(
        "https://klinik.example/plan\nASS: weiter\n\nGruss\n",
        "https://klinik.example/plan\nASS: weiter\n\nGruss",
        true,
    );
    check("10:30 Uhr Termin\n\nGruss\n", "10:30 Uhr Termin\n\nGruss", true);
    check("X-Ray: o. B.\n\nGruss\n", "X-Ray: o. B.\n\nGruss", true);
    check(
        "Marcumar: absetzen\n ab heute\nASS: weiter\n\nGruss",
        "Marcumar: absetzen\n ab heute\nASS: weiter\n\nGruss",
        true,
    );
    check(
        "Guten Tag,\nFrom: ist ein englisches Wort\nGruss\n",
        "Guten Tag,\nFrom: ist ein englisches Wort\nGruss",
        true,
    );
    // Blanks in it.
    check(&format!("Content-Type: text/plain\n \t\n{lines}"), LINES, true);
    check(&format!("X-Spam: no\n  \n{lines}"), LINES, true);
    check(
        "X-Spam: no\n \nFrom: Klinik\nTo: Praxis\n\nGruss\n",
        "From: Klinik\nTo: Praxis\n\nGruss",
        true,
    );
    // A line end slipped into a value: nothing of it is lost.
    let letter = mail::parse(b"From: a@x.de\nSubject: Befund\nvom Montag\nTo: b@y.de\n\nText\n");
    assert_eq!((letter.subject.as_str(), letter.body.text.as_str()), ("Befund vom Montag", "Text"));
    assert_eq!(letter.to.len(), 1);
    // Words among the fields, with fields of all kinds around them.
    check("Marcumar: absetzen\nX-Spam: no\n\nGruss\n", "Gruss\n\nMarcumar: absetzen", true);
    // Fields of systems that are not known here are none of the text.
    check(
        "Vendor-Thing: 1\nX-Spam: no\nmsip_labels: 2\nThread-Index: 3\n\nGruss\n",
        "Gruss",
        false,
    );
}

/// B02: the same within parts.
#[test]
fn b02_no_line_of_a_part_is_taken_for_a_field() {
    let part =
        |part: &str| format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{part}\n--b--\n");
    check(&part(&format!("\n{LINES}")), LINES, false);
    check(&part(LINES), LINES, true);
    check(&part(&format!("Content-Type: text/plain\n{LINES}")), LINES, true);
    check(&part(&format!("Content-Type: text/plain\n \n{LINES}")), LINES, true);
    check(&part("Kalium 6,8"), "Kalium 6,8", true);
    check(
        &part("Subject: Kalium\nDate: heute\n\n6,8"),
        "Subject: Kalium\nDate: heute\n\n6,8",
        true,
    );
    check(&part("Kalium: 6,8\nContent-Type: text/plain\n\nGruss"), "Gruss\n\nKalium: 6,8", true);
}

/// B09: words outside the parts, boundaries that are missing, doubled, or not named.
#[test]
fn b09_nothing_of_a_multipart_is_left_out() {
    let mixed = "Content-Type: multipart/mixed; boundary=b\n\n";
    let text = |words: &str| format!("--b\nContent-Type: text/plain\n\n{words}\n");
    let (one, two) = (text("Eins"), text("Zwei"));
    check(&format!("{mixed}{one}{two}--b--\n"), "Eins\n\nZwei", false);
    check(&format!("{mixed}{one}{two}"), "Eins\n\nZwei", true);
    check(&format!("{mixed}{one}--b--\n{two}--b--\n"), "Eins\n\nZwei", true);
    check(&format!("{mixed}Vorn\n{one}--b--\nHinten\n"), "Eins\n\nVorn\n\nHinten", true);
    check(
        &format!("{mixed}This is a multi-part message in MIME format.\n{one}--b--\n"),
        "Eins",
        false,
    );
    check(&format!("{mixed}Nur Text\n"), "Nur Text", true);
    check(&format!("{mixed}--b--\nNur Text\n"), "--b--\nNur Text", true);
    // No boundary, an empty one, another one, two, one for two.
    for boundary in ["", "; boundary=", "; boundary=\"\"", "; boundary=other"] {
        let rest = format!("Content-Type: multipart/mixed{boundary}\n\n");
        let parts = format!("{one}{two}--b--\n").replace("--b", "--b17");
        check(&format!("{rest}{parts}"), "Eins\n\nZwei", true);
    }
    check(
        &format!("Content-Type: multipart/mixed; boundary=a; boundary=b\n\n{one}--b--\n"),
        "Eins",
        false,
    );
    // Encoded as a whole.
    let file = "--b\nContent-Type: application/pdf; name=a.pdf\n\n%PDF-1.4\n";
    let encoded = BASE64_STANDARD.encode(format!("{one}{file}--b--\n"));
    let rest = format!(
        "{}Content-Transfer-Encoding: base64\n\n{encoded}\n",
        mixed.trim_end_matches('\n').to_owned() + "\n"
    );
    check(&rest, "Eins", true);
    let raw = format!("{HEAD}{rest}");
    let files = files(raw.as_bytes(), &mail::parse(raw.as_bytes()));
    assert_eq!(files, [("a.pdf".to_owned(), "%PDF-1.4".to_owned())]);
    let inner = format!(
        "--b\nContent-Type: multipart/mixed; boundary=b\n\n{one}{two}--b--\n{}--b--\n",
        text("Drei")
    );
    let letter = read(&format!("{mixed}{inner}"));
    assert_eq!(letter.body.text, "Eins\n\nZwei\n\nDrei");
    assert!(!letter.defects.is_empty());
    // Unknown types are read as mixed ones.
    for kind in ["x-unknown", "report", "signed; protocol=x", "related", "parallel", "form-data"] {
        check(
            &format!("Content-Type: multipart/{kind}; boundary=b\n\n{one}{two}--b--\n"),
            "Eins\n\nZwei",
            false,
        );
    }
}

/// B09: of an alternative only other renderings of the same words are left out.
#[test]
fn b09_words_of_alternatives_are_shown() {
    let part = |kind: &str, words: &str| format!("--b\nContent-Type: text/{kind}\n\n{words}\n");
    let alternative = |parts: &[String]| {
        format!("Content-Type: multipart/alternative; boundary=b\n\n{}--b--\n", parts.concat())
    };
    let check = |parts: &[String], words: &[&str], html: bool, differ: bool| {
        let letter = read(&alternative(parts));
        let shown =
            format!("{}{}", letter.body.text, letter.body.html.as_deref().unwrap_or_default());
        assert!(words.iter().all(|word| shown.contains(word)), "{parts:?}: {shown}");
        assert_eq!(letter.body.html.is_some(), html, "{parts:?}: {shown}");
        assert_eq!(letter.defects.contains(&Defect::Renderings), differ, "{parts:?}: {shown}");
        // What a client without HTML shows.
        assert!(words.iter().all(|word| letter.body.text.contains(word)), "{}", letter.body.text);
    };
    check(
        &[part("plain", "Eins zwei"), part("html", "<p>Eins <b>zwei</b></p>")],
        &["Eins zwei"],
        true,
        false,
    );
    check(
        &[part("plain", "Eins"), part("html", "<p>Eins <b>zwei</b></p>")],
        &["Eins zwei"],
        true,
        false,
    );
    check(
        &[part("plain", "Eins drei"), part("html", "<p>Eins <b>zwei</b></p>")],
        &["drei", "zwei"],
        false,
        true,
    );
    check(
        &[part("plain", "Erster"), part("plain", "Zweiter")],
        &["Erster", "Zweiter"],
        false,
        true,
    );
    check(&[part("html", "Erster"), part("html", "Zweiter")], &["Erster", "Zweiter"], false, true);
    check(
        &[part("plain", "ASS nicht absetzen"), part("html", "nicht ASS absetzen")],
        &["ASS nicht", "nicht ASS"],
        false,
        true,
    );
}

/// B10: lines before and after base64 are no part of a file, and are shown.
#[test]
fn b10_files_end_where_their_base64_does() {
    for (name, before, data, behind) in [
        ("padded", "", "JVBERi0xLjQ=\n", "\n-- \nGeprüft.\n"),
        ("bare", "", "JVBERi0xLjQKMTIz\nNDU2\n", "\nDiese Nachricht wurde geprueft.\n"),
        ("touching", "", "JVBERi0xLjQKMTIz\nNDU2\n", "Diese Nachricht wurde geprueft.\n"),
        ("before", "[EXTERN] Vorsicht bei Links\n\n", "JVBERi0xLjQ=\n", ""),
    ] {
        let rest = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nAnbei.\n--b\nContent-Type: \
             application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n{before}{data}{behind}--b--\n"
        );
        let raw = format!("{HEAD}{rest}");
        let letter = mail::parse(raw.as_bytes());
        let expected = BASE64_STANDARD.decode(data.replace('\n', "")).unwrap();
        let expected = String::from_utf8(expected).unwrap();
        assert_eq!(files(raw.as_bytes(), &letter), [("a.pdf".to_owned(), expected)], "{name}");
        let words = format!("Anbei.\n\n{}{}", before.trim(), behind.trim());
        assert_eq!(letter.body.text, words, "{name}");
        assert!(letter.defects.contains(&Defect::Encoding), "{name}");
    }
    check(
        "Content-Transfer-Encoding: base64\n\nR3LDvMOfZQ==\n\n-- \nGeprüft.\n",
        "Grüße\n\n-- \nGeprüft.",
        true,
    );
    check(
        "Content-Transfer-Encoding: base64\n\nKalium 6,8, bitte anrufen.\n",
        "Kalium 6,8, bitte anrufen.",
        true,
    );
}

const UU: &str = "begin 644 fax.pdf\n*)5!$1BTQ+C0*\"@\n`\nend\n";

/// B12: uuencode in a text, in one that is encoded itself, as a part, and what only looks like it.
#[test]
fn b12_uuencoded_files_are_taken_out() {
    let encoded = BASE64_STANDARD.encode(format!("Anbei.\n{UU}Gruss\n"));
    let quoted = format!("Anbei.\n{UU}Gruss\n").replace('=', "=3D");
    for rest in [
        format!("\nAnbei.\n{UU}Gruss\n"),
        format!("Content-Transfer-Encoding: base64\n\n{encoded}\n"),
        format!("Content-Transfer-Encoding: quoted-printable\n\n{quoted}"),
        format!("Content-Type: text/plain; name=x.txt\n\nAnbei.\n{UU}Gruss\n"),
    ] {
        let raw = format!("{HEAD}{rest}");
        let letter = mail::parse(raw.as_bytes());
        assert_eq!(letter.body.text, "Anbei.\nGruss", "{rest}");
        assert_eq!(
            files(raw.as_bytes(), &letter),
            [("fax.pdf".to_owned(), "%PDF-1.4\n\n".to_owned())]
        );
        assert_eq!(letter.attachments[0].media_type, "application/pdf");
    }
    for encoding in ["x-uuencode", "X-UUE", "uuencode"] {
        let raw = format!(
            "{HEAD}Content-Type: application/octet-stream\nContent-Transfer-Encoding: {encoding}\n\n\
             Vorn\n{UU}Hinten\n"
        );
        let letter = mail::parse(raw.as_bytes());
        assert_eq!(
            files(raw.as_bytes(), &letter),
            [("fax.pdf".to_owned(), "%PDF-1.4\n\n".to_owned())]
        );
        assert_eq!(letter.body.text, "Vorn\n\nHinten");
    }
    check(
        "\nbegin 644 x\nWir beginnen heute.\nend\n",
        "begin 644 x\nWir beginnen heute.\nend",
        false,
    );
    check(
        "\n=ybegin line=128 size=3 name=a\nabc\n=yend size=3\n",
        "=ybegin line=128 size=3 name=a\nabc\n=yend size=3",
        true,
    );
}

/// B13: a name alone makes no file of the only words.
#[test]
fn b13_named_texts_are_the_body_where_there_is_no_other() {
    let mixed = |parts: &[(&str, &str)]| {
        let part = |(head, words): &(&str, &str)| format!("--b\n{head}\n\n{words}\n");
        let parts: String = parts.iter().map(part).collect();
        read(&format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n"))
    };
    let pdf = ("Content-Type: application/pdf; name=p.pdf", "%PDF-");
    for head in [
        "Content-Type: text/plain; name=body.txt",
        "Content-Type: text/plain; name=\"\"",
        "Content-Type: text/plain\nContent-Disposition: inline; filename=nachricht.txt",
        "Content-Type: text/plain; name=\"ohne Endung\"",
        "Content-Type: text/html; name=body.htm",
    ] {
        let letter = mixed(&[(head, "Worte"), pdf]);
        assert_eq!((letter.body.text.as_str(), letter.attachments.len()), ("Worte", 1), "{head}");
    }
    // Files they stay: beside another body, attached, and of other kinds.
    for head in [
        "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt",
        "Content-Type: text/plain; name=werte.csv",
        "Content-Type: text/csv; name=werte.csv",
        "Content-Type: text/vcard",
        "Content-Type: text/calendar",
    ] {
        let letter = mixed(&[(head, "Worte"), pdf]);
        assert_eq!((letter.body.text.as_str(), letter.attachments.len()), ("", 2), "{head}");
    }
    let letter = mixed(&[
        ("Content-Type: text/plain", "Brief"),
        ("Content-Type: text/plain; name=a.txt", "Datei"),
    ]);
    assert_eq!((letter.body.text.as_str(), letter.attachments.len()), ("Brief", 1));
}

/// B14: what else holds the letter, or says that it is elsewhere, is announced; it stays a file.
#[test]
fn b14_what_is_not_opened_is_announced() {
    let enveloped =
        BASE64_STANDARD.encode(b"\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x03\x02\x00");
    for (head, body, defect) in [
        (
            "application/pkcs7-mime; smime-type=enveloped-data",
            enveloped.as_str(),
            Defect::Encrypted,
        ),
        ("application/octet-stream; name=smime.p7m", enveloped.as_str(), Defect::Encrypted),
        ("application/x-pkcs7-mime", "AAAA", Defect::Unopened),
        ("application/ms-tnef; name=winmail.dat", "eJ8+Ig==", Defect::Unopened),
        ("application/octet-stream; name=Winmail.dat", "AAAA", Defect::Unopened),
        ("application/octet-stream", "eJ8+Igo=", Defect::Unopened),
        ("message/partial; id=a; number=1; total=2", "AAAA", Defect::Partial),
        ("message/external-body; access-type=URL", "AAAA", Defect::Elsewhere),
        ("application/pgp-encrypted", "AAAA", Defect::Encrypted),
    ] {
        let letter =
            read(&format!("Content-Type: {head}\nContent-Transfer-Encoding: base64\n\n{body}\n"));
        assert!(letter.defects.contains(&defect), "{head}: {:?}", letter.defects);
        assert_eq!(letter.attachments.len(), 1, "{head}");
    }
    let armour = "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----";
    assert_eq!(read(&format!("\n{armour}\n")).defects, [Defect::Encrypted]);
    let armour = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nText";
    assert_eq!(read(&format!("\n{armour}\n")).defects, [Defect::SignatureUnchecked]);
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], length.as_slice(), content].concat()
}

fn oid(last: u8) -> Vec<u8> {
    vec![0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, last]
}

/// Signed data as programs that stream write it: by BER, its content in pieces.
fn signed(content: &str) -> Vec<u8> {
    let pieces: Vec<u8> = content.as_bytes().chunks(50).flat_map(|piece| der(4, piece)).collect();
    let octets = [&[0x24, 0x80], pieces.as_slice(), &[0, 0]].concat();
    let enclosed = [oid(1), vec![0xA0, 0x80], octets, vec![0, 0]].concat();
    let data = [vec![2, 1, 1, 0x31, 0, 0x30, 0x80], enclosed, vec![0, 0], der(0x31, &[])].concat();
    [vec![0x30, 0x80], oid(2), vec![0xA0, 0x80], der(0x30, &data), vec![0; 4]].concat()
}

fn signed_part(content: &str) -> String {
    let lines: Vec<String> = BASE64_STANDARD
        .encode(signed(content))
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\n\
         Content-Disposition: attachment; filename=smime.p7m\n\
         Content-Transfer-Encoding: base64\n\n{}\n",
        lines.join("\n")
    )
}

/// B14: the signed content is the letter, its files are files, and the signature is not believed.
#[test]
fn b14_what_a_signature_encloses_is_the_letter() {
    let parts = format!(
        "Content-Type: multipart/mixed; boundary=c\n\n--c\n\nKalium 6,8: anrufen\n--c\nContent-Type: \
         application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n{}\n--c--\n",
        BASE64_STANDARD.encode("%PDF-1.4 ".repeat(40))
    );
    let headed =
        format!("Content-Type: message/rfc822\n\nFrom: x@y.de\nSubject: Laborwert\n{parts}");
    let twice = signed_part(&parts);
    let outer =
        format!("Content-Type: multipart/mixed; boundary=o\n\n--o\n{}--o--\n", signed_part(&parts));
    let alone = signed_part("\nKalium 6,8: anrufen");
    for (rest, subject, count) in [
        (signed_part(&parts), "", 2),
        (signed_part(&headed), "Laborwert\n\n", 2),
        (signed_part(&twice), "", 3),
        (outer, "", 2),
        (alone, "", 1),
        (
            signed_part(&parts).replace(
                "application/pkcs7-mime; smime-type=signed-data;",
                "application/octet-stream;",
            ),
            "",
            2,
        ),
    ] {
        let raw = format!("{HEAD}{rest}");
        let letter = mail::parse(raw.as_bytes());
        assert_eq!(
            letter.body.text,
            format!("{subject}Kalium 6,8: anrufen"),
            "{:?}",
            letter.defects
        );
        assert_eq!(letter.defects, [Defect::SignatureUnchecked]);
        let files = files(raw.as_bytes(), &letter);
        assert_eq!((files.len(), files[0].0.as_str()), (count, "smime.p7m"));
        if count > 1 {
            assert_eq!(files[count - 1], ("a.pdf".to_owned(), "%PDF-1.4 ".repeat(40)));
        }
    }
    // A file in it, and one that signs something else.
    let letter = read(&signed_part("%PDF-\u{0}"));
    assert_eq!(letter.defects, [Defect::Unopened]);
    let letter = read(&signed_part(""));
    assert_eq!((letter.defects.len(), letter.attachments.len()), (0, 1));
    // Cut off on the way: its beginning.
    let whole = signed_part(&"Kalium 6,8. ".repeat(50));
    let letter = read(whole.get(..whole.len() / 2).unwrap());
    assert!(letter.body.text.starts_with("Kalium 6,8."));
    assert!(letter.defects.contains(&Defect::Encoding));
    // No end to it.
    let deep = (0..6).fold(parts, |inner, _| signed_part(&inner));
    let letter = read(&deep);
    assert!(letter.defects.contains(&Defect::Unopened));
}

/// R15: a sender that is not read is still a sender.
#[test]
fn r15_one_of_several_senders_is_never_the_only_one() {
    let cut = format!("klinik@echt.de,\n {}\n x@boese.de", " x".repeat(10_000));
    for from in [
        "From: \"x y\"@boese.de, klinik@echt.de",
        "From: mü@boese.de, klinik@echt.de",
        "From: klinik@echt.de, x@[127.0.0.1]",
        "From: klinik@echt.de, Praxen: x@boese.de;",
        "From: klinik@echt.de <x@boese.de",
        "From: klinik@echt.de\nFrom: x@boese.de",
        "From: klinik@echt.de\nFrom: \"x y\"@boese.de",
        "From: klinik@echt.de\nFrom: klinik@echt.de",
        "From: klinik@echt.de\nFrom:",
        "From: klinik@echt.de\n, x@boese.de",
        &format!("From: {cut}"),
        &format!("From: klinik@echt.de\n{}From: x@boese.de", "X-A: b\n".repeat(1_000)),
    ] {
        let letter = mail::parse(format!("{from}\nSubject: x\n\nText\n").as_bytes());
        assert_ne!(letter.from.len(), 1, "{from}");
        let told = [Defect::SeveralSenders, Defect::NoSender];
        assert!(letter.defects.iter().any(|defect| told.contains(defect)), "{from}");
    }
    for from in ["From: \"x y\"@boese.de", "From: <>", "Sender: klinik@echt.de", "From: klinik"] {
        let letter = mail::parse(format!("{from}\nSubject: x\n\nText\n").as_bytes());
        assert_eq!(
            (letter.from.len(), letter.defects.as_slice()),
            (0, &[Defect::NoSender][..]),
            "{from}"
        );
    }
    for from in [
        "From: Klinik <klinik@echt.de>",
        "From: \"Klinik, Ost\" <klinik@echt.de>",
        "From: Klinik, Ost <klinik@echt.de>",
        "From: =?utf-8?Q?Klinik,_Ost?= <klinik@echt.de>",
        "From: klinik@echt.de (Klinik)",
        "From: Gruppe: klinik@echt.de;",
        "From: klinik@echt.de\nSender: sekretariat@echt.de",
    ] {
        let letter = mail::parse(format!("{from}\nSubject: x\n\nText\n").as_bytes());
        assert_eq!((letter.from.len(), letter.defects.len()), (1, 0), "{from}");
    }
}

/// B21: fields that only machines write, and those that prove nothing.
#[test]
fn b21_machines_are_known_by_their_fields() {
    for (field, expected) in [
        ("X-Autoreply: yes", true),
        ("X-Autorespond: ja", true),
        ("X-Autoreply-From: a@b.de", true),
        ("X-Mail-Autoreply: 1", true),
        ("X-Autogenerated: Reply", true),
        ("X-FC-MachineGenerated: true", true),
        ("Precedence: auto-reply", true),
        ("Delivered-To: Autoresponder", true),
        ("List-Unsubscribe: <https://x.example>", true),
        ("Return-Path: < >", true),
        ("Content-Type: message/delivery-status", true),
        ("X-Autoreply: no", false),
        ("X-FC-MachineGenerated: false", false),
        ("X-Auto-Response-Suppress: All", false),
        ("Subject: Automatische Antwort", false),
    ] {
        let letter = mail::parse(format!("From: a@x.de\n{field}\n\nText\n").as_bytes());
        assert_eq!(letter.automatic, expected, "{field}");
    }
}

/// B16: a broken word or name is shown as well as possible, and said.
#[test]
fn b16_broken_words_leave_a_defect() {
    for subject in ["=?utf-8?Q?Gr=C3=BC=C3=9Fe", "=?x-none?Q?Grüße?=", "=?utf-8?Q?Gr=FC=DFe?="] {
        let letter = mail::parse(format!("From: a@x.de\nSubject: {subject}\n\nText\n").as_bytes());
        assert_eq!(
            (letter.subject.as_str(), letter.defects.as_slice()),
            ("Grüße", &[Defect::Encoding][..])
        );
    }
    let letter = mail::parse(b"From: a@x.de\nSubject: Eins\nSubject: Zwei\n\nText\n");
    assert_eq!(
        (letter.subject.as_str(), letter.defects.as_slice()),
        ("Eins", &[Defect::Structure][..])
    );
}
