//! Letters from the database: read, and taken apart, piece by piece.

use std::{io, ops::Range};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{Ctx, budget::LentMemory, damage};
use crate::{
    mail::{self, Decoder, Fingerprinting, Scanner},
    model::{
        Attachment, ConversationId, KimFields, KimResults, Letter, LetterId, SaidService,
        TransferEncoding,
    },
    store::{LetterPieces, Store, StoreError},
};

/// How long a mail's skeleton may be that is made without asking for more memory. A mail with
/// twenty large files leaves about 10 MiB; only a mail whose large parts are not base64 leaves
/// more.
const SKELETON_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of a letter's name: enough that two letters never share one.
const NAME_BYTES: usize = 16;

/// Pieces of a file that may wait for their upload.
pub(super) const PIECES_WAITING_MAX: usize = 1;

/// A letter that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) letter: Letter,
    pub(super) fingerprint: Option<[u8; 32]>,
    /// What a Clientmodul says of its work.
    pub(super) results: KimResults,
    /// What it says of its Dienstkennung.
    pub(super) service: SaidService,
    /// The fields of KIM that nobody knows.
    pub(super) unknown: KimFields,
}

/// Why a letter was not read.
#[derive(Debug)]
pub(super) enum Unread {
    Store(StoreError),
    /// Reading it failed in a way that should not happen.
    Panicked,
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<tokio::task::JoinError> for Unread {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::Panicked
    }
}

/// A name for a letter that no other letter bears, even after the database was restored from an
/// older copy and counts its rows again: the homeserver remembers the `txn_id`s made from it for a
/// day, and would take another letter of the same name for a repeat.
///
/// The key alone is not enough: a mailbox may use it again for another mail. So `content` is in it,
/// and for mails that cannot be told apart by that, how many came before (`namesakes`).
///
/// `channel` is what the names of its channel are made with.
pub(super) fn name_of(
    channel: &str,
    mail_key: &str,
    content: Option<&[u8]>,
    namesakes: i64,
) -> String {
    let mut hash = Sha256::new();
    hash.update(channel);
    hash.update([0]);
    hash.update(mail_key);
    // Letters from before mailboxes had generations are named after their key alone, as they were.
    if let Some(content) = content {
        hash.update([0]);
        hash.update(content);
    }
    if namesakes > 0 {
        hash.update(namesakes.to_be_bytes());
    }
    hash.finalize().iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// What identifies the mail of a letter by its head. Nothing where the head cannot be read.
pub async fn head_identity(
    store: &Store,
    letter: LetterId,
) -> Result<Option<[u8; 32]>, StoreError> {
    let first = match store.letter_pieces(letter).await {
        Ok(Some(pieces)) => store.letter_piece(&pieces, 0).await,
        Ok(None) => return Ok(None),
        Err(error) => Err(error),
    };
    match first {
        Ok(first) => Ok(mail::head_identity(&first)),
        // The code that reads the letter itself tells of it.
        Err(StoreError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a letter; returns nothing when there is no such letter.
pub(super) async fn read(ctx: &Ctx, letter: LetterId) -> Result<Option<Read>, Unread> {
    let Some(pieces) = ctx.store.letter_pieces(letter).await? else { return Ok(None) };
    let skeleton = pieces.bytes().min(SKELETON_BYTES_MAX);
    let held = ctx.budget.take(2 * longest(&pieces) + skeleton).await;
    if let Some(read) = scan(ctx, &pieces, skeleton).await? {
        return Ok(Some(read));
    }
    drop(held);
    // Hardly anything can be left out: this counts all of it, and what its largest part is decoded
    // to.
    let _held = ctx.budget.take(2 * longest(&pieces) + 2 * pieces.bytes()).await;
    scan(ctx, &pieces, u64::MAX).await
}

/// The newest letter of a conversation, if it can be read.
pub(super) async fn newest(
    ctx: &Ctx,
    conversation: ConversationId,
) -> Result<Option<Letter>, StoreError> {
    match ctx.store.newest_letter(conversation).await {
        Ok(Some(stored)) => answered(ctx, stored.id).await,
        Ok(None) => Ok(None),
        Err(StoreError::Damaged(damaged)) => {
            damage::tell(&damaged);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The letter that is answered. Nothing when it cannot be read: then the answer names none, and
/// above all no other.
pub(super) async fn answered(ctx: &Ctx, id: LetterId) -> Result<Option<Letter>, StoreError> {
    match read(ctx, id).await {
        Ok(read) => Ok(read.map(|read| read.letter)),
        Err(Unread::Store(StoreError::Damaged(damaged))) => {
            damage::tell(&damaged);
            Ok(None)
        }
        Err(Unread::Store(error)) => Err(error),
        Err(Unread::Panicked) => Ok(None),
    }
}

/// Reading is bounded, and still runs where a panic harms this letter alone. Returns nothing when
/// the skeleton would be longer than `skeleton_max`.
async fn scan(ctx: &Ctx, pieces: &LetterPieces, skeleton_max: u64) -> Result<Option<Read>, Unread> {
    if pieces.lengths().len() == 1 {
        let piece = ctx.store.letter_piece(pieces, 0).await?;
        return Ok(spawn_blocking(move || scan_short(&piece, skeleton_max)).await?);
    }
    let mut scanner = Scanner::default();
    for number in 0..pieces.lengths().len() {
        let piece = ctx.store.letter_piece(pieces, number).await?;
        scanner = spawn_blocking(move || {
            scanner.take(&piece);
            scanner
        })
        .await?;
        if scanner.kept_bytes() as u64 > skeleton_max {
            return Ok(None);
        }
    }
    let (letter, mut hash, results, (service, unknown)) = spawn_blocking(move || {
        let skeleton = scanner.finish();
        let letter = mail::parse_skeleton(&skeleton);
        let hash = Fingerprinting::begin(&skeleton, &letter);
        let said = (mail::said_service(&skeleton), mail::unknown_kim_fields(&skeleton));
        (letter, hash, mail::kim_results(&skeleton), said)
    })
    .await?;
    for number in 0..pieces.lengths().len() {
        let Some(mut begun) = hash.take() else { break };
        let piece = ctx.store.letter_piece(pieces, number).await?;
        hash = spawn_blocking(move || {
            begun.take(&piece);
            Some(begun)
        })
        .await?;
    }
    let fingerprint = hash.map(Fingerprinting::finish);
    Ok(Some(Read { letter, fingerprint, results, service, unknown }))
}

/// The same for a letter of one piece, as most are.
fn scan_short(letter: &[u8], skeleton_max: u64) -> Option<Read> {
    let mut scanner = Scanner::default();
    scanner.take(letter);
    if scanner.kept_bytes() as u64 > skeleton_max {
        return None;
    }
    let skeleton = scanner.finish();
    let read = mail::parse_skeleton(&skeleton);
    let fingerprint = Fingerprinting::begin(&skeleton, &read).map(|mut hash| {
        hash.take(letter);
        hash.finish()
    });
    let results = mail::kim_results(&skeleton);
    let service = mail::said_service(&skeleton);
    let unknown = mail::unknown_kim_fields(&skeleton);
    Some(Read { letter: read, fingerprint, results, service, unknown })
}

/// The most that [`pour`] holds in memory.
pub(super) fn poured_bytes(pieces: &LetterPieces, file: &Attachment) -> u64 {
    let is_of_lines = |encoding| match encoding {
        // One of its lines may be as long as the whole.
        TransferEncoding::QuotedPrintable | TransferEncoding::Uuencode => true,
        TransferEncoding::Identity | TransferEncoding::Base64 | TransferEncoding::Signed => false,
    };
    let layers = file.within.iter().map(|layer| layer.encoding);
    let count = std::iter::once(file.encoding).chain(layers).filter(|e| is_of_lines(*e)).count();
    let lines = 2 * count as u64 * (file.place.end - file.place.start);
    // Sealed, opened, decoded, and one that waits.
    4 * longest(pieces) + lines
}

/// Delivers the bytes of a file from its letter, until the receiver is gone.
pub(super) async fn pour(
    ctx: &Ctx,
    pieces: &LetterPieces,
    file: &Attachment,
    into: mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), StoreError> {
    let mut decoder = Decoder::of(file);
    let mut begin = 0;
    for (number, length) in pieces.lengths().iter().enumerate() {
        let within = overlap(begin..begin + length, &file.place);
        begin += length;
        if within.is_empty() {
            continue;
        }
        let piece = match ctx.store.letter_piece(pieces, number).await {
            Ok(piece) => piece,
            Err(error) => {
                // The receiver is told that this is not the file's end.
                let _ = into.send(Err(io::Error::other("the letter could not be read"))).await;
                return Err(error);
            }
        };
        let decoded = spawn_blocking(move || {
            let bytes = decoder.take(piece.get(within).unwrap_or_default());
            (decoder, bytes)
        })
        .await;
        let Ok((taken, bytes)) = decoded else { return Ok(()) };
        decoder = taken;
        if !bytes.is_empty() && into.send(Ok(bytes.into())).await.is_err() {
            return Ok(());
        }
    }
    let last = decoder.finish();
    if !last.is_empty() {
        // An error means that the receiver is gone.
        let _ = into.send(Ok(last.into())).await;
    }
    Ok(())
}

/// The bytes of a file, all of them. What [`poured_bytes`] says is held, and they themselves, count towards
/// the budget of the caller. Nothing where the letter is gone.
pub(super) async fn bytes_of(
    ctx: &Ctx,
    letter: LetterId,
    file: &Attachment,
) -> Result<Option<(Bytes, LentMemory)>, StoreError> {
    let Some(pieces) = ctx.store.letter_pieces(letter).await? else { return Ok(None) };
    let held = ctx.budget.take(poured_bytes(&pieces, file) + 2 * file.bytes).await;
    let (into, mut taken) = mpsc::channel::<io::Result<Bytes>>(PIECES_WAITING_MAX);
    let gathering = async {
        let mut bytes = Vec::new();
        while let Some(Ok(piece)) = taken.recv().await {
            bytes.extend_from_slice(&piece);
        }
        bytes
    };
    let (poured, bytes) = tokio::join!(pour(ctx, &pieces, file, into), gathering);
    poured?;
    Ok(Some((bytes.into(), held.keep(2 * file.bytes))))
}

/// The first bytes of a file, at least `most` of them unless it has fewer; none where the letter is gone.
pub(super) async fn head_of(
    ctx: &Ctx,
    letter: LetterId,
    file: &Attachment,
    most: usize,
) -> Result<Bytes, StoreError> {
    let Some(pieces) = ctx.store.letter_pieces(letter).await? else { return Ok(Bytes::new()) };
    let _held = ctx.budget.take(poured_bytes(&pieces, file)).await;
    let (into, mut taken) = mpsc::channel::<io::Result<Bytes>>(PIECES_WAITING_MAX);
    // Once it has enough, the receiver is gone.
    let gathering = async move {
        let mut bytes = Vec::new();
        while bytes.len() < most
            && let Some(Ok(piece)) = taken.recv().await
        {
            bytes.extend_from_slice(&piece);
        }
        bytes
    };
    let (poured, bytes) = tokio::join!(pour(ctx, &pieces, file, into), gathering);
    poured?;
    Ok(bytes.into())
}

/// The part of a piece that belongs to a file, counted from the piece's beginning.
fn overlap(piece: Range<u64>, file: &Range<u64>) -> Range<usize> {
    let at = |place: u64| {
        let within = place.clamp(piece.start, piece.end) - piece.start;
        usize::try_from(within).unwrap_or(usize::MAX)
    };
    at(file.start)..at(file.end)
}

fn longest(pieces: &LetterPieces) -> u64 {
    pieces.lengths().iter().copied().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `R01`: a key that is used again for another mail makes another name.
    #[test]
    fn a_name_is_of_the_channel_the_key_and_the_content() {
        let (kim, fax) = ("kim", "fax");
        let name =
            |channel, key, content: &[u8], times| name_of(channel, key, Some(content), times);
        let first = name(kim, "1", b"a", 0);
        assert_eq!(first, name(kim, "1", b"a", 0));
        assert_eq!(first.len(), 2 * NAME_BYTES);
        let others = [
            name(fax, "1", b"a", 0),
            name(kim, "2", b"a", 0),
            name(kim, "1", b"b", 0),
            name(kim, "1", b"a", 1),
            name_of(kim, "1", None, 0),
        ];
        assert!(!others.contains(&first));
        assert_eq!(others.iter().collect::<std::collections::BTreeSet<_>>().len(), others.len());
    }

    /// What was said about letters of earlier versions bears the name they had then.
    #[test]
    fn a_letter_of_before_keeps_its_name() {
        let kim = "kim";
        let hash = Sha256::digest(b"kim\x001");
        let then: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(name_of(kim, "1", None, 0), then);
    }

    #[test]
    fn a_file_is_found_in_its_pieces() {
        let check = |piece: Range<u64>, expected: Range<usize>| {
            assert_eq!(overlap(piece, &(10..25)), expected);
        };
        check(0..10, 10..10);
        check(0..11, 10..11);
        check(10..20, 0..10);
        check(20..30, 0..5);
        check(25..30, 0..0);
        check(0..100, 10..25);
    }
}
