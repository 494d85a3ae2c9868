//! What the gateway says in a portal: a sentence in the channel's language, and what it holds.

use super::Line;
use crate::{
    model::Notice,
    phrases::{Phrase, Phrases},
    rules::posts,
};

/// A sentence to all.
pub(super) fn notice(line: &Line, phrase: &Phrase) -> Notice {
    let sentence = Phrases::say(line.channel.language, phrase);
    Notice { substance: phrase.substance(), content: posts::notice(&sentence) }
}

/// A sentence that answers a room message.
pub(super) fn notice_to(line: &Line, phrase: &Phrase, event_id: &str) -> Notice {
    let sentence = Phrases::say(line.channel.language, phrase);
    Notice { substance: phrase.substance(), content: posts::notice_to(&sentence, event_id) }
}

/// A sentence for one member.
pub(super) fn notice_for(line: &Line, phrase: &Phrase, user_id: &str) -> Notice {
    let sentence = Phrases::say(line.channel.language, phrase);
    Notice { substance: phrase.substance(), content: posts::notice_for(&sentence, user_id) }
}
