//! What a management request is allowed to do: API keys, tokens and signed requests.
//!
//! Tokens live in memory only; after a restart an operator's program authenticates again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::service::ServiceError;
use super::service::provision;
use super::service::provision::Reach;
use super::store::Store;
use crate::crypto::ed25519::Ed25519Key;
use crate::crypto::hash;
use crate::model::Timestamp;

/// Life of an access token in milliseconds.
const ACCESS_MS: i64 = 15 * 60 * 1000;
/// Life of a refresh token in milliseconds.
const REFRESH_MS: i64 = 7 * 24 * 3600 * 1000;
/// How far the clock of a signed request may be off, in milliseconds.
const SKEW_MS: i64 = 10 * 60 * 1000;
/// Characters of the nonce of a signed request.
const NONCE_MAX: usize = 128;
/// Bytes of the MAC that travel.
const MAC: usize = 20;
/// Tokens, and nonces, kept at a time; the oldest go first.
const KEPT_MAX: usize = 10_000;

#[derive(Clone, Debug)]
struct Grant {
    api_key: String,
    scope: Vec<String>,
    expires: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    /// Grants by the hash of the token, so that a memory dump shows none.
    access: HashMap<[u8; 32], Grant>,
    refresh: HashMap<[u8; 32], Grant>,
    nonces: HashMap<(String, String), Timestamp>,
}

/// A new pair of tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For requests.
    pub access: String,
    /// Until then.
    pub access_expiry: Timestamp,
    /// For another pair.
    pub refresh: String,
    /// Until then.
    pub refresh_expiry: Timestamp,
    /// What they allow.
    pub scope: Vec<String>,
}

/// The tokens that were issued.
#[derive(Debug, Default)]
pub struct Authority {
    state: Mutex<State>,
}

/// One HTTP request, as far as authorisation goes.
#[derive(Clone, Copy, Debug)]
pub struct SignedPart<'a> {
    /// `POST`.
    pub method: &'a str,
    /// `/api`.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
}

fn random_token() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

fn prune<K: Clone + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    now: Timestamp,
    expires: impl Fn(&V) -> Timestamp,
) {
    if map.len() < KEPT_MAX {
        return;
    }
    map.retain(|_, value| expires(value) > now);
    if map.len() >= KEPT_MAX
        && let Some(oldest) =
            map.iter().min_by_key(|(_, value)| expires(value)).map(|(key, _)| key.clone())
    {
        map.remove(&oldest);
    }
}

impl Authority {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Issues tokens to an API key.
    #[must_use]
    pub fn issue(&self, api_key: &str, scope: Vec<String>, now: Timestamp) -> Tokens {
        let tokens = Tokens {
            access: random_token(),
            access_expiry: Timestamp(now.0 + ACCESS_MS),
            refresh: random_token(),
            refresh_expiry: Timestamp(now.0 + REFRESH_MS),
            scope: scope.clone(),
        };
        let mut state = self.state();
        prune(&mut state.access, now, |grant| grant.expires);
        prune(&mut state.refresh, now, |grant| grant.expires);
        let grant = |expires| Grant { api_key: api_key.to_owned(), scope: scope.clone(), expires };
        let access = grant(tokens.access_expiry);
        let refresh = grant(tokens.refresh_expiry);
        state.access.insert(hash::sha256(tokens.access.as_bytes()), access);
        state.refresh.insert(hash::sha256(tokens.refresh.as_bytes()), refresh);
        tokens
    }

    /// Exchanges a refresh token, which is then used up.
    ///
    /// # Errors
    ///
    /// [`ServiceError::InvalidToken`].
    pub fn refresh(&self, token: &str, now: Timestamp) -> Result<Tokens, ServiceError> {
        let grant = self.state().refresh.remove(&hash::sha256(token.as_bytes()));
        let grant = grant.filter(|grant| grant.expires > now).ok_or(ServiceError::InvalidToken)?;
        Ok(self.issue(&grant.api_key, grant.scope, now))
    }

    /// Ends all tokens of an API key that was changed or deleted.
    pub fn revoke(&self, api_key: &str) {
        let mut state = self.state();
        state.access.retain(|_, grant| grant.api_key != api_key);
        state.refresh.retain(|_, grant| grant.api_key != api_key);
    }

    /// What an access token allows.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthorized`].
    pub fn bearer(&self, token: &str, now: Timestamp) -> Result<Reach, ServiceError> {
        let state = self.state();
        let grant = state.access.get(&hash::sha256(token.as_bytes()));
        let grant = grant.filter(|grant| grant.expires > now);
        grant.map(|grant| Reach(grant.scope.clone())).ok_or(ServiceError::Unauthorized)
    }

    /// What an `Authorization` header allows.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthorized`] whatever is wrong with it.
    pub async fn header(
        &self,
        store: &Store,
        header: &str,
        request: SignedPart<'_>,
        now: Timestamp,
    ) -> Result<Reach, ServiceError> {
        let (scheme, value) = header.split_once(' ').ok_or(ServiceError::Unauthorized)?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => self.bearer(value.trim(), now),
            "basic" => {
                let text = BASE64.decode(value.trim()).ok();
                let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
                let (id, secret) = text
                    .as_deref()
                    .and_then(|text| text.split_once(':'))
                    .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
                    .ok_or(ServiceError::Unauthorized)?;
                let key = store
                    .read(move |tx| provision::authenticate(tx, &id, &secret))
                    .await
                    .map_err(unauthorized)?;
                Ok(Reach(key.scope))
            }
            "pmx-hmac-sha256" => self.signed(store, value.trim(), request, now).await,
            _ => Err(ServiceError::Unauthorized),
        }
    }

    async fn signed(
        &self,
        store: &Store,
        value: &str,
        request: SignedPart<'_>,
        now: Timestamp,
    ) -> Result<Reach, ServiceError> {
        let parts: Vec<&str> = value.split(';').collect();
        let [id, "1", time, nonce, signature] = parts[..] else {
            return Err(ServiceError::Unauthorized);
        };
        let timely =
            time.parse::<i64>().is_ok_and(|time| time.abs_diff(now.0) <= SKEW_MS.unsigned_abs());
        if !timely || nonce.is_empty() || nonce.len() > NONCE_MAX {
            return Err(ServiceError::Unauthorized);
        }
        let key_id = id.to_owned();
        let key = store
            .read(move |tx| Ok::<_, ServiceError>(tx.api_key(&key_id)?))
            .await?
            .filter(|key| key.enabled)
            .ok_or(ServiceError::Unauthorized)?;
        let given = BASE64.decode(signature).map_err(|_| ServiceError::Unauthorized)?;
        let genuine = match &key.public_key {
            None => hash::equal(&mac(key.secret.expose(), time, nonce, request), &given),
            Some(pem) => {
                let public = Ed25519Key::from_pem(pem).map_err(|_| ServiceError::Unauthorized)?;
                public.verifies(&signed_text(time, nonce, request), &given)
            }
        };
        if !genuine {
            return Err(ServiceError::Unauthorized);
        }
        let mut state = self.state();
        prune(&mut state.nonces, now, |expires| *expires);
        let entry = (id.to_owned(), nonce.to_owned());
        let until = Timestamp(now.0 + 2 * SKEW_MS);
        match state.nonces.insert(entry, until) {
            Some(used) if used > now => Err(ServiceError::Unauthorized),
            _ => Ok(Reach(key.scope)),
        }
    }
}

/// What a signature covers.
fn signed_text(time: &str, nonce: &str, request: SignedPart<'_>) -> Vec<u8> {
    let head = format!("{time};{nonce};{}\n{}\n", request.method, request.path);
    [head.as_bytes(), request.body, b"\n"].concat()
}

/// The MAC of a signed request.
fn mac(secret: &str, time: &str, nonce: &str, request: SignedPart<'_>) -> [u8; MAC] {
    let mac = hash::hmac_sha256(secret.as_bytes(), &signed_text(time, nonce, request));
    let mut cut = [0; MAC];
    cut.copy_from_slice(&mac[..MAC]);
    cut
}

fn unauthorized(error: ServiceError) -> ServiceError {
    if matches!(error, ServiceError::Internal) { error } else { ServiceError::Unauthorized }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_signed_like_the_official_ones() {
        let request = SignedPart { method: "POST", path: "/api", body: b"{\"a\":1}" };
        let mac = mac("sec", "1700000000000", "bm9uY2U=", request);
        assert_eq!(BASE64.encode(mac), "/LZndya/H5z8PhGU0AllTAyygKI=");
    }

    #[test]
    fn tokens_end_and_refresh_once() {
        let authority = Authority::default();
        let tokens = authority.issue("k", vec!["context".into()], Timestamp(0));
        assert!(authority.bearer(&tokens.access, Timestamp(ACCESS_MS - 1)).is_ok());
        assert!(authority.bearer(&tokens.access, Timestamp(ACCESS_MS)).is_err());
        assert!(authority.bearer("other", Timestamp(0)).is_err());
        let next = authority.refresh(&tokens.refresh, Timestamp(ACCESS_MS)).unwrap_or_else(|_| {
            unreachable!("the token is fresh");
        });
        assert_eq!(next.scope, ["context"]);
        assert!(authority.refresh(&tokens.refresh, Timestamp(ACCESS_MS)).is_err());
    }
}
