//! What follows when a post was not said: it is tried again, or parked with its cause.
//!
//! A notice about a failure never leads to another one: only what is part of a letter, or what a
//! person asked for, is told of, once for each letter. If there is no room, there is nobody to
//! tell; the conversation is parked as a whole, in one row for its correspondent.

use std::time::Duration;

use time::OffsetDateTime;
use tracing::warn;

use super::{Ctx, Line, damage, notices::notice, stop::Stop};
use crate::{
    matrix::{ErrorKind, MatrixError},
    model::PostId,
    phrases::{ParkedWhat, Phrase},
    rules::{
        posts,
        retry::{self, WAIT_MAX, back_off},
    },
    store::{Conversation, Damaged, Job, StoreError, StoredPost},
};

/// Wait before a post that waits for a person is tried again.
const NOT_YET_AGAIN: Duration = Duration::from_secs(10);

/// Attempts at a room that is gone again each time it was made: each makes several rooms.
const ROOMS_ATTEMPTS_MAX: i32 = 3;

/// When a post may be tried, if not now.
pub(super) fn not_before(post: &StoredPost, now: OffsetDateTime) -> Option<OffsetDateTime> {
    retry::not_before(post.next_attempt_at?, now, WAIT_MAX)
}

/// The posts of one conversation, with all that putting them off needs.
pub(super) struct PutOff<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) line: &'a Line,
    pub(super) conversation: &'a Conversation,
}

/// Why something was not said, in terms of what to do next.
struct Setback {
    reason: &'static str,
    /// Not before this time, if the server named one.
    wait: Option<Duration>,
    /// Whether it says anything about the thing that was tried.
    counts: bool,
    /// Trying again does not help.
    is_final: bool,
    /// It is not known whether it was said.
    may_be_said: bool,
}

impl Setback {
    async fn of(ctx: &Ctx, stop: &Stop) -> Self {
        let none =
            Self { reason: "", wait: None, counts: false, is_final: false, may_be_said: false };
        let again = |reason, wait| Self { reason, wait, ..none };
        match stop {
            Stop::Matrix(error) => Self::of_matrix(ctx, error).await,
            Stop::Lost(reason) => Self { reason, counts: true, is_final: true, ..none },
            Stop::Store(StoreError::Damaged(damaged)) => {
                let reason = damage::reason(damaged);
                Self { reason, counts: true, is_final: true, ..none }
            }
            Stop::PortalGone => Self { reason: "portal_gone", counts: true, ..none },
            Stop::NotYet(reason) => again(reason, Some(NOT_YET_AGAIN)),
            Stop::PostsFound => again("posts_found", None),
            Stop::DeviceLost => again("keys", Some(NOT_YET_AGAIN)),
            Stop::Store(StoreError::Again(_)) => again("database", None),
        }
    }

    async fn of_matrix(ctx: &Ctx, error: &MatrixError) -> Self {
        let wait = match error.kind() {
            ErrorKind::Again { after } => after,
            ErrorKind::Never | ErrorKind::Gone => None,
        };
        Self {
            reason: error.endpoint().word(),
            wait,
            // Neither an outage nor a rate limit says anything about this post, however long it
            // lasts.
            counts: !error.is_rate_limit() && !ctx.homeserver.is_away(error).await,
            is_final: error.kind() == ErrorKind::Never,
            may_be_said: error.may_have_been_done(),
        }
    }
}

impl PutOff<'_> {
    /// There was no room for this post, which was tried this often by now.
    pub(super) async fn room(
        &self,
        post: &StoredPost,
        attempts: i32,
        stop: Stop,
    ) -> Result<(), StoreError> {
        let stop = unless_away(stop)?;
        let setback = Setback::of(self.ctx, &stop).await;
        let attempts_max = match stop {
            Stop::PortalGone => ROOMS_ATTEMPTS_MAX.min(self.ctx.attempts_max),
            _ => self.ctx.attempts_max,
        };
        let is_over = setback.is_final || (setback.counts && attempts >= attempts_max);
        if !is_over {
            return self.again(post, attempts, &setback).await;
        }
        let (id, reason) = (self.conversation.id, setback.reason);
        warn!(conversation.id = %id, reason, "Parked conversation {id}: its room cannot be had");
        metrics::counter!("umstieg_parked_total", "kind" => "conversation").increment(1);
        self.ctx.store.park_conversation(id, reason, self.ctx.clock.now()).await?;
        Ok(())
    }

    /// The post itself could not be said. `true`: it was parked, and those behind it may pass.
    pub(super) async fn post(&self, post: &StoredPost, stop: Stop) -> Result<bool, StoreError> {
        let stop = unless_away(stop)?;
        let setback = Setback::of(self.ctx, &stop).await;
        let attempts = post.attempts + 1;
        if setback.is_final || (setback.counts && attempts >= self.ctx.attempts_max) {
            self.park(post, setback.reason).await?;
            return Ok(true);
        }
        self.again(post, attempts, &setback).await?;
        Ok(false)
    }

    /// Parks a post, and says so where it was more than a notice of the gateway.
    pub(super) async fn park(
        &self,
        post: &StoredPost,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        self.park_row(post.id, reason).await?;
        if post.letter.is_none() {
            return Ok(());
        }
        let notice = notice(self.line, &Phrase::Parked { what: ParkedWhat::Letter });
        let txn_id = format!("k{}", posts::name_of(&post.txn_id));
        self.ctx.store.add_bot_post(self.conversation.id, &txn_id, &notice).await
    }

    async fn park_row(&self, id: PostId, reason: &'static str) -> Result<(), StoreError> {
        warn!(post.id = %id, reason, "Parked post {id}");
        metrics::counter!("umstieg_parked_total", "kind" => "post").increment(1);
        let now = self.ctx.clock.now();
        self.ctx.store.park_post(id, &self.conversation.channel, reason, now).await?;
        Ok(())
    }

    async fn again(
        &self,
        post: &StoredPost,
        attempts: i32,
        setback: &Setback,
    ) -> Result<(), StoreError> {
        let (id, reason) = (post.id, setback.reason);
        if setback.may_be_said {
            // By the time the homeserver answers again it may have forgotten the name of the
            // request.
            self.ctx.store.compare_before_speaking(self.conversation.id).await?;
        }
        let wait = setback.wait.unwrap_or_else(|| back_off(attempts)).min(WAIT_MAX);
        warn!(post.id = %id, reason, "Post {id} waits {} s", wait.as_secs());
        let next = self.ctx.clock.now() + wait;
        let counted = if setback.counts { attempts } else { attempts - 1 };
        self.ctx.store.post_again_at(id, counted, next).await?;
        self.ctx.store.wake(&Job::SendPosts(self.conversation.id), Some(next)).await
    }
}

/// While the database is away nothing can be noted: the whole flow comes again.
fn unless_away(stop: Stop) -> Result<Stop, StoreError> {
    match stop {
        Stop::Store(StoreError::Again(error)) => Err(StoreError::Again(error)),
        Stop::Store(StoreError::Damaged(damaged)) => {
            damage::tell(&damaged);
            Ok(Stop::Store(damaged.into()))
        }
        stop => Ok(stop),
    }
}

/// Parks an unreadable post, so that those behind it pass.
pub(super) async fn park_damaged(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    damaged: Damaged,
) -> Result<(), StoreError> {
    let Some(row) = damaged.row_of("posts") else { return Err(damaged.into()) };
    damage::tell(&damaged);
    let put_off = PutOff { ctx, line, conversation };
    put_off.park_row(PostId(row), damage::reason(&damaged)).await?;
    let notice = notice(line, &Phrase::Parked { what: ParkedWhat::Post });
    // Once for everything that is damaged in this conversation.
    let txn_id = format!("kdamaged{}", conversation.id);
    ctx.store.add_bot_post(conversation.id, &txn_id, &notice).await
}
