//! Events as they travel in notifications, of both server generations (streams.md 8).
//!
//! Generation A is bridge 2.42, generation B bridge 3.0. Room and custom events carry sealed
//! content and become facts of the model only after the caller has opened them; the others
//! convert by [`Payload::facts`].

mod data;
mod envelope;
mod fact;
mod payload;

pub use data::Author;
pub use data::ContextUser;
pub use data::ContextUserStatusChanged;
pub use data::Custom;
pub use data::RecordingStarted;
pub use data::RecordingStopped;
pub use data::RemoteStreamsChanged;
pub use data::RoomUser;
pub use data::StreamJoined;
pub use data::StreamLeft;
pub use data::StreamModified;
pub use data::StreamRoomDeleted;
pub use data::StreamRoomReoffer;
pub use data::StreamUnpublished;
pub use data::StreamUpdated;
pub use data::StreamsDiffered;
pub use data::StreamsUpdated;
pub use data::Subscribed;
pub use data::TrackModified;
pub use data::UpdatedStream;
pub use data::UserStatus;
pub use envelope::Event;
pub use envelope::EventError;
pub use envelope::RawEvent;
pub use payload::Payload;
