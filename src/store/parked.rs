//! What failed for good and waits for a person: one row for one cause.

mod gaps;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Job, Moment, Store, StoreError, jobs};
use crate::{
    model::{ChannelName, ConversationId, LetterId, LetterState, ParkedState, PostState},
    rules::looking::UnfetchedState,
};

/// What was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedKind {
    Letter,
    /// Posts of one conversation that failed for one reason.
    Post,
    Dispatch,
    /// A portal that no human has joined.
    Portal,
    /// The conversations with one correspondent, whose room cannot be had.
    Conversation,
    /// An event of a portal that cannot be read.
    Event,
    /// A part of a portal's history that was not heard; the item is the conversation.
    Gap,
    /// A mail in a mailbox that cannot be had.
    Mail,
    /// A row whose own word is damaged: it is shown, and there is nothing to try.
    Unknown,
}

impl ParkedKind {
    const ALL: [Self; 9] = [
        Self::Letter,
        Self::Post,
        Self::Dispatch,
        Self::Portal,
        Self::Conversation,
        Self::Event,
        Self::Gap,
        Self::Mail,
        Self::Unknown,
    ];

    /// The word for it in SQL, metrics and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Post => "post",
            Self::Dispatch => "dispatch",
            Self::Portal => "portal",
            Self::Conversation => "conversation",
            Self::Event => "event",
            Self::Gap => "gap",
            Self::Mail => "mail",
            Self::Unknown => "unknown",
        }
    }

    fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.word() == word).unwrap_or(Self::Unknown)
    }
}

/// One parked thing, without anything personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedItem {
    pub id: i64,
    pub kind: ParkedKind,
    /// The number of the thing; of several, of the first.
    pub item: i64,
    /// How many things wait under this row: posts, or letters of a conversation.
    pub things: i64,
    pub channel: String,
    pub reason: String,
    /// Nothing where it is damaged.
    pub parked_at: Option<OffsetDateTime>,
}

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

/// Parks a thing, once. Gives the row it waits under.
pub(super) async fn insert(
    connection: &mut PgConnection,
    kind: ParkedKind,
    item: i64,
    channel: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<i64, sqlx::Error> {
    sqlx::query!(
        "insert into parked (kind, item_id, channel, reason, parked_at)
         values ($1, $2, $3, $4, $5)
         -- It waits already: one row stands for one thing, with the first reason.
         on conflict (kind, item_id) where resolved_at is null do nothing",
        kind.word(),
        item,
        channel,
        reason,
        at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        "select id
         from parked
         where kind = $1
           and item_id = $2
           and resolved_at is null",
        kind.word(),
        item,
    )
    .fetch_one(connection)
    .await
}

/// Ends the row under which a post was parked that turned out to be in its room, unless other posts
/// wait under it.
pub(super) async fn settle_posts(
    connection: &mut PgConnection,
    txn_id: &str,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update parked
         set resolved_at = $2,
             resolution = $3
         where id = (select parked_id from posts where txn_id = $1)
           and resolved_at is null
           and not exists (
               select 1
               from posts
               where parked_id = parked.id
                 and state = 'parked'
           )",
        txn_id,
        at,
        ParkedState::Settled.word(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Parked dispatches of one conversation, oldest first, each with whether it may have arrived.
pub(super) async fn dispatches_of(
    connection: &mut PgConnection,
    conversation: ConversationId,
) -> Result<Vec<(ParkedItem, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select
             parked.id,
             parked.item_id,
             parked.channel,
             parked.reason,
             parked.parked_at as "parked_at: Moment",
             dispatches.may_have_arrived or dispatches.state = 'unclear' as "may_have_arrived!"
         from parked
         join dispatches on dispatches.id = parked.item_id
         where parked.kind = 'dispatch'
           and parked.resolved_at is null
           and dispatches.conversation_id = $1
         order by parked.id"#,
        conversation.0,
    )
    .fetch_all(connection)
    .await?;
    let items = rows.into_iter().map(|row| {
        let item = ParkedItem {
            id: row.id,
            kind: ParkedKind::Dispatch,
            item: row.item_id,
            things: 1,
            channel: row.channel,
            reason: row.reason,
            parked_at: row.parked_at.get(),
        };
        (item, row.may_have_arrived)
    });
    Ok(items.collect())
}

/// Nothing is left to decide about a parked thing.
pub(super) async fn settle(
    connection: &mut PgConnection,
    kind: ParkedKind,
    item: i64,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update parked
         set resolved_at = $3,
             resolution = $4
         where kind = $1
           and item_id = $2
           and resolved_at is null",
        kind.word(),
        item,
        at,
        ParkedState::Settled.word(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Parks the conversations with one correspondent as each comes to need a room that cannot be
    /// had. Its posts stay as they are, and nothing is tried until a person says so. One row stands
    /// for all of them. `false`: it is parked already.
    pub async fn park_conversation(
        &self,
        conversation: ConversationId,
        reason: &str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // The first conversation with the correspondent stands for all.
        let first = sqlx::query!(
            "select first.id, first.channel
             from conversations as mine
             join conversations as first
               on first.channel = mine.channel
              and first.correspondent = mine.correspondent
             where mine.id = $1
             order by first.id
             limit 1",
            conversation.0,
        )
        .fetch_one(&mut *transaction)
        .await?;
        let (kind, channel) = (ParkedKind::Conversation, &first.channel);
        let row = insert(&mut transaction, kind, first.id, channel, reason, at).await?;
        let is_parked = sqlx::query!(
            "update conversations
             set parked_id = $2
             where id = $1
               and parked_id is null",
            conversation.0,
            row,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if is_parked {
            transaction.commit().await?;
        }
        Ok(is_parked)
    }

    /// Everything parked and not yet settled, oldest first.
    pub async fn parked(&self) -> Result<Vec<ParkedItem>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 id,
                 kind,
                 item_id,
                 channel,
                 reason,
                 parked_at as "parked_at: Moment",
                 case kind
                     when 'post' then (
                         select count(*)
                         from posts
                         where posts.parked_id = parked.id
                           and posts.state = 'parked'
                     )
                     when 'conversation' then (
                         select count(*)
                         from letters
                         join conversations on conversations.id = letters.conversation_id
                         where conversations.parked_id = parked.id
                           and letters.state = 'placed'
                     )
                     else 1
                 end as "things!"
             from parked
             where resolved_at is null
             order by id"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ParkedItem {
                id: row.id,
                kind: ParkedKind::from_word(&row.kind),
                item: row.item_id,
                things: row.things,
                channel: row.channel,
                reason: row.reason,
                parked_at: row.parked_at.get(),
            })
            .collect())
    }

    /// How many rows wait for a person, for the metrics.
    pub async fn parked_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!" from parked where resolved_at is null"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Settles a parked thing. `false` when there is none of this number.
    ///
    /// A retried dispatch starts over with its attempts; its Message-ID stays the same as long as it
    /// says the same ([`Store::name_anew`]). What has
    /// left the parked state by itself meanwhile stays what it is.
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

    pub(super) async fn resolve_in(
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
            // Nobody can hear it any more: whoever resolves it has looked into the room.
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

/// Whoever left is invited once more, and has as long as at first to come.
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
        "update portals
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
    let jobs = conversations.into_iter().map(|id| Job::SendPosts(ConversationId(id)));
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

/// A correspondent's conversations go on, or all that waits there is given up.
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
             may_have_arrived = may_have_arrived or state = 'unclear'
         where id = $1
           and state in ('failed', 'unclear')
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
    // One that /sync never told of is read after all others.
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
