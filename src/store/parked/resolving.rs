//! What a person decided about something parked: tried again, or dropped.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{ParkedKind, gaps};
use crate::{
    model::{ChannelName, ConversationId, LetterId, LetterState, ParkedState, PostState},
    rules::looking::UnfetchedState,
    store::{Job, Store, StoreError, jobs},
};

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Try it once more, from the beginning.
    Retry,
    /// It was settled elsewhere; do nothing more with it.
    Drop,
}

impl Resolution {
    fn state(self) -> ParkedState {
        match self {
            Self::Retry => ParkedState::Retried,
            Self::Drop => ParkedState::Dropped,
        }
    }
}

impl Store {
    /// Settles a parked thing. `false` when there is none of this number.
    ///
    /// A retried dispatch starts over with its attempts; its Message-ID stays the same as long as it
    /// says the same ([`Store::name_anew`]). A thing that has left the parked state by itself
    /// meanwhile stays as it is.
    pub async fn resolve_parked(
        &self,
        id: i64,
        resolution: Resolution,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_there = self.resolve_in(&mut transaction, id, resolution, at).await?;
        transaction.commit().await?;
        Ok(is_there)
    }

    pub(in crate::store) async fn resolve_in(
        &self,
        connection: &mut PgConnection,
        id: i64,
        resolution: Resolution,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query!(
            "update parked
             set resolved_at = $2,
                 resolution = $3
             where id = $1
               and resolved_at is null
             returning kind, item_id, channel",
            id,
            at,
            resolution.state().word(),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let jobs = match ParkedKind::from_word(&row.kind) {
            ParkedKind::Letter => {
                resolve_letter(connection, LetterId(row.item_id), resolution).await?;
                ChannelName::new(&row.channel).ok().map(Job::PlaceLetters).into_iter().collect()
            }
            ParkedKind::Post => resolve_posts(connection, id, resolution).await?,
            ParkedKind::Conversation => resolve_conversations(connection, id, resolution).await?,
            ParkedKind::Dispatch => resolve_dispatch(connection, row.item_id, resolution).await?,
            ParkedKind::Event => resolve_event(connection, row.item_id, resolution).await?,
            // The gap cannot be heard any more: the person who resolves it has looked into the
            // room.
            ParkedKind::Gap => {
                gaps::resolve(connection, row.item_id, resolution == Resolution::Retry).await?;
                Vec::new()
            }
            ParkedKind::Portal => resolve_portal(connection, row.item_id, resolution, at).await?,
            ParkedKind::Mail => {
                resolve_mail(connection, row.item_id, resolution).await?;
                Vec::new()
            }
            ParkedKind::Unknown => Vec::new(),
        };
        for job in jobs {
            jobs::add(connection, &job, None).await?;
        }
        Ok(true)
    }
}

async fn resolve_letter(
    connection: &mut PgConnection,
    letter: LetterId,
    resolution: Resolution,
) -> Result<(), sqlx::Error> {
    let state = match resolution {
        Resolution::Retry => LetterState::Stored,
        Resolution::Drop => LetterState::Dropped,
    };
    sqlx::query!(
        "update letters
         set state = $2,
             attempts = 0
         where id = $1
           and state = 'parked'",
        letter.0,
        state.word(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Members who left are invited once more, and have as long as at first to come.
async fn resolve_portal(
    connection: &mut PgConnection,
    portal: i64,
    resolution: Resolution,
    at: OffsetDateTime,
) -> Result<Vec<Job>, sqlx::Error> {
    let since = match resolution {
        Resolution::Retry => Some(at),
        Resolution::Drop => None,
    };
    let conversations = sqlx::query_scalar!(
        "update rooms
         -- What lies in a room that is gone is tried to be said elsewhere, and stays told of.
         set deserted_since =
             case when state = 'gone' and $2::timestamptz is not null then deserted_since else $2 end
         where id = $1
         returning conversation_id",
        portal,
        since,
    )
    .fetch_all(connection)
    .await?;
    let jobs = conversations.into_iter().flatten().map(|id| Job::SendPosts(ConversationId(id)));
    Ok(jobs.collect())
}

/// The next look into its mailbox does it.
async fn resolve_mail(
    connection: &mut PgConnection,
    mail: i64,
    resolution: Resolution,
) -> Result<(), sqlx::Error> {
    let state = match resolution {
        Resolution::Retry => UnfetchedState::Trying,
        Resolution::Drop => UnfetchedState::Dropped,
    };
    sqlx::query!(
        "update unfetched_mails
         set state = $2,
             tries = 0,
             next_try_at = null
         where id = $1
           and state in ('trying', 'aside', 'final')",
        mail,
        state.word(),
    )
    .execute(&mut *connection)
    .await?;
    // Its letter only says that it was not decrypted: it stays what it is until it is given up.
    sqlx::query!(
        "update unfetched_mails
         set state = case when $2 then 'dropped' else state end,
             next_try_at = null
         where id = $1
           and state = 'undecrypted'",
        mail,
        resolution == Resolution::Drop,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn resolve_posts(
    connection: &mut PgConnection,
    row: i64,
    resolution: Resolution,
) -> Result<Vec<Job>, sqlx::Error> {
    let state = match resolution {
        Resolution::Retry => PostState::Pending,
        Resolution::Drop => PostState::Dropped,
    };
    let moved = sqlx::query!(
        "update posts
         set state = $2,
             attempts = 0,
             next_attempt_at = null,
             parked_id = null
         where parked_id = $1
           and state = 'parked'
         returning conversation_id, letter_id",
        row,
        state.word(),
    )
    .fetch_all(&mut *connection)
    .await?;
    if resolution == Resolution::Drop {
        let letters: Vec<i64> = moved.iter().filter_map(|post| post.letter_id).collect();
        settle_letters(connection, &letters).await?;
    }
    // All posts of a row are of one conversation.
    let conversation = moved.first().map(|post| ConversationId(post.conversation_id));
    Ok(conversation.map(Job::SendPosts).into_iter().collect())
}

/// A correspondent's conversations go on, or everything that waits there is given up.
async fn resolve_conversations(
    connection: &mut PgConnection,
    row: i64,
    resolution: Resolution,
) -> Result<Vec<Job>, sqlx::Error> {
    let conversations = sqlx::query_scalar!(
        "update conversations
         set parked_id = null
         where parked_id = $1
         returning id",
        row,
    )
    .fetch_all(&mut *connection)
    .await?;
    match resolution {
        Resolution::Retry => {
            sqlx::query!(
                "update posts
                 set attempts = 0,
                     next_attempt_at = null
                 where conversation_id = any ($1)
                   and state = 'pending'",
                &conversations,
            )
            .execute(&mut *connection)
            .await?;
        }
        Resolution::Drop => {
            let dropped = sqlx::query_scalar!(
                "update posts
                 set state = 'dropped'
                 where conversation_id = any ($1)
                   and state = 'pending'
                 returning letter_id",
                &conversations,
            )
            .fetch_all(&mut *connection)
            .await?;
            let letters: Vec<i64> = dropped.into_iter().flatten().collect();
            settle_letters(connection, &letters).await?;
        }
    }
    Ok(conversations.into_iter().map(|id| Job::SendPosts(ConversationId(id))).collect())
}

/// Letters of which nothing waits any more, because a person gave up what waited.
async fn settle_letters(connection: &mut PgConnection, letters: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update letters
         set state = 'dropped'
         where id = any ($1)
           and state = 'placed'
           and not exists (
               select 1
               from posts
               where letter_id = letters.id
                 and state in ('pending', 'parked')
           )",
        letters,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn resolve_dispatch(
    connection: &mut PgConnection,
    dispatch: i64,
    resolution: Resolution,
) -> Result<Vec<Job>, sqlx::Error> {
    // Its state stays what it was: "failed" and "unclear" are true whoever looked at it.
    if resolution == Resolution::Drop {
        return Ok(Vec::new());
    }
    let conversation = sqlx::query_scalar!(
        "update dispatches
         set state = 'waiting',
             attempts = 0,
             begun = begun + 1,
             next_attempt_at = null,
             settled_at = null,
             -- Whatever is said of the next attempts.
             may_have_arrived = may_have_arrived or state in ('unclear', 'undelivered', 'contradicted'),
             -- It becomes another mail: reports about the one that did not arrive are not about it.
             said_as = case when state in ('undelivered', 'contradicted') then 'again' else said_as end,
             reports_requested = null,
             silence_told_at = null
         where id = $1
           and state in ('failed', 'unclear', 'undelivered', 'contradicted')
         returning conversation_id",
        dispatch,
    )
    .fetch_optional(connection)
    .await?;
    Ok(conversation.map(|id| Job::HandOver(ConversationId(id))).into_iter().collect())
}

async fn resolve_event(
    connection: &mut PgConnection,
    event: i64,
    resolution: Resolution,
) -> Result<Vec<Job>, sqlx::Error> {
    if resolution == Resolution::Drop {
        sqlx::query!(
            "update room_events
             set state = 'done',
                 event = null
             where id = $1
               and state = 'parked'",
            event,
        )
        .execute(connection)
        .await?;
        return Ok(Vec::new());
    }
    // An event that /sync never told of is read after all others.
    let room = sqlx::query_scalar!(
        "update room_events
         set state = 'new',
             attempts = 0,
             place = coalesce(place, nextval('room_event_places'))
         where id = $1
           and state = 'parked'
         returning room_id",
        event,
    )
    .fetch_optional(connection)
    .await?;
    Ok(room.map(Job::ReadRoom).into_iter().collect())
}
