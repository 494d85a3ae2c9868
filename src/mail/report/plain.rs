//! Reports without a part for machines: the bounces of qmail and of older Exim.

use super::ReportParts;
use crate::{
    mail::{
        decode,
        header::{HeaderBlock, unfold},
        media_type::media_type,
        multipart,
    },
    model::{EnhancedCode, Fate, FateEnd, FateWhy, MailAddress, MessageId, Reply, ReportSource},
};

use super::codes;

/// Bytes of a text that are read: what a server says, and the head of the mail that came back.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Parts of a multipart among which the text is looked for.
const PARTS_MAX: usize = 10;

/// Places of a text at which the mail that came back may begin.
const PLACES_MAX: usize = 10;

/// How qmail's bounces begin, letter by letter ("The qmail-send Bounce Message Format", §2).
const QSBMF: &str = "Hi. This is the";

/// How the line begins behind which Exim's bounces have the mail. Other servers list recipients in
/// the head, too, and of mails that are still on their way.
const EXIM: &str = "------ This is a copy of";

/// Reads one of the forms; the caller has made sure that a machine sent it.
pub(super) fn read(block: &HeaderBlock<'_>, content: &[u8], found: &mut ReportParts) {
    let listed = block.named("X-Failed-Recipients").mailboxes.read;
    let text = first_text(block, content).unwrap_or_default();
    if text.trim_start().starts_with(QSBMF) {
        read_qmail(text.trim_start(), found);
    } else if !listed.is_empty() && text.lines().any(|line| line.starts_with(EXIM)) {
        for named in listed {
            found.push(failed(Some(named.address), None));
        }
    } else {
        return;
    }
    found.source = Some(ReportSource::Delivery);
    if found.returned.is_empty() {
        found.returned = returned_in(&text);
    }
}

/// Paragraphs: first the program's, then one for each recipient, which begins with the address in
/// brackets, then one that begins with a hyphen, then the mail. A code is after a `#`. The server
/// has given up, whatever the code's class.
fn read_qmail(text: &str, found: &mut ReportParts) {
    let mut lines = text.lines();
    let mut paragraph = String::new();
    loop {
        let line = lines.next();
        match line.map(str::trim_end) {
            Some(line) if !line.is_empty() => {
                paragraph.push_str(line);
                paragraph.push('\n');
                continue;
            }
            _ => {}
        }
        if paragraph.starts_with('-') {
            return;
        }
        if let Some((address, said)) = paragraph.strip_prefix('<').and_then(|p| p.split_once(">:"))
        {
            let code = said.split('#').skip(1).filter_map(code_at_start).last();
            found.push(failed(MailAddress::new(address).ok(), code));
        }
        paragraph.clear();
        if line.is_none() || found.is_cut {
            return;
        }
    }
}

fn code_at_start(text: &str) -> Option<EnhancedCode> {
    let code = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    code.trim_end_matches('.').parse().ok()
}

fn failed(recipient: Option<MailAddress>, status: Option<EnhancedCode>) -> Fate {
    let why = status.map_or(FateWhy::Unknown, |code| codes::why(Some(code), None::<&Reply>));
    Fate { recipient, end: FateEnd::Failed, status, why: Some(why) }
}

/// The ids of a mail that came back within the text, behind a line of hyphens.
fn returned_in(text: &str) -> Vec<MessageId> {
    let mut rest = text;
    let mut places = 0;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        if !line.starts_with("--") {
            continue;
        }
        places += 1;
        let ids = HeaderBlock::split(after.as_bytes()).0.message_ids("Message-ID");
        if !ids.is_empty() || places == PLACES_MAX {
            return ids;
        }
    }
    Vec::new()
}

/// The first plain text of a mail, of bounded length.
pub(super) fn first_text(block: &HeaderBlock<'_>, content: &[u8]) -> Option<String> {
    let content_type = block.parameters("Content-Type");
    let media = content_type.as_ref().map_or_else(|| "text/plain".to_owned(), media_type);
    if media.starts_with("multipart/") {
        let boundaries = content_type.as_ref()?.all("boundary");
        let split = multipart::split_by_any(content, boundaries, PARTS_MAX)?;
        return split.parts.into_iter().find_map(|part| {
            let (block, content) = HeaderBlock::split_part(part);
            let media = block.parameters("Content-Type").as_ref().map(media_type);
            let is_text = media.is_none_or(|media| media == "text/plain");
            is_text.then(|| decoded(&block, content))
        });
    }
    (media == "text/plain").then(|| decoded(block, content))
}

fn decoded(block: &HeaderBlock<'_>, content: &[u8]) -> String {
    let content = content.get(..TEXT_BYTES_MAX).unwrap_or(content);
    let written = block.first("Content-Transfer-Encoding").map(unfold).unwrap_or_default();
    let (bytes, _) = decode::transfer(content, decode::encoding(&written).0);
    String::from_utf8_lossy(&bytes).replace('\r', "")
}

/// The addresses in a text, up to a line of hyphens, behind which a mail may have come back.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = MailAddress> {
    let is_edge = |c: char| !c.is_ascii_alphanumeric();
    text.lines()
        .take_while(|line| !line.starts_with("--"))
        .flat_map(|line| {
            line.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | ':'))
        })
        .filter(|word| word.contains('@'))
        .filter_map(move |word| MailAddress::new(word.trim_matches(is_edge)).ok())
}
