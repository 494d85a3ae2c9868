//! Fax-to-email gateways: one row of data each (FAX-22).

use super::{
    Country, WhyNot,
    caller::{self, Caller},
    number,
    subject::{SubjectForm, called, station},
};
use crate::model::{AddressError, FaxNumber, Letter, MailAddress};

/// How one make of gateway writes addresses and subjects.
#[derive(Debug, PartialEq, Eq)]
pub struct FaxForm {
    /// The word for it in settings.
    pub name: &'static str,
    /// The recipient of a fax. Filled in: `{domain}`, and the number as `{e164}` (`+4930…`),
    /// `{digits}` (`4930…`), `{international}` (`004930…`) or `{national}` (`030…`).
    pub address: &'static str,
    /// Subjects of received faxes, the narrower first.
    pub subjects: &'static [SubjectForm],
}

/// The forms that ship. A new gateway is a new row.
pub const FAX_FORMS: [FaxForm; 1] = [FaxForm {
    name: "number_at_domain",
    address: "{digits}@{domain}",
    subjects: &[
        // HylaFAX (English, German) and HylaFAX+ name the station id.
        station("Fax received from \"{number}\""),
        station("Fax received with errors from \"{number}\""),
        station("Fax received from {number}"),
        station("Facsimile received from {number}"),
        station("Fax empfangen von {number}"),
        // FreePBX (English, German), FRITZ!Box, and unnamed gateways.
        called("Neues Fax von {number}"),
        called("Neues Fax empfangen von {number}"),
        called("Neues Telefax von {number}"),
        called("New fax from {number}"),
        called("New fax received from {number}"),
        called("New fax message from {number}"),
        called("Sie haben ein Fax von {number} erhalten"),
        called("Sie haben ein neues Fax von {number} erhalten"),
        called("You have received a fax from {number}"),
        called("You have a new fax from {number}"),
        called("Eingehendes Fax von {number}"),
        called("Incoming fax from {number}"),
        called("Faxeingang von {number}"),
        called("Fax-Eingang von {number}"),
        called("Fax erhalten von {number}"),
        called("Faxnachricht von {number}"),
        called("Fax message from {number}"),
        called("Telefax von {number}"),
        called("Fax from {number}"),
        called("Fax von {number}"),
    ],
}];

impl FaxForm {
    pub fn named(name: &str) -> Option<&'static Self> {
        FAX_FORMS.iter().find(|form| form.name == name)
    }
}

/// A fax line at a gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct FaxProfile {
    pub form: &'static FaxForm,
    /// The right side of recipient addresses.
    pub domain: String,
    /// Our own number.
    pub number: FaxNumber,
    /// The country of numbers without a country code.
    pub country: Country,
    /// Which countries may be dialled.
    pub countries: Vec<Country>,
    /// Which addresses may bring faxes: the From of the gateway (FAX-12).
    pub senders: Vec<SenderRule>,
    pub pages_max: u32,
    /// The largest mail as sent, in bytes.
    pub mail_bytes_max: u64,
}

impl FaxProfile {
    /// A page takes a minute of line; many gateways cut off near here (FAX-14).
    pub const PAGES_MAX: u32 = 50;

    /// Many gateways refuse more than 10 MB.
    pub const MAIL_BYTES_MAX: u64 = 10 * 1024 * 1024;

    /// The sender of a fax.
    pub(super) fn caller(&self, sender: &MailAddress, letter: &Letter) -> Result<Caller, WhyNot> {
        if !self.senders.iter().any(|rule| rule.allows(sender)) {
            return Err(WhyNot::SenderNotAllowed);
        }
        Ok(caller::read(letter, self.form.subjects, self.country, &self.number))
    }

    pub(super) fn recipient(&self, number: &FaxNumber) -> Result<MailAddress, WhyNot> {
        number::check_dialable(number, &self.countries)?;
        let address = self
            .form
            .address
            .replace("{e164}", number.as_str())
            .replace("{digits}", number.digits())
            .replace("{international}", &format!("00{}", number.digits()))
            .replace("{national}", &number::national(number, self.country))
            .replace("{domain}", &self.domain);
        MailAddress::new(&address).map_err(WhyNot::Address)
    }
}

/// An address, or a whole domain, whose mails count as faxes.
#[derive(Clone, PartialEq, Eq)]
pub enum SenderRule {
    Address(MailAddress),
    /// Lower case; subdomains are not included.
    Domain(String),
}

/// A text is no sender rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address (fax@gateway.example) or a domain (@gateway.example)")]
pub struct SenderRuleError(#[source] AddressError);

impl SenderRule {
    /// `fax@gateway.example` or `@gateway.example`.
    pub fn new(text: &str) -> Result<Self, SenderRuleError> {
        if text.starts_with('@') {
            // A domain is legal when an address in it is.
            let probe = MailAddress::new(&format!("any{text}")).map_err(SenderRuleError)?;
            return Ok(Self::Domain(probe.domain().to_owned()));
        }
        MailAddress::new(text).map(Self::Address).map_err(SenderRuleError)
    }

    pub fn allows(&self, sender: &MailAddress) -> bool {
        match self {
            Self::Address(address) => address == sender,
            Self::Domain(domain) => domain == sender.domain(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(form: &'static FaxForm) -> FaxProfile {
        let germany = Country::new("DE").unwrap();
        FaxProfile {
            form,
            domain: "gateway.example".to_owned(),
            number: FaxNumber::new("+493011111111").unwrap(),
            country: germany,
            countries: vec![germany, Country::new("AT").unwrap()],
            senders: vec![SenderRule::new("@gateway.example").unwrap()],
            pages_max: 1,
            mail_bytes_max: 1,
        }
    }

    /// Each form that ships, with the address it makes from a number, and the subject of a fax from
    /// there.
    #[test]
    fn fax_22_every_form_writes_to_a_number_and_reads_it() {
        let tried = [("number_at_domain", "49301234567@gateway.example", "Fax von 030 1234567")];
        let names: Vec<&str> = FAX_FORMS.iter().map(|form| form.name).collect();
        assert_eq!(tried.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), names);
        let number = FaxNumber::new("+49301234567").unwrap();
        let sender = MailAddress::new("fax@gateway.example").unwrap();
        for (name, address, subject) in tried {
            let profile = profile(FaxForm::named(name).unwrap());
            assert_eq!(profile.recipient(&number).unwrap().as_str(), address, "{name}");
            let letter = Letter { subject: subject.to_owned(), ..Letter::default() };
            let caller = profile.caller(&sender, &letter);
            assert_eq!(caller, Ok(Caller::Sure(number.clone())), "{name}");
        }
    }

    #[test]
    fn fax_22_every_number_form_of_a_template_is_filled_in() {
        static FORM: FaxForm = FaxForm {
            name: "all",
            address: "{e164}_{digits}_{international}_{national}@{domain}",
            subjects: &[],
        };
        let profile = profile(&FORM);
        let check = |number: &str, expected: &str| {
            let address = profile.recipient(&FaxNumber::new(number).unwrap()).unwrap();
            assert_eq!(address.as_str(), expected);
        };
        check("+49301234567", "+49301234567_49301234567_0049301234567_0301234567@gateway.example");
        // Abroad the national form would ring another line: the international form replaces it.
        check("+43150100", "+43150100_43150100_0043150100_0043150100@gateway.example");
    }

    #[test]
    fn a_sender_rule_is_an_address_or_a_domain() {
        assert!(SenderRule::new("fax@gateway.example").is_ok());
        assert!(
            SenderRule::new("@Gateway.example")
                .unwrap()
                .allows(&MailAddress::new("x@gateway.example").unwrap())
        );
        for wrong in ["", "@", "gateway.example", "a@b@c", "*@gateway.example@"] {
            assert!(SenderRule::new(wrong).is_err(), "{wrong}");
        }
    }
}
