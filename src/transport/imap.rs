//! The IMAP dialogue (RFC 3501; UIDPLUS RFC 4315, IDLE RFC 2177), for gateways that put faxes into
//! an ordinary mailbox and for practices whose own mail server stands before the Clientmodul.
//!
//! The grammar is `imap-proto`'s; reading, limits and the order of commands are ours. `async-imap`
//! on top of it was tried and dropped: it takes a refused or broken-off SEARCH for an empty mailbox
//! and a refused STORE for a done one, it allocates what a server announces up to 512 MiB, and its
//! errors and trace lines quote mails and the password.

mod dialogue;

use std::collections::HashSet;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use imap_proto::{
    AttributeValue, MailboxDatum, MessageSection, Response, ResponseCode, SectionPath, Status,
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use self::dialogue::{Features, LITERALS_MAX, Spill, done, line, parse, quoted};
use super::{
    bare_server::TlsMode,
    error::MailServerError,
    fetched::{Basket, Fetched, HEADER_BYTES_MAX, Head, KeyList, Waited},
    reply::Names,
    server::MailServer,
    tls,
    wire::{BoxedIo, Fault, Wire},
};
use crate::model::MailKey;

/// Longest list of mails we read; see `pop3`.
const LIST_ENTRIES_MAX: usize = 500_000;

/// UIDs in one command. Servers take lines of 8,000 bytes and more (RFC 7162 §4); a UID has at
/// most ten digits.
const UIDS_PER_COMMAND: usize = 500;

/// Longest IDLE. Servers log off after 30 minutes (RFC 2177), some routers sooner.
const IDLE_MAX: Duration = Duration::from_secs(25 * 60);

/// A logged-in session with the INBOX selected.
pub(super) struct Imap {
    wire: Wire,
    host: String,
    names: Names,
    silence: Duration,
    last_tag: u32,
    /// The generation of UIDs: part of every key.
    validity: u32,
    /// Mails in the mailbox, as the server last said.
    exists: u32,
    /// There are more mails than at the last look.
    has_news: bool,
    features: Features,
}

impl Imap {
    /// Greets, logs in and selects the INBOX over a fresh TCP connection.
    pub(super) async fn open(io: BoxedIo, server: &MailServer) -> Result<Self, MailServerError> {
        let silence = server.timeouts.silence;
        let io = if server.tls == TlsMode::Implicit { tls::secure(io, server).await? } else { io };
        let mut session = Self {
            wire: Wire::new(io, silence),
            host: server.host.clone(),
            names: Names::of_user(&server.login.user),
            silence,
            last_tag: 0,
            validity: 0,
            exists: 0,
            has_news: false,
            features: Features::default(),
        };
        session.greeting().await.map_err(|e| MailServerError::at_greeting(&server.host, e))?;
        session.read_features().await?;
        if server.tls == TlsMode::StartTls {
            session = session.start_tls(server).await?;
            // What was said before TLS may be an attacker's words.
            session.read_features().await?;
        }
        session.login(server).await?;
        session.read_features().await?;
        session.select_inbox().await?;
        Ok(session)
    }

    async fn greeting(&mut self) -> Result<(), Fault> {
        self.wire.begin()?;
        let frame = self.frame(LITERALS_MAX, &mut Spill::none()).await?;
        match parse(&frame) {
            Some(Response::Data { status: Status::Ok, .. }) => {
                self.wire.answered();
                Ok(())
            }
            Some(Response::Data { status: Status::Bye, .. }) => Err(self.refused(&line(&frame))),
            // Also PREAUTH: a login we did not ask for is someone else's.
            _ => Err(Fault::Protocol("it greets like no IMAP server")),
        }
    }

    async fn read_features(&mut self) -> Result<(), MailServerError> {
        self.features = Features::default();
        self.run("CAPABILITY").await.map_err(|e| self.broken(e))
    }

    async fn start_tls(mut self, server: &MailServer) -> Result<Self, MailServerError> {
        let is_agreed = self.features.start_tls
            && match self.command("STARTTLS", None, LITERALS_MAX, |_| {}).await {
                Ok(done) => done.status == Status::Ok,
                Err(fault) => return Err(self.broken(fault)),
            };
        if !is_agreed {
            // No plaintext fallback, whatever the reason (KIM-3).
            let source = Fault::Protocol("it does not agree to TLS");
            return Err(MailServerError::Tls { host: self.host, source });
        }
        let io = self.wire.into_io().map_err(|e| MailServerError::midway(&self.host, e))?;
        let io = tls::secure(io, server).await?;
        Ok(Self { wire: Wire::new(io, self.silence), ..self })
    }

    async fn login(&mut self, server: &MailServer) -> Result<(), MailServerError> {
        let user = &server.login.user;
        let password = server.login.password.expose_secret();
        let done = if self.features.auth_plain {
            let secret = BASE64.encode(format!("\0{user}\0{password}"));
            self.command("AUTHENTICATE PLAIN", Some(&secret), LITERALS_MAX, |_| {}).await
        } else if self.features.login_disabled {
            Err(Fault::Protocol("it offers no login with a password"))
        } else {
            let command = format!("LOGIN {} {}", quoted(user), quoted(password));
            self.command(&command, None, LITERALS_MAX, |_| {}).await
        }
        .map_err(|e| self.broken(e))?;
        if done.status == Status::Ok {
            return Ok(());
        }
        let host = self.host.clone();
        let source = self.refused(&done.line);
        if done.says_later() {
            Err(MailServerError::Busy { host, source })
        } else {
            Err(MailServerError::Credentials { host, source })
        }
    }

    async fn select_inbox(&mut self) -> Result<(), MailServerError> {
        let mut validity = None;
        let read = |answer: Response<'_>| {
            if let Response::Data { outcome, .. } = answer
                && let Some(ResponseCode::UidValidity(found)) = outcome.code
            {
                validity = Some(found);
            }
        };
        let done = self
            .command("SELECT INBOX", None, LITERALS_MAX, read)
            .await
            .map_err(|e| self.broken(e))?;
        if done.says_later() {
            let source = self.refused(&done.line);
            return Err(MailServerError::Busy { host: self.host.clone(), source });
        }
        self.expect_ok(done).map_err(|e| self.broken(e))?;
        let none = Fault::Protocol("its INBOX has no UIDVALIDITY, so its mails have no names");
        self.validity = validity.ok_or(none).map_err(|e| self.broken(e))?;
        Ok(())
    }

    /// Every mail in the INBOX, oldest UID first.
    pub(super) async fn keys(&mut self) -> Result<KeyList, MailServerError> {
        self.has_news = false;
        let found = self.search("ALL").await.map_err(|e| self.broken(e))?;
        if found.is_empty() && self.exists > 0 {
            return Err(self.broken(Fault::Protocol("it counts mails and lists none")));
        }
        let mut uids: Vec<u32> = found.into_iter().filter(|&uid| uid != 0).collect();
        uids.sort_unstable();
        // A person may have removed some meanwhile, and then `exists` says so too.
        let is_short = u32::try_from(uids.len()).is_ok_and(|listed| listed < self.exists);
        let mut list = KeyList { is_short, ..KeyList::default() };
        for uid in uids {
            match MailKey::new(&format!("{}.{uid}", self.validity)) {
                Ok(key) => list.keys.push(key),
                Err(_) => list.nameless += 1,
            }
        }
        Ok(list)
    }

    pub(super) fn validity(&self) -> u32 {
        self.validity
    }

    pub(super) fn is_over(&self) -> bool {
        self.wire.is_over()
    }

    async fn search(&mut self, what: &str) -> Result<HashSet<u32>, Fault> {
        let mut found = HashSet::new();
        let read = |answer: Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = answer
                && found.len() <= LIST_ENTRIES_MAX
            {
                found.extend(uids);
            }
        };
        let done = self.command(&format!("UID SEARCH {what}"), None, LITERALS_MAX, read).await?;
        self.expect_ok(done)?;
        if found.len() > LIST_ENTRIES_MAX {
            return Err(Fault::TooMuch("a list of mails without end"));
        }
        Ok(found)
    }

    pub(super) async fn header(&mut self, key: &MailKey) -> Result<Fetched, MailServerError> {
        let Some(uid) = self.uid(key) else { return Ok(Fetched::Gone) };
        let mut head = Head::default();
        let fetched = self.section(uid, "HEADER", HEADER_BYTES_MAX, &mut head).await;
        Ok(fetched.map_err(|e| self.broken(e))?.map(|()| head.all()))
    }

    pub(super) async fn fetch(
        &mut self,
        key: &MailKey,
        bytes_max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, MailServerError> {
        let Some(uid) = self.uid(key) else { return Ok(Fetched::Gone) };
        self.fetch_uid(uid, bytes_max, basket).await.map_err(|e| self.broken(e))
    }

    /// Asks for the size first, so that a mail whose stated size is too large costs no session.
    /// What then comes is limited all the same.
    async fn fetch_uid(
        &mut self,
        uid: u32,
        bytes_max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, Fault> {
        let mut size = None;
        let read = |answer: Response<'_>| {
            if let Response::Fetch(_, values) = answer
                && values.contains(&AttributeValue::Uid(uid))
            {
                size = values.iter().find_map(|value| match value {
                    AttributeValue::Rfc822Size(size) => Some(*size),
                    _ => None,
                });
            }
        };
        let command = format!("UID FETCH {uid} (UID RFC822.SIZE)");
        let done = self.command(&command, None, LITERALS_MAX, read).await?;
        if done.status != Status::Ok {
            return Ok(Fetched::Withheld { reply: self.presentable(&done.line) });
        }
        match size {
            Some(size) if usize::try_from(size).is_ok_and(|size| size > bytes_max) => {
                Ok(Fetched::TooLarge)
            }
            // Silence about its length says nothing about the mail.
            _ => self.section(uid, "", bytes_max, basket).await,
        }
    }

    /// PEEK: reading by a machine must not mark a mail as seen by a person.
    async fn section(
        &mut self,
        uid: u32,
        section: &str,
        bytes_max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, Fault> {
        let wanted = (section == "HEADER").then_some(SectionPath::Full(MessageSection::Header));
        let mut mail = None;
        let mut spilled = 0;
        let read = |answer: Response<'_>, spills: usize| {
            let Response::Fetch(_, values) = answer else { return };
            if !values.contains(&AttributeValue::Uid(uid)) {
                return;
            }
            for value in values {
                if let AttributeValue::BodySection { section, data: Some(data), .. } = value
                    && section == wanted
                {
                    mail = Some(data.into_owned());
                    spilled = spills;
                }
            }
        };
        let command = format!("UID FETCH {uid} (UID BODY.PEEK[{section}])");
        let mut spill = Spill { basket: Some(basket), count: 0, is_lost: false };
        let done = self.command_into(&command, None, bytes_max, &mut spill, read).await;
        let Spill { count, is_lost, .. } = spill;
        match (done, mail) {
            (Ok(done), Some(mail)) if done.status == Status::Ok => match (count, spilled) {
                (0, 0) if mail.is_empty() => Ok(Fetched::Nothing),
                (0, 0) if basket.take(&mail).await => Ok(Fetched::Mail(())),
                (0, 0) => Ok(Fetched::NotKept),
                (1, 1) => Ok(Fetched::Mail(())),
                _ => Err(Fault::Protocol("it sent a long text nobody asked for")),
            },
            (Ok(done), _) if count > 0 && done.status == Status::Ok => {
                Err(Fault::Protocol("it sent a long text nobody asked for"))
            }
            // The server's own list has it: Exchange says OK and brings nothing of mails it cannot
            // convert.
            (Ok(done), None) if done.status == Status::Ok => Ok(Fetched::Nothing),
            (Ok(done), _) => Ok(Fetched::Withheld { reply: self.presentable(&done.line) }),
            (Err(_), _) if is_lost => Ok(Fetched::NotKept),
            (Err(Fault::TooMuch(_)), _) => Ok(Fetched::TooLarge),
            (Err(fault), _) => Err(fault),
        }
    }

    /// Deletes these mails and no others.
    ///
    /// With UIDPLUS they are expunged by name. Without it EXPUNGE would also remove mails that a
    /// person marked in another program and may still want back. Then ours stay marked, and leave
    /// with the next expunge by any program.
    pub(super) async fn delete(
        &mut self,
        keys: &[MailKey],
    ) -> Result<Vec<MailKey>, MailServerError> {
        let mut agreed = Vec::new();
        for some in keys.chunks(UIDS_PER_COMMAND) {
            let uids: Vec<u32> = some.iter().filter_map(|key| self.uid(key)).collect();
            if !uids.is_empty() && self.delete_uids(&uids).await.map_err(|e| self.broken(e))? {
                agreed.extend(some.iter().filter(|key| self.uid(key).is_some()).cloned());
            }
        }
        Ok(agreed)
    }

    /// `false`: they are marked, and stay until a program expunges.
    async fn delete_uids(&mut self, uids: &[u32]) -> Result<bool, Fault> {
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.run(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
        if self.features.uid_plus {
            self.run(&format!("UID EXPUNGE {set}")).await?;
            return Ok(true);
        }
        let marked = self.search("DELETED").await?;
        if !marked.iter().all(|uid| uids.contains(uid)) {
            return Ok(false);
        }
        self.run("EXPUNGE").await?;
        Ok(true)
    }

    /// IDLE until the mailbox grows, at most `max`.
    pub(super) async fn wait_for_mail(&mut self, max: Duration) -> Result<Waited, MailServerError> {
        if self.has_news {
            return Ok(Waited::News);
        }
        if !self.features.idle {
            return Ok(Waited::Unsupported);
        }
        let max = max.min(IDLE_MAX);
        // Silence is what IDLE is for.
        self.wire.set_silence(max + self.silence);
        let waited = self.idle(Instant::now() + max).await;
        self.wire.set_silence(self.silence);
        waited.map_err(|e| self.broken(e))
    }

    async fn idle(&mut self, until: Instant) -> Result<Waited, Fault> {
        self.wire.begin()?;
        let tag = self.next_tag();
        self.wire.send(format!("{tag} IDLE\r\n").as_bytes()).await?;
        let mut is_idling = false;
        loop {
            if is_idling
                && (self.has_news || timeout_at(until, self.wire.readable()).await.is_err())
            {
                break;
            }
            let frame = self.frame(LITERALS_MAX, &mut Spill::none()).await?;
            if done(&frame, &tag).is_some() {
                // Lists IDLE and does not have it.
                self.wire.answered();
                return Ok(if self.has_news { Waited::News } else { Waited::Unsupported });
            }
            match parse(&frame) {
                Some(Response::Continue(_)) => is_idling = true,
                Some(answer) => self.note(&answer)?,
                None => {}
            }
        }
        self.wire.send(b"DONE\r\n").await?;
        let none = &mut Spill::none();
        self.until_done(&tag, None, LITERALS_MAX, none, |_, _| {}).await?;
        Ok(if self.has_news { Waited::News } else { Waited::TimeUp })
    }

    /// LOGOUT. Deletions are final before it, so a server that hangs up at once does no harm.
    pub(super) async fn close(mut self) -> Result<(), MailServerError> {
        match self.run("LOGOUT").await {
            Ok(()) | Err(Fault::Closed) => Ok(()),
            Err(fault) => Err(self.broken(fault)),
        }
    }

    /// The UID in a key, if the key is of this mailbox in its present generation.
    fn uid(&self, key: &MailKey) -> Option<u32> {
        let (validity, uid) = key.as_str().split_once('.')?;
        let uid = uid.parse().ok().filter(|&uid| uid != 0)?;
        (validity.parse() == Ok(self.validity)).then_some(uid)
    }
}
