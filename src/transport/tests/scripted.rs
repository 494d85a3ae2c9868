//! A server that says and expects what a test wrote down.

use std::{error::Error, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use crate::transport::{Login, MailServer, MailServerError, TlsMode, wire::BoxedIo};

pub(super) const USER: &str = "erik@hrst.kim.telematik#hrst.kim.telematik:995#1#KOM_LE#7";
pub(super) const PASSWORD: &str = "geheim#: 1";
/// SASL PLAIN with an empty authorisation identity (KIM-2).
pub(super) const PLAIN: &str =
    "AGVyaWtAaHJzdC5raW0udGVsZW1hdGlrI2hyc3Qua2ltLnRlbGVtYXRpazo5OTUjMSNLT01fTEUjNwBnZWhlaW0jOiAx";

/// Settings for a scripted server. It is reached over no network, so plaintext is no danger.
pub(super) fn account() -> MailServer {
    let login = Login { user: USER.to_owned(), password: PASSWORD.into() };
    MailServer { tls: TlsMode::None, ..MailServer::new("localhost", 1, login) }
}

/// What the server does next.
enum ScriptStep {
    Say { bytes: Vec<u8>, one_by_one: bool },
    Hear(String),
    HearBody(Vec<u8>),
    HearSome(usize),
    HearNothingMore,
    Wait(Duration),
    Encrypt(TlsAcceptor),
}

/// A list of acts. At its end the connection is closed without a word.
#[derive(Default)]
pub(super) struct ScriptedServer(Vec<ScriptStep>);

impl ScriptedServer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Says these bytes; a line ends only where the script says so.
    pub(super) fn say(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(ScriptStep::Say { bytes: bytes.into(), one_by_one: false })
    }

    /// Says these bytes in packets of one byte.
    pub(super) fn say_one_by_one(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(ScriptStep::Say { bytes: bytes.into(), one_by_one: true })
    }

    /// Expects exactly this line, and nothing after it: a client that does not wait for the answer
    /// fails here (KIM-4).
    pub(super) fn hear(self, line: &str) -> Self {
        self.then(ScriptStep::Hear(line.to_owned()))
    }

    /// Expects a line and answers it.
    pub(super) fn on(self, line: &str, answer: &str) -> Self {
        self.hear(line).say(answer.as_bytes())
    }

    /// Expects a mail up to and with its final dot, exactly like this.
    pub(super) fn hear_body(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(ScriptStep::HearBody(bytes.into()))
    }

    /// Expects this many bytes, whatever they are.
    pub(super) fn hear_some(self, count: usize) -> Self {
        self.then(ScriptStep::HearSome(count))
    }

    /// The client leaves without another byte.
    pub(super) fn hear_nothing_more(self) -> Self {
        self.then(ScriptStep::HearNothingMore)
    }

    /// Stays silent, in virtual time.
    pub(super) fn wait(self, minutes: u64) -> Self {
        self.then(ScriptStep::Wait(Duration::from_secs(minutes * 60)))
    }

    /// From here on TLS.
    pub(super) fn encrypt(self, acceptor: &TlsAcceptor) -> Self {
        self.then(ScriptStep::Encrypt(acceptor.clone()))
    }

    pub(super) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    fn then(mut self, act: ScriptStep) -> Self {
        self.0.push(act);
        self
    }

    /// Plays the script to a client; both must come to their end.
    pub(super) async fn play<T>(self, client: impl AsyncFnOnce(BoxedIo) -> T) -> T {
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let (came_out, ()) = tokio::join!(client(Box::new(theirs)), self.act(Box::new(ours)));
        came_out
    }

    pub(super) async fn act(self, io: BoxedIo) {
        let mut io = BufReader::new(io);
        for act in self.0 {
            match act {
                ScriptStep::Say { bytes, one_by_one } => say(&mut io, &bytes, one_by_one).await,
                ScriptStep::Hear(expected) => {
                    let mut line = String::new();
                    io.read_line(&mut line).await.unwrap();
                    assert_eq!(line, format!("{expected}\r\n"));
                    assert!(io.buffer().is_empty(), "pipelined behind {expected:?}");
                }
                ScriptStep::HearBody(expected) => {
                    let mut body = Vec::new();
                    while !body.ends_with(b"\r\n.\r\n") {
                        assert!(io.read_until(b'\n', &mut body).await.unwrap() > 0, "no final dot");
                    }
                    assert!(body == expected, "another body of {} bytes", body.len());
                }
                ScriptStep::HearSome(count) => {
                    io.read_exact(&mut vec![0; count]).await.unwrap();
                }
                ScriptStep::HearNothingMore => {
                    let mut rest = Vec::new();
                    // A client that leaves without a TLS farewell leaves too.
                    let _ = io.read_to_end(&mut rest).await;
                    assert_eq!(String::from_utf8_lossy(&rest), "");
                }
                ScriptStep::Wait(time) => sleep(time).await,
                ScriptStep::Encrypt(acceptor) => {
                    // What the client makes of it is for the test to check.
                    let Ok(encrypted) = acceptor.accept(io.into_inner()).await else { return };
                    let encrypted: BoxedIo = Box::new(encrypted);
                    io = BufReader::new(encrypted);
                }
            }
        }
        let _ = io.shutdown().await;
    }
}

/// A client that has left receives nothing, and that is not the script's fault.
async fn say(io: &mut BufReader<BoxedIo>, bytes: &[u8], one_by_one: bool) {
    let packet = if one_by_one { 1 } else { bytes.len().max(1) };
    for part in bytes.chunks(packet) {
        if io.write_all(part).await.is_err() || io.flush().await.is_err() {
            return;
        }
        if one_by_one {
            tokio::task::yield_now().await;
        }
    }
}

/// An error with all its causes, as a log would show it; nothing in it may name the user.
pub(super) fn chain(error: &MailServerError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    for secret in ["erik", "hrst", "KOM_LE", "geheim"] {
        assert!(!text.contains(secret), "{text} names {secret}");
    }
    text
}
