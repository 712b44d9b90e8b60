//! What breaks is broken on purpose, again and again, and the time until sound is back is printed.
//!
//! `make drill` runs every kind of failure as often as `REPEAT` says; `KIND` picks one.
//! `cargo test` runs the quick kinds once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail on the unexpected, and print what they measure"
)]

use std::time::Duration;
use std::time::Instant;

mod cycles;
mod ear;
mod meeting;
mod proxy;
mod support;
#[path = "../it/api/world.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod world;

use meeting::Meeting;
use proxy::Proxy;

/// A way to break a meeting; answers when the network was whole again.
struct Kind {
    name: &'static str,
    /// Quick enough for every test run.
    quick: bool,
    strike: fn(&mut Meeting) -> Instant,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "websocket-cut",
        quick: true,
        strike: |meeting| {
            meeting.proxy.cut_streams();
            Instant::now()
        },
    },
    Kind {
        name: "address-changed",
        quick: true,
        strike: |meeting| {
            meeting.proxy.change_addresses();
            meeting.proxy.lose_streams();
            Instant::now()
        },
    },
    Kind {
        name: "udp-rebound",
        quick: true,
        strike: |meeting| {
            meeting.proxy.change_addresses();
            Instant::now()
        },
    },
    Kind { name: "udp-blackout-3s", quick: true, strike: |meeting| udp_blackout(meeting, 3) },
    Kind { name: "bridge-restarted", quick: true, strike: |meeting| bridge_gone(meeting, 0) },
    Kind { name: "udp-blackout-10s", quick: false, strike: |meeting| udp_blackout(meeting, 10) },
    Kind { name: "udp-blackout-40s", quick: false, strike: |meeting| udp_blackout(meeting, 40) },
    Kind { name: "network-gone-10s", quick: false, strike: |meeting| network_gone(meeting, 10) },
    Kind { name: "network-gone-40s", quick: false, strike: |meeting| network_gone(meeting, 40) },
    Kind {
        name: "client-suspended-30s",
        quick: false,
        strike: |meeting| {
            meeting.guests[0].process.signal("STOP");
            stay_away(30);
            meeting.guests[0].process.signal("CONT");
            Instant::now()
        },
    },
    Kind { name: "bridge-gone-60s", quick: false, strike: |meeting| bridge_gone(meeting, 60) },
];

/// Lets an outage last.
fn stay_away(seconds: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

fn udp_blackout(meeting: &Meeting, seconds: u64) -> Instant {
    meeting.proxy.block_datagrams(true);
    stay_away(seconds);
    meeting.proxy.block_datagrams(false);
    Instant::now()
}

fn network_gone(meeting: &Meeting, seconds: u64) -> Instant {
    meeting.proxy.block_datagrams(true);
    meeting.proxy.stall_streams(true);
    stay_away(seconds);
    meeting.proxy.block_datagrams(false);
    meeting.proxy.stall_streams(false);
    Instant::now()
}

fn bridge_gone(meeting: &mut Meeting, seconds: u64) -> Instant {
    meeting.kill_host();
    stay_away(seconds);
    meeting.restart_host()
}

#[test]
fn sound_comes_back_by_itself() {
    let repeat: Option<usize> = std::env::var("REPEAT").ok().map(|text| text.parse().unwrap());
    let wanted = std::env::var("KIND").ok();
    let kinds = KINDS.iter().filter(|kind| match &wanted {
        Some(names) => names.split(',').any(|name| name == kind.name),
        None => kind.quick || repeat.is_some(),
    });
    let proxy = match Proxy::start() {
        Ok(proxy) => proxy,
        Err(error) => {
            println!("skipped: {} is not this machine's: {error}", proxy::OUTSIDE);
            return;
        }
    };
    let mut meeting = Meeting::begin(proxy);
    println!("seconds from the network being back until sound is, worse of two directions");
    println!("{:<22}{:>4}{:>9}{:>9}{:>9}{:>9}", "", "n", "min", "median", "p95", "max");
    let mut failures = Vec::new();
    for kind in kinds {
        let mut times = Vec::new();
        for round in 0..repeat.unwrap_or(1) {
            let back = (kind.strike)(&mut meeting);
            match meeting.recover(back) {
                Ok(seconds) => {
                    times.push(seconds);
                    if let Err(reason) = meeting.check() {
                        failures.push(format!("{} {round}: {reason}", kind.name));
                    }
                }
                Err(reason) => {
                    failures.push(format!("{} {round}: {reason}", kind.name));
                    let proxy = Proxy::start().unwrap();
                    meeting = Meeting::begin(proxy);
                }
            }
        }
        report(kind.name, &mut times);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn report(name: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let Some(last) = times.len().checked_sub(1) else {
        println!("{name:<22}   0");
        return;
    };
    let at = |share: f64| times[(last as f64 * share).ceil() as usize];
    println!(
        "{name:<22}{:>4}{:>9.3}{:>9.3}{:>9.3}{:>9.3}",
        times.len(),
        times[0],
        at(0.5),
        at(0.95),
        at(1.0)
    );
}
