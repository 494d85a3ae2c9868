//! What is left out of a `multipart/alternative`: other renderings of the same words, nothing else.

use std::hash::{DefaultHasher, Hash, Hasher};

/// How many alternatives each further one is compared with. More than two that say different things
/// are the sender's mistake, and then all of them are shown.
const COMPARED_MAX: usize = 8;

/// Longest `[cid:…]`, which replaces a picture in a text.
const PICTURE_CHARS_MAX: usize = 300;

/// A piece of the body, as text, and as HTML if it has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) text: String,
    /// Reduced to what may be shown.
    pub(super) html: Option<String>,
    /// It was written in HTML, even if that is too long to be shown.
    pub(super) is_html: bool,
    /// Words are struck out in it.
    pub(super) is_marked: bool,
}

/// What alternatives say, and whether two of them say different things.
///
/// Clients show the HTML of a message or its text, never both. So a text and an HTML become one
/// piece only when no word of the text is missing in the HTML, and the HTML puts none between them;
/// otherwise both are shown. A word counts with its place: "ASS weiter, Marcumar absetzen" is not
/// "Marcumar weiter, ASS absetzen". So does a sign: "Rh +" is not "Rh −".
pub(super) fn choose(alternatives: Vec<Vec<Unit>>) -> (Vec<Unit>, bool) {
    let alternatives: Vec<Alternative> =
        alternatives.into_iter().filter(|units| !units.is_empty()).map(Alternative::new).collect();
    let plain = alternatives.iter().position(Alternative::is_plain);
    let html = alternatives.iter().rposition(Alternative::is_one_html);
    let mut kept: Vec<usize> = Vec::new();
    let mut joined = None;
    if let (Some(plain), Some(html)) = (plain, html)
        && let (Some(text), Some(page)) = (alternatives.get(plain), alternatives.get(html))
        && text.is_within(page)
    {
        // The page says everything; where it says more, the text has to as well.
        kept.push(html);
        // The sender's own text, unless it does not tell what is struck out.
        if page.says_the_same(text) && !page.is_marked() {
            joined = Some((html, text.text()));
        }
    }
    // The richest comes last (RFC 2046 §5.1.4).
    for (place, alternative) in alternatives.iter().enumerate().rev() {
        let is_said = kept
            .iter()
            .take(COMPARED_MAX)
            .filter_map(|other| alternatives.get(*other))
            .any(|other| alternative.is_within(other));
        if !is_said {
            kept.push(place);
        }
    }
    kept.sort_unstable();
    // An alternative that was kept may be contained in a later one.
    let differ = kept.len() > 1;
    let mut chosen = Vec::new();
    for (place, alternative) in alternatives.into_iter().enumerate() {
        if !kept.contains(&place) {
            continue;
        }
        let mut units = alternative.units;
        if let (Some((joined, text)), [only]) = (&joined, units.as_mut_slice())
            && *joined == place
        {
            only.text.clone_from(text);
        }
        chosen.append(&mut units);
    }
    (chosen, differ)
}

#[derive(Debug)]
struct Alternative {
    units: Vec<Unit>,
    /// What it says, in its order.
    tokens: Vec<Token>,
}

impl Alternative {
    fn new(units: Vec<Unit>) -> Self {
        let mut tokens = Vec::new();
        for (line, text) in units.iter().flat_map(|unit| unit.text.lines()).enumerate() {
            push_line(text, line, &mut tokens);
        }
        Self { units, tokens }
    }

    fn is_plain(&self) -> bool {
        self.units.iter().all(|unit| !unit.is_html)
    }

    fn is_one_html(&self) -> bool {
        matches!(self.units.as_slice(), [only] if only.is_html)
    }

    fn is_marked(&self) -> bool {
        self.units.iter().any(|unit| unit.is_marked)
    }

    fn text(&self) -> String {
        self.units.iter().map(|unit| unit.text.as_str()).collect::<Vec<_>>().join("\n\n")
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let words = |one: &Self| one.tokens.iter().map(|token| token.word).collect::<Vec<_>>();
        words(self) == words(other)
    }

    /// Whether another alternative says all of it, and whether what it adds takes nothing back:
    /// separate lines, or words at the end of a line. A word put between two others (`nicht`)
    /// changes the sentence.
    fn is_within(&self, other: &Self) -> bool {
        self.says_the_same(other) || self.is_in_lines(other, false) || self.is_in_lines(other, true)
    }

    fn is_in_lines(&self, other: &Self, may_go_on: bool) -> bool {
        let mut wanted = self.tokens.as_slice();
        for line in other.tokens.chunk_by(|one, next| one.line == next.line) {
            let mut ahead = wanted;
            let mut surplus = None;
            for (at, token) in line.iter().enumerate() {
                match ahead.split_first() {
                    Some((first, rest)) if first.word == token.word => ahead = rest,
                    _ if token.weight == Weight::Aside => {}
                    _ => {
                        surplus = line.get(at..);
                        break;
                    }
                }
            }
            let is_more =
                |least: Weight| surplus.unwrap_or(line).iter().any(|token| token.weight >= least);
            let has_begun = ahead.len() < wanted.len();
            if surplus.is_none() {
                wanted = ahead;
            } else if has_begun && may_go_on {
                if is_more(Weight::Figure) {
                    return false;
                }
                wanted = ahead;
            } else if line.iter().any(|token| token.weight >= Weight::Turning) {
                return false;
            }
        }
        wanted.is_empty()
    }
}

/// A word, or a sign whose absence changes what words mean.
#[derive(Debug, Clone, Copy)]
struct Token {
    word: u64,
    line: usize,
    weight: Weight,
}

/// Its effect on its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It replaces a picture, a link's target or the place in a list.
    Aside,
    Word,
    /// A figure or sign, which belongs to what precedes it.
    Figure,
    /// It negates.
    Turning,
}

/// Beginnings of words that reverse a statement.
const TURNING: [&str; 12] = [
    "nicht",
    "kein",
    "niemals",
    "ohne",
    "weder",
    "abgesetzt",
    "absetz",
    "stop",
    "paus",
    "never",
    "without",
    "kontraindi",
];

const TURNING_ALONE: [&str; 8] = ["nein", "nie", "statt", "anstatt", "falsch", "no", "not", "none"];

impl Token {
    fn word(word: &str, line: usize) -> Self {
        let word = word.to_lowercase();
        let is_turning = TURNING.iter().any(|begin| word.starts_with(begin))
            || TURNING_ALONE.contains(&word.as_str());
        let weight = if is_turning {
            Weight::Turning
        } else if word.contains(char::is_numeric) {
            Weight::Figure
        } else {
            Weight::Word
        };
        Self { word: number(&word), line, weight }
    }

    fn sign(sign: char, line: usize) -> Self {
        Self { word: number(&sign), line, weight: Weight::Figure }
    }
}

fn number(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hash = DefaultHasher::new();
    of.hash(&mut hash);
    hash.finish()
}

/// What a line says: letters and digits in a row, without regard to case, and signs that mean
/// something. The way a text draws quotations, lists and rules does not count.
fn push_line(text: &str, line: usize, tokens: &mut Vec<Token>) {
    let text = text.trim_start_matches(['>', ' ', '\t']).trim_end();
    let is_rule = text.chars().count() > 1 && text.chars().all(|c| "-–—=_*~# ".contains(c));
    if is_rule {
        return;
    }
    let bullet = text.strip_prefix(['-', '–', '—', '*', '+', '•', '·', '‣', '◦', '▪']);
    let text = bullet.filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(text);
    let first = tokens.len();
    let mut before = None;
    let mut rest = text;
    let mut group: Option<(char, bool, usize)> = None;
    let mut in_angle = false;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("[cid:")
            && let Some((at, ']')) = rest
                .char_indices()
                .take(PICTURE_CHARS_MAX)
                .find(|(_, c)| *c == ']' || c.is_whitespace())
        {
            (rest, before) = (rest.get(at + 1..).unwrap_or_default(), Some(']'));
            continue;
        }
        if c.is_alphanumeric() {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let mut token = Token::word(word, line);
            let is_number = word.len() == 1 || word.chars().all(|c| c.is_ascii_digit());
            let is_label = is_number && tokens.len() == first && after.starts_with(". ");
            if is_label {
                token.weight = Weight::Aside;
            }
            tokens.push(token);
            (rest, before) = (after, word.chars().next_back());
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let next = rest.chars().next();
        let is_address =
            ["http://", "https://", "mailto:", "tel:"].iter().any(|start| rest.starts_with(start));
        match c {
            '(' if is_address => group = Some((')', true, tokens.len())),
            '[' => group = Some((']', false, tokens.len())),
            '<' if next.is_some_and(|c| c.is_alphabetic()) => in_angle = true,
            '>' if std::mem::take(&mut in_angle) => {}
            c if group.is_some_and(|(end, ..)| end == c) => {
                let (_, is_address, from) = group.take().unwrap_or_default();
                let inside = tokens.get_mut(from..).unwrap_or_default();
                let is_said = inside.iter().all(|token| token.weight <= Weight::Word)
                    && (inside.len() != 1 || inside.iter().all(|token| token.word != number("x")));
                if is_address || is_said {
                    inside.iter_mut().for_each(|token| token.weight = Weight::Aside);
                }
            }
            c => {
                let sign = sign(before, c, rest);
                tokens.extend(sign.map(|sign| Token::sign(sign, line)));
            }
        }
        before = Some(c);
    }
}

/// The meaning of a sign between `before` and `rest`, if it has one.
fn sign(before: Option<char>, sign: char, rest: &str) -> Option<char> {
    let next = rest.chars().next();
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let is_dash = |c: char| matches!(c, '-' | '−' | '‐' | '‑' | '–' | '—');
    match sign {
        '🖼' => None,
        // Some programs write two for a long one.
        c if is_dash(c) => {
            let joins = (is_letter(before) || is_digit(before)) && is_letter(next)
                || is_letter(before) && is_digit(next);
            (!joins && !before.is_some_and(is_dash)).then_some('-')
        }
        '.' | ',' | '/' | ':' => (is_digit(before) && is_digit(next)).then_some(sign),
        '<' | '>' => {
            let follows = rest.trim_start().chars().next();
            let is_arrow = sign == '>' && before.is_some_and(|c| is_dash(c) || c == '=');
            (is_digit(follows) || follows == Some('=') || is_arrow).then_some(sign)
        }
        '?' => next.is_none_or(|c| c.is_whitespace() || "\"'”“)".contains(c)).then_some('?'),
        '✔' => Some('✓'),
        '✘' => Some('✗'),
        '+' | '%' | '‰' | '°' | '±' | '×' | '÷' | '¬' | '§' | '€' | '$' => Some(sign),
        // Arrows, mathematics, figures to tick, stars and faces.
        '\u{2190}'..='\u{22FF}'
        | '\u{25A0}'..='\u{27BF}'
        | '\u{2B00}'..='\u{2BFF}'
        | '\u{1F000}'..='\u{1FAFF}' => Some(sign),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Unit {
        Unit { text: text.to_owned(), html: None, is_html: false, is_marked: false }
    }

    fn html(text: &str) -> Unit {
        let is_marked = text.contains("~~");
        Unit {
            text: text.to_owned(),
            html: Some(format!("<p>{text}</p>")),
            is_html: true,
            is_marked,
        }
    }

    /// The text of each piece, with a star where it has HTML.
    fn check(alternatives: &[&[Unit]], expected: &[&str], differ: bool) {
        let (units, are_different) = choose(alternatives.iter().map(|a| a.to_vec()).collect());
        let shown: Vec<String> = units
            .iter()
            .map(|unit| format!("{}{}", unit.text, if unit.html.is_some() { "*" } else { "" }))
            .collect();
        assert_eq!(
            (shown, are_different),
            (expected.iter().map(|e| (*e).to_owned()).collect(), differ)
        );
    }

    /// B09: the same words once, other words completely.
    #[test]
    fn b09_of_alternatives_only_the_same_words_are_left_out() {
        check(&[], &[], false);
        check(&[&[plain("A, b")], &[html("a B")]], &["A, b*"], false);
        check(&[&[html("a b")], &[plain("A b")]], &["A b*"], false);
        check(&[&[plain("a")], &[html("a b")]], &["a b*"], false);
        check(&[&[plain("a b")], &[html("a")]], &["a b", "a*"], true);
        check(&[&[plain("a")], &[html("b")]], &["a", "b*"], true);
        check(&[&[plain("10 5 mg")], &[html("~~10~~ 5 mg")]], &["~~10~~ 5 mg*"], false);
        check(&[&[plain("a")], &[plain("b")]], &["a", "b"], true);
        check(&[&[plain("a")], &[plain("a")]], &["a"], false);
        check(&[&[plain("a b")], &[plain("b a")]], &["a b", "b a"], true);
        check(&[&[html("a")], &[html("a b")], &[html("c")]], &["a b*", "c*"], true);
        check(&[&[html("a"), html("b")]], &["a*", "b*"], false);
        check(&[&[plain("a b")], &[html("a"), html("b")]], &["a*", "b*"], false);
        check(&[&[], &[html("a")]], &["a*"], false);
        check(&[&[plain("Logo: [cid:x@y] a")], &[html("Logo: a")]], &["Logo: [cid:x@y] a*"], false);
    }

    fn differ(text: &str, page: &str) -> bool {
        choose(vec![vec![plain(text)], vec![html(page)]]).1
    }

    /// One client shows the text, another one the page.
    #[test]
    fn alternatives_that_differ_in_their_signs_are_both_shown() {
        for (text, page) in [
            ("Allergie: ☒ ja ☐ nein", "Allergie: ☐ ja ☒ nein"),
            ("☐ Penicillin\n☒ Jod", "☒ Penicillin\n☐ Jod"),
            ("Rhesus: -", "Rhesus: +"),
            ("Rh-", "Rh+"),
            ("HIV: (-)", "HIV: (+)"),
            ("HIV\t-", "HIV\t+"),
            ("Leukozyten: +", "Leukozyten: +++"),
            ("CRP > 5 mg/l", "CRP < 5 mg/l"),
            ("CRP >5", "CRP 5"),
            ("CRP <= 5", "CRP >= 5"),
            ("sph. -2,0 dpt", "sph. +2,0 dpt"),
            ("sph. −2,0 dpt", "sph. 2,0 dpt"),
            ("1.5 mg", "1 5 mg"),
            ("1,5 mg", "15 mg"),
            ("1/2", "1 2"),
            ("≥ 5 mg", "≤ 5 mg"),
            ("Kalium ↑", "Kalium ↓"),
            ("Hb ± 1", "Hb + 1"),
            ("5 %", "5 ‰"),
            ("Marcumar?", "Marcumar!"),
            ("[x] ja [ ] nein", "[ ] ja [x] nein"),
        ] {
            assert!(differ(text, page), "{text} and {page}");
            assert!(differ(page, text), "{page} and {text}");
        }
    }

    /// Programs that make a text of a page draw it in their own way.
    #[test]
    fn how_a_text_is_drawn_makes_no_difference() {
        for (text, page) in [
            ("* Kalium 5,1\n* Hb 12", "- Kalium 5,1\n- Hb 12"),
            ("• Kalium", "- Kalium"),
            ("*Befund*\n--------\nNormal", "Befund\n---\nNormal"),
            ("Anna - Berta", "Anna – Berta"),
            ("Anna -- Berta", "Anna – Berta"),
            ("Klinik <https://a.de/>", "Klinik (https://a.de/)"),
            ("Klinik", "Klinik (https://a.de/x?id=5-6)"),
            ("Klinik", "Klinik [Logo]"),
            ("Klinik", "[🖼] Klinik"),
            ("Kalium\nHb", "1. Kalium\n2. Hb"),
            ("> Danke.\n> Gru\u{df}", "> Danke. Gru\u{df}"),
            ("Dr. Tannhof <t@a.de> schrieb:", "Dr. Tannhof <t@a.de> schrieb:"),
        ] {
            assert!(!differ(text, page), "{text} and {page}");
        }
    }

    /// A page may say more, as long as that takes nothing back.
    #[test]
    fn a_text_does_not_vanish_in_a_page_that_denies_it() {
        for (text, page) in [
            ("Marcumar geben", "Marcumar nicht geben"),
            ("Marcumar geben", "Marcumar geben: nein"),
            ("Marcumar geben", "Kein Marcumar geben"),
            ("Marcumar geben", "Bitte Marcumar\nnicht geben"),
            ("Marcumar geben", "Marcumar geben\nNicht mehr!"),
            ("Marcumar geben", "Marcumar morgen geben"),
            ("Ramipril 5", "Ramipril 5 0 mg"),
            ("Give Marcumar", "Do not give Marcumar"),
            ("Pneumonie", "Verdacht auf Pneumonie"),
        ] {
            assert!(differ(text, page), "{text} and {page}");
        }
        for (text, page) in [
            ("Befund anbei", "Praxis am Markt\nBefund anbei\nTel. 030 5550123"),
            ("Befund anbei", "Befund anbei, Gruß"),
            ("Befund anbei", "Befund kommt\nBefund anbei"),
            ("Befund anbei", "Befund\nanbei"),
        ] {
            assert!(!differ(text, page), "{text} and {page}");
        }
    }
}
