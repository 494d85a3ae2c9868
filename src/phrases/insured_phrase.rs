//! What a room is told of insured persons (TIM-18).

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::{
    sentences::{Inserted, filled, sentences},
    values::one_line,
};
use crate::model::Language;

/// The user id of an insured person. It may contain the insurance number: only its own room sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsuredUser(pub String);

sentences! {
    /// A sentence about an account at a health insurer's server.
    pub enum InsuredPhrase {
        /// It is in the room, and the channel is not for insured persons.
        Present { member: InsuredUser } = "insured-present",
        /// It is in the room, and so is another one.
        PresentBesideAnother { member: InsuredUser } = "insured-present-beside-another",
        NotAdmitted { member: InsuredUser } = "insured-not-admitted",
        NotASecond { member: InsuredUser } = "insured-not-a-second",
    }
}

impl Inserted for InsuredUser {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(one_line(&self.0))
    }
}

#[cfg(test)]
impl Sample for InsuredUser {
    fn sample() -> Self {
        Self("@x110000001:kasse.example".to_owned())
    }
}
