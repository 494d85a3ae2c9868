//! What we trust, and the TLS handshake.
//!
//! A Clientmodul's certificate often names another host than the one we reach it by, and no public
//! authority stands behind it (kim.md §1.2). Such a certificate is pinned by its fingerprint; only
//! then is its name not checked. rustls has no brainpool curves: a server whose certificate uses
//! one cannot be reached.

use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{
    bare_server::BareServer,
    error::MailServerError,
    server::MailServer,
    trust::{Distrust, Fingerprint, ServerTrust, Untrusted},
    wire::{BoxedIo, Fault},
};

/// The TLS handshake over a connection that has said nothing yet, or that has just agreed to it.
pub(super) async fn secure(io: BoxedIo, server: &MailServer) -> Result<BoxedIo, MailServerError> {
    let host = server.host.clone();
    handshake(io, &server.bare()).await.map_err(|fault| match fault {
        Fault::Silent => MailServerError::Unreachable { host, source: fault },
        other => MailServerError::Tls { host, source: other },
    })
}

/// The same with any server. A fault is [`Fault::Silent`] where the server says nothing.
pub(super) async fn handshake(io: BoxedIo, server: &BareServer<'_>) -> Result<BoxedIo, Fault> {
    let config = client_config(server).map_err(|source| Fault::Tls { source })?;
    let name = ServerName::try_from(server.host.to_owned())
        .map_err(|_| Fault::Tls { source: rustls::Error::General("no server name".into()) })?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, io);
    match timeout(server.connect, handshake).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(Fault::from(error)),
        Err(_) => Err(Fault::Silent),
    }
}

fn client_config(server: &BareServer<'_>) -> Result<ClientConfig, rustls::Error> {
    // Given explicitly: a process may have several providers, and any of them as default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let by = match server.trust {
        ServerTrust::Platform => by_authority(platform_authorities(), &provider)?,
        ServerTrust::Authorities(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority.clone())?;
            }
            by_authority(Arc::new(roots), &provider)?
        }
        ServerTrust::Pins(pins) => TrustedBy::Pins(pins.clone()),
    };
    let verifier = CertificateCheck { by, provider };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    match server.client_certificate {
        Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key()),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Read once per process: about 150 files. A change needs a restart, as everywhere.
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

/// As rustls checks by itself; only its error says more.
fn by_authority(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<TrustedBy, rustls::Error> {
    let checks = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(TrustedBy::Authority(checks))
}

/// By what a certificate is trusted.
#[derive(Debug)]
enum TrustedBy {
    /// An authority, the name and the date.
    Authority(Arc<WebPkiServerVerifier>),
    Pins(Vec<Fingerprint>),
}

/// Judges the server's certificate, names the one that is not trusted, and proves that the server holds
/// the key.
#[derive(Debug)]
struct CertificateCheck {
    by: TrustedBy,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for CertificateCheck {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of(certificate);
        match &self.by {
            TrustedBy::Authority(checks) => {
                let checked = checks.verify_server_cert(certificate, issuers, name, ocsp, now);
                checked.map_err(|error| match error {
                    rustls::Error::InvalidCertificate(why) => {
                        Untrusted { seen, why: Distrust::from(&why) }.into()
                    }
                    other => other,
                })
            }
            TrustedBy::Pins(pins) if pins.contains(&seen) => Ok(ServerCertVerified::assertion()),
            TrustedBy::Pins(_) => Err(Untrusted { seen, why: Distrust::NotPinned }.into()),
        }
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
