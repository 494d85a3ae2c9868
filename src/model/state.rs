//! How far things got: states as types, and what each may become.
//!
//! Postgres stores the words. An unknown word is damage, and a step from a state that does not
//! allow it is refused: the store guards each `update … set state` with the words before.

/// A thing is not in a state from which this step may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a thing that is {from} does not become {to}")]
pub struct WrongState {
    pub from: &'static str,
    pub to: &'static str,
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$state_doc:meta])* $state:ident = $word:literal => [$($next:ident),* $(,)?],)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$state_doc])* $state,)+
        }

        impl $name {
            /// Every state, in the order of a life.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$state),+];

            /// The word for it in SQL, metrics and logs.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$state => $word,)+
                }
            }

            /// The inverse of `word`; every other word is damage.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|state| state.word() == word)
            }

            /// What it may become.
            pub fn next(self) -> &'static [Self] {
                match self {
                    $(Self::$state => &[$(Self::$next),*],)+
                }
            }

            /// Takes a step, if it is one.
            pub fn to(self, next: Self) -> Result<Self, WrongState> {
                if self.next().contains(&next) {
                    Ok(next)
                } else {
                    Err(WrongState { from: self.word(), to: next.word() })
                }
            }

            /// The words of the states from which it may come: what guards an update to it.
            pub fn before(self) -> Vec<String> {
                let may_become_it = |state: &Self| state.next().contains(&self);
                Self::ALL.iter().filter(|s| may_become_it(s)).map(|s| s.word().to_owned()).collect()
            }

            /// All words, for finding rows that have another.
            pub fn words() -> Vec<String> {
                Self::ALL.iter().map(|state| state.word().to_owned()).collect()
            }
        }
    };
}

states! {
    /// How far a letter got.
    LetterState {
        /// Saved; nothing is decided yet.
        Stored = "stored" => [Placed, Posted, Duplicate, Parked],
        /// Its conversation is known, and its posts wait.
        Placed = "placed" => [Posted, Dropped],
        /// All of it is in the room.
        Posted = "posted" => [],
        /// The same mail had come before.
        Duplicate = "duplicate" => [],
        /// A person has to look.
        Parked = "parked" => [Stored, Dropped],
        /// A person settled it elsewhere.
        Dropped = "dropped" => [],
    }
}

states! {
    /// How far a post got.
    PostState {
        Pending = "pending" => [Sent, Parked, Dropped],
        /// The homeserver has it. It may say so when that is no longer expected.
        Sent = "sent" => [],
        /// A person has to look.
        Parked = "parked" => [Pending, Sent, Dropped],
        /// A person gave it up.
        Dropped = "dropped" => [Sent],
        /// It waits until a speaker releases its letter.
        Held = "held" => [Pending, Sent],
    }
}

states! {
    /// The state of a dispatch, as Postgres stores it and the room shows it.
    DeliveryState {
        /// Room messages are still being gathered into it.
        Collecting = "collecting" => [Waiting, Failed, Withdrawn],
        /// Complete, and waiting for its (next) attempt. A report may say that an earlier attempt
        /// reached the other side.
        Waiting = "waiting" => [HandingOver, Delivered, Read, Discarded, Failed, Withdrawn],
        /// An attempt is under way; nothing of the body has left yet.
        HandingOver = "handing_over" => [
            SendingBody, Waiting, Previewed, Delivered, Read, Discarded, Failed, Withdrawn,
        ],
        /// A fax that was shown to its room as it would leave, and waits until a person confirms it.
        /// It leaves by no time that passes. A report may speak of an earlier attempt.
        Previewed = "previewed" => [Waiting, Delivered, Read, Discarded, Failed, Withdrawn],
        /// An attempt is under way and the body may have left: after a crash here only the server
        /// knows.
        SendingBody = "sending_body" => [Accepted, Waiting, Failed, Unclear],
        /// The channel took it over. Not yet delivered.
        Accepted = "accepted" => [
            Delayed, Relayed, Delivered, Read, Discarded, Undelivered, Contradicted,
        ],
        /// Reported: a server on the way could not pass it on yet, and goes on trying.
        Delayed = "delayed" => [Relayed, Delivered, Read, Discarded, Undelivered, Contradicted],
        /// Reported: it was passed on to where no more reports come from.
        Relayed = "relayed" => [Delivered, Read, Discarded, Undelivered, Contradicted],
        /// Reported: it lies in the recipient's mailbox.
        Delivered = "delivered" => [Read, Discarded, Contradicted],
        /// Reported: it was shown to the recipient.
        Read = "read" => [],
        /// Reported: the recipient's side deleted it and nobody read it.
        Discarded = "discarded" => [Read],
        /// Reported: the channel took it, and it did not arrive.
        Undelivered = "undelivered" => [Waiting, Contradicted],
        /// One report says that it arrived, and another one that it did not; a person decides.
        Contradicted = "contradicted" => [Waiting],
        /// The channel refused it for good, or the attempts are used up.
        Failed = "failed" => [Waiting, Withdrawn, Contradicted],
        /// It is not known whether the channel took it: a person decides, or a report.
        Unclear = "unclear" => [
            Waiting, Withdrawn, Delayed, Relayed, Delivered, Read, Discarded, Undelivered, Contradicted,
        ],
        /// Withdrawn by its author before it left.
        Withdrawn = "withdrawn" => [],
    }
}

impl DeliveryState {
    /// Whether a report says so, and not the channel's own answer.
    pub fn is_reported(self) -> bool {
        match self {
            Self::Delayed
            | Self::Relayed
            | Self::Delivered
            | Self::Read
            | Self::Discarded
            | Self::Undelivered
            | Self::Contradicted => true,
            Self::Collecting
            | Self::Waiting
            | Self::HandingOver
            | Self::Previewed
            | Self::SendingBody
            | Self::Accepted
            | Self::Failed
            | Self::Unclear
            | Self::Withdrawn => false,
        }
    }

    /// Whether its channel took it over, and nothing bad was heard of it since.
    pub fn was_taken(self) -> bool {
        matches!(
            self,
            Self::Accepted
                | Self::Delayed
                | Self::Relayed
                | Self::Delivered
                | Self::Read
                | Self::Discarded
        )
    }

    /// Whether nothing of it can have reached the other side.
    pub fn surely_stayed_here(self) -> bool {
        matches!(
            self,
            Self::Collecting
                | Self::Waiting
                | Self::HandingOver
                | Self::Previewed
                | Self::Failed
                | Self::Withdrawn
        )
    }

    /// Whether no attempt is to come or under way. For a fax that waits to be confirmed, none is.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Collecting | Self::Waiting | Self::HandingOver | Self::SendingBody)
    }

    /// The words of all settled states.
    pub fn settled_words() -> Vec<String> {
        Self::words_of(Self::is_settled)
    }

    /// The words of the states of which this holds.
    pub fn words_of(holds: impl Fn(Self) -> bool) -> Vec<String> {
        let those = Self::ALL.into_iter().filter(|state| holds(*state));
        those.map(|state| state.word().to_owned()).collect()
    }

    /// Whether it stays as it is until a person has looked, who may have it tried again.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Failed | Self::Unclear | Self::Undelivered | Self::Contradicted)
    }
}

states! {
    /// The fate of something that was parked.
    ParkedState {
        /// It waits for a person.
        Waiting = "waiting" => [Retried, Dropped, Settled],
        /// A person had it tried once more.
        Retried = "retried" => [],
        /// A person gave it up.
        Dropped = "dropped" => [],
        /// It turned out to be where it should be.
        Settled = "settled" => [],
    }
}

states! {
    /// How far the team is with what a conversation asks of it.
    MatterState {
        /// A letter waits, and no member takes care of it.
        Open = "open" => [Taken, Answered, Done],
        /// A member takes care of it.
        Taken = "taken" => [Open, Answered, Done],
        /// An answer left, and no letter came since.
        Answered = "answered" => [Open, Taken, Done],
        /// Nothing is left to do, a member says.
        Done = "done" => [Open, Taken],
    }
}

impl MatterState {
    /// Whether the team has something to do.
    pub fn waits(self) -> bool {
        match self {
            Self::Open | Self::Taken => true,
            Self::Answered | Self::Done => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines<const N: usize>(all: [(&str, Vec<&str>); N]) -> String {
        all.map(|(from, to)| format!("{from}: {}", to.join(" "))).join("\n")
    }

    /// All transitions, to be read by a person.
    #[test]
    fn every_transition_stands_here() {
        let letters =
            LetterState::ALL.map(|s| (s.word(), s.next().iter().map(|n| n.word()).collect()));
        assert_eq!(
            lines(letters),
            "stored: placed posted duplicate parked\nplaced: posted dropped\nposted: \n\
             duplicate: \nparked: stored dropped\ndropped: "
        );
        let posts = PostState::ALL.map(|s| (s.word(), s.next().iter().map(|n| n.word()).collect()));
        assert_eq!(
            lines(posts),
            "pending: sent parked dropped\nsent: \nparked: pending sent dropped\ndropped: sent\n\
             held: pending sent"
        );
        let dispatches =
            DeliveryState::ALL.map(|s| (s.word(), s.next().iter().map(|n| n.word()).collect()));
        assert_eq!(
            lines(dispatches),
            "collecting: waiting failed withdrawn\n\
             waiting: handing_over delivered read discarded failed withdrawn\n\
             handing_over: sending_body waiting previewed delivered read discarded failed \
             withdrawn\n\
             previewed: waiting delivered read discarded failed withdrawn\n\
             sending_body: accepted waiting failed unclear\n\
             accepted: delayed relayed delivered read discarded undelivered contradicted\n\
             delayed: relayed delivered read discarded undelivered contradicted\n\
             relayed: delivered read discarded undelivered contradicted\n\
             delivered: read discarded contradicted\nread: \ndiscarded: read\n\
             undelivered: waiting contradicted\ncontradicted: waiting\n\
             failed: waiting withdrawn contradicted\n\
             unclear: waiting withdrawn delayed relayed delivered read discarded undelivered \
             contradicted\n\
             withdrawn: "
        );
        let parked =
            ParkedState::ALL.map(|s| (s.word(), s.next().iter().map(|n| n.word()).collect()));
        assert_eq!(
            lines(parked),
            "waiting: retried dropped settled\nretried: \ndropped: \nsettled: "
        );
        let matters =
            MatterState::ALL.map(|s| (s.word(), s.next().iter().map(|n| n.word()).collect()));
        assert_eq!(
            lines(matters),
            "open: taken answered done\ntaken: open answered done\nanswered: open taken done\n\
             done: open taken"
        );
    }

    proptest! {
        /// Whatever steps are tried: a settled dispatch stays what it is, nothing is called accepted
        /// whose body did not begin to leave, and a refused step changes nothing.
        #[test]
        fn no_walk_calls_something_accepted_that_did_not_leave(
            steps in prop::collection::vec(prop::sample::select(DeliveryState::ALL.to_vec()), 0..40),
        ) {
            let mut state = DeliveryState::Collecting;
            let mut before = state;
            for next in steps {
                match state.to(next) {
                    Ok(taken) => {
                        prop_assert_eq!(taken, next);
                        prop_assert!(state != DeliveryState::Withdrawn);
                        let goes_out_again = !state.is_reported() || state.needs_a_person();
                        prop_assert!(taken != DeliveryState::Waiting || goes_out_again);
                        (before, state) = (state, taken);
                    }
                    Err(refused) => prop_assert_eq!(refused, WrongState { from: state.word(), to: next.word() }),
                }
                if matches!(state, DeliveryState::Accepted | DeliveryState::Unclear) {
                    prop_assert_eq!(before, DeliveryState::SendingBody);
                }
            }
        }

        #[test]
        fn other_words_are_no_states(word in "[a-z_]{0,12}|[A-Z]\\PC{0,8}") {
            let is_known = |words: Vec<String>| words.contains(&word);
            prop_assert_eq!(LetterState::from_word(&word).is_some(), is_known(LetterState::words()));
            prop_assert_eq!(PostState::from_word(&word).is_some(), is_known(PostState::words()));
            prop_assert_eq!(DeliveryState::from_word(&word).is_some(), is_known(DeliveryState::words()));
            prop_assert_eq!(ParkedState::from_word(&word).is_some(), is_known(ParkedState::words()));
        }
    }

    #[test]
    fn the_words_before_are_those_that_may_become_it() {
        for to in DeliveryState::ALL {
            for from in DeliveryState::ALL {
                let guards = to.before().iter().any(|word| word == from.word());
                assert_eq!(guards, from.to(to).is_ok(), "{} {}", from.word(), to.word());
            }
        }
        assert_eq!(DeliveryState::Accepted.before(), ["sending_body"]);
    }

    /// KIM-29: no report leads back to where nothing was known, nor from read to anything.
    #[test]
    fn kim_29_no_report_moves_a_state_backwards() {
        let order = |state| match state {
            DeliveryState::Delayed => 1,
            DeliveryState::Relayed => 2,
            DeliveryState::Delivered => 3,
            DeliveryState::Discarded => 4,
            DeliveryState::Read => 5,
            _ => 0,
        };
        for from in DeliveryState::ALL {
            for to in from.next().iter().filter(|to| order(**to) > 0) {
                assert!(order(*to) > order(from), "{} {}", from.word(), to.word());
            }
        }
    }
}
