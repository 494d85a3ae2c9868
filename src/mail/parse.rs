//! Bytes to a letter.

use std::collections::BTreeSet;

use mail_parser::ContentType;

use super::{
    decode, file_name,
    header::{Block, date, is_garbled, next_line, text, unfold},
    html::{self, HTML_SOURCE_BYTES_MAX},
    skeleton::Skeleton,
    text::{SUBJECT_CHARS_MAX, body, unflow},
};
use crate::model::{Attachment, Body, Defect, Letter, TransferEncoding};

/// MIME parts that are read, whether shown or not. Real mails have a dozen; a forwarded ward
/// round with a hundred photographs still fits.
pub const PARTS_MAX: usize = 250;

/// How deep multiparts may nest. Real mails reach four.
pub const DEPTH_MAX: usize = 16;

/// Attachments that are taken out: each becomes an upload and a post of its own.
pub const ATTACHMENTS_MAX: usize = 100;

/// Addresses taken from all fields of one name.
pub const MAILBOXES_MAX: usize = 1_000;

/// References that are kept, the newest: a thread is found by its nearest known ancestor.
pub const REFERENCES_MAX: usize = 100;

/// What at least one of a mail's fields is called. Anything may look like a field; a mail has a
/// sender, a date, a trace or a type.
const TELLTALES: [&str; 12] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Received",
    "Return-Path",
    "Sender",
    "Delivered-To",
];

/// Reads a mail. Never fails and never panics: what cannot be read is noted among the defects, and
/// the original stays downloadable. Time and memory are linear in the size of `raw`.
///
/// * The text is made from the plain text parts, in their order; of a `multipart/alternative` the
///   plain one. A part with only HTML gives its text.
/// * HTML is kept only when the whole body comes from one part. Two parts are never joined into
///   one HTML document, which could lead the text of one out through the other (EFAIL).
/// * Everything else is an attachment, byte for byte, also `message/rfc822` (KIM-18): nested mails
///   are not opened, archives are not unpacked.
pub fn parse(raw: &[u8]) -> Letter {
    parse_skeleton(&Skeleton::whole(raw))
}

/// The same from a mail's skeleton. Only a text in base64 that stands behind large files may come
/// out shorter than from the whole mail, which is noted as every cut is.
pub fn parse_skeleton(skeleton: &Skeleton<'_>) -> Letter {
    let (block, content) = Block::split(skeleton.bytes());
    if !TELLTALES.iter().any(|name| block.has(name)) {
        return not_a_mail(skeleton);
    }
    let mut reader =
        Reader { skeleton, parts: 0, attachments: Vec::new(), defects: BTreeSet::new() };
    let units = reader.entity(&block, content, Place { depth: 0, in_digest: false });
    let body = reader.body(&units);
    let Reader { attachments, mut defects, .. } = reader;

    let from = block.mailboxes("From");
    match from.len() {
        0 => _ = defects.insert(Defect::NoSender),
        1 => {}
        _ => _ = defects.insert(Defect::SeveralSenders),
    }
    let (subject, subject_cut) =
        block.first("Subject").map(|value| text(value, SUBJECT_CHARS_MAX)).unwrap_or_default();
    if subject_cut {
        defects.insert(Defect::HeaderCut);
    }
    if ["From", "To", "Subject"].iter().any(|name| block.values(name).any(is_garbled)) {
        defects.insert(Defect::Encoding);
    }
    if ["In-Reply-To", "References"].iter().any(|name| block.names_unreadably(name)) {
        defects.insert(Defect::AncestorsUnreadable);
    }
    let bounded = |mut list: Vec<_>| {
        list.truncate(MAILBOXES_MAX);
        list
    };
    let mut references = block.message_ids("References");
    references.drain(..references.len().saturating_sub(REFERENCES_MAX));
    let mut in_reply_to = block.message_ids("In-Reply-To");
    in_reply_to.truncate(REFERENCES_MAX);
    Letter {
        from: bounded(from),
        reply_to: bounded(block.mailboxes("Reply-To")),
        to: bounded(block.mailboxes("To")),
        cc: bounded(block.mailboxes("Cc")),
        subject,
        date: block.first("Date").and_then(date),
        message_id: block.message_ids("Message-ID").into_iter().next(),
        in_reply_to,
        references,
        body,
        attachments,
        automatic: is_automatic(&block),
        urgent: is_urgent(&block),
        defects: defects.into_iter().collect(),
    }
}

fn not_a_mail(skeleton: &Skeleton<'_>) -> Letter {
    Letter {
        attachments: vec![Attachment {
            file_name: "original.bin".to_owned(),
            media_type: sniff(OCTETS, skeleton.bytes()),
            bytes: skeleton.mail_bytes(),
            place: 0..skeleton.mail_bytes(),
            encoding: TransferEncoding::Identity,
        }],
        defects: vec![Defect::NotAMail],
        ..Letter::default()
    }
}

/// Whether a machine wrote it (RFC 3834 §2 and §5; KIM-21).
fn is_automatic(block: &Block<'_>) -> bool {
    let any = |name: &str, says: &dyn Fn(&str) -> bool| {
        block.values(name).any(|value| says(unfold(value).trim().to_ascii_lowercase().as_str()))
    };
    any("Auto-Submitted", &|value| value.split([';', '(', ' ']).next() != Some("no"))
        || any("Return-Path", &|value| value == "<>")
        || any("Precedence", &|value| matches!(value, "bulk" | "junk" | "list" | "auto_reply"))
        || block.has("List-Id")
        || block.has("X-KIM-Fehlermeldung")
        || any("X-KIM-Dienstkennung", &|value| {
            let mut words = value.split(';').map(str::trim);
            let application = words.next().unwrap_or_default();
            let kind = words.next().unwrap_or_default();
            kind == "eingangsbestaetigung" || (application == "kim-mail" && kind == "abwesend")
        })
        || block.content_type("Content-Type").is_some_and(|t| media_type(&t) == "multipart/report")
}

/// Whether its sender marked it as urgent, in any of the four ways mail programs know.
fn is_urgent(block: &Block<'_>) -> bool {
    let first_word = |name: &str| {
        let value = block.first(name).map(unfold).unwrap_or_default().to_ascii_lowercase();
        value
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .find(|w| !w.is_empty())
            .map(str::to_owned)
    };
    let says = |name: &str, words: &[&str]| {
        first_word(name).is_some_and(|word| words.contains(&word.as_str()))
    };
    says("Importance", &["high"])
        || says("X-Priority", &["1", "2", "highest", "high"])
        || says("X-MSMail-Priority", &["high", "highest"])
        || says("Priority", &["urgent"])
}

/// A piece of the body: one text part, or one `multipart/alternative`. Sources, not yet cleaned.
#[derive(Debug)]
struct Unit {
    plain: Option<String>,
    html: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    depth: usize,
    /// Parts of a `multipart/digest` are mails unless they say otherwise (RFC 2046 §5.1.5).
    in_digest: bool,
}

#[derive(Debug)]
struct Reader<'s> {
    skeleton: &'s Skeleton<'s>,
    parts: usize,
    attachments: Vec<Attachment>,
    defects: BTreeSet<Defect>,
}

const OCTETS: &str = "application/octet-stream";

impl Reader<'_> {
    /// Reads a mail or part and what it contains.
    fn entity(&mut self, block: &Block<'_>, content: &[u8], place: Place) -> Vec<Unit> {
        self.parts += 1;
        for (is_so, defect) in [
            (block.too_many, Defect::TooManyHeaders),
            (block.cut, Defect::HeaderCut),
            (block.broken, Defect::Encoding),
        ] {
            if is_so {
                self.defects.insert(defect);
            }
        }
        let content_type = block.content_type("Content-Type");
        let media = content_type.as_ref().map_or_else(
            || if place.in_digest { "message/rfc822" } else { "text/plain" }.to_owned(),
            media_type,
        );
        if media.starts_with("multipart/") {
            if place.depth >= DEPTH_MAX {
                self.defects.insert(Defect::TooManyParts);
                return self.leaf(block, content, content_type.as_ref(), OCTETS, place);
            }
            let boundary = content_type.as_ref().and_then(|t| t.attribute("boundary"));
            if let Some(parts) = boundary.and_then(|boundary| self.split(content, boundary)) {
                return self.multipart(&media, &parts, place);
            }
            // No boundary, or it never comes: all that is there is text to look at.
            self.defects.insert(Defect::Encoding);
            return self.leaf(block, content, content_type.as_ref(), "text/plain", place);
        }
        self.leaf(block, content, content_type.as_ref(), &media, place)
    }

    fn multipart(&mut self, media: &str, parts: &[&[u8]], place: Place) -> Vec<Unit> {
        let place = Place { depth: place.depth + 1, in_digest: media == "multipart/digest" };
        let mut read = Vec::new();
        for part in parts {
            let (block, content) = Block::split_part(part);
            read.push(self.entity(&block, content, place));
        }
        if media == "multipart/alternative" {
            choose(read).into_iter().collect()
        } else {
            read.into_iter().flatten().collect()
        }
    }

    /// The parts between the boundary's lines (RFC 2046 §5.1.1), or `None` when there is not one.
    /// A missing last boundary ends the last part with its parent.
    fn split<'a>(&mut self, content: &'a [u8], boundary: &str) -> Option<Vec<&'a [u8]>> {
        let boundary = boundary.trim_end().as_bytes();
        let mut parts = Vec::new();
        let mut start: Option<usize> = None;
        let mut rest = content;
        loop {
            let at = content.len() - rest.len();
            let (line, after) = next_line(rest);
            let mark = if rest.is_empty() { Some(Mark::Last) } else { mark(line, boundary) };
            if let Some(mark) = mark {
                if let Some(start) = start {
                    if self.parts + parts.len() >= PARTS_MAX {
                        self.defects.insert(Defect::TooManyParts);
                        return Some(parts);
                    }
                    let part = content.get(start..at).unwrap_or_default();
                    // The line end before a boundary belongs to the boundary.
                    let is_cut_off = rest.is_empty();
                    if is_cut_off {
                        // Some gateways forget the last boundary; or the end of the mail is lost.
                        self.defects.insert(Defect::Encoding);
                    }
                    parts.push(if is_cut_off { part } else { without_line_end(part) });
                } else if rest.is_empty() {
                    return None;
                }
                if matches!(mark, Mark::Last) {
                    return Some(parts);
                }
                start = Some(content.len() - after.len());
            }
            rest = after;
        }
    }

    /// A part without parts: a piece of the body, or an attachment.
    fn leaf(
        &mut self,
        block: &Block<'_>,
        content: &[u8],
        content_type: Option<&ContentType<'static>>,
        media: &str,
        place: Place,
    ) -> Vec<Unit> {
        let disposition = block.content_type("Content-Disposition");
        let name = file_name(disposition.as_ref(), content_type);
        let is_attached =
            disposition.as_ref().is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment"));
        // A part with a name is a file, even `inline`; a whole mail with a name is still a text.
        let is_file = is_attached || (name.is_some() && place.depth > 0);
        let encoding = block.first("Content-Transfer-Encoding").map(unfold).unwrap_or_default();
        let (encoding, is_known) = decode::encoding(&encoding);
        let (bytes, broken) = decode::transfer(content, encoding);
        let broken = broken || !is_known;
        if broken {
            self.defects.insert(Defect::Encoding);
        }
        if !is_file && matches!(media, "text/plain" | "text/html") {
            let source = match self.skeleton.unbroken(content) {
                None => self.text_of(&bytes, content_type, media, false),
                Some(shown) => {
                    let (shown, _) = decode::transfer(shown, encoding);
                    self.text_of(&shown, content_type, media, true)
                }
            };
            if source.trim().is_empty() {
                return Vec::new();
            }
            return vec![if media == "text/html" {
                Unit { plain: None, html: Some(source) }
            } else {
                Unit { plain: Some(source), html: None }
            }];
        }
        if self.attachments.len() >= ATTACHMENTS_MAX {
            self.defects.insert(Defect::TooManyParts);
            return Vec::new();
        }
        let media_type = sniff(media, &bytes);
        let fallback = file_name::numbered(self.attachments.len() + 1, &media_type);
        self.attachments.push(Attachment {
            file_name: file_name::clean(name.unwrap_or_default(), &fallback),
            media_type,
            bytes: bytes.len() as u64 + self.skeleton.missing(content, encoding),
            place: self.skeleton.place(content),
            encoding,
        });
        Vec::new()
    }

    /// `has_more`: the bytes are but the beginning.
    fn text_of(
        &mut self,
        bytes: &[u8],
        content_type: Option<&ContentType<'static>>,
        media: &str,
        has_more: bool,
    ) -> String {
        let attribute = |name: &str| content_type.and_then(|t| t.attribute(name));
        let shown = bytes.get(..HTML_SOURCE_BYTES_MAX).unwrap_or(bytes);
        let is_cut = has_more || shown.len() < bytes.len();
        if is_cut {
            self.defects.insert(Defect::BodyCut);
        }
        let (text, lied) = decode::text(shown, attribute("charset"), is_cut);
        if lied {
            self.defects.insert(Defect::Encoding);
        }
        let is_flowed = |format: &str| format.eq_ignore_ascii_case("flowed");
        if media == "text/plain" && attribute("format").is_some_and(is_flowed) {
            let del_sp = attribute("delsp").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
            return unflow(&text, del_sp);
        }
        text
    }

    fn body(&mut self, units: &[Unit]) -> Body {
        let rendered: Vec<_> =
            units.iter().map(|unit| unit.html.as_deref().map(html::render)).collect();
        for html in rendered.iter().flatten() {
            if html.is_cut {
                self.defects.insert(Defect::BodyCut);
            }
            if html.is_unsure {
                self.defects.insert(Defect::Markup);
            }
        }
        let texts: Vec<&str> = units
            .iter()
            .zip(&rendered)
            .filter_map(|(unit, html)| {
                let of_html = html.as_ref().map(|html| html.text.as_str());
                // Where the HTML strikes words out, the plain text beside it calls them valid.
                let is_marked = html.as_ref().is_some_and(|html| html.is_marked);
                unit.plain.as_deref().filter(|_| !is_marked).or(of_html)
            })
            .map(|text| text.trim_matches(['\r', '\n']))
            .collect();
        let (text, cut) = body(&texts.join("\n\n"));
        if cut {
            self.defects.insert(Defect::BodyCut);
        }
        let html = match <[_; 1]>::try_from(rendered) {
            Ok([only]) => only.and_then(|html| html.html),
            Err(_) => None,
        };
        Body { text, html }
    }
}

/// What an alternative says, once: its plain text, and its HTML if that is one part.
fn choose(alternatives: Vec<Vec<Unit>>) -> Option<Unit> {
    let is_plain = |units: &Vec<Unit>| units.iter().any(|unit| unit.plain.is_some());
    let plain = alternatives.iter().find(|units| is_plain(units)).map(|units| {
        let texts: Vec<&str> = units.iter().filter_map(|unit| unit.plain.as_deref()).collect();
        texts.join("\n\n")
    });
    let html =
        alternatives.into_iter().rev().find_map(|units| match <[Unit; 1]>::try_from(units) {
            Ok([only]) => only.html,
            Err(units) => units.into_iter().find_map(|unit| unit.html).filter(|_| plain.is_none()),
        });
    (plain.is_some() || html.is_some()).then_some(Unit { plain, html })
}

enum Mark {
    Next,
    Last,
}

/// Whether a line is this boundary's. White space may follow it (RFC 2046 §5.1.1), nothing else
/// may: one boundary can be the beginning of another.
fn mark(line: &[u8], boundary: &[u8]) -> Option<Mark> {
    if boundary.is_empty() {
        return None;
    }
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?.trim_ascii_end();
    match rest {
        b"" => Some(Mark::Next),
        b"--" => Some(Mark::Last),
        _ => None,
    }
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

fn file_name<'a>(
    disposition: Option<&'a ContentType<'static>>,
    content_type: Option<&'a ContentType<'static>>,
) -> Option<&'a str> {
    disposition
        .and_then(|d| d.attribute("filename"))
        .or_else(|| content_type.and_then(|t| t.attribute("name")))
}

/// `type/subtype` in lower case, or the type of unknown bytes when it is none (RFC 2045 §5.1).
fn media_type(content_type: &ContentType<'_>) -> String {
    let is_token = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        (1..=64).contains(&text.len()) && text.chars().all(legal)
    };
    match (content_type.ctype(), content_type.subtype()) {
        (kind, Some(subtype)) if is_token(kind) && is_token(subtype) => {
            format!("{kind}/{subtype}").to_ascii_lowercase()
        }
        // A bare `text`, as old mailers wrote it.
        (kind, None) if kind.eq_ignore_ascii_case("text") => "text/plain".to_owned(),
        _ => OCTETS.to_owned(),
    }
}

/// What bytes of an undeclared type are. Some fax gateways send PDF and TIFF so (FAX-11, FAX-13).
fn sniff(media: &str, bytes: &[u8]) -> String {
    if media != OCTETS {
        return media.to_owned();
    }
    let known: [(&[u8], &str); 6] = [
        (b"%PDF-", "application/pdf"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"\x89PNG\r\n\x1A\n", "image/png"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"PK\x03\x04", "application/zip"),
    ];
    let found = known.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map_or(media, |(_, media)| media).to_owned()
}
