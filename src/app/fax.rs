//! `umstieg fax`: which gateways are known, and what each profile makes of a mail, for the admin.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    channel::{Blank, Country, FaxForm, FaxFormError, FaxMail, KnownFrom, proposed_profile},
    mail,
    model::{Language, Letter},
    phrases::AdminPhrase,
};

/// The largest mail that is read, in bytes.
const MAIL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A command about fax failed.
#[derive(Debug, thiserror::Error)]
pub enum FaxCommandError {
    #[error("{file} cannot be read")]
    Unreadable { file: String, source: std::io::Error },
    #[error("{file} has more than {MAIL_BYTES_MAX} bytes")]
    TooLarge { file: String },
    #[error("{file} is no profile: {source}")]
    NoProfile { file: String, source: FaxFormError },
    #[error("the list could not be written")]
    Write(#[from] std::fmt::Error),
}

/// What `umstieg fax` can do.
#[derive(Debug, clap::Subcommand)]
pub enum FaxCommand {
    /// Show which fax gateways are known
    Profiles,
    /// Show what each profile reads from saved mails of a fax gateway, and propose one if none fits
    ///
    /// Needs no settings and no network.
    Learn {
        /// Saved mails (.eml)
        #[arg(required = true, value_name = "MAIL")]
        mails: Vec<PathBuf>,
        /// A profile of your own that is read too
        #[arg(long, value_name = "FILE")]
        profile: Vec<PathBuf>,
        /// The country of the line, as two capital letters
        #[arg(long, default_value = "DE", value_name = "COUNTRY", value_parser = Country::new)]
        country: Country,
    },
    /// Send a test page to a fax number, and follow it to the gateway's report
    ///
    /// It costs what a fax of a page costs. The gateway has to be running: it reads the report.
    Test {
        /// The number, with or without country code
        number: String,
        /// The fax channel; needed where there are several
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// How many minutes to wait for the report
        #[arg(long, default_value_t = 15, value_name = "MINUTES")]
        minutes: u64,
    },
    /// Show what is kept of each fax: when, numbers, pages, bytes, SHA-256, and what became of it
    ///
    /// A line for each document that came or left. Nothing of what was on it is kept here.
    Records {
        /// How many days back
        #[arg(long, default_value_t = 30, value_name = "DAYS")]
        days: u32,
    },
}

/// Carries out a command, and returns what it prints.
///
/// Nothing for one that needs the settings and the database.
pub fn carry_out(
    command: &FaxCommand,
    language: Language,
) -> Result<Option<String>, FaxCommandError> {
    match command {
        FaxCommand::Profiles => profiles(language).map(Some),
        FaxCommand::Learn { mails, profile, country } => {
            learn(mails, profile, *country, language).map(Some)
        }
        FaxCommand::Records { .. } | FaxCommand::Test { .. } => Ok(None),
    }
}

/// The profiles that ship, as a table.
fn profiles(language: Language) -> Result<String, FaxCommandError> {
    let say = |phrase: AdminPhrase| phrase.said(language);
    let [profile, product, known, sends, reports] = [
        AdminPhrase::HeadProfile,
        AdminPhrase::HeadGateway,
        AdminPhrase::HeadKnownFrom,
        AdminPhrase::HeadSends,
        AdminPhrase::HeadReports,
    ]
    .map(say);
    let mut table = format!("{profile:<14}  {product:<28}  {known:<10}  {sends:<6}  {reports}\n");
    let yes_or_no = |is_so: bool| match is_so {
        true => say(AdminPhrase::Yes),
        false => say(AdminPhrase::No),
    };
    for form in FaxForm::shipped() {
        writeln!(
            table,
            "{:<14}  {:<28}  {:<10}  {:<6}  {}",
            form.name,
            form.about.product,
            say(match form.about.known_from {
                KnownFrom::Mails => AdminPhrase::KnownFromMails,
                KnownFrom::Documents => AdminPhrase::KnownFromDocuments,
                KnownFrom::Others => AdminPhrase::KnownFromOthers,
            }),
            yes_or_no(form.sends.can),
            yes_or_no(!form.reports.forms.is_empty()),
        )?;
    }
    Ok(table)
}

/// What every profile makes of saved mails: those that ship, and those in `own`. For a mail that none but
/// `generic` knows, a profile is proposed.
fn learn(
    mails: &[impl AsRef<Path>],
    own: &[impl AsRef<Path>],
    country: Country,
    language: Language,
) -> Result<String, FaxCommandError> {
    let mut forms: Vec<FaxForm> = Vec::new();
    for file in own {
        forms.push(own_form(file.as_ref())?);
    }
    let own_names: Vec<String> = forms.iter().map(|form| form.name.clone()).collect();
    let mut said = String::new();
    let mut unknown = Vec::new();
    for file in mails {
        let file = file.as_ref();
        let letter = mail::parse(&bytes_of(file)?);
        writeln!(said, "{}", file.display())?;
        let all = forms.iter().chain(FaxForm::shipped().iter().map(AsRef::as_ref));
        let mut is_known = false;
        for form in all {
            let read = form.read_mail(&letter, country);
            let knows = form.knows(&letter);
            // A profile that takes every mail for a fax says nothing about this one.
            if read == FaxMail::Other || !(knows || own_names.contains(&form.name)) {
                continue;
            }
            is_known |= knows;
            writeln!(
                said,
                "  {:<14}  {}",
                form.name,
                reading(form, &letter, &read, country, language)
            )?;
        }
        if !is_known {
            writeln!(said, "  {:<14}  {}", "-", AdminPhrase::ReadsOther.said(language))?;
            unknown.push(letter);
        }
    }
    if !unknown.is_empty() {
        writeln!(said, "\n{}\n", AdminPhrase::ProfileProposed.said(language))?;
        said.push_str(&proposed_profile(&unknown, country));
    }
    Ok(said)
}

fn own_form(file: &Path) -> Result<FaxForm, FaxCommandError> {
    let text = String::from_utf8_lossy(&bytes_of(file)?).into_owned();
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    FaxForm::read(&name, &text)
        .map_err(|source| FaxCommandError::NoProfile { file: file.display().to_string(), source })
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, FaxCommandError> {
    let shown = || file.display().to_string();
    let unreadable = |source| FaxCommandError::Unreadable { file: shown(), source };
    if fs::metadata(file).map_err(unreadable)?.len() > MAIL_BYTES_MAX {
        return Err(FaxCommandError::TooLarge { file: shown() });
    }
    fs::read(file).map_err(unreadable)
}

/// What a profile makes of a mail, in one line.
fn reading(
    form: &FaxForm,
    letter: &Letter,
    read: &FaxMail,
    country: Country,
    language: Language,
) -> String {
    let none = || AdminPhrase::NoNumber.said(language);
    let caller = form.number_of(letter, country);
    let number = caller.as_ref().map_or_else(none, |(number, blank)| match blank {
        Blank::Station => {
            let number = number.as_str().to_owned();
            AdminPhrase::NumberClaimed { number }.said(language)
        }
        _ => number.as_str().to_owned(),
    });
    let pages = |pages: Option<u32>| pages.map_or("?".to_owned(), |pages| pages.to_string());
    let phrase = match read {
        FaxMail::Fax(fax) => AdminPhrase::ReadsFax {
            number,
            pages: pages(fax.pages),
            part: u64::from(fax.incomplete.is_some()),
        },
        FaxMail::Missed(_) => AdminPhrase::ReadsMissed { number },
        FaxMail::Report(report) => AdminPhrase::ReadsReport {
            says: report.says.word().to_owned(),
            number: report
                .to
                .as_ref()
                .map(|to| to.as_str().to_owned())
                .or_else(|| report.to_digits.clone())
                .unwrap_or_else(none),
            pages: pages(report.pages),
        },
        FaxMail::Other => AdminPhrase::ReadsOther,
    };
    phrase.said(language)
}
