//! `!verbinden`: this conversation goes on in another room of its correspondent.

use tracing::info;

use super::{Effect, Request, rooms::NamedRoom};
use crate::{
    model::{ConversationId, Notice},
    phrases::{MovePhrase, Phrase},
    relay::notices::notice,
    store::{EventStep, StoreError},
};

/// A conversation that goes on elsewhere.
pub(in crate::relay) struct PlannedJoin {
    to: ConversationId,
    speaker: String,
    event_id: String,
    there: Notice,
    here: MovePhrase,
}

pub(super) async fn prepare(
    request: &Request<'_>,
    room: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    let named = match NamedRoom::find(request, room).await? {
        Ok(named) => named,
        Err(phrase) => return Ok(Err(Phrase::OfMove(phrase))),
    };
    let there = MovePhrase::JoinedHere { link: request.link() };
    Ok(Ok(Effect::Join(Box::new(PlannedJoin {
        to: named.conversation,
        speaker: request.message.sender.to_string(),
        event_id: request.message.event_id.to_string(),
        there: notice(request.line, &Phrase::OfMove(there)),
        here: MovePhrase::Joined { link: named.link },
    }))))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    from: ConversationId,
    planned: &PlannedJoin,
) -> Result<Phrase, StoreError> {
    let PlannedJoin { to, speaker, event_id, there, here } = planned;
    if !step.join_conversation((from, *to), (speaker, event_id), there).await? {
        return Ok(Phrase::OfMove(MovePhrase::JoinedBefore));
    }
    info!(conversation.id = %from, "A speaker lets conversation {from} go on in {to}");
    Ok(Phrase::OfMove(here.clone()))
}
