//! Which mails may be deleted from a mailbox, and which were.

use time::OffsetDateTime;

use super::{MailboxPlace, names, unique_keys, unsigned};
use crate::{
    model::{ChannelName, LetterId, MailKey, MailboxId},
    rules::looking::KeptMail,
    store::{Store, StoreError},
};

/// How often a confirmed deletion may have no effect before it is no longer tried.
const DELETIONS_MAX: i32 = 3;

impl Store {
    /// Notes that the head of a mail that was to be deleted is not that of the letter its key named:
    /// the mail is fetched once more, and the letter's own mail is never deleted.
    pub async fn not_deletable(
        &self,
        letter: LetterId,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update letters
             set left_at = $2,
                 deletions = $3
             where id = $1",
            letter.0,
            at,
            DELETIONS_MAX,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Mails of this generation that were fetched whole, kept, and are in their room: the mailbox may
    /// delete them. Never those of which we have only the head, those the Clientmodul may still
    /// decrypt, and repeats of a letter that is in no room. Returns all of them, because the caller has
    /// the keys of the whole mailbox: some may not be distinguishable there, or stay whatever is asked.
    pub async fn deletable_mails(&self, mailbox: MailboxId) -> Result<Vec<KeptMail>, StoreError> {
        let rows = sqlx::query!(
            "select letter.mail_key, letter.listed_bytes
             from letters as letter
             left join letters as original on original.id = letter.repeats
             where letter.mailbox_id = $1
               and letter.left_at is null
               and letter.deleted_at is null
               and letter.deletions < $2
               and letter.digest is not null
               and not letter.head_only
               and not letter.stays
               and coalesce(original.state, letter.state) = 'posted'
               and not coalesce(original.head_only, false)
               and not coalesce(original.stays, false)
               -- What nobody could read yet stays, so that it can be had again; and so does what a
               -- person gave up, since it is nowhere else.
               and not exists (
                   select 1
                   from posts
                   where posts.letter_id = coalesce(original.id, letter.id)
                     and not posts.repeated
                     and (posts.unshown or posts.state in ('pending', 'parked', 'dropped'))
               )
             order by letter.id",
            mailbox.0,
            DELETIONS_MAX,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| KeptMail {
                key: MailKey::stored(row.mail_key),
                listed_bytes: unsigned(row.listed_bytes),
                is_deleted: false,
                is_whole: true,
            })
            .collect())
    }

    /// Notes that the mailbox confirmed the deletion.
    pub async fn mails_deleted(
        &self,
        mailbox: MailboxId,
        keys: &[MailKey],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update letters
             set deleted_at = $3,
                 deletions = deletions + 1
             where mailbox_id = $1
               and left_at is null
               and mail_key = any ($2)",
            mailbox.0,
            &names(keys),
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// For a mailbox with this list: how many mails would be fetched. Changes nothing.
    pub async fn unknown_mails(
        &self,
        channel: &ChannelName,
        place: &MailboxPlace,
        validity: u32,
        keys: &[MailKey],
    ) -> Result<usize, StoreError> {
        let known = sqlx::query_scalar!(
            r#"select distinct known.mail_key as "key!"
             from (
                 select letters.mail_key
                 from letters
                 join mailboxes on mailboxes.id = letters.mailbox_id
                 where mailboxes.place = $1
                   and mailboxes.validity = $2
                   and letters.left_at is null
                   and letters.deleted_at is null
                   and letters.mail_key = any ($4)
                 union all
                 select unfetched_mails.mail_key
                 from unfetched_mails
                 join mailboxes on mailboxes.id = unfetched_mails.mailbox_id
                 where mailboxes.place = $1
                   and mailboxes.validity = $2
                   and unfetched_mails.mail_key = any ($4)
                   and unfetched_mails.state <> 'gone'
                 union all
                 select letters.mail_key
                 from letters
                 where letters.channel = $3
                   and letters.mailbox_id is null
                   and letters.mail_key = any ($5)
             ) as known"#,
            place.0.as_slice(),
            i64::from(validity),
            channel.as_str(),
            &names(keys),
            &unique_keys(keys),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(keys.len().saturating_sub(known.len()))
    }
}
