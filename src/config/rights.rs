//! `[channel.rights]`: who of the speakers may do more than answer.

use super::{mail_server::allowed, reader::Section};
use crate::{channel::Rights, phrases::AdminPhrase};

/// What takes two persons, as the settings name it.
const FAX: &str = "fax";
const RELEASE: &str = "release";

pub(super) fn read(
    section: &Section<'_, '_>,
    speakers: &[String],
    user_id: impl Fn(&str) -> Result<String, AdminPhrase>,
) -> Rights {
    let those = |key| {
        let users = section.texts(key, &user_id)?;
        if users.is_empty() {
            section.wrong(key, AdminPhrase::RightOfNobody);
        } else if users.iter().any(|user| !speakers.contains(user)) {
            section.wrong(key, AdminPhrase::RightOfNoSpeaker);
        }
        Some(users)
    };
    let (confirmers, releasers, doorkeepers) = (those("confirm"), those("release"), those("admit"));
    let two = section.texts("two_persons", |word| match word {
        FAX | RELEASE => Ok(word.to_owned()),
        _ => Err(allowed(FAX, RELEASE)),
    });
    let takes_two = |word: &str| two.iter().flatten().any(|named| named == word);
    let rights = Rights {
        confirmers,
        releasers,
        doorkeepers,
        two_for_fax: takes_two(FAX),
        two_for_release: takes_two(RELEASE),
    };
    // Of one person there is no second one.
    let count = |own: &Option<Vec<String>>| own.as_deref().unwrap_or(speakers).len();
    let is_too_few = rights.two_for_fax && count(&rights.confirmers) < 2
        || rights.two_for_release && count(&rights.releasers) < 2;
    if is_too_few {
        section.wrong("two_persons", AdminPhrase::TooFewForTwo);
    }
    section.close();
    rights
}
