//! Receipts that a person had sent for a letter (KIM-31): dispatches without room messages.

use sqlx::PgConnection;

use super::{EventStep, Job, StoreError, jobs};
use crate::{
    model::{ConversationId, DeliveryState, DispatchId, LetterId, MessageId, Notice, ServiceId},
    rules::acts::Whereabouts,
};

/// A person has the receipt sent that a letter asks for.
#[derive(Debug, Clone, Copy)]
pub struct NewReceipt<'a> {
    pub conversation: ConversationId,
    pub letter: LetterId,
    /// Who has it sent, and in which event.
    pub author: &'a str,
    pub event_id: &'a str,
    /// Its Dienstkennung.
    pub service: &'a ServiceId,
    /// Its own Message-ID.
    pub message_id: &'a MessageId,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptSent {
    /// It leaves from now on.
    Now,
    /// This person had it sent before; how far it got, if that can be read.
    Before(String, Option<DeliveryState>),
}

impl EventStep<'_> {
    /// A message was deleted: if it had a receipt sent that is still here, that does not leave, and
    /// `notice` is said of it, given whether it may have arrived at an earlier attempt. Returns where
    /// the receipt was; nothing when the message had none sent.
    pub async fn take_back_receipt(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
        notice: impl FnOnce(bool) -> Notice,
    ) -> Result<Option<Whereabouts>, StoreError> {
        let row = sqlx::query!(
            "select id, state, may_have_arrived
             from dispatches
             where conversation_id = $1
               and asked_in = $2
               and receipt_as is not null
             for update",
            conversation.0,
            event_id,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let state = DeliveryState::from_word(&row.state).unwrap_or(DeliveryState::Unclear);
        let whereabouts = Whereabouts::of(state);
        if matches!(whereabouts, Whereabouts::InHouse | Whereabouts::Failed) {
            let (connection, at) = (&mut self.transaction, self.at);
            let notice = notice(row.may_have_arrived);
            self.store.withdraw_in(connection, DispatchId(row.id), &notice, at).await?;
        }
        Ok(Some(whereabouts))
    }

    /// Has a receipt sent. A letter gets one, whoever asks and however often: one that failed is tried
    /// again like every dispatch.
    pub async fn send_receipt(&mut self, new: NewReceipt<'_>) -> Result<ReceiptSent, StoreError> {
        let is_new = sqlx::query!(
            "insert into dispatches
                 (conversation_id, author, message_id, state, opened_at, closes_at, letter_id,
                  receipt_as, asked_in)
             values ($1, $2, $3, 'collecting', $4, $4, $5, $6, $7)
             on conflict (letter_id) where receipt_as is not null do nothing",
            new.conversation.0,
            new.author,
            new.message_id.as_str(),
            self.at,
            new.letter.0,
            new.service.as_str(),
            new.event_id,
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected()
            == 1;
        if is_new {
            let job = Job::HandOver(new.conversation);
            jobs::add(&mut self.transaction, &job, None).await?;
            return Ok(ReceiptSent::Now);
        }
        let before = sqlx::query!(
            "select author, state
             from dispatches
             where letter_id = $1
               and receipt_as is not null",
            new.letter.0,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(ReceiptSent::Before(before.author, DeliveryState::from_word(&before.state)))
    }
}

/// Whether a dispatch is a receipt and the command that had it sent is deleted.
pub(super) async fn is_receipt_taken_back(
    connection: &mut PgConnection,
    dispatch: DispatchId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
             select 1
             from dispatches as dispatch
             join room_acts as act on act.target = dispatch.asked_in
             join room_events as event
                 on event.event_id = act.target
                and event.room_id = act.room_id
             where dispatch.id = $1
               and dispatch.receipt_as is not null
               and act.kind = 'redaction'
         ) as "is_taken_back!""#,
        dispatch.0,
    )
    .fetch_one(connection)
    .await
}
