//! Names of files that came with a mail, or will leave with one.

use super::text::{one_line, turns};

/// Characters of a file name that are kept; file systems take 255 bytes, and `ä` has two.
const CHARS_MAX: usize = 120;

/// Longest extension, with its dot, that survives the cut.
const ENDING_CHARS_MAX: usize = 12;

/// One path segment without control characters, or `fallback` if nothing is left of `name`.
///
/// A name may try to leave its folder (`../../x`), or to look like another with characters that
/// turn the writing direction; the person who saves the file later does not check again.
pub(super) fn clean(name: &str, fallback: &str) -> String {
    let segment = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let straight: String = segment.chars().filter(|c| !turns(*c)).collect();
    let (line, _) = one_line(&straight, usize::MAX);
    let legal: String =
        line.chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let bare = legal.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if bare.is_empty() { fallback.to_owned() } else { shorten(bare) }
}

/// Whether a file of this name contains words for people, and not a table, a card or a program.
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
    let ending = endings(media_type).map(|(ending, _)| format!(".{ending}")).unwrap_or_default();
    format!("attachment-{number}{ending}")
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

/// The name, with an extension that fits its type: Windows opens nothing without one, and phones
/// name a voice message without one.
pub(super) fn with_ending(name: &str, media_type: &str) -> String {
    let Some((wanted, fits)) = endings(media_type) else { return name.to_owned() };
    let fits = match ending_of(name) {
        Some(ending) => ending == wanted || fits.contains(&ending.as_str()) || is_vague(media_type),
        None => false,
    };
    if fits {
        return name.to_owned();
    }
    let stem: String = name.chars().take(CHARS_MAX - 1 - wanted.len()).collect();
    format!("{}.{wanted}", stem.trim_end())
}

/// The extension of a name, in lower case; a number (`Befund 23.11`) and a word (`Dr. Muster`) are
/// not extensions.
fn ending_of(name: &str) -> Option<String> {
    let (stem, ending) = name.rsplit_once('.')?;
    let looks_like_one = (1..=8).contains(&ending.len())
        && ending.chars().all(|c| c.is_ascii_alphanumeric())
        && ending.chars().any(|c| c.is_ascii_alphabetic());
    (looks_like_one && !stem.is_empty()).then(|| ending.to_ascii_lowercase())
}

/// Types so general that any extension may be right: what is a zip inside is often a document.
fn is_vague(media_type: &str) -> bool {
    matches!(
        media_type,
        "text/plain" | "application/zip" | "application/xml" | "text/xml" | "application/json"
    )
}

/// The usual extension of a type, and others that fit it.
fn endings(media_type: &str) -> Option<(&'static str, &'static [&'static str])> {
    Some(match media_type {
        "application/dicom" => ("dcm", &["dicom"]),
        "application/json" => ("json", &[]),
        "application/msword" => ("doc", &["docx", "dot", "rtf"]),
        "application/ogg" => ("ogg", &["oga", "ogv", "ogx", "opus"]),
        "application/pdf" => ("pdf", &[]),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => ("p7m", &["p7s", "p7c", "p7z"]),
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => ("p7s", &["p7m"]),
        "application/rtf" | "text/rtf" => ("rtf", &["doc"]),
        "application/vnd.ms-excel" => ("xls", &["xlsx", "xlsm", "xlt", "csv"]),
        "application/vnd.ms-powerpoint" => ("ppt", &["pptx", "pps", "pot"]),
        "application/vnd.oasis.opendocument.spreadsheet" => ("ods", &["ots", "fods"]),
        "application/vnd.oasis.opendocument.text" => ("odt", &["ott", "fodt"]),
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => {
            ("pptx", &["ppsx", "potx"])
        }
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => {
            ("xlsx", &["xlsm", "xltx"])
        }
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => {
            ("docx", &["docm", "dotx"])
        }
        "application/xml" | "text/xml" => ("xml", &[]),
        "application/zip" | "application/x-zip-compressed" => ("zip", &[]),
        "audio/aac" => ("aac", &["m4a", "adts"]),
        "audio/amr" => ("amr", &["3ga"]),
        "audio/flac" | "audio/x-flac" => ("flac", &[]),
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" => ("m4a", &["mp4", "m4b", "aac"]),
        "audio/mpeg" | "audio/mp3" => ("mp3", &["mpga", "mp2"]),
        "audio/ogg" | "audio/opus" => ("ogg", &["oga", "opus", "spx"]),
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => ("wav", &["wave"]),
        "audio/webm" => ("webm", &["weba"]),
        "audio/3gpp" => ("3gp", &["3gpp", "3ga"]),
        "image/bmp" | "image/x-ms-bmp" => ("bmp", &["dib"]),
        "image/gif" => ("gif", &[]),
        "image/heic" => ("heic", &["heif", "hif"]),
        "image/heif" => ("heif", &["heic", "hif"]),
        "image/jpeg" | "image/jpg" => ("jpg", &["jpeg", "jpe", "jfif"]),
        "image/png" => ("png", &["apng"]),
        "image/svg+xml" => ("svg", &["svgz"]),
        "image/tiff" | "image/tiff-fx" => ("tif", &["tiff", "tfx"]),
        "image/webp" => ("webp", &[]),
        "message/rfc822" => ("eml", &["mht"]),
        "text/calendar" => ("ics", &["ical", "ifb", "vcs"]),
        "text/csv" => ("csv", &["txt", "tsv"]),
        "text/html" => ("html", &["htm", "xhtml", "shtml"]),
        "text/plain"
        | "text/rfc822-headers"
        | "message/delivery-status"
        | "message/disposition-notification" => ("txt", &[]),
        "text/vcard" | "text/x-vcard" => ("vcf", &["vcard"]),
        "video/3gpp" => ("3gp", &["3gpp"]),
        "video/mp4" => ("mp4", &["m4v", "mp4v"]),
        "video/mpeg" => ("mpg", &["mpeg", "mpe"]),
        "video/ogg" => ("ogv", &["ogg"]),
        "video/quicktime" => ("mov", &["qt"]),
        "video/webm" => ("webm", &[]),
        "video/x-msvideo" => ("avi", &[]),
        _ => return None,
    })
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
    fn b47_an_ending_is_added_where_none_fits() {
        for (name, media_type, expected) in [
            ("Voice message", "audio/ogg", "Voice message.ogg"),
            ("Befund.PDF", "application/pdf", "Befund.PDF"),
            ("Befund 23.11", "application/pdf", "Befund 23.11.pdf"),
            ("Brief an Dr. Müller", "application/pdf", "Brief an Dr. Müller.pdf"),
            ("IMG_1.HEIC", "image/jpeg", "IMG_1.HEIC.jpg"),
            ("foto.jpeg", "image/jpeg", "foto.jpeg"),
            ("Brief.docx", "application/zip", "Brief.docx"),
            ("Brief.docx", "application/msword", "Brief.docx"),
            ("werte.csv", "text/plain", "werte.csv"),
            ("werte", "text/plain", "werte.txt"),
            ("rechnung.exe", "application/pdf", "rechnung.exe.pdf"),
            ("x.bin", "application/octet-stream", "x.bin"),
            ("unbekannt", "application/x-unbekannt", "unbekannt"),
            (".pdf", "application/pdf", ".pdf.pdf"),
        ] {
            assert_eq!(with_ending(name, media_type), expected, "{name} {media_type}");
        }
        let long = with_ending(&"ö".repeat(CHARS_MAX), "audio/ogg");
        assert!(long.ends_with("ö.ogg") && long.chars().count() == CHARS_MAX, "{long}");
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = clean(&format!("{}.pdf", "ö".repeat(500)), "x");
        assert_eq!(name.chars().count(), CHARS_MAX);
        assert!(name.ends_with("ö.pdf"));
    }
}
