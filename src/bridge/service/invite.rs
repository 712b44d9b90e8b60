//! Invitations into a Context: made by an operator, redeemed by whoever holds the token.
//!
//! The bridge keeps a hash of the token only, and is shown a proof made with it. Redeeming makes a key a user of the Context;
//! it gives no room key, which only a member can hand out.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::acl::Acl;
use super::error::InviteRefusal;
use super::error::ServiceError;
use super::outcome::Outcome;
use super::provision;
use super::provision::Reach;
use crate::bridge::store::InviteRecord;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::wire::invite::Redemption;
use crate::wire::invite::redeem_proof;

/// How far the time of a proof may be from ours, in milliseconds: as with logins.
const PROOF_SKEW_MS: u64 = 3_600_000;
/// Names tried with different endings before giving up.
const NAME_ATTEMPTS: usize = 32;

/// What somebody presents to get in.
#[derive(Clone, Debug)]
pub struct Redeem {
    /// The invitation.
    pub invite: String,
    /// The name wished for.
    pub name: String,
    /// The key to be added, base58.
    pub pub_key: String,
    /// Drawn for this call.
    pub nonce: String,
    /// When the call was made.
    pub timestamp: Timestamp,
    /// Shows that the caller holds the token.
    pub proof: Vec<u8>,
}

/// `invite/createInvite`.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`] or [`ServiceError::InvalidAcl`].
pub fn create(
    tx: &mut Tx<'_>,
    reach: &Reach,
    record: &InviteRecord,
) -> Result<Value, ServiceError> {
    provision::context(tx, reach, &record.context)?;
    Acl::parse(&record.acl)?;
    tx.put_invite(record)?;
    Ok(json!({"inviteId": record.id}))
}

/// `invite/listInvites`.
///
/// # Errors
///
/// [`ServiceError::ContextDoesNotExist`].
pub fn list(tx: &Tx<'_>, reach: &Reach, context: &ContextId) -> Result<Value, ServiceError> {
    provision::context(tx, reach, context)?;
    let list: Vec<Value> = tx
        .invites(context)?
        .iter()
        .map(|invite| {
            json!({
                "inviteId": invite.id,
                "contextId": invite.context.as_str(),
                "expires": invite.expires.0,
                "maxUses": invite.max_uses,
                "uses": invite.uses,
                "acl": invite.acl,
                "created": invite.created.0,
                "revoked": invite.revoked,
            })
        })
        .collect();
    Ok(json!({"list": list}))
}

/// `invite/revokeInvite`.
///
/// # Errors
///
/// [`InviteRefusal::Unknown`], also for an invitation that the API key does not reach.
pub fn revoke(tx: &mut Tx<'_>, reach: &Reach, id: &str) -> Result<Value, ServiceError> {
    let unknown = ServiceError::Invite(InviteRefusal::Unknown);
    let Some(mut invite) = tx.invite(id)? else { return Err(unknown) };
    if provision::context(tx, reach, &invite.context).is_err() {
        return Err(unknown);
    }
    invite.revoked = true;
    tx.put_invite(&invite)?;
    Ok(json!("OK"))
}

/// `invite/redeem`. A key that is in the Context already gets its id and uses nothing up.
///
/// `endings` are appended to the name while another key holds it.
///
/// # Errors
///
/// [`ServiceError::Invite`] says what is wrong with the invitation.
pub fn redeem(
    tx: &mut Tx<'_>,
    request: &Redeem,
    now: Timestamp,
    mut endings: impl FnMut() -> String,
) -> Result<Outcome, ServiceError> {
    let refuse = |why| Err(ServiceError::Invite(why));
    let Some(mut invite) = tx.invite(&request.invite)? else {
        return refuse(InviteRefusal::Unknown);
    };
    check(&invite, request, now).map_err(ServiceError::Invite)?;
    let Some(context) = tx.context(&invite.context)? else {
        return refuse(InviteRefusal::Unknown);
    };
    let answer = |user: &UserId| {
        json!({
            "solutionId": context.solution.as_str(),
            "contextId": context.id.as_str(),
            "userId": user.as_str(),
        })
    };
    if let Some(user) = tx.user_by_key(&context.id, &request.pub_key)? {
        return Ok(Outcome::quiet(answer(&user.user)));
    }
    if invite.uses >= invite.max_uses {
        return refuse(InviteRefusal::UsedUp);
    }
    let former = tx.former_users(&context.id)?;
    // Whoever was removed comes back through an operator only, not with what they still hold.
    if former.iter().any(|(_, key)| *key == request.pub_key) {
        return refuse(InviteRefusal::Revoked);
    }
    // Nobody takes a name that rooms may still list, nor one that looks the same.
    let taken: BTreeSet<String> = tx
        .users(&context.id)?
        .into_iter()
        .map(|user| user.user)
        .chain(former.into_iter().map(|(user, _)| user))
        .map(|user| user.as_str().to_lowercase())
        .collect();
    let with_endings = std::iter::repeat_with(|| format!("{}-{}", request.name, endings()));
    let user = std::iter::once(request.name.clone())
        .chain(with_endings)
        .take(NAME_ATTEMPTS)
        .find(|name| !taken.contains(&name.to_lowercase()))
        .map(UserId)
        .ok_or_else(|| ServiceError::params("name: taken"))?;
    let record = UserRecord {
        context: context.id.clone(),
        user,
        pub_key: request.pub_key.clone(),
        acl: invite.acl.clone(),
        created: now,
        last_status: None,
    };
    let notify = provision::add_user(tx, &context, &record)?;
    invite.uses += 1;
    tx.put_invite(&invite)?;
    Ok(Outcome { reply: answer(&record.user), notify, media: Vec::new() })
}

/// Whether the request proves what it must, and the invitation is still good.
fn check(invite: &InviteRecord, request: &Redeem, now: Timestamp) -> Result<(), InviteRefusal> {
    // First the token: what else is wrong concerns only those who hold it.
    let redemption = Redemption {
        invite: &request.invite,
        name: &request.name,
        pub_key: &request.pub_key,
        nonce: &request.nonce,
        timestamp: request.timestamp,
    };
    let expected = redeem_proof(&invite.token_hash, &redemption);
    if !bool::from(expected.as_slice().ct_eq(&request.proof)) {
        return Err(InviteRefusal::WrongToken);
    }
    if request.timestamp.0.abs_diff(now.0) > PROOF_SKEW_MS {
        return Err(InviteRefusal::Stale);
    }
    if invite.revoked {
        return Err(InviteRefusal::Revoked);
    }
    if invite.expires <= now {
        return Err(InviteRefusal::Expired);
    }
    Ok(())
}
