//! Mailboxes, their generations, and the mails in them that are no letters.

mod deleting;
mod fetching;

pub(super) use fetching::settle;

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::{
    model::{ChannelName, LetterId, MailKey, MailboxId},
    rules::looking::{KeptMail, Marks, UnfetchedMail, UnfetchedState},
};

/// Keys of this length or longer count as unique over all mailboxes when letters from before
/// generations are looked for: the ids servers make from times, sizes or hashes are longer,
/// counters are shorter.
const UNIQUE_KEY_CHARS: usize = 12;

/// How often the sizes in a server's list may be wrong before they are no longer believed.
const FALSE_SIZES_MAX: i32 = 3;

/// The place of a mailbox: the same for the same account at the same server. Does not reveal which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxPlace(pub(super) [u8; 32]);

impl MailboxPlace {
    /// The name of a host does not depend on its case; an account's may.
    pub fn new(protocol: &str, host: &str, port: u16, user: &str, folder: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [protocol, &host.to_ascii_lowercase(), &port.to_string(), user, folder] {
            hash.update(part);
            hash.update([0]);
        }
        Self(hash.finalize().into())
    }
}

/// A generation of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxRow {
    pub id: MailboxId,
    /// Not everything it held at first was fetched or left yet.
    pub is_new: bool,
    /// Whether the sizes in its server's list tell mails apart.
    pub has_true_sizes: bool,
    /// The number of mails without a name that people were told of.
    pub nameless: usize,
}

/// Why and how a mail is put aside.
#[derive(Debug, Clone, Copy)]
pub struct Aside {
    pub reason: &'static str,
    /// When it is tried again; nothing when no try would bring it.
    pub next: Option<OffsetDateTime>,
    pub marks: Marks,
}

/// What is known of the mails of a mailbox.
#[derive(Debug, Clone, Default)]
pub struct MailboxMails {
    pub kept: Vec<KeptMail>,
    pub unfetched: Vec<UnfetchedMail>,
}

impl Store {
    /// The generation of a mailbox, made when it is found for the first time.
    pub async fn mailbox(
        &self,
        channel: &ChannelName,
        place: &MailboxPlace,
        validity: u32,
        at: OffsetDateTime,
    ) -> Result<MailboxRow, StoreError> {
        let row = sqlx::query!(
            r#"insert into mailboxes (channel, place, validity, found_at)
             values ($1, $2, $3, $4)
             on conflict (place, validity) do update
             set channel = excluded.channel
             returning id, looked_at is null as "is_new!", false_sizes, nameless"#,
            channel.as_str(),
            place.0.as_slice(),
            i64::from(validity),
            at,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(MailboxRow {
            id: MailboxId(row.id),
            is_new: row.is_new,
            has_true_sizes: row.false_sizes < FALSE_SIZES_MAX,
            nameless: usize::try_from(row.nameless).unwrap_or_default(),
        })
    }

    /// Adopts letters of this channel from before mailboxes had generations, whose keys are in this
    /// mailbox's list and cannot be another mailbox's. Only for the first mailbox of a channel. A
    /// short key may be a counter of another mailbox, so those mails are fetched once more and then
    /// turn out to repeat a letter.
    pub async fn adopt_letters(
        &self,
        channel: &ChannelName,
        mailbox: MailboxId,
        keys: &[MailKey],
    ) -> Result<u64, StoreError> {
        let keys = unique_keys(keys);
        Ok(sqlx::query!(
            "update letters
             set mailbox_id = $2
             where channel = $1
               and mailbox_id is null
               and mail_key = any ($3)
               and not exists (
                   select 1
                   from mailboxes
                   where channel = $1
                     and id < $2
               )",
            channel.as_str(),
            mailbox.0,
            &keys,
        )
        .execute(&self.pool)
        .await?
        .rows_affected())
    }

    /// Notes that everything a mailbox held at first was fetched or left.
    pub async fn mailbox_looked_at(
        &self,
        mailbox: MailboxId,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update mailboxes
             set looked_at = $2,
                 first_keys = null
             where id = $1
               and looked_at is null",
            mailbox.0,
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What a mailbox held at the first look; if nothing was noted, that is the present look.
    pub async fn first_keys(
        &self,
        mailbox: MailboxId,
        present: &[MailKey],
    ) -> Result<HashSet<MailKey>, StoreError> {
        let keys = sqlx::query_scalar!(
            r#"update mailboxes
             set first_keys = coalesce(first_keys, $2)
             where id = $1
             returning first_keys as "first_keys!""#,
            mailbox.0,
            &names(present),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(keys.into_iter().map(MailKey::stored).collect())
    }

    /// Notes how many mails without a name people were told of.
    pub async fn nameless_told(&self, mailbox: MailboxId, count: usize) -> Result<(), StoreError> {
        sqlx::query!(
            "update mailboxes set nameless = $2 where id = $1",
            mailbox.0,
            i32::try_from(count).unwrap_or(i32::MAX),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What is known of the mails of a mailbox.
    pub async fn mailbox_mails(&self, mailbox: MailboxId) -> Result<MailboxMails, StoreError> {
        let kept = sqlx::query!(
            r#"select
                 mail_key,
                 listed_bytes,
                 deleted_at is not null as "is_deleted!",
                 not out_of_reach as "is_whole!"
             from letters
             where mailbox_id = $1
               and left_at is null"#,
            mailbox.0,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| KeptMail {
            key: MailKey::stored(row.mail_key),
            listed_bytes: unsigned(row.listed_bytes),
            is_deleted: row.is_deleted,
            is_whole: row.is_whole,
        })
        .collect();
        let unfetched = sqlx::query!(
            "select mail_key, state, tries, next_try_at, listed_bytes
             from unfetched_mails
             where mailbox_id = $1",
            mailbox.0,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| UnfetchedMail {
            key: MailKey::stored(row.mail_key),
            // An unknown word costs a try, and no mail.
            state: UnfetchedState::from_word(&row.state).unwrap_or(UnfetchedState::Trying),
            tries: row.tries.unsigned_abs(),
            next_try_at: row.next_try_at,
            listed_bytes: unsigned(row.listed_bytes),
        })
        .collect();
        Ok(MailboxMails { kept, unfetched })
    }

    /// Notes keys that name nothing any more: `letters` of letters, `unfetched` of mails that are
    /// none.
    pub async fn mails_left(
        &self,
        mailbox: MailboxId,
        letters: &[MailKey],
        unfetched: &[MailKey],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if letters.is_empty() && unfetched.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "update letters
             set left_at = $3
             where mailbox_id = $1
               and left_at is null
               and mail_key = any ($2)",
            mailbox.0,
            &names(letters),
            at,
        )
        .execute(&mut *transaction)
        .await?;
        // A row that people were told of stays, for the parked row that says so.
        sqlx::query!(
            "update unfetched_mails
             set state = 'gone',
                 next_try_at = null,
                 tries = 0
             where mailbox_id = $1
               and mail_key = any ($2)
               and state in ('aside', 'final')",
            mailbox.0,
            &names(unfetched),
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "delete from unfetched_mails
             where mailbox_id = $1
               and mail_key = any ($2)
               and state in ('trying', 'dropped', 'skipped', 'undecrypted')",
            mailbox.0,
            &names(unfetched),
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How a mail that is no letter can be recognised; nothing if none is noted under this key.
    pub async fn marks(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
    ) -> Result<Option<Marks>, StoreError> {
        let row = sqlx::query!(
            "select listed_bytes, head_digest
             from unfetched_mails
             where mailbox_id = $1
               and mail_key = $2",
            mailbox.0,
            key.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| marks(row.listed_bytes, row.head_digest)))
    }

    /// Notes that a key names another mail than the one noted under it. A row that people were told
    /// of stays, under a key that no server uses: server keys contain no blank.
    pub async fn key_gone_over(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "update letters
             set left_at = $3
             where mailbox_id = $1
               and mail_key = $2
               and left_at is null",
            mailbox.0,
            key.as_str(),
            at,
        )
        .execute(&mut *transaction)
        .await?;
        free_key(&mut transaction, mailbox, key).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that a mail that is no letter is the same although the server's list gives another
    /// length.
    pub async fn noted_size_was_false(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        listed_bytes: Option<u64>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update unfetched_mails
             set listed_bytes = $3
             where mailbox_id = $1
               and mail_key = $2",
            mailbox.0,
            key.as_str(),
            bigint(listed_bytes),
        )
        .execute(&self.pool)
        .await?;
        self.sizes_in_doubt(mailbox).await
    }

    /// Notes that by the server's list a mail may have seemed another one although it is not.
    pub async fn sizes_in_doubt(&self, mailbox: MailboxId) -> Result<(), StoreError> {
        sqlx::query!(
            "update mailboxes set false_sizes = false_sizes + 1 where id = $1",
            mailbox.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The letter a key names.
    pub async fn letter_of(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
    ) -> Result<Option<LetterId>, StoreError> {
        let id = sqlx::query_scalar!(
            "select id
             from letters
             where mailbox_id = $1
               and mail_key = $2
               and left_at is null",
            mailbox.0,
            key.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(id.map(LetterId))
    }
}

/// Takes a key from what was noted under it.
async fn free_key(
    connection: &mut PgConnection,
    mailbox: MailboxId,
    key: &MailKey,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update unfetched_mails
         set state = 'gone',
             next_try_at = null,
             tries = 0,
             mail_key = mail_key || ' ' || id
         where mailbox_id = $1
           and mail_key = $2
           and exists (
               select 1
               from parked
               where kind = 'mail'
                 and item_id = unfetched_mails.id
                 and resolved_at is null
           )",
        mailbox.0,
        key.as_str(),
    )
    .execute(&mut *connection)
    .await?;
    // Nobody has to know of these.
    sqlx::query!(
        "delete from unfetched_mails
         where mailbox_id = $1
           and mail_key = $2",
        mailbox.0,
        key.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn marks(listed_bytes: Option<i64>, head: Option<Vec<u8>>) -> Marks {
    Marks { head: head.and_then(|head| head.try_into().ok()), listed_bytes: unsigned(listed_bytes) }
}

fn unsigned(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok())
}

pub(super) fn bigint(bytes: Option<u64>) -> Option<i64> {
    bytes.and_then(|bytes| i64::try_from(bytes).ok())
}

pub(super) fn names(keys: &[MailKey]) -> Vec<String> {
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}

fn unique_keys(keys: &[MailKey]) -> Vec<String> {
    let mut names = names(keys);
    names.retain(|name| name.len() >= UNIQUE_KEY_CHARS);
    names
}
