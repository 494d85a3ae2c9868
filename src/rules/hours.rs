//! Whether a practice is open.

use time::OffsetDateTime;

use crate::model::{OpeningHours, in_germany};

/// Whether a practice is open at a moment. One without hours is open always.
///
/// Hours are what the clock on the wall shows: the hour that comes twice in autumn is open twice, and the
/// one that is left out in spring never.
pub fn is_open(hours: Option<&OpeningHours>, at: OffsetDateTime) -> bool {
    let Some(hours) = hours else { return true };
    let local = in_germany(at);
    let minute = u16::from(local.hour()) * 60 + u16::from(local.minute());
    hours.of(local.weekday()).iter().any(|span| span.holds(minute))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::datetime};

    use super::*;
    use crate::model::DaySpan;

    fn hours(days: [&[&str]; 7]) -> OpeningHours {
        OpeningHours {
            days: days.map(|spans| spans.iter().map(|span| DaySpan::new(span).unwrap()).collect()),
        }
    }

    fn weekdays() -> OpeningHours {
        let day: &[&str] = &["08:00-12:00", "14:00-18:00"];
        hours([day, day, &["08:00-12:00"], day, day, &[], &[]])
    }

    fn check(hours: &OpeningHours, at: OffsetDateTime, expected: bool) {
        assert_eq!(is_open(Some(hours), at), expected, "{at}");
    }

    #[test]
    fn the_first_minute_counts_and_the_last_does_not() {
        let practice = weekdays();
        // A Wednesday in November: one hour ahead of UTC.
        check(&practice, datetime!(2026-11-25 06:59:59 UTC), false);
        check(&practice, datetime!(2026-11-25 07:00 UTC), true);
        check(&practice, datetime!(2026-11-25 10:59:59.999 UTC), true);
        check(&practice, datetime!(2026-11-25 11:00 UTC), false);
        check(&practice, datetime!(2026-11-25 14:00 UTC), false);
        check(&practice, datetime!(2026-11-26 14:00 UTC), true);
        // In July two hours.
        check(&practice, datetime!(2026-07-15 06:00 UTC), true);
        check(&practice, datetime!(2026-07-15 05:59 UTC), false);
        // A Saturday.
        check(&practice, datetime!(2026-11-28 09:00 UTC), false);
        assert!(is_open(None, datetime!(2026-11-28 09:00 UTC)));
        check(&OpeningHours::default(), datetime!(2026-11-25 09:00 UTC), false);
    }

    #[test]
    fn midnight_is_that_of_german_clocks() {
        let night = hours([&["22:00-24:00"], &["00:00-06:00"], &[], &[], &[], &[], &[]]);
        // Monday, 23 November 2026.
        check(&night, datetime!(2026-11-23 20:59:59 UTC), false);
        check(&night, datetime!(2026-11-23 21:00 UTC), true);
        check(&night, datetime!(2026-11-23 22:59:59.999999999 UTC), true);
        // Tuesday by the clock on the wall, Monday by UTC.
        check(&night, datetime!(2026-11-23 23:00 UTC), true);
        check(&night, datetime!(2026-11-24 04:59:59 UTC), true);
        check(&night, datetime!(2026-11-24 05:00 UTC), false);
        check(&night, datetime!(2026-11-24 21:30 UTC), false);
        check(&night, datetime!(2026-11-23 22:30 +2), false);
    }

    #[test]
    fn the_hour_that_comes_twice_is_open_twice_and_the_missing_one_never() {
        let sunday = |span: &'static str| {
            hours([&[], &[], &[], &[], &[], &[], std::slice::from_ref(Box::leak(Box::new(span)))])
        };
        let early = sunday("02:00-03:00");
        // 25 October 2026: 02:00 to 03:00 come twice.
        check(&early, datetime!(2026-10-24 23:59 UTC), false);
        check(&early, datetime!(2026-10-25 00:30 UTC), true);
        check(&early, datetime!(2026-10-25 01:30 UTC), true);
        check(&early, datetime!(2026-10-25 02:00 UTC), false);
        // 29 March 2026: 02:00 is 03:00 at once.
        let mut at = datetime!(2026-03-28 23:00 UTC);
        while at < datetime!(2026-03-29 22:00 UTC) {
            check(&early, at, false);
            at += Duration::minutes(10);
        }
        check(&sunday("03:00-04:00"), datetime!(2026-03-29 01:00 UTC), true);
    }

    proptest! {
        /// A clock that is set back shows a time that was asked before, and the answer is the same.
        #[test]
        fn the_answer_depends_on_the_moment_alone(seconds in -4_000_000_000_i64..9_000_000_000) {
            let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let practice = weekdays();
            let first = is_open(Some(&practice), at);
            is_open(Some(&practice), at + Duration::days(1));
            prop_assert_eq!(is_open(Some(&practice), at), first);
            let always: OpeningHours = hours([&["00:00-24:00"]; 7]);
            prop_assert!(is_open(Some(&always), at));
        }
    }
}
