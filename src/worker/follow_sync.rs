//! Follows the bot's own `/sync`, for ever: the second door, which forgets nothing, and the only one
//! that tells in what order things happened.
//!
//! Synapse loses events of a transaction when it is killed with one in flight, and keeps a backlog to
//! itself after a restart. The bot is a member of every portal, so its own timeline tells everything;
//! events that came through the first door are recognised by their event id, and wait for their place
//! to be told here.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ruma::{OwnedRoomId, RoomId};
use tracing::{error, warn};

use super::Shop;
use crate::{
    matrix::{ErrorKind, MatrixError, RawEvent, RoomInvite, RoomNews},
    relay::{self, Ctx, KeysError},
    rules::retry::{at_least, back_off},
    store::{IncomingEvent, Job, StoreError},
};

/// How long the homeserver may hold a `/sync` that has nothing to say.
const LONG_POLL: Duration = Duration::from_secs(30);

/// Least time between two syncs, unless a transaction brought what people did: that waits for its
/// place here. Without this pause every post's echo would cost a separate request.
const PAUSE: Duration = Duration::from_secs(3);

/// The lease of following: a device's keys and its position in the `/sync` belong to one node.
const LEASE: &str = "follow_sync";

/// How many events are requested at once when a gap is filled.
const PAGE: u32 = 100;

/// How many pages of one gap are read, the newest. What lies before them in a longer gap is not
/// heard, and nothing that was said before it leaves by itself.
const PAGES_MAX: usize = 200;

/// To-device messages in one `/sync`, when there are more: Synapse's page.
const MESSAGES_AT_ONCE: usize = 100;

/// Tries to fill one room's gap, while `/sync` itself is answered. Then the room is told of it: one
/// room must not keep the others from being heard.
const GAP_TRIES_MAX: u32 = 4;

/// Tries to fill the gap of a room, which failed so far.
type GapTries = BTreeMap<OwnedRoomId, u32>;

/// What follows a `/sync`.
enum AfterSync {
    /// The next one at once: the homeserver has more.
    More,
    Pause,
}

/// Follows the timeline until the task is dropped.
pub async fn follow_sync(shop: &Shop) {
    let mut failures = 0;
    let mut tries = GapTries::new();
    loop {
        let wait = match sync_once(&shop.ctx, &mut tries).await {
            Ok(next) => {
                failures = 0;
                shop.report("homeserver", true);
                if matches!(next, AfterSync::More) {
                    continue;
                }
                // Either of the two.
                let _ = tokio::time::timeout(PAUSE, shop.ctx.news.notified()).await;
                continue;
            }
            Err(error) => {
                failures += 1;
                if !error.is_of_postgres() {
                    shop.report("homeserver", false);
                }
                warn!(error = %error, "The bot's /sync failed; it is tried again");
                at_least(error.limited_for(), back_off(failures).min(LONG_POLL))
            }
        };
        tokio::time::sleep(wait).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl SyncError {
    fn limited_for(&self) -> Option<Duration> {
        match self {
            Self::Matrix(error) | Self::Keys(KeysError::Matrix(error)) => error.limited_for(),
            Self::Store(_) | Self::Keys(KeysError::Store(_) | KeysError::Device) => None,
        }
    }

    /// Postgres is away, which says nothing about the homeserver.
    fn is_of_postgres(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Again(_)) | Self::Keys(KeysError::Store(StoreError::Again(_)))
        )
    }
}

async fn sync_once(ctx: &Ctx, tries: &mut GapTries) -> Result<AfterSync, SyncError> {
    let bot = ctx.homeserver.bot();
    if !ctx.store.lease(LEASE).await? {
        return Ok(AfterSync::Pause);
    }
    let mut since = ctx.store.sync_position(bot.as_str()).await?;
    let device = relay::bot_device(ctx).await?;
    let mut fetched = match since {
        Some(_) => Vec::new(),
        None => ctx.store.fetched_before_sync().await?,
    };
    // Answers wait for this `/sync`; and after it a restored database has heard what it missed, so what
    // comes now is new.
    let is_waited_for =
        !ctx.hearing.has_heard(ctx.clock.now()) || ctx.store.sync_is_of_copy(bot.as_str()).await?;
    let poll = if is_waited_for { Duration::ZERO } else { LONG_POLL };
    // What is taken in tells what was so then, however long it takes.
    let asked_at = (Instant::now(), ctx.clock.now());
    let batch = match ctx.homeserver.sync(&device, since.as_deref(), poll).await {
        Err(error) if error.errcode() == Some("M_UNKNOWN_DEVICE") => {
            relay::renew_bot_device(ctx).await?;
            return Err(error.into());
        }
        // The saved position is none, or not this homeserver's. Using it for ever would mean
        // hearing nothing more.
        Err(error) if since.is_some() && error.status() == Some(400) => {
            fetched = ctx.store.fetched_before_sync().await?;
            let batch = ctx.homeserver.sync(&device, None, LONG_POLL).await?;
            error!(
                "The position in the bot's /sync is of no use; every room is read from its last known event"
            );
            since = None;
            batch
        }
        batch => batch?,
    };
    let has_messages = !batch.device.to_device.is_empty();
    let has_more = batch.device.to_device.len() >= MESSAGES_AT_ONCE;
    // Before the events that were encrypted with the keys that come here.
    relay::receive(ctx, batch.device).await?;
    let (mut missing, events) =
        news_of_rooms(ctx, &batch.joined, &batch.left, since.as_deref(), tries).await?;
    missing.extend(fetched);
    // Before the position is saved: the homeserver tells of an invitation only once.
    for invite in &batch.invites {
        answer(ctx, invite).await?;
    }
    let is_ours = |event: &IncomingEvent| {
        ruma::UserId::parse(&event.sender).is_ok_and(|user| ctx.homeserver.is_ours(&user))
    };
    if !missing.is_empty() || !events.iter().all(is_ours) {
        relay::people_spoke(ctx).await?;
    }
    let now = ctx.clock.now();
    let next = &batch.next_batch;
    let new = ctx.store.receive_sync(bot.as_str(), next, &missing, &events, now).await?;
    for job in ctx.hearing.heard(asked_at) {
        ctx.store.wake(&job, None).await?;
    }
    if has_messages {
        relay::forget_read_messages(ctx).await?;
    }
    if new > 0 {
        metrics::counter!("umstieg_events_by_sync_total").increment(new);
    }
    tries.clear();
    Ok(if has_more { AfterSync::More } else { AfterSync::Pause })
}

/// What happened in the rooms, and the ids of the events between what we heard before and that.
async fn news_of_rooms(
    ctx: &Ctx,
    joined: &[RoomNews],
    left: &[RoomNews],
    since: Option<&str>,
    tries: &mut GapTries,
) -> Result<(Vec<String>, Vec<IncomingEvent>), SyncError> {
    let (mut missing, mut events) = (Vec::new(), Vec::new());
    // The very first sync has no past: older rooms are not ours. A new portal may not be noted yet; a
    // room that the bot was removed from is.
    let joined = joined.iter().map(|room| (room, since.is_some()));
    // What was said there before the bot was removed was said to us as well.
    let left = left.iter().map(|room| (room, false));
    for (room, may_be_ours) in joined.chain(left) {
        if room.limited && !room.begins() && (may_be_ours || is_portal(ctx, room).await?) {
            missing.extend(gap(ctx, room, since, tries).await?);
        }
        events.extend(room.state.iter().map(incoming));
        events.extend(room.timeline.iter().map(incoming));
    }
    Ok((missing, events))
}

/// Portals are rooms we make, or their successors. People who want to write to a correspondent do
/// so in one of those; an invitation elsewhere is declined, so that nobody waits for an answer.
async fn answer(ctx: &Ctx, invite: &RoomInvite) -> Result<(), SyncError> {
    if let Some(predecessor) = &invite.predecessor
        && let Some(id) = ctx.store.conversation_of_room(predecessor.as_str()).await?
    {
        // The flow that follows the portal finds out whether it is true.
        ctx.store.wake(&Job::SendPosts(id), None).await?;
        return Ok(());
    }
    let (user, room) = (ctx.homeserver.bot().to_string(), invite.room_id.to_string());
    ctx.store.wake(&Job::Decline { user, room }, None).await?;
    Ok(())
}

async fn is_portal(ctx: &Ctx, room: &RoomNews) -> Result<bool, StoreError> {
    Ok(ctx.store.conversation_of_room(room.room_id.as_str()).await?.is_some())
}

/// What happened in a room between `since` and the beginning of its timeline, or without `since`
/// from what was last heard of it. It is saved page by page, from the newest back, and named here
/// oldest first. It gets its place together with the timeline, so that the newer half is not read
/// before the older.
async fn gap(
    ctx: &Ctx,
    room: &RoomNews,
    since: Option<&str>,
    tries: &mut GapTries,
) -> Result<Vec<String>, SyncError> {
    let Some(mut from) = room.prev_batch.clone() else { return Ok(Vec::new()) };
    let mut newest_first = Vec::new();
    let mut is_whole = false;
    for _ in 0..PAGES_MAX {
        let page = match ctx.homeserver.messages_before(&room.room_id, &from, since, PAGE).await {
            Ok(page) => page,
            Err(error) if matches!(error.kind(), ErrorKind::Again { .. }) => {
                let failed = tries.entry(room.room_id.clone()).or_default();
                // A limit on requests says nothing about this room, and passes.
                *failed += u32::from(!error.is_rate_limit());
                if *failed < GAP_TRIES_MAX {
                    return Err(error.into());
                }
                warn!(error = %error, "A gap in a room's timeline could not be filled in {failed} tries");
                break;
            }
            // One unreadable room must not keep the others from being heard.
            Err(error) => {
                warn!(error = %error, "A gap in a room's timeline could not be filled");
                break;
            }
        };
        let events: Vec<IncomingEvent> = page.events.iter().map(incoming).collect();
        ctx.store.fetch_missing(&events, ctx.clock.now()).await?;
        let is_heard = since.is_none() && ctx.store.any_has_a_place(&events).await?;
        let is_last = events.is_empty() || is_heard;
        newest_first.extend(events.into_iter().map(|event| event.event_id));
        match page.end {
            Some(end) if !is_last => from = end,
            _ => {
                is_whole = true;
                break;
            }
        }
    }
    if !is_whole {
        // Before the position is saved, so that the room is told of the gap; the position names the
        // gap.
        let begins = since.or(room.prev_batch.as_deref()).unwrap_or_default();
        let name = gap_name(&room.room_id, begins);
        relay::tell_of_gap(ctx, room.room_id.as_str(), &name).await?;
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// The same for the same gap, and without a meaning.
fn gap_name(room: &RoomId, since: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::new().chain_update(room.as_str()).chain_update([0]).chain_update(since);
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn incoming(raw: &RawEvent) -> IncomingEvent {
    IncomingEvent {
        event_id: raw.event_id.clone(),
        room_id: raw.room_id.clone(),
        sender: raw.sender.clone(),
        event: raw.event.clone(),
    }
}
