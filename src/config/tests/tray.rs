//! The sections `[channel.tray]` and `[channel.hours]`.

use time::Weekday;

use super::*;

/// Good settings with these sections.
fn with(sections: &str) -> String {
    GOOD.replace("[channel.outbox]", &format!("{sections}\n[channel.outbox]"))
}

#[test]
fn a_tray_announces_and_never_reminds_unless_the_settings_say_otherwise() {
    let read = |sections: &str| {
        let settings = read(&with(sections)).unwrap().settings;
        settings.channels[0].channel.tray.clone()
    };
    let silent = read("");
    assert!(silent.announce && silent.remind_after.is_none() && silent.hours.is_none());
    let tray = read("[channel.tray]\nannounce = false\nremind_minutes = 90");
    assert!(!tray.announce);
    assert_eq!(tray.remind_after, Some(Duration::from_secs(90 * 60)));
    let hours = read(
        "[channel.hours]\nzone = \"Europe/Berlin\"\nmonday = [\"08:00-12:00\", \"14:00-18:00\"]",
    )
    .hours
    .unwrap();
    assert_eq!(hours.of(Weekday::Monday).len(), 2);
    assert!(hours.of(Weekday::Tuesday).is_empty());
    assert!(read("[channel.hours]").hours.is_some(), "closed on each day");
}

#[test]
fn hours_that_are_none_are_mistakes() {
    let outbox = "[channel.outbox]";
    let line_of = |text: &str| GOOD.lines().position(|line| line == text).unwrap() + 1;
    let second = line_of(outbox) + 1;
    for (sections, mistake) in [
        (
            "[channel.tray]\nremind_minutes = 0",
            format!("line {second}, channel.tray.remind_minutes: "),
        ),
        ("[channel.tray]\nremind = 5", format!("line {second}, channel.tray.remind: ")),
        (
            "[channel.hours]\nmonday = [\"22:00-06:00\"]",
            format!(
                "line {second}, channel.hours.monday: allowed is one of these: \"08:00-12:30\", \"14:00-24:00\""
            ),
        ),
        (
            "[channel.hours]\nzone = \"Europe/Paris\"",
            format!(
                "line {second}, channel.hours.zone: allowed is one of these: \"Europe/Berlin\""
            ),
        ),
    ] {
        let Err(error) = read(&with(sections)) else { panic!("{sections}") };
        let said = error.to_string();
        assert!(said.contains(&mistake), "{sections}: {said}");
    }
}
