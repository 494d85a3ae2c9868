//! Wake-ups on the job engine (graphile_worker), added in the transaction that makes them needed.
//!
//! A job says only *where* there is something to do; our own tables say what, and in which order.
//! So a job that runs twice, or a second one for the same place, is harmless.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{OpenError, Store, StoreError};
use crate::{
    model::{ChannelName, ConversationId},
    rules::retry::{COLLECT_MAX, WAIT_MAX},
};

/// Attempts of the engine, for failures that are ours (the database was away). With its
/// exponential back-off this is about three days; `Store::wake_what_waits` covers the rest.
const ENGINE_ATTEMPTS_MAX: i32 = 25;

/// A place where there is something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Letters of this channel have no place yet.
    PlaceLetters(ChannelName),
    /// Posts of this conversation wait.
    SendPosts(ConversationId),
    /// Events of this room were not read yet.
    ReadRoom(String),
    /// Dispatches of this conversation wait.
    HandOver(ConversationId),
    /// The correspondent of this conversation was never looked up in the directory.
    LookUp(ConversationId),
    /// Faxes that are in their rooms wait to be read, one after the other.
    ReadPages,
    /// A user of ours is invited to a room that is no portal.
    Decline { user: String, room: String },
}

impl Job {
    /// The engine's name for all of them.
    pub const TASK: &'static str = "look_after";

    /// What is done there, as the log says it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PlaceLetters(_) => "place_letters",
            Self::SendPosts(_) => "send_posts",
            Self::ReadRoom(_) => "read_room",
            Self::HandOver(_) => "hand_over",
            Self::LookUp(_) => "look_up",
            Self::ReadPages => "read_pages",
            Self::Decline { .. } => "decline",
        }
    }

    /// Two jobs with one key are one job as long as none of them runs; the worker makes sure that
    /// two never run side by side.
    pub fn key(&self) -> String {
        let word = self.word();
        match self {
            Self::PlaceLetters(channel) => format!("{word} {channel}"),
            Self::SendPosts(conversation)
            | Self::HandOver(conversation)
            | Self::LookUp(conversation) => format!("{word} {conversation}"),
            Self::ReadRoom(room) => format!("{word} {room}"),
            Self::ReadPages => word.to_owned(),
            Self::Decline { user, room } => format!("{word} {user} {room}"),
        }
    }
}

/// The conversations in which an answer or a report about one waits and is due.
async fn waiting_dispatches(
    connection: &mut PgConnection,
    at: OffsetDateTime,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select conversation_id as "conversation_id!"
             from dispatches
             where state in ('collecting', 'waiting', 'handing_over', 'sending_body')
               and (closes_at <= $1 or closes_at > $3)
               and (coalesce(next_attempt_at, $1) <= $1 or next_attempt_at > $2)
             union
             -- A report came while an attempt was under way, which has ended.
             select dispatch.conversation_id
             from reports as report
             join dispatches as dispatch on dispatch.id = report.dispatch_id
             where report.state = 'waiting'
               and dispatch.state not in ('collecting', 'waiting', 'handing_over', 'sending_body')"#,
        at,
        at + WAIT_MAX,
        at + COLLECT_MAX,
    )
    .fetch_all(connection)
    .await
}

/// Whether a fax that is in its room waits to be read, and is due.
async fn fax_waits_to_be_read(
    connection: &mut PgConnection,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
             select 1
             from page_readings as reading
             join letters as letter on letter.id = reading.letter_id
             where reading.state = 'waiting'
               and letter.state = 'posted'
               and (coalesce(reading.next_attempt_at, $1) <= $1 or reading.next_attempt_at > $2)
         ) as "is_waiting!""#,
        at,
        at + WAIT_MAX,
    )
    .fetch_one(connection)
    .await
}

/// Adds a job within the caller's transaction, to run now or at `at`.
///
/// It uses no queue of the engine: for each job the engine takes, it locks every free queue. That
/// cost grows with the number of conversations, and only one job can be taken at a time.
pub(super) async fn add(
    connection: &mut PgConnection,
    job: &Job,
    at: Option<OffsetDateTime>,
) -> Result<(), sqlx::Error> {
    let key = job.key();
    sqlx::query(
        "select graphile_worker.add_job(
            identifier => $1,
            payload => $2::json,
            run_at => coalesce($4, now()),
            max_attempts => $5,
            job_key => $3
        )",
    )
    .bind(Job::TASK)
    .bind(sqlx::types::Json(job))
    .bind(key)
    .bind(at)
    .bind(ENGINE_ATTEMPTS_MAX)
    .execute(connection)
    .await?;
    Ok(())
}

/// Brings the engine's own tables to its version.
pub(super) async fn migrate(pool: &sqlx::PgPool) -> Result<(), OpenError> {
    graphile_worker::WorkerUtils::new(pool.clone(), "graphile_worker")
        .migrate()
        .await
        .map_err(|error| OpenError::MigrateJobs(error.into()))
}

impl Store {
    /// Adds a job apart from any other change.
    pub async fn wake(&self, job: &Job, at: Option<OffsetDateTime>) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(add(&mut connection, job, at).await?)
    }

    /// Adds a job for every place where something waits and is due, so that a lost wake-up leaves
    /// nothing lying. Cheap when nothing waits.
    pub async fn wake_what_waits(&self, at: OffsetDateTime) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let channels = sqlx::query_scalar!(
            "select distinct channel
             from letters
             where state = 'stored'"
        )
        .fetch_all(&mut *transaction)
        .await?;
        let posts = sqlx::query_scalar!(
            "select distinct conversation_id
             from posts
             where state = 'pending'
               and (coalesce(next_attempt_at, $1) <= $1 or next_attempt_at > $2)
               and exists (
                   select 1
                   from conversations
                   where conversations.id = posts.conversation_id
                     and conversations.parked_id is null
               )",
            at,
            at + WAIT_MAX,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let rooms = sqlx::query_scalar!(
            "select distinct event.room_id
             from room_events as event
             join rooms on rooms.room_id = event.room_id
             where event.state = 'new'"
        )
        .fetch_all(&mut *transaction)
        .await?;
        let portals = sqlx::query_scalar!(
            r#"select conversation_id as "conversation_id!"
             from rooms
             where kind = 'portal'
               and (state <> 'gone' and upgraded_at is not null
                    or state = 'opening' and room_id is not null)"#
        )
        .fetch_all(&mut *transaction)
        .await?;
        let dispatches = waiting_dispatches(&mut transaction, at).await?;
        let faxes = fax_waits_to_be_read(&mut transaction, at).await?;

        let jobs = channels
            .iter()
            .filter_map(|name| ChannelName::new(name).ok())
            .map(Job::PlaceLetters)
            .chain(posts.into_iter().chain(portals).map(|id| Job::SendPosts(ConversationId(id))))
            .chain(rooms.into_iter().map(Job::ReadRoom))
            .chain(dispatches.into_iter().map(|id| Job::HandOver(ConversationId(id))))
            .chain(faxes.then_some(Job::ReadPages));
        for job in jobs {
            if !is_queued(&mut transaction, &job).await? {
                add(&mut transaction, &job, None).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Frees jobs that no running task holds: a killed gateway, or a database that went away
    /// between a task's end and the engine's note of it, leaves them locked (for hours, by the
    /// engine's own rule). `running` are the ids this process works on; only the one gateway that
    /// holds the database may call this.
    pub async fn release_orphaned_jobs(
        &self,
        running: &[i64],
        locked_before: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let freed = sqlx::query(
            "update graphile_worker._private_jobs
             set locked_at = null,
                 locked_by = null,
                 run_at = least(run_at, now())
             where locked_at < $2
               and id <> all ($1)
               -- Another node may be at work there.
               and not exists (
                   select 1
                   from leases
                   where leases.what = _private_jobs.key
                     and leases.epoch <> this_node()
                     and is_live(leases.epoch)
               )",
        )
        .bind(running)
        .bind(locked_before)
        .execute(&self.pool)
        .await?;
        // A job that was given back before it began, after another job took the place of its key:
        // the engine keeps such rows for ever.
        sqlx::query(
            "delete from graphile_worker._private_jobs
             where locked_at is null
               and id in (select id from graphile_worker._private_job_retirements)",
        )
        .execute(&self.pool)
        .await?;
        Ok(freed.rows_affected())
    }

    /// Forgets jobs of tasks that an earlier version had: no task takes them, and what waits is
    /// woken again.
    pub async fn forget_jobs_of_earlier_versions(&self) -> Result<(), StoreError> {
        sqlx::query(
            "delete from graphile_worker._private_jobs as job
             using graphile_worker._private_tasks as task
             where task.id = job.task_id
               and task.identifier <> $1",
        )
        .bind(Job::TASK)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many jobs wait or run, for the metrics.
    pub async fn jobs_waiting(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar::<_, i64>("select count(*) from graphile_worker._private_jobs")
            .fetch_one(&self.pool)
            .await?)
    }
}

/// Whether a job with this key waits for its turn already, or runs. A job whose attempts are used up
/// does not count: the engine never takes it again.
async fn is_queued(connection: &mut PgConnection, job: &Job) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar::<_, bool>(
        "select exists (
            select 1
            from graphile_worker._private_jobs
            where key = $1
              and run_at <= now()
              and (locked_at is not null or attempts < max_attempts)
        )",
    )
    .bind(job.key())
    .fetch_one(connection)
    .await
}
