//! The directory of KIM addresses, asked about those the gateway talks to (KIM-27, KIM-35).
//!
//! It is asked before an answer leaves, and when the first letter of a correspondent came; never to see
//! whether it is there. What it said holds for a day. Nothing waits for it longer than its limits, and
//! where it does not answer, everything goes on without it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use tracing::{info, warn};

use super::{Ctx, Line};
use crate::{
    directory::{self, DirectoryError},
    model::{AddressStanding, ChannelName, ConversationId, Correspondent, Listing, MailAddress},
    phrases::DirectorySays,
    rules::{names, retry::back_off},
    store::{Job, StoreError},
    transport::{LdapConnectError, LdapServer},
};

/// How long an answer of the directory holds. KIM wants addresses compared daily, and its Clientmodul keeps
/// a version as long.
const HOLDS_FOR: Duration = Duration::from_secs(24 * 3600);

/// What was not looked up again for this long is forgotten: nobody writes there any more.
pub const LISTING_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// The most looks a day that letters lead to. Senders are strangers: however many there are, the gateway
/// must not look as if it read the directory out, for which the directory locks its clients (A_27752).
const LOOKS_A_DAY_MAX: i64 = 500;

/// Longest pause after a directory did not answer (A_27744: growing, 5 s to 5 min).
const REST_MAX: Duration = Duration::from_secs(5 * 60);

/// Wait before a letter's look is tried again, when another was under way.
const BUSY_WAIT: Duration = Duration::from_secs(30);

/// A directory as a channel asks it.
#[derive(Debug)]
pub struct Directory {
    server: LdapServer,
    base: String,
    /// For the turn, and again for the answer.
    patience: Duration,
    proxy: Arc<LdapProxy>,
}

/// What all channels share that ask one proxy.
#[derive(Debug)]
struct LdapProxy {
    /// One connection at a time (A_27744).
    turn: Semaphore,
    rest: Mutex<LdapRest>,
}

/// How long a proxy that did not answer is left alone.
#[derive(Debug, Default)]
struct LdapRest {
    failures: i32,
    until: Option<Instant>,
}

/// The proxies of the settings, so that channels behind one Konnektor share its one connection.
#[derive(Debug, Default)]
pub struct LdapProxies(BTreeMap<(String, u16), Arc<LdapProxy>>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoListing {
    #[error(transparent)]
    Connect(#[from] LdapConnectError),
    #[error(transparent)]
    Session(#[from] DirectoryError),
    #[error("the directory did not answer in time")]
    Silent,
}

impl LdapProxies {
    /// A directory behind one of them.
    pub fn directory(&mut self, server: LdapServer, base: String, patience: Duration) -> Directory {
        let place = (server.host.to_lowercase(), server.port);
        let new = || Arc::new(LdapProxy { turn: Semaphore::new(1), rest: Mutex::default() });
        let proxy = Arc::clone(self.0.entry(place).or_insert_with(new));
        Directory { server, base, patience, proxy }
    }
}

impl LdapProxy {
    /// Whether it did not answer a moment ago, and is not asked now.
    fn rests(&self) -> bool {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes how a question ended. The log hears of it when it changes, not at every question.
    fn note(&self, channel: &ChannelName, failed: Option<&NoListing>) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            None if rest.failures > 0 => {
                info!(channel.name = %channel, "The directory of KIM addresses answers again");
                *rest = LdapRest::default();
            }
            None => {}
            Some(error) => {
                rest.failures = rest.failures.saturating_add(1);
                rest.until = Some(Instant::now() + back_off(rest.failures).min(REST_MAX));
                if rest.failures == 1 {
                    let cause = std::error::Error::source(error).map(ToString::to_string);
                    warn!(channel.name = %channel, error = %error, cause, "The directory of KIM addresses does not answer; letters and answers go on without it");
                }
            }
        }
    }
}

impl Directory {
    /// What it says about an address, once.
    ///
    /// # Errors
    /// When it does not answer within its time.
    pub async fn look_up(&self, address: &MailAddress) -> Result<Listing, NoListing> {
        self.in_time(async {
            let io = self.server.connect().await?;
            Ok(directory::look_up(io, &self.base, address).await?)
        })
        .await
    }

    /// Whether it answers at all. For an admin who asks; the gateway itself never does.
    ///
    /// # Errors
    /// When it does not answer within its time.
    pub async fn probe(&self) -> Result<(), NoListing> {
        self.in_time(async {
            let io = self.server.connect().await?;
            Ok(directory::probe(io, &self.base).await?)
        })
        .await
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, NoListing>>,
    ) -> Result<T, NoListing> {
        timeout(self.patience, asked).await.unwrap_or(Err(NoListing::Silent))
    }

    /// Asks about one address, in its turn. Nothing: it does not answer.
    async fn ask(
        &self,
        channel: &ChannelName,
        address: &MailAddress,
        _turn: &SemaphorePermit<'_>,
    ) -> Option<Listing> {
        let listing = self.look_up(address).await;
        self.proxy.note(channel, listing.as_ref().err());
        let result = match &listing {
            Ok(Listing::Listed(_)) => "listed",
            Ok(Listing::NotListed) => "unlisted",
            Err(_) => "away",
        };
        metrics::counter!("umstieg_directory_lookups_total", "channel" => channel.to_string(), "result" => result)
            .increment(1);
        listing.ok()
    }
}

/// What is known of an address to which an answer is about to leave. Waits for the directory at most for
/// the time of the settings, and once more for its turn.
pub(super) async fn standing(
    ctx: &Ctx,
    line: &Line,
    address: &MailAddress,
) -> Result<AddressStanding, StoreError> {
    let Some(directory) = &line.directory else { return Ok(AddressStanding::Unasked) };
    // What no server of KIM would take is not asked about.
    if line.channel.recipient(&Correspondent::Mail(address.clone())).is_err() {
        return Ok(AddressStanding::Unasked);
    }
    if let Some(known) = known(ctx, address).await? {
        return Ok(known);
    }
    if directory.proxy.rests() {
        return Ok(AddressStanding::Away);
    }
    let Ok(Ok(turn)) = timeout(directory.patience, directory.proxy.turn.acquire()).await else {
        return Ok(AddressStanding::Away);
    };
    look(ctx, line, directory, address, &turn).await
}

/// Looks an address up, in its turn. Whoever had the turn before may have done it already, or found that
/// the directory is away.
async fn look(
    ctx: &Ctx,
    line: &Line,
    directory: &Directory,
    address: &MailAddress,
    turn: &SemaphorePermit<'_>,
) -> Result<AddressStanding, StoreError> {
    if let Some(known) = known(ctx, address).await? {
        return Ok(known);
    }
    if directory.proxy.rests() {
        return Ok(AddressStanding::Away);
    }
    match directory.ask(&line.channel.name, address, turn).await {
        Some(listing) => ctx.store.note_listing(address, &listing, ctx.clock.now()).await,
        None => Ok(AddressStanding::Away),
    }
}

/// What a room is told that the directory says of an address. It is asked anew: names are not kept.
pub(super) async fn says(
    ctx: &Ctx,
    line: &Line,
    address: &MailAddress,
) -> Result<DirectorySays, StoreError> {
    let Some(directory) = &line.directory else { return Ok(DirectorySays::Nothing) };
    if directory.proxy.rests() {
        return Ok(DirectorySays::Nothing);
    }
    let Ok(Ok(turn)) = timeout(directory.patience, directory.proxy.turn.acquire()).await else {
        return Ok(DirectorySays::Nothing);
    };
    let Some(listing) = directory.ask(&line.channel.name, address, &turn).await else {
        return Ok(DirectorySays::Nothing);
    };
    ctx.store.note_listing(address, &listing, ctx.clock.now()).await?;
    Ok(match listing {
        Listing::NotListed => DirectorySays::NotListed,
        Listing::Listed(entry) => {
            DirectorySays::Listed(entry.display_name.as_deref().and_then(names::shown))
        }
    })
}

async fn known(ctx: &Ctx, address: &MailAddress) -> Result<Option<AddressStanding>, StoreError> {
    let now = ctx.clock.now();
    ctx.store.standing(address, now - HOLDS_FOR, now).await
}

/// A letter came for whose author KIM vouches: an author who was never looked up is looked up, by a job,
/// so that no letter waits for it. If the job gets lost, the first answer looks.
pub(super) async fn letter_came(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    author: &Correspondent,
) -> Result<(), StoreError> {
    let (Some(directory), Correspondent::Mail(address)) = (&line.directory, author) else {
        return Ok(());
    };
    if directory.proxy.rests() || ctx.store.was_looked_up(address).await? {
        return Ok(());
    }
    ctx.store.wake(&Job::LookUp(conversation), None).await
}

/// Looks up the correspondent of a conversation who never was.
pub async fn look_up(ctx: &Ctx, id: ConversationId) -> Result<(), StoreError> {
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else { return Ok(()) };
    let author = Correspondent::from_key(line.channel.kind(), &conversation.correspondent);
    let (Some(directory), Ok(Correspondent::Mail(address))) = (&line.directory, author) else {
        return Ok(());
    };
    let now = ctx.clock.now();
    let is_needless = directory.proxy.rests()
        || line.channel.recipient(&Correspondent::Mail(address.clone())).is_err()
        || ctx.store.was_looked_up(&address).await?
        || ctx.store.looked_up_since(now - HOLDS_FOR).await? >= LOOKS_A_DAY_MAX;
    if is_needless {
        return Ok(());
    }
    // An answer goes first, and no worker waits.
    let Ok(turn) = directory.proxy.turn.try_acquire() else {
        return ctx.store.wake(&Job::LookUp(id), Some(now + BUSY_WAIT)).await;
    };
    look(ctx, line, directory, &address, &turn).await.map(drop)
}
