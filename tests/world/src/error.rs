//! What can go wrong with the world: told so that the reader of a failed test knows where to look.

use std::{error::Error, fmt, io, path::Path, time::Duration};

/// A failure of the world, not of the gateway.
#[derive(thiserror::Error)]
pub enum WorldError {
    #[error("{what} is missing: run scripts/setup")]
    NotSetUp { what: String },
    #[error("could not {doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
    #[error("the log ends with:\n{log}\n{name} ended unexpectedly")]
    Ended { name: String, log: String },
    #[error("the log ends with:\n{log}\n{name} did not answer within {waited:?}")]
    Silent { name: String, waited: Duration, log: String },
    #[error("could not {doing}: {answer}")]
    Refused { doing: String, answer: String },
    #[error("seen so far:\n{seen}\nwaited {waited:?} in vain for {what}")]
    Unseen { what: String, waited: Duration, seen: String },
}

/// As a failed test prints it: in lines, the reason last, where the end of a long log is all one has.
impl fmt::Debug for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.source() {
            Some(source) => write!(f, ": {source:?}"),
            None => Ok(()),
        }
    }
}

pub type Result<T, E = WorldError> = std::result::Result<T, E>;

impl WorldError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    pub(crate) fn refused(doing: impl Into<String>, answer: impl ToString) -> Self {
        Self::Refused { doing: doing.into(), answer: answer.to_string() }
    }

    pub(crate) fn http(doing: impl Into<String>, error: &reqwest::Error) -> Self {
        Self::refused(doing, format!("{error:?}"))
    }
}

/// The last lines of a log.
pub(crate) fn log_end(log: &Path) -> String {
    /// Enough for a Python traceback.
    const LINES_SHOWN: usize = 30;
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default();
    format!("  {}\n  (all of it: {})", end.join("\n  "), log.display())
}
