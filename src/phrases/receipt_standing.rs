//! How far a receipt got that somebody had sent before.

use crate::model::DeliveryState;

/// How far it got, as far as it matters to a person who wants to send it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStanding {
    UnderWay,
    Sent,
    /// It did not leave, or did not arrive.
    Failed,
    /// It may have arrived.
    Unclear,
}

impl ReceiptStanding {
    /// Every standing.
    pub const ALL: [Self; 4] = [Self::UnderWay, Self::Sent, Self::Failed, Self::Unclear];

    pub fn of(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Collecting
            | DeliveryState::Waiting
            | DeliveryState::HandingOver
            | DeliveryState::Previewed
            | DeliveryState::SendingBody => Self::UnderWay,
            DeliveryState::Accepted
            | DeliveryState::Delayed
            | DeliveryState::Relayed
            | DeliveryState::Delivered
            | DeliveryState::Read
            | DeliveryState::Discarded => Self::Sent,
            DeliveryState::Undelivered | DeliveryState::Failed | DeliveryState::Withdrawn => {
                Self::Failed
            }
            DeliveryState::Contradicted | DeliveryState::Unclear => Self::Unclear,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
        }
    }
}
