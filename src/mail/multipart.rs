//! The parts of a multipart (RFC 2046 §5.1).

use std::collections::HashMap;

use super::header::LineEnds;

/// Longest line that is taken for a boundary that was not named; RFC 2046 allows 70 characters.
const GUESSED_BYTES_MAX: usize = 200;

/// The lines addressed to a mail reader that knows no MIME: nothing of the letter.
const STOCK: [&str; 9] = [
    "mime",
    "multi-part",
    "multipart",
    "mehrteilig",
    "mail reader",
    "mail client",
    "mailprogramm",
    "e-mail-programm",
    "cryptographically signed",
];

/// Longest line that only tells such a reader so.
const STOCK_LINE_BYTES_MAX: usize = 200;

/// A multipart, taken apart.
#[derive(Debug, Default)]
pub(super) struct SplitMultipart<'a> {
    pub(super) parts: Vec<&'a [u8]>,
    /// What is outside the parts: before, after, between them.
    pub(super) outside: Vec<&'a [u8]>,
    /// The last boundary is missing, or is not the last one.
    pub(super) is_odd: bool,
    pub(super) has_too_many: bool,
}

/// The parts between the boundary's lines, or `None` when there is not one. A missing last boundary
/// ends the last part with its parent.
pub(super) fn split<'a>(
    content: &'a [u8],
    boundary: &[u8],
    parts_max: usize,
) -> Option<SplitMultipart<'a>> {
    let boundary = boundary.trim_ascii_end();
    if boundary.is_empty() {
        return None;
    }
    let lines = LineEnds::of(content);
    let mut split = SplitMultipart::default();
    let mut is_in_part = false;
    let mut has_ended = false;
    let mut start = 0;
    let mut rest = content;
    while !rest.is_empty() {
        let at = content.len() - rest.len();
        let (line, after) = lines.next(rest);
        rest = after;
        let Some(mark) = mark(line, boundary) else { continue };
        let piece = content.get(start..at).unwrap_or_default();
        start = content.len() - after.len();
        if !is_in_part {
            split.outside.push(piece);
        } else if split.parts.len() >= parts_max {
            split.has_too_many = true;
            return Some(split);
        } else {
            // The line end before a boundary belongs to the boundary.
            split.parts.push(without_line_end(piece));
        }
        // Nothing should follow the last one; somebody put two mails together.
        split.is_odd |= has_ended;
        is_in_part = matches!(mark, BoundaryKind::Next);
        has_ended |= !is_in_part;
    }
    let piece = content.get(start..).unwrap_or_default();
    if !is_in_part {
        split.outside.push(piece);
    } else if split.parts.len() >= parts_max {
        split.has_too_many = true;
    } else {
        // Some gateways forget the last boundary; or the end of the mail is lost.
        split.is_odd = true;
        split.parts.push(piece);
    }
    (!split.parts.is_empty()).then_some(split)
}

/// The same for a multipart that names several boundaries: the first of them that comes. However
/// many are named, the content is searched only once more.
pub(super) fn split_by_any<'a, 'n>(
    content: &'a [u8],
    named: impl Iterator<Item = &'n str>,
    parts_max: usize,
) -> Option<SplitMultipart<'a>> {
    let mut named: Vec<&[u8]> = named.map(|name| name.as_bytes().trim_ascii_end()).collect();
    named.retain(|name| !name.is_empty());
    if named.len() < 2 {
        return split(content, named.first()?, parts_max);
    }
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for (place, name) in named.iter().enumerate() {
        places.entry(name).or_insert(place);
    }
    let lines = LineEnds::of(content);
    let mut first: Option<usize> = None;
    let mut rest = content;
    while !rest.is_empty() && first != Some(0) {
        let (line, after) = lines.next(rest);
        rest = after;
        let place = line.strip_prefix(b"--").and_then(|name| places.get(name.trim_ascii_end()));
        first = place.into_iter().copied().chain(first).min();
    }
    split(content, named.get(first?)?, parts_max)
}

/// The boundary of a multipart that names none, or another one: the first line that looks like one,
/// has fields after it, and comes again.
pub(super) fn guess(content: &[u8]) -> Option<&[u8]> {
    let lines = LineEnds::of(content);
    let mut rest = content;
    let mut guessed = None;
    while !rest.is_empty() {
        let (line, after) = lines.next(rest);
        rest = after;
        match guessed {
            None => {
                let name = line.trim_ascii_end().strip_prefix(b"--").unwrap_or_default();
                let follows = lines.next(after).0.to_ascii_lowercase();
                if (3..=GUESSED_BYTES_MAX).contains(&name.len())
                    && name.iter().any(u8::is_ascii_alphanumeric)
                    && follows.starts_with(b"content-")
                {
                    guessed = Some(name);
                }
            }
            Some(name) if mark(line, name).is_some() => return Some(name),
            Some(_) => {}
        }
    }
    None
}

/// Whether words outside the parts are more than what every mail says there. Lines may end in any
/// way; one that is longer than a sentence of that kind has more to say.
pub(super) fn says_something(outside: &str) -> bool {
    outside.split(['\r', '\n']).any(|line| {
        let line = line.to_lowercase();
        let is_stock =
            line.len() <= STOCK_LINE_BYTES_MAX && STOCK.iter().any(|stock| line.contains(stock));
        line.contains(char::is_alphanumeric) && !is_stock
    })
}

enum BoundaryKind {
    Next,
    Last,
}

/// Whether a line is this boundary's. White space may follow it (RFC 2046 §5.1.1), but nothing
/// else: one boundary can be the beginning of another.
fn mark(line: &[u8], boundary: &[u8]) -> Option<BoundaryKind> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?.trim_ascii_end();
    match rest {
        b"" => Some(BoundaryKind::Next),
        b"--" => Some(BoundaryKind::Last),
        _ => None,
    }
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    let crs = part.iter().rev().take_while(|b| **b == b'\r').count();
    part.get(..part.len() - crs).unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, parts: &[&str], outside: &[&str], is_odd: bool) {
        let split = split(content.as_bytes(), b"b", 10).unwrap();
        let text = |pieces: &[&[u8]]| {
            pieces.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(text(&split.parts), parts, "{content:?}");
        assert_eq!(text(&split.outside), outside, "{content:?}");
        assert_eq!(split.is_odd, is_odd, "{content:?}");
    }

    /// B02, B09: boundaries with every line end, missing, doubled, and with words around them.
    #[test]
    fn b09_nothing_of_a_multipart_is_left_out() {
        check("--b\r\nA\r\n--b\r\nB\r\n--b--\r\n", &["A", "B"], &["", ""], false);
        check("--b\r\r\nA\r\r\n--b--\r\r\n", &["A"], &["", ""], false);
        check("--b\rA\rB\r--b--\r", &["A\rB"], &["", ""], false);
        check("vorn\n--b \nA\n--b-- \nhinten\n", &["A"], &["vorn\n", "hinten\n"], false);
        check("--b\nA\n", &["A\n"], &[""], true);
        check(
            "--b\nA\n--b--\ndazwischen\n--b\nB\n--b--\n",
            &["A", "B"],
            &["", "dazwischen\n", ""],
            true,
        );
        check("--b\n--b\n--bb\n--b--", &["", "--bb"], &["", ""], false);
        assert!(split(b"Text", b"b", 10).is_none());
        assert!(split(b"--b--\nText", b"b", 10).is_none());
        assert!(split(b"--\nText", b" ", 10).is_none());
        assert!(split(&b"--b\n".repeat(30), b"b", 10).unwrap().has_too_many);
    }

    /// The same result as if each were tried in turn, in the time of one.
    #[test]
    fn of_several_boundaries_the_first_that_comes_counts() {
        let content = b"--a--\n--b--\nA\n--c \r\nB\n--b\nC\n";
        for (named, expected) in [
            (&["a", "b", "c"][..], Some("C\n")),
            (&["a", "c", "b"], Some("B\n--b\nC\n")),
            (&["", "x", "c ", "c"], Some("B\n--b\nC\n")),
            (&["b--", "b"], Some("A\n--c \r\nB\n--b\nC\n")),
            (&["x", "y"], None),
            (&["", " "], None),
            (&[], None),
        ] {
            let split = split_by_any(content, named.iter().copied(), 10);
            let in_turn = named.iter().find_map(|name| super::split(content, name.as_bytes(), 10));
            assert_eq!(split.as_ref().map(|s| &s.parts), in_turn.as_ref().map(|s| &s.parts));
            let last = split.and_then(|split| split.parts.last().copied());
            assert_eq!(last, expected.map(str::as_bytes), "{named:?}");
        }
    }

    #[test]
    fn b09_a_boundary_that_nobody_named_is_found() {
        let content = b"-- \nx\n--abc\nContent-Type: text/plain\n\nA\n--abc--\n";
        assert_eq!(guess(content), Some(&b"abc"[..]));
        assert_eq!(guess(b"--abc\nContent-Type: text/plain\n\nA\n"), None);
        assert_eq!(guess(b"--abc\nText\n--abc--\n"), None);
    }

    /// A `Content-Type` may name its boundary 190 times.
    #[test]
    fn many_boundaries_that_never_come_cost_no_more_than_one() {
        let timed = |count: usize, kind: &str| {
            let names: String = (0..count).map(|n| format!(" boundary=b{n};")).collect();
            let head =
                format!("From: a@b.de\r\nContent-Type: multipart/mixed;{names}\r\n{kind}\r\n");
            let mail = (head + &"--x\r\n".repeat(40_000)).into_bytes();
            let begun = std::time::Instant::now();
            crate::mail::parse(&mail);
            begun.elapsed()
        };
        for kind in ["", "Content-Transfer-Encoding: quoted-printable\r\n"] {
            let (one, many) = (timed(1, kind), timed(190, kind));
            let most = 10 * one + std::time::Duration::from_millis(200);
            assert!(many < most, "{one:?} with one, {many:?} with 190");
        }
    }

    #[test]
    fn b09_what_every_mail_says_is_nothing() {
        for stock in [
            "",
            "\r\n \r\n",
            "This is a multi-part message in MIME format.\r\n",
            "Dies ist eine mehrteilige Nachricht im MIME-Format.",
            "This is an OpenPGP/MIME signed message (RFC 4880 and 3156)",
            "This is a cryptographically signed message in MIME format.",
            "----",
        ] {
            assert!(!says_something(stock), "{stock}");
        }
        for end in ["\n", "\r\n", "\r"] {
            let words = format!("This is a MIME message.{end}Bitte Marcumar absetzen.{end}");
            assert!(says_something(&words), "{words:?}");
        }
        let joined = "This is a MIME message. ".repeat(8) + "Bitte Marcumar absetzen.";
        assert!(says_something(&joined));
    }
}
