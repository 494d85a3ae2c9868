//! What we say in portals: saved with its `txn_id`, sent in order, confirmed by its echo.

mod notices;

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Damaged, Harm, InRow as _, Moment, Store, StoreError, parked, parked::ParkedKind, seal::Purpose,
};
use crate::model::{
    ConversationId, LetterId, MadeFile, Media, NewPost, PostId, PostState, Speaker, Substance,
};

/// What kind of thing a post says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostKind {
    Text,
    /// An attachment of a letter, by its place.
    Attachment {
        letter: LetterId,
        index: usize,
    },
    /// What is made of an attachment for people to look at.
    Made {
        letter: LetterId,
        index: usize,
        made: MadeFile,
    },
    /// The letter itself, as it came.
    Original {
        letter: LetterId,
    },
}

/// A post that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPost {
    pub id: PostId,
    pub letter: Option<LetterId>,
    pub speaker: Speaker,
    pub substance: Substance,
    pub txn_id: String,
    /// The type of its event; nothing for `m.room.message`.
    pub event_type: Option<String>,
    pub content: Value,
    pub kind: PostKind,
    /// Where its file lies, when it was uploaded before.
    pub media: Option<Media>,
    /// It replaces an earlier post; the event id once that one was sent.
    pub replaces: Option<Option<String>>,
    /// It was tried before when nobody could read it.
    pub is_unshown: bool,
    /// How often it was tried before.
    pub attempts: i32,
    pub next_attempt_at: Option<OffsetDateTime>,
    /// From then on it is not said any more.
    pub until: Option<OffsetDateTime>,
}

impl Store {
    /// The posts of a conversation that were not sent yet, in order.
    ///
    /// Those in front of a damaged one come first. If the first is damaged, the result is
    /// [`StoreError::Damaged`] with its row.
    pub async fn pending_posts(
        &self,
        conversation: ConversationId,
        limit: usize,
    ) -> Result<Vec<StoredPost>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 post.id,
                 post.letter_id,
                 post.speaker,
                 post.substance,
                 post.txn_id,
                 post.content,
                 post.file_index,
                 post.made,
                 post.media,
                 post.replaces,
                 -- Only what stands in the room of now can be replaced there: neither what was said
                 -- in another one, nor what was deleted.
                 (
                     select there.event_id
                     from (
                         select later.event_id, 1 as rank, later.id::numeric as age
                         from posts as later
                         where later.replaces = post.replaces
                           and later.stands_alone
                           and later.id < post.id
                           and later.sent_at >= portal.created_at
                         union all
                         -- After a restore: what was said of the dispatch since the copy was made.
                         select found.event_id, 2, extract(epoch from found.found_at)
                         from found_posts as found
                         where starts_with(
                                   found.txn_id,
                                   'd' || split_part(dispatch.message_id, '@', 1) || 'n0'
                               )
                         union all
                         select replaced.event_id, 3, 0
                         where replaced.sent_at >= portal.created_at
                     ) as there
                     where not exists (
                         select 1
                         from room_acts as act
                         where act.target = there.event_id
                           and act.room_id = portal.room_id
                           and act.kind = 'redaction'
                     )
                     order by there.rank, there.age desc
                     limit 1
                 ) as "replaced_event?",
                 post.unshown,
                 post.attempts,
                 post.next_attempt_at as "next_attempt_at: Moment",
                 post.event_type,
                 post.until as "until: Moment"
             from posts as post
             left join posts as replaced on replaced.id = post.replaces
             left join dispatches as dispatch on dispatch.id = post.dispatch_id
             left join rooms as portal
                 on portal.conversation_id = post.conversation_id
                and portal.state <> 'gone'
             where post.conversation_id = $1
               and post.state = 'pending'
             order by post.id
             limit $2"#,
            conversation.0,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut posts = Vec::with_capacity(rows.len());
        for row in rows {
            let damaged = |column, why| Damaged::new("posts", column, row.id, why);
            let read = || {
                Ok(StoredPost {
                    id: PostId(row.id),
                    letter: row.letter_id.map(LetterId),
                    speaker: Speaker::from_word(&row.speaker)
                        .ok_or_else(|| damaged("speaker", Harm::Word))?,
                    substance: Substance::from_word(&row.substance)
                        .ok_or_else(|| damaged("substance", Harm::Word))?,
                    txn_id: row.txn_id.clone(),
                    event_type: row.event_type.clone(),
                    content: self.open_json(Purpose::PostContent, &row.content).in_row(row.id)?,
                    kind: kind(row.letter_id.map(LetterId), row.file_index, row.made)
                        .ok_or_else(|| damaged("file_index", Harm::Number))?,
                    media: row
                        .media
                        .as_ref()
                        .map(|sealed| self.open_json(Purpose::PostMedia, sealed).in_row(row.id))
                        .transpose()?,
                    replaces: match (row.replaces, &row.replaced_event) {
                        (None, None) => None,
                        (_, event) => Some(event.clone()),
                    },
                    is_unshown: row.unshown,
                    attempts: row.attempts.max(0),
                    next_attempt_at: row
                        .next_attempt_at
                        .map(|at| at.read("posts", "next_attempt_at", row.id))
                        .transpose()?,
                    until: row.until.map(|at| at.read("posts", "until", row.id)).transpose()?,
                })
            };
            match read() {
                Ok(post) => posts.push(post),
                Err(damaged) if posts.is_empty() => return Err(StoreError::Damaged(damaged)),
                Err(_) => break,
            }
        }
        Ok(posts)
    }

    /// Counts an attempt at a post, before anything of it is done: an attempt that the gateway does not
    /// survive counts, and has no time for the next. Returns the attempts including this one; nothing
    /// when the post does not wait any more.
    ///
    /// The statement does not wait until the count is on disk: if Postgres crashes as well, a count is
    /// lost, and nothing else.
    pub async fn post_begins(&self, post: PostId) -> Result<Option<i32>, StoreError> {
        Ok(sqlx::query_scalar!(
            "with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
             update posts
             set attempts = least(greatest(attempts, 0), 2147483646) + 1,
                 next_attempt_at = null
             from unhurried
             where id = $1
               and state = 'pending'
             returning attempts",
            post.0,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Notes where a post's file lies, so that it is uploaded once.
    pub async fn post_uploaded(&self, post: PostId, media: &Media) -> Result<(), StoreError> {
        let media = self.close_json(Purpose::PostMedia, media);
        sqlx::query!("update posts set media = $2 where id = $1", post.0, media)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives up a post for which nobody waits any more.
    pub async fn post_is_late(&self, post: PostId) -> Result<(), StoreError> {
        sqlx::query!(
            "update posts
             set state = 'dropped'
             where id = $1
               and state = 'pending'",
            post.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a post replaces one that is nowhere (any more): it is said as a separate message,
    /// and later ones replace it.
    pub async fn post_stands_alone(&self, post: PostId) -> Result<(), StoreError> {
        sqlx::query!("update posts set stands_alone = true where id = $1", post.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes that the homeserver took a post, and, with the last one, that its letter is in the room.
    /// If its echo was faster, that is noted already; a post that was parked meanwhile is settled.
    pub async fn post_sent(
        &self,
        post: PostId,
        event_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "with sent as (
                 update posts
                 set state = 'sent',
                     event_id = $2,
                     sent_at = coalesce(sent_at, $3)
                 where id = $1
                   and state in ('pending', 'parked', 'dropped')
                 returning letter_id, parked_id
             ),
             -- Nothing is left to decide, unless other posts wait under its row.
             settled as (
                 update parked
                 set resolved_at = $3,
                     resolution = 'settled'
                 where id = (select parked_id from sent)
                   and resolved_at is null
                   and not exists (
                       select 1
                       from posts as other
                       where other.parked_id = parked.id
                         and other.id <> $1
                         and other.state = 'parked'
                   )
             )
             -- With the last of its posts a letter is in the room.
             update letters
             set state = 'posted'
             where id = (select letter_id from sent)
               and state = 'placed'
               and not exists (
                   select 1
                   from posts as other
                   where other.letter_id = letters.id
                     and other.id <> $1
                     and other.state in ('pending', 'parked')
               )",
            post.0,
            event_id,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A post came back to us through a door. If the homeserver's answer to our request was lost,
    /// this is how we learn that it was taken; a post that was parked meanwhile is settled.
    pub async fn post_echoed(
        &self,
        txn_id: &str,
        event_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "with echoed as (
                 update posts
                 set state = 'sent',
                     event_id = $2,
                     sent_at = coalesce(sent_at, $3),
                     echoed_at = $3
                 where txn_id = $1
                   and echoed_at is null
                 returning id, letter_id
             )
             -- With the last of its posts a letter is in the room.
             update letters
             set state = 'posted'
             from echoed
             where letters.id = echoed.letter_id
               and letters.state = 'placed'
               and not exists (
                   select 1
                   from posts as other
                   where other.letter_id = letters.id
                     and other.id <> echoed.id
                     and other.state in ('pending', 'parked')
               )",
            txn_id,
            event_id,
            at,
        )
        .execute(&mut *transaction)
        .await?;
        parked::settle_posts(&mut transaction, txn_id, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that posts, given by `txn_id` and event, were found in their room: those that wait are
    /// sent, and unknown ones will be when their letter comes.
    ///
    /// Returns whether one of them had been known as sent.
    pub async fn posts_found(
        &self,
        found: &[(String, String)],
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (txn_ids, event_ids): (Vec<String>, Vec<String>) = found.iter().cloned().unzip();
        let is_known = sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from posts
                 where txn_id = any ($1)
                   and state = 'sent'
             ) as "is_known!""#,
            &txn_ids,
        )
        .fetch_one(&self.pool)
        .await?;
        sqlx::query!(
            "insert into found_posts (txn_id, event_id, found_at)
             select txn_id, event_id, $3
             from unnest($1::text[], $2::text[]) as found (txn_id, event_id)
             where not exists (select 1 from posts where posts.txn_id = found.txn_id)
             -- Found once more: the homeserver has but one event of a name.
             on conflict (txn_id) do nothing",
            &txn_ids,
            &event_ids,
            at,
        )
        .execute(&self.pool)
        .await?;
        for (txn_id, event_id) in found {
            self.post_echoed(txn_id, event_id, at).await?;
        }
        Ok(is_known)
    }

    /// Notes how many attempts at a post count by now, and when to try again. `false`: the post
    /// does not wait any more.
    pub async fn post_again_at(
        &self,
        post: PostId,
        attempts: i32,
        next: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let noted = sqlx::query!(
            "update posts
             set attempts = $2,
                 next_attempt_at = $3
             where id = $1
               and state = 'pending'",
            post.0,
            attempts,
            next,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(noted == 1)
    }

    /// Parks a post so that those behind it can pass. Posts that fail in one conversation for one
    /// reason share a row. `false`: it does not wait any more.
    pub async fn park_post(
        &self,
        post: PostId,
        channel: &str,
        reason: &str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_parked = park(&mut transaction, post, channel, reason, at).await?;
        if is_parked {
            transaction.commit().await?;
        }
        Ok(is_parked)
    }
}

/// What kind of thing a post of these columns says; nothing if they make no sense.
fn kind(letter: Option<LetterId>, file_index: Option<i32>, made: Option<i32>) -> Option<PostKind> {
    match (letter, file_index, made) {
        (_, None, None) => Some(PostKind::Text),
        (Some(letter), Some(NewPost::ORIGINAL), None) => Some(PostKind::Original { letter }),
        (Some(letter), Some(index), made) => {
            let index = usize::try_from(index).ok()?;
            Some(match made {
                None => PostKind::Attachment { letter, index },
                Some(made) => PostKind::Made { letter, index, made: MadeFile::from_number(made)? },
            })
        }
        (_, None, Some(_)) | (None, Some(_), _) => None,
    }
}

/// Parks a post within the caller's transaction. `false`: it does not wait any more.
pub(super) async fn park(
    connection: &mut PgConnection,
    post: PostId,
    channel: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let shared = sqlx::query_scalar!(
        "select parked.id
         from posts as post
         join posts as other on other.conversation_id = post.conversation_id
         join parked on parked.id = other.parked_id
         where post.id = $1
           and other.state = 'parked'
           and parked.resolved_at is null
           and parked.reason = $2
         limit 1",
        post.0,
        reason,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let row = match shared {
        Some(row) => row,
        None => {
            let kind = ParkedKind::Post;
            parked::insert(connection, kind, post.0, channel, reason, at).await?
        }
    };
    let parked = sqlx::query!(
        "update posts
         set state = 'parked',
             parked_id = $2
         where id = $1
           and state = any ($3)",
        post.0,
        row,
        &PostState::Parked.before(),
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    Ok(parked == 1)
}
