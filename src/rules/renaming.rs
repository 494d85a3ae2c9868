//! Channels that have another name in the settings than in the database: their mailbox is the same.
//!
//! A mailbox that changes hands may also mean something else. Where settings can be read in two ways
//! nothing is renamed: letters of one practice must not come into the rooms of another.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ChannelKind, ChannelName};

/// A channel of the settings.
#[derive(Debug, Clone)]
pub struct Configured {
    pub name: ChannelName,
    pub kind: ChannelKind,
    /// The name of the channel that last read this mailbox.
    pub known_as: Option<String>,
}

/// What the database knows of channels: by name, the kind of their conversations, if there are some.
pub type KnownChannels = BTreeMap<String, Option<ChannelKind>>;

/// A channel that the database knows by another name than the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    pub from: String,
    pub to: ChannelName,
}

/// Why channels do not go on under the names of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    #[error(
        "the channel {to} of the settings reads the mailbox of the channel {from}, and the database \
         knows another channel {to}; nothing was changed. Give the channel of the settings its old \
         name {from}, or a name that was never used"
    )]
    Taken { from: String, to: ChannelName },
    #[error(
        "the channel {to} of the settings reads the mailbox of the channel {from}, and the settings \
         have a channel {from} with another mailbox as well; nothing was changed. If {to} is what \
         {from} was, give the other one a name that was never used. If {to} is new, take it out of \
         the settings, start until {from} has looked into its own mailbox, and put it back"
    )]
    StillThere { from: String, to: ChannelName },
    #[error(
        "the channels {first} and {second} of the settings both read mailboxes of the channel {from}; \
         nothing was changed. Take the new one out of the settings, start once, and put it back"
    )]
    OneSource { from: String, first: ChannelName, second: ChannelName },
    #[error(
        "the channels {} of the settings have changed their mailboxes, or their names, in a circle; \
         nothing was changed. If the mailboxes were mixed up, correct them. If the names are to \
         change, give one channel a name that was never used, start once, and then the others theirs",
        list(names)
    )]
    Circle { names: Vec<ChannelName> },
    #[error(
        "the channel {to} of the settings is of kind {now:?}, and what the database knows of it, as \
         {from}, is of kind {before:?}; nothing was changed. Give it its old kind back; for the other \
         kind make a new channel, with a name that was never used and its own mailbox"
    )]
    OtherKind { from: String, to: ChannelName, before: &'static str, now: &'static str },
}

fn list(names: &[ChannelName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Which channels go on under another name.
pub fn renamings(
    configured: &[Configured],
    known: &KnownChannels,
) -> Result<Vec<Renaming>, Unclear> {
    let mut renamings: Vec<Renaming> = Vec::new();
    for channel in configured {
        let Some(from) = channel.known_as.as_ref().filter(|from| *from != channel.name.as_str())
        else {
            continue;
        };
        // A channel that has another mailbox by now, and its own name, stays what it is.
        let goes_on = configured
            .iter()
            .any(|other| other.name.as_str() == from && other.known_as.as_ref() == Some(from));
        if goes_on {
            continue;
        }
        if let Some(other) = renamings.iter().find(|other| other.from == *from) {
            let (first, second) = (other.to.clone(), channel.name.clone());
            return Err(Unclear::OneSource { from: from.clone(), first, second });
        }
        renamings.push(Renaming { from: from.clone(), to: channel.name.clone() });
    }
    for renaming in &renamings {
        is_clear(renaming, &renamings, configured, known)?;
    }
    for channel in configured {
        keeps_its_kind(channel, &renamings, known)?;
    }
    Ok(renamings)
}

fn is_clear(
    renaming: &Renaming,
    renamings: &[Renaming],
    configured: &[Configured],
    known: &KnownChannels,
) -> Result<(), Unclear> {
    let Renaming { from, to } = renaming.clone();
    if let Some(names) = circle(renaming, renamings) {
        return Err(Unclear::Circle { names });
    }
    let is_named = configured.iter().any(|channel| channel.name.as_str() == from);
    if is_named && renamings.iter().all(|other| other.to.as_str() != from) {
        return Err(Unclear::StillThere { from, to });
    }
    if known.contains_key(to.as_str()) && renamings.iter().all(|other| other.from != to.as_str()) {
        return Err(Unclear::Taken { from, to });
    }
    Ok(())
}

/// The channels whose names go round in a circle.
fn circle(begin: &Renaming, renamings: &[Renaming]) -> Option<Vec<ChannelName>> {
    let mut names = BTreeSet::from([begin.to.clone()]);
    let mut last = begin;
    while last.to.as_str() != begin.from {
        last = renamings.iter().find(|next| next.from == last.to.as_str())?;
        if !names.insert(last.to.clone()) {
            return None;
        }
    }
    Some(names.into_iter().collect())
}

/// What is known of a correspondent depends on the kind of its channel.
fn keeps_its_kind(
    channel: &Configured,
    renamings: &[Renaming],
    known: &KnownChannels,
) -> Result<(), Unclear> {
    let renamed = renamings.iter().find(|renaming| renaming.to == channel.name);
    let from = renamed.map_or(channel.name.as_str(), |renaming| renaming.from.as_str());
    match known.get(from) {
        Some(Some(before)) if *before != channel.kind => Err(Unclear::OtherKind {
            from: from.to_owned(),
            to: channel.name.clone(),
            before: before.word(),
            now: channel.kind.word(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    /// Channels as the settings have them, each with the channel that last read its mailbox.
    fn judged(
        configured: &[(&str, Option<&str>)],
        known: &[&str],
    ) -> Result<Vec<Renaming>, Unclear> {
        let configured: Vec<Configured> = configured
            .iter()
            .map(|(own, known_as)| Configured {
                name: name(own),
                kind: ChannelKind::Kim,
                known_as: known_as.map(str::to_owned),
            })
            .collect();
        let known = known.iter().map(|known| ((*known).to_owned(), Some(ChannelKind::Kim)));
        renamings(&configured, &known.collect())
    }

    fn renamed(pairs: &[(&str, &str)]) -> Vec<Renaming> {
        pairs.iter().map(|(from, to)| Renaming { from: (*from).to_owned(), to: name(to) }).collect()
    }

    /// `F4`.
    #[test]
    fn f4_only_what_can_be_read_in_one_way_is_renamed() {
        assert_eq!(judged(&[("b", Some("a"))], &["a"]), Ok(renamed(&[("a", "b")])));
        assert_eq!(judged(&[("a", Some("a")), ("b", None)], &["a"]), Ok(Vec::new()));
        // Another mailbox, and the one it left is read by a new channel.
        assert_eq!(judged(&[("a", Some("a")), ("b", Some("a"))], &["a"]), Ok(Vec::new()));
        // Another provider.
        assert_eq!(judged(&[("a", None)], &["a"]), Ok(Vec::new()));
        // A chain.
        let chain = judged(&[("b", Some("a")), ("c", Some("b"))], &["a", "b"]);
        assert_eq!(chain, Ok(renamed(&[("a", "b"), ("b", "c")])));

        let is_still_there = judged(&[("a", None), ("b", Some("a"))], &["a"]);
        assert!(matches!(is_still_there, Err(Unclear::StillThere { .. })), "{is_still_there:?}");
        let two = judged(&[("b", Some("a")), ("c", Some("a"))], &["a"]);
        assert!(matches!(two, Err(Unclear::OneSource { .. })), "{two:?}");
        let taken = judged(&[("b", Some("a"))], &["a", "b"]);
        assert!(matches!(taken, Err(Unclear::Taken { .. })), "{taken:?}");
        for circle in [
            &[("a", Some("b")), ("b", Some("a"))][..],
            &[("a", Some("b")), ("b", Some("c")), ("c", Some("a"))],
        ] {
            let judged = judged(circle, &["a", "b", "c"]);
            assert!(matches!(judged, Err(Unclear::Circle { .. })), "{judged:?}");
        }
    }

    /// `F4`: under its own name, too.
    #[test]
    fn f4_a_channel_keeps_its_kind() {
        for (own, known_as) in [("a", Some("a")), ("b", Some("a")), ("a", None)] {
            let known_as = known_as.map(str::to_owned);
            let configured = [Configured { name: name(own), kind: ChannelKind::Fax, known_as }];
            let known = KnownChannels::from([("a".to_owned(), Some(ChannelKind::Kim))]);
            let judged = renamings(&configured, &known);
            assert!(matches!(judged, Err(Unclear::OtherKind { .. })), "{judged:?}");
            // Where there are no letters yet, nothing depends on it.
            let known = KnownChannels::from([("a".to_owned(), None)]);
            assert!(renamings(&configured, &known).is_ok());
        }
    }

    proptest! {
        /// Whatever the settings say: no two channels become one, none becomes two, and no channel
        /// loses its rooms to one that the settings have beside it.
        #[test]
        fn f4_no_choice_of_names_mixes_channels(
            known_as in prop::collection::vec(prop::option::of(0..4_usize), 1..5),
        ) {
            let names = ["a", "b", "c", "d"];
            let configured: Vec<(&str, Option<&str>)> = names
                .iter()
                .zip(&known_as)
                .map(|(own, known_as)| (*own, known_as.and_then(|place| names.get(place).copied())))
                .collect();
            if let Ok(renamings) = judged(&configured, &["a", "b"]) {
                let from: BTreeSet<_> = renamings.iter().map(|one| one.from.clone()).collect();
                let to: BTreeSet<_> = renamings.iter().map(|one| one.to.clone()).collect();
                prop_assert_eq!((from.len(), to.len()), (renamings.len(), renamings.len()));
                for Renaming { from, to } in &renamings {
                    let is_free = !["a", "b"].contains(&to.as_str());
                    prop_assert!(is_free || renamings.iter().any(|one| one.from == to.as_str()));
                    let is_named = configured.iter().any(|(own, _)| own == from);
                    prop_assert!(!is_named || renamings.iter().any(|one| one.to.as_str() == from));
                }
            }
        }
    }
}
