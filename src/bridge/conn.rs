//! One WebSocket: a reader, a worker that carries out requests in order, and a writer.
//!
//! Reader and writer run as one task and end with the connection; the worker runs as another,
//! which the first owns and waits for: a call under way is finished whatever becomes of the
//! connection, because half a call would leave those in a room whom the other half puts out.
//!
//! The reader stays ahead of the worker so that pings are answered
//! and a dead peer is noticed while a call takes its time; how far ahead is bounded.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::CloseFrame;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use axum::extract::ws::close_code;
use futures_util::SinkExt;
use futures_util::StreamExt;
use futures_util::stream::SplitSink;
use futures_util::stream::SplitStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;

use super::budget::Share;
use super::core::Core;
use super::exchange;
use super::exchange::Origin;
use super::limit;
use super::listener::BODY_MAX;
use super::listener::Counted;
use super::notify::Outbox;
use super::notify::Socket;
use crate::wire::mux;
use crate::wire::mux::ClientMessage;

/// Requests from the reader to the worker of one socket. Full: the reader waits.
const REQUESTS: usize = 64;
/// Bytes of requests that may wait. Full: the reader waits.
const REQUEST_BYTES: usize = BODY_MAX;

/// How long the end of the bridge waits to say goodbye to one client.
const GOODBYE: Duration = Duration::from_millis(500);

/// A request and its share of the bytes that may wait.
struct Pending {
    id: u32,
    message: Bytes,
    _share: OwnedSemaphorePermit,
    /// Its share of the bytes of all connections.
    _held: Share,
}

/// Serves one WebSocket until it closes, dies or the bridge ends.
pub async fn run(core: Arc<Core>, socket: WebSocket, counted: Arc<Counted>) {
    let ended = core.ended.child_token();
    let share = Share::new(Arc::clone(&core.budget), limit::network(counted.address));
    let metrics = Arc::clone(&core.metrics);
    let (handle, outbox) = Socket::new(core.next_socket(), ended.clone(), share, metrics);
    let (mut sink, stream) = socket.split();
    let (requests, queue) = mpsc::channel(REQUESTS);
    let alive = AtomicBool::new(true);
    let mut worker = tokio::spawn(work(Arc::clone(&core), Arc::clone(&handle), queue));
    let mut worked = None;
    tokio::select! {
        () = ended.cancelled() => {}
        () = read(&core, &counted, stream, &handle, requests, &alive) => {}
        result = &mut worker => worked = Some(result),
        () = write(&core, &mut sink, outbox, &alive) => {}
    }
    if core.ended.is_cancelled() {
        let going = CloseFrame { code: close_code::AWAY, reason: "the bridge ends".into() };
        // Who does not take it sees the end of the connection.
        drop(timeout(GOODBYE, sink.send(Message::Close(Some(going)))).await);
    }
    ended.cancel();
    let worked = match worked {
        Some(result) => result,
        None => worker.await,
    };
    if let Err(error) = worked {
        tracing::error!(%error, "a call broke off");
    }
    for client in core.notifier.on_socket(handle.id) {
        core.end_client(client).await;
    }
}

async fn read(
    core: &Core,
    counted: &Counted,
    mut stream: SplitStream<WebSocket>,
    socket: &Socket,
    requests: mpsc::Sender<Pending>,
    alive: &AtomicBool,
) {
    let room = Arc::new(Semaphore::new(REQUEST_BYTES));
    while let Some(message) = stream.next().await {
        let Ok(message) = message else {
            // Whatever else it is, it is logged where it happens.
            if counted.meter.is_exhausted() {
                core.metrics.over_budget.count();
            }
            return;
        };
        alive.store(true, Ordering::Relaxed);
        counted.done_with(&message);
        // What comes too fast is not refused: it waits, and what is behind it in its socket.
        while let Err(wait) = core.admit_request(counted.address) {
            sleep(wait).await;
        }
        let message = match message {
            Message::Binary(message) => message,
            Message::Close(_) => return,
            // Text is ignored; the library answers pings.
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) => continue,
        };
        let id = match ClientMessage::parse(&message) {
            Ok(ClientMessage::Request { id, .. }) => id,
            Ok(ClientMessage::Ping { id }) => {
                socket.send(mux::pong(id).into());
                continue;
            }
            Err(error) => {
                tracing::debug!(%error, "message ignored");
                continue;
            }
        };
        let size = u32::try_from(message.len().min(REQUEST_BYTES)).unwrap_or(u32::MAX);
        let Some(held) = counted.meter.share().another(message.len()) else {
            core.metrics.over_budget.count();
            return;
        };
        let Ok(share) = Arc::clone(&room).acquire_many_owned(size).await else { return };
        if requests.send(Pending { id, message, _share: share, _held: held }).await.is_err() {
            return;
        }
    }
}

async fn work(core: Arc<Core>, socket: Arc<Socket>, mut queue: mpsc::Receiver<Pending>) {
    let origin = Origin { socket: Some(Arc::clone(&socket)) };
    loop {
        let pending = tokio::select! {
            biased;
            () = socket.ended.cancelled() => return,
            pending = queue.recv() => pending,
        };
        // Without the reader there is no socket.
        let Some(pending) = pending else { return };
        let Ok(ClientMessage::Request { body, .. }) = ClientMessage::parse(&pending.message) else {
            continue;
        };
        core.metrics.messages.count();
        let exchanged = exchange::run(&core, &origin, body).await;
        socket.send(mux::answer(pending.id, &exchanged.bytes).into());
        exchange::tell(&core, exchanged.told);
    }
}

async fn write(
    core: &Core,
    sink: &mut SplitSink<WebSocket, Message>,
    mut outbox: Outbox,
    alive: &AtomicBool,
) {
    let limits = &core.config.limits;
    let mut ping = interval(limits.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        let message = tokio::select! {
            message = outbox.next() => match message {
                Some(message) => Message::Binary(message),
                None => return,
            },
            _ = ping.tick() => {
                if !alive.swap(false, Ordering::Relaxed) {
                    tracing::debug!("socket shows no life");
                    return;
                }
                Message::Ping(Bytes::new())
            }
        };
        match timeout(limits.transfer_timeout, sink.send(message)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}
