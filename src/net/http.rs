//! The HTTP carrier: frames to `/api/v2.0`, JSON-RPC to `/api` for management.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use reqwest::Client;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::DATE;
use reqwest::header::HeaderValue;

use super::error::NetError;
use super::tls;

/// How long to wait for a TCP connection and the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one request may take as a whole.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read. A page of 100 rooms with long histories stays below.
const MAX_ANSWER: usize = 16 << 20;

/// How much of an unexpected answer goes into an error message, in bytes.
const QUOTED: usize = 120;

/// A client with its pool of kept-alive connections, which all its clones share.
#[derive(Clone, Debug)]
pub struct Http {
    client: Arc<Mutex<Client>>,
}

impl Http {
    /// Sets up the client; opens nothing yet.
    pub fn new() -> Result<Self, NetError> {
        Ok(Self { client: Arc::new(Mutex::new(Self::client()?)) })
    }

    /// Uses no connection again that is open now: the network that it was made on may be gone,
    /// and nobody would say so before the time of a request is over.
    pub fn forget_connections(&self) {
        match Self::client() {
            Ok(client) => *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client,
            Err(error) => tracing::warn!(%error, "HTTP goes on with its old connections"),
        }
    }

    fn current(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn client() -> Result<Client, NetError> {
        tls::install_provider();
        Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_max_idle_per_host(4)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .map_err(|error| NetError::Tls { url: String::new(), reason: tls::root_cause(&error) })
    }

    /// Posts a sequence of frames and returns the frames of the answer.
    pub async fn post_frames(&self, url: &str, body: Vec<u8>) -> Result<Bytes, NetError> {
        let request = self
            .current()
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(body);
        let answer = request.send().await.map_err(|error| explain(url, &error))?;
        let is_frames = content_type(&answer).starts_with("application/octet-stream");
        let status = answer.status();
        let bytes = read(url, answer).await?;
        if status == StatusCode::OK && is_frames {
            return Ok(bytes);
        }
        Err(unexpected(url, status, &bytes))
    }

    /// Posts a JSON document and returns the JSON of the answer.
    pub async fn post_json(
        &self,
        url: &str,
        authorization: Option<&str>,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, NetError> {
        let mut request = self
            .current()
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_string());
        if let Some(text) = authorization {
            let mut value = HeaderValue::from_str(text).map_err(|_| NetError::Alert {
                text: "the API key contains characters that cannot be sent".to_owned(),
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let answer = request.send().await.map_err(|error| explain(url, &error))?;
        let status = answer.status();
        let bytes = read(url, answer).await?;
        serde_json::from_slice(&bytes).map_err(|_| unexpected(url, status, &bytes))
    }

    /// The date and time that a server puts into its answers, if it does (RFC 9110 §6.6.1).
    pub async fn date(&self, url: &str) -> Result<Option<String>, NetError> {
        let answer = self.current().get(url).send().await.map_err(|error| explain(url, &error))?;
        let date = answer.headers().get(DATE).and_then(|value| value.to_str().ok());
        Ok(date.map(str::to_owned))
    }
}

fn content_type(answer: &Response) -> String {
    answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Reads the body up to the size limit.
async fn read(url: &str, mut answer: Response) -> Result<Bytes, NetError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| explain(url, &error))? {
        if bytes.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return Err(NetError::Protocol(format!("an answer of more than {MAX_ANSWER} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn unexpected(url: &str, status: StatusCode, body: &[u8]) -> NetError {
    let mut text = String::from_utf8_lossy(body.get(..QUOTED).unwrap_or(body)).into_owned();
    text.retain(|c| !c.is_control());
    let reason = match (status, text.is_empty()) {
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            return NetError::Alert { text: "too many requests, try again later".to_owned() };
        }
        (status, true) => format!("HTTP status {status}"),
        (status, false) => format!("HTTP status {status}: {text}"),
    };
    NetError::NotABridge { url: url.to_owned(), reason }
}

/// Turns a client error into one that says which of the three usual causes it is.
fn explain(url: &str, error: &reqwest::Error) -> NetError {
    let url = url.to_owned();
    let reason = tls::root_cause(error);
    if tls::is_tls(error) {
        NetError::Tls { url, reason }
    } else if error.is_timeout() && !error.is_connect() {
        NetError::Timeout(REQUEST_TIMEOUT)
    } else if error.is_timeout() {
        NetError::Unreachable { url, reason: "it does not answer".to_owned() }
    } else if error.is_connect() {
        NetError::Unreachable { url, reason }
    } else if error.is_builder() {
        NetError::Url { url, reason }
    } else if error.is_body() || error.is_decode() {
        NetError::ConnectionLost
    } else {
        NetError::NotABridge { url, reason }
    }
}
