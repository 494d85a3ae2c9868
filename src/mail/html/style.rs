//! What style says that carries meaning: struck out, raised, hidden, set apart, kept blanks.
//!
//! Colours, sizes and places are left to the sender; a figure that is struck out is not.

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
    /// Some side of it has no length.
    is_flat: Option<bool>,
    /// What does not fit is not shown.
    is_clipped: Option<bool>,
    /// Empty space, or a place of its own, keeps it apart from what stands beside it.
    pub(super) is_apart: Option<bool>,
    is_override: Option<bool>,
    is_rightward: Option<bool>,
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
    /// On the line, and a box of its own.
    Boxed,
    Block,
    /// A block whose children are boxes, whatever they are elsewhere.
    Flex,
}

/// What becomes of blanks and line ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    #[default]
    Collapsed,
    /// Line ends are kept.
    Lines,
    /// Both are kept.
    Kept,
}

/// Fonts whose letters are other signs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    #[default]
    Plain,
    Symbol,
    Wingdings,
    /// One whose signs are not known here.
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
pub(super) struct Block {
    pub(super) normal: Style,
    pub(super) important: Style,
}

impl Block {
    pub(super) fn read(css: &str) -> Self {
        let css = without_escapes(&without_comments(css));
        let mut block = Self::default();
        for declaration in css.split(';') {
            let Some((name, value)) = declaration.split_once(':') else { continue };
            let name = name.trim().to_ascii_lowercase();
            let value = value.trim().to_ascii_lowercase();
            match value.split_once('!') {
                Some((value, _)) => block.important.declare(&name, value.trim()),
                None => block.normal.declare(&name, &value),
            }
        }
        block
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something would be read as valid, or as another figure, without it.
    pub(super) fn changes_meaning(&self) -> bool {
        [&self.normal, &self.important].into_iter().any(|style| {
            style.is_through == Some(true)
                || !matches!(style.shift, None | Some(Shift::Base))
                || style.turns()
        })
    }
}

impl Style {
    fn declare(&mut self, name: &str, value: &str) {
        if matches!(value, "inherit" | "unset" | "revert" | "") {
            return;
        }
        let has = |word: &str| value.split_ascii_whitespace().any(|w| w == word);
        match name.trim_start_matches("-webkit-").trim_start_matches("-moz-") {
            "text-decoration" | "text-decoration-line" => {
                self.is_through = Some(has("line-through"));
                self.is_under = Some(has("underline"));
            }
            // A word processor's double stroke.
            "text-line-through" if value != "none" => self.is_through = Some(true),
            "vertical-align" => match value {
                "super" => self.shift = Some(Shift::Up),
                "sub" => self.shift = Some(Shift::Down),
                "top" | "text-top" => self.edge = Some(Shift::Up),
                "bottom" | "text-bottom" => self.edge = Some(Shift::Down),
                value => self.shift = Some(shift_by(value)),
            },
            "mso-text-raise" => self.shift = Some(shift_by(value)),
            "font-variant-position" | "font-variant" => {
                if has("super") {
                    self.shift = Some(Shift::Up);
                } else if has("sub") {
                    self.shift = Some(Shift::Down);
                }
            }
            "font-feature-settings" => {
                if value.contains("sups") {
                    self.shift = Some(Shift::Up);
                } else if value.contains("subs") || value.contains("sinf") {
                    self.shift = Some(Shift::Down);
                }
            }
            "position" => {
                self.is_relative = Some(value == "relative");
                if matches!(value, "absolute" | "fixed") {
                    self.is_apart = Some(true);
                }
            }
            "top" => {
                self.offset = Some(match shift_by(value) {
                    Shift::Up => Shift::Down,
                    Shift::Down => Shift::Up,
                    Shift::Base => Shift::Base,
                });
            }
            "bottom" => self.offset = Some(shift_by(value)),
            "display" => self.display = Some(display(value)),
            "visibility" => self.is_visible = Some(!matches!(value, "hidden" | "collapse")),
            "opacity" => self.is_opaque = Some(number(value).is_none_or(|(n, _)| n > 0.0)),
            "font-size" => self.size(value),
            "font" => {
                value.split_ascii_whitespace().for_each(|word| {
                    if word.starts_with(|c: char| c.is_ascii_digit()) {
                        self.size(word.split('/').next().unwrap_or_default());
                    }
                });
                self.family(value.rsplit(['/', ' ']).next().unwrap_or_default());
            }
            "font-family" => self.family(value),
            "white-space" | "white-space-collapse" => {
                self.space =
                    Some(match value.split_ascii_whitespace().next().unwrap_or_default() {
                        "pre" | "pre-wrap" | "break-spaces" | "preserve" => Space::Kept,
                        "pre-line" | "preserve-breaks" => Space::Lines,
                        _ => Space::Collapsed,
                    });
            }
            "list-style" | "list-style-type" => {
                if let Some(marker) = value.split_ascii_whitespace().find_map(marker) {
                    self.marker = Some(marker);
                }
            }
            "height" | "max-height" | "width" | "max-width" => {
                let is_flat = number(value).is_some_and(|(n, _)| n == 0.0);
                self.is_flat = Some(is_flat || self.is_flat == Some(true));
            }
            "overflow" | "overflow-x" | "overflow-y" => {
                self.is_clipped = Some(matches!(value, "hidden" | "clip"));
            }
            "float" => self.is_apart = Some(value != "none" || self.is_apart == Some(true)),
            "unicode-bidi" => self.is_override = Some(value.contains("override")),
            "direction" => self.is_rightward = Some(value == "rtl"),
            name if name.starts_with("margin") || name.starts_with("padding") => {
                let is_wide = value
                    .split_ascii_whitespace()
                    .any(|side| number(side).is_some_and(|(n, _)| n > 0.0));
                self.is_apart = Some(is_wide || self.is_apart == Some(true));
            }
            _ => {}
        }
    }

    fn size(&mut self, value: &str) {
        if let Some((size, unit)) = number(value) {
            self.is_tiny = Some(size == 0.0 || (size <= 1.0 && matches!(unit, "px" | "pt")));
            self.is_small = Some(match unit {
                "%" => size < 85.0,
                "em" | "rem" => size < 0.85,
                _ => size <= 9.0,
            });
        } else {
            self.is_tiny = Some(false);
            self.is_small = Some(matches!(value, "smaller" | "x-small" | "xx-small"));
        }
    }

    fn family(&mut self, value: &str) {
        let first = value.split(',').next().unwrap_or_default();
        self.font = Some(match first.trim().trim_matches(['"', '\'']).trim() {
            "symbol" => Font::Symbol,
            "wingdings" => Font::Wingdings,
            "wingdings 2" | "wingdings 3" | "webdings" | "zapfdingbats" | "zapf dingbats" => {
                Font::Unknown
            }
            _ => Font::Plain,
        });
    }

    /// `self` where it declares something, and `under` elsewhere.
    pub(super) fn over(&self, under: &Self) -> Self {
        macro_rules! over {
            ($($field:ident)*) => { Self { $($field: self.$field.or(under.$field)),* } };
        }
        over! {
            is_through is_under shift display is_visible is_opaque is_tiny space font marker is_flat
            is_clipped is_apart is_override is_rightward is_relative offset is_small edge
        }
    }

    /// Hidden with all that is in it.
    pub(super) fn hides(&self) -> bool {
        self.display == Some(Display::None)
            || self.is_opaque == Some(false)
            || (self.is_flat == Some(true) && self.is_clipped == Some(true))
    }

    /// Its text is shown backwards.
    pub(super) fn turns(&self) -> bool {
        self.is_override == Some(true) && self.is_rightward == Some(true)
    }

    /// Raised or lowered, in whichever of the ways there are.
    pub(super) fn shifts(&self) -> Option<Shift> {
        let offset = self.offset.filter(|shift| *shift != Shift::Base);
        let moved = offset.filter(|_| self.is_relative == Some(true));
        let edge = self.edge.filter(|_| self.is_small == Some(true));
        self.shift.filter(|shift| *shift != Shift::Base).or(moved).or(edge).or(self.shift)
    }
}

/// Lengths that move a figure off its line; less than that only adjusts a picture.
fn shift_by(value: &str) -> Shift {
    let Some((by, unit)) = number(value) else { return Shift::Base };
    let least = match unit {
        "%" => 15.0,
        "em" | "rem" | "ex" | "ch" => 0.15,
        "cm" | "in" => 0.05,
        _ => 2.0,
    };
    if by >= least {
        Shift::Up
    } else if by <= -least {
        Shift::Down
    } else {
        Shift::Base
    }
}

fn display(value: &str) -> Display {
    match value.split_ascii_whitespace().next().unwrap_or_default() {
        "none" => Display::None,
        "inline" | "contents" | "ruby" => Display::Inline,
        "inline-block" | "inline-table" | "table-cell" => Display::Boxed,
        "flex" | "grid" | "inline-flex" | "inline-grid" => Display::Flex,
        _ => Display::Block,
    }
}

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

/// A number and its unit.
fn number(value: &str) -> Option<(f32, &str)> {
    let is_unit = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let at = value.find(is_unit).unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(at)?;
    Some((number.parse().ok()?, unit.trim()))
}

pub(super) fn without_comments(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        kept.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

/// `line-\74 hrough` is `line-through` (CSS Syntax §4.3.7).
fn without_escapes(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            kept.push(c);
            continue;
        }
        let mut code = 0;
        let mut digits = 0;
        while let Some(digit) = rest.peek().and_then(|c| c.to_digit(16)).filter(|_| digits < 6) {
            code = code * 16 + digit;
            digits += 1;
            rest.next();
        }
        if digits == 0 {
            kept.extend(rest.next());
            continue;
        }
        kept.extend(char::from_u32(code));
        rest.next_if(char::is_ascii_whitespace);
    }
    kept
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
            let block = Block::read(css);
            let style = block.important.over(&block.normal);
            assert_eq!(style.is_through, Some(true), "{css}");
        }
        for css in
            ["text-decoration:underline", "text-decoration:line-through;text-decoration:none"]
        {
            assert_eq!(Block::read(css).normal.is_through, Some(false), "{css}");
        }
        for css in ["text-decoration-color:red", "text-decoration:inherit", "line-through", ":", ""]
        {
            assert_eq!(Block::read(css).normal.is_through, None, "{css}");
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
            assert_eq!(Block::read(css).normal.shifts(), expected, "{css}");
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
            assert_eq!(Block::read(css).normal.hides(), expected, "{css}");
        }
        assert_eq!(Block::read("font-size:0px").normal.is_tiny, Some(true));
        assert_eq!(Block::read("font-size:13px").normal.is_tiny, Some(false));
        assert_eq!(Block::read("font:italic 0/0 a").normal.is_tiny, Some(true));
    }
}
