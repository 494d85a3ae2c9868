//! What people are told when something is for others, or for two of them.

use fluent_bundle::FluentArgs;

#[cfg(test)]
use super::sentences::Sample;
use super::sentences::{Inserted, filled, sentences};
use crate::model::{Language, Substance};

sentences! {
    /// A sentence about who may do something.
    pub enum RightsPhrase {
        /// The channel obeys the command for these members.
        OnlyThese { members: String } = "rights-only-these",
        /// A fax is confirmed by another person than its author.
        AnotherForFax = "rights-another-for-fax",
        /// The first of two persons wants a letter released.
        ReleaseAsked { member: String } = "rights-release-asked",
    }
}

impl RightsPhrase {
    /// Members are named.
    pub fn substance(&self) -> Substance {
        match self {
            Self::OnlyThese { .. } | Self::ReleaseAsked { .. } => Substance::Content,
            Self::AnotherForFax => Substance::Word,
        }
    }
}
