//! From an address to an open database: reached, its keys unwrapped, migrated.

use std::{pin::pin, time::Duration};

use futures_util::poll;
use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
};
use time::OffsetDateTime;

use super::{
    SEALED, Store, StoreError, jobs,
    seal::{DataKey, OuterKey, Seal, Unsealable},
    sqlstate::is_missing_table,
    takeover::{APPLICATION, Epoch, NOTICE_THE_DEAD},
};

/// How long a task waits for a free connection before it is told to come back.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);

/// How long a statement of the gateway may run: far longer than any of them needs, so that no task
/// waits without end.
const STATEMENT_MAX: &str = "5min";

/// How long a transaction may stay open between two statements. It holds rows, and nothing inside a
/// transaction takes longer than a moment.
const IDLE_IN_TRANSACTION_MAX: &str = "60s";

/// How long a connection may lie idle and still be used without a check.
const IDLE_IS_TRUSTED: Duration = Duration::from_secs(1);

/// Key of the advisory lock under which tables are fenced. Arbitrary.
const FENCING: i64 = 0x756d_7374_6965_6632;

/// The database could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database cannot be used; check [database] url, and that Postgres is running")]
    Unreachable(#[source] sqlx::Error),
    #[error("the database could not be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("the job engine's tables could not be migrated")]
    MigrateJobs(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database was not migrated to this version; run `umstieg migrate`")]
    NotMigrated,
    #[error("another gateway is running on this database; stop it first")]
    AnotherGateway,
    #[error(
        "a pooler between the gateway and Postgres lends connections for one transaction; \
         such a connection cannot hold the lock that keeps a second gateway away. Name Postgres \
         itself in [database] url, or a pooler in session mode"
    )]
    Pooled,
    #[error("the keys in the database could not be read")]
    Keys(#[source] StoreError),
    #[error(
        "the database is sealed with the key {sealed_with}, and sealing.key of the settings is \
         {given}; nothing was changed. Put the key {sealed_with} back into the settings; or, if \
         {given} is to replace it, run `umstieg rekey --old-key-file` with a file that holds \
         {sealed_with}"
    )]
    OtherKey { sealed_with: String, given: String },
    #[error(
        "data key {id} in the table seal_keys does not open although sealing.key is the right \
         one; nothing was changed. The table was damaged: restore it from a backup"
    )]
    DamagedKey {
        id: u32,
        #[source]
        cause: Unsealable,
    },
    #[error(
        "the table seal_keys is empty although there are sealed values; nothing was changed. Without \
         the keys of that table nobody can read them: restore it from a backup"
    )]
    KeysLost,
}

impl OpenError {
    /// Whether trying again would not help until an admin does something.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Unreachable(error) => matches!(error, sqlx::Error::Configuration(_)),
            Self::Keys(_) | Self::MigrateJobs(_) => false,
            Self::Migrate(error) => matches!(
                error,
                sqlx::migrate::MigrateError::VersionMissing(_)
                    | sqlx::migrate::MigrateError::VersionMismatch(_)
                    | sqlx::migrate::MigrateError::Dirty(_)
            ),
            Self::NotMigrated
            | Self::AnotherGateway
            | Self::Pooled
            | Self::OtherKey { .. }
            | Self::DamagedKey { .. }
            | Self::KeysLost => true,
        }
    }
}

/// The contents of `seal_keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The first start makes one.
    None,
    Opens {
        /// More than one: a rotation was begun and not finished.
        data_keys: usize,
    },
}

/// A database that was reached. Its contents cannot be read yet.
#[derive(Debug, Clone)]
pub struct Database {
    pub(super) pool: sqlx::PgPool,
}

impl Database {
    /// Connects with at most `connections_max` connections, for a command beside a gateway.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, OpenError> {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Unreachable)?;
        let pool = pool_of(connections_max)
            .connect_with(options.application_name("umstieg"))
            .await
            .map_err(OpenError::Unreachable)?;
        Ok(Self { pool })
    }

    /// Connects as the gateway of this epoch: what it writes counts only as long as no other
    /// gateway has taken the database.
    pub async fn connect_in(
        url: &str,
        connections_max: u32,
        epoch: Epoch,
    ) -> Result<Self, OpenError> {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Unreachable)?;
        let pool = pool_of(connections_max)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    sqlx::query(NOTICE_THE_DEAD).execute(&mut *connection).await?;
                    sqlx::query(
                        "select
                             set_config('umstieg.epoch', $1, false),
                             set_config('statement_timeout', $2, false),
                             set_config('idle_in_transaction_session_timeout', $3, false)",
                    )
                    .bind(epoch.word())
                    .bind(STATEMENT_MAX)
                    .bind(IDLE_IN_TRANSACTION_MAX)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .connect_with(options.application_name(APPLICATION))
            .await
            .map_err(OpenError::Unreachable)?;
        Ok(Self { pool })
    }

    /// Whether every migration of this version was applied.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        let applied =
            sqlx::query_scalar::<_, i64>("select version from _sqlx_migrations where success")
                .fetch_all(&self.pool)
                .await;
        match applied {
            Ok(applied) => Ok(sqlx::migrate!().iter().all(|m| applied.contains(&m.version))),
            Err(error) if is_missing_table(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the tables, and those of the job engine, to this version, makes the first data key
    /// where there is none, and opens the database.
    ///
    /// The keys come first: with a wrong outer key nothing is changed.
    pub async fn migrate(self, key: &OuterKey, at: OffsetDateTime) -> Result<Store, OpenError> {
        self.data_keys(key).await?;
        sqlx::migrate!().run(&self.pool).await.map_err(OpenError::Migrate)?;
        // `migrate` may run beside a start; two fencing runs at a time would make one trigger
        // twice.
        let fenced = async {
            let mut transaction = self.pool.begin().await?;
            sqlx::query("select pg_advisory_xact_lock($1)")
                .bind(FENCING)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("select fence_tables()").execute(&mut *transaction).await?;
            transaction.commit().await
        };
        fenced.await.map_err(|error| OpenError::Migrate(error.into()))?;
        jobs::migrate(&self.pool).await?;
        self.make_first_key(key, at).await?;
        self.open(key).await
    }

    /// Opens a database that was migrated.
    pub async fn open(self, key: &OuterKey) -> Result<Store, OpenError> {
        if !self.is_migrated().await.map_err(OpenError::Keys)? {
            return Err(OpenError::NotMigrated);
        }
        let keys = self.data_keys(key).await?;
        let seal = Seal::new(&keys).ok_or(OpenError::NotMigrated)?;
        Ok(Store::new(self.pool, seal))
    }

    /// Whether this outer key opens the data keys, changing nothing.
    pub async fn key_state(&self, key: &OuterKey) -> Result<KeyState, OpenError> {
        Ok(match self.data_keys(key).await?.len() {
            0 => KeyState::None,
            data_keys => KeyState::Opens { data_keys },
        })
    }

    async fn data_keys(&self, key: &OuterKey) -> Result<Vec<DataKey>, OpenError> {
        let mut connection =
            self.pool.acquire().await.map_err(|error| OpenError::Keys(error.into()))?;
        let wrapped = wrapped_keys(&mut connection).await.map_err(OpenError::Keys)?;
        wrapped.iter().map(|wrapped| wrapped.unwrap(key)).collect()
    }

    async fn make_first_key(&self, key: &OuterKey, at: OffsetDateTime) -> Result<(), OpenError> {
        let keys = |error: sqlx::Error| OpenError::Keys(error.into());
        let mut transaction = self.pool.begin().await.map_err(keys)?;
        // `migrate` may run beside a start, and both may be the first.
        sqlx::query("lock table seal_keys in exclusive mode")
            .execute(&mut *transaction)
            .await
            .map_err(keys)?;
        if !wrapped_keys(&mut transaction).await.map_err(OpenError::Keys)?.is_empty() {
            return Ok(());
        }
        for column in SEALED {
            if column.is_used(&mut transaction).await.map_err(keys)? {
                return Err(OpenError::KeysLost);
            }
        }
        insert_key(&mut transaction, key, &DataKey::random(1), at).await.map_err(keys)?;
        transaction.commit().await.map_err(keys)
    }
}

fn pool_of(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(CONNECTION_WAIT)
        // A check before each use would cost as much as most uses.
        .test_before_acquire(false)
        .before_acquire(|connection, known| Box::pin(answers_still(connection, known.idle_for)))
        .after_release(|connection, _| Box::pin(ends_outside_of_transactions(connection)))
}

/// Whether a connection can be used that was idle for a while: Postgres may have gone and come back
/// meanwhile. A connection that was used a moment ago is taken as it is; a task that gets a dead one
/// of those tries again.
async fn answers_still(
    connection: &mut PgConnection,
    idle_for: Duration,
) -> Result<bool, sqlx::Error> {
    if idle_for < IDLE_IS_TRUSTED {
        return Ok(true);
    }
    connection.ping().await.map(|()| true)
}

/// Makes sure that no connection comes back to the pool inside a transaction.
///
/// Work may be broken off wherever it waits: by a time limit, or with its task. sqlx 0.9 rolls back
/// what was begun, but not what was broken off while `BEGIN` was on its way. Then Postgres begins a
/// transaction of which sqlx knows nothing, and whatever a single statement saves next on this
/// connection would never be committed.
///
/// A `BEGIN` can be on its way only where an answer is outstanding. Mostly none is, which is known
/// without asking Postgres.
async fn ends_outside_of_transactions(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    {
        let mut outstanding = pin!(connection.flush());
        if let std::task::Poll::Ready(nothing) = poll!(outstanding.as_mut()) {
            return nothing.map(|()| true);
        }
        outstanding.await?;
    }
    // Inside a transaction this ends it, with a warning; outside it does almost nothing, where
    // `rollback` alone would be a warning in Postgres' log each time.
    sqlx::raw_sql("begin; rollback").execute(connection).await?;
    Ok(true)
}

/// A row of `seal_keys`.
pub(super) struct WrappedKey {
    pub(super) id: u32,
    wrapped: Vec<u8>,
    /// [`OuterKey::mark`] of the key that wrapped it.
    pub(super) outer_key: String,
}

impl WrappedKey {
    pub(super) fn unwrap(&self, key: &OuterKey) -> Result<DataKey, OpenError> {
        if self.outer_key != key.mark() {
            return Err(OpenError::OtherKey {
                sealed_with: self.outer_key.clone(),
                given: key.mark().to_owned(),
            });
        }
        let damaged = |cause| OpenError::DamagedKey { id: self.id, cause };
        key.unwrap(self.id, &self.wrapped).map_err(damaged)
    }
}

/// All data keys, oldest first; none before the first migration.
pub(super) async fn wrapped_keys(
    connection: &mut PgConnection,
) -> Result<Vec<WrappedKey>, StoreError> {
    let rows = sqlx::query!(
        "select id, wrapped, outer_key
         from seal_keys
         order by id"
    )
    .fetch_all(connection)
    .await;
    match rows {
        Ok(rows) => Ok(rows
            .into_iter()
            .map(|row| WrappedKey {
                // The table's check keeps it above 0.
                id: row.id.unsigned_abs(),
                wrapped: row.wrapped,
                outer_key: row.outer_key,
            })
            .collect()),
        Err(error) if is_missing_table(&error) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn insert_key(
    connection: &mut PgConnection,
    outer: &OuterKey,
    key: &DataKey,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into seal_keys (id, wrapped, outer_key, made_at)
         values ($1, $2, $3, $4)",
        key.id.cast_signed(),
        outer.wrap(key),
        outer.mark(),
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
