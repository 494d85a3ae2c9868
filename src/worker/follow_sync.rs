//! Follows the bot's own `/sync`, for ever: the second door, which forgets nothing.
//!
//! Synapse loses events of a transaction when it is killed with one in flight, and keeps a
//! backlog to itself after a restart. The bot is a member of every portal, so its own timeline
//! tells everything; events that came through the first door are known by their event id.

use std::time::Duration;

use tracing::{info, warn};

use super::Shop;
use crate::{
    matrix::{ErrorKind, JoinedRoom, MatrixError, RawEvent, RoomInvite},
    relay::{self, Ctx, KeysError},
    rules::retry::back_off,
    store::{IncomingEvent, Job, StoreError},
};

/// How long the homeserver may hold a `/sync` that has nothing to say.
const LONG_POLL: Duration = Duration::from_secs(30);

/// Least time between two syncs. Transactions are the fast path; without this pause every post's
/// echo would cost a request of its own.
const PAUSE: Duration = Duration::from_secs(3);

/// Events asked for at once when a gap is filled.
const PAGE: u32 = 100;

/// Pages of one gap that are read in one go. A longer gap is read as far as this and reported;
/// nothing so old waits for an answer.
const PAGES_MAX: usize = 200;

/// Follows the timeline until the task is dropped.
pub async fn follow_sync(shop: &Shop) {
    let mut failures = 0;
    loop {
        let wait = match sync_once(&shop.ctx).await {
            Ok(()) => {
                failures = 0;
                shop.report("homeserver", true);
                PAUSE
            }
            Err(trouble) => {
                failures += 1;
                shop.report("homeserver", false);
                warn!(error = %trouble, "The bot's /sync failed; it is tried again");
                back_off(failures).min(LONG_POLL)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

async fn sync_once(ctx: &Ctx) -> Result<(), Trouble> {
    let bot = ctx.homeserver.bot();
    let since = ctx.store.sync_position(bot.as_str()).await?;
    let device = relay::bot_device(ctx).await?;
    let batch = match ctx.homeserver.sync(&device, since.as_deref(), LONG_POLL).await {
        Err(error) if error.errcode() == Some("M_UNKNOWN_DEVICE") => {
            relay::renew_bot_device(ctx).await?;
            return Err(error.into());
        }
        batch => batch?,
    };
    let has_messages = !batch.device.to_device.is_empty();
    // Before the events that were encrypted with the keys that come here.
    relay::receive(ctx, batch.device).await?;
    let mut events = Vec::new();
    for room in &batch.joined {
        events.extend(room.state.iter().map(incoming));
        // The very first sync has no before: rooms of then are none of ours.
        if let (true, Some(since)) = (room.limited, &since) {
            events.extend(gap(ctx, room, since).await?);
        }
        events.extend(room.timeline.iter().map(incoming));
    }
    for room in &batch.left {
        events.extend(room.timeline.iter().map(incoming));
    }
    // Before the position is saved: an invitation is told of only once.
    for invite in &batch.invites {
        answer(ctx, invite).await?;
    }
    let now = ctx.clock.now();
    let new = ctx.store.receive_sync(bot.as_str(), &batch.next_batch, &events, now).await?;
    if has_messages {
        relay::forget_read_messages(ctx).await?;
    }
    if new > 0 {
        metrics::counter!("umstieg_events_by_sync_total").increment(new);
    }
    Ok(())
}

/// Portals are rooms we make, or their successors. Whoever wants to write to a correspondent does
/// so in one of those; an invitation elsewhere is declined, so that nobody waits for an answer.
async fn answer(ctx: &Ctx, invite: &RoomInvite) -> Result<(), Trouble> {
    if let Some(predecessor) = &invite.predecessor
        && let Some(id) = ctx.store.conversation_of_room(predecessor.as_str()).await?
    {
        // Whether it is true is found out by who follows the portal.
        ctx.store.wake(&Job::SendPosts(id), None).await?;
        return Ok(());
    }
    info!("Declined an invitation to a room that is no portal");
    if let Err(error) = ctx.homeserver.leave(ctx.homeserver.bot(), &invite.room_id).await {
        warn!(error = %error, "An invitation could not be declined");
    }
    Ok(())
}

/// What happened in a room between `since` and the beginning of its timeline, oldest first.
async fn gap(ctx: &Ctx, room: &JoinedRoom, since: &str) -> Result<Vec<IncomingEvent>, Trouble> {
    let mut events = Vec::new();
    let mut from = since.to_owned();
    for _ in 0..PAGES_MAX {
        let to = room.prev_batch.as_deref();
        let page = match ctx.homeserver.messages(&room.room_id, &from, to, PAGE).await {
            Ok(page) => page,
            Err(error) if matches!(error.kind(), ErrorKind::Again { .. }) => {
                return Err(error.into());
            }
            // One room that is no longer readable must not keep the others from being heard.
            Err(error) => {
                warn!(error = %error, "A gap in a room's timeline could not be filled");
                return Ok(events);
            }
        };
        let is_last = page.events.is_empty();
        events.extend(page.events.iter().map(incoming));
        match page.end {
            Some(end) if !is_last => from = end,
            _ => return Ok(events),
        }
    }
    warn!(
        "A gap in a room's timeline is longer than {} events; its end was not read",
        events.len()
    );
    Ok(events)
}

fn incoming(raw: &RawEvent) -> IncomingEvent {
    IncomingEvent {
        event_id: raw.event_id.clone(),
        room_id: raw.room_id.clone(),
        sender: raw.sender.clone(),
        event: raw.event.clone(),
    }
}
