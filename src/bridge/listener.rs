//! The TCP port: HTTP requests and WebSocket upgrades.
//!
//! Every connection is counted, every wait has an end and every body a bound, so that a
//! stranger can cost the bridge little and other clients nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::body::to_bytes;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::authority::SignedPart;
use super::budget::Meter;
use super::budget::Metered;
use super::budget::Share;
use super::conn;
use super::core::Core;
use super::deadline::Deadline;
use super::exchange;
use super::exchange::Origin;
use super::exchange::Verdict;
use super::limit;
use super::management_socket;
use super::metrics::Metrics;
use super::rpc::management;

/// Bytes of a request body or WebSocket message: a room with keys for about 1500 people.
pub const BODY_MAX: usize = 2 * 1024 * 1024;
/// Bytes of the head of a request.
const HEAD_MAX: usize = 32 * 1024;
/// WebSockets from the handlers to the listener. Full: the upgrade waits.
const UPGRADES: usize = 16;
/// How long to wait after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The client protocol.
const FRAMES: &str = "/api/v2.0";
/// The management API.
const MANAGEMENT: &str = "/api";

/// Accepts connections until the bridge ends.
#[derive(Debug)]
pub struct Listener {
    core: Arc<Core>,
    socket: TcpListener,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection that became a WebSocket and wants a task of the listener.
struct Upgraded {
    socket: WebSocket,
    counted: Arc<Counted>,
    /// Speaks the management API.
    is_operator: bool,
}

/// Bytes before the content of a small WebSocket frame of a client.
const FRAME_HEAD: usize = 6;
/// How long a client that asks too often is told to wait.
const RETRY_AFTER_S: &str = "1";

/// Counts one connection for as long as it lives, upgraded or not.
#[derive(Debug)]
pub struct Counted {
    /// Where it comes from.
    pub address: IpAddr,
    /// What was read from it and is not done with.
    pub meter: Meter,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    metrics: Arc<Metrics>,
}

/// What handlers know of the connection they serve.
#[derive(Clone, Debug)]
struct Connection {
    address: IpAddr,
    counted: Arc<Counted>,
    upgraded: mpsc::Sender<Upgraded>,
    /// Calls under way. They belong to the connection's task, which ends after them, and not
    /// to the handlers, which end as soon as the client hangs up.
    calls: Arc<Mutex<JoinSet<()>>>,
}

impl Connection {
    /// Carries out a call to its end, even if nobody waits for its answer any more; `None` if
    /// it broke off.
    async fn finish<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            while calls.try_join_next().is_some() {}
            calls.spawn(async move { drop(answer.send(call.await)) });
        }
        answered.await.ok()
    }
}

impl Counted {
    /// Takes note that a WebSocket message was read to its end. Small ones may come in between
    /// the parts of a large one, which stays counted.
    pub fn done_with(&self, message: &Message) {
        let mut share = self.meter.share();
        match message {
            Message::Binary(_) | Message::Text(_) => share.clear(),
            Message::Ping(bytes) | Message::Pong(bytes) => share.shrink(bytes.len() + FRAME_HEAD),
            Message::Close(_) => {}
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.connections.uncount();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

impl Listener {
    /// Will serve what `socket` accepts.
    #[must_use]
    pub fn new(core: Arc<Core>, socket: TcpListener) -> Self {
        Self { core, socket, open: Arc::default() }
    }

    /// Runs until the bridge ends, and then until all connections have ended.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        let (upgraded, mut sockets) = mpsc::channel(UPGRADES);
        loop {
            tokio::select! {
                () = self.core.ended.cancelled() => break,
                Some(_) = tasks.join_next() => {}
                Some(Upgraded { socket, counted, is_operator }) = sockets.recv() => {
                    let core = Arc::clone(&self.core);
                    if is_operator {
                        tasks.spawn(management_socket::run(core, socket, counted));
                    } else {
                        tasks.spawn(conn::run(core, socket, counted));
                    }
                }
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let address = peer.ip().to_canonical();
                        // Beyond the bounds a connection is closed without a word.
                        if let Some(counted) = self.count(address) {
                            tasks.spawn(self.serve(stream, address, counted, upgraded.clone()));
                        }
                    }
                    Err(error) => {
                        // Out of descriptors, most likely: existing connections go on.
                        tracing::warn!(%error, "accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    fn count(&self, address: IpAddr) -> Option<Counted> {
        let limits = &self.core.config.limits;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all = open.values().sum::<usize>();
        let count = open.entry(address).or_insert(0);
        if all >= limits.connections || *count >= limits.connections_per_address {
            if *count == 0 {
                open.remove(&address);
            }
            self.core.metrics.connections_refused.count();
            return None;
        }
        *count += 1;
        self.core.metrics.connections.count();
        let share = Share::new(Arc::clone(&self.core.budget), limit::network(address));
        Some(Counted {
            address,
            meter: Meter::new(share),
            open: Arc::clone(&self.open),
            metrics: Arc::clone(&self.core.metrics),
        })
    }

    fn serve(
        &self,
        stream: TcpStream,
        address: IpAddr,
        counted: Counted,
        upgraded: mpsc::Sender<Upgraded>,
    ) -> impl Future<Output = ()> + use<> {
        let core = Arc::clone(&self.core);
        let calls = Arc::default();
        let meter = counted.meter.clone();
        let connection =
            Connection { address, counted: Arc::new(counted), upgraded, calls: Arc::clone(&calls) };
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "nodelay");
            }
            let app = Router::new()
                .fallback(handle)
                .layer(Extension(connection))
                .with_state(Arc::clone(&core));
            let exhausted = meter.clone();
            let stream = Metered::new(stream, meter);
            let stream = Deadline::new(stream, core.config.limits.transfer_timeout);
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(core.config.limits.head_timeout)
                .max_buf_size(HEAD_MAX)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
                .with_upgrades();
            tokio::select! {
                () = core.ended.cancelled() => {}
                result = serving => {
                    if exhausted.is_exhausted() {
                        core.metrics.over_budget.count();
                    }
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection");
                    }
                }
            }
            let mut calls =
                std::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner));
            while calls.join_next().await.is_some() {}
        }
    }
}

/// Which of the few things that are served a request is about, for the counters.
fn kind_of(path: &str) -> &'static str {
    match path {
        FRAMES => "frames",
        MANAGEMENT => "management",
        "/health" | "/ready" | "/healthcheck" => "health",
        _ => "other",
    }
}

async fn handle(
    State(core): State<Arc<Core>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Response, Infallible> {
    let kind = kind_of(request.uri().path());
    let meter = connection.counted.meter.clone();
    let metrics = Arc::clone(&core.metrics);
    let mut response = serve_request(core, connection, request).await;
    meter.share().clear();
    if meter.is_exhausted() {
        // Half a request was read, and the other half can't be.
        response =
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CONNECTION, "close")]).into_response();
    }
    metrics.requests.count(kind, response.status().as_str());
    Ok(response)
}

async fn serve_request(core: Arc<Core>, connection: Connection, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let admitted = core.admit_request(connection.address);
    let mut response = match (request.method(), path.as_str()) {
        _ if admitted.is_err() => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, RETRY_AFTER_S)]).into_response()
        }
        (&Method::OPTIONS, _) => StatusCode::OK.into_response(),
        (&Method::POST, FRAMES) => frames(&core, &connection, request).await,
        (&Method::POST, MANAGEMENT) => manage(&core, &connection, request).await,
        (&Method::GET, _) if is_upgrade(&request) => upgrade(connection, request).await,
        (&Method::GET, "/health" | "/ready" | "/healthcheck") => {
            answer_json(StatusCode::OK, &json!({"status": "ok"}))
        }
        (&Method::GET, "/privmx-configuration.json") => {
            let endpoint = format!("//{}", core.config.host);
            answer_json(StatusCode::OK, &json!({"defaultEndpoint": endpoint}))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    if core.config.cors && path == FRAMES {
        let headers = response.headers_mut();
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        let methods = HeaderValue::from_static("POST, OPTIONS");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let allowed = HeaderValue::from_static("Content-Type");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    response
}

fn answer_json(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, value.to_string()).into_response()
}

fn content_type(request: &Request) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?;
    let text = value.to_str().unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default();
    Some(kind.trim().to_ascii_lowercase())
}

async fn body(core: &Core, body: Body) -> Result<Bytes, StatusCode> {
    match tokio::time::timeout(core.config.limits.transfer_timeout, to_bytes(body, BODY_MAX)).await
    {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

async fn frames(core: &Arc<Core>, connection: &Connection, request: Request) -> Response {
    if content_type(&request).is_some_and(|kind| kind != "application/octet-stream") {
        return answer_json(StatusCode::BAD_REQUEST, &json!({"msg": "Invalid transport type"}));
    }
    let bytes = match body(core, request.into_body()).await {
        Ok(bytes) => bytes,
        Err(status) => return status.into_response(),
    };
    match connection.finish(exchange_whole(Arc::clone(core), bytes)).await {
        Some((Verdict::Answered, answer)) => {
            let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
            (StatusCode::OK, headers, answer).into_response()
        }
        Some((Verdict::Garbage, _)) | None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn exchange_whole(core: Arc<Core>, message: Bytes) -> (Verdict, Vec<u8>) {
    let exchanged = exchange::run(&core, &Origin { socket: None }, &message).await;
    exchange::tell(&core, exchanged.told);
    (exchanged.verdict, exchanged.bytes)
}

async fn manage(core: &Arc<Core>, connection: &Connection, request: Request) -> Response {
    if content_type(&request).is_some_and(|kind| kind != "application/json") {
        return answer_json(StatusCode::BAD_REQUEST, &json!({"msg": "Invalid transport type"}));
    }
    let (parts, content) = request.into_parts();
    let bytes = match body(core, content).await {
        Ok(bytes) => bytes,
        Err(status) => return status.into_response(),
    };
    let (core, address) = (Arc::clone(core), connection.address);
    let call = async move {
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let signed = SignedPart { method: "POST", path: parts.uri.path(), body: &bytes };
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let request = management::Request { address, authorization, signed };
        management::handle(&core, request).await
    };
    match connection.finish(call).await {
        Some(answer) => answer_json(StatusCode::OK, &answer),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn is_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

async fn upgrade(connection: Connection, request: Request) -> Response {
    let is_operator = request.uri().path().ends_with(MANAGEMENT);
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    upgrade.max_message_size(BODY_MAX).max_frame_size(BODY_MAX).on_upgrade(async move |socket| {
        let Connection { counted, upgraded, .. } = connection;
        // A listener that has ended takes no sockets any more; this one just closes.
        drop(upgraded.send(Upgraded { socket, counted, is_operator }).await);
    })
}
