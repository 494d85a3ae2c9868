//! Builds everything once, starts it, drains it and stops it.

mod address_books;
pub mod check;
pub mod directory;
mod doors;
mod errors;
pub mod fax;
mod fax_door;
pub mod fax_records;
pub mod fax_test;
pub mod help;
mod hold;
pub mod identities;
pub mod kim;
mod lists;
pub mod log;
mod page_reader;
pub mod parked;
mod probe;
pub mod rekey;
mod start;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use graphile_worker::Worker;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ruma::UserId;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tracing::{error, info, warn};

use crate::{
    config::{Settings, Tokens},
    http::{self, Doors, Monitoring, PartState, Readiness},
    model::{Clock, Language},
    phrases::AdminPhrase,
    relay::{Ctx, Intake},
    rules::renaming::Renaming,
    store::{
        Database, IncomingEvent, NamesError, OneGateway, OpenError, RenameError, Sessions, Store,
        StoreError, seal::OuterKey,
    },
    worker::{Shop, follow_sync, pick_up},
};

use doors::Door;
use hold::Hold;
pub use probe::probe;
pub use start::{StartError, ctx};

/// How long tasks may take to end what they began when the gateway is told to stop. The next start
/// finds and finishes what is cut off.
const DRAIN: Duration = Duration::from_secs(20);

/// How long the threads of a life may take to leave what they were doing.
const LIFE_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Time between two tries to take a database that went away.
const TAKE_AGAIN: Duration = Duration::from_secs(1);

/// Why the gateway did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "the gateway cannot listen on {0}; choose another address, or stop the program that listens there"
    )]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error("the metrics could not be set up")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    #[error("the job engine could not be started")]
    Engine(#[source] graphile_worker::WorkerBuildError),
    #[error("a part of the gateway ended unexpectedly")]
    Part(#[from] JoinError),
    #[error("the runtime could not be started")]
    Runtime(#[source] std::io::Error),
    /// Another life begins; `why` says for what reason.
    #[error("{why}")]
    Anew { why: &'static str, ours: Sessions },
    #[error("the gateway cannot receive the operating system's signals")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Names(#[from] NamesError),
    #[error(transparent)]
    Rename(#[from] RenameError),
}

impl RunError {
    /// Whether trying again would not help until an admin does something.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Open(error) => error.is_lasting(),
            Self::Start(_) | Self::Listen(..) => true,
            Self::Names(error) => !matches!(error, NamesError::Store(_)),
            Self::Rename(error) => !matches!(error, RenameError::Store(_)),
            _ => false,
        }
    }

    /// Whether the database is not this gateway's any more.
    fn is_loss(&self) -> bool {
        matches!(self, Self::Anew { .. } | Self::Open(OpenError::AnotherGateway))
    }
}

/// Brings the database up to date.
pub async fn migrate(settings: &Settings, key: &OuterKey) -> Result<(), OpenError> {
    let database = Database::connect(&start::database_url(&settings.database), 1).await?;
    database.migrate(key, Clock::of_the_machine().now()).await?;
    Ok(())
}

/// Runs the gateway until SIGTERM or SIGINT.
///
/// Each life has its own runtime, which ends with it: when the database is silent, or is not what it
/// was, nothing of that life goes on, not even a task that waits for an answer that never comes.
/// Then another life begins, as after a start.
pub fn run(settings: &Settings, tokens: &Tokens, key: &OuterKey) -> Result<(), RunError> {
    let metrics = PrometheusBuilder::new().install_recorder().map_err(RunError::Metrics)?;
    if !settings.encryption.required {
        // As `umstieg check` says it; the log is English.
        let [what, advice] = [AdminPhrase::NotEncrypted, AdminPhrase::Encrypt]
            .map(|sentence| sentence.said(Language::English));
        warn!("{what}; {advice}");
    }
    let house = House { settings, tokens, key, metrics, doors: OnceLock::new() };
    let mut before = None;
    loop {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(RunError::Runtime)?;
        let ended = runtime.block_on(house.live(before));
        runtime.shutdown_timeout(LIFE_ENDS_WITHIN);
        match ended {
            Err(RunError::Anew { ours, .. }) => before = Some(ours),
            ended => return ended,
        }
    }
}

/// What outlives a life.
struct House<'a> {
    settings: &'a Settings,
    tokens: &'a Tokens,
    key: &'a OuterKey,
    metrics: PrometheusHandle,
    /// Open from the moment this gateway first took the database.
    doors: OnceLock<OwnDoors>,
}

struct OwnDoors {
    appservice: Door,
    monitoring: Option<Door>,
    fax_servers: Option<Door>,
}

impl OwnDoors {
    fn open(settings: &Settings) -> Result<Self, RunError> {
        let open = |listen| Door::open(listen).map_err(|error| RunError::Listen(listen, error));
        Ok(Self {
            appservice: open(settings.appservice.listen)?,
            monitoring: settings.monitoring.as_ref().map(|own| open(own.listen)).transpose()?,
            fax_servers: settings.listener.as_ref().map(|own| open(own.listen)).transpose()?,
        })
    }
}

impl House<'_> {
    /// `before`: where the lock was held in the earlier life, if there was one.
    async fn live(&self, before: Option<Sessions>) -> Result<(), RunError> {
        let mut told = signals().map_err(RunError::Signals)?;
        let (readiness, seen) = watch::channel(Readiness::default());
        for part in ["postgres", "homeserver"] {
            readiness.send_modify(|all| all.set(part, PartState::Starting));
        }
        let mut open_doors = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        let monitoring = Monitoring { readiness: seen, metrics: self.metrics.clone() };
        let monitor = |open_doors: &mut _, doors: &OwnDoors| match &doors.monitoring {
            Some(door) => {
                let router = http::monitoring_router(monitoring.clone());
                serve(open_doors, door, router, stopped.clone())
            }
            None => Ok(()),
        };
        // A monitor is answered while the gateway waits for the database.
        if let Some(doors) = self.doors.get() {
            monitor(&mut open_doors, doors)?;
        }
        let opened = tokio::select! {
            () = &mut told => return Ok(()),
            opened = self.open(before) => opened,
        };
        let (gate, store) = opened?;
        self.keep_names(&store).await?;
        let doors = match self.doors.get() {
            Some(doors) => doors,
            None => {
                let opened = OwnDoors::open(self.settings)?;
                monitor(&mut open_doors, &opened)?;
                self.doors.get_or_init(|| opened)
            }
        };
        let ctx = Arc::new(start::ctx(self.settings, self.tokens, store, Clock::of_the_machine())?);
        let life = Life { parts: JoinSet::new(), open_doors, readiness, stop, stopped };
        life.begin(self, doors, ctx, gate).await?.until_told_to_stop(told).await
    }

    /// Takes the database and opens it. At the start of the process a database that is away ends it;
    /// later the gateway waits for it.
    async fn open(&self, before: Option<Sessions>) -> Result<(Hold, Store), RunError> {
        let is_start = before.is_none();
        let mut ours = before.unwrap_or_default();
        loop {
            match self.take(&mut ours).await {
                Err(error) if !is_start && !error.is_lasting() => {
                    warn!(error = %error, "The database cannot be taken yet; trying again");
                    tokio::time::sleep(TAKE_AGAIN).await;
                }
                taken => return Ok(taken?),
            }
        }
    }

    /// Refuses settings that do not fit the database, and renames channels in it that have another
    /// name in the settings.
    async fn keep_names(&self, store: &Store) -> Result<(), RunError> {
        let (homeserver, appservice) = (&self.settings.homeserver, &self.settings.appservice);
        store.keep_names(&homeserver.server_name, &appservice.user_prefix).await?;
        let channels = start::places(&self.settings.channels);
        let renamed = store.renamed_channels(&channels).await?;
        store.rename_channels(&renamed).await?;
        store.keep_channels(&channels).await?;
        for Renaming { from, to } in &renamed {
            info!(channel.name = %to, "The channel {from} goes on as {to}: it is the same mailbox");
        }
        Ok(())
    }

    async fn take(&self, ours: &mut Sessions) -> Result<(Hold, Store), OpenError> {
        let database = &self.settings.database;
        let url = start::database_url(database);
        let mut gate = OneGateway::take_again(&url, ours).await?;
        let now = Clock::of_the_machine().now();
        Database::connect(&url, 1).await?.migrate(self.key, now).await?;
        let epoch = gate.begin().await?;
        let store = Database::connect_in(&url, database.connections_max, epoch).await?;
        let store = store.open(self.key).await?;
        Ok((Hold::new(gate, url, epoch), store))
    }
}

/// The parts at work.
struct Life {
    parts: JoinSet<Result<(), RunError>>,
    /// Each of them ends what is under way when it is told to stop, and ends then.
    open_doors: JoinSet<Result<(), RunError>>,
    readiness: watch::Sender<Readiness>,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

/// A life with all of its parts.
struct RunningLife {
    life: Life,
    /// The present engine, to tell it to stop.
    engine: watch::Receiver<Option<Arc<Worker>>>,
}

impl Life {
    async fn begin(
        mut self,
        house: &House<'_>,
        doors: &OwnDoors,
        ctx: Arc<Ctx>,
        hold: Hold,
    ) -> Result<RunningLife, RunError> {
        let Self { parts, open_doors, readiness, stopped, .. } = &mut self;
        let report = report_to(readiness.clone());
        let shop = Shop::new(ctx.clone(), report.clone());
        shop.take_over().await?;
        let (engine_of_now, engine) = watch::channel(None);

        // Doors first: the homeserver may connect as soon as it is told that we are here.
        let router = http::router(homeserver_doors(house, &ctx));
        serve(open_doors, &doors.appservice, router, stopped.clone())?;
        serve_fax_servers(open_doors, house.settings, doors, &ctx, stopped.clone())?;

        // Letters are fetched and saved whatever the homeserver does.
        for (name, line) in &ctx.channels {
            // The others' are delivered.
            let Intake::Mailbox(inbox) = line.intake.clone() else { continue };
            let (shop, name) = (shop.clone(), name.clone());
            start_part(parts, async move {
                pick_up(&shop, &name, &inbox).await;
                Ok(())
            });
        }
        start_part(parts, hold.until_lost(ctx.clone(), report));
        start_part(parts, {
            let shop = shop.clone();
            async move {
                shop.sweep().await;
                Ok(())
            }
        });

        if let Some(scanning) = ctx.scanning.clone() {
            let shop = shop.clone();
            start_part(parts, async move {
                shop.watch_scanner(&scanning).await;
                Ok(())
            });
        }

        // Nothing is sent, and nothing can be followed, before the bot exists.
        let (appservice, tokens) = (house.settings.appservice.clone(), house.tokens.clone());
        let (introduced, mut is_introduced) = watch::channel(false);
        start_part(parts, {
            let (shop, stopped) = (shop.clone(), stopped.clone());
            async move {
                start::introduce(&shop, &appservice, &tokens).await;
                introduced.send_replace(true);
                engine_for_ever(&shop, &engine_of_now, stopped).await
            }
        });
        start_part(parts, async move {
            // An error means that the receiving part ended: the gateway stops as well.
            let _ = is_introduced.wait_for(|is_introduced| *is_introduced).await;
            follow_sync(&shop).await;
            Ok(())
        });
        info!("Started");
        Ok(RunningLife { life: self, engine })
    }
}

/// What the doors for the homeserver need.
fn homeserver_doors(house: &House<'_>, ctx: &Arc<Ctx>) -> Doors {
    Doors {
        hs_token: house.tokens.hs_token.clone(),
        store: ctx.store.clone(),
        clock: ctx.clock.clone(),
        heard: {
            let ctx = ctx.clone();
            Arc::new(move |events: &[IncomingEvent]| {
                let is_ours = |event: &IncomingEvent| {
                    UserId::parse(&event.sender).is_ok_and(|user| ctx.homeserver.is_ours(&user))
                };
                // What echoes our own posts can wait.
                if !events.iter().all(is_ours) {
                    ctx.news.notify_one();
                }
            })
        },
    }
}

impl RunningLife {
    /// Waits for a signal, or for a part to end, then drains. A gateway that lost the database does
    /// not drain: what is under way belongs to another gateway, or will.
    async fn until_told_to_stop(self, told: impl Future<Output = ()>) -> Result<(), RunError> {
        let Life { mut parts, mut open_doors, readiness, stop, .. } = self.life;
        let ended = tokio::select! {
            () = told => Ok(()),
            Some(part) = parts.join_next() => part.unwrap_or_else(|panicked| Err(panicked.into())),
            Some(door) = open_doors.join_next() => door.unwrap_or_else(|panicked| Err(panicked.into())),
        };
        if let Err(error) = &ended
            && error.is_loss()
        {
            error!(error = %error, "Breaking off");
            return ended;
        }
        info!("Stopping");
        for part in ["postgres", "homeserver"] {
            readiness.send_modify(|all| all.set(part, PartState::Stopping));
        }
        stop.send_replace(true);
        let engine = self.engine.borrow().clone();
        let drained = async {
            let Some(engine) = engine else { return };
            engine.request_shutdown();
            while Arc::strong_count(&engine) > 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let closed = async { while open_doors.join_next().await.is_some() {} };
        let all = async { tokio::join!(drained, closed) };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            warn!("Some tasks were cut off; the next start finishes what they began");
        }
        parts.shutdown().await;
        info!("Stopped");
        ended
    }
}

/// Tells the monitor the state of a part. Without Postgres or the homeserver the gateway does not
/// work; without one mailbox of several it does.
fn report_to(readiness: watch::Sender<Readiness>) -> crate::worker::HealthListener {
    Arc::new(move |part: &str, is_well: bool| {
        let state = match (is_well, part) {
            (true, _) => PartState::Ready,
            (false, "postgres" | "homeserver") => PartState::Down,
            (false, _) => PartState::Impaired,
        };
        readiness.send_if_modified(|all| {
            let before = all.clone();
            all.set(part, state);
            *all != before
        });
    })
}

/// Every task of the gateway is started here, so that it is drained and stopped.
fn start_part(
    parts: &mut JoinSet<Result<(), RunError>>,
    part: impl Future<Output = Result<(), RunError>> + Send + 'static,
) {
    parts.spawn(part);
}

fn serve(
    open_doors: &mut JoinSet<Result<(), RunError>>,
    door: &Door,
    router: axum::Router,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let listener = door.listener().map_err(|error| RunError::Listen(door.address, error))?;
    info!("Listening on {}", door.address);
    start_part(open_doors, async move {
        doors::serve(listener, router, stopped.clone()).await;
        Ok(())
    });
    Ok(())
}

/// Lets fax servers deliver, if the settings have a door for them.
fn serve_fax_servers(
    open_doors: &mut JoinSet<Result<(), RunError>>,
    settings: &Settings,
    doors: &OwnDoors,
    ctx: &Arc<Ctx>,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let (Some(own), Some(door)) = (&settings.listener, &doors.fax_servers) else { return Ok(()) };
    let listener = door.listener().map_err(|error| RunError::Listen(door.address, error))?;
    let door = Arc::new(fax_door::made_from(own, ctx));
    info!("Listening for fax servers on {}", own.listen);
    start_part(open_doors, async move {
        fax_door::serve(listener, door, stopped).await;
        Ok(())
    });
    Ok(())
}

/// Runs the job engine, and builds it again when the database went away under it.
async fn engine_for_ever(
    shop: &Shop,
    engine_of_now: &watch::Sender<Option<Arc<Worker>>>,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let mut was_built = false;
    loop {
        match shop.engine().await {
            Ok(engine) => {
                was_built = true;
                let engine = Arc::new(engine);
                engine_of_now.send_replace(Some(engine.clone()));
                if let Err(error) = engine.run().await {
                    warn!(error = %error, "The job engine stopped; it is started again");
                }
            }
            Err(error) if !was_built => return Err(RunError::Engine(error)),
            Err(error) => warn!(error = %error, "The job engine could not be started again yet"),
        }
        if *stopped.borrow() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Completes at SIGTERM or SIGINT; both are heard from this call on.
///
/// # Errors
///
/// When the operating system does not allow it.
pub fn signals() -> std::io::Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }))
}
