//! The part of style that carries meaning: struck, raised, hidden, separated, kept blanks.
//!
//! Colours, sizes and positions do not matter here; a struck figure does. A declaration that no
//! program understands does not count (CSS Syntax §2.2): the earlier one stays.

mod declaring;

use super::css::{
    is_seen_in_quotes, next_mark, split_block, without_comments, without_escapes, writes,
};

/// The declarations of one element or rule, as far as they mean something. `None`: not declared.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Style {
    pub(super) is_through: Option<bool>,
    pub(super) is_under: Option<bool>,
    pub(super) shift: Option<Shift>,
    pub(super) display: Option<Display>,
    pub(super) is_visible: Option<bool>,
    pub(super) is_opaque: Option<bool>,
    pub(super) is_tiny: Option<bool>,
    pub(super) space: Option<Space>,
    pub(super) font: Option<Font>,
    pub(super) marker: Option<Marker>,
    /// At least one side of it has no length.
    is_flat: Option<bool>,
    /// What does not fit is not shown.
    is_clipped: Option<bool>,
    /// A line through its surroundings does not continue in it (CSS Text Decoration §2.1): it is a
    /// box on the line, floats, or has its own position.
    is_atomic: Option<bool>,
    is_floating: Option<bool>,
    is_placed: Option<bool>,
    /// Empty space, or its own position, separates it from its neighbours.
    pub(super) is_apart: Option<bool>,
    is_override: Option<bool>,
    /// Written from right to left.
    pub(super) is_rightward: Option<bool>,
    is_relative: Option<bool>,
    offset: Option<Shift>,
    is_small: Option<bool>,
    /// At the upper or lower edge of the line: raised when it is small as well.
    edge: Option<Shift>,
}

/// Where on the line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shift {
    #[default]
    Base,
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Display {
    None,
    Inline,
    /// On the line, and a separate box.
    Boxed,
    Block,
    /// A block whose children are boxes, whatever they are elsewhere.
    Flex,
}

/// What happens to blanks and line ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    #[default]
    Collapsed,
    /// Line ends are kept.
    Lines,
    /// Both are kept.
    Kept,
}

/// Fonts whose letters show other characters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    #[default]
    Plain,
    Symbol,
    Wingdings,
    /// A font whose characters are not known here.
    Unknown,
}

/// How the items of a list are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Bullet,
    Decimal,
    LowerAlpha,
    UpperAlpha,
    LowerRoman,
    UpperRoman,
}

/// The declarations of a block: those that count, and those that count more (`!important`).
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct DeclarationBlock {
    pub(super) normal: Style,
    pub(super) important: Style,
    /// It depends on something that is not known here, or has its own rules within.
    pub(super) is_unsure: bool,
}

impl DeclarationBlock {
    pub(super) fn read(css: &str) -> Self {
        let css = without_comments(css);
        let mut block = Self::default();
        let mut rest = css.as_str();
        let mut is_broken = false;
        while !rest.is_empty() {
            let (declaration, mark, after) = next_mark(rest);
            rest = after;
            if mark == Some('{') {
                // A rule within a rule, and those within it: what they say about other elements is
                // ignored.
                let (nested, after) = split_block(rest);
                rest = after;
                let all = nested.replace(['{', '}'], ";");
                block.is_unsure |= Self::read(&all).changes_meaning()
                    || writes(&format!("{declaration} {nested}"), &all, false);
                continue;
            }
            if mark == Some('}') || std::mem::take(&mut is_broken) {
                // It ends nothing here, and what contains it is not understood.
                is_broken = mark == Some('}');
                continue;
            }
            let declaration = without_escapes(declaration);
            let Some((name, value)) = declaration.split_once(':') else { continue };
            block.declare(&name.trim().to_ascii_lowercase(), &value.trim().to_ascii_lowercase());
        }
        block
    }

    fn declare(&mut self, name: &str, value: &str) {
        let (value, is_important) = match value.rsplit_once('!') {
            Some((value, mark)) if mark.trim() == "important" => (value.trim(), true),
            _ => (value, false),
        };
        let is_asked = ["var(", "env(", "attr(", "if("].iter().any(|call| value.contains(call));
        if is_asked {
            self.is_unsure |= MEANING.contains(&unprefixed(name));
            return;
        }
        self.is_unsure |= name.starts_with("list-style") && is_seen_in_quotes(value, MARKERS);
        let style = if is_important { &mut self.important } else { &mut self.normal };
        style.declare(name, value);
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn strikes(&self) -> bool {
        [&self.normal, &self.important].iter().any(|style| style.is_through == Some(true))
    }

    pub(super) fn clears(&self) -> bool {
        [&self.normal, &self.important].iter().any(|style| style.is_through == Some(false))
    }

    /// Whether something would be read as valid, or as another figure, without it.
    pub(super) fn changes_meaning(&self) -> bool {
        self.is_unsure
            || [&self.normal, &self.important].into_iter().any(|style| {
                style.is_through == Some(true)
                    || !matches!(style.shift, None | Some(Shift::Base))
                    || style.turns(true)
            })
    }
}

impl Style {
    /// `self` where it declares something, and `under` elsewhere.
    pub(super) fn over(&self, under: &Self) -> Self {
        macro_rules! over {
            ($($field:ident)*) => { Self { $($field: self.$field.or(under.$field)),* } };
        }
        over! {
            is_through is_under shift display is_visible is_opaque is_tiny space font marker is_flat
            is_clipped is_apart is_atomic is_floating is_placed is_override is_rightward is_relative offset is_small edge
        }
    }

    /// Hidden with everything in it.
    pub(super) fn hides(&self) -> bool {
        self.display == Some(Display::None)
            || self.is_opaque == Some(false)
            || (self.is_flat == Some(true) && self.is_clipped == Some(true))
    }

    /// Lines through its surroundings end where it begins.
    pub(super) fn is_box_of_its_own(&self) -> bool {
        [self.is_atomic, self.is_floating, self.is_placed].contains(&Some(true))
    }

    /// What the name and `dir` of an element say of its direction, where no style does.
    pub(super) fn direct(&mut self, name: &str, dir: Option<&str>) {
        let is_bdo = name == "bdo";
        let said = match dir.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "rtl" => Some(true),
            "ltr" => Some(false),
            // As its first letter is.
            "auto" if is_bdo => Some(true),
            _ => None,
        };
        self.is_rightward = self.is_rightward.or(said);
        self.is_override = self.is_override.or(is_bdo.then_some(true));
    }

    /// Its text is shown backwards where the text is written in this direction.
    pub(super) fn turns(&self, is_rightward: bool) -> bool {
        self.is_override == Some(true) && is_rightward
    }

    /// Raised or lowered, in any way.
    pub(super) fn shifts(&self) -> Option<Shift> {
        let offset = self.offset.filter(|shift| *shift != Shift::Base);
        let moved = offset.filter(|_| self.is_relative == Some(true));
        let edge = self.edge.filter(|_| self.is_small == Some(true));
        self.shift.filter(|shift| *shift != Shift::Base).or(moved).or(edge).or(self.shift)
    }
}

fn unprefixed(name: &str) -> &str {
    name.trim_start_matches("-webkit-").trim_start_matches("-moz-")
}

/// Values with a meaning, so that it matters what a letter asks for.
const MEANING: [&str; 11] = [
    "all",
    "text-decoration",
    "text-decoration-line",
    "vertical-align",
    "font-variant-position",
    "font-feature-settings",
    "unicode-bidi",
    "direction",
    "visibility",
    "list-style",
    "list-style-type",
];

/// Marks of items that only separate them.
const MARKERS: &str = "-–—•◦▪‣·*›»→✓✔";

/// The marker of a list of this type, by its name in CSS or in HTML.
pub(super) fn marker(name: &str) -> Option<Marker> {
    Some(match name {
        "none" => Marker::None,
        "disc" | "circle" | "square" => Marker::Bullet,
        "1" | "decimal" | "decimal-leading-zero" => Marker::Decimal,
        "a" | "lower-alpha" | "lower-latin" => Marker::LowerAlpha,
        "A" | "upper-alpha" | "upper-latin" => Marker::UpperAlpha,
        "i" | "lower-roman" => Marker::LowerRoman,
        "I" | "upper-roman" => Marker::UpperRoman,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B03: a stroke through words is found in every way of writing it.
    #[test]
    fn b03_strokes_are_found_in_every_way_of_writing_them() {
        for css in [
            "text-decoration:line-through",
            "TEXT-DECORATION : LINE-THROUGH ;color:red",
            "text-decoration-line: underline line-through",
            "text-decoration: red wavy line-through 2px",
            "-webkit-text-decoration:line-through",
            "text-line-through:double",
            "text-decoration:/* x */line-through",
            "text-decoration:line-\\74 hrough",
            "text-decoration:line-through!important",
            "text-decoration:none;text-decoration:line-through",
            "mso-bidi-font-weight:bold;text-decoration:line-through",
        ] {
            let block = DeclarationBlock::read(css);
            let style = block.important.over(&block.normal);
            assert_eq!(style.is_through, Some(true), "{css}");
        }
        for css in
            ["text-decoration:underline", "text-decoration:line-through;text-decoration:none"]
        {
            assert_eq!(DeclarationBlock::read(css).normal.is_through, Some(false), "{css}");
        }
        for css in ["text-decoration-color:red", "text-decoration:revert", "line-through", ":", ""]
        {
            assert_eq!(DeclarationBlock::read(css).normal.is_through, None, "{css}");
        }
    }

    /// B03: so are raised and lowered figures.
    #[test]
    fn b03_raised_and_lowered_figures_are_found() {
        for (css, expected) in [
            ("vertical-align:super", Some(Shift::Up)),
            ("vertical-align: sub", Some(Shift::Down)),
            ("vertical-align:30%", Some(Shift::Up)),
            ("vertical-align:-3pt", Some(Shift::Down)),
            ("vertical-align:-1px", Some(Shift::Base)),
            ("vertical-align:middle", Some(Shift::Base)),
            ("vertical-align:top", None),
            ("vertical-align:top;font-size:60%", Some(Shift::Up)),
            ("font-variant-position:sub", Some(Shift::Down)),
            ("font-feature-settings:\"sups\" 1", Some(Shift::Up)),
            ("position:relative;top:-.5em;vertical-align:baseline", Some(Shift::Up)),
            ("position:relative;top:-3.0pt;mso-text-raise:3.0pt", Some(Shift::Up)),
            ("position:absolute;top:-3.0pt", None),
            ("color:red", None),
        ] {
            assert_eq!(DeclarationBlock::read(css).normal.shifts(), expected, "{css}");
        }
    }

    /// A declaration that no program understands takes nothing away.
    #[test]
    fn a_declaration_that_is_not_understood_counts_for_nothing() {
        for more in [
            "text-decoration:bogus",
            "text-decoration:none windowtext 3",
            "text-decoration:none underline",
            "text-decoration:none red blue",
            "text-decoration-line:none red",
            "text-decoration:none !ie",
            "text-decoration:",
            "x}text-decoration:none",
            "vertical-align:bogus;vertical-align:3",
        ] {
            let block = DeclarationBlock::read(&format!(
                "vertical-align:super;text-decoration:line-through;{more}"
            ));
            assert_eq!(block.important.over(&block.normal).is_through, Some(true), "{more}");
            assert_eq!(block.normal.shifts(), Some(Shift::Up), "{more}");
        }
        for more in [
            "text-decoration:none",
            "text-decoration:none rgb(1, 2, 3)",
            "text-decoration:solid #fff none 0",
            "text-decoration:none windowtext",
            "text-decoration:initial",
            "text-decoration:unset",
            "text-decoration:inherit",
            "all:unset",
        ] {
            let block = DeclarationBlock::read(&format!("text-decoration:line-through;{more}"));
            assert_eq!(block.normal.is_through, Some(false), "{more}");
        }
        let block =
            DeclarationBlock::read("display:none;display:bogus;quotes:'}';opacity:x;float:middle");
        assert!(block.normal.hides() && !block.normal.is_box_of_its_own());
    }

    /// Custom properties, rules within rules, and marks that are words.
    #[test]
    fn what_depends_on_something_else_is_noted() {
        for (css, expected) in [
            ("text-decoration:var(--d)", true),
            ("vertical-align:env(x)", true),
            ("color:var(--d);background:var(--x)", false),
            ("--d:line-through", false),
            ("& .h{text-decoration:line-through}", true),
            (".a{.b{.c{text-decoration:line-through}}}", true),
            (".b{&::before{content:'nicht '}}", true),
            ("&:hover{color:red}", false),
            ("list-style-type:'kein '", true),
            ("list-style:'\\2212'", true),
            ("list-style-type:'- '", false),
        ] {
            assert_eq!(DeclarationBlock::read(css).is_unsure, expected, "{css}");
        }
    }

    #[test]
    fn what_is_not_shown_is_found() {
        for (css, expected) in [
            ("display:none", true),
            ("opacity:0", true),
            ("opacity:.9", false),
            ("max-height:0;overflow:hidden", true),
            ("max-height:0", false),
            ("width:0;height:10px;overflow:hidden", true),
            ("display:block", false),
        ] {
            assert_eq!(DeclarationBlock::read(css).normal.hides(), expected, "{css}");
        }
        assert_eq!(DeclarationBlock::read("font-size:0px").normal.is_tiny, Some(true));
        assert_eq!(DeclarationBlock::read("font-size:13px").normal.is_tiny, Some(false));
        assert_eq!(DeclarationBlock::read("font:italic 0/0 a").normal.is_tiny, Some(true));
    }
}
