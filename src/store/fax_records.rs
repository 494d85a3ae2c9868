//! What is kept of each fax: when, between which numbers, how many pages and bytes, and what became of it
//! (FAX-39); and the deletion of what faxes were brought by.

use sqlx::types::time::OffsetDateTime;

use super::{Store, StoreError, seal::Purpose};
use crate::model::{ChannelName, DispatchId, LetterId};

/// Mails whose content is deleted in one step.
const PURGED_AT_ONCE: i64 = 50;

/// What stands in the place of a mail that was deleted: the head of a letter without words.
const PURGED_MAIL: &[u8] = b"Subject: \r\nX-Umstieg-Purged: yes\r\n\r\n";

/// A file of a fax that came or leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxFileSeen {
    /// Its place in its mail.
    pub file: usize,
    /// Nothing where it is not known.
    pub pages: Option<u32>,
    pub bytes: u64,
    /// SHA-256; nothing where it was not opened.
    pub digest: Option<[u8; 32]>,
}

/// What is known of a file of a fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxRecord {
    pub at: OffsetDateTime,
    pub channel: String,
    /// It left here; else it came.
    pub is_ours: bool,
    /// The letter or the dispatch.
    pub item: i64,
    /// The number on the other side, in E.164; empty where it is unknown.
    pub number: String,
    pub pages: Option<i32>,
    pub bytes: i64,
    /// The state of the letter or the dispatch.
    pub state: String,
    /// What the gateway wrote last about why it failed.
    pub words: Option<String>,
    pub is_purged: bool,
    pub digest: Option<Vec<u8>>,
}

impl Store {
    /// Notes the files of a fax that came. What is noted already stays.
    pub async fn note_fax_files(
        &self,
        channel: &ChannelName,
        letter: LetterId,
        files: &[FaxFileSeen],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        for file in files {
            sqlx::query!(
                "insert into fax_records (channel, letter_id, file, pages, bytes, digest, noted_at)
                 values ($1, $2, $3, $4, $5, $6, $7)
                 on conflict (letter_id, dispatch_id, file) do nothing",
                channel.as_str(),
                letter.0,
                i32::try_from(file.file).unwrap_or(i32::MAX),
                counted(file.pages),
                i64::try_from(file.bytes).unwrap_or(i64::MAX),
                file.digest.as_ref().map(<[u8; 32]>::as_slice),
                at,
            )
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// Notes the document with which a fax leaves, in the place of the one of an earlier attempt: a report
    /// that names another number of pages does not say that it was sent (FAX-31).
    pub async fn note_fax_document(
        &self,
        channel: &ChannelName,
        dispatch: DispatchId,
        document: &FaxFileSeen,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "with paged as (
                 update dispatches set fax_pages = $3 where id = $2
             )
             insert into fax_records (channel, dispatch_id, file, pages, bytes, digest, noted_at)
             values ($1, $2, 0, $3, $4, $5, $6)
             on conflict (letter_id, dispatch_id, file) do update
             set pages = excluded.pages,
                 bytes = excluded.bytes,
                 digest = excluded.digest,
                 noted_at = excluded.noted_at",
            channel.as_str(),
            dispatch.0,
            counted(document.pages),
            i64::try_from(document.bytes).unwrap_or(i64::MAX),
            document.digest.as_ref().map(<[u8; 32]>::as_slice),
            at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What is known of the faxes since a moment, the oldest first. A mail that had come before is left
    /// out, and so is what a report brought back.
    pub async fn fax_records(&self, since: OffsetDateTime) -> Result<Vec<FaxRecord>, StoreError> {
        let rows = sqlx::query!(
            r#"select
                 record.noted_at,
                 record.channel,
                 record.dispatch_id is not null as "is_ours!",
                 coalesce(record.letter_id, record.dispatch_id) as "item!",
                 coalesce(
                     (
                         select correspondent.key
                         from conversations as conversation
                         join correspondents as correspondent
                             on correspondent.id = conversation.correspondent_id
                         where conversation.id
                             = coalesce(letter.conversation_id, dispatch.conversation_id)
                     ),
                     ''
                 ) as "number!",
                 record.pages,
                 record.bytes,
                 coalesce(letter.state, dispatch.state) as "state!",
                 (
                     select report.words
                     from reports as report
                     where report.dispatch_id = record.dispatch_id
                       and report.words is not null
                     order by report.id desc
                     limit 1
                 ) as words,
                 letter.purged_at is not null as "is_purged!",
                 record.digest
             from fax_records as record
             left join letters as letter on letter.id = record.letter_id
             left join dispatches as dispatch on dispatch.id = record.dispatch_id
             where record.noted_at >= $1
               -- What a report brought back, and what came before, is no fax.
               and letter.state is distinct from 'duplicate'
               and (record.letter_id is null or letter.state <> 'posted'
                    or letter.conversation_id is not null)
             order by record.id"#,
            since,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let words = match row.words {
                Some(sealed) => Some(self.open_text(Purpose::ReportWords, &sealed)?),
                None => None,
            };
            records.push(FaxRecord {
                at: row.noted_at,
                channel: row.channel,
                is_ours: row.is_ours,
                item: row.item,
                number: row.number,
                pages: row.pages,
                bytes: row.bytes,
                state: row.state,
                words,
                is_purged: row.is_purged,
                digest: row.digest,
            });
        }
        Ok(records)
    }

    /// Whether the content of a mail was deleted because of its age.
    pub async fn is_purged(&self, letter: LetterId) -> Result<bool, StoreError> {
        let purged = sqlx::query_scalar!(
            r#"select purged_at is not null as "is_purged!" from letters where id = $1"#,
            letter.0,
        );
        Ok(purged.fetch_optional(&self.pool).await?.unwrap_or_default())
    }

    /// Deletes the content of a channel's mails that came before a moment and of which nothing is left to do:
    /// what they brought is in its room, had come before, or was dropped by a person. Returns how many.
    pub async fn purge_mails(
        &self,
        channel: &ChannelName,
        before: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let old = sqlx::query!(
            r#"select letter.id, letter.rest
             from letters as letter
             where letter.channel = $1
               and letter.received_at < $2
               and letter.purged_at is null
               and letter.state in ('posted', 'duplicate', 'dropped')
               and not exists (
                   select 1 from posts where posts.letter_id = letter.id and posts.state in ('pending', 'parked')
               )
             order by letter.received_at
             limit $3
             for update skip locked"#,
            channel.as_str(),
            before,
            PURGED_AT_ONCE,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let letters: Vec<i64> = old.iter().map(|letter| letter.id).collect();
        let rests: Vec<_> = old.into_iter().filter_map(|letter| letter.rest).collect();
        let purged = sqlx::query!(
            "update letters
             set raw = $2,
                 rest = null,
                 rest_pieces = 0,
                 envelope = null,
                 purged_at = $3
             where id = any ($1)",
            &letters,
            self.seal.close(Purpose::LetterRaw, PURGED_MAIL),
            now,
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        sqlx::query!("delete from letter_pieces where rest = any ($1)", &rests)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(purged)
    }
}

/// Pages as they are kept: none are none that are known.
fn counted(pages: Option<u32>) -> Option<i32> {
    pages.and_then(|pages| i32::try_from(pages).ok()).filter(|pages| *pages > 0)
}
