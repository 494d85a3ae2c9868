//! Who runs on a database: one gateway at a time, and never an older one.
//!
//! A lock of Postgres says who may begin. It goes with its connection, and a gateway that loses it
//! does not hear of it, because it may have been stopped or cut off. So a gateway that takes the
//! lock also raises the epoch, every connection of a gateway names its epoch, and Postgres refuses
//! what an older gateway writes (`fence` in migrations/0023_leases.sql).

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection, postgres::PgConnection};
use time::OffsetDateTime;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Moment, OpenError, Store, StoreError, sqlstate::is_missing_table};
use crate::model::ConversationId;

/// Key of the advisory lock that keeps a second gateway off the same database: two would do
/// everything twice. The number is arbitrary and must never change.
const ONE_GATEWAY: i64 = 0x756d_7374_6965_6731;

/// How long taking the database may take: a server that does not answer within this time is away.
const TAKE_WITHIN: Duration = Duration::from_secs(10);

/// How long the connections of an older gateway may take to end.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(10);

/// The name of a gateway's connections, by which its successor finds them.
pub(super) const APPLICATION: &str = "umstieg gateway";

/// What was confirmed within this time is taken for true without asking again. A takeover needs
/// longer: the lock has to be lost first.
const FRESH: Duration = Duration::from_secs(3);

/// Makes Postgres notice within half a minute that the machine behind a connection is gone; by
/// default that takes hours, and for so long it would hold the locks.
pub(super) const NOTICE_THE_DEAD: &str = "select
         set_config('tcp_keepalives_idle', '10', false),
         set_config('tcp_keepalives_interval', '5', false),
         set_config('tcp_keepalives_count', '3', false),
         set_config('tcp_user_timeout', '20000', false)";

/// The number of the gateway: each that takes the database has a higher one than all before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(i64);

impl Epoch {
    pub(super) fn word(self) -> String {
        self.0.to_string()
    }
}

/// A connection as Postgres knows it; a process id alone may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DatabaseSession {
    process: i32,
    since: OffsetDateTime,
}

/// The connections on which a gateway had the lock, or may have it without knowing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions(Vec<DatabaseSession>);

impl Sessions {
    /// Older ones are not remembered: by then Postgres has noticed that they are gone.
    const MAX: usize = 32;

    fn add(&mut self, session: DatabaseSession) {
        if self.0.len() == Self::MAX {
            self.0.remove(0);
        }
        self.0.push(session);
    }
}

/// Holds the database for one gateway, on a separate connection.
///
/// The lock goes with the connection: after a crash Postgres frees it by itself.
#[derive(Debug)]
pub struct OneGateway {
    connection: PgConnection,
    session: DatabaseSession,
}

impl OneGateway {
    /// Takes the lock, or says that another gateway has it.
    pub async fn take(url: &str) -> Result<Self, OpenError> {
        Self::take_again(url, &mut Sessions::default()).await
    }

    /// The same for a gateway that had the lock on one of `ours`: Postgres may not have noticed yet
    /// that this connection is gone. If the attempt does not finish, its own connection joins them:
    /// the lock may have been granted, and the answer lost.
    pub async fn take_again(url: &str, ours: &mut Sessions) -> Result<Self, OpenError> {
        timeout(TAKE_WITHIN, Self::try_take(url, ours))
            .await
            .unwrap_or_else(|_| Err(OpenError::Unreachable(timed_out())))
    }

    async fn try_take(url: &str, ours: &mut Sessions) -> Result<Self, OpenError> {
        let mut gate = Self::connect(url).await.map_err(not_taken)?;
        let before = ours.0.clone();
        ours.add(gate.session);
        let mut is_ours = gate.lock().await.map_err(not_taken)?;
        if !is_ours && !before.is_empty() {
            for session in before {
                gate.end(session).await.map_err(not_taken)?;
            }
            is_ours = gate.lock().await.map_err(not_taken)?;
        }
        if !is_ours {
            return Err(OpenError::AnotherGateway);
        }
        // Behind a pooler that lends connections for one transaction, the lock would be anybody's.
        let other = Self::connect(url).await.map_err(not_taken)?;
        if other.session.process == gate.session.process {
            return Err(OpenError::Pooled);
        }
        // Best effort: the connection is of no more use.
        let _ = other.connection.close().await;
        Ok(gate)
    }

    async fn connect(url: &str) -> Result<Self, sqlx::Error> {
        let options: sqlx::postgres::PgConnectOptions = url.parse()?;
        let mut connection =
            PgConnection::connect_with(&options.application_name(APPLICATION)).await?;
        sqlx::query(NOTICE_THE_DEAD).persistent(false).execute(&mut connection).await?;
        let (process, since) = sqlx::query_as::<_, (i32, OffsetDateTime)>(
            "select pid, backend_start
             from pg_stat_activity
             where pid = pg_backend_pid()",
        )
        .persistent(false)
        .fetch_one(&mut connection)
        .await?;
        Ok(Self { connection, session: DatabaseSession { process, since } })
    }

    async fn lock(&mut self) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .persistent(false)
            .bind(ONE_GATEWAY)
            .fetch_one(&mut self.connection)
            .await
    }

    /// Ends a connection that was ours.
    async fn end(&mut self, before: DatabaseSession) -> Result<(), sqlx::Error> {
        sqlx::query(
            "select pg_terminate_backend(pid)
             from pg_stat_activity
             where pid = $1
               and backend_start = $2
               and usename = current_user",
        )
        .bind(before.process)
        .bind(before.since)
        .execute(&mut self.connection)
        .await?;
        self.wait_until_gone("pid = $1 and application_name = $2", before.process).await
    }

    /// Begins an epoch: from here on nothing counts that an older gateway still writes, and what it
    /// had begun to write has ended, one way or the other.
    pub async fn begin(&mut self) -> Result<Epoch, OpenError> {
        let begun = sqlx::query_scalar(
            "with begun as (
                 update gateway set epoch = epoch + 1 returning epoch
             )
             insert into nodes (epoch)
             select epoch
             from begun
             returning epoch",
        )
        .fetch_one(&mut self.connection)
        .await;
        let epoch = match begun {
            Ok(begun) => begun,
            Err(error) if is_missing_table(&error) => return Err(OpenError::NotMigrated),
            Err(error) => return Err(OpenError::Unreachable(error)),
        };
        self.end_others().await.map_err(OpenError::Unreachable)?;
        Ok(Epoch(epoch))
    }

    /// A gateway that was stopped in the middle of a transaction keeps its rows locked, and would
    /// commit what it wrote before the epoch changed.
    async fn end_others(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query(
            "select pg_terminate_backend(pid)
             from pg_stat_activity
             where datname = current_database()
               and usename = current_user
               and application_name = $1
               and pid <> pg_backend_pid()",
        )
        .bind(APPLICATION)
        .execute(&mut self.connection)
        .await?;
        self.wait_until_gone("pid <> $1 and application_name = $2", self.session.process).await
    }

    async fn wait_until_gone(
        &mut self,
        condition: &'static str,
        process: i32,
    ) -> Result<(), sqlx::Error> {
        let sql = format!(
            "select exists (
                 select 1
                 from pg_stat_activity
                 where datname = current_database()
                   and usename = current_user
                   and {condition}
             )"
        );
        let begun = Instant::now();
        while sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(sql.clone()))
            .bind(process)
            .bind(APPLICATION)
            .fetch_one(&mut self.connection)
            .await?
        {
            if begun.elapsed() > OTHERS_END_WITHIN {
                return Err(timed_out());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The connection that holds the lock.
    pub fn sessions(&self) -> Sessions {
        Sessions(vec![self.session])
    }

    /// Whether the lock and the epoch are still ours. If they are, notes that the gateway was
    /// running at `at`.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn holds(
        &mut self,
        epoch: Epoch,
        at: Option<OffsetDateTime>,
    ) -> Result<bool, sqlx::Error> {
        let is_ours = sqlx::query_scalar::<_, bool>(
            "select
                 exists (
                     select 1
                     from pg_locks
                     where locktype = 'advisory'
                       and granted
                       and pid = pg_backend_pid()
                 )
                 and is_live($1)",
        )
        .bind(epoch.0)
        .fetch_one(&mut self.connection)
        .await?;
        if let (true, Some(at)) = (is_ours, at) {
            sqlx::query("update gateway set seen_at = $1 where epoch = $2")
                .bind(at)
                .bind(epoch.0)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(is_ours)
    }

    /// When the gateway was last noted to be running: an older copy of the database shows an older
    /// time than was noted.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn seen_at(&mut self) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        let seen_at = sqlx::query_scalar::<_, Option<Moment>>("select seen_at from gateway")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(seen_at.and_then(Moment::get))
    }
}

/// `duplicate_prepared_statement` and `invalid_sql_statement_name`: a statement of one connection
/// reaches another one.
const OTHER_CONNECTION: [&str; 2] = ["42P05", "26000"];

fn not_taken(error: sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    match code {
        Some(code) if OTHER_CONNECTION.contains(&code.as_str()) => OpenError::Pooled,
        _ => OpenError::Unreachable(error),
    }
}

fn not_ours() -> StoreError {
    sqlx::Error::Protocol("the database is not known to be ours".to_owned()).into()
}

/// A server that does not answer.
fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}

/// What a store knows about the gateway that runs on its database.
#[derive(Debug, Clone, Default)]
pub(super) struct Reign(Arc<ReignState>);

#[derive(Debug, Default)]
struct ReignState {
    /// When it was last certain that no other gateway had taken the database.
    confirmed: Mutex<Option<Instant>>,
    /// The lock was lost, and is not known to be ours again.
    is_doubtful: AtomicBool,
    /// A task saw that the database is not what it was.
    doubted: Notify,
}

impl Store {
    /// Notes that the database is ours, as of now.
    pub fn is_confirmed(&self) {
        let mut confirmed = self.reign.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        *confirmed = Some(Instant::now());
        self.reign.0.is_doubtful.store(false, Ordering::Release);
    }

    /// Notes that the lock was lost. Nothing leaves until the lock is confirmed to be ours again.
    pub fn is_doubtful(&self) {
        self.reign.0.is_doubtful.store(true, Ordering::Release);
    }

    /// Fails when another gateway has taken the database: then the effect outside must not happen.
    /// For effects that the other side recognises as a repeat. It asks Postgres only when nothing
    /// has asked lately.
    pub async fn still_ours(&self) -> Result<(), StoreError> {
        if self.reign.0.is_doubtful.load(Ordering::Acquire) {
            return Err(not_ours());
        }
        let confirmed = *self.reign.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        match confirmed {
            Some(confirmed) if confirmed.elapsed() < FRESH => Ok(()),
            _ => self.surely_ours().await,
        }
    }

    /// The same, asking Postgres now.
    pub async fn surely_ours(&self) -> Result<(), StoreError> {
        let is_ours =
            sqlx::query_scalar::<_, bool>("select may_write()").fetch_one(&self.pool).await?;
        if is_ours { Ok(()) } else { Err(not_ours()) }
    }

    /// Says that the database is not what it was a moment ago: an older copy has taken its place.
    pub fn doubt(&self) {
        self.reign.0.doubted.notify_one();
    }

    /// Completes when a task doubts.
    pub async fn doubted(&self) {
        self.reign.0.doubted.notified().await;
    }

    /// Everything that waits to be said may have been said already, and the homeserver no longer
    /// remembers under which names: the rooms are compared first. Returns how many.
    pub async fn compare_where_posts_wait(&self) -> Result<u64, StoreError> {
        let compared = sqlx::query!(
            "update rooms
             set to_compare = true
             where room_id is not null
               and state <> 'gone'
               and not to_compare
               and exists (
                   select 1
                   from posts
                   where posts.conversation_id = rooms.conversation_id
                     and posts.state = 'pending'
               )"
        )
        .execute(&self.pool)
        .await?;
        Ok(compared.rows_affected())
    }

    /// The same for one conversation, after an attempt that had no answer.
    pub async fn compare_before_speaking(
        &self,
        conversation: ConversationId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update rooms
             set to_compare = true
             where conversation_id = $1
               and room_id is not null
               and state <> 'gone'",
            conversation.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
