//! A session with a mailbox in which nothing takes for ever.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout};

use super::LookError;
use crate::{
    model::MailKey,
    relay::Inbox,
    transport::{Basket, Fetched, KeyList, MailServerError, Mailbox, PACE_MIN, Waited},
};

/// How long to wait for the end of a session on which nothing depends.
const FAREWELL_MAX: Duration = Duration::from_secs(10);

/// Why a mail did not come.
#[derive(Debug)]
pub(super) enum FetchFault {
    Server(MailServerError),
    /// Too slow, or an answer without an end.
    Endless,
}

/// A session. It is opened again after a mail broke it.
pub(super) struct MailboxSession<'a> {
    inbox: &'a Inbox,
    pub(super) mailbox: Mailbox,
}

impl<'a> MailboxSession<'a> {
    pub(super) async fn open(inbox: &'a Inbox) -> Result<Self, LookError> {
        let opened = timeout(limit(inbox), Mailbox::open(inbox.protocol, &inbox.server)).await;
        let mailbox = opened.map_err(|_| LookError::Endless)??;
        Ok(Self { inbox, mailbox })
    }

    pub(super) async fn reopen(&mut self) -> Result<(), LookError> {
        self.mailbox = Self::open(self.inbox).await?.mailbox;
        Ok(())
    }

    pub(super) async fn keys(&mut self) -> Result<KeyList, LookError> {
        let listed = timeout(limit(self.inbox), self.mailbox.keys()).await;
        Ok(listed.map_err(|_| LookError::Endless)??)
    }

    pub(super) async fn sizes(&mut self) -> Result<Option<HashMap<MailKey, u64>>, LookError> {
        let listed = timeout(limit(self.inbox), self.mailbox.sizes()).await;
        Ok(listed.map_err(|_| LookError::Endless)??)
    }

    pub(super) async fn header(&mut self, key: &MailKey) -> Result<Fetched, FetchFault> {
        let head = timeout(limit(self.inbox), self.mailbox.header(key)).await;
        head.map_err(|_| FetchFault::Endless)?.map_err(FetchFault::Server)
    }

    /// The whole mail. It may take as long as it comes at the required pace.
    pub(super) async fn fetch_into<B: Basket>(
        &mut self,
        key: &MailKey,
        basket: &mut B,
    ) -> Result<Fetched<()>, FetchFault> {
        let patience = limit(self.inbox);
        let begun = Instant::now();
        let heard = Arc::new(Mutex::new(begun));
        let mut paced =
            Paced { basket, begun, patience, heard: heard.clone(), bytes: 0, is_slow: false };
        let fetched = {
            let fetch = self.mailbox.fetch_into(key, self.inbox.mail_bytes_max, &mut paced);
            tokio::pin!(fetch);
            loop {
                let until = *heard.lock().unwrap_or_else(PoisonError::into_inner) + patience;
                tokio::select! {
                    fetched = &mut fetch => break Some(fetched),
                    () = sleep_until(until) => {
                        let now = *heard.lock().unwrap_or_else(PoisonError::into_inner) + patience;
                        if now == until {
                            break None;
                        }
                    }
                }
            }
        };
        match fetched {
            None => Err(FetchFault::Endless),
            Some(_) if paced.is_slow => Err(FetchFault::Endless),
            Some(fetched) => fetched.map_err(FetchFault::Server),
        }
    }

    pub(super) async fn delete(&mut self, keys: &[MailKey]) -> Result<Vec<MailKey>, LookError> {
        let agreed = timeout(limit(self.inbox), self.mailbox.delete(keys)).await;
        Ok(agreed.map_err(|_| LookError::Endless)??)
    }

    pub(super) async fn wait_for_mail(&mut self, max: Duration) -> Result<Waited, LookError> {
        let waited = timeout(max + limit(self.inbox), self.mailbox.wait_for_mail(max)).await;
        Ok(waited.map_err(|_| LookError::Endless)??)
    }

    /// Ends it. `is_needed`: deletions depend on the server's answer.
    pub(super) async fn close(self, is_needed: bool) -> Result<(), LookError> {
        if self.mailbox.is_over() {
            return Ok(());
        }
        let limit = limit(self.inbox);
        let limit = if is_needed { limit } else { limit.min(FAREWELL_MAX) };
        Ok(timeout(limit, self.mailbox.close()).await.map_err(|_| LookError::Endless)??)
    }
}

fn limit(inbox: &Inbox) -> Duration {
    inbox.server.timeouts.answer()
}

/// A basket that takes nothing more from a server that is far too slow.
struct Paced<'b, B> {
    basket: &'b mut B,
    begun: Instant,
    /// Before that, the pace is not judged.
    patience: Duration,
    heard: Arc<Mutex<Instant>>,
    bytes: u64,
    is_slow: bool,
}

impl<B: Basket> Basket for Paced<'_, B> {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        let now = Instant::now();
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.bytes += bytes.len() as u64;
        let taken = now - self.begun;
        self.is_slow = taken > self.patience && self.bytes < taken.as_secs() * PACE_MIN;
        !self.is_slow && self.basket.take(bytes).await
    }
}
