//! Decrypting: what a person said in a room, and whether it is believed.

use matrix_sdk_crypto::{
    DecryptionSettings, MegolmError, TrustRequirement,
    vodozemac::{self, megolm::MegolmMessage},
};
use ruma::{RoomId, UserId, serde::Raw};
use serde_json::{Value, value::to_raw_value};

use super::{DeviceError, OwnDevice, boxed};
use crate::model::Trust;

/// The outcome of decrypting an event.
#[derive(Debug)]
pub enum Decrypted {
    /// The decrypted event, from a device the policy believes, and its place in its session.
    Event(Value, SessionPlace),
    /// Its key has not come (yet).
    KeyMissing,
    /// It is readable, but not known to be written by its sender.
    NotBelieved,
    /// Its sender has another identity than the known one.
    OtherIdentity,
    /// It was altered, or was never readable.
    Broken,
}

/// Which message of which Megolm session an event is. No two events are the same one, unless
/// somebody repeats another user's ciphertext: the library does not tell those apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPlace {
    pub session_id: String,
    pub index: u32,
    /// The identity (master key) that had signed the sender's device when the session came; nothing
    /// if none had.
    pub identity: Option<String>,
}

impl SessionPlace {
    /// Reads what any user may have written; `None` if it cannot be an encrypted message.
    pub(super) fn of(event: &Value) -> Option<Self> {
        let text = |at| event.pointer(at).and_then(Value::as_str);
        let session_id = text("/content/session_id")?;
        // The name of a session is its key: anything else is no name, whatever its length.
        vodozemac::Ed25519PublicKey::from_base64(session_id).ok()?;
        let message = MegolmMessage::from_base64(text("/content/ciphertext")?).ok()?;
        let index = message.message_index();
        Some(Self { session_id: session_id.to_owned(), index, identity: None })
    }
}

impl OwnDevice {
    /// Decrypts an event of a room. Before a sender is found not to be believed, the homeserver is
    /// asked for the sender's devices: they may be newer than what we know.
    pub async fn decrypt(
        &self,
        event: &Value,
        room: &RoomId,
        trust: Trust,
    ) -> Result<Decrypted, DeviceError> {
        let decrypted = self.try_decrypt(event, room, trust).await?;
        let sender = event.get("sender").and_then(Value::as_str).map(UserId::parse);
        let (Decrypted::NotBelieved, Some(Ok(sender))) = (&decrypted, sender) else {
            return Ok(decrypted);
        };
        {
            let _turn = self.turn().await?;
            boxed(self.olm.update_tracked_users([&*sender])).await?;
            self.query(&[sender]).await?;
        }
        self.try_decrypt(event, room, trust).await
    }

    pub(super) async fn try_decrypt(
        &self,
        event: &Value,
        room: &RoomId,
        trust: Trust,
    ) -> Result<Decrypted, DeviceError> {
        let Some(place) = SessionPlace::of(event) else { return Ok(Decrypted::Broken) };
        let Ok(raw) = to_raw_value(event).map(Raw::from_json) else { return Ok(Decrypted::Broken) };
        let settings = decryption_settings(trust);
        match self.olm.decrypt_room_event(&raw, room, &settings).await {
            Ok(decrypted) if !is_believed(&decrypted.encryption_info.verification_state) => {
                Ok(Decrypted::NotBelieved)
            }
            Ok(decrypted) => match decrypted.event.deserialize_as_unchecked() {
                Ok(event) => {
                    let identity = self.identity_of_session(room, &place.session_id).await?;
                    Ok(Decrypted::Event(event, SessionPlace { identity, ..place }))
                }
                Err(_) => Ok(Decrypted::Broken),
            },
            Err(MegolmError::MissingRoomKey(_)) => Ok(Decrypted::KeyMissing),
            // A key that came from the middle of a session: an earlier one may follow.
            Err(MegolmError::Decryption(
                matrix_sdk_crypto::vodozemac::megolm::DecryptionError::UnknownMessageIndex(..),
            )) => Ok(Decrypted::KeyMissing),
            Err(MegolmError::SenderIdentityNotTrusted(_)) => Ok(Decrypted::NotBelieved),
            Err(MegolmError::Store(error)) => Err(error.into()),
            Err(_) => Ok(Decrypted::Broken),
        }
    }

    /// Asks the sender's and our own devices for the key of an event.
    pub async fn ask_for_key(&self, event: &Value, room: &RoomId) -> Result<(), DeviceError> {
        let Ok(raw) = to_raw_value(event).map(Raw::from_json) else { return Ok(()) };
        let mut turn = self.turn().await?;
        let state = &mut *turn.state;
        let (cancellation, request) = self.olm.request_room_key(&raw, room).await?;
        for request in cancellation.iter().chain([&request]) {
            self.send(state, request).await?;
        }
        Ok(())
    }
}

pub(super) fn decryption_settings(trust: Trust) -> DecryptionSettings {
    DecryptionSettings {
        sender_device_trust_requirement: match trust {
            Trust::CrossSigned => TrustRequirement::CrossSigned,
            Trust::AnyDevice => TrustRequirement::Untrusted,
        },
    }
}

/// Whether the event's sender owns the session, as far as devices tell; the policy decides the
/// rest.
pub(super) fn is_believed(
    state: &matrix_sdk_common::deserialized_responses::VerificationState,
) -> bool {
    use matrix_sdk_common::deserialized_responses::{VerificationLevel, VerificationState};
    match state {
        VerificationState::Verified
        | VerificationState::Unverified(
            VerificationLevel::UnverifiedIdentity | VerificationLevel::UnsignedDevice,
        ) => true,
        VerificationState::Unverified(
            VerificationLevel::VerificationViolation
            | VerificationLevel::None(_)
            | VerificationLevel::MismatchedSender,
        ) => false,
    }
}
