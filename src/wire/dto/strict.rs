//! Parameters as the official server reads them: strictly, and naming what is wrong.
//!
//! Serde is generous where a server must not be: it takes a list for a structure and leaves the
//! place of an error out. This deserializer refuses the one and keeps the other. What it does
//! take is a number without a fraction where an integer is wanted, however the client wrote it:
//! the official server can't tell `1` from `1.0`.

use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::Error as _;
use serde::de::IntoDeserializer;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;
use serde_json::Number;
use serde_json::Value as Json;
use serde_json::map;

/// Integers up to here are exact as doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Parameters, or a part of them.
pub(super) struct Strict(pub(super) Json);

/// What is wrong, and where.
#[derive(Debug, thiserror::Error)]
pub(super) struct StrictError {
    /// Keys and indices from the outside in, with dots between.
    path: String,
    text: String,
}

impl fmt::Display for StrictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.text)
        } else {
            write!(f, "{}: {}", self.path, self.text)
        }
    }
}

impl StrictError {
    fn of(key: &str, text: &str) -> Self {
        Self { path: key.to_owned(), text: text.to_owned() }
    }

    fn within(mut self, outer: impl fmt::Display) -> Self {
        let inner = std::mem::take(&mut self.path);
        self.path = if inner.is_empty() { outer.to_string() } else { format!("{outer}.{inner}") };
        self
    }
}

impl serde::de::Error for StrictError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of("", &message.to_string())
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::of(field, "unexpected parameter")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(field, "missing parameter")
    }
}

fn number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, StrictError> {
    if let Some(integer) = number.as_i64() {
        return visitor.visit_i64(integer);
    }
    if let Some(integer) = number.as_u64() {
        return visitor.visit_u64(integer);
    }
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() <= EXACT =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be a small integer")]
            visitor.visit_i64(float as i64)
        }
        Some(float) => visitor.visit_f64(float),
        None => Err(StrictError::custom("not a number")),
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = StrictError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, StrictError> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(value),
            Json::Number(value) => number(&value, visitor),
            Json::String(value) => visitor.visit_string(value),
            Json::Array(items) => visitor.visit_seq(Items { left: items.into_iter(), at: 0 }),
            Json::Object(members) => {
                visitor.visit_map(Members { left: members.into_iter(), next: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, StrictError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, StrictError> {
        if self.0.is_object() {
            self.deserialize_any(visitor)
        } else {
            Err(StrictError::custom("must be an object"))
        }
    }

    /// Some maps would take null for an empty one.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, StrictError> {
        if self.0.is_object() {
            self.deserialize_any(visitor)
        } else {
            Err(StrictError::custom("must be an object"))
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, StrictError> {
        match self.0 {
            Json::String(word) => visitor.visit_enum(word.into_deserializer()),
            _ => Err(StrictError::custom("must be a text")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, StrictError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

struct Items {
    left: std::vec::IntoIter<Json>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = StrictError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, StrictError> {
        let Some(item) = self.left.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(Strict(item)).map(Some).map_err(|error| error.within(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

struct Members {
    left: map::IntoIter,
    next: Option<(String, Json)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = StrictError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, StrictError> {
        self.next = self.left.next();
        let Some((key, _)) = &self.next else { return Ok(None) };
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, StrictError> {
        let (key, value) = self.next.take().ok_or_else(|| StrictError::custom("no value left"))?;
        seed.deserialize(Strict(value)).map_err(|error| error.within(key))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
        any: Json,
        #[serde(default)]
        map: serde_json::Map<String, Json>,
    }

    #[test]
    fn errors_say_where() {
        let read = |list: Json| {
            Outer::deserialize(Strict(json!({"list": list, "any": 1.0})))
                .map_err(|error| error.to_string())
        };
        let list = vec![Inner { count: 2 }];
        let fine = Outer { list, any: json!(1), map: serde_json::Map::new() };
        assert_eq!(read(json!([{"count": 2}])).unwrap(), fine);
        assert_eq!(read(json!([{"count": 2.0}])).unwrap(), fine);
        let cases = [
            (json!([{"count": 2.5}]), "list.0.count: "),
            (json!([{"count": "2"}]), "list.0.count: "),
            (json!([{"count": 1, "more": 1}]), "list.0.more: unexpected parameter"),
            (json!([{"count": 1}, {}]), "list.1.count: missing parameter"),
            (json!([[1]]), "list.0: must be an object"),
            (json!({}), "list: "),
            (json!(null), "list: "),
        ];
        for (list, expected) in cases {
            let text = read(list.clone()).unwrap_err();
            assert!(text.starts_with(expected), "{list}: {text}");
        }
        for map in [json!(null), json!([])] {
            let params = json!({"list": [], "any": 1, "map": map});
            let error = Outer::deserialize(Strict(params)).unwrap_err();
            assert_eq!(error.to_string(), "map: must be an object");
        }
    }
}
