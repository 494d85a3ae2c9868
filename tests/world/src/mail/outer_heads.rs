//! POP3 in front of Dovecot that tells the two heads of a KIM mail apart: TOP shows the outer one, of a
//! sealed mail, and RETR the one within. A stock server has only one head for both.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter,
        split,
    },
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    error::{Result, WorldError},
    tls::Issued,
};

/// What the outer head of a KIM mail says of what it holds.
const SEALED: &[u8] =
    b"Content-Type: application/pkcs7-mime; smime-type=authenticated-enveloped-data;\r\n \
      name=smime.p7m\r\n";
/// The mark of a KIM mail, in lower case.
const MARK: &[u8] = b"x-kom-le-version:";

/// Ends with this value.
#[derive(Debug)]
pub(super) struct OuterHeads {
    ends: Option<oneshot::Sender<()>>,
    runs: Option<JoinHandle<()>>,
}

impl OuterHeads {
    /// Listens on `port` with TLS from the first byte, and hands everything on to the server that
    /// speaks POP3 on `behind`. Its own thread does it, whatever blocks the caller's.
    ///
    /// # Errors
    /// When the port is taken or the certificate cannot be used.
    pub(super) fn start(port: u16, behind: u16, issued: &Issued) -> Result<Self> {
        let doing = "listen in front of Dovecot";
        let failed = |error: &dyn std::fmt::Display| WorldError::refused(doing, error.to_string());
        let acceptor = acceptor(issued).map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| WorldError::io(doing, error))?;
        let listener = {
            let _within = runtime.enter();
            listen(port).map_err(|error| WorldError::io(doing, error))?
        };
        let (ends, ended) = oneshot::channel();
        let runs = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(&listener, behind, &acceptor) => {}
                    _ = ended => {}
                }
            });
        });
        Ok(Self { ends: Some(ends), runs: Some(runs) })
    }
}

impl Drop for OuterHeads {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(runs) = self.runs.take() {
            // It ends at once; if it panicked, the tests have failed already.
            let _ = runs.join();
        }
    }
}

fn acceptor(issued: &Issued) -> std::result::Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.listen(1_024)
}

async fn serve(listener: &TcpListener, behind: u16, acceptor: &TlsAcceptor) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        let acceptor = acceptor.clone();
        open.spawn(async move {
            // Whoever hangs up ends both sides; the other one sees that.
            let _ = stand_between(client, behind, &acceptor).await;
        });
    }
}

async fn stand_between(client: TcpStream, behind: u16, tls: &TlsAcceptor) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    // Before TLS: where Dovecot is away, nobody is greeted.
    let server = TcpStream::connect(("127.0.0.1", behind)).await?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = split(tls.accept(client).await?);
    let (from_server, to_server) = server.into_split();
    let asked = PopAsked::default();
    tokio::select! {
        ended = commands(BufReader::new(from_client), to_server, &asked) => ended,
        ended = answers(BufReader::new(from_server), BufWriter::new(to_client), &asked) => ended,
    }
}

/// The commands whose answers have not come yet.
#[derive(Debug, Default)]
struct PopAsked(Mutex<VecDeque<PopAnswer>>);

/// The form of an answer, if it is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PopAnswer {
    Line,
    Lines,
    /// The head of a mail, and nothing of its text.
    Head,
}

impl PopAsked {
    fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).to_ascii_uppercase();
        let mut words = line.split_ascii_whitespace();
        let answer = match (words.next().unwrap_or_default(), words.next()) {
            ("TOP", _) => PopAnswer::Head,
            ("RETR", _) | ("CAPA" | "LIST" | "UIDL", None) => PopAnswer::Lines,
            // Also a line of a login, which is answered as well.
            _ => PopAnswer::Line,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
    }

    /// Nothing is asked before the greeting.
    fn pop(&self) -> PopAnswer {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        first.unwrap_or(PopAnswer::Line)
    }
}

async fn commands(
    mut from: BufReader<impl AsyncRead + Unpin>,
    mut to: impl AsyncWrite + Unpin,
    asked: &PopAsked,
) -> std::io::Result<()> {
    loop {
        let line = line(&mut from).await?;
        asked.push(&line);
        to.write_all(&line).await?;
        to.flush().await?;
    }
}

async fn answers(
    mut from: BufReader<impl AsyncRead + Unpin>,
    mut to: BufWriter<impl AsyncWrite + Unpin>,
    asked: &PopAsked,
) -> std::io::Result<()> {
    loop {
        let first = line(&mut from).await?;
        let answer = asked.pop();
        to.write_all(&first).await?;
        if first.starts_with(b"+OK") {
            match answer {
                PopAnswer::Line => {}
                PopAnswer::Lines => while !hand_on(&mut from, &mut to).await? {},
                PopAnswer::Head => {
                    let mut head = Vec::new();
                    while !hand_on(&mut from, &mut head).await? {}
                    to.write_all(&outer(&head)).await?;
                }
            }
        }
        to.flush().await?;
    }
}

/// Hands one line of an answer on. Says whether it was the last.
async fn hand_on(
    from: &mut BufReader<impl AsyncRead + Unpin>,
    to: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<bool> {
    let line = line(from).await?;
    to.write_all(&line).await?;
    Ok(line == b".\r\n")
}

/// A line with its end.
async fn line(from: &mut BufReader<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

/// The head of a mail as its sealed form would bear it; of any other mail, as it is.
fn outer(head: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = head.split_inclusive(|byte| *byte == b'\n').collect();
    let begins = |line: &[u8], name: &[u8]| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    if !lines.iter().any(|line| begins(line, MARK)) {
        return head.to_vec();
    }
    let mut outer = SEALED.to_vec();
    let mut is_left_out = false;
    for line in lines {
        let goes_on = line.starts_with(b" ") || line.starts_with(b"\t");
        is_left_out = begins(line, b"content-type:") || (goes_on && is_left_out);
        if !is_left_out {
            outer.extend_from_slice(line);
        }
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_kim_mail_is_that_of_a_sealed_one() {
        let plain = b"Subject: x\r\nContent-Type: text/plain\r\n\r\n.\r\n";
        assert_eq!(outer(plain), plain);
        let kim = b"X-KOM-LE-Version: 1.5\r\ncontent-type: multipart/mixed;\r\n boundary=b\r\n\
            Subject: x\r\n\r\n.\r\n";
        let expected = [SEALED, b"X-KOM-LE-Version: 1.5\r\nSubject: x\r\n\r\n.\r\n"].concat();
        assert_eq!(outer(kim), expected);
    }

    #[test]
    fn each_answer_has_the_form_of_its_command() {
        let asked = PopAsked::default();
        for line in ["TOP 1 0", "uidl", "UIDL 1", "RETR 1", "QUIT", "dGVzdA=="] {
            asked.push(format!("{line}\r\n").as_bytes());
        }
        use PopAnswer::{Head, Line, Lines};
        for expected in [Head, Lines, Line, Lines, Line, Line, Line] {
            assert_eq!(asked.pop(), expected);
        }
    }
}
