//! What an admin is told of a value of the settings that a type does not take.

use super::AdminPhrase;
use crate::model::{AddressError, ChannelNameError};

impl From<AddressError> for AdminPhrase {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NoSingleAt => Self::NoSingleAt,
            AddressError::TooLong => Self::AddressTooLong,
            AddressError::Character => Self::AddressCharacter,
            AddressError::NotE164 => Self::NotAFaxNumber,
        }
    }
}

impl From<ChannelNameError> for AdminPhrase {
    fn from(_: ChannelNameError) -> Self {
        Self::NotAChannelName
    }
}
