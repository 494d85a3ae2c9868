//! The keys of `[channel.kim]` about the mailbox: who uses it, and what a Dienstkennung means (KIM-9).

use std::fs;

use super::{reader::Section, secrets::not_empty, surroundings::SettingsSurroundings};
use crate::{
    channel::{MailboxUse, ServiceClasses, ServiceRowError},
    phrases::AdminPhrase,
};

/// Longest file with a table of Dienstkennungen, in bytes: a hundred times the built-in one.
const CLASSES_BYTES_MAX: u64 = 256 * 1024;

/// Which programs use the mailbox; nothing where the section does not say it.
pub(super) fn mailbox(section: &Section<'_, '_>) -> Option<MailboxUse> {
    section.text("mailbox", |text| match text {
        "shared" => Ok(MailboxUse::Shared),
        "owned" => Ok(MailboxUse::Owned),
        _ => Err(AdminPhrase::AllowedAre { one: "shared".to_owned(), other: "owned".to_owned() }),
    })
}

/// What a Dienstkennung means: the table of the file, or the built-in one. Nothing where the file
/// cannot be used.
pub(super) fn classes(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<ServiceClasses> {
    match section.text("classes_file", not_empty) {
        Some(file) => classes_in(section, &file, around),
        None => Some(ServiceClasses::default()),
    }
}

/// Reads a table of Dienstkennungen. Notes a mistake if it cannot be read or a line of it is none.
fn classes_in(
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
