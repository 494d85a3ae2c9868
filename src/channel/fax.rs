//! Fax lines: what is set for one, and what its gateway's mails say (FAX-22). What differs between the
//! makes of gateways is in the files of `profiles/`.

mod caller;
mod form;
mod in_document;
mod pages;
mod proposing;
mod reading;
mod template;

use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{AreaCode, Country, Home, WhyNot, number};
use crate::model::{AddressError, FaxNumber, FaxShowing, Letter, MailAddress, MessageId};

pub(super) use caller::Caller;
use form::names_tag;
pub use form::{
    FaxForm, FaxFormAbout, FaxFormError, FaxMissed, FaxReason, FaxReceived, FaxReportForm,
    FaxReportSays, FaxReports, FaxSends, FromSays, KnownFrom, PROFILE_BYTES_MAX,
};
pub use in_document::DocumentNumber;
pub use proposing::proposed_profile;
pub use reading::{FAX_ID_DOMAIN, FaxArrived, FaxMail, FaxMissedCall, FaxSaid, tag_of};
pub use template::{Blank, Template, TemplateError};

/// A fax line at a gateway.
#[derive(Clone)]
pub struct FaxProfile {
    pub form: Arc<FaxForm>,
    /// The right side of recipient addresses.
    pub domain: String,
    /// The recipient, if it is another one than the profile's.
    pub address: Option<String>,
    /// What the gateway wants to read for `{code}`: a password, or the like.
    pub code: Option<SecretString>,
    /// Our own number.
    pub number: FaxNumber,
    /// The country of numbers without a country code.
    pub country: Country,
    /// The area of callers that the gateway names without one; nothing where it always names it.
    pub area: Option<AreaCode>,
    /// Which countries may be dialled.
    pub countries: Vec<Country>,
    /// Whether the envelope's sender bears the tag of a fax behind a `+`, so that what comes back names the
    /// fax (FAX-27). The mailbox has to take such addresses, and the mail server such senders.
    pub tagged_sender: bool,
    /// Which addresses may bring faxes: the From of the gateway (FAX-12).
    pub senders: Vec<SenderRule>,
    /// The mail server in front of the mailbox, by the name in its `Authentication-Results`: a fax counts only
    /// if that server confirms the domain of its From (FAX-12). None: From alone counts.
    pub authserv_id: Option<String>,
    /// Whether faxes leave at all, and which are shown to a person first.
    pub send: FaxSend,
    pub pages_max: u32,
    /// The largest mail as sent, in bytes.
    pub mail_bytes_max: u64,
    /// After so many days the mails that brought faxes are deleted here (FAX-39). None: never.
    pub keep_days: Option<u32>,
    /// How the pages of received faxes are shown.
    pub showing: FaxShowing,
    /// The file that says what numbers are called; nothing where the settings name none.
    pub address_book: Option<PathBuf>,
    /// Whether the document itself names the caller.
    pub document_number: DocumentNumber,
}

/// Whether faxes leave. A wrong number is a breach of confidence, so the default is that none does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaxSend {
    /// What is said in the rooms of the channel stays there.
    #[default]
    Off,
    /// Each fax is shown first, and leaves when a person has confirmed it.
    Confirm,
    /// Only a fax whose number is new or not certain is shown first.
    On,
}

impl FaxSend {
    /// In the order in which they let more leave.
    pub const ALL: [Self; 3] = [Self::Off, Self::Confirm, Self::On];

    /// The word for it in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Confirm => "confirm",
            Self::On => "on",
        }
    }

    /// The inverse of [`FaxSend::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|send| send.word() == word)
    }
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
        if !self.is_proven(sender, letter) {
            return Err(WhyNot::SenderNotProven);
        }
        let home = (self.country, self.area.as_ref());
        let of_mail = self.form.caller(letter, home, &self.number);
        let (line, says) = ((self.country, &self.number), letter.document.as_ref());
        Ok(in_document::decide(of_mail, says, self.document_number, line))
    }

    /// Whether the mail is from its From's domain as far as the settings ask for it. Only the topmost field
    /// of the server counts: those below may have come with the mail.
    fn is_proven(&self, sender: &MailAddress, letter: &Letter) -> bool {
        let Some(server) = &self.authserv_id else { return true };
        let check = letter.origin_checks.iter().find(|check| check.server == *server);
        let domain = sender.domain();
        // A signature of the domain above it is as good (RFC 7489 §3.1, relaxed).
        let is_of = |passed: &String| {
            domain == passed
                || domain.strip_suffix(passed.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        check.is_some_and(|check| check.domains.iter().any(is_of))
    }

    /// What a mail of the gateway is.
    pub(super) fn mail(&self, letter: &Letter) -> FaxMail {
        self.form.read_mail(letter, self.country)
    }

    /// What completes numbers that people write.
    pub fn home(&self) -> Home {
        Home { country: self.country, area: self.area.clone() }
    }

    /// How long the gateway may be silent about a fax before nobody knows what became of it.
    pub(super) fn report_wait(&self) -> Option<Duration> {
        self.form.reports.wait()
    }

    /// Whether the gateway is given our tag, so that its reports can bear it (FAX-27).
    pub fn names_faxes(&self) -> bool {
        self.form.sends.texts().any(names_tag)
    }

    pub(super) fn recipient(&self, number: &FaxNumber) -> Result<MailAddress, WhyNot> {
        // It would ring its own line, which is busy: and a copy would come back as a letter.
        if *number == self.number {
            return Err(WhyNot::OwnNumber);
        }
        number::check_dialable(number, &self.countries)?;
        if !self.form.sends.can {
            return Err(WhyNot::GatewayOnlyReceives);
        }
        let address = self.address.as_ref().unwrap_or(&self.form.sends.address);
        MailAddress::new(&self.filled(address, number, None)).map_err(WhyNot::Address)
    }

    /// The sender of a fax's envelope.
    pub(super) fn envelope_sender(&self, own: &MailAddress, id: &MessageId) -> MailAddress {
        let tag = tag_of(id).filter(|_| self.tagged_sender);
        let tagged = tag.and_then(|tag| MailAddress::new(&tagged_address(own, &tag)).ok());
        tagged.unwrap_or_else(|| own.clone())
    }

    /// What the mail that brings a fax says besides its document (FAX-22, FAX-26, FAX-27).
    pub(super) fn order(&self, number: &FaxNumber, own: &MailAddress, id: &MessageId) -> FaxOrder {
        let sends = &self.form.sends;
        let tagged = tag_of(id).map(|tag| (tag, own));
        let filled = |text: &str| self.filled(text, number, tagged.as_ref());
        // Without our tag a field would say nothing, or the wrong thing.
        let says = |value: &str| tagged.is_some() || !names_tag(value);
        let fields = sends.fields.iter().filter(|(_, value)| says(value));
        let fields = fields.map(|(name, value)| (name.clone(), filled(value))).collect();
        let lines = sends.lines.iter().filter(|line| says(line));
        let lines = lines.map(|line| filled(line)).collect();
        FaxOrder { subject: filled(&sends.subject), fields, lines }
    }

    fn filled(
        &self,
        text: &str,
        number: &FaxNumber,
        tagged: Option<&(String, &MailAddress)>,
    ) -> String {
        let (tag, sender) = match tagged {
            Some((tag, own)) => (tag.clone(), tagged_address(own, tag)),
            None => (String::new(), String::new()),
        };
        let code = self.code.as_ref().map(|code| code.expose_secret().to_owned());
        text.replace("{e164}", number.as_str())
            .replace("{digits}", number.digits())
            .replace("{international}", &format!("00{}", number.digits()))
            .replace("{national}", &number::national(number, self.country))
            .replace("{domain}", &self.domain)
            .replace("{tag}", &tag)
            .replace("{sender}", &sender)
            // Last: it may hold anything.
            .replace("{code}", &code.unwrap_or_default())
    }
}

/// Our address, by which a mail that goes there names a fax.
fn tagged_address(own: &MailAddress, tag: &str) -> String {
    format!("{}+{tag}@{}", own.local(), own.domain())
}

/// What the mail that brings a fax to its gateway says besides its document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaxOrder {
    pub subject: String,
    /// Further fields of its head, name and value.
    pub fields: Vec<(String, String)>,
    /// Lines of its text. None for most gateways: what stands there may be printed.
    pub lines: Vec<String>,
}

impl PartialEq for FaxProfile {
    fn eq(&self, other: &Self) -> bool {
        let code =
            |profile: &Self| profile.code.as_ref().map(|code| code.expose_secret().to_owned());
        let plain = |profile: &Self| {
            (
                profile.form.clone(),
                profile.domain.clone(),
                profile.address.clone(),
                profile.number.clone(),
                (profile.country, profile.area.clone()),
                profile.countries.clone(),
                (profile.senders.clone(), profile.authserv_id.clone()),
                profile.pages_max,
                profile.mail_bytes_max,
                (profile.showing, profile.document_number),
                (profile.send, profile.tagged_sender, profile.keep_days),
                profile.address_book.clone(),
            )
        };
        plain(self) == plain(other) && code(self) == code(other)
    }
}

impl Eq for FaxProfile {}

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

    fn profile(form: Arc<FaxForm>) -> FaxProfile {
        let germany = Country::new("DE").unwrap();
        FaxProfile {
            domain: form.sends.domain.clone().unwrap_or("gateway.example".to_owned()),
            form,
            address: None,
            code: Some(SecretString::from("geheim")),
            tagged_sender: true,
            authserv_id: None,
            keep_days: None,
            number: FaxNumber::new("+493011111111").unwrap(),
            country: germany,
            area: None,
            countries: vec![germany, Country::new("AT").unwrap()],
            senders: vec![SenderRule::new("@gateway.example").unwrap()],
            send: FaxSend::On,
            pages_max: 1,
            mail_bytes_max: 1,
            showing: FaxShowing::default(),
            address_book: None,
            document_number: DocumentNumber::Off,
        }
    }

    /// The mail that each profile asks for.
    #[test]
    fn fax_22_every_profile_writes_to_a_number() {
        let number = FaxNumber::new("+49301234567").unwrap();
        let own = MailAddress::new("praxis@praxis.example").unwrap();
        let id = MessageId::new("0c0ffee0-1234-4567-89ab-000000000001@fax.local").unwrap();
        let mut lines = Vec::new();
        for form in FaxForm::shipped() {
            let profile = profile(form.clone());
            let line = match profile.recipient(&number) {
                Ok(to) => {
                    let FaxOrder { subject, fields, lines } = profile.order(&number, &own, &id);
                    let fields: Vec<String> =
                        fields.iter().map(|(name, value)| format!(" | {name}: {value}")).collect();
                    let fields = fields.concat();
                    assert!(lines.is_empty(), "no profile that ships writes words");
                    format!("{}: {} | {subject}{fields}", form.name, to.as_str())
                }
                Err(why) => format!("{}: {why}", form.name),
            };
            lines.push(line);
        }
        assert_eq!(lines.join("\n"), SENT);
    }

    const SENT: &str = "\
avantfax: the gateway sends no faxes that come by mail
cisco_t37: fax=+49301234567@gateway.example | Fax
efax: 49301234567@efaxsend.com | Fax
exchange_um: the gateway sends no faxes that come by mail
fax_plus: +49301234567@fax.plus | Fax
faxstation: the gateway sends no faxes that come by mail
freepbx: the gateway sends no faxes that come by mail
fritzbox: the gateway sends no faxes that come by mail
fusionpbx: fax@gateway.example | [geheim]0301234567
generic: 49301234567@gateway.example | Fax
gfi_faxmaker: +49301234567@faxmaker.com | Fax
gnetx: 0049301234567@fax.gnetx.com | PASS:geheim
hylafax: 0301234567@gateway.example | Fax \
         | X-FAX-JobTag: u0c0ffee01234456789ab000000000001 \
         | X-FAX-MailAddr: praxis+u0c0ffee01234456789ab000000000001@praxis.example \
         | X-FAX-Notify: done \
         | X-FAX-VRes: 196 \
         | X-FAX-PageChop: none \
         | X-FAX-AutoCoverPage: no
ictfax: 49301234567@gateway.example | Fax
interfax: 49301234567@fax.tc | u0c0ffee01234456789ab000000000001
ixi_ums: +49301234567@gateway.example | Fax
metrofax: the gateway sends no faxes that come by mail
ringcentral: the gateway sends no faxes that come by mail
simple_fax: 0049301234567@simple-fax.de | Fax
t37: fax=+49301234567@gateway.example | Fax";

    #[test]
    fn fax_27_the_tag_of_a_fax_names_its_message_id() {
        let id = MessageId::new("0c0ffee0-1234-4567-89ab-000000000001@fax.local").unwrap();
        assert_eq!(tag_of(&id).unwrap(), "u0c0ffee01234456789ab000000000001");
        for other in ["1@fax.local", "0c0ffee0-1234-4567-89ab-000000000001@kim.local"] {
            assert_eq!(tag_of(&MessageId::new(other).unwrap()), None);
        }
    }

    #[test]
    fn fax_27_the_envelope_names_the_fax_where_the_settings_say_so() {
        let own = MailAddress::new("praxis@praxis.example").unwrap();
        let id = MessageId::new("0c0ffee0-1234-4567-89ab-000000000001@fax.local").unwrap();
        let mut profile = profile(FaxForm::named("hylafax").unwrap());
        let sender = profile.envelope_sender(&own, &id);
        assert_eq!(sender.as_str(), "praxis+u0c0ffee01234456789ab000000000001@praxis.example");
        profile.tagged_sender = false;
        assert_eq!(profile.envelope_sender(&own, &id), own);
    }

    #[test]
    fn fax_26_a_code_stands_in_the_mail_s_words_where_the_profile_says_so() {
        let text = "product = \"Ruhrfax\"\nknown_from = \"documents\"\n[sends]\n\
                    address = \"fax@{domain}\"\nsubject = \"{national}\"\n\
                    lines = [\"FAXPASSWORD:{code}\", \"NOCOVERPAGE:true\"]\n";
        let profile = profile(Arc::new(FaxForm::read("ruhrfax", text).unwrap()));
        let number = FaxNumber::new("+49301234567").unwrap();
        let own = MailAddress::new("praxis@praxis.example").unwrap();
        let id = MessageId::new("0c0ffee0-1234-4567-89ab-000000000001@fax.local").unwrap();
        let order = profile.order(&number, &own, &id);
        assert_eq!(order.subject, "0301234567");
        assert_eq!(order.lines, ["FAXPASSWORD:geheim", "NOCOVERPAGE:true"]);
    }

    #[test]
    fn fax_22_every_number_form_of_a_template_is_filled_in() {
        let mut profile = profile(FaxForm::named("generic").unwrap());
        profile.address = Some("{e164}_{digits}_{international}_{national}@{domain}".to_owned());
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
