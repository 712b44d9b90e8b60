//! The management JSON-RPC on `POST /api` (transport.md 10), and our invitations.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use serde_json::json;

use super::params::Params;
use crate::bridge::authority::SignedPart;
use crate::bridge::authority::Tokens;
use crate::bridge::core::Core;
use crate::bridge::service::Outcome;
use crate::bridge::service::ServiceError;
use crate::bridge::service::invite;
use crate::bridge::service::invite::Redeem;
use crate::bridge::service::provision;
use crate::bridge::service::provision::Reach;
use crate::bridge::store::ApiKeyRecord;
use crate::bridge::store::ContextRecord;
use crate::bridge::store::InviteRecord;
use crate::bridge::store::SolutionRecord;
use crate::bridge::store::UserRecord;
use crate::model::ContextId;
use crate::model::Secret;
use crate::model::SolutionId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::wire::rpc::RpcError;
use crate::wire::rpc::code;

/// Characters of names and descriptions.
const TEXT_MAX: usize = 1024;
/// Entries of an API key's scope.
const SCOPE_MAX: usize = 64;
/// Characters of an ACL.
const ACL_MAX: usize = 16_384;
/// Characters of a name that an invited person may choose.
const NAME_MAX: usize = 64;
/// Keys that one invitation may admit.
const USES_MAX: i64 = 10_000;
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

/// Answers one request with the body of the response and what follows from it.
pub async fn handle(core: &Core, request: Request<'_>) -> Value {
    let Ok(body) = serde_json::from_slice::<Value>(request.signed.body) else {
        return failure(&Value::Null, &RpcError::new(code::PARSE_ERROR));
    };
    let id = body.get("id").cloned().unwrap_or(Value::Null);
    let method = body.get("method").and_then(Value::as_str).map(str::to_owned);
    let Some(method) = method.filter(|_| body["jsonrpc"] == "2.0" && is_id(&id)) else {
        return failure(&Value::Null, &RpcError::new(code::INVALID_REQUEST));
    };
    let params = body.get("params").cloned().unwrap_or_else(|| json!({}));
    let token = body.get("token").and_then(Value::as_str);
    match call(core, request, token, &method, params).await {
        Ok(outcome) => {
            let answer = core.settle(outcome).await;
            core.notifier.fan_out(&answer.notices, core.now());
            json!({"jsonrpc": "2.0", "id": id, "result": answer.reply})
        }
        Err(error) => failure(&id, &RpcError::from(&error)),
    }
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= TEXT_MAX,
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
    params: Value,
) -> Reply {
    let params = Params::new(params)?;
    match method {
        "versions" => {
            params.finish()?;
            return Ok(Outcome::quiet(json!(["v2.0"])));
        }
        "manager/createFirstApiKey" => {
            return guarded(core, request.address, create_first_api_key(core, params)).await;
        }
        "manager/auth" => return guarded(core, request.address, auth(core, params)).await,
        "invite/redeem" => return guarded(core, request.address, redeem(core, params)).await,
        _ => {}
    }
    let Some(scope) = scope_of(method) else { return Err(ServiceError::MethodNotFound) };
    let reach = guarded(core, request.address, authorize(core, request, token)).await?;
    if !reach.has(scope) {
        return Err(ServiceError::InsufficientScope);
    }
    if method.starts_with("manager/") || method.starts_with("solution/") {
        operator(core, reach, method, params).await
    } else {
        tenant(core, reach, method, params).await
    }
}

fn scope_of(method: &str) -> Option<&'static str> {
    match method {
        "manager/createApiKey" | "manager/listApiKeys" => Some("apiKey"),
        "solution/createSolution" | "solution/getSolution" | "solution/listSolutions" => {
            Some("solution")
        }
        "context/createContext"
        | "context/getContext"
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
async fn guarded<T>(
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
    params: &mut Params,
    scope: Vec<String>,
) -> Result<ApiKeyRecord, ServiceError> {
    let name = params.text("name", 1, TEXT_MAX)?;
    if params.has("publicKey") {
        return Err(ServiceError::params(
            "publicKey: API keys with a public key are not supported",
        ));
    }
    Ok(ApiKeyRecord {
        id: hex::encode(rand::random::<[u8; 16]>()),
        name,
        secret: Secret::new(hex::encode(rand::random::<[u8; 16]>())),
        scope,
        created: core.now(),
        enabled: true,
    })
}

fn shown(key: &ApiKeyRecord) -> Value {
    json!({"id": key.id, "secret": key.secret.expose()})
}

async fn create_first_api_key(core: &Core, mut params: Params) -> Reply {
    let given = params.text("initializationToken", 1, TEXT_MAX)?;
    let scope = provision::FIRST_SCOPE.iter().map(|scope| (*scope).to_owned()).collect();
    let key = api_key(core, &mut params, scope)?;
    params.finish()?;
    let reply = shown(&key);
    let expected = core.config.initialization_token.as_ref().map(|token| token.expose().clone());
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

async fn auth(core: &Core, mut params: Params) -> Reply {
    let now = core.now();
    let tokens = match params.word("grantType", &["api_key_credentials", "refresh_token"])? {
        "refresh_token" => {
            let token = params.text("refreshToken", 1, TEXT_MAX)?;
            params.finish()?;
            core.authority.refresh(&token, now)?
        }
        _ => {
            let id = params.text("apiKeyId", 1, TEXT_MAX)?;
            let secret = params.text("apiKeySecret", 1, TEXT_MAX)?;
            let wanted = params.optional("scope", |p, key| p.ids(key, SCOPE_MAX))?;
            params.finish()?;
            let key = core.store.read(move |tx| provision::authenticate(tx, &id, &secret)).await?;
            let scope = match wanted {
                None => key.scope,
                Some(wanted) if wanted.iter().all(|scope| key.scope.contains(scope)) => wanted,
                Some(_) => return Err(ServiceError::InsufficientScope),
            };
            core.authority.issue(&key.id, scope, now)
        }
    };
    Ok(Outcome::quiet(tokens_view(&tokens)))
}

async fn operator(core: &Core, reach: Reach, method: &str, mut params: Params) -> Reply {
    let store = &core.store;
    let reply = match method {
        "manager/createApiKey" => {
            let scope = params.ids("scope", SCOPE_MAX)?;
            let key = api_key(core, &mut params, scope)?;
            params.finish()?;
            let reply = shown(&key);
            store.write(move |tx| provision::create_api_key(tx, &reach, &key)).await?;
            reply
        }
        "manager/listApiKeys" => {
            params.finish()?;
            store.read(|tx| provision::list_api_keys(tx)).await?
        }
        "solution/createSolution" => {
            let name = params.text("name", 0, TEXT_MAX)?;
            params.finish()?;
            let id = SolutionId(uuid::Uuid::new_v4().to_string());
            let record = SolutionRecord { id, name, created: core.now() };
            store.write(move |tx| provision::create_solution(tx, &record)).await?
        }
        "solution/getSolution" => {
            let id = SolutionId(params.id("id")?);
            params.finish()?;
            store.read(move |tx| provision::get_solution(tx, &reach, &id)).await?
        }
        _ => {
            params.finish()?;
            store.read(move |tx| provision::list_solutions(tx, &reach)).await?
        }
    };
    Ok(Outcome::quiet(reply))
}

async fn tenant(core: &Core, reach: Reach, method: &str, mut params: Params) -> Reply {
    let store = &core.store;
    match method {
        "context/createContext" => create_context(core, reach, params).await,
        "context/listContexts" | "context/listContextsOfSolution" => {
            let solution = match method {
                "context/listContexts" => None,
                _ => Some(SolutionId(params.id("solutionId")?)),
            };
            let page = params.page()?;
            params.finish()?;
            let work = move |tx: &mut crate::bridge::store::Tx<'_>| {
                provision::list_contexts(tx, &reach, solution.as_ref(), &page)
            };
            store.read(work).await.map(Outcome::quiet)
        }
        "context/addUserToContext"
        | "context/removeUserFromContext"
        | "context/setUserAcl"
        | "context/getUserFromContext" => context_user(core, reach, method, params).await,
        "invite/createInvite" => create_invite(core, reach, params).await,
        "invite/revokeInvite" => {
            let id = params.id("inviteId")?;
            params.finish()?;
            store.write(move |tx| invite::revoke(tx, &reach, &id)).await.map(Outcome::quiet)
        }
        "stream/getStreamRoom"
        | "stream/listStreamRooms"
        | "stream/deleteStreamRoom"
        | "stream/deleteManyStreamRooms" => {
            super::management_stream::call(core, reach, method, params).await
        }
        _ => {
            let context = ContextId(params.id("contextId")?);
            let page =
                if method == "context/listUsersFromContext" { Some(params.page()?) } else { None };
            params.finish()?;
            let is_invites = method == "invite/listInvites";
            let work = move |tx: &mut crate::bridge::store::Tx<'_>| match page {
                Some(page) => provision::list_users(tx, &reach, &context, &page),
                None if is_invites => invite::list(tx, &reach, &context),
                None => provision::get_context(tx, &reach, &context),
            };
            store.read(work).await.map(Outcome::quiet)
        }
    }
}

async fn create_context(core: &Core, reach: Reach, mut params: Params) -> Reply {
    let record = ContextRecord {
        id: ContextId(uuid::Uuid::new_v4().to_string()),
        solution: SolutionId(params.id("solution")?),
        name: params.text("name", 0, TEXT_MAX)?,
        description: params.text("description", 0, TEXT_MAX)?,
        scope: params.word("scope", &["private", "public"])?.to_owned(),
        policy: Value::Null,
        created: core.now(),
        modified: core.now(),
    };
    let policy = params.optional("policy", Params::map)?;
    params.finish()?;
    let work = move |tx: &mut crate::bridge::store::Tx<'_>| {
        provision::create_context(tx, &reach, record, policy)
    };
    core.store.write(work).await.map(Outcome::quiet)
}

async fn context_user(core: &Core, reach: Reach, method: &str, mut params: Params) -> Reply {
    let store = &core.store;
    let context = ContextId(params.id("contextId")?);
    let user = UserId(params.id("userId")?);
    match method {
        "context/addUserToContext" => {
            let record = UserRecord {
                context: context.clone(),
                user,
                pub_key: params.public_key("userPubKey")?,
                acl: acl(&mut params)?,
                created: core.now(),
                last_status: None,
            };
            params.finish()?;
            store
                .write(move |tx| {
                    let context = provision::context(tx, &reach, &context)?;
                    let notify = provision::add_user(tx, &context, &record)?;
                    Ok(Outcome { reply: json!("OK"), notify, media: Vec::new() })
                })
                .await
        }
        "context/removeUserFromContext" => {
            params.finish()?;
            store.write(move |tx| provision::remove_user(tx, &reach, &context, &user)).await
        }
        "context/setUserAcl" => {
            let acl = params.text("acl", 0, ACL_MAX)?;
            params.finish()?;
            store.write(move |tx| provision::set_user_acl(tx, &reach, &context, &user, &acl)).await
        }
        _ => {
            params.finish()?;
            store
                .read(move |tx| provision::get_user(tx, &reach, &context, &user))
                .await
                .map(Outcome::quiet)
        }
    }
}

fn acl(params: &mut Params) -> Result<String, ServiceError> {
    let acl = params.optional("acl", |p, key| p.text(key, 0, ACL_MAX))?;
    Ok(acl.unwrap_or_else(|| provision::DEFAULT_ACL.to_owned()))
}

async fn create_invite(core: &Core, reach: Reach, mut params: Params) -> Reply {
    let hash = params.text("tokenHash", 64, 64)?;
    let record = InviteRecord {
        id: core.new_id(),
        context: ContextId(params.id("contextId")?),
        token_hash: hex::decode(hash).map_err(|_| ServiceError::params("tokenHash"))?,
        expires: Timestamp(params.integer("expires", 0, i64::MAX)?),
        max_uses: params.integer("maxUses", 1, USES_MAX)?,
        uses: 0,
        acl: acl(&mut params)?,
        created: core.now(),
        revoked: false,
    };
    params.finish()?;
    core.store.write(move |tx| invite::create(tx, &reach, &record)).await.map(Outcome::quiet)
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

async fn redeem(core: &Core, mut params: Params) -> Reply {
    let request = Redeem {
        invite: params.id("inviteId")?,
        name: params.text("name", 1, NAME_MAX)?,
        pub_key: params.public_key("userPubKey")?,
        nonce: params.id("nonce")?,
        timestamp: Timestamp(params.integer("timestamp", 0, i64::MAX)?),
        proof: BASE64
            .decode(params.text("proof", 1, TEXT_MAX)?)
            .map_err(|_| ServiceError::params("proof"))?,
    };
    params.finish()?;
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
