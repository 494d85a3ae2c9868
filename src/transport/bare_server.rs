//! A server, apart from any account on it: where it is, how it is trusted, and the way to it.

use std::{io, net::IpAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};

use super::{
    error::ServerSettingsError,
    trust::{ClientCertificate, ServerTrust, is_server_name},
    wire::{BoxedIo, Fault},
};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// TLS from the first byte (RFC 8314): SMTPS 465, POP3S 995, IMAPS 993. The usual form.
    Implicit,
    /// STARTTLS (RFC 3207, RFC 3501 §6.2.1) or STLS (RFC 2595), and nothing else before it.
    StartTls,
    /// No encryption. Refused unless the host is the machine itself (gematik A_2066).
    None,
}

/// What a connection needs to know of a server.
pub(super) struct BareServer<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: TlsMode,
    pub(super) trust: &'a ServerTrust,
    pub(super) client_certificate: Option<&'a ClientCertificate>,
    /// For the TCP connection, and again for the TLS handshake.
    pub(super) connect: Duration,
}

impl BareServer<'_> {
    /// Whether the settings may be used at all.
    pub(super) fn check(&self) -> Result<(), ServerSettingsError> {
        if self.tls == TlsMode::None {
            if self.is_this_machine() {
                return Ok(());
            }
            return Err(ServerSettingsError::PlaintextAbroad { host: self.host.to_owned() });
        }
        if self.trust.is_empty() {
            return Err(ServerSettingsError::NobodyTrusted);
        }
        if !is_server_name(self.host) {
            return Err(ServerSettingsError::HostName { host: self.host.to_owned() });
        }
        Ok(())
    }

    /// The TCP connection, before any TLS.
    pub(super) async fn dial(&self) -> Result<BoxedIo, Fault> {
        let connected = timeout(self.connect, TcpStream::connect((self.host, self.port)))
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
        prepare(&connected)?;
        Ok(Box::new(connected))
    }

    fn is_this_machine(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// A card may sign for minutes while nothing moves: firewalls forget such connections, and the
/// death of a server meanwhile would not be noticed (KIM-5).
fn prepare(connection: &TcpStream) -> io::Result<()> {
    /// Below the five minutes after which common firewalls forget a silent connection.
    const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
    const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
    // Commands are small, and each waits for its answer.
    connection.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(connection).set_tcp_keepalive(&keepalive)
}
