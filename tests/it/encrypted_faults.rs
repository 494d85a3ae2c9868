//! Encrypted portals while the gateway is killed, its database goes back in time, and the homeserver
//! loses its keys.
//!
//! The observers are matrix-js-sdk, which refuses devices their owner did not sign, and matrix-nio.
//! For one-time keys, a list kept in Synapse's own database tells the fate of each: none may ever be
//! handed out twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use umstieg::phrases::Phrase;
use umstieg_world::{Client, OneTimeKeys, Surroundings, client::SeenEvent};

use crate::{
    encryption::{sees, strict_anna},
    faults::{FaultsRun, Step, settle},
    phrases::{HANDED_TO_KIM, hears, told},
    proxy::{HoldMoment, Proxy},
    stage::{Stage, kim_mail},
};

const LETTERS: usize = 24;
const KILLS: usize = 50;

/// Letters of one correspondent in an ordinary run, and in a large one.
const LETTERS_EACH: usize = 6;
const LETTERS_EACH_OF_MANY: usize = 50;

/// Letters in and answers out while the gateway is killed fifty times, a third of them so soon that
/// it has hardly begun: also between the saving of an Olm session and of the key that came with it.
#[tokio::test]
async fn everything_is_readable_and_nothing_doubled_while_the_gateway_is_killed() {
    let run = FaultsRun::of_environment(LETTERS, KILLS);
    let letters_each = if run.letters > 200 { LETTERS_EACH_OF_MANY } else { LETTERS_EACH };
    let count = (run.letters / letters_each).max(1);
    // Two of three letters are answered.
    let answers_each = letters_each * 2 / 3;
    let mut stage = Stage::encrypted("any-device").await;
    let berta_name = format!("berta-{}", stage.tag);
    stage.world.homeserver.register_user(&berta_name, "geheim").await.unwrap();
    let berta = Client::login_encrypted(&stage.world.homeserver, &berta_name, "geheim");
    let berta = berta.await.unwrap();
    let anna = strict_anna(&stage).await;
    let (alone, both) = (format!("team = [{:?}]", stage.anna_id), [&stage.anna_id, &berta.user_id]);
    stage.edit_settings(&[
        (&alone, &format!("team = {both:?}")),
        // Every answer is a separate mail, so that they can be counted.
        ("collect_seconds = 1", "collect_seconds = 0"),
    ]);
    let keys = OneTimeKeys::watch(stage.world).await.unwrap();
    let mut correspondents = Vec::new();
    for number in 0..count {
        correspondents.push(stage.correspondent(&format!("arzt{number}")).await);
    }

    let mut rng = StdRng::seed_from_u64(run.seed);
    let each = (letters_each, answers_each);
    let mut work = EncryptedWork::new(&stage, &correspondents, [&anna, &berta], each);
    let total = work.steps.len();
    let (mut kills, mut early) = (0, 0);
    let begun = Instant::now();
    while kills < run.kills {
        stage.gateway.launch().await.unwrap();
        let soon = rng.random_range(0..3) == 0;
        // Spread over all kills, with some of the work left for the very last.
        while !soon
            && !work.steps.is_empty()
            && total - work.steps.len() < (kills + 1) * total / run.kills
        {
            work.step().await;
        }
        let wait = if soon { rng.random_range(0..300) } else { rng.random_range(300..1500) };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        early += usize::from(!stage.gateway.is_ready().await);
        stage.gateway.kill();
        kills += 1;
    }
    stage.gateway.start().await.unwrap();
    while !work.steps.is_empty() {
        work.step().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all = (count * letters_each, count * answers_each);
    let resent = settle(stage.world, &stage.gateway, &stage.database, all).await;

    let mut letters = BTreeSet::new();
    for who in 0..count {
        letters.extend((0..letters_each).map(|number| words("Brief", who, number)));
    }
    for (name, client) in [("matrix-js-sdk", &*anna), ("matrix-nio", &berta)] {
        let what = format!("every letter with {name}");
        let counted = client.wait_for(&what, |seen| {
            let ours = |event: &&SeenEvent| event.sender.contains(&stage.gateway.slot().prefix);
            let is_clear = !seen.undecipherable().any(|event| ours(&event));
            let posts = posts_of(seen.messages());
            (is_clear && letters.iter().all(|letter| posts.contains_key(letter))).then_some(posts)
        });
        for (letter, posts) in counted.await.unwrap() {
            assert_eq!(posts.len(), 1, "{letter:?} with {name}");
        }
    }
    assert_eq!(anna.seen().shielded().filter(|e| e.sender != berta.user_id).count(), 0);

    // What Exim took over is in its mailbox a moment later.
    let mails = |address: &String| stage.world.mail.mails(address).unwrap().len();
    let are_there =
        async || correspondents.iter().map(mails).sum::<usize>() >= count * answers_each;
    stage.until("every answer is in its mailbox", are_there).await;
    let mut answers = BTreeMap::<String, usize>::new();
    for (who, address) in correspondents.iter().enumerate() {
        for mail in stage.world.mail.mails(address).unwrap() {
            let mail = String::from_utf8_lossy(&mail).into_owned();
            let answer = mail.lines().find(|line| line.starts_with("Antwort c")).unwrap();
            assert!(answer.starts_with(&format!("Antwort c{who} ")), "at {who}: {answer}");
            *answers.entry(answer.trim_end().to_owned()).or_default() += 1;
        }
    }
    println!(
        "{} letters, {} answers; killed {kills} times, {early} of them before it was ready; \
         {resent} unclear answers were looked after; {} s",
        letters.len(),
        answers.len(),
        begun.elapsed().as_secs()
    );
    assert_eq!(answers.len(), count * answers_each);
    assert!(answers.values().all(|&times| times == 1), "{answers:?}");
    let twice = keys.handed_out_twice(&format!("@{}", stage.gateway.slot().prefix)).await.unwrap();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(early > 0, "none hit a start");
}

/// What a letter or an answer says.
fn words(kind: &str, who: usize, number: usize) -> String {
    format!("{kind} c{who} n{number}.")
}

/// By letter: the events that show it, edits not counted.
fn posts_of<'a>(
    messages: impl Iterator<Item = &'a SeenEvent>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut posts = BTreeMap::<String, BTreeSet<String>>::new();
    for message in messages.filter(|message| message.edit_of().is_none()) {
        let Some(letter) = message.body().lines().find(|line| line.starts_with("Brief c")) else {
            continue;
        };
        posts.entry(letter.to_owned()).or_default().insert(message.event_id().to_owned());
    }
    posts
}

/// Letters and answers, one after the other.
struct EncryptedWork<'a> {
    world: &'static Surroundings,
    practice: String,
    tag: String,
    correspondents: &'a [String],
    clients: [&'a Client; 2],
    steps: std::collections::VecDeque<Step>,
}

impl<'a> EncryptedWork<'a> {
    /// Correspondents come one after the other, so that rooms and ghosts are made all the time.
    fn new(
        stage: &Stage,
        correspondents: &'a [String],
        clients: [&'a Client; 2],
        (letters_each, answers_each): (usize, usize),
    ) -> Self {
        let mut steps = Vec::new();
        for who in 0..correspondents.len() {
            for number in 0..letters_each {
                let at = who * letters_each / 2 + number;
                steps.push((at, Step::Letter(who, number)));
                if (1..=answers_each).contains(&number) {
                    steps.push((at, Step::Answer(who, number)));
                }
            }
        }
        steps.sort_by_key(|(at, _)| *at);
        let steps = steps.into_iter().map(|(_, step)| step).collect();
        let (practice, tag) = (stage.practice.clone(), stage.tag.clone());
        Self { world: stage.world, practice, tag, correspondents, clients, steps }
    }

    async fn step(&mut self) {
        match self.steps.pop_front() {
            Some(Step::Letter(who, number)) => self.letter(who, number).await,
            Some(step @ Step::Answer(who, number)) => {
                // In turn from either client.
                let client = self.clients[number % 2];
                let first = words("Brief", who, 0);
                let room = client.seen().message_with(&first).map(|e| e.room_id.clone());
                match room {
                    Some(room) => {
                        client.send_text(&room, &words("Antwort", who, number)).await.unwrap();
                    }
                    // Nothing to answer yet.
                    None => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        self.steps.push_back(step);
                    }
                }
            }
            None => {}
        }
    }

    async fn letter(&self, who: usize, number: usize) {
        let (address, first) = (&self.correspondents[who], format!("f{who}.0-{}", self.tag));
        let more = match number {
            0 => String::new(),
            _ => format!("In-Reply-To: <{first}>\nReferences: <{first}>\n"),
        };
        let id = format!("f{who}.{number}-{}", self.tag);
        let mail = kim_mail(
            address,
            &self.practice,
            &id,
            &format!("Sache {who}"),
            &more,
            &words("Brief", who, number),
        );
        self.world.mail.deliver(mail.as_bytes(), &self.practice).await.unwrap();
    }
}

/// A device is made in steps. Whichever step is the last before a kill, done or not, the next start
/// goes on; and a letter whose key is out or whose event is sent is one post in the end.
#[tokio::test]
async fn a_start_completes_what_was_broken_off_at_any_step() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    stage.edit_settings(&[(&stage.world.homeserver.url, &proxy.url)]);
    let keys = OneTimeKeys::watch(stage.world).await.unwrap();

    let making = [
        "PUT /_matrix/client/v3/devices/",
        // The identity first: a device that is seen without its signature is not believed.
        "/keys/device_signing/upload",
        "/keys/upload",
        "/keys/signatures/upload",
        // The last question before it is noted as ready.
        "GET /_matrix/client/v3/devices",
    ];
    for step in making {
        stage.broken_off_at(&proxy, step, "bot").await;
    }
    stage.gateway.start().await.unwrap();
    let bot = stage.bot_id();
    assert_eq!(stage.devices_of(&bot).await.len(), 1, "it is the same one, made in ten goes");
    stage.gateway.stop();

    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "b1@x", "Befund", "", "Guten Tag")).await;
    let saying = ["/sendToDevice/", "/send/m.room.encrypted/"];
    for step in making.iter().chain(&saying) {
        stage.broken_off_at(&proxy, step, "erik").await;
    }
    stage.gateway.start().await.unwrap();
    let letter = sees(&anna, "Guten Tag").await;
    assert_eq!(stage.devices_of(&letter.sender).await.len(), 1);
    anna.send_text(&letter.room_id, "Danke sehr").await.unwrap();
    stage.mails(&erik, 1).await;
    hears(&anna, &HANDED_TO_KIM).await;
    let seen = anna.seen();
    let posts = seen.messages().filter(|message| message.body().contains("Guten Tag"));
    assert_eq!(posts.count(), 1);
    nothing_is_doubtful(&anna, &BTreeSet::new()).await;
    let twice = keys.handed_out_twice(&format!("@{}", stage.gateway.slot().prefix)).await.unwrap();
    assert!(twice.is_empty(), "{twice:?}");
}

/// The database goes back to a copy that was taken while the gateway worked: its keys were used
/// since, and are never used again.
#[tokio::test]
async fn with_a_restored_database_every_device_is_another_one() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let keys = OneTimeKeys::watch(stage.world).await.unwrap();
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&stage.letter(&erik, 1, "")).await;
    let first = sees(&anna, "Brief c1 n1.").await;
    anna.send_text(&first.room_id, "Antwort eins").await.unwrap();
    stage.mails(&erik, 1).await;
    hears(&anna, &HANDED_TO_KIM).await;
    let before = stage.devices_of(&stage.bot_id()).await;

    stage.gateway.kill();
    let copy = format!("{}_copy", stage.database);
    stage.copy_database(&stage.database, &copy).await;
    stage.gateway.start().await.unwrap();
    // Work goes on: sessions, keys and a ghost that the copy does not know.
    let reply = format!("In-Reply-To: <r1-{0}>\nReferences: <r1-{0}>\n", stage.tag);
    stage.receive(&stage.letter(&erik, 2, &reply)).await;
    sees(&anna, "Brief c1 n2.").await;
    let second = anna.send_text(&first.room_id, "Antwort zwei").await.unwrap();
    stage.mails(&erik, 2).await;
    let ulla = stage.correspondent("ulla").await;
    stage.receive(&kim_mail(&ulla, &stage.practice, "u1@x", "Frage", "", "Brief von Ulla")).await;
    let ullas = sees(&anna, "Brief von Ulla").await;
    let ghosts = [first.sender.clone(), ullas.sender.clone(), stage.bot_id()];
    let mut used = BTreeMap::new();
    for ghost in &ghosts {
        used.insert(ghost, stage.devices_of(ghost).await);
    }
    assert_eq!(used[&ghosts[2]], before, "the bot's device lives on after a kill");
    stage.gateway.stop();
    let seen_before: BTreeSet<String> = ids(&anna);

    let database = stage.database.clone();
    stage.copy_database(&copy, &database).await;
    stage.gateway.start().await.unwrap();
    assert!(stage.gateway.log().contains("a copy from the past"), "{}", stage.gateway.log());
    let anew = stage.gateway.metric("umstieg_devices_made_anew_total").await;
    assert!((anew - 1.0).abs() < 0.5, "{anew}");

    stage.receive(&stage.letter(&erik, 3, &reply)).await;
    let third = sees(&anna, "Brief c1 n3.").await;
    assert_eq!(third.room_id, first.room_id);
    anna.send_text(&first.room_id, "Antwort drei").await.unwrap();
    let said = |mails: &[String], words: &str| mails.iter().filter(|m| m.contains(words)).count();
    stage
        .until("the answer is a mail", async || {
            said(&stage.mails(&erik, 0).await, "Antwort drei") > 0
        })
        .await;
    // What came after the copy is still in the mailbox, and comes again: its posts are found in
    // their place, and so is the room that the copy did not know.
    stage.database_says("select count(*) from letters where state = 'posted'", "4").await;
    anna.send_text(&ullas.room_id, "Antwort an Ulla").await.unwrap();
    let mails = stage.mails(&ulla, 1).await;
    assert!(mails[0].contains("Antwort an Ulla"), "{}", mails[0]);
    let more = "In-Reply-To: <u1@x>\nReferences: <u1@x>\n";
    let again = kim_mail(&ulla, &stage.practice, "u2@x", "AW: Frage", more, "Noch eine Frage");
    stage.receive(&again).await;
    assert_eq!(sees(&anna, "Noch eine Frage").await.room_id, ullas.room_id);
    for words in ["Brief c1 n1.", "Brief c1 n2.", "Brief c1 n3.", "Brief von Ulla"] {
        assert_eq!(ids_of(&anna, words).len(), 1, "{words}");
    }
    assert_eq!(stage.query("select count(distinct room_id) from rooms").await, "2");
    for ghost in &ghosts {
        let now = stage.devices_of(ghost).await;
        assert_eq!(now.len(), 1, "{ghost}: {now:?}");
        assert!(now.is_disjoint(&used[ghost]), "{ghost}");
    }
    nothing_is_doubtful(&anna, &seen_before).await;
    let mails = stage.mails(&erik, 3).await;
    assert_eq!(said(&mails, "Antwort zwei"), 1, "{mails:?}");
    // It left; the room is not told that it did not.
    told(&anna, &second, &Phrase::MessageBeforeKeys).await;
    let prefix = format!("@{}", stage.gateway.slot().prefix);
    let twice = keys.handed_out_twice(&prefix).await.unwrap();
    assert!(twice.is_empty(), "{twice:?}");
    let again: Vec<_> =
        keys.of(&prefix).await.unwrap().into_iter().filter(|key| key.uploaded > 1).collect();
    assert!(again.is_empty(), "{again:?}");
}

/// What the homeserver loses: the keys of a device, the device, and the count beside them.
#[tokio::test]
async fn devices_and_keys_the_homeserver_lost_are_made_anew() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&stage.letter(&erik, 1, "")).await;
    let first = sees(&anna, "Brief c1 n1.").await;
    let (bot, ghost) = (stage.bot_id(), first.sender.clone());
    let identities = [stage.identity_of(&bot).await, stage.identity_of(&ghost).await];

    // Found at the next start: keys that are gone while the device is there.
    stage.gateway.stop();
    let (bots, ghosts) = (stage.devices_of(&bot).await, stage.devices_of(&ghost).await);
    for table in ["e2e_device_keys_json", "e2e_one_time_keys_json", "e2e_fallback_keys_json"] {
        stage
            .synapse_says(&format!("delete from {table} where user_id in ('{bot}', '{ghost}')"))
            .await;
    }
    // Content cannot be taken back from a user's account data, only replaced.
    let copy_count = format!("/_matrix/client/v3/user/{bot}/account_data/de.umstieg.keys");
    stage.as_bot("PUT", &copy_count, &json!({})).await;
    stage.gateway.start().await.unwrap();
    stage.works(&anna, &erik, &first, 2).await;
    let (bots_2, ghosts_2) = (stage.devices_of(&bot).await, stage.devices_of(&ghost).await);
    assert!(bots_2.len() == 1 && bots_2.is_disjoint(&bots), "{bots_2:?} after {bots:?}");
    assert!(ghosts_2.len() == 1 && ghosts_2.is_disjoint(&ghosts), "{ghosts_2:?} after {ghosts:?}");
    let now = [stage.identity_of(&bot).await, stage.identity_of(&ghost).await];
    assert_eq!(now, identities, "the same identities sign them");
    let count = stage.as_bot("GET", &copy_count, &Value::Null).await;
    assert!(count["count"].as_i64() > Some(0), "{count}");

    // Found while it works: devices that are gone.
    for (user, devices) in [(&bot, &bots_2), (&ghost, &ghosts_2)] {
        for device in devices {
            let path = format!("/_matrix/client/v3/devices/{device}");
            let (status, answer) = stage.try_as(user, "DELETE", &path, &json!({})).await;
            assert_eq!(status, 200, "{answer}");
        }
    }
    stage
        .until("the bot has another device", async || stage.devices_of(&bot).await.len() == 1)
        .await;
    stage.works(&anna, &erik, &first, 3).await;
    let ghosts_3 = stage.devices_of(&ghost).await;
    assert!(ghosts_3.len() == 1 && ghosts_3.is_disjoint(&ghosts_2), "{ghosts_3:?}");
    let now = [stage.identity_of(&bot).await, stage.identity_of(&ghost).await];
    assert_eq!(now, identities, "the same identities sign them");
    nothing_is_doubtful(&anna, &BTreeSet::new()).await;
}

impl Stage {
    /// Starts the gateway twice and kills it at one step of a user's: before the homeserver hears of
    /// it, and after it was done.
    async fn broken_off_at(&mut self, proxy: &Proxy, step: &str, user: &str) {
        for moment in [HoldMoment::Before, HoldMoment::After] {
            proxy.hold(&[step, user], moment);
            self.gateway.launch().await.unwrap();
            let begun = Instant::now();
            while !proxy.holds() {
                assert!(
                    begun.elapsed() < Duration::from_secs(60),
                    "{step} {moment:?} of {user} does not come; {:#?}\n{}",
                    proxy.passed().iter().rev().take(20).collect::<Vec<_>>(),
                    self.gateway.log()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.gateway.kill();
            proxy.let_pass();
        }
    }

    /// The devices of one of our users, in Synapse's own database; keys of an identity do not
    /// count.
    async fn devices_of(&self, user: &str) -> BTreeSet<String> {
        let sql = format!("select device_id from devices where user_id = '{user}' and not hidden");
        self.synapse_says(&sql).await.lines().map(str::to_owned).collect()
    }

    async fn synapse_says(&self, sql: &str) -> String {
        let homeserver = &self.world.homeserver;
        self.world.postgres.query(&homeserver.database, sql).await.unwrap()
    }

    /// The master key of a user, as the homeserver gives it to everybody.
    async fn identity_of(&self, user: &str) -> String {
        let query = json!({ "device_keys": { user: [] } });
        let keys = self.as_bot("POST", "/_matrix/client/v3/keys/query", &query).await;
        keys["master_keys"][user]["keys"].to_string()
    }

    /// A letter of the first correspondent.
    fn letter(&self, from: &str, number: usize, more: &str) -> String {
        let id = format!("r{number}-{}", self.tag);
        kim_mail(from, &self.practice, &id, "Befund", more, &words("Brief", 1, number))
    }

    /// A letter into the first one's room, and an answer out of it.
    async fn works(&self, anna: &Client, erik: &str, first: &SeenEvent, number: usize) {
        let reply = format!("In-Reply-To: <r1-{0}>\nReferences: <r1-{0}>\n", self.tag);
        self.receive(&self.letter(erik, number, &reply)).await;
        let letter = sees(anna, &words("Brief", 1, number)).await;
        assert_eq!(letter.room_id, first.room_id);
        let answer = words("Antwort", 1, number);
        anna.send_text(&first.room_id, &answer).await.unwrap();
        self.until("the answer is a mail", async || {
            self.mails(erik, 0).await.iter().any(|mail| mail.contains(&answer))
        })
        .await;
    }
}

/// Waits until a strict client reads everything of ours except what it saw before, without a
/// warning.
async fn nothing_is_doubtful(client: &Client, before: &BTreeSet<String>) {
    let new = |event: &&SeenEvent| !before.contains(event.event_id());
    client
        .wait_for("nothing doubtful", |seen| {
            let is_clear = !seen.undecipherable().any(|event| new(&event))
                && !seen.shielded().any(|event| new(&event));
            is_clear.then_some(())
        })
        .await
        .unwrap();
}

/// Everything a client has seen.
fn ids(client: &Client) -> BTreeSet<String> {
    client.seen().events.iter().map(|event| event.event_id().to_owned()).collect()
}

/// The messages with these words.
fn ids_of(client: &Client, words: &str) -> BTreeSet<String> {
    let seen = client.seen();
    let posts = seen.messages().filter(|m| m.edit_of().is_none() && m.body().contains(words));
    posts.map(|post| post.event_id().to_owned()).collect()
}
