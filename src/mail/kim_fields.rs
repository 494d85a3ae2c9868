//! Fields of KIM that nobody knows: shown, and not interpreted (KIM-19).

use super::{
    header::{HeaderBlock, text},
    skeleton::Skeleton,
};
use crate::model::KimFields;

/// What all fields of KIM begin with.
const PREFIX: &str = "X-KIM-";

/// The fields that are known (gemSpec_CM_KOMLE, gemSMIME_KOMLE): each is read elsewhere, or says of
/// systems what no reader of a letter needs. `X-KIM-Auth` is a token for machines of a thousand characters
/// and more, and decides nothing. `!original` has all of them.
const KNOWN: [&str; 15] = [
    "Dienstkennung",
    "Sendersystem",
    "Support",
    "Middleware",
    "Ursprungssystem",
    "Fehlercode",
    "CMVersion",
    "PTVersion",
    "KONVersion",
    "KAS-Size",
    "KAS-EncSize",
    "Auth",
    "DecryptionResult",
    "IntegrityCheckResult",
    "Fehlermeldung",
];

/// How many unknown fields are shown.
const SHOWN_MAX: usize = 5;

/// Characters of a name and of a value that are shown.
const NAME_CHARS_MAX: usize = 40;
const VALUE_CHARS_MAX: usize = 80;

/// Reads the unknown fields of a mail's head, in their order, each value made safe to show.
pub fn unknown_kim_fields(mail: &Skeleton<'_>) -> KimFields {
    let (block, _) = HeaderBlock::split(mail.bytes());
    let unknown = block.with_prefix(PREFIX).filter(|(name, _)| {
        let own = name.get(PREFIX.len()..).unwrap_or_default();
        !KNOWN.iter().any(|known| own.eq_ignore_ascii_case(known.as_bytes()))
    });
    let mut found = KimFields::default();
    for (name, value) in unknown {
        if found.shown.len() == SHOWN_MAX {
            found.more += 1;
            continue;
        }
        let name = shown(&String::from_utf8_lossy(name), NAME_CHARS_MAX);
        found.shown.push((name, shown(&text(value, VALUE_CHARS_MAX).text, VALUE_CHARS_MAX)));
    }
    found
}

/// Letters, digits, blanks and the signs of ASCII. Nothing else: no mark that turns the line around, and
/// nothing invisible.
fn shown(text: &str, chars_max: usize) -> String {
    // The last one says that there is more.
    let is_safe = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || c == '…';
    let safe = |c: char| if is_safe(c) { c } else { ' ' };
    let line: String = text.chars().take(chars_max).map(safe).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &str) -> Vec<String> {
        let mail = format!("From: a@x.kim.telematik\r\n{head}\r\n\r\nX-KIM-Body: no\r\n");
        let found = unknown_kim_fields(&Skeleton::whole(mail.as_bytes()));
        let more = (found.more > 0).then(|| format!("{} more", found.more));
        let shown = found.shown.into_iter().map(|(name, value)| format!("{name}={value}"));
        shown.chain(more).collect()
    }

    #[test]
    fn kim_19_unknown_fields_are_shown_and_known_ones_are_not() {
        for (head, expected) in [
            ("X-KIM-Neu: Wert", &["X-KIM-Neu=Wert"][..]),
            ("x-kim-neu:Wert\r\nX-KIM-Neu: zwei", &["x-kim-neu=Wert", "X-KIM-Neu=zwei"]),
            ("X-KIM-Neu:\r\n gefaltet", &["X-KIM-Neu=gefaltet"]),
            ("X-KIM-Neu:", &["X-KIM-Neu="]),
            ("X-KIM-Neu: =?utf-8?q?Gr=C3=B6=C3=9Fe?=", &["X-KIM-Neu=Größe"]),
            ("X-KIM-Dienstkennung: a;b;c\r\nx-kim-auth: eyJ0", &[]),
            ("X-KIM-IntegrityCheckResult: 01\r\nX-KIM-KONVersion: <a>", &[]),
            ("X-Other: 1\r\nX-KIMA: 2", &[]),
        ] {
            assert_eq!(fields(head), expected, "{head}");
        }
    }

    #[test]
    fn kim_19_what_is_shown_is_bounded_and_safe() {
        let many: Vec<String> = (0..100).map(|n| format!("X-KIM-N{n}: {n}")).collect();
        let found = fields(&many.join("\r\n"));
        assert_eq!((found.len(), found.last().unwrap().as_str()), (SHOWN_MAX + 1, "95 more"));
        let long = fields(&format!("X-KIM-{}: {}", "n".repeat(500), "v".repeat(5_000)));
        assert_eq!(long, [format!("X-KIM-{}={}…", "n".repeat(34), "v".repeat(79))]);
        let marks = fields("X-KIM-Neu: a\u{202e}b\u{200b}c\x07d <b> @all");
        assert_eq!(marks, ["X-KIM-Neu=a bc d <b> @all"]);
    }
}
