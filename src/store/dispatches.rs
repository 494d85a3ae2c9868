//! What we hand to channels: gathered, closed, claimed, settled. Every step is a guarded update,
//! so that a step repeated after a crash finds it done or finds it impossible.

mod ending;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use self::ending::interval;
pub(super) use self::ending::withdraw;
use super::{
    Composition, Damaged, Harm, InRow as _, Job, Moment, Store, StoreError,
    conversations::Sighting, jobs, seal::Purpose,
};
use crate::model::{
    ConversationId, DeliveryState, DispatchId, LetterId, MailAddress, MessageId, ServiceId,
};

/// A room message on its way into a dispatch.
#[derive(Debug, Clone, Copy)]
pub struct NewPart<'a> {
    pub conversation: ConversationId,
    pub author: &'a str,
    pub event_id: &'a str,
    pub part: &'a StoredPart,
    /// The letter it answers. An answer to another letter leaves as a separate mail.
    pub answers: Option<LetterId>,
    /// How long the dispatch stays open for more after this part, and the longest it stays open.
    pub collect: std::time::Duration,
    pub collect_at_most: std::time::Duration,
    /// The Message-ID of the dispatch this part may open.
    pub message_id: &'a MessageId,
    pub at: OffsetDateTime,
}

/// One room message within a dispatch. Sealed as JSON: a name here never changes, and new fields
/// are optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredPart {
    Text(String),
    /// A file in the media repository, and what its sender wrote about it.
    File {
        media_uri: String,
        file_name: String,
        media_type: String,
        caption: Option<String>,
        /// How it is encrypted, when it is.
        #[serde(default)]
        encryption: Option<Value>,
    },
    /// Words and files of one room message, in order; none of them is `Several`.
    Several(Vec<StoredPart>),
}

impl StoredPart {
    /// Its words and files, one by one.
    pub fn each(self) -> Vec<Self> {
        match self {
            Self::Several(parts) => parts.into_iter().flat_map(Self::each).collect(),
            one => vec![one],
        }
    }
}

/// Whether the body of a mail may begin to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayLeave {
    /// It may: that is saved.
    Leaves,
    /// The room shows something else by now; the dispatch waits to be composed again.
    Changed,
    /// The dispatch is not in the expected state, because it was withdrawn or taken over.
    Stopped,
}

/// A dispatch that is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDispatch {
    pub id: DispatchId,
    pub conversation: ConversationId,
    pub state: DeliveryState,
    pub message_id: MessageId,
    pub opened_at: OffsetDateTime,
    pub closes_at: OffsetDateTime,
    pub subject: String,
    /// The letter it answers.
    pub answers: Option<LetterId>,
    /// Where that letter's sender wants answers, when that is elsewhere.
    pub answer_to: Option<MailAddress>,
    pub in_reply_to: Option<MessageId>,
    pub ancestors: Vec<MessageId>,
    pub attempts: i32,
    /// The number of the attempt, or new beginning: no two have the same number.
    pub begun: i64,
    /// What began to leave under its Message-ID, as [`Composition`] marks it.
    pub said_as: Option<String>,
    pub next_attempt_at: Option<OffsetDateTime>,
    /// The first room message that it still contains: notices answer it.
    pub first_event: Option<String>,
    /// An earlier attempt may have arrived, whatever becomes of this one.
    pub may_have_arrived: bool,
    /// It is a receipt for the letter it answers, under this Dienstkennung: it has no room messages.
    pub receipt_as: Option<ServiceId>,
}

impl StoredDispatch {
    /// The states in which the database may have it while no task but this one moves it. An attempt
    /// that began is in one of two: it may be unknown whether the note that its body leaves was
    /// saved.
    fn may_stand_in(&self) -> Vec<String> {
        let states: &[DeliveryState] = match self.state {
            DeliveryState::HandingOver | DeliveryState::SendingBody => {
                &[DeliveryState::HandingOver, DeliveryState::SendingBody]
            }
            DeliveryState::Waiting => &[DeliveryState::Waiting],
            _ => &[],
        };
        states.iter().map(|state| state.word().to_owned()).collect()
    }
}

impl Store {
    /// Puts a room message into the author's open dispatch, or into a new one.
    ///
    /// A dispatch gathers what one person says in one portal in answer to one letter; another
    /// person's words close it, and so does an answer to another letter. The same event twice
    /// changes nothing.
    pub async fn collect(&self, new: NewPart<'_>) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        self.collect_in(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn collect_in(
        &self,
        connection: &mut PgConnection,
        new: NewPart<'_>,
    ) -> Result<(), StoreError> {
        let closes_at = new.at + new.collect;
        let known = sqlx::query_scalar!(
            r#"select exists (select 1 from dispatch_parts where event_id = $1) as "known!""#,
            new.event_id,
        )
        .fetch_one(&mut *connection)
        .await?;
        if known {
            return Ok(());
        }
        new.close_others(connection).await?;
        let dispatch = new.dispatch(connection, closes_at).await?;
        sqlx::query!(
            "insert into dispatch_parts (dispatch_id, event_id, content)
             values ($1, $2, $3)",
            dispatch,
            new.event_id,
            self.close_json(Purpose::DispatchPart, new.part),
        )
        .execute(&mut *connection)
        .await?;
        let job = Job::HandOver(new.conversation);
        jobs::add(connection, &job, Some(closes_at)).await?;
        Ok(())
    }
}

/// Locks the dispatch of an attempt whose body has not begun to leave. `false`: it was withdrawn, or another
/// attempt or another gateway has begun.
pub(super) async fn is_under_way(
    connection: &mut PgConnection,
    attempt: &StoredDispatch,
) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query_scalar!(
        "select id
         from dispatches
         where id = $1
           and state = 'handing_over'
           and begun = $2
         for update",
        attempt.id.0,
        attempt.begun,
    )
    .fetch_optional(connection)
    .await?;
    Ok(locked.is_some())
}

impl NewPart<'_> {
    /// Closes the dispatches of its conversation that still gather, and that it does not go into.
    async fn close_others(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "update dispatches
             set closes_at = least(closes_at, $3)
             where conversation_id = $1
               and state = 'collecting'
               and (author <> $2 or letter_id is distinct from $4)",
            self.conversation.0,
            self.author,
            self.at,
            self.answers.map(|letter| letter.0),
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// The dispatch that it goes into: the open one, or a new one.
    async fn dispatch(
        &self,
        connection: &mut PgConnection,
        closes_at: OffsetDateTime,
    ) -> Result<i64, sqlx::Error> {
        let open = sqlx::query_scalar!(
            "update dispatches
             set closes_at = least(opened_at + $4::interval, $5)
             where id = (
                 select id
                 from dispatches
                 where conversation_id = $1
                   and author = $2
                   and letter_id is not distinct from $6
                   and state = 'collecting'
                   and closes_at > $3
                   and receipt_as is null
                   -- What others stand behind was closed, also when the clock was set back since.
                   and not exists (
                       select 1
                       from dispatches as later
                       where later.conversation_id = $1
                         and later.id > dispatches.id
                   )
             )
             returning id",
            self.conversation.0,
            self.author,
            self.at,
            interval(self.collect_at_most),
            closes_at,
            self.answers.map(|letter| letter.0),
        )
        .fetch_optional(&mut *connection)
        .await?;
        match open {
            Some(dispatch) => Ok(dispatch),
            None => {
                sqlx::query_scalar!(
                    "insert into dispatches
                         (conversation_id, author, message_id, state, opened_at, closes_at,
                          letter_id, after_step)
                     values (
                         $1, $2, $3, 'collecting', $4, $5, $6,
                         coalesce((select max(id) from matter_steps where conversation_id = $1), 0)
                     )
                     returning id",
                    self.conversation.0,
                    self.author,
                    self.message_id.as_str(),
                    self.at,
                    closes_at,
                    self.answers.map(|letter| letter.0),
                )
                .fetch_one(&mut *connection)
                .await
            }
        }
    }
}

impl Store {
    /// The oldest dispatch of a conversation that is not settled: the only one that may move. If it
    /// is damaged, the result is [`StoreError::Damaged`] with its row.
    pub async fn head_dispatch(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<StoredDispatch>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 dispatch.id,
                 dispatch.state,
                 dispatch.message_id,
                 dispatch.opened_at as "opened_at: Moment",
                 dispatch.closes_at as "closes_at: Moment",
                 dispatch.subject,
                 dispatch.letter_id,
                 -- A receipt goes to the letter's author.
                 case when dispatch.receipt_as is null then letter.answer_to end as answer_to,
                 dispatch.receipt_as,
                 dispatch.in_reply_to,
                 dispatch.ancestors as "ancestors: Vec<Option<String>>",
                 dispatch.attempts,
                 dispatch.begun,
                 dispatch.said_as,
                 dispatch.next_attempt_at as "next_attempt_at: Moment",
                 dispatch.may_have_arrived,
                 first_event_of(dispatch.id) as first_event
             from dispatches as dispatch
             left join letters as letter on letter.id = dispatch.letter_id
             where dispatch.conversation_id = $1
               and dispatch.state in ('collecting', 'waiting', 'handing_over', 'sending_body')
             order by dispatch.id
             limit 1"#,
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let damaged = |column, why| Damaged::new("dispatches", column, row.id, why);
        let message_id =
            |column, id: &str| MessageId::new(id).map_err(|_| damaged(column, Harm::Name));
        let ancestor = |id: &Option<String>| {
            let id = id.as_deref().ok_or_else(|| damaged("ancestors", Harm::Missing))?;
            message_id("ancestors", id)
        };
        Ok(Some(StoredDispatch {
            id: DispatchId(row.id),
            conversation,
            state: DeliveryState::from_word(&row.state)
                .ok_or_else(|| damaged("state", Harm::Word))?,
            message_id: message_id("message_id", &row.message_id)?,
            opened_at: row.opened_at.read("dispatches", "opened_at", row.id)?,
            closes_at: row.closes_at.read("dispatches", "closes_at", row.id)?,
            subject: match &row.subject {
                Some(sealed) => self.open_text(Purpose::DispatchSubject, sealed).in_row(row.id)?,
                None => String::new(),
            },
            answers: row.letter_id.map(LetterId),
            answer_to: row
                .answer_to
                .as_deref()
                .map(|address| {
                    MailAddress::new(address).map_err(|_| damaged("letter_id", Harm::Name))
                })
                .transpose()?,
            in_reply_to: row
                .in_reply_to
                .as_deref()
                .map(|id| message_id("in_reply_to", id))
                .transpose()?,
            ancestors: row.ancestors.iter().map(ancestor).collect::<Result<_, _>>()?,
            attempts: row.attempts.max(0),
            begun: row.begun,
            said_as: row.said_as,
            next_attempt_at: row
                .next_attempt_at
                .map(|at| at.read("dispatches", "next_attempt_at", row.id))
                .transpose()?,
            first_event: row.first_event,
            may_have_arrived: row.may_have_arrived,
            receipt_as: row
                .receipt_as
                .as_deref()
                .map(|service| {
                    ServiceId::new(service).ok_or_else(|| damaged("receipt_as", Harm::Word))
                })
                .transpose()?,
        }))
    }

    /// Closes a gathered dispatch: what it answers is fixed, and its Message-ID leads back to the
    /// conversation before anybody outside can know it.
    pub async fn close_dispatch(
        &self,
        dispatch: &StoredDispatch,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let ancestors: Vec<String> =
            dispatch.ancestors.iter().map(|id| id.as_str().to_owned()).collect();
        let is_closed = sqlx::query!(
            "update dispatches
             set state = 'waiting',
                 subject = $2,
                 in_reply_to = $3,
                 ancestors = $4,
                 attempts = 0
             where id = $1
               and state = 'collecting'",
            dispatch.id.0,
            self.seal.close(Purpose::DispatchSubject, dispatch.subject.as_bytes()),
            dispatch.in_reply_to.as_ref().map(MessageId::as_str),
            &ancestors,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        // Withdrawn meanwhile: its Message-ID will never be known outside.
        if !is_closed {
            return Ok(());
        }
        let sighting = Sighting { conversation: dispatch.conversation, at };
        let bearer = format!("d{}", dispatch.id);
        sighting.of_bearer(&mut transaction, &dispatch.message_id, &bearer).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Counts an attempt at closing a dispatch, before the letter it answers is read. Returns the
    /// attempts including this one; nothing when the dispatch no longer gathers.
    pub async fn dispatch_closes(&self, dispatch: DispatchId) -> Result<Option<i32>, StoreError> {
        Ok(sqlx::query_scalar!(
            "with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
             update dispatches
             set attempts = least(greatest(attempts, 0), 2147483646) + 1
             from unhurried
             where id = $1
               and state = 'collecting'
             returning attempts",
            dispatch.0,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Begins an attempt: counts it, and claims the dispatch for it. `None` when the dispatch does
    /// not wait any more, for example because its author withdrew it meanwhile.
    pub async fn begin_attempt(
        &self,
        dispatch: &StoredDispatch,
    ) -> Result<Option<StoredDispatch>, StoreError> {
        let begun = sqlx::query!(
            "update dispatches
             set state = 'handing_over',
                 attempts = least(greatest(attempts, 0), 2147483646) + 1,
                 begun = begun + 1
             where id = $1
               and state = 'waiting'
               and begun = $2
             returning attempts, begun",
            dispatch.id.0,
            dispatch.begun,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(begun.map(|row| StoredDispatch {
            state: DeliveryState::HandingOver,
            attempts: row.attempts,
            begun: row.begun,
            ..dispatch.clone()
        }))
    }

    /// Gives a waiting dispatch another Message-ID, because it now says something else than what may
    /// have arrived under the old one. Both lead back to the conversation. `None` when it does not
    /// wait any more.
    pub async fn name_anew(
        &self,
        dispatch: &StoredDispatch,
        message_id: &MessageId,
        at: OffsetDateTime,
    ) -> Result<Option<StoredDispatch>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let begun = sqlx::query_scalar!(
            "update dispatches
             set message_id = $3,
                 said_as = null,
                 begun = begun + 1
             where id = $1
               and state = 'waiting'
               and begun = $2
             returning begun",
            dispatch.id.0,
            dispatch.begun,
            message_id.as_str(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(begun) = begun else { return Ok(None) };
        let sighting = Sighting { conversation: dispatch.conversation, at };
        let bearer = format!("d{}", dispatch.id);
        sighting.of_bearer(&mut transaction, message_id, &bearer).await?;
        transaction.commit().await?;
        let message_id = message_id.clone();
        Ok(Some(StoredDispatch { message_id, begun, said_as: None, ..dispatch.clone() }))
    }

    /// The last step before the body of an attempt's mail leaves: decides whether it may. What was
    /// composed must be what its room shows at this moment; anything done to a message after this
    /// commit is too late. And neither another attempt nor another gateway may have begun.
    pub async fn body_leaves(
        &self,
        attempt: &StoredDispatch,
        composed: &Composition,
    ) -> Result<MayLeave, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if !is_under_way(&mut transaction, attempt).await? {
            return Ok(MayLeave::Stopped);
        }
        let shown = self.composition_in(&mut transaction, attempt.id).await?;
        if !shown.is_as(composed) {
            sqlx::query!(
                "update dispatches
                 set state = 'waiting'
                 where id = $1
                   and state = 'handing_over'
                   and begun = $2",
                attempt.id.0,
                attempt.begun,
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            return Ok(MayLeave::Changed);
        }
        composed.begins_to_leave(&mut transaction).await?;
        let moved = sqlx::query!(
            "update dispatches
             set state = 'sending_body',
                 said_as = $3
             where id = $1
               and state = 'handing_over'
               and begun = $2
               -- The last fence. The trigger before this table says the same, louder.
               and may_write()",
            attempt.id.0,
            attempt.begun,
            composed.mark(),
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if moved != 1 {
            return Ok(MayLeave::Stopped);
        }
        transaction.commit().await?;
        Ok(MayLeave::Leaves)
    }

    /// How many dispatches are in each state, for the metrics; states with none included.
    pub async fn dispatch_counts(&self) -> Result<Vec<(DeliveryState, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"select state, count(*) as "count!"
             from dispatches
             group by state"#
        )
        .fetch_all(&self.pool)
        .await?;
        let count = |state: DeliveryState| {
            rows.iter().find(|row| row.state == state.word()).map_or(0, |row| row.count)
        };
        Ok(DeliveryState::ALL.map(|state| (state, count(state))).to_vec())
    }
}
