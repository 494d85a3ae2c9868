//! What keeps the gateway out of its accounts, and the room in which a channel's team is told of it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, StoreError, correspondents::open_conversation};
use crate::{
    model::{
        AccountSide, AccountTrouble, ChannelKind, ChannelName, ConversationId, Correspondent,
        Notice,
    },
    rules::accounts::{self, AccountNews, AccountSight, TroubleNote},
};

impl Store {
    /// Notes what an attempt to use an account of a channel showed, and tells the team what is new, in
    /// the room of the channel's notices. What was told is kept, so that a restart tells nothing again.
    /// Returns what was told.
    pub async fn note_account(
        &self,
        (channel, kind): (&ChannelName, ChannelKind),
        side: AccountSide,
        sight: AccountSight,
        notice: impl Fn(AccountNews) -> Notice,
        at: OffsetDateTime,
    ) -> Result<Option<AccountNews>, StoreError> {
        // Nothing is written at the looks of an ordinary day.
        let known = troubles(&mut *self.pool.acquire().await?, channel, side).await?;
        let mut notes = known.clone();
        if accounts::note(&mut notes, sight, at).is_none() && notes == known {
            return Ok(None);
        }
        let mut transaction = self.pool.begin().await?;
        // One attempt after the other: each sees what the one before it told.
        sqlx::query!(
            "select channel from channels where channel = $1 for no key update",
            channel.as_str()
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let before = troubles(&mut transaction, channel, side).await?;
        let mut notes = before.clone();
        let news = accounts::note(&mut notes, sight, at);
        if notes == before {
            return Ok(None);
        }
        keep(&mut transaction, channel, side, &notes).await?;
        if let Some(news) = news {
            let conversation = notices_of(&mut transaction, channel, kind, at).await?;
            self.say_once(&mut transaction, conversation, 'a', &notice(news)).await?;
        }
        transaction.commit().await?;
        Ok(news)
    }
}

/// A word of a later version is passed over.
async fn troubles(
    connection: &mut PgConnection,
    channel: &ChannelName,
    side: AccountSide,
) -> Result<Vec<TroubleNote>, sqlx::Error> {
    let rows = sqlx::query!(
        "select trouble, since, told_at, stands
         from account_troubles
         where channel = $1
           and side = $2
         order by trouble",
        channel.as_str(),
        side.word(),
    )
    .fetch_all(connection)
    .await?;
    let note = |trouble, since, told_at, stands| TroubleNote { trouble, since, told_at, stands };
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let trouble = AccountTrouble::from_word(&row.trouble)?;
            Some(note(trouble, row.since, row.told_at, row.stands))
        })
        .collect())
}

impl Store {
    /// The conversation in whose room the team is told about its channel; a new one if there is none.
    pub async fn channel_notices(
        &self,
        channel: &ChannelName,
        kind: ChannelKind,
        at: OffsetDateTime,
    ) -> Result<ConversationId, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversation = notices_of(&mut transaction, channel, kind, at).await?;
        transaction.commit().await?;
        Ok(conversation)
    }
}

async fn keep(
    connection: &mut PgConnection,
    channel: &ChannelName,
    side: AccountSide,
    notes: &[TroubleNote],
) -> Result<(), sqlx::Error> {
    for note in notes {
        sqlx::query!(
            "insert into account_troubles (channel, side, trouble, since, told_at, stands)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (channel, side, trouble) do update
             set since = excluded.since,
                 told_at = excluded.told_at,
                 stands = excluded.stands",
            channel.as_str(),
            side.word(),
            note.trouble.word(),
            note.since,
            note.told_at,
            note.stands,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The conversation in whose room the team is told about its channel: the one that told of mails that
/// cannot be fetched before there was a note of it, or a new one.
pub(super) async fn notices_of(
    connection: &mut PgConnection,
    channel: &ChannelName,
    kind: ChannelKind,
    at: OffsetDateTime,
) -> Result<ConversationId, sqlx::Error> {
    let known = sqlx::query_scalar!(
        r#"select coalesce(
             (
                 select conversation_id
                 from channel_notices
                 where channel = $1
             ),
             (
                 select conversation_id
                 from letters
                 where channel = $1
                   and out_of_reach
                   and octet_length(raw) <= $2
                   and conversation_id is not null
                 order by id desc
                 limit 1
             )
         ) as id"#,
        channel.as_str(),
        super::seal::SEAL_BYTES as i32,
    )
    .fetch_one(&mut *connection)
    .await?;
    let conversation = match known {
        Some(id) => ConversationId(id),
        None => {
            // Nobody is written to from there.
            let nobody = match kind {
                ChannelKind::Kim => Correspondent::UnknownSender,
                ChannelKind::Fax => Correspondent::UnknownFax,
            };
            open_conversation(connection, channel, &nobody, at).await?
        }
    };
    sqlx::query!(
        "insert into channel_notices (channel, conversation_id)
         values ($1, $2)
         on conflict (channel) do nothing",
        channel.as_str(),
        conversation.0,
    )
    .execute(connection)
    .await?;
    Ok(conversation)
}
