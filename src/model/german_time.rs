//! What clocks in Germany show.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset, Weekday};

/// The same instant in German local time.
///
/// Summer time runs from the last Sunday of March to the last Sunday of October, each at 01:00 UTC
/// (directive 2000/84/EC, articles 2 to 4). A rule of two lines, so no table of time zones.
pub fn in_germany(at: OffsetDateTime) -> OffsetDateTime {
    let utc = at.to_offset(UtcOffset::UTC);
    let starts = last_sunday_at_one(utc.year(), Month::March);
    let ends = last_sunday_at_one(utc.year(), Month::October);
    let is_summer = starts.is_some_and(|start| utc >= start) && ends.is_some_and(|end| utc < end);
    let hours = if is_summer { 2 } else { 1 };
    match UtcOffset::from_hms(hours, 0, 0) {
        Ok(offset) => utc.checked_to_offset(offset).unwrap_or(utc),
        Err(_) => utc,
    }
}

fn last_sunday_at_one(year: i32, month: Month) -> Option<OffsetDateTime> {
    let last_day = Date::from_calendar_date(year, month, month.length(year)).ok()?;
    let sunday = match last_day.weekday() {
        Weekday::Sunday => last_day,
        _ => last_day.prev_occurrence(Weekday::Sunday),
    };
    Some(sunday.with_time(Time::from_hms(1, 0, 0).ok()?).assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn summer_time_begins_and_ends_on_the_last_sunday() {
        let check = |utc: OffsetDateTime, hour: u8, minute: u8| {
            let local = in_germany(utc);
            assert_eq!((local.hour(), local.minute()), (hour, minute), "{utc}");
        };
        check(datetime!(2026-01-15 12:00 UTC), 13, 0);
        check(datetime!(2026-07-15 12:00 UTC), 14, 0);
        check(datetime!(2026-03-29 00:59 UTC), 1, 59);
        check(datetime!(2026-03-29 01:00 UTC), 3, 0);
        check(datetime!(2026-10-25 00:59 UTC), 2, 59);
        check(datetime!(2026-10-25 01:00 UTC), 2, 0);
        check(datetime!(2027-10-31 01:00 UTC), 2, 0);
        check(datetime!(2026-12-31 23:30 +5), 19, 30);
    }
}
