//! A room as people name it: by its id, or by the link that a client makes of it.

use ruma::{MatrixToUri, MatrixUri, OwnedRoomId, RoomId, matrix_uri::MatrixId};

use super::user_ids::{LINK, SCHEME};

/// Reads the id of a room: `!id`, `matrix:roomid/id`, or a link to the room or to one of its messages.
/// Nothing for anything else, such as an alias, which only the homeserver could look up.
///
/// Source: Matrix specification, appendices, "Matrix URI scheme" and "matrix.to navigation".
pub fn room_id(text: &str) -> Option<OwnedRoomId> {
    if let Ok(room) = RoomId::parse(text) {
        return Some(room);
    }
    if text.starts_with(LINK) {
        return room(MatrixToUri::parse(text).ok()?.id());
    }
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    room(MatrixUri::parse(&format!("{SCHEME}{rest}")).ok()?.id())
}

fn room(id: &MatrixId) -> Option<OwnedRoomId> {
    match id {
        MatrixId::Room(room) => Some(room.clone()),
        MatrixId::Event(room, _) => room.clone().try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_read_in_every_form() {
        for (text, expected) in [
            ("!raum:x.example", Some("!raum:x.example")),
            ("https://matrix.to/#/!raum:x.example", Some("!raum:x.example")),
            ("https://matrix.to/#/!raum:x.example?via=x.example", Some("!raum:x.example")),
            ("https://matrix.to/#/%21raum%3Ax.example", Some("!raum:x.example")),
            ("https://matrix.to/#/!raum:x.example/$ereignis", Some("!raum:x.example")),
            ("matrix:roomid/raum:x.example?via=x.example", Some("!raum:x.example")),
            ("MATRIX:roomid/raum:x.example/e/ereignis", Some("!raum:x.example")),
            ("https://matrix.to/#/#raum:x.example", None),
            ("https://matrix.to/#/@anna:x.example", None),
            ("matrix:r/raum:x.example", None),
            ("https://example.org/#/!raum:x.example", None),
            ("raum:x.example", None),
            ("", None),
        ] {
            assert_eq!(room_id(text).as_deref().map(RoomId::as_str), expected, "{text}");
        }
    }
}
