//! What a running call reports about itself: levels and statistics.

use super::id::StreamId;
use super::id::TrackId;
use super::id::UserId;
use super::stream::VideoContent;
use super::unit::Level;
use super::unit::Timestamp;

/// The level of one speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakerLevel {
    /// Who speaks.
    pub user: UserId,
    /// On which stream; `None` is this process's own microphone.
    pub stream: Option<StreamId>,
    /// Level of the last 20 to 100 ms.
    pub level: Level,
    /// The detector takes it for speech (streams.md §12.3).
    pub speaking: bool,
    /// The sender says that it is muted.
    pub muted: bool,
    /// Share of the packets that never came, 0 to 1; `None` before the first one, and for
    /// the own microphone.
    pub loss: Option<f32>,
}

/// Levels of everybody who is heard, own microphone first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioLevels {
    /// One entry per audio track.
    pub levels: Vec<SpeakerLevel>,
    /// What goes to the loudspeaker.
    pub output: Level,
}

/// Counters of a joined room since joining, and its link quality now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallStats {
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// Sound invented to cover what was lost, in milliseconds.
    pub concealed_ms: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1), the worst track.
    pub jitter_ms: f64,
    /// Round trip to the SFU in milliseconds; `None` until measured.
    pub rtt_ms: Option<f64>,
    /// Frames and messages that did not authenticate and were dropped.
    pub dropped_unauthenticated: u64,
    /// Bytes received.
    pub bytes: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// What is received of others' pictures now, by stream.
    pub video: Vec<VideoTrackStats>,
    /// What is sent of own pictures now.
    pub video_sent: Vec<SentVideoStats>,
}

/// What one incoming video track has counted since it began, and its rates now.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoTrackStats {
    /// Who publishes it; empty until it is known.
    pub user: UserId,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// The track within the stream.
    pub track: TrackId,
    /// Columns of the newest picture.
    pub width: u32,
    /// Its rows.
    pub height: u32,
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// Bytes of payload received.
    pub bytes: u64,
    /// Pictures that were decoded.
    pub pictures: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Times that a key frame was asked for.
    pub key_frames_asked: u64,
    /// Authentic frames that could not be decoded.
    pub undecodable: u64,
    /// Frames that did not authenticate and were dropped.
    pub dropped_unauthenticated: u64,
    /// Pictures per second.
    pub fps: f64,
    /// Kilobits per second.
    pub kbit: f64,
}

/// What one outgoing video track has counted since it began, and its rates now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentVideoStats {
    /// What it shows.
    pub content: VideoContent,
    /// Columns of the newest picture.
    pub width: u32,
    /// Its rows.
    pub height: u32,
    /// Pictures sent.
    pub pictures: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Kilobits per second that are aimed at.
    pub target_kbit: u32,
    /// Pictures per second.
    pub fps: f64,
    /// Kilobits per second.
    pub kbit: f64,
}

/// What one incoming track of sound has counted since it began, and how it sounds now.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackStats {
    /// Who publishes it; empty until it is known.
    pub user: UserId,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// The line of our connection that carries it.
    pub line: TrackId,
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// Bytes of payload received.
    pub bytes: u64,
    /// Sound invented to cover what was lost, in milliseconds.
    pub concealed_ms: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Frames that did not authenticate and were dropped.
    pub dropped_unauthenticated: u64,
    /// Share of the packets of the last few seconds that never came, 0 to 1.
    pub loss: Option<f32>,
    /// Level of what is heard now.
    pub level: Level,
    /// The detector takes it for speech (streams.md §12.3).
    pub speaking: bool,
    /// The sender says that it is muted.
    pub muted: bool,
}

/// When sound began to flow in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTiming {
    /// The first sample was read from the microphone.
    pub microphone_started: Option<Timestamp>,
    /// The loudspeaker's first sample was due.
    pub speaker_started: Option<Timestamp>,
    /// The first sound of somebody else was given to the loudspeaker.
    pub first_audio: Option<Timestamp>,
}
