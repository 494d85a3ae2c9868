//! `[channel.kim]`: what is special about a KIM account.

use std::fs;

use super::{AfterRelay, reader::Section, secrets::not_empty, surroundings::SettingsSurroundings};
use crate::{
    channel::{KimEnvironment, KimProfile, MailboxUse, ServiceClasses, ServiceRowError},
    phrases::AdminPhrase,
};

/// Longest file with a table of Dienstkennungen, in bytes: a hundred times the built-in one.
const CLASSES_BYTES_MAX: u64 = 256 * 1024;

/// Reads the section; all its keys are optional. `after_relay`: what becomes of a mail in the mailbox,
/// if the settings say it.
pub(super) fn profile(
    section: &Section<'_, '_>,
    environment: Option<KimEnvironment>,
    mail_bytes_max: Option<u64>,
    after_relay: Option<AfterRelay>,
    around: &SettingsSurroundings<'_>,
) -> Option<KimProfile> {
    let mailbox = section.text("mailbox", |text| match text {
        "shared" => Ok(MailboxUse::Shared),
        "owned" => Ok(MailboxUse::Owned),
        _ => Err(AdminPhrase::AllowedAre { one: "shared".to_owned(), other: "owned".to_owned() }),
    });
    let classes_file = section.text("classes_file", not_empty);
    let classes = classes_file.map(|file| classes(section, &file, around));
    // What another program has not read yet must not be deleted under its hands (KIM-9, KIM-11).
    if after_relay == Some(AfterRelay::Delete) && mailbox != Some(MailboxUse::Owned) {
        section.wrong("mailbox", AdminPhrase::DeletesInSharedMailbox);
    }
    section.close();
    Some(KimProfile {
        mail_bytes_max: mail_bytes_max.unwrap_or(KimProfile::MAIL_BYTES_MAX),
        mailbox: mailbox.unwrap_or_default(),
        classes: match classes {
            Some(classes) => classes?,
            None => ServiceClasses::default(),
        },
        ..KimProfile::new(environment?)
    })
}

/// Reads a table of Dienstkennungen. Notes a mistake if it cannot be read or a line of it is none.
fn classes(
    section: &Section<'_, '_>,
    file: &str,
    around: &SettingsSurroundings<'_>,
) -> Option<ServiceClasses> {
    let path = around.resolve(file);
    let shown = path.display().to_string();
    let text = match fs::metadata(&path) {
        Ok(found) if found.len() > CLASSES_BYTES_MAX => {
            section.wrong("classes_file", AdminPhrase::ClassesTooLong { file: shown });
            return None;
        }
        Ok(_) => fs::read_to_string(&path),
        Err(error) => Err(error),
    };
    let read = text.map_err(|error| AdminPhrase::FileUnreadable {
        file: shown.clone(),
        error: error.to_string(),
    });
    let read = read.and_then(|text| {
        ServiceClasses::read(&text).map_err(|(line, why)| AdminPhrase::ClassesRow {
            file: shown,
            line: u64::try_from(line).unwrap_or(u64::MAX),
            why: Box::new(not_a_row(why)),
        })
    });
    read.map_err(|what| section.wrong("classes_file", what)).ok()
}

fn not_a_row(error: ServiceRowError) -> AdminPhrase {
    match error {
        ServiceRowError::NoEquals => AdminPhrase::ClassesNoEquals,
        ServiceRowError::Service => AdminPhrase::ClassesNoService,
        ServiceRowError::Class => AdminPhrase::ClassesNoClass,
        ServiceRowError::Twice => AdminPhrase::ClassesTwice,
        ServiceRowError::TooMany => AdminPhrase::ClassesTooMany,
    }
}
