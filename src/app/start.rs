//! From settings to a context, and the first exchange with the homeserver.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ruma::OwnedServerName;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::{
    channel::Channel,
    config::{
        AfterRelay, AppserviceSettings, ChannelSettings, DatabaseSettings, DirectorySettings,
        IntakeSettings, Settings, Tokens,
    },
    matrix::{Homeserver, HomeserverAccess, HomeserverAccessError, MatrixError},
    model::{Clock, Rng},
    relay::{
        self, Acquaintances, AddressBooks, Budget, Ctx, DECLINES_AT_ONCE, Devices, Hearing, Inbox,
        Intake, KeysError, LdapProxies, Line, Owed, Scanning, Seats, Turns,
    },
    rules::{
        looking::Patience,
        retry::{at_least, back_off},
    },
    sandbox::{PageReader, Sandbox},
    store::{ChannelPlace, Database, OpenError, Store, StoreError, seal::OuterKey},
    transport::Accounts,
    worker::Shop,
};

/// Longest wait between two tries to reach the homeserver at start.
const INTRODUCE_AGAIN_MAX: Duration = Duration::from_secs(30);

/// How long the start waits for a ping of the homeserver. If another gateway was replaced that hangs,
/// the homeserver may still be waiting for it.
const PING_WITHIN: Duration = Duration::from_secs(5);

/// Settings that fit their form and still cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("homeserver.server_name is not a server name")]
    ServerName(#[source] ruma::IdParseError),
    #[error(transparent)]
    Homeserver(#[from] HomeserverAccessError),
}

/// The address of the database, secret included.
pub(super) fn database_url(database: &DatabaseSettings) -> String {
    database.url.expose_secret().to_owned()
}

/// The database, for a command of the admin.
pub(super) async fn store(settings: &Settings, key: &OuterKey) -> Result<Store, OpenError> {
    Database::connect(&database_url(&settings.database), 1).await?.open(key).await
}

/// The client for the homeserver.
pub(super) fn homeserver(settings: &Settings, tokens: &Tokens) -> Result<Homeserver, StartError> {
    let server_name = OwnedServerName::try_from(settings.homeserver.server_name.as_str())
        .map_err(StartError::ServerName)?;
    Ok(Homeserver::new(HomeserverAccess {
        base_url: settings.homeserver.url.clone(),
        server_name,
        as_token: tokens.as_token.clone(),
        bot_localpart: settings.appservice.bot.clone(),
        user_prefix: settings.appservice.user_prefix.clone(),
        extra_roots_pem: Vec::new(),
    })?)
}

/// A channel with its servers.
pub(super) fn line(settings: &ChannelSettings) -> Line {
    Line {
        channel: settings.channel.clone(),
        intake: match &settings.intake {
            IntakeSettings::Mailbox(inbox) => Intake::Mailbox(Box::new(Inbox {
                protocol: inbox.protocol,
                server: inbox.server.clone(),
                poll: inbox.poll,
                deletes: inbox.after_relay == AfterRelay::Delete,
                mail_bytes_max: usize::try_from(inbox.mail_bytes_max).unwrap_or(usize::MAX),
                since: inbox.since,
                patience: Patience::default(),
            })),
            IntakeSettings::Door { entrance, mail_bytes_max } => {
                Intake::Door { entrance: entrance.clone(), mail_bytes_max: *mail_bytes_max }
            }
        },
        outbox: settings.outbox.clone(),
        directory: None,
        seats: Seats::new(1),
    }
}

/// Where the letters of each channel come from.
pub(super) fn places(channels: &[ChannelSettings]) -> Vec<ChannelPlace> {
    channels
        .iter()
        .map(|settings| {
            let Channel { name, .. } = &settings.channel;
            let (kind, place) = (settings.channel.kind(), line(settings).intake.place());
            ChannelPlace { name: name.clone(), kind, place }
        })
        .collect()
}

/// Everything a flow needs.
///
/// # Errors
/// When the settings fit their form and still cannot be used.
pub fn ctx(
    settings: &Settings,
    tokens: &Tokens,
    store: Store,
    clock: Clock,
) -> Result<Ctx, StartError> {
    // Inbox and outbox are mostly one account, and two channels may share it.
    let (mut accounts, mut proxies) = (Accounts::default(), LdapProxies::default());
    let mut channels = BTreeMap::new();
    let concurrency = settings.worker.concurrency;
    for channel in &settings.channels {
        let mut line = line(channel);
        line.seats = Seats::new(concurrency);
        if let Intake::Mailbox(inbox) = &mut line.intake {
            inbox.server.join(&mut accounts);
        }
        line.outbox.join(&mut accounts);
        line.directory = channel.directory.as_ref().map(|settings| {
            let DirectorySettings { server, base, timeout } = settings.clone();
            proxies.directory(server, base, timeout)
        });
        channels.insert(channel.channel.name.clone(), line);
    }
    Ok(Ctx {
        store,
        homeserver: homeserver(settings, tokens)?,
        insurer_servers: settings.homeserver.insured_servers.clone(),
        channels,
        clock,
        rng: Rng::from_os(),
        concurrency,
        attempts_max: i32::try_from(settings.worker.attempts_max).unwrap_or(i32::MAX),
        devices: Devices::new(settings.encryption.required),
        key_wait: settings.encryption.key_wait,
        news: Arc::default(),
        hearing: Hearing::default(),
        budget: Budget::default(),
        scanning: settings
            .virus_scanner
            .as_ref()
            .map(|own| Scanning::new(own.scanner.clone(), own.large_files)),
        sandbox: Sandbox::default(),
        books: AddressBooks::default(),
        page_reader: PageReader::default(),
        owed: Owed::default(),
        turns: Turns::default(),
        acquaintances: Acquaintances::default(),
        declining: Semaphore::new(DECLINES_AT_ONCE),
    })
}

/// Registers our users with the homeserver and has it ping at once, so that what it kept for us
/// while we were away comes now. Tries until it works: a homeserver that is away is no reason not
/// to fetch letters.
pub(super) async fn introduce(shop: &Shop, appservice: &AppserviceSettings, tokens: &Tokens) {
    let mut failures = 0;
    while let Err(error) = introduce_once(shop, appservice, tokens).await {
        failures += 1;
        // Postgres says nothing about the homeserver.
        if !matches!(error, IntroduceError::Keys(KeysError::Store(StoreError::Again(_)))) {
            shop.report("homeserver", false);
        }
        let wait = at_least(error.limited_for(), back_off(failures).min(INTRODUCE_AGAIN_MAX));
        warn!(error = %error, "The homeserver does not know us yet; trying again in {} s", wait.as_secs());
        tokio::time::sleep(wait).await;
    }
    shop.report("homeserver", true);
    info!("The homeserver knows us");
}

/// The homeserver and the gateway could not reach each other.
#[derive(Debug, thiserror::Error)]
enum IntroduceError {
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl IntroduceError {
    fn limited_for(&self) -> Option<Duration> {
        match self {
            Self::Matrix(error) | Self::Keys(KeysError::Matrix(error)) => error.limited_for(),
            Self::Keys(KeysError::Store(_) | KeysError::Device) => None,
        }
    }
}

async fn introduce_once(
    shop: &Shop,
    appservice: &AppserviceSettings,
    tokens: &Tokens,
) -> Result<(), IntroduceError> {
    let homeserver = &shop.ctx.homeserver;
    // Synapse does not make the sender user by itself, and stumbles if it is missing.
    homeserver.register(&tokens.sender_localpart).await?;
    let bot = homeserver.bot();
    homeserver.register(bot.localpart()).await?;
    homeserver.set_displayname(bot, &appservice.bot_name).await?;
    relay::begin(&shop.ctx).await?;
    // A ping that does not reach us is the admin's business (`umstieg check` tells), and no reason
    // not to work: the bot's own /sync brings everything as well.
    let name = shop.ctx.rng.uuid().to_string();
    match tokio::time::timeout(PING_WITHIN, homeserver.ping(&appservice.id, &name)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            warn!(error = %error, "The homeserver cannot reach us; see `umstieg check`")
        }
        Err(_) => warn!("The homeserver has not reached us yet; see `umstieg check`"),
    }
    Ok(())
}
