//! What waits, for the list in the tray and for the figures.

use time::OffsetDateTime;

use crate::{
    model::{ChannelName, ConversationId},
    store::{InRow as _, Store, StoreError, seal::Purpose},
};

/// A conversation in which something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMatter {
    pub conversation: ConversationId,
    /// As [`crate::model::Correspondent::key`] writes it.
    pub correspondent: String,
    /// What the ghost is called in the room; nothing until it is there.
    pub ghost_name: Option<String>,
    /// The portal; nothing until there is one.
    pub room_id: Option<String>,
    pub waits_since: OffsetDateTime,
    /// Who takes care of it.
    pub holder: Option<String>,
}

/// How much waits on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCount {
    pub channel: String,
    pub count: i64,
    pub oldest: OffsetDateTime,
}

impl Store {
    /// What waits on a channel, the oldest first, and how much there is in all.
    pub async fn open_matters(
        &self,
        channel: &ChannelName,
        limit: i64,
    ) -> Result<(Vec<OpenMatter>, i64), StoreError> {
        self.matters_since(channel, None, limit).await
    }

    /// The same. `before`: only what has stood as it does since before then, and of which the tray was not
    /// reminded.
    pub(super) async fn matters_since(
        &self,
        channel: &ChannelName,
        before: Option<OffsetDateTime>,
        limit: i64,
    ) -> Result<(Vec<OpenMatter>, i64), StoreError> {
        let rows = sqlx::query!(
            r#"select
                 matter.conversation_id,
                 correspondent.key,
                 portal.ghost_name as "ghost_name?",
                 portal.room_id as "room_id?",
                 matter.waits_since,
                 matter.holder,
                 count(*) over () as "in_all!"
             from matters as matter
             join conversations as conversation on conversation.id = matter.conversation_id
             join correspondents as correspondent
                 on correspondent.id = conversation.correspondent_id
             left join rooms as portal
                 on portal.conversation_id = conversation.id
                and portal.state <> 'gone'
             where conversation.channel = $1
               and matter.state in ('open', 'taken')
               and ($2::timestamptz is null
                   or matter.since <= $2 and matter.reminded_at is null)
             order by matter.waits_since, matter.conversation_id
             limit $3"#,
            channel.as_str(),
            before,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let in_all = rows.first().map_or(0, |row| row.in_all);
        let mut matters = Vec::with_capacity(rows.len());
        for row in rows {
            let name = row.ghost_name.map(|sealed| self.open_text(Purpose::FaxName, &sealed));
            matters.push(OpenMatter {
                conversation: ConversationId(row.conversation_id),
                correspondent: row.key,
                ghost_name: name.transpose().in_row(row.conversation_id)?,
                room_id: row.room_id,
                waits_since: row.waits_since,
                holder: row.holder,
            });
        }
        Ok((matters, in_all))
    }

    /// How much waits, and since when, channel by channel.
    pub async fn open_counts(&self) -> Result<Vec<OpenCount>, StoreError> {
        Ok(sqlx::query_as!(
            OpenCount,
            r#"select
                 conversation.channel,
                 count(*) as "count!",
                 min(matter.waits_since) as "oldest!"
             from matters as matter
             join conversations as conversation on conversation.id = matter.conversation_id
             where matter.state in ('open', 'taken')
             group by conversation.channel"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Whether a conversation is its channel's tray.
    pub async fn is_tray(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from channel_notices
                 where conversation_id = $1
             ) as "is!""#,
            conversation.0,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
