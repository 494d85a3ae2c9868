//! What a room is told was parked.

/// What was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedWhat {
    Letter,
    Post,
    Dispatch,
    Event,
}

impl ParkedWhat {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Post => "post",
            Self::Dispatch => "dispatch",
            Self::Event => "event",
        }
    }
}
