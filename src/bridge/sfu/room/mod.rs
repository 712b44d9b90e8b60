//! One room: who is in it, what they publish, and who receives what.
//!
//! A room is a step function. It is given packets, requests and the time, and leaves what is
//! to be sent and told in [`Shared`]. After each call everything that follows from it has been
//! worked off, so that there is nothing left to do before the next input or [`Room::wake`].

mod forward;
mod publish;
mod shared;
mod state;
mod subscribe;

pub(super) use shared::Datagram;
pub(super) use shared::Shared;
pub(super) use state::Room;
