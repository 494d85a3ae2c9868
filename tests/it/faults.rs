//! Two hundred letters in and a hundred answers out, while everything is killed around them.
//!
//! The gateway is killed (SIGKILL) at least twenty times at random points ([`FaultsRun`] sets other
//! numbers), Synapse twice with transactions in flight, Postgres and both mail servers are
//! restarted once each. In the end every letter is exactly one post in the right room, and every
//! answer exactly one mail.
//!
//! An answer whose body was on its way when the gateway died is *unclear*: the gateway holds it and
//! asks a person. The test plays that person: it looks into the recipient's mailbox, and has the
//! answer sent again only if it is not there and nothing is under way to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use umstieg::{model::DispatchId, store::StoredPart};
use umstieg_world::{
    Gateway, Surroundings, World, WorldOptions,
    gateway::{PASSWORD, PracticeChannel},
    mail::Mail,
};

use crate::stage::{kim_mail, store_of};

const CORRESPONDENTS: usize = 20;
const LETTERS: usize = 200;
const KILLS: usize = 20;

/// How long it may take after the last fault until everything is where it belongs, for each letter
/// and as a whole.
const SETTLE: Duration = Duration::from_secs(240);
const SETTLE_EACH: Duration = Duration::from_millis(400);

/// How large a run is, and its chance: `FAULTS_LETTERS`, `FAULTS_KILLS`, `FAULTS_SEED`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultsRun {
    pub(crate) letters: usize,
    pub(crate) kills: usize,
    pub(crate) seed: u64,
}

impl FaultsRun {
    /// The environment's values, else these; a seed that is not given is drawn, and printed.
    #[expect(clippy::print_stdout, reason = "whoever wants this run again needs its seed")]
    pub(crate) fn of_environment(letters: usize, kills: usize) -> Self {
        let given = |name: &str| {
            std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"))
        };
        let size = |name: &str, else_: usize| {
            given(name).map_or(else_, |number| usize::try_from(number).unwrap())
        };
        let run = Self {
            letters: size("FAULTS_LETTERS", letters),
            kills: size("FAULTS_KILLS", kills),
            seed: given("FAULTS_SEED").unwrap_or_else(rand::random),
        };
        println!("{run:?}");
        run
    }
}

const PRACTICE: &str = "praxis@mueller.kim.telematik";

#[tokio::test]
async fn nothing_is_lost_and_nothing_doubled_while_everything_is_killed() {
    let run = FaultsRun::of_environment(LETTERS, KILLS);
    let letters_each = (run.letters / CORRESPONDENTS).max(2);
    let answers_each = letters_each / 2;
    let mut world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let around = world.surroundings();
    let slot = around.homeserver.take_slot().await.unwrap();
    let anna = around.homeserver.register_user("anna", "geheim").await.unwrap();
    around.mail.add_mailbox(PRACTICE, PASSWORD).await.unwrap();
    for number in 0..CORRESPONDENTS {
        around.mail.add_mailbox(&address(number), PASSWORD).await.unwrap();
    }
    let database = around.postgres.create_database("gateway").await.unwrap();
    let mut channel = PracticeChannel::kim("kim", PRACTICE, &[&anna.id]);
    // Every answer is a separate mail, so that they can be counted.
    channel.collect_seconds = 0;
    let binary = Path::new(env!("CARGO_BIN_EXE_umstieg"));
    let mut gateway =
        Gateway::new(binary, &database, &around.homeserver, &around.mail, &slot, &[channel])
            .unwrap();

    // First letters open the rooms, in which the answers are then said.
    gateway.start().await.unwrap();
    for number in 0..CORRESPONDENTS {
        deliver(&around, number, 0).await;
    }
    let person = Person { around: &around, token: anna.access_token.clone() };
    let rooms = person.rooms(&around, CORRESPONDENTS).await;
    for room in rooms.values() {
        person.ask("POST", &format!("/_matrix/client/v3/join/{room}"), None).await;
    }

    let mut rng = StdRng::seed_from_u64(run.seed);
    let mut work = Work::new(&around, &person, &rooms, (letters_each, answers_each));
    let steps_between_kills = (2 * work.left() / run.kills).max(1);
    let mut kills = 0;
    while work.left() > 0 || kills < run.kills {
        for _ in 0..rng.random_range(1..=steps_between_kills) {
            work.step().await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1500))).await;
        gateway.kill();
        kills += 1;
        match kills {
            5 => {
                // Synapse keeps for the gateway what it could not deliver, and forgets some of it.
                world.synapse.kill();
                world.synapse.start_again().await.unwrap();
            }
            8 => world.postgres.restart().await.unwrap(),
            10 => world.mail.restart_dovecot().await.unwrap(),
            16 => world.mail.restart_exim().await.unwrap(),
            _ => {}
        }
        gateway.launch().await.unwrap();
        // The same servers once more under a running gateway.
        match kills {
            7 | 12 => {
                // With transactions in flight: somebody has just spoken several times.
                for _ in 0..6 {
                    work.step().await;
                }
                world.synapse.kill();
                world.synapse.start_again().await.unwrap();
            }
            11 => world.postgres.restart().await.unwrap(),
            14 => world.mail.restart_dovecot().await.unwrap(),
            18 => world.mail.restart_exim().await.unwrap(),
            _ => {}
        }
    }

    let all = (CORRESPONDENTS * letters_each, CORRESPONDENTS * answers_each);
    let resent = settle(&around, &gateway, "gateway", all).await;
    nothing_is_underway(&around).await;
    let letters = person.posts(&rooms).await;
    let answers = mails(&around);
    let is_right = |count: &BTreeMap<String, usize>| count.values().all(|&times| times == 1);
    println!(
        "{} letters in {} rooms, {} answers in {} mailboxes; the gateway was killed {kills} times, \
         Synapse 3 times; Postgres, Dovecot and Exim were restarted twice each; {resent} unclear \
         answers were looked after",
        letters.len(),
        rooms.len(),
        answers.len(),
        CORRESPONDENTS
    );
    assert_eq!(letters.len(), CORRESPONDENTS * letters_each);
    assert_eq!(answers.len(), CORRESPONDENTS * answers_each);
    assert!(is_right(&letters), "posted more than once, or in the wrong room: {letters:?}");
    assert!(is_right(&answers), "mailed more than once, or to the wrong person: {answers:?}");
    assert!(kills >= run.kills);
}

fn address(correspondent: usize) -> String {
    format!("arzt{correspondent}@charite.kim.telematik")
}

/// What a letter or an answer says; its name in the counts.
fn words(kind: &str, correspondent: usize, number: usize) -> String {
    format!("{kind} c{correspondent} n{number}.")
}

async fn deliver(around: &Surroundings, correspondent: usize, number: usize) {
    let first = format!("l{correspondent}.0@x");
    let more = match number {
        0 => String::new(),
        _ => format!("In-Reply-To: <{first}>\nReferences: <{first}>\n"),
    };
    let mail = kim_mail(
        &address(correspondent),
        PRACTICE,
        &format!("l{correspondent}.{number}@x"),
        &format!("Sache {correspondent}"),
        &more,
        &words("Brief", correspondent, number),
    );
    // Dovecot itself is being restarted: the delivering side tries again, as an MTA does.
    let begun = Instant::now();
    while let Err(error) = around.mail.deliver(mail.as_bytes(), PRACTICE).await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Letters and answers, one after the other.
struct Work<'a> {
    around: &'a Surroundings,
    person: &'a Person<'a>,
    rooms: &'a BTreeMap<usize, String>,
    steps: std::vec::IntoIter<Step>,
}

/// One thing that happens: the correspondent and the number of the letter or answer.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Letter(usize, usize),
    Answer(usize, usize),
}

impl<'a> Work<'a> {
    /// Each correspondent's letters but the first, with the answers between them.
    fn new(
        around: &'a Surroundings,
        person: &'a Person<'a>,
        rooms: &'a BTreeMap<usize, String>,
        (letters_each, answers_each): (usize, usize),
    ) -> Self {
        let mut steps = Vec::new();
        for round in 1..letters_each {
            steps.extend((0..CORRESPONDENTS).map(|who| Step::Letter(who, round)));
            if round <= answers_each {
                steps.extend((0..CORRESPONDENTS).map(|who| Step::Answer(who, round)));
            }
        }
        Self { around, person, rooms, steps: steps.into_iter() }
    }

    fn left(&self) -> usize {
        self.steps.len()
    }

    async fn step(&mut self) {
        match self.steps.next() {
            Some(Step::Letter(who, number)) => deliver(self.around, who, number).await,
            Some(Step::Answer(who, number)) => {
                let text = words("Antwort", who, number);
                self.person.say(&self.rooms[&who], &text, who, number).await;
            }
            None => {}
        }
    }
}

/// A member of the team, speaking to Synapse directly so that nothing stands between.
struct Person<'a> {
    around: &'a Surroundings,
    token: String,
}

impl Person<'_> {
    /// Asks until Synapse, which is killed now and then, answers.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> serde_json::Value {
        let begun = Instant::now();
        loop {
            let answer = self.around.homeserver.request(method, path, &self.token, body).await;
            if let Ok((200, answer)) = &answer {
                return answer.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{method} {path}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Says something; repeating it with the same name is one message.
    async fn say(&self, room: &str, text: &str, correspondent: usize, number: usize) {
        let path = format!(
            "/_matrix/client/v3/rooms/{room}/send/m.room.message/a{correspondent}.{number}"
        );
        let body = serde_json::json!({ "msgtype": "m.text", "body": text });
        self.ask("PUT", &path, Some(&body)).await;
    }

    /// The room of each correspondent, once Anna is invited to all of them.
    async fn rooms(&self, around: &Surroundings, count: usize) -> BTreeMap<usize, String> {
        let begun = Instant::now();
        loop {
            let sql = "select correspondents.key || ' ' || rooms.room_id \
                       from rooms join conversations on conversations.id = conversation_id \
                       join correspondents on correspondents.id = correspondent_id \
                       where rooms.state = 'open'";
            let listed = around.postgres.query("gateway", sql).await.unwrap_or_default();
            let rooms: BTreeMap<usize, String> = listed
                .lines()
                .filter_map(|line| {
                    let (correspondent, room) = line.split_once(' ')?;
                    let number = correspondent.strip_prefix("arzt")?.split('@').next()?;
                    Some((number.parse().ok()?, room.to_owned()))
                })
                .collect();
            if rooms.len() == count {
                return rooms;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{} rooms", rooms.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything that was said in a room, newest first.
    async fn history(&self, room: &str) -> Vec<serde_json::Value> {
        let mut events = Vec::new();
        let mut from = String::new();
        loop {
            let path = format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=500{from}");
            let mut page = self.ask("GET", &path, None).await;
            let Some(chunk) = page["chunk"].as_array_mut().filter(|chunk| !chunk.is_empty()) else {
                return events;
            };
            events.append(chunk);
            let Some(end) = page["end"].as_str() else { return events };
            from = format!("&from={end}");
        }
    }

    /// How often each letter is seen in its own room; one in a foreign room gets a separate name.
    async fn posts(&self, rooms: &BTreeMap<usize, String>) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (correspondent, room) in rooms {
            for event in self.history(room).await {
                let body = event["content"]["body"].as_str().unwrap_or_default();
                let Some(letter) = body.lines().find(|line| line.starts_with("Brief c")) else {
                    continue;
                };
                let is_home = letter.starts_with(&format!("Brief c{correspondent} "));
                let place = if is_home { String::new() } else { format!(" in {correspondent}") };
                *counts.entry(format!("{letter}{place}")).or_default() += 1;
            }
        }
        counts
    }
}

/// Waits until nothing waits any more and all letters and answers are there, and settles unclear
/// answers as a person would. Returns how many there were.
pub(crate) async fn settle(
    around: &Surroundings,
    gateway: &Gateway,
    database: &str,
    (letters, answers): (usize, usize),
) -> usize {
    let begun = Instant::now();
    let mut looked_after = 0;
    loop {
        let unclear = "select parked.id || ' ' || correspondents.key || ' ' || \
                           dispatches.id \
                       from parked join dispatches on dispatches.id = parked.item_id \
                       join conversations on conversations.id = dispatches.conversation_id \
                       join correspondents on correspondents.id = correspondent_id \
                       where parked.kind = 'dispatch' and parked.resolved_at is null";
        let listed = around.postgres.query(database, unclear).await.unwrap_or_default();
        // Who looks while Exim still delivers sees too little.
        let can_be_judged = !around.mail.is_underway().unwrap();
        for line in listed.lines().filter(|_| can_be_judged) {
            let mut fields = line.split(' ');
            let (id, to, dispatch) =
                (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
            let Some(store) = store_of(gateway, &around.postgres.url(database)).await else {
                continue;
            };
            let dispatch = DispatchId(dispatch.parse().unwrap());
            let Ok(parts) = store.dispatch_parts(dispatch).await else { continue };
            let [StoredPart::Text(text)] = parts.as_slice() else {
                panic!("one text is one answer: {}", parts.len());
            };
            let has_arrived = around
                .mail
                .mails(to)
                .unwrap()
                .iter()
                .any(|mail| String::from_utf8_lossy(mail).contains(text));
            let verb = if has_arrived { "drop" } else { "retry" };
            let done = gateway.command(&["parked", verb, id]).await.unwrap();
            assert!(done.status.success(), "{done:?}");
            looked_after += 1;
        }
        // A letter or post during which the gateway was killed often enough waits for a person.
        let interrupted = "select id from parked where kind in ('letter', 'post') \
                           and reason = 'interrupted' and resolved_at is null";
        for id in around.postgres.query(database, interrupted).await.unwrap_or_default().lines() {
            let done = gateway.command(&["parked", "retry", id]).await.unwrap();
            assert!(done.status.success(), "{done:?}");
            eprintln!("parked row {id}: interrupted too often, tried again");
        }
        let waiting = "select (select count(*) from letters where state in ('stored', 'placed')) \
                            + (select count(*) from posts where state = 'pending') \
                            + (select count(*) from dispatches \
                               where state not in ('accepted', 'unclear'))";
        let counts = "select (select count(*) from letters where state <> 'duplicate') || ' ' || \
                             (select count(*) from dispatches)";
        let left = around.postgres.query(database, waiting).await.unwrap_or_default();
        let there = around.postgres.query(database, counts).await.unwrap_or_default();
        let all = format!("{letters} {answers}");
        if left.trim() == "0" && there.trim() == all && listed.trim().is_empty() {
            return looked_after;
        }
        assert!(
            begun.elapsed() < SETTLE + SETTLE_EACH * u32::try_from(letters).unwrap(),
            "{left} things wait, letters and answers are {there} of {all}; the log ends:\n{}",
            gateway.log().lines().rev().take(60).collect::<Vec<_>>().join("\n")
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Waits until Exim has laid into the mailboxes all that it took over. The world is the test's own.
async fn nothing_is_underway(around: &Surroundings) {
    let begun = Instant::now();
    while around.mail.is_underway().unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(60), "Exim does not deliver");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How often each answer was handed over for its own recipient; one anywhere else gets a separate
/// name. If Exim ends while it delivers, it delivers again what is in the mailbox already: that is
/// one mail that was handed over, and counts once.
fn mails(around: &Surroundings) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for correspondent in 0..CORRESPONDENTS {
        let mut taken_over = BTreeSet::new();
        for mail in around.mail.mails(&address(correspondent)).unwrap() {
            let name = Mail::taken_over_as(&mail).expect("all of it came through Exim");
            if !taken_over.insert(name) {
                continue;
            }
            let mail = String::from_utf8_lossy(&mail).into_owned();
            let Some(answer) = mail.lines().find(|line| line.starts_with("Antwort c")) else {
                continue;
            };
            let answer = answer.trim_end();
            let is_home = answer.starts_with(&format!("Antwort c{correspondent} "));
            let place = if is_home { String::new() } else { format!(" at {correspondent}") };
            *counts.entry(format!("{answer}{place}")).or_default() += 1;
        }
    }
    counts
}
