//! A connection with a peer: lines and mails, each with its limits.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    time::{Instant, timeout, timeout_at},
};

use super::reply::DoorReply;
use crate::transport::{PACE_MIN, Undotted};

/// Longest line of a command, in bytes. RFC 5321 §4.5.3.1.4 wants 512, and more for parameters; a login in
/// base64 is far shorter.
const LINE_MAX: usize = 2 * 1024;
/// How much of a longer line is read and thrown away, so that the dialogue can go on.
const LINE_DISCARD_MAX: usize = 64 * 1024;
/// How long a whole line may take. RFC 5321 §4.5.3.2.7 has five minutes, for people and bad lines; a fax
/// server in the house is neither, and a connection that says nothing takes a place.
const LINE_WITHIN: Duration = Duration::from_secs(60);
/// How long a mail may pause. Also the time from which on its pace is judged.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long an answer may stay unread.
const READS_WITHIN: Duration = Duration::from_secs(30);
/// How far past the limit a mail is still read and thrown away, so that its peer hears why.
const MAIL_DISCARD_MAX: u64 = 8 * 1024 * 1024;
/// How much is read at a time.
const CHUNK_BYTES: usize = 32 * 1024;

/// What a connection is made of.
pub(super) trait DoorIo: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> DoorIo for T {}

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeardLine {
    Line(Vec<u8>),
    TooLong,
    /// It ends with a bare LF.
    BareLineFeed,
    Slow,
    Gone,
}

/// How a mail ended on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MailEnd {
    Whole,
    /// The dot came at once.
    Empty,
    TooLarge,
    /// Far too large: the rest was not read, and nothing after it can be.
    Endless,
    Slow,
    /// The connection broke: there is no mail.
    Gone,
}

/// Where the bytes of a mail go.
pub(super) trait MailSink: Send {
    fn take(&mut self, bytes: &[u8]) -> impl Future<Output = ()> + Send;
}

pub(super) struct DoorConnection {
    io: BufReader<Box<dyn DoorIo>>,
}

impl DoorConnection {
    pub(super) fn new(io: Box<dyn DoorIo>) -> Self {
        Self { io: BufReader::with_capacity(CHUNK_BYTES, io) }
    }

    /// The bare connection. What was read ahead is dropped: commands that came before TLS must not count as
    /// coming after it (CVE-2011-0411).
    pub(super) fn into_bare(self) -> Box<dyn DoorIo> {
        self.io.into_inner()
    }

    /// Sends an answer; an error means that the peer is gone, or does not read.
    pub(super) async fn say(&mut self, reply: &DoorReply) -> io::Result<()> {
        let bytes = reply.on_the_wire();
        let sent = async {
            self.io.write_all(&bytes).await?;
            self.io.flush().await
        };
        timeout(READS_WITHIN, sent).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The next line, without its end. The time is for the whole line, however its bytes trickle in.
    pub(super) async fn line(&mut self) -> HeardLine {
        let until = Instant::now() + LINE_WITHIN;
        let (mut line, mut discarded) = (Vec::new(), 0);
        loop {
            let chunk = match timeout_at(until, self.io.fill_buf()).await {
                Err(_) => return HeardLine::Slow,
                Ok(Err(_) | Ok([])) => return HeardLine::Gone,
                Ok(Ok(chunk)) => chunk,
            };
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |place| place + 1);
            if line.len() + taken > LINE_MAX {
                discarded += line.len() + taken;
                line.clear();
            } else if discarded == 0 {
                line.extend(chunk.iter().take(taken));
            }
            self.io.consume(taken);
            match (end, discarded) {
                (None, LINE_DISCARD_MAX..) => return HeardLine::Gone,
                (None, _) => {}
                (Some(_), 1..) => return HeardLine::TooLong,
                (Some(_), 0) => {
                    line.pop();
                    return match line.pop_if(|last| *last == b'\r') {
                        Some(_) => HeardLine::Line(line),
                        None => HeardLine::BareLineFeed,
                    };
                }
            }
        }
    }

    /// The mail up to a line of a single dot, with doubled dots undone (RFC 5321 §4.5.2).
    ///
    /// Only CRLF, a dot and CRLF end it. A dot between bare LFs is content, as everything else is: a relay
    /// that passes such lines on cannot be used to smuggle a second mail in.
    pub(super) async fn mail(&mut self, most: u64, sink: &mut impl MailSink) -> MailEnd {
        let (begun, mut undotted) = (Instant::now(), Undotted::default());
        let (mut bytes, mut come) = (Vec::new(), 0_u64);
        loop {
            let chunk = match timeout(SILENCE_MAX, self.io.fill_buf()).await {
                Err(_) => return MailEnd::Slow,
                Ok(Err(_) | Ok([])) => return MailEnd::Gone,
                Ok(Ok(chunk)) => chunk,
            };
            let taken = undotted.take(chunk, &mut bytes);
            self.io.consume(taken);
            come += bytes.len() as u64;
            if come <= most {
                sink.take(&bytes).await;
            }
            bytes.clear();
            if undotted.is_complete() {
                return match come {
                    0 => MailEnd::Empty,
                    come if come > most => MailEnd::TooLarge,
                    _ => MailEnd::Whole,
                };
            }
            if come > most.saturating_add(MAIL_DISCARD_MAX) {
                return MailEnd::Endless;
            }
            let passed = begun.elapsed();
            if passed > SILENCE_MAX && come < passed.as_secs() * PACE_MIN {
                return MailEnd::Slow;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl MailSink for Vec<u8> {
        async fn take(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    fn of(wire: &[u8]) -> DoorConnection {
        let io = tokio_test_io(wire);
        DoorConnection::new(Box::new(io))
    }

    /// What comes, and then the end.
    fn tokio_test_io(wire: &[u8]) -> impl DoorIo + use<> {
        tokio::io::join(io::Cursor::new(wire.to_vec()), tokio::io::sink())
    }

    async fn lines(wire: &[u8]) -> Vec<HeardLine> {
        let (mut connection, mut heard) = (of(wire), Vec::new());
        loop {
            heard.push(connection.line().await);
            if matches!(heard.last(), Some(HeardLine::Gone | HeardLine::Slow)) {
                return heard;
            }
        }
    }

    #[tokio::test]
    async fn fax_15_lines_end_with_crlf_and_have_a_limit() {
        let line = |text: &str| HeardLine::Line(text.as_bytes().to_vec());
        assert_eq!(lines(b"NOOP\r\nQUIT\r\n").await, [line("NOOP"), line("QUIT"), HeardLine::Gone]);
        assert_eq!(
            lines(b"NOOP\nQUIT\r\nNO").await,
            [HeardLine::BareLineFeed, line("QUIT"), HeardLine::Gone]
        );
        let long = [vec![b'x'; LINE_MAX + 1], b"\r\nQUIT\r\n".to_vec()].concat();
        assert_eq!(lines(&long).await, [HeardLine::TooLong, line("QUIT"), HeardLine::Gone]);
        let endless = vec![b'x'; LINE_DISCARD_MAX * 3];
        assert_eq!(lines(&endless).await, [HeardLine::Gone]);
    }

    async fn mail(wire: &[u8], most: u64) -> (MailEnd, Vec<u8>) {
        let mut kept = Vec::new();
        let end = of(wire).mail(most, &mut kept).await;
        (end, kept)
    }

    #[tokio::test]
    async fn fax_12_only_a_dot_between_whole_line_ends_ends_a_mail() {
        let smuggled = b"a\n.\nMAIL\r\n.\nRCPT\n.\r\nb\r\n.\r\n";
        assert_eq!(
            mail(smuggled, 100).await,
            (MailEnd::Whole, b"a\n.\nMAIL\r\n\nRCPT\n.\r\nb\r\n".to_vec())
        );
        assert_eq!(mail(b".\r\n", 100).await, (MailEnd::Empty, Vec::new()));
        assert_eq!(mail(b"..a\r\n.\r\n", 100).await, (MailEnd::Whole, b".a\r\n".to_vec()));
    }

    #[tokio::test]
    async fn fax_15_a_mail_without_its_end_is_none() {
        for wire in [&b""[..], b"a", b"a\r\n", b"a\r\n.", b"a\r\n.\r"] {
            assert_eq!(mail(wire, 100).await.0, MailEnd::Gone);
        }
    }

    #[tokio::test]
    async fn fax_14_a_mail_has_a_limit_while_it_arrives() {
        assert_eq!(mail(b"1234\r\n.\r\n", 6).await.0, MailEnd::Whole);
        assert_eq!(mail(b"12345\r\n.\r\n", 6).await.0, MailEnd::TooLarge);
        let endless = vec![b'x'; usize::try_from(MAIL_DISCARD_MAX).unwrap() + CHUNK_BYTES * 2];
        assert_eq!(mail(&endless, 6).await.0, MailEnd::Endless);
    }

    #[tokio::test(start_paused = true)]
    async fn fax_15_a_peer_that_trickles_is_told_so() {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let mut connection = DoorConnection::new(Box::new(ours));
        let trickle = async {
            loop {
                tokio::time::sleep(Duration::from_secs(20)).await;
                if theirs.write_all(b"x").await.is_err() {
                    return;
                }
            }
        };
        tokio::pin!(trickle);
        let heard = tokio::select! {
            heard = connection.line() => heard,
            () = &mut trickle => HeardLine::Gone,
        };
        assert_eq!(heard, HeardLine::Slow);
        let mut kept = Vec::new();
        let end = tokio::select! {
            end = connection.mail(100, &mut kept) => end,
            () = &mut trickle => MailEnd::Gone,
        };
        assert_eq!(end, MailEnd::Slow);
    }
}
