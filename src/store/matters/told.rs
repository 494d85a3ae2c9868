//! What a tray is told: of a letter, once, and of what waits for long.

use time::OffsetDateTime;

use super::OpenMatter;
use crate::{
    model::{ChannelKind, ChannelName, ConversationId, LetterId, Notice, TrayNews},
    store::{InRow as _, Store, StoreError, accounts::notices_of, seal::Purpose},
};

/// A letter of which a tray has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatterNews {
    pub conversation: ConversationId,
    pub channel: String,
    pub letter: LetterId,
    pub news: TrayNews,
    /// When it came.
    pub came_at: OffsetDateTime,
    pub correspondent: String,
    pub ghost_name: Option<String>,
    pub room_id: String,
    /// Nothing waits there any more, or a member has it already.
    pub is_settled: bool,
}

/// What a tray is reminded of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// The oldest.
    pub matters: Vec<OpenMatter>,
    pub in_all: i64,
}

impl Store {
    /// Letters of which trays have to be told, once they are in their rooms: one conversation's, or all.
    pub async fn matter_news(
        &self,
        conversation: Option<ConversationId>,
        limit: i64,
    ) -> Result<Vec<MatterNews>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 matter.conversation_id,
                 conversation.channel,
                 matter.news as "news!",
                 letter.id as letter_id,
                 letter.received_at,
                 correspondent.key,
                 portal.ghost_name,
                 portal.room_id as "room_id!",
                 matter.state <> 'open' as "is_settled!"
             from matters as matter
             join letters as letter on letter.id = matter.news_letter
             join conversations as conversation on conversation.id = matter.conversation_id
             join correspondents as correspondent
                 on correspondent.id = conversation.correspondent_id
             join rooms as portal
                 on portal.conversation_id = conversation.id
                and portal.state = 'open'
                and portal.room_id is not null
             where matter.news is not null
               and ($1::bigint is null or matter.conversation_id = $1)
               and not exists (
                   select 1
                   from posts
                   where posts.letter_id = letter.id
                     and posts.state = 'pending'
               )
             order by letter.id
             limit $2"#,
            conversation.map(|conversation| conversation.0),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let name = row.ghost_name.map(|sealed| self.open_text(Purpose::FaxName, &sealed));
            all.push(MatterNews {
                conversation: ConversationId(row.conversation_id),
                channel: row.channel,
                letter: LetterId(row.letter_id),
                // A word of a later version says at least that.
                news: TrayNews::from_word(&row.news).unwrap_or(TrayNews::New),
                came_at: row.received_at,
                correspondent: row.key,
                ghost_name: name.transpose().in_row(row.conversation_id)?,
                room_id: row.room_id,
                is_settled: row.is_settled,
            });
        }
        Ok(all)
    }

    /// Tells a tray of a letter, once. `None`: it is not told, and that is settled, too.
    pub async fn tell_matter_news(
        &self,
        news: &MatterNews,
        (channel, kind): (&ChannelName, ChannelKind),
        notice: Option<&Notice>,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_first = sqlx::query!(
            "update matters
             set news = null,
                 news_letter = null
             where conversation_id = $1
               and news_letter = $2",
            news.conversation.0,
            news.letter.0,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if !is_first {
            return Ok(false);
        }
        if let Some(notice) = notice {
            let tray = notices_of(&mut transaction, channel, kind, at).await?;
            let txn_id = self.say_once(&mut transaction, tray, 't', notice).await?;
            sqlx::query!(
                "insert into tray_lines (txn_id, conversation_id) values ($1, $2)",
                txn_id,
                news.conversation.0,
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(notice.is_some())
    }

    /// When a channel's tray was reminded last.
    pub async fn reminded_at(
        &self,
        channel: &ChannelName,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let row = sqlx::query_scalar!(
            "select reminded_at from channel_notices where channel = $1",
            channel.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.flatten())
    }

    /// What a channel's tray has to be reminded of: what has stood as it does since `before`.
    pub async fn reminder(
        &self,
        channel: &ChannelName,
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<Reminder, StoreError> {
        let (matters, in_all) = self.matters_since(channel, Some(before), limit).await?;
        Ok(Reminder { matters, in_all })
    }

    /// Reminds a tray of all that has stood as it does since `before`, in one message. `last`: when that was
    /// done last; if another task did it meanwhile, nothing happens.
    pub async fn remind_tray(
        &self,
        (channel, kind): (&ChannelName, ChannelKind),
        (last, before): (Option<OffsetDateTime>, OffsetDateTime),
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let tray = notices_of(&mut transaction, channel, kind, at).await?;
        let is_mine = sqlx::query!(
            "update channel_notices
             set reminded_at = $2
             where channel = $1
               and reminded_at is not distinct from $3",
            channel.as_str(),
            at,
            last,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        let reminded = sqlx::query!(
            "update matters
             set reminded_at = $3
             from conversations as conversation
             where conversation.id = matters.conversation_id
               and conversation.channel = $1
               and matters.state in ('open', 'taken')
               and matters.since <= $2
               and matters.reminded_at is null",
            channel.as_str(),
            before,
            at,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if !is_mine || reminded == 0 {
            return Ok(false);
        }
        self.say_once(&mut transaction, tray, 't', notice).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
