//! What a room is told of faxes that leave, and of those that do not.

use fluent_bundle::{FluentArgs, FluentValue};

#[cfg(test)]
use super::sentences::Sample;
use super::{
    QuotedName,
    sentences::{Inserted, filled, sentences},
};
use crate::model::{Language, Substance, WhyAsked};

sentences! {
    /// A sentence about a fax, with what it needs to know.
    pub enum SendingPhrase {
        /// The settings let no fax leave.
        Off = "fax-off",
        // Why a number is not dialled.
        EmergencyNumber = "fax-emergency-number",
        ShortNumber = "fax-short-number",
        PremiumNumber = "fax-premium-number",
        SatelliteNumber = "fax-satellite-number",
        OwnNumber = "fax-own-number",
        OtherCountry = "fax-other-country",
        NoSuchNumber = "fax-no-such-number",
        /// The fax as it would leave, beside its file.
        Preview {
            number: String,
            why: WhyAsked,
            pages: u64,
            files: u64,
            text: HasText,
        } = "fax-preview",
        /// The name of that file.
        PreviewFile = "fax-preview-file",
        /// The name of the picture of its first page.
        PreviewPicture = "fax-preview-picture",
        /// The homeserver does not take the preview.
        PreviewTooLarge = "fax-preview-too-large",
        /// It has waited to be confirmed for a while.
        Waits = "fax-waits",
        /// It is not certain how its form fields, stamps or notes are printed (FAX-23).
        FileForm { file: QuotedName } = "fax-file-form",
        /// On paper its hidden layers would be seen.
        FileLayers { file: QuotedName } = "fax-file-layers",
        /// A password protects it.
        FileLocked { file: QuotedName } = "fax-file-locked",
        // What follows from a confirmation.
        Confirmed { member: String } = "fax-confirmed",
        ConfirmedBefore { member: String } = "fax-confirmed-before",
        NothingToSend = "fax-nothing-to-send",
        /// The command answers nothing.
        SendAnswersPreview = "fax-send-answers-preview",
        /// There is a newer preview.
        PreviewIsOld = "fax-preview-is-old",
        /// The preview was not in the room when the command was written, or there is none.
        PreviewFollows = "fax-preview-follows",
        BeingRewritten = "fax-being-rewritten",
        HasLeft = "fax-has-left",
        /// It failed, or is unclear.
        SendFailed = "fax-send-failed",
        SendWithdrawn = "fax-send-withdrawn",
        /// A confirmation was taken back when the fax had left, or was leaving.
        TakenBackTooLate = "fax-taken-back-too-late",
        /// Nothing failed; a fax waits to be confirmed.
        RetryWaits = "fax-retry-waits",
    }
}

impl SendingPhrase {
    /// A number, and who confirmed, are somebody's; the rest is the gateway's own word.
    pub fn substance(&self) -> Substance {
        match self {
            Self::Preview { .. }
            | Self::Confirmed { .. }
            | Self::ConfirmedBefore { .. }
            | Self::FileForm { .. }
            | Self::FileLayers { .. }
            | Self::FileLocked { .. } => Substance::Content,
            _ => Substance::Word,
        }
    }
}

/// Whether a fax holds words from the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HasText(pub bool);

impl Inserted for HasText {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(if self.0 { "yes" } else { "no" })
    }
}

impl Inserted for WhyAsked {
    fn inserted(&self, _: Language) -> FluentValue<'static> {
        FluentValue::from(self.word())
    }
}

#[cfg(test)]
impl Sample for HasText {
    fn sample() -> Self {
        Self(true)
    }
}

#[cfg(test)]
impl Sample for WhyAsked {
    fn sample() -> Self {
        Self::Always
    }
}
