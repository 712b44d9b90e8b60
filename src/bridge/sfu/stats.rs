//! Counters of a running SFU.

/// What the SFU holds now and what it has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SfuStats {
    /// Rooms with somebody in them.
    pub rooms: u64,
    /// Connections: publishers and subscribers.
    pub peers: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes of datagrams received.
    pub bytes_in: u64,
    /// Bytes of datagrams sent.
    pub bytes_out: u64,
    /// RTP packets received from publishers.
    pub packets_in: u64,
    /// RTP packets sent on to subscribers.
    pub packets_out: u64,
    /// Messages received from publishers.
    pub messages_in: u64,
    /// Messages sent on to subscribers.
    pub messages_out: u64,
    /// Datagrams dropped because they belong to nobody or can't be parsed.
    pub dropped_unknown: u64,
    /// Datagrams that the system would not take.
    pub dropped_unsent: u64,
    /// Messages dropped because they are too large or their subscriber is too slow.
    pub dropped_messages: u64,
    /// Connections ended because they broke the protocol, or the library that runs them.
    pub failed_peers: u64,
}
