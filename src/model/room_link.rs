//! A link to a room, for people to click.

use ruma::{RoomId, ServerName};

/// A `matrix.to` link to a room, by its id: it names nobody, and opens the room for its members only.
///
/// Source: Matrix specification, appendices, "matrix.to navigation".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomLink(String);

impl RoomLink {
    /// `via`: a homeserver that is in the room.
    pub fn to(room: &RoomId, via: &ServerName) -> Self {
        Self(room.matrix_to_uri_via([via.to_owned()]).to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
