//! What an admin is told of fax lines: by `umstieg fax test`, `umstieg fax records` and `umstieg check`. The
//! sentences are with the other ones for admins.

use fluent_bundle::FluentArgs;

#[cfg(test)]
use super::sentences::Sample;
use super::{
    AdminPhrase, FOR_ADMINS,
    sentences::{Inserted, Sentence, filled, sentences},
    telling::Telling,
    text_or_errors,
};
use crate::model::Language;

sentences! {
    /// A sentence about a fax line, with what it needs to know.
    pub enum FaxAdminPhrase {
        // The table of “umstieg check”: what proves that a fax is its gateway's.
        TriedFaxOrigin { channel: String } = "tried-fax-origin",
        FaxOriginChecked { server: String } = "fax-origin-checked",
        FaxOriginUnchecked = "fax-origin-unchecked",
        GiveAuthservId = "give-authserv-id",

        // What reads pages.
        TriedPageReader = "tried-page-reader",
        PageReaderReady = "page-reader-ready",
        PageReaderAway = "page-reader-away",
        PageReaderLacks { models: String } = "page-reader-lacks",
        InstallPageReader = "install-page-reader",

        // A test page.
        FaxTestPage = "fax-test-page",
        FaxTestTaken { number: String } = "fax-test-taken",
        FaxTestNoReports = "fax-test-no-reports",
        FaxTestUnderway = "fax-test-underway",
        FaxTestAgain = "fax-test-again",
        FaxTestSent = "fax-test-sent",
        /// `why`: the word of a reason.
        FaxTestNotSent { why: String } = "fax-test-not-sent",
        /// `why`: the word of a reason.
        FaxTestUnreachable { why: String } = "fax-test-unreachable",
        FaxTestSilent = "fax-test-silent",
        FaxTestNoChannel = "fax-test-no-channel",
        FaxTestNoNumber = "fax-test-no-number",
        FaxTestOff = "fax-test-off",
        FaxTestNotMade = "fax-test-not-made",
        FaxTestNotTaken = "fax-test-not-taken",

        // The table of “umstieg fax records”.
        HeadTime = "head-time",
        HeadWay = "head-way",
        HeadFaxNumber = "head-fax-number",
        HeadPages = "head-pages",
        HeadBytes = "head-bytes",
        HeadState = "head-state",
        HeadDigest = "head-digest",
        WayIn = "way-in",
        WayOut = "way-out",
        NoFaxRecords { days: u64 } = "no-fax-records",
        GatewayWrote { words: String } = "gateway-wrote",
        MailIsPurged = "mail-is-purged",
    }
}

impl FaxAdminPhrase {
    /// The sentence in this language.
    pub fn said(&self, language: Language) -> String {
        let (id, args) = self.id_and_args(language);
        text_or_errors(&FOR_ADMINS, language, id, &args).0
    }
}

impl Sentence for FaxAdminPhrase {
    fn say(&self, language: Language) -> String {
        self.said(language)
    }
}

impl From<FaxAdminPhrase> for AdminPhrase {
    fn from(said: FaxAdminPhrase) -> Self {
        Self::OfFaxLine { said: Box::new(said) }
    }
}

impl From<FaxAdminPhrase> for Telling {
    fn from(said: FaxAdminPhrase) -> Self {
        AdminPhrase::from(said).into()
    }
}

#[cfg(test)]
impl Sample for FaxAdminPhrase {
    fn sample() -> Self {
        Self::FaxTestSent
    }
}
