//! What a look knows of the outer heads in a KIM mailbox, and what they decide (KIM-9).

use std::collections::HashMap;

use crate::{
    channel::{Channel, Dialect, KimProfile, MailboxUse},
    model::{MailKey, OuterHead},
    rules::service::{AtTheGate, gate},
    store::SeenOuterHead,
    transport::MailboxProtocol,
};

/// What the outer heads of one mailbox said.
pub(super) struct Gatekeeper<'a> {
    profile: &'a KimProfile,
    pub(super) seen: HashMap<MailKey, SeenOuterHead>,
    /// How many mails this look left to other programs.
    pub(super) left_alone: u64,
}

/// What the gate says of a mail.
pub(super) enum Gated {
    Fetch,
    /// It is left alone, or older than the settings want. Nothing more is to do.
    Passed,
    /// The same, because of its age.
    Older,
    /// It is not in the mailbox any more.
    Gone,
    /// Its head did not come, for this reason, and so it is not fetched now.
    Failed(&'static str),
}

impl<'a> Gatekeeper<'a> {
    /// For KIM behind POP3. A Clientmodul speaks nothing else; behind IMAP is a mail server of the
    /// practice, and its mails were fetched from the Clientmodul before.
    pub(super) fn of(channel: &'a Channel, protocol: MailboxProtocol) -> Option<Self> {
        match (&channel.dialect, protocol) {
            (Dialect::Kim(profile), MailboxProtocol::Pop3) => {
                Some(Self { profile, seen: HashMap::new(), left_alone: 0 })
            }
            _ => None,
        }
    }
}

impl Gatekeeper<'_> {
    /// What is known of a mail of this length in the list.
    pub(super) fn known(&self, key: &MailKey, listed_bytes: Option<u64>) -> Option<&SeenOuterHead> {
        self.seen.get(key).filter(|seen| match (seen.marks.listed_bytes, listed_bytes) {
            (Some(then), Some(now)) => then == now,
            _ => true,
        })
    }

    pub(super) fn is_owned(&self) -> bool {
        self.profile.mailbox == MailboxUse::Owned
    }

    pub(super) fn decide(&self, head: &OuterHead) -> AtTheGate {
        gate(self.profile.classes.class_of(&head.service), self.profile.mailbox)
    }
}
