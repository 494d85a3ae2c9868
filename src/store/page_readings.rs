//! Faxes whose pages a machine reads: each once, after it is in its room, and never before anything else.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Job, Store, StoreError, jobs, seal::Purpose};
use crate::{
    model::{ConversationId, LetterId, Notice, PageHint},
    rules::retry::WAIT_MAX,
};

/// A fax that waits to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReading {
    pub letter: LetterId,
    pub channel: String,
    pub conversation: ConversationId,
}

/// A fax as it stands in its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxInRoom {
    /// The first of its posts that shows a page or a file.
    pub event_id: String,
    /// The name of that post.
    pub txn_id: String,
    /// The places of its files that were shown.
    pub files: Vec<usize>,
}

/// How reading a fax ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadingEnd<'a> {
    /// What the room is told, under this name, and the numbers that are kept.
    Said {
        txn_id: &'a str,
        notice: &'a Notice,
        hints: &'a [PageHint],
    },
    Nothing,
    GivenUp,
    /// Nobody wants it any more.
    Dropped,
}

impl ReadingEnd<'_> {
    /// The word for it in SQL and in the metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Said { .. } => "said",
            Self::Nothing => "nothing",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
        }
    }
}

/// A fax that just got its place is read once it is in its room.
pub(super) async fn wait(
    connection: &mut PgConnection,
    letter: LetterId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into page_readings (letter_id)
         values ($1)
         on conflict (letter_id) do nothing",
        letter.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The fax that has waited longest to be read, and is due.
    pub async fn next_reading(
        &self,
        at: OffsetDateTime,
    ) -> Result<Option<StoredReading>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 letter.id,
                 letter.channel,
                 letter.conversation_id as "conversation_id!"
             from page_readings as reading
             join letters as letter on letter.id = reading.letter_id
             where reading.state = 'waiting'
               and letter.state = 'posted'
               and letter.conversation_id is not null
               -- A clock that was set back makes nobody wait longer.
               and (coalesce(reading.next_attempt_at, $1) <= $1 or reading.next_attempt_at > $2)
             order by letter.id
             limit 1"#,
            at,
            at + WAIT_MAX,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| StoredReading {
            letter: LetterId(row.id),
            channel: row.channel,
            conversation: ConversationId(row.conversation_id),
        }))
    }

    /// Counts an attempt, before anything of it is done. Returns the attempts including this one; nothing
    /// when the fax does not wait any more.
    pub async fn reading_begins(&self, letter: LetterId) -> Result<Option<i32>, StoreError> {
        Ok(sqlx::query_scalar!(
            "update page_readings
             set attempts = least(attempts, 2147483646) + 1,
                 next_attempt_at = null
             where letter_id = $1
               and state = 'waiting'
             returning attempts",
            letter.0,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Notes when to try again.
    pub async fn reading_again_at(
        &self,
        letter: LetterId,
        next: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update page_readings
             set next_attempt_at = $2
             where letter_id = $1
               and state = 'waiting'",
            letter.0,
            next,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A fax in its room of now. Nothing if its room is another one since, or if something of it was
    /// deleted there: who did that does not want its words to be said again.
    pub async fn fax_in_room(&self, letter: LetterId) -> Result<Option<FaxInRoom>, StoreError> {
        let rows = sqlx::query!(
            r#"select post.event_id as "event_id!", post.txn_id, post.file_index as "file_index!"
             from posts as post
             join rooms as portal
                 on portal.conversation_id = post.conversation_id
                and portal.state <> 'gone'
             where post.letter_id = $1
               and post.state = 'sent'
               and post.speaker = 'ghost'
               and post.event_id is not null
               and post.file_index >= 0
               and post.sent_at >= portal.created_at
               and not exists (
                   select 1
                   from posts as other
                   join room_acts as act on act.target = other.event_id
                   where other.letter_id = post.letter_id
                     and act.kind = 'redaction'
               )
             order by post.id"#,
            letter.0,
        )
        .fetch_all(&self.pool)
        .await?;
        let files = rows.iter().filter_map(|row| usize::try_from(row.file_index).ok()).collect();
        let first = rows.into_iter().next();
        Ok(first.map(|row| FaxInRoom { event_id: row.event_id, txn_id: row.txn_id, files }))
    }

    /// Whether something of the fax that a post is about was deleted since, or its room is another one.
    pub async fn reading_came_too_late(&self, letter: LetterId) -> Result<bool, StoreError> {
        Ok(self.fax_in_room(letter).await?.is_none())
    }

    /// Ends the reading of a fax: what is said of it, the numbers that are kept, and the note that it was
    /// read are one transaction. `false`: it had ended before, and nothing was done.
    pub async fn reading_ends(
        &self,
        reading: &StoredReading,
        end: ReadingEnd<'_>,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let ended = sqlx::query!(
            "update page_readings
             set state = $2,
                 next_attempt_at = null,
                 ended_at = $3
             where letter_id = $1
               and state = 'waiting'",
            reading.letter.0,
            end.word(),
            at,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if ended != 1 {
            return Ok(false);
        }
        if let ReadingEnd::Said { txn_id, notice, hints } = end {
            sqlx::query!(
                "insert into posts
                     (conversation_id, letter_id, speaker, substance, txn_id, content, state, event_id,
                      sent_at, echoed_at)
                 select
                     $1, $2, 'bot', $3, new.txn_id, $5,
                     case when found.event_id is null then 'pending' else 'sent' end,
                     found.event_id, found.found_at, found.found_at
                 from (select $4::text as txn_id) as new
                 left join found_posts as found using (txn_id)
                 -- Named after its letter: it was said before.
                 on conflict (txn_id) do nothing",
                reading.conversation.0,
                reading.letter.0,
                notice.substance.word(),
                txn_id,
                self.close_json(Purpose::PostContent, &notice.content),
            )
            .execute(&mut *transaction)
            .await?;
            self.keep_hints(&mut transaction, reading.letter, hints).await?;
            jobs::add(&mut transaction, &Job::SendPosts(reading.conversation), None).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn keep_hints(
        &self,
        connection: &mut PgConnection,
        letter: LetterId,
        hints: &[PageHint],
    ) -> Result<(), sqlx::Error> {
        let kinds: Vec<String> = hints.iter().map(|hint| hint.kind.word().to_owned()).collect();
        let of_code: Vec<bool> = hints.iter().map(|hint| hint.is_of_code).collect();
        let numbers: Vec<Vec<u8>> =
            hints.iter().map(|hint| self.close_json(Purpose::PageHint, &hint.number)).collect();
        sqlx::query!(
            "insert into page_hints (letter_id, place, kind, of_code, number)
             select $1, place, kind, of_code, number
             from unnest($2::text[], $3::bool[], $4::bytea[])
                 with ordinality as new (kind, of_code, number, place)
             on conflict (letter_id, place) do nothing",
            letter.0,
            &kinds,
            &of_code,
            &numbers,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
