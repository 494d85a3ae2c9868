//! A mailbox that misbehaves as its script says, over POP3 and IMAP.
//!
//! Real servers do what they should. This one breaks off, stays silent, refuses, or says something
//! else at the commands a test names, for all mails or for one; everything else it does as
//! correctly as necessary. It tells what it was asked for, and what it deleted.

mod imap;
mod pop3;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

use crate::error::{Result, WorldError};

/// What a server does instead of what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// It closes the connection without a word.
    HangUp,
    /// It begins its answer and closes the connection in the middle.
    BreakOff,
    /// It says nothing, for as long as the connection lasts.
    Silence,
    /// It begins its answer and says nothing more.
    Stall,
    /// `-ERR`, `NO`.
    Refuse,
    /// It calls it a success and brings nothing.
    Nothing,
    /// Its lines end with a line feed alone.
    BareLineFeeds,
    /// Bytes that belong to no protocol.
    Garbage,
    /// It says goodbye (`* BYE`, `-ERR closing`) and closes the connection.
    Bye,
    /// It goes on and on: a line, a list or a mail without end.
    Endless,
    /// It says byte after byte, a moment between them, and comes to no end.
    Trickle,
    /// Exactly these bytes.
    Say(Vec<u8>),
}

/// When it misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MisdeedRule {
    /// As `RETR`, `UID FETCH BODY`; in capitals.
    command: String,
    /// For the mail of this name only; else whichever mail it is.
    mail: Option<String>,
    misdeed: Misdeed,
    /// This many times, then no more; `None`: always.
    times: Option<u32>,
}

/// The mailbox's contents and what was done to it.
#[derive(Debug, Default)]
struct MisbehavingState {
    /// Name (the UIDL, or the UID) and bytes.
    mails: Vec<(String, Vec<u8>)>,
    /// UIDVALIDITY.
    validity: u32,
    rules: Vec<MisdeedRule>,
    /// Every command, with the name of the mail it is about.
    asked: Vec<(String, Option<String>)>,
    /// Name and bytes of what was really deleted.
    deleted: Vec<(String, Vec<u8>)>,
    /// Gives each mail a new name in every session.
    names_anew: bool,
    /// Says that a deletion was done, and keeps the mail.
    keeps_deleted: bool,
    sessions: u32,
}

/// The server. Ends with this value.
#[derive(Debug)]
pub struct Misbehaving {
    port: u16,
    state: Arc<Mutex<MisbehavingState>>,
    _server: JoinSet<()>,
}

/// Which protocol it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Pop3,
    Imap,
}

impl Misbehaving {
    /// Starts on a free port of loopback, without TLS. Any login will do.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(protocol: Protocol, mails: &[(&str, &[u8])]) -> Result<Self> {
        let failed = |error| WorldError::io("listen as a mail server", error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let mails = mails.iter().map(|(name, mail)| ((*name).to_owned(), mail.to_vec())).collect();
        let state = Arc::new(Mutex::new(MisbehavingState {
            mails,
            validity: 7,
            ..MisbehavingState::default()
        }));
        let shared = state.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let session = MisbehavingSession::new(connection, shared.clone());
                sessions.spawn(async move {
                    // The end of a session does not matter, whichever way it came.
                    match protocol {
                        Protocol::Pop3 => drop(pop3::serve(session).await),
                        Protocol::Imap => drop(imap::serve(session).await),
                    }
                });
            }
        });
        Ok(Self { port, state, _server: server })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Misbehaves at a command from now on; with `mail`, only at this one.
    pub fn does(&self, command: &str, mail: Option<&str>, misdeed: Misdeed) {
        self.adds(command, mail, misdeed, None);
    }

    /// The same, this many times.
    pub fn does_times(&self, times: u32, command: &str, mail: Option<&str>, misdeed: Misdeed) {
        self.adds(command, mail, misdeed, Some(times));
    }

    fn adds(&self, command: &str, mail: Option<&str>, misdeed: Misdeed, times: Option<u32>) {
        let (command, mail) = (command.to_owned(), mail.map(str::to_owned));
        self.state().rules.push(MisdeedRule { command, mail, misdeed, times });
    }

    /// Behaves from now on.
    pub fn behaves(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.names_anew = false;
        state.keeps_deleted = false;
    }

    /// Gives each mail a new name in every session from now on.
    pub fn names_anew(&self) {
        self.state().names_anew = true;
    }

    /// Says that deletions were done, and keeps the mails, from now on.
    pub fn keeps_deleted(&self) {
        self.state().keeps_deleted = true;
    }

    /// Replaces the mails that are there with others.
    pub fn holds(&self, mails: &[(&str, &[u8])]) {
        let mails = mails.iter().map(|(name, mail)| ((*name).to_owned(), mail.to_vec())).collect();
        self.state().mails = mails;
    }

    pub fn add(&self, name: &str, mail: &[u8]) {
        self.state().mails.push((name.to_owned(), mail.to_vec()));
    }

    /// How often a command was heard, about this mail or about any.
    pub fn was_asked(&self, command: &str, mail: Option<&str>) -> usize {
        let state = self.state();
        let is_meant = |(asked, about): &&(String, Option<String>)| {
            asked == command && (mail.is_none() || about.as_deref() == mail)
        };
        state.asked.iter().filter(is_meant).count()
    }

    /// The mails that were really deleted.
    pub fn deleted(&self) -> Vec<(String, Vec<u8>)> {
        self.state().deleted.clone()
    }

    /// The names of the mails that are there.
    pub fn names(&self) -> Vec<String> {
        self.state().mails.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn sessions(&self) -> u32 {
        self.state().sessions
    }

    fn state(&self) -> MutexGuard<'_, MisbehavingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, and what the mailbox held when it came.
struct MisbehavingSession {
    reading: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
    state: Arc<Mutex<MisbehavingState>>,
    /// Name and bytes; a mailbox does not change under a POP3 session.
    mails: Vec<(String, Vec<u8>)>,
    number: u32,
}

/// The session is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

type UntilOver<T = ()> = std::result::Result<T, Over>;

impl MisbehavingSession {
    fn new(connection: TcpStream, state: Arc<Mutex<MisbehavingState>>) -> Self {
        let (reading, writing) = connection.into_split();
        let mut shared = state.lock().unwrap_or_else(PoisonError::into_inner);
        shared.sessions += 1;
        let (mails, number) = (shared.mails.clone(), shared.sessions);
        drop(shared);
        Self { reading: BufReader::new(reading), writing, state, mails, number }
    }

    fn state(&self) -> MutexGuard<'_, MisbehavingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server calls a mail in this session.
    fn name(&self, place: usize) -> String {
        let name = self.mails.get(place).map(|(name, _)| name.clone()).unwrap_or_default();
        if self.state().names_anew { format!("{name}-{}", self.number) } else { name }
    }

    async fn line(&mut self) -> UntilOver<String> {
        let mut line = Vec::new();
        if self.reading.read_until(b'\n', &mut line).await? == 0 {
            return Err(Over);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn say(&mut self, bytes: &[u8]) -> UntilOver {
        self.writing.write_all(bytes).await?;
        Ok(self.writing.flush().await?)
    }

    /// Notes a command and answers it: as it should, or as the script has it.
    ///
    /// `refusal`, `nothing` and `bye` are what the protocol has for it.
    async fn answer(
        &mut self,
        command: &str,
        mail: Option<&str>,
        answer: PossibleAnswers,
    ) -> UntilOver {
        let misdeed = {
            let mut state = self.state();
            state.asked.push((command.to_owned(), mail.map(str::to_owned)));
            let fits = |rule: &&mut MisdeedRule| {
                rule.command == command
                    && (rule.mail.is_none() || rule.mail.as_deref() == mail)
                    && rule.times != Some(0)
            };
            state.rules.iter_mut().find(fits).map(|rule| {
                rule.times = rule.times.map(|times| times.saturating_sub(1));
                rule.misdeed.clone()
            })
        };
        let Some(misdeed) = misdeed else { return self.say(&answer.right).await };
        let half = answer.right.get(..answer.right.len() / 2).unwrap_or_default().to_vec();
        match misdeed {
            Misdeed::HangUp => Err(Over),
            Misdeed::BreakOff => {
                self.say(&half).await?;
                Err(Over)
            }
            Misdeed::Silence => self.rests().await,
            Misdeed::Stall => {
                self.say(&half).await?;
                self.rests().await
            }
            Misdeed::Refuse => self.say(&answer.refusal).await,
            Misdeed::Nothing => self.say(&answer.nothing).await,
            Misdeed::BareLineFeeds => {
                let bare: Vec<u8> =
                    answer.right.iter().copied().filter(|byte| *byte != b'\r').collect();
                self.say(&bare).await
            }
            Misdeed::Garbage => {
                self.say(b"\x00\xff\xfe{}\x1b[2J)(* 99 %s\r\n\x80\x81\r\n").await?;
                self.rests().await
            }
            Misdeed::Bye => {
                self.say(&answer.bye).await?;
                Err(Over)
            }
            Misdeed::Endless => {
                self.say(&half).await?;
                loop {
                    self.say(&b"1 x\r\n".repeat(10_000)).await?;
                }
            }
            Misdeed::Trickle => {
                self.say(&half).await?;
                loop {
                    self.say(b"x").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Misdeed::Say(bytes) => self.say(&bytes).await,
        }
    }

    /// Says nothing until the other side has had enough.
    async fn rests(&mut self) -> UntilOver {
        while self.line().await.is_ok() {}
        Err(Over)
    }
}

/// A right answer, and the other things a server may say instead.
struct PossibleAnswers {
    right: Vec<u8>,
    refusal: Vec<u8>,
    nothing: Vec<u8>,
    bye: Vec<u8>,
}
