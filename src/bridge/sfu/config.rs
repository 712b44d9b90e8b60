//! What an SFU is started with, and the bounds that keep one client from hurting others.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::StreamId;
use crate::model::TrackKind;

/// Settings of an SFU.
#[derive(Clone, Debug)]
pub struct SfuConfig {
    /// The one UDP port that carries all media; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Addresses under which clients reach that port, best first. Empty: the bound address, or
    /// this host's outward address and loopback when bound to all addresses.
    pub advertise: Vec<IpAddr>,
    /// Bounds.
    pub limits: SfuLimits,
    /// Sees every payload that arrives; for tests that prove what the server can know.
    pub tap: Option<Tap>,
}

impl Default for SfuConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            advertise: Vec::new(),
            limits: SfuLimits::default(),
            tap: None,
        }
    }
}

/// Bounds on what clients can make the SFU hold.
#[derive(Clone, Copy, Debug)]
pub struct SfuLimits {
    /// Participants per room; the official server allows 50 publishers (streams.md §10.1).
    pub participants_per_room: usize,
    /// Connections of all rooms together; a participant needs up to two.
    pub peers: usize,
    /// m-lines of one connection.
    pub mlines_per_peer: usize,
    /// Bytes of one session description.
    pub sdp_bytes: usize,
    /// Bytes of one message on a data channel (streams.md §10.5).
    pub data_message_bytes: usize,
    /// Bytes of messages that wait for one subscriber; what doesn't fit is dropped and counted.
    pub data_buffer_bytes: usize,
    /// Bit rate that video publishers are told to stay below (streams.md §10.2).
    pub video_bits_per_second: u64,
}

impl Default for SfuLimits {
    fn default() -> Self {
        Self {
            participants_per_room: 50,
            peers: 2000,
            mlines_per_peer: 256,
            sdp_bytes: 256 * 1024,
            data_message_bytes: 64 * 1024,
            data_buffer_bytes: 1024 * 1024,
            video_bits_per_second: 512_000,
        }
    }
}

/// A callback that sees every media payload and every message as it arrives.
///
/// It runs on the driver's task and must not block.
#[derive(Clone)]
pub struct Tap(Arc<dyn Fn(&Tapped<'_>) + Send + Sync>);

impl Tap {
    /// Wraps a callback.
    pub fn new(callback: impl Fn(&Tapped<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    pub(super) fn call(&self, tapped: &Tapped<'_>) {
        (self.0)(tapped);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// What a [`Tap`] sees: one RTP payload or one message, exactly as the SFU holds it.
#[derive(Clone, Copy, Debug)]
pub struct Tapped<'a> {
    /// Who sent it.
    pub stream: StreamId,
    /// What kind of track it came on.
    pub kind: TrackKind,
    /// The bytes.
    pub payload: &'a [u8],
}
