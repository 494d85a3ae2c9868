//! Why a conversation does not begin.

/// What is wrong with a command that begins a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNoStart {
    /// Nothing stands behind the command.
    Missing,
    /// A name stands beside the address, or brackets around it.
    Name,
    /// It is a link.
    Link,
    /// There are several recipients.
    Several,
    /// The number has blanks, or the subject begins like the rest of a number.
    Blanks,
    /// It has characters that are not what they look like, or that nobody sees.
    Characters,
    NoAddress,
    NoNumber,
    /// It is an address or number of ours.
    Own,
    /// No Matrix user can be named after it.
    TooLong,
    NoSubject,
    LongSubject,
    /// More than one line was written.
    Lines,
    /// The speaker may speak on no such channel.
    NoChannel,
}

impl WhyNoStart {
    /// One of each.
    pub const ALL: [Self; 14] = [
        Self::Missing,
        Self::Name,
        Self::Link,
        Self::Several,
        Self::Blanks,
        Self::Characters,
        Self::NoAddress,
        Self::NoNumber,
        Self::Own,
        Self::TooLong,
        Self::NoSubject,
        Self::LongSubject,
        Self::Lines,
        Self::NoChannel,
    ];

    /// The word for it in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Name => "name",
            Self::Link => "link",
            Self::Several => "several",
            Self::Blanks => "blanks",
            Self::Characters => "characters",
            Self::NoAddress => "no-address",
            Self::NoNumber => "no-number",
            Self::Own => "own",
            Self::TooLong => "too-long",
            Self::NoSubject => "no-subject",
            Self::LongSubject => "long-subject",
            Self::Lines => "lines",
            Self::NoChannel => "no-channel",
        }
    }
}
