//! What is no address or number begins nothing, and neither does who may not speak.

use umstieg::{
    model::WhyNoStart,
    phrases::{Phrase, SendingPhrase, StartPhrase},
};

use super::of_start;
use crate::{phrases::told, stage::Stage};

const BEGUN: &str = "select count(*) from conversations where started_in is not null";

fn refused(why: WhyNoStart) -> Phrase {
    of_start(StartPhrase::Refused { why })
}

/// TIM-19: each mistake has its sentence, nothing is put right, and nothing leaves. Hostile ones included: a
/// line end before another header, marks that turn the writing round, a subject without end.
#[tokio::test]
async fn tim_19_what_is_no_address_or_number_begins_nothing() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("berta").await;
    let room = &letter.room_id;
    let erik = "erik@charite.kim.telematik";
    let own = stage.practice.clone();
    for (command, phrase) in [
        ("!kim".to_owned(), refused(WhyNoStart::Missing)),
        ("!kim hat angerufen".to_owned(), refused(WhyNoStart::NoAddress)),
        (format!("!kim {erik}"), refused(WhyNoStart::NoSubject)),
        (format!("!kim Dr. Erik <{erik}> Befund"), refused(WhyNoStart::Name)),
        (format!("!kim mailto:{erik} Befund"), refused(WhyNoStart::Link)),
        (format!("!kim {erik}, a@b.kim.telematik Befund"), refused(WhyNoStart::Several)),
        (format!("!kim {own} Befund"), refused(WhyNoStart::Own)),
        (format!("!kim {erik} Befund\r\nBcc: eve@eve.example"), refused(WhyNoStart::Lines)),
        (format!("!kim {erik} Befund\u{2028}Bcc: eve"), refused(WhyNoStart::Lines)),
        (format!("!kim \u{202E}{erik} Befund"), refused(WhyNoStart::Characters)),
        (
            format!("!kim {} Befund", erik.replace("ik", "i\u{200B}k")),
            refused(WhyNoStart::Characters),
        ),
        (format!("!kim {} Befund", erik.replace('@', "＠")), refused(WhyNoStart::Characters)),
        (format!("!kim {erik} {}", "ä".repeat(25_000)), refused(WhyNoStart::LongSubject)),
        (format!("!kim@praxis {erik} Befund"), refused(WhyNoStart::NoChannel)),
        ("!kim erik@charite.example Befund".to_owned(), Phrase::NotAKimAddress),
        ("!kim erik@x.kim.telematik-test Befund".to_owned(), Phrase::OtherKimEnvironment),
        ("!fax 030 5550175 Befund".to_owned(), refused(WhyNoStart::Blanks)),
        ("!fax tel:+49305550175".to_owned(), refused(WhyNoStart::Link)),
        ("!fax 5550175".to_owned(), refused(WhyNoStart::NoNumber)),
        ("!fax 110".to_owned(), refused(WhyNoStart::NoNumber)),
        ("!fax +493023125000".to_owned(), refused(WhyNoStart::Own)),
        ("!fax".to_owned(), Phrase::OfSending(SendingPhrase::NothingToSend)),
    ] {
        let asked = stage.anna.send_text(room, &command).await.unwrap();
        told(&stage.anna, &asked, &phrase).await;
    }
    stage.all_events_are_read().await;
    assert_eq!(stage.query(BEGUN).await, "0");
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
}

/// A member of the team who may not speak is told so, and nothing begins.
#[tokio::test]
async fn tim_19_who_may_not_speak_begins_nothing() {
    let stage = Stage::with(|mut channels| {
        channels[0].speakers = vec![channels[0].team[0].replace("anna-", "berta-")];
        channels
    })
    .await;
    let (_, letter) = stage.letter_from("berta").await;
    let room = &letter.room_id;
    // On the fax line Anna speaks; this room is not hers to speak in.
    for command in ["!kim erik@charite.kim.telematik Befund", "!fax 0305550176 Befund"] {
        let asked = stage.anna.send_text(room, command).await.unwrap();
        told(&stage.anna, &asked, &Phrase::NotASpeaker).await;
    }
    stage.all_events_are_read().await;
    assert_eq!(stage.query(BEGUN).await, "0");
}

/// On a line that sends no faxes none begins.
#[tokio::test]
async fn tim_19_no_fax_begins_where_none_leaves() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.restart_with(|settings| settings.replace("send = \"on\"\n", "")).await;
    let (_, letter) = stage.letter_from("berta").await;
    let room = &letter.room_id;
    let asked = stage.anna.send_text(room, "!fax 0305550177 Befund").await.unwrap();
    told(&stage.anna, &asked, &Phrase::OfSending(SendingPhrase::Off)).await;
    stage.all_events_are_read().await;
    assert_eq!(stage.query(BEGUN).await, "0");
}
