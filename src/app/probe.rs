//! `umstieg check`: reaches every server the settings name, and changes nothing; only the bot's account
//! is made where it is missing, as the first start would.

use std::{collections::BTreeSet, error::Error, sync::Arc, time::Duration};

use ruma::UserId;
use tokio::net::TcpListener;

use super::{check::Finding, start};
use crate::{
    channel::Channel,
    config::{ChannelSettings, Settings, Tokens},
    http::{self, Doors},
    matrix::{Homeserver, KeysNeed, KeysRefused, MatrixError},
    model::{ChannelName, Clock, MailKey, Rng},
    relay::Line,
    rules::renaming::Renaming,
    sandbox::{Confinement, Sandbox},
    store::{Database, KeyState, MailboxPlace, OpenError, RenameError, Store, seal::OuterKey},
    transport::{MailServerError, MailServerErrorKind, Mailbox, probe_login},
};

/// How long one server may take to show that it works.
const PROBE: Duration = Duration::from_secs(30);

/// Tries everything; one row each.
pub async fn probe(settings: &Settings, tokens: &Tokens, key: &OuterKey) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(documents().await);
    let store = database(settings, key, &mut findings).await;
    if let Some(store) = &store {
        findings.extend(names(settings, store).await);
        findings.extend(channels(settings, store).await);
    }
    let mailboxes = store.clone();
    homeserver(settings, tokens, store, &mut findings).await;
    for channel in &settings.channels {
        mail_servers(channel, mailboxes.as_ref(), &mut findings).await;
    }
    findings
}

/// Whether foreign documents can be opened where they hurt nobody.
async fn documents() -> Finding {
    match Sandbox::default().try_out().await {
        Ok((Confinement::Seccomp, open)) if open.is_empty() => {
            Finding::ok("documents", "opened in a process without files and network")
        }
        Ok((_, open)) => Finding::warn(
            "documents",
            format!("opened with limits of memory and time, but not shut in: {open:?}"),
            "let the gateway use seccomp: a kernel with CONFIG_SECCOMP_FILTER, and in the unit or \
             container no filter that forbids the system call seccomp",
        ),
        Err(error) => Finding::fail(
            "documents",
            told(&error),
            "the gateway starts itself (/proc/self/exe) to open the files of faxes; /proc must be \
             mounted, and the unit or container must allow the system calls prlimit64 and seccomp",
        ),
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
            findings.push(Finding::fail(
                "database",
                told(&error),
                "start Postgres, and check database.url: host, port, user, password, database; \
                 within the password # is written %23, / %2F, ? %3F, @ %40 and % %25",
            ));
            return None;
        }
    };
    findings.push(Finding::ok("database", "reached"));
    let opened = database.key_state(key).await;
    let is_open = matches!(opened, Ok(KeyState::Opens { .. }));
    findings.push(match database.is_migrated().await {
        Ok(true) => Finding::ok("migrations", "up to date"),
        Ok(false) => Finding::fail("migrations", "not up to date", "run: umstieg migrate"),
        Err(error) => Finding::fail(
            "migrations",
            told(&error),
            "give the database user the right to read the gateway's tables",
        ),
    });
    findings.push(sealing(key, opened));
    if is_open { database.open(key).await.ok() } else { None }
}

/// Whether names at the homeserver are made with what they were made with before.
async fn names(settings: &Settings, store: &Store) -> Option<Finding> {
    let (server_name, prefix) =
        (&settings.homeserver.server_name, &settings.appservice.user_prefix);
    match store.check_names(server_name, prefix).await {
        Ok(()) => None,
        Err(error) => Some(Finding::fail(
            "names",
            told(&error),
            "give homeserver.server_name and appservice.user_prefix their old values",
        )),
    }
}

/// Channels that are called otherwise in the settings, and those the settings do not have.
async fn channels(settings: &Settings, store: &Store) -> Vec<Finding> {
    // What is wrong with a channel's servers has a row of its own.
    let Ok(places) = start::places(&settings.channels) else { return Vec::new() };
    let renamed = match store.renamed_channels(&places).await {
        Ok(renamed) => renamed,
        Err(error @ RenameError::Unclear(_)) => {
            let advice = "change the settings so; until then the gateway does not start";
            return vec![Finding::fail("channels", told(&error), advice)];
        }
        Err(error @ RenameError::Store(_)) => {
            let advice = "run: umstieg migrate; then try again";
            return vec![Finding::fail("channels", told(&error), advice)];
        }
    };
    let known = store.known_channels().await.unwrap_or_default();
    let mut findings = Vec::new();
    for Renaming { from, to } in &renamed {
        findings.push(Finding::warn(
            format!("channel {to}"),
            format!("the database knows it as {from}, with the same mailbox: with the next start it goes on under the name {to}"),
            format!("when that is not meant, give it back the name {from}"),
        ));
    }
    for name in known.into_keys() {
        let is_there =
            settings.channels.iter().any(|channel| channel.channel.name.as_str() == name)
                || renamed.iter().any(|renaming| renaming.from == name);
        if !is_there {
            findings.push(Finding::warn(
                format!("channel {name}"),
                "the database knows it, and the settings do not: its letters, posts and answers wait",
                format!("put its section back; or, when it is to be called otherwise, give the new section the host, port and user of {name}, and start once"),
            ));
        }
    }
    findings
}

/// Whether the key of the settings is the one the database is sealed with.
fn sealing(key: &OuterKey, opened: Result<KeyState, OpenError>) -> Finding {
    let mark = key.mark();
    match opened {
        Ok(KeyState::None) => {
            Finding::ok("sealing", format!("nothing is sealed yet; the key will be {mark}"))
        }
        Ok(KeyState::Opens { data_keys: 1 }) => {
            Finding::ok("sealing", format!("the key {mark} opens the database"))
        }
        Ok(KeyState::Opens { .. }) => Finding::warn(
            "sealing",
            format!("the key {mark} opens the database; a change of keys is not finished"),
            "stop the gateway and run: umstieg rekey",
        ),
        Err(OpenError::OtherKey { sealed_with, given }) => Finding::fail(
            "sealing",
            format!("the database is sealed with the key {sealed_with}, not with {given}"),
            format!(
                "give the key {sealed_with} back to [sealing]; or, when {given} is to replace it, \
                 run: umstieg rekey --old-key-file FILE"
            ),
        ),
        Err(error) => Finding::fail(
            "sealing",
            told(&error),
            "restore the table seal_keys from a backup, before anything else is done",
        ),
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
            findings.push(Finding::fail("homeserver", told(&error), "check [homeserver]"));
            return;
        }
    };
    match homeserver.versions().await {
        Ok(versions) => {
            let newest = versions.last().map_or("no version", String::as_str);
            findings.push(Finding::ok("homeserver", format!("reached, speaks up to {newest}")));
        }
        Err(error) => {
            findings.push(Finding::fail(
                "homeserver",
                told(&error),
                "start the homeserver, and check homeserver.url: http or https, host, port",
            ));
            return;
        }
    }
    match homeserver.whoami().await {
        Ok(_) => {
            findings.push(Finding::ok("as_token", "the homeserver knows the registration"));
        }
        Err(error) => {
            findings.push(Finding::fail(
                "as_token",
                told(&error),
                "name the registration file under app_service_config_files in homeserver.yaml, \
                 the same file that appservice.registration names here, and restart the homeserver",
            ));
            return;
        }
    }
    findings.push(knock(settings, tokens, store, &homeserver).await);
    findings.push(encryption(settings, tokens, &homeserver).await);
    for channel in &settings.channels {
        findings.push(team(&channel.channel, &homeserver).await);
    }
}

/// Whether the homeserver knows everybody a channel names: an invitation to a name with a typo in it
/// fails nowhere, and nobody sees the letters.
async fn team(channel: &Channel, homeserver: &Homeserver) -> Finding {
    let what = format!("team {}", channel.name);
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
        return Finding::fail(
            what,
            format!("the homeserver does not know {}", unknown.join(", ")),
            "correct team and speakers in the settings, or make the accounts; letters in rooms \
             that nobody joins are read by nobody",
        );
    }
    let is_outside = |speaker: &&String| !channel.team.contains(speaker);
    let outside: Vec<&str> =
        channel.speakers.iter().filter(is_outside).map(String::as_str).collect();
    if !outside.is_empty() {
        return Finding::warn(
            what,
            format!("may speak and is not of the team: {}", outside.join(", ")),
            "whoever is not of the team is invited to no room and reads no letter; add them to \
             team, unless a speaker is to let them in room by room",
        );
    }
    if !unclear.is_empty() {
        return Finding::warn(
            what,
            format!("not certain whether they exist: {}", unclear.join(", ")),
            "check the spelling by hand; their homeserver does not say whom it knows",
        );
    }
    Finding::ok(what, format!("the homeserver knows all {}", named.len()))
}

/// What the homeserver of a practice has to be for encryption without any setting.
const NEW_ENOUGH: &str = "take Synapse 1.141 or newer, which needs no setting for it";

/// Tries what the devices of the gateway need, with one that is gone afterwards.
async fn encryption(settings: &Settings, tokens: &Tokens, homeserver: &Homeserver) -> Finding {
    if !settings.encryption.required {
        return Finding::warn("encryption", start::UNENCRYPTED, start::ENCRYPT);
    }
    match try_keys(tokens, homeserver).await {
        Ok(Ok(())) => Finding::ok("encryption", "devices, their keys and signatures are allowed"),
        Ok(Err(refused)) => {
            let (detail, advice) = advice_about_keys(refused.need);
            Finding::fail("encryption", format!("{detail}: {}", told(&refused.error)), advice)
        }
        Err(error) => Finding::fail(
            "encryption",
            format!("not tried, because the bot cannot be registered: {}", told(&error)),
            "look into the log of the homeserver; the bot's name must be in the namespace of the \
             registration",
        ),
    }
}

async fn try_keys(
    tokens: &Tokens,
    homeserver: &Homeserver,
) -> Result<Result<(), KeysRefused>, MatrixError> {
    // Nobody has a device who is not there. Synapse stumbles over a missing sender, too.
    homeserver.register(&tokens.sender_localpart).await?;
    homeserver.register(homeserver.bot().localpart()).await?;
    let random = Rng::from_os().uuid().simple().to_string().to_uppercase();
    Ok(homeserver.try_keys(format!("UMSTIEGCHECK{random}").as_str().into()).await)
}

/// What does not work, and what to do about it.
fn advice_about_keys(need: KeysNeed) -> (&'static str, String) {
    match need {
        KeysNeed::MakeDevice => (
            "a user of the gateway gets no device without a password",
            format!(
                "{NEW_ENOUGH}; for 1.121 to 1.140 the registration has to say \
                 io.element.msc4190: true, as `umstieg registration` writes it"
            ),
        ),
        KeysNeed::SpeakAsDevice => (
            "the gateway cannot upload keys of a device of its users (?device_id=, MSC4326)",
            format!(
                "{NEW_ENOUGH}; where a proxy stands before it, let the query of a request pass"
            ),
        ),
        KeysNeed::FollowSync => (
            "a device of the bot cannot follow /sync, which brings it the keys",
            format!(
                "{NEW_ENOUGH}; where a proxy stands before it, let /_matrix/client/v3/sync pass"
            ),
        ),
        KeysNeed::SignDevices => (
            "the keys that sign a device are not taken without a password",
            format!(
                "{NEW_ENOUGH}; before 1.139 keys cannot be replaced, before 1.110 not even made"
            ),
        ),
        KeysNeed::RemoveDevice => (
            "a device is not removed without a password",
            format!(
                "{NEW_ENOUGH}; for 1.121 to 1.140 the registration has to say \
                 io.element.msc4190: true, as `umstieg registration` writes it"
            ),
        ),
    }
}

/// Has the homeserver knock at our door. When no gateway is running, this opens the door itself.
async fn knock(
    settings: &Settings,
    tokens: &Tokens,
    store: Option<Store>,
    homeserver: &Homeserver,
) -> Finding {
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
        // What comes in with the knock must be saved.
        (Ok(_), None) => {
            return Finding::warn(
                "ping",
                "not tried: without the database our door stays shut",
                "put the database right first",
            );
        }
        // A gateway runs and answers.
        (Err(_), _) => None,
    };
    let transaction = Rng::from_os().uuid().to_string();
    let ping = homeserver.ping(&settings.appservice.id, &transaction);
    let answer = match door {
        Some((listener, router)) => {
            tokio::select! {
                answer = ping => answer,
                served = axum::serve(listener, router) => {
                    let detail = served.err().map_or_else(|| "closed".to_owned(), |e| told(&e));
                    return Finding::fail("ping", detail, "check appservice.listen");
                }
            }
        }
        None => ping.await,
    };
    match answer {
        Ok(time) => Finding::ok("ping", format!("both ways in {} ms", time.as_millis())),
        Err(error) => Finding::fail(
            "ping",
            told(&error),
            format!(
                "the homeserver must reach {} (url in the registration) and send this hs_token; \
                 open the way, or correct appservice.url, write the registration anew and restart \
                 the homeserver",
                settings.appservice.url
            ),
        ),
    }
}

async fn mail_servers(
    channel: &ChannelSettings,
    store: Option<&Store>,
    findings: &mut Vec<Finding>,
) {
    let name = &channel.channel.name;
    let Line { inbox, outbox, .. } = match start::line(channel) {
        Ok(line) => line,
        Err(error) => {
            findings.push(Finding::fail(
                format!("channel {name}"),
                told(&error),
                "check ca_file, pin_sha256 and the client certificate of this channel",
            ));
            return;
        }
    };
    let what = format!("inbox {name}");
    let looked = tokio::time::timeout(PROBE, async {
        let mut mailbox = Mailbox::open(inbox.protocol, &inbox.server).await?;
        let keys = mailbox.keys().await?.keys;
        let validity = mailbox.validity();
        mailbox.close().await?;
        Ok::<_, MailServerError>((keys, validity))
    })
    .await;
    findings.push(match looked {
        Ok(Ok((keys, validity))) => {
            let known_as = (name, &inbox.place());
            let waiting = waiting_mails(known_as, validity, &keys, store).await;
            Finding::ok(what, format!("login works, {waiting}"))
        }
        Ok(Err(error)) => Finding::fail(what, told(&error), advice(&error)),
        Err(_) => Finding::fail(what, "no answer in 30 s", UNREACHABLE),
    });
    let what = format!("outbox {name}");
    findings.push(match tokio::time::timeout(PROBE, probe_login(&outbox)).await {
        Ok(Ok(facts)) => {
            let reports = if facts.reports { "reports delivery" } else { "reports no delivery" };
            Finding::ok(what, format!("login works, {reports}"))
        }
        Ok(Err(error)) => Finding::fail(what, told(&error), advice(&error)),
        Err(_) => Finding::fail(what, "no answer in 30 s", UNREACHABLE),
    });
}

/// How many mails there are, and how many of them would be fetched.
async fn waiting_mails(
    (channel, place): (&ChannelName, &MailboxPlace),
    validity: u32,
    keys: &[MailKey],
    store: Option<&Store>,
) -> String {
    if keys.is_empty() {
        return "no mails".to_owned();
    }
    let count = keys.len();
    let Some(store) = store else { return format!("{count} mails") };
    match store.unknown_mails(channel, place, validity, keys).await {
        Ok(0) => format!("{count} mails, all of them known"),
        Ok(unknown) => format!(
            "{count} mails, {unknown} of them would become letters in rooms; `since` of the inbox \
             leaves older ones there at the first look"
        ),
        Err(_) => format!("{count} mails"),
    }
}

const UNREACHABLE: &str =
    "check host, port and tls, for an inbox protocol as well, and that the server runs";

fn advice(error: &MailServerError) -> &'static str {
    match error.kind() {
        MailServerErrorKind::Unreachable => UNREACHABLE,
        MailServerErrorKind::Tls => {
            "check tls, and trust the server's certificate with ca_file or pin_sha256"
        }
        MailServerErrorKind::Credentials => {
            "check user and password; for KIM also the card in the terminal and the call context \
             behind # in the user name"
        }
        MailServerErrorKind::Busy => "somebody else reads this mailbox now; try again in a minute",
        _ => "look into the log of the mail server",
    }
}

/// An error with its causes, on one line.
fn told(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some libraries say their cause themselves.
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}
