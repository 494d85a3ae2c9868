//! A report about a dispatch finds the dispatch's conversation and becomes posts there.

use tracing::info;

use super::{FreshLetter, Line, park, place_as, place_letter, why_not_whole};
use crate::{
    model::{MessageId, Notice},
    phrases::{Phrase, Phrases},
    relay::{
        Ctx, letter_hints,
        notices::{notice, notice_to},
    },
    rules::{
        arrival::{self, Arrival},
        posts,
    },
    store::{Placing, ReportedDispatch, StoreError, StoredLetter},
};

/// Gives a report its conversation and its posts. If it is about no dispatch of its channel, it is
/// placed by its author.
pub(super) async fn place_report(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: FreshLetter,
    about: &[MessageId],
) -> Result<(), StoreError> {
    let channel = &line.channel;
    let Some(dispatch) = ctx.store.reported_dispatch(&channel.name, about).await? else {
        return match arrival::by_author(channel, &new.read.letter) {
            Arrival::Parked(why) => park(ctx, line, stored.id, why).await,
            Arrival::Letter(correspondent) | Arrival::Missing(correspondent) => {
                place_letter(ctx, line, stored, new, &correspondent).await
            }
            Arrival::Report(_) => Ok(()),
        };
    };
    place_beside(ctx, line, stored, new, dispatch).await
}

/// Puts a report into the conversation of its dispatch. It opens no thread, and nothing answers it.
async fn place_beside(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: FreshLetter,
    dispatch: ReportedDispatch,
) -> Result<(), StoreError> {
    let (channel, id, letter) = (&line.channel, stored.id, &new.read.letter);
    let from = letter.from.first().map(|from| from.address.as_str().to_owned());
    let came = Phrase::ReportCame { from };
    let opening = match &dispatch.event_id {
        Some(event_id) => notice_to(line, &came, event_id),
        None => notice(line, &came),
    };
    let head: Vec<String> = letter_hints::written(letter, ctx.clock.now())
        .iter()
        .map(|phrase| Phrases::say(channel.language, phrase))
        .collect();
    let hints: Vec<Notice> = why_not_whole(line, stored, false)
        .into_iter()
        .chain(letter_hints::of_defects(letter))
        .map(|hint| notice(line, &hint))
        .collect();
    let placing = Placing {
        letter: id,
        channel: &channel.name,
        correspondent: &dispatch.correspondent,
        conversation: Some(dispatch.conversation),
        fingerprint: new.read.fingerprint,
        message_id: None,
        ancestors: &[],
        answer_to: None,
        caller_doubt: None,
        reports_on: Some(dispatch.id),
        posts: &[],
        stays: false,
        again_at: None,
        at: ctx.clock.now(),
    };
    let render = |name: &str| posts::report(name, &opening, letter, &head, &hints);
    let Some(conversation) = place_as(ctx, line, stored, placing, render).await? else {
        return Ok(());
    };
    metrics::counter!("umstieg_letters_total", "channel" => channel.name.to_string(), "result" => "report")
        .increment(1);
    info!(letter.id = %id, dispatch.id = %dispatch.id, channel.name = %channel.name, conversation.id = %conversation, "Placed letter {id}, a report about dispatch {}", dispatch.id);
    Ok(())
}
