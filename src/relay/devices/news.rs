//! What the bot's `/sync` tells of devices, and how it reaches every device of ours.

use std::collections::BTreeMap;

use ruma::OwnedUserId;
use tracing::warn;

use super::{KeysError, LoadedDevice, count_on, loaded, take_in, unless_lost};
use crate::{
    matrix::DeviceNews,
    relay::{Ctx, stop::Stop},
    store::StoreError,
};

/// Takes in what the bot's `/sync` brought for its device, and tells all other devices whose
/// devices changed. When it returns, all of it is saved.
pub async fn receive(ctx: &Ctx, news: DeviceNews) -> Result<(), KeysError> {
    if !ctx.devices.is_required {
        return Ok(());
    }
    let (changed, left) = (news.changed.clone(), news.left.clone());
    let has_messages = !news.to_device.is_empty();
    let received = async {
        let bot = loaded(ctx, ctx.homeserver.bot()).await?;
        // The bot's one-time keys and sessions go on.
        if has_messages {
            count_on(ctx).await?;
        }
        let keys = take_in(ctx, &bot, news).await?;
        Ok::<_, Stop>((keys, marks_of_known(ctx, &bot, &changed).await?))
    };
    let (keys, marks) = received.await?;
    let is_as_told = |user: &&OwnedUserId| {
        marks.get(*user).is_some_and(|mark| ctx.devices.told().get(*user) == Some(mark))
    };
    let news: Vec<OwnedUserId> =
        changed.iter().filter(|user| !is_as_told(user)).chain(&left).cloned().collect();
    tell_of_changes(ctx, &news).await?;
    ctx.devices.are_told(marks, &left);
    // A user may have got a first device, or another one, or be in one more room.
    let names: Vec<String> = changed.iter().chain(&left).map(ToString::to_string).collect();
    if !names.is_empty() {
        ctx.store.wake_for_readers(&names).await?;
    }
    for key in keys {
        ctx.store.wake_for_key(&key.room_id, &key.session_id).await?;
    }
    Ok(())
}

/// What the bot knows by now of the devices of people on this homeserver, and of its own, for which all
/// our devices encrypt. Another homeserver may be away, and nothing says when its answer comes.
async fn marks_of_known(
    ctx: &Ctx,
    bot: &LoadedDevice,
    changed: &[OwnedUserId],
) -> Result<BTreeMap<OwnedUserId, String>, Stop> {
    let Ctx { homeserver, .. } = ctx;
    let is_known = |user: &&OwnedUserId| {
        let is_of_people = !homeserver.is_ours(user) || *user == homeserver.bot();
        user.server_name() == homeserver.server_name() && is_of_people
    };
    let people: Vec<OwnedUserId> = changed.iter().filter(is_known).cloned().collect();
    if people.is_empty() {
        return Ok(BTreeMap::new());
    }
    let marks = bot.device.marks(&people).await;
    unless_lost(ctx, &bot.device, marks.map_err(Stop::from)).await
}

/// The bot is about to tell a user something, and another device of ours learned that the user's
/// devices changed. The bot's own `/sync` may lag: it asks for the user's devices before it says
/// it.
pub(in crate::relay) async fn bot_asks_for(ctx: &Ctx, user: &str) -> Result<(), Stop> {
    let Ok(user) = OwnedUserId::try_from(user) else { return Ok(()) };
    let bot = loaded(ctx, ctx.homeserver.bot()).await?;
    let heard = bot.device.heard_of_changes(&[user]).await;
    unless_lost(ctx, &bot.device, heard.map_err(Stop::from)).await
}

/// First those that are not in memory: a device that is loaded meanwhile reads what is saved.
async fn tell_of_changes(ctx: &Ctx, changed: &[OwnedUserId]) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = changed.iter().map(ToString::to_string).collect();
    ctx.store.mark_users_dirty(&names).await?;
    for user in ctx.devices.users() {
        let Some(slot) = ctx.devices.slots().get(&user).cloned() else { continue };
        let loaded = slot.device.lock().await.clone();
        if let Some(LoadedDevice { device, .. }) = loaded
            && let Err(error) = device.heard_of_changes(changed).await
        {
            warn!(error = %error, "A device was not told whose devices changed; it is loaded again");
            *slot.device.lock().await = None;
        }
    }
    Ok(())
}
