//! Rooms that are no portals: invitations are declined.

use ruma::UserId;
use serde_json::Value;
use tracing::{info, warn};

use super::{Ctx, reader::EVENTS_AT_ONCE};
use crate::{
    matrix::decode,
    model::{Membership, RoomEvent},
    store::{StoreError, StoredEvent},
};

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
        match ctx.homeserver.leave(&member.user, &member.room_id).await {
            Ok(()) => {
                info!("Declined an invitation of a ghost to a room that is no portal");
                done.push(stored.id);
            }
            Err(error) => warn!(error = %error, "An invitation could not be declined"),
        }
    }
    ctx.store.events_elsewhere_done(&done).await
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
