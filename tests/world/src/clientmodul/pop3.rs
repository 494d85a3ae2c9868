//! The dialogue of POP3 (kim.md 1.5).
//!
//! Sizes and TOP are of the outer mail, RETR brings the one inside. Every failure is a bare `-ERR`.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    handed_out::handed_out,
    head,
    journal::LoginTry,
    login::{self, LoginOutcome},
    maildrop::MaildropMail,
    state::CmCore,
    switches::CmStep,
    talk::{CmEnd, CmTalk, UntilEnd},
    user_name::KimProtocol,
};

/// The maildrop is this session's alone until this value goes.
struct MaildropLock {
    core: Arc<CmCore>,
    address: String,
}

impl Drop for MaildropLock {
    fn drop(&mut self) {
        if let Some(known) = self.core.state().accounts.get_mut(&self.address) {
            known.maildrop.is_locked = false;
        }
        self.core.tick();
    }
}

/// A session that is logged in.
struct OpenMaildrop {
    lock: MaildropLock,
    /// As they were at the login; numbers in commands count from one.
    mails: Vec<MaildropMail>,
    /// Marked with DELE, by place.
    marked: BTreeSet<usize>,
}

struct Pop3Talk {
    talk: CmTalk,
    /// Of USER, which is `+OK` whatever it says.
    user: Option<String>,
    open: Option<OpenMaildrop>,
}

pub(super) async fn serve(talk: CmTalk) -> UntilEnd {
    let mut pop3 = Pop3Talk { talk, user: None, open: None };
    let greeting = |_: &mut CmTalk| b"+OK KOM-LE Clientmodul POP3\r\n".to_vec();
    pop3.talk.answer(CmStep::Pop3Greeting, "(connected)", None, greeting).await?;
    loop {
        let line = pop3.talk.line().await?;
        if pop3.talk.has_more() {
            // As in SMTP: CAPA does not list PIPELINING.
            pop3.talk.say(b"-ERR\r\n").await?;
            return Err(CmEnd);
        }
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = verb.to_ascii_uppercase();
        if verb == "STLS" && !pop3.talk.is_encrypted {
            pop3.talk.note(&verb);
            pop3.talk.say(b"+OK Begin TLS negotiation\r\n").await?;
            pop3 = Pop3Talk { talk: pop3.talk.encrypted().await?, user: None, open: None };
            continue;
        }
        match verb.as_str() {
            "CAPA" => pop3.capa().await?,
            "QUIT" => return pop3.quit().await,
            _ if pop3.open.is_some() => pop3.transaction(&verb, argument).await?,
            _ => pop3.authorization(&verb, argument).await?,
        }
    }
}

impl Pop3Talk {
    async fn capa(&mut self) -> UntilEnd {
        let mut lines = vec!["+OK", "TOP", "UIDL"];
        if self.talk.is_encrypted {
            lines.push("USER");
            if self.talk.core.switches().pop3_plain {
                lines.push("SASL PLAIN");
            }
        } else {
            lines.push("STLS");
        }
        let answer = format!("{}\r\n.\r\n", lines.join("\r\n"));
        self.talk.answer(CmStep::Capa, "CAPA", None, |_| answer.into_bytes()).await.map(drop)
    }

    async fn refuses(&mut self, verb: &str) -> UntilEnd {
        self.talk.note(verb);
        self.talk.say(b"-ERR\r\n").await
    }

    async fn authorization(&mut self, verb: &str, argument: &str) -> UntilEnd {
        if !self.talk.is_encrypted {
            return self.refuses(verb).await;
        }
        match verb {
            "USER" => {
                self.user = Some(argument.to_owned());
                self.talk.note(verb);
                self.talk.say(b"+OK\r\n").await
            }
            "PASS" => match self.user.take() {
                Some(user) => self.log_in(verb, "PASS", &user, argument).await,
                None => self.refuses(verb).await,
            },
            "AUTH" if self.talk.core.switches().pop3_plain => {
                let (mechanism, first) = argument.split_once(' ').unwrap_or((argument, ""));
                if !mechanism.eq_ignore_ascii_case("PLAIN") {
                    return self.refuses(verb).await;
                }
                let credentials = if first.is_empty() {
                    self.talk.say(b"+ \r\n").await?;
                    self.talk.line().await?
                } else {
                    first.to_owned()
                };
                match login::plain(&credentials) {
                    Some((user, password)) => self.log_in(verb, "PLAIN", &user, &password).await,
                    None => self.refuses(verb).await,
                }
            }
            _ => self.refuses(verb).await,
        }
    }

    async fn log_in(
        &mut self,
        verb: &str,
        mechanism: &str,
        user: &str,
        password: &str,
    ) -> UntilEnd {
        let mut open = None;
        let work = |talk: &mut CmTalk| {
            let outcome = login::log_in(&talk.core, KimProtocol::Pop3, user, password);
            let answer = match outcome {
                LoginOutcome::Welcome(address) => {
                    open = Some(OpenMaildrop::new(talk.core.clone(), address.clone()));
                    talk.account = Some(address);
                    "+OK"
                }
                LoginOutcome::InUse if talk.core.switches().in_use_code => {
                    "-ERR [IN-USE] Mailbox is locked by another POP3 session."
                }
                _ => "-ERR",
            };
            talk.core.note_login(LoginTry {
                protocol: KimProtocol::Pop3,
                address: user.split('#').next().unwrap_or_default().to_ascii_lowercase(),
                mechanism: mechanism.to_owned(),
                answer: answer.split(" Mailbox").next().unwrap_or_default().to_owned(),
            });
            format!("{answer}\r\n").into_bytes()
        };
        self.talk.answer(CmStep::Pop3Login, verb, None, work).await?;
        self.open = open;
        Ok(())
    }

    async fn transaction(&mut self, verb: &str, argument: &str) -> UntilEnd {
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut words = argument.split_ascii_whitespace();
        let place = words.next().and_then(|word| word.parse::<usize>().ok()?.checked_sub(1));
        let asked = place.and_then(|place| Some((place, open.mail(place)?.clone())));
        let uidl = asked.as_ref().map(|(_, mail)| mail.uidl.clone());
        let uidl = uidl.as_deref();
        let step = match verb {
            "STAT" => CmStep::Stat,
            "LIST" => CmStep::List,
            "UIDL" => CmStep::Uidl,
            "TOP" => CmStep::Top,
            "RETR" => CmStep::Retr,
            "DELE" => CmStep::Dele,
            "RSET" => CmStep::Rset,
            "NOOP" => CmStep::Noop,
            _ => return self.refuses(verb).await,
        };
        let has_argument = !argument.is_empty();
        let work = |talk: &mut CmTalk| match (step, asked) {
            (CmStep::Stat, _) => {
                let bytes: usize = open.there().map(|(_, mail)| mail.size()).sum();
                format!("+OK {} {bytes}\r\n", open.there().count()).into_bytes()
            }
            (CmStep::List, None) if !has_argument => open.listing(|mail| mail.size().to_string()),
            (CmStep::Uidl, None) if !has_argument => open.listing(|mail| mail.uidl.clone()),
            (CmStep::List, Some((at, mail))) => {
                format!("+OK {} {}\r\n", at + 1, mail.size()).into_bytes()
            }
            (CmStep::Uidl, Some((at, mail))) => {
                format!("+OK {} {}\r\n", at + 1, mail.uidl).into_bytes()
            }
            (CmStep::Top, Some((_, mail))) => open.top(talk, &mail),
            (CmStep::Retr, Some((_, mail))) => open.retr(talk, &mail),
            (CmStep::Dele, Some((at, mail))) => {
                open.marked.insert(at);
                talk.core.state().journal.use_of(&open.lock.address, &mail.uidl).dele += 1;
                b"+OK\r\n".to_vec()
            }
            (CmStep::Rset, _) => {
                open.marked.clear();
                b"+OK\r\n".to_vec()
            }
            (CmStep::Noop, _) => b"+OK\r\n".to_vec(),
            _ => b"-ERR\r\n".to_vec(),
        };
        self.talk.answer(step, verb, uidl, work).await.map(drop)
    }

    /// Only now the marked mails are deleted; a session that ends otherwise deletes nothing.
    async fn quit(mut self) -> UntilEnd {
        let open = self.open.take();
        let work = |_: &mut CmTalk| {
            if let Some(open) = &open {
                open.delete_marked();
            }
            drop(open);
            b"+OK\r\n".to_vec()
        };
        self.talk.answer(CmStep::Pop3Quit, "QUIT", None, work).await?;
        self.talk.close().await;
        Ok(())
    }
}

impl OpenMaildrop {
    fn new(core: Arc<CmCore>, address: String) -> Self {
        let lock = MaildropLock { core, address };
        let mut state = lock.core.state();
        let now = state.switches.time();
        let known = state.accounts.get_mut(&lock.address);
        let mails = known.map(|known| known.maildrop.mails(now)).unwrap_or_default();
        drop(state);
        Self { lock, mails, marked: BTreeSet::new() }
    }

    /// The mail at a place, unless it is marked or has vanished meanwhile.
    fn mail(&self, place: usize) -> Option<&MaildropMail> {
        let mail = self.mails.get(place).filter(|_| !self.marked.contains(&place))?;
        let state = self.lock.core.state();
        let is_there = state.accounts.get(&self.lock.address)?.maildrop.has(&mail.uidl);
        is_there.then_some(mail)
    }

    fn there(&self) -> impl Iterator<Item = (usize, &MaildropMail)> {
        (0..self.mails.len()).filter_map(|place| Some((place, self.mail(place)?)))
    }

    fn listing(&self, said: impl Fn(&MaildropMail) -> String) -> Vec<u8> {
        let lines = self.there().map(|(place, mail)| format!("{} {}\r\n", place + 1, said(mail)));
        format!("+OK\r\n{}.\r\n", lines.collect::<String>()).into_bytes()
    }

    /// The head of the outer mail, however many lines were asked for (A_2041).
    fn top(&self, talk: &CmTalk, mail: &MaildropMail) -> Vec<u8> {
        talk.core.state().journal.use_of(&self.lock.address, &mail.uidl).top += 1;
        let mail_head = match (&mail.recorded_head, &mail.outer) {
            (Some(recorded), _) => head::split(recorded).0,
            (None, Some(outer)) => outer.head.as_slice(),
            (None, None) => head::split(&mail.inner).0,
        };
        several(&[mail_head, b"\r\n"].concat())
    }

    fn retr(&self, talk: &CmTalk, mail: &MaildropMail) -> Vec<u8> {
        let mut state = talk.core.state();
        let all_as_read = state.switches.as_read.clone();
        let Some(known) = state.accounts.get(&self.lock.address) else {
            return b"-ERR\r\n".to_vec();
        };
        // As it is set now, which may be otherwise than at the login.
        let now = known.maildrop.find(&mail.uidl).and_then(|mail| mail.as_read.clone());
        let (card, konnektor) = (known.account.card, known.account.konnektor);
        state.journal.use_of(&self.lock.address, &mail.uidl).retr += 1;
        // A large mail takes its time, and others want to go on meanwhile.
        drop(state);
        let out = handed_out(mail, &now.unwrap_or(all_as_read), card, konnektor);
        if out.is_error {
            let mut state = talk.core.state();
            state.journal.use_of(&self.lock.address, &mail.uidl).unreadable += 1;
        }
        several(&out.bytes)
    }

    fn delete_marked(&self) {
        let mut state = self.lock.core.state();
        for mail in self.marked.iter().filter_map(|place| self.mails.get(*place)) {
            let known = state.accounts.get_mut(&self.lock.address);
            if known.is_some_and(|known| known.maildrop.remove(&mail.uidl)) {
                state.journal.use_of(&self.lock.address, &mail.uidl).deleted = true;
            }
        }
    }
}

/// An answer of several lines, up to its dot.
fn several(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len() + 64);
    out.extend(b"+OK\r\n");
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out.extend(b".\r\n");
    out
}
