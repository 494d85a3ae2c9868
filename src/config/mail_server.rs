//! A mail server and how it is trusted.

use std::{fs, io, net::IpAddr, path::Path, time::Duration};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::SecretString;

use super::{
    reader::Section,
    secrets::{self, secret},
    surroundings::SettingsSurroundings,
};
use crate::phrases::AdminPhrase;

/// Where a mailbox or a submission server is, and how we know it and it knows us.
///
/// `Debug` shows the port and the protection only: host and user tell whose mailbox it is.
#[derive(Clone)]
pub struct MailServerSettings {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// PEM; trusted instead of the platform's authorities when it is given.
    pub ca_pem: Option<Vec<u8>>,
    /// SHA-256 over the DER form of the server's own certificate. When there is one, the
    /// certificate has to match one of them and its name and issuer do not count (KIM-3).
    pub pins: Vec<[u8; 32]>,
    /// How long the server may be silent before the session is given up.
    pub silence: Duration,
    /// For servers that ask who we are.
    pub client_identity: Option<ClientIdentity>,
    /// Opaque: a KIM user name carries the mail server and the call context behind `#` (KIM-1).
    pub user: String,
    pub password: SecretString,
}

impl std::fmt::Debug for MailServerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailServerSettings(port {}, {:?})", self.port, self.tls)
    }
}

impl MailServerSettings {
    /// What a Clientmodul allows itself on each side while a card signs or decrypts (KIM-5), and
    /// what RFC 5321 §4.5.3.2 asks for.
    pub const SILENCE_DEFAULT: Duration = Duration::from_secs(5 * 60);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte.
    Implicit,
    /// `STARTTLS` or `STLS`, required: never without.
    StartTls,
    /// On loopback only.
    None,
}

/// A client certificate with its key, PEM.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    pub certificate_pem: Vec<u8>,
    pub key_pem: SecretString,
}

/// Reads the keys an inbox and an outbox share.
pub(super) fn read(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
) -> Option<MailServerSettings> {
    let host = section.text("host", host_name);
    let host = section.required("host", AdminPhrase::WantsHost, host);
    let port = section.whole("port", 1..=65_535);
    let port = section.required("port", AdminPhrase::WantsPort, port);
    let tls = section.text("tls", tls);
    let tls_is_wrong = section.has("tls") && tls.is_none();
    if let (Some(Tls::None), Some(host)) = (tls, &host)
        && !is_loopback(host)
    {
        section.wrong("tls", AdminPhrase::PlainAbroad);
    }
    let ca_pem = section.text("ca_file", |path| certificates(path, around));
    let pins = section.texts("pin_sha256", pin);
    if pins.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("pin_sha256", AdminPhrase::PinsEmpty);
    }
    if section.has("ca_file") && section.has("pin_sha256") {
        section.wrong("pin_sha256", AdminPhrase::CaAndPin);
    }
    let silence = section.whole("timeout_seconds", 10..=3_600).map(Duration::from_secs);
    let certificate_pem = section.text("client_cert_file", |path| certificates(path, around));
    let key_pem = section.text("client_key_file", |path| private_key(path, around));
    let (cert, key) = ("client_cert_file", "client_key_file");
    let needs = |key: &str| AdminPhrase::NeedsBeside { key: key.to_owned() };
    match (section.has(cert), section.has(key)) {
        (true, false) => section.wrong(cert, needs(key)),
        (false, true) => section.wrong(key, needs(cert)),
        (true, true) | (false, false) => {}
    }
    let user = section.text("user", |text| one_line(text, AdminPhrase::AUserName));
    let user = section.required("user", AdminPhrase::WantsUser, user);
    let password = secret(section, &secrets::PASSWORD, AdminPhrase::WantsPassword, around);
    if tls_is_wrong {
        return None;
    }
    Some(MailServerSettings {
        host: host?,
        port: u16::try_from(port?).ok()?,
        tls: tls.unwrap_or(Tls::Implicit),
        ca_pem,
        pins: pins.unwrap_or_default(),
        silence: silence.unwrap_or(MailServerSettings::SILENCE_DEFAULT),
        client_identity: match (certificate_pem, key_pem) {
            (Some(certificate_pem), Some(key_pem)) => {
                Some(ClientIdentity { certificate_pem, key_pem })
            }
            _ => None,
        },
        user: user?,
        password: password?,
    })
}

fn tls(text: &str) -> Result<Tls, AdminPhrase> {
    match text {
        "implicit" => Ok(Tls::Implicit),
        "starttls" => Ok(Tls::StartTls),
        "none" => Ok(Tls::None),
        _ => Err(AdminPhrase::AllowedTls),
    }
}

pub(super) fn host_name(text: &str) -> Result<String, AdminPhrase> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = !text.is_empty() && text.len() <= 253 && text.chars().all(is_name);
    if fits || text.parse::<IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(AdminPhrase::NotAHost)
    }
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

fn certificates(path: &str, around: &SettingsSurroundings<'_>) -> Result<Vec<u8>, AdminPhrase> {
    let path = around.resolve(path);
    let pem = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(AdminPhrase::NoCertificateIn { file: path.display().to_string() }),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> AdminPhrase {
    AdminPhrase::FileUnreadable { file: path.display().to_string(), error: error.to_string() }
}

fn private_key(path: &str, around: &SettingsSurroundings<'_>) -> Result<SecretString, AdminPhrase> {
    let path = around.resolve(path);
    around.warn_if_world_readable(&path);
    let pem = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(_) => Ok(SecretString::from(pem)),
        Err(_) => Err(AdminPhrase::NoPrivateKeyIn { file: path.display().to_string() }),
    }
}

/// 64 hexadecimal digits, with or without colons, as `openssl x509 -fingerprint -sha256` prints.
fn pin(text: &str) -> Result<[u8; 32], AdminPhrase> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or(AdminPhrase::NotAPin)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high * 16 + low).collect();
    match (<[u8; 32]>::try_from(bytes), rest) {
        (Ok(pin), []) => Ok(pin),
        _ => Err(AdminPhrase::NotAPin),
    }
}
