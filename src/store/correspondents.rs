//! The parties a channel talks to: who they are, when they were heard of, and whether they can be
//! reached.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::model::{ChannelName, ConversationId, Correspondent, DeliveryState};

/// Opens a conversation of a channel. A letter of its correspondent opens it.
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

/// Notes what became of a dispatch to the correspondent of a conversation, as far as it tells whether
/// the correspondent can be reached.
pub(super) async fn note_reached(
    connection: &mut PgConnection,
    conversation: ConversationId,
    state: DeliveryState,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if !matches!(state, DeliveryState::Accepted | DeliveryState::Failed) {
        return Ok(());
    }
    sqlx::query!(
        "update correspondents
         set accepted_at = case when $2 then greatest(accepted_at, $3) else accepted_at end,
             failed_at = case when $2 then failed_at else greatest(failed_at, $3) end
         where id = (select correspondent_id from conversations where id = $1)",
        conversation.0,
        state == DeliveryState::Accepted,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
