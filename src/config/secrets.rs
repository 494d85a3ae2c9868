//! Secrets: in the settings, in a file beside them, or in the environment, never in two places.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use secrecy::SecretString;

use super::{reader::Section, surroundings::SettingsSurroundings};
use crate::{phrases::AdminPhrase, store::seal::NotAKey};

/// The three keys a secret may be given under.
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

pub(super) const CODE: SecretKeys =
    SecretKeys { plain: "code", file: "code_file", env: "code_env" };

impl SecretKeys {
    /// Whether the secret was given at all.
    pub(super) fn is_given(&self, section: &Section<'_, '_>) -> bool {
        [self.plain, self.file, self.env].into_iter().any(|key| section.has(key))
    }

    /// Where the secret was given.
    pub(super) fn given(&self, section: &Section<'_, '_>) -> &'static str {
        let keys = [self.plain, self.file, self.env];
        keys.into_iter().find(|key| section.has(key)).unwrap_or(self.plain)
    }
}

/// Reads the secret wherever it is given. Notes a mistake if it is given nowhere or twice.
pub(super) fn secret(
    section: &Section<'_, '_>,
    keys: &SecretKeys,
    what_it_is: AdminPhrase,
    around: &SettingsSurroundings<'_>,
) -> Option<SecretString> {
    let plain = section.text(keys.plain, not_empty);
    let file = section.text(keys.file, not_empty);
    let env = section.text(keys.env, not_empty);
    let given: Vec<&'static str> =
        [keys.plain, keys.file, keys.env].into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => {
            let (file, env) = (keys.file.to_owned(), keys.env.to_owned());
            let what = Box::new(what_it_is);
            section.missing(keys.plain, AdminPhrase::MissingSecret { what, file, env });
            None
        }
        [_] => {
            if plain.is_some() {
                around.settings_hold_a_secret();
            }
            let from_file = || read_secret_file(section, keys.file, &file?, around);
            let from_env = || read_variable(section, keys.env, &env?, around);
            let secret = plain.or_else(from_file).or_else(from_env)?;
            // It would end the command that contains it and begin another, or cut SASL PLAIN in
            // two.
            if secret.contains(['\r', '\n', '\0']) {
                let key = given.first().copied().unwrap_or(keys.plain);
                section.wrong(key, AdminPhrase::SecretLineEnd);
                return None;
            }
            Some(SecretString::from(secret))
        }
        [_, second, ..] => {
            section.wrong(second, AdminPhrase::GiveOnlyOne { keys: given.join(", ") });
            None
        }
    }
}

pub(super) fn not_empty(text: &str) -> Result<String, AdminPhrase> {
    if text.is_empty() { Err(AdminPhrase::IsEmpty) } else { Ok(text.to_owned()) }
}

/// The file's first line: editors end a file with a line end, a password has none.
fn read_secret_file(
    section: &Section<'_, '_>,
    key: &'static str,
    path: &str,
    around: &SettingsSurroundings<'_>,
) -> Option<String> {
    let path = around.resolve(path);
    let file = path.display().to_string();
    around.warn_if_world_readable(&path);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let secret = text.lines().next().unwrap_or_default().to_owned();
            if secret.is_empty() {
                section.wrong(key, AdminPhrase::FirstLineEmpty { file });
                return None;
            }
            Some(secret)
        }
        Err(error) => {
            section.wrong(key, AdminPhrase::FileUnreadable { file, error: error.to_string() });
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
        section.wrong(key, AdminPhrase::VariableNotSet { variable: variable.to_owned() });
    }
    value
}

/// What is wrong with a text that should be a sealing key: it completes a sentence that begins with
/// the text's description.
pub fn not_a_key(error: NotAKey) -> AdminPhrase {
    match error {
        NotAKey::NotBase64 => AdminPhrase::KeyNotBase64,
        NotAKey::WrongLength(bytes) => {
            AdminPhrase::KeyWrongLength { bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
        }
        NotAKey::NoSecret => AdminPhrase::KeyNoSecret,
    }
}

/// Writes a secret to a new file that only its owner can read (mode 0600).
///
/// Errors: also if the file exists already ([`io::ErrorKind::AlreadyExists`]).
pub fn write_new_secret(file: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}
