//! The sections `[channel.tray]` and `[channel.hours]`.

use std::time::Duration;

use super::reader::Section;
use crate::{
    channel::TrayProfile,
    model::{DaySpan, OpeningHours},
    phrases::AdminPhrase,
};

/// From Monday on.
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The zone in which everything is shown, and the only one.
const ZONE: &str = "Europe/Berlin";

/// Reads both sections of a channel.
pub(super) fn read(channel: &Section<'_, '_>) -> TrayProfile {
    let tray = channel.section("tray");
    let default = TrayProfile::default();
    let announce = tray.flag("announce");
    let remind = tray.whole("remind_minutes", 1..=10_080).map(|m| Duration::from_secs(60 * m));
    tray.close();
    TrayProfile {
        announce: announce.unwrap_or(default.announce),
        remind_after: remind,
        hours: hours(&channel.section("hours")),
    }
}

/// Nothing where there is no such section: then a practice is open always. With the section, a day that it
/// leaves out is one on which the practice is closed.
fn hours(section: &Section<'_, '_>) -> Option<OpeningHours> {
    let days = DAYS.map(|day| section.texts(day, span).unwrap_or_default());
    section.text("zone", |text| {
        let allowed = || AdminPhrase::AllowedForms { names: format!("{ZONE:?}") };
        if text == ZONE { Ok(()) } else { Err(allowed()) }
    });
    section.close();
    section.is_there().then_some(OpeningHours { days })
}

fn span(text: &str) -> Result<DaySpan, AdminPhrase> {
    DaySpan::new(text)
        .map_err(|_| AdminPhrase::AllowedForms { names: "\"08:00-12:30\", \"14:00-24:00\"".into() })
}
