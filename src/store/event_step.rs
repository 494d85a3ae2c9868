//! What follows from one event, in one transaction with the note that it was acted upon: reading it
//! twice does nothing twice.

mod under_way;

use sqlx::{PgConnection, Postgres, Transaction};
use time::OffsetDateTime;

use super::{
    Job, NewPart, Resolution, Store, StoreError, StoredPart,
    acts::{Acts, PartRow, acts_on},
    dispatches::withdraw,
    jobs, parked,
    parked::{ParkedItem, ParkedKind},
    seal::Purpose,
};
use crate::{
    model::{ConversationId, DeliveryState, DispatchId, LetterId, Notice},
    rules::acts::{MessageStanding, Shown, shown},
};
pub use under_way::{UnderWay, WaitForEdit, WaitedFor};

/// An event that is being acted upon. Nothing counts before [`EventStep::commit`].
#[derive(Debug)]
pub struct EventStep<'a> {
    pub(super) store: &'a Store,
    pub(super) transaction: Transaction<'static, Postgres>,
    pub(super) at: OffsetDateTime,
}

/// What an edit makes of its message.
#[derive(Debug, Clone, Copy)]
pub enum EditSays<'a> {
    Part(&'a StoredPart),
    /// Nothing that could leave.
    Never,
}

/// The position of the message that an act was done to. No other task moves its dispatch meanwhile.
pub struct Stood {
    pub dispatch: DispatchId,
    state: DeliveryState,
    part: PartRow,
    acts: Acts,
    has_others: bool,
    may_have_arrived: bool,
    /// The letter its dispatch answers.
    answers: Option<LetterId>,
}

impl Stood {
    pub fn standing(&self) -> MessageStanding<'_> {
        MessageStanding {
            dispatch: self.state,
            is_out: self.part.is_out,
            is_held: self.part.is_out && self.part.held_by.is_some(),
            left_as: self.part.left_as.as_deref().map(|left| Some(left).filter(|l| !l.is_empty())),
            has_others: self.has_others,
            may_have_arrived: self.may_have_arrived,
            shown: self.shown(),
        }
    }

    fn shown(&self) -> Shown<'_> {
        shown(&self.part.event_id, &self.part.author, &self.acts.acts)
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.part.event_id
    }

    /// Who said it.
    pub fn author(&self) -> &str {
        &self.part.author
    }

    /// The edit for whose key it was held back.
    pub fn held_by(&self) -> Option<&str> {
        self.part.held_by.as_deref()
    }
}

impl Store {
    /// Begins to act upon an event. `None`: it was acted upon before.
    pub async fn event_step(
        &self,
        id: i64,
        at: OffsetDateTime,
    ) -> Result<Option<EventStep<'_>>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_first = sqlx::query!(
            "update room_events
             set acted_at = $2
             where id = $1
               and state = 'new'
               and acted_at is null",
            id,
            at,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        Ok((is_first == 1).then_some(EventStep { store: self, transaction, at }))
    }
}

impl EventStep<'_> {
    /// Puts a room message into a dispatch; see [`Store::collect`].
    pub async fn collect(&mut self, new: NewPart<'_>) -> Result<(), StoreError> {
        self.store.collect_in(&mut self.transaction, new).await
    }

    /// Adds a post by the bot.
    pub async fn say(
        &mut self,
        conversation: ConversationId,
        txn_id: &str,
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let connection = &mut self.transaction;
        Ok(self.store.insert_bot_post(connection, conversation, txn_id, notice).await?)
    }

    /// Adds a post by the bot in place of an earlier one, if there is one.
    pub async fn say_instead(
        &mut self,
        conversation: ConversationId,
        names: (&str, &str),
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let connection = &mut self.transaction;
        Ok(self.store.replace_bot_post_in(connection, conversation, names, notice).await?)
    }

    /// Adds a letter as it came, posted by the bot.
    pub async fn original(
        &mut self,
        conversation: ConversationId,
        txn_id: &str,
        letter: LetterId,
    ) -> Result<(), StoreError> {
        let connection = &mut self.transaction;
        Ok(self.store.insert_original(connection, conversation, txn_id, letter).await?)
    }

    /// Has every parked dispatch of a conversation tried once more. Returns these dispatches, each
    /// with whether it may have arrived before.
    pub async fn retry_parked(
        &mut self,
        conversation: ConversationId,
    ) -> Result<Vec<(ParkedItem, bool)>, StoreError> {
        let items = parked::dispatches_of(&mut self.transaction, conversation).await?;
        for (item, _) in &items {
            let resolution = Resolution::Retry;
            self.store.resolve_in(&mut self.transaction, item.id, resolution, self.at).await?;
        }
        Ok(items)
    }

    /// Notes what an edit makes of its message. What was noted of it without its key stays: an edit
    /// has one message.
    pub async fn edit_says(
        &mut self,
        edit: &str,
        room_id: &str,
        author: &str,
        message: &str,
        says: EditSays<'_>,
    ) -> Result<(), StoreError> {
        let (state, content) = match says {
            EditSays::Part(part) => {
                ("says", Some(self.store.close_json(Purpose::DispatchPart, part)))
            }
            EditSays::Never => ("never", None),
        };
        sqlx::query!(
            "insert into room_acts
                 (event_id, room_id, author, target, kind, state, content, received_at)
             values ($1, $2, $3, $4, 'edit', $5, $6, $7)
             on conflict (event_id) do update
             set state = excluded.state,
                 content = excluded.content
             where room_acts.kind = 'edit'
               and room_acts.state = 'unread'",
            edit,
            room_id,
            author,
            message,
            state,
            content,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// An event that looked like an edit is a copy of another one: it changes nothing.
    pub async fn is_no_edit(&mut self, edit: &str) -> Result<(), StoreError> {
        sqlx::query!("delete from room_acts where event_id = $1 and kind = 'edit'", edit)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// The message that an act upon `target` concerns: itself, or what it edits.
    pub async fn message_of(&mut self, target: &str) -> Result<String, StoreError> {
        let edited = sqlx::query_scalar!(
            "select target from room_acts where event_id = $1 and kind = 'edit'",
            target,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(edited.unwrap_or_else(|| target.to_owned()))
    }

    /// The position of a message of a conversation, if it is part of a dispatch. The dispatch is
    /// locked.
    pub async fn standing_of(
        &mut self,
        conversation: ConversationId,
        message: &str,
    ) -> Result<Option<Stood>, StoreError> {
        let row = sqlx::query!(
            "select
                 part.id,
                 part.content,
                 part.withdrawn,
                 part.held_by,
                 part.left_as,
                 dispatch.id as dispatch,
                 dispatch.author,
                 dispatch.state,
                 dispatch.may_have_arrived,
                 dispatch.letter_id
             from dispatch_parts as part
             join dispatches as dispatch on dispatch.id = part.dispatch_id
             where part.event_id = $1
               and dispatch.conversation_id = $2
             for update of dispatch",
            message,
            conversation.0,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(state) = DeliveryState::from_word(&row.state) else { return Ok(None) };
        let dispatch = DispatchId(row.dispatch);
        let part = PartRow {
            id: row.id,
            event_id: message.to_owned(),
            content: row.content,
            author: row.author,
            is_out: row.withdrawn,
            held_by: row.held_by,
            left_as: row.left_as,
        };
        let acts = acts_on(&mut self.transaction, dispatch).await?;
        let has_others = has_others(&mut self.transaction, dispatch, &part, &acts).await?;
        let answers = row.letter_id.map(LetterId);
        let may_have_arrived = row.may_have_arrived;
        Ok(Some(Stood { dispatch, state, part, acts, has_others, may_have_arrived, answers }))
    }

    /// Whether this author said this in this room before, it stayed there, and it is shown.
    pub async fn stayed_in_the_room(
        &mut self,
        room_id: &str,
        message: &str,
        author: &str,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from room_events as event
                 where event.event_id = $1
                   and event.room_id = $2
                   and event.sender = $3
                   and (event.state = 'done' or event.acted_at is not null)
                   and not exists (select 1 from room_acts where room_acts.event_id = $1)
                   and not exists (
                       select 1
                       from room_acts
                       where room_acts.target = $1
                         and room_acts.room_id = $2
                         and room_acts.kind = 'redaction'
                   )
             ) as "stayed!""#,
            message,
            room_id,
            author,
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }

    /// A message that was taken back no longer waits for its key: it is read, and found redacted.
    pub async fn waits_no_more(&mut self, event_id: &str) -> Result<(), StoreError> {
        let room = sqlx::query_scalar!(
            "update room_events
             set state = case when place is null then 'fetched' else 'new' end
             where event_id = $1
               and state = 'waiting'
             returning room_id",
            event_id,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        if let Some(room) = room {
            jobs::add(&mut self.transaction, &Job::ReadRoom(room), None).await?;
        }
        Ok(())
    }

    /// A message will not leave, whatever comes.
    pub async fn take_out(&mut self, stood: &Stood) -> Result<(), StoreError> {
        sqlx::query!(
            "update dispatch_parts
             set withdrawn = true,
                 held_by = null
             where id = $1",
            stood.part.id,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// A message will not leave, but its dispatch will: what was said about that at the message ends
    /// with `notice`.
    pub async fn notice_ends(&mut self, stood: &Stood, notice: &Notice) -> Result<(), StoreError> {
        let conversation = sqlx::query_scalar!(
            "select conversation_id from dispatches where id = $1",
            stood.dispatch.0,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        let (connection, message) = (&mut self.transaction, stood.message());
        let (store, dispatch) = (self.store, stood.dispatch);
        Ok(store.notice_ends(connection, conversation, dispatch, message, notice).await?)
    }

    /// A message that was held back leaves after all, as its room shows it: in the dispatch that it
    /// may open by `new`, whose part and author are its own.
    pub async fn come_back(&mut self, stood: &Stood, new: NewPart<'_>) -> Result<(), StoreError> {
        let version = match stood.shown() {
            Shown::Version(version) => version,
            Shown::Waits(_) | Shown::Never(_) | Shown::Nothing => return Ok(()),
        };
        let part = self.store.part_as(&stood.part, &stood.acts, version)?;
        sqlx::query!("delete from dispatch_parts where id = $1", stood.part.id)
            .execute(&mut *self.transaction)
            .await?;
        let (author, event_id) = (stood.author(), stood.message());
        let answers = stood.answers;
        self.collect(NewPart { part: &part, author, event_id, answers, ..new }).await?;
        if stood.may_have_arrived {
            sqlx::query!(
                "update dispatches
                 set may_have_arrived = true
                 where id = (select dispatch_id from dispatch_parts where event_id = $1)",
                event_id,
            )
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }

    /// Nothing of a dispatch is left, and nothing of it was accepted.
    pub async fn withdraw(&mut self, stood: &Stood, notice: &Notice) -> Result<(), StoreError> {
        let (connection, at) = (&mut self.transaction, self.at);
        self.store.withdraw_in(connection, stood.dispatch, notice, at).await
    }

    /// Nothing is left of a dispatch that a person could have tried again.
    pub async fn not_again(&mut self, stood: &Stood) -> Result<(), StoreError> {
        let kind = ParkedKind::Dispatch;
        Ok(parked::settle(&mut self.transaction, kind, stood.dispatch.0, self.at).await?)
    }

    /// An act's author is told that the act came while the answer was under way.
    pub async fn is_told_under_way(&mut self, act: &str) -> Result<(), StoreError> {
        sqlx::query!("update room_acts set is_told_under_way = true where event_id = $1", act)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// What waited for an edit may go on.
    pub async fn wake_hand_over(&mut self, conversation: ConversationId) -> Result<(), StoreError> {
        let job = Job::HandOver(conversation);
        Ok(jobs::add(&mut self.transaction, &job, None).await?)
    }

    /// Ends a dispatch whose last message was held back. What was said about it before is replaced.
    async fn end(&mut self, stood: &Stood, notice: &Notice) -> Result<(), StoreError> {
        let conversation = withdraw(&mut self.transaction, stood.dispatch, self.at).await?;
        let Some(conversation) = conversation else { return Ok(()) };
        self.not_again(stood).await?;
        let has_notice = sqlx::query_scalar!(
            r#"select exists (select 1 from posts where dispatch_id = $1) as "has_notice!""#,
            stood.dispatch.0,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        if has_notice {
            let connection = &mut self.transaction;
            self.store.insert_notice(connection, conversation, stood.dispatch, notice).await?;
        }
        self.wake_hand_over(ConversationId(conversation)).await
    }

    /// Makes all of it count.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

/// Whether a dispatch has another message than `part` that leaves, or will.
async fn has_others(
    connection: &mut PgConnection,
    dispatch: DispatchId,
    part: &PartRow,
    acts: &Acts,
) -> Result<bool, sqlx::Error> {
    let others = sqlx::query_scalar!(
        "select event_id
         from dispatch_parts
         where dispatch_id = $1
           and id <> $2
           and not withdrawn",
        dispatch.0,
        part.id,
    )
    .fetch_all(connection)
    .await?;
    let leaves = |message: &String| {
        matches!(shown(message, &part.author, &acts.acts), Shown::Version(_) | Shown::Waits(_))
    };
    Ok(others.iter().any(leaves))
}
