//! Looks into one channel's mailbox, for ever: what is new is saved before anything else.

use std::{collections::BTreeSet, time::Duration};

use tracing::{info, warn};

use super::Shop;
use crate::{
    model::{ChannelName, MailKey},
    relay::{Ctx, Inbox},
    store::{Job, NewLetter, StoreError},
    transport::{
        Basket, Fetched, MailServerError, MailServerErrorKind, Mailbox, MailboxProtocol, Waited,
    },
};

/// First wait after a failed look.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
/// Longest wait after failed looks.
const AGAIN_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest wait after refused logins: KIM providers lock an account after too many (KIM-6).
const LOGIN_AGAIN_MAX: Duration = Duration::from_secs(60 * 60);
/// Deletions asked for in one session.
const DELETIONS_AT_ONCE: i64 = 200;
/// Mails of one look after which their placing is woken.
const WAKE_EVERY: usize = 20;

/// Follows the mailbox of one channel until the task is dropped.
pub async fn pick_up(shop: &Shop, channel: &ChannelName, inbox: &Inbox) {
    let mut failures = 0;
    let mut too_large = BTreeSet::new();
    loop {
        let looked = look(shop, channel, inbox, &mut too_large).await;
        match looked {
            Ok(()) => failures = 0,
            Err(trouble) => {
                failures += 1;
                tell(shop, channel, false);
                let wait = wait_after(&trouble, failures);
                warn!(
                    channel.name = %channel,
                    error = %trouble,
                    cause = ?std::error::Error::source(&trouble).map(ToString::to_string),
                    "The mailbox could not be read; next look in {} s", wait.as_secs()
                );
                tokio::time::sleep(wait).await;
            }
        }
    }
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
enum Trouble {
    #[error(transparent)]
    Mailbox(#[from] MailServerError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn wait_after(trouble: &Trouble, failures: u32) -> Duration {
    let longest = match trouble {
        Trouble::Mailbox(MailServerError::Waits { wait, .. }) => return *wait,
        Trouble::Mailbox(error) if error.kind() == MailServerErrorKind::Credentials => {
            LOGIN_AGAIN_MAX
        }
        _ => AGAIN_MAX,
    };
    (AGAIN_FIRST * 2u32.pow(failures.saturating_sub(1).min(12))).min(longest)
}

/// One session: save what is new, delete what may go, then wait for more.
///
/// Of the mails in `too_large` only the head is fetched.
async fn look(
    shop: &Shop,
    channel: &ChannelName,
    inbox: &Inbox,
    too_large: &mut BTreeSet<MailKey>,
) -> Result<(), Trouble> {
    let ctx = &shop.ctx;
    let mut mailbox = Mailbox::open(inbox.protocol, &inbox.server).await?;
    tell(shop, channel, true);
    loop {
        let present = mailbox.keys().await?;
        if present.illegal > 0 {
            warn!(channel.name = %channel, "{} mails bear no usable name; look into the mailbox", present.illegal);
        }
        let unknown = ctx.store.unknown_mails(channel, present.keys.clone()).await?;
        if !unknown.is_empty() {
            let fetched = fetch_all(ctx, channel, inbox, &mut mailbox, unknown, too_large).await;
            // Also for those that came before a failure.
            ctx.store.wake(&Job::PlaceLetters(channel.clone()), None).await?;
            if !fetched? {
                return Ok(());
            }
        }
        let deleted = if inbox.deletes {
            let safe = ctx.store.deletable_mails(channel, DELETIONS_AT_ONCE).await?;
            let there: Vec<MailKey> =
                safe.iter().filter(|key| present.keys.contains(key)).cloned().collect();
            if !there.is_empty() {
                ctx.store.surely_ours().await?;
                mailbox.delete(&there).await?;
            }
            safe
        } else {
            Vec::new()
        };
        // IMAP tells us when something comes, on the same connection. A POP3 session locks the
        // mailbox for everybody else, so it is closed at once.
        if deleted.is_empty() && inbox.protocol == MailboxProtocol::Imap {
            match mailbox.wait_for_mail(inbox.poll).await? {
                Waited::News | Waited::TimeUp => continue,
                Waited::Unsupported => {}
            }
        }
        mailbox.close().await?;
        // Deletions count only now that the server confirmed the end of the session (KIM-11).
        if !deleted.is_empty() {
            ctx.store.mails_deleted(channel, &deleted, ctx.clock.now()).await?;
        }
        tokio::time::sleep(inbox.poll).await;
        return Ok(());
    }
}

/// Fetches what is unknown, in the mailbox's order. `false`: the session cannot be used any further.
async fn fetch_all(
    ctx: &Ctx,
    channel: &ChannelName,
    inbox: &Inbox,
    mailbox: &mut Mailbox,
    unknown: Vec<MailKey>,
    too_large: &mut BTreeSet<MailKey>,
) -> Result<bool, Trouble> {
    for (number, key) in unknown.into_iter().enumerate() {
        // The first need not wait for the others, and a wake-up for each would cost as much as
        // all the rest of it.
        if number % WAKE_EVERY == 1 {
            ctx.store.wake(&Job::PlaceLetters(channel.clone()), None).await?;
        }
        if too_large.contains(&key) {
            fetch_head(ctx, channel, mailbox, &key).await?;
            too_large.remove(&key);
        } else if !fetch(ctx, channel, inbox, mailbox, &key).await? {
            // The session was broken off in the middle of the mail and is of no more use. It ends
            // here, because a POP3 mailbox takes one session at a time (KIM-7); the next one
            // fetches the head.
            too_large.insert(key);
            return Ok(false);
        }
    }
    Ok(true)
}

/// Fetches one mail and saves it. `false`: it is too large, and the session cannot be used any
/// further.
async fn fetch(
    ctx: &Ctx,
    channel: &ChannelName,
    inbox: &Inbox,
    mailbox: &mut Mailbox,
    key: &MailKey,
) -> Result<bool, Trouble> {
    let mut coming = Coming { letter: NewLetter::new(&ctx.store), error: None };
    let fetched = mailbox.fetch_into(key, inbox.mail_bytes_max, &mut coming).await;
    let Coming { letter, error } = coming;
    let fetched = match fetched {
        Ok(Fetched::Mail(())) => {
            save(ctx, channel, key, letter, false).await?;
            return Ok(true);
        }
        fetched => fetched,
    };
    // What came of it is of no use. Where the database is away, the next start removes it.
    letter.discard().await?;
    match fetched? {
        // Somebody else took it meanwhile, or it is to be had later.
        Fetched::Mail(()) | Fetched::Gone => Ok(true),
        Fetched::NotKept => error.map_or(Ok(false), |error| Err(error.into())),
        Fetched::Withheld { .. } => {
            warn!(channel.name = %channel, "The server holds a mail back; it is asked for again");
            Ok(true)
        }
        Fetched::TooLarge => {
            warn!(channel.name = %channel, "A mail is larger than mail_bytes_max; its head is shown");
            Ok(false)
        }
    }
}

/// A mail that is saved while it comes.
struct Coming<'s> {
    letter: NewLetter<'s>,
    /// Why it could not be saved.
    error: Option<StoreError>,
}

impl Basket for Coming<'_> {
    async fn take(&mut self, bytes: &[u8]) -> bool {
        match self.letter.take(bytes).await {
            Ok(()) => true,
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }
}

/// Saves the head of a mail whose body is too large.
async fn fetch_head(
    ctx: &Ctx,
    channel: &ChannelName,
    mailbox: &mut Mailbox,
    key: &MailKey,
) -> Result<(), Trouble> {
    if let Fetched::Mail(head) = mailbox.header(key).await? {
        let mut letter = NewLetter::new(&ctx.store);
        letter.take(&head).await?;
        save(ctx, channel, key, letter, true).await?;
    }
    Ok(())
}

async fn save(
    ctx: &Ctx,
    channel: &ChannelName,
    key: &MailKey,
    letter: NewLetter<'_>,
    head_only: bool,
) -> Result<(), Trouble> {
    let bytes = letter.bytes();
    if letter.finish(channel, key, head_only, ctx.clock.now()).await? {
        metrics::counter!("umstieg_letters_received_total", "channel" => channel.to_string())
            .increment(1);
        info!(channel.name = %channel, "Saved a letter of {bytes} bytes");
    }
    Ok(())
}
