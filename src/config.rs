//! Typed settings and secrets from one TOML file, and the application-service registration.
//!
//! The gateway does not start with settings it does not understand: it names every mistake with its
//! line, its key and what is allowed there, all of them at once. Tokens are in the registration
//! file, which the homeserver reads as well; passwords are in the settings, in files beside them,
//! or in the environment.

mod directory;
mod fax;
mod fax_showing;
mod intake;
mod kim;
mod kim_services;
mod listener;
mod mail_server;
mod read;
mod reader;
mod registration;
mod rights;
mod secrets;
mod settings;
mod surroundings;
#[cfg(test)]
mod tests;
mod tray;
mod virus_scanner;

pub use read::{LoadedSettings, load, parse};
pub use reader::{Mistake, SettingsError};
pub use registration::{
    Registration, RegistrationError, Tokens, WriteError, read_registration, registration_yaml,
    write_registration,
};
pub use secrets::{not_a_key, write_new_secret};
pub use settings::{
    AfterRelay, AppserviceSettings, ChannelSettings, DatabaseSettings, DirectorySettings,
    EncryptionSettings, HomeserverSettings, InboxSettings, IntakeSettings, ListenerSettings,
    LogFormat, LogSettings, MonitoringSettings, SealingSettings, Settings, VirusScannerSettings,
    WorkerSettings,
};
pub use surroundings::Environment;
