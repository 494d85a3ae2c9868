//! The way to a directory: the connection only. What is said over it is the business of `directory`.

use std::{fmt, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    bare_server::{BareServer, TlsMode},
    error::ServerSettingsError,
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
        let server = self.bare();
        server.check().map_err(|source| LdapConnectError::Settings { source })?;
        if self.tls == TlsMode::StartTls {
            let source = Fault::Protocol("STARTTLS is not used with a directory");
            return Err(LdapConnectError::Tls { host: self.host.clone(), source });
        }
        let unreachable =
            |source| LdapConnectError::Unreachable { host: self.host.clone(), source };
        let io = server.dial().await.map_err(unreachable)?;
        if self.tls == TlsMode::None {
            return Ok(io);
        }
        handshake(io, &server).await.map_err(|fault| match fault {
            Fault::Silent => unreachable(fault),
            other => LdapConnectError::Tls { host: self.host.clone(), source: other },
        })
    }

    fn bare(&self) -> BareServer<'_> {
        BareServer {
            host: &self.host,
            port: self.port,
            tls: self.tls,
            trust: &self.trust,
            client_certificate: self.client_certificate.as_ref(),
            connect: self.connect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(host: &str, tls: TlsMode, trust: ServerTrust) -> String {
        let server = LdapServer {
            host: host.to_owned(),
            port: 1,
            tls,
            trust,
            client_certificate: None,
            connect: Duration::from_secs(5),
        };
        let connected = server.connect().await;
        let error = connected.err().map(|error| {
            (error.to_string(), std::error::Error::source(&error).map(ToString::to_string))
        });
        format!("{error:?}")
    }

    #[tokio::test]
    async fn kim_3_nothing_is_asked_over_a_connection_that_others_can_read() {
        let abroad =
            refused("konnektor.praxis.example", TlsMode::None, ServerTrust::Platform).await;
        assert!(
            abroad.contains("cannot be used") && abroad.contains("this machine only"),
            "{abroad}"
        );
        let upgraded = refused("127.0.0.1", TlsMode::StartTls, ServerTrust::Platform).await;
        assert!(upgraded.contains("STARTTLS"), "{upgraded}");
        let nobody = refused("127.0.0.1", TlsMode::Implicit, ServerTrust::Pins(Vec::new())).await;
        assert!(nobody.contains("must not be empty"), "{nobody}");
        let nothing_there = refused("127.0.0.1", TlsMode::None, ServerTrust::Platform).await;
        assert!(nothing_there.contains("cannot be reached"), "{nothing_there}");
    }
}
