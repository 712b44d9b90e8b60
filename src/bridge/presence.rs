//! Who is online: a key is while at least one socket session of it exists.
//!
//! Changes are collected for a moment and then told to everybody who shares a Context, so
//! that a client that reconnects at once makes one event and not a flurry.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;

use super::service::Notice;
use super::service::Profile;
use super::service::Recipients;
use super::service::ServiceError;
use super::service::Target;
use super::store::Tx;
use crate::model::ContextId;
use crate::model::Timestamp;

/// How long changes are collected before they are told.
pub const COLLECT: Duration = Duration::from_secs(1);

/// What is known of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Has a socket session now.
    pub active: bool,
    /// Last change within this run: came or not, and when.
    pub last_change: Option<(bool, Timestamp)>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<String, usize>,
    /// Changes that are not in the store yet.
    pending: BTreeMap<String, (bool, Timestamp)>,
}

/// Everybody's presence.
#[derive(Debug, Default)]
pub struct PresenceBook {
    state: Mutex<State>,
    changed: Notify,
}

impl PresenceBook {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more session of this key; answers the change that this one hides, for
    /// [`never_came`](Self::never_came).
    pub fn came(&self, pub_key: &str, now: Timestamp) -> Option<(bool, Timestamp)> {
        let mut state = self.state();
        let before = state.pending.get(pub_key).copied();
        let count = state.sessions.entry(pub_key.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 {
            state.pending.insert(pub_key.to_owned(), (true, now));
            self.changed.notify_one();
        }
        before
    }

    /// A session that was counted was refused: nobody came, and nobody went.
    pub fn never_came(&self, pub_key: &str, before: Option<(bool, Timestamp)>) {
        let mut state = self.state();
        let Some(count) = state.sessions.get_mut(pub_key) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.sessions.remove(pub_key);
            match before {
                Some(change) => state.pending.insert(pub_key.to_owned(), change),
                None => state.pending.remove(pub_key),
            };
        }
    }

    /// One session of this key less.
    pub fn went(&self, pub_key: &str, now: Timestamp) {
        let mut state = self.state();
        let Some(count) = state.sessions.get_mut(pub_key) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.sessions.remove(pub_key);
            state.pending.insert(pub_key.to_owned(), (false, now));
            self.changed.notify_one();
        }
    }

    /// What is known of this key beyond the store.
    #[must_use]
    pub fn of(&self, pub_key: &str) -> Presence {
        let state = self.state();
        Presence {
            active: state.sessions.contains_key(pub_key),
            last_change: state.pending.get(pub_key).copied(),
        }
    }

    /// Waits until something changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Changes that were not told yet; they stay visible until [`told`](Self::told).
    #[must_use]
    pub fn pending(&self) -> BTreeMap<String, (bool, Timestamp)> {
        self.state().pending.clone()
    }

    /// Forgets changes that are in the store now, unless there were newer ones since.
    pub fn told(&self, changes: &BTreeMap<String, (bool, Timestamp)>) {
        let mut state = self.state();
        state.pending.retain(|key, change| changes.get(key) != Some(change));
        if !state.pending.is_empty() {
            self.changed.notify_one();
        }
    }
}

/// Writes changes down and says whom to tell: one notice per Context.
///
/// # Errors
///
/// [`ServiceError::Internal`] if the store fails.
pub fn record(
    tx: &mut Tx<'_>,
    changes: &BTreeMap<String, (bool, Timestamp)>,
) -> Result<Vec<Notice>, ServiceError> {
    let mut contexts: BTreeMap<ContextId, Vec<Value>> = BTreeMap::new();
    for (pub_key, (login, time)) in changes {
        tx.set_status(pub_key, *login, *time)?;
        for user in tx.users_by_key(pub_key)? {
            let action = if *login { "login" } else { "logout" };
            contexts.entry(user.context).or_default().push(json!({
                "userId": user.user.as_str(),
                "pubKey": pub_key,
                "action": action,
            }));
        }
    }
    let mut notices = Vec::with_capacity(contexts.len());
    for (id, users) in contexts {
        let Some(context) = tx.context(&id)? else { continue };
        let to = tx.users(&id)?.into_iter().map(|user| user.pub_key).collect();
        notices.push(Notice {
            target: Target {
                channel: "context/userStatus".to_owned(),
                context: id.clone(),
                container: None,
                container_type: None,
            },
            solutions: context.solutions(),
            kind: "contextUserStatusChanged",
            data: json!({"contextId": id.as_str(), "users": users}),
            to: Recipients::Keys(to),
            profile: Profile::Both,
            keep: false,
        });
    }
    Ok(notices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_session_leaves_no_trace() {
        let book = PresenceBook::default();
        let before = book.came("a", Timestamp(1));
        book.never_came("a", before);
        assert!(book.pending().is_empty());
        assert_eq!(book.of("a"), Presence::default());

        book.came("a", Timestamp(2));
        book.went("a", Timestamp(3));
        let before = book.came("a", Timestamp(4));
        book.never_came("a", before);
        assert_eq!(book.of("a").last_change, Some((false, Timestamp(3))));
        assert!(!book.of("a").active);
    }

    #[test]
    fn a_key_is_there_until_its_last_session_went() {
        let book = PresenceBook::default();
        book.came("a", Timestamp(1));
        book.came("a", Timestamp(2));
        book.went("a", Timestamp(3));
        assert!(book.of("a").active);
        assert_eq!(book.of("a").last_change, Some((true, Timestamp(1))));
        book.went("a", Timestamp(4));
        assert_eq!(book.of("a").last_change, Some((false, Timestamp(4))));
        let told = book.pending();
        book.came("a", Timestamp(5));
        book.told(&told);
        assert_eq!(
            book.of("a").last_change,
            Some((true, Timestamp(5))),
            "newer than what was told"
        );
    }
}
