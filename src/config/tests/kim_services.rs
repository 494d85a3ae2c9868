//! The keys of `[channel.kim]` about the mailbox.

use super::*;
use crate::{
    channel::{KimProfile, MailboxUse, ServiceClass},
    model::{SaidService, ServiceId},
};

/// The good settings with these lines in `[channel.kim]`.
fn with_kim(lines: &str) -> String {
    GOOD.replacen("[channel.inbox]", &format!("[channel.kim]\n{lines}\n[channel.inbox]"), 1)
}

fn kim_of(loaded: LoadedSettings) -> KimProfile {
    match loaded.settings.channels.into_iter().next().unwrap().channel.dialect {
        Dialect::Kim(profile) => profile,
        Dialect::Fax(_) => panic!("a KIM channel"),
    }
}

fn mistake(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn kim_9_a_mailbox_is_shared_unless_the_settings_say_otherwise() {
    for (text, expected) in [
        (GOOD.to_owned(), MailboxUse::Shared),
        (with_kim(""), MailboxUse::Shared),
        (with_kim("mailbox = \"shared\""), MailboxUse::Shared),
        (with_kim("mailbox = \"owned\""), MailboxUse::Owned),
    ] {
        assert_eq!(kim_of(read(&text).unwrap()).mailbox, expected);
    }
    assert_eq!(
        mistake(&with_kim("mailbox = \"ours\"")),
        "umstieg.toml, line 17, channel.kim.mailbox: allowed are \"shared\" and \"owned\""
    );
    let fax = GOOD.replace("[channel.fax]", "[channel.kim]\n[channel.fax]");
    assert!(mistake(&fax).contains("channel.kim: belongs to a channel of kind \"kim\" only"));
}

#[test]
fn kim_11_in_a_shared_mailbox_nothing_is_deleted() {
    let delete =
        |text: &str| text.replacen("port = 995", "port = 995\nafter_relay = \"delete\"", 1);
    read(&delete(&with_kim("mailbox = \"owned\""))).unwrap();
    for text in [GOOD.to_owned(), with_kim("mailbox = \"shared\"")] {
        let said = mistake(&delete(&text));
        assert!(said.contains("channel.kim.mailbox: with after_relay = \"delete\""), "{said}");
        assert!(said.contains("mailbox = \"owned\""), "{said}");
    }
    // A fax line has no other readers that the gateway knows of.
    let fax = GOOD.replace("port = 993", "port = 993\nafter_relay = \"delete\"");
    read(&fax).unwrap();
}

#[test]
fn kim_9_a_table_of_dienstkennungen_takes_the_place_of_the_built_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let load = |file: &str| {
        let text = with_kim(&format!("classes_file = {file:?}"));
        parse(&text, &folder.path().join("umstieg.toml"), &nothing)
    };
    write("good.txt", "eAU = chat\n");
    let classes = kim_of(load("good.txt").unwrap()).classes;
    for (text, expected) in [
        ("eAU;Lieferung;V1.0", ServiceClass::Chat),
        ("KIM-Mail;Default;V1.0", ServiceClass::Unknown),
    ] {
        let said = SaidService::Is(ServiceId::new(text).unwrap());
        assert_eq!(classes.class_of(&said), Some(expected), "{text}");
    }
    write("bad.txt", "# gut\neAU = chat\neAU = vielleicht\n");
    let said = load("bad.txt").unwrap_err().to_string();
    assert!(
        said.contains("channel.kim.classes_file: ") && said.contains("bad.txt, line 3"),
        "{said}"
    );
    assert!(said.contains("the class is"), "{said}");
    write("long.txt", &"# lang\n".repeat(100_000));
    assert!(load("long.txt").unwrap_err().to_string().contains("too long"));
    assert!(load("none.txt").unwrap_err().to_string().contains("none.txt"));
    assert!(load("").unwrap_err().to_string().contains("channel.kim.classes_file"));
}
