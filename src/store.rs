//! Postgres: one file per table family. Everything that must not be lost goes through here.
//!
//! Every function is one transaction and may run twice. Times are arguments. Texts of people
//! (raw letters, posts, answers) pass through and are never logged.

#![expect(
    deprecated,
    reason = "the query macros warn that both time crates are in the tree (the job engine brings \
              chrono); with `time` switched on they always take `time`, which is what we want"
)]

mod conversations;
mod dispatches;
mod ghosts;
mod jobs;
mod letters;
mod parked;
mod portals;
mod posts;
mod room_events;
pub mod seal;

use std::time::Duration;

use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
};

pub use conversations::{Conversation, KnownThreads};
pub use dispatches::{NewPart, NewerWords, StoredDispatch, StoredPart};
pub use jobs::Job;
pub use letters::{NewLetter, Placing, StoredLetter};
pub use parked::{ParkedItem, ParkedKind, Resolution};
pub use portals::{Portal, PortalState};
pub use posts::{PostKind, StoredPost};
pub use room_events::{Door, IncomingEvent, StoredEvent};

/// How long a task waits for a free connection before it is told to come back.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);

/// Key of the advisory lock that keeps a second gateway off the same database: two would do
/// everything twice. The number is arbitrary and must never change.
const ONE_GATEWAY: i64 = 0x756d_7374_6965_6731;

/// A pool of connections to the gateway's database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: sqlx::PgPool,
}

/// The database could not do it. Whoever asked tries again later: nothing was half done.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer as expected")]
pub struct StoreError(#[from] pub sqlx::Error);

/// The database could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database cannot be reached; check [database] url, and that Postgres is running")]
    Unreachable(#[source] sqlx::Error),
    #[error("the database could not be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("the job engine's tables could not be migrated")]
    MigrateJobs(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database was not migrated to this version; run `umstieg migrate`")]
    NotMigrated,
    #[error("another gateway is running on this database; stop it first")]
    AnotherGateway,
}

impl Store {
    /// Wraps a pool whose database was migrated.
    pub fn new(pool: sqlx::PgPool) -> Self {
        Self { pool }
    }

    /// Connects with at most `connections_max` connections.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, OpenError> {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Unreachable)?;
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(CONNECTION_WAIT)
            .connect_with(options.application_name("umstieg"))
            .await
            .map_err(OpenError::Unreachable)?;
        Ok(Self { pool })
    }

    /// The pool, for the job engine.
    pub fn pool(&self) -> &sqlx::PgPool {
        &self.pool
    }

    /// Brings the tables, and those of the job engine, to this version.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        sqlx::migrate!().run(&self.pool).await.map_err(OpenError::Migrate)?;
        jobs::migrate(&self.pool).await
    }

    /// Whether every migration of this version was applied.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        let applied =
            sqlx::query_scalar::<_, i64>("select version from _sqlx_migrations where success")
                .fetch_all(&self.pool)
                .await;
        match applied {
            Ok(applied) => Ok(sqlx::migrate!().iter().all(|m| applied.contains(&m.version))),
            // 42P01: the table does not exist, because nothing was ever migrated.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }
}

/// Holds the database for one gateway, on a connection of its own.
///
/// The lock goes with the connection: after a crash Postgres frees it by itself.
#[derive(Debug)]
pub struct OneGateway {
    connection: PgConnection,
}

impl OneGateway {
    /// Takes the lock, or says that another gateway has it.
    pub async fn take(url: &str) -> Result<Self, OpenError> {
        let mut connection = PgConnection::connect(url).await.map_err(OpenError::Unreachable)?;
        let is_ours = sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock($1)")
            .bind(ONE_GATEWAY)
            .fetch_one(&mut connection)
            .await
            .map_err(OpenError::Unreachable)?;
        if is_ours { Ok(Self { connection }) } else { Err(OpenError::AnotherGateway) }
    }

    /// Whether the connection, and the lock with it, still stands.
    pub async fn is_held(&mut self) -> bool {
        self.connection.ping().await.is_ok()
    }
}
