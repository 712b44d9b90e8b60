//! The port on which the bridge tells its operator how it is: `/metrics` and `/health`.
//!
//! It is a port of its own, so that what it tells does not become public with the bridge, not
//! even behind a proxy on the same machine. It serves few and waits for nobody.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::core::Core;
use super::metrics;

/// Connections at a time; further ones wait in the system's queue.
const CONNECTIONS: usize = 8;
/// One connection may take this long, whatever it does.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the bridge ends.
pub async fn run(core: Arc<Core>, socket: TcpListener) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = core.ended.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            accepted = socket.accept(), if tasks.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(serve(Arc::clone(&core), stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    tasks.shutdown().await;
}

async fn serve(core: Arc<Core>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(answer(&core, request.uri().path()).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(PATIENCE, serving).await {
        tracing::debug!(%error, "metrics");
    }
}

async fn answer(core: &Core, path: &str) -> Response<Body> {
    match path {
        "/metrics" => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (kind, metrics::render(core).await).into_response()
        }
        "/health" => {
            // A bridge whose store does not answer can do nothing for anybody.
            let works = core.store.read(|tx| tx.meta("identity")).await.is_ok();
            let status = if works { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let text = if works { r#"{"status":"ok"}"# } else { r#"{"status":"store"}"# };
            (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
