//! Finds the connection that a datagram belongs to, on a port that all connections share.
//!
//! A connection first becomes known by the ICE user name that it chose for itself; the address
//! from which an authentic check came is learned and routes everything else. An address can't
//! be taken over while its owner is heard from it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use crate::model::SessionId;

/// Addresses of one connection beyond which the oldest is forgotten: a client has a few
/// interfaces and relays, and a stranger must not make the table grow.
const MAX_ADDRESSES: usize = 8;

/// After this silence an address may go to another connection: a mapping of a NAT can be
/// handed on, but not faster.
const ADDRESS_HOLD: Duration = Duration::from_secs(5);

/// Who is reached how.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_name: HashMap<String, SessionId>,
    by_address: HashMap<SocketAddr, Route>,
    of_session: HashMap<SessionId, Known>,
}

#[derive(Debug)]
struct Route {
    session: SessionId,
    heard_at: Instant,
}

#[derive(Debug, Default)]
struct Known {
    name: String,
    addresses: Vec<SocketAddr>,
}

impl Routes {
    /// Sets the ICE user name by which a connection is called.
    pub(super) fn name(&mut self, session: SessionId, name: &str) {
        let known = self.of_session.entry(session).or_default();
        if known.name == name {
            return;
        }
        self.by_name.remove(&known.name);
        name.clone_into(&mut known.name);
        self.by_name.insert(name.to_owned(), session);
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, session: SessionId) {
        let Some(known) = self.of_session.remove(&session) else { return };
        self.by_name.remove(&known.name);
        for address in known.addresses {
            self.by_address.remove(&address);
        }
    }

    /// The connection with this ICE user name.
    pub(super) fn find_name(&self, name: &str) -> Option<SessionId> {
        self.by_name.get(name).copied()
    }

    /// The connection that this address was learned for.
    pub(super) fn find_address(&mut self, address: SocketAddr, now: Instant) -> Option<SessionId> {
        let route = self.by_address.get_mut(&address)?;
        route.heard_at = now;
        Some(route.session)
    }

    /// Learns that a connection's authentic checks come from `address`; `false` if the address
    /// belongs to another one.
    pub(super) fn learn(&mut self, session: SessionId, address: SocketAddr, now: Instant) -> bool {
        if let Some(route) = self.by_address.get_mut(&address) {
            if route.session == session {
                route.heard_at = now;
                return true;
            }
            if now.saturating_duration_since(route.heard_at) < ADDRESS_HOLD {
                return false;
            }
            let old = route.session;
            if let Some(known) = self.of_session.get_mut(&old) {
                known.addresses.retain(|other| *other != address);
            }
        }
        let known = self.of_session.entry(session).or_default();
        if known.addresses.len() >= MAX_ADDRESSES {
            let oldest = known.addresses.remove(0);
            self.by_address.remove(&oldest);
        }
        known.addresses.push(address);
        self.by_address.insert(address, Route { session, heard_at: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn an_address_is_held_while_its_owner_is_heard() {
        let now = Instant::now();
        let (a, b) = (SessionId(1), SessionId(2));
        let mut routes = Routes::default();
        assert!(routes.learn(a, address(1), now));
        assert!(!routes.learn(b, address(1), now + Duration::from_secs(4)));
        assert_eq!(routes.find_address(address(1), now + Duration::from_secs(4)), Some(a));
        assert!(!routes.learn(b, address(1), now + Duration::from_secs(8)));
        assert!(routes.learn(b, address(1), now + Duration::from_secs(9)));
        routes.remove(a);
        assert_eq!(routes.find_address(address(1), now), Some(b), "only its own are forgotten");
    }

    #[test]
    fn the_table_stays_bounded_and_empties() {
        let now = Instant::now();
        let mut routes = Routes::default();
        routes.name(SessionId(1), "one");
        routes.name(SessionId(1), "two");
        assert_eq!((routes.find_name("one"), routes.find_name("two")), (None, Some(SessionId(1))));
        for port in 1..100 {
            assert!(routes.learn(SessionId(1), address(port), now));
        }
        assert_eq!(routes.by_address.len(), MAX_ADDRESSES);
        assert_eq!(routes.find_address(address(99), now), Some(SessionId(1)));
        routes.remove(SessionId(1));
        assert!(routes.by_address.is_empty() && routes.by_name.is_empty());
    }
}
