//! Rooms of conversations: one at a time, and what is gone does not come back.

use serde_json::json;
use umstieg::{
    model::ConversationId,
    store::{PortalState, StoreError},
};
use uuid::Uuid;

use crate::tables::{NOW, StoreTables, after, mail_of, notice};

async fn invites(tables: &StoreTables, portal: i64, users: &[&str]) {
    let users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
    tables.store.portal_invited(portal, &users).await.unwrap();
}

/// How many rooms a conversation has had.
async fn rooms(tables: &StoreTables, conversation: ConversationId) -> i64 {
    tables.store.beginning(conversation).await.unwrap().unwrap().rooms
}

#[tokio::test]
async fn a_conversation_has_one_room_at_a_time_whose_alias_was_saved_first() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    assert_eq!(store.portal(conversation).await.unwrap(), None);
    let token = Uuid::new_v4();
    tables.all_or_nothing(async || store.add_portal(conversation, token, NOW).await).await;
    let portal = store.portal(conversation).await.unwrap().unwrap();
    assert_eq!((portal.alias_token, portal.state), (token, PortalState::Opening));
    assert_eq!((&portal.room_id, portal.continues, portal.to_compare), (&None, false, false));
    // The second caller goes on with the first alias.
    let again = store.add_portal(conversation, Uuid::new_v4(), after(1));
    assert_eq!(tables.unchanged(again).await, portal);
    store.portal_has_room(portal.id, "!r:x", None).await.unwrap();
    store.portal_is_open(portal.id).await.unwrap();
    let again = store.add_portal(conversation, Uuid::new_v4(), after(1));
    assert_eq!(tables.unchanged(again).await.id, portal.id);
    assert_eq!(rooms(&tables, conversation).await, 1);
    // Another conversation with the same correspondent has its own room.
    let other = tables.conversation().await;
    assert_ne!(tables.room(other, "!other:x").await.id, portal.id);
    assert_eq!(store.conversation_of_room("!r:x").await.unwrap(), Some(conversation));
    assert_eq!(store.conversation_of_room("!other:x").await.unwrap(), Some(other));
    assert_eq!(store.conversation_of_room("!nobody:x").await.unwrap(), None);
}

#[tokio::test]
async fn the_events_of_a_room_are_read_as_soon_as_it_is_known() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let portal = store.add_portal(conversation, Uuid::new_v4(), NOW).await.unwrap();
    tables.all_or_nothing(async || store.portal_has_room(portal.id, "!r:x", None).await).await;
    assert_eq!(tables.jobs().await, "read_room !r:x");
    tables.unchanged(store.portal_has_room(portal.id, "!r:x", None)).await;
    // One that was there already is compared before anything is said in it.
    let wakes = tables.wakes(store.portal_has_found_room(portal.id, "!r:x")).await;
    assert_eq!(wakes, "read_room !r:x");
    tables.unchanged(store.portal_has_found_room(portal.id, "!r:x")).await;
    let to_compare = async || store.portal(conversation).await.unwrap().unwrap().to_compare;
    assert!(to_compare().await);
    store.portal_is_open(portal.id).await.unwrap();
    assert!(to_compare().await, "being in it is not enough");
    store.portal_is_compared(portal.id).await.unwrap();
    tables.unchanged(store.portal_is_compared(portal.id)).await;
    assert!(!to_compare().await);
}

#[tokio::test]
async fn a_room_that_is_gone_is_followed_by_another_one() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let first = tables.room(conversation, "!one:x").await;
    store.portal_is_gone(first.id).await.unwrap();
    assert_eq!(store.portal(conversation).await.unwrap(), None);
    let second = tables.room(conversation, "!two:x").await;
    assert!(second.id != first.id && second.continues && second.invited.is_empty());
    assert_eq!(rooms(&tables, conversation).await, 2);
    // What was said there still leads to the conversation.
    assert_eq!(store.conversation_of_room("!one:x").await.unwrap(), Some(conversation));
    // One that never had a room is nothing to go on from.
    let other = tables.conversation().await;
    let never = store.add_portal(other, Uuid::new_v4(), NOW).await.unwrap();
    store.portal_is_gone(never.id).await.unwrap();
    assert!(!tables.room(other, "!other:x").await.continues);
}

/// The reading of a room says that the bot was removed, while its opening comes to its end.
#[tokio::test]
async fn a_room_that_is_gone_does_not_come_back() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let first = store.add_portal(conversation, Uuid::new_v4(), NOW).await.unwrap();
    store.portal_has_room(first.id, "!one:x", None).await.unwrap();
    let lost = async || store.portal_lost_the_bot("!one:x").await;
    tables.all_or_nothing(lost).await;
    assert_eq!(tables.jobs().await, format!("send_posts {conversation}"));
    tables.unchanged(store.portal_is_open(first.id)).await;
    assert_eq!(store.portal(conversation).await.unwrap(), None);
    let second = tables.room(conversation, "!two:x").await;
    for _ in 0..2 {
        tables.unchanged(store.portal_is_open(first.id)).await;
        tables.unchanged(store.portal_is_gone(first.id)).await;
        tables.unchanged(lost()).await;
        tables.unchanged(store.portal_upgraded("!one:x", after(1))).await;
        let moved = store.portal_moved(first.id, "!three:x", Uuid::new_v4(), after(1));
        tables.unchanged(moved).await;
    }
    assert_eq!(tables.wakes(store.portal_upgraded("!one:x", after(1))).await, "");
    assert_eq!(store.portal(conversation).await.unwrap(), Some(second));
    // A room of no conversation.
    tables.unchanged(store.portal_lost_the_bot("!nobody:x")).await;
    tables.unchanged(store.portal_upgraded("!nobody:x", after(1))).await;
}

#[tokio::test]
async fn an_upgraded_room_is_followed_once_and_who_had_left_is_not_invited_again() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let old = tables.room(conversation, "!old:x").await;
    invites(&tables, old.id, &["@anna:x", "@bert:x", "@carla:x"]).await;
    for (user, membership) in
        [("@anna:x", "join"), ("@bert:x", "leave"), ("@carla:x", "ban"), ("@eve:x", "leave")]
    {
        store.member_is("!old:x", user, membership, 0).await.unwrap();
    }
    tables.all_or_nothing(async || store.portal_upgraded("!old:x", after(1)).await).await;
    assert_eq!(tables.jobs().await, format!("send_posts {conversation}"));
    tables.unchanged(store.portal_upgraded("!old:x", after(2))).await;
    let upgraded = store.portal(conversation).await.unwrap().unwrap();
    assert_eq!((upgraded.id, upgraded.upgraded_at), (old.id, Some(after(1))));
    assert!(store.portal_wants_attention(conversation, &[]).await.unwrap());

    let token = Uuid::new_v4();
    let moves = async || store.portal_moved(old.id, "!new:x", token, after(3)).await;
    tables.all_or_nothing(moves).await;
    assert_eq!(tables.jobs().await, format!("read_room !new:x, send_posts {conversation}"));
    tables.unchanged(moves()).await;
    let mut new = store.portal(conversation).await.unwrap().unwrap();
    new.invited.sort();
    assert_eq!((new.room_id.as_deref(), new.alias_token), (Some("!new:x"), token));
    assert_eq!((new.state, new.continues), (PortalState::Opening, true));
    assert_eq!((new.upgraded_at, new.encryption), (None, None));
    assert_eq!(new.invited, ["@bert:x", "@carla:x"]);
    for room in ["!old:x", "!new:x"] {
        assert_eq!(store.conversation_of_room(room).await.unwrap(), Some(conversation));
    }
    // It is only half taken over, and a job is woken for it until it is.
    let sweep = async || tables.wakes(store.wake_what_waits(NOW)).await;
    assert_eq!(sweep().await, format!("send_posts {conversation}"));
    store.portal_is_open(new.id).await.unwrap();
    assert_eq!(sweep().await, "");
}

/// The user who upgrades a room names its successor: any room at all.
#[tokio::test]
async fn no_conversation_moves_into_the_room_of_another() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let mine = tables.conversation().await;
    let hers = tables.conversation_with(&mail_of("anna@x.kim.telematik")).await;
    let (old, other) = (tables.room(mine, "!mine:x").await, tables.room(hers, "!hers:x").await);
    let gone = tables.conversation().await;
    let portal = tables.room(gone, "!gone:x").await;
    store.portal_is_gone(portal.id).await.unwrap();
    for room in ["!hers:x", "!gone:x", "!mine:x"] {
        let refused = async || match store.portal_moved(old.id, room, Uuid::new_v4(), NOW).await {
            Err(StoreError::Damaged(_)) => Ok(()),
            other => panic!("{other:?}"),
        };
        tables.unchanged(refused()).await;
        assert_eq!(tables.wakes(refused()).await, "");
        let refused = async || match store.portal_has_room(old.id, room, None).await {
            Err(StoreError::Damaged(_)) => Ok(()),
            other => panic!("{other:?}"),
        };
        if room != "!mine:x" {
            tables.unchanged(refused()).await;
        }
    }
    assert_eq!(store.portal(mine).await.unwrap(), Some(old));
    assert_eq!(store.portal(hers).await.unwrap(), Some(other));
}

#[tokio::test]
async fn nobody_is_invited_twice_for_one_reason() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let portal = tables.room(conversation, "!r:x").await;
    let team = ["@anna:x".to_owned(), "@bert:x".to_owned()];
    let wants = async || store.portal_wants_attention(conversation, &team).await.unwrap();
    assert!(wants().await);
    invites(&tables, portal.id, &["@anna:x"]).await;
    assert!(wants().await);
    invites(&tables, portal.id, &["@bert:x", "@anna:x"]).await;
    let twice = store.portal_invited(portal.id, &team[..1]);
    tables.unchanged(twice).await;
    assert!(!wants().await);
    let invited = async || store.portal(conversation).await.unwrap().unwrap().invited;
    assert_eq!(invited().await, team);
    // A former member who comes again is a newcomer.
    let former = async || store.member_is_former("!r:x", "@anna:x", NOW).await;
    tables.all_or_nothing(former).await;
    tables.unchanged(former()).await;
    assert_eq!(invited().await, team[1..]);
    assert!(wants().await);
}

#[tokio::test]
async fn how_a_room_is_encrypted_is_known_of_that_room() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (mine, hers) = (tables.conversation().await, tables.conversation().await);
    let portal = tables.room(mine, "!mine:x").await;
    tables.room(hers, "!hers:x").await;
    let megolm = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    let encryption = async |id| store.portal(id).await.unwrap().unwrap().encryption;
    store.portal_is_encrypted(portal.id, &megolm).await.unwrap();
    tables.unchanged(store.room_is_encrypted("!mine:x", &megolm)).await;
    assert_eq!((encryption(mine).await, encryption(hers).await), (Some(megolm.clone()), None));
    store.room_is_encrypted("!hers:x", &megolm).await.unwrap();
    assert_eq!(encryption(hers).await, Some(megolm.clone()));
    tables.unchanged(store.room_is_encrypted("!nobody:x", &megolm)).await;
}

/// Nobody was there who could read it, and then the room was gone: it is said once more. What was said
/// since in the next room was read there.
#[tokio::test]
async fn what_lies_in_a_room_that_is_gone_was_shown_to_nobody_and_what_lies_in_the_next_was() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let first = tables.room(conversation, "!one:x").await;
    tables.said_by_letter(conversation, &["a"]).await;
    store.portal_is_deserted("!one:x", "a", after(1)).await.unwrap();
    tables.unchanged(store.portal_is_deserted("!one:x", "a", after(9))).await;
    store.post_echoed("a", "$a", after(2)).await.unwrap();
    assert!(!store.has_unshown(conversation).await.unwrap());
    tables.all_or_nothing(async || store.portal_is_gone(first.id).await).await;
    assert!(store.has_unshown(conversation).await.unwrap());
    assert!(store.portal_wants_attention(conversation, &[]).await.unwrap(), "a room to say it in");

    let second = store.add_portal(conversation, Uuid::new_v4(), after(3)).await.unwrap();
    store.portal_has_room(second.id, "!two:x", None).await.unwrap();
    store.portal_is_open(second.id).await.unwrap();
    assert!(store.has_unshown_before(conversation, second.id).await.unwrap());
    let again = notice("again");
    let said = store.repeat_unshown(conversation, Some(second.id), &again).await;
    assert_eq!(said.unwrap(), 1);
    tables.said_by_letter(conversation, &["b"]).await;
    for post in tables.waiting(conversation).await {
        let event = format!("${}", post.txn_id);
        store.post_sent(post.id, &event, after(4)).await.unwrap();
    }
    // A task that has the first room still hears once more that it is gone.
    tables.unchanged(store.portal_is_gone(first.id)).await;
    assert!(!store.has_unshown(conversation).await.unwrap());
}

#[tokio::test]
async fn what_a_conversation_began_with_is_its_first_letter() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let began = store.beginning(conversation).await.unwrap().unwrap();
    tables.said_by_letter(conversation, &["a"]).await;
    tables.room(conversation, "!r:x").await;
    let now = store.beginning(conversation).await.unwrap().unwrap();
    assert_eq!((&now.mail_key, &now.content), (&began.mail_key, &began.content));
    assert_eq!((began.rooms, now.rooms), (0, 1));
    assert!(now.content.is_some());
    assert_eq!(store.beginning(ConversationId(4711)).await.unwrap(), None);
}
