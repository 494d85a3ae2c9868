//! Files, encrypted for the media repository (Matrix 1.11, "Sending encrypted attachments").
//!
//! Both ways piece by piece: beside the file itself, which its letter or mail holds anyway, only
//! some pieces are in memory.

use std::io::{self, Cursor, Read};

use bytes::Bytes;
use futures_util::stream;
use matrix_sdk_crypto::{AttachmentDecryptor, AttachmentEncryptor, MediaEncryptionInfo};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// Bytes of one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that may wait for the network.
const PIECES_MAX: usize = 4;

/// A file that was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    #[error("the description of an encrypted file is not complete")]
    Description,
    #[error("a file is not the one that was encrypted")]
    Altered,
}

/// A file on its way out.
pub(in crate::matrix) struct Encrypting {
    /// As long as the file itself.
    pub(in crate::matrix) body: reqwest::Body,
    /// `key`, `iv`, `hashes` and `v` of an `EncryptedFile`, once all of the body was taken.
    pub(in crate::matrix) info: oneshot::Receiver<Value>,
}

/// Encrypts a file under a key of its own, as fast as the body is taken.
pub(in crate::matrix) fn encrypting(file: Bytes) -> Encrypting {
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    let (done, info) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut plain = Cursor::new(file);
        let mut encryptor = AttachmentEncryptor::new(&mut plain);
        while let Ok(Some(piece)) = next_piece(&mut encryptor) {
            if pieces.blocking_send(Ok::<_, io::Error>(piece)).is_err() {
                // Nobody takes the body any longer.
                return;
            }
        }
        // An error means that nobody wants to know any longer.
        let _ = done.send(serde_json::to_value(encryptor.finish()).unwrap_or_default());
    });
    let body =
        stream::unfold(taken, async |mut taken| taken.recv().await.map(|piece| (piece, taken)));
    Encrypting { body: reqwest::Body::wrap_stream(body), info }
}

fn next_piece(reader: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    reader.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok((!piece.is_empty()).then(|| piece.into()))
}

/// A file on its way in, decrypted while it comes.
pub(in crate::matrix) struct Decrypting {
    pieces: mpsc::Sender<Bytes>,
    plain: tokio::task::JoinHandle<Result<Vec<u8>, AttachmentError>>,
}

impl Decrypting {
    /// `info` is what the event says about the file.
    pub(in crate::matrix) fn new(info: Value) -> Self {
        let (pieces, taken) = mpsc::channel(PIECES_MAX);
        let plain = tokio::task::spawn_blocking(move || decrypt(Pieces::new(taken), info));
        Self { pieces, plain }
    }

    /// `false`: the file cannot be decrypted, and the rest of it is of no use.
    pub(in crate::matrix) async fn take(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// The file, when it is the one that was encrypted.
    pub(in crate::matrix) async fn finish(self) -> Result<Bytes, AttachmentError> {
        drop(self.pieces);
        self.plain.await.map_err(|_| AttachmentError::Altered)?.map(Bytes::from)
    }
}

fn decrypt(mut encrypted: impl Read, info: Value) -> Result<Vec<u8>, AttachmentError> {
    let info: MediaEncryptionInfo =
        serde_json::from_value(info).map_err(|_| AttachmentError::Description)?;
    let mut decryptor =
        AttachmentDecryptor::new(&mut encrypted, info).map_err(|_| AttachmentError::Description)?;
    let mut plain = Vec::new();
    decryptor.read_to_end(&mut plain).map_err(|_| AttachmentError::Altered)?;
    Ok(plain)
}

/// Pieces out of a channel, read one after the other. Not for the threads that serve everybody.
struct Pieces {
    taken: mpsc::Receiver<Bytes>,
    piece: Cursor<Bytes>,
}

impl Pieces {
    fn new(taken: mpsc::Receiver<Bytes>) -> Self {
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
                Some(piece) => self.piece = Cursor::new(piece),
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

    use super::{AttachmentError, Decrypting, encrypting};

    async fn encrypted(file: &[u8]) -> (Vec<u8>, Value) {
        let file = encrypting(Bytes::copy_from_slice(file));
        let bytes = file.body.collect().await.unwrap().to_bytes().to_vec();
        (bytes, file.info.await.unwrap())
    }

    async fn decrypted(bytes: &[u8], info: Value) -> Result<Bytes, AttachmentError> {
        let file = Decrypting::new(info);
        for piece in bytes.chunks(1000) {
            if !file.take(Bytes::copy_from_slice(piece)).await {
                break;
            }
        }
        file.finish().await
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
