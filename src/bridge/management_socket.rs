//! The management API over a WebSocket: the same JSON-RPC as text, and events about rooms.
//!
//! A program of an operator binds an access token to its socket once, instead of sending it
//! with each call, and asks for the channel `stream` to hear of rooms (streams.md 5.7). The
//! token is looked at again with each call and each event, so a socket outlives no right.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use serde_json::Value;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;

use super::authority::SignedPart;
use super::core::Core;
use super::listener::Counted;
use super::notify::Told;
use super::rpc::management;
use super::rpc::management::Call;
use super::rpc::management::Request;
use super::service::ServiceError;

/// The only channel there is.
const STREAM: &str = "stream";

/// What is known of the program at the other end.
struct Operator {
    address: IpAddr,
    /// The token that was bound.
    token: Option<String>,
    channels: BTreeSet<String>,
}

/// Serves one socket until it closes, dies or the bridge ends.
pub async fn run(core: Arc<Core>, mut socket: WebSocket, counted: Arc<Counted>) {
    let address = counted.address;
    let mut operator = Operator { address, token: None, channels: BTreeSet::new() };
    let mut told = core.notifier.operators();
    let mut ping = interval(core.config.limits.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let mut alive = true;
    loop {
        let message = tokio::select! {
            () = core.ended.cancelled() => return,
            // Who does not keep up is disconnected: events with holes are worth little.
            told = told.recv() => match told {
                Ok(told) => match operator.event(&core, &told) {
                    Ok(Some(event)) => Message::Text(event.to_string().into()),
                    Ok(None) => continue,
                    Err(_) => return,
                },
                Err(_) => return,
            },
            _ = ping.tick() => {
                if !std::mem::take(&mut alive) {
                    return;
                }
                Message::Ping(Bytes::new())
            }
            message = socket.recv() => {
                alive = true;
                if let Some(Ok(message)) = &message {
                    counted.done_with(message);
                }
                // What comes too fast waits, and what is behind it in its socket.
                while let Err(wait) = core.admit_request(address) {
                    sleep(wait).await;
                }
                match message {
                    Some(Ok(Message::Text(text))) => {
                        let answer = operator.call(&core, text.as_bytes()).await;
                        Message::Text(answer.to_string().into())
                    }
                    // The library answers pings; bytes are for the other protocol.
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                }
            }
        };
        match timeout(core.config.limits.transfer_timeout, socket.send(message)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

impl Operator {
    async fn call(&mut self, core: &Core, body: &[u8]) -> Value {
        let call = match management::parse(body) {
            Ok(call) => call,
            Err(failure) => return failure,
        };
        // The official names have a module, the protocol's description leaves it out.
        let result = match call.method.strip_prefix("manager/").unwrap_or(&call.method) {
            "bindAccessToken" => self.bind(core, &call).await,
            "subscribeToChannel" => self.subscribe(core, &call, true),
            "unsubscribeFromChannel" => self.subscribe(core, &call, false),
            _ => {
                let header = self.token.as_ref().map(|token| format!("Bearer {token}"));
                let signed = SignedPart { method: "GET", path: "/api", body };
                let authorization = header.as_deref();
                let request = Request { address: self.address, authorization, signed };
                return management::handle(core, request).await;
            }
        };
        management::answer(&call.id, result.map(|()| json!("OK")))
    }

    async fn bind(&mut self, core: &Core, call: &Call) -> Result<(), ServiceError> {
        let token = management::access_token(call.params.clone())?;
        let reach = async { core.authority.bearer(&token, core.now()) };
        management::guarded(core, self.address, reach).await?;
        self.token = Some(token);
        Ok(())
    }

    fn subscribe(&mut self, core: &Core, call: &Call, on: bool) -> Result<(), ServiceError> {
        let channels = management::channels(call.params.clone(), on)?;
        let token = self.token.as_ref().ok_or(ServiceError::Unauthorized)?;
        let reach = core.authority.bearer(token, core.now())?;
        for channel in channels {
            if channel != STREAM {
                return Err(ServiceError::params("channels: there is only the channel stream"));
            }
            if !reach.has(STREAM) {
                return Err(ServiceError::InsufficientScope);
            }
            if on {
                self.channels.insert(channel);
            } else {
                self.channels.remove(&channel);
            }
        }
        Ok(())
    }

    /// The event as it goes to this operator, if it does.
    fn event(&self, core: &Core, told: &Told) -> Result<Option<Value>, ServiceError> {
        let notice = &told.notice;
        if !self.channels.contains(notice.target.channel.as_str()) {
            return Ok(None);
        }
        let token = self.token.as_ref().ok_or(ServiceError::Unauthorized)?;
        let reach = core.authority.bearer(token, core.now())?;
        let visible = notice.solutions.iter().any(|solution| reach.covers(solution));
        Ok(visible.then(|| {
            json!({
                "channel": notice.target.channel,
                "type": notice.kind,
                "data": notice.data,
                "timestamp": told.time.0,
            })
        }))
    }
}
