//! Random and mutated messages on every parser and port, while a call is going on.
//!
//! `make malformed COUNT=1000000` runs it at length; `cargo test` a little of it. Nothing may
//! panic, nothing may stay behind, and the call must not notice. The figures are printed.

mod call;
mod parsers;
mod ports;
mod source;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::limit::metric;
use super::limit::metric_until;
use super::world::World;
use super::world::config;
use call::LiveCall;
use source::Source;

/// Messages in a normal test run.
const FEW: u64 = 2_000;
/// Of each thousand messages, how many go where.
const SHARES: [(&str, u64); 7] = [
    ("parsers", 600),
    ("udp", 120),
    ("frames", 80),
    ("management", 80),
    ("websocket", 60),
    ("rpc", 50),
    ("http", 10),
];

fn count() -> u64 {
    std::env::var("MALFORMED_COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

fn seed() -> u64 {
    std::env::var("MALFORMED_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Memory of this process in bytes; 0 where it can't be read.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Counts panics: in our own sources, and in libraries, whose panics the media server catches.
#[derive(Clone, Default)]
struct Panics {
    ours: Arc<AtomicU64>,
    libraries: Arc<AtomicU64>,
}

impl Panics {
    fn watch() -> Self {
        let panics = Self::default();
        let (counted, previous) = (panics.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", |location| location.file());
            if file.starts_with("src/") {
                counted.ours.fetch_add(1, Ordering::Relaxed);
            } else if !file.starts_with("tests/") {
                counted.libraries.fetch_add(1, Ordering::Relaxed);
            }
            previous(info);
        }));
        panics
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_panics_leaks_or_harms_a_call() {
    let count = count();
    let panics = Panics::watch();
    let mut config = config();
    config.limits.failures_per_minute = u32::MAX;
    // Nobody reads the sockets of the call while the flood goes on.
    config.limits.ping_interval = Duration::from_secs(24 * 3600);
    let world = World::with(config).await;
    let call = LiveCall::start(&world).await;
    let mallory = world.join("mallory", 66).await;
    let mut source = Source::new(StdRng::seed_from_u64(seed()));
    let mut ports = ports::Ports::open(&world, mallory, &mut source).await;
    // What is allocated once is there before the first measurement.
    ports.flood(&world, "frames", 20, &mut source).await;
    let (before, connections) = (resident(), metric(&world.bridge, "connections").await);
    println!("seed {}, {count} messages; resident before: {} KiB", seed(), before / 1024);
    let only = std::env::var("MALFORMED_ONLY").ok();
    for (kind, share) in SHARES {
        if only.as_deref().is_some_and(|only| only != kind) {
            continue;
        }
        let messages = (count * share / 1000).max(1);
        let begun = Instant::now();
        let lost_before = call.missing();
        let outcome = match kind {
            "parsers" => parsers::flood(messages, &mut source),
            _ => ports.flood(&world, kind, messages, &mut source).await,
        };
        println!(
            "{kind:>11}: {messages} messages in {:.1} s, {outcome}; packets of the call missing: {}, \
             {}",
            begun.elapsed().as_secs_f64(),
            call.missing().saturating_sub(lost_before),
            call.state(),
        );
        assert_eq!(panics.ours.load(Ordering::Relaxed), 0, "{kind}");
    }
    ports.close();
    metric_until(&world.bridge, "connections", |open| open <= connections).await;
    metric_until(&world.bridge, "held_bytes", |held| held < 100_000).await;
    let figures = call.finish().await;
    println!(
        "resident after: {} KiB ({:+} KiB); panics in libraries, caught: {}",
        resident() / 1024,
        (resident() as i64 - before as i64) / 1024,
        panics.libraries.load(Ordering::Relaxed),
    );
    println!("the call: {figures}");
    for name in ["sessions", "login_sessions", "garbage_total", "datagrams_unknown_total"] {
        println!("{name}: {}", metric(&world.bridge, name).await);
    }
    // Everything still works for somebody new.
    let mut carol = world.join("carol", 3).await;
    let room = world.room(&mut carol, &["carol"]).await;
    assert!(!room.is_empty());
    world.bridge.shutdown().await;
}
