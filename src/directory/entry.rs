//! What entries of the VZD say about an address.
//!
//! The attributes are those of gematik's description of the LDAP directory: `mail` (every address of the
//! entry), `kimData` (`ADDRESS,VERSION[+][,TAGS]`, `+` for mails over 15 MiB) and, from before it,
//! `komLeData` (`VERSION,ADDRESS`; where there is none, the version is 1.0). Whoever fills an entry fills
//! it as he likes, so each value is believed only in that form, and in doubt large mails are not taken.

use ldap3_proto::proto::LdapSearchResultEntry;

use super::question::{DISPLAY_NAME, KIM_DATA, KOM_LE_DATA, MAIL, TELEMATIK_ID};
use crate::model::{KimEntry, KimVersion, Listing, MailAddress};

/// Longest Telematik-ID, in bytes: gematik allows 128.
const TELEMATIK_ID_MAX: usize = 128;

/// Longest name that is shown, in characters.
const NAME_CHARS_MAX: usize = 200;

/// What all entries together say. An entry that does not name the address, whatever it was found by, says
/// nothing about it.
pub(super) fn listing(found: &[LdapSearchResultEntry], address: &MailAddress) -> Listing {
    let mut entries = found.iter().filter_map(|entry| of_one(entry, address));
    let Some(first) = entries.next() else { return Listing::NotListed };
    // Which of several is meant is not known: what they do not agree on is left out.
    Listing::Listed(entries.fold(first, |one, other| KimEntry {
        version: one.version.filter(|version| Some(version) == other.version.as_ref()),
        takes_large: one.takes_large && other.takes_large,
        telematik_id: one.telematik_id.filter(|id| Some(id) == other.telematik_id.as_ref()),
        display_name: None,
    }))
}

fn of_one(entry: &LdapSearchResultEntry, address: &MailAddress) -> Option<KimEntry> {
    let rows: Vec<KimRow> =
        values(entry, KIM_DATA).filter_map(|row| KimRow::of(row, address)).collect();
    let is_named = values(entry, MAIL).any(|mail| is_it(mail, address));
    if rows.is_empty() && !is_named {
        return None;
    }
    let version = match rows.as_slice() {
        [] => Some(older_version(entry, address)),
        [first, others @ ..] => {
            let agrees = |row: &KimRow| row.version == first.version;
            first.version.clone().filter(|_| others.iter().all(agrees))
        }
    };
    let takes_large = !rows.is_empty() && rows.iter().all(|row| row.takes_large);
    let telematik_id = only(values(entry, TELEMATIK_ID)).filter(|id| is_telematik_id(id));
    Some(KimEntry {
        version,
        takes_large,
        telematik_id: telematik_id.map(str::to_owned),
        display_name: only(values(entry, DISPLAY_NAME)).and_then(shown),
    })
}

/// A value of `kimData` that is about the address.
struct KimRow {
    /// Nothing where it is written in another form than any that is known.
    version: Option<KimVersion>,
    takes_large: bool,
}

impl KimRow {
    fn of(value: &str, address: &MailAddress) -> Option<Self> {
        let mut fields = value.split(',').map(str::trim);
        if !fields.next().is_some_and(|mail| is_it(mail, address)) {
            return None;
        }
        let said = fields.next().unwrap_or_default();
        let (version, has_plus) = match said.strip_suffix('+') {
            Some(version) => (KimVersion::new(version), true),
            None => (KimVersion::new(said), false),
        };
        // A plus behind something unknown is no promise.
        Some(Self { takes_large: has_plus && version.is_some(), version })
    }
}

/// What `komLeData` says: the version of an address that `kimData` does not have.
fn older_version(entry: &LdapSearchResultEntry, address: &MailAddress) -> KimVersion {
    let about = |value: &str| {
        let (version, mail) = value.split_once(',')?;
        is_it(mail, address).then(|| KimVersion::new(version.trim()))?
    };
    values(entry, KOM_LE_DATA).find_map(about).unwrap_or_else(KimVersion::first)
}

/// The values of an attribute that are text. Names of attributes have no case, and may have options
/// behind a semicolon (RFC 4512 §2.5).
fn values<'e>(
    entry: &'e LdapSearchResultEntry,
    name: &'static str,
) -> impl Iterator<Item = &'e str> {
    let attributes = entry.attributes.iter().filter(move |attribute| {
        let given = attribute.atype.split(';').next().unwrap_or_default();
        given.eq_ignore_ascii_case(name)
    });
    attributes.flat_map(|attribute| &attribute.vals).filter_map(|value| str::from_utf8(value).ok())
}

fn is_it(mail: &str, address: &MailAddress) -> bool {
    mail.trim().eq_ignore_ascii_case(address.as_str())
}

/// The value, if there is one and no other.
fn only<'v>(mut values: impl Iterator<Item = &'v str>) -> Option<&'v str> {
    let value = values.next()?;
    values.all(|other| other == value).then_some(value)
}

fn is_telematik_id(id: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    (1..=TELEMATIK_ID_MAX).contains(&id.len()) && id.bytes().all(is_legal)
}

/// A name on one line, without what would steer a terminal or turn the direction of writing. Nothing where
/// nothing is left.
fn shown(name: &str) -> Option<String> {
    let is_seen = |c: &char| !c.is_control() && !is_invisible(*c);
    let flat: String =
        name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(is_seen).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(NAME_CHARS_MAX).collect();
    (!name.is_empty()).then_some(name)
}

/// Marks of direction, joiners and the like: they are seen only by what they do to their neighbours.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
    )
}
