//! The door for fax servers in the house: made from the settings, and served.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use socket2::SockRef;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use super::check::Finding;
use crate::{
    channel::{DeliveryProof, Entrance},
    config::{ListenerSettings, Settings},
    model::Clock,
    phrases::{AdminPhrase, Telling},
    relay::{Ctx, Intake},
    smtp_door::{DoorRules, SmtpDoor},
    transport::DoorTls,
};

/// Wait after a connection could not be taken, mostly because the process has no file descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// How long before its end a certificate is worth a note.
const RENEW_WITHIN: time::Duration = time::Duration::days(30);

/// How long a door that is open already may take to say that it is ours.
const GREETING_WITHIN: Duration = Duration::from_secs(5);

/// The door as the settings want it, for the channels whose letters come through it.
pub(super) fn made_from(listener: &ListenerSettings, ctx: &Arc<Ctx>) -> SmtpDoor {
    let entrance = |intake: &Intake| match intake {
        Intake::Door { entrance, .. } => Some(entrance.clone()),
        Intake::Mailbox(_) => None,
    };
    let entrances = ctx
        .channels
        .iter()
        .filter_map(|(name, line)| Some((name.clone(), entrance(&line.intake)?)))
        .collect();
    let rules = DoorRules {
        protocol: listener.protocol,
        requires_tls: matches!(listener.tls, DoorTls::StartTls | DoorTls::Implicit),
        offers_tls: matches!(listener.tls, DoorTls::StartTls | DoorTls::Optional),
        bytes_max: listener.mail_bytes_max,
        entrances,
    };
    let is_implicit = listener.tls == DoorTls::Implicit;
    SmtpDoor::new(rules, listener.certificate.clone(), is_implicit, ctx.clone())
}

/// Serves until told to stop; then what is under way is ended or broken off, and nothing new is taken.
pub(super) async fn serve(
    listener: TcpListener,
    door: Arc<SmtpDoor>,
    stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut told = stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The end of one connection is its own affair.
            Some(_) = connections.join_next() => continue,
            // An error means that the sender is gone: the gateway stops as well.
            _ = told.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, peer)) => match door.admit(peer.ip()) {
                Ok(admitted) => {
                    let (door, stopped) = (door.clone(), stopped.clone());
                    connections.spawn(async move { door.attend(admitted, stream, stopped).await });
                }
                // What was just connected has room for a line; nothing here waits for a stranger.
                Err(words) => {
                    let _ = SockRef::from(&stream).send(&words);
                }
            },
            Err(error) => {
                warn!(error = %error, "A connection of a fax server could not be taken");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// What `umstieg check` says of the door; nothing where there is none.
pub(super) async fn probe(settings: &Settings) -> Option<Finding> {
    let listener = settings.listener.as_ref()?;
    let what = AdminPhrase::TriedDoor;
    let address = listener.listen.to_string();
    let protection = Box::new(protection(listener));
    let detail = match TcpListener::bind(listener.listen).await {
        Ok(_) => AdminPhrase::DoorOpens { address, protection },
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            // A gateway runs.
            if !is_ours(listener.listen, listener.tls).await {
                return Some(Finding::fail(what, AdminPhrase::DoorTaken, AdminPhrase::ChooseDoor));
            }
            AdminPhrase::DoorIsOpen { address, protection }
        }
        Err(error) => {
            let detail = Telling::from(AdminPhrase::DoorClosed).because_of(&error);
            return Some(Finding::fail(what, detail, AdminPhrase::ChooseDoor));
        }
    };
    let ends = listener.certificate.as_ref().and_then(|certificate| certificate.valid_until);
    let now = Clock::of_the_machine().now();
    Some(match ends.filter(|ends| *ends < now + RENEW_WITHIN) {
        Some(ends) => {
            Finding::warn(what, detail, AdminPhrase::RenewCertificate { until: day(ends) })
        }
        None if is_exposed(listener) => Finding::warn(what, detail, AdminPhrase::DoorUnprotected),
        None => Finding::ok(what, detail),
    })
}

/// Whether faxes may cross a network in the clear.
fn is_exposed(listener: &ListenerSettings) -> bool {
    let is_plain = matches!(listener.tls, DoorTls::Optional | DoorTls::None);
    is_plain && !listener.listen.ip().to_canonical().is_loopback()
}

fn protection(listener: &ListenerSettings) -> AdminPhrase {
    let ends = listener.certificate.as_ref().and_then(|certificate| certificate.valid_until);
    let until = ends.map_or_else(|| "?".to_owned(), day);
    match listener.tls {
        DoorTls::None => AdminPhrase::DoorPlain,
        DoorTls::Optional => AdminPhrase::DoorMaySecure { until },
        DoorTls::StartTls | DoorTls::Implicit => AdminPhrase::DoorSecured { until },
    }
}

fn day(at: OffsetDateTime) -> String {
    at.date().to_string()
}

/// Whether what listens there greets as the door does. With TLS from the first byte on, that cannot be told
/// without the handshake; then it is taken for ours if it accepts the connection and stays silent.
async fn is_ours(listen: SocketAddr, tls: DoorTls) -> bool {
    let greeted = timeout(GREETING_WITHIN, async {
        let stream = TcpStream::connect(listen).await.ok()?;
        let mut line = String::new();
        if tls != DoorTls::Implicit {
            BufReader::new(stream).read_line(&mut line).await.ok()?;
        }
        Some(line)
    });
    match greeted.await {
        Ok(Some(_)) if tls == DoorTls::Implicit => true,
        // Also where it lets nobody in from here, or is full.
        Ok(Some(line)) => line.trim_end().ends_with("Umstieg") || line.contains("of Umstieg"),
        _ => false,
    }
}

/// Who may deliver to a channel, and what the proof is worth (FAX-12).
pub(super) fn who_may_deliver(entrance: &Entrance, what: AdminPhrase) -> Finding {
    let Entrance { peers, login, .. } = entrance;
    let peers = peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let user = login.as_ref().map(|login| login.user.clone()).unwrap_or_default();
    match entrance.proof() {
        DeliveryProof::Address => Finding::ok(what, AdminPhrase::InByAddress { peers }),
        DeliveryProof::Login => Finding::ok(what, AdminPhrase::InByLogin { user }),
        DeliveryProof::Both => Finding::ok(what, AdminPhrase::InByBoth { peers, user }),
    }
}
