//! Who wrote a letter, and where an answer goes.

use super::*;
use crate::model::{FaxNumber, NamedAddress, OriginCheck};

fn mail(text: &str) -> MailAddress {
    MailAddress::new(text).unwrap()
}

fn channel(address: &str, dialect: Dialect) -> Channel {
    Channel {
        name: ChannelName::new("test").unwrap(),
        label: "Praxis".to_owned(),
        address: mail(address),
        team: vec!["@anna:praxis.example".to_owned()],
        speakers: vec!["@anna:praxis.example".to_owned()],
        rights: Rights::default(),
        thread_by: ThreadBy::Thread,
        collect: Duration::from_secs(20),
        language: Language::German,
        trust: Trust::CrossSigned,
        tells_clients: false,
        insured_persons: false,
        alarm: Duration::from_secs(60),
        has_team_room: true,
        tray: Default::default(),
        dialect,
    }
}

fn kim() -> Channel {
    channel(
        "praxis@mueller.kim.telematik",
        Dialect::Kim(KimProfile::new(KimEnvironment::Production)),
    )
}

fn fax() -> Channel {
    let germany = Country::new("DE").unwrap();
    let profile = FaxProfile {
        form: FaxForm::named("generic").unwrap(),
        domain: "gateway.example".to_owned(),
        address: None,
        code: None,
        number: FaxNumber::new("+493011111111").unwrap(),
        country: germany,
        area: None,
        countries: vec![germany],
        senders: vec![
            SenderRule::new("fax@gateway.example").unwrap(),
            SenderRule::new("@lines.example").unwrap(),
        ],
        send: FaxSend::On,
        tagged_sender: false,
        authserv_id: None,
        keep_days: None,
        pages_max: FaxProfile::PAGES_MAX,
        mail_bytes_max: FaxProfile::MAIL_BYTES_MAX,
        showing: Default::default(),
        address_book: None,
        document_number: Default::default(),
    };
    channel("praxis@gateway.example", Dialect::Fax(profile))
}

fn letter(from: &[&str], subject: &str) -> Letter {
    Letter {
        from: from.iter().map(|a| NamedAddress { name: None, address: mail(a) }).collect(),
        subject: subject.to_owned(),
        ..Letter::default()
    }
}

/// FAX-12: with `authserv_id` a fax counts only if that server confirms the domain of its From, and only the
/// last word of that server does.
#[test]
fn fax_12_a_mail_server_that_is_named_has_to_confirm_the_sender() {
    let mut channel = fax();
    let Dialect::Fax(profile) = &mut channel.dialect else { panic!("a fax channel") };
    profile.authserv_id = Some("mx.praxis.example".to_owned());
    let check = |server: &str, domains: &[&str]| OriginCheck {
        server: server.to_owned(),
        domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
    };
    let (ours, other) = ("mx.praxis.example", "mx.evil.example");
    for (from, checks, is_proven) in [
        ("fax@gateway.example", vec![check(ours, &["gateway.example"])], true),
        ("fax@gateway.example", vec![check(other, &[]), check(ours, &["gateway.example"])], true),
        ("fax@gateway.example", vec![], false),
        ("fax@gateway.example", vec![check(other, &["gateway.example"])], false),
        ("fax@gateway.example", vec![check(ours, &["evil.example"])], false),
        ("fax@gateway.example", vec![check(ours, &["way.example", "fax.gateway.example"])], false),
        // What stands below may have come with the mail.
        ("fax@gateway.example", vec![check(ours, &[]), check(ours, &["gateway.example"])], false),
        ("030@lines.example", vec![check(ours, &["lines.example"])], true),
    ] {
        let letter = Letter { origin_checks: checks, ..letter(&[from], "Fax") };
        let author = channel.correspondent_of(&letter);
        assert_eq!(author.is_ok(), is_proven, "{letter:?}");
        assert!(is_proven || author == Err(WhyNot::SenderNotProven), "{author:?}");
    }
}

#[test]
fn a_kim_letter_has_exactly_one_sender() {
    let check = |from: &[&str], expected: Result<&str, WhyNot>| {
        let actual = kim().correspondent_of(&letter(from, "Befund"));
        assert_eq!(actual, expected.map(|a| Correspondent::Mail(mail(a))), "{from:?}");
    };
    check(&["erik@hrst_domain.kim.telematik"], Ok("erik@hrst_domain.kim.telematik"));
    check(&[], Err(WhyNot::NoSender));
    check(&["a@b.kim.telematik", "c@d.kim.telematik"], Err(WhyNot::SeveralSenders));
}

/// R15: an unreadable sender counts too.
#[test]
fn r15_a_letter_of_several_senders_is_nobody_s() {
    let mut letter = letter(&["a@b.kim.telematik"], "Befund");
    letter.defects = vec![Defect::SeveralSenders];
    assert_eq!(kim().correspondent_of(&letter), Err(WhyNot::SeveralSenders));
    letter.defects = vec![Defect::NoSender];
    assert_eq!(kim().correspondent_of(&letter), Err(WhyNot::NoSender));
}

#[test]
fn b23_answers_go_where_they_are_wanted_if_kim_reaches_it() {
    let check = |from: &str, reply_to: &[&str], expected: AnswersTo| {
        let mut letter = letter(&[from], "Befund");
        letter.reply_to =
            reply_to.iter().map(|a| NamedAddress { name: None, address: mail(a) }).collect();
        assert_eq!(kim().answers_to(&letter), expected, "{from} {reply_to:?}");
    };
    let (from, station) = ("erik@hrst.kim.telematik", "station4@hrst.kim.telematik");
    let (us, outside) = ("praxis@mueller.kim.telematik", "station4@hrst.example");
    let elsewhere = |has_more| AnswersTo::Elsewhere { to: mail(station), has_more };
    let out_of_reach = |wanted: &str| AnswersTo::OutOfReach { wanted: Some(mail(wanted)) };
    check(from, &[], AnswersTo::Sender);
    check(from, &[from], AnswersTo::Sender);
    check(from, &[us], AnswersTo::Sender);
    check(from, &[station, from], AnswersTo::Sender);
    check(from, &[station], elsewhere(false));
    check(from, &[us, station, station], elsewhere(false));
    check(from, &[outside, station], elsewhere(true));
    check(from, &[station, "labor@hrst.kim.telematik"], elsewhere(true));
    check(from, &[outside], out_of_reach(outside));
    check(from, &["s@hrst.kim.telematik-test"], out_of_reach("s@hrst.kim.telematik-test"));
    check("noreply@hrst.kim.telematik", &[], AnswersTo::Nobody);
    check("do-not-reply@hrst.kim.telematik", &[us], AnswersTo::Nobody);
    check("noreply@hrst.kim.telematik", &[station], elsewhere(false));
    let mut unreadable = letter(&[from], "Befund");
    unreadable.defects = vec![Defect::ReplyToUnreadable];
    assert_eq!(kim().answers_to(&unreadable), AnswersTo::OutOfReach { wanted: None });
    let mut by_fax = letter(&["fax@gateway.example"], "Fax from +49301234567");
    by_fax.reply_to = vec![NamedAddress { name: None, address: mail(station) }];
    assert_eq!(fax().answers_to(&by_fax), AnswersTo::Sender);
}

#[test]
fn kim_26_recipients_are_kim_addresses_of_our_own_environment() {
    let check = |to: &str, expected: Result<(), WhyNot>| {
        let actual = kim().recipient(&Correspondent::Mail(mail(to)));
        assert_eq!(actual, expected.map(|()| mail(to)), "{to}");
    };
    check("erik@hrst_domain.kim.telematik", Ok(()));
    check("erik@kim.telematik", Err(WhyNot::NotKim));
    check("erik@praxis.example", Err(WhyNot::NotKim));
    check("erik@x.kim.telematik.evil.example", Err(WhyNot::NotKim));
    check("erik@evilkim.telematik", Err(WhyNot::NotKim));
    check("e+rik@hrst.kim.telematik", Err(WhyNot::NotKim));
    check("erik@hrst.kim.telematik-test", Err(WhyNot::OtherEnvironment));
}

#[test]
fn kim_23_every_kim_mail_names_its_service_and_its_system() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        kim().extra_headers(),
        [
            ("X-KIM-Dienstkennung".to_owned(), "KIM-Mail;Default;V1.0".to_owned()),
            ("X-KIM-Sendersystem".to_owned(), format!("Umstieg;{version}")),
        ]
    );
    assert_eq!(fax().extra_headers(), []);
}

#[test]
fn kim_25_takes_attachments_and_fax_23_one_pdf() {
    assert_eq!(kim().writes(), Writes::MailWithAttachments);
    assert_eq!(fax().writes(), Writes::OnePdf);
    assert_eq!((kim().pages_max(), fax().pages_max()), (None, Some(FaxProfile::PAGES_MAX)));
    assert_eq!(kim().mail_bytes_max(), 15 * 1024 * 1024);
}

#[test]
fn fax_12_only_the_gateway_brings_faxes() {
    let check = |from: &[&str], expected: Result<Correspondent, WhyNot>| {
        assert_eq!(
            fax().correspondent_of(&letter(from, "Fax from +49301234567")),
            expected,
            "{from:?}"
        );
    };
    let caller = Correspondent::Fax(FaxNumber::new("+49301234567").unwrap());
    check(&["fax@gateway.example"], Ok(caller.clone()));
    check(&["any@lines.example"], Ok(caller));
    check(&["other@gateway.example"], Err(WhyNot::SenderNotAllowed));
    check(&["any@sub.lines.example"], Err(WhyNot::SenderNotAllowed));
    check(&["fax@evil.example"], Err(WhyNot::SenderNotAllowed));
    check(&["fax@gateway.example", "fax@evil.example"], Err(WhyNot::SeveralSenders));
    check(&[], Err(WhyNot::NoSender));
}

#[test]
fn fax_7_and_8_the_subject_tells_the_caller_in_one_form() {
    let check = |subject: &str, expected: Option<&str>| {
        let expected = expected.map_or(Correspondent::UnknownFax, |number| {
            Correspondent::Fax(FaxNumber::new(number).unwrap())
        });
        let actual = fax().correspondent_of(&letter(&["fax@gateway.example"], subject));
        assert_eq!(actual, Ok(expected), "{subject}");
    };
    for notation in [
        "+49301234567",
        "49301234567",
        "0049301234567",
        "0301234567",
        "+49 30 123 45 67",
        "+49 (0)30 1234567",
        "030/123-4567",
        "(030) 1234567",
    ] {
        check(&format!("Fax from {notation}"), Some("+49301234567"));
    }
    // HylaFAX writes there what the machine says of itself.
    for subject in ["Fax received from \"030 1234567\"", "Fax empfangen von +49 30 1234567"] {
        let claimed = Correspondent::ClaimedFax(FaxNumber::new("+49301234567").unwrap());
        let author = fax().correspondent_of(&letter(&["fax@gateway.example"], subject));
        assert_eq!(author, Ok(claimed), "{subject}");
    }
    check("Neues Fax von: 030 1234567", Some("+49301234567"));
    check("New fax from: \"Praxis\" <0301234567>", Some("+49301234567"));
    check("Fax von Dr. Erik Muster (0301234567)", Some("+49301234567"));
    check("FAX FROM  +43 1 5010 0", Some("+43150100"));
    check("Fax received from \"\"", None);
    check("Fax received from \"Praxis Dr Mueller\"", None);
    check("Fax from anonymous", None);
    check("Fax from <NONE>", None);
    check("Fax from <UNSPECIFIED>", None);
    check("Fax from 110", None);
    check("Fax from 1234567", None);
    check("Fax from +49301234567 +49301234568", None);
    check("Sie haben Post", None);
    check("", None);
}

#[test]
fn fax_25_a_number_is_checked_before_it_is_dialled() {
    let check = |number: &str, expected: Result<&str, WhyNot>| {
        let to = Correspondent::Fax(FaxNumber::new(number).unwrap());
        assert_eq!(fax().recipient(&to), expected.map(mail), "{number}");
    };
    check("+49301234567", Ok("49301234567@gateway.example"));
    check("+4911011011", Err(WhyNot::EmergencyNumber));
    check("+49116117", Err(WhyNot::EmergencyNumber));
    check("+49115000", Err(WhyNot::ShortNumber));
    check("+491805123456", Err(WhyNot::PremiumNumber));
    check("+870771234567", Err(WhyNot::SatelliteNumber));
    check("+493011111111", Err(WhyNot::OwnNumber));
    check("+499001234567", Err(WhyNot::PremiumNumber));
    check("+43150100", Err(WhyNot::OtherCountry));
    check("+999123456789", Err(WhyNot::NoSuchNumber));
    assert_eq!(fax().recipient(&Correspondent::UnknownFax), Err(WhyNot::UnknownNumber));
}

#[test]
fn a_channel_writes_only_to_its_own_kind() {
    let number = Correspondent::Fax(FaxNumber::new("+49301234567").unwrap());
    let address = Correspondent::Mail(mail("erik@hrst.kim.telematik"));
    assert_eq!(kim().recipient(&number), Err(WhyNot::OtherKind));
    assert_eq!(kim().recipient(&Correspondent::UnknownFax), Err(WhyNot::OtherKind));
    assert_eq!(fax().recipient(&address), Err(WhyNot::OtherKind));
}

#[test]
fn a_channel_does_not_print_whom_it_names() {
    assert_eq!(format!("{:?}", kim()), "Channel(test, kim)");
}

#[test]
fn only_speakers_speak() {
    assert!(kim().lets_speak("@anna:praxis.example"));
    assert!(!kim().lets_speak("@berta:praxis.example"));
    assert!(!kim().lets_speak(""));
}
