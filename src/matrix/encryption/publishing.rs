//! A device is made known: its keys, and the identity that signs them.

use matrix_sdk_crypto::types::requests::{
    AnyIncomingResponse, AnyOutgoingRequest, OutgoingRequest,
};
use ruma::{
    TransactionId, UserId,
    api::client::keys::{get_keys, upload_signing_keys},
    encryption::CrossSigningKey,
    serde::Raw,
};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{DeviceError, DeviceNews, OwnDevice, OwnDeviceState};
use crate::matrix::Endpoint;

impl OwnDevice {
    /// Makes the device known to everybody: its keys, an identity that signs it, and a fallback
    /// key. It may be interrupted anywhere and begun again.
    ///
    /// The identity belongs to the user: `heir_of` is the earlier device, whose identity goes on.
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
        // An inherited identity is at the homeserver, and cannot be uploaded: the library takes
        // over its private keys without the signatures by which they belong together. An identity
        // that was made a moment ago is nowhere yet.
        if is_reset || !self.is_identity(&upload).await? {
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
        // It asks about itself together with the readers of what it says.
        self.settle_but(state, |request| matches!(request, AnyOutgoingRequest::KeysQuery(_))).await
    }

    /// Whether it has the private keys of its user's identity.
    pub async fn has_identity(&self) -> bool {
        self.olm.cross_signing_status().await.is_complete()
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
        // By the identity the homeserver has now: signatures of another one may still be there.
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

    /// As [`send`](Self::send) for the keys of the device itself, with a signature that is not in
    /// them yet.
    pub(super) async fn upload_signed(
        &self,
        state: &mut OwnDeviceState,
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

    /// Whether the homeserver has exactly these keys as the user's identity.
    pub(super) async fn is_identity(
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
}

/// The keys of a user's device with the signatures of both copies; `None` when one cannot be read.
pub(super) fn with_signatures(
    keys: &RawValue,
    signed: &RawValue,
    user: &UserId,
) -> Option<Box<RawValue>> {
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
