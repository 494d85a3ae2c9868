//! A reverse proxy in front of the homeserver, as practices have one, that can get in the way.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::Response,
};
use tokio::{net::TcpListener, task::JoinSet};

/// Larger than any file of the tests.
const BODY_BYTES_MAX: usize = 200 * 1024 * 1024;

/// How the homeserver limits the rate.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(400);

/// A request that went through, or did not.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) at: Instant,
    /// Method and path, without the query.
    pub(crate) what: String,
    pub(crate) status: StatusCode,
}

/// What is answered to some requests, as another homeserver would.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProxyRefusal {
    /// How method and path begin; behind a `*`, how they end.
    pub(crate) what: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) body: &'static str,
}

impl ProxyRefusal {
    fn is_of(&self, what: &str) -> bool {
        let (begins, ends) = self.what.split_once('*').unwrap_or((self.what, ""));
        what.starts_with(begins) && what.ends_with(ends)
    }
}

/// Ends with this value.
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<ProxyShared>,
    _server: JoinSet<()>,
}

struct ProxyShared {
    homeserver: String,
    http: reqwest::Client,
    state: Mutex<ProxyState>,
}

#[derive(Default)]
struct ProxyState {
    limit_next: usize,
    is_away: bool,
    refused: Option<ProxyRefusal>,
    sync_takes: Duration,
    passed: Vec<Passed>,
    hold: Option<HeldRequest>,
    /// Answers to requests whose method, path and query hold all of this do not arrive.
    kept_back: Option<Vec<String>>,
    /// A held request waits for this to change.
    released: tokio::sync::watch::Sender<u64>,
}

/// A request that never gets its answer, nor any that comes after it.
struct HeldRequest {
    /// Method, path and query hold all of this.
    marks: Vec<String>,
    moment: HoldMoment,
    /// Whether it has come: from then on nothing passes.
    has_come: bool,
    /// Whether it was held, its work done or not.
    is_held: bool,
}

/// What happens to a request while something is held.
#[derive(PartialEq, Eq)]
enum RequestFate {
    At(HoldMoment),
    /// It came after the one that is held.
    TooLate,
}

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HoldMoment {
    /// The homeserver never hears of it.
    Before,
    /// The homeserver has done it, and its answer is lost.
    After,
}

impl Proxy {
    pub(crate) async fn before(homeserver: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(ProxyShared {
            homeserver: homeserver.to_owned(),
            // Well before the homeserver closes a connection that nobody uses.
            http: reqwest::Client::builder()
                .no_proxy()
                .pool_idle_timeout(Duration::from_secs(20))
                .build()
                .unwrap(),
            state: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(shared.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, _server: server }
    }

    /// The next requests that change something are answered with 429.
    pub(crate) fn limit_next(&self, requests: usize) {
        self.shared.state.lock().unwrap().limit_next = requests;
    }

    /// Whether every request is answered with 502, as by a proxy whose server is down.
    pub(crate) fn is_away(&self, is_away: bool) {
        self.shared.state.lock().unwrap().is_away = is_away;
    }

    /// The next request whose method, path and query hold all `marks` is held for good, and with it
    /// every later one: the client that sent it can be killed at this point.
    pub(crate) fn hold(&self, marks: &[&str], moment: HoldMoment) {
        let marks = marks.iter().map(|&mark| mark.to_owned()).collect();
        let hold = HeldRequest { marks, moment, has_come: false, is_held: false };
        self.shared.state.lock().unwrap().hold = Some(hold);
    }

    /// From now on no answer to a request whose method, path and query hold all `marks` arrives; all
    /// others do.
    pub(crate) fn keep_back_answers(&self, marks: &[&str]) {
        let marks = marks.iter().map(|&mark| mark.to_owned()).collect();
        self.shared.state.lock().unwrap().kept_back = Some(marks);
    }

    /// Whether the request that [`hold`](Self::hold) waits for has come.
    pub(crate) fn holds(&self) -> bool {
        self.shared.state.lock().unwrap().hold.as_ref().is_some_and(|hold| hold.is_held)
    }

    /// Holds nothing any more, and answers held requests like a proxy whose server took too long.
    pub(crate) fn give_up(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.hold = None;
        state.released.send_modify(|times| *times += 1);
    }

    /// Holds nothing any more.
    pub(crate) fn let_pass(&self) {
        self.shared.state.lock().unwrap().hold = None;
    }

    /// From now on these requests, and no others, are refused.
    pub(crate) fn refuse(&self, refusal: ProxyRefusal) {
        self.shared.state.lock().unwrap().refused = Some(refusal);
    }

    /// How much longer than it would each `/sync` takes.
    pub(crate) fn refuse_no_more(&self) {
        self.shared.state.lock().unwrap().refused = None;
    }

    pub(crate) fn sync_takes(&self, longer: Duration) {
        self.shared.state.lock().unwrap().sync_takes = longer;
    }

    /// Every request so far, in order.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.shared.state.lock().unwrap().passed.clone()
    }
}

async fn pass(State(shared): State<Arc<ProxyShared>>, request: Request) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let whole = format!("{} {}", request.method(), request.uri());
    let at = Instant::now();
    let held = shared.hold(&whole);
    match held {
        Some(RequestFate::At(HoldMoment::Before)) => return shared.held().await,
        Some(RequestFate::TooLate) => return shared.given_up().await,
        Some(RequestFate::At(HoldMoment::After)) | None => {}
    }
    if what.ends_with("/sync") {
        let longer = shared.state.lock().unwrap().sync_takes;
        tokio::time::sleep(longer).await;
    }
    let response = match instead(&shared, request.method(), &what) {
        Some(response) => response,
        None => forward(&shared, request).await,
    };
    if held == Some(RequestFate::At(HoldMoment::After)) {
        return shared.held().await;
    }
    if shared.keeps_back(&whole) {
        return shared.given_up().await;
    }
    let status = response.status();
    shared.state.lock().unwrap().passed.push(Passed { at, what, status });
    response
}

impl ProxyShared {
    /// Whether a request is held, and when.
    fn hold(&self, request: &str) -> Option<RequestFate> {
        let mut state = self.state.lock().unwrap();
        let hold = state.hold.as_mut()?;
        if hold.has_come {
            return Some(RequestFate::TooLate);
        }
        hold.has_come = hold.marks.iter().all(|mark| request.contains(mark.as_str()));
        hold.has_come.then_some(RequestFate::At(hold.moment))
    }

    fn keeps_back(&self, request: &str) -> bool {
        let state = self.state.lock().unwrap();
        let marks = state.kept_back.as_ref();
        marks.is_some_and(|marks| marks.iter().all(|mark| request.contains(mark.as_str())))
    }

    async fn held(&self) -> Response {
        let given_up = self.given_up();
        if let Some(hold) = &mut self.state.lock().unwrap().hold {
            hold.is_held = true;
        }
        given_up.await
    }

    /// The answer, mostly never, to what is held.
    fn given_up(&self) -> impl Future<Output = Response> + use<> {
        let mut released = self.state.lock().unwrap().released.subscribe();
        async move {
            let _ = released.changed().await;
            answer(StatusCode::GATEWAY_TIMEOUT, "<html>Gateway Timeout</html>")
        }
    }
}

/// What is answered without asking the homeserver.
fn instead(shared: &ProxyShared, method: &Method, what: &str) -> Option<Response> {
    let mut state = shared.state.lock().unwrap();
    if state.is_away {
        return Some(answer(StatusCode::BAD_GATEWAY, "<html>Bad Gateway</html>"));
    }
    if let Some(refusal) = state.refused.filter(|refusal| refusal.is_of(what)) {
        return Some(answer(refusal.status, refusal.body));
    }
    if method == Method::GET || state.limit_next == 0 {
        return None;
    }
    state.limit_next -= 1;
    let body = format!(
        r#"{{"errcode":"M_LIMIT_EXCEEDED","error":"Too fast","retry_after_ms":{}}}"#,
        RETRY_AFTER.as_millis()
    );
    Some(answer(StatusCode::TOO_MANY_REQUESTS, &body))
}

async fn forward(shared: &ProxyShared, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = head.headers;
    headers.remove("host");
    let sent = shared
        .http
        .request(head.method, format!("{}{path}", shared.homeserver))
        .headers(headers)
        .body(body)
        .send()
        .await;
    let Ok(answered) = sent else { return answer(StatusCode::BAD_GATEWAY, "") };
    let status = answered.status();
    let kind = answered.headers().get("content-type").cloned();
    let Ok(bytes) = answered.bytes().await else { return answer(StatusCode::BAD_GATEWAY, "") };
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(bytes)).unwrap()
}

fn answer(status: StatusCode, body: &str) -> Response {
    Response::builder().status(status).body(Body::from(body.to_owned())).unwrap()
}
