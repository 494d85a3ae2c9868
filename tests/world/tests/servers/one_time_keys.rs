use serde_json::{Value, json};
use umstieg_world::{Client, JsClient, JsOptions, OneTimeKey, OneTimeKeys, World, synapse::User};

const PASSWORD: &str = "geheim";

/// A device that uploads what it likes: Synapse looks at no signature of a one-time key.
struct Careless {
    user: User,
    device_id: String,
}

impl Careless {
    async fn new(name: &str) -> Self {
        let homeserver = &World::shared().await.unwrap().homeserver;
        let user = homeserver.register_user(name, PASSWORD).await.unwrap();
        let path = "/_matrix/client/v3/account/whoami";
        let answer = homeserver.request("GET", path, &user.access_token, None).await.unwrap().1;
        Self { device_id: answer["device_id"].as_str().unwrap().to_owned(), user }
    }

    async fn post(&self, what: &str, body: Value) -> Value {
        let homeserver = &World::shared().await.unwrap().homeserver;
        let path = format!("/_matrix/client/v3/keys/{what}");
        let answer = homeserver.request("POST", &path, &self.user.access_token, Some(&body));
        let (status, answer) = answer.await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn upload(&self, key_id: &str, public_key: &str) {
        let key = json!({ "key": public_key, "signatures": {} });
        self.post("upload", json!({ "one_time_keys": { key_id: key } })).await;
    }

    /// Is given a key of this very device, as anybody might be.
    async fn claim(&self) {
        let wanted = json!({ &self.user.id: { &self.device_id: "signed_curve25519" } });
        let answer = self.post("claim", json!({ "one_time_keys": wanted })).await;
        assert!(answer["one_time_keys"][&self.user.id][&self.device_id].is_object(), "{answer}");
    }
}

#[tokio::test]
async fn a_key_that_is_handed_out_twice_is_found() {
    let keys = OneTimeKeys::watch(World::shared().await.unwrap()).await.unwrap();
    let careless = Careless::new("careless").await;
    let user = careless.user.id.clone();
    let ids = |keys: Vec<OneTimeKey>| keys.into_iter().map(|key| key.key_id).collect::<Vec<_>>();

    careless.upload("signed_curve25519:A", "one").await;
    careless.upload("signed_curve25519:B", "two").await;
    careless.claim().await;
    careless.claim().await;
    assert_eq!(keys.handed_out_twice(&user).await.unwrap(), []);
    let [a, b] = keys.of(&user).await.unwrap().try_into().unwrap();
    assert_eq!((a.key_id.as_str(), a.public_key.as_str()), ("signed_curve25519:A", "one"));
    assert_eq!((a.uploaded, a.claimed, b.uploaded, b.claimed), (1, 1, 1, 1));

    // Uploaded again is not handed out again, until it is.
    careless.upload("signed_curve25519:A", "one").await;
    assert_eq!(keys.handed_out_twice(&user).await.unwrap(), []);
    careless.claim().await;
    let [a] = keys.handed_out_twice(&user).await.unwrap().try_into().unwrap();
    assert_eq!((a.key_id.as_str(), a.uploaded, a.claimed), ("signed_curve25519:A", 2, 2));

    // The same key under another id, and another key under the same id.
    careless.upload("signed_curve25519:C", "two").await;
    careless.upload("signed_curve25519:D", "three").await;
    careless.claim().await;
    careless.claim().await;
    careless.upload("signed_curve25519:D", "four").await;
    careless.claim().await;
    assert_eq!(
        ids(keys.handed_out_twice(&user).await.unwrap()),
        ["A", "B", "C", "D", "D"].map(|id| format!("signed_curve25519:{id}"))
    );
}

#[tokio::test]
async fn a_key_that_goes_with_its_device_is_not_handed_out() {
    let world = World::shared().await.unwrap();
    let keys = OneTimeKeys::watch(world).await.unwrap();
    let careless = Careless::new("careless-leaves").await;
    careless.upload("signed_curve25519:A", "one").await;
    let path = "/_matrix/client/v3/logout";
    let token = &careless.user.access_token;
    let (status, _) =
        world.homeserver.request("POST", path, token, Some(&json!({}))).await.unwrap();
    assert_eq!(status, 200);
    let [key] = keys.of(&careless.user.id).await.unwrap().try_into().unwrap();
    assert_eq!((key.uploaded, key.claimed), (1, 0));
}

#[tokio::test]
async fn clients_hand_out_each_key_once() {
    let world = World::shared().await.unwrap();
    let keys = OneTimeKeys::watch(world).await.unwrap();
    for person in ["keys-anna", "keys-nils"] {
        world.homeserver.register_user(person, PASSWORD).await.unwrap();
    }
    let anna = JsClient::login(&world.homeserver, "keys-anna", PASSWORD, JsOptions::default());
    let anna = anna.await.unwrap();
    let nils = Client::login_encrypted(&world.homeserver, "keys-nils", PASSWORD).await.unwrap();
    let room = anna.create_room(&[&nils.user_id], true).await.unwrap();
    anna.send_text(&room, "hello").await.unwrap();
    nils.wait_for("hello", |seen| seen.message_with("hello").cloned()).await.unwrap();
    nils.send_text(&room, "hello yourself").await.unwrap();
    anna.wait_for("the answer", |seen| seen.message_with("yourself").cloned()).await.unwrap();

    let of_nils = keys.of(&nils.user_id).await.unwrap();
    assert!(of_nils.len() > 10, "{of_nils:?}");
    assert!(of_nils.iter().all(|key| key.device_id == nils.device_id && key.uploaded == 1));
    assert_eq!(of_nils.iter().map(|key| key.claimed).sum::<u32>(), 1);
    assert_eq!(keys.handed_out_twice("@keys-").await.unwrap(), []);
}
