//! Where and why a dialogue ended, and what the caller is told.

use super::lines::ReplyLines;
use crate::model::{Outcome, Reached, Why};
use crate::transport::{
    error::{MailServerError, trouble_with_tls},
    reply::{Names, presentable},
    server::MailServer,
    wire::Fault,
};

/// A Clientmodul's answer to a user name that is incomplete, or whose call context the Konnektor does
/// not know (gemSpec_CM_KOMLE Tab_SMTP_Verbindung).
pub(super) const WRONG_USER_NAME: u16 = 501;

/// How a dialogue that reached the final dot ended.
pub(super) enum DialogueEnd {
    /// `bool`: the server agreed to report what becomes of the mail.
    Accepted(ReplyLines, bool),
    Unclear(String),
}

/// Where and why a dialogue ended before that.
pub(super) struct DialogueStop {
    pub(super) at: Reached,
    pub(super) why: WhyStopped,
}

pub(super) enum WhyStopped {
    Reply(ReplyLines),
    Fault(Fault),
    Server(MailServerError),
    /// The mail is larger than EHLO says it may be.
    TooLarge(String),
    /// The mail is of a form that EHLO does not offer.
    Unfit(String),
    /// The caller could not save that the body is about to leave.
    HeldBack,
    /// The rest of the mail could not be read.
    Lost,
}

impl ReplyLines {
    pub(super) fn positive(self, at: Reached) -> Result<Self, DialogueStop> {
        if self.is_positive() {
            Ok(self)
        } else {
            Err(DialogueStop { at, why: WhyStopped::Reply(self) })
        }
    }
}

impl DialogueStop {
    /// Whether the server says that we are not logged in, at whatever step.
    pub(super) fn is_not_logged_in(&self) -> bool {
        matches!(&self.why, WhyStopped::Reply(reply) if matches!(reply.code, 530 | 535 | 538))
    }

    /// Whether the server says that this will change later: a Clientmodul whose provider is away
    /// answers 454 to every login (RFC 4954 §6).
    pub(super) fn will_pass(&self) -> bool {
        matches!(&self.why, WhyStopped::Reply(reply) if (400..500).contains(&reply.code))
    }

    /// Whether the server does not understand the user name.
    pub(super) fn is_wrong_user_name(&self) -> bool {
        matches!(&self.why, WhyStopped::Reply(reply) if reply.code == WRONG_USER_NAME)
    }

    pub(super) fn outcome(self, names: &Names) -> Outcome {
        let Self { at, why } = self;
        let later = |at, sentence| Outcome::TryLater { at, why: Why::Fault(sentence) };
        match why {
            // Says that we are not logged in, at whatever step: not the mail's fault.
            WhyStopped::Reply(lines) if matches!(lines.code, 530 | 535 | 538) => {
                Outcome::TryLater { at: Reached::Login, why: Why::Reply(lines.reply(names)) }
            }
            WhyStopped::Reply(lines) if lines.is_permanent() && at >= Reached::Sender => {
                Outcome::Refused { at, why: Why::Reply(lines.reply(names)) }
            }
            WhyStopped::Reply(lines) => {
                Outcome::TryLater { at, why: Why::Reply(lines.reply(names)) }
            }
            WhyStopped::TooLarge(sentence) => Outcome::Refused { at, why: Why::TooLarge(sentence) },
            WhyStopped::Unfit(sentence) => Outcome::Refused { at, why: Why::Fault(sentence) },
            WhyStopped::Fault(fault) => {
                let sentence = sentence(&fault, names);
                let why = match trouble_with_tls(&fault) {
                    Some(trouble) if at < Reached::Sender => Why::NoSession(trouble, sentence),
                    _ => Why::Fault(sentence),
                };
                Outcome::TryLater { at, why }
            }
            WhyStopped::Server(error) => {
                let sentence = sentence(&error, &Names::default());
                let why = match error.trouble() {
                    Some(trouble) => Why::NoSession(trouble, sentence),
                    None => Why::Fault(sentence),
                };
                Outcome::TryLater { at, why }
            }
            WhyStopped::Lost => later(
                at,
                "broken off before its end: the rest of the mail could not be read".into(),
            ),
            WhyStopped::HeldBack => {
                later(at, "not sent: the attempt could not be saved beforehand".into())
            }
        }
    }

    pub(super) fn error(self, server: &MailServer) -> MailServerError {
        let host = server.host.clone();
        let names = Names::of_user(&server.login.user);
        match (self.at, self.why) {
            (_, WhyStopped::Server(error)) => error,
            (Reached::Login, WhyStopped::Reply(reply)) => {
                let source = Fault::Refused { reply: reply.reply(&names).to_string() };
                if reply.code < 500 {
                    MailServerError::Busy { host, source }
                } else if reply.code == WRONG_USER_NAME {
                    MailServerError::UserName { host, source }
                } else {
                    MailServerError::Credentials { host, source }
                }
            }
            (_, WhyStopped::Reply(reply)) => {
                let source = Fault::Refused { reply: reply.reply(&names).to_string() };
                MailServerError::Busy { host, source }
            }
            (Reached::Connect, WhyStopped::Fault(fault)) => {
                MailServerError::at_greeting(&host, fault)
            }
            (_, WhyStopped::Fault(fault)) => MailServerError::midway(&host, fault),
            (_, WhyStopped::Unfit(reply) | WhyStopped::TooLarge(reply)) => {
                MailServerError::Broken { host, source: Fault::Refused { reply } }
            }
            (_, WhyStopped::HeldBack | WhyStopped::Lost) => {
                MailServerError::Broken { host, source: Fault::Over }
            }
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
