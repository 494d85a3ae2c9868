//! When a mail was written.

use std::ops::RangeInclusive;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use super::header::unfold;

/// When a mail was written: as the standard writes it (RFC 5322 §3.3 and §4.3), or in another form
/// that leaves no doubt. `None` for every other form (`11/12/2026` is two days), and if its zone is
/// missing or uncertain: saying no time is true, and shortly before midnight another zone means
/// another day.
pub(super) fn date(value: &[u8]) -> Option<OffsetDateTime> {
    let text = without_comments(&unfold(value))?;
    let is_between = |c: char| c.is_whitespace() || c == ',';
    let words: Vec<&str> = text.split(is_between).filter(|word| !word.is_empty()).collect();
    let text = words.join(" ").replace(" :", ":").replace(": ", ":");

    let (before, _) = text.split_once(':')?;
    let (day, clock) = text.split_at_checked(before.rfind(|c: char| !c.is_ascii_digit())?)?;
    // ISO 8601 writes a letter between them.
    let clock = clock.strip_prefix([' ', 'T', 't'])?;
    let is_of_clock = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.');
    let (clock, zone) = clock.split_at_checked(clock.find(|c| !is_of_clock(c))?)?;

    let (day, time) = (day_of(day)?, time_of(clock)?);
    let offset = UtcOffset::from_whole_seconds(minutes_east(zone.trim_start())? * 60).ok()?;
    // Before mail existed, and what Postgres and RFC 3339 cannot name.
    (1970..=9998).contains(&day.year()).then(|| day.with_time(time).assume_offset(offset))
}

/// A text with a blank for each comment, which may hold others (RFC 5322 §3.2.2). `None` if one does
/// not end.
fn without_comments(text: &str) -> Option<String> {
    let mut outside = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                outside.push(' ');
            }
            '\\' if depth > 0 => drop(chars.next()),
            c if depth == 0 => outside.push(c),
            _ => {}
        }
    }
    (depth == 0).then_some(outside)
}

/// `Mon 23 Nov 2026`, with and without its weekday, which may be of any language. Beside it what
/// people and programs write: `23. November 2026`, `Nov 23 2026`, `23-Nov-2026`, `23.11.2026` and
/// `2026-11-23`.
fn day_of(text: &str) -> Option<Date> {
    let mut words: Vec<&str> = text.split(' ').collect();
    if matches!(words.len(), 2 | 4) {
        let weekday = words.remove(0);
        let letters = weekday.strip_suffix('.').unwrap_or(weekday);
        if letters.is_empty() || !letters.chars().all(char::is_alphabetic) {
            return None;
        }
    }
    let full_year = |year| number(year, 4..=4);
    let (year, month, day) = match words.as_slice() {
        [word] => {
            let with = |sign| word.split(sign).collect::<Vec<_>>();
            match (with('-').as_slice(), with('.').as_slice()) {
                ([day, name, year], _) if month(name).is_some() => {
                    (full_year(year)?, month(name)?, number(day, 1..=2)?)
                }
                ([year, month, day], _) => {
                    (full_year(year)?, month_number(month)?, number(day, 2..=2)?)
                }
                (_, [day, month, year]) => {
                    (full_year(year)?, month_number(month)?, number(day, 1..=2)?)
                }
                _ => return None,
            }
        }
        [name, day, year] if month(name).is_some() => {
            (full_year(year)?, month(name)?, number(day, 1..=2)?)
        }
        [day, name, year] => {
            let day = day.strip_suffix('.').unwrap_or(day);
            (year_of(year)?, month(name)?, number(day, 1..=2)?)
        }
        _ => return None,
    };
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

/// A year of fewer than four figures is of the last century or this one (RFC 5322 §4.3).
fn year_of(text: &str) -> Option<u16> {
    let year = number(text, 2..=4)?;
    Some(match text.len() {
        2 if year < 50 => year + 2000,
        2 | 3 => year + 1900,
        _ => year,
    })
}

/// A month by its English or German name. Some servers of the telematics infrastructure write their
/// dates in German (`15 Dez 2022`).
fn month(name: &str) -> Option<Month> {
    Some(match name.to_lowercase().trim_end_matches('.') {
        "jan" | "january" | "januar" | "jän" | "jänner" => Month::January,
        "feb" | "february" | "februar" => Month::February,
        "mar" | "march" | "mär" | "mrz" | "märz" => Month::March,
        "apr" | "april" => Month::April,
        "may" | "mai" => Month::May,
        "jun" | "june" | "juni" => Month::June,
        "jul" | "july" | "juli" => Month::July,
        "aug" | "august" => Month::August,
        "sep" | "sept" | "september" => Month::September,
        "oct" | "october" | "okt" | "oktober" => Month::October,
        "nov" | "november" => Month::November,
        "dec" | "december" | "dez" | "dezember" => Month::December,
        _ => return None,
    })
}

fn month_number(text: &str) -> Option<Month> {
    Month::try_from(u8::try_from(number(text, 1..=2)?).ok()?).ok()
}

/// `13:13:04` or `13:13`, and nothing else; ISO 8601 also splits the seconds.
fn time_of(text: &str) -> Option<Time> {
    let (text, fraction) = text.split_once('.').map_or((text, None), |(t, f)| (t, Some(f)));
    let figures: Vec<&str> = text.split(':').collect();
    let is_whole = fraction.is_none_or(|fraction| {
        figures.len() == 3 && !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit())
    });
    let (hour, minute, second) = match figures.as_slice() {
        [hour, minute] => (hour, minute, "0"),
        [hour, minute, second] => (hour, minute, *second),
        _ => return None,
    };
    let figure = |text| number(text, 1..=2).and_then(|number| u8::try_from(number).ok());
    // A leap second has no place in our clocks.
    let second = figure(second).map(|second| if second == 60 { 59 } else { second })?;
    Time::from_hms(figure(hour)?, figure(minute)?, second).ok().filter(|_| is_whole)
}

/// A number of so many figures.
fn number(text: &str, figures: RangeInclusive<usize>) -> Option<u16> {
    let is_number = figures.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// How far a zone is ahead of UTC: as the standard writes it (RFC 5322 §3.3 and §4.3), by the names
/// in use here, or as JavaScript does (`GMT+0100`). A bare name is ambiguous: `IST`.
fn minutes_east(zone: &str) -> Option<i32> {
    let zone = zone.to_ascii_uppercase();
    let hours = match zone.as_str() {
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
            let (sign, figures) = match named.unwrap_or(&zone).split_at_checked(1)? {
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
            "00:00:00 (x) CET",
            "00:00:00+0100",
            "00 : 00\r\n : 00 (a (b) \\) c) +0100",
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
            "00:00:00 (CET)",
            "00:00:00 +0100 (CET",
            "00:00:00 +0100 CET)",
            "00:00:00.",
            "00:00.5 +0100",
            "00:00:61 +0100",
            "24:00:00 +0100",
            "00.00.00 +0100",
            "00:00:00:00 +0100",
        ] {
            assert_eq!(of(time), None, "{time}");
        }
    }

    /// L150: another day than the written one is never said.
    #[test]
    fn l150_a_day_is_read_from_forms_without_doubt_alone() {
        for day in [
            "Tue, 24 Nov 2026",
            "Tue,24 Nov 2026",
            "Tue , 24 Nov 2026",
            "(x) Tue (y), 24 (z) Nov(.) 2026",
            "24 nov 2026",
            "Tue, 24\r\n Nov\t2026",
            "24 Nov 26",
            "24 Nov 126",
            "Tuesday, 24 November 2026",
            "mar., 24 nov. 2026",
            "Dienstag, 24. November 2026",
            "24.11.2026",
            "Di, 24.11.2026,",
            "2026-11-24",
            "24-Nov-2026",
            "Tue Nov 24 2026",
            "November 24, 2026",
        ] {
            for (time, zone) in [("08:00:00", " +0100"), ("8:00", " CET")] {
                let read = date(format!("{day} {time}{zone}").as_bytes());
                assert_eq!(read.map(|at| at.unix_timestamp()), Some(1_795_503_600), "{day} {time}");
            }
        }
        for time in ["T08:00:00+01:00", "T07:00Z", "t07:00:00.125z", " 08:00:00 +0100"] {
            let read = date(format!("2026-11-24{time}").as_bytes());
            assert_eq!(read.map(|at| at.unix_timestamp()), Some(1_795_503_600), "{time}");
        }
        for day in [
            "11/12/2026",
            "23/11/2026",
            "2026/11/24",
            "3 Mag 2026",
            "gio, 3 Mag 2026",
            "24 11 2026",
            "24.11.26",
            "24.11.",
            "2026.11.24",
            "11-12-2026",
            "24-11-2026",
            "2026-13-01",
            "2026-02-30",
            "20261124",
            "24-Nov-26",
            "Nov 24 26",
            "Nov 2026",
            "24 Nov",
            "24 Nov 6",
            "24 Nov 12026",
            "24 Nov +2026",
            "24 Novem 2026",
            "-4 Nov 2026",
            "124 Nov 2026",
            "0 Nov 2026",
            "1,2 Nov 2026",
            "2 24 Nov 2026",
            "2026 Nov 24",
            "24 Nov 2026 x",
            "24 Nov 1969",
            "２４ Nov 2026",
            "Tue",
            "",
        ] {
            let read = date(format!("{day} 08:00:00 +0100").as_bytes());
            assert_eq!(read, None, "{day}");
        }
    }
}
