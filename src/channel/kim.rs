//! KIM: mail between health care providers, behind a Clientmodul.

use std::time::Duration;

use super::{MailboxUse, ServiceClasses, WhyNot};
use crate::model::{MailAddress, ServiceId};

/// The two worlds of KIM. They share no mail: an address of one is unknown to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KimEnvironment {
    /// `….kim.telematik`
    Production,
    /// `….kim.telematik-test`
    Test,
}

impl KimEnvironment {
    /// Longest domain before `.kim.telematik`, in bytes (KIM-26).
    const DOMAIN_MAX: usize = 189;

    /// The environment a KIM address belongs to, and `None` for an address that is not KIM's.
    ///
    /// KIM allows letters, digits, `.`, `_` and `-` on both sides of the `@` (KIM-26).
    pub fn of(address: &MailAddress) -> Option<Self> {
        let (domain, environment) = match address.domain().strip_suffix(".kim.telematik") {
            Some(domain) => (domain, Self::Production),
            None => (address.domain().strip_suffix(".kim.telematik-test")?, Self::Test),
        };
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let fits = (1..=Self::DOMAIN_MAX).contains(&domain.len())
            && domain.chars().all(is_legal)
            && address.local().chars().all(is_legal);
        fits.then_some(environment)
    }
}

/// What a KIM account has besides its mailbox.
#[derive(Clone, PartialEq, Eq)]
pub struct KimProfile {
    pub environment: KimEnvironment,
    /// The largest mail as sent, in bytes.
    pub mail_bytes_max: u64,
    /// Which recipients get more than [`KimProfile::MAIL_BYTES_MAX`].
    pub large_mails: LargeMails,
    pub systems: KimSystems,
    pub receipts: Receipts,
    /// How long a mail server that agreed to report may be silent before the room is told.
    pub report_wait: Duration,
    /// Which programs use its mailbox.
    pub mailbox: MailboxUse,
    /// What a Dienstkennung means.
    pub classes: ServiceClasses,
}

/// The systems that a KIM mail names (KIM-23). The headers are unencrypted: nothing here names a person.
#[derive(Clone, PartialEq, Eq)]
pub struct KimSystems {
    /// Who wrote the mail: name and version, with `;` between.
    pub system: String,
    /// Whom to ask about that system. Mandatory; nobody but its operator knows it.
    pub support: Option<MailAddress>,
    /// The product's id at gematik and its version, with `/` between. Mandatory as well; gematik gives
    /// it to each product.
    pub user_agent: Option<String>,
    /// What the mail passed on its way to the Clientmodul: name and version, with `;` between.
    pub middleware: Option<String>,
}

impl Default for KimSystems {
    fn default() -> Self {
        let system = concat!("Umstieg;", env!("CARGO_PKG_VERSION")).to_owned();
        Self { system, support: None, user_agent: None, middleware: None }
    }
}

impl KimSystems {
    /// The mandatory headers that the settings leave out, each with its key in the settings.
    pub fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let mandatory = [
            ("X-KIM-Support", "support", self.support.is_some()),
            ("X-TI-User-Agent", "user_agent", self.user_agent.is_some()),
        ];
        let missing = mandatory.into_iter().filter(|(_, _, is_given)| !is_given);
        missing.map(|(header, key, _)| (header, key)).collect()
    }
}

/// Which recipients get mails over 15 MiB (KIM-27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LargeMails {
    /// Nobody.
    #[default]
    Never,
    /// Those whose entry in the directory says that they take them.
    WhereListed,
    /// Everybody: the settings say so, whatever the directory says.
    Always,
}

/// Whether the recipient is asked to confirm that the mail was read (MDN, RFC 8098).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Receipts {
    Requested,
    #[default]
    NotRequested,
}

impl KimProfile {
    /// Above 15 MiB a KIM mail goes through the attachment service, which not every receiver
    /// can read (KIM-27).
    pub const MAIL_BYTES_MAX: u64 = 15 * 1024 * 1024;

    /// The largest mail that KIM transports at all, in bytes as sent: about 500 MB before base64.
    pub const LARGE_MAIL_BYTES_MAX: u64 = 734_003_200;

    /// Most reports come within minutes; a server that cannot deliver tries for days.
    pub const REPORT_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

    /// The entry for a chat's words in KIM's list of applications: the only one that the gateway writes
    /// (KIM-33), but for receipts.
    const SERVICE: &str = "KIM-Mail;Default;V1.0";

    /// The entry for receipts of messages that the KV's form carries, without its version.
    const MESSAGE_RECEIPT: &str = "eNachricht;Eingangsbestaetigung";

    pub fn new(environment: KimEnvironment) -> Self {
        Self {
            environment,
            mail_bytes_max: Self::MAIL_BYTES_MAX,
            large_mails: LargeMails::default(),
            systems: KimSystems::default(),
            receipts: Receipts::default(),
            report_wait: Self::REPORT_WAIT,
            mailbox: MailboxUse::default(),
            classes: ServiceClasses::default(),
        }
    }

    /// The outer mail shows these unencrypted to the mail services: nothing here names a person but the
    /// sender, whom the envelope names as well.
    pub(super) fn extra_headers(&self, own: &MailAddress) -> Vec<(String, String)> {
        // Machines that read other services answer by rules of their own, and some forbid the request
        // (KIM-31).
        self.headers_of(Self::SERVICE, own, self.receipts)
    }

    /// The same of a receipt, which asks for none itself (RFC 8098 §3).
    pub(super) fn receipt_headers(
        &self,
        service: &ServiceId,
        own: &MailAddress,
    ) -> Vec<(String, String)> {
        self.headers_of(service.as_str(), own, Receipts::NotRequested)
    }

    /// The Dienstkennung of a receipt for a mail of this one; nothing where a person sends none (KIM-31).
    ///
    /// KIM's list has `Eingangsbestaetigung` for messages of the KV alone. Assumed: a receipt for a KIM
    /// mail between people is a KIM mail between people.
    pub fn receipt_for(service: &ServiceId) -> Option<ServiceId> {
        match (service.application().as_str(), service.kind().as_str()) {
            ("kim-mail", "default") => ServiceId::new(Self::SERVICE),
            ("enachricht", "lieferung") => {
                let version = service.as_str().splitn(3, ';').nth(2);
                let text = version.map_or_else(
                    || Self::MESSAGE_RECEIPT.to_owned(),
                    |version| format!("{};{version}", Self::MESSAGE_RECEIPT),
                );
                ServiceId::new(&text)
            }
            _ => None,
        }
    }

    fn headers_of(
        &self,
        service: &str,
        own: &MailAddress,
        receipts: Receipts,
    ) -> Vec<(String, String)> {
        let systems = &self.systems;
        let asks = receipts == Receipts::Requested && service == Self::SERVICE;
        let headers = [
            ("X-KIM-Dienstkennung", Some(service)),
            ("X-KIM-Sendersystem", Some(systems.system.as_str())),
            ("X-KIM-Support", systems.support.as_ref().map(MailAddress::as_str)),
            ("X-TI-User-Agent", systems.user_agent.as_deref()),
            ("X-KIM-Middleware", systems.middleware.as_deref()),
            ("Disposition-Notification-To", asks.then_some(own.as_str())),
        ];
        headers
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect()
    }

    pub(super) fn recipient(&self, address: &MailAddress) -> Result<MailAddress, WhyNot> {
        match KimEnvironment::of(address) {
            Some(environment) if environment == self.environment => Ok(address.clone()),
            Some(_) => Err(WhyNot::OtherEnvironment),
            None => Err(WhyNot::NotKim),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> MailAddress {
        MailAddress::new("praxis@mueller.kim.telematik").unwrap()
    }

    fn headers(change: fn(&mut KimProfile), service: &str) -> Vec<String> {
        let mut profile = KimProfile::new(KimEnvironment::Production);
        profile.systems.system = "Umstieg;1".to_owned();
        change(&mut profile);
        let headers = profile.headers_of(service, &own(), profile.receipts);
        headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn kim_23_a_mail_names_the_systems_of_the_settings() {
        let all = |profile: &mut KimProfile| {
            let systems = &mut profile.systems;
            systems.support = MailAddress::new("hilfe@hersteller.example").ok();
            systems.user_agent = Some("Umstieg-gemApproved/1.0.0".to_owned());
            systems.middleware = Some("Praxisserver;2".to_owned());
        };
        assert_eq!(
            headers(all, KimProfile::SERVICE),
            [
                "X-KIM-Dienstkennung: KIM-Mail;Default;V1.0",
                "X-KIM-Sendersystem: Umstieg;1",
                "X-KIM-Support: hilfe@hersteller.example",
                "X-TI-User-Agent: Umstieg-gemApproved/1.0.0",
                "X-KIM-Middleware: Praxisserver;2",
            ]
        );
    }

    #[test]
    fn kim_31_a_receipt_is_asked_for_by_setting_and_of_no_other_service() {
        let asks = |profile: &mut KimProfile| profile.receipts = Receipts::Requested;
        let asked = "Disposition-Notification-To: praxis@mueller.kim.telematik".to_owned();
        assert!(headers(asks, KimProfile::SERVICE).contains(&asked));
        assert!(!headers(|_| {}, KimProfile::SERVICE).contains(&asked));
        for service in ["eEB;Anfrage;V1.1", "1ClickAbrechnung;Lieferung;V2.0"] {
            assert!(!headers(asks, service).contains(&asked), "{service}");
        }
    }

    #[test]
    fn kim_31_a_receipt_has_its_own_dienstkennung_and_asks_for_none() {
        let receipt = |service: &str| KimProfile::receipt_for(&ServiceId::new(service).unwrap());
        for (service, expected) in [
            ("KIM-Mail;Default;V1.0", Some("KIM-Mail;Default;V1.0")),
            ("kim-mail;default;V2", Some("KIM-Mail;Default;V1.0")),
            ("eNachricht;Lieferung;V2.1", Some("eNachricht;Eingangsbestaetigung;V2.1")),
            ("eNachricht;Lieferung", Some("eNachricht;Eingangsbestaetigung")),
            ("KIM-Mail;Abwesend;V1.0", None),
            ("Arztbrief;VHitG-Versand;V1.2", None),
            ("eEB;Anfrage;V1.1", None),
        ] {
            assert_eq!(receipt(service).as_ref().map(ServiceId::as_str), expected, "{service}");
        }
        let mut profile = KimProfile::new(KimEnvironment::Production);
        profile.receipts = Receipts::Requested;
        let service = receipt("KIM-Mail;Default;V1.0").unwrap();
        let headers = profile.receipt_headers(&service, &own());
        assert_eq!(headers.first().map(|(_, value)| value.as_str()), Some(service.as_str()));
        assert!(headers.iter().all(|(name, _)| name != "Disposition-Notification-To"));
    }
}
