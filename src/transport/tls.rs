//! Whom we trust, and the TLS handshake.
//!
//! A Clientmodul's certificate often names another host than the one we reach it by, and no public
//! authority stands behind it (kim.md §1.2). Such a certificate is pinned by its fingerprint; only
//! then is its name not checked. rustls has no brainpool curves: a server whose certificate uses
//! one cannot be reached.

use std::{fmt, str::FromStr, sync::Arc, sync::OnceLock};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{
    server::{MailServer, MailServerError},
    wire::{BoxedIo, Fault},
};

/// Whose certificates we accept from a server.
#[derive(Debug, Clone)]
pub enum Trust {
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
    #[error("this is not PEM, or holds no certificate")]
    NoCertificate,
    #[error("this is not PEM, or holds no private key")]
    NoPrivateKey,
    #[error("a fingerprint is the SHA-256 of a certificate: 64 hex digits, colons allowed")]
    NotAFingerprint,
}

impl Trust {
    /// The authorities in a PEM text, one or several.
    pub fn authorities(pem: &[u8]) -> Result<Self, TrustError> {
        certificates(pem).map(Self::Authorities)
    }

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

/// What we show to a server that asks who we are (mutual TLS). Does not print its key.
#[derive(Debug)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientCertificate {
    /// From PEM: the certificate first, then its issuers; the key as PKCS#8, PKCS#1 or SEC1. A
    /// Clientmodul exports PKCS#12: `openssl pkcs12 -in file.p12 -nodes` turns it into both.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TrustError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TrustError::NoPrivateKey)?;
        Ok(Self { chain: certificates(chain)?, key })
    }
}

impl Clone for ClientCertificate {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TrustError::NoCertificate),
    }
}

pub(super) fn is_server_name(host: &str) -> bool {
    ServerName::try_from(host).is_ok()
}

/// The TLS handshake over a connection that has said nothing yet, or that has just agreed to it.
pub(super) async fn secure(io: BoxedIo, server: &MailServer) -> Result<BoxedIo, MailServerError> {
    let fail = |source| MailServerError::Tls { host: server.host.clone(), source };
    let config = client_config(server).map_err(|source| fail(Fault::Tls { source }))?;
    let name = ServerName::try_from(server.host.clone()).map_err(|_| {
        fail(Fault::Tls { source: rustls::Error::General("no server name".into()) })
    })?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, io);
    match timeout(server.timeouts.connect, handshake).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(fail(Fault::from(error))),
        Err(_) => {
            Err(MailServerError::Unreachable { host: server.host.clone(), source: Fault::Silent })
        }
    }
}

fn client_config(server: &MailServer) -> Result<ClientConfig, rustls::Error> {
    // Given explicitly: a process may have several providers, and a default of anybody's choice.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &server.trust {
        Trust::Platform => builder.with_root_certificates(platform_authorities()),
        Trust::Authorities(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority.clone())?;
            }
            builder.with_root_certificates(roots)
        }
        Trust::Pins(pins) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pins: pins.clone(), provider })),
    };
    match &server.client_certificate {
        Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key()),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Read once per process: some 150 files. A change needs a restart, as everywhere.
fn platform_authorities() -> Arc<RootCertStore> {
    static AUTHORITIES: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        // Some entries of a real store are always unusable; without any, no server is trusted.
        let (usable, ignored) =
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        tracing::debug!(usable, ignored, "Read the platform's certificate authorities");
        Arc::new(roots)
    };
    Arc::clone(AUTHORITIES.get_or_init(read))
}

/// Accepts the pinned certificates and proves that the server holds the key.
#[derive(Debug)]
struct Pinned {
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

/// The server shows a certificate nobody pinned. The fingerprint is told, so that an operator can
/// compare it with the one the Clientmodul displays.
#[derive(thiserror::Error)]
#[error("the server's certificate has the SHA-256 fingerprint {0}, which is not pinned")]
struct NotPinned(Fingerprint);

/// In words: rustls shows the errors it is given by `Debug`.
impl fmt::Debug for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of(certificate);
        if self.pins.contains(&seen) {
            return Ok(ServerCertVerified::assertion());
        }
        let reason = CertificateError::Other(OtherError(Arc::new(NotPinned(seen))));
        Err(rustls::Error::InvalidCertificate(reason))
    }

    // A certificate is public: without the proof of its key a pin would be worth nothing.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
