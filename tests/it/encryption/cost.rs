//! What an encrypted letter costs at the homeserver, request by request.

use std::collections::BTreeMap;

use umstieg_world::{World, WorldOptions};

use super::strict_anna;
use crate::stage::{Stage, kim_mail};

/// Letters of one round.
const LETTERS: usize = 10;

/// Requests so far, by endpoint. The bot's `/sync` costs by time and is left out, and so is the
/// reading of a ghost's inbox, which no letter needs twice.
async fn requests(stage: &Stage) -> BTreeMap<String, f64> {
    let mut requests = stage.gateway.requests().await;
    requests.remove("sync");
    requests
}

/// The requests in between, for each letter.
fn per_letter(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let letters = f64::from(u32::try_from(LETTERS).unwrap());
    let asked = |what: &String| (after[what] - before.get(what).unwrap_or(&0.0)) / letters;
    after.keys().map(|what| (what.clone(), asked(what))).filter(|(_, asked)| *asked > 0.0).collect()
}

#[tokio::test]
async fn a_letter_asks_for_nothing_that_is_known() {
    // A separate world: in the shared one the bot also hears of, and asks after, other rooms.
    let world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let around = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::encrypted_in(around, "cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let posted = async |posts: usize| {
        let sql = "select count(*) from posts where echoed_at is not null";
        stage.database_says(sql, &posts.to_string()).await;
        stage.all_events_are_read().await;
    };
    let mut writers = Vec::new();
    for number in 0..=LETTERS {
        writers.push(stage.correspondent(&format!("arzt{number}")).await);
    }
    let letter = async |writer: &String, round: usize| {
        let (id, first) = (format!("{round}-{writer}"), format!("0-{writer}"));
        let more = format!("In-Reply-To: <{first}>\nReferences: <{first}>\n");
        let more = if round == 0 { "" } else { &more };
        stage.receive(&kim_mail(writer, &stage.practice, &id, "Befund", more, "Brief")).await;
    };
    letter(&writers[LETTERS], 0).await;
    posted(1).await;
    let joined = |rooms: usize| {
        let sql =
            "select count(*) from room_members where membership = 'join' and user_id like '@anna%'";
        (sql, rooms.to_string())
    };
    let (sql, rooms) = joined(1);
    stage.database_says(sql, &rooms).await;

    let before = requests(&stage).await;
    for (number, writer) in writers[..LETTERS].iter().enumerate() {
        letter(writer, 0).await;
        posted(number + 2).await;
    }
    let (sql, rooms) = joined(LETTERS + 1);
    stage.database_says(sql, &rooms).await;
    let between = requests(&stage).await;
    let opening = per_letter(&before, &between);
    println!("opening: {:.1} {opening:?}", opening.values().sum::<f64>());

    for (number, writer) in writers[..LETTERS].iter().enumerate() {
        letter(writer, 1).await;
        posted(LETTERS + number + 2).await;
    }
    let into_thread = per_letter(&between, &requests(&stage).await);
    println!("into a thread: {:.1} {into_thread:?}", into_thread.values().sum::<f64>());
    let rooms = stage.query("select string_agg(room_id, ' ' order by id) from rooms").await;
    let before = requests(&stage).await;
    for (number, room) in rooms.split(' ').skip(1).enumerate() {
        anna.send_text(room, "Antwort").await.unwrap();
        let accepted = "select count(*) from dispatches where state = 'accepted'";
        stage.database_says(accepted, &(number + 1).to_string()).await;
    }
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    let answer = per_letter(&before, &requests(&stage).await);
    println!("answer: {:.1} {answer:?}", answer.values().sum::<f64>());
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
    assert!(opening.values().sum::<f64>() <= 25.0, "{opening:?}");
    assert!(into_thread.values().sum::<f64>() <= 1.5, "{into_thread:?}");
}
