//! Portals: opening them, who is in them, and saying something there.

use ruma::{
    DeviceId, OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, OwnedTransactionId,
    RoomAliasId, RoomId, RoomVersionId, UserId,
    events::{MessageLikeEventType, StateEventType},
    serde::Raw,
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};
use uuid::Uuid;

use super::{
    Endpoint, ErrorKind, Homeserver, MatrixError, client::As, decode, error::Cause,
    ghosts::is_not_allowed,
};
use crate::model::{ChannelKind, Member, Membership, RoomEvent};

/// The type of a standard TI-Messenger room (A_25814-01). `…default.v2` must not be created.
const ROOM_TYPE: &str = "de.gematik.tim.roomtype.default.v1";

/// The room version TI-Messenger creates (ch. 5.4): 11 must not be created, and is Synapse's
/// default or below it.
const ROOM_VERSION: RoomVersionId = RoomVersionId::V10;

/// The bot may do everything; nobody else may do what only moderators do.
const POWER_OF_BOT: u32 = 100;
const POWER_OF_MODERATORS: u32 = 50;

/// What a portal is opened with. Everybody's homeserver sees all of it, because state cannot be
/// encrypted: so nothing in it may name a person or a matter (TIM-29).
#[derive(Debug, Clone)]
pub struct PortalPlan<'a> {
    pub kind: ChannelKind,
    /// Identifies the room for us in any case: makes [`Homeserver::create_portal`] repeatable.
    pub alias_token: Uuid,
    /// A neutral name, such as `KIM 4711`.
    pub name: &'a str,
    /// The correspondent's ghost, the only one invited at once (TIM-3).
    pub ghost: &'a UserId,
    /// Whether it is encrypted. An unencrypted room stays on its own homeserver: other servers
    /// would read what is said there.
    pub encrypted: bool,
}

/// A portal was not opened.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// An earlier attempt got this far: see [`Homeserver::resolve_alias`] and
    /// [`Homeserver::portal_is_ours`], and complete what may be missing (the invite comes last).
    #[error("a room with the portal's alias is there already")]
    AliasTaken,
    #[error(transparent)]
    Failed(#[from] MatrixError),
}

/// The speaker, and the device it speaks from.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    pub user: &'a UserId,
    pub device: &'a DeviceId,
}

/// The outcome of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invited {
    /// Invited now, or invited or present before.
    Done,
    /// The user, its homeserver or the federation does not allow it: final, and a person has to
    /// solve it (TIM-7).
    Refused,
}

impl Homeserver {
    /// The alias of the portal with this token: our prefix and a number without a meaning.
    pub fn portal_alias(&self, alias_token: Uuid) -> Result<OwnedRoomAliasId, MatrixError> {
        let alias = format!("#{}:{}", self.portal_alias_localpart(alias_token), self.server_name());
        RoomAliasId::parse(alias).map_err(|_| MatrixError::new(Endpoint::Alias, Cause::Unsendable))
    }

    /// Opens a portal in one request, as the bot, and invites the ghost. The other members are
    /// invited afterwards: a TI-Messenger server refuses more than one here (TIM-3).
    pub async fn create_portal(&self, plan: &PortalPlan<'_>) -> Result<OwnedRoomId, CreateError> {
        use ruma::api::client::room::create_room::v3;
        let mut request = v3::Request::new();
        let creation = if plan.encrypted {
            json!({ "type": ROOM_TYPE })
        } else {
            json!({ "type": ROOM_TYPE, "m.federate": false })
        };
        request.creation_content = Some(raw(Endpoint::CreateRoom, &creation)?);
        request.room_version = Some(ROOM_VERSION);
        request.preset = Some(v3::RoomPreset::PrivateChat);
        request.room_alias_name = Some(self.portal_alias_localpart(plan.alias_token));
        request.power_level_content_override =
            Some(raw(Endpoint::CreateRoom, &power_levels(self.bot()))?);
        request.initial_state = initial_state(plan, self.bot())
            .iter()
            .map(|event| raw(Endpoint::CreateRoom, event))
            .collect::<Result<_, _>>()?;
        request.invite = vec![plan.ghost.to_owned()];
        match self.ask(Endpoint::CreateRoom, As::User(self.bot()), request).await {
            Ok(answer) => Ok(answer.room_id),
            Err(error) if error.errcode() == Some("M_ROOM_IN_USE") => Err(CreateError::AliasTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// The room that has the alias of this token, if any.
    pub async fn resolve_alias(
        &self,
        alias_token: Uuid,
    ) -> Result<Option<OwnedRoomId>, MatrixError> {
        use ruma::api::client::alias::get_alias::v3;
        let request = v3::Request::new(self.portal_alias(alias_token)?);
        match self.ask(Endpoint::Alias, As::User(self.bot()), request).await {
            Ok(answer) => Ok(Some(answer.room_id)),
            Err(error) if error.errcode() == Some("M_NOT_FOUND") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this room is the one that was to be opened with this token: the bot created it, is
    /// in it, marked it with the token, and it was not replaced by another.
    ///
    /// Only then may it be adopted. A stranger's room under our alias, or a room whose creation
    /// broke off half-way, is `false`: the portal is then opened under another token.
    pub async fn portal_is_ours(
        &self,
        room: &RoomId,
        kind: ChannelKind,
        alias_token: Uuid,
    ) -> Result<bool, MatrixError> {
        use ruma::api::client::state::get_state_events::v3;
        let request = v3::Request::new(room.to_owned());
        let answer: Result<Vec<Value>, _> =
            self.ask_leniently(Endpoint::ReadState, As::User(self.bot()), request).await;
        let state = match answer {
            Ok(state) => state,
            Err(error) if error.kind() == ErrorKind::Gone => return Ok(false),
            Err(error) => return Err(error),
        };
        let token = alias_token.simple().to_string();
        let is_created_by_us = state.iter().any(|event| {
            text(event, "/type") == Some("m.room.create")
                && text(event, "/sender") == Some(self.bot().as_str())
        });
        let is_marked = state.iter().any(|event| {
            text(event, "/type") == Some("m.bridge")
                && text(event, "/sender") == Some(self.bot().as_str())
                && text(event, "/content/protocol/id") == Some(kind.word())
                && text(event, "/content/channel/id") == Some(&token)
        });
        // A user who left a room may still read what its state was then.
        let is_present = state.iter().any(|event| {
            text(event, "/type") == Some("m.room.member")
                && text(event, "/state_key") == Some(self.bot().as_str())
                && text(event, "/content/membership") == Some(Membership::Join.word())
        });
        let is_replaced =
            state.iter().any(|event| text(event, "/type") == Some("m.room.tombstone"));
        Ok(is_created_by_us && is_marked && is_present && !is_replaced)
    }

    /// Joins one of our users to a room it is invited to, under a name for this room only.
    ///
    /// Writing one's own membership joins and names in one request, and works where users must not
    /// change their profile (TIM-16). `false`: joined, but not under that name, because the
    /// homeserver refused the name.
    pub async fn join_with_name(
        &self,
        user: &UserId,
        room: &RoomId,
        displayname: &str,
    ) -> Result<bool, MatrixError> {
        match self.name_in_room(user, room, displayname).await {
            Ok(()) => Ok(true),
            Err(error) if is_not_allowed(&error) => {
                self.join(user, room, &[]).await.map(|()| false)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives one of our users another name in a room that it is in.
    pub async fn name_in_room(
        &self,
        user: &UserId,
        room: &RoomId,
        displayname: &str,
    ) -> Result<(), MatrixError> {
        use ruma::api::client::state::send_state_event::v3;
        let content = json!({ "membership": "join", "displayname": displayname });
        let request = v3::Request::new_raw(
            room.to_owned(),
            StateEventType::RoomMember,
            user.as_str().to_owned(),
            raw(Endpoint::WriteState, &content)?,
        );
        self.ask(Endpoint::WriteState, As::User(user), request).await.map(|_| ())
    }

    /// Joins one of our users to a room. A user who is there already is fine, but loses the name it
    /// was given by [`Homeserver::join_with_name`]. `via` are servers to ask for a room that our
    /// server does not know yet, such as the replacement of an upgraded one (TIM-4).
    pub async fn join(
        &self,
        user: &UserId,
        room: &RoomId,
        via: &[OwnedServerName],
    ) -> Result<(), MatrixError> {
        use ruma::api::client::membership::join_room_by_id_or_alias::v3;
        let mut request = v3::Request::new(room.to_owned().into());
        request.via = via.to_vec();
        self.ask(Endpoint::Join, As::User(user), request).await.map(|_| ())
    }

    /// Invites a user as the bot. A user who is invited or present already is fine; two more
    /// requests tell a refusal from the bot's own absence ([`ErrorKind::Gone`]).
    pub async fn invite(&self, user: &UserId, room: &RoomId) -> Result<Invited, MatrixError> {
        use ruma::api::client::membership::invite_user::v3;
        let recipient = v3::InvitationRecipient::UserId(v3::InviteUserId::new(user.to_owned()));
        let request = v3::Request::new(room.to_owned(), recipient);
        let error = match self.ask(Endpoint::Invite, As::User(self.bot()), request).await {
            Ok(_) => return Ok(Invited::Done),
            Err(error) if is_not_allowed(&error) || error.kind() == ErrorKind::Gone => error,
            Err(error) => return Err(error),
        };
        // A user who left a room may still read what its state was then, so the bot checks its own
        // membership first.
        if self.membership(room, self.bot()).await? != Some(Membership::Join) {
            return Err(error);
        }
        match self.membership(room, user).await? {
            Some(Membership::Join | Membership::Invite) => Ok(Invited::Done),
            _ if error.status() == Some(403) => Ok(Invited::Refused),
            _ => Err(error),
        }
    }

    /// Removes a user from a room, as the bot; a user who is not there is fine. `false`: the bot does
    /// not have the power. One more request tells that from its own absence ([`ErrorKind::Gone`]).
    pub async fn remove(&self, user: &UserId, room: &RoomId) -> Result<bool, MatrixError> {
        use ruma::api::client::membership::kick_user::v3;
        let request = v3::Request::new(room.to_owned(), user.to_owned());
        let error = match self.ask(Endpoint::Kick, As::User(self.bot()), request).await {
            Ok(_) => return Ok(true),
            Err(error) if is_not_allowed(&error) || error.kind() == ErrorKind::Gone => error,
            Err(error) => return Err(error),
        };
        if self.membership(room, self.bot()).await? != Some(Membership::Join) {
            return Err(error);
        }
        let membership = self.membership(room, user).await?;
        Ok(!matches!(membership, Some(Membership::Join | Membership::Invite)))
    }

    /// A user's membership in a room, as the bot sees it: as it is, or as it was when the bot left.
    pub async fn membership(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<Membership>, MatrixError> {
        let member = self.state(room, "m.room.member", user.as_str()).await?;
        let word = member.as_ref().and_then(|content| text(content, "/membership"));
        Ok(word.and_then(Membership::from_word))
    }

    /// Has one of our users leave a room. A user who is not there, or a room that is gone, is fine.
    pub async fn leave(&self, user: &UserId, room: &RoomId) -> Result<(), MatrixError> {
        use ruma::api::client::membership::leave_room::v3;
        let request = v3::Request::new(room.to_owned());
        match self.ask(Endpoint::Leave, As::User(user), request).await {
            Err(error) if error.kind() == ErrorKind::Gone => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Who is in the room or invited, as the bot sees it. Unreadable entries are left out.
    pub async fn joined_and_invited_members(
        &self,
        room: &RoomId,
    ) -> Result<Vec<Member>, MatrixError> {
        use ruma::api::client::membership::get_member_events::v3;
        #[derive(Deserialize)]
        struct MembersAnswer {
            chunk: Vec<Value>,
        }
        let mut request = v3::Request::new(room.to_owned());
        request.not_membership = Some("leave".into());
        let answer: MembersAnswer =
            self.ask_leniently(Endpoint::Members, As::User(self.bot()), request).await?;
        let members = answer.chunk.iter().filter_map(|event| match decode(event) {
            RoomEvent::Member(member) => Some(member),
            _ => None,
        });
        let is_there =
            |member: &Member| matches!(member.membership, Membership::Join | Membership::Invite);
        Ok(members.filter(is_there).collect())
    }

    /// The content of one piece of a room's state, as the bot sees it: as it is, or as it was when
    /// the bot left. A room the bot never was in is [`ErrorKind::Gone`].
    pub async fn state(
        &self,
        room: &RoomId,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<Value>, MatrixError> {
        use ruma::api::client::state::get_state_event_for_key::v3;
        let event_type = StateEventType::from(event_type);
        let request = v3::Request::new(room.to_owned(), event_type, state_key.to_owned());
        match self.ask_leniently(Endpoint::ReadState, As::User(self.bot()), request).await {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.errcode() == Some("M_NOT_FOUND") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where an upgraded room goes on, if it does (TIM-4).
    pub async fn replacement_of(&self, room: &RoomId) -> Result<Option<OwnedRoomId>, MatrixError> {
        let tombstone = self.state(room, "m.room.tombstone", "").await?;
        Ok(tombstone
            .as_ref()
            .and_then(|content| text(content, "/replacement_room"))
            .and_then(|room| RoomId::parse(room).ok()))
    }

    /// The room that this one claims to replace. Its creator says so, so a link is two matching
    /// claims: this one, and the older room's [`Homeserver::replacement_of`].
    pub async fn predecessor_of(&self, room: &RoomId) -> Result<Option<OwnedRoomId>, MatrixError> {
        let create = self.state(room, "m.room.create", "").await?;
        Ok(create
            .as_ref()
            .and_then(|content| text(content, "/predecessor/room_id"))
            .and_then(|room| RoomId::parse(room).ok()))
    }

    /// Marks a room that came by an upgrade as a portal: homeservers copy neither the marks of
    /// bridges nor gematik's name into the new room (TIM-2).
    pub async fn mark_portal(
        &self,
        room: &RoomId,
        plan: &PortalPlan<'_>,
    ) -> Result<(), MatrixError> {
        use ruma::api::client::state::send_state_event::v3;
        for event in marks(plan, self.bot()) {
            let event_type = text(&event, "/type").unwrap_or_default();
            let state_key = text(&event, "/state_key").unwrap_or_default();
            let content = event.get("content").unwrap_or(&Value::Null);
            let request = v3::Request::new_raw(
                room.to_owned(),
                StateEventType::from(event_type),
                state_key.to_owned(),
                raw(Endpoint::WriteState, content)?,
            );
            self.ask(Endpoint::WriteState, As::User(self.bot()), request).await?;
        }
        Ok(())
    }

    /// Says something in a room: the one function that does. `crate::relay` encrypts it before,
    /// except in unencrypted rooms.
    ///
    /// The same `txn_id` again gives the same event again, as long as the homeserver remembers it
    /// (a day). All our users share one space of these names: Synapse answers a second speaker in
    /// the room with the first one's event.
    pub async fn send(
        &self,
        voice: Voice<'_>,
        room: &RoomId,
        event_type: &str,
        content: &Value,
        txn_id: &str,
    ) -> Result<OwnedEventId, MatrixError> {
        use ruma::api::client::message::send_message_event::v3;
        let request = v3::Request::new_raw(
            room.to_owned(),
            OwnedTransactionId::from(txn_id),
            MessageLikeEventType::from(event_type),
            raw(Endpoint::Send, content)?,
        );
        Ok(self.ask(Endpoint::Send, As::Device(voice.user, voice.device), request).await?.event_id)
    }

    /// Encrypts a room from now on, as the bot. This cannot be undone.
    pub async fn encrypt_room(&self, room: &RoomId) -> Result<(), MatrixError> {
        use ruma::api::client::state::send_state_event::v3;
        let request = v3::Request::new_raw(
            room.to_owned(),
            StateEventType::RoomEncryption,
            String::new(),
            raw(Endpoint::WriteState, &encryption())?,
        );
        self.ask(Endpoint::WriteState, As::User(self.bot()), request).await.map(|_| ())
    }

    fn portal_alias_localpart(&self, alias_token: Uuid) -> String {
        format!("{}{}", self.user_prefix(), alias_token.simple())
    }
}

/// Everything a portal's room says about itself, in one place and one request.
fn initial_state(plan: &PortalPlan<'_>, bot: &UserId) -> Vec<Value> {
    let mut all = vec![
        state("m.room.join_rules", "", json!({ "join_rule": "invite" })),
        state("m.room.history_visibility", "", json!({ "history_visibility": "invited" })),
        state("m.room.guest_access", "", json!({ "guest_access": "forbidden" })),
    ];
    if plan.encrypted {
        all.push(state("m.room.encryption", "", encryption()));
    }
    all.extend(marks(plan, bot));
    all
}

/// How a portal is encrypted: as the specification recommends, and for good.
pub fn encryption() -> Value {
    json!({ "algorithm": "m.megolm.v1.aes-sha2" })
}

fn state(event_type: &str, state_key: &str, content: Value) -> Value {
    json!({ "type": event_type, "state_key": state_key, "content": content })
}

/// What tells people and tools that a room is a portal.
fn marks(plan: &PortalPlan<'_>, bot: &UserId) -> Vec<Value> {
    let token = plan.alias_token.simple().to_string();
    let kind = plan.kind.word();
    let bridge = json!({
        "bridgebot": bot,
        "creator": bot,
        "protocol": { "id": kind, "displayname": displayname(plan.kind) },
        "channel": { "id": token },
    });
    let bridge_key = format!("umstieg/{kind}/{token}");
    vec![
        // Readers of rooms of this type prefer the second, all others know the first (TIM-2).
        state("m.room.name", "", json!({ "name": plan.name })),
        state("de.gematik.tim.room.name", "", json!({ "name": plan.name })),
        // Clients read the first (MSC2346), older tools the second.
        state("m.bridge", &bridge_key, bridge.clone()),
        state("uk.half-shot.bridge", &bridge_key, bridge),
        // The bot is no conversation partner: clients name and count the room without it.
        state("io.element.functional_members", "", json!({ "service_members": [bot] })),
    ]
}

fn displayname(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Kim => "KIM",
        ChannelKind::Fax => "Fax",
    }
}

/// Everybody may speak; only the bot may change the room or bring in a user, because every member
/// reads what a correspondent wrote in confidence to this channel's team.
fn power_levels(bot: &UserId) -> Value {
    json!({
        "users": { bot.as_str(): POWER_OF_BOT },
        "users_default": 0,
        "events_default": 0,
        "state_default": POWER_OF_MODERATORS,
        "invite": POWER_OF_MODERATORS,
        "kick": POWER_OF_MODERATORS,
        "ban": POWER_OF_MODERATORS,
        "redact": POWER_OF_MODERATORS,
    })
}

fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer)?.as_str()
}

fn raw<T>(endpoint: Endpoint, value: &Value) -> Result<Raw<T>, MatrixError> {
    to_raw_value(value)
        .map(Raw::from_json)
        .map_err(|_| MatrixError::new(endpoint, Cause::Unsendable))
}
