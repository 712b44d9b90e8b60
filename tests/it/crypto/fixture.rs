//! Recorded vectors, and random numbers that can be foretold.

use std::convert::Infallible;

use conclave::crypto::key::PrivateKey;
use rand::TryCryptoRng;
use rand::TryRng;
use serde_json::Value;

/// Recorded by and against official programs, all layers.
pub fn crypto() -> Value {
    serde_json::from_str(include_str!("../../data/crypto.json")).unwrap()
}

/// Recorded from the official C++ library.
pub fn endpoint() -> Value {
    serde_json::from_str(include_str!("../../data/endpoint.json")).unwrap()
}

/// Recorded from the official web client.
pub fn media() -> Value {
    serde_json::from_str(include_str!("../../data/media.json")).unwrap()
}

/// One entry of `crypto.json`.
pub fn vector(id: &str) -> Value {
    let all = crypto();
    let found = list(&all["vectors"]).iter().find(|vector| vector["id"] == id);
    found.unwrap_or_else(|| panic!("no vector {id}")).clone()
}

/// A throw-away identity of `crypto.json`.
pub fn person(name: &str) -> PrivateKey {
    PrivateKey::from_wif(text(&crypto()["keys"][name]["wif"])).unwrap()
}

/// A throw-away identity of `endpoint.json`.
pub fn endpoint_person(label: &str) -> PrivateKey {
    let all = endpoint();
    let pair = list(&all["keys"]["pairs"]).iter().find(|pair| pair["label"] == label).unwrap();
    PrivateKey::from_wif(text(&pair["wif"])).unwrap()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not an array: {value}"))
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("not an integer: {value}"))
}

pub fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

pub fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

/// Hands out prepared bytes, and fails the test when asked for more.
pub struct ScriptedRng(Vec<u8>);

impl ScriptedRng {
    pub fn new(parts: &[&[u8]]) -> Self {
        Self(parts.concat())
    }

    /// All prepared bytes were used.
    pub fn assert_used_up(&self) {
        assert!(self.0.is_empty(), "{} random bytes left", self.0.len());
    }
}

impl TryRng for ScriptedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        assert!(self.0.len() >= out.len(), "{} random bytes too few", out.len() - self.0.len());
        out.copy_from_slice(&self.0[..out.len()]);
        self.0.drain(..out.len());
        Ok(())
    }
}

impl TryCryptoRng for ScriptedRng {}
