//! Whether the gateway has heard lately what happened in its rooms. What was taken back or changed
//! while it was away is told by `/sync` alone, so whoever has not asked it yet neither hands over nor
//! acts upon what was said.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use time::OffsetDateTime;

use crate::store::Job;

/// What was heard is old after this time: longer than a `/sync` that has nothing to say takes, and one
/// or two that fail. Then the machine has slept, or the homeserver does not answer.
const LATELY: Duration = Duration::from_secs(120);

/// What `/sync` told last, and who waits for it to tell more. It begins with each life anew.
#[derive(Debug, Default)]
pub struct Hearing(Mutex<HearingState>);

#[derive(Debug, Default)]
struct HearingState {
    /// When what `/sync` brought was saved last: by a clock that nobody sets, and by one that goes on
    /// while the machine sleeps.
    last: Option<(Instant, OffsetDateTime)>,
    /// By key.
    waiting: BTreeMap<String, Job>,
}

impl Hearing {
    /// Whether what happened in the rooms was heard lately.
    pub fn has_heard(&self, now: OffsetDateTime) -> bool {
        self.state().has_heard(now)
    }

    /// Whether a job may be done that needs to have heard. Otherwise it is given out by
    /// [`Hearing::heard`].
    pub fn lets_do(&self, job: &Job, now: OffsetDateTime) -> bool {
        let mut state = self.state();
        let lets = state.has_heard(now);
        if !lets {
            state.waiting.insert(job.key(), job.clone());
        }
        lets
    }

    /// What `/sync` told is saved. Gives the jobs that waited for it.
    pub fn heard(&self, now: OffsetDateTime) -> Vec<Job> {
        let mut state = self.state();
        state.last = Some((Instant::now(), now));
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

    /// Who has heard nothing yet, or slept, does nothing; what waited for it is done once it has heard.
    #[test]
    fn what_needs_to_have_heard_waits_for_it_once() {
        let (hearing, start) = (Hearing::default(), OffsetDateTime::UNIX_EPOCH);
        let job = Job::HandOver(ConversationId(1));
        assert!(!hearing.lets_do(&job, start));
        assert!(!hearing.lets_do(&job, start));
        assert_eq!(hearing.heard(start), std::slice::from_ref(&job));
        assert!(hearing.lets_do(&job, start + LATELY / 2));
        assert_eq!(hearing.heard(start), []);
        for slept in [start + LATELY, start - LATELY] {
            assert!(!hearing.lets_do(&job, slept));
            assert_eq!(hearing.heard(slept).len(), 1);
            assert!(hearing.has_heard(slept));
        }
    }
}
