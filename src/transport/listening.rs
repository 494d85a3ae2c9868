//! Being the server: the protocol of the door for fax servers, and its TLS.

use std::{fmt, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::{parse_x509_certificate, time::ASN1Time};

use super::wire::Fault;

/// What fax servers speak with the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorProtocol {
    /// RFC 5321: one answer for a mail.
    Smtp,
    /// RFC 2033: one answer for each recipient of a mail.
    Lmtp,
}

/// How a connection to the door is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorTls {
    /// From the first byte on.
    Implicit,
    /// From STARTTLS on, which only a peer on the machine itself may leave out.
    StartTls,
    /// STARTTLS is offered, and nobody has to take it.
    Optional,
    None,
}

/// How long a peer may take for the TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);

/// The certificate the door shows, with its key; `Debug` shows neither.
#[derive(Clone)]
pub struct DoorCertificate {
    acceptor: TlsAcceptor,
    /// Until when it is valid; nothing where it does not say so in a readable form.
    pub valid_until: Option<OffsetDateTime>,
}

impl DoorCertificate {
    /// The certificate first, then its issuers.
    ///
    /// # Errors
    /// When they cannot be used, as where the key belongs to another certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let valid_until = chain.first().and_then(valid_until);
        // Given explicitly: a process may have several providers, and any of them as default.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), valid_until })
    }

    /// The handshake with a peer that has just connected, or that was just told to begin it.
    ///
    /// # Errors
    /// When the peer breaks off, does not agree, or says nothing for too long.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: S,
    ) -> Result<TlsStream<S>, Fault> {
        match timeout(HANDSHAKE_WITHIN, self.acceptor.accept(io)).await {
            Ok(accepted) => Ok(accepted?),
            Err(_) => Err(Fault::Silent),
        }
    }
}

impl fmt::Debug for DoorCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoorCertificate")
    }
}

fn valid_until(certificate: &CertificateDer<'_>) -> Option<OffsetDateTime> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let until: ASN1Time = parsed.validity().not_after;
    OffsetDateTime::from_unix_timestamp(until.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{certificates, private_key};

    fn issued(name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let made = umstieg_world::tls::self_signed(name).unwrap();
        let chain = certificates(made.certificate.as_bytes()).unwrap();
        (chain, private_key(made.key.as_bytes()).unwrap())
    }

    #[test]
    fn a_certificate_says_until_when_it_is_valid() {
        let (chain, key) = issued("umstieg.internal");
        let certificate = DoorCertificate::new(chain, key).unwrap();
        assert_eq!(certificate.valid_until.unwrap().date().to_string(), "2049-12-31");
        assert_eq!(format!("{certificate:?}"), "DoorCertificate");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let ((chain, _), (_, key)) = (issued("umstieg.internal"), issued("umstieg.internal"));
        assert!(DoorCertificate::new(chain, key).is_err());
    }
}
