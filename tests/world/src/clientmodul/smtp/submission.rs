//! What becomes of a mail behind its final dot: checks, changes, and who gets it (kim.md 1.4, 2.2).

use std::sync::Arc;

use super::MailOrder;
use crate::clientmodul::{
    account::{CardState, KonnektorState, RecipientState},
    head,
    journal::{Submission, SubmittedRecipient},
    outer::{self, KAS_THRESHOLD},
    reports::{self, DsnFacts, DsnForm, NotSentTo},
    state::{CmCore, CmState, KimDelivery},
    switches::{NO_SENDER_CERTIFICATE, NOT_SENT, TOO_LARGE},
};

const TAKEN: &str = "250 2.0.0 Handed to the mail server";
/// The specification has no code for it; the Fachdienst refuses.
const WRONG_SENDER: &str = "550 5.7.1 Sender does not match the account";

/// A mail and its envelope, not yet decided on.
pub(super) struct Submitted {
    order: MailOrder,
    /// `None`: it was too long.
    bytes: Option<Arc<Vec<u8>>>,
    is_decided: bool,
}

impl Submitted {
    pub(super) fn new(order: MailOrder, bytes: Option<Vec<u8>>) -> Self {
        Self { order, bytes: bytes.map(Arc::new), is_decided: false }
    }

    /// Decides, does it, and returns the answer.
    pub(super) fn decide(&mut self, core: &CmCore, account: &str) -> String {
        self.is_decided = true;
        let mut state = core.state();
        let answer = match self.bytes.clone() {
            None => TOO_LARGE.to_owned(),
            Some(bytes) => match self.judge(&mut state, account, &bytes) {
                Ok(()) => {
                    self.send(&mut state, account, &bytes);
                    TAKEN.to_owned()
                }
                Err(refusal) => refusal,
            },
        };
        let is_taken = answer == TAKEN;
        state.journal.note_submission(self.noted(account, &answer, is_taken));
        drop(state);
        core.tick();
        answer
    }

    /// A mail that something else happened to is in the journal as well.
    pub(super) fn note_if_undecided(&self, core: &CmCore, account: Option<&str>) {
        if !self.is_decided {
            let noted = self.noted(account.unwrap_or_default(), "(went wrong)", false);
            core.state().journal.note_submission(noted);
            core.tick();
        }
    }

    fn noted(&self, account: &str, answer: &str, is_taken: bool) -> Submission {
        let bytes = self.bytes.clone().unwrap_or_default();
        Submission {
            account: account.to_owned(),
            mail_from: self.order.from.clone(),
            mail_parameters: self.order.parameters.clone(),
            recipients: self.order.recipients.clone(),
            complaints: complaints(&bytes),
            bytes,
            answer: answer.to_owned(),
            is_taken,
        }
    }

    /// Whether it can be sent at all, and to whom not.
    fn judge(&mut self, state: &mut CmState, account: &str, bytes: &[u8]) -> Result<(), String> {
        let known = state.accounts.get(account).map(|known| &known.account);
        let Some(sender) = known else { return Err(WRONG_SENDER.to_owned()) };
        if sender.recipient == RecipientState::NoCertificate {
            return Err(NO_SENDER_CERTIFICATE.to_owned());
        }
        let can_sign =
            sender.card == CardState::Unlocked && sender.konnektor == KonnektorState::Reachable;
        // A mail that says of itself that it is in the KAS already would deceive the reader (A_22341).
        if !can_sign || has_kas_part(bytes) {
            return Err(NOT_SENT.to_owned());
        }
        let (mail_head, _) = head::split(bytes);
        if !self.is_to_oneself(account) && !sender_is(account, &self.order.from, mail_head) {
            return Err(WRONG_SENDER.to_owned());
        }
        let is_large = u64::try_from(bytes.len()).is_ok_and(|size| size > KAS_THRESHOLD);
        for recipient in &mut self.order.recipients {
            recipient.refusal = refusal(state, &recipient.address, is_large).map(str::to_owned);
        }
        let is_anyone_left = self.order.recipients.iter().any(|it| it.refusal.is_none());
        if is_anyone_left { Ok(()) } else { Err(NOT_SENT.to_owned()) }
    }

    /// The one exception from the checks: a mail to nobody but oneself (A_23422).
    fn is_to_oneself(&self, account: &str) -> bool {
        matches!(self.order.recipients.as_slice(), [only] if only.address == account)
    }

    fn send(&self, state: &mut CmState, account: &str, bytes: &[u8]) {
        if self.is_to_oneself(account) && self.is_read_again(state, account, bytes) {
            return;
        }
        let all: Vec<&str> = self.order.recipients.iter().map(|it| it.address.as_str()).collect();
        let inner = changed(bytes, &all);
        let (refused, usable): (Vec<_>, Vec<_>) =
            self.order.recipients.iter().partition(|it| it.refusal.is_some());
        for recipient in usable {
            self.deliver(state, account, recipient, &inner);
        }
        if !refused.is_empty() {
            let refused: Vec<NotSentTo<'_>> = refused
                .into_iter()
                .map(|it| NotSentTo {
                    recipient: &it.address,
                    code: it.refusal.as_deref().unwrap_or_default(),
                })
                .collect();
            let has_status = state.switches.error_mail_has_status;
            self.report(state, account, &inner, "", |facts, _| {
                reports::not_sent(facts, &refused, has_status)
            });
        }
    }

    fn deliver(&self, state: &mut CmState, account: &str, to: &SubmittedRecipient, inner: &[u8]) {
        let here = state.accounts.get(&to.address).map(|known| known.account.clone());
        let as_found = here.as_ref().map(|here| here.recipient);
        let as_found = as_found.or_else(|| state.others.get(&to.address).copied());
        let is_full = as_found == Some(RecipientState::MailboxFull)
            || (here.is_some()
                && state.lay(&to.address, &self.order.from, KimDelivery::sealed(inner)).is_none());
        // Failure is reported unless NOTIFY says otherwise (RFC 3461, 4.1).
        let says_nothing =
            !to.parameters.iter().any(|it| it.to_ascii_uppercase().starts_with("NOTIFY="));
        if is_full && (says_nothing || to.wants("FAILURE")) {
            self.report(state, account, inner, &to.address, |facts, form| {
                reports::dsn(&DsnFacts { failed: Some("5.2.2"), ..facts.clone() }, form)
            });
        } else if !is_full && to.wants("SUCCESS") && state.switches.dsn_form != DsnForm::Never {
            self.report(state, account, inner, &to.address, |facts, form| {
                reports::dsn(facts, form)
            });
        }
        if let Some(text) = here.and_then(|here| here.absence).filter(|_| !is_full) {
            let (from, is_marked) = (to.address.clone(), state.switches.absence_is_marked);
            self.report(state, account, inner, &to.address, |facts, _| {
                reports::absence(&from, facts, &text, is_marked)
            });
        }
    }

    /// Lays a mail of a machine into the sender's own maildrop.
    fn report(
        &self,
        state: &mut CmState,
        account: &str,
        inner: &[u8],
        recipient: &str,
        write: impl FnOnce(&DsnFacts<'_>, DsnForm) -> Vec<u8>,
    ) {
        let (mail_head, _) = head::split(inner);
        let message_id = head::first(mail_head, "message-id").unwrap_or_default();
        let envelope_id = self.order.parameters.iter().find_map(|it| {
            let (name, value) = it.split_once('=')?;
            name.eq_ignore_ascii_case("ENVID").then_some(value)
        });
        let facts = DsnFacts {
            to: account,
            recipient,
            message_id: &message_id,
            envelope_id,
            head: mail_head,
            time: state.switches.time(),
            number: state.number(),
            failed: None,
        };
        let report = write(&facts, state.switches.dsn_form);
        // When the sender's mailbox is full, there is nobody left to tell.
        let _ = state.lay(account, "", KimDelivery::plain(&report));
    }

    /// A mail that could not be read, sent to oneself within another, is laid into the maildrop once
    /// more, to be read now (A_2029).
    fn is_read_again(&self, state: &mut CmState, account: &str, bytes: &[u8]) -> bool {
        let Some(uidl) = outer::named_within(bytes) else { return false };
        let found = state.accounts.get(account).and_then(|it| it.maildrop.find(&uidl)).cloned();
        let Some(mail) = found else { return false };
        state.lay(account, &self.order.from, KimDelivery::sealed(&mail.inner)).is_some()
    }
}

/// The code of X-KIM-Fehlermeldung when a mail cannot go to an address.
pub(super) fn refusal(state: &CmState, address: &str, is_large: bool) -> Option<&'static str> {
    let here = state.accounts.get(address).map(|known| known.account.recipient);
    let found = here.or_else(|| state.others.get(address).copied());
    found.unwrap_or(RecipientState::NoCertificate).refusal(is_large)
}

/// AUTH, MAIL FROM and From are one; a Sender says the same; answers stay within KIM (A_23421).
fn sender_is(account: &str, mail_from: &str, mail_head: &[u8]) -> bool {
    let within_kim = |address: &String| {
        address.ends_with(".kim.telematik") || address.ends_with(".kim.telematik-test")
    };
    mail_from == account
        && head::all(mail_head, "from").len() == 1
        && head::addresses(mail_head, "from") == [account]
        && head::addresses(mail_head, "sender").iter().all(|sender| sender == account)
        && head::addresses(mail_head, "reply-to").iter().all(within_kim)
}

/// The mail as it is sealed: with a Dienstkennung, and without recipients that were no RCPT (A_23174).
fn changed(mail: &[u8], recipients: &[&str]) -> Vec<u8> {
    let (mail_head, body) = head::split(mail);
    let mut out = Vec::with_capacity(mail.len() + 64);
    for field in head::fields(mail_head) {
        if !["to", "cc", "bcc"].contains(&head::name(field).as_str()) {
            out.extend(field);
        } else if let Some(kept) = head::keep_addresses(field, |it| recipients.contains(&it)) {
            out.extend(kept);
        }
    }
    if head::first(mail_head, "x-kim-dienstkennung").is_none() {
        out.extend(b"X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\n");
    }
    out.extend(b"\r\n");
    out.extend(body);
    out
}

fn has_kas_part(mail: &[u8]) -> bool {
    let is_kas = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        line.starts_with("content-disposition:") && line.contains("x-kas")
    };
    mail.split(|byte| *byte == b'\n').filter(|line| line.len() < 200).any(is_kas)
}

/// What KIM wants of every mail and this one does not have (kim.md 2.1 to 2.3).
fn complaints(mail: &[u8]) -> Vec<String> {
    const ONCE: [&str; 9] = [
        "From",
        "To",
        "Date",
        "Message-ID",
        "MIME-Version",
        "X-KIM-Dienstkennung",
        "X-KIM-Sendersystem",
        "X-KIM-Support",
        "X-TI-User-Agent",
    ];
    let (mail_head, _) = head::split(mail);
    let mut complaints = Vec::new();
    for name in ONCE {
        let count = head::all(mail_head, name).len();
        if count != 1 {
            complaints.push(format!("{name} is there {count} times"));
        }
    }
    if !mail_head.is_ascii() {
        complaints.push("the head is not ASCII".to_owned());
    }
    if head::first(mail_head, "bcc").is_some() {
        complaints.push("there is a Bcc".to_owned());
    }
    let kind = head::first(mail_head, "content-type").unwrap_or_default().to_ascii_lowercase();
    let service = head::first(mail_head, "x-kim-dienstkennung").unwrap_or_default();
    let is_free = service.to_ascii_lowercase().starts_with("kim-mail;");
    if is_free && (kind.starts_with("text/html") || kind.starts_with("multipart/alternative")) {
        complaints.push("HTML under the Dienstkennung KIM-Mail".to_owned());
    }
    complaints
}
