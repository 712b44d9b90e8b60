//! RTP below the tracks: numbering, reception statistics, and the tap that sees every packet.

pub(super) mod feedback;
pub(super) mod nack;
pub mod reception;
pub(super) mod repair;
pub mod sequence;
pub(super) mod tap;
