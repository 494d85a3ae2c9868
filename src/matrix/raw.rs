//! An event as a door received it: whole, checked just enough to be saved.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Longest event, room or user id, in bytes (Matrix appendices, "Common Identifier Format").
const ID_BYTES_MAX: usize = 255;

/// An event with the three names under which it is saved, not yet understood.
#[derive(Clone, PartialEq)]
pub struct RawEvent {
    pub event_id: String,
    pub room_id: String,
    pub sender: String,
    /// The whole event with its `room_id`, free of U+0000.
    pub event: Value,
}

impl RawEvent {
    /// Reads one event; `room_id` is the room it was delivered under, for doors that leave it out.
    ///
    /// `None` for what is no event of a room: ids missing, too long, or of the wrong type. Any
    /// other event is kept, because a refused event would come again for ever and hold up all that
    /// follow. So an event whose content cannot be read (nested deeper than the parser goes, a lone
    /// surrogate) is kept without its content, and its sender can be told.
    pub fn read(json: &RawValue, room_id: Option<&str>) -> Option<Self> {
        let mut event = serde_json::from_str(json.get()).ok().or_else(|| without_content(json))?;
        // Postgres stores neither text nor jsonb with U+0000.
        replace_nul(&mut event);
        let fields = event.as_object_mut()?;
        if let Some(room_id) = room_id {
            fields.insert("room_id".to_owned(), Value::String(room_id.to_owned()));
        }
        let id = |name| fields.get(name).and_then(Value::as_str).filter(|id| is_id(id));
        let (event_id, room_id, sender) = (id("event_id")?, id("room_id")?, id("sender")?);
        Some(Self {
            event_id: event_id.to_owned(),
            room_id: room_id.to_owned(),
            sender: sender.to_owned(),
            event,
        })
    }
}

impl std::fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawEvent({} in {})", self.event_id, self.room_id)
    }
}

fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What can be said about an event whose content the parser refuses. Skipping a value is not
/// recursive, so its depth does not matter here.
fn without_content(json: &RawValue) -> Option<Value> {
    #[derive(Deserialize)]
    struct RawHead {
        event_id: String,
        room_id: Option<String>,
        sender: String,
        #[serde(rename = "type")]
        kind: String,
        state_key: Option<String>,
        origin_server_ts: Option<i64>,
    }
    let head: RawHead = serde_json::from_str(json.get()).ok()?;
    let mut event = serde_json::json!({
        "event_id": head.event_id,
        "sender": head.sender,
        "type": head.kind,
        "origin_server_ts": head.origin_server_ts,
    });
    let fields = event.as_object_mut()?;
    for (name, value) in [("room_id", head.room_id), ("state_key", head.state_key)] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), Value::String(value));
        }
    }
    Some(event)
}

fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, value)| (name.replace('\0', "\u{fffd}"), value))
                    .collect();
            }
            fields.values_mut().for_each(replace_nul);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str, room_id: Option<&str>) -> Option<RawEvent> {
        RawEvent::read(&RawValue::from_string(json.to_owned()).unwrap(), room_id)
    }

    #[test]
    fn an_event_out_of_a_sync_gets_the_room_it_was_delivered_under() {
        let event = read(r#"{"event_id":"$a","sender":"@b:c","type":"x"}"#, Some("!r:c")).unwrap();
        assert_eq!(event.room_id, "!r:c");
        assert_eq!(event.event["room_id"], "!r:c");
    }

    #[test]
    fn an_event_that_lacks_an_id_is_none() {
        for broken in [
            r#"{"room_id":"!r:c","sender":"@b:c"}"#,
            r#"{"event_id":"$a","sender":"@b:c"}"#,
            r#"{"event_id":"$a","room_id":"!r:c"}"#,
            r#"{"event_id":7,"room_id":"!r:c","sender":"@b:c"}"#,
            r#"{"event_id":"","room_id":"!r:c","sender":"@b:c"}"#,
            r#"{"event_id":"a\nb","room_id":"!r:c","sender":"@b:c"}"#,
            r#""text""#,
            "null",
            "[]",
        ] {
            assert_eq!(read(broken, None), None, "{broken}");
        }
        let long =
            format!(r#"{{"event_id":"${}","room_id":"!r:c","sender":"@b:c"}}"#, "a".repeat(255));
        assert_eq!(read(&long, None), None);
    }

    #[test]
    fn what_postgres_cannot_store_is_replaced() {
        let event = read(
            r#"{"event_id":"$a","room_id":"!r:c","sender":"@b:c","content":{"k\u0000":["x\u0000y"]}}"#,
            None,
        );
        assert_eq!(event.unwrap().event["content"], json!({"k\u{fffd}": ["x\u{fffd}y"]}));
    }

    #[test]
    fn an_event_nested_deeper_than_the_parser_goes_is_kept_without_its_content() {
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let json = format!(
            r#"{{"type":"m.room.message","event_id":"$a","room_id":"!r:c","sender":"@b:c","content":{deep}}}"#
        );
        let event = read(&json, None).unwrap();
        assert_eq!(event.event_id, "$a");
        assert_eq!(event.event.get("content"), None);
        assert_eq!(event.event["type"], "m.room.message");
    }

    #[test]
    fn an_event_with_a_lone_surrogate_is_kept_without_its_content() {
        let json = r#"{"type":"m.room.message","event_id":"$a","sender":"@b:c","content":{"body":"\ud800"}}"#;
        let event = read(json, Some("!r:c")).unwrap();
        assert_eq!(event.event.get("content"), None);
    }
}
