//! Files, encrypted for the media repository (Matrix 1.11, "Sending encrypted attachments").
//!
//! Both ways piece by piece: only a few pieces of a file are in memory, whatever its length. A file
//! that arrives is spooled as it came, encrypted under the key of its event, until all of it is
//! there and is known to be what was encrypted.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, Write},
};

use bytes::Bytes;
use futures_util::stream;
use matrix_sdk_crypto::{AttachmentDecryptor, AttachmentEncryptor, MediaEncryptionInfo};
use ruma::events::room::{EncryptedFileHash, EncryptedFileHashAlgorithm};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

/// Bytes of one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that may wait for the network.
const PIECES_MAX: usize = 4;

/// A file on its way to the homeserver, in pieces of the sender's choice.
#[derive(Debug)]
pub struct Upload {
    /// Its length: Synapse wants to know it first.
    pub bytes: u64,
    /// An error breaks the upload off.
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Upload {
    /// A file that is in memory as a whole.
    pub fn whole(file: Bytes) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let bytes = file.len() as u64;
        if !file.is_empty() {
            // The channel has room for one.
            let _ = sender.try_send(Ok(file));
        }
        Self { bytes, pieces }
    }

    pub(in crate::matrix) fn into_body(self) -> reqwest::Body {
        body(self.pieces)
    }
}

fn body(pieces: mpsc::Receiver<io::Result<Bytes>>) -> reqwest::Body {
    reqwest::Body::wrap_stream(stream::unfold(pieces, async |mut pieces| {
        pieces.recv().await.map(|piece| (piece, pieces))
    }))
}

/// Why a file was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    #[error("the description of an encrypted file is not complete")]
    Description,
    #[error("a file is not the one that was encrypted")]
    Altered,
    #[error("a file could not be kept in the folder for temporary files")]
    Spool,
}

/// A file on its way out.
pub(in crate::matrix) struct Encrypting {
    /// As long as the file itself.
    pub(in crate::matrix) body: reqwest::Body,
    /// `key`, `iv`, `hashes` and `v` of an `EncryptedFile`, once all of the body was taken.
    pub(in crate::matrix) info: oneshot::Receiver<Value>,
}

/// Encrypts a file under its own key, as fast as the body is taken.
pub(in crate::matrix) fn encrypting(file: Upload) -> Encrypting {
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    let (done, info) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut plain = Pieces::new(file.pieces);
        let mut encryptor = AttachmentEncryptor::new(&mut plain);
        loop {
            let piece = match next_piece(&mut encryptor) {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            let is_whole = piece.is_ok();
            if pieces.blocking_send(piece).is_err() || !is_whole {
                // The receiver is gone, or there is no more of the body.
                return;
            }
        }
        // An error means that the receiver is gone.
        let _ = done.send(serde_json::to_value(encryptor.finish()).unwrap_or_default());
    });
    Encrypting { body: body(taken), info }
}

fn next_piece(reader: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    reader.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok((!piece.is_empty()).then(|| piece.into()))
}

/// A file on its way in.
pub(in crate::matrix) struct Spooling {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    spooled: tokio::task::JoinHandle<Result<Spooled, AttachmentError>>,
}

impl Spooling {
    /// `info` is what the event says about the file.
    pub(in crate::matrix) fn new(info: Value) -> Self {
        let (pieces, taken) = mpsc::channel(PIECES_MAX);
        let spooled = tokio::task::spawn_blocking(move || spool(Pieces::new(taken), info));
        Self { pieces, spooled }
    }

    /// `false`: the file cannot be kept, and the rest of it is of no use.
    pub(in crate::matrix) async fn take(&self, piece: Bytes) -> bool {
        self.pieces.send(Ok(piece)).await.is_ok()
    }

    /// The file, if it is the one that was encrypted.
    pub(in crate::matrix) async fn finish(self) -> Result<Spooled, AttachmentError> {
        drop(self.pieces);
        self.spooled.await.map_err(|_| AttachmentError::Altered)?
    }
}

/// A complete file, still encrypted, in a temporary file without a name. A reader of the disk
/// learns nothing of it.
#[derive(Debug)]
pub struct Spooled {
    file: File,
    info: Value,
    bytes: u64,
}

impl Spooled {
    /// Its length, encrypted or not.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it decrypted from its beginning, in pieces of `piece_bytes` except the last, until
    /// `each` wants no more. Not for the threads that serve all tasks.
    pub fn read(
        mut self,
        piece_bytes: usize,
        mut each: impl FnMut(Bytes) -> bool,
    ) -> io::Result<()> {
        self.file.rewind()?;
        let info = serde_json::from_value(self.info)?;
        let mut decryptor =
            AttachmentDecryptor::new(&mut self.file, info).map_err(io::Error::other)?;
        loop {
            let mut piece = Vec::with_capacity(piece_bytes);
            // At the end it is compared with its hash once more.
            (&mut decryptor).take(piece_bytes as u64).read_to_end(&mut piece)?;
            let is_last = piece.len() < piece_bytes;
            if (!piece.is_empty() && !each(piece.into())) || is_last {
                return Ok(());
            }
        }
    }
}

fn spool(mut encrypted: impl Read, info: Value) -> Result<Spooled, AttachmentError> {
    let known: MediaEncryptionInfo =
        serde_json::from_value(info.clone()).map_err(|_| AttachmentError::Description)?;
    let expected = match known.hashes.get(&EncryptedFileHashAlgorithm::Sha256) {
        Some(EncryptedFileHash::Sha256(hash)) => hash.as_bytes().to_vec(),
        _ => return Err(AttachmentError::Description),
    };
    AttachmentDecryptor::new(&mut io::empty(), known).map_err(|_| AttachmentError::Description)?;
    let mut file = tempfile::tempfile().map_err(|_| AttachmentError::Spool)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(piece) = next_piece(&mut encrypted).map_err(|_| AttachmentError::Altered)? {
        hash.update(&piece);
        bytes += piece.len() as u64;
        file.write_all(&piece).map_err(|_| AttachmentError::Spool)?;
    }
    if hash.finalize()[..] != expected[..] {
        return Err(AttachmentError::Altered);
    }
    Ok(Spooled { file, info, bytes })
}

/// Pieces from a channel, read one after the other. Not for the threads that serve all tasks.
struct Pieces {
    taken: mpsc::Receiver<io::Result<Bytes>>,
    piece: Cursor<Bytes>,
}

impl Pieces {
    fn new(taken: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { taken, piece: Cursor::default() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.taken.blocking_recv() {
                Some(piece) => self.piece = Cursor::new(piece?),
                None => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::{AttachmentError, Spooling, Upload, encrypting};

    async fn encrypted(file: &[u8]) -> (Vec<u8>, Value) {
        let file = encrypting(Upload::whole(Bytes::copy_from_slice(file)));
        let bytes = file.body.collect().await.unwrap().to_bytes().to_vec();
        (bytes, file.info.await.unwrap())
    }

    async fn decrypted(bytes: &[u8], info: Value) -> Result<Bytes, AttachmentError> {
        let file = Spooling::new(info);
        for piece in bytes.chunks(1000) {
            if !file.take(Bytes::copy_from_slice(piece)).await {
                break;
            }
        }
        let spooled = file.finish().await?;
        let mut plain = Vec::new();
        let length = spooled.bytes();
        spooled
            .read(1000, |piece| {
                plain.extend_from_slice(&piece);
                true
            })
            .unwrap();
        assert_eq!(plain.len() as u64, length);
        Ok(plain.into())
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_to_its_end_has_no_key() {
        let (pieces, taken) = tokio::sync::mpsc::channel(2);
        pieces.send(Ok(Bytes::from_static(b"Befund"))).await.unwrap();
        pieces.send(Err(std::io::Error::other("lost"))).await.unwrap();
        drop(pieces);
        let file = encrypting(Upload { bytes: 100, pieces: taken });
        assert!(file.body.collect().await.is_err());
        assert!(file.info.await.is_err());
    }

    #[tokio::test]
    async fn what_was_encrypted_is_decrypted() {
        for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
            let file: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (bytes, info) = encrypted(&file).await;
            assert_eq!(bytes.len(), file.len());
            assert!(length < 16 || bytes != file);
            assert_eq!(decrypted(&bytes, info).await.unwrap(), file);
        }
    }

    #[tokio::test]
    async fn an_altered_or_cut_file_is_refused() {
        let (mut bytes, info) = encrypted(&[7; 5000]).await;
        let cut = decrypted(&bytes[..4999], info.clone()).await;
        assert_eq!(cut, Err(AttachmentError::Altered));
        bytes[0] ^= 1;
        assert_eq!(decrypted(&bytes, info).await, Err(AttachmentError::Altered));
    }

    #[tokio::test]
    async fn a_half_description_is_refused() {
        let (bytes, info) = encrypted(b"Befund").await;
        for name in ["key", "iv", "hashes", "v"] {
            let mut half = info.clone();
            half.as_object_mut().unwrap().remove(name);
            let refused = decrypted(&bytes, half).await;
            assert_eq!(refused, Err(AttachmentError::Description), "{name}");
        }
        assert!(decrypted(&bytes, json!(null)).await.is_err());
    }
}
