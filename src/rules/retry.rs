//! When to try again, and when to stop.

use std::time::Duration;

use time::OffsetDateTime;

use crate::model::Outcome;

/// First wait after a failure.
const BACK_OFF_FIRST: Duration = Duration::from_secs(5);
/// Longest wait: an assistant who watches the room should see a fixed server answer soon.
const BACK_OFF_MAX: Duration = Duration::from_secs(15 * 60);

/// The longest time the settings let an answer be gathered (`collect_seconds`).
pub const COLLECT_MAX: Duration = Duration::from_secs(600);

/// Wait before attempt number `attempts + 1`: doubling, bounded.
pub fn back_off(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    (BACK_OFF_FIRST * 2u32.pow(doublings)).min(BACK_OFF_MAX)
}

/// No wait between two attempts is longer than this.
pub const WAIT_MAX: Duration = BACK_OFF_MAX;

/// The wait that is planned, or a longer one that a server named.
pub fn at_least(named: Option<Duration>, planned: Duration) -> Duration {
    planned.max(named.unwrap_or_default()).min(WAIT_MAX)
}

/// When a thing that is due at a time may be done, if not now. A time that is further ahead than the
/// `longest` wait was written by a clock that was set back since.
pub fn not_before(
    due: OffsetDateTime,
    now: OffsetDateTime,
    longest: Duration,
) -> Option<OffsetDateTime> {
    (due > now && due - now <= longest).then_some(due)
}

/// What follows from an attempt to hand a dispatch over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The channel took it over.
    Done,
    /// The same mail would be refused again.
    GiveUp,
    /// Nothing was accepted; the same mail may go out again after this wait.
    Again(Duration),
    /// Nothing was accepted, and the attempts are used up.
    TriedEnough,
    /// Only the server knows what happened. Sending again might double it, so a person decides.
    Hold,
}

/// Judges an attempt; `attempts` already includes it, `attempts_max` bounds them.
pub fn judge(outcome: &Outcome, attempts: i32, attempts_max: i32) -> Verdict {
    match outcome {
        Outcome::Accepted { .. } => Verdict::Done,
        Outcome::Refused { .. } => Verdict::GiveUp,
        Outcome::Unclear { .. } => Verdict::Hold,
        Outcome::TryLater { .. } if attempts >= attempts_max => Verdict::TriedEnough,
        Outcome::TryLater { .. } => Verdict::Again(back_off(attempts)),
    }
}

/// How many attempts the gateway may fail to survive before the next one is made alone.
const BESIDE_OTHERS_MAX: i32 = 3;

/// Whether a thing that the gateway failed to survive this often is to be tried alone from now on,
/// so that it is not blamed for what ended the gateway at the same time. If few attempts are
/// allowed, half of them are made alone.
pub fn is_suspect(interrupted: i32, attempts_max: i32) -> bool {
    interrupted >= BESIDE_OTHERS_MAX.min(attempts_max / 2).max(1)
}

/// Judges an attempt that the gateway did not survive, before anything of the body could leave.
///
/// Mostly the gateway was stopped for other reasons, so the first time is tried again at once. If it
/// is the attempt that ends the gateway, everything else has time between two of them.
pub fn after_interruption(attempts: i32, attempts_max: i32) -> Verdict {
    match attempts {
        _ if attempts >= attempts_max => Verdict::TriedEnough,
        ..=1 => Verdict::Again(Duration::ZERO),
        _ => Verdict::Again(back_off(attempts - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Reached, Reply, Why};

    #[test]
    fn tim_28_a_named_wait_is_kept_and_bounded() {
        for (named, planned, expected) in [
            (None, 5, 5),
            (Some(2), 5, 5),
            (Some(12), 5, 12),
            (Some(333), 30, 333),
            (Some(86_400), 30, 900),
        ] {
            let wait = at_least(named.map(Duration::from_secs), Duration::from_secs(planned));
            assert_eq!(wait, Duration::from_secs(expected), "{named:?} {planned}");
        }
    }

    /// A clock that was set back by a day, or forward.
    #[test]
    fn nothing_waits_for_a_time_that_no_clock_of_ours_could_have_named() {
        let now = time::macros::datetime!(2026-11-25 12:00 UTC);
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(not_before(now + WAIT_MAX, now, WAIT_MAX), Some(now + WAIT_MAX));
        assert_eq!(
            not_before(now + Duration::from_secs(1), now, WAIT_MAX),
            Some(now + Duration::from_secs(1))
        );
        for due in [now, now - day, now + day, now + WAIT_MAX + Duration::from_secs(1)] {
            assert_eq!(not_before(due, now, WAIT_MAX), None);
        }
        let (first, last) = (time::Date::MIN.midnight(), time::Date::MAX.midnight());
        assert_eq!(not_before(last.assume_utc(), first.assume_utc(), WAIT_MAX), None);
    }

    #[test]
    fn before_somebody_is_blamed_he_was_tried_alone() {
        for attempts_max in 2..=100 {
            let alone =
                (0..attempts_max).filter(|before| is_suspect(*before, attempts_max)).count();
            assert!(alone * 2 >= usize::try_from(attempts_max).unwrap(), "{attempts_max}: {alone}");
            assert!(!is_suspect(0, attempts_max));
        }
        assert_eq!((0..20).filter(|before| !is_suspect(*before, 20)).count(), 3);
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let seconds: Vec<u64> = (1..=10).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(back_off(i32::MAX), BACK_OFF_MAX);
        assert_eq!(back_off(i32::MIN), BACK_OFF_FIRST);
    }

    #[test]
    fn an_interrupted_attempt_is_an_attempt() {
        assert_eq!(after_interruption(1, 3), Verdict::Again(Duration::ZERO));
        assert_eq!(after_interruption(2, 3), Verdict::Again(BACK_OFF_FIRST));
        assert_eq!(after_interruption(3, 3), Verdict::TriedEnough);
        assert_eq!(after_interruption(1, 1), Verdict::TriedEnough);
        assert_eq!(after_interruption(i32::MIN, 3), Verdict::Again(Duration::ZERO));
        assert_eq!(after_interruption(i32::MAX, 3), Verdict::TriedEnough);
    }

    #[test]
    fn only_what_was_surely_not_accepted_goes_out_again() {
        let why = || Why::Fault(String::new());
        let later = Outcome::TryLater { at: Reached::Recipient, why: why() };
        assert_eq!(judge(&later, 1, 3), Verdict::Again(Duration::from_secs(5)));
        assert_eq!(judge(&later, 3, 3), Verdict::TriedEnough);
        assert_eq!(judge(&Outcome::Unclear { why: why() }, 1, 3), Verdict::Hold);
        let refused = Outcome::Refused { at: Reached::Body, why: why() };
        assert_eq!(judge(&refused, 1, 3), Verdict::GiveUp);
        let reply = Reply { code: 250, enhanced: None, text: String::new() };
        assert_eq!(
            judge(&Outcome::Accepted { reply, reports_requested: true }, 1, 3),
            Verdict::Done
        );
    }
}
