//! The section `[listener]`: the door for fax servers in the house (FAX-12).

use std::net::{IpAddr, SocketAddr};

use super::{
    InboxSettings, ListenerSettings,
    mail_server::{chain_in, private_key_in, socket_address},
    reader::Section,
    surroundings::SettingsSurroundings,
};
use crate::{
    phrases::AdminPhrase,
    transport::{DoorCertificate, DoorProtocol, DoorTls},
};

/// Reads the section; `Some(None)` where there is none.
pub(super) fn read(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<Option<ListenerSettings>> {
    let listen = section.text("listen", socket_address);
    let protocol = section.text("protocol", |text| match text {
        "smtp" => Ok(DoorProtocol::Smtp),
        "lmtp" => Ok(DoorProtocol::Lmtp),
        _ => Err(allowed(&["smtp", "lmtp"])),
    });
    let tls = section.text("tls", |text| match text {
        "implicit" => Ok(DoorTls::Implicit),
        "starttls" => Ok(DoorTls::StartTls),
        "optional" => Ok(DoorTls::Optional),
        "none" => Ok(DoorTls::None),
        _ => Err(allowed(&["implicit", "starttls", "optional", "none"])),
    });
    let tls_is_wrong = section.has("tls") && tls.is_none();
    let tls = tls.unwrap_or(DoorTls::StartTls);
    let certificate = certificate(section, around);
    let most = InboxSettings::MAIL_BYTES_MOST;
    let mail_bytes_max = section.whole("mail_bytes_max", 65_536..=most);
    section.close();
    if !section.is_there() {
        return Some(None);
    }
    let listen = section.required("listen", AdminPhrase::WantsDoorListen, listen);
    if let Some(listen) = listen {
        check_place(section, listen, tls, around);
    }
    if tls != DoorTls::None && !tls_is_wrong && !section.has("cert_file") {
        let key = "cert_file".to_owned();
        section.wrong("tls", AdminPhrase::NeedsBeside { key });
    }
    if tls_is_wrong {
        return None;
    }
    Some(Some(ListenerSettings {
        listen: listen?,
        protocol: protocol.unwrap_or(DoorProtocol::Smtp),
        tls,
        certificate: match tls {
            DoorTls::None => None,
            _ => Some(certificate?),
        },
        mail_bytes_max: mail_bytes_max.unwrap_or(InboxSettings::MAIL_BYTES_DEFAULT),
    }))
}

fn allowed(words: &[&str]) -> AdminPhrase {
    let names = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    AdminPhrase::AllowedForms { names }
}

/// The door is for the house: nobody else shall find it.
fn check_place(
    section: &Section<'_, '_>,
    listen: SocketAddr,
    tls: DoorTls,
    around: &SettingsSurroundings<'_>,
) {
    let address = listen.ip().to_canonical();
    if address.is_unspecified() {
        around.warn(AdminPhrase::DoorEverywhere);
    } else if !is_of_the_house(address) {
        section.wrong("listen", AdminPhrase::DoorInPublic);
    }
    if !address.is_loopback() && matches!(tls, DoorTls::Optional | DoorTls::None) {
        around.warn(AdminPhrase::DoorUnprotected);
    }
}

/// Whether an address cannot be reached from outside (RFC 1918, RFC 3927, RFC 4193, RFC 4291).
fn is_of_the_house(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

fn certificate(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<DoorCertificate> {
    let chain = section.text("cert_file", |path| chain_in(path, around));
    let key = section.text("key_file", |path| private_key_in(path, around));
    let needs = |key: &str| AdminPhrase::NeedsBeside { key: key.to_owned() };
    match (section.has("cert_file"), section.has("key_file")) {
        (true, false) => section.wrong("cert_file", needs("key_file")),
        (false, true) => section.wrong("key_file", needs("cert_file")),
        (true, true) | (false, false) => {}
    }
    let made = DoorCertificate::new(chain?, key?);
    made.map_err(|_| section.wrong("key_file", AdminPhrase::KeyOfOtherCertificate)).ok()
}
