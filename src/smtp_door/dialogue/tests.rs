use super::*;
use crate::{
    channel::{EntranceAddress, EntranceLogin},
    model::ChannelName,
};

const HOUSE: &str = "192.168.1.20";
const ABROAD: &str = "203.0.113.7";

fn entrance(recipient: &str, peers: &[&str], login: Option<(&str, &str)>) -> Entrance {
    Entrance {
        recipients: vec![EntranceAddress::new(&MailAddress::new(recipient).unwrap())],
        peers: peers.iter().map(|net| net.parse().unwrap()).collect(),
        login: login.map(|(user, password)| EntranceLogin {
            user: user.to_owned(),
            password: password.into(),
        }),
    }
}

/// One channel for a peer, one for whoever logs in, one that wants both.
fn rules(protocol: DoorProtocol) -> DoorRules {
    let named = |name: &str, entrance| (ChannelName::new(name).unwrap(), entrance);
    DoorRules {
        protocol,
        requires_tls: false,
        offers_tls: true,
        bytes_max: 1_000,
        entrances: vec![
            named("fax", entrance("fax@umstieg.internal", &["192.168.1.20/32"], None)),
            named("labor", entrance("labor@umstieg.internal", &[], Some(("mfp", "geheim")))),
            named(
                "streng",
                entrance("streng@umstieg.internal", &["192.168.1.0/24"], Some(("hyla", "fax"))),
            ),
        ],
    }
}

/// What is answered, line by line, as code and status; what is more than an answer, in words.
fn talk(dialogue: &mut DoorDialogue<'_>, lines: &[&str]) -> Vec<String> {
    let short = |reply: DoorReply| {
        let text = String::from_utf8(reply.on_the_wire()).unwrap();
        let last = text.lines().last().unwrap().to_owned();
        let status = last.split(' ').nth(1).filter(|word| word.split('.').count() == 3);
        status.map_or_else(|| reply.code.to_string(), |word| format!("{} {word}", reply.code))
    };
    let said = |turn: DoorTurn| match turn {
        DoorTurn::Say(reply) => short(reply),
        DoorTurn::SayLater(reply) => format!("later {}", short(reply)),
        DoorTurn::Secure(reply) => format!("tls {}", short(reply)),
        DoorTurn::TakeMail => "mail".to_owned(),
        DoorTurn::End(reply) => format!("end {}", short(reply)),
    };
    lines.iter().map(|line| said(dialogue.hear(line.as_bytes()))).collect()
}

fn smtp_from(peer: &str, is_secure: bool, lines: &[&str]) -> Vec<String> {
    let rules = rules(DoorProtocol::Smtp);
    talk(&mut DoorDialogue::new(&rules, peer.parse().unwrap(), is_secure), lines)
}

#[test]
fn fax_9_a_mail_is_for_the_channel_its_envelope_names() {
    let rules = rules(DoorProtocol::Smtp);
    let mut dialogue = DoorDialogue::new(&rules, HOUSE.parse().unwrap(), false);
    let lines = [
        "EHLO hyla.praxis.internal",
        "MAIL FROM:<HylaFAX@Praxis.internal> SIZE=1000 BODY=8BITMIME",
        "RCPT TO:<Fax+DID-12@umstieg.internal>",
        "RCPT TO:<nobody@umstieg.internal>",
        "DATA",
    ];
    let expected = ["250", "250 2.1.0", "250 2.1.5", "550 5.1.1", "mail"];
    assert_eq!(talk(&mut dialogue, &lines), expected);
    let envelope = dialogue.take_envelope().unwrap();
    assert_eq!(envelope.sender, "HylaFAX@Praxis.internal");
    let recipient = MailAddress::new("fax+did-12@umstieg.internal").unwrap();
    assert_eq!(envelope.recipients, [(recipient, 0)]);
    // The next mail on the same connection has an envelope of its own, and a report has no sender.
    let lines = ["DATA", "MAIL FROM:<>", "RCPT TO:<fax@umstieg.internal>", "DATA"];
    let expected = ["503 5.5.1", "250 2.1.0", "250 2.1.5", "mail"];
    assert_eq!(talk(&mut dialogue, &lines), expected);
    assert_eq!(dialogue.take_envelope().unwrap().sender, "");
}

#[test]
fn commands_come_in_their_order() {
    for (lines, expected) in [
        (&["MAIL FROM:<a@b>"][..], &["503 5.5.1"][..]),
        (&["EHLO a", "RCPT TO:<fax@umstieg.internal>"], &["250", "503 5.5.1"]),
        (&["EHLO a", "DATA"], &["250", "503 5.5.1"]),
        (&["EHLO a", "MAIL FROM:<a@b>", "DATA"], &["250", "250 2.1.0", "503 5.5.1"]),
        (&["EHLO a", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"], &["250", "250 2.1.0", "503 5.5.1"]),
        (
            &["EHLO a", "MAIL FROM:<a@b>", "RSET", "DATA"],
            &["250", "250 2.1.0", "250 2.0.0", "503 5.5.1"],
        ),
        (
            &["HELO a", "MAIL FROM:<a@b>", "HELO a", "DATA"],
            &["250", "250 2.1.0", "250", "503 5.5.1"],
        ),
        (
            &["NOOP", "NOOP x", "VRFY fax", "HELP", "EXPN fax"],
            &["250 2.0.0", "250 2.0.0", "252 2.5.0", "214 2.0.0", "502 5.5.1"],
        ),
        (
            &["ETRN x", "LHLO a", "HALLO", "", "QUIT"],
            &["502 5.5.1", "502 5.5.1", "500 5.5.1", "500 5.5.1", "end 221 2.0.0"],
        ),
        // What would follow must not be taken for commands.
        (&["BDAT 10"], &["end 502 5.5.1"]),
    ] {
        assert_eq!(smtp_from(HOUSE, false, lines), expected, "{lines:?}");
    }
}

#[test]
fn lmtp_greets_with_lhlo_alone() {
    let rules = rules(DoorProtocol::Lmtp);
    let mut dialogue = DoorDialogue::new(&rules, HOUSE.parse().unwrap(), false);
    let lines = ["EHLO a", "HELO a", "LHLO a", "MAIL FROM:<a@b>"];
    let expected = ["502 5.5.1", "502 5.5.1", "250", "250 2.1.0"];
    assert_eq!(talk(&mut dialogue, &lines), expected);
}

#[test]
fn what_is_announced_is_what_there_is() {
    let rules = rules(DoorProtocol::Smtp);
    let ehlo = |is_secure| {
        let mut dialogue = DoorDialogue::new(&rules, HOUSE.parse().unwrap(), is_secure);
        match dialogue.hear(b"EHLO a") {
            DoorTurn::Say(reply) => String::from_utf8(reply.on_the_wire()).unwrap(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(
        ehlo(false),
        "250-umstieg.internal\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-PIPELINING\r\n\
         250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n"
    );
    assert!(ehlo(true).ends_with("250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN\r\n"));
}

#[test]
fn fax_12_a_peer_that_may_deliver_nowhere_learns_of_no_recipient() {
    let rcpt = "RCPT TO:<fax@umstieg.internal>";
    // It could log in; with what it knows, it may do nothing.
    assert_eq!(
        smtp_from(ABROAD, false, &["EHLO a", "MAIL FROM:<a@b>", rcpt]),
        ["250", "530 5.7.0", "503 5.5.1"]
    );
    let mut only_by_address = rules(DoorProtocol::Smtp);
    only_by_address.entrances.truncate(1);
    let mut dialogue = DoorDialogue::new(&only_by_address, ABROAD.parse().unwrap(), false);
    assert_eq!(
        talk(&mut dialogue, &["EHLO a", "MAIL FROM:<fax@umstieg.internal>", rcpt]),
        ["250", "550 5.7.1", "503 5.5.1"]
    );
    // One that may deliver to one channel does not learn of the others.
    let lines = ["EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<labor@umstieg.internal>", rcpt, "DATA"];
    assert_eq!(
        smtp_from(HOUSE, false, &lines),
        ["250", "250 2.1.0", "550 5.1.1", "250 2.1.5", "mail"]
    );
}

fn plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}")))
}

#[test]
fn fax_12_a_login_opens_its_channels_and_no_other() {
    let (mfp, hyla) = (plain("mfp", "geheim"), plain("hyla", "fax"));
    let mail = [
        "MAIL FROM:<a@b>",
        "RCPT TO:<labor@umstieg.internal>",
        "RCPT TO:<streng@umstieg.internal>",
    ];
    let with = |login: &str, peer: &str| {
        let lines = [&["EHLO a", login][..], &mail].concat();
        smtp_from(peer, true, &lines).split_off(1)
    };
    assert_eq!(with(&mfp, ABROAD), ["235 2.7.0", "250 2.1.0", "250 2.1.5", "550 5.1.1"]);
    assert_eq!(with(&hyla, HOUSE), ["235 2.7.0", "250 2.1.0", "550 5.1.1", "250 2.1.5"]);
    // The password of a channel that wants the address as well is not enough.
    assert_eq!(with(&hyla, ABROAD), ["235 2.7.0", "550 5.7.1", "503 5.5.1", "503 5.5.1"]);
    assert_eq!(
        with(&plain("mfp", "Geheim"), ABROAD),
        ["later 535 5.7.8", "530 5.7.0", "503 5.5.1", "503 5.5.1"]
    );
}

#[test]
fn fax_12_a_password_comes_through_tls_alone_and_is_not_guessed() {
    let right = plain("mfp", "geheim");
    let wrong = plain("mfp", "x");
    assert_eq!(smtp_from(ABROAD, false, &["EHLO a", &right]), ["250", "538 5.7.11"]);
    assert_eq!(
        smtp_from(ABROAD, true, &["EHLO a", &wrong, &wrong, &wrong]),
        ["250", "later 535 5.7.8", "later 535 5.7.8", "end 421 4.7.0"]
    );
    for (lines, expected) in [
        (&["EHLO a", "AUTH PLAIN", "AG1mcABnZWhlaW0="][..], &["250", "334", "235 2.7.0"][..]),
        (&["EHLO a", "AUTH LOGIN", "bWZw", "Z2VoZWlt"], &["250", "334", "334", "235 2.7.0"]),
        (&["EHLO a", "auth login bWZw", "Z2VoZWlt"], &["250", "334", "235 2.7.0"]),
        (&["EHLO a", "AUTH LOGIN", "*", "NOOP"], &["250", "334", "501 5.7.0", "250 2.0.0"]),
        (&["EHLO a", "AUTH PLAIN", "???"], &["250", "334", "501 5.5.2"]),
        (&["EHLO a", "AUTH PLAIN ="], &["250", "501 5.5.2"]),
        (&["EHLO a", "AUTH CRAM-MD5"], &["250", "504 5.5.4"]),
        (&["AUTH PLAIN AG1mcABnZWhlaW0="], &["503 5.5.1"]),
        (&["EHLO a", &right, &right], &["250", "235 2.7.0", "503 5.5.1"]),
    ] {
        assert_eq!(smtp_from(ABROAD, true, lines), expected, "{lines:?}");
    }
}

#[test]
fn fax_12_tls_comes_before_a_mail_where_the_settings_want_it() {
    let mut rules = rules(DoorProtocol::Smtp);
    rules.requires_tls = true;
    rules.entrances[0].1.peers.push("127.0.0.0/8".parse().unwrap());
    let mut dialogue = DoorDialogue::new(&rules, HOUSE.parse().unwrap(), false);
    let lines = ["EHLO a", "MAIL FROM:<a@b>", "STARTTLS"];
    assert_eq!(talk(&mut dialogue, &lines), ["250", "530 5.7.0", "tls 220 2.0.0"]);
    dialogue.is_secured();
    let lines = ["MAIL FROM:<a@b>", "EHLO a", "MAIL FROM:<a@b>", "STARTTLS"];
    assert_eq!(talk(&mut dialogue, &lines), ["503 5.5.1", "250", "250 2.1.0", "502 5.5.1"]);
    // On the machine itself nobody reads along.
    let mut dialogue = DoorDialogue::new(&rules, "127.0.0.1".parse().unwrap(), false);
    assert_eq!(talk(&mut dialogue, &["EHLO a", "MAIL FROM:<a@b>"]), ["250", "250 2.1.0"]);
}

#[test]
fn fax_14_an_announced_size_is_held_against_the_limit() {
    for (mail, expected) in [
        ("MAIL FROM:<a@b> SIZE=1001", "552 5.3.4"),
        ("MAIL FROM:<a@b> SIZE=99999999999999999999999999", "552 5.3.4"),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4"),
        ("MAIL FROM:<a@b> SMTPUTF8", "555 5.5.4"),
        ("MAIL FROM:<a@b> WHAT=7", "555 5.5.4"),
        ("MAIL FROM:a@b", "501 5.5.2"),
        ("MAIL FROM: <a@b>", "250 2.1.0"),
        ("mail from:<@relay:a@b>", "250 2.1.0"),
        ("MAIL FROM:<a@b> RET=HDRS ENVID=x", "250 2.1.0"),
        // What a device without a name says it is.
        ("MAIL FROM:<fax@[192.168.1.20]> SIZE=1000", "250 2.1.0"),
        ("MAIL FROM:<fax@[IPv6:2001:db8::25]>", "250 2.1.0"),
        ("MAIL FROM:<printer>", "250 2.1.0"),
        ("MAIL FROM:<fax@[192.168.1.20]> SIZE=1001", "552 5.3.4"),
    ] {
        assert_eq!(smtp_from(HOUSE, false, &["EHLO a", mail])[1], expected, "{mail}");
    }
}

#[test]
fn fax_12_hostile_lines_and_recipients_are_refused() {
    // A device's name for itself need not be one of the domain name system.
    for hello in ["EHLO NPIF65E56", "EHLO [IPv6:2001:db8::25]", "EHLO [192.168.1.20]", "HELO fax_1"]
    {
        assert_eq!(smtp_from(HOUSE, false, &[hello]), ["250"], "{hello}");
    }
    for line in ["RCPT TO:<\"fax\r\"@umstieg.internal>", "NOOP \0", "EHLO ü", "\u{1b}[2J"] {
        let rules = rules(DoorProtocol::Smtp);
        let mut dialogue = DoorDialogue::new(&rules, HOUSE.parse().unwrap(), false);
        assert_eq!(talk(&mut dialogue, &[line]), ["500 5.5.2"], "{line:?}");
    }
    let mail = ["EHLO a", "MAIL FROM:<a@b>"];
    for (recipient, expected) in [
        ("RCPT TO:<>", "550 5.1.1"),
        ("RCPT TO:<postmaster>", "550 5.1.1"),
        ("RCPT TO:<\"fax\"@umstieg.internal>", "250 2.1.5"),
        ("RCPT TO:<\"fax labor\"@umstieg.internal>", "550 5.1.1"),
        ("RCPT TO:<fax@umstieg.internal@x>", "553 5.1.3"),
        ("RCPT TO:fax@umstieg.internal", "501 5.5.2"),
    ] {
        let lines = [&mail[..], &[recipient]].concat();
        assert_eq!(smtp_from(HOUSE, false, &lines)[2], expected, "{recipient}");
    }
}

#[test]
fn fax_12_recipients_commands_and_errors_have_limits() {
    let rules = rules(DoorProtocol::Smtp);
    let begin = || {
        let mut dialogue = DoorDialogue::new(&rules, HOUSE.parse().unwrap(), false);
        talk(&mut dialogue, &["EHLO a", "MAIL FROM:<a@b>"]);
        dialogue
    };
    let mut dialogue = begin();
    for number in 0..RECIPIENTS_MAX {
        let recipient = format!("RCPT TO:<fax+{number}@umstieg.internal>");
        assert_eq!(talk(&mut dialogue, &[&recipient]), ["250 2.1.5"]);
    }
    assert_eq!(talk(&mut dialogue, &["RCPT TO:<fax@umstieg.internal>"]), ["452 4.5.3"]);
    assert_eq!(talk(&mut dialogue, &["DATA"]), ["mail"]);
    let mut dialogue = begin();
    let refused = talk(&mut dialogue, &["RCPT TO:<x@umstieg.internal>"; 10]);
    assert_eq!(refused[8], "550 5.1.1");
    assert_eq!(refused[9], "end 421 4.7.0");
    let mut dialogue = begin();
    let said = talk(&mut dialogue, &["NOOP"; 999]);
    assert_eq!(said[997], "250 2.0.0");
    assert_eq!(said[998], "end 421 4.7.0");
}

proptest::proptest! {
    #[test]
    fn no_line_makes_the_dialogue_panic_or_opens_the_door(
        lines in proptest::collection::vec(
            "(AUTH |MAIL FROM:|RCPT TO:|EHLO |DATA|STARTTLS|RSET)?[ -~]{0,40}", 0..20),
    ) {
        let rules = rules(DoorProtocol::Smtp);
        let mut dialogue = DoorDialogue::new(&rules, ABROAD.parse().unwrap(), true);
        for line in lines {
            proptest::prop_assert!(dialogue.hear(line.as_bytes()) != DoorTurn::TakeMail);
        }
    }
}
