//! Which command a room message is, if it is one.

use std::collections::BTreeSet;

use super::{
    room_ids::room_id,
    user_ids::{LINK, SCHEME, user_id},
};
use crate::model::{
    COMMAND_PREFIX, ChannelKind, CommandRow, MayAsk, RoomCommand, START_FAX, Takes, Words,
};

/// What a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Known {
        command: &'static CommandRow,
        /// What it takes, if that was given: the id of one person or room, a name, or all that stands behind a
        /// command which takes a recipient.
        argument: Option<String>,
    },
    /// A word that is no command.
    Unknown(String),
}

impl Asked {
    /// Whose command this is obeyed. A message that is no command is answered with the help.
    pub fn may_ask(&self) -> MayAsk {
        match self {
            Self::Known { command, .. } => command.may_ask,
            Self::Unknown(_) => MayAsk::Members,
        }
    }
}

/// `!hilfe`, `!original`, `!erneut` and the others of the table; any other word after the prefix is
/// answered with the help, so that a mistyped command never leaves as a letter. What comes between
/// the prefix and the word, or after the word, is not part of it. Nor is what shows nothing, nor
/// quotation marks around the whole; and a command that is all a message says may stand behind any
/// sign.
pub fn asked(words: &Words) -> Option<Asked> {
    let body: String = words.body.chars().filter(|c| !shows_nothing(*c)).map(narrow).collect();
    let (said, is_first) = match unquoted(body.trim()).strip_prefix(COMMAND_PREFIX) {
        Some(said) => (said, true),
        None => (behind_a_prefix(&body)?, false),
    };
    let rest = said.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
    let (word, behind) = rest.split_at_checked(end)?;
    // "!5 mg" and "!!!" are emphasis.
    if !word.starts_with(char::is_alphabetic) {
        return None;
    }
    let is_direct = is_first && said.starts_with(word);
    let unknown = || is_direct.then(|| Asked::Unknown(word.to_owned()));
    // On a Mac, an umlaut is two characters.
    let name = word.to_lowercase().replace("a\u{308}", "ä").replace("u\u{308}", "ü");
    let Some(row) = row_of(&name, behind) else { return unknown() };
    let html = words.html.as_deref();
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let argument = match row.takes {
        Takes::Nothing => None,
        Takes::Person => only(behind, html, user_id),
        Takes::Room => only(behind, html, room_id),
        Takes::Name => given(behind.trim_start_matches([':', '=']).trim()),
        Takes::Recipient(_) => given(behind.trim_end()),
    };
    // "!Erneut-Vorstellung" is another word.
    let touching =
        behind.split_whitespace().next().filter(|_| !behind.starts_with(char::is_whitespace));
    let is_longer = touching.is_some_and(|touching| touching.contains(char::is_alphanumeric));
    let may_touch = match row.takes {
        Takes::Person | Takes::Room => true,
        Takes::Recipient(_) => behind.starts_with(['@', ':', '=']),
        Takes::Nothing | Takes::Name => behind.starts_with([':', '=']),
    };
    if is_direct && is_longer && !may_touch {
        return unknown();
    }
    // "! Original liegt bei" is emphasis; "! original" with nothing after it was meant as a
    // command.
    let is_named = match row.takes {
        Takes::Person | Takes::Room => argument.is_some(),
        Takes::Recipient(kind) => may_name_recipient(kind, behind),
        Takes::Nothing | Takes::Name => false,
    };
    let is_alone = is_named || !behind.contains(char::is_alphanumeric);
    // "!faxen nicht" is no order to fax.
    if is_direct && !is_polite_at_most(behind) && row.stands_alone() {
        return unknown();
    }
    (is_direct || is_alone).then_some(Asked::Known { command: row, argument })
}

/// How many digits make it likely that a number stands behind a word.
const DIGITS_OF_NUMBER: usize = 6;

/// Whether words may name a recipient, so that a command is meant although a blank stands before its word.
fn may_name_recipient(kind: ChannelKind, behind: &str) -> bool {
    match kind {
        ChannelKind::Kim => behind.contains('@'),
        ChannelKind::Fax => behind.chars().filter(char::is_ascii_digit).count() >= DIGITS_OF_NUMBER,
    }
}

/// The row of a word. Where a number stands behind the one that begins a fax, it begins one.
fn row_of(name: &str, behind: &str) -> Option<&'static CommandRow> {
    let begins = behind.starts_with('@') || behind.contains(char::is_numeric);
    if name == START_FAX && begins {
        return CommandRow::of(RoomCommand::StartFax);
    }
    CommandRow::named(name)
}

/// Whether words say no more than a polite person adds.
fn is_polite_at_most(words: &str) -> bool {
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(str::to_lowercase)
        .all(|word| ["bitte", "danke", "jetzt", "please", "thanks", "now"].contains(&word.as_str()))
}

/// The prefix for the forms of it that East Asian keyboards write.
fn narrow(c: char) -> char {
    if matches!(c, '！' | '﹗' | '︕') { '!' } else { c }
}

/// What quotation marks or backticks stand around, if they do so around the whole: in
/// "„!Achtung“ steht darauf" they do not.
fn unquoted(body: &str) -> &str {
    let is_mark = |c: char| "\"'`´‘’‚‛“”„‟«»‹›「」『』〝〞〟＂＇".contains(c);
    let bare = body.trim_matches(is_mark).trim();
    // No word goes on behind a closing mark, as one does in "d'Or".
    let ends_before =
        bare.split(is_mark).skip(1).any(|behind| !behind.starts_with(char::is_alphanumeric));
    if ends_before { body } else { bare }
}

/// What a message says, if signs stand before it and the prefix among them: `(!erneut)`, `**!erneut**`
/// as clients write bold, or a prefix that a keyboard made a picture of.
fn behind_a_prefix(body: &str) -> Option<&str> {
    let (signs, said) = body.split_at_checked(body.find(char::is_alphanumeric)?)?;
    signs.contains(['!', '❗', '❕', '‼']).then_some(said)
}

/// Characters that a reader sees nothing of, however they came before or into a command: those to be
/// ignored where they have no glyph (Unicode, `Default_Ignorable_Code_Point`), control characters and
/// the empty Braille pattern.
pub(super) fn shows_nothing(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether a character belongs to a word: including the dots of an umlaut that follow its letter.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\u{308}'
}

/// The person or room a command names: an id, or what a client makes of one, which is a link on a name.
/// Two ids count as none: nobody shall be let in, and nothing moved, by mistake.
fn only<I: Ord + ToString>(
    behind: &str,
    html: Option<&str>,
    id: impl Fn(&str) -> Option<I>,
) -> Option<String> {
    let is_around = |c: char| "<>()[],;:.?…=-–\"'„“”".contains(c);
    let named = behind
        .split_whitespace()
        .filter_map(|word| id(word.trim_matches(is_around).trim_end_matches('!')));
    let links = html.iter().flat_map(|html| {
        let begins = [LINK, SCHEME].into_iter().flat_map(|begin| html.match_indices(begin));
        begins.filter_map(|(at, _)| html.get(at..))
    });
    let linked = links.filter_map(|rest| {
        id(rest.split(|c: char| "\"'<>?&".contains(c) || c.is_whitespace()).next()?)
    });
    let all: BTreeSet<I> = named.chain(linked).collect();
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (Some(one), None) => Some(one.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{COMMANDS, RoomCommand};

    fn words(body: &str) -> Words {
        Words { body: body.to_owned(), html: None }
    }

    fn known(command: RoomCommand, person: Option<&str>) -> Option<Asked> {
        let row = COMMANDS.iter().find(|row| row.command == command).unwrap();
        Some(Asked::Known { command: row, argument: person.map(str::to_owned) })
    }

    /// FAX-8: what stands behind it is the name, and nothing is one, too.
    #[test]
    fn fax_8_a_name_is_what_stands_behind_the_command() {
        let named = |name: Option<&str>| {
            let row = COMMANDS.iter().find(|row| row.command == RoomCommand::Name).unwrap();
            Some(Asked::Known { command: row, argument: name.map(str::to_owned) })
        };
        for (said, expected) in [
            ("!name Praxis Dr. Weiß", named(Some("Praxis Dr. Weiß"))),
            ("!Name: Praxis Dr. Weiß ", named(Some("Praxis Dr. Weiß"))),
            ("!name", named(None)),
            ("!name:", named(None)),
            ("! name", named(None)),
            ("!Namensänderung", unknown("Namensänderung")),
            ("!Name-Tausch", unknown("Name")),
            ("! Name des Patienten fehlt", None),
            ("Name: Weiß", None),
        ] {
            assert_eq!(asked(&words(said)), expected, "{said}");
        }
    }

    #[test]
    fn a_command_names_one_room_by_its_id_or_by_a_link() {
        let named = |command: RoomCommand, room: Option<&str>| {
            let row = COMMANDS.iter().find(|row| row.command == command).unwrap();
            let argument = room.map(str::to_owned);
            Some(Asked::Known { command: row, argument })
        };
        let link = "https://matrix.to/#/!raum:x.example?via=x.example";
        let html = format!("!verschieben nach <a href=\"{link}\">Praxis Weiß</a>");
        let pill = Words { body: "!verschieben nach Praxis Weiß".to_owned(), html: Some(html) };
        assert_eq!(asked(&pill), named(RoomCommand::Move, Some("!raum:x.example")));
        for (said, expected) in [
            (format!("!verschieben {link}"), named(RoomCommand::Move, Some("!raum:x.example"))),
            ("!join !raum:x.example!".into(), named(RoomCommand::Join, Some("!raum:x.example"))),
            (
                "!verbinden (!raum:x.example)".into(),
                named(RoomCommand::Join, Some("!raum:x.example")),
            ),
            ("!verbinden !a:x.example !b:x.example".into(), named(RoomCommand::Join, None)),
            ("!verschieben".into(), named(RoomCommand::Move, None)),
            ("!verschieben bitte".into(), named(RoomCommand::Move, None)),
            ("!abtrennen".into(), named(RoomCommand::Split, None)),
            ("Bitte verschieben wir den Termin.".into(), None),
        ] {
            assert_eq!(asked(&words(&said)), expected, "{said}");
        }
    }

    /// TIM-19: what stands behind it is the recipient, and `!fax` without a number confirms a fax as before.
    #[test]
    fn tim_19_a_recipient_is_what_stands_behind_the_command() {
        let start = |command: RoomCommand, said: Option<&str>| {
            let row = CommandRow::of(command).unwrap();
            let argument = said.map(str::to_owned);
            Some(Asked::Known { command: row, argument })
        };
        let (kim, fax) = (RoomCommand::StartKim, RoomCommand::StartFax);
        for (said, expected) in [
            ("!kim a@b.kim.telematik Befund", start(kim, Some(" a@b.kim.telematik Befund"))),
            ("!KIM: a@b Befund ", start(kim, Some(": a@b Befund"))),
            ("!kim@labor a@b Befund", start(kim, Some("@labor a@b Befund"))),
            ("!kim", start(kim, None)),
            ("!kim hat angerufen", start(kim, Some(" hat angerufen"))),
            ("!Kimono", unknown("Kimono")),
            ("!kim-fax", unknown("kim")),
            ("! kim a@b Befund", start(kim, Some(" a@b Befund"))),
            ("! Kim hat angerufen", None),
            ("Kim a@b", None),
            ("!fax 0305550171 Befund", start(fax, Some(" 0305550171 Befund"))),
            ("!Fax: +49305550171", start(fax, Some(": +49305550171"))),
            ("!fax@labor 0305550171", start(fax, Some("@labor 0305550171"))),
            ("! fax 0305550171 Befund", start(fax, Some(" 0305550171 Befund"))),
            ("! Fax 2 Seiten", None),
            ("!fax", known(RoomCommand::SendFax, None)),
            ("!fax bitte", known(RoomCommand::SendFax, None)),
            ("!fax nicht", unknown("fax")),
            ("!faxen", known(RoomCommand::SendFax, None)),
            ("!faxen 0305550171", unknown("faxen")),
        ] {
            assert_eq!(asked(&words(said)), expected, "{said}");
        }
    }

    fn unknown(word: &str) -> Option<Asked> {
        Some(Asked::Unknown(word.to_owned()))
    }

    /// B52: "!Achtung" is no answer that leaves by mistake; its author is told.
    #[test]
    fn commands_begin_with_the_prefix_and_a_word() {
        for (words, expected) in [
            ("!hilfe", known(RoomCommand::Help, None)),
            (" !Original bitte", known(RoomCommand::Original, None)),
            ("!retry", known(RoomCommand::Retry, None)),
            ("!Bestätigen", known(RoomCommand::Confirm, None)),
            ("!quittung", known(RoomCommand::Receipt, None)),
            ("!Receipt, please", known(RoomCommand::Receipt, None)),
            ("!Quittungen", unknown("Quittungen")),
            ("!orginal", unknown("orginal")),
            ("!Achtung Kalium 6,8", unknown("Achtung")),
            ("!!!", None),
            ("! Achtung", None),
            ("! hilfe", known(RoomCommand::Help, None)),
            ("!  Erneut ", known(RoomCommand::Retry, None)),
            ("! einlassen", known(RoomCommand::Admit, None)),
            ("! Hilfe kommt um drei", None),
            ("! Original liegt bei", None),
            ("Bitte !hilfe", None),
            ("!5 mg", None),
            ("!erneut.", known(RoomCommand::Retry, None)),
            ("!erneut!", known(RoomCommand::Retry, None)),
            ("!original?", known(RoomCommand::Original, None)),
            ("!hilfe, bitte", known(RoomCommand::Help, None)),
            ("!bestätigen…", known(RoomCommand::Confirm, None)),
            ("!besta\u{308}tigen", known(RoomCommand::Confirm, None)),
            ("!!erneut", known(RoomCommand::Retry, None)),
            ("!„erneut“", known(RoomCommand::Retry, None)),
            ("! erneut.", known(RoomCommand::Retry, None)),
            ("!einlassen:", known(RoomCommand::Admit, None)),
            ("!ausladen@", known(RoomCommand::Dismiss, None)),
            ("!Erneut-Vorstellung am Montag", unknown("Erneut")),
            ("!HbA1c 6,8", unknown("HbA1c")),
        ] {
            assert_eq!(asked(&self::words(words)), expected, "{words}");
        }
    }

    /// R04, R05: the person a speaker means, as clients write it.
    #[test]
    fn a_command_names_one_person_by_its_id_or_by_a_link() {
        let link = |user: &str, name: &str| format!("<a href=\"{LINK}{user}\">{name}</a>");
        for (body, html, expected) in [
            ("!einlassen @carla:x.example", None, Some("@carla:x.example")),
            ("!einlassen <@carla:x.example>,", None, Some("@carla:x.example")),
            ("!einlassen: @carla:x.example", None, Some("@carla:x.example")),
            ("!einlassen@carla:x.example.", None, Some("@carla:x.example")),
            ("!einlassen,@carla:x.example!", None, Some("@carla:x.example")),
            (
                "!admit Carla",
                Some(format!("!admit {}", link("@carla:x.example", "Carla"))),
                Some("@carla:x.example"),
            ),
            ("!admit Carla", Some(link("%40carla%3Ax.example", "Carla")), Some("@carla:x.example")),
            (
                "!admit @carla:x.example",
                Some(link("@carla:x.example", "C")),
                Some("@carla:x.example"),
            ),
            // TIM-17: as the directory, a card and a client's own links have it.
            ("!einlassen matrix:u/carla:x.example", None, Some("@carla:x.example")),
            ("!einlassen matrix:@carla:x.example.", None, Some("@carla:x.example")),
            ("!einlassen https://matrix.to/#/@carla:x.example", None, Some("@carla:x.example")),
            (
                "!admit Carla",
                Some(
                    "!admit <a href=\"matrix:u/carla:x.example?action=chat\">Carla</a>".to_owned(),
                ),
                Some("@carla:x.example"),
            ),
            (
                "!admit matrix:u/carla:x.example",
                Some("<a href=\"matrix:u/eve:x.example\">matrix:u/carla:x.example</a>".to_owned()),
                None,
            ),
            // What is shown and what is meant differ: another user would come in.
            ("!admit @carla:x.example", Some(link("@eve:x.example", "@carla:x.example")), None),
            ("!einlassen @carla:x.example @eve:x.example", None, None),
            ("!einlassen Carla", None, None),
            ("!einlassen", None, None),
            ("!einlassen !raum:x.example", None, None),
        ] {
            let words = Words { body: body.to_owned(), html };
            assert_eq!(asked(&words), known(RoomCommand::Admit, expected), "{words:?}");
        }
        assert_eq!(asked(&words("!ausladen @c:x")), known(RoomCommand::Dismiss, Some("@c:x")));
        assert_eq!(asked(&words("!vertrauen @c:x")), known(RoomCommand::Trust, Some("@c:x")));
    }

    /// L151: what a person copied together with its quotes, or a keyboard put an unseen or a wide sign
    /// to, does not leave as a letter.
    #[test]
    fn l151_a_command_in_quotes_or_behind_an_unseen_sign_is_no_letter() {
        let unseen = [
            '\u{AD}',
            '\u{61C}',
            '\u{180E}',
            '\u{200B}',
            '\u{200D}',
            '\u{200E}',
            '\u{202A}',
            '\u{2060}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{0}',
            '\u{7F}',
            '\u{E0001}',
        ];
        for c in unseen {
            for body in [
                format!("{c}!original bitte"),
                format!(" {c} {c}!original bitte"),
                format!("!{c}original bitte"),
                format!("!orig{c}inal bitte"),
                format!("!original{c} bitte"),
            ] {
                assert_eq!(asked(&words(&body)), known(RoomCommand::Original, None), "{body:?}");
            }
            let body = format!("{c}!einlassen {c}@carla:x.example{c}");
            let expected = known(RoomCommand::Admit, Some("@carla:x.example"));
            assert_eq!(asked(&words(&body)), expected, "{body:?}");
        }
        for (body, expected) in [
            ("！erneut", known(RoomCommand::Retry, None)),
            ("！original bitte", known(RoomCommand::Original, None)),
            ("！ erneut", known(RoomCommand::Retry, None)),
            ("﹗orginal", unknown("orginal")),
            ("„!erneut“", known(RoomCommand::Retry, None)),
            ("„!erneut“.", known(RoomCommand::Retry, None)),
            ("„!erneut", known(RoomCommand::Retry, None)),
            ("„ !erneut “", known(RoomCommand::Retry, None)),
            ("\"!original\"", known(RoomCommand::Original, None)),
            ("“!original bitte”", known(RoomCommand::Original, None)),
            ("'!original für d'Or'", known(RoomCommand::Original, None)),
            ("»!hilfe«", known(RoomCommand::Help, None)),
            ("`!erneut`", known(RoomCommand::Retry, None)),
            ("```\n!erneut\n```", known(RoomCommand::Retry, None)),
            ("`!einlassen @carla:x`", known(RoomCommand::Admit, Some("@carla:x"))),
            ("„!orginal“", unknown("orginal")),
            ("\u{200B}„！erneut“", known(RoomCommand::Retry, None)),
            ("**!erneut**", known(RoomCommand::Retry, None)),
            ("(!erneut)", known(RoomCommand::Retry, None)),
            ("❗\u{FE0F}erneut", known(RoomCommand::Retry, None)),
            // These are said to the correspondent.
            ("„!Achtung“ steht darauf", None),
            ("\"!Achtung\" steht auf \"Labor\"", None),
            ("'!erneut' half nicht", None),
            ("„Bitte !erneut“", None),
            ("(!) Original liegt bei", None),
            ("❗Achtung Kalium 6,8", None),
            ("❗Original liegt bei", None),
            ("\u{200B}", None),
            ("„“", None),
        ] {
            assert_eq!(asked(&words(body)), expected, "{body:?}");
        }
    }
}
