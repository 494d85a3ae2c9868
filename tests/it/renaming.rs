//! `F4`: channels that get another name. What can be read in two ways is refused, before letters of one
//! practice come into the rooms of another.

use umstieg_world::gateway::{PASSWORD, PracticeChannel};

use crate::stage::{Stage, conversations, kim_mail};

/// A practice with a second KIM account, whose mailboxes and fax line were looked into.
async fn two_accounts() -> (Stage, String) {
    let world = umstieg_world::World::shared().await.unwrap();
    let other = format!("zweit-{}@mueller.kim.telematik", rand::random::<u32>());
    world.mail.add_mailbox(&other, PASSWORD).await.unwrap();
    let mut stage = Stage::with(|mut channels| {
        let team: Vec<&str> = channels[0].team.iter().map(String::as_str).collect();
        let second = PracticeChannel::kim("kim2", &other, &team);
        channels.push(second);
        channels
    })
    .await;
    stage.database_says("select count(*) from mailboxes where looked_at is not null", "3").await;
    stage.letter_from("erik").await;
    stage.gateway.stop();
    (stage, other)
}

/// Neither `check` nor `run` takes the settings, both say these words, and nothing was changed.
async fn is_refused(stage: &Stage, words: &[&str]) {
    let channels = "select string_agg(channel, ' ' order by id) from mailboxes";
    let before = stage.query(channels).await;
    let output = stage.gateway.command(&["check"]).await.unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{table}");
    let output = stage.gateway.command(&["run"]).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    for words in words.iter().chain(&["nothing was changed"]) {
        assert!(table.contains(words), "{words:?} in {table}");
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert_eq!(stage.query(channels).await, before);
}

/// Either `kim` is called `kim-neu` now and another `kim` came, or `kim` has another mailbox and
/// `kim-neu` came and reads the one that it left.
#[tokio::test]
async fn f4_a_mailbox_of_a_channel_that_is_still_there_is_not_taken_over() {
    let (stage, other) = two_accounts().await;
    stage.edit_settings(&[
        ("name = \"kim\"", "name = \"kim-neu\""),
        ("name = \"kim2\"", "name = \"kim\""),
        (&format!("user = \"{other}"), "user = \"andere@mueller.kim.telematik"),
    ]);
    is_refused(&stage, &["kim-neu", "its own mailbox"]).await;
}

/// Two names that change places, or two mailboxes that do.
#[tokio::test]
async fn f4_channels_that_change_their_places_are_refused() {
    let (stage, _) = two_accounts().await;
    stage.edit_settings(&[
        ("name = \"kim\"", "name = \"x\""),
        ("name = \"kim2\"", "name = \"kim\""),
        ("name = \"x\"", "name = \"kim2\""),
    ]);
    is_refused(&stage, &["kim2", "in a circle"]).await;
}

/// One channel, which had two mailboxes, cannot become two.
#[tokio::test]
async fn f4_one_channel_does_not_become_two() {
    let (stage, _) = two_accounts().await;
    stage.query("update mailboxes set channel = 'kim' where channel = 'kim2' returning 1").await;
    stage.edit_settings(&[
        ("name = \"kim\"", "name = \"eins\""),
        ("name = \"kim2\"", "name = \"zwei\""),
    ]);
    is_refused(&stage, &["eins", "zwei"]).await;
}

/// What a fax line brought cannot go on in the rooms of a KIM account, nor the other way.
#[tokio::test]
async fn f4_a_channel_does_not_change_its_kind() {
    let (stage, _) = two_accounts().await;
    // What reads the mailbox of `kim2` was a fax line before.
    stage.query("update mailboxes set channel = 'alt' where channel = 'kim2' returning 1").await;
    stage.query(&conversations("alt", &["+49301234567"])).await;
    stage
        .query(
            "insert into channels (channel, kind, made_with)
             values ('alt', 'fax', 'alt') returning 1",
        )
        .await;
    is_refused(&stage, &["alt", "kind"]).await;
}

/// A chain in which every mailbox tells what its channel is called now.
#[tokio::test]
async fn f4_a_chain_of_new_names_goes_on() {
    let (mut stage, _) = two_accounts().await;
    stage.edit_settings(&[
        ("name = \"kim2\"", "name = \"kim3\""),
        ("name = \"kim\"", "name = \"kim2\""),
    ]);
    stage.gateway.start().await.unwrap();
    let channels = "select string_agg(channel, ' ' order by channel) from mailboxes";
    assert_eq!(stage.query(channels).await, "fax kim2 kim3");
    assert_eq!(stage.query("select distinct channel from conversations").await, "kim2");
}

/// The names at the homeserver were made after the new name, and the copy knows the old one: also then
/// a letter is found in its room.
#[tokio::test]
async fn f4_a_renamed_channel_and_a_restored_database_find_their_rooms() {
    let mut stage = Stage::new().await;
    stage.letter_from("erik").await;
    let (copy, database) = (format!("{}_copy", stage.database), stage.database.clone());
    stage.gateway.stop();
    stage.copy_database(&database, &copy).await;
    // Before it is renamed it brings one more, and after that another one.
    stage.gateway.start().await.unwrap();
    let (ulla, first) = stage.letter_from("ulla").await;
    stage.restart_with(|settings| settings.replace("name = \"kim\"", "name = \"kim-neu\"")).await;
    let (karl, second) = stage.letter_from("karl").await;
    stage.gateway.stop();
    stage.copy_database(&copy, &database).await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select count(*) from letters where state = 'posted'", "3").await;
    for (from, letter) in [(ulla, first), (karl, second)] {
        let id = format!("erster-{from}");
        let more = format!("In-Reply-To: <{id}>\nReferences: <{id}>\n");
        let words = format!("Zweiter Brief von {from}");
        let mail =
            kim_mail(&from, &stage.practice, &format!("zweiter-{from}"), "AW", &more, &words);
        stage.receive(&mail).await;
        assert_eq!(stage.anna_sees(&words).await.room_id, letter.room_id);
        assert_eq!(stage.anna_saw(&format!("Erster Brief von {from}")), 1);
    }
}
