//! A simulated Clientmodul: the box (or program) between a practice and KIM, by POP3 and SMTP over TLS.
//!
//! Stock mail servers cannot do what a Clientmodul does: it answers by the state of smart cards, shows
//! one mail at TOP and another at RETR, writes into mails, and tells of failures by mails in the
//! sender's name. This one does all of it, and everything that can go wrong goes wrong when a test
//! says so. It encrypts nothing: only that is different to whom it talks.
//!
//! Who wants to learn KIM may read the files in this order:
//! * [`user_name`]: the strange user names, and what they stand for
//! * [`account`]: accounts, cards, Konnektors, and what the directory knows
//! * `smtp` and its `submission`: the dialogue, and what becomes of a mail behind its final dot
//! * `outer`: the sealed mail around a mail
//! * `pop3`, `maildrop`: the dialogue, and what lies at the Fachdienst
//! * [`handed_out`]: what RETR makes of a mail: results, notes, warnings, error mails
//! * [`reports`], [`ready_made`]: mails of machines, and mails of all kinds to begin with
//! * [`switches`]: how it is set up, and what goes wrong when
//! * [`journal`]: what was asked of it
//! * [`control`]: orders from outside
//!
//! ```no_run
//! # use umstieg_world::clientmodul::*;
//! # async fn example() -> umstieg_world::Result<()> {
//! let cm = Clientmodul::start().await?;
//! cm.add_account(KimAccount::new("praxis@mueller.kim.telematik", "geheim"));
//! let mail = ready_made::chat("klinik@nord.kim.telematik", "praxis@mueller.kim.telematik", "Befund", "1@kim.local", "Guten Tag");
//! let uidl = cm.deliver("praxis@mueller.kim.telematik", KimDelivery::sealed(&mail))?;
//! cm.set_card("praxis@mueller.kim.telematik", CardState::Locked)?;
//! cm.goes_wrong(MishapRule::once(CmStep::EndOfData, Mishap::HangUpUnanswered));
//! // … the gateway talks to cm.ports().pop3s and cm.ports().smtps, trusting cm.pin() …
//! cm.until("the mail is deleted", |it| it.mail("praxis@mueller.kim.telematik", &uidl).deleted).await?;
//! # Ok(())
//! # }
//! ```

pub mod account;
pub mod control;
pub mod handed_out;
pub mod journal;
pub mod ready_made;
pub mod reports;
pub mod state;
pub mod switches;
pub mod user_name;

mod certificate;
mod head;
mod login;
mod maildrop;
mod outer;
mod pop3;
mod smtp;
mod talk;

use std::{ops::Deref, sync::Arc};

use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use self::talk::CmTalk;
pub use self::{
    account::{CardState, KimAccount, KonnektorState, RecipientState},
    handed_out::{AsRead, IntegrityForm, NoteForm, ReadTrouble},
    journal::{CmJournal, MailUse, Submission},
    reports::{DsnFacts, DsnForm, NotSentTo},
    state::{CmCore, KimDelivery},
    switches::{AuthMechanism, CmStep, Mishap, MishapRule, RecipientCheck, Switches},
    user_name::{KimProtocol, NameGrammar},
};
use crate::error::{Result, WorldError};

/// The doors of a Clientmodul, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CmPorts {
    /// SMTP, TLS from the first byte.
    pub smtps: u16,
    /// SMTP that offers AUTH only after STARTTLS.
    pub smtp_starttls: u16,
    /// POP3, TLS from the first byte.
    pub pop3s: u16,
    /// POP3 that takes a login only after STLS.
    pub pop3_stls: u16,
    /// Orders ([`control`]).
    pub control: u16,
}

/// A running Clientmodul. Ends with this value, and all its sessions with it.
#[derive(Debug)]
pub struct Clientmodul {
    core: Arc<CmCore>,
    ports: CmPorts,
    _doors: JoinSet<()>,
}

impl Clientmodul {
    /// Starts on free ports of loopback, without accounts.
    ///
    /// # Errors
    /// When there are no ports, or no certificate can be made.
    pub async fn start() -> Result<Self> {
        let core = Arc::new(CmCore::new()?);
        let mut doors = JoinSet::new();
        let ports = CmPorts {
            smtps: open(&mut doors, &core, CmDoor::Mail(KimProtocol::Smtp, true)).await?,
            smtp_starttls: open(&mut doors, &core, CmDoor::Mail(KimProtocol::Smtp, false)).await?,
            pop3s: open(&mut doors, &core, CmDoor::Mail(KimProtocol::Pop3, true)).await?,
            pop3_stls: open(&mut doors, &core, CmDoor::Mail(KimProtocol::Pop3, false)).await?,
            control: open(&mut doors, &core, CmDoor::Control).await?,
        };
        Ok(Self { core, ports, _doors: doors })
    }

    pub fn ports(&self) -> CmPorts {
        self.ports
    }
}

impl Deref for Clientmodul {
    type Target = CmCore;

    fn deref(&self) -> &CmCore {
        &self.core
    }
}

/// What a port is for.
#[derive(Clone, Copy)]
enum CmDoor {
    /// And whether TLS begins with the first byte.
    Mail(KimProtocol, bool),
    Control,
}

async fn open(doors: &mut JoinSet<()>, core: &Arc<CmCore>, door: CmDoor) -> Result<u16> {
    let failed = |error| WorldError::io("listen as a Clientmodul", error);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let core = core.clone();
    doors.spawn(async move {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, _)) => drop(sessions.spawn(serve(door, tcp, core.clone()))),
                    Err(_) => return,
                },
                // Else the ended ones would stay for as long as the door.
                Some(_) = sessions.join_next() => {}
            }
        }
    });
    Ok(port)
}

/// A session to its end, whichever way that comes.
async fn serve(door: CmDoor, tcp: TcpStream, core: Arc<CmCore>) {
    let CmDoor::Mail(protocol, is_implicit) = door else { return control::serve(tcp, core).await };
    let talk = CmTalk::new(tcp, core, protocol);
    let talk = if is_implicit { talk.encrypted().await } else { Ok(talk) };
    if let Ok(talk) = talk {
        let ended = match protocol {
            KimProtocol::Smtp => smtp::serve(talk).await,
            KimProtocol::Pop3 => pop3::serve(talk).await,
        };
        drop(ended);
    }
}
