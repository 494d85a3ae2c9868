//! Megolm sessions of others: the keys that open what is said in a room.

use std::collections::BTreeMap;

use matrix_sdk_crypto::olm::{InboundGroupSession, PickledInboundGroupSession};
use matrix_sdk_crypto::{
    olm::Curve25519PublicKey, olm::SenderDataType, store::types::RoomKeyCounts,
};
use ruma::RoomId;
use sqlx::PgConnection;

use super::{DeviceStore, DeviceStoreError, error::unless_damaged, records::digest};
use crate::store::DeviceRow;

/// Bound into what is sealed: never to be changed.
const KIND: &str = "room_key";

/// Sessions to be saved in one statement, by room and session.
#[derive(Default)]
pub(super) struct RoomKeyChanges(BTreeMap<(Vec<u8>, Vec<u8>), NewRoomKey>);

struct NewRoomKey {
    sender_key: Vec<u8>,
    sender_data: i16,
    backed_up: bool,
    sealed: Vec<u8>,
}

/// A row of `crypto_room_keys`.
struct StoredRoomKey {
    room: Vec<u8>,
    session: Vec<u8>,
    backed_up_to: Option<String>,
    sealed: Vec<u8>,
}

impl RoomKeyChanges {
    pub(super) async fn collect(
        store: &DeviceStore,
        sessions: &[InboundGroupSession],
    ) -> Result<Self, DeviceStoreError> {
        let mut keys = BTreeMap::new();
        for session in sessions {
            let key = (digest(session.room_id().as_str()), digest(session.session_id()));
            let row = NewRoomKey {
                sender_key: session.sender_key().to_vec(),
                sender_data: session.sender_data_type() as i16,
                backed_up: session.backed_up(),
                sealed: store.close(KIND, &[&key.0, &key.1], &session.pickle().await)?,
            };
            keys.insert(key, row);
        }
        Ok(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Saves them. `backup` is the version of the backup they were read from, if any.
    pub(super) async fn apply(
        self,
        connection: &mut PgConnection,
        device: DeviceRow,
        backup: Option<&str>,
    ) -> Result<(), DeviceStoreError> {
        let (mut rooms, mut sessions) = (Vec::new(), Vec::new());
        let (mut sender_keys, mut sender_data) = (Vec::new(), Vec::new());
        let (mut backed_up, mut sealed) = (Vec::new(), Vec::new());
        for ((room, session), row) in self.0 {
            rooms.push(room);
            sessions.push(session);
            sender_keys.push(row.sender_key);
            sender_data.push(row.sender_data);
            backed_up.push(row.backed_up);
            sealed.push(row.sealed);
        }
        sqlx::query!(
            "insert into crypto_room_keys
                 (device, room, session, sender_key, sender_data, backed_up_to, sealed)
             select $1, room, session, sender_key, sender_data, $2, sealed
             from unnest($3::bytea[], $4::bytea[], $5::bytea[], $6::smallint[], $7::bytea[])
                 as new (room, session, sender_key, sender_data, sealed)
             on conflict (device, room, session) do update
             set sender_key = excluded.sender_key,
                 sender_data = excluded.sender_data,
                 -- A session that came anew, and better than the one in the backup, is in none.
                 backed_up_to = coalesce(
                     excluded.backed_up_to,
                     case
                         when (excluded.room, excluded.session) in (
                             select room, session
                             from unnest($3::bytea[], $4::bytea[], $8::boolean[])
                                 as kept (room, session, backed_up)
                             where backed_up
                         ) then crypto_room_keys.backed_up_to
                     end
                 ),
                 sealed = excluded.sealed",
            device.0,
            backup,
            &rooms,
            &sessions,
            &sender_keys,
            &sender_data,
            &sealed,
            &backed_up,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl DeviceStore {
    pub(super) async fn room_key(
        &self,
        room: &RoomId,
        session: &str,
    ) -> Result<Option<InboundGroupSession>, DeviceStoreError> {
        let row = sqlx::query_as!(
            StoredRoomKey,
            "select room, session, backed_up_to, sealed
             from crypto_room_keys
             where device = $1
               and room = $2
               and session = $3",
            self.device.0,
            digest(room.as_str()),
            digest(session),
        )
        .fetch_optional(&mut *self.rows().await?)
        .await?;
        let key = row.map(|row| self.sound_room_key(&row)).transpose()?;
        Ok(key.flatten())
    }

    /// All sessions, or those of one room.
    pub(super) async fn room_keys(
        &self,
        room: Option<&RoomId>,
    ) -> Result<Vec<InboundGroupSession>, DeviceStoreError> {
        let rows = sqlx::query_as!(
            StoredRoomKey,
            "select room, session, backed_up_to, sealed
             from crypto_room_keys
             where device = $1
               and ($2::bytea is null or room = $2)",
            self.device.0,
            room.map(|room| digest(room.as_str())),
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        rows.iter().filter_map(|row| self.sound_room_key(row).transpose()).collect()
    }

    /// Sessions that a device made and of whose sender we know exactly this much, in a fixed order,
    /// after the session `after`.
    pub(super) async fn room_keys_of_sender(
        &self,
        sender_key: Curve25519PublicKey,
        sender_data: SenderDataType,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>, DeviceStoreError> {
        let rows = sqlx::query_as!(
            StoredRoomKey,
            "select room, session, backed_up_to, sealed
             from crypto_room_keys
             where device = $1
               and sender_key = $2
               and sender_data = $3
               and session > coalesce($4, ''::bytea)
             order by session
             limit $5",
            self.device.0,
            sender_key.to_vec(),
            sender_data as i16,
            after.map(digest),
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        rows.iter().filter_map(|row| self.sound_room_key(row).transpose()).collect()
    }

    /// Sessions that are not in this version of the backup.
    pub(super) async fn room_keys_to_back_up(
        &self,
        version: &str,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>, DeviceStoreError> {
        let rows = sqlx::query_as!(
            StoredRoomKey,
            "select room, session, backed_up_to, sealed
             from crypto_room_keys
             where device = $1
               and backed_up_to is distinct from $2
             limit $3",
            self.device.0,
            version,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&mut *self.rows().await?)
        .await?;
        rows.iter().filter_map(|row| self.sound_room_key(row).transpose()).collect()
    }

    pub(super) async fn mark_room_keys_backed_up(
        &self,
        version: &str,
        sessions: &[(&RoomId, &str)],
    ) -> Result<(), DeviceStoreError> {
        let (rooms, sessions): (Vec<_>, Vec<_>) =
            sessions.iter().map(|(room, session)| (digest(room.as_str()), digest(session))).unzip();
        sqlx::query!(
            "update crypto_room_keys as key
             set backed_up_to = $2
             from unnest($3::bytea[], $4::bytea[]) as done (room, session)
             where key.device = $1
               and key.room = done.room
               and key.session = done.session",
            self.device.0,
            version,
            &rooms,
            &sessions,
        )
        .execute(&mut *self.rows().await?)
        .await?;
        Ok(())
    }

    pub(super) async fn count_room_keys(
        &self,
        version: Option<&str>,
    ) -> Result<RoomKeyCounts, DeviceStoreError> {
        let row = sqlx::query!(
            r#"select
                 count(*) as "total!",
                 count(*) filter (where backed_up_to = $2) as "backed_up!"
             from crypto_room_keys
             where device = $1"#,
            self.device.0,
            version,
        )
        .fetch_one(&mut *self.rows().await?)
        .await?;
        Ok(RoomKeyCounts {
            total: usize::try_from(row.total).unwrap_or_default(),
            backed_up: usize::try_from(row.backed_up).unwrap_or_default(),
        })
    }

    fn sound_room_key(
        &self,
        row: &StoredRoomKey,
    ) -> Result<Option<InboundGroupSession>, DeviceStoreError> {
        unless_damaged("crypto_room_keys", self.open_room_key(row))
    }

    fn open_room_key(&self, row: &StoredRoomKey) -> Result<InboundGroupSession, DeviceStoreError> {
        let pickle: PickledInboundGroupSession =
            self.open(KIND, &[&row.room, &row.session], &row.sealed)?;
        let session =
            InboundGroupSession::from_pickle(pickle).map_err(DeviceStoreError::unreadable)?;
        // The column alone knows what was backed up since it was sealed.
        if row.backed_up_to.is_some() {
            session.mark_as_backed_up();
        }
        Ok(session)
    }
}
