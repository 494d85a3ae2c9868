//! Starts the log.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, filter::Directive};

use crate::{
    config::{LogFormat, LogSettings},
    phrases::{AdminPhrase, Telling},
};

/// These libraries name people: a ghost's name is its correspondent's address, and an answer of the
/// directory is about one. So they stay silent whatever the settings say.
const SILENT: [&str; 5] =
    ["matrix_sdk_crypto", "matrix_sdk_common", "vodozemac", "ldap3_proto", "ldap3_lber"];

/// Starts it, and has a panic say its place and nothing of what it met.
///
/// # Errors
/// When there is one already, or the filter is none.
pub fn start_log(log: &LogSettings) -> Result<(), Telling> {
    let no_log = |sentence: AdminPhrase, error: &dyn std::error::Error| {
        Telling::from(sentence).because_of(error)
    };
    let mut filter = EnvFilter::try_new(&log.filter)
        .map_err(|error| no_log(AdminPhrase::NoLogFilter, &error))?;
    for library in SILENT {
        let directive = format!("{library}=off").parse::<Directive>();
        let directive = directive.map_err(|error| no_log(AdminPhrase::NoLog, &error))?;
        filter = filter.add_directive(directive);
    }
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| no_log(AdminPhrase::NoLog, error.as_ref()))?;
    // A panic message names what it met, which may come from a letter: only the place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        tracing::error!(place, "Umstieg met a case it was not written for: this is a bug");
    }));
    Ok(())
}
