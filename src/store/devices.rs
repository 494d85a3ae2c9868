//! The gateway's own devices: named before the homeserver hears of them, forgotten after it has
//! deleted them.

use time::OffsetDateTime;

use super::{Damaged, Harm, Moment, Store, StoreError};
use crate::{model::DeliveryState, rules::acts::Whereabouts};

/// Our number of a device. Everything its encryption remembers depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceRow(pub i64);

/// A device of the bot or of a ghost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub row: DeviceRow,
    pub user_id: String,
    pub device_id: String,
    pub state: DeviceState,
    pub made_at: OffsetDateTime,
    /// Where the next reading of its inbox (`/sync`) goes on.
    pub inbox_since: Option<String>,
    pub inbox_drained_at: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Its name is fixed; the homeserver may or may not have it.
    New,
    /// The homeserver has it with its keys, and its identity has signed it.
    Ready,
    /// Never used again: the homeserver has to delete it, then it is forgotten.
    Retired,
}

impl DeviceState {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "new" => Some(Self::New),
            "ready" => Some(Self::Ready),
            "retired" => Some(Self::Retired),
            _ => None,
        }
    }
}

impl Store {
    /// The device a user speaks with: the one that is not retired.
    pub async fn live_device(&self, user_id: &str) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query_as!(
            StoredDevice,
            r#"select
                 id, user_id, device_id, state,
                 made_at as "made_at: Moment",
                 inbox_since,
                 inbox_drained_at as "inbox_drained_at: Moment"
             from devices
             where user_id = $1
               and state <> 'retired'"#,
            user_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Device::try_from).transpose()?)
    }

    /// Fixes the name of a user's device before the homeserver hears of it. Returns the earlier
    /// device if the user still has one that is not retired.
    ///
    /// Fails when a retired device of the user has this name: a name is never used twice.
    pub async fn name_device(
        &self,
        user_id: &str,
        device_id: &str,
        at: OffsetDateTime,
    ) -> Result<Device, StoreError> {
        sqlx::query!(
            "insert into devices (user_id, device_id, made_at)
             values ($1, $2, $3)
             on conflict do nothing",
            user_id,
            device_id,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(self.live_device(user_id).await?.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Notes that the homeserver has the device and its keys. By then no user has sent it anything.
    pub async fn device_is_ready(
        &self,
        device: DeviceRow,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update devices
             set state = 'ready',
                 inbox_drained_at = $2
             where id = $1
               and state = 'new'",
            device.0,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a device must never be used again. Its user may then have another.
    pub async fn retire_device(&self, device: DeviceRow) -> Result<(), StoreError> {
        sqlx::query!("update devices set state = 'retired' where id = $1", device.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Devices the homeserver still has to delete, oldest first.
    pub async fn retired_devices(&self) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query_as!(
            StoredDevice,
            r#"select
                 id, user_id, device_id, state,
                 made_at as "made_at: Moment",
                 inbox_since,
                 inbox_drained_at as "inbox_drained_at: Moment"
             from devices
             where state = 'retired'
             order by id"#,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(readable(rows))
    }

    /// Forgets a retired device, which the homeserver has deleted, and every key it had. A device
    /// that is not retired stays.
    pub async fn forget_device(&self, device: DeviceRow) -> Result<(), StoreError> {
        sqlx::query!("delete from devices where id = $1 and state = 'retired'", device.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes how far a device's inbox was read. What was read must have been saved before.
    pub async fn save_inbox_position(
        &self,
        device: DeviceRow,
        since: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update devices
             set inbox_since = $2,
                 inbox_drained_at = $3
             where id = $1",
            device.0,
            since,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets which Olm messages a device had read before that: they cannot come again.
    pub async fn forget_read_messages(
        &self,
        device: DeviceRow,
        before: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!(
            "delete from crypto_message_hashes
             where device = $1
               and saved_at < $2",
            device.0,
            before,
        )
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }

    /// Ready devices whose inbox was not read since `before`. Those that were untried for longest
    /// come first: a device that fails each time holds up no other.
    pub async fn devices_to_drain(
        &self,
        before: OffsetDateTime,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query_as!(
            StoredDevice,
            r#"select
                 id, user_id, device_id, state,
                 made_at as "made_at: Moment",
                 inbox_since,
                 inbox_drained_at as "inbox_drained_at: Moment"
             from devices
             where state = 'ready'
               and (inbox_drained_at is null or inbox_drained_at < $1)
             order by greatest(drain_begun_at, inbox_drained_at) nulls first, id
             limit $2"#,
            before,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(readable(rows))
    }

    /// Notes that the reading of a device's inbox begins, so that an attempt that the gateway does
    /// not survive counts.
    pub async fn drain_begins(
        &self,
        device: DeviceRow,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!("update devices set drain_begun_at = $2 where id = $1", device.0, at)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes for every device that knows one of these users that its knowledge is out of date.
    /// Returns how many views became so.
    ///
    /// A device in memory does not look here again: tell those *after* this was committed, so that
    /// a device loaded in between is told as well.
    pub async fn mark_users_dirty(&self, users: &[String]) -> Result<u64, StoreError> {
        let marked = sqlx::query!(
            "-- Locked in one order everywhere, so that nobody waits in a circle.
             with known as (
                 select device, user_id
                 from crypto_tracked_users
                 where user_id = any ($1)
                   and not dirty
                 order by device, user_id
                 for update
             )
             update crypto_tracked_users as tracked
             set dirty = true
             from known
             where tracked.device = known.device
               and tracked.user_id = known.user_id",
            users,
        )
        .execute(&self.pool)
        .await?;
        Ok(marked.rows_affected())
    }

    /// Starts with a database that is a copy from the past: retires every device that `has_keys`,
    /// because its keys were used since, sets the copy count to the one that was reached elsewhere, and
    /// has every room compared before anything is said in it. What may have happened since is noted:
    /// users who were let in may have been sent out, what waits may have left, and what is read next
    /// may have been read.
    pub async fn begin_with_copy(
        &self,
        copy_count: i64,
        has_keys: bool,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let ended = DeliveryState::words_of(|state| {
            matches!(Whereabouts::of(state), Whereabouts::Gone | Whereabouts::Withdrawn)
        });
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("update devices set state = 'retired' where $1", has_keys)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "with asked as (
                 update admitted
                 set state = 'asked',
                     changed_at = $1
                 where state = 'in'
                 returning conversation_id, user_id
             )
             update room_readers as reader
             set until = $1
             from asked
             join rooms as portal on portal.conversation_id = asked.conversation_id
             where reader.room_id = portal.room_id
               and reader.user_id = asked.user_id
               and reader.until is null",
            at,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update dispatches
             set may_have_arrived = true
             where state <> all ($1)",
            &ended,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update room_events
             set before_copy = true
             where state in ('fetched', 'new', 'waiting', 'parked')"
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!("update sync_positions set of_copy = true").execute(&mut *transaction).await?;
        sqlx::query!("update crypto_epoch set epoch = $1", copy_count)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!("update rooms set to_compare = true where state <> 'gone'")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Retired devices of one user, oldest first.
    pub async fn retired_devices_of(&self, user_id: &str) -> Result<Vec<Device>, StoreError> {
        let retired = self.retired_devices().await?;
        Ok(retired.into_iter().filter(|device| device.user_id == user_id).collect())
    }

    /// Ends every session we use to send; the next post in each room begins a new one.
    pub async fn end_sending_sessions(&self) -> Result<(), StoreError> {
        sqlx::query!("delete from crypto_records where kind = 'sending_session'")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The copy count. Compared with the one outside the database, it shows that an older backup
    /// was restored.
    pub async fn copy_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!("select epoch from crypto_epoch").fetch_one(&self.pool).await?)
    }

    /// Raises the copy count by one, and returns it.
    pub async fn grow_copy_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!("update crypto_epoch set epoch = epoch + 1 returning epoch")
            .fetch_one(&self.pool)
            .await?)
    }
}

/// Those of several devices that can be read; a caller that needs a damaged one meets the damage
/// itself.
fn readable(rows: Vec<StoredDevice>) -> Vec<Device> {
    rows.into_iter().filter_map(|row| Device::try_from(row).ok()).collect()
}

/// A row of `devices`.
struct StoredDevice {
    id: i64,
    user_id: String,
    device_id: String,
    state: String,
    made_at: Moment,
    inbox_since: Option<String>,
    inbox_drained_at: Option<Moment>,
}

impl TryFrom<StoredDevice> for Device {
    type Error = Damaged;

    fn try_from(row: StoredDevice) -> Result<Self, Damaged> {
        Ok(Self {
            row: DeviceRow(row.id),
            user_id: row.user_id,
            device_id: row.device_id,
            state: DeviceState::from_word(&row.state)
                .ok_or_else(|| Damaged::new("devices", "state", row.id, Harm::Word))?,
            made_at: row.made_at.read("devices", "made_at", row.id)?,
            inbox_since: row.inbox_since,
            // Reading once more than needed does no harm.
            inbox_drained_at: row.inbox_drained_at.and_then(Moment::get),
        })
    }
}
