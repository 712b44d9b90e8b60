//! Data integrity objects: who made something, where it belongs, and what it consists of, signed
//! by its author (crypto.md 5).
//!
//! The signature proves that the holder of the named key wrote the statement. Whether that key
//! belongs to the named user is for the caller to decide, as the last step, against the users of
//! the Context and the keys that are already known: nothing else stops a malicious bridge.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;
use serde::Deserialize;
use serde::Serialize;

use super::error::CryptoError;
use super::hash;
use super::key::PrivateKey;
use super::key::PublicKey;
use super::sign;
use super::sign::SignedBlob;
use crate::model::ContextId;
use crate::model::ResourceId;
use crate::model::Timestamp;
use crate::model::UserId;

/// The only version of the object itself.
const VERSION: i64 = 1;

/// `structureVersion` of a key entry.
pub const KEY_ENTRY_STRUCTURE: i64 = 2;
/// `structureVersion` of room contents and custom events.
pub const MODULE_STRUCTURE: i64 = 5;

/// Longest object that is read, in base64. A bridge stores 16 KiB at most around it.
const MAX_TEXT_BYTES: usize = 32 * 1024;

/// Most fields that are read; three is the most that is written.
const MAX_CHECKSUMS: usize = 16;

/// 16 hex digits that tell apart what an author made in the same millisecond.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RandomId(pub String);

impl RandomId {
    /// Makes a new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 8];
        rng.fill_bytes(&mut bytes);
        Self(hex::encode(bytes))
    }
}

impl fmt::Display for RandomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where something belongs. Custom events have an empty resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The Context.
    pub context: ContextId,
    /// The room, by the id that its creator gave it.
    pub resource: ResourceId,
}

/// The bridge that the author was talking to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeIdentity {
    /// Free text that the application passed to `connect`.
    #[serde(rename = "instanceId", default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The key that the application pinned, in base58.
    #[serde(rename = "pubKey", default, skip_serializing_if = "Option::is_none")]
    pub pub_key: Option<String>,
    /// The full URL of the API.
    pub url: String,
}

/// What all statements of one act of an author have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The author.
    pub user: UserId,
    /// Where it belongs.
    pub place: Place,
    /// When it was made, by the author's clock.
    pub timestamp: Timestamp,
    /// Which of the author's acts it was.
    pub random_id: RandomId,
    /// Through which bridge; official clients refuse rooms without it.
    pub bridge: Option<BridgeIdentity>,
}

/// A statement whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dio {
    /// Who, where and when.
    pub origin: Origin,
    /// The key that signed this and claims to be the author's.
    pub creator: PublicKey,
    /// What is described: [`KEY_ENTRY_STRUCTURE`] or [`MODULE_STRUCTURE`].
    pub structure_version: i64,
    checksums: BTreeMap<String, Vec<u8>>,
}

/// Field names in byte order, as official clients write them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bridge_identity: Option<BridgeIdentity>,
    context_id: String,
    creator_public_key: String,
    creator_user_id: String,
    field_checksums: BTreeMap<String, String>,
    random_id: String,
    resource_id: String,
    structure_version: i64,
    timestamp: i64,
    version: i64,
}

/// The checksum of most fields: SHA-256 of the text in which they are sent.
#[must_use]
pub fn checksum(text: &str) -> [u8; 32] {
    hash::sha256(text.as_bytes())
}

/// States in `author`'s name where something comes from and what it consists of.
#[must_use]
pub fn seal(
    author: &PrivateKey,
    origin: &Origin,
    structure_version: i64,
    checksums: &[(&str, &[u8])],
) -> String {
    let field_checksums = checksums
        .iter()
        .map(|(name, sum)| ((*name).to_owned(), BASE64_STANDARD.encode(sum)))
        .collect();
    let json = Json {
        bridge_identity: origin.bridge.clone(),
        context_id: origin.place.context.0.clone(),
        creator_public_key: author.public_key().to_base58(),
        creator_user_id: origin.user.0.clone(),
        field_checksums,
        random_id: origin.random_id.0.clone(),
        resource_id: origin.place.resource.0.clone(),
        structure_version,
        timestamp: origin.timestamp.0,
        version: VERSION,
    };
    let json = serde_json::to_vec(&json).expect("text and numbers are valid JSON");
    BASE64_STANDARD.encode(sign::seal_blob(author, &json))
}

impl Dio {
    /// Reads a statement and checks that the author it names signed it.
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedDio`] if it cannot be read, lacks a field or describes something
    /// else than `structure_version`; [`CryptoError::DioSignature`] if somebody else signed it.
    pub fn open(text: &str, structure_version: i64) -> Result<Self, CryptoError> {
        const MALFORMED: CryptoError = CryptoError::MalformedDio;
        if text.len() > MAX_TEXT_BYTES {
            return Err(MALFORMED);
        }
        let blob = BASE64_STANDARD.decode(text).map_err(|_| MALFORMED)?;
        let blob = SignedBlob::parse(&blob).map_err(|_| MALFORMED)?;
        let json: Json = serde_json::from_slice(blob.data).map_err(|_| MALFORMED)?;
        let mandatory = [&json.creator_user_id, &json.context_id, &json.random_id];
        if mandatory.iter().any(|text| text.is_empty())
            || json.version != VERSION
            || json.structure_version != structure_version
            || json.field_checksums.len() > MAX_CHECKSUMS
        {
            return Err(MALFORMED);
        }
        let creator = PublicKey::from_base58(&json.creator_public_key).map_err(|_| MALFORMED)?;
        blob.verify(&creator).map_err(|_| CryptoError::DioSignature)?;
        let checksums = json
            .field_checksums
            .into_iter()
            .map(|(name, sum)| Some((name, BASE64_STANDARD.decode(sum).ok()?)))
            .collect::<Option<_>>()
            .ok_or(MALFORMED)?;
        let origin = Origin {
            user: UserId(json.creator_user_id),
            place: Place {
                context: ContextId(json.context_id),
                resource: ResourceId(json.resource_id),
            },
            timestamp: Timestamp(json.timestamp),
            random_id: RandomId(json.random_id),
            bridge: json.bridge_identity,
        };
        Ok(Self { origin, creator, structure_version: json.structure_version, checksums })
    }

    /// The stated checksum of a field.
    #[must_use]
    pub fn checksum(&self, field: &str) -> Option<&[u8]> {
        self.checksums.get(field).map(Vec::as_slice)
    }

    /// Checks that a field is what the author stated.
    ///
    /// # Errors
    ///
    /// [`CryptoError::DioChecksum`] if it is something else, or not stated at all.
    pub fn check(&self, field: &str, checksum: &[u8]) -> Result<(), CryptoError> {
        match self.checksum(field) {
            Some(stated) if hash::equal(stated, checksum) => Ok(()),
            _ => Err(CryptoError::DioChecksum),
        }
    }
}
