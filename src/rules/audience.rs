//! Who reads in a portal: the team, our own users, and users a speaker let in. No other user reads,
//! whoever brought it there.

use std::collections::BTreeSet;

/// What is known of a user who is in a portal or invited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The bot or a ghost.
    pub is_ours: bool,
    /// The settings name it in the channel's team.
    pub in_team: bool,
    /// A speaker let it in, or out again, whichever came last.
    pub admitted: Option<Admitted>,
    /// The gateway itself invited it once.
    pub was_invited: bool,
    pub insured: Insured,
}

/// What being an insured person means for a user in a portal (TIM-18).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Insured {
    /// It is none.
    #[default]
    No,
    /// It is the only one there, and a speaker may let it in.
    Alone,
    /// The channel is not for insured persons.
    Barred,
    /// Another one is there: they must not reach each other.
    Second,
}

/// Decides it; `others` are the insured persons beside this user who read in the portal or may do so.
pub fn insured(is_insured: bool, is_permitted: bool, others: usize) -> Insured {
    match (is_insured, is_permitted, others) {
        (false, _, _) => Insured::No,
        (true, false, _) => Insured::Barred,
        (true, true, 0) => Insured::Alone,
        (true, true, _) => Insured::Second,
    }
}

/// What a speaker decided about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    In,
    Out,
    /// Let in as far as a restored database knows; a speaker is asked again.
    Asked,
}

impl Admitted {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Asked => "asked",
        }
    }

    /// The inverse of [`Admitted::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::In, Self::Out, Self::Asked].into_iter().find(|admitted| admitted.word() == word)
    }
}

/// A user's standing in a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Gets the keys.
    Reader,
    /// Was a reader, or was sent out: gets no more keys, and is removed.
    Former,
    /// Gets no keys, and the room is told: only people can know why it is there.
    Stranger,
}

/// Decides the standing of a user who is present. The settings are stronger than what a speaker
/// said: nobody can send out a member of the team, or let in an insured person who must not be there.
pub fn standing(facts: Facts) -> Standing {
    match facts {
        Facts { is_ours: true, .. } => Standing::Reader,
        Facts { insured: Insured::Barred | Insured::Second, .. } => Standing::Stranger,
        Facts { in_team: true, .. } => Standing::Reader,
        Facts { admitted: Some(Admitted::In), .. } => Standing::Reader,
        // Only people know whether it still belongs here: it reads nothing, and is not removed.
        Facts { admitted: Some(Admitted::Asked), .. } => Standing::Stranger,
        Facts { admitted: Some(Admitted::Out), .. } | Facts { was_invited: true, .. } => {
            Standing::Former
        }
        Facts { admitted: None, was_invited: false, .. } => Standing::Stranger,
    }
}

/// The keys that are expected of members, and of members with other keys: whom to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    pub pinned: &'a str,
    pub seen: &'a str,
}

impl Identity<'_> {
    /// Whether it differs from the one that was seen first or confirmed.
    pub fn is_changed(&self) -> bool {
        self.pinned != self.seen
    }
}

/// Users who are named twice, once.
pub fn wanted<'a>(team: &'a [String], admitted: &'a [String]) -> BTreeSet<&'a str> {
    team.iter().chain(admitted).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R05: the whole table.
    #[test]
    fn only_the_team_ours_and_whom_a_speaker_let_in_read() {
        for bits in 0..8 {
            for admitted in [None, Some(Admitted::In), Some(Admitted::Out), Some(Admitted::Asked)] {
                let facts = Facts {
                    is_ours: bits & 1 != 0,
                    in_team: bits & 2 != 0,
                    was_invited: bits & 4 != 0,
                    admitted,
                    insured: Insured::No,
                };
                let reads = facts.is_ours || facts.in_team || admitted == Some(Admitted::In);
                assert_eq!(standing(facts) == Standing::Reader, reads, "{facts:?}");
                // The gateway itself removes only users who have been readers.
                let has_been = admitted == Some(Admitted::Out)
                    || facts.was_invited && admitted != Some(Admitted::Asked);
                assert_eq!(standing(facts) == Standing::Former, !reads && has_been, "{facts:?}");
            }
        }
    }

    #[test]
    fn tim_18_no_two_insured_persons_are_in_one_portal() {
        for (is_insured, is_permitted, others, expected) in [
            (false, false, 0, Insured::No),
            (false, true, 2, Insured::No),
            (true, false, 0, Insured::Barred),
            (true, false, 1, Insured::Barred),
            (true, true, 0, Insured::Alone),
            (true, true, 1, Insured::Second),
            (true, true, 2, Insured::Second),
        ] {
            let given = (is_insured, is_permitted, others);
            assert_eq!(insured(is_insured, is_permitted, others), expected, "{given:?}");
        }
    }

    #[test]
    fn tim_18_an_insured_person_reads_only_alone_and_let_in() {
        for insured in [Insured::Alone, Insured::Barred, Insured::Second] {
            for admitted in [None, Some(Admitted::In), Some(Admitted::Out), Some(Admitted::Asked)] {
                for bits in 0..4 {
                    let (in_team, was_invited) = (bits & 1 != 0, bits & 2 != 0);
                    let facts = Facts { is_ours: false, in_team, admitted, was_invited, insured };
                    let expected = match insured {
                        Insured::Barred | Insured::Second => Standing::Stranger,
                        Insured::Alone | Insured::No => {
                            standing(Facts { insured: Insured::No, ..facts })
                        }
                    };
                    assert_eq!(standing(facts), expected, "{facts:?}");
                }
            }
        }
        // A ghost is none of theirs, whatever the name of its server.
        let facts = Facts { is_ours: true, insured: Insured::Barred, ..Facts::default() };
        assert_eq!(standing(facts), Standing::Reader);
    }

    #[test]
    fn words_in_the_database_lead_back() {
        for admitted in [Admitted::In, Admitted::Out, Admitted::Asked] {
            assert_eq!(Admitted::from_word(admitted.word()), Some(admitted));
        }
        assert_eq!(Admitted::from_word("IN"), None);
    }
}
