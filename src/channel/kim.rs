//! KIM: mail between health care providers, behind a Clientmodul.

use super::{MailboxUse, ServiceClasses, WhyNot};
use crate::model::MailAddress;

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
    /// Which programs use its mailbox.
    pub mailbox: MailboxUse,
    /// What a Dienstkennung means.
    pub classes: ServiceClasses,
}

impl KimProfile {
    /// Above 15 MiB a KIM mail goes through the attachment service, which not every receiver
    /// can read (KIM-27).
    pub const MAIL_BYTES_MAX: u64 = 15 * 1024 * 1024;

    /// The entry for a chat's words in KIM's list of applications (KIM-33).
    const SERVICE: &str = "KIM-Mail;Default;V1.0";

    pub fn new(environment: KimEnvironment) -> Self {
        Self {
            environment,
            mail_bytes_max: Self::MAIL_BYTES_MAX,
            mailbox: MailboxUse::default(),
            classes: ServiceClasses::default(),
        }
    }

    /// The outer mail shows these unencrypted to the mail services: nothing here names a person.
    pub(super) fn extra_headers(&self) -> Vec<(String, String)> {
        let system = concat!("Umstieg;", env!("CARGO_PKG_VERSION"));
        vec![
            ("X-KIM-Dienstkennung".to_owned(), Self::SERVICE.to_owned()),
            ("X-KIM-Sendersystem".to_owned(), system.to_owned()),
        ]
    }

    pub(super) fn recipient(&self, address: &MailAddress) -> Result<MailAddress, WhyNot> {
        match KimEnvironment::of(address) {
            Some(environment) if environment == self.environment => Ok(address.clone()),
            Some(_) => Err(WhyNot::OtherEnvironment),
            None => Err(WhyNot::NotKim),
        }
    }
}
