//! A stage for one test: its own gateway in the shared world, a practice with one assistant.

use std::{collections::BTreeMap, path::Path, sync::atomic::AtomicU32, sync::atomic::Ordering};

use serde_json::{Value, json};

use umstieg::{
    model::DispatchId,
    store::{Database, Store, StoredPart, seal::OuterKey},
};
use umstieg_world::{
    Client, Clientmodul, Gateway, SlotLease, Surroundings, World,
    client::{SeenEvent, SeenTimeline},
    gateway::{ENCRYPTED, PASSWORD, PracticeChannel, UNENCRYPTED},
    mail::FAX_DOMAIN,
    synapse::PERMISSIONS,
};

use crate::databases;

/// A gateway, its world, and the people and mailboxes of one test.
pub(crate) struct Stage {
    pub(crate) world: &'static Surroundings,
    pub(crate) gateway: Gateway,
    pub(crate) database: String,
    pub(crate) anna: Client,
    pub(crate) anna_id: String,
    /// The practice's KIM address.
    pub(crate) practice: String,
    /// The practice's address at the fax gateway.
    pub(crate) fax_line: String,
    /// Makes addresses unique in the shared world.
    pub(crate) tag: String,
    _slot: SlotLease,
}

/// Channels that believe `trust`.
fn trusting(trust: &str, mut channels: Vec<PracticeChannel>) -> Vec<PracticeChannel> {
    for channel in &mut channels {
        channel.more.push_str(&format!("trust = {trust:?}\n"));
    }
    channels
}

/// The practice's KIM account is at this Clientmodul; its other channels are where they were.
pub(crate) fn kim_behind(
    module: &Clientmodul,
) -> impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel> + use<'_> {
    |channels| {
        let mut channels = channels.into_iter();
        let kim = channels.next().map(|kim| kim.behind(module).unwrap());
        kim.into_iter().chain(channels).collect()
    }
}

/// Distinguishes stages of one process; the process id distinguishes processes.
static STAGES: AtomicU32 = AtomicU32::new(0);

/// A statement that opens a conversation of a channel with each of these, in this order, and gives the
/// numbers of them.
pub(crate) fn conversations(channel: &str, correspondents: &[&str]) -> String {
    format!(
        "with known as (
             insert into correspondents (kind, key, first_seen_at, last_seen_at)
             select case when key like '%@%' then 'kim' else 'fax' end, key, now(), now()
             from unnest(array['{}']) with ordinality as new (key, number)
             order by number
             on conflict (kind, key) do update
             set last_seen_at = excluded.last_seen_at
             returning id
         )
         insert into conversations (channel, correspondent_id, created_at)
         select '{channel}', id, now()
         from known
         order by id
         returning id",
        correspondents.join("', '"),
    )
}

impl Stage {
    /// A practice with a KIM account (POP3) and a fax line (IMAP), and the gateway running.
    pub(crate) async fn new() -> Self {
        Self::with(|channels| channels).await
    }

    /// The same, with channels changed before the start.
    pub(crate) async fn with(
        change: impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel>,
    ) -> Self {
        let mut stage = Self::before_start(change).await;
        stage.gateway.start().await.unwrap();
        stage
    }

    /// The same, with the gateway not yet started.
    pub(crate) async fn before_start(
        change: impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel>,
    ) -> Self {
        Self::in_world(World::shared().await.unwrap(), change).await
    }

    /// Makes the database anew, without tables: what an admin has before the first start.
    pub(crate) async fn without_tables(&self) {
        let drop = format!("drop database {}", self.database);
        self.world.postgres.query("postgres", &drop).await.unwrap();
        self.world.postgres.create_database(&self.database).await.unwrap();
    }

    /// An encrypted practice that believes `trust`, with the gateway not yet started. Anna's
    /// client does not encrypt; a test brings one that does.
    pub(crate) async fn encrypted(trust: &str) -> Self {
        Self::encrypted_in(World::shared().await.unwrap(), trust).await
    }

    /// The same, with channels changed.
    pub(crate) async fn encrypted_with(
        trust: &str,
        change: impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel>,
    ) -> Self {
        let all = |channels| trusting(trust, change(channels));
        Self::made(World::shared().await.unwrap(), all, ENCRYPTED).await
    }

    /// The same, in a world of the test's own.
    pub(crate) async fn encrypted_in(world: &'static Surroundings, trust: &str) -> Self {
        Self::made(world, |channels| trusting(trust, channels), ENCRYPTED).await
    }

    /// A practice without encryption, in a world of the test's own, with the gateway not yet started.
    pub(crate) async fn in_world(
        world: &'static Surroundings,
        change: impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel>,
    ) -> Self {
        Self::made(world, change, UNENCRYPTED).await
    }

    async fn made(
        world: &'static Surroundings,
        change: impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel>,
        encryption: &str,
    ) -> Self {
        let slot = world.homeserver.take_slot().await.unwrap();
        let number = STAGES.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{}-{number}", std::process::id());
        let anna_name = format!("anna-{tag}");
        world.homeserver.register_user(&anna_name, "geheim").await.unwrap();
        let anna = Client::login(&world.homeserver, &anna_name, "geheim").await.unwrap();
        let anna_id = world.homeserver.user_id(&anna_name);

        let practice = format!("praxis-{tag}@mueller.kim.telematik");
        let fax_line = format!("praxis-{tag}@{FAX_DOMAIN}");
        for address in [&practice, &fax_line] {
            world.mail.add_mailbox(address, PASSWORD).await.unwrap();
        }
        let channels = change(vec![
            PracticeChannel::kim("kim", &practice, &[&anna_id]),
            PracticeChannel::fax("fax", &fax_line, &[&anna_id]),
        ]);
        let database_name = format!("gateway_{}", tag.replace('-', "_"));
        let database = databases::migrated_as(&world.postgres, &database_name).await;
        let binary = Path::new(env!("CARGO_BIN_EXE_umstieg"));
        let gateway = Gateway::with_encryption(
            binary,
            &database,
            &world.homeserver,
            &world.mail,
            &slot,
            &channels,
            encryption,
        )
        .unwrap();
        Self {
            world,
            gateway,
            database: database_name,
            anna,
            anna_id,
            practice,
            fax_line,
            tag,
            _slot: slot,
        }
    }

    /// A correspondent's KIM mailbox; its address is unique in the world.
    pub(crate) async fn correspondent(&self, name: &str) -> String {
        let address = format!("{name}-{}@charite.kim.telematik", self.tag);
        self.world.mail.add_mailbox(&address, PASSWORD).await.unwrap();
        address
    }

    /// Puts a mail into the practice's KIM mailbox.
    pub(crate) async fn receive(&self, mail: &str) {
        self.world.mail.deliver(mail.as_bytes(), &self.practice).await.unwrap();
    }

    /// Puts a mail of the fax gateway into the practice's fax mailbox.
    pub(crate) async fn receive_fax(&self, mail: &str) {
        self.receive_fax_bytes(mail.as_bytes()).await;
    }

    /// The same, of a mail that need not be UTF-8.
    pub(crate) async fn receive_fax_bytes(&self, mail: &[u8]) {
        self.world.mail.deliver(mail, &self.fax_line).await.unwrap();
    }

    /// Waits until Anna sees a message with these words.
    pub(crate) async fn anna_sees(&self, words: &str) -> SeenEvent {
        self.anna
            .wait_for(&format!("a message with {words:?}"), |seen| {
                seen.message_with(words).cloned()
            })
            .await
            .unwrap()
    }

    /// Waits until a mailbox holds `count` mails.
    pub(crate) async fn mails(&self, address: &str, count: usize) -> Vec<String> {
        let begun = std::time::Instant::now();
        loop {
            let mails = self.world.mail.mails(address).unwrap();
            if mails.len() >= count {
                return mails.iter().map(|m| String::from_utf8_lossy(m).into_owned()).collect();
            }
            assert!(
                begun.elapsed() < std::time::Duration::from_secs(60),
                "the gateway's log:\n{}\n{} of {count} mails",
                self.gateway.log(),
                mails.len()
            );
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    }

    /// Waits until the gateway of the fax line holds `count` mails of this practice. Every test's
    /// faxes are in that mailbox.
    pub(crate) async fn mails_of_faxes(&self, count: usize) -> Vec<String> {
        let own = || {
            let mails = self.world.mail.mails("gateway@fax.example").unwrap();
            let texts = mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned());
            texts.filter(|mail| mail.contains(&self.fax_line)).collect::<Vec<_>>()
        };
        self.until("the faxes are there", async || own().len() >= count).await;
        own()
    }

    /// One value out of the gateway's database.
    pub(crate) async fn query(&self, sql: &str) -> String {
        self.world.postgres.query(&self.database, sql).await.unwrap().trim().to_owned()
    }

    /// The gateway's database, opened with the key of its settings.
    pub(crate) async fn store(&self) -> Store {
        store_of(&self.gateway, &self.world.postgres.url(&self.database)).await.unwrap()
    }

    /// The texts that were said, dispatch by dispatch.
    pub(crate) async fn texts_of_dispatches(&self) -> Vec<String> {
        let ids = self.query("select id from dispatches order by id").await;
        let store = self.store().await;
        let mut texts = Vec::new();
        for id in ids.lines() {
            let parts = store.dispatch_parts(DispatchId(id.parse().unwrap())).await.unwrap();
            texts.extend(parts.into_iter().filter_map(|part| match part {
                StoredPart::Text(text) => Some(text),
                StoredPart::File { .. } | StoredPart::Several(_) => None,
            }));
        }
        texts
    }

    /// Waits until a query gives this value.
    pub(crate) async fn database_says(&self, sql: &str, expected: &str) {
        let begun = std::time::Instant::now();
        loop {
            let value = self.query(sql).await;
            if value == expected {
                return;
            }
            assert!(
                begun.elapsed() < std::time::Duration::from_secs(60),
                "the gateway's log:\n{}\n{sql}\ngave {value:?}, not {expected:?}",
                self.gateway.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    }
}

/// A gateway's database, opened with the key of its settings; nothing while it is away.
pub(crate) async fn store_of(gateway: &Gateway, database: &str) -> Option<Store> {
    let settings = std::fs::read_to_string(gateway.settings_file()).unwrap();
    let line = settings.lines().find_map(|line| line.strip_prefix("key = ")).unwrap();
    let key = OuterKey::from_base64(line.trim_matches('"')).unwrap();
    Database::connect(database, 1).await.ok()?.open(&key).await.ok()
}

/// The room's side: what a test does as the bot, as an admin, or with Anna's client.
impl Stage {
    /// One request as the bot, with the right of the application service. Gives what Synapse says.
    pub(crate) async fn as_bot(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_as(&self.bot_id(), method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// One request as a user of the application service.
    pub(crate) async fn try_as(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let path = format!("{path}?user_id={user}");
        let body = (method != "GET").then_some(body);
        let token = &self.gateway.slot().as_token;
        self.world.homeserver.request(method, &path, token, body).await.unwrap()
    }

    pub(crate) fn bot_id(&self) -> String {
        self.world.homeserver.user_id(&format!("{}bot", self.gateway.slot().prefix))
    }

    /// The state of a room, as the bot sees it.
    pub(crate) async fn state(&self, room: &str) -> Vec<Value> {
        let path = format!("/_matrix/client/v3/rooms/{room}/state");
        let answer = self.as_bot("GET", &path, &Value::Null).await;
        answer.as_array().unwrap().clone()
    }

    /// Everybody in a room: user id and membership.
    pub(crate) async fn members(&self, room: &str) -> BTreeMap<String, String> {
        let text =
            |event: &Value, at: &str| event.pointer(at).unwrap().as_str().unwrap().to_owned();
        self.state(room)
            .await
            .iter()
            .filter(|event| event["type"] == "m.room.member")
            .map(|event| (text(event, "/state_key"), text(event, "/content/membership")))
            .collect()
    }

    /// Gives Anna all power in a room, as an admin would who looks after it.
    pub(crate) async fn empower_anna(&self, room: &str) {
        let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.power_levels");
        let mut levels = self.as_bot("GET", &path, &Value::Null).await;
        levels["users"][&self.anna_id] = json!(100);
        self.as_bot("PUT", &path, &levels).await;
    }

    /// Another person of the practice, with a client.
    pub(crate) async fn colleague(&self, name: &str) -> Client {
        let name = format!("{name}-{}", self.tag);
        self.world.homeserver.register_user(&name, "geheim").await.unwrap();
        Client::login(&self.world.homeserver, &name, "geheim").await.unwrap()
    }

    /// A token for requests as a user who may use Synapse's admin interface.
    pub(crate) async fn admin_token(&self) -> String {
        let name = format!("admin-{}", self.tag);
        self.world.homeserver.register_admin(&name, "geheim").await.unwrap().access_token
    }

    /// A token for requests of a person that no client has a command for.
    pub(crate) async fn token_of(&self, user_id: &str) -> String {
        let name = user_id.trim_start_matches('@').split(':').next().unwrap();
        let body = json!({
            "type": "m.login.password", "password": "geheim",
            "identifier": { "type": "m.id.user", "user": name },
        });
        let login = "/_matrix/client/v3/login";
        let (_, answer) =
            self.world.homeserver.request("POST", login, "", Some(&body)).await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Waits until Anna sees a message with these words in a room other than `room`.
    pub(crate) async fn anna_sees_elsewhere(&self, words: &str, room: &str) -> SeenEvent {
        self.anna
            .wait_for(&format!("a message with {words:?} in another room"), |seen| {
                seen.messages().find(|m| m.room_id != room && m.body().contains(words)).cloned()
            })
            .await
            .unwrap()
    }

    /// Waits until `is_so` holds, looking again and again.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        self.until_within(std::time::Duration::from_secs(60), what, is_so).await;
    }

    /// The same for what takes longer.
    pub(crate) async fn until_within<F: Future<Output = bool>>(
        &self,
        within: std::time::Duration,
        what: &str,
        is_so: impl Fn() -> F,
    ) {
        let begun = std::time::Instant::now();
        while !is_so().await {
            assert!(
                begun.elapsed() < within,
                "the gateway's log:\n{}\nwaited in vain until {what}",
                self.gateway.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// People of the homeserver may invite one of the gateway's users, as an admin would have it: where
    /// invitations are blocked by default, the bot alone may.
    pub(crate) async fn let_people_invite(&self, user: &str) {
        let homeserver = &self.world.homeserver;
        if homeserver.blocks_invitations {
            let path = format!("/_matrix/client/v3/user/{user}/account_data/{PERMISSIONS}");
            let content = homeserver.own_server_may_invite();
            let (status, answer) = self.try_as(user, "PUT", &path, &content).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    /// Puts a copy of a database in the place of another one, if there is one. The gateway is away.
    pub(crate) async fn copy_database(&self, from: &str, to: &str) {
        let admin = async |sql: String| self.world.postgres.query("postgres", &sql).await.unwrap();
        admin(format!("drop database if exists \"{to}\" with (force)")).await;
        // A killed gateway's connections end a moment later.
        admin(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'"
        ))
        .await;
        admin(format!("create database \"{to}\" template \"{from}\"")).await;
    }

    /// Starts the gateway again after its settings were changed.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(String) -> String) {
        self.gateway.stop();
        let file = self.gateway.settings_file();
        let settings = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(settings)).unwrap();
        self.gateway.start().await.unwrap();
    }
}

/// The Message-ID of a mail, without its brackets.
pub(crate) fn message_id(mail: &str) -> String {
    let line = mail.lines().find(|line| line.to_lowercase().starts_with("message-id:")).unwrap();
    let (_, rest) = line.split_once('<').unwrap();
    rest.split('>').next().unwrap().to_owned()
}

impl Stage {
    /// Changes the settings before the start: each `(old, new)` must be found.
    pub(crate) fn edit_settings(&self, changes: &[(&str, &str)]) {
        let file = self.gateway.settings_file();
        let mut settings = std::fs::read_to_string(&file).unwrap();
        for (old, new) in changes {
            assert!(settings.contains(old), "no {old:?} in the settings");
            settings = settings.replace(old, new);
        }
        std::fs::write(&file, settings).unwrap();
    }

    /// Delivers a plain letter of a new correspondent and waits until Anna sees it.
    pub(crate) async fn letter_from(&self, name: &str) -> (String, SeenEvent) {
        let address = self.correspondent(name).await;
        let (id, words) = (format!("erster-{address}"), format!("Erster Brief von {address}"));
        self.receive(&kim_mail(&address, &self.practice, &id, "Befund", "", &words)).await;
        let letter = self.anna_sees(&words).await;
        (address, letter)
    }

    /// Fails unless a letter that comes now reaches its room: the gateway lives on.
    pub(crate) async fn lives_on(&self) {
        self.letter_from("danach").await;
    }

    /// Waits until a client has seen what the gateway said last in each room. Nothing waits to be said.
    ///
    /// What is said in two rooms at a time is seen in the homeserver's order, not in the gateway's.
    pub(crate) async fn last_is_seen_by(&self, client: &Client) {
        let last = "select distinct on (conversation_id) event_id
                    from posts
                    where state = 'sent'
                    order by conversation_id, sent_at desc";
        let last = self.query(last).await;
        let are_seen = |seen: &SeenTimeline| {
            last.lines().all(|id| seen.messages().any(|m| m.event_id() == id)).then_some(())
        };
        client.wait_for("what the gateway said last", are_seen).await.unwrap();
    }

    /// How many messages with these words Anna has seen, edits not counted.
    pub(crate) fn anna_saw(&self, words: &str) -> usize {
        let seen = self.anna.seen();
        seen.messages().filter(|m| m.edit_of().is_none() && m.body().contains(words)).count()
    }

    /// Waits until every event of every portal was read. Rooms of an earlier stage in the same
    /// application service are not ours.
    pub(crate) async fn all_events_are_read(&self) {
        let sql = "select count(*) from room_events join rooms using (room_id)
                   where room_events.state = 'new'";
        self.database_says(sql, "0").await;
    }

    /// What `umstieg parked …` prints.
    pub(crate) async fn parked(&self, args: &[&str]) -> String {
        let args: Vec<&str> = ["parked"].into_iter().chain(args.iter().copied()).collect();
        let output = self.gateway.command(&args).await.unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {err}");
        out.into_owned()
    }
}

/// A KIM mail as a Clientmodul delivers it.
pub(crate) fn kim_mail(
    from: &str,
    to: &str,
    id: &str,
    subject: &str,
    more: &str,
    text: &str,
) -> String {
    format!(
        "From: \"Dr. Erik Muster\" <{from}>\nTo: <{to}>\nSubject: {subject}\nMessage-ID: <{id}>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nX-KIM-Dienstkennung: KIM-Mail;Default;V1.0\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n{more}\n{text}\n"
    )
}
