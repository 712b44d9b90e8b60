//! What a call without a terminal interface prints about shared terminals: whose there are, who
//! has control, how the program ended. Not what is on them.

use std::collections::BTreeMap;
use std::future;

use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use crate::api::terminal::TerminalControl;
use crate::api::terminal::TerminalStatus;
use crate::api::terminal::TerminalView;
use crate::api::terminal::TerminalViews;

use super::output::clean;

/// Follows the shared terminals of a call.
pub struct TerminalNews {
    views: watch::Receiver<TerminalViews>,
    told: BTreeMap<u64, Value>,
    waiting: Vec<Value>,
}

impl TerminalNews {
    /// Tells of `views`.
    pub fn new(views: watch::Receiver<TerminalViews>) -> Self {
        Self { views, told: BTreeMap::new(), waiting: Vec::new() }
    }

    /// The next fact.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(line) = self.waiting.pop() {
                return line;
            }
            if self.views.changed().await.is_err() {
                return future::pending().await;
            }
            let views = self.views.borrow_and_update().clone();
            self.look(&views);
        }
    }

    fn look(&mut self, views: &TerminalViews) {
        let now: BTreeMap<u64, Value> =
            views.iter().map(|view| (view.share, describe(view))).collect();
        for (share, before) in &self.told {
            if !now.contains_key(share) {
                let user = before["user"].clone();
                let text = format!("{} no longer shares a terminal", user.as_str().unwrap_or(""));
                self.waiting.push(json!({"event": "terminal_ended", "user": user, "text": text}));
            }
        }
        for (share, line) in &now {
            if self.told.get(share) != Some(line) {
                self.waiting.push(line.clone());
            }
        }
        self.told = now;
    }
}

fn describe(view: &TerminalView) -> Value {
    let user = clean(view.user.as_str());
    let size = view.screen.size();
    let control = match &view.control {
        TerminalControl::Owner => user.clone(),
        TerminalControl::Me => "you".to_owned(),
        TerminalControl::Other(name) => clean(name),
    };
    let asking: Vec<String> = view
        .watchers
        .iter()
        .filter(|watcher| watcher.asks)
        .map(|watcher| clean(watcher.user.as_str()))
        .collect();
    let state = match view.status {
        TerminalStatus::Running => "running".to_owned(),
        TerminalStatus::Exited(code) => format!("ended with {code}"),
        TerminalStatus::Killed => "was ended".to_owned(),
    };
    let mut text = format!("terminal of {user}: {state}, {control} in control");
    for name in &asking {
        text.push_str(&format!("; {name} asks for it. Type: lend {name}"));
    }
    json!({"event": "terminal", "user": user, "own": view.stream.is_none(),
        "title": clean(&view.title), "columns": size.columns(), "rows": size.rows(),
        "control": control, "asking": asking, "state": state, "refused": view.refused,
        "watching": view.watching, "text": text})
}
