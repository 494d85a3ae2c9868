//! Where and why a dialogue ended, and what the caller hears of it.

use super::lines::Lines;
use crate::model::{Outcome, Reached, Why as Reason};
use crate::transport::{
    error::MailServerError,
    reply::{Names, presentable},
    server::MailServer,
    wire::Fault,
};

/// How a dialogue that reached the final dot ended.
pub(super) enum End {
    Accepted(Lines),
    Unclear(String),
}

/// Where and why a dialogue ended before that.
pub(super) struct Stop {
    pub(super) at: Reached,
    pub(super) why: Why,
}

pub(super) enum Why {
    Reply(Lines),
    Fault(Fault),
    Server(MailServerError),
    /// The mail is larger than EHLO says may be.
    TooLarge(String),
    /// The mail is of a form that EHLO does not offer.
    Unfit(String),
    /// The caller could not save that the body is about to leave.
    HeldBack,
    /// The rest of the mail could not be read.
    Lost,
}

impl Lines {
    pub(super) fn positive(self, at: Reached) -> Result<Self, Stop> {
        if self.is_positive() { Ok(self) } else { Err(Stop { at, why: Why::Reply(self) }) }
    }
}

impl Stop {
    /// Whether the server says that we are not logged in, at whatever step.
    pub(super) fn is_not_logged_in(&self) -> bool {
        matches!(&self.why, Why::Reply(reply) if matches!(reply.code, 530 | 535 | 538))
    }

    /// Whether the server says that it will be otherwise later: a Clientmodul whose provider is away
    /// answers 454 to every login (RFC 4954 §6).
    pub(super) fn will_pass(&self) -> bool {
        matches!(&self.why, Why::Reply(reply) if (400..500).contains(&reply.code))
    }

    pub(super) fn outcome(self, names: &Names) -> Outcome {
        let Self { at, why } = self;
        let later = |at, sentence| Outcome::TryLater { at, why: Reason::Fault(sentence) };
        match why {
            // Says that we are not logged in, at whatever step: not the mail's fault.
            Why::Reply(lines) if matches!(lines.code, 530 | 535 | 538) => {
                Outcome::TryLater { at: Reached::Login, why: Reason::Reply(lines.reply(names)) }
            }
            Why::Reply(lines) if lines.is_permanent() && at >= Reached::Sender => {
                Outcome::Refused { at, why: Reason::Reply(lines.reply(names)) }
            }
            Why::Reply(lines) => Outcome::TryLater { at, why: Reason::Reply(lines.reply(names)) },
            Why::TooLarge(sentence) => Outcome::Refused { at, why: Reason::TooLarge(sentence) },
            Why::Unfit(sentence) => Outcome::Refused { at, why: Reason::Fault(sentence) },
            Why::Fault(fault) => later(at, sentence(&fault, names)),
            Why::Server(error) => later(at, sentence(&error, &Names::default())),
            Why::Lost => later(
                at,
                "broken off before its end: the rest of the mail could not be read".into(),
            ),
            Why::HeldBack => {
                later(at, "not sent: the attempt could not be saved beforehand".into())
            }
        }
    }

    pub(super) fn error(self, server: &MailServer) -> MailServerError {
        let host = server.host.clone();
        let names = Names::of_user(&server.login.user);
        match (self.at, self.why) {
            (_, Why::Server(error)) => error,
            (Reached::Login, Why::Reply(reply)) => {
                let source = Fault::Refused { reply: reply.reply(&names).to_string() };
                if reply.code < 500 {
                    MailServerError::Busy { host, source }
                } else {
                    MailServerError::Credentials { host, source }
                }
            }
            (_, Why::Reply(reply)) => {
                let source = Fault::Refused { reply: reply.reply(&names).to_string() };
                MailServerError::Busy { host, source }
            }
            (Reached::Connect, Why::Fault(fault)) => MailServerError::at_greeting(&host, fault),
            (_, Why::Fault(fault)) => MailServerError::midway(&host, fault),
            (_, Why::Unfit(reply) | Why::TooLarge(reply)) => {
                MailServerError::Broken { host, source: Fault::Refused { reply } }
            }
            (_, Why::HeldBack | Why::Lost) => MailServerError::Broken { host, source: Fault::Over },
        }
    }
}

/// An error and its causes in one line.
pub(super) fn sentence(error: &dyn std::error::Error, names: &Names) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    presentable(&text, names)
}
