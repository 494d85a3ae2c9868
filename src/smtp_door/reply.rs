//! What the door answers: a code, a status that says more (RFC 3463), and words for whoever reads the log of
//! the fax server. The words are English and ASCII, as SMTP has them; the codes decide.

use std::fmt::Write as _;

/// An answer, of one line or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DoorReply {
    pub(super) code: u16,
    /// Empty where the RFC has none: in the greeting, the answer to EHLO, and 334 and 354.
    status: &'static str,
    lines: Vec<String>,
}

impl DoorReply {
    pub(super) fn new(code: u16, status: &'static str, words: &str) -> Self {
        Self { code, status, lines: vec![words.to_owned()] }
    }

    /// Without a status.
    pub(super) fn bare(code: u16, lines: Vec<String>) -> Self {
        Self { code, status: "", lines }
    }

    /// Whether it refuses something for good; then the peer does something that it should not.
    pub(super) fn is_error(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Its first line, which names nobody.
    pub(super) fn words(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// Whether it keeps a mail out for good, as long as nobody changes something.
    pub(super) fn keeps_a_mail_out(&self) -> bool {
        [530, 535, 538, 550, 552].contains(&self.code)
    }

    /// As it leaves.
    pub(super) fn on_the_wire(&self) -> Vec<u8> {
        let mut text = String::new();
        let last = self.lines.len().saturating_sub(1);
        for (place, line) in self.lines.iter().enumerate() {
            let more = if place < last { '-' } else { ' ' };
            let status = if self.status.is_empty() { "" } else { " " };
            // Writing into a String cannot fail.
            let _ = write!(text, "{}{more}{}{status}{line}\r\n", self.code, self.status);
        }
        text.into_bytes()
    }
}

pub(super) fn ok() -> DoorReply {
    DoorReply::new(250, "2.0.0", "OK")
}

/// The gateway ends.
pub(super) fn stopping() -> DoorReply {
    DoorReply::new(421, "4.3.2", "Umstieg is stopping; try again later")
}

pub(super) fn too_slow() -> DoorReply {
    DoorReply::new(421, "4.4.2", "Too slow; try again later")
}

pub(super) fn crowded() -> DoorReply {
    DoorReply::new(421, "4.7.0", "Too many connections at the door of Umstieg; try again later")
}

/// Says nothing of what is behind the door.
pub(super) fn stranger() -> DoorReply {
    DoorReply::new(
        554,
        "5.7.1",
        "This host may not deliver here; see peers in the settings of Umstieg",
    )
}

pub(super) fn line_too_long() -> DoorReply {
    DoorReply::new(500, "5.5.6", "Line too long")
}

pub(super) fn not_a_line() -> DoorReply {
    DoorReply::new(500, "5.5.2", "A command is ASCII and ends with CRLF")
}

pub(super) fn busy() -> DoorReply {
    DoorReply::new(452, "4.3.2", "Too many mails at the same time; try again later")
}

pub(super) fn too_large() -> DoorReply {
    DoorReply::new(
        552,
        "5.3.4",
        "The mail is larger than mail_bytes_max in the settings of Umstieg",
    )
}

/// Nothing of it was saved, or not all of it: the peer sends it again, and what was saved is recognised.
pub(super) fn not_saved() -> DoorReply {
    DoorReply::new(451, "4.3.0", "The mail cannot be saved now; try again later")
}

/// The same, because there is no room.
pub(super) fn no_room() -> DoorReply {
    DoorReply::new(452, "4.3.1", "There is no room for the mail now; try again later")
}

pub(super) fn empty_mail() -> DoorReply {
    DoorReply::new(554, "5.6.0", "The mail is empty")
}

/// It is saved for good.
pub(super) fn taken() -> DoorReply {
    DoorReply::new(250, "2.0.0", "Saved")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_form_of_the_rfc() {
        assert_eq!(ok().on_the_wire(), b"250 2.0.0 OK\r\n");
        let lines = ["umstieg.internal", "SIZE 10", "8BITMIME"].map(str::to_owned).to_vec();
        assert_eq!(
            DoorReply::bare(250, lines).on_the_wire(),
            b"250-umstieg.internal\r\n250-SIZE 10\r\n250 8BITMIME\r\n"
        );
    }
}
