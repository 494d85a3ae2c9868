//! The dispatch a report is about.

use super::{Damaged, Harm, Store, StoreError};
use crate::model::{
    ChannelKind, ChannelName, ConversationId, Correspondent, DispatchId, MessageId,
};

/// A dispatch that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDispatch {
    pub id: DispatchId,
    pub conversation: ConversationId,
    /// Who the conversation is with.
    pub correspondent: Correspondent,
    /// Its first room message; nothing where it has none any more.
    pub event_id: Option<String>,
}

impl Store {
    /// The dispatch of a channel that bore one of these Message-IDs (KIM-29).
    ///
    /// Nothing when there is none, and when they are those of several dispatches. That a letter bore
    /// or named the same id does not matter: we made it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer, or the correspondent's row is damaged.
    pub async fn reported_dispatch(
        &self,
        channel: &ChannelName,
        ids: &[MessageId],
    ) -> Result<Option<ReportedDispatch>, StoreError> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            r#"select distinct
                 dispatch.id,
                 dispatch.conversation_id,
                 correspondent.id as correspondent_id,
                 correspondent.kind,
                 correspondent.key,
                 (
                     select event_id
                     from dispatch_parts
                     where dispatch_id = dispatch.id
                     order by id
                     limit 1
                 ) as event_id
             from thread_ids as known
             join dispatches as dispatch on dispatch.id = case
                 when known.bearer ~ '^d[0-9]{1,18}$' then substr(known.bearer, 2)::bigint
             end
             join conversations as conversation on conversation.id = dispatch.conversation_id
             join correspondents as correspondent
               on correspondent.id = conversation.correspondent_id
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
        let damaged =
            |column, why| Damaged::new("correspondents", column, row.correspondent_id, why);
        let kind = ChannelKind::from_word(&row.kind).ok_or_else(|| damaged("kind", Harm::Word))?;
        let correspondent =
            Correspondent::from_key(kind, &row.key).map_err(|_| damaged("key", Harm::Name))?;
        Ok(Some(ReportedDispatch {
            id: DispatchId(row.id),
            conversation: ConversationId(row.conversation_id),
            correspondent,
            event_id: row.event_id.clone(),
        }))
    }
}
