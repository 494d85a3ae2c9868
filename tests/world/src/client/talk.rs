//! A client's program, spoken to line by line: `clients/lines.mjs` tells how.

use std::{
    collections::HashMap,
    fmt,
    io::{BufRead as _, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::{SeenTimeline, nursery};
use crate::{
    error::{Result, WorldError, log_end},
    folder::Folder,
    process::{Launch, Process},
    setup::installed,
};

/// How long a client may take to carry out a command: an upload of 50 MB on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);
const DOING: &str = "start a Matrix client";
/// The packages the programs for Node import, as Node looks for them: beside the program.
const MODULES: &str = "node_modules";

/// A program for Node and the files it is made of; the first is the one to run.
pub(crate) struct Program {
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// How to end it.
    pub(crate) end: Signal,
}

const LINES: (&str, &str) = ("lines.mjs", include_str!("../../clients/lines.mjs"));
const NODE: &str = "clients/node";

pub(crate) const JS: Program = Program {
    files: &[
        ("js.mjs", include_str!("../../clients/js.mjs")),
        ("databases.mjs", include_str!("../../clients/databases.mjs")),
        LINES,
    ],
    end: Signal::KILL,
};
pub(crate) const HYDROGEN: Program = Program {
    files: &[
        ("hydrogen.mjs", include_str!("../../clients/hydrogen.mjs")),
        ("hydrogen.html", include_str!("../../clients/hydrogen.html")),
        LINES,
    ],
    // The browser is in a separate process group: the program has to end it.
    end: Signal::TERM,
};

/// A running program. It ends with this value; its folder stays as long as something holds it.
pub(crate) struct Talk {
    shared: Arc<TalkShared>,
    changes: watch::Receiver<u64>,
    input: Mutex<Box<dyn Write + Send>>,
    next_id: AtomicU64,
    log: PathBuf,
    _running: Running,
}

/// What ends the program when it is dropped.
enum Running {
    Process {
        _process: Process,
    },
    /// A fork ends when nothing can come any more.
    Fork(UnixStream),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Fork(stream) = self {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Default)]
struct TalkShared {
    state: Mutex<TalkState>,
}

#[derive(Default)]
pub(crate) struct TalkState {
    pub(crate) seen: SeenTimeline,
    answers: HashMap<u64, Value>,
    ended: bool,
}

impl TalkShared {
    fn lock(&self) -> MutexGuard<'_, TalkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Talk {
    /// Starts a client in Python.
    pub(crate) fn fork(folder: &Folder) -> Result<Self> {
        let log = folder.path().join("client.log");
        let (input, output) = nursery::client(folder.path(), &log)?;
        let end = input.try_clone().map_err(|error| WorldError::io(DOING, error))?;
        Self::with(Box::new(input), output, Running::Fork(end), log)
    }

    pub(crate) fn start(program: &Program, folder: &Folder) -> Result<Self> {
        let failed = |error| WorldError::io(DOING, error);
        let folder = folder.path();
        let log = folder.join("client.log");
        for (name, text) in program.files {
            std::fs::write(folder.join(name), text).map_err(failed)?;
        }
        link(&installed("clients/node_modules")?, &folder.join(MODULES)).map_err(failed)?;
        let main = program.files.iter().map(|(name, _)| folder.join(name).display().to_string());
        let mut process = Process::start(&Launch {
            name: "client",
            program: installed(NODE)?,
            args: main.take(1).collect(),
            // What a browser leaves lying about goes with the folder.
            env: vec![("TMPDIR", folder.display().to_string())],
            account: None,
            folder: folder.to_owned(),
            log: log.clone(),
            quick_end: program.end,
            piped: true,
        })?;
        let (input, output) =
            process.pipes().ok_or_else(|| WorldError::refused(DOING, "it has no pipes"))?;
        Self::with(Box::new(input), output, Running::Process { _process: process }, log)
    }

    fn with(
        input: Box<dyn Write + Send>,
        output: impl Read + Send + 'static,
        running: Running,
        log: PathBuf,
    ) -> Result<Self> {
        let shared = Arc::new(TalkShared::default());
        let (change, changes) = watch::channel(0);
        let listener = Arc::clone(&shared);
        // A separate thread: the client outlives the async runtime it was started in, if need be.
        std::thread::Builder::new()
            .name("client".to_owned())
            .spawn(move || listen(output, &listener, &change))
            .map_err(|error| WorldError::io(DOING, error))?;
        let input = Mutex::new(input);
        let next_id = AtomicU64::new(1);
        Ok(Self { shared, changes, input, next_id, log, _running: running })
    }

    /// A number this program was not given before.
    pub(crate) fn number(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn seen(&self) -> SeenTimeline {
        self.shared.lock().seen.clone()
    }

    /// Has a command carried out; `who` names the client in the error.
    pub(crate) async fn command(&self, who: &str, verb: &str, mut command: Value) -> Result<Value> {
        let doing = format!("let the client {who} {verb}");
        let id = self.number();
        if let Some(fields) = command.as_object_mut() {
            fields.insert("id".to_owned(), id.into());
            fields.insert("do".to_owned(), verb.into());
        }
        self.input
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(format!("{command}\n").as_bytes())
            .map_err(|error| WorldError::io(&doing, error))?;
        let answer =
            timeout(ANSWERED_WITHIN, self.wait_until(|state| state.answers.remove(&id))).await;
        let answer = answer.map_err(|_| WorldError::Silent {
            name: "the client".to_owned(),
            waited: ANSWERED_WITHIN,
            log: log_end(&self.log),
        })??;
        match answer.get("error") {
            Some(error) => Err(WorldError::refused(doing, error)),
            None => Ok(answer.get("ok").cloned().unwrap_or_default()),
        }
    }

    pub(crate) async fn wait_until<T>(
        &self,
        mut look: impl FnMut(&mut TalkState) -> Option<T>,
    ) -> Result<T> {
        let mut changes = self.changes.clone();
        loop {
            // Before the look, so that a change after it is not missed.
            changes.mark_unchanged();
            let ended = {
                let mut state = self.shared.lock();
                if let Some(found) = look(&mut state) {
                    return Ok(found);
                }
                state.ended
            };
            if ended || changes.changed().await.is_err() {
                let name = "the client".to_owned();
                return Err(WorldError::Ended { name, log: log_end(&self.log) });
            }
        }
    }
}

/// Takes in what the client tells until it ends.
fn listen(output: impl Read, shared: &TalkShared, change: &watch::Sender<u64>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { break };
        let Ok(mut told) = serde_json::from_str::<Value>(&line) else { continue };
        let mut state = shared.lock();
        if let Some(event) = told.get_mut("event").map(Value::take) {
            if let Ok(event) = serde_json::from_value(event) {
                state.seen.take_in(event);
            }
        } else if let Some(id) = told.get("id").and_then(Value::as_u64) {
            state.answers.insert(id, told);
        }
        drop(state);
        change.send_modify(|count| *count += 1);
    }
    shared.lock().ended = true;
    change.send_modify(|count| *count += 1);
}

/// A link that may be there already: a client that is started again finds its folder as it was.
fn link(target: &Path, link: &Path) -> std::io::Result<()> {
    match std::os::unix::fs::symlink(target, link) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn field(answer: &Value, name: &str) -> String {
    answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
