//! Letters: saved whole and once, placed in one step and once, and a letter that cannot be placed
//! blocks nothing.

use time::{Duration, OffsetDateTime};
use umstieg::{
    channel::DeliveryProof,
    model::{LetterId, MailKey},
    store::{
        Attempt, FetchedFrom, LetterEnvelope, NewLetter, PIECE_BYTES, ParkedKind, Placed, Placing,
        Resolution, Saved, StoreError,
    },
};
use umstieg_world::broken_off;

use crate::tables::{NOW, StoreTables, after, erik, fetched, id, name, notice, placing, post};

const ONE: &str = "From: <erik@charite.kim.telematik>\r\nSubject: x\r\n\r\nEins\r\n";
const OTHER: &str = "From: <erik@charite.kim.telematik>\r\nSubject: x\r\n\r\nZwei\r\n";

/// The letter that comes next, and which attempt at it that is.
async fn next(tables: &StoreTables) -> Option<(LetterId, i32)> {
    next_of(tables, "kim").await
}

async fn next_of(tables: &StoreTables, channel: &str) -> Option<(LetterId, i32)> {
    let next = tables.store.next_stored_letter(&name(channel)).await.unwrap();
    next.map(|letter| (letter.id, letter.attempts))
}

#[tokio::test]
async fn a_mail_that_comes_twice_is_one_letter() {
    let tables = StoreTables::new().await;
    let mailbox = tables.mailbox("kim").await;
    assert_eq!(tables.comes("kim", mailbox, "1", ONE).await, Saved::New);
    for _ in 0..2 {
        let again = async { Ok(tables.comes("kim", mailbox, "1", ONE).await) };
        assert_eq!(tables.unchanged(again).await, Saved::Known);
    }
    // Its server calls another mail so, and then another one by the name of that.
    assert_eq!(tables.comes("kim", mailbox, "1", OTHER).await, Saved::New);
    assert_eq!(tables.comes("kim", mailbox, "2", ONE).await, Saved::Known);
    assert_eq!(tables.sql("select mail_key from letters order by id").await, "2, 1");
    // For another mailbox it is unknown whether it is the same.
    let other = tables.mailbox("fax").await;
    assert_eq!(tables.comes("fax", other, "1", ONE).await, Saved::New);
}

#[tokio::test]
async fn a_mail_counts_from_its_last_piece_on() {
    let tables = StoreTables::new().await;
    let (store, mailbox) = (&tables.store, tables.mailbox("kim").await);
    let mail: Vec<u8> = (0..3 * PIECE_BYTES + 10).map(|at| (at % 251) as u8).collect();
    let (kim, key) = (name("kim"), MailKey::new("1").unwrap());
    let comes = async |pieces: usize| {
        let mut letter = NewLetter::new(store);
        for piece in mail.chunks(PIECE_BYTES).take(pieces) {
            letter.take(piece).await.unwrap();
        }
        letter
    };
    // The connection breaks, or the gateway ends.
    drop(comes(3).await);
    assert_eq!(store.letter_of(mailbox, &key).await.unwrap(), None);
    assert_eq!(tables.sql("select count(*) from letter_pieces").await, "2");
    assert_eq!(store.remove_lost_pieces().await.unwrap(), 2);
    // Who gives it up leaves nothing.
    comes(3).await.discard().await.unwrap();
    assert_eq!(tables.sql("select count(*) from letter_pieces").await, "0");

    let whole = comes(4).await;
    assert_eq!(whole.finish(fetched(&kim, mailbox, &key)).await.unwrap(), Saved::New);
    assert_eq!(tables.unchanged(store.remove_lost_pieces()).await, 0);
    let again = async { comes(4).await.finish(fetched(&kim, mailbox, &key)).await };
    assert_eq!(tables.unchanged(again).await, Saved::Known);
    let letter = store.letter_of(mailbox, &key).await.unwrap().unwrap();
    let pieces = store.letter_pieces(letter).await.unwrap().unwrap();
    assert_eq!(pieces.bytes(), mail.len() as u64);
    let mut read = Vec::new();
    for number in 0..pieces.lengths().len() {
        read.extend(store.letter_piece(&pieces, number).await.unwrap());
    }
    assert!(read == mail, "what was read is what came");
}

#[tokio::test]
async fn letters_come_in_their_order_and_each_attempt_counts_before_it() {
    let tables = StoreTables::new().await;
    let (first, second) = (tables.letter().await, tables.letter().await);
    tables.letter_of("fax").await;
    assert_eq!(next(&tables).await, Some((first, 1)));
    // The gateway did not survive that one.
    assert_eq!(next(&tables).await, Some((first, 2)));
    tables.store.attempt_is_none(Attempt::Letter(first)).await.unwrap();
    assert_eq!(next(&tables).await, Some((first, 2)));
    tables.place(placing(first, &name("kim"), &erik())).await;
    assert_eq!(next(&tables).await, Some((second, 1)));
    tables.unchanged(tables.store.attempt_is_none(Attempt::Letter(first))).await;
    tables.place(placing(second, &name("kim"), &erik())).await;
    assert_eq!(next(&tables).await, None);
}

#[tokio::test]
async fn an_attempt_that_is_broken_off_anywhere_is_counted_at_most_once() {
    let tables = StoreTables::new().await;
    let letter = tables.letter().await;
    let mut before = 0;
    for steps in 0.. {
        let kim = name("kim");
        let is_done = broken_off(tables.store.next_stored_letter(&kim), steps).await;
        let (next, attempts) = next(&tables).await.unwrap();
        assert_eq!(next, letter);
        assert!((before + 1..=before + 2).contains(&attempts), "{before} {attempts}");
        before = attempts;
        if is_done {
            break;
        }
    }
}

#[tokio::test]
async fn a_letter_has_its_place_with_all_that_belongs_to_it_or_not_at_all() {
    let tables = StoreTables::new().await;
    let (letter, kim, erik) = (tables.letter().await, name("kim"), erik());
    let (own, named) = (id("own@x"), [id("named@x"), id("own@x")]);
    let posts = [post("a"), post("b")];
    let placing = Placing {
        message_id: Some(&own),
        ancestors: &named,
        posts: &posts,
        again_at: Some(after(60)),
        is_read: false,
        stays: true,
        ..placing(letter, &kim, &erik)
    };
    tables.all_or_nothing(async || tables.store.place_letter(placing.clone()).await).await;
    let conversation = tables.store.conversation_of(letter).await.unwrap().unwrap();
    assert_eq!(tables.states("letters").await, "placed");
    assert_eq!(tables.waiting_names(conversation).await, "a b");
    assert_eq!(tables.jobs().await, format!("send_posts {conversation}"));
    let known = tables.store.known_threads(&kim, &erik, &named).await.unwrap();
    assert_eq!(known.by_message_id.len(), 2);
    assert_eq!(known.newest, Some(conversation));
}

/// A letter of each state but `stored`.
async fn settled(tables: &StoreTables) -> Vec<LetterId> {
    let (kim, erik) = (name("kim"), erik());
    let placed = tables.letter().await;
    let posts = [post("p")];
    tables.place(Placing { posts: &posts, ..placing(placed, &kim, &erik) }).await;
    let posted = tables.letter().await;
    tables.place(placing(posted, &kim, &erik)).await;
    let [duplicate, parked, dropped] =
        [tables.letter().await, tables.letter().await, tables.letter().await];
    tables.store.mark_repeat(duplicate, placed).await.unwrap();
    for letter in [dropped, parked] {
        assert!(tables.store.park_letter(&kim, letter, "unreadable", NOW).await.unwrap());
    }
    let row = tables.store.parked().await.unwrap()[0].id;
    assert!(tables.store.resolve_parked(row, Resolution::Drop, NOW).await.unwrap());
    let letters = vec![placed, posted, duplicate, parked, dropped];
    assert_eq!(tables.states("letters").await, "placed, posted, duplicate, parked, dropped");
    letters
}

#[tokio::test]
async fn a_letter_that_is_not_stored_any_more_stays_what_it_is() {
    let tables = StoreTables::new().await;
    let (store, kim, erik) = (&tables.store, name("kim"), erik());
    let letters = settled(&tables).await;
    let first = store.conversation_of(letters[0]).await.unwrap();
    let posts = [post("other")];
    for letter in &letters {
        for conversation in [None, first] {
            let placing = Placing { posts: &posts, ..placing(*letter, &kim, &erik) };
            let place = || store.place_letter(Placing { conversation, ..placing.clone() });
            assert_eq!(tables.unchanged(place()).await, Placed::Before);
            assert_eq!(tables.wakes(place()).await, "", "nothing waits");
        }
        tables.unchanged(store.mark_repeat(*letter, letters[1])).await;
        assert!(!tables.unchanged(store.park_letter(&kim, *letter, "damaged", NOW)).await);
    }
    assert_eq!(next(&tables).await, None);
}

#[tokio::test]
async fn under_a_name_that_another_letter_has_nothing_is_placed() {
    let tables = StoreTables::new().await;
    let (kim, erik) = (name("kim"), erik());
    let conversation = tables.conversation().await;
    tables.said_by_letter(conversation, &["a", "b"]).await;
    let (letter, own) = (tables.letter().await, id("own@x"));
    let posts = [post("c"), post("b")];
    let placing = Placing { posts: &posts, message_id: Some(&own), ..placing(letter, &kim, &erik) };
    let place = async || tables.store.place_letter(placing.clone()).await;
    assert_eq!(tables.unchanged(place()).await, Placed::NameTaken);
    assert_eq!(tables.wakes(place()).await, "");
    // Under another name it is placed, and says all of it.
    let posts = [post("c"), post("d")];
    let opened = tables.place(Placing { posts: &posts, ..placing }).await;
    assert_eq!(tables.waiting_names(opened).await, "c d");
}

#[tokio::test]
async fn two_letters_of_one_content_have_one_place() {
    let tables = StoreTables::new().await;
    let (store, kim, erik) = (&tables.store, name("kim"), erik());
    let content = Some([7; 32]);
    let (first, second) = (tables.letter().await, tables.letter().await);
    let repeated_by =
        async |letter| store.repeated_by(&kim, letter, content.as_ref()).await.unwrap();
    assert_eq!(repeated_by(first).await, None);
    tables.place(Placing { fingerprint: content, ..placing(first, &kim, &erik) }).await;
    assert_eq!(repeated_by(first).await, None, "no letter repeats itself");
    assert_eq!(repeated_by(second).await, Some(first));
    // A task that did not ask is refused.
    let posts = [post("a")];
    let doubled = Placing { fingerprint: content, posts: &posts, ..placing(second, &kim, &erik) };
    let refused = async {
        match store.place_letter(doubled.clone()).await {
            Err(StoreError::Damaged(_)) => Ok(()),
            other => panic!("{other:?}"),
        }
    };
    tables.unchanged(refused).await;

    tables.all_or_nothing(async || store.mark_repeat(second, first).await).await;
    tables.unchanged(store.mark_repeat(second, first)).await;
    assert_eq!(tables.states("letters").await, "posted, duplicate");
    // A third one repeats the first, not the second.
    let third = tables.letter().await;
    assert_eq!(repeated_by(third).await, Some(first));
    // On another channel it is another letter.
    let elsewhere = tables.letter_of("fax").await;
    let there = store.repeated_by(&name("fax"), elsewhere, content.as_ref()).await.unwrap();
    assert_eq!(there, None);
}

#[tokio::test]
async fn a_repeat_under_a_new_name_gives_it_to_the_letter_that_has_lost_its_own() {
    let tables = StoreTables::new().await;
    let (store, kim, erik) = (&tables.store, name("kim"), erik());
    let (mailbox, key) = (tables.mailbox("kim").await, |key| MailKey::new(key).unwrap());
    let content = Some([7; 32]);
    tables.comes("kim", mailbox, "1", ONE).await;
    let first = store.letter_of(mailbox, &key("1")).await.unwrap().unwrap();
    tables.place(Placing { fingerprint: content, ..placing(first, &kim, &erik) }).await;
    store.mails_left(mailbox, &[key("1")], &[], NOW).await.unwrap();
    // Its head was rewritten on the way.
    tables.comes("kim", mailbox, "2", OTHER).await;
    let second = store.letter_of(mailbox, &key("2")).await.unwrap().unwrap();
    tables.all_or_nothing(async || store.mark_repeat(second, first).await).await;
    tables.unchanged(store.mark_repeat(second, first)).await;
    assert_eq!(store.letter_of(mailbox, &key("2")).await.unwrap(), Some(first));
    assert_eq!(tables.states("letters").await, "posted");
    let again = async { Ok(tables.comes("kim", mailbox, "2", OTHER).await) };
    assert_eq!(tables.unchanged(again).await, Saved::Known);
}

#[tokio::test]
async fn without_a_fingerprint_only_a_mail_that_went_over_to_another_mailbox_is_a_repeat() {
    let tables = StoreTables::new().await;
    let (store, kim) = (&tables.store, name("kim"));
    let (old, new) = (tables.mailbox("kim").await, tables.mailbox("neu").await);
    let letter = async |mailbox, key: &str, mail: &str| {
        tables.comes("kim", mailbox, key, mail).await;
        store.letter_of(mailbox, &MailKey::new(key).unwrap()).await.unwrap().unwrap()
    };
    let repeated_by = async |letter| store.repeated_by(&kim, letter, None).await.unwrap();
    let first = letter(old, "1", ONE).await;
    assert_eq!(repeated_by(letter(new, "1", ONE).await).await, Some(first));
    assert_eq!(repeated_by(letter(new, "2", OTHER).await).await, None, "another mail");
    store.mails_left(old, &[MailKey::new("1").unwrap()], &[], NOW).await.unwrap();
    let namesake = letter(old, "1", OTHER).await;
    assert_eq!(repeated_by(namesake).await, None, "another mail of its name");
    assert_eq!(store.namesakes(namesake).await.unwrap(), 0);
    assert_eq!(repeated_by(first).await, None, "what came first repeats nothing");
}

#[tokio::test]
async fn a_parked_letter_lets_those_behind_it_pass_and_is_taken_up_again() {
    let tables = StoreTables::new().await;
    let (store, kim) = (&tables.store, name("kim"));
    let (first, second) = (tables.letter().await, tables.letter().await);
    next(&tables).await;
    tables.all_or_nothing(async || store.park_letter(&kim, first, "unreadable", NOW).await).await;
    assert!(!tables.unchanged(store.park_letter(&kim, first, "damaged", NOW)).await);
    assert_eq!(next(&tables).await, Some((second, 1)));
    let parked = store.parked().await.unwrap();
    let [item] = parked.as_slice() else { panic!("{parked:?}") };
    assert_eq!((item.kind, item.item, item.things), (ParkedKind::Letter, first.0, 1));
    assert_eq!((item.channel.as_str(), item.reason.as_str()), ("kim", "unreadable"));

    let retry = async || store.resolve_parked(item.id, Resolution::Retry, NOW).await;
    tables.all_or_nothing(retry).await;
    assert_eq!(tables.jobs().await, "place_letters kim");
    assert_eq!(next(&tables).await, Some((first, 1)), "its attempts begin anew");
    for resolution in [Resolution::Retry, Resolution::Drop] {
        let again = store.resolve_parked(item.id, resolution, after(1));
        assert!(!tables.unchanged(again).await, "it was decided");
    }
    // It can be parked once more, and is dropped then.
    assert!(store.park_letter(&kim, first, "unreadable", NOW).await.unwrap());
    let item = store.parked().await.unwrap()[0].id;
    assert!(store.resolve_parked(item, Resolution::Drop, NOW).await.unwrap());
    assert_eq!(tables.states("letters").await, "dropped, stored");
    assert_eq!(next(&tables).await, Some((second, 2)));
}

/// The database is an older copy, and the letter comes once more: its posts are in their room.
#[tokio::test]
async fn what_stands_in_its_room_already_is_not_said_again() {
    let tables = StoreTables::new().await;
    let (store, kim, erik) = (&tables.store, name("kim"), erik());
    let found = |txn_id: &str| (txn_id.to_owned(), format!("${txn_id}"));
    let all = [found("a"), found("b"), found("x")];
    assert!(!store.posts_found(&all, NOW).await.unwrap(), "none of them was known");
    tables.unchanged(store.posts_found(&all, after(1))).await;
    let place = async |posts: &[_]| {
        let letter = tables.letter().await;
        tables.place(Placing { posts, ..placing(letter, &kim, &erik) }).await
    };
    let there = place(&[post("a"), post("b")]).await;
    assert_eq!(tables.waiting_names(there).await, "");
    let in_part = place(&[post("x"), post("y")]).await;
    assert_eq!(tables.waiting_names(in_part).await, "y");
    assert_eq!(tables.states("letters").await, "posted, placed");
    // Found once more, and this time known.
    assert!(tables.unchanged(store.posts_found(&all, after(2))).await);
}

#[tokio::test]
async fn the_sweep_wakes_the_placing_of_what_waits_and_of_nothing_else() {
    let tables = StoreTables::new().await;
    let store = &tables.store;
    assert_eq!(tables.wakes(store.wake_what_waits(NOW)).await, "");
    let letter = tables.letter().await;
    assert_eq!(tables.wakes(store.wake_what_waits(NOW)).await, "place_letters kim");
    assert!(store.park_letter(&name("kim"), letter, "unreadable", NOW).await.unwrap());
    assert_eq!(tables.wakes(store.wake_what_waits(NOW)).await, "");
    // A conversation has something to say, and another one nothing.
    let conversation = tables.conversation().await;
    tables.conversation().await;
    store.add_bot_post(conversation, "n", &notice("x")).await.unwrap();
    let waits = format!("send_posts {conversation}");
    assert_eq!(tables.wakes(store.wake_what_waits(NOW)).await, waits);
}

/// FAX-2: what a fax server delivers has no name of its own, and comes again when the server did not hear that
/// it was taken. FAX-9: what its envelope said is kept, sealed.
#[tokio::test]
async fn fax_2_fax_9_a_delivered_mail_is_named_by_its_bytes_and_keeps_its_envelope() {
    let tables = StoreTables::new().await;
    let (store, mailbox, fax) = (&tables.store, tables.mailbox("fax").await, name("fax"));
    let envelope = LetterEnvelope {
        sender: "hyla@praxis.internal".to_owned(),
        recipients: vec!["fax+7@umstieg.internal".to_owned()],
    };
    let week = Duration::days(7);
    let comes = async |mail: &str, at: OffsetDateTime| {
        let mut letter = NewLetter::new(store);
        letter.take(mail.as_bytes()).await.unwrap();
        let key = store.delivery_key(mailbox, &letter.digest(), at - week).await.unwrap();
        let letter = letter.in_envelope(&envelope, DeliveryProof::Both);
        letter.finish(FetchedFrom { at, ..fetched(&fax, mailbox, &key) }).await.unwrap()
    };
    assert_eq!(comes(ONE, NOW).await, Saved::New);
    assert_eq!(comes(OTHER, NOW).await, Saved::New);
    assert_eq!(comes(ONE, NOW + Duration::days(6)).await, Saved::Known);
    assert_eq!(comes(ONE, NOW + Duration::days(8)).await, Saved::New);
    assert_eq!(comes(ONE, NOW + Duration::days(9)).await, Saved::Known);
    assert_eq!(tables.sql("select count(*) from letters").await, "3");
    let (letter, _) = next_of(&tables, "fax").await.unwrap();
    let kept = store.letter_envelope(letter).await.unwrap().unwrap();
    assert_eq!(kept, (envelope.clone(), "both".to_owned()));
    let row = tables.sql("select string_agg(letters::text, ' ') from letters").await;
    assert!(!row.contains("praxis") && !row.contains(&hex("umstieg.internal")), "{row}");
    // What came out of a mailbox has none.
    let mailbox = tables.mailbox("kim").await;
    tables.comes("kim", mailbox, "1", ONE).await;
    let (letter, _) = next(&tables).await.unwrap();
    assert_eq!(store.letter_envelope(letter).await.unwrap(), None);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
