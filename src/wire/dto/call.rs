//! What binds a method name, its parameters and its result together.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::DeserializeOwned;
use serde::de::DeserializeSeed;
use serde::de::Error as _;
use serde::de::IgnoredAny;
use serde::de::IntoDeserializer;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;
use serde_json::Error as JsonError;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::map;

use crate::wire::rpc::Request;
use crate::wire::rpc::RpcError;

/// The parameters of one method, which know its name and the type of its result.
pub trait Call: Serialize + DeserializeOwned {
    /// The name on the wire.
    const METHOD: &'static str;

    /// What a successful call returns.
    type Answer: Serialize + DeserializeOwned;

    /// Checks the limits that the types alone do not express.
    ///
    /// # Errors
    ///
    /// The first parameter that breaks a rule.
    fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// Reads and checks parameters that a client sent.
    ///
    /// # Errors
    ///
    /// INVALID_PARAMS with a text that names the key.
    fn parse(params: Json) -> Result<Self, RpcError> {
        let Json::Object(members) = params else {
            return Err(RpcError::invalid_params("params: must be an object"));
        };
        let call = Self::deserialize(Params(members))
            .map_err(|error| RpcError::invalid_params(error.to_string()))?;
        call.validate().map_err(|invalid| RpcError::invalid_params(invalid.to_string()))?;
        Ok(call)
    }

    /// The request that a client sends.
    fn request(&self) -> Request {
        Request::new(Self::METHOD, self.params())
    }

    /// The parameters as JSON.
    fn params(&self) -> Json {
        serde_json::to_value(self).expect("parameters have text keys and no failing serializer")
    }

    /// Reads the result that a server sent.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] if a required field is missing or of the wrong type.
    fn answer(result: Json) -> Result<Self::Answer, AnswerError> {
        Self::Answer::deserialize(result)
            .map_err(|source| AnswerError { method: Self::METHOD, source })
    }

    /// The result as JSON, as a server sends it.
    fn result(answer: &Self::Answer) -> Json {
        serde_json::to_value(answer).expect("results have text keys and no failing serializer")
    }
}

/// A parameter that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {rule}")]
pub struct Invalid {
    /// The parameter.
    pub key: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// A result that is not what the method returns.
#[derive(Debug, thiserror::Error)]
#[error("the answer to {method} cannot be read: {source}")]
pub struct AnswerError {
    /// The method that was called.
    pub method: &'static str,
    /// What is wrong with the answer.
    pub source: JsonError,
}

/// The result of calls that return nothing: written as `"OK"`, read whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done;

impl Serialize for Done {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("OK")
    }
}

impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Reads an optional parameter that is there: null is refused, as the official server does.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a parameter that must be there but may be null.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// Parameters as a deserializer whose errors name the parameter they come from.
struct Params(Map<String, Json>);

impl<'de> Deserializer<'de> for Params {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_map(ParamsAccess { members: self.0.into_iter(), next: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map struct enum
        identifier ignored_any
    }
}

struct ParamsAccess {
    members: map::IntoIter,
    next: Option<(String, Json)>,
}

impl<'de> MapAccess<'de> for ParamsAccess {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, JsonError> {
        self.next = self.members.next();
        let Some((key, _)) = &self.next else { return Ok(None) };
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let (key, value) = self.next.take().ok_or_else(|| JsonError::custom("no value left"))?;
        seed.deserialize(value).map_err(|error| JsonError::custom(Named { key, error }))
    }
}

struct Named {
    key: String,
    error: JsonError,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.error)
    }
}
