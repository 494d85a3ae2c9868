//! Every sentence a person reads in a room, in German and English.
//!
//! The sentences stand in `phrases/de.ftl` and `phrases/en.ftl` (Fluent); here stands what each
//! needs to know. Pure: times come in, and are shown as clocks in Germany show them.

mod local_time;

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use time::OffsetDateTime;
use unic_langid::LanguageIdentifier;

pub use crate::model::Trouble;
use crate::model::{Language, Substance};
use local_time::in_germany;

/// A sentence with what it needs to know. Texts of foreign origin are cut and put on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phrase {
    // What becomes of a dispatch: one notice in the room, edited as the state moves on.
    DispatchAcceptedKim {
        at: OffsetDateTime,
    },
    /// To the address at which the letter's sender wants answers.
    DispatchAcceptedElsewhere {
        at: OffsetDateTime,
        address: String,
    },
    DispatchAcceptedFax {
        at: OffsetDateTime,
    },
    DispatchTryLater {
        trouble: Trouble,
        next: OffsetDateTime,
    },
    DispatchFailed {
        trouble: Trouble,
        reply: String,
    },
    /// Nobody logs in for now, because a login of its account was refused.
    DispatchWaitsForAccount,
    DispatchUnclear {
        at: OffsetDateTime,
    },
    /// The gateway itself ended while it may have been on its way.
    DispatchUnclearInterrupted,
    /// What was kept of it cannot be read any more, and it may have been on its way.
    DispatchUnclearDamaged,
    /// What is said of a dispatch of which an earlier attempt may have arrived.
    DispatchAfterUnclear {
        said: Box<Phrase>,
    },
    /// The same, of one that was handed over.
    DispatchAcceptedAgain {
        said: Box<Phrase>,
    },
    /// The gateway ended in the middle of each attempt.
    DispatchInterrupted,
    /// What was kept of it cannot be read any more.
    DispatchDamaged,
    DispatchWithdrawn,
    /// A room message was edited after its dispatch had left.
    EditTooLate,
    /// A room message was edited while its dispatch was under way; what became of it follows.
    EditUnderWay,
    /// The attempt under way failed: what leaves next says the newer words.
    EditInTime,
    /// A room message was edited after its dispatch had failed.
    EditAfterFailure,
    /// A room message was edited, and nobody knows whether its dispatch had arrived.
    EditUnclear,
    /// The same, and it is being tried once more: with the newer words.
    EditNextTime,
    /// What an edit made of a room message cannot leave; the message does not either.
    EditStays {
        trouble: EditTrouble,
    },
    /// A room message was edited that had not left and never will.
    EditOfWhatStayed,
    /// The key of an edit has not come for a while; the message does not leave as it was.
    EditWithoutKey,
    /// The same, and the earlier version may have arrived at an earlier attempt.
    EditWithoutKeyUnclear,
    /// The key of an edit came after all.
    EditReadableNow,
    /// A room message was redacted after its dispatch had left.
    WithdrawalTooLate,
    /// A room message was redacted while its dispatch was under way; what became of it follows.
    WithdrawalUnderWay,
    /// The attempt under way failed: nothing of the message leaves.
    WithdrawalInTime,
    /// A room message was redacted after its dispatch had failed.
    WithdrawalAfterFailure,
    /// A room message was redacted, and nobody knows whether its dispatch had arrived.
    WithdrawalUnclear,
    /// A part of what was said in the room could not be heard.
    HistoryLost,
    /// A dispatch that had not left when a part of the room's history was lost.
    DispatchBeforeGap,

    // Why a room message does not leave.
    NotASpeaker,
    UnknownFaxNotAnswerable,
    /// Where the fax came from is not sure, and nobody has confirmed the number.
    CallerNotConfirmed,
    MessageNotTransferable,
    FileNotFaxable {
        file_name: String,
    },
    /// Opening it took too much memory or time, or broke what opened it.
    FileTooCostly {
        file_name: String,
    },
    MessageTooLarge {
        limit_mib: u64,
    },
    /// The text holds signs that cannot be printed.
    FaxSignsMissing {
        signs: Vec<char>,
    },
    FaxTooLong {
        pages: u64,
        pages_max: u64,
    },
    NoCorrespondentAddress,
    NotAKimAddress,
    OtherKimEnvironment,
    NumberNotDialable,
    FileLost {
        file_name: String,
    },
    /// Its key has not come for a while.
    MessageWithoutKey,
    /// It was written before the gateway was given the keys it reads with now: the database was
    /// restored, or the homeserver lost them. It may have been passed on before.
    MessageBeforeKeys,
    /// It was written before the database was restored, and may have been passed on.
    MessageBeforeCopy,
    /// Its key came after all.
    MessageReadableNow,
    /// Its key came after all, and it does not leave.
    MessageReadableStays,
    /// The same of a command.
    CommandReadableNow,
    /// Nobody can say that its sender wrote it.
    MessageNotBelieved,
    /// Its sender has another identity than the one that is known, and nobody has confirmed it.
    MessageOfOtherIdentity,
    /// It was altered on its way, or never readable.
    MessageBroken,
    /// It was said in the clear in a room whose members encrypt.
    MessageNotEncrypted,
    /// It names a file in the clear where files have to be encrypted.
    FileNotEncrypted,
    /// None of a member's devices is signed: it reads what the gateway says, and no letter.
    MemberLockedOut {
        user_id: String,
    },

    // Who reads in a room, and whom it believes.
    /// A member has another identity than before.
    IdentityChanged {
        user_id: String,
    },
    /// Somebody is in the room whom neither the settings nor a speaker know.
    StrangersMany,
    StrangerPresent {
        user_id: String,
    },
    /// Somebody no longer belongs to the room, and the bot may not remove them.
    MemberNotRemoved {
        user_id: String,
    },
    /// The homeserver does not know whom a speaker let in.
    /// The database was restored: whether it was sent out since is not known.
    MemberAskedAnew {
        user_id: String,
    },
    MemberUnknown {
        user_id: String,
    },
    /// Whom a speaker let in nobody can invite.
    MemberNotInvited {
        user_id: String,
    },
    /// Somebody reads from now on, and not what came before.
    LettersMissed {
        user_id: String,
        letters: u64,
    },
    /// What nobody could read follows once more.
    LettersAgain,

    // What came with a letter.
    NoSender,
    SeveralSenders,
    /// Characters that could not be read, or read only as well as possible.
    LetterDefects,
    LetterMarkup,
    /// What came is no mail.
    LetterNotAMail,
    /// Its head was too long to be read to the end.
    LetterHeadCut,
    LetterCut,
    /// It has more parts than are read.
    LetterPartsLeftOut,
    /// Where its text begins and ends was a guess.
    LetterStructure,
    /// Two versions of its text differ.
    LetterRenderings,
    /// It came within a signature.
    LetterSignatureUnchecked,
    LetterEncrypted,
    /// Some of it is in a file that is not opened here.
    LetterUnopened,
    /// It is one part of a longer one.
    LetterPartial,
    /// Some of it was not sent with it.
    LetterElsewhere,
    UnknownThread,
    AutomaticLetter,
    /// Its sender wants answers there; that is where they go. It named others as well.
    AnswersGoElsewhere {
        address: String,
        has_more: bool,
    },
    /// Its sender wants answers where none can go.
    AnswersWantedElsewhere {
        address: Option<String>,
    },
    SenderReadsNoAnswers,
    /// Another account sent it than the one it is from; nothing when that cannot be read.
    LetterSentBy {
        address: Option<String>,
    },
    /// Only the fax machine says that it has this number.
    FaxNumberClaimed {
        number: String,
    },
    /// The gateway says one number and the fax machine another.
    FaxNumbersDiffer {
        number: String,
        station: String,
    },
    // Lines above its words.
    LetterUrgent,
    LetterWritten {
        at: OffsetDateTime,
    },
    LetterAlsoTo {
        who: Vec<String>,
        more: u64,
    },
    LetterTooLarge {
        limit_mib: u64,
    },
    /// It could not be fetched in several tries; here is its head.
    LetterOutOfReach,
    /// The Clientmodul could not decrypt it; fetching is tried again.
    LetterUndecrypted,
    /// A mail could not be fetched in several tries, and nothing is known of it.
    MailOutOfReach,
    /// The same for a mail that is too large.
    MailTooLarge {
        limit_mib: u64,
    },

    // What happened to the room.
    RoomNotEncrypted,
    ContinuesOlderRoom,
    RoomUpgraded,
    /// Something of this portal waits for a person at the command line.
    Parked {
        what: ParkedWhat,
    },

    // Commands.
    CommandsHelp,
    UnknownCommand {
        command: String,
    },
    OriginalFollows,
    OriginalMissing,
    RetryQueued,
    RetryNothing,
    RetryMayDouble,
    /// A command that means a person names none, or several.
    MemberUnclear,
    MemberOfTeam {
        user_id: String,
    },
    MemberAdmitted {
        user_id: String,
    },
    MemberHereAlready {
        user_id: String,
    },
    MemberDismissed {
        user_id: String,
    },
    MemberNotAdmitted {
        user_id: String,
    },
    TrustConfirmed {
        user_id: String,
    },
    TrustNothing {
        user_id: String,
    },
    TrustNotYourself,
    /// The channel believes every device of its members.
    TrustNotAsked,
    CallerConfirmed,
    NothingToConfirm,

    // Names.
    RoomName {
        label: String,
        number: u64,
    },
    GhostKim {
        name: String,
    },
    GhostFax {
        number: String,
    },
    GhostClaimedFax {
        number: String,
    },
    GhostUnknownFax,
    GhostUnknownKim,

    // What is printed on a fax.
    FaxFrom,
    FaxTo,
    FaxDate,
    FaxSubject,
    FaxPage,
    FaxMoment {
        at: OffsetDateTime,
    },

    // The table of `umstieg check`.
    CheckHeading,
    CheckOk,
    CheckWarn,
    CheckFail,
    CheckAdvice,
    CheckAllWell,
    CheckNotWell {
        failures: u64,
        warnings: u64,
    },
}

/// Why what an edit made of a room message cannot leave.
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

/// What was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedWhat {
    Letter,
    Post,
    Dispatch,
    Event,
}

impl ParkedWhat {
    fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Post => "post",
            Self::Dispatch => "dispatch",
            Self::Event => "event",
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
    /// Never empty: should a sentence be missing, which a test rules out, its id stands in.
    pub fn say(language: Language, phrase: &Phrase) -> String {
        say_or_errors(language, phrase).0
    }
}

fn say_or_errors(language: Language, phrase: &Phrase) -> (String, Vec<String>) {
    let (id, args) = phrase.id_and_args(language);
    let bundle = match language {
        Language::German => &*GERMAN,
        Language::English => &*ENGLISH,
    };
    let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
        return (id.to_owned(), vec![format!("{id} is missing")]);
    };
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
    (text, errors.iter().map(ToString::to_string).collect())
}

static GERMAN: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::German, include_str!("phrases/de.ftl")));

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::English, include_str!("phrases/en.ftl")));

/// What is wrong in a file of sentences shows as missing sentences, and in the tests.
fn bundle(language: Language, source: &str) -> FluentBundle<FluentResource> {
    // It chooses the plural rules; both words are well-formed.
    let locale = language.word().parse::<LanguageIdentifier>().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Marks around inserted texts would end up in mails and file names.
    bundle.set_use_isolating(false);
    let resource = match FluentResource::try_new(source.to_owned()) {
        Ok(resource) => resource,
        Err((readable, _)) => readable,
    };
    bundle.add_resource_overriding(resource);
    bundle
}

impl Phrase {
    /// What a sentence holds once it is said in a portal: what people wrote or named is content.
    ///
    /// A server's reply to a failed dispatch counts as a word: it speaks about an address that the
    /// room bears anyway, and whoever reads that an answer waits has to read that it failed.
    pub fn substance(&self) -> Substance {
        match self {
            Self::DispatchAcceptedElsewhere { .. }
            | Self::AnswersGoElsewhere { .. }
            | Self::AnswersWantedElsewhere { address: Some(_) }
            | Self::LetterSentBy { address: Some(_) }
            | Self::FaxNumbersDiffer { .. }
            | Self::LetterAlsoTo { .. }
            | Self::FileNotFaxable { .. }
            | Self::FaxSignsMissing { .. }
            | Self::FileTooCostly { .. }
            | Self::FileLost { .. }
            | Self::UnknownCommand { .. } => Substance::Content,
            Self::DispatchAfterUnclear { said } | Self::DispatchAcceptedAgain { said } => {
                said.substance()
            }
            _ => Substance::Word,
        }
    }

    fn id_and_args(&self, language: Language) -> (&'static str, FluentArgs<'static>) {
        let none: [(&str, FluentValue<'static>); 0] = [];
        let plain = |id| (id, none.into_iter().collect());
        let with =
            |id, name, value: FluentValue<'static>| (id, [(name, value)].into_iter().collect());
        let foreign = |text: &str| FluentValue::from(one_line(text));
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
            Self::DispatchUnclear { at } => with("dispatch-unclear", "time", time(*at)),
            Self::DispatchUnclearInterrupted => plain("dispatch-unclear-interrupted"),
            Self::DispatchUnclearDamaged => plain("dispatch-unclear-damaged"),
            Self::DispatchAfterUnclear { said } => {
                with("dispatch-after-unclear", "said", nested(said))
            }
            Self::DispatchAcceptedAgain { said } => {
                with("dispatch-accepted-again", "said", nested(said))
            }
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
            Self::MessageNotTransferable => plain("message-not-transferable"),
            Self::FileNotFaxable { file_name } => {
                with("file-not-faxable", "file", foreign(file_name))
            }
            Self::FileTooCostly { file_name } => {
                with("file-too-costly", "file", foreign(file_name))
            }
            Self::MessageTooLarge { limit_mib } => {
                with("message-too-large", "limit", whole(*limit_mib))
            }
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
            Self::NumberNotDialable => plain("number-not-dialable"),
            Self::FileLost { file_name } => with("file-lost", "file", foreign(file_name)),
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
            Self::AutomaticLetter => plain("automatic-letter"),
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
            Self::LetterSentBy { address: None } => plain("letter-sent-by-unknown"),
            Self::LetterSentBy { address: Some(address) } => {
                ("letter-sent-by", [("address", foreign(address))].into_iter().collect())
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
                // Each is cut by itself: none may hide the ones behind it.
                let who: Vec<String> = who.iter().map(|one| one_line(one)).collect();
                let values = [("who", FluentValue::from(who.join(", "))), ("more", count(*more))];
                ("letter-also-to", values.into_iter().collect())
            }
            Self::LetterTooLarge { limit_mib } => {
                with("letter-too-large", "limit", whole(*limit_mib))
            }
            Self::LetterOutOfReach => plain("letter-out-of-reach"),
            Self::LetterUndecrypted => plain("letter-undecrypted"),
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
            Self::CommandsHelp => plain("commands-help"),
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
            Self::FaxMoment { at } => {
                let values = [("day", FluentValue::from(day(language, *at))), ("time", time(*at))];
                ("fax-moment", values.into_iter().collect())
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

/// A number shown digit by digit, without grouping: `Vorgang 1234`.
fn whole(number: u64) -> FluentValue<'static> {
    FluentValue::from(number.to_string())
}

/// A number that chooses between singular and plural.
fn count(number: u64) -> FluentValue<'static> {
    FluentValue::from(number)
}

/// A sign, or its number where nothing would be seen.
fn sign_shown(sign: char) -> String {
    let is_seen = !sign.is_control() && !matches!(sign, '\u{202D}' | '\u{202E}');
    if is_seen { sign.to_string() } else { format!("U+{:04X}", u32::from(sign)) }
}

/// On one line, without control characters, at most [`Phrases::FOREIGN_TEXT_MAX`] characters.
fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(Phrases::FOREIGN_TEXT_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

/// `14:05`.
fn time_of_day(at: OffsetDateTime) -> String {
    let local = in_germany(at);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// `24.11.2026` or `24 November 2026`.
fn date(language: Language, at: OffsetDateTime) -> String {
    let year = in_germany(at).year();
    match language {
        Language::German => format!("{}{year}", day(language, at)),
        Language::English => format!("{} {year}", day(language, at)),
    }
}

/// `24.11.` or `24 November`.
fn day(language: Language, at: OffsetDateTime) -> String {
    let local = in_germany(at);
    match language {
        Language::German => format!("{}.{}.", local.day(), u8::from(local.month())),
        Language::English => format!("{} {}", local.day(), local.month()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-23 13:05:59 UTC);

    #[test]
    fn what_people_wrote_or_named_is_content() {
        for phrase in one_of_each() {
            let quotes = Phrases::say(Language::German, &phrase).contains("Ein Text")
                || matches!(phrase, Phrase::FaxSignsMissing { .. });
            // The reply of a server, and what is not said in a post.
            let is_harmless = matches!(
                phrase,
                Phrase::DispatchFailed { .. }
                    | Phrase::RoomName { .. }
                    | Phrase::GhostKim { .. }
                    | Phrase::GhostFax { .. }
            );
            let expected =
                if quotes && !is_harmless { Substance::Content } else { Substance::Word };
            assert_eq!(phrase.substance(), expected, "{phrase:?}");
        }
    }

    /// One of each, two where a part may be missing. A new phrase that is not listed here leaves a
    /// sentence that no phrase says, which `both_files_say_exactly_what_the_phrases_need` finds.
    fn one_of_each() -> Vec<Phrase> {
        let text = || "Ein Text".to_owned();
        let member = || "@anna:praxis.example".to_owned();
        let mut phrases = vec![
            Phrase::DispatchAcceptedKim { at: AT },
            Phrase::DispatchAcceptedElsewhere { at: AT, address: text() },
            Phrase::DispatchAcceptedFax { at: AT },
            Phrase::DispatchWaitsForAccount,
            Phrase::DispatchUnclear { at: AT },
            Phrase::DispatchUnclearInterrupted,
            Phrase::DispatchUnclearDamaged,
            Phrase::DispatchAfterUnclear { said: Box::new(Phrase::DispatchInterrupted) },
            Phrase::DispatchAcceptedAgain {
                said: Box::new(Phrase::DispatchAcceptedElsewhere { at: AT, address: text() }),
            },
            Phrase::DispatchInterrupted,
            Phrase::DispatchDamaged,
            Phrase::DispatchWithdrawn,
            Phrase::EditTooLate,
            Phrase::EditUnderWay,
            Phrase::EditInTime,
            Phrase::EditAfterFailure,
            Phrase::EditUnclear,
            Phrase::EditNextTime,
            Phrase::EditOfWhatStayed,
            Phrase::EditWithoutKey,
            Phrase::EditWithoutKeyUnclear,
            Phrase::EditReadableNow,
            Phrase::WithdrawalTooLate,
            Phrase::WithdrawalUnderWay,
            Phrase::WithdrawalInTime,
            Phrase::WithdrawalAfterFailure,
            Phrase::WithdrawalUnclear,
            Phrase::HistoryLost,
            Phrase::DispatchBeforeGap,
            Phrase::NotASpeaker,
            Phrase::UnknownFaxNotAnswerable,
            Phrase::CallerNotConfirmed,
            Phrase::MessageNotTransferable,
            Phrase::FileNotFaxable { file_name: text() },
            Phrase::FileTooCostly { file_name: text() },
            Phrase::MessageTooLarge { limit_mib: 15 },
            Phrase::FaxSignsMissing { signs: vec!['🚫', '\u{96}'] },
            Phrase::FaxTooLong { pages: 53, pages_max: 50 },
            Phrase::NoCorrespondentAddress,
            Phrase::NotAKimAddress,
            Phrase::OtherKimEnvironment,
            Phrase::NumberNotDialable,
            Phrase::FileLost { file_name: text() },
            Phrase::NoSender,
            Phrase::SeveralSenders,
            Phrase::LetterDefects,
            Phrase::LetterMarkup,
            Phrase::LetterNotAMail,
            Phrase::LetterHeadCut,
            Phrase::LetterPartsLeftOut,
            Phrase::LetterStructure,
            Phrase::LetterRenderings,
            Phrase::LetterSignatureUnchecked,
            Phrase::LetterEncrypted,
            Phrase::LetterUnopened,
            Phrase::LetterPartial,
            Phrase::LetterElsewhere,
            Phrase::LetterCut,
            Phrase::UnknownThread,
            Phrase::AutomaticLetter,
            Phrase::AnswersGoElsewhere { address: text(), has_more: false },
            Phrase::AnswersGoElsewhere { address: text(), has_more: true },
            Phrase::AnswersWantedElsewhere { address: Some(text()) },
            Phrase::AnswersWantedElsewhere { address: None },
            Phrase::SenderReadsNoAnswers,
            Phrase::LetterSentBy { address: None },
            Phrase::LetterSentBy { address: Some(text()) },
            Phrase::FaxNumberClaimed { number: "+49301234567".to_owned() },
            Phrase::FaxNumbersDiffer { number: "+49301234567".to_owned(), station: text() },
            Phrase::LetterUrgent,
            Phrase::LetterWritten { at: AT },
            Phrase::LetterAlsoTo { who: vec![text(), text()], more: 0 },
            Phrase::LetterAlsoTo { who: vec![text()], more: 2 },
            Phrase::LetterTooLarge { limit_mib: 50 },
            Phrase::LetterOutOfReach,
            Phrase::LetterUndecrypted,
            Phrase::MailOutOfReach,
            Phrase::MailTooLarge { limit_mib: 50 },
            Phrase::MessageWithoutKey,
            Phrase::MessageBeforeKeys,
            Phrase::MessageBeforeCopy,
            Phrase::MessageReadableNow,
            Phrase::MessageReadableStays,
            Phrase::CommandReadableNow,
            Phrase::MessageNotBelieved,
            Phrase::MessageOfOtherIdentity,
            Phrase::MessageBroken,
            Phrase::MessageNotEncrypted,
            Phrase::FileNotEncrypted,
            Phrase::MemberLockedOut { user_id: member() },
            Phrase::IdentityChanged { user_id: member() },
            Phrase::StrangersMany,
            Phrase::StrangerPresent { user_id: member() },
            Phrase::MemberNotRemoved { user_id: member() },
            Phrase::MemberAskedAnew { user_id: member() },
            Phrase::MemberUnknown { user_id: member() },
            Phrase::MemberNotInvited { user_id: member() },
            Phrase::LettersMissed { user_id: member(), letters: 1 },
            Phrase::LettersMissed { user_id: member(), letters: 3 },
            Phrase::LettersAgain,
            Phrase::RoomNotEncrypted,
            Phrase::ContinuesOlderRoom,
            Phrase::RoomUpgraded,
            Phrase::Parked { what: ParkedWhat::Letter },
            Phrase::Parked { what: ParkedWhat::Post },
            Phrase::Parked { what: ParkedWhat::Dispatch },
            Phrase::Parked { what: ParkedWhat::Event },
            Phrase::CommandsHelp,
            Phrase::UnknownCommand { command: text() },
            Phrase::OriginalFollows,
            Phrase::OriginalMissing,
            Phrase::RetryQueued,
            Phrase::RetryNothing,
            Phrase::RetryMayDouble,
            Phrase::MemberUnclear,
            Phrase::MemberOfTeam { user_id: member() },
            Phrase::MemberAdmitted { user_id: member() },
            Phrase::MemberHereAlready { user_id: member() },
            Phrase::MemberDismissed { user_id: member() },
            Phrase::MemberNotAdmitted { user_id: member() },
            Phrase::TrustConfirmed { user_id: member() },
            Phrase::TrustNothing { user_id: member() },
            Phrase::TrustNotYourself,
            Phrase::TrustNotAsked,
            Phrase::CallerConfirmed,
            Phrase::NothingToConfirm,
            Phrase::RoomName { label: text(), number: 1234 },
            Phrase::GhostKim { name: text() },
            Phrase::GhostFax { number: "+49301234567".to_owned() },
            Phrase::GhostClaimedFax { number: "+49301234567".to_owned() },
            Phrase::GhostUnknownFax,
            Phrase::GhostUnknownKim,
            Phrase::FaxFrom,
            Phrase::FaxTo,
            Phrase::FaxDate,
            Phrase::FaxSubject,
            Phrase::FaxPage,
            Phrase::FaxMoment { at: AT },
            Phrase::CheckHeading,
            Phrase::CheckOk,
            Phrase::CheckWarn,
            Phrase::CheckFail,
            Phrase::CheckAdvice,
            Phrase::CheckAllWell,
            Phrase::CheckNotWell { failures: 1, warnings: 0 },
            Phrase::CheckNotWell { failures: 0, warnings: 2 },
        ];
        phrases.extend(EditTrouble::ALL.map(|trouble| Phrase::EditStays { trouble }));
        for trouble in Trouble::ALL {
            phrases.push(Phrase::DispatchTryLater { trouble, next: AT });
            phrases.push(Phrase::DispatchFailed { trouble, reply: String::new() });
            phrases.push(Phrase::DispatchFailed { trouble, reply: text() });
        }
        phrases
    }

    fn ids_of(source: &str) -> BTreeSet<&str> {
        let is_id = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        source.lines().filter(is_id).filter_map(|line| Some(line.split_once(" =")?.0)).collect()
    }

    #[test]
    fn both_files_are_well_formed() {
        for source in [include_str!("phrases/de.ftl"), include_str!("phrases/en.ftl")] {
            FluentResource::try_new(source.to_owned()).unwrap();
        }
    }

    #[test]
    fn both_files_say_exactly_what_the_phrases_need() {
        let phrases = one_of_each();
        let needed: BTreeSet<&str> =
            phrases.iter().map(|phrase| phrase.id_and_args(Language::German).0).collect();
        assert_eq!(ids_of(include_str!("phrases/de.ftl")), needed);
        assert_eq!(ids_of(include_str!("phrases/en.ftl")), needed);
    }

    #[test]
    fn every_phrase_is_said_without_error_in_both_languages() {
        for phrase in one_of_each() {
            let [german, english] = Language::ALL.map(|language| {
                let (text, errors) = say_or_errors(language, &phrase);
                assert_eq!(errors, Vec::<String>::new(), "{phrase:?} {language:?}");
                assert!(!text.contains(['{', '\u{2068}']), "{text}");
                assert!(!text.trim().is_empty(), "{phrase:?}");
                text
            });
            let same_in_both = ["(KIM)", "(Fax)", "OK"].iter().any(|word| german.contains(word));
            assert!(german != english || same_in_both, "{german}");
        }
    }

    fn check(phrase: Phrase, german: &str) {
        assert_eq!(Phrases::say(Language::German, &phrase), german);
    }

    #[test]
    fn accepted_is_not_called_delivered() {
        check(
            Phrase::DispatchAcceptedKim { at: AT },
            "An KIM übergeben um 14:05 Uhr. Eine Zustellbestätigung liegt noch nicht vor.",
        );
        check(
            Phrase::DispatchAcceptedFax { at: AT },
            "An den Fax-Dienst übergeben um 14:05 Uhr. Ein Sendebericht liegt noch nicht vor.",
        );
    }

    #[test]
    fn a_failure_says_what_to_do_and_ends_with_the_server_s_words() {
        check(
            Phrase::DispatchFailed {
                trouble: Trouble::RecipientRefused,
                reply: "550 5.1.1 no such\r\n user".to_owned(),
            },
            "Nicht zugestellt: Für diese Adresse wird nichts angenommen. Bitte prüfen Sie die \
             Adresse oder wählen Sie einen anderen Weg. (Antwort des Servers: 550 5.1.1 no such \
             user)",
        );
        check(
            Phrase::DispatchFailed { trouble: Trouble::Unreachable, reply: String::new() },
            "Nicht zugestellt: Der Mailserver war zu lange nicht erreichbar. Bitte informieren Sie \
             Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.",
        );
    }

    #[test]
    fn a_later_attempt_names_day_and_time() {
        check(
            Phrase::DispatchTryLater { trouble: Trouble::Unreachable, next: AT },
            "Noch nicht übergeben: Der Mailserver ist zurzeit nicht erreichbar. Nächster Versuch am \
             23.11. um 14:05 Uhr; Sie müssen nichts tun.",
        );
    }

    #[test]
    fn names_of_rooms_and_ghosts_are_neutral() {
        check(
            Phrase::RoomName { label: "KIM Praxis".to_owned(), number: 1234 },
            "KIM Praxis · Vorgang 1234",
        );
        check(Phrase::GhostKim { name: "Muster, Erika".to_owned() }, "Muster, Erika (KIM)");
        check(Phrase::GhostFax { number: "+49301234567".to_owned() }, "+49301234567 (Fax)");
        check(Phrase::GhostUnknownFax, "Unbekannte Faxnummer (Fax)");
    }

    #[test]
    fn foreign_text_cannot_break_a_sentence() {
        check(
            Phrase::RoomName { label: "  Befund\r\n{ $x }\u{0}\tEnde ".to_owned(), number: 7 },
            "Befund { $x } Ende · Vorgang 7",
        );
        let long = Phrase::GhostKim { name: "ü".repeat(1_000_000) };
        let said = Phrases::say(Language::German, &long);
        assert_eq!(said, format!("{}… (KIM)", "ü".repeat(Phrases::FOREIGN_TEXT_MAX)));
    }
}
