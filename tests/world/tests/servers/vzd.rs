use umstieg_world::vzd::{Vzd, VzdEntry};

#[tokio::test]
async fn a_directory_starts_again_with_other_entries_on_the_same_port() {
    let address = "praxis@mueller.kim.telematik";
    let mut vzd = Vzd::start(&[VzdEntry::of(address, "1.5+")]).await.unwrap();
    let settings = vzd.settings();
    assert!(settings.contains(&format!("port = {}\n", vzd.port())), "{settings}");
    vzd.kill();
    vzd.now_has(&[]).await.unwrap();
    assert_eq!((vzd.settings(), vzd.searches()), (settings, 0));
}
