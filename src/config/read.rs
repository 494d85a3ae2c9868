//! From the settings file to the settings: section by section, in the order of the example.

use std::{fs, path::Path, time::Duration};

use ruma::{ServerName, UserId};
use secrecy::{ExposeSecret, SecretString};
use toml::de::DeTable;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    AppserviceSettings, ChannelSettings, DatabaseSettings, DirectorySettings, EncryptionSettings,
    HomeserverSettings, InboxSettings, IntakeSettings, LogFormat, LogSettings, MonitoringSettings,
    SealingSettings, Settings, SettingsError, WorkerSettings, fax, intake,
    intake::OnceOnly,
    kim, listener, mail_server,
    mail_server::{allowed, is_loopback, one_line, socket_address},
    reader::{Mistake, Section, SettingsReader, line_at},
    rights,
    secrets::{self, not_a_key, secret},
    settings::PlaceholderKey,
    surroundings::{Environment, SettingsSurroundings},
    tray, virus_scanner,
};
use crate::{
    channel::{Channel, Dialect, KimEnvironment, KimUserForm, ThreadBy},
    model::{ChannelKind, ChannelName, InsurerServers, Language, MailAddress, Trust},
    phrases::AdminPhrase,
    store::seal::OuterKey,
    transport::{DoorTls, MailServer},
};

/// Replaces `[database]` if it is set, so that one file serves several machines.
const DATABASE_URL_VARIABLE: &str = "UMSTIEG_DATABASE_URL";

/// Settings, and what a person should know about them although they work.
#[derive(Debug)]
pub struct LoadedSettings {
    pub settings: Settings,
    pub warnings: Vec<AdminPhrase>,
}

/// Reads the settings file and every file it names.
///
/// Errors: [`SettingsError::Unreadable`], or all mistakes in it at once.
pub fn load(file: &Path, environment: Environment<'_>) -> Result<LoadedSettings, SettingsError> {
    let text = fs::read_to_string(file)
        .map_err(|cause| SettingsError::Unreadable { file: file.to_owned(), cause })?;
    parse(&text, file, environment)
}

/// Like [`load`] for a given text; `file` is named in messages, and paths start beside it.
pub fn parse(
    text: &str,
    file: &Path,
    environment: Environment<'_>,
) -> Result<LoadedSettings, SettingsError> {
    let shown = file.display().to_string();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        let what = AdminPhrase::NotToml { message: error.message().to_owned() };
        let mistake = Mistake { line, key: String::new(), what };
        SettingsError::Mistakes { file: shown.clone(), mistakes: vec![mistake] }
    })?;
    let around = SettingsSurroundings::new(file, environment);
    let reader = SettingsReader::new(text);
    let settings = settings(&Section::top(&reader, table.get_ref()), &around);
    let mistakes = reader.into_mistakes();
    match settings {
        Some(settings) if mistakes.is_empty() => {
            Ok(LoadedSettings { settings, warnings: around.warnings.into_inner() })
        }
        _ => Err(SettingsError::Mistakes { file: shown, mistakes }),
    }
}

/// Reads everything before it gives up, so that it finds all mistakes.
pub(super) fn settings(
    top: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<Settings> {
    let language = top.text("language", language).unwrap_or_default();
    let database = database(&top.section("database"), around);
    let sealing = sealing(&top.section("sealing"), around);
    let homeserver = homeserver(&top.section("homeserver"), around);
    let server_name = homeserver.as_ref().map(|homeserver| homeserver.server_name.as_str());
    let appservice = appservice(&top.section("appservice"), server_name, around);
    let encryption = encryption(&top.section("encryption"));
    let worker = worker(&top.section("worker"));
    let monitoring = top.section("monitoring");
    let monitoring = monitoring.is_there().then(|| self::monitoring(&monitoring));
    if let (Some(Some(monitoring)), Some(appservice)) = (&monitoring, &appservice)
        && monitoring.listen == appservice.listen
    {
        let section = top.section("monitoring");
        section.wrong("listen", AdminPhrase::SameListen);
    }
    let virus_scanner = virus_scanner::read(&top.section("virus_scanner"));
    let listener_section = top.section("listener");
    let listener = listener::read(&listener_section, around);
    let log = log(&top.section("log"));
    let mut channels = Vec::new();
    let sections = top.sections("channel");
    if sections.is_empty() {
        top.wrong("channel", AdminPhrase::WantsChannel);
    }
    let mut seen = OnceOnly::default();
    if listener_section.is_there() {
        let door = listener.as_ref().and_then(Option::as_ref);
        // A listener with a mistake is there all the same.
        let of_default = (InboxSettings::MAIL_BYTES_DEFAULT, DoorTls::StartTls);
        seen.door = Some(door.map_or(of_default, |door| (door.mail_bytes_max, door.tls)));
    }
    for section in sections {
        channels.push(channel(&section, language, around, &mut seen));
    }
    top.close();
    let settings = Settings {
        language,
        database: database?,
        sealing: sealing?,
        homeserver: homeserver?,
        appservice: appservice?,
        encryption,
        worker,
        monitoring: match monitoring {
            None => None,
            Some(monitoring) => Some(monitoring?),
        },
        virus_scanner: virus_scanner?,
        listener: listener?,
        log,
        channels: channels.into_iter().collect::<Option<_>>()?,
    };
    check_team(&settings, top, around);
    Some(settings)
}

fn database(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<DatabaseSettings> {
    let connections_max =
        section.whole("connections_max", 2..=200).and_then(|number| u32::try_from(number).ok());
    let variable = (around.environment)(DATABASE_URL_VARIABLE).filter(|url| !url.is_empty());
    let url = if let Some(url) = variable {
        // The keys are allowed together with the variable, which wins.
        for key in [secrets::URL.plain, secrets::URL.file, secrets::URL.env] {
            section.has(key);
        }
        Some(SecretString::from(url))
    } else {
        secret(section, &secrets::URL, AdminPhrase::WantsDatabaseUrl, around)
    };
    section.close();
    let url = url?;
    let is_postgres = Url::parse(url.expose_secret())
        .is_ok_and(|url| ["postgres", "postgresql"].contains(&url.scheme()));
    if !is_postgres {
        section.wrong("url", AdminPhrase::NotADatabaseUrl);
        return None;
    }
    Some(DatabaseSettings {
        url,
        connections_max: connections_max.unwrap_or(DatabaseSettings::CONNECTIONS_DEFAULT),
    })
}

fn sealing(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<SealingSettings> {
    let text = secret(section, &secrets::SEALING, AdminPhrase::WantsSealingKey, around);
    section.close();
    let (text, given) = (text?, secrets::SEALING.given(section));
    if text.expose_secret() == SealingSettings::PLACEHOLDER {
        let file = around.file.display().to_string();
        let mistake = section.mistake(given, AdminPhrase::KeyIsPlaceholder);
        return Some(SealingSettings { key: Err(Box::new(PlaceholderKey { file, mistake })) });
    }
    match OuterKey::from_base64(text.expose_secret()) {
        Ok(key) => Some(SealingSettings { key: Ok(key) }),
        Err(error) => {
            let why = Box::new(not_a_key(error));
            section.wrong(given, AdminPhrase::KeyUnusable { why });
            None
        }
    }
}

fn homeserver(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<HomeserverSettings> {
    let url = section.text("url", web_url);
    let url = section.required("url", AdminPhrase::WantsHomeserverUrl, url);
    let server_name = section.text("server_name", server_name);
    let server_name = section.required("server_name", AdminPhrase::WantsServerName, server_name);
    let insured = section.texts("insured_servers", self::server_name).unwrap_or_default();
    let mut insured_servers = InsurerServers::new(insured);
    section.close();
    if server_name.as_ref().is_some_and(|own| insured_servers.has_server(own)) {
        section.wrong("insured_servers", AdminPhrase::OwnServerInsurer);
        // One mistake, not one more for each user.
        insured_servers = InsurerServers::default();
    }
    if let Some(url) = &url
        && url.scheme() == "http"
        && !url.host_str().is_some_and(is_loopback)
    {
        around.warn(AdminPhrase::UrlUnprotected);
    }
    Some(HomeserverSettings { url: url?, server_name: server_name?, insured_servers })
}

fn appservice(
    section: &Section<'_, '_>,
    server_name: Option<&str>,
    around: &SettingsSurroundings<'_>,
) -> Option<AppserviceSettings> {
    let id = section.text("id", appservice_id);
    let listen = section.text("listen", socket_address);
    let listen = section.required("listen", AdminPhrase::WantsListen, listen);
    let url = section.text("url", web_url);
    let url = section.required("url", AdminPhrase::WantsOwnUrl, url);
    let registration = section.text("registration", |text| one_line(text, AdminPhrase::APath));
    let user_prefix = section.text("user_prefix", user_prefix);
    let prefix_is_wrong = section.has("user_prefix") && user_prefix.is_none();
    let user_prefix =
        user_prefix.unwrap_or_else(|| AppserviceSettings::USER_PREFIX_DEFAULT.to_owned());
    let bot = section.text("bot", |text| {
        // A wrong prefix is one mistake, not two.
        if prefix_is_wrong { Ok(text.to_owned()) } else { bot(text, &user_prefix, server_name) }
    });
    let bot_name = section.text("bot_name", |text| one_line(text, AdminPhrase::AName));
    section.close();
    let registration =
        registration.unwrap_or_else(|| AppserviceSettings::REGISTRATION_DEFAULT.to_owned());
    Some(AppserviceSettings {
        id: id.unwrap_or_else(|| AppserviceSettings::ID_DEFAULT.to_owned()),
        listen: listen?,
        url: url?,
        registration: around.resolve(&registration),
        bot: bot.unwrap_or_else(|| format!("{user_prefix}bot")),
        bot_name: bot_name.unwrap_or_else(|| AppserviceSettings::BOT_NAME_DEFAULT.to_owned()),
        user_prefix,
    })
}

fn encryption(section: &Section<'_, '_>) -> EncryptionSettings {
    let required = section.flag("required");
    let key_wait = section.whole("key_wait_seconds", 1..=86_400).map(Duration::from_secs);
    section.close();
    EncryptionSettings {
        required: required.unwrap_or(true),
        key_wait: key_wait.unwrap_or(EncryptionSettings::KEY_WAIT_DEFAULT),
    }
}

fn worker(section: &Section<'_, '_>) -> WorkerSettings {
    let concurrency = section.whole("concurrency", 1..=64).and_then(|n| usize::try_from(n).ok());
    let attempts_max = section.whole("attempts_max", 1..=100).and_then(|n| u32::try_from(n).ok());
    section.close();
    WorkerSettings {
        concurrency: concurrency.unwrap_or(WorkerSettings::CONCURRENCY_DEFAULT),
        attempts_max: attempts_max.unwrap_or(WorkerSettings::ATTEMPTS_DEFAULT),
    }
}

fn monitoring(section: &Section<'_, '_>) -> Option<MonitoringSettings> {
    let listen = section.text("listen", socket_address);
    let listen = section.required("listen", AdminPhrase::WantsMonitoring, listen);
    section.close();
    Some(MonitoringSettings { listen: listen? })
}

fn log(section: &Section<'_, '_>) -> LogSettings {
    let format = section.text("format", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(allowed("text", "json")),
    });
    let filter = section.text("filter", |text| {
        let is_filter = !text.trim().is_empty() && EnvFilter::try_new(text).is_ok();
        if is_filter { Ok(text.to_owned()) } else { Err(AdminPhrase::NotAFilter) }
    });
    section.close();
    LogSettings {
        format: format.unwrap_or(LogFormat::Text),
        filter: filter.unwrap_or_else(|| LogSettings::FILTER_DEFAULT.to_owned()),
    }
}

fn channel(
    section: &Section<'_, '_>,
    default_language: Language,
    around: &SettingsSurroundings<'_>,
    seen: &mut OnceOnly,
) -> Option<ChannelSettings> {
    let name = channel_name(section, seen);
    let kind = section.text("kind", |text| match text {
        "kim" => Ok(ChannelKind::Kim),
        "fax" => Ok(ChannelKind::Fax),
        _ => Err(allowed("kim", "fax")),
    });
    let kind = section.required("kind", AdminPhrase::WantsKind, kind);
    let label = section.text("label", |text| one_line(text, AdminPhrase::ALabel));
    let label = section.required("label", AdminPhrase::WantsLabel, label);
    let address = section.text("address", |text| own_address(text, kind));
    let address = section.required("address", AdminPhrase::WantsAddress, address);
    let team = section.texts("team", user_id);
    let team = section.required("team", AdminPhrase::WantsTeam, team);
    if team.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("team", AdminPhrase::TeamEmpty);
    }
    let speakers = section.texts("speakers", user_id).or_else(|| team.clone());
    let of_rights = section.section("rights");
    let rights = rights::read(&of_rights, speakers.as_deref().unwrap_or_default(), user_id);
    let thread_by = section.text("thread_by", |text| match text {
        "thread" => Ok(ThreadBy::Thread),
        "correspondent" => Ok(ThreadBy::Correspondent),
        _ => Err(allowed("thread", "correspondent")),
    });
    let collect = section.whole("collect_seconds", 0..=600).map(Duration::from_secs);
    let alarm = section.whole("alarm_minutes", 1..=10_080).map(|m| Duration::from_secs(60 * m));
    let language = section.text("language", language);
    let trust = section.text("trust", |text| {
        Trust::from_word(text).ok_or_else(|| allowed("cross-signed", "any-device"))
    });
    let tells_clients = section.flag("beeper_status");
    let insured_persons = section.flag("insured_persons");
    let has_team_room = section.flag("team_room");
    let tray = tray::read(section);
    let (intake, outbox, dialect, directory) =
        servers(section, kind, address.as_ref(), around, seen);
    section.close();
    let team = team?;
    Some(ChannelSettings {
        channel: Channel {
            name: name?,
            label: label?,
            address: address?,
            speakers: speakers?,
            rights,
            team,
            thread_by: thread_by.unwrap_or(ThreadBy::default_of(kind?)),
            collect: collect.unwrap_or(ChannelSettings::COLLECT_DEFAULT),
            language: language.unwrap_or(default_language),
            trust: trust.unwrap_or_default(),
            tells_clients: tells_clients.unwrap_or(false),
            insured_persons: insured_persons.unwrap_or(false),
            alarm: alarm.unwrap_or(ChannelSettings::ALARM_DEFAULT),
            has_team_room: has_team_room.unwrap_or(true),
            tray,
            dialect: dialect?,
        },
        intake: intake?,
        outbox: outbox?,
        directory,
    })
}

fn channel_name(section: &Section<'_, '_>, seen: &mut OnceOnly) -> Option<ChannelName> {
    let name = section.text("name", ChannelName::new);
    let name = section.required("name", AdminPhrase::WantsChannelName, name);
    if let Some(name) = &name
        && !seen.names.insert(name.clone())
    {
        section.wrong("name", AdminPhrase::ChannelTwice { name: name.to_string() });
    }
    name
}

/// The inbox, the outbox, and what differs from kind to kind.
fn servers(
    section: &Section<'_, '_>,
    kind: Option<ChannelKind>,
    address: Option<&MailAddress>,
    around: &SettingsSurroundings<'_>,
    seen: &mut OnceOnly,
) -> (Option<IntakeSettings>, Option<MailServer>, Option<Dialect>, Option<DirectorySettings>) {
    let (inbox_section, outbox_section) = (section.section("inbox"), section.section("outbox"));
    let servers = (&inbox_section, &outbox_section);
    let mut kim = kim::read(section, kind, address, servers, around);
    let directory = kim.directory.take();
    let built = kim.users.as_ref().map(KimUserForm::pop3);
    let intake = intake::read(&inbox_section, kind, built, around, seen);
    if kind == Some(ChannelKind::Kim) {
        let inbox = intake.as_ref().and_then(IntakeSettings::inbox);
        kim.check_deletes(section, inbox.map(|inbox| inbox.after_relay));
    }
    let mail_bytes_max =
        outbox_section.whole("mail_bytes_max", 65_536..=InboxSettings::MAIL_BYTES_MOST);
    let built = kim.users.as_ref().map(KimUserForm::smtp);
    let mut outbox = mail_server::read(&outbox_section, built, around);
    if let Some(outbox) = &mut outbox {
        outbox.ask_for_reports = kim.delivery_reports || kind == Some(ChannelKind::Fax);
    }
    outbox_section.close();
    let fax_section = section.section("fax");
    if kind == Some(ChannelKind::Kim) && fax_section.is_there() {
        section.wrong("fax", AdminPhrase::FaxOnly);
    }
    let dialect = match kind {
        None => None,
        Some(ChannelKind::Fax) => {
            let comes_by_door = matches!(intake, Some(IntakeSettings::Door { .. }));
            let facts = (mail_bytes_max, comes_by_door);
            fax::read(&fax_section, facts, around).map(Dialect::Fax)
        }
        Some(ChannelKind::Kim) => address
            .and_then(KimEnvironment::of)
            .and_then(|environment| kim.profile(&outbox_section, environment, mail_bytes_max))
            .map(Dialect::Kim),
    };
    (intake, outbox, dialect, directory)
}

/// No member of a team may be one of our users or an insured person, and a user from another server
/// deserves a warning.
fn check_team(settings: &Settings, top: &Section<'_, '_>, around: &SettingsSurroundings<'_>) {
    let server_name = settings.homeserver.server_name.as_str();
    for (channel, section) in settings.channels.iter().zip(top.sections("channel")) {
        let channel = &channel.channel;
        for (key, users) in [("team", &channel.team), ("speakers", &channel.speakers)] {
            if !section.has(key) {
                continue;
            }
            for user in users {
                let (local, server) =
                    user.strip_prefix('@').and_then(|id| id.split_once(':')).unwrap_or_default();
                let prefix = &settings.appservice.user_prefix;
                if server == server_name && local.starts_with(prefix.as_str()) {
                    section.wrong(key, AdminPhrase::OwnUser { prefix: prefix.clone() });
                } else if settings.homeserver.insured_servers.has_server(server) {
                    let server = server.to_owned();
                    section.wrong(key, AdminPhrase::InsuredInTeam { server });
                } else if server != server_name {
                    around.warn(AdminPhrase::OtherServer {
                        channel: channel.name.to_string(),
                        key: key.to_owned(),
                        server: server.to_owned(),
                        server_name: server_name.to_owned(),
                    });
                }
            }
        }
    }
}

fn language(text: &str) -> Result<Language, AdminPhrase> {
    let words = || Language::ALL.map(|language| format!("\"{}\"", language.word())).join(", ");
    Language::from_word(text).ok_or_else(|| AdminPhrase::AllowedForms { names: words() })
}

fn web_url(text: &str) -> Result<Url, AdminPhrase> {
    let url = Url::parse(text).map_err(|_| AdminPhrase::NotAWebUrl)?;
    let is_plain = ["http", "https"].contains(&url.scheme())
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_plain { Ok(url) } else { Err(AdminPhrase::NotAWebUrl) }
}

fn server_name(text: &str) -> Result<String, AdminPhrase> {
    match ServerName::parse(text) {
        Ok(name) => Ok(name.to_string()),
        Err(_) => Err(AdminPhrase::NotAServerName),
    }
}

fn user_id(text: &str) -> Result<String, AdminPhrase> {
    let user = UserId::parse(text).map_err(|_| AdminPhrase::NotAUserId)?;
    let is_strict = user.validate_strict().is_ok() && ServerName::parse(user.server_name()).is_ok();
    if is_strict { Ok(user.to_string()) } else { Err(AdminPhrase::NotAUserId) }
}

fn appservice_id(text: &str) -> Result<String, AdminPhrase> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(is_legal) {
        Ok(text.to_owned())
    } else {
        Err(AdminPhrase::NotAnId)
    }
}

/// A user id has 255 bytes; what the prefix takes is missing for the correspondents.
fn user_prefix(text: &str) -> Result<String, AdminPhrase> {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if (2..=32).contains(&text.len()) && text.chars().all(is_legal) && text.ends_with('_') {
        Ok(text.to_owned())
    } else {
        Err(AdminPhrase::NotAPrefix)
    }
}

fn bot(text: &str, prefix: &str, server_name: Option<&str>) -> Result<String, AdminPhrase> {
    let ours = prefix.to_owned();
    let Some(rest) = text.strip_prefix(prefix) else {
        return Err(AdminPhrase::BotWithoutPrefix { prefix: ours });
    };
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let fits = text.len() + server_name.map_or(0, str::len) <= 200;
    if rest.is_empty() || !rest.chars().all(is_legal) || !fits {
        return Err(AdminPhrase::NotABot { prefix: ours });
    }
    if ["kim_", "fax_", "sender_"].iter().any(|taken| rest.starts_with(taken)) {
        return Err(AdminPhrase::BotTaken { prefix: ours });
    }
    Ok(text.to_owned())
}

fn own_address(text: &str, kind: Option<ChannelKind>) -> Result<MailAddress, AdminPhrase> {
    let address = MailAddress::new(text)?;
    if kind == Some(ChannelKind::Kim) && KimEnvironment::of(&address).is_none() {
        return Err(AdminPhrase::AddressNotKim);
    }
    Ok(address)
}
