//! What a Dienstkennung means to the gateway: a table as data (KIM-9, KIM-22).

use std::{collections::BTreeMap, sync::OnceLock};

use crate::model::{SaidService, ServiceId, is_service_word};

/// The table that counts unless the settings name another.
const BUILT_IN: &str = include_str!("kim_services.txt");

/// How many rows a table may have. The register has fewer than a hundred.
const ROWS_MAX: usize = 10_000;

/// Whom a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceClass {
    /// People.
    Chat,
    /// It says that an earlier mail came.
    Receipt,
    /// It says that nobody reads for a while.
    Absence,
    /// The practice's software.
    Machine,
    /// Nobody knows: the table has no row for it, or it cannot be read.
    Unknown,
}

impl ServiceClass {
    /// The word for it in a table, for those that may stand there.
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "chat" => Some(Self::Chat),
            "receipt" => Some(Self::Receipt),
            "absence" => Some(Self::Absence),
            "machine" => Some(Self::Machine),
            _ => None,
        }
    }
}

/// Which programs use a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailboxUse {
    /// Others besides the gateway: what is theirs is left alone (KIM-9).
    #[default]
    Shared,
    /// The gateway alone: it shows everything (KIM-22).
    Owned,
}

/// Why a line of a table is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceRowError {
    NoEquals,
    /// Left of the `=` there is no `Anwendung` and no `Anwendung;Typ`.
    Service,
    Class,
    /// An earlier line says something about the same one.
    Twice,
    TooMany,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceClasses {
    /// By application and kind in lower case; without a kind the row is for all of them.
    rows: BTreeMap<(String, Option<String>), ServiceClass>,
}

impl Default for ServiceClasses {
    /// The built-in table.
    fn default() -> Self {
        static TABLE: OnceLock<ServiceClasses> = OnceLock::new();
        // A test reads it; with an empty one, every mail would be shown with a hint.
        let empty = || Self { rows: BTreeMap::new() };
        TABLE.get_or_init(|| Self::read(BUILT_IN).unwrap_or_else(|_| empty())).clone()
    }
}

impl ServiceClasses {
    /// Reads a table. What follows a `#` at the beginning of a line is a comment.
    ///
    /// Errors: the first line, counted from 1, that is no row, and why.
    pub fn read(text: &str) -> Result<Self, (usize, ServiceRowError)> {
        let mut rows = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start_matches('\u{FEFF}').trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |why| (number + 1, why);
            let (service, class) = row(line).map_err(at)?;
            if rows.len() >= ROWS_MAX {
                return Err(at(ServiceRowError::TooMany));
            }
            if rows.insert(service, class).is_some() {
                return Err(at(ServiceRowError::Twice));
            }
        }
        Ok(Self { rows })
    }

    /// The class of a mail that says this of itself; nothing when it says nothing.
    pub fn class_of(&self, said: &SaidService) -> Option<ServiceClass> {
        match said {
            SaidService::Nothing => None,
            SaidService::Is(service) => Some(self.class(service)),
            SaidService::Unreadable => Some(ServiceClass::Unknown),
        }
    }

    fn class(&self, service: &ServiceId) -> ServiceClass {
        let application = service.application();
        let of_kind = self.rows.get(&(application.clone(), Some(service.kind())));
        let found = of_kind.or_else(|| self.rows.get(&(application, None)));
        found.copied().unwrap_or(ServiceClass::Unknown)
    }
}

type Row = ((String, Option<String>), ServiceClass);

fn row(line: &str) -> Result<Row, ServiceRowError> {
    let (service, class) = line.rsplit_once('=').ok_or(ServiceRowError::NoEquals)?;
    let words: Vec<String> =
        service.split(';').map(|word| word.trim().to_ascii_lowercase()).collect();
    if !words.iter().all(|word| is_service_word(word)) {
        return Err(ServiceRowError::Service);
    }
    let service = match words.as_slice() {
        [application] => (application.clone(), None),
        [application, kind] => (application.clone(), Some(kind.clone())),
        _ => return Err(ServiceRowError::Service),
    };
    let class = class.trim().to_ascii_lowercase();
    Ok((service, ServiceClass::from_word(&class).ok_or(ServiceRowError::Class)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> SaidService {
        ServiceId::new(text).map_or(SaidService::Unreadable, SaidService::Is)
    }

    #[test]
    fn kim_9_the_built_in_table_knows_the_register() {
        ServiceClasses::read(BUILT_IN).unwrap();
        let table = ServiceClasses::default();
        for (text, expected) in [
            ("KIM-Mail;Default;V1.0", ServiceClass::Chat),
            ("kim-mail; DEFAULT ;V1.5", ServiceClass::Chat),
            ("KIM-Mail;Abwesend;V1.0", ServiceClass::Absence),
            ("KIM-Mail;Etwas;V1.0", ServiceClass::Unknown),
            ("eNachricht;Lieferung;V2.1", ServiceClass::Chat),
            ("Arztbrief;VHitG-Versand;V1.2", ServiceClass::Chat),
            ("Arztbrief;Eingangsbestaetigung;V1.2", ServiceClass::Receipt),
            ("eAU;Lieferung;V1.0", ServiceClass::Machine),
            ("eEB;Bescheinigung;V1.1", ServiceClass::Machine),
            ("EBZ;PAR;2.0.0", ServiceClass::Machine),
            ("PFL;ABR-07;1.0.0", ServiceClass::Machine),
            ("LDT-Befund;Lieferung;V1", ServiceClass::Machine),
            ("eDokumentation-QSKE;Status;V2.0", ServiceClass::Machine),
            ("Neues;Ding;V9", ServiceClass::Unknown),
            ("kein Dienst", ServiceClass::Unknown),
        ] {
            assert_eq!(table.class_of(&said(text)), Some(expected), "{text}");
        }
        assert_eq!(table.class_of(&SaidService::Nothing), None);
    }

    #[test]
    fn kim_9_a_bad_row_is_named_by_its_line() {
        let check = |text: &str, expected: Result<usize, (usize, ServiceRowError)>| {
            assert_eq!(
                ServiceClasses::read(text).map(|table| table.rows.len()),
                expected,
                "{text}"
            );
        };
        check("", Ok(0));
        check("# nichts\r\n\r\n a;b = chat \r\nA = MACHINE\r\n", Ok(2));
        check("a;b chat", Err((1, ServiceRowError::NoEquals)));
        check("\na;b;V1 = chat", Err((2, ServiceRowError::Service)));
        check("ä;b = chat", Err((1, ServiceRowError::Service)));
        check(" = chat", Err((1, ServiceRowError::Service)));
        check("a = unknown", Err((1, ServiceRowError::Class)));
        check("a;b = chat\nA;B = machine", Err((2, ServiceRowError::Twice)));
        let many: String = (0..=ROWS_MAX).map(|n| format!("a{n} = chat\n")).collect();
        check(&many, Err((ROWS_MAX + 1, ServiceRowError::TooMany)));
    }
}
