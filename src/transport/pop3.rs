//! The POP3 dialogue (RFC 1939, STLS RFC 2595, AUTH RFC 5034, response codes RFC 2449 and 3206).
//!
//! Our own, because a Clientmodul is no ordinary server. It answers `+OK` to RETR and then decrypts for
//! minutes. Its LIST sizes are those of the encrypted mail (KIM-10), so they tell mails apart, and
//! nothing else. Its `-ERR` says the same for a wrong password and a locked card. One command at a
//! time, no pipelining (KIM-4).

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use secrecy::ExposeSecret;

use super::{
    bare_server::TlsMode,
    error::MailServerError,
    fetched::{Basket, Fetched, HEADER_BYTES_MAX, Head, KeyList},
    reply::{Names, presentable},
    server::MailServer,
    tls,
    wire::{BoxedIo, Fault, LINE_MAX, Wire},
};
use crate::model::MailKey;

/// The longest list of mails we read. A mailbox of this size is not a normal mailbox any more, and
/// an endless list must not fill the memory.
const LIST_ENTRIES_MAX: usize = 500_000;

/// How much of a mail is read at most for its head: a server may give all of it.
const TOP_BYTES_MAX: usize = 2 * HEADER_BYTES_MAX;

/// How many capabilities we read; the rest of a longer list is ignored.
const CAPABILITIES_MAX: usize = 200;

/// A logged-in session. The server locks the mailbox for us until it ends (RFC 1939 §4).
pub(super) struct Pop3 {
    wire: Wire,
    host: String,
    names: Names,
    /// Number within this session, by key; `None` before the first UIDL.
    numbers: Option<HashMap<MailKey, u32>>,
}

/// The first line of an answer.
enum Status {
    Ok,
    Err(String),
    /// `+ `: the server waits for the next part of a login.
    Go,
}

impl Pop3 {
    /// Greets and logs in over a fresh TCP connection.
    pub(super) async fn open(io: BoxedIo, server: &MailServer) -> Result<Self, MailServerError> {
        let host = server.host.clone();
        let silence = server.timeouts.silence;
        let io = if server.tls == TlsMode::Implicit { tls::secure(io, server).await? } else { io };
        let names = Names::of_user(&server.login.user);
        let mut session = Self { wire: Wire::new(io, silence), host, names, numbers: None };
        session.greeting().await.map_err(|e| MailServerError::at_greeting(&server.host, e))?;
        if server.tls == TlsMode::StartTls {
            session = session.start_tls(server).await?;
        }
        let is_plain_listed = session.lists_sasl_plain().await.map_err(|e| session.broken(e))?;
        session.login(server, is_plain_listed).await?;
        Ok(session)
    }

    async fn greeting(&mut self) -> Result<(), Fault> {
        self.wire.begin()?;
        match self.status().await? {
            Status::Ok => Ok(()),
            Status::Err(text) => Err(self.refused(&text)),
            Status::Go => Err(Fault::Protocol("it greets like no POP3 server")),
        }
    }

    async fn start_tls(mut self, server: &MailServer) -> Result<Self, MailServerError> {
        match self.command("STLS").await {
            Ok(Status::Ok) => {}
            // No plaintext fallback, whatever the reason (KIM-3).
            Ok(_) => {
                let source = Fault::Protocol("it does not agree to TLS");
                return Err(MailServerError::Tls { host: self.host, source });
            }
            Err(fault) => return Err(self.broken(fault)),
        }
        let io = self.wire.into_io().map_err(|e| MailServerError::midway(&self.host, e))?;
        let io = tls::secure(io, server).await?;
        Ok(Self { wire: Wire::new(io, server.timeouts.silence), ..self })
    }

    /// CAPA is optional: a server that does not know it has USER and PASS.
    async fn lists_sasl_plain(&mut self) -> Result<bool, Fault> {
        if !matches!(self.command("CAPA").await?, Status::Ok) {
            return Ok(false);
        }
        self.wire.begin()?;
        let mut is_listed = false;
        for _ in 0..CAPABILITIES_MAX {
            let line = text(&self.wire.line(LINE_MAX).await?);
            if line == "." {
                self.wire.answered();
                return Ok(is_listed);
            }
            let mut words = line.split_ascii_whitespace();
            let is_sasl = words.next().is_some_and(|word| word.eq_ignore_ascii_case("SASL"));
            is_listed |= is_sasl && words.any(|word| word.eq_ignore_ascii_case("PLAIN"));
        }
        Err(Fault::TooMuch("a list of capabilities without end"))
    }

    async fn login(
        &mut self,
        server: &MailServer,
        is_plain_listed: bool,
    ) -> Result<(), MailServerError> {
        let user = &server.login.user;
        let password = server.login.password.expose_secret();
        // The mechanism is tried without the password first: some servers list mechanisms they do
        // not have, and then USER and PASS are still possible. A refused password is not tried
        // twice, because providers lock accounts (KIM-6).
        if is_plain_listed {
            let begun = self.command("AUTH PLAIN").await.map_err(|e| self.broken(e))?;
            if matches!(begun, Status::Go) {
                let secret = BASE64.encode(format!("\0{user}\0{password}"));
                return self.last_word_of_login(&secret).await;
            }
        }
        match self.command(&format!("USER {user}")).await.map_err(|e| self.broken(e))? {
            Status::Ok => self.last_word_of_login(&format!("PASS {password}")).await,
            Status::Err(text) => Err(self.login_refused(&text)),
            Status::Go => Err(self.broken(Fault::Protocol("it answers USER with +"))),
        }
    }

    async fn last_word_of_login(&mut self, line: &str) -> Result<(), MailServerError> {
        match self.command(line).await.map_err(|e| self.broken(e))? {
            Status::Ok => Ok(()),
            Status::Err(text) => Err(self.login_refused(&text)),
            Status::Go => Err(self.broken(Fault::Protocol("it asks for more than the login"))),
        }
    }

    /// The meaning of `-ERR` to a login. Without a code we cannot tell a wrong password from a
    /// locked card, and assume the one that must not be repeated often.
    fn login_refused(&self, text: &str) -> MailServerError {
        let code = text.trim_start().to_ascii_uppercase();
        let source = self.refused(text);
        let host = self.host.clone();
        let is_busy = ["[IN-USE", "[LOGIN-DELAY", "[SYS/TEMP", "TIMEOUT"]
            .iter()
            .any(|busy| code.starts_with(busy));
        if is_busy {
            MailServerError::Busy { host, source }
        } else {
            MailServerError::Credentials { host, source }
        }
    }

    /// Every mail in the mailbox, in the server's order (UIDL).
    pub(super) async fn keys(&mut self) -> Result<KeyList, MailServerError> {
        self.unique_ids().await.map_err(|e| self.broken(e))
    }

    async fn unique_ids(&mut self) -> Result<KeyList, Fault> {
        self.expect_ok("UIDL").await?;
        self.wire.begin()?;
        let mut list = KeyList::default();
        let mut numbers = HashMap::new();
        // How many mails have each name.
        let mut bearers: HashMap<MailKey, usize> = HashMap::new();
        for _ in 0..=LIST_ENTRIES_MAX {
            let line = self.wire.line(LINE_MAX).await?;
            if line == b"." {
                self.wire.answered();
                self.numbers = Some(numbers);
                return Ok(list);
            }
            let Some((number, name)) = unique_id(&line) else {
                list.nameless += 1;
                continue;
            };
            // Two mails of one id: RFC 1939 §7 allows it for identical copies only, but some
            // servers do it with different mails.
            let time = bearers.entry(name.clone()).or_default();
            *time += 1;
            let key = if *time == 1 { name.clone() } else { name.again(*time) };
            if *time > 1 {
                list.shared.extend([name, key.clone()]);
            }
            numbers.insert(key.clone(), number);
            list.keys.push(key);
        }
        Err(Fault::TooMuch("a list of mails without end"))
    }

    /// The sizes of LIST, by key; nothing from a server that refuses it.
    pub(super) async fn sizes(&mut self) -> Result<Option<HashMap<MailKey, u64>>, MailServerError> {
        let by_number = self.listed_sizes().await.map_err(|e| self.broken(e))?;
        let numbers = self.numbers.iter().flatten();
        Ok(by_number.map(|by_number| {
            numbers
                .filter_map(|(key, number)| Some((key.clone(), *by_number.get(number)?)))
                .collect()
        }))
    }

    async fn listed_sizes(&mut self) -> Result<Option<HashMap<u32, u64>>, Fault> {
        let mut sizes = HashMap::new();
        if !matches!(self.command("LIST").await?, Status::Ok) {
            return Ok(None);
        }
        self.wire.begin()?;
        for _ in 0..=LIST_ENTRIES_MAX {
            let line = text(&self.wire.line(LINE_MAX).await?);
            if line == "." {
                self.wire.answered();
                return Ok(Some(sizes));
            }
            let mut words = line.split_ascii_whitespace();
            let mut number = || words.next()?.parse::<u64>().ok();
            if let (Some(mail), Some(bytes)) = (number(), number())
                && let Ok(mail) = u32::try_from(mail)
            {
                sizes.insert(mail, bytes);
            }
        }
        Err(Fault::TooMuch("a list of sizes without end"))
    }

    pub(super) fn is_over(&self) -> bool {
        self.wire.is_over()
    }

    /// The headers outside a KIM mail's envelope (TOP n 0): they differ from those of RETR by
    /// design (KIM-9).
    pub(super) async fn header(&mut self, key: &MailKey) -> Result<Fetched, MailServerError> {
        let mut head = Head::default();
        let fetched = match self.number(key).await {
            Ok(Some(number)) => {
                self.mail(&format!("TOP {number} 0"), TOP_BYTES_MAX, &mut head).await
            }
            Ok(None) => Ok(Fetched::Gone),
            Err(fault) => Err(fault),
        };
        match fetched {
            Ok(Fetched::Mail(())) => Ok(Fetched::Mail(head.all())),
            // Some servers give the whole mail, and some break off in it: the head has come.
            Ok(Fetched::TooLarge) | Err(_) if head.is_complete() => Ok(Fetched::Mail(head.all())),
            fetched => Ok(fetched.map_err(|e| self.broken(e))?.map(|()| Vec::new())),
        }
    }

    /// The mail, as RETR gives it.
    pub(super) async fn fetch(
        &mut self,
        key: &MailKey,
        bytes_max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, MailServerError> {
        let fetched = match self.number(key).await {
            Ok(Some(number)) => self.mail(&format!("RETR {number}"), bytes_max, basket).await,
            Ok(None) => Ok(Fetched::Gone),
            Err(fault) => Err(fault),
        };
        fetched.map_err(|e| self.broken(e))
    }

    async fn mail(
        &mut self,
        command: &str,
        bytes_max: usize,
        basket: &mut impl Basket,
    ) -> Result<Fetched<()>, Fault> {
        match self.command(command).await? {
            Status::Ok => {
                self.wire.begin()?;
                let fetched = self.wire.dotted(bytes_max, basket).await?;
                // A line of a single dot within the mail, which the server did not double: what
                // came is not all of it.
                if !self.wire.is_over()
                    && matches!(self.wire.expect_quiet().await, Err(Fault::Protocol(_)))
                {
                    self.wire.begin()?;
                    return Err(Fault::Protocol("it goes on behind the end of a mail"));
                }
                Ok(fetched)
            }
            // Not gone: it is in the list. A locked card or a Konnektor at rest looks like this.
            Status::Err(text) => Ok(Fetched::Withheld { reply: self.presentable(&text) }),
            Status::Go => Err(Fault::Protocol("it answers a fetch with +")),
        }
    }

    /// Marks mails as deleted; counts only after [`Pop3::close`].
    pub(super) async fn delete(
        &mut self,
        keys: &[MailKey],
    ) -> Result<Vec<MailKey>, MailServerError> {
        let mut agreed = Vec::new();
        for key in keys {
            let Some(number) = self.number(key).await.map_err(|e| self.broken(e))? else {
                continue;
            };
            // A refusal for one mail is no reason to keep the others.
            let answer = self.command(&format!("DELE {number}")).await;
            if matches!(answer.map_err(|e| self.broken(e))?, Status::Ok) {
                agreed.push(key.clone());
            }
        }
        Ok(agreed)
    }

    /// QUIT. `Ok` means that the server took over every deletion (RFC 1939 §6); after any error
    /// each of them may or may not have happened (KIM-11).
    pub(super) async fn close(mut self) -> Result<(), MailServerError> {
        self.expect_ok("QUIT").await.map_err(|e| self.broken(e))?;
        if self.wire.has_more() {
            return Err(self.broken(Fault::Protocol("it answers what nobody asked")));
        }
        Ok(())
    }

    async fn number(&mut self, key: &MailKey) -> Result<Option<u32>, Fault> {
        if self.numbers.is_none() {
            self.unique_ids().await?;
        }
        Ok(self.numbers.as_ref().and_then(|numbers| numbers.get(key).copied()))
    }

    async fn expect_ok(&mut self, command: &str) -> Result<(), Fault> {
        match self.command(command).await? {
            Status::Ok => Ok(()),
            Status::Err(text) => Err(self.refused(&text)),
            Status::Go => Err(Fault::Protocol("it answers a command with +")),
        }
    }

    async fn command(&mut self, line: &str) -> Result<Status, Fault> {
        self.wire.begin()?;
        // If a server answers once too often, each of its answers would be taken for that of the
        // next command: a mail under another mail's name, a deletion that did not happen.
        self.wire.expect_quiet().await?;
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        self.status().await
    }

    async fn status(&mut self) -> Result<Status, Fault> {
        let line = text(&self.wire.line(LINE_MAX).await?);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let status = match word {
            _ if word.eq_ignore_ascii_case("+OK") => Status::Ok,
            _ if word.eq_ignore_ascii_case("-ERR") => Status::Err(rest.to_owned()),
            "+" => Status::Go,
            _ => return Err(Fault::Protocol("an answer begins with neither +OK nor -ERR")),
        };
        self.wire.answered();
        Ok(status)
    }

    fn refused(&self, text: &str) -> Fault {
        Fault::Refused { reply: self.presentable(text) }
    }

    fn presentable(&self, text: &str) -> String {
        presentable(&format!("-ERR {text}"), &self.names)
    }

    fn broken(&self, source: Fault) -> MailServerError {
        MailServerError::midway(&self.host, source)
    }
}

/// A line of UIDL: a mail's number and its name. A name with characters outside the protocol still
/// names the mail; a missing name does not.
fn unique_id(line: &[u8]) -> Option<(u32, MailKey)> {
    let (number, id) = line.split_at_checked(line.iter().position(|&byte| byte == b' ')?)?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    let id = id.trim_ascii();
    let named = std::str::from_utf8(id).ok().and_then(|id| MailKey::new(id).ok());
    match named {
        Some(key) => Some((number, key)),
        None if id.is_empty() => None,
        None => Some((number, MailKey::of_odd_name(id))),
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}
