//! The way to a directory: the connection only. What is said over it is the business of `directory`.

use std::{fmt, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    error::ServerSettingsError,
    peer::Peer,
    server::TlsMode,
    tls::handshake,
    trust::{ClientCertificate, ServerTrust},
    wire::Fault,
};

/// The LDAP proxy of a Konnektor. It wants no login.
///
/// `Debug` shows the port and the encryption only.
#[derive(Clone)]
pub struct LdapServer {
    /// A DNS name or an IP address (without brackets).
    pub host: String,
    pub port: u16,
    /// [`TlsMode::Implicit`], or [`TlsMode::None`] on the machine itself. There is no STARTTLS: nothing is
    /// said before the encryption.
    pub tls: TlsMode,
    pub trust: ServerTrust,
    /// Shown to the server on request: mutual TLS, which a Konnektor may demand of its clients.
    pub client_certificate: Option<ClientCertificate>,
    /// For the TCP connection, and again for the TLS handshake.
    pub connect: Duration,
}

/// Why there is no connection to a directory. Names the host.
#[derive(Debug, thiserror::Error)]
pub enum LdapConnectError {
    #[error("the settings of this directory cannot be used")]
    Settings { source: ServerSettingsError },
    #[error("the directory {host} cannot be reached")]
    Unreachable { host: String, source: Fault },
    /// Never answered by trying without TLS: an admin must look (KIM-3).
    #[error("the directory {host} offers no TLS connection that can be trusted")]
    Tls { host: String, source: Fault },
}

impl fmt::Debug for LdapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LdapServer(port {}, {:?})", self.port, self.tls)
    }
}

impl LdapServer {
    /// Where LDAP is encrypted from the first byte (IANA).
    pub const PORT_DEFAULT: u16 = 636;

    /// A connection over which nothing was said yet.
    pub async fn connect(
        &self,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, LdapConnectError> {
        let peer = self.peer();
        peer.check().map_err(|source| LdapConnectError::Settings { source })?;
        if self.tls == TlsMode::StartTls {
            let source = Fault::Protocol("STARTTLS is not used with a directory");
            return Err(LdapConnectError::Tls { host: self.host.clone(), source });
        }
        let unreachable =
            |source| LdapConnectError::Unreachable { host: self.host.clone(), source };
        let io = peer.dial().await.map_err(unreachable)?;
        if self.tls == TlsMode::None {
            return Ok(io);
        }
        handshake(io, &peer).await.map_err(|fault| match fault {
            Fault::Silent => unreachable(fault),
            other => LdapConnectError::Tls { host: self.host.clone(), source: other },
        })
    }

    fn peer(&self) -> Peer<'_> {
        Peer {
            host: &self.host,
            port: self.port,
            tls: self.tls,
            trust: &self.trust,
            client_certificate: self.client_certificate.as_ref(),
            connect: self.connect,
        }
    }
}
