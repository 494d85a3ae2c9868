//! What rooms are told of faxes, and of what a fax gateway says.

use fluent_bundle::{FluentArgs, FluentValue};
use time::OffsetDateTime;

use super::values::{moment, one_line, whole};
use crate::model::{FateWhy, Language, Substance};

/// A sentence about a fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaxPhrase {
    // About an answer. The gateway sends no faxes that come by mail.
    OnlyReceives,
    /// The gateway has it, and writes no reports.
    HandedOver {
        at: OffsetDateTime,
    },
    /// A mail server has the mail with the order, and could not hand it to the gateway yet.
    MailDelayed {
        at: OffsetDateTime,
    },
    /// The gateway reports that it was sent.
    Sent {
        at: OffsetDateTime,
        pages: Option<u32>,
    },
    NotSent {
        at: OffsetDateTime,
        why: FateWhy,
    },
    /// It tries again.
    TriesAgain {
        at: OffsetDateTime,
    },
    /// It has reported nothing for a long time.
    Unreported {
        at: OffsetDateTime,
    },

    // About a fax that came.
    Came {
        name: String,
    },
    Incomplete {
        reason: Option<String>,
    },
    /// The mail brought no document.
    WithoutDocument,
    /// The gateway's profile does not know the mail's form.
    UnknownForm,
    /// A call came and no fax. `number`: who called, as far as the gateway says.
    Missed {
        number: Option<String>,
        reason: Option<String>,
    },
    /// The mail of a fax, of a report or of a call is deleted, because of its age.
    MailPurged,
    /// A report that fits no fax of ours for certain.
    ReportUnplaced {
        number: Option<String>,
        says: &'static str,
    },
}

impl FaxPhrase {
    pub(super) fn substance(&self) -> Substance {
        match self {
            Self::Came { .. }
            | Self::Incomplete { reason: Some(_) }
            | Self::Missed { .. }
            | Self::ReportUnplaced { number: Some(_), .. } => Substance::Content,
            _ => Substance::Word,
        }
    }

    pub(super) fn id_and_args(&self, language: Language) -> (&'static str, FluentArgs<'static>) {
        let text = |text: &Option<String>| match text {
            Some(text) => FluentValue::from(one_line(text)),
            None => FluentValue::from("none"),
        };
        let pages = |pages: Option<u32>| whole(u64::from(pages.unwrap_or_default()));
        let mut args = FluentArgs::new();
        let id = match self {
            Self::OnlyReceives => "fax-only-receives",
            Self::MailPurged => "fax-mail-purged",
            Self::HandedOver { at } => {
                args = moment(language, *at);
                "fax-handed-over"
            }
            Self::MailDelayed { at } => {
                args = moment(language, *at);
                "fax-mail-delayed"
            }
            Self::Sent { at, pages: sent } => {
                args = moment(language, *at);
                args.set("pages", pages(*sent));
                "fax-sent"
            }
            Self::NotSent { at, why } => {
                args = moment(language, *at);
                args.set("why", why.word());
                "fax-not-sent"
            }
            Self::TriesAgain { at } => {
                args = moment(language, *at);
                "fax-tries-again"
            }
            Self::Unreported { at } => {
                args = moment(language, *at);
                "fax-unreported"
            }
            Self::Came { name } => {
                args.set("name", one_line(name));
                "fax-came"
            }
            Self::Incomplete { reason } => {
                args.set("reason", text(reason));
                "fax-incomplete"
            }
            Self::WithoutDocument => "fax-without-document",
            Self::UnknownForm => "fax-unknown-form",
            Self::Missed { number, reason } => {
                args.set("number", text(number));
                args.set("reason", text(reason));
                "fax-missed"
            }
            Self::ReportUnplaced { number, says } => {
                args.set("number", text(number));
                args.set("says", *says);
                "fax-report-unplaced"
            }
        };
        (id, args)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-23 13:05:59 UTC);

    /// One of each, two where a part may be missing.
    pub(in crate::phrases) fn one_of_each() -> Vec<FaxPhrase> {
        let text = || Some("Ein Text".to_owned());
        let mut phrases = vec![
            FaxPhrase::OnlyReceives,
            FaxPhrase::MailPurged,
            FaxPhrase::HandedOver { at: AT },
            FaxPhrase::MailDelayed { at: AT },
            FaxPhrase::TriesAgain { at: AT },
            FaxPhrase::Unreported { at: AT },
            FaxPhrase::WithoutDocument,
            FaxPhrase::UnknownForm,
            FaxPhrase::Missed { number: text(), reason: text() },
            FaxPhrase::Incomplete { reason: None },
            FaxPhrase::Incomplete { reason: text() },
            FaxPhrase::Came { name: "Ein Text".to_owned() },
        ];
        for pages in [None, Some(1), Some(2)] {
            phrases.push(FaxPhrase::Sent { at: AT, pages });
        }
        for says in ["sent", "failed", "again", "taken", "unclear"] {
            phrases.push(FaxPhrase::ReportUnplaced { number: text(), says });
        }
        phrases.extend(FateWhy::FAX.map(|why| FaxPhrase::NotSent { at: AT, why }));
        phrases
    }
}
