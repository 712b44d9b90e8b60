//! Jitter buffer for one audio track.
//!
//! Packets come late, twice or out of order; the loudspeaker wants 20 ms every 20 ms. The
//! buffer holds packets back by a delay that follows the measured jitter and releases them in
//! order of their RTP timestamps, one step for each call of [`JitterBuffer::poll_output`].
//! It reads no clock and does no I/O: `now` is an argument, so a test runs faster than
//! real time and a recorded failure can be replayed.
//!
//! Sequence numbers tell loss from silence: where the timestamps have a gap and the sequence
//! numbers have none, the sender had nothing to say. Where nothing is there in time, the
//! buffer lets the sound be concealed without moving on, so that a packet that is merely late
//! is still played and the delay has grown by what was missing.
//!
//! What always holds: timestamps are released in rising order and never twice; no more than
//! [`MAX_PACKETS`] are held; a buffer that holds packets releases one of them after at most
//! [`MAX_DELAY`] and the gap that precedes it, whatever came before.

mod buffer;
mod delay;
mod timeline;

pub use buffer::JitterBuffer;
pub use buffer::JitterStats;
pub use buffer::MAX_CONCEALMENT;
pub use buffer::MAX_DELAY;
pub use buffer::MAX_PACKETS;
pub use buffer::MIN_DELAY;
pub use buffer::Output;
pub use buffer::Packet;
pub use buffer::START_DELAY;
pub use buffer::Verdict;
