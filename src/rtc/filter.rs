//! What we change in session descriptions on their way to and from the engine.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashSet;
use std::net::IpAddr;

use super::signal::Direction;
use super::signal::SessionFacts;

/// Most candidates of a peer: 16 addresses by 2 families, host and reflexive.
const MAX_CANDIDATES: usize = 64;

/// The offer of an SFU as the engine may see it.
///
/// Sources, msid and layers are left out, because we route packets ourselves: the engine can
/// neither place a source that is not declared nor follow a line that changes its owner.
/// Candidates are kept once, up to a bound, and only where we could use them.
#[must_use]
pub fn offer_for_engine(offer: &str) -> String {
    const ROUTING: [&str; 5] = ["a=ssrc:", "a=ssrc-group:", "a=msid:", "a=rid:", "a=simulcast:"];
    let mut candidates = CandidateFilter::default();
    copy_lines(offer, |line| {
        !ROUTING.iter().any(|prefix| line.starts_with(prefix)) && candidates.keep(line)
    })
}

/// The answer of an SFU as the engine may see it: candidates bounded, all else unchanged.
#[must_use]
pub fn answer_for_engine(answer: &str) -> String {
    let mut candidates = CandidateFilter::default();
    copy_lines(answer, |line| candidates.keep(line))
}

/// Our answer as the SFU may see it: lines that it offered as inactive stay inactive.
///
/// The engine answers a line that it never saw active with `recvonly`, which RFC 3264 forbids.
#[must_use]
pub fn answer_for_peer(answer: &str, offer: &SessionFacts) -> String {
    let mut inactive = offer.lines.iter().map(|line| !line.direction.sends());
    let mut settle = false;
    let mut out = String::with_capacity(answer.len().saturating_add(64));
    for line in answer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            let data = line.starts_with("m=application");
            settle = inactive.next().unwrap_or(false) && !data;
        }
        let direction = line.strip_prefix("a=").and_then(Direction::parse);
        out.push_str(if settle && direction.is_some() { "a=inactive" } else { line });
        out.push_str("\r\n");
    }
    out
}

fn copy_lines(sdp: &str, mut keep: impl FnMut(&str) -> bool) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.lines().map(str::trim_end).filter(|line| keep(line)) {
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

/// Lets a candidate through once, if it is UDP with a literal address, up to a bound.
#[derive(Default)]
struct CandidateFilter {
    seen: HashSet<String>,
}

impl CandidateFilter {
    fn keep(&mut self, line: &str) -> bool {
        let Some(candidate) = line.strip_prefix("a=candidate:") else {
            return true;
        };
        let mut words = candidate.split_ascii_whitespace().skip(2);
        let udp = words.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("udp"));
        let priority = words.next().is_some_and(|word| word.parse::<u32>().is_ok());
        let address = words.next().is_some_and(|word| word.parse::<IpAddr>().is_ok());
        let port = words.next().is_some_and(|word| word.parse::<u16>().is_ok_and(|port| port != 0));
        let usable = udp && priority && address && port;
        usable && self.seen.len() < MAX_CANDIDATES && self.seen.insert(candidate.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtc::signal::tests::OFFER;
    use crate::rtc::signal::tests::mutated;

    #[test]
    fn the_engine_sees_no_routing_and_each_usable_candidate_once() {
        let offer = OFFER.replace(
            "a=end-of-candidates",
            "a=candidate:2 1 tcp 1 192.0.2.1 40000 typ host tcptype passive\r\n\
             a=candidate:3 1 udp 1 host.local 40000 typ host\r\n\
             a=candidate:4 1 UDP 1 2001:db8::1 40000 typ host",
        );
        let seen = offer_for_engine(&offer);
        assert!(!seen.contains("msid:") && !seen.contains("ssrc:"));
        let candidates: Vec<_> = seen.lines().filter(|line| line.contains("candidate:")).collect();
        assert_eq!(candidates.len(), 2, "{candidates:?}");
        let flood: String = (0..1_000)
            .map(|n| {
                format!("a=candidate:{n} 1 udp 1 10.0.{}.{} 4000 typ host\r\n", n / 256, n % 256)
            })
            .collect();
        assert_eq!(offer_for_engine(&flood).lines().count(), MAX_CANDIDATES);
    }

    proptest! {
        #[test]
        fn filtering_never_panics(text in "\\PC{0,200}") {
            drop(offer_for_engine(&text));
            drop(answer_for_peer(&text, &SessionFacts::default()));
        }

        #[test]
        fn what_the_engine_sees_means_the_same(text in mutated()) {
            if let Ok(facts) = SessionFacts::parse(&text) {
                let seen = SessionFacts::parse(&offer_for_engine(&text)).unwrap();
                let mids = |facts: &SessionFacts| {
                    facts.lines.iter().map(|line| line.mid.clone()).collect::<Vec<_>>()
                };
                prop_assert_eq!(mids(&facts), mids(&seen));
                prop_assert!(seen.lines.iter().all(|line| line.sources.is_empty()));
            }
        }
    }
}
