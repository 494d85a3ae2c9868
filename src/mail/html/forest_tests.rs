//! Trees at random, well formed and broken: no word vanishes, none joins its neighbour.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Elements that are separated from their neighbours, wherever they are.
const BLOCKS: [&str; 30] = [
    "p",
    "div",
    "table",
    "tr",
    "td",
    "th",
    "tbody",
    "caption",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "h1",
    "dl",
    "dt",
    "dd",
    "section",
    "form",
    "center",
    "fieldset",
    "legend",
    "br",
    "hr",
    "address",
    "details",
    "summary",
    "button",
    "object",
    "svg",
];

const INLINE: [&str; 21] = [
    "b", "i", "s", "del", "ins", "sup", "sub", "span", "font", "a", "u", "code", "q", "em",
    "label", "abbr", "o:p", "small", "nobr", "noscript", "ruby",
];

const STYLES: [&str; 8] = [
    "",
    " style='text-decoration:line-through'",
    " style='vertical-align:super'",
    " style='white-space:pre'",
    " style='display:block'",
    " style='display:inline-block'",
    " class=weg",
    " colspan=2 rowspan=2 href='https://a.example/' title=\"x>y\"",
];

#[derive(Debug, Clone)]
enum ForestPiece {
    Word,
    Open(usize, usize),
    Close(usize),
    Inline(usize, usize),
    InlineEnd(usize),
    Blank,
    Odd(usize),
}

const ODD: [&str; 8] =
    ["<!-- x -->", "&shy;", "&#8203;", "<wbr>", "\n", "&nbsp;", "<img alt=''>", "<![if !x]>"];

fn piece() -> impl Strategy<Value = ForestPiece> {
    prop_oneof![
        4 => Just(ForestPiece::Word),
        4 => (0..BLOCKS.len(), 0..STYLES.len()).prop_map(|(at, style)| ForestPiece::Open(at, style)),
        3 => (0..BLOCKS.len()).prop_map(ForestPiece::Close),
        2 => (0..INLINE.len(), 0..STYLES.len()).prop_map(|(at, style)| ForestPiece::Inline(at, style)),
        2 => (0..INLINE.len()).prop_map(ForestPiece::InlineEnd),
        1 => Just(ForestPiece::Blank),
        1 => (0..ODD.len()).prop_map(ForestPiece::Odd),
    ]
}

/// The source, and its words. Two words have a blank or a block's tag between them.
fn source(pieces: &[ForestPiece]) -> (String, Vec<String>) {
    let mut source = "<style>.weg{text-decoration:line-through}</style>".to_owned();
    let mut words = Vec::new();
    let mut is_apart = true;
    for piece in pieces {
        match piece {
            ForestPiece::Word => {
                if !is_apart {
                    source.push(' ');
                }
                let word = format!("7{}9", words.len());
                source.push_str(&word);
                words.push(word);
                is_apart = false;
            }
            ForestPiece::Open(at, style) => {
                source.push_str(&format!("<{}{}>", BLOCKS[*at], STYLES[*style]));
                is_apart = true;
            }
            ForestPiece::Close(at) => {
                // End tags of what is not a block on its own close nothing a reader would see.
                source.push_str(&format!("</{}>", BLOCKS[*at]));
                is_apart |=
                    !matches!(BLOCKS[*at], "td" | "th" | "button" | "object" | "svg" | "hr");
            }
            ForestPiece::Inline(at, style) => {
                source.push_str(&format!("<{}{}>", INLINE[*at], STYLES[*style]));
            }
            ForestPiece::InlineEnd(at) => source.push_str(&format!("</{}>", INLINE[*at])),
            ForestPiece::Blank => {
                source.push(' ');
                is_apart = true;
            }
            ForestPiece::Odd(at) => source.push_str(ODD[*at]),
        }
    }
    (source, words)
}

/// The words of our own HTML, as a client shows them; fails if it is not well formed.
fn shown(html: &str) -> String {
    let mut open: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        let is_block = !matches!(
            name,
            "a" | "b" | "strong" | "i" | "em" | "u" | "code" | "del" | "sup" | "sub"
        );
        if is_block {
            text.push(' ');
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{html}");
        } else if !matches!(name, "br" | "hr") {
            let parent = open.last().map(String::as_str);
            let is_placed = match name {
                "td" | "th" => parent == Some("tr"),
                "tr" => matches!(parent, Some("table" | "thead" | "tbody")),
                "thead" | "tbody" | "caption" => parent == Some("table"),
                _ => !matches!(parent, Some("table" | "thead" | "tbody" | "tr")),
            };
            assert!(is_placed, "{name} in {parent:?}: {html}");
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{html}");
    text.push_str(rest);
    text
}

fn words(text: &str) -> HashSet<&str> {
    text.split(|c: char| !c.is_ascii_digit()).collect()
}

fn check(pieces: &[ForestPiece]) {
    let (source, wanted) = source(pieces);
    let rendered = render(&source);
    let html = rendered.html.as_deref().map(shown);
    for text in [Some(rendered.text.as_str()), html.as_deref()].into_iter().flatten() {
        let found = words(text);
        for word in &wanted {
            assert!(found.contains(word.as_str()), "{word} of {source}\nin {text:?}");
        }
    }
    assert!(!rendered.is_unsure, "{source}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn b03_no_word_of_a_tree_vanishes_or_joins_its_neighbour(
        pieces in prop::collection::vec(piece(), 0..60),
    ) {
        check(&pieces);
    }

    /// Whatever it is, it is read, its HTML is well formed, and a second reading changes nothing.
    #[test]
    fn any_markup_is_read(source in r#"([<>/!a-z "'=&;#-]|<(b|td|tr|table|p|s|li|ol|select|option|style|title|svg)|\PC){0,120}"#) {
        let rendered = render(&source);
        if let Some(html) = &rendered.html {
            shown(html);
            let again = render(html);
            prop_assert_eq!(again.html.as_ref().map(|html| shown(html)), Some(shown(html)));
        }
    }
}

/// A blank at the beginning of a line counts for nothing, whatever ends the line before it.
#[test]
fn no_line_begins_with_a_blank() {
    for source in ["5<tr/> 10", "5<tr></tr> 10", "5<br> 10", "5<tr> 10</tr>"] {
        let rendered = render(source);
        assert_eq!(rendered.html.as_deref(), Some("5<br>10"), "{source}");
        assert_eq!(rendered.text, "5\n10", "{source}");
    }
}

/// Two megabytes of anything, also in a build without optimisation.
#[test]
fn no_html_takes_long() {
    for piece in [
        "<a href=http://x/>",
        "<",
        "&",
        "&#",
        "<!--",
        "<li>",
        "<ol><li>",
        "<p>",
        "<div>",
        "<a href=\"",
        "</a>",
        "<script>",
        "<script></",
        "<svg>",
        "<svg></svg>",
        "<td>",
        "<table><tr>",
        "<pre>",
        "\u{A0}",
        "a ",
        "<img alt='&lt;'>",
        "<b x=y z='",
        "<a b>",
        "</",
        "<hr>",
        "<br>",
        "<s><p></p>",
        "<s><div>",
        "</s></div>",
        "<table><td colspan=1000 rowspan=1000>x",
        "<blockquote>x<br>",
        "<sup>x<sub>y",
        "<select><option>x",
        "<span style='display:none'>x",
        "<foo bar>",
        "<![CDATA[x",
        "<ol reversed><li>",
        "<style>*{",
        "<style>a,</style><a>",
        "<table><tr><td>x<br>y<td>x<br>y",
        "<table><tr><td>x<br>y<td>x<br>y</table>",
        "<tr><td>x<br>y<td>x<br>y<br>z",
        "<table><td><input type=radio name=a checked><br>x<td>",
        "<td>x<br>y",
        "<table><td colspan=50><td>",
        "<td colspan=50 rowspan=9><tbody>",
        "<table><tr><td><br><blockquote>",
        "&rlm;",
        "<bdo dir=rtl>x - 5",
    ] {
        let begin = if piece.starts_with("<td") { "<table><tr>" } else { "" };
        let source = begin.to_owned() + &piece.repeat(HTML_SOURCE_BYTES_MAX / 16 / piece.len());
        let begun = std::time::Instant::now();
        let rendered = render(&source);
        let took = begun.elapsed();
        assert!(took.as_secs() < 10, "{piece:?} took {took:?}");
        assert!(rendered.html.is_none_or(|html| html.len() <= HTML_BYTES_MAX));
    }
}

/// Nor does a sheet whose rules fit nearly everywhere.
#[test]
fn l139_no_selector_takes_long() {
    for rule in ["div > div div", "div div > div", "b > div > div", "* * > *"] {
        let selector = vec![rule; 100].join(" ");
        let css = format!("{selector} b{{color:red;text-decoration:none}}").repeat(100);
        let words = "<b>x</b>".repeat(HTML_SOURCE_BYTES_MAX / 256);
        let source = format!("<style>{css}</style>{}{words}", "<div>".repeat(250));
        let begun = std::time::Instant::now();
        render(&source);
        let took = begun.elapsed();
        assert!(took.as_secs() < 10, "{rule:?} took {took:?}");
    }
}
