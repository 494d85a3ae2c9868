//! What a person is told: the sentences, each with what it needs to know.

use time::OffsetDateTime;

use super::{
    DirectorySentence, EditTrouble, FaxPhrase, InsuredPhrase, MatterPhrase, MovePhrase, NamePhrase,
    PagePhrase, ParkedWhat, ReadPhrase, ReceiptStanding, RightsPhrase, SendingPhrase, StartPhrase,
    Trouble,
};
use crate::model::{
    AccountSide, AccountTrouble, CommandRow, FateWhy, KimDoubt, KimTrouble, Substance, WhyNotLarge,
};

/// A sentence with what it needs to know. Texts of foreign origin are cut and put on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phrase {
    // What becomes of a dispatch: one notice in the room, edited as the state changes.
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
    // What a report said of it, and when.
    DispatchDelivered {
        at: OffsetDateTime,
    },
    /// Passed on to where no reports come from.
    DispatchRelayed {
        at: OffsetDateTime,
    },
    DispatchDelayed {
        at: OffsetDateTime,
    },
    DispatchRead {
        at: OffsetDateTime,
    },
    /// Deleted unread.
    DispatchDiscarded {
        at: OffsetDateTime,
    },
    DispatchUndelivered {
        at: OffsetDateTime,
        why: FateWhy,
    },
    /// One report says that it arrived, and another one that it did not.
    DispatchContradicted,
    /// It was handed over then, and nobody has reported what became of it, as was asked.
    DispatchUnreported {
        at: OffsetDateTime,
    },
    /// No login is tried for now, because a login of its account was refused.
    DispatchWaitsForAccount,
    DispatchUnclear {
        at: OffsetDateTime,
    },
    /// The gateway itself ended while it may have been on its way.
    DispatchUnclearInterrupted,
    /// What was stored of it cannot be read any more, and it may have been on its way.
    DispatchUnclearDamaged,
    /// What is said about a dispatch that may have arrived at an earlier attempt.
    DispatchAfterUnclear {
        said: Box<Phrase>,
    },
    /// The same, for one that was handed over.
    DispatchAcceptedAgain {
        said: Box<Phrase>,
    },
    /// What is said about a dispatch that is a receipt for a letter.
    DispatchOfReceipt {
        said: Box<Phrase>,
    },
    /// The gateway ended in the middle of each attempt.
    DispatchInterrupted,
    /// What was stored of it cannot be read any more.
    DispatchDamaged,
    DispatchWithdrawn,
    /// A room message was edited after its dispatch had left.
    EditTooLate,
    /// A room message was edited while its dispatch was under way; what became of it follows.
    EditUnderWay,
    /// The attempt under way failed: what leaves next has the newer words.
    EditInTime,
    /// A room message was edited after its dispatch had failed.
    EditAfterFailure,
    /// A room message was edited, and it is not known whether its dispatch had arrived.
    EditUnclear,
    /// The same, and it is being tried once more: with the newer words.
    EditNextTime,
    /// An edited room message cannot leave; the message does not leave either.
    EditStays {
        trouble: EditTrouble,
    },
    /// A room message was edited that had not left and never will.
    EditOfWhatStayed,
    /// The key of an edit has not come for a while; the message does not leave in its old form.
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
    /// A room message was redacted, and it is not known whether its dispatch had arrived.
    WithdrawalUnclear,
    /// A part of what was said in the room could not be heard.
    HistoryLost,
    /// A dispatch that had not left when a part of the room's history was lost.
    DispatchBeforeGap,

    // Why a room message does not leave.
    NotASpeaker,
    UnknownFaxNotAnswerable,
    /// The origin of the fax is doubtful, and no one has confirmed the number.
    CallerNotConfirmed,
    /// A message would answer a letter that waits for its release.
    AnswerToWithheld,
    MessageNotTransferable,
    FileNotFaxable {
        file_name: String,
    },
    /// Opening it took too much memory or time, or broke the process that opened it.
    FileTooCostly {
        file_name: String,
    },
    MessageTooLarge {
        limit_mib: u64,
    },
    /// The channel takes larger mails, but not every recipient does (KIM-27).
    LargeMailNotTaken {
        why: WhyNotLarge,
        limit_mib: u64,
    },
    /// The recipient's entry is in the directory no more (KIM-35). The answer leaves all the same.
    AddressVanished,
    /// The text contains characters that cannot be printed.
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
    /// What is said of a fax that leaves, or stays.
    OfSending(SendingPhrase),
    /// Who takes care of a conversation, and what waits.
    OfMatter(MatterPhrase),
    /// What a fax number is called.
    OfName(NamePhrase),
    OfMove(MovePhrase),
    OfRights(RightsPhrase),
    /// A conversation that a speaker begins.
    OfStart(StartPhrase),
    /// What the directory says, within another sentence.
    OfDirectory(DirectorySentence),
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
    /// It is not certain that its sender wrote it.
    MessageNotBelieved,
    /// Its sender has another identity than the known one, and no one has confirmed it.
    MessageOfOtherIdentity,
    /// It was altered on its way, or never readable.
    MessageBroken,
    /// It was unencrypted in a room whose members encrypt.
    MessageNotEncrypted,
    /// It names an unencrypted file where files have to be encrypted.
    FileNotEncrypted,
    /// None of a member's devices is signed: it reads what the gateway says, and no letter.
    MemberLockedOut {
        user_id: String,
    },

    // Who reads in a room, and which members it believes.
    /// A member has another identity than before.
    IdentityChanged {
        user_id: String,
    },
    /// More strangers came into the room today than are named one by one.
    StrangersMany,
    /// A user is in the room whom neither the settings nor a speaker know.
    StrangerPresent {
        user_id: String,
    },
    /// What is said of insured persons.
    OfInsured(InsuredPhrase),
    /// A user no longer belongs to the room, and the bot may not remove it.
    MemberNotRemoved {
        user_id: String,
    },
    /// The database was restored: it is not known whether the user was sent out since.
    MemberAskedAnew {
        user_id: String,
    },
    /// The homeserver does not know a user whom a speaker let in.
    MemberUnknown {
        user_id: String,
    },
    /// A user whom a speaker let in cannot be invited.
    MemberNotInvited {
        user_id: String,
    },
    /// A user reads from now on, but not what came before.
    LettersMissed {
        user_id: String,
        letters: u64,
    },
    /// What nobody could read is repeated after this.
    LettersAgain,

    // The channel itself.
    /// What keeps the gateway out of an account of the channel.
    AccountTrouble {
        side: AccountSide,
        trouble: AccountTrouble,
        is_kim: bool,
    },
    /// It can be used again.
    AccountWorks {
        side: AccountSide,
    },

    /// The virus scanner is away, and letters wait.
    ScannerAway,
    ScannerWorks,

    // What came with a letter.
    /// The virus scanner found something in it, and in none of its files. So many files are not shown.
    LetterInfected {
        virus: String,
        files: u64,
    },
    FileInfected {
        file_name: String,
        virus: String,
    },
    /// It is too large for the virus scanner, and not shown.
    FileUnscanned {
        file_name: String,
    },
    /// The same, and it is shown.
    FilePassed {
        file_name: String,
    },
    NoSender,
    SeveralSenders,
    /// Characters that could not be read, or read only as well as possible.
    LetterDefects,
    LetterMarkup,
    /// What came is not a mail.
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
    /// It is one part of a longer letter.
    LetterPartial,
    /// Some of it was not sent with it.
    LetterElsewhere,
    UnknownThread,
    /// A machine wrote it. `is_report`: about a mail, which is none of ours or is not known for sure.
    AutomaticLetter {
        is_report: bool,
    },
    /// Above the words of an absence note, or of another answer of a machine in its author's place.
    /// `again`: how often the same note came since it was told last.
    AutomaticNote {
        sender: String,
        says_absent: bool,
        again: u64,
    },
    /// Its sender wants answers there, and they go there. It named other addresses as well.
    AnswersGoElsewhere {
        address: String,
        has_more: bool,
    },
    /// Its sender wants answers at an address that cannot be reached.
    AnswersWantedElsewhere {
        address: Option<String>,
    },
    SenderReadsNoAnswers,
    /// It is from the channel's own address.
    LetterOwn,
    /// Another account sent it than its author's; nothing if that account cannot be read.
    LetterSentBy {
        address: Option<String>,
    },
    /// A report about this dispatch has come, and has a room of its own; who it says it is from.
    /// `is_earlier`: it is about what was said here before it was changed.
    ReportCame {
        from: Option<String>,
        is_earlier: bool,
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
    /// Its sender wants to be told that a person was shown it.
    LetterAsksReceipt {
        can_send: bool,
    },
    /// Fields of KIM that nobody knows: names and values. There are `more` of them.
    LetterUnknownFields {
        fields: Vec<(String, String)>,
        more: u64,
    },
    LetterTooLarge {
        limit_mib: u64,
    },
    /// It could not be fetched in several tries; here is its head.
    LetterOutOfReach,
    /// The Clientmodul could not decrypt it; fetching is tried again.
    /// In its place; `sender` is whom its head names, `at` is its date.
    LetterUndecrypted {
        trouble: KimTrouble,
        sender: Option<String>,
        at: Option<OffsetDateTime>,
    },
    /// In place of that, once it could be decrypted.
    LetterDecrypted {
        sender: Option<String>,
        at: Option<OffsetDateTime>,
    },
    /// KIM does not vouch for it, and its words wait for a speaker.
    LetterWithheld {
        doubt: KimDoubt,
        sender: Option<String>,
        at: Option<OffsetDateTime>,
    },
    /// Above its words, once a speaker released them.
    LetterReleased {
        doubt: KimDoubt,
    },
    /// It came unencrypted.
    LetterUnconfirmed,
    /// In place of what the Clientmodul added to it.
    LetterChecked {
        has_report: bool,
    },
    /// The practice's software should read it. `service`: its Dienstkennung. `application`: the part
    /// of it that says what it is for, in lower case.
    LetterForMachines {
        service: String,
        application: String,
    },
    /// Its Dienstkennung is in no table; `None` if it has not the form of one.
    LetterServiceUnknown {
        service: Option<String>,
    },
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
    /// Something of this portal waits for an admin at the command line.
    Parked {
        what: ParkedWhat,
    },

    // Commands.
    CommandsHelp,
    /// A line of the help.
    CommandDoes(&'static CommandRow),
    UnknownCommand {
        command: String,
    },
    OriginalFollows,
    OriginalMissing,
    RetryQueued,
    RetryNothing,
    RetryMayDouble,
    /// A command that needs a person names none, or several.
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
    NothingToRelease,
    /// The command has to answer the warning.
    ReleaseAnswersWarning,
    ReleasedBy {
        user_id: String,
    },
    OriginalWithheld,
    /// The letter asks for no receipt, or for none that can be sent.
    ReceiptNotAsked,
    ReceiptAsked {
        user_id: String,
    },
    /// This person had it sent before.
    ReceiptBefore {
        user_id: String,
        standing: ReceiptStanding,
    },
    // What a receipt itself says, to whoever asked for it.
    ReceiptSubject {
        subject: String,
    },
    ReceiptWords,
    /// The virus scanner found something in it.
    OriginalInfected {
        virus: String,
    },
    /// It is too large for the virus scanner.
    OriginalUnscanned,

    // Names.
    TrayName {
        label: String,
    },
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

    /// What came as a fax, and what became of one.
    OfFax(FaxPhrase),

    // What is printed on a fax.
    FaxFrom,
    FaxTo,
    FaxDate,
    FaxSubject,
    FaxPage,
    FaxMoment {
        at: OffsetDateTime,
    },
    /// About the pages of a fax that came.
    OfPages(PagePhrase),
    /// About what a machine read on a fax that came.
    OfReading(ReadPhrase),

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

impl Phrase {
    /// What a sentence holds once it is said in a portal: what people wrote or named is content.
    ///
    /// A server's reply to a failed dispatch counts as a word: it speaks about an address that the
    /// room names anyway, and a person who reads that an answer waits has to read that it failed.
    pub fn substance(&self) -> Substance {
        match self {
            Self::DispatchAcceptedElsewhere { .. }
            | Self::AnswersGoElsewhere { .. }
            | Self::AnswersWantedElsewhere { address: Some(_) }
            | Self::LetterSentBy { address: Some(_) }
            | Self::ReportCame { from: Some(_), .. }
            | Self::AutomaticNote { .. }
            | Self::FaxNumbersDiffer { .. }
            | Self::LetterAlsoTo { .. }
            | Self::ReceiptSubject { .. }
            | Self::LetterUnknownFields { .. }
            | Self::FileNotFaxable { .. }
            | Self::FaxSignsMissing { .. }
            | Self::FileTooCostly { .. }
            | Self::FileLost { .. }
            | Self::FileInfected { .. }
            | Self::FileUnscanned { .. }
            | Self::FilePassed { .. }
            | Self::UnknownCommand { .. }
            | Self::LetterUndecrypted { sender: Some(_), .. }
            | Self::LetterDecrypted { sender: Some(_), .. }
            | Self::LetterWithheld { sender: Some(_), .. }
            | Self::LetterForMachines { .. }
            | Self::LetterServiceUnknown { service: Some(_) } => Substance::Content,
            Self::OfFax(fax) => fax.substance(),
            Self::OfSending(said) => said.substance(),
            Self::OfMatter(said) => said.substance(),
            Self::OfName(said) => said.substance(),
            Self::OfRights(said) => said.substance(),
            Self::OfStart(said) => said.substance(),
            Self::OfDirectory(said) => said.substance(),
            Self::DispatchAfterUnclear { said }
            | Self::DispatchAcceptedAgain { said }
            | Self::DispatchOfReceipt { said } => said.substance(),
            Self::OfPages(said) => said.substance(),
            Self::OfReading(said) => said.substance(),
            _ => Substance::Word,
        }
    }
}
