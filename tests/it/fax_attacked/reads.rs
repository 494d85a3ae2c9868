//! Mails that are read as something else than they are.

use umstieg::{
    channel::{
        CallerDoubt, Channel, Country, Dialect, Entrance, EntranceAddress, FaxForm, FaxMail,
        FaxReportSays, FaxSaid, entrance_for,
    },
    mail,
    model::{Correspondent, DeliveryState, FaxNumber, Letter, MailAddress, RoomCommand, Words},
    rules::{
        commands::{Asked, asked},
        reported::{is_of_number, said_by_gateway},
    },
};

use crate::faxes_read::channel;

fn of(profile: &str) -> Channel {
    channel(FaxForm::named(profile).unwrap())
}

/// A mail of a gateway.
fn letter(subject: &str, text: &str) -> Letter {
    mail::parse(
        format!(
            "From: Fax <fax@gateway.example>\nTo: praxis@praxis.example\nSubject: {subject}\n\
             Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=b\n\n\
             --b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n\
             --b\nContent-Type: application/pdf; name=fax.pdf\n\
             Content-Disposition: attachment; filename=fax.pdf\n\n%PDF-1.4 fax\n--b--\n"
        )
        .as_bytes(),
    )
}

/// FAX-7, FAX-25: "what only the sending machine says is claimed". An attacker withholds their number and
/// types another one into their machine.
#[test]
fn a_withheld_number_makes_nobody_sure_of_what_a_machine_says() {
    for (profile, subject, text) in [
        ("efax", "eFax from \"+49 30 111111\" - 2 page(s)", "You have received a 2 page fax."),
        ("efax", "eFax from 030111111 - 1 page(s), Caller-ID: unknown", ""),
        ("efax", "eFax from 030111111 - 1 page(s), Caller-ID: anonymous", ""),
        ("metrofax", "MetroFax message from \"030111111\"", ""),
        ("hylafax", "Fax received from \"030111111\"", ""),
        ("generic", "Fax received from \"030111111\"", ""),
    ] {
        let letter = letter(subject, text);
        let channel = of(profile);
        let number = channel.correspondent_of(&letter).unwrap().key().into_owned();
        let doubt = channel.doubt_of(&letter);
        assert!(
            matches!(doubt, Some(CallerDoubt::Claimed(_))) || number == "unknown",
            "{profile}: {subject}: {number} is taken for the caller's, {doubt:?}"
        );
    }
}

fn said(profile: &str, subject: &str, text: &str) -> FaxSaid {
    match of(profile).fax_mail(&letter(subject, text)) {
        Some(FaxMail::Report(said)) => said,
        other => panic!("{subject} is {other:?}"),
    }
}

/// FAX-31: "as many pages as the fax had". The report names a number of pages, and it is another one.
#[test]
fn no_page_or_one_of_two_is_not_sent() {
    let tag = format!("u{}", "0f".repeat(16));
    for pages in ["0", "1 of 2", "1/2", "1 (of 2)", "01"] {
        let subject = format!("facsimile job {tag} (7) to 030222222 completed");
        let said =
            said("hylafax", &subject, &format!("Your job was completed.\n\n  Pages: {pages}\n"));
        assert_eq!(said.says, FaxReportSays::Sent);
        let state = said_by_gateway(&said, Some(2), 0).map(|says| says.state);
        assert_ne!(state, Some(DeliveryState::Delivered), "of two pages were sent: {pages}");
    }
}

/// FAX-31: a gateway that adds a page sends three where we had two. If it sent two, one of ours is missing.
#[test]
fn the_page_that_a_gateway_adds_is_none_of_ours() {
    let tag = format!("u{}", "0f".repeat(16));
    let subject = format!("facsimile job {tag} (7) to 030222222 completed");
    let said = said("hylafax", &subject, "Your job was completed.\n\n  Pages: 2\n");
    let state = said_by_gateway(&said, Some(2), 1).unwrap().state;
    assert_ne!(state, DeliveryState::Delivered, "a cover and one page of two");
}

/// Promise 1, FAX-5: a call that brought a document brought a fax, whatever the words beside it say. The words
/// may be a stranger's: a gateway that writes what it reads on the page into its mail.
#[test]
fn a_mail_with_a_document_is_no_call_without_a_fax() {
    for (profile, text) in [
        ("generic", "Fax not received yesterday, so here it is once more.\nDr. Test"),
        ("generic", "Ein Versuch, ein Fax zu empfangen, war gestern vergeblich."),
        ("hylafax", "An attempt to receive a facsimile failed after 2 pages:\n\n\tline dropped\n"),
    ] {
        let letter = letter("Fax received from \"030 111111\"", text);
        assert_eq!(letter.attachments.len(), 1);
        let mail = of(profile).fax_mail(&letter).unwrap();
        assert!(!matches!(mail, FaxMail::Missed(_)), "{profile}: {text:?} is read as {mail:?}");
    }
}

/// FAX-9: "a fax address … is compared by its digits".
#[test]
fn a_fax_address_is_compared_by_its_digits() {
    let address = |text: &str| MailAddress::new(text).unwrap();
    let own = EntranceAddress::new(&address("FAX=+4930111111@umstieg.internal"));
    let door = Entrance { recipients: vec![own], peers: Vec::new(), login: None };
    for recipient in ["FAX=+49-30-111111@umstieg.internal", "FAX=4930111111@umstieg.internal"] {
        assert_eq!(entrance_for([&door], &address(recipient)), Some(0), "{recipient}");
    }
}

/// FAX-7, FAX-8: a gateway that leaves the zero of the caller's number out, as HylaFAX does in the samples,
/// writes 04921 223456 (Emden) as 4921223456. Read as +49 212 23456, it is a stranger's in Solingen, although
/// the machine says who it is.
#[test]
fn a_caller_whose_area_code_begins_with_49_is_no_stranger() {
    for (own, without_zero) in [
        ("+49 4921 223456", "4921223456"),
        ("+49 4961 423456", "4961423456"),
        ("+49 4941 523456", "4941523456"),
    ] {
        let text =
            format!("recvq/fax1.tif:\n  Sender: {own}\n  Pages: 1\n CallID1: {without_zero}\n");
        let letter = letter(&format!("Fax received from \"{own}\""), &text);
        let number = of("hylafax").correspondent_of(&letter).unwrap().key().into_owned();
        assert_eq!(number, own.replace(' ', ""), "{without_zero}");
    }
}

/// "No number is better than a wrong one": nobody knows which of the two is meant.
#[test]
fn a_number_that_may_be_two_is_none() {
    let text = "recvq/fax1.tif:\n  Sender: Praxis Emden\n  Pages: 1\n CallID1: 4921223456\n";
    let letter = letter("Fax received from \"Praxis Emden\"", text);
    let (number, doubt) =
        (of("hylafax").correspondent_of(&letter).unwrap(), of("hylafax").doubt_of(&letter));
    assert!(
        number == Correspondent::UnknownFax || doubt.is_some(),
        "04921 223456 and 0212 23456 are both written like this, and it is taken for {}",
        number.key()
    );
}

/// FAX-8, FAX-25: what is dialled within a country is the same number.
#[test]
fn what_is_dialled_at_home_is_the_number_that_was_meant() {
    let mut wrong = Vec::new();
    for (country, number, dialled) in [
        ("DE", "+49301234567", "0301234567"),
        ("DE", "+4915112345678", "015112345678"),
        ("AT", "+4315010012345", "015010012345"),
        ("CH", "+41446681800", "0446681800"),
        ("IT", "+390612345678", "0612345678"),
        ("IT", "+390236714000", "0236714000"),
        ("FR", "+33142685300", "0142685300"),
        ("LU", "+35226251234", "26251234"),
        ("HU", "+3612345678", "0612345678"),
        ("PL", "+48221234567", "221234567"),
        ("GB", "+442079460000", "02079460000"),
        ("CZ", "+420222123456", "222123456"),
        ("ES", "+34911234567", "911234567"),
    ] {
        let mut channel = of("hylafax");
        let country = Country::new(country).unwrap();
        if let Dialect::Fax(profile) = &mut channel.dialect {
            (profile.country, profile.countries) = (country, vec![country]);
        }
        let to = channel.recipient(&Correspondent::Fax(FaxNumber::new(number).unwrap()));
        let to = to.map(|to| to.local().to_owned()).map_err(|why| why.word());
        if to != Ok(dialled.to_owned()) {
            wrong.push(format!("{number} within {country:?} is dialled as {to:?}, not {dialled}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// FAX-6: what a machine says of itself is no number of pages that the gateway names. "The fax service names 9
/// pages" would be a stranger's word.
#[test]
fn a_station_that_is_called_nine_pages_names_no_pages() {
    for subject in ["Facsimile received from 9 pages", "Fax received from \"x 9 pages x\""] {
        let fax = match of("generic").fax_mail(&letter(subject, "Ein Fax")) {
            Some(FaxMail::Fax(fax)) => fax,
            other => panic!("{subject} is {other:?}"),
        };
        assert_eq!(fax.pages, None, "{subject}");
    }
}

/// FAX-25: emergency numbers are never dialled. In Germany the ambulance and the poison centre answer under one
/// number in each area.
#[test]
fn no_fax_rings_at_the_ambulance_or_the_poison_centre() {
    for number in ["+493019222", "+498919222", "+493019240", "+498919240"] {
        let to = of("hylafax").recipient(&Correspondent::Fax(FaxNumber::new(number).unwrap()));
        assert!(to.is_err(), "{number} is dialled as {:?}", to.map(|to| to.local().to_owned()));
    }
}

/// FAX-27: "Places: … `{tag}` (a word by which reports name the fax)". A profile may have it in the address: then
/// it is there, or the profile is refused. Without it no report of that gateway ever says "sent".
#[test]
fn a_tag_in_the_address_is_in_the_address() {
    let text =
        "product = \"x\"\nknown_from = \"mails\"\n[sends]\naddress = \"{digits}.{tag}@{domain}\"\n";
    let Ok(form) = FaxForm::read("own", text) else { return };
    let number = FaxNumber::new("+49301234567").unwrap();
    let to = channel(std::sync::Arc::new(form)).recipient(&Correspondent::Fax(number));
    let to = to.unwrap().local().to_owned();
    assert!(to.len() > "49301234567.".len(), "the gateway is to fax to {to}");
}

/// FAX-28: "the number, as it is or as it was dialled". Behind an exchange, with a zero before it, 0331 55501234
/// (Potsdam) is dialled as 0033155501234, and that is no number in France.
#[test]
fn a_report_about_a_number_with_a_zero_before_it_is_about_that_number() {
    let tag = format!("u{}", "0f".repeat(16));
    for (number, dialled) in
        [("+4933155501234", "0033155501234"), ("+493023125999", "003023125999")]
    {
        let subject = format!("facsimile job {tag} (7) to {dialled} failed");
        let said = said("hylafax", &subject, "Your job failed because:\n\nNo answer from remote\n");
        assert!(said.about.is_some());
        let number = FaxNumber::new(number).unwrap();
        assert!(
            is_of_number(&said, &number),
            "{dialled} is read as {:?}",
            said.to.map(|to| to.as_str().to_owned())
        );
    }
}

/// FAX-25: paper cannot be called back. Whoever answers a preview that it must not leave does not send it.
#[test]
fn a_no_is_no_confirmation() {
    for no in ["!faxen nicht", "!faxen noch nicht, die Nummer ist falsch", "!faxen? Nein!"] {
        let body = no.to_owned();
        let command = match asked(&Words { body, html: None }) {
            Some(Asked::Known { command, .. }) => Some(command.command),
            _ => None,
        };
        assert_ne!(command, Some(RoomCommand::SendFax), "{no:?} lets the fax leave");
    }
}
