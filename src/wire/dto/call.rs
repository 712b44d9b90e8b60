//! What binds a method name, its parameters and its result together.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::DeserializeOwned;
use serde::de::IgnoredAny;
use serde_json::Error as JsonError;
use serde_json::Value as Json;

use super::strict::Strict;
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
        if !params.is_object() {
            return Err(RpcError::invalid_params("params: must be an object"));
        }
        let call = Self::deserialize(Strict(params))
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
