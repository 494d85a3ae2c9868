//! One face for the two ways to read a mailbox.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{
    imap::Imap,
    pop3::Pop3,
    server::{MailServer, MailServerError},
    wire::BoxedIo,
};
use crate::model::MailKey;

/// Longest header block we read, in bytes. Ten thousand headers of an ordinary length fit.
pub(super) const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// How a mailbox is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailboxProtocol {
    /// What a Clientmodul speaks, and nothing else. At most one session per mailbox at a time:
    /// the caller sees to it (KIM-7).
    Pop3,
    /// The INBOX of an ordinary mail server.
    Imap,
}

/// A logged-in session with one mailbox.
///
/// After a [`MailServerErrorKind::Broken`](super::MailServerErrorKind) that is not a refusal,
/// after a call that was dropped half-way, and mostly after [`Fetched::TooLarge`], the session is
/// over: every further call says so, and nothing that was marked for deletion counts. A new
/// session is the remedy. Nothing is ever fetched in a way that marks it as read.
pub struct Mailbox(Dialogue);

enum Dialogue {
    Pop3(Box<Pop3>),
    Imap(Box<Imap>),
}

/// The mails in a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    /// In the server's order, which is mostly the order of arrival. Each once.
    pub keys: Vec<MailKey>,
    /// Those of mails that the server names the same. Which is which may change from list to list,
    /// so none of them may be deleted.
    pub shared: BTreeSet<MailKey>,
    /// Entries that name no mail: not reachable, so somebody should look.
    pub nameless: usize,
    /// The server counts more mails than it lists: what is not in the list may be there.
    pub is_short: bool,
}

/// What became of asking for a mail.
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

/// What a mail is put into while it comes.
pub trait Basket: Send {
    /// Takes what comes next; `false` when it could not be kept.
    fn take(&mut self, bytes: &[u8]) -> impl Future<Output = bool> + Send;
}

impl Basket for Vec<u8> {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }
}

/// Keeps a header block: what comes up to the first empty line, and no more than
/// [`HEADER_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// The empty line has come, or more than is kept.
    is_complete: bool,
}

impl Head {
    /// Whether it may be shown although the server went on or broke off.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn all(self) -> Vec<u8> {
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
    /// The server cannot tell us, or the protocol cannot: close the session and come again later.
    Unsupported,
}

impl Mailbox {
    /// Connects, encrypts and logs in. For IMAP, selects the INBOX.
    pub async fn open(
        protocol: MailboxProtocol,
        server: &MailServer,
    ) -> Result<Self, MailServerError> {
        let io = server.dial().await?;
        let turn = server.account.turn(server).await;
        let turn =
            turn.map_err(|wait| MailServerError::Waits { host: server.host.clone(), wait })?;
        let opened = Self::open_over(io, protocol, server).await;
        match &opened {
            Ok(_) => turn.accepted(),
            Err(MailServerError::Credentials { .. }) => turn.refused(),
            Err(_) => drop(turn),
        }
        opened
    }

    pub(super) async fn open_over(
        io: BoxedIo,
        protocol: MailboxProtocol,
        server: &MailServer,
    ) -> Result<Self, MailServerError> {
        Ok(Self(match protocol {
            MailboxProtocol::Pop3 => Dialogue::Pop3(Box::new(Pop3::open(io, server).await?)),
            MailboxProtocol::Imap => Dialogue::Imap(Box::new(Imap::open(io, server).await?)),
        }))
    }

    /// The generation of the mailbox's names as the protocol tells it: IMAP's UIDVALIDITY. An IMAP
    /// server that gives its mailbox a new one gives every mail a new key (RFC 9051 §2.3.1.1).
    pub fn validity(&self) -> u32 {
        match &self.0 {
            Dialogue::Pop3(_) => 0,
            Dialogue::Imap(session) => session.validity(),
        }
    }

    /// Whether the session is over: every further call would only say so.
    pub fn is_over(&self) -> bool {
        match &self.0 {
            Dialogue::Pop3(session) => session.is_over(),
            Dialogue::Imap(session) => session.is_over(),
        }
    }

    /// All mails, seen or not: the UIDL, or `UIDVALIDITY.UID`.
    pub async fn keys(&mut self) -> Result<KeyList, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.keys().await,
            Dialogue::Imap(session) => session.keys().await,
        }
    }

    /// What the server says of the lengths of its mails; nothing where it does not say. They are
    /// not those of the mails that come (KIM-10), and yet tell that a name has gone over to
    /// another mail. IMAP's names never do.
    pub async fn sizes(&mut self) -> Result<Option<HashMap<MailKey, u64>>, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.sizes().await,
            Dialogue::Imap(_) => Ok(None),
        }
    }

    /// The header block alone, cut at 1 MiB, also where the server gives more than that or breaks
    /// off behind it. For KIM the headers of the encrypted mail, which
    /// differ from those [`Mailbox::fetch_into`] brings (KIM-9).
    pub async fn header(&mut self, key: &MailKey) -> Result<Fetched, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.header(key).await,
            Dialogue::Imap(session) => session.header(key).await,
        }
    }

    /// The whole mail, put into `basket` while it comes. What is there counts only with
    /// [`Fetched::Mail`]. The limit holds for what really comes, whatever size the server announced
    /// (KIM-10).
    pub async fn fetch_into(
        &mut self,
        key: &MailKey,
        bytes_max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.fetch(key, bytes_max, basket).await,
            Dialogue::Imap(session) => session.fetch(key, bytes_max, basket).await,
        }
    }

    /// The whole mail in memory.
    #[cfg(test)]
    pub(super) async fn fetch(
        &mut self,
        key: &MailKey,
        bytes_max: usize,
    ) -> Result<Fetched, MailServerError> {
        let mut mail = Vec::new();
        let fetched = self.fetch_into(key, bytes_max, &mut mail).await?;
        Ok(fetched.map(|()| mail))
    }

    /// Deletes mails, and says which: those the server agreed to. Final only when
    /// [`Mailbox::close`] succeeded: until then POP3 may undo all of it (KIM-11).
    pub async fn delete(&mut self, keys: &[MailKey]) -> Result<Vec<MailKey>, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.delete(keys).await,
            Dialogue::Imap(session) => session.delete(keys).await,
        }
    }

    /// Waits for a new mail, at most `max` (IMAP: and at most 25 minutes). POP3 sees no mail that
    /// comes during a session, and keeps others out while it lasts: it answers at once.
    pub async fn wait_for_mail(&mut self, max: Duration) -> Result<Waited, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(_) => Ok(Waited::Unsupported),
            Dialogue::Imap(session) => session.wait_for_mail(max).await,
        }
    }

    /// Ends the session properly. `Ok`: every deletion is final.
    pub async fn close(self) -> Result<(), MailServerError> {
        match self.0 {
            Dialogue::Pop3(session) => session.close().await,
            Dialogue::Imap(session) => session.close().await,
        }
    }
}
