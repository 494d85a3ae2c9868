//! What a person may ask the gateway for in a portal: one row for each command.
//!
//! A new command is a variant, a row here, a sentence in each language (`phrases/*.ftl`) and its
//! effect (`relay/commands/`).

use super::{ChannelKind, Language};

/// What begins a command.
pub const COMMAND_PREFIX: &str = "!";

/// The word that begins a fax where a number stands behind it.
pub const START_FAX: &str = "fax";

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomCommand {
    /// The letter as it came, as a file.
    Original,
    /// Hand the failed or unclear answers over once more.
    Retry,
    /// Let a person read along.
    Admit,
    /// Send that person out again.
    Dismiss,
    /// Confirm the new identity of a member.
    Trust,
    /// A fax number is right: answers may go there.
    Confirm,
    /// A fax that was shown may leave as it was shown.
    SendFax,
    /// Begin a conversation with a KIM address.
    StartKim,
    /// Begin a conversation with a fax number.
    StartFax,
    /// What a fax number is called.
    Name,
    /// Show a letter that KIM does not vouch for.
    Release,
    /// Send the receipt that a letter asks for.
    Receipt,
    /// The letter belongs into another portal.
    Move,
    /// The letter gets a portal of its own.
    Split,
    /// The whole conversation goes on in another portal.
    Join,
    /// Take care of a conversation.
    Take,
    /// Another member takes care of it.
    HandOver,
    /// Nothing is left to do in it.
    Done,
    /// In the tray: what waits. In a portal: something is left to do after all.
    Open,
    /// Which commands there are.
    Help,
}

/// Whose command is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayAsk {
    /// Each member of the room.
    Members,
    /// Those who may speak for the practice.
    Speakers,
    /// Those of them who may let a fax leave and confirm to whom an answer goes.
    Confirmers,
    /// Those of them who may release what is withheld.
    Releasers,
    /// Those of them who may let people in and out, and say whose devices are believed.
    Doorkeepers,
}

/// What follows the word of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// A Matrix user.
    Person,
    /// Words, or none.
    Name,
    /// A portal.
    Room,
    /// A KIM address or a fax number, then a subject.
    Recipient(ChannelKind),
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandRow {
    pub command: RoomCommand,
    /// Its German names; see [`CommandRow::names`].
    german: &'static [&'static str],
    english: &'static [&'static str],
    pub may_ask: MayAsk,
    pub takes: Takes,
    /// The id of the sentence that says what it does, in `phrases/*.ftl`.
    pub help: &'static str,
}

/// All of them, in the order of the help.
pub static COMMANDS: [CommandRow; 20] = [
    CommandRow {
        command: RoomCommand::Original,
        german: &["original"],
        english: &["original"],
        may_ask: MayAsk::Members,
        takes: Takes::Nothing,
        help: "command-original",
    },
    CommandRow {
        command: RoomCommand::Retry,
        german: &["erneut"],
        english: &["retry"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Nothing,
        help: "command-retry",
    },
    CommandRow {
        command: RoomCommand::Admit,
        german: &["einlassen"],
        english: &["admit"],
        may_ask: MayAsk::Doorkeepers,
        takes: Takes::Person,
        help: "command-admit",
    },
    CommandRow {
        command: RoomCommand::Dismiss,
        german: &["ausladen"],
        english: &["dismiss"],
        may_ask: MayAsk::Doorkeepers,
        takes: Takes::Person,
        help: "command-dismiss",
    },
    CommandRow {
        command: RoomCommand::Trust,
        german: &["vertrauen"],
        english: &["trust"],
        may_ask: MayAsk::Doorkeepers,
        takes: Takes::Person,
        help: "command-trust",
    },
    CommandRow {
        command: RoomCommand::Confirm,
        german: &["bestätigen", "bestaetigen"],
        english: &["confirm"],
        may_ask: MayAsk::Confirmers,
        takes: Takes::Nothing,
        help: "command-confirm",
    },
    CommandRow {
        command: RoomCommand::SendFax,
        german: &["faxen"],
        english: &["fax"],
        may_ask: MayAsk::Confirmers,
        takes: Takes::Nothing,
        help: "command-send-fax",
    },
    CommandRow {
        command: RoomCommand::StartKim,
        german: &["kim"],
        english: &["kim"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Recipient(ChannelKind::Kim),
        help: "command-start-kim",
    },
    // Without a number the same word confirms a fax, in English.
    CommandRow {
        command: RoomCommand::StartFax,
        german: &[START_FAX],
        english: &[START_FAX],
        may_ask: MayAsk::Speakers,
        takes: Takes::Recipient(ChannelKind::Fax),
        help: "command-start-fax",
    },
    CommandRow {
        command: RoomCommand::Name,
        german: &["name"],
        english: &["name"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Name,
        help: "command-name",
    },
    CommandRow {
        command: RoomCommand::Release,
        german: &["freigeben"],
        english: &["release"],
        may_ask: MayAsk::Releasers,
        takes: Takes::Nothing,
        help: "command-release",
    },
    CommandRow {
        command: RoomCommand::Receipt,
        german: &["quittung"],
        english: &["receipt"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Nothing,
        help: "command-receipt",
    },
    CommandRow {
        command: RoomCommand::Move,
        german: &["verschieben"],
        english: &["move"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Room,
        help: "command-move",
    },
    CommandRow {
        command: RoomCommand::Split,
        german: &["abtrennen"],
        english: &["split"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Nothing,
        help: "command-split",
    },
    CommandRow {
        command: RoomCommand::Join,
        german: &["verbinden"],
        english: &["join"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Room,
        help: "command-join",
    },
    CommandRow {
        command: RoomCommand::Take,
        german: &["übernehmen", "uebernehmen"],
        english: &["take"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Nothing,
        help: "command-take",
    },
    CommandRow {
        command: RoomCommand::HandOver,
        german: &["übergeben", "uebergeben"],
        english: &["handover"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Person,
        help: "command-hand-over",
    },
    CommandRow {
        command: RoomCommand::Done,
        german: &["erledigt"],
        english: &["done"],
        may_ask: MayAsk::Speakers,
        takes: Takes::Nothing,
        help: "command-done",
    },
    CommandRow {
        command: RoomCommand::Open,
        german: &["offen"],
        english: &["open"],
        // Whoever reads along may read the list; in a portal only speakers open anything.
        may_ask: MayAsk::Members,
        takes: Takes::Nothing,
        help: "command-open",
    },
    CommandRow {
        command: RoomCommand::Help,
        german: &["hilfe"],
        english: &["help"],
        may_ask: MayAsk::Members,
        takes: Takes::Nothing,
        help: "command-help",
    },
];

impl CommandRow {
    /// Whether nothing may be said behind it: words behind it may mean the opposite, and what it does cannot
    /// be taken back, or keeps a letter from the eyes of the team.
    pub fn stands_alone(&self) -> bool {
        matches!(
            self.command,
            RoomCommand::SendFax
                | RoomCommand::Receipt
                | RoomCommand::Release
                | RoomCommand::Confirm
                | RoomCommand::Take
                | RoomCommand::Done
                | RoomCommand::Open
        )
    }

    /// The row whose command has this name in one of the languages; the name in lower case. Of two with one
    /// name it is the first: what stands behind [`START_FAX`] tells which is meant.
    pub fn named(name: &str) -> Option<&'static Self> {
        let mut rows = COMMANDS.iter();
        rows.find(|row| Language::ALL.iter().any(|language| row.names(*language).contains(&name)))
    }

    /// The row of a command.
    pub fn of(command: RoomCommand) -> Option<&'static Self> {
        COMMANDS.iter().find(|row| row.command == command)
    }

    /// Its names in a language, in lower case; the help shows the first.
    pub fn names(&self, language: Language) -> &'static [&'static str] {
        match language {
            Language::German => self.german,
            Language::English => self.english,
        }
    }

    /// The way a person writes it: `!einlassen @name:server`.
    pub fn usage(&self, language: Language) -> String {
        let name = self.names(language).first().copied().unwrap_or_default();
        match self.takes {
            Takes::Nothing => format!("{COMMAND_PREFIX}{name}"),
            Takes::Person => format!("{COMMAND_PREFIX}{name} @name:server"),
            Takes::Name => format!("{COMMAND_PREFIX}{name} Praxis Dr. Muster"),
            Takes::Room => format!("{COMMAND_PREFIX}{name} https://matrix.to/#/!…"),
            Takes::Recipient(kind) => {
                let what = match (kind, language) {
                    (ChannelKind::Kim, Language::German) => "ADRESSE Betreff",
                    (ChannelKind::Kim, Language::English) => "ADDRESS subject",
                    (ChannelKind::Fax, Language::German) => "NUMMER Betreff",
                    (ChannelKind::Fax, Language::English) => "NUMBER subject",
                };
                format!("{COMMAND_PREFIX}{name} {what}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_command_has_names_of_its_own_in_every_language() {
        let mut names = BTreeSet::new();
        for row in &COMMANDS {
            let named = Language::ALL.map(|language| row.names(language));
            assert!(named.iter().all(|names| !names.is_empty()), "{row:?}");
            let own: BTreeSet<&str> = named.into_iter().flatten().copied().collect();
            for name in own {
                if row.command == RoomCommand::StartFax {
                    assert_eq!(CommandRow::named(name).unwrap().command, RoomCommand::SendFax);
                    continue;
                }
                assert!(names.insert(name), "{name} names two commands");
                assert!(name.chars().all(char::is_alphabetic), "{name}");
                assert_eq!(name, name.to_lowercase());
                assert_eq!(CommandRow::named(name).unwrap().command, row.command);
            }
        }
        let commands: Vec<_> = COMMANDS.iter().map(|row| row.command).collect();
        assert!(
            commands.iter().enumerate().all(|(place, one)| {
                commands.iter().position(|other| other == one) == Some(place)
            })
        );
    }
}
