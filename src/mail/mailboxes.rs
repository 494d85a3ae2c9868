//! Lists of addresses (RFC 5322 §3.4), counted before they are checked.
//!
//! The author of a letter decides where an answer goes. So an address that we do not accept still
//! counts as named: a letter of two senders must not become a letter of the one we can read.

use super::{
    text::{NAME_CHARS_MAX, one_line},
    words,
};
use crate::model::{MailAddress, NamedAddress};

/// The content of a list.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    pub(super) read: Vec<NamedAddress>,
    /// Entries that name somebody in an unreadable form.
    pub(super) unreadable: usize,
    /// An encoded word in a name is broken.
    pub(super) broken: bool,
}

/// One entry of a list, while it is read.
#[derive(Debug, Default)]
struct ListEntry {
    /// As written, without comments: an address without brackets.
    bare: String,
    /// The same without quotes: a name.
    phrase: String,
    angle: Option<String>,
    comment: String,
    /// Brackets or quotes that do not match, words after the address.
    is_odd: bool,
}

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    List,
    Angle,
    Quotes,
    /// A domain in brackets: `[127.0.0.1]`.
    Literal,
    Comment(u32),
}

impl Mailboxes {
    /// Reads an unfolded value.
    pub(super) fn read(line: &str) -> Self {
        let mut list = Self::default();
        let mut entry = ListEntry::default();
        // Names without an address: the remains of an unquoted comma as in `Muster, Erik <e@x>`.
        let mut fragments: Vec<String> = Vec::new();
        let mut within = Within::List;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            if within == Within::List
                && let Some(after) = words::skip(rest)
            {
                // A comma within an encoded word does not separate entries.
                let word = rest.get(..rest.len() - after.len()).unwrap_or_default();
                entry.word(word);
                rest = after;
                continue;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            let escaped = if c == '\\' { rest.chars().next() } else { None };
            if let Some(escaped) = escaped {
                rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
            }
            within = match (within, c) {
                (Within::List, ',' | ';') => {
                    list.add(std::mem::take(&mut entry), &mut fragments);
                    Within::List
                }
                // The name of a group.
                (Within::List, ':') if entry.angle.is_none() && !entry.bare.contains('@') => {
                    entry = ListEntry::default();
                    Within::List
                }
                (within, c) => entry.take(within, c, escaped),
            };
        }
        // An unclosed comment may hide who else is named.
        entry.is_odd |= within != Within::List;
        list.add(entry, &mut fragments);
        list.unreadable += fragments.len();
        list
    }

    fn add(&mut self, entry: ListEntry, fragments: &mut Vec<String>) {
        let bare = entry.bare.trim();
        if bare.is_empty() && entry.angle.is_none() && !entry.is_odd {
            return;
        }
        let (address, name) = match &entry.angle {
            Some(angle) => {
                fragments.push(entry.phrase.trim().to_owned());
                (angle.trim(), std::mem::take(fragments).join(", "))
            }
            None if !bare.contains('@') && !entry.is_odd => {
                fragments.push(entry.phrase.trim().to_owned());
                return;
            }
            None => (bare, String::new()),
        };
        self.unreadable += fragments.drain(..).count();
        match MailAddress::new(address) {
            Ok(address) if !entry.is_odd => {
                let name = if name.is_empty() { entry.comment } else { name };
                let (name, broken) = words::decoded(&name);
                self.broken |= broken;
                let (name, _) = one_line(&name, NAME_CHARS_MAX);
                self.read.push(NamedAddress {
                    name: Some(name).filter(|name| !name.is_empty()),
                    address,
                });
            }
            _ => self.unreadable += 1,
        }
    }
}

impl ListEntry {
    fn word(&mut self, word: &str) {
        self.is_odd |= self.angle.is_some();
        self.bare.push_str(word);
        self.phrase.push_str(word);
    }

    /// Takes the next character, and says where the reader is after it. `escaped`: the character
    /// after it, if it is a backslash.
    fn take(&mut self, within: Within, c: char, escaped: Option<char>) -> Within {
        match (within, c) {
            (Within::Comment(depth), '(') => {
                self.comment.push('(');
                Within::Comment(depth + 1)
            }
            (Within::Comment(0), ')') => Within::List,
            (Within::Comment(depth), ')') => {
                self.comment.push(')');
                Within::Comment(depth - 1)
            }
            (Within::Comment(depth), c) => {
                self.comment.push(escaped.unwrap_or(c));
                Within::Comment(depth)
            }
            (Within::Quotes, '"') => {
                self.bare.push('"');
                Within::List
            }
            (Within::Quotes, c) => {
                self.bare.push(escaped.unwrap_or(c));
                self.phrase.push(escaped.unwrap_or(c));
                Within::Quotes
            }
            (Within::Literal, ']') => {
                self.bare.push(']');
                Within::List
            }
            (Within::Literal, c) => {
                self.bare.push(c);
                Within::Literal
            }
            (Within::Angle, '>') => Within::List,
            (Within::Angle, c) => {
                // Comments and quotes in here make an address that we do not accept.
                let angle = self.angle.get_or_insert_default();
                angle.push(c);
                angle.extend(escaped);
                Within::Angle
            }
            (Within::List, c) => self.take_outside(c, escaped),
        }
    }

    /// Takes the next character of the entry itself.
    fn take_outside(&mut self, c: char, escaped: Option<char>) -> Within {
        match c {
            '"' => {
                self.is_odd |= self.angle.is_some();
                self.bare.push('"');
                Within::Quotes
            }
            '(' => {
                if !self.comment.is_empty() {
                    self.comment.push(' ');
                }
                // Between two halves of an address it stays what it is: odd.
                self.bare.push(' ');
                self.phrase.push(' ');
                Within::Comment(0)
            }
            '<' => {
                self.is_odd |= self.angle.is_some();
                self.angle = Some(String::new());
                Within::Angle
            }
            '[' => {
                self.bare.push('[');
                Within::Literal
            }
            c => {
                self.is_odd |= !c.is_whitespace() && self.angle.is_some();
                self.bare.push(escaped.unwrap_or(c));
                self.phrase.push(escaped.unwrap_or(c));
                Within::List
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Name <address>` of each that is read, and how many are not.
    fn check(line: &str, expected: &[&str], unreadable: usize) {
        let list = Mailboxes::read(line);
        let read: Vec<String> = list
            .read
            .iter()
            .map(|mailbox| match &mailbox.name {
                Some(name) => format!("{name} <{}>", mailbox.address.as_str()),
                None => mailbox.address.as_str().to_owned(),
            })
            .collect();
        assert_eq!(
            (read, list.unreadable),
            (expected.iter().map(|e| (*e).to_owned()).collect(), unreadable),
            "{line}"
        );
    }

    #[test]
    fn addresses_are_read_with_their_names() {
        check("a@x.de", &["a@x.de"], 0);
        check(" Erik Muster <a@X.de> ", &["Erik Muster <a@x.de>"], 0);
        check("\"Muster, Erik\" <a@x.de>", &["Muster, Erik <a@x.de>"], 0);
        check("\"Erik \\\"E\\\" M\" <a@x.de>", &["Erik \"E\" M <a@x.de>"], 0);
        check("a@x.de (Praxis (alt))", &["Praxis (alt) <a@x.de>"], 0);
        check("(Praxis) a@x.de", &["Praxis <a@x.de>"], 0);
        check("a@x.de, , B <b@y.de>,", &["a@x.de", "B <b@y.de>"], 0);
        check("=?utf-8?Q?J=C3?= =?utf-8?Q?=B6rg?= <a@x.de>", &["Jörg <a@x.de>"], 0);
        check("\"=?utf-8?Q?J=C3=B6rg?=\" <a@x.de>", &["Jörg <a@x.de>"], 0);
        check("=?utf-8?Q?Muster,_Erik?= <a@x.de>", &["Muster, Erik <a@x.de>"], 0);
        check("Praxen: a@x.de, b@y.de; c@z.de", &["a@x.de", "b@y.de", "c@z.de"], 0);
        check("undisclosed-recipients:;", &[], 0);
        check("", &[], 0);
        // Many address books write it like this.
        check("Muster, Erik <a@x.de>", &["Muster, Erik <a@x.de>"], 0);
        check("b@y.de <a@x.de>", &["b@y.de <a@x.de>"], 0);
    }

    /// R15: unreadable entries are counted.
    #[test]
    fn r15_who_is_named_in_another_form_is_still_named() {
        check("\"x y\"@boese.de, klinik@echt.de", &["klinik@echt.de"], 1);
        check("mü@boese.de, klinik@echt.de", &["klinik@echt.de"], 1);
        check("klinik@echt.de, x@[127.0.0.1]", &["klinik@echt.de"], 1);
        check("klinik@echt.de, <>", &["klinik@echt.de"], 1);
        check("klinik@echt.de, <@a.de:x@boese.de>", &["klinik@echt.de"], 1);
        check("klinik@echt.de, postmaster", &["klinik@echt.de"], 1);
        check("postmaster, klinik@echt.de", &["klinik@echt.de"], 1);
        check("klinik@echt.de x@boese.de", &[], 1);
        check("K <klinik@echt.de> <x@boese.de>", &[], 1);
        check("K <klinik@echt.de> x@boese.de", &[], 1);
        check("K <klinik@echt.de", &[], 1);
        check("klinik@echt.de (, x@boese.de", &[], 1);
        check("\"K <klinik@echt.de>", &[], 1);
        check("klinik(x)@echt.de", &[], 1);
        check("klinik@echt.de(.boese.de)", &[".boese.de <klinik@echt.de>"], 0);
        check("A: \"x y\"@boese.de, klinik@echt.de;", &["klinik@echt.de"], 1);
        check("=?utf-8?Q?x=40boese.de?=, klinik@echt.de", &["klinik@echt.de"], 1);
    }
}
