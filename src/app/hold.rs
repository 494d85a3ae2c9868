//! Keeps the database ours alone, and notices when it is not, or does not answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::RunError;
use crate::{
    relay::Ctx,
    store::{Epoch, OneGateway, OpenError},
    worker::HealthListener,
};

/// Time between two checks whether the database is still ours alone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A database that takes longer than this to answer counts as down.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// A database that takes longer than this has gone: a task that waits for it waits for ever, because
/// the connection leads nowhere. Far longer than any delay by a checkpoint on a slow disk.
const SILENT_AFTER: Duration = Duration::from_secs(20);

/// Time between two notes that the gateway is running.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// The hold on the database.
pub(super) struct Hold {
    gate: OneGateway,
    url: String,
    epoch: Epoch,
    /// The last note that the gateway was running.
    noted: Option<(Instant, OffsetDateTime)>,
    /// What was said while the database was away may not be noted there, and the homeserver may have
    /// forgotten it: the rooms are compared before anything is said.
    to_compare: bool,
}

/// How the hold was found.
enum HoldState {
    Ours,
    /// The database did not answer.
    Silent,
    Lost(sqlx::Error),
    /// Another gateway has it, or had it, or it is an older copy.
    Changed(&'static str),
}

impl Hold {
    pub(super) fn new(gate: OneGateway, url: String, epoch: Epoch) -> Self {
        Self { gate, url, epoch, noted: None, to_compare: false }
    }

    /// Ends only with an error.
    pub(super) async fn until_lost(
        mut self,
        ctx: Arc<Ctx>,
        report: HealthListener,
    ) -> Result<(), RunError> {
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = ctx.store.doubted() => return Err(self.anew("the database is an older copy")),
            }
            match self.look(&ctx, &report).await {
                HoldState::Ours => {
                    report("postgres", true);
                    self.confirm(&ctx).await;
                }
                HoldState::Silent => return Err(self.anew("the database does not answer")),
                HoldState::Changed(why) => return Err(self.anew(why)),
                HoldState::Lost(error) => {
                    report("postgres", false);
                    error!(error = %error, "The connection that holds the database broke");
                    ctx.store.is_doubtful();
                    self.to_compare = true;
                    self.regain(&report).await?;
                }
            }
        }
    }

    async fn confirm(&mut self, ctx: &Ctx) {
        if self.to_compare {
            match ctx.store.compare_where_posts_wait().await {
                Ok(rooms) => info!("{rooms} rooms are compared before anything is said there"),
                Err(error) => {
                    warn!(error = %error, "Nothing is said before the rooms can be compared");
                    return;
                }
            }
            self.to_compare = false;
        }
        ctx.store.is_confirmed();
    }

    fn anew(&self, why: &'static str) -> RunError {
        RunError::Anew { why, ours: self.gate.sessions() }
    }

    async fn look(&mut self, ctx: &Ctx, report: &HealthListener) -> HoldState {
        let now = ctx.clock.now();
        let is_time = self.noted.is_none_or(|(noted, _)| noted.elapsed() >= NOTE_EVERY);
        let note = is_time.then_some(now);
        let looking = timeout(SILENT_AFTER, self.gate.holds(self.epoch, note));
        tokio::pin!(looking);
        let looked = tokio::select! {
            looked = looking.as_mut() => looked,
            () = sleep(ANSWERS_WITHIN) => {
                report("postgres", false);
                warn!("The database does not answer");
                looking.await
            }
        };
        match looked {
            Ok(Ok(true)) => {
                if let Some(at) = note {
                    self.noted = Some((Instant::now(), at));
                }
                HoldState::Ours
            }
            Ok(Ok(false)) => HoldState::Changed("another gateway has taken the database"),
            Ok(Err(error)) => HoldState::Lost(error),
            Err(_) => HoldState::Silent,
        }
    }

    /// The database was restarted, or the connection to it broke: the lock is taken again. If
    /// another gateway was faster, this one must not go on; nor if it is another database now.
    async fn regain(&mut self, report: &HealthListener) -> Result<(), RunError> {
        let begun = Instant::now();
        let mut ours = self.gate.sessions();
        loop {
            match OneGateway::take_again(&self.url, &mut ours).await {
                Ok(taken) => {
                    self.gate = taken;
                    info!("The database is held again");
                    return self.is_what_it_was().await;
                }
                Err(OpenError::Unreachable(error)) => {
                    report("postgres", false);
                    warn!(error = %error, "The database is away; trying to take it again");
                    // A task that hangs in a query does not notice by itself.
                    if is_silence(&error) && begun.elapsed() > SILENT_AFTER {
                        return Err(RunError::Anew { why: "the database does not answer", ours });
                    }
                }
                Err(error) => return Err(error.into()),
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// A standby that lagged may have taken the database's place.
    async fn is_what_it_was(&mut self) -> Result<(), RunError> {
        let seen_at = timeout(ANSWERS_WITHIN, self.gate.seen_at()).await;
        let Ok(Ok(seen_at)) = seen_at else { return Ok(()) };
        // Postgres keeps microseconds.
        let is_behind = |noted: OffsetDateTime| {
            seen_at.is_none_or(|seen_at| seen_at + Duration::from_millis(1) < noted)
        };
        match self.noted {
            Some((_, noted)) if is_behind(noted) => Err(self.anew("the database is an older copy")),
            _ => Ok(()),
        }
    }
}

fn is_silence(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}
