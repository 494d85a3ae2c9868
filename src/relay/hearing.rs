//! Whether the gateway has heard lately what happened in its rooms. Only `/sync` tells what was taken
//! back or changed while the gateway was away. So a gateway that has not asked it yet neither hands
//! over nor acts upon what was said.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use time::OffsetDateTime;

use crate::store::Job;

/// What was heard is old after this time: longer than a `/sync` that has nothing to say takes, plus
/// one or two that fail. By then the machine has slept, or the homeserver does not answer.
const LATELY: Duration = Duration::from_secs(120);

/// What `/sync` told last, and the jobs that wait for it to tell more. Each life starts with an
/// empty one.
#[derive(Debug, Default)]
pub struct Hearing(Mutex<HearingState>);

#[derive(Debug, Default)]
struct HearingState {
    /// When the homeserver was asked for the last news from `/sync` that is saved: by a clock that cannot be set, and by one that goes
    /// on while the machine sleeps.
    last: Option<(Instant, OffsetDateTime)>,
    /// By key.
    waiting: BTreeMap<String, Job>,
}

impl Hearing {
    /// Whether the gateway heard lately what happened in the rooms.
    pub fn has_heard(&self, now: OffsetDateTime) -> bool {
        self.state().has_heard(now)
    }

    /// Whether a job that needs to have heard may run now. Otherwise [`Hearing::heard`] gives it
    /// out later.
    pub fn lets_do(&self, job: &Job, now: OffsetDateTime) -> bool {
        let mut state = self.state();
        let lets = state.has_heard(now);
        if !lets {
            state.waiting.insert(job.key(), job.clone());
        }
        lets
    }

    /// News from `/sync`, for which the homeserver was asked then, is saved. Returns the jobs that waited
    /// for it.
    pub fn heard(&self, asked_at: (Instant, OffsetDateTime)) -> Vec<Job> {
        let mut state = self.state();
        state.last = Some(asked_at);
        std::mem::take(&mut state.waiting).into_values().collect()
    }

    fn state(&self) -> MutexGuard<'_, HearingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HearingState {
    fn has_heard(&self, now: OffsetDateTime) -> bool {
        self.last.is_some_and(|(instant, at)| {
            instant.elapsed() < LATELY && (now - at).unsigned_abs() < LATELY
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConversationId;

    /// A gateway that has heard nothing yet, or has slept, does nothing; what waited is done once it
    /// has heard.
    #[test]
    fn what_needs_to_have_heard_waits_for_it_once() {
        let (hearing, start) = (Hearing::default(), OffsetDateTime::UNIX_EPOCH);
        let job = Job::HandOver(ConversationId(1));
        assert!(!hearing.lets_do(&job, start));
        assert!(!hearing.lets_do(&job, start));
        assert_eq!(hearing.heard((Instant::now(), start)), std::slice::from_ref(&job));
        assert!(hearing.lets_do(&job, start + LATELY / 2));
        assert_eq!(hearing.heard((Instant::now(), start)), []);
        for slept in [start + LATELY, start - LATELY] {
            assert!(!hearing.lets_do(&job, slept));
            assert_eq!(hearing.heard((Instant::now(), slept)).len(), 1);
            assert!(hearing.has_heard(slept));
        }
    }

    /// `L166`: news that took minutes to take in is as old as the question that brought it.
    #[test]
    fn l166_news_that_took_long_to_take_in_is_old() {
        let (hearing, start) = (Hearing::default(), OffsetDateTime::UNIX_EPOCH);
        let job = Job::HandOver(ConversationId(1));
        assert!(!hearing.lets_do(&job, start + LATELY));
        assert_eq!(hearing.heard((Instant::now(), start)), std::slice::from_ref(&job));
        assert!(!hearing.lets_do(&job, start + LATELY));
    }
}
