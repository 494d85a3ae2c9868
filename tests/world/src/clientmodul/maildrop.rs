//! A mailbox at the Fachdienst: mails with names that last, and one reader at a time.

use std::sync::Arc;

use super::{handed_out::AsRead, outer::OuterMail};

/// More mails than this are refused, as a full mailbox does.
const MAILS_MAX: usize = 10_000;
/// More than this, all mails together, as well.
const BYTES_MAX: usize = 512 * 1024 * 1024;
/// So many deleted mails are remembered, for a client that sends one to itself to read it (A_2029).
const GONE_MAX: usize = 16;
/// And none that is larger.
const GONE_BYTES_MAX: usize = 1024 * 1024;

/// A mail in a maildrop.
#[derive(Clone, Debug)]
pub(super) struct MaildropMail {
    /// Never changes, and never comes again.
    pub uidl: String,
    /// The mail itself: what is inside the outer one, or what is passed through.
    pub inner: Arc<Vec<u8>>,
    /// `None`: it came without encryption and is passed through as it is.
    pub outer: Option<Arc<OuterMail>>,
    /// What TOP brings of a mail that RETR brings as it was recorded.
    pub recorded_head: Option<Arc<Vec<u8>>>,
    /// What RETR makes of it, when it is not as for all.
    pub as_read: Option<AsRead>,
    /// When the Fachdienst deletes it, in seconds since 1970.
    pub expires: i64,
}

impl MaildropMail {
    /// As LIST has it: the size of the outer mail.
    pub(super) fn size(&self) -> usize {
        self.outer.as_ref().map_or(self.inner.len(), |outer| outer.size())
    }
}

/// The mails of one account, and whether somebody reads them.
#[derive(Debug, Default)]
pub(super) struct Maildrop {
    mails: Vec<MaildropMail>,
    gone: Vec<MaildropMail>,
    /// A session holds the lock (RFC 1939, 4).
    pub is_locked: bool,
}

impl Maildrop {
    /// `false`: it is full.
    pub(super) fn add(&mut self, mail: MaildropMail) -> bool {
        let bytes: usize = self.mails.iter().map(|mail| mail.inner.len()).sum();
        let fits = self.mails.len() < MAILS_MAX && bytes + mail.inner.len() <= BYTES_MAX;
        if fits {
            self.mails.push(mail);
        }
        fits
    }

    /// What is there now; what is too old for the Fachdienst vanishes here.
    pub(super) fn mails(&mut self, now: i64) -> Vec<MaildropMail> {
        self.mails.retain(|mail| mail.expires > now);
        self.mails.clone()
    }

    /// A mail that is there, or was deleted not long ago.
    pub(super) fn find(&self, uidl: &str) -> Option<&MaildropMail> {
        self.mails.iter().chain(&self.gone).find(|mail| mail.uidl == uidl)
    }

    pub(super) fn has(&self, uidl: &str) -> bool {
        self.mails.iter().any(|mail| mail.uidl == uidl)
    }

    pub(super) fn get_mut(&mut self, uidl: &str) -> Option<&mut MaildropMail> {
        self.mails.iter_mut().find(|mail| mail.uidl == uidl)
    }

    /// Takes a mail out; `false`: it was not there.
    pub(super) fn remove(&mut self, uidl: &str) -> bool {
        let Some(at) = self.mails.iter().position(|mail| mail.uidl == uidl) else { return false };
        let mail = self.mails.remove(at);
        if mail.inner.len() <= GONE_BYTES_MAX {
            if self.gone.len() >= GONE_MAX {
                self.gone.remove(0);
            }
            self.gone.push(mail);
        }
        true
    }
}
