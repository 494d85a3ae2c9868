//! Letters whose words are not said: because they could not be decrypted, or because they wait for a
//! speaker.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{EventStep, Job, Store, StoreError, jobs, seal::Purpose};
use crate::model::{ConversationId, LetterId, Notice};

/// A mail under the name of this letter waits until the Clientmodul can decrypt it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CardWait {
    pub(super) letter: LetterId,
    /// When it is fetched again; nothing: at the next look.
    pub(super) next: Option<OffsetDateTime>,
}

impl CardWait {
    /// Notes it, wherever a letter that only says so gets a name in a mailbox: when it is placed, when its
    /// mail is listed again, under this name or another, and when it came from another mailbox. Nothing is
    /// noted of any other letter.
    pub(super) async fn note(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into unfetched_mails
                 (mailbox_id, mail_key, state, next_try_at, reason, noted_at, listed_bytes)
             select this.mailbox_id, this.mail_key, 'undecrypted', $2, 'undecrypted',
                 this.received_at, this.listed_bytes
             from letters as this
             left join letters as original on original.id = this.repeats
             where this.id = $1
               and coalesce(original.kept_back, this.kept_back) = 'undecrypted'
               and this.mailbox_id is not null
               and this.left_at is null
             on conflict (mailbox_id, mail_key) do nothing",
            self.letter.0,
            self.next,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Whether a letter only told that its mail could not be decrypted, or repeats one that did.
    pub async fn is_undecrypted(&self, letter: LetterId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from letters as this
                 left join letters as original on original.id = this.repeats
                 where this.id = $1
                   and coalesce(original.kept_back, this.kept_back) = 'undecrypted'
             ) as "is_so!""#,
            letter.0,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Adds a post by the bot in place of what a room was told in the place of a letter, or of the one
    /// that it repeats. When it is repeated, nothing happens.
    pub async fn replace_notice_of(
        &self,
        letter: LetterId,
        notice: &Notice,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let conversation = sqlx::query_scalar!(
            "insert into posts (conversation_id, speaker, substance, txn_id, content, replaces)
             select conversation_id, 'bot', $2, 'k' || txn_id, $3, id
             from posts
             where letter_id = (select coalesce(repeats, id) from letters where id = $1)
               and speaker = 'bot'
               and replaces is null
             order by id
             limit 1
             -- Named after what it replaces: it was said before.
             on conflict (txn_id) do nothing
             returning conversation_id",
            letter.0,
            notice.substance.word(),
            self.close_json(Purpose::PostContent, &notice.content),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(conversation) = conversation {
            let job = Job::SendPosts(ConversationId(conversation));
            jobs::add(&mut transaction, &job, None).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}

impl EventStep<'_> {
    /// A speaker wants a letter released, where it takes two. `true`: another speaker wanted so before.
    pub async fn second_release(
        &mut self,
        letter: LetterId,
        speaker: &str,
    ) -> Result<bool, StoreError> {
        let first = sqlx::query_scalar!(
            r#"update letters
             set release_asked_by = coalesce(release_asked_by, $2),
                 release_asked_at = coalesce(release_asked_at, $3)
             where id = $1
               and kept_back = 'withheld'
               and released_at is null
             returning release_asked_by as "first!""#,
            letter.0,
            speaker,
            self.at,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(first.is_none_or(|first| first != speaker))
    }

    /// A speaker releases a letter that was withheld: its words are said from now on. `false`: it is
    /// not withheld, or not any more.
    pub async fn release(&mut self, letter: LetterId, speaker: &str) -> Result<bool, StoreError> {
        let conversation = sqlx::query_scalar!(
            r#"update letters
             set released_by = $2,
                 released_at = $3
             where id = $1
               and kept_back = 'withheld'
               and released_at is null
             returning conversation_id as "conversation_id?""#,
            letter.0,
            speaker,
            self.at,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(Some(conversation)) = conversation else { return Ok(false) };
        sqlx::query!(
            "update posts
             set state = 'pending'
             where letter_id = $1
               and state = 'held'",
            letter.0,
        )
        .execute(&mut *self.transaction)
        .await?;
        let job = Job::SendPosts(ConversationId(conversation));
        jobs::add(&mut self.transaction, &job, None).await?;
        Ok(true)
    }
}
