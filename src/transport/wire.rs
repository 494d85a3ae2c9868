//! Reading and writing with limits: what the three dialogues share.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use memchr::memchr;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf},
    task::{unconstrained, yield_now},
    time::{Sleep, sleep},
};

use super::{
    fetched::{Basket, Fetched},
    trust::Untrusted,
};

/// A connection, encrypted or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
pub(super) type BoxedIo = Box<dyn Io>;

/// What went wrong on the wire.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the connection failed")]
    Io {
        #[source]
        source: io::Error,
    },
    #[error("the connection is not secure")]
    Tls {
        #[source]
        source: rustls::Error,
    },
    #[error("the server closed the connection")]
    Closed,
    #[error("the server stayed silent for too long")]
    Silent,
    #[error("the server sent {0}, which is more than the gateway reads")]
    TooMuch(&'static str),
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// A complete answer that says no; the session goes on.
    #[error("the server answered: {reply}")]
    Refused {
        /// Without addresses and numbers, at most 500 characters.
        reply: String,
    },
    /// After a fault, a mail that was too large, or a call that was dropped half-way, it is unknown
    /// whose answer the next byte belongs to.
    #[error("the session is over")]
    Over,
}

impl Fault {
    /// The certificate that the server showed, if it is not trusted.
    pub fn untrusted(&self) -> Option<&Untrusted> {
        match self {
            Self::Tls { source } => Untrusted::told_by(source),
            _ => None,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        let tls = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (tls, source.kind()) {
            (Some(tls), _) => Self::Tls { source: tls.clone() },
            (None, io::ErrorKind::TimedOut) => Self::Silent,
            (None, io::ErrorKind::UnexpectedEof) => Self::Closed,
            (None, _) => Self::Io { source },
        }
    }
}

/// Longest line we read as an answer, in bytes. RFC 1939 §3 and RFC 5321 §4.5.3.1.5 allow 512;
/// servers with long texts exceed it.
pub(super) const LINE_MAX: usize = 8 * 1024;

/// How far past the limit a mail is still read and thrown away, so that the session can go on, in
/// bytes. Beyond it a new session costs less than the rest of the mail.
const DISCARD_MAX: usize = 8 * 1024 * 1024;

/// A connection that speaks in lines.
pub(super) struct Wire {
    io: BufReader<Patient>,
    /// A command was sent and its answer not read to the end.
    midway: bool,
}

impl Wire {
    pub(super) fn new(io: BoxedIo, silence: Duration) -> Self {
        Self { io: BufReader::new(Patient::new(io, silence)), midway: false }
    }

    /// The bare connection, for the TLS handshake.
    ///
    /// Fails if the server already sent more than the line that agreed to TLS: what came before the
    /// handshake must not count as coming after it (the STARTTLS injection, CVE-2011-0411).
    pub(super) fn into_io(self) -> Result<BoxedIo, Fault> {
        if !self.io.buffer().is_empty() {
            return Err(Fault::Protocol("it sent something between agreeing to TLS and TLS"));
        }
        Ok(self.io.into_inner().io)
    }

    /// From here on an answer is expected; [`Wire::answered`] says that it was read to its end. If
    /// a call fails or is dropped between the two, the session is over.
    pub(super) fn begin(&mut self) -> Result<(), Fault> {
        if self.midway {
            return Err(Fault::Over);
        }
        self.midway = true;
        Ok(())
    }

    /// Nothing more can be asked: it is unknown whose answer the next byte belongs to.
    pub(super) fn is_over(&self) -> bool {
        self.midway
    }

    /// The server sent something unasked.
    pub(super) fn has_more(&self) -> bool {
        !self.io.buffer().is_empty()
    }

    /// Fails if the server sent something unasked, even if it was not read yet, or if the server
    /// hung up: such bytes would be taken for the answer to the next command.
    pub(super) async fn expect_quiet(&mut self) -> Result<(), Fault> {
        // What arrived is known to the runtime only once it has looked.
        yield_now().await;
        let looked = unconstrained(poll_fn(|cx| {
            Poll::Ready(match Pin::new(&mut self.io).poll_fill_buf(cx) {
                Poll::Ready(Ok([])) => Err(Fault::Closed),
                Poll::Ready(Ok(_)) => Err(Fault::Protocol("it answers what nobody asked")),
                Poll::Ready(Err(error)) => Err(error.into()),
                Poll::Pending => Ok(()),
            })
        }))
        .await;
        // No answer was expected yet.
        self.io.get_mut().reading = None;
        looked
    }

    pub(super) fn answered(&mut self) {
        self.midway = false;
    }

    pub(super) fn set_silence(&mut self, silence: Duration) {
        self.io.get_mut().silence = silence;
    }

    /// Writes and flushes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.io.write_all(bytes).await?;
        self.io.flush().await?;
        Ok(())
    }

    /// Waits until there is something to read, or the server closed. May be dropped half-way
    /// without loss, unlike the other calls.
    pub(super) async fn readable(&mut self) -> Result<(), Fault> {
        self.io.fill_buf().await?;
        Ok(())
    }

    /// The next line of at most `max` bytes, without its line end (CRLF, or LF alone).
    pub(super) async fn line(&mut self, max: usize) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        loop {
            let chunk = self.io.fill_buf().await?;
            if chunk.is_empty() {
                return Err(Fault::Closed);
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(chunk.len(), |place| place + 1);
            line.extend(chunk.iter().take(taken));
            self.io.consume(taken);
            if line.len() > max {
                return Err(Fault::TooMuch("a line without end"));
            }
            if end.is_some() {
                line.pop();
                line.pop_if(|last| *last == b'\r');
                return Ok(line);
            }
        }
    }

    /// Exactly `count` bytes, appended to `into`. Memory grows with what comes, not with what was
    /// announced.
    pub(super) async fn exactly(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), Fault> {
        self.pour(count, into).await.map(drop)
    }

    /// Exactly `count` bytes, put into `basket` while they come. `false`: they could not be kept,
    /// and the session is over.
    pub(super) async fn pour(
        &mut self,
        count: usize,
        basket: &mut impl Basket,
    ) -> Result<bool, Fault> {
        let mut missing = count;
        while missing > 0 {
            let chunk = self.io.fill_buf().await?;
            if chunk.is_empty() {
                return Err(Fault::Closed);
            }
            let taken = chunk.len().min(missing);
            if !basket.take(chunk.get(..taken).unwrap_or_default()).await {
                return Ok(false);
            }
            self.io.consume(taken);
            missing -= taken;
        }
        Ok(true)
    }

    /// The bytes before a line of a single dot, with the doubled dots undone (RFC 1939 §3).
    ///
    /// [`Fetched::TooLarge`]: it is longer than `max` bytes. A mail that is a little longer is read
    /// to its end and thrown away; a mail that is far longer is left unread, and the session is
    /// over.
    pub(super) async fn dotted(
        &mut self,
        max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, Fault> {
        let mut undotted = Undotted::default();
        let mut bytes = Vec::new();
        let mut kept = 0_usize;
        let mut discarded = 0_usize;
        loop {
            let chunk = self.io.fill_buf().await?;
            if chunk.is_empty() {
                return Err(Fault::Closed);
            }
            let taken = undotted.take(chunk, &mut bytes);
            self.io.consume(taken);
            if discarded > 0 || kept + bytes.len() > max {
                discarded += bytes.len();
            } else if basket.take(&bytes).await {
                kept += bytes.len();
            } else {
                return Ok(Fetched::NotKept);
            }
            bytes.clear();
            if undotted.is_complete() {
                self.answered();
                return Ok(match (kept, discarded) {
                    (0, 0) => Fetched::Nothing,
                    (_, 0) => Fetched::Mail(()),
                    _ => Fetched::TooLarge,
                });
            }
            if discarded > DISCARD_MAX {
                return Ok(Fetched::TooLarge);
            }
        }
    }
}

/// Undoes the doubling of dots and finds the end, across any split of the bytes.
///
/// Only CRLF ends a line. A bare LF is content: a mail may hold `\n.\n`, and taking that for the
/// end would cut it and read its rest as answers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Undotted {
    #[default]
    LineStart,
    Dot,
    DotCr,
    Within,
    Cr,
    Complete,
}

impl Undotted {
    /// Whether the line of a single dot has come.
    pub fn is_complete(self) -> bool {
        self == Self::Complete
    }

    /// Appends the content of `chunk` to `into`; returns how many bytes of it were read.
    pub fn take(&mut self, chunk: &[u8], into: &mut Vec<u8>) -> usize {
        let mut place = 0;
        while let Some(&byte) = chunk.get(place) {
            if *self == Self::Within {
                // Everything up to the next CR is content.
                let rest = chunk.get(place..).unwrap_or_default();
                let plain = memchr(b'\r', rest).unwrap_or(rest.len());
                into.extend_from_slice(rest.get(..plain).unwrap_or_default());
                place += plain;
                if plain > 0 {
                    continue;
                }
            }
            *self = match (*self, byte) {
                (Self::LineStart, b'.') => Self::Dot,
                (Self::Dot, b'\r') => Self::DotCr,
                (Self::DotCr, b'\n') => {
                    *self = Self::Complete;
                    return place + 1;
                }
                (Self::DotCr, _) => {
                    // A lone dot and a lone CR: not what a server writes, but content.
                    into.extend(b"\r");
                    Self::content(Self::Cr, byte, into)
                }
                (state, _) => Self::content(state, byte, into),
            };
            place += 1;
        }
        chunk.len()
    }

    fn content(before: Self, byte: u8, into: &mut Vec<u8>) -> Self {
        into.push(byte);
        match (before, byte) {
            (_, b'\r') => Self::Cr,
            (Self::Cr, b'\n') => Self::LineStart,
            _ => Self::Within,
        }
    }
}

/// A connection on which silence ends: an operation that makes no progress for `silence` fails with
/// [`io::ErrorKind::TimedOut`]. Every byte restarts the timer.
struct Patient {
    io: BoxedIo,
    silence: Duration,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(io: BoxedIo, silence: Duration) -> Self {
        Self { io, silence, reading: None, writing: None }
    }
}

/// Passes progress on and forgets the timer; without progress, waits for the timer too.
fn within<T>(
    progress: Poll<io::Result<T>>,
    timer: &mut Option<Pin<Box<Sleep>>>,
    silence: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if progress.is_ready() {
        *timer = None;
        return progress;
    }
    let running = timer.get_or_insert_with(|| Box::pin(sleep(silence)));
    ready!(running.as_mut().poll(cx));
    *timer = None;
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for Patient {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_read(cx, buffer);
        within(progress, &mut this.reading, this.silence, cx)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_write(cx, bytes);
        within(progress, &mut this.writing, this.silence, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_flush(cx);
        within(progress, &mut this.writing, this.silence, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.io).poll_shutdown(cx);
        within(progress, &mut this.writing, this.silence, cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out, and how much was left unread after the end, when `wire` arrives in pieces.
    fn undot(wire: &[u8], piece: usize) -> (Vec<u8>, Option<usize>) {
        let (mut state, mut out, mut read) = (Undotted::default(), Vec::new(), 0);
        for chunk in wire.chunks(piece.max(1)) {
            read += state.take(chunk, &mut out);
            if state.is_complete() {
                return (out, Some(wire.len() - read));
            }
        }
        (out, None)
    }

    fn dot(content: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut line_start = true;
        for (place, &byte) in content.iter().enumerate() {
            if line_start && byte == b'.' {
                wire.push(b'.');
            }
            wire.push(byte);
            line_start = byte == b'\n' && place > 0 && content.get(place - 1) == Some(&b'\r');
        }
        wire.extend(b".\r\n");
        wire
    }

    #[test]
    fn a_line_end_before_the_dot_belongs_to_the_mail() {
        for piece in 1..20 {
            assert_eq!(undot(b"a\r\n.\r\n+OK", piece).0, b"a\r\n");
            assert_eq!(undot(b".\r\n", piece), (vec![], Some(0)));
        }
        assert_eq!(undot(b"a\r\n.\r\n+OK", 100).1, Some(3));
    }

    #[test]
    fn doubled_dots_are_undone_and_no_others() {
        for piece in 1..20 {
            assert_eq!(undot(b"..\r\n.\r\n", piece), (b".\r\n".to_vec(), Some(0)));
            assert_eq!(undot(b"...a\r\nb..c\r\n.\r\n", piece).0, b"..a\r\nb..c\r\n");
            // A server that forgot to double: the dot before a letter is lost by RFC 1939 §3, the
            // rest stays.
            assert_eq!(undot(b".a\r\n.\r\n", piece).0, b"a\r\n");
        }
    }

    #[test]
    fn a_dot_between_bare_line_feeds_is_no_end() {
        for piece in 1..20 {
            assert_eq!(undot(b"a\n.\nb\r\n.\r\n", piece).0, b"a\n.\nb\r\n");
            assert_eq!(undot(b"a\r\n.\n", piece).1, None);
            assert_eq!(undot(b"a\r\n.\rb\r\n.\r\n", piece).0, b"a\r\n\rb\r\n");
        }
    }

    proptest! {
        #[test]
        fn what_was_dotted_comes_back(
            lines in prop::collection::vec("[.a\r\n]{0,6}", 0..8),
            piece in 1_usize..9,
        ) {
            let mut content = lines.join("\r\n").into_bytes();
            content.extend(b"\r\n");
            prop_assert_eq!(undot(&dot(&content), piece), (content, Some(0)));
        }
    }
}
