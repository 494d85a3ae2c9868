//! The flows: what happens to a letter, to a room message, to a dispatch.
//!
//! Each function takes `&Ctx` first, loads facts, asks a rule, and does what it says. Each may be
//! stopped at any line and run again: its results are in Postgres, and its effects outside bear a
//! name that was saved before.

mod accounts;
mod acts;
mod attempts;
mod budget;
mod commands;
mod damage;
mod devices;
mod directory;
mod fax_names;
mod fax_pages;
mod fax_reading;
mod fax_reports;
mod foreign_rooms;
mod hand_over;
mod hearing;
mod identities;
mod leaving;
mod letter_hints;
mod members;
mod notices;
mod place_letters;
mod portals;
mod put_off;
mod read_room;
mod reader;
mod readers;
mod reported;
mod scanning;
mod seats;
mod send_posts;
mod starting;
mod stop;
mod stored_mail;
mod tray;
mod turns;
mod unreadable;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ruma::{OwnedUserId, UserId};
use time::Date;
use tokio::sync::{Notify, Semaphore};

pub use accounts::note_account;
pub use acts::{hold_what_waits, tell_of_gap, tell_what_became};
pub use attempts::Owed;
pub use budget::{Budget, HELD_BYTES_MAX};
pub use damage::look_for_strangers;
pub use devices::{
    Devices, KeysError, begin, bot_device, forget_read_messages, people_spoke, receive,
    renew_bot_device, tidy,
};
pub use directory::{Directory, LISTING_KEPT, LdapProxies, NoListing, look_up};
pub use fax_names::{AddressBooks, name_ghosts, read_book};
pub use fax_pages::purge_fax_mails;
pub use fax_reading::read_pages;
pub use foreign_rooms::{DECLINES_AT_ONCE, decline};
pub use hand_over::{fax_sheet, hand_over, remind_of_faxes};
pub use hearing::Hearing;
pub use place_letters::place_letters;
pub use read_room::read_room;
pub use reported::tell_of_silence;
pub use scanning::{Scanning, look_at_scanner};
pub use seats::Seats;
pub use send_posts::send_posts;
pub use starting::welcome_teams;
pub use stored_mail::head_identity;
pub use tray::{remind, tell_news};
pub use turns::Turns;
pub use unreadable::{park_without_place, tell_of_unreadable};

use crate::{
    channel::{Channel, Entrance, EntranceAddress},
    matrix::Homeserver,
    model::{ChannelName, Clock, InsurerServers, MessageId, Rng},
    rules::looking::Patience,
    sandbox::{PageReader, Sandbox},
    store::{MailboxPlace, Store},
    transport::{MailServer, MailboxProtocol},
};

/// Everything a flow needs. The rooms below `relay` never see it.
#[derive(Debug)]
pub struct Ctx {
    pub store: Store,
    pub homeserver: Homeserver,
    /// The servers whose users are insured persons.
    pub insurer_servers: InsurerServers,
    pub channels: BTreeMap<ChannelName, Line>,
    pub clock: Clock,
    pub rng: Rng,
    /// How much is done at the same time; each channel hands over as many answers at the same time
    /// on top.
    pub concurrency: usize,
    /// Attempts for one post or dispatch before a person is asked.
    pub attempts_max: i32,
    /// The devices our users speak from.
    pub devices: Devices,
    /// How long the key of a room message may be on its way before the sender is told.
    pub key_wait: Duration,
    /// A transaction brought something that people did: the `/sync` that tells its place need not
    /// wait.
    pub news: Arc<Notify>,
    /// Whether the gateway has heard what happened in the rooms.
    pub hearing: Hearing,
    /// How much of large mails and files may be in memory.
    pub budget: Budget,
    /// What letters pass before anything of them is uploaded; nothing where there is no virus scanner.
    pub scanning: Option<Scanning>,
    /// Where foreign documents are opened.
    pub sandbox: Sandbox,
    /// What fax numbers are called.
    pub books: AddressBooks,
    /// What reads the pages of faxes.
    pub page_reader: PageReader,
    /// Attempts that do not count, and that still have to be given back.
    pub owed: Owed,
    /// What is tried alone.
    pub turns: Turns,
    /// Users that the homeserver is known to have.
    pub acquaintances: Acquaintances,
    /// Turns to decline an invitation.
    pub declining: Semaphore,
}

/// A channel with the servers it is reached through.
#[derive(Debug)]
pub struct Line {
    pub channel: Channel,
    pub intake: Intake,
    pub outbox: MailServer,
    /// Where KIM addresses are looked up; nothing where the settings name no directory.
    pub directory: Option<Directory>,
    /// Seats for answers that are being handed over.
    pub seats: Seats,
}

/// Where a channel's letters come from.
#[derive(Debug, Clone)]
pub enum Intake {
    Mailbox(Box<Inbox>),
    /// Fax servers deliver them by SMTP or LMTP. There is no mailbox.
    Door {
        entrance: Entrance,
        /// The largest mail that is taken, in bytes.
        mail_bytes_max: u64,
    },
}

impl Intake {
    /// Its place: it stays the same under another name of its channel.
    pub fn place(&self) -> MailboxPlace {
        match self {
            Self::Mailbox(inbox) => inbox.place(),
            Self::Door { entrance, .. } => {
                let first = entrance.recipients.first().map(EntranceAddress::key);
                MailboxPlace::new("smtp", "", 0, &first.unwrap_or_default(), "")
            }
        }
    }

    /// The largest mail that is taken, in bytes.
    fn mail_bytes_max(&self) -> u64 {
        match self {
            Self::Mailbox(inbox) => u64::try_from(inbox.mail_bytes_max).unwrap_or(u64::MAX),
            Self::Door { mail_bytes_max, .. } => *mail_bytes_max,
        }
    }

    /// How often a mail that does not come is tried.
    fn patience(&self) -> Patience {
        match self {
            Self::Mailbox(inbox) => inbox.patience,
            Self::Door { .. } => Patience::default(),
        }
    }
}

/// The mailbox that a channel's letters come from.
#[derive(Debug, Clone)]
pub struct Inbox {
    pub protocol: MailboxProtocol,
    pub server: MailServer,
    /// Time between two looks into the mailbox.
    pub poll: Duration,
    /// Whether a mail that is safe in its room is deleted from the mailbox (KIM-11).
    pub deletes: bool,
    /// The largest mail that is fetched, in bytes.
    pub mail_bytes_max: usize,
    /// Mails that the mailbox holds at the first look and that are older than this stay there.
    pub since: Option<Date>,
    /// How often a mail that does not come is tried.
    pub patience: Patience,
}

impl Inbox {
    /// The mailbox's place: it stays the same under another name of its channel.
    pub fn place(&self) -> MailboxPlace {
        let server = &self.server;
        let (protocol, folder) = match self.protocol {
            MailboxProtocol::Pop3 => ("pop3", ""),
            MailboxProtocol::Imap => ("imap", "INBOX"),
        };
        MailboxPlace::new(protocol, &server.host, server.port, &server.login.user, folder)
    }
}

impl Line {
    /// A Message-ID for a mail of this channel: random, and without our host name, because KIM forbids
    /// host names and persons in it (KIM-23).
    fn new_message_id(&self, rng: &Rng) -> Option<MessageId> {
        let kind = self.channel.kind().word();
        MessageId::new(&format!("{}@{kind}.local", rng.uuid())).ok()
    }
}

impl Ctx {
    /// The line of a channel as Postgres names it; `None` when the settings no longer have it.
    pub fn line(&self, channel: &str) -> Option<&Line> {
        self.channels.get(&ChannelName::new(channel).ok()?)
    }
}

/// Users the homeserver was found to know since the start, so that it is asked only once about
/// each.
#[derive(Debug, Default)]
pub struct Acquaintances(Mutex<BTreeSet<OwnedUserId>>);

impl Acquaintances {
    fn has(&self, user: &UserId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(user)
    }

    fn add(&self, user: &UserId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned());
    }
}
