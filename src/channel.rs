//! What a channel is: KIM and every fax gateway as data and small functions.
//!
//! Pure. The flows ask a channel who wrote a letter, where an answer goes, which headers a mail of
//! this channel carries and how large it may be; this is the only place for the differences between
//! KIM and fax. What a Dienstkennung means is in `service`, further gateways are further rows of
//! [`FAX_FORMS`].

mod caller;
mod fax;
mod kim;
mod kim_user;
mod number;
mod service;
mod subject;

use std::{fmt, time::Duration};

pub use fax::{FAX_FORMS, FaxForm, FaxProfile, SenderRule, SenderRuleError};
pub use kim::{KimEnvironment, KimProfile, KimSystems, LargeMails, Receipts};
pub use kim_user::{KimCallContext, KimServerPart, KimUserForm};
pub use number::{Country, CountryError};
pub use service::{MailboxUse, ServiceClass, ServiceClasses, ServiceRowError};
pub use subject::{Says, SubjectForm};

use crate::model::{
    AddressError, ChannelKind, ChannelName, Correspondent, Defect, FaxNumber, Language, Letter,
    MailAddress, ServiceId, Trust,
};
use caller::Caller;

/// One configured mailbox or fax line.
///
/// `Debug` shows the name only: label, address and team name people.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    pub name: ChannelName,
    /// The name that people use, for example `KIM Praxis Müller`. Shown in room names.
    pub label: String,
    /// Our own address on this channel: the sender of every mail.
    pub address: MailAddress,
    /// Matrix user ids of the users who are invited to the channel's rooms.
    pub team: Vec<String>,
    /// Matrix user ids of the users whose words in a room leave as mail or fax.
    pub speakers: Vec<String>,
    pub thread_by: ThreadBy,
    /// How long room messages of one author are gathered into one dispatch.
    pub collect: Duration,
    pub language: Language,
    /// Which devices are believed in its rooms, and given the keys.
    pub trust: Trust,
    /// Whether clients are told without being asked, in Beeper's form, what becomes of a message.
    pub tells_clients: bool,
    /// How long a letter may lie in a room that no human has joined before there is an alarm.
    pub alarm: Duration,
    pub dialect: Dialect,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({}, {})", self.name, self.kind().word())
    }
}

/// What makes one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadBy {
    /// A mail thread with one correspondent.
    Thread,
    /// Everything exchanged with one correspondent: a fax carries no thread.
    Correspondent,
}

impl ThreadBy {
    /// What a channel of this kind uses if its settings do not say.
    pub fn default_of(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::Kim => Self::Thread,
            ChannelKind::Fax => Self::Correspondent,
        }
    }
}

/// The kind of channel, with everything that differs from account to account.
#[derive(Clone, PartialEq, Eq)]
pub enum Dialect {
    Kim(KimProfile),
    Fax(FaxProfile),
}

/// The form of a channel's dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Plain text, each file as an attachment (KIM-25).
    MailWithAttachments,
    /// One PDF made from the text and the files, nothing else (FAX-23).
    OnePdf,
}

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
    #[error("the number is an emergency or short number")]
    ShortNumber,
    #[error("the number is charged at a premium")]
    PremiumNumber,
    #[error("the number is in a country this channel does not dial")]
    OtherCountry,
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
            Self::OtherKind => "other_kind",
            Self::UnknownNumber => "unknown_number",
            Self::NotKim => "not_kim",
            Self::OtherEnvironment => "other_environment",
            Self::NoSuchNumber => "no_such_number",
            Self::ShortNumber => "short_number",
            Self::PremiumNumber => "premium_number",
            Self::OtherCountry => "other_country",
            Self::Address(_) => "address",
        }
    }
}

impl Channel {
    pub fn kind(&self) -> ChannelKind {
        match self.dialect {
            Dialect::Kim(_) => ChannelKind::Kim,
            Dialect::Fax(_) => ChannelKind::Fax,
        }
    }

    /// Whether what this user says in a portal leaves as mail or fax.
    pub fn lets_speak(&self, user_id: &str) -> bool {
        self.speakers.iter().any(|speaker| speaker == user_id)
    }

    /// The author of a letter of this channel.
    ///
    /// Errors: [`WhyNot::NoSender`], [`WhyNot::SeveralSenders`], and on a fax channel
    /// [`WhyNot::SenderNotAllowed`]. A fax without a usable number is no error (FAX-7).
    pub fn correspondent_of(&self, letter: &Letter) -> Result<Correspondent, WhyNot> {
        let sender = sender_of(letter)?;
        match &self.dialect {
            Dialect::Kim(_) => Ok(Correspondent::Mail(sender.clone())),
            Dialect::Fax(profile) => Ok(match profile.caller(sender, letter)? {
                Caller::Sure(number) | Caller::Differs { caller: number, .. } => {
                    Correspondent::Fax(number)
                }
                Caller::Claimed(number) => Correspondent::ClaimedFax(number),
                Caller::Unknown => Correspondent::UnknownFax,
            }),
        }
    }

    /// What is doubtful about the number of a fax, so that a person confirms it before an answer
    /// goes there.
    pub fn doubt_of(&self, letter: &Letter) -> Option<CallerDoubt> {
        let Dialect::Fax(profile) = &self.dialect else { return None };
        match profile.caller(sender_of(letter).ok()?, letter).ok()? {
            Caller::Claimed(number) => Some(CallerDoubt::Claimed(number)),
            Caller::Differs { caller, station } => Some(CallerDoubt::Differs { caller, station }),
            Caller::Sure(_) | Caller::Unknown => None,
        }
    }

    /// Where the sender of a letter wants answers. That is a different question from who sent it:
    /// the letter's conversation is the sender's, whatever the letter asks for.
    pub fn answers_to(&self, letter: &Letter) -> AnswersTo {
        let (Dialect::Kim(profile), Ok(sender)) = (&self.dialect, sender_of(letter)) else {
            return AnswersTo::Sender;
        };
        // A mail to ourselves is no answer.
        let mut wanted: Vec<&MailAddress> = letter.reply_to.iter().map(|m| &m.address).collect();
        wanted.retain(|address| **address != self.address);
        let is_unreadable = letter.defects.contains(&Defect::ReplyToUnreadable);
        if wanted.contains(&sender) || (wanted.is_empty() && !is_unreadable) {
            return if reads_no_answers(sender) { AnswersTo::Nobody } else { AnswersTo::Sender };
        }
        match wanted.iter().find(|address| profile.recipient(address).is_ok()) {
            Some(to) => AnswersTo::Elsewhere {
                to: (*to).clone(),
                has_more: is_unreadable || wanted.iter().any(|other| other != to),
            },
            None => AnswersTo::OutOfReach { wanted: wanted.first().map(|first| (*first).clone()) },
        }
    }

    /// How long a mail server that agreed to report may be silent before the room is told. Nothing where
    /// no server is asked.
    pub fn report_wait(&self) -> Option<Duration> {
        match &self.dialect {
            Dialect::Kim(profile) => Some(profile.report_wait),
            Dialect::Fax(_) => None,
        }
    }

    /// The mail address a dispatch to this correspondent is handed over for.
    pub fn recipient(&self, correspondent: &Correspondent) -> Result<MailAddress, WhyNot> {
        match (&self.dialect, correspondent) {
            (Dialect::Kim(profile), Correspondent::Mail(address)) => profile.recipient(address),
            (
                Dialect::Fax(profile),
                Correspondent::Fax(number) | Correspondent::ClaimedFax(number),
            ) => profile.recipient(number),
            (Dialect::Fax(_), Correspondent::UnknownFax) => Err(WhyNot::UnknownNumber),
            (Dialect::Kim(_), Correspondent::UnknownSender) => Err(WhyNot::NoSender),
            (
                Dialect::Kim(_),
                Correspondent::Fax(_) | Correspondent::ClaimedFax(_) | Correspondent::UnknownFax,
            )
            | (Dialect::Fax(_), Correspondent::Mail(_) | Correspondent::UnknownSender) => {
                Err(WhyNot::OtherKind)
            }
        }
    }

    /// Headers that every mail of this channel carries besides those of RFC 5322: name and value,
    /// ASCII.
    pub fn extra_headers(&self) -> Vec<(String, String)> {
        match &self.dialect {
            Dialect::Kim(profile) => profile.extra_headers(&self.address),
            Dialect::Fax(_) => Vec::new(),
        }
    }

    /// The same of a receipt, for which a letter asked.
    pub fn receipt_headers(&self, service: &ServiceId) -> Vec<(String, String)> {
        match &self.dialect {
            Dialect::Kim(profile) => profile.receipt_headers(service, &self.address),
            Dialect::Fax(_) => Vec::new(),
        }
    }

    pub fn writes(&self) -> Writes {
        match self.dialect {
            Dialect::Kim(_) => Writes::MailWithAttachments,
            Dialect::Fax(_) => Writes::OnePdf,
        }
    }

    /// The largest mail this channel takes, in bytes as sent (base64 included).
    pub fn mail_bytes_max(&self) -> u64 {
        match &self.dialect {
            Dialect::Kim(profile) => profile.mail_bytes_max,
            Dialect::Fax(profile) => profile.mail_bytes_max,
        }
    }

    /// The most pages this channel takes; a mail has none.
    pub fn pages_max(&self) -> Option<u32> {
        match &self.dialect {
            Dialect::Kim(_) => None,
            Dialect::Fax(profile) => Some(profile.pages_max),
        }
    }
}

/// What is doubtful about the number of a fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerDoubt {
    /// Only the sending machine says so.
    Claimed(FaxNumber),
    /// The sending machine contradicts the gateway. `station`: what the machine says.
    Differs { caller: FaxNumber, station: String },
}

impl CallerDoubt {
    /// One line that is the same for the same doubt: a person settles it once in a conversation.
    pub fn key(&self) -> &str {
        match self {
            Self::Claimed(_) => "claimed",
            Self::Differs { station, .. } => station,
        }
    }
}

/// Where the sender of a letter wants answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswersTo {
    Sender,
    /// To this address, which the channel may write to. `has_more`: the letter named others as
    /// well; only one is written to.
    Elsewhere {
        to: MailAddress,
        has_more: bool,
    },
    /// Elsewhere, at an address to which the channel may not write, or in an unreadable form.
    OutOfReach {
        wanted: Option<MailAddress>,
    },
    /// It names no other address, and its own is one at which nobody reads.
    Nobody,
}

/// The author of a letter, if there is exactly one for certain.
fn sender_of(letter: &Letter) -> Result<&MailAddress, WhyNot> {
    match letter.from.as_slice() {
        _ if letter.defects.contains(&Defect::SeveralSenders) => Err(WhyNot::SeveralSenders),
        [] => Err(WhyNot::NoSender),
        _ if letter.defects.contains(&Defect::NoSender) => Err(WhyNot::NoSender),
        [only] => Ok(&only.address),
        _ => Err(WhyNot::SeveralSenders),
    }
}

/// Whether an address says of itself that nobody reads mails to it.
fn reads_no_answers(address: &MailAddress) -> bool {
    const WORDS: [&str; 7] = [
        "noreply",
        "donotreply",
        "dontreply",
        "noanswer",
        "nichtantworten",
        "keineantwort",
        "keineantworten",
    ];
    let letters: String = address.local().chars().filter(char::is_ascii_alphabetic).collect();
    WORDS.iter().any(|word| letters.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FaxNumber, NamedAddress};

    fn mail(text: &str) -> MailAddress {
        MailAddress::new(text).unwrap()
    }

    fn channel(address: &str, dialect: Dialect) -> Channel {
        Channel {
            name: ChannelName::new("test").unwrap(),
            label: "Praxis".to_owned(),
            address: mail(address),
            team: vec!["@anna:praxis.example".to_owned()],
            speakers: vec!["@anna:praxis.example".to_owned()],
            thread_by: ThreadBy::Thread,
            collect: Duration::from_secs(20),
            language: Language::German,
            trust: Trust::CrossSigned,
            tells_clients: false,
            alarm: Duration::from_secs(60),
            dialect,
        }
    }

    fn kim() -> Channel {
        channel(
            "praxis@mueller.kim.telematik",
            Dialect::Kim(KimProfile::new(KimEnvironment::Production)),
        )
    }

    fn fax() -> Channel {
        let germany = Country::new("DE").unwrap();
        let profile = FaxProfile {
            form: FaxForm::named("number_at_domain").unwrap(),
            domain: "gateway.example".to_owned(),
            number: FaxNumber::new("+493011111111").unwrap(),
            country: germany,
            countries: vec![germany],
            senders: vec![
                SenderRule::new("fax@gateway.example").unwrap(),
                SenderRule::new("@lines.example").unwrap(),
            ],
            pages_max: FaxProfile::PAGES_MAX,
            mail_bytes_max: FaxProfile::MAIL_BYTES_MAX,
        };
        channel("praxis@gateway.example", Dialect::Fax(profile))
    }

    fn letter(from: &[&str], subject: &str) -> Letter {
        Letter {
            from: from.iter().map(|a| NamedAddress { name: None, address: mail(a) }).collect(),
            subject: subject.to_owned(),
            ..Letter::default()
        }
    }

    #[test]
    fn a_kim_letter_has_exactly_one_sender() {
        let check = |from: &[&str], expected: Result<&str, WhyNot>| {
            let actual = kim().correspondent_of(&letter(from, "Befund"));
            assert_eq!(actual, expected.map(|a| Correspondent::Mail(mail(a))), "{from:?}");
        };
        check(&["erik@hrst_domain.kim.telematik"], Ok("erik@hrst_domain.kim.telematik"));
        check(&[], Err(WhyNot::NoSender));
        check(&["a@b.kim.telematik", "c@d.kim.telematik"], Err(WhyNot::SeveralSenders));
    }

    /// R15: an unreadable sender counts too.
    #[test]
    fn r15_a_letter_of_several_senders_is_nobody_s() {
        let mut letter = letter(&["a@b.kim.telematik"], "Befund");
        letter.defects = vec![Defect::SeveralSenders];
        assert_eq!(kim().correspondent_of(&letter), Err(WhyNot::SeveralSenders));
        letter.defects = vec![Defect::NoSender];
        assert_eq!(kim().correspondent_of(&letter), Err(WhyNot::NoSender));
    }

    #[test]
    fn b23_answers_go_where_they_are_wanted_if_kim_reaches_it() {
        let check = |from: &str, reply_to: &[&str], expected: AnswersTo| {
            let mut letter = letter(&[from], "Befund");
            letter.reply_to =
                reply_to.iter().map(|a| NamedAddress { name: None, address: mail(a) }).collect();
            assert_eq!(kim().answers_to(&letter), expected, "{from} {reply_to:?}");
        };
        let (from, station) = ("erik@hrst.kim.telematik", "station4@hrst.kim.telematik");
        let (us, outside) = ("praxis@mueller.kim.telematik", "station4@hrst.example");
        let elsewhere = |has_more| AnswersTo::Elsewhere { to: mail(station), has_more };
        let out_of_reach = |wanted: &str| AnswersTo::OutOfReach { wanted: Some(mail(wanted)) };
        check(from, &[], AnswersTo::Sender);
        check(from, &[from], AnswersTo::Sender);
        check(from, &[us], AnswersTo::Sender);
        check(from, &[station, from], AnswersTo::Sender);
        check(from, &[station], elsewhere(false));
        check(from, &[us, station, station], elsewhere(false));
        check(from, &[outside, station], elsewhere(true));
        check(from, &[station, "labor@hrst.kim.telematik"], elsewhere(true));
        check(from, &[outside], out_of_reach(outside));
        check(from, &["s@hrst.kim.telematik-test"], out_of_reach("s@hrst.kim.telematik-test"));
        check("noreply@hrst.kim.telematik", &[], AnswersTo::Nobody);
        check("do-not-reply@hrst.kim.telematik", &[us], AnswersTo::Nobody);
        check("noreply@hrst.kim.telematik", &[station], elsewhere(false));
        let mut unreadable = letter(&[from], "Befund");
        unreadable.defects = vec![Defect::ReplyToUnreadable];
        assert_eq!(kim().answers_to(&unreadable), AnswersTo::OutOfReach { wanted: None });
        let mut by_fax = letter(&["fax@gateway.example"], "Fax from +49301234567");
        by_fax.reply_to = vec![NamedAddress { name: None, address: mail(station) }];
        assert_eq!(fax().answers_to(&by_fax), AnswersTo::Sender);
    }

    #[test]
    fn kim_26_recipients_are_kim_addresses_of_our_own_environment() {
        let check = |to: &str, expected: Result<(), WhyNot>| {
            let actual = kim().recipient(&Correspondent::Mail(mail(to)));
            assert_eq!(actual, expected.map(|()| mail(to)), "{to}");
        };
        check("erik@hrst_domain.kim.telematik", Ok(()));
        check("erik@kim.telematik", Err(WhyNot::NotKim));
        check("erik@praxis.example", Err(WhyNot::NotKim));
        check("erik@x.kim.telematik.evil.example", Err(WhyNot::NotKim));
        check("erik@evilkim.telematik", Err(WhyNot::NotKim));
        check("e+rik@hrst.kim.telematik", Err(WhyNot::NotKim));
        check("erik@hrst.kim.telematik-test", Err(WhyNot::OtherEnvironment));
    }

    #[test]
    fn kim_23_every_kim_mail_names_its_service_and_its_system() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            kim().extra_headers(),
            [
                ("X-KIM-Dienstkennung".to_owned(), "KIM-Mail;Default;V1.0".to_owned()),
                ("X-KIM-Sendersystem".to_owned(), format!("Umstieg;{version}")),
            ]
        );
        assert_eq!(fax().extra_headers(), []);
    }

    #[test]
    fn kim_25_takes_attachments_and_fax_23_one_pdf() {
        assert_eq!(kim().writes(), Writes::MailWithAttachments);
        assert_eq!(fax().writes(), Writes::OnePdf);
        assert_eq!((kim().pages_max(), fax().pages_max()), (None, Some(FaxProfile::PAGES_MAX)));
        assert_eq!(kim().mail_bytes_max(), 15 * 1024 * 1024);
    }

    #[test]
    fn fax_12_only_the_gateway_brings_faxes() {
        let check = |from: &[&str], expected: Result<Correspondent, WhyNot>| {
            assert_eq!(
                fax().correspondent_of(&letter(from, "Fax from +49301234567")),
                expected,
                "{from:?}"
            );
        };
        let caller = Correspondent::Fax(FaxNumber::new("+49301234567").unwrap());
        check(&["fax@gateway.example"], Ok(caller.clone()));
        check(&["any@lines.example"], Ok(caller));
        check(&["other@gateway.example"], Err(WhyNot::SenderNotAllowed));
        check(&["any@sub.lines.example"], Err(WhyNot::SenderNotAllowed));
        check(&["fax@evil.example"], Err(WhyNot::SenderNotAllowed));
        check(&["fax@gateway.example", "fax@evil.example"], Err(WhyNot::SeveralSenders));
        check(&[], Err(WhyNot::NoSender));
    }

    #[test]
    fn fax_7_and_8_the_subject_tells_the_caller_in_one_form() {
        let check = |subject: &str, expected: Option<&str>| {
            let expected = expected.map_or(Correspondent::UnknownFax, |number| {
                Correspondent::Fax(FaxNumber::new(number).unwrap())
            });
            let actual = fax().correspondent_of(&letter(&["fax@gateway.example"], subject));
            assert_eq!(actual, Ok(expected), "{subject}");
        };
        for notation in [
            "+49301234567",
            "49301234567",
            "0049301234567",
            "0301234567",
            "+49 30 123 45 67",
            "+49 (0)30 1234567",
            "030/123-4567",
            "(030) 1234567",
        ] {
            check(&format!("Fax from {notation}"), Some("+49301234567"));
        }
        check("Fax received from \"030 1234567\"", Some("+49301234567"));
        check("Fax empfangen von +49 30 1234567", Some("+49301234567"));
        check("Neues Fax von: 030 1234567", Some("+49301234567"));
        check("New fax from: \"Praxis\" <0301234567>", Some("+49301234567"));
        check("Fax von Dr. Erik Muster (0301234567)", Some("+49301234567"));
        check("FAX FROM  +43 1 5010 0", Some("+43150100"));
        check("Fax received from \"\"", None);
        check("Fax received from \"Praxis Dr Mueller\"", None);
        check("Fax from anonymous", None);
        check("Fax from <NONE>", None);
        check("Fax from <UNSPECIFIED>", None);
        check("Fax from 110", None);
        check("Fax from 1234567", None);
        check("Fax from +49301234567 +49301234568", None);
        check("Sie haben Post", None);
        check("", None);
    }

    #[test]
    fn fax_25_a_number_is_checked_before_it_is_dialled() {
        let check = |number: &str, expected: Result<&str, WhyNot>| {
            let to = Correspondent::Fax(FaxNumber::new(number).unwrap());
            assert_eq!(fax().recipient(&to), expected.map(mail), "{number}");
        };
        check("+49301234567", Ok("49301234567@gateway.example"));
        check("+4911011011", Err(WhyNot::ShortNumber));
        check("+49116117", Err(WhyNot::ShortNumber));
        check("+499001234567", Err(WhyNot::PremiumNumber));
        check("+43150100", Err(WhyNot::OtherCountry));
        check("+999123456789", Err(WhyNot::NoSuchNumber));
        assert_eq!(fax().recipient(&Correspondent::UnknownFax), Err(WhyNot::UnknownNumber));
    }

    #[test]
    fn a_channel_writes_only_to_its_own_kind() {
        let number = Correspondent::Fax(FaxNumber::new("+49301234567").unwrap());
        let address = Correspondent::Mail(mail("erik@hrst.kim.telematik"));
        assert_eq!(kim().recipient(&number), Err(WhyNot::OtherKind));
        assert_eq!(kim().recipient(&Correspondent::UnknownFax), Err(WhyNot::OtherKind));
        assert_eq!(fax().recipient(&address), Err(WhyNot::OtherKind));
    }

    #[test]
    fn a_channel_does_not_print_whom_it_names() {
        assert_eq!(format!("{:?}", kim()), "Channel(test, kim)");
    }

    #[test]
    fn only_speakers_speak() {
        assert!(kim().lets_speak("@anna:praxis.example"));
        assert!(!kim().lets_speak("@berta:praxis.example"));
        assert!(!kim().lets_speak(""));
    }
}
