//! Where a mail server is, how to reach it, and what can be wrong with it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    account::{Account, Accounts, LoginTurn, ServerDoor},
    bare_server::{BareServer, TlsMode},
    error::{MailServerError, ServerSettingsError},
    trust::{ClientCertificate, ServerTrust},
    wire::BoxedIo,
};

/// One account on one mail server: all a session needs.
///
/// `Debug` shows the port and the encryption only: host and user tell whose mailbox it is.
#[derive(Clone)]
pub struct MailServer {
    /// A DNS name or an IP address (without brackets).
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    pub trust: ServerTrust,
    /// Shown to the server on request: mutual TLS (gematik A_2181).
    pub client_certificate: Option<ClientCertificate>,
    pub login: Login,
    /// How its logins went; shared by all tasks that use it.
    pub account: Account,
    pub timeouts: Timeouts,
    /// Whether to ask for reports of delivery and failure, where the server lists DSN (KIM-30).
    /// Used by SMTP only.
    pub ask_for_reports: bool,
    /// The server hung up when it was asked for reports, so it is not asked again before a restart.
    pub reports_break: ReportsBreak,
}

/// Whether a server hung up when it was asked for reports; shared by all tasks that use it.
#[derive(Debug, Clone, Default)]
pub struct ReportsBreak(Arc<AtomicBool>);

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer(port {}, {:?})", self.port, self.tls)
    }
}

/// A login. Does not print.
#[derive(Clone)]
pub struct Login {
    /// Opaque: for KIM the address, the provider's server and the call context, joined by `#`.
    pub user: String,
    /// Opaque UTF-8, may contain `#`, `:` and spaces (KIM-2).
    pub password: SecretString,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection, and again for the TLS handshake.
    pub connect: Duration,
    /// Without a single byte in the direction we wait for. A slow answer has more time
    /// ([`Timeouts::answer`]), and a limit too.
    pub silence: Duration,
}

impl Timeouts {
    /// For a whole answer. A Clientmodul may use most of the silence more than once, and a server
    /// that says a word now and then must not hold us for ever.
    pub fn answer(self) -> Duration {
        self.silence * 6
    }

    /// For a server to take a whole mail, on average at [`PACE_MIN`].
    pub(super) fn mail(self, bytes: usize) -> Duration {
        self.answer() + Duration::from_secs(bytes as u64 / PACE_MIN)
    }
}

/// The slowest mail that is waited for, on average, in bytes a second: at twenty times that, KIM's
/// largest mail takes hours over a bad line.
pub const PACE_MIN: u64 = 1024;

impl Default for Timeouts {
    /// 30 s to connect. 5 min of silence: what a Clientmodul allows itself on each side while a
    /// card signs or decrypts (gemSpec_CM_KOMLE Tab_Konf_Param; KIM-5), and RFC 5321 §4.5.3.2.
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), silence: Duration::from_secs(5 * 60) }
    }
}

impl MailServer {
    /// With TLS from the first byte, the platform's authorities and the default timeouts.
    pub fn new(host: impl Into<String>, port: u16, login: Login) -> Self {
        Self {
            host: host.into(),
            port,
            tls: TlsMode::Implicit,
            trust: ServerTrust::Platform,
            client_certificate: None,
            login,
            account: Account::default(),
            timeouts: Timeouts::default(),
            ask_for_reports: false,
            reports_break: ReportsBreak::default(),
        }
    }

    /// Whether these settings may be used at all. Also called before every connection, so that it
    /// cannot be bypassed; settings call it to refuse the start.
    pub fn check(&self) -> Result<(), ServerSettingsError> {
        let cuts = |text: &str| text.contains(['\r', '\n', '\0']);
        if cuts(&self.login.user) || cuts(self.login.password.expose_secret()) {
            return Err(ServerSettingsError::LoginCharacter);
        }
        self.bare().check()
    }

    /// Shares the account with all that log in by the same name.
    pub fn join(&mut self, accounts: &mut Accounts) {
        self.account = accounts.of(&self.login.user, &self.host);
    }

    /// How long to wait before a login, asked before any work is done for it. `None` lets the
    /// caller try; after a refused login it lets only one caller try.
    pub fn login_wait(&self) -> Option<Duration> {
        self.account.wait(self.door())
    }

    /// How long to wait before a login, as it stands.
    pub fn login_waits(&self) -> Option<Duration> {
        self.account.waits(&self.door())
    }

    /// The right to log in now, or how long to wait for it.
    pub(super) async fn login_turn(&self) -> Result<LoginTurn, Duration> {
        self.account.turn(self.door()).await
    }

    /// Whether to ask a server for reports that lists DSN.
    pub(super) fn asks_for_reports(&self) -> bool {
        self.ask_for_reports && !self.reports_break.0.load(Ordering::Relaxed)
    }

    /// Notes that a session did not survive the request for reports.
    pub(super) fn note_reports_break(&self) {
        self.reports_break.0.store(true, Ordering::Relaxed);
    }

    /// Notes that this server, which had taken the login, says later that it did not.
    pub(super) fn login_was_refused(&self) {
        self.account.refused(self.door());
    }

    fn door(&self) -> ServerDoor {
        (self.host.to_lowercase(), self.port)
    }

    /// The server, apart from the account.
    pub(super) fn bare(&self) -> BareServer<'_> {
        BareServer {
            host: &self.host,
            port: self.port,
            tls: self.tls,
            trust: &self.trust,
            client_certificate: self.client_certificate.as_ref(),
            connect: self.timeouts.connect,
        }
    }

    /// The TCP connection, before any TLS.
    pub(super) async fn dial(&self) -> Result<BoxedIo, MailServerError> {
        self.check().map_err(|source| MailServerError::Settings { source })?;
        let unreachable = |source| MailServerError::Unreachable { host: self.host.clone(), source };
        self.bare().dial().await.map_err(unreachable)
    }
}
