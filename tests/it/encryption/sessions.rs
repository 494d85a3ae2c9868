//! How long a session is used: as long as the room allows, and never longer.

use std::collections::BTreeMap;

use super::{rotate_after, sees, session, strict_anna, unsigned_anna};
use crate::stage::{Stage, kim_mail};

/// Posts after which the room asks for another session.
const ROTATION: u64 = 6;

/// More than three sessions' worth.
const LETTERS: usize = 20;

#[tokio::test]
async fn a_session_that_is_used_up_is_followed_by_another() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "r0@x", "Befund", "", "Brief 0.")).await;
    let room = sees(&anna, "Brief 0.").await.room_id;
    rotate_after(&stage, &room, ROTATION).await;

    let mut sessions = BTreeMap::<String, u64>::new();
    for number in 1..=LETTERS {
        // Her further devices are given the key of the session in use, which is no fresher for
        // that.
        if number % 3 == 0 && number < 10 {
            unsigned_anna(&stage).await;
        }
        let (id, words) = (format!("r{number}@x"), format!("Brief {number}."));
        let more = "In-Reply-To: <r0@x>\nReferences: <r0@x>\n";
        stage.receive(&kim_mail(&erik, &stage.practice, &id, "AW: Befund", more, &words)).await;
        let letter = sees(&anna, &words).await;
        let session = session(&stage, &room, letter.event_id()).await;
        *sessions.entry(session).or_default() += 1;
    }
    println!("posts of each session: {:?}", sessions.values().collect::<Vec<_>>());
    assert!(sessions.len() > LETTERS / 6, "{sessions:?}");
    assert!(sessions.values().all(|posts| *posts <= ROTATION), "{sessions:?}");
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
}

/// The homeserver names all members of a new room as users whose devices may have changed. As long as
/// they did not, no one is asked about again in the existing rooms.
#[tokio::test]
async fn a_new_room_has_nobody_ask_again_for_keys_that_stayed() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let mut writers = Vec::new();
    for name in ["erik", "frida", "gustav"] {
        writers.push(stage.correspondent(name).await);
    }
    let letter = async |stage: &Stage, writer: &str, number: usize| {
        let (id, words) = (format!("k{number}-{writer}"), format!("Brief {number} von {writer}."));
        let first = format!("k0-{writer}");
        let more = format!("In-Reply-To: <{first}>\nReferences: <{first}>\n");
        let more = if number == 0 { "" } else { &more };
        stage.receive(&kim_mail(writer, &stage.practice, &id, "Befund", more, &words)).await;
        sees(&anna, &words).await
    };
    let asked = async |stage: &Stage| {
        let requests = stage.gateway.requests().await;
        let keys = ["keys_query", "keys_claim", "to_device"];
        keys.iter().filter_map(|endpoint| requests.get(*endpoint)).sum::<f64>()
    };
    for (number, writer) in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2)] {
        letter(&stage, &writers[writer], number).await;
    }
    // What the opening of the third room says about Anna is heard by now.
    let joined =
        "select count(*) from room_members where membership = 'join' and user_id like '@anna%'";
    stage.database_says(joined, "3").await;
    letter(&stage, &writers[2], 1).await;
    stage.all_events_are_read().await;
    let before = asked(&stage).await;
    letter(&stage, &writers[0], 2).await;
    letter(&stage, &writers[1], 2).await;
    // The bot itself may just hear of the third room. Each ghost would ask on its own.
    let again = asked(&stage).await - before;
    assert!(again <= 1.0, "{again} requests for keys that stayed");

    // A device that is new is asked about, once the bot has told of it.
    let other = unsigned_anna(&stage).await;
    let told = format!(
        "select dirty from crypto_tracked_users as tracked
         join devices on devices.id = tracked.device
         where tracked.user_id = '{}' and devices.user_id like '%\\_kim\\_erik%'",
        stage.anna_id
    );
    stage.database_says(&told, "t").await;
    letter(&stage, &writers[0], 3).await;
    sees(&other, "Brief 3").await;
}
