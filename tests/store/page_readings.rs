//! Faxes that a machine reads: once each, after they are in their room, and not where something was deleted.

use umstieg::{
    model::{ConversationId, HintKind, LetterId, NewPost, PageHint, Speaker},
    store::{Placing, ReadingEnd},
};

use crate::tables::{NOW, StoreTables, after, erik, name, notice, placing, post};

/// A fax whose picture is in its room, and that waits to be read.
async fn shown(tables: &StoreTables, txn_id: &str) -> (LetterId, ConversationId) {
    let (kim, erik) = (name("kim"), erik());
    let letter = tables.letter().await;
    let picture = NewPost { speaker: Speaker::Ghost, file_index: Some(0), ..post(txn_id) };
    let posts = [picture];
    let placing = Placing { posts: &posts, is_read: true, ..placing(letter, &kim, &erik) };
    let conversation = tables.place(placing).await;
    assert_eq!(tables.store.next_reading(after(60)).await.unwrap(), None, "it is not in its room");
    tables.room(conversation, "!portal:x").await;
    let waiting = tables.waiting(conversation).await;
    tables.store.post_sent(waiting[0].id, "$picture", after(60)).await.unwrap();
    (letter, conversation)
}

fn hints() -> Vec<PageHint> {
    let number = "123456601".to_owned();
    vec![PageHint { kind: HintKind::Lanr, number, is_of_code: true }]
}

#[tokio::test]
async fn fax_10_what_was_read_is_said_and_kept_and_noted_or_nothing_is() {
    let tables = StoreTables::new().await;
    let (letter, conversation) = shown(&tables, "l7p0").await;
    let store = &tables.store;
    store.wake_what_waits(after(60)).await.unwrap();
    assert!(tables.jobs().await.contains("read_pages"), "{}", tables.jobs().await);
    let reading = store.next_reading(after(60)).await.unwrap().unwrap();
    assert_eq!((reading.letter, reading.conversation), (letter, conversation));
    assert_eq!(store.reading_begins(letter).await.unwrap(), Some(1));
    let fax = store.fax_in_room(letter).await.unwrap().unwrap();
    assert_eq!(
        (fax.event_id.as_str(), fax.txn_id.as_str(), fax.files),
        ("$picture", "l7p0", vec![0])
    );
    let (said, hints) = (notice("Gelesen"), hints());
    let end = || ReadingEnd::Said { txn_id: "l7p999998", notice: &said, hints: &hints };
    tables
        .all_or_nothing(async || store.reading_ends(&reading, end(), after(61)).await.map(|_| ()))
        .await;
    assert!(!store.reading_ends(&reading, end(), after(62)).await.unwrap(), "it was read");
    assert!(!store.reading_ends(&reading, ReadingEnd::GivenUp, after(62)).await.unwrap());
    assert_eq!(tables.waiting_names(conversation).await, "l7p999998");
    assert_eq!(tables.sql("select state from page_readings").await, "said");
    assert_eq!(tables.sql("select kind || of_code from page_hints").await, "lanrtrue");
    let plain = "select count(*) from page_hints where position('123456601'::bytea in number) > 0";
    assert_eq!(tables.sql(plain).await, "0", "sealed");
    assert_eq!(store.next_reading(after(99)).await.unwrap(), None);
    assert_eq!(store.reading_begins(letter).await.unwrap(), None);
}

#[tokio::test]
async fn fax_10_a_fax_that_is_put_off_lets_others_pass_and_a_clock_set_back_holds_nobody_up() {
    let tables = StoreTables::new().await;
    let (letter, _) = shown(&tables, "l7p0").await;
    let store = &tables.store;
    store.reading_begins(letter).await.unwrap();
    store.reading_again_at(letter, after(120)).await.unwrap();
    assert_eq!(store.next_reading(after(119)).await.unwrap(), None);
    assert!(store.next_reading(after(120)).await.unwrap().is_some());
    assert!(store.next_reading(NOW - time::Duration::days(1)).await.unwrap().is_some());
    assert_eq!(store.reading_begins(letter).await.unwrap(), Some(2));
}

#[tokio::test]
async fn fax_10_nothing_is_said_where_a_part_was_deleted_or_the_room_is_another_one() {
    let tables = StoreTables::new().await;
    let (letter, _) = shown(&tables, "l7p0").await;
    let store = &tables.store;
    assert!(!store.reading_came_too_late(letter).await.unwrap());
    let later = "update rooms set created_at = created_at + interval '1 day' returning 1";
    tables.sql(later).await;
    assert!(store.reading_came_too_late(letter).await.unwrap(), "another room");
    tables.sql("update rooms set created_at = created_at - interval '1 day' returning 1").await;
    assert!(!store.reading_came_too_late(letter).await.unwrap());
    let deleted = "insert into room_acts (event_id, room_id, author, target, kind, received_at)
         values ('$d', '!portal:x', '@anna:x', '$picture', 'redaction', now()) returning 1";
    tables.sql(deleted).await;
    assert!(store.reading_came_too_late(letter).await.unwrap(), "deleted");
}
