//! Tokens in, the room's HTML and the text version out.
//!
//! There is a stack of open elements and no tree. It is bounded, and each tag costs at most one
//! pass through it.

mod open;
mod scope;

use std::collections::{HashMap, HashSet};

use super::{
    elements::{Appearance, Gap, Hiding, Scope, Shape, is_void, shape},
    layout::TextLayout,
    lists::{HtmlTable, List},
    page::{HtmlPage, TextRun},
    reader::{Listener, Outline, Tag, counts_backwards},
    sheet::{ElementIdentity, Sheet},
    style::{DeclarationBlock, Display, Font, Space, Style},
    symbols,
};
use crate::mail::text::{Cleaner, is_moved_from_right_to_left};

/// Elements that may be open at once. Deeper ones are read, and a person is told.
const OPEN_MAX: usize = 256;

/// Formatting elements that continue after the block they began in.
const REOPENED_MAX: usize = 8;

/// Longest target of a link; longer ones carry a tracker or an attack, and are shown as text only.
pub(super) const LINK_BYTES_MAX: usize = 1_000;

/// Hidden words that are compared with visible ones.
const HIDDEN_WORDS_MAX: usize = 1_000;

/// Groups of radio buttons that are tracked. For more, it is uncertain which button is checked.
const RADIOS_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Writer {
    page: HtmlPage,
    layout: TextLayout,
    cleaner: Cleaner,
    sheet: Sheet,
    /// Items of the lists to come that count backwards, the next one last.
    reversed: Vec<i64>,
    /// Items of the list that begins with this tag, if it counts backwards.
    counted: Option<i64>,
    stack: Vec<OpenElement>,
    /// Elements that were not put on the full stack, by name: their end tags close nothing.
    skipped: HashMap<String, usize>,
    /// Tags that are open in the page.
    tags: usize,
    lists: Vec<List>,
    tables: Vec<HtmlTable>,
    selects: Vec<Select>,
    /// Forms that began, and the one that is open.
    forms: usize,
    form: usize,
    /// Where the checked radio button of a group is, by form and name.
    radios: HashMap<(String, String), PagePosition>,
    link: Option<OpenLink>,
    hidden: Vec<String>,
    /// A line end here belongs to the tag before it.
    skips_line_end: bool,
    /// What is read now is no text for people, provided its end comes.
    is_swallowing: bool,
    is_unsure: bool,
    is_marked: bool,
}

/// An open element.
#[derive(Debug)]
struct OpenElement {
    identity: ElementIdentity,
    shape: Shape,
    style: Style,
    look: Appearance,
    scope: Scope,
    gap: Gap,
    /// The tag that is open in the page.
    tag: Option<&'static str>,
    in_pre: bool,
    /// Words directly in it are in a table but in none of its cells.
    is_between_cells: bool,
    /// Elements directly in it, as far as they are counted.
    children: usize,
    end: ElementEnd,
}

/// What its end adds.
#[derive(Debug)]
enum ElementEnd {
    Nothing,
    Say(String),
    Link,
    List,
    Item,
    Quote,
    Table,
    RowGroup,
    Row,
    /// Further columns that the cell spans.
    Cell(usize),
    Select,
    OptionGroup,
    Form,
}

#[derive(Debug)]
struct OpenLink {
    target: String,
    /// Clients show its words unchanged.
    is_written: bool,
    said: String,
}

/// The position of something in page and text. `None` if it is not shown.
type PagePosition = Option<(usize, usize)>;

#[derive(Debug, Default)]
struct Select {
    is_multiple: bool,
    /// A list of several lines, of which none is chosen unless the letter chooses one.
    is_open: bool,
    /// Within a disabled group.
    is_disabled: bool,
    /// The option that is chosen.
    chosen: Option<PagePosition>,
    /// The first that could be chosen.
    first: Option<PagePosition>,
}

/// The result for a letter's HTML.
pub(super) struct Written {
    pub(super) html: Option<String>,
    pub(super) text: String,
    pub(super) is_cut: bool,
    pub(super) is_unsure: bool,
    pub(super) is_marked: bool,
}

impl Listener for Writer {
    fn text(&mut self, source: &str) {
        let source = if std::mem::take(&mut self.skips_line_end) {
            source.strip_prefix('\n').unwrap_or(source)
        } else {
            source
        };
        let look = self.look();
        if look.hiding == Hiding::Quietly {
            self.is_swallowing |= !source.trim().is_empty();
            return;
        }
        let mut cleaned = String::with_capacity(source.len());
        if look.font == Font::Plain {
            self.cleaner.push(source, &mut cleaned);
        } else {
            let (seen, is_unsure) = symbols::seen(source, look.font);
            self.is_unsure |= is_unsure && !look.is_hidden();
            self.cleaner.push(&seen, &mut cleaned);
        }
        self.say(&cleaned.replace('\u{A0}', " "));
    }

    fn open(&mut self, tag: &Tag) {
        self.skips_line_end = false;
        // Also of a list that is not shown.
        self.counted = if counts_backwards(tag) { self.reversed.pop() } else { None };
        let shape = shape(&tag.name);
        self.end_implied(&tag.name, shape);
        let identity = self.sheet.identity(&tag.name, tag.get("class"), tag.get("id"));
        let mut own = tag.get("style").map(DeclarationBlock::read).unwrap_or_default();
        if let Some(face) = tag.get("face") {
            own.normal =
                own.normal.over(&DeclarationBlock::read(&format!("font-family:{face}")).normal);
        }
        self.is_unsure |= own.is_unsure;
        let ancestors = self.stack.iter().map(|entry| &entry.identity);
        let mut style = self.sheet.style(&identity, ancestors, &own);
        style.direct(&tag.name, tag.get("dir"));
        let is_closed_dialog = tag.name == "dialog" && !tag.has("open");
        if tag.has("hidden") || is_closed_dialog {
            style.display = Some(Display::None);
        }
        let look = self.look().inside(&tag.name, shape, &style);
        self.count_child(look);
        let is_foreign = self.scope().has(Scope::FOREIGN) || tag.name.contains(':');
        if is_void(&tag.name) || (tag.closes_itself && is_foreign) {
            self.void(tag, look, &style);
        } else if self.stack.len() >= OPEN_MAX {
            *self.skipped.entry(tag.name.clone()).or_default() += 1;
            self.is_unsure = true;
            self.stand_apart(shape.gap);
        } else {
            self.begin(tag, identity, shape, style, look);
        }
    }

    fn close(&mut self, name: &str) {
        self.is_swallowing = false;
        self.skips_line_end = false;
        if name == "br" {
            return self.void(&Tag::named("br"), self.look(), &Style::default());
        }
        if let Some(count) = self.skipped.get_mut(name).filter(|count| **count > 0) {
            *count -= 1;
            return self.stand_apart(shape(name).gap);
        }
        let shape = shape(name);
        let Some(at) = self.opened(name, shape) else {
            if shape.gap >= Gap::Line {
                self.stand_apart(shape.gap);
            }
            return;
        };
        let is_around_blocks = |entry: &OpenElement| entry.gap >= Gap::Line;
        let above = self.stack.get(at + 1..).unwrap_or_default();
        let has_no_tag = self.stack.get(at).is_some_and(|entry| entry.tag.is_none());
        if shape.is_formatting && has_no_tag && above.iter().any(is_around_blocks) {
            // The blocks that began in it continue without it.
            let entry = self.stack.remove(at);
            self.end(entry);
            self.look_again(at);
        } else {
            self.unwind(at, !shape.is_of_table);
        }
    }

    fn lost(&mut self) {
        self.is_unsure = true;
    }
}

impl Writer {
    pub(super) fn new(outline: &Outline) -> Self {
        Self {
            sheet: Sheet::read(&outline.css, !outline.has_doctype),
            reversed: outline.reversed.iter().rev().copied().collect(),
            is_unsure: outline.is_unsure,
            ..Self::default()
        }
    }

    pub(super) fn finish(mut self) -> Written {
        self.is_unsure |= self.is_swallowing;
        self.unwind(0, false);
        self.layout.finish();
        let is_unsure = self.is_unsure || self.sheet.is_unsure || self.hides_words();
        Written {
            html: self.page.finish(),
            text: self.layout.out,
            is_cut: self.layout.is_cut,
            is_unsure,
            is_marked: self.is_marked,
        }
    }

    /// Whether something is hidden that does not occur elsewhere as well; newsletters repeat the
    /// same once for each screen size.
    fn hides_words(&self) -> bool {
        let words = |text: &str| -> HashSet<String> {
            text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect()
        };
        let seen = words(&self.layout.out);
        self.hidden.len() > HIDDEN_WORDS_MAX
            || self.hidden.iter().any(|text| !words(text).is_subset(&seen) && !text.is_empty())
    }

    fn look(&self) -> Appearance {
        self.stack.last().map(|entry| entry.look).unwrap_or_default()
    }

    fn scope(&self) -> Scope {
        self.stack.last().map(|entry| entry.scope).unwrap_or_default()
    }

    fn is_between_cells(&self) -> bool {
        self.stack.last().is_some_and(|entry| entry.is_between_cells)
    }

    /// Text with the formatting of this place.
    fn say(&mut self, text: &str) {
        self.say_as(text, self.look());
    }

    fn say_as(&mut self, text: &str, look: Appearance) {
        if look.is_hidden() {
            if look.is_told() && self.hidden.len() <= HIDDEN_WORDS_MAX {
                self.hidden.extend(text.split_whitespace().map(str::to_owned));
            }
            return;
        }
        if self.is_between_cells() {
            if text.trim().is_empty() {
                return;
            }
            self.open_cell();
        }
        self.is_unsure |= look.is_rightward && is_moved_from_right_to_left(text);
        let has_words = text.contains(char::is_alphanumeric);
        self.is_marked |= has_words && (look.is_struck || look.level.depth > 0);
        let in_pre = self.stack.last().is_some_and(|entry| entry.in_pre);
        self.layout.push(text, look.space, look.is_struck, look.level);
        let mut target = "";
        // A link that wrong nesting has ended already leads nowhere.
        let mut in_link = false;
        if let Some(link) = self.link.as_mut().filter(|_| look.in_link) {
            in_link = link.is_written;
            if link.said.len() < LINK_BYTES_MAX {
                link.said.push_str(text);
            }
            target = &link.target;
        }
        let run =
            TextRun { marks: look.marks, is_struck: look.is_struck, level: look.level, in_link };
        self.page.text(text, look.space, in_pre, run, target);
    }

    fn stand_apart(&mut self, gap: Gap) {
        match gap {
            Gap::None => return,
            Gap::Blank => {
                self.layout.gap();
                self.page.gap();
            }
            Gap::Line => {
                self.layout.line();
                self.page.line();
            }
            Gap::Paragraph => {
                self.layout.paragraph();
                self.page.line();
            }
        }
        self.cleaner.edge();
    }
}
