//! The sheet that a text is faxed on.

use time::OffsetDateTime;

use crate::{
    channel::{Channel, number_shown},
    document::{FaxLabels, FaxPage},
    model::FaxNumber,
    phrases::{Phrase, Phrases},
};

/// The sheet of a fax of this channel, in its language. `to`: nothing where no number is known.
pub fn fax_sheet(
    channel: &Channel,
    to: Option<&FaxNumber>,
    date: OffsetDateTime,
    text: String,
) -> FaxPage {
    let say = |phrase: Phrase| Phrases::say(channel.language, &phrase);
    FaxPage {
        sender: channel.label.clone(),
        sender_number: channel.own_number().unwrap_or_default(),
        recipient_number: to.map(number_shown).unwrap_or_default(),
        date: say(Phrase::FaxMoment { at: date }),
        // A fax gateway's subjects name numbers, not matters.
        subject: String::new(),
        text,
        labels: FaxLabels {
            from: say(Phrase::FaxFrom),
            to: say(Phrase::FaxTo),
            date: say(Phrase::FaxDate),
            subject: say(Phrase::FaxSubject),
            page: say(Phrase::FaxPage),
        },
    }
}
