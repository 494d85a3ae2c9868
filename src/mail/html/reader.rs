//! The tokens of a letter's HTML, read by the rules that browsers follow (WHATWG).

use std::{collections::BTreeMap, ops::Range};

use html5gum::{
    Error, Span, State, Tokenizer,
    emitters::callback::{Callback, CallbackEmitter, CallbackEvent},
};

use super::{
    elements::is_known,
    sheet::{changes_something, is_for_screens},
};

/// The attributes that are read.
const WANTED: [&str; 33] = [
    "alt",
    "checked",
    "class",
    "colspan",
    "data",
    "close",
    "dir",
    "disabled",
    "face",
    "form",
    "height",
    "hidden",
    "href",
    "id",
    "label",
    "max",
    "media",
    "min",
    "multiple",
    "name",
    "notation",
    "open",
    "placeholder",
    "reversed",
    "rowspan",
    "selected",
    "size",
    "src",
    "start",
    "style",
    "title",
    "type",
    "value",
];

/// An opening tag.
#[derive(Debug, Default)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) closes_itself: bool,
    attributes: Vec<(&'static str, String)>,
    width: Option<String>,
    has_values: bool,
}

impl Tag {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A number as browsers read it: up to what is none of its figures.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?.trim_ascii_start();
        let (sign, figures) = match value.strip_prefix('-') {
            Some(figures) => (-1, figures),
            None => (1, value.strip_prefix('+').unwrap_or(value)),
        };
        let end = figures.find(|c: char| !c.is_ascii_digit()).unwrap_or(figures.len());
        let figures = figures.get(..end).filter(|figures| !figures.is_empty())?;
        Some(sign * figures.parse().unwrap_or(i64::MAX))
    }

    /// A picture of this size is not a picture but a tracker or a spacer.
    pub(super) fn is_speck(&self) -> bool {
        let sides = [self.width.as_deref(), self.get("height")];
        sides.into_iter().flatten().any(|side| {
            side.trim().trim_end_matches("px").parse::<f32>().is_ok_and(|side| side <= 3.0)
        })
    }
}

/// The receiver of the tokens.
pub(super) trait Listener {
    fn text(&mut self, text: &str);
    fn open(&mut self, tag: &Tag);
    fn close(&mut self, name: &str);
    /// It is read by today's rules, not by those of old pages, provided nothing precedes this.
    fn doctype(&mut self) {}
    /// Some words of the source are in none of the tokens.
    fn lost(&mut self);
}

/// Reads `source` in one pass.
pub(super) fn read(source: &str, listener: &mut impl Listener) {
    let reader = HtmlReader {
        source,
        listener,
        tag: None,
        attribute: None,
        begun: 0,
        last_ends: BTreeMap::new(),
    };
    let mut tokenizer = Tokenizer::new_with_emitter(source, CallbackEmitter::new(reader));
    // The only tokens are the states that a tag asks for; reading out of memory cannot fail.
    while let Some(Ok(state)) = tokenizer.next() {
        tokenizer.set_state(state);
    }
}

struct HtmlReader<'s, L> {
    source: &'s str,
    listener: &'s mut L,
    tag: Option<(Tag, usize)>,
    /// The place in `Tag::attributes` of the one whose value may come.
    attribute: Option<AttributeSlot>,
    /// Up to where the source was delivered.
    begun: usize,
    /// Where the last end tag of a name is; looked for once.
    last_ends: BTreeMap<String, Option<usize>>,
}

#[derive(Clone, Copy)]
enum AttributeSlot {
    Listed(usize),
    Width,
    Other,
}

impl<L: Listener> Callback<State, usize> for HtmlReader<'_, L> {
    fn handle_event(&mut self, event: CallbackEvent<'_>, span: Span<usize>) -> Option<State> {
        match event {
            CallbackEvent::Error(error) => {
                self.error(error);
                return None;
            }
            CallbackEvent::OpenStartTag { name } => {
                let name = String::from_utf8_lossy(name);
                self.tag = Some((Tag::named(&name), span.start));
                return None;
            }
            CallbackEvent::AttributeName { name } => {
                self.attribute_name(&String::from_utf8_lossy(name));
                return None;
            }
            CallbackEvent::AttributeValue { value } => {
                self.attribute_value(&String::from_utf8_lossy(value));
                return None;
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                self.begun = span.end;
                let (mut tag, start) = self.tag.take()?;
                tag.closes_itself = self_closing;
                return self.start_tag(&tag, start..span.end);
            }
            CallbackEvent::EndTag { name } => {
                self.listener.close(&String::from_utf8_lossy(name));
            }
            CallbackEvent::String { value } => {
                self.listener.text(&String::from_utf8_lossy(value));
            }
            CallbackEvent::Comment { value } => {
                let value = String::from_utf8_lossy(value);
                let source = self.source.get(span.start..).unwrap_or_default();
                // Word processors write `<![if …]>` around what is to be shown, and `<?xml … ?>`.
                // Everything else that is read as a comment without being one was meant as words.
                let is_meant = ["<!--", "<?", "<![if", "<![endif"];
                if !is_meant.iter().any(|begin| source.starts_with(begin)) && has_words(&value) {
                    self.listener.lost();
                }
            }
            CallbackEvent::Doctype { name, public_identifier, system_identifier, force_quirks } => {
                let public = String::from_utf8_lossy(public_identifier.unwrap_or_default());
                let has_system = system_identifier.is_some();
                if name == b"html" && !force_quirks && !is_old(&public, has_system) {
                    self.listener.doctype();
                }
            }
        }
        self.begun = self.begun.max(span.end);
        None
    }
}

impl<L: Listener> HtmlReader<'_, L> {
    fn attribute_name(&mut self, name: &str) {
        let Some((tag, _)) = &mut self.tag else { return };
        self.attribute = Some(match WANTED.iter().find(|wanted| **wanted == name) {
            // Of two, browsers take the first.
            Some(wanted) if !tag.has(wanted) => {
                tag.attributes.push((wanted, String::new()));
                AttributeSlot::Listed(tag.attributes.len() - 1)
            }
            None if name == "width" && tag.width.is_none() => AttributeSlot::Width,
            _ => AttributeSlot::Other,
        });
    }

    fn attribute_value(&mut self, value: &str) {
        let Some((tag, _)) = &mut self.tag else { return };
        tag.has_values = true;
        let mut is_shown = false;
        match self.attribute.take() {
            Some(AttributeSlot::Listed(at)) => {
                if let Some((name, slot)) = tag.attributes.get_mut(at) {
                    is_shown = matches!(*name, "alt" | "value");
                    value.clone_into(slot);
                }
            }
            Some(AttributeSlot::Width) => tag.width = Some(value.to_owned()),
            Some(AttributeSlot::Other) | None => {}
        }
        // A missing quotation mark makes an attribute of the words that follow.
        let holds_tags = value
            .match_indices('<')
            .any(|(at, _)| value.get(at + 1..).is_some_and(|rest| rest.starts_with(is_of_tag)));
        if holds_tags && !is_shown && has_words(value) {
            self.listener.lost();
        }
    }

    /// The state in which the tag's content is to be read.
    fn start_tag(&mut self, tag: &Tag, place: Range<usize>) -> Option<State> {
        if !is_known(&tag.name) && !tag.has_values {
            // A person's words in angle brackets: `<siehe Anlage>`.
            self.listener.text(self.source.get(place).unwrap_or_default());
            return None;
        }
        self.listener.open(tag);
        let state = match tag.name.as_str() {
            "textarea" | "title" => State::RcData,
            "plaintext" => State::PlainText,
            "script" => State::ScriptData,
            // Not `noscript`: a mail program runs no scripts.
            "style" | "iframe" | "xmp" | "noembed" | "noframes" => State::RawText,
            _ => return None,
        };
        // XHTML writes `<title/>`. By the rules all that follows would be the title; mail programs
        // take it for what was meant.
        if tag.closes_itself && !self.ends_after(&tag.name, place.end) {
            self.listener.close(&tag.name);
            return None;
        }
        Some(state)
    }

    /// Whether an end tag of this name follows after a place.
    fn ends_after(&mut self, name: &str, place: usize) -> bool {
        let last = self.last_ends.entry(name.to_owned()).or_insert_with(|| {
            let (source, end) = (self.source.as_bytes(), format!("</{name}"));
            let mut starts = memchr::memrchr_iter(b'<', source);
            starts.find(|at| {
                source
                    .get(*at..at + end.len())
                    .is_some_and(|tag| tag.eq_ignore_ascii_case(end.as_bytes()))
            })
        });
        last.is_some_and(|last| last >= place)
    }

    fn error(&mut self, error: Error) {
        match error {
            // The source ends within a tag or comment.
            Error::EofInTag
            | Error::EofInComment
            | Error::EofInCdata
            | Error::EofInScriptHtmlCommentLikeText
                if has_words(self.source.get(self.begun..).unwrap_or_default()) =>
            {
                self.listener.lost();
            }
            _ => {}
        }
    }
}

/// Whether a doctype is one of those with which browsers read a page by old rules (HTML §13.2.6.4.1):
/// all before HTML 4, and HTML 4 itself without an address.
fn is_old(public: &str, has_system: bool) -> bool {
    let public = public.to_ascii_lowercase();
    let is_begun = |begin: &[&str]| begin.iter().any(|begin| public.starts_with(begin));
    let is_xhtml = is_begun(&["-//w3c//dtd xhtml "]);
    let is_html_4 =
        is_begun(&["-//w3c//dtd html 4.01 transitional//", "-//w3c//dtd html 4.01 frameset//"]);
    let is_strict = is_begun(&["-//w3c//dtd html 4.01//"]);
    match public.as_str() {
        "" => false,
        _ if is_xhtml || is_strict => false,
        _ if is_html_4 => !has_system,
        _ => true,
    }
}

fn is_of_tag(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '/'
}

fn has_words(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// What has to be known about a letter before its first word is written.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The style sheets, which apply to what precedes them as well.
    pub(super) css: String,
    /// The items of each list that counts backwards.
    pub(super) reversed: Vec<i64>,
    /// A sheet that may apply strikes something out.
    pub(super) is_unsure: bool,
    /// It begins with a doctype of today.
    pub(super) has_doctype: bool,
    is_begun: bool,
    /// Whether the sheet being read applies, if that is known.
    applies: Option<bool>,
    in_style: bool,
    /// The open lists: their names, and their place in `reversed`.
    lists: Vec<(String, Option<usize>)>,
    /// Lists that are open in them and are too deep to be counted.
    deeper: usize,
}

/// Lists within lists that are counted.
const LISTS_MAX: usize = 64;

/// Whether the items of this list are counted in [`Outline::reversed`].
pub(super) fn counts_backwards(tag: &Tag) -> bool {
    tag.name == "ol" && tag.has("reversed")
}

impl Outline {
    pub(super) fn of(source: &str) -> Self {
        let mut outline = Self::default();
        let lower = source.to_ascii_lowercase();
        if lower.contains("<style") || lower.contains("reversed") {
            read(source, &mut outline);
        }
        outline
    }
}

impl Listener for Outline {
    fn doctype(&mut self) {
        self.has_doctype |= !self.is_begun;
    }

    fn text(&mut self, text: &str) {
        self.is_begun |= !text.trim().is_empty();
        if !self.in_style {
            return;
        }
        self.is_unsure |= self.applies.is_none() && changes_something(text);
        if self.applies == Some(true) {
            self.css.push_str(text);
            self.css.push('\n');
        }
    }

    fn open(&mut self, tag: &Tag) {
        self.is_begun = true;
        self.in_style = tag.name == "style";
        if self.in_style {
            let kind = tag.get("type").unwrap_or_default().trim();
            let is_css = kind.is_empty() || kind.eq_ignore_ascii_case("text/css");
            self.applies = if is_css {
                is_for_screens(tag.get("media").unwrap_or_default())
            } else {
                Some(false)
            };
        }
        match tag.name.as_str() {
            "ol" | "ul" | "menu" | "dir" => {
                let is_counted = counts_backwards(tag);
                if self.lists.len() < LISTS_MAX {
                    let place = is_counted.then_some(self.reversed.len());
                    self.lists.push((tag.name.clone(), place));
                } else {
                    self.deeper += 1;
                }
                if is_counted {
                    self.reversed.push(0);
                }
            }
            "li" => {
                if let Some((_, Some(list))) = self.lists.last().filter(|_| self.deeper == 0)
                    && let Some(count) = self.reversed.get_mut(*list)
                {
                    *count += 1;
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        self.in_style = false;
        if !matches!(name, "ol" | "ul" | "menu" | "dir") {
            return;
        }
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if let Some(at) = self.lists.iter().rposition(|(open, _)| open == name) {
            self.lists.truncate(at);
        }
    }

    fn lost(&mut self) {}
}
