//! What is set for a fax line: its gateway's profile, its number, and who may bring faxes.

use std::{fs, sync::Arc};

use super::{
    fax_showing,
    mail_server::host_name,
    reader::Section,
    secrets::{self, secret},
    surroundings::SettingsSurroundings,
};
use crate::{
    channel::{
        AreaCode, Country, DocumentNumber, FaxForm, FaxProfile, FaxSend, PROFILE_BYTES_MAX,
        SenderRule,
    },
    model::FaxNumber,
    phrases::AdminPhrase,
};

/// The table `[channel.fax]`.
pub(super) fn read(
    section: &Section<'_, '_>,
    (mail_bytes_max, comes_by_door): (Option<u64>, bool),
    around: &SettingsSurroundings<'_>,
) -> Option<FaxProfile> {
    let form = section.text("profile", |text| profile(text, around));
    let form = section.required("profile", known_profiles(), form);
    let domain = section.text("domain", host_name);
    let own_domain = form.as_ref().and_then(|form| form.sends.domain.clone());
    // A gateway that only receives has no addresses of faxes.
    let needs_domain = own_domain.is_none() && form.as_ref().is_none_or(|form| form.sends.can);
    let domain = match (domain, own_domain) {
        (Some(domain), _) | (None, Some(domain)) => Some(domain),
        (None, None) if needs_domain => {
            section.required("domain", AdminPhrase::WantsFaxDomain, None)
        }
        (None, None) if section.has("domain") => None,
        (None, None) => Some(String::new()),
    };
    let address = section.text("address", |text| match (text.contains('@'), &form) {
        (false, _) => Err(AdminPhrase::FaxAddressForm),
        (true, Some(form)) => match form.sends.check_address(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(_) => Err(AdminPhrase::FaxAddressForm),
        },
        (true, None) => Ok(text.to_owned()),
    });
    let wants_code = form.as_ref().is_some_and(|form| {
        let mut texts = form.sends.texts().chain(address.as_deref());
        form.sends.can && texts.any(|text| text.contains("{code}"))
    });
    let code = match wants_code || secrets::CODE.is_given(section) {
        true => Some(secret(section, &secrets::CODE, AdminPhrase::WantsFaxCode, around)),
        false => None,
    };
    let tagged_sender = section.flag("tagged_sender").unwrap_or(false);
    let number = section.text("number", FaxNumber::new);
    let number = section.required("number", AdminPhrase::WantsFaxNumber, number);
    let country = section.text("country", country);
    let country = section.required("country", AdminPhrase::WantsCountry, country);
    let area = section
        .text("area_code", |text| AreaCode::new(text).map_err(|_| AdminPhrase::NotAnAreaCode));
    let countries = section.texts("countries", self::country);
    let senders =
        section.texts("senders", |text| SenderRule::new(text).map_err(|_| AdminPhrase::NotASender));
    let senders = section.required("senders", AdminPhrase::WantsSenders, senders);
    if senders.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("senders", AdminPhrase::SendersEmpty);
    }
    let authserv_id = section.text("authserv_id", |text| match host_name(text) {
        Ok(_) if comes_by_door => Err(AdminPhrase::AuthservIdAtDoor),
        name => name.map(|name| name.to_ascii_lowercase()),
    });
    let pages_max = section.whole("pages_max", 1..=1_000).and_then(|n| u32::try_from(n).ok());
    let keep_days = section.whole("keep_days", 1..=36_500).and_then(|n| u32::try_from(n).ok());
    let showing = fax_showing::read(section);
    let address_book = section.text("address_book", |text| match text.is_empty() {
        true => Err(AdminPhrase::IsEmpty),
        // Whether it can be read is asked whenever it is: without it faxes come and go all the same.
        false => Ok(around.resolve(text)),
    });
    let document_number = section.text("number_in_document", |text| {
        let row = DocumentNumber::ALL.iter().find(|(_, word)| *word == text);
        row.map(|(setting, _)| *setting).ok_or_else(|| {
            let words = DocumentNumber::ALL.map(|(_, word)| format!("\"{word}\""));
            AdminPhrase::AllowedForms { names: words.join(", ") }
        })
    });
    let send = section.text("send", |text| FaxSend::from_word(text).ok_or_else(send_words));
    section.close();
    let country = country?;
    Some(FaxProfile {
        form: form?,
        domain: domain?,
        address,
        code: match code {
            None => None,
            Some(code) => Some(code?),
        },
        tagged_sender,
        number: number?,
        country,
        area,
        countries: countries.unwrap_or_else(|| vec![country]),
        senders: senders?,
        authserv_id,
        keep_days,
        pages_max: pages_max.unwrap_or(FaxProfile::PAGES_MAX),
        mail_bytes_max: mail_bytes_max.unwrap_or(FaxProfile::MAIL_BYTES_MAX),
        showing,
        address_book,
        document_number: document_number.unwrap_or_default(),
        send: send.unwrap_or_default(),
    })
}

/// A profile that ships, by its name, or an admin's own, by its file.
fn profile(text: &str, around: &SettingsSurroundings<'_>) -> Result<Arc<FaxForm>, AdminPhrase> {
    let Some(path) = text.strip_suffix(".toml") else {
        return FaxForm::named(text).ok_or_else(known_profiles);
    };
    let file = around.resolve(text);
    let wrong = |message: String| AdminPhrase::FaxProfileWrong {
        file: file.display().to_string(),
        message,
    };
    let length = fs::metadata(&file).map_err(|error| wrong(error.to_string()))?.len();
    if length > PROFILE_BYTES_MAX as u64 {
        return Err(wrong(format!("a profile has at most {PROFILE_BYTES_MAX} bytes")));
    }
    let content = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let name = path.rsplit('/').next().unwrap_or(path);
    FaxForm::read(name, &content).map(Arc::new).map_err(|error| wrong(error.to_string()))
}

fn send_words() -> AdminPhrase {
    AdminPhrase::AllowedForms { names: FaxSend::ALL.map(FaxSend::word).join(", ") }
}

fn known_profiles() -> AdminPhrase {
    let names: Vec<&str> = FaxForm::shipped().iter().map(|form| form.name.as_str()).collect();
    AdminPhrase::AllowedForms { names: names.join(", ") }
}

fn country(text: &str) -> Result<Country, AdminPhrase> {
    Country::new(text).map_err(|_| AdminPhrase::NotACountry)
}
