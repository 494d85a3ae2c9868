//! `!quittung`: sends the receipt that a letter asks for (KIM-31). Nothing else ever sends one.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::{ConversationId, DeliveryState, LetterId, MessageId, ServiceId},
    phrases::{Phrase, ReceiptStanding},
    store::{EventStep, NewReceipt, ReceiptSent, StoreError},
};

/// A receipt that a speaker has sent.
pub(in crate::relay) struct AskedReceipt {
    letter: LetterId,
    speaker: String,
    event_id: String,
    service: ServiceId,
    message_id: MessageId,
}

pub(super) fn prepare(request: &Request<'_>) -> Result<Effect, Phrase> {
    let letter = request.answered.ok_or(Phrase::ReceiptNotAsked)?;
    let service = letter.receipt_as.clone().ok_or(Phrase::ReceiptNotAsked)?;
    let message_id = request.line.new_message_id(&request.ctx.rng);
    Ok(Effect::Receipt(Box::new(AskedReceipt {
        letter: letter.id,
        speaker: request.message.sender.to_string(),
        event_id: request.message.event_id.to_string(),
        service,
        message_id: message_id.ok_or(Phrase::ReceiptNotAsked)?,
    })))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    asked: &AskedReceipt,
) -> Result<Phrase, StoreError> {
    let AskedReceipt { letter, speaker, event_id, service, message_id } = asked;
    let new = NewReceipt {
        conversation,
        letter: *letter,
        author: speaker,
        event_id,
        service,
        message_id,
    };
    Ok(match step.send_receipt(new).await? {
        ReceiptSent::Now => {
            info!(letter.id = %letter, "A speaker has a receipt for letter {letter} sent");
            Phrase::ReceiptAsked { user_id: speaker.clone() }
        }
        ReceiptSent::Before(user_id, state) => {
            let standing = ReceiptStanding::of(state.unwrap_or(DeliveryState::Unclear));
            Phrase::ReceiptBefore { user_id, standing }
        }
    })
}
