//! Who of a channel's speakers may do what more than answer, and what two persons have to do.

use crate::model::MayAsk;

use super::Channel;

/// What the settings say of it. A list that they do not have is that of all speakers. Without `Debug`: it
/// names people.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rights {
    pub confirmers: Option<Vec<String>>,
    pub releasers: Option<Vec<String>>,
    pub doorkeepers: Option<Vec<String>>,
    /// A fax that was shown leaves when another person than its author confirms it.
    pub two_for_fax: bool,
    /// A withheld letter is released by two persons.
    pub two_for_release: bool,
}

/// What one user may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entitled {
    pub may_speak: bool,
    pub may_confirm: bool,
    pub may_release: bool,
    pub may_admit: bool,
}

impl Entitled {
    /// Whether a command that is obeyed for these is obeyed for the user.
    pub fn may(self, whose: MayAsk) -> bool {
        match whose {
            MayAsk::Members => true,
            MayAsk::Speakers => self.may_speak,
            MayAsk::Confirmers => self.may_confirm,
            MayAsk::Releasers => self.may_release,
            MayAsk::Doorkeepers => self.may_admit,
        }
    }
}

impl Channel {
    /// The users for whom a command is obeyed; `None`: each member of a room.
    pub fn those_who(&self, may: MayAsk) -> Option<&[String]> {
        let rights = &self.rights;
        let own = match may {
            MayAsk::Members => return None,
            MayAsk::Speakers => &None,
            MayAsk::Confirmers => &rights.confirmers,
            MayAsk::Releasers => &rights.releasers,
            MayAsk::Doorkeepers => &rights.doorkeepers,
        };
        Some(own.as_ref().unwrap_or(&self.speakers))
    }

    /// What a user may ask for. Only speakers may more than read.
    pub fn entitled(&self, user_id: &str) -> Entitled {
        let may_speak = self.lets_speak(user_id);
        let is_among = |whose| {
            let own = self.those_who(whose).unwrap_or_default();
            may_speak && own.iter().any(|user| user == user_id)
        };
        Entitled {
            may_speak,
            may_confirm: is_among(MayAsk::Confirmers),
            may_release: is_among(MayAsk::Releasers),
            may_admit: is_among(MayAsk::Doorkeepers),
        }
    }
}
