//! What parent and child say to each other: a length, JSON of that length, then the bytes it names.

use std::io::{self, Read, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Confinement;
use crate::{
    document::{DocumentError, FaxPage, SOURCE_BYTES_MAX},
    model::DocumentSight,
};

/// Longest JSON of a task. A sheet holds what people wrote within two minutes.
const TASK_JSON_MAX: usize = 4 * 1024 * 1024;

/// Longest JSON of an answer: a few words and numbers.
const ANSWER_JSON_MAX: usize = 4 * 1024;

/// What a child says when it is ready.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub(super) confinement: Confinement,
}

/// A task for a child. The bytes of the files follow, in their order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Fax {
        sheet: Option<Box<FaxPage>>,
        files: Vec<usize>,
        pages_max: usize,
        bytes_max: usize,
    },
    /// Says what a file is, and how many pages it has, without opening them.
    Glance {
        file: [usize; 1],
    },
    /// Says what a file is, and which of its pages are there.
    Look {
        file: [usize; 1],
    },
    /// A picture of a page, counted from 1.
    Picture {
        file: [usize; 1],
        page: u32,
        edge: u32,
        bytes_max: usize,
    },
    /// One PDF of all pages of a TIFF.
    AllPages {
        file: [usize; 1],
        bytes_max: usize,
    },
    /// A page in shades of grey, for a machine that reads.
    Scan {
        file: [usize; 1],
        page: u32,
        bytes_max: usize,
    },
    /// The barcodes of a page, as JSON.
    Codes {
        file: [usize; 1],
        page: u32,
        bytes_max: usize,
    },
    /// Tries what a document must not be able to do.
    Escape,
}

impl Task {
    fn files(&self) -> &[usize] {
        match self {
            Self::Fax { files, .. } => files,
            Self::Glance { file }
            | Self::Look { file }
            | Self::Picture { file, .. }
            | Self::AllPages { file, .. }
            | Self::Scan { file, .. }
            | Self::Codes { file, .. } => file,
            Self::Escape => &[],
        }
    }

    pub(super) fn bytes_max(&self) -> usize {
        match self {
            Self::Fax { bytes_max, .. }
            | Self::Picture { bytes_max, .. }
            | Self::AllPages { bytes_max, .. }
            | Self::Scan { bytes_max, .. }
            | Self::Codes { bytes_max, .. } => *bytes_max,
            Self::Glance { .. } | Self::Look { .. } | Self::Escape => 0,
        }
    }
}

/// What a child answers. `At` may come before the others, once for each file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// From here on the child works on this file.
    At {
        index: usize,
    },
    /// The document; this many bytes follow.
    Made {
        bytes: usize,
        pages: u32,
    },
    /// What a look found.
    Seen(DocumentSight),
    Refused(DocumentError),
    /// What was possible although it must not be.
    Escaped {
        by: Vec<Escape>,
    },
}

/// A way out of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Escape {
    /// To read a file of the machine.
    Read,
    /// To write one.
    Write,
    /// To talk to any other process.
    Network,
    /// To start another program.
    Process,
    /// To take more memory than a document may.
    Memory,
}

// ---------------------------------------------------------------- the parent's side

/// Sends a task and its files.
pub(super) async fn send(
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    task: &Task,
    files: &[Bytes],
) -> io::Result<()> {
    to.write_all(&framed(task)?).await?;
    for file in files {
        to.write_all(file).await?;
    }
    to.flush().await
}

/// Hears one message of a child.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> io::Result<T> {
    let length = from.read_u32().await? as usize;
    if length > ANSWER_JSON_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = vec![0; length];
    from.read_exact(&mut json).await?;
    Ok(serde_json::from_slice(&json)?)
}

/// Takes the bytes a child announced. Memory grows with what comes, not with what is announced.
pub(super) async fn receive_bytes(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    announced: usize,
    bytes_max: usize,
) -> io::Result<Vec<u8>> {
    if announced > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    from.take(announced as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < announced {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

// ---------------------------------------------------------------- the child's side

/// Reads the next task; nothing when the parent is gone or wants no more.
pub(super) fn read_task(from: &mut impl Read) -> io::Result<Option<(Task, Vec<Bytes>)>> {
    let mut length = [0; 4];
    if from.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > TASK_JSON_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = vec![0; length];
    from.read_exact(&mut json)?;
    let task: Task = serde_json::from_slice(&json)?;
    let lengths = task.files();
    let total = lengths.iter().try_fold(0_usize, |total, length| total.checked_add(*length));
    if total.is_none_or(|total| total > SOURCE_BYTES_MAX) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut files = Vec::with_capacity(lengths.len());
    for length in lengths {
        let mut file = vec![0; *length];
        from.read_exact(&mut file)?;
        files.push(file.into());
    }
    Ok(Some((task, files)))
}

/// Says something to the parent.
pub(super) fn write(to: &mut impl Write, said: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&framed(said)?)?;
    to.write_all(bytes)?;
    to.flush()
}

fn framed(said: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(said)?;
    let length = u32::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok([&length.to_be_bytes()[..], &json].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_lies_is_not_believed() {
        let mut said = framed(&Answer::Made { bytes: 5, pages: 1 }).unwrap();
        said.extend_from_slice(b"abc");
        let mut from = said.as_slice();
        let Answer::Made { bytes, .. } = receive(&mut from).await.unwrap() else { panic!() };
        assert!(receive_bytes(&mut from, bytes, 10).await.is_err(), "shorter than announced");
        assert!(receive_bytes(&mut b"abcdef".as_slice(), 6, 5).await.is_err(), "too long");
        let endless = [u32::MAX.to_be_bytes().as_slice(), b"{}"].concat();
        assert!(receive::<Answer>(&mut endless.as_slice()).await.is_err());
        assert!(receive::<Answer>(&mut b"\0\0\0\x02{}".as_slice()).await.is_err());
        assert_eq!(DocumentError::Unreadable { index: 2 }.checked(2), None);
        assert_eq!(
            DocumentError::Unreadable { index: 1 }.checked(2),
            Some(DocumentError::Unreadable { index: 1 })
        );
    }

    #[test]
    fn a_task_arrives_as_it_was_sent() {
        let files = vec![3, 0];
        let task = Task::Fax { sheet: None, files, pages_max: 4, bytes_max: 9 };
        let mut sent = framed(&task).unwrap();
        sent.extend_from_slice(b"abc");
        let mut from = sent.as_slice();
        let (read, files) = read_task(&mut from).unwrap().unwrap();
        assert!(matches!(read, Task::Fax { pages_max: 4, bytes_max: 9, .. }), "{read:?}");
        assert_eq!(files, [Bytes::from_static(b"abc"), Bytes::new()]);
        assert!(read_task(&mut from).unwrap().is_none(), "the parent is gone");
        assert!(read_task(&mut sent.get(..sent.len() - 1).unwrap()).is_err(), "cut off");
    }
}
