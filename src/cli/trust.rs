//! The user's opinion about who holds which key: pinned at first sight, never replaced.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::api::UserVerifier;
use crate::api::VerificationRequest;
use crate::model::ContextId;
use crate::model::UserWithPubKey;
use crate::profile::KnownKeys;
use crate::profile::ProfileError;
use crate::profile::known_keys::Standing;

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
