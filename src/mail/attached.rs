//! What precedes a file in a mail: its type, and its name in every form that mail readers know.

use unicode_normalization::UnicodeNormalization as _;

use super::{file_name, words::encoded_words};
use crate::model::DispatchFile;

/// Longest piece of a name in RFC 2231 form, so that no line is over 78 characters.
const PIECE_BYTES_MAX: usize = 54;

/// Header and empty line of the part that carries a file. Always base64: text files would otherwise
/// have their line ends rewritten.
///
/// A name that is not plain ASCII is given in three forms. Outlook shows nothing for RFC 2231 alone
/// ("Untitled attachment"). So encoded words come beside it, which all old programs read although
/// RFC 2047 §5 forbids them within quotes, and a plain name without umlauts. The RFC 2231 form
/// comes before the plain one: some readers take the first.
pub(super) fn head(index: usize, file: &DispatchFile) -> String {
    let media_type = media_type(&file.media_type);
    let fallback = file_name::numbered(index + 1, &media_type);
    let name = file_name::clean(&file.file_name, &fallback);
    let name = file_name::with_ending(&name, &media_type);
    let is_plain = name.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !looks_encoded(&name);
    let (in_type, in_disposition) = if is_plain {
        (format!("name=\"{name}\""), format!("filename=\"{name}\""))
    } else {
        let words = encoded_words(&name);
        let extended = extended("filename", &name);
        (format!("name=\"{words}\""), format!("{extended};\r\n filename=\"{}\"", ascii(&name)))
    };
    format!(
        "Content-Type: {media_type};\r\n {in_type}\r\n\
         Content-Disposition: attachment;\r\n {in_disposition}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
}

/// Whether a reader may take a plain name for encoded words, or for the RFC 2231 form that has lost
/// its star.
fn looks_encoded(name: &str) -> bool {
    let has_escape = name.as_bytes().windows(3).any(
        |bytes| matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    );
    name.contains("=?") || name.contains('%') && name.contains('\'') || has_escape
}

/// A parameter in the form of RFC 2231, in pieces where it is long.
fn extended(parameter: &str, value: &str) -> String {
    let mut pieces = vec![String::new()];
    for c in value.chars() {
        let mut bytes = [0; 4];
        let mut written = String::new();
        for byte in c.encode_utf8(&mut bytes).bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                written.push(char::from(byte));
            } else {
                written.push_str(&format!("%{byte:02X}"));
            }
        }
        match pieces.last_mut() {
            // Never within a character: not every reader joins the pieces before it decodes them.
            Some(piece) if piece.len() + written.len() <= PIECE_BYTES_MAX => {
                piece.push_str(&written)
            }
            _ => pieces.push(written),
        }
    }
    match pieces.as_slice() {
        [only] => format!("{parameter}*=utf-8''{only}"),
        _ => {
            let numbered = pieces.iter().enumerate().map(|(number, piece)| {
                let charset = if number == 0 { "utf-8''" } else { "" };
                format!("{parameter}*{number}*={charset}{piece}")
            });
            numbered.collect::<Vec<_>>().join(";\r\n ")
        }
    }
}

/// The name in plain ASCII, as a person without umlauts would spell it.
fn ascii(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        match c {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            '–' | '—' | '‑' => plain.push('-'),
            ' '..='~' => plain.push(c),
            other => {
                let base: String = other.nfkd().filter(char::is_ascii_alphanumeric).collect();
                plain.push_str(if base.is_empty() { "_" } else { &base });
            }
        }
    }
    // No reader shall take it for an encoded word, and nothing may end the quotes.
    plain.replace("=?", "=_").replace(['"', '\\'], "_")
}

/// The file's type, if it is a legal one that may be in base64, in lower case and without
/// parameters. `message/…` and `multipart/…` may not (RFC 2046 §5), and `x-kas` is the Clientmodul's
/// own (KIM-25).
fn media_type(claimed: &str) -> String {
    let is_token = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        (1..=64).contains(&text.len()) && text.chars().all(legal)
    };
    let bare = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match bare.split_once('/') {
        Some((kind, subtype))
            if is_token(kind) && is_token(subtype) && !["message", "multipart"].contains(&kind) =>
        {
            bare
        }
        _ => "application/octet-stream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, media_type: &str) -> String {
        let (file_name, media_type) = (name.to_owned(), media_type.to_owned());
        head(0, &DispatchFile { file_name, media_type, bytes: 1 })
    }

    #[test]
    fn b57_a_plain_name_is_written_plainly() {
        assert_eq!(
            of("Befund 5%.pdf", "application/pdf"),
            "Content-Type: application/pdf;\r\n name=\"Befund 5%.pdf\"\r\n\
             Content-Disposition: attachment;\r\n filename=\"Befund 5%.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        // It had quotes.
        assert!(of("Brief \"neu\".pdf", "application/pdf").contains("name=\"Brief _neu_.pdf\""));
    }

    #[test]
    fn b57_other_names_stand_there_for_old_and_new_readers() {
        assert_eq!(
            of("Überweisung ½ é.pdf", "application/pdf"),
            "Content-Type: application/pdf;\r\n\
             \u{20}name=\"=?utf-8?B?w5xiZXJ3ZWlzdW5nIMK9IMOpLnBkZg==?=\"\r\n\
             Content-Disposition: attachment;\r\n\
             \u{20}filename*=utf-8''%C3%9Cberweisung%20%C2%BD%20%C3%A9.pdf;\r\n\
             \u{20}filename=\"Ueberweisung 12 e.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        // A name that looks like an encoded word is sent as what it is.
        let head = of("=?utf-8?q?x?=.pdf", "application/pdf");
        assert!(head.contains("filename=\"=_utf-8_q_x_=.pdf\""), "{head}");
    }

    #[test]
    fn b58_a_long_name_is_folded_in_whole_characters() {
        let head = of(&format!("{}.pdf", "ö🩺".repeat(200)), "application/pdf");
        assert!(head.contains("filename*0*=utf-8''%C3%B6%F0%9F%A9%BA"), "{head}");
        assert!(head.lines().all(|line| line.len() <= 300), "{head}");
        for piece in head.lines().filter(|line| line.contains("filename*")) {
            let bytes = piece.split('=').next_back().unwrap().trim_end_matches(';');
            let bytes = bytes.trim_start_matches("utf-8''").split('%').skip(1);
            let read: Result<Vec<u8>, _> =
                bytes.map(|byte| u8::from_str_radix(byte.get(..2).unwrap(), 16)).collect();
            assert!(String::from_utf8(read.unwrap()).is_ok(), "{piece}");
        }
    }

    #[test]
    fn b47_a_file_without_an_ending_gets_that_of_its_type() {
        for (name, media_type, expected) in [
            ("Voice message", "audio/ogg", "Voice message.ogg"),
            ("Sprachnachricht", "audio/mp4", "Sprachnachricht.m4a"),
            ("Sprachnachricht", "Audio/OGG; codecs=opus", "Sprachnachricht.ogg"),
            ("", "audio/ogg", "attachment-1.ogg"),
        ] {
            let head = of(name, media_type);
            assert!(head.contains(&format!("filename=\"{expected}\"")), "{head}");
        }
    }

    #[test]
    fn kim_25_a_type_that_may_not_be_in_base64_is_none() {
        for (claimed, expected) in [
            ("application/pdf", "application/pdf"),
            ("Text/CSV; charset=utf-8", "text/csv"),
            ("message/rfc822", "application/octet-stream"),
            ("Multipart/mixed", "application/octet-stream"),
            ("application/pdf\r\nX: y", "application/octet-stream"),
            ("pdf", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(media_type(claimed), expected, "{claimed:?}");
        }
    }
}
