//! What `umstieg check` says of the address books of fax channels.

use super::check::Finding;
use crate::{config::Settings, model::WhyNoEntry, phrases::AdminPhrase, relay};

/// Reads each address book, as the gateway does.
pub(super) fn probe(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for channel in &settings.channels {
        let Some(profile) = channel.channel.fax() else { continue };
        let Some(path) = &profile.address_book else { continue };
        let what = || AdminPhrase::TriedAddressBook { channel: channel.channel.name.to_string() };
        let file = path.display().to_string();
        let read = match relay::read_book(path, &profile.home()) {
            Ok(read) => read,
            Err(error) => {
                let unreadable = AdminPhrase::FileUnreadable { file, error: error.to_string() };
                findings.push(Finding::warn(what(), unreadable, AdminPhrase::MakeBookReadable));
                continue;
            }
        };
        let numbers = u64::try_from(read.book.len()).unwrap_or(u64::MAX);
        if read.faults.is_empty() {
            findings.push(Finding::ok(what(), AdminPhrase::BookNumbers { numbers }));
        }
        let faults = read.faults_in_all;
        for fault in &read.faults {
            let first = match fault.why {
                WhyNoEntry::Twice { line } => line,
                _ => 0,
            };
            let (line, why, file) = (fault.line, fault.why, file.clone());
            let advice = AdminPhrase::BookFault { file, line, why, first };
            findings.push(Finding::warn(
                what(),
                AdminPhrase::BookFaults { numbers, faults },
                advice,
            ));
        }
    }
    findings
}
