//! The room of a conversation, and who is in it.

use ruma::RoomId;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Damaged, Harm, Job, Moment, Store, StoreError, jobs, shown};
use crate::model::{ChannelName, ConversationId};

/// A room, or the intention to make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Portal {
    pub id: i64,
    pub conversation: ConversationId,
    /// What makes the room's alias its own, saved before createRoom is first tried.
    pub alias_token: Uuid,
    pub room_id: Option<String>,
    pub state: PortalState,
    /// Team members who were invited once.
    pub invited: Vec<String>,
    /// Whether an earlier room of the conversation is gone.
    pub continues: bool,
    /// Since when its room is known to be upgraded.
    pub upgraded_at: Option<OffsetDateTime>,
    /// The room's `m.room.encryption`, once it is known.
    pub encryption: Option<Value>,
    /// The room may hold posts that the database does not know.
    pub to_compare: bool,
}

/// What a conversation began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The mailbox's own name for its first letter.
    pub mail_key: String,
    /// What tells the content of its first letter from others; nothing for letters from before
    /// mailboxes had generations.
    pub content: Option<Vec<u8>>,
    /// How many rooms it has had.
    pub rooms: i64,
    /// How often its first letter went from one conversation into another one.
    pub moves: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortalState {
    /// Its alias is fixed; the room may or may not exist.
    Opening,
    /// The room exists, ghost and bot are in it.
    Open,
}

impl PortalState {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "opening" => Some(Self::Opening),
            "open" => Some(Self::Open),
            _ => None,
        }
    }
}

impl Store {
    /// Makes the portal of a conversation that has none.
    pub async fn add_portal(
        &self,
        conversation: ConversationId,
        token: Uuid,
        at: OffsetDateTime,
    ) -> Result<Portal, StoreError> {
        sqlx::query!(
            "insert into rooms (conversation_id, alias_token, created_at)
             values ($1, $2, $3)
             on conflict (conversation_id) where state <> 'gone' do nothing",
            conversation.0,
            token,
            at,
        )
        .execute(&self.pool)
        .await?;
        self.portal(conversation).await?.ok_or(sqlx::Error::RowNotFound.into())
    }

    /// What a conversation began with; nothing when it has no letter.
    pub async fn beginning(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<Beginning>, StoreError> {
        Ok(sqlx::query_as!(
            Beginning,
            r#"select
                 mail_key,
                 case when digest is not null then coalesce(fingerprint, digest) end as content,
                 (select count(*) from rooms where conversation_id = $1) as "rooms!",
                 (select count(*) from moves where moves.letter_id = letters.id) as "moves!"
             from letters
             where conversation_id = $1
             order by id
             limit 1"#,
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The portal of a conversation. If it is damaged, the result is [`StoreError::Damaged`] with
    /// its row.
    pub async fn portal(&self, conversation: ConversationId) -> Result<Option<Portal>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 portal.id,
                 portal.alias_token,
                 portal.room_id,
                 portal.state,
                 portal.invited as "invited: Vec<Option<String>>",
                 portal.upgraded_at as "upgraded_at: Moment",
                 portal.encryption::text as encryption,
                 portal.to_compare,
                 exists (
                     select 1
                     from rooms as earlier
                     where earlier.conversation_id = portal.conversation_id
                       and earlier.state = 'gone'
                       and earlier.room_id is not null
                 ) as "continues!"
             from rooms as portal
             where portal.conversation_id = $1
               and portal.state <> 'gone'"#,
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let damaged = |column, why| Damaged::new("rooms", column, row.id, why);
        let room_id = row.room_id.as_deref();
        if room_id.is_some_and(|room_id| <&RoomId>::try_from(room_id).is_err()) {
            return Err(damaged("room_id", Harm::Name).into());
        }
        let encryption = row.encryption.as_deref().map(serde_json::from_str).transpose();
        Ok(Some(Portal {
            id: row.id,
            conversation,
            alias_token: row.alias_token,
            room_id: row.room_id,
            state: PortalState::from_word(&row.state)
                .ok_or_else(|| damaged("state", Harm::Word))?,
            // Nobody is invited twice for one reason; a missing name costs an invitation.
            invited: row.invited.into_iter().flatten().collect(),
            continues: row.continues,
            upgraded_at: row
                .upgraded_at
                .map(|at| at.read("rooms", "upgraded_at", row.id))
                .transpose()?,
            encryption: encryption.map_err(|_| damaged("encryption", Harm::Form))?,
            to_compare: row.to_compare,
        }))
    }

    /// Notes the room of a portal as soon as it exists, and wakes the reading of its events: some
    /// may have come before we knew what the room is. Also notes how it is encrypted, if that is
    /// known.
    pub async fn portal_has_room(
        &self,
        portal: i64,
        room_id: &str,
        encryption: Option<&Value>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "update rooms
             set room_id = $2,
                 encryption = coalesce($3, encryption)
             where id = $1",
            portal,
            room_id,
            encryption,
        )
        .execute(&mut *transaction)
        .await?;
        jobs::add(&mut transaction, &Job::ReadRoom(room_id.to_owned()), None).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The same for a room that was there already: the next flow compares it first.
    pub async fn portal_has_found_room(
        &self,
        portal: i64,
        room_id: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!("update rooms set to_compare = true where id = $1", portal)
            .execute(&self.pool)
            .await?;
        self.portal_has_room(portal, room_id, None).await
    }

    /// Notes that all of our posts in the room of a portal are known.
    pub async fn portal_is_compared(&self, portal: i64) -> Result<(), StoreError> {
        sqlx::query!("update rooms set to_compare = false where id = $1", portal)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes how the room of a portal is encrypted.
    pub async fn portal_is_encrypted(
        &self,
        portal: i64,
        encryption: &Value,
    ) -> Result<(), StoreError> {
        sqlx::query!("update rooms set encryption = $2 where id = $1", portal, encryption)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The same, as an event of the room tells it. An encrypted room stays encrypted.
    pub async fn room_is_encrypted(
        &self,
        room_id: &str,
        encryption: &Value,
    ) -> Result<(), StoreError> {
        sqlx::query!("update rooms set encryption = $2 where room_id = $1", room_id, encryption)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes that ghost and bot are in, unless the portal's room is gone meanwhile.
    pub async fn portal_is_open(&self, portal: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "update rooms set state = 'open' where id = $1 and state = 'opening'",
            portal,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that the room cannot be used any more; the next post opens another.
    pub async fn portal_is_gone(&self, portal: i64) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("update rooms set state = 'gone' where id = $1", portal)
            .execute(&mut *transaction)
            .await?;
        shown::lies_in_a_room_that_is_gone(&mut transaction, portal).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that the room of a portal was upgraded, and wakes the flow that follows it.
    pub async fn portal_upgraded(
        &self,
        room_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversation = sqlx::query_scalar!(
            "update rooms
             set upgraded_at = coalesce(upgraded_at, $2)
             where room_id = $1
               and state <> 'gone'
             returning conversation_id",
            room_id,
            at,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(conversation) = conversation.flatten() {
            let job = Job::SendPosts(ConversationId(conversation));
            jobs::add(&mut transaction, &job, None).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Follows an upgraded room: the conversation goes on in `replacement`, whose members the
    /// gateway still has to join and invite. Members who had left the old room are not invited
    /// again. Repeating it changes nothing.
    pub async fn portal_moved(
        &self,
        portal: i64,
        replacement: &str,
        token: Uuid,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let moved = sqlx::query!(
            "update rooms
             set state = 'gone'
             where id = $1
               and state <> 'gone'
             returning kind, channel, conversation_id, room_id, invited",
            portal,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(moved) = moved {
            shown::lies_in_a_room_that_is_gone(&mut transaction, portal).await?;
            sqlx::query!(
                "insert into rooms
                     (conversation_id, alias_token, room_id, invited, created_at, kind, channel)
                 select
                     $1,
                     $2,
                     $3,
                     coalesce(array_agg(user_id), '{}'),
                     $4,
                     $7,
                     $8
                 from room_members
                 where room_id = $5
                   and membership in ('leave', 'ban')
                   -- Who was never one of the readers is a stranger in the new room, too.
                   and user_id = any ($6)",
                moved.conversation_id,
                token,
                replacement,
                at,
                moved.room_id,
                &moved.invited,
                moved.kind,
                moved.channel,
            )
            .execute(&mut *transaction)
            .await?;
            if let Some(conversation) = moved.conversation_id {
                let job = Job::SendPosts(ConversationId(conversation));
                jobs::add(&mut transaction, &job, None).await?;
            }
            let job = Job::ReadRoom(replacement.to_owned());
            jobs::add(&mut transaction, &job, None).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that the bot is no longer in the room of a portal, and wakes the flow that says once more
    /// what nobody could read there.
    pub async fn portal_lost_the_bot(&self, room_id: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let lost = sqlx::query!(
            "update rooms
             set state = 'gone'
             where room_id = $1
               and state <> 'gone'
             returning id, conversation_id",
            room_id,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(lost) = lost {
            shown::lies_in_a_room_that_is_gone(&mut transaction, lost.id).await?;
            if let Some(conversation) = lost.conversation_id {
                let job = Job::SendPosts(ConversationId(conversation));
                jobs::add(&mut transaction, &job, None).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Whether the portal of a conversation needs attention although nothing waits to be said: its
    /// room was upgraded or is only half taken over, a member of the team or a user let in by a
    /// speaker was not invited or can read nothing yet, a member is to be removed, something was shown
    /// to nobody, or nobody who can read was there. A conversation without a room needs another one
    /// where something was shown to nobody.
    pub async fn portal_wants_attention(
        &self,
        conversation: ConversationId,
        team: &[String],
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from rooms
                 where conversation_id = $1
                   and (
                       state <> 'gone' and upgraded_at is not null
                       or state = 'opening' and room_id is not null
                       or state = 'open' and (
                           not invited @> $2
                           or deserted_since is not null
                           or exists (
                               select 1
                               from admitted
                               where admitted.conversation_id = $1
                                 and admitted.state = 'in'
                                 and not admitted.user_id = any (invited)
                           )
                           or exists (
                               select 1
                               from former_members as former
                               where former.conversation_id = $1
                                 and former.room_id = rooms.room_id
                                 and not former.user_id = any ($2)
                           )
                           or exists (
                               select 1
                               from posts
                               where posts.conversation_id = $1
                                 and posts.unshown
                                 and not posts.repeated
                           )
                           or exists (
                               select 1
                               from room_members as member
                               left join room_readers as reader
                                   on reader.room_id = member.room_id
                                  and reader.user_id = member.user_id
                                  and reader.until is null
                               where member.room_id = rooms.room_id
                                 and member.membership in ('join', 'invite')
                                 and reader.user_id is null
                                 and (
                                     member.user_id = any ($2)
                                     or exists (
                                         select 1
                                         from admitted
                                         where admitted.conversation_id = $1
                                           and admitted.user_id = member.user_id
                                           and admitted.state = 'in'
                                     )
                                 )
                           )
                       )
                   )
             )
             or not exists (
                 select 1
                 from rooms
                 where conversation_id = $1
                   and state <> 'gone'
             )
             and exists (
                 select 1
                 from posts
                 where conversation_id = $1
                   and unshown
                   and not repeated
                   and state = 'sent'
                   and again < $3
             ) as "wants!""#,
            conversation.0,
            team,
            shown::AGAIN_MAX,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Wakes the conversations of a channel in whose open room a member of the team was never
    /// invited, the newest `limit` of those that had a letter after `since`; and those from whose
    /// room a member has to go, the newest `limit`, however old.
    pub async fn wake_for_newcomers(
        &self,
        channel: &ChannelName,
        team: &[String],
        since: OffsetDateTime,
        limit: i64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversations = sqlx::query_scalar!(
            "select conversation.id
             from conversations as conversation
             join rooms as portal on portal.conversation_id = conversation.id
             where conversation.channel = $1
               and portal.state = 'open'
               and not portal.invited @> $2
               and exists (
                   select 1
                   from letters
                   where letters.conversation_id = conversation.id
                     and letters.received_at > $3
               )
             order by conversation.id desc
             limit $4",
            channel.as_str(),
            team,
            since,
            limit,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let with_former = sqlx::query_scalar!(
            r#"select distinct former.conversation_id as "conversation_id!"
             from former_members as former
             join conversations as conversation on conversation.id = former.conversation_id
             where conversation.channel = $1
               and not former.user_id = any ($2)
             order by 1 desc
             limit $3"#,
            channel.as_str(),
            team,
            limit,
        )
        .fetch_all(&mut *transaction)
        .await?;
        for conversation in conversations.into_iter().chain(with_former) {
            let job = Job::SendPosts(ConversationId(conversation));
            jobs::add(&mut transaction, &job, None).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The conversation of a room, if the room is (or was) a portal.
    pub async fn conversation_of_room(
        &self,
        room_id: &str,
    ) -> Result<Option<ConversationId>, StoreError> {
        Ok(sqlx::query_scalar!("select conversation_id from rooms where room_id = $1", room_id)
            .fetch_optional(&self.pool)
            .await?
            .flatten()
            .map(ConversationId))
    }

    /// Also notes who was invited, so that nobody is invited twice for one reason.
    pub async fn portal_invited(&self, portal: i64, invited: &[String]) -> Result<(), StoreError> {
        sqlx::query!(
            "update rooms
             set invited = (
                 select coalesce(array_agg(distinct user_id order by user_id), '{}')
                 from unnest(invited || $2::text[]) as user_id
             ),
             former = array(
                 select user_id
                 from unnest(former) as user_id
                 where not user_id = any ($2)
             )
             where id = $1",
            portal,
            invited,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
