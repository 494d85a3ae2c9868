//! What rooms are told of who takes care of a conversation, and trays of what waits.

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::{
    CameAt, FOR_ROOMS,
    sentences::{Inserted, Sentence, SentenceLines, filled, sentences},
    text_or_errors,
    values::one_line,
};
use crate::model::{Language, Substance, TrayNews};

/// The longest name in a line, in characters: a list of many names stays one event.
const WHO_MAX: usize = 100;

/// What a correspondent is called in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatterWho(pub String);

impl Inserted for MatterWho {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        let line = one_line(&self.0);
        FluentValue::from(match line.char_indices().nth(WHO_MAX) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
            None => line,
        })
    }
}

impl Inserted for TrayNews {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

sentences! {
    /// A sentence about what a conversation asks of its team. `link`: to its portal.
    pub enum MatterPhrase {
        /// A line of a list of what waits.
        LineOpen { who: MatterWho, at: CameAt, link: String } = "matter-line-open",
        /// `holder`: who takes care of it.
        LineTaken {
            who: MatterWho,
            at: CameAt,
            holder: MatterWho,
            link: String,
        } = "matter-line-taken",
        /// A letter opened a conversation, or opened it again.
        News { news: TrayNews, who: MatterWho, at: CameAt, link: String } = "matter-news",
        /// The oldest that waits, and how much more there is.
        List { lines: SentenceLines<MatterPhrase>, more: u64 } = "matter-list",
        ListEmpty = "matter-list-empty",
        /// What has waited for long.
        Remind { lines: SentenceLines<MatterPhrase>, more: u64 } = "matter-remind",
        Taken { member: String } = "matter-taken",
        HandedOver { member: String, to: String } = "matter-handed-over",
        Done { member: String } = "matter-done",
        Opened { member: String } = "matter-opened",
        /// It waits already.
        IsOpen = "matter-is-open",
        IsDone = "matter-is-done",
        /// In a tray the command answers the line it is about.
        WhichOne = "matter-which-one",
        NotOfTeam { member: String } = "matter-not-of-team",
    }
}

impl Sentence for MatterPhrase {
    fn say(&self, language: Language) -> String {
        let (id, args) = self.id_and_args(language);
        text_or_errors(&FOR_ROOMS, language, id, &args).0
    }
}

impl MatterPhrase {
    /// A line names a correspondent; who takes care is named where the gateway's own word would do.
    pub(super) fn substance(&self) -> Substance {
        match self {
            Self::LineOpen { .. }
            | Self::LineTaken { .. }
            | Self::News { .. }
            | Self::List { .. }
            | Self::Remind { .. }
            | Self::Taken { .. }
            | Self::HandedOver { .. }
            | Self::Done { .. }
            | Self::Opened { .. }
            | Self::NotOfTeam { .. } => Substance::Content,
            Self::ListEmpty | Self::IsOpen | Self::IsDone | Self::WhichOne => Substance::Word,
        }
    }

    /// A list of these lines.
    pub fn list(lines: Vec<MatterPhrase>, more: u64) -> Self {
        if lines.is_empty() {
            return Self::ListEmpty;
        }
        Self::List { lines: SentenceLines(lines), more }
    }

    /// A reminder of these.
    pub fn remind(lines: Vec<MatterPhrase>, more: u64) -> Self {
        Self::Remind { lines: SentenceLines(lines), more }
    }
}

#[cfg(test)]
impl Sample for MatterWho {
    fn sample() -> Self {
        Self("Ein Text".to_owned())
    }
}

#[cfg(test)]
impl Sample for TrayNews {
    fn sample() -> Self {
        Self::New
    }
}

#[cfg(test)]
impl Sample for MatterPhrase {
    fn sample() -> Self {
        Self::LineTaken {
            who: Sample::sample(),
            at: Sample::sample(),
            holder: Sample::sample(),
            link: Sample::sample(),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::phrases::{Phrase, Phrases};

    const LINK: &str = "https://matrix.to/#/!r:x";

    fn line(who: &str, holder: Option<&str>) -> MatterPhrase {
        let at = CameAt(datetime!(2026-11-25 12:05 UTC));
        let (who, link) = (MatterWho(who.to_owned()), LINK.to_owned());
        match holder {
            None => MatterPhrase::LineOpen { who, at, link },
            Some(holder) => {
                MatterPhrase::LineTaken { who, at, holder: MatterWho(holder.to_owned()), link }
            }
        }
    }

    fn say(phrase: MatterPhrase) -> String {
        Phrases::say(Language::German, &Phrase::OfMatter(phrase))
    }

    #[test]
    fn a_list_shows_who_when_and_who_has_it() {
        assert_eq!(
            say(MatterPhrase::list(vec![line("Labor", None), line("Praxis", Some("@anna:x"))], 1)),
            "Das wartet, das Älteste zuerst:\n\
             • Labor, 25.11.2026, 13:05 Uhr: https://matrix.to/#/!r:x\n\
             • Praxis, 25.11.2026, 13:05 Uhr, bei @anna:x: https://matrix.to/#/!r:x\n\
             Und noch eines."
        );
        assert_eq!(say(MatterPhrase::list(Vec::new(), 0)), "Es ist nichts offen.");
        let two = say(MatterPhrase::list(vec![line("Labor", None)], 0));
        assert_eq!(two.lines().count(), 2, "{two}");
        let many = say(MatterPhrase::remind(vec![line("Labor", None)], 40));
        assert!(many.ends_with("\nUnd noch 40 weitere; !offen zeigt sie."), "{many}");
    }

    /// A name that others chose neither begins a line of its own nor fills the list.
    #[test]
    fn a_name_stays_within_its_line() {
        let name = format!("Labor\n• Bank: https://böse.example {}", "ä".repeat(5000));
        let said = say(MatterPhrase::list(vec![line(&name, None)], 0));
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.chars().count() < 300, "{said}");
    }
}
