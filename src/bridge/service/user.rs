//! Who the caller is in a Context, and what they may call there.

use super::acl::Acl;
use super::error::ServiceError;
use super::outcome::Caller;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;

/// A caller that is a user of a Context.
#[derive(Debug)]
pub struct Member {
    /// The Context.
    pub context: ContextRecord,
    /// The caller in it.
    pub user: UserRecord,
    acl: Acl,
}

impl Member {
    /// Fails unless the caller's ACL allows `function` with `arguments`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::AccessDenied`].
    pub fn require(&self, function: &str, arguments: &[(&str, &str)]) -> Result<(), ServiceError> {
        if self.acl.allows(function, arguments) { Ok(()) } else { Err(ServiceError::AccessDenied) }
    }
}

/// Whether a session that logged in with this Solution sees the Context.
#[must_use]
pub fn sees(caller: &Caller, context: &ContextRecord) -> bool {
    caller.solution.as_ref().is_none_or(|solution| context.is_seen_by(solution))
}

/// Looks the caller up. An unknown Context and a foreign one give the same answer.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`].
pub fn member(tx: &Tx<'_>, caller: &Caller, id: &ContextId) -> Result<Member, ServiceError> {
    let context = tx.context(id)?.ok_or(ServiceError::AccessDenied)?;
    if !sees(caller, &context) {
        return Err(ServiceError::AccessDenied);
    }
    let user = tx.user_by_key(id, &caller.pub_key)?.ok_or(ServiceError::AccessDenied)?;
    let acl = Acl::parse(&user.acl).map_err(|_| ServiceError::Internal)?;
    Ok(Member { context, user, acl })
}
