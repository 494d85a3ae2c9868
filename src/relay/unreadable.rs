//! Room messages whose key has not come: kept, read as soon as it comes, and after a while their
//! senders are told how to send them again.

use std::{collections::BTreeSet, time::Duration};

use ruma::{OwnedRoomId, RoomId};
use serde_json::Value;
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use super::{
    Ctx, Line, acts,
    damage::DAMAGED,
    devices, members,
    notices::{notice, notice_to},
    reader::park,
    stop::Stop,
};
use crate::{
    matrix::Decrypted,
    model::ConversationId,
    phrases::Phrase,
    store::{Conversation, EventStep, StoreError, StoredEvent, UnreadableEvent, WaitForEdit},
};

/// How many senders are told in one go.
const TOLD_AT_ONCE: i64 = 100;

/// Longest name of a session: they are 43 characters long.
const SESSION_BYTES_MAX: usize = 255;

/// What an event turns out to be after its decryption.
pub(super) enum Reading {
    /// It can be read; this is the decrypted event.
    Clear(Value),
    /// It is another event once more: somebody copied the ciphertext.
    Repeat,
    /// It waits for its key.
    Waits,
    /// Its key came while older messages waited for the same one. They are new again, and go first.
    Behind,
    /// The homeserver or the library fails at the moment.
    NotNow,
    /// It stays in the room, and its sender is told why.
    Never(Phrase),
}

/// Sessions whose waiting messages were read again, so that each is asked about once: what still
/// waits then has no key yet, and holds up nothing.
pub(super) type Retried = BTreeSet<String>;

/// Decrypts an event of a portal. An event whose key is missing is noted as waiting.
pub(super) async fn read(
    ctx: &Ctx,
    line: &Line,
    room_id: &str,
    stored: &StoredEvent,
    event: &Value,
    retried: &mut Retried,
) -> Result<Reading, StoreError> {
    let Ok(room) = <&RoomId>::try_from(room_id) else {
        return Ok(Reading::Never(Phrase::MessageBroken));
    };
    let session = event.pointer("/content/session_id").and_then(Value::as_str);
    let session = session.unwrap_or_default();
    // No session has such a name, and a key for it never comes.
    if session.contains('\0') || session.len() > SESSION_BYTES_MAX {
        return Ok(Reading::Never(Phrase::MessageBroken));
    }
    let mut decrypted = devices::decrypt(ctx, line, room, event).await;
    let is_missing = matches!(decrypted, Ok(Decrypted::KeyMissing));
    if is_missing {
        ctx.store.event_waits(stored.id, session).await?;
        // A key that came before this was noted woke nothing.
        decrypted = devices::decrypt(ctx, line, room, event).await;
        if !matches!(decrypted, Ok(Decrypted::KeyMissing)) {
            ctx.store.event_waits_no_more(stored.id).await?;
        }
    }
    match decrypted {
        Ok(Decrypted::Event(clear, place)) => {
            if retried.insert(place.session_id.clone())
                && ctx.store.wake_older(room_id, &place.session_id, stored.id).await?
            {
                return Ok(Reading::Behind);
            }
            if ctx.store.is_first_reading(stored.id, &place.session_id, place.index).await? {
                return Ok(Reading::Clear(clear));
            }
            warn!("A room message is a copy of another one; it does not leave once more");
            metrics::counter!("umstieg_events_repeated_total").increment(1);
            Ok(Reading::Repeat)
        }
        Ok(Decrypted::KeyMissing) => {
            if !stored.was_announced {
                metrics::counter!("umstieg_events_without_key_total").increment(1);
                info!("A room message waits for its key");
            }
            // The key may come without being asked for.
            if let Err(stop) = devices::ask_for_key(ctx, room, event).await {
                debug!(cause = ?devices::KeysError::from(stop), "A key could not be asked for");
            }
            Ok(Reading::Waits)
        }
        Ok(Decrypted::NotBelieved) => Ok(Reading::Never(Phrase::MessageNotBelieved)),
        Ok(Decrypted::OtherIdentity) => Ok(Reading::Never(Phrase::MessageOfOtherIdentity)),
        Ok(Decrypted::Broken) => Ok(Reading::Never(Phrase::MessageBroken)),
        Err(Stop::Store(error)) => Err(error),
        Err(stop) => {
            warn!(cause = ?devices::KeysError::from(stop), "A room message could not be decrypted yet");
            if is_missing {
                ctx.store.wake_for_key(room_id, session).await?;
            }
            Ok(Reading::NotNow)
        }
    }
}

/// Tells the senders of messages that have waited too long for their key.
pub async fn tell_of_unreadable(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    let before = now - ctx.key_wait;
    let mut unreadable = ctx.store.unreadable_since(before, 0, TOLD_AT_ONCE).await?;
    if unreadable.is_empty() {
        return Ok(());
    }
    let bot = devices::live_device(ctx, ctx.homeserver.bot()).await?;
    let reads_since = bot.map(|device| device.made_at);
    while let Some(last) = unreadable.last().map(|event| event.id) {
        tell_senders(ctx, &unreadable, reads_since).await?;
        unreadable = ctx.store.unreadable_since(before, last, TOLD_AT_ONCE).await?;
    }
    Ok(())
}

async fn tell_senders(
    ctx: &Ctx,
    unreadable: &[UnreadableEvent],
    reads_since: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    for event in unreadable {
        if let Some(id) = ctx.store.conversation_of_room(&event.room_id).await?
            && let Some(conversation) = ctx.store.conversation(id).await?
            && let Some(line) = ctx.line(&conversation.channel)
            && is_worth_telling(ctx, &event.room_id, &event.sender)
            && is_answered(ctx, line, event).await?
            && tell(ctx, line, &conversation, event, reads_since).await? == SenderTold::NotYet
        {
            continue;
        }
        ctx.store.event_announced(event.id, ctx.clock.now()).await?;
    }
    Ok(())
}

/// Whether a sender need not be told any more.
#[derive(PartialEq, Eq)]
enum SenderTold {
    Told,
    NotYet,
}

async fn tell(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    event: &UnreadableEvent,
    reads_since: Option<OffsetDateTime>,
) -> Result<SenderTold, StoreError> {
    let Some(json) = &event.event else {
        park(ctx, line, conversation, event.id, &event.event_id, DAMAGED).await?;
        return Ok(SenderTold::Told);
    };
    let is_older = said_at(json).zip(reads_since).is_some_and(|(said, since)| said < since);
    let phrase = match &event.edit_of {
        None if is_older => Phrase::MessageBeforeKeys,
        None => Phrase::MessageWithoutKey,
        Some(message) => {
            match acts::hold(ctx, line, conversation.id, &event.event_id, message).await? {
                WaitForEdit::Held | WaitForEdit::NotWaitedFor => return Ok(SenderTold::Told),
                WaitForEdit::UnderWay => return Ok(SenderTold::NotYet),
                WaitForEdit::Accepted => Phrase::EditTooLate,
                WaitForEdit::Unclear => Phrase::EditUnclear,
                WaitForEdit::NoPart if is_older => Phrase::MessageBeforeKeys,
                WaitForEdit::NoPart => Phrase::EditWithoutKey,
            }
        }
    };
    let concerns = event.edit_of.as_ref().unwrap_or(&event.event_id);
    let notice = notice_to(line, &phrase, concerns);
    ctx.store.add_bot_post(conversation.id, &name_of(&event.event_id), &notice).await?;
    Ok(SenderTold::Told)
}

/// Parks what a transaction brought and `/sync` did not tell of for this long: its place among the
/// other messages is unknown.
const PLACE_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Events that came by one door only: their place is unknown, so a person decides.
pub async fn park_without_place(ctx: &Ctx) -> Result<(), StoreError> {
    let before = ctx.clock.now() - PLACE_WITHIN;
    let bot = ctx.homeserver.bot();
    let mut after = 0;
    loop {
        let events =
            ctx.store.events_without_place(before, bot.as_str(), after, TOLD_AT_ONCE).await?;
        let Some(last) = events.last() else { return Ok(()) };
        after = last.id;
        park_all_without_place(ctx, &events).await?;
    }
}

async fn park_all_without_place(ctx: &Ctx, events: &[UnreadableEvent]) -> Result<(), StoreError> {
    for event in events {
        let Some(id) = ctx.store.conversation_of_room(&event.room_id).await? else { continue };
        let Some(conversation) = ctx.store.conversation(id).await? else { continue };
        let Some(line) = ctx.line(&conversation.channel) else { continue };
        if !is_worth_telling(ctx, &event.room_id, &event.sender) {
            ctx.store.events_elsewhere_done(&[event.id]).await?;
            continue;
        }
        park(ctx, line, &conversation, event.id, &event.event_id, "no_place").await?;
    }
    Ok(())
}

/// When an event was sent, by the clock of its homeserver.
fn said_at(event: &Value) -> Option<OffsetDateTime> {
    let milliseconds = event.get("origin_server_ts")?.as_i64()?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}

/// A stranger in a room is told now and then, and what belongs to no conversation waits without a
/// notice.
async fn is_answered(ctx: &Ctx, line: &Line, event: &UnreadableEvent) -> Result<bool, StoreError> {
    let Ok(sender) = ruma::OwnedUserId::try_from(event.sender.as_str()) else { return Ok(false) };
    if event.edit_of.is_some() || !members::is_outsider(ctx, line, &event.room_id, &sender).await? {
        return Ok(true);
    }
    ctx.store.answers_stranger(&event.room_id, &event.sender, ctx.clock.now()).await
}

/// What we said ourselves is no news to us.
fn is_worth_telling(ctx: &Ctx, room_id: &str, sender: &str) -> bool {
    OwnedRoomId::try_from(room_id).is_ok()
        && ruma::UserId::parse(sender).is_ok_and(|sender| !ctx.homeserver.is_ours(&sender))
}

/// A message whose sender was told that it is not readable is readable now: the notice says so, and
/// what happens to it.
pub(super) async fn take_back(
    step: &mut EventStep<'_>,
    line: &Line,
    conversation: ConversationId,
    event_id: &str,
    phrase: &Phrase,
) -> Result<(), StoreError> {
    let notice = notice(line, phrase);
    let names = (name_of(event_id), format!("v{event_id}"));
    step.say_instead(conversation, (&names.0, &names.1), &notice).await
}

/// The name of the notice about an event.
fn name_of(event_id: &str) -> String {
    format!("w{event_id}")
}
