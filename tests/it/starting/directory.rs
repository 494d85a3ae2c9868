//! What the directory says of an address to which a conversation begins.

use umstieg::phrases::{DirectorySays, MustConfirm, StartPhrase};
use umstieg_world::{Clientmodul, Vzd, VzdEntry};

use super::of_start;
use crate::stage::{Stage, kim_behind};

const CLINIC: &str = "klinik@nord_haus.kim.telematik";
const OTHER: &str = "labor@nord_haus.kim.telematik";

/// TIM-19: the room is told whom it reaches, as far as the directory knows; a directory that is away says
/// nothing, and holds up nothing.
#[tokio::test]
async fn tim_19_the_room_is_told_what_the_directory_says_of_a_new_address() {
    let mut vzd = Vzd::start(&[VzdEntry::of(CLINIC, "1.5")]).await.unwrap();
    let module = Clientmodul::start().await.unwrap();
    let stage = Stage::with(|channels| {
        let mut channels = kim_behind(&module)(channels);
        channels[0].more_kim.push_str(&vzd.settings());
        channels[0].team_room = true;
        channels
    })
    .await;
    let team_room = stage.anna_is_told(&super::welcome_to_kim()).await.room_id;
    let opened = |address: &str, listed| {
        of_start(StartPhrase::OpenedKim {
            address: address.to_owned(),
            channel: "Praxis kim".to_owned(),
            subject: "Befund".to_owned(),
            listed,
            confirm: MustConfirm(true),
        })
    };
    let named = DirectorySays::Listed(Some("Praxis Dr. Testfall".to_owned()));
    for (address, listed) in [(CLINIC, named), (OTHER, DirectorySays::NotListed)] {
        stage.anna.send_text(&team_room, &format!("!kim {address} Befund")).await.unwrap();
        stage.anna_is_told(&opened(address, listed)).await;
    }
    vzd.kill();
    let third = "praxis@sued_haus.kim.telematik";
    stage.anna.send_text(&team_room, &format!("!kim {third} Befund")).await.unwrap();
    stage.anna_is_told(&opened(third, DirectorySays::Nothing)).await;
}
