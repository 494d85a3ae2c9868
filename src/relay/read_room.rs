//! Road (b), first half: what happened in a room is read, in the order of `/sync`, and what a person
//! says is gathered into a dispatch.
//!
//! Each event is read separately. What follows from it is saved in one transaction with the note
//! that it was acted upon.

mod acting;
mod staying;

use std::time::Duration;

use ruma::OwnedUserId;
use serde_json::Value;

use super::foreign_rooms::{is_ours, read_foreign_room};
use super::{
    Ctx, acts, attempts,
    damage::{self, DAMAGED, INTERRUPTED},
    members,
    notices::notice_to,
    reader::{EVENTS_AT_ONCE, PortalReader, park},
    unreadable::{self, Reading, Retried},
};
use crate::{
    matrix::decode,
    model::{MessageId, MessageKind, RoomEvent},
    phrases::{EditTrouble, Phrase},
    rules::retry::is_suspect,
    store::{Attempt, EventStep, Job, NewPart, StoreError, StoredEvent, StoredPart},
};

/// How often the reading of one event may begin. More than the gateway is ever killed by chance in
/// the moment that takes.
const EVENT_ATTEMPTS_MAX: i32 = 10;

/// A dispatch that still receives parts leaves after this time at the latest.
const COLLECT_AT_MOST: Duration = Duration::from_secs(120);

/// Reads every new event of a room, in the order of `/sync`.
pub async fn read_room(ctx: &Ctx, room_id: &str) -> Result<(), StoreError> {
    let Some(id) = ctx.store.conversation_of_room(room_id).await? else {
        return read_foreign_room(ctx, room_id).await;
    };
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else { return Ok(()) };
    if !ctx.store.lease(&Job::ReadRoom(room_id.to_owned()).key()).await? {
        return Ok(());
    }
    attempts::give_back(ctx).await?;
    let portal = PortalReader { ctx, line, conversation: &conversation, room_id };
    let mut retried = Retried::new();
    loop {
        let events = ctx.store.new_events(room_id, EVENTS_AT_ONCE).await?;
        let mut done = Vec::new();
        let mut has_more = events.len() == EVENTS_AT_ONCE;
        for event in &events {
            match portal.read_or_park(event, &mut retried).await? {
                ReadingProgress::Done => done.push(event.id),
                ReadingProgress::Acted | ReadingProgress::Waits => {}
                ReadingProgress::Behind => {
                    has_more = true;
                    break;
                }
                ReadingProgress::NotNow => {
                    has_more = false;
                    break;
                }
            }
        }
        // Including those that were acted upon when the gateway was ended.
        ctx.store.events_done(room_id, &done).await?;
        // What came since has its own job, and a failed event is looked for again and again.
        if !has_more {
            return Ok(());
        }
    }
}

/// How far the reading of an event got.
enum ReadingProgress {
    /// There was nothing to do, or it may be done twice.
    Done,
    /// What follows from it is saved, with a note that it was acted upon.
    Acted,
    /// The event is noted as waiting for its key, or parked; those behind it pass.
    Waits,
    /// Older events are new again, and go before it.
    Behind,
    /// The event stays where it is, and so do those behind it.
    NotNow,
}

impl PortalReader<'_> {
    /// Reads an event, and puts aside one that can never be read.
    async fn read_or_park(
        &self,
        stored: &StoredEvent,
        retried: &mut Retried,
    ) -> Result<ReadingProgress, StoreError> {
        match self.read(stored, retried).await {
            Err(StoreError::Damaged(damaged)) => {
                damage::tell(&damaged);
                self.park(stored, DAMAGED).await
            }
            // Postgres is away, which is not the event's fault.
            other => other,
        }
    }

    async fn read(
        &self,
        stored: &StoredEvent,
        retried: &mut Retried,
    ) -> Result<ReadingProgress, StoreError> {
        let ctx = self.ctx;
        let is_state = stored.event.as_ref().is_some_and(|event| event.get("state_key").is_some());
        // A redacted event says nothing any more, readable or not.
        if stored.is_redacted && !is_state {
            return Ok(ReadingProgress::Done);
        }
        let Some(json) = &stored.event else { return self.park(stored, DAMAGED).await };
        let is_ours = is_ours(ctx, &stored.sender);
        if is_ours {
            return self.read_counted(stored, json, is_ours, retried).await;
        }
        let mut turn = ctx.turns.take(false).await;
        let mut attempts = ctx.store.event_attempt(stored.id).await?;
        if is_suspect(attempts - 1, EVENT_ATTEMPTS_MAX) {
            attempts::is_none(ctx, Attempt::Event(stored.id)).await;
            drop(turn);
            turn = ctx.turns.take(true).await;
            attempts = ctx.store.event_attempt(stored.id).await?;
        }
        let _turn = turn;
        if attempts > EVENT_ATTEMPTS_MAX {
            return self.park(stored, INTERRUPTED).await;
        }
        let read = self.read_counted(stored, json, is_ours, retried).await;
        attempts::ended(ctx, Attempt::Event(stored.id), read).await
    }

    /// Asked again once the attempt is counted.
    async fn read_counted(
        &self,
        stored: &StoredEvent,
        json: &Value,
        is_ours: bool,
        retried: &mut Retried,
    ) -> Result<ReadingProgress, StoreError> {
        let ctx = self.ctx;
        let event = decode(json);
        let said = SaidBy::of(&event);
        match (&event, said) {
            (RoomEvent::Encrypted(_), Some(said)) if !is_ours => {
                self.read_encrypted(stored, json, &said, retried).await
            }
            // In a room whose members encrypt, anybody on the way could have written it. A machine's
            // notice is not answered in any case.
            (RoomEvent::Message(message), Some(said)) if !is_ours && ctx.devices.is_required() => {
                let phrase = Phrase::MessageNotEncrypted;
                match &message.replaces {
                    Some(target) => {
                        let trouble = EditTrouble::Clear;
                        self.refuse_edit(stored, &said, target.as_str(), trouble, &phrase).await
                    }
                    None if matches!(message.kind, MessageKind::Notice(_)) => {
                        Ok(ReadingProgress::Done)
                    }
                    None => self.refuse(stored, &said, &phrase).await,
                }
            }
            _ => self.act_on(stored, json, false).await,
        }
    }

    async fn read_encrypted(
        &self,
        stored: &StoredEvent,
        json: &Value,
        said: &SaidBy,
        retried: &mut Retried,
    ) -> Result<ReadingProgress, StoreError> {
        let ctx = self.ctx;
        let reading = unreadable::read(ctx, self.line, self.room_id, stored, json, retried).await?;
        match reading {
            Reading::Waits => Ok(ReadingProgress::Waits),
            Reading::Behind | Reading::NotNow => {
                ctx.store.attempt_is_none(Attempt::Event(stored.id)).await?;
                Ok(if matches!(reading, Reading::Behind) {
                    ReadingProgress::Behind
                } else {
                    ReadingProgress::NotNow
                })
            }
            Reading::Repeat if stored.edit_of.is_some() => {
                let Some(mut step) = self.step(stored).await? else {
                    return Ok(ReadingProgress::Acted);
                };
                step.is_no_edit(&said.event_id).await?;
                step.wake_hand_over(self.conversation.id).await?;
                step.commit().await?;
                Ok(ReadingProgress::Acted)
            }
            Reading::Repeat => Ok(ReadingProgress::Done),
            Reading::Never(phrase) => match &stored.edit_of {
                Some(target) => {
                    let trouble = acts::trouble_of(&phrase);
                    self.refuse_edit(stored, said, target, trouble, &phrase).await
                }
                None => self.refuse(stored, said, &phrase).await,
            },
            Reading::Clear(clear) => {
                let message = match decode(&clear) {
                    RoomEvent::Message(message) => message,
                    RoomEvent::Reaction(_) => {
                        return self.act_on(stored, &clear, stored.was_announced).await;
                    }
                    // A member may call anything it encrypts a membership or a redaction, without
                    // the homeserver having checked whether it may do that.
                    _ => return self.nothing(stored, Some(said)).await,
                };
                let is_what_it_said = stored.edit_of.is_none()
                    || stored.edit_of.as_deref() == message.replaces.as_ref().map(|id| id.as_str());
                match &stored.edit_of {
                    // The relation outside the encryption is what every client goes by.
                    Some(target) if !is_what_it_said => {
                        let (trouble, phrase) = (EditTrouble::Broken, Phrase::MessageBroken);
                        self.refuse_edit(stored, said, target, trouble, &phrase).await
                    }
                    _ => self.act_on(stored, &clear, stored.was_announced).await,
                }
            }
        }
    }

    async fn step(&self, stored: &StoredEvent) -> Result<Option<EventStep<'_>>, StoreError> {
        self.ctx.store.event_step(stored.id, self.ctx.clock.now()).await
    }

    pub(super) fn message_id(&self) -> Option<MessageId> {
        self.line.new_message_id(&self.ctx.rng)
    }

    pub(super) fn new_part<'a>(
        &self,
        author: &'a str,
        event_id: &'a str,
        part: &'a StoredPart,
        message_id: &'a MessageId,
    ) -> NewPart<'a> {
        NewPart {
            conversation: self.conversation.id,
            author,
            event_id,
            part,
            answers: None,
            collect: self.line.channel.collect,
            collect_at_most: COLLECT_AT_MOST.max(self.line.channel.collect),
            message_id,
            at: self.ctx.clock.now(),
        }
    }

    /// Answers an event, once, with a sentence of the gateway at the message it concerns.
    pub(super) async fn tell(
        &self,
        step: &mut EventStep<'_>,
        event_id: &str,
        concerns: &str,
        phrase: &Phrase,
    ) -> Result<(), StoreError> {
        let txn_id = format!("a{event_id}");
        let notice = notice_to(self.line, phrase, concerns);
        step.say(self.conversation.id, &txn_id, &notice).await
    }

    /// Whether a user does not belong here.
    async fn is_outsider(&self, said: &SaidBy) -> Result<bool, StoreError> {
        members::is_outsider(self.ctx, self.line, self.room_id, &said.sender).await
    }

    /// Whether a user is answered: strangers only now and then. Asked before the step of the event,
    /// which holds a connection.
    async fn may_be_told(&self, said: &SaidBy) -> Result<bool, StoreError> {
        if !self.is_outsider(said).await? {
            return Ok(true);
        }
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        store.answers_stranger(self.room_id, said.sender.as_str(), now).await
    }

    /// Puts an event aside, where a person sees it. Those behind it pass.
    async fn park(
        &self,
        stored: &StoredEvent,
        reason: &str,
    ) -> Result<ReadingProgress, StoreError> {
        park(self.ctx, self.line, self.conversation, stored.id, &stored.event_id, reason).await?;
        Ok(ReadingProgress::Waits)
    }
}

/// Who said something, and in which event.
struct SaidBy {
    event_id: String,
    sender: OwnedUserId,
}

impl SaidBy {
    fn of(event: &RoomEvent) -> Option<Self> {
        let (event_id, sender) = match event {
            RoomEvent::Message(message) => (&message.event_id, &message.sender),
            RoomEvent::Redaction(redaction) => (&redaction.event_id, &redaction.sender),
            RoomEvent::Encrypted(encrypted) => (&encrypted.event_id, &encrypted.sender),
            RoomEvent::Reaction(reaction) => (&reaction.event_id, &reaction.sender),
            RoomEvent::Member(_)
            | RoomEvent::Tombstone { .. }
            | RoomEvent::Encryption(_)
            | RoomEvent::Other => return None,
        };
        Some(Self { event_id: event_id.to_string(), sender: sender.clone() })
    }
}
