//! Character sets, read leniently: what a text says of itself is a claim.

use mail_parser::decoders::charsets::map::charset_decoder;
use oem_cp::code_table::DECODING_TABLE_CP_MAP;

/// The way bytes become a text.
type Decode = fn(&[u8]) -> String;

/// The meaning of a name.
#[derive(Clone, Copy)]
enum Charset {
    Undeclared,
    Ascii,
    Utf8,
    Utf16(Decode),
    /// One byte is one character.
    SingleByte(Decode),
    /// The same, by the number of a DOS code page.
    Dos(u16),
    /// Several bytes may be one character, and some of them look like UTF-8.
    MultiByte(Decode),
    Unknown,
}

/// The text of `bytes` in `charset`, and whether the bytes did not match that claim.
///
/// `prefix`: the bytes are the beginning of something longer and may end within a character.
pub(super) fn text(bytes: &[u8], charset: Option<&str>, prefix: bool) -> (String, bool) {
    let claimed = Charset::named(charset.unwrap_or_default());
    if let Some(text) = marked(bytes, claimed) {
        return text;
    }
    let utf8 = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if prefix && error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    let is_ascii = bytes.is_ascii();
    let decoded = |text: String| {
        let is_lost = text.contains(char::REPLACEMENT_CHARACTER);
        (text, is_lost)
    };
    match (claimed, utf8) {
        (Charset::Undeclared, _) if is_bare_utf16(bytes) => (bare_utf16(bytes), true),
        (Charset::Undeclared | Charset::Utf8, Some(text)) => (text.to_owned(), false),
        (Charset::Ascii, Some(text)) => (text.to_owned(), !is_ascii),
        // Not what it claims: in Germany most likely the Windows set.
        (Charset::Undeclared | Charset::Ascii | Charset::Utf8, None) => (windows_1252(bytes), true),
        // `Ã¤` is hardly ever meant: UTF-8 that claims to be Latin.
        (Charset::SingleByte(_) | Charset::Dos(_), Some(text)) if !is_ascii => {
            (text.to_owned(), true)
        }
        // Text of Latin letters in UTF-16 has zeros, and none of them is lost by a look at it.
        (Charset::Utf16(_), Some(text)) if !bytes.contains(&0) => {
            (text.to_owned(), !text.is_empty())
        }
        (Charset::Utf16(_), _) if is_bare_utf16(bytes) => (bare_utf16(bytes), false),
        (Charset::SingleByte(decode) | Charset::MultiByte(decode) | Charset::Utf16(decode), _) => {
            decoded(decode(bytes))
        }
        (Charset::Dos(page), _) => decoded(dos(bytes, page)),
        (Charset::Unknown, utf8) => {
            (utf8.map_or_else(|| windows_1252(bytes), str::to_owned), !bytes.is_empty())
        }
    }
}

/// Whether a character set of this name is known.
pub(super) fn is_known(name: &str) -> bool {
    !matches!(Charset::named(name), Charset::Undeclared | Charset::Unknown)
}

/// Every byte has a meaning here, so this cannot fail.
pub(super) fn windows_1252(bytes: &[u8]) -> String {
    match charset_decoder(b"windows-1252") {
        Some(decode) => decode(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A byte order mark decides what a text is, whatever its name says.
fn marked(bytes: &[u8], claimed: Charset) -> Option<(String, bool)> {
    let is_utf16 = matches!(claimed, Charset::Utf16(_) | Charset::Undeclared);
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        let is_utf8 = matches!(claimed, Charset::Utf8 | Charset::Undeclared);
        return std::str::from_utf8(rest).ok().map(|text| (text.to_owned(), !is_utf8));
    }
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let text = utf16(bytes.get(2..).unwrap_or_default(), unit);
    let is_lost = text.contains(char::REPLACEMENT_CHARACTER);
    // `ÿþ` is no beginning of a text, and a text of Latin letters has zeros.
    (is_utf16 || bytes.contains(&0)).then_some((text, is_lost || !is_utf16))
}

/// Whether every second byte of a text is zero, as in UTF-16 without its mark.
fn is_bare_utf16(bytes: &[u8]) -> bool {
    let (even, odd) = zeros(bytes);
    let pairs = bytes.len() / 2;
    pairs > 1 && (even.max(odd) * 10 >= pairs * 7) && even.min(odd) * 10 < pairs
}

fn bare_utf16(bytes: &[u8]) -> String {
    let (even, odd) = zeros(bytes);
    utf16(bytes, if even > odd { u16::from_be_bytes } else { u16::from_le_bytes })
}

fn zeros(bytes: &[u8]) -> (usize, usize) {
    let pairs = bytes.as_chunks::<2>().0;
    (
        pairs.iter().filter(|[even, _]| *even == 0).count(),
        pairs.iter().filter(|[_, odd]| *odd == 0).count(),
    )
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn dos(bytes: &[u8], page: u16) -> String {
    match DECODING_TABLE_CP_MAP.get(&page) {
        Some(table) => table.decode_string_lossy(bytes),
        None => windows_1252(bytes),
    }
}

impl Charset {
    /// Names are read by their letters and digits: `windows1252`, `CP-1252` and `x-cp1252` are one.
    fn named(name: &str) -> Self {
        // What follows is a language (RFC 2231 §5), another parameter, or a second guess.
        let end = |c: char| c.is_whitespace() || matches!(c, '*' | ';' | ',');
        let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let name = name.split(end).next().unwrap_or_default().to_ascii_lowercase();
        let key: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match key.as_str() {
            "" => return Self::Undeclared,
            "ascii" | "usascii" | "iso646us" | "ansix341968" | "cp20127" | "7bit" => {
                return Self::Ascii;
            }
            "cp65001" | "unicode11utf8" => return Self::Utf8,
            "unicode11utf7" => return Self::of("utf_7", Self::MultiByte),
            "ansi" | "win" | "windows" | "western" | "westerneuropean" => {
                return Self::of("windows_1252", Self::SingleByte);
            }
            "macroman" | "applemacintosh" | "xmacgerman" | "xmac" | "cp10000" => {
                return Self::of("macintosh", Self::SingleByte);
            }
            // The library knows the names and not the sets.
            "iso2022kr" | "iso2022cn" | "iso2022cnext" | "hzgb2312" | "csiso2022kr"
            | "replacement" | "xuserdefined" => return Self::Unknown,
            key if key.starts_with("utf8") => return Self::Utf8,
            key if ["utf16", "ucs2", "unicode", "iso10646ucs2", "csunicode", "csutf16"]
                .iter()
                .any(|start| key.starts_with(start)) =>
            {
                let known = charset_decoder(name.as_bytes()).or_else(|| charset_decoder(b"utf_16"));
                return known.map_or(Self::Unknown, Self::Utf16);
            }
            _ => {}
        }
        Self::numbered(&key).unwrap_or_else(|| match charset_decoder(name.as_bytes()) {
            Some(decode) if is_multi_byte(&key) => Self::MultiByte(decode),
            Some(decode) => Self::SingleByte(decode),
            None => Self::Unknown,
        })
    }

    /// Code pages and parts of ISO 8859, by their number.
    fn numbered(key: &str) -> Option<Self> {
        let letters = key.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = key.get(letters.len()..).unwrap_or_default();
        if let Some(part) = ["iso8859", "8859", "iso8559", "iso8895", "isolatin", "latin"]
            .iter()
            .find_map(|start| key.strip_prefix(start))
            .filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        {
            let name = match (key.contains("latin"), part) {
                (true, "0") => "iso_8859_15".to_owned(),
                (true, part) => format!("l{part}"),
                (false, part) => format!("iso_8859_{part}"),
            };
            return charset_decoder(name.as_bytes()).map(Self::SingleByte);
        }
        let is_page = matches!(
            letters,
            "" | "cp"
                | "xcp"
                | "ibm"
                | "cspc"
                | "cspc8codepage"
                | "cp0"
                | "ibm0"
                | "dos"
                | "ms"
                | "windows"
                | "win"
                | "xwindows"
                | "mswindows"
                | "mswin"
                | "wincp"
                | "winansi"
                | "ansi"
                | "codepage"
        );
        let page: u16 = digits.parse().ok().filter(|_| is_page)?;
        match page {
            1250..=1258 | 874 => Some(Self::of(&format!("windows_{page}"), Self::SingleByte)),
            819 | 28591 => Some(Self::of("iso_8859_1", Self::SingleByte)),
            28592..=28606 => {
                Some(Self::of(&format!("iso_8859_{}", page - 28590), Self::SingleByte))
            }
            page if DECODING_TABLE_CP_MAP.contains_key(&page) => Some(Self::Dos(page)),
            _ => None,
        }
    }

    fn of(name: &str, kind: fn(Decode) -> Self) -> Self {
        charset_decoder(name.as_bytes()).map_or(Self::Unknown, kind)
    }
}

fn is_multi_byte(key: &str) -> bool {
    [
        "gb", "big5", "jis", "euc", "2022", "utf", "ucs", "936", "932", "950", "949", "korean",
        "ksc", "chinese", "kanji", "31j", "japanese",
    ]
    .iter()
    .any(|piece| key.contains(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], charset: Option<&str>, expected: &str, lied: bool) {
        assert_eq!(text(bytes, charset, false), (expected.to_owned(), lied), "{charset:?}");
    }

    #[test]
    fn character_sets_are_read_also_when_they_lie() {
        check("grün".as_bytes(), Some("UTF-8"), "grün", false);
        check("grün".as_bytes(), None, "grün", false);
        check(b"gr\xFCn \x80", Some("iso-8859-1"), "grün €", false);
        check(b"gr\xFCn \xA4", Some("ISO-8859-15"), "grün €", false);
        check(b"gr\xFCn \x80", Some("windows-1252"), "grün €", false);
        check(b"gr\xFCn", Some("utf-8"), "grün", true);
        check(b"gr\xFCn", Some("us-ascii"), "grün", true);
        check("grün".as_bytes(), Some("iso-8859-1"), "grün", true);
        check(b"gr\xFCn", Some("x-unknown"), "grün", true);
        check("grün".as_bytes(), Some("x-unknown"), "grün", true);
        check("grün".as_bytes(), Some("cp850"), "grün", true);
    }

    /// B20, and the sets of other old systems.
    #[test]
    fn b20_sets_of_dos_and_mac_are_known_by_all_their_names() {
        for name in ["cp437", "IBM437", "437", "CP-437", "cspc8codepage437", "x-cp437", "dos-437"] {
            check(b"M\x81ller \xE1", Some(name), "Müller ß", false);
        }
        for name in ["cp850", "ibm850", "IBM00858", "cp858"] {
            check(b"M\x81ller \xE1", Some(name), "Müller ß", false);
        }
        check(b"\x92\x86", Some("cp865"), "Æå", false);
        check(b"\x81\xA3", Some("cp852"), "üú", false);
        for name in ["macintosh", "x-mac-roman", "MacRoman", "mac"] {
            check(b"M\x9Fller", Some(name), "Müller", false);
        }
        check(b"\xB5\xF6", Some("latin2"), "ľö", false);
        check(b"\xA4", Some("latin-9"), "€", false);
    }

    /// B63: a misspelt name of a known set is no reason for a hint.
    #[test]
    fn b63_misspelt_names_are_understood() {
        for name in [
            "windows1252",
            "windows-1252;",
            "\"Windows-1252\"",
            "cp-1252",
            "CP1252",
            "win-1252",
            "x-ansi-1252",
            "iso8859-1",
            "iso_8859-1",
            "ISO8859_1",
            "8859-1",
            "iso-8559-1",
            "latin-1",
            "ansi",
            "iso-8859-1*de",
        ] {
            let (read, lied) = text(b"gr\xFCn", Some(name), false);
            assert_eq!((read.as_str(), lied), ("grün", name.starts_with("x-ansi")), "{name}");
        }
        for name in ["utf8", "UTF_8", "utf8mb4", "'utf-8'", "utf-8 "] {
            check("grün".as_bytes(), Some(name), "grün", false);
        }
    }

    #[test]
    fn b20_a_wrong_or_a_missing_name_is_seen() {
        let le: Vec<u8> = "grün".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = "grün".encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(&le, None, "grün", true);
        check(&be, None, "grün", true);
        check(&le, Some("utf-16le"), "grün", false);
        check(&be, Some("utf-16be"), "grün", false);
        check(&[b"\xFF\xFE", le.as_slice()].concat(), Some("utf-8"), "grün", true);
        check(&[b"\xFF\xFE", le.as_slice()].concat(), Some("utf-16"), "grün", false);
        check(&[b"\xEF\xBB\xBF", "grün".as_bytes()].concat(), None, "grün", false);
        check(&[b"\xEF\xBB\xBF", "grün".as_bytes()].concat(), Some("cp1252"), "grün", true);
        check("grün".as_bytes(), Some("utf-16"), "grün", true);
        // What the library would read as nothing but replacement characters.
        check(b"Text", Some("iso-2022-kr"), "Text", true);
    }

    #[test]
    fn a_text_that_was_cut_within_a_character_is_no_lie() {
        assert_eq!(text(&"ü".as_bytes()[..1], Some("utf-8"), true), (String::new(), false));
    }
}
