//! The embedded server: login, contexts, rooms, presence, events and the SFU, in one process.

pub mod sfu;
