//! What clients want to be told of room messages, and what they were told.
//!
//! It is told in the transaction in which the room is told in words, so a state that the room knows is
//! told once, however often a step is taken.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{EventStep, Store, StoreError, seal::Purpose};
use crate::{
    model::{DeliveryState, DispatchId, Notice, StatusForm, Substance},
    rules::status::{self, ClientStatus},
};

/// A client wants to be told what becomes of a room message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusWish {
    pub form: StatusForm,
    /// From then on it does not.
    pub until: Option<OffsetDateTime>,
}

/// A wish of a dispatch's message.
struct WishRow {
    event_id: String,
    form: String,
    said: Option<String>,
    times: i32,
    conversation_id: i64,
    state: String,
    may_have_arrived: bool,
}

impl EventStep<'_> {
    /// Notes what the client of a room message wants to be told. The same wish again changes nothing.
    pub async fn wishes(
        &mut self,
        event_id: &str,
        wishes: &[StatusWish],
    ) -> Result<(), StoreError> {
        for wish in wishes {
            sqlx::query!(
                "insert into status_wishes (event_id, form, until)
                 values ($1, $2, $3)
                 -- Its event is read once more.
                 on conflict (event_id, form) do nothing",
                event_id,
                wish.form.word(),
                wish.until,
            )
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }
}

impl Store {
    /// Tells the clients of a dispatch's messages its state, which was written in the same transaction,
    /// if that is news to them. `notice` is what the room is told.
    pub(super) async fn tell_clients(
        &self,
        connection: &mut PgConnection,
        dispatch: DispatchId,
        notice: &Notice,
    ) -> Result<(), sqlx::Error> {
        let wishes = sqlx::query_as!(
            WishRow,
            "select
                 wish.event_id,
                 wish.form,
                 wish.said,
                 wish.times,
                 dispatch.conversation_id,
                 dispatch.state,
                 dispatch.may_have_arrived
             from dispatch_parts as part
             join dispatches as dispatch on dispatch.id = part.dispatch_id
             join status_wishes as wish on wish.event_id = part.event_id
             where part.dispatch_id = $1
               -- What was taken back did not leave.
               and not part.withdrawn
             order by part.id, wish.form",
            dispatch.0,
        )
        .fetch_all(&mut *connection)
        .await?;
        for wish in &wishes {
            let (Some(form), Some(state)) =
                (StatusForm::from_word(&wish.form), DeliveryState::from_word(&wish.state))
            else {
                continue;
            };
            let words = notice.content.get("body").and_then(Value::as_str).unwrap_or_default();
            let (state, said) = ((state, wish.may_have_arrived), wish.said.as_deref());
            if let Some(news) = status::told(form, state, said, &wish.event_id, words) {
                self.tell_client(connection, wish, &news, notice.substance).await?;
            }
        }
        Ok(())
    }

    async fn tell_client(
        &self,
        connection: &mut PgConnection,
        wish: &WishRow,
        news: &ClientStatus,
        substance: Substance,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "update status_wishes
             set said = $3,
                 times = times + 1
             where event_id = $1
               and form = $2",
            wish.event_id,
            wish.form,
            news.said,
        )
        .execute(&mut *connection)
        .await?;
        let txn_id = match wish.form.as_str() {
            // One for all time: a database that was restored says it under the same name.
            "gematik" => format!("s{}", wish.event_id),
            form => format!("s{}{form}{}", wish.event_id, wish.times),
        };
        let substance = if news.has_words { substance } else { Substance::Word };
        sqlx::query!(
            "insert into posts
                 (conversation_id, speaker, substance, txn_id, content, event_type, until,
                  state, event_id, sent_at, echoed_at)
             select $1, 'bot', $2, $3, $4, $5, wish.until,
                 case when found.event_id is null then 'pending' else 'sent' end,
                 found.event_id, found.found_at, found.found_at
             from status_wishes as wish
             -- A database that was restored may have said it.
             left join found_posts as found on found.txn_id = $3
             where wish.event_id = $6
               and wish.form = $7
             -- Named after the message it is about: it was said before.
             on conflict (txn_id) do nothing",
            wish.conversation_id,
            substance.word(),
            txn_id,
            self.close_json(Purpose::PostContent, &news.content),
            news.event_type,
            wish.event_id,
            wish.form,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
