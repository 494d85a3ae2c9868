//! The bytes of letters: sealed piece by piece as they come, and read the same way.

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Damaged, Harm, LetterEnvelope, Store, StoreError,
    kept_back::CardWait,
    seal::{Purpose, SEAL_BYTES},
};
use crate::{
    channel::DeliveryProof,
    model::{ChannelName, LetterId, MailKey, MailboxId},
};

/// From this length on a piece is saved and the next one begins. Large enough that a mail of 100 MB
/// costs a few hundred statements, small enough that a few in memory do not matter.
pub const PIECE_BYTES: usize = 1024 * 1024;

/// A mail on its way from a mailbox into the database.
///
/// Its pieces are saved while they come; the mail counts only with [`NewLetter::finish`].
#[derive(Debug)]
pub struct NewLetter<'s> {
    store: &'s Store,
    /// The first piece, sealed: for a short mail this is everything.
    first: Option<Vec<u8>>,
    /// The bytes since the last piece.
    piece: Vec<u8>,
    rest: Option<i64>,
    rest_pieces: i32,
    bytes: u64,
    digest: Sha256,
    /// How it was delivered; nothing of a mail out of a mailbox.
    delivered: DeliveryNote,
}

/// What is kept of a delivery.
#[derive(Debug, Default)]
struct DeliveryNote {
    /// Sealed.
    envelope: Option<Vec<u8>>,
    let_in_by: Option<&'static str>,
}

/// Where a mail comes from, and how its fetch ended.
#[derive(Debug, Clone, Copy)]
pub struct FetchedFrom<'a> {
    pub channel: &'a ChannelName,
    /// The generation of the mailbox.
    pub mailbox: MailboxId,
    pub key: &'a MailKey,
    /// Its length according to the server's list.
    pub listed_bytes: Option<u64>,
    /// Only its head came, and the mailbox holds the only copy of the rest.
    pub head_only: bool,
    /// The mail could not be fetched: only its head came, or nothing. If it comes later, it is that
    /// letter.
    pub out_of_reach: bool,
    /// Because of its length.
    pub too_large: bool,
    pub at: OffsetDateTime,
}

/// The outcome of saving a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// A letter that was not there.
    New,
    /// A letter that is there already: the very same bytes, or everything that could be fetched of
    /// it.
    Known,
    /// The head of a mail out of reach, which is there already: nothing new has come of it.
    StillOutOfReach,
}

impl<'s> NewLetter<'s> {
    pub fn new(store: &'s Store) -> Self {
        Self {
            store,
            first: None,
            piece: Vec::new(),
            rest: None,
            rest_pieces: 0,
            bytes: 0,
            digest: Sha256::new(),
            delivered: DeliveryNote::default(),
        }
    }

    /// How much has come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of what has come.
    pub fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// Keeps, with the letter, what its envelope said (FAX-9), and by what its peer was let in (FAX-12).
    pub fn in_envelope(mut self, envelope: &LetterEnvelope, proof: DeliveryProof) -> Self {
        self.delivered = DeliveryNote {
            envelope: Some(envelope.sealed(self.store)),
            let_in_by: Some(proof.word()),
        };
        self
    }

    /// Takes the next bytes.
    pub async fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        self.digest.update(bytes);
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES { self.end_piece().await } else { Ok(()) }
    }

    async fn end_piece(&mut self) -> Result<(), StoreError> {
        let piece = std::mem::take(&mut self.piece);
        if self.first.is_none() {
            self.first = Some(self.store.close_large(Purpose::LetterRaw, piece).await);
            return Ok(());
        }
        let rest = match self.rest {
            Some(rest) => rest,
            None => {
                let rest = sqlx::query_scalar!(r#"select nextval('letter_rests') as "rest!""#)
                    .fetch_one(&self.store.pool)
                    .await?;
                *self.rest.insert(rest)
            }
        };
        let piece = self.store.close_large(Purpose::LetterPiece, piece).await;
        self.rest_pieces += 1;
        sqlx::query!(
            "insert into letter_pieces (rest, number, piece)
             values ($1, $2, $3)",
            rest,
            self.rest_pieces,
            piece,
        )
        .execute(&self.store.pool)
        .await?;
        Ok(())
    }

    /// Saves the letter. The caller wakes the job that places letters, once for many;
    /// [`Store::wake_what_waits`] does it for callers that could not.
    pub async fn finish(mut self, arrival: FetchedFrom<'_>) -> Result<Saved, StoreError> {
        if !self.piece.is_empty() || self.first.is_none() {
            self.end_piece().await?;
        }
        let digest = self.digest.clone().finalize();
        let first = self.first.take().unwrap_or_default();
        // One statement for nearly all cases: these bytes did not come from this mailbox before,
        // and no mail has this name.
        if !arrival.out_of_reach && self.insert(&arrival, &first, &digest).await? {
            return Ok(Saved::New);
        }
        let saved = self.settle(&arrival, &first, &digest).await?;
        if saved != Saved::New {
            self.discard().await?;
        }
        Ok(saved)
    }

    async fn insert(
        &self,
        arrival: &FetchedFrom<'_>,
        first: &[u8],
        digest: &[u8],
    ) -> Result<bool, StoreError> {
        let inserted = sqlx::query!(
            "insert into letters
                 (channel, mailbox_id, mail_key, received_at, raw, head_only, rest, rest_pieces,
                  digest, listed_bytes, too_large, envelope, let_in_by, outer_service,
                  outer_encrypted)
             select
                 $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                 (
                     select service from outer_heads where mailbox_id = $2 and mail_key = $3
                 ),
                 (
                     select is_encrypted from outer_heads where mailbox_id = $2 and mail_key = $3
                 )
             where not exists (
                 select 1
                 from letters
                 where mailbox_id = $2
                   and digest = $9
             )
             -- `settle` looks at what bears the name.
             on conflict (mailbox_id, mail_key) where left_at is null do nothing",
            arrival.channel.as_str(),
            arrival.mailbox.0,
            arrival.key.as_str(),
            arrival.at,
            first,
            arrival.head_only,
            self.rest,
            self.rest_pieces,
            digest,
            arrival.listed(),
            arrival.too_large,
            self.delivered.envelope,
            self.delivered.let_in_by,
        )
        .execute(&self.store.pool)
        .await?
        .rows_affected();
        Ok(inserted == 1)
    }

    /// The bytes, or the name, were seen in this mailbox before.
    async fn settle(
        &self,
        arrival: &FetchedFrom<'_>,
        first: &[u8],
        digest: &[u8],
    ) -> Result<Saved, StoreError> {
        let (mailbox, key) = (arrival.mailbox.0, arrival.key.as_str());
        let mut transaction = self.store.pool.begin().await?;
        // The mail that has the name now.
        let bearer = sqlx::query!(
            r#"select
                 bearer.id,
                 bearer.out_of_reach,
                 -- A repeat of such a letter is its mail under another name.
                 coalesce(
                     coalesce(original.kept_back, bearer.kept_back) = 'undecrypted',
                     false
                 ) as "is_undecrypted!",
                 bearer.deleted_at is not null as "is_deleted!",
                 coalesce(bearer.digest = $3, false) as "is_same!"
             from letters as bearer
             left join letters as original on original.id = bearer.repeats
             where bearer.mailbox_id = $1
               and bearer.mail_key = $2
               and bearer.left_at is null
             for update of bearer"#,
            mailbox,
            key,
            digest,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        // Nothing new of a mail that cannot be fetched.
        if arrival.out_of_reach && bearer.as_ref().is_some_and(|bearer| !bearer.is_deleted) {
            return Ok(Saved::Known);
        }
        if let Some(bearer) = bearer.as_ref().filter(|bearer| bearer.is_same) {
            // Its deletion was confirmed, and had no effect; or the list says another size of it; or
            // its head, which was everything that could be fetched, is all there is.
            sqlx::query!(
                "update letters
                 set deleted_at = null,
                     listed_bytes = $2,
                     head_only = head_only and $3,
                     out_of_reach = out_of_reach and $3
                 where id = $1",
                bearer.id,
                arrival.listed(),
                arrival.head_only,
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            let is_still = bearer.out_of_reach && arrival.head_only;
            return Ok(if is_still { Saved::StillOutOfReach } else { Saved::Known });
        }
        if let Some(bearer) = &bearer {
            sqlx::query!("update letters set left_at = $2 where id = $1", bearer.id, arrival.at)
                .execute(&mut *transaction)
                .await?;
        }
        if arrival.name_again(&mut transaction, digest).await? {
            transaction.commit().await?;
            return Ok(Saved::Known);
        }
        let told = bearer.filter(|bearer| bearer.out_of_reach || bearer.is_undecrypted);
        let supersedes = told.map(|bearer| bearer.id);
        self.insert_after(&mut transaction, arrival, supersedes, first, digest).await?;
        transaction.commit().await?;
        Ok(Saved::New)
    }

    /// Saves it as a new letter. `supersedes`: the letter, out of reach or not decrypted, that it may
    /// turn out to be.
    async fn insert_after(
        &self,
        connection: &mut PgConnection,
        arrival: &FetchedFrom<'_>,
        supersedes: Option<i64>,
        first: &[u8],
        digest: &[u8],
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into letters
                 (channel, mailbox_id, mail_key, received_at, raw, head_only, rest, rest_pieces,
                  digest, listed_bytes, out_of_reach, too_large, supersedes, envelope, let_in_by,
                  outer_service, outer_encrypted)
             values (
                 $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                 (
                     select service from outer_heads where mailbox_id = $2 and mail_key = $3
                 ),
                 (
                     select is_encrypted from outer_heads where mailbox_id = $2 and mail_key = $3
                 )
             )",
            arrival.channel.as_str(),
            arrival.mailbox.0,
            arrival.key.as_str(),
            arrival.at,
            first,
            arrival.head_only,
            self.rest,
            self.rest_pieces,
            digest,
            arrival.listed(),
            arrival.out_of_reach,
            arrival.too_large,
            supersedes,
            self.delivered.envelope,
            self.delivered.let_in_by,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Removes what was saved of a mail that did not come to its end.
    pub async fn discard(self) -> Result<(), StoreError> {
        if let Some(rest) = self.rest {
            sqlx::query!("delete from letter_pieces where rest = $1", rest)
                .execute(&self.store.pool)
                .await?;
        }
        Ok(())
    }
}

impl FetchedFrom<'_> {
    /// Its length in the list, as it is saved.
    fn listed(&self) -> Option<i64> {
        self.listed_bytes.and_then(|bytes| i64::try_from(bytes).ok())
    }

    /// Gives the letter of these bytes its new name, when the earlier one was gone and we know of no
    /// deletion: a list was incomplete, or the server renames its mails. `false`: there is none.
    async fn name_again(
        &self,
        connection: &mut PgConnection,
        digest: &[u8],
    ) -> Result<bool, sqlx::Error> {
        let returned = sqlx::query_scalar!(
            "update letters
             set mail_key = $3,
                 left_at = null,
                 listed_bytes = $4
             where id = (
                 select id
                 from letters
                 where mailbox_id = $1
                   and digest = $2
                   and left_at is not null
                   and deleted_at is null
                   and not out_of_reach
                   and not $5
                 order by id
                 limit 1
             )
             returning id",
            self.mailbox.0,
            digest,
            self.key.as_str(),
            self.listed(),
            self.out_of_reach,
        )
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(letter) = returned {
            CardWait { letter: LetterId(letter), next: None }.note(connection).await?;
        }
        Ok(returned.is_some())
    }
}

/// A letter up to this length, in bytes, is loaded together with its length.
const SMALL_BYTES_MAX: i32 = 64 * 1024;

/// Where the bytes of a letter are.
#[derive(Debug, Clone)]
pub struct LetterPieces {
    letter: LetterId,
    /// The first piece as it is stored, if it is so small that it was loaded at once.
    small: Option<Vec<u8>>,
    rest: Option<i64>,
    /// How long each piece is, in order.
    lengths: Vec<u64>,
}

impl LetterPieces {
    /// The length of the whole mail.
    pub fn bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    pub fn lengths(&self) -> &[u64] {
        &self.lengths
    }
}

impl Store {
    /// Where the bytes of a letter are; nothing when there is no such letter.
    ///
    /// Errors: [`StoreError::Damaged`] when pieces of it are missing.
    pub async fn letter_pieces(
        &self,
        letter: LetterId,
    ) -> Result<Option<LetterPieces>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 octet_length(raw) as "first!",
                 case when octet_length(raw) <= $2 then raw end as "small?",
                 rest,
                 rest_pieces
             from letters
             where id = $1"#,
            letter.0,
            SMALL_BYTES_MAX,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut sealed = vec![row.first];
        if let Some(rest) = row.rest {
            let rest = sqlx::query_scalar!(
                r#"select octet_length(piece) as "length!"
                 from letter_pieces
                 where rest = $1
                 order by number"#,
                rest,
            )
            .fetch_all(&self.pool)
            .await?;
            if i32::try_from(rest.len()) != Ok(row.rest_pieces) {
                return Err(Damaged::new("letters", "rest", letter.0, Harm::Missing).into());
            }
            sealed.extend(rest);
        }
        let plain =
            |length: i32| (u64::from(length.unsigned_abs())).saturating_sub(SEAL_BYTES as u64);
        let lengths = sealed.into_iter().map(plain).collect();
        Ok(Some(LetterPieces { letter, small: row.small, rest: row.rest, lengths }))
    }

    /// One piece of a letter, from 0.
    ///
    /// Errors: [`StoreError::Damaged`] when it was damaged in the database, or is not there.
    pub async fn letter_piece(
        &self,
        pieces: &LetterPieces,
        number: usize,
    ) -> Result<Vec<u8>, StoreError> {
        let (purpose, sealed) = match (number, pieces.rest) {
            (0, _) => {
                let raw = match &pieces.small {
                    Some(small) => Some(small.clone()),
                    None => {
                        let letter = pieces.letter.0;
                        sqlx::query_scalar!("select raw from letters where id = $1", letter)
                            .fetch_optional(&self.pool)
                            .await?
                    }
                };
                (Purpose::LetterRaw, raw)
            }
            (_, None) => (Purpose::LetterPiece, None),
            (number, Some(rest)) => {
                let piece = sqlx::query_scalar!(
                    "select piece
                     from letter_pieces
                     where rest = $1
                       and number = $2",
                    rest,
                    i32::try_from(number).unwrap_or(i32::MAX),
                )
                .fetch_optional(&self.pool)
                .await?;
                (Purpose::LetterPiece, piece)
            }
        };
        let damaged = |why| {
            let letter = Some(pieces.letter.0);
            Damaged { row: letter, ..Damaged::sealed(purpose, why) }
        };
        let sealed = sealed.ok_or_else(|| damaged(Harm::Missing))?;
        Ok(self.open_large(purpose, sealed).await.map_err(|why| damaged(why.into()))?)
    }

    /// Removes pieces no letter names: a crash left them while their mail was coming. Only at the
    /// start, holding the database, before a mailbox is looked into.
    pub async fn remove_lost_pieces(&self) -> Result<u64, StoreError> {
        Ok(sqlx::query!(
            "delete from letter_pieces
             where not exists (
                 select 1
                 from letters
                 where letters.rest = letter_pieces.rest
             )"
        )
        .execute(&self.pool)
        .await?
        .rows_affected())
    }
}
