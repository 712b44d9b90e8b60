//! The public library: [`Endpoint`] connects, [`Connection`] and [`StreamApi`] do the rest.
//!
//! [`Connection`] is about Contexts, users and events; [`StreamApi`] about Stream Rooms and
//! what happens in them, with the method names of the PrivMX StreamApi.
//!
//! # Examples
//!
//! Say what is in a file, then leave:
//!
//! ```no_run
//! use conclave::api::{ApiError, Call, CallConfig, Connection, DeviceSpec};
//!
//! async fn announce(connection: &Connection, room: &str) -> Result<(), ApiError> {
//!     let microphone = DeviceSpec::File("announcement.wav".into());
//!     let config = CallConfig::new(room.into())
//!         .with_microphone(Some(microphone))
//!         .with_speaker(DeviceSpec::Null);
//!     let call = Call::join(connection.create_stream_api(), config).await?;
//!     tokio::time::sleep(std::time::Duration::from_secs(20)).await;
//!     call.leave().await
//! }
//! ```
//!
//! Keep what a room sounds like, without a microphone, until somebody presses Ctrl-C:
//!
//! ```no_run
//! use conclave::api::{ApiError, Call, CallConfig, Connection, DeviceSpec};
//!
//! async fn listen(connection: &Connection, room: &str) -> Result<(), ApiError> {
//!     let speaker = DeviceSpec::File("minutes.wav".into());
//!     let config = CallConfig::new(room.into()).with_microphone(None).with_speaker(speaker);
//!     let call = Call::join(connection.create_stream_api(), config).await?;
//!     tokio::signal::ctrl_c().await.ok();
//!     call.leave().await
//! }
//! ```
//!
//! Log in and print who is how loud, in dBFS:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use conclave::api::{ApiError, Call, CallConfig, ConnectOptions, DeviceSpec, Endpoint};
//! use conclave::crypto::key::PrivateKey;
//!
//! async fn meters(url: &str, solution: &str, key: PrivateKey, room: &str) -> Result<(), ApiError> {
//!     let options = ConnectOptions::new(url, solution.into(), Arc::new(key));
//!     let connection = Endpoint::connect(options).await?;
//!     let config = CallConfig::new(room.into())
//!         .with_microphone(None)
//!         .with_speaker(DeviceSpec::Null);
//!     let call = Call::join(connection.create_stream_api(), config).await?;
//!     let mut levels = call.levels();
//!     while levels.changed().await.is_ok() {
//!         for speaker in &levels.borrow_and_update().levels {
//!             println!("{} {:.0}", speaker.user, speaker.level.dbfs());
//!         }
//!     }
//!     Ok(())
//! }
//! ```

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
mod room;
mod room_event;
mod room_state;
mod rooms;
mod roster;
mod rpc;
mod stream_api;
mod subscribe;
mod users;

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
