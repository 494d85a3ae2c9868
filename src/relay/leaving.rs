//! A mail that is made while it leaves.

use std::io;

use bytes::Bytes;
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    mail::{Composed, FILE_PIECE_BYTES, Piece, file_lines},
    matrix::Spooled,
    store::Store,
    transport::MailSource,
};

/// Pieces that may wait for the network.
const PIECES_WAITING_MAX: usize = 4;

/// The bytes of a file that leaves.
#[derive(Debug)]
pub(super) enum Content {
    Whole(Bytes),
    Spooled(Spooled),
}

impl Content {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Spooled(file) => file.bytes(),
        }
    }

    /// All of it at once. Not for the threads that serve all tasks.
    pub(super) fn whole(self) -> io::Result<Bytes> {
        match self {
            Self::Whole(bytes) => Ok(bytes),
            Self::Spooled(file) => {
                let mut whole = Vec::new();
                file.read(FILE_PIECE_BYTES, |piece| {
                    whole.extend_from_slice(&piece);
                    true
                })?;
                Ok(whole.into())
            }
        }
    }
}

/// A composed mail with its files. Nothing of them is read before the first piece is asked for.
#[derive(Debug)]
pub(super) struct Leaving {
    bytes: u64,
    gone: u64,
    source: LeavingSource,
}

#[derive(Debug)]
enum LeavingSource {
    Waiting(Vec<Piece>, Vec<Content>),
    Flowing(mpsc::Receiver<io::Result<Bytes>>),
}

impl Leaving {
    /// `files`: the files the mail was composed of, in their order.
    pub(super) fn new(mail: Composed, files: Vec<Content>) -> Self {
        Self { bytes: mail.bytes, gone: 0, source: LeavingSource::Waiting(mail.pieces, files) }
    }

    fn flow(&mut self) -> &mut mpsc::Receiver<io::Result<Bytes>> {
        if let LeavingSource::Waiting(pieces, files) = &mut self.source {
            let (pieces, files) = (std::mem::take(pieces), std::mem::take(files));
            let (into, flowing) = mpsc::channel(PIECES_WAITING_MAX);
            spawn_blocking(move || {
                if let Err(error) = write(pieces, files, &into) {
                    // An error means that the receiver is gone.
                    let _ = into.blocking_send(Err(error));
                }
            });
            self.source = LeavingSource::Flowing(flowing);
        }
        match &mut self.source {
            LeavingSource::Flowing(flowing) => flowing,
            LeavingSource::Waiting(..) => unreachable!("it flows since a moment ago"),
        }
    }
}

impl MailSource for Leaving {
    fn size(&self) -> usize {
        // `compose` writes CRLF, and nothing else ends a line.
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    fn is_ascii(&self) -> bool {
        true
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let next = self.flow().recv().await.transpose()?;
        self.gone += next.as_ref().map_or(0, Bytes::len) as u64;
        match next {
            // Half a mail must not pass for a whole one.
            None if self.gone != self.bytes => Err(io::ErrorKind::UnexpectedEof.into()),
            next => Ok(next),
        }
    }
}

/// A mail that ends only while the database is ours.
///
/// A gateway that was stopped while the mail left may have been replaced since, and the other
/// gateway has told the room that the mail's fate is unclear. If the mail is broken off before its
/// end, the server has accepted nothing.
#[derive(Debug)]
pub(super) struct Ours<'s, M> {
    mail: M,
    store: &'s Store,
}

impl<'s, M> Ours<'s, M> {
    pub(super) fn new(mail: M, store: &'s Store) -> Self {
        Self { mail, store }
    }
}

impl<M: MailSource + Send> MailSource for Ours<'_, M> {
    fn size(&self) -> usize {
        self.mail.size()
    }

    fn is_ascii(&self) -> bool {
        self.mail.is_ascii()
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let next = self.mail.next().await?;
        if next.is_none() {
            self.store.surely_ours().await.map_err(io::Error::other)?;
        }
        Ok(next)
    }
}

fn write(
    pieces: Vec<Piece>,
    files: Vec<Content>,
    into: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut files: Vec<Option<Content>> = files.into_iter().map(Some).collect();
    let send = |bytes: Vec<u8>| into.blocking_send(Ok(bytes.into())).is_ok();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => {
                if !send(bytes) {
                    return Ok(());
                }
            }
            Piece::File(number) => {
                let file = files.get_mut(number).and_then(Option::take);
                match file.ok_or(io::ErrorKind::NotFound)? {
                    Content::Whole(bytes) => {
                        bytes.chunks(FILE_PIECE_BYTES).all(|piece| send(file_lines(piece)));
                    }
                    Content::Spooled(file) => {
                        file.read(FILE_PIECE_BYTES, |piece| send(file_lines(&piece)))?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn flows(bytes: u64, pieces: Vec<Piece>, files: &[&'static [u8]]) -> io::Result<Vec<u8>> {
        let files = files.iter().map(|file| Content::Whole(Bytes::from_static(file))).collect();
        let mut leaving = Leaving::new(Composed { pieces, bytes }, files);
        let mut mail = Vec::new();
        while let Some(piece) = leaving.next().await? {
            mail.extend_from_slice(&piece);
        }
        Ok(mail)
    }

    #[tokio::test]
    async fn a_mail_leaves_in_order_and_whole_or_not_at_all() {
        let pieces = || vec![Piece::Bytes(b"A\r\n".to_vec()), Piece::File(0)];
        assert_eq!(flows(9, pieces(), &[b"abc"]).await.unwrap(), b"A\r\nYWJj\r\n");
        assert!(flows(10, pieces(), &[b"abc"]).await.is_err());
        assert!(flows(3, pieces(), &[]).await.is_err());
    }
}
