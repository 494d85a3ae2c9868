//! A device of one of our users: its keys, and what is encrypted and decrypted with them.
//!
//! Each of our users speaks from its own device, cross-signed by its own identity: clients do not
//! trust an event whose sender does not own the Megolm session. A device only does what it is told:
//! other modules decide which device a user has, and who is in a room.

mod attachment;
mod error;
mod identity;
mod publishing;
mod questions;
mod reading;
mod sharing;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use matrix_sdk_crypto::{EncryptionSyncChanges, OlmMachine, store::CryptoStore};
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedUserId, UInt, UserId,
    api::client::sync::sync_events::DeviceLists, events::AnyToDeviceEvent, serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use tokio::sync::{Mutex, MutexGuard};

pub use attachment::{AttachmentError, Spooled, Upload};
pub(super) use attachment::{Spooling, encrypting};
pub use error::DeviceError;
pub use identity::SeenMembers;
pub use reading::{Decrypted, SessionPlace};
pub use sharing::{Audience, EncryptedContent, Rotation};

use self::{reading::decryption_settings, sharing::SharedSession};
use super::Homeserver;
use crate::model::Trust;

/// What a `/sync` brought for a device.
#[derive(Debug, Clone, Default)]
pub struct DeviceNews {
    pub to_device: Vec<Raw<AnyToDeviceEvent>>,
    /// Users whose devices may have changed. A user who comes into one more room with us is among
    /// them.
    pub changed: Vec<OwnedUserId>,
    /// Users who share no room with us any more: nothing tells us now what becomes of their
    /// devices.
    pub left: Vec<OwnedUserId>,
    /// One-time keys the homeserver still has, if it says so.
    pub one_time_keys: BTreeMap<OneTimeKeyAlgorithm, UInt>,
    /// Algorithms with an unused fallback key, if the homeserver says so.
    pub unused_fallback_keys: Option<Vec<OneTimeKeyAlgorithm>>,
    pub next_batch: String,
}

/// A Megolm session whose key has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomKey {
    pub room_id: String,
    pub session_id: String,
}

/// Members none of whose devices is signed, each with a mark of exactly these devices.
pub type LockedOut = BTreeMap<OwnedUserId, String>;

/// Another user's device.
type Peer = (OwnedUserId, DeviceIdOrAllDevices);

/// What a device does one at a time.
#[derive(Debug, Default)]
struct OwnDeviceState {
    /// By room: the session that was shared last, as long as no device of a member changed.
    shared: BTreeMap<String, SharedSession>,
    /// By room: members who have devices and were given no key when a session was last shared with
    /// trusted devices only, until they were told. Other devices of the same members do not change
    /// it.
    untold: BTreeMap<String, LockedOut>,
    /// Devices that were led to ask for our identity since the start.
    introduced_to: BTreeSet<Peer>,
    /// Devices that got a key of ours since the start, and were not led to ask yet.
    strangers: BTreeSet<Peer>,
    /// Whether every one-time key that waits to be uploaded was made since the homeserver last said
    /// what it has: then none of them can be there already.
    is_checked: bool,
}

/// One of our devices with its keys.
#[derive(Debug)]
pub struct OwnDevice {
    olm: OlmMachine,
    homeserver: Homeserver,
    state: Mutex<OwnDeviceState>,
    /// Something was taken in and never saved: a key that is used in memory alone would be used
    /// once more.
    is_outdated: AtomicBool,
}

/// The right to change what a device remembers; no other task does meanwhile.
#[derive(Debug)]
pub struct DeviceTurn<'a> {
    device: &'a OwnDevice,
    state: MutexGuard<'a, OwnDeviceState>,
    is_unsaved: bool,
}

impl OwnDevice {
    /// Opens a device with the keys in `store`, or with new ones if there are none. Asks the
    /// homeserver nothing.
    pub async fn open(
        homeserver: &Homeserver,
        user: &UserId,
        device: &DeviceId,
        store: Arc<impl CryptoStore + 'static>,
    ) -> Result<Self, DeviceError> {
        let is_new = store.load_account().await.map_err(Into::into)?.is_none();
        let olm = OlmMachine::with_store(user, device, store, None).await?;
        let state = OwnDeviceState { is_checked: is_new, ..OwnDeviceState::default() };
        let (state, is_outdated) = (Mutex::new(state), AtomicBool::new(false));
        Ok(Self { olm, homeserver: homeserver.clone(), state, is_outdated })
    }

    pub fn user(&self) -> &UserId {
        self.olm.user_id()
    }

    pub fn device(&self) -> &DeviceId {
        self.olm.device_id()
    }

    /// Waits until no other task changes what the device remembers.
    ///
    /// Fails with [`DeviceError::Outdated`] once something was taken in and not saved.
    pub async fn turn(&self) -> Result<DeviceTurn<'_>, DeviceError> {
        let state = self.state.lock().await;
        if self.is_outdated() {
            return Err(DeviceError::Outdated);
        }
        Ok(DeviceTurn { device: self, state, is_unsaved: false })
    }

    /// Whether it has to be opened again.
    pub fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Acquire)
    }

    /// Asks and answers until there is nothing more to say about keys.
    pub async fn catch_up(&self) -> Result<(), DeviceError> {
        self.settle(&mut self.turn().await?.state).await
    }

    /// A user's devices changed, as another device of ours has heard.
    pub async fn heard_of_changes(&self, users: &[OwnedUserId]) -> Result<(), DeviceError> {
        let news = DeviceNews { changed: users.to_vec(), ..DeviceNews::default() };
        self.take(&mut self.turn().await?.state, news).await.map(|_| ())
    }

    /// A user came into a room of ours a moment ago. Nothing reports the devices of a user who shared
    /// no room with us: they are asked for before anything is said to that user.
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

    /// Everybody's devices may have changed: nothing told us what happened meanwhile.
    pub async fn lost_track(&self) -> Result<(), DeviceError> {
        self.state.lock().await.shared.clear();
        Ok(self.olm.mark_all_tracked_users_as_dirty().await?)
    }

    async fn take(
        &self,
        state: &mut OwnDeviceState,
        news: DeviceNews,
    ) -> Result<Vec<RoomKey>, DeviceError> {
        let mut changed = DeviceLists::new();
        changed.changed = news.changed.into_iter().chain(news.left).collect();
        // Only we change our own device. What strangers to a room do does not concern it: each new
        // ghost is such a stranger to all rooms but its own.
        let is_changed = |user: &OwnedUserId| user != self.user() && changed.changed.contains(user);
        state.shared.retain(|_, shared| !shared.members.iter().any(is_changed));
        let next_batch = (!news.next_batch.is_empty()).then_some(news.next_batch);
        let changes = EncryptionSyncChanges {
            to_device_events: news.to_device,
            changed_devices: &changed,
            one_time_keys_counts: &news.one_time_keys,
            unused_fallback_keys: news.unused_fallback_keys.as_deref(),
            next_batch_token: next_batch,
        };
        // The trust setting is applied when an event is decrypted, room by room.
        let settings = decryption_settings(Trust::AnyDevice);
        let (_, keys) = self.olm.receive_sync_changes(changes, &settings).await?;
        Ok(keys
            .into_iter()
            .map(|key| RoomKey { room_id: key.room_id.to_string(), session_id: key.session_id })
            .collect())
    }
}

impl DeviceTurn<'_> {
    /// Takes in what a `/sync` of the device brought, and returns the sessions whose keys came.
    /// Only saves: [`OwnDevice::catch_up`] answers what it asks for.
    ///
    /// The library saves in pieces, and keeps in memory what it could not save. The caller makes
    /// the pieces one, and says [`saved`](Self::saved) before the turn ends; without that the
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

impl Drop for DeviceTurn<'_> {
    fn drop(&mut self) {
        if self.is_unsaved {
            self.device.is_outdated.store(true, Ordering::Release);
        }
    }
}

/// The library's futures are large, and hide what they borrow behind their type.
fn boxed<'f, T>(
    future: impl Future<Output = T> + Send + 'f,
) -> Pin<Box<dyn Future<Output = T> + Send + 'f>> {
    Box::pin(future)
}
