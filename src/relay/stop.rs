//! Why a flow does not go on.

use crate::{
    matrix::{DeviceError, MatrixError},
    store::StoreError,
};

/// Why something was not said.
#[derive(Debug)]
pub(super) enum Stop {
    Store(StoreError),
    Matrix(MatrixError),
    /// The room cannot be used any more, and that is noted.
    PortalGone,
    /// Posts that waited are in their room already, and that is noted.
    PostsFound,
    /// The room waits for a person, for example to be invited into its successor.
    NotYet(&'static str),
    /// The homeserver no longer knows a device of ours, or knows other keys for it.
    DeviceLost,
    /// What the post is made of is gone, or cannot be made.
    Lost(&'static str),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MatrixError> for Stop {
    fn from(error: MatrixError) -> Self {
        Self::Matrix(error)
    }
}

impl From<DeviceError> for Stop {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Matrix(error) => Self::Matrix(error),
            DeviceError::Unknown => Self::DeviceLost,
            // Nothing left: neither the post nor its room is at fault.
            error => {
                tracing::warn!(error = %error, cause = ?std::error::Error::source(&error).map(ToString::to_string),
                    "The keys of a device could not be used");
                Self::NotYet("keys")
            }
        }
    }
}
