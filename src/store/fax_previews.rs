//! Faxes that are shown before they leave: what was shown, and who confirmed it.
//!
//! A preview is named by a hash of the paper and of where it goes. Only what bears the hash of the newest
//! preview of its dispatch leaves, and only once that one is confirmed.

mod confirming;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Composition, Store, StoreError, StoredDispatch, dispatches::is_under_way};
use crate::model::{
    ChannelName, ConversationId, Correspondent, DeliveryState, DispatchId, LetterId, Notice,
};

/// A fax that is shown.
#[derive(Debug, Clone, Copy)]
pub struct NewPreview<'a> {
    pub composed: &'a Composition,
    /// The hash of the paper and of where it goes.
    pub shown: &'a str,
    /// A picture of its first page, the file as it would leave, and what is said of it.
    pub picture: Option<&'a Notice>,
    pub file: &'a Notice,
    pub words: &'a Notice,
    pub at: OffsetDateTime,
}

/// What became of a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previewed {
    /// It waits for a person.
    Waits,
    /// The room shows something else by now; the dispatch waits to be composed again.
    Changed,
    /// The dispatch is not in the expected state any more.
    Stopped,
}

/// What a confirmation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaxConfirmation {
    /// It leaves from now on.
    Now,
    /// This person confirmed it before.
    Before(String),
    /// Nothing of a fax stands behind the message.
    Nothing,
    /// A newer preview was made, or is being made.
    Old,
    /// The preview was not in the room yet.
    NotShown,
    /// The message is being written anew: what follows from it may be the fax that was shown, or another.
    Rewritten,
    Left,
    /// It failed, or is unclear: `!erneut` decides.
    Failed,
    Withdrawn,
}

/// A fax that has waited for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfirmedFax {
    pub preview: i64,
    pub dispatch: DispatchId,
    pub conversation: ConversationId,
    pub first_event: Option<String>,
}

impl Store {
    /// The hash that the newest preview of a dispatch bears, if a person confirmed that one and did not
    /// take that back.
    pub async fn confirmed_preview(
        &self,
        dispatch: DispatchId,
    ) -> Result<Option<String>, StoreError> {
        let newest = sqlx::query!(
            r#"select
                 shown,
                 confirmed_in is not null and not was_taken_back(confirmed_in) as "is_confirmed!"
             from fax_previews
             where dispatch_id = $1
             order by id desc
             limit 1"#,
            dispatch.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(newest.filter(|newest| newest.is_confirmed).map(|newest| newest.shown))
    }

    /// Whether the machine that sent a letter contradicted its gateway, whoever settled that since.
    pub async fn caller_differed(&self, letter: LetterId) -> Result<bool, StoreError> {
        let is_doubtful = sqlx::query_scalar!(
            r#"select caller_doubt is not null as "is_doubtful!" from letters where id = $1"#,
            letter.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        // A letter that is gone vouches for nothing.
        Ok(is_doubtful.unwrap_or(true))
    }

    /// Whether a fax that a person had confirmed was handed over for one of these parties on a channel,
    /// and nothing bad was heard of it since.
    pub async fn was_faxed_confirmed(
        &self,
        channel: &ChannelName,
        parties: &[Correspondent],
    ) -> Result<bool, StoreError> {
        let keys: Vec<String> = parties.iter().map(|party| party.key().into_owned()).collect();
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from fax_previews as preview
                 join dispatches as dispatch on dispatch.id = preview.dispatch_id
                 join conversations as conversation on conversation.id = dispatch.conversation_id
                 join correspondents as correspondent
                     on correspondent.id = conversation.correspondent_id
                 where preview.confirmed_at is not null
                   and not was_taken_back(preview.confirmed_in)
                   and dispatch.state = any ($3)
                   and conversation.channel = $1
                   and correspondent.kind = 'fax'
                   and correspondent.key = any ($2)
             ) as "was!""#,
            channel.as_str(),
            &keys,
            &DeliveryState::words_of(DeliveryState::was_taken),
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Shows a fax and lets its dispatch wait for a person, if the room still shows what is on it. The
    /// same fax is shown once: after an act that changed nothing on paper its preview still counts. One whose
    /// confirmation was taken back does not: the fax is shown anew.
    pub async fn preview_fax(
        &self,
        attempt: &StoredDispatch,
        new: NewPreview<'_>,
    ) -> Result<Previewed, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let became = self.wait_for_person(&mut transaction, attempt, new.composed).await?;
        if became == Previewed::Waits {
            self.show_preview(&mut transaction, attempt, new).await?;
        }
        transaction.commit().await?;
        Ok(became)
    }

    /// Lets the dispatch of an attempt wait for a person, if the room still shows what was composed.
    pub(super) async fn wait_for_person(
        &self,
        connection: &mut PgConnection,
        attempt: &StoredDispatch,
        composed: &Composition,
    ) -> Result<Previewed, StoreError> {
        if !is_under_way(connection, attempt).await? {
            return Ok(Previewed::Stopped);
        }
        let (state, became) =
            match self.composition_in(connection, attempt.id).await?.is_as(composed) {
                true => (DeliveryState::Previewed, Previewed::Waits),
                false => (DeliveryState::Waiting, Previewed::Changed),
            };
        sqlx::query!(
            "update dispatches
             set state = $3,
                 attempts = 0,
                 next_attempt_at = null,
                 reply = null
             where id = $1
               and state = 'handing_over'
               and begun = $2",
            attempt.id.0,
            attempt.begun,
            state.word(),
        )
        .execute(connection)
        .await?;
        Ok(became)
    }

    async fn show_preview(
        &self,
        connection: &mut PgConnection,
        attempt: &StoredDispatch,
        new: NewPreview<'_>,
    ) -> Result<(), StoreError> {
        let newest = sqlx::query!(
            "select shown, confirmed_by
             from fax_previews
             where dispatch_id = $1
             order by id desc
             limit 1",
            attempt.id.0,
        )
        .fetch_optional(&mut *connection)
        .await?;
        if newest.is_some_and(|newest| newest.shown == new.shown && newest.confirmed_by.is_none()) {
            return Ok(());
        }
        // Named like the notices of a dispatch, so that a restored database uses no name twice.
        let name = sqlx::query_scalar!(
            r#"select concat(
                 'f', split_part(message_id, '@', 1), 'x', substr(md5(gen_random_uuid()::text), 1, 8)
             ) as "name!"
             from dispatches
             where id = $1"#,
            attempt.id.0,
        )
        .fetch_one(&mut *connection)
        .await?;
        let (file, words) = (format!("{name}p"), format!("{name}w"));
        let picture = new.picture.map(|notice| (format!("{name}i"), notice));
        if let Some((name, notice)) = &picture {
            self.insert_bot_post(&mut *connection, attempt.conversation, name, notice).await?;
        }
        self.insert_bot_post(&mut *connection, attempt.conversation, &file, new.file).await?;
        self.insert_bot_post(&mut *connection, attempt.conversation, &words, new.words).await?;
        sqlx::query!(
            "insert into fax_previews
                 (dispatch_id, shown, picture_txn_id, file_txn_id, words_txn_id, made_at)
             values ($1, $2, $3, $4, $5, $6)",
            attempt.id.0,
            new.shown,
            picture.map(|(name, _)| name),
            file,
            words,
            new.at,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Faxes that were shown before `before`, were not confirmed, and of which nobody was reminded.
    pub async fn unconfirmed_faxes(
        &self,
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<UnconfirmedFax>, StoreError> {
        let rows = sqlx::query!(
            "select
                 preview.id,
                 preview.dispatch_id,
                 dispatch.conversation_id,
                 first_event_of(dispatch.id) as first_event
             from fax_previews as preview
             join dispatches as dispatch on dispatch.id = preview.dispatch_id
             where preview.made_at < $1
               and preview.reminded_at is null
               and preview.confirmed_at is null
               and dispatch.state = 'previewed'
               and not exists (
                   select 1
                   from fax_previews as newer
                   where newer.dispatch_id = preview.dispatch_id
                     and newer.id > preview.id
               )
             order by preview.id
             limit $2",
            before,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let faxes = rows.into_iter().map(|row| UnconfirmedFax {
            preview: row.id,
            dispatch: DispatchId(row.dispatch_id),
            conversation: ConversationId(row.conversation_id),
            first_event: row.first_event,
        });
        Ok(faxes.collect())
    }

    /// Reminds a room, once, that a fax waits.
    pub async fn remind_of_fax(
        &self,
        fax: &UnconfirmedFax,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // Locked first, as everything that moves a dispatch locks it.
        let still_waits = sqlx::query_scalar!(
            "select id from dispatches where id = $1 and state = 'previewed' for update",
            fax.dispatch.0,
        )
        .fetch_optional(&mut *transaction)
        .await?
        .is_some();
        let is_first = still_waits
            && sqlx::query!(
                "update fax_previews
                 set reminded_at = $2
                 where id = $1
                   and reminded_at is null
                   and confirmed_at is null",
                fax.preview,
                at,
            )
            .execute(&mut *transaction)
            .await?
            .rows_affected()
                == 1;
        if is_first {
            let conversation = fax.conversation.0;
            self.insert_notice(&mut transaction, conversation, fax.dispatch, notice).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// A fax that waits for a person waits for an attempt instead.
pub(super) async fn wait_again(
    connection: &mut PgConnection,
    dispatch: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update dispatches
         set state = 'waiting',
             next_attempt_at = null
         where id = $1
           and state = 'previewed'",
        dispatch,
    )
    .execute(connection)
    .await?;
    Ok(())
}
