//! What waits for an unreadable edit, and acts that came while an answer was on its way.

use time::OffsetDateTime;

use super::EventStep;
use crate::{
    model::{ConversationId, DeliveryState, DispatchId, Notice},
    rules::acts::{ActKind, Shown, Whereabouts},
    store::{Store, StoreError, parked, parked::ParkedKind},
};

/// What became of a message whose edit cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitForEdit {
    /// It does not leave before the edit can be read, and its author is told.
    Held,
    /// The answer is under way at the moment.
    UnderWay,
    /// It was handed over before.
    Accepted,
    /// It may have been handed over. It stays in its dispatch, which leaves again only when a person
    /// says so, and then waits for the edit like any other.
    Unclear,
    /// It does not wait for this edit: a later one counts, or it does not leave in any case.
    NotWaitedFor,
    /// It is no part of a dispatch.
    NoPart,
}

/// A message that does not leave before an edit can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitedFor {
    /// Of the act.
    pub id: i64,
    pub conversation: ConversationId,
    pub edit: String,
    pub message: String,
}

/// An act whose author was told that it came while the answer was under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Of the act.
    pub id: i64,
    pub conversation: ConversationId,
    pub dispatch: DispatchId,
    pub state: DeliveryState,
    /// An attempt before that one.
    pub may_have_arrived: bool,
    pub act: String,
    pub kind: ActKind,
    /// The message it was done to.
    pub message: String,
}

impl Store {
    /// The key of an edit did not come in time, or can never be read: the message it was done to
    /// leaves neither in its old form nor in the new one. Its author is told by `notice`, named
    /// `txn_id`, which learns whether an earlier attempt may have arrived.
    pub async fn hold_for_edit(
        &self,
        conversation: ConversationId,
        edit: &str,
        message: &str,
        txn_id: &str,
        notice: impl Fn(bool) -> Notice,
        at: OffsetDateTime,
    ) -> Result<WaitForEdit, StoreError> {
        let transaction = self.pool.begin().await?;
        let mut step = EventStep { store: self, transaction, at };
        let Some(stood) = step.standing_of(conversation, message).await? else {
            return Ok(WaitForEdit::NoPart);
        };
        if stood.part.is_out || stood.shown() != Shown::Waits(edit) {
            return Ok(WaitForEdit::NotWaitedFor);
        }
        match Whereabouts::of(stood.state) {
            Whereabouts::UnderWay => return Ok(WaitForEdit::UnderWay),
            Whereabouts::Gone => return Ok(WaitForEdit::Accepted),
            // If it were taken out, it would come back with the key, and leave without a person's
            // word.
            Whereabouts::Unclear => return Ok(WaitForEdit::Unclear),
            Whereabouts::Withdrawn => return Ok(WaitForEdit::NotWaitedFor),
            Whereabouts::InHouse | Whereabouts::Failed => {}
        }
        sqlx::query!(
            "update dispatch_parts
             set withdrawn = true,
                 held_by = $2
             where id = $1",
            stood.part.id,
            edit,
        )
        .execute(&mut *step.transaction)
        .await?;
        // With this name it can be replaced when the key comes. Something else may have been said
        // under that name while it was unclear whether the message had left.
        let notice = notice(stood.may_have_arrived);
        step.say_instead(conversation, (txn_id, &format!("h{edit}")), &notice).await?;
        step.say(conversation, txn_id, &notice).await?;
        if stood.has_others {
            step.is_shown_anew(&stood).await?;
            step.wake_hand_over(conversation).await?;
        } else {
            step.end(&stood, &notice).await?;
        }
        step.commit().await?;
        Ok(WaitForEdit::Held)
    }

    /// Messages that have waited since `before` for an unreadable edit, those behind the act `after`
    /// first.
    pub async fn edits_waited_for(
        &self,
        before: OffsetDateTime,
        after: i64,
        limit: i64,
    ) -> Result<Vec<WaitedFor>, StoreError> {
        let rows = sqlx::query!(
            "select act.id, dispatch.conversation_id, act.event_id, act.target
             from room_acts as act
             join dispatch_parts as part on part.event_id = act.target
             join dispatches as dispatch
                 on dispatch.id = part.dispatch_id
                and dispatch.author = act.author
             where act.kind = 'edit'
               and act.state = 'unread'
               and act.received_at < $1
               and act.id > $3
               and not part.withdrawn
               and dispatch.state in ('collecting', 'waiting', 'previewed')
             order by act.id
             limit $2",
            before,
            limit,
            after,
        )
        .fetch_all(&self.pool)
        .await?;
        let waited = rows.into_iter().map(|row| WaitedFor {
            id: row.id,
            conversation: ConversationId(row.conversation_id),
            edit: row.event_id,
            message: row.target,
        });
        Ok(waited.collect())
    }

    /// Acts whose authors were told that they came while the answer was under way, and whose answer
    /// is no longer under way, those behind the act `after` first.
    pub async fn no_longer_under_way(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<UnderWay>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 act.id as act,
                 dispatch.conversation_id,
                 dispatch.id,
                 dispatch.state,
                 dispatch.may_have_arrived,
                 act.event_id,
                 -- An edit that is taken back is one more edit.
                 case when part.event_id = act.target then act.kind else 'edit' end as "kind!",
                 part.event_id as message
             from room_acts as act
             left join room_acts as edit
                 on edit.event_id = act.target
                and edit.kind = 'edit'
             join dispatch_parts as part on part.event_id in (act.target, edit.target)
             join dispatches as dispatch on dispatch.id = part.dispatch_id
             where act.is_told_under_way
               and dispatch.state <> 'sending_body'
               and dispatch.state = any ($3)
               and act.id > $2
             order by act.id
             limit $1"#,
            limit,
            after,
            // Rows with an unknown state are looked for elsewhere.
            &DeliveryState::words(),
        )
        .fetch_all(&self.pool)
        .await?;
        let acts = rows.into_iter().filter_map(|row| {
            Some(UnderWay {
                id: row.act,
                conversation: ConversationId(row.conversation_id),
                dispatch: DispatchId(row.id),
                state: DeliveryState::from_word(&row.state)?,
                may_have_arrived: row.may_have_arrived,
                act: row.event_id,
                kind: ActKind::from_word(&row.kind)?,
                message: row.message,
            })
        });
        Ok(acts.collect())
    }

    /// Says what became of an act that came while the answer was under way, in the place of what was
    /// said about it then. What is left of a dispatch without words is settled, and `withdrawn` says
    /// so where nothing of it was accepted.
    pub async fn under_way_ended(
        &self,
        act: &UnderWay,
        names: (&str, &str),
        notice: &Notice,
        withdrawn: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_first = sqlx::query!(
            "update room_acts
             set is_told_under_way = false
             where event_id = $1
               and is_told_under_way",
            act.act,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if is_first != 1 {
            return Ok(());
        }
        self.replace_bot_post_in(&mut transaction, act.conversation, names, notice).await?;
        if matches!(act.state, DeliveryState::Failed | DeliveryState::Unclear) {
            let left = self.composition_in(&mut transaction, act.dispatch).await?;
            if left.parts.is_empty() && !left.waits {
                if act.state == DeliveryState::Failed {
                    self.withdraw_in(&mut transaction, act.dispatch, withdrawn, at).await?;
                } else {
                    let kind = ParkedKind::Dispatch;
                    parked::settle(&mut transaction, kind, act.dispatch.0, at).await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}
