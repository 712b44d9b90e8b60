//! The management API: JSON-RPC over plain HTTP (transport.md 10), and invites, which are
//! this program's own addition to it.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::Call;
use super::Done;
use super::Invalid;
use super::call::present;
use super::limit;
use super::list::list_call;
use crate::wire::rpc::RpcError;

/// A JSON-RPC request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct JsonRpcRequest {
    /// `2.0`.
    pub jsonrpc: String,
    /// Echoed by the answer.
    pub id: Json,
    /// What is called.
    pub method: String,
    /// Its parameters.
    #[serde(default)]
    pub params: Json,
    /// A bearer token, for those who cannot set headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A JSON-RPC response: a result or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonRpcResponse {
    /// `2.0`.
    pub jsonrpc: String,
    /// The id of the request.
    pub id: Json,
    /// What the call returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JsonRpcError>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonRpcError {
    /// One of [`crate::wire::rpc::code`].
    pub code: i64,
    /// For a person.
    pub message: String,
    /// More about it.
    #[serde(default)]
    pub data: Json,
}

impl JsonRpcRequest {
    /// A request of `call`.
    pub fn new<C: Call>(call: &C) -> Self {
        Self {
            jsonrpc: "2.0".to_owned(),
            id: Json::from(1),
            method: C::METHOD.to_owned(),
            params: call.params(),
            token: None,
        }
    }
}

impl fmt::Debug for JsonRpcRequest {
    /// Without parameters and token: both may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRpcRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

impl JsonRpcResponse {
    /// The answer to the request `id`.
    #[must_use]
    pub fn new(id: Json, result: Result<Json, RpcError>) -> Self {
        let jsonrpc = "2.0".to_owned();
        match result {
            Ok(result) => Self { jsonrpc, id, result: Some(result), error: None },
            Err(error) => {
                let RpcError { code, message, data } = error;
                let error = Some(JsonRpcError { code, message, data });
                Self { jsonrpc, id, result: None, error }
            }
        }
    }

    /// What came of the call; an absent result counts as null.
    ///
    /// # Errors
    ///
    /// The server's error.
    pub fn into_result(self) -> Result<Json, RpcError> {
        match self.error {
            Some(JsonRpcError { code, message, data }) => Err(RpcError { code, message, data }),
            None => Ok(self.result.unwrap_or_default()),
        }
    }
}

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
    /// Trades an invite for membership; the token is the authorisation.
    RedeemInvite = "invite/redeem" -> InviteRedeemed {
        /// The invite.
        invite_id: String,
        /// Base64 of its 32 bytes.
        token: String,
        /// What the newcomer wants to be called.
        name: String,
        /// Their public key in base58.
        user_pub_key: String,
    }
}

list_call! {
    /// `context/listContexts`.
    ListContexts = "context/listContexts" -> ManagedContexts, sort by String;
    {}
    check |_call| Ok(())
}

list_call! {
    /// `context/listUsersFromContext`.
    ListUsersFromContext = "context/listUsersFromContext" -> ManagedUsers, sort by String;
    {
        /// The context.
        context_id: String,
    }
    check |call| limit::id("contextId", &call.context_id)
}

impl Check for Versions {}
impl Check for CreateFirstApiKey {}
impl Check for CreateApiKey {}
impl Check for ListApiKeys {}
impl Check for Auth {}
impl Check for CreateSolution {}
impl Check for ListSolutions {}

impl Check for GetSolution {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("id", &self.id)
    }
}

impl Check for CreateContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("solution", &self.solution)?;
        let known = matches!(self.scope.as_str(), "private" | "public");
        let rule = "must be private or public";
        if known { Ok(()) } else { Err(Invalid { key: "scope", rule }) }
    }
}

impl Check for GetContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)
    }
}

impl Check for AddUserToContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::id("userId", &self.user_id)
    }
}

impl Check for RemoveUserFromContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::id("userId", &self.user_id)
    }
}

impl Check for SetUserAcl {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::id("userId", &self.user_id)
    }
}

impl Check for GetUserFromContext {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)?;
        limit::id("userId", &self.user_id)
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
        limit::number("maxUses", self.max_uses, 1, "must be at least 1")
    }
}

impl Check for ListInvites {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("contextId", &self.context_id)
    }
}

impl Check for RevokeInvite {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("inviteId", &self.invite_id)
    }
}

impl Check for RedeemInvite {
    fn check(&self) -> Result<(), Invalid> {
        limit::id("inviteId", &self.invite_id)?;
        limit::text_range("token", &self.token, 44, 44, "must be base64 of 32 bytes")?;
        limit::id("name", &self.name)
    }
}

/// A new API key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// Its id.
    pub id: String,
    /// Its secret, unless it has a public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl fmt::Debug for ApiKeyCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyCreated").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The answer to [`Auth`]; times are ms.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// `Bearer`.
    pub token_type: String,
    /// What to authorise with.
    pub access_token: String,
    /// When that ends.
    pub access_token_expiry: i64,
    /// What to get the next one with.
    pub refresh_token: String,
    /// When that ends.
    pub refresh_token_expiry: i64,
    /// What the token may do.
    pub scope: Vec<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$attribute])* pub $field: $type,)* }
    )*};
}

answers! {
    /// The answer to [`ListApiKeys`].
    ApiKeys {
        /// All of them.
        list: Vec<ApiKey>,
    }
    /// An API key without its secret.
    ApiKey {
        /// Its id.
        id: String,
        /// When it was made, in ms.
        created: i64,
        /// Whether it works.
        enabled: bool,
        /// A name for people.
        name: String,
        /// What it may do.
        scope: Vec<String>,
        /// Ed25519 key in PEM, if it has one.
        #[serde(default)]
        public_key: Option<String>,
    }
    /// The answer to [`CreateSolution`].
    SolutionCreated {
        /// The new solution.
        solution_id: String,
    }
    /// The answer to [`GetSolution`].
    SolutionAnswer {
        /// The solution.
        solution: Solution,
    }
    /// The answer to [`ListSolutions`].
    Solutions {
        /// All of them.
        list: Vec<Solution>,
    }
    /// A solution.
    Solution {
        /// Its id.
        id: String,
        /// When it was made, in ms.
        #[serde(default)]
        created: i64,
        /// A name for people.
        name: String,
    }
    /// The answer to [`CreateContext`].
    ContextCreated {
        /// The new context.
        context_id: String,
    }
    /// The answer to [`GetContext`].
    ManagedContextAnswer {
        /// The context.
        context: ManagedContext,
    }
    /// The answer to [`ListContexts`].
    ManagedContexts {
        /// A page of contexts.
        list: Vec<ManagedContext>,
        /// How many there are in all pages.
        count: i64,
    }
    /// A context as its manager sees it.
    ManagedContext {
        /// Its id.
        id: String,
        /// When it was made, in ms.
        created: i64,
        /// When it was changed, in ms.
        modified: i64,
        /// The solution that owns it.
        solution: String,
        /// Solutions that may use it.
        #[serde(default)]
        shares: Vec<String>,
        /// A name for people.
        name: String,
        /// What it is for.
        #[serde(default)]
        description: String,
        /// `private` or `public`.
        scope: String,
        /// Policies of its containers.
        #[serde(default)]
        policy: Json,
    }
    /// The answer to [`GetUserFromContext`].
    ManagedUserAnswer {
        /// The user.
        user: ManagedUser,
    }
    /// The answer to [`ListUsersFromContext`].
    ManagedUsers {
        /// A page of users.
        users: Vec<ManagedUser>,
        /// How many there are in all pages.
        count: i64,
    }
    /// A user as the manager of a context sees it.
    ManagedUser {
        /// User id.
        user_id: String,
        /// Public key in base58.
        pub_key: String,
        /// When it was added, in ms.
        created: i64,
        /// What it may call.
        acl: String,
        /// The context.
        context_id: String,
    }
    /// The answer to [`CreateInvite`].
    InviteCreated {
        /// The new invite.
        invite_id: String,
    }
    /// The answer to [`ListInvites`].
    Invites {
        /// All of them.
        list: Vec<Invite>,
    }
    /// An invite as its maker sees it.
    Invite {
        /// Its id.
        invite_id: String,
        /// The context to be invited to.
        context_id: String,
        /// When it was made, in ms.
        created: i64,
        /// When it ends, in ms.
        expires: i64,
        /// How many keys may use it.
        max_uses: i64,
        /// How many have.
        uses: i64,
        /// It was ended early.
        revoked: bool,
    }
    /// The answer to [`RedeemInvite`].
    InviteRedeemed {
        /// The solution to log in with.
        solution_id: String,
        /// The context that the newcomer is now a user of.
        context_id: String,
        /// What they are called there.
        user_id: String,
    }
}
