//! Starts a world for a command, or to look at.

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitCode, ExitStatus},
};

use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};
use umstieg_world::{
    Clientmodul, Folder, Postgres, Result, WORLD_VARIABLE, World, WorldError, WorldOptions,
    client::Client,
    clientmodul::{KimAccount, KimProtocol},
    mail::FAX_GATEWAY,
};

const HELP: &str = "\
Starts the servers the gateway lives among: Postgres, Synapse, Dovecot and Exim, on loopback.

  umstieg-world exec [--slots N] [--] COMMAND…
      starts them, runs the command with UMSTIEG_WORLD naming their description, ends them, and
      ends as the command ended
  umstieg-world up [--slots N]
      starts them, shows where they are, and ends them on Ctrl-C
  umstieg-world database [--migrations FOLDER] [--] COMMAND…
      starts Postgres alone, applies the migrations, and runs the command with DATABASE_URL
  umstieg-world clientmodul
      starts a simulated KIM Clientmodul with one account, shows its ports, its pin and how to
      control it, and ends it on Ctrl-C

--slots says how many application services Synapse is to be prepared for (40).
UMSTIEG_WORLD_RULES=allow or block gives Synapse the rules of TI-Messenger.
UMSTIEG_WORLD_KEEP=1 keeps the folder with all logs.
";

/// As many tests as may run side by side.
const SLOTS: usize = 40;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Order::read(std::env::args_os().skip(1)) {
        Some(Order::Exec { slots, command }) => exec(slots, &command).await,
        Some(Order::Up { slots }) => up(slots).await,
        Some(Order::Clientmodul) => clientmodul().await,
        Some(Order::Database { migrations, command }) => database(&migrations, &command).await,
        None => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        tell(&error.to_string());
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            tell(&format!("  because: {error}"));
            cause = error.source();
        }
        ExitCode::FAILURE
    })
}

enum Order {
    Exec { slots: usize, command: Vec<OsString> },
    Up { slots: usize },
    Clientmodul,
    Database { migrations: OsString, command: Vec<OsString> },
}

impl Order {
    fn read(args: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut args = args.peekable();
        let verb = args.next()?;
        let (mut slots, mut migrations) = (SLOTS, OsString::from("migrations"));
        loop {
            match args.peek().and_then(|arg| arg.to_str()) {
                Some("--slots") => slots = args.nth(1)?.to_str()?.parse().ok()?,
                Some("--migrations") => migrations = args.nth(1)?,
                Some("--") => {
                    args.next();
                    break;
                }
                Some(option) if option.starts_with('-') => return None,
                _ => break,
            }
        }
        let command: Vec<OsString> = args.collect();
        match (verb.to_str()?, command.is_empty()) {
            ("exec", false) => Some(Self::Exec { slots, command }),
            ("up", true) => Some(Self::Up { slots }),
            ("clientmodul", true) => Some(Self::Clientmodul),
            ("database", false) => Some(Self::Database { migrations, command }),
            _ => None,
        }
    }
}

async fn exec(slots: usize, command: &[OsString]) -> Result<ExitCode> {
    if std::env::var_os(WORLD_VARIABLE).is_some() {
        return Ok(code(run(command, &[]).await?.status));
    }
    let mut world = World::start(WorldOptions::shared(slots)?, tell).await?;
    let description = world.describe()?;
    let end = run(command, &[(WORLD_VARIABLE, description.as_os_str())]).await?;
    if !end.status.success() && !end.asked_for {
        world.keep_folder();
    }
    tell("ending the world");
    Ok(code(end.status))
}

async fn up(slots: usize) -> Result<ExitCode> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let world = World::start(WorldOptions::shared(slots)?, tell).await?;
    let description = world.describe()?;
    world.synapse.register_user("reader", "reader").await?;
    // Tried from outside before it is shown: a third-party client can log in.
    drop(Client::login(&world.synapse, "reader", "reader").await?);
    let ports = world.mail.ports;
    tell(&format!("Postgres    {}", world.postgres.url("postgres")));
    tell(&format!("Synapse     {} (user reader, password reader)", world.synapse.url));
    tell(&format!("mail        {ports:?}, mailbox {FAX_GATEWAY}"));
    tell(&format!("description {}", description.display()));
    tell("up until Ctrl-C");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tell("ending the world");
    Ok(ExitCode::SUCCESS)
}

async fn clientmodul() -> Result<ExitCode> {
    const ADDRESS: &str = "praxis@mueller.kim.telematik";
    const PASSWORD: &str = "geheim";
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let module = Clientmodul::start().await?;
    module.add_account(KimAccount::new(ADDRESS, PASSWORD));
    let ports = module.ports();
    tell(&format!("SMTP     {} (STARTTLS: {})", ports.smtps, ports.smtp_starttls));
    tell(&format!("POP3     {} (STLS: {})", ports.pop3s, ports.pop3_stls));
    tell(&format!("pin      {}", module.pin()));
    tell(&format!("SMTP as  {}", module.user_name(KimProtocol::Smtp, ADDRESS)?));
    tell(&format!("POP3 as  {}", module.user_name(KimProtocol::Pop3, ADDRESS)?));
    tell(&format!("password {PASSWORD}"));
    tell(&format!(
        "control  {}: one order in JSON a line, answered in one line, as",
        ports.control
    ));
    tell(&format!(
        r#"  echo '{{"deliver":{{"to":"{ADDRESS}","kind":"chat","text":"Guten Tag"}}}}' | nc -q1 127.0.0.1 {}   (nc: apt-get install netcat-openbsd)"#,
        ports.control
    ));
    tell(&format!(r#"  {{"card":{{"address":"{ADDRESS}","state":"locked"}}}}"#));
    tell(r#"  {"mishap":{"at":"end_of_data","mishap":"hang_up_unanswered","times":1}}"#);
    tell(r#"  {"switches":{}}   "journal"   (all orders: tests/world/src/clientmodul/control.rs)"#);
    tell("up until Ctrl-C");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn database(migrations: &OsString, command: &[OsString]) -> Result<ExitCode> {
    let folder = Folder::make("database")?;
    let postgres = Postgres::start(folder.path()).await?;
    let url = postgres.create_database("umstieg").await?;
    let failed = |error| WorldError::Io { doing: "read the migrations".to_owned(), source: error };
    let mut files: Vec<_> = std::fs::read_dir(Path::new(migrations))
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(failed)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    for file in files {
        let sql = std::fs::read_to_string(&file).map_err(failed)?;
        postgres.query("umstieg", &sql).await?;
    }
    let end = run(command, &[("DATABASE_URL", url.as_ref())]).await?;
    drop(postgres);
    Ok(code(end.status))
}

/// How a command ended.
struct CommandEnd {
    status: ExitStatus,
    /// Whether a signal told us to end meanwhile: then a failure is no failure.
    asked_for: bool,
}

/// Runs the command to its end. A Ctrl-C reaches it as well as us: it decides, we wait.
async fn run(command: &[OsString], env: &[(&str, &std::ffi::OsStr)]) -> Result<CommandEnd> {
    let doing = || format!("run {command:?}");
    let failed = |source| WorldError::Io { doing: doing(), source };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let (program, args) = command.split_first().ok_or_else(|| WorldError::Refused {
        doing: doing(),
        answer: "there is no command".to_owned(),
    })?;
    let mut child = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut asked_for = false;
    loop {
        tokio::select! {
            // In this order: the command may end by the very Ctrl-C that was not noticed yet.
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill().map_err(failed)?,
            status = child.wait() => return Ok(CommandEnd { status: status.map_err(failed)?, asked_for }),
        }
        asked_for = true;
    }
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).map_err(|source| WorldError::Io { doing: "listen for signals".to_owned(), source })
}

/// As a shell does: the command's own code, or 128 and the signal that ended it.
fn code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn tell(what: &str) {
    eprintln!("world: {what}");
}
