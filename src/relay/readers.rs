//! Who can read what lies in a portal: a member who gets a first key is told what it missed, and
//! what nobody could read is said once more as soon as somebody can.

use std::collections::BTreeSet;

use ruma::{OwnedUserId, RoomId};
use tracing::info;

use super::{
    Ctx, Line, devices,
    members::{self, PortalMember},
    notices::notice,
    portals::OpenPortal,
    stop::Stop,
};
use crate::{
    model::ConversationId,
    phrases::Phrase,
    store::{Conversation, Job, StoreError},
};

/// Notes which users get a key for what is written in a portal, and tells those who get their first
/// key how many letters came before.
pub(super) async fn greet(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    known: &[PortalMember],
    readers: &BTreeSet<OwnedUserId>,
) -> Result<(), Stop> {
    let new: Vec<String> = known
        .iter()
        .filter(|member| !member.known.has_read && readers.contains(&member.user))
        .map(|member| member.user.to_string())
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let Some(conversation) = ctx.store.conversation_of_room(room.as_str()).await? else {
        return Ok(());
    };
    for (user, letters) in ctx.store.readers_came(room.as_str(), &new, ctx.clock.now()).await? {
        let letters = u64::try_from(letters).unwrap_or_default();
        if letters > 0 {
            devices::bot_asks_for(ctx, &user).await?;
            members::tell_missed(ctx, line, conversation, &user, letters).await?;
        }
    }
    // What nobody could read until now is looked after when this is said.
    if ctx.store.has_unshown(conversation).await? {
        ctx.store.wake(&Job::SendPosts(conversation), None).await?;
    }
    Ok(())
}

/// Notes, before a post leaves, that none of the humans who can read it has joined its portal: what
/// lies there is as good as lost, whoever else is there.
pub(super) async fn note_unheard(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    readers: &BTreeSet<OwnedUserId>,
    txn_id: &str,
) -> Result<(), StoreError> {
    let is_heard = async || {
        let members = members::readers(ctx, line, room).await?;
        Ok::<_, StoreError>(members::is_heard(&members, readers))
    };
    if is_heard().await? {
        return Ok(());
    }
    let now = ctx.clock.now();
    ctx.store.portal_is_deserted(room.as_str(), txn_id, now).await?;
    // A member who joined meanwhile saw no note of it.
    if is_heard().await? {
        ctx.store.portal_is_attended(room.as_str(), now).await?;
    }
    Ok(())
}

/// Notes, after a post was said in an unencrypted portal that nobody had joined, if somebody has joined
/// it by now: when they did, the post had not been said.
pub(super) async fn note_heard_meanwhile(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
) -> Result<(), StoreError> {
    if members::is_attended(&members::readers(ctx, line, room).await?) {
        ctx.store.portal_is_attended(room.as_str(), ctx.clock.now()).await?;
    }
    Ok(())
}

/// Says once more what nobody could read, if somebody can by now.
pub(super) async fn say_again(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    portal: &OpenPortal,
) -> Result<(), Stop> {
    let has_unshown = ctx.store.has_unshown(conversation.id).await?;
    let room = &portal.room.id;
    let is_deserted = ctx.store.is_deserted(room.as_str()).await?;
    let Some(rotation) = portal.room.rotation else {
        if (has_unshown || is_deserted) && portal.room.is_attended {
            ctx.store.portal_is_attended(room.as_str(), ctx.clock.now()).await?;
        }
        // What lies in an earlier room is not shown to those who come into this one.
        if ctx.store.has_unshown_before(conversation.id, portal.room.row).await? {
            repeat(ctx, line, conversation.id, Some(portal.room.row)).await?;
        }
        return Ok(());
    };
    let known = members::readers(ctx, line, room).await?;
    let has_new = known.iter().any(|member| !member.is_ours && !member.known.has_read);
    // An empty room is asked about when somebody has joined it: until then nothing can have changed.
    let may_be_heard = is_deserted && members::is_attended(&known);
    if !has_unshown && !has_new && !may_be_heard {
        return Ok(());
    }
    let could_read = devices::who_could_read(ctx, line, room, rotation, &portal.ghost).await?;
    if could_read.is_empty() {
        return Ok(());
    }
    if is_deserted && members::is_heard(&members::readers(ctx, line, room).await?, &could_read) {
        ctx.store.portal_is_attended(room.as_str(), ctx.clock.now()).await?;
    }
    if has_unshown {
        repeat(ctx, line, conversation.id, None).await?;
    }
    greet(ctx, line, room, &known, &could_read).await?;
    Ok(())
}

/// `before`: only what was said before the room of this portal was made.
async fn repeat(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    before: Option<i64>,
) -> Result<(), StoreError> {
    let notice = notice(line, &Phrase::LettersAgain);
    let repeated = ctx.store.repeat_unshown(conversation, before, &notice).await?;
    if repeated > 0 {
        metrics::counter!("umstieg_posts_said_again_total").increment(repeated);
        info!(conversation.id = %conversation, "Repeating {repeated} posts that nobody could read");
    }
    Ok(())
}
