//! Another outer key: the data keys are wrapped again, and every value is sealed with a new data
//! key.
//!
//! [`SEALED`] lists all sealed columns; a test compares it with the tables. Each step may be the
//! last before a crash: the data keys are wrapped with the new outer key in one transaction, from
//! which on only that key counts, and values sealed with older data keys open as before until their
//! turn comes. A data key goes when nothing is sealed with it any more.

use sqlx::{AssertSqlSafe, PgConnection};
use time::OffsetDateTime;

use super::{
    Database, OpenError, StoreError,
    database::{WrappedKey, insert_key, wrapped_keys},
    seal::{DataKey, NONCE_END, OuterKey, Purpose, Seal, head},
};

/// A column whose values are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedColumn {
    pub table: &'static str,
    pub column: &'static str,
    pub purpose: Purpose,
}

/// All sealed columns.
pub const SEALED: &[SealedColumn] = &[
    SealedColumn { table: "letters", column: "raw", purpose: Purpose::LetterRaw },
    SealedColumn { table: "letter_pieces", column: "piece", purpose: Purpose::LetterPiece },
    SealedColumn { table: "letters", column: "envelope", purpose: Purpose::LetterEnvelope },
    SealedColumn { table: "page_hints", column: "number", purpose: Purpose::PageHint },
    SealedColumn { table: "posts", column: "content", purpose: Purpose::PostContent },
    SealedColumn { table: "posts", column: "media", purpose: Purpose::PostMedia },
    SealedColumn { table: "room_events", column: "event", purpose: Purpose::RoomEvent },
    SealedColumn { table: "dispatches", column: "subject", purpose: Purpose::DispatchSubject },
    SealedColumn { table: "conversations", column: "subject", purpose: Purpose::StartedSubject },
    SealedColumn { table: "dispatches", column: "reply", purpose: Purpose::DispatchReply },
    SealedColumn { table: "reports", column: "words", purpose: Purpose::ReportWords },
    SealedColumn { table: "dispatch_parts", column: "content", purpose: Purpose::DispatchPart },
    SealedColumn { table: "room_acts", column: "content", purpose: Purpose::DispatchPart },
    SealedColumn { table: "fax_names", column: "name", purpose: Purpose::FaxName },
    SealedColumn { table: "rooms", column: "ghost_name", purpose: Purpose::FaxName },
    SealedColumn { table: "crypto_records", column: "sealed", purpose: Purpose::CryptoSecret },
    SealedColumn { table: "crypto_room_keys", column: "sealed", purpose: Purpose::CryptoSecret },
    SealedColumn { table: "crypto_peer_devices", column: "sealed", purpose: Purpose::CryptoSecret },
    SealedColumn {
        table: "crypto_peer_identities",
        column: "sealed",
        purpose: Purpose::CryptoSecret,
    },
];

/// Columns of bytes that are not sealed, table and column: hashes, public keys, and keys that are
/// wrapped already.
pub const UNSEALED: &[(&str, &str)] = &[
    ("letters", "fingerprint"),
    ("letters", "digest"),
    ("fax_records", "digest"),
    ("absence_notes", "words"),
    ("unfetched_mails", "head_digest"),
    ("outer_heads", "head_digest"),
    ("mailboxes", "place"),
    ("seal_keys", "wrapped"),
    ("crypto_records", "part_of"),
    ("crypto_records", "name"),
    ("crypto_room_keys", "room"),
    ("crypto_room_keys", "session"),
    ("crypto_room_keys", "sender_key"),
    ("crypto_message_hashes", "digest"),
    ("crypto_public_keys", "sha256"),
    ("crypto_public_keys", "keys"),
    ("crypto_peer_devices", "name"),
    ("crypto_peer_devices", "keys"),
    ("crypto_peer_identities", "keys"),
];

/// Values sealed again in one transaction: few enough that an interruption costs little.
const BATCH_ROWS: usize = 500;
/// Bytes of values in memory at a time, unless a single one is larger.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RekeyProgress {
    /// Everything is sealed with this outer key, and nothing was left to do.
    NothingToDo,
    /// From now on only the new outer key opens the database.
    KeysWrapped,
    /// Goes on where an earlier run was interrupted.
    GoesOn,
    /// Of `all` values that were left, `done` are sealed again.
    Resealed { column: SealedColumn, done: usize, all: usize },
    /// This many unused data keys are gone.
    KeysRemoved(u64),
}

/// The harm for which the keys were not changed, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "the change of keys was interrupted; run the command again, and it goes on where it was"
    )]
    Store(#[from] StoreError),
    #[error(
        "the database is sealed with the key {sealed_with}, which is not the one in the settings; \
         nothing was changed. Give the old key with --old-key-file"
    )]
    OldKeyMissing { sealed_with: String },
    #[error(
        "the old key given is {given}, and the database is sealed with the key {sealed_with}; \
         nothing was changed. Give the file that holds {sealed_with}"
    )]
    WrongOldKey { sealed_with: String, given: String },
    #[error(
        "everything else is sealed again, but {count} values do not open, the first in {table}, \
         column {column}; they were damaged, or belong to another database. The data keys stay, so \
         that values restored from a backup open"
    )]
    Damaged { count: usize, table: &'static str, column: &'static str },
}

impl From<sqlx::Error> for RekeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Makes `new` the outer key of a database that `old` wrapped, and seals everything again; or
/// continues that where it was interrupted, which does not need the old key.
///
/// Only a caller that holds the database ([`super::OneGateway`]) may call this.
pub async fn rekey(
    database: &Database,
    new: &OuterKey,
    old: Option<&OuterKey>,
    at: OffsetDateTime,
    mut tell: impl FnMut(RekeyProgress),
) -> Result<(), RekeyError> {
    let (keys, is_new) = change_hands(database, new, old, at).await?;
    if keys.len() == 1 && !is_new {
        tell(RekeyProgress::NothingToDo);
        return Ok(());
    }
    tell(if is_new { RekeyProgress::KeysWrapped } else { RekeyProgress::GoesOn });
    let Some(seal) = Seal::new(&keys) else { return Err(OpenError::NotMigrated.into()) };
    let mut connection = database.pool.acquire().await?;
    let mut damaged = Vec::new();
    for column in SEALED {
        column.reseal(&mut connection, &seal, &mut damaged, &mut tell).await?;
    }
    if let Some(first) = damaged.first() {
        let SealedColumn { table, column, .. } = *first;
        return Err(RekeyError::Damaged { count: damaged.len(), table, column });
    }
    tell(RekeyProgress::KeysRemoved(remove_unused(&mut connection, &seal).await?));
    Ok(())
}

/// Wraps every data key with the new outer key and adds a data key for what is sealed from now on,
/// all or nothing. Returns all data keys, and whether one is new.
async fn change_hands(
    database: &Database,
    new: &OuterKey,
    old: Option<&OuterKey>,
    at: OffsetDateTime,
) -> Result<(Vec<DataKey>, bool), RekeyError> {
    if !database.is_migrated().await? {
        return Err(OpenError::NotMigrated.into());
    }
    let mut transaction = database.pool.begin().await?;
    sqlx::query("lock table seal_keys in exclusive mode").execute(&mut *transaction).await?;
    let wrapped = wrapped_keys(&mut transaction).await?;
    if wrapped.iter().all(|key| key.outer_key == new.mark()) {
        let keys = wrapped.iter().map(|key| key.unwrap(new)).collect::<Result<_, _>>()?;
        return Ok((keys, false));
    }
    let mut keys = Vec::new();
    for key in &wrapped {
        let data_key = key.unwrap(outer_key_of(key, new, old)?)?;
        sqlx::query!(
            "update seal_keys
             set wrapped = $2,
                 outer_key = $3
             where id = $1",
            data_key.id.cast_signed(),
            new.wrap(&data_key),
            new.mark(),
        )
        .execute(&mut *transaction)
        .await?;
        keys.push(data_key);
    }
    let last = keys.iter().map(|key| key.id).max().unwrap_or_default();
    let newest = DataKey::random(last + 1);
    insert_key(&mut transaction, new, &newest, at).await?;
    transaction.commit().await?;
    keys.push(newest);
    Ok((keys, true))
}

/// Which of the two wrapped a data key.
fn outer_key_of<'k>(
    key: &WrappedKey,
    new: &'k OuterKey,
    old: Option<&'k OuterKey>,
) -> Result<&'k OuterKey, RekeyError> {
    let sealed_with = key.outer_key.clone();
    match old {
        _ if sealed_with == new.mark() => Ok(new),
        Some(old) if sealed_with == old.mark() => Ok(old),
        Some(old) => Err(RekeyError::WrongOldKey { sealed_with, given: old.mark().to_owned() }),
        None => Err(RekeyError::OldKeyMissing { sealed_with }),
    }
}

/// Removes the data keys with which nothing is sealed.
async fn remove_unused(connection: &mut PgConnection, seal: &Seal) -> Result<u64, RekeyError> {
    for column in SEALED {
        // No task writes while this runs; but a key that goes too early is gone for good.
        if !column.sealed_otherwise(connection, seal.newest_key()).await?.is_empty() {
            return Ok(0);
        }
    }
    let removed =
        sqlx::query!("delete from seal_keys where id <> $1", seal.newest_key().cast_signed())
            .execute(connection)
            .await?;
    Ok(removed.rows_affected())
}

/// Where a value lies and how long it is. Places are Postgres' own (`ctid`): they work for every
/// table, whatever its primary key.
type ValuePlace = (String, i32);

impl SealedColumn {
    /// Whether there is any value in this column.
    pub(super) async fn is_used(self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let Self { table, column, .. } = self;
        let sql = format!("select exists (select 1 from {table} where {column} is not null)");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await
    }

    /// Values that another data key than this one sealed.
    async fn sealed_otherwise(
        self,
        connection: &mut PgConnection,
        key: u32,
    ) -> Result<Vec<ValuePlace>, sqlx::Error> {
        let Self { table, column, .. } = self;
        let sql = format!(
            "select ctid::text, octet_length({column})
             from {table}
             where substring({column} from 1 for $1) <> $2"
        );
        let head = head(key);
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(i32::try_from(head.len()).unwrap_or(i32::MAX))
            .bind(head.as_slice())
            .fetch_all(connection)
            .await
    }

    /// Seals again every value that is not sealed with the newest data key. Values that do not open
    /// are left as they are and noted in `damaged`.
    async fn reseal(
        self,
        connection: &mut PgConnection,
        seal: &Seal,
        damaged: &mut Vec<Self>,
        tell: &mut impl FnMut(RekeyProgress),
    ) -> Result<(), RekeyError> {
        let places = self.sealed_otherwise(connection, seal.newest_key()).await?;
        let (mut rest, mut done, all) = (places.as_slice(), 0, places.len());
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_length(rest));
            let opened = self.reseal_batch(connection, seal, batch).await?;
            damaged.extend(std::iter::repeat_n(self, batch.len() - opened));
            rest = later;
            done += batch.len();
            tell(RekeyProgress::Resealed { column: self, done, all });
        }
        Ok(())
    }

    /// One transaction. Returns how many values opened.
    async fn reseal_batch(
        self,
        connection: &mut PgConnection,
        seal: &Seal,
        batch: &[ValuePlace],
    ) -> Result<usize, RekeyError> {
        use sqlx::Connection as _;
        let Self { table, column, purpose } = self;
        let mut transaction = connection.begin().await?;
        let places: Vec<&str> = batch.iter().map(|(place, _)| place.as_str()).collect();
        let select = format!(
            "select ctid::text, {column}
             from {table}
             where ctid = any ($1::text[]::tid[])"
        );
        let values: Vec<(String, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(select))
            .bind(&places)
            .fetch_all(&mut *transaction)
            .await?;
        // The nonce makes sure that it is still the same value, even if a person moved the table's
        // rows meanwhile (vacuum full).
        let update = format!(
            "update {table}
             set {column} = $1
             where ctid = $2::text::tid
               and substring({column} from 1 for $3) = $4"
        );
        let mut opened = 0;
        for (place, value) in values {
            let (Ok(plain), Some(begin)) = (seal.open(purpose, &value), value.get(..NONCE_END))
            else {
                continue;
            };
            opened += 1;
            sqlx::query(AssertSqlSafe(update.clone()))
                .bind(seal.close(purpose, &plain))
                .bind(place)
                .bind(i32::try_from(NONCE_END).unwrap_or(i32::MAX))
                .bind(begin)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(opened)
    }
}

/// How many of these values are sealed again in one go: at least one.
fn batch_length(places: &[ValuePlace]) -> usize {
    let mut bytes = 0;
    let fitting = places.iter().take(BATCH_ROWS).take_while(|(_, length)| {
        bytes += usize::try_from(*length).unwrap_or_default();
        bytes <= BATCH_BYTES
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_small_and_never_empty() {
        let check = |lengths: &[i32], expected| {
            let places: Vec<ValuePlace> =
                lengths.iter().map(|length| ("(0,1)".to_owned(), *length)).collect();
            assert_eq!(batch_length(&places), expected);
        };
        check(&[100; 3], 3);
        check(&[100; 2 * BATCH_ROWS], BATCH_ROWS);
        check(&[BATCH_BYTES as i32 + 1, 1], 1);
        check(&[BATCH_BYTES as i32 / 2; 3], 2);
    }
}
