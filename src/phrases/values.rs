//! What is put into sentences: moments, numbers, and what other people wrote.

use fluent_bundle::{FluentArgs, FluentValue};
use time::OffsetDateTime;

use super::{
    Phrases,
    local_time::{date, day, time_of_day},
};
use crate::model::Language;

/// The values `day` and `time`.
pub(super) fn moment(language: Language, at: OffsetDateTime) -> FluentArgs<'static> {
    let values = [("day", day(language, at)), ("time", time_of_day(at))];
    values.map(|(name, value)| (name, FluentValue::from(value))).into_iter().collect()
}

/// What is said of a letter whose words are not: why, and what its head says.
pub(super) fn unseen(
    language: Language,
    why: &'static str,
    sender: Option<&str>,
    at: Option<OffsetDateTime>,
) -> FluentArgs<'static> {
    let day = at.map_or_else(|| "none".to_owned(), |at| date(language, at));
    let time = at.map(time_of_day).unwrap_or_default();
    [
        ("why", FluentValue::from(why)),
        ("sender", FluentValue::from(one_line(sender.unwrap_or("none")))),
        ("day", FluentValue::from(day)),
        ("time", FluentValue::from(time)),
    ]
    .into_iter()
    .collect()
}

/// A number shown digit by digit, without grouping: `Vorgang 1234`.
pub(super) fn whole(number: u64) -> FluentValue<'static> {
    FluentValue::from(number.to_string())
}

/// A number that chooses between singular and plural.
pub(super) fn count(number: u64) -> FluentValue<'static> {
    FluentValue::from(number)
}

/// A character, or its number if nothing would be seen.
pub(super) fn sign_shown(sign: char) -> String {
    let is_seen = !sign.is_control() && !matches!(sign, '\u{202D}' | '\u{202E}');
    if is_seen { sign.to_string() } else { format!("U+{:04X}", u32::from(sign)) }
}

/// What other people wrote, where a sentence quotes it: nothing in it ends the quotation, so that no name of
/// a file goes on in the gateway's own words.
pub(super) fn quoted(text: &str) -> String {
    one_line(text).replace(['„', '“', '”', '‟', '«', '»', '"'], "'")
}

/// On one line, without control characters, at most [`Phrases::FOREIGN_TEXT_MAX`] characters.
pub(super) fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(Phrases::FOREIGN_TEXT_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}
