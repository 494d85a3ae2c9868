//! Nobody reads along: a full run with planted markers, and everything that others can see.
//!
//! An administrator sees the log at its most talkative, the metrics, the list of parked things, and
//! the state of rooms and the names of ghosts in the homeserver's own database, which no encryption
//! covers (TIM-29, KIM-36). One exception is intended: a ghost's user id and its name in the room
//! are made of the sender's address or number, because the ghost stands for the sender.

use std::collections::BTreeMap;

use umstieg::phrases::Phrase;
use umstieg_world::AddressTrouble;

use crate::{
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, of_trouble, sentence},
    stage::Stage,
};

/// Planted in a letter: each is found in no other place.
const PATIENT_IN_SUBJECT: &str = "Patientin-Subjektia";
const PATIENT_IN_BODY: &str = "Patientin-Textina";
const PATIENT_IN_FILE_NAME: &str = "Patientin-Dateia";
const SENDER_NAME: &str = "Absenderine Namensdottir";
const PATIENT_IN_FAX: &str = "Patientin-Faxina";
/// Planted in what the assistant says.
const PATIENT_IN_ANSWER: &str = "Patientin-Antwortia";
const PATIENT_IN_ANSWER_FILE: &str = "Patientin-Anlagia";
const PATIENT_IN_COMMAND: &str = "patientinbefehlia";
const FAX_NUMBER: &str = "493023125996";
const FAX_NUMBER_AS_WRITTEN: &str = "23125996";
/// In a Message-ID, which some systems make of the patient's number.
const PATIENT_IN_MESSAGE_ID: &str = "Patientin-Idia";

#[tokio::test]
async fn kim_36_tim_29_no_log_no_figure_no_name_and_no_state_tells_of_a_person() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[(
        "[monitoring]\n",
        "[log]\nfilter = \"umstieg=trace,info\"\n[monitoring]\n",
    )]);
    stage.gateway.start().await.unwrap();
    full_run(&stage).await;

    // Every way in and out was used: each state that has its own words was reached.
    assert!(stage.query("select count(*) from posts where state = 'sent'").await.len() > 1);
    stage.gateway.stop();
    let log = stage.gateway.log();
    assert!(log.contains("Placed letter") && log.contains("Handed dispatch"), "the log is on");

    let parked = stage.parked(&["list"]).await;
    assert!(parked.contains("letter") && parked.contains("dispatch"), "{parked}");
    let rows = stage.query("select json_agg(parked)::text from parked").await;
    let slot = stage.gateway.slot();
    let seen_by_others = BTreeMap::from([
        ("the log", log),
        ("the list of what is parked", parked),
        ("the table of what is parked", rows),
    ]);
    let markers = markers(&stage);
    for (place, text) in &seen_by_others {
        tells_nothing(place, text, &markers);
    }

    // Rooms: what the homeserver keeps unencrypted. Members' events are those of the ghosts and of
    // the team itself, and named after them.
    let bot = format!("@{}bot:{}", slot.prefix, stage.world.homeserver.server_name);
    let state = stage
        .synapse(&format!(
            "select string_agg(event_json.json, E'\\n')
             from events
             join event_json using (event_id)
             where events.state_key is not null
               and events.type not in ('m.room.member', 'm.room.power_levels')
               and events.sender = '{bot}'"
        ))
        .await;
    assert!(state.contains("m.room.name") && state.contains("uk.half-shot.bridge"), "{state}");
    tells_nothing("the state of rooms", &state, &markers);
    let aliases = stage.synapse("select string_agg(room_alias, E'\\n') from room_aliases").await;
    assert!(aliases.contains(&slot.prefix), "{aliases}");
    tells_nothing("the aliases of rooms", &aliases, &markers);
    let uploads = format!(
        "select string_agg(concat_ws(' ', media_id, upload_name), E'\\n')
         from local_media_repository
         where user_id like '@{}%'",
        slot.prefix
    );
    let uploads = stage.synapse(&uploads).await;
    assert!(!uploads.is_empty());
    tells_nothing("the names of uploads", &uploads, &markers);
    let devices = format!(
        "select string_agg(concat_ws(' ', device_id, display_name), E'\\n') from devices where user_id like '@{}%'",
        slot.prefix
    );
    tells_nothing("the names of devices", &stage.synapse(&devices).await, &markers);
    let transactions = stage
        .synapse("select string_agg(txn_id, E'\\n') from event_txn_id_device_id where user_id like '@\\_umstieg%'")
        .await;
    tells_nothing("the names of requests", &transactions, &markers);

    // A ghost's name may contain its correspondent; nothing else.
    let ghosts = format!(
        "select string_agg(event_json.json, E'\\n')
         from events
         join event_json using (event_id)
         where events.type = 'm.room.member'
           and events.state_key like '@{}%'",
        slot.prefix
    );
    let ghosts = stage.synapse(&ghosts).await;
    assert!(ghosts.contains("markerarzt") && ghosts.contains(FAX_NUMBER), "they are looked at");
    let of_patients: Vec<(&str, String)> =
        markers.into_iter().filter(|(what, _)| what.starts_with("patient")).collect();
    tells_nothing("the ghosts", &ghosts, &of_patients);
}

/// What must not be seen, and what it is.
fn markers(stage: &Stage) -> Vec<(&'static str, String)> {
    let mut markers: Vec<(&str, String)> = [
        ("patient in the subject", PATIENT_IN_SUBJECT),
        ("patient in the text", PATIENT_IN_BODY),
        ("patient in the file name", PATIENT_IN_FILE_NAME),
        ("patient on the fax", PATIENT_IN_FAX),
        ("patient in the answer", PATIENT_IN_ANSWER),
        ("patient in the answer's file name", PATIENT_IN_ANSWER_FILE),
        ("patient in a command", PATIENT_IN_COMMAND),
        ("patient in the Message-ID", PATIENT_IN_MESSAGE_ID),
        ("sender's name", SENDER_NAME),
        ("sender's family name", "Namensdottir"),
        ("sender's address", "markerarzt"),
        ("stranger's address", "markerfremd"),
        ("fax number", FAX_NUMBER),
        ("fax number as written", FAX_NUMBER_AS_WRITTEN),
        ("mailbox password", umstieg_world::gateway::PASSWORD),
    ]
    .map(|(what, marker)| (what, marker.to_owned()))
    .to_vec();
    let slot = stage.gateway.slot();
    markers.extend([
        ("assistant's user id", stage.anna_id.clone()),
        ("assistant's local part", format!("anna-{}", stage.tag)),
        ("our own address", stage.practice.clone()),
        ("our own fax address", stage.fax_line.clone()),
        ("as_token", slot.as_token.clone()),
        ("hs_token", slot.hs_token.clone()),
    ]);
    markers
}

fn tells_nothing(place: &str, text: &str, markers: &[(&str, String)]) {
    for line in text.lines() {
        let lower = line.to_lowercase();
        for (what, marker) in markers {
            let is_told = lower.contains(&marker.to_lowercase());
            assert!(!is_told, "{place} tells the {what}: {line}");
        }
    }
}

/// Every kind of thing that happens: letters with files, faxes, answers that arrive, that are put
/// off, that fail, letters that are parked, commands, refusals, a mailbox that is away.
async fn full_run(stage: &Stage) {
    let erik = stage.correspondent("markerarzt").await;
    let encoded = "UGRm";
    let letter = format!(
        "From: \"{SENDER_NAME}\" <{erik}>\nTo: <{}>\nSubject: {PATIENT_IN_SUBJECT}\n\
         Message-ID: <{PATIENT_IN_MESSAGE_ID}@x>\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{PATIENT_IN_BODY}\n\
         --b\nContent-Type: application/pdf; name={PATIENT_IN_FILE_NAME}.pdf\n\
         Content-Disposition: attachment; filename={PATIENT_IN_FILE_NAME}.pdf\n\
         Content-Transfer-Encoding: base64\n\n{encoded}\n--b--\n",
        stage.practice
    );
    stage.receive(&letter).await;
    let seen = stage.anna_sees(PATIENT_IN_BODY).await;
    assert!(seen.sender_name.contains(SENDER_NAME), "{}", seen.sender_name);
    stage.anna_sees(&format!("{PATIENT_IN_FILE_NAME}.pdf")).await;
    let room = &seen.room_id;

    // It comes twice; a broken one; one that claims a thread.
    stage.receive(&letter).await;
    stage
        .receive(&format!("From: {SENDER_NAME} <{erik}\nSubject: =?x?Q?{PATIENT_IN_SUBJECT}?=\n\
                           In-Reply-To: <{PATIENT_IN_MESSAGE_ID}@y>\nContent-Type: multipart/mixed\n\n\
                           {PATIENT_IN_BODY} kaputt\n"))
        .await;
    stage.anna_sees(&format!("{PATIENT_IN_BODY} kaputt")).await;

    // Answers: one arrives, one is put off, one fails, one is refused by ourselves.
    stage.anna.send_text(room, &format!("Zu {PATIENT_IN_ANSWER}")).await.unwrap();
    let name = format!("{PATIENT_IN_ANSWER_FILE}.pdf");
    stage.anna.send_file(room, &name, "application/pdf", b"%PDF-1.4").await.unwrap();
    stage.anna_is_told(&HANDED_TO_KIM).await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLaterAfterData)).unwrap();
    stage.anna.send_text(room, &format!("Nochmal {PATIENT_IN_ANSWER}")).await.unwrap();
    stage
        .database_says(
            "select count(*) from dispatches where state = 'waiting' and attempts > 0",
            "1",
        )
        .await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::RefuseAfterData)).unwrap();
    stage.anna_is_told(&of_trouble(AddressTrouble::RefuseAfterData)).await;
    stage.anna.send_text(room, &format!("!{PATIENT_IN_COMMAND}")).await.unwrap();
    stage.anna_is_told(&Phrase::UnknownCommand { command: PATIENT_IN_COMMAND.to_owned() }).await;
    stage.anna.reply(room, seen.event_id(), "!original").await.unwrap();
    stage.anna_sees("original-").await;
    let edited = stage.anna.send_text(room, PATIENT_IN_ANSWER).await.unwrap();
    stage.anna.edit(room, &edited, &format!("{PATIENT_IN_ANSWER} neu")).await.unwrap();
    stage.anna.redact(room, &edited).await.unwrap();

    // Faxes: from the gateway, and from a stranger.
    let fax = |from: &str, id: &str| {
        format!(
            "From: Fax <{from}>\nSubject: Neues Fax von 030 {FAX_NUMBER_AS_WRITTEN}\n\
                 Message-ID: <{id}@x>\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\n{PATIENT_IN_FAX}\n"
        )
    };
    stage.receive_fax(&fax("gateway@fax.example", "f1")).await;
    let seen = stage.anna_sees(PATIENT_IN_FAX).await;
    let number = format!("+{FAX_NUMBER}");
    assert_eq!(seen.sender_name, sentence(&Phrase::GhostFax { number }));
    stage.receive_fax(&fax("markerfremd@evil.example", "f2")).await;
    stage.database_says("select count(*) from letters where state = 'parked'", "1").await;
    stage.anna.send_text(&seen.room_id, &format!("Fax zu {PATIENT_IN_ANSWER}")).await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    // What is not a fax page.
    stage.anna.send_file(&seen.room_id, &name, "application/x", b"nichts").await.unwrap();
    stage.anna_is_told(&Phrase::FileNotFaxable { file_name: name.clone() }).await;
    stage.all_events_are_read().await;
    // Figures are read while they are there.
    let figures = stage.gateway.metrics().await;
    assert!(figures.contains("umstieg_letters_total"), "{figures}");
    tells_nothing("the metrics", &figures, &markers(stage));
}

impl Stage {
    /// What the homeserver's database says.
    pub(crate) async fn synapse(&self, sql: &str) -> String {
        let database = &self.world.homeserver.database;
        self.world.postgres.query(database, sql).await.unwrap()
    }
}
