//! Foreign documents are opened in a separate process, so that none of them can do harm: the same
//! program, told to be the sandbox, with limits on memory and time and without files or network.
//!
//! A child serves many documents, one at a time, and is given up as soon as one of them broke it.
//! What it answers is not believed: lengths and places are checked, and nothing it says names
//! anything of ours.

mod child;
mod confine;
mod wire;

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
    time::timeout,
};
use tracing::{info, warn};

pub use child::serve;
pub use confine::{Confinement, MEMORY_MAX};
pub use wire::Escape;

use crate::document::{DocumentError, FaxPage};
use wire::{Answer, Greeting, Task};

/// Children at work at a time. Further documents wait: each child may take [`MEMORY_MAX`].
pub const CHILDREN_MAX: usize = 2;

/// How many documents one child opens before another takes its place: what piles up in it ends with
/// it.
const TASKS_MAX: u32 = 50;

/// How long one document may take, on a machine that is busy with other things as well.
const TASK_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a child may take to start.
const START_TIME_MAX: Duration = Duration::from_secs(20);

/// How many children one document may break. The first may have suffered from earlier documents.
const CHILDREN_PER_TASK: u32 = 2;

/// The program that runs, even if its file was replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The child opened the files and says what is wrong with them.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The files need more memory or time than a document may have, or they broke the child.
    /// `index`: at which file, if that is known.
    #[error("a document broke the process it was opened in")]
    Broken { index: Option<usize> },
    /// No child could be started. Trying again may help.
    #[error("the sandbox could not be started")]
    Unavailable(#[source] std::io::Error),
}

/// Starts children, lends them out, and takes them back.
#[derive(Debug)]
pub struct Sandbox {
    program: PathBuf,
    places: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::of(THIS_PROGRAM)
    }
}

/// A child that waits for its next task.
#[derive(Debug)]
struct Worker {
    // Ended when it is dropped.
    _process: Child,
    to: ChildStdin,
    from: ChildStdout,
    confinement: Confinement,
    tasks: u32,
    /// The file its task is about at the moment.
    at: Option<usize>,
}

/// Why a child did not do its task.
enum Failed {
    Broken { index: Option<usize> },
    Document(DocumentError),
}

impl Sandbox {
    /// `program`: an executable that runs [`serve`] when its first argument is `sandbox`.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            places: Semaphore::new(CHILDREN_MAX),
            idle: Mutex::default(),
        }
    }

    /// The one PDF that a fax gateway wants: the sheet, then the files, in their order.
    ///
    /// `pages_max`: the longest fax the channel takes. `bytes_max`: the longest PDF. The files
    /// together are at most [`SOURCE_BYTES_MAX`](crate::document::SOURCE_BYTES_MAX) bytes.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Document`] and [`SandboxError::Broken`] are final for these files.
    pub async fn fax(
        &self,
        sheet: Option<FaxPage>,
        files: &[Bytes],
        pages_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<u8>, SandboxError> {
        let lengths = files.iter().map(Bytes::len).collect();
        let task = Task::Fax { sheet: sheet.map(Box::new), files: lengths, pages_max, bytes_max };
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let mut broken = None;
        for _ in 0..CHILDREN_PER_TASK {
            let mut worker = self.worker().await.map_err(SandboxError::Unavailable)?;
            match timeout(TASK_TIME_MAX, worker.run(&task, files)).await {
                Ok(Ok(pdf)) if pdf.len() <= bytes_max => {
                    self.give_back(worker);
                    return Ok(pdf);
                }
                Ok(Ok(_)) => return Err(DocumentError::TooLarge.into()),
                Ok(Err(Failed::Document(error))) => {
                    self.give_back(worker);
                    return Err(error.into());
                }
                Ok(Err(Failed::Broken { index })) => broken = index,
                // Another child would take as long.
                Err(_) => {
                    warn!("A document took longer than {} s to open", TASK_TIME_MAX.as_secs());
                    let index = worker.at.filter(|at| *at < files.len());
                    return Err(SandboxError::Broken { index });
                }
            }
        }
        warn!("A document broke the process it was opened in");
        Err(SandboxError::Broken { index: broken })
    }

    /// Starts a child and has it try to break out. Returns how well it is confined on this machine,
    /// and which ways were open to it.
    ///
    /// # Errors
    ///
    /// When no child can be started, or it does not survive the trial.
    pub async fn try_out(&self) -> Result<(Confinement, Vec<Escape>), SandboxError> {
        let mut worker = self.worker().await.map_err(SandboxError::Unavailable)?;
        let broken = || SandboxError::Broken { index: None };
        let trial = async {
            wire::send(&mut worker.to, &Task::Escape, &[]).await?;
            wire::receive(&mut worker.from).await
        };
        match timeout(START_TIME_MAX, trial).await {
            Ok(Ok(Answer::Escaped { by })) => Ok((worker.confinement, by)),
            Ok(_) | Err(_) => Err(broken()),
        }
    }

    async fn worker(&self) -> std::io::Result<Worker> {
        if let Some(worker) = self.idle().pop() {
            return Ok(worker);
        }
        let worker = timeout(START_TIME_MAX, Worker::start(&self.program)).await??;
        if worker.confinement == Confinement::LimitsOnly {
            info!(
                "Documents are opened with limits of memory and time only: this machine has no seccomp"
            );
        }
        Ok(worker)
    }

    fn give_back(&self, worker: Worker) {
        if worker.tasks < TASKS_MAX {
            self.idle().push(worker);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    async fn start(program: &std::path::Path) -> std::io::Result<Self> {
        let mut process = Command::new(program)
            .arg("sandbox")
            // Its environment contains nothing of ours.
            .env_clear()
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(to), Some(mut from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let greeting: Greeting = wire::receive(&mut from).await?;
        let confinement = greeting.confinement;
        Ok(Self { _process: process, to, from, confinement, tasks: 0, at: None })
    }

    async fn run(&mut self, task: &Task, files: &[Bytes]) -> Result<Vec<u8>, Failed> {
        self.tasks += 1;
        self.at = None;
        let broken =
            |at: Option<usize>| Failed::Broken { index: at.filter(|at| *at < files.len()) };
        if wire::send(&mut self.to, task, files).await.is_err() {
            return Err(broken(None));
        }
        loop {
            match wire::receive(&mut self.from).await {
                Ok(Answer::At { index }) => self.at = Some(index),
                Ok(Answer::Made { bytes }) => {
                    let made = wire::receive_bytes(&mut self.from, bytes, task.bytes_max()).await;
                    return made.map_err(|_| broken(self.at));
                }
                Ok(Answer::Refused(refusal)) => {
                    let error = refusal.checked(files.len());
                    return Err(error.map_or_else(|| broken(self.at), Failed::Document));
                }
                Ok(Answer::Escaped { .. }) | Err(_) => return Err(broken(self.at)),
            }
        }
    }
}
