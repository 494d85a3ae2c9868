//! The tray: the channel's own room says of each new letter once that it waits, lists what waits, and is
//! reminded of what waits for long. Who takes care and what is done is said with a command or a sign.

use std::time::Duration;

use serde_json::{Value, json};
use umstieg::{
    model::ConversationId,
    phrases::{MatterPhrase, Phrase},
    relay,
};
use umstieg_world::{Client, client::SeenEvent, gateway::PracticeChannel};

use crate::{
    accounts::CountingServer,
    clocks::{Set, parts_before},
    encryption::{sees, send_raw, strict_anna, unsigned_anna},
    phrases::told,
    stage::{Stage, conversations, kim_mail},
};

const NEW: &str = "Neuer Brief von ";
const AGAIN: &str = "Wieder offen: neuer Brief von ";

/// The tray is told of letters.
fn announcing(channels: Vec<PracticeChannel>) -> Vec<PracticeChannel> {
    let tells = |channel| PracticeChannel { more_tray: "announce = true\n".to_owned(), ..channel };
    channels.into_iter().map(tells).collect()
}

fn of_matter(said: MatterPhrase) -> Phrase {
    Phrase::OfMatter(said)
}

/// What makes a room's id its own, as a link has it.
fn in_link(room_id: &str) -> &str {
    room_id.trim_start_matches('!').split(':').next().unwrap()
}

/// How many messages of a room speak of a correspondent.
fn lines_of(client: &Client, room_id: &str, address: &str) -> usize {
    let seen = client.seen();
    seen.messages_in(room_id).filter(|message| message.body().contains(address)).count()
}

/// Waits for the line of the tray that begins so and speaks of a correspondent.
async fn line_of(client: &Client, begins: &str, address: &str) -> SeenEvent {
    client
        .wait_for(&format!("{begins:?} in the tray"), |seen| {
            seen.messages()
                .find(|m| m.body().starts_with(begins) && m.body().contains(address))
                .cloned()
        })
        .await
        .unwrap()
}

impl Stage {
    /// A user puts a sign to an event. Returns the event that says so.
    pub(crate) async fn signs(&self, user_id: &str, room: &str, (to, key): (&str, &str)) -> String {
        let token = self.token_of(user_id).await;
        let relation = json!({ "rel_type": "m.annotation", "event_id": to, "key": key });
        let content = json!({ "m.relates_to": relation });
        let name = format!("s{}", rand::random::<u64>());
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.reaction/{name}");
        let homeserver = &self.world.homeserver;
        let (status, answer) =
            homeserver.request("PUT", &path, &token, Some(&content)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["event_id"].as_str().unwrap().to_owned()
    }

    /// Waits until the matter of a room stands so: `state holder`.
    async fn matter_is(&self, room: &str, expected: &str) {
        let sql = format!(
            "select concat_ws(' ', matters.state, holder) from matters
             join rooms using (conversation_id) where room_id = '{room}'"
        );
        self.database_says(&sql, expected).await;
    }
}

/// TIM-29: one line for each conversation, in the room of the team alone. The gateway is killed when the line
/// is in the room and nothing is noted of it: the line stays one. A letter into what is open has none.
#[tokio::test]
async fn tim_29_a_letter_is_announced_once_although_the_gateway_is_killed() {
    let mut stage = Stage::with(announcing).await;
    stage
        .query(
            "create function forgets() returns trigger language plpgsql as
             $$ begin raise exception 'away'; end $$;
             create trigger forgets before update on posts
             for each row when (new.state = 'sent' and new.txn_id like 't%')
             execute function forgets()",
        )
        .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let line = line_of(&stage.anna, NEW, &erik).await;
    assert_ne!(line.room_id, letter.room_id);
    assert!(line.body().contains(in_link(&letter.room_id)), "{}", line.body());
    assert_eq!(line.sender, stage.bot_id());
    stage.gateway.kill();
    stage.query("drop trigger forgets on posts").await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select state from posts where txn_id like 't%'", "sent").await;

    let again = kim_mail(&erik, &stage.practice, "zweiter@x", "Befund", "", "Noch ein Brief");
    let more = format!("In-Reply-To: <erster-{erik}>\nReferences: <erster-{erik}>\n");
    let again = again.replace("MIME-Version", &format!("{more}MIME-Version"));
    stage.receive(&again).await;
    assert_eq!(stage.anna_sees("Noch ein Brief").await.room_id, letter.room_id);
    // What is said behind it has come: nothing was said before.
    let (otto, _) = stage.letter_from("otto").await;
    assert_eq!(line_of(&stage.anna, NEW, &otto).await.room_id, line.room_id);
    assert_eq!(lines_of(&stage.anna, &line.room_id, &erik), 1);
    stage.database_says("select count(*) from tray_lines", "2").await;

    let state = stage.state(&line.room_id).await;
    let name = state.iter().find(|event| event["type"] == "m.room.name").unwrap();
    let name = name["content"]["name"].as_str().unwrap();
    assert!(name.starts_with("Praxis kim"), "{name}");
    assert!(!stage.gateway.log().contains("Erik Muster"));
}

/// In an encrypted room, with a client of somebody else's: take, hand over, done, and open again by the next
/// letter, which is announced; the same by a sign on the letter, and on the line of the tray.
#[tokio::test]
async fn commands_and_signs_say_who_takes_care() {
    let mut stage = Stage::encrypted_with("cross-signed", announcing).await;
    let bert = stage.colleague("bert").await.user_id;
    let team = format!("team = [{:?}", stage.anna_id);
    stage.edit_settings(&[(&team, &format!("{team}, {bert:?}"))]);
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let first = kim_mail(&erik, &stage.practice, "t1@x", "Befund", "", "Wort Zimtstern");
    stage.receive(&first).await;
    let letter = sees(&anna, "Wort Zimtstern").await;
    let room = letter.room_id.clone();
    let line = line_of(&anna, NEW, &erik).await;
    stage.matter_is(&room, "open").await;

    let me = stage.anna_id.clone();
    let taken = of_matter(MatterPhrase::Taken { member: me.clone() });
    let handed = of_matter(MatterPhrase::HandedOver { member: me.clone(), to: bert.clone() });
    let done = of_matter(MatterPhrase::Done { member: me.clone() });
    let said = anna.send_text(&room, "!übernehmen").await.unwrap();
    told(&anna, &said, &taken).await;
    stage.matter_is(&room, &format!("taken {me}")).await;
    let said = anna.send_text(&room, &format!("!übergeben {bert}")).await.unwrap();
    told(&anna, &said, &handed).await;
    stage.matter_is(&room, &format!("taken {bert}")).await;
    let nobody = format!("@carla-{}:praxis.example", stage.tag);
    let said = anna.send_text(&room, &format!("!übergeben {nobody}")).await.unwrap();
    told(&anna, &said, &of_matter(MatterPhrase::NotOfTeam { member: nobody })).await;
    let said = anna.send_text(&room, "!erledigt").await.unwrap();
    told(&anna, &said, &done).await;
    stage.matter_is(&room, "done").await;

    let more = "In-Reply-To: <t1@x>\nReferences: <t1@x>\n";
    let next = kim_mail(&erik, &stage.practice, "t2@x", "Befund", more, "Wort Spekulatius");
    stage.receive(&next).await;
    let second = sees(&anna, "Wort Spekulatius").await;
    assert_eq!(second.room_id, room);
    let again = line_of(&anna, AGAIN, &erik).await;
    assert_eq!(again.room_id, line.room_id);
    stage.matter_is(&room, "open").await;

    let hand = stage.signs(&me, &room, (second.event_id(), "✋")).await;
    stage.matter_is(&room, &format!("taken {me}")).await;
    let tick = stage.signs(&me, &line.room_id, (again.event_id(), "✅")).await;
    stage.matter_is(&room, "done").await;
    anna.redact(&line.room_id, &tick).await.unwrap();
    stage.matter_is(&room, &format!("taken {me}")).await;
    anna.redact(&room, &hand).await.unwrap();
    stage.matter_is(&room, "open").await;
    let said = anna.reply(&line.room_id, again.event_id(), "!erledigt").await.unwrap();
    told(&anna, &said, &done).await;
    let said = anna.send_text(&line.room_id, "!erledigt").await.unwrap();
    told(&anna, &said, &of_matter(MatterPhrase::WhichOne)).await;
    let said = anna.send_text(&room, "!offen").await.unwrap();
    told(&anna, &said, &of_matter(MatterPhrase::Opened { member: me.clone() })).await;
    stage.matter_is(&room, "open").await;

    // An answer that left is what people wait for.
    anna.send_text(&room, "Antwort Lebkuchen").await.unwrap();
    stage.mails(&erik, 1).await;
    stage.matter_is(&room, "answered").await;
    let said = anna.send_text(&line.room_id, "!offen").await.unwrap();
    told(&anna, &said, &of_matter(MatterPhrase::ListEmpty)).await;
    // Nothing of it stands open at the homeserver.
    let tray = &line.room_id;
    let events = format!("select json from event_json where room_id = '{tray}'");
    let events = stage.synapse(&events).await;
    assert!(events.contains("m.room.encrypted"));
    for word in ["Erik", erik.as_str(), "Neuer Brief"] {
        assert!(!events.contains(word), "{word} stands open at the homeserver");
    }
}

/// Some clients encrypt their signs, with or without the relation outside: such a sign counts like any other,
/// also when it is taken back.
#[tokio::test]
async fn an_encrypted_sign_counts_like_any_other() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = unsigned_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "v1@x", "Befund", "", "Wort Zimtstern")).await;
    let letter = sees(&anna, "Wort Zimtstern").await;
    let (room, me) = (letter.room_id.clone(), stage.anna_id.clone());
    let token = stage.token_of(&me).await;
    let relation = |key: &str| json!({ "rel_type": "m.annotation", "event_id": letter.event_id(), "key": key });
    let sealed = async |key: &str| {
        let sign = json!({ "type": "m.reaction", "content": { "m.relates_to": relation(key) } });
        anna.encrypt(&room, sign).await.unwrap()
    };
    let bare = sealed("✋").await;
    send_raw(&stage, &token, &room, "m.room.encrypted", &bare).await;
    stage.matter_is(&room, &format!("taken {me}")).await;
    let mut related = sealed("✅").await;
    related["m.relates_to"] = relation("✅");
    let tick = send_raw(&stage, &token, &room, "m.room.encrypted", &related).await;
    stage.matter_is(&room, "done").await;
    anna.redact(&room, &tick).await.unwrap();
    stage.matter_is(&room, &format!("taken {me}")).await;
}

/// Who may not speak for the practice reads the list, and moves nothing: neither by a command nor by a sign.
/// The list of sixty conversations is one short message.
#[tokio::test]
async fn who_is_no_speaker_reads_the_list_and_moves_nothing() {
    let mut stage = Stage::before_start(announcing).await;
    let bert = stage.colleague("bert").await;
    let (me, him) = (stage.anna_id.clone(), bert.user_id.clone());
    let team = format!("team = [{me:?}]");
    let both = format!("team = [{me:?}, {him:?}]\nspeakers = [{me:?}]");
    stage.edit_settings(&[(&team, &both)]);
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    let room = letter.room_id.clone();
    let line = line_of(&bert, NEW, &erik).await;
    sees(&bert, "Erster Brief").await;
    for words in ["!übernehmen", "!erledigt", "!offen"] {
        let said = bert.send_text(&room, words).await.unwrap();
        told(&bert, &said, &Phrase::NotASpeaker).await;
    }
    stage.signs(&him, &room, (letter.event_id(), "✅")).await;
    stage.signs(&him, &line.room_id, (line.event_id(), "✋")).await;
    // What is said behind them was read behind them.
    let said = bert.send_text(&room, "!hilfe").await.unwrap();
    told(&bert, &said, &Phrase::CommandsHelp).await;
    let said = bert.send_text(&line.room_id, "!offen").await.unwrap();
    let list = bert
        .wait_for("the list", |seen| {
            seen.messages().find(|m| m.reply_to() == Some(&*said)).cloned()
        })
        .await
        .unwrap();
    assert!(list.body().contains(&erik) && list.body().contains(in_link(&room)), "{list:?}");
    stage.matter_is(&room, "open").await;

    let many: Vec<String> = (0..60).map(|n| format!("k{n}@charite.kim.telematik")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    stage.query(&conversations("kim", &many)).await;
    stage
        .query(
            "insert into matters (conversation_id, state, waits_since, since)
             select id, 'open', now(), now() from conversations
             where id not in (select conversation_id from matters)
               and id not in (select conversation_id from channel_notices)",
        )
        .await;
    let said = stage.anna.send_text(&line.room_id, "!offen").await.unwrap();
    let list = stage
        .anna
        .wait_for("the list", |seen| {
            seen.messages().find(|m| m.reply_to() == Some(&*said)).cloned()
        })
        .await
        .unwrap();
    // A heading, twenty lines, the oldest first, and how many more there are.
    let lines: Vec<&str> = list.body().lines().collect();
    assert_eq!(lines.len(), 22, "{}", list.body());
    assert!(lines[1].contains(&erik), "{}", list.body());
    assert!(lines[21].contains("41"), "{}", list.body());
    assert!(list.body().len() < 16_000);
    stage
        .until("the figure shows them", async || {
            stage.gateway.metric("umstieg_open_conversations").await >= 61.0
        })
        .await;
}

/// Sixty letters that wait for long are one message, within the opening hours, once; who took one and did
/// not answer is named.
#[tokio::test]
async fn what_waits_for_long_is_said_once_in_one_message_within_the_hours() {
    let server = CountingServer::start().await;
    let stage = parts_before(&server).await;
    // 25 November 2026 is a Wednesday; the test begins at 13:00 by German clocks.
    stage.edit_settings(&[(
        "[channel.tray]\nannounce = false\n",
        "[channel.tray]\nannounce = false\nremind_minutes = 60\n[channel.hours]\n\
         wednesday = [\"08:00-14:00\"]\nthursday = [\"08:00-12:00\", \"14:00-18:00\"]\n",
    )]);
    let many: Vec<String> = (0..60).map(|n| format!("k{n}@charite.kim.telematik")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    stage.query(&conversations("kim", &many)).await;
    stage
        .query(
            "insert into matters (conversation_id, state, holder, waits_since, since)
             select id, case when id = 1 then 'taken' else 'open' end,
                 case when id = 1 then '@bert:praxis.example' end, at, at
             from conversations
             cross join lateral (
                 select timestamptz '2026-11-25 12:00 UTC' + id * interval '1 second' as at
             ) as moments",
        )
        .await;
    let set = Set::new(&stage).await;
    let said = async || {
        relay::remind(&set.ctx).await.unwrap();
        let tray = stage.query("select conversation_id from channel_notices").await;
        let Ok(tray) = tray.parse() else { return Vec::new() };
        let posts = set.ctx.store.pending_posts(ConversationId(tray), 100).await.unwrap();
        let body = |content: &Value| content["body"].as_str().unwrap().to_owned();
        posts.iter().map(|post| body(&post.content)).collect::<Vec<String>>()
    };
    assert_eq!(said().await, [] as [String; 0], "nothing has waited for an hour");
    // 14:05: they have, and the practice has closed.
    set.forward(Duration::from_secs(65 * 60));
    assert_eq!(said().await, [] as [String; 0]);
    // Thursday, 07:59, and then 08:00.
    set.forward(Duration::from_secs(17 * 3600 + 54 * 60));
    assert_eq!(said().await, [] as [String; 0]);
    set.forward(Duration::from_secs(60));
    let told = said().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].lines().count(), 22, "{}", told[0]);
    assert!(told[0].contains("k0@charite.kim.telematik"), "{}", told[0]);
    assert!(told[0].contains("bei @bert:praxis.example"), "{}", told[0]);
    assert!(told[0].contains("40 weitere"), "{}", told[0]);
    assert_eq!(said().await.len(), 1);
    // In the afternoon it is open again, and nothing is said twice.
    set.forward(Duration::from_secs(7 * 3600));
    assert_eq!(said().await.len(), 1);
    // One is opened anew, and waits for an hour again.
    stage.query("update matters set reminded_at = null where conversation_id = 7").await;
    let told = said().await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].lines().count(), 2, "{}", told[1]);
    assert!(told[1].contains("k6@charite.kim.telematik"), "{}", told[1]);
}

/// Where the tray says nothing of letters, it is not opened for them, and what was not said is not said later.
#[tokio::test]
async fn a_tray_that_says_nothing_lists_all_the_same() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    stage.matter_is(&letter.room_id, "open").await;
    stage.database_says("select count(*) from matters where news is not null", "0").await;
    assert_eq!(stage.query("select count(*) from channel_notices").await, "0");
}
