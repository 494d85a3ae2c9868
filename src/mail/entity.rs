//! Mails and parts, and their content: pieces of the body, files, and what has to be said about
//! them.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    alternative::{self, Unit},
    charset,
    container::{Container, LEVELS_MAX, OPENED_MAX},
    decode, file_name,
    header::{HeaderBlock, text, unfold},
    html::{self, HTML_SOURCE_BYTES_MAX},
    media_type::{OCTETS, media_type, sniff},
    multipart::{self, says_something},
    parameters::Parameters,
    skeleton::Skeleton,
    text::{SUBJECT_CHARS_MAX, unflow},
    uuencode,
};
use crate::model::{Attachment, Defect, Layer, TransferEncoding};

/// How many MIME parts are read, whether shown or not. Real mails have a dozen; a forwarded ward
/// round with a hundred photographs still fits.
pub const PARTS_MAX: usize = 250;

/// How deep multiparts may nest. Real mails reach four.
pub const DEPTH_MAX: usize = 16;

/// How many attachments are taken out: each becomes an upload and a separate post.
pub const ATTACHMENTS_MAX: usize = 100;

/// Lines after the end of base64 that look like more of it: they are not words to show.
const DATA_LINES_MAX: usize = 3;

/// What was found up to now.
#[derive(Debug, Default)]
pub(super) struct PartsFound {
    parts: usize,
    opened: usize,
    pub(super) attachments: Vec<Attachment>,
    /// Texts that have a file's name, by their attachment: words, if there are no others.
    pub(super) named: Vec<(usize, Unit)>,
    /// Words outside every part.
    pub(super) strays: Vec<Unit>,
    /// Subjects of mails that came within a signature.
    pub(super) subjects: Vec<String>,
    pub(super) defects: BTreeSet<Defect>,
}

/// The bytes that are read: a mail, or the decoded content of a part.
#[derive(Debug)]
pub(super) struct PartSource<'s> {
    pub(super) skeleton: &'s Skeleton<'s>,
    /// The way to them from the mail.
    route: Vec<Layer>,
    /// They are only the beginning.
    is_beginning: bool,
    level: usize,
}

impl<'s> PartSource<'s> {
    pub(super) fn mail(skeleton: &'s Skeleton<'s>) -> Self {
        Self { skeleton, route: Vec::new(), is_beginning: false, level: 0 }
    }
}

/// The role of a part in the whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartPlace {
    depth: usize,
    /// Parts of a `multipart/digest` are mails unless they say otherwise (RFC 2046 §5.1.5).
    in_digest: bool,
    /// It is in the place of a body: there a text is words, whatever name it has.
    is_body: bool,
}

impl PartPlace {
    pub(super) const ROOT: Self = Self { depth: 0, in_digest: false, is_body: true };
}

#[derive(Debug)]
pub(super) struct PartReader<'s> {
    pub(super) source: &'s PartSource<'s>,
    pub(super) found: PartsFound,
}

impl PartReader<'_> {
    /// Reads a mail or part and what it contains.
    pub(super) fn entity(
        &mut self,
        block: &HeaderBlock<'_>,
        content: &[u8],
        place: PartPlace,
    ) -> Vec<Unit> {
        self.found.parts += 1;
        for (is_so, defect) in [
            (block.too_many, Defect::TooManyHeaders),
            (block.cut, Defect::HeaderCut),
            (block.broken, Defect::Structure),
        ] {
            self.note(is_so, defect);
        }
        for stray in &block.strays {
            self.stray(stray);
        }
        let content_type = block.parameters("Content-Type");
        self.note(content_type.as_ref().is_some_and(|t| t.broken), Defect::Encoding);
        let default = if place.in_digest { "message/rfc822" } else { "text/plain" };
        let media = content_type.as_ref().map_or_else(|| default.to_owned(), media_type);
        let content_type = content_type.unwrap_or_default();
        if media.starts_with("multipart/") {
            if place.depth >= DEPTH_MAX {
                self.found.defects.insert(Defect::TooManyParts);
                return self.leaf(block, content, &content_type, OCTETS, place);
            }
            let left = PARTS_MAX.saturating_sub(self.found.parts);
            let named = multipart::split_by_any(content, content_type.all("boundary"), left);
            let split = named.or_else(|| {
                let boundary = multipart::guess(content)?;
                self.note(true, Defect::Structure);
                multipart::split(content, boundary, left)
            });
            if let Some(split) = split {
                return self.multipart(&media, &split, place);
            }
            if let Some(units) = self.encoded(block, content, &content_type, &media, place) {
                return units;
            }
            // No boundary, or it never comes: everything there is text.
            self.found.defects.insert(Defect::Structure);
            return self.leaf(block, content, &content_type, "text/plain", place);
        }
        self.leaf(block, content, &content_type, &media, place)
    }

    fn multipart(
        &mut self,
        media: &str,
        split: &multipart::SplitMultipart<'_>,
        place: PartPlace,
    ) -> Vec<Unit> {
        self.note(split.has_too_many, Defect::TooManyParts);
        self.note(split.is_odd, Defect::Structure);
        for outside in &split.outside {
            let words = charset::text(cut(outside), None, true).0;
            if says_something(&words) {
                self.note(outside.len() > HTML_SOURCE_BYTES_MAX, Defect::BodyCut);
                self.stray(outside);
            }
        }
        let mut read = Vec::new();
        for (number, part) in split.parts.iter().enumerate() {
            let is_body = match media {
                "multipart/alternative" => true,
                "multipart/related" | "multipart/signed" | "multipart/report" => {
                    number == 0 && (place.is_body || media != "multipart/signed")
                }
                _ => false,
            };
            let place = PartPlace {
                depth: place.depth + 1,
                in_digest: media == "multipart/digest",
                is_body,
            };
            let (block, content) = HeaderBlock::split_part(part);
            read.push(self.entity(&block, content, place));
        }
        if media == "multipart/alternative" {
            let (units, differ) = alternative::choose(read);
            self.note(differ, Defect::Renderings);
            units
        } else {
            read.into_iter().flatten().collect()
        }
    }

    /// A multipart that is written in base64 or quoted-printable as a whole, which no standard
    /// allows (RFC 2045 §6.4).
    fn encoded(
        &mut self,
        block: &HeaderBlock<'_>,
        content: &[u8],
        content_type: &Parameters,
        media: &str,
        place: PartPlace,
    ) -> Option<Vec<Unit>> {
        let written = block.first("Content-Transfer-Encoding").map(unfold)?;
        let (encoding, _) = decode::encoding(&written);
        if encoding == TransferEncoding::Identity || self.source.level >= LEVELS_MAX {
            return None;
        }
        let beginning = self.skeleton().unbroken(content);
        let (bytes, _) = decode::transfer(beginning.unwrap_or(content), encoding);
        let left = PARTS_MAX.saturating_sub(self.found.parts);
        let split = multipart::split_by_any(&bytes, content_type.all("boundary"), left)?;
        self.note(true, Defect::Structure);
        let source = PartSource {
            skeleton: &Skeleton::whole(&bytes),
            route: self.route(content, encoding),
            is_beginning: beginning.is_some() || self.source.is_beginning,
            level: self.source.level + 1,
        };
        let mut reader = PartReader { source: &source, found: std::mem::take(&mut self.found) };
        let units = reader.multipart(media, &split, place);
        self.found = reader.found;
        Some(units)
    }

    /// A part without parts: a piece of the body, or an attachment.
    fn leaf(
        &mut self,
        block: &HeaderBlock<'_>,
        content: &[u8],
        content_type: &Parameters,
        media: &str,
        place: PartPlace,
    ) -> Vec<Unit> {
        let disposition = block.parameters("Content-Disposition").unwrap_or_default();
        self.note(disposition.broken, Defect::Encoding);
        let name = disposition.get("filename").or_else(|| content_type.get("name"));
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let is_attached = disposition.value == "attachment" && (place.depth > 0 || name.is_some());
        let written = block.first("Content-Transfer-Encoding").map(unfold).unwrap_or_default();
        let (encoding, is_known) = decode::encoding(&written);
        self.note(!is_known, Defect::Encoding);
        let (content, encoding, own_name) = self.data(content, encoding);
        let (bytes, broken) = decode::transfer(content, encoding);
        self.note(broken, Defect::Encoding);
        // KIM puts large mails elsewhere (KAS). What is here only says where, and with which key: no words.
        let is_of_kas = disposition.value.eq_ignore_ascii_case("x-kas");
        self.note(is_of_kas, Defect::Elsewhere);
        let is_attached = is_attached || is_of_kas;
        let is_text = matches!(media, "text/plain" | "text/html");
        let mut named = None;
        if is_text && !is_attached {
            // A part with a name is a file, even `inline`, unless it takes the place of the body.
            if name.is_none() || place.is_body {
                let unit = self.text(content, &bytes, encoding, content_type, media);
                return unit.into_iter().collect();
            }
            if name.is_some_and(file_name::is_of_words)
                && self.skeleton().unbroken(content).is_none()
            {
                named = self.unit(&bytes, content_type, media, false);
            }
        }
        let name = name.map(str::to_owned).or(own_name).unwrap_or_default();
        let media = sniff(media, &bytes);
        let route = self.route(content, encoding);
        let length = bytes.len() as u64 + self.skeleton().missing(content, encoding);
        let place_of_file = self.attach(&name, media.clone(), length, route.clone());
        if let (Some(at), Some(unit)) = (place_of_file, named) {
            self.found.named.push((at, unit));
        }
        match Container::of(&media, &name, &bytes) {
            None => Vec::new(),
            Some(Container::Closed(defect)) => {
                self.note(true, defect);
                Vec::new()
            }
            Some(Container::Signed) => match self.skeleton().unbroken(content) {
                None => self.open(&bytes, route, false),
                Some(beginning) => {
                    let (beginning, _) = decode::transfer(beginning, encoding);
                    self.open(&beginning, route, true)
                }
            },
        }
    }

    /// Where the data of a part is; the rest is words.
    fn data<'c>(
        &mut self,
        content: &'c [u8],
        encoding: TransferEncoding,
    ) -> (&'c [u8], TransferEncoding, Option<String>) {
        let (data, name) = match encoding {
            TransferEncoding::Base64 => (decode::base64_lines(content), None),
            TransferEncoding::Uuencode => match uuencode::blocks(content).into_iter().next() {
                Some(file) => {
                    self.note(file.is_cut, Defect::Encoding);
                    let (whole, encoding) = (file.whole, file.encoding);
                    let data = content.get(file.data).unwrap_or_default();
                    self.outside(content, whole);
                    return (data, encoding, Some(file.name));
                }
                None => (content.len()..content.len(), None),
            },
            _ => return (content, encoding, None),
        };
        if data.is_empty() {
            // Not what it claims to be.
            self.note(!content.trim_ascii().is_empty(), Defect::Encoding);
            return (content, TransferEncoding::Identity, name);
        }
        let bytes = content.get(data.clone()).unwrap_or_default();
        self.outside(content, data);
        (bytes, encoding, name)
    }

    /// Words before data and after it.
    fn outside(&mut self, content: &[u8], data: std::ops::Range<usize>) {
        let before = content.get(..data.start).unwrap_or_default();
        let behind = content.get(data.end..).unwrap_or_default();
        for words in [before, behind] {
            if words.trim_ascii().is_empty() {
                continue;
            }
            self.found.defects.insert(Defect::Encoding);
            let data = words.split(|b| *b == b'\n').filter(|line| decode::is_line_of_data(line));
            if data.take(DATA_LINES_MAX).count() < DATA_LINES_MAX {
                self.stray(words);
            }
        }
    }

    /// A text, and the files written into it.
    fn text(
        &mut self,
        content: &[u8],
        bytes: &[u8],
        encoding: TransferEncoding,
        content_type: &Parameters,
        media: &str,
    ) -> Option<Unit> {
        let beginning = self.skeleton().unbroken(content);
        let (bytes, has_more) = match beginning {
            None => (Cow::Borrowed(bytes), self.source.is_beginning),
            Some(shown) => (decode::transfer(shown, encoding).0, true),
        };
        let files = if media == "text/plain" { uuencode::blocks(&bytes) } else { Vec::new() };
        let mut text: Cow<'_, [u8]> = Cow::Borrowed(&bytes);
        for file in files.iter().rev() {
            text.to_mut().drain(file.whole.clone());
        }
        for file in &files {
            self.note(file.is_cut, Defect::Encoding);
            let data = bytes.get(file.data.clone()).unwrap_or_default();
            let (decoded, _) = decode::transfer(data, file.encoding);
            let media = sniff(OCTETS, &decoded);
            let mut route = self.route(content, encoding);
            let place = file.data.start as u64..file.data.end as u64;
            route.push(Layer { place, encoding: file.encoding });
            self.attach(&file.name, media, decoded.len() as u64, route);
        }
        self.unit(&text, content_type, media, has_more)
    }

    /// `has_more`: the bytes are only the beginning.
    fn unit(
        &mut self,
        bytes: &[u8],
        content_type: &Parameters,
        media: &str,
        has_more: bool,
    ) -> Option<Unit> {
        let shown = cut(bytes);
        let is_cut = has_more || shown.len() < bytes.len();
        let is_html = media == "text/html";
        let declared = content_type.get("charset");
        let of_page = if is_html && declared.is_none() { charset_of_page(shown) } else { None };
        let (text, lied) = charset::text(shown, declared.or(of_page.as_deref()), is_cut);
        let text = single_line_ends(text);
        if text.trim().is_empty() {
            return None;
        }
        self.note(is_cut, Defect::BodyCut);
        self.note(lied, Defect::Encoding);
        if is_html {
            let page = html::render(&text);
            self.note(page.is_cut, Defect::BodyCut);
            self.note(page.is_unsure, Defect::Markup);
            if page.text.trim().is_empty() {
                return None;
            }
            let html::Rendered { html, text, is_marked, .. } = page;
            return Some(Unit { text, html, is_html: true, is_marked });
        }
        if let Some(defect) = Container::within(&text) {
            self.found.defects.insert(defect);
        }
        let is_flowed =
            content_type.get("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
        let del_sp = content_type.get("delsp").is_some_and(|v| v.eq_ignore_ascii_case("yes"));
        let text = if is_flowed { unflow(&text, del_sp) } else { text };
        Some(Unit { text, html: None, is_html: false, is_marked: false })
    }

    /// A file; nothing if there are too many.
    fn attach(
        &mut self,
        name: &str,
        media_type: String,
        bytes: u64,
        route: Vec<Layer>,
    ) -> Option<usize> {
        if self.source.is_beginning {
            // Its end is unknown.
            self.found.defects.insert(Defect::BodyCut);
            return None;
        }
        let number = self.found.attachments.len();
        if number >= ATTACHMENTS_MAX {
            self.found.defects.insert(Defect::TooManyParts);
            return None;
        }
        let fallback = file_name::numbered(number + 1, &media_type);
        let mut route = route.into_iter();
        let Layer { place, encoding } = route.next()?;
        self.found.attachments.push(Attachment {
            file_name: file_name::clean(name, &fallback),
            media_type,
            bytes,
            place,
            encoding,
            within: route.collect(),
        });
        Some(number)
    }

    /// Reads the content of a signature as what it is: the letter.
    fn open(&mut self, signed: &[u8], mut route: Vec<Layer>, is_beginning: bool) -> Vec<Unit> {
        let (content, is_cut) = decode::transfer(signed, TransferEncoding::Signed);
        if content.is_empty() {
            // Certificates alone, or the signature of something else.
            return Vec::new();
        }
        let (block, body) = HeaderBlock::split_part(&content);
        let is_text = std::str::from_utf8(&content).is_ok_and(|text| !text.contains('\0'));
        let is_letter = block.has("Content-Type") || is_text;
        if !is_letter || self.source.level >= LEVELS_MAX || self.found.opened >= OPENED_MAX {
            self.found.defects.insert(Defect::Unopened);
            return Vec::new();
        }
        self.found.opened += 1;
        self.found.defects.insert(Defect::SignatureUnchecked);
        let is_beginning = is_beginning || self.source.is_beginning;
        self.note(is_beginning, Defect::BodyCut);
        self.note(is_cut && !is_beginning, Defect::Encoding);
        let place = 0..signed.len() as u64;
        route.push(Layer { place, encoding: TransferEncoding::Signed });
        let skeleton = Skeleton::whole(&content);
        let level = self.source.level + 1;
        let source = PartSource { skeleton: &skeleton, route, is_beginning, level };
        let mut reader = PartReader { source: &source, found: std::mem::take(&mut self.found) };
        let is_mail = block.parameters("Content-Type").is_some_and(|t| t.value == "message/rfc822");
        let units = if is_mail {
            // Its fields are signed with it (RFC 8551 §3.1).
            let (block, body) = HeaderBlock::split(body);
            let subject = block.first("Subject").map(|value| text(value, SUBJECT_CHARS_MAX).text);
            reader.found.subjects.extend(subject);
            reader.entity(&block, body, PartPlace::ROOT)
        } else {
            reader.entity(&block, body, PartPlace::ROOT)
        };
        self.found = reader.found;
        units
    }

    fn route(&self, content: &[u8], encoding: TransferEncoding) -> Vec<Layer> {
        let own = Layer { place: self.skeleton().place(content), encoding };
        self.source.route.iter().cloned().chain([own]).collect()
    }

    /// Words that belong to no part are shown all the same.
    fn stray(&mut self, bytes: &[u8]) {
        let (text, _) = charset::text(cut(bytes), None, true);
        if !text.trim().is_empty() {
            self.found.defects.insert(Defect::Structure);
            let text = single_line_ends(text);
            self.found.strays.push(Unit { text, html: None, is_html: false, is_marked: false });
        }
    }

    fn note(&mut self, is_so: bool, defect: Defect) {
        if is_so {
            self.found.defects.insert(defect);
        }
    }

    fn skeleton(&self) -> &Skeleton<'_> {
        self.source.skeleton
    }
}

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..HTML_SOURCE_BYTES_MAX).unwrap_or(bytes)
}

/// CR CR LF is one line end, not two.
fn single_line_ends(text: String) -> String {
    if !text.contains("\r\r\n") {
        return text;
    }
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                lines.push_str(line.trim_end_matches('\r'));
                lines.push('\n');
            }
            None => lines.push_str(line),
        }
    }
    lines
}

/// The character set that a page names itself, if its part names none.
fn charset_of_page(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..1024).unwrap_or(bytes)).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let name: String = after
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c))
        .collect();
    (!name.is_empty()).then_some(name)
}
