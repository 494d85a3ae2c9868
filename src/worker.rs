//! The tasks of the job engine, and the loops that look into mailboxes and rooms.
//!
//! A task says where there is something to do and calls the flow in `relay`. Two tasks for one
//! place never run side by side: the second makes the first look once more, and is done.

mod follow_sync;
mod pick_up;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use graphile_worker::{
    IntoTaskHandlerResult, LocalQueueConfig, RefetchDelayConfig, TaskHandler, Worker,
    WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tracing::{error, warn};

pub use follow_sync::follow_sync;
pub use pick_up::pick_up;

use crate::{
    relay::{self, Ctx, Line, Scanning},
    store::{Job, StoreError},
};

/// A job that is locked and not running here for this long was left behind. Longer than the engine
/// needs to note the end of a task.
const ORPHANED_AFTER: Duration = Duration::from_secs(10);

/// Longest time between two requests for a job when no wake-up comes.
const PAUSE_BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);

/// Time between two checks for what waits without a wake-up.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Time between two questions whether the virus scanner is there.
const SCANNER_EVERY: Duration = Duration::from_secs(10);

/// Time between two checks for rows that no query asks for: they are rare, and all rows are
/// checked.
const STRANGERS_EVERY: Duration = Duration::from_secs(3600);

/// Names of transactions are kept this long: the homeserver repeats a transaction until it is
/// answered, at intervals of at most about ten minutes.
const FORGET_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// A newcomer of the team is invited at the next start into rooms with a letter not older than
/// this; into older ones with their next letter. A month is what a person still works on.
const NEWCOMERS_SINCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most rooms of one channel into which newcomers are invited at a start, the newest. Each
/// invitation is a request, and a longer list of invitations helps nobody.
const NEWCOMERS_ROOMS_MAX: i64 = 200;

/// Receives the state of a part of the gateway: its name, and whether it is well.
pub type HealthListener = Arc<dyn Fn(&str, bool) + Send + Sync>;

/// What every task shares.
#[derive(Clone)]
pub struct Shop {
    pub ctx: Arc<Ctx>,
    report: HealthListener,
    running: RunningJobs,
    /// For everything but answers, which have the seats of their channel.
    others: Arc<Semaphore>,
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shop")
    }
}

/// Without it each of the engine's tasks asks for a job at every wake-up. The pause ends with the next
/// wake-up; without a pause the engine would ask without end while there is nothing to do. A job that
/// was taken and not begun goes back before it counts as left behind.
fn one_question_for_all(tasks: usize) -> LocalQueueConfig {
    let pause = RefetchDelayConfig::builder()
        .duration(PAUSE_BETWEEN_QUESTIONS)
        .threshold(tasks - 1)
        .max_abort_threshold(1)
        .build();
    let returned_after = ORPHANED_AFTER / 2;
    LocalQueueConfig::builder().size(tasks).ttl(returned_after).refetch_delay(pause).build()
}

impl Shop {
    pub fn new(ctx: Arc<Ctx>, report: HealthListener) -> Self {
        let others = Arc::new(Semaphore::new(ctx.concurrency.max(1)));
        Self { ctx, report, running: RunningJobs::default(), others }
    }

    /// Tells the state of a part.
    pub fn report(&self, part: &str, is_well: bool) {
        (self.report)(part, is_well);
    }

    /// Builds the engine. It runs until told to stop; see [`Worker::run`].
    pub async fn engine(&self) -> Result<Worker, graphile_worker::WorkerBuildError> {
        // However many answers wait for silent mail servers, everything else has as many tasks as it
        // may use.
        // One more reads pages.
        let tasks = self.ctx.concurrency.max(1) * (1 + self.ctx.channels.len()) + 1;
        WorkerOptions::default()
            .pg_pool(self.ctx.store.pool().clone())
            .schema("graphile_worker")
            .concurrency(tasks)
            .poll_interval(Duration::from_secs(1))
            .local_queue(one_question_for_all(tasks))
            .listen_os_shutdown_signals(false)
            .add_extension(self.clone())
            .define_job::<LookAfter>()
            .init()
            .await
    }

    /// Frees what an earlier gateway left locked. Only at the start, holding the database.
    pub async fn take_over(&self) -> Result<(), StoreError> {
        let now = self.ctx.clock.now();
        self.ctx.store.release_orphaned_jobs(&[], now + ORPHANED_AFTER).await?;
        self.ctx.store.forget_jobs_of_earlier_versions().await?;
        self.ctx.store.forget_ended_nodes().await?;
        self.ctx.store.remove_lost_pieces().await?;
        self.ctx.store.compare_where_posts_wait().await?;
        self.ctx.store.wake_all_unreadable().await?;
        self.ctx.store.wake_what_waits(now).await?;
        self.ctx.store.wake_unshown().await?;
        // A user who joined the team while the settings were changed is invited where work goes on.
        for (name, line) in &self.ctx.channels {
            let (team, since) = (&line.channel.team, now - NEWCOMERS_SINCE);
            self.ctx.store.team_is(name, team, now).await?;
            self.ctx.store.wake_for_newcomers(name, team, since, NEWCOMERS_ROOMS_MAX).await?;
        }
        Ok(())
    }

    /// Looks, for ever, for what waits without a wake-up.
    pub async fn sweep(&self) {
        let mut strangers_at = None;
        loop {
            self.report("postgres", self.sweep_once(&mut strangers_at).await);
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    /// Asks a virus scanner, for ever, whether it is there.
    pub async fn watch_scanner(&self, scanning: &Scanning) {
        loop {
            let is_there = relay::look_at_scanner(&self.ctx, scanning).await;
            self.report("virus_scanner", is_there);
            tokio::time::sleep(SCANNER_EVERY).await;
        }
    }

    /// Takes every step of the sweep, even if others fail. Returns whether Postgres answered.
    async fn sweep_once(&self, strangers_at: &mut Option<OffsetDateTime>) -> bool {
        let now = self.ctx.clock.now();
        let has_heard = self.ctx.hearing.has_heard(now);
        let mut is_well = true;
        let mut step = |name: &'static str, done: Result<(), StoreError>| match done {
            Ok(()) => {}
            Err(StoreError::Again(error)) => {
                is_well = false;
                warn!(step = name, error = %error, "A step of the sweep could not be taken; it is tried again");
            }
            // That says nothing about the other steps and about Postgres.
            Err(StoreError::Damaged(damaged)) => {
                error!(step = name, error = %damaged, cause = %damaged.why, "A step of the sweep met something damaged");
                metrics::counter!("umstieg_damaged_total", "table" => damaged.table).increment(1);
            }
        };
        step("orphans", self.free_orphans(now).await);
        step("waking", self.ctx.store.wake_what_waits(now).await);
        // A key may have come while the gateway was away.
        if has_heard {
            // Before those that ask how long something has waited.
            step("clock", self.ctx.store.nothing_comes_later(now).await);
            step("unreadable", relay::tell_of_unreadable(&self.ctx).await);
            step("edits", relay::hold_what_waits(&self.ctx).await);
        }
        step("places", relay::park_without_place(&self.ctx).await);
        step("under way", relay::tell_what_became(&self.ctx).await);
        step("silence", relay::tell_of_silence(&self.ctx).await);
        step("unconfirmed faxes", relay::remind_of_faxes(&self.ctx).await);
        step("team rooms", relay::welcome_teams(&self.ctx).await);
        step("tray news", relay::tell_news(&self.ctx, None).await);
        step("reminders", relay::remind(&self.ctx).await);
        step("names", relay::name_ghosts(&self.ctx).await);
        step("tidying", relay::tidy(&self.ctx).await);
        step("deserted", self.alarm_of_deserted().await);
        step("forgetting", self.ctx.store.forget_before(now - FORGET_AFTER).await);
        step("listings", self.ctx.store.forget_listings(now - relay::LISTING_KEPT).await);
        step("purging", relay::purge_fax_mails(&self.ctx).await);
        step("figures", self.show_figures().await);
        if strangers_at.is_none_or(|at| now < at || now >= at + STRANGERS_EVERY) {
            *strangers_at = Some(now);
            step("strangers", relay::look_for_strangers(&self.ctx).await);
        }
        is_well
    }

    async fn free_orphans(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let (running, before) = (self.running.jobs(), now - ORPHANED_AFTER);
        let freed = self.ctx.store.release_orphaned_jobs(&running, before).await?;
        if freed > 0 {
            warn!("Freed {freed} jobs that no task was working on");
        }
        Ok(())
    }

    async fn show_figures(&self) -> Result<(), StoreError> {
        let store = &self.ctx.store;
        metrics::gauge!("umstieg_events_waiting_for_keys")
            .set(gauge(store.unreadable_count().await?));
        metrics::gauge!("umstieg_jobs_waiting").set(gauge(store.jobs_waiting().await?));
        metrics::gauge!("umstieg_ghosts").set(gauge(store.ghost_count().await?));
        for (state, count) in store.dispatch_counts().await? {
            metrics::gauge!("umstieg_dispatches", "state" => state.word()).set(gauge(count));
        }
        metrics::gauge!("umstieg_parked").set(gauge(store.parked_count().await?));
        self.show_open().await
    }

    /// How much waits for each team, and for how long.
    async fn show_open(&self) -> Result<(), StoreError> {
        let counts = self.ctx.store.open_counts().await?;
        let now = self.ctx.clock.now();
        for name in self.ctx.channels.keys() {
            let open = counts.iter().find(|open| open.channel == name.as_str());
            let seconds = open.map_or(0.0, |open| (now - open.oldest).as_seconds_f64().max(0.0));
            metrics::gauge!("umstieg_open_conversations", "channel" => name.to_string())
                .set(gauge(open.map_or(0, |open| open.count)));
            metrics::gauge!("umstieg_oldest_open_seconds", "channel" => name.to_string())
                .set(seconds);
        }
        Ok(())
    }

    /// A letter in a room that nobody joins is as good as lost: perhaps the team has a typo.
    async fn alarm_of_deserted(&self) -> Result<(), StoreError> {
        let Ctx { store, clock, channels, .. } = &*self.ctx;
        let now = clock.now();
        for (name, Line { channel, .. }) in channels {
            let before = now - channel.alarm;
            let new = store.park_deserted(name, &channel.team, before, now).await?;
            if new > 0 {
                warn!(channel.name = %name, "No member who can read has joined {new} rooms in which letters lie");
            }
        }
        metrics::gauge!("umstieg_portals_deserted").set(gauge(store.deserted_portals(now).await?));
        Ok(())
    }

    /// Works for the place that a job names, unless another task does: then that task looks once
    /// more.
    async fn run(&self, context: &WorkerContext, job: Job) -> Result<(), String> {
        let _at_work = self.running.begin(*context.job().id());
        let mut turn = self.running.turn(job.key());
        let task = job.word();
        while let Some(mine) = turn {
            match self.flow(&job).await {
                Ok(()) => {}
                // Whatever it is, doing the same again at once would not help.
                Err(StoreError::Damaged(damaged)) => {
                    error!(task, error = %damaged, cause = %damaged.why, "A task met something damaged");
                    metrics::counter!("umstieg_damaged_total", "table" => damaged.table)
                        .increment(1);
                }
                Err(error) => {
                    error!(task, error = %error, cause = ?std::error::Error::source(&error).map(ToString::to_string),
                        "A task met a database that did not answer; it is tried again");
                    return Err(error.to_string());
                }
            }
            turn = mine.again();
        }
        Ok(())
    }

    async fn flow(&self, job: &Job) -> Result<(), StoreError> {
        // Whatever waits there, the sweep of the node that has it wakes it. For a room the lease is
        // taken once it is known to be a portal: strangers make as many other rooms as they like.
        // A look into the directory has none.
        let has_place = !matches!(job, Job::ReadRoom(_) | Job::LookUp(_) | Job::Decline { .. });
        if has_place && !self.ctx.store.lease(&job.key()).await? {
            return Ok(());
        }
        // What was said may have been taken back while the gateway was away.
        if needs_to_have_heard(job) && !self.ctx.hearing.lets_do(job, self.ctx.clock.now()) {
            return Ok(());
        }
        let _seat = match job {
            // A page takes seconds to read, and holds up nothing.
            Job::HandOver(_) | Job::LookUp(_) | Job::Decline { .. } | Job::ReadPages => None,
            _ => self.others.acquire().await.ok(),
        };
        match job {
            Job::PlaceLetters(channel) => relay::place_letters(&self.ctx, channel).await,
            Job::SendPosts(conversation) => relay::send_posts(&self.ctx, *conversation).await,
            Job::ReadRoom(room) => relay::read_room(&self.ctx, room).await,
            Job::ReadPages => relay::read_pages(&self.ctx).await,
            Job::LookUp(conversation) => relay::look_up(&self.ctx, *conversation).await,
            Job::HandOver(conversation) => relay::hand_over(&self.ctx, *conversation).await,
            Job::Decline { user, room } => relay::decline(&self.ctx, user, room).await,
        }
    }
}

/// Letters are placed and posted whatever happened in the rooms meanwhile.
fn needs_to_have_heard(job: &Job) -> bool {
    match job {
        Job::HandOver(_) | Job::ReadRoom(_) => true,
        Job::PlaceLetters(_) | Job::SendPosts(_) | Job::LookUp(_) | Job::Decline { .. } => false,
        // Whether it was deleted meanwhile has to be known.
        Job::ReadPages => true,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^52")]
fn gauge(count: i64) -> f64 {
    count as f64
}

/// Which jobs run in this process, and for which places.
#[derive(Debug, Clone, Default)]
struct RunningJobs {
    jobs: Arc<Mutex<BTreeSet<i64>>>,
    /// By key: whether another job for this place came meanwhile.
    places: Arc<Mutex<BTreeMap<String, bool>>>,
}

impl RunningJobs {
    fn begin(&self, job: i64) -> AtWork {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        AtWork { running: self.clone(), job }
    }

    fn jobs(&self) -> Vec<i64> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// The right to work for a place. `None` when another task has it: that task looks once more.
    fn turn(&self, key: String) -> Option<PlaceTurn> {
        let mut places = self.places();
        if let Some(again) = places.get_mut(&key) {
            *again = true;
            return None;
        }
        places.insert(key.clone(), false);
        Some(PlaceTurn { running: self.clone(), key: Some(key) })
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to work for a place, until it is given back or dropped.
struct PlaceTurn {
    running: RunningJobs,
    /// `None` once it was given back.
    key: Option<String>,
}

impl PlaceTurn {
    /// The turn again if another job came meanwhile. Otherwise it is given back, in the same step,
    /// so that no request is lost.
    fn again(mut self) -> Option<Self> {
        let mut places = self.running.places();
        let asked = self.key.as_ref().and_then(|key| places.get_mut(key));
        if asked.is_some_and(std::mem::take) {
            drop(places);
            return Some(self);
        }
        if let Some(key) = self.key.take() {
            places.remove(&key);
        }
        drop(places);
        None
    }
}

impl Drop for PlaceTurn {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.running.places().remove(key);
        }
    }
}

/// Marks a job as running for as long as it lives.
struct AtWork {
    running: RunningJobs,
    job: i64,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.running.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}

/// The engine's one task: its payload says where there is something to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct LookAfter(Job);

impl TaskHandler for LookAfter {
    const IDENTIFIER: &'static str = Job::TASK;

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        shop(&context)?.run(&context, self.0).await
    }
}

fn shop(context: &WorkerContext) -> Result<Shop, String> {
    context.get_ext::<Shop>().cloned().ok_or_else(|| "the engine lost its context".to_owned())
}

#[cfg(test)]
mod tests {
    use super::RunningJobs;

    #[test]
    fn a_second_job_for_a_place_has_the_first_look_once_more() {
        let running = RunningJobs::default();
        let first = running.turn("send_posts 1".to_owned()).unwrap();
        assert!(running.turn("send_posts 1".to_owned()).is_none());
        assert!(running.turn("send_posts 2".to_owned()).is_some());
        let first = first.again().expect("somebody asked");
        assert!(first.again().is_none(), "nobody asked since");
        assert!(running.turn("send_posts 1".to_owned()).is_some(), "the place is free again");
    }

    #[test]
    fn a_job_that_fails_frees_its_place() {
        let running = RunningJobs::default();
        drop(running.turn("send_posts 1".to_owned()).unwrap());
        assert!(running.turn("send_posts 1".to_owned()).is_some());
    }
}
