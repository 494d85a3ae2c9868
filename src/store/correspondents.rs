//! The parties a channel talks to: who they are, when they were heard of, and whether they can be
//! reached.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{ReportedDispatch, StoredDispatch};
use crate::model::{ChannelName, ConversationId, Correspondent, DeliveryState, MailAddress};

/// Opens a conversation of a channel: for a letter of its correspondent, or because a speaker begins it. Either
/// way the correspondent was met.
pub(super) async fn open_conversation(
    connection: &mut PgConnection,
    channel: &ChannelName,
    correspondent: &Correspondent,
    at: OffsetDateTime,
) -> Result<ConversationId, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "with correspondent as (
             insert into correspondents as known (kind, key, first_seen_at, last_seen_at)
             values ($2, $3, $4, $4)
             on conflict (kind, key) do update
             set last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
             returning id
         )
         insert into conversations (channel, correspondent_id, created_at)
         select $1, id, $4
         from correspondent
         returning id",
        channel.as_str(),
        correspondent.kind().word(),
        &*correspondent.key(),
        at,
    )
    .fetch_one(connection)
    .await?;
    Ok(ConversationId(id))
}

/// Notes what became of a dispatch, as far as it tells whether a correspondent can be reached.
pub(super) async fn note_reached(
    connection: &mut PgConnection,
    dispatch: &StoredDispatch,
    state: DeliveryState,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let addressee = (dispatch.conversation, dispatch.answer_to.as_ref());
    match state {
        DeliveryState::Accepted => note(connection, addressee, true, at).await,
        DeliveryState::Failed => note(connection, addressee, false, at).await,
        _ => Ok(()),
    }
}

/// The same for what a report says: it adds only that a dispatch did not arrive.
pub(super) async fn note_reported(
    connection: &mut PgConnection,
    dispatch: &ReportedDispatch,
    state: DeliveryState,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if state != DeliveryState::Undelivered {
        return Ok(());
    }
    let addressee = (dispatch.conversation, dispatch.answer_to.as_ref());
    note(connection, addressee, false, at).await
}

/// The addressee is the correspondent of the conversation, or the one at the address that a letter
/// wanted its answer to go to. There may be none at it; then nothing is noted.
async fn note(
    connection: &mut PgConnection,
    (conversation, answer_to): (ConversationId, Option<&MailAddress>),
    was_taken: bool,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update correspondents as addressee
         set accepted_at = case
                 when $2 then greatest(addressee.accepted_at, $3)
                 else addressee.accepted_at
             end,
             failed_at = case
                 when $2 then addressee.failed_at
                 else greatest(addressee.failed_at, $3)
             end
         from conversations as conversation
         join correspondents as author on author.id = conversation.correspondent_id
         where conversation.id = $1
           and addressee.kind = author.kind
           and addressee.key = coalesce($4, author.key)",
        conversation.0,
        was_taken,
        at,
        answer_to.map(MailAddress::as_str),
    )
    .execute(connection)
    .await?;
    Ok(())
}
