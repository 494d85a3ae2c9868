//! What a mailbox gives: the names of its mails, and mails.

use std::collections::BTreeSet;

use crate::model::MailKey;

/// The longest header block we read, in bytes. Ten thousand headers of ordinary length fit.
pub(super) const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// The mails in a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    /// In the server's order, which is mostly the order of arrival. Each once.
    pub keys: Vec<MailKey>,
    /// Mails to which the server gives the same name. Which is which may change from list to list,
    /// so none of them may be deleted.
    pub shared: BTreeSet<MailKey>,
    /// Entries that name no mail: not reachable, so a person should look.
    pub nameless: usize,
    /// The server counts more mails than it lists: what is not in the list may be there.
    pub is_short: bool,
}

/// The outcome of asking for a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched<M = Vec<u8>> {
    /// Byte for byte as the server gave it.
    Mail(M),
    /// Longer than the caller's limit. Ask for no more mails in this session.
    TooLarge,
    /// It is not in the list of this session (any more).
    Gone,
    /// The server has it in its list, calls the fetch a success, and brings nothing. The session
    /// goes on. That is not absence: ask again in a later one.
    Nothing,
    /// The server has it and does not hand it out now, as a Clientmodul does while a card is
    /// locked. The session goes on; ask again in a later one.
    Withheld { reply: String },
    /// The caller could not keep a piece of it. The session is over.
    NotKept,
}

impl<M> Fetched<M> {
    /// The same with another mail.
    pub(super) fn map<N>(self, change: impl FnOnce(M) -> N) -> Fetched<N> {
        match self {
            Self::Mail(mail) => Fetched::Mail(change(mail)),
            Self::TooLarge => Fetched::TooLarge,
            Self::Gone => Fetched::Gone,
            Self::Nothing => Fetched::Nothing,
            Self::Withheld { reply } => Fetched::Withheld { reply },
            Self::NotKept => Fetched::NotKept,
        }
    }
}

/// A receiver for a mail while it arrives.
pub trait Basket: Send {
    /// Takes the next bytes; `false` if they could not be kept.
    fn take(&mut self, bytes: &[u8]) -> impl Future<Output = bool> + Send;
}

impl Basket for Vec<u8> {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }
}

/// Keeps a header block: everything up to the first empty line, and no more than
/// [`HEADER_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
    /// The empty line has come, or more than is kept.
    is_complete: bool,
}

impl Head {
    /// Whether it may be shown although the server went on or broke off.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub fn all(self) -> Vec<u8> {
        self.bytes
    }
}

impl Basket for Head {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        if self.is_complete {
            return true;
        }
        // The empty line may have begun in the piece before.
        let from = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        let fresh = self.bytes.get(from..).unwrap_or_default();
        let end = [b"\n\n".as_slice(), b"\n\r\n"]
            .iter()
            .filter_map(|line| memchr::memmem::find(fresh, line).map(|at| from + at + line.len()))
            .min();
        if let Some(end) = end {
            self.bytes.truncate(end);
            self.is_complete = true;
        } else if self.bytes.len() > HEADER_BYTES_MAX {
            self.bytes.truncate(HEADER_BYTES_MAX);
            self.is_complete = true;
        }
        true
    }
}

/// How waiting for a mail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Something may have come: look at the keys.
    News,
    TimeUp,
    /// The server or the protocol cannot tell us: close the session and come again later.
    Unsupported,
}
