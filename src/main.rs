//! The command line.

use std::{
    error::Error as _,
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use tracing_subscriber::EnvFilter;
use umstieg::{
    app::{
        self,
        check::{self, Finding},
    },
    config::{
        LogFormat, LogSettings, Registration, Settings, Tokens, load, read_registration,
        registration_yaml, write_new_secret, write_registration,
    },
    sandbox,
    store::seal::OuterKey,
};

/// What a shell hears when something failed.
const FAILED: u8 = 1;
/// What a shell hears when the command line or the settings are wrong; clap uses the same.
const WRONG: u8 = 2;
/// What a shell hears when the gateway cannot run, and trying again would be in vain: systemd is told
/// so (docs/operations.md).
const LASTING: u8 = 3;

#[derive(Parser)]
#[command(
    name = "umstieg",
    version,
    about = "Relays KIM mail and fax into Matrix rooms, and answers back out",
    long_about = "Umstieg relays between TI-Messenger (Matrix) rooms and the channels health care \
                  leaves behind: KIM mail and fax-to-email. A letter appears in a room under the \
                  name of who sent it; what the team answers there leaves as KIM mail or fax.",
    after_long_help = FIRST_STEPS,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// The settings file; umstieg.example.toml shows every key
    #[arg(
        long,
        global = true,
        env = "UMSTIEG_SETTINGS",
        default_value = "umstieg.toml",
        value_name = "FILE"
    )]
    settings: PathBuf,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  1. Copy umstieg.example.toml to umstieg.toml and change what is yours.
  2. umstieg sealing-key    prints a key for [sealing] of the settings. Keep a copy of it.
  3. umstieg registration   writes registration.yaml. Name it in homeserver.yaml under
                            app_service_config_files and restart the homeserver.
  4. umstieg migrate        prepares the database.
  5. umstieg check          tries every server and says what to do about what does not work.
  6. umstieg run            starts the gateway. Ctrl-C or SIGTERM ends it; nothing is lost.

Examples:
  umstieg --settings /etc/umstieg/umstieg.toml check
  umstieg sealing-key --output /etc/umstieg/sealing.key
  umstieg registration --output /etc/umstieg/registration.yaml
  umstieg parked list
  umstieg parked retry 17
  umstieg identities list
  umstieg rekey --old-key-file /etc/umstieg/sealing.key.old

Exit codes:
  0  done
  1  something failed: a server, a file, a check
  2  the command line, the settings or the registration are wrong
  3  run: trying again does not help. Another gateway has the database, its key or its version is
     another one, or a port is in use";

#[derive(Subcommand)]
enum Command {
    /// Start the gateway
    ///
    /// Brings the database up to date, follows the homeserver and every mailbox, and hands over
    /// answers until it is told to stop (Ctrl-C or SIGTERM). It may be killed at any moment:
    /// started again, it goes on where it was.
    Run,
    /// Make a key that seals what lies in the database
    ///
    /// Prints 32 random bytes in base64, for sealing.key, sealing.key_file or sealing.key_env of
    /// the settings. Without this key nobody can read the database, you neither: keep a copy of
    /// it, and not beside the backups of the database. Needs no settings.
    SealingKey {
        /// Write it to a new file that only its owner can read, instead of printing it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Seal the database with another key
    ///
    /// First make a key (`umstieg sealing-key`), keep the old one in a file, put the new one into
    /// the settings and stop the gateway. From the first moment on only the new key opens the
    /// database; then everything in it is sealed anew, which may be interrupted and run again,
    /// and the gateway may run before it is finished.
    ///
    /// The environment variable UMSTIEG_OLD_SEALING_KEY may hold the old key instead of a file.
    Rekey {
        /// A file with the key the database is sealed with now, on its first line
        #[arg(long, value_name = "FILE")]
        old_key_file: Option<PathBuf>,
    },
    /// Write the registration file for the homeserver
    ///
    /// With random tokens, readable by its owner only. An existing file is kept, because the
    /// homeserver may know its tokens.
    Registration {
        /// Where to write it [default: appservice.registration of the settings]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace an existing file; the homeserver then needs the new one and a restart
        #[arg(long)]
        force: bool,
        /// Write placeholders for the tokens, which the gateway refuses to start with
        #[arg(long, hide = true)]
        example: bool,
    },
    /// Try every server the settings name, and say what to do
    ///
    /// Changes nothing. Prints a table: what was tried, how it went, and what to do about what
    /// does not work. The exit code is 0 when nothing failed.
    Check,
    /// Prepare the database, or bring it up to date
    ///
    /// May run at any time, also twice. `umstieg run` does the same when it starts.
    Migrate,
    /// Open documents for the gateway that started this, and for nobody else
    #[command(hide = true)]
    Sandbox,
    /// Look after members who have another identity than before
    ///
    /// A member's identity (what signs its devices) is pinned when the gateway first sees it. Who has
    /// another one reads no letters and is not believed, until another speaker confirms it in a
    /// room, or somebody here.
    Identities {
        #[command(subcommand)]
        action: Identities,
    },
    /// Look after what failed for good and waits for a person
    ///
    /// Nothing is dropped by itself: a letter, a post or an answer that failed too often is
    /// parked, with a notice in its room.
    Parked {
        #[command(subcommand)]
        action: Parked,
    },
}

#[derive(Subcommand)]
enum Identities {
    /// Show whose identity waits to be confirmed
    List,
    /// Believe the new identity of a user, for example @anna:praxis.example
    Confirm { user: String },
}

#[derive(Subcommand)]
enum Parked {
    /// Show what is parked, with ids and reasons
    List,
    /// Try one again
    Retry { id: i64 },
    /// Give one up; the row stays as evidence
    Drop { id: i64 },
}

/// Why a command ended early, and which code says so.
struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    fn wrong(error: anyhow::Error) -> Self {
        Self { code: WRONG, error }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: FAILED, error }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before anything else: it sets itself limits, and reads neither settings nor environment.
    if matches!(cli.command, Command::Sandbox) {
        return if sandbox::serve().is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
    }
    match carry_out(&cli.settings, cli.command) {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure.error);
            ExitCode::from(failure.code)
        }
    }
}

fn carry_out(file: &Path, command: Command) -> Result<ExitCode, Failure> {
    if let Command::SealingKey { output } = command {
        make_sealing_key(output.as_deref())?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = settings(file)?;
    // What stands in the settings is all that this needs.
    if let Command::Registration { output, force, example } = command {
        write_registration_file(&settings, output.as_deref(), force, example)?;
        return Ok(ExitCode::SUCCESS);
    }
    let key = settings.sealing.key().map_err(|error| Failure::wrong(error.into()))?.clone();
    match command {
        Command::Run => {
            let tokens = registration(&settings)?.tokens;
            start_log(&settings.log)?;
            start_cryptography();
            app::run(&settings, &tokens, &key).map_err(|error| Failure {
                code: if error.is_lasting() { LASTING } else { FAILED },
                error: error.into(),
            })?;
        }
        Command::Check => {
            let registration = registration(&settings)?;
            return check(file, &settings, &registration, &key);
        }
        Command::Migrate => in_runtime(app::migrate(&settings, &key))?,
        Command::Rekey { old_key_file } => {
            let old = old_key(old_key_file.as_deref())?;
            // Nobody may be listening any more: that is no reason to stop.
            let tell = |line: &str| drop(say(line));
            in_runtime(app::rekey::rekey(&settings, &key, old.as_ref(), tell))?;
        }
        Command::Parked { action } => say(&in_runtime(async {
            match action {
                Parked::List => app::parked::list(&settings, &key).await,
                Parked::Retry { id } => app::parked::retry(&settings, &key, id).await,
                Parked::Drop { id } => app::parked::drop(&settings, &key, id).await,
            }
        })?)?,
        Command::Identities { action } => say(&in_runtime(async {
            match action {
                Identities::List => app::identities::list(&settings, &key).await,
                Identities::Confirm { user } => {
                    app::identities::confirm(&settings, &key, &user).await
                }
            }
        })?)?,
        Command::SealingKey { .. } | Command::Registration { .. } | Command::Sandbox => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn make_sealing_key(output: Option<&Path>) -> anyhow::Result<()> {
    let text = OuterKey::random_base64();
    let line = format!("{}\n", text.expose_secret());
    match output {
        None => say(&line)?,
        Some(file) => write_new_secret(file, &line).with_context(|| {
            format!("{} cannot be written; an existing key is never replaced", file.display())
        })?,
    }
    let mark = OuterKey::from_base64(text.expose_secret()).context("a key was not made")?;
    warn(&format!(
        "this is the key {}. Without it nobody can read the database: keep a copy of it, and not \
         beside the backups of the database",
        mark.mark()
    ));
    Ok(())
}

/// Holds the old key for [`Command::Rekey`] where no file does.
const OLD_KEY_VARIABLE: &str = "UMSTIEG_OLD_SEALING_KEY";

fn old_key(file: Option<&Path>) -> Result<Option<OuterKey>, Failure> {
    let (text, place) = match file {
        Some(file) => {
            let text = fs::read_to_string(file)
                .with_context(|| format!("the file {} cannot be read", file.display()))
                .map_err(Failure::wrong)?;
            (text.lines().next().unwrap_or_default().to_owned(), file.display().to_string())
        }
        None => match std::env::var(OLD_KEY_VARIABLE) {
            Ok(text) if !text.is_empty() => (text, OLD_KEY_VARIABLE.to_owned()),
            _ => return Ok(None),
        },
    };
    OuterKey::from_base64(&text).map(Some).map_err(|error| {
        Failure::wrong(anyhow::anyhow!(
            "what {place} holds {error}; expected the 32 bytes in base64 that were in the settings"
        ))
    })
}

fn settings(file: &Path) -> Result<Settings, Failure> {
    let loaded = load(file, &|name| std::env::var(name).ok()).map_err(|error| {
        let kind =
            error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        let error = anyhow::Error::new(error);
        let error = match kind {
            Some(io::ErrorKind::NotFound) => error.context(
                "there are no settings: copy umstieg.example.toml to umstieg.toml, or name \
                 another file with --settings",
            ),
            Some(io::ErrorKind::PermissionDenied) => error.context(
                "you may not read the settings: run this as the gateway's own user, for example \
                 with sudo -u umstieg",
            ),
            _ => error,
        };
        Failure { code: WRONG, error }
    })?;
    loaded.warnings.iter().for_each(|warning| warn(warning));
    Ok(loaded.settings)
}

fn registration(settings: &Settings) -> Result<Registration, Failure> {
    let registration = read_registration(settings)
        .map_err(|error| Failure { code: WRONG, error: error.into() })?;
    registration.warnings.iter().for_each(|warning| warn(warning));
    Ok(registration)
}

fn write_registration_file(
    settings: &Settings,
    output: Option<&Path>,
    force: bool,
    example: bool,
) -> anyhow::Result<()> {
    let file = output.unwrap_or(&settings.appservice.registration);
    let tokens = if example {
        Tokens::example(settings)
    } else {
        Tokens::random(settings, &mut StdRng::from_os_rng())
    };
    write_registration(file, &registration_yaml(settings, &tokens), force)?;
    // Where the homeserver finds it, wherever that is started.
    let shown = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    say(&format!(
        "Wrote {0}.\nThe gateway's user and the homeserver's both have to read it: give it to the \
         first, and\nthe second a copy where it may read. Name that copy in homeserver.yaml, and \
         restart the homeserver:\n\n\
         app_service_config_files:\n  - {0}\n\nThen run: umstieg check\n",
        shown.display()
    ))
}

fn check(
    file: &Path,
    settings: &Settings,
    registration: &Registration,
    key: &OuterKey,
) -> Result<ExitCode, Failure> {
    let mut findings = vec![Finding::ok("settings", file.display().to_string())];
    let registration_file = settings.appservice.registration.display().to_string();
    findings.push(match registration.warnings.as_slice() {
        [] => Finding::ok("registration", registration_file),
        warnings => Finding::warn("registration", registration_file, warnings.join("; ")),
    });
    findings.extend(in_runtime(async {
        Ok::<_, std::convert::Infallible>(app::probe(settings, &registration.tokens, key).await)
    })?);
    say(&check::table(settings.language, &findings))?;
    Ok(if check::is_well(&findings) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// One provider for every TLS connection, chosen before the first.
fn start_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn in_runtime<T, E>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    start_cryptography();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    Ok(runtime.block_on(work)?)
}

fn start_log(log: &LogSettings) -> anyhow::Result<()> {
    let mut filter = EnvFilter::try_new(&log.filter).context("log.filter is not understood")?;
    // They name users, and a ghost's name is its correspondent's address. Whatever the settings say.
    for library in ["matrix_sdk_crypto", "matrix_sdk_common", "vodozemac"] {
        filter = filter.add_directive(format!("{library}=off").parse()?);
    }
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!(error).context("the log does not start"))?;
    // What panics names what it met, and that may be out of somebody's letter: only the place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        tracing::error!(place, "Umstieg met what it was not made for, which is a mistake in it");
    }));
    Ok(())
}

/// What a command has to say goes to standard output, warnings and errors beside it.
fn say(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("standard output cannot be written")
}

fn warn(warning: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "umstieg: note: {warning}");
}

/// The error, then what it came from, one to a line.
fn complain(error: &anyhow::Error) {
    let mut text = format!("umstieg: {error}\n");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some libraries say their cause themselves.
        if !text.trim_end().ends_with(&cause) {
            text.push_str(&format!("  because: {cause}\n"));
        }
    }
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
