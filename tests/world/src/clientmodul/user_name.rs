//! The user names of KIM: who logs in, at which Fachdienst, with whose card (kim.md 1.3).
//!
//! ```text
//! SMTP  address#server:port#MandantId#ClientsystemId#WorkplaceId[#KonnektorId]
//! POP3  address#server:port#MandantId#ClientsystemId#WorkplaceId[#UserId[#KonnektorId]]
//! ```
//!
//! A part left out before a later one is written `*`. The address is the same in any case; the ids
//! are not.

use serde::{Deserialize, Serialize};

use super::account::KimAccount;

/// The two protocols of a Clientmodul; it speaks no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KimProtocol {
    Smtp,
    Pop3,
}

/// How this Clientmodul wants its user names; makes and versions differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NameGrammar {
    /// Whether the server may be missing (1.5.4). The exact form is not public; assumed is `*` or
    /// nothing between the first two `#`.
    pub server_optional: bool,
    /// Whether SMTP takes a UserId before the KonnektorId, as POP3 does. Some do (OpenKIM).
    pub user_id_in_smtp: bool,
    /// Whether the address alone is a user name: a mail server of the practice stands between.
    pub address_alone: bool,
    /// What stands between server and port; `:` everywhere but where a system before it chokes.
    pub port_delimiter: char,
}

impl Default for NameGrammar {
    fn default() -> Self {
        Self {
            server_optional: false,
            user_id_in_smtp: false,
            address_alone: false,
            port_delimiter: ':',
        }
    }
}

/// A user name, read. What is missing or `*` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KimUserName {
    /// In lower case.
    pub address: String,
    /// Server and port at the Fachdienst.
    pub server: Option<(String, u16)>,
    /// Mandant, Clientsystem and Workplace; `None` for an address alone.
    pub context: Option<[String; 3]>,
    pub user_id: Option<String>,
    pub konnektor_id: Option<String>,
    /// A UserId has its place in this name, filled or not.
    pub has_user_place: bool,
}

/// Why a user name is not taken. SMTP says `501` to both, POP3 a bare `-ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameTrouble {
    /// Not written as it should be.
    Malformed,
    /// Well written, and the Konnektor knows no such Mandant, Clientsystem, Workplace, user or
    /// Konnektor (its faults 4004 to 4006).
    UnknownContext,
}

impl NameGrammar {
    /// Reads a user name.
    ///
    /// # Errors
    /// When it is not written as the protocol and this grammar want it.
    pub fn read(&self, protocol: KimProtocol, name: &str) -> Result<KimUserName, NameTrouble> {
        let parts: Vec<&str> = name.split('#').collect();
        let (address, rest) = parts.split_first().ok_or(NameTrouble::Malformed)?;
        let (local, domain) = address.split_once('@').ok_or(NameTrouble::Malformed)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(NameTrouble::Malformed);
        }
        let address = address.to_ascii_lowercase();
        let with_user = protocol == KimProtocol::Pop3 || self.user_id_in_smtp;
        let mut read = KimUserName {
            address,
            server: None,
            context: None,
            user_id: None,
            konnektor_id: None,
            has_user_place: with_user,
        };
        let [server, mandant, client_system, workplace, optional @ ..] = rest else {
            let alone = rest.is_empty() && self.address_alone;
            return if alone { Ok(read) } else { Err(NameTrouble::Malformed) };
        };
        read.server = self.server(server)?;
        let context = [mandant, client_system, workplace].map(|id| (*id).to_owned());
        if context.iter().any(|id| id.is_empty() || id == "*") {
            return Err(NameTrouble::Malformed);
        }
        read.context = Some(context);
        (read.user_id, read.konnektor_id) = match optional {
            [] => (None, None),
            [user] if with_user => (given(user)?, None),
            [user, konnektor] if with_user => (given(user)?, given(konnektor)?),
            [konnektor] => (None, given(konnektor)?),
            _ => return Err(NameTrouble::Malformed),
        };
        Ok(read)
    }

    fn server(&self, written: &str) -> Result<Option<(String, u16)>, NameTrouble> {
        if self.server_optional && (written.is_empty() || written == "*") {
            return Ok(None);
        }
        let (host, port) =
            written.rsplit_once(self.port_delimiter).ok_or(NameTrouble::Malformed)?;
        let port = port.parse().map_err(|_| NameTrouble::Malformed)?;
        if host.is_empty() {
            Err(NameTrouble::Malformed)
        } else {
            Ok(Some((host.to_owned(), port)))
        }
    }
}

impl KimUserName {
    /// Whether the Konnektor knows what the name says about this account.
    pub(super) fn fits(&self, account: &KimAccount) -> bool {
        let Some([mandant, client_system, workplace]) = &self.context else { return true };
        *mandant == account.mandant_id
            && *client_system == account.client_system_id
            && *workplace == account.workplace_id
            && self.konnektor_id == account.konnektor_id
    }
}

fn given(part: &str) -> Result<Option<String>, NameTrouble> {
    match part {
        "" => Err(NameTrouble::Malformed),
        "*" => Ok(None),
        id => Ok(Some(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{KimProtocol, NameGrammar};

    const HEAD: &str = "a.b@hrst_domain.kim.telematik#mail.kim.telematik:995#1#KOM_LE#7";

    #[test]
    fn kim_1_the_optional_parts_have_their_places_by_protocol() {
        let check = |protocol, tail: &str, expected: Option<(Option<&str>, Option<&str>)>| {
            let read = NameGrammar::default().read(protocol, &format!("{HEAD}{tail}")).ok();
            let read = read.map(|name| (name.user_id, name.konnektor_id));
            let expected = expected
                .map(|(user, konnektor)| (user.map(str::to_owned), konnektor.map(str::to_owned)));
            assert_eq!(read, expected, "{tail}");
        };
        check(KimProtocol::Smtp, "", Some((None, None)));
        check(KimProtocol::Smtp, "#Konn_1", Some((None, Some("Konn_1"))));
        check(KimProtocol::Smtp, "#13#Konn_1", None);
        check(KimProtocol::Pop3, "#13", Some((Some("13"), None)));
        check(KimProtocol::Pop3, "#*#Konn_1", Some((None, Some("Konn_1"))));
        check(KimProtocol::Pop3, "#13#Konn_1", Some((Some("13"), Some("Konn_1"))));
        check(KimProtocol::Pop3, "#13#Konn_1#x", None);
        check(KimProtocol::Pop3, "##Konn_1", None);
    }

    #[test]
    fn kim_1_each_grammar_takes_its_own_variants() {
        let of = |change: fn(&mut NameGrammar)| {
            let mut grammar = NameGrammar::default();
            change(&mut grammar);
            grammar
        };
        for (grammar, protocol, name, taken) in [
            (of(|_| {}), KimProtocol::Pop3, "a@b.kim.telematik", false),
            (of(|it| it.address_alone = true), KimProtocol::Pop3, "a@b.kim.telematik", true),
            (of(|_| {}), KimProtocol::Pop3, "a@b.kim.telematik#*#1#2#3", false),
            (
                of(|it| it.server_optional = true),
                KimProtocol::Pop3,
                "a@b.kim.telematik##1#2#3",
                true,
            ),
            (of(|_| {}), KimProtocol::Smtp, "a@b.kim.telematik#m;465#1#2#3", false),
            (
                of(|it| it.port_delimiter = ';'),
                KimProtocol::Smtp,
                "a@b.kim.telematik#m;465#1#2#3",
                true,
            ),
            (
                of(|it| it.user_id_in_smtp = true),
                KimProtocol::Smtp,
                "a@b.kim.telematik#m:465#1#2#3#4#5",
                true,
            ),
            (of(|_| {}), KimProtocol::Smtp, "a@b.kim.telematik#m:465#1#2", false),
            (of(|_| {}), KimProtocol::Smtp, "a#m:465#1#2#3", false),
        ] {
            assert_eq!(grammar.read(protocol, name).is_ok(), taken, "{name}");
        }
    }
}
