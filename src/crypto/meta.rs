//! Room contents, version 5: public, private and internal metadata (crypto.md 6.3).
//!
//! The bridge stores them without looking inside. Public metadata is signed; private and internal
//! metadata are signed and then encrypted with a container key. A data integrity object binds the
//! three together, to their author and to the room.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;
use zeroize::Zeroizing;

use super::cipher;
use super::dio;
use super::dio::Dio;
use super::dio::MODULE_STRUCTURE;
use super::dio::Origin;
use super::dio::Place;
use super::error::CryptoError;
use super::key::PrivateKey;
use super::key::PublicKey;
use super::room_key::ContainerKey;
use super::room_key::ContainerSecret;
use super::sign;
use crate::model::Timestamp;
use crate::model::UserId;

const VERSION: i64 = 5;

const PUBLIC_META: &str = "publicMeta";
const PRIVATE_META: &str = "privateMeta";
const INTERNAL_META: &str = "internalMeta";

/// How far the author's clock and that of the bridge may be apart.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Field names in byte order, as official clients write them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Module {
    author_pub_key: String,
    dio: String,
    internal_meta: String,
    private_meta: String,
    public_meta: String,
    #[serde(default)]
    public_meta_object: Option<Value>,
    version: i64,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct Internal {
    random_id: String,
    resource_id: String,
    secret: String,
}

/// What goes into a room, apart from its members.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Readable by the bridge.
    pub public_meta: &'a [u8],
    /// Readable by members.
    pub private_meta: &'a [u8],
    /// Made with the room; never changes.
    pub secret: &'a ContainerSecret,
}

/// Seals room contents under `key`: one entry of the room's history.
///
/// The result must stay within 4096 bytes as the bridge counts; empty metadata takes about 1750
/// of them, and public metadata that is a JSON object counts twice.
#[must_use]
pub fn seal(
    author: &PrivateKey,
    origin: &Origin,
    key: &ContainerKey,
    contents: &Contents<'_>,
    rng: &mut impl CryptoRng,
) -> Value {
    let internal = Internal {
        random_id: origin.random_id.0.clone(),
        resource_id: origin.place.resource.0.clone(),
        secret: contents.secret.expose().to_owned(),
    };
    // Room for everything at once: a buffer that grows leaves copies behind.
    let length = internal.resource_id.len().saturating_add(internal.secret.len());
    let mut json = Zeroizing::new(Vec::with_capacity(length.saturating_mul(6).saturating_add(256)));
    serde_json::to_writer(&mut *json, &internal).expect("text is valid JSON");

    let mut encrypt = |data: &[u8]| {
        let signed = Zeroizing::new(sign::seal_blob(author, data));
        BASE64_STANDARD.encode(cipher::blob_seal(key.expose(), &signed, rng))
    };
    let private_meta = encrypt(contents.private_meta);
    let internal_meta = encrypt(&json);
    let public_meta = BASE64_STANDARD.encode(sign::seal_blob(author, contents.public_meta));

    let checksums = [
        (INTERNAL_META, dio::checksum(&internal_meta)),
        (PRIVATE_META, dio::checksum(&private_meta)),
        (PUBLIC_META, dio::checksum(&public_meta)),
    ];
    let checksums = checksums.each_ref().map(|(name, sum)| (*name, sum.as_slice()));
    let module = Module {
        author_pub_key: author.public_key().to_base58(),
        dio: dio::seal(author, origin, MODULE_STRUCTURE, &checksums),
        internal_meta,
        private_meta,
        public_meta,
        public_meta_object: json_object(contents.public_meta),
        version: VERSION,
    };
    serde_json::to_value(module).expect("text and numbers are valid JSON")
}

/// The bytes as JSON, if they are a JSON object.
fn json_object(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().filter(Value::is_object)
}

/// Room contents that their author really wrote.
///
/// Verify last that the author is who they claim to be ([`Dio::origin`], [`Dio::creator`]).
#[derive(Debug)]
pub struct OpenedRoom {
    /// Readable by the bridge.
    pub public_meta: Vec<u8>,
    /// Readable by members.
    pub private_meta: Vec<u8>,
    /// Ties the keys of the room to it.
    pub secret: ContainerSecret,
    /// Who wrote this, where and when.
    pub dio: Dio,
}

/// Opens one entry of a room's history with the key that it names.
///
/// # Errors
///
/// [`CryptoError::UnknownDataVersion`] if it is of another version; those of [`Dio::open`] and
/// [`Dio::check`]; [`CryptoError::NotAuthentic`] if the key is another;
/// [`CryptoError::WrongSignature`] if the author did not write a part;
/// [`CryptoError::PublicMetaMismatch`] if the bridge's readable copy says something else.
pub fn open(data: &Value, key: &ContainerKey) -> Result<OpenedRoom, CryptoError> {
    if data.get("version").and_then(Value::as_i64) != Some(VERSION) {
        return Err(CryptoError::UnknownDataVersion);
    }
    let module = Module::deserialize(data).map_err(|_| CryptoError::MalformedBox)?;
    let dio = Dio::open(&module.dio, MODULE_STRUCTURE)?;
    dio.check(PUBLIC_META, &dio::checksum(&module.public_meta))?;
    dio.check(PRIVATE_META, &dio::checksum(&module.private_meta))?;
    dio.check(INTERNAL_META, &dio::checksum(&module.internal_meta))?;
    let author = PublicKey::from_base58(&module.author_pub_key);
    if author.as_ref() != Ok(&dio.creator) {
        return Err(CryptoError::DioChecksum);
    }
    let public_meta = decode(&module.public_meta)?;
    let public_meta = sign::open_blob(&dio.creator, &public_meta)?.to_vec();
    let private_meta = decrypt(&module.private_meta, key, &dio.creator)?.to_vec();
    let internal = decrypt(&module.internal_meta, key, &dio.creator)?;
    if let Some(copy) = &module.public_meta_object
        && let Some(original) = json_object(&public_meta)
        && !same_json(copy, &original)
    {
        return Err(CryptoError::PublicMetaMismatch);
    }
    let mut internal: Internal =
        serde_json::from_slice(&internal).map_err(|_| CryptoError::MalformedBox)?;
    let secret = ContainerSecret::new(std::mem::take(&mut internal.secret));
    Ok(OpenedRoom { public_meta, private_meta, secret, dio })
}

fn decode(text: &str) -> Result<Vec<u8>, CryptoError> {
    BASE64_STANDARD.decode(text).map_err(|_| CryptoError::MalformedBox)
}

fn decrypt(
    text: &str,
    key: &ContainerKey,
    author: &PublicKey,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let signed = Zeroizing::new(cipher::blob_open(key.expose(), &decode(text)?)?);
    sign::open_blob(author, &signed).map(|data| Zeroizing::new(data.to_vec()))
}

/// Compares as official clients do, who compare the printed form: 3 and 3.0 are the same.
///
/// The depth is bounded by the decoders of both sides.
fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        (a, b) => a == b,
    }
}

/// What the bridge says about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomFacts {
    /// Its Context and the id that its creator gave it.
    pub place: Place,
    /// Who changed it last.
    pub last_modifier: UserId,
    /// When, by the clock of the bridge.
    pub last_modification_date: Timestamp,
}

/// Opens the current contents of a stream room and checks that they belong to it.
///
/// # Errors
///
/// [`CryptoError::UnknownRoomFormat`] if they are of another version,
/// [`CryptoError::RoomIntegrity`] if they were written for another room, by somebody else than
/// the bridge says, or more than five minutes before or after; else those of [`open`].
pub fn open_room(
    data: &Value,
    key: &ContainerKey,
    facts: &RoomFacts,
) -> Result<OpenedRoom, CryptoError> {
    let opened = open(data, key).map_err(|error| match error {
        CryptoError::UnknownDataVersion => CryptoError::UnknownRoomFormat,
        other => other,
    })?;
    let origin = &opened.dio.origin;
    let apart = origin.timestamp.0.abs_diff(facts.last_modification_date.0);
    let belongs = origin.place == facts.place
        && origin.user == facts.last_modifier
        && u128::from(apart) < CLOCK_TOLERANCE.as_millis();
    if belongs { Ok(opened) } else { Err(CryptoError::RoomIntegrity) }
}
