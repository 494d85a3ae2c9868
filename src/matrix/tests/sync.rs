//! What a sync asks for and brings.

use super::*;

fn message(event_id: &str, text: &str) -> Value {
    json!({
        "type": "m.room.message", "event_id": event_id, "sender": "@mfa:hs.example",
        "content": { "msgtype": "m.text", "body": text },
    })
}

#[tokio::test]
async fn a_sync_asks_for_what_matters_only() {
    let answer = ok(json!({ "next_batch": "s2" }));
    let (homeserver, server) = answering("GET", "/_matrix/client/v3/sync", answer).await;
    let batch = homeserver.sync(device(), Some("s1"), Duration::from_secs(30)).await.unwrap();
    assert_eq!(batch.next_batch, "s2");
    assert!(batch.joined.is_empty() && batch.invites.is_empty() && batch.left.is_empty());
    let query = query(&asked(&server).await[0]);
    assert_eq!(query["user_id"], "@_umstieg_bot:hs.example");
    assert_eq!(query["device_id"], "UMSTIEG");
    assert_eq!((&query["since"], &query["timeout"]), (&json!("s1"), &json!("30000")));
    assert_eq!(query["set_presence"], "offline");
    let filter: Value = serde_json::from_str(query["filter"].as_str().unwrap()).unwrap();
    assert_eq!(
        filter,
        json!({
            "presence": { "types": [] },
            "account_data": { "types": [] },
            "room": {
                "account_data": { "types": [] },
                "ephemeral": { "types": [] },
                "state": {
                    "types": ["m.room.member", "m.room.tombstone", "m.room.create", "m.room.encryption"],
                },
                "timeline": { "limit": 50 },
            },
        })
    );
}

#[tokio::test]
async fn a_sync_brings_what_a_device_has_to_know() {
    let message = json!({ "type": "m.room.encrypted", "sender": "@a:x", "content": {} });
    let answer = ok(json!({
        "next_batch": "s2",
        "to_device": { "events": [message] },
        "device_lists": { "changed": ["@a:x", "no user"], "left": ["@b:x"] },
        "device_one_time_keys_count": { "signed_curve25519": 7 },
        "device_unused_fallback_key_types": [],
    }));
    let (homeserver, _server) = answering("GET", "/_matrix/client/v3/sync", answer).await;
    let news = homeserver.sync(device(), Some("s1"), Duration::ZERO).await.unwrap().device;
    assert_eq!(news.to_device.len(), 1);
    let users =
        |users: &[ruma::OwnedUserId]| users.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (users(&news.changed), users(&news.left)),
        (vec!["@a:x".into()], vec!["@b:x".into()])
    );
    assert_eq!(news.one_time_keys.values().map(|n| u64::from(*n)).sum::<u64>(), 7);
    assert_eq!(news.unused_fallback_keys, Some(vec![]));
    assert_eq!(news.next_batch, "s2");
}

#[tokio::test]
async fn a_sync_brings_rooms_invites_and_farewells() {
    let answer = ok(json!({
        "next_batch": "s2",
        "rooms": {
            "join": { "!r:hs.example": {
                "timeline": { "events": [message("$1", "a"), message("$2", "b")], "limited": true, "prev_batch": "p" },
                "state": { "events": [{ "type": "m.room.create", "event_id": "$0", "sender": "@a:hs.example", "state_key": "", "content": {} }] },
                "unread_notifications": {},
            }},
            "invite": { "!i:hs.example": { "invite_state": { "events": [
                { "type": "m.room.create", "state_key": "", "sender": "@admin:hs.example",
                  "content": { "predecessor": { "room_id": "!r:hs.example" } } },
                { "type": "m.room.member", "state_key": "@_umstieg_bot:hs.example",
                  "sender": "@admin:hs.example", "content": { "membership": "invite" } },
            ]}}},
            "leave": { "!l:hs.example": { "timeline": { "events": [message("$3", "c")], "limited": true, "prev_batch": "q" } } },
        },
    }));
    let (homeserver, _server) = answering("GET", "/_matrix/client/v3/sync", answer).await;
    let batch = homeserver.sync(device(), None, Duration::ZERO).await.unwrap();
    let ids = |events: &[RawEvent]| -> Vec<String> {
        events.iter().map(|event| format!("{} {}", event.event_id, event.room_id)).collect()
    };
    let joined = &batch.joined[0];
    assert_eq!(ids(&joined.timeline), ["$1 !r:hs.example", "$2 !r:hs.example"]);
    assert_eq!(ids(&joined.state), ["$0 !r:hs.example"]);
    assert_eq!((joined.limited, joined.prev_batch.as_deref()), (true, Some("p")));
    assert_eq!(
        batch.invites,
        [RoomInvite {
            room_id: "!i:hs.example".try_into().unwrap(),
            inviter: Some("@admin:hs.example".try_into().unwrap()),
            predecessor: Some("!r:hs.example".try_into().unwrap()),
        }]
    );
    assert_eq!(batch.left[0].room_id, "!l:hs.example");
    assert_eq!(ids(&batch.left[0].timeline), ["$3 !l:hs.example"]);
    assert_eq!((batch.left[0].limited, batch.left[0].prev_batch.as_deref()), (true, Some("q")));
    assert_eq!(batch.unreadable, 0);
}

#[tokio::test]
async fn one_unreadable_piece_does_not_spoil_a_sync() {
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let answer = format!(
        r#"{{"next_batch":"s2","to_device":{deep},"rooms":{{"join":{{
            "!r:hs.example":{{"timeline":{{"events":[{{"type":7}},null,{good},
                {{"type":"m.room.message","event_id":"$deep","sender":"@a:b","content":{deep}}}]}}}},
            "no room id":{{}},
            "!broken:hs.example":{{"timeline":7}},
            "!quiet:hs.example":{{}}
        }},"invite":{{"!i:hs.example":7}}}}}}"#,
        good = message("$1", "a"),
    );
    let answer = ResponseTemplate::new(200).set_body_string(answer);
    let (homeserver, _server) = answering("GET", "/_matrix/client/v3/sync", answer).await;
    let batch = homeserver.sync(device(), None, Duration::ZERO).await.unwrap();
    let of_room = |name: &str| batch.joined.iter().find(|room| room.room_id == name).unwrap();
    let timeline = &of_room("!r:hs.example").timeline;
    let ids: Vec<_> = timeline.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids, ["$1", "$deep"]);
    assert!(of_room("!quiet:hs.example").timeline.is_empty());
    assert_eq!(batch.joined.len(), 2);
    assert_eq!(batch.invites[0].inviter, None);
    assert_eq!(batch.unreadable, 4);
}

#[tokio::test]
async fn a_gap_is_filled_page_by_page_newest_first() {
    let server = MockServer::start().await;
    let at = format!("{ROOM}/messages");
    for (from, answer) in [
        (
            "p",
            json!({ "start": "p", "end": "t2", "chunk": [message("$3", "c"), 7, message("$2", "b")] }),
        ),
        ("t2", json!({ "start": "t2", "end": "t3", "chunk": [message("$1", "a")] })),
        ("t3", json!({ "start": "t3", "end": "t3", "chunk": [] })),
    ] {
        Mock::given(path(&*at))
            .and(query_param("from", from))
            .and(query_param("to", "s1"))
            .and(query_param("dir", "b"))
            .and(query_param("limit", "2"))
            .respond_with(ok(answer))
            .mount(&server)
            .await;
    }
    let homeserver = homeserver_at(&server.uri());
    let (mut from, mut ids, mut unreadable) = (Some("p".to_owned()), Vec::new(), 0);
    while let Some(start) = from {
        let page = homeserver.messages_before(room(), &start, Some("s1"), 2).await.unwrap();
        ids.extend(page.events.into_iter().map(|event| event.event_id));
        unreadable += page.unreadable;
        from = page.end;
    }
    assert_eq!(ids, ["$3", "$2", "$1"]);
    assert_eq!(unreadable, 1);
}
