//! Names of files that came with a mail, or are to leave with one.

use super::text::{one_line, turns};

/// Characters of a file name that are kept; file systems take 255 bytes, and `ä` has two.
const CHARS_MAX: usize = 120;

/// Longest ending, with its dot, that survives the cut.
const ENDING_CHARS_MAX: usize = 12;

/// One path segment without control characters, or `fallback` when nothing is left of `name`.
///
/// A name may try to leave its folder (`../../x`), or to look like another with characters that
/// turn the writing direction; whoever saves the file later does not check again.
pub(super) fn clean(name: &str, fallback: &str) -> String {
    let segment = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let straight: String = segment.chars().filter(|c| !turns(*c)).collect();
    let (line, _) = one_line(&straight, usize::MAX);
    let legal: String =
        line.chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let bare = legal.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if bare.is_empty() { fallback.to_owned() } else { shorten(bare) }
}

/// Whether a file of this name holds words for people, and not a table, a card or a program.
pub(super) fn is_of_words(name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, ending)) => {
            let ending = ending.to_ascii_lowercase();
            matches!(
                ending.as_str(),
                "txt" | "text" | "htm" | "html" | "asc" | "md" | "msg" | "body"
            ) || ending.contains(' ')
        }
        None => true,
    }
}

/// The name of a part that has none: `attachment-2.pdf`.
pub(super) fn numbered(number: usize, media_type: &str) -> String {
    format!("attachment-{number}{}", ending(media_type))
}

fn shorten(name: &str) -> String {
    let count = name.chars().count();
    if count <= CHARS_MAX {
        return name.to_owned();
    }
    let ending = name
        .rfind('.')
        .and_then(|at| name.get(at..))
        .filter(|ending| ending.chars().count() <= ENDING_CHARS_MAX)
        .unwrap_or_default();
    let stem: String = name.chars().take(CHARS_MAX - ending.chars().count()).collect();
    format!("{}{ending}", stem.trim_end())
}

fn ending(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => ".pdf",
        "application/pkcs7-mime" => ".p7m",
        "application/pkcs7-signature" => ".p7s",
        "application/xml" | "text/xml" => ".xml",
        "application/zip" => ".zip",
        "image/gif" => ".gif",
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/tiff" | "image/tiff-fx" => ".tif",
        "message/rfc822" => ".eml",
        "text/calendar" => ".ics",
        "text/html" => ".html",
        "text/plain"
        | "text/rfc822-headers"
        | "message/delivery-status"
        | "message/disposition-notification" => ".txt",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder_and_shows_its_ending() {
        for (name, expected) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\Befund.pdf", "Befund.pdf"),
            ("rechnung\u{202E}fdp.exe", "rechnungfdp.exe"),
            ("a\r\nContent-Type: text/html", "html"),
            ("Müller & Söhne.pdf", "Müller & Söhne.pdf"),
            ("a\"b<c>.pdf", "a_b_c_.pdf"),
            ("...", "x.bin"),
            ("\0", "x.bin"),
            ("", "x.bin"),
        ] {
            assert_eq!(clean(name, "x.bin"), expected, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = clean(&format!("{}.pdf", "ö".repeat(500)), "x");
        assert_eq!(name.chars().count(), CHARS_MAX);
        assert!(name.ends_with("ö.pdf"));
    }
}
