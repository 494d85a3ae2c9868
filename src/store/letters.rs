//! What channels brought: saved raw under the mailbox's own key, then placed in one step.

use time::OffsetDateTime;

use super::{
    Damaged, Job, Moment, Store, StoreError, conversations::Sighting, jobs, parked,
    parked::ParkedKind, seal::Purpose,
};
use crate::model::{
    ChannelName, ConversationId, Correspondent, LetterId, LetterState, MailAddress, MailKey,
    MessageId, NewPost,
};

/// A letter as it was saved; [`Store::letter_pieces`] tells where its bytes are.
#[derive(Debug, Clone)]
pub struct StoredLetter {
    pub id: LetterId,
    /// The mailbox's own name for it.
    pub mail_key: String,
    /// Too large: we have but its head.
    pub head_only: bool,
    pub received_at: OffsetDateTime,
    /// How often it was tried to place it, with this time.
    pub attempts: i32,
}

struct LetterRow {
    id: i64,
    mail_key: String,
    head_only: bool,
    received_at: Moment,
    attempts: i32,
}

impl TryFrom<LetterRow> for StoredLetter {
    type Error = Damaged;

    fn try_from(row: LetterRow) -> Result<Self, Damaged> {
        let LetterRow { id, mail_key, head_only, received_at, attempts } = row;
        let received_at = received_at.read("letters", "received_at", id)?;
        Ok(Self { id: LetterId(id), mail_key, head_only, received_at, attempts })
    }
}

/// What was decided about a letter, saved in one transaction.
#[derive(Debug, Clone)]
pub struct Placing<'a> {
    pub letter: LetterId,
    pub channel: &'a ChannelName,
    pub correspondent: &'a Correspondent,
    /// `None` opens a conversation.
    pub conversation: Option<ConversationId>,
    pub fingerprint: Option<[u8; 32]>,
    /// The letter's own Message-ID.
    pub message_id: Option<&'a MessageId>,
    /// The Message-IDs it names, each once.
    pub ancestors: &'a [MessageId],
    /// Where answers go, when that is not the sender.
    pub answer_to: Option<&'a MailAddress>,
    /// What a person has to confirm before anything is answered.
    pub caller_doubt: Option<&'a str>,
    pub posts: &'a [NewPost],
    pub at: OffsetDateTime,
}

impl Store {
    /// Which of `keys` were never saved: what a pick-up has to fetch, in the mailbox's order.
    pub async fn unknown_mails(
        &self,
        channel: &ChannelName,
        keys: Vec<MailKey>,
    ) -> Result<Vec<MailKey>, StoreError> {
        let names: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let known: std::collections::HashSet<String> = sqlx::query_scalar!(
            "select mail_key
             from letters
             where channel = $1
               and mail_key = any ($2)",
            channel.as_str(),
            &names,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .collect();
        Ok(keys.into_iter().filter(|key| !known.contains(key.as_str())).collect())
    }

    /// Mails that are safe in the room, so that the mailbox may delete them. Never those of which
    /// we have but the head: the mailbox holds the only copy of the rest.
    pub async fn deletable_mails(
        &self,
        channel: &ChannelName,
        limit: i64,
    ) -> Result<Vec<MailKey>, StoreError> {
        let keys = sqlx::query_scalar!(
            "select mail_key
             from letters
             where channel = $1
               and state in ('posted', 'duplicate', 'dropped')
               and deleted_at is null
               and not head_only
             order by id
             limit $2",
            channel.as_str(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(keys.iter().filter_map(|key| MailKey::new(key).ok()).collect())
    }

    /// Notes that the mailbox confirmed the deletion.
    pub async fn mails_deleted(
        &self,
        channel: &ChannelName,
        keys: &[MailKey],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let names: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        sqlx::query!(
            "update letters
             set deleted_at = $3
             where channel = $1
               and mail_key = any ($2)",
            channel.as_str(),
            &names,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The oldest letter of a channel that has no place yet. An attempt at it is counted, before
    /// anything of it is read: an attempt that the gateway does not survive is one.
    ///
    /// It is not waited for until the count is on disk: should Postgres fall as well, it is lost,
    /// and nothing else.
    pub async fn next_stored_letter(
        &self,
        channel: &ChannelName,
    ) -> Result<Option<StoredLetter>, StoreError> {
        let row = sqlx::query_as!(
            LetterRow,
            r#"with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
             update letters
             set attempts = least(greatest(attempts, 0), 2147483646) + 1
             from unhurried
             where id = (
                 select id
                 from letters
                 where channel = $1
                   and state = 'stored'
                 order by id
                 limit 1
             )
             returning id, mail_key, head_only, received_at as "received_at: Moment", attempts"#,
            channel.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(StoredLetter::try_from).transpose()?)
    }

    /// The newest letter of a conversation: what an answer answers.
    pub async fn newest_letter(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<StoredLetter>, StoreError> {
        let row = sqlx::query_as!(
            LetterRow,
            r#"select id, mail_key, head_only, received_at as "received_at: Moment", attempts
             from letters
             where conversation_id = $1
             order by id desc
             limit 1"#,
            conversation.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(StoredLetter::try_from).transpose()?)
    }

    /// Whether a mail of the same content was placed before (under another key).
    pub async fn is_repeat(
        &self,
        channel: &ChannelName,
        letter: LetterId,
        fingerprint: &[u8; 32],
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                select 1
                from letters
                where channel = $1
                  and fingerprint = $2
                  and id <> $3
                  and state <> 'duplicate'
            ) as "repeat!""#,
            channel.as_str(),
            fingerprint.as_slice(),
            letter.0,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Notes that a letter repeats another one; it gets no posts. `false`: it has its place already.
    pub async fn mark_repeat(&self, letter: LetterId) -> Result<bool, StoreError> {
        let marked = sqlx::query!(
            "update letters
             set state = 'duplicate'
             where id = $1
               and state = any ($2)",
            letter.0,
            &LetterState::Duplicate.before(),
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(marked == 1)
    }

    /// Gives a letter its place: conversation, known Message-IDs, posts and the job to send them,
    /// all or nothing. A letter that has a place already is left as it is.
    pub async fn place_letter(&self, placing: Placing<'_>) -> Result<ConversationId, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversation = match placing.conversation {
            Some(conversation) => conversation.0,
            None => {
                sqlx::query_scalar!(
                    "insert into conversations (channel, correspondent, created_at)
                     values ($1, $2, $3)
                     returning id",
                    placing.channel.as_str(),
                    &*placing.correspondent.key(),
                    placing.at,
                )
                .fetch_one(&mut *transaction)
                .await?
            }
        };
        let placed = sqlx::query!(
            "update letters
             set state = 'placed',
                 conversation_id = $2,
                 fingerprint = $3,
                 answer_to = $4,
                 caller_doubt = $5
             where id = $1
               and state = 'stored'",
            placing.letter.0,
            conversation,
            placing.fingerprint.as_ref().map(<[u8; 32]>::as_slice),
            placing.answer_to.map(MailAddress::as_str),
            placing.caller_doubt,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if placed == 0 {
            transaction.rollback().await?;
            return Ok(ConversationId(conversation));
        }
        let sighting = Sighting {
            channel: placing.channel,
            correspondent: placing.correspondent,
            conversation: ConversationId(conversation),
            at: placing.at,
        };
        if let Some(own) = placing.message_id {
            sighting.of_bearer(&mut transaction, own, &format!("l{}", placing.letter)).await?;
        }
        let others: Vec<&MessageId> =
            placing.ancestors.iter().filter(|id| placing.message_id != Some(id)).collect();
        sighting.of_named(&mut transaction, &others).await?;
        for post in placing.posts {
            sqlx::query!(
                "insert into posts
                     (conversation_id, letter_id, speaker, substance, txn_id, content, file_index,
                      state, event_id, sent_at, echoed_at)
                 select
                     $1, $2, $3, $7, $4, $5, $6,
                     case when found.event_id is null then 'pending' else 'sent' end,
                     found.event_id, found.found_at, found.found_at
                 from (select $4::text as txn_id) as new
                 left join found_posts as found using (txn_id)
                 on conflict (txn_id) do nothing",
                conversation,
                placing.letter.0,
                post.speaker.word(),
                post.txn_id,
                self.close_json(Purpose::PostContent, &post.content),
                post.file_index,
                post.substance.word(),
            )
            .execute(&mut *transaction)
            .await?;
        }
        // All of it may stand in the room since before the database was restored.
        sqlx::query!(
            "update letters
             set state = 'posted'
             where id = $1
               and state = 'placed'
               and not exists (
                   select 1
                   from posts
                   where letter_id = $1
                     and state in ('pending', 'parked')
               )",
            placing.letter.0,
        )
        .execute(&mut *transaction)
        .await?;
        let job = Job::SendPosts(ConversationId(conversation));
        jobs::add(&mut transaction, &job, None).await?;
        transaction.commit().await?;
        Ok(ConversationId(conversation))
    }

    /// Parks a letter that cannot be placed: a person has to look. `false`: it has its place
    /// already.
    pub async fn park_letter(
        &self,
        channel: &ChannelName,
        letter: LetterId,
        reason: &'static str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let is_parked = sqlx::query!(
            "update letters
             set state = 'parked'
             where id = $1
               and state = any ($2)",
            letter.0,
            &LetterState::Parked.before(),
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if is_parked {
            let (kind, channel) = (ParkedKind::Letter, channel.as_str());
            parked::insert(&mut transaction, kind, letter.0, channel, reason, at).await?;
            transaction.commit().await?;
        }
        Ok(is_parked)
    }
}
