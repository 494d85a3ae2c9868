//! Whether members are who they were: each identity is pinned when it is first seen, for the whole
//! gateway, and another one counts only when a person who knows has confirmed it.
//!
//! An attacker with a member's password can make another identity in the member's name, but cannot
//! make the pinned one.

use std::collections::BTreeMap;

use ruma::{RoomId, UserId};
use serde_json::Value;
use tracing::warn;

use super::{
    Ctx, Line,
    members::{self, PortalMember, asks_for_identities},
    stop::Stop,
};
use crate::{
    matrix::{Decrypted, OwnDevice},
    phrases::Phrase,
    store::{StoreError, StoredIdentity, ToldOf},
};

/// What becomes of an event after it was decrypted: an event of another identity is not believed.
pub(super) async fn judge(
    ctx: &Ctx,
    line: &Line,
    bot: &OwnDevice,
    room: &RoomId,
    event: &Value,
    decrypted: Decrypted,
) -> Result<Decrypted, Stop> {
    let sender = event.get("sender").and_then(Value::as_str).and_then(|id| UserId::parse(id).ok());
    let (true, Some(sender)) = (asks_for_identities(ctx, line), sender) else {
        return Ok(decrypted);
    };
    let said_by = match &decrypted {
        Decrypted::Event(_, place) => place.identity.clone(),
        // Perhaps its device is signed by the earlier identity.
        Decrypted::NotBelieved => None,
        Decrypted::KeyMissing | Decrypted::Broken | Decrypted::OtherIdentity => {
            return Ok(decrypted);
        }
    };
    let known = ctx.store.identity(sender.as_str()).await?;
    if let (Some(said_by), Some(known)) = (&said_by, &known)
        && *said_by == known.pinned
    {
        return Ok(decrypted);
    }
    let now = bot.identity_now(&sender).await?;
    if let Some(now) = &now {
        let seen = BTreeMap::from([(sender.clone(), now.clone())]);
        ctx.store.identities_seen(&seen, ctx.clock.now()).await?;
    }
    match ctx.store.identity(sender.as_str()).await? {
        // Seen for the first time.
        Some(StoredIdentity { pinned, .. }) if said_by.as_ref() == Some(&pinned) => Ok(decrypted),
        Some(StoredIdentity { pinned, seen }) if pinned != seen => {
            tell_of(ctx, line, room, &sender, &seen).await?;
            warn!("A room message does not leave: its sender has another identity than before");
            metrics::counter!("umstieg_identities_refused_total").increment(1);
            Ok(Decrypted::OtherIdentity)
        }
        Some(_) | None => Ok(Decrypted::NotBelieved),
    }
}

/// Tells a room which members have another identity, once for each.
pub(super) async fn tell_of_changed(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    members: &[PortalMember],
) -> Result<(), StoreError> {
    for member in members {
        if let Some(identity) = &member.known.identity
            && !member.is_ours
            && member.has_changed()
        {
            tell_of(ctx, line, room, &member.user, &identity.seen).await?;
        }
    }
    Ok(())
}

async fn tell_of(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    user: &UserId,
    identity: &str,
) -> Result<(), StoreError> {
    let Some(conversation) = ctx.store.conversation_of_room(room.as_str()).await? else {
        return Ok(());
    };
    let phrase = Phrase::IdentityChanged { user_id: user.to_string() };
    let about = ToldOf::Identity(identity);
    if members::tell(ctx, line, conversation, room, user, about, &phrase).await? {
        warn!(conversation.id = %conversation, "A member of a portal has another identity than before");
        metrics::counter!("umstieg_identities_changed_total").increment(1);
    }
    Ok(())
}

/// A speaker says that a member's new identity is right: the one this room was told of. Returns whose
/// it is and its key, or what to say instead.
pub(super) async fn asked_for(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    speaker: &UserId,
    person: Option<&str>,
) -> Result<Result<(String, String), Phrase>, StoreError> {
    let Some(user) = person.and_then(|person| members::parse(ctx, person)) else {
        return Ok(Err(Phrase::MemberUnclear));
    };
    let user_id = user.to_string();
    if !asks_for_identities(ctx, line) {
        return Ok(Err(Phrase::TrustNotAsked));
    }
    if user == speaker {
        return Ok(Err(Phrase::TrustNotYourself));
    }
    Ok(match ctx.store.told_identity(room.as_str(), user.as_str()).await? {
        Some(key) => Ok((user_id, key)),
        None => Err(Phrase::TrustNothing { user_id }),
    })
}
