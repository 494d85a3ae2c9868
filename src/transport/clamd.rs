//! A virus scanner that speaks clamd's protocol (clamd(8), `INSTREAM`, `PING`, `VERSION`).
//!
//! A connection for each question. Bytes leave in chunks, so nothing is in memory as a whole. Only one
//! answer lets something pass: `stream: OK`, whole, after the last byte left. Everything else (silence,
//! an end in the middle, words that nobody knows) is an error, and the caller tries again.

use std::{fmt, future::Future, io, path::PathBuf, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpStream, UnixStream},
    sync::mpsc,
    time::timeout,
};

use super::wire::BoxedIo;
use crate::model::{ScanResult, VirusName};

/// How long a connection may take. A scanner is on this machine.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long the scanner may take no byte. It writes to a file of its own what it gets.
const WRITE_WITHIN: Duration = Duration::from_secs(60);

/// How long the answer to a question may take that needs no scanning.
const WORD_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a chunk: a bound of our own, since clamd has none but the length of the whole.
const CHUNK_BYTES: usize = 64 * 1024;

/// The longest answer that is read. It is a line with the name of a virus.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Where the scanner listens.
#[derive(Clone, PartialEq, Eq)]
pub enum ScannerAddress {
    Unix(PathBuf),
    /// On this machine: what is scanned travels in the clear.
    Tcp {
        host: String,
        port: u16,
    },
}

impl fmt::Debug for ScannerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

/// A virus scanner, and how far it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirusScanner {
    pub address: ScannerAddress,
    /// How long the answer may take once everything was handed over.
    pub patience: Duration,
    /// The most that is handed over at once, in bytes; not more than its `StreamMaxLength`.
    pub bytes_max: u64,
}

/// Why it is not known what a scanner thinks.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("the virus scanner cannot be reached")]
    Unreachable {
        #[source]
        source: io::Error,
    },
    #[error("the virus scanner stayed silent for too long")]
    Silent,
    #[error("the virus scanner broke off")]
    BrokenOff,
    /// It says that it could not do it, or nothing that it should.
    #[error("the virus scanner gave no verdict")]
    NoVerdict,
    /// The bytes to be scanned did not come to their end.
    #[error("what was to be scanned could not be read")]
    Source,
}

impl VirusScanner {
    /// `StreamMaxLength` of clamd, unless its settings say otherwise.
    pub const BYTES_DEFAULT: u64 = 25 * 1024 * 1024;
    /// clamd gives up a file after two minutes itself (`MaxScanTime`).
    pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(180);

    /// Has bytes scanned that come in pieces, until their sender is gone. The receiver is closed at the
    /// first error.
    ///
    /// # Errors
    /// When there is no verdict: nothing may pass for it.
    pub async fn scan(
        &self,
        mut pieces: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<ScanResult, ScanError> {
        let (mut from, mut to) = split(self.connect().await?);
        let answer = read_answer(&mut from);
        tokio::pin!(answer);
        let is_whole = tokio::select! {
            biased;
            // It takes no more, and says why.
            early = &mut answer => return judge(&early?, false),
            fed = feed(&mut to, &mut pieces) => match fed {
                Ok(()) => true,
                // The answer may say why the scanner takes no more.
                Err(ScanError::BrokenOff) => false,
                Err(error) => return Err(error),
            },
        };
        let within = if is_whole { self.patience } else { WORD_WITHIN };
        let answer = timeout(within, answer).await.map_err(|_| ScanError::Silent)??;
        judge(&answer, is_whole)
    }

    /// Scans bytes that are in memory.
    ///
    /// # Errors
    /// As [`VirusScanner::scan`].
    pub async fn scan_bytes(&self, bytes: Vec<u8>) -> Result<ScanResult, ScanError> {
        let (into, pieces) = mpsc::channel(1);
        // The channel has room for it.
        let _ = into.try_send(Ok(Bytes::from(bytes)));
        drop(into);
        self.scan(pieces).await
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not, or with anything but `PONG`.
    pub async fn ping(&self) -> Result<(), ScanError> {
        if self.ask(b"zPING\0").await? == "PONG" { Ok(()) } else { Err(ScanError::NoVerdict) }
    }

    /// Its version and that of its signatures, as it says it: one line of visible characters.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, ScanError> {
        let said = self.ask(b"zVERSION\0").await?;
        Ok(said.chars().filter(|c| !c.is_control()).take(100).collect())
    }

    async fn ask(&self, question: &[u8]) -> Result<String, ScanError> {
        let (mut from, mut to) = split(self.connect().await?);
        within(WORD_WITHIN, to.write_all(question)).await?;
        timeout(WORD_WITHIN, read_answer(&mut from)).await.map_err(|_| ScanError::Silent)?
    }

    async fn connect(&self) -> Result<BoxedIo, ScanError> {
        let connecting = async {
            Ok::<BoxedIo, io::Error>(match &self.address {
                ScannerAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
                ScannerAddress::Tcp { host, port } => {
                    Box::new(TcpStream::connect((host.as_str(), *port)).await?)
                }
            })
        };
        let connected = timeout(CONNECT_WITHIN, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        connected.map_err(|source| ScanError::Unreachable { source })
    }
}

/// Writes all pieces, each chunk behind its length, and a length of nothing at the end.
async fn feed(
    to: &mut (impl AsyncWrite + Unpin),
    pieces: &mut mpsc::Receiver<io::Result<Bytes>>,
) -> Result<(), ScanError> {
    within(WRITE_WITHIN, to.write_all(b"zINSTREAM\0")).await?;
    while let Some(piece) = pieces.recv().await {
        let piece = piece.map_err(|_| ScanError::Source)?;
        for chunk in piece.chunks(CHUNK_BYTES) {
            let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            within(WRITE_WITHIN, to.write_all(&length.to_be_bytes())).await?;
            within(WRITE_WITHIN, to.write_all(chunk)).await?;
        }
    }
    within(WRITE_WITHIN, to.write_all(&0u32.to_be_bytes())).await?;
    within(WRITE_WITHIN, to.flush()).await
}

async fn within(
    time: Duration,
    writing: impl Future<Output = io::Result<()>>,
) -> Result<(), ScanError> {
    let written = timeout(time, writing).await.map_err(|_| ScanError::Silent)?;
    written.map_err(|_| ScanError::BrokenOff)
}

/// Reads an answer up to its end, which is a zero byte: without it, it may be half of another one. Where
/// more comes with it, there are two answers, and which of them is meant nobody knows.
async fn read_answer(from: &mut (impl AsyncRead + Unpin)) -> Result<String, ScanError> {
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let read = from.read(&mut buffer).await.map_err(|_| ScanError::BrokenOff)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Err(ScanError::BrokenOff);
        }
        let end = bytes.iter().position(|byte| *byte == 0);
        answer.extend_from_slice(bytes.get(..end.unwrap_or(read)).unwrap_or_default());
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(ScanError::NoVerdict);
        }
        if end.is_some_and(|end| end + 1 < read) {
            return Err(ScanError::NoVerdict);
        }
        if end.is_some() {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

/// What an answer means. `is_whole`: all of the bytes were handed over before it came.
fn judge(answer: &str, is_whole: bool) -> Result<ScanResult, ScanError> {
    if answer == "stream: OK" {
        return if is_whole { Ok(ScanResult::Clean) } else { Err(ScanError::NoVerdict) };
    }
    if let Some(virus) = answer.strip_prefix("stream: ").and_then(|it| it.strip_suffix(" FOUND")) {
        return Ok(ScanResult::Infected(VirusName::new(virus)));
    }
    if answer.starts_with("INSTREAM size limit exceeded") {
        return Ok(ScanResult::TooLarge);
    }
    Err(ScanError::NoVerdict)
}

/// A file that every scanner takes for a virus, and that is none (EICAR). It stands here backwards, so
/// that no scanner takes this program for one.
pub fn test_virus() -> Vec<u8> {
    r"*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\4[PA@%P!O5X".bytes().rev().collect()
}
