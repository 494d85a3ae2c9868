//! A room as the homeserver has it: what was said in it, and what it shows.

use serde_json::json;
use umstieg::store::IncomingEvent;

use super::{Arrives, EditedTo};

pub(crate) const PEOPLE: [&str; 2] = ["@anna:praxis.example", "@berta:praxis.example"];

/// What happened in a room, in its order.
pub(crate) struct RoomHistory {
    pub(crate) id: String,
    pub(crate) events: Vec<Event>,
    /// Makes words unique.
    tag: u64,
}

pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) author: &'static str,
    pub(crate) what: What,
    pub(crate) arrives: Arrives,
    /// Whether a door has brought it.
    pub(crate) is_known: bool,
    /// Whether `/sync` has told its place.
    pub(crate) is_placed: bool,
    /// Whether its key is still missing.
    pub(crate) is_locked: bool,
}

pub(crate) enum What {
    Message { words: String },
    Edit { target: usize, to: EditedTo, words: String },
    Redaction { target: usize },
    Command,
}

/// What a room shows in the place of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shows {
    Words(String),
    /// Nothing that could leave.
    Else,
    Nothing,
}

impl RoomHistory {
    pub(crate) fn new(tag: u64) -> Self {
        Self { id: format!("!modell{tag}:praxis.example"), events: Vec::new(), tag }
    }

    fn add(&mut self, author: &'static str, what: What, arrives: Arrives) -> usize {
        let number = self.events.len();
        self.events.push(Event {
            id: format!("$m{}x{number}", self.tag),
            author,
            what,
            arrives,
            is_known: false,
            is_placed: false,
            is_locked: arrives.late,
        });
        number
    }

    fn words(&self) -> String {
        format!("wort{}x{}ende", self.tag, self.events.len())
    }

    pub(crate) fn say(&mut self, who: u8, arrives: Arrives) -> usize {
        let words = self.words();
        self.add(PEOPLE[usize::from(who)], What::Message { words }, arrives)
    }

    pub(crate) fn command(&mut self, arrives: Arrives) -> usize {
        self.add(PEOPLE[0], What::Command, arrives)
    }

    /// Any event, by chance; none in an empty room.
    pub(crate) fn pick(&self, by: u8) -> Option<usize> {
        usize::from(by).checked_rem(self.events.len())
    }

    pub(crate) fn edit(&mut self, target: usize, to: EditedTo, arrives: Arrives) -> usize {
        let author = self.events[target].author;
        let author = match to {
            EditedTo::OfAnother => PEOPLE.into_iter().find(|person| *person != author).unwrap(),
            _ => author,
        };
        let words = self.words();
        self.add(author, What::Edit { target, to, words }, arrives)
    }

    pub(crate) fn redact(&mut self, target: usize, lost: bool) -> usize {
        let arrives = Arrives { lost, late: false };
        self.add(PEOPLE[1], What::Redaction { target }, arrives)
    }

    /// What the room shows of a message, as far as the gateway can know from its doors.
    pub(crate) fn shows(&self, message: usize, known_only: bool) -> Option<Shows> {
        let What::Message { words } = &self.events[message].what else { return None };
        let there = || self.events.iter().enumerate().filter(|(_, e)| e.is_known || !known_only);
        let is_redacted = |event: usize| {
            there().any(|(_, e)| matches!(e.what, What::Redaction { target } if target == event))
        };
        if is_redacted(message) {
            return Some(Shows::Nothing);
        }
        let mut shows = Shows::Words(words.clone());
        for (number, event) in there() {
            if let What::Edit { target, to, words } = &event.what
                && *target == message
                && *to != EditedTo::OfAnother
                && !is_redacted(number)
            {
                shows = match to {
                    EditedTo::Words => Shows::Words(words.clone()),
                    _ => Shows::Else,
                };
            }
        }
        Some(shows)
    }

    /// The message whose words these are, in any version.
    pub(crate) fn message_of(&self, said: &str) -> Option<usize> {
        self.events.iter().enumerate().find_map(|(number, event)| match &event.what {
            What::Message { words } if words == said => Some(number),
            What::Edit { target, words, .. } if words == said => Some(*target),
            _ => None,
        })
    }

    /// An event as a door brings it. What is redacted by now has lost its content.
    pub(crate) fn incoming(&self, number: usize) -> IncomingEvent {
        let event = &self.events[number];
        let redaction = self.events.iter().find(|e| {
            e.is_known && matches!(e.what, What::Redaction { target } if target == number)
        });
        let (kind, mut content) = match &event.what {
            What::Message { words } => {
                ("m.room.message", json!({ "msgtype": "m.text", "body": words }))
            }
            What::Command => ("m.room.message", json!({ "msgtype": "m.text", "body": "!erneut" })),
            What::Edit { target, to, words } => {
                let newer = match to {
                    EditedTo::Words | EditedTo::OfAnother => {
                        json!({ "msgtype": "m.text", "body": words })
                    }
                    EditedTo::Poll => json!({ "msgtype": "m.image", "body": "bild" }),
                    EditedTo::Nothing => json!({ "msgtype": "m.text", "body": "" }),
                };
                let relation =
                    json!({ "rel_type": "m.replace", "event_id": self.events[*target].id });
                let content = json!({
                    "msgtype": "m.text", "body": "* neu",
                    "m.new_content": newer, "m.relates_to": relation,
                });
                ("m.room.message", content)
            }
            What::Redaction { target } => {
                ("m.room.redaction", json!({ "redacts": self.events[*target].id }))
            }
        };
        let mut unsigned = json!({});
        // A redaction keeps what it redacts.
        if let Some(redaction) = redaction.filter(|_| kind == "m.room.message") {
            content = json!({});
            unsigned = json!({ "redacted_because": {
                "type": "m.room.redaction", "event_id": redaction.id, "sender": redaction.author,
            } });
        }
        let json = json!({
            "type": kind, "event_id": event.id, "room_id": self.id, "sender": event.author,
            "origin_server_ts": 1, "content": content, "unsigned": unsigned,
        });
        IncomingEvent {
            event_id: event.id.clone(),
            room_id: self.id.clone(),
            sender: event.author.to_owned(),
            event: json,
        }
    }
}
