//! The WebSocket carrier: opens the socket and moves whole binary messages.
//!
//! Request ids, pings and notifications are the business of [`super::driver`].

use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::error::NetError;
use super::tls;

/// How long to wait for the socket to open, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest message that is accepted. Notifications and answers stay far below.
const MAX_MESSAGE: usize = 16 << 20;

/// An open socket.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What came in.
#[derive(Debug)]
pub enum Incoming {
    /// A binary message.
    Message(Bytes),
    /// A sign of life without content.
    Alive,
    /// The socket is closed or broken, with the reason.
    Closed(String),
}

impl WebSocket {
    /// Opens a socket to a `ws://` or `wss://` URL.
    pub async fn connect(url: &str) -> Result<Self, NetError> {
        tls::install_provider();
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let opening = connect_async_with_config(url, Some(config), true);
        match timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok((stream, _))) => Ok(Self { stream }),
            Ok(Err(error)) => Err(explain(url, &error)),
            Err(_) => Err(NetError::Unreachable {
                url: url.to_owned(),
                reason: "it does not answer".to_owned(),
            }),
        }
    }

    /// Sends one binary message and flushes it.
    pub async fn send(&mut self, message: Vec<u8>) -> Result<(), NetError> {
        let sent = self.stream.send(Message::Binary(message.into())).await;
        sent.map_err(|_| NetError::ConnectionLost)
    }

    /// Waits for what comes next. Cancel safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Incoming {
        match self.stream.next().await {
            Some(Ok(Message::Binary(bytes))) => Incoming::Message(bytes),
            Some(Ok(Message::Close(frame))) => Incoming::Closed(
                frame.map_or_else(|| "closed by the bridge".to_owned(), |f| f.reason.to_string()),
            ),
            Some(Ok(_)) => Incoming::Alive,
            Some(Err(error)) => Incoming::Closed(tls::root_cause(&error)),
            None => Incoming::Closed("closed by the bridge".to_owned()),
        }
    }

    /// Says goodbye; a peer that does not answer is not waited for.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_millis(500), self.stream.close(None)).await;
    }
}

fn explain(url: &str, error: &Error) -> NetError {
    let reason = tls::root_cause(error);
    let url = url.to_owned();
    match error {
        Error::Tls(_) => NetError::Tls { url, reason },
        Error::Io(_) if tls::is_tls(error) => NetError::Tls { url, reason },
        Error::Io(_) => NetError::Unreachable { url, reason },
        Error::Url(_) => NetError::Url { url, reason },
        Error::Http(response) => NetError::NotABridge {
            url,
            reason: format!("it refuses a WebSocket with HTTP status {}", response.status()),
        },
        _ => NetError::NotABridge { url, reason },
    }
}
