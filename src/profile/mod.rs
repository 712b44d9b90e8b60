//! What a user keeps on disk: identity, known keys and rooms, bridges, invites, hosting
//! credentials, settings.
//!
//! Every file is written whole to a neighbour and renamed into place, so that a crash leaves
//! the old file or the new one. A file that can't be read is reported and never overwritten.

pub mod bridges;
pub mod error;
pub mod file;
pub mod hosting;
pub mod identity;
pub mod invite;
pub mod issued;
pub mod known_keys;
pub mod known_rooms;
pub mod remotes;
pub mod room_meta;
pub mod settings;

pub use bridges::KnownBridge;
pub use error::ProfileError;
pub use hosting::Hosting;
pub use identity::Identity;
pub use invite::Invite;
pub use issued::IssuedInvites;
pub use known_keys::KnownKeys;
pub use known_rooms::KnownRooms;
pub use remotes::Remotes;
pub use settings::Settings;
pub use settings::TurnSetting;
