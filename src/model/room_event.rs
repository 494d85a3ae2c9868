//! What happened in a room, understood: above all what a person said there.

use std::fmt;

use ruma::{OwnedEventId, OwnedMxcUri, OwnedRoomId, OwnedUserId};

/// An event of a room, as far as it matters here. Made by `crate::matrix::decode` only.
#[derive(Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// A user said something. Ghosts and the bot count too: the rules look at who spoke.
    Message(RoomMessage),
    /// A user took back an event.
    Redaction(Redaction),
    /// A user put a sign to an event.
    Reaction(Reaction),
    /// A user's membership or name in the room is now this.
    Member(Member),
    /// The room was upgraded; it goes on in another one (TIM-4).
    Tombstone { room_id: OwnedRoomId, replacement: OwnedRoomId },
    /// The room is encrypted from now on, in this way (content of `m.room.encryption`).
    Encryption(serde_json::Value),
    /// A user said something that has to be decrypted before it is one of the above.
    Encrypted(Encrypted),
    /// Nothing that concerns a gateway: a receipt, a room's name, garbage.
    Other,
}

/// What a user said in a room. `Debug` shows neither the sender nor a word of it.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomMessage {
    pub event_id: OwnedEventId,
    pub room_id: OwnedRoomId,
    pub sender: OwnedUserId,
    /// Milliseconds since 1970 by the sender's homeserver: a claim, good for display only.
    pub sent_at_ms: i64,
    pub kind: MessageKind,
    /// The event it answers, when the sender's client marked it as an answer.
    pub replies_to: Option<OwnedEventId>,
    /// The earlier message it corrects; `kind` is then the corrected content.
    pub replaces: Option<OwnedEventId>,
}

/// The content of a room message, one form per kind that TI-Messenger clients show (A_28146).
///
/// Texts have `\n` line ends and no control characters but tabs.
#[derive(Clone, PartialEq, Eq)]
pub enum MessageKind {
    Text(Words),
    /// Said by a machine; never answered by another (spec, `m.notice`).
    Notice(Words),
    Emote(Words),
    File(RoomFile),
    /// Several files in one message, with what was written about them (MSC4274).
    Gallery {
        caption: Option<String>,
        files: Vec<RoomFile>,
    },
    Location {
        body: String,
        /// A `geo:` URI (RFC 5870), as the sender gave it.
        geo_uri: Option<String>,
    },
    /// Of a type that cannot be relayed; the sender's fallback text, if there is one (TIM-11).
    Other {
        fallback: Option<String>,
    },
}

/// A text, and how the sender's client laid it out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Words {
    pub body: String,
    /// HTML as the client wrote it, not cleaned: hostile until `crate::mail` has cleaned it.
    pub html: Option<String>,
}

/// A file in the homeserver's media repository.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomFile {
    pub form: FileForm,
    pub uri: OwnedMxcUri,
    /// One path segment, free of control characters; never used as a path by us.
    pub file_name: String,
    /// What the sender wrote about the file (Matrix 1.10).
    pub caption: Option<String>,
    /// A MIME type such as `application/pdf`, without parameters; the sender's claim.
    pub media_type: Option<String>,
    /// Size in bytes; the sender's claim.
    pub bytes: Option<u64>,
    /// How it is encrypted, as JSON (`key`, `iv`, `hashes`, `v` of an `EncryptedFile`).
    pub encryption: Option<serde_json::Value>,
}

/// How a client shows a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileForm {
    File,
    Image,
    Audio,
    Video,
}

/// A user took back an event.
#[derive(Clone, PartialEq, Eq)]
pub struct Redaction {
    pub event_id: OwnedEventId,
    pub room_id: OwnedRoomId,
    pub sender: OwnedUserId,
    pub redacts: OwnedEventId,
}

/// A user put a sign, or a word, to an event. Clients send it unencrypted in every room.
#[derive(Clone, PartialEq, Eq)]
pub struct Reaction {
    pub event_id: OwnedEventId,
    pub room_id: OwnedRoomId,
    pub sender: OwnedUserId,
    pub target: OwnedEventId,
    /// Whatever the client put there; clients offer pictographs and let people write words.
    pub key: String,
}

/// The sign that confirms a preview, and says of a letter that it is done. A raised thumb only says that
/// somebody has read it.
const DONE: &str = "✅";

/// The signs that say who takes care of a letter.
const TAKES: [&str; 2] = ["✋", "👀"];

/// Some clients add it, to ask for the coloured form of a pictograph.
const VARIATION: char = '\u{FE0F}';

/// A sign that means something to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReactionSign {
    /// It confirms the preview of a fax, or says that nothing is left to do.
    Done,
    /// Whoever puts it takes care.
    Take,
}

impl Reaction {
    /// What it means to the gateway, if anything. People may give a hand any colour of skin.
    pub fn sign(&self) -> Option<ReactionSign> {
        let is_tint = |c: char| c == VARIATION || ('\u{1F3FB}'..='\u{1F3FF}').contains(&c);
        match self.key.trim_end_matches(is_tint) {
            key if TAKES.contains(&key) => Some(ReactionSign::Take),
            _ if self.key.trim_end_matches(VARIATION) == DONE => Some(ReactionSign::Done),
            _ => None,
        }
    }
}

/// A message that only the room's members can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Encrypted {
    pub event_id: OwnedEventId,
    pub room_id: OwnedRoomId,
    pub sender: OwnedUserId,
}

/// A user's standing in a room.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    pub room_id: OwnedRoomId,
    pub user: OwnedUserId,
    pub membership: Membership,
    /// The user's own name for itself in this room.
    pub displayname: Option<String>,
}

/// Whether a user is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Membership {
    Join,
    Invite,
    Knock,
    Leave,
    Ban,
}

impl Membership {
    /// The word for it on the wire and in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Invite => "invite",
            Self::Knock => "knock",
            Self::Leave => "leave",
            Self::Ban => "ban",
        }
    }

    /// The inverse of [`Membership::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Join, Self::Invite, Self::Knock, Self::Leave, Self::Ban]
            .into_iter()
            .find(|membership| membership.word() == word)
    }
}

impl MessageKind {
    /// The word for it in logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Notice(_) => "notice",
            Self::Emote(_) => "emote",
            Self::File(_) => "file",
            Self::Gallery { .. } => "gallery",
            Self::Location { .. } => "location",
            Self::Other { .. } => "other",
        }
    }
}

// A user id may carry an address, and a text a patient: none of them prints.

impl fmt::Debug for RoomEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Redaction(redaction) => redaction.fmt(f),
            Self::Member(member) => member.fmt(f),
            Self::Tombstone { room_id, replacement } => {
                write!(f, "Tombstone({room_id} to {replacement})")
            }
            Self::Encryption(_) => f.write_str("Encryption"),
            Self::Encrypted(encrypted) => encrypted.fmt(f),
            // Neither who, nor which sign: clients let people write words.
            Self::Reaction(_) => f.write_str("Reaction"),
            Self::Other => f.write_str("Other"),
        }
    }
}

impl fmt::Debug for RoomMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomMessage({}, {})", self.event_id, self.kind.word())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} bytes)", self.body.len())
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction({} by {})", self.redacts, self.event_id)
    }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encrypted({})", self.event_id)
    }
}

impl fmt::Debug for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageKind({})", self.word())
    }
}

impl fmt::Debug for RoomFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomFile({:?}, {:?} bytes)", self.form, self.bytes)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({})", self.membership.word())
    }
}
