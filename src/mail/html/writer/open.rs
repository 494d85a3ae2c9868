//! What the beginning of an element adds.

use url::Url;

use super::{
    Appearance, Display, ElementEnd, Gap, Hiding, HtmlTable, LINK_BYTES_MAX, OpenElement, OpenLink,
    PagePosition, RADIOS_MAX, Select, Shape, Space, Style, Tag, TextRun, Writer, shape,
};
use crate::mail::{
    html::{lists::List, sheet::ElementIdentity},
    text::ODD,
};

/// Tags that may be open at once in a room; the client-server API asks clients to stop at 100.
const OPEN_TAGS_MAX: usize = 64;

impl Writer {
    /// In formulas, the position tells what is above and beside each other.
    pub(super) fn count_child(&mut self, look: Appearance) {
        let Some(parent) = self.stack.last_mut() else { return };
        parent.children += 1;
        let sign = match (parent.identity.name.as_str(), parent.children) {
            ("mfrac", 2) => "/",
            ("msup", 2) | ("msubsup", 3) => "^",
            ("msub" | "msubsup", 2) => "_",
            ("mroot", 2) => ") [",
            _ => return,
        };
        self.say_as(sign, look);
    }

    /// What encloses a piece of a formula, and the relation of several terms.
    fn formula(&mut self, tag: &Tag, parent: &str) -> Option<ElementEnd> {
        let name = tag.name.as_str();
        let notation = tag.get("notation").unwrap_or("longdiv");
        let is_root = matches!(name, "msqrt" | "mroot")
            || (name == "menclose" && notation.split_ascii_whitespace().any(|n| n == "radical"));
        // Struck, put into a box, set over and under each other, left invisible.
        self.is_unsure |= matches!(
            name,
            "menclose" | "mfenced" | "mmultiscripts" | "mover" | "munder" | "munderover"
        );
        if is_root {
            self.say("√(");
            return Some(ElementEnd::Say(if name == "mroot" { "]" } else { ")" }.to_owned()));
        }
        // Of several terms, all stand above the line.
        let is_term = matches!(parent, "mfrac" | "msup" | "msub" | "msubsup")
            && matches!(
                name,
                "mrow" | "mstyle" | "mfrac" | "mpadded" | "msup" | "msub" | "msubsup"
            );
        if is_term {
            self.say("(");
            return Some(ElementEnd::Say(")".to_owned()));
        }
        None
    }

    pub(super) fn void(&mut self, tag: &Tag, look: Appearance, style: &Style) {
        if look.hiding != Hiding::No {
            return;
        }
        match tag.name.as_str() {
            "br" => {
                self.cleaner.edge();
                self.layout.line_break();
                if !self.is_between_cells() {
                    self.page.block("<br>");
                }
            }
            "hr" => {
                if self.is_between_cells() {
                    self.open_cell();
                }
                self.cleaner.edge();
                self.layout.line();
                self.layout.push("---", Space::Collapsed, false, look.level);
                self.layout.line();
                self.page.block("<hr>");
            }
            "wbr" => self.seam(),
            "img" | "image" => self.picture(tag, look),
            "input" => self.input(tag, look),
            "area" => {
                let label = tag.get("alt").unwrap_or_default().trim();
                if let Some(target) = tag.get("href").and_then(safe_target) {
                    self.mark(&format!("[{label}] ({target})"), look);
                } else if !label.is_empty() {
                    self.mark(&format!("[{label}]"), look);
                }
            }
            name => {
                self.is_unsure |= matches!(name, "embed" | "frame");
                let is_boxed = matches!(style.display, Some(Display::Boxed | Display::Block));
                self.stand_apart(if is_boxed { Gap::Blank } else { shape(name).gap });
            }
        }
    }

    /// A place where a word may be broken: neither a blank, nor a joint between two figures.
    fn seam(&mut self) {
        let mut nothing = String::new();
        self.cleaner.push("\u{200B}", &mut nothing);
    }

    /// A substitute for what cannot be shown, apart from what is around it.
    fn mark(&mut self, mark: &str, look: Appearance) {
        self.stand_apart(Gap::Blank);
        let mut cleaned = String::new();
        self.cleaner.push(mark, &mut cleaned);
        self.say_as(&cleaned, look);
        self.stand_apart(Gap::Blank);
    }

    fn tick(&mut self, mark: &str, look: Appearance) {
        self.say_as(" ", look);
        self.mark(mark, look);
    }

    fn picture(&mut self, tag: &Tag, look: Appearance) {
        let said = [tag.get("alt"), tag.get("title")];
        let said = said.into_iter().flatten().map(str::trim).find(|said| !said.is_empty());
        match said {
            Some(said) => self.mark(&format!("[{said}]"), look),
            // Pictures that say themselves that they mean nothing, and trackers.
            None if tag.has("alt") || tag.is_speck() => self.stand_apart(Gap::Blank),
            None => self.mark("[🖼]", look),
        }
    }

    fn input(&mut self, tag: &Tag, look: Appearance) {
        let is_ticked = tag.has("checked");
        let value = tag.get("value").unwrap_or_default();
        let kind = tag.get("type").unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "checkbox" => self.tick(if is_ticked { "[x] " } else { "[ ] " }, look),
            "radio" => {
                if is_ticked {
                    self.check_radio(tag, look);
                }
                self.tick(if is_ticked { "(x) " } else { "( ) " }, look);
            }
            "hidden" | "file" => {}
            "password" => self.mark("[•••]", look),
            "image" => self.picture(tag, look),
            _ if !value.trim().is_empty() => self.mark(&format!("[{value}]"), look),
            "submit" | "reset" | "button" => {}
            _ => match tag.get("placeholder").filter(|held| !held.trim().is_empty()) {
                Some(held) => self.mark(&format!("[____ ({held})]"), look),
                None => self.mark("[____]", look),
            },
        }
    }

    /// Of the buttons of one name in a form, the last checked one counts.
    fn check_radio(&mut self, tag: &Tag, look: Appearance) {
        let Some(name) = tag.get("name").filter(|name| !name.is_empty()) else { return };
        let form = match tag.get("form") {
            Some(form) => format!("#{form}"),
            None => self.form.to_string(),
        };
        let place = self.place(look);
        if self.radios.len() >= RADIOS_MAX {
            self.is_unsure = true;
        } else if let Some(before) = self.radios.insert((form, name.to_owned()), place) {
            self.patch(before, "(x)", "( )");
        }
    }

    /// Where the next mark will be.
    fn place(&mut self, look: Appearance) -> PagePosition {
        (!look.is_hidden()).then(|| (self.page.place(), self.layout.place()))
    }

    /// Changes the first `from` behind a place into `to` of the same length.
    pub(super) fn patch(&mut self, place: PagePosition, from: &str, to: &str) {
        let Some((page, layout)) = place else { return };
        self.page.patch(page, from, to);
        self.layout.patch(layout, from, to);
    }

    /// The value of a bar, which a text cannot show.
    fn scale(&mut self, tag: &Tag) {
        let is_meter = tag.name == "meter";
        let Some(value) = tag.get("value").or(is_meter.then_some("0")) else { return };
        let max = tag.get("max").unwrap_or("1");
        let look = self.look();
        match tag.get("min").filter(|min| is_meter && min.trim() != "0") {
            Some(min) => self.mark(&format!("[{value} ({min}–{max})]"), look),
            None => self.mark(&format!("[{value}/{max}]"), look),
        }
    }

    /// Puts an element on the stack.
    pub(super) fn begin(
        &mut self,
        tag: &Tag,
        identity: ElementIdentity,
        shape: Shape,
        style: Style,
        look: Appearance,
    ) {
        let name = tag.name.as_str();
        // Content from elsewhere is not fetched, and may say something.
        self.is_unsure |= matches!(name, "audio" | "iframe" | "object" | "video")
            && (tag.has("src") || tag.has("data"))
            && !self.look().is_hidden();
        self.is_unsure |= name == "mphantom" && !self.look().is_hidden();
        let gap = self.gap_of(shape, &style);
        let is_block = gap >= Gap::Line && (shape.tag.is_some() || shape.gap < Gap::Line);
        let is_part = shape.is_of_table && name != "table";
        if self.is_between_cells() && !is_part && is_block {
            self.open_cell();
        }
        let parent = self.stack.last();
        let mut entry = OpenElement {
            scope: self.scope().inside(name),
            is_between_cells: match name {
                "table" => true,
                "thead" | "tbody" | "tfoot" | "tr" => self.has_table(),
                "td" | "th" | "caption" => false,
                _ => parent.is_some_and(|parent| parent.is_between_cells),
            },
            in_pre: parent.is_some_and(|parent| parent.in_pre),
            identity,
            shape,
            style,
            look,
            gap,
            tag: None,
            children: 0,
            end: ElementEnd::Nothing,
        };
        if look.hiding == Hiding::No {
            self.write_block(tag, &mut entry);
        }
        let is_shown = look.hiding == Hiding::No;
        self.stack.push(entry);
        if is_shown {
            self.write_words(tag);
        } else if name == "option" {
            // It may be the chosen one.
            self.option(tag);
        }
    }

    fn gap_of(&self, shape: Shape, style: &Style) -> Gap {
        let own = match style.display {
            Some(Display::Block | Display::Flex) => Gap::Line,
            Some(Display::Boxed) => Gap::Blank,
            _ if style.is_apart == Some(true) => Gap::Blank,
            _ => Gap::None,
        };
        let parent = self.stack.last().and_then(|parent| parent.style.display);
        let given = if parent == Some(Display::Flex) { Gap::Blank } else { Gap::None };
        shape.gap.max(own).max(given)
    }

    fn has_table(&self) -> bool {
        !self.tables.is_empty()
    }

    /// The cell in which a browser would show what is between cells.
    pub(super) fn open_cell(&mut self) {
        let part = self.stack.iter().rfind(|entry| entry.shape.is_of_table);
        let is_in_row = part.is_some_and(|part| part.identity.name == "tr");
        for name in ["tr", "td"].iter().skip(usize::from(is_in_row)) {
            self.begin_plain(name);
        }
    }

    pub(super) fn begin_plain(&mut self, name: &str) {
        let shape = shape(name);
        let look = self.look().inside(name, shape, &Style::default());
        let identity = ElementIdentity { name: name.to_owned(), ..ElementIdentity::default() };
        self.begin(&Tag::named(name), identity, shape, Style::default(), look);
    }

    /// Writes the tag of an element, and what separates it from its predecessor.
    fn write_block(&mut self, tag: &Tag, entry: &mut OpenElement) {
        let name = tag.name.as_str();
        let is_part = entry.shape.is_of_table && name != "table";
        let mut opening = match entry.shape.tag {
            None if entry.gap >= Gap::Line && entry.shape.gap < Gap::Line => Some("div"),
            tag => tag,
        };
        let is_folded = self.stack.last().is_some_and(|parent| parent.tag == Some("details"));
        opening = match opening {
            // What is open for its sender, no client shall fold up.
            Some("details") if tag.has("open") => Some("div"),
            Some("summary") if !is_folded => Some("div"),
            opening => opening,
        };
        opening = opening.filter(|_| match self.tables.last() {
            Some(table) if is_part => table.is_written,
            None if is_part => false,
            _ => self.tags + 4 < OPEN_TAGS_MAX,
        });
        let mut written = opening.map(|tag| format!("<{tag}>"));
        let mut label = String::new();
        match name {
            "td" | "th" => self.cell(tag, entry, opening.is_some()),
            "thead" | "tbody" | "tfoot" if self.has_table() => {
                self.tables.last_mut().into_iter().for_each(HtmlTable::group);
                self.stand_apart(entry.gap);
                entry.end = ElementEnd::RowGroup;
            }
            "tr" if self.has_table() => {
                self.tables.last_mut().into_iter().for_each(HtmlTable::row);
                self.layout.row();
                self.page.line();
                entry.end = ElementEnd::Row;
            }
            "table" => {
                self.stand_apart(Gap::Paragraph);
                self.tables.push(HtmlTable::new(opening.is_some()));
                entry.end = ElementEnd::Table;
            }
            "ul" | "ol" | "menu" | "dir" => {
                self.stand_apart(Gap::Line);
                let list = List::of(tag, entry.style.marker, self.counted.unwrap_or(1));
                opening = opening.map(|_| list.tag());
                written = opening.map(|_| list.opening());
                self.lists.push(list);
                entry.end = ElementEnd::List;
            }
            "li" => {
                self.stand_apart(Gap::Line);
                label = self.item(tag, entry);
            }
            "blockquote" => {
                self.stand_apart(Gap::Paragraph);
                self.layout.quote();
                entry.end = ElementEnd::Quote;
            }
            _ => self.stand_apart(entry.gap),
        }
        if let (Some(opening), Some(written)) = (opening, written) {
            self.page.block(&written);
            self.tags += 1;
            entry.tag = Some(opening);
            entry.in_pre |= opening == "pre";
        }
        self.skips_line_end = entry.shape.tag == Some("pre");
        self.cleaner.edge_if(entry.gap != Gap::None);
        self.page.text(&label, Space::Collapsed, false, TextRun::default(), "");
    }

    fn cell(&mut self, tag: &Tag, entry: &mut OpenElement, is_written: bool) {
        let Some(table) = self.tables.last_mut() else {
            // A browser drops the tag, and "5" and "10" would be one.
            self.say(" ");
            return;
        };
        let place = table.cell(tag);
        self.layout.cell(place.column);
        self.is_unsure |= place.is_unsure;
        if is_written {
            self.page.fillers(place.covered);
        } else {
            // Too deep for the room: there, cells are words in a row.
            self.is_unsure |= place.column > 0;
            self.page.text(" ", Space::Collapsed, false, TextRun::default(), "");
        }
        entry.end = ElementEnd::Cell(if is_written { place.wider } else { 0 });
    }

    /// Begins an item. Returns what the page has to say about its number, if a client would count
    /// in another way.
    fn item(&mut self, tag: &Tag, entry: &mut OpenElement) -> String {
        entry.end = ElementEnd::Item;
        let Some(list) = self.lists.last_mut() else {
            self.layout.item("- ");
            return String::new();
        };
        let is_other = list.adapt(tag, entry.style.marker);
        if is_other
            && let Some(parent) =
                self.stack.last_mut().filter(|e| matches!(e.end, ElementEnd::List))
            && let Some(before) = parent.tag.replace(list.tag())
        {
            self.page.block(&format!("</{before}>"));
            self.page.block(&list.opening());
        } else if is_other {
            list.has_labels = true;
        }
        let label = list.label();
        self.layout.item(&label);
        if list.has_labels { label } else { String::new() }
    }

    /// Says what an element says about itself before its content.
    fn write_words(&mut self, tag: &Tag) {
        // What is said may open a cell on top of it.
        let place = self.stack.len().saturating_sub(1);
        if self.stack.last().is_some_and(|entry| entry.style.turns(entry.look.is_rightward)) {
            // A mail program shows it backwards.
            self.is_unsure = true;
            self.say(&ODD.to_string());
        }
        let end = match tag.name.as_str() {
            "q" => {
                self.say("\"");
                ElementEnd::Say("\"".to_owned())
            }
            "rt" => {
                self.say("(");
                ElementEnd::Say(")".to_owned())
            }
            "abbr" | "acronym" | "dfn" => match tag.get("title").map(str::trim) {
                Some(long) if !long.is_empty() => ElementEnd::Say(format!(" ({long})")),
                _ => return,
            },
            "a" => match tag.get("href").and_then(safe_target) {
                Some(target) => {
                    let is_written = !is_of_client(&target);
                    // One that is still open around it, as within a button: its target is told here.
                    self.end_link(self.look());
                    self.link = Some(OpenLink { target, is_written, said: String::new() });
                    if let Some(entry) = self.stack.last_mut() {
                        entry.look.in_link = true;
                    }
                    ElementEnd::Link
                }
                None => return,
            },
            "select" => {
                let is_multiple = tag.has("multiple");
                let is_open = tag.number("size").is_some_and(|lines| lines > 1);
                self.selects.push(Select { is_multiple, is_open, ..Select::default() });
                ElementEnd::Select
            }
            "optgroup" => {
                if let Some(select) = self.selects.last_mut() {
                    select.is_disabled = tag.has("disabled");
                }
                self.say(&format!("{} ", tag.get("label").unwrap_or_default()));
                ElementEnd::OptionGroup
            }
            "form" => {
                self.forms += 1;
                self.form = self.forms;
                ElementEnd::Form
            }
            "meter" | "progress" => return self.scale(tag),
            "option" => return self.option(tag),
            _ => {
                let parent = place.checked_sub(1).and_then(|at| self.stack.get(at));
                let parent = parent.map(|entry| entry.identity.name.clone()).unwrap_or_default();
                match self.formula(tag, &parent) {
                    Some(end) => end,
                    None => return,
                }
            }
        };
        if let Some(entry) = self.stack.get_mut(place) {
            entry.end = end;
        }
    }

    fn option(&mut self, tag: &Tag) {
        let is_chosen = tag.has("selected");
        let look = self.look();
        let place = self.place(look);
        let Some(select) = self.selects.last_mut() else { return };
        let mark = match (select.is_multiple, is_chosen) {
            (true, true) => "[x] ",
            (true, false) => "[ ] ",
            (false, true) => "(x) ",
            (false, false) => "( ) ",
        };
        if !select.is_disabled && !tag.has("disabled") {
            select.first.get_or_insert(place);
        }
        // Of several, the last one counts.
        let before = if is_chosen { select.chosen.replace(place) } else { None };
        if let Some(before) = before.filter(|_| !select.is_multiple) {
            self.patch(before, "(x)", "( )");
        }
        self.tick(mark, look);
        if let Some(label) = tag.get("label") {
            self.say(label);
        }
    }
}

/// Links to users and rooms. In place of their words, clients show the target.
fn is_of_client(target: &str) -> bool {
    let Ok(url) = Url::parse(target) else { return false };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let is_within = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let place = url.fragment().unwrap_or_default().trim_start_matches('/').to_ascii_lowercase();
    let signs = ["@", "!", "#", "+", "%40", "%21", "%23"];
    is_within("matrix.to")
        || is_within("element.io")
        || signs.iter().any(|sign| place.starts_with(sign))
}

impl OpenLink {
    pub(super) fn says_its_target(&self) -> bool {
        let bare = |text: &str| {
            let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
            let schemes = ["https://", "http://", "mailto:", "tel:"];
            let stripped = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
            stripped.unwrap_or(&text).to_owned()
        };
        bare(&self.said) == bare(&self.target)
    }
}

/// The target as a client will follow it, if it is one that a room may show. `Url` writes hosts in
/// ASCII, so that a Cyrillic `а` is seen.
fn safe_target(href: &str) -> Option<String> {
    let url = Url::parse(href.trim()).ok()?;
    let is_safe = matches!(url.scheme(), "http" | "https" | "mailto" | "tel");
    (is_safe && url.as_str().len() <= LINK_BYTES_MAX).then(|| url.into())
}
