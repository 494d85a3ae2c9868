//! The directory of KIM addresses, for the admin: `umstieg kim lookup`, and its row in `umstieg check`.

use std::{collections::BTreeSet, fmt::Write as _};

use super::check::{self, Finding};
use crate::{
    channel::{Dialect, KimEnvironment},
    config::{ChannelSettings, DirectorySettings, Settings},
    directory::DirectoryError,
    model::{KimEntry, KimVersion, Language, Listing, MailAddress},
    phrases::{AdminPhrase, Tells as _},
    relay::{Directory, LdapProxies, NoListing},
    transport::LdapConnectError,
};

/// Nothing can be said about an address.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("this is not a KIM address")]
    NotKim,
    #[error("no channel for this address has a directory in the settings")]
    NoDirectory,
    #[error(transparent)]
    Unanswered(#[from] NoListing),
    #[error("the answer could not be written")]
    Write(#[from] std::fmt::Error),
}

/// What the directories of the settings say about an address. Keeps nothing, and needs no database.
///
/// # Errors
/// When one of them does not answer, or none can be asked.
pub async fn lookup(
    settings: &Settings,
    address: &str,
    language: Language,
) -> Result<String, LookupError> {
    let address = MailAddress::new(address.trim()).map_err(|_| LookupError::NotKim)?;
    let environment = KimEnvironment::of(&address).ok_or(LookupError::NotKim)?;
    let is_its = |channel: &ChannelSettings| matches!(&channel.channel.dialect, Dialect::Kim(kim) if kim.environment == environment);
    let asked = each_once(settings.channels.iter().filter(|channel| is_its(channel)));
    if asked.is_empty() {
        return Err(LookupError::NoDirectory);
    }
    let mut text = String::new();
    let is_several = asked.len() > 1;
    for (channel, directory) in asked {
        if is_several {
            let channel = channel.channel.name.to_string();
            writeln!(text, "{}", AdminPhrase::TriedDirectory { channel }.said(language))?;
        }
        let listing = directory.look_up(&address).await?;
        text.push_str(&shown(&address, &listing, language)?);
    }
    Ok(text)
}

/// Whether each directory of the settings answers: one bind, one search for its base.
pub(super) async fn probe(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (channel, directory) in each_once(settings.channels.iter()) {
        let what = AdminPhrase::TriedDirectory { channel: channel.channel.name.to_string() };
        findings.push(match directory.probe().await {
            Ok(()) => Finding::ok(what, AdminPhrase::DirectoryAnswers),
            Err(error) => Finding::fail(what, error.telling(), advice(&error)),
        });
    }
    findings
}

fn advice(error: &NoListing) -> AdminPhrase {
    match error {
        NoListing::Connect(LdapConnectError::Tls { source, .. }) => {
            check::trust(source.untrusted())
        }
        NoListing::Session(DirectoryError::NoSuchBase) => AdminPhrase::CheckBase,
        NoListing::Connect(_) | NoListing::Session(_) | NoListing::Silent => {
            AdminPhrase::CheckDirectory
        }
    }
}

/// Each directory with the first channel that has it.
fn each_once<'s>(
    channels: impl Iterator<Item = &'s ChannelSettings>,
) -> Vec<(&'s ChannelSettings, Directory)> {
    let (mut seen, mut proxies) = (BTreeSet::new(), LdapProxies::default());
    let mut directories = Vec::new();
    for channel in channels {
        let Some(settings) = &channel.directory else { continue };
        let DirectorySettings { server, base, timeout } = settings.clone();
        if seen.insert((server.host.to_lowercase(), server.port, base.to_lowercase())) {
            directories.push((channel, proxies.directory(server, base, timeout)));
        }
    }
    directories
}

fn shown(
    address: &MailAddress,
    listing: &Listing,
    language: Language,
) -> Result<String, std::fmt::Error> {
    let as_it_is = |text: &str| AdminPhrase::as_it_is(text.to_owned());
    let said = |text: Option<&str>| text.map_or(AdminPhrase::NotSaid, as_it_is);
    let mut rows = vec![(AdminPhrase::RowAddress, as_it_is(address.as_str()))];
    match listing {
        Listing::NotListed => rows.push((AdminPhrase::RowDirectory, AdminPhrase::IsNotListed)),
        Listing::Listed(KimEntry { version, takes_large, telematik_id, display_name }) => {
            let large = match takes_large {
                true => AdminPhrase::TakesLarge,
                false => AdminPhrase::TakesNoLarge,
            };
            rows.push((AdminPhrase::RowDirectory, AdminPhrase::IsListed));
            rows.push((AdminPhrase::RowVersion, said(version.as_ref().map(KimVersion::as_str))));
            rows.push((AdminPhrase::RowLarge, large));
            rows.push((AdminPhrase::RowTelematikId, said(telematik_id.as_deref())));
            rows.push((AdminPhrase::RowName, said(display_name.as_deref())));
        }
    }
    let mut text = String::new();
    for (head, value) in rows {
        writeln!(text, "{:<20} {}", head.said(language), value.said(language))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listing: &Listing, language: Language, expected: &str) {
        let address = MailAddress::new("klinik@nord.kim.telematik").unwrap();
        assert_eq!(shown(&address, listing, language).unwrap(), expected);
    }

    #[test]
    fn kim_35_an_admin_reads_what_the_directory_says() {
        let entry = Listing::Listed(KimEntry {
            version: KimVersion::new("1.5"),
            takes_large: true,
            telematik_id: Some("5-1234".to_owned()),
            display_name: None,
        });
        check(
            &entry,
            Language::German,
            "KIM-Adresse:         klinik@nord.kim.telematik\n\
             Verzeichnis:         Die Adresse steht darin\n\
             KIM-Version:         1.5\n\
             Große Nachrichten:   nimmt sie an (über 15 MiB)\n\
             Telematik-ID:        5-1234\n\
             Name:                nicht angegeben\n",
        );
        check(
            &Listing::NotListed,
            Language::English,
            "KIM address:         klinik@nord.kim.telematik\n\
             directory:           the address is not in it\n",
        );
    }
}
