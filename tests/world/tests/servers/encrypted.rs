//! Clients that encrypt, with each other: what the tests of the gateway hold against it.

use umstieg_world::{
    Client, ClientTrust, Hydrogen, JsClient, JsOptions, Result, World,
    client::{SeenEvent, Shield, ShieldColour},
    synapse::SynapseAccess,
};

const PASSWORD: &str = "geheim";
const FILE: &[u8] = b"%PDF-1.7 not really";
const UNSIGNED: JsOptions = JsOptions { cross_signed: false, trust: ClientTrust::AnyDevice };
const ONLY_SIGNED: JsOptions = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };

/// The homeserver, with people made on it; the names are the test's own, since the world is shared.
async fn homeserver_with(people: &[&str]) -> &'static SynapseAccess {
    let homeserver = &World::shared().await.unwrap().homeserver;
    for person in people {
        homeserver.register_user(person, PASSWORD).await.unwrap();
    }
    homeserver
}

async fn js(homeserver: &SynapseAccess, name: &str, options: JsOptions) -> JsClient {
    JsClient::login(homeserver, name, PASSWORD, options).await.unwrap()
}

async fn nio(homeserver: &SynapseAccess, name: &str) -> Client {
    Client::login_encrypted(homeserver, name, PASSWORD).await.unwrap()
}

/// An encrypted room that everybody has joined, as its maker sees it.
async fn room_of(maker: &Client, others: &[&Client]) -> String {
    let invited: Vec<_> = others.iter().map(|other| other.user_id.as_str()).collect();
    let room = maker.create_room(&invited, true).await.unwrap();
    for who in invited {
        let is_join = |event: &&SeenEvent| {
            event.room_id == room
                && event.state_key.as_deref() == Some(who)
                && event.content["membership"] == "join"
        };
        let joined = maker.wait_for("the join", |seen| seen.events.iter().find(is_join).cloned());
        joined.await.unwrap();
    }
    room
}

/// A text and a file get from one to the other, encrypted; returns them as the other was shown them.
async fn text_and_file(from: &Client, to: &Client, room: &str, text: &str) -> [SeenEvent; 2] {
    from.send_text(room, text).await.unwrap();
    let name = format!("{text} ä.pdf");
    from.send_file(room, &name, "application/pdf", FILE).await.unwrap();
    let text = to
        .wait_for(text, |seen| seen.messages().find(|it| it.body() == text).cloned())
        .await
        .unwrap();
    let file = to
        .wait_for(&name, |seen| {
            seen.messages().find(|it| it.has_file() && it.body() == name).cloned()
        })
        .await
        .unwrap();
    for event in [&text, &file] {
        assert!(event.encrypted && !event.undecipherable, "{event}");
        assert_eq!(event.sender, from.user_id);
    }
    assert!(file.content.get("url").is_none(), "{}", file.content);
    assert_eq!(to.download(&file).await.unwrap(), FILE);
    [text, file]
}

/// The first event of a sender that the client could not decipher.
async fn undecipherable_of(at: &Client, sender: &str) -> Result<SeenEvent> {
    at.wait_for("what cannot be deciphered", |seen| {
        seen.undecipherable().find(|event| event.sender == sender).cloned()
    })
    .await
}

#[tokio::test]
async fn signed_devices_read_each_other_without_a_shield() {
    let homeserver = homeserver_with(&["signed-anna", "signed-bert"]).await;
    let anna = js(homeserver, "signed-anna", ONLY_SIGNED).await;
    let bert = js(homeserver, "signed-bert", ONLY_SIGNED).await;
    let room = room_of(&anna, &[&bert]).await;

    for (from, to, text) in [(&anna, &bert, "to bert"), (&bert, &anna, "to anna")] {
        for event in text_and_file(from, to, &room, text).await {
            assert_eq!(event.shield, Some(Shield::none()), "{event}");
            assert_eq!(to.shield(&event).await.unwrap(), Some(Shield::none()));
        }
    }
    for client in [&anna, &bert] {
        let seen = client.seen();
        assert_eq!(seen.undecipherable().count() + seen.shielded().count(), 0, "{seen}");
    }
}

#[tokio::test]
async fn a_device_its_owner_has_not_signed_is_warned_of() {
    let homeserver = homeserver_with(&["warned-anna", "warned-nils"]).await;
    let anna = js(homeserver, "warned-anna", JsOptions::default()).await;
    let nils = nio(homeserver, "warned-nils").await;
    let unsigned = Shield { colour: ShieldColour::Red, reason: Some("UNSIGNED_DEVICE".to_owned()) };

    for room in [room_of(&anna, &[&nils]).await, room_of(&nils, &[&anna]).await] {
        for event in text_and_file(&anna, &nils, &room, &format!("to nils {room}")).await {
            assert_eq!(event.verified, Some(false), "{event}");
        }
        for event in text_and_file(&nils, &anna, &room, &format!("to anna {room}")).await {
            assert_eq!(event.shield.as_ref(), Some(&unsigned), "{event}");
        }
    }
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
    assert_eq!(nils.seen().undecipherable().count(), 0, "{}", nils.seen());
}

#[tokio::test]
async fn a_device_its_owner_has_not_signed_is_refused_by_who_trusts_signed_ones_only() {
    let people = ["strict-anna", "strict-bert", "strict-nils"];
    let homeserver = homeserver_with(&people).await;
    let anna = js(homeserver, people[0], ONLY_SIGNED).await;
    let bert = js(homeserver, people[1], UNSIGNED).await;
    let nils = nio(homeserver, people[2]).await;
    let room = room_of(&anna, &[&bert, &nils]).await;

    // What such a device says is not shown.
    for unsigned in [&*bert, &nils] {
        unsigned.send_text(&room, "believe me").await.unwrap();
        let refused = undecipherable_of(&anna, &unsigned.user_id).await.unwrap();
        assert_eq!(refused.undecipherable_because.as_deref(), Some("UNSIGNED_SENDER_DEVICE"));
        assert!(anna.seen().message_with("believe me").is_none(), "{}", anna.seen());
    }
    // Nor is it given the key of what is said.
    anna.send_text(&room, "for the signed").await.unwrap();
    for unsigned in [&*bert, &nils] {
        let kept = undecipherable_of(unsigned, &anna.user_id).await.unwrap();
        assert_eq!(kept.sender, anna.user_id);
    }
    let reason = undecipherable_of(&bert, &anna.user_id).await.unwrap().undecipherable_because;
    assert_eq!(reason.as_deref(), Some("MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE"));
}

#[tokio::test]
async fn a_client_that_is_started_again_reads_what_was_said_before_and_meanwhile() {
    let homeserver = homeserver_with(&["again-anna", "again-bert"]).await;
    let anna = js(homeserver, "again-anna", ONLY_SIGNED).await;
    let bert = js(homeserver, "again-bert", ONLY_SIGNED).await;
    let room = room_of(&anna, &[&bert]).await;
    text_and_file(&anna, &bert, &room, "before").await;

    let device = bert.device_id.clone();
    let ended = bert.end().await.unwrap();
    anna.send_text(&room, "meanwhile").await.unwrap();
    let bert = ended.resume().await.unwrap();
    assert_eq!(bert.device_id, device);
    for text in ["before", "meanwhile"] {
        let event = bert
            .wait_for(text, |seen| seen.messages().find(|it| it.body() == text).cloned())
            .await
            .unwrap();
        assert_eq!(event.shield, Some(Shield::none()), "{event}");
    }
    text_and_file(&bert.restart().await.unwrap(), &anna, &room, "after").await;
}

#[tokio::test]
async fn what_is_deciphered_late_stands_in_its_place() {
    let homeserver = homeserver_with(&["late-anna", "late-nils"]).await;
    let anna = js(homeserver, "late-anna", JsOptions::default()).await;
    let nils = nio(homeserver, "late-nils").await;
    let room = room_of(&anna, &[&nils]).await;
    text_and_file(&anna, &nils, &room, "early").await;
    text_and_file(&nils, &anna, &room, "as early").await;

    // Devices that come later were given no key of what was said before.
    let later_anna = js(homeserver, "late-anna", UNSIGNED).await;
    let later_nils = nio(homeserver, "late-nils").await;
    for (first, later) in [(&*anna, &*later_anna), (&nils, &later_nils)] {
        let four = later.wait_for("four undecipherable events", |seen| {
            (seen.undecipherable().count() == 4).then_some(seen.events.len())
        });
        let events = four.await.unwrap();
        first.give_keys_to(later).await.unwrap();
        let seen = later
            .wait_for("all of it deciphered", |seen| {
                (seen.undecipherable().count() == 0).then(|| seen.clone())
            })
            .await
            .unwrap();
        let late = seen.messages().filter(|message| message.deciphered_late).count();
        assert_eq!((seen.events.len(), late), (events, 4), "{seen}");
    }
}

#[tokio::test]
async fn a_browser_shows_an_encrypted_room() {
    let homeserver = homeserver_with(&["page-anna", "page-berta"]).await;
    let anna = js(homeserver, "page-anna", JsOptions::default()).await;
    let berta = Hydrogen::login(homeserver, "page-berta", PASSWORD).await.unwrap();
    let room = anna.create_room(&[&homeserver.user_id("page-berta")], true).await.unwrap();
    berta.open_room(&room).await.unwrap();

    anna.send_text(&room, "Can you read this, Berta?").await.unwrap();
    berta.wait_for_text("Can you read this, Berta?").await.unwrap();
    anna.send_file(&room, "Befund ä.pdf", "application/pdf", FILE).await.unwrap();
    berta.wait_for_text("Befund ä.pdf").await.unwrap();
    berta.say("Every word.").await.unwrap();
    let answer = anna.wait_for("the answer", |seen| seen.message_with("Every word.").cloned());
    let answer = answer.await.unwrap();
    assert!(answer.encrypted, "{answer}");
    berta.wait_for_text("Every word.").await.unwrap();
    assert!(berta.shown().await.unwrap().contains("Can you read this, Berta?"));

    let picture = berta.screenshot("world-encrypted-room").await.unwrap();
    let png = std::fs::read(&picture).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{} bytes", png.len());
}

#[tokio::test]
async fn a_browser_tells_when_the_homeserver_refuses() {
    let homeserver = homeserver_with(&["page-wrong"]).await;
    let error = Hydrogen::login(homeserver, "page-wrong", "no").await.unwrap_err().to_string();
    assert!(error.contains("username and/or password"), "{error}");
}
