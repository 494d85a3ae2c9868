//! Mailboxes, their generations, and the mails in them that are no letters.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, StoreError, parked, parked::ParkedKind};
use crate::{
    model::{ChannelName, LetterId, MailKey, MailboxId},
    rules::looking::{KeptMail, Marks, UnfetchedMail, UnfetchedState, is_same},
};

/// From this length on a key is taken for unique over all mailboxes, when letters of before are
/// looked for: the ids servers make from times, sizes or hashes are longer, counters are shorter.
const UNIQUE_KEY_CHARS: usize = 12;

/// How often the sizes of a server's list may be wrong before nobody believes them any more.
const FALSE_SIZES_MAX: i32 = 3;

/// How often a deletion that was confirmed may have no effect before it is not tried any more.
const DELETIONS_MAX: i32 = 3;

/// Where a mailbox is: the same for the same account at the same server. Does not tell which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxPlace(pub(super) [u8; 32]);

impl MailboxPlace {
    /// The name of a host does not depend on its case, and an account's may.
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
    /// Not all it held at first was fetched or left yet.
    pub is_new: bool,
    /// Whether the sizes of its server's list tell mails apart.
    pub has_true_sizes: bool,
    /// Of so many mails without a name somebody was told.
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

/// The names at the homeserver are others than those the database was made with.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the database was made for the homeserver {kept}, and homeserver.server_name is {given}; \
         nothing was changed. Its rooms and users are at {kept}: give that name back, or start with \
         a new, empty database"
    )]
    ServerName { kept: String, given: String },
    #[error(
        "the database was made with the user_prefix {kept:?}, and appservice.user_prefix is \
         {given:?}; nothing was changed. The names of all its users and rooms begin with {kept:?}: \
         give that back, or start with a new, empty database"
    )]
    UserPrefix { kept: String, given: String },
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

    /// Letters of before mailboxes had generations, of this channel, whose keys are in its list and
    /// can be no other mailbox's: they are its. Only for the first mailbox of a channel. A short key
    /// may be a counter of another mailbox, so those mails are fetched once more; that they repeat a
    /// letter shows then.
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

    /// Notes that all a mailbox held at first was fetched or left.
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

    /// What a mailbox held at the first look, which is now where none was noted.
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

    /// Notes of how many mails without a name somebody was told.
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
            listed_bytes: row.listed_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
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
            // A word that is none of ours costs a try, and no mail.
            state: UnfetchedState::from_word(&row.state).unwrap_or(UnfetchedState::Trying),
            tries: row.tries.unsigned_abs(),
            next_try_at: row.next_try_at,
            listed_bytes: row.listed_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
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
        // What a person was told of stays, for the row that says so.
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

    /// What a mail that is no letter is told by; nothing where none is noted under this key.
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

    /// Notes that a key names another mail than what was noted under it. What a person was told of
    /// stays, under no key of a server: those hold no blank.
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

    /// Notes that a mail that is no letter is the same though the server's list says another length.
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

    /// Notes that the server's list may have called a mail another one that is not.
    pub async fn sizes_in_doubt(&self, mailbox: MailboxId) -> Result<(), StoreError> {
        sqlx::query!(
            "update mailboxes set false_sizes = false_sizes + 1 where id = $1",
            mailbox.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

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

    /// Notes that the head of a mail that was to be deleted is not that of the letter its key named:
    /// it is fetched once more, and the letter's own is never deleted.
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

    /// Notes which mail is being fetched, before it is. Not waiting for the disk: Postgres knows it
    /// when the gateway dies, which is what it is for.
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

    /// The mail whose fetch was begun and did not end; from then on it is forgotten.
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

    /// Counts a failed try. Gives the number of them.
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

    /// Says when a mail that could not be had is tried again.
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

    /// When a mail of this mailbox is tried again next. What is due by now and was not tried has its
    /// turn in the next look, whenever that is.
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

    /// Puts a mail aside and parks it, once. `true` when it is parked with this call.
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

    /// Notes that a mail came under a key under which one was noted that could not be had. Where it is
    /// that one, nobody has to look any more; else a person who was told of the other one has to.
    /// Says whether it is; nothing when none was noted.
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

    /// Notes that a mail could be had after all: nobody has to look any more.
    pub async fn mail_settled(
        &self,
        mailbox: MailboxId,
        key: &MailKey,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let id = sqlx::query_scalar!(
            "delete from unfetched_mails
             where mailbox_id = $1
               and mail_key = $2
             returning id",
            mailbox.0,
            key.as_str(),
        )
        .fetch_optional(&mut *transaction)
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
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Notes that a mail is older than what the settings want.
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

    /// Notes that a mail is the same though the server's list says another length.
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
            listed_bytes.and_then(|bytes| i64::try_from(bytes).ok()),
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Mails of this generation that were fetched whole, kept, and are in their room: the mailbox
    /// may delete them. Never those of which we have but the head, those the Clientmodul may yet
    /// decrypt, and repeats of a letter that is in no room. All of them, as whoever looks into a mailbox
    /// has the keys of all: some may not be told apart there, or stay whatever is asked.
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
                listed_bytes: row.listed_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
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

    /// Of a mailbox as it lists itself: how many mails would be fetched. Changes nothing.
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

    /// Keeps what the names at the homeserver are made with, and refuses others.
    pub async fn keep_names(&self, server_name: &str, user_prefix: &str) -> Result<(), NamesError> {
        self.check_names(server_name, user_prefix).await?;
        sqlx::query!(
            "insert into gateway_names (server_name, user_prefix)
             values ($1, $2)
             on conflict do nothing",
            server_name,
            user_prefix,
        )
        .execute(&self.pool)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Whether names are made with what they were made with before. Changes nothing.
    pub async fn check_names(
        &self,
        server_name: &str,
        user_prefix: &str,
    ) -> Result<(), NamesError> {
        let kept = sqlx::query!("select server_name, user_prefix from gateway_names")
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::from)?;
        let Some(kept) = kept else {
            return self.check_names_of_devices(server_name, user_prefix).await;
        };
        if kept.server_name != server_name {
            let given = server_name.to_owned();
            return Err(NamesError::ServerName { kept: kept.server_name, given });
        }
        if kept.user_prefix != user_prefix {
            let given = user_prefix.to_owned();
            return Err(NamesError::UserPrefix { kept: kept.user_prefix, given });
        }
        Ok(())
    }

    /// A database of before the names were kept tells them by its devices.
    async fn check_names_of_devices(
        &self,
        server_name: &str,
        user_prefix: &str,
    ) -> Result<(), NamesError> {
        let users = sqlx::query_scalar!("select user_id from devices order by id limit 1")
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::from)?;
        for user in users {
            let (local, server) =
                user.trim_start_matches('@').split_once(':').unwrap_or((&user, ""));
            if server != server_name {
                let (kept, given) = (server.to_owned(), server_name.to_owned());
                return Err(NamesError::ServerName { kept, given });
            }
            if !local.starts_with(user_prefix) {
                // The first device is the bot's, and its name says no more of the prefix.
                let (kept, given) = (local.to_owned(), user_prefix.to_owned());
                return Err(NamesError::UserPrefix { kept, given });
            }
        }
        Ok(())
    }

    /// The conversation that tells of mails of a channel of which not even a head could be had.
    pub async fn mailbox_notices(
        &self,
        channel: &ChannelName,
        letter: LetterId,
    ) -> Result<Option<crate::model::ConversationId>, StoreError> {
        let id = sqlx::query_scalar!(
            r#"select conversation_id as "id!"
             from letters
             where channel = $1
               and out_of_reach
               and octet_length(raw) <= $3
               and id <> $2
               and conversation_id is not null
             order by id desc
             limit 1"#,
            channel.as_str(),
            letter.0,
            super::seal::SEAL_BYTES as i32,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(id.map(crate::model::ConversationId))
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
    // Of these nobody has to know.
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

fn marks(listed_bytes: Option<i64>, head: Option<Vec<u8>>) -> Marks {
    Marks {
        head: head.and_then(|head| head.try_into().ok()),
        listed_bytes: listed_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
    }
}

fn bigint(bytes: Option<u64>) -> Option<i64> {
    bytes.and_then(|bytes| i64::try_from(bytes).ok())
}

fn names(keys: &[MailKey]) -> Vec<String> {
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}

fn unique_keys(keys: &[MailKey]) -> Vec<String> {
    let mut names = names(keys);
    names.retain(|name| name.len() >= UNIQUE_KEY_CHARS);
    names
}
