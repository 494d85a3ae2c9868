//! Runs a sequence on the real flows.

use crate::{databases, stage::conversations};
use std::{
    collections::BTreeMap,
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex as SyncMutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use time::OffsetDateTime;
use tokio::sync::Mutex;
use umstieg::{
    app, config,
    model::{Clock, ConversationId},
    relay::{self, Ctx},
    store::{Database, Store, seal::OuterKey},
};
use umstieg_world::{World, gateway::sealing_key};

use super::{
    Arrives, EditedTo, HandOverMoment, MailServerAnswer, Meanwhile, Op,
    mail_server::ModelMailServer,
    room::{PEOPLE, RoomHistory, Shows},
};

const BOT: &str = "@umstieg_bot:praxis.example";
/// Connections of the gateway to its database.
const CONNECTIONS: u32 = 4;
const ON_TIME: Arrives = Arrives { lost: false, late: false };

/// The gateway's flows with a clock that is moved by hand.
pub(crate) struct Flows {
    ctx: SyncMutex<Arc<Ctx>>,
    settings: config::Settings,
    tokens: config::Tokens,
    url: String,
    key: String,
    clock: Clock,
    now: Arc<SyncMutex<OffsetDateTime>>,
    scene: Arc<Mutex<Option<Scene>>>,
    mail_server: ModelMailServer,
    tag: AtomicU64,
}

/// One sequence: its room, and what its mail server heard.
pub(crate) struct Scene {
    pub(crate) room: RoomHistory,
    pub(crate) answers: MailServerAnswer,
    meanwhile: Option<(HandOverMoment, Meanwhile)>,
    store: Store,
    conversation: ConversationId,
    now: OffsetDateTime,
    /// How often each message was accepted, and with which words last.
    accepted: BTreeMap<usize, (usize, String)>,
    /// Messages of which only the mail server knows whether they were accepted.
    unclear: Vec<usize>,
    /// Words of the body that came last.
    body: Vec<usize>,
    wrong: Option<String>,
}

impl Flows {
    pub(crate) async fn start() -> Self {
        let world = World::shared().await.unwrap();
        let url = databases::migrated(&world.postgres).await;
        let scene = Arc::new(Mutex::new(None));
        let mail_server = ModelMailServer::start(scene.clone()).await;
        let key = sealing_key();
        let port = mail_server.port;
        let settings = format!(
            "[database]\nurl = {url:?}\n[sealing]\nkey = {key:?}\n\
             [homeserver]\nurl = \"http://127.0.0.1:9\"\nserver_name = \"praxis.example\"\n\
             [appservice]\nid = \"umstieg\"\nlisten = \"127.0.0.1:1\"\nurl = \"http://127.0.0.1:1\"\n\
             user_prefix = \"umstieg_\"\nbot = \"umstieg_bot\"\n\
             [encryption]\nrequired = false\n\
             [[channel]]\nname = \"kim\"\nkind = \"kim\"\nlabel = \"Praxis\"\n\
             address = \"praxis@mueller.kim.telematik\"\nteam = [{:?}, {:?}]\ncollect_seconds = 5\n\
             [channel.inbox]\nprotocol = \"pop3\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\n\
             user = \"praxis@mueller.kim.telematik#127.0.0.1:1#m1#KOM_LE#wp1\"\npassword = \"geheim\"\n\
             [channel.outbox]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             user = \"praxis@mueller.kim.telematik#127.0.0.1:{port}#m1#KOM_LE#wp1\"\npassword = \"geheim\"\n",
            PEOPLE[0], PEOPLE[1],
        );
        let loaded = config::parse(&settings, Path::new("/nowhere/umstieg.toml"), &|_| None);
        let settings = loaded.unwrap().settings;
        let mut rng = rand::rng();
        let tokens = config::Tokens::random(&settings, &mut rng);
        let begin = Clock::of_the_machine().now();
        let now = Arc::new(SyncMutex::new(begin));
        let clock = Clock::new({
            let now = now.clone();
            move || *now.lock().unwrap()
        });
        let database = Database::connect(&url, CONNECTIONS).await.unwrap();
        let outer = OuterKey::from_base64(&key).unwrap();
        let store = database.migrate(&outer, begin).await.unwrap();
        let ctx = Arc::new(app::ctx(&settings, &tokens, store, clock.clone()).unwrap());
        let (ctx, tag) = (SyncMutex::new(ctx), AtomicU64::new(1));
        Self { ctx, settings, tokens, url, key, clock, now, scene, mail_server, tag }
    }

    fn ctx(&self) -> Arc<Ctx> {
        self.ctx.lock().unwrap().clone()
    }

    /// After a power cut: everything in memory and all connections are gone.
    async fn restart(&self) {
        let database = Database::connect(&self.url, CONNECTIONS).await.unwrap();
        let outer = OuterKey::from_base64(&self.key).unwrap();
        let store = database.open(&outer).await.unwrap();
        self.with(async |scene| scene.store = store.clone()).await;
        let ctx = app::ctx(&self.settings, &self.tokens, store, self.clock.clone()).unwrap();
        let before = std::mem::replace(&mut *self.ctx.lock().unwrap(), Arc::new(ctx));
        before.store.pool().close().await;
    }

    /// Runs a sequence to its end, and says what was wrong.
    pub(crate) async fn check(&self, ops: &[Op]) -> Result<(), String> {
        let tag = self.tag.fetch_add(1, Ordering::Relaxed);
        let scene = self.scene_of(tag).await;
        *self.scene.lock().await = Some(scene);
        for op in ops {
            self.run(op).await;
            self.so_far().await?;
        }
        self.to_the_end().await?;
        self.nothing_is_untold().await
    }

    /// How many messages left, and how many of them as an edit says.
    pub(crate) async fn left(&self) -> (i64, i64) {
        let sql =
            "select count(left_as), count(*) filter (where left_as <> '') from dispatch_parts";
        sqlx::query_as(sql).fetch_one(self.ctx().store.pool()).await.unwrap()
    }

    /// Runs a sequence in a separate room. Returns how many messages were accepted.
    pub(crate) async fn accepted_after(&self, ops: &[Op]) -> usize {
        let tag = self.tag.fetch_add(1, Ordering::Relaxed);
        let scene = self.scene_of(tag).await;
        *self.scene.lock().await = Some(scene);
        self.more_accepted_after(ops).await
    }

    /// The same in the room of the sequence before.
    pub(crate) async fn more_accepted_after(&self, ops: &[Op]) -> usize {
        for op in ops {
            self.run(op).await;
            self.so_far().await.unwrap();
        }
        self.with(async |scene| scene.accepted.values().map(|(times, _)| times).sum()).await
    }

    async fn scene_of(&self, tag: u64) -> Scene {
        let room = RoomHistory::new(tag);
        let ctx = self.ctx();
        let pool = ctx.store.pool();
        let conversation: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(conversations(
            "kim",
            &[&format!("erik{tag}@charite.kim.telematik")],
        )))
        .fetch_one(pool)
        .await
        .unwrap();
        sqlx::query(
            "insert into rooms (conversation_id, alias_token, room_id, state, created_at)
             values ($1, gen_random_uuid(), $2, 'open', now())",
        )
        .bind(conversation)
        .bind(&room.id)
        .execute(pool)
        .await
        .unwrap();
        Scene {
            room,
            answers: MailServerAnswer::Accepts,
            meanwhile: None,
            store: self.ctx().store.clone(),
            conversation: ConversationId(conversation),
            now: self.clock.now(),
            accepted: BTreeMap::new(),
            unclear: Vec::new(),
            body: Vec::new(),
            wrong: None,
        }
    }

    async fn run(&self, op: &Op) {
        match op {
            Op::Say { who, arrives } => {
                self.with(async |scene| {
                    let event = scene.room.say(*who, *arrives);
                    scene.arrives(event).await;
                })
                .await;
            }
            Op::Edit { target, to, arrives } => {
                self.with(async |scene| {
                    if let Some(target) = scene.room.pick(*target) {
                        let event = scene.room.edit(target, *to, *arrives);
                        scene.arrives(event).await;
                    }
                })
                .await;
            }
            Op::Redact { target, lost } => {
                self.with(async |scene| {
                    if let Some(target) = scene.room.pick(*target) {
                        let event = scene.room.redact(target, *lost);
                        scene.arrives(event).await;
                    }
                })
                .await;
            }
            Op::Again { lost } => {
                self.with(async |scene| {
                    let event = scene.room.command(Arrives { lost: *lost, late: false });
                    scene.arrives(event).await;
                })
                .await;
            }
            Op::Repeat => {
                self.with(async |scene| {
                    for event in 0..scene.room.events.len() {
                        if !scene.room.events[event].arrives.lost {
                            scene.transaction(event).await;
                        }
                    }
                })
                .await;
            }
            Op::Sync => self.with(Scene::sync).await,
            Op::KeyComes => self.with(Scene::key_comes).await,
            Op::ReadRoom { killed_after } => self.read_room(*killed_after).await,
            Op::HandOver { answers, meanwhile, killed_after } => {
                self.hand_over(*answers, *meanwhile, *killed_after).await;
            }
            Op::Wait { seconds } => self.wait(u64::from(*seconds)).await,
            Op::Sweep => self.sweep().await,
        }
    }

    async fn with<T>(&self, act: impl AsyncFnOnce(&mut Scene) -> T) -> T {
        let mut scene = self.scene.lock().await;
        act(scene.as_mut().unwrap()).await
    }

    async fn wait(&self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
        let now = self.clock.now();
        self.with(async |scene| scene.now = now).await;
    }

    async fn sweep(&self) {
        let ctx = self.ctx();
        relay::tell_of_unreadable(&ctx).await.unwrap();
        relay::hold_what_waits(&ctx).await.unwrap();
        relay::park_without_place(&ctx).await.unwrap();
        relay::tell_what_became(&ctx).await.unwrap();
    }

    async fn read_room(&self, killed_after: Option<u8>) {
        let room = self.with(async |scene| scene.room.id.clone()).await;
        let ctx = self.ctx();
        match killed(relay::read_room(&ctx, &room), killed_after).await {
            Some(done) => done.unwrap(),
            None => self.restart().await,
        }
    }

    async fn hand_over(
        &self,
        answers: MailServerAnswer,
        meanwhile: Option<(HandOverMoment, Meanwhile)>,
        killed_after: Option<u8>,
    ) {
        let conversation = self
            .with(async |scene| {
                scene.answers = answers;
                scene.meanwhile = meanwhile;
                scene.body.clear();
                scene.conversation
            })
            .await;
        let ctx = self.ctx();
        let done = killed(relay::hand_over(&ctx, conversation), killed_after).await;
        self.mail_server.is_silent().await;
        self.with(async |scene| {
            scene.meanwhile = None;
            if done.is_none() || answers == MailServerAnswer::HangsUpAfterBody {
                let body = std::mem::take(&mut scene.body);
                scene.unclear.extend(body);
            }
        })
        .await;
        match done {
            Some(done) => done.unwrap(),
            None => self.restart().await,
        }
    }

    async fn so_far(&self) -> Result<(), String> {
        self.with(async |scene| match scene.wrong.take() {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        })
        .await
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let conversation = self.with(async |scene| scene.conversation).await;
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .bind(conversation.0)
            .fetch_one(self.ctx().store.pool())
            .await
            .unwrap()
    }

    /// All keys come, all is told, and everything that may leave does.
    async fn to_the_end(&self) -> Result<(), String> {
        for _ in 0..12 {
            self.with(async |scene| {
                while scene.room.events.iter().any(|event| event.is_locked && event.is_placed) {
                    scene.key_comes().await;
                }
                scene.sync().await;
                for event in &mut scene.room.events {
                    event.arrives.late = false;
                }
            })
            .await;
            self.read_room(None).await;
            self.wait(1000).await;
            self.hand_over(MailServerAnswer::Accepts, None, None).await;
            self.sweep().await;
            self.so_far().await?;
            let parked = "select count(*) from parked
                join dispatches on dispatches.id = parked.item_id
                where parked.kind = 'dispatch' and resolved_at is null and conversation_id = $1";
            let open = "select count(*) from dispatches where conversation_id = $1
                and state in ('collecting', 'waiting', 'handing_over', 'sending_body')";
            let unread = "select count(*) from room_events join rooms using (room_id)
                where conversation_id = $1 and room_events.state <> 'done'";
            if self.number(parked).await > 0 {
                self.run(&Op::Again { lost: false }).await;
            } else if self.number(open).await == 0
                && self.number(unread).await == 0
                && self.with(async |scene| scene.all_is_placed()).await
            {
                return Ok(());
            }
        }
        Err("it does not come to an end".to_owned())
    }

    /// What did not leave as the room shows it was said to the room.
    async fn nothing_is_untold(&self) -> Result<(), String> {
        let conversation = self.with(async |scene| scene.conversation).await;
        let posts = self.ctx().store.pending_posts(conversation, 10_000).await.unwrap();
        // The notices at a message, and whether each is the notice about its dispatch.
        let told: Vec<(String, bool)> = posts
            .iter()
            .filter_map(|post| {
                let at = post.content.pointer("/m.relates_to/m.in_reply_to/event_id")?;
                Some((at.as_str()?.to_owned(), post.txn_id.starts_with('d')))
            })
            .collect();
        self.with(async |scene| {
            for (number, event) in scene.room.events.iter().enumerate() {
                let Some(shows) = scene.room.shows(number, false) else { continue };
                let (times, words) = scene.accepted.get(&number).cloned().unwrap_or_default();
                let is_unclear = scene.unclear.contains(&number);
                if times > 1 && !is_unclear {
                    return Err(format!("event {number} was accepted {times} times"));
                }
                let is_told = told.iter().any(|(at, _)| *at == event.id);
                if matches!(shows, Shows::Words(_)) && times == 0 && !is_told {
                    return Err(format!("event {number} is lost, and nothing was said"));
                }
                let is_told_of_its_change =
                    told.iter().any(|(at, of_dispatch)| *at == event.id && !of_dispatch);
                if times > 0 && shows != Shows::Words(words) && !is_told_of_its_change {
                    return Err(format!("event {number} left as it is not shown, untold"));
                }
            }
            Ok(())
        })
        .await
    }
}

impl Scene {
    /// Something happened in the room: the first door brings it, unless its transaction is lost.
    async fn arrives(&mut self, event: usize) {
        if !self.room.events[event].arrives.lost {
            self.transaction(event).await;
        }
    }

    async fn transaction(&mut self, event: usize) {
        self.room.events[event].is_known = true;
        let incoming = self.room.incoming(event);
        // One name for all: a homeserver that forgets its own.
        self.store.receive_transaction("t", &[incoming], self.now).await.unwrap();
    }

    /// The second door brings everything, in order.
    async fn sync(&mut self) {
        for event in &mut self.room.events {
            event.is_known = true;
        }
        let new: Vec<usize> =
            (0..self.room.events.len()).filter(|n| !self.room.events[*n].is_placed).collect();
        // With what it brought before, now and then.
        let from = new.first().copied().unwrap_or(0).saturating_sub(1);
        let events: Vec<_> =
            (from..self.room.events.len()).map(|n| self.room.incoming(n)).collect();
        self.store.receive_sync(BOT, "s", &[], &events, self.now).await.unwrap();
        for number in new {
            let event = &mut self.room.events[number];
            event.is_placed = true;
            event.is_locked = event.arrives.late;
            if event.is_locked {
                sqlx::query(
                    "update room_events set state = 'waiting', session_id = event_id
                     where event_id = $1 and state = 'new'",
                )
                .bind(&event.id)
                .execute(self.store.pool())
                .await
                .unwrap();
            }
        }
    }

    fn all_is_placed(&self) -> bool {
        self.room.events.iter().all(|event| event.is_placed && !event.is_locked)
    }

    async fn key_comes(&mut self) {
        let room = self.room.id.clone();
        let locked = self.room.events.iter_mut().find(|e| e.is_locked && e.is_placed);
        if let Some(event) = locked {
            event.is_locked = false;
            self.store.wake_for_key(&room, &event.id).await.unwrap();
        }
    }

    /// What the sequence has in mind for this moment of a dialogue.
    pub(crate) async fn meanwhile(&mut self, at: HandOverMoment) {
        let Some((moment, what)) = self.meanwhile else { return };
        if moment != at {
            return;
        }
        self.meanwhile = None;
        let event = match what {
            Meanwhile::Redact { target } => {
                self.room.pick(target).map(|target| self.room.redact(target, false))
            }
            Meanwhile::Edit { target } => self
                .room
                .pick(target)
                .map(|target| self.room.edit(target, EditedTo::Words, ON_TIME)),
        };
        if let Some(event) = event {
            self.arrives(event).await;
        }
    }

    /// A body came: what it says must be what the room shows, as far as the doors told.
    pub(crate) fn body_came(&mut self, mail: &str) {
        let said: Vec<String> = mail
            .split("wort")
            .skip(1)
            .filter_map(|rest| Some(format!("wort{}ende", rest.split_once("ende")?.0)))
            .collect();
        let mut messages = Vec::new();
        for words in &said {
            let Some(message) = self.room.message_of(words) else {
                self.wrong = Some(format!("{words} left, which nobody said here"));
                return;
            };
            let shows = self.room.shows(message, true);
            if shows != Some(Shows::Words(words.clone())) {
                self.wrong = Some(format!(
                    "{words} left for event {message}, and the room showed {shows:?}"
                ));
            }
            messages.push(message);
        }
        if messages.is_empty() {
            self.wrong = Some(format!("a mail without words left:\n{mail}"));
        }
        if matches!(self.answers, MailServerAnswer::Accepts) {
            for (message, words) in messages.iter().zip(said) {
                let accepted = self.accepted.entry(*message).or_default();
                *accepted = (accepted.0 + 1, words);
            }
        }
        self.body.extend(messages);
    }
}

/// Works on something, and drops it at its so-manieth rest, as a power cut would.
async fn killed<T>(work: impl Future<Output = T>, after: Option<u8>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = after;
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        match &mut left {
            Some(0) => Poll::Ready(None),
            Some(left) => {
                *left -= 1;
                Poll::Pending
            }
            None => Poll::Pending,
        }
    })
    .await
}
