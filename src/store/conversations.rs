//! Conversations, and the Message-IDs that lead back to them.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::model::{ChannelName, ConversationId, Correspondent, MessageId, Seen};

/// One thread with one correspondent on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    pub channel: String,
    /// As [`Correspondent::key`] writes it.
    pub correspondent: String,
    /// Its room cannot be had: nothing is said there until a person has it tried again.
    pub is_parked: bool,
    /// The conversation in which it goes on, since a speaker wanted that.
    pub joined_into: Option<ConversationId>,
}

/// What is known of the threads of one correspondent on one channel, and of no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownThreads {
    /// Where the requested Message-IDs were seen.
    pub by_message_id: HashMap<MessageId, Seen>,
    /// Those of them that letters named and no mail has borne.
    pub unborne: HashSet<MessageId>,
    /// The newest conversation with the correspondent.
    pub newest: Option<ConversationId>,
}

impl KnownThreads {
    /// Where letters answer a mail of this id that has not come yet, if only there.
    pub fn awaiting(&self, id: &MessageId) -> Option<ConversationId> {
        match self.by_message_id.get(id).filter(|_| self.unborne.contains(id))? {
            Seen::In(conversation) => Some(*conversation),
            Seen::Ambiguous => None,
        }
    }
}

/// In which conversation Message-IDs were seen, and whose it is. An id that was seen in another
/// conversation before, or as the name of another mail, is ambiguous from now on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) conversation: ConversationId,
    pub(super) at: OffsetDateTime,
}

impl Sighting {
    /// The id is that of a mail: `bearer` is the mail's own name among ours.
    pub(super) async fn of_bearer(
        self,
        connection: &mut PgConnection,
        id: &MessageId,
        bearer: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into thread_ids as known
                 (channel, correspondent_id, message_id, conversation_id, seen_at, bearer)
             select channel, correspondent_id, $2, coalesce(joined_into, id), $3, $4
             from conversations
             where id = $1
             on conflict (channel, correspondent_id, message_id) do update
             set bearer = coalesce(known.bearer, excluded.bearer),
                 is_ambiguous = known.is_ambiguous
                     or known.conversation_id <> excluded.conversation_id
                     or coalesce(known.bearer <> excluded.bearer, false)",
            self.conversation.0,
            id.as_str(),
            self.at,
            bearer,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// A letter names these ids, each once.
    pub(super) async fn of_named(
        self,
        connection: &mut PgConnection,
        ids: &[&MessageId],
    ) -> Result<(), sqlx::Error> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        sqlx::query!(
            "insert into thread_ids as known
                 (channel, correspondent_id, message_id, conversation_id, seen_at)
             select channel, correspondent_id, message_id, coalesce(joined_into, id), $3
             from conversations
             cross join (select distinct unnest($2::text[]) as message_id) as named
             where id = $1
             on conflict (channel, correspondent_id, message_id) do update
             set is_ambiguous = true
             where known.conversation_id <> excluded.conversation_id
               -- A thread that people have parted names what stayed in the other part.
               and not (
                   exists (
                       select 1
                       from moves
                       where known.conversation_id in (from_conversation, to_conversation)
                   )
                   and exists (
                       select 1
                       from moves
                       where excluded.conversation_id in (from_conversation, to_conversation)
                   )
               )",
            self.conversation.0,
            &ids,
            self.at,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Loads what is known of `message_ids`, bound to this channel and this correspondent.
    pub async fn known_threads(
        &self,
        channel: &ChannelName,
        correspondent: &Correspondent,
        message_ids: &[MessageId],
    ) -> Result<KnownThreads, StoreError> {
        let (kind, key) = (correspondent.kind().word(), &*correspondent.key());
        let ids: Vec<String> = message_ids.iter().map(|id| id.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            r#"with sender as (
                 select id
                 from correspondents
                 where kind = $2
                   and key = $3
             )
             select message_id as "message_id?", conversation_id as "conversation_id!",
                 is_ambiguous as "is_ambiguous!", bearer is null as "is_unborne!"
             from thread_ids
             where channel = $1
               and correspondent_id = (select id from sender)
               and message_id = any ($4)
             union all
             (
                 select null, id, false, false
                 from conversations
                 where channel = $1
                   and correspondent_id = (select id from sender)
                   and joined_into is null
                   -- What the gateway says of a channel itself stands apart from unknown callers.
                   and ($3 <> 'unknown' or not exists (
                       select 1
                       from channel_notices as notices
                       where notices.conversation_id = conversations.id
                   ))
                 order by id desc
                 limit 1
             )"#,
            channel.as_str(),
            kind,
            key,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut known = KnownThreads::default();
        for row in rows {
            let conversation = ConversationId(row.conversation_id);
            let Some(id) = row.message_id else {
                known.newest = Some(conversation);
                continue;
            };
            let Ok(id) = MessageId::new(&id) else { continue };
            if row.is_unborne {
                known.unborne.insert(id.clone());
            }
            let seen = if row.is_ambiguous { Seen::Ambiguous } else { Seen::In(conversation) };
            known.by_message_id.insert(id, seen);
        }
        Ok(known)
    }

    pub async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 conversation.channel,
                 correspondent.key as correspondent,
                 conversation.parked_id is not null as "is_parked!",
                 conversation.joined_into
             from conversations as conversation
             join correspondents as correspondent
               on correspondent.id = conversation.correspondent_id
             where conversation.id = $1"#,
            id.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Conversation {
            id,
            channel: row.channel,
            correspondent: row.correspondent,
            is_parked: row.is_parked,
            joined_into: row.joined_into.map(ConversationId),
        }))
    }
}
