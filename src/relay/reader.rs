//! The reader of one portal's events, which puts aside an event that can never be read.

use tracing::warn;

use super::{Ctx, Line, notices::notice_to};
use crate::{
    phrases::{ParkedWhat, Phrase},
    store::{Conversation, StoreError},
};

/// How many events are read at once.
pub(super) const EVENTS_AT_ONCE: usize = 100;

/// Reads the events of one portal.
pub(super) struct PortalReader<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) line: &'a Line,
    pub(super) conversation: &'a Conversation,
    pub(super) room_id: &'a str,
}

/// Puts an event of a portal aside, and says so at it.
pub(super) async fn park(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    id: i64,
    event_id: &str,
    reason: &str,
) -> Result<(), StoreError> {
    warn!(conversation.id = %conversation.id, reason, "An event of a portal was parked");
    metrics::counter!("umstieg_parked_total", "kind" => "event").increment(1);
    let phrase = Phrase::Parked { what: ParkedWhat::Event };
    let notice = notice_to(line, &phrase, event_id);
    let told = (format!("p{event_id}"), notice);
    let now = ctx.clock.now();
    let told = (told.0.as_str(), &told.1);
    ctx.store.park_event(id, conversation.id, &conversation.channel, reason, told, now).await
}
