//! The servers the gateway lives among, real ones, started on loopback.
//!
//! A private Postgres cluster, Synapse, Dovecot and Exim, and third-party Matrix clients
//! (matrix-nio, matrix-js-sdk, and Hydrogen in a browser). Tests, benchmarks and `make demo` all
//! live in this world. Everything a world owns lies in one folder, listens on 127.0.0.1 on ports
//! that were free, and ends with the handle that owns it, or with the process if that is killed
//! ([`process`] tells how).
//!
//! Two ways in:
//! * [`World::shared`]: what most tests want. Under `umstieg-world exec <command>` all processes of
//!   a run share one world; without it each process starts one for itself. Tests run side by side
//!   in it, each with its own application service ([`Slot`]), database and mailboxes.
//! * [`World::start`]: a separate world, for tests that kill its servers, and for the demo.
//!
//! [`Clientmodul`] is no part of a world: it lives in the test's own process, knows the accounts the
//! test gives it, and does what no stock mail server does. POP3 and SMTP as KIM has them, cards that
//! are locked, error mails, everything that can go wrong: [`clientmodul`] begins to tell.
//! [`PracticeChannel::behind`] puts a gateway's account behind it, and `umstieg-world clientmodul`
//! starts one to talk to by hand.
//!
//! The same holds for [`Vzd`], the directory of KIM addresses: slapd, with what a test puts into it; and for
//! [`Telephone`] and [`Hylafax`], with which faxes are real ones.
//!
//! A test that needs only tables asks for [`Postgres::shared`].
//!
//! `scripts/setup` installs what is started here.

pub mod broken_off;
pub mod clamd;
pub mod client;
pub mod clientmodul;
pub mod companion;
pub mod error;
pub mod folder;
pub mod gateway;
pub mod hydrogen;
pub mod hylafax;
pub mod mail;
pub mod one_time_keys;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod sandbox_child;
pub mod synapse;
pub mod telephone;
pub mod tls;
pub mod vzd;

mod setup;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

pub use crate::{
    broken_off::broken_off,
    clamd::Clamd,
    client::{Client, ClientTrust, JsClient, JsOptions},
    clientmodul::Clientmodul,
    companion::Companion,
    error::{Result, WorldError},
    folder::Folder,
    gateway::{Gateway, PracticeChannel},
    hydrogen::Hydrogen,
    hylafax::Hylafax,
    mail::{
        AddressTrouble, Mail, MailServers,
        misbehaving::{Misbehaving, Misdeed},
    },
    one_time_keys::{OneTimeKey, OneTimeKeys},
    postgres::{Cluster, Postgres, fresh_name},
    synapse::{
        FederationDoor, RequestLimits, Slot, SlotLease, Synapse, SynapseAccess, SynapseOptions,
        TiMessengerRules,
    },
    telephone::Telephone,
    vzd::{Vzd, VzdEntry},
};

/// The variable that names the description of a running world (a JSON file).
pub const WORLD_VARIABLE: &str = "UMSTIEG_WORLD";

/// The variable that gives the homeserver of a shared world the rules of TI-Messenger. Its value says whom
/// users let invite them by default: `allow` everybody, or `block` everybody.
pub const RULES_VARIABLE: &str = "UMSTIEG_WORLD_RULES";

/// How many application services a shared world has room for. Each test takes one for its
/// lifetime, so this bounds how many run at the same time; Synapse reads them at start and an
/// unused one costs nothing.
const SHARED_SLOTS: usize = 40;

/// The parts of a world.
#[derive(Clone, Debug, Default)]
pub struct WorldOptions {
    pub synapse: SynapseOptions,
}

impl WorldOptions {
    /// A world with room for `slots` application services, made by [`synapse`].
    pub fn with_slots(slots: usize) -> Self {
        Self { synapse: SynapseOptions { slots, ..SynapseOptions::default() } }
    }

    /// A world that tests share, with the rules that [`RULES_VARIABLE`] asks for.
    ///
    /// # Errors
    /// When the variable holds another word.
    pub fn shared(slots: usize) -> Result<Self> {
        let word = std::env::var(RULES_VARIABLE).unwrap_or_default();
        let default_permission = match word.as_str() {
            "" => return Ok(Self::with_slots(slots)),
            "allow" => "allow all",
            "block" => "block all",
            _ => {
                let allowed = "it is allow or block";
                return Err(WorldError::refused(format!("read {RULES_VARIABLE}"), allowed));
            }
        };
        let ti_messenger = Some(TiMessengerRules::of(default_permission));
        Ok(Self { synapse: SynapseOptions { slots, ti_messenger, ..SynapseOptions::default() } })
    }

    /// A world whose Synapse knows the application service of this registration file.
    pub fn with_registration(registration: impl Into<String>) -> Self {
        let registrations = vec![registration.into()];
        Self { synapse: SynapseOptions { registrations, ..SynapseOptions::default() } }
    }
}

/// A running world. Dropping it ends its servers and removes its folder.
///
/// The folder with all logs is kept when the thread panics, and when `UMSTIEG_WORLD_KEEP` is set.
#[derive(Debug)]
pub struct World {
    // Fields drop in this order: first who uses the database, then the database, then the files.
    pub synapse: Synapse,
    pub mail: MailServers,
    pub postgres: Postgres,
    folder: Folder,
}

/// What one needs to know to live in a world, without owning it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Surroundings {
    pub postgres: Cluster,
    pub homeserver: SynapseAccess,
    pub mail: Mail,
}

impl World {
    /// Starts all servers, and returns when each of them answers.
    ///
    /// `progress` is told in a few words what has just been done. Takes 4 to 10 seconds, most of it
    /// for Synapse making its tables.
    ///
    /// # Errors
    ///
    /// When something is not installed, or a server does not come up; the message carries the end
    /// of its log.
    pub async fn start(options: WorldOptions, progress: impl Fn(&str) + Sync) -> Result<Self> {
        let begun = Instant::now();
        let told = |what: &str| {
            progress(&format!("{what} ({:.1} s)", begun.elapsed().as_secs_f32()));
        };
        let folder = Folder::make("world")?;
        let database_and_homeserver = async {
            let postgres = Postgres::start(folder.path()).await?;
            told("Postgres is up");
            let synapse = Synapse::start(folder.path(), &postgres, options.synapse).await?;
            told("Synapse is up");
            Ok::<_, WorldError>((postgres, synapse))
        };
        let mail = async {
            let mail = MailServers::start(folder.path()).await?;
            told("Dovecot and Exim are up");
            Ok(mail)
        };
        let ((postgres, synapse), mail) = tokio::try_join!(database_and_homeserver, mail)?;
        Ok(Self { synapse, mail, postgres, folder })
    }

    /// The world all tests of a run share: the one `umstieg-world exec` has started, else one that
    /// this process starts at the first call and that ends with it.
    ///
    /// # Errors
    /// As [`World::start`], or when the description is not readable.
    pub async fn shared() -> Result<&'static Surroundings> {
        static OF_THIS_PROCESS: OnceCell<World> = OnceCell::const_new();
        static SHARED: OnceCell<Surroundings> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                if let Some(surroundings) = Surroundings::of_the_run()? {
                    return Ok(surroundings);
                }
                let options = WorldOptions::shared(SHARED_SLOTS)?;
                let start = || World::start(options, |_| {});
                Ok(OF_THIS_PROCESS.get_or_try_init(start).await?.surroundings())
            })
            .await
    }

    /// What one needs to know to live in this world.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            postgres: (*self.postgres).clone(),
            homeserver: (*self.synapse).clone(),
            mail: (*self.mail).clone(),
        }
    }

    /// The folder that contains everything of this world: one folder per server, its logs within.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder when the world ends, for reading the logs.
    pub fn keep_folder(&mut self) {
        self.folder.keep();
    }

    /// Writes the description other processes find through [`WORLD_VARIABLE`], and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn describe(&self) -> Result<PathBuf> {
        let file = self.folder().join("world.json");
        let text = serde_json::to_vec_pretty(&self.surroundings())
            .map_err(|error| WorldError::io("write the description of the world", error.into()))?;
        std::fs::write(&file, text)
            .map_err(|error| WorldError::io("write the description of the world", error))?;
        Ok(file)
    }
}

impl Postgres {
    /// The Postgres all tests of a run share, without the other servers: that of the world
    /// `umstieg-world exec` has started, else one that this process starts at the first call and that
    /// ends with it.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`], or when the description is not readable.
    pub async fn shared() -> Result<&'static Cluster> {
        static OF_THIS_PROCESS: OnceCell<(Postgres, Folder)> = OnceCell::const_new();
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                if let Some(surroundings) = Surroundings::of_the_run()? {
                    return Ok(surroundings.postgres);
                }
                let start = || async {
                    let folder = Folder::make("tables")?;
                    Ok::<_, WorldError>((Self::start(folder.path()).await?, folder))
                };
                let (postgres, _) = OF_THIS_PROCESS.get_or_try_init(start).await?;
                Ok((**postgres).clone())
            })
            .await
    }
}

impl Surroundings {
    /// Those of the world that `umstieg-world exec` has started for this run, if it has.
    fn of_the_run() -> Result<Option<Self>> {
        std::env::var_os(WORLD_VARIABLE).map(|file| Self::read(Path::new(&file))).transpose()
    }

    fn read(file: &Path) -> Result<Self> {
        let doing = "read the description of the shared world";
        let text = std::fs::read(file).map_err(|error| WorldError::io(doing, error))?;
        serde_json::from_slice(&text).map_err(|error| WorldError::io(doing, error.into()))
    }
}
