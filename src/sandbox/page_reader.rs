//! Words of a page: read by a program of the machine (tesseract), which gets nothing but the shades of the
//! page, and can do nothing but compute and say what it read.
//!
//! This program starts itself once more, limits itself, and then becomes the reading program: limits and
//! filter stay. What is printed is foreign text.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    sync::Semaphore,
    time::timeout,
};

use super::{PICTURE_BYTES_MAX, Sandbox, SandboxError, THIS_PROGRAM, Task, file_alone};
use crate::{
    document,
    model::{CODE_BYTES_MAX, CODES_MAX, GreyPage, PageCode, PageWord},
};

/// Where Debian and most others have the reading program.
const TESSERACT: &str = "/usr/bin/tesseract";

/// The language of the pages. A German model reads English words as well.
const PAGE_LANGUAGE: &str = "deu";

/// The model that tells which way up a page lies.
const ORIENTATION: &str = "osd";

/// How long one page may be read. One of full text takes two seconds of a processor.
const READ_TIME_MAX: Duration = Duration::from_secs(120);

/// Processor time for one page, in seconds.
const READ_PROCESSOR_SECONDS_MAX: u64 = 60;

/// Memory for one page, in bytes. One of full text takes 90 MiB.
const READ_MEMORY_MAX: u64 = 512 * 1024 * 1024;

/// Files that the reading program has open: its libraries and models, one after the other.
const READ_FILES_MAX: u64 = 32;

/// The longest table of words that is heard: a few times what the most words take.
const TABLE_BYTES_MAX: u64 = 1024 * 1024;

/// The longest list of languages that is heard.
const LIST_BYTES_MAX: u64 = 64 * 1024;

/// What the reading program gives way to: everything else that runs on the machine.
const NICENESS: i32 = 10;

/// Why a page has no words.
#[derive(Debug, thiserror::Error)]
pub enum PageUnread {
    /// The program is not there, or could not be started. Trying again may help.
    #[error("the program that reads pages could not be started")]
    NotStarted(#[source] io::Error),
    /// It took too much memory or time, or broke. Final for this page.
    #[error("a page broke the program that reads it")]
    Broken,
}

/// Reads pages, one at a time.
#[derive(Debug)]
pub struct PageReader {
    /// Its own children, so that no fax that came waits for one that is read.
    sandbox: Sandbox,
    tesseract: PathBuf,
    place: Semaphore,
}

impl Default for PageReader {
    fn default() -> Self {
        Self::of(THIS_PROGRAM, TESSERACT)
    }
}

impl PageReader {
    /// `program`: as of [`Sandbox::of`]. `tesseract`: the reading program, an absolute path.
    pub fn of(program: impl Into<PathBuf>, tesseract: impl Into<PathBuf>) -> Self {
        let sandbox = Sandbox::of(program);
        Self { sandbox, tesseract: tesseract.into(), place: Semaphore::new(1) }
    }

    /// The children in which files are opened to be read.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The words of a page.
    ///
    /// # Errors
    ///
    /// [`PageUnread`].
    pub async fn words(&self, page: &GreyPage) -> Result<Vec<PageWord>, PageUnread> {
        // The semaphore is never closed.
        let _place = self.place.acquire().await;
        // The page says nothing of its resolution, and needs none. `--psm 1`: it finds out which way up
        // the page lies.
        let words = ["stdin", "stdout", "-l", PAGE_LANGUAGE, "--psm", "1", "tsv"];
        let table = self.run(&words, &page.pgm, TABLE_BYTES_MAX).await?;
        Ok(document::words(&table))
    }

    /// The models that are missing: of the language of the pages, and of the way they lie.
    ///
    /// # Errors
    ///
    /// [`PageUnread`].
    pub async fn missing(&self) -> Result<Vec<&'static str>, PageUnread> {
        let list = self.run(&["--list-langs"], b"", LIST_BYTES_MAX).await?;
        let list = String::from_utf8_lossy(&list);
        let is_missing = |model: &&str| !list.lines().any(|line| line.trim() == *model);
        Ok([PAGE_LANGUAGE, ORIENTATION].into_iter().filter(is_missing).collect())
    }

    async fn run(
        &self,
        arguments: &[&str],
        input: &[u8],
        bytes_max: u64,
    ) -> Result<Vec<u8>, PageUnread> {
        if !self.tesseract.is_absolute() || !self.tesseract.exists() {
            return Err(PageUnread::NotStarted(io::ErrorKind::NotFound.into()));
        }
        let mut process = Command::new(&self.sandbox.program)
            .arg("sandbox")
            .arg(&self.tesseract)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(PageUnread::NotStarted)?;
        let (Some(mut to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(PageUnread::Broken);
        };
        let talk = async {
            let mut heard = Vec::new();
            let mut from = from.take(bytes_max + 1);
            // It may say something before it has read all, or read nothing.
            let giving = async {
                let _ = to.write_all(input).await;
                drop(to);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                read = from.read_to_end(&mut heard) => read?,
                () = giving => 0,
            };
            // More than that is not heard, and its pipe breaks.
            drop(from);
            Ok::<_, io::Error>((heard, process.wait().await?))
        };
        match timeout(READ_TIME_MAX, talk).await {
            Ok(Ok((heard, status))) if status.success() && heard.len() as u64 <= bytes_max => {
                Ok(heard)
            }
            _ => Err(PageUnread::Broken),
        }
    }
}

impl Sandbox {
    /// A page in shades of grey, counted from 1.
    ///
    /// # Errors
    ///
    /// As of [`Sandbox::picture`].
    pub async fn scan(&self, file: &bytes::Bytes, page: u32) -> Result<GreyPage, SandboxError> {
        let task = Task::Scan { file: [file.len()], page, bytes_max: SCAN_BYTES_MAX };
        let pgm = self.made(&task, file_alone(file)?).await?.bytes;
        // The child may be what a document made of it.
        GreyPage::checked(pgm).ok_or(SandboxError::Broken { index: Some(0) })
    }

    /// The barcodes of a page, counted from 1.
    ///
    /// # Errors
    ///
    /// As of [`Sandbox::picture`].
    pub async fn codes(
        &self,
        file: &bytes::Bytes,
        page: u32,
    ) -> Result<Vec<PageCode>, SandboxError> {
        let task = Task::Codes { file: [file.len()], page, bytes_max: CODES_JSON_MAX };
        let json = self.made(&task, file_alone(file)?).await?.bytes;
        serde_json::from_slice::<Vec<PageCode>>(&json)
            .ok()
            .filter(|codes| codes.len() <= CODES_MAX && codes.iter().all(PageCode::is_sane))
            .ok_or(SandboxError::Broken { index: Some(0) })
    }
}

/// The largest page in shades of grey.
const SCAN_BYTES_MAX: usize = PICTURE_BYTES_MAX + PICTURE_BYTES_MAX / 2;

/// The longest list of barcodes: JSON writes a character in up to six.
const CODES_JSON_MAX: usize = CODES_MAX * (6 * CODE_BYTES_MAX + 64);

/// Serves as a child that opens documents; or, given a program and its arguments, becomes that program,
/// with the limits of one that reads pages.
///
/// # Errors
///
/// As of [`super::serve`]; and when it could not become the program.
pub fn serve_as(reader: &[OsString]) -> io::Result<()> {
    match reader.split_first() {
        None => super::serve(),
        Some((program, arguments)) => Err(become_reader(program, arguments)),
    }
}

/// Returns only when that failed.
fn become_reader(program: &OsStr, arguments: &[OsString]) -> io::Error {
    let limits = [
        (Resource::As, READ_MEMORY_MAX),
        (Resource::Cpu, READ_PROCESSOR_SECONDS_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, READ_FILES_MAX),
    ];
    let mut command = std::process::Command::new(program);
    // One thread: others would be processes to the kernel.
    command.args(arguments).env_clear().env("OMP_THREAD_LIMIT", "1");
    let filter = filter();
    // It only makes others wait less.
    let _ = nice(NICENESS);
    for (resource, limit) in limits {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        if let Err(error) = setrlimit(resource, limit) {
            return error.into();
        }
    }
    // A kernel without seccomp leaves the limits, as for the other children.
    let _ = filter.is_some_and(|filter| apply_filter(&filter).is_ok());
    command.exec()
}

/// The system calls of a program that loads its libraries and models, computes and prints. It reaches no
/// network, starts nothing beside itself, and opens files for reading only.
fn filter() -> Option<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        super::confine::SYSTEM_CALLS.into_iter().map(|number| (number, Vec::new())).collect();
    rules.extend(READER_CALLS.into_iter().map(|number| (number, Vec::new())));
    #[cfg(target_arch = "x86_64")]
    rules.extend(
        [libc::SYS_access, libc::SYS_arch_prctl, libc::SYS_readlink, libc::SYS_stat]
            .map(|number| (number, Vec::new())),
    );
    let writing = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
    let writing = u64::try_from(writing).ok()?;
    let op = SeccompCmpOp::MaskedEq(writing);
    let reads = SeccompCondition::new(2, SeccompCmpArgLen::Dword, op, 0).ok()?;
    rules.insert(libc::SYS_openat, vec![SeccompRule::new(vec![reads]).ok()?]);
    // The limits of other processes are not its business.
    let itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0).ok()?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![itself]).ok()?]);
    // As if the kernel did not have the call; see `confine`.
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch).ok()?;
    filter.try_into().ok()
}

/// What it needs beyond a child that only computes.
const READER_CALLS: [libc::c_long; 17] = [
    // Once, to become the reading program; what it would become by another has the same limits.
    libc::SYS_execve,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_ioctl,
    libc::SYS_fcntl,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sysinfo,
    libc::SYS_sched_getaffinity,
];
