//! What clients are told of a dispatch, in events that are made for them.
//!
//! Clients of TI-M Pro show events that they do not know as they are. So such an event is said only
//! where a client asked for it, or where the settings say that the clients know it.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::model::{DeliveryState, StatusForm, StatusRequest};

/// The type of the event that answers a client which asked (TIM-15).
pub const ANSWER_TYPE: &str = "de.gematik.response.status";

/// The block in which that answer stands.
const ANSWER_BLOCK: &str = "de.gematik.response.status";

/// The type of the event that tells clients what became of a message, as Beeper's bridges say it.
pub const BRIDGED_TYPE: &str = "com.beeper.message_send_status";

/// Whose network it is about.
const NETWORK: &str = "umstieg";

/// Stands for the correspondent's ghost until the event is sent.
const GHOST: &str = "ghost";

/// Something a client is told.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientStatus {
    /// A word for it: the same word is not told twice in a row.
    pub said: &'static str,
    pub event_type: &'static str,
    /// Without what is known only when it is sent; see [`completed`].
    pub content: Value,
    /// Whether the words for people are in it.
    pub has_words: bool,
}

/// What a state says to a client, if it says anything new to one that was last told `said`.
///
/// `message`: the client's event. `words`: what the room is told of the state.
pub fn told(
    form: StatusForm,
    (state, may_have_arrived): (DeliveryState, bool),
    said: Option<&str>,
    message: &str,
    words: &str,
) -> Option<ClientStatus> {
    match form {
        // It is answered once, whatever becomes of the dispatch later.
        StatusForm::Gematik if said.is_some() => None,
        StatusForm::Gematik => answer(state, may_have_arrived, message, words),
        StatusForm::Beeper => bridged(state, may_have_arrived, message, words)
            .filter(|news| goes_forward(said, news.said, state)),
    }
}

/// Whether the gateway has "understood and successfully processed" a message (gematik's
/// `statusResponse.json`).
///
/// Assumed: a message is processed when its channel took it, since from there on the gateway can do no
/// more for it; what reports say later, the room is told in words. While it is not known whether a
/// dispatch arrived, there is no answer: a client that hears of an error may send its message again by
/// itself, and then it would arrive twice.
fn answer(
    state: DeliveryState,
    may_have_arrived: bool,
    message: &str,
    words: &str,
) -> Option<ClientStatus> {
    let (said, block, has_words) = match state {
        DeliveryState::Accepted
        | DeliveryState::Delayed
        | DeliveryState::Relayed
        | DeliveryState::Delivered
        | DeliveryState::Read
        | DeliveryState::Discarded => ("success", json!({ "status": "success" }), false),
        DeliveryState::Failed | DeliveryState::Undelivered if !may_have_arrived => {
            let why = json!([{ "type": "error", "de.gematik.text": [{ "body": words }] }]);
            ("error", json!({ "status": "error", "messages": why }), true)
        }
        DeliveryState::Failed
        | DeliveryState::Undelivered
        | DeliveryState::Collecting
        | DeliveryState::Waiting
        | DeliveryState::HandingOver
        | DeliveryState::Previewed
        | DeliveryState::SendingBody
        | DeliveryState::Contradicted
        | DeliveryState::Unclear
        | DeliveryState::Withdrawn => return None,
    };
    let content = json!({ ANSWER_BLOCK: block, "m.relates_to": refers_to(message) });
    Some(ClientStatus { said, event_type: ANSWER_TYPE, content, has_words })
}

/// The same in the form of Beeper's bridges. There is no such event for what a report calls delayed, or
/// where two reports contradict each other: what was said before it stands, and the room is told.
///
/// What failed is called retriable: `!erneut` hands it over again. What may have arrived is pending, so
/// that no client offers to send it once more.
fn bridged(
    state: DeliveryState,
    may_have_arrived: bool,
    message: &str,
    words: &str,
) -> Option<ClientStatus> {
    let pending = |said| (said, json!({ "status": "PENDING", "message": words }), true);
    let (said, mut content, has_words) = match state {
        DeliveryState::Accepted | DeliveryState::Delayed | DeliveryState::Relayed => {
            (HANDED_OVER, json!({ "status": "SUCCESS", "delivered_to_users": [] }), false)
        }
        DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Discarded => {
            (DELIVERED, json!({ "status": "SUCCESS", "delivered_to_users": [GHOST] }), false)
        }
        DeliveryState::Failed | DeliveryState::Undelivered if may_have_arrived => pending(UNCLEAR),
        DeliveryState::Failed | DeliveryState::Undelivered => {
            let failed = json!({
                "status": "FAIL_RETRIABLE", "reason": "m.foreign_network_error", "message": words,
            });
            (FAILED, failed, true)
        }
        DeliveryState::Waiting | DeliveryState::Previewed => pending("waiting"),
        DeliveryState::Unclear => pending(UNCLEAR),
        DeliveryState::Collecting
        | DeliveryState::HandingOver
        | DeliveryState::SendingBody
        | DeliveryState::Contradicted
        | DeliveryState::Withdrawn => return None,
    };
    if let Value::Object(fields) = &mut content {
        fields.insert("network".to_owned(), json!(NETWORK));
        fields.insert("m.relates_to".to_owned(), refers_to(message));
    }
    Some(ClientStatus { said, event_type: BRIDGED_TYPE, content, has_words })
}

const HANDED_OVER: &str = "handed_over";
const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";
const UNCLEAR: &str = "unclear";

/// Whether a client that was last told `before` may be told `next`: nothing twice, and nothing that takes
/// back a success but that the mail did not arrive, or that nobody knows: it came back, and an earlier attempt
/// may have arrived.
fn goes_forward(before: Option<&str>, next: &str, state: DeliveryState) -> bool {
    let came_back = matches!(state, DeliveryState::Failed | DeliveryState::Undelivered);
    match before {
        Some(before) if before == next => false,
        Some(DELIVERED) => false,
        Some(HANDED_OVER) => next == DELIVERED || came_back,
        _ => true,
    }
}

fn refers_to(message: &str) -> Value {
    json!({ "rel_type": "m.reference", "event_id": message })
}

/// What is known of such an event only when it is sent.
#[derive(Debug, Clone, Copy)]
pub struct StatusPlace<'a> {
    /// The device that says it.
    pub device: &'a str,
    /// The correspondent's user, where there is one.
    pub ghost: Option<&'a str>,
    /// Whether anybody may report on its channel that a dispatch was delivered.
    pub is_reported_on: bool,
}

/// The content of such an event as it leaves.
pub fn completed(event_type: &str, mut content: Value, place: StatusPlace<'_>) -> Value {
    if event_type == ANSWER_TYPE
        && let Some(Value::Object(block)) = content.get_mut(ANSWER_BLOCK)
    {
        block.insert("from_device".to_owned(), json!(place.device));
    }
    if event_type == BRIDGED_TYPE
        && let Value::Object(fields) = &mut content
        && let Some(users) = fields.get("delivered_to_users").and_then(Value::as_array)
    {
        let is_delivered = !users.is_empty();
        match place.ghost.filter(|_| is_delivered) {
            Some(ghost) => fields.insert("delivered_to_users".to_owned(), json!([ghost])),
            None if place.is_reported_on => {
                fields.insert("delivered_to_users".to_owned(), json!([]))
            }
            // With a list, empty or not, a client would wait for it to be filled.
            None => fields.remove("delivered_to_users"),
        };
    }
    content
}

/// Until when a client waits for an answer; nothing if it waits for ever. A clock of its homeserver that
/// is ahead of ours makes that no longer.
pub fn until(request: &StatusRequest, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let lifetime = Duration::milliseconds(request.lifetime_ms?);
    let sent_at = i128::from(request.sent_at_ms) * 1_000_000;
    let sent_at = OffsetDateTime::from_unix_timestamp_nanos(sent_at).unwrap_or(now).min(now);
    // A time behind all that a calendar knows is none.
    sent_at.checked_add(lifetime).filter(|until| until.year() <= LAST_YEAR)
}

/// The last year that is written with four digits.
const LAST_YEAR: i32 = 9999;

/// Whether a request is for one of our devices.
pub fn is_for(request: &StatusRequest, device: Option<&str>) -> bool {
    request.to_device.is_none() || request.to_device.as_deref() == device
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    /// What a client is told of each state, one line each.
    fn lines(form: StatusForm, may_have_arrived: bool, said: Option<&str>) -> Vec<String> {
        let line = |state: DeliveryState| {
            let told = told(form, (state, may_have_arrived), said, "$m", "Worte")?;
            Some(format!("{}: {}", state.word(), told.said))
        };
        DeliveryState::ALL.into_iter().filter_map(line).collect()
    }

    #[test]
    fn tim_15_a_client_is_told_of_success_once_the_channel_took_it_and_of_what_failed_for_certain()
    {
        assert_eq!(
            lines(StatusForm::Gematik, false, None),
            [
                "accepted: success",
                "delayed: success",
                "relayed: success",
                "delivered: success",
                "read: success",
                "discarded: success",
                "undelivered: error",
                "failed: error",
            ]
        );
        // What may have arrived is no error: the client might send it again.
        assert!(!lines(StatusForm::Gematik, true, None).join(" ").contains("error"));
        assert!(lines(StatusForm::Gematik, false, Some("success")).is_empty());
        assert!(lines(StatusForm::Gematik, false, Some("error")).is_empty());
    }

    #[test]
    fn tim_15_an_answer_has_the_form_of_gematik_s_schema() {
        let content = |state, device| {
            let told = told(StatusForm::Gematik, (state, false), None, "$m", "Nicht zugestellt.");
            let place = StatusPlace { device, ghost: None, is_reported_on: true };
            completed(ANSWER_TYPE, told.unwrap().content, place)
        };
        let relation = json!({ "rel_type": "m.reference", "event_id": "$m" });
        assert_eq!(
            content(DeliveryState::Accepted, "GERÄT"),
            json!({
                "de.gematik.response.status": { "from_device": "GERÄT", "status": "success" },
                "m.relates_to": relation,
            })
        );
        assert_eq!(
            content(DeliveryState::Failed, "D"),
            json!({
                "de.gematik.response.status": {
                    "from_device": "D",
                    "status": "error",
                    "messages": [{
                        "type": "error",
                        "de.gematik.text": [{ "body": "Nicht zugestellt." }],
                    }],
                },
                "m.relates_to": relation,
            })
        );
    }

    #[test]
    fn tim_15_a_client_waits_for_its_lifetime_from_when_it_asked() {
        let now_ms = NOW.unix_timestamp() * 1000;
        let until = |lifetime_ms, sent_at_ms| {
            until(&StatusRequest { to_device: None, lifetime_ms, sent_at_ms }, NOW)
        };
        assert_eq!(until(None, now_ms), None);
        assert_eq!(until(Some(60_000), now_ms), Some(NOW + Duration::minutes(1)));
        assert_eq!(until(Some(60_000), now_ms - 90_000), Some(NOW - Duration::seconds(30)));
        // Clocks that are ahead, and numbers that no client means.
        assert_eq!(until(Some(60_000), now_ms + 90_000), Some(NOW + Duration::minutes(1)));
        assert_eq!(until(Some(60_000), i64::MAX), Some(NOW + Duration::minutes(1)));
        assert_eq!(until(Some(-1), now_ms), Some(NOW - Duration::milliseconds(1)));
        assert_eq!(until(Some(i64::MAX), now_ms), None);
        for (lifetime, sent_at) in [(i64::MIN, i64::MIN), (i64::MIN, i64::MAX), (0, i64::MIN)] {
            let end = until(Some(lifetime), sent_at);
            assert!(end.is_none_or(|end| end <= NOW), "{lifetime} {sent_at} {end:?}");
        }
    }

    #[test]
    fn tim_15_only_the_device_that_is_asked_answers() {
        let is_for = |to: Option<&str>, ours| {
            let to_device = to.map(str::to_owned);
            is_for(&StatusRequest { to_device, lifetime_ms: None, sent_at_ms: 0 }, ours)
        };
        assert!(is_for(None, None) && is_for(None, Some("A")) && is_for(Some("A"), Some("A")));
        assert!(!is_for(Some("B"), Some("A")) && !is_for(Some("A"), None));
    }

    #[test]
    fn a_bridge_s_status_follows_the_dispatch() {
        assert_eq!(
            lines(StatusForm::Beeper, false, None),
            [
                "waiting: waiting",
                "previewed: waiting",
                "accepted: handed_over",
                "delayed: handed_over",
                "relayed: handed_over",
                "delivered: delivered",
                "read: delivered",
                "discarded: delivered",
                "undelivered: failed",
                "failed: failed",
                "unclear: unclear",
            ]
        );
        let after_unclear = lines(StatusForm::Beeper, true, None).join(", ");
        assert!(after_unclear.contains("failed: unclear, unclear: unclear"), "{after_unclear}");
    }

    /// Promise 4: a mail of which an earlier attempt may have arrived was handed over again, and that one
    /// came back. No client goes on calling it sent.
    #[test]
    fn l192_what_came_back_after_an_unclear_attempt_is_not_called_sent() {
        let after = lines(StatusForm::Beeper, true, Some("handed_over")).join(", ");
        assert!(after.contains("undelivered: unclear"), "{after}");
    }

    /// The same is not said twice, and a success is taken back only by a failure.
    #[test]
    fn a_bridge_s_status_never_goes_backwards() {
        let after = |said| lines(StatusForm::Beeper, false, Some(said)).join(", ");
        assert_eq!(
            after("handed_over"),
            "delivered: delivered, read: delivered, discarded: delivered, \
             undelivered: failed, failed: failed"
        );
        assert_eq!(after("delivered"), "");
        assert!(!after("failed").contains("failed: failed"));
        assert!(after("failed").contains("accepted: handed_over"), "it was tried again");
    }

    #[test]
    fn a_bridge_s_status_has_the_fields_that_clients_know() {
        let content = |state, ghost, is_reported_on| {
            let told = told(StatusForm::Beeper, (state, false), None, "$m", "Worte").unwrap();
            let place = StatusPlace { device: "D", ghost, is_reported_on };
            completed(BRIDGED_TYPE, told.content, place)
        };
        let about = json!({ "rel_type": "m.reference", "event_id": "$m" });
        let success = |users: Value| {
            json!({
                "network": "umstieg", "status": "SUCCESS", "delivered_to_users": users,
                "m.relates_to": about,
            })
        };
        let (ghost, none) = (Some("@kim_1:x"), None);
        assert_eq!(content(DeliveryState::Accepted, ghost, true), success(json!([])));
        assert_eq!(content(DeliveryState::Delivered, ghost, true), success(json!(["@kim_1:x"])));
        assert_eq!(content(DeliveryState::Delivered, none, true), success(json!([])));
        // A fax gateway's mail server reports nothing about the other side.
        let mut without = success(json!([]));
        without.as_object_mut().unwrap().remove("delivered_to_users");
        assert_eq!(content(DeliveryState::Accepted, ghost, false), without);
        assert_eq!(
            content(DeliveryState::Failed, ghost, true),
            json!({
                "network": "umstieg", "status": "FAIL_RETRIABLE",
                "reason": "m.foreign_network_error", "message": "Worte", "m.relates_to": about,
            })
        );
    }
}
