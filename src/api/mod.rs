//! The public library: [`Endpoint`] connects, [`Connection`] and [`StreamApi`] do the rest.
//!
//! [`Connection`] is about Contexts, users and events; [`StreamApi`] about Stream Rooms and
//! what happens in them, with the method names of the PrivMX StreamApi.
#![doc = include_str!("../../docs/library.md")]

mod anchors;
mod audio;
mod call;
mod call_task;
mod connection;
mod dedup;
mod devices;
mod dispatch;
mod endpoint;
mod error;
mod event_queue;
mod joined;
mod key_ring;
mod listener;
mod management;
mod negotiation;
mod peer_watch;
mod presence;
mod publish;
mod query;
mod recording;
mod room;
mod room_event;
mod room_state;
mod rooms;
mod roster;
mod rpc;
mod stream_api;
mod subscribe;
mod track_stats;
mod users;

pub use anchors::RoomVerifier;
pub use call::Call;
pub use call::CallConfig;
pub use call::CallLimits;
pub use call::CallMessage;
pub use call::CallMessages;
pub use call::CallStatus;
pub use connection::Connection;
pub use connection::ConnectionState;
pub use devices::DesktopType;
pub use devices::DeviceKind;
pub use devices::MediaDevice;
pub use endpoint::ConnectOptions;
pub use endpoint::Endpoint;
pub use error::ApiError;
pub use event_queue::EventQueue;
pub use key_ring::RoomKeyInfo;
pub use listener::RemoteStreamEvent;
pub use listener::RemoteStreamListener;
pub use management::ApiKey;
pub use management::ManagementClient;
pub use negotiation::IceCandidate;
pub use negotiation::MediaSessions;
pub use query::ContextEventType;
pub use query::EventSelector;
pub use query::StreamEventType;
pub use query::context_query;
pub use query::room_event_query;
pub use query::stream_queries;
pub use room::NewStreamRoom;
pub use room::StreamRoomChange;
pub use rooms::DeleteOutcome;
pub use rooms::RoomScope;
pub use roster::Person;
pub use stream_api::LocalTrack;
pub use stream_api::SUBSCRIBE_PATIENCE;
pub use stream_api::StreamApi;
pub use users::UserVerifier;
pub use users::VerificationRequest;

pub use crate::device::DeviceSpec;
pub use crate::rtc::PeerState;
