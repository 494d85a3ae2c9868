//! What the rooms show of every sample of a fax gateway's mails, with the profile of that gateway (FAX-1).
//!
//! The golden file is read by a person as Anna reads her rooms at the front desk. `UMSTIEG_GOLDEN=write` writes it
//! again. What is read of each mail is in `faxes_read`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use sha2::{Digest as _, Sha256};
use umstieg_world::client::{SeenEvent, SeenTimeline};

use crate::{
    faxes_read::{folder, form_of, names},
    golden::as_golden_files_say,
    phrases::without_moments,
    stage::Stage,
};

#[tokio::test]
async fn fax_1_every_sample_gives_its_golden_room() {
    let mut of_profile: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names() {
        of_profile.entry(form_of(&name).name.clone()).or_default().push(name);
    }
    let mut shown = BTreeMap::new();
    for (profile, samples) in of_profile {
        let mut stage = Stage::of_profile(&profile).await;
        if ["fusionpbx", "gnetx"].contains(&profile.as_str()) {
            stage.edit_settings(&[("profile = ", "code = \"geheim\"\nprofile = ")]);
        }
        stage.gateway.start().await.unwrap();
        for (number, sample) in (1..).zip(samples) {
            let room = comes(&stage, number, &sample).await;
            shown.insert(sample, room);
        }
    }
    let written: Vec<String> =
        shown.into_iter().map(|(sample, room)| format!("── {sample}\n{room}")).collect();
    let path: PathBuf = folder().join("rooms.txt");
    as_golden_files_say([("rooms".to_owned(), path, written.concat())]);
}

/// A sample comes as the `number`th mail of its line; what the rooms show of it, and what becomes of its mail.
async fn comes(stage: &Stage, number: u32, sample: &str) -> String {
    let before = stage.anna.seen().events.len();
    let mail = fs::read(folder().join(format!("{sample}.eml"))).unwrap();
    stage.receive_fax_bytes(&from_the_gateway(&mail)).await;
    stage.database_says("select count(*) from letters", &number.to_string()).await;
    let waiting = "select (select count(*) from letters where state in ('stored', 'placed'))
                        + (select count(*) from posts where state = 'pending')";
    stage.database_says(waiting, "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    let seen = stage.anna.seen();
    let mut out = String::new();
    let mut room: Option<&str> = None;
    let is_new = |event: &&SeenEvent| event.kind == "m.room.message";
    for event in seen.events.iter().skip(before).filter(is_new) {
        if room != Some(event.room_id.as_str()) {
            out.push_str("  a room\n");
            room = Some(event.room_id.as_str());
        }
        out.push_str(&line(stage, &seen, event).await);
    }
    let state = stage.query("select state from letters order by id desc limit 1").await;
    let parked = "select string_agg(reason, ' ') from parked
                  where kind = 'letter' and item_id = (select max(id) from letters)";
    let parked = stage.query(parked).await;
    if out.is_empty() {
        out.push_str("  nothing is shown\n");
    }
    format!("{out}  its mail: {state} {parked}").trim_end().to_owned() + "\n"
}

/// The mail, from an address of the line's gateway.
fn from_the_gateway(mail: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(mail);
    let line = text.lines().find(|line| line.to_lowercase().starts_with("from:")).unwrap();
    let (before, domain) = line.rsplit_once('@').unwrap();
    let behind = domain.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || ".-".contains(c));
    let (old, new) = (line.as_bytes(), format!("{before}@fax.example{behind}"));
    let begin = mail.windows(old.len()).position(|window| window == old).unwrap();
    [&mail[..begin], new.as_bytes(), &mail[begin + old.len()..]].concat()
}

/// Who says what, and in which form.
async fn line(stage: &Stage, seen: &SeenTimeline, event: &SeenEvent) -> String {
    let who = match &event.sender {
        bot if *bot == stage.bot_id() => "Umstieg",
        _ => &event.sender_name,
    };
    let form = event.msgtype().trim_start_matches("m.");
    let mut out = match event.edit_of() {
        Some(edited) => {
            let original = seen.messages().find(|it| it.event_id() == edited).unwrap();
            let begin: String = original.body().chars().take(20).collect();
            format!("    {who} ({form}), in the place of “{}”:\n", without_moments(&begin))
        }
        None => format!("    {who} ({form}):\n"),
    };
    for line in event.new_body().unwrap_or_else(|| event.body()).lines() {
        out.push_str(format!("      {}", without_moments(line)).trim_end());
        out.push('\n');
    }
    if event.has_file() {
        let bytes = stage.anna.download(event).await.unwrap();
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        out.push_str(&format!("      ({} bytes, SHA-256 {digest}…)\n", bytes.len()));
    }
    out
}
