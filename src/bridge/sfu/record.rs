//! Where the packets of a recorded room go besides its subscribers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackKind;
use crate::model::UserId;

/// A packet or message as its publisher sent it, before anything is rewritten.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The publisher's media session.
    pub session: SessionId,
    /// Its stream.
    pub stream: StreamId,
    /// Who it is.
    pub user: UserId,
    /// What the track carries.
    pub kind: TrackKind,
    /// The track within the stream; empty for messages.
    pub track: TrackId,
    /// RTP source; 0 for messages.
    pub ssrc: u32,
    /// When it came.
    pub arrival: Instant,
    /// RTP sequence number without wrap-around.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// Sealed payload.
    pub payload: Arc<[u8]>,
}

/// Takes every packet and message of one room. It runs on the driver's task and must not block.
#[derive(Clone)]
pub struct RecordSink(Arc<dyn Fn(Recorded) + Send + Sync>);

impl RecordSink {
    /// Wraps a callback.
    pub fn new(take: impl Fn(Recorded) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(in crate::bridge) fn take(&self, recorded: Recorded) {
        (self.0)(recorded);
    }
}

impl fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSink")
    }
}
