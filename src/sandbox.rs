//! Foreign documents are opened in a separate process, so that none of them can do harm: the same
//! program, told to be the sandbox, with limits on memory and time and without files or network.
//!
//! A child serves many documents, one at a time, and is given up as soon as one of them broke it.
//! What it answers is not believed: lengths and places are checked, and nothing it says names
//! anything of ours.

mod child;
mod confine;
mod page_reader;
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
pub use page_reader::{PageReader, PageUnread, serve_as};
pub use wire::Escape;

use crate::{
    document::{self, DocumentError, FaxPage, FaxPdf, SOURCE_BYTES_MAX},
    model::{DocumentForm, DocumentSight},
};
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

/// The largest picture of a page: many times what a printed page takes.
const PICTURE_BYTES_MAX: usize = 16 * 1024 * 1024;

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

/// What a child did.
#[derive(Debug)]
enum Opened {
    /// A document or a picture. Only that of a fax says how many pages it has.
    Made(FaxPdf),
    Seen(DocumentSight),
}

/// A picture of a page, with its size in pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePicture {
    pub png: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

impl PagePicture {
    /// Nothing if it does not begin as a PNG does (PNG, 3rd edition, §5.2 and §11.2.1).
    fn checked(png: Vec<u8>) -> Option<Self> {
        let head = png.strip_prefix(b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR")?;
        let number = |at: usize| {
            let bytes = head.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes)).filter(|pixels| *pixels > 0)
        };
        let (width, height) = (number(0)?, number(4)?);
        Some(Self { png, width, height })
    }
}

/// Why a child did not do its task.
enum Failed {
    Broken { index: Option<usize> },
    Document(DocumentError),
}

/// A file that fits into a task.
fn file_alone(file: &Bytes) -> Result<&[Bytes], SandboxError> {
    if file.len() > SOURCE_BYTES_MAX {
        return Err(DocumentError::TooLarge.into());
    }
    Ok(std::slice::from_ref(file))
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
    /// together are at most [`SOURCE_BYTES_MAX`] bytes.
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
    ) -> Result<FaxPdf, SandboxError> {
        let lengths = files.iter().map(Bytes::len).collect();
        let task = Task::Fax { sheet: sheet.map(Box::new), files: lengths, pages_max, bytes_max };
        self.made(&task, files).await
    }

    /// Looks at a file that came by fax: what it is, and which of its pages are there.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Broken`] is final for this file. A file of more than
    /// [`SOURCE_BYTES_MAX`] bytes is refused unopened.
    pub async fn look(&self, file: &Bytes) -> Result<DocumentSight, SandboxError> {
        let lengths = [file.len()];
        if document::form_of(file) != DocumentForm::Pdf {
            return self.seen(&Task::Look { file: lengths }, file).await;
        }
        let sight = self.seen(&Task::Glance { file: lengths }, file).await?;
        if sight.pages == 0 {
            return Ok(sight);
        }
        // One page of a PDF may break the child, and the others can be shown nevertheless.
        match self.seen(&Task::Look { file: lengths }, file).await {
            Ok(thorough) if thorough.pages == sight.pages => Ok(thorough),
            Err(SandboxError::Unavailable(error)) => Err(SandboxError::Unavailable(error)),
            Ok(_) | Err(_) => Ok(sight),
        }
    }

    async fn seen(&self, task: &Task, file: &Bytes) -> Result<DocumentSight, SandboxError> {
        match self.open(task, file_alone(file)?).await? {
            Opened::Seen(sight) => Ok(sight),
            Opened::Made(_) => Err(SandboxError::Broken { index: None }),
        }
    }

    /// A picture of a page, counted from 1: a PNG with a long edge of `edge` pixels, more for a page
    /// that is longer than A4.
    ///
    /// # Errors
    ///
    /// As of [`Sandbox::look`]; [`SandboxError::Document`] is final as well.
    pub async fn picture(
        &self,
        file: &Bytes,
        page: u32,
        edge: u32,
    ) -> Result<PagePicture, SandboxError> {
        let bytes_max = PICTURE_BYTES_MAX;
        let task = Task::Picture { file: [file.len()], page, edge, bytes_max };
        let png = self.made(&task, file_alone(file)?).await?.bytes;
        // The child may be what a document made of it.
        PagePicture::checked(png).ok_or(SandboxError::Broken { index: Some(0) })
    }

    /// One PDF of all pages of a TIFF, of at most `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// As of [`Sandbox::picture`].
    pub async fn all_pages(&self, file: &Bytes, bytes_max: usize) -> Result<Vec<u8>, SandboxError> {
        let task = Task::AllPages { file: [file.len()], bytes_max };
        let pdf = self.made(&task, file_alone(file)?).await?.bytes;
        if pdf.starts_with(b"%PDF-") {
            Ok(pdf)
        } else {
            Err(SandboxError::Broken { index: Some(0) })
        }
    }

    /// What a child makes, of no more bytes than the task allows.
    async fn made(&self, task: &Task, files: &[Bytes]) -> Result<FaxPdf, SandboxError> {
        match self.open(task, files).await? {
            Opened::Made(made) if made.bytes.len() <= task.bytes_max() => Ok(made),
            Opened::Made(_) => Err(DocumentError::TooLarge.into()),
            Opened::Seen(_) => Err(SandboxError::Broken { index: None }),
        }
    }

    /// Has a child do a task.
    async fn open(&self, task: &Task, files: &[Bytes]) -> Result<Opened, SandboxError> {
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let mut broken = None;
        for _ in 0..CHILDREN_PER_TASK {
            let mut worker = self.worker().await.map_err(SandboxError::Unavailable)?;
            match timeout(TASK_TIME_MAX, worker.run(task, files)).await {
                Ok(Ok(opened)) => {
                    self.give_back(worker);
                    return Ok(opened);
                }
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

    async fn run(&mut self, task: &Task, files: &[Bytes]) -> Result<Opened, Failed> {
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
                Ok(Answer::Made { bytes, pages }) => {
                    let made = wire::receive_bytes(&mut self.from, bytes, task.bytes_max()).await;
                    let made = made.map(|bytes| Opened::Made(FaxPdf { bytes, pages }));
                    return made.map_err(|_| broken(self.at));
                }
                Ok(Answer::Seen(sight)) => {
                    return sight.checked().map(Opened::Seen).ok_or_else(|| broken(self.at));
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
