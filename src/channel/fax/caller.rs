//! From which number a fax came: what the gateway says, and what the sending machine says of itself.
//!
//! A fax machine sends a station id (TSI, CSID) along, which is whatever its owner once typed. The
//! gateway's own caller id comes from the telephone network. Mails name one or both, in their
//! subject and in lines such as `CallID1: 030…` (FAX-7).

use super::{
    super::{AreaCode, Country, number},
    form::{FaxReceived, FromSays},
    template::{Blank, Template},
};
use crate::model::{FaxNumber, Letter, MailAddress};

/// How many lines of a mail's text are searched; the gateways have about fifteen.
const LINES_MAX: usize = 200;

/// From this many digits on, the end of a number may be compared with a shorter notation of it.
const DIGITS_OF_A_TAIL: usize = 5;

/// The longest station id that is shown, in characters; the protocol allows twenty.
const STATION_CHARS_MAX: usize = 40;

/// The sender of a fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::channel) enum Caller {
    /// The gateway says so.
    Sure(FaxNumber),
    /// The gateway says so, and the machine contradicts it.
    Differs {
        caller: FaxNumber,
        station: String,
    },
    /// Only the machine says so, or the source is unknown.
    Claimed(FaxNumber),
    Unknown,
}

/// What a line or a subject says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CallerClue {
    Number(FaxNumber),
    /// Digits that cannot be a whole number; all other characters are removed.
    Digits(String),
    /// A name, or a word for "withheld".
    Words,
}

impl CallerClue {
    /// A number, or the end of one.
    fn is_number(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Digits(digits) => digits.trim_start_matches('0').len() >= DIGITS_OF_A_TAIL,
            Self::Words => false,
        }
    }

    fn is(&self, number: &FaxNumber) -> bool {
        matches!(self, Self::Number(own) if own == number)
    }

    fn shown(&self) -> String {
        let text = match self {
            Self::Number(number) => number.as_str(),
            Self::Digits(digits) => digits,
            Self::Words => "",
        };
        text.chars().take(STATION_CHARS_MAX).collect()
    }
}

/// Reads a mail of a fax gateway. `home`: the country of the line, and the area whose code the gateway
/// leaves out. `own` is the number of our own line, which is never the caller.
pub(super) fn read(
    letter: &Letter,
    received: &FaxReceived,
    home: (Country, Option<&AreaCode>),
    own: Option<&FaxNumber>,
) -> Caller {
    let (country, area) = home;
    let of_use = |told: &CallerClue| told.is_number() && own.is_none_or(|own| !told.is(own));
    let told = |raw: &str| tell(raw, country).filter(of_use);
    // Only the gateway speaks of our area: a machine was set up in its own.
    let told_by_gateway = |raw: &str| {
        let local = area.and_then(|area| number::local_to_e164(raw, country, area));
        let told = match received.zero_omitted && number::may_be_two(raw, country) {
            true => Some(CallerClue::Digits(raw.trim().to_owned())),
            false => tell(raw, country),
        };
        local.map(CallerClue::Number).or(told).filter(of_use)
    };
    let lines = |labels: &[String]| -> Vec<CallerClue> {
        labelled(&letter.body.text, labels).filter_map(told).collect()
    };
    let subject = in_subject(&letter.subject, &received.subjects);
    let named = |blank| {
        let raw = subject.iter().find(|(other, _)| *other == blank)?.1.as_str();
        Some(number_in(raw, country))
    };
    let subject_caller = named(Blank::Caller).and_then(told_by_gateway);
    let of_subject = subject_caller.clone().or_else(|| named(Blank::Station).and_then(told));
    let caller_lines = labelled(&letter.body.text, &received.caller_lines);
    let callers = fields(letter, &received.caller_fields).chain(caller_lines);
    let mut callers = callers.filter_map(told_by_gateway).collect::<Vec<_>>();
    let (mut stations, senders) = (lines(&received.station_lines), lines(&received.number_lines));
    match (received.from, letter.from.as_slice()) {
        (FromSays::Nothing, _) => {}
        (FromSays::NameCaller, [from]) => {
            callers.extend(from.name.as_deref().and_then(told_by_gateway))
        }
        (FromSays::AddressCaller, [from]) => {
            callers.extend(told_by_gateway(number_of(&from.address)))
        }
        (FromSays::AddressStation, [from]) => stations.extend(told(number_of(&from.address))),
        _ => {}
    }
    let in_names = file_numbers(letter, &received.file_names).into_iter();
    callers.extend(in_names.filter_map(told_by_gateway));
    let names_caller = labelled(&letter.body.text, &received.caller_lines).next().is_some();
    // What the machine may have said about itself, the most certain first.
    let claims = || stations.iter().chain(&of_subject).chain(&senders);
    let judged = |caller: FaxNumber| match claims().find(|claim| !agrees(&caller, claim)) {
        Some(other) => Caller::Differs { station: other.shown(), caller },
        None => Caller::Sure(caller),
    };

    if let Some(caller) = only_number(&callers) {
        return judged(caller);
    }
    let claimed = claims().find_map(|claim| match claim {
        CallerClue::Number(number) => Some(number.clone()),
        CallerClue::Digits(_) | CallerClue::Words => None,
    });
    // The gateway's caller id, without its zero or its plus, is the whole number that the machine claims.
    if let (Some(number), [CallerClue::Digits(digits)]) = (&claimed, callers.as_slice())
        && (number::national_digits(number) == *digits || number.digits() == digits)
    {
        return Caller::Sure(number.clone());
    }
    // What a subject calls the caller is the gateway's word, unless a separate line names the same number as the
    // station id: then the subject has it from there. A station id is a claim wherever it stands.
    if let Some(CallerClue::Number(number)) = &subject_caller
        && !names_caller
        && stations.iter().all(|station| !agrees(number, station))
    {
        return judged(number.clone());
    }
    claimed.map_or(Caller::Unknown, Caller::Claimed)
}

/// What the subject says about the caller: whose word it is, and what stands there.
pub(super) fn in_subject(subject: &str, forms: &[Template]) -> Vec<(Blank, String)> {
    let subject = undecorated(subject);
    let Some(filled) = forms.iter().find_map(|form| form.fits(&subject)) else { return Vec::new() };
    let blanks = [Blank::Caller, Blank::Station, Blank::Name, Blank::Pages];
    let filled = blanks.iter().filter_map(|blank| Some((*blank, filled.get(*blank)?.to_owned())));
    filled.collect()
}

/// The part of what stands in a subject that is a number; what follows it may be the line it came to, the
/// time, or the number of pages.
fn number_in(raw: &str, country: Country) -> &str {
    let is_number = |raw: &str| matches!(tell(raw, country), Some(CallerClue::Number(_)));
    if is_number(raw) {
        return raw;
    }
    without_tail(raw).filter(|cut| is_number(cut)).unwrap_or(raw)
}

/// The subject without the prefix that some gateways add: `[FAX]`, `FRITZ!Box - `.
pub(super) fn undecorated(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = after.trim_start();
    }
    for front in ["FRITZ!Box - ", "FRITZ!Box: ", "FRITZ!Box "] {
        rest = rest.strip_prefix(front).unwrap_or(rest);
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    words.join(" ")
}

/// What precedes the line it came to, the time, or the number of pages.
fn without_tail(raw: &str) -> Option<&str> {
    let is_count = |tail: &str| {
        let unit = tail.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        unit.len() < tail.len() && ["Seite", "page"].iter().any(|word| unit.starts_with(word))
    };
    let is_time = |tail: &str| tail.starts_with(|c: char| c.is_ascii_digit());
    [" an ", " to ", " für ", " for "]
        .iter()
        .find_map(|word| raw.split_once(word))
        .or_else(|| {
            let times = [" am ", " um ", " on ", " at "];
            times.iter().find_map(|word| raw.split_once(word).filter(|(_, tail)| is_time(tail)))
        })
        .or_else(|| {
            let counts = [" - ", ", ", " ("];
            counts.iter().find_map(|word| raw.split_once(word).filter(|(_, tail)| is_count(tail)))
        })
        .map(|(number, _)| number)
}

/// The number, if this is the only one that is named. Two contradict each other.
fn only_number(told: &[CallerClue]) -> Option<FaxNumber> {
    let (first, rest) = told.split_first()?;
    let CallerClue::Number(number) = first else { return None };
    rest.iter().all(|other| agrees(number, other)).then(|| number.clone())
}

/// Whether a claim can be meant for this number.
fn agrees(number: &FaxNumber, claim: &CallerClue) -> bool {
    match claim {
        CallerClue::Number(other) => number == other,
        CallerClue::Digits(digits) => number.digits().ends_with(digits.trim_start_matches('0')),
        CallerClue::Words => true,
    }
}

/// Nothing for an empty text.
fn tell(raw: &str, country: Country) -> Option<CallerClue> {
    let raw = raw.trim().trim_matches('"').trim();
    if raw.is_empty() {
        return None;
    }
    // `sip:030…@pbx.example`
    let bare = ["sip:", "sips:", "tel:", "fax:"]
        .iter()
        .find_map(|scheme| {
            let head = raw.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| raw.get(scheme.len()..))?
        })
        .map_or(raw, |rest| rest.split(['@', ';']).next().unwrap_or_default());
    // Digits dialled after the number are not in it.
    if raw.to_ascii_lowercase().contains(";ext=") {
        return Some(CallerClue::Words);
    }
    if let Some(number) = number::to_e164(bare, country) {
        return Some(CallerClue::Number(number));
    }
    let mut numbers = notations(bare).filter_map(|notation| number::to_e164(notation, country));
    if let Some(number) = numbers.next() {
        let is_one = numbers.all(|other| other == number);
        return Some(if is_one { CallerClue::Number(number) } else { CallerClue::Words });
    }
    let is_dialled = bare.chars().all(|c| c.is_ascii_digit() || " +-/.()".contains(c));
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    Some(if is_dialled && !digits.is_empty() {
        CallerClue::Digits(digits)
    } else {
        CallerClue::Words
    })
}

/// Other places of a number in a text: `"Praxis" <030123>`, `Praxis (030123)`, `030123 (Praxis)`.
fn notations(raw: &str) -> impl Iterator<Item = &str> {
    let inside = |open, close| raw.strip_suffix(close)?.rsplit_once(open).map(|(_, inner)| inner);
    let before = |open| raw.split_once(open).map(|(outer, _)| outer.trim());
    [inside('<', '>'), inside('(', ')'), before("<"), before(" (")].into_iter().flatten()
}

/// The values of lines such as `CallID1: 030…`, and of table cells.
pub(super) fn labelled<'t>(text: &'t str, labels: &[String]) -> impl Iterator<Item = &'t str> {
    text.lines().take(LINES_MAX).filter_map(|line| {
        let (label, value) =
            line.split_once(':').or_else(|| line.trim().split_once(['\t', '|']))?;
        let label = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        labels.contains(&label).then(|| value.trim())
    })
}

/// The values of fields of the head.
pub(super) fn fields<'l>(letter: &'l Letter, names: &'l [String]) -> impl Iterator<Item = &'l str> {
    let of_name =
        |name: &'l String| letter.extension_fields.iter().filter(move |(other, _)| other == name);
    names.iter().flat_map(of_name).map(|(_, value)| value.as_str())
}

/// The number in the left side of an address: as it is, or in the form of RFC 3192, which tolerates
/// slashes and signs between the digits.
fn number_of(address: &MailAddress) -> &str {
    let local = address.local().trim_matches(['"', '/']);
    let local = local.split('/').next().unwrap_or_default();
    match local.get(..4) {
        Some(head) if head.eq_ignore_ascii_case("FAX=") => local.get(4..).unwrap_or_default(),
        _ => local,
    }
}

/// The numbers in the names of files.
fn file_numbers<'l>(letter: &'l Letter, forms: &[Template]) -> Vec<&'l str> {
    let number = |file_name: &'l str| {
        let number = forms.iter().find_map(|form| form.fits(file_name)?.get(Blank::Caller))?;
        // A second file of that name is ` (1)`. Anything else after the digits may be no number.
        let (number, copy) = number.split_once(" (").unwrap_or((number, "1)"));
        let is_copy = copy.strip_suffix(')').is_some_and(is_digits);
        (is_copy && is_digits(number.strip_prefix('+').unwrap_or(number))).then_some(number)
    };
    letter.attachments.iter().filter_map(|file| number(&file.file_name)).collect()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{super::FaxForm, *};
    use crate::model::{Attachment, Body, TransferEncoding};

    fn number(text: &str) -> FaxNumber {
        FaxNumber::new(text).unwrap()
    }

    fn fax(subject: &str, text: &str) -> Letter {
        let body = Body { text: text.to_owned(), html: None };
        Letter { subject: subject.to_owned(), body, ..Letter::default() }
    }

    fn of(letter: &Letter) -> Caller {
        at_home(letter, None)
    }

    fn at_home(letter: &Letter, area: Option<&AreaCode>) -> Caller {
        let received = &FaxForm::named("generic").unwrap().received;
        let home = (Country::new("DE").unwrap(), area);
        read(letter, received, home, Some(&number("+493011111111")))
    }

    fn check(subject: &str, text: &str, expected: &Caller) {
        assert_eq!(of(&fax(subject, text)), *expected, "{subject} | {text}");
    }

    const CALLER: &str = "+49305550123";
    const STATION: &str = "+49305550999";

    fn sure() -> Caller {
        Caller::Sure(number(CALLER))
    }

    fn claimed() -> Caller {
        Caller::Claimed(number(STATION))
    }

    fn differs() -> Caller {
        Caller::Differs { caller: number(CALLER), station: STATION.to_owned() }
    }

    #[test]
    fn b27_the_gateway_s_caller_id_decides_over_the_station_id() {
        let hylafax = "recvq/fax00042.tif:\n          Sender: 030 5550999\n           Pages: 2\n\
                       \u{20}        CallID1: 0305550123\n         CallID2:\n";
        check("Facsimile received from 030 5550999", hylafax, &differs());
        check("Fax received from \"+49 30 5550999\"", hylafax, &differs());
        let german = "Sender: +49 30 5550123\nAnrufe ID 1: 0305550123\nAnrufe ID 2: Praxis";
        check("Fax empfangen von +49 30 5550123", german, &sure());
        check("Fax received from \"Praxis Dr Mueller\"", "CallID1: 0305550123", &sure());
        check("Fax received from \"\"", "Sender:\nCallID1: 0305550123", &sure());
        // Whatever the subject's form is: a line says what it is.
        check("Fax from 030 5550999", "Caller ID: 030 5550123", &differs());
        check("Fax von 030 5550123", "Kennung: 030 5550999", &differs());
        check(
            "Sie haben ein Fax",
            "Rufnummer des Anrufers\t030 5550123\nCSID\t030 5550999",
            &differs(),
        );
        check("Fax", "caller-id: sip:0305550123@pbx.example", &sure());
    }

    #[test]
    fn b27_a_caller_id_without_its_zero_confirms_the_station_id() {
        check("Fax received from \"+49 30 5550123\"", "CallID1: 305550123", &sure());
        // The end of a number is not the whole of it.
        let end = "Sender: +49 30 5550999\nCallID1: 5550999";
        check("Fax received from \"+49 30 5550999\"", end, &claimed());
        check("Fax received from \"+49 30 5550999\"", "CallID1: 305550123", &claimed());
        // A station id that is the end of the caller's number says nothing else.
        check("Fax received from \"5550123\"", "CallID1: 0305550123", &sure());
    }

    #[test]
    fn b27_without_a_caller_id_the_station_id_is_only_claimed() {
        let subject = "Fax received from \"+49 30 5550999\"";
        check(subject, "Sender: +49 30 5550999\nPages: 1", &claimed());
        check(subject, "Sender: +49 30 5550999\nCallID1: anonymous", &claimed());
        check(subject, "CallID1:\nCallID2:", &claimed());
        check("Fax von 030 5550999", "CSID: +49305550999", &claimed());
        check("You have received a Fax", "Received from : 49305550999", &claimed());
        // Two callers contradict each other.
        let two = "CallID1: 0305550123\nSender: x\nCallID1: 0305550124";
        check("Fax received from \"+49 30 5550999\"", two, &claimed());
        check("Fax received from \"anonymous\"", two, &Caller::Unknown);
        // Our own line is never the caller.
        check("Fax from 030 11111111", "CallID1: 030 11111111", &Caller::Unknown);
    }

    /// The gateway speaks of callers of our area as they are dialled there; the machine's word is taken
    /// as it is.
    #[test]
    fn fax_8_the_area_code_completes_what_the_gateway_says_and_not_the_machine() {
        let berlin = AreaCode::new("030").unwrap();
        let check = |subject: &str, text: &str, expected: &Caller| {
            let read = at_home(&fax(subject, text), Some(&berlin));
            assert_eq!(read, *expected, "{subject} | {text}");
        };
        check("Fax von 5550123", "", &sure());
        check("Fax received from \"\"", "Sender:\nCallID1: 5550123", &sure());
        check("Fax received from \"+49 30 5550999\"", "CallID1: 5550123", &differs());
        check("Fax received from \"5550123\"", "CallID1: 0895550123", &{
            Caller::Sure(number("+49895550123"))
        });
        check("Fax received from \"5550123\"", "Sender: 5550123\nCallID1:", &Caller::Unknown);
        // An extension, an emergency call, and the whole number without its zero.
        for raw in ["4711", "112", "116117", "305550123"] {
            check(&format!("Fax von {raw}"), &format!("CallID1: {raw}"), &Caller::Unknown);
        }
        check("Fax received from \"+49 30 5550123\"", "CallID1: 305550123", &sure());
    }

    #[test]
    fn what_a_subject_calls_the_caller_is_the_gateway_s_word_and_a_station_id_is_a_claim() {
        let claimed = Caller::Claimed(number("+49305550123"));
        check("Fax received from \"030 5550123\"", "1 page", &claimed);
        check("Fax von 030 5550123", "Absender: 030 5550123", &sure());
    }

    #[test]
    fn b28_more_subjects_tell_the_caller() {
        for subject in [
            "Fax von 030 5550123 an 030 11111111",
            "Neues Fax von +49 30 5550123",
            "Neues Telefax von: 030 5550123",
            "New fax received from 030 5550123",
            "Fax von 030 5550123 (1 Seite)",
            "Fax von 030 5550123, 3 Seiten",
            "Fax from 0305550123 - 2 pages",
            "FRITZ!Box - Fax von 0305550123",
            "[FAX] [Praxis] Neues Fax von: 0305550123",
            "Fax from: sip:0305550123@pbx.example",
            "Fax von 030 5550123 am 23.11.2026 um 09:15 Uhr",
            "Sie haben ein Fax von 030 5550123 erhalten",
            "You have received a fax from 0305550123",
            "Incoming fax from \"Praxis\" <0305550123>",
            "Faxeingang von 030/5550123",
        ] {
            check(subject, "", &sure());
        }
        for subject in [
            "Re: Fax von 030 5550123",
            "Fax von 030 5550123 030 5550124",
            "Fax von 030 5550123 Durchwahl 12",
            "Fax von 5550123",
            "Fax von Praxis an der Havel",
            "Fax an 030 5550123",
            "Fax von 030 5550123 - Durchwahl 12",
            "Ihre Nummer 030 5550123",
        ] {
            check(subject, "", &Caller::Unknown);
        }
    }

    fn file(file_name: &str) -> Attachment {
        Attachment {
            file_name: file_name.to_owned(),
            media_type: "application/pdf".to_owned(),
            bytes: 1,
            place: 0..1,
            encoding: TransferEncoding::Identity,
            within: Vec::new(),
        }
    }

    /// L67: a count of pages, a part of a date, another number.
    #[test]
    fn l67_what_stands_behind_the_caller_s_number_makes_it_nobody_else_s() {
        for tail in
            [" (2)", " - 2", " (1/2)", " 1/2", " 2", " 23.11.", " 23.11.26", "-2", ".2", " (2.)"]
        {
            let number = format!("030 5550123{tail}");
            let lines = [format!("Caller ID: {number}"), format!("CallID1: sip:{number}@x")];
            let subjects = ["Fax von", "Neues Fax von:", "Fax from Praxis"];
            let letters = subjects.iter().map(|subject| fax(&format!("{subject} {number}"), ""));
            for letter in letters.chain(lines.iter().map(|line| fax("Fax", line))) {
                let read = of(&letter);
                assert!(
                    read == sure() || read == Caller::Unknown,
                    "{} {tail}: {read:?}",
                    letter.subject
                );
            }
        }
        for subject in [
            "Fax von 030 5550123 (030 5550124)",
            "Fax von 030 5550123 <0305550124>",
            "Fax von tel:+49305550123;ext=12",
        ] {
            check(subject, "", &Caller::Unknown);
        }
        check("Fax von 030 5550123 (2)", "", &sure());
    }

    /// L68: programs number files of one name.
    #[test]
    fn l68_the_number_of_a_copy_is_no_part_of_the_caller_s() {
        for (file_name, expected) in [
            ("23.11.26_13.00_Telefax.0305550123.pdf", sure()),
            ("23.11.26_13.00_Telefax.0305550123 (1).pdf", sure()),
            ("23.11.26_13.00_Telefax.0305550123-1.pdf", Caller::Unknown),
            ("23.11.26_13.00_Telefax.0305550123_2.pdf", Caller::Unknown),
            ("23.11.26_13.00_Telefax.0305550123.2.pdf", Caller::Unknown),
            ("23.11.26_13.00_Telefax.0305550123 2.pdf", Caller::Unknown),
            ("23.11.26_13.00_Telefax.030 5550123.pdf", Caller::Unknown),
        ] {
            let mut letter = fax("Fax", "");
            letter.attachments = vec![file(file_name)];
            assert_eq!(of(&letter), expected, "{file_name}");
        }
    }

    #[test]
    fn a_fritz_box_names_its_files_by_the_caller() {
        let mut letter = fax("Fax von Hausarzt Testmann", "");
        letter.attachments = vec![file("23.11.26_13.00_Telefax.0305550123.pdf")];
        assert_eq!(of(&letter), sure());
        letter.subject = "Fax von Testmann (0305550999)".to_owned();
        assert_eq!(of(&letter), differs());
    }
}
