//! Style sheets of a letter: which of their rules apply to an element.

use std::{collections::HashMap, rc::Rc};

use super::style::{Block, Style, without_comments};

/// Rules that are kept. Only rules that mean something are, and real mails have a handful.
const RULES_MAX: usize = 1_000;

/// Rules looked at for all elements together. Beyond it the sheets are put aside, and a person is
/// told so.
const LOOKS_MAX: usize = 3_000_000;

/// Classes of an element that are looked at.
const CLASSES_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Sheet {
    rules: Vec<Rule>,
    /// Rules by the class, id, name or `*` their subject must have.
    by_key: HashMap<String, Vec<usize>>,
    looks: usize,
    /// Something with a meaning was declared in a way that is not understood.
    pub(super) is_unsure: bool,
}

#[derive(Debug)]
struct Rule {
    /// The subject first, then its ancestors. `true`: the parent itself.
    selector: Vec<(Compound, bool)>,
    specificity: (usize, usize, usize),
    block: Rc<Block>,
}

/// `span.dose#a`.
#[derive(Debug, Default)]
struct Compound {
    name: Option<String>,
    classes: Vec<String>,
    id: Option<String>,
}

/// What selectors ask of an element.
#[derive(Debug, Default, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) classes: Option<String>,
    pub(super) id: Option<String>,
}

impl Identity {
    fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.as_deref().unwrap_or_default().split_ascii_whitespace().take(CLASSES_MAX)
    }
}

impl Compound {
    /// `None` for what is not understood: states, attributes, places among siblings.
    fn read(text: &str) -> Option<Self> {
        let mut compound = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (sign, word) = match rest.strip_prefix(['.', '#']) {
                Some(word) => (rest.chars().next(), word),
                None => (None, rest),
            };
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
            let end = if word.starts_with('*') {
                1
            } else {
                word.find(|c| !is_word(c)).unwrap_or(word.len())
            };
            let (name, after) = word.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
            match sign {
                Some('.') => compound.classes.push(name.to_owned()),
                Some(_) => compound.id = Some(name.to_owned()),
                None if name == "*" => {}
                None => compound.name = Some(name.to_ascii_lowercase()),
            }
            rest = after;
        }
        Some(compound)
    }

    fn is(&self, element: &Identity) -> bool {
        self.name.as_ref().is_none_or(|name| *name == element.name)
            && (self.id.is_none() || self.id == element.id)
            && self.classes.iter().all(|class| element.classes().any(|c| c == class))
    }

    fn key(&self) -> String {
        match (&self.id, self.classes.first(), &self.name) {
            (Some(id), ..) => format!("#{id}"),
            (_, Some(class), _) => format!(".{class}"),
            (.., Some(name)) => name.clone(),
            _ => "*".to_owned(),
        }
    }
}

impl Sheet {
    pub(super) fn read(css: &str) -> Self {
        let css = without_comments(css).replace("<!--", " ").replace("-->", " ");
        let mut sheet = Self::default();
        let mut rest = css.as_str();
        while let Some(at) = rest.find(['{', '}', ';']) {
            let (prelude, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let mut mark = after.chars();
            let is_block = mark.next() == Some('{');
            rest = mark.as_str();
            let prelude = prelude.trim();
            if !is_block {
                // The end of a group that was entered, or `@import`.
                continue;
            }
            if let Some(at_rule) = prelude.strip_prefix('@') {
                if is_entered(at_rule) {
                    continue;
                }
                let (block, after) = rest.split_at_checked(end_of_block(rest)).unwrap_or_default();
                sheet.is_unsure |= holds_a_stroke(block) && !at_rule.starts_with("media print");
                rest = after;
                continue;
            }
            let (block, after) = rest.split_once('}').unwrap_or((rest, ""));
            sheet.rule(prelude, block);
            rest = after;
        }
        sheet
    }

    fn rule(&mut self, selectors: &str, block: &str) {
        // Words that stand in no element.
        let makes_words = block.contains("content")
            && block.split(['"', '\'']).nth(1).is_some_and(|w| w.contains(char::is_alphanumeric));
        self.is_unsure |=
            makes_words && (selectors.contains(":before") || selectors.contains(":after"));
        let block = Rc::new(Block::read(block));
        if block.is_empty() {
            return;
        }
        for selector in selectors.split(',') {
            let Some(rule) = Rule::read(selector, &block) else {
                self.is_unsure |= block.changes_meaning();
                continue;
            };
            if self.rules.len() >= RULES_MAX {
                self.is_unsure = true;
                return;
            }
            let Some((subject, _)) = rule.selector.first() else { continue };
            self.by_key.entry(subject.key()).or_default().push(self.rules.len());
            self.rules.push(rule);
        }
    }

    /// The style of an element with these ancestors, its parent last, and these declarations of
    /// its own.
    pub(super) fn style<'a>(
        &mut self,
        element: &Identity,
        ancestors: impl DoubleEndedIterator<Item = &'a Identity> + Clone,
        own: &Block,
    ) -> Style {
        let mut applying: Vec<(&Rule, usize)> = Vec::new();
        if !self.rules.is_empty() {
            let mut keys = vec!["*".to_owned(), element.name.clone()];
            keys.extend(element.id.iter().map(|id| format!("#{id}")));
            keys.extend(element.classes().map(|class| format!(".{class}")));
            for key in &keys {
                for &at in self.by_key.get(key).map(Vec::as_slice).unwrap_or_default() {
                    self.looks += 1;
                    if self.looks > LOOKS_MAX {
                        self.is_unsure = true;
                        return own.important.over(&own.normal);
                    }
                    let Some(rule) = self.rules.get(at) else { continue };
                    if rule.applies(element, ancestors.clone(), &mut self.looks) {
                        applying.push((rule, at));
                    }
                }
            }
            applying.sort_by_key(|(rule, at)| (rule.specificity, *at));
        }
        let mut style = Style::default();
        for (rule, _) in &applying {
            style = rule.block.normal.over(&style);
        }
        style = own.normal.over(&style);
        for (rule, _) in &applying {
            style = rule.block.important.over(&style);
        }
        own.important.over(&style)
    }
}

impl Rule {
    fn read(selector: &str, block: &Rc<Block>) -> Option<Self> {
        let spaced = selector.replace('>', " > ");
        let mut read: Vec<(Compound, bool)> = Vec::new();
        let mut is_child = false;
        for word in spaced.split_ascii_whitespace() {
            if word == ">" {
                is_child = true;
                continue;
            }
            // The mark says how the compound before it is related to this one.
            if let Some((_, direct)) = read.last_mut() {
                *direct = is_child;
            }
            is_child = false;
            read.push((Compound::read(word)?, false));
        }
        read.reverse();
        let specificity = read.iter().fold((0, 0, 0), |(ids, classes, names), (compound, _)| {
            let is = |present: bool| usize::from(present);
            (
                ids + is(compound.id.is_some()),
                classes + compound.classes.len(),
                names + is(compound.name.is_some()),
            )
        });
        (!read.is_empty()).then(|| Self { selector: read, specificity, block: Rc::clone(block) })
    }

    fn applies<'a>(
        &self,
        element: &Identity,
        ancestors: impl DoubleEndedIterator<Item = &'a Identity>,
        looks: &mut usize,
    ) -> bool {
        let mut wanted = self.selector.iter();
        let Some((subject, _)) = wanted.next() else { return false };
        if !subject.is(element) {
            return false;
        }
        let mut next = wanted.next();
        for ancestor in ancestors.rev() {
            let Some((compound, is_direct)) = next else { return true };
            *looks += 1;
            if compound.is(ancestor) {
                next = wanted.next();
            } else if *is_direct {
                return false;
            }
        }
        next.is_none()
    }
}

/// Groups whose rules apply on a screen of any size.
fn is_entered(at_rule: &str) -> bool {
    let at_rule = at_rule.to_ascii_lowercase();
    let (name, condition) = at_rule.split_once([' ', '(']).unwrap_or((&at_rule, ""));
    match name {
        "media" => condition.split(',').any(|query| {
            matches!(query.trim(), "" | "all" | "screen" | "only screen" | "only all")
        }),
        "supports" | "layer" | "scope" | "container" => name != "container",
        _ => false,
    }
}

fn holds_a_stroke(css: &str) -> bool {
    css.to_ascii_lowercase().contains("line-through")
}

/// Where a block ends whose beginning was read, with its brace.
fn end_of_block(css: &str) -> usize {
    let mut depth = 1_usize;
    for (at, byte) in css.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    css.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `<td><p class=…><span class=…>` is struck out.
    fn is_struck(css: &str) -> Option<bool> {
        let identity = |name: &str, classes: &str, id: &str| Identity {
            name: name.to_owned(),
            classes: Some(classes.to_owned()),
            id: Some(id.to_owned()),
        };
        let ancestors = [identity("td", "", ""), identity("p", "absatz old", "")];
        let mut sheet = Sheet::read(css);
        let style =
            sheet.style(&identity("span", "weg dose", "x1"), ancestors.iter(), &Block::default());
        style.is_through
    }

    /// B03: strokes by class.
    #[test]
    fn b03_rules_apply_as_their_selectors_say() {
        let stroke = "{text-decoration:line-through}";
        for selector in [
            ".weg",
            "span.weg",
            "SPAN.weg.dose",
            "#x1",
            "span#x1",
            "*",
            "span",
            "p .weg",
            "p > .weg",
            "td .weg",
            ".old>span",
            "td p span",
            "a, .weg",
            "b,i , span",
        ] {
            assert_eq!(is_struck(&format!("{selector} {stroke}")), Some(true), "{selector}");
        }
        for selector in [".we", "div.weg", "#x2", "td > .weg", "div .weg", ".weg p", ".weg:hover"] {
            assert_eq!(is_struck(&format!("{selector}{stroke}")), None, "{selector}");
        }
        for css in [
            "<!-- .weg{text-decoration:line-through} -->",
            "/* x { */ @import url(x); .weg{text-decoration:line-through}",
            "@media screen { a{color:red} .weg{text-decoration:line-through} }",
            "@media (max-width:9px){ .weg{text-decoration:none} } .weg{text-decoration:line-through}",
            "span.weg{text-decoration:line-through} .weg{text-decoration:none}",
            ".weg{text-decoration:none} .weg{text-decoration:line-through}",
            ".weg{text-decoration:line-through!important} #x1{text-decoration:none}",
            ".weg{text-decoration:line-through",
        ] {
            assert_eq!(is_struck(css), Some(true), "{css}");
        }
    }

    #[test]
    fn a_stroke_that_is_not_understood_is_noted() {
        for (css, expected) in [
            (".a:first-child{text-decoration:line-through}", true),
            ("[class=a]{text-decoration:line-through}", true),
            ("a + b{vertical-align:super}", true),
            ("@media (min-width:1px){.a{text-decoration:line-through}}", true),
            (".a::before{content:'nicht '}", true),
            ("a:hover{text-decoration:underline}", false),
            ("@media (max-width:600px){.a{display:none!important}}", false),
            (".a::after{content:''}", false),
        ] {
            assert_eq!(Sheet::read(css).is_unsure, expected, "{css}");
        }
    }
}
