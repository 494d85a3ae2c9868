//! Which dispatch a report is about.

use umstieg::{
    model::{ConversationId, DeliveryState, DispatchId, LetterId},
    store::{Placing, ReportedDispatch, Resolution},
};

use crate::tables::{NOW, StoreTables, after, erik, id, name, notice, placing};

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

/// A report comes that says this, and is taken.
async fn is_reported(tables: &StoreTables, message_id: &str, said: DeliveryState) -> LetterId {
    let letter = tables.letter().await;
    assert!(tables.reported(message_id, letter, said).await.unwrap());
    letter
}

/// A person has everything tried again.
async fn tried_again(tables: &StoreTables) {
    let parked = tables.store.parked().await.unwrap();
    assert!(!parked.is_empty());
    for item in parked {
        assert!(tables.store.resolve_parked(item.id, Resolution::Retry, NOW).await.unwrap());
    }
}

#[tokio::test]
async fn kim_29_a_dispatch_is_found_by_its_channel_and_its_message_id() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let first = handed_over(&tables, conversation, "1@kim.local").await;
    handed_over(&tables, conversation, "2@kim.local").await;
    let said_as = tables.sql(&format!("select said_as from dispatches where id = {first}")).await;
    let expected = ReportedDispatch {
        id: DispatchId(first),
        conversation,
        correspondent: erik().key().to_string(),
        answer_to: None,
        state: Some(DeliveryState::Accepted),
        begun: 1,
        message_id: "1@kim.local".to_owned(),
        is_earlier: false,
        has_left: true,
        said_as: Some(said_as.clone()),
        may_have_arrived: false,
        first_event: Some("$1@kim.local".to_owned()),
        is_receipt: false,
    };
    assert_eq!(reported(&tables, "kim", &["1@kim.local"]).await, Some(expected.clone()));
    // Ids that are no dispatch's say nothing; those of two dispatches do not say which.
    assert_eq!(reported(&tables, "kim", &["x@x", "1@kim.local"]).await, Some(expected.clone()));
    assert_eq!(reported(&tables, "kim", &["1@kim.local", "2@kim.local"]).await, None);
    assert_eq!(reported(&tables, "kim", &[]).await, None);
    assert_eq!(reported(&tables, "kim2", &["1@kim.local"]).await, None);

    // A letter that bears or names our id takes nothing away, nor does an id of a letter find one.
    let (letter, kim, sender) = (tables.letter().await, name("kim"), erik());
    let (own, named) = (id("1@kim.local"), [id("2@kim.local"), id("brief@x")]);
    let hostile = placing(letter, &kim, &sender);
    tables.place(Placing { message_id: Some(&own), ancestors: &named, ..hostile }).await;
    assert_eq!(reported(&tables, "kim", &["1@kim.local"]).await, Some(expected));
    assert_eq!(reported(&tables, "kim", &["brief@x"]).await, None);
}

/// L168: what was said under an earlier Message-ID is not what the room shows now.
#[tokio::test]
async fn l168_a_report_about_an_earlier_version_is_told_from_one_about_the_last() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let dispatch = handed_over(&tables, conversation, "1@kim.local").await;
    tables.sql("update dispatches set state = 'waiting'").await;
    let again = tables.head(conversation).await.unwrap();
    tables.store.name_anew(&again, &id("1b@kim.local"), NOW).await.unwrap().unwrap();
    for (named, is_earlier) in [("1@kim.local", true), ("1b@kim.local", false)] {
        let found = reported(&tables, "kim", &[named]).await.unwrap();
        assert_eq!((found.id, found.is_earlier), (DispatchId(dispatch), is_earlier), "{named}");
    }
}

/// L169: a report is about what left, not about what was taken back before.
#[tokio::test]
async fn l169_a_report_answers_what_left() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    tables.says(conversation, "@anna:x", "1@kim.local").await;
    tables.says(conversation, "@anna:x", "2@kim.local").await;
    tables.sql("update dispatch_parts set withdrawn = true where event_id = '$1@kim.local'").await;
    let closed = tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    assert_eq!(closed.first_event.as_deref(), Some("$2@kim.local"), "as its notices have it");
    let found = reported(&tables, "kim", &["1@kim.local"]).await.unwrap();
    assert_eq!(found.first_event.as_deref(), Some("$2@kim.local"));
}

/// KIM-29: one report, one step: the state, the notice, what a person has to look at; and nothing when
/// it comes again, when another letter says the same, or when the report is broken off.
#[tokio::test]
async fn kim_29_a_report_moves_its_dispatch_once() {
    use DeliveryState::{Delivered, Undelivered};
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    handed_over(&tables, conversation, "1@kim.local").await;
    let letter = tables.letter().await;
    tables.all_or_nothing(async || tables.reported("1@kim.local", letter, Delivered).await).await;
    assert_eq!(tables.states("dispatches").await, "delivered");
    let notices = "select count(*), count(replaces) from posts where dispatch_id is not null";
    let said = tables.sql(notices).await;
    assert!(tables.unchanged(tables.reported("1@kim.local", letter, Delivered)).await);
    is_reported(&tables, "1@kim.local", Delivered).await;
    assert_eq!(tables.sql(notices).await, said);
    assert_eq!(tables.sql("select count(*) from reports").await, "2");

    // It contradicts: a person looks, and the room hears of it by a new message.
    is_reported(&tables, "1@kim.local", Undelivered).await;
    assert_eq!(tables.states("dispatches").await, "contradicted");
    let parked = tables.store.parked().await.unwrap();
    assert_eq!(
        parked.iter().map(|item| item.reason.as_str()).collect::<Vec<_>>(),
        ["contradicted"]
    );
}

/// KIM-29: what a report calls undelivered becomes another mail when a person has it tried again, so
/// that later reports about the first are not about it.
#[tokio::test]
async fn kim_29_what_did_not_arrive_leaves_again_as_another_mail() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    handed_over(&tables, conversation, "1@kim.local").await;
    let letter = tables.letter().await;
    let undelivered = DeliveryState::Undelivered;
    assert!(tables.reported("1@kim.local", letter, undelivered).await.unwrap());
    tried_again(&tables).await;
    let again = tables.head(conversation).await.unwrap();
    let composed = tables.store.composition(again.id).await.unwrap();
    assert_ne!(again.said_as, Some(composed.mark()), "so it gets another Message-ID");
}

/// KIM-29: of a server that agreed to report and is silent the room is told once.
#[tokio::test]
async fn kim_29_silence_is_told_once() {
    let tables = StoreTables::new().await;
    let (store, kim, said) = (&tables.store, name("kim"), notice("silent"));
    let conversation = tables.conversation().await;
    for (number, asked) in [("1", true), ("2", false), ("3", true)] {
        tables.says(conversation, "@anna:x", &format!("{number}@kim.local")).await;
        tables.closed(conversation).await;
        let attempt = tables.leaves(conversation).await;
        store.settle_accepted(&attempt, "250", asked, &notice("accepted"), NOW).await.unwrap();
    }
    is_reported(&tables, "3@kim.local", DeliveryState::Delivered).await;

    assert_eq!(store.unreported(&kim, NOW, false, 9).await.unwrap(), [], "not yet");
    assert_eq!(store.unreported(&name("kim2"), after(1), false, 9).await.unwrap(), []);
    let silent = store.unreported(&kim, after(1), false, 9).await.unwrap();
    let [dispatch] = silent.as_slice() else { panic!("{silent:?}") };
    assert_eq!((dispatch.first_event.as_deref(), dispatch.taken_at), (Some("$1@kim.local"), NOW));
    tables.all_or_nothing(async || store.tell_unreported(dispatch, &said, after(1)).await).await;
    tables.unchanged(store.tell_unreported(dispatch, &said, after(2))).await;
    assert_eq!(store.unreported(&kim, after(9), false, 9).await.unwrap(), []);
    // A report that comes late still counts.
    is_reported(&tables, "1@kim.local", DeliveryState::Read).await;
}

/// L175: what a report says of the mail that a person has sent again is not about the next one, and stops
/// nothing; both are told of where the mail that reports it stands.
#[tokio::test]
async fn l175_reports_about_a_mail_that_is_sent_again_move_nothing() {
    use DeliveryState::{Delivered, Relayed, Undelivered};
    for before in [&[Undelivered][..], &[Delivered, Undelivered]] {
        for late in [Relayed, Delivered, Undelivered] {
            let tables = StoreTables::new().await;
            let conversation = tables.conversation().await;
            handed_over(&tables, conversation, "1@kim.local").await;
            for said in before {
                is_reported(&tables, "1@kim.local", *said).await;
            }
            tried_again(&tables).await;
            let letter = tables.letter().await;
            assert!(!tables.reported("1@kim.local", letter, late).await.unwrap(), "{late:?}");
            assert_eq!(tables.states("dispatches").await, "waiting");
        }
    }
}

/// L176: a report that the first mail arrived, and came while the second attempt was under way, counts
/// before a third one; about words that were changed since it says nothing.
#[tokio::test]
async fn l176_what_arrived_after_all_does_not_leave_once_more() {
    for is_renamed in [false, true] {
        let tables = StoreTables::new().await;
        let (store, kim, said) = (&tables.store, name("kim"), notice("x"));
        let conversation = tables.conversation().await;
        tables.says(conversation, "@anna:x", "1@kim.local").await;
        tables.closed(conversation).await;
        let first = tables.leaves(conversation).await;
        let (unclear, parked) = (DeliveryState::Unclear, Some((&kim, "unclear")));
        store.settle_dispatch(&first, unclear, "x", &said, parked, NOW).await.unwrap();
        tried_again(&tables).await;
        let second = tables.leaves(conversation).await;
        is_reported(&tables, "1@kim.local", DeliveryState::Delivered).await;
        store.dispatch_again_at(&second, NOW, "451", None).await.unwrap();
        if is_renamed {
            let changed = tables.head(conversation).await.unwrap();
            store.name_anew(&changed, &id("1b@kim.local"), NOW).await.unwrap().unwrap();
        }
        tables.caught_up(conversation).await.unwrap();
        assert_eq!(tables.head(conversation).await.is_some(), is_renamed);
        if is_renamed {
            tables.hands_over(conversation).await;
            tables.caught_up(conversation).await.unwrap();
            assert_eq!(tables.states("dispatches").await, "accepted");
        }
    }
}

/// L177: `!original` brings the report for which the state moved, and none that changed nothing.
#[tokio::test]
async fn l177_the_report_behind_a_notice_is_the_one_that_brought_it_about() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    handed_over(&tables, conversation, "1@kim.local").await;
    let bounce = is_reported(&tables, "1@kim.local", DeliveryState::Undelivered).await;
    tables
        .sql(
            "update posts set event_id = '$notice', state = 'sent'
             where id = (select max(id) from posts where dispatch_id is not null)",
        )
        .await;
    is_reported(&tables, "1@kim.local", DeliveryState::Relayed).await;
    let behind = tables.store.report_behind(conversation, "$notice").await.unwrap();
    assert_eq!(behind, Some(bounce));
}

/// L178: silence is told of each mail, not of the first only.
#[tokio::test]
async fn l178_silence_is_told_of_the_mail_that_left_again() {
    let tables = StoreTables::new().await;
    let (store, kim, said) = (&tables.store, name("kim"), notice("x"));
    let conversation = tables.conversation().await;
    tables.says(conversation, "@anna:x", "1@kim.local").await;
    tables.closed(conversation).await;
    let first = tables.leaves(conversation).await;
    store.settle_accepted(&first, "250", true, &said, NOW).await.unwrap();
    let silent = store.unreported(&kim, after(1), false, 9).await.unwrap();
    store.tell_unreported(&silent[0], &said, after(1)).await.unwrap();
    is_reported(&tables, "1@kim.local", DeliveryState::Undelivered).await;
    tried_again(&tables).await;
    let second = tables.leaves(conversation).await;
    store.settle_accepted(&second, "250", true, &said, after(2)).await.unwrap();
    assert_eq!(store.unreported(&kim, after(9), false, 9).await.unwrap().len(), 1);
}

/// L185: a report came while the body was under way, and the wake-up was lost before it was judged: the
/// sweep finds it.
#[tokio::test]
async fn l185_the_sweep_wakes_a_report_that_waits_for_an_attempt_that_has_ended() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    tables.says(conversation, "@anna:x", "1@kim.local").await;
    tables.closed(conversation).await;
    let attempt = tables.leaves(conversation).await;
    is_reported(&tables, "1@kim.local", DeliveryState::Undelivered).await;
    let (accepted, said) = (DeliveryState::Accepted, notice("accepted"));
    tables.store.settle_dispatch(&attempt, accepted, "250", &said, None, NOW).await.unwrap();
    let jobs = tables.wakes(tables.store.wake_what_waits(after(1))).await;
    assert!(jobs.contains(&format!("hand_over {conversation}")), "{jobs}");
    tables.caught_up(conversation).await.unwrap();
    assert_eq!(tables.states("dispatches").await, "undelivered");
    let jobs = tables.wakes(tables.store.wake_what_waits(after(1))).await;
    assert!(!jobs.contains("hand_over"), "{jobs}");
}
