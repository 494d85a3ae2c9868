//! What the settings file says, as plain values.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use time::Date;
use url::Url;

use super::{Mistake, SettingsError};
use crate::{
    channel::{Channel, Entrance},
    model::{InsurerServers, Language, LargeFiles},
    store::seal::OuterKey,
    transport::{
        DoorCertificate, DoorProtocol, DoorTls, LdapServer, MailServer, MailboxProtocol,
        VirusScanner,
    },
};

/// All settings, checked. `Debug` shows no secret and no address.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the rooms of every channel that names no other.
    pub language: Language,
    pub database: DatabaseSettings,
    pub sealing: SealingSettings,
    pub homeserver: HomeserverSettings,
    pub appservice: AppserviceSettings,
    pub encryption: EncryptionSettings,
    pub worker: WorkerSettings,
    pub monitoring: Option<MonitoringSettings>,
    pub virus_scanner: Option<VirusScannerSettings>,
    pub listener: Option<ListenerSettings>,
    pub log: LogSettings,
    /// At least one; names are unique.
    pub channels: Vec<ChannelSettings>,
}

#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// Secret because it may hold the password.
    pub url: SecretString,
    pub connections_max: u32,
}

impl DatabaseSettings {
    /// Enough for the default number of workers and both doors.
    pub const CONNECTIONS_DEFAULT: u32 = 10;
}

/// The key that seals the contents of the database. `Debug` shows its mark.
#[derive(Debug, Clone)]
pub struct SealingSettings {
    /// The mistake if it is the placeholder of the example.
    pub(super) key: Result<OuterKey, Box<PlaceholderKey>>,
}

/// Where the placeholder is.
#[derive(Debug, Clone)]
pub(super) struct PlaceholderKey {
    pub(super) file: String,
    pub(super) mistake: Mistake,
}

impl SealingSettings {
    /// The placeholder for the key in the example. Commands that touch no content accept it, so
    /// that the registration can be written first.
    pub const PLACEHOLDER: &str = "change-me";

    /// The key.
    ///
    /// Errors: [`SettingsError::Mistakes`] if it is the placeholder of the example.
    pub fn key(&self) -> Result<&OuterKey, SettingsError> {
        self.key.as_ref().map_err(|placeholder| SettingsError::Mistakes {
            file: placeholder.file.clone(),
            mistakes: vec![placeholder.mistake.clone()],
        })
    }
}

#[derive(Debug, Clone)]
pub struct HomeserverSettings {
    /// Where we reach it: `http` or `https`, no path needed.
    pub url: Url,
    /// The right side of its user ids.
    pub server_name: String,
    /// The servers whose users are insured persons (TIM-18).
    pub insured_servers: InsurerServers,
}

#[derive(Debug, Clone)]
pub struct AppserviceSettings {
    pub id: String,
    /// Where we listen for the homeserver.
    pub listen: SocketAddr,
    /// Where the homeserver reaches us.
    pub url: Url,
    /// The registration file, resolved against the settings file's directory.
    pub registration: PathBuf,
    /// Local part of the bot's user id, within the namespace.
    pub bot: String,
    pub bot_name: String,
    /// The prefix of every local part and alias of ours.
    pub user_prefix: String,
}

impl AppserviceSettings {
    pub const ID_DEFAULT: &str = "umstieg";
    pub const REGISTRATION_DEFAULT: &str = "registration.yaml";
    pub const USER_PREFIX_DEFAULT: &str = "_umstieg_";
    /// Bots say so in their name (TIM-16).
    pub const BOT_NAME_DEFAULT: &str = "Umstieg (Chatbot)";
}

#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Letters, posts and rooms worked on at the same time; each channel hands over as many answers at
    /// the same time on top.
    pub concurrency: usize,
    /// Tries before a thing is parked for a person.
    pub attempts_max: u32,
}

impl WorkerSettings {
    /// Two for each core of a small machine: most of a job is waiting for a server.
    pub const CONCURRENCY_DEFAULT: usize = 4;
    /// With growing pauses (at most 15 minutes) this takes about three hours: the practice learns
    /// within the working day that something did not leave.
    pub const ATTEMPTS_DEFAULT: u32 = 20;
}

#[derive(Debug, Clone)]
pub struct EncryptionSettings {
    /// Whether portals are encrypted. They are not only in a laboratory's rooms, which then stay on
    /// their own homeserver.
    pub required: bool,
    /// How long the key of a room message may be on its way before the sender is told.
    pub key_wait: Duration,
}

impl EncryptionSettings {
    /// Clients bring a missing key within seconds, or not before a person opens them again.
    pub const KEY_WAIT_DEFAULT: Duration = Duration::from_secs(120);
}

#[derive(Debug, Clone)]
pub struct MonitoringSettings {
    /// Where metrics and health are served; not meant for the world.
    pub listen: SocketAddr,
}

/// What letters pass before anything of them is uploaded (KIM-20).
#[derive(Debug, Clone)]
pub struct VirusScannerSettings {
    pub scanner: VirusScanner,
    pub large_files: LargeFiles,
}

/// The door for fax servers in the house.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// On this machine, or in the house.
    pub listen: SocketAddr,
    pub protocol: DoorProtocol,
    pub tls: DoorTls,
    /// There unless `tls` is [`DoorTls::None`].
    pub certificate: Option<DoorCertificate>,
    /// The largest mail that is taken, in bytes.
    pub mail_bytes_max: u64,
}

#[derive(Debug, Clone)]
pub struct LogSettings {
    pub format: LogFormat,
    /// In the notation of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl LogSettings {
    /// The job engine and the database driver log every job and statement.
    pub const FILTER_DEFAULT: &str = "info,graphile_worker=warn,sqlx=warn";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// A channel with its two servers.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    pub channel: Channel,
    pub intake: IntakeSettings,
    pub outbox: MailServer,
    /// Where the directory of KIM addresses is asked; nothing on a fax channel, and where the settings
    /// name none.
    pub directory: Option<DirectorySettings>,
}

/// A directory of KIM addresses: the LDAP proxy of a Konnektor.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    pub server: LdapServer,
    /// The name below which entries are searched.
    pub base: String,
    /// The longest an answer may take, from the connection on.
    pub timeout: Duration,
}

impl DirectorySettings {
    /// A search by an exact value takes less than a second; an answer to a room message shall not wait
    /// longer for a directory that is slow.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
}

impl ChannelSettings {
    /// Long enough to attach a file after the text, short enough to need no waiting.
    pub const COLLECT_DEFAULT: Duration = Duration::from_secs(20);
    /// Within the working day, and longer than its breaks.
    pub const ALARM_DEFAULT: Duration = Duration::from_secs(4 * 3600);
}

/// Where the letters of a channel come from.
#[derive(Debug, Clone)]
pub enum IntakeSettings {
    Mailbox(InboxSettings),
    /// The listener.
    Door {
        entrance: Entrance,
        mail_bytes_max: u64,
    },
}

impl IntakeSettings {
    /// The mailbox, if there is one.
    pub fn inbox(&self) -> Option<&InboxSettings> {
        match self {
            Self::Mailbox(inbox) => Some(inbox),
            Self::Door { .. } => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct InboxSettings {
    pub protocol: MailboxProtocol,
    pub server: MailServer,
    pub poll: Duration,
    pub after_relay: AfterRelay,
    /// Larger mails stay in the mailbox and are reported.
    pub mail_bytes_max: u64,
    /// Mails that the mailbox holds at the first look and that are older than this stay there.
    pub since: Option<Date>,
}

impl InboxSettings {
    pub const POLL_DEFAULT: Duration = Duration::from_secs(60);
    /// A 50 MB attachment in base64 with room to spare; a mail is held in memory while it is read.
    pub const MAIL_BYTES_DEFAULT: u64 = 100 * 1024 * 1024;
    /// KIM's own limit (KIM-10).
    pub const MAIL_BYTES_MOST: u64 = 700 * 1024 * 1024;
}

/// What becomes of a mail in the mailbox once its letter is in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRelay {
    /// It stays: other programs may read the same mailbox (KIM-11).
    Keep,
    Delete,
}
