//! The people in an encrypted room: ten, with two signed devices each, with whom keys are shared.
//!
//! matrix-sdk-crypto makes their devices in this process. They read nothing: the benchmark measures
//! how messages reach them.

use matrix_sdk_crypto::{
    DecryptionSettings, EncryptionSyncChanges, OlmMachine, TrustRequirement,
    types::requests::{AnyIncomingResponse, AnyOutgoingRequest, OutgoingRequest},
};
use reqwest::Method;
use ruma::{
    OneTimeKeyAlgorithm, UInt,
    api::{
        IncomingResponse as _,
        client::{
            keys::{get_keys, upload_keys, upload_signatures, upload_signing_keys},
            sync::sync_events::DeviceLists,
        },
    },
};
use serde_json::{Value, json};
use umstieg_world::{Surroundings, synapse::User};

/// How many people are in an encrypted room besides the gateway's users, and the devices of each.
pub(crate) const MEMBERS: usize = 10;
pub(crate) const DEVICES: usize = 2;

const PASSWORD: &str = "geheim";

/// Everybody in the encrypted rooms.
pub(crate) struct Participants {
    url: String,
    http: reqwest::Client,
    pub(crate) people: Vec<Participant>,
}

pub(crate) struct Participant {
    pub(crate) user: User,
    devices: Vec<MemberDevice>,
}

struct MemberDevice {
    machine: OlmMachine,
    token: String,
}

/// What a new device uploads, ready to be sent.
pub(crate) struct Papers {
    /// The device's keys with its one-time keys.
    pub(crate) keys: Value,
    /// The keys of its user's identity, and what they sign.
    pub(crate) identity: Value,
    pub(crate) signatures: Value,
    pub(crate) fallback: Value,
}

impl Participants {
    pub(crate) async fn open(world: &Surroundings) -> Self {
        let mut members = Self {
            url: world.homeserver.url.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            people: Vec::new(),
        };
        for number in 0..MEMBERS {
            let name = format!("team{number}");
            let user = world.homeserver.register_user(&name, PASSWORD).await.unwrap();
            let member = members.member(user).await;
            members.people.push(member);
        }
        members
    }

    /// Uploads one-time keys until every device has 50 unused ones again.
    pub(crate) async fn refill(&self) {
        for device in self.people.iter().flat_map(|member| &member.devices) {
            let left = self.upload(device, &json!({})).await;
            let counts = left.get("one_time_key_counts").cloned().unwrap_or_default();
            let left = counts.get("signed_curve25519").and_then(Value::as_u64).unwrap_or(0);
            let counts =
                [(OneTimeKeyAlgorithm::SignedCurve25519, UInt::try_from(left).unwrap_or_default())];
            let requests = told(&device.machine, &counts.into(), None).await;
            for request in &requests {
                if let Some(body) = keys_upload(request) {
                    self.upload(device, &body).await;
                    uploaded(&device.machine, request).await;
                }
            }
        }
    }

    /// Users and their devices, as a request for keys names them.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        self.people.iter().map(|member| {
            let devices = &member.devices;
            let ids = devices.iter().map(|device| device.machine.device_id().to_string());
            (member.user.id.clone(), ids.collect())
        })
    }

    async fn member(&self, user: User) -> Participant {
        // Registering a user also makes a device.
        let whoami = self.ask(Method::GET, "/v3/account/whoami", &user.access_token, None).await;
        let first = device(&user, &whoami, user.access_token.clone()).await;
        let papers = papers(&first.machine).await;
        self.upload(&first, &papers.keys).await;
        let path = "/v3/keys/device_signing/upload";
        self.ask(Method::POST, path, &first.token, Some(&papers.identity)).await;
        self.sign(&first, &papers.signatures).await;
        self.upload(&first, &papers.fallback).await;
        let mut devices = vec![first];
        for _ in 1..DEVICES {
            let second = self.another(&user).await;
            let [first, ..] = devices.as_slice() else { unreachable!("the first one is there") };
            self.confirm(first, &second).await;
            devices.push(second);
        }
        Participant { user, devices }
    }

    /// A further device of a user, not signed yet.
    async fn another(&self, user: &User) -> MemberDevice {
        let login = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": user.id },
            "password": PASSWORD,
        });
        let answer = self.ask(Method::POST, "/v3/login", "", Some(&login)).await;
        let token = answer.get("access_token").and_then(Value::as_str).unwrap().to_owned();
        let device = device(user, &answer, token).await;
        for request in device.machine.outgoing_requests().await.unwrap() {
            if let Some(body) = keys_upload(&request) {
                self.upload(&device, &body).await;
                uploaded(&device.machine, &request).await;
            }
        }
        device
    }

    /// The first device signs the other one.
    async fn confirm(&self, first: &MemberDevice, other: &MemberDevice) {
        let user = first.machine.user_id();
        let (name, _) = first.machine.query_keys_for_users([user]);
        let query = json!({ "device_keys": { user.as_str(): [] } });
        let answer = self.ask(Method::POST, "/v3/keys/query", &first.token, Some(&query)).await;
        let answer = http::Response::new(answer.to_string().into_bytes());
        let answer = get_keys::v3::Response::try_from_http_response(answer).unwrap();
        first.machine.mark_request_as_sent(&name, &answer).await.unwrap();
        let other = first.machine.get_device(user, other.machine.device_id(), None).await;
        let request = other.unwrap().unwrap().verify().await.unwrap();
        self.sign(first, &serde_json::to_value(&request.signed_keys).unwrap()).await;
    }

    async fn upload(&self, device: &MemberDevice, body: &Value) -> Value {
        self.ask(Method::POST, "/v3/keys/upload", &device.token, Some(body)).await
    }

    async fn sign(&self, device: &MemberDevice, signed: &Value) {
        let path = "/v3/keys/signatures/upload";
        let answer = self.ask(Method::POST, path, &device.token, Some(signed)).await;
        let failures = answer.get("failures").and_then(Value::as_object);
        assert!(failures.is_none_or(serde_json::Map::is_empty), "{answer}");
    }

    async fn ask(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/_matrix/client{path}", self.url);
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// Of the answer to a login, or to a question who one is.
async fn device(user: &User, answer: &Value, token: String) -> MemberDevice {
    let id = answer.get("device_id").and_then(Value::as_str).unwrap();
    MemberDevice { machine: machine(&user.id, id).await, token }
}

/// A new device, with keys in memory.
pub(crate) async fn machine(user: &str, device: &str) -> OlmMachine {
    OlmMachine::new(&ruma::UserId::parse(user).unwrap(), device.into()).await
}

/// Makes everything that a new device with its own identity uploads.
pub(crate) async fn papers(machine: &OlmMachine) -> Papers {
    let requests = machine.bootstrap_cross_signing(true).await.unwrap();
    let upload = requests.upload_keys_req.unwrap();
    let keys = keys_upload(&upload).unwrap();
    uploaded(machine, &upload).await;
    let signing = requests.upload_signing_keys_req;
    let identity = json!({
        "master_key": signing.master_key,
        "self_signing_key": signing.self_signing_key,
        "user_signing_key": signing.user_signing_key,
    });
    let name = ruma::TransactionId::new();
    let signed = upload_signing_keys::v3::Response::new();
    let signed = AnyIncomingResponse::SigningKeysUpload(&signed);
    machine.mark_request_as_sent(&name, signed).await.unwrap();
    let signatures = serde_json::to_value(&requests.upload_signatures_req.signed_keys).unwrap();
    let signed = upload_signatures::v3::Response::new();
    machine.mark_request_as_sent(&name, &signed).await.unwrap();
    let more = told(machine, &[].into(), Some(&[])).await;
    let fallback = more.iter().find_map(keys_upload).unwrap();
    Papers { keys, identity, signatures, fallback }
}

/// Tells a device how many of its keys are left; gives what it wants to send then.
async fn told(
    machine: &OlmMachine,
    counts: &std::collections::BTreeMap<OneTimeKeyAlgorithm, UInt>,
    unused_fallback_keys: Option<&[OneTimeKeyAlgorithm]>,
) -> Vec<OutgoingRequest> {
    let changes = EncryptionSyncChanges {
        to_device_events: Vec::new(),
        changed_devices: &DeviceLists::new(),
        one_time_keys_counts: counts,
        unused_fallback_keys,
        next_batch_token: None,
    };
    let settings =
        DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted };
    machine.receive_sync_changes(changes, &settings).await.unwrap();
    machine.outgoing_requests().await.unwrap()
}

/// The body of an upload of keys; nothing when the request is another one.
fn keys_upload(request: &OutgoingRequest) -> Option<Value> {
    let AnyOutgoingRequest::KeysUpload(upload) = request.request() else { return None };
    let mut body = json!({
        "one_time_keys": upload.one_time_keys,
        "fallback_keys": upload.fallback_keys,
    });
    if let (Some(keys), Some(body)) = (&upload.device_keys, body.as_object_mut()) {
        body.insert("device_keys".to_owned(), json!(keys));
    }
    Some(body)
}

async fn uploaded(machine: &OlmMachine, request: &OutgoingRequest) {
    let counts = [(OneTimeKeyAlgorithm::SignedCurve25519, UInt::from(50_u32))];
    let answer = upload_keys::v3::Response::new(counts.into());
    machine.mark_request_as_sent(request.request_id(), &answer).await.unwrap();
}
