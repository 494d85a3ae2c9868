//! The command line.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use tokio::runtime::Runtime;
use umstieg::{
    app::{
        self,
        check::{self, Finding},
        fax::FaxCommand,
        fax_test::FaxTestOrder,
        help,
        parked::ParkedCommand,
    },
    config::{
        Registration, Settings, Tokens, load, not_a_key, read_registration, registration_yaml,
        write_new_secret, write_registration,
    },
    model::Language,
    phrases::{AdminPhrase, Telling, Tells},
    sandbox,
    store::seal::OuterKey,
};

/// What a shell hears when something failed.
const FAILED: u8 = 1;
/// What a shell hears when the command line or the settings are wrong; clap uses the same.
const WRONG: u8 = 2;
/// What a shell hears when the gateway cannot run and trying again would not help: systemd is told so
/// (docs/operations.md).
const LASTING: u8 = 3;

#[derive(Parser)]
#[command(
    name = "umstieg",
    version,
    about = "Relays KIM mail and fax into Matrix rooms, and answers back out",
    long_about = "Umstieg relays between TI-Messenger (Matrix) rooms and the channels health care \
                  leaves behind: KIM mail and fax-to-email. A letter appears in a room under its \
                  sender's name; what the team answers there leaves as KIM mail or fax.",
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
    /// The language to speak: German (de) or English (en)
    ///
    /// Without it, the environment decides (LC_ALL, else LC_MESSAGES, else LANG): German where the
    /// value begins with de, else English. The settings name the language of the rooms; the log is
    /// English.
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = language_word())]
    lang: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

fn language_word() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::word))
        .try_map(|word| Language::from_word(&word).ok_or("there is no such language"))
}

const FIRST_STEPS: &str = "\
First steps:
  1. Copy umstieg.example.toml to umstieg.toml and adapt it to your setup.
  2. umstieg sealing-key    prints a key for [sealing] of the settings. Keep a copy of it.
  3. umstieg registration   writes registration.yaml. Name it in homeserver.yaml under
                            app_service_config_files and restart the homeserver.
  4. umstieg migrate        prepares the database.
  5. umstieg check          tries every server and says how to fix what does not work.
  6. umstieg run            starts the gateway. Ctrl-C or SIGTERM ends it; nothing is lost.

Examples:
  umstieg --settings /etc/umstieg/umstieg.toml check
  umstieg --lang de check
  umstieg sealing-key --output /etc/umstieg/sealing.key
  umstieg registration --output /etc/umstieg/registration.yaml
  umstieg parked list
  umstieg parked retry 17
  umstieg identities list
  umstieg kim classes
  umstieg kim lookup klinik@nord.kim.telematik
  umstieg rekey --old-key-file /etc/umstieg/sealing.key.old

Exit codes:
  0  done
  1  something failed: a server, a file, a check
  2  the command line, the settings or the registration are wrong
  3  run: trying again does not help. Another gateway has the database, the database has another
     key or a newer version, or a port is in use";

#[derive(Subcommand)]
enum Command {
    /// Start the gateway
    ///
    /// Brings the database up to date, follows the homeserver and every mailbox, and hands over
    /// answers until it is told to stop (Ctrl-C or SIGTERM). It may be killed at any moment:
    /// started again, it goes on where it was.
    Run,
    /// Make a key that seals the contents of the database
    ///
    /// Prints 32 random bytes in base64, for sealing.key, sealing.key_file or sealing.key_env of
    /// the settings. Without this key nobody can read the database, not even you: keep a copy of
    /// it, apart from the backups of the database. Needs no settings.
    SealingKey {
        /// Write it to a new file that only its owner can read, instead of printing it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Seal the database with another key
    ///
    /// First make a key (`umstieg sealing-key`), keep the old one in a file, put the new one into
    /// the settings and stop the gateway. From the first moment on only the new key opens the
    /// database. Then everything in it is sealed again; you may interrupt this and run it again,
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
    /// Changes nothing, but makes the bot's account at the homeserver. Prints a table: what was tried, how it went, and how to fix what does not
    /// work. The exit code is 0 when nothing failed.
    Check,
    /// Prepare the database, or bring it up to date
    ///
    /// May run at any time, and more than once. `umstieg run` does the same when it starts.
    Migrate,
    /// Open documents for the gateway that started this process, and only for it
    #[command(hide = true)]
    Sandbox {
        /// The program that reads pages, and its arguments: it takes the place of this one
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        reader: Vec<OsString>,
    },
    /// Look after members who have another identity than before
    ///
    /// The gateway pins a member's identity (what signs its devices) when it first sees it. A member
    /// with another identity reads no letters and is not believed, until another speaker confirms
    /// the identity in a room, or an admin does here.
    Identities {
        #[command(subcommand)]
        action: Identities,
    },
    /// Look after what is special about fax gateways
    Fax {
        #[command(subcommand)]
        action: FaxCommand,
    },
    /// Look after what is special about KIM mailboxes
    Kim {
        #[command(subcommand)]
        action: Kim,
    },
    /// Look after what failed for good and waits for a person
    ///
    /// The gateway drops nothing by itself: it parks a letter, a post or an answer that failed too
    /// often, with a notice in its room.
    Parked {
        #[command(subcommand)]
        action: ParkedCommand,
    },
}

#[derive(Subcommand)]
enum Identities {
    /// Show the members whose identity waits to be confirmed
    List,
    /// Believe the new identity of a user, for example @anna:praxis.example
    Confirm { user: String },
}

#[derive(Subcommand)]
enum Kim {
    /// Show which mails were left to other programs, since when and why
    Classes,
    /// Show what the directory says about a KIM address, for example klinik@nord.kim.telematik
    Lookup { address: String },
}

/// Why a command ended early, and the exit code that says so.
struct Failure {
    code: u8,
    told: Telling,
}

impl Failure {
    fn failed(error: &impl Tells) -> Self {
        Self { code: FAILED, told: error.telling() }
    }

    fn wrong(error: &impl Tells) -> Self {
        Self { code: WRONG, told: error.telling() }
    }
}

/// Something failed.
impl From<Telling> for Failure {
    fn from(told: Telling) -> Self {
        Self { code: FAILED, told }
    }
}

fn main() -> ExitCode {
    let asked = language_asked_for(env::args_os().skip(1));
    let language = asked.unwrap_or_else(language_of_environment);
    let cli = match command_line(language) {
        Ok(cli) => cli,
        Err(error) => return refused(&error, language),
    };
    // Before anything else: the sandbox limits itself, and reads no settings.
    if let Command::Sandbox { reader } = &cli.command {
        let served = sandbox::serve_as(reader);
        return if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
    }
    let call = Call { language: cli.lang.unwrap_or(language), file: cli.settings };
    match call.carry_out(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure.told.in_lines(call.language));
            ExitCode::from(failure.code)
        }
    }
}

fn command_line(language: Language) -> Result<Cli, clap::Error> {
    match language {
        Language::English => Cli::try_parse(),
        Language::German => {
            let mut commands = help::in_german(Cli::command());
            Cli::from_arg_matches(&commands.try_get_matches_from_mut(env::args_os())?)
        }
    }
}

/// The help, the version, or what is wrong with the command line.
fn refused(error: &clap::Error, language: Language) -> ExitCode {
    match (language, help::mistake_in_german(error)) {
        (Language::German, Some(mistake)) => complain(&mistake),
        // Standard output may be closed.
        _ => drop(error.print()),
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// What `--lang` says, before the command line is understood: its help and its mistakes are in that
/// language too.
fn language_asked_for(words: impl Iterator<Item = OsString>) -> Option<Language> {
    let mut words = words.map(|word| word.to_string_lossy().into_owned());
    let mut asked = None;
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let value = match word.strip_prefix("--lang") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        asked = asked.or(value.and_then(|value| Language::from_word(&value)));
    }
    asked
}

/// As POSIX has it (XBD 8.2): the first of these that is set and not empty.
fn language_of_environment() -> Language {
    let set = |name| env::var_os(name).filter(|locale: &OsString| !locale.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    locale.map_or(Language::English, |locale| Language::of_locale(&locale.to_string_lossy()))
}

/// One call of the program: what it speaks, and where its settings are.
struct Call {
    language: Language,
    file: PathBuf,
}

impl Call {
    fn carry_out(&self, command: Command) -> Result<ExitCode, Failure> {
        if let Command::SealingKey { output } = command {
            self.make_sealing_key(output.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Command::Fax { action } = &command {
            let said = app::fax::carry_out(action, self.language);
            if let Some(said) = said.map_err(|error| Failure::failed(&error))? {
                print(&said)?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        let settings = self.settings()?;
        // This needs nothing but the settings.
        if let Command::Registration { output, force, example } = command {
            self.write_registration_file(&settings, output.as_deref(), force, example)?;
            return Ok(ExitCode::SUCCESS);
        }
        // This too, and the directory.
        if let Command::Kim { action: Kim::Lookup { address } } = command {
            let asked = app::directory::lookup(&settings, &address, self.language);
            print(&in_runtime(asked)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let key = settings.sealing.key().map_err(|error| Failure::wrong(&error))?.clone();
        // A closed standard output is no reason to stop.
        let tell = |sentence: &AdminPhrase| drop(self.say(sentence));
        match command {
            Command::Run => {
                let tokens = self.registration(&settings)?.tokens;
                app::log::start_log(&settings.log)?;
                start_cryptography();
                app::run(&settings, &tokens, &key).map_err(|error| Failure {
                    code: if error.is_lasting() { LASTING } else { FAILED },
                    told: error.telling(),
                })?;
            }
            Command::Check => {
                let registration = self.registration(&settings)?;
                return self.check(&settings, &registration, &key);
            }
            Command::Migrate => in_runtime(app::migrate(&settings, &key))?,
            Command::Rekey { old_key_file } => {
                let old = old_key(old_key_file.as_deref())?;
                in_runtime(app::rekey::rekey(&settings, &key, old.as_ref(), tell))?;
            }
            Command::Fax { action: FaxCommand::Test { number, channel, minutes } } => {
                let order = FaxTestOrder { number, channel, minutes };
                in_runtime(app::fax_test::send(&settings, &key, order, tell))?;
            }
            Command::Fax { action: FaxCommand::Records { days } } => {
                print(&in_runtime(app::fax_records::list(&settings, &key, days, self.language))?)?;
            }
            Command::Kim { action: Kim::Classes } => {
                print(&in_runtime(app::kim::classes(&settings, &key, self.language))?)?;
            }
            Command::Parked { action: ParkedCommand::List } => {
                print(&in_runtime(app::parked::list(&settings, &key, self.language))?)?;
            }
            Command::Parked { action: ParkedCommand::Retry { id } } => {
                self.say(&in_runtime(app::parked::retry(&settings, &key, id))?)?;
            }
            Command::Parked { action: ParkedCommand::Drop { id } } => {
                self.say(&in_runtime(app::parked::drop(&settings, &key, id))?)?;
            }
            Command::Identities { action: Identities::List } => {
                print(&in_runtime(app::identities::list(&settings, &key, self.language))?)?;
            }
            Command::Identities { action: Identities::Confirm { user } } => {
                self.say(&in_runtime(app::identities::confirm(&settings, &key, &user))?)?;
            }
            Command::SealingKey { .. }
            | Command::Registration { .. }
            | Command::Kim { action: Kim::Lookup { .. } }
            | Command::Fax { .. }
            | Command::Sandbox { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    fn make_sealing_key(&self, output: Option<&Path>) -> Result<(), Failure> {
        let text = OuterKey::random_base64();
        let line = format!("{}\n", text.expose_secret());
        match output {
            None => print(&line)?,
            Some(file) => write_new_secret(file, &line).map_err(|error| {
                let file = file.display().to_string();
                Telling::from(AdminPhrase::KeyNotWritten { file }).because_of(&error)
            })?,
        }
        let key = OuterKey::from_base64(text.expose_secret())
            .map_err(|_| Telling::from(AdminPhrase::KeyNotMade))?;
        self.warn(&AdminPhrase::KeyMade { mark: key.mark().to_owned() });
        Ok(())
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let loaded = load(&self.file, &|name| env::var(name).ok());
        let loaded = loaded.map_err(|error| Failure::wrong(&error))?;
        loaded.warnings.iter().for_each(|warning| self.warn(warning));
        Ok(loaded.settings)
    }

    fn registration(&self, settings: &Settings) -> Result<Registration, Failure> {
        let registration = read_registration(settings).map_err(|error| Failure::wrong(&error))?;
        registration.warnings.iter().for_each(|warning| self.warn(warning));
        Ok(registration)
    }

    fn write_registration_file(
        &self,
        settings: &Settings,
        output: Option<&Path>,
        force: bool,
        example: bool,
    ) -> Result<(), Failure> {
        let file = output.unwrap_or(&settings.appservice.registration);
        let tokens = if example {
            Tokens::example(settings)
        } else {
            Tokens::random(settings, &mut StdRng::from_os_rng())
        };
        write_registration(file, &registration_yaml(settings, &tokens), force)
            .map_err(|error| Failure::failed(&error))?;
        // Absolute, so that the homeserver finds it wherever it is started.
        let shown = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        self.say(&AdminPhrase::RegistrationWritten { file: shown.display().to_string() })?;
        Ok(())
    }

    fn check(
        &self,
        settings: &Settings,
        registration: &Registration,
        key: &OuterKey,
    ) -> Result<ExitCode, Failure> {
        let at = |file: &Path| AdminPhrase::as_it_is(file.display().to_string());
        let mut findings = vec![Finding::ok(AdminPhrase::TriedSettings, at(&self.file))];
        let registration_file = at(&settings.appservice.registration);
        findings.push(match registration.warnings.as_slice() {
            [] => Finding::ok(AdminPhrase::TriedRegistration, registration_file),
            warnings => {
                let advice: Telling = warnings.iter().cloned().collect();
                Finding::warn(AdminPhrase::TriedRegistration, registration_file, advice)
            }
        });
        start_cryptography();
        findings.extend(runtime()?.block_on(app::probe(settings, &registration.tokens, key)));
        print(&check::table(self.language, &findings))?;
        let is_well = check::is_well(&findings);
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    /// A command's output goes to standard output, warnings and errors to standard error.
    fn say(&self, sentence: &AdminPhrase) -> Result<(), Telling> {
        print(&format!("{}\n", sentence.said(self.language)))
    }

    fn warn(&self, warning: &AdminPhrase) {
        let note = AdminPhrase::Note { said: Box::new(warning.clone()) };
        complain(&note.said(self.language));
    }
}

/// Holds the old key for [`Command::Rekey`] where no file does.
const OLD_KEY_VARIABLE: &str = "UMSTIEG_OLD_SEALING_KEY";

fn old_key(file: Option<&Path>) -> Result<Option<OuterKey>, Failure> {
    let wrong = |told: Telling| Failure { code: WRONG, told };
    let (text, place) = match file {
        Some(file) => {
            let shown = file.display().to_string();
            let text = fs::read_to_string(file).map_err(|error| {
                let told = Telling::from(AdminPhrase::OldKeyUnreadable { file: shown.clone() });
                wrong(told.because_of(&error))
            })?;
            (text.lines().next().unwrap_or_default().to_owned(), shown)
        }
        None => match env::var(OLD_KEY_VARIABLE) {
            Ok(text) if !text.is_empty() => (text, OLD_KEY_VARIABLE.to_owned()),
            _ => return Ok(None),
        },
    };
    OuterKey::from_base64(&text).map(Some).map_err(|error| {
        let why = Box::new(not_a_key(error));
        wrong(AdminPhrase::OldKeyWrong { place, why }.into())
    })
}

/// One provider for every TLS connection, chosen before the first.
fn start_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn runtime() -> Result<Runtime, Telling> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Telling::from(AdminPhrase::RuntimeFailed).because_of(&error))
}

fn in_runtime<T, E: Tells>(work: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
    start_cryptography();
    runtime()?.block_on(work).map_err(|error| Failure::failed(&error))
}

fn print(text: &str) -> Result<(), Telling> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Telling::from(AdminPhrase::OutputClosed).because_of(&error))
}

fn complain(text: &str) {
    // When standard error is closed, there is no place left to complain.
    let _ = writeln!(io::stderr(), "umstieg: {text}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use umstieg::phrases::german_help_ids;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        help::in_german(Cli::command()).debug_assert();
    }

    /// Every text of help below a command, by its name, and whether there is a longer one.
    fn helps(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
        let name = |more: &str| [path, more].join("-").trim_start_matches('-').replace('_', "-");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let id = argument.get_id().as_str();
            let name = if argument.is_global_set() { id.to_owned() } else { name(id) };
            if argument.get_long_help().is_some() {
                found.insert(format!("{name}-long"));
            }
            found.insert(name);
        }
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let name = name(sub.get_name());
            if sub.get_long_about().is_some() {
                found.insert(format!("{name}-long"));
            }
            found.insert(name.clone());
            helps(sub, &name, found);
        }
    }

    #[test]
    fn the_help_is_there_in_german_and_no_more() {
        let mut expected = BTreeSet::new();
        helps(&Cli::command(), "", &mut expected);
        let is_other = |id: &&str| {
            let parts = ["program", "heading-", "wrong-"];
            let flags = ["help-flag", "version-flag", "help-command"];
            parts.iter().any(|part| id.starts_with(part)) || flags.contains(id)
        };
        let there = german_help_ids().filter(|id| !is_other(id)).map(str::to_owned);
        assert_eq!(there.collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn the_language_that_is_asked_for_is_found_wherever_it_stands() {
        let asked = |line: &str| {
            language_asked_for(line.split_whitespace().map(OsString::from)).map(Language::word)
        };
        assert_eq!(asked("--lang de check"), Some("de"));
        assert_eq!(asked("parked retry --lang=en 1"), Some("en"));
        assert_eq!(asked("check"), None);
        assert_eq!(asked("--lang fr check"), None);
        assert_eq!(asked("--language de"), None);
        assert_eq!(asked("check -- --lang de"), None);
    }
}
