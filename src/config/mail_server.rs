//! A mail server and how it is trusted.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::{
    reader::Section,
    secrets::{self, secret},
    surroundings::SettingsSurroundings,
};
use crate::{
    phrases::AdminPhrase,
    transport::{
        ClientCertificate, Fingerprint, Login, MailServer, ServerTrust, TlsMode, certificates,
        is_server_name, private_key,
    },
};

/// Reads the keys an inbox and an outbox share. `built`: the user name where the section gives none.
pub(super) fn read(
    section: &Section<'_, '_>,
    built: Option<String>,
    around: &SettingsSurroundings<'_>,
) -> Option<MailServer> {
    let host = section.text("host", host_name);
    let host = section.required("host", AdminPhrase::WantsHost, host);
    let port = section.whole("port", 1..=65_535);
    let port = section.required("port", AdminPhrase::WantsPort, port);
    let tls = section.text("tls", tls);
    let tls_is_wrong = section.has("tls") && tls.is_none();
    if let (Some(TlsMode::None), Some(host)) = (tls, &host)
        && !is_loopback(host)
    {
        section.wrong("tls", AdminPhrase::PlainAbroad);
    }
    let trust = trust(section, around);
    let silence = section.whole("timeout_seconds", 10..=3_600).map(Duration::from_secs);
    let client_certificate = client_certificate(section, around);
    let user = section.text("user", |text| one_line(text, AdminPhrase::AUserName));
    let user = match built {
        Some(built) if !section.has("user") => Some(built),
        _ => section.required("user", AdminPhrase::WantsUser, user),
    };
    let password = secret(section, &secrets::PASSWORD, AdminPhrase::WantsPassword, around);
    if tls_is_wrong {
        return None;
    }
    let login = Login { user: user?, password: password? };
    let mut server = MailServer::new(host?, u16::try_from(port?).ok()?, login);
    server.tls = tls.unwrap_or(server.tls);
    server.trust = trust;
    server.client_certificate = client_certificate;
    server.timeouts.silence = silence.unwrap_or(server.timeouts.silence);
    Some(server)
}

pub(super) fn trust(section: &Section<'_, '_>, around: &SettingsSurroundings<'_>) -> ServerTrust {
    let (ca, pin) = ("ca_file", "pin_sha256");
    let authorities = section.text(ca, |path| chain_in(path, around)).map(ServerTrust::Authorities);
    let read_pin = |text: &str| text.parse::<Fingerprint>().map_err(|_| AdminPhrase::NotAPin);
    let pins = section.texts(pin, read_pin);
    if pins.as_ref().is_some_and(Vec::is_empty) {
        section.wrong(pin, AdminPhrase::PinsEmpty);
    }
    if section.has(ca) && section.has(pin) {
        section.wrong(pin, AdminPhrase::CaAndPin);
    }
    pins.map(ServerTrust::Pins).or(authorities).unwrap_or(ServerTrust::Platform)
}

pub(super) fn client_certificate(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<ClientCertificate> {
    let (cert, key) = ("client_cert_file", "client_key_file");
    let chain = section.text(cert, |path| chain_in(path, around));
    let private_key = section.text(key, |path| private_key_in(path, around));
    let needs = |key: &str| AdminPhrase::NeedsBeside { key: key.to_owned() };
    match (section.has(cert), section.has(key)) {
        (true, false) => section.wrong(cert, needs(key)),
        (false, true) => section.wrong(key, needs(cert)),
        (true, true) | (false, false) => {}
    }
    Some(ClientCertificate::new(chain?, private_key?))
}

fn tls(text: &str) -> Result<TlsMode, AdminPhrase> {
    match text {
        "implicit" => Ok(TlsMode::Implicit),
        "starttls" => Ok(TlsMode::StartTls),
        "none" => Ok(TlsMode::None),
        _ => Err(AdminPhrase::AllowedTls),
    }
}

pub(super) fn host_name(text: &str) -> Result<String, AdminPhrase> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.chars().all(is_name) && is_server_name(text) || text.parse::<IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(AdminPhrase::NotAHost)
    }
}

pub(super) fn allowed(one: &str, other: &str) -> AdminPhrase {
    AdminPhrase::AllowedAre { one: one.to_owned(), other: other.to_owned() }
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, AdminPhrase> {
    text.parse().map_err(|_| AdminPhrase::NotASocket)
}

/// `what`: what it is, for example [`AdminPhrase::APath`].
pub(super) fn one_line(text: &str, what: AdminPhrase) -> Result<String, AdminPhrase> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        Err(AdminPhrase::NotOneLine { what: Box::new(what) })
    } else {
        Ok(text.to_owned())
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn chain_in(
    path: &str,
    around: &SettingsSurroundings<'_>,
) -> Result<Vec<CertificateDer<'static>>, AdminPhrase> {
    let path = around.resolve(path);
    let pem = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    certificates(&pem)
        .map_err(|_| AdminPhrase::NoCertificateIn { file: path.display().to_string() })
}

pub(super) fn private_key_in(
    path: &str,
    around: &SettingsSurroundings<'_>,
) -> Result<PrivateKeyDer<'static>, AdminPhrase> {
    let path = around.resolve(path);
    around.warn_if_world_readable(&path);
    let pem = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
    let pem = SecretString::from(pem);
    private_key(pem.expose_secret().as_bytes())
        .map_err(|_| AdminPhrase::NoPrivateKeyIn { file: path.display().to_string() })
}

fn unreadable(path: &Path, error: &io::Error) -> AdminPhrase {
    AdminPhrase::FileUnreadable { file: path.display().to_string(), error: error.to_string() }
}
