//! Certificates as practices have them: self-signed, for another host than the one that is asked.
//!
//! What cannot be imitated with rustls: certificates on brainpool curves, which some have.

use std::sync::Arc;

use ring::digest;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use crate::{
    error::{Result, WorldError},
    tls::{Authority, Issued, self_signed},
};

/// The name in the certificate: that of the appliance in its maker's network.
const WRONG_NAME: &str = "clientmodul.maker.example";

/// The server's certificate and the authority of those for clients.
pub(super) struct CmCertificates {
    server: Issued,
    clients: Authority,
}

impl std::fmt::Debug for CmCertificates {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CmCertificates").field("pin", &self.pin()).finish_non_exhaustive()
    }
}

impl CmCertificates {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { server: self_signed(WRONG_NAME)?, clients: Authority::new()? })
    }

    pub(super) fn rotate(&mut self) -> Result<()> {
        self.server = self_signed(WRONG_NAME)?;
        Ok(())
    }

    pub(super) fn pem(&self) -> String {
        self.server.certificate.clone()
    }

    pub(super) fn pin(&self) -> String {
        let Ok(certificate) = certificate(&self.server.certificate) else { return String::new() };
        let hash = digest::digest(&digest::SHA256, &certificate);
        hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    pub(super) fn of_client(&self) -> Result<Issued> {
        self.clients.issue_to_client("praxis.example")
    }

    pub(super) fn config(
        &self,
        tls12_only: bool,
        client_certificate_required: bool,
    ) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = if tls12_only { vec![&TLS12] } else { vec![&TLS13, &TLS12] };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(failed)?;
        let builder = if client_certificate_required {
            builder.with_client_cert_verifier(self.verifier(provider)?)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(self.server.key.as_bytes()).map_err(failed)?;
        let chain = vec![certificate(&self.server.certificate)?];
        Ok(Arc::new(builder.with_single_cert(chain, key).map_err(failed)?))
    }

    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(self.clients.pem())?).map_err(failed)?;
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(failed)
    }
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(failed)
}

fn failed(error: impl ToString) -> WorldError {
    WorldError::refused("set up TLS of the Clientmodul", error)
}
