//! A mistake in a settings file is named with its line and with what would be right.

use super::*;

#[test]
fn a_file_that_is_no_toml() {
    check(
        "language = \"de\"",
        "language = \"de",
        "line 1: this is not TOML: invalid basic string, expected `\"`",
    );
    check("[homeserver]", "[homeserver", "line 4: this is not TOML: unclosed table, expected `]`");
    check(
        "language = \"de\"",
        "language = \"de\"\nlanguage = \"en\"",
        "line 2: this is not TOML: duplicate key",
    );
}

#[test]
fn encryption_is_left_out_only_in_so_many_words() {
    let off = read(&GOOD.replace("[homeserver]", "[encryption]\nrequired = false\n[homeserver]"));
    assert!(!off.unwrap().settings.encryption.required);
    check(
        "[homeserver]",
        "[encryption]\nrequired = \"no\"\n[homeserver]",
        "line 5, encryption.required: expected true or false, found a text",
    );
    check(
        "[homeserver]",
        "[encryption]\nenabled = false\n[homeserver]",
        "line 5, encryption.enabled: there is no such key; here are allowed: key_wait_seconds, \
         required",
    );
    for seconds in ["0", "86401"] {
        check(
            "[homeserver]",
            &format!("[encryption]\nkey_wait_seconds = {seconds}\n[homeserver]"),
            "line 5, encryption.key_wait_seconds: expected a whole number from 1 to 86400, found \
             another one",
        );
    }
}

#[test]
fn a_key_that_does_not_exist() {
    check(
        "[database]",
        "[database]\nurrl = 1",
        "line 3, database.urrl: there is no such key; here are allowed: connections_max, url, \
         url_env, url_file",
    );
    check(
        "language = \"de\"",
        "colour = 1",
        "line 1, colour: there is no such key; here are allowed: appservice, channel, database, \
         encryption, homeserver, language, listener, log, monitoring, sealing, virus_scanner, worker",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\nfax = { profile = \"x\" }",
        "line 14, channel.fax: belongs to a channel of kind \"fax\" only",
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    check(
        "port = 995",
        "port = \"995\"",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found a text",
    );
    check(
        "port = 995",
        "port = 99.5",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found a number with a point",
    );
    check(
        "label = \"KIM\"",
        "label = true",
        "line 13, channel.label: expected a text in quotes, found true or false",
    );
    check(
        "label = \"KIM\"",
        "label = 2026-01-01",
        "line 13, channel.label: expected a text in quotes, found a date",
    );
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = \"@anna:praxis.example\"",
        "line 15, channel.team: expected a list of texts [\"…\", \"…\"], found a text",
    );
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = [\n\"@anna:praxis.example\",\n7]",
        "line 17, channel.team: expected a text in quotes, found a number",
    );
    check("language = \"de\"", "log = 3", "line 1, log: expected a section, found a number");
}

#[test]
fn a_number_out_of_bounds() {
    check(
        "port = 995",
        "port = 0",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found another one",
    );
    check(
        "port = 995",
        "port = 99500",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found another one",
    );
    check(
        "port = 995",
        "port = -1",
        "line 19, channel.inbox.port: expected a whole number from 1 to 65535, found another one",
    );
    check(
        "port = 995",
        "port = 995\npoll_seconds = 0",
        "line 20, channel.inbox.poll_seconds: expected a whole number from 1 to 86400, found another one",
    );
    check(
        "[database]",
        "[database]\nconnections_max = 1",
        "line 3, database.connections_max: expected a whole number from 2 to 200, found another one",
    );
    check(
        "[homeserver]",
        "[worker]\nconcurrency = 0\n[homeserver]",
        "line 5, worker.concurrency: expected a whole number from 1 to 64, found another one",
    );
    check(
        "[homeserver]",
        "[worker]\nattempts_max = 1000\n[homeserver]",
        "line 5, worker.attempts_max: expected a whole number from 1 to 100, found another one",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\ncollect_seconds = 601",
        "line 14, channel.collect_seconds: expected a whole number from 0 to 600, found another one",
    );
}

#[test]
fn a_word_that_is_none_of_the_allowed() {
    check(
        "language = \"de\"",
        "language = \"fr\"",
        "line 1, language: allowed is one of these: \"de\", \"en\"",
    );
    check(
        "protocol = \"pop3\"",
        "protocol = \"POP\"",
        "line 17, channel.inbox.protocol: allowed are \"pop3\" and \"imap\"",
    );
    check(
        "port = 995",
        "port = 995\ntls = \"ssl\"",
        "line 20, channel.inbox.tls: allowed are \"implicit\", \"starttls\" and, on loopback, \"none\"",
    );
    check(
        "port = 995",
        "port = 995\nafter_relay = \"move\"",
        "line 20, channel.inbox.after_relay: allowed are \"keep\" and \"delete\"",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\nthread_by = \"mail\"",
        "line 14, channel.thread_by: allowed are \"thread\" and \"correspondent\"",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\"\nrights.two_persons = [\"letters\"]",
        "line 14, channel.rights.two_persons: allowed are \"fax\" and \"release\"",
    );
    check(
        "profile = \"generic\"",
        "profile = \"faxx\"",
        "line 45, channel.fax.profile: allowed is one of these: avantfax, cisco_t37, efax, exchange_um, \
         fax_plus, faxstation, freepbx, fritzbox, fusionpbx, generic, gfi_faxmaker, gnetx, hylafax, ictfax, \
         interfax, ixi_ums, metrofax, ringcentral, simple_fax, t37",
    );
    check(
        "[homeserver]",
        "[log]\nformat = \"xml\"\n[homeserver]",
        "line 5, log.format: allowed are \"text\" and \"json\"",
    );
    check(
        "[homeserver]",
        "[log]\nfilter = \"a=b=c\"\n[homeserver]",
        "line 5, log.filter: expected error, warn, info, debug, trace, or a list such as info,umstieg=debug",
    );
}

#[test]
fn something_that_is_missing() {
    check(
        "server_name = \"praxis.example\"",
        "",
        "line 4, homeserver.server_name: is missing: the right side of the homeserver's user ids, for example praxis.example",
    );
    check(
        "port = 995",
        "",
        "line 16, channel.inbox.port: is missing: the mail server's port, for example 995",
    );
    check(
        "password = \"geheim-1\"",
        "",
        "line 16, channel.inbox.password: is missing: the password to log in with; or password_file or password_env",
    );
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = []",
        "line 15, channel.team: must not be empty: nobody would see what arrives",
    );
    check(
        "senders = [\"fax@gateway.example\"]",
        "senders = []",
        "line 49, channel.fax.senders: must not be empty: no fax would be accepted",
    );
    check(
        "[homeserver]",
        "[monitoring]\n[homeserver]",
        "line 4, monitoring.listen: is missing: where metrics and health are served, for example 127.0.0.1:9801",
    );
    let keys: Vec<String> =
        mistakes("").iter().map(|m| m.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        keys,
        [
            "line 1, appservice.listen",
            "line 1, appservice.url",
            "line 1, channel",
            "line 1, database.url",
            "line 1, homeserver.server_name",
            "line 1, homeserver.url",
            "line 1, sealing.key",
        ]
    );
    let code = "line 44, channel.fax.code: is missing: the password or word that the gateway wants in a mail; \
                or code_file or code_env";
    check("profile = \"generic\"", "profile = \"gnetx\"", code);
    let address = "profile = \"generic\"\naddress = \"{digits}.{code}@gateway.example\"";
    check("profile = \"generic\"", address, code);
}

#[test]
fn an_address_that_is_none() {
    check(
        "url = \"http://127.0.0.1:8008\"",
        "url = \"127.0.0.1:8008\"",
        "line 5, homeserver.url: expected a URL with scheme, for example http://127.0.0.1:8008",
    );
    check(
        "url = \"http://127.0.0.1:8008\"",
        "url = \"http://u:p@127.0.0.1\"",
        "line 5, homeserver.url: expected a URL with scheme, for example http://127.0.0.1:8008",
    );
    check(
        "url = \"postgres://umstieg@127.0.0.1/umstieg\"",
        "url = \"mysql://x\"",
        "line 3, database.url: expected a URL postgres://user:password@host:port/database; within \
         the password # is written %23, / %2F, ? %3F, @ %40 and % %25",
    );
    check(
        "server_name = \"praxis.example\"",
        "server_name = \"https://praxis.example\"",
        "line 6, homeserver.server_name: expected a Matrix server name without scheme and @, for example praxis.example",
    );
    check(
        "listen = \"127.0.0.1:9800\"",
        "listen = \"9800\"",
        "line 8, appservice.listen: expected an IP address and a port, for example 127.0.0.1:9800",
    );
    check(
        "host = \"127.0.0.1\"",
        "host = \"pop3s://mail\"",
        "line 18, channel.inbox.host: expected a host name or an IP address without scheme, port and path",
    );
    check(
        "address = \"praxis@mueller.kim.telematik\"",
        "address = \"praxis@mueller.example\"",
        "line 14, channel.address: expected a KIM address, ending with .kim.telematik or .kim.telematik-test, with letters, digits, . _ and - before the @",
    );
    check(
        "address = \"praxis@mueller.kim.telematik\"",
        "address = \"praxis\"",
        "line 14, channel.address: an address needs exactly one @ with text on both sides",
    );
    check(
        "number = \"+493023125000\"",
        "number = \"030 23125000\"",
        "line 47, channel.fax.number: a fax number is written in international form: + and 7 to 15 digits (E.164)",
    );
    check(
        "country = \"DE\"",
        "country = \"Germany\"",
        "line 48, channel.fax.country: write a country as two capital letters, for example DE, AT or CH (ISO 3166-1)",
    );
    check(
        "senders = [\"fax@gateway.example\"]",
        "senders = [\"gateway.example\"]",
        "line 49, channel.fax.senders: write an address (fax@gateway.example) or a domain (@gateway.example)",
    );
    check(
        "country = \"DE\"",
        "country = \"DE\"\nsend = \"yes\"",
        "line 49, channel.fax.send: allowed is one of these: off, confirm, on",
    );
}

#[test]
fn a_user_who_is_none() {
    const EXPECTED: &str =
        "line 15, channel.team: expected a Matrix user id, for example @anna:praxis.example";
    for wrong in [
        "anna",
        "@anna",
        "anna@praxis.example",
        "@anna:",
        "@Anna:praxis.example",
        "@anna:praxis..:x",
    ] {
        check("team = [\"@anna:praxis.example\"]", &format!("team = [\"{wrong}\"]"), EXPECTED);
    }
    check(
        "team = [\"@anna:praxis.example\"]",
        "team = [\"@_umstieg_bot:praxis.example\"]",
        "line 15, channel.team: names one of the gateway's own users (_umstieg_…)",
    );
}

#[test]
fn tim_18_an_insured_person_who_is_to_speak_for_the_practice() {
    let kasse = |users: &str| {
        GOOD.replace(
            "server_name = \"praxis.example\"",
            "server_name = \"praxis.example\"\ninsured_servers = [\"kasse.example\"]",
        )
        .replacen("team = [\"@anna:praxis.example\"]", users, 1)
    };
    let text = kasse("team = [\"@anna:praxis.example\"]\ninsured_persons = true");
    let settings = read(&text).unwrap().settings;
    assert!(settings.homeserver.insured_servers.has_user("@x110000001:kasse.example"));
    assert!(settings.channels[0].channel.insured_persons);
    assert!(!settings.channels[1].channel.insured_persons, "by default not");
    const EXPECTED: &str = "names a user on kasse.example, which homeserver.insured_servers lists: \
                            insured persons are in no team and do not speak for the practice";
    for (users, key) in [
        ("team = [\"@x110000001:kasse.example\"]\ninsured_persons = true", "team"),
        (
            "team = [\"@anna:praxis.example\"]\nspeakers = [\"@x110000001:kasse.example:8448\"]",
            "speakers",
        ),
    ] {
        let mistakes = read(&kasse(users)).unwrap_err().to_string();
        let expected = EXPECTED.replace("on kasse.example,", "on ");
        let said =
            mistakes.replace("on kasse.example:8448,", "on ").replace("on kasse.example,", "on ");
        assert!(said.contains(&format!("channel.{key}: {expected}")), "{mistakes}");
    }
    check(
        "server_name = \"praxis.example\"",
        "server_name = \"praxis.example\"\ninsured_servers = [\"praxis.example\"]",
        "line 7, homeserver.insured_servers: names our own homeserver (homeserver.server_name): the \
         gateway belongs on the homeserver of a practice or a house, not on a health insurer's",
    );
}

#[test]
fn a_name_that_is_illegal_or_taken() {
    check(
        "name = \"kim\"",
        "name = \"KIM Praxis\"",
        "line 11, channel.name: a channel's name has 1 to 32 characters of a-z, 0-9 and -",
    );
    check(
        "name = \"fax\"",
        "name = \"kim\"",
        "line 28, channel.name: there is another channel kim; each needs its own name",
    );
    check(
        "[appservice]",
        "[appservice]\nuser_prefix = \"Umstieg_\"",
        "line 8, appservice.user_prefix: expected 2 to 32 characters of a-z, 0-9, . _ and -, ending with _, for example _umstieg_",
    );
    check(
        "[appservice]",
        "[appservice]\nuser_prefix = \"\"",
        "line 8, appservice.user_prefix: expected 2 to 32 characters of a-z, 0-9, . _ and -, ending with _, for example _umstieg_",
    );
    check(
        "[appservice]",
        "[appservice]\nbot = \"umstieg\"",
        "line 8, appservice.bot: has to begin with user_prefix (_umstieg_), for example _umstieg_bot",
    );
    check(
        "[appservice]",
        "[appservice]\nbot = \"_umstieg_fax_1\"",
        "line 8, appservice.bot: _umstieg_kim_…, _umstieg_fax_… and _umstieg_sender_… are taken",
    );
    check(
        "[appservice]",
        "[appservice]\nbot = \"_umstieg_\"",
        "line 8, appservice.bot: expected _umstieg_ and a short name of a-z, 0-9, . _ and -",
    );
    check(
        "[appservice]",
        "[appservice]\nid = \"um stieg\"",
        "line 8, appservice.id: expected 1 to 64 characters: letters, digits, . _ and -",
    );
    check(
        "label = \"KIM\"",
        "label = \"KIM\\nPraxis\"",
        "line 13, channel.label: expected a label: not empty, on one line",
    );
}

#[test]
fn two_doors_in_one_place() {
    check(
        "[homeserver]",
        "[monitoring]\nlisten = \"127.0.0.1:9800\"\n[homeserver]",
        "line 5, monitoring.listen: is the same as appservice.listen; choose another port",
    );
}

#[test]
fn two_channels_on_one_mailbox() {
    let text = GOOD.replace("port = 993", "port = 995").replace("fax-in", "kim-in");
    assert_eq!(
        mistakes(&text),
        ["line 37, channel.inbox.user: another channel reads the same mailbox; every mail would \
          arrive twice"]
    );
}

#[test]
fn plain_text_is_for_loopback_only() {
    check(
        "host = \"127.0.0.1\"",
        "tls = \"none\"\nhost = \"mail.example\"",
        "line 18, channel.inbox.tls: \"none\" is allowed on loopback only; use \"implicit\" or \
         \"starttls\"",
    );
    let text = GOOD.replace("port = 995", "port = 995\ntls = \"none\"");
    assert_eq!(mistakes(&text), Vec::<String>::new());
}

#[test]
fn a_pin_is_a_sha_256_fingerprint() {
    const WRONG: &str = "line 20, channel.inbox.pin_sha256: expected a SHA-256 fingerprint: 64 \
                         hexadecimal digits, colons allowed";
    for wrong in ["", "00:11", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
        check("port = 995", &format!("port = 995\npin_sha256 = [\"{wrong}\"]"), WRONG);
    }
    let pin = format!("0a:{}", "FF".repeat(31));
    let text = GOOD.replace("port = 995", &format!("port = 995\npin_sha256 = [\"{pin}\"]"));
    let settings = read(&text).unwrap().settings;
    let trust = &settings.channels.first().unwrap().intake.inbox().unwrap().server.trust;
    let pinned = matches!(trust, ServerTrust::Pins(pins) if *pins == [pin.parse().unwrap()]);
    assert!(pinned, "{trust:?}");
}

#[test]
fn a_server_is_known_in_one_way() {
    check(
        "port = 995",
        "port = 995\npin_sha256 = []",
        "line 20, channel.inbox.pin_sha256: must not be empty: no certificate would be trusted",
    );
    let pin = "00".repeat(32);
    let text = GOOD
        .replace("port = 995", &format!("port = 995\npin_sha256 = [\"{pin}\"]\nca_file = \"/no\""));
    let shown = mistakes(&text).join("\n");
    assert!(shown.contains("line 20, channel.inbox.pin_sha256: give either ca_file or"), "{shown}");
    check(
        "port = 995",
        "port = 995\ntimeout_seconds = 5",
        "line 20, channel.inbox.timeout_seconds: expected a whole number from 10 to 3600, found another one",
    );
}

/// What the settings say of a server arrives at the server.
#[test]
fn a_server_gets_every_key_it_is_described_by() {
    let text = GOOD.replace("port = 995", "port = 995\ntimeout_seconds = 12");
    let settings = read(&text).unwrap().settings;
    let kim = settings.channels.first().unwrap();
    assert_eq!(kim.intake.inbox().unwrap().server.timeouts.silence, Duration::from_secs(12));
    assert_eq!(kim.outbox.timeouts, Timeouts::default());
    assert_eq!(
        (kim.intake.inbox().unwrap().server.port, kim.intake.inbox().unwrap().server.tls),
        (995, TlsMode::Implicit)
    );
    for name in ["a..b", ".mail.example", "-", "a b", "[::1]"] {
        check(
            "host = \"127.0.0.1\"",
            &format!("host = \"{name}\""),
            "line 18, channel.inbox.host: expected a host name or an IP address without scheme, \
             port and path",
        );
    }
}

#[test]
fn all_mistakes_are_named_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("language = \"de\"", "language = \"fr\"")
        .replace("server_name = \"praxis.example\"\n", "")
        .replace("port = 995", "port = \"995\"\ncolour = \"red\"");
    let error = read(&text).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "umstieg.toml has 4 mistakes:",
            "  line 1, language",
            "  line 4, homeserver.server_name",
            "  line 18, channel.inbox.port",
            "  line 19, channel.inbox.colour",
        ]
    );
}

/// Every mistake is a phrase, so it is enough to see that the phrases stand in the sentences around them.
#[test]
fn mistakes_are_told_in_german_too() {
    let told = |text: &str| read(text).unwrap_err().telling().in_lines(Language::German);
    let one = GOOD.replace("port = 995", "port = \"995\"");
    assert_eq!(
        told(&one),
        "umstieg.toml, Zeile 19, channel.inbox.port: Hier gehört eine ganze Zahl von 1 bis 65535 \
         hin, gefunden: ein Text"
    );
    let two = GOOD
        .replace("port = 995", "port = 995\ncolour = \"red\"")
        .replace("password = \"geheim-3\"\n", "");
    assert_eq!(
        told(&two),
        "umstieg.toml enthält 2 Fehler:\n  \
         Zeile 20, channel.inbox.colour: Diesen Schlüssel gibt es nicht. Erlaubt sind hier: \
         after_relay, ca_file, client_cert_file, client_key_file, host, mail_bytes_max, password, \
         password_env, password_file, peers, pin_sha256, poll_seconds, port, protocol, recipients, since, \
         timeout_seconds, tls, user\n  \
         Zeile 34, channel.inbox.password: Das fehlt: das Passwort für die Anmeldung; \
         stattdessen geht auch password_file oder password_env"
    );
    let missing = load(Path::new("/no/such/umstieg.toml"), &nothing).unwrap_err();
    let told = missing.telling().in_lines(Language::German);
    assert!(told.starts_with("Es gibt keine Einstellungen. Bitte kopieren Sie"), "{told}");
    assert!(told.contains("\n  Ursache: Die Datei /no/such/umstieg.toml"), "{told}");
}
