//! What we trust, and who we are: certificates.

use std::{fmt, str::FromStr, sync::Arc};

use rustls::{
    CertificateError, OtherError,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use sha2::{Digest, Sha256};

/// Whose certificates we accept from a server.
#[derive(Debug, Clone)]
pub enum ServerTrust {
    /// The authorities of the operating system; the host name is checked.
    Platform,
    /// These authorities and no other; the host name is checked.
    Authorities(Vec<CertificateDer<'static>>),
    /// Exactly these certificates, whatever name, date or issuer they bear (KIM-3). Several, so
    /// that the next one can be added before the server changes over.
    Pins(Vec<Fingerprint>),
}

/// Why trust cannot be built from what the settings give.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("this is not PEM, or contains no certificate")]
    NoCertificate,
    #[error("this is not PEM, or contains no private key")]
    NoPrivateKey,
    #[error("a fingerprint is the SHA-256 of a certificate: 64 hex digits, colons allowed")]
    NotAFingerprint,
}

impl ServerTrust {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Platform => false,
            Self::Authorities(authorities) => authorities.is_empty(),
            Self::Pins(pins) => pins.is_empty(),
        }
    }
}

/// The SHA-256 of a certificate in DER form, as `openssl x509 -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: Option<Vec<u8>> = text
            .trim()
            .chars()
            .filter(|&c| c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let bytes: Vec<u8> = match digits {
            Some(digits) if digits.len() == 64 => digits
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
                .collect(),
            _ => return Err(TrustError::NotAFingerprint),
        };
        bytes.try_into().map(Self).map_err(|_| TrustError::NotAFingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if place == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The server showed a certificate that is not trusted. It is named by its fingerprint, so that an admin
/// can compare it with the one that the Clientmodul displays (KIM-3).
#[derive(thiserror::Error)]
#[error("{why}; the server's certificate has the SHA-256 fingerprint {seen}")]
pub struct Untrusted {
    pub seen: Fingerprint,
    pub why: Distrust,
}

/// Why a certificate is not trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("it is not pinned")]
    NotPinned,
    #[error("no authority that is trusted stands behind it")]
    NoAuthority,
    #[error("it is for another name")]
    OtherName,
    #[error("it has expired, or is not valid yet")]
    OutOfDate,
    /// What rustls has found, in its words.
    #[error("{0}")]
    Other(String),
}

impl From<&CertificateError> for Distrust {
    fn from(error: &CertificateError) -> Self {
        match error {
            // A bad signature: another authority of the same name, as after a Clientmodul made its own anew.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::NoAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::OutOfDate,
            other => Self::Other(other.to_string()),
        }
    }
}

/// In words: rustls shows the errors it is given by `Debug`.
impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Untrusted> for rustls::Error {
    fn from(error: Untrusted) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
    }
}

impl Untrusted {
    /// What an error says about a certificate that the server showed; nothing if it is about something
    /// else.
    pub(super) fn told_by(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
                why.downcast_ref()
            }
            _ => None,
        }
    }
}

/// What we show to a server that asks who we are (mutual TLS). Does not print its key.
#[derive(Debug)]
pub struct ClientCertificate {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl ClientCertificate {
    /// The certificate first, then its issuers; a Clientmodul exports PKCS#12:
    /// `openssl pkcs12 -in file.p12 -nodes` turns it into PEM.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key }
    }
}

impl Clone for ClientCertificate {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// The certificates in a PEM text, at least one.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TrustError::NoCertificate),
    }
}

/// The first private key in a PEM text: PKCS#8, PKCS#1 or SEC1.
pub fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TrustError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| TrustError::NoPrivateKey)
}

/// Whether a certificate could be issued for it: a DNS name or an IP address.
pub fn is_server_name(host: &str) -> bool {
    ServerName::try_from(host).is_ok()
}
