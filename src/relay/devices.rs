//! The devices our users speak from. They are made when a user first speaks, loaded when needed,
//! dropped from memory when idle, and made again when their old keys can no longer be trusted.
//!
//! Each ghost encrypts with its own device; only the bot's device decrypts, for all. What the bot's
//! `/sync` tells of other people's devices reaches every device of ours, loaded or not.

mod news;
mod saying;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ruma::{OwnedDeviceId, OwnedUserId, RoomId, UserId};
use serde_json::Value;
use time::OffsetDateTime;
use tracing::{debug, info, warn};

pub(super) use news::bot_asks_for;
pub use news::receive;
pub(super) use saying::{Saying, say, who_could_read};

use super::{Ctx, Line, damage, identities, members, stop::Stop};
use crate::{
    matrix::{
        Decrypted, DeviceError, DeviceNews, ErrorKind, MatrixError, OwnDevice, RoomKey, Voice,
    },
    store::{Device, DeviceRow, DeviceState, DeviceStore, DeviceStoreError, StoreError},
};

/// A device that was unused for this long is dropped from memory; loading it again costs one
/// request and a few rows.
const IDLE_AFTER: Duration = Duration::from_secs(10 * 60);

/// Each inbox is looked into at least this often, so that nothing piles up at the homeserver.
const DRAIN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How many inboxes are looked into in one go.
const DRAIN_AT_ONCE: usize = 20;

/// What was read is remembered for this long after the homeserver was told that it need not repeat
/// it. The reserve is for clocks that differ: the database's clock notes when it was read.
const REMEMBER_READ: Duration = Duration::from_secs(7 * 24 * 3600);

/// Other users' public keys that no device needs any more are looked for this often: it takes a
/// lock, and there are few of them.
const FORGET_KEYS_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How many characters of a device id are random: they tell it from earlier ids.
const DEVICE_ID_RANDOM: usize = 10;

/// The keys of one of our devices could not be read, saved or brought to the homeserver. Nothing is
/// lost: it is done again.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Matrix(MatrixError),
    #[error("the keys of a device could not be used")]
    Device,
}

impl From<Stop> for KeysError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Store(error) => Self::Store(error),
            Stop::Matrix(error) => Self::Matrix(error),
            Stop::PortalGone
            | Stop::PostsFound
            | Stop::NotYet(_)
            | Stop::DeviceLost
            | Stop::Lost(_) => Self::Device,
        }
    }
}

/// The devices in memory.
#[derive(Debug)]
pub struct Devices {
    is_required: bool,
    slots: Mutex<BTreeMap<OwnedUserId, Arc<DeviceSlot>>>,
    /// Whether the keys in the database are known to be the current ones.
    has_begun: AtomicBool,
    /// The last copy count: changed one at a time, so that the homeserver's is never set back.
    copy_count: tokio::sync::Mutex<i64>,
    /// When unused public keys were last looked for.
    keys_forgotten_at: Mutex<Option<OffsetDateTime>>,
    /// By user: a mark of the keys about which all our devices were last told. The homeserver names
    /// everybody in a room that is new to us, whether their keys changed or not.
    told: Mutex<BTreeMap<OwnedUserId, String>>,
}

/// The device of one user, loaded or not.
#[derive(Debug, Default)]
struct DeviceSlot {
    device: tokio::sync::Mutex<Option<LoadedDevice>>,
    used_at: Mutex<Option<OffsetDateTime>>,
}

/// A device in memory, with its storage in the database.
#[derive(Debug, Clone)]
struct LoadedDevice {
    device: Arc<OwnDevice>,
    memory: Arc<DeviceStore>,
}

impl Devices {
    /// Without `is_required`, portals are not encrypted, and devices have no keys.
    pub fn new(is_required: bool) -> Self {
        Self {
            is_required,
            slots: Mutex::default(),
            has_begun: AtomicBool::new(false),
            copy_count: tokio::sync::Mutex::default(),
            keys_forgotten_at: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Whether portals are encrypted.
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// How many devices are in memory.
    pub fn loaded(&self) -> usize {
        self.slots().len()
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<OwnedUserId, Arc<DeviceSlot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, user: &UserId, now: OffsetDateTime) -> Arc<DeviceSlot> {
        let slot = self.slots().entry(user.to_owned()).or_default().clone();
        *slot.used_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        slot
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<OwnedUserId, String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every device of ours knows of these, or asks before it says anything to them.
    fn are_told(&self, marks: BTreeMap<OwnedUserId, String>, left: &[OwnedUserId]) {
        let mut told = self.told();
        told.extend(marks);
        told.retain(|user, _| !left.contains(user));
    }

    /// The users whose devices may be in memory.
    fn users(&self) -> Vec<OwnedUserId> {
        self.slots().keys().cloned().collect()
    }

    /// Whether it is time to look for unused public keys; if so, that is noted.
    fn forgets_keys_now(&self, now: OffsetDateTime) -> bool {
        let mut last = self.keys_forgotten_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last.is_none_or(|last| now >= last + FORGET_KEYS_EVERY);
        if is_time {
            *last = Some(now);
        }
        is_time
    }

    /// Drops from memory the devices that were unused since `before` and are unused now.
    fn drop_idle(&self, before: OffsetDateTime, keep: &UserId) {
        self.slots().retain(|user, slot| {
            let used_at = *slot.used_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_used = Arc::strong_count(slot) > 1
                || slot.device.try_lock().map_or(true, |device| {
                    device.as_ref().is_some_and(|d| Arc::strong_count(&d.device) > 1)
                });
            user == keep || is_used || used_at.is_none_or(|used_at| used_at >= before)
        });
    }
}

/// Before anything is said after a start: finds out whether the database is the current one, and makes
/// the bot's device ready.
///
/// An older copy of the database has keys that were used since, and no key may be used twice. It also
/// does not know what happened since. The homeserver holds a copy count that only grows; a database
/// that is behind it was restored. Then every device is made again. A start begins new Megolm sessions
/// in any case, because the copy count does not grow with what was said in the earlier ones.
pub async fn begin(ctx: &Ctx) -> Result<(), KeysError> {
    Ok(begin_with_keys(ctx).await?)
}

async fn begin_with_keys(ctx: &Ctx) -> Result<(), Stop> {
    let has_keys = ctx.devices.is_required;
    if has_keys {
        ctx.store.end_sending_sessions().await?;
        ctx.store.memberships_are_uncertain().await?;
    }
    let ours = ctx.store.copy_count().await?;
    if let Some(theirs) = ctx.homeserver.copy_count().await?.filter(|theirs| *theirs > ours) {
        if has_keys {
            warn!("The database is a copy from the past; every device is made again");
            metrics::counter!("umstieg_devices_made_anew_total").increment(1);
        } else {
            warn!("The database is a copy from the past");
        }
        ctx.store.begin_with_copy(theirs, has_keys, ctx.clock.now()).await?;
    }
    count_on(ctx).await?;
    if has_keys {
        device(ctx, ctx.homeserver.bot()).await?;
    }
    members::ask_anew(ctx).await?;
    ctx.devices.has_begun.store(true, Ordering::Release);
    Ok(())
}

/// Raises the copy count before the position after what people said is saved, so that an older copy
/// passes none of it on again. Where portals are encrypted, used-up keys raise the count.
pub async fn people_spoke(ctx: &Ctx) -> Result<(), KeysError> {
    if ctx.devices.is_required {
        return Ok(());
    }
    Ok(count_on(ctx).await?)
}

/// The homeserver refused the bot's device as unknown.
pub async fn renew_bot_device(ctx: &Ctx) -> Result<(), KeysError> {
    Ok(renew(ctx, ctx.homeserver.bot()).await?)
}

/// The device that follows `/sync`.
pub async fn bot_device(ctx: &Ctx) -> Result<OwnedDeviceId, KeysError> {
    Ok(device_id(ctx, ctx.homeserver.bot()).await?)
}

/// The device of one of our users as the homeserver knows it; made when there is none.
pub(super) async fn device_id(ctx: &Ctx, user: &UserId) -> Result<OwnedDeviceId, Stop> {
    if ctx.devices.is_required {
        return Ok(device(ctx, user).await?.device().to_owned());
    }
    let device = match live_device(ctx, user).await? {
        Some(device) => device,
        None => name(ctx, user).await?,
    };
    let id: OwnedDeviceId = device.device_id.as_str().into();
    if device.state == DeviceState::New {
        ctx.homeserver.ensure_device(user, &id).await?;
        ctx.store.device_is_ready(device.row, ctx.clock.now()).await?;
    }
    Ok(id)
}

/// A device was refused as unknown: it is made again, with unused keys.
pub(super) async fn renew(ctx: &Ctx, user: &UserId) -> Result<(), Stop> {
    if !ctx.devices.is_required {
        let id = device_id(ctx, user).await?;
        return Ok(ctx.homeserver.ensure_device(user, &id).await?);
    }
    let slot = ctx.devices.slot(user, ctx.clock.now());
    *slot.device.lock().await = None;
    // Loading finds out what the homeserver lacks.
    device(ctx, user).await.map(|_| ())
}

/// The device of one of our users with its keys.
pub(super) async fn device(ctx: &Ctx, user: &UserId) -> Result<Arc<OwnDevice>, Stop> {
    Ok(loaded(ctx, user).await?.device)
}

async fn loaded(ctx: &Ctx, user: &UserId) -> Result<LoadedDevice, Stop> {
    let slot = ctx.devices.slot(user, ctx.clock.now());
    let mut in_slot = slot.device.lock().await;
    if let Some(loaded) = in_slot.as_ref().filter(|loaded| !loaded.device.is_outdated()) {
        return Ok(loaded.clone());
    }
    let loaded = load(ctx, user).await?;
    *in_slot = Some(loaded.clone());
    Ok(loaded)
}

async fn load(ctx: &Ctx, user: &UserId) -> Result<LoadedDevice, Stop> {
    // Two tasks that load the same keys would use one of them twice.
    if !ctx.store.lease(&format!("device {user}")).await? {
        return Err(Stop::NotYet("other_node"));
    }
    let live = live_device(ctx, user).await?;
    if let Some(live) = live.filter(|live| live.state == DeviceState::Ready) {
        match open(ctx, user, &live).await {
            Ok(loaded) if loaded.device.is_known().await? => return Ok(loaded),
            Ok(_) => {
                warn!("The homeserver no longer has the keys of a device; another one is made")
            }
            Err(error) if is_damaged(&error) => {
                warn!("The keys of a device are damaged; another one is made");
            }
            Err(error) => return Err(error.into()),
        }
        metrics::counter!("umstieg_devices_made_anew_total").increment(1);
        ctx.store.retire_device(live.row).await?;
    }
    make(ctx, user).await
}

async fn open(ctx: &Ctx, user: &UserId, row: &Device) -> Result<LoadedDevice, DeviceError> {
    let memory = ctx.store.crypto_store(row.row);
    let id = row.device_id.as_str().into();
    let device = OwnDevice::open(&ctx.homeserver, user, id, memory.clone()).await?;
    Ok(LoadedDevice { device: Arc::new(device), memory })
}

/// Whether a device cannot be used any more, because what it stores is damaged.
fn is_damaged(error: &DeviceError) -> bool {
    matches!(error, DeviceError::Store(cause) if DeviceStoreError::is_damage_behind(cause))
}

/// Makes a device: named in the database, then at the homeserver, then with keys that everybody can
/// get. It may be interrupted anywhere; the next try goes on.
async fn make(ctx: &Ctx, user: &UserId) -> Result<LoadedDevice, Stop> {
    let row = match live_device(ctx, user).await? {
        Some(row) => row,
        None => name(ctx, user).await?,
    };
    let id: OwnedDeviceId = row.device_id.as_str().into();
    ctx.homeserver.ensure_device(user, &id).await?;
    let made = match open(ctx, user, &row).await {
        Err(error) if is_damaged(&error) => {
            ctx.store.retire_device(row.row).await?;
            return Err(Stop::DeviceLost);
        }
        made => made?,
    };
    let retired = ctx.store.retired_devices_of(user.as_str()).await?;
    // The last device that got as far as having an identity.
    let mut before = None;
    for retired in retired.iter().rev() {
        let device = match open(ctx, user, retired).await {
            // Its identity is lost; the one before may be left.
            Err(error) if is_damaged(&error) => continue,
            opened => opened?.device,
        };
        if device.has_identity().await {
            before = Some(device);
            break;
        }
    }
    made.device.publish(before.as_deref()).await?;
    // Including those that a restored database does not know.
    for other in ctx.homeserver.devices(user).await? {
        if other != id {
            ctx.homeserver.delete_device(user, &other).await?;
        }
    }
    ctx.store.device_is_ready(row.row, ctx.clock.now()).await?;
    for retired in retired {
        ctx.store.forget_device(retired.row).await?;
    }
    metrics::counter!("umstieg_devices_made_total").increment(1);
    info!("Made a device with its own keys");
    Ok(made)
}

/// The device a user speaks with, as the database has it. A device that cannot be read is never
/// used again, and the next use makes another.
pub(super) async fn live_device(ctx: &Ctx, user: &UserId) -> Result<Option<Device>, StoreError> {
    match ctx.store.live_device(user.as_str()).await {
        Err(StoreError::Damaged(damaged)) => {
            let Some(row) = damaged.row_of("devices") else { return Err(damaged.into()) };
            damage::tell(&damaged);
            ctx.store.retire_device(DeviceRow(row)).await?;
            Ok(None)
        }
        device => device,
    }
}

/// Names a device, at random and without a meaning (TIM-29).
async fn name(ctx: &Ctx, user: &UserId) -> Result<Device, StoreError> {
    let random: String =
        ctx.rng.uuid().simple().to_string().chars().take(DEVICE_ID_RANDOM).collect();
    let id = format!("UMSTIEG{}", random.to_uppercase());
    ctx.store.name_device(user.as_str(), &id, ctx.clock.now()).await
}

/// Raises the copy count, here and at the homeserver, before a key is used up.
async fn count_on(ctx: &Ctx) -> Result<(), Stop> {
    let mut last = ctx.devices.copy_count.lock().await;
    let count = ctx.store.grow_copy_count().await?;
    if count <= *last {
        // A standby that lagged has taken the database's place: its keys were used since, and the
        // next start notices that by the homeserver's copy count.
        ctx.store.doubt();
        return Err(Stop::NotYet("database_set_back"));
    }
    *last = count;
    Ok(ctx.homeserver.leave_copy_count(count).await?)
}

/// The homeserver lost one of our devices: the next use makes another one.
async fn lose(ctx: &Ctx, device: &OwnDevice) -> Result<(), StoreError> {
    let slot = ctx.devices.slot(device.user(), ctx.clock.now());
    let mut in_slot = slot.device.lock().await;
    // Unless another task noticed it as well.
    if in_slot.take_if(|now| now.device.device() == device.device()).is_some()
        && let Some(row) = live_device(ctx, device.user()).await?
        && row.device_id == device.device().as_str()
    {
        warn!("The homeserver has no keys, or other keys, for a device; another one is made");
        metrics::counter!("umstieg_devices_made_anew_total").increment(1);
        ctx.store.retire_device(row.row).await?;
    }
    Ok(())
}

/// Passes on how something done with a device ended; the next use replaces a lost device.
async fn unless_lost<T>(ctx: &Ctx, device: &OwnDevice, done: Result<T, Stop>) -> Result<T, Stop> {
    if matches!(done, Err(Stop::DeviceLost)) {
        lose(ctx, device).await?;
    }
    done
}

/// Decrypts an event of a portal with the bot's keys, and checks that its sender's identity is the
/// known one.
pub(super) async fn decrypt(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    event: &Value,
) -> Result<Decrypted, Stop> {
    let loaded = loaded(ctx, ctx.homeserver.bot()).await?;
    let decrypted = decrypt_once(ctx, line, &loaded.device, room, event).await?;
    if fetch_damaged(ctx, &loaded).await? {
        return decrypt_once(ctx, line, &loaded.device, room, event).await;
    }
    Ok(decrypted)
}

async fn decrypt_once(
    ctx: &Ctx,
    line: &Line,
    bot: &Arc<OwnDevice>,
    room: &RoomId,
    event: &Value,
) -> Result<Decrypted, Stop> {
    let decrypted = bot.decrypt(event, room, line.channel.trust).await;
    let decrypted = unless_lost(ctx, bot, decrypted.map_err(Stop::from)).await?;
    let judged = identities::judge(ctx, line, bot, room, event, decrypted).await;
    unless_lost(ctx, bot, judged).await
}

/// Asks the homeserver again for what was damaged of others' devices and identities. Returns whether
/// there was something: what was done without it is to be done once more.
async fn fetch_damaged(ctx: &Ctx, loaded: &LoadedDevice) -> Result<bool, Stop> {
    let users = loaded.memory.take_damaged();
    if users.is_empty() {
        return Ok(false);
    }
    warn!("Asking again for the keys of {} users, which were damaged", users.len());
    let fetched = async {
        loaded.device.heard_of_changes(&users).await?;
        loaded.device.catch_up().await
    };
    unless_lost(ctx, &loaded.device, fetched.await.map_err(Stop::from)).await?;
    Ok(true)
}

/// Asks for the key of an event of a portal.
pub(super) async fn ask_for_key(ctx: &Ctx, room: &RoomId, event: &Value) -> Result<(), Stop> {
    let bot = device(ctx, ctx.homeserver.bot()).await?;
    let asked = bot.ask_for_key(event, room).await;
    unless_lost(ctx, &bot, asked.map_err(Stop::from)).await
}

/// Takes in what came for a device: all of it, or nothing. A message opens a session once, and the
/// key in it must be saved by then. After that the device answers the requests it got.
async fn take_in(ctx: &Ctx, loaded: &LoadedDevice, news: DeviceNews) -> Result<Vec<RoomKey>, Stop> {
    let LoadedDevice { device, memory } = loaded;
    let taken_in = async {
        let mut turn = device.turn().await?;
        let step = memory.clone().begin_step().await?;
        let keys = turn.take_in(news).await?;
        step.commit().await?;
        turn.saved();
        device.catch_up().await?;
        Ok(keys)
    };
    unless_lost(ctx, device, taken_in.await).await
}

/// The position after what the bot's `/sync` brought is saved: the homeserver does not repeat what
/// came before it.
pub async fn forget_read_messages(ctx: &Ctx) -> Result<(), StoreError> {
    let Some(bot) = live_device(ctx, ctx.homeserver.bot()).await? else { return Ok(()) };
    ctx.store.forget_read_messages(bot.row, ctx.clock.now() - REMEMBER_READ).await?;
    Ok(())
}

/// Done now and then: reads inboxes that were not read for long, and drops unused devices.
pub async fn tidy(ctx: &Ctx) -> Result<(), StoreError> {
    // Keys of a restored database must not be touched before they are recognised as such.
    if !ctx.devices.is_required || !ctx.devices.has_begun.load(Ordering::Acquire) {
        return Ok(());
    }
    let now = ctx.clock.now();
    for row in ctx.store.devices_to_drain(now - DRAIN_EVERY, DRAIN_AT_ONCE).await? {
        let Ok(user) = OwnedUserId::try_from(row.user_id.as_str()) else { continue };
        // The bot's inbox is read all the time.
        if user == ctx.homeserver.bot() {
            continue;
        }
        ctx.store.drain_begins(row.row, now).await?;
        let drained = async {
            let loaded = loaded(ctx, &user).await?;
            drain(ctx, &loaded).await
        };
        match drained.await {
            Ok(()) => {}
            Err(Stop::Store(StoreError::Again(error))) => return Err(StoreError::Again(error)),
            Err(stop) => {
                debug!(cause = ?KeysError::from(stop), "An inbox could not be read");
            }
        }
    }
    if ctx.devices.forgets_keys_now(now) {
        ctx.store.forget_unused_public_keys().await?;
    }
    ctx.devices.drop_idle(now - IDLE_AFTER, ctx.homeserver.bot());
    metrics::gauge!("umstieg_devices_loaded")
        .set(f64::from(u32::try_from(ctx.devices.loaded()).unwrap_or(u32::MAX)));
    Ok(())
}

/// Reads a ghost's inbox.
async fn drain(ctx: &Ctx, loaded: &LoadedDevice) -> Result<(), Stop> {
    let device = &loaded.device;
    if device.user() == ctx.homeserver.bot() {
        return Ok(());
    }
    let Some(row) = live_device(ctx, device.user()).await? else { return Ok(()) };
    let voice = Voice { user: device.user(), device: device.device() };
    let news = match ctx.homeserver.inbox(voice, row.inbox_since.as_deref()).await {
        Err(error) if error.errcode() == Some("M_UNKNOWN_DEVICE") => {
            lose(ctx, device).await?;
            return Err(Stop::DeviceLost);
        }
        // The position does not matter: what was read is known, and what was not comes again.
        Err(error) if row.inbox_since.is_some() && error.kind() == ErrorKind::Never => {
            ctx.homeserver.inbox(voice, None).await?
        }
        news => news?,
    };
    let since = news.next_batch.clone();
    if !news.to_device.is_empty() {
        count_on(ctx).await?;
    }
    take_in(ctx, loaded, news).await?;
    let now = ctx.clock.now();
    ctx.store.save_inbox_position(row.row, &since, now).await?;
    ctx.store.forget_read_messages(row.row, now - REMEMBER_READ).await?;
    Ok(())
}
