//! The nouns of the gateway: addresses, ids, letters, posts, dispatches and delivery states.
//!
//! Knows no other module. Every value is checked where it is made, so that code that holds one need
//! not check again; what names a person does not print.

mod account;
mod address;
mod chance;
mod clock;
mod command;
mod correspondent;
mod delivery;
mod dispatch;
mod document_sight;
mod german_time;
mod hours;
mod ids;
mod insurer_servers;
mod kept_back;
mod kim_results;
mod language;
mod letter;
mod listing;
mod page_reading;
mod post;
mod practice_number;
mod reply;
mod report;
mod room_event;
mod room_link;
mod scan;
mod service;
mod state;
mod status;
mod thread;
mod tray_news;
mod trust;
mod why_asked;
mod why_no_entry;
mod why_no_start;

pub use account::{AccountSide, AccountTrouble};
pub use address::{AddressError, FaxNumber, MailAddress};
pub use chance::Rng;
pub use clock::Clock;
pub use command::{COMMAND_PREFIX, COMMANDS, CommandRow, MayAsk, RoomCommand, START_FAX, Takes};
pub use correspondent::{ChannelKind, Correspondent, GhostName, GhostNameError};
pub use delivery::{Outcome, Reached, Trouble, Why};
pub use dispatch::{Dispatch, DispatchFile, DispatchPart, Envelope};
pub use document_sight::{
    DAMAGED_NAMED_MAX, DocumentForm, DocumentSight, DocumentWords, FaxPictures, FaxShowing,
    MadeFile, PageTrouble, SEEN_PAGES_MAX,
};
pub use german_time::in_germany;
pub use hours::{DaySpan, DaySpanError, OpeningHours};
pub use ids::{
    ChannelName, ChannelNameError, ConversationId, DispatchId, LetterId, MailKey, MailKeyError,
    MailboxId, MessageId, MessageIdError, PostId,
};
pub use insurer_servers::InsurerServers;
pub use kept_back::{KeptBack, KimDoubt, KimTrouble};
pub use kim_results::{KIM_SENDING_FAULTS, KimFields, KimResults};
pub use language::Language;
pub use letter::{
    Attachment, Body, Defect, Layer, Letter, NamedAddress, OriginCheck, ReceiptWish,
    TransferEncoding,
};
pub use listing::{AddressStanding, KimEntry, KimVersion, Listing, WhyNotLarge};
pub use page_reading::{
    CODE_BYTES_MAX, CODES_MAX, CodeForm, GreyPage, Legibility, PageCode, PageWord, WORD_CHARS_MAX,
    WORDS_MAX,
};
pub use post::{Media, NewPost, Notice, Speaker, Substance};
pub use practice_number::{HintKind, PageHint, PracticeNumber};
pub use reply::{CodeClass, EnhancedCode, EnhancedCodeError, Reply};
pub use report::{Fate, FateEnd, FateWhy, Report, ReportSource};
pub use room_event::{
    Encrypted, FileForm, Member, Membership, MessageKind, Reaction, ReactionSign, Redaction,
    RoomEvent, RoomFile, RoomMessage, Words,
};
pub use room_link::RoomLink;
pub use scan::{LargeFiles, LetterScan, ScanResult, VirusName};
pub(crate) use service::is_word as is_service_word;
pub use service::{OuterHead, SaidService, ServiceId};
pub use state::{DeliveryState, LetterState, MatterState, ParkedState, PostState, WrongState};
pub use status::{StatusForm, StatusRequest};
pub use thread::Seen;
pub use tray_news::TrayNews;
pub use trust::Trust;
pub use why_asked::WhyAsked;
pub use why_no_entry::WhyNoEntry;
pub use why_no_start::WhyNoStart;
