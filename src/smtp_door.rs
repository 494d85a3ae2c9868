//! The door for fax servers in the house: SMTP or LMTP, straight into the database, without a mailbox.
//!
//! A shell. `dialogue` holds the protocol and decides who may deliver where; `connection` reads and writes
//! with limits; `guests` limits how many are here; `delivery` saves a mail while it arrives. A peer hears 250
//! only after the commit, and 4xx whenever the gateway cannot (FAX-15), so that it sends the mail again; a
//! mail that comes again is recognised (FAX-2).

mod connection;
mod delivery;
mod dialogue;
mod guests;
mod reply;
mod session;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::{Semaphore, watch},
};

use self::{
    guests::{DoorGuests, DoorSeat},
    reply::{DoorReply, crowded, stranger},
};
use crate::{
    channel::Entrance,
    model::ChannelName,
    relay::Ctx,
    transport::{DoorCertificate, DoorProtocol},
};

/// Mails that arrive at the same time. Each has up to two megabytes in memory for each channel it is for.
const MAILS_AT_ONCE: usize = 8;

/// How long a peer waits for its turn, before it is told to come back.
const TURN_WITHIN: Duration = Duration::from_secs(30);

/// What the door goes by.
#[derive(Debug, Clone)]
pub struct DoorRules {
    pub protocol: DoorProtocol,
    /// Whether a connection that is not from this machine needs TLS before MAIL.
    pub requires_tls: bool,
    pub offers_tls: bool,
    /// The largest mail, in bytes.
    pub bytes_max: u64,
    /// The channels whose letters come through this door.
    pub entrances: Vec<(ChannelName, Entrance)>,
}

/// The door, as long as the gateway has the database.
pub struct SmtpDoor {
    rules: DoorRules,
    certificate: Option<DoorCertificate>,
    /// TLS from the first byte on.
    is_implicit: bool,
    ctx: Arc<Ctx>,
    guests: DoorGuests,
    turns: Semaphore,
}

impl std::fmt::Debug for SmtpDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SmtpDoor({:?})", self.rules)
    }
}

/// A peer that was let in, until it is dropped.
#[derive(Debug)]
pub struct AdmittedPeer {
    address: IpAddr,
    seat: DoorSeat,
}

impl SmtpDoor {
    pub fn new(
        rules: DoorRules,
        certificate: Option<DoorCertificate>,
        is_implicit: bool,
        ctx: Arc<Ctx>,
    ) -> Self {
        let turns = Semaphore::new(MAILS_AT_ONCE);
        Self { rules, certificate, is_implicit, ctx, guests: DoorGuests::default(), turns }
    }

    /// Lets a peer in, or says what it is told before the connection is closed: nothing where TLS would have
    /// to come first.
    pub fn admit(&self, address: IpAddr) -> Result<AdmittedPeer, Vec<u8>> {
        let refuse = |reply: DoorReply| {
            if self.is_implicit { Vec::new() } else { reply.on_the_wire() }
        };
        let admitting = self.rules.entrances.iter().filter(|(_, way)| way.admits(address));
        // A peer that needs a login may be anybody.
        let (mut is_admitted, mut is_known) = (false, false);
        for (_, entrance) in admitting {
            is_admitted = true;
            is_known |= !entrance.peers.is_empty();
        }
        if !is_admitted {
            metrics::counter!("umstieg_deliveries_total", "result" => "stranger").increment(1);
            return Err(refuse(stranger()));
        }
        match self.guests.admit(address, is_known) {
            Some(seat) => Ok(AdmittedPeer { address, seat }),
            None => {
                metrics::counter!("umstieg_deliveries_total", "result" => "crowded").increment(1);
                Err(refuse(crowded()))
            }
        }
    }

    /// Speaks with a peer until one of them ends it.
    pub async fn attend(
        &self,
        peer: AdmittedPeer,
        stream: TcpStream,
        stopped: watch::Receiver<bool>,
    ) {
        session::hold(self, peer, stream, stopped).await;
    }
}
