//! `[listener]`, and channels whose inbox it is (FAX-9, FAX-12).

use super::*;
use crate::{
    channel::DeliveryProof,
    transport::{DoorProtocol, DoorTls},
};

const LISTENER: &str = "[listener]\nlisten = \"127.0.0.1:2525\"\ntls = \"none\"\n";
const RECIPIENTS: &str =
    "recipients = [\"fax@umstieg.internal\", \"FAX=+49.30-1@umstieg.internal\"]\n";

/// The settings with this section `[listener]`, and with these lines in the inbox of the fax channel.
fn with(listener: &str, inbox: &str) -> String {
    let text = GOOD.replacen("[appservice]", &format!("{listener}[appservice]"), 1);
    let (before, fax) = text.split_once("kind = \"fax\"").unwrap();
    let (head, rest) = fax.split_once("[channel.inbox]").unwrap();
    let (_, after) = rest.split_once("[channel.outbox]").unwrap();
    format!(
        "{before}kind = \"fax\"{head}[channel.inbox]\nprotocol = \"smtp\"\n{inbox}[channel.outbox]{after}"
    )
}

/// What is said of it, without the places.
fn wrong(listener: &str, inbox: &str) -> Vec<String> {
    let SettingsError::Mistakes { mistakes, .. } = read(&with(listener, inbox)).unwrap_err() else {
        return Vec::new();
    };
    let english =
        |mistake: &Mistake| format!("{}: {}", mistake.key, mistake.what.said(Language::English));
    mistakes.iter().map(english).collect()
}

#[test]
fn fax_12_a_channel_asks_for_an_address_or_a_login() {
    let text =
        with(LISTENER, &format!("{RECIPIENTS}peers = [\"192.168.1.20\", \"10.0.0.5/24\"]\n"));
    let loaded = read(&text).unwrap();
    assert_eq!(said(&loaded.warnings), Vec::<String>::new());
    let listener = loaded.settings.listener.unwrap();
    assert_eq!((listener.protocol, listener.tls), (DoorProtocol::Smtp, DoorTls::None));
    let IntakeSettings::Door { entrance, .. } = &loaded.settings.channels[1].intake else {
        panic!("no door");
    };
    assert_eq!(entrance.proof(), DeliveryProof::Address);
    let peers: Vec<String> = entrance.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["192.168.1.20/32", "10.0.0.0/24"]);
    assert!(loaded.settings.channels[1].intake.inbox().is_none());
}

#[test]
fn fax_12_with_a_certificate_a_login_can_be_asked_for() {
    let made = umstieg_world::tls::self_signed("umstieg.internal").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("a.pem"), folder.path().join("a.key"));
    fs::write(&cert, made.certificate).unwrap();
    fs::write(&key, made.key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let listener = format!(
        "[listener]\nlisten = \"192.168.1.5:2525\"\nprotocol = \"lmtp\"\ncert_file = {:?}\nkey_file = {:?}\n",
        cert.display().to_string(),
        key.display().to_string()
    );
    for (inbox, expected) in [
        ("user = \"hyla\"\npassword = \"geheim\"\n", DeliveryProof::Login),
        ("user = \"hyla\"\npassword = \"geheim\"\npeers = [\"fd00::/8\"]\n", DeliveryProof::Both),
    ] {
        let loaded = read(&with(&listener, &format!("{RECIPIENTS}{inbox}"))).unwrap();
        assert_eq!(said(&loaded.warnings), Vec::<String>::new());
        let IntakeSettings::Door { entrance, .. } = &loaded.settings.channels[1].intake else {
            panic!("no door");
        };
        assert_eq!(entrance.proof(), expected);
        let shown = loaded.settings.listener.unwrap();
        assert_eq!((shown.protocol, shown.tls), (DoorProtocol::Lmtp, DoorTls::StartTls));
        assert!(shown.certificate.unwrap().valid_until.is_some());
    }
    // The same key with another certificate.
    let other = umstieg_world::tls::self_signed("umstieg.internal").unwrap();
    fs::write(&cert, other.certificate).unwrap();
    assert_eq!(
        wrong(&listener, &format!("{RECIPIENTS}peers = [\"10.0.0.1\"]\n")),
        [
            "listener.key_file: this key does not belong to the certificate in cert_file, or they cannot be used"
        ]
    );
}

#[test]
fn fax_12_from_alone_is_no_proof() {
    let none = "channel.inbox.peers: who may deliver: addresses (peers), a login (user and password), or both; the sender alone never suffices";
    for inbox in ["", "peers = []\n"] {
        assert_eq!(wrong(LISTENER, &format!("{RECIPIENTS}{inbox}")), [none], "{inbox}");
    }
    let peer = "channel.inbox.peers: expected addresses or networks, for example \"192.168.1.20\" or \"10.0.0.0/24\"; all addresses there are are not allowed";
    for net in ["0.0.0.0/0", "::/0", "praxis.internal", "10.0.0.0/33"] {
        let inbox = format!("{RECIPIENTS}peers = [{net:?}]\n");
        assert_eq!(wrong(LISTENER, &inbox), [peer], "{net}");
    }
}

#[test]
fn mistakes_in_a_door() {
    let peers = "peers = [\"10.0.0.1\"]\n";
    let good = format!("{RECIPIENTS}{peers}");
    for (listener, inbox, expected) in [
        ("", good.clone(), "channel.inbox.protocol: needs the section [listener]"),
        (
            LISTENER,
            peers.to_owned(),
            "channel.inbox.recipients: is missing: the addresses that fax servers use for this channel, for example [\"fax-praxis@umstieg.internal\"]",
        ),
        (
            LISTENER,
            format!("recipients = [\"a@b\", \"A@B\"]\n{peers}"),
            "channel.inbox.recipients: this address is there already; each may be given once, and for one channel only",
        ),
        (
            LISTENER,
            format!("{RECIPIENTS}user = \"a\"\npassword = \"b\"\n"),
            "channel.inbox.user: a login needs encryption; use tls = \"starttls\", \"implicit\" or \"optional\" in the section [listener], or leave user out",
        ),
        (
            LISTENER,
            format!("{good}password = \"b\"\n"),
            "channel.inbox.password: needs user beside it",
        ),
        (
            "[listener]\nlisten = \"8.8.8.8:25\"\ntls = \"none\"\n",
            good.clone(),
            "listener.listen: this address can be reached from the internet; use one of the house (127.0.0.1, 10.…, 172.16.… to 172.31.…, 192.168.…, fd…)",
        ),
        (
            "[listener]\nlisten = \"127.0.0.1:25\"\n",
            good.clone(),
            "listener.tls: needs cert_file beside it",
        ),
        (
            "[listener]\ntls = \"none\"\n",
            good.clone(),
            "listener.listen: is missing: where fax servers deliver, for example 127.0.0.1:2525",
        ),
        (
            "[listener]\nlisten = \"127.0.0.1:25\"\ntls = \"ssl\"\n",
            good.clone(),
            "listener.tls: allowed is one of these: \"implicit\", \"starttls\", \"optional\", \"none\"",
        ),
    ] {
        assert_eq!(wrong(listener, &inbox), [expected]);
    }
    // A mailbox has neither recipients nor peers, and KIM has no door.
    check(
        "port = 995",
        "port = 995\npeers = [\"10.0.0.1\"]",
        "line 20, channel.inbox.peers: goes only with protocol = \"smtp\"",
    );
    check(
        "protocol = \"pop3\"",
        "protocol = \"smtp\"",
        "line 17, channel.inbox.protocol: allowed are \"pop3\" and \"imap\"",
    );
}

#[test]
fn a_door_in_the_clear_beyond_this_machine_is_warned_about() {
    let good = format!("{RECIPIENTS}peers = [\"10.0.0.1\"]\n");
    for (listen, expected) in
        [("127.0.0.1:25", 0), ("[::1]:25", 0), ("192.168.1.5:25", 1), ("0.0.0.0:25", 2)]
    {
        let listener = format!("[listener]\nlisten = {listen:?}\ntls = \"none\"\n");
        let warnings = said(&read(&with(&listener, &good)).unwrap().warnings);
        assert_eq!(warnings.len(), expected, "{listen}: {warnings:?}");
    }
}
