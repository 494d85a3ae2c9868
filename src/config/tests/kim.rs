//! `[channel.kim]`.

use super::*;
use crate::channel::{KimProfile, LargeMails};

/// [`GOOD`] with these lines in a section `[channel.kim]`, and without the user names named here.
fn with_kim(lines: &str, without: &[&str]) -> String {
    let mut text = GOOD.to_owned();
    for user in without {
        text = text.replace(&format!("user = \"{user}\"\n"), "");
    }
    let fax = "[[channel]]\nname = \"fax\"";
    text.replace(fax, &format!("[channel.kim]\n{lines}\n{fax}"))
}

fn kim(lines: &str, without: &[&str]) -> ChannelSettings {
    let text = with_kim(lines, without);
    let read = read(&text);
    let settings = read.unwrap_or_else(|_| panic!("{:?}", mistakes(&text))).settings;
    settings.channels.into_iter().next().unwrap()
}

fn profile(settings: ChannelSettings) -> KimProfile {
    let Dialect::Kim(profile) = settings.channel.dialect else { panic!("a KIM channel") };
    profile
}

#[track_caller]
fn wrong(lines: &str, without: &[&str], expected: &str) {
    let found = mistakes(&with_kim(lines, without));
    let [only] = found.as_slice() else { panic!("{found:#?}") };
    let (_, said) = only.split_once(", ").unwrap();
    assert_eq!(said, expected, "{lines}");
}

const CONTEXT: &str = "mandant = \"1\"\nclient_system = \"KOM_LE\"\nworkplace = \"7\"";
const SERVERS: &str =
    "pop3_server = \"hrst.kim.telematik:995\"\nsmtp_server = \"hrst.kim.telematik:465\"";
const BOTH: [&str; 2] = ["kim-in", "kim-out"];

fn users(settings: &ChannelSettings) -> (&str, &str) {
    (&settings.intake.inbox().unwrap().server.login.user, &settings.outbox.login.user)
}

#[test]
fn kim_1_user_names_are_built_or_given_as_a_whole_each_for_itself() {
    let lines = format!("{SERVERS}\n{CONTEXT}\nkonnektor = \"Konn_1\"");
    let built = "praxis@mueller.kim.telematik#hrst.kim.telematik";
    let (inbox, outbox) =
        (format!("{built}:995#1#KOM_LE#7#*#Konn_1"), format!("{built}:465#1#KOM_LE#7#Konn_1"));
    assert_eq!(users(&kim(&lines, &BOTH)), (inbox.as_str(), outbox.as_str()));
    assert_eq!(users(&kim("", &[])), ("kim-in", "kim-out"));

    let only_outbox = lines.replace("pop3_server = \"hrst.kim.telematik:995\"\n", "");
    assert_eq!(users(&kim(&only_outbox, &["kim-out"])), ("kim-in", outbox.as_str()));
    let only_inbox = lines.replace("smtp_server = \"hrst.kim.telematik:465\"\n", "");
    assert_eq!(users(&kim(&only_inbox, &["kim-in"])), (inbox.as_str(), "kim-out"));

    let without_context = format!("{SERVERS}\nseparator = \"!\"");
    let (inbox, outbox) = (format!("{built}!995"), format!("{built}!465"));
    assert_eq!(users(&kim(&without_context, &BOTH)), (inbox.as_str(), outbox.as_str()));
}

#[test]
fn kim_1_a_name_that_is_given_twice_or_by_halves_is_a_mistake() {
    let twice = |key: &str, of: &str| {
        format!(
            "channel.kim.{key}: the user name is given as a whole already, as user in {of}; take one \
             of the two out"
        )
    };
    let both = "[channel.inbox], [channel.outbox]";
    wrong(CONTEXT, &[], &twice("mandant", both));
    wrong(SERVERS, &["kim-out"], &twice("pop3_server", "[channel.inbox]"));
    wrong(SERVERS, &["kim-in"], &twice("smtp_server", "[channel.outbox]"));
    let incomplete = "missing: a call context has mandant, client_system and workplace, named as in \
                      the Konnektor; give all three or none";
    wrong(
        "mandant = \"1\"\nworkplace = \"7\"",
        &BOTH,
        &format!("channel.kim.client_system: {incomplete}"),
    );
    let ids = "expected the id as the Konnektor has it: at most 64 characters, no #, no blank at the \
               ends; leave out what there is none of (and give no *)";
    for id in ["a#b", "*", " a", &"a".repeat(65)] {
        let lines = format!("{CONTEXT}\nuser_id = \"{id}\"");
        wrong(&lines, &BOTH, &format!("channel.kim.user_id: {ids}"));
    }
    for part in ["hrst", "hrst:0", "hrst:65536", "a#b:995", "a b:995"] {
        let found = mistakes(&with_kim(&format!("pop3_server = \"{part}\""), &BOTH));
        assert!(found.iter().any(|said| said.contains("mail server with its port")), "{part}");
    }
    for separator in ["", "#", "::", "a", "."] {
        let found = mistakes(&with_kim(&format!("separator = \"{separator}\""), &BOTH));
        assert!(found.iter().any(|said| said.contains("punctuation")), "{separator}");
    }
}

#[test]
fn kim_23_what_would_break_a_header_is_a_mistake() {
    let systems = profile(kim(
        "system = \"Praxis;1\"\nsupport = \"hilfe@firma.example\"\nuser_agent = \"P-gemApproved/2.0.0\"\n\
         middleware = \"Server;2\"",
        &[],
    ))
    .systems;
    assert_eq!((systems.system.as_str(), systems.missing()), ("Praxis;1", vec![]));
    assert_eq!(systems.user_agent.as_deref(), Some("P-gemApproved/2.0.0"));
    assert_eq!(systems.middleware.as_deref(), Some("Server;2"));
    let missing = profile(kim("", &[])).systems.missing();
    assert_eq!(missing, [("X-KIM-Support", "support"), ("X-TI-User-Agent", "user_agent")]);

    for value in ["", "Praxis", "Praxis;", ";1", "a;b;c", "Präxis;1", "a@b;1", "a\\r\\nBcc: x;1"] {
        let long = format!("{};1", "a".repeat(200));
        for value in [value, &long] {
            for key in ["system", "middleware"] {
                let found = mistakes(&with_kim(&format!("{key} = \"{value}\""), &[]));
                assert_eq!(found.len(), 1, "{key} = {value}: {found:?}");
            }
        }
    }
    for (key, value) in [
        ("user_agent", "P;1"),
        ("user_agent", "P/1/2"),
        ("user_agent", "P/1\\nBcc: x"),
        ("support", "hilfe"),
        ("support", "a@b.example\\r\\nBcc: c@d.example"),
        ("support", "hülfe@firma.example"),
    ] {
        let found = mistakes(&with_kim(&format!("{key} = \"{value}\""), &[]));
        assert_eq!(found.len(), 1, "{key} = {value}: {found:?}");
    }
}

#[test]
fn kim_27_large_mails_leave_only_where_a_setting_says_so() {
    let most = |lines: &str| profile(kim(lines, &[])).mail_bytes_max;
    assert_eq!(most(""), 15 * 1024 * 1024);
    assert_eq!(most("large_mails = true"), 734_003_200);
    let limit = |lines: &str, limit: &str| {
        let outbox = format!("user = \"kim-out\"\nmail_bytes_max = {limit}");
        mistakes(&with_kim(lines, &[]).replace("user = \"kim-out\"", &outbox))
    };
    assert_eq!(limit("", "15728640"), Vec::<String>::new());
    assert_eq!(limit("large_mails = true", "734003200"), Vec::<String>::new());
    let found = limit("", "15728641");
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert!(only.contains("channel.outbox.mail_bytes_max: above 15 MiB"), "{only}");
    assert_eq!(limit("large_mails = true", "734003201").len(), 1);
}

const DIRECTORY: &str = "[channel.kim.directory]\nhost = \"konnektor.praxis.example\"";

#[test]
fn kim_27_with_a_directory_its_entries_say_to_whom_large_mails_leave() {
    let large = |lines: &str| {
        let profile = profile(kim(lines, &[]));
        (profile.large_mails, profile.mail_bytes_max)
    };
    let whole = 734_003_200;
    assert_eq!(large(""), (LargeMails::Never, 15 * 1024 * 1024));
    assert_eq!(large(DIRECTORY), (LargeMails::WhereListed, whole));
    let with = |flag: bool| large(&format!("large_mails = {flag}\n{DIRECTORY}"));
    assert_eq!(with(false), (LargeMails::WhereListed, whole));
    assert_eq!(with(true), (LargeMails::Always, whole));
    let limit = "user = \"kim-out\"\nmail_bytes_max = 20971520";
    let text = with_kim(DIRECTORY, &[]).replace("user = \"kim-out\"", limit);
    assert_eq!(mistakes(&text), Vec::<String>::new());
}

#[test]
fn kim_35_a_directory_is_asked_where_the_settings_name_one() {
    assert!(kim("", &[]).directory.is_none());
    assert!(kim("[channel.kim.directory]", &[]).directory.is_none(), "a section without keys");
    let plain = kim(DIRECTORY, &[]).directory.unwrap();
    assert_eq!((plain.server.port, plain.server.tls), (636, TlsMode::Implicit));
    assert!(matches!(plain.server.trust, ServerTrust::Platform));
    assert_eq!((plain.base.as_str(), plain.timeout), ("dc=data,dc=vzd", Duration::from_secs(10)));
    let pin = "00:".repeat(31) + "00";
    let all = format!(
        "{DIRECTORY}\nport = 1636\npin_sha256 = [\"{pin}\"]\nbase_dn = \"dc=x\"\ntimeout_seconds = 3"
    );
    let all = kim(&all, &[]).directory.unwrap();
    assert_eq!((all.server.port, all.base.as_str()), (1636, "dc=x"));
    assert!(matches!(&all.server.trust, ServerTrust::Pins(pins) if pins.len() == 1));
    assert_eq!((all.timeout, all.server.connect), (Duration::from_secs(3), Duration::from_secs(3)));
    let near = kim("[channel.kim.directory]\nhost = \"127.0.0.1\"\ntls = \"none\"", &[]);
    assert_eq!(near.directory.unwrap().server.tls, TlsMode::None);
}

#[test]
fn kim_35_a_directory_that_cannot_be_asked_is_a_mistake() {
    let only = |more: &str, key: &str| {
        let found = mistakes(&with_kim(&format!("{DIRECTORY}\n{more}"), &[]));
        let [only] = found.as_slice() else { panic!("{more}: {found:?}") };
        assert!(only.contains(&format!("channel.kim.directory.{key}: ")), "{more}: {only}");
    };
    only("tls = \"none\"", "tls");
    only("tls = \"starttls\"", "tls");
    only("port = 0", "port");
    only("base_dn = \"vzd\"", "base_dn");
    only("base_dn = \"\"", "base_dn");
    only("timeout_seconds = 61", "timeout_seconds");
    only("pin_sha256 = []", "pin_sha256");
    only("password = \"geheim\"", "password");
    let found = mistakes(&with_kim("[channel.kim.directory]\nport = 636", &[]));
    assert!(found.len() == 1 && found[0].contains("channel.kim.directory.host"), "{found:?}");
}

#[test]
fn kim_30_31_reports_are_asked_for_and_receipts_are_not() {
    let of = |lines: &str| {
        let settings = kim(lines, &[]);
        let headers = settings.channel.extra_headers();
        let asks = headers.iter().any(|(name, _)| name == "Disposition-Notification-To");
        (settings.outbox.ask_for_reports, asks)
    };
    assert_eq!(of(""), (true, false));
    assert_eq!(of("delivery_reports = false\nread_receipts = true"), (false, true));
    let fax = read(GOOD).unwrap().settings.channels.into_iter().next_back().unwrap();
    assert!(fax.outbox.ask_for_reports, "of bad news");
}

/// KIM-34: what a KIM account has is no matter of a fax line.
#[test]
fn kim_34_the_section_belongs_to_kim_alone() {
    check(
        "[channel.fax]",
        "[channel.kim]\nsupport = \"x\"\n[channel.fax]",
        "line 44, channel.kim: belongs to a channel of kind \"kim\" only",
    );
}

/// KIM-2, KIM-36: what a name or a password holds is taken as it is, and not shown.
#[test]
fn kim_2_36_passwords_are_opaque_and_nothing_of_an_account_is_printed() {
    let text = with_kim(&format!("{SERVERS}\n{CONTEXT}"), &BOTH)
        .replace("password = \"geheim-1\"", "password = \"a#b: c#ü\"");
    let settings = read(&text).unwrap().settings;
    let [kim, _] = settings.channels.as_slice() else { panic!("two channels") };
    assert_eq!(kim.intake.inbox().unwrap().server.login.password.expose_secret(), "a#b: c#ü");
    let shown = format!("{settings:?}");
    for secret in ["a#b", "praxis@", "KOM_LE", "hrst"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
