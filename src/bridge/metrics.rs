//! What the bridge counts about itself, as Prometheus text.
//!
//! Counters are atomics that everybody may touch. Labels come from the bridge's own words
//! only, and their number is bounded: nobody outside can make the list grow.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::Core;
use super::sfu::SfuStats;
use crate::wire::rpc::code;

/// Series of one family; further ones are counted as `other`.
const SERIES_MAX: usize = 512;
/// Upper ends of the buckets of a histogram, in microseconds.
const BOUNDS_US: [u64; 9] =
    [250, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];
/// Stands for a label that there is no room for, or that is not ours.
const OTHER: &str = "other";

/// A number that only grows, or that goes up and down.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    /// One less.
    pub fn uncount(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something takes.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One per bound, and one for what takes longer.
    buckets: [Counter; BOUNDS_US.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// Counts one that took this long.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.count();
        }
        self.sum_us.add(us);
    }

    fn write(&self, text: &mut Text, name: &str, help: &str) {
        text.head(name, help, "histogram");
        let mut count = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            count += bucket.get();
            let bound = BOUNDS_US.get(index).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us));
            text.line(&format!("{name}_bucket"), &[("le", &bound)], count);
        }
        let sum = seconds(self.sum_us.get());
        text.raw(&format!("conclave_bridge_{name}_sum {sum}\n"));
        text.line(&format!("{name}_count"), &[], count);
    }
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// Counts by labels.
#[derive(Debug, Default)]
pub struct Family(Mutex<BTreeMap<(String, String), u64>>);

impl Family {
    /// One more of these labels.
    pub fn count(&self, first: &str, second: &str) {
        let clean = |label: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || " ._/-'".contains(c);
            if label.len() <= 64 && label.chars().all(plain) { label } else { OTHER }.to_owned()
        };
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut labels = (clean(first), clean(second));
        if series.len() >= SERIES_MAX && !series.contains_key(&labels) {
            labels = (OTHER.to_owned(), OTHER.to_owned());
        }
        *series.entry(labels).or_insert(0) += 1;
    }

    fn snapshot(&self) -> BTreeMap<(String, String), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// TCP connections open now.
    pub connections: Counter,
    /// TCP connections closed at once because there are too many.
    pub connections_refused: Counter,
    /// HTTP requests by kind and status.
    pub requests: Family,
    /// WebSocket messages that were carried out.
    pub messages: Counter,
    /// Messages that are not of the protocol.
    pub garbage: Counter,
    /// Requests that had to wait or were refused because an address asks too often.
    pub throttled: Counter,
    /// Calls and events refused because a key asks too often.
    pub refused_calls: Counter,
    /// Connections ended because there was no room for what they sent or did not read.
    pub over_budget: Counter,
    /// Logins that succeeded.
    pub logins: Counter,
    /// Handshakes that were refused, by reason.
    pub refused_handshakes: Family,
    /// Calls by method and error code.
    pub calls: Family,
    /// How long calls take.
    pub call_seconds: Histogram,
    /// Events put into outboxes.
    pub events: Counter,
    /// Events dropped because their receiver does not keep up.
    pub events_dropped: Counter,
    /// WebSockets disconnected because they do not read what is sent to them.
    pub slow_readers: Counter,
}

impl Metrics {
    /// Counts a call that ended with this code, 0 being success.
    pub fn call(&self, method: &str, error: i64, took: Duration) {
        // Anybody can make up names; those that exist get a series.
        let method = if error == code::METHOD_NOT_FOUND { OTHER } else { method };
        self.calls.count(method, &error.to_string());
        self.call_seconds.observe(took);
    }
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.raw(&format!(
            "# HELP conclave_bridge_{name} {help}\n# TYPE conclave_bridge_{name} {kind}\n"
        ));
    }

    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "conclave_bridge_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.head(name, help, "gauge");
        self.line(name, &[], value as u64);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(name, &[], value);
    }

    fn family(&mut self, name: &str, help: &str, labels: [&str; 2], family: &Family) {
        self.head(name, help, "counter");
        for ((first, second), value) in family.snapshot() {
            let named: Vec<(&str, &str)> = labels
                .into_iter()
                .zip([first.as_str(), second.as_str()])
                .filter(|(label, _)| !label.is_empty())
                .collect();
            self.line(name, &named, value);
        }
    }
}

/// The whole text, as of now.
pub async fn render(core: &Core) -> String {
    let mut text = Text(String::new());
    process(&mut text);
    people(&mut text, core);
    stored(&mut text, core).await;
    traffic(&mut text, &core.metrics);
    match core.media.sfu.stats().await {
        Ok(stats) => media(&mut text, &stats),
        Err(_) => tracing::debug!("the media server counts no more"),
    }
    text.0
}

fn process(text: &mut Text) {
    text.head("info", "Version of the program.", "gauge");
    text.line("info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Some(bytes) = resident_bytes() {
        text.gauge("resident_bytes", "Memory of the process.", bytes);
    }
}

/// Memory of this process; where the system has no `/proc`, nothing.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn people(text: &mut Text, core: &Core) {
    let (logins, tickets) = core.sessions().counts();
    text.gauge("login_sessions", "Login sessions that could be resumed.", logins);
    text.gauge("ticket_sets", "Sets of tickets that are good.", tickets);
    let sockets = core.notifier.counts();
    text.gauge("sockets", "WebSockets with a session.", sockets.sockets);
    text.gauge("sessions", "Sessions on WebSockets.", sockets.sessions);
    text.gauge("subscriptions", "Subscriptions of sessions.", sockets.subscriptions);
    text.gauge("users_online", "Keys with a session.", sockets.keys);
    let live = core.media.counts();
    text.gauge("rooms_live", "Rooms with somebody in them.", live.rooms);
    text.gauge("participants", "Sessions in rooms.", live.participants);
    text.gauge("streams", "Published streams.", live.streams);
    text.gauge("held_bytes", "Bytes held for connections.", core.budget.used());
}

async fn stored(text: &mut Text, core: &Core) {
    match core.store.read(|tx| tx.counts()).await {
        Ok(counts) => {
            text.head("stored", "Rows of the store.", "gauge");
            for (table, rows) in counts {
                text.line("stored", &[("table", table)], rows);
            }
        }
        Err(error) => tracing::warn!(%error, "rows were not counted"),
    }
    let help = "From handing work to the store to its answer.";
    core.store.latency().write(text, "store_seconds", help);
}

fn traffic(text: &mut Text, metrics: &Metrics) {
    let connections = usize::try_from(metrics.connections.get()).unwrap_or(usize::MAX);
    text.gauge("connections", "TCP connections.", connections);
    text.counter(
        "connections_refused_total",
        "Connections beyond the bounds.",
        metrics.connections_refused.get(),
    );
    text.family("requests_total", "HTTP requests.", ["kind", "status"], &metrics.requests);
    text.counter("messages_total", "WebSocket messages.", metrics.messages.get());
    text.counter("garbage_total", "Messages that are no protocol.", metrics.garbage.get());
    text.counter(
        "throttled_total",
        "Requests slowed down or refused by the rate per address.",
        metrics.throttled.get(),
    );
    text.counter(
        "rate_limited_total",
        "Calls refused by the rates per key.",
        metrics.refused_calls.get(),
    );
    text.counter(
        "over_budget_total",
        "Connections ended for want of memory.",
        metrics.over_budget.get(),
    );
    text.counter("logins_total", "Logins.", metrics.logins.get());
    text.family(
        "handshakes_refused_total",
        "Handshakes that were refused.",
        ["reason", ""],
        &metrics.refused_handshakes,
    );
    text.family("rpc_total", "Calls by method and error code.", ["method", "code"], &metrics.calls);
    metrics.call_seconds.write(text, "rpc_seconds", "How long calls take.");
    text.counter("events_total", "Events sent to sessions.", metrics.events.get());
    text.counter(
        "events_dropped_total",
        "Events dropped before a slow reader.",
        metrics.events_dropped.get(),
    );
    text.counter(
        "slow_readers_total",
        "Sockets ended because they did not read.",
        metrics.slow_readers.get(),
    );
}

fn media(text: &mut Text, stats: &SfuStats) {
    text.head("media_peers", "Media connections.", "gauge");
    text.line("media_peers", &[], stats.peers);
    let counters: [(&str, &str, u64); 12] = [
        ("datagrams_received_total", "Datagrams received.", stats.datagrams_in),
        ("datagrams_sent_total", "Datagrams sent.", stats.datagrams_out),
        ("datagram_bytes_received_total", "Bytes of datagrams received.", stats.bytes_in),
        ("datagram_bytes_sent_total", "Bytes of datagrams sent.", stats.bytes_out),
        ("packets_received_total", "RTP packets from publishers.", stats.packets_in),
        ("packets_forwarded_total", "RTP packets to subscribers.", stats.packets_out),
        ("data_received_total", "Data messages from publishers.", stats.messages_in),
        ("data_forwarded_total", "Data messages to subscribers.", stats.messages_out),
        ("data_dropped_total", "Data messages dropped.", stats.dropped_messages),
        ("datagrams_unknown_total", "Datagrams that belong to nobody.", stats.dropped_unknown),
        ("datagrams_unsent_total", "Datagrams the system did not take.", stats.dropped_unsent),
        ("media_failed_total", "Media connections that failed.", stats.failed_peers),
    ];
    for (name, help, value) in counters {
        text.counter(name, help, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_and_harmless() {
        let family = Family::default();
        family.count("context.contextGet", "0");
        family.count("a\"b\n", "0");
        family.count(&"x".repeat(65), "0");
        let series = family.snapshot();
        assert_eq!(series[&("context.contextGet".to_owned(), "0".to_owned())], 1);
        assert_eq!(series[&(OTHER.to_owned(), "0".to_owned())], 2);
        for number in 0..2 * SERIES_MAX {
            family.count(&format!("m{number}"), "0");
        }
        assert_eq!(family.snapshot().len(), SERIES_MAX + 1);
    }

    #[test]
    fn a_histogram_is_cumulative() {
        let histogram = Histogram::default();
        for ms in [0, 1, 2, 60_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let mut text = Text(String::new());
        histogram.write(&mut text, "x", "y");
        for line in [
            "# TYPE conclave_bridge_x histogram",
            "conclave_bridge_x_bucket{le=\"0.000250\"} 1",
            "conclave_bridge_x_bucket{le=\"0.001000\"} 2",
            "conclave_bridge_x_bucket{le=\"5.000000\"} 3",
            "conclave_bridge_x_bucket{le=\"+Inf\"} 4",
            "conclave_bridge_x_sum 60.003000",
            "conclave_bridge_x_count 4",
        ] {
            assert!(text.0.lines().any(|own| own == line), "{line} in\n{}", text.0);
        }
    }
}
