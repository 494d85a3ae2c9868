//! How often users may ask Synapse for something.

use serde_json::{Value, json};

/// How often users may ask for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestLimits {
    /// As often as they like.
    None,
    /// Those of gematik's reference server; where it names none, Synapse's own.
    Reference,
}

/// What users may ask for in a while, as at gematik's reference server.
pub(super) fn limit(settings: &mut Value) {
    let Some(settings) = settings.as_object_mut() else { return };
    for of_synapse in ["rc_message", "rc_joins_per_room", "rc_room_creation", "rc_media_create"] {
        settings.remove(of_synapse);
    }
    let invites = json!({ "per_user": { "per_second": 0.003, "burst_count": 5 } });
    settings.insert("rc_invites".to_owned(), invites);
    settings.insert("rc_joins".to_owned(), json!({ "local": { "per_second": 0.1 } }));
}
