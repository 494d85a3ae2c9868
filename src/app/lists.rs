//! What the lists of the command line have in common.

use time::{OffsetDateTime, macros::format_description};

use crate::store::{OpenError, StoreError};

/// A list could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the list could not be written")]
    Write(#[from] std::fmt::Error),
}

/// A moment in 16 characters, UTC; nothing where it is not known.
pub(super) fn minute(at: Option<OffsetDateTime>) -> String {
    let minute = format_description!("[year]-[month]-[day] [hour]:[minute]");
    at.and_then(|at| at.format(&minute).ok()).unwrap_or_default()
}
