//! Rooms that are no portals: invitations are declined.
//!
//! Anyone can invite a user of ours, any number of times, and a homeserver answers only when the
//! inviter's homeserver did. So each invitation has a job, few of them run at the same time, and none
//! holds up a letter or an answer.

use std::time::Duration;

use ruma::{RoomId, UserId};
use serde_json::Value;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{Ctx, reader::EVENTS_AT_ONCE};
use crate::{
    matrix::{ErrorKind, decode},
    model::{Membership, RoomEvent},
    store::{Job, StoreError, StoredEvent},
};

/// Invitations that are declined at the same time.
pub const DECLINES_AT_ONCE: usize = 2;

/// How long the homeserver may take to decline an invitation.
const DECLINE_WITHIN: Duration = Duration::from_secs(10);

/// Time until an invitation is declined again that could not be declined.
const DECLINE_AGAIN: Duration = Duration::from_secs(600);

/// Time until it is tried again because other invitations are being declined.
const TURN_AGAIN: Duration = Duration::from_secs(10);

/// Reads a room that is no portal. Its events stay, because it may be a room whose creation we have
/// not noted yet; but a user who invited a ghost there is not left waiting.
pub(super) async fn read_foreign_room(ctx: &Ctx, room_id: &str) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let events = ctx.store.events_elsewhere(room_id, after, EVENTS_AT_ONCE).await?;
        let Some(last) = events.last() else { return Ok(()) };
        after = last.id;
        decline_invitations(ctx, &events).await?;
    }
}

async fn decline_invitations(ctx: &Ctx, events: &[StoredEvent]) -> Result<(), StoreError> {
    let mut done = Vec::new();
    for stored in events {
        let Some(event) = &stored.event else { continue };
        let RoomEvent::Member(member) = decode(event) else { continue };
        let is_ours = is_ours(ctx, &stored.sender);
        // The bot hears of its own invitations by /sync, and answers them there.
        if member.membership != Membership::Invite
            || is_ours
            || !ctx.homeserver.is_ours(&member.user)
            || member.user == ctx.homeserver.bot()
            || replaces_a_portal(ctx, event).await?
        {
            continue;
        }
        let (user, room) = (member.user.to_string(), member.room_id.to_string());
        ctx.store.wake(&Job::Decline { user, room }, None).await?;
        done.push(stored.id);
    }
    ctx.store.events_elsewhere_done(&done).await
}

/// Declines an invitation, unless as many as may be are being declined: then it is tried later.
pub async fn decline(ctx: &Ctx, user: &str, room: &str) -> Result<(), StoreError> {
    let (Ok(user_id), Ok(room_id)) = (UserId::parse(user), RoomId::parse(room)) else {
        return Ok(());
    };
    let again = async |after: Duration| {
        let job = Job::Decline { user: user.to_owned(), room: room.to_owned() };
        ctx.store.wake(&job, Some(ctx.clock.now() + after)).await
    };
    let Ok(_turn) = ctx.declining.try_acquire() else { return again(TURN_AGAIN).await };
    match timeout(DECLINE_WITHIN, ctx.homeserver.leave(&user_id, &room_id)).await {
        Ok(Ok(())) => {
            info!("Declined an invitation to a room that is no portal");
            Ok(())
        }
        Ok(Err(error)) if !matches!(error.kind(), ErrorKind::Again { .. }) => {
            warn!(error = %error, "An invitation could not be declined; its sender waits for an answer");
            Ok(())
        }
        Ok(Err(_)) | Err(_) => {
            warn!("An invitation could not be declined in time; it is tried again");
            again(DECLINE_AGAIN).await
        }
    }
}

/// Whether an invitation leads into the successor of a portal, as the room says of itself.
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

pub(super) fn is_ours(ctx: &Ctx, user: &str) -> bool {
    UserId::parse(user).is_ok_and(|user| ctx.homeserver.is_ours(&user))
}
