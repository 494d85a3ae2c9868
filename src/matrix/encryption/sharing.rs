//! Encrypting: which devices get the key of a Megolm session, and for how long it is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use matrix_sdk_crypto::{
    CollectStrategy, EncryptionSettings, olm::ShareInfo, types::requests::ToDeviceRequest,
};
use ruma::{
    DeviceId, OwnedUserId, RoomId, SecondsSinceUnixEpoch, TransactionId, UserId,
    api::client::to_device::send_event_to_device,
    events::{
        AnyMessageLikeEventContent, AnyToDeviceEventContent, ToDeviceEventType,
        room::history_visibility::HistoryVisibility,
    },
    serde::Raw,
};
use serde_json::{Value, json, value::to_raw_value};

use super::{DeviceError, LockedOut, OwnDevice, OwnDeviceState, boxed, identity};
use crate::matrix::{Endpoint, MatrixError, error::Cause};
use crate::model::Trust;

/// How many posts of a Megolm session are left when another session begins: the library uses a
/// session until it is used up, and panics when it is to encrypt with it then.
const POSTS_IN_RESERVE: u64 = 2;

/// Another session is begun at this part of its lifetime, for the same reason.
const LIFETIME_IN_USE: f64 = 0.95;

/// The library allows no more posts and no shorter time, whatever the room asks for.
const POSTS_MAX: u64 = 10_000;

const PERIOD_MIN: Duration = Duration::from_secs(3600);

/// The room something is encrypted for, and how.
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    pub room: &'a RoomId,
    /// Everybody whose devices get the key: the readers among those present.
    pub members: &'a BTreeSet<OwnedUserId>,
    /// The identities (master keys) that members are known by, where signed devices are trusted. A
    /// member with another one by now gets nothing.
    pub pins: &'a BTreeMap<OwnedUserId, String>,
    pub rotation: Rotation,
    pub trust: Trust,
}

/// What leaves, and who can read it.
#[derive(Debug)]
pub struct EncryptedContent {
    pub content: Value,
    /// Members of whose devices at least one was given the key.
    pub readers: BTreeSet<OwnedUserId>,
}

/// How long a Megolm session is used (`m.room.encryption`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    pub posts: u64,
    pub period: Duration,
}

impl Default for Rotation {
    /// What the specification says for a room that says nothing.
    fn default() -> Self {
        Self { posts: 100, period: Duration::from_secs(7 * 24 * 3600) }
    }
}

impl Rotation {
    /// Reads the content of a room's `m.room.encryption`.
    pub fn of(encryption: &Value) -> Self {
        let number = |name| encryption.get(name).and_then(Value::as_u64);
        let default = Self::default();
        Self {
            posts: number("rotation_period_msgs").unwrap_or(default.posts),
            period: number("rotation_period_ms").map_or(default.period, Duration::from_millis),
        }
    }
}

/// Which users have the key of one of our Megolm sessions, and how far it is used.
#[derive(Debug)]
pub(super) struct SharedSession {
    pub(super) members: BTreeSet<OwnedUserId>,
    pub(super) pins: BTreeMap<OwnedUserId, String>,
    pub(super) trust: Trust,
    /// What the room asked for when that was noted.
    pub(super) rotation: Rotation,
    pub(super) session: Used,
    /// Members of whose devices at least one was given the key.
    pub(super) readers: BTreeSet<OwnedUserId>,
    pub(super) since: tokio::time::Instant,
}

/// How far one of our Megolm sessions is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) posts: u64,
    pub(super) age: Duration,
    /// How long the session itself may be used: what the room asked for when it was made.
    pub(super) lifetime: Rotation,
}

impl Used {
    /// Whether the session is used up, `since` after this was noted, by its own measure or by
    /// what the room asks for now.
    pub(super) fn is_up(&self, room: Rotation, since: Duration) -> bool {
        let posts = self.lifetime.posts.min(room.posts).min(POSTS_MAX);
        let period = self.lifetime.period.min(room.period).max(PERIOD_MIN);
        self.posts + POSTS_IN_RESERVE >= posts
            || self.age + since >= period.mul_f64(LIFETIME_IN_USE)
    }
}

impl OwnDevice {
    /// Whether everybody has the key of the session that is in use.
    pub async fn has_shared(&self, audience: &Audience<'_>) -> bool {
        self.state.lock().await.is_shared(audience)
    }

    /// Members who can read nothing of what is for trusted devices, as long as they were not told.
    pub async fn untold_locked_out(&self, room: &RoomId) -> Option<LockedOut> {
        self.state.lock().await.untold.get(room.as_str()).cloned()
    }

    /// These members were told. If others are locked out by now, they were not.
    pub async fn locked_out_are_told(&self, room: &RoomId, told: &LockedOut) {
        let mut state = self.state.lock().await;
        if state.untold.get(room.as_str()) == Some(told) {
            state.untold.remove(room.as_str());
        }
    }

    /// Encrypts something for everybody in a room, after all of their devices have the key.
    ///
    /// `before_sharing` runs before anything that changes an Olm session leaves; if it fails,
    /// everything stays here.
    pub async fn encrypt<E: From<DeviceError>>(
        &self,
        audience: &Audience<'_>,
        event_type: &str,
        content: &Value,
        before_sharing: impl Future<Output = Result<(), E>> + Send,
    ) -> Result<EncryptedContent, E> {
        let mut turn = self.turn().await?;
        let state = &mut *turn.state;
        if !state.is_shared(audience) {
            state.shared.remove(audience.room.as_str());
            self.share(state, audience, before_sharing).await?;
        }
        let content = to_raw_value(content)
            .map(Raw::<AnyMessageLikeEventContent>::from_json)
            .map_err(|_| DeviceError::from(MatrixError::new(Endpoint::Send, Cause::Unsendable)))?;
        // Counted whatever happens to it.
        let readers = match state.shared.get_mut(audience.room.as_str()) {
            Some(shared) => {
                shared.session.posts += 1;
                shared.readers.clone()
            }
            None => BTreeSet::new(),
        };
        let encrypted = self
            .olm
            .encrypt_room_event_raw(audience.room, event_type, &content)
            .await
            .map_err(DeviceError::from)?;
        let encrypted: Value = encrypted
            .content
            .deserialize_as_unchecked()
            .map_err(|error| DeviceError::Library(error.into()))?;
        self.introduce(state, audience.room, &encrypted).await?;
        Ok(EncryptedContent { content: encrypted, readers })
    }

    /// Leads the devices that were given a key for the first time to ask who we are, before
    /// anything comes that they can decrypt with it.
    ///
    /// A client that refuses unsigned devices decides on an event when it first sees it. A member
    /// who is only invited has not asked for our identity by then, and matrix-js-sdk does not
    /// decide again when it has it: it hides the post until it is restarted. A key request from a
    /// device it does not know makes matrix-sdk-crypto, in every client built on it, ask for that
    /// user's identity. The client refuses the request itself without a word, as it does for
    /// strangers.
    pub(super) async fn introduce(
        &self,
        state: &mut OwnDeviceState,
        room: &RoomId,
        encrypted: &Value,
    ) -> Result<(), DeviceError> {
        if state.strangers.is_empty() {
            return Ok(());
        }
        let name = TransactionId::new();
        let content = json!({
            "action": "request",
            "body": {
                "algorithm": encrypted.get("algorithm"),
                "room_id": room,
                "session_id": encrypted.get("session_id"),
                "sender_key": self.olm.identity_keys().curve25519.to_base64(),
            },
            "request_id": name,
            "requesting_device_id": self.device(),
        });
        let content = to_raw_value(&content)
            .map(Raw::<AnyToDeviceEventContent>::from_json)
            .map_err(|error| DeviceError::Library(error.into()))?;
        let mut messages = send_event_to_device::v3::Messages::new();
        for (user, device) in &state.strangers {
            messages.entry(user.clone()).or_default().insert(device.clone(), content.clone());
        }
        let request = send_event_to_device::v3::Request::new_raw(
            ToDeviceEventType::RoomKeyRequest,
            name,
            messages,
        );
        self.ask(Endpoint::ToDevice, request).await?;
        let strangers = std::mem::take(&mut state.strangers);
        state.introduced_to.extend(strangers);
        Ok(())
    }

    pub(super) async fn share<E: From<DeviceError>>(
        &self,
        state: &mut OwnDeviceState,
        audience: &Audience<'_>,
        before_sharing: impl Future<Output = Result<(), E>> + Send,
    ) -> Result<(), E> {
        let users: Vec<&UserId> = audience.members.iter().map(|user| &**user).collect();
        boxed(self.olm.update_tracked_users(users.iter().copied()))
            .await
            .map_err(DeviceError::from)?;
        self.settle(state).await?;
        // Only now is it known who they are, and nothing tells of a change between here and the
        // end.
        let users = self.as_known(users, audience).await?;
        let is_complete = users.len() == audience.members.len();
        let claim = boxed(self.olm.get_missing_sessions(users.iter().copied()))
            .await
            .map_err(DeviceError::from)?;
        let mut before_sharing = Some(before_sharing);
        if let Some((name, request)) = claim {
            if let Some(before) = before_sharing.take() {
                before.await?;
            }
            let answer = self.ask(Endpoint::KeysClaim, request).await?;
            self.olm.mark_request_as_sent(&name, &answer).await.map_err(DeviceError::from)?;
        }
        let room = audience.room;
        let used = self.sending_session(room).await?;
        if used.is_some_and(|(used, _)| used.is_up(audience.rotation, Duration::ZERO)) {
            self.olm.discard_room_key(room).await.map_err(DeviceError::from)?;
        }
        let requests =
            boxed(self.olm.share_room_key(room, users.iter().copied(), settings_for(audience)))
                .await
                .map_err(DeviceError::from)?;
        if !requests.is_empty()
            && let Some(before) = before_sharing.take()
        {
            before.await?;
        }
        for request in requests {
            self.send_to_devices(&request).await?;
            self.note_strangers(state, &request);
        }
        if audience.trust == Trust::CrossSigned {
            let locked_out = self.locked_out(&users).await?;
            state.untold.insert(audience.room.to_string(), locked_out);
        }
        let Some((session, readers)) = self.sending_session(room).await? else { return Ok(()) };
        let shared = SharedSession {
            // The devices that were left out are checked again with the next post.
            members: if is_complete { audience.members.clone() } else { BTreeSet::new() },
            pins: audience.pins.clone(),
            trust: audience.trust,
            rotation: audience.rotation,
            session,
            readers,
            since: tokio::time::Instant::now(),
        };
        state.shared.insert(room.to_string(), shared);
        Ok(())
    }

    /// Those of the members who have no identity other than the known one, where that counts.
    async fn as_known<'a>(
        &self,
        members: Vec<&'a UserId>,
        audience: &Audience<'_>,
    ) -> Result<Vec<&'a UserId>, DeviceError> {
        let mut readers = Vec::with_capacity(members.len());
        for member in members {
            if audience.trust == Trust::AnyDevice || self.is_as_known(member, audience.pins).await?
            {
                readers.push(member);
            }
        }
        Ok(readers)
    }

    /// How far the session is used with which something in a room would be encrypted now, and whose
    /// devices have its key. It may be older than what is in memory: the device was idle, or a
    /// member's devices changed.
    pub(super) async fn sending_session(
        &self,
        room: &RoomId,
    ) -> Result<Option<(Used, BTreeSet<OwnedUserId>)>, DeviceError> {
        let Some(session) = self.olm.store().get_outbound_group_session(room).await? else {
            return Ok(None);
        };
        let session = session.pickle().await;
        let now = SecondsSinceUnixEpoch::now().get();
        let age = u64::from(now.saturating_sub(session.creation_time.get()));
        let used = Used {
            posts: session.message_count,
            age: Duration::from_secs(age),
            lifetime: Rotation {
                posts: session.settings.rotation_period_msgs,
                period: session.settings.rotation_period,
            },
        };
        let has_key = |devices: &BTreeMap<_, ShareInfo>| {
            devices.values().any(|info| matches!(info, ShareInfo::Shared(_)))
        };
        let readers = session.shared_with_set.into_iter();
        let readers = readers.filter(|(_, devices)| has_key(devices)).map(|(user, _)| user);
        Ok(Some((used, readers.collect())))
    }

    /// Users to whom a message with keys went and to whom the device is not introduced yet. The bot
    /// reads for all our users, and decides again.
    pub(super) fn note_strangers(&self, state: &mut OwnDeviceState, request: &ToDeviceRequest) {
        if request.event_type != ToDeviceEventType::RoomEncrypted {
            return;
        }
        let peers = request.messages.iter().flat_map(|(user, devices)| {
            devices.keys().map(|device| (user.clone(), device.clone()))
        });
        let strangers = peers
            .filter(|peer| peer.0 != self.homeserver.bot() && !state.introduced_to.contains(peer));
        state.strangers.extend(strangers);
    }

    /// Members who can read nothing of what was said, because none of their devices is signed: the
    /// room shows them only that it cannot be decrypted.
    pub(super) async fn locked_out(&self, members: &[&UserId]) -> Result<LockedOut, DeviceError> {
        let mut locked_out = LockedOut::new();
        for member in members.iter().copied() {
            let devices = self.olm.get_user_devices(member, None).await?;
            let reads = devices.devices().any(|device| device.is_cross_signed_by_owner());
            if !reads && devices.devices().next().is_some() {
                metrics::counter!("umstieg_members_locked_out_total").increment(1);
                tracing::warn!(
                    "A member of a portal can read no letter, because none of its devices is signed \
                     by its owner; it has to verify its session, or trust = \"any-device\" allows it"
                );
                let names: BTreeSet<&DeviceId> = devices.keys().collect();
                locked_out.insert(
                    member.to_owned(),
                    identity::mark_of(names.iter().map(|name| name.as_str())),
                );
            }
        }
        Ok(locked_out)
    }
}

impl OwnDeviceState {
    /// Whether everybody it is for has the last session of a room, and it is not used up.
    pub(super) fn is_shared(&self, audience: &Audience<'_>) -> bool {
        self.shared.get(audience.room.as_str()).is_some_and(|shared| {
            shared.trust == audience.trust
                && shared.pins == *audience.pins
                && shared.rotation == audience.rotation
                && shared.members == *audience.members
                && !shared.session.is_up(audience.rotation, shared.since.elapsed())
        })
    }
}

/// How a Megolm session for an audience is made, and which devices get its key.
fn settings_for(audience: &Audience<'_>) -> EncryptionSettings {
    EncryptionSettings {
        rotation_period: audience.rotation.period,
        rotation_period_msgs: audience.rotation.posts,
        history_visibility: HistoryVisibility::Invited,
        sharing_strategy: match audience.trust {
            Trust::CrossSigned => CollectStrategy::IdentityBasedStrategy,
            Trust::AnyDevice => CollectStrategy::AllDevices,
        },
        ..EncryptionSettings::default()
    }
}
