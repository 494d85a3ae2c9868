//! Synapse, the homeserver, with application services made ready in it.
//!
//! Synapse reads its registrations at start only. So that tests run side by side, a world has
//! several prepared ([`Slot`]): each with its own tokens, its own namespace and its own port for
//! the gateway to listen on.

mod federation;
mod limits;
mod ti_messenger;

use std::{
    fs::{File, TryLockError},
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use base64::Engine as _;
use rand::RngCore as _;
use ring::hmac;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    error::{Result, WorldError},
    ports::Port,
    postgres::Postgres,
    process::{Launch, Server},
    setup::installed,
};
pub use federation::{Federating, FederationDoor};
pub use limits::RequestLimits;
pub use ti_messenger::{PERMISSIONS, TiMessengerRules};

/// How long a test waits for a slot. Longer than any test should hold one.
const SLOT_WITHIN: Duration = Duration::from_secs(600);
/// What a client may upload, in MiB: above the 100 MiB file of the tests.
const UPLOAD_MIB_MAX: u32 = 120;
/// Requests per second and burst that no test reaches.
const NO_LIMIT: u32 = 100_000;

/// How often this process took a slot.
static SLOTS_TAKEN: AtomicUsize = AtomicUsize::new(0);

/// How Synapse is set up.
#[derive(Clone, Debug)]
pub struct SynapseOptions {
    pub server_name: String,
    /// How many [`Slot`]s to prepare.
    pub slots: usize,
    /// Registration files (YAML) of the caller's own, beside the slots.
    pub registrations: Vec<String>,
    /// Whether users may change their display names, as many practices forbid.
    pub may_set_display_name: bool,
    /// The rules of TI-Messenger, if it is to have them.
    pub ti_messenger: Option<TiMessengerRules>,
    /// How it federates, if it does.
    pub federation: Option<Federating>,
    pub limits: RequestLimits,
    /// Python's level of the log. `INFO` costs a tenth of the throughput.
    pub log_level: &'static str,
}

impl Default for SynapseOptions {
    fn default() -> Self {
        Self {
            server_name: "praxis.test".to_owned(),
            slots: 0,
            registrations: Vec::new(),
            may_set_display_name: true,
            ti_messenger: None,
            federation: None,
            limits: RequestLimits::None,
            log_level: "WARNING",
        }
    }
}

/// An application service that Synapse knows and that does not run yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub id: String,
    /// What the gateway shows Synapse.
    pub as_token: String,
    /// What Synapse shows the gateway.
    pub hs_token: String,
    /// Of a user nobody speaks as: not the bot, because Synapse refuses `/sync` to this one.
    pub sender_localpart: String,
    /// Localparts of users and aliases that start so are this service's alone: `_umstieg_t3_`.
    pub prefix: String,
    /// The port on 127.0.0.1 where Synapse expects the gateway.
    pub port: u16,
}

impl Slot {
    fn make(number: usize, port: u16) -> Self {
        Self {
            id: format!("umstieg-t{number}"),
            as_token: secret(),
            hs_token: secret(),
            sender_localpart: format!("_umstieg_sender_{}", secret()),
            prefix: format!("_umstieg_t{number}_"),
            port,
        }
    }

    /// The registration file. JSON is YAML, so nothing needs quoting by hand.
    pub fn registration(&self, server_name: &str) -> String {
        let server = server_name.replace('.', "\\.");
        let own = |sigil: char| json!([{ "exclusive": true, "regex": format!("^{sigil}{}.*:{server}$", self.prefix) }]);
        json!({
            "id": self.id,
            "url": format!("http://127.0.0.1:{}", self.port),
            "as_token": self.as_token,
            "hs_token": self.hs_token,
            "sender_localpart": self.sender_localpart,
            "rate_limited": false,
            "namespaces": { "users": own('@'), "aliases": own('#'), "rooms": [] },
            "receive_ephemeral": true,
            "org.matrix.msc3202": true,
            "io.element.msc4190": true,
        })
        .to_string()
    }
}

/// A slot that is this test's alone until the value is dropped, whichever process asks.
#[derive(Debug)]
pub struct SlotLease {
    slot: Slot,
    _lock: File,
}

impl Deref for SlotLease {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

/// A user with a password, made by [`SynapseAccess::register_user`].
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub access_token: String,
}

/// How to reach Synapse.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SynapseAccess {
    pub url: String,
    pub server_name: String,
    pub slots: Vec<Slot>,
    /// Its database in the Postgres of the world, for looking at what it has kept.
    pub database: String,
    /// The folder its media lie in, as they were uploaded.
    pub media_store: PathBuf,
    /// Whether a new user has to say whom it lets invite it.
    pub blocks_invitations: bool,
    shared_secret: String,
    locks: PathBuf,
}

impl SynapseAccess {
    /// Takes a free slot; waits for one if need be.
    ///
    /// A slot may have been used before: rooms and ghosts of an earlier test are still there.
    ///
    /// # Errors
    ///
    /// When none becomes free, or there are none.
    pub async fn take_slot(&self) -> Result<SlotLease> {
        let begun = Instant::now();
        while !self.slots.is_empty() && begun.elapsed() < SLOT_WITHIN {
            // In turn: the rooms of earlier tests stay, and a test that takes a slot hears of all of
            // them.
            let first = SLOTS_TAKEN.fetch_add(1, Ordering::Relaxed) % self.slots.len();
            for slot in self.slots.iter().cycle().skip(first).take(self.slots.len()) {
                let lock = File::create(self.locks.join(&slot.id))
                    .map_err(|error| WorldError::io("take a slot", error))?;
                match lock.try_lock() {
                    Ok(()) => return Ok(SlotLease { slot: slot.clone(), _lock: lock }),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => {
                        return Err(WorldError::io("take a slot", error));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let there = self.slots.len();
        Err(WorldError::refused("take a slot", format!("all {there} are taken")))
    }

    /// `@localpart:server`.
    pub fn user_id(&self, localpart: &str) -> String {
        format!("@{localpart}:{}", self.server_name)
    }

    /// Makes a user, logged in once.
    ///
    /// # Errors
    /// When the name is taken.
    pub async fn register_user(&self, localpart: &str, password: &str) -> Result<User> {
        self.register(localpart, password, false).await
    }

    /// Makes a user who may use Synapse's admin interface.
    ///
    /// # Errors
    /// When the name is taken.
    pub async fn register_admin(&self, localpart: &str, password: &str) -> Result<User> {
        self.register(localpart, password, true).await
    }

    /// By Synapse's registration with a shared secret, which needs no open registration.
    async fn register(&self, localpart: &str, password: &str, admin: bool) -> Result<User> {
        let doing = format!("register {localpart}");
        let failed = |error: reqwest::Error| WorldError::http(&doing, &error);
        let url = format!("{}/_synapse/admin/v1/register", self.url);
        let http = http_client();
        let challenge: Value =
            http.get(&url).send().await.map_err(failed)?.json().await.map_err(failed)?;
        let nonce = challenge.get("nonce").and_then(Value::as_str).unwrap_or_default();

        let key =
            hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.shared_secret.as_bytes());
        let role = if admin { "admin" } else { "notadmin" };
        let mac = hmac::sign(&key, [nonce, localpart, password, role].join("\0").as_bytes());
        let request = json!({
            "nonce": nonce,
            "username": localpart,
            "password": password,
            "admin": admin,
            "mac": mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        });
        let answer: Value = http
            .post(&url)
            .body(request.to_string())
            .send()
            .await
            .map_err(failed)?
            .json()
            .await
            .map_err(failed)?;
        let (Some(Value::String(id)), Some(Value::String(access_token))) =
            (answer.get("user_id"), answer.get("access_token"))
        else {
            return Err(WorldError::refused(doing, answer));
        };
        let user = User { id: id.clone(), access_token: access_token.clone() };
        if self.blocks_invitations {
            self.let_own_server_invite(&user).await?;
        }
        Ok(user)
    }

    /// One request to Synapse with a given token; for what no client of the world offers.
    ///
    /// Returns the status and the answer (`null` if it is not JSON).
    ///
    /// # Errors
    ///
    /// When Synapse does not answer at all.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let doing = format!("{method} {path}");
        let failed = |error: reqwest::Error| WorldError::http(&doing, &error);
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|error| WorldError::refused(&doing, error))?;
        let mut request =
            http_client().request(method, format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(failed)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// Synapse, ended with this value.
#[derive(Debug)]
pub struct Synapse {
    homeserver: SynapseAccess,
    server: Server,
    settings_file: PathBuf,
    _ports: Vec<Port>,
}

impl Deref for Synapse {
    type Target = SynapseAccess;

    fn deref(&self) -> &SynapseAccess {
        &self.homeserver
    }
}

impl Synapse {
    /// Starts a new Synapse below `folder` with a separate database in `postgres`.
    ///
    /// # Errors
    ///
    /// When Synapse is not installed, or does not come up.
    pub async fn start(
        folder: &Path,
        postgres: &Postgres,
        options: SynapseOptions,
    ) -> Result<Self> {
        let failed = |error| WorldError::io("write the settings of Synapse", error);
        let port = Port::reserve()?;
        let name = format!("synapse-{}", port.number());
        let home = folder.join(&name);
        let locks = home.join("slots");
        std::fs::create_dir_all(&locks).map_err(failed)?;

        let mut ports = Vec::new();
        let mut slots = Vec::new();
        let mut registrations = options.registrations.clone();
        for number in 1..=options.slots {
            let port = Port::reserve()?;
            let slot = Slot::make(number, port.number());
            registrations.push(slot.registration(&options.server_name));
            slots.push(slot);
            ports.push(port);
        }
        let mut registration_files = Vec::new();
        for (number, registration) in registrations.iter().enumerate() {
            let file = home.join(format!("registration-{number}.yaml"));
            std::fs::write(&file, registration).map_err(failed)?;
            registration_files.push(file);
        }

        postgres.create_database(&name).await?;
        let homeserver = SynapseAccess {
            url: format!("http://127.0.0.1:{}", port.number()),
            server_name: options.server_name.clone(),
            slots,
            database: name.clone(),
            media_store: home.join("media"),
            blocks_invitations: ti_messenger::blocks_invitations(&options),
            shared_secret: secret(),
            locks,
        };
        let database = json!({
            "name": "psycopg2",
            "args": {
                "host": "127.0.0.1", "port": postgres.port, "user": "umstieg",
                "dbname": name, "cp_min": 5, "cp_max": 10,
            },
        });
        let mut settings =
            settings(&options, &homeserver, &home, port.number(), &registration_files, &database);
        if options.limits == RequestLimits::Reference {
            limits::limit(&mut settings);
        }
        if let Some(federation) = &options.federation {
            federation::federate(&mut settings, federation, &home)?;
        }
        std::fs::write(home.join("ti_messenger.py"), ti_messenger::MODULE).map_err(failed)?;
        let settings_file = home.join("homeserver.yaml");
        std::fs::write(&settings_file, settings.to_string()).map_err(failed)?;
        let logging = logging(&home, options.log_level);
        std::fs::write(home.join("log.yaml"), logging.to_string()).map_err(failed)?;
        std::fs::write(home.join("signing.key"), signing_key()).map_err(failed)?;

        ports.push(port);
        let server = Server::new(Launch {
            name: "synapse",
            program: installed("venv/bin/python")?,
            args: ["-m", "synapse.app.homeserver", "-c", &settings_file.display().to_string()]
                .map(str::to_owned)
                .to_vec(),
            env: vec![
                ("PYTHONUNBUFFERED", "1".to_owned()),
                ("PYTHONPATH", home.display().to_string()),
            ],
            account: None,
            log: home.join("output.log"),
            folder: home,
            quick_end: Signal::KILL,
            piped: false,
        });
        let mut synapse = Self { homeserver, server, settings_file, _ports: ports };
        synapse.start_again().await?;
        Ok(synapse)
    }

    /// Ends it as a crash would. Transactions in flight to the gateway are lost with it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Ends it in an orderly way.
    pub fn stop(&mut self) {
        self.server.stop(Signal::TERM);
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop): same data, same port.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        let url = format!("{}/_matrix/client/versions", self.homeserver.url);
        let answers = || async {
            let answer = http_client().get(&url).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        self.server.start(answers).await
    }

    /// Names one more registration file in homeserver.yaml and restarts Synapse, as its admin does.
    ///
    /// # Errors
    /// When homeserver.yaml cannot be edited, or Synapse does not come up again.
    pub async fn add_registration(&mut self, file: &Path) -> Result<()> {
        self.set_up_anew(|settings| {
            if let Some(Value::Array(files)) = settings.get_mut("app_service_config_files") {
                files.push(json!(file));
            }
        })
        .await
    }

    /// Leaves logging in to the service at `endpoint`, which says whose token it is, and restarts
    /// Synapse: passwords and `/login` are no longer taken.
    ///
    /// # Errors
    ///
    /// When homeserver.yaml cannot be edited, or Synapse does not come up again.
    pub async fn delegate_login(&mut self, endpoint: &str) -> Result<()> {
        self.set_up_anew(|settings| {
            settings["matrix_authentication_service"] =
                json!({ "enabled": true, "endpoint": endpoint, "secret": secret() });
            settings["password_config"] = json!({ "enabled": false });
        })
        .await
    }

    async fn set_up_anew(&mut self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let failed = |error| WorldError::io("edit homeserver.yaml", error);
        let text = std::fs::read(&self.settings_file).map_err(failed)?;
        let mut settings: Value =
            serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        change(&mut settings);
        std::fs::write(&self.settings_file, settings.to_string()).map_err(failed)?;
        self.stop();
        self.start_again().await
    }

    /// The process id, while it runs; for measuring its CPU time.
    pub fn id(&self) -> Option<u32> {
        self.server.id()
    }
}

fn settings(
    options: &SynapseOptions,
    homeserver: &SynapseAccess,
    home: &Path,
    port: u16,
    registrations: &[PathBuf],
    database: &Value,
) -> Value {
    let unlimited = json!({ "per_second": NO_LIMIT, "burst_count": NO_LIMIT });
    let rules = options.ti_messenger.iter();
    let modules: Vec<Value> =
        rules.map(|rules| ti_messenger::module(&options.server_name, rules)).collect();
    json!({
        "server_name": options.server_name,
        "public_baseurl": homeserver.url,
        "listeners": [{
            "port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": false,
            // No "federation" here, an empty whitelist below: no outside server is reached.
            "resources": [{ "names": ["client"], "compress": false }],
        }],
        "federation_domain_whitelist": [],
        "trusted_key_servers": [],
        "send_federation": false,
        "suppress_key_server_warning": true,
        "database": database,
        "log_config": home.join("log.yaml"),
        "media_store_path": homeserver.media_store,
        "signing_key_path": home.join("signing.key"),
        "pid_file": home.join("synapse.pid"),
        "macaroon_secret_key": secret(),
        "form_secret": secret(),
        "registration_shared_secret": homeserver.shared_secret,
        "enable_registration": false,
        "report_stats": false,
        "app_service_config_files": registrations,
        // What TI-Messenger asks for (reference: gemSpec_TI-M_Basis, room version 10).
        "default_room_version": "10",
        "encryption_enabled_by_default_for_room_type": "off",
        "url_preview_enabled": false,
        "presence": { "enabled": false },
        "max_upload_size": format!("{UPLOAD_MIB_MAX}M"),
        "enable_set_displayname": options.may_set_display_name,
        // A client of the tests sees a whole room in one answer.
        "filter_timeline_limit": 5000,
        // The cheapest hash there is: logging in is not what is being tested.
        "bcrypt_rounds": 4,
        "rc_message": unlimited,
        "rc_registration": unlimited,
        "rc_login": { "address": unlimited, "account": unlimited, "failed_attempts": unlimited },
        "rc_joins": { "local": unlimited, "remote": unlimited },
        "rc_joins_per_room": unlimited,
        "rc_invites": { "per_room": unlimited, "per_user": unlimited, "per_issuer": unlimited },
        "rc_room_creation": unlimited,
        "rc_media_create": unlimited,
        "rc_admin_redaction": unlimited,
        "max_pending_media_uploads": 1000,
        "modules": modules,
    })
}

fn logging(home: &Path, level: &str) -> Value {
    json!({
        "version": 1,
        "formatters": { "line": {
            "format": "%(asctime)s %(levelname)s %(name)s %(lineno)d %(request)s %(message)s",
        } },
        "handlers": { "file": {
            "class": "logging.FileHandler", "formatter": "line",
            "filename": home.join("homeserver.log"),
        } },
        "root": { "level": level, "handlers": ["file"] },
        "disable_existing_loggers": false,
    })
}

/// Synapse's file form of an ed25519 key: algorithm, key id, seed in unpadded base64.
fn signing_key() -> String {
    let mut seed = [0_u8; 32];
    rand::rng().fill_bytes(&mut seed);
    format!("ed25519 a_world {}\n", base64::engine::general_purpose::STANDARD_NO_PAD.encode(seed))
}

/// 128 random bits in hexadecimal: fits a localpart as well as a token.
fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A client without a memory: a connection kept in a pool belongs to the async runtime of the test
/// that opened it, and breaks when that test ends.
pub(crate) fn http_client() -> reqwest::Client {
    // Fails when the process has one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap_or_default()
}
