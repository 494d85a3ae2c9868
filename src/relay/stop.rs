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
    /// Posts that waited stand in their room already, and that is noted.
    PostsFound,
    /// The room waits for a person, for example to be invited into its successor.
    NotYet(&'static str),
    /// The homeserver does not know a device of ours any more, or knows other keys for it.
    DeviceLost,
    /// What the post is made of is not there any more, or cannot be.
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
