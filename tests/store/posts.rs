//! Posts: said in their order and once, whatever is heard first of them, and what is parked lets the
//! others pass.

use serde_json::json;
use umstieg::{
    model::{ConversationId, LetterId, Media, PostId},
    store::{Attempt, ParkedKind, PostKind, Resolution, StoreError, StoredPost},
};

use crate::tables::{NOW, StoreTables, after, mail_of, notice};

/// A conversation, and a letter of these posts in it.
async fn said(
    tables: &StoreTables,
    txn_ids: &[&str],
) -> (ConversationId, LetterId, Vec<StoredPost>) {
    let conversation = tables.conversation().await;
    let (letter, posts) = tables.said_by_letter(conversation, txn_ids).await;
    (conversation, letter, posts)
}

async fn state_of(tables: &StoreTables, letter: LetterId) -> String {
    tables.sql(&format!("select state from letters where id = {letter}")).await
}

/// The only row of what is parked.
async fn only_parked(tables: &StoreTables) -> umstieg::store::ParkedItem {
    let parked = tables.store.parked().await.unwrap();
    let [item] = parked.as_slice() else { panic!("{parked:?}") };
    item.clone()
}

#[tokio::test]
async fn posts_wait_in_the_order_in_which_they_were_made() {
    let tables = StoreTables::new().await;
    let (conversation, _, posts) = said(&tables, &["a", "b"]).await;
    tables.store.add_bot_post(conversation, "n", &notice("x")).await.unwrap();
    tables.said_by_letter(conversation, &["c"]).await;
    // Another conversation's post does not appear.
    let other = tables.conversation_with(&mail_of("anna@x.kim.telematik")).await;
    tables.store.add_bot_post(other, "o", &notice("x")).await.unwrap();
    assert_eq!(tables.waiting_names(conversation).await, "a b n c");
    // One that is put off stays the first, and says for when.
    assert!(tables.store.post_again_at(posts[0].id, 1, after(60)).await.unwrap());
    assert_eq!(tables.waiting_names(conversation).await, "a b n c");
    let head = tables.store.pending_posts(conversation, 1).await.unwrap();
    assert_eq!((head.len(), head[0].attempts, head[0].next_attempt_at), (1, 1, Some(after(60))));
    tables.store.post_sent(posts[0].id, "$a", NOW).await.unwrap();
    assert_eq!(tables.waiting_names(conversation).await, "b n c");
}

#[tokio::test]
async fn an_attempt_at_a_post_counts_before_it_begins_and_forgets_when_it_was_due() {
    let tables = StoreTables::new().await;
    let (conversation, _, posts) = said(&tables, &["a"]).await;
    let (store, post) = (&tables.store, posts[0].id);
    assert_eq!(store.post_begins(post).await.unwrap(), Some(1));
    assert!(store.post_again_at(post, 1, after(5)).await.unwrap());
    // The gateway does not survive this one: it is one, and has no time for the next.
    assert_eq!(store.post_begins(post).await.unwrap(), Some(2));
    let waiting = tables.waiting(conversation).await;
    assert_eq!((waiting[0].attempts, waiting[0].next_attempt_at), (2, None));
    // What stopped it was not its own fault.
    store.attempt_is_none(Attempt::Post(post)).await.unwrap();
    assert_eq!(store.post_begins(post).await.unwrap(), Some(2));
}

#[tokio::test]
async fn with_the_last_of_its_posts_a_letter_is_in_the_room() {
    let tables = StoreTables::new().await;
    let (_, letter, posts) = said(&tables, &["a", "b", "c"]).await;
    let store = &tables.store;
    store.post_sent(posts[1].id, "$b", NOW).await.unwrap();
    store.post_echoed("a", "$a", NOW).await.unwrap();
    assert_eq!(state_of(&tables, letter).await, "placed");
    assert!(store.park_post(posts[2].id, "kim", "refused", NOW).await.unwrap());
    tables.unchanged(store.post_sent(posts[1].id, "$b", after(1))).await;
    assert_eq!(state_of(&tables, letter).await, "placed", "one of them is parked");
    tables.all_or_nothing(async || store.post_echoed("c", "$c", NOW).await).await;
    assert_eq!(state_of(&tables, letter).await, "posted");
}

/// The homeserver's answer, and the post's own echo through a door, which may be faster or all that is
/// heard: whatever came, the post is sent as the event it is, from the first time on that it was known.
#[tokio::test]
async fn answer_and_echo_come_to_the_same_in_either_order() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (_, letter, posts) = said(&tables, &["a"]).await;
    store.post_sent(posts[0].id, "$a", NOW).await.unwrap();
    store.post_echoed("a", "$a", after(1)).await.unwrap();
    let (_, other, posts) = said(&tables, &["b"]).await;
    store.post_echoed("b", "$b", NOW).await.unwrap();
    store.post_sent(posts[0].id, "$b", after(1)).await.unwrap();
    for letter in [letter, other] {
        assert_eq!(state_of(&tables, letter).await, "posted");
    }
    let rows = "select state, event_id, extract(epoch from sent_at)::bigint = 1795608000,
                    echoed_at is not null
                from posts order by id";
    assert_eq!(tables.sql(rows).await, "sent|$a|t|t, sent|$b|t|t");
    // Whatever is heard of them later.
    tables.unchanged(store.post_sent(posts[0].id, "$b", after(2))).await;
    tables.unchanged(store.post_echoed("a", "$a", after(2))).await;
    tables.unchanged(store.post_echoed("b", "$b", after(2))).await;
    tables.unchanged(store.post_echoed("of nobody", "$x", after(2))).await;
}

#[tokio::test]
async fn a_post_that_was_given_up_and_turns_out_to_be_in_its_room_is_sent() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (conversation, letter, posts) = said(&tables, &["a", "b"]).await;
    for post in &posts {
        assert!(store.park_post(post.id, "kim", "unreachable", NOW).await.unwrap());
    }
    let item = only_parked(&tables).await;
    assert_eq!((item.kind, item.item, item.things), (ParkedKind::Post, posts[0].id.0, 2));
    // With the first of them the other one still waits for a person.
    store.post_echoed("a", "$a", NOW).await.unwrap();
    assert_eq!(only_parked(&tables).await.things, 1);
    assert!(store.resolve_parked(item.id, Resolution::Drop, NOW).await.unwrap());
    assert_eq!(tables.states("posts").await, "sent, dropped");
    assert_eq!(state_of(&tables, letter).await, "dropped");
    store.post_echoed("b", "$b", NOW).await.unwrap();
    assert_eq!(tables.states("posts").await, "sent, sent");
    assert_eq!(state_of(&tables, letter).await, "dropped", "a person settled it");
    assert_eq!(tables.waiting_names(conversation).await, "");
}

/// Nothing is left to decide about a post that is where it should be, however that is known.
#[tokio::test]
async fn what_was_parked_and_is_sent_waits_for_nobody() {
    for by_answer in [false, true] {
        let tables = StoreTables::new().await;
        let store = &tables.store;
        let (_, letter, posts) = said(&tables, &["a", "b"]).await;
        for post in &posts {
            assert!(store.park_post(post.id, "kim", "unreachable", NOW).await.unwrap());
        }
        for (post, left) in posts.iter().zip([1, 0]) {
            let (txn_id, event) = (post.txn_id.clone(), format!("${}", post.txn_id));
            let known = async || match by_answer {
                true => store.post_sent(post.id, &event, NOW).await,
                false => store.post_echoed(&txn_id, &event, NOW).await,
            };
            tables.all_or_nothing(known).await;
            assert_eq!(store.parked_count().await.unwrap(), left, "answer: {by_answer}");
        }
        assert_eq!(state_of(&tables, letter).await, "posted");
    }
}

#[tokio::test]
async fn what_fails_in_one_conversation_for_one_reason_shares_a_row() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (conversation, _, posts) = said(&tables, &["a", "b", "c", "d"]).await;
    let park = async |post: &StoredPost, reason| store.park_post(post.id, "kim", reason, NOW).await;
    tables.all_or_nothing(async || park(&posts[0], "refused").await).await;
    assert!(park(&posts[1], "refused").await.unwrap());
    assert!(park(&posts[2], "too_large").await.unwrap());
    assert!(!tables.unchanged(park(&posts[0], "too_large")).await, "it is parked already");
    assert_eq!(tables.waiting_names(conversation).await, "d", "those behind pass");
    let (_, _, others) = said(&tables, &["e"]).await;
    assert!(park(&others[0], "refused").await.unwrap());
    let things = async || {
        let parked = store.parked().await.unwrap();
        parked.iter().map(|item| (item.id, item.things)).collect::<Vec<_>>()
    };
    let rows = things().await;
    assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), [2, 1, 1]);

    let retry = async || store.resolve_parked(rows[0].0, Resolution::Retry, NOW).await;
    tables.all_or_nothing(retry).await;
    assert_eq!(tables.jobs().await, format!("send_posts {conversation}"));
    assert_eq!(tables.waiting_names(conversation).await, "a b d", "in the order of before");
    assert!(!tables.unchanged(retry()).await);
    assert_eq!(things().await, rows[1..]);
    // For the same reason once more: the earlier row was decided.
    assert!(park(&posts[1], "refused").await.unwrap());
    assert_eq!(things().await.len(), 3);
}

#[tokio::test]
async fn a_post_that_is_taken_up_again_begins_anew_with_its_attempts() {
    let tables = StoreTables::new().await;
    let (conversation, _, posts) = said(&tables, &["a"]).await;
    let (store, post) = (&tables.store, posts[0].id);
    for attempt in 1..=3 {
        assert_eq!(store.post_begins(post).await.unwrap(), Some(attempt));
    }
    assert!(store.post_again_at(post, 3, after(60)).await.unwrap());
    assert!(store.park_post(post, "kim", "unreachable", NOW).await.unwrap());
    let item = only_parked(&tables).await.id;
    assert!(store.resolve_parked(item, Resolution::Retry, NOW).await.unwrap());
    let waiting = tables.waiting(conversation).await;
    assert_eq!((waiting[0].attempts, waiting[0].next_attempt_at), (0, None));
}

#[tokio::test]
async fn a_post_that_does_not_wait_any_more_is_neither_tried_nor_put_off_nor_parked() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (_, _, posts) = said(&tables, &["sent", "parked", "dropped"]).await;
    store.post_sent(posts[0].id, "$sent", NOW).await.unwrap();
    for post in [&posts[2], &posts[1]] {
        assert!(store.park_post(post.id, "kim", &post.txn_id, NOW).await.unwrap());
    }
    let dropped = store.parked().await.unwrap()[0].id;
    assert!(store.resolve_parked(dropped, Resolution::Drop, NOW).await.unwrap());
    assert_eq!(tables.states("posts").await, "sent, parked, dropped");
    for post in posts.iter().map(|post| post.id).chain([PostId(4711)]) {
        assert_eq!(tables.unchanged(store.post_begins(post)).await, None);
        assert!(!tables.unchanged(store.post_again_at(post, 7, after(1))).await);
        tables.unchanged(store.attempt_is_none(Attempt::Post(post))).await;
        assert!(!tables.unchanged(store.park_post(post, "kim", "other", NOW)).await);
    }
}

#[tokio::test]
async fn a_notice_is_said_once_under_its_name() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let (letter, _) = tables.said_by_letter(conversation, &["a"]).await;
    let wakes = format!("send_posts {conversation}");
    let says = async |text: &str| store.add_bot_post(conversation, "n", &notice(text)).await;
    tables.all_or_nothing(async || says("one").await).await;
    assert_eq!(tables.jobs().await, wakes);
    tables.unchanged(says("two")).await;
    let original = async || store.add_original(conversation, "o", letter).await;
    tables.all_or_nothing(original).await;
    assert_eq!(tables.jobs().await, wakes);
    tables.unchanged(original()).await;
    let instead = async |earlier: &str| {
        store.replace_bot_post(conversation, earlier, "r", &notice("three")).await
    };
    tables.unchanged(instead("of nobody")).await;
    tables.all_or_nothing(async || instead("n").await).await;
    tables.unchanged(instead("n")).await;
    let waiting = tables.waiting(conversation).await;
    let [_, said, whole, replacement] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((&said.content, &said.kind), (&json!({ "body": "one" }), &PostKind::Text));
    assert_eq!(whole.kind, PostKind::Original { letter });
    assert_eq!((said.replaces.clone(), replacement.replaces.clone()), (None, Some(None)));
}

/// A notice is replaced in its room. A notice in a room that is gone cannot be.
#[tokio::test]
async fn what_replaces_a_notice_names_its_event_in_the_room_of_now() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let portal = tables.room(conversation, "!one:x").await;
    store.add_bot_post(conversation, "n", &notice("one")).await.unwrap();
    store.replace_bot_post(conversation, "n", "r", &notice("two")).await.unwrap();
    let replaces = async || tables.waiting(conversation).await.pop().unwrap().replaces;
    assert_eq!(replaces().await, Some(None), "it was not sent");
    store.post_echoed("n", "$n", after(1)).await.unwrap();
    assert_eq!(replaces().await, Some(Some("$n".to_owned())));
    store.portal_is_gone(portal.id).await.unwrap();
    assert_eq!(replaces().await, Some(None), "there is no room");
    let token = uuid::Uuid::new_v4();
    store.add_portal(conversation, token, after(2)).await.unwrap();
    assert_eq!(replaces().await, Some(None), "it stands in another one");
    // It is said as a separate message, and a later one replaces it.
    let post = tables.waiting(conversation).await.pop().unwrap();
    store.post_stands_alone(post.id).await.unwrap();
    store.post_sent(post.id, "$r", after(3)).await.unwrap();
    store.replace_bot_post(conversation, "n", "s", &notice("three")).await.unwrap();
    assert_eq!(replaces().await, Some(Some("$r".to_owned())));
}

#[tokio::test]
async fn a_file_that_was_uploaded_is_known_by_the_next_attempt() {
    let tables = StoreTables::new().await;
    let (conversation, _, posts) = said(&tables, &["a"]).await;
    let media = Media::Encrypted(json!({ "url": "mxc://x/y", "key": "k" }));
    assert_eq!(posts[0].media, None);
    for _ in 0..2 {
        tables.store.post_uploaded(posts[0].id, &media).await.unwrap();
        assert_eq!(tables.waiting(conversation).await[0].media.as_ref(), Some(&media));
    }
}

#[tokio::test]
async fn a_damaged_post_is_told_when_it_is_the_first_and_stops_none_before_it() {
    let tables = StoreTables::new().await;
    let (conversation, _, posts) = said(&tables, &["a", "b", "c"]).await;
    let damage = format!("update posts set content = 'x' where id = {}", posts[1].id);
    tables.sql(&damage).await;
    assert_eq!(tables.waiting_names(conversation).await, "a");
    tables.store.post_sent(posts[0].id, "$a", NOW).await.unwrap();
    let damaged = tables.store.pending_posts(conversation, 100).await.unwrap_err();
    let StoreError::Damaged(damaged) = damaged else { panic!("{damaged}") };
    assert_eq!(damaged.row_of("posts"), Some(posts[1].id.0));
    assert!(tables.store.park_post(posts[1].id, "kim", "damaged", NOW).await.unwrap());
    assert_eq!(tables.waiting_names(conversation).await, "c");
}

/// One row stands for all conversations with a correspondent whose room cannot be had.
#[tokio::test]
async fn conversations_that_are_parked_go_on_together_or_are_given_up_together() {
    for resolution in [Resolution::Retry, Resolution::Drop] {
        let tables = StoreTables::new().await;
        let store = &tables.store;
        let (first, _, posts) = said(&tables, &["a"]).await;
        let (second, _, _) = said(&tables, &["b"]).await;
        let anna = tables.conversation_with(&mail_of("anna@x.kim.telematik")).await;
        store.add_bot_post(anna, "o", &notice("x")).await.unwrap();
        store.post_begins(posts[0].id).await.unwrap();
        let park = async |id| store.park_conversation(id, "unreachable", NOW).await;
        tables.all_or_nothing(async || park(second).await).await;
        assert!(!tables.unchanged(park(second)).await);
        assert!(park(first).await.unwrap());
        let item = only_parked(&tables).await;
        assert_eq!((item.kind, item.item, item.things), (ParkedKind::Conversation, first.0, 2));
        let parked = async |id| store.conversation(id).await.unwrap().unwrap().is_parked;
        assert_eq!(
            (parked(first).await, parked(second).await, parked(anna).await),
            (true, true, false)
        );
        // Its posts stay as they are, and no job is woken for them.
        assert_eq!(tables.waiting_names(first).await, "a");
        let sweep = tables.wakes(store.wake_what_waits(after(60))).await;
        assert_eq!(sweep, format!("send_posts {anna}"));

        tables.all_or_nothing(async || store.resolve_parked(item.id, resolution, NOW).await).await;
        assert_eq!(tables.jobs().await, format!("send_posts {first}, send_posts {second}"));
        assert_eq!((parked(first).await, parked(second).await), (false, false));
        let (left, letters) = match resolution {
            Resolution::Retry => ("a", "posted, placed, posted, placed, posted"),
            Resolution::Drop => ("", "posted, dropped, posted, dropped, posted"),
        };
        assert_eq!(tables.waiting_names(first).await, left);
        assert_eq!(tables.states("letters").await, letters);
        assert_eq!(tables.waiting_names(anna).await, "o");
        let attempts = "select distinct attempts from posts where state = 'pending'";
        assert_eq!(tables.sql(attempts).await, "0", "what goes on begins anew");
    }
}

#[tokio::test]
async fn the_sweep_wakes_what_is_due_and_what_no_clock_of_ours_put_off() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (conversation, _, posts) = said(&tables, &["a"]).await;
    let wakes = format!("send_posts {conversation}");
    let sweep = async || tables.wakes(store.wake_what_waits(NOW)).await;
    assert_eq!(sweep().await, wakes);
    for (next, expected) in [(0, &*wakes), (60, ""), (15 * 60, ""), (15 * 60 + 1, &*wakes)] {
        assert!(store.post_again_at(posts[0].id, 1, after(next)).await.unwrap());
        assert_eq!(sweep().await, expected, "{next}");
    }
    store.post_sent(posts[0].id, "$a", NOW).await.unwrap();
    assert_eq!(sweep().await, "");
}

/// What nobody could read is said once more when somebody can, and not without end.
#[tokio::test]
async fn what_nobody_could_read_is_said_once_more_each_time_and_three_times_at_most() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let (conversation, _, _) = said(&tables, &["a", "b"]).await;
    for (txn_id, event) in [("a", "$a"), ("b", "$b")] {
        store.post_is_unshown(txn_id).await.unwrap();
        store.post_echoed(txn_id, event, NOW).await.unwrap();
    }
    // One of them was said again before, where somebody could read it.
    store.posts_are_shown(&["b".to_owned()]).await.unwrap();
    let again = async || store.repeat_unshown(conversation, None, &notice("again")).await;
    for (time, repeat) in ["ar", "arr", "arrr"].into_iter().enumerate() {
        assert!(store.has_unshown(conversation).await.unwrap());
        tables.all_or_nothing(again).await;
        assert_eq!(tables.jobs().await, format!("send_posts {conversation}"));
        assert_eq!(tables.unchanged(again()).await, 0, "once");
        let waiting = tables.waiting(conversation).await;
        let [told, said] = waiting.as_slice() else { panic!("{waiting:?}") };
        assert_eq!((told.content["body"].as_str(), said.txn_id.as_str()), (Some("again"), repeat));
        store.post_is_unshown(repeat).await.unwrap();
        store.post_echoed(&told.txn_id, &format!("$z{time}"), NOW).await.unwrap();
        store.post_echoed(repeat, &format!("${time}"), NOW).await.unwrap();
    }
    assert!(!store.has_unshown(conversation).await.unwrap());
    assert_eq!(tables.unchanged(again()).await, 0);
}
