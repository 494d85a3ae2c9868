//! A dispatch to bytes.

use base64::{Engine, engine::general_purpose::STANDARD};
use mail_builder::{
    headers::content_type::ContentType,
    mime::{BodyPart, MimePart},
};
use time::format_description::well_known::Rfc2822;

use super::{
    attached,
    boundary::boundary,
    receipt::{DisplayedReceipt, with_receipt},
    text::{SUBJECT_CHARS_MAX, one_line, plain_lines},
    words,
};
use crate::model::{Dispatch, DispatchFile, DispatchPart, Envelope, MessageId};

/// What a channel requires of its mails, as data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailForm {
    /// Further headers, name and value, in this order: `X-KIM-Dienstkennung` and the like.
    pub headers: Vec<(String, String)>,
    pub body: MailBody,
}

/// The content of the mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MailBody {
    /// The dispatch's texts as one `text/plain`, its files as attachments of a `multipart/mixed`
    /// (KIM-25: no HTML, no `multipart/alternative`).
    #[default]
    Parts,
    /// This one document and nothing else: a fax gateway prints every text part as a page, or
    /// refuses the mail for it (FAX-23). `crate::document` made it from the dispatch's parts.
    /// The lines are commands to a gateway that reads them there (FAX-26), of ASCII.
    Document(DispatchFile, Vec<String>),
    /// The dispatch's texts, and beside them for machines that a person was shown a mail (KIM-31).
    Receipt(DisplayedReceipt),
}

/// Why a dispatch cannot become a mail. All are faults of the settings or of the caller; what a
/// person wrote is adapted instead.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error("the dispatch has neither text nor file")]
    Empty,
    #[error("{0:?} cannot be a further header: its name is illegal, taken, or given twice")]
    HeaderName(String),
    #[error(
        "the value of the header {0} must have 1 to {HEADER_VALUE_BYTES_MAX} visible ASCII characters or blanks"
    )]
    HeaderValue(String),
    #[error("the date cannot be written (RFC 5322 knows the years 1900 to 9999)")]
    Date(#[from] time::error::Format),
}

/// Longest value of a further header: what fits on one line (RFC 5322 §2.1.1) with its name.
const HEADER_VALUE_BYTES_MAX: usize = 800;

/// Longest name of a further header.
const HEADER_NAME_BYTES_MAX: usize = 76;

/// The headers that are set here, each exactly once; those of `Content-…` too. The last five would
/// bring in another sender, recipient or trace.
const OWN_HEADERS: [&str; 14] = [
    "From",
    "To",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Subject",
    "In-Reply-To",
    "References",
    "Cc",
    "Bcc",
    "Sender",
    "Reply-To",
    "Return-Path",
    "Received",
];

/// Base64 has 76 characters per line (RFC 2045 §6.8), made from this many bytes.
const BASE64_LINE_BYTES: usize = 57;

/// Bytes of a file that become base64 at once: whole lines.
pub const FILE_PIECE_BYTES: usize = 1024 * BASE64_LINE_BYTES;

/// A mail in the order in which it leaves. It holds only the places of its files, so that it is
/// small whatever it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    pub pieces: Vec<Piece>,
    /// The length of the whole mail.
    pub bytes: u64,
}

/// A piece of a mail.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// The file of this number among the dispatch's files, written by [`file_lines`].
    File(usize),
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::File(number) => write!(f, "File({number})"),
        }
    }
}

/// Writes the mail (RFC 5322, CRLF line ends, only ASCII, no line over 998 bytes).
///
/// The same input gives the same bytes, so that a repeated attempt sends the same mail. Subject,
/// texts and file names come from a room: whatever they contain, they stay within their field.
pub fn compose(
    dispatch: &Dispatch,
    envelope: &Envelope,
    form: &MailForm,
) -> Result<Composed, ComposeError> {
    check_headers(&form.headers)?;
    let text = body_text(dispatch);
    let files: Vec<&DispatchFile> = match &form.body {
        MailBody::Document(document, _) => vec![document],
        MailBody::Parts => dispatch.parts.iter().filter_map(file).collect(),
        MailBody::Receipt(_) => Vec::new(),
    };
    let text = match &form.body {
        MailBody::Document(_, lines) if lines.is_empty() => None,
        MailBody::Document(_, lines) => Some(lines.join("\r\n") + "\r\n"),
        MailBody::Parts if files.is_empty() && text.is_empty() => return Err(ComposeError::Empty),
        MailBody::Parts | MailBody::Receipt(_) => Some(text),
    };

    let mut mail = Vec::new();
    let mut line = |name: &str, value: &str| {
        mail.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    };
    line("From", envelope.from.as_str());
    line("To", envelope.to.as_str());
    line("Date", &dispatch.date.format(&Rfc2822)?);
    line("Message-ID", &bracketed(&dispatch.message_id));
    if let Some(id) = &dispatch.in_reply_to {
        line("In-Reply-To", &bracketed(id));
    }
    if !dispatch.references.is_empty() {
        let ids: Vec<String> = dispatch.references.iter().map(bracketed).collect();
        // One per line: two could be longer than a line may be.
        line("References", &ids.join("\r\n "));
    }
    for (name, value) in &form.headers {
        line(name, value);
    }
    line("Subject", &encoded(&one_line(&dispatch.subject, SUBJECT_CHARS_MAX).0));
    line("MIME-Version", "1.0");
    if let MailBody::Receipt(receipt) = &form.body {
        let words = text.unwrap_or_default();
        let mail = with_receipt(mail, &words, receipt, &dispatch.message_id);
        let bytes = mail.len() as u64;
        return Ok(Composed { pieces: vec![Piece::Bytes(mail)], bytes });
    }
    Ok(with_body(mail, text.as_deref(), &files, &dispatch.message_id))
}

/// A piece of a file in its form in a mail. Pieces of [`FILE_PIECE_BYTES`], except the last,
/// together give the whole file.
pub fn file_lines(piece: &[u8]) -> Vec<u8> {
    let mut encoded = String::with_capacity(
        usize::try_from(encoded_bytes(piece.len() as u64)).unwrap_or_default(),
    );
    for line in piece.chunks(BASE64_LINE_BYTES) {
        STANDARD.encode_string(line, &mut encoded);
        encoded.push_str("\r\n");
    }
    encoded.into_bytes()
}

/// The length in a mail of a file of this many bytes.
fn encoded_bytes(bytes: u64) -> u64 {
    let line = BASE64_LINE_BYTES as u64;
    let rest = bytes % line;
    let last = if rest == 0 { 0 } else { rest.div_ceil(3) * 4 + 2 };
    (bytes / line).saturating_mul(line / 3 * 4 + 2).saturating_add(last)
}

fn check_headers(headers: &[(String, String)]) -> Result<(), ComposeError> {
    for (index, (name, value)) in headers.iter().enumerate() {
        let is_legal = (1..=HEADER_NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_taken = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
            || name.to_ascii_lowercase().starts_with("content-");
        let is_twice =
            headers.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !is_legal || is_taken || is_twice {
            return Err(ComposeError::HeaderName(name.clone()));
        }
        let fits = (1..=HEADER_VALUE_BYTES_MAX).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && !value.trim().is_empty();
        if !fits {
            return Err(ComposeError::HeaderValue(name.clone()));
        }
    }
    Ok(())
}

fn file(part: &DispatchPart) -> Option<&DispatchFile> {
    match part {
        DispatchPart::File(file) => Some(file),
        DispatchPart::Text(_) => None,
    }
}

/// The texts in their order, an empty line between them, with CRLF.
fn body_text(dispatch: &Dispatch) -> String {
    let texts: Vec<String> = dispatch
        .parts
        .iter()
        .filter_map(|part| match part {
            DispatchPart::Text(text) => Some(plain_lines(text).trim_end().to_owned()),
            DispatchPart::File(_) => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    if texts.is_empty() { String::new() } else { texts.join("\n\n").replace('\n', "\r\n") + "\r\n" }
}

/// Adds the mail's content to its head.
fn with_body(
    mut mail: Vec<u8>,
    text: Option<&str>,
    files: &[&DispatchFile],
    message_id: &MessageId,
) -> Composed {
    let text_part = text.map(|text| {
        let body = if text.is_empty() { "\r\n" } else { text };
        MimePart::new(ContentType::new("text/plain").attribute("charset", "utf-8"), body)
    });
    if files.is_empty()
        && let Some(text_part) = text_part
    {
        text_part.write_part(&mut mail);
        if !mail.ends_with(b"\r\n") {
            mail.extend_from_slice(b"\r\n");
        }
        let bytes = mail.len() as u64;
        return Composed { pieces: vec![Piece::Bytes(mail)], bytes };
    }
    let boundary = boundary(message_id, text.unwrap_or_default());
    let kind = ContentType::new("multipart/mixed").attribute("boundary", boundary.clone());
    let last = format!("\r\n--{boundary}--\r\n");
    MimePart::new(kind, BodyPart::Multipart(Vec::new())).write_part(&mut mail);
    // A multipart without parts is its head and its end.
    mail.truncate(mail.len() - last.len());
    let between = format!("\r\n--{boundary}\r\n");
    if let Some(text_part) = text_part {
        mail.extend_from_slice(between.as_bytes());
        text_part.write_part(&mut mail);
    }
    let mut pieces = Vec::new();
    let mut bytes = 0_u64;
    for (index, file) in files.iter().enumerate() {
        mail.extend_from_slice(between.as_bytes());
        mail.extend_from_slice(attached::head(index, file).as_bytes());
        bytes = bytes.saturating_add(mail.len() as u64).saturating_add(encoded_bytes(file.bytes));
        pieces.extend([Piece::Bytes(std::mem::take(&mut mail)), Piece::File(index)]);
    }
    mail.extend_from_slice(last.as_bytes());
    bytes = bytes.saturating_add(mail.len() as u64);
    pieces.push(Piece::Bytes(mail));
    Composed { pieces, bytes }
}

/// The value of the subject: as it is if that is safe, else in encoded words (RFC 2047 §2), each on
/// its own line.
///
/// A text that looks like an encoded word must be one, or the reader would decode what a person
/// wrote.
fn encoded(text: &str) -> String {
    /// The space on a line of 78 characters after `Subject: `.
    const PLAIN_BYTES_MAX: usize = 69;
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if is_plain && text.len() <= PLAIN_BYTES_MAX && !text.contains("=?") {
        return text.to_owned();
    }
    words::encoded_words(text)
}

fn bracketed(id: &MessageId) -> String {
    format!("<{}>", id.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::{super::file_name, *};
    use crate::{
        mail::{content, header, parse},
        model::{Correspondent, FaxNumber, MailAddress},
    };

    fn address(text: &str) -> MailAddress {
        MailAddress::new(text).unwrap()
    }

    fn envelope() -> Envelope {
        Envelope::new(address("praxis@a.kim.telematik"), address("klinik@b.kim.telematik"))
    }

    fn dispatch(subject: &str, parts: Vec<DispatchPart>) -> Dispatch {
        Dispatch {
            to: Correspondent::Mail(address("klinik@b.kim.telematik")),
            message_id: MessageId::new("6f1c@kim.local").unwrap(),
            date: datetime!(2026-11-23 17:10:50 +1),
            subject: subject.to_owned(),
            in_reply_to: None,
            references: Vec::new(),
            parts,
        }
    }

    fn text(text: &str) -> DispatchPart {
        DispatchPart::Text(text.to_owned())
    }

    fn file(name: &str, media_type: &str, bytes: &[u8]) -> DispatchPart {
        DispatchPart::File(DispatchFile {
            file_name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: bytes.len() as u64,
        })
    }

    /// The mail as it leaves, with these bytes as its files.
    fn whole(composed: &Composed, files: &[&[u8]]) -> Vec<u8> {
        let mut mail = Vec::new();
        for piece in &composed.pieces {
            match piece {
                Piece::Bytes(bytes) => mail.extend_from_slice(bytes),
                Piece::File(number) => {
                    for piece in files[*number].chunks(FILE_PIECE_BYTES) {
                        mail.extend_from_slice(&file_lines(piece));
                    }
                }
            }
        }
        assert_eq!(composed.bytes, mail.len() as u64);
        mail
    }

    fn kim() -> MailForm {
        MailForm {
            headers: vec![
                ("X-KIM-Dienstkennung".to_owned(), "KIM-Mail;Default;V1.0".to_owned()),
                ("X-KIM-Sendersystem".to_owned(), "Umstieg;0.1.0".to_owned()),
            ],
            body: MailBody::Parts,
        }
    }

    fn composed(dispatch: &Dispatch, form: &MailForm, files: &[&[u8]]) -> String {
        String::from_utf8(whole(&compose(dispatch, &envelope(), form).unwrap(), files)).unwrap()
    }

    #[test]
    fn kim_23_25_a_text_is_one_plain_part_with_every_header_once() {
        let mut answer = dispatch("Re: Befund", vec![text("Guten Tag,\ndanke.\n"), text("Gruß")]);
        answer.in_reply_to = Some(MessageId::new("2@b").unwrap());
        answer.references = vec![MessageId::new("1@b").unwrap(), MessageId::new("2@b").unwrap()];
        assert_eq!(
            composed(&answer, &kim(), &[]),
            "From: praxis@a.kim.telematik\r\n\
             To: klinik@b.kim.telematik\r\n\
             Date: Mon, 23 Nov 2026 17:10:50 +0100\r\n\
             Message-ID: <6f1c@kim.local>\r\n\
             In-Reply-To: <2@b>\r\n\
             References: <1@b>\r\n <2@b>\r\n\
             X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\n\
             X-KIM-Sendersystem: Umstieg;0.1.0\r\n\
             Subject: Re: Befund\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=\"utf-8\"\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n\
             Guten Tag,\r\ndanke.\r\n\r\nGru=C3=9F\r\n"
        );
    }

    /// B79: ids of Exchange are long. If they are encoded or cut, they lead nowhere.
    #[test]
    fn b79_long_ids_stand_whole_and_plain_each_on_a_line_of_its_own() {
        let ids: Vec<MessageId> = (0..20)
            .map(|n| MessageId::new(&format!("{n}{}@x", "=?A".repeat(250))).unwrap())
            .collect();
        let mut answer = dispatch("Re: Befund", vec![text("Gut")]);
        answer.in_reply_to = ids.last().cloned();
        answer.references.clone_from(&ids);
        let mail = composed(&answer, &kim(), &[]);
        assert!(mail.lines().all(|line| line.len() <= 998));
        for id in &ids {
            assert!(mail.contains(&format!("<{}>\r\n", id.as_str())));
        }
        let read = parse(mail.as_bytes());
        assert_eq!((read.references, read.in_reply_to), (ids.clone(), ids[19..].to_vec()));
    }

    #[test]
    fn kim_25_files_are_attachments_of_a_mixed_and_stay_byte_for_byte() {
        let pdf: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let parts = vec![
            text("Anbei."),
            file("Befund Müller.pdf", "application/pdf", &pdf),
            file("notiz.txt", "text/plain", b"a\nb\r\nc \n"),
            file("alt.eml", "message/rfc822", b"From: x@y.de\n\nhi"),
        ];
        let files: [&[u8]; 3] = [&pdf, b"a\nb\r\nc \n", b"From: x@y.de\n\nhi"];
        let mail = composed(&dispatch("Befund", parts), &kim(), &files);
        assert!(mail.contains("\r\nContent-Type: multipart/mixed;"), "{mail}");
        for never in ["alternative", "text/html", "x-kas", "message/rfc822"] {
            assert!(!mail.contains(never), "{never}");
        }
        let letter = parse(mail.as_bytes());
        assert_eq!(letter.body.text, "Anbei.");
        let names: Vec<_> = letter.attachments.iter().map(|a| a.file_name.as_str()).collect();
        assert_eq!(names, ["Befund Müller.pdf", "notiz.txt", "alt.eml"]);
        assert_eq!(content(mail.as_bytes(), &letter.attachments[0]), pdf);
        assert_eq!(content(mail.as_bytes(), &letter.attachments[1]), b"a\nb\r\nc \n");
        assert_eq!(letter.attachments[2].media_type, "application/octet-stream");
        assert_eq!(letter.defects, []);
    }

    #[test]
    fn fax_23_a_fax_is_one_document_and_no_text() {
        let pdf = DispatchFile {
            file_name: "fax.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            bytes: 8,
        };
        let mut fax = dispatch("", vec![text("steht im PDF")]);
        fax.to = Correspondent::Fax(FaxNumber::new("+49301234567").unwrap());
        let form =
            MailForm { headers: Vec::new(), body: MailBody::Document(pdf.clone(), Vec::new()) };
        let mail = composed(&fax, &form, &[b"%PDF-1.7"]);
        let letter = parse(mail.as_bytes());
        assert_eq!(letter.body.text, "");
        let [file] = letter.attachments.as_slice() else { panic!("{letter:?}") };
        assert_eq!(
            (file.file_name.as_str(), file.media_type.as_str()),
            ("fax.pdf", "application/pdf")
        );
        assert_eq!(content(mail.as_bytes(), file), b"%PDF-1.7");
        assert_eq!(mail.matches("Content-Type:").count(), 2, "{mail}");
        assert!(mail.contains("\r\nSubject: \r\n"), "{mail}");

        // A gateway that reads commands in the mail's text gets those, and none of a person's words.
        let commands = vec!["FAXPASSWORD:geheim".to_owned(), "NOCOVERPAGE:true".to_owned()];
        let form = MailForm { headers: Vec::new(), body: MailBody::Document(pdf, commands) };
        let mail = composed(&fax, &form, &[b"%PDF-1.7"]);
        let letter = parse(mail.as_bytes());
        assert_eq!(letter.body.text.trim_end(), "FAXPASSWORD:geheim\nNOCOVERPAGE:true");
        assert_eq!(letter.attachments.len(), 1);
    }

    #[test]
    fn a_repeated_attempt_sends_the_same_bytes() {
        let dispatch =
            dispatch("Befund", vec![text("a"), file("b.pdf", "application/pdf", b"%PDF")]);
        let first = compose(&dispatch, &envelope(), &kim()).unwrap();
        assert_eq!(first, compose(&dispatch, &envelope(), &kim()).unwrap());
    }

    #[test]
    fn a_text_that_knows_the_boundary_does_not_end_its_part() {
        let known = boundary(&MessageId::new("6f1c@kim.local").unwrap(), "");
        let said = format!("--{known}\nContent-Type: text/html\n\n<b>x</b>\n--{known}--");
        let parts = vec![text(&said), file("b.pdf", "application/pdf", b"%PDF")];
        let letter = parse(composed(&dispatch("x", parts), &kim(), &[b"%PDF"]).as_bytes());
        assert_eq!(letter.body.text, said);
        assert_eq!(letter.attachments.len(), 1);
    }

    #[test]
    fn headers_that_would_double_or_break_something_are_refused() {
        let with = |name: &str, value: &str| MailForm {
            headers: vec![(name.to_owned(), value.to_owned())],
            body: MailBody::Parts,
        };
        let compose = |form: &MailForm| compose(&dispatch("x", vec![text("y")]), &envelope(), form);
        for name in ["", "bcc", "Content-Type", "X Y", "X:Y", "X\r\nBcc", "Ä", "reply-to"] {
            let refused = compose(&with(name, "v"));
            assert!(matches!(refused, Err(ComposeError::HeaderName(_))), "{name:?}");
        }
        for value in ["", " ", "a\r\nBcc: x@y", "a\nb", "a\0", "ä", &"a".repeat(801)] {
            let refused = compose(&with("X-Test", value));
            assert!(matches!(refused, Err(ComposeError::HeaderValue(_))), "{value:?}");
        }
        let mut twice = with("X-Test", "a");
        twice.headers.push(("x-test".to_owned(), "b".to_owned()));
        assert!(matches!(compose(&twice), Err(ComposeError::HeaderName(_))));
    }

    #[test]
    fn a_dispatch_of_nothing_is_no_mail() {
        for parts in [vec![], vec![text(" \n")]] {
            let refused = compose(&dispatch("x", parts), &envelope(), &kim());
            assert!(matches!(refused, Err(ComposeError::Empty)));
        }
    }

    #[test]
    fn a_name_that_looks_like_another_encoding_arrives_as_it_is() {
        for (name, read) in [
            ("=?utf-8?q?=0D=0ABcc:_x=40y.de?=%''", "=_utf-8_q_=0D=0ABcc__x=40y.de_=%''"),
            ("utf-8''Befund 5%ab.pdf", "utf-8''Befund 5%ab.pdf"),
            ("%C3%BCber 100%.pdf", "%C3%BCber 100%.pdf"),
        ] {
            let parts = vec![text("x"), file(name, "application/octet-stream", b"abc")];
            let mail = compose(&dispatch("s", parts), &envelope(), &kim()).unwrap();
            let letter = parse(&whole(&mail, &[b"abc"]));
            assert_eq!(letter.attachments[0].file_name, read);
        }
    }

    /// Texts that try to leave their field, among all others.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\r\n".to_owned()),
            Just("\n".to_owned()),
            Just("\r\nBcc: x@y.de\r\n\r\n".to_owned()),
            Just("=?utf-8?q?=0D=0ABcc:_x=40y.de?=".to_owned()),
            Just("=?".to_owned()),
            Just("?=".to_owned()),
            Just("\"; x=\"".to_owned()),
            Just("%0d%0a''\\".to_owned()),
            Just("--=_".to_owned()),
            Just("\0".to_owned()),
            Just(" ".repeat(90)),
            "[ -~]{0,120}",
            "\\PC{0,60}",
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn kim_23_whatever_a_room_says_no_header_is_added_or_changed(
            subject in hostile(),
            said in hostile(),
            name in hostile(),
            media_type in hostile(),
        ) {
            let parts = vec![text(&said), text("Ende"), file(&name, &media_type, said.as_bytes())];
            let mail = compose(&dispatch(&subject, parts), &envelope(), &kim()).unwrap();
            let mail = whole(&mail, &[said.as_bytes()]);

            prop_assert!(mail.is_ascii());
            let mut lines = 0;
            for line in mail.split(|b| *b == b'\n') {
                prop_assert!(line.len() <= 998);
                prop_assert!(!line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r'));
                lines += 1;
            }
            prop_assert_eq!(mail.windows(2).filter(|w| *w == b"\r\n").count(), lines - 1);
            prop_assert!(!mail.contains(&0));

            let (head, _) = std::str::from_utf8(&mail).unwrap().split_once("\r\n\r\n").unwrap();
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            prop_assert_eq!(names, [
                "From", "To", "Date", "Message-ID", "X-KIM-Dienstkennung", "X-KIM-Sendersystem",
                "Subject", "MIME-Version", "Content-Type",
            ]);

            let letter = parse(&mail);
            prop_assert_eq!(letter.from.len(), 1);
            prop_assert_eq!(letter.from[0].address.as_str(), "praxis@a.kim.telematik");
            prop_assert_eq!(letter.to.len(), 1);
            prop_assert_eq!(header(&mail, "From"), ["praxis@a.kim.telematik"]);
            let (expected, _) = one_line(&subject, SUBJECT_CHARS_MAX);
            prop_assert_eq!(&letter.subject, &expected);
            prop_assert_eq!(letter.attachments.len(), 1);
            prop_assert_eq!(content(&mail, &letter.attachments[0]), said.as_bytes());
            let read = &letter.attachments[0].file_name;
            let clean = file_name::clean(&name, read);
            prop_assert!(read.starts_with(&clean) || clean.chars().count() > 100, "{read}");
            prop_assert!(letter.body.text.ends_with("Ende"));
        }
    }
}
