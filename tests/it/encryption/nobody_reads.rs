//! Nobody reads along (TIM-29): after a run both ways the homeserver's own database and its media
//! store hold nothing of what was written, nor does the gateway's log at its most talkative.

use std::path::Path;

use base64::Engine as _;

use super::{Client, letter_with_file, sees, strict_anna};
use crate::{
    phrases::{HANDED_TO_KIM, told},
    stage::{Stage, kim_mail, message_id},
};

/// Planted; each is found in no other place.
const WORDS: [&str; 8] = [
    "Letterwortia",
    "Subjektia",
    "Dateinamia",
    "Dateiinhaltia",
    "Antwortia",
    "Anlagennamia",
    "Anlageninhaltia",
    "Korrekturia",
];

fn marker(stage: &Stage, word: &str) -> String {
    // Other runs of this test are in the same homeserver.
    format!("{word}{}", stage.tag.replace('-', "x"))
}

#[tokio::test]
async fn tim_29_the_homeserver_holds_nothing_of_what_was_written() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.edit_settings(&[(
        "[monitoring]\n",
        "[log]\nfilter = \"umstieg=trace,info\"\n[monitoring]\n",
    )]);
    stage.gateway.start().await.unwrap();
    both_ways(&stage, &anna).await;
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
    let log = stage.gateway.log();
    assert!(log.contains("Placed letter") && log.contains("Handed dispatch"), "the log is on");
    for word in WORDS {
        let marker = marker(&stage, word);
        assert!(!log.contains(&marker), "the log tells of {marker}");
        let places = places_of(&stage, &marker).await;
        assert!(places.is_empty(), "{marker} stands in {places:?}");
    }
}

/// The same search finds everything where nothing is encrypted.
#[tokio::test]
async fn the_search_for_what_was_written_finds_it_in_the_clear() {
    let stage = Stage::new().await;
    both_ways(&stage, &stage.anna).await;
    for word in WORDS {
        let marker = marker(&stage, word);
        let places = places_of(&stage, &marker).await;
        let is_file = word.ends_with("inhaltia");
        let expected = if is_file { "the media store" } else { "event_json" };
        assert!(places.iter().any(|place| place == expected), "{marker}: {places:?}");
    }
}

/// A letter with a file, an answer with a file that is corrected, a report, and an answer to it.
async fn both_ways(stage: &Stage, anna: &Client) {
    let word = |word: &str| marker(stage, word);
    let erik = stage.correspondent("erik").await;
    let name = format!("{}.pdf", word("Dateinamia"));
    let letter = letter_with_file(
        &erik,
        &stage.practice,
        &format!("n1@{}", stage.tag),
        &word("Subjektia"),
        &word("Letterwortia"),
        (&name, word("Dateiinhaltia").as_bytes()),
    );
    stage.receive(&letter).await;
    let seen = sees(anna, &word("Letterwortia")).await;
    assert!(seen.body().contains(&word("Subjektia")), "{seen}");
    let file = sees(anna, &name).await;
    assert_eq!(anna.download(&file).await.unwrap(), word("Dateiinhaltia").as_bytes());
    let room = &seen.room_id;

    let answer = anna.reply(room, seen.event_id(), &word("Antwortia")).await.unwrap();
    let corrected = format!("{} {}", word("Antwortia"), word("Korrekturia"));
    anna.edit(room, &answer, &corrected).await.unwrap();
    let name = format!("{}.pdf", word("Anlagennamia"));
    let bytes = word("Anlageninhaltia");
    anna.send_file(room, &name, "application/pdf", bytes.as_bytes()).await.unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
    // Text and file leave in one mail, or on a busy machine in two.
    let has_left = async || {
        let mails = stage.mails(&erik, 1).await;
        mails.iter().any(|mail| mail.replace(['\r', '\n'], "").contains(&encoded))
    };
    stage.until("the file leaves", has_left).await;
    let mails = stage.mails(&erik, 1).await;
    told(anna, &answer, &HANDED_TO_KIM).await;
    anna.reply(room, seen.event_id(), "!original").await.unwrap();
    sees(anna, "original-").await;
    let more = format!("In-Reply-To: <{}>\n", message_id(&mails[0]));
    let text = format!("Noch etwas {}", word("Letterwortia"));
    let id = format!("n2@{}", stage.tag);
    let subject = word("Subjektia");
    stage.receive(&kim_mail(&erik, &stage.practice, &id, &subject, &more, &text)).await;
    sees(anna, "Noch etwas").await;
    stage.all_events_are_read().await;
}

/// Where the homeserver has a word: its tables, each row as text, and its media store. Bytes are
/// looked through as well, and words in base64.
async fn places_of(stage: &Stage, word: &str) -> Vec<String> {
    let tables = stage
        .synapse("select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'")
        .await;
    let tables: Vec<&str> = tables.lines().filter(|name| !name.is_empty()).collect();
    assert!(tables.len() > 100, "{tables:?}");
    let forms = forms(word);
    let any = |row: &str| {
        let likes: Vec<String> =
            forms.iter().map(|form| format!("position(lower('{form}') in {row}) > 0")).collect();
        likes.join(" or ")
    };
    let selects: Vec<String> = tables
        .iter()
        .map(|table| {
            format!(
                "select '{table}' where exists (select 1 from \"{table}\" as one, lower(one::text) as line where {})",
                any("line")
            )
        })
        .collect();
    let found = stage.synapse(&selects.join("\nunion all\n")).await;
    let mut places: Vec<String> =
        found.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if is_in_folder(&stage.world.homeserver.media_store, word.as_bytes()) {
        places.push("the media store".to_owned());
    }
    places
}

/// A word as text, as the hexadecimal digits that stand for bytes, and in base64 wherever it begins.
fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    forms.push(word.bytes().map(|byte| format!("{byte:02x}")).collect());
    for skipped in 0..3 {
        let shifted = format!("{}{word}", "x".repeat(skipped));
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(shifted);
        // Its ends depend on its neighbours.
        let end = encoded.len() - encoded.len() % 4 - 4;
        forms.push(encoded.chars().take(end).skip(4).collect());
    }
    forms
}

fn is_in_folder(folder: &Path, word: &[u8]) -> bool {
    let mut folders = vec![folder.to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let name = path.to_string_lossy().into_owned();
            let is_here = bytes.windows(word.len()).any(|window| window == word);
            if is_here || name.as_bytes().windows(word.len()).any(|window| window == word) {
                return true;
            }
        }
    }
    assert!(files > 0, "the media store is looked at");
    false
}
