//! Looks into one channel's mailbox, for ever: what is new is saved before anything else.
//!
//! A look lists the mails, fetches new ones in their order, then those that could not be fetched
//! before and are due, then deletes what may go. A mail that breaks the session costs a session and
//! its own turn, and nothing else: it is counted, and after several tries put aside with its head.

mod aside;
mod at_the_gate;
mod deleting;
mod fetching;
mod gate;
mod session;

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use self::{
    deleting::{close, delete},
    fetching::Look,
    gate::Gatekeeper,
    session::MailboxSession,
};
use super::Shop;
use crate::{
    model::{AccountSide, AccountTrouble, ChannelName, MailKey},
    relay::{self, Ctx, Inbox},
    rules::{
        accounts::AccountSight,
        looking::{self, Errand},
    },
    store::{MailboxMails, MailboxRow, StoreError},
    transport::{KeyList, MailServerError, MailServerErrorKind, MailboxProtocol, Waited},
};

/// Longest wait after failed looks.
const AGAIN_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest wait after refused logins, and between tries to delete: KIM providers lock an account
/// after too many (KIM-6).
const LOGIN_AGAIN_MAX: Duration = Duration::from_secs(60 * 60);
/// Sessions in a row that break at LIST before it is given up.
const SIZES_FAILED_MAX: u32 = 3;

/// Follows the mailbox of one channel until the task is dropped.
pub async fn pick_up(shop: &Shop, channel: &ChannelName, inbox: &Inbox) {
    let mut failures = 0;
    let mut memory = LookMemory::default();
    loop {
        // What a foreign server says must not end more than one look.
        let looked = AssertUnwindSafe(look(shop, channel, inbox, &mut memory)).catch_unwind().await;
        match looked.unwrap_or(Err(LookError::Panicked)) {
            Ok(()) => failures = 0,
            Err(error) => {
                failures = if error.is_of_mails() { 1 } else { failures + 1 };
                // Until a look gets far enough to find out.
                memory.is_excused |= matches!(error, LookError::Store(_));
                // Postgres says nothing about the mailbox.
                if !matches!(error, LookError::Store(StoreError::Again(_))) {
                    tell(shop, channel, false);
                }
                note_trouble(shop, channel, &error).await;
                let wait = wait_after(inbox, &error, failures);
                warn!(
                    channel.name = %channel,
                    error = %error,
                    cause = std::error::Error::source(&error).map(tracing::field::display),
                    "The look into the mailbox failed; the next one is in {} s", wait.as_secs()
                );
                sleep(wait).await;
            }
        }
    }
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
struct LookMemory {
    /// The last look failed at the database: the mail is not to blame for a fetch that it broke
    /// off.
    is_excused: bool,
    /// LIST is refused, or breaks the session time and again: it is not asked for any more.
    has_no_sizes: bool,
    /// Sessions in a row that broke at LIST.
    sizes_failed: u32,
    /// Failed tries to delete in a row, and the time of the next try.
    deletions_failed: u32,
    deletions_from: Option<Instant>,
}

fn tell(shop: &Shop, channel: &ChannelName, is_well: bool) {
    shop.report(channel.as_str(), is_well);
    metrics::gauge!("umstieg_mailbox_up", "channel" => channel.to_string()).set(if is_well {
        1.0
    } else {
        0.0
    });
}

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Mailbox(#[from] MailServerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server did not end an answer in time")]
    Endless,
    #[error("the session broke at one mail after the other")]
    Breaks,
    #[error("Umstieg cannot handle what the server said; the log names the place")]
    Panicked,
}

impl LookError {
    /// The login works and the list comes: mails after the failed ones must not wait.
    fn is_of_mails(&self) -> bool {
        matches!(self, Self::Breaks)
    }
}

/// Notes what the failed look says about the account.
async fn note_trouble(shop: &Shop, channel: &ChannelName, error: &LookError) {
    let trouble = match error {
        LookError::Mailbox(error) => error.trouble(),
        LookError::Endless => Some(AccountTrouble::Away),
        // The login works, or nothing is known of it.
        LookError::Breaks | LookError::Store(_) | LookError::Panicked => None,
    };
    let (Some(trouble), Some(line)) = (trouble, shop.ctx.channels.get(channel)) else { return };
    let (side, sight) = (AccountSide::Inbox, AccountSight::Trouble(trouble));
    if let Err(error) = relay::note_account(&shop.ctx, line, side, sight).await {
        // The next look says the same.
        warn!(channel.name = %channel, error = %error, "The trouble with an account could not be noted");
    }
}

fn wait_after(inbox: &Inbox, error: &LookError, failures: u32) -> Duration {
    let longest = match error {
        LookError::Mailbox(MailServerError::Waits { wait, .. }) => return *wait,
        LookError::Mailbox(error) if error.kind() == MailServerErrorKind::Credentials => {
            LOGIN_AGAIN_MAX
        }
        _ => AGAIN_MAX,
    };
    inbox.patience.look_wait(failures).min(longest)
}

/// One session, or several if mails break it: save what is new, delete what may go, then wait for
/// more.
async fn look(
    shop: &Shop,
    channel: &ChannelName,
    inbox: &Inbox,
    memory: &mut LookMemory,
) -> Result<(), LookError> {
    let ctx = &shop.ctx;
    // A POP3 mailbox lets in one session at a time, and a mail that is fetched twice is fetched for
    // nothing.
    if !ctx.store.lease(&format!("pick_up {channel}")).await? {
        sleep(AGAIN_MAX).await;
        return Ok(());
    }
    let mut session = MailboxSession::open(inbox).await?;
    let validity = session.mailbox.validity();
    let row = ctx.store.mailbox(channel, &inbox.place(), validity, ctx.clock.now()).await?;
    let line = ctx.channels.get(channel);
    let gatekeeper = line.and_then(|line| Gatekeeper::of(&line.channel, inbox.protocol));
    let mut look = Look::of(ctx, channel, inbox, row, gatekeeper);
    let mut interrupted = look.take_interrupted(memory).await?;
    loop {
        let present = session.keys().await?;
        // A server that only takes the login is of no use yet.
        if let Some(line) = line {
            relay::note_account(ctx, line, AccountSide::Inbox, AccountSight::Works).await?;
        }
        let sizes = sizes(&mut session, &look, memory).await?;
        look.tell_of_nameless(&present).await?;
        look.meet(&present).await?;
        look.open_gate(&present).await?;
        look.tell_of_expiring().await?;
        let mails = ctx.store.mailbox_mails(row.id).await?;
        look.waits_for_card = looking::waits_for_card(&mails.unfetched, ctx.clock.now());
        let mut errands = look.plan(&present, &sizes, &mails).await?;
        if let Some(key) = interrupted.take() {
            look.interrupted(&mut session, &key, &mut errands, &sizes).await?;
        }
        let is_complete = look.fetch_all(&mut session, errands, &sizes).await?;
        if session.mailbox.validity() != validity {
            return Ok(());
        }
        if is_complete && look.row.is_new && !present.is_short {
            ctx.store.mailbox_looked_at(row.id, ctx.clock.now()).await?;
            look.row.is_new = false;
        }

        let failed_before = memory.deletions_failed;
        let deleted = delete(&mut session, &look, &present, &sizes, memory).await?;
        let wait = look.wait(&mails).await?;
        // IMAP tells us of new mail on the same connection. A POP3 session locks the mailbox for
        // every other program, so it is closed at once.
        if deleted.is_empty()
            && inbox.protocol == MailboxProtocol::Imap
            && !session.mailbox.is_over()
        {
            tell(shop, channel, look.is_well);
            match session.wait_for_mail(wait).await? {
                Waited::News | Waited::TimeUp => {
                    look.is_well = true;
                    continue;
                }
                Waited::Unsupported => {}
            }
        }
        close(session, &look, &deleted, failed_before, memory).await?;
        tell(shop, channel, look.is_well);
        sleep(wait).await;
        return Ok(());
    }
}

impl<'a> Look<'a> {
    fn of(
        ctx: &'a Ctx,
        channel: &'a ChannelName,
        inbox: &'a Inbox,
        row: MailboxRow,
        gatekeeper: Option<Gatekeeper<'a>>,
    ) -> Self {
        Self {
            ctx,
            channel,
            inbox,
            row,
            first_keys: None,
            is_well: true,
            has_failed: false,
            waits_for_card: false,
            gatekeeper,
        }
    }

    /// The mail in whose fetch the gateway ended. If the database broke that off, the mail is not to
    /// blame.
    async fn take_interrupted(
        &self,
        memory: &mut LookMemory,
    ) -> Result<Option<MailKey>, StoreError> {
        let interrupted = self.ctx.store.take_interrupted(self.row.id).await?;
        Ok(if std::mem::take(&mut memory.is_excused) { None } else { interrupted })
    }

    /// Notes what a mailbox holds that was not looked through yet, and which of it we know from
    /// an earlier generation.
    async fn meet(&mut self, present: &KeyList) -> Result<(), StoreError> {
        let (store, row) = (&self.ctx.store, self.row);
        if self.inbox.since.is_some() && row.is_new && self.first_keys.is_none() {
            self.first_keys = Some(store.first_keys(row.id, &present.keys).await?);
        }
        if row.is_new && !present.keys.is_empty() {
            let adopted = store.adopt_letters(self.channel, row.id, &present.keys).await?;
            if adopted > 0 {
                info!(channel.name = %self.channel, "Found {adopted} earlier letters in the mailbox");
            }
        }
        Ok(())
    }

    /// Asks the rule what to fetch, and notes what the list says besides: which keys are gone, and
    /// which mails came after all.
    async fn plan(
        &self,
        present: &KeyList,
        sizes: &HashMap<MailKey, u64>,
        mails: &MailboxMails,
    ) -> Result<Vec<Errand>, StoreError> {
        let (kept, unfetched) = (&mails.kept, &mails.unfetched);
        let now = self.ctx.clock.now();
        let mut plan = looking::plan(&present.keys, present.is_short, sizes, kept, unfetched, now);
        plan.unfetched_left.retain(|key| *key != aside::nameless() || present.nameless == 0);
        self.ctx.store.mails_left(self.row.id, &plan.left, &plan.unfetched_left, now).await?;
        for key in &plan.settled {
            self.settle_kept(key, sizes).await?;
        }
        Ok(plan.errands)
    }
}

/// The sizes of the server's list, if they tell anything. A server that gives none, or breaks off
/// at the request [`SIZES_FAILED_MAX`] times in a row, is not asked again.
async fn sizes(
    session: &mut MailboxSession<'_>,
    look: &Look<'_>,
    memory: &mut LookMemory,
) -> Result<HashMap<MailKey, u64>, LookError> {
    if memory.has_no_sizes || !look.row.has_true_sizes {
        return Ok(Default::default());
    }
    match session.sizes().await {
        Ok(Some(sizes)) => {
            memory.sizes_failed = 0;
            Ok(sizes)
        }
        Ok(None) => {
            memory.has_no_sizes = true;
            Ok(Default::default())
        }
        // It may be the network: without sizes, one mail is hardly told from another of its name.
        Err(error) => {
            memory.sizes_failed += 1;
            memory.has_no_sizes = memory.sizes_failed >= SIZES_FAILED_MAX;
            Err(error)
        }
    }
}
