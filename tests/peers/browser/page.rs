//! The page: served to a browser, and told what to do.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::chromium::Chromium;

/// Longer than a browser takes to start, or a page to do anything, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a browser of its own.
pub struct Page {
    chromium: Chromium,
    socket: WebSocket,
    asked: u64,
    server: JoinHandle<()>,
}

impl Page {
    /// Opens it; `None`, and a line that says why, where no browser can be run.
    pub async fn open() -> Option<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, mut sockets) = mpsc::channel(1);
        let upgrade = async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |socket| drop(sender.send(socket).await))
        };
        let router = Router::new()
            .route("/", get(async || ([(CONTENT_TYPE, "text/html")], include_str!("page.html"))))
            .route("/page.js", get(async || script(include_str!("page.js"))))
            .route("/worker.js", get(async || script(include_str!("worker.js"))))
            .route("/socket", get(upgrade));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let chromium = Chromium::open(&url)?;
        let Ok(socket) = timeout(PATIENCE, sockets.recv()).await else {
            panic!("the page did not open within {PATIENCE:?}:\n{}", chromium.diagnostics());
        };
        let socket = socket.expect("the server lives");
        Some(Self { chromium, socket, asked: 0, server })
    }

    /// Has the page do something, and answers what came of it.
    pub async fn ask(&mut self, command: &str, options: Value) -> Value {
        let answer = timeout(PATIENCE, self.exchange(command, options)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        answer.unwrap_or_else(|reason| {
            panic!("the page does not {command}: {reason}\n{}", self.chromium.diagnostics())
        })
    }

    async fn exchange(&mut self, command: &str, options: Value) -> Result<Value, String> {
        self.asked += 1;
        let question = json!({ "id": self.asked, "command": command, "options": options });
        let sent = self.socket.send(Message::Text(question.to_string().into())).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            let message = self.socket.recv().await.ok_or("the page is gone")?;
            let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.asked {
                let failed = answer["failed"].as_str().map(str::to_owned);
                return failed.map_or_else(|| Ok(answer["done"].take()), Err);
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn script(text: &'static str) -> impl axum::response::IntoResponse {
    ([(CONTENT_TYPE, "text/javascript")], text)
}
