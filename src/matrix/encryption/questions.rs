//! What a device asks the homeserver, and what it takes from the answers.

use std::{collections::BTreeMap, time::Duration};

use matrix_sdk_crypto::types::requests::{AnyOutgoingRequest, OutgoingRequest, ToDeviceRequest};
use ruma::{
    OwnedTransactionId, OwnedUserId, TransactionId,
    api::client::{
        keys::{get_keys, upload_keys, upload_signatures},
        to_device::send_event_to_device,
    },
};

use tracing::warn;

use super::{DeviceError, OwnDevice, OwnDeviceState};
use crate::matrix::{
    Endpoint,
    client::{self, As},
};

/// Rounds of questions and answers after which keys must be up to date: an upload, a query and what
/// they lead to. More would be a quarrel with the homeserver.
const ROUNDS_MAX: usize = 8;

/// How long the homeserver may ask other homeservers for keys.
const KEYS_TIMEOUT: Duration = Duration::from_secs(10);

impl OwnDevice {
    pub(super) async fn settle(&self, state: &mut OwnDeviceState) -> Result<(), DeviceError> {
        self.settle_but(state, |_| false).await
    }

    /// The same, but for questions that can wait.
    pub(super) async fn settle_but(
        &self,
        state: &mut OwnDeviceState,
        can_wait: impl Fn(&AnyOutgoingRequest) -> bool,
    ) -> Result<(), DeviceError> {
        for _ in 0..ROUNDS_MAX {
            let mut requests = self.olm.outgoing_requests().await?;
            requests.retain(|request| !can_wait(request.request()));
            if requests.is_empty() {
                return Ok(());
            }
            for request in &requests {
                self.send(state, request).await?;
            }
        }
        Err(DeviceError::Endless)
    }

    pub(super) async fn send(
        &self,
        state: &mut OwnDeviceState,
        request: &OutgoingRequest,
    ) -> Result<(), DeviceError> {
        let name = request.request_id();
        match request.request() {
            AnyOutgoingRequest::KeysUpload(upload) => self.upload(state, name, upload).await,
            AnyOutgoingRequest::KeysQuery(query) => {
                let users = query.device_keys.keys().cloned().collect();
                let answer = self.ask_for_keys(users, Some(KEYS_TIMEOUT)).await?;
                Ok(self.olm.mark_request_as_sent(name, &answer).await?)
            }
            AnyOutgoingRequest::KeysClaim(claim) => {
                let answer = self.ask(Endpoint::KeysClaim, claim.clone()).await?;
                Ok(self.olm.mark_request_as_sent(name, &answer).await?)
            }
            AnyOutgoingRequest::ToDeviceRequest(request) => self.send_to_devices(request).await,
            AnyOutgoingRequest::SignatureUpload(request) => {
                let request = upload_signatures::v3::Request::new(request.signed_keys.clone());
                let answer = self.ask(Endpoint::KeysSign, request).await?;
                Ok(self.olm.mark_request_as_sent(name, &answer).await?)
            }
            // Verification by chat: none of our users can compare emoji.
            AnyOutgoingRequest::RoomMessage(_) => Ok(()),
        }
    }

    /// Uploads keys.
    ///
    /// One-time keys of an upload without an answer may be at the homeserver already, and may have
    /// been given to another user there: uploaded once more, they would be given to a second one.
    /// So the first upload after a start, and after a failed one, leaves them out, and new ones are
    /// made in their place.
    pub(super) async fn upload(
        &self,
        state: &mut OwnDeviceState,
        name: &TransactionId,
        upload: &upload_keys::v3::Request,
    ) -> Result<(), DeviceError> {
        let mut request = upload_keys::v3::Request::new();
        request.device_keys = upload.device_keys.clone();
        request.fallback_keys = upload.fallback_keys.clone();
        if std::mem::take(&mut state.is_checked) {
            request.one_time_keys = upload.one_time_keys.clone();
        }
        let answer = match self.ask(Endpoint::KeysUpload, request).await {
            // The homeserver has other keys under these names: what we know of this device is out
            // of date.
            Err(DeviceError::Matrix(error))
                if error.status() == Some(400) && error.errcode().is_some() =>
            {
                return Err(DeviceError::Unknown);
            }
            answer => answer?,
        };
        self.olm.mark_request_as_sent(name, &answer).await?;
        state.is_checked = true;
        Ok(())
    }

    pub(super) async fn query(&self, users: &[OwnedUserId]) -> Result<(), DeviceError> {
        let (name, query) = self.olm.query_keys_for_users(users.iter().map(|user| &**user));
        let users = query.device_keys.into_keys().collect();
        let answer = self.ask_for_keys(users, None).await?;
        Ok(self.olm.mark_request_as_sent(&name, &answer).await?)
    }

    /// All devices and identities of these users. If the answer is longer than what is read of one, the
    /// users are asked about separately, and a user whose own answer is that long has no device: what
    /// one user uploads must not keep the others from their keys.
    async fn ask_for_keys(
        &self,
        users: Vec<OwnedUserId>,
        timeout: Option<Duration>,
    ) -> Result<get_keys::v3::Response, DeviceError> {
        let ask = async |users: &[OwnedUserId]| {
            let mut request = get_keys::v3::Request::new();
            request.timeout = timeout;
            request.device_keys = users.iter().map(|user| (user.clone(), Vec::new())).collect();
            self.ask(Endpoint::KeysQuery, request).await
        };
        match ask(&users).await {
            Err(DeviceError::Matrix(error)) if error.is_too_large() => {}
            answer => return answer,
        }
        let mut all = get_keys::v3::Response::new();
        for user in users {
            match ask(std::slice::from_ref(&user)).await {
                Ok(answer) => {
                    all.failures.extend(answer.failures);
                    all.device_keys.extend(answer.device_keys);
                    all.master_keys.extend(answer.master_keys);
                    all.self_signing_keys.extend(answer.self_signing_keys);
                    all.user_signing_keys.extend(answer.user_signing_keys);
                }
                Err(DeviceError::Matrix(error)) if error.is_too_large() => {
                    warn!(
                        "The keys of a user's devices are too long; the user counts as one without devices"
                    );
                    all.device_keys.insert(user, BTreeMap::new());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    pub(super) async fn send_to_devices(
        &self,
        request: &ToDeviceRequest,
    ) -> Result<(), DeviceError> {
        let name: OwnedTransactionId = request.txn_id.clone();
        let send = send_event_to_device::v3::Request::new_raw(
            request.event_type.clone(),
            name.clone(),
            request.messages.clone(),
        );
        let answer = self.ask(Endpoint::ToDevice, send).await?;
        Ok(self.olm.mark_request_as_sent(&name, &answer).await?)
    }

    pub(super) async fn ask<R>(
        &self,
        endpoint: Endpoint,
        request: R,
    ) -> Result<R::IncomingResponse, DeviceError>
    where
        R: client::ClientRequest,
    {
        let who = As::Device(self.user(), self.device());
        match self.homeserver.ask(endpoint, who, request).await {
            Err(error) if error.errcode() == Some("M_UNKNOWN_DEVICE") => Err(DeviceError::Unknown),
            answer => Ok(answer?),
        }
    }
}
