//! Mails that do not come are tried again; after several tries they are put aside, and a person is
//! told.

use tracing::warn;

use super::{LookError, fetching::Look, session::MailboxSession};
use crate::{
    mail::{self, Scanner},
    model::{Defect, MailKey},
    rules::looking::Marks,
    store::{Aside, FetchedFrom, Job, NewLetter, Saved},
    transport::{Fetched, KeyList},
};

/// Why a mail is put aside: its server gives it no name.
const NAMELESS: &str = "no_name";
const TOO_LARGE: &str = "too_large";

/// Stands for all mails of a list that have no name. Contains a blank, which no server's key does.
pub(super) fn nameless() -> MailKey {
    MailKey::stored("without a name".to_owned())
}

impl Look<'_> {
    /// Counts a failed try; after several, the mail is put aside and a person is told, once.
    pub(super) async fn failed(
        &mut self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        reason: &'static str,
        listed_bytes: Option<u64>,
    ) -> Result<(), LookError> {
        let (store, channel, now) = (&self.ctx.store, self.channel, self.ctx.clock.now());
        self.has_failed = true;
        let tries = store.try_failed(self.row.id, key, reason, listed_bytes, now).await?;
        let next = now + self.inbox.patience.wait(tries);
        if tries < self.inbox.patience.tries {
            self.is_well = false;
            warn!(channel.name = %channel, reason, "A mail could not be fetched; it is tried again");
            return Ok(store.try_again_at(self.row.id, key, next).await?);
        }
        // The server may have been away for the head, or the gateway may have died over it: one more
        // try.
        let head = if tries <= self.inbox.patience.tries + 1 {
            self.head(session, key).await?
        } else {
            None
        };
        self.aside(key, head, reason, Some(next), listed_bytes).await
    }

    /// The head of a mail, if it can be fetched.
    pub(super) async fn head(
        &self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
    ) -> Result<Option<Vec<u8>>, LookError> {
        if !self.is_ready(session).await? {
            return Ok(None);
        }
        Ok(match session.header(key).await {
            Ok(Fetched::Mail(head)) if is_head(&head) => Some(head),
            _ => None,
        })
    }

    pub(super) async fn too_large(
        &mut self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        listed_bytes: Option<u64>,
    ) -> Result<(), LookError> {
        let Some(head) = self.head(session, key).await? else {
            return self.aside(key, None, TOO_LARGE, None, listed_bytes).await;
        };
        warn!(channel.name = %self.channel, "A mail is larger than mail_bytes_max; its head is shown");
        let mut letter = NewLetter::new(&self.ctx.store);
        letter.take(&head).await?;
        let arrival =
            FetchedFrom { head_only: true, too_large: true, ..self.arrival(key, listed_bytes) };
        if self.save(letter, arrival).await? == Saved::StillOutOfReach {
            // Its room waits for more of it. A person has to know that no more will come.
            return self.aside(key, None, TOO_LARGE, None, listed_bytes).await;
        }
        let marks = Marks { head: mail::head_identity(&head), listed_bytes };
        Ok(self.came(key, marks).await?)
    }

    /// Puts a mail aside: a letter with its head or without, and a parked row.
    async fn aside(
        &self,
        key: &MailKey,
        head: Option<Vec<u8>>,
        reason: &'static str,
        next: Option<time::OffsetDateTime>,
        listed_bytes: Option<u64>,
    ) -> Result<(), LookError> {
        let (store, channel) = (&self.ctx.store, self.channel);
        let head = head.unwrap_or_default();
        let marks = Marks { head: mail::head_identity(&head), listed_bytes };
        let too_large = reason == TOO_LARGE;
        let mut letter = NewLetter::new(store);
        letter.take(&head).await?;
        let arrival = FetchedFrom {
            head_only: true,
            out_of_reach: true,
            too_large,
            ..self.arrival(key, None)
        };
        letter.finish(arrival).await?;
        let now = self.ctx.clock.now();
        if store.put_aside(channel, self.row.id, key, Aside { reason, next, marks }, now).await? {
            metrics::counter!("umstieg_parked_total", "kind" => "mail").increment(1);
            warn!(channel.name = %channel, reason, "A mail that cannot be fetched was put aside, and its room was told");
        }
        Ok(())
    }

    /// Tells a person of mails without a name: once, and again when there are more.
    pub(super) async fn tell_of_nameless(&mut self, present: &KeyList) -> Result<(), LookError> {
        let before = self.row.nameless;
        if present.nameless <= before {
            if present.nameless < before {
                self.ctx.store.nameless_told(self.row.id, present.nameless).await?;
                self.row.nameless = present.nameless;
            }
            return Ok(());
        }
        let (store, channel, now) = (&self.ctx.store, self.channel, self.ctx.clock.now());
        warn!(channel.name = %channel, "{} mails bear no name; look into the mailbox", present.nameless);
        let key = nameless();
        // A person who was told of the earlier ones knows nothing of these.
        store.mails_left(self.row.id, std::slice::from_ref(&key), &[], now).await?;
        let arrival =
            FetchedFrom { head_only: true, out_of_reach: true, ..self.arrival(&key, None) };
        NewLetter::new(store).finish(arrival).await?;
        let aside = Aside { reason: NAMELESS, next: None, marks: Marks::default() };
        if store.put_aside(channel, self.row.id, &key, aside, now).await? {
            metrics::counter!("umstieg_parked_total", "kind" => "mail").increment(1);
        }
        store.wake(&Job::PlaceLetters(channel.clone()), None).await?;
        store.nameless_told(self.row.id, present.nameless).await?;
        self.row.nameless = present.nameless;
        Ok(())
    }
}

/// Whether something of a mail can be read there. If it is no head, it is worth nothing.
pub(super) fn is_head(head: &[u8]) -> bool {
    let mut scanner = Scanner::default();
    scanner.take(head);
    !mail::parse_skeleton(&scanner.finish()).defects.contains(&Defect::NotAMail)
}
