//! Opens a door, and makes sure that no connection stays in it for ever.
//!
//! Requests and answers are the matter of `http`; this module limits how many may ask at once, and
//! how long they may take until they have asked. Every client is a stranger until the head of its
//! request is there.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, warn};

/// Connections of one door at a time. A homeserver needs a handful, a monitor one. When the door is
/// full, the connection that has waited longest without asking anything is closed, so that strangers
/// who hold connections open keep no client out.
const CONNECTIONS_MAX: usize = 128;

/// How long the head of a request may take, from the connection or the earlier request on. Also the
/// longest time a connection may stay open without asking anything.
const HEAD_WITHIN: Duration = Duration::from_secs(20);

/// Longest head. A homeserver's is far below 4 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long an answer may stay unread by its receiver.
const READS_WITHIN: Duration = Duration::from_secs(30);

/// Wait after a connection could not be taken, mostly because the process has no file descriptors
/// left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// A port that is ours from the start of the process to its end, whichever life serves it.
#[derive(Debug)]
pub(super) struct Door {
    listener: std::net::TcpListener,
    pub(super) address: SocketAddr,
}

impl Door {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, address })
    }

    /// For the life that serves it now.
    pub(super) fn listener(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.listener.try_clone()?)
    }
}

/// Serves until told to stop; then ends the requests under way, and takes nothing new.
pub(super) async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let guests = Guests::default();
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
            Ok((stream, _)) => {
                // Otherwise no connection can make room, and this one is dropped.
                if let Some(seat) = guests.admit() {
                    connections.spawn(attend(stream, router.clone(), seat, stopped.clone()));
                }
            }
            Err(error) => {
                warn!(error = %error, "A connection could not be taken");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn attend(stream: TcpStream, router: Router, seat: Seat, mut stopped: watch::Receiver<bool>) {
    // A connection whose setup fails here is still limited by the time for its next head.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(READS_WITHIN));
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let guest = seat.guest.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let asking = guest.asks();
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(asking);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(error = %error, "A connection ended");
                }
                return;
            }
            () = seat.guest.is_asked_to_leave() => return,
            _ = stopped.wait_for(|stopped| *stopped), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The connections of a door.
#[derive(Debug, Clone, Default)]
struct Guests(Arc<Mutex<Present>>);

#[derive(Debug, Default)]
struct Present {
    count: usize,
    arrivals: u64,
    /// Connections that ask nothing now, the longest waiting first.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Guests {
    /// A seat, if need be that of the connection that has waited longest; none when all are being
    /// answered.
    fn admit(&self) -> Option<Seat> {
        let mut present = self.present();
        if present.count >= CONNECTIONS_MAX {
            let (_, leaves) = present.waiting.pop_first()?;
            present.count -= 1;
            leaves.notify_one();
        }
        present.count += 1;
        drop(present);
        let guest = Guest { guests: self.clone(), leaves: Arc::default(), place: Arc::default() };
        guest.waits();
        Some(Seat { guest })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection.
#[derive(Debug, Clone)]
struct Guest {
    guests: Guests,
    leaves: Arc<Notify>,
    /// Its place among those that wait; `None` while it asks.
    place: Arc<Mutex<Option<u64>>>,
}

impl Guest {
    fn waits(&self) {
        let mut present = self.guests.present();
        present.arrivals += 1;
        let place = present.arrivals;
        present.waiting.insert(place, self.leaves.clone());
        *self.place() = Some(place);
    }

    /// From now on until the value is dropped, the connection is being answered.
    fn asks(&self) -> Asking {
        let mut present = self.guests.present();
        if let Some(place) = self.place().take() {
            present.waiting.remove(&place);
        }
        Asking(self.clone())
    }

    async fn is_asked_to_leave(&self) {
        self.leaves.notified().await;
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Asking(Guest);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.waits();
    }
}

/// The place of a connection, until it ends.
struct Seat {
    guest: Guest,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.guest.guests.present();
        let has_place = self.guest.place().take();
        // A connection that was asked to leave is not counted any more.
        if has_place.is_none_or(|place| present.waiting.remove(&place).is_some()) {
            present.count = present.count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn open(router: Router) -> (SocketAddr, watch::Sender<bool>, JoinSet<()>) {
        let door = Door::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = door.listener().unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router, stopped));
        (address, stop, server)
    }

    fn router() -> Router {
        Router::new().route("/", get(|| async { "here" }))
    }

    async fn asks(stream: &mut TcpStream) -> Option<String> {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.ok()?;
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer).await.ok().filter(|read| *read > 0)?;
        Some(String::from_utf8_lossy(&answer[..read]).into_owned())
    }

    /// `R22`: half a head, a byte now and then, or nothing at all.
    #[tokio::test]
    async fn who_does_not_finish_asking_is_shown_out() {
        let (address, _stop, _server) = open(router()).await;
        let begun = Instant::now();
        let silent = TcpStream::connect(address).await.unwrap();
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nhost:").await.unwrap();
        let mut asked = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut asked).await.unwrap().ends_with("here"));
        for mut stream in [silent, half, asked] {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(begun.elapsed() < HEAD_WITHIN + Duration::from_secs(15));
        }
        assert!(begun.elapsed() + Duration::from_secs(1) > HEAD_WITHIN, "no sooner");
        let mut next = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut next).await.is_some());
    }

    /// `R22`: more strangers than there are seats.
    #[tokio::test]
    async fn many_who_ask_nothing_keep_nobody_out() {
        let (address, _stop, _server) = open(router()).await;
        let mut strangers = Vec::new();
        for _ in 0..(3 * CONNECTIONS_MAX) {
            let mut stranger = TcpStream::connect(address).await.unwrap();
            let _ = stranger.write_all(b"GET /").await;
            strangers.push(stranger);
        }
        let begun = Instant::now();
        let mut homeserver = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            assert!(asks(&mut homeserver).await.unwrap().ends_with("here"));
        }
        assert!(begun.elapsed() < HEAD_WITHIN / 2, "at once");
        // The first connections were closed.
        let mut rest = Vec::new();
        let _ = strangers[0].read_to_end(&mut rest).await;
        assert!(begun.elapsed() < HEAD_WITHIN / 2);
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let (address, _stop, _server) = open(router()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nx: ").await;
        let mut answer = Vec::new();
        for _ in 0..1000 {
            if stream.write_all(&[b'a'; 1024]).await.is_err() {
                break;
            }
        }
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }

    /// What is being answered is answered; then the door is closed.
    #[tokio::test]
    async fn told_to_stop_it_answers_what_was_asked() {
        let begun = Arc::new(Notify::new());
        let goes_on = Arc::new(Notify::new());
        let (has_begun, may_go_on) = (begun.clone(), goes_on.clone());
        let router = Router::new().route(
            "/",
            get(move || async move {
                has_begun.notify_one();
                may_go_on.notified().await;
                "late"
            }),
        );
        let (address, stop, mut server) = open(router).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (answer, ()) = tokio::join!(asks(&mut stream), async {
            begun.notified().await;
            stop.send_replace(true);
            tokio::task::yield_now().await;
            goes_on.notify_one();
        });
        assert!(answer.unwrap().ends_with("late"));
        server.join_next().await.unwrap().unwrap();
    }
}
