//! What the encryption of one device has to remember: matrix-sdk-crypto's `CryptoStore` on Postgres.
//!
//! All devices of the gateway share one set of tables. A [`DeviceStore`] sees only the rows of its
//! own device. What is secret is sealed and bound to its row; what others publish is stored once for
//! all devices (see `peers`).
//!
//! A device belongs to one process at a time, and there to one `OlmMachine`: the library keeps
//! accounts and sessions in memory, and what it saves replaces what is here.

mod error;
mod peers;
mod records;
mod room_keys;
mod step;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use matrix_sdk_crypto::{
    Account, DeviceData, GossipRequest, SecretInfo, Session, TrackedUser, UserIdentityData,
    olm::{
        Curve25519PublicKey, InboundGroupSession, OlmMessageHash, OutboundGroupSession,
        PickledAccount, PickledCrossSigningIdentity, PickledOutboundGroupSession, PickledSession,
        PrivateCrossSigningIdentity, SenderDataType, StaticAccountData,
    },
    store::{
        CryptoStore,
        types::{
            BackupKeys, Changes, DehydratedDeviceKey, PendingChanges, RoomKeyCounts,
            RoomKeyWithheldEntry, RoomPendingKeyBundleDetails, RoomSettings,
            StoredRoomKeyBundleData,
        },
    },
    types::DeviceKeys,
};
use ruma::{
    DeviceId, OwnedDeviceId, OwnedUserId, RoomId, TransactionId, UserId,
    events::secret::request::SecretName,
};
use sqlx::Connection as _;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

pub use self::{error::DeviceStoreError, step::DeviceStep};
use self::{
    error::unless_damaged,
    peers::PeerChanges,
    records::{RecordChanges, RecordKind, RecordPlace, message_digest},
    room_keys::RoomKeyChanges,
    step::Steps,
};
use super::{DeviceRow, Store, seal::Seal};

/// The memory of one device's encryption.
pub struct DeviceStore {
    steps: Steps,
    seal: Seal,
    device: DeviceRow,
    /// The fixed part of the account, once it was loaded or saved.
    account: RwLock<Option<StaticAccountData>>,
    /// The device's own keys, which every Olm session holds a copy of.
    own_keys: RwLock<Option<DeviceKeys>>,
    /// One save at a time, so that the last save has the last state.
    saving: Mutex<()>,
    /// Users whose devices or identities were found damaged, and have to be asked for again.
    damaged: RwLock<BTreeSet<OwnedUserId>>,
}

impl fmt::Debug for DeviceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceStore").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Store {
    /// The memory of a device that is in `devices`, for one `OlmMachine`.
    pub fn crypto_store(&self, device: DeviceRow) -> Arc<DeviceStore> {
        Arc::new(DeviceStore {
            steps: Steps::new(self.pool.clone()),
            seal: self.seal.clone(),
            device,
            account: RwLock::default(),
            own_keys: RwLock::default(),
            saving: Mutex::default(),
            damaged: RwLock::default(),
        })
    }
}

impl DeviceStore {
    /// The fixed part of the account, if it was loaded or saved before. The library's conformance
    /// suite asks for it by this name.
    pub fn get_static_account(&self) -> Option<StaticAccountData> {
        read(&self.account)
    }

    /// Users of whom something damaged was found since this was last asked. The damaged value is gone;
    /// the homeserver has the original.
    pub fn take_damaged(&self) -> Vec<OwnedUserId> {
        let mut damaged = self.damaged.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *damaged).into_iter().collect()
    }

    fn is_damaged(&self, user: &UserId) {
        let mut damaged = self.damaged.write().unwrap_or_else(PoisonError::into_inner);
        damaged.insert(user.to_owned());
    }

    /// The same, loaded if it was not loaded before.
    async fn static_account(&self) -> Result<StaticAccountData, DeviceStoreError> {
        if let Some(account) = self.get_static_account() {
            return Ok(account);
        }
        let account = self.load_account().await?.ok_or(DeviceStoreError::NoAccount)?;
        Ok(account.static_data().clone())
    }

    async fn own_keys(&self) -> Result<DeviceKeys, DeviceStoreError> {
        if let Some(keys) = read(&self.own_keys) {
            return Ok(keys);
        }
        // Not during a save, which may concern these very users.
        let _turn = self.saving.lock().await;
        let keys = self.get_own_device().await?.as_device_keys().clone();
        write(&self.own_keys, Some(keys.clone()));
        Ok(keys)
    }

    /// Whether these changes touch the device's own keys.
    fn is_about_us(&self, changes: &Changes) -> bool {
        let Some(us) = self.get_static_account() else { return true };
        let devices = &changes.devices;
        devices
            .new
            .iter()
            .chain(&devices.changed)
            .chain(&devices.deleted)
            .any(|device| device.user_id() == us.user_id && device.device_id() == us.device_id)
    }
}

#[async_trait]
impl CryptoStore for DeviceStore {
    type Error = DeviceStoreError;

    async fn load_account(&self) -> Result<Option<Account>, Self::Error> {
        let pickle: Option<PickledAccount> =
            self.record(&RecordPlace::only(RecordKind::Account)).await?;
        let Some(pickle) = pickle else { return Ok(None) };
        let account = Account::from_pickle(pickle).map_err(DeviceStoreError::unreadable)?;
        write(&self.account, Some(account.static_data().clone()));
        Ok(Some(account))
    }

    async fn load_identity(&self) -> Result<Option<PrivateCrossSigningIdentity>, Self::Error> {
        let pickle: Option<PickledCrossSigningIdentity> =
            self.record(&RecordPlace::only(RecordKind::Identity)).await?;
        pickle
            .map(PrivateCrossSigningIdentity::from_pickle)
            .transpose()
            .map_err(DeviceStoreError::unreadable)
    }

    async fn save_changes(&self, changes: Changes) -> Result<(), Self::Error> {
        // Sessions change while they are used: they are read only when this save has its turn.
        let _turn = self.saving.lock().await;
        let mut records = RecordChanges::default();
        records.collect(self, &changes).await?;
        let room_keys = RoomKeyChanges::collect(self, &changes.inbound_group_sessions).await?;
        let peers = PeerChanges::collect(self, &changes.devices, &changes.identities)?;
        let messages: Vec<_> = changes.message_hashes.iter().map(message_digest).collect();

        let mut rows = self.rows().await?;
        let mut transaction = rows.begin().await?;
        if !records.is_empty() {
            records.apply(&mut transaction, self.device).await?;
        }
        if !room_keys.is_empty() {
            room_keys.apply(&mut transaction, self.device, None).await?;
        }
        if !peers.is_empty() {
            peers.apply(&mut transaction, self.device).await?;
        }
        if !messages.is_empty() {
            sqlx::query!(
                "insert into crypto_message_hashes (device, digest)
                 select $1, digest
                 from unnest($2::bytea[]) as new (digest)
                 on conflict do nothing",
                self.device.0,
                &messages,
            )
            .execute(&mut *transaction)
            .await?;
        }
        if self.is_about_us(&changes) {
            // Before the commit, whose outcome may remain unknown; a reader waits for its end.
            write(&self.own_keys, None);
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn save_pending_changes(&self, changes: PendingChanges) -> Result<(), Self::Error> {
        let _turn = self.saving.lock().await;
        let Some(account) = changes.account else { return Ok(()) };
        self.put_record(RecordPlace::only(RecordKind::Account), &account.pickle()).await?;
        write(&self.account, Some(account.static_data().clone()));
        Ok(())
    }

    async fn save_inbound_group_sessions(
        &self,
        sessions: Vec<InboundGroupSession>,
        backed_up_to_version: Option<&str>,
    ) -> Result<(), Self::Error> {
        let _turn = self.saving.lock().await;
        let changes = RoomKeyChanges::collect(self, &sessions).await?;
        if changes.is_empty() {
            return Ok(());
        }
        changes.apply(&mut *self.rows().await?, self.device, backed_up_to_version).await
    }

    async fn get_sessions(&self, sender_key: &str) -> Result<Option<Vec<Session>>, Self::Error> {
        let pickles: Vec<PickledSession> =
            self.records_within(RecordKind::OlmSession, sender_key).await?;
        if pickles.is_empty() {
            return Ok(None);
        }
        let keys = self.own_keys().await?;
        let session = |pickle| {
            let session = Session::from_pickle(keys.clone(), pickle);
            let read = session.map_err(DeviceStoreError::unreadable);
            unless_damaged("crypto_records", read).transpose()
        };
        let sessions: Vec<_> = pickles.into_iter().filter_map(session).collect::<Result<_, _>>()?;
        Ok((!sessions.is_empty()).then_some(sessions))
    }

    async fn get_inbound_group_session(
        &self,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Option<InboundGroupSession>, Self::Error> {
        self.room_key(room_id, session_id).await
    }

    async fn get_withheld_info(
        &self,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Option<RoomKeyWithheldEntry>, Self::Error> {
        self.record(&RecordPlace::within(RecordKind::Withheld, room_id.as_str(), session_id)).await
    }

    async fn get_withheld_sessions_by_room_id(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<RoomKeyWithheldEntry>, Self::Error> {
        self.records_within(RecordKind::Withheld, room_id.as_str()).await
    }

    async fn get_inbound_group_sessions(&self) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.room_keys(None).await
    }

    async fn inbound_group_session_counts(
        &self,
        backup_version: Option<&str>,
    ) -> Result<RoomKeyCounts, Self::Error> {
        self.count_room_keys(backup_version).await
    }

    async fn get_inbound_group_sessions_by_room_id(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.room_keys(Some(room_id)).await
    }

    async fn get_inbound_group_sessions_for_device_batch(
        &self,
        curve_key: Curve25519PublicKey,
        sender_data_type: SenderDataType,
        after_session_id: Option<String>,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.room_keys_of_sender(curve_key, sender_data_type, after_session_id.as_deref(), limit)
            .await
    }

    async fn inbound_group_sessions_for_backup(
        &self,
        backup_version: &str,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>, Self::Error> {
        self.room_keys_to_back_up(backup_version, limit).await
    }

    async fn mark_inbound_group_sessions_as_backed_up(
        &self,
        backup_version: &str,
        room_and_session_ids: &[(&RoomId, &str)],
    ) -> Result<(), Self::Error> {
        self.mark_room_keys_backed_up(backup_version, room_and_session_ids).await
    }

    async fn reset_backup_state(&self) -> Result<(), Self::Error> {
        // Every session says in which version of the backup it is: there is nothing to reset.
        Ok(())
    }

    async fn load_backup_keys(&self) -> Result<BackupKeys, Self::Error> {
        Ok(BackupKeys {
            decryption_key: self.record(&RecordPlace::only(RecordKind::BackupKey)).await?,
            backup_version: self.record(&RecordPlace::only(RecordKind::BackupVersion)).await?,
        })
    }

    async fn load_dehydrated_device_pickle_key(
        &self,
    ) -> Result<Option<DehydratedDeviceKey>, Self::Error> {
        self.record(&RecordPlace::only(RecordKind::DehydratedDeviceKey)).await
    }

    async fn delete_dehydrated_device_pickle_key(&self) -> Result<(), Self::Error> {
        self.remove_record(RecordPlace::only(RecordKind::DehydratedDeviceKey)).await
    }

    async fn get_outbound_group_session(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<OutboundGroupSession>, Self::Error> {
        let place = RecordPlace::named(RecordKind::SendingSession, room_id.as_str());
        let pickle = unless_damaged("crypto_records", self.record(&place).await)?.flatten();
        let Some(pickle): Option<PickledOutboundGroupSession> = pickle else { return Ok(None) };
        let us = self.static_account().await?;
        let session = OutboundGroupSession::from_pickle(us.device_id, us.identity_keys, pickle);
        unless_damaged("crypto_records", session.map_err(DeviceStoreError::unreadable))
    }

    async fn load_tracked_users(&self) -> Result<Vec<TrackedUser>, Self::Error> {
        self.tracked_users().await
    }

    async fn save_tracked_users(&self, users: &[(&UserId, bool)]) -> Result<(), Self::Error> {
        self.track_users(users).await
    }

    async fn get_device(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<Option<DeviceData>, Self::Error> {
        self.peer_device(user_id, device_id).await
    }

    async fn get_user_devices(
        &self,
        user_id: &UserId,
    ) -> Result<HashMap<OwnedDeviceId, DeviceData>, Self::Error> {
        let devices = self.peer_devices(user_id).await?;
        Ok(devices.into_iter().map(|device| (device.device_id().to_owned(), device)).collect())
    }

    async fn get_own_device(&self) -> Result<DeviceData, Self::Error> {
        let us = self.static_account().await?;
        self.peer_device(&us.user_id, &us.device_id).await?.ok_or(DeviceStoreError::NoAccount)
    }

    async fn get_user_identity(
        &self,
        user_id: &UserId,
    ) -> Result<Option<UserIdentityData>, Self::Error> {
        self.peer_identity(user_id).await
    }

    async fn is_message_known(&self, message_hash: &OlmMessageHash) -> Result<bool, Self::Error> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from crypto_message_hashes
                 where device = $1
                   and digest = $2
             ) as "known!""#,
            self.device.0,
            message_digest(message_hash),
        )
        .fetch_one(&mut *self.rows().await?)
        .await?)
    }

    async fn get_outgoing_secret_requests(
        &self,
        request_id: &TransactionId,
    ) -> Result<Option<GossipRequest>, Self::Error> {
        self.record_anywhere(RecordKind::SecretRequest, request_id.as_str()).await
    }

    async fn get_secret_request_by_info(
        &self,
        secret_info: &SecretInfo,
    ) -> Result<Option<GossipRequest>, Self::Error> {
        let requests =
            self.records_within(RecordKind::SecretRequest, &secret_info.as_key()).await?;
        Ok(requests.into_iter().next())
    }

    async fn get_unsent_secret_requests(&self) -> Result<Vec<GossipRequest>, Self::Error> {
        let requests: Vec<GossipRequest> = self.records(RecordKind::SecretRequest).await?;
        Ok(requests.into_iter().filter(|request| !request.sent_out).collect())
    }

    async fn delete_outgoing_secret_requests(
        &self,
        request_id: &TransactionId,
    ) -> Result<(), Self::Error> {
        self.remove_records(RecordKind::SecretRequest, request_id.as_str()).await
    }

    async fn get_secrets_from_inbox(
        &self,
        secret_name: &SecretName,
    ) -> Result<Vec<Zeroizing<String>>, Self::Error> {
        let secrets: Vec<String> =
            self.records_within(RecordKind::Secret, secret_name.as_str()).await?;
        Ok(secrets.into_iter().map(Zeroizing::new).collect())
    }

    async fn delete_secrets_from_inbox(&self, secret_name: &SecretName) -> Result<(), Self::Error> {
        self.remove_records(RecordKind::Secret, secret_name.as_str()).await
    }

    async fn get_room_settings(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<RoomSettings>, Self::Error> {
        self.record(&RecordPlace::named(RecordKind::RoomSettings, room_id.as_str())).await
    }

    async fn get_received_room_key_bundle_data(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<Option<StoredRoomKeyBundleData>, Self::Error> {
        self.record(&RecordPlace::within(RecordKind::KeyBundle, room_id.as_str(), user_id.as_str()))
            .await
    }

    async fn get_pending_key_bundle_details_for_room(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<RoomPendingKeyBundleDetails>, Self::Error> {
        self.record(&RecordPlace::named(RecordKind::AwaitedKeyBundle, room_id.as_str())).await
    }

    async fn get_all_rooms_pending_key_bundles(
        &self,
    ) -> Result<Vec<RoomPendingKeyBundleDetails>, Self::Error> {
        self.records(RecordKind::AwaitedKeyBundle).await
    }

    async fn has_downloaded_all_room_keys(&self, room_id: &RoomId) -> Result<bool, Self::Error> {
        let fetched: Option<()> =
            self.record(&RecordPlace::named(RecordKind::FetchedRoom, room_id.as_str())).await?;
        Ok(fetched.is_some())
    }

    async fn get_custom_value(&self, key: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        self.record(&RecordPlace::named(RecordKind::Custom, key)).await
    }

    async fn set_custom_value(&self, key: &str, value: Vec<u8>) -> Result<(), Self::Error> {
        self.put_record(RecordPlace::named(RecordKind::Custom, key), &*Zeroizing::new(value)).await
    }

    async fn remove_custom_value(&self, key: &str) -> Result<(), Self::Error> {
        self.remove_record(RecordPlace::named(RecordKind::Custom, key)).await
    }

    async fn try_take_leased_lock(
        &self,
        lease_duration_ms: u32,
        key: &str,
        holder: &str,
    ) -> Result<Option<u64>, Self::Error> {
        // By the clock of the database, which all that want the lease share.
        let generation = sqlx::query_scalar!(
            r#"insert into crypto_leases as lease (device, key, holder, generation, expires_at)
             values ($1, $2, $3, 1, clock_timestamp() + $4 * interval '1 millisecond')
             on conflict (device, key) do update
             set holder = excluded.holder,
                 -- Counts who came after whom: whoever had it before may have changed much.
                 generation = case
                     when lease.holder = excluded.holder then lease.generation
                     else lease.generation + 1
                 end,
                 expires_at = excluded.expires_at
             where lease.holder = excluded.holder
                or lease.expires_at < clock_timestamp()
             returning generation"#,
            self.device.0,
            key,
            holder,
            f64::from(lease_duration_ms),
        )
        .fetch_optional(&mut *self.rows().await?)
        .await?;
        Ok(generation.and_then(|generation| u64::try_from(generation).ok()))
    }

    async fn next_batch_token(&self) -> Result<Option<String>, Self::Error> {
        self.record(&RecordPlace::only(RecordKind::NextBatch)).await
    }

    async fn close(&self) -> Result<(), Self::Error> {
        // The connections are the gateway's, and stay open as long as it lives.
        Ok(())
    }

    async fn reopen(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn get_size(&self) -> Result<Option<usize>, Self::Error> {
        let size = sqlx::query_scalar!(
            r#"select (
                 (
                     select coalesce(sum(octet_length(sealed)), 0)
                     from crypto_records
                     where device = $1
                 ) + (
                     select coalesce(sum(octet_length(sealed)), 0)
                     from crypto_room_keys
                     where device = $1
                 )
             )::bigint as "size!""#,
            self.device.0,
        )
        .fetch_one(&mut *self.rows().await?)
        .await?;
        Ok(usize::try_from(size).ok())
    }
}

/// A poisoned lock still holds a valid value: nothing here panics while it writes.
fn read<T: Clone>(lock: &RwLock<Option<T>>) -> Option<T> {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write<T>(lock: &RwLock<Option<T>>, value: Option<T>) {
    *lock.write().unwrap_or_else(PoisonError::into_inner) = value;
}
