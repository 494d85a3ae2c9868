//! A part of a portal's history that could not be heard: what was said before it may have been
//! taken back in it, so nothing of that leaves by itself.

use time::OffsetDateTime;

use super::ParkedKind;
use crate::model::{ConversationId, DispatchId, Notice};
use crate::store::{Store, StoreError, jobs, parked};

impl Store {
    /// Notes a gap in what was heard of a portal. What was said before it and did not leave waits for a
    /// person. The room is told by `told`, a name and a notice, and at each dispatch by `at_dispatch`,
    /// which learns whether an earlier attempt may have arrived. To be called before what comes after
    /// the gap is placed.
    pub async fn history_lost(
        &self,
        conversation: ConversationId,
        room_id: &str,
        channel: &str,
        told: (&str, &Notice),
        at_dispatch: impl Fn(bool) -> Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        self.insert_bot_post(&mut transaction, conversation, told.0, told.1).await?;
        let kind = ParkedKind::Gap;
        parked::insert(&mut transaction, kind, conversation.0, channel, "gap", at).await?;
        // They depend on the parked gap, and have no rows of their own.
        sqlx::query!(
            "update room_events
             set state = 'parked'
             where room_id = $1
               and state in ('new', 'waiting')
               and acted_at is null",
            room_id,
        )
        .execute(&mut *transaction)
        .await?;
        let failed = sqlx::query!(
            "update dispatches
             set state = 'failed',
                 settled_at = $2
             where conversation_id = $1
               and state in ('collecting', 'waiting', 'handing_over', 'previewed')
             returning id, may_have_arrived",
            conversation.0,
            at,
        )
        .fetch_all(&mut *transaction)
        .await?;
        for row in failed {
            let kind = ParkedKind::Dispatch;
            parked::insert(&mut transaction, kind, row.id, channel, "gap", at).await?;
            let (id, notice) = (DispatchId(row.id), at_dispatch(row.may_have_arrived));
            self.insert_notice(&mut transaction, conversation.0, id, &notice).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The events that depend on a gap are read after all, or given up.
pub(super) async fn resolve(
    connection: &mut sqlx::PgConnection,
    conversation: i64,
    is_read: bool,
) -> Result<(), sqlx::Error> {
    let rooms = sqlx::query_scalar!(
        "update room_events
         set state = case when $2 then 'new' else 'done' end,
             event = case when $2 then event end
         where state = 'parked'
           and room_id in (
               select room_id
               from rooms
               where conversation_id = $1
           )
           and not exists (
               select 1
               from parked
               where parked.kind = 'event'
                 and parked.item_id = room_events.id
                 and parked.resolved_at is null
           )
         returning room_id",
        conversation,
        is_read,
    )
    .fetch_all(&mut *connection)
    .await?;
    let rooms: std::collections::BTreeSet<String> = rooms.into_iter().collect();
    for room in rooms {
        jobs::add(connection, &crate::store::Job::ReadRoom(room), None).await?;
    }
    Ok(())
}
