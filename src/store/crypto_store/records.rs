//! Sealed values by kind and name: what a device keeps for itself.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk_crypto::{
    Session,
    olm::{OlmMessageHash, OutboundGroupSession},
    store::types::Changes,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use zeroize::Zeroizing;

use super::{DeviceStore, DeviceStoreError, error::unless_damaged};
use crate::store::{DeviceRow, seal::Purpose};

/// How many bytes of the digest of its place precede a sealed value. It only guards against rows
/// that were moved: an attacker cannot choose what the digest is made of.
const PLACE_BYTES: usize = 16;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordKind {
    Account,
    /// The private keys of the cross-signing identity.
    Identity,
    /// An Olm session, below the peer's Curve25519 key.
    OlmSession,
    /// The Megolm session we use to send in a room.
    SendingSession,
    /// Users who would not give us the key of a session, below its room.
    Withheld,
    /// A request for a secret, below what it asks for.
    SecretRequest,
    /// A secret that came, below what it is.
    Secret,
    RoomSettings,
    /// Keys of a room's past that a user offered, below the room.
    KeyBundle,
    /// A room we joined, whose past we may be offered.
    AwaitedKeyBundle,
    /// A room all of whose keys were fetched from the backup.
    FetchedRoom,
    BackupKey,
    BackupVersion,
    DehydratedDeviceKey,
    NextBatch,
    /// What the encryption library keeps under a word of its own choice.
    Custom,
}

impl RecordKind {
    /// Is in the database and is bound into what is sealed: never to be changed.
    fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Identity => "identity",
            Self::OlmSession => "olm_session",
            Self::SendingSession => "sending_session",
            Self::Withheld => "withheld",
            Self::SecretRequest => "secret_request",
            Self::Secret => "secret",
            Self::RoomSettings => "room_settings",
            Self::KeyBundle => "key_bundle",
            Self::AwaitedKeyBundle => "awaited_key_bundle",
            Self::FetchedRoom => "fetched_room",
            Self::BackupKey => "backup_key",
            Self::BackupVersion => "backup_version",
            Self::DehydratedDeviceKey => "dehydrated_device_key",
            Self::NextBatch => "next_batch",
            Self::Custom => "custom",
        }
    }
}

/// The place of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordPlace {
    kind: RecordKind,
    part_of: Vec<u8>,
    name: Vec<u8>,
}

impl RecordPlace {
    /// For a kind that a device has only once.
    pub(super) fn only(kind: RecordKind) -> Self {
        Self { kind, part_of: Vec::new(), name: Vec::new() }
    }

    pub(super) fn named(kind: RecordKind, name: &str) -> Self {
        Self { kind, part_of: Vec::new(), name: digest(name) }
    }

    pub(super) fn within(kind: RecordKind, part_of: &str, name: &str) -> Self {
        Self { kind, part_of: digest(part_of), name: digest(name) }
    }
}

/// The key for a name that others chose.
pub(super) fn digest(name: &str) -> Vec<u8> {
    Sha256::digest(name.as_bytes()).to_vec()
}

/// The key of a message that was read.
pub(super) fn message_digest(message: &OlmMessageHash) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in [&message.sender_key, &message.hash] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// Records to be put and removed in one transaction.
#[derive(Default)]
pub(super) struct RecordChanges {
    put: BTreeMap<RecordPlace, Vec<u8>>,
    remove: BTreeSet<RecordPlace>,
}

impl RecordChanges {
    /// Of two values for one place the later one stays.
    pub(super) fn put(
        &mut self,
        store: &DeviceStore,
        place: RecordPlace,
        value: &impl Serialize,
    ) -> Result<(), DeviceStoreError> {
        let sealed = store.close(place.kind.word(), &[&place.part_of, &place.name], value)?;
        self.put.insert(place, sealed);
        Ok(())
    }

    /// Adds one more secret to those of its name.
    fn add_secret(
        &mut self,
        store: &DeviceStore,
        secret_name: &str,
        secret: &str,
    ) -> Result<(), DeviceStoreError> {
        // A distinct number for each, so that none replaces another; it says nothing about the
        // secret.
        let number = uuid::Uuid::new_v4().to_string();
        self.put(store, RecordPlace::within(RecordKind::Secret, secret_name, &number), &secret)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }

    /// Takes in the records in `changes`.
    pub(super) async fn collect(
        &mut self,
        store: &DeviceStore,
        changes: &Changes,
    ) -> Result<(), DeviceStoreError> {
        if let Some(identity) = &changes.private_identity {
            self.put(store, RecordPlace::only(RecordKind::Identity), &identity.pickle().await)?;
        }
        if let Some(key) = &changes.backup_decryption_key {
            self.put(store, RecordPlace::only(RecordKind::BackupKey), key)?;
        }
        if let Some(version) = &changes.backup_version {
            self.put(store, RecordPlace::only(RecordKind::BackupVersion), version)?;
        }
        if let Some(key) = &changes.dehydrated_device_pickle_key {
            self.put(store, RecordPlace::only(RecordKind::DehydratedDeviceKey), key)?;
        }
        if let Some(token) = &changes.next_batch_token {
            self.put(store, RecordPlace::only(RecordKind::NextBatch), token)?;
        }
        self.collect_sessions(store, &changes.sessions, &changes.outbound_group_sessions).await?;
        for request in &changes.key_requests {
            let place = RecordPlace::within(
                RecordKind::SecretRequest,
                &request.info.as_key(),
                request.request_id.as_str(),
            );
            self.put(store, place, request)?;
        }
        for secret in &changes.secrets {
            self.add_secret(store, secret.secret_name.as_str(), &secret.secret)?;
        }
        for (room, sessions) in &changes.withheld_session_info {
            for (session, entry) in sessions {
                let place = RecordPlace::within(RecordKind::Withheld, room.as_str(), session);
                self.put(store, place, entry)?;
            }
        }
        self.collect_rooms(store, changes)
    }

    async fn collect_sessions(
        &mut self,
        store: &DeviceStore,
        sessions: &[Session],
        sending: &[OutboundGroupSession],
    ) -> Result<(), DeviceStoreError> {
        for session in sessions {
            let peer = session.sender_key().to_base64();
            let place = RecordPlace::within(RecordKind::OlmSession, &peer, session.session_id());
            self.put(store, place, &session.pickle().await)?;
        }
        for session in sending {
            let place = RecordPlace::named(RecordKind::SendingSession, session.room_id().as_str());
            self.put(store, place, &session.pickle().await)?;
        }
        Ok(())
    }

    fn collect_rooms(
        &mut self,
        store: &DeviceStore,
        changes: &Changes,
    ) -> Result<(), DeviceStoreError> {
        for (room, settings) in &changes.room_settings {
            self.put(store, RecordPlace::named(RecordKind::RoomSettings, room.as_str()), settings)?;
        }
        for bundle in &changes.received_room_key_bundles {
            let (room, sender) = (&bundle.bundle_data.room_id, &bundle.sender_user);
            let place = RecordPlace::within(RecordKind::KeyBundle, room.as_str(), sender.as_str());
            self.put(store, place, bundle)?;
        }
        for room in &changes.room_key_backups_fully_downloaded {
            self.put(store, RecordPlace::named(RecordKind::FetchedRoom, room.as_str()), &())?;
        }
        for (room, details) in &changes.rooms_pending_key_bundle {
            let place = RecordPlace::named(RecordKind::AwaitedKeyBundle, room.as_str());
            match details {
                Some(details) => self.put(store, place, details)?,
                None => _ = self.remove.insert(place),
            }
        }
        Ok(())
    }

    /// Puts and removes, each in one statement. No place is in both.
    pub(super) async fn apply(
        self,
        connection: &mut PgConnection,
        device: DeviceRow,
    ) -> Result<(), DeviceStoreError> {
        if !self.remove.is_empty() {
            let (kinds, parts, names) = columns(self.remove.into_iter());
            sqlx::query!(
                "delete from crypto_records as record
                 using unnest($2::text[], $3::bytea[], $4::bytea[]) as old (kind, part_of, name)
                 where record.device = $1
                   and record.kind = old.kind
                   and record.part_of = old.part_of
                   and record.name = old.name",
                device.0,
                &kinds,
                &parts,
                &names,
            )
            .execute(&mut *connection)
            .await?;
        }
        if !self.put.is_empty() {
            let (places, sealed): (Vec<_>, Vec<_>) = self.put.into_iter().unzip();
            let (kinds, parts, names) = columns(places.into_iter());
            sqlx::query!(
                "insert into crypto_records (device, kind, part_of, name, sealed)
                 select $1, kind, part_of, name, sealed
                 from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[])
                     as new (kind, part_of, name, sealed)
                 on conflict (device, kind, part_of, name) do update
                 set sealed = excluded.sealed",
                device.0,
                &kinds,
                &parts,
                &names,
                &sealed,
            )
            .execute(connection)
            .await?;
        }
        Ok(())
    }
}

/// Places as the arrays a statement takes.
fn columns(places: impl Iterator<Item = RecordPlace>) -> (Vec<String>, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut kinds, mut parts, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        kinds.push(place.kind.word().to_owned());
        parts.push(place.part_of);
        names.push(place.name);
    }
    (kinds, parts, names)
}

/// Reading and changing single records.
impl DeviceStore {
    pub(super) async fn record<T: DeserializeOwned>(
        &self,
        place: &RecordPlace,
    ) -> Result<Option<T>, DeviceStoreError> {
        let sealed = sqlx::query_scalar!(
            "select sealed
             from crypto_records
             where device = $1
               and kind = $2
               and part_of = $3
               and name = $4",
            self.device.0,
            place.kind.word(),
            place.part_of,
            place.name,
        )
        .fetch_optional(&mut *self.rows().await?)
        .await?;
        sealed.map(|sealed| self.open_record(place, &sealed)).transpose()
    }

    /// All records of a kind.
    pub(super) async fn records<T: DeserializeOwned>(
        &self,
        kind: RecordKind,
    ) -> Result<Vec<T>, DeviceStoreError> {
        let rows = sqlx::query!(
            "select part_of, name, sealed
             from crypto_records
             where device = $1
               and kind = $2",
            self.device.0,
            kind.word(),
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                self.open_record(
                    &RecordPlace { kind, part_of: row.part_of, name: row.name },
                    &row.sealed,
                )
            })
            .collect()
    }

    /// The records of a kind below `part_of`.
    pub(super) async fn records_within<T: DeserializeOwned>(
        &self,
        kind: RecordKind,
        part_of: &str,
    ) -> Result<Vec<T>, DeviceStoreError> {
        let part_of = digest(part_of);
        let rows = sqlx::query!(
            "select name, sealed
             from crypto_records
             where device = $1
               and kind = $2
               and part_of = $3",
            self.device.0,
            kind.word(),
            part_of,
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        rows.into_iter()
            .filter_map(|row| {
                let place = RecordPlace { kind, part_of: part_of.clone(), name: row.name };
                unless_damaged("crypto_records", self.open_record(&place, &row.sealed)).transpose()
            })
            .collect()
    }

    /// A record by its name, whatever it is below.
    pub(super) async fn record_anywhere<T: DeserializeOwned>(
        &self,
        kind: RecordKind,
        name: &str,
    ) -> Result<Option<T>, DeviceStoreError> {
        let name = digest(name);
        let row = sqlx::query!(
            "select part_of, sealed
             from crypto_records
             where device = $1
               and kind = $2
               and name = $3
             limit 1",
            self.device.0,
            kind.word(),
            name,
        )
        .fetch_optional(&mut *self.rows().await?)
        .await?;
        row.map(|row| {
            self.open_record(&RecordPlace { kind, part_of: row.part_of, name }, &row.sealed)
        })
        .transpose()
    }

    /// Puts one record in a separate transaction.
    pub(super) async fn put_record(
        &self,
        place: RecordPlace,
        value: &impl Serialize,
    ) -> Result<(), DeviceStoreError> {
        let mut changes = RecordChanges::default();
        changes.put(self, place, value)?;
        changes.apply(&mut *self.rows().await?, self.device).await
    }

    pub(super) async fn remove_record(&self, place: RecordPlace) -> Result<(), DeviceStoreError> {
        let changes = RecordChanges { remove: BTreeSet::from([place]), ..Default::default() };
        changes.apply(&mut *self.rows().await?, self.device).await
    }

    /// Removes the records of a kind that have this name, or are below it.
    pub(super) async fn remove_records(
        &self,
        kind: RecordKind,
        name: &str,
    ) -> Result<(), DeviceStoreError> {
        sqlx::query!(
            "delete from crypto_records
             where device = $1
               and kind = $2
               and (name = $3 or part_of = $3)",
            self.device.0,
            kind.word(),
            digest(name),
        )
        .execute(&mut *self.rows().await?)
        .await?;
        Ok(())
    }

    fn open_record<T: DeserializeOwned>(
        &self,
        place: &RecordPlace,
        sealed: &[u8],
    ) -> Result<T, DeviceStoreError> {
        self.open(place.kind.word(), &[&place.part_of, &place.name], sealed)
    }
}

/// Sealing, bound to the place of a row.
impl DeviceStore {
    /// Seals a value for the row that `kind` and `names` name.
    pub(super) fn close(
        &self,
        kind: &str,
        names: &[&[u8]],
        value: &impl Serialize,
    ) -> Result<Vec<u8>, DeviceStoreError> {
        let mut plain = Zeroizing::new(self.place(kind, names));
        serde_json::to_writer(&mut *plain, value)?;
        Ok(self.seal.close(Purpose::CryptoSecret, &plain))
    }

    /// Opens what was sealed for this row, and nothing else.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        kind: &str,
        names: &[&[u8]],
        sealed: &[u8],
    ) -> Result<T, DeviceStoreError> {
        let plain = Zeroizing::new(self.seal.open(Purpose::CryptoSecret, sealed)?);
        let value =
            plain.strip_prefix(&*self.place(kind, names)).ok_or(DeviceStoreError::Misplaced)?;
        Ok(serde_json::from_slice(value)?)
    }

    /// What binds a sealed value to its row.
    fn place(&self, kind: &str, names: &[&[u8]]) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest.update(self.device.0.to_be_bytes());
        for part in [kind.as_bytes()].iter().chain(names) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().iter().take(PLACE_BYTES).copied().collect()
    }
}
