//! Events arrive: by two doors, into one table, each once. `/sync` tells their order.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Job, Store, StoreError, acts, jobs, seal::Purpose};

/// Which way an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrivedBy {
    /// A transaction the homeserver pushed.
    Transaction,
    /// The bot's own `/sync`, or `/messages` to fill its gaps.
    Sync,
}

impl ArrivedBy {
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

impl Store {
    /// Saves the events of a transaction, each once, with what they do to others. That makes them
    /// fetched, and not yet new: `/sync` tells their place. Only for a room that is no portal is a
    /// job added to read them.
    ///
    /// Returns how many events were not known. The name of a transaction says nothing about its
    /// contents: a restored homeserver counts again.
    pub async fn receive_transaction(
        &self,
        txn_id: &str,
        events: &[IncomingEvent],
        at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "insert into matrix_transactions (txn_id, received_at)
             values ($1, $2)
             -- Its events are looked at each by itself.
             on conflict (txn_id) do nothing",
            txn_id,
            at,
        )
        .execute(&mut *transaction)
        .await?;
        let new = self.fetch_events(&mut transaction, events, ArrivedBy::Transaction, at).await?;
        let rooms: BTreeSet<String> = new.iter().map(|(_, room)| room.clone()).collect();
        let rooms: Vec<String> = rooms.into_iter().collect();
        let foreign = sqlx::query_scalar!(
            r#"select room as "room!"
             from unnest($1::text[]) as room
             where not exists (select 1 from rooms where rooms.room_id = room)"#,
            &rooms,
        )
        .fetch_all(&mut *transaction)
        .await?;
        for room in foreign {
            jobs::add(&mut transaction, &Job::ReadRoom(room), None).await?;
        }
        transaction.commit().await?;
        Ok(u64::try_from(new.len()).unwrap_or(u64::MAX))
    }

    /// Saves a part of what is missing before a timeline. It gets its place once all parts are here.
    pub async fn fetch_missing(
        &self,
        events: &[IncomingEvent],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        self.fetch_events(&mut transaction, events, ArrivedBy::Sync, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether `/sync` told of any of these events before: then it told of everything before it,
    /// too.
    pub async fn any_has_a_place(&self, events: &[IncomingEvent]) -> Result<bool, StoreError> {
        let names: Vec<String> = events.iter().map(|event| event.event_id.clone()).collect();
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from room_events
                 where event_id = any ($1)
                   and place is not null
             ) as "has_place!""#,
            &names,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Events of portals that transactions brought, in the order in which they came. For a `/sync`
    /// that starts over and tells only what follows it. Asked before that `/sync`, so that what a
    /// transaction brings after the homeserver's answer is not taken for older.
    pub async fn fetched_before_sync(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "select event.event_id
             from room_events as event
             join rooms on rooms.room_id = event.room_id
             where event.state = 'fetched'
             order by event.id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Saves what a `/sync` brought and where the next one goes on, in one step: first the events
    /// that were fetched because they were missing before it, by their ids, then its own. From here
    /// on they have their place, and are read in its order.
    ///
    /// Returns how many events were unknown.
    pub async fn receive_sync(
        &self,
        user_id: &str,
        since: &str,
        missing: &[String],
        events: &[IncomingEvent],
        at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let new = self.fetch_events(&mut transaction, events, ArrivedBy::Sync, at).await?;
        let mut seen = BTreeSet::new();
        let order: Vec<String> = missing
            .iter()
            .chain(events.iter().map(|event| &event.event_id))
            .filter(|event_id| seen.insert(event_id.as_str()))
            .cloned()
            .collect();
        let rooms = place(&mut transaction, &order, at).await?;
        for room in rooms {
            jobs::add(&mut transaction, &Job::ReadRoom(room), None).await?;
        }
        // The first /sync of a restored database brings what happened since the copy was made.
        sqlx::query!(
            "update room_events
             set before_copy = true
             where event_id = any ($1)
               and exists (
                   select 1
                   from sync_positions
                   where user_id = $2
                     and of_copy
               )",
            &order,
            user_id,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "insert into sync_positions (user_id, since, updated_at)
             values ($1, $2, $3)
             on conflict (user_id) do update
             set since = excluded.since,
                 updated_at = excluded.updated_at,
                 of_copy = false",
            user_id,
            since,
            at,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(u64::try_from(new.len()).unwrap_or(u64::MAX))
    }

    /// Saves events without a place, each once, with what they do to others. Returns those that
    /// were unknown, each with its room.
    async fn fetch_events(
        &self,
        connection: &mut PgConnection,
        events: &[IncomingEvent],
        door: ArrivedBy,
        at: OffsetDateTime,
    ) -> Result<Vec<(String, String)>, sqlx::Error> {
        let column = |of: fn(&IncomingEvent) -> &str| -> Vec<String> {
            events.iter().map(|event| of(event).to_owned()).collect()
        };
        let contents: Vec<Vec<u8>> =
            events.iter().map(|event| self.close_json(Purpose::RoomEvent, &event.event)).collect();
        let new = sqlx::query!(
            "insert into room_events (event_id, room_id, sender, event, door, received_at, state)
             select event_id, room_id, sender, event, $5, $6, 'fetched'
             from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
                 with ordinality as new (event_id, room_id, sender, event, place)
             order by place
             -- An id names one event (its hash), and a transaction and a sync may both bring it.
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
        acts::insert(connection, events, at).await?;
        let new: Vec<(String, String)> =
            new.into_iter().map(|event| (event.event_id, event.room_id)).collect();
        let names: Vec<String> = new.iter().map(|(event_id, _)| event_id.clone()).collect();
        confirm_posts(connection, &names, at).await?;
        Ok(new)
    }
}

/// Gives known events their places behind all others, in this order; also echoes of our posts that are
/// done, since what was written before a letter does not answer it. Events that have a place keep it.
/// Returns the rooms in which there is something to read now.
async fn place(
    connection: &mut PgConnection,
    order: &[String],
    at: OffsetDateTime,
) -> Result<BTreeSet<String>, sqlx::Error> {
    if order.is_empty() {
        return Ok(BTreeSet::new());
    }
    // What a sync brings is one block of places; no other task gives places meanwhile.
    let last = sqlx::query_scalar!(
        r#"select setval('room_event_places', nextval('room_event_places') + $1) as "last!""#,
        i64::try_from(order.len()).unwrap_or(i64::MAX),
    )
    .fetch_one(&mut *connection)
    .await?;
    confirm_posts(connection, order, at).await?;
    let placed = sqlx::query!(
        "update room_events
         set place = $2::bigint - cardinality($1::text[]) + of_sync.number,
             state = case when state = 'fetched' then 'new' else state end
         from unnest($1::text[]) with ordinality as of_sync (event_id, number)
         where room_events.event_id = of_sync.event_id
           and room_events.place is null
         returning room_events.room_id, room_events.state",
        order,
        last,
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(placed.into_iter().filter(|event| event.state == "new").map(|event| event.room_id).collect())
}

/// Confirms posts that came back, and names their events: there is nothing more to read in them,
/// and no job is spent on it. An echo that overtakes the answer to our request is read like any
/// other event, and recognised by its mark.
async fn confirm_posts(
    connection: &mut PgConnection,
    events: &[String],
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with echoed as (
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
         where event_id in (select event_id from echoed)",
        events,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
