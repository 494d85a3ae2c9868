//! The registration file: what the homeserver has to know about us, and the two tokens.

use std::{
    error::Error,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
};

use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretString};

use super::{Settings, surroundings, write_new_secret};
use crate::{
    model::Language,
    phrases::{AdminPhrase, Telling, Tells},
};

/// The tokens of a registration.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// We show it to the homeserver.
    pub as_token: SecretString,
    /// The homeserver shows it to us.
    pub hs_token: SecretString,
    /// The user the registration itself stands for: no real user, and never the bot, because
    /// Synapse answers `/sync` of this user with an error.
    pub sender_localpart: String,
}

/// What the tokens of an example begin with. The gateway does not start with them.
const PLACEHOLDER: &str = "REPLACE_ME";

impl Tokens {
    /// Of each token: as hard to guess as a key.
    const RANDOM_BYTES: usize = 32;

    pub fn random(settings: &Settings, rng: &mut impl CryptoRng) -> Self {
        let mut token = || {
            let mut bytes = [0; Self::RANDOM_BYTES];
            rng.fill_bytes(&mut bytes);
            bytes.iter().fold(String::new(), |mut hex, byte| {
                // Writing to a String does not fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        let name: String = token().chars().take(16).collect();
        Self {
            as_token: token().into(),
            hs_token: token().into(),
            sender_localpart: format!("{}sender_{name}", settings.appservice.user_prefix),
        }
    }

    /// For a registration to look at, not to use.
    pub fn example(settings: &Settings) -> Self {
        Self {
            as_token: format!("{PLACEHOLDER}_AS_TOKEN").into(),
            hs_token: format!("{PLACEHOLDER}_HS_TOKEN").into(),
            sender_localpart: format!("{}sender_example", settings.appservice.user_prefix),
        }
    }
}

/// The registration file for these settings, YAML.
pub fn registration_yaml(settings: &Settings, tokens: &Tokens) -> String {
    let appservice = &settings.appservice;
    format!(
        "\
# The registration of Umstieg at the homeserver. It holds two secrets: keep it from others.
# Name this file in homeserver.yaml under app_service_config_files and restart the homeserver.
id: {id}
url: {url}
as_token: {as_token}
hs_token: {hs_token}
sender_localpart: {sender}
rate_limited: false
namespaces:
  users:
    - exclusive: true
      regex: {users}
  aliases:
    - exclusive: true
      regex: {aliases}
  rooms: []
receive_ephemeral: true
de.sorunome.msc2409.push_ephemeral: true
io.element.msc4190: true
protocols: []
",
        id = quoted(&appservice.id),
        url = quoted(&shown_url(settings)),
        as_token = quoted(tokens.as_token.expose_secret()),
        hs_token = quoted(tokens.hs_token.expose_secret()),
        sender = quoted(&tokens.sender_localpart),
        users = quoted(&namespace(settings, '@')),
        aliases = quoted(&namespace(settings, '#')),
    )
}

/// Without the slash that `Url` puts after a bare host: homeservers append `/_matrix/…` to it.
fn shown_url(settings: &Settings) -> String {
    settings.appservice.url.as_str().trim_end_matches('/').to_owned()
}

/// Every id of ours on our homeserver and no other. Synapse anchors a pattern only at its start.
fn namespace(settings: &Settings, sigil: char) -> String {
    let prefix = escaped(&settings.appservice.user_prefix);
    let server_name = escaped(&settings.homeserver.server_name);
    format!("^{sigil}{prefix}.*:{server_name}$")
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if r"\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// A single-quoted YAML scalar: nothing within it is special but the quote itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Why the registration file was not written.
#[derive(Debug)]
pub enum WriteError {
    Exists { file: PathBuf },
    Unwritable { file: PathBuf, cause: io::Error },
}

impl Tells for WriteError {
    fn telling(&self) -> Telling {
        match self {
            Self::Exists { file } => {
                AdminPhrase::RegistrationExists { file: file.display().to_string() }.into()
            }
            Self::Unwritable { file, cause } => {
                let file = file.display().to_string();
                Telling::from(AdminPhrase::RegistrationUnwritable { file }).because_of(cause)
            }
        }
    }
}

/// In English, as the log is.
impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.telling(), f)
    }
}

impl Error for WriteError {}

/// Writes the file so that only its owner can read it (mode 0600). `replace`: even over an existing
/// one.
pub fn write_registration(file: &Path, yaml: &str, replace: bool) -> Result<(), WriteError> {
    let unwritable = |cause| WriteError::Unwritable { file: file.to_owned(), cause };
    let write_new = |path: &Path| write_new_secret(path, yaml);
    if !replace {
        return match write_new(file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(WriteError::Exists { file: file.to_owned() })
            }
            other => other.map_err(unwritable),
        };
    }
    // Written beside it and then moved over it: the old file's permissions do not carry over, and a
    // full disk leaves the old file whole.
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    write_new(&beside).and_then(|()| fs::rename(&beside, file)).map_err(unwritable)
}

/// Why a registration file cannot be used.
#[derive(Debug)]
pub enum RegistrationError {
    Unreadable {
        file: PathBuf,
        cause: io::Error,
    },
    NotARegistration {
        file: PathBuf,
        line: usize,
    },
    Missing {
        file: PathBuf,
        key: &'static str,
    },
    Placeholder {
        file: PathBuf,
        key: &'static str,
    },
    Differs {
        file: PathBuf,
        key: &'static str,
        registered: Box<AdminPhrase>,
        /// The settings it comes from.
        setting: Box<AdminPhrase>,
        set: String,
    },
    SameTokens {
        file: PathBuf,
    },
    SenderIsBot {
        file: PathBuf,
        bot: String,
    },
}

impl Tells for RegistrationError {
    fn telling(&self) -> Telling {
        let shown = |file: &PathBuf| file.display().to_string();
        let sentence = match self {
            Self::Unreadable { file, cause } => {
                return Telling::from(AdminPhrase::RegistrationUnreadable { file: shown(file) })
                    .because_of(cause);
            }
            Self::NotARegistration { file, line } => AdminPhrase::RegistrationForeign {
                file: shown(file),
                line: u64::try_from(*line).unwrap_or(u64::MAX),
            },
            Self::Missing { file, key } => {
                AdminPhrase::RegistrationIncomplete { file: shown(file), key: (*key).to_owned() }
            }
            Self::Placeholder { file, key } => {
                AdminPhrase::RegistrationExample { file: shown(file), key: (*key).to_owned() }
            }
            Self::Differs { file, key, registered, setting, set } => {
                AdminPhrase::RegistrationDiffers {
                    file: shown(file),
                    key: (*key).to_owned(),
                    registered: registered.clone(),
                    setting: setting.clone(),
                    set: set.clone(),
                }
            }
            Self::SameTokens { file } => AdminPhrase::SameTokens { file: shown(file) },
            Self::SenderIsBot { file, bot } => {
                AdminPhrase::SenderIsBot { file: shown(file), bot: bot.clone() }
            }
        };
        sentence.into()
    }
}

/// In English, as the log is.
impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.telling().in_one_line(Language::English))
    }
}

impl Error for RegistrationError {}

/// A registration that fits the settings.
#[derive(Debug)]
pub struct Registration {
    pub tokens: Tokens,
    pub warnings: Vec<AdminPhrase>,
}

/// What we need of the file; other keys are the homeserver's business.
#[derive(serde::Deserialize)]
struct File {
    id: Option<String>,
    url: Option<String>,
    as_token: Option<SecretString>,
    hs_token: Option<SecretString>,
    sender_localpart: Option<String>,
    #[serde(default)]
    namespaces: Namespaces,
}

#[derive(Default, serde::Deserialize)]
struct Namespaces {
    #[serde(default)]
    users: Vec<Namespace>,
    #[serde(default)]
    aliases: Vec<Namespace>,
}

#[derive(serde::Deserialize)]
struct Namespace {
    #[serde(default)]
    exclusive: bool,
    regex: String,
}

/// Reads the registration file the settings name, and compares it with the settings.
pub fn read_registration(settings: &Settings) -> Result<Registration, RegistrationError> {
    let file = settings.appservice.registration.clone();
    let text = fs::read_to_string(&file)
        .map_err(|cause| RegistrationError::Unreadable { file: file.clone(), cause })?;
    let read: File = serde_saphyr::from_str(&text).map_err(|error| {
        // The error's own words may repeat the text, which holds the tokens.
        let line = error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(1));
        RegistrationError::NotARegistration { file: file.clone(), line }
    })?;
    let tokens = check(read, settings, &file)?;
    let mut warnings = Vec::new();
    if surroundings::is_world_readable(&file) {
        warnings.push(surroundings::world_readable_warning(&file));
    }
    Ok(Registration { tokens, warnings })
}

fn check(read: File, settings: &Settings, file: &Path) -> Result<Tokens, RegistrationError> {
    let file = || file.to_owned();
    let missing = |key| move || RegistrationError::Missing { file: file(), key };
    let differs = |key, registered, setting, set| {
        let (registered, setting) = (Box::new(registered), Box::new(setting));
        Err(RegistrationError::Differs { file: file(), key, registered, setting, set })
    };
    let same = |key, registered: String, setting: &str, set: String| {
        if registered == set {
            Ok(())
        } else {
            let [registered, setting] = [registered.as_str(), setting].map(AdminPhrase::as_it_is);
            differs(key, registered, setting, set)
        }
    };
    let id = read.id.ok_or_else(missing("id"))?;
    same("id", id, "appservice.id", settings.appservice.id.clone())?;
    let url = read.url.ok_or_else(missing("url"))?;
    same("url", url.trim_end_matches('/').to_owned(), "appservice.url", shown_url(settings))?;
    for (key, listed, sigil) in [
        ("namespaces.users", read.namespaces.users, '@'),
        ("namespaces.aliases", read.namespaces.aliases, '#'),
    ] {
        let ours = namespace(settings, sigil);
        let registered: Vec<String> =
            listed.into_iter().filter(|one| one.exclusive).map(|one| one.regex).collect();
        if !registered.contains(&ours) {
            let registered = match registered.as_slice() {
                [] => AdminPhrase::WithoutExclusive,
                several => AdminPhrase::as_it_is(several.join(", ")),
            };
            differs(key, registered, AdminPhrase::PrefixAndServer, ours)?;
        }
    }
    let as_token = read.as_token.ok_or_else(missing("as_token"))?;
    let hs_token = read.hs_token.ok_or_else(missing("hs_token"))?;
    for (key, token) in [("as_token", &as_token), ("hs_token", &hs_token)] {
        if token.expose_secret().is_empty() {
            return Err(RegistrationError::Missing { file: file(), key });
        }
        if token.expose_secret().starts_with(PLACEHOLDER) {
            return Err(RegistrationError::Placeholder { file: file(), key });
        }
    }
    if as_token.expose_secret() == hs_token.expose_secret() {
        return Err(RegistrationError::SameTokens { file: file() });
    }
    let sender_localpart = read.sender_localpart.ok_or_else(missing("sender_localpart"))?;
    if sender_localpart == settings.appservice.bot {
        return Err(RegistrationError::SenderIsBot { file: file(), bot: sender_localpart });
    }
    Ok(Tokens { as_token, hs_token, sender_localpart })
}
