//! Whether the homeserver allows what encryption needs, found out by doing it.
//!
//! Homeservers do not say so: Synapse names neither the versions of the specification that brought
//! these rights (1.17) nor their experimental flags.

use ruma::{
    DeviceId, UserId,
    api::client::keys::{upload_keys, upload_signing_keys},
    encryption::{CrossSigningKey, KeyUsage},
    serde::Raw,
};

use super::{Endpoint, Homeserver, MatrixError, Voice, client::As, error::Cause};

/// What encryption needs of the homeserver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysNeed {
    /// One of our users gets a device without logging in (MSC4190).
    MakeDevice,
    /// A request counts as that device's (MSC4326).
    SpeakAsDevice,
    /// The device follows `/sync`, which brings the keys of what others say.
    FollowSync,
    /// The keys that sign devices are uploaded, and replaced, without a password.
    SignDevices,
    /// A device is removed without a password.
    RemoveDevice,
}

/// What encryption needs is not allowed, or could not be tried.
#[derive(Debug, thiserror::Error)]
#[error("{need:?} does not work")]
pub struct KeysRefused {
    pub need: KeysNeed,
    #[source]
    pub error: MatrixError,
}

impl Homeserver {
    /// Tries everything that the gateway's devices will have to do, with a device of the bot that
    /// is made for it and removed again. No key is uploaded.
    ///
    /// The bot must be registered, and `device` new. Errors: the first need that is not met; the
    /// device is removed all the same where that works.
    pub async fn try_keys(&self, device: &DeviceId) -> Result<(), KeysRefused> {
        let refused = |need| move |error| KeysRefused { need, error };
        let bot = self.bot();
        self.ensure_device(bot, device).await.map_err(refused(KeysNeed::MakeDevice))?;
        let tried = self.try_as_device(bot, device).await;
        let removed = self.delete_device(bot, device).await;
        tried?;
        removed.map_err(refused(KeysNeed::RemoveDevice))
    }

    async fn try_as_device(&self, user: &UserId, device: &DeviceId) -> Result<(), KeysRefused> {
        let refused = |need| move |error| KeysRefused { need, error };
        let who = As::Device(user, device);
        // Without any key: Synapse answers how many there are, and refuses a user without a device.
        let empty = upload_keys::v3::Request::new();
        let counted = self.ask(Endpoint::KeysUpload, who, empty).await;
        counted.map_err(refused(KeysNeed::SpeakAsDevice))?;
        let inbox = self.inbox(Voice { user, device }, None).await;
        inbox.map_err(refused(KeysNeed::FollowSync))?;
        let sign = refused(KeysNeed::SignDevices);
        // A key that belongs to no user, which no homeserver takes: it answers 400 about the key,
        // but only if it would not have asked for a password before.
        let mut upload = upload_signing_keys::v3::Request::new();
        upload.master_key = Some(nobodys_key(self.server_name()).map_err(sign)?);
        match self.ask(Endpoint::KeysSign, who, upload).await {
            Err(error) if error.status() != Some(400) => Err(sign(error)),
            _ => Ok(()),
        }
    }
}

fn nobodys_key(server: &ruma::ServerName) -> Result<Raw<CrossSigningKey>, MatrixError> {
    let unsendable = || MatrixError::new(Endpoint::KeysSign, Cause::Unsendable);
    let nobody = UserId::parse_with_server_name("nobody", server).map_err(|_| unsendable())?;
    let usage = vec![KeyUsage::Master];
    let key = CrossSigningKey::new(nobody, usage, [].into(), Default::default());
    Raw::new(&key).map_err(|_| unsendable())
}
