//! Conversations that speakers begin: how they open, and what waits until an address is confirmed. And the
//! rooms in which the commands for it are given.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Composition, EventStep, InRow as _, Job, Previewed, Store, StoreError, StoredDispatch,
    accounts::notices_of, correspondents::open_conversation, fax_previews::wait_again, jobs,
    seal::Purpose,
};
use crate::{
    model::{
        ChannelKind, ChannelName, ConversationId, Correspondent, DeliveryState, DispatchId, Notice,
    },
    rules::starting::{AddressFacts, NEW_ADDRESS},
};

/// A conversation that a speaker begins.
#[derive(Debug, Clone, Copy)]
pub struct NewConversation<'a> {
    pub channel: &'a ChannelName,
    pub correspondent: &'a Correspondent,
    pub subject: Option<&'a str>,
    /// The command's event.
    pub event_id: &'a str,
    /// The first words in its room.
    pub opening: &'a Notice,
    /// Everything with this correspondent has one room.
    pub is_only_one: bool,
}

/// What became of a command that begins a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    Now(ConversationId),
    /// There is one with this correspondent, in this room once it is open.
    Before(ConversationId, Option<String>),
}

/// A conversation that a speaker began. Without `Debug`: a subject does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct StartedConversation {
    pub subject: Option<String>,
}

/// What the confirmation of an address comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressConfirmation {
    /// What waits leaves from now on.
    Now,
    Before,
    /// The address did not stand in the room before the command.
    NotShown,
}

/// The name of the first post in the room of a conversation that this command began.
fn opening_name(event_id: &str) -> String {
    format!("s{event_id}")
}

impl EventStep<'_> {
    /// Begins a conversation, once for each command, and says the first words in its room.
    pub async fn begin_conversation(
        &mut self,
        new: NewConversation<'_>,
    ) -> Result<Begun, StoreError> {
        let begun =
            sqlx::query_scalar!("select id from conversations where started_in = $1", new.event_id)
                .fetch_optional(&mut *self.transaction)
                .await?;
        if let Some(id) = begun {
            return Ok(Begun::Now(ConversationId(id)));
        }
        // One command after the other: each sees what the one before it began.
        sqlx::query!(
            "select channel from channels where channel = $1 for no key update",
            new.channel.as_str()
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        if new.is_only_one
            && let Some(there) = newest_with(&mut self.transaction, &new).await?
        {
            return Ok(there);
        }
        let connection = &mut self.transaction;
        let id = open_conversation(connection, new.channel, new.correspondent, self.at).await?;
        let subject = new
            .subject
            .map(|subject| self.store.seal.close(Purpose::StartedSubject, subject.as_bytes()));
        sqlx::query!(
            "update conversations
             set started_in = $2,
                 subject = $3
             where id = $1",
            id.0,
            new.event_id,
            subject,
        )
        .execute(&mut *self.transaction)
        .await?;
        self.say(id, &opening_name(new.event_id), new.opening).await?;
        Ok(Begun::Now(id))
    }

    /// A speaker confirms the address of a conversation: what waits there leaves. It counts only where the
    /// address stood in the room before the command.
    pub async fn confirm_address(
        &mut self,
        conversation: ConversationId,
        (event_id, speaker): (&str, &str),
    ) -> Result<AddressConfirmation, StoreError> {
        if !self.address_stood_before(conversation, event_id).await? {
            return Ok(AddressConfirmation::NotShown);
        }
        let is_first = sqlx::query!(
            "insert into settled_doubts as known
                 (conversation_id, doubt, settled_at, settled_in, settled_by)
             values ($1, $2, $3, $4, $5)
             on conflict (conversation_id, doubt) do update
             set settled_at = excluded.settled_at,
                 settled_in = excluded.settled_in,
                 settled_by = excluded.settled_by
             where was_taken_back(known.settled_in)",
            conversation.0,
            NEW_ADDRESS,
            self.at,
            event_id,
            speaker,
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected()
            == 1;
        if !is_first {
            return Ok(AddressConfirmation::Before);
        }
        let waiting = sqlx::query_scalar!(
            "select id
             from dispatches
             where conversation_id = $1
               and state = 'previewed'
             order by id
             for update",
            conversation.0,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        for dispatch in waiting {
            wait_again(&mut self.transaction, dispatch).await?;
        }
        jobs::add(&mut self.transaction, &Job::HandOver(conversation), None).await?;
        Ok(AddressConfirmation::Now)
    }

    /// Whether the first words of a conversation were in the room when an event was written, by the order
    /// of `/sync`.
    async fn address_stood_before(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from conversations as conversation
                 join posts as post
                     on post.conversation_id = conversation.id
                    and post.txn_id = 's' || conversation.started_in
                 left join room_events as echo on echo.event_id = post.event_id
                 where conversation.id = $1
                   and post.state = 'sent'
                   -- An echo that is not there any more came long ago.
                   and case
                       when echo.id is null then post.echoed_at is not null
                       else echo.place < coalesce(
                           (select place from room_events where event_id = $2),
                           9223372036854775807
                       )
                   end
             ) as "stood!""#,
            conversation.0,
            event_id,
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }

    /// The command that confirmed an address was taken back. Whether something still leaves is asked where
    /// it leaves. `false`: this event confirmed none.
    pub async fn address_taken_back(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<bool, StoreError> {
        let is_one = sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from settled_doubts
                 where conversation_id = $1
                   and doubt = $2
                   and settled_in = $3
             ) as "is_one!""#,
            conversation.0,
            NEW_ADDRESS,
            event_id,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        if is_one {
            jobs::add(&mut self.transaction, &Job::HandOver(conversation), None).await?;
        }
        Ok(is_one)
    }
}

/// The newest conversation with a correspondent, with its open room.
async fn newest_with(
    connection: &mut PgConnection,
    new: &NewConversation<'_>,
) -> Result<Option<Begun>, sqlx::Error> {
    let newest = sqlx::query!(
        r#"select conversation.id, portal.room_id as "room_id?"
         from conversations as conversation
         join correspondents as correspondent
             on correspondent.id = conversation.correspondent_id
         left join rooms as portal
             on portal.conversation_id = conversation.id
            and portal.state = 'open'
         where conversation.channel = $1
           and correspondent.kind = $2
           and correspondent.key = $3
           and conversation.joined_into is null
         order by conversation.id desc
         limit 1"#,
        new.channel.as_str(),
        new.correspondent.kind().word(),
        &*new.correspondent.key(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(newest.map(|newest| Begun::Before(ConversationId(newest.id), newest.room_id)))
}

impl Store {
    /// What a conversation is about that a speaker began; nothing where a letter did.
    pub async fn started_conversation(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<StartedConversation>, StoreError> {
        let sealed = sqlx::query_scalar!(
            "select subject
             from conversations
             where id = $1
               and started_in is not null",
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let open = |sealed: Vec<u8>| {
            self.open_text(Purpose::StartedSubject, &sealed).in_row(conversation.0)
        };
        Ok(Some(StartedConversation { subject: sealed.map(open).transpose()? }))
    }

    /// What is known of the address of a conversation that a speaker began; nothing where a letter did.
    pub async fn address_of_started(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<AddressFacts>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 channel,
                 correspondent.kind,
                 correspondent.key,
                 exists (
                     select 1
                     from settled_doubts as settled
                     where settled.conversation_id = conversation.id
                       and settled.doubt = $2
                       and not was_taken_back(settled.settled_in)
                 ) as "is_confirmed!"
             from conversations as conversation
             join correspondents as correspondent
                 on correspondent.id = conversation.correspondent_id
             where conversation.id = $1
               and started_in is not null"#,
            conversation.0,
            NEW_ADDRESS,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let facts = self.address_facts((&row.channel, &row.kind, &row.key)).await?;
        Ok(Some(AddressFacts { is_confirmed: row.is_confirmed, ..facts }))
    }

    /// What a channel has known of an address so far; no conversation is asked.
    pub async fn address_known(
        &self,
        channel: &ChannelName,
        correspondent: &Correspondent,
    ) -> Result<AddressFacts, StoreError> {
        let (kind, key) = (correspondent.kind().word(), correspondent.key());
        self.address_facts((channel.as_str(), kind, &key)).await
    }

    /// A letter that waits to be released vouches for no address: anybody may have written it.
    async fn address_facts(
        &self,
        (channel, kind, key): (&str, &str, &str),
    ) -> Result<AddressFacts, StoreError> {
        let row = sqlx::query!(
            r#"with known as (
                 select conversation.id
                 from conversations as conversation
                 join correspondents as correspondent
                     on correspondent.id = conversation.correspondent_id
                 where conversation.channel = $1
                   and correspondent.kind = $2
                   and correspondent.key = $3
             )
             select
                 exists (
                     select 1
                     from letters as letter
                     where letter.conversation_id in (select id from known)
                       and (letter.kept_back is distinct from 'withheld'
                           or letter.released_at is not null)
                 ) as "has_written!",
                 exists (
                     select 1
                     from dispatches as dispatch
                     left join letters as letter on letter.id = dispatch.letter_id
                     where dispatch.conversation_id in (select id from known)
                       and dispatch.state = any ($4)
                       -- It went to whom the letter named.
                       and (letter.answer_to is null or dispatch.receipt_as is not null)
                 ) as "was_reached!""#,
            channel,
            kind,
            key,
            &DeliveryState::words_of(DeliveryState::was_taken),
        )
        .fetch_one(&self.pool)
        .await?;
        let (has_written, was_reached) = (row.has_written, row.was_reached);
        Ok(AddressFacts { has_written, was_reached, is_confirmed: false })
    }

    /// Lets a dispatch wait until its address is confirmed, if the room still shows what it says, and tells
    /// that at its message, once.
    pub async fn wait_for_address(
        &self,
        attempt: &StoredDispatch,
        composed: &Composition,
        notice: &Notice,
    ) -> Result<Previewed, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let became = self.wait_for_person(&mut transaction, attempt, composed).await?;
        if became == Previewed::Waits && !was_told(&mut transaction, attempt.id).await? {
            let conversation = attempt.conversation.0;
            self.insert_notice(&mut transaction, conversation, attempt.id, notice).await?;
        }
        transaction.commit().await?;
        Ok(became)
    }

    /// Channels whose room has not said yet what can be done there.
    pub async fn channels_to_welcome(
        &self,
        channels: &[ChannelName],
    ) -> Result<Vec<String>, StoreError> {
        let names: Vec<String> = channels.iter().map(ToString::to_string).collect();
        Ok(sqlx::query_scalar!(
            r#"select channel as "channel!"
             from unnest($1::text[]) as channel
             where not exists (
                 select 1
                 from channel_notices as notices
                 where notices.channel = channel.channel
                   and notices.welcomed_at is not null
             )"#,
            &names,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Says in the room of a channel, once, what can be done there; the room is made for it.
    pub async fn welcome_team(
        &self,
        (channel, kind): (&ChannelName, ChannelKind),
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversation = notices_of(&mut transaction, channel, kind, at).await?;
        let is_first = sqlx::query!(
            "update channel_notices
             set welcomed_at = $2
             where channel = $1
               and welcomed_at is null",
            channel.as_str(),
            at,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if is_first {
            self.say_once(&mut transaction, conversation, 'a', notice).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether its room was told anything of a dispatch.
async fn was_told(
    connection: &mut PgConnection,
    dispatch: DispatchId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from posts where dispatch_id = $1) as "told!""#,
        dispatch.0,
    )
    .fetch_one(connection)
    .await
}
