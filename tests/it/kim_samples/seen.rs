//! What Anna has seen of a sample, in words for a golden file.

use sha2::{Digest as _, Sha256};
use umstieg_world::client::{SeenEvent, SeenTimeline};

use super::{SampleMailbox, Samples};
use crate::{phrases::without_moments, stage::message_id};

/// The rooms of a mailbox, with all that came into them since `before` events were seen.
pub(super) async fn shown_since(
    samples: &Samples,
    seen: &SeenTimeline,
    before: usize,
    mailbox: &SampleMailbox,
) -> String {
    let label = format!("Praxis {}", mailbox.channel);
    let mut out = String::new();
    let rooms = samples.stage.anna.rooms().await.unwrap();
    for room in rooms.iter().filter(|room| room.display_name.starts_with(&label)) {
        let is_new =
            |event: &&SeenEvent| event.room_id == room.room_id && event.kind == "m.room.message";
        let mut lines = String::new();
        for event in seen.events.iter().skip(before).filter(is_new) {
            lines.push_str(&line(samples, seen, event).await);
        }
        if !lines.is_empty() {
            out.push_str(&format!("  a room\n{lines}"));
        }
    }
    if out.is_empty() { "  nothing is shown\n".to_owned() } else { out }
}

/// Who says what, and in which form.
async fn line(samples: &Samples, seen: &SeenTimeline, event: &SeenEvent) -> String {
    let who = match &event.sender {
        anna if *anna == samples.stage.anna_id => "Anna",
        bot if *bot == samples.stage.bot_id() => "Umstieg",
        _ => &event.sender_name,
    };
    let form = event.msgtype().trim_start_matches("m.");
    let said = event.new_body().unwrap_or_else(|| event.body());
    let mut out = match event.edit_of() {
        Some(edited) => {
            let original = seen.messages().find(|it| it.event_id() == edited).unwrap();
            format!("    {who} ({form}), in the place of “{}”:\n", first_words(original.body()))
        }
        None => format!("    {who} ({form}):\n"),
    };
    for line in said.lines() {
        out.push_str(format!("      {}", without_moments(line)).trim_end());
        out.push('\n');
    }
    if event.has_file() {
        let bytes = samples.stage.anna.download(event).await.unwrap();
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        out.push_str(&format!("      ({} bytes, SHA-256 {digest}…)\n", bytes.len()));
    }
    out
}

fn first_words(text: &str) -> String {
    text.split(' ').take(4).map(without_moments).collect::<Vec<_>>().join(" ")
}

/// Without the mark of the stage, which differs from run to run.
pub(super) fn without_what_varies(text: &str, tag: &str) -> String {
    text.replace(&format!("-{tag}"), "")
}

/// A mail of ours without its time, its id, and the boundary that is made of it.
pub(super) fn without_what_is_made_up(mail: &str) -> String {
    let id = message_id(mail);
    let date = mail.lines().find(|line| line.starts_with("Date: ")).unwrap();
    let boundary = mail.split_once("boundary=\"").map(|(_, rest)| rest.split('"').next().unwrap());
    let mail = mail.replace(&id, "…@kim.local").replace(date, "Date: …");
    let mail = boundary.map_or(mail.clone(), |boundary| mail.replace(boundary, "…"));
    mail.replace('\r', "")
}
