//! Matrix clients as people use them; not made by us.
//!
//! Each client is a small program around a third-party library, in a separate process: matrix-nio
//! ([`Client`], `python/client.py`), and matrix-js-sdk with Element's Rust crypto ([`JsClient`],
//! `clients/js.mjs`). It accepts invitations by itself and remembers every event it has seen; a
//! test acts, then waits until the client has seen what it should.

mod js;
mod nursery;
pub(crate) mod talk;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::talk::{Program, Talk, field};
use crate::{
    error::{Result, WorldError},
    folder::Folder,
    synapse::SynapseAccess,
};

pub use self::js::{ClientTrust, JsClient, JsOptions};

/// How long a test waits for something to be seen, unless it says otherwise. A busy machine may
/// take seconds for what takes milliseconds; a test that fails is rare enough to wait for.
pub const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// An event as the client was shown it.
#[derive(Clone, Debug, Deserialize)]
pub struct SeenEvent {
    pub room_id: String,
    /// Missing in an invitation, which shows no more than itself.
    #[serde(default)]
    pub event_id: Option<String>,
    #[serde(rename = "type", default)]
    pub kind: String,
    pub sender: String,
    /// The name shown for the sender in this room.
    #[serde(default)]
    pub sender_name: String,
    #[serde(default)]
    pub state_key: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub origin_server_ts: u64,
    #[serde(default)]
    pub content: Value,
    #[serde(default)]
    pub redacts: Option<String>,
    /// Whether it came encrypted.
    #[serde(default)]
    pub encrypted: bool,
    /// Whether it could not be deciphered, up to now.
    #[serde(default)]
    pub undecipherable: bool,
    /// Why not, in the words of the client: `UNSIGNED_SENDER_DEVICE`. matrix-nio gives no reason.
    #[serde(default)]
    pub undecipherable_because: Option<String>,
    /// Whether it could not be deciphered when it came, and could be later.
    #[serde(skip)]
    pub deciphered_late: bool,
    /// The warning a person saw with it; only matrix-js-sdk tells it, for events that came
    /// encrypted and were decrypted.
    #[serde(default)]
    pub shield: Option<Shield>,
    /// Whether the device that sent it was verified by hand; only matrix-nio tells.
    #[serde(default)]
    pub verified: Option<bool>,
}

/// The shield a client shows beside an event that came encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Shield {
    pub colour: ShieldColour,
    /// In the words of matrix-js-sdk: `UNSIGNED_DEVICE`, `UNKNOWN_DEVICE`, …
    #[serde(default)]
    pub reason: Option<String>,
}

impl Shield {
    /// No warning at all.
    pub fn none() -> Self {
        Self { colour: ShieldColour::None, reason: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ShieldColour {
    /// Nothing is shown.
    None,
    Grey,
    Red,
}

impl SeenEvent {
    /// `m.text`, `m.notice`, `m.file`, …; empty if it is no message.
    pub fn msgtype(&self) -> &str {
        self.text("/msgtype")
    }

    pub fn body(&self) -> &str {
        self.text("/body")
    }

    /// The body in HTML; empty if there is none.
    pub fn formatted_body(&self) -> &str {
        self.text("/formatted_body")
    }

    /// The event this one replaces.
    pub fn edit_of(&self) -> Option<&str> {
        let relates = self.content.get("m.relates_to")?;
        (relates.get("rel_type")?.as_str()? == "m.replace").then_some(())?;
        relates.get("event_id")?.as_str()
    }

    /// The text this event puts in the place of an earlier one.
    pub fn new_body(&self) -> Option<&str> {
        self.content.pointer("/m.new_content/body")?.as_str()
    }

    /// The event this one answers.
    pub fn reply_to(&self) -> Option<&str> {
        self.content.pointer("/m.relates_to/m.in_reply_to/event_id")?.as_str()
    }

    /// Whether it carries a file.
    pub fn has_file(&self) -> bool {
        self.content.get("url").is_some() || self.content.get("file").is_some()
    }

    pub fn event_id(&self) -> &str {
        self.event_id.as_deref().unwrap_or_default()
    }

    fn text(&self, pointer: &str) -> &str {
        self.content.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// One line, as a failed test shows it.
impl fmt::Display for SeenEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room_id, sender, sender_name, kind, .. } = self;
        write!(f, "{room_id} {sender} ({sender_name}) {kind}")?;
        match self.msgtype() {
            _ if self.undecipherable => write!(f, ", undecipherable")?,
            "" => write!(f, " {}", self.content)?,
            msgtype => {
                let edits = if self.edit_of().is_some() { ", an edit" } else { "" };
                write!(f, " {msgtype}{edits}: {:?}", self.body())?;
            }
        }
        if let Some(reason) = &self.undecipherable_because {
            write!(f, ": {reason}")?;
        }
        match &self.shield {
            Some(Shield { colour, reason }) if *colour != ShieldColour::None => {
                write!(f, " [{colour:?}: {}]", reason.as_deref().unwrap_or("no reason"))
            }
            _ => Ok(()),
        }
    }
}

/// All a client has seen, in the order it saw it.
#[derive(Clone, Debug, Default)]
pub struct SeenTimeline {
    pub events: Vec<SeenEvent>,
}

impl SeenTimeline {
    /// Takes in an event. One that could finally be decrypted takes its earlier place.
    fn take_in(&mut self, mut event: SeenEvent) {
        let known = self.events.iter_mut().find(|known| {
            known.undecipherable && known.event_id.is_some() && known.event_id == event.event_id
        });
        match known {
            Some(known) => {
                event.deciphered_late = !event.undecipherable;
                *known = event;
            }
            None => self.events.push(event),
        }
    }

    /// The events that could not be deciphered up to now.
    pub fn undecipherable(&self) -> impl Iterator<Item = &SeenEvent> {
        self.events.iter().filter(|event| event.undecipherable)
    }

    /// The events a person was warned of when they were shown.
    pub fn shielded(&self) -> impl Iterator<Item = &SeenEvent> {
        let warns = |shield: &Shield| shield.colour != ShieldColour::None;
        self.events.iter().filter(move |event| event.shield.as_ref().is_some_and(warns))
    }

    /// The messages: text, notices and files, edits included.
    pub fn messages(&self) -> impl Iterator<Item = &SeenEvent> {
        self.events.iter().filter(|event| event.kind == "m.room.message")
    }

    pub fn messages_in<'a>(&'a self, room_id: &'a str) -> impl Iterator<Item = &'a SeenEvent> {
        self.messages().filter(move |event| event.room_id == room_id)
    }

    /// The first message that has these words in its body.
    pub fn message_with(&self, words: &str) -> Option<&SeenEvent> {
        self.messages().find(|event| event.body().contains(words))
    }

    /// What a person sees in the place of an event now: the body of its last edit by its sender.
    pub fn shown_body(&self, event_id: &str) -> Option<&str> {
        let original = self.messages().find(|event| event.event_id() == event_id)?;
        let edit = self
            .messages()
            .filter(|event| event.edit_of() == Some(event_id) && event.sender == original.sender)
            .last();
        Some(edit.and_then(SeenEvent::new_body).unwrap_or_else(|| original.body()))
    }
}

impl fmt::Display for SeenTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events.is_empty() {
            return write!(f, "  nothing");
        }
        self.events.iter().try_for_each(|event| writeln!(f, "  {event}"))
    }
}

/// A room the client is in.
#[derive(Clone, Debug, Deserialize)]
pub struct Room {
    pub room_id: String,
    /// What the client calls it: its name, else made of its members' names.
    pub display_name: String,
    pub name: Option<String>,
    pub topic: Option<String>,
    pub encrypted: bool,
    pub version: String,
    /// The joined and invited members' names by their ids.
    pub members: BTreeMap<String, Option<String>>,
    pub invited: Vec<String>,
}

/// A logged-in client, ended with this value.
#[derive(Debug)]
pub struct Client {
    pub user_id: String,
    pub device_id: String,
    // Before the folder it works in.
    talk: Talk,
    folder: Arc<Folder>,
}

impl Client {
    /// Logs a user in and waits for the first answer of the homeserver.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn login(homeserver: &SynapseAccess, name: &str, password: &str) -> Result<Self> {
        Self::login_as(homeserver, name, password, false).await
    }

    /// As [`login`](Self::login), with a device that reads and writes encrypted rooms.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn login_encrypted(
        homeserver: &SynapseAccess,
        name: &str,
        password: &str,
    ) -> Result<Self> {
        Self::login_as(homeserver, name, password, true).await
    }

    async fn login_as(
        homeserver: &SynapseAccess,
        name: &str,
        password: &str,
        encryption: bool,
    ) -> Result<Self> {
        let folder = Arc::new(Folder::make("client")?);
        let mut client = Self::of(Talk::fork(&folder)?, folder);
        let answer = client
            .command(
                "login",
                json!({
                    "homeserver": homeserver.url, "user": name, "password": password,
                    "encryption": encryption,
                }),
            )
            .await?;
        client.user_id = field(&answer, "user_id");
        client.device_id = field(&answer, "device_id");
        Ok(client)
    }

    /// Starts the program; no user is logged in yet.
    fn start(program: &Program, folder: Arc<Folder>) -> Result<Self> {
        Ok(Self::of(Talk::start(program, &folder)?, folder))
    }

    fn of(talk: Talk, folder: Arc<Folder>) -> Self {
        Self { user_id: String::new(), device_id: String::new(), talk, folder }
    }

    /// Says something in a room; returns the event id.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn send_text(&self, room_id: &str, body: &str) -> Result<String> {
        self.send(room_id, json!({ "msgtype": "m.text", "body": body })).await
    }

    /// Answers an event.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn reply(&self, room_id: &str, event_id: &str, body: &str) -> Result<String> {
        let relates = json!({ "m.in_reply_to": { "event_id": event_id } });
        let content = json!({ "msgtype": "m.text", "body": body, "m.relates_to": relates });
        self.send(room_id, content).await
    }

    /// Puts another text in the place of an own earlier one.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn edit(&self, room_id: &str, event_id: &str, body: &str) -> Result<String> {
        let content = json!({
            "msgtype": "m.text",
            "body": format!("* {body}"),
            "m.new_content": { "msgtype": "m.text", "body": body },
            "m.relates_to": { "rel_type": "m.replace", "event_id": event_id },
        });
        self.send(room_id, content).await
    }

    /// Sends a message of any content.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn send(&self, room_id: &str, content: Value) -> Result<String> {
        let answer =
            self.command("send", json!({ "room_id": room_id, "content": content })).await?;
        Ok(field(&answer, "event_id"))
    }

    /// Uploads a file and shows it in a room; returns the event id.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn send_file(
        &self,
        room_id: &str,
        name: &str,
        content_type: &str,
        bytes: &[u8],
    ) -> Result<String> {
        let path = self.folder.path().join(format!("upload-{}", self.talk.number()));
        std::fs::write(&path, bytes)
            .map_err(|error| WorldError::io("hand a file to the client", error))?;
        let answer = self
            .command(
                "send_file",
                json!({
                    "room_id": room_id, "path": path, "name": name, "content_type": content_type,
                }),
            )
            .await?;
        Ok(field(&answer, "event_id"))
    }

    /// The bytes of the file an event carries, decrypted if need be.
    ///
    /// # Errors
    ///
    /// When there is none, or the homeserver does not give it.
    pub async fn download(&self, event: &SeenEvent) -> Result<Vec<u8>> {
        let answer = self.command("download", json!({ "content": event.content })).await?;
        std::fs::read(field(&answer, "path"))
            .map_err(|error| WorldError::io("take a file from the client", error))
    }

    /// # Errors
    /// When the homeserver refuses.
    pub async fn redact(&self, room_id: &str, event_id: &str) -> Result<()> {
        self.command("redact", json!({ "room_id": room_id, "event_id": event_id })).await?;
        Ok(())
    }

    /// # Errors
    /// When the homeserver refuses.
    pub async fn leave(&self, room_id: &str) -> Result<()> {
        self.command("leave", json!({ "room_id": room_id })).await?;
        Ok(())
    }

    /// # Errors
    /// When the homeserver refuses.
    pub async fn join(&self, room_id: &str) -> Result<()> {
        self.command("join", json!({ "room_id": room_id })).await?;
        Ok(())
    }

    /// # Errors
    /// When the homeserver refuses.
    pub async fn invite(&self, room_id: &str, user_id: &str) -> Result<()> {
        self.command("invite", json!({ "room_id": room_id, "user_id": user_id })).await?;
        Ok(())
    }

    /// Makes a private room; returns its id.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn create_room(&self, invite: &[&str], encrypted: bool) -> Result<String> {
        let answer = self
            .command("create_room", json!({ "invite": invite, "encrypted": encrypted }))
            .await?;
        Ok(field(&answer, "room_id"))
    }

    /// Encrypts what no client would send, as matrix-nio: `payload` is the whole inside. Returns the
    /// content for an `m.room.encrypted`.
    ///
    /// # Errors
    ///
    /// When the homeserver refuses the keys that are sent to the members' devices for it.
    pub async fn encrypt(&self, room_id: &str, payload: Value) -> Result<Value> {
        let command = json!({ "room_id": room_id, "payload": payload });
        let answer = self.command("encrypt", command).await?;
        Ok(answer.get("content").cloned().unwrap_or_default())
    }

    /// Gives the keys of all it can read to another client of the same making: what it could not
    /// decipher up to now, it can then.
    ///
    /// # Errors
    /// When one of them has no device with keys.
    pub async fn give_keys_to(&self, other: &Self) -> Result<()> {
        let keys = json!({ "path": self.folder.path().join("keys") });
        self.command("export_keys", keys.clone()).await?;
        other.command("import_keys", keys).await?;
        Ok(())
    }

    /// Whether invitations are accepted from now on, those that wait included.
    ///
    /// # Errors
    /// When a waiting invitation can no longer be accepted.
    pub async fn accept_invitations(&self, accept: bool) -> Result<()> {
        self.command("accept_invitations", json!({ "accept": accept })).await?;
        Ok(())
    }

    /// The rooms the client is in.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn rooms(&self) -> Result<Vec<Room>> {
        let answer = self.command("rooms", json!({})).await?;
        let rooms = answer.get("rooms").cloned().unwrap_or_default();
        serde_json::from_value(rooms).map_err(|error| WorldError::refused("list the rooms", error))
    }

    /// All that was seen so far.
    pub fn seen(&self) -> SeenTimeline {
        self.talk.seen()
    }

    /// Waits until `find` finds what it looks for in what was seen, at most [`SEEN_WITHIN`].
    ///
    /// `what` completes the sentence "waited in vain for …".
    ///
    /// # Errors
    ///
    /// When it was not seen in time; the message lists what was seen.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&SeenTimeline) -> Option<T>,
    ) -> Result<T> {
        self.wait_for_within(SEEN_WITHIN, what, find).await
    }

    /// As [`wait_for`](Self::wait_for), at most as long as given.
    ///
    /// # Errors
    ///
    /// When it was not seen in time; the message lists what was seen.
    pub async fn wait_for_within<T>(
        &self,
        within: Duration,
        what: &str,
        find: impl Fn(&SeenTimeline) -> Option<T>,
    ) -> Result<T> {
        let found = timeout(within, self.talk.wait_until(|state| find(&state.seen))).await;
        found.unwrap_or_else(|_| {
            let seen = self.seen().to_string();
            let what = format!("{what} at {}", self.user_id);
            Err(WorldError::Unseen { what, waited: within, seen })
        })
    }

    async fn command(&self, verb: &str, command: Value) -> Result<Value> {
        self.talk.command(&self.user_id, verb, command).await
    }
}
