//! Rows of the store as plain values.

use serde_json::Value;

use crate::model::ContextId;
use crate::model::KeyId;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

/// A Solution.
#[derive(Clone, Debug, PartialEq)]
pub struct SolutionRecord {
    /// Its id.
    pub id: SolutionId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A Context.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextRecord {
    /// Its id.
    pub id: ContextId,
    /// The Solution that owns it.
    pub solution: SolutionId,
    /// Solutions that see it besides.
    pub shares: Vec<SolutionId>,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// `private` or `public`.
    pub scope: String,
    /// Policy per module, an object.
    pub policy: Value,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

impl ContextRecord {
    /// Whether who logs in with this Solution sees it.
    #[must_use]
    pub fn is_seen_by(&self, solution: &SolutionId) -> bool {
        self.solution == *solution || self.shares.contains(solution)
    }

    /// All Solutions that see it.
    #[must_use]
    pub fn solutions(&self) -> Vec<SolutionId> {
        let owner = std::iter::once(&self.solution);
        owner.chain(&self.shares).cloned().collect()
    }
}

/// A user of a Context.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRecord {
    /// The Context.
    pub context: ContextId,
    /// Id within it.
    pub user: UserId,
    /// Public key, base58.
    pub pub_key: String,
    /// ACL text.
    pub acl: String,
    /// When the user was added.
    pub created: Timestamp,
    /// Last change of presence: came online or not, and when.
    pub last_status: Option<(bool, Timestamp)>,
}

/// A Stream Room without its history and keys.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomRecord {
    /// Its id.
    pub id: StreamRoomId,
    /// Where it lives.
    pub context: ContextId,
    /// UUID given by the creator.
    pub resource: Option<String>,
    /// Container type; official clients write `stream`.
    pub kind: Option<String>,
    /// Who created it.
    pub creator: UserId,
    /// When.
    pub created: Timestamp,
    /// Who last changed it.
    pub modifier: UserId,
    /// When.
    pub modified: Timestamp,
    /// Key of the last version.
    pub key_id: KeyId,
    /// Number of versions.
    pub version: i64,
    /// Members.
    pub users: Vec<UserId>,
    /// Managers.
    pub managers: Vec<UserId>,
    /// Policy entries set for this room, an object.
    pub policy: Value,
    /// Nobody can join any more.
    pub closed: bool,
}

impl RoomRecord {
    /// Takes part in the room, as a user or as a manager.
    #[must_use]
    pub fn has_member(&self, user: &UserId) -> bool {
        self.users.contains(user) || self.managers.contains(user)
    }

    /// Users and managers, each once.
    #[must_use]
    pub fn members(&self) -> Vec<UserId> {
        let mut members = self.users.clone();
        for manager in &self.managers {
            if !members.contains(manager) {
                members.push(manager.clone());
            }
        }
        members
    }
}

/// One version of a room's sealed metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomVersion {
    /// The key it is sealed with.
    pub key_id: KeyId,
    /// What the client sent; never looked into.
    pub data: Value,
}

/// A room key wrapped for one user.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomKey {
    /// For whom.
    pub user: UserId,
    /// Which key.
    pub key_id: KeyId,
    /// What the client sent; never looked into.
    pub data: Value,
}

/// An API key of the management interface.
#[derive(Debug)]
pub struct ApiKeyRecord {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The shared secret, as text: requests are MACed with it. Empty if it has a public key.
    pub secret: Secret<String>,
    /// Ed25519 key in PEM: requests are signed with its private half instead.
    pub public_key: Option<String>,
    /// What it may do.
    pub scope: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Disabled keys authorise nothing.
    pub enabled: bool,
}

/// An invitation into a Context.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteRecord {
    /// Its id.
    pub id: String,
    /// Where it leads.
    pub context: ContextId,
    /// SHA-256 of the token; the token itself is never stored.
    pub token_hash: Vec<u8>,
    /// Good until.
    pub expires: Timestamp,
    /// How many keys may redeem it.
    pub max_uses: i64,
    /// How many did.
    pub uses: i64,
    /// ACL of those who redeem it.
    pub acl: String,
    /// When it was made.
    pub created: Timestamp,
    /// Withdrawn.
    pub revoked: bool,
}

/// An event that waits for a key that was not there.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedEvent {
    /// For whom.
    pub pub_key: String,
    /// Of which Context.
    pub context: ContextId,
    /// Of which room; a later event of the same room takes the place of an earlier one.
    pub room: StreamRoomId,
    /// Type of the room.
    pub container_type: Option<String>,
    /// Data as it goes over the wire.
    pub data: Value,
}
