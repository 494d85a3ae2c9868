//! The practice of the demo and its surroundings: servers, people, mailboxes, and the gateway set
//! up by its own commands, as an admin does beside any Synapse.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Output,
};

use secrecy::ExposeSecret as _;
use umstieg::store::seal::OuterKey;
use umstieg_world::{
    Companion, JsClient, JsOptions, World, WorldOptions,
    client::ClientTrust,
    mail::{FAX_DOMAIN, FAX_GATEWAY, FAX_GATEWAY_PASSWORD},
    ports::Port,
};

use crate::{
    DemoError,
    tale::{Miss, Tale},
};

pub(crate) const ANNA: &str = "anna";
/// Anna's colleague: for the reader, with their own client. Anna's devices and keys are those of
/// her client here, which signs no other device.
const BERTA: &str = "berta";
/// The gateway's.
pub(crate) const DATABASE: &str = "umstieg";
/// Good enough on loopback, for the length of a demo.
pub(crate) const PASSWORD: &str = "umstieg-demo";
pub(crate) const PRACTICE_KIM: &str = "praxis@mueller.kim.telematik";
pub(crate) const PRACTICE_FAX: &str = "praxis@fax.example";
pub(crate) const ERIK: &str = "erik.muster@klinik-nord.kim.telematik";
/// By the German numbering plan, numbers of this block are never assigned.
pub(crate) const FAX_NUMBER: &str = "+493023125000";

/// Everything that runs. Dropping it ends all of it.
#[derive(Debug)]
pub(crate) struct Practice {
    // Fields drop in this order: the gateway before what it talks to.
    pub(crate) anna: JsClient,
    pub(crate) gateway: Companion,
    pub(crate) world: World,
    pub(crate) place: GatewayPlace,
}

/// Where the gateway of the demo has its files and doors.
#[derive(Debug)]
pub(crate) struct GatewayPlace {
    pub(crate) folder: PathBuf,
    pub(crate) monitoring: Port,
    door: Port,
    program: PathBuf,
    database: String,
}

/// Starts all of it.
pub(crate) async fn open(tale: &mut Tale) -> Result<Practice, DemoError> {
    tale.heading("The servers around the gateway, real ones, on loopback")?;
    // What cannot be written now cannot be written a moment later either, and ends the demo there.
    let started = World::start(WorldOptions::default(), |what| drop(tale.done(what))).await;
    let mut world = started.map_err(|error| tale.missed("start the servers", error.into()))?;
    match set_up(tale, &mut world).await {
        Ok((anna, gateway, place)) => Ok(Practice { anna, gateway, world, place }),
        Err(error) => {
            world.keep_folder();
            Err(error)
        }
    }
}

async fn set_up(
    tale: &mut Tale,
    world: &mut World,
) -> Result<(JsClient, Companion, GatewayPlace), DemoError> {
    let anna = tale
        .step(
            "Anna, the practice's assistant, logs in; her client believes signed devices only",
            people(world),
        )
        .await?;

    tale.heading("The gateway, set up as beside any Synapse")?;
    let place = tale
        .step(
            "umstieg.toml: a KIM account (POP3, SMTP), a fax line (IMAP, SMTP)",
            GatewayPlace::make(world),
        )
        .await?;
    tale.step("umstieg registration", place.command("registration")).await?;
    let registration = place.folder.join("registration.yaml");
    tale.step("registration.yaml named in homeserver.yaml, Synapse restarted", async {
        Ok(world.synapse.add_registration(&registration).await?)
    })
    .await?;
    tale.step("umstieg migrate", place.command("migrate")).await?;
    let table = tale.step("umstieg check", place.command("check")).await?;
    tale.quote(&table)?;
    let gateway = tale.step("umstieg run, until it says that it is ready", place.run()).await?;
    Ok((anna, gateway, place))
}

async fn people(world: &World) -> Result<JsClient, Miss> {
    for name in [ANNA, BERTA] {
        world.synapse.register_user(name, PASSWORD).await?;
    }
    for address in [PRACTICE_KIM, PRACTICE_FAX, ERIK] {
        world.mail.add_mailbox(address, PASSWORD).await?;
    }
    // It warns of unsigned devices. A client that refuses them, and accepts an invitation the
    // moment it comes as this one does, may hide a first post until it is restarted: it decides
    // before it has the answer who its sender is.
    let warning = JsOptions { cross_signed: true, trust: ClientTrust::AnyDevice };
    Ok(JsClient::login(&world.synapse, ANNA, PASSWORD, warning).await?)
}

impl GatewayPlace {
    async fn make(world: &World) -> Result<Self, Miss> {
        let failed = |error: std::io::Error| Miss::of("a folder for the gateway", &error);
        let folder = world.folder().join("gateway");
        fs::create_dir(&folder).map_err(failed)?;
        let place = Self {
            folder,
            monitoring: Port::reserve()?,
            door: Port::reserve()?,
            program: gateway().map_err(failed)?,
            database: world.postgres.create_database(DATABASE).await?,
        };
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            // It contains passwords.
            .mode(0o600)
            .open(place.settings_file())
            .and_then(|mut file| file.write_all(place.settings(world).as_bytes()))
            .map_err(failed)?;
        Ok(place)
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.folder.join("umstieg.toml")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("umstieg.log")
    }

    fn settings(&self, world: &World) -> String {
        let Self { database, door, monitoring, .. } = self;
        let (door, monitoring) = (door.number(), monitoring.number());
        let homeserver = &world.synapse;
        let (host, ports) = (&world.mail.host, world.mail.ports);
        let (pop3, imap, smtp) = (ports.pop3s, ports.imaps, ports.smtps);
        let kim_user = |port: u16| format!("{PRACTICE_KIM}#{host}:{port}#1#KOM_LE#7");
        let (kim_in, kim_out) = (kim_user(pop3), kim_user(smtp));
        let mail_server = |port: u16, user: &str| {
            format!(
                "host = \"127.0.0.1\"\nport = {port}\nca_file = {:?}\nuser = {user:?}\n\
                 password = {PASSWORD:?}\n",
                world.mail.ca_file.display().to_string()
            )
        };
        let team = [ANNA, BERTA].map(|name| homeserver.user_id(name));
        format!(
            r#"# Settings of the demo. umstieg.example.toml shows every key.
[database]
url = {database:?}

[sealing]
key = "{sealing_key}"

[homeserver]
url = {url:?}
server_name = {server_name:?}

[appservice]
listen = "127.0.0.1:{door}"
url = "http://127.0.0.1:{door}"

[encryption]
# The default; here so that a reader sees it.
required = true

[monitoring]
listen = "127.0.0.1:{monitoring}"

[[channel]]
name = "kim"
kind = "kim"
label = "KIM Praxis Müller"
address = "{PRACTICE_KIM}"
team = {team:?}
# Short, so that the demo is: 20 is the default.
collect_seconds = 2
language = "de"

[channel.inbox]
protocol = "pop3"
poll_seconds = 1
{kim_inbox}
[channel.outbox]
{kim_outbox}
[channel.kim]
support = "support@hersteller.example"
user_agent = "Umstieg-Demo/1.0"
[[channel]]
name = "fax"
kind = "fax"
label = "Fax Praxis Müller"
address = "{PRACTICE_FAX}"
team = {team:?}
collect_seconds = 2
language = "de"

[channel.inbox]
protocol = "imap"
poll_seconds = 1
{fax_inbox}
[channel.outbox]
{fax_outbox}
[channel.fax]
send = "on"
profile = "hylafax"
domain = "{FAX_DOMAIN}"
number = "{FAX_NUMBER}"
country = "DE"
senders = ["{FAX_GATEWAY}"]
"#,
            sealing_key = OuterKey::random_base64().expose_secret(),
            url = homeserver.url,
            server_name = homeserver.server_name,
            kim_inbox = mail_server(pop3, &kim_in),
            kim_outbox = mail_server(smtp, &kim_out),
            fax_inbox = mail_server(imap, PRACTICE_FAX),
            fax_outbox = mail_server(smtp, PRACTICE_FAX),
        )
    }

    /// What one of our child processes needs to know: an admin's own variables must not reach it.
    fn environment(&self) -> [(&'static str, &str); 1] {
        [("UMSTIEG_DATABASE_URL", &self.database)]
    }

    /// Runs a command of the program, and returns what it says.
    async fn command(&self, command: &str) -> Result<String, Miss> {
        let settings = self.settings_file();
        let output = tokio::process::Command::new(&self.program)
            .args([command.as_ref(), "--settings".as_ref(), settings.as_os_str()])
            // As all of the demo; the rooms are German.
            .args(["--lang", "en"])
            .envs(self.environment())
            // A Ctrl-C in the terminal is for us to decide about.
            .process_group(0)
            .kill_on_drop(true)
            .output()
            .await;
        let expected = || format!("`umstieg {command}` ends with exit code 0");
        let output: Output = output.map_err(|error| Miss::of(expected(), &error))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(Miss::new(expected(), format!("{}\n{said}{complaint}", output.status)));
        }
        Ok(said)
    }

    async fn run(&self) -> Result<Companion, Miss> {
        let settings = self.settings_file().display().to_string();
        let ready = format!("http://127.0.0.1:{}/health/ready", self.monitoring.number());
        let is_ready = || async {
            let answer = reqwest::get(&ready).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        let args = ["run", "--settings", &settings];
        let env = self.environment();
        Ok(Companion::start(&self.program, &args, &env, &self.log(), is_ready).await?)
    }
}

impl Practice {
    /// Keeps the folder with all logs, and returns where it is and how the gateway's log ends.
    pub(crate) fn failed(&mut self) -> String {
        /// Enough to see what it was about.
        const LINES: usize = 12;
        let text = fs::read_to_string(self.place.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n");
        self.world.keep_folder();
        let folder = self.world.folder().display();
        format!("the log of the gateway ends with:\n{end}\nall logs: {folder}")
    }

    /// What a reader needs to look at it with their own programs.
    pub(crate) fn addresses(&self) -> String {
        let mail = &self.world.mail;
        let (pop3, imap, smtp) = (mail.ports.pop3s, mail.ports.imaps, mail.ports.smtps);
        let folder = self.place.folder.display();
        let monitoring = format!("http://127.0.0.1:{}", self.place.monitoring.number());
        format!(
            "\
  Matrix, for your own client (Element or another)
    homeserver   {homeserver}
    user         {BERTA}, a colleague of Anna's who is invited to every room as well
    password     {PASSWORD}
                 what comes after your login is encrypted for you; what came before is not

  Mailboxes, for your own mail program
    server       127.0.0.1, TLS from the first byte: POP3 {pop3}, IMAP {imap}, SMTP {smtp}
    trust        {ca}
    hospital     {ERIK}   password {PASSWORD}
                 write to {PRACTICE_KIM}, and Anna sees it
    fax gateway  {FAX_GATEWAY}   password {FAX_GATEWAY_PASSWORD}
                 what Anna answers to a fax arrives here as a mail with one PDF

  Another KIM mail, another fax: a new one at every call
    python3 {folder}/send.py {folder}/kim.json
    python3 {folder}/send.py {folder}/fax.json

  The gateway
    metrics      {monitoring}/metrics
    health       {monitoring}/health/ready
    settings     {settings}
    log          {log}
",
            homeserver = self.world.synapse.url,
            ca = mail.ca_file.display(),
            settings = self.place.settings_file().display(),
            log = self.place.log().display(),
        )
    }
}

/// Writes a file of the demo, for the mail program and for a curious reader.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Miss> {
    fs::write(folder.join(name), bytes)
        .map_err(|error| Miss::of(format!("{name} can be written"), &error))
}

/// The gateway's program, which is built into the folder of this one.
fn gateway() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("umstieg");
    match program.is_file() {
        true => Ok(program),
        false => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is not built; start the demo with: make demo", program.display()),
        )),
    }
}
