//! What each conversation asks of its team: a row for where it stands, and one for each step, with who and
//! when. The row is what the steps lead to that were not taken back.

mod listing;
mod told;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Damaged, Harm, StoreError};
use crate::{
    model::{ConversationId, DeliveryState, DispatchId, LetterId, MatterState, TrayNews},
    rules::matters::{self, Matter, MatterStep},
};
pub use listing::{OpenCount, OpenMatter};
pub use told::{MatterNews, Reminder};

/// Where a step came from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StepOrigin<'a> {
    pub(super) author: Option<&'a str>,
    pub(super) letter: Option<LetterId>,
    pub(super) dispatch: Option<DispatchId>,
    /// The event of a sign, and the conversation in whose room it stands.
    pub(super) sign: Option<(&'a str, ConversationId)>,
}

/// A letter was given its place.
pub(super) async fn letter_came(
    connection: &mut PgConnection,
    conversation: ConversationId,
    letter: LetterId,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let Some(before) = lock(connection, conversation, at).await? else { return Ok(()) };
    let was_heard_of = sqlx::query_scalar!(
        r#"select exists (
             select 1
             from matter_steps
             where conversation_id = $1
         ) as "was!""#,
        conversation.0,
    )
    .fetch_one(&mut *connection)
    .await?;
    let origin = StepOrigin { letter: Some(letter), ..StepOrigin::default() };
    take(connection, conversation, &before, (&MatterStep::Letter, origin), at).await?;
    let stood = was_heard_of.then_some(before.state);
    if let Some(news) = matters::news_of_letter(stood) {
        note_news(connection, conversation, letter, news).await?;
    }
    Ok(())
}

async fn note_news(
    connection: &mut PgConnection,
    conversation: ConversationId,
    letter: LetterId,
    news: TrayNews,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update matters
         set news = $2,
             news_letter = $3
         where conversation_id = $1
           -- What was not told yet is told once.
           and news is null",
        conversation.0,
        news.word(),
        letter.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The state of a dispatch moved. A receipt is no answer, and what was opened before a letter came does not
/// answer that letter.
pub(super) async fn dispatch_moved(
    connection: &mut PgConnection,
    dispatch: DispatchId,
    (from, to): (DeliveryState, DeliveryState),
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let Some(step) = matters::step_of_delivery(from, to) else { return Ok(()) };
    let answer = sqlx::query!(
        "select conversation_id, author, after_step
         from dispatches
         where id = $1
           and receipt_as is null",
        dispatch.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(answer) = answer else { return Ok(()) };
    let conversation = ConversationId(answer.conversation_id);
    let Some(before) = lock(connection, conversation, at).await? else { return Ok(()) };
    let is_late = step == MatterStep::Answer
        && sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from matter_steps
                 where conversation_id = $1
                   and step = 'letter'
                   and id > coalesce($2, 9223372036854775807)
             ) as "is_late!""#,
            conversation.0,
            answer.after_step,
        )
        .fetch_one(&mut *connection)
        .await?;
    if is_late {
        return Ok(());
    }
    let author = (step == MatterStep::Answer).then_some(answer.author.as_str());
    let origin = StepOrigin { author, dispatch: Some(dispatch), ..StepOrigin::default() };
    take(connection, conversation, &before, (&step, origin), at).await?;
    Ok(())
}

/// Where the matter of a conversation stands; no other task moves it meanwhile. Nothing for a tray.
pub(super) async fn lock(
    connection: &mut PgConnection,
    conversation: ConversationId,
    at: OffsetDateTime,
) -> Result<Option<Matter>, StoreError> {
    let new = Matter::new(at);
    let row = sqlx::query!(
        "insert into matters as known (conversation_id, state, waits_since, since)
         select $1, $2, $3, $3
         where not exists (select 1 from channel_notices where conversation_id = $1)
         -- Locks the row.
         on conflict (conversation_id) do update
         set conversation_id = excluded.conversation_id
         returning state, holder, waits_since, since",
        conversation.0,
        new.state.word(),
        at,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let state = MatterState::from_word(&row.state).ok_or_else(|| {
        StoreError::Damaged(Damaged::new("matters", "state", conversation.0, Harm::Word))
    })?;
    let (holder, waits_since, since) = (row.holder, row.waits_since, row.since);
    Ok(Some(Matter { state, holder, waits_since, since }))
}

/// Notes a step, and where it leads. A step that is noted already leads nowhere again.
pub(super) async fn take(
    connection: &mut PgConnection,
    conversation: ConversationId,
    before: &Matter,
    (step, origin): (&MatterStep, StepOrigin<'_>),
    at: OffsetDateTime,
) -> Result<Matter, StoreError> {
    let is_new = sqlx::query!(
        "insert into matter_steps
             (conversation_id, step, author, holder, taken_at, letter_id, dispatch_id, sign, sign_in)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         -- The same letter, or the same sign.
         on conflict do nothing",
        conversation.0,
        step.word(),
        origin.author,
        step.holder(),
        at,
        origin.letter.map(|letter| letter.0),
        origin.dispatch.map(|dispatch| dispatch.0),
        origin.sign.map(|(event_id, _)| event_id),
        origin.sign.map(|(_, room_of)| room_of.0),
    )
    .execute(&mut *connection)
    .await?
    .rows_affected()
        == 1;
    if !is_new {
        return Ok(before.clone());
    }
    let after = matters::after(before, step, at);
    if after.differs(before) {
        keep(connection, conversation, &after).await?;
    }
    Ok(after)
}

pub(super) async fn keep(
    connection: &mut PgConnection,
    conversation: ConversationId,
    matter: &Matter,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update matters
         set state = $2,
             holder = $3,
             waits_since = $4,
             since = $5,
             reminded_at = null
         where conversation_id = $1",
        conversation.0,
        matter.state.word(),
        matter.holder,
        matter.waits_since,
        matter.since,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// So many steps of one conversation are thought through again: far more than anybody looks back upon, and
/// few enough to stay small.
const STEPS_MAX: i64 = 2_000;

/// The steps of a conversation that were not taken back, oldest first.
pub(super) async fn steps_that_count(
    connection: &mut PgConnection,
    conversation: ConversationId,
) -> Result<Vec<(MatterStep, OffsetDateTime)>, StoreError> {
    let rows = sqlx::query!(
        r#"select step as "step!", holder, taken_at as "taken_at!"
         from (
             select id, step, holder, taken_at
             from matter_steps
             where conversation_id = $1
               and taken_back_at is null
             order by id desc
             limit $2
         ) as newest
         order by id"#,
        conversation.0,
        STEPS_MAX,
    )
    .fetch_all(connection)
    .await?;
    // A word of a later version is passed over.
    let step = |word: &str, holder: Option<&str>| MatterStep::from_word(word, holder);
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((step(&row.step, row.holder.as_deref())?, row.taken_at)))
        .collect())
}
