//! Strict reading of call parameters.
//!
//! The official server refuses unknown keys, missing ones and explicit nulls, and says which
//! key it was. A [`Params`] is taken apart key by key; what is left over at the end is unknown.

use serde_json::Map;
use serde_json::Value;

use crate::bridge::service::Page;
use crate::bridge::service::ServiceError;
use crate::crypto::key::PublicKey;
use crate::model::UserId;
use crate::wire::notification::NotificationKey;

/// Characters of an id.
const ID_MAX: usize = 128;
/// Entries of a list of users or keys.
pub const LIST_MAX: usize = 16_384;
/// Entries of a page.
const PAGE_MAX: i64 = 100;
/// Largest size of metadata and of a key entry, counted by [`json_size`].
pub const DATA_MAX: usize = 4096;
/// Largest size of a custom event, counted by [`json_size`].
pub const EVENT_MAX: usize = 16_384;
/// Characters of a channel or query.
pub const CHANNEL_MAX: usize = 512;

/// Parameters that are being read.
#[derive(Debug)]
pub struct Params {
    left: Map<String, Value>,
    /// Where this object is, for messages: empty at the top, else ends with a dot.
    path: String,
}

type Read<T> = Result<T, ServiceError>;

impl Params {
    /// Takes the parameters of a call.
    ///
    /// # Errors
    ///
    /// [`ServiceError::InvalidParams`] unless they are an object, as with all methods here.
    pub fn new(params: Value) -> Read<Self> {
        Self::at(params, String::new())
    }

    fn at(value: Value, path: String) -> Read<Self> {
        match value {
            Value::Object(left) => Ok(Self { left, path }),
            _ => Err(ServiceError::params(format!("{path}: not an object"))),
        }
    }

    fn wrong(&self, key: &str) -> ServiceError {
        ServiceError::params(format!("{}{key}", self.path))
    }

    /// Any value but null.
    pub fn any(&mut self, key: &str) -> Read<Value> {
        self.left.remove(key).ok_or_else(|| self.wrong(key))
    }

    /// Whether the key is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// Reads `key` with `read` if it is there.
    pub fn optional<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self, &str) -> Read<T>,
    ) -> Read<Option<T>> {
        if self.has(key) { read(self, key).map(Some) } else { Ok(None) }
    }

    /// Text of `min` to `max` characters.
    pub fn text(&mut self, key: &str, min: usize, max: usize) -> Read<String> {
        match self.any(key)? {
            Value::String(text) if (min..=max).contains(&text.chars().count()) => Ok(text),
            _ => Err(self.wrong(key)),
        }
    }

    /// An id: text of 1 to 128 characters.
    pub fn id(&mut self, key: &str) -> Read<String> {
        self.text(key, 1, ID_MAX)
    }

    /// A truth value.
    pub fn flag(&mut self, key: &str) -> Read<bool> {
        self.any(key)?.as_bool().ok_or_else(|| self.wrong(key))
    }

    /// An integer within bounds; fractions are refused, also `1.0`.
    pub fn integer(&mut self, key: &str, min: i64, max: i64) -> Read<i64> {
        let number = self.any(key)?.as_i64().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| self.wrong(key))
    }

    /// A list of at most `max` values.
    pub fn list(&mut self, key: &str, max: usize) -> Read<Vec<Value>> {
        match self.any(key)? {
            Value::Array(list) if list.len() <= max => Ok(list),
            _ => Err(self.wrong(key)),
        }
    }

    /// A list of ids.
    pub fn ids(&mut self, key: &str, max: usize) -> Read<Vec<String>> {
        self.list(key, max)?
            .into_iter()
            .map(|value| match value {
                Value::String(text) if (1..=ID_MAX).contains(&text.chars().count()) => Ok(text),
                _ => Err(self.wrong(key)),
            })
            .collect()
    }

    /// A list of user ids.
    pub fn users(&mut self, key: &str) -> Read<Vec<UserId>> {
        Ok(self.ids(key, LIST_MAX)?.into_iter().map(UserId).collect())
    }

    /// A list of objects, each read by `read` to its end.
    pub fn objects<T>(
        &mut self,
        key: &str,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let list = self.list(key, max)?;
        let mut items = Vec::with_capacity(list.len().min(1024));
        for (index, value) in list.into_iter().enumerate() {
            let mut params = Self::at(value, format!("{}{key}.{index}.", self.path))?;
            items.push(read(&mut params)?);
            params.finish()?;
        }
        Ok(items)
    }

    /// An object, to be finished by the caller.
    pub fn object(&mut self, key: &str) -> Read<Self> {
        let path = format!("{}{key}.", self.path);
        Self::at(self.any(key)?, path)
    }

    /// An object that is checked elsewhere.
    pub fn map(&mut self, key: &str) -> Read<Map<String, Value>> {
        match self.any(key)? {
            Value::Object(map) => Ok(map),
            _ => Err(self.wrong(key)),
        }
    }

    /// Any JSON whose counted size is at most `max`.
    pub fn sealed(&mut self, key: &str, max: usize) -> Read<Value> {
        let value = self.any(key)?;
        if json_size(&value) <= max { Ok(value) } else { Err(self.wrong(key)) }
    }

    /// One of these words.
    pub fn word(&mut self, key: &str, words: &[&'static str]) -> Read<&'static str> {
        let value = self.any(key)?;
        let word = words.iter().find(|word| value.as_str() == Some(word));
        word.copied().ok_or_else(|| self.wrong(key))
    }

    /// A UUID of version 4.
    pub fn uuid(&mut self, key: &str) -> Read<String> {
        let text = self.text(key, 36, 36)?;
        let uuid = uuid::Uuid::try_parse(&text).ok();
        match uuid.filter(|uuid| uuid.get_version_num() == 4) {
            Some(_) => Ok(text),
            None => Err(self.wrong(key)),
        }
    }

    /// A public key, in its one canonical form.
    pub fn public_key(&mut self, key: &str) -> Read<String> {
        let text = self.id(key)?;
        let parsed = PublicKey::from_base58(&text).map_err(|_| self.wrong(key))?;
        Ok(parsed.to_base58())
    }

    /// The key of a session's notifications: 32 bytes as base64.
    pub fn notification_key(&mut self, key: &str) -> Read<NotificationKey> {
        let text = self.text(key, 1, ID_MAX)?;
        NotificationKey::from_base64(&text).ok_or_else(|| self.wrong(key))
    }

    /// The list parameters of transport.md 6.6.
    pub fn page(&mut self) -> Read<Page> {
        let skip = self.integer("skip", 0, i64::from(u32::MAX))?;
        let limit = self.integer("limit", 1, PAGE_MAX)?;
        let descending = self.word("sortOrder", &["asc", "desc"])? == "desc";
        let last_id = self.optional("lastId", Self::id)?;
        // A query narrows by public metadata, which this bridge does not look into.
        if self.optional("query", Self::map)?.is_some_and(|query| !query.is_empty()) {
            return Err(self.wrong("query"));
        }
        Ok(Page {
            skip: usize::try_from(skip).map_err(|_| self.wrong("skip"))?,
            limit: usize::try_from(limit).map_err(|_| self.wrong("limit"))?,
            descending,
            last_id,
            by_modification: false,
        })
    }

    /// Fails if anything is left.
    pub fn finish(self) -> Read<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => {
                Err(ServiceError::params(format!("{}{key}: unexpected parameter", self.path)))
            }
        }
    }
}

/// Size of a value as the official server counts it (transport.md 6.6).
#[must_use]
pub fn json_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text.chars().count() + 2,
        Value::Array(list) => {
            list.iter().map(|item| json_size(item) + 1).fold(2, usize::saturating_add)
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.chars().count() + 4 + json_size(value))
            .fold(2, usize::saturating_add),
    }
}

/// Whether a channel consists of the characters that channels may have.
#[must_use]
pub fn is_channel(text: &str) -> bool {
    text.len() <= CHANNEL_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b",/_|=:-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_counted() {
        let cases = [
            (json!(null), 4),
            (json!(true), 4),
            (json!(false), 5),
            (json!(-12), 3),
            (json!("abc"), 5),
            (json!([]), 2),
            (json!([1, "a"]), 2 + 2 + 4),
            (json!({"ab": 1}), 2 + 2 + 4 + 1),
        ];
        for (value, expected) in cases {
            assert_eq!(json_size(&value), expected, "{value}");
        }
    }

    #[test]
    fn reading_is_strict() {
        let read = |value: Value| -> Read<(String, Option<i64>)> {
            let mut params = Params::new(value)?;
            let id = params.id("id")?;
            let count = params.optional("count", |p, key| p.integer(key, 0, 9))?;
            params.finish()?;
            Ok((id, count))
        };
        assert_eq!(read(json!({"id": "a", "count": 3})).unwrap(), ("a".into(), Some(3)));
        assert_eq!(read(json!({"id": "a"})).unwrap(), ("a".into(), None));
        for bad in [
            json!(null),
            json!([]),
            json!({}),
            json!({"id": ""}),
            json!({"id": "a".repeat(129)}),
            json!({"id": 1}),
            json!({"id": null}),
            json!({"id": "a", "count": null}),
            json!({"id": "a", "count": 1.5}),
            json!({"id": "a", "count": 1.0}),
            json!({"id": "a", "count": 10}),
            json!({"id": "a", "more": 1}),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().code(), -32602, "{bad}");
        }
    }
}
