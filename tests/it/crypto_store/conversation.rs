//! A ghost speaks and the bot reads, with the library's own machine on top of the store; both are
//! started again between any two steps.

use std::{collections::BTreeMap, sync::Arc};

use matrix_sdk_crypto::{
    DecryptionSettings, EncryptionSettings, EncryptionSyncChanges, OlmMachine, TrustRequirement,
    types::{events::room::encrypted::EncryptedEvent, requests::AnyOutgoingRequest},
};
use ruma::{
    OwnedDeviceId, OwnedOneTimeKeyId, OwnedUserId, UserId,
    api::client::{
        keys::{claim_keys, get_keys, upload_keys},
        sync::sync_events::DeviceLists,
        to_device::send_event_to_device,
    },
    encryption::{CrossSigningKey, DeviceKeys, OneTimeKey},
    events::AnyToDeviceEvent,
    serde::Raw,
};
use serde::Serialize;
use serde_json::{Value, json, value::to_raw_value};
use umstieg::store::{DeviceRow, DeviceStore};

use super::{KeyStoreDatabase, NOW, room};

const BOT: &str = "@bot:practice.example";
const GHOST: &str = "@fax_1:practice.example";

#[tokio::test]
async fn a_ghost_speaks_and_the_bot_reads_whatever_is_started_again_in_between() {
    let database = KeyStoreDatabase::fresh().await;
    let (ghost, bot) =
        (SpeakingDevice::new(&database, GHOST).await, SpeakingDevice::new(&database, BOT).await);
    let mut server = KeyServer::default();
    for speaker in [&ghost, &bot] {
        let machine = speaker.machine().await;
        server.sign(&machine).await;
        server.serve(&machine).await;
    }
    for (speaker, other) in [(&ghost, &bot), (&bot, &ghost)] {
        let machine = speaker.machine().await;
        machine.update_tracked_users([&*other.user]).await.unwrap();
        // After a restart it knows the users it tracks.
        server.serve(&speaker.machine().await).await;
        assert!(speaker.machine().await.get_identity(&other.user, None).await.unwrap().is_some());
    }

    let machine = ghost.machine().await;
    let (id, claim) =
        machine.get_missing_sessions([&*bot.user].into_iter()).await.unwrap().unwrap();
    machine.mark_request_as_sent(&id, &server.claim(&claim)).await.unwrap();
    let missing =
        ghost.machine().await.get_missing_sessions([&*bot.user].into_iter()).await.unwrap();
    assert!(missing.is_none(), "the Olm session was forgotten");

    // Killed after the session was made and before its key was sent: the same is to be sent again.
    let share = async || {
        let (machine, users) = (ghost.machine().await, [&*bot.user]);
        let settings = EncryptionSettings::default();
        let requests = machine.share_room_key(room(), users.into_iter(), settings).await.unwrap();
        (machine, requests)
    };
    let ((_, before), (machine, after)) = (share().await, share().await);
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!(before[0].txn_id, after[0].txn_id);
    let sent = send_event_to_device::v3::Response::new();
    machine.mark_request_as_sent(&after[0].txn_id, &sent).await.unwrap();
    assert!(share().await.1.is_empty(), "a key that was sent is to be sent again");

    let mut events = Vec::new();
    for words in ["Befund", "Nachtrag"] {
        let content = raw(&json!({ "msgtype": "m.text", "body": words }));
        let machine = ghost.machine().await;
        let encrypted = machine.encrypt_room_event_raw(room(), "m.room.message", &content).await;
        events.push((words, encrypted.unwrap().content));
    }

    // The homeserver hands over the key, which opens a session with the bot. The bot is killed once
    // before all of it is saved, and once before it could say how far it is.
    let key = json!({
        "type": "m.room.encrypted",
        "sender": GHOST,
        "content": after[0].messages[&bot.user].values().next().unwrap(),
    });
    let key: Raw<AnyToDeviceEvent> = raw(&key);
    for (is_killed, expected) in [(true, 1), (false, 1), (false, 0)] {
        let changes = EncryptionSyncChanges {
            to_device_events: vec![key.clone()],
            changed_devices: &DeviceLists::new(),
            one_time_keys_counts: &BTreeMap::new(),
            unused_fallback_keys: None,
            next_batch_token: None,
        };
        let (machine, memory) = bot.machine_and_memory().await;
        let step = memory.begin_step().await.unwrap();
        let (_, keys) = machine.receive_sync_changes(changes, &settings()).await.unwrap();
        assert_eq!(keys.len(), expected);
        if !is_killed {
            step.commit().await.unwrap();
        }
    }

    for (number, (words, content)) in events.into_iter().enumerate() {
        let event = json!({
            "event_id": format!("$event{number}"),
            "room_id": room(),
            "origin_server_ts": 1_795_000_000_000_u64,
            "sender": GHOST,
            "type": "m.room.encrypted",
            "content": content,
        });
        let event: Raw<EncryptedEvent> = raw(&event);
        let bot = bot.machine().await;
        let decrypted = bot.decrypt_room_event(&event, room(), &settings()).await.unwrap();
        let event: Value = serde_json::from_str(decrypted.event.json().get()).unwrap();
        assert_eq!((&event["content"]["body"], &event["sender"]), (&json!(words), &json!(GHOST)));
    }
}

/// The strictest policy: the sender must be signed by the requested identity.
fn settings() -> DecryptionSettings {
    DecryptionSettings { sender_device_trust_requirement: TrustRequirement::CrossSigned }
}

fn raw<T>(value: &impl Serialize) -> Raw<T> {
    Raw::from_json(to_raw_value(value).unwrap())
}

/// A user with one device.
struct SpeakingDevice {
    database: KeyStoreDatabase,
    row: DeviceRow,
    user: OwnedUserId,
    device: OwnedDeviceId,
}

impl SpeakingDevice {
    async fn new(database: &KeyStoreDatabase, user: &str) -> Self {
        let device = database.store.name_device(user, "GERAET", NOW).await.unwrap();
        Self {
            database: database.clone(),
            row: device.row,
            user: UserId::parse(user).unwrap(),
            device: "GERAET".into(),
        }
    }

    /// The machine as it comes up after a restart: over its own connections.
    async fn machine(&self) -> OlmMachine {
        self.machine_and_memory().await.0
    }

    async fn machine_and_memory(&self) -> (OlmMachine, Arc<DeviceStore>) {
        let memory = self.database.after_restart().keys_of(self.row);
        let (user, device) = (&self.user, &self.device);
        (OlmMachine::with_store(user, device, memory.clone(), None).await.unwrap(), memory)
    }
}

/// What the homeserver keeps of keys.
#[derive(Default)]
struct KeyServer {
    devices: BTreeMap<OwnedUserId, Raw<DeviceKeys>>,
    one_time_keys: BTreeMap<OwnedUserId, BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>>,
    master_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    self_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
}

impl KeyServer {
    /// Makes and publishes an identity, which signs the device.
    async fn sign(&mut self, machine: &OlmMachine) {
        let requests = machine.bootstrap_cross_signing(false).await.unwrap();
        let user = machine.user_id().to_owned();
        if let Some(upload) = &requests.upload_keys_req {
            self.answer(machine, upload.request_id(), upload.request()).await;
        }
        let keys = requests.upload_signing_keys_req;
        self.master_keys.insert(user.clone(), raw(&keys.master_key));
        self.self_signing_keys.insert(user.clone(), raw(&keys.self_signing_key));
        let signed = &requests.upload_signatures_req.signed_keys[&user];
        let (_, signed) =
            signed.iter().find(|(name, _)| *name == machine.device_id().as_str()).unwrap();
        // The device's own signature is there already.
        let mut device: Value = self.devices[&user].deserialize_as_unchecked().unwrap();
        let signed: Value = serde_json::from_str(signed.get()).unwrap();
        let signatures = device["signatures"][user.as_str()].as_object_mut().unwrap();
        signatures.extend(signed["signatures"][user.as_str()].as_object().unwrap().clone());
        assert_eq!(signatures.len(), 2);
        self.devices.insert(user, raw(&device));
    }

    /// Answers what the machine wants to ask.
    async fn serve(&mut self, machine: &OlmMachine) {
        for request in machine.outgoing_requests().await.unwrap() {
            self.answer(machine, request.request_id(), request.request()).await;
        }
    }

    async fn answer(
        &mut self,
        machine: &OlmMachine,
        id: &ruma::TransactionId,
        request: &AnyOutgoingRequest,
    ) {
        match request {
            AnyOutgoingRequest::KeysUpload(request) => {
                let user = machine.user_id().to_owned();
                if let Some(keys) = &request.device_keys {
                    self.devices.insert(user.clone(), keys.clone());
                }
                let keys = self.one_time_keys.entry(user).or_default();
                keys.extend(request.one_time_keys.clone());
                let count = ruma::UInt::try_from(keys.len()).unwrap();
                let counts = [(ruma::OneTimeKeyAlgorithm::SignedCurve25519, count)];
                let response = upload_keys::v3::Response::new(counts.into());
                machine.mark_request_as_sent(id, &response).await.unwrap();
            }
            AnyOutgoingRequest::KeysQuery(_) => {
                let mut response = get_keys::v3::Response::new();
                for (user, keys) in &self.devices {
                    let device = [("GERAET".into(), keys.clone())];
                    response.device_keys.insert(user.clone(), device.into());
                }
                response.master_keys = self.master_keys.clone();
                response.self_signing_keys = self.self_signing_keys.clone();
                machine.mark_request_as_sent(id, &response).await.unwrap();
            }
            other => panic!("not expected: {other:?}"),
        }
    }

    /// Gives away one key of each requested device.
    fn claim(&mut self, request: &claim_keys::v3::Request) -> claim_keys::v3::Response {
        let mut keys = BTreeMap::new();
        for (user, devices) in &request.one_time_keys {
            let one = self.one_time_keys.get_mut(user).unwrap().pop_first().unwrap();
            let device = devices.keys().next().unwrap().clone();
            keys.insert(user.clone(), BTreeMap::from([(device, BTreeMap::from([one]))]));
        }
        claim_keys::v3::Response::new(keys)
    }
}
