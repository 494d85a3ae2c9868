//! Builds everything once, starts it, drains it and stops it.

pub mod check;
#[cfg(feature = "demo")]
pub mod demo;
pub mod identities;
mod mail_server;
pub mod parked;
mod probe;
pub mod rekey;
mod start;

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use graphile_worker::Worker;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinError, JoinSet},
};
use tracing::{error, info, warn};

use crate::{
    config::{Settings, Tokens},
    http::{self, Doors, Monitoring, PartState, Readiness},
    relay::{Clock, Ctx},
    store::{Database, OneGateway, OpenError, StoreError, seal::OuterKey},
    worker::{Shop, follow_sync, pick_up},
};

pub use probe::probe;
pub use start::{StartError, ctx};

/// How long tasks may take to end what they began when the gateway is told to stop. Whatever is
/// cut off is found and finished by the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// Time between two looks whether the database is still ours alone.
const HOLD_EVERY: Duration = Duration::from_secs(5);

/// Why the gateway did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0} cannot be listened on; choose another address, or stop what listens there")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error("the metrics could not be set up")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    #[error("the job engine could not be started")]
    Engine(#[source] graphile_worker::WorkerBuildError),
    #[error("a part of the gateway ended unexpectedly")]
    Part(#[from] JoinError),
    #[error("the signals of the operating system cannot be listened to")]
    Signals(#[source] std::io::Error),
}

/// Brings the database up to date.
pub async fn migrate(settings: &Settings, key: &OuterKey) -> Result<(), OpenError> {
    let database = Database::connect(&start::database_url(&settings.database), 1).await?;
    database.migrate(key, Clock::of_the_machine().now()).await?;
    Ok(())
}

/// Runs the gateway until SIGTERM or SIGINT.
pub async fn run(settings: Settings, tokens: Tokens, key: &OuterKey) -> Result<(), RunError> {
    let metrics = PrometheusBuilder::new().install_recorder().map_err(RunError::Metrics)?;
    if !settings.encryption.required {
        warn!("{}; {}", start::UNENCRYPTED, start::ENCRYPT);
    }
    let database = &settings.database;
    let url = start::database_url(database);
    let gate = OneGateway::take(&url).await?;
    let database = Database::connect(&url, database.connections_max).await?;
    let store = database.migrate(key, Clock::of_the_machine().now()).await?;
    let ctx = Arc::new(start::ctx(&settings, &tokens, store, Clock::of_the_machine())?);
    let running = Running::start(&settings, tokens, ctx, gate, url, metrics).await?;
    running.until_told_to_stop().await
}

/// The parts at work.
struct Running {
    parts: JoinSet<Result<(), RunError>>,
    /// The engine of the moment, to tell it to stop.
    engine: watch::Receiver<Option<Arc<Worker>>>,
    stop: watch::Sender<bool>,
    readiness: watch::Sender<Readiness>,
}

impl Running {
    async fn start(
        settings: &Settings,
        tokens: Tokens,
        ctx: Arc<Ctx>,
        gate: OneGateway,
        url: String,
        metrics: PrometheusHandle,
    ) -> Result<Self, RunError> {
        let (readiness, seen) = watch::channel(Readiness::default());
        for part in ["postgres", "homeserver"] {
            readiness.send_modify(|all| all.set(part, PartState::Starting));
        }
        let shop = Shop::new(ctx.clone(), report_to(readiness.clone()));
        shop.take_over().await?;
        let (stop, stopped) = watch::channel(false);
        let (engine_of_now, engine) = watch::channel(None);
        let mut parts = JoinSet::new();

        // Doors first: the homeserver may knock as soon as it is told that we are here.
        let doors = Doors {
            hs_token: tokens.hs_token.clone(),
            store: ctx.store.clone(),
            clock: {
                let clock = ctx.clock.clone();
                Arc::new(move || clock.now())
            },
        };
        let mut router = http::router(doors);
        let monitoring = http::monitoring_router(Monitoring { readiness: seen, metrics });
        match &settings.monitoring {
            Some(own) => serve(&mut parts, own.listen, monitoring, stopped.clone()).await?,
            None => router = router.merge(monitoring),
        }
        serve(&mut parts, settings.appservice.listen, router, stopped.clone()).await?;

        // Letters are fetched and saved whatever the homeserver does.
        for (name, line) in &ctx.channels {
            let (shop, name) = (shop.clone(), name.clone());
            let inbox = line.inbox.clone();
            start_part(&mut parts, async move {
                pick_up(&shop, &name, &inbox).await;
                Ok(())
            });
        }
        start_part(&mut parts, hold(gate, url));
        start_part(&mut parts, {
            let shop = shop.clone();
            async move {
                shop.sweep().await;
                Ok(())
            }
        });

        // Nothing is sent before the bot exists, and nothing can be followed.
        let concurrency = settings.worker.concurrency;
        let appservice = settings.appservice.clone();
        let (introduced, mut is_introduced) = watch::channel(false);
        start_part(&mut parts, {
            let shop = shop.clone();
            async move {
                start::introduce(&shop, &appservice, &tokens).await;
                introduced.send_replace(true);
                engine_for_ever(&shop, concurrency, &engine_of_now, stopped).await
            }
        });
        start_part(&mut parts, async move {
            // An error means that the part above ended: the gateway stops as well.
            let _ = is_introduced.wait_for(|is_introduced| *is_introduced).await;
            follow_sync(&shop).await;
            Ok(())
        });
        info!("Started");
        Ok(Self { parts, engine, stop, readiness })
    }

    /// Waits for a signal, or for a part to end, then drains.
    async fn until_told_to_stop(mut self) -> Result<(), RunError> {
        let told = signals().map_err(RunError::Signals)?;
        let ended = tokio::select! {
            () = told => Ok(()),
            part = self.parts.join_next() => match part {
                Some(Ok(Err(error))) => Err(error),
                Some(Err(panicked)) => Err(panicked.into()),
                Some(Ok(Ok(()))) | None => Ok(()),
            },
        };
        info!("Stopping");
        for part in ["postgres", "homeserver"] {
            self.readiness.send_modify(|all| all.set(part, PartState::Stopping));
        }
        self.stop.send_replace(true);
        let engine = self.engine.borrow().clone();
        if let Some(engine) = engine {
            engine.request_shutdown();
            let drained = async {
                while Arc::strong_count(&engine) > 2 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            if tokio::time::timeout(DRAIN, drained).await.is_err() {
                warn!("Some tasks were cut off; the next start finishes what they began");
            }
        }
        self.parts.shutdown().await;
        info!("Stopped");
        ended
    }
}

/// Tells the monitor how a part is. Without Postgres or the homeserver the gateway does not work;
/// without one mailbox of several it does.
fn report_to(readiness: watch::Sender<Readiness>) -> crate::worker::Report {
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

async fn serve(
    parts: &mut JoinSet<Result<(), RunError>>,
    listen: SocketAddr,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let listener =
        TcpListener::bind(listen).await.map_err(|error| RunError::Listen(listen, error))?;
    info!("Listening on {listen}");
    start_part(parts, async move {
        let until = async move {
            // An error means that the sender is gone: the gateway stops as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(until)
            .await
            .map_err(|error| RunError::Listen(listen, error))
    });
    Ok(())
}

/// Runs the job engine, and builds it anew when the database went away under it.
async fn engine_for_ever(
    shop: &Shop,
    concurrency: usize,
    engine_of_now: &watch::Sender<Option<Arc<Worker>>>,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let mut was_built = false;
    loop {
        match shop.engine(concurrency).await {
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

/// Keeps the database ours alone. Its restart frees the lock, so it is taken again; when another
/// gateway was faster, this one must not go on.
async fn hold(mut gate: OneGateway, url: String) -> Result<(), RunError> {
    loop {
        tokio::time::sleep(HOLD_EVERY).await;
        if gate.is_held().await {
            continue;
        }
        match OneGateway::take(&url).await {
            Ok(taken) => gate = taken,
            Err(OpenError::AnotherGateway) => return Err(OpenError::AnotherGateway.into()),
            Err(error) => error!(error = %error, "The database is away; trying to take it again"),
        }
    }
}

/// Completes at SIGTERM or SIGINT; both are heard from this call on.
fn signals() -> std::io::Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
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
