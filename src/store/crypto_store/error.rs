//! What may go wrong with the keys of a device.

use matrix_sdk_crypto::CryptoStoreError;

use crate::store::seal::Unsealable;

/// The store could not do it. Nothing was half done.
#[derive(Debug, thiserror::Error)]
pub enum DeviceStoreError {
    #[error("the database did not answer as expected")]
    Database(#[from] sqlx::Error),
    #[error("a stored key does not open")]
    Sealed(#[from] Unsealable),
    #[error("a stored key belongs to another row; somebody altered the database")]
    Misplaced,
    #[error("a stored key is not of the form it was saved in")]
    Form(#[from] serde_json::Error),
    #[error("a stored key cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the device has no account yet")]
    NoAccount,
}

impl DeviceStoreError {
    pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unreadable(Box::new(error))
    }

    /// Whether what is stored is damaged, and not only out of reach.
    pub(super) fn is_damage(&self) -> bool {
        !matches!(self, Self::Database(_))
    }

    /// Whether the library met damage. Nothing can be done with such a device any more.
    pub fn is_damage_behind(error: &CryptoStoreError) -> bool {
        match error {
            CryptoStoreError::AccountUnset => true,
            CryptoStoreError::Backend(cause) => {
                cause.downcast_ref::<Self>().is_some_and(Self::is_damage)
            }
            _ => false,
        }
    }
}

impl From<DeviceStoreError> for CryptoStoreError {
    fn from(error: DeviceStoreError) -> Self {
        match error {
            DeviceStoreError::NoAccount => Self::AccountUnset,
            other => Self::backend(other),
        }
    }
}

/// What is damaged counts as missing: a key is asked for again, a session begun again, another
/// user's device unknown. So one damaged row costs what it held, and nothing else.
pub(super) fn unless_damaged<T>(
    table: &'static str,
    read: Result<T, DeviceStoreError>,
) -> Result<Option<T>, DeviceStoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_damage() => {
            tracing::error!(table, error = %error, "A stored key is damaged; it counts as missing");
            metrics::counter!("umstieg_damaged_total", "table" => table).increment(1);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
