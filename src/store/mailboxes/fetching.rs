//! The fetch of a mail: begun, interrupted, failed, put aside, done.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Aside, bigint, free_key};
use crate::{
    model::{ChannelName, MailKey, MailboxId},
    rules::looking::{Marks, OUT_OF_TURN_MAX, UnfetchedState, is_same},
    store::{Store, StoreError, parked, parked::ParkedKind},
};

impl Store {
    /// Says when a mail that was not decrypted is fetched again.
    pub async fn still_undecrypted(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        next: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update unfetched_mails
             set tries = least(tries, 1000) + 1,
                 next_try_at = $3
             where mailbox_id = $1
               and mail_key = $2
               and state = 'undecrypted'",
            mailbox.0,
            key.as_str(),
            next,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes the mails due that were not decrypted, unless they were fetched in vain often enough.
    pub async fn undecrypted_are_due(
        &self,
        mailbox: MailboxId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update unfetched_mails
             set next_try_at = $2
             where mailbox_id = $1
               and state = 'undecrypted'
               and tries < $3
               and next_try_at > $2",
            mailbox.0,
            now,
            i32::try_from(OUT_OF_TURN_MAX).unwrap_or(i32::MAX),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes which mail is being fetched, before it is. Does not wait for the disk: the note is for
    /// a death of the gateway, which Postgres survives.
    pub async fn fetch_begins(&self, mailbox: MailboxId, key: &MailKey) -> Result<(), StoreError> {
        sqlx::query!(
            "update mailboxes
             set fetching = $2
             where id = $1
               and set_config('synchronous_commit', 'off', true) = 'off'",
            mailbox.0,
            key.as_str(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The mail whose fetch was begun and did not end; the note is deleted.
    pub async fn take_interrupted(
        &self,
        mailbox: MailboxId,
    ) -> Result<Option<MailKey>, StoreError> {
        let key = sqlx::query_scalar!(
            r#"update mailboxes as new
             set fetching = null
             from mailboxes as old
             where new.id = $1
               and old.id = new.id
               and old.fetching is not null
             returning old.fetching as "key!""#,
            mailbox.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(key.map(MailKey::stored))
    }

    /// Counts a failed try. Returns how many there are.
    pub async fn try_failed(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        reason: &'static str,
        listed_bytes: Option<u64>,
        at: OffsetDateTime,
    ) -> Result<u32, StoreError> {
        let tries = sqlx::query_scalar!(
            "insert into unfetched_mails
                 (mailbox_id, mail_key, state, tries, reason, noted_at, listed_bytes)
             values ($1, $2, 'trying', 1, $3, $4, $5)
             on conflict (mailbox_id, mail_key) do update
             set tries = unfetched_mails.tries + 1,
                 listed_bytes = coalesce(unfetched_mails.listed_bytes, excluded.listed_bytes),
                 state = case unfetched_mails.state when 'aside' then 'aside' else 'trying' end,
                 reason = excluded.reason
             returning tries",
            mailbox.0,
            key.as_str(),
            reason,
            at,
            bigint(listed_bytes),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(tries.unsigned_abs())
    }

    /// Says when a mail that could not be fetched is tried again.
    pub async fn try_again_at(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        next: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update unfetched_mails
             set next_try_at = $3
             where mailbox_id = $1
               and mail_key = $2",
            mailbox.0,
            key.as_str(),
            next,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// When a mail of this mailbox is tried again next. A mail that is due by now and was not tried
    /// has its turn in the next look, whenever that is.
    pub async fn next_try(
        &self,
        mailbox: MailboxId,
        now: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(sqlx::query_scalar!(
            "select min(next_try_at)
             from unfetched_mails
             where mailbox_id = $1
               and state in ('trying', 'aside', 'undecrypted')
               and next_try_at > $2",
            mailbox.0,
            now,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Puts a mail aside and parks it, once. `true` when this call parked it.
    pub async fn put_aside(
        &self,
        channel: &ChannelName,
        mailbox: MailboxId,
        key: &MailKey,
        aside: Aside,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let Aside { reason, next, marks } = aside;
        let mut transaction = self.pool.begin().await?;
        let state = if next.is_some() { UnfetchedState::Aside } else { UnfetchedState::Final };
        let id = sqlx::query_scalar!(
            "insert into unfetched_mails
                 (mailbox_id, mail_key, state, next_try_at, reason, noted_at, listed_bytes,
                  head_digest)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (mailbox_id, mail_key) do update
             set state = excluded.state,
                 next_try_at = excluded.next_try_at,
                 reason = excluded.reason,
                 listed_bytes = coalesce(unfetched_mails.listed_bytes, excluded.listed_bytes),
                 head_digest = coalesce(unfetched_mails.head_digest, excluded.head_digest)
             -- What a person gave up is over; but one name stands for all mails without one.
             where unfetched_mails.state in ('trying', 'aside', 'final', 'gone')
                or excluded.reason = 'no_name'
             returning id",
            mailbox.0,
            key.as_str(),
            state.word(),
            next,
            reason,
            at,
            bigint(marks.listed_bytes),
            marks.head.as_ref().map(<[u8; 32]>::as_slice),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(id) = id else { return Ok(false) };
        let is_known = sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from parked
                 where kind = 'mail'
                   and item_id = $1
                   and resolved_at is null
             ) as "is_known!""#,
            id,
        )
        .fetch_one(&mut *transaction)
        .await?;
        let kind = ParkedKind::Mail;
        parked::insert(&mut transaction, kind, id, channel.as_str(), reason, at).await?;
        transaction.commit().await?;
        Ok(!is_known)
    }

    /// Notes that a mail came under a key under which a mail was noted that could not be fetched. If
    /// it is that one, nobody has to look any more; otherwise a person who was told of the other one
    /// has to. Says whether it is; nothing when none was noted.
    pub async fn mail_came(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        seen: Marks,
        is_key_unique: bool,
        at: OffsetDateTime,
    ) -> Result<Option<bool>, StoreError> {
        let Some(noted) = self.marks(mailbox, key).await? else { return Ok(None) };
        if is_same(noted, seen, is_key_unique) {
            self.mail_settled(mailbox, key, at).await?;
            return Ok(Some(true));
        }
        let mut transaction = self.pool.begin().await?;
        free_key(&mut transaction, mailbox, key).await?;
        transaction.commit().await?;
        Ok(Some(false))
    }

    /// Notes that a mail could be fetched after all: nobody has to look any more.
    pub async fn mail_settled(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        settle(&mut transaction, mailbox, key, at).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that a mail is older than the settings want.
    pub async fn mail_skipped(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        marks: Marks,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into unfetched_mails
                 (mailbox_id, mail_key, state, reason, noted_at, listed_bytes, head_digest)
             values ($1, $2, 'skipped', 'older_than_since', $3, $4, $5)
             -- What is known of it says more: it was tried, or put aside.
             on conflict (mailbox_id, mail_key) do nothing",
            mailbox.0,
            key.as_str(),
            at,
            bigint(marks.listed_bytes),
            marks.head.as_ref().map(<[u8; 32]>::as_slice),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a mail is the same although the server's list gives another length.
    pub async fn size_was_false(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        listed_bytes: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "update mailboxes set false_sizes = false_sizes + 1 where id = $1",
            mailbox.0,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update letters
             set listed_bytes = $3
             where mailbox_id = $1
               and mail_key = $2
               and left_at is null",
            mailbox.0,
            key.as_str(),
            bigint(listed_bytes),
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The same, within the caller's transaction.
pub(in crate::store) async fn settle(
    connection: &mut PgConnection,
    mailbox: MailboxId,
    key: &MailKey,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let id = sqlx::query_scalar!(
        "delete from unfetched_mails
             where mailbox_id = $1
               and mail_key = $2
             returning id",
        mailbox.0,
        key.as_str(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = id {
        sqlx::query!(
            "update parked
                 set resolved_at = $2,
                     resolution = 'settled'
                 where kind = 'mail'
                   and item_id = $1
                   and resolved_at is null",
            id,
            at,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}
