//! Counters of one peer connection.

use std::time::Duration;

use super::rtp::tap::Totals;

/// Totals since the connection was made, and its quality now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerStats {
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP payload bytes received.
    pub bytes_received: u64,
    /// RTP packets that should have come and did not.
    pub packets_lost: u64,
    /// RTP packets that came but could not be handed on: the consumer was behind, or nobody
    /// knows the track.
    pub packets_dropped: u64,
    /// Interarrival jitter of the worst source.
    pub jitter: Duration,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP payload bytes sent.
    pub bytes_sent: u64,
    /// Packets of ours that the other side says it missed.
    pub remote_lost: u64,
    /// Jitter that the other side measures on our worst track.
    pub remote_jitter: Duration,
    /// Round trip to the other side; `None` until measured.
    pub rtt: Option<Duration>,
}

impl PeerStats {
    pub(super) fn new(totals: Totals, dropped: u64, ice_rtt: Option<Duration>) -> Self {
        Self {
            packets_received: totals.packets_received,
            bytes_received: totals.bytes_received,
            packets_lost: totals.packets_lost,
            packets_dropped: totals.overrun.saturating_add(dropped),
            jitter: totals.jitter,
            packets_sent: totals.packets_sent,
            bytes_sent: totals.bytes_sent,
            remote_lost: totals.remote_lost,
            remote_jitter: totals.remote_jitter,
            rtt: totals.rtt.or(ice_rtt),
        }
    }
}
