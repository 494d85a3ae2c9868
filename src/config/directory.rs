//! `[channel.kim.directory]`: where the directory of KIM addresses is asked.

use std::time::Duration;

use super::{
    DirectorySettings,
    mail_server::{client_certificate, host_name, is_loopback, one_line, trust},
    reader::Section,
    surroundings::SettingsSurroundings,
};
use crate::{
    directory::BASE_DEFAULT,
    phrases::AdminPhrase,
    transport::{LdapServer, TlsMode},
};

/// Every key: a section without any is as good as none.
const KEYS: [&str; 9] = [
    "host",
    "port",
    "tls",
    "ca_file",
    "pin_sha256",
    "client_cert_file",
    "client_key_file",
    "base_dn",
    "timeout_seconds",
];

/// Longest name below which is searched, in bytes.
const BASE_BYTES_MAX: usize = 255;

/// Reads the section; nothing if there is none.
pub(super) fn read(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<DirectorySettings> {
    let host = section.text("host", host_name);
    let port = section.whole("port", 1..=65_535);
    let tls = section.text("tls", |text| match text {
        "implicit" => Ok(TlsMode::Implicit),
        "none" => Ok(TlsMode::None),
        _ => Err(AdminPhrase::AllowedAre { one: "implicit".into(), other: "none".into() }),
    });
    if let (Some(TlsMode::None), Some(host)) = (tls, &host)
        && !is_loopback(host)
    {
        section.wrong("tls", AdminPhrase::PlainAbroad);
    }
    let trust = trust(section, around);
    let client_certificate = client_certificate(section, around);
    let base = section.text("base_dn", base);
    let timeout = section.whole("timeout_seconds", 1..=60).map(Duration::from_secs);
    section.close();
    if !KEYS.iter().any(|key| section.has(key)) {
        return None;
    }
    let host = section.required("host", AdminPhrase::WantsDirectoryHost, host)?;
    let timeout = timeout.unwrap_or(DirectorySettings::TIMEOUT_DEFAULT);
    let port = port.and_then(|port| u16::try_from(port).ok());
    Some(DirectorySettings {
        server: LdapServer {
            host,
            port: port.unwrap_or(LdapServer::PORT_DEFAULT),
            tls: tls.unwrap_or(TlsMode::Implicit),
            trust,
            client_certificate,
            connect: timeout,
        },
        base: base.unwrap_or_else(|| BASE_DEFAULT.to_owned()),
        timeout,
    })
}

/// `dc=data,dc=vzd`, or another name. What it means is the server's business.
fn base(text: &str) -> Result<String, AdminPhrase> {
    let text = one_line(text, AdminPhrase::ADirectoryName)?;
    if text.contains('=') && text.len() <= BASE_BYTES_MAX {
        Ok(text)
    } else {
        Err(AdminPhrase::NotADirectoryName)
    }
}
