//! Ours: the gateway as a separate process, with a mailbox, a database and a person in its rooms.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::OffsetDateTime;
use umstieg::store::{Database, Store, seal::OuterKey};
use umstieg_world::{
    Clientmodul, Gateway, PracticeChannel, Slot, SlotLease, Surroundings, SynapseAccess,
    gateway::{ENCRYPTED, PASSWORD, UNENCRYPTED},
    synapse::User,
};

use crate::{
    CONCURRENCY, letters,
    measure::{RoundFigures, cpu_seconds, forget_peak, peak_mib, signal},
    members::Participants,
};

/// How long a round may take before the benchmark gives up.
const ROUND_WITHIN: Duration = Duration::from_secs(180);
/// Between two looks into the database: often enough to lose no time, seldom enough to cost none.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

const LETTERS_POSTED: &str = "select count(*) from letters where state = 'posted'";
const ANSWERS_GONE: &str =
    "select count(*) from posts where dispatch_id is not null and state = 'sent'";
const WORK_LEFT: &str = "select (select count(*) from graphile_worker._private_jobs)
     + (select count(*)
        from room_events
        join rooms using (room_id)
        where room_events.state = 'new')";

/// What the gateway remembers for its devices.
const DEVICE_TABLES: &[&str] = &[
    "devices",
    "crypto_records",
    "crypto_room_keys",
    "crypto_message_hashes",
    "crypto_tracked_users",
    "crypto_public_keys",
    "crypto_peer_devices",
    "crypto_peer_identities",
];

/// See [`MeasuredPractice::footprint`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footprint {
    pub(crate) devices: i64,
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
}

/// A practice with one KIM account, and its gateway.
pub(crate) struct MeasuredPractice<'a> {
    world: &'a Surroundings,
    gateway: Gateway,
    process: u32,
    slot: SlotLease,
    database: PgPool,
    /// Its own address, and the domain of everybody who writes to it.
    address: String,
    domain: String,
    person: User,
    http: reqwest::Client,
    /// Threads that exist before anything is measured.
    threads: usize,
    /// Letters put into the mailbox, and answers given, so far.
    letters: AtomicUsize,
    answers: AtomicUsize,
}

impl<'a> MeasuredPractice<'a> {
    /// Starts a gateway that talks to `homeserver`. `name` is unique in the world.
    pub(crate) async fn open(
        world: &'a Surroundings,
        name: &str,
        homeserver: &SynapseAccess,
    ) -> Self {
        let person =
            world.homeserver.register_user(&format!("anna-{name}"), "geheim").await.unwrap();
        Self::open_for(world, name, homeserver, &[&person], UNENCRYPTED, None).await
    }

    /// The same with its KIM account at this Clientmodul.
    pub(crate) async fn open_behind(
        world: &'a Surroundings,
        name: &str,
        homeserver: &SynapseAccess,
        module: &Clientmodul,
    ) -> Self {
        let person =
            world.homeserver.register_user(&format!("anna-{name}"), "geheim").await.unwrap();
        Self::open_for(world, name, homeserver, &[&person], UNENCRYPTED, Some(module)).await
    }

    /// The same with encrypted rooms, into which everybody is invited; the first one of them is
    /// the person.
    pub(crate) async fn open_encrypted(
        world: &'a Surroundings,
        name: &str,
        members: &Participants,
    ) -> Self {
        let team: Vec<&User> = members.people.iter().map(|member| &member.user).collect();
        Self::open_for(world, name, &world.homeserver, &team, ENCRYPTED, None).await
    }

    async fn open_for(
        world: &'a Surroundings,
        name: &str,
        homeserver: &SynapseAccess,
        team: &[&User],
        encryption: &str,
        module: Option<&Clientmodul>,
    ) -> Self {
        let slot = world.homeserver.take_slot().await.unwrap();
        let person = (*team.first().unwrap()).clone();
        let team: Vec<&str> = team.iter().map(|user| user.id.as_str()).collect();
        let address = format!("{name}@mueller.kim.telematik");
        let domain = format!("{name}.kim.telematik");
        let everybody = format!("alle@{domain}");
        world.mail.add_mailbox(&address, PASSWORD).await.unwrap();
        world.mail.add_mailbox(&everybody, PASSWORD).await.unwrap();
        world.mail.add_catch_all(&domain, &everybody).await.unwrap();
        let url = world.postgres.create_database(name).await.unwrap();
        // Messages are not gathered: waiting for a second one is not what is measured.
        let channel =
            PracticeChannel { collect_seconds: 0, ..PracticeChannel::kim("kim", &address, &team) };
        let channel = match module {
            Some(module) => channel.behind(module).unwrap(),
            None => channel,
        };
        let binary = Path::new(env!("CARGO_BIN_EXE_umstieg"));
        let mut gateway = Gateway::with_encryption(
            binary,
            &url,
            homeserver,
            &world.mail,
            &slot,
            &[channel],
            encryption,
        )
        .unwrap();
        gateway.start().await.unwrap();
        Self {
            world,
            process: gateway.id().unwrap(),
            gateway,
            slot,
            database: PgPool::connect(&url).await.unwrap(),
            address,
            domain,
            person,
            http: reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap(),
            threads: 0,
            letters: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
        }
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The homeserver of the world, which is the gateway's own unless a stub replaces it.
    pub(crate) fn at(&self) -> &SynapseAccess {
        &self.world.homeserver
    }

    /// The threads that exist before anything is measured, each with its own correspondent.
    pub(crate) async fn open_threads(&mut self, count: usize) {
        self.threads = count;
        for thread in 0..count {
            self.deliver(&self.correspondent(thread), &self.first_letter(thread), None).await;
        }
        self.posted(LETTERS_POSTED, self.letters.load(Ordering::Relaxed)).await;
        self.settled().await;
    }

    /// The person accepts every invitation.
    pub(crate) async fn join_everywhere(&self) {
        for room in self.rooms().await {
            self.as_person(reqwest::Method::POST, &format!("/v3/join/{room}"), &json!({})).await;
        }
        self.settled().await;
    }

    /// What a letter becomes in its room, as the person reads it there.
    pub(crate) async fn posted_content(&self) -> Value {
        let (room, event): (String, String) = sqlx::query_as(
            "select room_id, event_id
             from posts
             join rooms using (conversation_id)
             where letter_id is not null
               and event_id is not null
             order by posts.id
             limit 1",
        )
        .fetch_one(&self.database)
        .await
        .unwrap();
        let path = format!("/v3/rooms/{room}/event/{event}");
        let event = self.as_person(reqwest::Method::GET, &path, &json!({})).await;
        event.get("content").cloned().unwrap()
    }

    /// `each` letters into every thread.
    pub(crate) async fn letters_into_threads(&self, each: usize) -> RoundFigures {
        let letters = (0..each)
            .flat_map(|_| 0..self.threads)
            .map(|thread| (self.correspondent(thread), Some(self.first_letter(thread))));
        self.letters(letters.collect()).await
    }

    /// `count` letters of unknown correspondents.
    pub(crate) async fn letters_opening_threads(&self, count: usize) -> RoundFigures {
        let known = self.letters.load(Ordering::Relaxed);
        let letters = (0..count).map(|number| (self.correspondent(known + number), None));
        self.letters(letters.collect()).await
    }

    /// One answer in each room, from the person's message to the notice that it was handed over.
    pub(crate) async fn answers(&self) -> RoundFigures {
        let rooms = self.rooms().await;
        let before = self.begin().await;
        let begun = self.now().await;
        stream::iter(rooms.iter().enumerate())
            .for_each_concurrent(CONCURRENCY, async |(number, room)| {
                let path = format!("/v3/rooms/{room}/send/m.room.message/{}", self.next_answer());
                let said = json!({ "msgtype": "m.text", "body": letters::answer(number) });
                self.as_person(reqwest::Method::PUT, &path, &said).await;
            })
            .await;
        self.posted(ANSWERS_GONE, self.answers.load(Ordering::Relaxed)).await;
        self.end(rooms.len(), begun, before).await
    }

    /// What a user's device was sent to read the rooms with.
    pub(crate) async fn shared_key(&self, members: &Participants) -> Value {
        // Only the gateway has written to the last one of them so far.
        let user = &members.people.last().unwrap().user.id;
        let sql = format!(
            "select message_json
             from device_inbox
             where user_id = '{user}'
               and message_json like '%\"m.room.encrypted\"%'
             limit 1"
        );
        let database = &self.world.homeserver.database;
        let message = self.world.postgres.query(database, &sql).await.unwrap();
        let message: Value = serde_json::from_str(&message).unwrap();
        message.get("content").cloned().unwrap()
    }

    /// Ends the gateway in an orderly way and starts it again: nothing is loaded then.
    pub(crate) async fn restart(&mut self) {
        self.thaw();
        self.gateway.stop();
        self.gateway.start().await.unwrap();
        self.process = self.gateway.id().unwrap();
        self.settled().await;
    }

    /// The gateway's database, opened with the key of its settings.
    pub(crate) async fn store(&self) -> Store {
        let settings = std::fs::read_to_string(self.gateway.settings_file()).unwrap();
        let line = settings.lines().find_map(|line| line.strip_prefix("key = ")).unwrap();
        let key = OuterKey::from_base64(line.trim_matches('"')).unwrap();
        let name: String = sqlx::query_scalar("select current_database()::text")
            .fetch_one(&self.database)
            .await
            .unwrap();
        let url = self.world.postgres.url(&name);
        let connections = u32::try_from(CONCURRENCY).unwrap();
        Database::connect(&url, connections).await.unwrap().open(&key).await.unwrap()
    }

    /// Devices, and the rows and bytes of all that the gateway remembers for them: tables with
    /// their indexes, as they lie on the disk.
    pub(crate) async fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::default();
        for table in DEVICE_TABLES {
            let sql = format!("select count(*), pg_total_relation_size('{table}') from {table}");
            let (rows, bytes): (i64, i64) =
                sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&self.database).await.unwrap();
            if *table == "devices" {
                footprint.devices = rows;
            }
            footprint.rows += rows;
            footprint.bytes += bytes;
        }
        footprint
    }

    /// Halts the process until [`MeasuredPractice::thaw`]: what others do is then not disturbed by it.
    pub(crate) fn freeze(&self) {
        signal(self.process, "STOP");
    }

    fn thaw(&self) {
        signal(self.process, "CONT");
    }

    /// Ends the gateway, which must not have parked anything: that would spoil the figures.
    pub(crate) async fn close(mut self) {
        self.thaw();
        let parked: i64 = sqlx::query_scalar("select count(*) from parked")
            .fetch_one(&self.database)
            .await
            .unwrap();
        assert_eq!(parked, 0, "something was parked:\n{}", self.gateway.log());
        self.gateway.stop();
    }

    /// Fills the mailbox while the gateway is halted, then waits until all of it is in the rooms.
    async fn letters(&self, letters: Vec<(String, Option<String>)>) -> RoundFigures {
        let before = self.begin().await;
        self.freeze();
        for (from, answers) in &letters {
            let id = format!("{}@{}", self.letters.load(Ordering::Relaxed), self.domain);
            self.deliver(from, &id, answers.as_deref()).await;
        }
        let begun = self.now().await;
        self.thaw();
        self.posted(LETTERS_POSTED, self.letters.load(Ordering::Relaxed)).await;
        self.end(letters.len(), begun, before).await
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// So many mails were laid into the mailbox by somebody else while the gateway was halted; waits
    /// until all of them are in their rooms.
    pub(crate) async fn what_lies_there(&self, count: usize) -> RoundFigures {
        let before = self.begin().await;
        let begun = self.now().await;
        let all = self.letters.fetch_add(count, Ordering::Relaxed) + count;
        self.posted(LETTERS_POSTED, all).await;
        self.end(count, begun, before).await
    }

    /// Requests of each kind and processor time so far.
    async fn begin(&self) -> (BTreeMap<String, f64>, f64) {
        self.thaw();
        forget_peak(self.process);
        (self.gateway.requests().await, cpu_seconds(self.process))
    }

    /// What was done since `begun`, including what follows the last post: its echo is read.
    async fn end(
        &self,
        count: usize,
        begun: OffsetDateTime,
        (requests_before, cpu_before): (BTreeMap<String, f64>, f64),
    ) -> RoundFigures {
        self.settled().await;
        let seconds =
            sqlx::query_scalar("select extract(epoch from max(sent_at) - $1)::float8 from posts")
                .bind(begun)
                .fetch_one(&self.database)
                .await
                .unwrap();
        let mut requests = self.gateway.requests().await;
        for (endpoint, before) in requests_before {
            *requests.entry(endpoint).or_default() -= before;
        }
        requests.retain(|_, asked| *asked > 0.0);
        let shown: Vec<String> =
            requests.iter().map(|(endpoint, asked)| format!("{endpoint} {asked}")).collect();
        println!("bench: requests for {count}: {}", shown.join(", "));
        let work = RoundFigures {
            count,
            seconds,
            requests: requests.values().sum(),
            cpu_seconds: cpu_seconds(self.process) - cpu_before,
            peak_mib: peak_mib(self.process),
        };
        self.freeze();
        work
    }

    async fn deliver(&self, from: &str, id: &str, answers: Option<&str>) {
        let letter = letters::letter(from, &self.address, id, answers);
        self.world.mail.deliver(letter.as_bytes(), &self.address).await.unwrap();
        self.letters.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until a count has reached `expected`.
    async fn posted(&self, count: &'static str, expected: usize) {
        let begun = Instant::now();
        while self.count(count).await < i64::try_from(expected).unwrap() {
            assert!(begun.elapsed() < ROUND_WITHIN, "not done; its log:\n{}", self.gateway.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until the gateway has nothing left to do.
    async fn settled(&self) {
        let begun = Instant::now();
        while self.count(WORK_LEFT).await > 0 && begun.elapsed() < ROUND_WITHIN {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn count(&self, count: &'static str) -> i64 {
        sqlx::query_scalar(count).fetch_one(&self.database).await.unwrap()
    }

    pub(crate) async fn now(&self) -> OffsetDateTime {
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.database).await.unwrap()
    }

    /// The rooms of the threads that existed before anything was measured.
    async fn rooms(&self) -> Vec<String> {
        sqlx::query_scalar("select room_id from rooms where state = 'open' order by id limit $1")
            .bind(i64::try_from(self.threads).unwrap())
            .fetch_all(&self.database)
            .await
            .unwrap()
    }

    async fn as_person(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/_matrix/client{path}", self.world.homeserver.url);
        let request = self.http.request(method, url).bearer_auth(&self.person.access_token);
        let answer = request
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let is_success = answer.status().is_success();
        let text = answer.text().await.unwrap();
        assert!(is_success, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn correspondent(&self, number: usize) -> String {
        format!("erik{number}@{}", self.domain)
    }

    fn first_letter(&self, thread: usize) -> String {
        format!("erster-{thread}@{}", self.domain)
    }

    fn next_answer(&self) -> usize {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }
}
