//! Recorded vectors, and random numbers that can be foretold.

use std::convert::Infallible;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::crypto::dio::BridgeIdentity;
use conclave::crypto::dio::Origin;
use conclave::crypto::dio::Place;
use conclave::crypto::dio::RandomId;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::meta::RoomFacts;
use conclave::crypto::sign;
use conclave::model::ContextId;
use conclave::model::ResourceId;
use conclave::model::Timestamp;
use conclave::model::UserId;
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

/// A place by its two ids.
pub fn place(context: &str, resource: &str) -> Place {
    Place { context: ContextId::from(context), resource: ResourceId::from(resource) }
}
/// What `user` states about a room of these tests.
pub fn origin(user: &str) -> Origin {
    Origin {
        user: UserId::from(user),
        place: place("context", "resource"),
        timestamp: Timestamp(1_700_000_000_000),
        random_id: RandomId("0011223344556677".into()),
        bridge: Some(BridgeIdentity {
            instance_id: None,
            pub_key: None,
            url: "http://127.0.0.1:3000/api/v2.0".into(),
        }),
    }
}
/// What the bridge says about a room.
pub fn facts(place: Place, user: &str, date: i64) -> RoomFacts {
    RoomFacts { place, last_modifier: UserId::from(user), last_modification_date: Timestamp(date) }
}
/// The JSON text inside an encoded integrity object.
pub fn dio_json(encoded: &Value) -> String {
    let blob = BASE64_STANDARD.decode(text(encoded)).unwrap();
    String::from_utf8(sign::SignedBlob::parse(&blob).unwrap().data.to_vec()).unwrap()
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
