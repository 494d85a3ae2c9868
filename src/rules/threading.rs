//! Which conversation a letter belongs to.
//!
//! Putting a reply into another patient's room is a breach of confidence. So a thread matches only
//! by a Message-ID that this channel has seen from or sent to this very correspondent, and that
//! leads to one conversation: the caller loads no others. An empty or unknown header matches
//! nothing, and a subject never does.

use std::collections::HashMap;

use crate::{
    channel::ThreadBy,
    model::{ConversationId, Defect, Letter, MessageId, Seen},
};

/// Where a letter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into a conversation we know.
    Continue(ConversationId),
    /// Into a new one.
    Open,
    /// Into a new one although it answers something: what it names is unknown here, leads to more
    /// than one conversation, or belongs to another correspondent. The room gets a hint.
    OpenDespiteClaim,
}

impl Placement {
    /// The conversation it goes into; nothing for a new one.
    pub fn conversation(self) -> Option<ConversationId> {
        match self {
            Self::Continue(conversation) => Some(conversation),
            Self::Open | Self::OpenDespiteClaim => None,
        }
    }
}

/// Ancestors a letter may name. Longer chains exist only in attacks; the nearest ones decide.
pub const ANCESTORS_MAX: usize = 100;

/// What a letter claims to answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestors {
    /// What it answers itself: In-Reply-To, and the last of its References, which is the same in a
    /// well-formed letter.
    parents: Vec<MessageId>,
    /// The rest of the References, nearest first.
    older: Vec<MessageId>,
    /// It claims more than could be read.
    is_garbled: bool,
}

impl Ancestors {
    pub fn of(letter: &Letter) -> Self {
        let mut found = Self {
            is_garbled: letter.defects.contains(&Defect::AncestorsUnreadable),
            ..Self::default()
        };
        let mut references = letter.references.iter().rev();
        for id in letter.in_reply_to.iter().chain(references.next()) {
            if found.len() < ANCESTORS_MAX && !found.parents.contains(id) {
                found.parents.push(id.clone());
            }
        }
        for id in references {
            if found.len() < ANCESTORS_MAX && !found.ids().any(|known| known == id) {
                found.older.push(id.clone());
            }
        }
        found
    }

    /// All of them, nearest first, each once.
    pub fn ids(&self) -> impl Iterator<Item = &MessageId> {
        self.parents.iter().chain(&self.older)
    }

    fn len(&self) -> usize {
        self.parents.len() + self.older.len()
    }
}

/// What is known when a letter is placed.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Two letters of this correspondent may be from two people.
    pub is_nameless: bool,
    /// The letter's own Message-ID.
    pub own: Option<&'a MessageId>,
    /// Where its ancestors were seen, bound to its channel and correspondent.
    pub seen: &'a HashMap<MessageId, Seen>,
    /// Where letters of the correspondent answered this one before it came, if only there.
    pub answered_in: Option<ConversationId>,
    /// The newest conversation with the correspondent on this channel.
    pub newest: Option<ConversationId>,
}

/// Places a letter.
///
/// With [`ThreadBy::Thread`] the nearest known ancestor decides. The sender of a letter chooses its
/// id, and some systems give one id to several letters, so an ambiguous ancestor opens a new room.
/// Nothing is looked for behind it, since the whole chain is the same sender's. The same happens to
/// a letter whose parents contradict each other, or that names itself. A letter whose ancestors are
/// unknown goes where the letters are that answer it and came before it: mails overtake each other.
///
/// With [`ThreadBy::Correspondent`] the newest conversation goes on, except for mails without a clear
/// sender: two of those may be from two people, so each letter gets its own room.
pub fn place(thread_by: ThreadBy, ancestors: &Ancestors, known: Known<'_>) -> Placement {
    let claims = ancestors.len() > 0 || ancestors.is_garbled;
    let open = if claims { Placement::OpenDespiteClaim } else { Placement::Open };
    if known.is_nameless {
        return open;
    }
    if thread_by == ThreadBy::Correspondent {
        return known.newest.map_or(Placement::Open, Placement::Continue);
    }
    let seen = |id: &MessageId| {
        let is_itself = known.own == Some(id);
        if is_itself { Some(Seen::Ambiguous) } else { known.seen.get(id).copied() }
    };
    let mut parents = ancestors.parents.iter().filter_map(seen);
    let nearest = match parents.next() {
        Some(first) if parents.all(|other| other == first) => Some(first),
        Some(_) => Some(Seen::Ambiguous),
        None => ancestors.older.iter().find_map(seen),
    };
    match nearest {
        Some(Seen::In(conversation)) => Placement::Continue(conversation),
        Some(Seen::Ambiguous) => open,
        None => known.answered_in.map_or(open, Placement::Continue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MessageId {
        MessageId::new(text).unwrap()
    }

    fn ids(texts: &[&str]) -> Vec<MessageId> {
        texts.iter().map(|text| id(text)).collect()
    }

    fn letter(own: &str, in_reply_to: &[&str], references: &[&str]) -> Letter {
        Letter {
            message_id: Some(id(own)),
            in_reply_to: ids(in_reply_to),
            references: ids(references),
            ..Letter::default()
        }
    }

    /// `known`: a negative number stands for an ambiguous id.
    fn placed(letter: &Letter, thread_by: ThreadBy, known: &[(&str, i64)]) -> Placement {
        let seen = known
            .iter()
            .map(|(text, number)| {
                let seen = match number {
                    0.. => Seen::In(ConversationId(*number)),
                    _ => Seen::Ambiguous,
                };
                (id(text), seen)
            })
            .collect();
        let known = Known {
            is_nameless: false,
            own: letter.message_id.as_ref(),
            seen: &seen,
            answered_in: None,
            newest: Some(ConversationId(99)),
        };
        place(thread_by, &Ancestors::of(letter), known)
    }

    fn check(
        in_reply_to: &[&str],
        references: &[&str],
        known: &[(&str, i64)],
        expected: Placement,
    ) {
        let letter = letter("own", in_reply_to, references);
        assert_eq!(placed(&letter, ThreadBy::Thread, known), expected);
    }

    const ONE: Placement = Placement::Continue(ConversationId(1));
    const TWO: Placement = Placement::Continue(ConversationId(2));
    const NEW: Placement = Placement::OpenDespiteClaim;

    #[test]
    fn nearest_known_ancestor_wins() {
        check(&["c"], &["a", "b", "c"], &[("a", 1), ("b", 2)], TWO);
        check(&[], &["a", "b"], &[("a", 1), ("b", 2)], TWO);
        check(&["b"], &[], &[("a", 1), ("b", 2)], TWO);
    }

    #[test]
    fn no_header_matches_nothing() {
        check(&[], &[], &[("a", 1)], Placement::Open);
    }

    #[test]
    fn an_unknown_thread_opens_a_new_room_with_a_hint() {
        check(&["x"], &[], &[("a", 1)], NEW);
        check(&["x"], &[], &[], NEW);
    }

    /// B77: a mail server on our answer's way gave it another id, and the reply names that one.
    #[test]
    fn b77_an_answer_to_an_id_we_never_gave_is_led_by_the_ids_behind_it() {
        check(&["new@server"], &["a", "new@server"], &[("a", 1), ("ours", 1)], ONE);
        check(&["new@server"], &["a", "ours", "new@server"], &[("a", 1), ("ours", 2)], TWO);
        // Some programs name nothing but the letter they answer.
        check(&["new@server"], &["new@server"], &[("a", 1), ("ours", 1)], NEW);
    }

    #[test]
    fn r08_an_ambiguous_id_leads_nowhere_and_nothing_behind_it_counts() {
        check(&["a"], &[], &[("a", -1)], NEW);
        check(&["b"], &["a", "b"], &[("a", 1), ("b", -1)], NEW);
        check(&[], &["a", "b", "x"], &[("a", 1), ("b", -1)], NEW);
        // A nearer one that is not ambiguous is enough.
        check(&["b"], &["a", "b"], &[("a", -1), ("b", 2)], TWO);
    }

    #[test]
    fn r08_parents_that_contradict_each_other_lead_nowhere() {
        check(&["a", "b"], &[], &[("a", 1), ("b", 2)], NEW);
        check(&["a"], &["b"], &[("a", 1), ("b", 2)], NEW);
        check(&["a"], &["b"], &[("a", 1), ("b", -1)], NEW);
        check(&["a", "b"], &[], &[("a", 1), ("b", 1)], ONE);
        check(&["a", "x"], &["a"], &[("a", 1)], ONE);
    }

    #[test]
    fn r08_a_letter_is_not_its_own_ancestor() {
        check(&["own"], &[], &[("own", 1)], NEW);
        check(&["own"], &["a", "own"], &[("a", 1), ("own", 1)], NEW);
    }

    #[test]
    fn b22_a_claim_that_cannot_be_read_is_still_a_claim() {
        let mut garbled = letter("own", &[], &[]);
        garbled.defects = vec![Defect::AncestorsUnreadable];
        assert_eq!(placed(&garbled, ThreadBy::Thread, &[]), NEW);
    }

    /// An answer overtook the letter that it answers.
    #[test]
    fn a_letter_goes_to_the_answer_that_came_before_it() {
        let seen = HashMap::from([
            (id("elsewhere"), Seen::In(ConversationId(2))),
            (id("many"), Seen::Ambiguous),
        ]);
        let known = Known {
            is_nameless: false,
            own: None,
            seen: &seen,
            answered_in: Some(ConversationId(1)),
            newest: None,
        };
        let placed = |in_reply_to: &[&str]| {
            let letter = letter("own", in_reply_to, &[]);
            place(ThreadBy::Thread, &Ancestors::of(&letter), known)
        };
        assert_eq!(placed(&[]), ONE);
        assert_eq!(placed(&["unknown"]), ONE);
        assert_eq!(placed(&["elsewhere"]), TWO, "what it answers itself goes before");
        assert_eq!(placed(&["many"]), NEW);
    }

    #[test]
    fn a_fax_goes_to_the_room_of_its_number() {
        let fax = letter("own", &[], &[]);
        let newest = Placement::Continue(ConversationId(99));
        assert_eq!(placed(&fax, ThreadBy::Correspondent, &[]), newest);
        let seen = HashMap::new();
        let known =
            Known { is_nameless: false, own: None, seen: &seen, answered_in: None, newest: None };
        let first = place(ThreadBy::Correspondent, &Ancestors::default(), known);
        assert_eq!(first, Placement::Open);
    }

    #[test]
    fn letters_without_a_sender_share_no_room() {
        let seen = HashMap::from([(id("a"), Seen::In(ConversationId(1)))]);
        let newest = Some(ConversationId(7));
        let known =
            Known { is_nameless: true, own: None, seen: &seen, answered_in: newest, newest };
        let placed = |letter: &Letter| place(ThreadBy::Thread, &Ancestors::of(letter), known);
        assert_eq!(placed(&letter("own", &[], &[])), Placement::Open);
        assert_eq!(placed(&letter("own", &["a"], &[])), NEW);
    }

    #[test]
    fn ancestors_are_read_from_in_reply_to_then_from_the_end_of_references() {
        let ancestors = Ancestors::of(&letter("own", &["c"], &["a", "b", "c"]));
        assert_eq!(ancestors.ids().cloned().collect::<Vec<_>>(), ids(&["c", "b", "a"]));
        let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let ancestors = Ancestors::of(&letter("own", &["c"], &many));
        assert_eq!(ancestors.ids().count(), ANCESTORS_MAX);
    }
}
