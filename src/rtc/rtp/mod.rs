//! RTP below the tracks: numbering, reception statistics, and the tap that sees every packet.

pub mod reception;
pub mod sequence;
pub(super) mod tap;
