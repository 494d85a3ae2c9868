//! What a body says, without what it repeats for clients that know no relations.

use serde_json::Value;

use super::{text, tidy};
use crate::model::Words;

/// What a body may carry for clients that know no relations.
#[derive(Clone, Copy)]
pub(super) struct Fallbacks {
    pub(super) of_correction: bool,
    /// Whether it may repeat what it answers. Of a correction only its own message would tell.
    pub(super) of_reply: bool,
}

pub(super) fn words(content: &Value, fallbacks: Fallbacks) -> Words {
    let mut body = tidy(text(content, "body").unwrap_or_default());
    let mut html = text(content, "formatted_body")
        .filter(|_| text(content, "format") == Some("org.matrix.custom.html"))
        .map(tidy);
    let is_marked = html.as_deref().is_some_and(|html| html.trim_start().starts_with("<mx-reply"));
    if fallbacks.of_reply {
        body = without_reply_fallback(body, is_marked);
        html = html.map(without_html_reply_fallback);
    }
    if fallbacks.of_correction
        && let Some(corrected) = body.strip_prefix("* ")
    {
        body = corrected.to_owned();
        html = None;
    }
    Words { body, html }
}

/// Until Matrix 1.13 an answer repeated what it answers, as lines with `> ` and the sender in
/// angle brackets: its id, or what some bridges call it. A quotation that a person typed lacks the
/// sender, and stays. `is_marked`: the HTML says that there is such a repetition.
fn without_reply_fallback(body: String, is_marked: bool) -> String {
    let first = body.lines().next().unwrap_or_default();
    let Some(quoted) = first.strip_prefix('>').map(str::trim_start) else { return body };
    let named = quoted.strip_prefix("* ").unwrap_or(quoted).strip_prefix('<');
    let name = named.and_then(|named| named.split_once('>')).map(|(name, _)| name);
    let mut lines = body.lines().skip_while(|line| line.starts_with('>')).peekable();
    let is_apart = lines.next_if(|line| line.trim().is_empty()).is_some();
    let is_repetition = match name {
        Some(name) if name.starts_with('@') && name.contains(':') => true,
        // "<5 mg>" is nobody's name.
        Some(name) => is_apart && name.chars().next().is_some_and(char::is_alphabetic),
        None => false,
    };
    if is_repetition || is_marked { lines.collect::<Vec<_>>().join("\n") } else { body }
}

/// The same for HTML: an `mx-reply` element at the very start.
fn without_html_reply_fallback(html: String) -> String {
    match html.split_once("</mx-reply>") {
        Some((before, rest)) if before.trim_start().starts_with("<mx-reply") => rest.to_owned(),
        _ => html,
    }
}
