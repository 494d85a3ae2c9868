//! What is left out of a `multipart/alternative`: other renderings of the same words, nothing else.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Alternatives that each further one is compared with. More than two that say different things are
/// a mistake of their sender's, and all of them are shown then.
const COMPARED_MAX: usize = 8;

/// A piece of the body, as text, and as HTML where it has some.
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
/// piece only when no word of the text is missing in the HTML; otherwise both are shown. A word
/// counts with its place: "ASS weiter, Marcumar absetzen" is not "Marcumar weiter, ASS absetzen".
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
        // The page says all; where it says more, so must the text.
        kept.push(html);
        // Its sender's own text, unless that does not tell what is struck out.
        if page.is_within(text) && !page.is_marked() {
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
    // One that was kept first may be within one that came later.
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
    /// Its words in their order, as numbers.
    words: Vec<u64>,
}

impl Alternative {
    fn new(units: Vec<Unit>) -> Self {
        let words = units.iter().flat_map(|unit| words(&unit.text)).collect();
        Self { units, words }
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

    /// Whether another one has all of its words, in their order.
    fn is_within(&self, other: &Self) -> bool {
        let mut others = other.words.iter();
        self.words.iter().all(|word| others.any(|other| other == word))
    }
}

/// Letters and digits in a row, without regard to case. `[cid:…]` stands for a picture and is none.
fn words(text: &str) -> Vec<u64> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("[cid:") {
        let (before, picture) = rest.split_at_checked(at).unwrap_or((rest, ""));
        push_words(before, &mut words);
        let end = picture.find(|c: char| c == ']' || c.is_whitespace());
        let end = end.filter(|end| picture.get(*end..).is_some_and(|rest| rest.starts_with(']')));
        rest = picture.get(end.unwrap_or(1)..).unwrap_or_default();
    }
    push_words(rest, &mut words);
    words
}

fn push_words(text: &str, words: &mut Vec<u64>) {
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut hash = DefaultHasher::new();
        word.to_lowercase().hash(&mut hash);
        words.push(hash.finish());
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

    /// B09: the same words once, other words all.
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
}
