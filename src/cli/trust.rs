//! The user's opinion about who holds which key and which room is which: pinned at first sight,
//! never replaced.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::api::RoomVerifier;
use crate::api::UserVerifier;
use crate::api::VerificationRequest;
use crate::model::ContextId;
use crate::model::StreamRoomId;
use crate::model::UserWithPubKey;
use crate::profile::KnownKeys;
use crate::profile::KnownRooms;
use crate::profile::ProfileError;
use crate::profile::known_keys::Standing;
use crate::profile::known_rooms::Acquaintance;

/// New rooms are written down at most so often: a list of a hundred rooms is one write.
const WRITE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Known keys, shared by everything that judges one.
#[derive(Debug)]
pub struct PinnedKeys(Mutex<KnownKeys>);

impl PinnedKeys {
    /// Shares `known`.
    pub const fn new(known: KnownKeys) -> Self {
        Self(Mutex::new(known))
    }

    /// How a presented key relates to what is known.
    pub fn standing(&self, context: &ContextId, user: &UserWithPubKey) -> Standing {
        self.lock().standing(context, user)
    }

    /// Remembers a key that is new or the same.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Io`] if it can't be written down.
    pub fn remember(
        &self,
        context: &ContextId,
        user: &UserWithPubKey,
        verified: bool,
    ) -> Result<Standing, ProfileError> {
        self.lock().remember(context, user, verified)
    }

    /// How a presented key relates to what is known, also to what other processes know.
    pub fn standing_now(&self, context: &ContextId, user: &UserWithPubKey) -> Standing {
        let mut known = self.lock();
        if let Err(error) = known.refresh() {
            tracing::warn!(%error, "known keys could not be read again");
        }
        known.standing(context, user)
    }

    fn lock(&self) -> MutexGuard<'_, KnownKeys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserVerifier for PinnedKeys {
    fn verify(&self, request: &VerificationRequest) -> bool {
        let user =
            UserWithPubKey { user_id: request.user.clone(), pub_key: request.pub_key.clone() };
        match self.remember(&request.context, &user, false) {
            Ok(standing) => standing != Standing::Changed,
            Err(error) => {
                tracing::warn!(%error, "a key could not be written down");
                self.standing(&request.context, &user) != Standing::Changed
            }
        }
    }
}

/// Known rooms, for everything that opens one.
#[derive(Debug)]
pub struct PinnedRooms(Mutex<Rooms>);

#[derive(Debug)]
struct Rooms {
    known: KnownRooms,
    written: Option<Instant>,
}

impl Rooms {
    fn flush(&mut self) {
        self.written = Some(Instant::now());
        if let Err(error) = self.known.flush() {
            tracing::warn!(%error, "a room could not be written down");
        }
    }
}

impl PinnedRooms {
    /// Uses `known`.
    pub const fn new(known: KnownRooms) -> Self {
        Self(Mutex::new(Rooms { known, written: None }))
    }

    /// Writes down what is new.
    pub fn flush(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

impl RoomVerifier for PinnedRooms {
    fn verify(&self, context: &ContextId, room: &StreamRoomId, anchor: &[u8; 32]) -> bool {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let acquaintance = rooms.known.meet(context, room, anchor);
        if acquaintance == Acquaintance::New
            && rooms.written.is_none_or(|at| at.elapsed() >= WRITE_AT_MOST_EVERY)
        {
            rooms.flush();
        }
        acquaintance != Acquaintance::Another
    }
}

impl Drop for PinnedRooms {
    fn drop(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).flush();
    }
}
