//! Header fields: split under limits, decoded one by one.

use std::collections::BTreeSet;

use memchr::{memchr, memchr2};

use super::{
    charset,
    fields::{self, Owner},
    mailboxes::Mailboxes,
    parameters::Parameters,
    text::one_line,
    words,
};
use crate::model::MessageId;

/// How many header fields of one mail or part are read. A mail that went through ten relays has
/// about a hundred; more than ten times that is an attack or a defect.
pub const HEADERS_MAX: usize = 1_000;

/// How many bytes of one field are read, folding included: about 300 recipients or 200 references.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// How many fields of the same name are decoded (three Froms are recognised as a fault; a thousand
/// are no worse).
const SAME_NAME_MAX: usize = 20;

/// The decoded values of all fields named `name` at the head of `raw`, each on one line.
pub fn header(raw: &[u8], name: &str) -> Vec<String> {
    HeaderBlock::split(raw).0.values(name).map(|value| text(value, HEADER_BYTES_MAX).text).collect()
}

/// How the lines of a text end.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineEnds {
    /// A CR alone ends a line, too.
    cr: bool,
}

impl LineEnds {
    /// However they end.
    pub(super) const ANY: Self = Self { cr: true };

    /// Determined by its first line. CR LF, LF, and CR CR LF, which some relays make of the first,
    /// are one kind; a text whose first line ends with CR alone is from another era.
    pub(super) fn of(text: &[u8]) -> Self {
        let (line, _) = Self { cr: false }.next(text);
        Self { cr: memchr(b'\r', line).is_some() }
    }

    /// The line without its end, and what follows it.
    pub(super) fn next(self, text: &[u8]) -> (&[u8], &[u8]) {
        let end = if self.cr { memchr2(b'\r', b'\n', text) } else { memchr(b'\n', text) };
        let Some(at) = end else { return (without_cr(text), b"") };
        let (line, rest) = text.split_at_checked(at).unwrap_or((text, b""));
        if rest.first() == Some(&b'\r') {
            // All CRs before an LF belong to one line end.
            let after = rest.get(1..).unwrap_or_default();
            let crs = after.iter().take_while(|b| **b == b'\r').count();
            return match after.get(crs..) {
                Some([b'\n', rest @ ..]) => (line, rest),
                _ => (line, after),
            };
        }
        (without_cr(line), rest.get(1..).unwrap_or_default())
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    let crs = line.iter().rev().take_while(|b| **b == b'\r').count();
    line.get(..line.len() - crs).unwrap_or(line)
}

/// One field, as it is in the mail.
#[derive(Debug)]
struct Field<'a> {
    name: &'a [u8],
    /// With its name and all its lines.
    whole: &'a [u8],
    /// Its position before the body.
    start: usize,
}

impl<'a> Field<'a> {
    /// The part of its value that is read, and whether that is not all.
    fn value(&self) -> (&'a [u8], bool) {
        let read = self.whole.get(..HEADER_BYTES_MAX);
        let whole = read.unwrap_or(self.whole);
        let value = memchr(b':', whole).and_then(|at| whole.get(at + 1..)).unwrap_or_default();
        (value, read.is_some() && self.whole.len() > HEADER_BYTES_MAX)
    }

    /// The part of a list of ids that is read: of a long list its end, where the nearest are.
    fn end(&self) -> &'a [u8] {
        let colon = memchr(b':', self.whole).unwrap_or_default();
        let value = self.whole.get(colon + 1..).unwrap_or_default();
        let surplus = value.len().saturating_sub(HEADER_BYTES_MAX);
        let Some(end) = value.get(surplus..).filter(|_| surplus > 0) else { return value };
        // The first may be the rest of a cut one.
        memchr(b'<', end).and_then(|at| end.get(at..)).unwrap_or_default()
    }
}

/// The fields at the head of a mail or part.
#[derive(Debug, Default)]
pub(super) struct HeaderBlock<'a> {
    fields: Vec<Field<'a>>,
    /// Lines among them that are no fields and belong to none.
    pub(super) strays: Vec<&'a [u8]>,
    /// More than [`HEADERS_MAX`].
    pub(super) too_many: bool,
    /// A sender is named beyond the limit.
    has_more_senders: bool,
    /// One was longer than [`HEADER_BYTES_MAX`].
    pub(super) cut: bool,
    /// A line among them was no field, or the beginning of the body was a guess.
    pub(super) broken: bool,
}

/// Who is named by the fields of one name.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) mailboxes: Mailboxes,
    /// Fields of that name.
    pub(super) fields: usize,
    /// Not all of them were read.
    pub(super) cut: bool,
}

impl<'a> HeaderBlock<'a> {
    /// The fields, and what comes after the empty line.
    pub(super) fn split(raw: &'a [u8]) -> (Self, &'a [u8]) {
        let mut rest = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
        let lines = LineEnds::of(rest.trim_ascii_start());
        // Some pipes put empty lines first; old mailbox files start with `From `.
        loop {
            let (line, after) = lines.next(rest);
            let is_empty = line.trim_ascii().is_empty() && !rest.is_empty();
            if !is_empty && !line.starts_with(b"From ") && !line.starts_with(b">From ") {
                break;
            }
            rest = after;
        }
        Self::read(rest, lines, Owner::Mail)
    }

    /// The same for a part within a mail, which may have no fields: then it starts with the empty
    /// line.
    pub(super) fn split_part(raw: &'a [u8]) -> (Self, &'a [u8]) {
        let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
        Self::read(raw, LineEnds::of(raw), Owner::Part)
    }

    /// Where the body begins is certain only at an empty line after nothing but known fields.
    ///
    /// Everything else is a guess, and each guess rather shows a field as text than takes a line of
    /// the text for a field: "Marcumar: ab heute absetzen" looks like one.
    /// * A line that is no field, or has nothing but blanks, ends the fields, unless nothing but
    ///   known fields follows up to the empty line. Then it belongs to the field before it: a line
    ///   end slipped into a value.
    /// * Unknown fields before the empty line are the first lines of the text.
    fn read(raw: &'a [u8], lines: LineEnds, owner: Owner) -> (Self, &'a [u8]) {
        let mut block = Self::default();
        let mut rest = raw;
        // Up to here, only known fields are known to follow.
        let mut is_sure = false;
        let body = loop {
            let (line, after) = lines.next(rest);
            if line.is_empty() {
                break after;
            }
            let is_blank = line.trim_ascii().is_empty();
            let name = if is_blank { None } else { field(line) };
            if name.is_none() {
                block.broken = true;
                if !is_sure && !block.goes_on(after, lines, owner) {
                    break if is_blank { after } else { rest };
                }
                is_sure = true;
            }
            let mut end = after;
            while matches!(end.first(), Some(b' ' | b'\t')) {
                let (line, after) = lines.next(end);
                if line.trim_ascii().is_empty() {
                    break;
                }
                end = after;
            }
            let start = raw.len() - rest.len();
            let whole = raw.get(start..raw.len() - end.len()).unwrap_or_default();
            match name {
                Some(name) => block.push(Field { name, whole, start }),
                None => match block.fields.last_mut() {
                    Some(last) if !block.too_many => {
                        let whole = raw.get(last.start..raw.len() - end.len());
                        last.whole = whole.unwrap_or(last.whole);
                    }
                    _ => block.strays.push(whole),
                },
            }
            rest = end;
        };
        let body = block.give_back(raw, body, owner);
        block.cut |= block.fields.iter().any(|field| field.value().1);
        (block, body)
    }

    /// Whether nothing but fields, none of them twice, comes up to the empty line. An unknown field
    /// counts for little, and for nothing if it could be a word.
    fn goes_on(&self, text: &[u8], lines: LineEnds, owner: Owner) -> bool {
        let seen: BTreeSet<_> =
            self.fields.iter().filter_map(|own| fields::single(own.name)).collect();
        let mut rest = text;
        let mut has_fields = false;
        loop {
            let (line, after) = lines.next(rest);
            if line.is_empty() {
                return has_fields;
            }
            if !matches!(line.first(), Some(b' ' | b'\t')) {
                let Some(name) = field(line) else { return false };
                let is_known = fields::is_known(name, owner);
                if fields::single(name).is_some_and(|single| seen.contains(&single))
                    || (!is_known && (fields::is_word(name) || owner == Owner::Part))
                {
                    return false;
                }
                has_fields |= is_known;
            }
            rest = after;
        }
    }

    /// Takes as text what no mail has as a field: everything directly before the empty line, and
    /// words among the fields.
    fn give_back(&mut self, raw: &'a [u8], body: &'a [u8], owner: Owner) -> &'a [u8] {
        let is_known = |field: &Field<'_>| fields::is_known(field.name, owner);
        let known = self.fields.iter().rposition(is_known).map_or(0, |at| at + 1);
        if known == 0 && owner == Owner::Mail {
            return body;
        }
        let body = match self.fields.get(known).map(|field| field.start) {
            Some(start) if !self.too_many => {
                self.broken = true;
                self.fields.truncate(known);
                raw.get(start..).unwrap_or_default()
            }
            _ => body,
        };
        let is_text = |field: &Field<'_>| !is_known(field) && fields::is_word(field.name);
        if self.fields.iter().any(is_text) {
            self.broken = true;
            let (text, fields) = std::mem::take(&mut self.fields).into_iter().partition(is_text);
            self.fields = fields;
            let text: Vec<Field<'_>> = text;
            self.strays.extend(text.iter().map(|field| field.whole));
        }
        body
    }

    fn push(&mut self, field: Field<'a>) {
        if self.fields.len() < HEADERS_MAX {
            self.fields.push(field);
            return;
        }
        self.too_many = true;
        self.has_more_senders |= field.is(b"From");
    }

    fn of_name(&self, name: &str) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| field.is(name.as_bytes()))
    }

    /// The raw values of the fields of this name, folding included, in their order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.of_name(name).map(|field| field.value().0).take(SAME_NAME_MAX)
    }

    /// The first of them: the one that a mail program shows.
    pub(super) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// How many fields of this name there are.
    pub(super) fn count(&self, name: &str) -> usize {
        self.of_name(name).count()
    }

    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        let prefix = prefix.as_bytes();
        self.fields.iter().any(|field| {
            field.name.get(..prefix.len()).is_some_and(|own| own.eq_ignore_ascii_case(prefix))
        })
    }

    /// Name and raw value of the fields whose names begin with this, in their order.
    pub(super) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let fields = self.fields.iter().filter(move |field| {
            let own = field.name.get(..prefix.len());
            own.is_some_and(|own| own.eq_ignore_ascii_case(prefix.as_bytes()))
        });
        fields.map(|field| (field.name, field.value().0))
    }

    /// The people whom the fields of this name name.
    pub(super) fn named(&self, name: &str) -> Named {
        let mut named = Named {
            fields: self.count(name),
            cut: self.has_more_senders && name == "From",
            ..Named::default()
        };
        for field in self.of_name(name).take(SAME_NAME_MAX) {
            let (value, is_cut) = field.value();
            let list = Mailboxes::read(&unfold(value));
            named.cut |= is_cut;
            named.mailboxes.read.extend(list.read);
            named.mailboxes.unreadable += list.unreadable;
            named.mailboxes.broken |= list.broken;
        }
        named
    }

    pub(super) fn message_ids(&self, name: &str) -> Vec<MessageId> {
        self.of_name(name).take(SAME_NAME_MAX).flat_map(|field| message_ids(field.end())).collect()
    }

    /// Whether a field has more than blanks, but no readable id.
    pub(super) fn names_unreadably(&self, name: &str) -> bool {
        let is_blank =
            |value: &[u8]| value.iter().all(|b| b.is_ascii_whitespace() || b"<>".contains(b));
        self.values(name).any(|value| !is_blank(value) && message_ids(value).is_empty())
    }

    pub(super) fn parameters(&self, name: &str) -> Option<Parameters> {
        self.first(name).map(|value| Parameters::read(&unfold(value)))
    }
}

impl Field<'_> {
    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// A value as a person reads it.
#[derive(Debug, Default)]
pub(super) struct ReadableValue {
    pub(super) text: String,
    pub(super) cut: bool,
    /// An encoded word is broken, or is not in the character set it names.
    pub(super) broken: bool,
}

/// A value as text on one line, RFC 2047 words decoded, cut to `chars_max`.
pub(super) fn text(value: &[u8], chars_max: usize) -> ReadableValue {
    let (text, broken) = words::decoded(&unfold(value));
    let (text, cut) = one_line(&text, chars_max);
    ReadableValue { text, cut, broken }
}

/// A value unfolded (RFC 5322 §2.2.3). Bytes that are not UTF-8 are read as Windows-1252, which
/// senders without RFC 2047 mostly write.
pub(super) fn unfold(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut at_end = false;
    for &byte in value {
        if matches!(byte, b'\r' | b'\n') {
            at_end = true;
            continue;
        }
        // A line end that slipped into a value replaces a blank.
        if std::mem::take(&mut at_end) && !matches!(byte, b' ' | b'\t') {
            bytes.push(b' ');
        }
        bytes.push(byte);
    }
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => charset::windows_1252(error.as_bytes()),
    }
}

/// Whether a value has bytes that no standard allows there: neither ASCII nor UTF-8 (RFC 6532).
pub(super) fn is_garbled(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_err_and(|error| error.error_len().is_some())
}

/// All ids in angle brackets; without any, the words that can be ids (some servers of the telematics
/// infrastructure leave the brackets out).
///
/// Long ids are folded on their way, even in the middle, or written as encoded words; RFC 2047
/// allows neither for ids. No id has a blank, so those inside the brackets are left out.
pub(super) fn message_ids(value: &[u8]) -> Vec<MessageId> {
    let line = unfold(value);
    let ids = ids_of(&line);
    if ids.is_empty() && line.contains("=?") {
        return ids_of(&text(value, usize::MAX).text);
    }
    ids
}

fn ids_of(line: &str) -> Vec<MessageId> {
    let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
    let mut pieces = line.split('<');
    // Text before the first bracket is an old-style phrase, such as "Your message of".
    let bare = pieces.next().unwrap_or_default();
    let mut ids: Vec<MessageId> = pieces
        .filter_map(|piece| match piece.split_once('>') {
            Some((id, _)) => MessageId::new(&without_blanks(id)).ok(),
            // The bracket is missing: up to the next blank.
            None => MessageId::new(piece.split_whitespace().next()?).ok(),
        })
        .collect();
    if ids.is_empty() && !line.contains('<') {
        let words: Vec<&str> = bare
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .collect();
        let is_alone = words.len() == 1;
        let has_two_sides = |word: &str| {
            word.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
        };
        let usable = words.iter().filter(|word| is_alone || has_two_sides(word));
        ids.extend(usable.filter_map(|word| MessageId::new(word).ok()));
    }
    ids
}

/// The name of the field that a line starts (RFC 5322 §2.2; blanks before the colon as in its
/// obsolete form).
fn field(line: &[u8]) -> Option<&[u8]> {
    let name = line.get(..memchr(b':', line)?)?.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_headers_are_found_whatever_their_case_and_folding() {
        let raw =
            b"x-kim-dienstkennung: KIM-Mail;\r\n Default;V1.0\r\nX-KIM-Fehlermeldung: 4004\r\n\
            X-Kim-Fehlermeldung : =?utf-8?q?4001?=\r\n\r\nX-KIM-Fehlermeldung: 9\r\n";
        assert_eq!(header(raw, "X-KIM-Dienstkennung"), ["KIM-Mail; Default;V1.0"]);
        assert_eq!(header(raw, "X-KIM-Fehlermeldung"), ["4004", "4001"]);
        assert!(header(raw, "Subject").is_empty());
    }

    #[test]
    fn message_ids_are_read_with_and_without_brackets() {
        let ids = |text: &str| {
            message_ids(text.as_bytes()).iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(" <a@b>\r\n <c@d> (comment)"), ["a@b", "c@d"]);
        assert_eq!(ids(" a@b"), ["a@b"]);
        assert_eq!(ids(" ohne-klammern"), ["ohne-klammern"]);
        assert!(ids(" <> ").is_empty());
        assert!(ids("Your message of Monday").is_empty());
    }

    /// B79: the nearest are at the end.
    #[test]
    fn b79b_of_a_chain_that_is_too_long_the_end_is_read() {
        let ids = |mail: &str| HeaderBlock::split(mail.as_bytes()).0.message_ids("References");
        let chain = |count: usize| {
            let ids: Vec<String> = (0..count).map(|n| format!("<{n}@kim.local>")).collect();
            format!("References: {}\r\n\r\n", ids.join("\r\n "))
        };
        assert_eq!(ids(&chain(100)).len(), 100);
        let read = ids(&chain(5_000));
        assert_eq!(read.last().map(MessageId::as_str), Some("4999@kim.local"));
        let first = 5_000 - read.len();
        assert_eq!(read.first().unwrap().as_str(), format!("{first}@kim.local"));
        assert!(ids(&format!("References: <{}>\r\n\r\n", "x".repeat(20_000))).is_empty());
    }

    #[test]
    fn b22_an_id_is_read_however_it_was_folded() {
        let ids = |text: &str| {
            message_ids(text.as_bytes()).iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        for folded in [
            "\r\n <6f1c-aaaa\r\n @kim.local>",
            "\r\n\t<6f1c-aaaa\r\n\t@kim.local>",
            " < 6f1c-aaaa@kim.local >",
            " <6f1c-\n aaaa@kim.\n local>\n",
            " <6f1c-aaaa@kim.local",
            " =?utf-8?Q?<6f1c-aaaa@kim.local>?=",
            " =?us-ascii?Q?=3C6f1c-aaaa?=\r\n =?us-ascii?Q?=40kim=2Elocal=3E?=",
            " Your message of \"Mon, 23 Nov\" <6f1c-aaaa@kim.local>",
            " 6f1c-aaaa@kim.local,",
        ] {
            assert_eq!(ids(folded), ["6f1c-aaaa@kim.local"], "{folded:?}");
        }
        assert_eq!(ids("<a@b\r\n @c>\r\n <d@e>"), ["a@b@c", "d@e"]);
        assert_eq!(ids("<a@b <c@d>"), ["a@b", "c@d"]);
        assert_eq!(ids("a@b c@d"), ["a@b", "c@d"]);
    }
}
