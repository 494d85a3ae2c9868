//! The words of a body, without what it repeats for clients that know no relations.

use serde_json::Value;

use super::{text, tidy};
use crate::{mail::body_of_message, model::Words};

/// What a body may carry for clients that know no relations.
#[derive(Clone, Copy)]
pub(super) struct Fallbacks {
    pub(super) of_correction: bool,
    /// Whether it may repeat what it answers. For a correction, only its own message would tell.
    pub(super) of_reply: bool,
}

pub(super) fn words(content: &Value, fallbacks: Fallbacks) -> Words {
    let mut body = tidy(text(content, "body").unwrap_or_default());
    let mut html = text(content, "formatted_body")
        .filter(|_| text(content, "format") == Some("org.matrix.custom.html"))
        .map(tidy);
    let is_marked = html.as_deref().is_some_and(|html| html.trim_start().starts_with("<mx-reply"));
    if fallbacks.of_reply {
        body = without_reply_fallback(body, html.as_deref().filter(|_| is_marked));
        html = html.map(without_html_reply_fallback);
    }
    if fallbacks.of_correction
        && let Some(corrected) = body.strip_prefix("* ")
    {
        body = corrected.to_owned();
        html = None;
    }
    if let Some(html) = &html {
        body = tidy(&body_of_message(body, html));
    }
    Words { body, html }
}

/// Words that correct something and answer nothing.
pub(super) fn plain_words(content: &Value) -> String {
    words(content, Fallbacks { of_correction: false, of_reply: false }).body
}

/// Until Matrix 1.13 an answer repeated what it answers, as lines with `> ` and the sender in angle
/// brackets: its id, or the name that some bridges give it. A quotation that a person typed lacks
/// the sender, and stays. In doubt, a repetition leaves rather than words are lost. `marked`: the
/// HTML, if it says that there is such a repetition.
fn without_reply_fallback(body: String, marked: Option<&str>) -> String {
    let first = body.lines().next().unwrap_or_default();
    let Some(quoted) = first.strip_prefix('>').map(str::trim_start) else { return body };
    let named = quoted.strip_prefix("* ").unwrap_or(quoted).strip_prefix('<');
    let named = named.and_then(|named| named.split_once('>'));
    let mut lines = body.lines().skip_while(|line| line.starts_with('>')).peekable();
    let is_apart = lines.next_if(|line| line.trim().is_empty()).is_some();
    let is_repetition = match (named, marked) {
        (Some((name, _)), _) if name.starts_with('@') && name.contains(':') => true,
        // The HTML has a quotation after the repetition, and the text has only one: that one.
        (_, Some(html)) if quotes_by_itself(html) => {
            lines.peek().is_some_and(|line| line.starts_with('>'))
        }
        (_, Some(_)) => true,
        (Some((name, said)), None) => is_apart && !said.trim().is_empty() && is_name(name),
        (None, None) => false,
    };
    if is_repetition { lines.collect::<Vec<_>>().join("\n") } else { body }
}

/// Whether what a bridge may have written is a person's name: "Ärztin Öz (Station 4)", but not "5
/// mg", "Kalium 6,8 mmol/l" or "Befund".
fn is_name(name: &str) -> bool {
    let (name, _) = name.split_once('(').unwrap_or((name, ""));
    let words = name.split_whitespace();
    words.clone().count() > 1
        && words.clone().all(|word| word.starts_with(char::is_uppercase))
        && !name.contains(char::is_numeric)
}

fn quotes_by_itself(html: &str) -> bool {
    html.split_once("</mx-reply>")
        .is_some_and(|(_, rest)| rest.trim_start().starts_with("<blockquote"))
}

/// The same for HTML: an `mx-reply` element at the very start.
fn without_html_reply_fallback(html: String) -> String {
    match html.split_once("</mx-reply>") {
        Some((before, rest)) if before.trim_start().starts_with("<mx-reply") => rest.to_owned(),
        _ => html,
    }
}
