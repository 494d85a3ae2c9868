//! A virus scanner: the real clamd, with signatures of our own, so that nothing has to be fetched.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use crate::{
    error::{Result, WorldError},
    folder::Folder,
    process::{Launch, Server},
    setup::program,
};

/// The words that this scanner takes for a virus, wherever they are: in a file or in a text.
pub const SUSPICIOUS_WORDS: &str = "UMSTIEG-SUSPICIOUS-WORDS";

/// The largest stream that it takes, in bytes.
pub const STREAM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The test file of EICAR, in hexadecimal digits: as a text it would make a virus of this file.
const EICAR: &str = "58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e\
                     444152442d414e544956495255532d544553542d46494c452124482b482a";

/// A running clamd. It ends with this value.
#[derive(Debug)]
pub struct Clamd {
    // Drops before its folder.
    server: Server,
    socket: PathBuf,
    _folder: Folder,
}

impl Clamd {
    /// Makes one that is not started yet.
    ///
    /// # Errors
    /// When it is not installed, or its settings cannot be written.
    pub fn prepare() -> Result<Self> {
        let folder = Folder::make("clamd")?;
        let (path, socket) = (folder.path(), folder.path().join("clamd.ctl"));
        let signatures = path.join("signatures");
        let failed = |error| WorldError::io("write the settings of clamd", error);
        std::fs::create_dir(&signatures).map_err(failed)?;
        let words: String = SUSPICIOUS_WORDS.bytes().map(|byte| format!("{byte:02x}")).collect();
        let own = format!("Eicar-Test-Signature:0:*:{EICAR}\nUmstieg-Suspicious:0:*:{words}\n");
        std::fs::write(signatures.join("own.ndb"), own).map_err(failed)?;
        let settings = path.join("clamd.conf");
        std::fs::write(&settings, settings_text(path, &signatures, &socket)).map_err(failed)?;
        let server = Server::new(Launch {
            name: "clamd",
            program: program("clamd")?,
            args: vec![format!("--config-file={}", settings.display())],
            env: vec![],
            account: None,
            folder: path.to_owned(),
            log: path.join("clamd.log"),
            quick_end: Signal::KILL,
            piped: false,
        });
        Ok(Self { server, socket, _folder: folder })
    }

    /// Starts it, and returns when it answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn start(&mut self) -> Result<()> {
        let socket = self.socket.clone();
        // What an earlier run left there would be taken for it.
        let _ = std::fs::remove_file(&socket);
        self.server.start(|| is_there(socket.clone())).await
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Where it listens, as settings say it.
    pub fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }
}

fn settings_text(folder: &Path, signatures: &Path, socket: &Path) -> String {
    format!(
        "LocalSocket {socket}\nDatabaseDirectory {signatures}\nTemporaryDirectory {folder}\n\
         Foreground yes\nStreamMaxLength {STREAM_BYTES_MAX}\n",
        socket = socket.display(),
        signatures = signatures.display(),
        folder = folder.display(),
    )
}

async fn is_there(socket: PathBuf) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket).await else { return false };
    let mut answer = [0; 5];
    let asked = stream.write_all(b"zPING\0").await;
    asked.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"PONG\0"
}
