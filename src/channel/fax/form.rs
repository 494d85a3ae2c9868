//! What differs between makes of fax gateways, as a file each (FAX-22).
//!
//! The files that ship are in `profiles/`; an admin's own have the same form (`docs/fax.md`).

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde::Deserialize;

use super::template::Template;
use crate::model::FateWhy;

/// Longest file of a profile, in bytes.
pub const PROFILE_BYTES_MAX: usize = 64 * 1024;

/// A make of gateway: how its mails read, and what it wants of ours.
///
/// Two are the same when their names are; the names of all that are known differ.
#[derive(Debug)]
pub struct FaxForm {
    /// The word for it in settings: the name of its file.
    pub name: String,
    pub about: FaxFormAbout,
    pub sends: FaxSends,
    pub received: FaxReceived,
    pub missed: FaxMissed,
    pub reports: FaxReports,
}

impl PartialEq for FaxForm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for FaxForm {}

/// A file's tables, as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormFile {
    product: String,
    known_from: KnownFrom,
    #[serde(default)]
    remark: String,
    #[serde(default)]
    also_called: Vec<String>,
    #[serde(default)]
    sends: FaxSends,
    #[serde(default)]
    received: FaxReceived,
    #[serde(default)]
    missed: FaxMissed,
    #[serde(default)]
    reports: FaxReports,
}

/// What is said of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxFormAbout {
    /// The gateway's name, as its maker writes it.
    pub product: String,
    pub known_from: KnownFrom,
    /// What an admin has to know.
    pub remark: String,
    /// Further words for it in settings.
    pub also_called: Vec<String>,
}

/// How well a gateway's mails are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownFrom {
    /// From mails that such a gateway wrote.
    Mails,
    /// From its maker's documents or its public sources.
    Documents,
    /// At third hand only: from programs of others that read its mails.
    Others,
}

/// What a gateway wants of a mail that it shall send as a fax.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaxSends {
    /// Whether it takes faxes by mail at all.
    pub can: bool,
    /// The recipient. Filled in: `{domain}`, `{code}`, and the number as `{e164}` (`+4930…`), `{digits}`
    /// (`4930…`), `{international}` (`004930…`) or `{national}` (`030…`).
    pub address: String,
    /// What stands for `{domain}` if the settings name none.
    pub domain: Option<String>,
    /// The subject. The same is filled in, and `{tag}`.
    pub subject: String,
    /// Further fields of the head, name and value. The same is filled in, and `{sender}`: the channel's
    /// address with the tag behind a `+`.
    pub fields: Vec<(String, String)>,
    /// Lines of the mail's text, for a gateway that reads commands there. The same is filled in. Most
    /// gateways print what stands there.
    pub lines: Vec<String>,
}

impl Default for FaxSends {
    fn default() -> Self {
        Self {
            can: true,
            address: "{digits}@{domain}".to_owned(),
            domain: None,
            subject: "Fax".to_owned(),
            fields: Vec::new(),
            lines: Vec::new(),
        }
    }
}

/// How a fax that came reads.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaxReceived {
    /// Whether any mail of the gateway counts as a fax, whatever it says.
    pub any: bool,
    /// Whether subject and words are for machines only, so that the room need not see them.
    pub technical: bool,
    /// Whether the calling number may come without the zero that is dialled within the country: then digits
    /// that begin like the country's code may be two numbers, and count only where the machine says which.
    pub zero_omitted: bool,
    /// Subjects, the narrower first.
    pub subjects: Vec<Template>,
    /// Names of files.
    pub file_names: Vec<Template>,
    /// The words before a colon on lines that name the calling number, in lower case.
    pub caller_lines: Vec<String>,
    /// The same for the station id.
    pub station_lines: Vec<String>,
    /// The same for a number of unknown source.
    pub number_lines: Vec<String>,
    /// The same for the number of pages.
    pub page_lines: Vec<String>,
    /// Fields of the head that name the calling number, in lower case.
    pub caller_fields: Vec<String>,
    /// The same for the number of pages.
    pub page_fields: Vec<String>,
    /// What the sender's address or name says, if it is no address of the gateway's own.
    pub from: FromSays,
    /// Subjects that say: only a part of the fax came.
    pub incomplete_subjects: Vec<Template>,
    /// How lines begin that say: only a part of the fax came. The reason follows on that line or the next.
    pub incomplete: Vec<String>,
}

/// What stands in `From` of a mail that brings a fax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromSays {
    /// Nothing about the fax.
    #[default]
    Nothing,
    /// The calling number is the address's left side (`030…@gateway`, `FAX=+4930…@gateway`).
    AddressCaller,
    /// The same, of what the machine says of itself.
    AddressStation,
    /// The calling number is the name beside the address.
    NameCaller,
}

/// How it reads that a call came and no fax.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaxMissed {
    pub subjects: Vec<Template>,
    /// How a line begins that says so.
    pub lines: Vec<String>,
}

/// How it reads what became of a fax of ours.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaxReports {
    /// After so many hours without a final report it is unknown what became of a fax. None: the
    /// gateway writes no reports.
    pub final_hours: Option<u32>,
    /// The forms, the narrower first: the first that fits decides.
    pub forms: Vec<FaxReportForm>,
    /// The words before a colon on lines that name the number that was dialled, in lower case.
    pub to_lines: Vec<String>,
    /// The same for the pages that were sent.
    pub page_lines: Vec<String>,
    /// Pages that the gateway adds to ours, such as a cover.
    pub pages_added: u32,
    /// Reasons, the narrower first. The first whose words stand in the subject or the first lines decides.
    pub reasons: Vec<FaxReason>,
}

impl FaxReports {
    /// How long the gateway may be silent.
    pub fn wait(&self) -> Option<Duration> {
        self.final_hours.map(|hours| Duration::from_secs(u64::from(hours) * 3_600))
    }
}

/// A form of report.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaxReportForm {
    pub says: FaxReportSays,
    pub subject: Option<Template>,
    /// Lines that all have to be there.
    #[serde(default)]
    pub lines: Vec<Template>,
}

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaxReportSays {
    /// The gateway has taken the fax over. Not final.
    Taken,
    /// An attempt failed, and another one comes. Not final.
    Again,
    Sent,
    Failed,
    /// A report, but it does not say what became of the fax.
    Unclear,
}

impl FaxReportSays {
    /// The word for it in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Again => "again",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
        }
    }
}

/// Words that say why a fax failed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaxReason {
    pub words: String,
    #[serde(deserialize_with = "why")]
    pub why: FateWhy,
}

fn why<'de, D: serde::Deserializer<'de>>(input: D) -> Result<FateWhy, D::Error> {
    let word = <String as Deserialize>::deserialize(input)?;
    FateWhy::FAX.into_iter().find(|why| why.word() == word).ok_or_else(|| {
        let words = FateWhy::FAX.map(FateWhy::word).join(", ");
        serde::de::Error::custom(format!("there is no reason {word:?}; the reasons are {words}"))
    })
}

/// A file is no profile. Says where and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaxFormError {
    #[error("{0}")]
    Toml(String),
    #[error("a profile has at most {PROFILE_BYTES_MAX} bytes")]
    TooLong,
    #[error("a profile's name is its file's, of a-z, 0-9 and _")]
    Name,
    #[error(
        "sends.address must hold the number ({{e164}}, {{digits}}, {{international}} or {{national}}), or sends.subject or sends.lines must"
    )]
    NoNumber,
    #[error(
        "{{{0}}} is no place of an outgoing mail; the places are {{domain}}, {{code}}, {{e164}}, {{digits}}, {{international}}, {{national}}, {{tag}} and {{sender}}"
    )]
    UnknownPlace(String),
    #[error("sends.address cannot hold {{tag}} or {{sender}}; sends.subject and sends.fields can")]
    TagInAddress,
    #[error("sends.domain is no host name")]
    Domain,
    #[error(
        "{0} has a field that is none: a name of letters, digits and hyphens, and a value of ASCII"
    )]
    Field(&'static str),
    #[error("sends.lines has a line that is empty or not of ASCII, or more than {LINES_MAX} lines")]
    Lines,
    #[error(
        "reports.forms has a form without a subject and without lines, which every mail would fit"
    )]
    FitsAll,
}

impl FaxForm {
    /// Reads the file of a profile. `name` is the file's, without `.toml`.
    pub fn read(name: &str, text: &str) -> Result<Self, FaxFormError> {
        if text.len() > PROFILE_BYTES_MAX {
            return Err(FaxFormError::TooLong);
        }
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(is_name) {
            return Err(FaxFormError::Name);
        }
        let file: FormFile = toml::from_str(text)
            .map_err(|error| FaxFormError::Toml(error.to_string().trim_end().to_owned()))?;
        let about = FaxFormAbout {
            product: file.product,
            known_from: file.known_from,
            remark: file.remark,
            also_called: file.also_called,
        };
        file.sends.check()?;
        if file.reports.forms.iter().any(|form| form.subject.is_none() && form.lines.is_empty()) {
            return Err(FaxFormError::FitsAll);
        }
        let FormFile { sends, received, missed, reports, .. } = file;
        Ok(Self { name: name.to_owned(), about, sends, received, missed, reports })
    }

    /// The profile of this name among those that ship.
    pub fn named(name: &str) -> Option<Arc<Self>> {
        SHIPPED.iter().find(|form| form.is_called(name)).cloned()
    }

    /// Whether settings mean this one by the word.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.about.also_called.iter().any(|other| other == name)
    }

    /// All that ship, by name.
    pub fn shipped() -> &'static [Arc<Self>] {
        &SHIPPED
    }
}

impl FaxSends {
    /// All that is filled in.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let values = self.fields.iter().map(|(_, value)| value).chain(&self.lines);
        [&self.address, &self.subject].into_iter().chain(values).map(String::as_str)
    }

    /// Checks an address for faxes, the profile's or the one of settings that takes its place: the mail must
    /// still say which number is meant.
    pub fn check_address(&self, address: &str) -> Result<(), FaxFormError> {
        let number = ["{e164}", "{digits}", "{international}", "{national}"];
        let holds_number = |text: &str| number.iter().any(|place| text.contains(place));
        let others = [&self.subject].into_iter().chain(&self.lines);
        if !holds_number(address) && !others.into_iter().any(|text| holds_number(text)) {
            return Err(FaxFormError::NoNumber);
        }
        check_places(address)?;
        // An address is made before there is a tag.
        if names_tag(address) {
            return Err(FaxFormError::TagInAddress);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), FaxFormError> {
        if !self.can {
            return Ok(());
        }
        self.check_address(&self.address)?;
        self.texts().try_for_each(check_places)?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let is_value =
            |value: &str| !value.is_empty() && value.bytes().all(|b| (32..127).contains(&b));
        if !self.fields.iter().all(|(name, value)| is_name(name) && is_value(value)) {
            return Err(FaxFormError::Field("sends.fields"));
        }
        if self.lines.len() > LINES_MAX || !self.lines.iter().all(|line| is_value(line)) {
            return Err(FaxFormError::Lines);
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        match &self.domain {
            Some(domain) if domain.is_empty() || !domain.bytes().all(is_host) => {
                Err(FaxFormError::Domain)
            }
            _ => Ok(()),
        }
    }
}

fn check_places(text: &str) -> Result<(), FaxFormError> {
    for piece in text.split('{').skip(1) {
        let place = piece.split('}').next().unwrap_or_default();
        if !SEND_PLACES.contains(&place) {
            return Err(FaxFormError::UnknownPlace(place.to_owned()));
        }
    }
    Ok(())
}

/// Whether a text to be filled in names the fax.
pub(super) fn names_tag(text: &str) -> bool {
    text.contains("{tag}") || text.contains("{sender}")
}

/// Lines of commands in a mail, at most.
const LINES_MAX: usize = 40;

const SEND_PLACES: [&str; 8] =
    ["domain", "code", "e164", "digits", "international", "national", "tag", "sender"];

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../profiles/", $name, ".toml")))),*]
    };
}

/// The files in `profiles/`.
const FILES: [(&str, &str); 20] = shipped![
    "avantfax",
    "cisco_t37",
    "efax",
    "exchange_um",
    "fax_plus",
    "faxstation",
    "freepbx",
    "fritzbox",
    "fusionpbx",
    "generic",
    "gfi_faxmaker",
    "gnetx",
    "hylafax",
    "ictfax",
    "interfax",
    "ixi_ums",
    "metrofax",
    "ringcentral",
    "simple_fax",
    "t37",
];

static SHIPPED: LazyLock<Vec<Arc<FaxForm>>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(name, text)| {
            let form = FaxForm::read(name, text);
            Arc::new(form.unwrap_or_else(|error| panic!("profile {name}: {error}")))
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    const LEAST: &str = "product = \"A fax\"\nknown_from = \"mails\"\n";

    #[test]
    fn fax_22_every_file_in_profiles_ships_and_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
            .collect();
        files.sort();
        let shipped: Vec<&str> = FaxForm::shipped().iter().map(|form| form.name.as_str()).collect();
        assert_eq!(files, shipped);
        assert_eq!(FaxForm::named("number_at_domain").unwrap().name, "generic");
    }

    #[test]
    fn fax_22_a_profile_with_a_mistake_says_what_to_write() {
        for (text, why) in [
            ("product = \"A\"", "known_from"),
            (
                "product = \"A\"\nknown_from = \"me\"",
                "expected one of `mails`, `documents`, `others`",
            ),
            (&format!("{LEAST}colour = 1"), "colour"),
            (&format!("{LEAST}[received]\nsubject = []"), "subject"),
            (
                &format!("{LEAST}[received]\nsubjects = [\"Fax {{from}}\"]"),
                "there is no place {from}",
            ),
            (&format!("{LEAST}[sends]\naddress = \"fax@{{domain}}\""), "must hold the number"),
            (
                &format!("{LEAST}[sends]\naddress = \"{{digit}}@{{domain}}{{e164}}\""),
                "{digit} is no place",
            ),
            (&format!("{LEAST}[sends]\ndomain = \"a b\""), "host name"),
            (&format!("{LEAST}[sends]\nfields = [[\"X Y\", \"1\"]]"), "sends.fields"),
            (&format!("{LEAST}[sends]\nfields = [[\"X-Y\", \"1\\n\"]]"), "sends.fields"),
            (&format!("{LEAST}[[reports.forms]]\nsays = \"sent\""), "every mail would fit"),
            (
                &format!("{LEAST}[[reports.reasons]]\nwords = \"x\"\nwhy = \"bad\""),
                "the reasons are",
            ),
            (&"#".repeat(PROFILE_BYTES_MAX + 1), "at most 65536 bytes"),
        ] {
            let error = FaxForm::read("own", text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        for name in ["", "A", "a b", "../x", &"a".repeat(41)] {
            assert_eq!(FaxForm::read(name, LEAST), Err(FaxFormError::Name), "{name}");
        }
        assert!(FaxForm::read("own", LEAST).is_ok());
    }
}
