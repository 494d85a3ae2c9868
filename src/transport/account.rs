//! Who may log in, and when: providers lock an account after a few wrong passwords, and with it the
//! practice's mailbox (KIM-6).
//!
//! An inbox, an outbox and every conversation behind them use one account, so a refusal to one
//! counts for all. While logins are being refused, one is tried at a time, after a wait that
//! doubles. A server that accepts the login all the same (the other one, whose password is right) is
//! kept waiting once, not for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// First wait after a refused login. That allows two in the first minute: enough for a card that
/// was being unlocked, and below any provider's limit for locking.
const REFUSED_FIRST: Duration = Duration::from_secs(30);

/// Longest wait. An admin who corrects the password restarts the gateway, which tries at once.
const REFUSED_MAX: Duration = Duration::from_secs(60 * 60);

/// Wait after a login whose user name the server does not understand: trying again gets no further
/// before a person has corrected it. It may be corrected at the Konnektor, where nobody tells us, so
/// there is one try an hour.
const WRONG_NAME: Duration = REFUSED_MAX;

/// Longest wait for a server that takes no login for now, right or wrong: its provider is away, and
/// no provider locks an account for asking when it is back.
const AWAY_MAX: Duration = Duration::from_secs(5 * 60);

/// How many logins of one account may be under way at once after an accepted one. If the password
/// changes in that moment, that many are wrong.
const LOGINS_AT_ONCE: usize = 3;

/// How long the first task after a wait may take until it logs in: it has a mail to write.
const TRIAL_WITHIN: Duration = Duration::from_secs(60);

/// The accounts of all channels.
#[derive(Debug, Default)]
pub struct Accounts(BTreeMap<String, Account>);

impl Accounts {
    /// The account of a user at a host: the same for all tasks that log in by the same name.
    pub(super) fn of(&mut self, user: &str, host: &str) -> Account {
        self.0.entry(name(user, host)).or_default().clone()
    }
}

/// A KIM user name is the address, with the provider's server and the call context behind `#`; those
/// differ between inbox and outbox. A name that is no address is one only at its host.
fn name(user: &str, host: &str) -> String {
    let user = user.split('#').next().unwrap_or_default().trim().to_lowercase();
    match user.contains('@') {
        true => user,
        false => format!("{user}@{}", host.to_lowercase()),
    }
}

/// One account, and how its logins went. Does not print.
#[derive(Clone, Default)]
pub struct Account(Arc<Logins>);

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

#[derive(Default)]
struct Logins {
    state: Mutex<LoginState>,
    /// A login is no longer under way.
    ended: Notify,
}

/// A server of an account: its host in lower case, and its port.
pub(super) type ServerDoor = (String, u16);

#[derive(Default)]
struct LoginState {
    /// Logins in a row that did not succeed, since the last success.
    refused: i32,
    /// One of them was refused: the password may be wrong.
    is_doubtful: bool,
    /// Until when no login is tried.
    until: Option<Instant>,
    /// A task that asked may try before that: the one trial after a wait.
    has_trial: bool,
    under_way: usize,
    /// The servers where the last login was accepted, since the first refused one.
    good: BTreeSet<ServerDoor>,
    /// The servers where the last one was refused.
    failing: BTreeSet<ServerDoor>,
}

impl LoginState {
    /// How long a server has to wait that has not yet been seen to take the password.
    fn wait(&self, door: &ServerDoor, now: Instant) -> Option<Duration> {
        if self.refused == 0 || self.good.contains(door) {
            return None;
        }
        self.until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
    }

    /// A login at a server did not succeed, and none is tried there for a while.
    fn failed(&mut self, door: ServerDoor, longest: Duration) {
        self.good.remove(&door);
        self.failing.insert(door);
        self.refused = self.refused.saturating_add(1);
        self.until = Some(Instant::now() + after(self.refused).min(longest));
        self.has_trial = false;
    }

    fn at_once_max(&self, door: &ServerDoor) -> usize {
        if self.good.contains(door) { LOGINS_AT_ONCE } else { 1 }
    }
}

impl Account {
    /// How long to wait before trying, asked before any work is done for it. `None` lets the caller
    /// try; after a refused login it lets only one caller try.
    pub(super) fn wait(&self, door: ServerDoor) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(wait) = state.wait(&door, now) {
            return Some(wait);
        }
        if state.refused > 0 && !state.good.contains(&door) {
            state.has_trial = true;
            state.until = Some(now + TRIAL_WITHIN);
        }
        None
    }

    /// How long to wait, as it stands.
    pub(super) fn waits(&self, door: &ServerDoor) -> Option<Duration> {
        self.state().wait(door, Instant::now())
    }

    /// The right to log in now, or how long to wait for it. Waits for logins under way, because
    /// they tell whether the password is right.
    pub(super) async fn turn(&self, door: ServerDoor) -> Result<LoginTurn, Duration> {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            {
                let mut state = self.state();
                match state.wait(&door, Instant::now()) {
                    Some(_) if state.has_trial => {}
                    Some(wait) => return Err(wait),
                    None => {}
                }
                if state.under_way < state.at_once_max(&door) {
                    state.under_way += 1;
                    state.has_trial = false;
                    return Ok(LoginTurn { account: self.clone(), door });
                }
            }
            ended.await;
        }
    }

    /// Notes that a server which had taken the login says later that it did not.
    pub(super) fn refused(&self, door: ServerDoor) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.is_doubtful, true) {
            // Every server has to show again that the password is right.
            state.good.clear();
        }
        state.failed(door, REFUSED_MAX);
    }

    /// Says nothing about the password: servers that accepted it elsewhere go on.
    fn note_away(&self, door: ServerDoor) {
        self.state().failed(door, AWAY_MAX);
    }

    /// Says nothing about the password either, and is no reason to try soon.
    fn note_wrong_name(&self, door: ServerDoor) {
        let mut state = self.state();
        state.failed(door, REFUSED_MAX);
        state.until = Some(Instant::now() + WRONG_NAME);
    }

    fn note_accepted(&self, door: ServerDoor) {
        let mut state = self.state();
        state.failing.remove(&door);
        state.good.insert(door);
        if state.failing.is_empty() {
            state.refused = 0;
            state.is_doubtful = false;
            state.until = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, LoginState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn after(refused: i32) -> Duration {
    let doublings = u32::try_from(refused.saturating_sub(1)).unwrap_or_default().min(16);
    (REFUSED_FIRST * 2u32.pow(doublings)).min(REFUSED_MAX)
}

/// A login that may be tried. If it is dropped without a result, nothing was learned about the
/// password.
pub(super) struct LoginTurn {
    account: Account,
    door: ServerDoor,
}

impl LoginTurn {
    pub(super) fn accepted(self) {
        self.account.note_accepted(self.door.clone());
    }

    pub(super) fn refused(self) {
        self.account.refused(self.door.clone());
    }

    pub(super) fn wrong_name(self) {
        self.account.note_wrong_name(self.door.clone());
    }

    pub(super) fn away(self) {
        self.account.note_away(self.door.clone());
    }
}

impl Drop for LoginTurn {
    fn drop(&mut self) {
        let mut state = self.account.state();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.account.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn door(host: &str, port: u16) -> ServerDoor {
        (host.to_owned(), port)
    }

    /// How many logins happen within a time, when every task tries as soon as it may and is
    /// refused.
    async fn tried(account: &Account, doors: &[ServerDoor], seconds: u64) -> usize {
        let mut tried = 0;
        for _ in 0..seconds {
            for door in doors {
                if let Ok(turn) = account.turn(door.clone()).await {
                    tried += 1;
                    turn.refused();
                }
            }
            advance(Duration::from_secs(1)).await;
        }
        tried
    }

    /// `R12`.
    #[tokio::test(start_paused = true)]
    async fn refused_logins_become_rare_whoever_tries() {
        let both = [door("h", 995), door("h", 465)];
        let mut accounts = Accounts::default();
        let account = accounts.of("a@k#h:995#m", "h");
        assert!(Arc::ptr_eq(&account.0, &accounts.of("A@k#h:465#m", "h").0), "one account");
        assert_eq!(tried(&account, &both, 60).await, 2);
        // 30 s, 1, 2, 4, 8, 16, 32 minutes, and every hour from then on.
        assert_eq!(tried(&account, &both, 3600).await, 5);
        assert_eq!(tried(&account, &both, 24 * 3600).await, 24);
        assert_eq!(after(i32::MAX), REFUSED_MAX);
    }

    /// A server that refuses nothing is kept waiting once.
    #[tokio::test(start_paused = true)]
    async fn a_wrong_password_at_one_server_does_not_stop_the_other_for_good() {
        let (inbox, outbox) = (door("h", 995), door("h", 465));
        let account = Account::default();
        account.turn(inbox.clone()).await.unwrap().accepted();
        account.turn(outbox.clone()).await.unwrap().refused();
        assert!(account.turn(inbox.clone()).await.is_err(), "the password may have changed");
        advance(REFUSED_FIRST).await;
        account.turn(inbox.clone()).await.unwrap().accepted();
        account.turn(outbox.clone()).await.unwrap().refused();
        for _ in 0..50 {
            account.turn(inbox.clone()).await.unwrap().accepted();
            assert!(
                account.turn(outbox.clone()).await.is_err(),
                "its success does not count for the other"
            );
        }
        advance(2 * REFUSED_FIRST).await;
        account.turn(outbox.clone()).await.unwrap().accepted();
        assert!(account.wait(outbox.clone()).is_none());
        account.turn(outbox.clone()).await.unwrap().accepted();
    }

    /// `R12`: many conversations begin at the same moment.
    #[tokio::test(start_paused = true)]
    async fn of_many_who_begin_at_once_one_finds_out() {
        let outbox = door("h", 465);
        let account = Account::default();
        let first = account.turn(outbox.clone()).await.unwrap();
        let others: Vec<_> = (0..5)
            .map(|_| {
                let (account, outbox) = (account.clone(), outbox.clone());
                async move { account.turn(outbox.clone()).await.is_err() }
            })
            .collect();
        let (turned_away, ()) = tokio::join!(futures_util::future::join_all(others), async {
            tokio::task::yield_now().await;
            first.refused();
        });
        assert_eq!(turned_away, [true; 5]);
        advance(REFUSED_FIRST).await;
        let asked: Vec<_> = (0..5).map(|_| account.wait(outbox.clone()).is_none()).collect();
        assert_eq!(asked, [true, false, false, false, false], "one trial after a wait");
        account.turn(outbox.clone()).await.unwrap().accepted();
        assert!(account.wait(outbox.clone()).is_none());
    }

    /// B75: a server whose provider is away takes no login, right or wrong, and says so (454).
    #[tokio::test(start_paused = true)]
    async fn b75_who_got_in_elsewhere_goes_on_while_a_provider_is_away() {
        let (inbox, outbox) = (door("h", 995), door("h", 465));
        let account = Account::default();
        account.turn(inbox.clone()).await.unwrap().accepted();
        let mut tried = 0;
        for _ in 0..3 * 3600 {
            if let Ok(turn) = account.turn(outbox.clone()).await {
                tried += 1;
                turn.away();
            }
            assert!(account.wait(inbox.clone()).is_none(), "its password is right");
            advance(Duration::from_secs(1)).await;
        }
        // 30 s, 1, 2, 4 minutes, and every five minutes from then on.
        assert!((36..=42).contains(&tried), "{tried}");
        advance(AWAY_MAX).await;
        account.turn(outbox.clone()).await.unwrap().refused();
        assert!(account.waits(&outbox).is_some_and(|wait| wait > AWAY_MAX), "now it is refused");
        assert!(account.turn(inbox.clone()).await.is_err(), "the password may have changed");
    }

    /// A connection that cannot be made says nothing about the password.
    #[tokio::test(start_paused = true)]
    async fn a_login_that_came_to_nothing_keeps_nobody_waiting() {
        let outbox = door("h", 465);
        let account = Account::default();
        drop(account.turn(outbox.clone()).await.unwrap());
        account.turn(outbox.clone()).await.unwrap().accepted();
        assert_eq!(name("praxis", "h"), "praxis@h");
    }
}
