//! Why something was not encrypted, or a device not made.

use matrix_sdk_crypto::{CryptoStoreError, MegolmError, OlmError};

use crate::matrix::MatrixError;

/// Something was not encrypted, or a device could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// The database did not answer, or what it holds does not fit together.
    #[error("the keys of a device could not be read or saved")]
    Store(#[source] CryptoStoreError),
    #[error("the encryption library refused its work")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The homeserver does not know this device, or knows other keys for it.
    #[error("the homeserver no longer has this device's keys")]
    Unknown,
    /// What it has in memory was not saved: it has to be opened again.
    #[error("a device in memory is not the one in the database")]
    Outdated,
    /// Questions led to further questions without an end.
    #[error("the homeserver's answers about keys do not come to an end")]
    Endless,
}

impl From<CryptoStoreError> for DeviceError {
    fn from(error: CryptoStoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OlmError> for DeviceError {
    fn from(error: OlmError) -> Self {
        match error {
            OlmError::Store(error) => Self::Store(error),
            error => Self::Library(error.into()),
        }
    }
}

impl From<MegolmError> for DeviceError {
    fn from(error: MegolmError) -> Self {
        match error {
            MegolmError::Store(error) => Self::Store(error),
            error => Self::Library(error.into()),
        }
    }
}
