//! Stream Rooms.

use super::id::ContextId;
use super::id::StreamRoomId;
use super::id::UserId;
use super::unit::Timestamp;

/// A Stream Room after its metadata was verified and decrypted.
///
/// A room that could not be verified is still listed: its `status_code` is not 0 and its
/// metadata is empty (streams.md §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRoom {
    /// Where the room lives.
    pub context_id: ContextId,
    /// Its id.
    pub stream_room_id: StreamRoomId,
    /// When it was created, by the bridge's clock.
    pub create_date: Timestamp,
    /// Who created it.
    pub creator: UserId,
    /// When it was last updated, by the bridge's clock.
    pub last_modification_date: Timestamp,
    /// Who last updated it.
    pub last_modifier: UserId,
    /// Members that may take part.
    pub users: Vec<UserId>,
    /// Members that may change the room.
    pub managers: Vec<UserId>,
    /// Number of updates plus one; an update names the version that it replaces.
    pub version: i64,
    /// Readable by the bridge.
    pub public_meta: Vec<u8>,
    /// Readable by members only.
    pub private_meta: Vec<u8>,
    /// What was set for this room; entries that are absent come from the Context.
    pub policy: ContainerPolicy,
    /// 0, or why the room could not be verified (streams.md §3.4).
    pub status_code: i64,
    /// Nobody can join it any more.
    pub closed: bool,
}

/// Who may do what with a room (streams.md §6.2). `None` means inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerPolicy {
    /// Read the room and take part in it.
    pub get: Option<String>,
    /// Change the room.
    pub update: Option<String>,
    /// Delete the room.
    pub delete: Option<String>,
    /// Change this policy.
    pub update_policy: Option<String>,
    /// Whether updaters may remove themselves from the managers.
    pub updater_can_be_removed_from_managers: Option<String>,
    /// Whether the creator may be removed from the managers.
    pub owner_can_be_removed_from_managers: Option<String>,
}
