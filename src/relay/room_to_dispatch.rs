//! Road (b), first half: what happened in a room is read, and what a person says is gathered into
//! a dispatch.

use std::time::Duration;

use ruma::{OwnedUserId, RoomId, UserId};
use serde_json::Value;
use tracing::{info, warn};

use super::{
    Ctx, Line, commands, members,
    notices::notice_to,
    unreadable::{self, Reading, Retried},
};
use crate::{
    matrix::{decode, thread_root},
    model::{
        ConversationId, Correspondent, LetterId, Member, Membership, MessageId, MessageKind,
        RoomEvent,
    },
    phrases::Phrase,
    rules::{
        posts,
        routing::{Portal, Refusal, Route, route},
    },
    store::{
        AnsweredLetter, Conversation, NewPart, NewerWords, StoreError, StoredEvent, StoredPart,
    },
};

/// Events read at once.
const EVENTS_AT_ONCE: usize = 100;

/// A dispatch that is still being added to leaves after this time at the latest.
const COLLECT_AT_MOST: Duration = Duration::from_secs(120);

/// Reads every new event of a room, oldest first.
pub async fn read_room(ctx: &Ctx, room_id: &str) -> Result<(), StoreError> {
    let Some(id) = ctx.store.conversation_of_room(room_id).await? else {
        return read_foreign_room(ctx, room_id).await;
    };
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else { return Ok(()) };
    let mut retried = Retried::new();
    loop {
        let events = ctx.store.new_events(room_id, EVENTS_AT_ONCE).await?;
        let mut done = Vec::with_capacity(events.len());
        let mut has_more = events.len() == EVENTS_AT_ONCE;
        for event in &events {
            match read_event(ctx, line, &conversation, room_id, event, &mut retried).await? {
                Progress::Done => done.push(event.id),
                Progress::Waits => {}
                Progress::Behind => {
                    has_more = true;
                    break;
                }
                Progress::NotNow => {
                    has_more = false;
                    break;
                }
            }
        }
        if !done.is_empty() {
            ctx.store.events_done(&done).await?;
        }
        // What came since has a job of its own, and what fails is looked for again and again.
        if !has_more {
            return Ok(());
        }
    }
}

/// Reads a room that is no portal. Its events stay, because it may be one whose making we have not
/// noted yet; but whoever invited a ghost there is not left waiting.
async fn read_foreign_room(ctx: &Ctx, room_id: &str) -> Result<(), StoreError> {
    let mut done = Vec::new();
    for stored in ctx.store.new_events(room_id, EVENTS_AT_ONCE).await? {
        let RoomEvent::Member(member) = decode(&stored.event) else { continue };
        let inviter = stored.event.get("sender").and_then(Value::as_str).unwrap_or_default();
        let is_ours = UserId::parse(inviter).is_ok_and(|inviter| ctx.homeserver.is_ours(&inviter));
        // The bot hears of its own invitations by /sync, and answers them there.
        if member.membership != Membership::Invite
            || is_ours
            || !ctx.homeserver.is_ours(&member.user)
            || member.user == ctx.homeserver.bot()
            || replaces_a_portal(ctx, &stored.event).await?
        {
            continue;
        }
        match ctx.homeserver.leave(&member.user, &member.room_id).await {
            Ok(()) => {
                info!("Declined an invitation of a ghost to a room that is no portal");
                done.push(stored.id);
            }
            Err(error) => warn!(error = %error, "An invitation could not be declined"),
        }
    }
    ctx.store.events_done(&done).await
}

/// Whether an invitation is one into the successor of a portal, as the room says of itself.
async fn replaces_a_portal(ctx: &Ctx, invitation: &Value) -> Result<bool, StoreError> {
    let shown = invitation.pointer("/unsigned/invite_room_state").and_then(Value::as_array);
    let create = shown.and_then(|shown| {
        shown.iter().find(|e| e.get("type").is_some_and(|t| t == "m.room.create"))
    });
    match create.and_then(|create| create.pointer("/content/predecessor/room_id")) {
        Some(Value::String(room)) => Ok(ctx.store.conversation_of_room(room).await?.is_some()),
        _ => Ok(false),
    }
}

/// How far the reading of an event came.
enum Progress {
    Done,
    /// It is noted as waiting for its key; those behind it pass.
    Waits,
    /// Older ones are new again, and go before it.
    Behind,
    /// It stays where it is, and so do those behind it.
    NotNow,
}

/// Reads an event.
async fn read_event(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    room_id: &str,
    stored: &StoredEvent,
    retried: &mut Retried,
) -> Result<Progress, StoreError> {
    let event = decode(&stored.event);
    let said = Said::of(&event);
    let is_ours = said.as_ref().is_some_and(|said| ctx.homeserver.is_ours(&said.sender));
    match (&event, said) {
        (RoomEvent::Encrypted(_), Some(said)) if !is_ours => {
            match unreadable::read(ctx, line, room_id, stored, retried).await? {
                Reading::Waits => return Ok(Progress::Waits),
                Reading::Behind => return Ok(Progress::Behind),
                Reading::NotNow => return Ok(Progress::NotNow),
                Reading::Repeat => {}
                Reading::Never(phrase) => {
                    tell(ctx, line, conversation.id, &said, &phrase).await?;
                }
                Reading::Clear(clear) => {
                    let clear = StoredEvent { event: clear, ..stored.clone() };
                    if stored.was_announced {
                        unreadable::take_back(ctx, line, conversation.id, &said.event_id).await?;
                    }
                    // Whoever is in the room may call what he encrypts a membership or a
                    // redaction, without the homeserver having asked whether he may.
                    if matches!(decode(&clear.event), RoomEvent::Message(_)) {
                        act_on(ctx, line, conversation, room_id, &clear).await?;
                    }
                }
            }
        }
        // In a room whose members encrypt, anybody on the way could have written it. A machine's
        // notice is not answered in any case.
        (RoomEvent::Message(message), Some(said))
            if !is_ours
                && ctx.devices.is_required()
                && !matches!(message.kind, MessageKind::Notice(_)) =>
        {
            let phrase = Phrase::MessageNotEncrypted;
            tell(ctx, line, conversation.id, &said, &phrase).await?;
        }
        _ => act_on(ctx, line, conversation, room_id, stored).await?,
    }
    Ok(Progress::Done)
}

/// Does what an event in the clear asks for.
async fn act_on(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    room_id: &str,
    stored: &StoredEvent,
) -> Result<(), StoreError> {
    let event = decode(&stored.event);
    match &event {
        RoomEvent::Member(member) => {
            return member_is(ctx, line, conversation.id, room_id, member, stored).await;
        }
        RoomEvent::Encryption(encryption) => {
            return ctx.store.room_is_encrypted(room_id, encryption).await;
        }
        RoomEvent::Tombstone { .. } => {
            info!(conversation.id = %conversation.id, "A portal was upgraded");
            return ctx.store.portal_upgraded(room_id, ctx.clock.now()).await;
        }
        RoomEvent::Message(_)
        | RoomEvent::Redaction(_)
        | RoomEvent::Encrypted(_)
        | RoomEvent::Other => {}
    }
    let Some(mut said) = Said::of(&event) else { return Ok(()) };
    let is_ours = ctx.homeserver.is_ours(&said.sender);
    if is_ours {
        return confirm_post(ctx, &stored.event, &said).await;
    }

    let correspondent =
        Correspondent::from_key(line.channel.kind(), &conversation.correspondent).ok();
    let recipient = correspondent.as_ref().map(|c| line.channel.recipient(c));
    let answered = answered(ctx, conversation.id, &event, &stored.event).await?;
    let goes_elsewhere = answered.as_ref().is_some_and(|letter| letter.goes_elsewhere);
    let portal = Portal {
        is_ours,
        may_speak: line.channel.lets_speak(said.sender.as_str()),
        is_answerable: goes_elsewhere || matches!(recipient, Some(Ok(_))),
        file_bytes_max: line.channel.mail_bytes_max(),
        prefix: "!",
    };
    let route = route(&event, portal);
    if matches!(route, Route::Text(_) | Route::File(_))
        && answered.as_ref().is_some_and(|letter| letter.open_doubt.is_some())
    {
        let phrase = Phrase::CallerNotConfirmed;
        return tell(ctx, line, conversation.id, &said, &phrase).await;
    }
    let answers = answered.as_ref().map(|letter| letter.id);
    let answer = match route {
        Route::Ignore => return Ok(()),
        Route::Text(body) => {
            let part = StoredPart::Text(body);
            return collect(ctx, line, conversation.id, &said, part, answers).await;
        }
        Route::File(file) => {
            let part = StoredPart::File {
                media_uri: file.uri.to_string(),
                file_name: file.file_name,
                caption: file.caption,
                media_type: file
                    .media_type
                    .unwrap_or_else(|| "application/octet-stream".to_owned()),
                encryption: file.encryption,
            };
            return collect(ctx, line, conversation.id, &said, part, answers).await;
        }
        Route::Command(command) => {
            let (phrase, original) =
                commands::run(ctx, line, conversation, &event, command, answered).await?;
            tell(ctx, line, conversation.id, &said, &phrase).await?;
            if let Some(letter) = original {
                let txn_id = format!("e{}", said.event_id);
                ctx.store.add_original(conversation.id, &txn_id, letter).await?;
            }
            return Ok(());
        }
        // What is said about an edit or a redaction stands at the message it concerns.
        Route::Replace { event_id, words } => {
            let changed = ctx
                .store
                .newer_words(conversation.id, &event_id, said.sender.as_str(), &words)
                .await?;
            said.concerns = event_id;
            (changed == NewerWords::TooLate).then_some(Phrase::EditTooLate)
        }
        Route::Withdraw { event_id } => {
            let notice = notice_to(line, &Phrase::DispatchWithdrawn, &event_id);
            let changed = ctx
                .store
                .withdraw_part(conversation.id, &event_id, &notice, ctx.clock.now())
                .await?;
            said.concerns = event_id;
            (changed == NewerWords::TooLate).then_some(Phrase::WithdrawalTooLate)
        }
        Route::Refuse(refusal) => Some(refusal_phrase(refusal, line, correspondent.as_ref())),
    };
    match answer {
        Some(phrase) => tell(ctx, line, conversation.id, &said, &phrase).await,
        None => Ok(()),
    }
}

/// The letter a message answers: the one it replies to, the one its thread is about, or the newest
/// that stood in the room when it was written.
async fn answered(
    ctx: &Ctx,
    conversation: ConversationId,
    event: &RoomEvent,
    raw: &Value,
) -> Result<Option<AnsweredLetter>, StoreError> {
    let RoomEvent::Message(message) = event else { return Ok(None) };
    let thread = thread_root(raw);
    let replies_to = message.replies_to.as_ref().map(|event| event.as_str());
    let relates_to: Vec<&str> = replies_to.into_iter().chain(thread).collect();
    ctx.store.answered_letter(conversation, message.event_id.as_str(), &relates_to).await
}

async fn member_is(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room_id: &str,
    member: &Member,
    stored: &StoredEvent,
) -> Result<(), StoreError> {
    let said_at_ms = stored.event.get("origin_server_ts").and_then(Value::as_i64).unwrap_or(0);
    let (user, membership) = (&member.user, member.membership);
    ctx.store.member_is(room_id, user.as_str(), membership.word(), said_at_ms).await?;
    if let Ok(room) = <&RoomId>::try_from(room_id) {
        members::changed(ctx, line, conversation, room, user, membership).await?;
    }
    // The bot never leaves a portal by itself. Without it nobody hears what is said there, so the
    // conversation goes on elsewhere.
    if user == ctx.homeserver.bot() && matches!(membership, Membership::Leave | Membership::Ban) {
        info!("The bot was removed from a portal; its conversation goes on in another room");
        ctx.store.portal_lost_the_bot(room_id).await?;
    }
    Ok(())
}

/// Who said something, and in which event.
struct Said {
    event_id: String,
    sender: OwnedUserId,
    /// The event that an answer of ours stands at: itself, or the one it changes.
    concerns: String,
}

impl Said {
    fn of(event: &RoomEvent) -> Option<Self> {
        let (event_id, sender) = match event {
            RoomEvent::Message(message) => (&message.event_id, &message.sender),
            RoomEvent::Redaction(redaction) => (&redaction.event_id, &redaction.sender),
            RoomEvent::Encrypted(encrypted) => (&encrypted.event_id, &encrypted.sender),
            RoomEvent::Member(_)
            | RoomEvent::Tombstone { .. }
            | RoomEvent::Encryption(_)
            | RoomEvent::Other => return None,
        };
        let event_id = event_id.to_string();
        Some(Self { concerns: event_id.clone(), event_id, sender: sender.clone() })
    }
}

/// Our own post came back: it is in the room, whatever became of the answer to our request.
async fn confirm_post(ctx: &Ctx, event: &Value, said: &Said) -> Result<(), StoreError> {
    let mark = event.get("content").and_then(|content| content.get(posts::POST_MARK));
    match mark.and_then(Value::as_str) {
        Some(txn_id) => ctx.store.post_echoed(txn_id, &said.event_id, ctx.clock.now()).await,
        None => Ok(()),
    }
}

async fn collect(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    said: &Said,
    part: StoredPart,
    answers: Option<LetterId>,
) -> Result<(), StoreError> {
    // Random, and without a name of ours: KIM forbids host names and persons in it (KIM-23).
    let message_id = format!("{}@{}.local", ctx.rng.uuid(), line.channel.kind().word());
    let Ok(message_id) = MessageId::new(&message_id) else { return Ok(()) };
    ctx.store
        .collect(NewPart {
            conversation,
            author: said.sender.as_str(),
            event_id: &said.event_id,
            part: &part,
            answers,
            collect: line.channel.collect,
            collect_at_most: COLLECT_AT_MOST.max(line.channel.collect),
            message_id: &message_id,
            at: ctx.clock.now(),
        })
        .await
}

/// Answers a room message with a sentence of the gateway, once.
async fn tell(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    said: &Said,
    phrase: &Phrase,
) -> Result<(), StoreError> {
    let txn_id = format!("a{}", said.event_id);
    let notice = notice_to(line, phrase, &said.concerns);
    ctx.store.add_bot_post(conversation, &txn_id, &notice).await
}

fn refusal_phrase(refusal: Refusal, line: &Line, correspondent: Option<&Correspondent>) -> Phrase {
    match refusal {
        Refusal::MayNotSpeak => Phrase::NotASpeaker,
        Refusal::NotTransferable | Refusal::Encrypted => Phrase::MessageNotTransferable,
        Refusal::TooLarge => {
            Phrase::MessageTooLarge { limit_mib: line.channel.mail_bytes_max() / (1024 * 1024) }
        }
        Refusal::NotAnswerable => match correspondent {
            Some(Correspondent::UnknownFax) => Phrase::UnknownFaxNotAnswerable,
            Some(Correspondent::Fax(_) | Correspondent::ClaimedFax(_)) => Phrase::NumberNotDialable,
            Some(Correspondent::Mail(_)) => Phrase::NotAKimAddress,
            Some(Correspondent::UnknownSender) | None => Phrase::NoCorrespondentAddress,
        },
    }
}
