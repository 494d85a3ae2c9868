//! The proof of each step: what Anna's client, the mailboxes and the homeserver's database show.

use std::{fs, io, path::Path, time::Instant};

use mail_parser::{Message, MessageParser};
use umstieg_world::client::{SeenEvent, Shield};

use crate::{
    DemoError,
    mail::size,
    practice::{DATABASE, ERIK},
    story::{LOOK_AGAIN, Story, WITHIN},
    tale::{Miss, Tale},
};

impl Story<'_> {
    /// Whether events came encrypted, from devices about which Anna's client gives no warning once
    /// it has asked for their keys.
    pub(crate) async fn is_trusted(&self, events: &[&SeenEvent]) -> Result<(), Miss> {
        let anna = &self.practice.anna;
        for event in events {
            if !event.encrypted {
                return Err(Miss::new("an event that came encrypted", event));
            }
            let begun = Instant::now();
            loop {
                match anna.shield(event).await? {
                    Some(shield) if shield == Shield::none() => break,
                    _ if begun.elapsed() < WITHIN => tokio::time::sleep(LOOK_AGAIN).await,
                    shield => {
                        return Err(Miss::new("no shield", format!("{shield:?} at {event}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// The homeserver's copy of an event: encrypted, and unreadable.
    pub(crate) async fn held_encrypted(&self, event_id: &str) -> Result<String, Miss> {
        let world = &self.practice.world;
        let sql = format!("select json from event_json where event_id = '{event_id}'");
        let json = world.postgres.query(&world.synapse.database, &sql).await?;
        let event: serde_json::Value = serde_json::from_str(&json)
            .map_err(|error| Miss::of("the event in Synapse's database", &error))?;
        let text = |pointer| event.pointer(pointer).and_then(serde_json::Value::as_str);
        expect("its type", "m.room.encrypted", text("/type").unwrap_or_default())?;
        let algorithm = text("/content/algorithm").unwrap_or_default();
        expect("its algorithm", "m.megolm.v1.aes-sha2", algorithm)?;
        let ciphertext = text("/content/ciphertext").unwrap_or_default();
        let begin: String = ciphertext.chars().take(40).collect();
        let rest = ciphertext.len().saturating_sub(begin.len());
        Ok(format!("type: m.room.encrypted\nciphertext: {begin}… and {rest} more characters"))
    }

    /// Whether a file lies in the media store as unreadable bytes.
    pub(crate) async fn lies_encrypted(&self, event: &SeenEvent, bytes: &[u8]) -> Result<(), Miss> {
        let url = event.content.pointer("/file/url").and_then(serde_json::Value::as_str);
        let id = url.and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let store = &self.practice.world.synapse.media_store;
        // Synapse cuts an id into two folders and a name.
        let lying = match id.split_at_checked(2).map(|(a, rest)| (a, rest.split_at_checked(2))) {
            Some((a, Some((b, name)))) => store.join("local_content").join(a).join(b).join(name),
            _ => return Err(Miss::new("an encrypted file in the event", &event.content)),
        };
        let world = &self.practice.world;
        let sql = format!(
            "select media_type, upload_name from local_media_repository where media_id = '{id}'"
        );
        let noted = world.postgres.query(&world.synapse.database, &sql).await?;
        expect("what Synapse notes of it", "application/octet-stream|", &noted)?;
        let failed = |error: io::Error| Miss::of("the file in the media store", &error);
        let stored = fs::read(&lying).map_err(failed)?;
        expect("its length", &size(bytes), &size(&stored))?;
        let all = files_below(store).map_err(failed)?;
        match all.iter().find(|file| file.as_slice() == bytes || file.starts_with(b"%PDF")) {
            Some(_) => Err(Miss::new("no PDF in the media store", "one that can be read")),
            None => Ok(()),
        }
    }

    /// Whether the bot's device has the key of an event that Anna has sent.
    pub(crate) async fn was_read_by_bot(&self, event_id: &str) -> Result<(), Miss> {
        let world = &self.practice.world;
        let sql = format!(
            "select json::json #>> '{{content,session_id}}' from event_json where event_id = \
             '{event_id}'"
        );
        let session = world.postgres.query(&world.synapse.database, &sql).await?;
        let sql = format!(
            "select devices.user_id from crypto_room_keys join devices on devices.id = device \
             where session = sha256('{}')",
            session.trim()
        );
        let users = world.postgres.query(DATABASE, &sql).await?;
        let bot = world.synapse.user_id("_umstieg_bot");
        match users.lines().any(|user| user == bot) {
            true => Ok(()),
            false => Err(Miss::new(format!("the key at {bot}"), format!("at {users:?}"))),
        }
    }

    pub(crate) async fn anna_sees(&self, words: &str) -> Result<SeenEvent, Miss> {
        let what = format!("a message with {words:?}");
        let words = words.trim();
        let seen = self
            .practice
            .anna
            .wait_for_within(WITHIN, &what, |seen| seen.message_with(words).cloned());
        Ok(seen.await?)
    }

    pub(crate) async fn anna_sees_file(&self, name: &str) -> Result<SeenEvent, Miss> {
        let what = format!("the file {name}");
        let seen = self.practice.anna.wait_for_within(WITHIN, &what, |seen| {
            seen.messages().find(|event| event.has_file() && event.body() == name).cloned()
        });
        Ok(seen.await?)
    }

    pub(crate) async fn anna_sees_letter(
        &self,
        words: &str,
        file: &str,
    ) -> Result<(SeenEvent, SeenEvent), Miss> {
        let words = self.anna_sees(words).await?;
        let file = self.anna_sees_file(file).await?;
        expect("the room of the file", &words.room_id, &file.room_id)?;
        if !words.sender_name.contains("Dr. Erik Muster") || !words.sender_name.contains(ERIK) {
            let expected = format!("a sender named after Dr. Erik Muster and {ERIK}");
            return Err(Miss::new(expected, &words.sender_name));
        }
        Ok((words, file))
    }

    /// Waits until the gateway's notice at Anna's message holds these words.
    pub(crate) async fn anna_is_told(
        &self,
        tale: &mut Tale,
        said: &str,
        holds: &str,
    ) -> Result<(), DemoError> {
        let seen = self.practice.anna.wait_for_within(WITHIN, "a notice at her message", |seen| {
            let mut messages = seen.messages();
            let told = messages
                .find(|event| event.msgtype() == "m.notice" && event.reply_to() == Some(said))?;
            let words = seen.shown_body(told.event_id())?.to_owned();
            words.contains(holds).then_some(words)
        });
        let words =
            tale.step("Anna reads at her message what became of it", async { Ok(seen.await?) });
        let words = words.await?;
        tale.quote(&format!("Umstieg (Chatbot): {words}"))
    }

    pub(crate) async fn is_the_file(&self, event: &SeenEvent, bytes: &[u8]) -> Result<(), Miss> {
        let shown = self.practice.anna.download(event).await?;
        match shown == bytes {
            true => Ok(()),
            false => Err(Miss::new(size(bytes), format!("{}, or other bytes", size(&shown)))),
        }
    }

    /// Waits for a mail in a mailbox, and returns the newest that fits.
    pub(crate) async fn mail_in(
        &self,
        address: &str,
        fits: impl Fn(&Message<'_>) -> bool,
    ) -> Result<Vec<u8>, Miss> {
        let begun = Instant::now();
        let parser = MessageParser::default();
        loop {
            let mails = self.practice.world.mail.mails(address)?;
            let count = mails.len();
            let found: Vec<Vec<u8>> = mails
                .into_iter()
                .filter(|raw| parser.parse(raw).is_some_and(|m| fits(&m)))
                .collect();
            match found.as_slice() {
                [one] => return Ok(one.clone()),
                [] if begun.elapsed() < WITHIN => tokio::time::sleep(LOOK_AGAIN).await,
                found => {
                    let expected = format!("one mail, within {} s", WITHIN.as_secs());
                    let seen = format!("{} that fit, of {count} in the mailbox", found.len());
                    return Err(Miss::new(expected, seen));
                }
            }
        }
    }
}

/// The contents of every file in a folder and the folders in it.
pub(crate) fn files_below(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(fs::read(path)?);
        }
    }
    Ok(files)
}

pub(crate) fn expect(what: &str, expected: &str, seen: &str) -> Result<(), Miss> {
    match seen.trim() == expected.trim() {
        true => Ok(()),
        false => Err(Miss::new(format!("{what}: {expected:?}"), format!("{seen:?}"))),
    }
}
