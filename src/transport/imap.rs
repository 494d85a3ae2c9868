//! The IMAP dialogue (RFC 3501; UIDPLUS RFC 4315, IDLE RFC 2177), for gateways that put faxes into
//! an ordinary mailbox and for practices whose own mail server stands before the Clientmodul.
//!
//! The grammar is `imap-proto`'s; reading, limits and the order of commands are ours. `async-imap`
//! on top of it was tried and left: it takes a refused or broken-off SEARCH for an empty mailbox
//! and a refused STORE for a done one, it allocates what a server announces up to 512 MiB, and its
//! errors and trace lines quote mails and the password.

use std::collections::HashSet;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use imap_proto::{
    AttributeValue, MailboxDatum, MessageSection, Response, ResponseCode, SectionPath, Status,
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::{
    error::MailServerError,
    fetched::{Basket, Fetched, HEADER_BYTES_MAX, Head, KeyList, Waited},
    reply::presentable,
    server::{MailServer, TlsMode},
    tls,
    wire::{BoxedIo, Fault, Wire},
};
use crate::model::MailKey;

/// Longest line of an answer, in bytes: a SEARCH names all mails in one line, and this is room for
/// half a million of them.
const LINE_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of literals in an answer that brings no mail.
const LITERALS_MAX: usize = 64 * 1024;

/// Most answers to one command. A server may add what changed meanwhile, but not for ever.
const ANSWERS_MAX: usize = 1_000_000;

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
    user: String,
    silence: Duration,
    last_tag: u32,
    /// The generation of UIDs: part of every key.
    validity: u32,
    /// Mails in the mailbox, as the server last said.
    exists: u32,
    /// More mails than at the last look.
    has_news: bool,
    features: Features,
}

#[derive(Debug, Default, Clone, Copy)]
struct Features {
    start_tls: bool,
    login_disabled: bool,
    auth_plain: bool,
    uid_plus: bool,
    idle: bool,
}

/// How a command ended.
struct Done {
    status: Status,
    /// The whole line, for its codes.
    line: String,
}

impl Imap {
    /// Greets, logs in and selects the INBOX over a fresh TCP connection.
    pub(super) async fn open(io: BoxedIo, server: &MailServer) -> Result<Self, MailServerError> {
        let silence = server.timeouts.silence;
        let io = if server.tls == TlsMode::Implicit { tls::secure(io, server).await? } else { io };
        let mut session = Self {
            wire: Wire::new(io, silence),
            host: server.host.clone(),
            user: server.login.user.clone(),
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
            // What was said before TLS may be anybody's words.
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
            // Also PREAUTH: a login we did not ask for is somebody else's.
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
        // Somebody may have removed some meanwhile, and then `exists` says so too.
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

    /// Asks for the size first, so that a mail that is honestly too large costs no session. What
    /// then comes is held to the limit all the same.
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
            // What the server does not say about its length says nothing about the mail.
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
            // Its own list has it: Exchange says OK and brings nothing of mails it cannot convert.
            (Ok(done), None) if done.status == Status::Ok => Ok(Fetched::Nothing),
            (Ok(done), _) => Ok(Fetched::Withheld { reply: self.presentable(&done.line) }),
            (Err(_), _) if is_lost => Ok(Fetched::NotKept),
            (Err(Fault::TooMuch(_)), _) => Ok(Fetched::TooLarge),
            (Err(fault), _) => Err(fault),
        }
    }

    /// Deletes these mails and no others.
    ///
    /// With UIDPLUS they are expunged by name. Without it EXPUNGE would also remove what a person
    /// marked in another program and may still want back: then ours stay marked, and leave with
    /// the next expunge of anybody.
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

    /// `false`: they are marked, and stay until somebody expunges.
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

    /// LOGOUT. Deletions were final before, so a server that hangs up at once does no harm.
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

    async fn run(&mut self, command: &str) -> Result<(), Fault> {
        let done = self.command(command, None, LITERALS_MAX, |_| {}).await?;
        self.expect_ok(done)
    }

    fn expect_ok(&self, done: Done) -> Result<(), Fault> {
        if done.status == Status::Ok { Ok(()) } else { Err(self.refused(&done.line)) }
    }

    /// Sends a command and reads all answers to it. `secret` is what follows when the server asks
    /// for more.
    async fn command(
        &mut self,
        command: &str,
        secret: Option<&str>,
        literals_max: usize,
        mut each: impl FnMut(Response<'_>),
    ) -> Result<Done, Fault> {
        let none = &mut Spill::none();
        self.command_into(command, secret, literals_max, none, |answer, _| each(answer)).await
    }

    /// The same, with long literals put where `spill` says. `each` hears how many of its own an
    /// answer has lost so.
    async fn command_into<B: Basket>(
        &mut self,
        command: &str,
        secret: Option<&str>,
        literals_max: usize,
        spill: &mut Spill<'_, B>,
        each: impl FnMut(Response<'_>, usize),
    ) -> Result<Done, Fault> {
        self.wire.begin()?;
        let tag = self.next_tag();
        self.wire.send(format!("{tag} {command}\r\n").as_bytes()).await?;
        self.until_done(&tag, secret, literals_max, spill, each).await
    }

    async fn until_done<B: Basket>(
        &mut self,
        tag: &str,
        mut secret: Option<&str>,
        literals_max: usize,
        spill: &mut Spill<'_, B>,
        mut each: impl FnMut(Response<'_>, usize),
    ) -> Result<Done, Fault> {
        for _ in 0..ANSWERS_MAX {
            let before = spill.count;
            let frame = self.frame(literals_max, spill).await?;
            if let Some(status) = done(&frame, tag) {
                self.wire.answered();
                return Ok(Done { status, line: line(&frame) });
            }
            if let Some(features) = Features::read(&frame) {
                self.features = features;
                continue;
            }
            match parse(&frame) {
                Some(Response::Continue(_)) => {
                    let secret =
                        secret.take().ok_or(Fault::Protocol("it asks for more than we have"))?;
                    self.wire.send(format!("{secret}\r\n").as_bytes()).await?;
                }
                Some(answer) => {
                    self.note(&answer)?;
                    each(answer, spill.count - before);
                }
                // What the grammar does not know may be skipped, unless it is what we asked for:
                // a list of mails that cannot be read is not an empty one.
                None if is_wanted(&frame) => {
                    return Err(Fault::Protocol("an answer that cannot be read"));
                }
                None => {}
            }
        }
        Err(Fault::TooMuch("answers without end"))
    }

    /// Keeps up with what the server says unasked.
    fn note(&mut self, answer: &Response<'_>) -> Result<(), Fault> {
        match answer {
            Response::MailboxData(MailboxDatum::Exists(now)) => {
                // The first count comes with SELECT; a key list follows in any case.
                self.has_news |= *now > self.exists;
                self.exists = *now;
            }
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            // Ends the session, and says so also in the middle of LOGOUT: nothing follows.
            Response::Data { status: Status::Bye, .. } => return Err(Fault::Closed),
            _ => {}
        }
        Ok(())
    }

    /// One answer: a line, and the literals within it, with a CRLF at its end. Long literals are
    /// spilled, and stand in it as empty ones.
    async fn frame<B: Basket>(
        &mut self,
        literals_max: usize,
        spill: &mut Spill<'_, B>,
    ) -> Result<Vec<u8>, Fault> {
        let mut frame = Vec::new();
        let mut literals = 0_usize;
        loop {
            let line = self.wire.line(LINE_MAX).await?;
            let literal = announced(&line);
            frame.extend(line);
            frame.extend(b"\r\n");
            let Some(count) = literal.filter(|_| has_literals(&frame)) else { return Ok(frame) };
            literals = literals.saturating_add(count);
            if literals > literals_max {
                return Err(Fault::TooMuch("a text of more bytes than allowed"));
            }
            let Some(basket) = spill.basket.as_mut().filter(|_| count >= SPILL_BYTES) else {
                self.wire.exactly(count, &mut frame).await?;
                continue;
            };
            spill.count += 1;
            if !self.wire.pour(count, *basket).await? {
                spill.is_lost = true;
                return Err(Fault::Over);
            }
            let open = frame.iter().rposition(|&byte| byte == b'{').unwrap_or_default();
            frame.truncate(open);
            frame.extend(b"{0}\r\n");
        }
    }

    fn next_tag(&mut self) -> String {
        self.last_tag += 1;
        format!("u{}", self.last_tag)
    }

    fn refused(&self, line: &str) -> Fault {
        Fault::Refused { reply: self.presentable(line) }
    }

    /// Without the tag, which says nothing.
    fn presentable(&self, line: &str) -> String {
        let text = line.split_once(' ').map_or(line, |(_, text)| text);
        presentable(text, &[&self.user])
    }

    fn broken(&self, source: Fault) -> MailServerError {
        MailServerError::midway(&self.host, source)
    }
}

impl Features {
    /// Read by hand: the grammar wants `IMAP4rev1` in the list, which an IMAP4rev2 server may leave
    /// out.
    fn read(frame: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(frame).to_ascii_uppercase();
        let list = line.strip_prefix("* CAPABILITY ")?;
        let lists = |name| list.split_ascii_whitespace().any(|word| word == name);
        Some(Self {
            start_tls: lists("STARTTLS"),
            login_disabled: lists("LOGINDISABLED"),
            auth_plain: lists("AUTH=PLAIN"),
            // IMAP4rev2 contains both.
            uid_plus: lists("UIDPLUS") || lists("IMAP4REV2"),
            idle: lists("IDLE") || lists("IMAP4REV2"),
        })
    }
}

impl Done {
    /// RFC 5530: codes of what will pass by itself.
    fn says_later(&self) -> bool {
        let line = self.line.to_ascii_uppercase();
        let is_later = |code| line.contains(code);
        self.status != Status::Ok
            && ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"].into_iter().any(is_later)
    }
}

/// How the command of this tag ended, if this is its last answer. Read by hand, because a text
/// outside the grammar (a latin-1 apology) must not make us wait for ever.
fn done(frame: &[u8], tag: &str) -> Option<Status> {
    let mut words = frame.split(|&byte| byte == b' ' || byte == b'\r');
    if words.next()? != tag.as_bytes() {
        return None;
    }
    let word = words.next()?;
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("OK") {
        Some(Status::Ok)
    } else if is("NO") {
        Some(Status::No)
    } else {
        Some(Status::Bad)
    }
}

fn parse(frame: &[u8]) -> Option<Response<'_>> {
    Response::parse(frame).ok().map(|(_, answer)| answer)
}

/// How many bytes a line's end announces: `{12}`, `{12+}`.
/// From this length on a mail is not read as a part of its answer.
const SPILL_BYTES: usize = 64 * 1024;

/// Where long literals go.
struct Spill<'b, B> {
    /// Nowhere: they stay in their answer.
    basket: Option<&'b mut B>,
    /// How many went there.
    count: usize,
    /// The basket could not keep one.
    is_lost: bool,
}

impl Spill<'static, Vec<u8>> {
    fn none() -> Self {
        Self { basket: None, count: 0, is_lost: false }
    }
}

fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&byte| byte == b'{')?;
    let digits = inner.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether an answer can hold a literal: the free text of a status line ends as it likes.
fn has_literals(frame: &[u8]) -> bool {
    let second = frame.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let is_status = ["OK", "NO", "BAD", "BYE", "PREAUTH"]
        .iter()
        .any(|word| second.eq_ignore_ascii_case(word.as_bytes()));
    frame.starts_with(b"* ") && !is_status
}

fn is_wanted(frame: &[u8]) -> bool {
    let mut words = frame.split(|&byte| byte == b' ' || byte == b'\r').skip(1);
    let is = |word: Option<&[u8]>, name: &str| {
        word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let first = words.next();
    is(first, "SEARCH") || is(first, "ESEARCH") || is(words.next(), "FETCH")
}

fn line(frame: &[u8]) -> String {
    String::from_utf8_lossy(frame).trim_end().to_owned()
}

/// RFC 3501 §4.3. Line ends were refused with the settings.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
