//! What a room was told about its members, and which members miss letters.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::model::{ConversationId, Notice};
use crate::store::{Store, StoreError};

/// How often a day a room is told the same about a member that comes and goes, and how often a
/// stranger is answered.
const TOLD_A_DAY_MAX: i32 = 3;

/// About how many strangers a day a room is told one by one. More of them are no accident, and one
/// more name helps nobody.
pub const STRANGERS_A_DAY_MAX: i64 = 20;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a room is told about a member, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldOf<'a> {
    /// It is there although no speaker let it in.
    Stranger,
    /// There are more strangers than the room is told of one by one.
    Strangers,
    /// It has this other identity.
    Identity(&'a str),
    /// It should go, and cannot be removed.
    Stays,
    /// Its homeserver does not know it.
    Unknown,
    /// The database is a copy: the room is asked whether it was sent out since.
    Asked,
    /// It was let in, and cannot be invited.
    Refused,
}

impl ToldOf<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Strangers => "strangers",
            Self::Identity(_) => "identity",
            Self::Stays => "stays",
            Self::Unknown => "unknown",
            Self::Asked => "asked",
            Self::Refused => "refused",
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::Identity(key) => key,
            Self::Stranger
            | Self::Strangers
            | Self::Stays
            | Self::Unknown
            | Self::Asked
            | Self::Refused => "",
        }
    }
}

impl Store {
    /// Tells a room something about a member: once, and several times a day when it went and is there
    /// again.
    pub async fn tell_of_member(
        &self,
        conversation: ConversationId,
        (room_id, user_id): (&str, &str),
        about: ToldOf<'_>,
        txn_id: &str,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let (what, detail) = (about.word(), about.detail());
        let is_news = note_told(&mut transaction, (room_id, user_id), what, detail, at).await?;
        let is_told = is_news
            && (about != ToldOf::Stranger
                || strangers_told(&mut transaction, room_id, at).await? <= STRANGERS_A_DAY_MAX);
        if is_told {
            self.insert_bot_post(&mut transaction, conversation, txn_id, notice).await?;
        }
        transaction.commit().await?;
        Ok(is_told)
    }

    /// How many strangers a room was told of within a day.
    pub async fn strangers_told(
        &self,
        room_id: &str,
        at: OffsetDateTime,
    ) -> Result<i64, StoreError> {
        Ok(strangers_told(&mut *self.pool.acquire().await?, room_id, at).await?)
    }

    /// A stranger asks something. Whether it is answered: a few times a day.
    pub async fn answers_stranger(
        &self,
        room_id: &str,
        user_id: &str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(note_told(&mut connection, (room_id, user_id), "answered", "", at).await?)
    }

    /// A user has left a room: if it comes again, that is news again.
    pub async fn forget_told(&self, room_id: &str, user_id: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update told_of_members
             set is_gone = true
             where room_id = $1
               and user_id = $2
               and what <> 'identity'",
            room_id,
            user_id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Members who get a key for what is written in a room for the first time, or for the first time
    /// after a while in which they did not belong there, with how many letters came meanwhile that
    /// others could read and they cannot.
    pub async fn readers_came(
        &self,
        room_id: &str,
        users: &[String],
        at: OffsetDateTime,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"with before as (
                 select user_id, until
                 from room_readers
                 where room_id = $1
                   and user_id = any ($2)
             ),
             came as (
                 insert into room_readers as reader (room_id, user_id, since)
                 select $1, user_id, $3
                 from unnest($2::text[]) as user_id
                 on conflict (room_id, user_id) do update
                 set since = excluded.since,
                     until = null
                 where reader.until is not null
                 returning user_id
             )
             select
                 came.user_id as "user_id!",
                 (
                     select count(distinct post.letter_id)
                     from rooms as portal
                     join posts as post on post.conversation_id = portal.conversation_id
                     where portal.room_id = $1
                       and post.letter_id is not null
                       and post.substance = 'content'
                       and post.state = 'sent'
                       and not post.unshown
                       and post.sent_at >= greatest(portal.created_at, before.until)
                 ) as "letters!"
             from came
             left join before on before.user_id = came.user_id"#,
            room_id,
            users,
            at,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.user_id, row.letters)).collect())
    }
}

/// Notes that a room is told something about a user. `false`: it was told before, and that is no
/// news, or was told too often within a day.
async fn note_told(
    connection: &mut PgConnection,
    (room_id, user_id): (&str, &str),
    what: &str,
    detail: &str,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let noted = sqlx::query!(
        "insert into told_of_members as told (room_id, user_id, what, detail, told_at)
         values ($1, $2, $3, $4, $5)
         on conflict (room_id, user_id, what, detail) do update
         set times = case when told.told_at <= $6 then 1 else told.times + 1 end,
             told_at = excluded.told_at,
             is_gone = false
         where (told.is_gone or told.what in ('strangers', 'answered'))
           and (told.times < $7 or told.told_at <= $6)",
        room_id,
        user_id,
        what,
        detail,
        at,
        at - DAY,
        TOLD_A_DAY_MAX,
    )
    .execute(connection)
    .await?
    .rows_affected();
    Ok(noted == 1)
}

async fn strangers_told(
    connection: &mut PgConnection,
    room_id: &str,
    at: OffsetDateTime,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!"
         from told_of_members
         where room_id = $1
           and what = 'stranger'
           and told_at > $2"#,
        room_id,
        at - DAY,
    )
    .fetch_one(connection)
    .await
}
