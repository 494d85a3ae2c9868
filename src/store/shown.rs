//! What lies in a room that no human could read: noted before it is said, said once more when
//! somebody can read it, and an alarm when nobody comes.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Job, Store, StoreError, jobs, parked, parked::ParkedKind};
use crate::model::{ChannelName, ConversationId, Notice};

/// How often something is said once more. Each time there was somebody who could have read it, so
/// more repeats help nobody.
pub(super) const AGAIN_MAX: i32 = 3;

/// Posts said once more in one go.
const AGAIN_AT_ONCE: i64 = 100;

/// Conversations woken at a start because something in their rooms was shown to nobody.
const UNSHOWN_ROOMS_MAX: i64 = 1000;

/// Why a portal that nobody has joined is parked.
const NOBODY_JOINED: &str = "nobody_joined";

/// Why a portal is parked when only members who can read nothing have joined.
const NOBODY_CAN_READ: &str = "nobody_can_read";

impl Store {
    /// Notes, before it is said, that a post of a letter goes where no human's device can read it.
    pub async fn post_is_unshown(&self, txn_id: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update posts
             set unshown = true
             where txn_id = $1
               and letter_id is not null
               and replaces is null",
            txn_id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Posts that were tried when nobody could read them, and are in their rooms in a readable
    /// form.
    pub async fn posts_are_shown(&self, txn_ids: &[String]) -> Result<(), StoreError> {
        if txn_ids.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "update posts
             set unshown = false
             where txn_id = any ($1)
               and unshown
               and not repeated",
            txn_ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether something was said in the rooms of a conversation that nobody could read.
    pub async fn has_unshown(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from posts
                 where conversation_id = $1
                   and unshown
                   and not repeated
                   and state = 'sent'
                   and again < $2
             ) as "has!""#,
            conversation.0,
            AGAIN_MAX,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Whether something was said in an earlier room of a conversation that nobody could read.
    pub async fn has_unshown_before(
        &self,
        conversation: ConversationId,
        portal: i64,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from posts
                 join rooms on rooms.id = $3
                 where posts.conversation_id = $1
                   and unshown
                   and not repeated
                   and posts.state = 'sent'
                   and again < $2
                   and sent_at < rooms.created_at
             ) as "has!""#,
            conversation.0,
            AGAIN_MAX,
            portal,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Says once more what nobody could read, after a word that explains it: all of it, or what was
    /// said before the room of a portal was made. Returns how many posts that are.
    pub async fn repeat_unshown(
        &self,
        conversation: ConversationId,
        before: Option<i64>,
        notice: &Notice,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let unshown = sqlx::query!(
            "select id, txn_id
             from posts
             where conversation_id = $1
               and unshown
               and not repeated
               and state = 'sent'
               and again < $2
               and ($4::bigint is null
                   or sent_at < (select created_at from rooms where rooms.id = $4))
             order by id
             limit $3
             for update",
            conversation.0,
            AGAIN_MAX,
            AGAIN_AT_ONCE,
            before,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let Some(first) = unshown.first() else { return Ok(0) };
        let txn_id = format!("z{}", first.txn_id);
        self.insert_bot_post(&mut transaction, conversation, &txn_id, notice).await?;
        let ids: Vec<i64> = unshown.iter().map(|post| post.id).collect();
        // Its name is made of the old name: a database restored from an older copy finds it.
        sqlx::query!(
            "insert into posts
                 (conversation_id, letter_id, speaker, substance, txn_id, content, file_index, made,
                  media, again, state, event_id, sent_at, echoed_at)
             select post.conversation_id, post.letter_id, post.speaker, post.substance,
                 post.txn_id || 'r', post.content, post.file_index, post.made, post.media, post.again + 1,
                 case when found.event_id is null then 'pending' else 'sent' end,
                 found.event_id, found.found_at, found.found_at
             from posts as post
             left join found_posts as found on found.txn_id = post.txn_id || 'r'
             where post.id = any ($1)
             order by post.id
             -- Only the repeat of a post has its name with this ending.
             on conflict (txn_id) do nothing",
            &ids,
        )
        .execute(&mut *transaction)
        .await?;
        let repeated = sqlx::query!("update posts set repeated = true where id = any ($1)", &ids)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        jobs::add(&mut transaction, &Job::SendPosts(conversation), None).await?;
        transaction.commit().await?;
        Ok(repeated)
    }

    /// The devices of these users changed: wakes the conversations in whose rooms they are and could
    /// not read anything yet, or in which something was shown to nobody.
    pub async fn wake_for_readers(&self, users: &[String]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        wake_for_readers(&mut transaction, users).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// At a start: a member may have got a device while the gateway was away.
    pub async fn wake_unshown(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversations = sqlx::query_scalar!(
            "select distinct conversation_id
             from posts
             where unshown
               and not repeated
             order by conversation_id desc
             limit $1",
            UNSHOWN_ROOMS_MAX,
        )
        .fetch_all(&mut *transaction)
        .await?;
        for conversation in conversations {
            let job = Job::SendPosts(ConversationId(conversation));
            jobs::add(&mut transaction, &job, None).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Notes, if a post belongs to a letter, that it goes into a room that no human who can read it
    /// has joined.
    pub async fn portal_is_deserted(
        &self,
        room_id: &str,
        txn_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update rooms
             set deserted_since = $3
             where room_id = $1
               and deserted_since is null
               and exists (select 1 from posts where txn_id = $2 and letter_id is not null)",
            room_id,
            txn_id,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether that is noted of a portal.
    pub async fn is_deserted(&self, room_id: &str) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from rooms
                 where room_id = $1
                   and deserted_since is not null
             ) as "is!""#,
            room_id,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Notes that somebody who can read has joined a portal. In an unencrypted portal, that shows
    /// everything that was said.
    pub async fn portal_is_attended(
        &self,
        room_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "with attended as (
                 update rooms
                 set deserted_since = null
                 where room_id = $1
                   and deserted_since is not null
                 returning id
             )
             update parked
             set resolved_at = $2,
                 resolution = 'settled'
             where kind = 'portal'
               and item_id in (select id from attended)
               and resolved_at is null",
            room_id,
            at,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "update posts
             set unshown = false
             from rooms
             where rooms.room_id = $1
               and rooms.encryption is null
               and posts.conversation_id = rooms.conversation_id
               and posts.unshown
               and not posts.repeated
               and posts.state = 'sent'
               and posts.sent_at >= rooms.created_at",
            room_id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Parks the portals of a channel in which something has lain since `before` and which no human
    /// who can read it has joined. Returns how many are new.
    pub async fn park_deserted(
        &self,
        channel: &ChannelName,
        team: &[String],
        before: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Result<usize, StoreError> {
        self.note_attended(channel, team, at).await?;
        let deserted = sqlx::query!(
            r#"select
                 portal.id,
                 exists (
                     select 1
                     from room_members as member
                     left join admitted
                         on admitted.conversation_id = portal.conversation_id
                        and admitted.user_id = member.user_id
                     where member.room_id = portal.room_id
                       and member.membership = 'join'
                       and (member.user_id = any ($3) or admitted.state = 'in')
                 ) as "is_joined!"
             from rooms as portal
             join conversations as conversation on conversation.id = portal.conversation_id
             where portal.deserted_since < $2
               and (portal.state = 'open' or portal.id in (select id from lost_portals))
               and conversation.channel = $1
               and not exists (
                   select 1
                   from parked
                   where parked.kind = 'portal'
                     and parked.item_id = portal.id
                     and parked.resolved_at is null
               )
             order by portal.id"#,
            channel.as_str(),
            before,
            team,
        )
        .fetch_all(&self.pool)
        .await?;
        for portal in &deserted {
            let mut transaction = self.pool.begin().await?;
            parked::insert(
                &mut transaction,
                ParkedKind::Portal,
                portal.id,
                channel.as_str(),
                if portal.is_joined { NOBODY_CAN_READ } else { NOBODY_JOINED },
                at,
            )
            .await?;
            transaction.commit().await?;
        }
        Ok(deserted.len())
    }

    /// Notes of unencrypted portals that somebody is there: they may have come between a look at the
    /// members and the note that nobody is there. In an encrypted portal, being there is not enough.
    async fn note_attended(
        &self,
        channel: &ChannelName,
        team: &[String],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let attended = sqlx::query_scalar!(
            r#"select portal.room_id as "room_id!"
             from rooms as portal
             join conversations as conversation on conversation.id = portal.conversation_id
             where portal.deserted_since is not null
               and portal.state = 'open'
               and portal.encryption is null
               and conversation.channel = $1
               and exists (
                   select 1
                   from room_members as member
                   left join admitted
                       on admitted.conversation_id = portal.conversation_id
                      and admitted.user_id = member.user_id
                   where member.room_id = portal.room_id
                     and member.membership = 'join'
                     and (member.user_id = any ($2) or admitted.state = 'in')
               )"#,
            channel.as_str(),
            team,
        )
        .fetch_all(&self.pool)
        .await?;
        for room in &attended {
            self.portal_is_attended(room, at).await?;
        }
        Ok(())
    }

    /// Settles what was parked about portals that are gone and in which everything was readable or was
    /// said once more, and counts what is left.
    pub async fn deserted_portals(&self, at: OffsetDateTime) -> Result<i64, StoreError> {
        sqlx::query!(
            "update parked
             set resolved_at = $1,
                 resolution = 'settled'
             from rooms
             where parked.kind = 'portal'
               and parked.resolved_at is null
               and rooms.id = parked.item_id
               and (
                   rooms.deserted_since is null
                   or rooms.state = 'gone' and rooms.id not in (select id from lost_portals)
               )",
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(sqlx::query_scalar!(
            r#"select count(*) as "count!"
             from parked
             where kind = 'portal'
               and resolved_at is null"#
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

/// The room of a portal is gone. What lies there since nobody was there who could read it was shown to
/// nobody.
pub(super) async fn lies_in_a_room_that_is_gone(
    connection: &mut PgConnection,
    portal: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update posts
         set unshown = true
         from rooms
         where rooms.id = $1
           and rooms.deserted_since is not null
           and posts.conversation_id = rooms.conversation_id
           and posts.letter_id is not null
           and posts.replaces is null
           and posts.state = 'sent'
           and not posts.repeated
           and posts.sent_at >= rooms.deserted_since
           -- What was said since lies in the next one.
           and not exists (
               select 1
               from rooms as later
               where later.conversation_id = rooms.conversation_id
                 and later.id > rooms.id
                 and later.created_at <= posts.sent_at
           )",
        portal,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn wake_for_readers(
    connection: &mut PgConnection,
    users: &[String],
) -> Result<(), sqlx::Error> {
    let conversations = sqlx::query_scalar!(
        "select distinct portal.conversation_id
         from room_members as member
         join rooms as portal on portal.room_id = member.room_id
         where member.user_id = any ($1)
           and member.membership in ('join', 'invite')
           and portal.state = 'open'
           and (
               not exists (
                   select 1
                   from room_readers as reader
                   where reader.room_id = member.room_id
                     and reader.user_id = member.user_id
                     and reader.until is null
               )
               or exists (
                   select 1
                   from posts
                   where posts.conversation_id = portal.conversation_id
                     and posts.unshown
                     and not posts.repeated
               )
               or portal.deserted_since is not null
           )",
        users,
    )
    .fetch_all(&mut *connection)
    .await?;
    for conversation in conversations.into_iter().flatten() {
        let job = Job::SendPosts(ConversationId(conversation));
        jobs::add(&mut *connection, &job, None).await?;
    }
    Ok(())
}
