//! Sets up an embedded bridge for its host, over the same management API that anybody else uses.

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::CryptoRng;
use serde_json::Value;
use serde_json::json;

use crate::api::ApiKey;
use crate::api::ManagementClient;
use crate::bridge::BridgeHandle;
use crate::bridge::LocalApiKey;
use crate::crypto::key::PublicKey;
use crate::model::ContextId;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::profile::Hosting;
use crate::profile::Identity;
use crate::profile::Invite;
use crate::profile::invite;
use crate::wire::invite::Redemption;
use crate::wire::invite::redeem_proof;

use super::clock;
use super::paths::Paths;

/// Name of the solution and the context of an embedded bridge.
const OWN_NAME: &str = "conclave";
/// What the host's API key may do.
const SCOPE_NOTE: &str = "conclave host";

/// A client of the management API, with the credentials of this host.
#[derive(Debug)]
pub struct Manager {
    client: ManagementClient,
    /// Solution of the context.
    pub solution: SolutionId,
    /// Context that all guests share.
    pub context: ContextId,
}

/// Makes sure that this host has an API key of its own bridge, whatever became of an earlier
/// one: a host that was killed before it had written its key down gets another.
pub async fn ensure_key(bridge: &BridgeHandle, paths: &Paths) -> anyhow::Result<()> {
    let hosting = Hosting::load(&paths.data)?;
    let known = hosting.as_ref().map(|hosting| LocalApiKey {
        id: hosting.api_key_id.clone(),
        secret: Secret::new(hosting.api_key_secret.clone()),
    });
    let key = bridge.local_api_key(SCOPE_NOTE, known).await?;
    if hosting.is_some_and(|hosting| hosting.api_key_id == key.id) {
        return Ok(());
    }
    // Written for another store, if at all; what this one holds is found by name.
    let hosting = Hosting {
        api_key_id: key.id,
        api_key_secret: key.secret.expose().clone(),
        solution: String::new(),
        context: String::new(),
    };
    Ok(hosting.store(&paths.data)?)
}

impl Manager {
    /// Loads the credentials of this host, and finds or makes its solution and context.
    pub async fn open(url: &str, paths: &Paths) -> anyhow::Result<Self> {
        let mut hosting = Hosting::load(&paths.data)?
            .context("this data directory has no credentials for its bridge")?;
        // Each step is stored before the next one begins, so that a host which is killed in
        // between goes on from there.
        let client = Self::with_key(url, &hosting)?.client;
        if hosting.solution.is_empty() {
            let known = client.call("solution/listSolutions", json!({})).await?;
            hosting.solution = match own(&known) {
                Some(id) => id,
                None => {
                    let params = json!({"name": OWN_NAME});
                    text(&client.call("solution/createSolution", params).await?, "solutionId")?
                }
            };
            hosting.store(&paths.data)?;
        }
        if hosting.context.is_empty() {
            let params = json!({"solutionId": hosting.solution, "skip": 0, "limit": 100,
                "sortOrder": "asc"});
            let known = client.call("context/listContextsOfSolution", params).await?;
            hosting.context = match own(&known) {
                Some(id) => id,
                None => {
                    let params = json!({"solution": hosting.solution, "name": OWN_NAME,
                        "description": "rooms of this host", "scope": "private"});
                    text(&client.call("context/createContext", params).await?, "contextId")?
                }
            };
            hosting.store(&paths.data)?;
        }
        Self::with_key(url, &hosting)
    }

    /// Manages one context of a bridge with an API key.
    pub fn of_context(
        url: &str,
        key: ApiKey,
        solution: SolutionId,
        context: ContextId,
    ) -> anyhow::Result<Self> {
        Ok(Self { client: ManagementClient::new(url, Some(key))?, solution, context })
    }

    fn with_key(url: &str, hosting: &Hosting) -> anyhow::Result<Self> {
        let key = ApiKey {
            id: hosting.api_key_id.clone(),
            secret: Secret::new(hosting.api_key_secret.clone()),
        };
        Ok(Self {
            client: ManagementClient::new(url, Some(key))?,
            solution: hosting.solution.clone().into(),
            context: hosting.context.clone().into(),
        })
    }

    /// Makes the identity a user of the context, unless its key is one already.
    pub async fn add_user(&self, identity: &Identity) -> anyhow::Result<UserId> {
        let pub_key = identity.key.public_key().to_base58();
        let params = json!({"contextId": self.context.as_str(), "skip": 0, "limit": 100,
            "sortOrder": "asc"});
        let listed = self.client.call("context/listUsersFromContext", params).await?;
        let users = listed.get("users").or_else(|| listed.get("list")).and_then(Value::as_array);
        let known = users.into_iter().flatten().find(|user| user["pubKey"] == pub_key.as_str());
        if let Some(user) = known {
            return Ok(text(user, "userId")?.into());
        }
        let taken = |id: &str| users.into_iter().flatten().any(|user| user["userId"] == id);
        let mut id = identity.name.clone();
        if taken(&id) {
            let fingerprint = identity.key.public_key().fingerprint().to_string();
            id = format!("{id}-{}", fingerprint.split(' ').next().unwrap_or_default());
        }
        let params = json!({"contextId": self.context.as_str(), "userId": id,
            "userPubKey": pub_key, "acl": "ALLOW ALL"});
        self.client.call("context/addUserToContext", params).await?;
        Ok(id.into())
    }

    /// Issues an invite; the bridge learns the hash of its token and nothing else.
    pub async fn issue_invite(
        &self,
        terms: &InviteTerms<'_>,
        rng: &mut impl CryptoRng,
    ) -> anyhow::Result<Invite> {
        let secret = invite::draw_secret(rng);
        let params = json!({"contextId": self.context.as_str(),
            "tokenHash": hex::encode(invite::token_hash(&secret)),
            "expires": terms.expires.0, "maxUses": terms.uses, "acl": GUEST_ACL});
        let created = self.client.call("invite/createInvite", params).await?;
        Ok(Invite {
            address: terms.address.to_owned(),
            bridge_key: terms.bridge_key.clone(),
            inviter_key: terms.inviter_key.clone(),
            context: self.context.clone(),
            room: terms.room.clone(),
            id: text(&created, "inviteId")?,
            expires: terms.expires,
            secret,
        })
    }

    /// All invites that the bridge knows.
    pub async fn list_invites(&self) -> anyhow::Result<Vec<Value>> {
        let params = json!({"contextId": self.context.as_str()});
        let listed = self.client.call("invite/listInvites", params).await?;
        Ok(listed.get("list").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Ends an invite at once.
    pub async fn revoke_invite(&self, id: &str) -> anyhow::Result<()> {
        self.client.call("invite/revokeInvite", json!({"inviteId": id})).await?;
        Ok(())
    }
}

/// What guests may do besides taking part: nothing that fills or empties the host's bridge.
const GUEST_ACL: &str = "ALLOW ALL\nDENY stream/streamRoomCreate\nDENY stream/streamRoomDeleteMany";

/// What an invite is issued for.
#[derive(Debug)]
pub struct InviteTerms<'a> {
    /// Host and port that guests connect to.
    pub address: &'a str,
    /// Key of the bridge.
    pub bridge_key: &'a PublicKey,
    /// Key of the one who will be asked.
    pub inviter_key: &'a PublicKey,
    /// Where it leads.
    pub room: &'a StreamRoomId,
    /// When it ends.
    pub expires: Timestamp,
    /// How many people may use it.
    pub uses: u32,
}

/// The id of what an earlier run of this host made.
fn own(listed: &Value) -> Option<String> {
    let list = listed.get("list").and_then(Value::as_array)?;
    let own = list.iter().find(|entry| entry["name"] == OWN_NAME)?;
    own["id"].as_str().map(str::to_owned)
}

/// What a guest has become by redeeming an invite.
#[derive(Debug)]
pub struct Membership {
    /// Solution to log in with.
    pub solution: SolutionId,
    /// Context the guest is now a user of.
    pub context: ContextId,
    /// The guest's id there.
    pub user: UserId,
}

/// Proves to the bridge that the guest holds the invite's token; it registers the guest's key.
pub async fn redeem(invite: &Invite, identity: &Identity) -> anyhow::Result<Membership> {
    let client = ManagementClient::new(&invite.url(), None)?;
    let redemption = Redemption {
        invite: &invite.id,
        name: &identity.name,
        pub_key: &identity.key.public_key().to_base58(),
        nonce: &hex::encode(rand::random::<[u8; 16]>()),
        timestamp: clock::now(),
    };
    let proof = redeem_proof(&invite::token_hash(&invite.secret), &redemption);
    let params = json!({"inviteId": redemption.invite, "name": redemption.name,
        "userPubKey": redemption.pub_key, "nonce": redemption.nonce,
        "timestamp": redemption.timestamp.0, "proof": STANDARD.encode(proof)});
    let answer = client.call("invite/redeem", params).await?;
    Ok(Membership {
        solution: text(&answer, "solutionId")?.into(),
        context: text(&answer, "contextId")?.into(),
        user: text(&answer, "userId")?.into(),
    })
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let text = value.get(key).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the bridge's answer lacks {key}"))
}
