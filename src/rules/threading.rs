//! Which conversation a letter belongs to.
//!
//! Putting a reply into another patient's room is a breach of confidence, so a thread matches only
//! by a Message-ID that this channel has seen from or sent to this very correspondent: whoever
//! calls this loads no others. An empty or unknown header matches nothing, and a subject never
//! does.

use std::collections::HashMap;

use crate::{
    channel::ThreadBy,
    model::{ConversationId, Letter, MessageId},
};

/// Where a letter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into a conversation we know.
    Continue(ConversationId),
    /// Into a new one.
    Open,
    /// Into a new one although it answers something: what it names is unknown here, or belongs to
    /// somebody else. The room gets a hint.
    OpenDespiteClaim,
}

/// Ancestors a letter may name. Longer chains exist only in attacks; the nearest ones decide.
pub const ANCESTORS_MAX: usize = 100;

/// The Message-IDs a letter claims to answer, nearest first.
pub fn ancestors(letter: &Letter) -> Vec<MessageId> {
    let mut nearest_first = Vec::new();
    let chain = letter.in_reply_to.iter().chain(letter.references.iter().rev());
    for id in chain.take(ANCESTORS_MAX) {
        if !nearest_first.contains(id) {
            nearest_first.push(id.clone());
        }
    }
    nearest_first
}

/// Places a letter. `known` and `newest` are bound to its channel and correspondent.
///
/// With [`ThreadBy::Correspondent`] the newest conversation goes on, except for a correspondent
/// nobody can name (`is_nameless`): two of those may be two people, so each gets its own room.
pub fn place(
    thread_by: ThreadBy,
    is_nameless: bool,
    ancestors: &[MessageId],
    known: &HashMap<MessageId, ConversationId>,
    newest: Option<ConversationId>,
) -> Placement {
    if is_nameless {
        return Placement::Open;
    }
    match thread_by {
        ThreadBy::Correspondent => newest.map_or(Placement::Open, Placement::Continue),
        ThreadBy::Thread => {
            let nearest_known = ancestors.iter().find_map(|id| known.get(id));
            match nearest_known {
                Some(conversation) => Placement::Continue(*conversation),
                None if ancestors.is_empty() => Placement::Open,
                None => Placement::OpenDespiteClaim,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Body;

    fn id(text: &str) -> MessageId {
        MessageId::new(text).unwrap()
    }

    fn check(ancestors: &[&str], known: &[(&str, i64)], expected: Placement) {
        let ancestors: Vec<_> = ancestors.iter().map(|text| id(text)).collect();
        let known = known.iter().map(|(text, c)| (id(text), ConversationId(*c))).collect();
        let newest = Some(ConversationId(99));
        assert_eq!(place(ThreadBy::Thread, false, &ancestors, &known, newest), expected);
    }

    #[test]
    fn nearest_known_ancestor_wins() {
        check(&["c", "b", "a"], &[("a", 1), ("b", 2)], Placement::Continue(ConversationId(2)));
    }

    #[test]
    fn no_header_matches_nothing() {
        check(&[], &[("a", 1)], Placement::Open);
    }

    #[test]
    fn an_unknown_thread_opens_a_new_room_with_a_hint() {
        check(&["x"], &[("a", 1)], Placement::OpenDespiteClaim);
        check(&["x"], &[], Placement::OpenDespiteClaim);
    }

    #[test]
    fn a_fax_goes_to_the_room_of_its_number() {
        let none = HashMap::new();
        let newest = Some(ConversationId(7));
        let placed = place(ThreadBy::Correspondent, false, &[], &none, newest);
        assert_eq!(placed, Placement::Continue(ConversationId(7)));
        assert_eq!(place(ThreadBy::Correspondent, false, &[], &none, None), Placement::Open);
    }

    #[test]
    fn faxes_without_a_number_share_no_room() {
        let placed =
            place(ThreadBy::Correspondent, true, &[], &HashMap::new(), Some(ConversationId(7)));
        assert_eq!(placed, Placement::Open);
    }

    #[test]
    fn ancestors_are_read_from_in_reply_to_then_from_the_end_of_references() {
        let letter = Letter {
            from: vec![],
            reply_to: vec![],
            to: vec![],
            cc: vec![],
            subject: String::new(),
            date: None,
            message_id: None,
            in_reply_to: vec![id("c")],
            references: vec![id("a"), id("b"), id("c")],
            body: Body::default(),
            attachments: vec![],
            automatic: false,
            defects: vec![],
        };
        assert_eq!(ancestors(&letter), [id("c"), id("b"), id("a")]);
    }
}
