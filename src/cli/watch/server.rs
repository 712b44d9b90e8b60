//! Serves the figures over HTTP: one page, as little of the protocol as a scraper needs.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::metrics;
use super::metrics::Snapshot;

/// Requests that are answered at the same time; further ones wait to be accepted.
const CONNECTIONS: usize = 16;
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 8 * 1024;
/// A request that is not complete by then, or an answer not taken, is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Wait after the system could not accept a connection.
const RETRY: Duration = Duration::from_millis(200);

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl MetricsServer {
    /// Listens on `address` and serves what `figures` holds.
    ///
    /// # Errors
    ///
    /// What the system says if it can't listen there.
    pub async fn start(
        address: SocketAddr,
        figures: watch::Receiver<Snapshot>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, figures));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it with all its connections.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // An aborted task ends with an error that says just that.
        let _ = (&mut self.task).await;
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, figures: watch::Receiver<Snapshot>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let figures = figures.clone();
                    connections.spawn(async move {
                        // Whoever is too slow or goes away misses the page.
                        let _ = timeout(PATIENCE, answer(stream, &figures)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the figures was not accepted");
                    tokio::time::sleep(RETRY).await;
                }
            },
        }
    }
}

async fn answer(mut stream: TcpStream, figures: &watch::Receiver<Snapshot>) -> io::Result<()> {
    let Some(head) = read_head(&mut stream).await? else { return Ok(()) };
    let (status, kind, body) = page(&head, figures);
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(reply.as_bytes()).await?;
    if !head.starts_with(b"HEAD ") {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

/// Reads up to the empty line; `None` if it does not come.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while head.len() < MAX_HEAD {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(None);
        }
        head.extend_from_slice(part.get(..read).unwrap_or_default());
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// Status, type and text of the page that a request asks for.
fn page(head: &[u8], figures: &watch::Receiver<Snapshot>) -> (&'static str, &'static str, String) {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    match (method, path) {
        ("GET" | "HEAD", "/metrics") => {
            ("200 OK", "text/plain; version=0.0.4", metrics::render(&figures.borrow()))
        }
        ("GET" | "HEAD", _) => {
            ("404 Not Found", "text/plain", "the figures are at /metrics\n".to_owned())
        }
        _ => ("405 Method Not Allowed", "text/plain", "only GET and HEAD\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn figures_are_served_and_nothing_else() {
        let (_sender, figures) = watch::channel(Snapshot::default());
        let server = MetricsServer::start("127.0.0.1:0".parse().unwrap(), figures).await.unwrap();
        let address = server.address();
        let cases: [(&str, &[u8], &str, &str); 6] = [
            (
                "the page",
                b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
                "200",
                "conclave_connected 0",
            ),
            ("with a query", b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200", "conclave_connected 0"),
            ("the head only", b"HEAD /metrics HTTP/1.1\r\n\r\n", "200", "content-length"),
            ("another page", b"GET / HTTP/1.1\r\n\r\n", "404", "/metrics"),
            ("another method", b"POST /metrics HTTP/1.1\r\n\r\n", "405", "only GET"),
            ("no HTTP", b"\x16\x03\x01\r\n\r\n", "405", "only GET"),
        ];
        for (name, request, status, text) in cases {
            let answer = ask(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
            assert!(answer.contains(text), "{name}: {answer}");
        }
        let endless = vec![b'a'; MAX_HEAD + 1024];
        assert_eq!(ask(address, &endless).await, "", "given up");
        assert!(ask(address, b"GET /metrics HTTP/1.1\r\n\r\n").await.contains("200 OK"));
        server.shutdown().await;
        assert!(TcpStream::connect(address).await.is_err(), "closed");
    }
}
