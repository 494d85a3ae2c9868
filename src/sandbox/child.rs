//! The child: opens documents for its parent, one after the other, until the parent is gone.

use std::{
    cell::Cell,
    fs,
    io::{self, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
};

use bytes::Bytes;

use super::{
    confine::{MEMORY_MAX, confine},
    wire::{self, Answer, Escape, Greeting, Task},
};
use crate::{
    document::{self, DocumentError, FaxPdf},
    model::DocumentSight,
};

/// Serves on standard input and output. Confines itself before it reads anything.
///
/// # Errors
///
/// When the parent speaks another protocol, or went away during an answer.
pub fn serve() -> io::Result<()> {
    // The parent has no use for it, and the child has no standard error.
    std::panic::set_hook(Box::new(|_| {}));
    let confinement = confine()?;
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    wire::write(&mut to, &Greeting { confinement }, b"")?;
    while let Some((task, files)) = wire::read_task(&mut from)? {
        let bytes_max = task.bytes_max();
        let at = Cell::new(None);
        // A panic harms this document alone.
        let made = catch_unwind(AssertUnwindSafe(|| work(&task, &files, &mut to, &at)));
        drop(files);
        answer(&mut to, made, at.get(), bytes_max)?;
    }
    Ok(())
}

/// What a child did.
enum ChildDone {
    Made(FaxPdf),
    Seen(DocumentSight),
    Escaped(Vec<Escape>),
}

fn work(
    task: &Task,
    files: &[Bytes],
    to: &mut impl Write,
    at: &Cell<Option<usize>>,
) -> Result<ChildDone, DocumentError> {
    let one = || {
        at.set(Some(0));
        files.first().ok_or(DocumentError::Empty)
    };
    match task {
        Task::Fax { sheet, pages_max, .. } => {
            document::fax(sheet.as_deref(), files, *pages_max, &mut |index| {
                at.set(Some(index));
                // If the parent is gone, the next message to it shows that.
                let _ = wire::write(to, &Answer::At { index }, b"");
            })
            .map(ChildDone::Made)
        }
        Task::Glance { .. } => Ok(ChildDone::Seen(document::glance(one()?))),
        Task::Look { .. } => Ok(ChildDone::Seen(document::look(one()?))),
        Task::Picture { page, edge, .. } => {
            document::picture(one()?, *page, *edge).map(of_one_file)
        }
        Task::AllPages { .. } => document::all_pages(one()?).map(of_one_file),
        Task::Scan { page, .. } => document::scan(one()?, *page).map(of_one_file),
        Task::Codes { page, .. } => {
            let codes = document::codes(one()?, *page)?;
            serde_json::to_vec(&codes).map(of_one_file).map_err(|_| DocumentError::NotWritten)
        }
        Task::Escape => Ok(ChildDone::Escaped(escapes())),
    }
}

/// What is made of one file; it says itself how many pages it has.
fn of_one_file(bytes: Vec<u8>) -> ChildDone {
    ChildDone::Made(FaxPdf { bytes, pages: 0 })
}

/// Tries what a document must not be able to do, to find out how well this child is confined.
fn escapes() -> Vec<Escape> {
    let file = std::env::temp_dir().join(format!("umstieg-sandbox-{}", std::process::id()));
    let is_written = fs::write(&file, b"x").is_ok();
    let _ = fs::remove_file(&file);
    let mut much = Vec::<u8>::new();
    let beyond = usize::try_from(MEMORY_MAX).unwrap_or(usize::MAX);
    let tried = [
        (Escape::Read, fs::read("/proc/self/status").is_ok()),
        (Escape::Write, is_written),
        (Escape::Network, TcpListener::bind("127.0.0.1:0").is_ok() || UnixStream::pair().is_ok()),
        (Escape::Process, Command::new("/proc/self/exe").arg("--version").spawn().is_ok()),
        (Escape::Memory, much.try_reserve_exact(beyond).is_ok()),
    ];
    tried.into_iter().filter_map(|(way, is_open)| is_open.then_some(way)).collect()
}

fn answer(
    to: &mut impl Write,
    made: Result<Result<ChildDone, DocumentError>, impl Sized>,
    at: Option<usize>,
    bytes_max: usize,
) -> io::Result<()> {
    let refusal = match made {
        Ok(Ok(ChildDone::Made(FaxPdf { bytes, pages }))) if bytes.len() <= bytes_max => {
            return wire::write(to, &Answer::Made { bytes: bytes.len(), pages }, &bytes);
        }
        Ok(Ok(ChildDone::Made(_))) => DocumentError::TooLarge,
        Ok(Ok(ChildDone::Seen(sight))) => return wire::write(to, &Answer::Seen(sight), b""),
        Ok(Ok(ChildDone::Escaped(by))) => return wire::write(to, &Answer::Escaped { by }, b""),
        Ok(Err(error)) => error,
        Err(_) => at.map_or(DocumentError::NotWritten, |index| DocumentError::Unreadable { index }),
    };
    wire::write(to, &Answer::Refused(refusal), b"")
}
