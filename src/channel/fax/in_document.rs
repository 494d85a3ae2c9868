//! The number that a document says of itself (FAX-10): HylaFAX writes station id, caller id, name and the
//! called line into a TIFF or PDF, and some gateways put less of it into their mails.

use super::{
    super::Country,
    caller::{self, Caller},
    form::FaxReceived,
};
use crate::model::{Body, DocumentWords, FaxNumber, Letter};

/// Whether the caller's number is taken out of the document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DocumentNumber {
    /// It is not looked at.
    #[default]
    Off,
    /// Where the mail names no number at all.
    Missing,
    /// Before what the mail says. If both name a caller and differ, a person confirms.
    First,
}

impl DocumentNumber {
    /// Each with its word in the settings.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Off, "off"), (Self::Missing, "missing"), (Self::First, "first")];
}

/// The caller of a fax, by what its mail and its document say.
///
/// What the document calls the caller is the telephone network's word, as the gateway wrote it down; its
/// station id is the machine's own, as in a mail.
pub(super) fn decide(
    of_mail: Caller,
    says: Option<&DocumentWords>,
    setting: DocumentNumber,
    (country, own): (Country, &FaxNumber),
) -> Caller {
    let Some(says) = says.filter(|_| setting != DocumentNumber::Off) else { return of_mail };
    let of_document = read(says, country, own);
    match (setting, of_mail, of_document) {
        (_, of_mail, Caller::Unknown) => of_mail,
        (_, Caller::Unknown, of_document) => of_document,
        (DocumentNumber::Off | DocumentNumber::Missing, of_mail, _) => of_mail,
        // What the telephone network says counts before what a machine says, wherever it stands.
        (DocumentNumber::First, of_mail, Caller::Claimed(_)) => of_mail,
        (DocumentNumber::First, Caller::Sure(mail), Caller::Sure(number)) if mail != number => {
            Caller::Differs { caller: number, station: mail.as_str().to_owned() }
        }
        (DocumentNumber::First, _, of_document) => of_document,
    }
}

/// Read as the lines of a mail are, so that a number counts in the same notations.
fn read(says: &DocumentWords, country: Country, own: &FaxNumber) -> Caller {
    let received = FaxReceived {
        caller_lines: vec!["caller".to_owned()],
        station_lines: vec!["station".to_owned()],
        zero_omitted: true,
        ..FaxReceived::default()
    };
    let text = format!("caller: {}\nstation: {}", says.caller, says.station);
    let letter = Letter { body: Body { text, html: None }, ..Letter::default() };
    caller::read(&letter, &received, (country, None), Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "+493030111111";
    const OTHER: &str = "+4930999999";

    fn number(text: &str) -> FaxNumber {
        FaxNumber::new(text).unwrap()
    }

    #[track_caller]
    fn check(mail: Caller, lines: &str, setting: DocumentNumber, expected: Caller) {
        let says = DocumentWords::of_lines(lines);
        let line = (Country::new("DE").unwrap(), &number("+493022222222"));
        assert_eq!(decide(mail, says.as_ref(), setting, line), expected, "{lines:?}");
    }

    #[test]
    fn fax_10_a_document_names_the_caller_where_the_settings_say_so() {
        use DocumentNumber::{First, Missing, Off};
        let lines = "030 30111111\n03030111111\nTest Praxis\n030222222";
        let sure = || Caller::Sure(number(CALLER));
        let other = || Caller::Sure(number(OTHER));
        let claimed = || Caller::Claimed(number(OTHER));
        check(Caller::Unknown, lines, Off, Caller::Unknown);
        check(Caller::Unknown, lines, Missing, sure());
        check(claimed(), lines, Missing, claimed());
        check(other(), lines, Missing, other());
        check(claimed(), lines, First, sure());
        check(sure(), lines, First, sure());
        let differs = Caller::Differs { caller: number(CALLER), station: OTHER.to_owned() };
        check(other(), lines, First, differs);
    }

    #[test]
    fn fax_10_what_is_no_number_in_a_document_changes_nothing() {
        use DocumentNumber::{First, Missing};
        let sure = || Caller::Sure(number(OTHER));
        for lines in [
            "",
            "I",
            "Praxis Dr. Mueller\nanonymous\n\n030222222",
            "\n\n\n",
            "a\nb\nc\nd\ne",
            // Our own number is never the caller's.
            "\n03022222222\n\n030222222",
        ] {
            check(sure(), lines, First, sure());
            check(Caller::Unknown, lines, Missing, Caller::Unknown);
        }
        // The machine's word alone stays a claim, and is none where the mail knows more.
        let station = "+49 30 999999\nanonymous\n\n030222222";
        check(Caller::Unknown, station, Missing, Caller::Claimed(number(OTHER)));
        check(Caller::Sure(number(CALLER)), station, First, Caller::Sure(number(CALLER)));
    }
}
