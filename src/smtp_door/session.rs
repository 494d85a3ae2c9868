//! One connection from its greeting to its end.

use std::time::Duration;

use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    AdmittedPeer, SmtpDoor, TURN_WITHIN,
    connection::{DoorConnection, DoorIo, HeardLine, MailEnd},
    delivery::Delivery,
    dialogue::{DoorDialogue, DoorTurn},
    reply::{
        DoorReply, busy, crowded, empty_mail, line_too_long, not_a_line, stopping, too_large,
        too_slow,
    },
};
use crate::transport::{DoorCertificate, DoorProtocol};

/// How long a failed login waits for its answer.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// How long the network may try to bring an answer to a peer.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// Speaks with a peer until one of them ends it.
pub(super) async fn hold(
    door: &SmtpDoor,
    peer: AdmittedPeer,
    stream: TcpStream,
    stopped: watch::Receiver<bool>,
) {
    // Without them the limits of time still hold.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(ARRIVES_WITHIN));
    let _ = stream.set_nodelay(true);
    let mut told = stopped.clone();
    let connection = match (&door.certificate, door.is_implicit) {
        (Some(certificate), true) => {
            match secured(&peer, certificate, Box::new(stream), &mut told).await {
                Some(secured) => secured,
                None => return,
            }
        }
        _ => DoorConnection::new(Box::new(stream)),
    };
    let dialogue = DoorDialogue::new(&door.rules, peer.address, door.is_implicit);
    let mut session = DoorSession { door, peer, dialogue, stopped };
    session.run(connection).await;
}

/// The connection after the handshake; nothing if there was none, another peer needs the seat, or the
/// gateway stops.
async fn secured(
    peer: &AdmittedPeer,
    certificate: &DoorCertificate,
    io: Box<dyn DoorIo>,
    stopped: &mut watch::Receiver<bool>,
) -> Option<DoorConnection> {
    let accepted = tokio::select! {
        accepted = certificate.accept(io) => accepted,
        () = peer.seat.is_needed() => return None,
        _ = stopped.wait_for(|stopped| *stopped) => return None,
    };
    match accepted {
        Ok(secured) => Some(DoorConnection::new(Box::new(secured))),
        Err(fault) => {
            debug!(error = %fault, "A fax server did not agree to TLS");
            None
        }
    }
}

/// The connection is over.
struct HungUp;

/// Somebody may wonder where a fax is.
fn note_refusal(reply: &DoorReply) {
    if reply.keeps_a_mail_out() {
        metrics::counter!("umstieg_deliveries_total", "result" => "refused").increment(1);
        warn!(reply.code = reply.code, "A fax server was refused: {}", reply.words());
    }
}

struct DoorSession<'d> {
    door: &'d SmtpDoor,
    peer: AdmittedPeer,
    dialogue: DoorDialogue<'d>,
    stopped: watch::Receiver<bool>,
}

impl DoorSession<'_> {
    async fn run(&mut self, mut connection: DoorConnection) {
        if connection.say(&self.dialogue.greeting()).await.is_err() {
            return;
        }
        loop {
            self.peer.seat.has_mail(self.dialogue.is_under_way());
            let turn = self.next(&mut connection).await;
            // Before the peer hears that its mail is under way, nobody may take its seat.
            self.peer.seat.has_mail(self.dialogue.is_under_way());
            let said = match turn {
                Some(DoorTurn::Say(reply)) => {
                    note_refusal(&reply);
                    connection.say(&reply).await
                }
                Some(DoorTurn::SayLater(reply)) => {
                    note_refusal(&reply);
                    sleep(LOGIN_PAUSE).await;
                    connection.say(&reply).await
                }
                Some(DoorTurn::TakeMail) => match self.take_mail(&mut connection).await {
                    Ok(()) => Ok(()),
                    Err(HungUp) => return,
                },
                Some(DoorTurn::Secure(reply)) => match self.secure(connection, &reply).await {
                    Some(secured) => {
                        connection = secured;
                        Ok(())
                    }
                    None => return,
                },
                Some(DoorTurn::End(reply)) => {
                    // It ends either way.
                    let _ = connection.say(&reply).await;
                    return;
                }
                None => return,
            };
            if said.is_err() {
                return;
            }
        }
    }

    /// What follows from the next line; nothing when the peer is gone.
    async fn next(&mut self, connection: &mut DoorConnection) -> Option<DoorTurn> {
        let heard = tokio::select! {
            heard = connection.line() => heard,
            () = self.peer.seat.is_needed() => return Some(DoorTurn::End(crowded())),
            // An error means that the sender is gone: the gateway stops as well.
            _ = self.stopped.wait_for(|stopped| *stopped) => {
                return Some(DoorTurn::End(stopping()));
            }
        };
        Some(match heard {
            HeardLine::Line(line) => self.dialogue.hear(&line),
            HeardLine::TooLong => self.dialogue.refused(line_too_long()),
            HeardLine::BareLineFeed => self.dialogue.refused(not_a_line()),
            HeardLine::Slow => DoorTurn::End(too_slow()),
            HeardLine::Gone => return None,
        })
    }

    async fn secure(
        &mut self,
        mut connection: DoorConnection,
        reply: &DoorReply,
    ) -> Option<DoorConnection> {
        let certificate = self.door.certificate.as_ref()?;
        connection.say(reply).await.ok()?;
        let bare = connection.into_bare();
        let secured = secured(&self.peer, certificate, bare, &mut self.stopped).await?;
        self.dialogue.is_secured();
        Some(secured)
    }

    /// Takes a mail, saves it while it comes, and says what became of it.
    async fn take_mail(&mut self, connection: &mut DoorConnection) -> Result<(), HungUp> {
        let Some(envelope) = self.dialogue.take_envelope() else { return Err(HungUp) };
        let Ok(Ok(_turn)) = timeout(TURN_WITHIN, self.door.turns.acquire()).await else {
            return connection.say(&busy()).await.map_err(|_| HungUp);
        };
        let go_on = DoorReply::bare(354, vec!["End with a line of a single dot".to_owned()]);
        connection.say(&go_on).await.map_err(|_| HungUp)?;
        let mut delivery = Delivery::begin(self.door, &envelope);
        let end = connection.mail(self.door.rules.bytes_max, &mut delivery).await;
        let (reply, result) = match end {
            MailEnd::Whole => return self.keep(connection, delivery).await,
            MailEnd::Empty => (Some(empty_mail()), "empty"),
            MailEnd::TooLarge | MailEnd::Endless => (Some(too_large()), "too_large"),
            MailEnd::Slow => (Some(too_slow()), "too_slow"),
            MailEnd::Gone => (None, "broken_off"),
        };
        metrics::counter!("umstieg_deliveries_total", "result" => result).increment(1);
        warn!(result, "A mail of a fax server was not taken");
        delivery.discard().await;
        let Some(reply) = reply else { return Err(HungUp) };
        self.answer(connection, &vec![reply; envelope.recipients.len()]).await?;
        match end {
            MailEnd::Empty | MailEnd::TooLarge => Ok(()),
            _ => Err(HungUp),
        }
    }

    async fn keep(
        &self,
        connection: &mut DoorConnection,
        delivery: Delivery<'_>,
    ) -> Result<(), HungUp> {
        let replies = delivery.keep().await;
        self.answer(connection, &replies).await
    }

    /// `replies`: one for each recipient. SMTP has one for all: the worst, so that 250 means that every
    /// channel has the mail. What one of them has is recognised when the mail comes again.
    async fn answer(
        &self,
        connection: &mut DoorConnection,
        replies: &[DoorReply],
    ) -> Result<(), HungUp> {
        match self.door.rules.protocol {
            DoorProtocol::Lmtp => {
                for reply in replies {
                    connection.say(reply).await.map_err(|_| HungUp)?;
                }
                Ok(())
            }
            DoorProtocol::Smtp => {
                let Some(worst) = replies.iter().max_by_key(|reply| reply.code) else {
                    return Err(HungUp);
                };
                connection.say(worst).await.map_err(|_| HungUp)
            }
        }
    }
}
