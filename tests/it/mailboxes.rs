//! Real mailboxes: they change their place, use their names again, and have mails that cannot be
//! fetched.

mod kim;
mod kim_locked;
mod kim_trust;
mod misdeeds;
mod names;
mod other_mails;
mod seams;
mod through_the_gateway;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::task::JoinSet;
use umstieg::{
    app,
    config::{self, Tokens},
    model::{ChannelName, Clock},
    relay::{self, Ctx, Inbox, Intake},
    rules::looking::Patience,
    store::{Database, Store, seal::OuterKey},
    worker::{Shop, pick_up},
};
use umstieg_world::{
    World,
    mail::misbehaving::{Misbehaving, Protocol},
};

use crate::databases;

/// How long a mailbox may take until it is as it should be.
const WAIT: Duration = Duration::from_secs(40);

/// The mailbox of the only channel.
fn inbox_of(ctx: &mut Ctx) -> &mut Inbox {
    match &mut ctx.channels.values_mut().next().unwrap().intake {
        Intake::Mailbox(inbox) => inbox,
        Intake::Door { .. } => panic!("the channel has no mailbox"),
    }
}

/// A database that looks into mailboxes and has no homeserver.
#[derive(Clone)]
struct MailboxPractice {
    store: Store,
    pool: PgPool,
}

impl MailboxPractice {
    async fn new() -> Self {
        let world = World::shared().await.unwrap();
        let url = databases::migrated(&world.postgres).await;
        let key = OuterKey::from_base64(OuterKey::random_base64().expose_secret()).unwrap();
        let database = Database::connect(&url, 20).await.unwrap();
        let now = Clock::of_the_machine().now();
        let store = database.migrate(&key, now).await.unwrap();
        Self { pool: store.pool().clone(), store }
    }

    async fn query(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(format!("select coalesce(({sql})::text, '')"));
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }
}

/// A separate channel with a mailbox.
struct MailboxChannel {
    practice: MailboxPractice,
    name: String,
    looking: JoinSet<()>,
    ctx: Arc<Ctx>,
}

static CHANNELS: AtomicU32 = AtomicU32::new(0);

/// What differs between the channels of these tests.
#[derive(Clone, Copy, Default)]
struct Manner {
    deletes: bool,
    /// As the settings write it.
    since: Option<&'static str>,
    /// The gateway waits long for a server: a try ends when the test ends it, however slow it is.
    patient: bool,
    /// No other program uses the mailbox; so it is where the gateway deletes.
    owned: bool,
}

/// It deletes what is read.
const DELETES: Manner = Manner { deletes: true, since: None, patient: false, owned: true };

impl MailboxChannel {
    /// A channel that looks into this mailbox, under a name that is not used yet.
    fn of(
        practice: &MailboxPractice,
        server: &Misbehaving,
        protocol: Protocol,
        manner: Manner,
    ) -> Self {
        let name = format!("kim-{}", CHANNELS.fetch_add(1, Ordering::Relaxed));
        Self::named(practice, &name, server, protocol, manner)
    }

    fn named(
        practice: &MailboxPractice,
        name: &str,
        server: &Misbehaving,
        protocol: Protocol,
        manner: Manner,
    ) -> Self {
        let protocol = if protocol == Protocol::Pop3 { "pop3" } else { "imap" };
        let since = manner.since.map(|day| format!("since = {day:?}\n")).unwrap_or_default();
        let after = if manner.deletes { "delete" } else { "keep" };
        let owned = manner.deletes || manner.owned;
        let mailbox = if owned { "owned" } else { "shared" };
        let key = OuterKey::random_base64();
        let settings = format!(
            "[database]\nurl = \"postgres://unused\"\n[sealing]\nkey = \"{}\"\n\
             [homeserver]\nurl = \"http://127.0.0.1:9\"\nserver_name = \"praxis.example\"\n\
             [appservice]\nlisten = \"127.0.0.1:1\"\nurl = \"http://127.0.0.1:1\"\n\
             [[channel]]\nname = {name:?}\nkind = \"kim\"\nlabel = \"Praxis\"\n\
             address = \"praxis@mueller.kim.telematik\"\nteam = [\"@anna:praxis.example\"]\n\
             [channel.kim]\nmailbox = {mailbox:?}\n\
             [channel.inbox]\nprotocol = {protocol:?}\nhost = \"127.0.0.1\"\nport = {}\n\
             tls = \"none\"\nuser = \"praxis\"\npassword = \"x\"\nafter_relay = {after:?}\n\
             mail_bytes_max = 65536\n{since}\
             [channel.outbox]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nuser = \"x\"\n\
             password = \"x\"\n",
            key.expose_secret(),
            server.port(),
        );
        let loaded = config::parse(&settings, Path::new("umstieg.toml"), &|_| None).unwrap();
        let tokens = Tokens::random(&loaded.settings, &mut StdRng::from_os_rng());
        let clock = Clock::of_the_machine();
        let mut ctx = app::ctx(&loaded.settings, &tokens, practice.store.clone(), clock).unwrap();
        let inbox = inbox_of(&mut ctx);
        inbox.server.timeouts.silence = if manner.patient { WAIT } else { Duration::from_secs(5) };
        inbox.server.timeouts.connect = Duration::from_secs(5);
        inbox.poll = Duration::from_millis(50);
        inbox.patience = Patience {
            first: Duration::from_millis(20),
            look_first: Duration::from_millis(20),
            ..Patience::default()
        };
        let (practice, name) = (practice.clone(), name.to_owned());
        Self { practice, name, looking: JoinSet::new(), ctx: Arc::new(ctx) }
    }

    /// Looks from now on.
    fn start(&mut self) {
        let shop = Shop::new(self.ctx.clone(), Arc::new(|_, _| {}));
        let name = ChannelName::new(&self.name).unwrap();
        let Intake::Mailbox(inbox) = self.ctx.channels[&name].intake.clone() else { return };
        self.looking.spawn(async move { pick_up(&shop, &name, &inbox).await });
    }

    /// Ends looking, at once and wherever it is.
    async fn stop(&mut self) {
        self.looking.shutdown().await;
    }

    /// Does what follows the looks: letters are placed, and at once count as posted and read.
    async fn relay(&self) {
        let name = ChannelName::new(&self.name).unwrap();
        relay::place_letters(&self.ctx, &name).await.unwrap();
        let posted = format!(
            "update posts set state = 'sent', unshown = false
             from letters
             where posts.letter_id = letters.id and posts.state = 'pending' and channel = '{0}';
             update letters set state = 'posted' where state = 'placed' and channel = '{0}'",
            self.name
        );
        self.practice.run(&posted).await;
        let sent = format!(
            "update posts set state = 'sent' where state = 'pending'
             and letter_id in (select id from letters where channel = '{}')",
            self.name
        );
        self.practice.run(&sent).await;
    }

    /// Looks and relays until it is so. `Err`: it is not.
    async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) -> Result<(), ()> {
        let begun = Instant::now();
        while begun.elapsed() < WAIT {
            self.relay().await;
            if is_so().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(())
    }

    /// How many letters have just these bytes, repeats not counted.
    async fn letters_of(&self, mail: &[u8]) -> usize {
        let digest: String = Sha256::digest(mail).iter().map(|b| format!("{b:02x}")).collect();
        self.count(&format!("digest = '\\x{digest}' and state <> 'duplicate'")).await
    }

    /// How many letters of this channel are such.
    async fn count(&self, such: &str) -> usize {
        let sql =
            format!("select count(*) from letters where channel = '{}' and {such}", self.name);
        self.practice.query(&sql).await.parse().unwrap()
    }

    /// How many of its mails wait for a person.
    async fn parked(&self) -> usize {
        let sql = format!(
            "select count(*) from parked
             where kind = 'mail' and resolved_at is null and channel = '{}'",
            self.name
        );
        self.practice.query(&sql).await.parse().unwrap()
    }

    async fn has_all(&self, mails: &[&[u8]]) -> bool {
        for mail in mails {
            if self.letters_of(mail).await != 1 {
                return false;
            }
        }
        true
    }
}

/// A KIM letter of these words.
fn letter(id: &str, words: &str) -> Vec<u8> {
    format!(
        "From: <erik@charite.kim.telematik>\r\nTo: <praxis@mueller.kim.telematik>\r\n\
         Subject: Befund\r\nMessage-ID: <{id}@x>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0100\r\n\
         \r\n{words}\r\n"
    )
    .into_bytes()
}
