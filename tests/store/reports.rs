//! Which dispatch a report is about.

use umstieg::{
    model::{ConversationId, DispatchId},
    store::{Placing, ReportedDispatch},
};

use crate::tables::{NOW, StoreTables, erik, id, name, placing};

async fn reported(tables: &StoreTables, channel: &str, ids: &[&str]) -> Option<ReportedDispatch> {
    let ids: Vec<_> = ids.iter().map(|text| id(text)).collect();
    tables.store.reported_dispatch(&name(channel), &ids).await.unwrap()
}

/// A dispatch that was handed over under this Message-ID.
async fn handed_over(tables: &StoreTables, conversation: ConversationId, message_id: &str) -> i64 {
    tables.says(conversation, "@anna:x", message_id).await;
    tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    let sql = format!("select id from dispatches where message_id = '{message_id}'");
    tables.sql(&sql).await.trim().parse().unwrap()
}

#[tokio::test]
async fn kim_29_a_dispatch_is_found_by_its_channel_and_its_message_id() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let first = handed_over(&tables, conversation, "1@kim.local").await;
    let second = handed_over(&tables, conversation, "2@kim.local").await;
    let found = reported(&tables, "kim", &["1@kim.local"]).await;
    let expected = ReportedDispatch {
        id: DispatchId(first),
        conversation,
        correspondent: erik(),
        event_id: Some("$1@kim.local".to_owned()),
    };
    assert_eq!(found, Some(expected.clone()));
    // Ids that are no dispatch's say nothing; those of two dispatches do not say which.
    assert_eq!(reported(&tables, "kim", &["x@x", "1@kim.local"]).await, Some(expected.clone()));
    assert_eq!(reported(&tables, "kim", &["1@kim.local", "2@kim.local"]).await, None);
    assert_eq!(reported(&tables, "kim", &[]).await, None);
    assert_eq!(reported(&tables, "kim2", &["1@kim.local"]).await, None);

    // A dispatch that was named anew is found by both its ids.
    tables.sql(&format!("update dispatches set state = 'waiting' where id = {second}")).await;
    let again = tables.head(conversation).await.unwrap();
    tables.store.name_anew(&again, &id("2b@kim.local"), NOW).await.unwrap().unwrap();
    for ids in [&["2@kim.local"][..], &["2b@kim.local"], &["2@kim.local", "2b@kim.local"]] {
        let found = reported(&tables, "kim", ids).await;
        assert_eq!(found.map(|found| found.id), Some(DispatchId(second)), "{ids:?}");
    }

    // A letter that bears or names our id takes nothing away, nor does an id of a letter find one.
    let (letter, kim, sender) = (tables.letter().await, name("kim"), erik());
    let (own, named) = (id("1@kim.local"), [id("2@kim.local"), id("brief@x")]);
    let hostile = placing(letter, &kim, &sender);
    tables.place(Placing { message_id: Some(&own), ancestors: &named, ..hostile }).await;
    assert_eq!(reported(&tables, "kim", &["1@kim.local"]).await, Some(expected));
    assert_eq!(reported(&tables, "kim", &["brief@x"]).await, None);
}

/// A report stands in the conversation, but nobody is heard of by it, and nothing answers it.
#[tokio::test]
async fn a_report_is_no_letter_of_the_correspondent() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let first = tables.sql("select min(id) from letters").await;
    let dispatch = handed_over(&tables, conversation, "1@kim.local").await;
    let heard = "select last_seen_at from correspondents";
    let before = tables.sql(heard).await;
    let (letter, kim, erik) = (tables.letter().await, name("kim"), erik());
    let placing = Placing {
        conversation: Some(conversation),
        reports_on: Some(DispatchId(dispatch)),
        at: NOW + time::Duration::HOUR,
        ..placing(letter, &kim, &erik)
    };
    tables.place(placing).await;
    assert_eq!(tables.sql(heard).await, before);
    let answered = tables.store.answered_letter(conversation, "$gesagt", &[]).await.unwrap();
    assert_eq!(answered.unwrap().id.to_string(), first.trim());
}
