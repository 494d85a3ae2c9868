//! What a channel is: KIM and every fax gateway as data and small functions.
//!
//! Pure. The flows ask a channel who wrote a letter, where an answer goes, which headers a mail of
//! this channel carries and how large it may be; this is the only place for the differences between
//! KIM and fax. What a Dienstkennung means is in `service`, further gateways are further files in
//! `profiles/`.

mod entrance;
mod fax;
mod kim;
mod kim_user;
mod number;
mod refused;
mod rights;
mod service;
#[cfg(test)]
mod tests;
mod why_not;

use std::{fmt, time::Duration};

pub use entrance::{
    DeliveryProof, Entrance, EntranceAddress, EntranceLogin, entrance_for, subaddress_of,
};
pub use fax::{
    Blank, DocumentNumber, FAX_ID_DOMAIN, FaxArrived, FaxForm, FaxFormAbout, FaxFormError, FaxMail,
    FaxMissed, FaxMissedCall, FaxOrder, FaxProfile, FaxReason, FaxReceived, FaxReportForm,
    FaxReportSays, FaxReports, FaxSaid, FaxSend, FaxSends, FromSays, KnownFrom, PROFILE_BYTES_MAX,
    SenderRule, SenderRuleError, Template, TemplateError, proposed_profile, tag_of,
};
pub use kim::{KimEnvironment, KimProfile, KimSystems, LargeMails, Receipts};
pub use kim_user::{KimCallContext, KimServerPart, KimUserForm};
pub use number::{AreaCode, AreaCodeError, Country, CountryError, Home};
pub use rights::{Entitled, Rights};
pub use service::{MailboxUse, ServiceClass, ServiceClasses, ServiceRowError};
pub use why_not::WhyNot;

use crate::model::{
    ChannelKind, ChannelName, Correspondent, Defect, Envelope, FaxNumber, Language, Letter,
    MailAddress, MessageId, OpeningHours, ServiceId, Trust,
};
use fax::Caller;

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
    /// Who of the speakers may do more than answer.
    pub rights: Rights,
    /// Whether a speaker may let an insured person in, one in each room (TIM-18).
    pub insured_persons: bool,
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
    /// Whether the team has a room for the channel itself from the start, and not only once there is
    /// something to tell of it.
    pub has_team_room: bool,
    pub tray: TrayProfile,
    pub dialect: Dialect,
}

/// What the team is told in the channel's own room of letters that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayProfile {
    /// Whether each letter that opens a conversation is told of there.
    pub announce: bool,
    /// How long something waits before the team is reminded of it; never without.
    pub remind_after: Option<Duration>,
    /// When the team is reminded; always without.
    pub hours: Option<OpeningHours>,
}

impl Default for TrayProfile {
    /// One short line for each conversation, in a room that sends no push: a front desk looks there first.
    fn default() -> Self {
        Self { announce: true, remind_after: None, hours: None }
    }
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

impl Channel {
    pub fn kind(&self) -> ChannelKind {
        match self.dialect {
            Dialect::Kim(_) => ChannelKind::Kim,
            Dialect::Fax(_) => ChannelKind::Fax,
        }
    }

    /// The fax line; nothing on other channels.
    pub fn fax(&self) -> Option<&FaxProfile> {
        match &self.dialect {
            Dialect::Kim(_) => None,
            Dialect::Fax(profile) => Some(profile),
        }
    }

    /// What makes one conversation with a correspondent. Faxes without a number have one room on each line,
    /// whatever the settings say: nothing can be answered there, so no answer can go wrong.
    pub fn gathers(&self, correspondent: &Correspondent) -> ThreadBy {
        match correspondent {
            Correspondent::UnknownFax => ThreadBy::Correspondent,
            _ => self.thread_by,
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
        match self.fax()?.caller(sender_of(letter).ok()?, letter).ok()? {
            Caller::Claimed(number) => Some(CallerDoubt::Claimed(number)),
            Caller::Differs { caller, station } => Some(CallerDoubt::Differs { caller, station }),
            Caller::Sure(_) | Caller::Unknown => None,
        }
    }

    /// Whether faxes leave here; nothing on a channel that sends none.
    pub fn fax_send(&self) -> Option<FaxSend> {
        self.fax().map(|fax| fax.send)
    }

    /// Whether a machine reads the faxes that come here (FAX-10).
    pub fn reads_faxes(&self) -> bool {
        self.fax().is_some_and(|fax| fax.showing.is_read)
    }

    /// The fax number that a person means; nothing if it is none, and on other channels.
    pub fn typed_number(&self, raw: &str) -> Option<FaxNumber> {
        self.fax()?.home().number(raw.trim())
    }

    /// Our own fax number, as it stands on paper.
    pub fn own_number(&self) -> Option<String> {
        self.fax().map(|fax| number_shown(&fax.number))
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
            Dialect::Fax(profile) => profile.report_wait(),
        }
    }

    /// What a mail of a fax gateway is; nothing on other channels.
    pub fn fax_mail(&self, letter: &Letter) -> Option<FaxMail> {
        self.fax().map(|fax| fax.mail(letter))
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

    /// What the mail that brings a fax to its gateway says besides its document; nothing on other
    /// channels, and without a number.
    pub fn fax_order(&self, correspondent: &Correspondent, id: &MessageId) -> Option<FaxOrder> {
        Some(self.fax()?.order(correspondent.number()?, &self.address, id))
    }

    /// The parties of a dispatch's mail, and by what its reports shall name it.
    pub fn envelope(&self, to: MailAddress, id: &MessageId) -> Envelope {
        let envelope = Envelope::new(self.address.clone(), to);
        match &self.dialect {
            Dialect::Kim(_) => envelope,
            Dialect::Fax(profile) => Envelope {
                sender: profile.envelope_sender(&self.address, id),
                id: Some(id.clone()),
                // That the gateway has the mail, its own report says, and better.
                wants_success: false,
                ..envelope
            },
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
        self.fax().map(|fax| fax.pages_max)
    }
}

/// A fax number as people group it, with its country: `+49 30 23125999 (DE)`.
pub fn number_shown(number: &FaxNumber) -> String {
    number::shown(number)
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
