//! Fetching mails one by one.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use time::OffsetDateTime;
use tracing::{info, warn};

use super::{
    LookError,
    gate::{Gated, Gatekeeper},
    session::{FetchFault, MailboxSession},
};
use crate::{
    mail::{self, Scanner, Skeleton},
    model::{ChannelName, MailKey},
    relay::{self, Ctx, Inbox},
    rules::{
        kim_trust::{self, KimVerdict},
        looking::{Before, Errand, Marks},
    },
    store::{FetchedFrom, Job, MailboxMails, MailboxRow, NewLetter, Saved, StoreError},
    transport::{Basket, Fault, Fetched, Head, MailServerError, MailboxProtocol},
};

/// After this many mails of one look, their placing is woken.
const WAKE_EVERY: usize = 20;

/// How many sessions in a row may break, at mails that do not come, before the look is given up.
const BREAKS_MAX: u32 = 10;

/// Shortest wait before the next look.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// Why a mail did not come: the gateway ended in the middle of it.
const INTERRUPTED: &str = "interrupted";

/// A look at work.
pub(super) struct Look<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) channel: &'a ChannelName,
    pub(super) inbox: &'a Inbox,
    pub(super) row: MailboxRow,
    /// What a new mailbox held at the first look, if `since` is set.
    pub(super) first_keys: Option<HashSet<MailKey>>,
    /// Whether everything that was tried came.
    pub(super) is_well: bool,
    /// Something waits for another try.
    pub(super) has_failed: bool,
    /// Mails that were not decrypted wait for the next one that is.
    pub(super) waits_for_card: bool,
    /// For mailboxes in which other programs' mails lie, too.
    pub(super) gatekeeper: Option<Gatekeeper<'a>>,
}

/// How a fetch ended.
enum FetchEnd {
    /// With what identifies it by its head.
    Saved(Saved, Option<[u8; 32]>),
    /// Again it was not decrypted.
    StillUndecrypted,
    /// Another program took it meanwhile.
    Gone,
    TooLarge,
    /// Why it did not come.
    Failed(&'static str),
}

/// What became of one mail of a look.
enum Tried {
    /// How its fetch ended, and whether it is in doubt which mail it is.
    Ended(FetchEnd, bool),
    /// It stays in the mailbox, because it is older than the settings want.
    Older,
    /// There was nothing to fetch.
    Nothing,
    /// It is another mailbox now.
    NoMore,
}

/// How the other fetches go on after one.
enum AfterFetch {
    /// The mail came, so the session works.
    Came,
    /// There is nothing more to do about this mail.
    Settled,
    /// It did not come, and is tried again.
    ToTryAgain,
    /// It broke the session.
    Broken,
    /// The others wait for the next look.
    NoMore,
}

impl Look<'_> {
    /// Fetches in order. `false`: some mails are left for another look.
    pub(super) async fn fetch_all(
        &mut self,
        session: &mut MailboxSession<'_>,
        errands: Vec<Errand>,
        sizes: &HashMap<MailKey, u64>,
    ) -> Result<bool, LookError> {
        if errands.is_empty() {
            return Ok(true);
        }
        let fetched = self.fetch_each(session, errands, sizes).await;
        // Also for those that came before a failure.
        self.ctx.store.wake(&Job::PlaceLetters(self.channel.clone()), None).await?;
        if fetched.is_ok() {
            self.ctx.store.take_interrupted(self.row.id).await?;
        }
        fetched
    }

    async fn fetch_each(
        &mut self,
        session: &mut MailboxSession<'_>,
        errands: Vec<Errand>,
        sizes: &HashMap<MailKey, u64>,
    ) -> Result<bool, LookError> {
        let (mut breaks, mut skipped, mut is_complete) = (0, 0_usize, true);
        for (number, errand) in errands.into_iter().enumerate() {
            let Errand { key, before } = &errand;
            let before = *before;
            // The first need not wait for the others, and a wake-up for each would cost as much as
            // all the rest.
            if number % WAKE_EVERY == 1 {
                self.ctx.store.wake(&Job::PlaceLetters(self.channel.clone()), None).await?;
            }
            if !self.is_ready(session).await? {
                return Ok(false);
            }
            let listed_bytes = sizes.get(key).copied();
            let (end, is_in_doubt) = match self.try_one(session, &errand, listed_bytes).await? {
                Tried::Ended(end, is_in_doubt) => (end, is_in_doubt),
                Tried::Older => {
                    skipped += 1;
                    continue;
                }
                Tried::Nothing => continue,
                Tried::NoMore => return Ok(false),
            };
            if is_in_doubt && matches!(end, FetchEnd::TooLarge | FetchEnd::Failed(_)) {
                self.ctx.store.sizes_in_doubt(self.row.id).await?;
            }
            match self.note_end(session, key, before, end, listed_bytes).await? {
                AfterFetch::Came => breaks = 0,
                AfterFetch::Settled => {}
                AfterFetch::ToTryAgain => is_complete = false,
                AfterFetch::Broken => {
                    is_complete = false;
                    breaks += 1;
                    if breaks >= BREAKS_MAX {
                        return Err(LookError::Breaks);
                    }
                }
                AfterFetch::NoMore => return Ok(false),
            }
        }
        self.tell_left_alone();
        if skipped > 0 {
            info!(channel.name = %self.channel, "Left {skipped} mails in the mailbox that are older than `since`");
        }
        Ok(is_complete)
    }

    /// Looks whether a mail is fetched at all, and fetches it.
    async fn try_one(
        &mut self,
        session: &mut MailboxSession<'_>,
        errand: &Errand,
        listed_bytes: Option<u64>,
    ) -> Result<Tried, LookError> {
        let Errand { key, before } = errand;
        if *before == Before::Nothing && self.skips_older(session, key, listed_bytes).await? {
            return Ok(Tried::Older);
        }
        let (mut is_in_doubt, mut head) = (false, None);
        if *before == Before::OtherThanNoted {
            match self.tell_apart(session, key, listed_bytes).await? {
                MailUnderKey::Same => return Ok(Tried::Nothing),
                MailUnderKey::Another(seen) => head = Some(seen),
                MailUnderKey::Unknown => is_in_doubt = true,
            }
        }
        if !self.is_ready(session).await? {
            return Ok(Tried::NoMore);
        }
        match self.at_the_gate(session, errand, listed_bytes, head).await? {
            Gated::Fetch => {}
            Gated::Passed => return Ok(Tried::Nothing),
            Gated::Older => return Ok(Tried::Older),
            Gated::Gone => return Ok(Tried::Ended(FetchEnd::Gone, is_in_doubt)),
            Gated::Failed(reason) => {
                return Ok(Tried::Ended(FetchEnd::Failed(reason), is_in_doubt));
            }
        }
        if !self.is_ready(session).await? {
            return Ok(Tried::NoMore);
        }
        let end = self.fetch(session, key, *before, listed_bytes).await?;
        Ok(Tried::Ended(end, is_in_doubt))
    }

    /// Notes how a fetch ended, and says how the others go on.
    async fn note_end(
        &mut self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        before: Before,
        end: FetchEnd,
        listed_bytes: Option<u64>,
    ) -> Result<AfterFetch, LookError> {
        match end {
            FetchEnd::Saved(saved, head) => {
                self.settle(key, before, saved, Marks { head, listed_bytes }).await?;
                Ok(AfterFetch::Came)
            }
            FetchEnd::StillUndecrypted => {
                self.still_undecrypted(key, before).await?;
                Ok(AfterFetch::Came)
            }
            FetchEnd::Gone => Ok(AfterFetch::Settled),
            // Its letter is there, and says what can be said.
            FetchEnd::TooLarge | FetchEnd::Failed(_)
                if matches!(before, Before::Undecrypted(_)) =>
            {
                self.still_undecrypted(key, before).await?;
                let is_over = session.mailbox.is_over();
                Ok(if is_over { AfterFetch::NoMore } else { AfterFetch::Settled })
            }
            FetchEnd::TooLarge => {
                self.is_another(key, before).await?;
                self.too_large(session, key, listed_bytes).await?;
                Ok(AfterFetch::Settled)
            }
            FetchEnd::Failed(reason) => {
                self.is_another(key, before).await?;
                let has_broken = session.mailbox.is_over();
                self.failed(session, key, reason, listed_bytes).await?;
                Ok(match before {
                    _ if !has_broken => AfterFetch::ToTryAgain,
                    // Mails that were tried before come last and must not make new mails wait: the
                    // next look begins with those.
                    Before::Tries(_) | Before::Aside => AfterFetch::NoMore,
                    _ => AfterFetch::Broken,
                })
            }
        }
    }

    /// Before a mail that did not come is noted: if the noted mail of this name has another size,
    /// it is not the one we have.
    pub(super) async fn is_another(&self, key: &MailKey, before: Before) -> Result<(), StoreError> {
        if before != Before::OtherSize {
            return Ok(());
        }
        // If it is not decrypted, the note about it is also the earlier mail's.
        let left = std::slice::from_ref(key);
        self.ctx.store.mails_left(self.row.id, left, left, self.ctx.clock.now()).await
    }

    /// For a key under which a mail of another size was noted: whether it names another mail, and
    /// if so notes that it does.
    async fn tell_apart(
        &self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        listed_bytes: Option<u64>,
    ) -> Result<MailUnderKey, LookError> {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let noted = store.marks(self.row.id, key).await?.unwrap_or_default().head;
        let head = match noted {
            Some(_) => self.head(session, key).await?,
            None => None,
        };
        let seen = head.as_deref().and_then(mail::head_identity);
        if noted.is_some() && noted == seen {
            store.noted_size_was_false(self.row.id, key, listed_bytes).await?;
            return Ok(MailUnderKey::Same);
        }
        store.key_gone_over(self.row.id, key, now).await?;
        Ok(match head {
            Some(head) if seen.is_some() => MailUnderKey::Another(head),
            _ => MailUnderKey::Unknown,
        })
    }

    /// The gateway ended in the middle of a fetch: that mail comes last, or not at all any more.
    pub(super) async fn interrupted(
        &mut self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        errands: &mut Vec<Errand>,
        sizes: &HashMap<MailKey, u64>,
    ) -> Result<(), LookError> {
        let Some(place) = errands.iter().position(|errand| errand.key == *key) else {
            return Ok(());
        };
        let before = errands.remove(place).before;
        if matches!(before, Before::Undecrypted(_)) {
            return self.still_undecrypted(key, before).await;
        }
        if before == Before::OtherThanNoted {
            self.ctx.store.key_gone_over(self.row.id, key, self.ctx.clock.now()).await?;
        }
        self.is_another(key, before).await?;
        self.failed(session, key, INTERRUPTED, sizes.get(key).copied()).await
    }

    /// Says when a mail that could not be decrypted is fetched again.
    async fn still_undecrypted(&mut self, key: &MailKey, before: Before) -> Result<(), LookError> {
        let Before::Undecrypted(tries) = before else { return Ok(()) };
        let wait = self.inbox.patience.undecrypted_wait(tries.saturating_add(1));
        self.has_failed = true;
        let next = self.ctx.clock.now() + wait;
        Ok(self.ctx.store.still_undecrypted(self.row.id, key, next).await?)
    }

    /// A mail is kept under a key under which one is noted that could not be fetched: this was not
    /// noted.
    pub(super) async fn settle_kept(
        &self,
        key: &MailKey,
        sizes: &HashMap<MailKey, u64>,
    ) -> Result<(), StoreError> {
        let store = &self.ctx.store;
        let Some(letter) = store.letter_of(self.row.id, key).await? else { return Ok(()) };
        let head = relay::head_identity(store, letter).await?;
        self.came(key, Marks { head, listed_bytes: sizes.get(key).copied() }).await
    }

    pub(super) async fn came(&self, key: &MailKey, seen: Marks) -> Result<(), StoreError> {
        // UIDVALIDITY and UID name a mail for ever (RFC 9051 §2.3.1.1).
        let is_key_unique = self.inbox.protocol == MailboxProtocol::Imap;
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        match store.mail_came(self.row.id, key, seen, is_key_unique, now).await? {
            Some(true) => {
                info!(channel.name = %self.channel, "A mail that could not be fetched before has come");
            }
            Some(false) => {
                warn!(channel.name = %self.channel, "A mail came under the name of another one that could not be fetched");
            }
            None => {}
        }
        Ok(())
    }

    /// Opens the session again after a mail broke it. `false`: it is another mailbox now.
    pub(super) async fn is_ready(
        &self,
        session: &mut MailboxSession<'_>,
    ) -> Result<bool, LookError> {
        if session.mailbox.is_over() {
            let before = session.mailbox.validity();
            session.reopen().await?;
            return Ok(session.mailbox.validity() == before);
        }
        Ok(true)
    }

    /// Notes that a mail is left in the mailbox, if it is older than the settings want.
    async fn skips_older(
        &self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        listed_bytes: Option<u64>,
    ) -> Result<bool, LookError> {
        // At the gate, the same head is looked at anyway.
        if self.gatekeeper.is_some() {
            return Ok(false);
        }
        let Some(head) = self.is_older(session, key).await? else { return Ok(false) };
        let marks = Marks { head, listed_bytes };
        self.ctx.store.mail_skipped(self.row.id, key, marks, self.ctx.clock.now()).await?;
        Ok(true)
    }

    /// Whether a mail that was there before us is older than the settings want, and if so, what
    /// identifies it by its head. If the head does not tell, it is not older.
    async fn is_older(
        &self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
    ) -> Result<Option<Option<[u8; 32]>>, LookError> {
        if !self.was_there_before_us(key) {
            return Ok(None);
        }
        let Ok(Fetched::Mail(head)) = session.header(key).await else { return Ok(None) };
        let mut scanner = Scanner::default();
        scanner.take(&head);
        let written = mail::parse_skeleton(&scanner.finish()).date;
        let is_older = self.is_too_old(key, written);
        Ok(is_older.then(|| mail::head_identity(&head)))
    }

    /// Whether the settings ask for the age of this mail.
    fn was_there_before_us(&self, key: &MailKey) -> bool {
        // Mails that came since the first look were not there before us.
        let is_first = || self.first_keys.as_ref().is_some_and(|keys| keys.contains(key));
        self.inbox.since.is_some() && self.row.is_new && is_first()
    }

    /// Whether a mail that was written then is older than the settings want.
    pub(super) fn is_too_old(&self, key: &MailKey, written: Option<OffsetDateTime>) -> bool {
        let since = self.inbox.since.filter(|_| self.was_there_before_us(key));
        since.zip(written).is_some_and(|(since, written)| written.date() < since)
    }

    /// Fetches one mail and saves it.
    async fn fetch(
        &mut self,
        session: &mut MailboxSession<'_>,
        key: &MailKey,
        before: Before,
        listed_bytes: Option<u64>,
    ) -> Result<FetchEnd, LookError> {
        self.ctx.store.fetch_begins(self.row.id, key).await?;
        let mut coming =
            Coming { letter: NewLetter::new(&self.ctx.store), head: Head::default(), error: None };
        let fetched = session.fetch_into(key, &mut coming).await;
        let Coming { letter, head, error } = coming;
        if matches!(fetched, Ok(Fetched::Mail(()))) {
            let head = head.all();
            if matches!(before, Before::Undecrypted(_)) && self.is_still_undecrypted(key, &head) {
                letter.discard().await?;
                return Ok(FetchEnd::StillUndecrypted);
            }
            let arrival = self.arrival(key, listed_bytes);
            let saved = self.save(letter, arrival).await?;
            self.card_is_back(&head).await?;
            return Ok(FetchEnd::Saved(saved, mail::head_identity(&head)));
        }
        // The saved pieces are of no use. If the database is away, the next start removes them.
        letter.discard().await?;
        if let Some(error) = error {
            return Err(error.into());
        }
        Ok(match fetched {
            Ok(Fetched::Gone) => FetchEnd::Gone,
            Ok(Fetched::TooLarge) => FetchEnd::TooLarge,
            Ok(Fetched::Withheld { .. }) => FetchEnd::Failed("withheld"),
            Ok(Fetched::Nothing) => FetchEnd::Failed("nothing_came"),
            Ok(Fetched::Mail(()) | Fetched::NotKept) => FetchEnd::Failed("not_kept"),
            Err(fault) => FetchEnd::Failed(reason(&fault)),
        })
    }

    /// A mail was decrypted: those that could not be are due at the next look, which comes soon.
    async fn card_is_back(&mut self, head: &[u8]) -> Result<(), StoreError> {
        if !self.waits_for_card || !mail::kim_results(&Skeleton::whole(head)).say_decrypted() {
            return Ok(());
        }
        self.waits_for_card = false;
        self.has_failed = true;
        self.ctx.store.undecrypted_are_due(self.row.id, self.ctx.clock.now()).await
    }

    /// Whether the Clientmodul still says of a mail that it could not decrypt it.
    fn is_still_undecrypted(&self, key: &MailKey, head: &[u8]) -> bool {
        let seen = self.gatekeeper.as_ref().and_then(|keeper| keeper.known(key, None));
        let is_encrypted = seen.map(|seen| seen.head.is_encrypted);
        let results = mail::kim_results(&Skeleton::whole(head));
        matches!(kim_trust::verdict(is_encrypted, &results), KimVerdict::Undecrypted(_))
    }

    pub(super) fn arrival<'k>(
        &'k self,
        key: &'k MailKey,
        listed_bytes: Option<u64>,
    ) -> FetchedFrom<'k> {
        FetchedFrom {
            channel: self.channel,
            mailbox: self.row.id,
            key,
            listed_bytes,
            head_only: false,
            out_of_reach: false,
            too_large: false,
            at: self.ctx.clock.now(),
        }
    }

    pub(super) async fn save(
        &self,
        letter: NewLetter<'_>,
        arrival: FetchedFrom<'_>,
    ) -> Result<Saved, StoreError> {
        let bytes = letter.bytes();
        let saved = letter.finish(arrival).await?;
        if saved == Saved::New {
            let channel = self.channel.to_string();
            metrics::counter!("umstieg_letters_received_total", "channel" => channel).increment(1);
            info!(channel.name = %self.channel, "Saved a letter of {bytes} bytes");
        }
        Ok(saved)
    }

    /// Notes the outcome of earlier tries for a mail that came.
    async fn settle(
        &self,
        key: &MailKey,
        before: Before,
        saved: Saved,
        marks: Marks,
    ) -> Result<(), StoreError> {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        match before {
            Before::Nothing | Before::OtherThanNoted => Ok(()),
            Before::OtherSize if saved == Saved::Known => {
                store.size_was_false(self.row.id, key, marks.listed_bytes).await
            }
            // The note about the earlier mail.
            Before::OtherSize | Before::Undecrypted(_) => {
                store.mail_settled(self.row.id, key, now).await
            }
            Before::Tries(_) | Before::Aside => self.came(key, marks).await,
        }
    }

    /// How long the next look may wait: less than usual if a mail is to be tried again earlier.
    pub(super) async fn wait(&mut self, mails: &MailboxMails) -> Result<Duration, StoreError> {
        let poll = self.inbox.poll;
        if !std::mem::take(&mut self.has_failed) && mails.unfetched.is_empty() {
            return Ok(poll);
        }
        let now = self.ctx.clock.now();
        let next = self.ctx.store.next_try(self.row.id, now).await?;
        let until = next.map(|next| Duration::try_from(next - now).unwrap_or_default());
        Ok(until.map_or(poll, |until| until.clamp(WAIT_MIN.min(poll), poll)))
    }
}

/// The word for it.
pub(super) fn reason(fault: &FetchFault) -> &'static str {
    match fault {
        FetchFault::Endless => "endless",
        FetchFault::Server(MailServerError::Broken { source, .. }) => match source {
            Fault::Silent => "silent",
            Fault::Protocol(_) | Fault::TooMuch(_) => "garbled",
            Fault::Refused { .. } => "withheld",
            _ => "broken_off",
        },
        FetchFault::Server(_) => "broken_off",
    }
}

/// What is known about a key that names a mail of another size than the noted one.
enum MailUnderKey {
    Same,
    /// With its head.
    Another(Vec<u8>),
    /// It counts as another mail.
    Unknown,
}

/// A mail that is saved while it arrives.
struct Coming<'s> {
    letter: NewLetter<'s>,
    head: Head,
    /// Why it could not be saved.
    error: Option<StoreError>,
}

impl Basket for Coming<'_> {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        self.head.take(bytes).await;
        match self.letter.take(bytes).await {
            Ok(()) => true,
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }
}
