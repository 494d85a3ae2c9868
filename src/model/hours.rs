//! When a practice is open.

use time::Weekday;

/// From and to on one day, in minutes since midnight by the clock on the wall; `to` is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaySpan {
    from: u16,
    to: u16,
}

/// A text is no span of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a span of a day is written 08:00-12:30, and ends later than it begins")]
pub struct DaySpanError;

/// `24:00`.
const DAY_MINUTES: u16 = 24 * 60;

impl DaySpan {
    /// Reads `08:00-12:30`. A span ends on its day, at 24:00 at the latest; a night is two spans.
    pub fn new(text: &str) -> Result<Self, DaySpanError> {
        let (from, to) = text.split_once('-').ok_or(DaySpanError)?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from < to { Ok(Self { from, to }) } else { Err(DaySpanError) }
    }

    /// Whether a minute of the day is within it.
    pub fn holds(self, minute: u16) -> bool {
        (self.from..self.to).contains(&minute)
    }
}

fn minute(text: &str) -> Result<u16, DaySpanError> {
    let (hour, minute) = text.split_once(':').ok_or(DaySpanError)?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        if is_plain { text.parse::<u16>().map_err(|_| DaySpanError) } else { Err(DaySpanError) }
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let of_day = hour * 60 + minute;
    if minute < 60 && of_day <= DAY_MINUTES { Ok(of_day) } else { Err(DaySpanError) }
}

/// The opening hours of a practice, by German clocks: the spans of each day, from Monday on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpeningHours {
    pub days: [Vec<DaySpan>; 7],
}

impl OpeningHours {
    /// The spans of a day.
    pub fn of(&self, day: Weekday) -> &[DaySpan] {
        let place = usize::from(day.number_days_from_monday());
        self.days.get(place).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_span_of_one_day_is_one() {
        for (text, expected) in [
            ("08:00-12:30", Some((480, 750))),
            ("00:00-24:00", Some((0, 1440))),
            ("23:59-24:00", Some((1439, 1440))),
            ("22:00-06:00", None),
            ("08:00-08:00", None),
            ("24:00-24:00", None),
            ("08:00-24:01", None),
            ("08:60-09:00", None),
            ("8:00-12:00", None),
            ("08:00", None),
            ("08-12", None),
            ("08:00 - 12:00", None),
            ("+8:00-12:00", None),
            ("", None),
        ] {
            let read = DaySpan::new(text).ok().map(|span| (span.from, span.to));
            assert_eq!(read, expected, "{text}");
        }
    }
}
