//! Receipts that a person had sent for a letter (KIM-31): dispatches without room messages.

use super::{EventStep, Job, StoreError, jobs};
use crate::model::{ConversationId, DeliveryState, LetterId, MessageId, ServiceId};

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
