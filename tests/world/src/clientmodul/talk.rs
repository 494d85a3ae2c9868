//! A connection to a client: lines, answers, and what goes wrong on the way.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::{
    journal::AskedCommand,
    state::CmCore,
    switches::{CmStep, Mishap},
    user_name::KimProtocol,
};

/// The longest line a client may say; a login in base64 is the longest there is.
const LINE_MAX: u64 = 8 * 1024;
/// A line of a mail is read in pieces of this size, so that it may be of any length.
const PIECE_MAX: u64 = 64 * 1024;

/// The connection has ended, whoever ended it.
pub(super) struct CmEnd;

impl From<std::io::Error> for CmEnd {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

pub(super) type UntilEnd<T = ()> = Result<T, CmEnd>;

/// TCP, or TLS over it.
pub(super) trait CmStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> CmStream for S {}

/// One client's connection.
pub(super) struct CmTalk {
    io: BufReader<Box<dyn CmStream>>,
    pub core: Arc<CmCore>,
    pub protocol: KimProtocol,
    pub is_encrypted: bool,
    /// Who is logged in.
    pub account: Option<String>,
}

impl CmTalk {
    pub(super) fn new(tcp: TcpStream, core: Arc<CmCore>, protocol: KimProtocol) -> Self {
        let io: Box<dyn CmStream> = Box::new(tcp);
        Self { io: BufReader::new(io), core, protocol, is_encrypted: false, account: None }
    }

    /// Goes on encrypted. What the client has said too early is thrown away, as it has to be.
    pub(super) async fn encrypted(self) -> UntilEnd<Self> {
        let config = self.core.server_config().map_err(|_| CmEnd)?;
        let tls = TlsAcceptor::from(config).accept(self.io.into_inner()).await?;
        let io: Box<dyn CmStream> = Box::new(tls);
        Ok(Self { io: BufReader::new(io), is_encrypted: true, ..self })
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> UntilEnd<String> {
        let mut line = Vec::new();
        (&mut self.io).take(LINE_MAX).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Err(CmEnd);
        }
        let line = String::from_utf8_lossy(&line);
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Whether the client has said more than it was asked for.
    pub(super) fn has_more(&self) -> bool {
        !self.io.buffer().is_empty()
    }

    /// A mail up to its final dot; `None`: it was longer than this, and was read to its end.
    pub(super) async fn mail(&mut self, bytes_max: usize) -> UntilEnd<Option<Vec<u8>>> {
        let (mut mail, mut at_line_start, mut is_too_long) = (Vec::new(), true, false);
        let mut before = b'\n';
        loop {
            let mut piece = Vec::new();
            (&mut self.io).take(PIECE_MAX).read_until(b'\n', &mut piece).await?;
            let Some(&last) = piece.last() else { return Err(CmEnd) };
            if at_line_start && piece == b".\r\n" {
                return Ok((!is_too_long).then_some(mail));
            }
            let stuffed = usize::from(at_line_start && piece.starts_with(b"."));
            at_line_start = piece.ends_with(b"\r\n") || (before == b'\r' && piece == b"\n");
            before = last;
            if mail.len() + piece.len() > bytes_max {
                is_too_long = true;
                mail = Vec::new();
            }
            if !is_too_long {
                mail.extend(piece.get(stuffed..).unwrap_or_default());
            }
        }
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) -> UntilEnd {
        self.io.write_all(bytes).await?;
        Ok(self.io.flush().await?)
    }

    pub(super) async fn close(&mut self) {
        // Who has hung up already does not hear the goodbye.
        drop(self.io.shutdown().await);
    }

    /// Does something and says its answer, or lets go wrong what has to. `true`: it was done.
    pub(super) async fn answer(
        &mut self,
        at: CmStep,
        verb: &str,
        uidl: Option<&str>,
        work: impl FnOnce(&mut Self) -> Vec<u8>,
    ) -> UntilEnd<bool> {
        let (mishap, releases) = self.core.asked(at, self.asks(verb, uidl));
        match mishap {
            None => {
                let answer = work(self);
                self.say(&answer).await?;
            }
            Some(Mishap::HangUp) => return Err(CmEnd),
            Some(Mishap::HangUpUnanswered) => {
                work(self);
                return Err(CmEnd);
            }
            Some(Mishap::HangUpAnswered) => {
                let answer = work(self);
                self.say(&answer).await?;
                return Err(CmEnd);
            }
            Some(Mishap::BreakOff) => {
                let answer = work(self);
                self.say(answer.get(..answer.len() / 2).unwrap_or_default()).await?;
                return Err(CmEnd);
            }
            Some(Mishap::Stall) => {
                let answer = work(self);
                let first = answer.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let (first, rest) = answer.split_at(first);
                self.say(first).await?;
                self.waits(releases, None).await?;
                self.say(rest).await?;
            }
            Some(Mishap::Hold) => {
                self.waits(releases, None).await?;
                let answer = work(self);
                self.say(&answer).await?;
            }
            Some(Mishap::Delay(millis)) => {
                self.waits(releases, Some(Duration::from_millis(millis))).await?;
                let answer = work(self);
                self.say(&answer).await?;
            }
            Some(Mishap::Say(line)) => {
                self.say(format!("{line}\r\n").as_bytes()).await?;
                return Ok(false);
            }
            Some(Mishap::SayAndHangUp(line)) => {
                self.say(format!("{line}\r\n").as_bytes()).await?;
                self.close().await;
                return Err(CmEnd);
            }
        }
        Ok(true)
    }

    /// A command that nothing can go wrong with.
    pub(super) fn note(&self, verb: &str) {
        self.core.note(self.asks(verb, None));
    }

    fn asks(&self, verb: &str, uidl: Option<&str>) -> AskedCommand {
        let (account, verb) = (self.account.clone(), verb.to_owned());
        AskedCommand { protocol: self.protocol, account, verb, uidl: uidl.map(str::to_owned) }
    }

    /// Waits so long, or until released. A client that leaves meanwhile ends the session.
    async fn waits(&mut self, releases: u64, so_long: Option<Duration>) -> UntilEnd {
        let core = self.core.clone();
        let over = async {
            match so_long {
                Some(so_long) => tokio::time::sleep(so_long).await,
                None => core.released(releases).await,
            }
        };
        tokio::pin!(over);
        let has_said_more = tokio::select! {
            () = &mut over => return Ok(()),
            said = self.io.fill_buf() => !said?.is_empty(),
        };
        if !has_said_more {
            return Err(CmEnd);
        }
        over.await;
        Ok(())
    }
}
