//! The state of the Clientmodul, and everything a test can do to it and ask it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::sync::watch;

use super::{
    account::{CardState, KimAccount, KonnektorState, RecipientState},
    certificate::CmCertificates,
    handed_out::AsRead,
    head,
    journal::{AskedCommand, CmJournal, LoginTry},
    maildrop::{Maildrop, MaildropMail},
    outer::{OuterFacts, OuterMail},
    switches::{CmStep, Mishap, MishapRule, Switches},
    user_name::KimProtocol,
};
use crate::{
    error::{Result, WorldError},
    tls::Issued,
};

/// How long [`CmCore::until`] waits: longer than any answer of a loaded machine takes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const DAY: i64 = 24 * 60 * 60;

/// A mail to lay into a maildrop.
#[derive(Clone, Debug)]
pub struct KimDelivery {
    mail: Vec<u8>,
    is_sealed: bool,
    recorded_head: Option<Vec<u8>>,
    as_read: Option<AsRead>,
    kas_size: Option<u64>,
    version: String,
}

impl KimDelivery {
    /// A KIM mail: these bytes are what is inside. Bare line feeds become line ends.
    pub fn sealed(inner: &[u8]) -> Self {
        Self {
            mail: head::with_crlf(inner),
            is_sealed: true,
            recorded_head: None,
            as_read: None,
            kas_size: None,
            version: "1.5".to_owned(),
        }
    }

    /// A mail without encryption, which RETR brings as it is: reports, absence notes, error mails, and
    /// whatever claims to have been checked.
    pub fn plain(mail: &[u8]) -> Self {
        Self { is_sealed: false, ..Self::sealed(mail) }
    }

    /// A mail as a Clientmodul handed it out once: TOP brings this outer head, RETR these bytes, whatever
    /// cards and Konnektors do.
    pub fn recorded(outer_head: &[u8], handed_out: &[u8]) -> Self {
        Self { recorded_head: Some(head::with_crlf(outer_head)), ..Self::plain(handed_out) }
    }

    /// Handed out in its own way, whatever holds for all.
    #[must_use]
    pub fn read_as(mut self, as_read: AsRead) -> Self {
        self.as_read = Some(as_read);
        self
    }

    /// The outer mail is small and announces this size, as if the content lay in the KAS.
    #[must_use]
    pub fn kas_size(mut self, bytes: u64) -> Self {
        self.kas_size = Some(bytes);
        self
    }

    /// Another X-KOM-LE-Version than `1.5`; RETR of any but this and `1.0` brings an error mail (4008).
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }
}

/// The state of a Clientmodul. [`Clientmodul`](super::Clientmodul) derefs to it.
#[derive(Debug)]
pub struct CmCore {
    state: Mutex<CmState>,
    /// Ticks whenever the journal has grown or something was released.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct CmState {
    /// By address in lower case.
    pub accounts: BTreeMap<String, CmAccount>,
    /// Addresses of others, whose mailboxes are elsewhere.
    pub others: BTreeMap<String, RecipientState>,
    pub switches: Switches,
    pub mishaps: Vec<MishapRule>,
    pub journal: CmJournal,
    certificates: CmCertificates,
    numbers: u64,
    releases: u64,
}

/// An account, its mails, and what its logins came to.
#[derive(Debug)]
pub(super) struct CmAccount {
    pub account: KimAccount,
    pub maildrop: Maildrop,
    /// Wrong passwords since the last right one.
    pub bad_logins: u32,
}

impl CmState {
    /// A number that was never used here.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Lays a mail into a maildrop; `None`: no such account, or it is full.
    pub(super) fn lay(
        &mut self,
        address: &str,
        from: &str,
        delivery: KimDelivery,
    ) -> Option<String> {
        let time = self.switches.time();
        let days_kept = self.switches.days_kept;
        let uidl = format!("CM-{:010}", self.number());
        let outer = delivery.is_sealed.then(|| {
            let (from, to) = (from.to_owned(), address.to_owned());
            let (kas_size, version) = (delivery.kas_size, delivery.version);
            let facts = OuterFacts { time, days_kept, from, to, kas_size, version };
            Arc::new(OuterMail::around(&delivery.mail, &facts))
        });
        let mail = MaildropMail {
            recorded_head: delivery.recorded_head.map(Arc::new),
            uidl: uidl.clone(),
            inner: Arc::new(delivery.mail),
            outer,
            as_read: delivery.as_read,
            expires: time + days_kept * DAY,
        };
        self.accounts.get_mut(address)?.maildrop.add(mail).then_some(uidl)
    }
}

/// What a test does.
impl CmCore {
    pub(super) fn new() -> Result<Self> {
        let state = CmState {
            accounts: BTreeMap::new(),
            others: BTreeMap::new(),
            switches: Switches::default(),
            mishaps: Vec::new(),
            journal: CmJournal::default(),
            certificates: CmCertificates::new()?,
            numbers: 0,
            releases: 0,
        };
        Ok(Self { state: Mutex::new(state), changed: watch::Sender::new(0) })
    }

    /// Adds an account, or replaces what is known of it; its mails stay.
    pub fn add_account(&self, account: KimAccount) {
        let address = account.address.to_ascii_lowercase();
        let mut state = self.state();
        match state.accounts.get_mut(&address) {
            Some(known) => known.account = account,
            None => {
                let maildrop = Maildrop::default();
                state.accounts.insert(address, CmAccount { account, maildrop, bad_logins: 0 });
            }
        }
    }

    /// Tells the directory of an address, whether its mailbox is here or elsewhere.
    pub fn set_recipient(&self, address: &str, as_found: RecipientState) {
        let address = address.to_ascii_lowercase();
        let mut state = self.state();
        match state.accounts.get_mut(&address) {
            Some(known) => known.account.recipient = as_found,
            None => drop(state.others.insert(address, as_found)),
        }
    }

    /// Locks or unlocks the card of an account.
    ///
    /// # Errors
    /// When there is no such account; so it is with all that follow.
    pub fn set_card(&self, address: &str, card: CardState) -> Result<()> {
        self.change(address, |it| it.account.card = card)
    }

    pub fn set_konnektor(&self, address: &str, konnektor: KonnektorState) -> Result<()> {
        self.change(address, |it| it.account.konnektor = konnektor)
    }

    /// Whoever writes to this account gets an absence note from now on.
    pub fn set_absence(&self, address: &str, text: Option<&str>) -> Result<()> {
        self.change(address, |it| it.account.absence = text.map(str::to_owned))
    }

    /// Lets an account in again that too many wrong passwords have locked.
    pub fn unlock_login(&self, address: &str) -> Result<()> {
        self.change(address, |it| it.bad_logins = 0)
    }

    /// The complete user name of an account.
    pub fn user_name(&self, protocol: KimProtocol, address: &str) -> Result<String> {
        let mut state = self.state();
        let names = state.switches.names.clone();
        Ok(known(&mut state, address)?.account.user_name(protocol, &names))
    }

    /// Sets up the Clientmodul differently from now on.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.state().switches);
    }

    pub fn switches(&self) -> Switches {
        self.state().switches.clone()
    }

    /// Lets something go wrong.
    pub fn goes_wrong(&self, rule: MishapRule) {
        self.state().mishaps.push(rule);
    }

    /// Whether something is still to go wrong there.
    pub fn is_armed(&self, at: CmStep) -> bool {
        self.state().mishaps.iter().any(|rule| rule.at == at)
    }

    /// Nothing goes wrong any more; what is held is released.
    pub fn behaves(&self) {
        self.state().mishaps.clear();
        self.release();
    }

    /// Lets everything go on that is held or stalled.
    pub fn release(&self) {
        self.state().releases += 1;
        self.tick();
    }

    /// Lays a mail into a maildrop and returns its UIDL.
    ///
    /// # Errors
    /// When there is no such account, or it is full.
    pub fn deliver(&self, address: &str, delivery: KimDelivery) -> Result<String> {
        let (mail_head, _) = head::split(&delivery.mail);
        let from = head::addresses(mail_head, "from").into_iter().next().unwrap_or_default();
        let address = address.to_ascii_lowercase();
        let laid = self.state().lay(&address, &from, delivery);
        laid.ok_or_else(|| WorldError::refused("deliver a KIM mail", "no account, or a full one"))
    }

    /// Changes how a mail is handed out: whoever could not read it may now, or the other way round.
    ///
    /// # Errors
    /// When there is no such account or mail; so it is with those that follow.
    pub fn read_as(&self, address: &str, uidl: &str, as_read: AsRead) -> Result<()> {
        let mut state = self.state();
        let mail = known(&mut state, address)?.maildrop.get_mut(uidl).ok_or_else(no_mail)?;
        mail.as_read = Some(as_read);
        Ok(())
    }

    /// A mail vanishes: its time is over, or another program of the practice has deleted it. Open
    /// sessions find it gone as well.
    pub fn vanishes(&self, address: &str, uidl: &str) -> Result<()> {
        let removed = known(&mut self.state(), address)?.maildrop.remove(uidl);
        if removed { Ok(()) } else { Err(no_mail()) }
    }

    /// The names of the mails that lie there now, the oldest first.
    pub fn uidls(&self, address: &str) -> Result<Vec<String>> {
        let mut state = self.state();
        let now = state.switches.time();
        let mails = known(&mut state, address)?.maildrop.mails(now);
        Ok(mails.into_iter().map(|mail| mail.uidl).collect())
    }

    /// What was done so far.
    pub fn journal(&self) -> CmJournal {
        self.state().journal.clone()
    }

    /// Waits until the journal says something, and returns it as it is then.
    ///
    /// # Errors
    /// When it does not say so within a minute.
    pub async fn until(&self, what: &str, says: impl Fn(&CmJournal) -> bool) -> Result<CmJournal> {
        let mut changed = self.changed.subscribe();
        let said = async {
            loop {
                changed.borrow_and_update();
                let journal = self.journal();
                if says(&journal) || changed.changed().await.is_err() {
                    return journal;
                }
            }
        };
        tokio::time::timeout(WAIT_MAX, said).await.map_err(|_| WorldError::Unseen {
            what: what.to_owned(),
            waited: WAIT_MAX,
            seen: format!("{:#?}", self.journal().commands),
        })
    }

    /// The SHA-256 of the server's certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fn pin(&self) -> String {
        self.state().certificates.pin()
    }

    /// The server's certificate in PEM, for who imports it.
    pub fn certificate_pem(&self) -> String {
        self.state().certificates.pem()
    }

    /// The server shows another certificate from now on; open sessions go on.
    pub fn rotate_certificate(&self) -> Result<()> {
        self.state().certificates.rotate()
    }

    /// A certificate for a client, for [`Switches::client_certificate_required`].
    pub fn client_certificate(&self) -> Result<Issued> {
        self.state().certificates.of_client()
    }

    fn change(&self, address: &str, change: impl FnOnce(&mut CmAccount)) -> Result<()> {
        change(known(&mut self.state(), address)?);
        Ok(())
    }
}

/// What sessions need.
impl CmCore {
    pub(super) fn state(&self) -> MutexGuard<'_, CmState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>> {
        let state = self.state();
        let switches = &state.switches;
        state.certificates.config(switches.tls12_only, switches.client_certificate_required)
    }

    /// Notes a command, and says what goes wrong with it; beside it, how often was released so far.
    ///
    /// In one step: who has read of the command in the journal may release it at once.
    pub(super) fn asked(&self, at: CmStep, command: AskedCommand) -> (Option<Mishap>, u64) {
        let mut state = self.state();
        let (account, uidl) = (command.account.as_deref(), command.uidl.as_deref());
        let mishap = state
            .mishaps
            .iter_mut()
            .find_map(|rule| rule.happens(at, account, uidl).then(|| rule.mishap.clone()));
        state.mishaps.retain(|rule| rule.times != Some(0));
        state.journal.note_command(command);
        let releases = state.releases;
        drop(state);
        self.tick();
        (mishap, releases)
    }

    pub(super) fn note(&self, command: AskedCommand) {
        self.state().journal.note_command(command);
        self.tick();
    }

    pub(super) fn note_login(&self, login: LoginTry) {
        self.state().journal.note_login(login);
        self.tick();
    }

    /// Ends when [`Self::release`] was called more often than this.
    pub(super) async fn released(&self, before: u64) {
        let mut changed = self.changed.subscribe();
        while self.state().releases == before {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn tick(&self) {
        self.changed.send_modify(|ticks| *ticks += 1);
    }
}

fn known<'s>(state: &'s mut CmState, address: &str) -> Result<&'s mut CmAccount> {
    let account = state.accounts.get_mut(&address.to_ascii_lowercase());
    account
        .ok_or_else(|| WorldError::refused("find a KIM account", "there is none of this address"))
}

fn no_mail() -> WorldError {
    WorldError::refused("find a KIM mail", "there is none of this UIDL")
}
