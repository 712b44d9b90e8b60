//! Requests and responses of JSON-RPC.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use crate::wire::dto::Call;
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
