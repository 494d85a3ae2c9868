//! Style sheets of a letter: which of their rules apply to an element.

use std::{collections::HashMap, rc::Rc};

use super::{
    css::{next_mark, split_block, without_comments, without_escapes, writes},
    style::{DeclarationBlock, Style},
};

/// How many rules are kept. Only rules that mean something are, and real mails have a handful.
const RULES_MAX: usize = 1_000;

/// Rules read for all elements together. Beyond that the sheets are ignored, and a person is told
/// so.
const LOOKS_MAX: usize = 3_000_000;

/// Classes of an element that are read.
const CLASSES_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Sheet {
    rules: Vec<StyleRule>,
    /// Rules by the class, id, name or `*` their subject must have.
    by_key: HashMap<String, Vec<usize>>,
    looks: usize,
    /// Classes and ids are alike in any case (Selectors §6.6), as in nearly all letters.
    is_quirky: bool,
    /// A rule whose selector is not understood removes strokes.
    may_clear: bool,
    /// Something with a meaning was declared in an unknown way.
    pub(super) is_unsure: bool,
}

#[derive(Debug)]
struct StyleRule {
    /// The subject first, then its ancestors. `true`: the parent itself.
    selector: Vec<(Compound, bool)>,
    specificity: (usize, usize, usize),
    block: Rc<DeclarationBlock>,
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
pub(super) struct ElementIdentity {
    pub(super) name: String,
    pub(super) classes: Option<String>,
    pub(super) id: Option<String>,
}

impl ElementIdentity {
    fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.as_deref().unwrap_or_default().split_ascii_whitespace().take(CLASSES_MAX)
    }
}

impl Compound {
    /// `None` for what is not understood: states, attributes, places among siblings.
    fn read(text: &str, is_quirky: bool) -> Option<Self> {
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
                Some('.') => compound.classes.push(in_case(name, is_quirky)),
                Some(_) => compound.id = Some(in_case(name, is_quirky)),
                None if name == "*" => {}
                None => compound.name = Some(name.to_ascii_lowercase()),
            }
            rest = after;
        }
        Some(compound)
    }

    fn is(&self, element: &ElementIdentity) -> bool {
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
    pub(super) fn read(css: &str, is_quirky: bool) -> Self {
        let css = without_comments(css).replace("<!--", " ").replace("-->", " ");
        let mut sheet = Self { is_quirky, ..Self::default() };
        let mut rest = css.as_str();
        while !rest.is_empty() {
            let (prelude, mark, after) = next_mark(rest);
            rest = after;
            if mark != Some('{') {
                // The end of a group that was entered, or `@import`.
                continue;
            }
            let prelude = prelude.trim();
            let Some(at_rule) = prelude.strip_prefix('@') else {
                let (block, after) = split_block(rest);
                rest = after;
                sheet.rule(prelude, block);
                continue;
            };
            let shown = is_shown(at_rule);
            if shown == Some(true) {
                continue;
            }
            let (block, after) = split_block(rest);
            rest = after;
            // `@counter-style` writes the marks of items.
            let is_told = changes_something(block) || at_rule.starts_with("counter-style");
            sheet.is_unsure |= shown.is_none() && is_told;
        }
        sheet.is_unsure |= sheet.may_clear && sheet.rules.iter().any(|rule| rule.block.strikes());
        sheet
    }

    fn rule(&mut self, selectors: &str, block: &str) {
        self.is_unsure |= writes(selectors, block, true);
        let block = Rc::new(DeclarationBlock::read(block));
        if block.is_empty() {
            return;
        }
        self.is_unsure |= block.is_unsure;
        for selector in selectors.split(',') {
            let Some(rule) = StyleRule::read(selector, &block, self.is_quirky) else {
                self.is_unsure |= block.changes_meaning();
                let is_of_moment = [":hover", ":focus", ":active", ":visited", ":link"]
                    .iter()
                    .any(|state| selector.contains(state));
                self.may_clear |= block.clears() && !is_of_moment;
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

    /// What its selectors ask of an element.
    pub(super) fn identity(
        &self,
        name: &str,
        classes: Option<&str>,
        id: Option<&str>,
    ) -> ElementIdentity {
        let compared = |name| in_case(name, self.is_quirky);
        ElementIdentity {
            name: name.to_owned(),
            classes: classes.map(compared),
            id: id.map(compared),
        }
    }

    /// The style of an element with these ancestors, its parent last, and these declarations of its
    /// own.
    pub(super) fn style<'a>(
        &mut self,
        element: &ElementIdentity,
        ancestors: impl DoubleEndedIterator<Item = &'a ElementIdentity> + Clone,
        own: &DeclarationBlock,
    ) -> Style {
        let mut applying: Vec<(&StyleRule, usize)> = Vec::new();
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

/// A name of a class or an id, as it is compared.
fn in_case(name: &str, is_quirky: bool) -> String {
    if is_quirky { name.to_ascii_lowercase() } else { name.to_owned() }
}

impl StyleRule {
    fn read(selector: &str, block: &Rc<DeclarationBlock>, is_quirky: bool) -> Option<Self> {
        let spaced = selector.replace('>', " > ");
        let mut read: Vec<(Compound, bool)> = Vec::new();
        let mut is_child = false;
        for word in spaced.split_ascii_whitespace() {
            if word == ">" {
                is_child = true;
                continue;
            }
            // The combinator says how the compound before it is related to this one.
            if let Some((_, direct)) = read.last_mut() {
                *direct = is_child;
            }
            is_child = false;
            read.push((Compound::read(word, is_quirky)?, false));
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
        element: &ElementIdentity,
        ancestors: impl DoubleEndedIterator<Item = &'a ElementIdentity>,
        looks: &mut usize,
    ) -> bool {
        if !self.selector.first().is_some_and(|(subject, _)| subject.is(element)) {
            return false;
        }
        if self.selector.len() == 1 {
            return true;
        }
        // The compounds that may be the next one to be found, in ascending order: of several
        // ancestors that fit, it need not be the nearest.
        let (mut awaited, mut next) = (vec![1], Vec::new());
        for ancestor in ancestors.rev() {
            for at in awaited.drain(..) {
                let Some((compound, is_direct)) = self.selector.get(at) else { return true };
                *looks += 1;
                if !is_direct && next.last() != Some(&at) {
                    next.push(at);
                }
                if compound.is(ancestor) {
                    next.push(at + 1);
                }
            }
            // What waits for any ancestor finds all that those before it would.
            let waits_for_any =
                |at: &usize| self.selector.get(*at).is_none_or(|(_, direct)| !direct);
            let from = next.iter().rposition(waits_for_any).unwrap_or_default();
            next.drain(..from);
            if next.is_empty() {
                return false;
            }
            std::mem::swap(&mut awaited, &mut next);
        }
        awaited.contains(&self.selector.len())
    }
}

/// Whether the rules of a group apply on a screen of any size. `None`: that is unknown here, because
/// it depends on the screen, the program, or the place of the element.
fn is_shown(at_rule: &str) -> Option<bool> {
    let at_rule = at_rule.to_ascii_lowercase();
    let end = at_rule.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let (name, condition) = at_rule.split_at_checked(end.unwrap_or(at_rule.len()))?;
    match name {
        "media" => is_for_screens(condition),
        "page" | "font-face" | "charset" | "namespace" => Some(false),
        _ => None,
    }
}

/// The same for what `media` says.
pub(super) fn is_for_screens(media: &str) -> Option<bool> {
    const OTHERS: [&str; 9] =
        ["print", "speech", "aural", "braille", "embossed", "handheld", "projection", "tty", "tv"];
    let media = media.to_ascii_lowercase();
    let mut answer = Some(false);
    for query in media.split(',') {
        let query = query.trim();
        let query = query.strip_prefix("only ").unwrap_or(query).trim_start();
        let negated = query.strip_prefix("not ").map(str::trim_start);
        let asked = negated.unwrap_or(query);
        let (kind, more) = asked.split_once(char::is_whitespace).unwrap_or((asked, ""));
        let holds = match kind {
            // A condition that fails in part fails as a whole.
            kind if OTHERS.contains(&kind) => Some(false),
            "" | "all" | "screen" if more.is_empty() => Some(true),
            _ => None,
        };
        match holds.map(|holds| holds != negated.is_some()) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// Whether an unread group would change what words mean.
pub(super) fn changes_something(css: &str) -> bool {
    let css = without_escapes(css).to_ascii_lowercase();
    css.contains("line-through") || writes(&css, &css.replace(['{', '}'], ";"), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `<td><p class=…><span class=…>` is struck out.
    fn is_struck(css: &str) -> Option<bool> {
        let identity = |name: &str, classes: &str, id: &str| ElementIdentity {
            name: name.to_owned(),
            classes: Some(classes.to_owned()),
            id: Some(id.to_owned()),
        };
        let ancestors = [
            identity("table", "", ""),
            identity("tr", "", ""),
            identity("td", "", ""),
            identity("p", "absatz old", ""),
        ];
        let mut sheet = Sheet::read(css, false);
        let style = sheet.style(
            &identity("span", "weg dose", "x1"),
            ancestors.iter(),
            &DeclarationBlock::default(),
        );
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
            "td > p span",
            "td > * > .weg",
            "table > tr td > p .weg",
            "table > tr p .dose",
            "table tr > td > p > span.weg",
        ] {
            assert_eq!(is_struck(&format!("{selector} {stroke}")), Some(true), "{selector}");
        }
        for selector in [
            ".we",
            "div.weg",
            "#x2",
            "td > .weg",
            "div .weg",
            ".weg p",
            ".weg:hover",
            ".Weg",
            "#X1",
        ] {
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
    fn braces_and_semicolons_within_quotes_end_nothing() {
        for css in [
            ".x{quotes:'}';color:red} .weg{text-decoration:line-through}",
            ".weg{quotes:'}';text-decoration:line-through}",
            ".weg{quotes:\"\\\"};\";text-decoration:line-through}",
            ".weg{background:url(a;b});text-decoration:line-through}",
            ".weg{quotes:'/*';text-decoration:line-through}",
            ".weg{quotes:'\ntext-decoration:none;text-decoration:line-through}",
            ".x{.y{color:red} color:red} .weg{text-decoration:line-through}",
            "@media not print{.weg{text-decoration:line-through}}",
            "@media print,screen{.weg{text-decoration:line-through}}",
        ] {
            assert_eq!(is_struck(css), Some(true), "{css}");
        }
        assert_eq!(is_struck("@media print{.weg{text-decoration:line-through}}"), None);
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
            (".a::after{content:' '}", false),
            (".a::after{content:'.';visibility:hidden}", false),
            ("q:before{content:'\\201E'}", false),
            ("li:before{content:'•'}", false),
            (".a{content:'nicht'}", false),
            (".a:before{content:'-'}", true),
            (".a:BEFORE{CONTENT:'✗'}", true),
            (".a:after{content:'\\2212'}", true),
            (".a:before{content:attr(title)}", true),
            (".a:before{content:counter(x)}", true),
            ("li::marker{content:'kein '}", true),
            (".a{content:url(x)}", true),
            ("ul{list-style-type:'kein '}", true),
            ("@counter-style x{system:cyclic;symbols:'x'}", true),
            (".o{.h{text-decoration:line-through}}", true),
            (".o{color:red;& .h{text-decoration:line-through}}", true),
            (".o{&:hover{color:red}}", false),
            (".h{text-decoration:var(--d)}", true),
            ("@supports not (display:block){.h{text-decoration:line-through}}", true),
            ("@supports (display:block){.h{text-decoration:line-through}}", true),
            ("@layer x{.h{text-decoration:line-through}}", true),
            ("@scope (.a){.h{text-decoration:line-through}}", true),
            ("@container (width>1px){.h{text-decoration:line-\\74 hrough}}", true),
            ("@media print{.h{text-decoration:line-through}}", false),
            ("@media not screen{.h{text-decoration:line-through}}", false),
            ("@media not print{.h:first-child{text-decoration:line-through}}", true),
            (".h{text-decoration:line-through} .h:last-child{text-decoration:none}", true),
            (".h{text-decoration:line-through} a:hover{text-decoration:none}", false),
            ("b:last-child{text-decoration:none}", false),
        ] {
            assert_eq!(Sheet::read(css, false).is_unsure, expected, "{css}");
        }
    }
}
