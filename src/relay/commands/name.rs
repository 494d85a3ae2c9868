//! `!name`: the team calls a fax number so, on this channel. Without a name it is called nothing any more, and
//! the address book's name counts again.

use tracing::info;

use super::{Effect, Request};
use crate::{
    channel::number_shown,
    model::{ChannelKind, ConversationId, Correspondent},
    phrases::{NamePhrase, Phrase},
    relay::fax_names,
    rules::names,
    store::{EventStep, StoreError},
};

/// A name that somebody gave to a number.
pub(in crate::relay) struct SpokenName {
    name: Option<String>,
    speaker: String,
    /// What is said of it.
    phrase: NamePhrase,
}

pub(super) async fn prepare(
    request: &Request<'_>,
    name: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    let refused = |phrase| Ok(Err(Phrase::OfName(phrase)));
    let (ctx, line) = (request.ctx, request.line);
    if line.channel.kind() != ChannelKind::Fax {
        return refused(NamePhrase::OnlyFax);
    }
    let conversation = ctx.store.conversation(request.conversation).await?;
    let key = conversation.as_ref().map(|conversation| conversation.correspondent.as_str());
    let correspondent = key.and_then(|key| Correspondent::from_key(ChannelKind::Fax, key).ok());
    let Some((correspondent, number)) = correspondent
        .as_ref()
        .and_then(|correspondent| Some((correspondent, correspondent.number()?)))
    else {
        return refused(NamePhrase::NoNumber);
    };
    let number = number_shown(number);
    let (name, phrase) = match name.map(names::of_number) {
        Some(None) => return refused(NamePhrase::Refused),
        Some(Some(name)) => (Some(name.clone()), NamePhrase::Set { name, number }),
        None => {
            let book = fax_names::name_of(ctx, line, correspondent, None);
            let phrase = match book {
                Some(name) => NamePhrase::FromBook { name, number },
                None => NamePhrase::Undone { number },
            };
            (None, phrase)
        }
    };
    let speaker = request.message.sender.to_string();
    Ok(Ok(Effect::Name(Box::new(SpokenName { name, speaker, phrase }))))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    spoken: &SpokenName,
) -> Result<Phrase, StoreError> {
    step.name_number(conversation, spoken.name.as_deref(), &spoken.speaker).await?;
    info!(conversation.id = %conversation, "A speaker named the number of conversation {conversation}");
    Ok(Phrase::OfName(spoken.phrase.clone()))
}
