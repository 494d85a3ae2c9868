//! Days and times as people in Germany read them.

use time::OffsetDateTime;

use crate::model::{Language, in_germany};

/// `14:05`.
pub(super) fn time_of_day(at: OffsetDateTime) -> String {
    let local = in_germany(at);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// `24.11.2026` or `24 November 2026`.
pub(super) fn date(language: Language, at: OffsetDateTime) -> String {
    let year = in_germany(at).year();
    match language {
        Language::German => format!("{}{year}", day(language, at)),
        Language::English => format!("{} {year}", day(language, at)),
    }
}

/// `24.11.` or `24 November`.
pub(super) fn day(language: Language, at: OffsetDateTime) -> String {
    let local = in_germany(at);
    match language {
        Language::German => format!("{}.{}.", local.day(), u8::from(local.month())),
        Language::English => format!("{} {}", local.day(), local.month()),
    }
}
