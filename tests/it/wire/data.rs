//! The recorded vectors: `crypto.json` (made beside the protocol documents) and
//! `endpoint.json` (made by the reference client).

use std::sync::LazyLock;

use conclave::wire::pson::Value;
use proptest::test_runner::Config;
use proptest::test_runner::RngSeed;
use serde_json::Value as Json;

pub static CRYPTO: LazyLock<Json> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/crypto.json")).unwrap());
pub static ENDPOINT: LazyLock<Json> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/endpoint.json")).unwrap());

/// How laws are tried: the same cases on every run.
pub fn laws() -> Config {
    Config { rng_seed: RngSeed::Fixed(6), failure_persistence: None, ..Config::default() }
}

/// The vector called `id` in `crypto.json`.
pub fn vector(id: &str) -> &'static Json {
    let vectors = CRYPTO["vectors"].as_array().unwrap();
    vectors.iter().find(|vector| vector["id"] == id).unwrap_or_else(|| panic!("no vector {id}"))
}

pub fn bytes(hex: &Json) -> Vec<u8> {
    hex::decode(hex.as_str().unwrap()).unwrap()
}

/// A value in which `{"$hex": ..}` stands for bytes.
pub fn pson_value(json: &Json) -> Value {
    match json {
        Json::Object(map) if map.contains_key("$hex") => Value::Binary(bytes(&map["$hex"])),
        Json::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), pson_value(v))).collect())
        }
        Json::Array(items) => Value::Array(items.iter().map(pson_value).collect()),
        other => Value::from(other),
    }
}

/// The same value with the members of each object in byte order.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(key, member)| (key, sorted(member))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
