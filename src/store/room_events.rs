//! What happened in rooms: two doors, one table, every event once.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Job, Store, StoreError, jobs, seal::Purpose};

/// Which way an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A transaction the homeserver pushed.
    Transaction,
    /// The bot's own `/sync`, or `/messages` to fill its gaps.
    Sync,
}

impl Door {
    fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Sync => "sync",
        }
    }
}

/// An event as a door received it, not yet understood.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEvent {
    pub event_id: String,
    pub room_id: String,
    pub sender: String,
    /// The whole event, as it came.
    pub event: Value,
}

/// An event nobody has read yet.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    pub id: i64,
    pub event: Value,
    pub received_at: OffsetDateTime,
    /// Whether its sender was told that it could not be read.
    pub was_announced: bool,
}

/// An event that cannot be read yet, and whose sender does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct UnreadableEvent {
    pub id: i64,
    pub room_id: String,
    pub event_id: String,
    pub sender: String,
    pub event: Value,
}

impl Store {
    /// Saves a transaction and its events, each once, and wakes whoever reads them.
    ///
    /// Returns how many events were new. A transaction seen before changes nothing.
    pub async fn receive_transaction(
        &self,
        txn_id: &str,
        events: &[IncomingEvent],
        at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_new = sqlx::query!(
            "insert into matrix_transactions (txn_id, received_at)
             values ($1, $2)
             on conflict do nothing",
            txn_id,
            at,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if !is_new {
            return Ok(0);
        }
        let count = self.insert_events(&mut transaction, events, Door::Transaction, at).await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Saves what a `/sync` brought and where the next one goes on, in one step.
    pub async fn receive_sync(
        &self,
        user_id: &str,
        since: &str,
        events: &[IncomingEvent],
        at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let count = self.insert_events(&mut transaction, events, Door::Sync, at).await?;
        sqlx::query!(
            "insert into sync_positions (user_id, since, updated_at)
             values ($1, $2, $3)
             on conflict (user_id) do update
             set since = excluded.since,
                 updated_at = excluded.updated_at",
            user_id,
            since,
            at,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Events of a room nobody has read yet, oldest first.
    pub async fn new_events(
        &self,
        room_id: &str,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 id,
                 event as "event!",
                 received_at,
                 announced_at is not null as "was_announced!"
             from room_events
             where room_id = $1
               and state = 'new'
             order by id
             limit $2"#,
            room_id,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(StoredEvent {
                    id: row.id,
                    event: self.open_json(Purpose::RoomEvent, &row.event)?,
                    received_at: row.received_at,
                    was_announced: row.was_announced,
                })
            })
            .collect()
    }

    /// Notes that events were read and acted on. Their content is not kept any longer.
    pub async fn events_done(&self, ids: &[i64]) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = 'done',
                 event = null
             where id = any ($1)",
            ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that an event waits for the key of a session.
    pub async fn event_waits(&self, id: i64, session: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = 'waiting',
                 session_id = $2
             where id = $1",
            id,
            session,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that an event was readable as this message of a session. `false`: another event of the
    /// room was the same message.
    pub async fn is_first_reading(
        &self,
        id: i64,
        session: &str,
        index: u32,
    ) -> Result<bool, StoreError> {
        let noted = sqlx::query!(
            "update room_events as event
             set session_id = $2,
                 message_index = $3
             where id = $1
               and not exists (
                   select 1
                   from room_events as other
                   where other.room_id = event.room_id
                     and other.session_id = $2
                     and other.message_index = $3
                     and other.id <> $1
               )",
            id,
            session,
            i64::from(index),
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(noted == 1)
    }

    /// The key of a session came: what waits for it is read again.
    pub async fn wake_for_key(&self, room_id: &str, session: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let woken = sqlx::query!(
            "update room_events
             set state = 'new'
             where room_id = $1
               and session_id = $2
               and state = 'waiting'",
            room_id,
            session,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if woken > 0 {
            jobs::add(&mut transaction, &Job::ReadRoom(room_id.to_owned()), None).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// A message of a session can be read: what came before it and waits for the same key is new
    /// again. `false`: nothing waited.
    pub async fn wake_older(
        &self,
        room_id: &str,
        session: &str,
        id: i64,
    ) -> Result<bool, StoreError> {
        let woken = sqlx::query!(
            "update room_events
             set state = 'new'
             where room_id = $1
               and session_id = $2
               and id < $3
               and state = 'waiting'",
            room_id,
            session,
            id,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(woken > 0)
    }

    /// Has everything that waits for a key read again: it may have come while nobody noted it.
    pub async fn wake_all_unreadable(&self) -> Result<(), StoreError> {
        sqlx::query!("update room_events set state = 'new' where state = 'waiting'")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What has waited for its key since `before`, and whose sender was not told.
    pub async fn unreadable_since(
        &self,
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<UnreadableEvent>, StoreError> {
        let rows = sqlx::query!(
            r#"select id, room_id, event_id, sender, event as "event!"
             from room_events
             where state = 'waiting'
               and announced_at is null
               and received_at < $1
             order by id
             limit $2"#,
            before,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(UnreadableEvent {
                    id: row.id,
                    room_id: row.room_id,
                    event_id: row.event_id,
                    sender: row.sender,
                    event: self.open_json(Purpose::RoomEvent, &row.event)?,
                })
            })
            .collect()
    }

    /// Notes that the sender of an event knows that it could not be read.
    pub async fn event_announced(&self, id: i64, at: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!("update room_events set announced_at = $2 where id = $1", id, at)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How many events wait for a key, for the metrics.
    pub async fn unreadable_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!" from room_events where state = 'waiting'"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Forgets what is no longer needed: transaction names the homeserver will not repeat, and
    /// unread events of rooms that never became ours.
    pub async fn forget_before(&self, at: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!("delete from matrix_transactions where received_at < $1", at)
            .execute(&self.pool)
            .await?;
        sqlx::query!(
            "update room_events as event
             set state = 'done',
                 event = null
             where event.state = 'new'
               and event.received_at < $1
               and not exists (
                   select 1
                   from portals
                   where portals.room_id = event.room_id
               )",
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn insert_events(
        &self,
        connection: &mut PgConnection,
        events: &[IncomingEvent],
        door: Door,
        at: OffsetDateTime,
    ) -> Result<u64, sqlx::Error> {
        let column = |of: fn(&IncomingEvent) -> &str| -> Vec<String> {
            events.iter().map(|event| of(event).to_owned()).collect()
        };
        let contents: Vec<Vec<u8>> =
            events.iter().map(|event| self.close_json(Purpose::RoomEvent, &event.event)).collect();
        let new = sqlx::query!(
            "insert into room_events (event_id, room_id, sender, event, door, received_at)
             select event_id, room_id, sender, event, $5, $6
             from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
                 with ordinality as new (event_id, room_id, sender, event, place)
             order by place
             on conflict (event_id) do nothing
             returning event_id, room_id",
            &column(|event| &event.event_id),
            &column(|event| &event.room_id),
            &column(|event| &event.sender),
            &contents,
            door.word(),
            at,
        )
        .fetch_all(&mut *connection)
        .await?;
        let count = u64::try_from(new.len()).unwrap_or(u64::MAX);
        let names: Vec<String> = new.iter().map(|event| event.event_id.clone()).collect();
        let echoes = confirm_posts(connection, &names, at).await?;
        let rooms: BTreeSet<String> = new
            .into_iter()
            .filter(|event| !echoes.contains(&event.event_id))
            .map(|event| event.room_id)
            .collect();
        for room in rooms {
            jobs::add(connection, &Job::ReadRoom(room), None).await?;
        }
        Ok(count)
    }
}

/// Confirms posts that came back, and names their events: there is nothing more to read in them,
/// and no job is spent on it. An echo that overtakes the answer to our request is read like any
/// other event, and known by its mark.
async fn confirm_posts(
    connection: &mut PgConnection,
    events: &[String],
    at: OffsetDateTime,
) -> Result<BTreeSet<String>, sqlx::Error> {
    let echoes = sqlx::query_scalar!(
        r#"with echoed as (
             update posts
             set echoed_at = $2
             where event_id = any ($1)
               and state = 'sent'
               and echoed_at is null
             returning event_id
         )
         update room_events
         set state = 'done',
             event = null
         where event_id in (select event_id from echoed)
         returning event_id as "event_id!""#,
        events,
        at,
    )
    .fetch_all(connection)
    .await?;
    Ok(echoes.into_iter().collect())
}
