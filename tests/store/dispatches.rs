//! Dispatches: gathered from one person's words, moved one at a time, and settled only by the task
//! whose attempt it is.

use umstieg::{
    model::{ConversationId, Correspondent, DeliveryState, LetterId, MailAddress},
    store::{
        Attempt, MayLeave, NewPreview, ParkedKind, Placing, Previewed, Resolution, StoreError,
        StoredDispatch,
    },
};

use crate::tables::{NOW, SpokenPart, StoreTables, after, erik, id, name, notice, placing};

const ANNA: &str = "@anna:x";
const BERT: &str = "@bert:x";

/// What each dispatch says, in order.
async fn gathered(tables: &StoreTables) -> Vec<String> {
    let dispatches = "select dispatch.id, string_agg(part.event_id, ' ' order by part.id)
                      from dispatches as dispatch
                      left join dispatch_parts as part on part.dispatch_id = dispatch.id
                      group by dispatch.id
                      order by dispatch.id";
    let rows = tables.sql(dispatches).await;
    rows.split(", ").map(|row| row.split('|').nth(1).unwrap_or_default().to_owned()).collect()
}

/// Says something after this many seconds, in answer to a letter.
async fn says(
    tables: &StoreTables,
    conversation: ConversationId,
    author: &str,
    message_id: &str,
    (answers, seconds): (Option<LetterId>, i64),
) {
    let at = after(seconds);
    tables.collect(SpokenPart { conversation, author, message_id, answers, at }).await.unwrap();
}

#[tokio::test]
async fn a_dispatch_gathers_what_one_person_says_until_somebody_else_does() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    for (author, message_id, seconds) in
        [(ANNA, "1", 0), (ANNA, "2", 10), (BERT, "3", 20), (ANNA, "4", 20), (ANNA, "5", 21)]
    {
        says(&tables, conversation, author, message_id, (None, seconds)).await;
    }
    assert_eq!(gathered(&tables).await, ["$1 $2", "$3", "$4 $5"]);
    // In another room everybody says what they say.
    let other = tables.conversation().await;
    says(&tables, other, ANNA, "6", (None, 22)).await;
    says(&tables, conversation, ANNA, "7", (None, 23)).await;
    assert_eq!(gathered(&tables).await, ["$1 $2", "$3", "$4 $5 $7", "$6"]);
}

#[tokio::test]
async fn what_answers_another_letter_leaves_as_a_mail_of_its_own() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let (first, _) = tables.said_by_letter(conversation, &["a"]).await;
    let (second, _) = tables.said_by_letter(conversation, &["b"]).await;
    let (first, second) = (Some(first), Some(second));
    for (message_id, answers) in
        [("1", first), ("2", first), ("3", second), ("4", first), ("5", None)]
    {
        says(&tables, conversation, ANNA, message_id, (answers, 1)).await;
    }
    assert_eq!(gathered(&tables).await, ["$1 $2", "$3", "$4", "$5"]);
    assert_eq!(tables.head(conversation).await.unwrap().answers, first);
}

#[tokio::test]
async fn a_dispatch_stays_open_for_a_while_after_each_word_and_not_for_ever() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let closes_in = async || {
        let head = tables.head(conversation).await.unwrap();
        (head.closes_at - head.opened_at).whole_seconds()
    };
    for (seconds, open_for) in [(0, 30), (20, 50), (49, 79), (78, 108), (100, 120), (119, 120)] {
        says(&tables, conversation, ANNA, &seconds.to_string(), (None, seconds)).await;
        assert_eq!(closes_in().await, open_for);
    }
    // It was not closed yet, and takes nothing more.
    says(&tables, conversation, ANNA, "120", (None, 120)).await;
    assert_eq!(gathered(&tables).await.len(), 2);
}

/// Whatever the clock says then: a dispatch behind other words does not leave before them.
#[tokio::test]
async fn a_dispatch_that_others_stand_behind_is_not_opened_again_when_the_clock_is_set_back() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    for (author, message_id, seconds) in
        [(ANNA, "1", 0), (BERT, "2", -100), (ANNA, "3", -200), (ANNA, "4", -190)]
    {
        says(&tables, conversation, author, message_id, (None, seconds)).await;
    }
    assert_eq!(gathered(&tables).await, ["$1", "$2", "$3 $4"]);
}

#[tokio::test]
async fn an_event_goes_into_one_dispatch_once() {
    let tables = StoreTables::new().await;
    let (conversation, other) = (tables.conversation().await, tables.conversation().await);
    let first = SpokenPart { conversation, author: ANNA, message_id: "1", answers: None, at: NOW };
    tables.all_or_nothing(async || tables.collect(first).await).await;
    assert_eq!(tables.jobs().await, format!("hand_over {conversation}"));
    tables.unchanged(tables.collect(first)).await;
    for again in [
        SpokenPart { author: BERT, ..first },
        SpokenPart { conversation: other, ..first },
        SpokenPart { at: after(300), ..first },
    ] {
        tables.unchanged(tables.collect(again)).await;
    }
    // As its second word, and as one that closes another's.
    for (author, message_id) in [(ANNA, "2"), (BERT, "3")] {
        let next = SpokenPart { author, message_id, ..first };
        tables.all_or_nothing(async || tables.collect(next).await).await;
    }
    assert_eq!(gathered(&tables).await, ["$1 $2", "$3"]);
}

#[tokio::test]
async fn closing_fixes_what_a_dispatch_answers_and_is_done_once() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let head = tables.head(conversation).await.unwrap();
    assert_eq!((head.state, head.attempts), (DeliveryState::Collecting, 0));
    // Each attempt at it counts before the letter is read that it answers.
    assert_eq!(store.dispatch_closes(head.id).await.unwrap(), Some(1));
    assert_eq!(store.dispatch_closes(head.id).await.unwrap(), Some(2));
    store.attempt_is_none(Attempt::Closing(head.id)).await.unwrap();
    assert_eq!(tables.head(conversation).await.unwrap().attempts, 1);

    let close = async |subject: &str| {
        let (subject, in_reply_to) = (subject.to_owned(), Some(id("a@x")));
        let ancestors = vec![id("b@x"), id("a@x")];
        let fixed = StoredDispatch { subject, in_reply_to, ancestors, ..head.clone() };
        store.close_dispatch(&fixed, NOW).await
    };
    tables.all_or_nothing(async || close("Re: x").await).await;
    tables.unchanged(close("Re: y")).await;
    let closed = tables.head(conversation).await.unwrap();
    assert_eq!((closed.state, closed.attempts), (DeliveryState::Waiting, 0));
    assert_eq!(closed.subject, "Re: x");
    assert_eq!((closed.in_reply_to, closed.ancestors.len()), (Some(id("a@x")), 2));
    assert_eq!(tables.unchanged(store.dispatch_closes(head.id)).await, None);
    // What is said now is another mail.
    tables.says(conversation, ANNA, "2@kim.local").await;
    assert_eq!(gathered(&tables).await.len(), 2);
}

#[tokio::test]
async fn nobody_knows_the_name_of_a_dispatch_that_was_withdrawn_before_it_closed() {
    let tables = StoreTables::new().await;
    let (store, kim, erik) = (&tables.store, name("kim"), erik());
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let head = tables.head(conversation).await.unwrap();
    let withdraw = async || store.withdraw_empty(&head, &notice("withdrawn"), after(1)).await;
    tables.all_or_nothing(withdraw).await;
    assert_eq!(
        tables.jobs().await,
        format!("hand_over {conversation}, send_posts {conversation}"),
        "for what stands behind it, and for the notice"
    );
    tables.unchanged(withdraw()).await;
    tables.unchanged(store.close_dispatch(&head, NOW)).await;
    let known = store.known_threads(&kim, &erik, &[id("1@kim.local")]).await.unwrap();
    assert!(known.by_message_id.is_empty());
    assert_eq!(tables.head(conversation).await, None);
}

#[tokio::test]
async fn only_the_oldest_dispatch_of_a_conversation_moves() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    for (author, message_id) in [(ANNA, "1"), (BERT, "2"), (ANNA, "3")] {
        tables.says(conversation, author, message_id).await;
    }
    for message_id in ["1", "2", "3"] {
        let head = tables.closed(conversation).await;
        assert_eq!(head.message_id, id(message_id));
        assert_eq!(head.first_event, Some(format!("${message_id}")));
        tables.hands_over(conversation).await;
    }
    assert_eq!(tables.head(conversation).await, None);
}

/// Brings the head of a conversation to a state, and returns it as the task that brought it there
/// has it.
async fn brought_to(
    tables: &StoreTables,
    conversation: ConversationId,
    state: DeliveryState,
) -> StoredDispatch {
    let store = &tables.store;
    let said = notice("said");
    if state == DeliveryState::Collecting {
        return tables.head(conversation).await.unwrap();
    }
    let waiting = tables.closed(conversation).await;
    match state {
        DeliveryState::Collecting | DeliveryState::Waiting => waiting,
        DeliveryState::HandingOver => store.begin_attempt(&waiting).await.unwrap().unwrap(),
        DeliveryState::Previewed => {
            let attempt = store.begin_attempt(&waiting).await.unwrap().unwrap();
            let composed = &store.composition(attempt.id).await.unwrap();
            let new = NewPreview {
                composed,
                shown: "x",
                picture: None,
                file: &said,
                words: &said,
                at: NOW,
            };
            assert_eq!(store.preview_fax(&attempt, new).await.unwrap(), Previewed::Waits);
            StoredDispatch { state, ..attempt }
        }
        DeliveryState::SendingBody => tables.leaves(conversation).await,
        DeliveryState::Withdrawn => {
            store.withdraw_empty(&waiting, &said, NOW).await.unwrap();
            StoredDispatch { state, ..waiting }
        }
        DeliveryState::Accepted | DeliveryState::Failed | DeliveryState::Unclear => {
            let leaves = tables.leaves(conversation).await;
            store.settle_dispatch(&leaves, state, "x", &said, None, NOW).await.unwrap();
            StoredDispatch { state, ..leaves }
        }
        DeliveryState::Delayed
        | DeliveryState::Relayed
        | DeliveryState::Delivered
        | DeliveryState::Read
        | DeliveryState::Discarded
        | DeliveryState::Undelivered
        | DeliveryState::Contradicted => {
            let leaves = tables.leaves(conversation).await;
            let accepted = DeliveryState::Accepted;
            store.settle_dispatch(&leaves, accepted, "x", &said, None, NOW).await.unwrap();
            let reports = match state {
                DeliveryState::Contradicted => {
                    &[DeliveryState::Delivered, DeliveryState::Undelivered][..]
                }
                _ => &[state],
            };
            for said in reports {
                let letter = tables.letter().await;
                let message_id = leaves.message_id.as_str();
                assert!(tables.reported(message_id, letter, *said).await.unwrap());
            }
            StoredDispatch { state, ..leaves }
        }
    }
}

/// Every step from every state: it is taken where the types allow it, and otherwise leaves every row
/// as it was.
#[tokio::test]
async fn no_step_is_taken_from_a_state_that_does_not_allow_it() {
    use DeliveryState::{Collecting, Failed, HandingOver, Previewed, SendingBody, Waiting};
    let tables = StoreTables::new().await;
    let (store, kim, said) = (&tables.store, name("kim"), notice("x"));
    let (kim, said) = (&kim, &said);
    let mut number = 0;
    // Each on a separate dispatch, by the task that has it in its present state.
    let mut check = async |step: &str, from: &[DeliveryState]| {
        for state in DeliveryState::ALL {
            number += 1;
            let conversation = tables.conversation().await;
            tables.says(conversation, ANNA, &format!("{number}@kim.local")).await;
            let has = brought_to(&tables, conversation, state).await;
            let again = id(&format!("{number}-again@kim.local"));
            let take = async || {
                let composed = store.composition(has.id).await?;
                match step {
                    "close" => store.close_dispatch(&has, NOW).await,
                    "closes" => store.dispatch_closes(has.id).await.map(|_| ()),
                    "begin" => store.begin_attempt(&has).await.map(|_| ()),
                    "name anew" => store.name_anew(&has, &again, NOW).await.map(|_| ()),
                    "preview" => {
                        let (composed, shown) = (&composed, "x");
                        let new = NewPreview {
                            composed,
                            shown,
                            picture: None,
                            file: said,
                            words: said,
                            at: NOW,
                        };
                        store.preview_fax(&has, new).await.map(|_| ())
                    }
                    "leave" => store.body_leaves(&has, &composed).await.map(|_| ()),
                    "again" => store.dispatch_again_at(&has, after(5), "x", Some(said)).await,
                    "withdraw" => store.withdraw_empty(&has, said, NOW).await,
                    "none" => store.attempt_is_none(Attempt::Dispatch(has.id, has.begun)).await,
                    "accepted" | "failed" | "unclear" => {
                        let to = DeliveryState::from_word(step).unwrap();
                        store.settle_dispatch(&has, to, "x", said, Some((kim, "x")), NOW).await
                    }
                    _ => panic!("{step}"),
                }
            };
            let before = tables.all().await;
            if from.contains(&state) {
                take().await.unwrap();
                assert_ne!(tables.all().await, before, "{step} from {state:?}");
            } else {
                tables.unchanged(take()).await;
            }
        }
    };
    check("close", &[Collecting]).await;
    check("closes", &[Collecting]).await;
    check("begin", &[Waiting]).await;
    check("name anew", &[Waiting]).await;
    check("leave", &[HandingOver]).await;
    check("again", &[Waiting, HandingOver, SendingBody]).await;
    check("preview", &[HandingOver]).await;
    check("withdraw", &[Collecting, Waiting, HandingOver, Previewed, Failed]).await;
    check("none", &[HandingOver, SendingBody]).await;
    check("accepted", &[SendingBody]).await;
    check("failed", &[Collecting, Waiting, HandingOver, Previewed, SendingBody]).await;
    check("unclear", &[SendingBody]).await;
}

#[tokio::test]
async fn who_was_overtaken_changes_nothing_any_more() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let waiting = tables.closed(conversation).await;
    let first = tables.leaves(conversation).await;
    // Its fate is unknown; a person has it tried again, and another attempt begins.
    let (unclear, said, kim) = (DeliveryState::Unclear, notice("x"), name("kim"));
    let parked_for = Some((&kim, "unclear"));
    store.settle_dispatch(&first, unclear, "x", &said, parked_for, NOW).await.unwrap();
    let item = store.parked().await.unwrap()[0].id;
    assert!(store.resolve_parked(item, Resolution::Retry, NOW).await.unwrap());
    let again = tables.head(conversation).await.unwrap();
    let second = store.begin_attempt(&again).await.unwrap().unwrap();
    assert!(second.may_have_arrived && second.begun > first.begun);
    assert_eq!(second.attempts, 1, "the attempts begin anew");

    let composed = store.composition(first.id).await.unwrap();
    let overtaken = async || {
        for old in [&waiting, &again] {
            assert_eq!(tables.unchanged(store.begin_attempt(old)).await, None);
        }
        for state in [DeliveryState::Accepted, DeliveryState::Failed, DeliveryState::Unclear] {
            tables.unchanged(store.settle_dispatch(&first, state, "x", &said, None, NOW)).await;
        }
        tables.unchanged(store.dispatch_again_at(&first, NOW, "x", Some(&said))).await;
        let none = Attempt::Dispatch(first.id, first.begun);
        tables.unchanged(store.attempt_is_none(none)).await;
        let leaves = store.body_leaves(&first, &composed);
        assert_eq!(tables.unchanged(leaves).await, MayLeave::Stopped);
    };
    overtaken().await;
    assert_eq!(store.body_leaves(&second, &composed).await.unwrap(), MayLeave::Leaves);
    overtaken().await;
    // It waits once more: a task that has it in its state before that attempt does not begin
    // another one.
    store.dispatch_again_at(&second, NOW, "x", None).await.unwrap();
    overtaken().await;
}

#[tokio::test]
async fn an_attempt_counts_before_it_begins_and_one_that_was_none_does_not() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let mut has = tables.closed(conversation).await;
    for attempt in 1..=3 {
        let begun = store.begin_attempt(&has).await.unwrap().unwrap();
        assert_eq!((begun.attempts, begun.begun), (attempt, has.begun + 1));
        // After a crash it is there, and says how many there were.
        let found = tables.head(conversation).await.unwrap();
        assert_eq!(found, begun);
        let again = async || store.dispatch_again_at(&found, after(5), "451", None).await;
        tables.all_or_nothing(again).await;
        assert_eq!(tables.jobs().await, format!("hand_over {conversation}"));
        has = tables.head(conversation).await.unwrap();
        assert_eq!((has.state, has.attempts), (DeliveryState::Waiting, attempt));
        assert_eq!(has.next_attempt_at, Some(after(5)));
        assert!(store.waits_for(has.id, "451").await.unwrap());
        assert!(!store.waits_for(has.id, "45").await.unwrap());
    }
    let begun = store.begin_attempt(&has).await.unwrap().unwrap();
    store.attempt_is_none(Attempt::Dispatch(begun.id, begun.begun)).await.unwrap();
    let has = tables.head(conversation).await.unwrap();
    assert_eq!((has.state, has.attempts, has.begun), (DeliveryState::Waiting, 3, begun.begun));
}

#[tokio::test]
async fn settling_is_one_step_with_its_notice_and_with_the_row_a_person_looks_at() {
    for (state, begun_anew) in [(DeliveryState::Failed, false), (DeliveryState::Unclear, true)] {
        let tables = StoreTables::new().await;
        let (store, kim, said) = (&tables.store, name("kim"), notice("said"));
        let conversation = tables.conversation().await;
        tables.says(conversation, ANNA, "1@kim.local").await;
        tables.closed(conversation).await;
        let attempt = tables.leaves(conversation).await;
        let parked_for = Some((&kim, "refused"));
        let settle =
            async || store.settle_dispatch(&attempt, state, "550", &said, parked_for, NOW).await;
        tables.all_or_nothing(settle).await;
        assert_eq!(tables.jobs().await, format!("send_posts {conversation}"));
        tables.unchanged(settle()).await;
        assert_eq!(tables.waiting(conversation).await.len(), 1);
        let parked = store.parked().await.unwrap();
        let [item] = parked.as_slice() else { panic!("{parked:?}") };
        assert_eq!((item.kind, item.item), (ParkedKind::Dispatch, attempt.id.0));
        assert_eq!(tables.head(conversation).await, None);

        let retry = async || store.resolve_parked(item.id, Resolution::Retry, NOW).await;
        tables.all_or_nothing(retry).await;
        assert_eq!(tables.jobs().await, format!("hand_over {conversation}"));
        let again = tables.head(conversation).await.unwrap();
        assert_eq!((again.state, again.attempts), (DeliveryState::Waiting, 0));
        assert_eq!(again.message_id, attempt.message_id, "it is the same mail");
        assert_eq!((again.begun, again.may_have_arrived), (attempt.begun + 1, begun_anew));
        assert!(!tables.unchanged(retry()).await);
    }
}

/// "Failed" and "unclear" are true whoever looked at it.
#[tokio::test]
async fn what_a_person_gives_up_stays_what_it_was() {
    let tables = StoreTables::new().await;
    let (store, kim, said) = (&tables.store, name("kim"), notice("x"));
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let attempt = tables.closed(conversation).await;
    let (failed, parked_for) = (DeliveryState::Failed, Some((&kim, "x")));
    store.settle_dispatch(&attempt, failed, "x", &said, parked_for, NOW).await.unwrap();
    let item = store.parked().await.unwrap()[0].id;
    assert!(store.resolve_parked(item, Resolution::Drop, NOW).await.unwrap());
    assert_eq!(tables.states("dispatches").await, "failed");
    // Who withdraws what waits for a decision takes the decision.
    let other = tables.conversation().await;
    tables.says(other, ANNA, "2@kim.local").await;
    let attempt = tables.closed(other).await;
    store.settle_dispatch(&attempt, failed, "x", &said, parked_for, NOW).await.unwrap();
    assert_eq!(store.parked_count().await.unwrap(), 1);
    store.withdraw_empty(&attempt, &said, NOW).await.unwrap();
    assert_eq!(store.parked_count().await.unwrap(), 0);
}

#[tokio::test]
async fn later_notices_about_a_dispatch_replace_the_first() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let conversation = tables.conversation().await;
    tables.room(conversation, "!r:x").await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let mut has = tables.closed(conversation).await;
    let mut replaces = Vec::new();
    for time in 1..=3 {
        has = store.begin_attempt(&has).await.unwrap().unwrap();
        let said = notice("later");
        store.dispatch_again_at(&has, after(time), "451", Some(&said)).await.unwrap();
        has = tables.head(conversation).await.unwrap();
        let post = tables.waiting(conversation).await.pop().unwrap();
        replaces.push(post.replaces.clone());
        store.post_sent(post.id, &format!("${time}"), after(time)).await.unwrap();
    }
    let first = Some(Some("$1".to_owned()));
    assert_eq!(replaces, [None, first.clone(), first]);
}

#[tokio::test]
async fn the_sweep_wakes_what_is_due_and_nothing_that_is_settled() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "1@kim.local").await;
    let wakes = format!("hand_over {conversation}");
    let sweep = async |seconds| tables.wakes(store.wake_what_waits(after(seconds))).await;
    assert_eq!(sweep(29).await, "", "it is still gathered");
    assert_eq!(sweep(30).await, wakes);
    assert_eq!(sweep(-600).await, wakes, "the clock was set back");
    tables.closed(conversation).await;
    let leaves = tables.leaves(conversation).await;
    assert_eq!(sweep(30).await, wakes, "a crash may have left it there");
    store.dispatch_again_at(&leaves, after(60), "451", None).await.unwrap();
    assert_eq!(sweep(59).await, "");
    assert_eq!(sweep(60).await, wakes);
    tables.hands_over(conversation).await;
    assert_eq!(sweep(3600).await, format!("send_posts {conversation}"), "the notice waits");
}

/// Nothing that cannot be read is handed over; what may have left is never called failed.
#[tokio::test]
async fn a_damaged_dispatch_is_told_and_settled_by_how_far_it_came() {
    for (state, expected) in [
        (DeliveryState::Waiting, "failed"),
        (DeliveryState::HandingOver, "failed"),
        (DeliveryState::SendingBody, "unclear"),
    ] {
        let tables = StoreTables::new().await;
        let (store, kim) = (&tables.store, name("kim"));
        let conversation = tables.conversation().await;
        tables.says(conversation, ANNA, "1@kim.local").await;
        let has = brought_to(&tables, conversation, state).await;
        tables.sql("update dispatches set subject = 'x'").await;
        let error = store.head_dispatch(conversation).await.unwrap_err();
        let StoreError::Damaged(damaged) = error else { panic!("{error}") };
        assert_eq!(damaged.row_of("dispatches"), Some(has.id.0));
        let settle =
            async || store.settle_damaged_dispatch(has.id, |to| notice(to.word()), &kim, NOW).await;
        tables.all_or_nothing(settle).await;
        assert!(!tables.unchanged(settle()).await);
        assert_eq!(tables.states("dispatches").await, expected);
        assert_eq!(tables.waiting(conversation).await[0].content["body"], expected);
        assert_eq!(store.parked_count().await.unwrap(), 1);
    }
}

/// L152: where a letter's answer goes to another address than its author's, nothing reached the author.
#[tokio::test]
async fn l152_who_got_no_answer_is_not_noted_as_reached() {
    let tables = StoreTables::new().await;
    let (kim, erik) = (name("kim"), erik());
    let elsewhere = MailAddress::new("station4@charite.kim.telematik").unwrap();
    let reached = "select count(*) from correspondents where accepted_at is not null";
    let answer_elsewhere = async |message_id| {
        let letter = tables.letter().await;
        let placing = placing(letter, &kim, &erik);
        let conversation = tables.place(Placing { answer_to: Some(&elsewhere), ..placing }).await;
        says(&tables, conversation, ANNA, message_id, (Some(letter), 0)).await;
        assert_eq!(tables.closed(conversation).await.answer_to.as_ref(), Some(&elsewhere));
        tables.hands_over(conversation).await;
    };
    answer_elsewhere("1").await;
    assert_eq!(tables.sql(reached).await, "0", "nothing was sent to Erik");
    // Once the one at that address is known, too, it is the one who was reached.
    let station = Correspondent::Mail(elsewhere.clone());
    tables.place(placing(tables.letter().await, &kim, &station)).await;
    answer_elsewhere("2").await;
    let who = "select key from correspondents where accepted_at is not null";
    assert_eq!(tables.sql(who).await, "station4@charite.kim.telematik");
}
