//! The rooms as Anna sees them at the end of the day, in the order in which things happened.
//!
//! Which notice comes before the next letter is a matter of milliseconds. So everything stands with what
//! it belongs to: the files of a letter below it, a notice below what it answers.

use std::path::Path;

use umstieg_world::client::{SeenEvent, SeenTimeline};

use super::{Day, mails::number_of_words};
use crate::{golden, phrases::without_moments};

/// Compares the rooms with `a_day_in_the_practice/rooms.txt`.
pub(super) async fn is_as_golden_file_says(day: &Day) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/a_day_in_the_practice/rooms.txt");
    golden::as_golden_files_say([("the rooms".to_owned(), path, written(day).await)]);
}

async fn written(day: &Day) -> String {
    let seen = day.anna.seen();
    let mut texts = Vec::new();
    for room in day.anna.rooms().await.unwrap() {
        let mut lines = Vec::new();
        let mut before = (0, 0);
        for event in seen.messages_in(&room.room_id).filter(|event| event.edit_of().is_none()) {
            // What answers nothing, such as a hint, stands below what the room heard before it.
            let place = place(&seen, event).unwrap_or((before.0, before.1 + 1));
            if event.sender != day.anna.user_id {
                before = place;
            }
            lines.push((place, line(day, &seen, event)));
        }
        lines.sort();
        let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        let first = lines.first().cloned().unwrap_or_default();
        // The tray has a name without a number.
        let name = match room.display_name.rsplit_once(' ') {
            Some((name, number)) if number.parse::<u64>().is_ok() => format!("{name} …"),
            _ => room.display_name.clone(),
        };
        texts.push((first, format!("══ {name}\n{}\n", lines.join("\n"))));
    }
    texts.sort();
    let all: Vec<String> = texts.into_iter().map(|(_, text)| text).collect();
    all.join("\n").replace(&format!("-{}", day.stage.tag), "")
}

/// Where an event stands: by the number of what it belongs to, then by its own kind. Nothing where that
/// is not said.
fn place(seen: &SeenTimeline, event: &SeenEvent) -> Option<(usize, usize)> {
    let body = seen.shown_body(event.event_id()).unwrap_or_default();
    let own = number_of_words(body)
        .or_else(|| number_in(body, "Antwort "))
        .or_else(|| number_in(body, "Arztbrief-"))
        .or_else(|| number_in(body, "Aufnahme-"));
    if let Some(number) = own {
        return Some((number, usize::from(event.has_file())));
    }
    let id = event.reply_to()?;
    let target = seen.messages().find(|it| it.event_id() == id)?;
    let (number, depth) = place(seen, target)?;
    Some((number, depth + 2))
}

/// Who says what, as it is shown now.
fn line(day: &Day, seen: &SeenTimeline, event: &SeenEvent) -> String {
    let who = match &event.sender {
        anna if *anna == day.anna.user_id => "Anna",
        bot if *bot == day.stage.bot_id() => "Umstieg",
        _ => &event.sender_name,
    };
    let body = seen.shown_body(event.event_id()).unwrap_or_default();
    let body: Vec<String> = body.lines().map(without_moments).collect();
    let kind = if event.has_file() { " (Datei)" } else { "" };
    format!("{who}{kind}: {}", body.join("\n    "))
}

/// The number of three digits behind a word.
pub(super) fn number_in(text: &str, word: &str) -> Option<usize> {
    let (_, rest) = text.split_once(word)?;
    rest.get(..3)?.parse().ok()
}
