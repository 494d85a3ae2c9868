//! What happened in rooms, to be read once, in the order of `/sync`.
//!
//! `fetched` → `new` (its place is told) → `done`; a missing key makes it `waiting` in between, and
//! an unreadable event is `parked`.

use serde_json::Value;
use time::OffsetDateTime;

use super::{Job, Store, StoreError, jobs, parked, parked::ParkedKind, seal::Purpose};
use crate::model::{ConversationId, Notice};

/// An event that was not read yet.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    pub id: i64,
    pub event_id: String,
    pub sender: String,
    /// `None` for a damaged event: it cannot be opened, or is no JSON.
    pub event: Option<Value>,
    /// Whether its sender was told that it could not be read.
    pub was_announced: bool,
    /// Whether it was taken back.
    pub is_redacted: bool,
    /// The message it edits, as far as that can be told without its key.
    pub edit_of: Option<String>,
    /// It was said before the database was replaced by an older copy, and may have been passed on.
    pub before_copy: bool,
}

/// An event that cannot be read yet, and whose sender was not told.
#[derive(Debug, Clone, PartialEq)]
pub struct UnreadableEvent {
    pub id: i64,
    pub room_id: String,
    pub event_id: String,
    pub sender: String,
    /// `None` for a damaged event.
    pub event: Option<Value>,
    /// The message it edits.
    pub edit_of: Option<String>,
}

impl Store {
    /// Events of a portal that were not read yet, in the order of `/sync`.
    pub async fn new_events(
        &self,
        room_id: &str,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query_as!(
            EventRow,
            r#"select
                 event.id,
                 event.event_id,
                 event.sender,
                 event.event as "event!",
                 event.announced_at is not null as "was_announced!",
                 exists (
                     select 1
                     from room_acts as act
                     where act.target = event.event_id
                       and act.room_id = event.room_id
                       and act.kind = 'redaction'
                 ) as "is_redacted!",
                 edit.target as "edit_of?",
                 event.before_copy
             from room_events as event
             left join room_acts as edit
                 on edit.event_id = event.event_id
                and edit.kind = 'edit'
             where event.room_id = $1
               and event.state = 'new'
               and event.acted_at is null
             order by event.place, event.id
             limit $2"#,
            room_id,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| self.stored_event(row)).collect())
    }

    /// Events of a room that is no portal, the oldest behind `after` first. They need no place.
    pub async fn events_elsewhere(
        &self,
        room_id: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query_as!(
            EventRow,
            r#"select
                 id,
                 event_id,
                 sender,
                 event as "event!",
                 false as "was_announced!",
                 false as "is_redacted!",
                 null as "edit_of?: String",
                 before_copy
             from room_events
             where room_id = $1
               and state in ('fetched', 'new')
               and id > $3
             order by id
             limit $2"#,
            room_id,
            i64::try_from(limit).unwrap_or(i64::MAX),
            after,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| self.stored_event(row)).collect())
    }

    fn stored_event(&self, row: EventRow) -> StoredEvent {
        StoredEvent {
            id: row.id,
            event: self.open_json(Purpose::RoomEvent, &row.event).ok(),
            event_id: row.event_id,
            sender: row.sender,
            was_announced: row.was_announced,
            is_redacted: row.is_redacted,
            edit_of: row.edit_of,
            before_copy: row.before_copy,
        }
    }

    /// Counts an attempt to read an event, before it begins. Returns how many there were, including
    /// this one.
    pub async fn event_attempt(&self, id: i64) -> Result<i32, StoreError> {
        Ok(sqlx::query_scalar!(
            "update room_events
             set attempts = attempts + 1
             where id = $1
             returning attempts",
            id,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Notes that these events of a portal, and those that were acted upon, are done. Their content
    /// is not kept any longer.
    pub async fn events_done(&self, room_id: &str, ids: &[i64]) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = 'done',
                 event = null
             where room_id = $1
               and state = 'new'
               and (acted_at is not null or id = any ($2))",
            room_id,
            ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The same for events of a room that is no portal.
    pub async fn events_elsewhere_done(&self, ids: &[i64]) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = 'done',
                 event = null
             where id = any ($1)
               and state in ('fetched', 'new')",
            ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Puts an unreadable event aside, so that those behind it pass: a person decides, and the room
    /// is told by `notice`, named `txn_id`.
    pub async fn park_event(
        &self,
        id: i64,
        conversation: ConversationId,
        channel: &str,
        reason: &str,
        told: (&str, &Notice),
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let parked = sqlx::query!(
            "update room_events
             set state = 'parked'
             where id = $1
               and state in ('fetched', 'new', 'waiting')
               and acted_at is null",
            id,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if parked == 1 {
            let kind = ParkedKind::Event;
            parked::insert(&mut transaction, kind, id, channel, reason, at).await?;
            self.insert_bot_post(&mut transaction, conversation, told.0, told.1).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Events of portals that a transaction brought before `before`, and whose place `/sync` has not
    /// told although it was asked since; those behind `after` first.
    pub async fn events_without_place(
        &self,
        before: OffsetDateTime,
        user_id: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<UnreadableEvent>, StoreError> {
        let rows = sqlx::query_as!(
            UnreadableRow,
            r#"select
                 event.id,
                 event.room_id,
                 event.event_id,
                 event.sender,
                 event.event as "event!",
                 edit.target as "edit_of?"
             from room_events as event
             join rooms on rooms.room_id = event.room_id
             left join room_acts as edit
                 on edit.event_id = event.event_id
                and edit.kind = 'edit'
             where event.state = 'fetched'
               and event.received_at < $1
               and event.id > $4
               and exists (
                   select 1
                   from sync_positions
                   where user_id = $2
                     and updated_at > $1
               )
             order by event.id
             limit $3"#,
            before,
            user_id,
            limit,
            after,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| self.unreadable_event(row)).collect())
    }

    fn unreadable_event(&self, row: UnreadableRow) -> UnreadableEvent {
        UnreadableEvent {
            id: row.id,
            room_id: row.room_id,
            event_id: row.event_id,
            sender: row.sender,
            event: self.open_json(Purpose::RoomEvent, &row.event).ok(),
            edit_of: row.edit_of,
        }
    }

    /// Notes that an event waits for the key of a session.
    pub async fn event_waits(&self, id: i64, session: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = 'waiting',
                 session_id = $2,
                 attempts = 0
             where id = $1
               and state = 'new'",
            id,
            session,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// An event that was noted as waiting for its key is read now.
    pub async fn event_waits_no_more(&self, id: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = 'new'
             where id = $1
               and state = 'waiting'",
            id,
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
             set state = case when place is null then 'fetched' else 'new' end
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

    /// A message of a session can be read: earlier messages that wait for the same key are new
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
               and place < (select place from room_events where id = $3)
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

    /// Has everything that waits for a key read again: the key may have come without a note.
    pub async fn wake_all_unreadable(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_events
             set state = case when place is null then 'fetched' else 'new' end
             where state = 'waiting'"
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Events that have waited for their key since `before`, and whose sender was not told; those
    /// behind `after` first.
    pub async fn unreadable_since(
        &self,
        before: OffsetDateTime,
        after: i64,
        limit: i64,
    ) -> Result<Vec<UnreadableEvent>, StoreError> {
        let rows = sqlx::query_as!(
            UnreadableRow,
            r#"select
                 event.id,
                 event.room_id,
                 event.event_id,
                 event.sender,
                 event.event as "event!",
                 edit.target as "edit_of?"
             from room_events as event
             left join room_acts as edit
                 on edit.event_id = event.event_id
                and edit.kind = 'edit'
             where event.state = 'waiting'
               and event.announced_at is null
               and event.received_at < $1
               and event.id > $3
             order by event.id
             limit $2"#,
            before,
            limit,
            after,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| self.unreadable_event(row)).collect())
    }

    /// Notes that the sender of an event was told that it could not be read.
    pub async fn event_announced(&self, id: i64, at: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!("update room_events set announced_at = $2 where id = $1", id, at)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Nothing came later than now: if the clock was set back since, what waits from its arrival on
    /// waits from now on, and not until the clock is there again.
    pub async fn nothing_comes_later(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        // Each by its own index.
        sqlx::query!(
            "update room_events
             set received_at = $1
             where received_at > $1
               and state = 'fetched'",
            now,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "update room_events
             set received_at = $1
             where received_at > $1
               and state = 'waiting'",
            now,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "update room_acts
             set received_at = $1
             where received_at > $1
               and kind = 'edit'
               and state = 'unread'",
            now,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "update sync_positions
             set updated_at = $1
             where updated_at > $1",
            now,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "update matters
             set since = $1,
                 waits_since = least(waits_since, $1)
             where since > $1
               and state in ('open', 'taken')",
            now,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many events wait for a key, for the metrics.
    pub async fn unreadable_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!"
             from room_events as waiting
             where waiting.state = 'waiting'
               -- Its sender was told, and has said what leaves since.
               and not exists (
                   select 1
                   from room_events as later
                   join dispatch_parts as part on part.event_id = later.event_id
                   where later.room_id = waiting.room_id
                     and later.sender = waiting.sender
                     and later.place > waiting.place
                     and later.received_at >= waiting.announced_at
               )
               -- In a room that is gone nobody says anything.
               and not exists (
                   select 1
                   from rooms
                   where rooms.room_id = waiting.room_id
                     and rooms.state = 'gone'
               )"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Forgets what is no longer needed: transaction names the homeserver will not repeat, and all of
    /// rooms that never became ours. If such an event came once more, it would be forgotten once more.
    pub async fn forget_before(&self, at: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!("delete from matrix_transactions where received_at < $1", at)
            .execute(&self.pool)
            .await?;
        sqlx::query!(
            "delete from room_events as event
             where event.received_at < $1
               and not exists (
                   select 1
                   from rooms
                   where rooms.room_id = event.room_id
               )",
            at,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "delete from room_acts as act
             where act.received_at < $1
               and not exists (
                   select 1
                   from rooms
                   where rooms.room_id = act.room_id
               )",
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

struct EventRow {
    id: i64,
    event_id: String,
    sender: String,
    event: Vec<u8>,
    was_announced: bool,
    is_redacted: bool,
    edit_of: Option<String>,
    before_copy: bool,
}

struct UnreadableRow {
    id: i64,
    room_id: String,
    event_id: String,
    sender: String,
    event: Vec<u8>,
    edit_of: Option<String>,
}
