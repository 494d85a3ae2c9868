//! Conversations, and the Message-IDs that lead back to them.

use std::collections::HashMap;

use super::{Store, StoreError};
use crate::model::{ChannelName, ConversationId, Correspondent, MessageId};

/// One thread with one correspondent on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    pub channel: String,
    /// As [`Correspondent::key`] writes it.
    pub correspondent: String,
}

/// What is known of the threads of one correspondent on one channel, and of nobody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownThreads {
    /// Conversations of the Message-IDs that were asked for.
    pub by_message_id: HashMap<MessageId, ConversationId>,
    /// The newest conversation with the correspondent.
    pub newest: Option<ConversationId>,
}

impl Store {
    /// Loads what is known of `message_ids`, bound to this channel and this correspondent.
    pub async fn known_threads(
        &self,
        channel: &ChannelName,
        correspondent: &Correspondent,
        message_ids: &[MessageId],
    ) -> Result<KnownThreads, StoreError> {
        let ids: Vec<String> = message_ids.iter().map(|id| id.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            "select message_id, conversation_id
             from thread_ids
             where channel = $1
               and correspondent = $2
               and message_id = any ($3)",
            channel.as_str(),
            correspondent.key(),
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let newest = sqlx::query_scalar!(
            "select id
             from conversations
             where channel = $1
               and correspondent = $2
             order by id desc
             limit 1",
            channel.as_str(),
            correspondent.key(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let by_message_id = rows
            .into_iter()
            .filter_map(|row| {
                let id = MessageId::new(&row.message_id).ok()?;
                Some((id, ConversationId(row.conversation_id)))
            })
            .collect();
        Ok(KnownThreads { by_message_id, newest: newest.map(ConversationId) })
    }

    pub async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let row = sqlx::query!(
            "select channel, correspondent
             from conversations
             where id = $1",
            id.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Conversation {
            id,
            channel: row.channel,
            correspondent: row.correspondent,
        }))
    }
}
