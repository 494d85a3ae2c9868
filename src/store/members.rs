//! Who is in a portal, which users a speaker let in, and what a room was told about its members.

mod told;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::{
    model::{ChannelName, ConversationId},
    rules::audience::Admitted,
};
pub use told::{STRANGERS_A_DAY_MAX, ToldOf};

/// A user who has joined a portal or is invited, with everything that decides how it is treated
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentMember {
    pub user_id: String,
    /// If not, it is invited.
    pub has_joined: bool,
    /// We invited it ourselves a moment ago: nothing was heard, and no key given, since.
    pub is_certain: bool,
    pub admitted: Option<Admitted>,
    pub was_invited: bool,
    /// The identity that is believed, and the one seen last.
    pub identity: Option<StoredIdentity>,
    /// Whether it has had a key for what is written here, and has belonged here since.
    pub has_read: bool,
}

/// The identities of a member: the one that is believed, and the one the homeserver told of last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIdentity {
    pub pinned: String,
    pub seen: String,
}

impl Store {
    /// Notes a membership as the room tells it: the last one told counts.
    ///
    /// The event's own time is kept and orders nothing, because the author of an event chooses it: a
    /// join from the future would outlive every leave. Where events may have come out of order, the
    /// homeserver is asked before any user gets a key ([`Store::members_are`]).
    pub async fn member_is(
        &self,
        room_id: &str,
        user_id: &str,
        membership: &str,
        said_at_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into room_members (room_id, user_id, membership, said_at_ms)
             values ($1, $2, $3, $4)
             on conflict (room_id, user_id) do update
             set membership = excluded.membership,
                 said_at_ms = excluded.said_at_ms,
                 -- The room tells of the invitation that we have just sent.
                 certain = room_members.certain
                     and room_members.membership = 'invite'
                     and excluded.membership = 'invite'",
            room_id,
            user_id,
            membership,
            said_at_ms,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes who is in a room and who is invited, as the homeserver says when asked: everybody, given
    /// by user and whether it has joined. A user who is not among them has left.
    pub async fn members_are(
        &self,
        room_id: &str,
        members: &[(String, bool)],
    ) -> Result<(), StoreError> {
        let (users, joined): (Vec<String>, Vec<bool>) = members.iter().cloned().unzip();
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "insert into room_members (room_id, user_id, membership)
             select $1, user_id, case when has_joined then 'join' else 'invite' end
             from unnest($2::text[], $3::boolean[]) as present (user_id, has_joined)
             on conflict (room_id, user_id) do update
             set membership = excluded.membership,
                 certain = false",
            room_id,
            &users,
            &joined,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update room_members
             set membership = 'leave',
                 certain = false
             where room_id = $1
               and membership in ('join', 'invite')
               and user_id <> all ($2)",
            room_id,
            &users,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that we have just invited a user; what the room tells of it comes later.
    pub async fn member_was_invited(&self, room_id: &str, user_id: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into room_members (room_id, user_id, membership, certain)
             values ($1, $2, 'invite', true)
             on conflict (room_id, user_id) do update
             set membership = 'invite',
                 certain = true
             where room_members.membership <> 'join'",
            room_id,
            user_id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that we have just removed a user who does not belong here any more.
    pub async fn member_was_removed(
        &self,
        room_id: &str,
        user_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "update room_members
             set membership = 'leave',
                 certain = false
             where room_id = $1
               and user_id = $2",
            room_id,
            user_id,
        )
        .execute(&mut *transaction)
        .await?;
        is_former(&mut transaction, room_id, user_id, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that a user is gone who does not belong here any more.
    pub async fn member_is_former(
        &self,
        room_id: &str,
        user_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        is_former(&mut transaction, room_id, user_id, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// At a start: a user who is no longer in a channel's team, and was let in by no speaker, reads
    /// nothing more in its rooms, and counts as never invited to the rooms it is not in.
    pub async fn team_is(
        &self,
        channel: &ChannelName,
        team: &[String],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        stop_reading(&mut transaction, channel, team, at).await?;
        forget_invitations(&mut transaction, channel, team).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Nothing told us what happened while we were away: what is known of memberships is uncertain.
    pub async fn memberships_are_uncertain(&self) -> Result<(), StoreError> {
        sqlx::query!("update room_members set certain = false where certain")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The users we have just invited to a room get a key now. The homeserver is asked before the
    /// next key.
    pub async fn invited_get_keys(&self, room_id: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update room_members set certain = false where room_id = $1 and certain",
            room_id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Everybody who is joined or invited, as far as the room told us.
    pub async fn present_members(&self, room_id: &str) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "select user_id
             from room_members
             where room_id = $1
               and membership in ('join', 'invite')",
            room_id,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The same of a portal, with what decides about them.
    pub async fn present(&self, room_id: &str) -> Result<Vec<PresentMember>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 member.user_id,
                 member.membership = 'join' as "has_joined!",
                 member.certain,
                 admitted.state as "admitted?",
                 exists (
                     select 1
                     from rooms as room
                     where room.conversation_id = portal.conversation_id
                       and member.user_id = any (room.invited || room.former)
                 ) as "was_invited!",
                 identity.pinned as "pinned?",
                 identity.seen as "seen?",
                 reader.user_id is not null as "has_read!"
             from room_members as member
             join rooms as portal on portal.room_id = member.room_id
             left join admitted
                 on admitted.conversation_id = portal.conversation_id
                and admitted.user_id = member.user_id
             left join identities as identity on identity.user_id = member.user_id
             left join room_readers as reader
                 on reader.room_id = member.room_id
                and reader.user_id = member.user_id
                and reader.until is null
             where member.room_id = $1
               and member.membership in ('join', 'invite')"#,
            room_id,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PresentMember {
                user_id: row.user_id,
                has_joined: row.has_joined,
                is_certain: row.certain,
                // An unknown word lets nobody in.
                admitted: row
                    .admitted
                    .map(|word| Admitted::from_word(&word).unwrap_or(Admitted::Out)),
                was_invited: row.was_invited,
                identity: row
                    .pinned
                    .zip(row.seen)
                    .map(|(pinned, seen)| StoredIdentity { pinned, seen }),
                has_read: row.has_read,
            })
            .collect())
    }

    /// The users that speakers let into a conversation.
    pub async fn admitted(&self, conversation: ConversationId) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "select user_id
             from admitted
             where conversation_id = $1
               and state = 'in'
             order by user_id",
            conversation.0,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The users about whom speakers are asked again, each with the conversation and its rooms.
    pub async fn asked_anew(&self) -> Result<Vec<(ConversationId, String, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"select admitted.conversation_id, portal.room_id as "room_id!", admitted.user_id
             from admitted
             join rooms as portal on portal.conversation_id = admitted.conversation_id
             where admitted.state = 'asked'
               and portal.state = 'open'
               and portal.room_id is not null
             order by admitted.conversation_id, admitted.user_id"#
        )
        .fetch_all(&self.pool)
        .await?;
        let asked = rows
            .into_iter()
            .map(|row| (ConversationId(row.conversation_id), row.room_id, row.user_id));
        Ok(asked.collect())
    }

    /// The members who have to leave a room, as far as they may be removed; `team` may stay.
    pub async fn former_members(
        &self,
        room_id: &str,
        team: &[String],
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select user_id as "user_id!"
             from former_members
             where room_id = $1
               and not user_id = any ($2)
             order by user_id"#,
            room_id,
            team,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// A former member who was invited here is a newcomer if it belongs here again.
async fn is_former(
    connection: &mut PgConnection,
    room_id: &str,
    user_id: &str,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update rooms
         set invited = array_remove(invited, $2),
             former = array_append(former, $2)
         where room_id = $1
           and $2 = any (invited)",
        room_id,
        user_id,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update room_readers
         set until = $3
         where room_id = $1
           and user_id = $2
           and until is null",
        room_id,
        user_id,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Who is no longer in a channel's team, and was let in by no speaker, reads nothing more in its
/// rooms.
async fn stop_reading(
    connection: &mut PgConnection,
    channel: &ChannelName,
    team: &[String],
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update room_readers as reader
         set until = $3
         from rooms as portal
         join conversations as conversation on conversation.id = portal.conversation_id
         where portal.room_id = reader.room_id
           and portal.state = 'open'
           and conversation.channel = $1
           and reader.until is null
           and not reader.user_id = any ($2)
           and not exists (
               select 1
               from admitted
               where admitted.conversation_id = portal.conversation_id
                 and admitted.user_id = reader.user_id
                 and admitted.state = 'in'
           )",
        channel.as_str(),
        team,
        at,
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Who is no longer in a channel's team, and was let in by no speaker, counts as never invited to
/// the rooms they are not in.
async fn forget_invitations(
    connection: &mut PgConnection,
    channel: &ChannelName,
    team: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with gone as (
             select portal.id, array_agg(invited.user_id) as users
             from rooms as portal
             join conversations as conversation on conversation.id = portal.conversation_id
             cross join unnest(portal.invited) as invited (user_id)
             where portal.state = 'open'
               and conversation.channel = $1
               and not invited.user_id = any ($2)
               and not exists (
                   select 1
                   from admitted
                   where admitted.conversation_id = portal.conversation_id
                     and admitted.user_id = invited.user_id
                     and admitted.state = 'in'
               )
               and not exists (
                   select 1
                   from room_members as member
                   where member.room_id = portal.room_id
                     and member.user_id = invited.user_id
                     and member.membership in ('join', 'invite')
               )
             group by portal.id
         )
         update rooms
         set invited = array(
                 select user_id
                 from unnest(rooms.invited) as user_id
                 where not user_id = any (gone.users)
             ),
             former = rooms.former || gone.users
         from gone
         where rooms.id = gone.id",
        channel.as_str(),
        team,
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}
