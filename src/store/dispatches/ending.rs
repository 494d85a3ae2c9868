//! How a dispatch ends: withdrawn, tried again later, settled.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoredDispatch;
use crate::model::{ChannelName, ConversationId, DeliveryState, DispatchId, Notice};
use crate::store::{
    Job, Store, StoreError, correspondents::note_reached, jobs, matters, parked,
    parked::ParkedKind, seal::Purpose,
};

/// How a dispatch ended.
struct DispatchSettled<'a> {
    state: DeliveryState,
    reply: &'a str,
    notice: &'a Notice,
    /// Where and why a person has to look.
    parked_for: Option<(&'a ChannelName, &'a str)>,
    at: OffsetDateTime,
}

impl Store {
    /// Nothing is left of a dispatch that could leave: it is withdrawn, and `notice` says so.
    pub async fn withdraw_empty(
        &self,
        dispatch: &StoredDispatch,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        self.withdraw_in(&mut transaction, dispatch.id, notice, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Withdraws a dispatch of which nothing was accepted, and settles what waited for a decision
    /// about it.
    pub(in crate::store) async fn withdraw_in(
        &self,
        connection: &mut PgConnection,
        dispatch: DispatchId,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let conversation = withdraw(connection, dispatch, at).await?;
        let Some(conversation) = conversation else { return Ok(()) };
        parked::settle(connection, ParkedKind::Dispatch, dispatch.0, at).await?;
        self.insert_notice(connection, conversation, dispatch, notice).await?;
        // The dispatches behind it need not wait for their time.
        jobs::add(connection, &Job::HandOver(ConversationId(conversation)), None).await?;
        Ok(())
    }

    /// Sends a dispatch back to wait for its next attempt, with a notice if the room should know.
    /// The attempts counted stay.
    pub async fn dispatch_again_at(
        &self,
        dispatch: &StoredDispatch,
        next: OffsetDateTime,
        reply: &str,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let waits = sqlx::query!(
            "update dispatches
             set state = 'waiting',
                 attempts = $6,
                 next_attempt_at = $2,
                 reply = $3
             where id = $1
               and state = any ($4)
               and begun = $5",
            dispatch.id.0,
            next,
            self.seal.close(Purpose::DispatchReply, reply.as_bytes()),
            &dispatch.may_stand_in(),
            dispatch.begun,
            dispatch.attempts,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        // Another task settled it.
        if !waits {
            return Ok(());
        }
        if let Some(notice) = notice {
            self.insert_notice(&mut transaction, dispatch.conversation.0, dispatch.id, notice)
                .await?;
        }
        jobs::add(&mut transaction, &Job::HandOver(dispatch.conversation), Some(next)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether a dispatch waits for this reason, according to the last note.
    pub async fn waits_for(&self, dispatch: DispatchId, reply: &str) -> Result<bool, StoreError> {
        let sealed = sqlx::query_scalar!("select reply from dispatches where id = $1", dispatch.0)
            .fetch_optional(&self.pool)
            .await?
            .flatten();
        let noted = sealed.map(|sealed| self.open_text(Purpose::DispatchReply, &sealed));
        // An unreadable reason is none.
        Ok(matches!(noted, Some(Ok(noted)) if noted == reply))
    }

    /// Settles a dispatch: its state, the notice in the room and, where a person has to look, the
    /// parked row.
    pub async fn settle_dispatch(
        &self,
        dispatch: &StoredDispatch,
        state: DeliveryState,
        reply: &str,
        notice: &Notice,
        parked_for: Option<(&ChannelName, &str)>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let end = DispatchSettled { state, reply, notice, parked_for, at };
        self.settle_in(&mut transaction, dispatch, end).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Settles a dispatch that its server took. `reports_requested`: the server agreed to report what
    /// becomes of it.
    pub async fn settle_accepted(
        &self,
        dispatch: &StoredDispatch,
        reply: &str,
        reports_requested: bool,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let state = DeliveryState::Accepted;
        let end = DispatchSettled { state, reply, notice, parked_for: None, at };
        if self.settle_in(&mut transaction, dispatch, end).await? {
            sqlx::query!(
                "update dispatches set reports_requested = $2 where id = $1",
                dispatch.id.0,
                reports_requested,
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// `false`: another task settled it.
    async fn settle_in(
        &self,
        connection: &mut PgConnection,
        dispatch: &StoredDispatch,
        end: DispatchSettled<'_>,
    ) -> Result<bool, StoreError> {
        let DispatchSettled { state, reply, notice, parked_for, at } = end;
        let settled = sqlx::query!(
            "update dispatches
             set state = $2,
                 reply = $3,
                 settled_at = $4
             where id = $1
               and state = any ($5)
               and begun = $6",
            dispatch.id.0,
            state.word(),
            self.seal.close(Purpose::DispatchReply, reply.as_bytes()),
            at,
            &state.before(),
            dispatch.begun,
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        if settled != 1 {
            return Ok(false);
        }
        note_reached(&mut *connection, dispatch, state, at).await?;
        let moved = (DeliveryState::SendingBody, state);
        matters::dispatch_moved(&mut *connection, dispatch.id, moved, at).await?;
        self.insert_notice(&mut *connection, dispatch.conversation.0, dispatch.id, notice).await?;
        if let Some((channel, reason)) = parked_for {
            let kind = ParkedKind::Dispatch;
            parked::insert(connection, kind, dispatch.id.0, channel.as_str(), reason, at).await?;
        }
        Ok(true)
    }

    /// Settles a dispatch whose row cannot be read: if it may have left, it is unclear, otherwise
    /// failed. `false`: it is settled already.
    pub async fn settle_damaged_dispatch(
        &self,
        dispatch: DispatchId,
        notices: impl Fn(DeliveryState) -> Notice,
        channel: &ChannelName,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // Including rows where the word for its state is unknown.
        let row = sqlx::query!(
            "update dispatches
             set state = case
                     when state in ('collecting', 'waiting', 'handing_over', 'previewed')
                         and not may_have_arrived then 'failed'
                     else 'unclear'
                 end,
                 settled_at = $2
             where id = $1
               and state <> all ($3)
             returning state, conversation_id",
            dispatch.0,
            at,
            &DeliveryState::settled_words(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let state = DeliveryState::from_word(&row.state).unwrap_or(DeliveryState::Unclear);
        let notice = notices(state);
        self.insert_notice(&mut transaction, row.conversation_id, dispatch, &notice).await?;
        let reason = match state {
            DeliveryState::Unclear => "unclear",
            _ => "damaged",
        };
        let (kind, channel) = (ParkedKind::Dispatch, channel.as_str());
        parked::insert(&mut transaction, kind, dispatch.0, channel, reason, at).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// A duration as Postgres counts it.
pub(super) fn interval(duration: std::time::Duration) -> sqlx::postgres::types::PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    sqlx::postgres::types::PgInterval { months: 0, days: 0, microseconds }
}

/// Withdraws a dispatch of which nothing was accepted. Returns its conversation; nothing if its state
/// is another.
pub(in crate::store) async fn withdraw(
    connection: &mut PgConnection,
    dispatch: DispatchId,
    at: OffsetDateTime,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "update dispatches
             set state = 'withdrawn',
                 settled_at = $2,
                 -- The letter may get a receipt again.
                 letter_id = case when receipt_as is null then letter_id end
             where id = $1
               and state in ('collecting', 'waiting', 'handing_over', 'previewed', 'failed')
             returning conversation_id",
        dispatch.0,
        at,
    )
    .fetch_optional(connection)
    .await
}
