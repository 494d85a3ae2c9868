//! The parts that only machines write: `message/delivery-status` (RFC 3464) and
//! `message/disposition-notification` (RFC 8098), and their forms for UTF-8 (RFC 6533).

use memchr::memchr;

use super::{ReportParts, codes};
use crate::{
    mail::header::{HEADER_BYTES_MAX, LineEnds, message_ids, unfold},
    model::{EnhancedCode, Fate, FateEnd, FateWhy, MailAddress, Reply},
};

/// Bytes of one part that are read: a hundred recipients with whole dialogues.
const PART_BYTES_MAX: usize = 512 * 1024;

/// Fields of one part that are read: a hundred recipients have about a thousand.
const FIELDS_MAX: usize = 5_000;

pub(super) fn is_machine_part(media: &str) -> bool {
    matches!(
        media,
        "message/delivery-status"
            | "message/global-delivery-status"
            | "message/disposition-notification"
            | "message/global-disposition-notification"
    )
}

/// One field of a part.
#[derive(Debug)]
struct MachineField {
    /// In lower case.
    name: String,
    /// With its folding.
    value: Vec<u8>,
    /// An empty line is before it.
    is_after_gap: bool,
}

impl MachineField {
    /// Its value on one line, without comments.
    fn line(&self) -> String {
        without_comments(&unfold(&self.value)).trim().to_owned()
    }
}

/// What one group of fields says about its recipient.
#[derive(Debug, Default)]
struct RecipientGroup {
    /// As the mail was addressed. The outer one says whether there is such a field.
    original: Option<Option<MailAddress>>,
    /// As the server knows them.
    last: Option<Option<MailAddress>>,
    action: Option<String>,
    status: Option<EnhancedCode>,
    reply: Option<Reply>,
}

/// Reads all groups of a delivery status, however they are separated and ordered.
pub(super) fn read_delivery(bytes: &[u8], found: &mut ReportParts) {
    let fields = fields(bytes, found);
    let mut groups: Vec<RecipientGroup> = Vec::new();
    for block in fields.chunk_by(|_, next| !next.is_after_gap) {
        for field in block {
            if matches!(field.name.as_str(), "original-message-id" | "x-original-message-id") {
                found.said.extend(message_ids(&field.value));
            }
            // The name that we gave a mail for its reports is its Message-ID (RFC 3461 §4.4).
            if field.name == "original-envelope-id" {
                let id = field.line();
                let id = id.split_once('@').map(|_| format!("<{id}>")).unwrap_or_default();
                found.said.extend(message_ids(id.as_bytes()));
            }
        }
        for group in groups_of(block) {
            // Some servers put an empty line between a recipient and what happened.
            match groups.last_mut() {
                Some(last) if group.goes_on(last) => last.complete(group),
                _ => groups.push(group),
            }
        }
    }
    for fate in groups.into_iter().filter_map(RecipientGroup::fate) {
        found.push(fate);
    }
}

/// The groups between two empty lines. There is one (RFC 3464 §2.1), its fields in any order; Exim
/// begins with the action. Where a server forgets the empty line, the first field of a group comes
/// again.
fn groups_of(block: &[MachineField]) -> Vec<RecipientGroup> {
    let count = |name: &str| block.iter().filter(|field| field.name == name).count();
    let has_several =
        ["original-recipient", "final-recipient", "action"].iter().any(|name| count(name) > 1);
    let mut groups = vec![RecipientGroup::default()];
    let mut first: Option<&str> = None;
    for field in block {
        let name = field.name.as_str();
        let Some(group) = groups.last() else { break };
        if has_several && (first == Some(name) || group.has(name)) {
            groups.push(RecipientGroup::default());
        }
        let Some(group) = groups.last_mut() else { break };
        // Whose it is cannot be said: it may stand behind one recipient or before the next.
        let is_between = has_several
            && first == Some("final-recipient")
            && name == "original-recipient"
            && group.says_something();
        if !is_between && group.take(field) {
            first.get_or_insert(name);
        }
    }
    groups.retain(|group| group.is_named() || group.says_something());
    groups
}

impl RecipientGroup {
    fn is_named(&self) -> bool {
        self.original.is_some() || self.last.is_some()
    }

    fn says_something(&self) -> bool {
        self.action.is_some() || self.status.is_some() || self.reply.is_some()
    }

    fn has(&self, name: &str) -> bool {
        match name {
            "original-recipient" => self.original.is_some(),
            "final-recipient" => self.last.is_some(),
            "action" => self.action.is_some(),
            _ => false,
        }
    }

    /// Whether it is the rest of the group before it.
    fn goes_on(&self, before: &Self) -> bool {
        !self.is_named() && (self.action.is_none() || before.action.is_none())
    }

    fn complete(&mut self, rest: Self) {
        self.action = self.action.take().or(rest.action);
        self.status = self.status.or(rest.status);
        self.reply = self.reply.take().or(rest.reply);
    }

    /// Takes a field, and says whether it is one of those that make a group.
    fn take(&mut self, field: &MachineField) -> bool {
        match field.name.as_str() {
            "original-recipient" => self.original = Some(address(&field.line())),
            "final-recipient" => self.last = Some(address(&field.line())),
            "action" => self.action = Some(first_word(&field.line())),
            "status" => self.status = self.status.or(first_word(&field.line()).parse().ok()),
            "diagnostic-code" if self.reply.is_none() => {
                self.reply = codes::reply(&unfold(&field.value));
            }
            _ => return false,
        }
        true
    }

    /// What happened: the action decides, also against its code (a provider of the telematics
    /// infrastructure writes `delivered` with 4.0.0, KIM-30). Without one the code does; success
    /// alone then means no more than that the mail went on.
    fn fate(self) -> Option<Fate> {
        let enhanced = self.status.or(self.reply.as_ref().and_then(|reply| reply.enhanced));
        let by_action = self.action.as_deref().and_then(end_of_action);
        let end = by_action.or_else(|| codes::end(enhanced, self.reply.as_ref()))?;
        let is_bad = matches!(end, FateEnd::Failed | FateEnd::Delayed);
        let why = is_bad.then(|| codes::why(self.status, self.reply.as_ref()));
        let recipient = self.original.flatten().or(self.last.flatten());
        Some(Fate { recipient, end, status: enhanced, why })
    }
}

/// RFC 3464 §2.3.3. `expanded` means that the mail went on to the members of a list.
fn end_of_action(action: &str) -> Option<FateEnd> {
    match action {
        "delivered" => Some(FateEnd::Delivered),
        "relayed" | "expanded" => Some(FateEnd::Relayed),
        "delayed" => Some(FateEnd::Delayed),
        "failed" => Some(FateEnd::Failed),
        _ => None,
    }
}

/// Reads a disposition notification: it speaks of one recipient.
pub(super) fn read_disposition(bytes: &[u8], found: &mut ReportParts) {
    let mut group = RecipientGroup::default();
    let mut disposition = None;
    let (mut has_agent, mut is_of_exchange) = (false, false);
    for field in fields(bytes, found) {
        match field.name.as_str() {
            "original-message-id" | "x-original-message-id" => {
                found.said.extend(message_ids(&field.value));
            }
            "disposition" if disposition.is_none() => disposition = Some(field.line()),
            "reporting-ua" => has_agent = true,
            "x-msexch-correlation-key" => is_of_exchange = true,
            _ => {
                group.take(&field);
            }
        }
    }
    let Some(end) = disposition.as_deref().and_then(end_of_disposition) else { return };
    let recipient = group.original.flatten().or(group.last.flatten());
    // The `reject` of a Sieve script (RFC 5429 §2.1.1, as Dovecot and Cyrus do it): a rule refused
    // the mail. Exchange writes the same of a mail that a person deleted unread, without naming
    // itself in `Reporting-UA`.
    let is_automatic = disposition.is_some_and(|line| has_mode(&line, "automatic-action"));
    let is_refusal = end == FateEnd::Discarded && is_automatic && has_agent && !is_of_exchange;
    let (end, why) = match end {
        _ if is_refusal => (FateEnd::Failed, Some(FateWhy::Blocked)),
        FateEnd::Failed => (end, Some(FateWhy::Unknown)),
        _ => (end, None),
    };
    found.push(Fate { recipient, end, status: None, why });
}

fn has_mode(disposition: &str, mode: &str) -> bool {
    let modes = disposition.rsplit_once(';').map_or("", |(modes, _)| modes);
    modes.split('/').any(|own| own.trim().eq_ignore_ascii_case(mode))
}

/// RFC 8098 §3.2.6, and the types of RFC 2298. A modifier of an error says that the mail could not be
/// dealt with.
fn end_of_disposition(disposition: &str) -> Option<FateEnd> {
    let what = disposition.rsplit_once(';').map_or(disposition, |(_, what)| what);
    let what = what.trim().to_ascii_lowercase();
    let mut words = what.split(['/', ',']).map(str::trim);
    let kind = words.next().unwrap_or_default();
    let has_error = words.any(|word| word.starts_with("error") || word.starts_with("fail"));
    match kind {
        "displayed" | "processed" | "dispatched" if has_error => Some(FateEnd::Failed),
        "displayed" => Some(FateEnd::Read),
        "processed" | "dispatched" => Some(FateEnd::Processed),
        "deleted" => Some(FateEnd::Discarded),
        "denied" => Some(FateEnd::Denied),
        "failed" => Some(FateEnd::Failed),
        _ => None,
    }
}

/// The fields of a part, in their order. What is no field is skipped.
fn fields(bytes: &[u8], found: &mut ReportParts) -> Vec<MachineField> {
    let read = bytes.get(..PART_BYTES_MAX).unwrap_or(bytes);
    found.is_cut |= read.len() < bytes.len();
    let bytes = read.trim_ascii_start();
    let lines = LineEnds::of(bytes);
    let mut fields: Vec<MachineField> = Vec::new();
    let mut rest = bytes;
    let mut is_after_gap = false;
    while !rest.is_empty() {
        let (line, after) = lines.next(rest);
        rest = after;
        if line.trim_ascii().is_empty() {
            is_after_gap = true;
        } else if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some(last) = fields.last_mut().filter(|_| !is_after_gap)
                && last.value.len() + line.len() < HEADER_BYTES_MAX
            {
                last.value.extend_from_slice(b"\r\n");
                last.value.extend_from_slice(line);
            }
        } else if let Some(at) = memchr(b':', line) {
            if fields.len() >= FIELDS_MAX {
                found.is_cut = true;
                break;
            }
            let (name, value) = line.split_at_checked(at).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default();
            fields.push(MachineField {
                name: String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase(),
                value: value.get(..HEADER_BYTES_MAX).unwrap_or(value).to_vec(),
                is_after_gap: std::mem::take(&mut is_after_gap),
            });
        }
    }
    fields
}

/// The address in a recipient's field: `rfc822; a@b`, with or without the type, in brackets, as
/// xtext (RFC 3461 §4) or with the escapes of RFC 6533 §3. Nothing for one of another kind.
fn address(line: &str) -> Option<MailAddress> {
    let value = line.split_once(';').map_or(line, |(_, value)| value).trim();
    let value = match value.split_once('<') {
        Some((_, inner)) => inner.split_once('>').map_or(inner, |(inner, _)| inner),
        None => value,
    };
    let value = value.trim().trim_matches('"');
    let schemes = ["smtp:", "mailto:"];
    let scheme = schemes.iter().find(|scheme| {
        value.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme))
    });
    let value = scheme.map_or(value, |scheme| value.get(scheme.len()..).unwrap_or_default());
    // The way through other servers, in a very old form: `@relay:a@b`.
    let value = match value.strip_prefix('@').and_then(|way| way.split_once(':')) {
        Some((_, value)) => value,
        None => value,
    };
    if value.contains(r"\x{") {
        return MailAddress::new(&unescaped(value, r"\x{", Some('}'))).ok();
    }
    if !value.contains('@') && value.contains("+40") {
        return MailAddress::new(&unescaped(value, "+", None)).ok();
    }
    MailAddress::new(value).ok()
}

/// A text without its escapes: `mark`, hexadecimal digits, and `end` (or exactly two digits).
fn unescaped(text: &str, mark: &str, end: Option<char>) -> String {
    let mut pieces = text.split(mark);
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let split = match end {
            Some(end) => piece.split_once(end),
            None => piece.split_at_checked(2),
        };
        let decoded = split.and_then(|(digits, rest)| {
            let code = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(code)?, rest))
        });
        match decoded {
            Some((letter, rest)) => {
                plain.push(letter);
                plain.push_str(rest);
            }
            None => {
                plain.push_str(mark);
                plain.push_str(piece);
            }
        }
    }
    plain
}

fn first_word(line: &str) -> String {
    line.split(|c: char| c.is_whitespace() || matches!(c, ';' | ','))
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// A line without its comments (RFC 5322 §3.2.2). One that is not closed hides nothing.
fn without_comments(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut depth = 0_usize;
    let mut hidden = String::new();
    for c in line.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    hidden.clear();
                    continue;
                }
            }
            _ => {}
        }
        if depth > 0 { &mut hidden } else { &mut plain }.push(c);
    }
    plain + &hidden
}
