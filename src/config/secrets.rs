//! Secrets: in the settings, in a file beside them, or in the environment, never in two places.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use secrecy::SecretString;

use super::{reader::Section, surroundings::SettingsSurroundings};

/// The three keys a secret may stand under.
pub(super) struct SecretKeys {
    pub(super) plain: &'static str,
    pub(super) file: &'static str,
    pub(super) env: &'static str,
}

pub(super) const PASSWORD: SecretKeys =
    SecretKeys { plain: "password", file: "password_file", env: "password_env" };

pub(super) const SEALING: SecretKeys =
    SecretKeys { plain: "key", file: "key_file", env: "key_env" };

pub(super) const URL: SecretKeys = SecretKeys { plain: "url", file: "url_file", env: "url_env" };

impl SecretKeys {
    /// Where the secret was given.
    pub(super) fn given(&self, section: &Section<'_, '_>) -> &'static str {
        let keys = [self.plain, self.file, self.env];
        keys.into_iter().find(|key| section.has(key)).unwrap_or(self.plain)
    }
}

/// Reads the secret wherever it stands. Notes a mistake when it stands nowhere or twice.
pub(super) fn secret(
    section: &Section<'_, '_>,
    keys: &SecretKeys,
    what_it_is: &str,
    around: &SettingsSurroundings<'_>,
) -> Option<SecretString> {
    let plain = section.text(keys.plain, not_empty);
    let file = section.text(keys.file, not_empty);
    let env = section.text(keys.env, not_empty);
    let given: Vec<&'static str> =
        [keys.plain, keys.file, keys.env].into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => {
            let what = format!("{what_it_is}; or {} or {}", keys.file, keys.env);
            section.required(keys.plain, &what, None::<()>);
            None
        }
        [_] => {
            if plain.is_some() {
                around.settings_hold_a_secret();
            }
            let from_file = || read_secret_file(section, keys.file, &file?, around);
            let from_env = || read_variable(section, keys.env, &env?, around);
            let secret = plain.or_else(from_file).or_else(from_env)?;
            // It would end the command it stands in and begin another, or cut SASL PLAIN in two.
            if secret.contains(['\r', '\n', '\0']) {
                let key = given.first().copied().unwrap_or(keys.plain);
                section.wrong(key, "must not contain line ends or NUL");
                return None;
            }
            Some(SecretString::from(secret))
        }
        [_, second, ..] => {
            let what = format!("give only one of {}", given.join(", "));
            section.wrong(second, what);
            None
        }
    }
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("must not be empty") } else { Ok(text.to_owned()) }
}

/// The file's first line: editors end a file with a line end, a password has none.
fn read_secret_file(
    section: &Section<'_, '_>,
    key: &'static str,
    path: &str,
    around: &SettingsSurroundings<'_>,
) -> Option<String> {
    let path = around.resolve(path);
    around.warn_if_world_readable(&path);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let secret = text.lines().next().unwrap_or_default().to_owned();
            if secret.is_empty() {
                section.wrong(key, format!("the file {} has an empty first line", path.display()));
                return None;
            }
            Some(secret)
        }
        Err(error) => {
            section.wrong(key, format!("the file {} cannot be read: {error}", path.display()));
            None
        }
    }
}

fn read_variable(
    section: &Section<'_, '_>,
    key: &'static str,
    variable: &str,
    around: &SettingsSurroundings<'_>,
) -> Option<String> {
    let value = (around.environment)(variable).filter(|value| !value.is_empty());
    if value.is_none() {
        section.wrong(key, format!("the environment variable {variable} is not set"));
    }
    value
}

/// Writes a secret to a new file for its owner's eyes only (mode 0600).
///
/// Errors: also when there is such a file ([`io::ErrorKind::AlreadyExists`]).
pub fn write_new_secret(file: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}
