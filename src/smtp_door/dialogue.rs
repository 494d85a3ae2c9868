//! The dialogue of SMTP (RFC 5321) and LMTP (RFC 2033), seen from the server, without a connection and
//! without a clock: a line comes in, and what is to be done comes out.
//!
//! Commands are parsed by `smtp-proto`; what they mean here is decided in this file. A peer that may deliver to
//! no channel gets no further than MAIL, so it never learns which recipients there are (FAX-12).

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret as _;
use smtp_proto::{
    AUTH_LOGIN, AUTH_PLAIN, Error, MAIL_BODY_BINARYMIME, MAIL_SMTPUTF8, MailFrom, Request,
};
use subtle::ConstantTimeEq as _;

use super::{
    DoorRules,
    reply::{DoorReply, not_a_line, ok, too_large},
};
use crate::{
    channel::{Entrance, entrance_for},
    model::MailAddress,
    transport::DoorProtocol,
};

/// What the door calls itself. A peer checks the certificate against the name it connects to, not this one.
pub(super) const DOOR_NAME: &str = "umstieg.internal";

/// Recipients of one mail: what RFC 5321 §4.5.3.1.8 asks for.
const RECIPIENTS_MAX: usize = 100;
/// Commands of one connection; a fax server hands over a handful of mails on one.
const COMMANDS_MAX: u32 = 1_000;
/// Refused commands of one connection. A peer that goes on after so many does not listen, or guesses.
const ERRORS_MAX: u32 = 10;
/// Failed logins of one connection.
const FAILED_LOGINS_MAX: u32 = 3;

/// What follows from a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DoorTurn {
    Say(DoorReply),
    /// A login failed: the answer comes after a pause, so that passwords are not tried out quickly.
    SayLater(DoorReply),
    /// After the answer, TLS; what was sent before it is dropped (CVE-2011-0411).
    Secure(DoorReply),
    /// The mail may come.
    TakeMail,
    End(DoorReply),
}

/// What the envelope says so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DoorEnvelope {
    /// Empty for a report (RFC 5321 §4.5.5).
    pub(super) sender: String,
    /// In their order; each with the place of its entrance.
    pub(super) recipients: Vec<(MailAddress, usize)>,
}

/// What the next line is taken for.
enum Awaited {
    Command,
    PlainCredentials,
    LoginUser,
    LoginPassword { user: String },
}

pub(super) struct DoorDialogue<'r> {
    rules: &'r DoorRules,
    peer: IpAddr,
    is_secure: bool,
    is_greeted: bool,
    has_logged_in: bool,
    /// Which entrances the login opened.
    opened: Vec<bool>,
    envelope: Option<DoorEnvelope>,
    awaited: Awaited,
    commands: u32,
    errors: u32,
    failed_logins: u32,
}

impl<'r> DoorDialogue<'r> {
    pub(super) fn new(rules: &'r DoorRules, peer: IpAddr, is_secure: bool) -> Self {
        Self {
            rules,
            peer,
            is_secure,
            is_greeted: false,
            has_logged_in: false,
            opened: vec![false; rules.entrances.len()],
            envelope: None,
            awaited: Awaited::Command,
            commands: 0,
            errors: 0,
            failed_logins: 0,
        }
    }

    pub(super) fn greeting(&self) -> DoorReply {
        let name = match self.rules.protocol {
            DoorProtocol::Smtp => "ESMTP",
            DoorProtocol::Lmtp => "LMTP",
        };
        DoorReply::bare(220, vec![format!("{DOOR_NAME} {name} Umstieg")])
    }

    /// TLS begins: nothing that was said before counts (RFC 3207 §4.2).
    pub(super) fn is_secured(&mut self) {
        self.is_secure = true;
        self.is_greeted = false;
        self.envelope = None;
    }

    /// Whether a mail is being announced.
    pub(super) fn is_under_way(&self) -> bool {
        self.envelope.is_some()
    }

    /// The envelope of the mail that comes now.
    pub(super) fn take_envelope(&mut self) -> Option<DoorEnvelope> {
        self.envelope.take()
    }

    /// Takes a line, without its end.
    pub(super) fn hear(&mut self, line: &[u8]) -> DoorTurn {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return DoorTurn::End(DoorReply::new(421, "4.7.0", "Too many commands"));
        }
        let is_text = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\t';
        if !line.iter().all(is_text) {
            self.awaited = Awaited::Command;
            return self.counted(DoorTurn::Say(not_a_line()));
        }
        let turn = match std::mem::replace(&mut self.awaited, Awaited::Command) {
            Awaited::Command => self.command(line),
            other => self.credentials(other, line),
        };
        self.counted(turn)
    }

    /// A line that is none was refused.
    pub(super) fn refused(&mut self, reply: DoorReply) -> DoorTurn {
        self.awaited = Awaited::Command;
        self.counted(DoorTurn::Say(reply))
    }

    /// Ends the dialogue after too many errors.
    fn counted(&mut self, turn: DoorTurn) -> DoorTurn {
        if let DoorTurn::Say(reply) | DoorTurn::SayLater(reply) = &turn
            && reply.is_error()
        {
            self.errors += 1;
            if self.errors >= ERRORS_MAX {
                return DoorTurn::End(DoorReply::new(421, "4.7.0", "Too many errors"));
            }
        }
        turn
    }

    fn command(&mut self, line: &[u8]) -> DoorTurn {
        let line = [line, b"\r\n"].concat();
        let nameless;
        let request = match Request::parse(&mut line.iter()) {
            Ok(request) => request,
            // Devices in the house write what they are: `<fax@[192.168.1.20]>` (RFC 5321 §4.1.3), `<printer>`.
            // The sender of the envelope decides nothing here, and nothing is sent back to it.
            Err(Error::InvalidSenderAddress) => {
                nameless = without_sender(&line);
                match Request::parse(&mut nameless.iter()) {
                    Ok(request) => request,
                    Err(error) => return DoorTurn::Say(why_not(&error)),
                }
            }
            Err(error) => return DoorTurn::Say(why_not(&error)),
        };
        let is_lmtp = self.rules.protocol == DoorProtocol::Lmtp;
        match request {
            Request::Ehlo { .. } if !is_lmtp => self.greeted(true),
            Request::Helo { .. } if !is_lmtp => self.greeted(false),
            Request::Lhlo { .. } if is_lmtp => self.greeted(true),
            Request::StartTls => self.start_tls(),
            Request::Auth { mechanism, initial_response } => {
                self.begin_login(mechanism, &initial_response)
            }
            Request::Mail { from } => DoorTurn::Say(self.mail(&from)),
            Request::Rcpt { to } => DoorTurn::Say(self.recipient(&to.address)),
            Request::Data => self.data(),
            Request::Rset => {
                self.envelope = None;
                DoorTurn::Say(ok())
            }
            Request::Noop { .. } => DoorTurn::Say(ok()),
            // It says of no address whether there is one (RFC 5321 §3.5.3).
            Request::Vrfy { .. } => {
                DoorTurn::Say(DoorReply::new(252, "2.5.0", "Send a mail and see"))
            }
            Request::Help { .. } => {
                DoorTurn::Say(DoorReply::new(214, "2.0.0", "This is Umstieg; it takes faxes"))
            }
            Request::Quit => DoorTurn::End(DoorReply::new(221, "2.0.0", "Goodbye")),
            // What would follow is no command, and must not be read as one.
            Request::Bdat { .. } | Request::Burl { .. } => {
                DoorTurn::End(DoorReply::new(502, "5.5.1", "Not supported"))
            }
            Request::Ehlo { .. }
            | Request::Helo { .. }
            | Request::Lhlo { .. }
            | Request::Expn { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. } => DoorTurn::Say(DoorReply::new(502, "5.5.1", "Not supported")),
        }
    }

    fn greeted(&mut self, is_extended: bool) -> DoorTurn {
        self.is_greeted = true;
        self.envelope = None;
        let mut lines = vec![DOOR_NAME.to_owned()];
        if is_extended {
            lines.push(format!("SIZE {}", self.rules.bytes_max));
            lines.extend(["8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"].map(str::to_owned));
            if self.rules.offers_tls && !self.is_secure {
                lines.push("STARTTLS".to_owned());
            }
            if self.is_secure && self.has_logins() {
                lines.push("AUTH PLAIN LOGIN".to_owned());
            }
        }
        DoorTurn::Say(DoorReply::bare(250, lines))
    }

    fn has_logins(&self) -> bool {
        self.entrances().any(|entrance| entrance.login.is_some())
    }

    fn entrances(&self) -> impl Iterator<Item = &'r Entrance> {
        self.rules.entrances.iter().map(|(_, entrance)| entrance)
    }

    fn start_tls(&mut self) -> DoorTurn {
        if self.is_secure || !self.rules.offers_tls {
            return DoorTurn::Say(DoorReply::new(502, "5.5.1", "Not supported now"));
        }
        DoorTurn::Secure(DoorReply::new(220, "2.0.0", "Go ahead"))
    }

    /// Whether a password or a mail may come on this connection. On the machine itself nobody reads along.
    fn is_safe(&self) -> bool {
        self.is_secure || !self.rules.requires_tls || self.peer.to_canonical().is_loopback()
    }

    fn mail(&mut self, from: &MailFrom<std::borrow::Cow<'_, str>>) -> DoorReply {
        if !self.is_greeted {
            return out_of_order("Say who you are first");
        }
        if self.envelope.is_some() {
            return out_of_order("One mail at a time");
        }
        if !self.is_safe() {
            return DoorReply::new(530, "5.7.0", "Begin TLS first (STARTTLS)");
        }
        if !(0..self.opened.len()).any(|place| self.may_deliver(place)) {
            return self.may_nothing();
        }
        if from.flags & (MAIL_BODY_BINARYMIME | MAIL_SMTPUTF8) != 0 {
            return DoorReply::new(555, "5.5.4", "BINARYMIME and SMTPUTF8 are not supported");
        }
        if u64::try_from(from.size).unwrap_or(u64::MAX) > self.rules.bytes_max {
            return too_large();
        }
        let sender = from.address.clone().into_owned();
        self.envelope = Some(DoorEnvelope { sender, recipients: Vec::new() });
        DoorReply::new(250, "2.1.0", "OK")
    }

    /// Whether this peer may deliver to an entrance.
    fn may_deliver(&self, place: usize) -> bool {
        let Some((_, entrance)) = self.rules.entrances.get(place) else { return false };
        let is_open = entrance.login.is_none() || self.opened.get(place) == Some(&true);
        is_open && entrance.admits(self.peer)
    }

    fn may_nothing(&self) -> DoorReply {
        let wants_login =
            |entrance: &Entrance| entrance.login.is_some() && entrance.admits(self.peer);
        if !self.has_logged_in && self.entrances().any(wants_login) {
            return DoorReply::new(530, "5.7.0", "Log in first (AUTH)");
        }
        DoorReply::new(550, "5.7.1", "This host may not deliver here")
    }

    fn recipient(&mut self, text: &str) -> DoorReply {
        let Some(envelope) = &self.envelope else { return out_of_order("MAIL comes first") };
        if envelope.recipients.len() >= RECIPIENTS_MAX {
            return DoorReply::new(452, "4.5.3", "Too many recipients; send the rest by itself");
        }
        let place = MailAddress::new(text).ok().and_then(|address| {
            let place = entrance_for(self.entrances(), &address)?;
            self.may_deliver(place).then_some((address, place))
        });
        // The same for a channel that is for other peers.
        let Some(recipient) = place else {
            return DoorReply::new(
                550,
                "5.1.1",
                "No channel takes faxes for this recipient; see recipients in the settings of Umstieg",
            );
        };
        if let Some(envelope) = &mut self.envelope {
            envelope.recipients.push(recipient);
        }
        DoorReply::new(250, "2.1.5", "OK")
    }

    fn data(&mut self) -> DoorTurn {
        match &self.envelope {
            Some(envelope) if !envelope.recipients.is_empty() => DoorTurn::TakeMail,
            Some(_) => DoorTurn::Say(DoorReply::new(503, "5.5.1", "No recipient was accepted")),
            None => DoorTurn::Say(out_of_order("MAIL comes first")),
        }
    }

    fn begin_login(&mut self, mechanism: u64, initial: &str) -> DoorTurn {
        let refusal = if !self.is_greeted || self.envelope.is_some() || self.has_logged_in {
            Some(out_of_order("Not now"))
        } else if !self.is_secure {
            Some(DoorReply::new(538, "5.7.11", "A password only through TLS"))
        } else if !self.has_logins() {
            Some(DoorReply::new(502, "5.5.1", "Not supported"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return DoorTurn::Say(refusal);
        }
        let (awaited, prompt) = match mechanism {
            AUTH_PLAIN => (Awaited::PlainCredentials, ""),
            AUTH_LOGIN => (Awaited::LoginUser, "VXNlcm5hbWU6"),
            _ => return DoorTurn::Say(DoorReply::new(504, "5.5.4", "PLAIN or LOGIN")),
        };
        if initial.is_empty() {
            self.awaited = awaited;
            return DoorTurn::Say(DoorReply::bare(334, vec![prompt.to_owned()]));
        }
        self.credentials(awaited, initial.as_bytes())
    }

    /// Takes a line of a login (RFC 4954).
    fn credentials(&mut self, awaited: Awaited, line: &[u8]) -> DoorTurn {
        if line == b"*" {
            return DoorTurn::Say(DoorReply::new(501, "5.7.0", "Broken off"));
        }
        let encoded: &[u8] = if line == b"=" { b"" } else { line };
        let Ok(said) = STANDARD.decode(encoded) else {
            return DoorTurn::Say(DoorReply::new(501, "5.5.2", "This is not base64"));
        };
        match awaited {
            Awaited::LoginUser => {
                let user = String::from_utf8_lossy(&said).into_owned();
                self.awaited = Awaited::LoginPassword { user };
                DoorTurn::Say(DoorReply::bare(334, vec!["UGFzc3dvcmQ6".to_owned()]))
            }
            Awaited::LoginPassword { user } => self.log_in(user.as_bytes(), &said),
            Awaited::PlainCredentials | Awaited::Command => {
                // An identity to act as, the user, the password (RFC 4616); the first decides nothing.
                let mut parts = said.splitn(3, |byte| *byte == 0).skip(1);
                match (parts.next(), parts.next()) {
                    (Some(user), Some(password)) => self.log_in(user, password),
                    _ => DoorTurn::Say(DoorReply::new(501, "5.5.2", "Not as RFC 4616 has it")),
                }
            }
        }
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> DoorTurn {
        // Every login is compared, so that the time says nothing.
        let opens = |entrance: &Entrance| {
            let Some(login) = &entrance.login else { return false };
            let is_user = login.user.as_bytes().ct_eq(user);
            let is_password = login.password.expose_secret().as_bytes().ct_eq(password);
            bool::from(is_user & is_password)
        };
        self.opened = self.entrances().map(opens).collect();
        if self.opened.contains(&true) {
            self.has_logged_in = true;
            return DoorTurn::Say(DoorReply::new(235, "2.7.0", "Logged in"));
        }
        self.failed_logins += 1;
        if self.failed_logins >= FAILED_LOGINS_MAX {
            return DoorTurn::End(DoorReply::new(421, "4.7.0", "Too many failed logins"));
        }
        DoorTurn::SayLater(DoorReply::new(535, "5.7.8", "User or password is wrong"))
    }
}

/// `MAIL FROM:<…>` with nobody named, if there is one pair of brackets with visible characters between.
fn without_sender(line: &[u8]) -> Vec<u8> {
    let (open, close) = (memchr::memchr(b'<', line), memchr::memrchr(b'>', line));
    match (open, close) {
        (Some(open), Some(close)) if open < close => {
            let inner = line.get(open + 1..close).unwrap_or_default();
            let (before, after) = (line.get(..=open), line.get(close..));
            if inner.iter().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(byte)) {
                return [before.unwrap_or_default(), after.unwrap_or_default()].concat();
            }
            line.to_vec()
        }
        _ => line.to_vec(),
    }
}

fn out_of_order(words: &str) -> DoorReply {
    DoorReply::new(503, "5.5.1", words)
}

fn why_not(error: &Error) -> DoorReply {
    match error {
        Error::InvalidSenderAddress => DoorReply::new(553, "5.1.7", "This is no address"),
        Error::InvalidRecipientAddress => DoorReply::new(553, "5.1.3", "This is no address"),
        Error::SyntaxError { syntax } => DoorReply::new(501, "5.5.2", &format!("Write {syntax}")),
        Error::InvalidParameter { .. } => DoorReply::new(501, "5.5.4", "A parameter is wrong"),
        Error::UnsupportedParameter { .. } => {
            DoorReply::new(555, "5.5.4", "A parameter is not supported")
        }
        Error::UnknownCommand
        | Error::NeedsMoreData { .. }
        | Error::ResponseTooLong
        | Error::InvalidResponse { .. } => DoorReply::new(500, "5.5.1", "Unknown command"),
    }
}

#[cfg(test)]
mod tests;
