//! `umstieg check`: reaches every server the settings name, and changes nothing; it only makes the
//! bot's account if it is missing, as the first start would.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use ruma::UserId;
use tokio::net::TcpListener;

use super::{
    address_books,
    check::{self, Finding},
    directory, fax_door, page_reader, start,
};
use crate::{
    channel::{Channel, Dialect},
    config::{ChannelSettings, Settings, Tokens},
    http::{self, Doors},
    matrix::{Homeserver, KeysNeed, KeysRefused, MatrixError},
    model::{ChannelName, Clock, MailKey, Rng, ScanResult},
    phrases::{AdminPhrase, FaxAdminPhrase, Telling, Tells as _},
    relay::{Inbox, Intake, Line},
    rules::renaming::Renaming,
    sandbox::{Confinement, Escape, Sandbox},
    store::{Database, KeyState, MailboxPlace, OpenError, RenameError, Store, seal::OuterKey},
    transport::{
        MailServerError, MailServerErrorKind, Mailbox, ScanError, VirusScanner, probe_login,
        test_virus,
    },
};

/// How long one server may take to show that it works.
const PROBE: Duration = Duration::from_secs(30);

/// How many connections that a homeserver kept may be dead, and how soon that is noticed.
const PINGS_MAX: u32 = 5;
const PING_AGAIN_WITHIN: Duration = Duration::from_secs(5);

/// Tries everything; one row each.
pub async fn probe(settings: &Settings, tokens: &Tokens, key: &OuterKey) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(documents().await);
    if let Some(own) = &settings.virus_scanner {
        findings.push(virus_scanner(&own.scanner).await);
    }
    findings.extend(page_reader::probe(settings).await);
    let store = database(settings, key, &mut findings).await;
    if let Some(store) = &store {
        findings.extend(names(settings, store).await);
        findings.extend(channels(settings, store).await);
    }
    findings.extend(fax_door::probe(settings).await);
    let mailboxes = store.clone();
    homeserver(settings, tokens, store, &mut findings).await;
    for channel in &settings.channels {
        findings.extend(kim_headers(&channel.channel));
        mail_servers(channel, mailboxes.as_ref(), &mut findings).await;
    }
    findings.extend(directory::probe(settings).await);
    findings.extend(address_books::probe(settings));
    findings
}

/// Whether foreign documents can be opened where they do no harm.
async fn documents() -> Finding {
    let what = AdminPhrase::TriedDocuments;
    match Sandbox::default().try_out().await {
        Ok((Confinement::Seccomp, open)) if open.is_empty() => {
            Finding::ok(what, AdminPhrase::DocumentsShutIn)
        }
        Ok((_, open)) => {
            let ways = open.into_iter().map(way).collect();
            let detail = AdminPhrase::DocumentsNotShutIn { ways };
            Finding::warn(what, detail, AdminPhrase::AllowSeccomp)
        }
        Err(error) => Finding::fail(what, error.telling(), AdminPhrase::AllowChild),
    }
}

/// Whether the virus scanner answers, and finds what every scanner finds (KIM-20).
async fn virus_scanner(scanner: &VirusScanner) -> Finding {
    let what = AdminPhrase::TriedScanner;
    let tried = async {
        let version = scanner.version().await?;
        Ok::<_, ScanError>((version, scanner.scan_bytes(test_virus()).await?))
    };
    match tried.await {
        Ok((version, ScanResult::Infected(_))) => {
            Finding::ok(what, AdminPhrase::ScannerAnswers { version })
        }
        Ok((version, ScanResult::Clean)) => {
            let detail = AdminPhrase::ScannerBlind { version };
            Finding::fail(what, detail, AdminPhrase::UpdateSignatures)
        }
        Ok((version, ScanResult::TooLarge)) => {
            let detail = AdminPhrase::ScannerLimit { version };
            Finding::fail(what, detail, AdminPhrase::UpdateSignatures)
        }
        Err(error) => Finding::fail(what, error.telling(), AdminPhrase::StartScanner),
    }
}

fn way(open: Escape) -> AdminPhrase {
    match open {
        Escape::Read => AdminPhrase::WayRead,
        Escape::Write => AdminPhrase::WayWrite,
        Escape::Network => AdminPhrase::WayNetwork,
        Escape::Process => AdminPhrase::WayProcess,
        Escape::Memory => AdminPhrase::WayMemory,
    }
}

async fn database(
    settings: &Settings,
    key: &OuterKey,
    findings: &mut Vec<Finding>,
) -> Option<Store> {
    let url = start::database_url(&settings.database);
    let database = match Database::connect(&url, 1).await {
        Ok(database) => database,
        Err(error) => {
            let (what, advice) = (AdminPhrase::TriedDatabase, AdminPhrase::StartPostgres);
            findings.push(Finding::fail(what, error.telling(), advice));
            return None;
        }
    };
    findings.push(Finding::ok(AdminPhrase::TriedDatabase, AdminPhrase::Reached));
    let opened = database.key_state(key).await;
    let is_open = matches!(opened, Ok(KeyState::Opens { .. }));
    let migrations = AdminPhrase::TriedMigrations;
    findings.push(match database.is_migrated().await {
        Ok(true) => Finding::ok(migrations, AdminPhrase::UpToDate),
        Ok(false) => Finding::fail(migrations, AdminPhrase::NotUpToDate, AdminPhrase::RunMigrate),
        Err(error) => Finding::fail(migrations, error.telling(), AdminPhrase::AllowToRead),
    });
    findings.push(sealing(key, opened));
    if is_open { database.open(key).await.ok() } else { None }
}

/// Whether names at the homeserver are made as they were made before.
async fn names(settings: &Settings, store: &Store) -> Option<Finding> {
    let (server_name, prefix) =
        (&settings.homeserver.server_name, &settings.appservice.user_prefix);
    match store.check_names(server_name, prefix).await {
        Ok(()) => None,
        Err(error) => {
            let what = AdminPhrase::TriedNames;
            Some(Finding::fail(what, error.telling(), AdminPhrase::GiveNamesBack))
        }
    }
}

/// Channels that have another name in the settings, and channels that are not in the settings.
async fn channels(settings: &Settings, store: &Store) -> Vec<Finding> {
    let renamed = match store.renamed_channels(&start::places(&settings.channels)).await {
        Ok(renamed) => renamed,
        Err(error) => {
            let advice = match error {
                RenameError::Unclear(_) => AdminPhrase::ChangeSettingsSo,
                RenameError::Store(_) => AdminPhrase::MigrateAndTryAgain,
            };
            return vec![Finding::fail(AdminPhrase::TriedChannels, error.telling(), advice)];
        }
    };
    let known = store.known_channels().await.unwrap_or_default();
    let mut findings = Vec::new();
    for Renaming { from, to } in &renamed {
        findings.push(Finding::warn(
            AdminPhrase::TriedChannel { channel: to.to_string() },
            AdminPhrase::ChannelRenamed { from: from.clone(), to: to.to_string() },
            AdminPhrase::GiveChannelBack { from: from.clone() },
        ));
    }
    for name in known.into_keys() {
        let is_there =
            settings.channels.iter().any(|channel| channel.channel.name.as_str() == name)
                || renamed.iter().any(|renaming| renaming.from == name);
        if !is_there {
            findings.push(Finding::warn(
                AdminPhrase::TriedChannel { channel: name.clone() },
                AdminPhrase::ChannelNotInSettings,
                AdminPhrase::PutChannelBack { name },
            ));
        }
    }
    findings
}

/// Whether the key of the settings is the one the database is sealed with.
fn sealing(key: &OuterKey, opened: Result<KeyState, OpenError>) -> Finding {
    let (what, mark) = (AdminPhrase::TriedSealing, key.mark().to_owned());
    match opened {
        Ok(KeyState::None) => Finding::ok(what, AdminPhrase::NothingSealed { mark }),
        Ok(KeyState::Opens { data_keys: 1 }) => Finding::ok(what, AdminPhrase::KeyOpens { mark }),
        Ok(KeyState::Opens { .. }) => {
            Finding::warn(what, AdminPhrase::KeyOpensHalf { mark }, AdminPhrase::FinishRekey)
        }
        Err(OpenError::OtherKey { sealed_with, given }) => {
            let advice =
                AdminPhrase::GiveKeyBack { sealed_with: sealed_with.clone(), given: given.clone() };
            Finding::fail(what, AdminPhrase::SealedWithOther { sealed_with, given }, advice)
        }
        Err(error) => Finding::fail(what, error.telling(), AdminPhrase::RestoreKeys),
    }
}

async fn homeserver(
    settings: &Settings,
    tokens: &Tokens,
    store: Option<Store>,
    findings: &mut Vec<Finding>,
) {
    let homeserver = match start::homeserver(settings, tokens) {
        Ok(homeserver) => homeserver,
        Err(error) => {
            let advice = AdminPhrase::CheckSectionHomeserver;
            findings.push(Finding::fail(AdminPhrase::TriedHomeserver, error.telling(), advice));
            return;
        }
    };
    let what = AdminPhrase::TriedHomeserver;
    match homeserver.versions().await {
        Ok(versions) => {
            let detail = match versions.last() {
                Some(newest) => AdminPhrase::HomeserverSpeaks { newest: newest.clone() },
                None => AdminPhrase::NoVersion,
            };
            findings.push(Finding::ok(what, detail));
        }
        Err(error) => {
            findings.push(Finding::fail(what, error.telling(), AdminPhrase::StartHomeserver));
            return;
        }
    }
    let what = AdminPhrase::TriedAsToken;
    match homeserver.whoami().await {
        Ok(_) => findings.push(Finding::ok(what, AdminPhrase::RegistrationKnown)),
        Err(error) => {
            findings.push(Finding::fail(what, error.telling(), AdminPhrase::NameRegistration));
            return;
        }
    }
    findings.push(knock(settings, tokens, store, &homeserver).await);
    findings.push(encryption(settings, tokens, &homeserver).await);
    for channel in &settings.channels {
        findings.push(team(&channel.channel, &homeserver).await);
    }
}

/// Whether the homeserver knows all users a channel names: an invitation to a misspelt name fails
/// nowhere, and nobody sees the letters.
async fn team(channel: &Channel, homeserver: &Homeserver) -> Finding {
    let what = AdminPhrase::TriedTeam { channel: channel.name.to_string() };
    let named: BTreeSet<&String> = channel.team.iter().chain(&channel.speakers).collect();
    let (mut unknown, mut unclear) = (Vec::new(), Vec::new());
    for name in &named {
        let Ok(user) = UserId::parse(name.as_str()) else { continue };
        match homeserver.knows(&user).await {
            Ok(Some(true)) => {}
            Ok(Some(false)) => unknown.push(name.as_str()),
            Ok(None) | Err(_) => unclear.push(name.as_str()),
        }
    }
    if !unknown.is_empty() {
        let detail = AdminPhrase::TeamUnknown { names: unknown.join(", ") };
        return Finding::fail(what, detail, AdminPhrase::CorrectTeam);
    }
    let is_outside = |speaker: &&String| !channel.team.contains(speaker);
    let outside: Vec<&str> =
        channel.speakers.iter().filter(is_outside).map(String::as_str).collect();
    if !outside.is_empty() {
        let detail = AdminPhrase::SpeakersOutside { names: outside.join(", ") };
        return Finding::warn(what, detail, AdminPhrase::AddToTeam);
    }
    if !unclear.is_empty() {
        let detail = AdminPhrase::TeamUnclear { names: unclear.join(", ") };
        return Finding::warn(what, detail, AdminPhrase::CheckSpelling);
    }
    Finding::ok(what, AdminPhrase::TeamKnown { count: count(named.len()) })
}

/// A machine has fewer of anything than u64 has numbers.
fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Tries what the gateway's devices need, with a device that is gone afterwards.
async fn encryption(settings: &Settings, tokens: &Tokens, homeserver: &Homeserver) -> Finding {
    let what = AdminPhrase::TriedEncryption;
    if !settings.encryption.required {
        return Finding::warn(what, AdminPhrase::NotEncrypted, AdminPhrase::Encrypt);
    }
    match try_keys(tokens, homeserver).await {
        Ok(Ok(())) => Finding::ok(what, AdminPhrase::KeysAllowed),
        Ok(Err(refused)) => {
            let (detail, advice) = advice_about_keys(refused.need);
            Finding::fail(what, Telling::from(detail).because(refused.error.telling()), advice)
        }
        Err(error) => {
            let detail = Telling::from(AdminPhrase::BotNotRegistered).because(error.telling());
            Finding::fail(what, detail, AdminPhrase::LookIntoHomeserver)
        }
    }
}

async fn try_keys(
    tokens: &Tokens,
    homeserver: &Homeserver,
) -> Result<Result<(), KeysRefused>, MatrixError> {
    // A user who does not exist has no device. Synapse stumbles over a missing sender, too.
    homeserver.register(&tokens.sender_localpart).await?;
    homeserver.register(homeserver.bot().localpart()).await?;
    let random = Rng::from_os().uuid().simple().to_string().to_uppercase();
    Ok(homeserver.try_keys(format!("UMSTIEGCHECK{random}").as_str().into()).await)
}

/// What does not work, and what to do about it.
fn advice_about_keys(need: KeysNeed) -> (AdminPhrase, AdminPhrase) {
    match need {
        KeysNeed::MakeDevice => (AdminPhrase::NoDevice, AdminPhrase::TakeNewSynapse),
        KeysNeed::SpeakAsDevice => (AdminPhrase::NoKeysOfDevice, AdminPhrase::TakeNewSynapseQuery),
        KeysNeed::FollowSync => (AdminPhrase::NoSync, AdminPhrase::TakeNewSynapseSync),
        KeysNeed::SignDevices => (AdminPhrase::NoSigningKeys, AdminPhrase::TakeNewSynapseSign),
        KeysNeed::RemoveDevice => (AdminPhrase::DeviceNotRemoved, AdminPhrase::TakeNewSynapse),
    }
}

/// Has the homeserver ping our door. When no gateway is running, this opens the door itself.
async fn knock(
    settings: &Settings,
    tokens: &Tokens,
    store: Option<Store>,
    homeserver: &Homeserver,
) -> Finding {
    let what = AdminPhrase::TriedPing;
    let listen = settings.appservice.listen;
    let door = match (TcpListener::bind(listen).await, store) {
        (Ok(listener), Some(store)) => {
            let router = http::router(Doors {
                hs_token: tokens.hs_token.clone(),
                store,
                clock: Clock::of_the_machine(),
                heard: Arc::new(|_| {}),
            });
            Some((listener, router))
        }
        // What comes in with the ping must be saved.
        (Ok(_), None) => {
            return Finding::warn(what, AdminPhrase::PingNotTried, AdminPhrase::DatabaseFirst);
        }
        // A gateway runs and answers.
        (Err(_), _) => None,
    };
    let ping = ping(homeserver, &settings.appservice.id);
    let answer = match door {
        Some((listener, router)) => {
            tokio::select! {
                answer = ping => answer,
                served = axum::serve(listener, router) => {
                    let closed = Telling::from(AdminPhrase::DoorClosed);
                    let detail = match served {
                        Ok(()) => closed,
                        Err(error) => closed.because_of(&error),
                    };
                    return Finding::fail(what, detail, AdminPhrase::CheckListen);
                }
            }
        }
        None => ping.await,
    };
    match answer {
        Ok(time) => {
            let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Finding::ok(what, AdminPhrase::PingBothWays { milliseconds })
        }
        Err(error) => {
            let advice =
                AdminPhrase::HomeserverMustReach { url: settings.appservice.url.to_string() };
            Finding::fail(what, error.telling(), advice)
        }
    }
}

/// Pings, and again when the homeserver says at once that the connection failed.
///
/// Synapse keeps its connections for a next request. Where a door has closed since (that of a check a
/// moment ago), it may stumble over a kept one (`AlreadyCancelled`), and does not repeat a `POST`. It
/// forgets that connection thereby, and takes the next one that it kept, or makes one.
async fn ping(homeserver: &Homeserver, appservice_id: &str) -> Result<Duration, MatrixError> {
    let begun = Instant::now();
    let mut pings = 0;
    loop {
        let transaction = Rng::from_os().uuid().to_string();
        pings += 1;
        match homeserver.ping(appservice_id, &transaction).await {
            Err(error)
                if error.errcode() == Some("M_CONNECTION_FAILED")
                    && pings < PINGS_MAX
                    && begun.elapsed() < PING_AGAIN_WITHIN => {}
            answer => return answer,
        }
    }
}

async fn mail_servers(
    channel: &ChannelSettings,
    store: Option<&Store>,
    findings: &mut Vec<Finding>,
) {
    let name = &channel.channel.name;
    let Line { intake, outbox, .. } = start::line(channel);
    let what = AdminPhrase::TriedInbox { channel: name.to_string() };
    if matches!(intake, Intake::Mailbox(_)) {
        findings.extend(fax_origin(&channel.channel));
    }
    findings.push(match intake {
        Intake::Mailbox(inbox) => mailbox(name, &inbox, what, store).await,
        Intake::Door { entrance, .. } => fax_door::who_may_deliver(&entrance, what),
    });
    let what = AdminPhrase::TriedOutbox { channel: name.to_string() };
    findings.push(match tokio::time::timeout(PROBE, probe_login(&outbox)).await {
        Ok(Ok(facts)) if facts.reports => Finding::ok(what, AdminPhrase::OutboxReports),
        Ok(Ok(_)) => Finding::ok(what, AdminPhrase::OutboxReportsNot),
        Ok(Err(error)) => Finding::fail(what, error.telling(), advice(&error)),
        Err(_) => Finding::fail(what, no_answer(), AdminPhrase::CheckServer),
    });
}

/// Looks into the mailbox of a channel.
async fn mailbox(
    name: &ChannelName,
    inbox: &Inbox,
    what: AdminPhrase,
    store: Option<&Store>,
) -> Finding {
    let looked = tokio::time::timeout(PROBE, async {
        let mut mailbox = Mailbox::open(inbox.protocol, &inbox.server).await?;
        let keys = mailbox.keys().await?.keys;
        let validity = mailbox.validity();
        mailbox.close().await?;
        Ok::<_, MailServerError>((keys, validity))
    })
    .await;
    match looked {
        Ok(Ok((keys, validity))) => {
            let known_as = (name, &inbox.place());
            let mails = Box::new(waiting_mails(known_as, validity, &keys, store).await);
            Finding::ok(what, AdminPhrase::InboxWorks { mails })
        }
        Ok(Err(error)) => Finding::fail(what, error.telling(), advice(&error)),
        Err(_) => Finding::fail(what, no_answer(), AdminPhrase::CheckServer),
    }
}

/// Whether a mail of this channel names all that KIM demands (KIM-23).
fn kim_headers(channel: &Channel) -> Option<Finding> {
    let Dialect::Kim(profile) = &channel.dialect else { return None };
    let what = AdminPhrase::TriedHeaders { channel: channel.name.to_string() };
    let missing = profile.systems.missing();
    if missing.is_empty() {
        return Some(Finding::ok(what, AdminPhrase::HeadersComplete));
    }
    let (names, keys): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
    let (names, keys) = (names.join(", "), keys.join(", "));
    let detail = AdminPhrase::HeadersMissing { names };
    Some(Finding::warn(what, detail, AdminPhrase::GiveHeaders { keys }))
}

/// What proves that the mails of a fax mailbox are its gateway's (FAX-12).
fn fax_origin(channel: &Channel) -> Option<Finding> {
    let profile = channel.fax()?;
    let what = FaxAdminPhrase::TriedFaxOrigin { channel: channel.name.to_string() }.into();
    Some(match &profile.authserv_id {
        Some(server) => {
            Finding::ok(what, FaxAdminPhrase::FaxOriginChecked { server: server.clone() })
        }
        None => {
            Finding::warn(what, FaxAdminPhrase::FaxOriginUnchecked, FaxAdminPhrase::GiveAuthservId)
        }
    })
}

fn no_answer() -> AdminPhrase {
    AdminPhrase::NoAnswerInTime { seconds: PROBE.as_secs() }
}

/// How many mails there are, and how many of them would be fetched.
async fn waiting_mails(
    (channel, place): (&ChannelName, &MailboxPlace),
    validity: u32,
    keys: &[MailKey],
    store: Option<&Store>,
) -> AdminPhrase {
    if keys.is_empty() {
        return AdminPhrase::NoMails;
    }
    let count = count(keys.len());
    let Some(store) = store else { return AdminPhrase::Mails { count } };
    match store.unknown_mails(channel, place, validity, keys).await {
        Ok(0) => AdminPhrase::MailsKnown { count },
        Ok(unknown) => AdminPhrase::MailsUnknown { count, unknown: self::count(unknown) },
        Err(_) => AdminPhrase::Mails { count },
    }
}

fn advice(error: &MailServerError) -> AdminPhrase {
    match error.kind() {
        MailServerErrorKind::Unreachable => AdminPhrase::CheckServer,
        MailServerErrorKind::Tls => check::trust(error.untrusted()),
        MailServerErrorKind::Credentials => AdminPhrase::CheckLogin,
        MailServerErrorKind::UserName => AdminPhrase::CheckUserName,
        MailServerErrorKind::Busy => AdminPhrase::MailboxBusy,
        _ => AdminPhrase::LookIntoMailServer,
    }
}
