//! What an answer answers: subject and ancestors of a dispatch.

use crate::model::{Letter, MessageId};

/// Ids named in References. RFC 5322 sets no bound; servers cut long headers, and the first (the
/// root) and the last few are what readers thread by.
const REFERENCES_MAX: usize = 20;

/// Reply prefixes that mail readers put before a subject, in lower case: Re (any), AW (German), SV,
/// Antw.
const REPLY_PREFIXES: [&str; 4] = ["re:", "aw:", "sv:", "antw:"];

/// The subject of a conversation that began without one.
const NO_SUBJECT: &str = "Ihre Nachricht";

/// What a dispatch says about where it belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    pub subject: String,
    pub in_reply_to: Option<MessageId>,
    /// Oldest first.
    pub references: Vec<MessageId>,
}

/// Answers `letter` as RFC 5322 §3.6.4 asks: its id is named, after its own ancestors.
pub fn to(letter: &Letter) -> Answers {
    let in_reply_to = letter.message_id.clone();
    // If it answers several, none of them is the one before it; and in old forms of the field the
    // sender's address is among them.
    let parents = match (letter.references.as_slice(), letter.in_reply_to.as_slice()) {
        ([], [only]) => std::slice::from_ref(only),
        (references, _) => references,
    };
    let mut references = parents.to_vec();
    references.extend(in_reply_to.clone());
    if references.len() > REFERENCES_MAX {
        let surplus = references.len() - REFERENCES_MAX;
        references.drain(1..=surplus);
    }
    Answers { subject: reply_subject(&letter.subject), in_reply_to, references }
}

/// `Re: ` before a subject that has no reply prefix yet.
fn reply_subject(subject: &str) -> String {
    let subject = subject.trim();
    let lower = subject.to_lowercase();
    if subject.is_empty() {
        format!("Re: {NO_SUBJECT}")
    } else if REPLY_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        subject.to_owned()
    } else {
        format!("Re: {subject}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: &str, id: Option<&str>, references: &[&str]) -> Letter {
        let message_id = |text: &str| MessageId::new(text).unwrap();
        Letter {
            subject: subject.to_owned(),
            message_id: id.map(message_id),
            references: references.iter().map(|text| message_id(text)).collect(),
            ..Letter::default()
        }
    }

    #[test]
    fn an_answer_names_the_letter_behind_its_ancestors() {
        let answers = to(&letter("Befund", Some("c"), &["a", "b"]));
        assert_eq!(answers.subject, "Re: Befund");
        assert_eq!(answers.in_reply_to, MessageId::new("c").ok());
        let references: Vec<_> = answers.references.iter().map(MessageId::as_str).collect();
        assert_eq!(references, ["a", "b", "c"]);
    }

    /// B76: the second letter of a thread names the first in In-Reply-To alone.
    #[test]
    fn b76_a_letter_without_references_is_answered_behind_the_one_it_answers() {
        let references = |in_reply_to: &[&str], references: &[&str]| {
            let ids = |texts: &[&str]| texts.iter().map(|t| MessageId::new(t).unwrap()).collect();
            let second = Letter { in_reply_to: ids(in_reply_to), ..letter("x", Some("c"), &[]) };
            let answers = to(&Letter { references: ids(references), ..second });
            answers.references.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(references(&["a"], &[]), ["a", "c"]);
        assert_eq!(references(&["b"], &["a", "b"]), ["a", "b", "c"]);
        assert_eq!(references(&["erik@x.example", "a"], &[]), ["c"]);
        assert_eq!(references(&[], &[]), ["c"]);
    }

    #[test]
    fn a_subject_gets_one_prefix() {
        for (subject, expected) in
            [("AW: Befund", "AW: Befund"), ("re: x", "re: x"), ("", "Re: Ihre Nachricht")]
        {
            assert_eq!(to(&letter(subject, None, &[])).subject, expected);
        }
    }

    #[test]
    fn a_long_chain_keeps_its_root_and_its_end() {
        let ids: Vec<String> = (0..50).map(|n| format!("m{n}")).collect();
        let chain: Vec<&str> = ids.iter().map(String::as_str).collect();
        let references = to(&letter("x", Some("last"), &chain)).references;
        assert_eq!(references.len(), REFERENCES_MAX);
        assert_eq!(references.first().unwrap().as_str(), "m0");
        assert_eq!(references.last().unwrap().as_str(), "last");
    }
}
