//! What failed for good and waits for a person: one row for one cause.

mod gaps;
mod resolving;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Moment, Store, StoreError};
use crate::model::{ConversationId, ParkedState};
pub use resolving::Resolution;

/// What was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedKind {
    Letter,
    /// Posts of one conversation that failed for one reason.
    Post,
    Dispatch,
    /// A portal that no human has joined.
    Portal,
    /// The conversations with one correspondent, whose room cannot be had.
    Conversation,
    /// An event of a portal that cannot be read.
    Event,
    /// A part of a portal's history that was not heard; the item is the conversation.
    Gap,
    /// A mail in a mailbox that cannot be fetched.
    Mail,
    /// A row whose own word is damaged: it is shown, and there is nothing to try.
    Unknown,
}

impl ParkedKind {
    const ALL: [Self; 9] = [
        Self::Letter,
        Self::Post,
        Self::Dispatch,
        Self::Portal,
        Self::Conversation,
        Self::Event,
        Self::Gap,
        Self::Mail,
        Self::Unknown,
    ];

    /// The word for it in SQL, metrics and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Post => "post",
            Self::Dispatch => "dispatch",
            Self::Portal => "portal",
            Self::Conversation => "conversation",
            Self::Event => "event",
            Self::Gap => "gap",
            Self::Mail => "mail",
            Self::Unknown => "unknown",
        }
    }

    fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.word() == word).unwrap_or(Self::Unknown)
    }
}

/// One parked thing, without anything personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedItem {
    pub id: i64,
    pub kind: ParkedKind,
    /// The number of the thing; of the first, if there are several.
    pub item: i64,
    /// How many things wait under this row: posts, or letters of a conversation.
    pub things: i64,
    pub channel: String,
    pub reason: String,
    /// Nothing if it is damaged.
    pub parked_at: Option<OffsetDateTime>,
}

/// Parks a thing, once. Returns the row it waits under.
pub(super) async fn insert(
    connection: &mut PgConnection,
    kind: ParkedKind,
    item: i64,
    channel: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<i64, sqlx::Error> {
    sqlx::query!(
        "insert into parked (kind, item_id, channel, reason, parked_at)
         values ($1, $2, $3, $4, $5)
         -- It waits already: one row stands for one thing, with the first reason.
         on conflict (kind, item_id) where resolved_at is null do nothing",
        kind.word(),
        item,
        channel,
        reason,
        at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        "select id
         from parked
         where kind = $1
           and item_id = $2
           and resolved_at is null",
        kind.word(),
        item,
    )
    .fetch_one(connection)
    .await
}

/// Ends the row under which a post was parked that turned out to be in its room, unless other posts
/// wait under it.
pub(super) async fn settle_posts(
    connection: &mut PgConnection,
    txn_id: &str,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update parked
         set resolved_at = $2,
             resolution = $3
         where id = (select parked_id from posts where txn_id = $1)
           and resolved_at is null
           and not exists (
               select 1
               from posts
               where parked_id = parked.id
                 and state = 'parked'
           )",
        txn_id,
        at,
        ParkedState::Settled.word(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Parked dispatches of one conversation, oldest first, each with whether it may have arrived.
pub(super) async fn dispatches_of(
    connection: &mut PgConnection,
    conversation: ConversationId,
) -> Result<Vec<(ParkedItem, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select
             parked.id,
             parked.item_id,
             parked.channel,
             parked.reason,
             parked.parked_at as "parked_at: Moment",
             dispatches.may_have_arrived or dispatches.state in ('unclear', 'contradicted') as "may_have_arrived!"
         from parked
         join dispatches on dispatches.id = parked.item_id
         where parked.kind = 'dispatch'
           and parked.resolved_at is null
           and dispatches.conversation_id = $1
         order by parked.id"#,
        conversation.0,
    )
    .fetch_all(connection)
    .await?;
    let items = rows.into_iter().map(|row| {
        let item = ParkedItem {
            id: row.id,
            kind: ParkedKind::Dispatch,
            item: row.item_id,
            things: 1,
            channel: row.channel,
            reason: row.reason,
            parked_at: row.parked_at.get(),
        };
        (item, row.may_have_arrived)
    });
    Ok(items.collect())
}

/// Nothing is left to decide about a parked thing.
pub(super) async fn settle(
    connection: &mut PgConnection,
    kind: ParkedKind,
    item: i64,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update parked
         set resolved_at = $3,
             resolution = $4
         where kind = $1
           and item_id = $2
           and resolved_at is null",
        kind.word(),
        item,
        at,
        ParkedState::Settled.word(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Parks the conversations with one correspondent as each comes to need a room that cannot be
    /// had. Their posts stay as they are, and nothing is tried until a person says so. One row
    /// stands for all of them. `false`: it is parked already.
    pub async fn park_conversation(
        &self,
        conversation: ConversationId,
        reason: &str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // The first conversation with the correspondent stands for all.
        let first = sqlx::query!(
            "select first.id, first.channel
             from conversations as mine
             join conversations as first
               on first.channel = mine.channel
              and first.correspondent_id = mine.correspondent_id
             where mine.id = $1
             order by first.id
             limit 1",
            conversation.0,
        )
        .fetch_one(&mut *transaction)
        .await?;
        let (kind, channel) = (ParkedKind::Conversation, &first.channel);
        let row = insert(&mut transaction, kind, first.id, channel, reason, at).await?;
        let is_parked = sqlx::query!(
            "update conversations
             set parked_id = $2
             where id = $1
               and parked_id is null",
            conversation.0,
            row,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if is_parked {
            transaction.commit().await?;
        }
        Ok(is_parked)
    }

    /// Everything parked and not yet settled, oldest first.
    pub async fn parked(&self) -> Result<Vec<ParkedItem>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 id,
                 kind,
                 item_id,
                 channel,
                 reason,
                 parked_at as "parked_at: Moment",
                 case kind
                     when 'post' then (
                         select count(*)
                         from posts
                         where posts.parked_id = parked.id
                           and posts.state = 'parked'
                     )
                     when 'conversation' then (
                         select count(*)
                         from letters
                         join conversations on conversations.id = letters.conversation_id
                         where conversations.parked_id = parked.id
                           and letters.state = 'placed'
                     )
                     else 1
                 end as "things!"
             from parked
             where resolved_at is null
             order by id"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ParkedItem {
                id: row.id,
                kind: ParkedKind::from_word(&row.kind),
                item: row.item_id,
                things: row.things,
                channel: row.channel,
                reason: row.reason,
                parked_at: row.parked_at.get(),
            })
            .collect())
    }

    /// How many rows wait for a person, for the metrics.
    pub async fn parked_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!" from parked where resolved_at is null"#
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
