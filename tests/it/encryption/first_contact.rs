//! The first post of an unknown ghost, read by clients that refuse unsigned devices.

use std::collections::BTreeMap;

use matrix_sdk_crypto::{
    DecryptionSettings, EncryptionSyncChanges, OlmMachine, TrustRequirement,
    types::requests::AnyOutgoingRequest,
};
use ruma::{
    DeviceId, UserId, api::client::sync::sync_events::DeviceLists, events::AnyToDeviceEvent,
    serde::Raw,
};
use serde_json::{Value, json};
use umstieg_world::{
    JsClient, JsOptions,
    client::{ClientTrust, SeenTimeline},
};

use crate::stage::{Stage, kim_mail};

/// Correspondents who write for the first time: each is a room and an unknown ghost. Without the
/// introduction of a ghost, each of their posts was hidden from members who accept by hand.
const STRANGERS: usize = 10;

/// Makes one person the whole team of the practice, so that no other device accepts invitations.
async fn alone_in_the_practice(stage: &Stage, name: &str) -> (String, String) {
    let name = format!("{name}-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let user_id = stage.world.homeserver.user_id(&name);
    let (old, new) = (format!("team = [{:?}]", stage.anna_id), format!("team = [{user_id:?}]"));
    stage.edit_settings(&[(&old, &new)]);
    (name, user_id)
}

#[tokio::test]
async fn who_accepts_an_invitation_by_hand_reads_the_post_that_is_there() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (name, _) = alone_in_the_practice(&stage, "clara").await;
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    let clara = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    clara.accept_invitations(false).await.unwrap();
    stage.gateway.start().await.unwrap();
    let mut letters = Vec::new();
    for number in 0..STRANGERS {
        let stranger = stage.correspondent(&format!("fremd{number}")).await;
        let (id, words) = (format!("erster-{stranger}"), format!("Erster Brief von {stranger}"));
        stage.receive(&kim_mail(&stranger, &stage.practice, &id, "Befund", "", &words)).await;
        letters.push(words);
    }
    let posted = "select count(*) from letters where state = 'posted'";
    stage.database_says(posted, &STRANGERS.to_string()).await;
    assert_eq!(clara.seen().messages().count(), 0);

    clara.accept_invitations(true).await.unwrap();
    let told = |seen: &SeenTimeline| {
        let read = letters.iter().filter(|words| seen.message_with(words).is_some()).count();
        (read + seen.undecipherable().count() >= letters.len()).then_some(())
    };
    clara.wait_for("something of every letter", told).await.unwrap();
    assert_eq!(clara.seen().undecipherable().count(), 0, "{}", clara.seen());
    assert_eq!(clara.seen().shielded().count(), 0, "{}", clara.seen());
}

/// What one of our sessions tells a device that knows nothing about us: the keys of the device it
/// comes from, with the signature of its identity. So it is, too, for a device from the database.
#[tokio::test]
async fn every_key_comes_with_the_signed_keys_of_its_device() {
    let mut stage = Stage::encrypted("any-device").await;
    let (_, user) = alone_in_the_practice(&stage, "nora").await;
    let mut nora = Receiver::login(&stage, &user).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "z1@x", "Befund", "", "Guten Tag")).await;
    let posted = "select count(*) from letters where state = 'posted'";
    stage.database_says(posted, "1").await;
    nora.reads_senders(&stage, 1).await;
    // The first post of the bot, too; and both devices as the database remembers them.
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    let hint = "In-Reply-To: <z1@x>\nReferences: <z1@x>\nAuto-Submitted: auto-replied\n";
    stage.receive(&kim_mail(&erik, &stage.practice, "z2@x", "AW: Befund", hint, "Abwesend")).await;
    stage.database_says(posted, "2").await;
    let senders = nora.reads_senders(&stage, 3).await;
    assert_eq!(senders.len(), 2, "{senders:?}");
}

/// A device on the gateway's own library that asks no one for keys.
struct Receiver {
    olm: OlmMachine,
    token: String,
    since: Option<String>,
}

impl Receiver {
    async fn login(stage: &Stage, user_id: &str) -> Self {
        let token = stage.token_of(user_id).await;
        let homeserver = &stage.world.homeserver;
        let who = "/_matrix/client/v3/account/whoami";
        let (_, who) = homeserver.request("GET", who, &token, None).await.unwrap();
        let device = <&DeviceId>::from(who["device_id"].as_str().unwrap());
        let olm = OlmMachine::new(<&UserId>::try_from(user_id).unwrap(), device).await;
        for request in olm.outgoing_requests().await.unwrap() {
            let AnyOutgoingRequest::KeysUpload(upload) = request.request() else { continue };
            let body = json!({
                "device_keys": upload.device_keys,
                "one_time_keys": upload.one_time_keys,
                "fallback_keys": upload.fallback_keys,
            });
            let path = "/_matrix/client/v3/keys/upload";
            let (status, answer) =
                homeserver.request("POST", path, &token, Some(&body)).await.unwrap();
            assert_eq!(status, 200, "{answer}");
        }
        Self { olm, token, since: None }
    }

    /// Takes in what has come until `count` sessions are there. Fails unless the sender of each is
    /// known by keys with two signatures: its own and that of its identity. Returns the senders.
    async fn reads_senders(&mut self, stage: &Stage, count: usize) -> Vec<String> {
        let mut sessions = Vec::new();
        while sessions.len() < count {
            self.sync(stage).await;
            sessions = self.olm.store().get_inbound_group_sessions().await.unwrap();
        }
        let mut senders = BTreeMap::new();
        for session in sessions {
            let pickle = session.pickle().await;
            let data = serde_json::to_value(&pickle.sender_data).unwrap();
            let keys = data.pointer("/DeviceInfo/device_keys").unwrap_or(&Value::Null);
            let user = keys["user_id"].as_str().unwrap_or_else(|| panic!("{data}"));
            let signatures = keys["signatures"][user].as_object().unwrap();
            assert_eq!(signatures.len(), 2, "{keys}");
            senders.insert(user.to_owned(), ());
        }
        senders.into_keys().collect()
    }

    async fn sync(&mut self, stage: &Stage) {
        let since = self.since.as_ref().map(|since| format!("&since={since}")).unwrap_or_default();
        let path = format!("/_matrix/client/v3/sync?timeout=10000{since}");
        let (status, answer) =
            stage.world.homeserver.request("GET", &path, &self.token, None).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let next = answer["next_batch"].as_str().unwrap().to_owned();
        let events = answer.pointer("/to_device/events").and_then(Value::as_array);
        let events = events
            .into_iter()
            .flatten()
            .map(|event| Raw::<AnyToDeviceEvent>::from_json_string(event.to_string()).unwrap());
        let changes = EncryptionSyncChanges {
            to_device_events: events.collect(),
            changed_devices: &DeviceLists::new(),
            one_time_keys_counts: &BTreeMap::new(),
            unused_fallback_keys: None,
            next_batch_token: Some(next.clone()),
        };
        let settings =
            DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted };
        self.olm.receive_sync_changes(changes, &settings).await.unwrap();
        self.since = Some(next);
    }
}
