//! A private Postgres cluster.

use std::{
    cell::RefCell,
    ops::Deref,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use sqlx::{
    Column as _, Connection as _, Executor as _, PgConnection, Row as _, ValueRef as _,
    postgres::PgRow,
};

use crate::{
    error::{Result, WorldError},
    ports::Port,
    process::{Launch, Server, run},
    setup::{UnixAccount, postgres_program},
};

/// The superuser of the cluster. It needs no password: the cluster listens on loopback only.
const USER: &str = "umstieg";
/// How long the shared memory of a killed server may stay with its last backend.
const MEMORY_FREE_WITHIN: Duration = Duration::from_secs(20);

thread_local! {
    /// The connection that asked last on this thread, and the address of its database. A thread belongs to
    /// one runtime, and so does a connection.
    static ASKED_LAST: RefCell<Option<(String, PgConnection)>> = const { RefCell::new(None) };
}

/// How to reach a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    pub port: u16,
}

impl Cluster {
    /// Makes an empty database and returns its address for the gateway.
    ///
    /// # Errors
    /// When it exists already, or Postgres is down.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        // No client is ever connected to it, so that tests may do this side by side.
        self.create_copy("template0", name).await
    }

    /// Makes an empty database for the caller alone and returns its address: what each test wants.
    ///
    /// # Errors
    ///
    /// When Postgres is down.
    pub async fn create_fresh_database(&self) -> Result<String> {
        self.create_database(&fresh_name()).await
    }

    /// The same with the content of `template`, to which no client is connected.
    ///
    /// # Errors
    ///
    /// When a client is connected to it, or Postgres is down.
    pub async fn create_fresh_copy(&self, template: &str) -> Result<String> {
        self.create_copy(template, &fresh_name()).await
    }

    /// The same under this name.
    ///
    /// # Errors
    ///
    /// When it exists already, a client is connected to `template`, or Postgres is down.
    pub async fn create_copy(&self, template: &str, name: &str) -> Result<String> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let sql = format!("CREATE DATABASE {} TEMPLATE {}", quoted(name), quoted(template));
        self.query("postgres", &sql).await?;
        Ok(self.url(name))
    }

    /// The address of a database: `postgres://…`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL, one statement or several, and returns the rows as `psql -At` prints them: one line each,
    /// fields by `|`, nothing for a null. Nothing of a session lasts from one call to the next.
    ///
    /// # Errors
    ///
    /// What Postgres answered, or that it is down.
    pub async fn query(&self, database: &str, sql: &str) -> Result<String> {
        let url = self.url(database);
        let failed = |error| WorldError::refused("run SQL", error);
        let mut connection = match usable(ASKED_LAST.take(), &url).await {
            Some(connection) => connection,
            None => PgConnection::connect(&url).await.map_err(failed)?,
        };
        // Tests write their own SQL.
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let rows = connection.fetch_all(sqlx::raw_sql(sql)).await;
        ASKED_LAST.set(Some((url, connection)));
        let lines = rows.map_err(failed)?.iter().map(line).collect::<sqlx::Result<Vec<String>>>();
        Ok(lines.map_err(failed)?.join("\n"))
    }
}

/// The connection that asked last, if it is one to this database, and still works.
async fn usable(last: Option<(String, PgConnection)>, url: &str) -> Option<PgConnection> {
    let (of, mut connection) = last?;
    if of != url {
        // Whoever copies that database or drops it waits until nobody is connected.
        connection.close().await.ok();
        return None;
    }
    connection.execute("discard all").await.ok()?;
    Some(connection)
}

fn line(row: &PgRow) -> sqlx::Result<String> {
    let field = |column: usize| match row.try_get_raw(column)? {
        value if value.is_null() => Ok(""),
        value => value.as_str().map_err(sqlx::Error::Decode),
    };
    let fields = row.columns().iter().map(|column| field(column.ordinal()));
    Ok(fields.collect::<sqlx::Result<Vec<&str>>>()?.join("|"))
}

/// A name for a database that no other one has.
pub fn fresh_name() -> String {
    format!("fresh_{:016x}", rand::random::<u64>())
}

/// A cluster that ends with this value.
#[derive(Debug)]
pub struct Postgres {
    cluster: Cluster,
    server: Server,
    ready: PathBuf,
    _port: Port,
}

impl Deref for Postgres {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Postgres {
    /// Makes a cluster below `folder` and starts it.
    ///
    /// # Errors
    /// When Postgres is not installed, or does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        let port = Port::reserve()?;
        let account = UnixAccount::plain("postgres")?;
        let home = account.folder(folder.join(format!("postgres-{}", port.number())))?;
        let data = home.join("data").display().to_string();
        let initdb = postgres_program("initdb")?;
        let args =
            ["--locale=C", "-E", "UTF8", "-A", "trust", "--no-sync", "-U", USER, "-D", &data];
        run("make a Postgres cluster", Some(&account), &initdb, &args).await?;

        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", port.number()),
            format!("unix_socket_directories={}", home.display()),
            // A killed process loses nothing by this, only a killed machine does.
            "fsync=off".to_owned(),
            "full_page_writes=off".to_owned(),
            // Tests run side by side, each with its own pool.
            "max_connections=400".to_owned(),
            "shared_buffers=128MB".to_owned(),
            // Files in the folder instead of /dev/shm: gone with the folder.
            "dynamic_shared_memory_type=mmap".to_owned(),
        ];
        let args = ["-D".to_owned(), data].into_iter();
        let args = args.chain(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        let server = Server::new(Launch {
            name: "postgres",
            program: postgres_program("postgres")?,
            args: args.collect(),
            env: vec![("LC_ALL", "C".to_owned())],
            account: Some(account),
            log: folder.join(format!("postgres-{}.log", port.number())),
            folder: home,
            // At once, without a checkpoint, yet giving its shared memory back.
            quick_end: Signal::QUIT,
            piped: false,
        });
        let cluster = Cluster { port: port.number() };
        let mut postgres =
            Self { cluster, server, ready: postgres_program("pg_isready")?, _port: port };
        postgres.start_again().await?;
        Ok(postgres)
    }

    /// Ends it as a crash would: nothing is written, all connections break.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Ends it in an orderly way, rolling back what is open.
    pub fn stop(&mut self) {
        self.server.stop(Signal::INT);
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop): same data, same port.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let answers = || async {
                let port = self.cluster.port.to_string();
                run("ask Postgres", None, &self.ready, &["-q", "-h", "127.0.0.1", "-p", &port])
                    .await
                    .is_ok()
            };
            match self.server.start(answers).await {
                // A backend of the killed server notices only when its query ends.
                Err(WorldError::Ended { log, .. })
                    if log.contains("pre-existing shared memory block")
                        && begun.elapsed() < MEMORY_FREE_WITHIN => {}
                other => return other,
            }
        }
    }

    /// [`stop`](Self::stop) and [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        self.start_again().await
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.server.id()
    }
}
