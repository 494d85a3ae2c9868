//! A device of one of our users: its keys, and what is encrypted and decrypted with them.
//!
//! Every user of ours speaks from a device of its own, cross-signed by an identity of its own:
//! clients do not trust an event whose sender does not own the Megolm session. A device only does
//! what it is told: which device a user has, and who is in a room, is decided elsewhere.

mod attachment;
mod identity;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_sdk_crypto::{
    CollectStrategy, CryptoStoreError, DecryptionSettings, EncryptionSettings,
    EncryptionSyncChanges, MegolmError, OlmError, OlmMachine, TrustRequirement,
    olm::ShareInfo,
    store::CryptoStore,
    types::requests::{AnyIncomingResponse, AnyOutgoingRequest, OutgoingRequest, ToDeviceRequest},
    vodozemac::{self, megolm::MegolmMessage},
};
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedTransactionId, OwnedUserId, RoomId, SecondsSinceUnixEpoch,
    TransactionId, UInt, UserId,
    api::client::{
        keys::{get_keys, upload_keys, upload_signatures, upload_signing_keys},
        sync::sync_events::DeviceLists,
        to_device::send_event_to_device,
    },
    encryption::CrossSigningKey,
    events::{
        AnyMessageLikeEventContent, AnyToDeviceEvent, AnyToDeviceEventContent, ToDeviceEventType,
    },
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use tokio::sync::{Mutex, MutexGuard};

pub use attachment::{AttachmentError, Spooled, Upload};
pub(super) use attachment::{Spooling, encrypting};
pub use identity::Seen;

use super::{Endpoint, Homeserver, MatrixError, client::As, error::Cause};
use crate::model::Trust;

/// Rounds of questions and answers after which keys must be up to date: an upload, a query and
/// what they lead to. More would be a quarrel with the homeserver.
const ROUNDS_MAX: usize = 8;

/// How long the homeserver may ask other homeservers for keys.
const KEYS_TIMEOUT: Duration = Duration::from_secs(10);

/// Posts of a Megolm session that are left when another one is begun: the library goes on with a
/// session until it is used up, and panics when it is to encrypt with it then.
const POSTS_IN_RESERVE: u64 = 2;

/// Another session is begun at this part of its lifetime, for the same reason.
const LIFETIME_IN_USE: f64 = 0.95;

/// More posts, and a shorter time, the library does not allow, whatever the room asks for.
const POSTS_MAX: u64 = 10_000;
const PERIOD_MIN: Duration = Duration::from_secs(3600);

/// Which room something is encrypted for, and how.
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    pub room: &'a RoomId,
    /// Everybody whose devices get the key: who of those present reads.
    pub members: &'a BTreeSet<OwnedUserId>,
    /// The identities (master keys) that members are known by, where signed devices are trusted.
    /// Whoever has another one by now gets nothing.
    pub pins: &'a BTreeMap<OwnedUserId, String>,
    pub rotation: Rotation,
    pub trust: Trust,
}

/// What leaves, and who can read it.
#[derive(Debug)]
pub struct Encrypted {
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
    /// What the specification gives when a room does not say.
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

/// Something was not encrypted, or a device could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// The database did not answer, or what it holds does not fit together.
    #[error("the keys of a device could not be read or saved")]
    Store(#[source] CryptoStoreError),
    #[error("the encryption library refused its work")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The homeserver does not know this device, or knows other keys for it.
    #[error("the homeserver no longer has this device's keys")]
    Unknown,
    /// What it has in memory was not saved: it has to be opened anew.
    #[error("a device in memory is not the one in the database")]
    Outdated,
    /// Questions led to further questions without an end.
    #[error("the homeserver's answers about keys do not come to an end")]
    Endless,
}

impl From<CryptoStoreError> for DeviceError {
    fn from(error: CryptoStoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OlmError> for DeviceError {
    fn from(error: OlmError) -> Self {
        match error {
            OlmError::Store(error) => Self::Store(error),
            error => Self::Library(error.into()),
        }
    }
}

impl From<MegolmError> for DeviceError {
    fn from(error: MegolmError) -> Self {
        match error {
            MegolmError::Store(error) => Self::Store(error),
            error => Self::Library(error.into()),
        }
    }
}

/// What a `/sync` brought for a device.
#[derive(Debug, Clone, Default)]
pub struct DeviceNews {
    pub to_device: Vec<Raw<AnyToDeviceEvent>>,
    /// Users whose devices changed.
    pub changed: Vec<OwnedUserId>,
    /// One-time keys the homeserver still has, where it says so.
    pub one_time_keys: BTreeMap<OneTimeKeyAlgorithm, UInt>,
    /// Algorithms with a fallback key that was not used, where the homeserver says so.
    pub unused_fallback_keys: Option<Vec<OneTimeKeyAlgorithm>>,
    pub next_batch: String,
}

/// A Megolm session whose key has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomKey {
    pub room_id: String,
    pub session_id: String,
}

/// What became of an encrypted event.
#[derive(Debug)]
pub enum Decrypted {
    /// The event in the clear, from a device the policy believes, and its place in its session.
    Event(Value, SessionPlace),
    /// Its key has not come (yet).
    KeyMissing,
    /// It is readable, and nobody can say that its sender wrote it.
    NotBelieved,
    /// Its sender has another identity than the one that is known.
    OtherIdentity,
    /// It was altered, or was never readable.
    Broken,
}

/// Which message of which Megolm session an event is. No two events are the same one, unless
/// somebody repeats what another one wrote: the library does not tell those apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPlace {
    pub session_id: String,
    pub index: u32,
    /// The identity (master key) that had signed the sender's device when the session came; nothing
    /// where none had.
    pub identity: Option<String>,
}

impl SessionPlace {
    /// Reads what anybody may have written; `None` where it cannot be an encrypted message.
    fn of(event: &Value) -> Option<Self> {
        let text = |at| event.pointer(at).and_then(Value::as_str);
        let session_id = text("/content/session_id")?;
        // The name of a session is its key: anything else is no name, whatever its length.
        vodozemac::Ed25519PublicKey::from_base64(session_id).ok()?;
        let message = MegolmMessage::from_base64(text("/content/ciphertext")?).ok()?;
        let index = message.message_index();
        Some(Self { session_id: session_id.to_owned(), index, identity: None })
    }
}

/// Who has the key of a Megolm session of ours, and how far it is used.
#[derive(Debug)]
struct Shared {
    members: BTreeSet<OwnedUserId>,
    pins: BTreeMap<OwnedUserId, String>,
    trust: Trust,
    /// What the room asked for when that was noted.
    rotation: Rotation,
    session: Used,
    /// Of whose devices at least one was given the key.
    readers: BTreeSet<OwnedUserId>,
    since: tokio::time::Instant,
}

/// How far a Megolm session of ours is used.
#[derive(Debug, Clone, Copy)]
struct Used {
    posts: u64,
    age: Duration,
    /// How long the session itself may be used: what the room asked for when it was made.
    lifetime: Rotation,
}

impl Used {
    /// Whether the session is used up, `since` after this was noted, by its own measure or by
    /// what the room asks for now.
    fn is_up(&self, room: Rotation, since: Duration) -> bool {
        let posts = self.lifetime.posts.min(room.posts).min(POSTS_MAX);
        let period = self.lifetime.period.min(room.period).max(PERIOD_MIN);
        self.posts + POSTS_IN_RESERVE >= posts
            || self.age + since >= period.mul_f64(LIFETIME_IN_USE)
    }
}

/// Members none of whose devices is signed, each with a mark of just these devices.
pub type LockedOut = BTreeMap<OwnedUserId, String>;

/// Somebody's device.
type Peer = (OwnedUserId, DeviceIdOrAllDevices);

/// What a device does one thing at a time with.
#[derive(Debug, Default)]
struct State {
    /// By room: the session that was shared last, as long as no device of a member changed.
    shared: BTreeMap<String, Shared>,
    /// By room: members who have devices and were given no key when a session was shared last with
    /// trusted devices only, until that was told. Somebody's other devices do not change it.
    untold: BTreeMap<String, LockedOut>,
    /// Devices that were led to ask for our identity since the start.
    introduced_to: BTreeSet<Peer>,
    /// Devices that have a key of ours since the start, and were not led to ask yet.
    strangers: BTreeSet<Peer>,
    /// Whether every one-time key that waits to be uploaded was made since the homeserver last
    /// said what it has: none of them can be there already.
    is_checked: bool,
}

/// A device of ours with its keys.
#[derive(Debug)]
pub struct OwnDevice {
    olm: OlmMachine,
    homeserver: Homeserver,
    state: Mutex<State>,
    /// Something was taken in and never saved: a key that is used in memory alone would be used
    /// once more.
    is_outdated: AtomicBool,
}

/// The right to change what a device remembers; nobody else does meanwhile.
#[derive(Debug)]
pub struct Turn<'a> {
    device: &'a OwnDevice,
    state: MutexGuard<'a, State>,
    is_unsaved: bool,
}

impl OwnDevice {
    /// Opens a device with the keys in `store`, or with new ones where there are none. Nothing is
    /// asked of the homeserver.
    pub async fn open(
        homeserver: &Homeserver,
        user: &UserId,
        device: &DeviceId,
        store: Arc<impl CryptoStore + 'static>,
    ) -> Result<Self, DeviceError> {
        let is_new = store.load_account().await.map_err(Into::into)?.is_none();
        let olm = OlmMachine::with_store(user, device, store, None).await?;
        let state = State { is_checked: is_new, ..State::default() };
        let (state, is_outdated) = (Mutex::new(state), AtomicBool::new(false));
        Ok(Self { olm, homeserver: homeserver.clone(), state, is_outdated })
    }

    pub fn user(&self) -> &UserId {
        self.olm.user_id()
    }

    pub fn device(&self) -> &DeviceId {
        self.olm.device_id()
    }

    /// Makes the device known to everybody: its keys, an identity that signs it, and a fallback
    /// key. It may be broken off anywhere and begun again.
    ///
    /// The identity is the user's own: `heir_of` is the device before, whose identity goes on.
    pub async fn publish(&self, heir_of: Option<&Self>) -> Result<(), DeviceError> {
        let mut turn = self.turn().await?;
        let state = &mut *turn.state;
        let identity = self.olm.cross_signing_status().await;
        let mut is_reset = false;
        if !identity.is_complete() {
            let inherited = match heir_of {
                Some(before) => before.olm.export_cross_signing_keys().await?,
                None => None,
            };
            // Without its private keys, whatever identity the homeserver has is replaced.
            is_reset = inherited.is_none();
            if let Some(keys) = inherited {
                // The library takes private keys only for public ones it has seen.
                self.query(&[self.user().to_owned()]).await?;
                is_reset = self.olm.import_cross_signing_keys(keys).await.is_err();
            }
        }
        let requests = self.olm.bootstrap_cross_signing(is_reset).await?;
        let key =
            |key: Option<matrix_sdk_crypto::types::CrossSigningKey>| key.map(|key| key.to_raw());
        let mut upload = upload_signing_keys::v3::Request::new();
        upload.master_key = key(requests.upload_signing_keys_req.master_key);
        upload.self_signing_key = key(requests.upload_signing_keys_req.self_signing_key);
        upload.user_signing_key = key(requests.upload_signing_keys_req.user_signing_key);
        let name = TransactionId::new();
        // An inherited identity is there, and cannot be uploaded: the library takes over its
        // private keys without the signatures by which they belong together.
        if !self.is_identity(&upload).await? {
            let answer = self.ask(Endpoint::KeysSign, upload).await?;
            self.olm
                .mark_request_as_sent(&name, AnyIncomingResponse::SigningKeysUpload(&answer))
                .await?;
        }
        let signatures = requests.upload_signatures_req;
        // Not before the identity is there, and with its signature from the first moment on: a
        // client that sees the device unsigned once hides what it said for good.
        if let Some(request) = &requests.upload_keys_req {
            let signed = signatures.signed_keys.get(self.user());
            let signed = signed.and_then(|keys| {
                keys.iter().find(|(name, _)| *name == self.device().as_str()).map(|(_, key)| key)
            });
            self.upload_signed(state, request, signed).await?;
        }
        let answer = self.ask(Endpoint::KeysSign, signatures).await?;
        self.olm.mark_request_as_sent(&name, &answer).await?;
        // The library makes a fallback key only when it hears that there is none.
        let news = DeviceNews { unused_fallback_keys: Some(Vec::new()), ..DeviceNews::default() };
        self.take(state, news).await?;
        self.settle(state).await
    }

    /// Whether it has the private keys of its user's identity.
    pub async fn has_identity(&self) -> bool {
        self.olm.cross_signing_status().await.is_complete()
    }

    /// Whether everybody has the key of the session that is in use.
    pub async fn has_shared(&self, audience: &Audience<'_>) -> bool {
        self.state.lock().await.is_shared(audience)
    }

    /// Who can read nothing of what is for trusted devices, as long as that is not told.
    pub async fn untold_locked_out(&self, room: &RoomId) -> Option<LockedOut> {
        self.state.lock().await.untold.get(room.as_str()).cloned()
    }

    /// These were told. Should others be locked out by now, they are not.
    pub async fn locked_out_are_told(&self, room: &RoomId, told: &LockedOut) {
        let mut state = self.state.lock().await;
        if state.untold.get(room.as_str()) == Some(told) {
            state.untold.remove(room.as_str());
        }
    }

    /// Whether the homeserver has this device with these keys, signed by its identity.
    pub async fn is_known(&self) -> Result<bool, DeviceError> {
        let mut request = get_keys::v3::Request::new();
        request.device_keys = [(self.user().to_owned(), vec![self.device().to_owned()])].into();
        let answer = match self.ask(Endpoint::KeysQuery, request).await {
            Err(DeviceError::Unknown) => return Ok(false),
            answer => answer?,
        };
        let keys = answer
            .device_keys
            .get(self.user())
            .and_then(|devices| devices.get(self.device()))
            .and_then(|keys| keys.deserialize_as_unchecked::<Value>().ok());
        let identity = self.olm.identity_keys();
        let mine = json!(identity.ed25519.to_base64());
        let name = format!("ed25519:{}", self.device());
        let is_mine = keys
            .as_ref()
            .and_then(|keys| keys.get("keys")?.get(&name).cloned())
            .is_some_and(|key| key == mine);
        // By the identity the homeserver has now: signatures of another one may still lie there.
        let signer = answer
            .self_signing_keys
            .get(self.user())
            .and_then(|keys| keys.deserialize_as_unchecked::<Value>().ok())
            .and_then(|keys| keys.get("keys")?.as_object()?.keys().next().cloned());
        let has_master = answer.master_keys.contains_key(self.user());
        let is_signed = signer
            .zip(keys)
            .and_then(|(signer, keys)| {
                keys.get("signatures")?.get(self.user().as_str())?.get(&signer).cloned()
            })
            .is_some();
        Ok(is_mine && has_master && is_signed)
    }

    /// Waits until nobody else changes what the device remembers.
    ///
    /// Fails with [`DeviceError::Outdated`] once something was taken in and not saved.
    pub async fn turn(&self) -> Result<Turn<'_>, DeviceError> {
        let state = self.state.lock().await;
        if self.is_outdated() {
            return Err(DeviceError::Outdated);
        }
        Ok(Turn { device: self, state, is_unsaved: false })
    }

    /// Whether it has to be opened anew.
    pub fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Acquire)
    }

    /// Asks and answers until there is nothing more to say about keys.
    pub async fn catch_up(&self) -> Result<(), DeviceError> {
        self.settle(&mut self.turn().await?.state).await
    }

    /// Somebody's devices changed, as another device of ours has heard.
    pub async fn heard_of_changes(&self, users: &[OwnedUserId]) -> Result<(), DeviceError> {
        let news = DeviceNews { changed: users.to_vec(), ..DeviceNews::default() };
        self.take(&mut self.turn().await?.state, news).await.map(|_| ())
    }

    /// Somebody is in a room of ours since a moment ago. Of the devices of who shared no room with us
    /// nobody told: they are asked for before anything is said to him.
    pub async fn meet(&self, users: Vec<OwnedUserId>) -> Result<(), DeviceError> {
        if users.is_empty() {
            return Ok(());
        }
        let mut turn = self.turn().await?;
        let shared = &turn.state.shared;
        let is_followed = |user: &OwnedUserId| shared.values().any(|s| s.members.contains(user));
        let changed = users.into_iter().filter(|user| !is_followed(user)).collect();
        let news = DeviceNews { changed, ..DeviceNews::default() };
        self.take(&mut turn.state, news).await.map(|_| ())
    }

    /// Everybody's devices may have changed: nobody told what happened meanwhile.
    pub async fn lost_track(&self) -> Result<(), DeviceError> {
        self.state.lock().await.shared.clear();
        Ok(self.olm.mark_all_tracked_users_as_dirty().await?)
    }

    /// Encrypts something for everybody in a room, after all of their devices have the key.
    ///
    /// `before_sharing` runs before anything that changes an Olm session leaves; what it fails
    /// with keeps everything here.
    pub async fn encrypt<E: From<DeviceError>>(
        &self,
        audience: &Audience<'_>,
        event_type: &str,
        content: &Value,
        before_sharing: impl Future<Output = Result<(), E>> + Send,
    ) -> Result<Encrypted, E> {
        let mut turn = self.turn().await?;
        let state = &mut *turn.state;
        if !state.is_shared(audience) {
            state.shared.remove(audience.room.as_str());
            self.share(state, audience, before_sharing).await?;
        }
        let content = to_raw_value(content)
            .map(Raw::<AnyMessageLikeEventContent>::from_json)
            .map_err(|_| DeviceError::from(MatrixError::new(Endpoint::Send, Cause::Unsendable)))?;
        // Counted whatever comes of it.
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
        Ok(Encrypted { content: encrypted, readers })
    }

    /// Leads the devices that were given a key for the first time to ask who we are, before
    /// anything comes that they can decrypt with it.
    ///
    /// A client that refuses unsigned devices decides on an event when it first sees it. Who is
    /// only invited has not asked for our identity by then, and matrix-js-sdk does not decide anew
    /// when it has it: it hides the post until it is started again. A key request of a device it
    /// does not know makes matrix-sdk-crypto, in every client built on it, ask for that user's
    /// identity. The request itself is refused without a word, as those of strangers are.
    async fn introduce(
        &self,
        state: &mut State,
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

    /// Decrypts an event of a room. Before a sender is not believed, the homeserver is asked for
    /// its devices: they may be newer than what we know.
    pub async fn decrypt(
        &self,
        event: &Value,
        room: &RoomId,
        trust: Trust,
    ) -> Result<Decrypted, DeviceError> {
        let decrypted = self.try_decrypt(event, room, trust).await?;
        let sender = event.get("sender").and_then(Value::as_str).map(UserId::parse);
        let (Decrypted::NotBelieved, Some(Ok(sender))) = (&decrypted, sender) else {
            return Ok(decrypted);
        };
        {
            let _turn = self.turn().await?;
            boxed(self.olm.update_tracked_users([&*sender])).await?;
            self.query(&[sender]).await?;
        }
        self.try_decrypt(event, room, trust).await
    }

    async fn try_decrypt(
        &self,
        event: &Value,
        room: &RoomId,
        trust: Trust,
    ) -> Result<Decrypted, DeviceError> {
        let Some(place) = SessionPlace::of(event) else { return Ok(Decrypted::Broken) };
        let Ok(raw) = to_raw_value(event).map(Raw::from_json) else { return Ok(Decrypted::Broken) };
        let settings = decryption_settings(trust);
        match self.olm.decrypt_room_event(&raw, room, &settings).await {
            Ok(decrypted) if !is_believed(&decrypted.encryption_info.verification_state) => {
                Ok(Decrypted::NotBelieved)
            }
            Ok(decrypted) => match decrypted.event.deserialize_as_unchecked() {
                Ok(event) => {
                    let identity = self.identity_of_session(room, &place.session_id).await?;
                    Ok(Decrypted::Event(event, SessionPlace { identity, ..place }))
                }
                Err(_) => Ok(Decrypted::Broken),
            },
            Err(MegolmError::MissingRoomKey(_)) => Ok(Decrypted::KeyMissing),
            // A key that came from the middle of a session: an earlier one may follow.
            Err(MegolmError::Decryption(
                matrix_sdk_crypto::vodozemac::megolm::DecryptionError::UnknownMessageIndex(..),
            )) => Ok(Decrypted::KeyMissing),
            Err(MegolmError::SenderIdentityNotTrusted(_)) => Ok(Decrypted::NotBelieved),
            Err(MegolmError::Store(error)) => Err(error.into()),
            Err(_) => Ok(Decrypted::Broken),
        }
    }

    /// Asks the sender's and our own devices for the key of an event.
    pub async fn ask_for_key(&self, event: &Value, room: &RoomId) -> Result<(), DeviceError> {
        let Ok(raw) = to_raw_value(event).map(Raw::from_json) else { return Ok(()) };
        let mut turn = self.turn().await?;
        let state = &mut *turn.state;
        let (cancellation, request) = self.olm.request_room_key(&raw, room).await?;
        for request in cancellation.iter().chain([&request]) {
            self.send(state, request).await?;
        }
        Ok(())
    }

    async fn share<E: From<DeviceError>>(
        &self,
        state: &mut State,
        audience: &Audience<'_>,
        before_sharing: impl Future<Output = Result<(), E>> + Send,
    ) -> Result<(), E> {
        let users: Vec<&UserId> = audience.members.iter().map(|user| &**user).collect();
        boxed(self.olm.update_tracked_users(users.iter().copied()))
            .await
            .map_err(DeviceError::from)?;
        self.settle(state).await?;
        // Only now is it known who they are, and nobody tells of a change between here and the end.
        let mut readers = Vec::with_capacity(users.len());
        for user in users {
            if audience.trust == Trust::AnyDevice || self.is_as_known(user, audience.pins).await? {
                readers.push(user);
            }
        }
        let is_complete = readers.len() == audience.members.len();
        let users = readers;
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
        let settings = EncryptionSettings {
            rotation_period: audience.rotation.period,
            rotation_period_msgs: audience.rotation.posts,
            history_visibility: ruma::events::room::history_visibility::HistoryVisibility::Invited,
            sharing_strategy: match audience.trust {
                Trust::CrossSigned => CollectStrategy::IdentityBasedStrategy,
                Trust::AnyDevice => CollectStrategy::AllDevices,
            },
            ..EncryptionSettings::default()
        };
        let requests =
            boxed(self.olm.share_room_key(audience.room, users.iter().copied(), settings))
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
        let shared = Shared {
            // Whoever was left out is looked at again with the next post.
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

    /// How far the session is used with which something in a room would be encrypted now, and whose
    /// devices have its key. It may be older than what is in memory: the device was idle, or
    /// somebody's devices changed.
    async fn sending_session(
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

    /// Whom a message with keys went to that is not introduced yet. The bot reads for all of ours,
    /// and decides anew.
    fn note_strangers(&self, state: &mut State, request: &ToDeviceRequest) {
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

    /// Members who can read nothing said so, because none of their devices is signed: to them the
    /// room shows only that it cannot be decrypted.
    async fn locked_out(&self, members: &[&UserId]) -> Result<LockedOut, DeviceError> {
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
                locked_out.insert(member.to_owned(), identity::mark_of(&names));
            }
        }
        Ok(locked_out)
    }

    async fn take(&self, state: &mut State, news: DeviceNews) -> Result<Vec<RoomKey>, DeviceError> {
        // Our own device changes by ourselves alone. What strangers to a room do is nothing to it:
        // each new ghost is such a stranger to all rooms but its own.
        let changed = |user: &OwnedUserId| user != self.user() && news.changed.contains(user);
        state.shared.retain(|_, shared| !shared.members.iter().any(changed));
        let mut changed = DeviceLists::new();
        changed.changed = news.changed;
        let next_batch = (!news.next_batch.is_empty()).then_some(news.next_batch);
        let changes = EncryptionSyncChanges {
            to_device_events: news.to_device,
            changed_devices: &changed,
            one_time_keys_counts: &news.one_time_keys,
            unused_fallback_keys: news.unused_fallback_keys.as_deref(),
            next_batch_token: next_batch,
        };
        // Whom to believe is asked when an event is decrypted, room by room.
        let settings = decryption_settings(Trust::AnyDevice);
        let (_, keys) = self.olm.receive_sync_changes(changes, &settings).await?;
        Ok(keys
            .into_iter()
            .map(|key| RoomKey { room_id: key.room_id.to_string(), session_id: key.session_id })
            .collect())
    }

    async fn settle(&self, state: &mut State) -> Result<(), DeviceError> {
        for _ in 0..ROUNDS_MAX {
            let requests = self.olm.outgoing_requests().await?;
            if requests.is_empty() {
                return Ok(());
            }
            for request in &requests {
                self.send(state, request).await?;
            }
        }
        Err(DeviceError::Endless)
    }

    async fn send(&self, state: &mut State, request: &OutgoingRequest) -> Result<(), DeviceError> {
        let name = request.request_id();
        match request.request() {
            AnyOutgoingRequest::KeysUpload(upload) => self.upload(state, name, upload).await,
            AnyOutgoingRequest::KeysQuery(query) => {
                let mut request = get_keys::v3::Request::new();
                request.timeout = Some(KEYS_TIMEOUT);
                request.device_keys = query.device_keys.clone();
                let answer = self.ask(Endpoint::KeysQuery, request).await?;
                Ok(self.olm.mark_request_as_sent(name, &answer).await?)
            }
            AnyOutgoingRequest::KeysClaim(claim) => {
                let answer = self.ask(Endpoint::KeysClaim, claim.clone()).await?;
                Ok(self.olm.mark_request_as_sent(name, &answer).await?)
            }
            AnyOutgoingRequest::ToDeviceRequest(request) => self.send_to_devices(request).await,
            AnyOutgoingRequest::SignatureUpload(request) => {
                let request = upload_signatures::v3::Request::new(request.signed_keys.clone());
                let answer = self.ask(Endpoint::KeysSign, request).await?;
                Ok(self.olm.mark_request_as_sent(name, &answer).await?)
            }
            // Verification by chat: nobody of ours can compare emoji.
            AnyOutgoingRequest::RoomMessage(_) => Ok(()),
        }
    }

    /// Uploads keys.
    ///
    /// One-time keys of an upload without an answer may be at the homeserver already, and may have
    /// been given to somebody there: uploaded once more, they would be given to a second one. So
    /// the first upload after a start, and after one that failed, leaves them out, and new ones are
    /// made in their place.
    async fn upload(
        &self,
        state: &mut State,
        name: &TransactionId,
        upload: &upload_keys::v3::Request,
    ) -> Result<(), DeviceError> {
        let mut request = upload_keys::v3::Request::new();
        request.device_keys = upload.device_keys.clone();
        request.fallback_keys = upload.fallback_keys.clone();
        if std::mem::take(&mut state.is_checked) {
            request.one_time_keys = upload.one_time_keys.clone();
        }
        let answer = match self.ask(Endpoint::KeysUpload, request).await {
            // It has other keys under these names: what we know of this device is out of date.
            Err(DeviceError::Matrix(error))
                if error.status() == Some(400) && error.errcode().is_some() =>
            {
                return Err(DeviceError::Unknown);
            }
            answer => answer?,
        };
        self.olm.mark_request_as_sent(name, &answer).await?;
        state.is_checked = true;
        Ok(())
    }

    /// As [`send`](Self::send) for the keys of the device itself, with a signature that is not in
    /// them yet.
    async fn upload_signed(
        &self,
        state: &mut State,
        request: &OutgoingRequest,
        signed: Option<&RawValue>,
    ) -> Result<(), DeviceError> {
        let AnyOutgoingRequest::KeysUpload(upload) = request.request() else {
            return self.send(state, request).await;
        };
        let mut upload = upload.clone();
        if let (Some(keys), Some(signed)) = (&upload.device_keys, signed) {
            let with_both = with_signatures(keys.json(), signed, self.user());
            upload.device_keys = with_both.map(Raw::from_json).or(upload.device_keys);
        }
        self.upload(state, request.request_id(), &upload).await
    }

    async fn query(&self, users: &[OwnedUserId]) -> Result<(), DeviceError> {
        let (name, query) = self.olm.query_keys_for_users(users.iter().map(|user| &**user));
        let mut request = get_keys::v3::Request::new();
        request.device_keys = query.device_keys;
        let answer = self.ask(Endpoint::KeysQuery, request).await?;
        Ok(self.olm.mark_request_as_sent(&name, &answer).await?)
    }

    /// Whether the homeserver has just these keys as the user's identity.
    async fn is_identity(
        &self,
        keys: &upload_signing_keys::v3::Request,
    ) -> Result<bool, DeviceError> {
        fn public(key: Option<&Raw<CrossSigningKey>>) -> Option<Value> {
            let key = key?.deserialize_as_unchecked::<Value>().ok()?;
            key.get("keys").cloned()
        }
        let mut request = get_keys::v3::Request::new();
        request.device_keys = [(self.user().to_owned(), Vec::new())].into();
        let there = self.ask(Endpoint::KeysQuery, request).await?;
        let pairs = [
            (&keys.master_key, &there.master_keys),
            (&keys.self_signing_key, &there.self_signing_keys),
            (&keys.user_signing_key, &there.user_signing_keys),
        ];
        Ok(pairs.into_iter().all(|(ours, theirs)| {
            let ours = public(ours.as_ref());
            ours.is_some() && ours == public(theirs.get(self.user()))
        }))
    }

    async fn send_to_devices(&self, request: &ToDeviceRequest) -> Result<(), DeviceError> {
        let name: OwnedTransactionId = request.txn_id.clone();
        let send = send_event_to_device::v3::Request::new_raw(
            request.event_type.clone(),
            name.clone(),
            request.messages.clone(),
        );
        let answer = self.ask(Endpoint::ToDevice, send).await?;
        Ok(self.olm.mark_request_as_sent(&name, &answer).await?)
    }

    async fn ask<R>(
        &self,
        endpoint: Endpoint,
        request: R,
    ) -> Result<R::IncomingResponse, DeviceError>
    where
        R: super::client::ClientRequest,
    {
        let who = As::Device(self.user(), self.device());
        match self.homeserver.ask(endpoint, who, request).await {
            Err(error) if error.errcode() == Some("M_UNKNOWN_DEVICE") => Err(DeviceError::Unknown),
            answer => Ok(answer?),
        }
    }
}

impl Turn<'_> {
    /// Takes in what a `/sync` of the device brought, and returns the sessions whose keys came.
    /// Only saves: [`OwnDevice::catch_up`] answers what it asks for.
    ///
    /// The library saves in pieces, and keeps in memory what it could not save. Whoever calls this
    /// makes the pieces one, and says [`saved`](Self::saved) before the turn ends; without it the
    /// device is of no more use.
    pub async fn take_in(&mut self, news: DeviceNews) -> Result<Vec<RoomKey>, DeviceError> {
        self.is_unsaved = true;
        self.device.take(&mut self.state, news).await
    }

    /// What was taken in is saved.
    pub fn saved(mut self) {
        self.is_unsaved = false;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_unsaved {
            self.device.is_outdated.store(true, Ordering::Release);
        }
    }
}

impl State {
    /// Whether the last session of a room is known to everybody it is for, and not used up.
    fn is_shared(&self, audience: &Audience<'_>) -> bool {
        self.shared.get(audience.room.as_str()).is_some_and(|shared| {
            shared.trust == audience.trust
                && shared.pins == *audience.pins
                && shared.rotation == audience.rotation
                && shared.members == *audience.members
                && !shared.session.is_up(audience.rotation, shared.since.elapsed())
        })
    }
}

/// The keys of a user's device with the signatures of both copies; `None` when one cannot be read.
fn with_signatures(keys: &RawValue, signed: &RawValue, user: &UserId) -> Option<Box<RawValue>> {
    let mut keys: Value = serde_json::from_str(keys.get()).ok()?;
    let mut signed: Value = serde_json::from_str(signed.get()).ok()?;
    let of_user = |keys: &mut Value| {
        keys.get_mut("signatures")?.get_mut(user.as_str())?.as_object_mut().map(std::mem::take)
    };
    let mut signatures = of_user(&mut keys)?;
    signatures.extend(of_user(&mut signed)?);
    *keys.get_mut("signatures")?.get_mut(user.as_str())? = Value::Object(signatures);
    to_raw_value(&keys).ok()
}

/// The library's futures are large, and hide what they borrow behind their type.
fn boxed<'f, T>(
    future: impl Future<Output = T> + Send + 'f,
) -> Pin<Box<dyn Future<Output = T> + Send + 'f>> {
    Box::pin(future)
}

fn decryption_settings(trust: Trust) -> DecryptionSettings {
    DecryptionSettings {
        sender_device_trust_requirement: match trust {
            Trust::CrossSigned => TrustRequirement::CrossSigned,
            Trust::AnyDevice => TrustRequirement::Untrusted,
        },
    }
}

/// Whether the event's sender owns the session, as far as devices tell; more than that is the
/// policy's matter.
fn is_believed(state: &matrix_sdk_common::deserialized_responses::VerificationState) -> bool {
    use matrix_sdk_common::deserialized_responses::{VerificationLevel, VerificationState};
    match state {
        VerificationState::Verified
        | VerificationState::Unverified(
            VerificationLevel::UnverifiedIdentity | VerificationLevel::UnsignedDevice,
        ) => true,
        VerificationState::Unverified(
            VerificationLevel::VerificationViolation
            | VerificationLevel::None(_)
            | VerificationLevel::MismatchedSender,
        ) => false,
    }
}
