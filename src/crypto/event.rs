//! Custom events: messages from one user of a Context to others (crypto.md 6.4), or to the
//! members of a room.
//!
//! What goes to a room has the same parts as what goes to users of a Context. The differences:
//! it is encrypted with the room's key instead of one of its own, and it names the room as the
//! place where it belongs.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::cipher;
use super::dio;
use super::dio::Dio;
use super::dio::MODULE_STRUCTURE;
use super::dio::Origin;
use super::dio::Place;
use super::ecies;
use super::error::CryptoError;
use super::key::PrivateKey;
use super::key::PublicKey;
use super::room_key::ContainerKey;
use super::sign;
use crate::model::ContextId;
use crate::model::ResourceId;
use crate::model::UserId;

const VERSION: i64 = 5;
const KEY_BYTES: usize = 32;

const ENCRYPTED_DATA: &str = "encryptedData";
const TYPE: &str = "type";

/// Longest wrapped key that is read, in base64; official ones have 160 characters.
const MAX_KEY_TEXT: usize = 1024;

/// Field names in byte order, as official clients write them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    dio: String,
    encrypted_data: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    version: i64,
}

/// An event ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedEvent {
    /// What everybody gets.
    pub data: Value,
    /// What each receiver gets in addition: the key, wrapped for them.
    pub keys: Vec<(UserId, String)>,
}

/// Seals `payload` for `recipients`. The resource of `origin` is left out: events belong to no
/// room. `kind` is for events between programs; what people send has none.
#[must_use]
pub fn seal(
    author: &PrivateKey,
    origin: &Origin,
    kind: Option<&str>,
    payload: &[u8],
    recipients: &[(UserId, PublicKey)],
    rng: &mut impl CryptoRng,
) -> SealedEvent {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rng.fill_bytes(key.as_mut_slice());
    let mut origin = origin.clone();
    origin.place.resource = ResourceId::default();
    let data = seal_content(author, &origin, kind, payload, &key, rng);
    let keys = recipients
        .iter()
        .map(|(user, public)| {
            let wrapped = ecies::seal(author, public, key.as_slice());
            (user.clone(), BASE64_STANDARD.encode(wrapped))
        })
        .collect();
    SealedEvent { data, keys }
}

/// Seals `payload` for the members of the room that `origin` names, who hold `key`.
#[must_use]
pub fn seal_for_room(
    author: &PrivateKey,
    origin: &Origin,
    payload: &[u8],
    key: &ContainerKey,
    rng: &mut impl CryptoRng,
) -> Value {
    seal_content(author, origin, None, payload, key.expose(), rng)
}

fn seal_content(
    author: &PrivateKey,
    origin: &Origin,
    kind: Option<&str>,
    payload: &[u8],
    key: &[u8; KEY_BYTES],
    rng: &mut impl CryptoRng,
) -> Value {
    let signed = Zeroizing::new(sign::seal_blob(author, payload));
    let encrypted_data = BASE64_STANDARD.encode(cipher::blob_seal(key, &signed, rng));
    let checksum = dio::checksum(&encrypted_data);
    let mut checksums = vec![(ENCRYPTED_DATA, checksum.as_slice())];
    checksums.extend(kind.map(|kind| (TYPE, kind.as_bytes())));
    let json = Json {
        dio: dio::seal(author, origin, MODULE_STRUCTURE, &checksums),
        encrypted_data,
        kind: kind.map(str::to_owned),
        version: VERSION,
    };
    serde_json::to_value(json).expect("text is valid JSON")
}

/// An event as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedEvent<'a> {
    /// The Context it was sent in.
    pub context: &'a ContextId,
    /// Who the bridge says has sent it.
    pub user: &'a UserId,
    /// The key of that user, as the bridge says.
    pub author: &'a PublicKey,
    /// The key, wrapped for the reader.
    pub key: &'a str,
    /// What everybody got.
    pub data: &'a Value,
}

/// An event that its author really sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedEvent {
    /// The content.
    pub payload: Vec<u8>,
    /// What kind of event between programs it is, if any.
    pub kind: Option<String>,
    /// Who sent it and when. Verify last that the author is who they claim to be.
    pub dio: Dio,
}

/// Opens an event.
///
/// # Errors
///
/// [`CryptoError::MalformedKeyEntry`] if the key was not wrapped for `reader` by the author;
/// [`CryptoError::UnknownDataVersion`] if the event is of another version; those of
/// [`Dio::open`] and [`Dio::check`]; [`CryptoError::RoomIntegrity`] if it was sent elsewhere or
/// by somebody else; [`CryptoError::NotAuthentic`] or [`CryptoError::WrongSignature`] if it was
/// changed.
pub fn open(reader: &PrivateKey, event: &ReceivedEvent<'_>) -> Result<OpenedEvent, CryptoError> {
    let key = unwrap_key(reader, event)?;
    let place = Place { context: event.context.clone(), resource: ResourceId::default() };
    open_content(&key, &place, event.user, event.author, event.data)
}

/// Opens an event of the room `place` that `user`, by the bridge's word the holder of
/// `author`, sent under `key`.
///
/// # Errors
///
/// Those of [`open`], apart from the first.
pub fn open_from_room(
    key: &ContainerKey,
    place: &Place,
    user: &UserId,
    author: &PublicKey,
    data: &Value,
) -> Result<OpenedEvent, CryptoError> {
    open_content(key.expose(), place, user, author, data)
}

fn open_content(
    key: &[u8; KEY_BYTES],
    place: &Place,
    user: &UserId,
    author: &PublicKey,
    data: &Value,
) -> Result<OpenedEvent, CryptoError> {
    if data.get("version").and_then(Value::as_i64) != Some(VERSION) {
        return Err(CryptoError::UnknownDataVersion);
    }
    let json = Json::deserialize(data).map_err(|_| CryptoError::MalformedBox)?;
    let dio = Dio::open(&json.dio, MODULE_STRUCTURE)?;
    dio.check(ENCRYPTED_DATA, &dio::checksum(&json.encrypted_data))?;
    match &json.kind {
        Some(kind) => dio.check(TYPE, kind.as_bytes())?,
        None if dio.checksum(TYPE).is_some() => return Err(CryptoError::DioChecksum),
        None => {}
    }
    let origin = &dio.origin;
    let belongs = origin.place == *place && origin.user == *user && dio.creator == *author;
    if !belongs {
        return Err(CryptoError::RoomIntegrity);
    }
    let sealed =
        BASE64_STANDARD.decode(&json.encrypted_data).map_err(|_| CryptoError::MalformedBox)?;
    let signed = cipher::blob_open(key, &sealed)?;
    let payload = sign::open_blob(&dio.creator, &signed)?.to_vec();
    Ok(OpenedEvent { payload, kind: json.kind, dio })
}

fn unwrap_key(
    reader: &PrivateKey,
    event: &ReceivedEvent<'_>,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, CryptoError> {
    const MALFORMED: CryptoError = CryptoError::MalformedKeyEntry;
    if event.key.len() > MAX_KEY_TEXT {
        return Err(MALFORMED);
    }
    let envelope = BASE64_STANDARD.decode(event.key).map_err(|_| MALFORMED)?;
    let opened = ecies::open(reader, &envelope).map_err(|_| MALFORMED)?;
    if opened.author != *event.author {
        return Err(MALFORMED);
    }
    opened.plaintext.expose().as_slice().try_into().map(Zeroizing::new).map_err(|_| MALFORMED)
}
