//! What failed for good and waits for a person.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Job, Store, StoreError, jobs};
use crate::model::{ChannelName, ConversationId};

/// What was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedKind {
    Letter,
    Post,
    Dispatch,
}

impl ParkedKind {
    /// The word for it in SQL, metrics and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Post => "post",
            Self::Dispatch => "dispatch",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "letter" => Self::Letter,
            "dispatch" => Self::Dispatch,
            _ => Self::Post,
        }
    }
}

/// One parked thing, without anything personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedItem {
    pub id: i64,
    pub kind: ParkedKind,
    pub item: i64,
    pub channel: String,
    pub reason: String,
    pub parked_at: OffsetDateTime,
}

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Try it once more, from the beginning.
    Retry,
    /// It was settled elsewhere; do nothing more with it.
    Drop,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    kind: ParkedKind,
    item: i64,
    channel: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into parked (kind, item_id, channel, reason, parked_at)
         values ($1, $2, $3, $4, $5)
         on conflict (kind, item_id) where resolved_at is null do nothing",
        kind.word(),
        item,
        channel,
        reason,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Everything parked and not yet settled, oldest first.
    pub async fn parked(&self) -> Result<Vec<ParkedItem>, StoreError> {
        let rows = sqlx::query!(
            "select id, kind, item_id, channel, reason, parked_at
             from parked
             where resolved_at is null
             order by id"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ParkedItem {
                id: row.id,
                kind: ParkedKind::from_word(&row.kind),
                item: row.item_id,
                channel: row.channel,
                reason: row.reason,
                parked_at: row.parked_at,
            })
            .collect())
    }

    /// Parked dispatches of one conversation, oldest first.
    pub async fn parked_dispatches(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<ParkedItem>, StoreError> {
        let rows = sqlx::query!(
            "select parked.id, parked.item_id, parked.channel, parked.reason, parked.parked_at
             from parked
             join dispatches on dispatches.id = parked.item_id
             where parked.kind = 'dispatch'
               and parked.resolved_at is null
               and dispatches.conversation_id = $1
             order by parked.id",
            conversation.0,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ParkedItem {
                id: row.id,
                kind: ParkedKind::Dispatch,
                item: row.item_id,
                channel: row.channel,
                reason: row.reason,
                parked_at: row.parked_at,
            })
            .collect())
    }

    /// Settles a parked thing. `false` when there is none of this number.
    ///
    /// A retried dispatch starts over with its attempts; its Message-ID stays the same.
    pub async fn resolve_parked(
        &self,
        id: i64,
        resolution: Resolution,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let word = match resolution {
            Resolution::Retry => "retried",
            Resolution::Drop => "dropped",
        };
        let row = sqlx::query!(
            "update parked
             set resolved_at = $2,
                 resolution = $3
             where id = $1
               and resolved_at is null
             returning kind, item_id, channel",
            id,
            at,
            word,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(false) };

        let job = match (ParkedKind::from_word(&row.kind), resolution) {
            (ParkedKind::Letter, Resolution::Retry) => {
                sqlx::query!("update letters set state = 'stored' where id = $1", row.item_id)
                    .execute(&mut *transaction)
                    .await?;
                ChannelName::new(&row.channel).ok().map(Job::PlaceLetters)
            }
            (ParkedKind::Letter, Resolution::Drop) => {
                sqlx::query!("update letters set state = 'dropped' where id = $1", row.item_id)
                    .execute(&mut *transaction)
                    .await?;
                None
            }
            (ParkedKind::Post, resolution) => {
                let state = if resolution == Resolution::Retry { "pending" } else { "dropped" };
                let conversation = sqlx::query_scalar!(
                    "update posts
                     set state = $2,
                         attempts = 0,
                         next_attempt_at = null
                     where id = $1
                     returning conversation_id",
                    row.item_id,
                    state,
                )
                .fetch_one(&mut *transaction)
                .await?;
                Some(Job::SendPosts(ConversationId(conversation)))
            }
            (ParkedKind::Dispatch, Resolution::Retry) => {
                let conversation = sqlx::query_scalar!(
                    "update dispatches
                     set state = 'waiting',
                         attempts = 0,
                         next_attempt_at = null,
                         settled_at = null
                     where id = $1
                       and state in ('failed', 'unclear')
                     returning conversation_id",
                    row.item_id,
                )
                .fetch_optional(&mut *transaction)
                .await?;
                conversation.map(|id| Job::HandOver(ConversationId(id)))
            }
            // Its state stays what it was: "failed" and "unclear" are true whoever looked at it.
            (ParkedKind::Dispatch, Resolution::Drop) => None,
        };
        if let Some(job) = job {
            jobs::add(&mut transaction, &job, None).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
