//! Unreadable values in the database: logged once, where they are met, and set aside by the flow that
//! meets them.

use tracing::error;

use super::{Ctx, notices::notice};
use crate::{
    model::{ConversationId, DeliveryState, DispatchId, Notice},
    phrases::Phrase,
    store::{Damaged, Harm, StoreError},
};

/// The harm of something parked whose row in the database cannot be read.
pub(super) const DAMAGED: &str = "damaged";

/// The harm of something parked whose sealed bytes in the database do not open.
const UNSEALABLE: &str = "seal_broken";

/// Why a dispatch is parked that may or may not have arrived.
pub(super) const UNCLEAR: &str = "unclear";

/// The harm of something parked at which the gateway ended each time it was tried.
pub(super) const INTERRUPTED: &str = "interrupted";

/// The word for it in `parked`.
pub(super) fn reason(damaged: &Damaged) -> &'static str {
    match damaged.why {
        Harm::Sealed(_) => UNSEALABLE,
        Harm::Missing if damaged.column == "raw" || damaged.column == "piece" => UNSEALABLE,
        _ => DAMAGED,
    }
}

/// Tells the admin, in the log and by a metric.
pub(super) fn tell(damaged: &Damaged) {
    let table = damaged.table.clone();
    error!(table = %table, column = %damaged.column, row = damaged.row, cause = %damaged.why,
        "Something in the database is damaged; it is set aside");
    metrics::counter!("umstieg_damaged_total", "table" => table).increment(1);
}

/// Settles a dispatch whose row cannot be read, so that those behind it pass.
pub(super) async fn settle_dispatch(
    ctx: &Ctx,
    conversation: ConversationId,
    dispatch: DispatchId,
) -> Result<(), StoreError> {
    let Some(known) = ctx.store.conversation(conversation).await? else { return Ok(()) };
    let Some(line) = ctx.line(&known.channel) else { return Ok(()) };
    let now = ctx.clock.now();
    let say = |state: DeliveryState| -> Notice {
        match state {
            DeliveryState::Unclear => notice(line, &Phrase::DispatchUnclearDamaged),
            _ => notice(line, &Phrase::DispatchDamaged),
        }
    };
    ctx.store.settle_damaged_dispatch(dispatch, say, &line.channel.name, now).await?;
    Ok(())
}

/// Looks for rows that no query would ask for, because the word for their state is unknown.
pub async fn look_for_strangers(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    let letters = ctx.store.park_strange_letters(now).await?;
    let posts = ctx.store.park_strange_posts(now).await?;
    let dispatches = ctx.store.strange_dispatches().await?;
    for dispatch in &dispatches {
        settle_dispatch(ctx, dispatch.conversation, dispatch.id).await?;
    }
    let found = [("letters", letters), ("posts", posts), ("dispatches", dispatches.len() as u64)];
    for (table, count) in found.into_iter().filter(|(_, count)| *count > 0) {
        error!(table, "{count} rows are in a state that nobody knows; they wait for a person");
        metrics::counter!("umstieg_damaged_total", "table" => table).increment(count);
    }
    Ok(())
}
