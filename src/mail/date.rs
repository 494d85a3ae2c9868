//! When a mail was written.

use mail_parser::{HeaderValue, parsers::MessageStream};
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use super::header::unfold;

/// When a mail was written. `None` if its zone is missing or uncertain: saying no time is true, and
/// shortly before midnight another zone means another day.
pub(super) fn date(value: &[u8]) -> Option<OffsetDateTime> {
    let mut words: Vec<String> = unfold(value).split_whitespace().map(usual_word).collect();
    let at = words.iter().position(|word| is_time(word))?;
    let mut behind = words.split_off(at + 1).into_iter();
    let zone = minutes_east(&behind.next()?)?;
    // Then comments may follow, nothing else.
    let mut rest = behind.collect::<Vec<_>>().join(" ");
    while let Some((_, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        rest = after.trim_start().to_owned();
    }
    if !rest.is_empty() {
        return None;
    }
    let line = format!("{} +0000\n", words.join(" "));
    let date = match MessageStream::new(line.as_bytes()).parse_date() {
        HeaderValue::DateTime(date) => date,
        _ => return None,
    };
    let month = Month::try_from(date.month).ok()?;
    let day = Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
    // A leap second has no place in our clocks.
    let time = Time::from_hms(date.hour, date.minute, date.second.min(59)).ok()?;
    let offset = UtcOffset::from_whole_seconds(zone * 60).ok()?;
    // Before mail existed, and what Postgres and RFC 3339 cannot name.
    (1970..=9998).contains(&date.year).then(|| day.with_time(time).assume_offset(offset))
}

/// `13:13:04`, and nothing else.
fn is_time(word: &str) -> bool {
    let figures: Vec<&str> = word.split(':').collect();
    let is_figure = |f: &&str| (1..=2).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit());
    figures.len() == 3 && figures.iter().all(is_figure)
}

/// How far a zone is ahead of UTC: as the standard writes it (RFC 5322 §3.3 and §4.3), by the names
/// in use here, or as JavaScript does (`GMT+0100`). A bare name is ambiguous: `IST`.
fn minutes_east(zone: &str) -> Option<i32> {
    let zone = zone.to_ascii_uppercase();
    let (zone, comment) = zone.split_once('(').map_or((zone.as_str(), ")"), |(z, c)| (z, c));
    // A comment without a blank before it, but with blanks inside, goes on in the next words.
    if !comment.ends_with(')') {
        return None;
    }
    let hours = match zone {
        "GMT" | "UT" | "UTC" | "Z" | "WET" => 0,
        "CET" | "MEZ" => 1,
        "CEST" | "MESZ" => 2,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => {
            let named = ["GMT", "UTC"].iter().find_map(|name| zone.strip_prefix(name));
            let (sign, figures) = match named.unwrap_or(zone).split_at_checked(1)? {
                ("+", figures) => (1, figures),
                ("-", figures) => (-1, figures),
                _ => return None,
            };
            let figures = figures.replacen(':', "", 1);
            if !figures.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let (hours, minutes) = match (figures.len(), named) {
                (4, _) => figures.split_at_checked(2)?,
                (1 | 2, Some(_)) => (figures.as_str(), "0"),
                _ => return None,
            };
            let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
            // No zone is farther from UTC.
            return (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes));
        }
    };
    Some(hours * 60)
}

/// Some servers of the telematics infrastructure write their dates in German (`15 Dez 2022`), and
/// the seconds may be missing (RFC 5322 §3.3).
fn usual_word(word: &str) -> String {
    match word.to_lowercase().trim_end_matches('.') {
        "mär" | "mrz" | "märz" => "Mar".to_owned(),
        "mai" => "May".to_owned(),
        "okt" => "Oct".to_owned(),
        "dez" => "Dec".to_owned(),
        time if time.matches(':').count() == 1
            && time.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            format!("{word}:00")
        }
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_also_in_german_and_with_obsolete_zones() {
        for (text, expected) in [
            ("Fri, 9 Sep 2022 15:47:00 +0200", Some("2022-09-09T15:47:00+02:00")),
            ("Do, 15 Dez 2022 08:01:02 +0100 (CET)", Some("2022-12-15T08:01:02+01:00")),
            ("23 Nov 26 13:13 GMT", Some("2026-11-23T13:13:00Z")),
            ("Mon, 31 Feb 2026 00:00:00 +0000", None),
            ("gestern", None),
            ("", None),
        ] {
            let format = time::format_description::well_known::Rfc3339;
            let actual = date(text.as_bytes()).map(|date| date.format(&format).unwrap());
            assert_eq!(actual.as_deref(), expected, "{text}");
        }
    }

    /// Midnight in Berlin, or nothing said.
    #[test]
    fn the_time_a_letter_was_written_is_right_or_not_said() {
        let of = |time: &str| date(format!("Tue, 24 Nov 2026 {time}").as_bytes());
        for time in [
            "00:00:00 CET",
            "00:00:00 MEZ",
            "00:00 mez",
            "01:00:00 CEST",
            "00:00:00 +0100 (CET)",
            "00:00:00 +0100 (Mitteleuropäische Zeit) (x)",
            "00:00:00 +0100(CET)",
            "00:00:00 +01:00",
            "00:00:00 GMT+0100",
            "00:00:00 GMT+0100 (MEZ)",
            "00:00:00 UTC+1",
            "00:00:00 UTC+01:00",
        ] {
            assert_eq!(of(time).map(|t| t.unix_timestamp()), Some(1_795_474_800), "{time}");
        }
        for time in [
            "00:00:00",
            "00:00",
            "00:00:00 +100",
            "00:00:00 +01000",
            "00:00:00 +1",
            "00:00:00 +0160",
            "00:00:00 +9900",
            "00:00:00 0100",
            "00:00:00 A",
            "00:00:00 IST",
            "00:00:00 MEZZ",
            "00:00:00 Europe/Berlin",
            "00:00:00 CET DST",
            "11:00:00 PM +0000",
            "11:00:00PM +0000",
            "11:00:00 +0000 PM",
            "00:00:00 (x) CET",
        ] {
            assert_eq!(of(time), None, "{time}");
        }
    }
}
