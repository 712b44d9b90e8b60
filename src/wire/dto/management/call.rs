//! The calls and their limits.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::ApiKeyAnswer;
use super::ApiKeyCreated;
use super::ApiKeys;
use super::ContextCreated;
use super::InviteCreated;
use super::InviteRedeemed;
use super::Invites;
use super::ManagedContextAnswer;
use super::ManagedContexts;
use super::ManagedStreamRoomAnswer;
use super::ManagedStreamRooms;
use super::ManagedUserAnswer;
use super::ManagedUsers;
use super::RoomState;
use super::SolutionAnswer;
use super::SolutionCreated;
use super::Solutions;
use super::Tokens;
use crate::wire::dto::Call;
use crate::wire::dto::Done;
use crate::wire::dto::Invalid;
use crate::wire::dto::SortOrder;
use crate::wire::dto::call::nullable;
use crate::wire::dto::call::present;
use crate::wire::dto::limit;
use crate::wire::dto::list::list_call;
use crate::wire::dto::stream_room::StreamRoomsDeleted;

/// Keys that one invitation may admit.
const USES_MAX: i64 = 10_000;
/// Characters of a name that an invited person may choose.
const NAME_MAX: usize = 64;

macro_rules! management {
    ($(
        $(#[$doc:meta])*
        $name:ident = $method:literal -> $answer:ty {
            $($(#[$attribute:meta])* $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$attribute])* pub $field: $type,)* }

        impl Call for $name {
            const METHOD: &'static str = $method;
            type Answer = $answer;

            fn validate(&self) -> Result<(), Invalid> {
                Check::check(self)
            }
        }

        impl fmt::Debug for $name {
            /// The name only: tokens and secrets are among the fields.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($method)
            }
        }
    )*};
}

/// The limits of one call; most have none beyond their types.
trait Check {
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

management! {
    /// Protocol versions; needs no authorisation.
    Versions = "versions" -> Vec<String> {}
    /// The first API key, made once with the initialization token.
    CreateFirstApiKey = "manager/createFirstApiKey" -> ApiKeyCreated {
        /// From the server's environment.
        initialization_token: String,
        /// A name for people.
        name: String,
        /// Ed25519 key in PEM, instead of a secret.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
    }
    /// Another API key.
    CreateApiKey = "manager/createApiKey" -> ApiKeyCreated {
        /// A name for people.
        name: String,
        /// What it may do.
        scope: Vec<String>,
        /// Ed25519 key in PEM, instead of a secret.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
    }
    /// All API keys.
    ListApiKeys = "manager/listApiKeys" -> ApiKeys {}
    /// One API key.
    GetApiKey = "manager/getApiKey" -> ApiKeyAnswer {
        /// Its id.
        id: String,
    }
    /// Changes what is given of an API key.
    UpdateApiKey = "manager/updateApiKey" -> Done {
        /// Its id.
        id: String,
        /// A name for people.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What it may do.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        scope: Option<Vec<String>>,
        /// Whether it works.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
    }
    /// Ends an API key.
    DeleteApiKey = "manager/deleteApiKey" -> Done {
        /// Its id.
        id: String,
    }
    /// Authorises the management socket that it is called on.
    BindAccessToken = "manager/bindAccessToken" -> Done {
        /// What [`Auth`] returned.
        access_token: String,
    }
    /// Asks for the events of a management socket.
    SubscribeToManagement = "manager/subscribeToChannel" -> Done {
        /// Such as `stream`.
        channels: Vec<String>,
    }
    /// Asks for them no longer.
    UnsubscribeFromManagement = "manager/unsubscribeFromChannel" -> Done {
        /// Such as `stream`.
        channels: Vec<String>,
    }
    /// Exchanges an API key or a refresh token for an access token.
    Auth = "manager/auth" -> Tokens {
        /// `api_key_credentials` or `refresh_token`.
        grant_type: String,
        /// With `api_key_credentials`.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        api_key_id: Option<String>,
        /// With `api_key_credentials`.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        api_key_secret: Option<String>,
        /// With `refresh_token`.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        refresh_token: Option<String>,
        /// Narrows what the token may do.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        scope: Option<Vec<String>>,
    }
    /// Makes a solution.
    CreateSolution = "solution/createSolution" -> SolutionCreated {
        /// A name for people.
        name: String,
    }
    /// One solution.
    GetSolution = "solution/getSolution" -> SolutionAnswer {
        /// The solution.
        id: String,
    }
    /// Renames a solution.
    UpdateSolution = "solution/updateSolution" -> Done {
        /// The solution.
        id: String,
        /// A name for people.
        name: String,
    }
    /// Deletes a solution that has no contexts.
    DeleteSolution = "solution/deleteSolution" -> Done {
        /// The solution.
        id: String,
    }
    /// All solutions.
    ListSolutions = "solution/listSolutions" -> Solutions {}
    /// Makes a context in a solution.
    CreateContext = "context/createContext" -> ContextCreated {
        /// The solution.
        solution: String,
        /// A name for people.
        name: String,
        /// What it is for.
        description: String,
        /// `private` or `public`.
        scope: String,
        /// Policies of its containers.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        policy: Option<serde_json::Map<String, Json>>,
    }
    /// One context.
    GetContext = "context/getContext" -> ManagedContextAnswer {
        /// The context.
        context_id: String,
    }
    /// Changes what is given of a context.
    UpdateContext = "context/updateContext" -> Done {
        /// The context.
        context_id: String,
        /// A name for people.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What it is for.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// `private` or `public`.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// Policies of its containers.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        policy: Option<serde_json::Map<String, Json>>,
    }
    /// Deletes a context with all its rooms.
    DeleteContext = "context/deleteContext" -> Done {
        /// The context.
        context_id: String,
    }
    /// Lets the users of a public context see it through another solution, too.
    AddSolutionToContext = "context/addSolutionToContext" -> Done {
        /// The context.
        context_id: String,
        /// The other solution.
        solution_id: String,
    }
    /// Ends that.
    RemoveSolutionFromContext = "context/removeSolutionFromContext" -> Done {
        /// The context.
        context_id: String,
        /// The other solution.
        solution_id: String,
    }
    /// Makes a key a user of a context.
    AddUserToContext = "context/addUserToContext" -> Done {
        /// The context.
        context_id: String,
        /// What the user is called there.
        user_id: String,
        /// Their public key in base58.
        user_pub_key: String,
        /// What they may call; `ALLOW ALL` if nothing is said.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        acl: Option<String>,
    }
    /// Takes a user out of a context.
    RemoveUserFromContext = "context/removeUserFromContext" -> Done {
        /// The context.
        context_id: String,
        /// The user.
        user_id: String,
    }
    /// Changes what a user may call.
    SetUserAcl = "context/setUserAcl" -> Done {
        /// The context.
        context_id: String,
        /// The user.
        user_id: String,
        /// What they may call.
        acl: String,
    }
    /// One user of a context.
    GetUserFromContext = "context/getUserFromContext" -> ManagedUserAnswer {
        /// The context.
        context_id: String,
        /// The user.
        user_id: String,
    }
    /// A room as the manager of its context sees it.
    GetStreamRoom = "stream/getStreamRoom" -> ManagedStreamRoomAnswer {
        /// The room.
        stream_room_id: String,
    }
    /// The rooms of a context.
    ListStreamRooms = "stream/listStreamRooms" -> ManagedStreamRooms {
        /// The context.
        context_id: String,
        /// Start after this room; null for the start.
        #[serde(deserialize_with = "nullable")]
        from: Option<String>,
        /// How many to return, 1 to 100.
        limit: i64,
        /// Which end comes first.
        sort_order: SortOrder,
        /// Which rooms; all if nothing is said.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        state: Option<RoomState>,
    }
    /// Deletes a room.
    DeleteStreamRoom = "stream/deleteStreamRoom" -> Done {
        /// The room.
        stream_room_id: String,
    }
    /// Deletes several rooms.
    DeleteManyStreamRooms = "stream/deleteManyStreamRooms" -> StreamRoomsDeleted {
        /// The rooms.
        stream_room_ids: Vec<String>,
    }
    /// Makes an invite that a newcomer can trade for membership.
    CreateInvite = "invite/createInvite" -> InviteCreated {
        /// The context to be invited to.
        context_id: String,
        /// SHA-256 of the invite's token in hex; the bridge never sees the token before use.
        token_hash: String,
        /// When it ends, in ms.
        expires: i64,
        /// How many keys may use it.
        max_uses: i64,
        /// What the newcomers may call; `ALLOW ALL` if nothing is said.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        acl: Option<String>,
    }
    /// The invites of a context.
    ListInvites = "invite/listInvites" -> Invites {
        /// The context.
        context_id: String,
    }
    /// Ends an invite.
    RevokeInvite = "invite/revokeInvite" -> Done {
        /// The invite.
        invite_id: String,
    }
    /// Trades an invite for membership; a proof of the token is the authorisation.
    RedeemInvite = "invite/redeem" -> InviteRedeemed {
        /// The invite.
        invite_id: String,
        /// What the newcomer wants to be called.
        name: String,
        /// Their public key in base58.
        user_pub_key: String,
        /// Drawn for this call.
        nonce: String,
        /// When the call was made, in ms.
        timestamp: i64,
        /// Base64 of [`redeem_proof`](crate::wire::invite::redeem_proof).
        proof: String,
    }
}

list_call! {
    /// `context/listContexts`.
    ListContexts = "context/listContexts" -> ManagedContexts;
    {}
    check |_call| Ok(())
}

list_call! {
    /// `context/listContextsOfSolution`: those that a solution owns or was given a share in.
    ListContextsOfSolution = "context/listContextsOfSolution" -> ManagedContexts;
    {
        /// The solution.
        solution_id: String,
    }
    check |call| limit::id("solutionId", &call.solution_id)
}

list_call! {
    /// `context/listUsersFromContext`.
    ListUsersFromContext = "context/listUsersFromContext" -> ManagedUsers;
    {
        /// The context.
        context_id: String,
    }
    check |call| limit::id("contextId", &call.context_id)
}

impl Check for Versions {}

impl Check for ListApiKeys {}

impl Check for ListSolutions {}

impl Check for CreateFirstApiKey {
    fn check(&self) -> Result<(), Invalid> {
        limit::some_text("initializationToken", &self.initialization_token)?;
        limit::some_text("name", &self.name)?;
        self.public_key.as_ref().map_or(Ok(()), |key| limit::some_text("publicKey", key))
    }
}

impl Check for CreateApiKey {
    fn check(&self) -> Result<(), Invalid> {
        limit::some_text("name", &self.name)?;
        limit::scope("scope", &self.scope)?;
        self.public_key.as_ref().map_or(Ok(()), |key| limit::some_text("publicKey", key))
    }
}

impl Check for GetApiKey {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

impl Check for UpdateApiKey {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)?;
        self.name.as_ref().map_or(Ok(()), |name| limit::some_text("name", name))?;
        self.scope.as_ref().map_or(Ok(()), |scope| limit::scope("scope", scope))
    }
}

impl Check for DeleteApiKey {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

impl Check for BindAccessToken {
    fn check(&self) -> Result<(), Invalid> {
        limit::some_text("accessToken", &self.access_token)
    }
}

impl Check for SubscribeToManagement {
    fn check(&self) -> Result<(), Invalid> {
        limit::management_channels("channels", &self.channels)
    }
}

impl Check for UnsubscribeFromManagement {
    fn check(&self) -> Result<(), Invalid> {
        limit::management_channels("channels", &self.channels)
    }
}

impl Check for Auth {
    /// Each way has its own parameters, and takes no others.
    fn check(&self) -> Result<(), Invalid> {
        let credentials = match self.grant_type.as_str() {
            "api_key_credentials" => true,
            "refresh_token" => false,
            _ => {
                let rule = "must be api_key_credentials or refresh_token";
                return Err(Invalid { key: "grantType", rule });
            }
        };
        let texts = [
            ("apiKeyId", &self.api_key_id, credentials),
            ("apiKeySecret", &self.api_key_secret, credentials),
            ("refreshToken", &self.refresh_token, !credentials),
        ];
        for (key, text, wanted) in texts {
            match (text, wanted) {
                (Some(text), true) => limit::some_text(key, text)?,
                (None, true) => return Err(Invalid { key, rule: "missing parameter" }),
                (Some(_), false) => return Err(Invalid { key, rule: "unexpected parameter" }),
                (None, false) => {}
            }
        }
        match &self.scope {
            Some(_) if !credentials => Err(Invalid { key: "scope", rule: "unexpected parameter" }),
            Some(scope) => limit::scope("scope", scope),
            None => Ok(()),
        }
    }
}

impl Check for CreateSolution {
    fn check(&self) -> Result<(), Invalid> {
        limit::text("name", &self.name)
    }
}

impl Check for GetSolution {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

impl Check for UpdateSolution {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)?;
        limit::text("name", &self.name)
    }
}

impl Check for DeleteSolution {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

fn context_scope(scope: &str) -> Result<(), Invalid> {
    let rule = "must be private or public";
    if matches!(scope, "private" | "public") { Ok(()) } else { Err(Invalid { key: "scope", rule }) }
}

impl Check for CreateContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("solution", &self.solution)?;
        limit::text("name", &self.name)?;
        limit::text("description", &self.description)?;
        context_scope(&self.scope)
    }
}

impl Check for UpdateContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        self.name.as_ref().map_or(Ok(()), |name| limit::text("name", name))?;
        self.description.as_ref().map_or(Ok(()), |text| limit::text("description", text))?;
        self.scope.as_deref().map_or(Ok(()), context_scope)
    }
}

impl Check for AddUserToContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::id("userId", &self.user_id)?;
        limit::id("userPubKey", &self.user_pub_key)?;
        self.acl.as_ref().map_or(Ok(()), |acl| limit::acl("acl", acl))
    }
}

impl Check for SetUserAcl {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::id("userId", &self.user_id)?;
        limit::acl("acl", &self.acl)
    }
}

/// Calls whose parameters are ids and nothing else.
macro_rules! ids {
    ($($name:ident { $($key:literal: $field:ident),* })*) => {$(
        impl Check for $name {
            fn check(&self) -> Result<(), Invalid> {
                $(limit::id($key, &self.$field)?;)*
                Ok(())
            }
        }
    )*};
}

ids! {
    GetContext { "contextId": context_id }
    DeleteContext { "contextId": context_id }
    AddSolutionToContext { "contextId": context_id, "solutionId": solution_id }
    RemoveSolutionFromContext { "contextId": context_id, "solutionId": solution_id }
    RemoveUserFromContext { "contextId": context_id, "userId": user_id }
    GetUserFromContext { "contextId": context_id, "userId": user_id }
    GetStreamRoom { "streamRoomId": stream_room_id }
    DeleteStreamRoom { "streamRoomId": stream_room_id }
    ListInvites { "contextId": context_id }
    RevokeInvite { "inviteId": invite_id }
}

impl Check for ListStreamRooms {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::optional_id("from", self.from.as_deref())?;
        limit::page(self.limit)
    }
}

impl Check for DeleteManyStreamRooms {
    fn check(&self) -> Result<(), Invalid> {
        let (key, ids) = ("streamRoomIds", &self.stream_room_ids);
        limit::at_most(key, ids.len(), limit::DELETE_MAX, "must have at most 128 entries")?;
        limit::ids(key, ids)
    }
}

impl Check for CreateInvite {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        let hex = "must be 64 hex digits";
        limit::text_range("tokenHash", &self.token_hash, 64, 64, hex)?;
        if !self.token_hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Invalid { key: "tokenHash", rule: hex });
        }
        limit::number("expires", self.expires, 0, "must not be negative")?;
        if !(1..=USES_MAX).contains(&self.max_uses) {
            return Err(Invalid { key: "maxUses", rule: "must be 1 to 10000" });
        }
        self.acl.as_ref().map_or(Ok(()), |acl| limit::acl("acl", acl))
    }
}

impl Check for RedeemInvite {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("inviteId", &self.invite_id)?;
        let name = "must have 1 to 64 characters";
        if !(1..=NAME_MAX).contains(&self.name.chars().count()) {
            return Err(Invalid { key: "name", rule: name });
        }
        limit::id("userPubKey", &self.user_pub_key)?;
        limit::id("nonce", &self.nonce)?;
        limit::number("timestamp", self.timestamp, 0, "must not be negative")?;
        limit::key_text("proof", &self.proof)
    }
}
