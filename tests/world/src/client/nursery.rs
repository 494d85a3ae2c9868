//! Clients in Python that are not started from nothing: one process reads the library, which takes
//! half a second, and each client is a fork of it.

use std::{
    io::{ErrorKind, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::ChildStdin,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    error::{Result, WorldError, log_end},
    process::{Launch, Process},
    setup::installed,
};

const PROGRAM: &str = include_str!("../../python/client.py");
const INTERPRETER: &str = "venv/bin/python";
const DOING: &str = "start a Matrix client";

/// How long a fork may take to connect: the first one waits until the library is read.
const BORN_WITHIN: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The one of this process. It ends with it.
static NURSERY: Mutex<Option<Nursery>> = Mutex::new(None);

struct Nursery {
    orders: ChildStdin,
    process: Process,
}

impl Nursery {
    fn start(log: PathBuf) -> Result<Self> {
        let mut process = Process::start(&Launch {
            name: "the nursery of clients",
            program: installed(INTERPRETER)?,
            args: vec!["-c".to_owned(), PROGRAM.to_owned()],
            env: Vec::new(),
            account: None,
            folder: PathBuf::from("/"),
            log,
            quick_end: Signal::KILL,
            piped: true,
        })?;
        let pipes = process.pipes();
        let (orders, _) = pipes.ok_or_else(|| WorldError::refused(DOING, "it has no pipes"))?;
        Ok(Self { orders, process })
    }
}

/// A new client that works in this folder: where its commands go, and where its answers come from.
pub(super) fn client(folder: &Path, log: &Path) -> Result<(UnixStream, UnixStream)> {
    let failed = |error| WorldError::io(DOING, error);
    let door = folder.join("door");
    let listener = UnixListener::bind(&door).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let order = format!("{}\n", json!({ "folder": folder, "log": log, "door": door }));
    let mut nursery = NURSERY.lock().unwrap_or_else(PoisonError::into_inner);
    if nursery.as_mut().is_none_or(|running| running.process.has_ended()) {
        *nursery = Some(Nursery::start(log.to_owned())?);
    }
    if let Some(running) = nursery.as_mut() {
        running.orders.write_all(order.as_bytes()).map_err(failed)?;
    }
    drop(nursery);
    let begun = Instant::now();
    Ok((connection(&listener, begun, log)?, connection(&listener, begun, log)?))
}

fn connection(listener: &UnixListener, begun: Instant, log: &Path) -> Result<UnixStream> {
    let failed = |error| WorldError::io(DOING, error);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(failed(error)),
            Err(_) if begun.elapsed() > BORN_WITHIN => {
                let name = "the nursery of clients".to_owned();
                return Err(WorldError::Silent { name, waited: BORN_WITHIN, log: log_end(log) });
            }
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}
