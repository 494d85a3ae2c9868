//! What fax numbers are called: by the team of a channel, and in each room.

use time::OffsetDateTime;

use super::{EventStep, InRow as _, Store, StoreError, seal::Purpose};
use crate::model::{ChannelName, ConversationId};

/// An open room of a fax number. Without `Debug`: names do not print.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomOfNumber {
    /// Its row in `rooms`.
    pub id: i64,
    pub room_id: String,
    pub correspondent: String,
    /// What the channel's team calls the number.
    pub team_name: Option<String>,
    /// What the ghost is called in the room, if it was ever called other than by its number.
    pub ghost_name: Option<String>,
}

impl EventStep<'_> {
    /// The team calls the number of a conversation so, in all rooms that the channel has with it; without
    /// a name it calls it nothing any more.
    pub async fn name_number(
        &mut self,
        conversation: ConversationId,
        name: Option<&str>,
        speaker: &str,
    ) -> Result<(), StoreError> {
        let sealed = name.map(|name| self.store.seal.close(Purpose::FaxName, name.as_bytes()));
        sqlx::query!(
            "insert into fax_names (channel, correspondent_id, name, set_by, set_at)
             select channel, correspondent_id, $2, $3, $4
             from conversations
             where id = $1
             on conflict (channel, correspondent_id) do update
             set name = excluded.name,
                 set_by = excluded.set_by,
                 set_at = excluded.set_at,
                 is_shown = false",
            conversation.0,
            sealed,
            speaker,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

impl Store {
    /// What its channel's team calls the correspondent of a conversation.
    pub async fn team_name(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query!(
            r#"select named.correspondent_id, named.name as "name!"
             from conversations as conversation
             join fax_names as named
                 on named.channel = conversation.channel
                and named.correspondent_id = conversation.correspondent_id
             where conversation.id = $1
               and named.name is not null"#,
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let name = self.open_text(Purpose::FaxName, &row.name);
        Ok(Some(name.in_row(row.correspondent_id)?))
    }

    /// The open rooms that a channel has with fax numbers, in the order of their rows, from behind `after`.
    /// `all`: otherwise only those whose number was named since.
    pub async fn fax_rooms(
        &self,
        channel: &ChannelName,
        all: bool,
        after: i64,
        limit: i64,
    ) -> Result<Vec<RoomOfNumber>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 portal.id,
                 portal.room_id as "room_id!",
                 correspondent.key,
                 named.name as "team_name?",
                 portal.ghost_name
             from rooms as portal
             join conversations as conversation on conversation.id = portal.conversation_id
             join correspondents as correspondent
                 on correspondent.id = conversation.correspondent_id
             left join fax_names as named
                 on named.channel = conversation.channel
                and named.correspondent_id = conversation.correspondent_id
             where conversation.channel = $1
               and correspondent.kind = 'fax'
               and portal.state = 'open'
               and portal.room_id is not null
               and portal.id > $3
               and ($2 or not coalesce(named.is_shown, true))
             order by portal.id
             limit $4"#,
            channel.as_str(),
            all,
            after,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut rooms = Vec::new();
        for row in rows {
            let open = |sealed: Option<Vec<u8>>| {
                let opened = sealed.map(|sealed| self.open_text(Purpose::FaxName, &sealed));
                opened.transpose().in_row(row.id)
            };
            rooms.push(RoomOfNumber {
                id: row.id,
                room_id: row.room_id,
                correspondent: row.key,
                team_name: open(row.team_name)?,
                ghost_name: open(row.ghost_name)?,
            });
        }
        Ok(rooms)
    }

    /// The ghost of a room is called so there.
    pub async fn ghost_is_named(&self, room: i64, name: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update rooms set ghost_name = $2 where id = $1",
            room,
            self.seal.close(Purpose::FaxName, name.as_bytes()),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The rooms of a channel show every name that was set until `until`.
    pub async fn names_are_shown(
        &self,
        channel: &ChannelName,
        until: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update fax_names
             set is_shown = true
             where channel = $1
               and not is_shown
               and set_at <= $2",
            channel.as_str(),
            until,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
