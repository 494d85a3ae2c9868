//! Header fields: split under limits, decoded one by one.

use std::borrow::Cow;

use mail_parser::{Addr, ContentType, HeaderValue, parsers::MessageStream};
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use super::text::{NAME_CHARS_MAX, one_line};
use crate::model::{MailAddress, Mailbox, MessageId};

/// Header fields of one mail or part that are read. A mail that went through ten relays has about
/// a hundred; more than ten times that is an attack or a defect.
pub const HEADERS_MAX: usize = 1_000;

/// Bytes of one field that are read, folding included: some 300 recipients or 200 references.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Fields of the same name whose values are decoded (three Froms are seen as such; a thousand are
/// no more wrong).
const SAME_NAME_MAX: usize = 20;

/// The decoded values of all fields named `name` at the head of `raw`, each on one line.
pub fn header(raw: &[u8], name: &str) -> Vec<String> {
    Block::split(raw).0.values(name).map(|value| text(value, HEADER_BYTES_MAX).0).collect()
}

/// The fields at the head of a mail or part.
#[derive(Debug, Default)]
pub(super) struct Block<'a> {
    fields: Vec<(&'a [u8], &'a [u8])>,
    /// More than [`HEADERS_MAX`].
    pub(super) too_many: bool,
    /// One was longer than [`HEADER_BYTES_MAX`].
    pub(super) cut: bool,
    /// A line among them was no field, or the empty line before the body is missing.
    pub(super) broken: bool,
}

impl<'a> Block<'a> {
    /// The fields, and what comes after the empty line.
    ///
    /// A line that is no field is skipped when a field follows it (a line end that slipped into a
    /// value); otherwise the empty line is missing and the body starts there.
    pub(super) fn split(raw: &'a [u8]) -> (Self, &'a [u8]) {
        let mut rest = raw;
        // Some pipes put an empty line first; old mailbox files start with `From `.
        while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            rest = after;
        }
        if rest.starts_with(b"From ") {
            rest = next_line(rest).1;
        }
        Self::split_part(rest)
    }

    /// The same for a part within a mail, which may have no fields: then it starts with the empty
    /// line.
    pub(super) fn split_part(raw: &'a [u8]) -> (Self, &'a [u8]) {
        let mut block = Self::default();
        let mut rest = raw;
        loop {
            let (line, after) = next_line(rest);
            let starts_body = line.is_empty() && after.len() < rest.len();
            if starts_body || rest.is_empty() {
                return (block, after);
            }
            let Some((name, _)) = field(line) else {
                block.broken = true;
                if field(next_line(after).0).is_none() {
                    return (block, rest);
                }
                rest = after;
                continue;
            };
            let mut end = after;
            while matches!(end.first(), Some(b' ' | b'\t')) {
                end = next_line(end).1;
            }
            let whole = rest.get(..rest.len() - end.len()).unwrap_or_default();
            block.push(name, whole);
            rest = end;
        }
    }

    fn push(&mut self, name: &'a [u8], whole: &'a [u8]) {
        if self.fields.len() >= HEADERS_MAX {
            self.too_many = true;
            return;
        }
        self.cut |= whole.len() > HEADER_BYTES_MAX;
        let whole = whole.get(..HEADER_BYTES_MAX).unwrap_or(whole);
        let value = whole.iter().position(|b| *b == b':').and_then(|at| whole.get(at + 1..));
        self.fields.push((name, value.unwrap_or_default()));
    }

    /// The raw values of the fields of this name, folding included, in their order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
            .take(SAME_NAME_MAX)
    }

    /// The first of them: the one that a reader of the mail sees.
    pub(super) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    pub(super) fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.values(name).flat_map(mailboxes).collect()
    }

    pub(super) fn message_ids(&self, name: &str) -> Vec<MessageId> {
        self.values(name).flat_map(message_ids).collect()
    }

    /// Whether a field says more than blanks, and no id can be read from it.
    pub(super) fn names_unreadably(&self, name: &str) -> bool {
        let is_blank =
            |value: &[u8]| value.iter().all(|b| b.is_ascii_whitespace() || b"<>".contains(b));
        self.values(name).any(|value| !is_blank(value) && message_ids(value).is_empty())
    }

    pub(super) fn content_type(&self, name: &str) -> Option<ContentType<'static>> {
        let line = terminated(self.first(name)?);
        match MessageStream::new(&line).parse_content_type() {
            HeaderValue::ContentType(value) => Some(into_owned(value)),
            _ => None,
        }
    }
}

/// A value as text on one line, RFC 2047 words decoded, and whether it was cut to `chars_max`.
pub(super) fn text(value: &[u8], chars_max: usize) -> (String, bool) {
    let line = terminated(value);
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => one_line(&text, chars_max),
        _ => (String::new(), false),
    }
}

/// A value unfolded (RFC 5322 §2.2.3). Bytes that are not UTF-8 are read as Windows-1252, which is
/// what senders without RFC 2047 mostly write.
pub(super) fn unfold(value: &[u8]) -> String {
    let bytes: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => super::decode::windows_1252(error.as_bytes()),
    }
}

/// Whether a value has bytes that no standard allows there: neither ASCII nor UTF-8 (RFC 6532).
pub(super) fn is_garbled(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_err_and(|error| error.error_len().is_some())
}

pub(super) fn date(value: &[u8]) -> Option<OffsetDateTime> {
    let words: Vec<String> = unfold(value).split_whitespace().map(usual_word).collect();
    let line = format!("{}\n", words.join(" "));
    let date = match MessageStream::new(line.as_bytes()).parse_date() {
        HeaderValue::DateTime(date) => date,
        _ => return None,
    };
    let month = Month::try_from(date.month).ok()?;
    let day = Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
    // A leap second has no place in our clocks.
    let time = Time::from_hms(date.hour, date.minute, date.second.min(59)).ok()?;
    let sign = if date.tz_before_gmt { -1 } else { 1 };
    let offset = UtcOffset::from_hms(
        i8::try_from(date.tz_hour).ok()? * sign,
        i8::try_from(date.tz_minute).ok()? * sign,
        0,
    )
    .ok()?;
    // Before mail existed, and what Postgres and RFC 3339 cannot name.
    (1970..=9998).contains(&date.year).then(|| day.with_time(time).assume_offset(offset))
}

/// Some servers of the telematics infrastructure write their dates in German (`15 Dez 2022`), and
/// the seconds may be missing (RFC 5322 §3.3).
fn usual_word(word: &str) -> String {
    match word.to_lowercase().trim_end_matches('.') {
        "mär" | "mrz" | "märz" => "Mar".to_owned(),
        "mai" => "May".to_owned(),
        "okt" => "Oct".to_owned(),
        "dez" => "Dec".to_owned(),
        time if time.matches(':').count() == 1 => format!("{word}:00"),
        _ => word.to_owned(),
    }
}

fn mailboxes(value: &[u8]) -> Vec<Mailbox> {
    let line = terminated(value);
    let HeaderValue::Address(addresses) = MessageStream::new(&line).parse_address() else {
        return Vec::new();
    };
    let read = |addr: &Addr<'_>| {
        let address = MailAddress::new(addr.address.as_deref()?.trim()).ok()?;
        let name = addr.name.as_deref().map(|name| one_line(name, NAME_CHARS_MAX).0);
        Some(Mailbox { name: name.filter(|name| !name.is_empty()), address })
    };
    addresses.iter().filter_map(read).collect()
}

/// All ids in angle brackets; without any, the words that can be ids (some servers of the
/// telematics infrastructure leave the brackets out).
///
/// Long ids are folded on their way, also in the middle, or written as encoded words, which RFC 2047
/// allows for neither. No id has a blank, so those inside the brackets are left out.
fn message_ids(value: &[u8]) -> Vec<MessageId> {
    let line = unfold(value);
    let ids = ids_of(&line);
    if ids.is_empty() && line.contains("=?") {
        return ids_of(&text(value, usize::MAX).0);
    }
    ids
}

fn ids_of(line: &str) -> Vec<MessageId> {
    let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
    let mut pieces = line.split('<');
    // What stands in front of the first bracket is a phrase of old, such as "Your message of".
    let bare = pieces.next().unwrap_or_default();
    let mut ids: Vec<MessageId> = pieces
        .filter_map(|piece| match piece.split_once('>') {
            Some((id, _)) => MessageId::new(&without_blanks(id)).ok(),
            // The bracket was lost: up to the next blank.
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

/// The unfolded value with the line end that the field parsers wait for.
fn terminated(value: &[u8]) -> Vec<u8> {
    let mut line = unfold(value).into_bytes();
    line.push(b'\n');
    line
}

/// The line without its end, and what follows it.
pub(super) fn next_line(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(at) = text.iter().position(|b| *b == b'\n') else { return (text, b"") };
    let (line, rest) = text.split_at_checked(at).unwrap_or((text, b""));
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}

/// Name and rest of a line, if it starts a field (RFC 5322 §2.2; blanks before the colon as in
/// its obsolete form).
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|b| *b == b':')?;
    let (name, value) = line.split_at_checked(at)?;
    let name = name.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some((name, value))
}

fn into_owned(value: ContentType<'_>) -> ContentType<'static> {
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    ContentType {
        c_type: owned(value.c_type),
        c_subtype: value.c_subtype.map(owned),
        attributes: value.attributes.map(|attributes| {
            attributes
                .into_iter()
                .map(|a| mail_parser::Attribute { name: owned(a.name), value: owned(a.value) })
                .collect()
        }),
    }
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
    fn dates_are_read_also_in_german_and_with_obsolete_zones() {
        for (text, expected) in [
            ("Fri, 9 Sep 2022 15:47:00 +0200", Some("2022-09-09T15:47:00+02:00")),
            ("Do, 15 Dez 2022 08:01:02 +0100 (CET)", Some("2022-12-15T08:01:02+01:00")),
            ("23 Nov 26 13:13 GMT", Some("2026-11-23T13:13:00Z")),
            ("Mon, 31 Feb 2026 00:00:00 +0000", None),
            ("gestern", None),
            ("", None),
        ] {
            let format = time::format_description::well_known::Rfc3339;
            let actual = date(text.as_bytes()).map(|date| date.format(&format).unwrap());
            assert_eq!(actual.as_deref(), expected, "{text}");
        }
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
