//! Every sentence a person reads, in German and English: in a room (`Phrase`), and as an admin
//! (`AdminPhrase`).
//!
//! The sentences are in `phrases/*.ftl` (Fluent); here is what each needs to know. Pure: times and the
//! language are arguments, and times are shown as clocks in Germany show them.

mod admin;
mod admin_of_values;
mod fax_admin_phrase;
mod fax_phrase;
mod fluent_files;
mod help;
mod insured_phrase;
mod local_time;
mod matter_phrase;
mod move_phrase;
mod name_phrase;
mod page_phrase;
mod parked_what;
mod phrase;
mod read_phrase;
mod receipt_standing;
mod rights_phrase;
mod sending_phrase;
mod sentences;
mod start_phrase;
mod telling;
mod values;

use fluent_bundle::{FluentArgs, FluentValue};
use time::OffsetDateTime;

pub use crate::model::Trouble;
use crate::model::{COMMANDS, Language, in_germany};
pub use admin::AdminPhrase;
pub use fax_admin_phrase::FaxAdminPhrase;
pub use fax_phrase::FaxPhrase;
pub use help::{
    COMMAND_PLACEHOLDER, OPTIONS_PLACEHOLDER, german_help, german_help_ids, german_placeholder,
};
pub use insured_phrase::{InsuredPhrase, InsuredUser};
pub use matter_phrase::{MatterPhrase, MatterWho};
pub use move_phrase::MovePhrase;
pub use name_phrase::NamePhrase;
pub use page_phrase::{CameAt, PageNumbers, PagePhrase, QuotedName};
pub use parked_what::ParkedWhat;
pub use phrase::Phrase;
pub use read_phrase::{PageWords, ReadPhrase};
pub use receipt_standing::ReceiptStanding;
pub use rights_phrase::RightsPhrase;
pub use sending_phrase::{HasText, SendingPhrase};
pub use start_phrase::{DirectorySays, DirectorySentence, MustConfirm, StartPhrase};
pub use telling::{Telling, Tells};

use fluent_files::{FOR_ADMINS, FOR_ROOMS, text_or_errors};
use local_time::{date, day, time_of_day};
use values::{count, moment, one_line, quoted, sign_shown, unseen, whole};

/// Why an edited room message cannot leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditTrouble {
    /// It is of a kind that cannot be transferred.
    Kind,
    /// It leaves nothing of the message.
    Empty,
    Size,
    /// Its author may not speak for the practice any more.
    Speaker,
    /// It came from a device that is not believed.
    Device,
    /// It came unencrypted.
    Clear,
    /// It cannot be decrypted, or is not what it claims to be.
    Broken,
}

impl EditTrouble {
    /// Every trouble.
    pub const ALL: [Self; 7] = [
        Self::Kind,
        Self::Empty,
        Self::Size,
        Self::Speaker,
        Self::Device,
        Self::Clear,
        Self::Broken,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Empty => "empty",
            Self::Size => "size",
            Self::Speaker => "speaker",
            Self::Device => "device",
            Self::Clear => "clear",
            Self::Broken => "broken",
        }
    }
}

/// The sentences.
#[derive(Debug, Clone, Copy)]
pub struct Phrases;

impl Phrases {
    /// Longest text of foreign origin within a sentence, in characters: a server's reply or a
    /// subject is shown, not a novel.
    pub const FOREIGN_TEXT_MAX: usize = 300;

    /// The day that a calendar in Germany shows.
    pub fn day_of(at: OffsetDateTime) -> time::Date {
        in_germany(at).date()
    }

    /// The sentence in this language.
    ///
    /// Never empty: if a sentence is missing, which a test rules out, its id replaces it.
    pub fn say(language: Language, phrase: &Phrase) -> String {
        say_or_errors(language, phrase).0
    }
}

impl AdminPhrase {
    /// The sentence in this language.
    pub fn said(&self, language: Language) -> String {
        let (id, args) = self.id_and_args(language);
        text_or_errors(&FOR_ADMINS, language, id, &args).0
    }
}

fn say_or_errors(language: Language, phrase: &Phrase) -> (String, Vec<String>) {
    let (id, args) = phrase.id_and_args(language);
    text_or_errors(&FOR_ROOMS, language, id, &args)
}

impl Phrase {
    fn id_and_args(&self, language: Language) -> (&'static str, FluentArgs<'static>) {
        let none: [(&str, FluentValue<'static>); 0] = [];
        let plain = |id| (id, none.into_iter().collect());
        let with =
            |id, name, value: FluentValue<'static>| (id, [(name, value)].into_iter().collect());
        let foreign = |text: &str| FluentValue::from(one_line(text));
        let named = |name: &str| FluentValue::from(quoted(name));
        let member = |id, user_id: &str| with(id, "member", foreign(user_id));
        let time = |at: OffsetDateTime| FluentValue::from(time_of_day(at));
        let nested = |said: &Phrase| FluentValue::from(Phrases::say(language, said));
        match self {
            Self::DispatchAcceptedKim { at } => with("dispatch-accepted-kim", "time", time(*at)),
            Self::DispatchAcceptedElsewhere { at, address } => {
                let values = [("time", time(*at)), ("address", foreign(address))];
                ("dispatch-accepted-elsewhere", values.into_iter().collect())
            }
            Self::DispatchAcceptedFax { at } => with("dispatch-accepted-fax", "time", time(*at)),
            Self::DispatchTryLater { trouble, next } => {
                let values = [
                    ("trouble", FluentValue::from(trouble.word())),
                    ("time", time(*next)),
                    ("day", FluentValue::from(day(language, *next))),
                ];
                ("dispatch-try-later", values.into_iter().collect())
            }
            Self::DispatchFailed { trouble, reply } => {
                let reply = one_line(reply);
                let has_reply = if reply.is_empty() { "no" } else { "yes" };
                let values = [
                    ("trouble", FluentValue::from(trouble.word())),
                    ("has-reply", FluentValue::from(has_reply)),
                    ("reply", FluentValue::from(reply)),
                ];
                ("dispatch-failed", values.into_iter().collect())
            }
            Self::DispatchWaitsForAccount => plain("dispatch-waits-for-account"),
            Self::DispatchDelivered { at } => ("dispatch-delivered", moment(language, *at)),
            Self::DispatchRelayed { at } => ("dispatch-relayed", moment(language, *at)),
            Self::DispatchDelayed { at } => ("dispatch-delayed", moment(language, *at)),
            Self::DispatchRead { at } => ("dispatch-read", moment(language, *at)),
            Self::DispatchDiscarded { at } => ("dispatch-discarded", moment(language, *at)),
            Self::DispatchUndelivered { at, why } => {
                let mut values = moment(language, *at);
                values.set("why", FluentValue::from(why.word()));
                ("dispatch-undelivered", values)
            }
            Self::DispatchUnreported { at } => ("dispatch-unreported", moment(language, *at)),
            Self::DispatchContradicted => plain("dispatch-contradicted"),
            Self::DispatchUnclear { at } => with("dispatch-unclear", "time", time(*at)),
            Self::DispatchUnclearInterrupted => plain("dispatch-unclear-interrupted"),
            Self::DispatchUnclearDamaged => plain("dispatch-unclear-damaged"),
            Self::DispatchAfterUnclear { said } => {
                with("dispatch-after-unclear", "said", nested(said))
            }
            Self::DispatchAcceptedAgain { said } => {
                with("dispatch-accepted-again", "said", nested(said))
            }
            Self::DispatchOfReceipt { said } => with("dispatch-of-receipt", "said", nested(said)),
            Self::DispatchInterrupted => plain("dispatch-interrupted"),
            Self::DispatchDamaged => plain("dispatch-damaged"),
            Self::DispatchWithdrawn => plain("dispatch-withdrawn"),
            Self::EditTooLate => plain("edit-too-late"),
            Self::EditUnderWay => plain("edit-under-way"),
            Self::EditInTime => plain("edit-in-time"),
            Self::EditAfterFailure => plain("edit-after-failure"),
            Self::EditUnclear => plain("edit-unclear"),
            Self::EditNextTime => plain("edit-next-time"),
            Self::EditStays { trouble } => {
                with("edit-stays", "trouble", FluentValue::from(trouble.word()))
            }
            Self::EditOfWhatStayed => plain("edit-of-what-stayed"),
            Self::EditWithoutKey => plain("edit-without-key"),
            Self::EditWithoutKeyUnclear => plain("edit-without-key-unclear"),
            Self::EditReadableNow => plain("edit-readable-now"),
            Self::WithdrawalTooLate => plain("withdrawal-too-late"),
            Self::WithdrawalUnderWay => plain("withdrawal-under-way"),
            Self::WithdrawalInTime => plain("withdrawal-in-time"),
            Self::WithdrawalAfterFailure => plain("withdrawal-after-failure"),
            Self::WithdrawalUnclear => plain("withdrawal-unclear"),
            Self::HistoryLost => plain("history-lost"),
            Self::DispatchBeforeGap => plain("dispatch-before-gap"),
            Self::NotASpeaker => plain("not-a-speaker"),
            Self::UnknownFaxNotAnswerable => plain("unknown-fax-not-answerable"),
            Self::CallerNotConfirmed => plain("caller-not-confirmed"),
            Self::AnswerToWithheld => plain("answer-to-withheld"),
            Self::MessageNotTransferable => plain("message-not-transferable"),
            Self::FileNotFaxable { file_name } => {
                with("file-not-faxable", "file", named(file_name))
            }
            Self::FileTooCostly { file_name } => {
                with("file-too-costly", "file", foreign(file_name))
            }
            Self::MessageTooLarge { limit_mib } => {
                with("message-too-large", "limit", whole(*limit_mib))
            }
            Self::LargeMailNotTaken { why, limit_mib } => {
                let values = [("why", FluentValue::from(why.word())), ("limit", whole(*limit_mib))];
                ("large-mail-not-taken", values.into_iter().collect())
            }
            Self::AddressVanished => plain("address-vanished"),
            Self::FaxSignsMissing { signs } => {
                let shown: Vec<String> = signs.iter().map(|sign| sign_shown(*sign)).collect();
                with("fax-signs-missing", "signs", foreign(&shown.join(" ")))
            }
            Self::FaxTooLong { pages, pages_max } => {
                let values = [("pages", whole(*pages)), ("limit", whole(*pages_max))];
                ("fax-too-long", values.into_iter().collect())
            }
            Self::NoCorrespondentAddress => plain("no-correspondent-address"),
            Self::NotAKimAddress => plain("not-a-kim-address"),
            Self::OtherKimEnvironment => plain("other-kim-environment"),
            Self::OfFax(fax) => fax.id_and_args(language),
            Self::OfSending(said) => said.id_and_args(language),
            Self::OfMatter(said) => said.id_and_args(language),
            Self::OfName(said) => said.id_and_args(language),
            Self::OfMove(said) => said.id_and_args(language),
            Self::OfRights(said) => said.id_and_args(language),
            Self::OfInsured(said) => said.id_and_args(language),
            Self::OfStart(said) => said.id_and_args(language),
            Self::OfDirectory(said) => said.id_and_args(language),
            Self::FileLost { file_name } => with("file-lost", "file", named(file_name)),
            Self::AccountTrouble { side, trouble, is_kim } => {
                let values = [
                    ("side", FluentValue::from(side.word())),
                    ("trouble", FluentValue::from(trouble.word())),
                    ("kim", FluentValue::from(if *is_kim { "yes" } else { "no" })),
                ];
                ("account-trouble", values.into_iter().collect())
            }
            Self::AccountWorks { side } => {
                with("account-works", "side", FluentValue::from(side.word()))
            }
            Self::ScannerAway => plain("scanner-away"),
            Self::ScannerWorks => plain("scanner-works"),
            Self::LetterInfected { virus, files } => {
                let values = [("virus", foreign(virus)), ("files", count(*files))];
                ("letter-infected", values.into_iter().collect())
            }
            Self::FileInfected { file_name, virus } => {
                let values = [("file", named(file_name)), ("virus", foreign(virus))];
                ("file-infected", values.into_iter().collect())
            }
            Self::FileUnscanned { file_name } => with("file-unscanned", "file", named(file_name)),
            Self::FilePassed { file_name } => with("file-passed", "file", named(file_name)),
            Self::NoSender => plain("no-sender"),
            Self::SeveralSenders => plain("several-senders"),
            Self::LetterDefects => plain("letter-defects"),
            Self::LetterMarkup => plain("letter-markup"),
            Self::LetterNotAMail => plain("letter-not-a-mail"),
            Self::LetterHeadCut => plain("letter-head-cut"),
            Self::LetterCut => plain("letter-cut"),
            Self::LetterPartsLeftOut => plain("letter-parts-left-out"),
            Self::LetterStructure => plain("letter-structure"),
            Self::LetterRenderings => plain("letter-renderings"),
            Self::LetterSignatureUnchecked => plain("letter-signature-unchecked"),
            Self::LetterEncrypted => plain("letter-encrypted"),
            Self::LetterUnopened => plain("letter-unopened"),
            Self::LetterPartial => plain("letter-partial"),
            Self::LetterElsewhere => plain("letter-elsewhere"),
            Self::UnknownThread => plain("unknown-thread"),
            Self::AutomaticLetter { is_report } => {
                let report = if *is_report { "yes" } else { "no" };
                with("automatic-letter", "report", FluentValue::from(report))
            }
            Self::AutomaticNote { sender, says_absent, again } => {
                let absent = if *says_absent { "yes" } else { "no" };
                let values = [
                    ("sender", foreign(sender)),
                    ("absent", FluentValue::from(absent)),
                    ("again", count(*again)),
                ];
                ("automatic-note", values.into_iter().collect())
            }
            Self::AnswersGoElsewhere { address, has_more } => {
                let more = if *has_more { "yes" } else { "no" };
                let values = [("address", foreign(address)), ("more", FluentValue::from(more))];
                ("answers-go-elsewhere", values.into_iter().collect())
            }
            Self::AnswersWantedElsewhere { address } => {
                let is_readable = if address.is_some() { "yes" } else { "no" };
                let address = address.as_deref().unwrap_or_default();
                let values =
                    [("readable", FluentValue::from(is_readable)), ("address", foreign(address))];
                ("answers-wanted-elsewhere", values.into_iter().collect())
            }
            Self::SenderReadsNoAnswers => plain("sender-reads-no-answers"),
            Self::LetterOwn => plain("letter-own"),
            Self::LetterSentBy { address: None } => plain("letter-sent-by-unknown"),
            Self::LetterSentBy { address: Some(address) } => {
                ("letter-sent-by", [("address", foreign(address))].into_iter().collect())
            }
            Self::ReportCame { from, is_earlier } => {
                let earlier = ("earlier", FluentValue::from(i32::from(*is_earlier)));
                match from {
                    None => ("report-came-from-nobody", [earlier].into_iter().collect()),
                    Some(address) => {
                        let address = ("address", foreign(address));
                        ("report-came", [address, earlier].into_iter().collect())
                    }
                }
            }
            Self::FaxNumberClaimed { number } => {
                with("fax-number-claimed", "number", foreign(number))
            }
            Self::FaxNumbersDiffer { number, station } => {
                let values = [("number", foreign(number)), ("station", foreign(station))];
                ("fax-numbers-differ", values.into_iter().collect())
            }
            Self::LetterUrgent => plain("letter-urgent"),
            Self::LetterWritten { at } => {
                let values = [("day", FluentValue::from(date(language, *at))), ("time", time(*at))];
                ("letter-written", values.into_iter().collect())
            }
            Self::LetterAlsoTo { who, more } => {
                // Each is cut separately: none may hide the ones after it.
                let who: Vec<String> = who.iter().map(|one| one_line(one)).collect();
                let values = [("who", FluentValue::from(who.join(", "))), ("more", count(*more))];
                ("letter-also-to", values.into_iter().collect())
            }
            Self::LetterAsksReceipt { can_send: true } => plain("letter-asks-receipt"),
            Self::LetterAsksReceipt { can_send: false } => plain("letter-asks-receipt-in-vain"),
            Self::LetterUnknownFields { fields, more } => {
                // Each is cut separately: none may hide the ones after it.
                let field = |(name, value): &(String, String)| {
                    format!("{}: {}", one_line(name), one_line(value))
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                let fields = FluentValue::from(fields.join("; "));
                let values = [("fields", fields), ("more", count(*more))];
                ("letter-unknown-fields", values.into_iter().collect())
            }
            Self::LetterTooLarge { limit_mib } => {
                with("letter-too-large", "limit", whole(*limit_mib))
            }
            Self::LetterOutOfReach => plain("letter-out-of-reach"),
            Self::LetterUndecrypted { trouble, sender, at } => {
                ("letter-undecrypted", unseen(language, trouble.word(), sender.as_deref(), *at))
            }
            Self::LetterDecrypted { sender, at } => {
                ("letter-decrypted", unseen(language, "decrypted", sender.as_deref(), *at))
            }
            Self::LetterWithheld { doubt, sender, at } => {
                ("letter-withheld", unseen(language, doubt.word(), sender.as_deref(), *at))
            }
            Self::LetterReleased { doubt } => {
                with("letter-released", "why", FluentValue::from(doubt.word()))
            }
            Self::LetterUnconfirmed => plain("letter-unconfirmed"),
            Self::LetterChecked { has_report } => {
                let report = if *has_report { "yes" } else { "no" };
                with("letter-checked", "report", FluentValue::from(report))
            }
            Self::LetterForMachines { service, application } => {
                let values = [
                    ("service", foreign(service)),
                    ("application", foreign(&format!("app-{application}"))),
                ];
                ("letter-for-machines", values.into_iter().collect())
            }
            Self::LetterServiceUnknown { service } => {
                let service = service.as_deref().map_or("none".into(), foreign);
                with("letter-service-unknown", "service", service)
            }
            Self::MailOutOfReach => plain("mail-out-of-reach"),
            Self::MailTooLarge { limit_mib } => with("mail-too-large", "limit", whole(*limit_mib)),
            Self::MessageWithoutKey => plain("message-without-key"),
            Self::MessageBeforeCopy => plain("message-before-copy"),
            Self::MessageBeforeKeys => plain("message-before-keys"),
            Self::MessageReadableNow => plain("message-readable-now"),
            Self::MessageReadableStays => plain("message-readable-stays"),
            Self::CommandReadableNow => plain("command-readable-now"),
            Self::MessageNotBelieved => plain("message-not-believed"),
            Self::MessageOfOtherIdentity => plain("message-of-other-identity"),
            Self::MessageBroken => plain("message-broken"),
            Self::MessageNotEncrypted => plain("message-not-encrypted"),
            Self::FileNotEncrypted => plain("file-not-encrypted"),
            Self::MemberLockedOut { user_id } => member("member-locked-out", user_id),
            Self::IdentityChanged { user_id } => member("identity-changed", user_id),
            Self::StrangersMany => plain("strangers-many"),
            Self::StrangerPresent { user_id } => member("stranger-present", user_id),
            Self::MemberNotRemoved { user_id } => member("member-not-removed", user_id),
            Self::MemberAskedAnew { user_id } => member("member-asked-anew", user_id),
            Self::MemberUnknown { user_id } => member("member-unknown", user_id),
            Self::MemberNotInvited { user_id } => member("member-not-invited", user_id),
            Self::LettersMissed { user_id, letters } => {
                let values = [("member", foreign(user_id)), ("letters", count(*letters))];
                ("letters-missed", values.into_iter().collect())
            }
            Self::LettersAgain => plain("letters-again"),
            Self::RoomNotEncrypted => plain("room-not-encrypted"),
            Self::ContinuesOlderRoom => plain("continues-older-room"),
            Self::RoomUpgraded => plain("room-upgraded"),
            Self::Parked { what } => with("parked", "what", FluentValue::from(what.word())),
            Self::CommandsHelp => {
                let lines = COMMANDS.iter().map(|row| {
                    let does = Phrases::say(language, &Phrase::CommandDoes(row));
                    format!("{} – {does}", row.usage(language))
                });
                let commands = lines.collect::<Vec<_>>().join("\n");
                with("commands-help", "commands", FluentValue::from(commands))
            }
            Self::CommandDoes(row) => plain(row.help),
            Self::UnknownCommand { command } => {
                with("unknown-command", "command", foreign(command))
            }
            Self::OriginalFollows => plain("original-follows"),
            Self::OriginalMissing => plain("original-missing"),
            Self::RetryQueued => plain("retry-queued"),
            Self::RetryNothing => plain("retry-nothing"),
            Self::RetryMayDouble => plain("retry-may-double"),
            Self::MemberUnclear => plain("member-unclear"),
            Self::MemberOfTeam { user_id } => member("member-of-team", user_id),
            Self::MemberAdmitted { user_id } => member("member-admitted", user_id),
            Self::MemberHereAlready { user_id } => member("member-here-already", user_id),
            Self::MemberDismissed { user_id } => member("member-dismissed", user_id),
            Self::MemberNotAdmitted { user_id } => member("member-not-admitted", user_id),
            Self::TrustConfirmed { user_id } => member("trust-confirmed", user_id),
            Self::TrustNothing { user_id } => member("trust-nothing", user_id),
            Self::TrustNotYourself => plain("trust-not-yourself"),
            Self::TrustNotAsked => plain("trust-not-asked"),
            Self::CallerConfirmed => plain("caller-confirmed"),
            Self::NothingToConfirm => plain("nothing-to-confirm"),
            Self::NothingToRelease => plain("nothing-to-release"),
            Self::ReleaseAnswersWarning => plain("release-answers-warning"),
            Self::ReleasedBy { user_id } => member("released-by", user_id),
            Self::OriginalInfected { virus } => with("original-infected", "virus", foreign(virus)),
            Self::OriginalUnscanned => plain("original-unscanned"),
            Self::OriginalWithheld => plain("original-withheld"),
            Self::ReceiptNotAsked => plain("receipt-not-asked"),
            Self::ReceiptAsked { user_id } => member("receipt-asked", user_id),
            Self::ReceiptBefore { user_id, standing } => {
                let standing = FluentValue::from(standing.word());
                let values = [("member", foreign(user_id)), ("standing", standing)];
                ("receipt-before", values.into_iter().collect())
            }
            Self::ReceiptSubject { subject } => {
                with("receipt-subject", "subject", foreign(subject))
            }
            Self::ReceiptWords => plain("receipt-words"),
            Self::TrayName { label } => with("tray-name", "label", foreign(label)),
            Self::RoomName { label, number } => {
                let values = [("label", foreign(label)), ("number", whole(*number))];
                ("room-name", values.into_iter().collect())
            }
            Self::GhostKim { name } => with("ghost-kim", "name", foreign(name)),
            Self::GhostFax { number } => with("ghost-fax", "number", foreign(number)),
            Self::GhostClaimedFax { number } => {
                with("ghost-claimed-fax", "number", foreign(number))
            }
            Self::GhostUnknownFax => plain("ghost-unknown-fax"),
            Self::GhostUnknownKim => plain("ghost-unknown-kim"),
            Self::FaxFrom => plain("fax-from"),
            Self::FaxTo => plain("fax-to"),
            Self::FaxDate => plain("fax-date"),
            Self::FaxSubject => plain("fax-subject"),
            Self::FaxPage => plain("fax-page"),
            Self::OfPages(said) => said.id_and_args(language),
            Self::OfReading(said) => said.id_and_args(language),
            Self::FaxMoment { at } => {
                // Paper is filed, and read years later: its day has the year.
                let mut args = moment(language, *at);
                args.set("day", date(language, *at));
                ("fax-moment", args)
            }
            Self::CheckHeading => plain("check-heading"),
            Self::CheckOk => plain("check-ok"),
            Self::CheckWarn => plain("check-warn"),
            Self::CheckFail => plain("check-fail"),
            Self::CheckAdvice => plain("check-advice"),
            Self::CheckAllWell => plain("check-all-well"),
            Self::CheckNotWell { failures, warnings } => {
                let values = [("failures", count(*failures)), ("warnings", count(*warnings))];
                ("check-not-well", values.into_iter().collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
