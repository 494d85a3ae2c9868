//! The elements of HTML: whether they are blocks or words, whether they are shown, and what closes
//! them.

use super::{
    layout::Level,
    page::Emphasis,
    style::{Font, Shift, Space, Style},
};

/// What is known of an element by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The tag that the room gets for it.
    pub(super) tag: Option<&'static str>,
    pub(super) gap: Gap,
    pub(super) marks: Emphasis,
    pub(super) hiding: Hiding,
    /// It continues after a block in which it was not closed (WHATWG, "formatting").
    pub(super) is_formatting: bool,
    /// No end tag of an element around it closes it.
    pub(super) is_boundary: bool,
    pub(super) is_of_table: bool,
    pub(super) is_heading: bool,
}

/// How it is separated from its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    None,
    /// A box on the line.
    Blank,
    Line,
    Paragraph,
}

/// Whether its words are shown, and who is told if they are not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hiding {
    #[default]
    No,
    /// They are not words of the letter.
    Quietly,
    /// A mail program does not show them, so neither does the room; the room is told that they are
    /// there.
    Told,
}

pub(super) fn shape(name: &str) -> Shape {
    let (tag, gap) = tag_and_gap(name);
    let marks = match name {
        "b" | "strong" | "i" | "em" | "u" | "code" => Emphasis::of(name),
        "ins" => Emphasis::of("u"),
        "kbd" | "samp" | "tt" => Emphasis::of("code"),
        _ => Emphasis::default(),
    };
    Shape {
        tag,
        gap,
        marks,
        hiding: hiding(name),
        is_formatting: is_formatting(name),
        is_boundary: is_boundary(name),
        is_of_table: is_of_table(name),
        is_heading: matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6"),
    }
}

/// What an element becomes in the room, and what stands around it.
fn tag_and_gap(name: &str) -> (Option<&'static str>, Gap) {
    use Gap::{Blank, Line, None as Joined, Paragraph};
    match name {
        "p" => (Some("p"), Paragraph),
        "h1" => (Some("h1"), Paragraph),
        "h2" => (Some("h2"), Paragraph),
        "h3" => (Some("h3"), Paragraph),
        "h4" => (Some("h4"), Paragraph),
        "h5" => (Some("h5"), Paragraph),
        "h6" => (Some("h6"), Paragraph),
        "blockquote" => (Some("blockquote"), Paragraph),
        "pre" | "listing" | "xmp" | "plaintext" | "textarea" => (Some("pre"), Paragraph),
        "table" => (Some("table"), Paragraph),
        "caption" => (Some("caption"), Line),
        "thead" => (Some("thead"), Line),
        "tbody" | "tfoot" => (Some("tbody"), Line),
        "tr" => (Some("tr"), Line),
        "td" => (Some("td"), Blank),
        "th" => (Some("th"), Blank),
        "ul" | "menu" | "dir" => (Some("ul"), Line),
        "ol" => (Some("ol"), Line),
        "li" => (Some("li"), Line),
        "details" => (Some("details"), Line),
        "summary" => (Some("summary"), Line),
        "div" | "address" | "article" | "aside" | "center" | "dd" | "dialog" | "dl" | "dt"
        | "fieldset" | "figcaption" | "figure" | "footer" | "header" | "hgroup" | "legend"
        | "main" | "marquee" | "nav" | "optgroup" | "search" | "section" => (Some("div"), Line),
        "body" | "colgroup" | "form" | "frameset" | "head" | "html" => (None, Line),
        "applet" | "audio" | "button" | "canvas" | "embed" | "frame" | "iframe" | "label"
        | "math" | "meter" | "noembed" | "noframes" | "object" | "option" | "output"
        | "progress" | "select" | "svg" | "text" | "tspan" | "video" | "mi" | "mn" | "mo"
        | "ms" | "mtext" | "mtr" | "mtd" => (None, Blank),
        _ => (None, Joined),
    }
}

fn hiding(name: &str) -> Hiding {
    match name {
        "script" | "style" | "title" | "rp" | "annotation" | "annotation-xml" | "desc"
        | "metadata" => Hiding::Quietly,
        "datalist" | "iframe" | "mphantom" | "noembed" | "noframes" | "template" => Hiding::Told,
        _ => Hiding::No,
    }
}

fn is_formatting(name: &str) -> bool {
    matches!(
        name,
        "a" | "b"
            | "big"
            | "code"
            | "em"
            | "font"
            | "i"
            | "nobr"
            | "s"
            | "small"
            | "strike"
            | "strong"
            | "tt"
            | "u"
    )
}

/// Elements without content.
pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "basefont"
            | "bgsound"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "image"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "spacer"
            | "track"
            | "wbr"
    )
}

fn is_boundary(name: &str) -> bool {
    matches!(name, "td" | "th" | "caption" | "table" | "object" | "template" | "button" | "marquee")
}

pub(super) fn is_of_table(name: &str) -> bool {
    matches!(name, "table" | "caption" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th")
}

/// Whether this is a name of HTML, or of what may be in it. Other names are words in angle
/// brackets, which a mail program does not show: `<siehe Anlage>`, `<praxis@example.org>`.
pub(super) fn is_known(name: &str) -> bool {
    const MORE: &str = " a abbr acronym b bdi bdo big blink cite code data del dfn em font i ins kbd \
        layer mark map multicol nobr noscript output picture q rb rp rt rtc ruby s samp script \
        slot small span strike strong style sub sup template time title tt u var video xml g path \
        circle rect line defs use symbol desc metadata textpath polygon polyline ellipse image \
        mrow mfrac msup msub msubsup msqrt mroot mstyle mtable semantics annotation mover munder \
        munderover mspace mfenced mpadded mphantom menclose merror mprescripts mmultiscripts \
        datalist nextid isindex command rbc ilayer ";
    let is_listed = || {
        MORE.match_indices(name).any(|(at, name)| {
            let is_blank = |at: Option<usize>| {
                at.and_then(|at| MORE.as_bytes().get(at)).is_none_or(u8::is_ascii_whitespace)
            };
            is_blank(at.checked_sub(1)) && is_blank(Some(at + name.len()))
        })
    };
    let is_address = name.contains('@')
        || ["http:", "https:", "mailto:", "tel:"].iter().any(|s| name.starts_with(s));
    // `o:p` and `my-tag` are custom elements.
    let is_own = name.contains([':', '-']) && !is_address;
    is_own
        || is_void(name)
        || shape(name).gap != Gap::None
        || (!name.is_empty() && name.len() < 20 && is_listed())
}

/// The open elements around a place, as far as they decide what a tag closes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope(u16);

impl Scope {
    pub(super) const P: Self = Self(1);
    pub(super) const LI: Self = Self(1 << 1);
    pub(super) const DD: Self = Self(1 << 2);
    pub(super) const OPTION: Self = Self(1 << 3);
    pub(super) const OPTGROUP: Self = Self(1 << 4);
    pub(super) const RT: Self = Self(1 << 5);
    pub(super) const A: Self = Self(1 << 6);
    pub(super) const BUTTON: Self = Self(1 << 7);
    pub(super) const TABLE: Self = Self(1 << 8);
    pub(super) const FOREIGN: Self = Self(1 << 9);

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The scope inside an element of this name.
    pub(super) fn inside(self, name: &str) -> Self {
        let with = |flag: Self| Self(self.0 | flag.0);
        let without = |flag: Self| Self(self.0 & !flag.0);
        match name {
            "p" => with(Self::P),
            "li" => with(Self::LI),
            "ul" | "ol" | "menu" | "dir" => without(Self::LI),
            "dd" | "dt" => with(Self::DD),
            "dl" => without(Self::DD),
            "option" => with(Self::OPTION),
            "optgroup" => with(Self::OPTGROUP),
            "select" => without(Self(Self::OPTION.0 | Self::OPTGROUP.0)),
            "rt" | "rb" => with(Self::RT),
            "ruby" => without(Self::RT),
            "a" => with(Self::A),
            "svg" | "math" => with(Self::FOREIGN),
            "table" => Self(Self::TABLE.0),
            "button" => Self(Self::BUTTON.0 | (self.0 & Self::TABLE.0)),
            name if is_boundary(name) => Self(self.0 & Self::TABLE.0),
            _ => self,
        }
    }
}

/// How words look at a place, as far as that means something.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appearance {
    pub(super) marks: Emphasis,
    pub(super) is_struck: bool,
    pub(super) level: Level,
    pub(super) hiding: Hiding,
    is_invisible: bool,
    is_tiny: bool,
    pub(super) is_rightward: bool,
    pub(super) space: Space,
    pub(super) font: Font,
    pub(super) in_pre: bool,
    pub(super) in_link: bool,
}

impl Appearance {
    /// How words look inside an element, where they look like `self` around it.
    pub(super) fn inside(mut self, name: &str, shape: Shape, style: &Style) -> Self {
        self.marks = self.marks.and(shape.marks);
        if style.is_under == Some(true) {
            self.marks = self.marks.and(Emphasis::of("u"));
        }
        let is_stroke = matches!(name, "s" | "strike" | "del");
        let is_control = matches!(
            name,
            "button" | "input" | "marquee" | "meter" | "progress" | "select" | "textarea"
        );
        if is_control || style.is_box_of_its_own() {
            self.is_struck = false;
        }
        self.is_struck |= style.is_through.unwrap_or(is_stroke);
        let is_cell = shape.is_of_table;
        let shift = match name {
            "sup" => Some(Shift::Up),
            "sub" => Some(Shift::Down),
            _ if is_cell || shape.gap >= Gap::Line => None,
            _ => style.shifts(),
        };
        if let Some(shift) = shift.filter(|shift| *shift != Shift::Base) {
            self.level = self.level.moved(shift);
        }
        if is_cell {
            self.level = Level::default();
        }
        if style.hides() {
            self.hiding = self.hiding.max(Hiding::Told);
        }
        if self.hiding != Hiding::Quietly {
            self.hiding = self.hiding.max(shape.hiding);
        }
        if shape.hiding == Hiding::Quietly {
            self.hiding = Hiding::Quietly;
        }
        if let Some(is_visible) = style.is_visible {
            self.is_invisible = !is_visible;
        }
        if let Some(is_tiny) = style.is_tiny {
            self.is_tiny = is_tiny;
        }
        self.is_rightward = style.is_rightward.unwrap_or(self.is_rightward);
        let is_kept = shape.tag == Some("pre");
        self.space = style.space.unwrap_or(if is_kept { Space::Kept } else { self.space });
        self.font = style.font.unwrap_or(self.font);
        self
    }

    pub(super) fn is_hidden(self) -> bool {
        self.hiding != Hiding::No || self.is_invisible || self.is_tiny
    }

    /// Whether a person has to be told that words are hidden here.
    pub(super) fn is_told(self) -> bool {
        self.is_hidden() && self.hiding != Hiding::Quietly
    }
}
