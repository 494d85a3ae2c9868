//! What a room is told of the name that somebody gives to a fax number.

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::sentences::{Inserted, filled, sentences};
use crate::model::{Language, Substance, WhyNoEntry};

sentences! {
    /// A sentence about a name or a number, with what it needs to know.
    pub enum NamePhrase {
        Set { name: String, number: String } = "name-set",
        /// The team's name is undone, and the address book has one.
        FromBook { name: String, number: String } = "name-from-book",
        /// The team's name is undone, and nobody has another one.
        Undone { number: String } = "name-undone",
        /// The name could pass for a number, an address or something else.
        Refused = "name-refused",
        /// The faxes of this room name no number.
        NoNumber = "name-no-number",
        /// The sender dialled it behind the number of the line.
        Subaddress { subaddress: String } = "fax-subaddress",
        /// KIM names its senders itself.
        OnlyFax = "name-only-fax",
    }
}

impl NamePhrase {
    /// A name and a number are somebody's; the rest is the gateway's own word.
    pub fn substance(&self) -> Substance {
        match self {
            Self::Set { .. }
            | Self::FromBook { .. }
            | Self::Undone { .. }
            | Self::Subaddress { .. } => Substance::Content,
            Self::Refused | Self::NoNumber | Self::OnlyFax => Substance::Word,
        }
    }
}

impl Inserted for WhyNoEntry {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

#[cfg(test)]
impl Sample for WhyNoEntry {
    fn sample() -> Self {
        Self::NoNumber
    }
}
