//! Notices of the gateway: said by the bot, and replaced as a state moves on.

use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::model::{ConversationId, DispatchId, LetterId, NewPost, Notice, Substance};
use crate::store::{Job, Store, StoreError, jobs, seal::Purpose};

impl Store {
    /// Adds a post by the bot. Repeating it with the same `txn_id` changes nothing: a name is made of
    /// the event or cause that the notice is about, so the same name means the same words.
    pub async fn add_bot_post(
        &self,
        conversation: ConversationId,
        txn_id: &str,
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        self.insert_bot_post(&mut transaction, conversation, txn_id, notice).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Adds a letter as it came, posted by the bot. Repeating it with the same `txn_id` changes
    /// nothing.
    pub async fn add_original(
        &self,
        conversation: ConversationId,
        txn_id: &str,
        letter: LetterId,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        self.insert_original(&mut transaction, conversation, txn_id, letter).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(in crate::store) async fn insert_original(
        &self,
        connection: &mut PgConnection,
        conversation: ConversationId,
        txn_id: &str,
        letter: LetterId,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into posts
                 (conversation_id, letter_id, speaker, substance, txn_id, content, file_index)
             values ($1, $2, 'bot', $3, $4, $5, $6)
             -- Named after the event that asked for it.
             on conflict (txn_id) do nothing",
            conversation.0,
            letter.0,
            Substance::Content.word(),
            txn_id,
            self.close_json(Purpose::PostContent, &json!({})),
            NewPost::ORIGINAL,
        )
        .execute(&mut *connection)
        .await?;
        let job = Job::SendPosts(conversation);
        jobs::add(connection, &job, None).await
    }

    /// Those of these members, each with a mark of its devices, who were not told yet that they can
    /// read no letter in a room with them. A member who is not among them any more is forgotten: if
    /// it happens again, it is news again.
    pub async fn newly_locked_out(
        &self,
        room_id: &str,
        locked_out: &[(String, String)],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let (users, devices): (Vec<String>, Vec<String>) = locked_out.iter().cloned().unzip();
        let rows = sqlx::query!(
            r#"with readers as (
                 delete from locked_out_members
                 where room_id = $1
                   and user_id <> all ($2)
             )
             select member.user_id as "user_id!", member.devices as "devices!"
             from unnest($2::text[], $3::text[]) as member (user_id, devices)
             where not exists (
                     select 1
                     from locked_out_members as told
                     where told.room_id = $1
                       and told.user_id = member.user_id
                       and told.devices = member.devices
                 )"#,
            room_id,
            &users,
            &devices,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.user_id, row.devices)).collect())
    }

    /// Tells a member that it can read no letter in a room with the devices it has, once.
    pub async fn tell_locked_out(
        &self,
        conversation: ConversationId,
        room_id: &str,
        (user_id, devices): (&str, &str),
        txn_id: &str,
        notice: &Notice,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_news = sqlx::query!(
            "insert into locked_out_members (room_id, user_id, devices, told_at)
             values ($1, $2, $4, $3)
             on conflict (room_id, user_id) do update
             set devices = excluded.devices,
                 told_at = excluded.told_at
             where locked_out_members.devices <> excluded.devices",
            room_id,
            user_id,
            at,
            devices,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if is_news == 1 {
            self.insert_bot_post(&mut transaction, conversation, txn_id, notice).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Adds a post by the bot, under a name that no other post has, in the transaction which saves that it was
    /// said: so nothing is said twice under two names. Returns the name.
    pub(in crate::store) async fn say_once(
        &self,
        connection: &mut PgConnection,
        conversation: ConversationId,
        kind: char,
        notice: &Notice,
    ) -> Result<String, sqlx::Error> {
        let random =
            sqlx::query_scalar!(r#"select replace(gen_random_uuid()::text, '-', '') as "random!""#)
                .fetch_one(&mut *connection)
                .await?;
        let txn_id = format!("{kind}{random}");
        self.insert_bot_post(connection, conversation, &txn_id, notice).await?;
        Ok(txn_id)
    }

    pub(in crate::store) async fn insert_bot_post(
        &self,
        connection: &mut PgConnection,
        conversation: ConversationId,
        txn_id: &str,
        notice: &Notice,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into posts (conversation_id, speaker, substance, txn_id, content)
             values ($1, 'bot', $2, $3, $4)
             -- Named after what it is about: it was said before.
             on conflict (txn_id) do nothing",
            conversation.0,
            notice.substance.word(),
            txn_id,
            self.close_json(Purpose::PostContent, &notice.content),
        )
        .execute(&mut *connection)
        .await?;
        let job = Job::SendPosts(conversation);
        jobs::add(connection, &job, None).await
    }

    /// Adds a post by the bot in place of an earlier one. If there is none, or when it is repeated,
    /// nothing happens.
    pub async fn replace_bot_post(
        &self,
        conversation: ConversationId,
        earlier_txn_id: &str,
        txn_id: &str,
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let names = (earlier_txn_id, txn_id);
        self.replace_bot_post_in(&mut transaction, conversation, names, notice).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The same, within the caller's transaction: the names are those of the earlier post and of
    /// the new one.
    pub(in crate::store) async fn replace_bot_post_in(
        &self,
        connection: &mut PgConnection,
        conversation: ConversationId,
        (earlier_txn_id, txn_id): (&str, &str),
        notice: &Notice,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into posts (conversation_id, speaker, substance, txn_id, content, replaces)
             select $1, 'bot', $5, $3, $4, id
             from posts
             where txn_id = $2
             -- Named after what it is about: it was said before.
             on conflict (txn_id) do nothing",
            conversation.0,
            earlier_txn_id,
            txn_id,
            self.close_json(Purpose::PostContent, &notice.content),
            notice.substance.word(),
        )
        .execute(&mut *connection)
        .await?;
        let job = Job::SendPosts(conversation);
        jobs::add(connection, &job, None).await
    }

    /// Adds a notice about a dispatch. A later notice replaces the first in the room, unless the first
    /// answers a message that will not leave and the later one answers another message.
    pub(in crate::store) async fn insert_notice(
        &self,
        connection: &mut PgConnection,
        conversation: i64,
        dispatch: DispatchId,
        notice: &Notice,
    ) -> Result<(), sqlx::Error> {
        let replaced = self.noticed(connection, dispatch, notice).await?;
        self.insert_notice_as(connection, conversation, dispatch, notice, replaced).await
    }

    /// Adds a notice about a dispatch that the room has to hear: a new message, beside the earlier
    /// one. Later notices replace it.
    pub(in crate::store) async fn insert_new_notice(
        &self,
        connection: &mut PgConnection,
        conversation: i64,
        dispatch: DispatchId,
        notice: &Notice,
    ) -> Result<(), sqlx::Error> {
        self.insert_notice_as(connection, conversation, dispatch, notice, None).await
    }

    async fn insert_notice_as(
        &self,
        connection: &mut PgConnection,
        conversation: i64,
        dispatch: DispatchId,
        notice: &Notice,
        replaced: Option<i64>,
    ) -> Result<(), sqlx::Error> {
        // The random part of its Message-ID tells which dispatch it is about, even after the database
        // was restored from an older copy and counts its rows again. And a notice that this copy does
        // not know may say something else: so no two share a name.
        let earlier = sqlx::query!(
            r#"select
                 (select count(*) from posts where dispatch_id = dispatch.id) as "count!",
                 split_part(dispatch.message_id, '@', 1) as "name!",
                 substr(md5(gen_random_uuid()::text), 1, 8) as "random!"
             from dispatches as dispatch
             where dispatch.id = $1"#,
            dispatch.0,
        )
        .fetch_one(&mut *connection)
        .await?;
        sqlx::query!(
            "insert into posts
                 (conversation_id, dispatch_id, speaker, substance, txn_id, content, replaces)
             values ($1, $2, 'bot', $6, $3, $4, $5)",
            conversation,
            dispatch.0,
            format!("d{}n{}x{}", earlier.name, earlier.count, earlier.random),
            self.close_json(Purpose::PostContent, &notice.content),
            replaced,
            notice.substance.word(),
        )
        .execute(&mut *connection)
        .await?;
        self.tell_clients(connection, dispatch, notice).await?;
        let job = Job::SendPosts(ConversationId(conversation));
        jobs::add(connection, &job, None).await
    }

    /// The notice about a dispatch that `next` replaces, if one does.
    async fn noticed(
        &self,
        connection: &mut PgConnection,
        dispatch: DispatchId,
        next: &Notice,
    ) -> Result<Option<i64>, sqlx::Error> {
        let Some((last, content)) = self.last_notice(connection, dispatch).await? else {
            return Ok(None);
        };
        let (Some(earlier), Some(now)) = (answered(&content), answered(&next.content)) else {
            return Ok(Some(last));
        };
        // If everything was taken back, one sentence says so for all.
        let has_moved = sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from dispatch_parts as earlier
                 join dispatch_parts as part on part.dispatch_id = earlier.dispatch_id
                 where earlier.dispatch_id = $1
                   and earlier.event_id = $2
                   and earlier.withdrawn
                   and part.event_id = $3
                   and not part.withdrawn
             ) as "has_moved!""#,
            dispatch.0,
            earlier,
            now,
        )
        .fetch_one(connection)
        .await?;
        Ok((!has_moved).then_some(last))
    }

    /// The newest notice about a dispatch that replaces no other, and what it says; nothing if that
    /// cannot be read.
    async fn last_notice(
        &self,
        connection: &mut PgConnection,
        dispatch: DispatchId,
    ) -> Result<Option<(i64, Value)>, sqlx::Error> {
        let last = sqlx::query!(
            "select id, content
             from posts
             where dispatch_id = $1
               and replaces is null
             order by id desc
             limit 1",
            dispatch.0,
        )
        .fetch_optional(connection)
        .await?;
        Ok(last.map(|last| {
            let content = self.open_json(Purpose::PostContent, &last.content).unwrap_or_default();
            (last.id, content)
        }))
    }

    /// A message was deleted whose dispatch leaves without it: what was said there about the dispatch
    /// is replaced by what became of the message.
    pub(in crate::store) async fn notice_ends(
        &self,
        connection: &mut PgConnection,
        conversation: i64,
        dispatch: DispatchId,
        message: &str,
        notice: &Notice,
    ) -> Result<(), sqlx::Error> {
        let last = self.last_notice(connection, dispatch).await?;
        if last.as_ref().and_then(|(_, content)| answered(content)) != Some(message) {
            return Ok(());
        }
        self.insert_notice(connection, conversation, dispatch, notice).await
    }
}

/// The room message that a sentence answers.
fn answered(content: &Value) -> Option<&str> {
    content.pointer("/m.relates_to/m.in_reply_to/event_id")?.as_str()
}
