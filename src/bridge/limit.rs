//! How often an address may fail, and how often an address or a key may ask, before it has to
//! wait.
//!
//! Step functions; the time is an argument. Failures are counted in a fixed window per
//! address, so a busy address behind which many people sit is not held back while they all
//! know their keys. Requests have a rate per address, calls and made-up events one per key.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::time::Duration;

use super::config::BridgeLimits;
use crate::model::Timestamp;

/// Length of the window in milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Addresses or keys remembered; when full, what is over is dropped first, then all.
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

/// How often something may happen: steadily, and at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run; 0 is without a limit.
    pub per_second: u32,
}

impl Rate {
    /// Seconds' worth that may come at once.
    const BURST_S: i64 = 4;

    /// Microseconds that one of them takes.
    fn interval(self) -> Option<i64> {
        (self.per_second > 0).then(|| (1_000_000 / i64::from(self.per_second)).max(1))
    }
}

/// Keeps the rates of many keys or addresses.
///
/// A step function: for each it remembers until when its allowance is spent.
#[derive(Debug)]
pub struct RateLimit<K> {
    rate: Rate,
    /// Microseconds.
    spent_until: HashMap<K, i64>,
}

impl<K: Eq + Hash> RateLimit<K> {
    /// Allows each key `rate`.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, spent_until: HashMap::new() }
    }

    /// Counts one.
    ///
    /// # Errors
    ///
    /// How long to wait before the next one is allowed; this one was not counted.
    pub fn take(&mut self, key: K, now: Timestamp) -> Result<(), Duration> {
        let Some(interval) = self.rate.interval() else { return Ok(()) };
        let now = now.0.saturating_mul(1000);
        if self.spent_until.len() >= ADDRESSES_MAX {
            self.spent_until.retain(|_, until| *until > now);
            if self.spent_until.len() >= ADDRESSES_MAX {
                self.spent_until.clear();
            }
        }
        let until = self.spent_until.entry(key).or_insert(now);
        let next = (*until).max(now).saturating_add(interval);
        let ahead = next.saturating_sub(now).saturating_sub(Rate::BURST_S * 1_000_000);
        if ahead > 0 {
            return Err(Duration::from_micros(ahead.unsigned_abs()));
        }
        *until = next;
        Ok(())
    }
}

/// All rates that the bridge keeps.
#[derive(Debug)]
pub struct Rates {
    requests: RateLimit<IpAddr>,
    calls: RateLimit<String>,
    events: RateLimit<String>,
}

impl Rates {
    /// The rates that the settings name.
    #[must_use]
    pub fn new(limits: &BridgeLimits) -> Self {
        let rate = |per_second| Rate { per_second };
        Self {
            requests: RateLimit::new(rate(limits.requests_per_second)),
            calls: RateLimit::new(rate(limits.calls_per_second)),
            events: RateLimit::new(rate(limits.events_per_second)),
        }
    }

    /// A request of an address, whatever is in it.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn request(&mut self, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        self.requests.take(network(address), now)
    }

    /// A call of a key.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn call(&mut self, pub_key: &str, now: Timestamp) -> Result<(), Duration> {
        self.calls.take(pub_key.to_owned(), now)
    }

    /// An event that a key made up, which goes to many.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn event(&mut self, pub_key: &str, now: Timestamp) -> Result<(), Duration> {
        self.events.take(pub_key.to_owned(), now)
    }
}

/// Who counts as one: an IPv4 address, or the network of an IPv6 address, within which
/// addresses cost nothing.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
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

    #[test]
    fn a_rate_holds_in_the_long_run_and_forgives_a_burst() {
        let mut limit = RateLimit::new(Rate { per_second: 10 });
        let taken = (0..100).filter(|_| limit.take("a", Timestamp(0)).is_ok()).count();
        assert_eq!(taken, 40, "four seconds' worth at once");
        let wait = limit.take("a", Timestamp(0)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert!(limit.take("b", Timestamp(0)).is_ok(), "others are not held back");
        assert!(limit.take("a", Timestamp(100)).is_ok());
        assert!(limit.take("a", Timestamp(100)).is_err());
        let taken = (0..10_000).filter(|ms| limit.take("a", Timestamp(100 + ms)).is_ok()).count();
        assert!((99..=100).contains(&taken), "{taken} in ten seconds");
    }

    #[test]
    fn no_rate_is_no_limit_and_keys_do_not_pile_up() {
        let mut limit = RateLimit::new(Rate { per_second: 0 });
        assert!((0..1000).all(|_| limit.take(1, Timestamp(0)).is_ok()));
        let mut limit = RateLimit::new(Rate { per_second: 1 });
        for key in 0..3 * ADDRESSES_MAX {
            assert!(limit.take(key, Timestamp(0)).is_ok());
        }
        assert!(limit.spent_until.len() <= ADDRESSES_MAX);
    }
}
