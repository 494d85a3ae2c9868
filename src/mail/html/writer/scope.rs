//! Which element a tag closes, and what the end of an element adds.

use super::{
    Appearance, ElementEnd, Gap, Hiding, HtmlTable, OpenElement, REOPENED_MAX, Scope, Shape, Space,
    TextRun, Writer,
};

impl Writer {
    /// Closes the elements that end where an element of this name begins.
    pub(super) fn end_implied(&mut self, name: &str, shape: Shape) {
        let scope = self.scope();
        match name {
            "li" if scope.has(Scope::LI) => self.close_through(&["li"]),
            "dd" | "dt" if scope.has(Scope::DD) => self.close_through(&["dd", "dt"]),
            "option" | "optgroup" if scope.has(Scope::OPTION) => self.close_through(&["option"]),
            "rt" | "rp" | "rb" if scope.has(Scope::RT) => self.close_through(&["rt", "rb"]),
            "a" if scope.has(Scope::A) => self.close_through(&["a"]),
            "button" if scope.has(Scope::BUTTON) => self.close_through(&["button"]),
            "td" | "th" if scope.has(Scope::TABLE) => {
                self.close_to(&["tr", "thead", "tbody", "tfoot", "table"]);
                let top = self.stack.last().map(|entry| entry.identity.name.as_str());
                if top != Some("tr") {
                    self.begin_plain("tr");
                }
            }
            "tr" if scope.has(Scope::TABLE) => {
                self.close_to(&["thead", "tbody", "tfoot", "table"]);
            }
            "thead" | "tbody" | "tfoot" | "caption" | "colgroup" if scope.has(Scope::TABLE) => {
                self.close_to(&["table"]);
            }
            _ => {}
        }
        if name == "optgroup" && self.scope().has(Scope::OPTGROUP) {
            self.close_through(&["optgroup"]);
        }
        if shape.gap >= Gap::Line && self.scope().has(Scope::P) {
            self.close_through(&["p"]);
        }
    }

    fn close_through(&mut self, names: &[&str]) {
        let is_one = |entry: &OpenElement| names.contains(&entry.identity.name.as_str());
        if let Some(at) = self.stack.iter().rposition(is_one) {
            self.unwind(at, true);
        }
    }

    fn close_to(&mut self, names: &[&str]) {
        let is_one = |entry: &OpenElement| names.contains(&entry.identity.name.as_str());
        if let Some(at) = self.stack.iter().rposition(is_one) {
            self.unwind(at + 1, false);
        }
    }

    /// The element that an end tag of this name closes.
    pub(super) fn opened(&self, name: &str, shape: Shape) -> Option<usize> {
        let is_word = shape.gap < Gap::Line && !shape.is_formatting;
        for (at, entry) in self.stack.iter().enumerate().rev() {
            let open = entry.identity.name.as_str();
            if open == name || (entry.shape.is_heading && shape.is_heading) {
                return Some(at);
            }
            let is_barred = if shape.is_of_table {
                open == "table"
            } else {
                entry.shape.is_boundary
                    || (is_word && entry.shape.gap >= Gap::Line)
                    || (name == "li" && matches!(open, "ul" | "ol"))
            };
            if is_barred {
                return None;
            }
        }
        None
    }

    /// Closes everything from the place `at` of the stack on. Formatting elements in it that were
    /// not closed continue after it, if it `reopens`.
    pub(super) fn unwind(&mut self, at: usize, reopens: bool) {
        let mut going_on: Vec<OpenElement> = Vec::new();
        while self.stack.len() > at {
            let is_target = self.stack.len() == at + 1;
            let Some(entry) = self.stack.pop() else { return };
            let name = entry.identity.name.as_str();
            let goes_on = reopens
                && !is_target
                && entry.shape.is_formatting
                && entry.tag.is_none()
                && entry.look.hiding == Hiding::No
                && going_on.len() < REOPENED_MAX
                && going_on.iter().filter(|other| other.identity.name == name).count() < 3;
            if goes_on {
                going_on.push(entry);
            } else {
                self.end(entry);
            }
        }
        let from = self.stack.len();
        self.stack.extend(going_on.into_iter().rev());
        self.look_again(from);
    }

    /// Works out again how words look in the elements from this place on.
    pub(super) fn look_again(&mut self, from: usize) {
        let parent = from.checked_sub(1).and_then(|at| self.stack.get(at));
        let (mut look, mut scope, mut in_pre, mut is_between) = parent
            .map_or((Appearance::default(), Scope::default(), false, false), |entry| {
                (entry.look, entry.scope, entry.in_pre, entry.is_between_cells)
            });
        for entry in self.stack.iter_mut().skip(from) {
            let name = entry.identity.name.as_str();
            look = look.inside(name, entry.shape, &entry.style);
            look.in_link |= matches!(entry.end, ElementEnd::Link);
            scope = scope.inside(name);
            in_pre |= entry.tag == Some("pre");
            if !entry.shape.is_of_table {
                entry.is_between_cells = is_between;
            }
            is_between = entry.is_between_cells;
            (entry.look, entry.scope, entry.in_pre) = (look, scope, in_pre);
        }
    }

    /// Writes the end of an element that has left the stack.
    pub(super) fn end(&mut self, entry: OpenElement) {
        if entry.look.hiding != Hiding::No {
            return;
        }
        let mut fillers = 0;
        match entry.end {
            ElementEnd::Nothing => {}
            ElementEnd::Say(text) => self.say_as(&text, entry.look),
            ElementEnd::Link => self.end_link(entry.look),
            ElementEnd::List => _ = self.lists.pop(),
            ElementEnd::Item => self.layout.item_end(),
            ElementEnd::Quote => self.layout.quote_end(),
            ElementEnd::Table => _ = self.tables.pop(),
            ElementEnd::RowGroup => self.tables.last_mut().into_iter().for_each(HtmlTable::group),
            ElementEnd::Row => self.layout.row_end(),
            ElementEnd::Cell(wider) => {
                self.layout.cell_end();
                fillers = wider;
            }
            ElementEnd::Select => {
                let select = self.selects.pop().unwrap_or_default();
                // A browser chooses the first if the letter does not choose.
                let is_left_open = select.is_multiple || select.is_open || select.chosen.is_some();
                if let Some(first) = select.first.filter(|_| !is_left_open) {
                    self.patch(first, "( )", "(x)");
                }
            }
            ElementEnd::OptionGroup => {
                if let Some(select) = self.selects.last_mut() {
                    select.is_disabled = false;
                }
            }
            ElementEnd::Form => self.form = 0,
        }
        if let Some(tag) = entry.tag {
            self.page.block(&format!("</{tag}>"));
            self.tags = self.tags.saturating_sub(1);
            self.page.fillers(fillers);
        }
        match entry.gap {
            Gap::Line => self.layout.line(),
            Gap::Paragraph => self.layout.paragraph(),
            Gap::Blank => self.layout.gap(),
            Gap::None => {}
        }
        if entry.tag.is_none() {
            match entry.gap {
                Gap::None => {}
                Gap::Blank => self.page.gap(),
                Gap::Line | Gap::Paragraph => self.page.line(),
            }
        }
        self.cleaner.edge_if(entry.gap != Gap::None);
    }

    /// The real target is put beside a link whose words say anything else.
    pub(super) fn end_link(&mut self, look: Appearance) {
        let Some(link) = self.link.take() else { return };
        if link.says_its_target() || look.is_hidden() {
            return;
        }
        let note = format!(" ({})", link.target);
        self.layout.push(&note, Space::Collapsed, false, look.level);
        self.page.text(&note, Space::Collapsed, false, TextRun::default(), "");
    }
}
