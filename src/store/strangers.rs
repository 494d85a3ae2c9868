//! Rows whose state is an unknown word: no query asks for them, so they would lie unseen for ever.
//! The tables allow no such word, but damage does not ask.

use time::OffsetDateTime;

use super::{Store, StoreError, parked, parked::ParkedKind, posts};
use crate::model::{ConversationId, DeliveryState, DispatchId, LetterState, PostId, PostState};

/// The harm for which they are parked.
pub(super) const DAMAGED: &str = "damaged";

/// A dispatch in an unknown state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrangeDispatch {
    pub id: DispatchId,
    pub conversation: ConversationId,
}

impl Store {
    /// Parks letters that no query asks for, because the word for their state is unknown or the
    /// name of their channel is none. Returns how many.
    pub async fn park_strange_letters(&self, at: OffsetDateTime) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let strange = sqlx::query!(
            r#"update letters
             set state = 'parked'
             where state <> all ($1)
                or state = 'stored' and channel !~ '^[a-z0-9-]{1,32}$'
             returning
                 id,
                 case when channel ~ '^[a-z0-9-]{1,32}$' then channel else '?' end as "channel!""#,
            &LetterState::words(),
        )
        .fetch_all(&mut *transaction)
        .await?;
        for row in &strange {
            let (kind, channel) = (ParkedKind::Letter, &row.channel);
            parked::insert(&mut transaction, kind, row.id, channel, DAMAGED, at).await?;
        }
        transaction.commit().await?;
        Ok(u64::try_from(strange.len()).unwrap_or(u64::MAX))
    }

    /// The same for posts.
    pub async fn park_strange_posts(&self, at: OffsetDateTime) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let strange = sqlx::query!(
            "update posts
             set state = 'pending'
             from conversations
             where posts.state <> all ($1)
               and conversations.id = posts.conversation_id
             returning posts.id, conversations.channel",
            &PostState::words(),
        )
        .fetch_all(&mut *transaction)
        .await?;
        for row in &strange {
            let post = PostId(row.id);
            posts::park(&mut transaction, post, &row.channel, DAMAGED, at).await?;
        }
        transaction.commit().await?;
        Ok(u64::try_from(strange.len()).unwrap_or(u64::MAX))
    }

    /// Dispatches in an unknown state, which may have left or not.
    pub async fn strange_dispatches(&self) -> Result<Vec<StrangeDispatch>, StoreError> {
        let rows = sqlx::query!(
            "select id, conversation_id
             from dispatches
             where state <> all ($1)
             order by id",
            &DeliveryState::words(),
        )
        .fetch_all(&self.pool)
        .await?;
        let dispatch = |id, conversation| StrangeDispatch {
            id: DispatchId(id),
            conversation: ConversationId(conversation),
        };
        Ok(rows.into_iter().map(|row| dispatch(row.id, row.conversation_id)).collect())
    }
}
