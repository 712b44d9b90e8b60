//! How often an address may fail before it has to wait.
//!
//! A step function over a fixed window per address. Only failures count, so a busy address
//! behind which many people sit is not held back while they all know their keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv6Addr;

use crate::model::Timestamp;

/// Length of the window in milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Addresses remembered; when full, windows that are over are dropped first, then all.
const ADDRESSES_MAX: usize = 10_000;

/// Failures per address.
#[derive(Debug)]
pub struct FailureLimit {
    max: u32,
    windows: HashMap<IpAddr, (Timestamp, u32)>,
}

impl FailureLimit {
    /// Allows `max` failures a minute.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { max, windows: HashMap::new() }
    }

    /// Whether the address may try.
    #[must_use]
    pub fn allows(&self, address: IpAddr, now: Timestamp) -> bool {
        self.windows
            .get(&network(address))
            .is_none_or(|(start, count)| now.0 - start.0 >= WINDOW_MS || *count < self.max)
    }

    /// Counts a failure.
    pub fn failed(&mut self, address: IpAddr, now: Timestamp) {
        if self.windows.len() >= ADDRESSES_MAX {
            self.windows.retain(|_, (start, _)| now.0 - start.0 < WINDOW_MS);
            if self.windows.len() >= ADDRESSES_MAX {
                self.windows.clear();
            }
        }
        let window = self.windows.entry(network(address)).or_insert((now, 0));
        if now.0 - window.0.0 >= WINDOW_MS {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
    }
}

/// Who counts as one: an IPv4 address, or the network of an IPv6 address, within which
/// addresses cost nothing.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_forgiven_after_a_minute() {
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut limit = FailureLimit::new(2);
        limit.failed(address, Timestamp(0));
        assert!(limit.allows(address, Timestamp(1)));
        limit.failed(address, Timestamp(1));
        assert!(!limit.allows(address, Timestamp(2)));
        assert!(limit.allows(IpAddr::from([192, 0, 2, 2]), Timestamp(2)));
        assert!(limit.allows(address, Timestamp(WINDOW_MS)));
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let mut limit = FailureLimit::new(1);
        limit.failed("2001:db8::1".parse().unwrap(), Timestamp(0));
        assert!(!limit.allows("2001:db8::2".parse().unwrap(), Timestamp(1)));
        assert!(limit.allows("2001:db8:0:1::1".parse().unwrap(), Timestamp(1)));
    }
}
