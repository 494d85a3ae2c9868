//! The sender and the recipient of a mail, and whether the server is asked to report (RFC 3461).

use std::fmt::Display;

use lettre::{
    Address,
    transport::smtp::{
        commands::{Mail, Rcpt},
        extension::{MailBodyParameter, MailParameter, RcptParameter},
    },
};

use super::{
    Smtp,
    ending::{DialogueStop, WhyStopped},
    lines::ReplyLines,
};
use crate::{
    model::{Envelope, MailAddress, Reached},
    transport::server::MailServer,
};

impl Smtp {
    /// Names sender and recipient. Returns whether the server agreed to report whatever becomes of the mail:
    /// it is asked where it lists DSN, and the mail leaves without the request where it refuses it
    /// (KIM-30).
    pub(super) async fn name_parties(
        &mut self,
        server: &MailServer,
        envelope: &Envelope,
        size: usize,
        is_ascii: bool,
    ) -> Result<bool, DialogueStop> {
        let asks = server.asks_for_reports() && self.facts.reports;
        let from = |parameters| Mail::new(Some(address(&envelope.sender)), parameters);
        let mut parameters = Vec::new();
        if self.facts.lists_size {
            parameters.push(MailParameter::Size(size));
        }
        if !is_ascii {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let plain = from(parameters.clone());
        if asks {
            // A report shall not carry the letter once more.
            let (keyword, value) = ("RET".into(), Some("HDRS".into()));
            parameters.push(MailParameter::Other { keyword, value });
            if let Some(id) = &envelope.id {
                let (keyword, value) = ("ENVID".into(), Some(id.as_str().to_owned()));
                parameters.push(MailParameter::Other { keyword, value });
            }
        }
        let (reply, _) = self.ask_or(server, Reached::Sender, from(parameters), plain).await?;
        reply.positive(Reached::Sender)?;

        let to = |parameters| Rcpt::new(address(&envelope.to), parameters);
        let mut parameters = Vec::new();
        if asks {
            let of = if envelope.wants_success { "SUCCESS,FAILURE,DELAY" } else { "FAILURE,DELAY" };
            let (keyword, value) = ("NOTIFY".into(), Some(of.into()));
            parameters.push(RcptParameter::Other { keyword, value });
            if envelope.id.is_some() {
                let address = format!("rfc822;{}", envelope.to.as_str());
                let (keyword, value) = ("ORCPT".into(), Some(address));
                parameters.push(RcptParameter::Other { keyword, value });
            }
        }
        let (reply, is_plain) =
            self.ask_or(server, Reached::Recipient, to(parameters), to(vec![])).await?;
        reply.positive(Reached::Recipient)?;
        // Some servers report only what RCPT asked for: RET alone promises nothing.
        // Where it is asked for bad news only, its silence says nothing.
        Ok(!is_plain && envelope.wants_success)
    }

    /// Asks, and once more without the optional parameters if the server does not accept them (501, 504,
    /// 555). Returns the reply, and whether it is to the plain command.
    async fn ask_or<C: Display + PartialEq>(
        &mut self,
        server: &MailServer,
        at: Reached,
        command: C,
        plain: C,
    ) -> Result<(ReplyLines, bool), DialogueStop> {
        let reply = self.ask(at, &command).await?;
        if command == plain || !matches!(reply.code, 501 | 504 | 555) {
            return Ok((reply, command == plain));
        }
        let again = self.ask(at, plain).await;
        // A Clientmodul may close the connection with a 501. The next attempt shall get further.
        if let Err(DialogueStop { why: WhyStopped::Fault(_), .. }) = &again {
            server.note_reports_break();
        }
        Ok((again?, true))
    }
}

/// Not checked again: [`MailAddress`] lets no character through that could end the command, and
/// takes addresses that `lettre` would not, such as one with two dots in a row.
fn address(address: &MailAddress) -> Address {
    Address::new_dangerous(address.local(), address.domain())
}
