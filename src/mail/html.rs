//! HTML of strangers, reduced to what a room may show.
//!
//! The output is not the input with bad things removed; it is written anew, from an allow-list,
//! and every text and every link in it is escaped by us. A mistake in reading can therefore show
//! too little or too much text, and never run anything. The reader makes one pass over the source
//! and builds no tree: mails can nest tags deeper than a stack, and tree builders repair some of
//! them in quadratic time.

use mail_parser::decoders::html::add_html_token;
use url::Url;

use super::text::json_len;

/// Bytes of a body part that are read. What is cut has long left the limits of a post.
pub const HTML_SOURCE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of HTML as a JSON string; longer HTML is left out, since the text says the same. See
/// [`super::TEXT_BYTES_MAX`] for the sum.
pub const HTML_BYTES_MAX: usize = 18_000;

/// Tags that may be open at once; the client-server API asks clients to stop at 100.
const OPEN_TAGS_MAX: usize = 64;

/// Longest target of a link; longer ones carry a tracker or an attack, and are shown as text only.
const LINK_BYTES_MAX: usize = 1_000;

/// The tags of the client-server API (`m.room.message`, `formatted_body`) that carry no reference
/// to anything. `a` and `br` are treated on their own; `img` gives its alternative text, `span`
/// and `font` only their content.
const ALLOWED: [&str; 33] = [
    "b",
    "blockquote",
    "caption",
    "code",
    "del",
    "details",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "i",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];

/// Tags whose content is no text for people, and in which no other tag starts.
const RAW: [&str; 8] =
    ["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

/// Tags whose content is left out, with all tags in it.
const DROPPED: [&str; 6] = ["datalist", "math", "object", "select", "svg", "template"];

/// HTML made harmless, and the same as text.
#[derive(Debug)]
pub(super) struct Rendered {
    /// `None` when it would be longer than [`HTML_BYTES_MAX`].
    pub(super) html: Option<String>,
    pub(super) text: String,
}

/// Reduces HTML to the subset that Matrix clients may show.
///
/// No style, class, script or event handler; no image, remote or embedded, so no tracking pixel;
/// links to `http`, `https`, `mailto` and `tel` only, with their real target beside them when
/// their text says anything else.
pub(super) fn render(source: &str) -> Rendered {
    let mut writer = Writer::default();
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at_checked(at).unwrap_or((rest, ""));
        writer.text(text);
        rest = match Markup::read(tag) {
            Some((Markup::Open(tag), after)) if RAW.contains(&tag.name.as_str()) => {
                after_raw(after, &tag.name)
            }
            Some((Markup::Open(tag), after)) => {
                writer.open(&tag);
                after
            }
            Some((Markup::Close(name), after)) => {
                writer.close(&name);
                after
            }
            Some((Markup::Other, after)) => after,
            None => {
                writer.text("<");
                tag.strip_prefix('<').unwrap_or_default()
            }
        };
    }
    writer.text(rest);
    writer.finish()
}

struct Tag {
    name: String,
    href: Option<String>,
    alt: Option<String>,
}

enum Markup {
    Open(Tag),
    Close(String),
    /// A comment, a declaration, or what the end of the source cut off.
    Other,
}

impl Markup {
    /// Reads what starts at a `<`, and gives what follows it. `None`: the `<` is only a character.
    fn read(source: &str) -> Option<(Self, &str)> {
        let inner = source.strip_prefix('<')?;
        if let Some(comment) = inner.strip_prefix("!--") {
            return Some((Self::Other, comment.split_once("-->").map_or("", |(_, after)| after)));
        }
        if inner.starts_with(['!', '?']) {
            return Some((Self::Other, inner.split_once('>').map_or("", |(_, after)| after)));
        }
        let (is_close, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let (name, mut rest) =
            split_before(inner, |c| c.is_ascii_whitespace() || c == '/' || c == '>');
        let mut tag = Tag { name: name.to_ascii_lowercase(), href: None, alt: None };
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if let Some(after) = rest.strip_prefix('>') {
                return Some((
                    if is_close { Self::Close(tag.name) } else { Self::Open(tag) },
                    after,
                ));
            }
            if rest.is_empty() {
                return Some((Self::Other, ""));
            }
            rest = tag.attribute(rest);
        }
    }
}

impl Tag {
    /// Reads one attribute; always takes at least one character.
    fn attribute<'a>(&mut self, source: &'a str) -> &'a str {
        let (name, after) = split_before(source, |c| c.is_ascii_whitespace() || "/>=".contains(c));
        let Some(value) = after.trim_ascii_start().strip_prefix('=') else { return after };
        let value = value.trim_ascii_start();
        let quoted = ['"', '\''].into_iter().find_map(|q| value.strip_prefix(q).map(|v| (q, v)));
        let (value, rest) = match quoted {
            Some((quote, value)) => value.split_once(quote).unwrap_or((value, "")),
            None => split_before(value, |c| c.is_ascii_whitespace() || c == '>'),
        };
        let slot = if name.eq_ignore_ascii_case("href") {
            &mut self.href
        } else if name.eq_ignore_ascii_case("alt") {
            &mut self.alt
        } else {
            return rest;
        };
        // Of two, browsers take the first.
        slot.get_or_insert_with(|| entities(value));
        rest
    }
}

fn split_before(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.find(ends).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

/// What follows the end tag of an element whose content is not markup.
fn after_raw<'a>(source: &'a str, name: &str) -> &'a str {
    let mut rest = source;
    while let Some((_, after)) = rest.split_once("</") {
        let is_end = after.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && after.get(name.len()..).is_some_and(|end| !end.starts_with(char::is_alphanumeric));
        if is_end {
            return after.split_once('>').map_or("", |(_, after)| after);
        }
        rest = after;
    }
    ""
}

/// `&auml;`, `&#228;` and `&#xE4;` as the characters they stand for.
fn entities(text: &str) -> String {
    /// `&CounterClockwiseContourIntegral;` has 33.
    const ENTITY_BYTES_MAX: usize = 34;
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        decoded.push_str(before);
        let end = from.bytes().take(ENTITY_BYTES_MAX).position(|b| b == b';').map(|end| end + 1);
        let entity = end.and_then(|end| from.split_at_checked(end));
        rest = match entity {
            Some((entity, after)) => {
                add_html_token(&mut decoded, entity.as_bytes(), false);
                after
            }
            None => {
                decoded.push('&');
                from.strip_prefix('&').unwrap_or_default()
            }
        };
    }
    decoded.push_str(rest);
    decoded
}

#[derive(Default)]
struct Writer {
    html: String,
    html_is_full: bool,
    text: TextWriter,
    open: Vec<String>,
    /// Items counted so far in each open `ol`; `None` for `ul`.
    lists: Vec<Option<usize>>,
    link: Option<Link>,
    /// The element whose content is being left out, and how many of that name are open.
    dropping: Option<(String, usize)>,
}

struct Link {
    target: String,
    said: String,
}

impl Writer {
    fn text(&mut self, source: &str) {
        if self.dropping.is_some() || source.is_empty() {
            return;
        }
        let decoded = entities(source);
        let cleaned: String = super::text::plain_lines(&decoded)
            .chars()
            .map(|c| if c == '\u{A0}' { ' ' } else { c })
            .collect();
        let is_pre = self.open.iter().any(|tag| tag == "pre");
        self.text.push(&cleaned, is_pre);
        if let Some(link) = &mut self.link
            && link.said.len() < LINK_BYTES_MAX
        {
            link.said.push_str(&cleaned);
        }
        let html = if is_pre { escape(&cleaned) } else { escape(&collapse(&cleaned)) };
        self.html(&html);
    }

    fn open(&mut self, tag: &Tag) {
        let name = tag.name.as_str();
        if let Some((dropped, count)) = &mut self.dropping {
            if dropped == name {
                *count += 1;
            }
            return;
        }
        match name {
            "br" => {
                self.text.line_break();
                self.html("<br>");
            }
            "hr" => {
                self.text.line();
                self.text.push("---", false);
                self.text.line();
                self.html("<hr>");
            }
            "img" => {
                if let Some(alt) = tag.alt.as_deref().filter(|alt| !alt.trim().is_empty()) {
                    self.text(&format!("[{}]", escape(alt)));
                }
            }
            "a" => {
                self.close_link();
                if let Some(target) = tag.href.as_deref().and_then(safe_target) {
                    self.html(&format!("<a href=\"{}\">", escape(&target)));
                    self.link = Some(Link { target, said: String::new() });
                }
            }
            _ if DROPPED.contains(&name) => self.dropping = Some((tag.name.clone(), 1)),
            _ if ALLOWED.contains(&name) => self.open_allowed(name),
            _ => {}
        }
    }

    fn open_allowed(&mut self, name: &str) {
        // These end when the next of their kind starts, unless a list or table lies between.
        let ends = match name {
            "li" => ["ul", "ol"].as_slice(),
            "tr" => &["table"],
            "td" | "th" => &["tr", "table"],
            "p" => &["div", "li", "td", "th", "blockquote"],
            _ => &[],
        };
        if !ends.is_empty() {
            let since = self.open.iter().rposition(|tag| ends.contains(&tag.as_str()));
            let siblings = self.open.get(since.map_or(0, |at| at + 1)..).unwrap_or_default();
            if siblings.iter().any(|tag| tag == name) {
                self.close(name);
            }
        }
        if self.open.len() >= OPEN_TAGS_MAX {
            return;
        }
        match name {
            "ul" => self.lists.push(None),
            "ol" => self.lists.push(Some(0)),
            _ => {}
        }
        match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "pre" | "table" => {
                self.text.paragraph();
            }
            "div" | "ul" | "ol" | "tr" | "caption" | "details" | "summary" => self.text.line(),
            "td" | "th" => self.text.cell(),
            "li" => {
                self.text.line();
                let mark = match self.lists.last_mut() {
                    Some(Some(count)) => {
                        *count += 1;
                        format!("{count}. ")
                    }
                    _ => "- ".to_owned(),
                };
                self.text.push(&mark, true);
            }
            _ => {}
        }
        self.open.push(name.to_owned());
        self.html(&format!("<{name}>"));
    }

    fn close(&mut self, name: &str) {
        if let Some((dropped, count)) = &mut self.dropping {
            if dropped == name {
                *count -= 1;
                if *count == 0 {
                    self.dropping = None;
                }
            }
            return;
        }
        if name == "a" {
            self.close_link();
        }
        if !self.open.iter().any(|tag| tag == name) {
            return;
        }
        self.close_link();
        while let Some(tag) = self.open.pop() {
            if matches!(tag.as_str(), "ul" | "ol") {
                self.lists.pop();
            }
            match tag.as_str() {
                "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "pre" | "table" => {
                    self.text.paragraph();
                }
                "div" | "ul" | "ol" | "tr" | "li" | "caption" => self.text.line(),
                _ => {}
            }
            self.html(&format!("</{tag}>"));
            if tag == name {
                break;
            }
        }
    }

    fn close_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.html("</a>");
        if !link.says_its_target() {
            let note = format!(" ({})", link.target);
            self.text.push(&note, false);
            self.html(&escape(&note));
        }
    }

    fn html(&mut self, piece: &str) {
        if self.html.len() + piece.len() > HTML_BYTES_MAX {
            self.html_is_full = true;
        }
        if !self.html_is_full {
            self.html.push_str(piece);
        }
    }

    fn finish(mut self) -> Rendered {
        self.dropping = None;
        self.close_link();
        while let Some(tag) = self.open.last().cloned() {
            self.close(&tag);
        }
        let fits = !self.html_is_full && json_len(&self.html) <= HTML_BYTES_MAX;
        Rendered { html: fits.then(|| self.html.trim().to_owned()), text: self.text.out }
    }
}

impl Link {
    fn says_its_target(&self) -> bool {
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

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c != ' ' || !collapsed.ends_with(' ') {
            collapsed.push(c);
        }
    }
    collapsed
}

/// Puts text together as a browser lays it out: white space is one space, blocks are lines.
#[derive(Default)]
struct TextWriter {
    out: String,
    /// Line ends to write before the next word.
    due_lines: usize,
    due_space: bool,
}

impl TextWriter {
    fn push(&mut self, text: &str, verbatim: bool) {
        if verbatim {
            self.settle();
            self.out.push_str(text);
            return;
        }
        self.due_space |= text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            self.settle();
            self.out.push_str(word);
            self.due_space = true;
        }
        self.due_space = text.ends_with(char::is_whitespace) || (text.is_empty() && self.due_space);
    }

    fn line(&mut self) {
        self.due_lines = self.due_lines.max(1);
    }

    /// A second one in a row makes an empty line; more are not worth the room.
    fn line_break(&mut self) {
        self.due_lines = (self.due_lines + 1).min(2);
    }

    fn paragraph(&mut self) {
        self.due_lines = 2;
    }

    fn cell(&mut self) {
        if self.due_lines == 0 && !self.out.is_empty() {
            self.out.push('\t');
            self.due_space = false;
        }
    }

    fn settle(&mut self) {
        if self.out.is_empty() {
            self.due_lines = 0;
        }
        if self.due_lines > 0 {
            self.out.push_str(if self.due_lines == 1 { "\n" } else { "\n\n" });
        } else if self.due_space && !self.out.is_empty() && !self.out.ends_with(char::is_whitespace)
        {
            self.out.push(' ');
        }
        self.due_lines = 0;
        self.due_space = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, html: &str, text: &str) {
        let rendered = render(source);
        assert_eq!(rendered.html.as_deref(), Some(html), "{source}");
        assert_eq!(rendered.text, text, "{source}");
    }

    #[test]
    fn formatting_stays_and_its_attributes_go() {
        check(
            "<p class=x style='color:red' onclick=\"evil()\">Guten <b>Tag</b></p>",
            "<p>Guten <b>Tag</b></p>",
            "Guten Tag",
        );
        check("<span data-mx-color=red>a</span><font size=9>b</font>", "ab", "ab");
    }

    #[test]
    fn scripts_and_styles_are_gone_with_their_content() {
        check("a<script>alert('</p>')</script>b", "ab", "ab");
        check("a<STYLE>@import url(http://x)</sTyLe >b", "ab", "ab");
        check("<title>t</title><svg><script>x</script><g onload=e()></svg>b", "b", "b");
        check("a<script>never closed <b>x</b>", "a", "a");
        check("<scr<script>ipt>alert(1)</script>", "ipt&gt;alert(1)", "ipt>alert(1)");
        check("<iframe src=http://x><b>y</b></iframe>z<object data=x>y</object>", "z", "z");
    }

    #[test]
    fn no_image_is_loaded_and_its_words_stay() {
        check("<img src=http://x/pixel.gif width=1 height=1>a", "a", "a");
        check(
            "<img src='cid:1' alt='Logo &amp; &lt;Co&gt;'>",
            "[Logo &amp; &lt;Co&gt;]",
            "[Logo & <Co>]",
        );
        check("<img src=data:image/png;base64,xx onerror=e()>a", "a", "a");
        check(
            "<body background=http://x><table background=http://x><tr><td>a</table>",
            "<table><tr><td>a</td></tr></table>",
            "a",
        );
        check(
            "<video poster=http://x src=http://y></video><link rel=stylesheet href=http://x>a",
            "a",
            "a",
        );
    }

    #[test]
    fn a_link_shows_where_it_leads() {
        check(
            "<a href='https://evil.example/x' title='bank'>https://bank.de</a>",
            "<a href=\"https://evil.example/x\">https://bank.de</a> (https://evil.example/x)",
            "https://bank.de (https://evil.example/x)",
        );
        check(
            "<a href=https://a.de/>a.de</a> <a href='mailto:x@a.de'>x@a.de</a> <a href=tel:+4930>+4930</a>",
            "<a href=\"https://a.de/\">a.de</a> <a href=\"mailto:x@a.de\">x@a.de</a> <a href=\"tel:+4930\">+4930</a>",
            "a.de x@a.de +4930",
        );
        // A Cyrillic а.
        check(
            "<a href='https://b\u{430}nk.de/'>Bank</a>",
            "<a href=\"https://xn--bnk-6cd.de/\">Bank</a> (https://xn--bnk-6cd.de/)",
            "Bank (https://xn--bnk-6cd.de/)",
        );
        check(
            "<a href=https://a.de><img src=x></a>",
            "<a href=\"https://a.de/\"></a> (https://a.de/)",
            "(https://a.de/)",
        );
    }

    #[test]
    fn links_that_run_or_read_something_are_only_text() {
        for href in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " &#106;avascript:alert(1)",
            "java&#x09;script:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html;base64,PHNjcmlwdD4=",
            "vbscript:x",
            "file:///etc/passwd",
            "cid:1",
            "matrix:u/a:b",
            "//evil.example",
            "relative",
            "",
        ] {
            check(&format!("<a href=\"{href}\">x</a>"), "x", "x");
        }
        check(&format!("<a href=\"https://x/{}\">x</a>", "a".repeat(LINK_BYTES_MAX)), "x", "x");
    }

    #[test]
    fn attributes_cannot_break_out() {
        check(
            "<a href='https://x/\"><script>alert(1)</script>'>x</a>",
            "<a href=\"https://x/%22%3E%3Cscript%3Ealert(1)%3C/script%3E\">x</a> \
             (https://x/%22%3E%3Cscript%3Ealert(1)%3C/script%3E)",
            "x (https://x/%22%3E%3Cscript%3Ealert(1)%3C/script%3E)",
        );
        check("<img alt='\"><script>x' src=y>", "[&quot;&gt;&lt;script&gt;x]", "[\"><script>x]");
        check(
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "<script>alert(1)</script>",
        );
        check("<!-- <b>x</b> --><![CDATA[y]]><?php z ?>a", "a", "a");
        check("<p title=\"", "", "");
        check(
            "1 < 2 && 3 > 2 &nosuch; &",
            "1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;nosuch; &amp;",
            "1 < 2 && 3 > 2 &nosuch; &",
        );
    }

    #[test]
    fn the_output_is_closed_whatever_is_left_open() {
        check("<b><i>x</b>y", "<b><i>x</i></b>y", "xy");
        check("</p></div>x<ul><li>a<li>b", "x<ul><li>a</li><li>b</li></ul>", "x\n- a\n- b");
        check(
            "<ol><li>a<ul><li>b</ul><li>c</ol>",
            "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>",
            "1. a\n- b\n2. c",
        );
    }

    #[test]
    fn the_text_is_laid_out_as_a_browser_would() {
        check(
            "<html><head><title>x</title></head><body>\n<div>Sehr  geehrte\nFrau&nbsp;M&uuml;ller,</div>\
             <div><br></div><div>Zeile 1<br>Zeile 2</div><p>Absatz</p>\
             <table><tr><td>Hb</td><td>12,3</td></tr><tr><td>CRP</td><td>5</td></tr></table></body></html>",
            "<div>Sehr geehrte Frau Müller,</div><div><br></div><div>Zeile 1<br>Zeile 2</div><p>Absatz</p>\
             <table><tr><td>Hb</td><td>12,3</td></tr><tr><td>CRP</td><td>5</td></tr></table>",
            "Sehr geehrte Frau Müller,\n\nZeile 1\nZeile 2\n\nAbsatz\n\nHb\t12,3\nCRP\t5",
        );
        check("<pre>a\n  b</pre>c", "<pre>a\n  b</pre>c", "a\n  b\n\nc");
    }

    #[test]
    fn html_that_is_too_long_is_left_out_and_its_text_stays() {
        let rendered = render(&"<p>Absatz</p>".repeat(3_000));
        assert_eq!(rendered.html, None);
        assert!(rendered.text.starts_with("Absatz\n\nAbsatz"));
    }

    #[test]
    fn deep_and_endless_markup_takes_no_longer_than_other() {
        // Enough to never end, were the time quadratic.
        let half = HTML_SOURCE_BYTES_MAX / 16;
        for source in [
            "<div>".repeat(half / 5),
            "<b a=1><p>".repeat(half / 10),
            format!("<a {}>", "b ".repeat(half / 2)),
            "<".repeat(half),
            "</".repeat(half / 2),
            "<!--".repeat(half / 4),
            "<script></".repeat(half / 10),
            "&".repeat(half),
            "<a href=\"".repeat(half / 9),
            "<ul><li>".repeat(half / 8),
        ] {
            let rendered = render(&source);
            assert!(rendered.html.is_none_or(|html| html.len() <= HTML_BYTES_MAX));
        }
    }
}
