//! The gateway itself as a process: the program under test, with settings made for a world.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::Engine as _;
use rustix::process::Signal;

use crate::{
    Clientmodul, Mail, Slot,
    clientmodul::{KimAccount, KimProtocol},
    error::{Result, WorldError},
    process::{Launch, Server},
    synapse::SynapseAccess,
};

/// A channel for the settings.
#[derive(Clone, Debug)]
pub struct PracticeChannel {
    pub name: String,
    /// `kim` or `fax`.
    pub kind: String,
    /// `pop3` or `imap`.
    pub protocol: String,
    /// Our own address; its mailbox must exist with the password [`PASSWORD`].
    pub address: String,
    pub team: Vec<String>,
    /// The users who may answer; the whole team when empty.
    pub speakers: Vec<String>,
    pub collect_seconds: u32,
    /// Whether the team gets a room for the channel itself at the start. Most tests count rooms.
    pub team_room: bool,
    /// Further lines for `[[channel]]`, such as `thread_by = "correspondent"`.
    pub more: String,
    /// Further lines for `[channel.inbox]`, such as `after_relay = "delete"`.
    pub more_inbox: String,
    /// The lines for `[channel.kim]`. Without reports of delivery, unless a test is about them: each
    /// moves the state of an answer.
    pub more_kim: String,
    /// The lines for `[channel.tray]`, and the sections behind it. The tray says nothing of letters unless a
    /// test is about that: it is one more room.
    pub more_tray: String,
    /// Where answers go when it is not Exim: host and port of a server without TLS.
    pub outbox_port: Option<u16>,
    /// The Clientmodul that stands in the place of Dovecot and Exim.
    pub clientmodul: Option<BehindClientmodul>,
}

/// What the settings of a channel behind a Clientmodul say of it.
#[derive(Clone, Debug)]
pub struct BehindClientmodul {
    pop3s: u16,
    smtps: u16,
    pin: String,
    pop3_user: String,
    smtp_user: String,
}

/// The password of every mailbox the settings name.
pub const PASSWORD: &str = "geheim #1";

impl PracticeChannel {
    /// A KIM account behind POP3, as a Clientmodul offers it.
    pub fn kim(name: &str, address: &str, team: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            kind: "kim".to_owned(),
            protocol: "pop3".to_owned(),
            address: address.to_owned(),
            team: team.iter().map(|&user| user.to_owned()).collect(),
            speakers: Vec::new(),
            collect_seconds: 1,
            team_room: false,
            more: String::new(),
            more_inbox: String::new(),
            more_kim: "delivery_reports = false\nsupport = \"support@hersteller.example\"\n\
                       user_agent = \"Umstieg-Test/1\"\n"
                .to_owned(),
            more_tray: "announce = false\n".to_owned(),
            outbox_port: None,
            clientmodul: None,
        }
    }

    /// The same account behind a Clientmodul, which is told of it; by its ports and its pin of now.
    ///
    /// # Errors
    /// None but those of [`CmCore::user_name`](crate::clientmodul::CmCore::user_name).
    pub fn behind(mut self, module: &Clientmodul) -> Result<Self> {
        module.add_account(KimAccount::new(&self.address, PASSWORD));
        self.clientmodul = Some(BehindClientmodul {
            pop3s: module.ports().pop3s,
            smtps: module.ports().smtps,
            pin: module.pin(),
            pop3_user: module.user_name(KimProtocol::Pop3, &self.address)?,
            smtp_user: module.user_name(KimProtocol::Smtp, &self.address)?,
        });
        Ok(self)
    }

    /// A fax line behind IMAP; its gateway takes mail for `<digits>@<domain of the address>`.
    pub fn fax(name: &str, address: &str, team: &[&str]) -> Self {
        Self {
            kind: "fax".to_owned(),
            protocol: "imap".to_owned(),
            ..Self::kim(name, address, team)
        }
    }

    fn toml(&self, mail: &Mail) -> String {
        let list = |users: &[String]| {
            users.iter().map(|user| format!("{user:?}")).collect::<Vec<_>>().join(", ")
        };
        let (inbox, outbox) = self.servers(mail);
        let mut toml = format!(
            "\n[[channel]]\nname = {:?}\nkind = {:?}\nlabel = {:?}\naddress = {:?}\n\
             team = [{}]\ncollect_seconds = {}\nteam_room = {}\n",
            self.name,
            self.kind,
            format!("Praxis {}", self.name),
            self.address,
            list(&self.team),
            self.collect_seconds,
            self.team_room,
        );
        if !self.speakers.is_empty() {
            let _ = writeln!(toml, "speakers = [{}]", list(&self.speakers));
        }
        let _ = write!(
            toml,
            "{}\n[channel.inbox]\nprotocol = {:?}\n{inbox}poll_seconds = 1\n{}\n\
             [channel.outbox]\n{outbox}",
            self.more, self.protocol, self.more_inbox,
        );
        let _ = write!(toml, "[channel.tray]\n{}\n", self.more_tray);
        if self.kind == "kim" {
            let _ = write!(toml, "[channel.kim]\n{}\n", self.more_kim);
        }
        if self.kind == "fax" {
            let domain = self.address.split('@').nth(1).unwrap_or_default();
            let _ = write!(
                toml,
                "[channel.fax]\nsend = \"on\"\nprofile = \"generic\"\ndomain = {domain:?}\n\
                 number = \"+493023125000\"\ncountry = \"DE\"\nsenders = [\"@{domain}\"]\n"
            );
        }
        toml
    }

    /// The lines that say where mail comes from, and where it goes.
    fn servers(&self, mail: &Mail) -> (String, String) {
        let server = |port: u16, trust: &str, user: &str| {
            format!(
                "host = \"127.0.0.1\"\nport = {port}\n{trust}\nuser = {user:?}\n\
                 password = {PASSWORD:?}\n"
            )
        };
        if let Some(module) = &self.clientmodul {
            let trust = format!("pin_sha256 = [{:?}]", module.pin);
            return (
                server(module.pop3s, &trust, &module.pop3_user),
                server(module.smtps, &trust, &module.smtp_user),
            );
        }
        let user = |port: u16| match self.kind.as_str() {
            "kim" => format!("{}#{}:{port}#m1#KOM_LE#wp1", self.address, mail.host),
            _ => self.address.clone(),
        };
        let trust = format!("ca_file = {:?}", mail.ca_file.display().to_string());
        let inbox = match self.protocol.as_str() {
            "imap" => mail.ports.imaps,
            _ => mail.ports.pop3s,
        };
        let outbox = match self.outbox_port {
            Some(port) => server(port, "tls = \"none\"", &user(port)),
            None => server(mail.ports.smtps, &trust, &user(mail.ports.smtps)),
        };
        (server(inbox, &trust, &user(inbox)), outbox)
    }
}

/// The gateway with its settings in a separate folder. Dropping it ends the process.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    binary: PathBuf,
    folder: tempfile::TempDir,
    monitoring: u16,
    _port: crate::ports::Port,
    slot: Slot,
}

/// The settings of a gateway without encryption: tests then read its rooms with any client.
pub const UNENCRYPTED: &str = "required = false";

/// The settings of a gateway with encryption: it waits only a moment for a key.
pub const ENCRYPTED: &str = "key_wait_seconds = 3";

impl Gateway {
    /// Writes settings and registration for a gateway without encryption; starts nothing.
    ///
    /// `binary` is the program `umstieg`, `database` the URL of an empty or migrated database.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn new(
        binary: &Path,
        database: &str,
        homeserver: &SynapseAccess,
        mail: &Mail,
        slot: &Slot,
        channels: &[PracticeChannel],
    ) -> Result<Self> {
        Self::with_encryption(binary, database, homeserver, mail, slot, channels, UNENCRYPTED)
    }

    /// As [`new`](Self::new), with these lines for `[encryption]`.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn with_encryption(
        binary: &Path,
        database: &str,
        homeserver: &SynapseAccess,
        mail: &Mail,
        slot: &Slot,
        channels: &[PracticeChannel],
        encryption: &str,
    ) -> Result<Self> {
        let failed = |error| WorldError::io("write the gateway's settings", error);
        let folder = tempfile::tempdir().map_err(failed)?;
        let port = crate::ports::Port::reserve()?;
        let monitoring = port.number();
        let mut toml = format!(
            "[database]\nurl = {database:?}\n\n[sealing]\nkey = \"{}\"\n\n[homeserver]\nurl = {:?}\nserver_name = {:?}\n\n\
             [appservice]\nid = {:?}\nlisten = \"127.0.0.1:{}\"\nurl = \"http://127.0.0.1:{}\"\n\
             user_prefix = {:?}\nbot = \"{}bot\"\n\n\
             [encryption]\n{encryption}\n\n\
             [worker]\nconcurrency = 16\n\n\
             [monitoring]\nlisten = \"127.0.0.1:{monitoring}\"\n",
            sealing_key(),
            homeserver.url,
            homeserver.server_name,
            slot.id,
            slot.port,
            slot.port,
            slot.prefix,
            slot.prefix,
        );
        for channel in channels {
            toml.push_str(&channel.toml(mail));
        }
        let path = folder.path();
        write_secret(&path.join("umstieg.toml"), &toml).map_err(failed)?;
        let registration = slot.registration(&homeserver.server_name);
        write_secret(&path.join("registration.yaml"), &registration).map_err(failed)?;
        let launch = Launch {
            name: "umstieg",
            program: binary.to_owned(),
            args: vec!["run".to_owned()],
            env: vec![
                ("UMSTIEG_SETTINGS", path.join("umstieg.toml").display().to_string()),
                // As the unit in docs/operations.md has it.
                ("MALLOC_ARENA_MAX", "2".to_owned()),
                // It speaks English, whatever the tester's environment.
                ("LC_ALL", "C".to_owned()),
            ],
            account: None,
            folder: path.to_owned(),
            log: path.join("umstieg.log"),
            quick_end: Signal::KILL,
            piped: false,
        };
        Ok(Self {
            server: Server::new(launch),
            binary: binary.to_owned(),
            folder,
            monitoring,
            _port: port,
            slot: slot.clone(),
        })
    }

    /// Starts the process and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub async fn start(&mut self) -> Result<()> {
        let monitoring = self.monitoring;
        self.server.start(|| is_ready(monitoring)).await
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn launch(&mut self) -> Result<()> {
        self.server.start(async || true).await
    }

    /// Sets a variable of its environment from the next start on.
    pub fn set_env(&mut self, name: &'static str, value: &str) {
        self.server.set_env(name, value);
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Asks it to end (`SIGTERM`) and waits until it has.
    pub fn stop(&mut self) {
        self.server.stop(Signal::TERM);
    }

    /// Runs another command of the program with the same settings, such as `parked list`. It speaks
    /// English, unless `--lang` says otherwise.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn command(&self, args: &[&str]) -> Result<std::process::Output> {
        tokio::process::Command::new(&self.binary)
            .args(args)
            .env("UMSTIEG_SETTINGS", self.settings_file())
            .env("LC_ALL", "C")
            .output()
            .await
            .map_err(|error| WorldError::io("run the gateway's command", error))
    }

    pub async fn is_ready(&self) -> bool {
        is_ready(self.monitoring).await
    }

    /// Everything `/metrics` says; empty when it does not answer.
    pub async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.monitoring);
        match reqwest::get(url).await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// The sum of a metric over all its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metrics()
            .await
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Its requests to the homeserver so far, by what was asked for; none while it is away.
    pub async fn requests(&self) -> BTreeMap<String, f64> {
        let counter = |line: &str| {
            let rest = line.strip_prefix("umstieg_matrix_requests_total{endpoint=\"")?;
            let (endpoint, asked) = rest.split_once("\"} ")?;
            Some((endpoint.to_owned(), asked.parse().ok()?))
        };
        self.metrics().await.lines().filter_map(counter).collect()
    }

    /// Everything it wrote to its log, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub fn id(&self) -> Option<u32> {
        self.server.id()
    }

    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    pub fn settings_file(&self) -> PathBuf {
        self.folder.path().join("umstieg.toml")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("umstieg.log")
    }
}

/// A key for `[sealing]` that nothing else is sealed with.
pub fn sealing_key() -> String {
    base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 32]>())
}

async fn is_ready(monitoring: u16) -> bool {
    let url = format!("http://127.0.0.1:{monitoring}/health/ready");
    matches!(reqwest::get(url).await, Ok(answer) if answer.status().is_success())
}

/// Writes a file only its owner can read, as the gateway wants its secrets.
fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}
