//! Why a channel has nobody to write to.

use crate::model::AddressError;

/// Why a letter has no correspondent, or a correspondent cannot be written to.
///
/// Says what is wrong without naming a person: it goes to logs and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    #[error("the letter names no sender")]
    NoSender,
    #[error("the letter names more than one sender")]
    SeveralSenders,
    #[error("the sender is not one of those who may bring faxes on this channel")]
    SenderNotAllowed,
    #[error("the mail server did not confirm that the mail is from its sender's domain")]
    SenderNotProven,
    #[error("the correspondent belongs to another kind of channel")]
    OtherKind,
    #[error("the fax came without a usable caller's number")]
    UnknownNumber,
    #[error("the address is not a KIM address")]
    NotKim,
    #[error("the address belongs to another KIM environment than our own")]
    OtherEnvironment,
    #[error("the number is not one the numbering plan knows")]
    NoSuchNumber,
    #[error("the number is an emergency number")]
    EmergencyNumber,
    #[error("the number is a short number")]
    ShortNumber,
    #[error("the number is charged at a premium")]
    PremiumNumber,
    #[error("the number is a satellite's")]
    SatelliteNumber,
    #[error("the number is our own")]
    OwnNumber,
    #[error("the number is in a country this channel does not dial")]
    OtherCountry,
    #[error("the gateway sends no faxes that come by mail")]
    GatewayOnlyReceives,
    #[error("the gateway's address for this number is no mail address")]
    Address(#[source] AddressError),
}

impl WhyNot {
    /// The word for it in SQL and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSender => "no_sender",
            Self::SeveralSenders => "several_senders",
            Self::SenderNotAllowed => "sender_not_allowed",
            Self::SenderNotProven => "sender_not_proven",
            Self::OtherKind => "other_kind",
            Self::UnknownNumber => "unknown_number",
            Self::NotKim => "not_kim",
            Self::OtherEnvironment => "other_environment",
            Self::NoSuchNumber => "no_such_number",
            Self::EmergencyNumber => "emergency_number",
            Self::ShortNumber => "short_number",
            Self::PremiumNumber => "premium_number",
            Self::SatelliteNumber => "satellite_number",
            Self::OwnNumber => "own_number",
            Self::OtherCountry => "other_country",
            Self::GatewayOnlyReceives => "gateway_only_receives",
            Self::Address(_) => "address",
        }
    }
}
