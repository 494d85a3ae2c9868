//! The rooms that commands name, and links to rooms.

use ruma::RoomId;

use super::Request;
use crate::{
    model::{ConversationId, Correspondent, RoomLink},
    phrases::MovePhrase,
    relay::Ctx,
    store::StoreError,
};

/// Another portal with the same correspondent on the same channel.
pub(super) struct NamedRoom {
    pub(super) conversation: ConversationId,
    pub(super) link: RoomLink,
}

impl NamedRoom {
    /// The portal that a command names; of a conversation that goes on elsewhere, the portal there. Of rooms
    /// that are none of this channel, nothing is said: not even that they are there.
    pub(super) async fn find(
        request: &Request<'_>,
        room: Option<&str>,
    ) -> Result<Result<Self, MovePhrase>, StoreError> {
        let store = &request.ctx.store;
        let Some(room) = room.and_then(|room| RoomId::parse(room).ok()) else {
            return Ok(Err(MovePhrase::WhichRoom));
        };
        let Some(named) = store.conversation_of_room(room.as_str()).await? else {
            return Ok(Err(MovePhrase::WhichRoom));
        };
        let (named, own) =
            (store.conversation(named).await?, store.conversation(request.conversation).await?);
        let (Some(named), Some(own)) = (named, own) else { return Ok(Err(MovePhrase::WhichRoom)) };
        if named.channel != own.channel {
            return Ok(Err(MovePhrase::WhichRoom));
        }
        let conversation = named.joined_into.unwrap_or(named.id);
        if conversation == own.id {
            return Ok(Err(MovePhrase::SameRoom));
        }
        let kind = request.line.channel.kind();
        let is_somebody = Correspondent::from_key(kind, &own.correspondent)
            .is_ok_and(|correspondent| !correspondent.is_unknown());
        if named.correspondent != own.correspondent || !is_somebody {
            return Ok(Err(MovePhrase::OtherCorrespondent));
        }
        let link = link_to(request.ctx, conversation).await?;
        Ok(link.map(|link| Self { conversation, link }).ok_or(MovePhrase::WhichRoom))
    }
}

/// A link to the room that a conversation has now, if it has one.
pub(in crate::relay) async fn link_to(
    ctx: &Ctx,
    conversation: ConversationId,
) -> Result<Option<RoomLink>, StoreError> {
    let portal = ctx.store.portal(conversation).await?;
    let room = portal.and_then(|portal| portal.room_id);
    Ok(room
        .and_then(|room| RoomId::parse(room).ok())
        .map(|room| RoomLink::to(&room, ctx.homeserver.server_name())))
}
