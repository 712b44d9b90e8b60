//! The management JSON-RPC on `POST /api` (transport.md 10), and our invitations.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use serde_json::json;

use super::management_stream;
use super::params;
use crate::bridge::authority::SignedPart;
use crate::bridge::authority::Tokens;
use crate::bridge::core::Core;
use crate::bridge::service::Outcome;
use crate::bridge::service::Page;
use crate::bridge::service::ServiceError;
use crate::bridge::service::invite;
use crate::bridge::service::invite::Redeem;
use crate::bridge::service::provision;
use crate::bridge::service::provision::ApiKeyChange;
use crate::bridge::service::provision::ContextChange;
use crate::bridge::service::provision::Reach;
use crate::bridge::store::ApiKeyRecord;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::InviteRecord;
use crate::bridge::store::SolutionRecord;
use crate::bridge::store::Tx;
use crate::bridge::store::UserRecord;
use crate::crypto::ed25519::Ed25519Key;
use crate::crypto::key::PublicKey;
use crate::model::ContextId;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::wire::dto::management::AddSolutionToContext;
use crate::wire::dto::management::AddUserToContext;
use crate::wire::dto::management::Auth;
use crate::wire::dto::management::BindAccessToken;
use crate::wire::dto::management::CreateApiKey;
use crate::wire::dto::management::CreateContext;
use crate::wire::dto::management::CreateFirstApiKey;
use crate::wire::dto::management::CreateInvite;
use crate::wire::dto::management::CreateSolution;
use crate::wire::dto::management::DeleteApiKey;
use crate::wire::dto::management::DeleteContext;
use crate::wire::dto::management::DeleteSolution;
use crate::wire::dto::management::GetApiKey;
use crate::wire::dto::management::GetContext;
use crate::wire::dto::management::GetSolution;
use crate::wire::dto::management::GetUserFromContext;
use crate::wire::dto::management::ListApiKeys;
use crate::wire::dto::management::ListContexts;
use crate::wire::dto::management::ListContextsOfSolution;
use crate::wire::dto::management::ListInvites;
use crate::wire::dto::management::ListSolutions;
use crate::wire::dto::management::ListUsersFromContext;
use crate::wire::dto::management::RedeemInvite;
use crate::wire::dto::management::RemoveSolutionFromContext;
use crate::wire::dto::management::RemoveUserFromContext;
use crate::wire::dto::management::RevokeInvite;
use crate::wire::dto::management::SetUserAcl;
use crate::wire::dto::management::SubscribeToManagement;
use crate::wire::dto::management::UnsubscribeFromManagement;
use crate::wire::dto::management::UpdateApiKey;
use crate::wire::dto::management::UpdateContext;
use crate::wire::dto::management::UpdateSolution;
use crate::wire::dto::management::Versions;
use crate::wire::rpc::RpcError;
use crate::wire::rpc::code;

/// Characters of the id of a request.
const ID_MAX: usize = 1024;
/// Characters appended to a name that is taken.
const ENDING: usize = 4;

/// A management request as it came over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// From where.
    pub address: IpAddr,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// What a signature covers, body included.
    pub signed: SignedPart<'a>,
}

type Reply = Result<Outcome, ServiceError>;

/// A call as it was sent.
#[derive(Clone, PartialEq)]
pub struct Call {
    /// Echoed by the answer.
    pub id: Value,
    /// What is called.
    pub method: String,
    /// Its parameters.
    pub params: Value,
    /// An access token, for those who can't set headers.
    pub token: Option<String>,
}

/// Reads a request; the error is the whole answer to what is none.
///
/// # Errors
///
/// PARSE_ERROR or INVALID_REQUEST, as an answer.
pub fn parse(body: &[u8]) -> Result<Call, Value> {
    let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
        return Err(failure(&Value::Null, &RpcError::new(code::PARSE_ERROR)));
    };
    let id = body.get("id").cloned().unwrap_or(Value::Null);
    let method = body.get("method").and_then(Value::as_str).map(str::to_owned);
    let Some(method) = method.filter(|_| body["jsonrpc"] == "2.0" && is_id(&id)) else {
        return Err(failure(&Value::Null, &RpcError::new(code::INVALID_REQUEST)));
    };
    let params = body.get_mut("params").map_or_else(|| json!({}), Value::take);
    let token = body.get("token").and_then(Value::as_str).map(str::to_owned);
    Ok(Call { id, method, params, token })
}

/// Answers one request with the body of the response and what follows from it.
pub async fn handle(core: &Core, request: Request<'_>) -> Value {
    let Call { id, method, params, token } = match parse(request.signed.body) {
        Ok(call) => call,
        Err(failure) => return failure,
    };
    let outcome = match call(core, request, token.as_deref(), &method, params).await {
        Ok(outcome) => outcome,
        Err(error) => return answer(&id, Err(error)),
    };
    let settled = core.settle(outcome).await;
    core.notifier.fan_out(&settled.notices, core.now());
    answer(&id, Ok(settled.reply))
}

/// The body of a response.
#[must_use]
pub fn answer(id: &Value, result: Result<Value, ServiceError>) -> Value {
    match result {
        Ok(reply) => json!({"jsonrpc": "2.0", "id": id, "result": reply}),
        Err(error) => failure(id, &RpcError::from(&error)),
    }
}

/// The parameter of `bindAccessToken`.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`].
pub fn access_token(raw: Value) -> Result<String, ServiceError> {
    Ok(params::read::<BindAccessToken>(raw)?.access_token)
}

/// The parameter of `subscribeToChannel`, or of its opposite.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`].
pub fn channels(raw: Value, on: bool) -> Result<Vec<String>, ServiceError> {
    if on {
        Ok(params::read::<SubscribeToManagement>(raw)?.channels)
    } else {
        Ok(params::read::<UnsubscribeFromManagement>(raw)?.channels)
    }
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= ID_MAX,
        _ => false,
    }
}

fn failure(id: &Value, error: &RpcError) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": {"code": error.code, "message": error.message, "data": error.data},
    })
}

async fn call(
    core: &Core,
    request: Request<'_>,
    token: Option<&str>,
    method: &str,
    raw: Value,
) -> Reply {
    match method {
        "versions" => {
            params::read::<Versions>(raw)?;
            return Ok(Outcome::quiet(json!(["v2.0"])));
        }
        "manager/createFirstApiKey" => {
            return guarded(core, request.address, create_first_api_key(core, raw)).await;
        }
        "manager/auth" => return guarded(core, request.address, auth(core, raw)).await,
        "invite/redeem" => return guarded(core, request.address, redeem(core, raw)).await,
        _ => {}
    }
    let Some(scope) = scope_of(method) else { return Err(ServiceError::MethodNotFound) };
    let reach = guarded(core, request.address, authorize(core, request, token)).await?;
    if !reach.has(scope) {
        return Err(ServiceError::InsufficientScope);
    }
    match method.split_once('/') {
        Some(("manager", _)) => manager(core, reach, method, raw).await,
        Some(("solution", _)) => solution(core, reach, method, raw).await,
        Some(("invite", _)) => invitation(core, reach, method, raw).await,
        Some(("stream", _)) => management_stream::call(core, reach, method, raw).await,
        _ => context(core, reach, method, raw).await,
    }
}

fn scope_of(method: &str) -> Option<&'static str> {
    match method {
        "manager/createApiKey"
        | "manager/listApiKeys"
        | "manager/getApiKey"
        | "manager/updateApiKey"
        | "manager/deleteApiKey" => Some("apiKey"),
        "solution/createSolution"
        | "solution/getSolution"
        | "solution/updateSolution"
        | "solution/deleteSolution"
        | "solution/listSolutions" => Some("solution"),
        "context/createContext"
        | "context/getContext"
        | "context/updateContext"
        | "context/deleteContext"
        | "context/addSolutionToContext"
        | "context/removeSolutionFromContext"
        | "context/listContexts"
        | "context/listContextsOfSolution"
        | "context/addUserToContext"
        | "context/removeUserFromContext"
        | "context/setUserAcl"
        | "context/getUserFromContext"
        | "context/listUsersFromContext"
        | "invite/createInvite"
        | "invite/listInvites"
        | "invite/revokeInvite" => Some("context"),
        "stream/getStreamRoom"
        | "stream/listStreamRooms"
        | "stream/deleteStreamRoom"
        | "stream/deleteManyStreamRooms" => Some("stream"),
        _ => None,
    }
}

/// Refuses an address that failed too often, and counts failures that smell of guessing.
pub async fn guarded<T>(
    core: &Core,
    address: IpAddr,
    work: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    if !core.may_try(address) {
        return Err(ServiceError::TooManyAttempts);
    }
    let result = work.await;
    if let Err(
        ServiceError::Unauthorized
        | ServiceError::InvalidCredentials
        | ServiceError::InvalidToken
        | ServiceError::InitializationToken
        | ServiceError::Invite(_),
    ) = &result
    {
        core.failed(address);
    }
    result
}

async fn authorize(
    core: &Core,
    request: Request<'_>,
    token: Option<&str>,
) -> Result<Reach, ServiceError> {
    match (request.authorization, token) {
        (Some(header), _) => {
            core.authority.header(&core.store, header, request.signed, core.now()).await
        }
        (None, Some(token)) => core.authority.bearer(token, core.now()),
        (None, None) => Err(ServiceError::Unauthorized),
    }
}

fn api_key(
    core: &Core,
    name: String,
    public_key: Option<String>,
    scope: Vec<String>,
) -> Result<ApiKeyRecord, ServiceError> {
    let secret = match &public_key {
        None => hex::encode(rand::random::<[u8; 16]>()),
        Some(pem) => {
            let wrong = |_| ServiceError::params("publicKey: must be an Ed25519 key in PEM");
            Ed25519Key::from_pem(pem).map_err(wrong)?;
            String::new()
        }
    };
    Ok(ApiKeyRecord {
        id: hex::encode(rand::random::<[u8; 16]>()),
        name,
        secret: Secret::new(secret),
        public_key,
        scope,
        created: core.now(),
        enabled: true,
    })
}

fn shown(key: &ApiKeyRecord) -> Value {
    match &key.public_key {
        None => json!({"id": key.id, "secret": key.secret.expose()}),
        Some(_) => json!({"id": key.id}),
    }
}

async fn create_first_api_key(core: &Core, raw: Value) -> Reply {
    let call: CreateFirstApiKey = params::read(raw)?;
    let scope = provision::FIRST_SCOPE.iter().map(|scope| (*scope).to_owned()).collect();
    let key = api_key(core, call.name, call.public_key, scope)?;
    let reply = shown(&key);
    let expected = core.config.initialization_token.as_ref().map(|token| token.expose().clone());
    let given = call.initialization_token;
    core.store
        .write(move |tx| provision::create_first_api_key(tx, expected.as_deref(), &given, key))
        .await?;
    Ok(Outcome::quiet(reply))
}

fn tokens_view(tokens: &Tokens) -> Value {
    json!({
        "tokenType": "Bearer",
        "accessToken": tokens.access,
        "accessTokenExpiry": tokens.access_expiry.0,
        "refreshToken": tokens.refresh,
        "refreshTokenExpiry": tokens.refresh_expiry.0,
        "scope": tokens.scope,
    })
}

async fn auth(core: &Core, raw: Value) -> Reply {
    let call: Auth = params::read(raw)?;
    let now = core.now();
    let tokens = match (call.refresh_token, call.api_key_id, call.api_key_secret) {
        (Some(token), ..) => core.authority.refresh(&token, now)?,
        (None, Some(id), Some(secret)) => {
            let key = core.store.read(move |tx| provision::authenticate(tx, &id, &secret)).await?;
            let scope = match call.scope {
                None => key.scope,
                Some(wanted) if wanted.iter().all(|scope| key.scope.contains(scope)) => wanted,
                Some(_) => return Err(ServiceError::InsufficientScope),
            };
            core.authority.issue(&key.id, scope, now)
        }
        // The parameters were checked to be those of the grant.
        _ => return Err(ServiceError::Internal),
    };
    Ok(Outcome::quiet(tokens_view(&tokens)))
}

async fn manager(core: &Core, reach: Reach, method: &str, raw: Value) -> Reply {
    let store = &core.store;
    let reply = match method {
        "manager/createApiKey" => {
            let call: CreateApiKey = params::read(raw)?;
            let key = api_key(core, call.name, call.public_key, call.scope)?;
            let reply = shown(&key);
            store.write(move |tx| provision::create_api_key(tx, &reach, &key)).await?;
            reply
        }
        "manager/getApiKey" => {
            let id = params::read::<GetApiKey>(raw)?.id;
            store.read(move |tx| provision::get_api_key(tx, &id)).await?
        }
        "manager/updateApiKey" => {
            let UpdateApiKey { id, name, scope, enabled } = params::read(raw)?;
            let change = ApiKeyChange { name, scope, enabled };
            let of = id.clone();
            let work = move |tx: &mut Tx<'_>| provision::update_api_key(tx, &reach, &of, change);
            let reply = store.write(work).await?;
            core.authority.revoke(&id);
            reply
        }
        "manager/deleteApiKey" => {
            let id = params::read::<DeleteApiKey>(raw)?.id;
            let of = id.clone();
            let reply = store.write(move |tx| provision::delete_api_key(tx, &reach, &of)).await?;
            core.authority.revoke(&id);
            reply
        }
        _ => {
            params::read::<ListApiKeys>(raw)?;
            store.read(|tx| provision::list_api_keys(tx)).await?
        }
    };
    Ok(Outcome::quiet(reply))
}

async fn solution(core: &Core, reach: Reach, method: &str, raw: Value) -> Reply {
    let store = &core.store;
    let reply = match method {
        "solution/createSolution" => {
            let name = params::read::<CreateSolution>(raw)?.name;
            let id = SolutionId(uuid::Uuid::new_v4().to_string());
            let record = SolutionRecord { id, name, created: core.now() };
            store.write(move |tx| provision::create_solution(tx, &record)).await?
        }
        "solution/getSolution" => {
            let id = SolutionId(params::read::<GetSolution>(raw)?.id);
            store.read(move |tx| provision::get_solution(tx, &reach, &id)).await?
        }
        "solution/updateSolution" => {
            let UpdateSolution { id, name } = params::read(raw)?;
            let id = SolutionId(id);
            store.write(move |tx| provision::update_solution(tx, &reach, &id, &name)).await?
        }
        "solution/deleteSolution" => {
            let id = SolutionId(params::read::<DeleteSolution>(raw)?.id);
            return store.write(move |tx| provision::delete_solution(tx, &reach, &id)).await;
        }
        _ => {
            params::read::<ListSolutions>(raw)?;
            store.read(move |tx| provision::list_solutions(tx, &reach)).await?
        }
    };
    Ok(Outcome::quiet(reply))
}

async fn context(core: &Core, reach: Reach, method: &str, raw: Value) -> Reply {
    let store = &core.store;
    let now = core.now();
    match method {
        "context/createContext" => {
            let call: CreateContext = params::read(raw)?;
            let record = ContextRecord {
                id: ContextId(uuid::Uuid::new_v4().to_string()),
                solution: SolutionId(call.solution),
                shares: Vec::new(),
                name: call.name,
                description: call.description,
                scope: call.scope,
                policy: Value::Null,
                created: now,
                modified: now,
            };
            let policy = call.policy;
            let work = move |tx: &mut Tx<'_>| provision::create_context(tx, &reach, record, policy);
            store.write(work).await.map(Outcome::quiet)
        }
        "context/getContext" => {
            let id = ContextId(params::read::<GetContext>(raw)?.context_id);
            store.read(move |tx| provision::get_context(tx, &reach, &id)).await.map(Outcome::quiet)
        }
        "context/updateContext" => {
            let UpdateContext { context_id, name, description, scope, policy } = params::read(raw)?;
            let id = ContextId(context_id);
            let change = ContextChange { name, description, scope, policy };
            store.write(move |tx| provision::update_context(tx, &reach, &id, change, now)).await
        }
        "context/deleteContext" => {
            let id = ContextId(params::read::<DeleteContext>(raw)?.context_id);
            store.write(move |tx| provision::delete_context(tx, &reach, &id)).await
        }
        "context/addSolutionToContext" => {
            let AddSolutionToContext { context_id, solution_id } = params::read(raw)?;
            let (id, solution) = (ContextId(context_id), SolutionId(solution_id));
            let work = move |tx: &mut Tx<'_>| provision::add_share(tx, &reach, &id, &solution);
            store.write(work).await.map(Outcome::quiet)
        }
        "context/removeSolutionFromContext" => {
            let RemoveSolutionFromContext { context_id, solution_id } = params::read(raw)?;
            let (id, solution) = (ContextId(context_id), SolutionId(solution_id));
            store.write(move |tx| provision::remove_share(tx, &reach, &id, &solution)).await
        }
        "context/listContextsOfSolution" => {
            let call: ListContextsOfSolution = params::read(raw)?;
            let page = params::page(call.page())?;
            list_contexts(core, reach, Some(SolutionId(call.solution_id)), page).await
        }
        "context/listContexts" => {
            let page = params::page(params::read::<ListContexts>(raw)?.page())?;
            list_contexts(core, reach, None, page).await
        }
        // The rest is about users.
        _ => context_user(core, reach, method, raw).await,
    }
}

async fn list_contexts(
    core: &Core,
    reach: Reach,
    solution: Option<SolutionId>,
    page: Page,
) -> Reply {
    page.refuse_query()?;
    let work =
        move |tx: &mut Tx<'_>| provision::list_contexts(tx, &reach, solution.as_ref(), &page);
    core.store.read(work).await.map(Outcome::quiet)
}

async fn context_user(core: &Core, reach: Reach, method: &str, raw: Value) -> Reply {
    let store = &core.store;
    match method {
        "context/addUserToContext" => {
            let call: AddUserToContext = params::read(raw)?;
            let context = ContextId(call.context_id);
            let record = UserRecord {
                context: context.clone(),
                user: UserId(call.user_id),
                pub_key: public_key(&call.user_pub_key)?,
                acl: acl(call.acl),
                created: core.now(),
                last_status: None,
            };
            store
                .write(move |tx| {
                    let context = provision::context(tx, &reach, &context)?;
                    let notify = provision::add_user(tx, &context, &record)?;
                    Ok(Outcome { reply: json!("OK"), notify, media: Vec::new() })
                })
                .await
        }
        "context/removeUserFromContext" => {
            let RemoveUserFromContext { context_id, user_id } = params::read(raw)?;
            let (context, user) = (ContextId(context_id), UserId(user_id));
            store.write(move |tx| provision::remove_user(tx, &reach, &context, &user)).await
        }
        "context/setUserAcl" => {
            let SetUserAcl { context_id, user_id, acl } = params::read(raw)?;
            let (context, user) = (ContextId(context_id), UserId(user_id));
            store.write(move |tx| provision::set_user_acl(tx, &reach, &context, &user, &acl)).await
        }
        "context/getUserFromContext" => {
            let GetUserFromContext { context_id, user_id } = params::read(raw)?;
            let (context, user) = (ContextId(context_id), UserId(user_id));
            store
                .read(move |tx| provision::get_user(tx, &reach, &context, &user))
                .await
                .map(Outcome::quiet)
        }
        _ => {
            let call: ListUsersFromContext = params::read(raw)?;
            let page = params::page(call.page())?;
            page.refuse_query()?;
            let context = ContextId(call.context_id);
            store
                .read(move |tx| provision::list_users(tx, &reach, &context, &page))
                .await
                .map(Outcome::quiet)
        }
    }
}

/// A public key in its one canonical form.
fn public_key(text: &str) -> Result<String, ServiceError> {
    let wrong = |_| ServiceError::params("userPubKey: must be a public key");
    Ok(PublicKey::from_base58(text).map_err(wrong)?.to_base58())
}

fn acl(given: Option<String>) -> String {
    given.unwrap_or_else(|| provision::DEFAULT_ACL.to_owned())
}

async fn invitation(core: &Core, reach: Reach, method: &str, raw: Value) -> Reply {
    let store = &core.store;
    let reply = match method {
        "invite/createInvite" => {
            let call: CreateInvite = params::read(raw)?;
            let hash = hex::decode(call.token_hash);
            let record = InviteRecord {
                id: core.new_id(),
                context: ContextId(call.context_id),
                token_hash: hash.map_err(|_| ServiceError::params("tokenHash"))?,
                expires: Timestamp(call.expires),
                max_uses: call.max_uses,
                uses: 0,
                acl: acl(call.acl),
                created: core.now(),
                revoked: false,
            };
            store.write(move |tx| invite::create(tx, &reach, &record)).await?
        }
        "invite/revokeInvite" => {
            let id = params::read::<RevokeInvite>(raw)?.invite_id;
            store.write(move |tx| invite::revoke(tx, &reach, &id)).await?
        }
        _ => {
            let context = ContextId(params::read::<ListInvites>(raw)?.context_id);
            store.read(move |tx| invite::list(tx, &reach, &context)).await?
        }
    };
    Ok(Outcome::quiet(reply))
}

/// What changes how a name is shown without being seen: two names that differ in nothing else
/// look the same. Controls, all spaces but the ordinary one, and what Unicode calls format
/// characters, fillers and selectors.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(
            c,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
                | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
                | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
                | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

async fn redeem(core: &Core, raw: Value) -> Reply {
    let call: RedeemInvite = params::read(raw)?;
    let request = Redeem {
        invite: call.invite_id,
        name: call.name,
        pub_key: public_key(&call.user_pub_key)?,
        nonce: call.nonce,
        timestamp: Timestamp(call.timestamp),
        proof: BASE64.decode(&call.proof).map_err(|_| ServiceError::params("proof"))?,
    };
    if request.name.chars().any(is_invisible) || request.name.trim() != request.name {
        return Err(ServiceError::params("name"));
    }
    let now = core.now();
    core.store
        .write(move |tx| {
            let ending = || hex::encode(rand::random::<[u8; ENDING / 2]>());
            invite::redeem(tx, &request, now, ending)
        })
        .await
}
