//! The note that a Clientmodul puts under the text of a mail it has decrypted (KIM-17).

use crate::model::{Attachment, Body};

/// The line above its sentences (gemSpec_CM_KOMLE, A_2179).
const RULE: &str = "---------------------------------------------";

/// Its sentences, of which only letters of ASCII count: Clientmodule write the umlauts in more than one
/// wrong way.
const SENTENCES: [&str; 2] =
    ["Die Nachricht wurde entschlüsselt.", "Die Signatur wurde erfolgreich geprüft."];

/// The files in which Clientmodule report on the signature, in lower case.
const REPORTS: [&str; 2] = ["signaturpruefungsbericht.pdf", "signaturpruefbericht.pdf"];

/// Takes the note from the end of a body, and says whether there was one.
///
/// Only for mails that a Clientmodul decrypted: in any other, the sender wrote it. Nothing is taken
/// when anything else follows.
pub fn without_kim_note(body: &mut Body) -> bool {
    let Some(at) = note_at(&body.text) else { return false };
    body.text.truncate(at);
    let kept = body.text.trim_end().len();
    body.text.truncate(kept);
    if let Some(html) = &body.html
        && let Some(shorter) = html_without_note(html)
    {
        body.html = Some(shorter);
    }
    true
}

/// Whether a file is a Clientmodul's report on the signature.
pub fn is_kim_report(file: &Attachment) -> bool {
    REPORTS.contains(&file.file_name.to_lowercase().as_str())
}

/// Where the note begins in a text that ends with one.
fn note_at(text: &str) -> Option<usize> {
    let at = text.rfind(RULE)?;
    let (before, note) = text.split_at_checked(at)?;
    let is_line = before.is_empty() || before.ends_with('\n');
    let mut lines = note.lines();
    let is_rule = lines.next().is_some_and(|line| line.trim_end() == RULE);
    (is_line && is_rule && is_of_sentences(lines)).then_some(at)
}

/// Whether these lines are sentences of a note and nothing else; at least one of them.
fn is_of_sentences<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let known = SENTENCES.map(letters);
    let mut count = 0;
    for line in lines.map(letters_trimmed).filter(|line| !line.is_empty()) {
        if !known.contains(&line) {
            return false;
        }
        count += 1;
    }
    count > 0
}

fn letters_trimmed(line: &str) -> String {
    // A line of other signs is no empty line.
    let said = letters(line);
    if said.is_empty() { line.trim().to_owned() } else { said }
}

fn letters(line: &str) -> String {
    line.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

/// The same of HTML that was made for a room: from the last rule on, text and opened elements go, and
/// the ends of earlier elements stay.
fn html_without_note(html: &str) -> Option<String> {
    let at = html.rfind(RULE)?;
    let (before, note) = html.split_at_checked(at)?;
    let mut kept = before.trim_end().to_owned();
    let (mut said, mut depth) = (String::new(), 0_usize);
    let mut rest = note.strip_prefix(RULE)?;
    while let Some((text, behind)) = rest.split_once('<') {
        said.push_str(text);
        let (tag, after) = behind.split_once('>')?;
        rest = after;
        if tag.starts_with('/') {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => {
                    kept.push('<');
                    kept.push_str(tag);
                    kept.push('>');
                }
            }
        } else if !tag.ends_with('/') && !["br", "hr", "img"].contains(&tag.split(' ').next()?) {
            depth += 1;
        }
        // Elements part lines.
        said.push('\n');
    }
    said.push_str(rest);
    is_of_sentences(said.replace("&nbsp;", " ").lines()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::parse;

    fn shorter(text: &str, html: Option<&str>) -> Option<Body> {
        let mut body = Body { text: text.to_owned(), html: html.map(str::to_owned) };
        without_kim_note(&mut body).then_some(body)
    }

    #[test]
    fn kim_17_the_note_goes_from_the_end_of_the_text() {
        for note in [
            "Die Nachricht wurde entschlüsselt.\nDie Signatur wurde erfolgreich geprüft.",
            "Die Nachricht wurde entschlÃ¼sselt.\nDie Signatur wurde erfolgreich geprÃ¼ft.\n\n",
            "Die Nachricht wurde entschl\u{FFFD}sselt. \n\nDie Signatur wurde erfolgreich gepr?ft.",
            "Die Nachricht wurde entschlüsselt.",
        ] {
            let text = format!("Guten Tag\n\n\n{RULE}\n{note}");
            assert_eq!(shorter(&text, None).unwrap().text, "Guten Tag", "{note}");
            assert_eq!(shorter(&format!("{RULE}\n{note}"), None).unwrap().text, "");
        }
    }

    #[test]
    fn kim_17_anything_else_stays() {
        let note = format!("{RULE}\nDie Nachricht wurde entschlüsselt.");
        for text in [
            "Guten Tag".to_owned(),
            format!("{note}\nUnd noch etwas"),
            format!("{note}\n***"),
            format!("Guten Tag {note}"),
            format!("-{note}"),
            RULE.to_owned(),
            format!("{RULE}\nDie Nachricht wurde nicht entschlüsselt."),
            format!("{}\nDie Nachricht wurde entschlüsselt.", "-".repeat(44)),
            format!("{note}\n{RULE}\nDr. Weiß"),
        ] {
            assert_eq!(shorter(&text, None), None, "{text}");
        }
    }

    #[test]
    fn kim_17_html_keeps_its_form() {
        let text = format!("Guten Tag\n{RULE}\nDie Nachricht wurde entschlüsselt.");
        for (html, expected) in [
            (
                format!("<p>Guten Tag<br>{RULE}<br>Die Nachricht wurde entschlüsselt.</p>"),
                "<p>Guten Tag<br></p>",
            ),
            (
                format!(
                    "<p>Guten Tag</p><p>{RULE}<br/><b>Die Nachricht wurde entschlüsselt.</b></p>"
                ),
                "<p>Guten Tag</p><p></p>",
            ),
        ] {
            let body = shorter(&text, Some(&html)).unwrap();
            assert_eq!(body.html.as_deref(), Some(expected));
        }
        let other = format!("<p>Guten Tag<br>{RULE}<br>Etwas anderes</p>");
        assert_eq!(shorter(&text, Some(&other)).unwrap().html, Some(other));
    }

    #[test]
    fn kim_17_the_note_of_a_real_mail_goes() {
        let mail = include_bytes!("../../tests/letters/kim_after_retr_with_note.eml");
        for mail in
            [mail.to_vec(), String::from_utf8_lossy(mail).replace('\n', "\r\n").into_bytes()]
        {
            let mut body = parse(&mail).body;
            assert!(without_kim_note(&mut body), "{}", body.text);
            assert_eq!(body.text, "Text der Testnachricht");
        }
    }
}
