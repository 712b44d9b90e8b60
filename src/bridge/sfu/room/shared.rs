//! What all rooms share: the media port, the numbers, the way out and the counters.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;

use rand::rngs::StdRng;
use str0m::net::DatagramSend;

use super::super::config::SfuLimits;
use super::super::config::Tap;
use super::super::connection::Endpoint;
use super::super::handle::SfuEvent;
use super::super::record::RecordSink;
use super::super::route::Routes;
use super::super::sequence::Sequence;
use super::super::stats::SfuStats;
use crate::model::SessionId;
use crate::model::StreamRoomId;

/// Something to send.
#[derive(Debug)]
pub(in super::super) struct Datagram {
    pub(in super::super) to: SocketAddr,
    pub(in super::super) data: DatagramSend,
}

/// What rooms use together.
#[derive(Debug)]
pub(in super::super) struct Shared {
    pub(in super::super) endpoint: Endpoint,
    pub(in super::super) limits: SfuLimits,
    pub(in super::super) tap: Option<Tap>,
    /// Recorded rooms, also those that nobody is in.
    pub(in super::super) sinks: HashMap<StreamRoomId, RecordSink>,
    pub(in super::super) rng: StdRng,
    pub(in super::super) session_ids: Sequence,
    pub(in super::super) stream_ids: Sequence,
    pub(in super::super) routes: Routes,
    /// The room of each connection, by the room's number.
    pub(in super::super) owners: HashMap<SessionId, u64>,
    pub(in super::super) outgoing: VecDeque<Datagram>,
    pub(in super::super) events: VecDeque<SfuEvent>,
    pub(in super::super) stats: SfuStats,
}
