//! The note that a Clientmodul writes behind the text of a mail, and the report it may attach.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_parser::{Encoding, MessageParser, MimeHeaders as _, PartType};

use super::NoteForm;
use crate::clientmodul::head;

/// 45 dashes, then two sentences (A_2179-01, A_2050-05).
const DASHES: &str = "---------------------------------------------";
const SENTENCES: [&str; 2] =
    ["Die Nachricht wurde entschlüsselt.", "Die Signatur wurde erfolgreich geprüft."];
const BASE64_LINE: usize = 76;

/// The mail with the note in its first plain and its first HTML part. A mail without text has no place
/// for one; that none is made for it is assumed.
pub(super) fn appended(mail: &[u8], form: NoteForm) -> Vec<u8> {
    let parsed = MessageParser::default().parse(mail);
    let (Some(parsed), true) = (parsed, form != NoteForm::Absent) else { return mail.to_vec() };
    let mut ids: Vec<u32> = parsed.text_body.iter().chain(&parsed.html_body).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut out = Vec::with_capacity(mail.len() + 1024);
    let mut copied = 0;
    let mut noted = [false; 2];
    for part in ids.iter().filter_map(|id| parsed.part(*id)) {
        let is_html = match part.body {
            PartType::Text(_) => false,
            PartType::Html(_) => true,
            _ => continue,
        };
        let [plain, html] = &mut noted;
        let was_noted = if is_html { html } else { plain };
        if *was_noted || part.content_disposition().is_some_and(|it| it.is_attachment()) {
            continue;
        }
        *was_noted = true;
        let charset = part.content_type().and_then(|it| it.attribute("charset")).unwrap_or("utf-8");
        let note = in_charset(&text(is_html), charset, form);
        let (begin, end) = (part.offset_body as usize, part.offset_end as usize);
        let Some(content) = mail.get(begin..end) else { continue };
        out.extend(mail.get(copied..begin).unwrap_or_default());
        out.extend(with_note(content, &note, part.encoding));
        copied = end;
    }
    out.extend(mail.get(copied..).unwrap_or_default());
    out
}

fn text(is_html: bool) -> String {
    let [decrypted, verified] = SENTENCES;
    if is_html {
        format!("<br><br>{DASHES}<br>{decrypted}<br>{verified}<br>")
    } else {
        format!("\r\n\r\n{DASHES}\r\n{decrypted}\r\n{verified}\r\n")
    }
}

fn in_charset(text: &str, charset: &str, form: NoteForm) -> Vec<u8> {
    let charset = charset.to_ascii_lowercase();
    let is_utf8 = charset.contains("utf") || charset.contains("ascii");
    if form == NoteForm::Mojibake {
        return text.bytes().map(char::from).collect::<String>().into_bytes();
    }
    if is_utf8 { text.as_bytes().to_vec() } else { latin1(text) }
}

/// All characters of the sentences are in Latin-1, and Latin-9 and Windows-1252 agree on them.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

fn with_note(content: &[u8], note: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::None => [content, note].concat(),
        Encoding::QuotedPrintable => [content, quoted(note).as_bytes()].concat(),
        Encoding::Base64 => {
            let chars: Vec<u8> =
                content.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let Ok(mut bytes) = STANDARD.decode(chars) else { return content.to_vec() };
            bytes.extend(note);
            base64_lines(&bytes)
        }
    }
}

/// Quoted-printable; lines stay as short as they are.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            b'=' | 0x7f.. => out.push_str(&format!("={byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// A sentence in quoted-printable and Latin-1, softly broken between words.
pub(super) fn quoted_latin1(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let word = quoted(&latin1(word));
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < BASE64_LINE => line.push_str(&word),
            _ => lines.push(word),
        }
    }
    lines.join("=\r\n")
}

/// A subject as RFC 2047 wants it, in words short enough.
pub(super) fn encoded_word(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let words: Vec<String> = characters
        .chunks(24)
        .map(|chunk| STANDARD.encode(chunk.iter().collect::<String>()))
        .map(|word| format!("=?UTF-8?B?{word}?="))
        .collect();
    words.join("\r\n ")
}

fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let chars = STANDARD.encode(bytes).into_bytes();
    let lines = chars.chunks(BASE64_LINE).map(|line| [line, b"\r\n"].concat());
    lines.collect::<Vec<_>>().concat()
}

/// The mail with the maker's report as its last part.
pub(super) fn with_report(mail: &[u8]) -> Vec<u8> {
    let report = report_part();
    let parsed = MessageParser::default().parse_headers(mail);
    let boundary = parsed.as_ref().and_then(|it| {
        let kind = it.content_type()?;
        let is_mixed = kind.ctype() == "multipart" && kind.subtype() == Some("mixed");
        kind.attribute("boundary").filter(|_| is_mixed).map(str::to_owned)
    });
    let last = boundary.and_then(|boundary| {
        let last = format!("\r\n--{boundary}--");
        let at = mail.windows(last.len()).rposition(|window| window == last.as_bytes())?;
        Some((at, format!("\r\n--{boundary}\r\n")))
    });
    if let Some((at, between)) = last {
        let (before, end) = mail.split_at(at);
        return [before, between.as_bytes(), &report, end].concat();
    }
    // The whole content becomes the first of two parts.
    let (inner_head, body) = head::split(mail);
    let content = head::only(inner_head, |name| name.starts_with("content-"));
    let mut out = head::only(inner_head, |name| !name.starts_with("content-"));
    out.extend(b"Content-Type: multipart/mixed; boundary=\"cm-report\"\r\n\r\n--cm-report\r\n");
    out.extend(content);
    out.extend(b"\r\n");
    out.extend(body);
    out.extend(b"\r\n--cm-report\r\n");
    out.extend(report);
    out.extend(b"\r\n--cm-report--\r\n");
    out
}

fn report_part() -> Vec<u8> {
    let mut out = b"Content-Type: application/pdf; name=\"Signaturpruefungsbericht.pdf\"\r\nContent-Disposition: attachment; filename=\"Signaturpruefungsbericht.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec();
    out.extend(base64_lines(super::super::ready_made::PDF));
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{NoteForm, appended, encoded_word, quoted_latin1, with_report};

    /// The texts of a mail after the note, decoded.
    fn texts(mail: &str, form: NoteForm) -> Vec<String> {
        let mail = mail.replace('\n', "\r\n");
        let noted = appended(mail.as_bytes(), form);
        let parsed = mail_parser::MessageParser::default().parse(&noted).unwrap();
        let ids: BTreeSet<_> = parsed.text_body.iter().chain(&parsed.html_body).collect();
        let parts = ids.into_iter().filter_map(|id| parsed.part(*id));
        parts.filter_map(|part| part.text_contents().map(str::to_owned)).collect()
    }

    #[test]
    fn kim_17_the_note_comes_in_the_charset_and_encoding_of_its_part() {
        let note = "Die Nachricht wurde entschlüsselt.";
        for mail in [
            "Subject: x\n\nHallo",
            "Content-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: quoted-printable\n\nHallo=2C\n",
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nSGFsbG8=\n",
            "Content-Type: text/html; charset=windows-1252\n\n<p>Hallo</p>",
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHallo\n--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nanother\n--b--\n",
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHallo\n--b\n\nanother\n--b--\n",
        ] {
            let texts = texts(mail, NoteForm::AsText);
            assert!(texts[0].contains("Hallo") && texts[0].contains(note), "{texts:?}");
            assert_eq!(texts.concat().matches(note).count(), 1, "{texts:?}");
        }
        let both = "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nHallo\n--b\nContent-Type: text/html; charset=utf-8\n\n<b>Hallo</b>\n--b--\n";
        let texts_of_both = texts(both, NoteForm::AsText);
        assert_eq!(texts_of_both.iter().filter(|text| text.contains(note)).count(), 2);
        let mojibake =
            texts("Content-Type: text/plain; charset=utf-8\n\nHallo", NoteForm::Mojibake);
        assert!(mojibake[0].contains("entschlÃ¼sselt"), "{mojibake:?}");
        assert!(!texts(both, NoteForm::Absent).concat().contains(note));
    }

    #[test]
    fn kim_17_the_maker_s_report_is_one_more_attachment() {
        for mail in [
            "Subject: x\r\n\r\nHallo",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHallo\r\n--b--\r\n",
        ] {
            let with = with_report(mail.as_bytes());
            let parsed = mail_parser::MessageParser::default().parse(&with).unwrap();
            assert!(parsed.body_text(0).unwrap().contains("Hallo"));
            assert_eq!(parsed.attachment_count(), 1);
        }
    }

    #[test]
    fn umlauts_are_written_as_heads_and_lines_take_them() {
        assert_eq!(encoded_word("für"), "=?UTF-8?B?ZsO8cg==?=");
        assert_eq!(quoted_latin1("für"), "f=FCr");
    }
}
