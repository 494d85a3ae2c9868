//! What people are told when a letter or a conversation is put into another room.

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::sentences::{Inserted, filled, sentences};
use crate::model::{Language, RoomLink};

sentences! {
    /// A sentence about a letter or conversation that goes on in another room. None holds anything of a letter.
    pub enum MovePhrase {
        /// The letter is in another room of the same correspondent.
        Moved { link: RoomLink } = "move-moved",
        /// The same, told there.
        MovedHere { link: RoomLink } = "move-moved-here",
        /// The letter gets a room of its own.
        Split = "move-split",
        /// The same, told there.
        SplitFrom { link: RoomLink } = "move-split-from",
        /// The conversation goes on in another room.
        Joined { link: RoomLink } = "move-joined",
        /// The same, told there.
        JoinedHere { link: RoomLink } = "move-joined-here",
        /// An answer to a letter that is in another room by now.
        AnswerThere { link: RoomLink } = "move-answer-there",
        /// The command is no answer to a letter.
        WhichLetter = "move-which-letter",
        /// Not all of the letter is in its room.
        NotYet = "move-not-yet",
        /// The letter is not in this room any more.
        Gone = "move-gone",
        /// No room was named, or none of this channel.
        WhichRoom = "move-which-room",
        OtherCorrespondent = "move-other-correspondent",
        /// It is this room.
        SameRoom = "move-same-room",
        /// One room for each correspondent: a letter cannot have its own.
        OneRoomEach = "move-one-room-each",
        /// One of the two goes on in the other one already.
        JoinedBefore = "move-joined-before",
    }
}

impl Inserted for RoomLink {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.as_str().to_owned())
    }
}

#[cfg(test)]
impl Sample for RoomLink {
    fn sample() -> Self {
        Self::to(ruma::room_id!("!raum:x.example"), ruma::server_name!("x.example"))
    }
}
