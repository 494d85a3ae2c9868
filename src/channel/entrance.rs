//! What a fax server in the house has to show before it may deliver to a channel (FAX-9, FAX-12).
//!
//! The envelope's recipient decides which channel a mail is for, and `To:` says nothing about it
//! (RFC 3965 §2.1.3). Who delivers is proved by the address of the peer, by a login, or by both; `From:` is
//! checked later and proves nothing.

use core::net::IpAddr;
use std::fmt;

use ipnet::IpNet;
use secrecy::SecretString;

use crate::model::MailAddress;

/// The way into one channel through the listener.
#[derive(Clone)]
pub struct Entrance {
    /// At least one. The first one stands for the channel, also under another name of it.
    pub recipients: Vec<EntranceAddress>,
    /// Empty where the address of a peer counts for nothing. Otherwise no other peer may deliver.
    pub peers: Vec<IpNet>,
    /// Where given, nobody may deliver without it.
    pub login: Option<EntranceLogin>,
}

/// User and password of a fax server.
#[derive(Clone)]
pub struct EntranceLogin {
    pub user: String,
    pub password: SecretString,
}

/// By what a peer showed that it may deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryProof {
    Address,
    Login,
    /// By its address and a login.
    Both,
}

impl DeliveryProof {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Login => "login",
            Self::Both => "both",
        }
    }
}

impl Entrance {
    /// What it asks for.
    pub fn proof(&self) -> DeliveryProof {
        match (self.peers.is_empty(), &self.login) {
            (false, Some(_)) => DeliveryProof::Both,
            (true, Some(_)) => DeliveryProof::Login,
            (_, None) => DeliveryProof::Address,
        }
    }

    /// Whether a peer at this address may deliver, as far as its address says. An IPv4 address within IPv6
    /// counts as the IPv4 address.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match self.peers.is_empty() {
            true => self.login.is_some(),
            false => self.peers.iter().any(|net| net.contains(&peer)),
        }
    }

    /// How well a recipient fits: the larger, the better. Nothing if it is not one of ours.
    pub fn fits(&self, recipient: &MailAddress) -> Option<usize> {
        self.recipients.iter().filter_map(|own| own.fits(recipient)).max()
    }
}

/// Recipients, addresses and logins are not shown.
impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entrance({} recipients, {:?})", self.recipients.len(), self.proof())
    }
}

/// A recipient in the settings: a mailbox, or a fax address (RFC 3191, RFC 3192, FAX-37).
///
/// A mailbox also takes `mailbox+anything@domain`. A fax address is compared by its digits, with or without
/// the slashes around it; one without a subaddress (`T33S`) takes every subaddress.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntranceAddress {
    local: FaxLocalPart,
    domain: String,
    as_given: String,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum FaxLocalPart {
    Mailbox(String),
    Number { digits: String, subaddress: Option<String> },
}

/// A recipient that fits as it is beats every other one.
const EXACT: usize = 1_000;

impl EntranceAddress {
    pub fn new(address: &MailAddress) -> Self {
        Self {
            local: FaxLocalPart::of(address.local()),
            domain: address.domain().to_owned(),
            as_given: address.as_str().to_owned(),
        }
    }

    /// As the settings give it, in lower case.
    pub fn as_str(&self) -> &str {
        &self.as_given
    }

    /// What must not be in the settings twice.
    pub fn key(&self) -> String {
        let local = match &self.local {
            FaxLocalPart::Mailbox(local) => local.clone(),
            FaxLocalPart::Number { digits, subaddress } => {
                format!("fax={digits}/t33s={}", subaddress.as_deref().unwrap_or_default())
            }
        };
        format!("{local}@{}", self.domain)
    }

    fn fits(&self, recipient: &MailAddress) -> Option<usize> {
        if self.domain != recipient.domain() {
            return None;
        }
        match (&self.local, FaxLocalPart::of(recipient.local())) {
            (FaxLocalPart::Mailbox(own), FaxLocalPart::Mailbox(theirs)) => {
                let rest = theirs.strip_prefix(own.as_str())?;
                match rest.chars().next() {
                    None => Some(EXACT),
                    // `fax+11` in the settings beats `fax` for `fax+11+x`.
                    Some('+') => Some(own.len()),
                    Some(_) => None,
                }
            }
            (
                FaxLocalPart::Number { digits, subaddress },
                FaxLocalPart::Number { digits: theirs, subaddress: of_theirs },
            ) if *digits == theirs => match subaddress {
                None => Some(1),
                Some(own) => (of_theirs.as_ref() == Some(own)).then_some(EXACT),
            },
            _ => None,
        }
    }
}

impl fmt::Debug for EntranceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain)
    }
}

impl FaxLocalPart {
    /// `local`: in lower case, as a [`MailAddress`] has it.
    fn of(local: &str) -> Self {
        Self::number(local).unwrap_or_else(|| Self::Mailbox(local.to_owned()))
    }

    fn number(local: &str) -> Option<Self> {
        let bare = local.strip_prefix('/').unwrap_or(local);
        let mut parts = bare.strip_suffix('/').unwrap_or(bare).split('/');
        let digits: String = parts
            .next()?
            .strip_prefix("fax=")?
            .chars()
            // Separators that say nothing (RFC 3192 §2).
            .filter(|c| !['-', '.'].contains(c))
            .collect();
        let plain = digits.strip_prefix('+').unwrap_or(&digits);
        if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // What else it says is kept with the envelope, and decides nothing.
        let subaddress = parts.find_map(|part| part.strip_prefix("t33s=").map(str::to_owned));
        // `+49…` and `49…` are one number: what an address names is whole.
        Some(Self::Number { digits: plain.to_owned(), subaddress })
    }
}

/// Longest subaddress that is shown, in digits (ITU-T T.33).
const SUBADDRESS_DIGITS_MAX: usize = 20;

/// The subaddress that the sender of a fax dialled behind its number, as the envelope says it (RFC 3191
/// `T33S`): a desk or a person of the house (FAX-9).
pub fn subaddress_of(recipient: &MailAddress) -> Option<String> {
    let FaxLocalPart::Number { subaddress, .. } = FaxLocalPart::of(recipient.local()) else {
        return None;
    };
    subaddress.filter(|digits| {
        (1..=SUBADDRESS_DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The entrance that a recipient is for: the one it fits best.
pub fn entrance_for<'e>(
    entrances: impl IntoIterator<Item = &'e Entrance>,
    recipient: &MailAddress,
) -> Option<usize> {
    let fitting = entrances
        .into_iter()
        .enumerate()
        .filter_map(|(place, entrance)| entrance.fits(recipient).map(|fit| (fit, place)));
    fitting.max_by_key(|(fit, _)| *fit).map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance(recipients: &[&str]) -> Entrance {
        let own = |text: &&str| EntranceAddress::new(&MailAddress::new(text).unwrap());
        Entrance { recipients: recipients.iter().map(own).collect(), peers: vec![], login: None }
    }

    #[test]
    fn fax_9_the_envelope_recipient_decides_in_every_form_it_may_have() {
        let all = [
            entrance(&["fax-praxis@umstieg.internal", "FAX=+4930111111@umstieg.internal"]),
            entrance(&["fax-labor@umstieg.internal", "fax-praxis+77@umstieg.internal"]),
            entrance(&["FAX=+4930111111/T33S=1387@umstieg.internal"]),
        ];
        for (recipient, expected) in [
            ("fax-praxis@umstieg.internal", Some(0)),
            ("Fax-Praxis@Umstieg.INTERNAL", Some(0)),
            ("fax-praxis+did-12@umstieg.internal", Some(0)),
            ("fax-praxis+77@umstieg.internal", Some(1)),
            ("fax-praxis+77+x@umstieg.internal", Some(1)),
            ("fax-labor@umstieg.internal", Some(1)),
            ("FAX=+4930111111@umstieg.internal", Some(0)),
            ("fax=+49-30-111.111@umstieg.internal", Some(0)),
            ("/FAX=+4930111111/@umstieg.internal", Some(0)),
            ("FAX=+4930111111/T33S=1@umstieg.internal", Some(0)),
            ("/fax=+4930111111/t33s=1387/@umstieg.internal", Some(2)),
            ("FAX=+4930111111/X=1/T33S=1387@umstieg.internal", Some(2)),
            ("FAX=030111111@umstieg.internal", None),
            ("fax-praxi@umstieg.internal", None),
            ("fax-praxis2@umstieg.internal", None),
            ("fax-praxis@umstieg.internal.example", None),
            ("FAX=@umstieg.internal", None),
        ] {
            let recipient = MailAddress::new(recipient).unwrap();
            assert_eq!(entrance_for(&all, &recipient), expected, "{}", recipient.as_str());
        }
    }

    #[test]
    fn fax_12_a_peer_is_admitted_by_its_address_a_login_or_both() {
        let nets = |texts: &[&str]| texts.iter().map(|net| net.parse().unwrap()).collect();
        let login = EntranceLogin { user: "hylafax".to_owned(), password: "geheim".into() };
        let by_address =
            Entrance { peers: nets(&["192.168.1.20/32", "fd00::/64"]), ..entrance(&["a@b"]) };
        let by_login = Entrance { login: Some(login.clone()), ..entrance(&["a@b"]) };
        let by_both = Entrance { login: Some(login), ..by_address.clone() };
        let by_nothing = entrance(&["a@b"]);
        assert_eq!(by_address.proof(), DeliveryProof::Address);
        assert_eq!(by_login.proof(), DeliveryProof::Login);
        assert_eq!(by_both.proof(), DeliveryProof::Both);
        for (peer, address, login, both) in [
            ("192.168.1.20", true, true, true),
            ("::ffff:192.168.1.20", true, true, true),
            ("192.168.1.21", false, true, false),
            ("fd00::7", true, true, true),
            ("fd01::7", false, true, false),
        ] {
            let peer = peer.parse().unwrap();
            let seen = [&by_address, &by_login, &by_both].map(|entrance| entrance.admits(peer));
            assert_eq!(seen, [address, login, both], "{peer}");
            assert!(!by_nothing.admits(peer));
        }
    }

    #[test]
    fn an_entrance_prints_no_address() {
        let shown = format!("{:?}", entrance(&["geheim@umstieg.internal"]));
        assert_eq!(shown, "Entrance(1 recipients, Address)");
    }

    #[test]
    fn fax_9_the_subaddress_is_digits_and_nothing_else() {
        for (recipient, expected) in [
            ("FAX=+4930111111/T33S=1387@umstieg.internal", Some("1387")),
            ("/fax=+49-30-111111/x=1/t33s=12/@umstieg.internal", Some("12")),
            ("fax=+4930111111@umstieg.internal", None),
            ("fax=+4930111111/t33s=@umstieg.internal", None),
            ("fax=+4930111111/t33s=1a@umstieg.internal", None),
            ("fax=+4930111111/t33s=123456789012345678901@umstieg.internal", None),
            ("fax-praxis+77@umstieg.internal", None),
        ] {
            let address = MailAddress::new(recipient).unwrap();
            assert_eq!(subaddress_of(&address).as_deref(), expected, "{recipient}");
        }
    }
}
