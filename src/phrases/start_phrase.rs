//! What a room is told of conversations that speakers begin.

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::sentences::{Inserted, filled, sentences};
use crate::model::{Language, RoomLink, Substance, WhyNoStart};

sentences! {
    /// A sentence about a conversation that begins, with what it needs to know.
    pub enum StartPhrase {
        /// The room of a channel, once it is there.
        TeamRoom { channel: String, usage: String } = "start-team-room",
        /// Nothing begins, for this reason.
        Refused { why: WhyNoStart } = "start-refused",
        /// One of these channels has to be named.
        WhichChannel { channels: String, command: String } = "start-which-channel",
        /// It has begun, in a room of its own.
        Begun = "start-begun",
        /// There is a room for everything with this correspondent.
        Exists { link: RoomLink } = "start-exists",
        /// The same; it is being made.
        ExistsSoon = "start-exists-soon",
        /// The first words in the room of a KIM address. `confirm`: nothing leaves before that.
        OpenedKim {
            address: String,
            channel: String,
            subject: String,
            listed: DirectorySays,
            confirm: MustConfirm,
        } = "start-opened-kim",
        /// The first words in the room of a fax number; the subject may be empty.
        OpenedFax {
            number: String,
            channel: String,
            subject: String,
        } = "start-opened-fax",
        /// A message waits until its address is confirmed.
        Waits { address: String } = "start-waits",
        Confirmed { member: String } = "start-confirmed",
        ConfirmedBefore = "start-confirmed-before",
        /// The address was not in the room when the command was written.
        NotShownYet = "start-not-shown-yet",
        /// A confirmation was taken back.
        TakenBack = "start-taken-back",
        /// Nothing failed; a message waits for its address to be confirmed.
        RetryWaits = "start-retry-waits",
    }
}

impl StartPhrase {
    /// Whom it goes to and what it is about is somebody's; the rest is the gateway's own word.
    pub fn substance(&self) -> Substance {
        match self {
            Self::TeamRoom { .. }
            | Self::WhichChannel { .. }
            | Self::OpenedKim { .. }
            | Self::OpenedFax { .. }
            | Self::Waits { .. }
            | Self::Confirmed { .. } => Substance::Content,
            _ => Substance::Word,
        }
    }
}

/// What the directory says of an address, as a room is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectorySays {
    /// There is none, or it is away.
    Nothing,
    NotListed,
    /// It has an entry, perhaps with a name that can be shown.
    Listed(Option<String>),
}

impl Inserted for DirectorySays {
    fn inserted(&self, language: Language) -> FluentValue<'static> {
        let said = match self {
            Self::Nothing => DirectorySentence::Nothing,
            Self::NotListed => DirectorySentence::NotListed,
            Self::Listed(None) => DirectorySentence::Listed,
            Self::Listed(Some(name)) => DirectorySentence::Named { name: name.clone() },
        };
        FluentValue::from(super::Phrases::say(language, &super::Phrase::OfDirectory(said)))
    }
}

sentences! {
    /// A sentence about the directory, within another one.
    pub enum DirectorySentence {
        Nothing = "directory-nothing",
        NotListed = "directory-not-listed",
        Listed = "directory-listed",
        Named { name: String } = "directory-named",
    }
}

impl DirectorySentence {
    /// The name of an entry is somebody's.
    pub fn substance(&self) -> Substance {
        match self {
            Self::Named { .. } => Substance::Content,
            Self::Nothing | Self::NotListed | Self::Listed => Substance::Word,
        }
    }
}

/// Whether an address has to be confirmed before anything goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MustConfirm(pub bool);

impl Inserted for MustConfirm {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(if self.0 { "yes" } else { "no" })
    }
}

impl Inserted for WhyNoStart {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

#[cfg(test)]
impl Sample for DirectorySays {
    fn sample() -> Self {
        Self::Listed(Some("Ein Text".to_owned()))
    }
}

#[cfg(test)]
impl Sample for MustConfirm {
    fn sample() -> Self {
        Self(true)
    }
}

#[cfg(test)]
impl Sample for WhyNoStart {
    fn sample() -> Self {
        Self::Missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::phrases::{Phrase, Phrases};

    #[test]
    fn every_reason_has_a_sentence_of_its_own() {
        for language in Language::ALL {
            let say = |why| Phrases::say(language, &Phrase::OfStart(StartPhrase::Refused { why }));
            let said: BTreeSet<String> = WhyNoStart::ALL.into_iter().map(say).collect();
            assert_eq!(said.len(), WhyNoStart::ALL.len(), "{language:?}");
        }
    }
}
