//! What a person sees in a browser.

use umstieg_world::{Hydrogen, JsClient, JsOptions};

use super::{anna_name, letter_with_file, sees};
use crate::{
    phrases::{HANDED_TO_KIM, hears},
    stage::Stage,
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
    assert!(!shown.contains("decrypt"), "{shown}");
    let picture = browser.screenshot("encrypted-portal").await.unwrap();
    let png = std::fs::read(&picture).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{} bytes", png.len());
}
