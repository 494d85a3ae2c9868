//! One face for the two ways to read a mailbox.

use std::{collections::HashMap, time::Duration};

use super::{
    error::MailServerError,
    fetched::{Basket, Fetched, KeyList, Waited},
    imap::Imap,
    pop3::Pop3,
    server::MailServer,
    wire::BoxedIo,
};
use crate::model::MailKey;

/// How a mailbox is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailboxProtocol {
    /// The only protocol of a Clientmodul. At most one session per mailbox at a time: the caller
    /// makes sure of it (KIM-7).
    Pop3,
    /// The INBOX of an ordinary mail server.
    Imap,
}

/// A logged-in session with one mailbox.
///
/// After a [`MailServerErrorKind::Broken`](super::MailServerErrorKind) that is not a refusal, after
/// a call that was dropped half-way, and mostly after [`Fetched::TooLarge`], the session is over:
/// every further call says so, and nothing that was marked for deletion counts. A new session is
/// the remedy. No fetch ever marks a mail as read.
pub struct Mailbox(Dialogue);

enum Dialogue {
    Pop3(Box<Pop3>),
    Imap(Box<Imap>),
}

impl Mailbox {
    /// Connects, encrypts and logs in. For IMAP, selects the INBOX.
    pub async fn open(
        protocol: MailboxProtocol,
        server: &MailServer,
    ) -> Result<Self, MailServerError> {
        let io = server.dial().await?;
        let turn = server.login_turn().await;
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

    /// The lengths of the mails according to the server; nothing if it gives none. They are not
    /// those of the mails that come (KIM-10), and still show that a name has passed to another
    /// mail. IMAP's names never do.
    pub async fn sizes(&mut self) -> Result<Option<HashMap<MailKey, u64>>, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.sizes().await,
            Dialogue::Imap(_) => Ok(None),
        }
    }

    /// The header block alone, cut at 1 MiB, even if the server gives more than that or breaks off
    /// after it. For KIM these are the headers of the encrypted mail, which differ from those
    /// [`Mailbox::fetch_into`] brings (KIM-9).
    pub async fn header(&mut self, key: &MailKey) -> Result<Fetched, MailServerError> {
        match &mut self.0 {
            Dialogue::Pop3(session) => session.header(key).await,
            Dialogue::Imap(session) => session.header(key).await,
        }
    }

    /// The whole mail, put into `basket` while it comes. It counts only with [`Fetched::Mail`]. The
    /// limit holds for what really comes, whatever size the server announced (KIM-10).
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

    /// Deletes mails, and returns those to which the server agreed. Final only when
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
