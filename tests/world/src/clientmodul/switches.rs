//! What can be switched while the Clientmodul runs: how it is set up, and what goes wrong once.

use serde::{Deserialize, Serialize};

use super::{handed_out::AsRead, reports::DsnForm, user_name::NameGrammar};

/// Above 64 MiB a mail is refused, whatever EHLO says: this one lives in memory.
pub const MAIL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How the Clientmodul is set up. Each line holds until it is changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub names: NameGrammar,
    /// The mechanisms of SMTP; some offer LOGIN only.
    pub mechanisms: Vec<AuthMechanism>,
    /// Whether POP3 takes AUTH PLAIN beside USER and PASS.
    pub pop3_plain: bool,
    /// An account is locked after this many wrong passwords in a row, for the right one too.
    pub lockout_after: Option<u32>,
    /// The Fachdienst cannot be reached: `454`, `-ERR`.
    pub fachdienst_away: bool,
    /// What EHLO says about size; at least 35882577 in the specification.
    pub size_announced: u64,
    /// Larger mails get `552 5.3.4` after DATA.
    pub size_max: usize,
    /// Whether EHLO lists DSN. Without it RET, ENVID and NOTIFY are refused.
    pub dsn_offered: bool,
    /// With which code they are refused then: 555 or 504.
    pub parameter_refusal: u16,
    pub recipients_checked: RecipientCheck,
    /// What comes back when NOTIFY asked for success.
    pub dsn_form: DsnForm,
    /// Whether the error mail about recipients has a part for machines, or names them in its text alone.
    pub error_mail_has_status: bool,
    /// Whether absence notes say Auto-Submitted and In-Reply-To.
    pub absence_is_marked: bool,
    /// How many days the Fachdienst keeps a mail; the outer `Expires` says so.
    pub days_kept: i64,
    /// Whether a second session is told `[IN-USE]`, or a bare `-ERR`.
    pub in_use_code: bool,
    /// What RETR makes of every mail that has no setting of its own.
    pub as_read: AsRead,
    /// TLS 1.2 and nothing newer.
    pub tls12_only: bool,
    /// Only who shows a certificate that this Clientmodul issued gets in.
    pub client_certificate_required: bool,
    /// The time in seconds since 1970, for a test that lets 90 days pass; else that of the machine.
    pub now: Option<i64>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            names: NameGrammar::default(),
            mechanisms: vec![AuthMechanism::Login, AuthMechanism::Plain],
            pop3_plain: true,
            lockout_after: None,
            fachdienst_away: false,
            size_announced: 734_003_200,
            size_max: MAIL_BYTES_MAX,
            dsn_offered: true,
            parameter_refusal: 555,
            recipients_checked: RecipientCheck::default(),
            dsn_form: DsnForm::default(),
            error_mail_has_status: true,
            absence_is_marked: false,
            days_kept: 90,
            in_use_code: true,
            as_read: AsRead::default(),
            tls12_only: false,
            client_certificate_required: false,
            now: None,
        }
    }
}

impl Switches {
    /// The time in seconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "a server beside the gateway has its own clock")]
    pub(super) fn time(&self) -> i64 {
        self.now.unwrap_or_else(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or_default())
        })
    }
}

/// What SMTP offers after AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AuthMechanism {
    Login,
    Plain,
}

/// When it is told that a recipient cannot get a mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientCheck {
    /// Up to 1.5.2: `550` at RCPT TO (A_2176).
    AtRcpt,
    /// From 1.5.3: `250` always. After DATA who cannot get it is taken out, and an error mail tells
    /// the sender at the next look into the mailbox (A_2176-01).
    #[default]
    AfterData,
}

/// Where in a dialogue something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CmStep {
    SmtpGreeting,
    Ehlo,
    /// The last line of AUTH, when the password is there.
    SmtpLogin,
    MailFrom,
    RcptTo,
    /// Before `354`.
    Data,
    /// Behind the final dot.
    EndOfData,
    SmtpQuit,
    Pop3Greeting,
    Capa,
    /// PASS, or the last line of AUTH PLAIN.
    Pop3Login,
    Stat,
    List,
    Uidl,
    Top,
    Retr,
    Dele,
    /// Of both protocols, as is RSET.
    Noop,
    Rset,
    Pop3Quit,
}

/// What goes wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Nothing is done; the connection ends.
    HangUp,
    /// It is done; the connection ends without an answer. Behind the final dot: the mail is on its
    /// way, and nobody was told. At QUIT: the mails are deleted.
    HangUpUnanswered,
    /// It is done and answered; then the connection ends. At DELE: nothing is ever deleted.
    HangUpAnswered,
    /// It is done; the connection ends in the middle of the answer.
    BreakOff,
    /// It is done; the first line of the answer comes at once, the rest when released.
    Stall,
    /// Nothing is done until released; then all is as usual.
    Hold,
    /// The same for this many milliseconds.
    Delay(u64),
    /// Nothing is done; this is the answer (without its line end).
    Say(String),
    /// The same, and the connection ends.
    SayAndHangUp(String),
}

impl Mishap {
    /// The Konnektor fails to sign, or nobody's mail can be encrypted.
    pub fn not_sent() -> Self {
        Self::Say(NOT_SENT.to_owned())
    }

    /// The directory has no certificate of the sender.
    pub fn no_sender_certificate() -> Self {
        Self::Say(NO_SENDER_CERTIFICATE.to_owned())
    }

    /// The quota for large mails is used up.
    pub fn quota_exceeded() -> Self {
        Self::Say("521 5.2.2 KAS quota exceeded (507)".to_owned())
    }

    pub fn too_large() -> Self {
        Self::Say(TOO_LARGE.to_owned())
    }

    /// The Fachdienst did not answer in time.
    pub fn service_timeout() -> Self {
        Self::SayAndHangUp("421 4.4.2 Timeout of the mail server".to_owned())
    }

    /// The Fachdienst is away.
    pub fn service_away() -> Self {
        Self::Say(SERVICE_AWAY.to_owned())
    }

    /// The Fachdienst did not answer in time, over POP3.
    pub fn pop3_timeout() -> Self {
        Self::SayAndHangUp("-ERR timeout".to_owned())
    }
}

pub(super) const NO_SENDER_CERTIFICATE: &str = "553 5.7.1 No encryption certificate of the sender";
pub(super) const NOT_SENT: &str = "451 4.3.0 The mail could not be signed or encrypted";
pub(super) const TOO_LARGE: &str = "552 5.3.4 Message too big for the mail server";
pub(super) const SERVICE_AWAY: &str = "454 4.7.0 Mail server not reachable";

/// A mishap and when it happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MishapRule {
    pub at: CmStep,
    pub mishap: Mishap,
    /// Only in sessions of this account; else in any.
    #[serde(default)]
    pub account: Option<String>,
    /// Only at the mail of this UIDL; else at any.
    #[serde(default)]
    pub uidl: Option<String>,
    /// So often, then no more; `None`: always.
    #[serde(default)]
    pub times: Option<u32>,
}

impl MishapRule {
    /// Goes wrong once, at whoever comes first.
    pub fn once(at: CmStep, mishap: Mishap) -> Self {
        Self { at, mishap, account: None, uidl: None, times: Some(1) }
    }

    /// Goes wrong every time until [`CmCore::behaves`](super::CmCore::behaves).
    pub fn always(at: CmStep, mishap: Mishap) -> Self {
        Self { at, mishap, account: None, uidl: None, times: None }
    }

    /// Only in sessions of this account.
    #[must_use]
    pub fn of(mut self, account: &str) -> Self {
        self.account = Some(account.to_ascii_lowercase());
        self
    }

    /// Only at the mail of this UIDL.
    #[must_use]
    pub fn at_mail(mut self, uidl: &str) -> Self {
        self.uidl = Some(uidl.to_owned());
        self
    }

    /// Whether it happens now; if so, it is counted.
    pub(super) fn happens(
        &mut self,
        at: CmStep,
        account: Option<&str>,
        uidl: Option<&str>,
    ) -> bool {
        let fits = self.at == at
            && (self.account.is_none() || self.account.as_deref() == account)
            && (self.uidl.is_none() || self.uidl.as_deref() == uidl)
            && self.times != Some(0);
        if fits {
            self.times = self.times.map(|times| times - 1);
        }
        fits
    }
}
