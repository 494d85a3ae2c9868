//! The outer heads of KIM mails, and the mails that are left to other programs.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::{
    MailboxPlace, Moment, Store, StoreError,
    mailboxes::{bigint, marks, names, settle},
};
use crate::{
    model::{ChannelName, LetterId, MailKey, MailboxId, OuterHead, SaidService},
    rules::looking::Marks,
};

/// How many Dienstkennungen of mails left alone are told apart: senders make them up.
const SERVICES_MAX: i64 = 200;

/// An outer head that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenOuterHead {
    pub head: OuterHead,
    pub marks: Marks,
}

/// Mails of one Dienstkennung that were left to other programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    pub channel: String,
    /// Nothing: all the Dienstkennungen that are not told apart any more.
    pub service: Option<String>,
    pub mails: u64,
    /// Since the first of them. Nothing if it is damaged.
    pub since: Option<OffsetDateTime>,
}

/// What is known of the outer head of a letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OuterOfLetter {
    pub service: SaidService,
    /// Nothing: its outer head was not seen.
    pub is_encrypted: Option<bool>,
}

impl Store {
    /// The outer heads that were seen in a mailbox.
    pub async fn outer_heads(
        &self,
        mailbox: MailboxId,
    ) -> Result<HashMap<MailKey, SeenOuterHead>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 mail_key,
                 listed_bytes,
                 head_digest,
                 service,
                 is_encrypted,
                 has_error,
                 written_at as "written_at: Moment",
                 expires_at as "expires_at: Moment"
             from outer_heads
             where mailbox_id = $1"#,
            mailbox.0,
        )
        .fetch_all(&self.pool)
        .await?;
        let heads = rows.into_iter().map(|row| {
            let head = OuterHead {
                service: SaidService::from_stored(row.service.as_deref()),
                is_encrypted: row.is_encrypted,
                has_error: row.has_error,
                written: row.written_at.and_then(|at| at.get()),
                expires: row.expires_at.and_then(|at| at.get()),
            };
            let marks = marks(row.listed_bytes, row.head_digest);
            (MailKey::stored(row.mail_key), SeenOuterHead { head, marks })
        });
        Ok(heads.collect())
    }

    /// Keeps an outer head, in the place of an earlier one under this key.
    pub async fn outer_head_seen(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        seen: &SeenOuterHead,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let SeenOuterHead { head, marks } = seen;
        sqlx::query!(
            "insert into outer_heads
                 (mailbox_id, mail_key, seen_at, listed_bytes, head_digest, service, is_encrypted,
                  has_error, written_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (mailbox_id, mail_key) do update
             set seen_at = excluded.seen_at,
                 listed_bytes = excluded.listed_bytes,
                 head_digest = excluded.head_digest,
                 service = excluded.service,
                 is_encrypted = excluded.is_encrypted,
                 has_error = excluded.has_error,
                 written_at = excluded.written_at,
                 expires_at = excluded.expires_at",
            mailbox.0,
            key.as_str(),
            at,
            bigint(marks.listed_bytes),
            marks.head.as_ref().map(<[u8; 32]>::as_slice),
            head.service.stored(),
            head.is_encrypted,
            head.has_error,
            head.written,
            head.expires,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets outer heads whose keys name nothing any more, or another mail.
    pub async fn forget_outer_heads(
        &self,
        mailbox: MailboxId,
        keys: &[MailKey],
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "delete from outer_heads
             where mailbox_id = $1
               and mail_key = any ($2)",
            mailbox.0,
            &names(keys),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What was seen of a letter's outer head before it was fetched.
    pub async fn outer_of_letter(&self, letter: LetterId) -> Result<OuterOfLetter, StoreError> {
        let row = sqlx::query!(
            "select outer_service, outer_encrypted from letters where id = $1",
            letter.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map_or_else(OuterOfLetter::default, |row| OuterOfLetter {
            service: SaidService::from_stored(row.outer_service.as_deref()),
            is_encrypted: row.outer_encrypted,
        }))
    }

    /// Notes that a mail is left to another program. If it was tried before, or put aside, nobody has
    /// to look after it any more.
    pub async fn leave_alone(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        marks: Marks,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        settle(&mut transaction, mailbox, key, at).await?;
        sqlx::query!(
            "insert into unfetched_mails
                 (mailbox_id, mail_key, state, reason, noted_at, listed_bytes, head_digest)
             values ($1, $2, 'skipped', 'left_alone', $3, $4, $5)",
            mailbox.0,
            key.as_str(),
            at,
            bigint(marks.listed_bytes),
            marks.head.as_ref().map(<[u8; 32]>::as_slice),
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The mails of a mailbox that were left to other programs.
    pub async fn left_alone(&self, mailbox: MailboxId) -> Result<Vec<MailKey>, StoreError> {
        let keys = sqlx::query_scalar!(
            "select mail_key
             from unfetched_mails
             where mailbox_id = $1
               and state = 'skipped'
               and reason = 'left_alone'",
            mailbox.0,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(keys.into_iter().map(MailKey::stored).collect())
    }

    /// These mails are left alone no more: they are as if they were new.
    pub async fn not_left_alone(
        &self,
        mailbox: MailboxId,
        keys: &[MailKey],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "delete from unfetched_mails
             where mailbox_id = $1
               and mail_key = any ($2)
               and state = 'skipped'
               and reason = 'left_alone'",
            mailbox.0,
            &names(keys),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Parks, once each, the mails that did not come or were not decrypted, and that their server
    /// deletes before `until`: as their heads say, or 90 days after they were written (KIM-12).
    /// Returns how many there are.
    pub async fn park_expiring(
        &self,
        channel: &ChannelName,
        mailbox: MailboxId,
        until: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        Ok(sqlx::query!(
            "insert into parked (kind, item_id, channel, reason, parked_at)
             select 'mail', mail.id, $2, 'expires_soon', $4
             from unfetched_mails as mail
             join outer_heads as outer_head
                 on outer_head.mailbox_id = mail.mailbox_id
                and outer_head.mail_key = mail.mail_key
             where mail.mailbox_id = $1
               and mail.state in ('trying', 'undecrypted')
               and coalesce(
                       outer_head.expires_at,
                       coalesce(outer_head.written_at, mail.noted_at) + interval '90 days'
                   ) < $3
               -- A person who was told of it, and settled that, knows.
               and not exists (
                   select 1
                   from parked as told
                   where told.kind = 'mail'
                     and told.item_id = mail.id
               )
             on conflict (kind, item_id) where resolved_at is null do nothing",
            mailbox.0,
            channel.as_str(),
            until,
            at,
        )
        .execute(&self.pool)
        .await?
        .rows_affected())
    }

    /// What is left alone in the mailboxes at these places, by channel and Dienstkennung.
    pub async fn left_alone_by_service(
        &self,
        places: &[MailboxPlace],
    ) -> Result<Vec<LeftAlone>, StoreError> {
        let places: Vec<Vec<u8>> = places.iter().map(|place| place.0.to_vec()).collect();
        let rows = sqlx::query!(
            r#"with by_service as (
                 select
                     mailbox.channel,
                     outer_head.service,
                     count(*) as mails,
                     min(mail.noted_at) as since
                 from unfetched_mails as mail
                 join mailboxes as mailbox on mailbox.id = mail.mailbox_id
                 left join outer_heads as outer_head
                     on outer_head.mailbox_id = mail.mailbox_id
                    and outer_head.mail_key = mail.mail_key
                 where mailbox.place = any ($1)
                   and mail.state = 'skipped'
                   and mail.reason = 'left_alone'
                 group by mailbox.channel, outer_head.service
             ),
             -- Those of the longest standing are told apart.
             ranked as (
                 select *, row_number() over (order by since, channel, service) <= $2 as is_told
                 from by_service
             )
             select
                 channel as "channel!",
                 case when is_told then service end as service,
                 sum(mails)::bigint as "mails!",
                 min(since) as "since: Moment"
             from ranked
             group by channel, case when is_told then service end
             order by channel, min(since)"#,
            &places,
            SERVICES_MAX,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| LeftAlone {
                channel: row.channel,
                service: row.service,
                mails: u64::try_from(row.mails).unwrap_or_default(),
                since: row.since.and_then(|since| since.get()),
            })
            .collect())
    }
}
