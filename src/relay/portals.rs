//! The room of a conversation: opened once, kept open, followed, and replaced when it is gone.

use std::time::Duration;

use ruma::{OwnedRoomId, OwnedUserId};
use sha2::{Digest as _, Sha256};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{
    Ctx, Line, damage,
    devices::{self, Saying},
    fax_names, members,
    notices::notice,
    stop::Stop,
    stored_mail,
};
use crate::{
    matrix::{
        CreateError, ErrorKind, Invited, MatrixError, PortalPlan, Rotation, Voice, encryption,
    },
    model::{
        ChannelKind, ConversationId, Correspondent, GhostName, Letter, Membership, Notice, Speaker,
    },
    phrases::{Phrase, Phrases},
    rules::{names, posts},
    store::{Conversation, Damaged, Portal, PortalState, StoreError},
};

/// How long the bot waits to be invited into the successor of an upgraded room. Clients invite
/// everybody at once, a person takes minutes by hand; then letters must not wait any longer.
const INVITED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// How far back a room is compared when nothing known is found in it.
const COMPARED_PAGES_MAX: usize = 100;

/// A room of ours that can be posted to.
#[derive(Debug, Clone)]
pub(super) struct OpenRoom {
    pub(super) row: i64,
    pub(super) id: OwnedRoomId,
    /// How it is encrypted; `None` where it is not.
    pub(super) rotation: Option<Rotation>,
    /// Whether a human who reads has joined.
    pub(super) is_attended: bool,
}

/// The open room of a conversation, with the ghost that stands for its correspondent there.
#[derive(Debug, Clone)]
pub(super) struct OpenPortal {
    pub(super) room: OpenRoom,
    pub(super) ghost: OwnedUserId,
}

/// The portal of a conversation, opened if need be: ghost registered, room made, ghost joined, team
/// invited. Asks the homeserver nothing when all of that is known to be done.
pub(super) async fn open(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
) -> Result<OpenPortal, Stop> {
    let portal = match ctx.store.portal(conversation.id).await {
        Ok(Some(portal)) => portal,
        Err(StoreError::Damaged(damaged)) => return Err(give_up(ctx, damaged).await?),
        Err(error) => return Err(error.into()),
        Ok(None) => {
            let token = alias_token(ctx, conversation).await?;
            ctx.store.add_portal(conversation.id, token, ctx.clock.now()).await?
        }
    };
    let correspondent = Correspondent::from_key(line.channel.kind(), &conversation.correspondent)
        .map_err(|_| Stop::Lost("correspondent"))?;
    let name = GhostName::of(&correspondent, ctx.homeserver.room_for_ghost_name())
        .map_err(|_| Stop::Lost("address_too_long"))?;
    let ghost = ctx.homeserver.ghost_user_id(&name)?;
    let (room_id, is_new) = match (&portal.room_id, portal.state) {
        (Some(room_id), _) if portal.upgraded_at.is_some() => {
            return Err(follow(ctx, line, &portal, &parse_room(room_id)?, &ghost).await?);
        }
        (Some(room_id), PortalState::Open) => (parse_room(room_id)?, false),
        _ => establish(ctx, line, conversation, &portal, &correspondent, &name).await?,
    };
    if portal.to_compare {
        match compare(ctx, &portal, &room_id).await {
            // A bot that may not read there may not speak there either: speaking will show what is
            // wrong with the room.
            Err(Stop::Matrix(error)) if is_no(&error) => {
                ctx.store.portal_is_compared(portal.id).await?;
            }
            compared => compared?,
        }
        return Err(Stop::PostsFound);
    }
    let rotation = if is_new {
        // As requested a moment ago.
        ctx.devices.is_required().then(|| Rotation::of(&encryption()))
    } else {
        rotation(ctx, line, &portal, &room_id).await?
    };
    let is_attended = members::put_right(ctx, line, &portal, &room_id).await?;
    if portal.state == PortalState::Opening {
        // Only now: members do not see what was said before they were invited.
        if portal.continues {
            let txn_id = format!("o{}", portal.alias_token.simple());
            say(ctx, line, &room_id, rotation, &Phrase::ContinuesOlderRoom, &txn_id).await?;
        }
        ctx.store.portal_is_open(portal.id).await?;
        ctx.books.room_was_opened(&line.channel.name);
    }
    let room = OpenRoom { row: portal.id, id: room_id, rotation, is_attended };
    Ok(OpenPortal { room, ghost })
}

/// What is known of a room cannot be read: the conversation goes on in another room, which says so.
async fn give_up(ctx: &Ctx, damaged: Damaged) -> Result<Stop, StoreError> {
    let Some(row) = damaged.row_of("rooms") else { return Err(damaged.into()) };
    damage::tell(&damaged);
    ctx.store.portal_is_gone(row).await?;
    Ok(Stop::PortalGone)
}

/// What makes the alias of a conversation's next room its own: always the same for the same first
/// letter from the same correspondent. So a database that was restored from an older copy finds the
/// room again that it made after that copy, when the letter comes once more.
async fn alias_token(ctx: &Ctx, conversation: &Conversation) -> Result<Uuid, StoreError> {
    let Some(beginning) = ctx.store.beginning(conversation.id).await? else {
        return Ok(ctx.rng.uuid());
    };
    let channel = ctx.store.made_with(&conversation.channel).await?;
    let parts = [&channel, &conversation.correspondent, &beginning.mail_key];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    // A mailbox may use a key again for another mail, and that must not lead back into this room.
    hash.update(beginning.content.unwrap_or_default());
    hash.update(beginning.rooms.to_be_bytes());
    // The room that it began before has the alias without this.
    if beginning.moves > 0 {
        hash.update(beginning.moves.to_be_bytes());
    }
    let bytes = hash.finalize().first_chunk().copied().unwrap_or_default();
    Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Finds out which of our posts are in a room, newest first, back to what is known.
async fn compare(ctx: &Ctx, portal: &Portal, room_id: &OwnedRoomId) -> Result<(), Stop> {
    let mut from = None;
    for _ in 0..COMPARED_PAGES_MAX {
        let page = ctx
            .homeserver
            .own_posts(room_id, from.as_deref(), posts::POST_MARK, posts::READ_MARK)
            .await?;
        ctx.store.posts_are_shown(&page.marked).await?;
        let is_known = ctx.store.posts_found(&page.posts, ctx.clock.now()).await?;
        from = page.end;
        if is_known || from.is_none() {
            break;
        }
    }
    ctx.store.portal_is_compared(portal.id).await?;
    info!(portal.id = portal.id, "Compared the posts in a room with those that are known");
    Ok(())
}

/// Whether a post is in its room in a form that a member could read. It was tried when nobody could,
/// and the homeserver may have taken that attempt for it.
pub(super) async fn stands_readable(
    ctx: &Ctx,
    room_id: &OwnedRoomId,
    txn_id: &str,
) -> Result<bool, Stop> {
    let (mark, another) = (posts::POST_MARK, posts::READ_MARK);
    let page = ctx.homeserver.own_posts(room_id, None, mark, another).await?;
    Ok(page.marked.iter().any(|marked| marked == txn_id))
}

/// How the room is encrypted. An unencrypted room is encrypted now; where that is not allowed,
/// nothing of a letter goes there, and the conversation goes on in another room.
async fn rotation(
    ctx: &Ctx,
    line: &Line,
    portal: &Portal,
    room_id: &OwnedRoomId,
) -> Result<Option<Rotation>, Stop> {
    if let Some(encryption) = &portal.encryption {
        return Ok(Some(Rotation::of(encryption)));
    }
    // If it had been encrypted meanwhile, its own event would have told.
    if !ctx.devices.is_required() && portal.state == PortalState::Open {
        return Ok(None);
    }
    let found = ctx.homeserver.state(room_id, "m.room.encryption", "").await;
    let found = match found {
        // Its members tell whether the room itself is the problem.
        Err(error) if is_no(&error) => return Ok(None),
        found => found?,
    };
    if let Some(found) = found {
        ctx.store.portal_is_encrypted(portal.id, &found).await?;
        return Ok(Some(Rotation::of(&found)));
    }
    if !ctx.devices.is_required() {
        return Ok(None);
    }
    match ctx.homeserver.encrypt_room(room_id).await {
        Ok(()) => {
            ctx.store.portal_is_encrypted(portal.id, &encryption()).await?;
            Ok(Some(Rotation::of(&encryption())))
        }
        Err(error) if is_no(&error) => {
            warn!(portal.id = portal.id, "A room is not encrypted and cannot be; it is given up");
            refuse(ctx, line, portal, room_id).await?;
            ctx.store.portal_is_gone(portal.id).await?;
            Err(Stop::PortalGone)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says in an unencrypted room that nothing comes there any more: a sentence of ours, with nothing
/// of a letter.
async fn refuse(
    ctx: &Ctx,
    line: &Line,
    portal: &Portal,
    room_id: &OwnedRoomId,
) -> Result<(), Stop> {
    let Notice { content, .. } = notice(line, &Phrase::RoomNotEncrypted);
    let bot = ctx.homeserver.bot();
    let device = devices::device_id(ctx, bot).await?;
    let voice = Voice { user: bot, device: &device };
    let txn_id = format!("x{}", portal.alias_token.simple());
    match ctx.homeserver.send(voice, room_id, posts::WORDS_TYPE, &content, &txn_id).await {
        Ok(_) => Ok(()),
        Err(error) if is_no(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes the room of a portal, or goes on with one that was made before. Returns whether it was
/// made now.
async fn establish(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    portal: &Portal,
    correspondent: &Correspondent,
    name: &GhostName,
) -> Result<(OwnedRoomId, bool), Stop> {
    let homeserver = &ctx.homeserver;
    let ghost = homeserver.ghost_user_id(name)?;
    if !ctx.store.ghost_is_ready(name).await? {
        homeserver.register(ghost.localpart()).await?;
        ctx.store.ghost_became_ready(name, ctx.clock.now()).await?;
    }
    // Before anybody is in a room with the ghost: a client that asks for its keys while they are
    // being made hides its first post for good.
    devices::device_id(ctx, &ghost).await?;
    let room_id = match &portal.room_id {
        Some(room_id) => {
            // Made before a crash, or the successor of an upgraded room.
            let room_id = parse_room(room_id)?;
            match homeserver.join(homeserver.bot(), &room_id, &[]).await {
                Ok(()) => {}
                Err(error) if is_no(&error) => {
                    ctx.store.portal_is_gone(portal.id).await?;
                    return Err(Stop::PortalGone);
                }
                Err(error) => return Err(error.into()),
            }
            room_id
        }
        None => {
            let room_id = create(ctx, line, conversation, portal, &ghost).await?;
            info!(conversation.id = %conversation.id, "Opened a portal for conversation {}", conversation.id);
            metrics::counter!("umstieg_portals_opened_total").increment(1);
            room_id
        }
    };
    let display_name = display_name(ctx, line, conversation, correspondent).await?;
    match bring_in(ctx, &ghost, &room_id, &display_name).await {
        // The successor of an upgraded room may not give us the power to invite anybody.
        Err(Stop::Lost(_)) if portal.room_id.is_some() => {
            ctx.store.portal_is_gone(portal.id).await?;
            return Err(Stop::PortalGone);
        }
        brought => brought?,
    }
    if correspondent.kind() == ChannelKind::Fax {
        ctx.store.ghost_is_named(portal.id, &display_name).await?;
    }
    Ok((room_id, portal.room_id.is_none()))
}

/// Goes from an upgraded room into its successor (TIM-4). Says why the flow cannot go on in the old
/// room: the portal has another room now, or none, or it waits to be invited.
///
/// A user who may write the tombstone may name any room there, including another portal. Only a
/// room that itself names ours as its predecessor is a successor; the right to say so is then
/// checked twice, by either room's own rules.
async fn follow(
    ctx: &Ctx,
    line: &Line,
    portal: &Portal,
    room_id: &OwnedRoomId,
    ghost: &OwnedUserId,
) -> Result<Stop, Stop> {
    let homeserver = &ctx.homeserver;
    let now = ctx.clock.now();
    match successor(ctx, room_id).await {
        Ok(Some(replacement)) => {
            // The bot, which may still speak there, says it; nothing depends on it.
            let txn_id = format!("u{}", portal.alias_token.simple());
            let rotation = portal.encryption.as_ref().map(Rotation::of);
            let said = say(ctx, line, room_id, rotation, &Phrase::RoomUpgraded, &txn_id).await;
            if let Err(Stop::Matrix(error)) = said {
                debug!(error = %error, "The old room could not be told that it was replaced");
            }
            let name = room_name(ctx, line, portal.conversation).await?;
            let plan = plan(ctx, line, portal, &name, ghost);
            match homeserver.mark_portal(&replacement, &plan).await {
                Ok(()) => {}
                // Without the marks the room is less comfortable, but still the right one.
                Err(error) if is_no(&error) => info!("A followed portal could not be marked"),
                Err(error) => return Err(error.into()),
            }
            ctx.store.portal_moved(portal.id, replacement.as_str(), ctx.rng.uuid(), now).await?;
            info!(portal.id = portal.id, "Followed an upgraded portal into its new room");
            return Ok(Stop::PortalGone);
        }
        Ok(None) => {
            warn!(portal.id = portal.id, "A portal names a room as its successor that is not one");
        }
        Err(Stop::Matrix(error)) if is_no(&error) => {
            // The user who upgrades a room invites its members after that.
            let is_early = portal
                .upgraded_at
                .is_some_and(|since| (now - since).unsigned_abs() < INVITED_WITHIN);
            if is_early && homeserver.membership(room_id, homeserver.bot()).await.is_ok() {
                return Ok(Stop::NotYet("upgrade"));
            }
            info!(portal.id = portal.id, "The new room of an upgraded portal is closed to us");
        }
        Err(stop) => return Err(stop),
    }
    ctx.store.portal_is_gone(portal.id).await?;
    Ok(Stop::PortalGone)
}

/// The room in which an upgraded room goes on, entered; `None` when the room it names is not its
/// successor.
async fn successor(ctx: &Ctx, room_id: &OwnedRoomId) -> Result<Option<OwnedRoomId>, Stop> {
    let homeserver = &ctx.homeserver;
    let Some(replacement) = homeserver.replacement_of(room_id).await? else { return Ok(None) };
    // A room that is a portal already belongs to another conversation.
    if ctx.store.conversation_of_room(replacement.as_str()).await?.is_some() {
        return Ok(None);
    }
    homeserver.join(homeserver.bot(), &replacement, &[]).await?;
    if homeserver.predecessor_of(&replacement).await?.as_ref() == Some(room_id) {
        return Ok(Some(replacement));
    }
    homeserver.leave(homeserver.bot(), &replacement).await?;
    Ok(None)
}

/// Says a sentence of the gateway in a room that is being opened or closed.
async fn say(
    ctx: &Ctx,
    line: &Line,
    room_id: &OwnedRoomId,
    rotation: Option<Rotation>,
    phrase: &Phrase,
    txn_id: &str,
) -> Result<(), Stop> {
    let Notice { substance, content } = notice(line, phrase);
    let speaker = ctx.homeserver.bot();
    let event_type = posts::WORDS_TYPE;
    let saying = Saying { speaker, substance, event_type, content: &content, txn_id };
    devices::say(ctx, line, room_id, rotation, saying).await.map(|_| ())
}

fn plan<'a>(
    ctx: &Ctx,
    line: &Line,
    portal: &Portal,
    name: &'a str,
    ghost: &'a OwnedUserId,
) -> PortalPlan<'a> {
    PortalPlan {
        kind: line.channel.kind(),
        alias_token: portal.alias_token,
        name,
        ghost,
        encrypted: ctx.devices.is_required(),
    }
}

async fn create(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    portal: &Portal,
    ghost: &OwnedUserId,
) -> Result<OwnedRoomId, Stop> {
    let name = room_name(ctx, line, conversation.id).await?;
    let plan = plan(ctx, line, portal, &name, ghost);
    let mut created = ctx.homeserver.create_portal(&plan).await;
    if let Err(CreateError::Failed(error)) = &created
        && is_no(error)
        && ctx.homeserver.let_bot_invite(ghost).await?
    {
        // The room may have been made before its invitation was refused: then its alias is taken.
        created = ctx.homeserver.create_portal(&plan).await;
    }
    match created {
        Ok(room_id) => {
            let encryption = plan.encrypted.then(encryption);
            ctx.store.portal_has_room(portal.id, room_id.as_str(), encryption.as_ref()).await?;
            Ok(room_id)
        }
        // A crash fell between createRoom and our note of it, or the database that knew of the room
        // was replaced by an older copy.
        Err(CreateError::AliasTaken) => {
            let found = ctx.homeserver.resolve_alias(portal.alias_token).await?;
            let Some(room_id) = found else {
                ctx.store.portal_is_gone(portal.id).await?;
                return Err(Stop::PortalGone);
            };
            if ctx.homeserver.portal_is_ours(&room_id, plan.kind, portal.alias_token).await? {
                ctx.store.portal_has_found_room(portal.id, room_id.as_str()).await?;
                Err(Stop::PostsFound)
            } else {
                // Half a room, or a stranger's: the next try takes another token.
                ctx.store.portal_is_gone(portal.id).await?;
                Err(Stop::PortalGone)
            }
        }
        Err(CreateError::Failed(error)) => Err(error.into()),
    }
}

/// A neutral name (TIM-29).
async fn room_name(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
) -> Result<String, StoreError> {
    let label = line.channel.label.clone();
    let name = match ctx.store.is_tray(conversation).await? {
        true => Phrase::TrayName { label },
        false => {
            let number = u64::try_from(conversation.0).unwrap_or_default();
            Phrase::RoomName { label, number }
        }
    };
    Ok(Phrases::say(line.channel.language, &name))
}

/// Joins the ghost under its name; invites it first where it is not invited (any more).
async fn bring_in(
    ctx: &Ctx,
    ghost: &OwnedUserId,
    room_id: &OwnedRoomId,
    display_name: &str,
) -> Result<(), Stop> {
    let joined = ctx.homeserver.join_with_name(ghost, room_id, display_name).await;
    match joined {
        Ok(_) => return Ok(()),
        Err(error) if is_no(&error) => {}
        Err(error) => return Err(error.into()),
    }
    let mut invited = ctx.homeserver.invite(ghost, room_id).await?;
    if invited == Invited::Refused && ctx.homeserver.let_bot_invite(ghost).await? {
        invited = ctx.homeserver.invite(ghost, room_id).await?;
    }
    match invited {
        Invited::Done => {
            ctx.homeserver.join_with_name(ghost, room_id, display_name).await?;
            Ok(())
        }
        Invited::Refused => Err(Stop::Lost("ghost_refused")),
    }
}

/// What the room shows as the correspondent's name: the name in the newest letter, always with the
/// address behind it, because anybody may write any name into a mail.
async fn display_name(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    correspondent: &Correspondent,
) -> Result<String, StoreError> {
    let phrase = match correspondent {
        Correspondent::Mail(address) => {
            let newest = stored_mail::newest(ctx, conversation.id).await?;
            let name = match newest.as_ref().and_then(sender_name) {
                Some(name) => format!("{name} · {}", address.as_str()),
                None => address.as_str().to_owned(),
            };
            Phrase::GhostKim { name }
        }
        Correspondent::Fax(_) | Correspondent::ClaimedFax(_) | Correspondent::UnknownFax => {
            let team_name = ctx.store.team_name(conversation.id).await?;
            let name = fax_names::name_of(ctx, line, correspondent, team_name.as_deref());
            return Ok(fax_names::ghost_name(line, correspondent, name.as_deref()));
        }
        Correspondent::UnknownSender => Phrase::GhostUnknownKim,
    };
    Ok(Phrases::say(line.channel.language, &phrase))
}

fn sender_name(letter: &Letter) -> Option<String> {
    names::shown(letter.from.first()?.name.as_deref()?)
}

/// A post was refused because of its speaker's place in the room. A removed ghost is brought back;
/// if that was not the reason, or the bot is out too, the room is gone.
pub(super) async fn came_undone(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    portal: &OpenPortal,
    speaker: Speaker,
    refusal: &MatrixError,
) -> Result<(), Stop> {
    let user = match speaker {
        Speaker::Ghost => portal.ghost.as_ref(),
        Speaker::Bot => ctx.homeserver.bot(),
    };
    // After a homeserver was restored, it is the device that is missing.
    if refusal.errcode() == Some("M_UNKNOWN_DEVICE") {
        return devices::renew(ctx, user).await;
    }
    match ctx.homeserver.replacement_of(&portal.room.id).await {
        // Nobody may speak in an upgraded room; its tombstone may not have come yet.
        Ok(Some(_)) => {
            let room = portal.room.id.as_str();
            return Ok(ctx.store.portal_upgraded(room, ctx.clock.now()).await?);
        }
        Ok(None) => {}
        Err(error) if is_no(&error) => {}
        Err(error) => return Err(error.into()),
    }
    if speaker == Speaker::Ghost && is_away(ctx, portal).await? {
        let correspondent =
            Correspondent::from_key(line.channel.kind(), &conversation.correspondent)
                .map_err(|_| Stop::Lost("correspondent"))?;
        let name = display_name(ctx, line, conversation, &correspondent).await?;
        match bring_in(ctx, &portal.ghost, &portal.room.id, &name).await {
            Ok(()) if correspondent.kind() == ChannelKind::Fax => {
                return Ok(ctx.store.ghost_is_named(portal.room.row, &name).await?);
            }
            Ok(()) => return Ok(()),
            Err(Stop::Lost(_)) => {}
            Err(Stop::Matrix(error)) if is_no(&error) => {}
            Err(stop) => return Err(stop),
        }
    }
    info!(
        portal.id = portal.room.row,
        "A portal is gone; its conversation goes on in another room"
    );
    ctx.store.portal_is_gone(portal.room.row).await?;
    Ok(())
}

/// Whether the ghost is out of its room. A ghost that is in it and may not speak was silenced.
async fn is_away(ctx: &Ctx, portal: &OpenPortal) -> Result<bool, Stop> {
    match ctx.homeserver.membership(&portal.room.id, &portal.ghost).await {
        Ok(membership) => Ok(membership != Some(Membership::Join)),
        Err(error) if is_no(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// A refusal that is final.
fn is_no(error: &MatrixError) -> bool {
    matches!(error.kind(), ErrorKind::Gone | ErrorKind::Never)
}

fn parse_room(room_id: &str) -> Result<OwnedRoomId, Stop> {
    OwnedRoomId::try_from(room_id).map_err(|_| Stop::Lost("room_id"))
}
