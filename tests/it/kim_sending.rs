//! What leaves as KIM mail: its head, and the reports that are asked for.

use proptest::prelude::*;
use time::macros::datetime;

use umstieg::{
    channel::{Channel, Dialect, KimEnvironment, KimProfile, Receipts, Rights, ThreadBy},
    mail::{MailBody, MailForm, Piece, compose},
    model::{
        ChannelName, Correspondent, Dispatch, DispatchFile, DispatchPart, Envelope, Language,
        MailAddress, MessageId, Trust,
    },
    phrases::Phrase,
};

use crate::{
    phrases::{HANDED_TO_KIM, SOME_TIME, hears, told},
    stage::Stage,
};

fn address(text: &str) -> MailAddress {
    MailAddress::new(text).unwrap()
}

/// A channel with everything that a head may name.
fn channel(receipts: Receipts) -> Channel {
    let mut profile = KimProfile::new(KimEnvironment::Production);
    profile.receipts = receipts;
    profile.systems.support = Some(address("hilfe@hersteller.example"));
    profile.systems.user_agent = Some("Umstieg-gemApproved/1.0.0".to_owned());
    profile.systems.middleware = Some("Praxisserver;2".to_owned());
    Channel {
        name: ChannelName::new("kim").unwrap(),
        label: "Raumname Praxis Müller".to_owned(),
        address: address("praxis@mueller.kim.telematik"),
        team: vec!["@anna:praxis.example".to_owned()],
        speakers: vec!["@anna:praxis.example".to_owned()],
        rights: Rights::default(),
        thread_by: ThreadBy::Thread,
        collect: std::time::Duration::ZERO,
        language: Language::German,
        trust: Trust::CrossSigned,
        tells_clients: false,
        insured_persons: false,
        alarm: std::time::Duration::from_secs(60),
        has_team_room: true,
        tray: Default::default(),
        dialect: Dialect::Kim(profile),
    }
}

/// The mail of a text and a file, without the lines of the file.
fn mail(channel: &Channel, subject: &str, text: &str, (name, media_type): (&str, &str)) -> String {
    let to = address("klinik@charite.kim.telematik");
    let file =
        DispatchFile { file_name: name.to_owned(), media_type: media_type.to_owned(), bytes: 3 };
    let dispatch = Dispatch {
        to: Correspondent::Mail(to.clone()),
        message_id: MessageId::new("6f1c0d4e-0000-4000-8000-000000000001@kim.local").unwrap(),
        date: datetime!(2026-11-23 17:10:50 +1),
        subject: subject.to_owned(),
        in_reply_to: None,
        references: Vec::new(),
        parts: vec![DispatchPart::Text(text.to_owned()), DispatchPart::File(file)],
    };
    let envelope = Envelope::new(channel.address.clone(), to);
    let form = MailForm { headers: channel.extra_headers(), body: MailBody::Parts };
    let composed = compose(&dispatch, &envelope, &form).unwrap();
    let pieces = composed.pieces.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => std::str::from_utf8(bytes).unwrap(),
        Piece::File(_) => "",
    });
    pieces.collect()
}

fn names(head: &str) -> Vec<&str> {
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split(':').next().unwrap()).collect()
}

const HEADERS: [&str; 12] = [
    "From",
    "To",
    "Date",
    "Message-ID",
    "X-KIM-Dienstkennung",
    "X-KIM-Sendersystem",
    "X-KIM-Support",
    "X-TI-User-Agent",
    "X-KIM-Middleware",
    "Subject",
    "MIME-Version",
    "Content-Type",
];

/// KIM-23, KIM-24: of the room nothing but the subject reaches the head.
#[test]
fn kim_23_24_the_head_of_a_mail_names_what_is_demanded_and_nobody_else() {
    let mail = mail(&channel(Receipts::NotRequested), "Befund", "Anna: Danke", ("a.pdf", "x/y"));
    let (head, _) = mail.split_once("\r\n\r\n").unwrap();
    assert_eq!(names(head), HEADERS);
    for line in [
        "From: praxis@mueller.kim.telematik\r\n",
        "To: klinik@charite.kim.telematik\r\n",
        "Date: Mon, 23 Nov 2026 17:10:50 +0100\r\n",
        "Message-ID: <6f1c0d4e-0000-4000-8000-000000000001@kim.local>\r\n",
        "X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\n",
        "X-KIM-Support: hilfe@hersteller.example\r\n",
        "X-TI-User-Agent: Umstieg-gemApproved/1.0.0\r\n",
        "X-KIM-Middleware: Praxisserver;2\r\n",
        "Content-Type: multipart/mixed;",
    ] {
        assert!(head.contains(line), "{line:?} is missing in\n{head}");
    }
    for other in ["Raumname", "praxis.example", "@anna", "Anna", "\"praxis"] {
        assert!(!head.contains(other), "{other} in\n{head}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn kim_23_25_no_room_adds_a_header_or_another_kind_of_part(
        subject in any::<String>(),
        text in any::<String>(),
        name in "(x-kas|\r\nContent-Disposition: x-kas|\\PC{0,40}|\";x=\")",
        media_type in "(x-kas|text/html|multipart/alternative|a/b\r\nX: y|\\PC{0,20})",
    ) {
        for receipts in [Receipts::Requested, Receipts::NotRequested] {
            let mail = mail(&channel(receipts), &subject, &text, (&name, &media_type));
            prop_assert!(mail.is_ascii());
            let (head, body) = mail.split_once("\r\n\r\n").unwrap();
            let asked = names(head).contains(&"Disposition-Notification-To");
            prop_assert_eq!(asked, receipts == Receipts::Requested);
            let others: Vec<&str> = names(head)
                .into_iter()
                .filter(|name| *name != "Disposition-Notification-To")
                .collect();
            prop_assert_eq!(others, HEADERS);
            let kinds = |of: &str| {
                let lines = body.split("\r\n").filter(|line| line.starts_with(of));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            prop_assert_eq!(
                kinds("Content-Disposition:").iter().filter(|l| l.contains("attachment")).count(),
                1
            );
            let is_text = |line: &String| line.starts_with("Content-Type: text/plain; charset");
            prop_assert!(kinds("Content-Type:").iter().any(is_text));
            prop_assert!(!kinds("Content-Type: multipart/").iter().any(|_| true));
        }
    }
}

const ASKED: &str = "select string_agg(reports_requested::text, ' ' order by id) from dispatches";

/// KIM-30: a real mail server is asked, agrees, and reports. That it agreed is kept with the answer.
#[tokio::test]
async fn kim_30_whether_reports_were_agreed_is_kept_with_the_answer() {
    let mut stage = Stage::with(|mut channels| {
        channels[0].more_kim = "delivery_reports = true\n".to_owned();
        channels
    })
    .await;
    let (address, letter) = stage.letter_from("erik").await;
    let event = stage.anna.send_text(&letter.room_id, "Danke, kommt an").await.unwrap();
    told(&stage.anna, &event, &HANDED_TO_KIM).await;
    stage.database_says(ASKED, "true").await;
    let mails = stage.mails(&address, 1).await;
    assert!(!mails[0].contains("Disposition-Notification-To"), "{}", mails[0]);
    // The server's report of success moves the state.
    stage.database_says("select state from dispatches", "delivered").await;
    hears(&stage.anna, &Phrase::DispatchDelivered { at: SOME_TIME }).await;

    stage.restart_with(|settings| settings.replace("reports = true", "reports = false")).await;
    let event = stage.anna.send_text(&letter.room_id, "Noch etwas").await.unwrap();
    told(&stage.anna, &event, &HANDED_TO_KIM).await;
    assert_eq!(stage.query(ASKED).await, "true false");
}
