//! A virus scanner that hangs, breaks off, or answers nonsense (KIM-20).

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixListener, UnixStream},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    model::{ScanResult, VirusName},
    transport::{ScanError, ScannerAddress, VirusScanner},
};

/// What the scanner does with a connection.
#[derive(Clone, Copy)]
enum ScannerManner {
    /// Reads to the end, then says this.
    Says(&'static [u8]),
    /// Says this before anything came, and goes.
    SaysAtOnce(&'static [u8]),
    /// Goes in the middle of what comes.
    Goes,
    /// Reads, and says nothing.
    Hangs,
    /// Reads nothing, and says nothing.
    Sleeps,
}

/// A scanner at a socket of its own. Folder and tasks have to be kept.
fn scanner(manner: ScannerManner) -> (VirusScanner, tempfile::TempDir, JoinSet<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clamd");
    let listener = UnixListener::bind(&path).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // Those that hang stay open beside the others.
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(behave(stream, manner));
        }
    });
    (at(path), folder, tasks)
}

async fn behave(mut stream: UnixStream, manner: ScannerManner) {
    match manner {
        ScannerManner::Says(answer) => {
            read_all(&mut stream).await;
            let _ = stream.write_all(answer).await;
        }
        ScannerManner::SaysAtOnce(answer) => {
            let _ = stream.write_all(answer).await;
        }
        ScannerManner::Goes => {
            let _ = stream.read_exact(&mut [0; 20]).await;
        }
        ScannerManner::Hangs => {
            read_all(&mut stream).await;
            std::future::pending::<()>().await;
        }
        ScannerManner::Sleeps => std::future::pending::<()>().await,
    }
}

fn at(path: PathBuf) -> VirusScanner {
    let patience = Duration::from_millis(300);
    VirusScanner { address: ScannerAddress::Unix(path), patience, bytes_max: 1024 * 1024 }
}

/// Reads `INSTREAM` and its chunks to the empty one; returns what they held.
async fn read_all(stream: &mut UnixStream) -> Vec<u8> {
    let mut word = [0; 10];
    if stream.read_exact(&mut word).await.is_err() || &word != b"zINSTREAM\0" {
        return Vec::new();
    }
    let mut all = Vec::new();
    while let Ok(length @ 1..) = stream.read_u32().await {
        let mut chunk = vec![0; length as usize];
        if stream.read_exact(&mut chunk).await.is_err() {
            break;
        }
        all.extend(chunk);
    }
    all
}

async fn scan(manner: ScannerManner, bytes: usize) -> Result<ScanResult, ScanError> {
    let (scanner, _folder, _tasks) = scanner(manner);
    scanner.scan_bytes(vec![b'a'; bytes]).await
}

#[tokio::test]
async fn kim_20_only_a_whole_ok_after_the_last_byte_lets_something_pass() {
    let virus = |name: &str| ScanResult::Infected(VirusName::new(name));
    for (answer, expected) in [
        (&b"stream: OK\0"[..], Some(ScanResult::Clean)),
        (b"stream: Eicar-Test-Signature FOUND\0", Some(virus("Eicar-Test-Signature"))),
        (b"stream: a FOUND b FOUND\0", Some(virus("a FOUND b"))),
        (b"INSTREAM size limit exceeded. ERROR\0", Some(ScanResult::TooLarge)),
        // Cut off, or not what it should be.
        (b"stream: OK", None),
        (b"stream: O", None),
        (b"", None),
        (b"\0", None),
        (b"OK\0", None),
        (b"stream: ok\0", None),
        (b"stream: OK \0", None),
        (b"stream: OK\n\0", None),
        (b"1: stream: OK\0", None),
        (b"stream: Can't allocate memory ERROR\0", None),
        (b"UNKNOWN COMMAND\0", None),
        (b"HTTP/1.1 200 OK\r\n\r\n\0", None),
    ] {
        let said = scan(ScannerManner::Says(answer), 200_000).await;
        assert_eq!(said.ok(), expected, "{}", String::from_utf8_lossy(answer));
    }
    let endless: &'static [u8] = Vec::leak(vec![b'x'; 100_000]);
    assert!(matches!(scan(ScannerManner::Says(endless), 10).await, Err(ScanError::NoVerdict)));
}

/// Answers as clamd's log, its other commands, its other modes and its troubles write them. One that tells
/// of a trouble is neither clean nor a virus; of two, none counts.
#[tokio::test]
async fn b95_words_that_are_no_verdict_pass_for_none() {
    for answer in [
        &b"stream: Eicar FOUND\n"[..],
        b"stream: Eicar FOUND\n\0",
        b"stream: OK\n\0",
        b"instream(127.0.0.1@46232): Eicar FOUND\0",
        b"stream(127.0.0.1@1592): OK\0",
        b"./4F2A.header/Access denied. ERROR\0",
        b"stream: Access denied. ERROR\0",
        b"COMMAND READ TIMED OUT\0",
        b"stream: OK\0stream: OK\0",
        b"stream: OK\0stream: Eicar FOUND\0",
        b"stream: Eicar FOUND\0stream: OK\0",
    ] {
        let said = scan(ScannerManner::Says(answer), 1_000).await;
        assert!(
            matches!(said, Err(ScanError::NoVerdict | ScanError::BrokenOff)),
            "{said:?} {}",
            String::from_utf8_lossy(answer)
        );
    }
}

/// clamd says that it is too much and hangs up, while more is on its way: over TCP, the connection is then
/// reset, and whoever goes on writing sees only that.
#[tokio::test]
async fn b94_what_a_scanner_says_before_it_hangs_up_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_exact(&mut [0; 100_000]).await.unwrap();
            stream.write_all(b"INSTREAM size limit exceeded. ERROR\0").await.unwrap();
        }
    });
    let address = ScannerAddress::Tcp { host: "127.0.0.1".to_owned(), port };
    let scanner = VirusScanner { address, ..at(PathBuf::new()) };
    for _ in 0..20 {
        let said = scanner.scan_bytes(vec![b'a'; 8 * 1024 * 1024]).await;
        assert_eq!(said.unwrap(), ScanResult::TooLarge);
    }
}

#[tokio::test]
async fn kim_20_an_answer_that_comes_too_early_never_lets_anything_pass() {
    for bytes in [0, 10, 5_000_000] {
        let early = scan(ScannerManner::SaysAtOnce(b"stream: OK\0"), bytes).await;
        // Where all of it fits into the socket first, the answer cannot be told from one in time.
        assert!(bytes < 5_000_000 || early.is_err(), "{early:?}");
    }
    let large =
        scan(ScannerManner::SaysAtOnce(b"INSTREAM size limit exceeded. ERROR\0"), 5_000_000).await;
    assert_eq!(large.unwrap(), ScanResult::TooLarge);
}

#[tokio::test]
async fn kim_20_a_scanner_that_hangs_or_goes_is_an_error_in_time() {
    assert!(matches!(scan(ScannerManner::Hangs, 1_000).await, Err(ScanError::Silent)));
    assert!(scan(ScannerManner::Goes, 5_000_000).await.is_err());
    let nowhere = at(PathBuf::from("/nonexistent/clamd"));
    assert!(matches!(nowhere.ping().await, Err(ScanError::Unreachable { .. })));
    let nothing = nowhere.scan_bytes(Vec::new()).await;
    assert!(matches!(nothing, Err(ScanError::Unreachable { .. })));
}

#[tokio::test(start_paused = true)]
async fn kim_20_a_scanner_that_takes_no_bytes_is_given_up() {
    let said = scan(ScannerManner::Sleeps, 50_000_000).await;
    assert!(matches!(said, Err(ScanError::Silent)), "{said:?}");
}

/// The letter could not be read to its end: the scanner must not judge half of it.
#[tokio::test]
async fn kim_20_half_a_file_is_never_scanned() {
    let (scanner, _folder, _tasks) = scanner(ScannerManner::Says(b"stream: OK\0"));
    let (into, pieces) = mpsc::channel(2);
    into.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
    into.send(Err(std::io::Error::other("gone"))).await.unwrap();
    assert!(matches!(scanner.scan(pieces).await, Err(ScanError::Source)));
}

#[test]
fn kim_20_the_test_file_is_the_known_one() {
    let file = String::from_utf8(crate::transport::test_virus()).unwrap();
    assert_eq!(file.len(), 68);
    assert!(file.starts_with("X5O!P%@AP[4") && file.ends_with("$H+H*"));
}
