//! A PSON value in memory.

use serde_json::Map;
use serde_json::Number;
use serde_json::Value as Json;

use super::PsonError;

/// A PSON value. Objects keep the order of their members, as the peers' recorded bytes do.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// INTEGER or LONG, whichever is shorter.
    Int(i64),
    /// A 4-byte floating point number; read, hardly ever written.
    Float(f32),
    /// An 8-byte floating point number.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A list.
    Array(Vec<Self>),
    /// Members in the order of writing. Of members with one name the last counts.
    Object(Vec<(String, Self)>),
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object of these members in this order.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The member called `key`, if this is an object that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The bytes, if this is bytes.
    #[must_use]
    pub fn as_binary(&self) -> Option<&[u8]> {
        if let Self::Binary(bytes) = self { Some(bytes) } else { None }
    }

    /// The integer, if this is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The same value as JSON. Numbers that JSON lacks (infinities, NaN) become null.
    ///
    /// # Errors
    ///
    /// [`PsonError::BinaryInJson`] if there are bytes anywhere in it.
    pub fn to_json(&self) -> Result<Json, PsonError> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Int(number) => Json::Number((*number).into()),
            Self::Float(number) => from_double(f64::from(*number)),
            Self::Double(number) => from_double(*number),
            Self::Text(text) => Json::String(text.clone()),
            Self::Binary(_) => return Err(PsonError::BinaryInJson),
            Self::Array(items) => {
                Json::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => {
                let mut map = Map::new();
                for (key, value) in members {
                    map.insert(key.clone(), value.to_json()?);
                }
                Json::Object(map)
            }
        })
    }
}

impl From<&Json> for Value {
    /// Integers stay integers: only what exceeds 64 signed bits or has a fraction becomes
    /// DOUBLE, because the endpoint refuses a DOUBLE where it expects an integer.
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => number
                .as_i64()
                .map_or_else(|| Self::Double(number.as_f64().unwrap_or(f64::NAN)), Self::Int),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Json::Object(map) => {
                Self::Object(map.iter().map(|(k, v)| (k.clone(), Self::from(v))).collect())
            }
        }
    }
}

fn from_double(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}
