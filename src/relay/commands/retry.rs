//! `!erneut`: hands over again what failed or is unclear in a conversation.

use crate::{
    model::{ChannelKind, ConversationId},
    phrases::{Phrase, SendingPhrase, StartPhrase},
    relay::damage::UNCLEAR,
    store::{EventStep, StoreError},
};

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    kind: ChannelKind,
) -> Result<Phrase, StoreError> {
    let parked = step.retry_parked(conversation).await?;
    if parked.is_empty() && step.fax_waits(conversation).await? {
        return Ok(match kind {
            ChannelKind::Kim => Phrase::OfStart(StartPhrase::RetryWaits),
            ChannelKind::Fax => Phrase::OfSending(SendingPhrase::RetryWaits),
        });
    }
    Ok(match parked.iter().any(|(item, may_double)| *may_double || item.reason == UNCLEAR) {
        _ if parked.is_empty() => Phrase::RetryNothing,
        true => Phrase::RetryMayDouble,
        false => Phrase::RetryQueued,
    })
}
