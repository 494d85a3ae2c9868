//! The reference: what Synapse takes when a small driver asks it directly.
//!
//! The driver asks what the gateway asks, with the same contents and as much of it at a time, but
//! remembers nothing, and its application service answers every transaction at once.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use axum::{Json, Router};
use futures_util::{StreamExt as _, stream};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::header::ContentType,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex, task::JoinSet};
use umstieg_world::{SlotLease, Surroundings, gateway::PASSWORD, synapse::User};

use crate::{
    CONCURRENCY, letters,
    measure::{RoundFigures, as_float},
    members::{Papers, Participants, machine, papers},
};

/// The device every user of the gateway speaks from.
const DEVICE: &str = "UMSTIEG";

/// A driver with its own rooms.
pub(crate) struct Direct {
    url: String,
    server_name: String,
    slot: SlotLease,
    bot: String,
    http: reqwest::Client,
    /// The person in every room, and all invited users.
    person: User,
    invited: Vec<String>,
    /// What is shared before anything is said, where rooms are encrypted.
    sharing: Option<Sharing>,
    /// What the gateway posts for a letter.
    content: Value,
    rooms: Vec<Mutex<DirectRoom>>,
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    from: String,
    to: String,
    /// Makes names unique over all rounds.
    number: AtomicUsize,
    ghosts: AtomicUsize,
    requests: AtomicUsize,
    _service: JoinSet<()>,
}

/// Encryption without encrypting: the requests of it, with bodies of the same size.
struct Sharing {
    /// All users who get a key, and their devices.
    recipients: BTreeMap<String, Vec<String>>,
    /// What each device is sent.
    key: Value,
    /// What each ghost to come uploads, made beforehand.
    papers: Mutex<BTreeMap<usize, Papers>>,
}

/// One room is spoken in by one at a time.
struct DirectRoom {
    id: String,
    ghost: String,
}

impl Direct {
    /// A bot and a person; `content` is what is sent for a letter.
    pub(crate) async fn open(world: &Surroundings, content: Value) -> Self {
        let person = world.homeserver.register_user("berta", "geheim").await.unwrap();
        Self::open_for(world, "direkt", person, content).await
    }

    /// The same with everybody invited, and each one's devices given `key` before what is said.
    pub(crate) async fn open_encrypted(
        world: &Surroundings,
        members: &Participants,
        content: Value,
        key: Value,
    ) -> Self {
        let person = members.people.first().unwrap().user.clone();
        let mut direct = Self::open_for(world, "direkt-geheim", person, content).await;
        direct.invited = members.people.iter().map(|member| member.user.id.clone()).collect();
        let mut recipients: BTreeMap<String, Vec<String>> = members.recipients().collect();
        recipients.insert(direct.bot.clone(), vec![DEVICE.to_owned()]);
        direct.sharing = Some(Sharing { recipients, key, papers: Mutex::default() });
        direct
    }

    /// Makes what the next `count` ghosts upload.
    pub(crate) async fn prepare(&self, count: usize) {
        let Some(sharing) = &self.sharing else { return };
        let next = self.ghosts.load(Ordering::Relaxed);
        for number in next..next + count {
            let papers = papers(&machine(&self.ghost(number), DEVICE).await).await;
            sharing.papers.lock().await.insert(number, papers);
        }
    }

    async fn open_for(world: &Surroundings, name: &str, person: User, content: Value) -> Self {
        let homeserver = &world.homeserver;
        let slot = homeserver.take_slot().await.unwrap();
        let mut service = JoinSet::new();
        let listener = TcpListener::bind(("127.0.0.1", slot.port)).await.unwrap();
        let router = Router::new().fallback(async || Json(json!({})));
        service.spawn(async move { axum::serve(listener, router).await.unwrap() });

        let from = format!("{name}@mueller.kim.telematik");
        let to = format!("extern-{name}@charite.kim.telematik");
        for address in [&from, &to] {
            world.mail.add_mailbox(address, PASSWORD).await.unwrap();
        }
        let ca = Certificate::from_pem(&std::fs::read(&world.mail.ca_file).unwrap()).unwrap();
        let tls = TlsParameters::builder("127.0.0.1".to_owned())
            .add_root_certificate(ca)
            .build_rustls()
            .unwrap();
        let port = world.mail.ports.smtps;
        let user = format!("{from}#{}:{port}#m1#KOM_LE#wp1", world.mail.host);
        let smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(port)
            .tls(Tls::Wrapper(tls))
            .credentials(Credentials::new(user, PASSWORD.to_owned()))
            .build();
        let direct = Self {
            url: homeserver.url.clone(),
            server_name: homeserver.server_name.clone(),
            bot: homeserver.user_id(&format!("{}{name}_bot", slot.prefix)),
            slot,
            http: reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap(),
            invited: vec![person.id.clone()],
            person,
            sharing: None,
            content,
            rooms: Vec::new(),
            smtp,
            from,
            to,
            number: AtomicUsize::new(0),
            ghosts: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            _service: service,
        };
        direct.register(&direct.bot).await;
        direct
    }

    /// The rooms that exist before anything is measured, with the person in them.
    pub(crate) async fn open_threads(&mut self, count: usize) {
        self.prepare(count).await;
        let rooms = self.threads(count).await;
        for room in &rooms {
            let path = format!("/v3/join/{}", room.id);
            self.ask(Method::POST, &path, None, &json!({})).await;
        }
        self.rooms = rooms.into_iter().map(Mutex::new).collect();
    }

    /// `each` letters into every room.
    pub(crate) async fn letters_into_threads(&self, each: usize) -> RoundFigures {
        let count = each * self.rooms.len();
        self.measured(count, async {
            let letters = (0..each).flat_map(|_| &self.rooms);
            stream::iter(letters)
                .for_each_concurrent(CONCURRENCY, async |room| {
                    let room = room.lock().await;
                    self.send(&room.id, &room.ghost, &self.content).await;
                })
                .await;
        })
        .await
    }

    /// `count` letters that open a room each.
    pub(crate) async fn letters_opening_threads(&self, count: usize) -> RoundFigures {
        self.measured(count, async { drop(self.threads(count).await) }).await
    }

    /// One answer in each room: a person says something, a mail leaves, the bot says that it did.
    pub(crate) async fn answers(&self) -> RoundFigures {
        let count = self.rooms.len();
        self.measured(count, async {
            stream::iter(self.rooms.iter().enumerate())
                .for_each_concurrent(CONCURRENCY, async |(number, room)| {
                    let room = room.lock().await;
                    let said = letters::answer(number);
                    let question = self.say(&room.id, &said).await;
                    self.submit(said).await;
                    let notice = json!({
                        "msgtype": "m.notice",
                        "body": "An KIM übergeben",
                        "m.relates_to": { "m.in_reply_to": { "event_id": question } },
                    });
                    self.send(&room.id, &self.bot, &notice).await;
                })
                .await;
            // The person's requests are not the service's.
            self.requests.fetch_sub(count, Ordering::Relaxed);
        })
        .await
    }

    async fn measured(&self, count: usize, work: impl Future<Output = ()>) -> RoundFigures {
        let before = self.requests.load(Ordering::Relaxed);
        let begun = Instant::now();
        work.await;
        let seconds = begun.elapsed().as_secs_f64();
        let requests = as_float(self.requests.load(Ordering::Relaxed) - before);
        RoundFigures { count, seconds, requests, ..RoundFigures::default() }
    }

    /// Opens `count` rooms as the gateway does, each with its own ghost and one letter.
    async fn threads(&self, count: usize) -> Vec<DirectRoom> {
        stream::iter(0..count)
            .map(async |_| self.thread().await)
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await
    }

    async fn thread(&self) -> DirectRoom {
        let number = self.ghosts.fetch_add(1, Ordering::Relaxed);
        let ghost = self.ghost(number);
        self.register(&ghost).await;
        if let Some(sharing) = &self.sharing {
            let papers = sharing.papers.lock().await.remove(&number).unwrap();
            self.publish(&ghost, &papers).await;
        }
        let created = self
            .ask(Method::POST, "/v3/createRoom", Some(&self.bot), &self.room(&ghost, number))
            .await;
        let id = created.get("room_id").and_then(Value::as_str).unwrap().to_owned();
        let path = format!("/v3/rooms/{id}/state/m.room.member/{ghost}");
        let name = json!({ "membership": "join", "displayname": "Dr. Erik Muster" });
        self.ask(Method::PUT, &path, Some(&ghost), &name).await;
        let path = format!("/v3/rooms/{id}/invite");
        for user in &self.invited {
            self.ask(Method::POST, &path, Some(&self.bot), &json!({ "user_id": user })).await;
        }
        if let Some(sharing) = &self.sharing {
            self.share(&ghost, sharing).await;
        }
        self.send(&id, &ghost, &self.content).await;
        DirectRoom { id, ghost }
    }

    fn ghost(&self, number: usize) -> String {
        format!("@{}_ghost{number}:{}", self.bot_localpart(), self.server_name)
    }

    /// What all names of this driver begin with: its slot may have had another one before.
    fn bot_localpart(&self) -> &str {
        self.bot.trim_start_matches('@').split(':').next().unwrap_or_default()
    }

    /// The keys of a new device, in the order of the gateway; it also looks for earlier devices.
    async fn publish(&self, ghost: &str, papers: &Papers) {
        for (path, body) in [
            ("/v3/keys/device_signing/upload", &papers.identity),
            ("/v3/keys/upload", &papers.keys),
            ("/v3/keys/signatures/upload", &papers.signatures),
            ("/v3/keys/upload", &papers.fallback),
        ] {
            self.ask(Method::POST, path, Some(ghost), body).await;
        }
        self.look("/v3/devices", ghost).await;
    }

    /// Asks for everybody's devices and keys, and brings each of them a key.
    async fn share(&self, ghost: &str, sharing: &Sharing) {
        self.look("/v3/sync", ghost).await;
        let recipients = &sharing.recipients;
        let users: Value = recipients.keys().map(|user| (user.clone(), json!([]))).collect();
        let query = json!({ "device_keys": users });
        self.ask(Method::POST, "/v3/keys/query", Some(ghost), &query).await;
        let path = format!("/v3/user/{}/account_data/de.umstieg.keys", self.bot);
        let count = json!({ "count": self.next() });
        self.ask(Method::PUT, &path, Some(&self.bot), &count).await;
        let for_each = |value: &Value| -> Value {
            let devices = |ids: &Vec<String>| -> Value {
                ids.iter().map(|id| (id.clone(), value.clone())).collect()
            };
            recipients.iter().map(|(user, ids)| (user.clone(), devices(ids))).collect()
        };
        let claim = json!({ "one_time_keys": for_each(&json!("signed_curve25519")) });
        self.ask(Method::POST, "/v3/keys/claim", Some(ghost), &claim).await;
        let path = format!("/v3/sendToDevice/m.room.encrypted/k{}", self.next());
        let messages = json!({ "messages": for_each(&sharing.key) });
        self.ask(Method::PUT, &path, Some(ghost), &messages).await;
        // The ghost introduces itself to all but the bot.
        let path = format!("/v3/sendToDevice/m.room_key_request/i{}", self.next());
        let request = json!({
            "action": "request",
            "body": {
                "algorithm": "m.megolm.v1.aes-sha2",
                "room_id": "!aaaaaaaaaaaaaaaaaa:praxis.test",
                "session_id": "a".repeat(43),
                "sender_key": "a".repeat(43),
            },
            "request_id": "a".repeat(32),
            "requesting_device_id": DEVICE,
        });
        let mut to = for_each(&request);
        if let Some(to) = to.as_object_mut() {
            to.remove(&self.bot);
        }
        self.ask(Method::PUT, &path, Some(ghost), &json!({ "messages": to })).await;
    }

    /// Registers a user of the namespace and gives it its device.
    async fn register(&self, user: &str) {
        let localpart = user.trim_start_matches('@').split(':').next().unwrap();
        let body = json!({
            "type": "m.login.application_service",
            "username": localpart,
            "inhibit_login": true,
        });
        self.asked(Method::POST, "/v3/register", &self.slot.as_token, &[], &body).await;
        let path = format!("/v3/devices/{DEVICE}");
        let body = json!({ "display_name": "Umstieg" });
        self.asked(Method::PUT, &path, &self.slot.as_token, &[("user_id", user)], &body).await;
    }

    /// A portal as the gateway opens it.
    fn room(&self, ghost: &str, number: usize) -> Value {
        let state = |kind: &str, key: &str, content: Value| json!({ "type": kind, "state_key": key, "content": content });
        let bridge = json!({
            "bridgebot": self.bot,
            "creator": self.bot,
            "protocol": { "id": "kim", "displayname": "KIM" },
            "channel": { "id": format!("{number:032}") },
        });
        let key = format!("umstieg/kim/{number:032}");
        let name = format!("Praxis kim {number}");
        let moderators = 50;
        let mut room = json!({
            "creation_content": { "type": "de.gematik.tim.roomtype.default.v1" },
            "room_version": "10",
            "preset": "private_chat",
            "room_alias_name": format!("{}_{number:032}", self.bot_localpart()),
            "power_level_content_override": {
                "users": { self.bot.as_str(): 100 },
                "users_default": 0,
                "events_default": 0,
                "state_default": moderators,
                "invite": moderators,
                "kick": moderators,
                "ban": moderators,
                "redact": moderators,
            },
            "initial_state": [
                state("m.room.join_rules", "", json!({ "join_rule": "invite" })),
                state("m.room.history_visibility", "", json!({ "history_visibility": "invited" })),
                state("m.room.guest_access", "", json!({ "guest_access": "forbidden" })),
                state("m.room.name", "", json!({ "name": name })),
                state("de.gematik.tim.room.name", "", json!({ "name": name })),
                state("m.bridge", &key, bridge.clone()),
                state("uk.half-shot.bridge", &key, bridge),
                state("io.element.functional_members", "", json!({ "service_members": [self.bot] })),
            ],
            "invite": [ghost],
        });
        if self.sharing.is_some() {
            let content = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
            let encryption = state("m.room.encryption", "", content);
            room.get_mut("initial_state").and_then(Value::as_array_mut).unwrap().push(encryption);
        }
        room
    }

    async fn send(&self, room: &str, sender: &str, content: &Value) {
        let kind = if self.sharing.is_some() { "m.room.encrypted" } else { "m.room.message" };
        let path = format!("/v3/rooms/{room}/send/{kind}/d{}", self.next());
        self.ask(Method::PUT, &path, Some(sender), content).await;
    }

    /// Something the person says; gives the event's id.
    async fn say(&self, room: &str, body: &str) -> String {
        let path = format!("/v3/rooms/{room}/send/m.room.message/p{}", self.next());
        let said = json!({ "msgtype": "m.text", "body": body });
        let answer = self.ask(Method::PUT, &path, None, &said).await;
        answer.get("event_id").and_then(Value::as_str).unwrap().to_owned()
    }

    async fn submit(&self, body: String) {
        let mail = Message::builder()
            .from(self.from.parse().unwrap())
            .to(self.to.parse().unwrap())
            .subject("Re: Befund")
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .unwrap();
        self.smtp.send(mail).await.unwrap();
    }

    /// Asks as one of our users from its device, or as the person; the answer must be a 2xx.
    async fn ask(&self, method: Method, path: &str, who: Option<&str>, body: &Value) -> Value {
        match who {
            Some(user) => {
                let identity = [("user_id", user), ("device_id", DEVICE)];
                self.asked(method, path, &self.slot.as_token, &identity, body).await
            }
            None => self.asked(method, path, &self.person.access_token, &[], body).await,
        }
    }

    /// A request without a body, as one of our users from its device; of `/sync` only the device's
    /// inbox.
    async fn look(&self, path: &str, user: &str) {
        let filter = r#"{"room":{"rooms":[]},"presence":{"not_types":["*"]},"account_data":{"not_types":["*"]}}"#;
        let identity = [("user_id", user), ("device_id", DEVICE), ("filter", filter)];
        let identity = if path == "/v3/sync" { &identity[..] } else { &identity[..2] };
        self.asked(Method::GET, path, &self.slot.as_token, identity, &Value::Null).await;
    }

    async fn asked(
        &self,
        method: Method,
        path: &str,
        token: &str,
        query: &[(&str, &str)],
        body: &Value,
    ) -> Value {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut url = url::Url::parse(&format!("{}/_matrix/client{path}", self.url)).unwrap();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url).bearer_auth(token);
        let request = match body {
            Value::Null => request,
            body => request.header("content-type", "application/json").body(body.to_string()),
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn next(&self) -> usize {
        self.number.fetch_add(1, Ordering::Relaxed)
    }
}
