//! Which event channels a session is subscribed to, kept across reconnections.
//!
//! The bridge forgets all subscriptions with the socket and hands out new ids for the new
//! ones. The application keeps the id that it got first; this table translates.

use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::model::SubscriptionId;
use crate::wire::dto::event::Event;

use super::session::Notification;

/// How many channels a session may hold (transport.md §6.6).
pub const MAX_SUBSCRIPTIONS: usize = 128;

/// The subscriptions of one session.
#[derive(Debug, Default)]
pub struct SubscriptionTable {
    entries: BTreeMap<SubscriptionId, Entry>,
    by_server_id: HashMap<String, SubscriptionId>,
}

#[derive(Debug)]
struct Entry {
    channel: String,
    server_id: String,
    /// The bridge may give one id to two subscribers of one channel.
    holders: u32,
}

impl SubscriptionTable {
    /// Notes that the bridge subscribed the session to `channel` under `server_id`.
    pub fn add(&mut self, channel: &str, server_id: &str) -> SubscriptionId {
        if let Some(id) = self.by_server_id.get(server_id) {
            let id = id.clone();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.holders = entry.holders.saturating_add(1);
            }
            return id;
        }
        let mut id = SubscriptionId::from(server_id);
        while self.entries.contains_key(&id) {
            // An earlier session got the same id for something else.
            id.0.push('\'');
        }
        let entry =
            Entry { channel: channel.to_owned(), server_id: server_id.to_owned(), holders: 1 };
        self.entries.insert(id.clone(), entry);
        self.by_server_id.insert(server_id.to_owned(), id.clone());
        id
    }

    /// Drops subscriptions; returns the bridge's ids of those that nobody holds any more.
    pub fn remove(&mut self, ids: &[SubscriptionId]) -> Vec<String> {
        let mut gone = Vec::new();
        for id in ids {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            entry.holders = entry.holders.saturating_sub(1);
            if entry.holders == 0
                && let Some(entry) = self.entries.remove(id)
            {
                self.by_server_id.remove(&entry.server_id);
                gone.push(entry.server_id);
            }
        }
        gone
    }

    /// What to subscribe to on a new socket, in a stable order.
    #[must_use]
    pub fn channels(&self) -> Vec<(SubscriptionId, String)> {
        self.entries.iter().map(|(id, entry)| (id.clone(), entry.channel.clone())).collect()
    }

    /// Notes the id under which the bridge now knows `id`.
    pub fn rebind(&mut self, id: &SubscriptionId, server_id: &str) {
        if let Some(entry) = self.entries.get_mut(id) {
            self.by_server_id.remove(&entry.server_id);
            server_id.clone_into(&mut entry.server_id);
            self.by_server_id.insert(server_id.to_owned(), id.clone());
        }
    }

    /// Translates the ids of an event; ids that nobody holds any more are left out.
    #[must_use]
    pub fn translate(&self, server_ids: &[String]) -> Vec<SubscriptionId> {
        server_ids.iter().filter_map(|id| self.by_server_id.get(id).cloned()).collect()
    }

    /// Puts our ids in the place of the bridge's, and finds the channels that matched.
    #[must_use]
    pub fn notification(&self, mut event: Event) -> Notification {
        let server_ids: Vec<_> = event.subscriptions.into_iter().map(|id| id.0).collect();
        event.subscriptions = self.translate(&server_ids);
        let matched = event.subscriptions.iter().filter_map(|id| self.entries.get(id));
        let channels = matched.map(|entry| entry.channel.clone()).collect();
        Notification { event, channels }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_outlives_a_reconnection() {
        let mut table = SubscriptionTable::default();
        let id = table.add("streamroom/update|containerId=r", "aa");
        assert_eq!(id, SubscriptionId::from("aa"));
        let (same, channel) = table.channels().pop().unwrap();
        assert_eq!((same, channel.as_str()), (id.clone(), "streamroom/update|containerId=r"));
        table.rebind(&id, "bb");
        assert_eq!(table.translate(&["aa".into(), "bb".into()]), std::slice::from_ref(&id));
        assert_eq!(table.remove(std::slice::from_ref(&id)), ["bb"]);
        assert!(table.is_empty());
        assert_eq!(table.translate(&["bb".into()]), []);
    }

    #[test]
    fn shared_subscription_ends_with_its_last_holder() {
        let mut table = SubscriptionTable::default();
        let first = table.add("c", "aa");
        let second = table.add("c", "aa");
        assert_eq!(first, second);
        assert!(table.remove(std::slice::from_ref(&first)).is_empty());
        assert_eq!(table.remove(&[second]), ["aa"]);
    }

    #[test]
    fn reused_server_id_gets_an_id_of_its_own() {
        let mut table = SubscriptionTable::default();
        let first = table.add("c", "aa");
        table.rebind(&first, "bb");
        let second = table.add("d", "aa");
        assert_ne!(first, second);
        assert_eq!(table.translate(&["aa".into()]), [second]);
        assert_eq!(table.translate(&["bb".into()]), [first]);
    }
}
