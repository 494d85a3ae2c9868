//! The bytes of letters: sealed piece by piece as they come, and read the same way.

use time::OffsetDateTime;

use super::{
    Damaged, Harm, Store, StoreError,
    seal::{Purpose, SEAL_BYTES},
};
use crate::model::{ChannelName, LetterId, MailKey};

/// From this length on a piece is saved and the next one begins. Large enough that a mail of
/// 100 MB costs a few hundred statements, small enough that some in memory do not matter.
pub const PIECE_BYTES: usize = 1024 * 1024;

/// A mail on its way from a mailbox into the database.
///
/// Its pieces are saved while it comes; it is there with [`NewLetter::finish`], and not before.
#[derive(Debug)]
pub struct NewLetter<'s> {
    store: &'s Store,
    /// The first piece, sealed: what a short mail has is all there.
    first: Option<Vec<u8>>,
    /// What came since the last piece.
    piece: Vec<u8>,
    rest: Option<i64>,
    rest_pieces: i32,
    bytes: u64,
}

impl<'s> NewLetter<'s> {
    pub fn new(store: &'s Store) -> Self {
        Self { store, first: None, piece: Vec::new(), rest: None, rest_pieces: 0, bytes: 0 }
    }

    /// How much has come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes what comes next.
    pub async fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
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

    /// Saves the letter. `false` when its key was known: nothing is done. Whoever brings it wakes
    /// its placing, once for many; [`Store::wake_what_waits`] does it for those who could not.
    ///
    /// `head_only`: it is too large, and the mailbox holds the only copy of the rest.
    pub async fn finish(
        mut self,
        channel: &ChannelName,
        mail_key: &MailKey,
        head_only: bool,
        received_at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        if !self.piece.is_empty() || self.first.is_none() {
            self.end_piece().await?;
        }
        let inserted = sqlx::query!(
            "insert into letters
                 (channel, mail_key, received_at, raw, head_only, rest, rest_pieces)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (channel, mail_key) do nothing",
            channel.as_str(),
            mail_key.as_str(),
            received_at,
            self.first.take().unwrap_or_default(),
            head_only,
            self.rest,
            self.rest_pieces,
        )
        .execute(&self.store.pool)
        .await?
        .rows_affected();
        if inserted == 0 {
            self.discard().await?;
        }
        Ok(inserted == 1)
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

/// Where the bytes of a letter are.
#[derive(Debug, Clone)]
pub struct LetterPieces {
    letter: LetterId,
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
                 rest,
                 rest_pieces
             from letters
             where id = $1"#,
            letter.0,
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
        Ok(Some(LetterPieces { letter, rest: row.rest, lengths }))
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
                let raw =
                    sqlx::query_scalar!("select raw from letters where id = $1", pieces.letter.0)
                        .fetch_optional(&self.pool)
                        .await?;
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

    /// Removes pieces no letter names: a crash left them, while their mail was coming. Only at
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
