//! What each gateway's mails say, read with its profile and with the others (FAX-1, FAX-4 to FAX-8,
//! FAX-11, FAX-22, FAX-28, FAX-31, FAX-32). The mails are in `tests/faxes`, named by their profile; their
//! documents are cut.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use umstieg::{
    channel::{
        CallerDoubt, Channel, Country, Dialect, FaxForm, FaxMail, FaxProfile, FaxReportSays,
        FaxSend, SenderRule, ThreadBy,
    },
    mail,
    model::{ChannelName, FaxNumber, Language, Letter, MailAddress, ReportSource, Trust},
};

use crate::golden::as_golden_files_say;

/// A fax channel with this profile. All gateways of the samples may bring faxes to it.
pub(crate) fn channel(form: Arc<FaxForm>) -> Channel {
    let germany = Country::new("DE").unwrap();
    let domains = [
        "gateway.example",
        "freepbx.pbx",
        "inbound.efax.com",
        "faxgw.example",
        "faxstation.example",
        "ictfax.example",
        "ifax.example",
        "interfax.example",
        "mail.example",
        "voip.example",
    ];
    let profile = FaxProfile {
        form,
        domain: "gateway.example".to_owned(),
        address: None,
        code: None,
        number: FaxNumber::new("+4930222222").unwrap(),
        country: germany,
        area: None,
        countries: vec![germany],
        senders: domains.map(|domain| SenderRule::new(&format!("@{domain}")).unwrap()).to_vec(),
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
    Channel {
        name: ChannelName::new("fax").unwrap(),
        label: "Praxis".to_owned(),
        address: MailAddress::new("praxis@praxis.example").unwrap(),
        team: Vec::new(),
        speakers: Vec::new(),
        rights: umstieg::channel::Rights::default(),
        thread_by: ThreadBy::Correspondent,
        collect: Duration::from_secs(20),
        language: Language::German,
        trust: Trust::CrossSigned,
        tells_clients: false,
        insured_persons: false,
        alarm: Duration::from_secs(60),
        has_team_room: true,
        tray: Default::default(),
        dialect: Dialect::Fax(profile),
    }
}

/// Every sample: its name without `.eml`, and what it is.
fn samples() -> Vec<(String, Letter)> {
    let read = |name: String| {
        let mail = fs::read(folder().join(format!("{name}.eml"))).unwrap();
        (name, mail::parse(&mail))
    };
    names().into_iter().map(read).collect()
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faxes")
}

/// The names of all samples, in their order.
pub(crate) fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = files
        .filter_map(|file| file.into_string().unwrap().strip_suffix(".eml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// The profile of the gateway that wrote it.
pub(crate) fn form_of(sample: &str) -> Arc<FaxForm> {
    let of = |form: &&Arc<FaxForm>| sample.starts_with(&form.name);
    let form = FaxForm::shipped().iter().filter(of).max_by_key(|form| form.name.len());
    form.unwrap_or_else(|| panic!("no profile for {sample}")).clone()
}

/// One line that a person can check against the mail.
fn line(channel: &Channel, letter: &Letter) -> String {
    let from = match channel.correspondent_of(letter) {
        Ok(correspondent) => correspondent.key().into_owned(),
        Err(why) => why.word().to_owned(),
    };
    let doubt = match channel.doubt_of(letter) {
        Some(CallerDoubt::Claimed(_)) => " (claimed)".to_owned(),
        Some(CallerDoubt::Differs { station, .. }) => format!(" (says {station})"),
        None => String::new(),
    };
    let files: Vec<&str> = letter.attachments.iter().map(|file| file.media_type.as_str()).collect();
    if let Some(report) = &letter.report
        && report.source != ReportSource::Absence
    {
        let fates: Vec<_> = report.fates.iter().map(|fate| fate.end.word()).collect();
        return format!("report of mail servers: {}", fates.join(", "));
    }
    match channel.fax_mail(letter).unwrap() {
        FaxMail::Fax(fax) => {
            let pages = fax.pages.map_or("?".to_owned(), |pages| pages.to_string());
            let part = fax.incomplete.map(|why| format!(", incomplete: {why}")).unwrap_or_default();
            let name = fax.name.map(|name| format!(", name {name}")).unwrap_or_default();
            format!("fax from {from}{doubt}{name}, pages {pages}{part}, files {files:?}")
        }
        FaxMail::Missed(call) => {
            format!("no fax came: {}", call.reason.unwrap_or("no reason".to_owned()))
        }
        FaxMail::Report(said) => {
            let to = said.to.map(|to| to.as_str().to_owned()).or(said.to_digits);
            format!(
                "report {:?} to {}, ours {}, pages {:?}, why {}{}",
                said.says,
                to.unwrap_or("?".to_owned()),
                said.about.is_some(),
                said.pages,
                said.why.word(),
                said.reason.map(|reason| format!(": {reason}")).unwrap_or_default(),
            )
        }
        FaxMail::Other => format!("of another form, from {from}"),
    }
}

#[test]
fn fax_1_every_sample_is_read_by_its_profile() {
    let mut lines = Vec::new();
    for (name, letter) in samples() {
        lines.push(format!("{name}: {}\n", line(&channel(form_of(&name)), &letter)));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faxes/read.txt");
    as_golden_files_say([("faxes".to_owned(), path, lines.concat())]);
}

/// FAX-42: `Received: 2026:11:23 13:13:00` has no zone.
#[test]
fn fax_42_only_the_date_of_a_mail_tells_when_a_fax_came() {
    use time::macros::datetime;
    let date = |name: &str| {
        let samples = samples();
        samples.iter().find(|(other, _)| other == name).unwrap().1.date
    };
    assert_eq!(date("hylafax_en_as_piped"), None);
    assert_eq!(date("hylafax_en_pdf"), Some(datetime!(2026-11-23 13:13:04 UTC)));
}

/// FAX-22, FAX-30: a profile that does not know a mail gives no number to it that its own profile would
/// not give, and never takes another gateway's mail for a fax of ours that was sent.
#[test]
fn fax_22_no_profile_reads_another_gateways_mail_as_something_it_is_not() {
    for (name, letter) in samples() {
        let own = channel(form_of(&name));
        let is_report = matches!(own.fax_mail(&letter), Some(FaxMail::Report(_)));
        let is_missed = matches!(own.fax_mail(&letter), Some(FaxMail::Missed(_)));
        for form in FaxForm::shipped() {
            let other = channel(form.clone());
            match other.fax_mail(&letter).unwrap() {
                FaxMail::Report(said) => {
                    let is_same = is_report
                        && match own.fax_mail(&letter) {
                            Some(FaxMail::Report(own)) => own.says == said.says,
                            _ => false,
                        };
                    assert!(
                        is_same || said.says != FaxReportSays::Sent,
                        "{} reads {name}",
                        form.name
                    );
                }
                FaxMail::Missed(_) => assert!(is_missed, "{} reads {name}", form.name),
                FaxMail::Fax(_) | FaxMail::Other => {
                    let number = other.correspondent_of(&letter).unwrap().number().cloned();
                    let right = own.correspondent_of(&letter).unwrap().number().cloned();
                    let is_reported = is_report || is_missed;
                    assert!(
                        is_reported || number.is_none() || number == right,
                        "{} reads {number:?} from {name}",
                        form.name
                    );
                }
            }
        }
    }
}
