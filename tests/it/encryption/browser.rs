//! What a person sees in a browser.

use umstieg::{model::FateWhy, phrases::Phrase};
use umstieg_world::{
    Clientmodul, Hydrogen, JsClient, JsOptions,
    clientmodul::{
        AsRead, DsnFacts, DsnForm, IntegrityForm, KimDelivery, RecipientState, ready_made, reports,
    },
    gateway::PracticeChannel,
};

use super::{anna_name, letter_with_file, sees};
use crate::{
    phrases::{HANDED_TO_KIM, SOME_TIME, hears, is_shown, told},
    stage::{Stage, kim_behind, kim_mail, message_id},
};

#[tokio::test]
async fn a_browser_shows_a_portal_with_a_letter_a_file_and_an_answer() {
    let mut stage = Stage::encrypted("any-device").await;
    let name = anna_name(&stage);
    // Her phone gives her an identity; the browser's device is not signed with it.
    let options = JsOptions::default();
    let homeserver = &stage.world.homeserver;
    let phone = JsClient::login(homeserver, &name, "geheim", options).await.unwrap();
    let browser = Hydrogen::login(homeserver, &name, "geheim").await.unwrap();
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let letter = letter_with_file(
        &erik,
        &stage.practice,
        "h1@x",
        "Befund Knie rechts",
        "Sehr geehrte Kollegin,\n\nanbei der Befund. Bitte um Kontrolle in vier Wochen.",
        ("Befund-Knie.pdf", b"%PDF-1.4 Befund"),
    );
    stage.receive(&letter).await;
    let room = sees(&phone, "anbei der Befund").await.room_id;
    browser.open_room(&room).await.unwrap();
    browser.wait_for_text("anbei der Befund").await.unwrap();
    browser.wait_for_text("Befund-Knie.pdf").await.unwrap();
    browser.say("Vielen Dank, Termin ist vereinbart.").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Termin ist vereinbart"), "{}", mails[0]);
    let notice = hears(&phone, &HANDED_TO_KIM).await;
    browser.wait_for_text(notice.body()).await.unwrap();
    let shown = browser.shown().await.unwrap();
    for words in ["Befund Knie rechts", "Befund-Knie.pdf", "Termin ist vereinbart"] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    picture(&browser, "encrypted-portal").await;
}

/// What an assistant sees of the two things that only KIM does: a report moves the state at an answer,
/// and a letter that KIM does not vouch for waits until she releases it. Each is a picture to look at.
#[tokio::test]
async fn kim_13_kim_29_a_browser_shows_a_report_at_an_answer_and_a_letter_before_and_after_its_release()
 {
    let module = Clientmodul::start().await.unwrap();
    module.set_recipient(CLINIC, RecipientState::Usable);
    // Reports come when the test says so.
    module.switch(|switches| switches.dsn_form = DsnForm::Never);
    let mut stage = Stage::encrypted_with("any-device", kim_behind(&module)).await;
    let name = anna_name(&stage);
    let homeserver = &stage.world.homeserver;
    let phone = JsClient::login(homeserver, &name, "geheim", JsOptions::default()).await.unwrap();
    let browser = Hydrogen::login(homeserver, &name, "geheim").await.unwrap();
    stage.gateway.start().await.unwrap();
    let desk = Desk { stage: &stage, module: &module, phone: &phone, browser: &browser };
    desk.sees_what_reports_say().await;
    desk.releases_a_letter().await;
}

const CLINIC: &str = "klinik@nord_haus.kim.telematik";

/// Anna at her desk, with her phone beside her.
struct Desk<'s> {
    stage: &'s Stage,
    module: &'s Clientmodul,
    phone: &'s JsClient,
    browser: &'s Hydrogen,
}

impl Desk<'_> {
    async fn sees_what_reports_say(&self) {
        let Self { stage, module, phone, browser } = self;
        let words = "Sehr geehrte Kollegin,\n\nbitte um Kontrolle in vier Wochen.";
        let subject = "Befund Knie rechts";
        let mail = ready_made::chat(CLINIC, &stage.practice, subject, "k1@kim.local", words);
        module.deliver(&stage.practice, KimDelivery::sealed(&mail)).unwrap();
        let room = sees(phone, "Kontrolle in vier Wochen").await.room_id;
        browser.open_room(&room).await.unwrap();
        browser.say("Vielen Dank, der Termin ist vereinbart.").await.unwrap();
        let notice = hears(phone, &HANDED_TO_KIM).await;
        browser.wait_for_text(notice.body()).await.unwrap();
        picture(browser, "kim-answer-handed-over").await;

        let journal = module.until("the answer", |it| it.accepted().count() == 1).await.unwrap();
        let sent = journal.accepted().next().unwrap();
        let id = message_id(&String::from_utf8_lossy(&sent.bytes));
        let facts = DsnFacts {
            to: &stage.practice,
            recipient: CLINIC,
            message_id: &format!("<{id}>"),
            ..DsnFacts::default()
        };
        let report = reports::dsn(&facts, DsnForm::Clean);
        module.deliver(&stage.practice, KimDelivery::plain(&report)).unwrap();
        is_shown(phone, notice.event_id(), &Phrase::DispatchDelivered { at: SOME_TIME }).await;
        browser.wait_for_text("Zugestellt: Die Antwort liegt im Postfach").await.unwrap();
        // Hydrogen shows a replaced notice as a line of its own; what is true now stands last.
        let shown = browser.shown().await.unwrap();
        assert!(shown.find("An KIM übergeben") < shown.find("Zugestellt:"), "{shown}");

        module.set_recipient(CLINIC, RecipientState::MailboxFull);
        browser.say("Das Rezept schicken wir heute.").await.unwrap();
        let why = FateWhy::MailboxFull;
        let failed = hears(phone, &Phrase::DispatchUndelivered { at: SOME_TIME, why }).await;
        browser.wait_for_text(failed.body()).await.unwrap();
        picture(browser, "kim-answers-reported").await;
    }

    async fn releases_a_letter(&self) {
        let Self { stage, module, phone, browser } = self;
        let words = "Bitte überweisen Sie ab heute auf unser neues Konto.";
        let subject = "Neue Bankverbindung";
        let mail = ready_made::chat(CLINIC, &stage.practice, subject, "k2@kim.local", words);
        let doubtful = AsRead::integrity(&["07"], IntegrityForm::Unchanged);
        let mail = KimDelivery::sealed(&mail).read_as(doubtful);
        module.deliver(&stage.practice, mail).unwrap();
        let warning = sees(phone, "!freigeben").await;
        browser.open_room(&warning.room_id).await.unwrap();
        browser.wait_for_text("KIM bestätigt diesen Brief nicht").await.unwrap();
        let shown = browser.shown().await.unwrap();
        assert!(!shown.contains("Konto") && !shown.contains(subject), "{shown}");
        picture(browser, "kim-letter-held").await;

        let release =
            phone.reply(&warning.room_id, warning.event_id(), "!freigeben").await.unwrap();
        let by = Phrase::ReleasedBy { user_id: stage.anna_id.clone() };
        let said = told(phone, &release, &by).await;
        browser.wait_for_text(said.body()).await.unwrap();
        browser.wait_for_text(words).await.unwrap();
        picture(browser, "kim-letter-released").await;
    }
}

/// The front desk's morning: what is new and what waits, in the channel's own room; and a conversation that
/// begins there, with the address to be checked.
#[tokio::test]
async fn a_browser_shows_the_tray_and_a_conversation_that_waits_for_its_address() {
    let with_tray = |channels: Vec<PracticeChannel>| {
        let tray = |channel| PracticeChannel {
            team_room: true,
            more_tray: "announce = true\n".to_owned(),
            ..channel
        };
        channels.into_iter().map(tray).collect()
    };
    let mut stage = Stage::encrypted_with("any-device", with_tray).await;
    let name = anna_name(&stage);
    let homeserver = &stage.world.homeserver;
    let phone = JsClient::login(homeserver, &name, "geheim", JsOptions::default()).await.unwrap();
    let browser = Hydrogen::login(homeserver, &name, "geheim").await.unwrap();
    stage.gateway.start().await.unwrap();
    let (erik, otto) = (stage.correspondent("erik").await, stage.correspondent("otto").await);
    for (from, id, words) in [(&erik, "t1@x", "Der erste Brief"), (&otto, "t2@x", "Der zweite")] {
        stage.receive(&kim_mail(from, &stage.practice, id, "Befund", "", words)).await;
        sees(&phone, words).await;
    }
    let tray = sees(&phone, "Neuer Brief von").await.room_id;
    browser.open_room(&tray).await.unwrap();
    for from in [&erik, &otto] {
        browser.wait_for_text(from).await.unwrap();
    }
    browser.say("!offen").await.unwrap();
    browser.wait_for_text("Das wartet, das Älteste zuerst").await.unwrap();
    picture(&browser, "tray").await;

    let new = stage.correspondent("neu").await;
    browser.say(&format!("!kim {new} Bitte um Rückruf")).await.unwrap();
    let room = sees(&phone, "Neue Unterhaltung").await.room_id;
    browser.open_room(&room).await.unwrap();
    browser.wait_for_text("prüfen Sie sie Zeichen für Zeichen").await.unwrap();
    browser.say("Bitte rufen Sie uns heute zurück.").await.unwrap();
    browser.wait_for_text("Diese Nachricht ist noch nicht abgeschickt").await.unwrap();
    picture(&browser, "new-address-waits").await;
    browser.say("!bestätigen").await.unwrap();
    assert!(stage.mails(&new, 1).await[0].contains("heute zur"));
    let handed = hears(&phone, &HANDED_TO_KIM).await;
    browser.wait_for_text(handed.body()).await.unwrap();
    picture(&browser, "new-address-confirmed").await;
}

/// Takes a picture, and checks that it is one.
async fn picture(browser: &Hydrogen, name: &str) {
    let shown = browser.shown().await.unwrap();
    for raw in ["<p>", "<br", "</", "m.room.", "decrypt"] {
        assert!(!shown.contains(raw), "{raw:?} is in {shown}");
    }
    let picture = browser.screenshot(name).await.unwrap();
    let png = std::fs::read(&picture).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{} bytes", png.len());
}
