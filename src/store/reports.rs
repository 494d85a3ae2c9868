//! The dispatch a report is about.

use super::{Store, StoreError};
use crate::model::{ChannelName, ConversationId, DispatchId, MessageId};

/// A dispatch that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDispatch {
    pub id: DispatchId,
    pub conversation: ConversationId,
    /// The Message-ID that the report names.
    pub message_id: String,
    /// What was said under that Message-ID was changed since, and left under another one.
    pub is_earlier: bool,
    /// The first room message that it still contains: notices answer it.
    pub first_event: Option<String>,
}

impl Store {
    /// The dispatch of a channel that bore one of these Message-IDs (KIM-29).
    ///
    /// Nothing when there is none, and when they do not say which one it was. That a letter bore or
    /// named the same id does not matter: we made it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn reported_dispatch(
        &self,
        channel: &ChannelName,
        ids: &[MessageId],
    ) -> Result<Option<ReportedDispatch>, StoreError> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            r#"select
                 dispatch.id,
                 dispatch.conversation_id,
                 known.message_id,
                 dispatch.message_id <> known.message_id as "is_earlier!",
                 first_event_of(dispatch.id) as first_event
             from thread_ids as known
             join dispatches as dispatch on dispatch.id = case
                 when known.bearer ~ '^d[0-9]{1,18}$' then substr(known.bearer, 2)::bigint
             end
             where known.channel = $1
               and known.message_id = any ($2)
               and known.bearer like 'd%'
             limit 2"#,
            channel.as_str(),
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let [row] = rows.as_slice() else { return Ok(None) };
        Ok(Some(ReportedDispatch {
            id: DispatchId(row.id),
            conversation: ConversationId(row.conversation_id),
            message_id: row.message_id.clone(),
            is_earlier: row.is_earlier,
            first_event: row.first_event.clone(),
        }))
    }
}
