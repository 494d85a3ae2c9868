//! What the number of a fax is called, and the room of those that came without one.

use std::{fs, path::PathBuf};

use serde_json::Value;
use umstieg::{
    model::WhyAsked,
    phrases::{NamePhrase, Phrase, SendingPhrase},
};
use umstieg_world::{
    client::SeenEvent,
    gateway::{PASSWORD, PracticeChannel},
};

use crate::{
    phrases::{sentence, told},
    stage::{Stage, kim_mail},
};

fn fax(number: &str, words: &str) -> String {
    format!(
        "From: Fax <gateway@fax.example>\nSubject: Neues Fax von {number}\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\n\n{words}\n"
    )
}

impl Stage {
    /// A file beside the settings.
    fn book(&self) -> PathBuf {
        self.gateway.settings_file().parent().unwrap().join("faxbuch.csv")
    }

    /// What a user is called in a room.
    async fn called(&self, room: &str, user: &str) -> String {
        let state = self.state(room).await;
        let of_user =
            |event: &&Value| event["type"] == "m.room.member" && event["state_key"] == user;
        let member = state.iter().find(of_user).unwrap();
        member["content"]["displayname"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the sender of a fax is called so in its room.
    async fn is_called(&self, fax: &SeenEvent, name: &str) {
        let (room, ghost) = (&fax.room_id, &fax.sender);
        self.until(name, async || self.called(room, ghost).await == name).await;
    }
}

/// FAX-8: the name comes from the room, else from the address book, with the number behind it; what was
/// written wrongly into the book costs its line and no fax. A preview has the name behind the number.
#[tokio::test]
async fn fax_8_a_number_is_called_as_the_team_says_or_else_the_address_book() {
    let stage = Stage::before_start(|channels| channels).await;
    fs::write(stage.book(), "Name;Fax\nPraxis Dr. Wei\u{DF};030 5550181\nx;1\n").unwrap();
    let settings = "[channel.fax]\naddress_book = \"faxbuch.csv\"\nsend = \"confirm\"\n";
    stage.edit_settings(&[("send = \"on\"\n", ""), ("[channel.fax]\n", settings)]);
    let mut stage = stage;
    stage.gateway.start().await.unwrap();
    stage.receive_fax(&fax("030 5550181", "Aus dem Buch")).await;
    let first = stage.anna_sees("Aus dem Buch").await;
    stage.is_called(&first, "Praxis Dr. Weiß · +49305550181 (Fax)").await;
    let room = &first.room_id;

    let number = "+49 30 5550181 (DE)".to_owned();
    let asked = stage.anna.send_text(room, "!name Labor Süd").await.unwrap();
    let set = NamePhrase::Set { name: "Labor Süd".to_owned(), number: number.clone() };
    told(&stage.anna, &asked, &Phrase::OfName(set)).await;
    stage.is_called(&first, "Labor Süd · +49305550181 (Fax)").await;
    let asked = stage.anna.send_text(room, "!name +49 30 5550999").await.unwrap();
    told(&stage.anna, &asked, &Phrase::OfName(NamePhrase::Refused)).await;
    stage.anna.send_text(room, "Bitte um Rückruf").await.unwrap();
    let shown = SendingPhrase::Preview {
        number: format!("{number} · Labor Süd"),
        why: WhyAsked::Always,
        pages: 1,
        files: 0,
        text: umstieg::phrases::HasText(true),
    };
    stage.anna_is_told(&Phrase::OfSending(shown)).await;

    // Another book is read while the gateway runs; the team's own name stays until it is undone.
    fs::write(stage.book(), "Fax,Name\n+49305550181,MVZ am Markt\n0305550182,Klinik\n").unwrap();
    stage.receive_fax(&fax("030 5550182", "Ein neues")).await;
    let second = stage.anna_sees("Ein neues").await;
    stage.is_called(&second, "Klinik · +49305550182 (Fax)").await;
    assert_eq!(stage.called(room, &first.sender).await, "Labor Süd · +49305550181 (Fax)");
    let asked = stage.anna.send_text(room, "!name").await.unwrap();
    let name = "MVZ am Markt".to_owned();
    told(&stage.anna, &asked, &Phrase::OfName(NamePhrase::FromBook { name, number })).await;
    stage.is_called(&first, "MVZ am Markt · +49305550181 (Fax)").await;

    // A book that is gone changes nothing, and no fax waits for it.
    fs::remove_file(stage.book()).unwrap();
    stage.receive_fax(&fax("030 5550182", "Ohne Buch")).await;
    assert_eq!(stage.anna_sees("Ohne Buch").await.room_id, second.room_id);
    assert_eq!(stage.called(&second.room_id, &second.sender).await, "Klinik · +49305550182 (Fax)");
    let log = stage.gateway.log();
    for word in ["Labor", "Klinik", "Markt", "5550181"] {
        assert!(!log.contains(word), "{word} is in the log");
    }
}

/// Names are for fax numbers.
#[tokio::test]
async fn fax_8_a_kim_address_has_no_other_name() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "n1@x", "Befund", "", "Ein Brief")).await;
    let letter = stage.anna_sees("Ein Brief").await;
    let asked = stage.anna.send_text(&letter.room_id, "!name Erik").await.unwrap();
    told(&stage.anna, &asked, &Phrase::OfName(NamePhrase::OnlyFax)).await;
    stage.database_says("select count(*) from fax_names", "0").await;
}

/// FAX-7: faxes without a number have one room on each line. Nothing can be answered there, and nobody is
/// named.
#[tokio::test]
async fn fax_7_faxes_without_a_number_have_one_room_on_each_line() {
    let mut second_line = String::new();
    let stage = Stage::before_start(|mut channels| {
        let first = channels.iter().find(|channel| channel.name == "fax").unwrap();
        second_line = first.address.replace("praxis-", "labor-");
        let team: Vec<&str> = first.team.iter().map(String::as_str).collect();
        channels.push(PracticeChannel::fax("labor", &second_line, &team));
        channels
    })
    .await;
    stage.world.mail.add_mailbox(&second_line, PASSWORD).await.unwrap();
    let mut stage = stage;
    stage.gateway.start().await.unwrap();
    stage.receive_fax(&fax("anonymous", "Anonym-eins")).await;
    let first = stage.anna_sees("Anonym-eins").await;
    stage.receive_fax(&fax("unterdrückt", "Anonym-zwei")).await;
    let second = stage.anna_sees("Anonym-zwei").await;
    assert_eq!(first.sender_name, sentence(&Phrase::GhostUnknownFax));
    assert_eq!(first.room_id, second.room_id);
    let other = fax("anonymous", "Anonym-drei");
    stage.world.mail.deliver(other.as_bytes(), &second_line).await.unwrap();
    let third = stage.anna_sees("Anonym-drei").await;
    assert_ne!(third.room_id, first.room_id, "another line has another room");

    let answer = stage.anna.send_text(&first.room_id, "Wer sind Sie?").await.unwrap();
    told(&stage.anna, &answer, &Phrase::UnknownFaxNotAnswerable).await;
    let named = stage.anna.send_text(&first.room_id, "!name Unbekannt").await.unwrap();
    told(&stage.anna, &named, &Phrase::OfName(NamePhrase::NoNumber)).await;
    stage.database_says("select count(*) from dispatches", "0").await;
    stage.database_says("select count(*) from fax_names", "0").await;
}
