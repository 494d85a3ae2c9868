//! Who members are: the master keys of their cross-signing identities, as one of our devices sees
//! them.

use std::collections::{BTreeMap, BTreeSet};

use matrix_sdk_crypto::{UserIdentity, olm::SenderData};
use ruma::{OwnedUserId, RoomId, UserId};
use sha2::{Digest as _, Sha256};

use super::{DeviceError, OwnDevice, boxed};
use crate::model::Trust;

/// Bytes of a mark: enough that no two sets of devices share one by chance.
const MARK_BYTES: usize = 8;

/// Members as the homeserver shows them now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SeenMembers {
    /// The master keys of those who have an identity.
    pub identities: BTreeMap<OwnedUserId, String>,
    /// Those with a device that would be given a key for what people wrote.
    pub equipped: BTreeSet<OwnedUserId>,
}

impl OwnDevice {
    /// Who these members are, and which of them have a device that `trust` allows. The homeserver is
    /// asked about those whose devices changed, and about the bot with them, which gets each key as
    /// well.
    pub async fn look_at(
        &self,
        members: &BTreeSet<OwnedUserId>,
        trust: Trust,
    ) -> Result<SeenMembers, DeviceError> {
        let mut turn = self.turn().await?;
        let asked = members.iter().map(|user| &**user).chain([self.homeserver.bot()]);
        boxed(self.olm.update_tracked_users(asked)).await?;
        self.settle(&mut turn.state).await?;
        let mut seen = SeenMembers::default();
        for member in members {
            if let Some(key) = self.master_key(member).await? {
                seen.identities.insert(member.clone(), key);
            }
            let devices = self.olm.get_user_devices(member, None).await?;
            let mut devices = devices.devices();
            let is_equipped = match trust {
                Trust::CrossSigned => devices.any(|device| device.is_cross_signed_by_owner()),
                Trust::AnyDevice => devices.next().is_some(),
            };
            if is_equipped {
                seen.equipped.insert(member.clone());
            }
        }
        Ok(seen)
    }

    /// A mark for each of these users, of everything by which keys are shared with them: devices, their
    /// keys, who signed them, and the identity. The homeserver is asked about users whose devices
    /// changed, and about those who are new to us.
    pub async fn marks(
        &self,
        users: &[OwnedUserId],
    ) -> Result<BTreeMap<OwnedUserId, String>, DeviceError> {
        let mut turn = self.turn().await?;
        boxed(self.olm.update_tracked_users(users.iter().map(|user| &**user))).await?;
        self.settle(&mut turn.state).await?;
        let mut marks = BTreeMap::new();
        for user in users {
            let mut parts = BTreeSet::from([format!("{:?}", self.master_key(user).await?)]);
            for device in self.olm.get_user_devices(user, None).await?.devices() {
                let key = |key: Option<String>| key.unwrap_or_default();
                parts.insert(format!(
                    "{} {} {} {}",
                    device.device_id(),
                    key(device.ed25519_key().map(|key| key.to_base64())),
                    key(device.curve25519_key().map(|key| key.to_base64())),
                    device.is_cross_signed_by_owner(),
                ));
            }
            marks.insert(user.clone(), mark_of(parts.iter().map(String::as_str)));
        }
        Ok(marks)
    }

    /// A user's master key as the homeserver shows it now.
    pub async fn identity_now(&self, user: &UserId) -> Result<Option<String>, DeviceError> {
        let _turn = self.turn().await?;
        boxed(self.olm.update_tracked_users([user])).await?;
        self.query(&[user.to_owned()]).await?;
        self.master_key(user).await
    }

    /// Whether a user has no identity other than the known one. A user without any identity gets
    /// nothing for another reason; our own users may have new ones, since only we make them.
    pub(super) async fn is_as_known(
        &self,
        user: &UserId,
        pins: &BTreeMap<OwnedUserId, String>,
    ) -> Result<bool, DeviceError> {
        if self.homeserver.is_ours(user) {
            return Ok(true);
        }
        let key = self.master_key(user).await?;
        Ok(key.is_none_or(|key| pins.get(user) == Some(&key)))
    }

    /// The identity that had signed the device a session came from.
    pub(super) async fn identity_of_session(
        &self,
        room: &RoomId,
        session: &str,
    ) -> Result<Option<String>, DeviceError> {
        let session = self.olm.store().get_inbound_group_session(room, session).await?;
        Ok(session.and_then(|session| match session.sender_data {
            SenderData::SenderUnverified(known) | SenderData::SenderVerified(known) => {
                Some(known.master_key.to_base64())
            }
            SenderData::UnknownDevice { .. }
            | SenderData::DeviceInfo { .. }
            | SenderData::VerificationViolation(_) => None,
        }))
    }

    async fn master_key(&self, user: &UserId) -> Result<Option<String>, DeviceError> {
        let identity = self.olm.get_identity(user, None).await?;
        let key = identity.and_then(|identity| match identity {
            UserIdentity::Own(own) => own.master_key().get_first_key(),
            UserIdentity::Other(other) => other.master_key().get_first_key(),
        });
        Ok(key.map(|key| key.to_base64()))
    }
}

/// A short mark of what is known of devices, without their names, which strangers choose.
pub(super) fn mark_of<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize().iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
