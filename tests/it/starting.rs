//! A speaker begins a conversation: from a command to a mail or a fax, and the reply back into its room.

mod directory;
mod refused;

use serde_json::{Value, json};
use umstieg::{
    channel::number_shown,
    model::{FaxNumber, WhyAsked},
    phrases::{DirectorySays, HasText, MustConfirm, Phrase, SendingPhrase, StartPhrase},
};
use umstieg_world::{
    client::SeenEvent,
    gateway::{PASSWORD, PracticeChannel},
};

use crate::{
    encryption::{sees, strict_anna},
    moves::link,
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, hears, says, told},
    stage::{Stage, kim_mail, message_id},
};

pub(crate) fn of_start(phrase: StartPhrase) -> Phrase {
    Phrase::OfStart(phrase)
}

/// Channels whose teams have rooms from the start.
fn with_rooms(channels: Vec<PracticeChannel>) -> Vec<PracticeChannel> {
    channels.into_iter().map(|channel| PracticeChannel { team_room: true, ..channel }).collect()
}

fn welcome(label: &str, usage: &str) -> Phrase {
    of_start(StartPhrase::TeamRoom { channel: label.to_owned(), usage: usage.to_owned() })
}

fn welcome_to_kim() -> Phrase {
    welcome("Praxis kim", "!kim ADRESSE Betreff")
}

/// The first words in the room of a KIM address.
fn opened(address: &str, subject: &str, confirm: bool) -> Phrase {
    of_start(StartPhrase::OpenedKim {
        address: address.to_owned(),
        channel: "Praxis kim".to_owned(),
        subject: subject.to_owned(),
        listed: DirectorySays::Nothing,
        confirm: MustConfirm(confirm),
    })
}

fn waits(address: &str) -> Phrase {
    of_start(StartPhrase::Waits { address: address.to_owned() })
}

/// A mail as a reader would see it.
fn read(mail: &str) -> mail_parser::Message<'_> {
    mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap()
}

impl Stage {
    /// Anna's KIM channel has a room of its team from the start; gives that room.
    async fn with_team_room() -> (Self, String) {
        let stage = Self::with(with_rooms).await;
        let room = stage.anna_is_told(&welcome_to_kim()).await.room_id;
        (stage, room)
    }

    /// Anna begins a conversation; gives its room.
    async fn begins(&self, room: &str, address: &str, subject: &str, confirm: bool) -> String {
        let command = format!("!kim {address} {subject}");
        let asked = self.anna.send_text(room, &command).await.unwrap();
        told(&self.anna, &asked, &of_start(StartPhrase::Begun)).await;
        let first = self.anna_is_told(&opened(address, subject, confirm)).await;
        assert_ne!(first.room_id, room);
        first.room_id
    }

    async fn confirms(&self, room: &str) -> String {
        let yes = self.anna.send_text(room, "!bestätigen").await.unwrap();
        let member = self.anna_id.clone();
        told(&self.anna, &yes, &of_start(StartPhrase::Confirmed { member })).await;
        yes
    }

    /// Says something that waits for its address.
    async fn says_and_waits(&self, room: &str, address: &str, words: &str) -> (String, SeenEvent) {
        let said = self.anna.send_text(room, words).await.unwrap();
        let notice = told(&self.anna, &said, &waits(address)).await;
        (said, notice)
    }
}

/// TIM-19, TIM-29: from the room of the channel to a mail, and the reply back into the room. A gateway that
/// is killed meanwhile begins once and sends once.
#[tokio::test]
async fn tim_19_a_conversation_begins_in_the_room_of_the_channel_and_the_reply_finds_it() {
    let (mut stage, team_room) = Stage::with_team_room().await;
    let erik = stage.correspondent("erik").await;
    let asked = stage.anna.send_text(&team_room, &format!("!kim {erik} Befund Schmidt")).await;
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    told(&stage.anna, &asked.unwrap(), &of_start(StartPhrase::Begun)).await;
    let room = stage.anna_is_told(&opened(&erik, "Befund Schmidt", true)).await.room_id;
    assert_ne!(room, team_room);
    for event in stage.state(&room).await {
        // The ghost's own name and id hold its address.
        if event["type"] != "m.room.member" {
            let text = event["content"].to_string();
            assert!(!text.contains("Schmidt") && !text.contains("charite"), "{text}");
        }
    }

    let (_, notice) = stage.says_and_waits(&room, &erik, "Guten Tag, Herr Kollege").await;
    stage.database_says("select state from dispatches", "previewed").await;
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    stage.database_says("select state from dispatches", "previewed").await;
    assert_eq!(stage.mails(&erik, 0).await.len(), 0, "nothing leaves by itself");
    let retried = stage.anna.send_text(&room, "!erneut").await.unwrap();
    told(&stage.anna, &retried, &of_start(StartPhrase::RetryWaits)).await;

    stage.confirms(&room).await;
    stage.anna_is_shown(notice.event_id(), &HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    let mail = read(&mails[0]);
    assert_eq!(mail.subject(), Some("Befund Schmidt"));
    assert!(mail.in_reply_to().as_text().is_none(), "{}", mails[0]);
    assert!(mail.references().as_text().is_none(), "{}", mails[0]);
    let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address());
    assert_eq!(to, Some(erik.as_str()));
    let from = mail.from().and_then(|from| from.first()).and_then(|from| from.address());
    assert_eq!(from, Some(stage.practice.as_str()));
    assert!(mail.body_text(0).unwrap().contains("Guten Tag, Herr Kollege"), "{}", mails[0]);

    let more = format!("In-Reply-To: <{}>\n", message_id(&mails[0]));
    let reply =
        kim_mail(&erik, &stage.practice, "st1@x", "AW: Befund Schmidt", &more, "Gern geschehen");
    stage.receive(&reply).await;
    assert_eq!(stage.anna_sees("Gern geschehen").await.room_id, room);
    stage.all_events_are_read().await;
    stage.anna.send_text(&room, "Bis bald").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert_eq!(read(&mails[1]).in_reply_to().as_text(), Some("st1@x"), "{}", mails[1]);
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "2").await;
    assert_eq!(stage.mails(&erik, 2).await.len(), 2);
    let begun = "select count(*) from conversations where started_in is not null";
    assert_eq!(stage.query(begun).await, "1");
}

/// A correspondent who wrote, or who was written to, needs no confirmation; with `thread_by = "thread"` a
/// new subject is a new conversation.
#[tokio::test]
async fn tim_19_who_is_known_needs_no_confirmation() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = stage.begins(&letter.room_id, &erik, "Anderes", false).await;
    let none = stage.anna.send_text(&room, "!bestätigen").await.unwrap();
    told(&stage.anna, &none, &Phrase::NothingToConfirm).await;
    let said = stage.anna.send_text(&room, "Ohne Umweg").await.unwrap();
    told(&stage.anna, &said, &HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(read(&mails[0]).subject(), Some("Anderes"));
    assert!(read(&mails[0]).in_reply_to().as_text().is_none(), "{}", mails[0]);
}

/// Where everything with a correspondent has one room, the command leads there.
#[tokio::test]
async fn tim_19_an_existing_room_is_linked_where_there_is_one_for_each_correspondent() {
    let stage = Stage::with(|mut channels| {
        channels[0].more.push_str("thread_by = \"correspondent\"\n");
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.letter_from("berta").await;
    let room = &letter.room_id;
    let asked = stage.anna.send_text(room, &format!("!kim {erik} Anderes")).await.unwrap();
    let link = link(&stage, room);
    told(&stage.anna, &asked, &of_start(StartPhrase::Exists { link })).await;
    stage.all_events_are_read().await;
    assert_eq!(stage.query("select count(*) from conversations").await, "2");
}

/// Edits and deletions before the confirmation count as for everything that waits.
#[tokio::test]
async fn tim_19_what_is_edited_or_deleted_before_the_confirmation_counts() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("berta").await;
    let erik = stage.correspondent("erik").await;
    let room = stage.begins(&letter.room_id, &erik, "Befund", true).await;
    let (first, _) = stage.says_and_waits(&room, &erik, "Dosis 50 mg").await;
    let (second, _) = stage.says_and_waits(&room, &erik, "Gehört nicht hierher").await;
    stage.anna.edit(&room, &first, "Dosis 5 mg").await.unwrap();
    stage.anna.redact(&room, &second).await.unwrap();
    let states = "select string_agg(state, ' ' order by id) from dispatches";
    stage.database_says(states, "previewed withdrawn").await;
    stage.all_events_are_read().await;
    stage.confirms(&room).await;
    stage.database_says(states, "accepted withdrawn").await;
    let mails = stage.mails(&erik, 1).await;
    let text = read(&mails[0]).body_text(0).unwrap().into_owned();
    assert!(text.contains("Dosis 5 mg") && !text.contains("50"), "{text}");
    assert!(!text.contains("hierher"), "{text}");
}

/// A confirmation that is deleted counts for nothing.
#[tokio::test]
async fn tim_19_a_confirmation_that_is_deleted_counts_for_nothing() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("berta").await;
    let erik = stage.correspondent("erik").await;
    let room = stage.begins(&letter.room_id, &erik, "Befund", true).await;
    let yes = stage.confirms(&room).await;
    stage.anna.redact(&room, &yes).await.unwrap();
    stage.anna_is_told(&of_start(StartPhrase::TakenBack)).await;
    let (_, notice) = stage.says_and_waits(&room, &erik, "Guten Tag").await;
    stage.confirms(&room).await;
    stage.anna_is_shown(notice.event_id(), &HANDED_TO_KIM).await;
    assert_eq!(stage.mails(&erik, 1).await.len(), 1);
}

/// The homeserver delivers a command again: it begins one conversation.
#[tokio::test]
async fn tim_19_22_a_command_that_is_delivered_twice_begins_one_conversation() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("berta").await;
    let erik = stage.correspondent("erik").await;
    let room = &letter.room_id;
    let command = format!("!kim {erik} Befund");
    let asked = stage.anna.send_text(room, &command).await.unwrap();
    told(&stage.anna, &asked, &of_start(StartPhrase::Begun)).await;
    let event = json!({
        "type": "m.room.message", "event_id": asked, "room_id": room, "sender": stage.anna_id,
        "origin_server_ts": 1, "content": { "msgtype": "m.text", "body": command },
    });
    for txn_id in ["again-1", "again-2"] {
        crate::doors::knock(&stage, txn_id, std::slice::from_ref::<Value>(&event)).await;
    }
    // What comes behind it is read behind it.
    let help = stage.anna.send_text(room, "!hilfe").await.unwrap();
    told(&stage.anna, &help, &Phrase::CommandsHelp).await;
    stage.all_events_are_read().await;
    let begun = "select count(*) from conversations where started_in is not null";
    assert_eq!(stage.query(begun).await, "1");
}

/// FAX-25: a fax to a new number is shown first; a second command leads to the same room.
#[tokio::test]
async fn tim_19_fax_25_a_fax_to_a_new_number_begins_with_its_preview() {
    let stage = Stage::with(with_rooms).await;
    let usage = "!fax NUMMER Betreff";
    let team_room = stage.anna_is_told(&welcome("Praxis fax", usage)).await.room_id;
    let asked = stage.anna.send_text(&team_room, "!fax 0305550174 Überweisung").await.unwrap();
    told(&stage.anna, &asked, &of_start(StartPhrase::Begun)).await;
    let number = number_shown(&FaxNumber::new("+49305550174").unwrap());
    let opening = of_start(StartPhrase::OpenedFax {
        number: number.clone(),
        channel: "Praxis fax".to_owned(),
        subject: "Überweisung".to_owned(),
    });
    let room = stage.anna_is_told(&opening).await.room_id;
    stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    let preview = Phrase::OfSending(SendingPhrase::Preview {
        number,
        why: WhyAsked::NewNumber,
        pages: 1,
        files: 0,
        text: HasText(true),
    });
    let shown = stage.anna_is_told(&preview).await;
    assert_eq!(shown.room_id, room);
    let other = stage.anna.send_text(&room, "!bestätigen").await.unwrap();
    told(&stage.anna, &other, &Phrase::NothingToConfirm).await;
    stage.anna.reply(&room, shown.event_id(), "!fax").await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    let mine = |mail: &&String| mail.contains(&stage.fax_line);
    stage
        .until("the fax is at its gateway", async || {
            stage.mails("gateway@fax.example", 0).await.iter().filter(mine).count() == 1
        })
        .await;

    let again = stage.anna.send_text(&team_room, "!fax +49305550174").await.unwrap();
    let link = link(&stage, &room);
    told(&stage.anna, &again, &of_start(StartPhrase::Exists { link })).await;
}

/// Who speaks on several channels names one.
#[tokio::test]
async fn tim_19_who_speaks_on_several_channels_names_one() {
    let mut second = String::new();
    let mut stage = Stage::before_start(|mut channels| {
        second = channels[0].address.replace("praxis-", "labor-");
        let anna = channels[0].team[0].clone();
        channels.push(PracticeChannel::kim("labor", &second, &[&anna]));
        with_rooms(channels)
    })
    .await;
    stage.world.mail.add_mailbox(&second, PASSWORD).await.unwrap();
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let fax_room = stage.anna_is_told(&welcome("Praxis fax", "!fax NUMMER Betreff")).await.room_id;
    let asked = stage.anna.send_text(&fax_room, &format!("!kim {erik} Befund")).await.unwrap();
    let which = StartPhrase::WhichChannel {
        channels: "kim, labor".to_owned(),
        command: format!("kim@kim {erik}"),
    };
    told(&stage.anna, &asked, &of_start(which)).await;
    let named = format!("!kim@labor {erik} Befund");
    let asked = stage.anna.send_text(&fax_room, &named).await.unwrap();
    told(&stage.anna, &asked, &of_start(StartPhrase::Begun)).await;
    let begun = "select channel from conversations where started_in is not null";
    stage.database_says(begun, "labor").await;
}

/// The same with encryption, as every practice has it.
#[tokio::test]
async fn tim_19_a_conversation_begins_encrypted() {
    let mut stage = Stage::encrypted_with("cross-signed", with_rooms).await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let team_room = hears(&anna, &welcome_to_kim()).await.room_id;
    anna.send_text(&team_room, &format!("!kim {erik} Befund Schmidt")).await.unwrap();
    let first = hears(&anna, &opened(&erik, "Befund Schmidt", true)).await;
    assert!(first.encrypted, "{first:?}");
    let said = anna.send_text(&first.room_id, "Guten Tag").await.unwrap();
    told(&anna, &said, &waits(&erik)).await;
    anna.send_text(&first.room_id, "!bestätigen").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(read(&mails[0]).subject(), Some("Befund Schmidt"));
    let more = format!("In-Reply-To: <{}>\n", message_id(&mails[0]));
    stage.receive(&kim_mail(&erik, &stage.practice, "st2@x", "AW", &more, "Danke")).await;
    let reply = sees(&anna, "Danke").await;
    assert!(reply.encrypted && reply.room_id == first.room_id, "{reply:?}");
    anna.wait_for("the end of the first mail", |seen| {
        let shown = seen.messages().find(|m| m.reply_to() == Some(said.as_str()))?;
        says(seen.shown_body(shown.event_id())?, &HANDED_TO_KIM).then_some(())
    })
    .await
    .unwrap();
}
