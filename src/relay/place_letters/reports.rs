//! The room of a dispatch is told of a report about it.

use tracing::info;

use super::Line;
use crate::{
    model::{ConversationId, Letter, MessageId},
    phrases::Phrase,
    relay::{Ctx, notices::notice_about},
    rules::arrival,
    store::StoreError,
};

/// Tells the room of the dispatch that a report is about; does nothing for a letter that is no report.
///
/// The report itself is a letter of its author, with a room of its own: anybody who knows the
/// Message-ID can write one, so the gateway does not speak its words, and nothing said in the
/// dispatch's room answers it. The dispatch's room is told once for each Message-ID, however many
/// reports come, and before the report has its place, so that a crash between the two loses nothing.
///
/// `goes_on_in`: the conversation in which the report itself will stand; its room need not be told.
pub(super) async fn tell_of_report(
    ctx: &Ctx,
    line: &Line,
    letter: &Letter,
    goes_on_in: Option<ConversationId>,
) -> Result<(), StoreError> {
    match arrival::told_of(letter) {
        Some(report) => tell_of_mail(ctx, line, letter, &report.about, goes_on_in).await,
        None => Ok(()),
    }
}

/// The same of whatever names the mails `about`.
pub(super) async fn tell_of_mail(
    ctx: &Ctx,
    line: &Line,
    letter: &Letter,
    about: &[MessageId],
    goes_on_in: Option<ConversationId>,
) -> Result<(), StoreError> {
    let channel = &line.channel.name;
    let Some(dispatch) = ctx.store.reported_dispatch(channel, about).await? else {
        return Ok(());
    };
    if goes_on_in == Some(dispatch.conversation) {
        return Ok(());
    }
    // One of several authors is never named alone.
    let from = match letter.from.as_slice() {
        [only] => Some(only.address.as_str().to_owned()),
        _ => None,
    };
    let came = Phrase::ReportCame { from, is_earlier: dispatch.is_earlier };
    let notice = notice_about(line, &came, dispatch.first_event.as_deref());
    let name = dispatch.message_id.split('@').next().unwrap_or_default();
    ctx.store.add_bot_post(dispatch.conversation, &format!("r{name}"), &notice).await?;
    info!(dispatch.id = %dispatch.id, channel.name = %channel, "A report about dispatch {} came", dispatch.id);
    Ok(())
}
