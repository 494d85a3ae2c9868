//! Files written into texts: uuencode, as fax servers and old mailers still send it.
//!
//! There is no standard; POSIX (`uuencode`) describes both of its forms. A block counts only when
//! its lines have the length that they say, so that a text with the word "begin" stays a text.

use std::ops::Range;

use super::header::LineEnds;
use crate::model::TransferEncoding;

/// How many files are looked for in one text.
const FILES_MAX: usize = 100;

/// A file found in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UuencodedFile {
    pub(super) name: String,
    /// All of it, including the lines that begin and end it.
    pub(super) whole: Range<usize>,
    /// The lines of its data.
    pub(super) data: Range<usize>,
    pub(super) encoding: TransferEncoding,
    /// Its end is missing.
    pub(super) is_cut: bool,
}

/// The files in a text, in their order.
pub(super) fn blocks(text: &[u8]) -> Vec<UuencodedFile> {
    let lines = LineEnds::of(text);
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && found.len() < FILES_MAX {
        let at = text.len() - rest.len();
        let (line, after) = lines.next(rest);
        rest = after;
        let Some((name, encoding)) = begin(line) else { continue };
        let start = text.len() - after.len();
        if let Some((data, end, is_cut)) = data(after, lines, encoding) {
            rest = after.get(end..).unwrap_or_default();
            found.push(UuencodedFile {
                name,
                whole: at..start + end,
                data: start..start + data,
                encoding,
                is_cut,
            });
        }
    }
    found
}

/// `begin 644 fax0815.pdf`.
fn begin(line: &[u8]) -> Option<(String, TransferEncoding)> {
    let (encoding, rest) = if let Some(rest) = line.strip_prefix(b"begin ") {
        (TransferEncoding::Uuencode, rest)
    } else {
        (TransferEncoding::Base64, line.strip_prefix(b"begin-base64 ")?)
    };
    let rest = rest.trim_ascii_start();
    let mode = rest.iter().take_while(|b| (b'0'..=b'7').contains(*b)).count();
    let name = rest.get(mode..)?;
    if !(3..=4).contains(&mode) || !name.starts_with(b" ") {
        return None;
    }
    let (name, _) = super::charset::text(name.trim_ascii(), None, false);
    (!name.is_empty()).then_some((name, encoding))
}

/// How long the data is, how long it is with its end, and whether that is missing; nothing when
/// there is no data.
fn data(text: &[u8], lines: LineEnds, encoding: TransferEncoding) -> Option<(usize, usize, bool)> {
    let mut rest = text;
    let mut data = 0;
    let mut has_data = false;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let (line, after) = lines.next(rest);
        let next = text.len() - after.len();
        let is_last = match encoding {
            TransferEncoding::Base64 => line.starts_with(b"===="),
            _ => line == b"end",
        };
        if is_last {
            return has_data.then_some((data, next, false));
        }
        let is_end = matches!(line, b"" | b"`" | b" ");
        let is_data = match encoding {
            TransferEncoding::Base64 => {
                line.len().is_multiple_of(4) && are_digits(line) && !line.is_empty()
            }
            _ => count(line).is_some(),
        };
        if is_data {
            has_data = true;
            data = next;
        } else if !is_end {
            return has_data.then_some((data, at, true));
        }
        rest = after;
    }
    has_data.then_some((data, text.len(), true))
}

fn are_digits(line: &[u8]) -> bool {
    line.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// How many bytes a line has, if it has as many characters as they need. Blanks at its end may have
/// been lost on the way, and one or two extra characters may be a checksum.
fn count(line: &[u8]) -> Option<usize> {
    let (first, digits) = line.split_first()?;
    if !(b'!'..=b'`').contains(first) || *first == b'`' {
        return None;
    }
    let count = usize::from(first - b' ');
    let needed = count.div_ceil(3) * 4;
    let trimmed = digits.trim_ascii_end().len();
    let is_digit = |b: &u8| (b' '..=b'`').contains(b);
    let fits = trimmed <= needed + 2 && (digits.len() >= needed || trimmed * 2 >= needed);
    (fits && digits.iter().take(needed).all(is_digit)).then_some(count)
}

/// The bytes of lines of data.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    // The same for a piece as for the whole.
    let lines = LineEnds::ANY;
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = lines.next(rest);
        rest = after;
        let Some(count) = count(line) else { continue };
        let digit = |at: usize| line.get(at).map_or(0, |b| b.wrapping_sub(b' ') & 63);
        let groups = (0..count.div_ceil(3)).flat_map(|group| {
            let [a, b, c, d] = [1, 2, 3, 4].map(|place| digit(group * 4 + place));
            [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]
        });
        bytes.extend(groups.take(count));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAX: &str = "begin 644 fax.pdf\nM)5!$1BTQ+C0*,2 P(&]B:CP\\+U1Y<&4O0V%T86QO9SX^96YD;V)J\"G1R86EL\n897(\\/\"]2;V]T(#$@,\"!2/CX*)25%3T8*\n`\nend\n";

    fn files(text: &str) -> Vec<(String, String, bool)> {
        let read = |block: &UuencodedFile| {
            let data = &text.as_bytes()[block.data.clone()];
            let (bytes, _) = super::super::decode::transfer(data, block.encoding);
            (block.name.clone(), String::from_utf8_lossy(&bytes).into_owned(), block.is_cut)
        };
        blocks(text.as_bytes()).iter().map(read).collect()
    }

    fn rest(text: &str) -> String {
        let mut out = text.to_owned();
        for block in blocks(text.as_bytes()).iter().rev() {
            out.replace_range(block.whole.clone(), "");
        }
        out
    }

    const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

    /// B12: the file is taken out, and all words around it stay.
    #[test]
    fn b12_files_are_found_in_a_text() {
        let text = format!("Fax anbei\n\n{FAX}Gruß\n{FAX}");
        let fax = ("fax.pdf".to_owned(), PDF.to_owned(), false);
        assert_eq!(files(&text), [fax.clone(), fax]);
        assert_eq!(rest(&text), "Fax anbei\n\nGruß\n");
        let crlf = FAX.replace('\n', "\r\n");
        assert_eq!(files(&crlf)[0].1, PDF);
        // Blanks lost at the ends of lines, a blank for the backquote, none at all.
        assert_eq!(files(&FAX.replace("`\n", " \n"))[0].1, PDF);
        assert_eq!(files(&FAX.replace("`\n", ""))[0].1, PDF);
        assert_eq!(files("begin 600 Mein Brief.txt\n#86)C\n`\nend\n")[0].0, "Mein Brief.txt");
        assert_eq!(files("begin-base64 644 a.txt\nSGFs\nbG8=\n====\n")[0].1, "Hallo");
    }

    #[test]
    fn b12_what_is_cut_or_none_leaves_its_words() {
        let cut = FAX.replace("`\nend\n", "");
        assert_eq!(files(&cut), [("fax.pdf".to_owned(), PDF.to_owned(), true)]);
        let ended = FAX.replace("`\nend\n", "Kalium 6,8 mmol/l, sofort anrufen!\n");
        assert_eq!(rest(&ended), "Kalium 6,8 mmol/l, sofort anrufen!\n");
        for text in [
            "begin 644 x\nWir beginnen heute mit der Therapie.\nend\n",
            "begin with 644 words\n",
            "begin 644 x\n",
            "begin 999 x\n#86)C\nend\n",
            "begin\nend\n",
        ] {
            assert_eq!((files(text), rest(text).as_str()), (vec![], text));
        }
    }
}
