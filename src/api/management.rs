//! The management interface of a bridge: JSON-RPC over `POST /api` (transport.md §10).
//!
//! It creates solutions and contexts and puts users into them. It is not end-to-end
//! encrypted and not needed for taking part in calls; the command line provisions with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use crate::model::Secret;
use crate::net::NetError;
use crate::net::http::Http;

use super::error::ApiError;

/// An API key of a bridge: what `manager/createApiKey` returned.
#[derive(Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret<String>,
}

/// Calls management methods of one bridge.
#[derive(Debug)]
pub struct ManagementClient {
    http: Http,
    url: String,
    key: Option<ApiKey>,
}

impl ManagementClient {
    /// Prepares calls to the bridge at `url`; opens nothing yet.
    ///
    /// Without a key only the methods that need none can be called (`versions`,
    /// `manager/createFirstApiKey`, `invite/redeem`).
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the TLS library can't be set up.
    pub fn new(url: &str, key: Option<ApiKey>) -> Result<Self, ApiError> {
        let url = format!("{}/api", url.trim_end_matches('/'));
        Ok(Self { http: Http::new()?, url, key })
    }

    /// Calls `method` and returns its result.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Net`] with [`NetError::Rpc`] if the bridge refused; `code` tells why.
    /// - [`ApiError::Net`] with another variant if it could not be reached or is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the call from taking effect.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let authorization = self.key.as_ref().map(authorization);
        let answer = self.http.post_json(
            &self.url,
            authorization.as_ref().map(|a| a.expose().as_str()),
            &body,
        );
        Ok(open_answer(method, &self.url, answer.await?)?)
    }
}

fn authorization(key: &ApiKey) -> Secret<String> {
    let pair = Secret::new(format!("{}:{}", key.id, key.secret.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())))
}

fn open_answer(method: &str, url: &str, mut answer: Value) -> Result<Value, NetError> {
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        return Err(NetError::Rpc {
            method: method.to_owned(),
            code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
            message: text_of(error.get("message")),
            data: error.get("data").cloned().unwrap_or_default(),
        });
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(NetError::NotABridge {
            url: url.to_owned(),
            reason: "its answer has neither a result nor an error".to_owned(),
        }),
    }
}

fn text_of(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_a_result_an_error_or_not_ours() {
        let url = "http://x/api";
        let result = open_answer("m", url, json!({ "id": 1, "result": { "a": 1 } })).unwrap();
        assert_eq!(result, json!({ "a": 1 }));
        let error = json!({ "error": { "code": 0x30, "message": "ACCESS_DENIED", "data": "d" } });
        let error = open_answer("m", url, error).unwrap_err();
        assert_eq!(error.code(), Some(0x30));
        let other = open_answer("m", url, json!({ "status": "ok" })).unwrap_err();
        assert!(matches!(other, NetError::NotABridge { .. }));
    }

    #[test]
    fn key_travels_as_basic_authentication() {
        let key = ApiKey { id: "id".into(), secret: Secret::new("secret".into()) };
        assert_eq!(authorization(&key).expose(), "Basic aWQ6c2VjcmV0");
        assert!(!format!("{key:?}").contains("secret\""));
    }
}
