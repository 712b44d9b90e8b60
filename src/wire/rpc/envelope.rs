//! Requests and responses as they travel inside APPLICATION_DATA frames (transport.md 6.5).

use std::fmt;

use serde_json::Map;
use serde_json::Value as Json;

use super::code;
use crate::wire::msgpack;
use crate::wire::pson;
use crate::wire::pson::Dictionary;
use crate::wire::pson::Limits;
use crate::wire::pson::PsonError;
use crate::wire::pson::Value;
use crate::wire::record::Encoding;

/// The longest method name that is looked at.
const METHOD_MAX: usize = 256;

/// A call of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Echoed by the answer; the official client always writes 0.
    pub id: Json,
    /// What is called, such as `context.contextList`.
    pub method: String,
    /// Its parameters: an object, empty if there are none.
    pub params: Json,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The id of the request.
    pub id: Json,
    /// What came of it.
    pub result: Result<Json, RpcError>,
}

/// An error that the server answered a call with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct RpcError {
    /// One of [`code`], or of a newer server.
    pub code: i64,
    /// For a person.
    pub message: String,
    /// More about it; null if there is nothing.
    pub data: Json,
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = self.data.as_str() {
            write!(f, ": {detail}")?;
        }
        // The documents write JSON-RPC's own codes in decimal and the rest in hex.
        if self.code < 0 {
            write!(f, " (code {})", self.code)
        } else {
            write!(f, " (code {:#06x})", self.code)
        }
    }
}

/// Why bytes are not a request or a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not PSON, or PSON with bytes in it.
    #[error(transparent)]
    Pson(#[from] PsonError),
    /// A field of the envelope is missing or of the wrong type.
    #[error("field '{0}' is missing or has the wrong type")]
    Field(&'static str),
}

impl EnvelopeError {
    /// The text of the ALERT that a server answers such a request with.
    #[must_use]
    pub fn alert_text(&self) -> String {
        match self {
            Self::Pson(_) => "Invalid application frame data. Cannot decode given PSON".to_owned(),
            Self::Field(name) => format!("Invalid frame. Field '{name}' required"),
        }
    }
}

impl Request {
    /// A call with the id that the official client uses.
    #[must_use]
    pub fn new(method: impl Into<String>, params: Json) -> Self {
        Self { id: Json::from(0), method: method.into(), params }
    }

    /// As the client writes it: members in byte order, no dictionary.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let request = Value::object([
            ("id", Value::from(&self.id)),
            ("jsonrpc", Value::text("2.0")),
            ("method", Value::text(&self.method)),
            ("params", Value::from(&self.params)),
        ]);
        pson::encode(&request, Dictionary::Empty)
    }

    /// Reads a request of a client.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]; its [`EnvelopeError::alert_text`] is what the client is told.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::decode_from(bytes, Encoding::Pson)
    }

    /// The same for a client that may write something else.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_from(bytes: &[u8], encoding: Encoding) -> Result<Self, EnvelopeError> {
        let mut members = object(bytes, encoding, "id")?;
        let id = members.remove("id").filter(|id| !id.is_null());
        let id = id.ok_or(EnvelopeError::Field("id"))?;
        let method = members.remove("method");
        let Some(Json::String(method)) = method.filter(is_method) else {
            return Err(EnvelopeError::Field("method"));
        };
        let params = members.remove("params").filter(|params| !params.is_null());
        let params = params.ok_or(EnvelopeError::Field("params"))?;
        Ok(Self { id, method, params })
    }
}

fn is_method(value: &Json) -> bool {
    value.as_str().is_some_and(|method| !method.is_empty() && method.len() <= METHOD_MAX)
}

impl Response {
    /// As the server writes it, with the words of `dictionary` abbreviated.
    #[must_use]
    pub fn encode(&self, dictionary: Dictionary) -> Vec<u8> {
        pson::encode(&self.to_value(), dictionary)
    }

    /// The envelope, to be encoded.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = vec![("id", Value::from(&self.id)), ("jsonrpc", Value::text("2.0"))];
        match &self.result {
            Ok(result) => members.push(("result", Value::from(result))),
            Err(error) => {
                members.push(("error", error.to_value()));
                members.push(("result", Value::Null));
            }
        }
        Value::object(members)
    }

    /// Reads an answer of a server.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`] if it is neither a result nor an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut members = object(bytes, Encoding::Pson, "result")?;
        let id = members.remove("id").unwrap_or(Json::Null);
        if let Some(error) = members.remove("error").filter(|error| !error.is_null()) {
            let error = RpcError::from_json(error).ok_or(EnvelopeError::Field("error"))?;
            return Ok(Self { id, result: Err(error) });
        }
        let result = members.remove("result").ok_or(EnvelopeError::Field("result"))?;
        Ok(Self { id, result: Ok(result) })
    }
}

impl RpcError {
    /// The error `code` with its usual text.
    #[must_use]
    pub fn new(code: i64) -> Self {
        Self { code, message: code::text(code).to_owned(), data: Json::Null }
    }

    /// The error `code` with a text of one's own.
    #[must_use]
    pub fn with_message(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: Json::Null }
    }

    /// The same error with `data`.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Json>) -> Self {
        self.data = data.into();
        self
    }

    /// Parameters that the call does not allow; `why` names the key.
    #[must_use]
    pub fn invalid_params(why: impl Into<String>) -> Self {
        Self::new(code::INVALID_PARAMS).with_data(why.into())
    }

    /// What an application of the endpoint library would see.
    #[must_use]
    pub const fn endpoint_code(&self) -> super::EndpointCode {
        super::endpoint_code(self.code)
    }

    fn to_value(&self) -> Value {
        let inner =
            Value::object([("code", Value::Int(self.code)), ("data", Value::from(&self.data))]);
        Value::object([
            ("data", Value::object([("error", inner)])),
            ("msg", Value::text(&self.message)),
        ])
    }

    fn from_json(mut error: Json) -> Option<Self> {
        let message = error.get("msg").and_then(Json::as_str).unwrap_or_default().to_owned();
        let inner = error.get_mut("data")?.get_mut("error")?;
        let code = inner.get("code")?.as_i64()?;
        let data = inner.get_mut("data").map(Json::take).unwrap_or_default();
        Some(Self { code, message, data })
    }
}

/// The members of the object that `bytes` are; `field` is what is missing if they are none.
fn object(
    bytes: &[u8],
    encoding: Encoding,
    field: &'static str,
) -> Result<Map<String, Json>, EnvelopeError> {
    let value = match encoding {
        Encoding::Pson => pson::decode(bytes, Dictionary::Static)?,
        Encoding::MessagePack => msgpack::decode_with(bytes, Limits::FRAME)?,
    };
    match value.to_json()? {
        Json::Object(members) => Ok(members),
        _ => Err(EnvelopeError::Field(field)),
    }
}
