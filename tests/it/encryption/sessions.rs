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
        // Her further devices are given the key of the session that is in use, which is none the
        // fresher for that.
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
