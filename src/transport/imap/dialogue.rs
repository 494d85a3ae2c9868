//! Commands and their answers, with the limits of both.

use std::panic::catch_unwind;

use imap_proto::{MailboxDatum, Response, Status};

use super::Imap;
use crate::transport::{error::MailServerError, fetched::Basket, reply::presentable, wire::Fault};

/// The longest line of an answer, and the most of all its lines together, in bytes: a SEARCH names all
/// mails in one line, and this is room for half a million of them.
pub(super) const LINE_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of literals that are kept in an answer, and of all literals of one that brings no
/// mail.
pub(super) const LITERALS_MAX: usize = 64 * 1024;

/// Most answers to one command. A server may add what changed meanwhile, but not for ever.
pub(super) const ANSWERS_MAX: usize = 1_000_000;

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Features {
    pub(super) start_tls: bool,
    pub(super) login_disabled: bool,
    pub(super) auth_plain: bool,
    pub(super) uid_plus: bool,
    pub(super) idle: bool,
}

/// How a command ended.
pub(super) struct Done {
    pub(super) status: Status,
    /// The whole line, for its codes.
    pub(super) line: String,
}

impl Imap {
    pub(super) async fn run(&mut self, command: &str) -> Result<(), Fault> {
        let done = self.command(command, None, LITERALS_MAX, |_| {}).await?;
        self.expect_ok(done)
    }

    pub(super) fn expect_ok(&self, done: Done) -> Result<(), Fault> {
        if done.status == Status::Ok { Ok(()) } else { Err(self.refused(&done.line)) }
    }

    /// Sends a command and reads all answers to it. `secret` is what follows when the server asks
    /// for more.
    pub(super) async fn command(
        &mut self,
        command: &str,
        secret: Option<&str>,
        literals_max: usize,
        mut each: impl FnMut(Response<'_>),
    ) -> Result<Done, Fault> {
        let none = &mut Spill::none();
        self.command_into(command, secret, literals_max, none, |answer, _| each(answer)).await
    }

    /// The same, with long literals put where `spill` says. `each` learns how many of its literals
    /// an answer has lost in this way.
    pub(super) async fn command_into<B: Basket>(
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

    pub(super) async fn until_done<B: Basket>(
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
                // What the grammar does not know may be skipped, unless it is what we asked for: an
                // unreadable list of mails is not an empty one.
                None if is_wanted(&frame) => {
                    return Err(Fault::Protocol("an answer that cannot be read"));
                }
                None => {}
            }
        }
        Err(Fault::TooMuch("answers without end"))
    }

    /// Keeps up with what the server says unasked.
    pub(super) fn note(&mut self, answer: &Response<'_>) -> Result<(), Fault> {
        match answer {
            Response::MailboxData(MailboxDatum::Exists(now)) => {
                // The first count comes with SELECT; a key list follows in any case.
                self.has_news |= *now > self.exists;
                self.exists = *now;
            }
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            // Ends the session, and says so even in the middle of LOGOUT: nothing follows.
            Response::Data { status: Status::Bye, .. } => return Err(Fault::Closed),
            _ => {}
        }
        Ok(())
    }

    /// One answer: a line, and the literals within it, with a CRLF at its end. Long literals are
    /// spilled, and are empty in it.
    pub(super) async fn frame<B: Basket>(
        &mut self,
        literals_max: usize,
        spill: &mut Spill<'_, B>,
    ) -> Result<Vec<u8>, Fault> {
        let mut frame = Vec::new();
        let (mut lines, mut literals, mut kept) = (0_usize, 0_usize, 0_usize);
        loop {
            let line = self.wire.line(LINE_MAX - lines).await?;
            lines = lines.saturating_add(line.len() + 2).min(LINE_MAX);
            let literal = announced(&line);
            frame.extend(line);
            frame.extend(b"\r\n");
            let Some(count) = literal.filter(|_| has_literals(&frame)) else { return Ok(frame) };
            literals = literals.saturating_add(count);
            if literals > literals_max {
                return Err(Fault::TooMuch("a text of more bytes than allowed"));
            }
            let Some(basket) = spill.basket.as_mut().filter(|_| count >= SPILL_BYTES) else {
                kept = kept.saturating_add(count);
                if kept > LITERALS_MAX {
                    return Err(Fault::Protocol("it sent many texts in one answer"));
                }
                self.wire.exactly(count, &mut frame).await?;
                continue;
            };
            // Only one is asked for, and what was kept of it cannot be taken back.
            if spill.count > 0 {
                return Err(Fault::Protocol("it sent a long text nobody asked for"));
            }
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

    pub(super) fn next_tag(&mut self) -> String {
        self.last_tag += 1;
        format!("u{}", self.last_tag)
    }

    pub(super) fn refused(&self, line: &str) -> Fault {
        Fault::Refused { reply: self.presentable(line) }
    }

    /// Without the tag, which says nothing.
    pub(super) fn presentable(&self, line: &str) -> String {
        let text = line.split_once(' ').map_or(line, |(_, text)| text);
        presentable(text, &self.names)
    }

    pub(super) fn broken(&self, source: Fault) -> MailServerError {
        MailServerError::midway(&self.host, source)
    }
}

impl Features {
    /// Read by hand: the grammar wants `IMAP4rev1` in the list, which an IMAP4rev2 server may leave
    /// out.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
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
    /// RFC 5530: codes of problems that pass by themselves.
    pub(super) fn says_later(&self) -> bool {
        let line = self.line.to_ascii_uppercase();
        let is_later = |code| line.contains(code);
        self.status != Status::Ok
            && ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"].into_iter().any(is_later)
    }
}

/// How the command of this tag ended, if this is its last answer. Read by hand, because a text
/// outside the grammar (a latin-1 apology) must not make us wait for ever.
pub(super) fn done(frame: &[u8], tag: &str) -> Option<Status> {
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

/// Reads an answer; `None` for what the grammar does not know. imap-proto 0.17 panics at some answers:
/// a text of other letters right after a code, an `INTERNALDATE` that is none, an `ID` without a value.
pub(super) fn parse(frame: &[u8]) -> Option<Response<'_>> {
    catch_unwind(|| Response::parse(frame)).ok()?.ok().map(|(_, answer)| answer)
}

/// From this length on a mail is not read as a part of its answer.
pub(super) const SPILL_BYTES: usize = 64 * 1024;

/// Where long literals go.
pub(super) struct Spill<'b, B> {
    /// Nowhere: they stay in their answer.
    pub(super) basket: Option<&'b mut B>,
    /// How many went there.
    pub(super) count: usize,
    /// The basket could not keep one.
    pub(super) is_lost: bool,
}

impl Spill<'static, Vec<u8>> {
    pub(super) fn none() -> Self {
        Self { basket: None, count: 0, is_lost: false }
    }
}

/// How many bytes a line's end announces: `{12}`, `{12+}`.
pub(super) fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&byte| byte == b'{')?;
    let digits = inner.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether an answer can hold a literal: the free text of a status line may end in any way.
pub(super) fn has_literals(frame: &[u8]) -> bool {
    let second = frame.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let is_status = ["OK", "NO", "BAD", "BYE", "PREAUTH"]
        .iter()
        .any(|word| second.eq_ignore_ascii_case(word.as_bytes()));
    frame.starts_with(b"* ") && !is_status
}

pub(super) fn is_wanted(frame: &[u8]) -> bool {
    let mut words = frame.split(|&byte| byte == b' ' || byte == b'\r').skip(1);
    let is = |word: Option<&[u8]>, name: &str| {
        word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let first = words.next();
    is(first, "SEARCH") || is(first, "ESEARCH") || is(words.next(), "FETCH")
}

pub(super) fn line(frame: &[u8]) -> String {
    String::from_utf8_lossy(frame).trim_end().to_owned()
}

/// RFC 3501 §4.3. Line ends were refused with the settings.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of them makes imap-proto 0.17 panic.
    #[test]
    fn what_the_grammar_trips_over_cannot_be_read() {
        for frame in [
            "* OK [ALERT]\u{c4}mulett\r\n",
            "* 1 FETCH (INTERNALDATE NIL)\r\n",
            "* OK [ALERT]\u{fffd}\r\n",
        ] {
            assert_eq!(parse(frame.as_bytes()), None, "{frame}");
        }
        assert!(parse(b"* OK [ALERT] ready\r\n").is_some());
        assert!(parse("* OK Grüße\r\n".as_bytes()).is_some());
    }
}
