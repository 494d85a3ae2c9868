//! What each declaration means.

use super::{Display, Font, Shift, Space, Style, marker, unprefixed};
use crate::mail::html::css::{is_decoration, is_length, number};

impl Style {
    pub(super) fn declare(&mut self, name: &str, value: &str) {
        let name = unprefixed(name);
        if matches!(value, "inherit" | "unset" | "initial")
            && matches!(name, "all" | "text-decoration" | "text-decoration-line")
        {
            // Its own line goes. Those around it stay, whatever it says.
            (self.is_through, self.is_under) = (Some(false), Some(false));
        }
        if matches!(value, "inherit" | "unset" | "revert" | "revert-layer" | "") {
            return;
        }
        // Each of them knows names that the others do not.
        self.declare_lines(name, value);
        self.declare_shift(name, value);
        self.declare_sight(name, value);
        self.declare_text(name, value);
        self.declare_box(name, value);
    }

    /// Lines through and under words.
    fn declare_lines(&mut self, name: &str, value: &str) {
        match name {
            "text-decoration" | "text-decoration-line"
                if is_decoration(value, name == "text-decoration") =>
            {
                self.is_through = Some(has(value, "line-through"));
                self.is_under = Some(has(value, "underline"));
            }
            // A word processor's double stroke.
            "text-line-through" if value != "none" => self.is_through = Some(true),
            _ => {}
        }
    }

    /// Raised and lowered figures.
    fn declare_shift(&mut self, name: &str, value: &str) {
        match name {
            "vertical-align" => match value {
                "super" => self.shift = Some(Shift::Up),
                "sub" => self.shift = Some(Shift::Down),
                "top" | "text-top" => self.edge = Some(Shift::Up),
                "bottom" | "text-bottom" => self.edge = Some(Shift::Down),
                "baseline" | "middle" | "initial" => self.shift = Some(Shift::Base),
                // Without a unit too, as old pages are read.
                value if is_length(value) || number(value).is_some_and(|(_, u)| u.is_empty()) => {
                    self.shift = Some(shift_by(value))
                }
                _ => {}
            },
            "mso-text-raise" => self.shift = Some(shift_by(value)),
            "font-variant-position" | "font-variant" => {
                if has(value, "super") {
                    self.shift = Some(Shift::Up);
                } else if has(value, "sub") {
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
            "top" => {
                self.offset = Some(match shift_by(value) {
                    Shift::Up => Shift::Down,
                    Shift::Down => Shift::Up,
                    Shift::Base => Shift::Base,
                });
            }
            "bottom" => self.offset = Some(shift_by(value)),
            _ => {}
        }
    }

    /// Whether it is seen.
    fn declare_sight(&mut self, name: &str, value: &str) {
        match name {
            "visibility" if matches!(value, "visible" | "hidden" | "collapse" | "initial") => {
                self.is_visible = Some(!matches!(value, "hidden" | "collapse"))
            }
            "opacity" if number(value).is_some() || value == "initial" => {
                self.is_opaque = Some(number(value).is_none_or(|(n, _)| n > 0.0));
            }
            "height" | "max-height" | "width" | "max-width" => {
                let is_flat = number(value).is_some_and(|(n, _)| n == 0.0);
                self.is_flat = Some(is_flat || self.is_flat == Some(true));
            }
            "overflow" | "overflow-x" | "overflow-y" => {
                self.is_clipped = Some(matches!(value, "hidden" | "clip"));
            }
            _ => {}
        }
    }

    /// Which characters are shown, and how they follow each other.
    fn declare_text(&mut self, name: &str, value: &str) {
        match name {
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
            "unicode-bidi" => self.is_override = Some(value.contains("override")),
            "direction" if matches!(value, "ltr" | "rtl" | "initial") => {
                self.is_rightward = Some(value == "rtl")
            }
            _ => {}
        }
    }

    /// Boxes, and what separates them from their neighbours.
    fn declare_box(&mut self, name: &str, value: &str) {
        match name {
            "display" => {
                let Some(display) = display(value) else { return };
                self.display = Some(display);
                self.is_atomic =
                    Some(value.starts_with("inline-") || has(value, "inline") && value != "inline");
            }
            "position" => {
                if !matches!(
                    value,
                    "static" | "relative" | "absolute" | "fixed" | "sticky" | "initial"
                ) {
                    return;
                }
                self.is_relative = Some(value == "relative");
                self.is_placed = Some(matches!(value, "absolute" | "fixed"));
                if matches!(value, "absolute" | "fixed") {
                    self.is_apart = Some(true);
                }
            }
            "float"
                if matches!(value, "none" | "left" | "right" | "inline-start" | "inline-end") =>
            {
                self.is_floating = Some(value != "none");
                self.is_apart = Some(value != "none" || self.is_apart == Some(true));
            }
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
}

/// Whether a value contains this word.
fn has(value: &str, word: &str) -> bool {
    value.split_ascii_whitespace().any(|w| w == word)
}

/// Lengths that move a figure off its line; smaller ones only adjust a picture.
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

fn display(value: &str) -> Option<Display> {
    Some(match value {
        "none" => Display::None,
        "inline" | "contents" | "ruby" | "initial" | "inline flow" => Display::Inline,
        "inline-block" | "inline-table" | "table-cell" | "inline flow-root" | "inline table" => {
            Display::Boxed
        }
        "flex" | "grid" | "inline-flex" | "inline-grid" | "block flex" | "block grid"
        | "inline flex" | "inline grid" | "-webkit-box" | "-webkit-flex" | "-ms-flexbox"
        | "-ms-grid" => Display::Flex,
        "block" | "list-item" | "flow-root" | "table" | "run-in" | "flow" | "block flow"
        | "block flow-root" => Display::Block,
        value if value.starts_with("table-") || value.contains("list-item") => Display::Block,
        _ => return None,
    })
}
