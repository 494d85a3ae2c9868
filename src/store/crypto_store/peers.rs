//! The devices and identities of others, and which users are tracked.
//!
//! What others publish is the same for all our devices, and is stored once, by its SHA-256. What
//! one of our devices thinks of them (trust, first seen, tries to repair) is sealed in a separate
//! row, bound to exactly these keys: a row that is given other keys is noticed.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk_crypto::{
    DeviceData, TrackedUser, UserIdentityData,
    store::types::{DeviceChanges, IdentityChanges},
};
use ruma::{DeviceId, UserId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::{DeviceStore, DeviceStoreError, error::unless_damaged, records::digest};
use crate::store::{DeviceRow, Store, StoreError};

/// Bound into what is sealed: never to be changed.
const DEVICE: &str = "peer_device";
const IDENTITY: &str = "peer_identity";

/// The fields of a device that its owner publishes.
const DEVICE_KEYS: [&str; 1] = ["device_keys"];
/// The fields of an identity that its owner publishes. The pinned key is the master key that was
/// seen first: nearly always the same.
const IDENTITY_KEYS: [&str; 4] =
    ["master_key", "self_signing_key", "user_signing_key", "pinned_master_key"];

/// What others publish, and what one of our devices thinks of it.
struct PeerRecord {
    sha256: Vec<u8>,
    keys: Vec<u8>,
    sealed: Vec<u8>,
}

/// Peers to be saved and removed in one transaction.
#[derive(Default)]
pub(super) struct PeerChanges {
    /// By user and name.
    devices: BTreeMap<(String, Vec<u8>), PeerRecord>,
    removed: BTreeSet<(String, Vec<u8>)>,
    /// By user.
    identities: BTreeMap<String, PeerRecord>,
}

impl PeerChanges {
    pub(super) fn collect(
        store: &DeviceStore,
        devices: &DeviceChanges,
        identities: &IdentityChanges,
    ) -> Result<Self, DeviceStoreError> {
        let mut changes = Self::default();
        for device in devices.new.iter().chain(&devices.changed) {
            let key = device_key(device);
            let names = [key.0.as_bytes(), key.1.as_slice()];
            let split = store.split(DEVICE, &names, device, &DEVICE_KEYS)?;
            changes.devices.insert(key, split);
        }
        for device in &devices.deleted {
            let key = device_key(device);
            changes.devices.remove(&key);
            changes.removed.insert(key);
        }
        for identity in identities.new.iter().chain(&identities.changed) {
            let user = identity.user_id().as_str();
            let split = store.split(IDENTITY, &[user.as_bytes()], identity, &IDENTITY_KEYS)?;
            changes.identities.insert(user.to_owned(), split);
        }
        Ok(changes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.removed.is_empty() && self.identities.is_empty()
    }

    pub(super) async fn apply(
        self,
        connection: &mut PgConnection,
        device: DeviceRow,
    ) -> Result<(), DeviceStoreError> {
        self.save_keys(connection).await?;
        if !self.removed.is_empty() {
            let (users, names): (Vec<_>, Vec<_>) = self.removed.into_iter().unzip();
            sqlx::query!(
                "delete from crypto_peer_devices as peer
                 using unnest($2::text[], $3::bytea[]) as old (user_id, name)
                 where peer.device = $1
                   and peer.user_id = old.user_id
                   and peer.name = old.name",
                device.0,
                &users,
                &names,
            )
            .execute(&mut *connection)
            .await?;
        }
        if !self.devices.is_empty() {
            let (places, splits): (Vec<_>, Vec<_>) = self.devices.into_iter().unzip();
            let (users, names): (Vec<_>, Vec<_>) = places.into_iter().unzip();
            let (keys, sealed) = columns(splits);
            sqlx::query!(
                "insert into crypto_peer_devices (device, user_id, name, keys, sealed)
                 select $1, user_id, name, keys, sealed
                 from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[])
                     as new (user_id, name, keys, sealed)
                 on conflict (device, user_id, name) do update
                 set keys = excluded.keys,
                     sealed = excluded.sealed",
                device.0,
                &users,
                &names,
                &keys,
                &sealed,
            )
            .execute(&mut *connection)
            .await?;
        }
        if !self.identities.is_empty() {
            let (users, splits): (Vec<_>, Vec<_>) = self.identities.into_iter().unzip();
            let (keys, sealed) = columns(splits);
            sqlx::query!(
                "insert into crypto_peer_identities (device, user_id, keys, sealed)
                 select $1, user_id, keys, sealed
                 from unnest($2::text[], $3::bytea[], $4::bytea[]) as new (user_id, keys, sealed)
                 on conflict (device, user_id) do update
                 set keys = excluded.keys,
                     sealed = excluded.sealed",
                device.0,
                &users,
                &keys,
                &sealed,
            )
            .execute(connection)
            .await?;
        }
        Ok(())
    }

    /// Saves what is published, unless it is there. In the same order everywhere, so that two tasks
    /// that learn the same at once do not wait in a circle.
    async fn save_keys(&self, connection: &mut PgConnection) -> Result<(), DeviceStoreError> {
        let splits = self.devices.values().chain(self.identities.values());
        let by_digest: BTreeMap<_, _> =
            splits.map(|split| (split.sha256.clone(), split.keys.clone())).collect();
        if by_digest.is_empty() {
            return Ok(());
        }
        let (digests, keys): (Vec<_>, Vec<_>) = by_digest.into_iter().unzip();
        sqlx::query!(
            "insert into crypto_public_keys (sha256, keys)
             select sha256, keys
             from unnest($1::bytea[], $2::bytea[]) with ordinality as new (sha256, keys, place)
             order by place
             on conflict (sha256) do nothing",
            &digests,
            &keys,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn device_key(device: &DeviceData) -> (String, Vec<u8>) {
    (device.user_id().as_str().to_owned(), digest(device.device_id().as_str()))
}

fn columns(splits: Vec<PeerRecord>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    splits.into_iter().map(|split| (split.sha256, split.sealed)).unzip()
}

/// Reading peers.
impl DeviceStore {
    pub(super) async fn peer_device(
        &self,
        user: &UserId,
        device: &DeviceId,
    ) -> Result<Option<DeviceData>, DeviceStoreError> {
        let name = digest(device.as_str());
        let row = sqlx::query!(
            "select public.keys, peer.sealed
             from crypto_peer_devices as peer
             join crypto_public_keys as public on public.sha256 = peer.keys
             where peer.device = $1
               and peer.user_id = $2
               and peer.name = $3",
            self.device.0,
            user.as_str(),
            name,
        )
        .fetch_optional(&mut *self.rows().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let device = self.join(DEVICE, &[user.as_bytes(), &name], &row.keys, &row.sealed);
        let device = unless_damaged("crypto_peer_devices", device)?;
        if device.is_none() {
            self.forget_peer_device(user, &name).await?;
        }
        Ok(device)
    }

    pub(super) async fn peer_devices(
        &self,
        user: &UserId,
    ) -> Result<Vec<DeviceData>, DeviceStoreError> {
        let rows = sqlx::query!(
            "select peer.name, public.keys, peer.sealed
             from crypto_peer_devices as peer
             join crypto_public_keys as public on public.sha256 = peer.keys
             where peer.device = $1
               and peer.user_id = $2",
            self.device.0,
            user.as_str(),
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        let mut devices = Vec::with_capacity(rows.len());
        for row in rows {
            let names: [&[u8]; 2] = [user.as_bytes(), &row.name];
            let device = self.join(DEVICE, &names, &row.keys, &row.sealed);
            match unless_damaged("crypto_peer_devices", device)? {
                Some(device) => devices.push(device),
                None => self.forget_peer_device(user, &row.name).await?,
            }
        }
        Ok(devices)
    }

    /// A damaged device is asked for again, and its damaged values are not met again.
    async fn forget_peer_device(&self, user: &UserId, name: &[u8]) -> Result<(), DeviceStoreError> {
        self.is_damaged(user);
        sqlx::query!(
            "delete from crypto_peer_devices
             where device = $1
               and user_id = $2
               and name = $3",
            self.device.0,
            user.as_str(),
            name,
        )
        .execute(&mut *self.rows().await?)
        .await?;
        Ok(())
    }

    pub(super) async fn peer_identity(
        &self,
        user: &UserId,
    ) -> Result<Option<UserIdentityData>, DeviceStoreError> {
        let row = sqlx::query!(
            "select public.keys, peer.sealed
             from crypto_peer_identities as peer
             join crypto_public_keys as public on public.sha256 = peer.keys
             where peer.device = $1
               and peer.user_id = $2",
            self.device.0,
            user.as_str(),
        )
        .fetch_optional(&mut *self.rows().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let identity = self.join(IDENTITY, &[user.as_bytes()], &row.keys, &row.sealed);
        let identity = unless_damaged("crypto_peer_identities", identity)?;
        if identity.is_none() {
            self.is_damaged(user);
            sqlx::query!(
                "delete from crypto_peer_identities where device = $1 and user_id = $2",
                self.device.0,
                user.as_str(),
            )
            .execute(&mut *self.rows().await?)
            .await?;
        }
        Ok(identity)
    }

    pub(super) async fn tracked_users(&self) -> Result<Vec<TrackedUser>, DeviceStoreError> {
        let rows = sqlx::query!(
            "select user_id, dirty from crypto_tracked_users where device = $1",
            self.device.0,
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                let user_id = UserId::parse(row.user_id).map_err(DeviceStoreError::unreadable)?;
                Ok(TrackedUser { user_id, dirty: row.dirty })
            })
            .collect()
    }

    pub(super) async fn track_users(
        &self,
        users: &[(&UserId, bool)],
    ) -> Result<(), DeviceStoreError> {
        let by_user: BTreeMap<&str, bool> =
            users.iter().map(|(user, dirty)| (user.as_str(), *dirty)).collect();
        let (users, dirty): (Vec<String>, Vec<bool>) =
            by_user.into_iter().map(|(user, dirty)| (user.to_owned(), dirty)).unzip();
        sqlx::query!(
            "-- In the order of `mark_users_dirty`, so that nobody waits in a circle.
             insert into crypto_tracked_users (device, user_id, dirty)
             select $1, user_id, dirty
             from unnest($2::text[], $3::boolean[]) as new (user_id, dirty)
             order by user_id
             on conflict (device, user_id) do update
             set dirty = excluded.dirty",
            self.device.0,
            &users,
            &dirty,
        )
        .execute(&mut *self.rows().await?)
        .await?;
        Ok(())
    }
}

/// Taking apart and putting together.
impl DeviceStore {
    /// Parts the `public` fields of a value from the rest, which is sealed for the row of `names`.
    fn split(
        &self,
        kind: &str,
        names: &[&[u8]],
        value: &impl Serialize,
        public: &[&str],
    ) -> Result<PeerRecord, DeviceStoreError> {
        let mut rest = serde_json::to_value(value)?;
        let mut keys = Map::new();
        if let Some(fields) = fields(&mut rest) {
            for name in public {
                keys.extend(fields.remove(*name).map(|field| ((*name).to_owned(), field)));
            }
        }
        let keys = serde_json::to_vec(&keys)?;
        let sha256 = Sha256::digest(&keys).to_vec();
        let sealed = self.close(kind, &[names, &[&sha256]].concat(), &rest)?;
        Ok(PeerRecord { sha256, keys, sealed })
    }

    /// The value that [`Self::split`] took apart.
    fn join<T: DeserializeOwned>(
        &self,
        kind: &str,
        names: &[&[u8]],
        keys: &[u8],
        sealed: &[u8],
    ) -> Result<T, DeviceStoreError> {
        // Of the stored content, not of the name it is filed under: altered keys do not open it.
        let sha256 = Sha256::digest(keys);
        let mut value: Value = self.open(kind, &[names, &[&sha256]].concat(), sealed)?;
        if let Some(fields) = fields(&mut value) {
            fields.extend(serde_json::from_slice::<Map<String, Value>>(keys)?);
        }
        Ok(serde_json::from_value(value)?)
    }
}

/// The fields of a device or an identity. Those of an identity are below `Own` or `Other`.
fn fields(value: &mut Value) -> Option<&mut Map<String, Value>> {
    let object = value.as_object_mut()?;
    let variant = ["Own", "Other"].into_iter().find(|name| object.contains_key(*name));
    match variant {
        Some(name) => object.get_mut(name)?.as_object_mut(),
        None => Some(object),
    }
}

impl Store {
    /// Removes published keys that no device of ours knows any more. Returns how many.
    pub async fn forget_unused_public_keys(&self) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // Waits for tasks that are about to refer to a row, and lets no new one begin.
        sqlx::query!("lock table crypto_public_keys in share row exclusive mode")
            .execute(&mut *transaction)
            .await?;
        let removed = sqlx::query!(
            "delete from crypto_public_keys as public
             where not exists (
                     select 1
                     from crypto_peer_devices
                     where keys = public.sha256
                 )
               and not exists (
                     select 1
                     from crypto_peer_identities
                     where keys = public.sha256
                 )",
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(removed)
    }
}
