//! Peer connections: one that publishes and one that subscribes, per joined room.
