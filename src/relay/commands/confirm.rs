//! `!bestätigen`: a fax number is right, and answers may go there.

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::Phrase,
    store::{EventStep, StoreError},
};

pub(super) fn prepare(request: &Request<'_>) -> Result<Effect, Phrase> {
    let doubt = request.answered.and_then(|letter| letter.open_doubt.clone());
    doubt.map(Effect::Confirm).ok_or(Phrase::NothingToConfirm)
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    doubt: &str,
) -> Result<Phrase, StoreError> {
    let is_settled = step.settle_doubt(conversation, doubt).await?;
    Ok(if is_settled { Phrase::CallerConfirmed } else { Phrase::NothingToConfirm })
}
