//! The process that opens documents, without the gateway around it.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a child answered, and how much memory it took.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildAtWork {
    /// To each task, as JSON.
    pub answers: Vec<Value>,
    /// The most memory it took, in KiB.
    pub peak_kib: u32,
}

/// Has a child of this gateway do these tasks at a file, one after the other.
///
/// # Errors
///
/// When it does not start, or ends before it has answered.
pub fn child_at_work(gateway: &Path, tasks: &[Value], file: &[u8]) -> io::Result<ChildAtWork> {
    let mut child = Command::new(gateway)
        .arg("sandbox")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    // A length, JSON of that length, then the bytes it names.
    let mut hear = || -> io::Result<Value> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut json = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or_default()];
        from.read_exact(&mut json)?;
        let said: Value = serde_json::from_slice(&json)?;
        let bytes = said.pointer("/Made/bytes").and_then(Value::as_u64).unwrap_or_default();
        io::copy(&mut from.by_ref().take(bytes), &mut io::sink())?;
        Ok(said)
    };
    hear()?;
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        let task = task.to_string();
        let length = u32::try_from(task.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        to.write_all(&[&length.to_be_bytes(), task.as_bytes(), file].concat())?;
        to.flush()?;
        answers.push(hear()?);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
    let peak_kib = peak.ok_or(io::ErrorKind::InvalidData)?;
    drop(to);
    child.wait()?;
    Ok(ChildAtWork { answers, peak_kib })
}
