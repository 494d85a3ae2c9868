//! Names that senders give themselves.

/// Longest name that is shown, in characters.
const CHARS_MAX: usize = 60;

/// How many blanks in a row a name may have; more push what follows out of sight.
const BLANKS_MAX: usize = 2;

/// The name as it may precede the real address, if it may.
///
/// A name that looks like an address passes for another sender, and one with invisible characters
/// hides what it says. Such names are left out wholly: the address alone deceives nobody.
pub fn shown(name: &str) -> Option<String> {
    let name = name.trim();
    let blank = " ".repeat(BLANKS_MAX + 1);
    let deceives = name.is_empty()
        || name.chars().any(|c| is_at(c) || is_unseen(c) || matches!(c, '<' | '>'))
        || name.contains(&blank)
        || name.split_whitespace().any(is_domain);
    (!deceives).then(|| name.chars().take(CHARS_MAX).collect())
}

/// How many digits a name beside a number may have: with more it could pass for another number.
const DIGITS_MAX: usize = 4;

/// The name as it may precede a fax number, if it may: as [`shown`], and without what could be a number
/// itself.
pub fn of_number(name: &str) -> Option<String> {
    shown(name).filter(|name| name.chars().filter(|c| c.is_numeric()).count() <= DIGITS_MAX)
}

/// `@` and what looks like it.
fn is_at(c: char) -> bool {
    matches!(c, '@' | '\u{FF20}' | '\u{FE6B}' | 'ⓐ' | 'Ⓐ' | '\u{E0040}')
}

/// What looks like a full stop.
fn is_dot(c: char) -> bool {
    matches!(
        c,
        '.' | '\u{2024}'
            | '\u{3002}'
            | '\u{FE52}'
            | '\u{FF0E}'
            | '\u{FF61}'
            | '\u{6D4}'
            | '\u{701}'
            | '\u{702}'
            | '\u{A4F8}'
            | '\u{A60E}'
            | '\u{10A50}'
    )
}

/// Blanks that are no white space, characters without a width, and marks of the writing direction.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFD}' | '\u{1D159}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A host name: labels with full stops between them that are no abbreviations ("Dr.med.").
fn is_domain(word: &str) -> bool {
    let word = word.trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | ',' | ';' | '"'));
    let labels: Vec<&str> = word.split(is_dot).collect();
    let last = labels.last().copied().unwrap_or_default().to_lowercase();
    let is_top =
        matches!(last.as_str(), "telematik" | "de" | "com" | "net" | "org" | "eu" | "info");
    let is_whole = labels.len() > 1 && !labels.contains(&"");
    (is_whole && (is_top || labels.len() > 3)) || word.to_lowercase().starts_with("www.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_shown() {
        for name in [
            "Dr. Jana Weiß",
            "Dr.med.Meyer",
            "Praxis Dr. Müller & Söhne (Innere)",
            "MVZ am Markt, Station 4b",
            "Đặng, Nguyễn",
            "Müller-Lüdenscheidt, Prof. h.c.",
        ] {
            assert_eq!(shown(name).as_deref(), Some(name));
        }
        assert_eq!(shown(&"ä".repeat(99)).unwrap().chars().count(), CHARS_MAX);
    }

    /// The name precedes the address; one that looks like an address deceives.
    #[test]
    fn a_name_that_looks_like_an_address_is_left_out() {
        for name in [
            "",
            "chefarzt@uniklinik.kim.telematik",
            "chefarzt\u{FF20}uniklinik.kim.telematik",
            "chefarzt\u{FE6B}uniklinik.kim.telematik",
            "chefarzt at uniklinik.kim.telematik",
            "Uniklinik (uniklinik\u{FF0E}kim\u{2024}telematik)",
            "uniklinik\u{3002}de",
            "<chefarzt>",
            "Uniklinik\u{200B} (KIM)",
            "Uniklinik\u{202E}MIK",
            "Uniklinik\u{FFFD}MIK",
            "Uniklinik     (KIM)",
            "Uniklinik\u{A0}\u{A0}(KIM)",
            &format!("Uniklinik (KIM){}x", "\u{2800}".repeat(40)),
            &format!("Uniklinik (KIM){}x", "\u{3164}".repeat(40)),
            &format!("Uniklinik (KIM){}x", "\u{FFA0}".repeat(40)),
        ] {
            assert_eq!(shown(name), None, "{name:?}");
        }
    }
}
