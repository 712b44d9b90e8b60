//! Who is who: the public keys that the bridge names for the users of a Context, and the
//! application's own opinion about them.
//!
//! Everything signed names its author's id and key. The list of the bridge stops one user
//! from passing as another; it cannot stop a bridge that lies. That is what a
//! [`UserVerifier`] with pinned keys is for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::model::ContextId;
use crate::model::PagingQuery;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::net::session::Session;
use crate::wire::dto::ListParams;
use crate::wire::dto::context::ContextListUsers;

use super::error::ApiError;
use super::rpc::rpc;

/// A list is not read again sooner, however many strangers appear.
const READ_AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// Users of one Context that are looked at; more are left to the application's verifier.
const MAX_USERS: u32 = 10_000;

/// Something that claims to come from a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationRequest {
    /// In which Context.
    pub context: ContextId,
    /// Who claims to be the author.
    pub user: UserId,
    /// The key that signed it, in base58.
    pub pub_key: String,
    /// When the author says it was signed.
    pub date: Timestamp,
}

/// The application's opinion about who holds which key, usually a list of pinned keys.
pub trait UserVerifier: Send + Sync {
    /// Whether this key may speak for this user.
    fn verify(&self, request: &VerificationRequest) -> bool;
}

/// Keys of users as far as they are known.
pub(super) struct UserDirectory {
    verifier: Option<Arc<dyn UserVerifier>>,
    contexts: Mutex<HashMap<ContextId, Known>>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<UserId, String>,
    read_at: Option<Instant>,
}

impl fmt::Debug for UserDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDirectory").finish_non_exhaustive()
    }
}

impl UserDirectory {
    pub(super) fn new(verifier: Option<Arc<dyn UserVerifier>>) -> Self {
        Self { verifier, contexts: Mutex::new(HashMap::new()) }
    }

    /// Reads the list of users if one of `users` is not known yet.
    pub(super) async fn prepare(&self, session: &Session, context: &ContextId, users: &[&str]) {
        if !self.needs_reading(context, users) {
            return;
        }
        match list_all(session, context).await {
            Ok(list) => self.learn(context, list),
            // Judged by what is known; a stranger is then up to the verifier.
            Err(error) => tracing::info!(%error, "the users of a context could not be listed"),
        }
    }

    fn needs_reading(&self, context: &ContextId, users: &[&str]) -> bool {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = contexts.entry(context.clone()).or_default();
        let all_known = users.iter().all(|user| known.keys.contains_key(&UserId::from(*user)));
        let fresh = known.read_at.is_some_and(|at| at.elapsed() < READ_AT_MOST_EVERY);
        if all_known || fresh {
            return false;
        }
        known.read_at = Some(Instant::now());
        true
    }

    /// The key that the bridge names for a user, as far as it was read.
    pub(super) fn key(&self, context: &ContextId, user: &UserId) -> Option<String> {
        let contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.get(context)?.keys.get(user).cloned()
    }

    /// Notes keys that the bridge named.
    pub(super) fn learn(&self, context: &ContextId, users: Vec<(UserId, String)>) {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.entry(context.clone()).or_default().keys.extend(users);
    }

    /// Whether `pub_key` may speak for `user`: the bridge must not know another key for
    /// them, and the application must not object. Users that have left the Context are in
    /// no list any more; what they signed before stays valid.
    pub(super) fn accepts(&self, request: &VerificationRequest) -> bool {
        let contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = contexts.get(&request.context).and_then(|k| k.keys.get(&request.user));
        let listed = known.is_none_or(|key| *key == request.pub_key);
        drop(contexts);
        listed && self.verifier.as_ref().is_none_or(|verifier| verifier.verify(request))
    }
}

async fn list_all(
    session: &Session,
    context: &ContextId,
) -> Result<Vec<(UserId, String)>, ApiError> {
    let mut users = Vec::new();
    let mut query = PagingQuery::default();
    loop {
        let call = ContextListUsers::new(context.as_str(), ListParams::from(&query));
        let page = rpc(session, &call).await?;
        let count = page.users.len();
        users.extend(page.users.into_iter().map(|user| (user.id.into(), user.pub_key)));
        query.skip = query.skip.saturating_add(query.limit);
        let all = i64::try_from(users.len()).is_ok_and(|have| have >= page.count);
        if count == 0 || all || query.skip >= MAX_USERS {
            return Ok(users);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Never(&'static str);

    impl UserVerifier for Never {
        fn verify(&self, request: &VerificationRequest) -> bool {
            request.user.as_str() != self.0
        }
    }

    fn request(user: &str, pub_key: &str) -> VerificationRequest {
        VerificationRequest {
            context: "c".into(),
            user: user.into(),
            pub_key: pub_key.into(),
            date: Timestamp(0),
        }
    }

    #[test]
    fn key_is_refused_if_bridge_or_application_objects() {
        let directory = UserDirectory::new(Some(Arc::new(Never("eve"))));
        directory.learn(&"c".into(), vec![("ana".into(), "A".into()), ("eve".into(), "E".into())]);
        assert!(directory.accepts(&request("ana", "A")));
        assert!(!directory.accepts(&request("ana", "B")), "another key is listed");
        assert!(!directory.accepts(&request("eve", "E")), "the application objects");
        assert!(directory.accepts(&request("gone", "G")), "left the context");
    }
}
